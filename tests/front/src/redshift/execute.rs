//! Runs the statements of a request, one after the other, on one connection.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Instant;

use futures::SinkExt;
use tokio_postgres::SimpleQueryMessage;

use super::copy::Copy;
use super::database::{Connection, Database, error_text};
use super::load::{Loaded, RowError, load};
use super::record::{Record, Status};
use super::result::ResultSet;
use super::translate::{Command, translate};
use super::value::{Column, type_of};
use crate::clock::Clock;
use crate::objects::ObjectStore;

/// What running needs.
pub struct Runner {
    /// Where statements run.
    pub database: Database,
    /// Where COPY reads.
    pub objects: Arc<dyn ObjectStore>,
    queries: AtomicI64,
}

/// What a statement gave.
#[derive(Default)]
struct Outcome {
    rows: i64,
    result: Option<ResultSet>,
}

/// A request's statements and how they belong together.
pub struct Work {
    /// Values of `:name`.
    pub parameters: Vec<(String, String)>,
    /// All or nothing.
    pub transaction: bool,
    /// On a connection that lasts, where BEGIN and COMMIT are the caller's.
    pub session: bool,
}

impl Runner {
    /// Nothing has run yet.
    pub fn new(database: Database, objects: Arc<dyn ObjectStore>) -> Runner {
        Runner { database, objects, queries: AtomicI64::new(100) }
    }

    /// Runs everything; the error is that of the request.
    pub async fn run(
        &self,
        record: &Record,
        work: &Work,
        on: &mut Connection,
        clock: &Clock,
    ) -> Option<String> {
        record.set_canceller(Some(on.canceller()));
        record.moves(Status::Started, None, clock.now_ms());
        let error = self.all(record, work, on).await.err();
        record.set_canceller(None);
        error
    }

    async fn all(&self, record: &Record, work: &Work, on: &mut Connection) -> Result<(), String> {
        if work.transaction {
            let begin = "begin isolation level repeatable read";
            on.client.batch_execute(begin).await.map_err(error_text)?;
        }
        let count = record.state().subs.len();
        let mut failed = None;
        for at in 0..count {
            if failed.is_some() || record.state().status.is_final() {
                record.state().subs[at].status = Status::Aborted;
                continue;
            }
            if let Err(error) = self.sub(record, at, work, on).await {
                let what = format!("Query #{} failed with {error}", at + 1);
                failed = Some(if record.batch { what } else { error });
            }
        }
        let aborted = record.state().status.is_final();
        if work.transaction {
            let end = if failed.is_some() || aborted { "rollback" } else { "commit" };
            on.client.batch_execute(end).await.map_err(error_text)?;
        }
        failed.map_or(Ok(()), Err)
    }

    async fn sub(
        &self,
        record: &Record,
        at: usize,
        work: &Work,
        on: &mut Connection,
    ) -> Result<(), String> {
        let query_id = self.queries.fetch_add(1, Ordering::Relaxed);
        let sql = {
            let mut state = record.state();
            let sub = &mut state.subs[at];
            (sub.status, sub.query_id) = (Status::Started, query_id);
            sub.sql.clone()
        };
        let began = Instant::now();
        let outcome = self.statement(&sql, query_id, work, on).await;
        let mut state = record.state();
        let stopped = state.status == Status::Aborted;
        let sub = &mut state.subs[at];
        sub.duration_ns = i64::try_from(began.elapsed().as_nanos()).unwrap_or(i64::MAX);
        match outcome {
            Ok(Outcome { rows, result }) => {
                (sub.status, sub.rows, sub.result) = (Status::Finished, rows, result);
                Ok(())
            }
            Err(error) => {
                sub.status = if stopped { Status::Aborted } else { Status::Failed };
                sub.error = Some(error.clone());
                Err(error)
            }
        }
    }

    async fn statement(
        &self,
        sql: &str,
        query_id: i64,
        work: &Work,
        on: &mut Connection,
    ) -> Result<Outcome, String> {
        let command = translate(sql, &work.parameters)?;
        let name = format!("set front.query_id = '{query_id}'");
        on.client.batch_execute(&name).await.map_err(error_text)?;
        match command {
            Command::Plain(sql) => plain(&sql, on).await,
            Command::Copy(copy) => self.copy(&copy, query_id, on).await,
            Command::Transaction(sql) if work.session => plain(&sql, on).await,
            Command::Transaction(_) => {
                Err("ERROR: the front has BEGIN, COMMIT and ROLLBACK in sessions only".into())
            }
            Command::Truncate(_) if work.transaction => Err("ERROR: TRUNCATE commits the \
                transaction that it is in; the front refuses it in a batch"
                .into()),
            Command::Truncate(sql) => plain(&sql, on).await,
        }
    }

