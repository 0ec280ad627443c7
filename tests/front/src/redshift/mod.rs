//! The Redshift Data API on a real PostgreSQL: statements run by themselves, whatever becomes of
//! the call that asked for them.

mod ask;
mod copy;
mod database;
mod execute;
mod lex;
mod load;
mod path;
mod record;
mod result;
mod table;
mod tables;
mod translate;
mod value;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use serde_json::{Value, json};

use crate::objects::ObjectStore;
use crate::request::{Request, Response, Service, Tally};
use crate::rules::Faults;
use crate::services::Shared;
use crate::wire;
use ask::{Ask, Execution, Refusal, invalid};
use database::{Connection, Database};
use execute::{Runner, Work};
use record::{Record, Status};

/// Statements that are not final at one time.
const ACTIVE_MAX: usize = 200;
/// How long a statement and its result are kept.
const KEPT_MS: i64 = 24 * 3_600_000;
/// How long a client token is known.
const TOKEN_MS: i64 = 8 * 3_600_000;

/// The service behind `RedshiftData`.
pub struct Redshift {
    shared: Arc<Shared>,
    runner: Arc<Runner>,
    known: Arc<Mutex<Known>>,
}

#[derive(Default)]
struct Known {
    records: HashMap<String, Arc<Record>>,
    /// By token: which request it was, its record, when it was first used.
    tokens: BTreeMap<String, (String, String, i64)>,
    sessions: HashMap<String, Session>,
}

/// A connection that outlives its statement.
struct Session {
    /// Away while a statement runs on it.
    connection: Option<Connection>,
    keep_s: u64,
    expires_ms: i64,
}

type Answer = Result<Value, Refusal>;

