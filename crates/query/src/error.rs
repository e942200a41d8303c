//! What can go wrong between a text of SQL and its result, each with the SQLSTATE that PostgreSQL gives for it.
//!
//! The front end reports errors of five kinds: the text is not SQL, a name does not resolve, types do not fit, a construct
//! is not supported, or a value cannot be computed. Errors that DataFusion's planning crates raise are translated here and
//! nowhere else, so that no caller ever looks at a foreign error type.

use datafusion_common::{DataFusionError, SchemaError};
use monostable_types::CodecError;
use monostable_view::{ExpressionError, Failure, StepError};

/// The result of everything in this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a statement was refused or failed. Nothing has happened when one of these is returned.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The text is not SQL (42601).
    #[error("syntax error: {0}")]
    Syntax(String),
    /// The statement is too large or too deeply nested (54001).
    #[error("statement is too complex: {0}")]
    TooComplex(String),
    /// The construct is not supported (0A000). It is refused, not approximated.
    #[error("{0} is not supported")]
    NotSupported(String),
    /// No such object (42P01 for relations, 42703, 42704, 42883).
    #[error("{kind} \"{name}\" does not exist")]
    Undefined {
        /// What was looked up.
        kind: Object,
        /// The name as it was looked up.
        name: String,
    },
    /// No operator or function takes these argument types (42883).
    #[error("{0}; add explicit type casts")]
    UndefinedOperator(String),
    /// The name is taken (42P07 for relations and indexes, 42701 for columns).
    #[error("{kind} \"{name}\" already exists")]
    Duplicate {
        /// What was to be created.
        kind: Object,
        /// The name that is taken.
        name: String,
    },
    /// The name means more than one thing (42702).
    #[error("column reference \"{0}\" is ambiguous; qualify it with a table name")]
    Ambiguous(String),
    /// The object is of another kind than the statement needs (42809).
    #[error("{0}")]
    WrongObjectType(String),
    /// Types do not fit together (42804).
    #[error("{0}")]
    DatatypeMismatch(String),
    /// A type cannot be converted to another one (42846).
    #[error("cannot cast type {from} to {to}")]
    CannotCoerce {
        /// Type of the value.
        from: String,
        /// Type that was asked for.
        to: String,
    },
    /// A column is used outside of GROUP BY and of an aggregate, or an aggregate where none may stand (42803).
    #[error("{0}")]
    Grouping(String),
    /// The parameter has no value, or its type cannot be inferred (42P02, 42P18).
    #[error("{message}")]
    Parameter {
        /// 42P02 or 42P18.
        sqlstate: &'static str,
        /// What is wrong, and what to write instead.
        message: String,
    },
    /// Other objects depend on the one that is to be dropped (2BP01).
    #[error("cannot drop {kind} \"{name}\" because {dependents} depends on it; drop that first")]
    DependentObjects {
        /// What was to be dropped.
        kind: Object,
        /// Its name.
        name: String,
        /// Who needs it, comma-separated.
        dependents: String,
    },
    /// The definition contradicts itself (42P16, 42611 and the like).
    #[error("{message}")]
    InvalidDefinition {
        /// The SQLSTATE.
        sqlstate: &'static str,
        /// What is wrong with the definition.
        message: String,
    },
    /// A value cannot be computed: overflow, division by zero, bad text for a type, violated constraint (classes 22 and 23).
    #[error("{message}")]
    Data {
        /// The SQLSTATE.
        sqlstate: &'static str,
        /// Which value, and why.
        message: String,
    },
    /// The graph half refused what the front end built, or failed while it ran.
    #[error("{message}")]
    View {
        /// The SQLSTATE.
        sqlstate: &'static str,
        /// The message of crate `view`.
        message: String,
    },
    /// A catalog that was read back is not one that was written (XX001).
    #[error("catalog is damaged: {0}")]
    Corruption(String),
    /// A promise of this crate is broken (XX000). Please report it with the statement.
    #[error("internal error: {0}")]
    Internal(String),
}

/// The kinds of named things.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Object {
    /// A table or a view.
    Relation,
    /// A table.
    Table,
    /// A materialized view.
    View,
    /// An index.
    Index,
    /// A column.
    Column,
    /// A function.
    Function,
    /// A type.
    Type,
    /// A constraint.
    Constraint,
}

impl std::fmt::Display for Object {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Object::Relation => "relation",
            Object::Table => "table",
            Object::View => "materialized view",
            Object::Index => "index",
            Object::Column => "column",
            Object::Function => "function",
            Object::Type => "type",
            Object::Constraint => "constraint",
        })
    }
}

