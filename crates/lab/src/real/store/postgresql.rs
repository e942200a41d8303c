//! PostgreSQL behind its own protocol: the query computed for each read, or a summary table kept by a trigger.
//!
//! The server is somebody else's process and is configured by whoever started it; the run records the settings that matter
//! (`fsync`, `synchronous_commit`, `shared_buffers`) as the server reports them. Each workload has its own schema, which is
//! dropped and filled again for every run.

use std::fmt::Write as _;
use std::io::Write as _;

use parking_lot::Mutex;
use postgres::{Client, NoTls, Statement};

use super::{Reader, Store, Writer};
use crate::real::error::Result;
use crate::real::workload::{Cell, Page, PageRow, Workload};

const SCHEMA: &str = "monostable_lab";

/// A database on a server.
pub struct Postgres {
    workload: Workload,
    summary: bool,
    dsn: String,
    admin: Mutex<Client>,
}

fn connect(dsn: &str) -> Result<Client> {
    let mut client = Client::connect(dsn, NoTls)?;
    client.batch_execute(&format!("SET search_path = {SCHEMA}"))?;
    Ok(client)
}

impl Postgres {
    /// Makes the schema again and fills it.
    pub fn build(workload: Workload, summary: bool, dsn: &str) -> Result<Postgres> {
        let mut client = connect(dsn)?;
        client.batch_execute(&format!("DROP SCHEMA IF EXISTS {SCHEMA} CASCADE; CREATE SCHEMA {SCHEMA}"))?;
        for (index, (table, rows)) in workload.tables().iter().zip(workload.initial_rows()).enumerate() {
            client.batch_execute(&format!("CREATE TABLE {} ({})", table.name, table.columns))?;
            let mut copy = client.copy_in(&format!("COPY {} FROM STDIN", table.name))?;
            let mut text = String::new();
            for row in 0..rows {
                text.clear();
                for (at, cell) in workload.initial_row(index, row).iter().enumerate() {
                    let tab = if at == 0 { "" } else { "\t" };
                    let _ = match cell {
                        Cell::Int(number) => write!(text, "{tab}{number}"),
                        Cell::Text(letters) => write!(text, "{tab}{letters}"),
                    };
                }
                text.push('\n');
                copy.write_all(text.as_bytes()).map_err(crate::real::error::at("the connection to PostgreSQL"))?;
            }
            copy.finish()?;
        }
        for (name, table, columns) in workload.indexes() {
            client.batch_execute(&format!("CREATE INDEX {name} ON {table} ({columns})"))?;
        }
        if summary {
            client.batch_execute(&summary_sql(&workload))?;
        }
        // Two calls: several statements in one are one transaction, in which there is no VACUUM.
        client.batch_execute("VACUUM ANALYZE")?;
        client.batch_execute("CHECKPOINT")?;
        Ok(Postgres { workload, summary, dsn: dsn.to_owned(), admin: Mutex::new(client) })
    }
}

fn summary_sql(workload: &Workload) -> String {
    let last = workload.tables().last().map_or("", |table| table.name);
    format!(
        "CREATE TABLE summary (id BIGINT NOT NULL, name TEXT NOT NULL, part BIGINT NOT NULL, amount BIGINT NOT NULL,
                               n BIGINT NOT NULL, PRIMARY KEY (id, part) INCLUDE (name, amount, n));
         INSERT INTO summary (id, name, part, amount, n) {};
         CREATE FUNCTION summarise() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {}; RETURN NULL; END $$;
         CREATE TRIGGER summarise AFTER INSERT ON {last} FOR EACH ROW EXECUTE FUNCTION summarise()",
        workload.all_pages_sql(),
        workload.trigger_sql(),
    )
}

impl Store for Postgres {
    fn reader(&self) -> Result<Box<dyn Reader>> {
        let sql = if self.summary { self.workload.summary_sql("$1") } else { self.workload.page_sql("$1") };
        Ok(Box::new(PostgresReader::new(connect(&self.dsn)?, &sql)?))
    }

    fn writer(&self) -> Result<Box<dyn Writer>> {
        Ok(Box::new(PostgresWriter::new(connect(&self.dsn)?, self.workload)?))
    }

    /// The server is not ours to restart. What a restart of the application loses is its connections' plans, which is
    /// nothing next to a cache.
    fn restart(&self) -> Result<()> {
        self.admin.lock().batch_execute("DISCARD ALL")?;
        Ok(())
    }

    fn settings(&self) -> Vec<(String, String)> {
        let mut admin = self.admin.lock();
        [
            "server_version",
            "fsync",
            "synchronous_commit",
            "full_page_writes",
            "shared_buffers",
            "max_parallel_workers_per_gather",
        ]
        .into_iter()
        .map(|name| {
            let value = admin.query_one(&format!("SHOW {name}"), &[]).map(|row| row.get::<_, String>(0));
            (format!("PostgreSQL {name}"), value.unwrap_or_else(|error| error.to_string()))
        })
        .collect()
    }
}

/// A connection that asks one statement.
pub(super) struct PostgresReader {
    client: Client,
    statement: Statement,
}

impl PostgresReader {
    /// Prepares a statement that answers a page, with its key as the parameter.
    pub(super) fn new(mut client: Client, sql: &str) -> Result<PostgresReader> {
        let statement = client.prepare(sql)?;
        Ok(PostgresReader { client, statement })
    }
}

impl Reader for PostgresReader {
    fn page(&mut self, key: u64) -> Result<Page> {
        let rows = self.client.query(&self.statement, &[&(key as i64)])?;
        let row = |row: postgres::Row| -> Result<PageRow> {
            Ok(PageRow {
                name: row.try_get(1)?,
                part: row.try_get(2)?,
                amount: row.try_get(3)?,
                count: row.try_get(4)?,
            })
        };
        Ok(Page::new(rows.into_iter().map(row).collect::<Result<_>>()?))
    }
}

/// A connection that inserts.
pub(super) struct PostgresWriter {
    client: Client,
    inserts: Vec<Statement>,
    workload: Workload,
}

impl PostgresWriter {
    /// Prepares an insert for each table.
    pub(super) fn new(mut client: Client, workload: Workload) -> Result<PostgresWriter> {
        let mut inserts = Vec::new();
        for table in workload.tables() {
            let marks: Vec<String> = (1..=table.width).map(|at| format!("${at}")).collect();
            inserts.push(client.prepare(&format!("INSERT INTO {} VALUES ({})", table.name, marks.join(", ")))?);
        }
        Ok(PostgresWriter { client, inserts, workload })
    }
}

impl Writer for PostgresWriter {
    fn write_all(&mut self, events: &[(u64, u64)]) -> Result<()> {
        let mut transaction = self.client.transaction()?;
        for insert in events.iter().flat_map(|&(event, key)| self.workload.event(event, key)) {
            let statement = &self.inserts[insert.table];
            let mut parameters: Vec<Box<dyn postgres::types::ToSql + Sync>> = Vec::new();
            for (cell, kind) in insert.cells.into_iter().zip(statement.params()) {
                parameters.push(match cell {
                    Cell::Int(number) if *kind == postgres::types::Type::INT4 => Box::new(number as i32),
                    Cell::Int(number) => Box::new(number),
                    Cell::Text(text) => Box::new(text),
                });
            }
            let borrowed: Vec<_> = parameters.iter().map(AsRef::as_ref).collect();
            transaction.execute(statement, &borrowed)?;
        }
        Ok(transaction.commit()?)
    }
}
