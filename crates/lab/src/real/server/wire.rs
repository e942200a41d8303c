//! The protocol around a [`Conversation`]: messages and their order are the crate `pgwire`'s, types and values are here.

use std::sync::Arc;

use async_trait::async_trait;
use futures::stream;
use monostable::{Column, DataType, Outcome, Value};
use parking_lot::Mutex;
use pgwire::api::auth::StartupHandler;
use pgwire::api::auth::noop::NoopStartupHandler;
use pgwire::api::portal::{Format, Portal};
use pgwire::api::query::{ExtendedQueryHandler, SimpleQueryHandler};
use pgwire::api::results::{DataRowEncoder, FieldInfo, QueryResponse, Response, Tag};
use pgwire::api::stmt::QueryParser;
use pgwire::api::{ClientInfo, PgWireServerHandlers, Type};
use pgwire::error::{ErrorInfo, PgWireError, PgWireResult};

use super::conversation::{Answer, Conversation};

/// One client's connection.
pub(super) struct Connection(Arc<Served>);

/// What answers its messages.
#[derive(Clone)]
struct Served(Arc<Mutex<Conversation>>);

/// A statement that has been parsed.
#[derive(Debug, Clone)]
struct Parsed {
    sql: String,
    parameters: Vec<Type>,
    columns: Vec<Column>,
}

impl Connection {
    pub(super) fn new(conversation: Conversation) -> Connection {
        Connection(Arc::new(Served(Arc::new(Mutex::new(conversation)))))
    }
}

impl PgWireServerHandlers for Connection {
    fn simple_query_handler(&self) -> Arc<impl SimpleQueryHandler> {
        Arc::clone(&self.0)
    }

    fn extended_query_handler(&self) -> Arc<impl ExtendedQueryHandler> {
        Arc::clone(&self.0)
    }

    fn startup_handler(&self) -> Arc<impl StartupHandler> {
        Arc::clone(&self.0)
    }
}

impl NoopStartupHandler for Served {}

impl Served {
    /// Asks the conversation, and tells the client in which state an error has left it.
    fn ask<T>(
        &self,
        client: &mut impl ClientInfo,
        ask: impl FnOnce(&mut Conversation) -> monostable::Result<T>,
    ) -> PgWireResult<T> {
        let mut conversation = self.0.lock();
        ask(&mut conversation).map_err(|error| {
            client.set_transaction_status(conversation.status());
            refused(&error)
        })
    }
}

#[async_trait]
impl SimpleQueryHandler for Served {
    async fn do_query<C>(&self, client: &mut C, query: &str) -> PgWireResult<Vec<Response>>
    where
        C: ClientInfo + Unpin + Send + Sync,
    {
        responses(self.ask(client, |conversation| conversation.text(query))?, &Format::UnifiedText)
    }
}

#[async_trait]
impl ExtendedQueryHandler for Served {
    type Statement = Parsed;
    type QueryParser = Served;

    fn query_parser(&self) -> Arc<Served> {
        Arc::new(self.clone())
    }

    async fn do_query<C>(&self, client: &mut C, portal: &Portal<Parsed>, _: usize) -> PgWireResult<Response>
    where
        C: ClientInfo + Unpin + Send + Sync,
    {
        let values = parameters(portal)?;
        let sql = &portal.statement.statement.sql;
        let answer = self.ask(client, |conversation| conversation.statement(sql, &values))?;
        Ok(responses(answer, &portal.result_column_format)?.pop().unwrap_or(Response::EmptyQuery))
    }
}

#[async_trait]
impl QueryParser for Served {
    type Statement = Parsed;

    async fn parse_sql<C>(&self, _: &C, sql: &str, _: &[Option<Type>]) -> PgWireResult<Option<Parsed>>
    where
        C: ClientInfo + Unpin + Send + Sync,
    {
        let described = self.0.lock().describe(sql).map_err(|error| refused(&error))?;
        let (parameters, columns) = described.map(|one| (one.parameters, one.columns)).unwrap_or_default();
        let parameters = parameters.into_iter().map(wire_type).collect();
        Ok(Some(Parsed { sql: sql.to_owned(), parameters, columns }))
    }

    fn get_parameter_types(&self, parsed: &Parsed) -> PgWireResult<Vec<Type>> {
        Ok(parsed.parameters.clone())
    }

    fn get_result_schema(&self, parsed: &Parsed, format: Option<&Format>) -> PgWireResult<Vec<FieldInfo>> {
        let columns = parsed.columns.iter().map(|column| (column.name.clone(), column.data_type));
        fields(columns.collect(), format.unwrap_or(&Format::UnifiedBinary))
    }
}

fn refusal(sqlstate: &str, message: String) -> PgWireError {
    PgWireError::UserError(Box::new(ErrorInfo::new("ERROR".to_owned(), sqlstate.to_owned(), message)))
}

fn refused(error: &monostable::Error) -> PgWireError {
    refusal(error.sqlstate(), error.to_string())
}