impl Redshift {
    /// Nothing has run, no connection is open.
    pub fn new(shared: &Arc<Shared>, objects: Arc<dyn ObjectStore>) -> Redshift {
        let database = Database::new(shared.postgres.clone());
        let runner = Arc::new(Runner::new(database, objects));
        Redshift { shared: shared.clone(), runner, known: Arc::default() }
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn record(&self, id: &str) -> Result<Arc<Record>, Refusal> {
        let oldest_ms = self.shared.clock.now_ms() - KEPT_MS;
        let record = self.known().records.get(id).cloned();
        let kept = record.filter(|record| record.created_ms >= oldest_ms);
        kept.ok_or_else(|| ("ResourceNotFoundException", "Query does not exist.".into()))
    }

    async fn execute(&self, ask: &Ask, batch: bool) -> Answer {
        let mut execution = ask.execution(batch)?;
        let now_ms = self.shared.clock.now_ms();
        let same = Value::Object(ask.members().clone()).to_string();
        let (record, connection) = {
            let mut known = self.known();
            known.tokens.retain(|_, (_, _, used_ms)| now_ms - *used_ms < TOKEN_MS);
            let token = execution.token.clone();
            if let Some((first, id, _)) = token.as_ref().and_then(|token| known.tokens.get(token)) {
                if *first != same {
                    return invalid("The ClientToken was used with other parameters.");
                }
                let record = known.records.get(id).cloned();
                let record = record.ok_or(("InternalServerException", "no record".into()))?;
                (record, None)
            } else {
                let active = known.records.values();
                let active = active.filter(|record| !record.state().status.is_final()).count();
                if active >= ACTIVE_MAX {
                    let text = "Active statements exceeded the allowed quota (200).";
                    return Err(("ActiveStatementsExceededException", text.into()));
                }
                let connection = known.take_session(&mut execution, now_ms)?;
                let id = wire::uuid();
                let (sqls, echo) = (execution.sqls.clone(), execution.echo.clone());
                let record = Arc::new(Record::new(id.clone(), batch, sqls, echo, now_ms));
                known.records.insert(id.clone(), record.clone());
                if let Some(token) = token {
                    known.tokens.insert(token, (same, id, now_ms));
                }
                (record, Some(connection))
            }
        };
        let wait_s = execution.wait_s;
        if let Some(connection) = connection {
            self.start(record.clone(), execution, connection);
        }
        if wait_s > 0 {
            record.wait(wait_s).await;
        }
        Ok(taken(&record))
    }

    /// Runs it by itself: the caller may go.
    fn start(&self, record: Arc<Record>, execution: Execution, open: Option<Connection>) {
        let (runner, shared) = (self.runner.clone(), self.shared.clone());
        let known = self.known.clone();
        tokio::spawn(async move {
            let now_ms = || shared.clock.now_ms();
            record.moves(Status::Picked, None, now_ms());
            let connection = match open {
                Some(connection) => Ok(connection),
                None => {
                    let name = execution.database.as_deref().unwrap_or(database::NAME);
                    runner.database.connect(name).await
                }
            };
            let mut connection = match connection {
                Ok(connection) => connection,
                Err(error) => return record.moves(Status::Failed, Some(error), now_ms()),
            };
            let work = Work {
                parameters: execution.parameters,
                transaction: record.batch && !execution.auto_commit,
                session: execution.session.is_some(),
            };
            let error = runner.run(&record, &work, &mut connection, &shared.clock).await;
            // Who sees the end may use the session at once.
            if let Some(id) = execution.session {
                let keep_s = execution.keep_s;
                let expires_ms = now_ms() + keep_s as i64 * 1_000;
                let session = Session { connection: Some(connection), keep_s, expires_ms };
                let mut known = known.lock().unwrap_or_else(PoisonError::into_inner);
                known.sessions.insert(id, session);
            }
            let status = if error.is_some() { Status::Failed } else { Status::Finished };
            record.moves(status, error, now_ms());
        });
    }

    async fn result(&self, ask: &Ask) -> Answer {
        let (id, at) = ask.id()?;
        let record = self.record(&id)?;
        if let Some(wait_s) = ask.number("WaitTimeSeconds", 1, 30)? {
            record.wait(wait_s).await;
        }
        let from = match ask.text("NextToken", 1_024)? {
            None => 0,
            Some(token) => match result::row_of(&token) {
                Some(from) => from,
                None => return invalid("NextToken is invalid."),
            },
        };
        let state = record.state();
        let place = if record.batch { at.unwrap_or(0) } else { 1 };
        let sub = place.checked_sub(1).and_then(|at| state.subs.get(at));
        let set = sub.filter(|sub| sub.status == Status::Finished && state.status.is_final());
        let Some(set) = set.and_then(|sub| sub.result.as_ref()) else {
            let text = "Query does not have result. Please check query status with \
                        DescribeStatement.";
            return Err(("ResourceNotFoundException", text.into()));
        };
        Ok(set.page(from).0)
    }

    async fn cancel(&self, ask: &Ask) -> Answer {
        let (id, _) = ask.id()?;
        let record = self.record(&id)?;
        let status = record.state().status;
        if status.is_final() {
            let state = status.text();
            return invalid(format!(
                "Could not cancel a query that is already in {state} state with ID: {id}"
            ));
        }
        record.moves(Status::Aborted, None, self.shared.clock.now_ms());
        if let Some(canceller) = record.canceller() {
            canceller.cancel().await;
        }
        Ok(json!({"Status": true}))
    }

    async fn describe(&self, ask: &Ask) -> Answer {
        let (id, at) = ask.id()?;
        let record = self.record(&id)?;
        if let Some(wait_s) = ask.number("WaitTimeSeconds", 1, 30)? {
            record.wait(wait_s).await;
        }
        let missing = || ("ResourceNotFoundException", "Query does not exist.".into());
        record.describe(at).ok_or_else(missing)
    }

    async fn answer(&self, request: &Request) -> Answer {
        let ask = Ask::read(&request.body)?;
        match request.operation.as_str() {
            "ExecuteStatement" => self.execute(&ask, false).await,
            "BatchExecuteStatement" => self.execute(&ask, true).await,
            "DescribeStatement" => self.describe(&ask).await,
            "GetStatementResult" => self.result(&ask).await,
            "CancelStatement" => self.cancel(&ask).await,
            "ListDatabases" => tables::databases(&ask, &self.runner.database).await,
            "ListSchemas" => tables::schemas(&ask, &self.runner.database).await,
            "ListTables" => tables::tables(&ask, &self.runner.database).await,
            "DescribeTable" => tables::describe(&ask, &self.runner.database).await,
            other => Err(("UnknownOperationException", format!("The front has no {other}."))),
        }
    }
}

impl Known {
    /// The connection of the session that is asked for; a new session gets its id here.
    fn take_session(
        &mut self,
        execution: &mut Execution,
        now_ms: i64,
    ) -> Result<Option<Connection>, Refusal> {
        self.sessions
            .retain(|_, session| session.connection.is_none() || session.expires_ms >= now_ms);
        let Some(id) = execution.session.clone() else {
            if execution.keep_s > 0 {
                let id = wire::uuid();
                execution.echo.insert("SessionId".into(), json!(id));
                let keep_s = execution.keep_s;
                let session = Session { connection: None, keep_s, expires_ms: i64::MAX };
                self.sessions.insert(id.clone(), session);
                execution.session = Some(id);
            }
            return Ok(None);
        };
        let missing = || ("ResourceNotFoundException", format!("Session {id} does not exist."));
        let session = self.sessions.get_mut(&id).ok_or_else(missing)?;
        let busy = || ("ValidationException", format!("Session {id} runs another query."));
        if execution.keep_s == 0 {
            execution.keep_s = session.keep_s;
        }
        session.connection.take().ok_or_else(busy).map(Some)
    }
}

/// The answer to a request to run something.
fn taken(record: &Record) -> Value {
    let mut body = json!({"Id": record.id, "CreatedAt": record.created_ms as f64 / 1_000.0});
    for (name, value) in &record.echo {
        body[name] = value.clone();
    }
    let state = record.state();
    body["Status"] = json!(state.status.text());
    if state.status.is_final() {
        body["HasResultSet"] = json!(state.subs.iter().any(|sub| sub.result.is_some()));
    }
    body
}

#[async_trait]
impl Service for Redshift {
    async fn call(&self, request: &Request, _faults: &Faults) -> Response {
        match self.answer(request).await {
            Ok(body) => wire::json_reply(request, &body),
            Err((code, message)) => {
                let throttled = u64::from(code == "ActiveStatementsExceededException");
                let status = if code == "InternalServerException" { 500 } else { 400 };
                wire::error(request, status, code, &message)
                    .tallied(Tally { throttled, ..Tally::default() })
            }
        }
    }
}