impl Error {
    /// The five characters that PostgreSQL would give.
    pub fn sqlstate(&self) -> &'static str {
        match self {
            Error::Syntax(_) => "42601",
            Error::TooComplex(_) => "54001",
            Error::NotSupported(_) => "0A000",
            Error::Undefined { kind, .. } => match kind {
                Object::Relation | Object::Table | Object::View => "42P01",
                Object::Column => "42703",
                Object::Function => "42883",
                Object::Index | Object::Type | Object::Constraint => "42704",
            },
            Error::UndefinedOperator(_) => "42883",
            Error::Duplicate { kind, .. } => match kind {
                Object::Column => "42701",
                Object::Constraint | Object::Type => "42710",
                _ => "42P07",
            },
            Error::Ambiguous(_) => "42702",
            Error::WrongObjectType(_) => "42809",
            Error::DatatypeMismatch(_) => "42804",
            Error::CannotCoerce { .. } => "42846",
            Error::Grouping(_) => "42803",
            Error::DependentObjects { .. } => "2BP01",
            Error::Parameter { sqlstate, .. }
            | Error::InvalidDefinition { sqlstate, .. }
            | Error::Data { sqlstate, .. }
            | Error::View { sqlstate, .. } => sqlstate,
            Error::Corruption(_) => "XX001",
            Error::Internal(_) => "XX000",
        }
    }

    /// A construct that is refused; `construct` completes the sentence ".. is not supported".
    pub fn not_supported(construct: impl Into<String>) -> Error {
        Error::NotSupported(construct.into())
    }

    /// Something of that kind and name does not exist.
    pub fn undefined(kind: Object, name: impl Into<String>) -> Error {
        Error::Undefined { kind, name: name.into() }
    }

    /// Something of that kind and name exists already.
    pub fn duplicate(kind: Object, name: impl Into<String>) -> Error {
        Error::Duplicate { kind, name: name.into() }
    }

    /// A value that cannot be computed.
    pub fn data(sqlstate: &'static str, message: impl Into<String>) -> Error {
        Error::Data { sqlstate, message: message.into() }
    }

    /// Carries one of our own errors through DataFusion's interfaces; [`From<DataFusionError>`] takes it out again.
    pub(crate) fn into_datafusion(self) -> DataFusionError {
        DataFusionError::External(Box::new(self))
    }
}

impl From<Error> for DataFusionError {
    fn from(error: Error) -> DataFusionError {
        error.into_datafusion()
    }
}

impl From<monostable_types::Error> for Error {
    fn from(error: monostable_types::Error) -> Error {
        Error::Data { sqlstate: error.sqlstate(), message: error.to_string() }
    }
}

impl From<ExpressionError> for Error {
    fn from(error: ExpressionError) -> Error {
        Error::Data { sqlstate: error.sqlstate, message: error.message }
    }
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Error {
        Error::View { sqlstate: failure.sqlstate(), message: failure.to_string() }
    }
}

/// The operator that failed says nothing to whoever asked a query, so only the reason is kept.
impl From<StepError> for Error {
    fn from(error: StepError) -> Error {
        Error::from(error.failure)
    }
}

impl From<monostable_view::Error> for Error {
    fn from(error: monostable_view::Error) -> Error {
        Error::from(Failure::from(error))
    }
}

impl From<CodecError> for Error {
    fn from(error: CodecError) -> Error {
        Error::data(error.sqlstate(), error.to_string())
    }
}

impl From<Error> for ExpressionError {
    fn from(error: Error) -> ExpressionError {
        ExpressionError { sqlstate: error.sqlstate(), message: error.to_string() }
    }
}

impl From<arrow_schema::ArrowError> for Error {
    fn from(error: arrow_schema::ArrowError) -> Error {
        use arrow_schema::ArrowError;
        match error {
            ArrowError::DivideByZero => Error::data("22012", "division by zero"),
            ArrowError::ArithmeticOverflow(message) => Error::data("22003", format!("value out of range: {message}")),
            ArrowError::CastError(message) | ArrowError::ParseError(message) => Error::data("22P02", message),
            ArrowError::InvalidArgumentError(message) | ArrowError::ComputeError(message) => {
                let sqlstate = if is_overflow(&message) { "22003" } else { "22023" };
                Error::data(sqlstate, message)
            }
            ArrowError::ExternalError(source) => match source.downcast::<Error>() {
                Ok(own) => *own,
                Err(other) => Error::data("22000", other.to_string()),
            },
            other => Error::Internal(other.to_string()),
        }
    }
}