/// As what a type is announced.
fn wire_type(data_type: DataType) -> Type {
    match data_type {
        DataType::Boolean => Type::BOOL,
        DataType::SmallInt => Type::INT2,
        DataType::Integer => Type::INT4,
        DataType::BigInt => Type::INT8,
        DataType::Real => Type::FLOAT4,
        DataType::Double => Type::FLOAT8,
        DataType::Bytea => Type::BYTEA,
        _ => Type::TEXT,
    }
}

/// Refuses a list of formats that is not as long as what it is for; the crate would look beyond its end.
fn check(format: &Format, count: usize) -> PgWireResult<()> {
    match format {
        Format::Individual(codes) if codes.len() != count => {
            Err(refusal("08P01", format!("{} formats are given for {count} values", codes.len())))
        }
        _ => Ok(()),
    }
}

fn fields(columns: Vec<(String, DataType)>, format: &Format) -> PgWireResult<Vec<FieldInfo>> {
    check(format, columns.len())?;
    let field = |(at, (name, data_type))| FieldInfo::new(name, None, None, wire_type(data_type), format.format_for(at));
    Ok(columns.into_iter().enumerate().map(field).collect())
}

/// The parameters that a client has bound, each of the type that it declared or else of the one that was announced.
fn parameters(portal: &Portal<Parsed>) -> PgWireResult<Vec<Value>> {
    check(&portal.parameter_format, portal.parameter_len())?;
    let (declared, announced) = (&portal.statement.parameter_types, &portal.statement.statement.parameters);
    let type_of = |at: usize| declared.get(at).and_then(Option::as_ref).or(announced.get(at)).unwrap_or(&Type::TEXT);
    (0..portal.parameter_len()).map(|at| parameter(portal, at, type_of(at))).collect()
}

fn parameter(portal: &Portal<Parsed>, at: usize, of: &Type) -> PgWireResult<Value> {
    Ok(match *of {
        Type::BOOL => portal.parameter::<bool>(at, of)?.into(),
        Type::INT2 => portal.parameter::<i16>(at, of)?.into(),
        Type::INT4 => portal.parameter::<i32>(at, of)?.into(),
        Type::INT8 => portal.parameter::<i64>(at, of)?.into(),
        Type::FLOAT4 => portal.parameter::<f32>(at, of)?.into(),
        Type::FLOAT8 => portal.parameter::<f64>(at, of)?.into(),
        Type::BYTEA => portal.parameter::<Vec<u8>>(at, of)?.into(),
        Type::TEXT | Type::VARCHAR => portal.parameter::<String>(at, of)?.into(),
        _ => return Err(refusal("0A000", format!("a parameter of type {of} is not supported: declare it as text"))),
    })
}

fn responses(answer: Answer, format: &Format) -> PgWireResult<Vec<Response>> {
    match answer {
        Answer::Set => Ok(vec![Response::Execution(Tag::new("SET"))]),
        Answer::RolledBack => Ok(vec![Response::TransactionEnd(Tag::new("ROLLBACK"))]),
        Answer::Outcomes(outcomes) => outcomes.into_iter().map(|outcome| response(outcome, format)).collect(),
    }
}

fn response(outcome: Outcome, format: &Format) -> PgWireResult<Response> {
    let Some(rows) = outcome.rows else {
        let tag = Tag::new(&outcome.tag);
        return Ok(match outcome.tag.as_str() {
            "BEGIN" => Response::TransactionStart(tag),
            "COMMIT" | "ROLLBACK" => Response::TransactionEnd(tag),
            _ => Response::Execution(tag),
        });
    };
    let fields = Arc::new(fields(outcome.columns.into_iter().zip(outcome.types).collect(), format)?);
    let mut encoder = DataRowEncoder::new(Arc::clone(&fields));
    let mut encoded = Vec::with_capacity(rows.len());
    for row in &rows {
        for value in row.values().map_err(|error| refused(&error))? {
            encode(&mut encoder, value)?;
        }
        encoded.push(Ok(encoder.take_row()));
    }
    let mut answer = QueryResponse::new(fields, stream::iter(encoded));
    // The number of rows at the end of the tag is added again by the crate.
    answer.set_command_tag(outcome.tag.trim_end_matches(|c: char| c.is_ascii_digit()).trim_end());
    Ok(Response::Query(answer))
}

fn encode(encoder: &mut DataRowEncoder, value: Value) -> PgWireResult<()> {
    match value {
        Value::Null => encoder.encode_field(&None::<&str>),
        Value::Boolean(value) => encoder.encode_field(&value),
        Value::SmallInt(value) => encoder.encode_field(&value),
        Value::Integer(value) => encoder.encode_field(&value),
        Value::BigInt(value) => encoder.encode_field(&value),
        Value::Real(value) => encoder.encode_field(&value),
        Value::Double(value) => encoder.encode_field(&value),
        Value::Bytea(value) => encoder.encode_field(&value),
        Value::Text(value) => encoder.encode_field(&value),
        other => encoder.encode_field(&other.to_string()),
    }
}