    async fn copy(
        &self,
        copy: &Copy,
        query_id: i64,
        on: &mut Connection,
    ) -> Result<Outcome, String> {
        let columns = columns(copy, on).await?;
        let (wanted, objects) = (columns.clone(), self.objects.clone());
        let task = copy.clone();
        let loaded = tokio::task::spawn_blocking(move || load(&task, &wanted, objects.as_ref()));
        let loaded = loaded.await.map_err(|error| format!("ERROR: {error}"))??;
        if !loaded.errors.is_empty() {
            self.remember(&loaded.errors, query_id).await?;
        }
        if loaded.errors.len() as u64 > copy.errors_max {
            return Err(format!(
                "ERROR: Load into table '{}' failed. Check 'sys_load_error_detail' system table \
                 for details.",
                copy.table
            ));
        }
        if !copy.dry {
            send(copy, &columns, &loaded, on).await?;
        }
        let rows = if copy.dry { 0 } else { i64::try_from(loaded.rows).unwrap_or(i64::MAX) };
        let known = format!("set front.copy_count = '{rows}'; set front.copy_id = '{query_id}'");
        on.client.batch_execute(&known).await.map_err(error_text)?;
        Ok(Outcome { rows, result: None })
    }

    /// The errors stay, also when the transaction does not.
    async fn remember(&self, errors: &[RowError], query_id: i64) -> Result<(), String> {
        let on = self.database.connect(super::database::NAME).await?;
        let sql = "insert into sys_load_error_detail (query_id, file_name, line_number, \
                   column_name, column_type, error_code, error_message) \
                   values ($1, $2, $3, $4, $5, $6, $7)";
        let insert = on.client.prepare(sql).await.map_err(error_text)?;
        let cut = |text: &str, max: usize| text.chars().take(max).collect::<String>();
        for error in errors.iter().take(1_000) {
            let line = i64::try_from(error.line).unwrap_or(i64::MAX);
            let (file, column) = (cut(&error.file, 256), cut(&error.column, 127));
            let (kind, message) = (cut(&error.kind, 10), cut(&error.bad.message, 512));
            on.client
                .execute(
                    &insert,
                    &[&query_id, &file, &line, &column, &kind, &error.bad.code, &message],
                )
                .await
                .map_err(error_text)?;
        }
        Ok(())
    }
}

/// Types by a preparation, values as texts by the statement itself.
async fn plain(sql: &str, on: &Connection) -> Result<Outcome, String> {
    let prepared = on.client.prepare(sql).await.map_err(error_text)?;
    let messages = on.client.simple_query(sql).await.map_err(error_text)?;
    let (mut rows, mut count) = (Vec::new(), 0);
    for message in messages {
        match message {
            SimpleQueryMessage::Row(row) => rows.push(row),
            SimpleQueryMessage::CommandComplete(number) => count = number,
            _ => {}
        }
    }
    if prepared.columns().is_empty() {
        let verb = sql.trim_start().get(..6).unwrap_or_default().to_ascii_lowercase();
        let counts = ["insert", "update", "delete"].contains(&verb.as_str())
            || verb.starts_with("merge")
            || verb.starts_with("with");
        let rows = if counts { i64::try_from(count).unwrap_or(i64::MAX) } else { -1 };
        return Ok(Outcome { rows, result: None });
    }
    let result = ResultSet::new(prepared.columns(), &rows)?;
    Ok(Outcome { rows: result.rows.len() as i64, result: Some(result) })
}

fn quoted(name: &str) -> String {
    let parts: Vec<String> =
        name.split('.').map(|part| format!("\"{}\"", part.replace('"', "\"\""))).collect();
    parts.join(".")
}

/// The columns that are loaded, in their order.
async fn columns(copy: &Copy, on: &Connection) -> Result<Vec<Column>, String> {
    let sql = "select a.attname::text, format_type(a.atttypid, null), a.atttypmod, a.attnotnull, \
               format_type(a.atttypid, a.atttypmod) from pg_attribute a \
               where a.attrelid = to_regclass($1)::oid and a.attnum > 0 and not a.attisdropped \
               order by a.attnum";
    let rows = on.client.query(sql, &[&quoted(&copy.table)]).await.map_err(error_text)?;
    if rows.is_empty() {
        return Err(format!("ERROR: Cannot COPY into nonexistent table {}", copy.table));
    }
    let all: Vec<Column> = rows
        .iter()
        .map(|row| Column {
            name: row.get(0),
            of: type_of(row.get(1), row.get(2)),
            label: row.get(4),
            required: row.get(3),
        })
        .collect();
    if copy.columns.is_empty() {
        return Ok(all);
    }
    let named = copy.columns.iter().map(|name| {
        let found = all.iter().find(|column| column.name == *name).cloned();
        found.ok_or_else(|| {
            format!("ERROR: column \"{name}\" of relation \"{}\" does not exist", copy.table)
        })
    });
    named.collect()
}

async fn send(
    copy: &Copy,
    columns: &[Column],
    loaded: &Loaded,
    on: &Connection,
) -> Result<(), String> {
    let names: Vec<String> =
        columns.iter().map(|column| format!("\"{}\"", column.name.replace('"', "\"\""))).collect();
    let sql = format!("copy {} ({}) from stdin", quoted(&copy.table), names.join(", "));
    let sink = on.client.copy_in(&sql).await.map_err(error_text)?;
    let mut sink = std::pin::pin!(sink);
    let bytes = bytes::Bytes::copy_from_slice(loaded.text.as_bytes());
    for at in (0..bytes.len()).step_by(1 << 20) {
        let part = bytes.slice(at..bytes.len().min(at + (1 << 20)));
        sink.send(part).await.map_err(error_text)?;
    }
    sink.as_mut().finish().await.map_err(error_text)?;
    Ok(())
}