fn is_overflow(message: &str) -> bool {
    let message = message.to_ascii_lowercase();
    message.contains("overflow") || message.contains("too large") || message.contains("out of range")
}

impl From<DataFusionError> for Error {
    fn from(error: DataFusionError) -> Error {
        match error {
            DataFusionError::External(source) => match source.downcast::<Error>() {
                Ok(own) => *own,
                Err(other) => Error::Internal(other.to_string()),
            },
            DataFusionError::Context(_, source) | DataFusionError::Diagnostic(_, source) => Error::from(*source),
            DataFusionError::Collection(mut errors) if !errors.is_empty() => Error::from(errors.swap_remove(0)),
            DataFusionError::Shared(source) => shared(&source),
            DataFusionError::ArrowError(source, _) => Error::from(*source),
            DataFusionError::SQL(source, _) => syntax(&source),
            DataFusionError::SchemaError(source, _) => schema(&source),
            DataFusionError::NotImplemented(message) => Error::NotSupported(one_line(&message)),
            DataFusionError::Plan(message) => plan(&message),
            DataFusionError::Execution(message) if is_overflow(&message) => Error::data("22003", one_line(&message)),
            DataFusionError::Execution(message) => Error::data("22023", one_line(&message)),
            DataFusionError::ResourcesExhausted(message) => Error::TooComplex(message),
            other => Error::Internal(one_line(&other.to_string())),
        }
    }
}

/// Several holders share the error, so what it carries is cloned out of it.
fn shared(error: &DataFusionError) -> Error {
    match error.find_root() {
        DataFusionError::External(source) => match source.downcast_ref::<Error>() {
            Some(own) => own.clone(),
            None => Error::Internal(source.to_string()),
        },
        DataFusionError::Plan(message) => plan(message),
        other => Error::Internal(one_line(&other.to_string())),
    }
}

pub(crate) fn syntax(error: &datafusion_sql::sqlparser::parser::ParserError) -> Error {
    use datafusion_sql::sqlparser::parser::ParserError;
    match error {
        ParserError::TokenizerError(message) | ParserError::ParserError(message) => {
            Error::Syntax(message.trim_start_matches("sql parser error: ").to_string())
        }
        ParserError::RecursionLimitExceeded => Error::TooComplex("expressions are nested too deeply".to_string()),
    }
}

fn schema(error: &SchemaError) -> Error {
    match error {
        SchemaError::AmbiguousReference { field } => Error::Ambiguous(field.name.clone()),
        SchemaError::DuplicateQualifiedField { name, .. } | SchemaError::DuplicateUnqualifiedField { name } => {
            Error::duplicate(Object::Column, name.clone())
        }
        SchemaError::FieldNotFound { field, .. } => Error::undefined(Object::Column, field.flat_name()),
    }
}

/// DataFusion reports most binding errors as text only.
fn plan(message: &str) -> Error {
    let message = one_line(message);
    let has = |part: &str| message.contains(part);
    if has("must be in GROUP BY or an aggregate function")
        || has("must appear in the GROUP BY clause")
        || has("could not be resolved from available columns")
        || has("HAVING clause references")
        || has("Aggregate function calls cannot be nested")
        || has("Aggregate functions are not allowed")
    {
        return Error::Grouping(message);
    }
    if has("Invalid function")
        || has("does not match any")
        || has("No function matches")
        || has("arguments for function")
    {
        return Error::UndefinedOperator(message);
    }
    if has("different number of columns") {
        return Error::Syntax(message);
    }
    if has("ORDER BY expressions") || has("Order by column out of bounds") {
        return Error::InvalidDefinition { sqlstate: "42P10", message };
    }
    if has("Invalid placeholder") {
        return Error::Parameter { sqlstate: "42P02", message };
    }
    if has("ambiguous") {
        return Error::Ambiguous(message);
    }
    if has("Projections require unique expression names") || has("duplicate") {
        return Error::InvalidDefinition { sqlstate: "42701", message };
    }
    if has("Unsupported") || has("not supported") || has("not implemented") {
        return Error::NotSupported(message);
    }
    Error::DatatypeMismatch(message)
}

/// Foreign messages carry back traces and advice over several lines.
fn one_line(message: &str) -> String {
    message.lines().next().unwrap_or_default().to_string()
}
