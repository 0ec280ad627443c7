//! What the Data API remembers of a statement.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::{Map, Value, json};
use tokio::sync::watch;

use super::database::Canceller;
use super::result::ResultSet;

/// Where a statement is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// Taken.
    Submitted,
    /// Chosen to run.
    Picked,
    /// Running.
    Started,
    /// Done.
    Finished,
    /// Failed; the error says why.
    Failed,
    /// Stopped by the user, or never begun because one before it failed.
    Aborted,
}

impl Status {
    /// As the API writes it.
    pub fn text(self) -> &'static str {
        match self {
            Status::Submitted => "SUBMITTED",
            Status::Picked => "PICKED",
            Status::Started => "STARTED",
            Status::Finished => "FINISHED",
            Status::Failed => "FAILED",
            Status::Aborted => "ABORTED",
        }
    }

    /// Nothing changes any more.
    pub fn is_final(self) -> bool {
        matches!(self, Status::Finished | Status::Failed | Status::Aborted)
    }
}

/// One SQL statement.
#[derive(Clone, Debug)]
pub struct Sub {
    /// As it was sent.
    pub sql: String,
    /// Where it is.
    pub status: Status,
    /// Why it failed.
    pub error: Option<String>,
    /// Rows returned or changed; -1 is none.
    pub rows: i64,
    /// What it returned.
    pub result: Option<ResultSet>,
    /// Redshift's id of the query.
    pub query_id: i64,
    /// How long it ran.
    pub duration_ns: i64,
}

impl Sub {
    fn new(sql: String) -> Sub {
        let status = Status::Submitted;
        Sub { sql, status, error: None, rows: -1, result: None, query_id: 0, duration_ns: -1 }
    }
}

/// What changes while a request runs.
#[derive(Clone, Debug)]
pub struct State {
    /// Of the whole request.
    pub status: Status,
    /// Why it failed.
    pub error: Option<String>,
    /// Its statements; one, unless it is a batch.
    pub subs: Vec<Sub>,
    /// When it changed last, ms.
    pub updated_ms: i64,
}

/// A request of ExecuteStatement or BatchExecuteStatement.
pub struct Record {
    /// The API's id.
    pub id: String,
    /// True for BatchExecuteStatement.
    pub batch: bool,
    /// When it was taken, ms.
    pub created_ms: i64,
    /// The members of the request that answers repeat.
    pub echo: Map<String, Value>,
    state: Mutex<State>,
    done: watch::Sender<bool>,
    canceller: Mutex<Option<Canceller>>,
}

impl Record {
    /// Taken, and not begun.
    pub fn new(
        id: String,
        batch: bool,
        sqls: Vec<String>,
        echo: Map<String, Value>,
        created_ms: i64,
    ) -> Record {
        let subs = sqls.into_iter().map(Sub::new).collect();
        let state = State { status: Status::Submitted, error: None, subs, updated_ms: created_ms };
        Record {
            id,
            batch,
            created_ms,
            echo,
            state: Mutex::new(state),
            done: watch::Sender::new(false),
            canceller: Mutex::new(None),
        }
    }

    /// What is known now.
    pub fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Moves on, unless nothing changes any more. Who waits is told of the end.
    pub fn moves(&self, status: Status, error: Option<String>, now_ms: i64) {
        let mut state = self.state();
        if state.status.is_final() {
            return;
        }
        state.status = status;
        state.error = error;
        state.updated_ms = now_ms;
        drop(state);
        if status.is_final() {
            self.done.send_replace(true);
        }
    }

    /// Waits for the end, at most so long.
    pub async fn wait(&self, seconds: u64) {
        let mut done = self.done.subscribe();
        let ended = done.wait_for(|done| *done);
        let _ = tokio::time::timeout(Duration::from_secs(seconds), ended).await;
    }

    /// Where it can be stopped while it runs.
    pub fn set_canceller(&self, canceller: Option<Canceller>) {
        *self.canceller.lock().unwrap_or_else(PoisonError::into_inner) = canceller;
    }

    /// How to stop it, while it runs.
    pub fn canceller(&self) -> Option<Canceller> {
        self.canceller.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// DescribeStatement's answer: of all, or of one statement of a batch, from 1.
    pub fn describe(&self, one: Option<usize>) -> Option<Value> {
        let state = self.state();
        let seconds = |ms: i64| ms as f64 / 1_000.0;
        let describe = |sub: &Sub, id: String| {
            let mut body = json!({
                "Id": id, "Status": sub.status.text(), "QueryString": sub.sql,
                "Duration": sub.duration_ns, "ResultRows": sub.rows,
                "RedshiftQueryId": sub.query_id,
                "ResultSize": sub.result.as_ref().map_or(-1, |set| set.bytes as i64),
                "HasResultSet": sub.result.is_some(),
                "CreatedAt": seconds(self.created_ms), "UpdatedAt": seconds(state.updated_ms),
            });
            if let Some(error) = &sub.error {
                body["Error"] = json!(error);
            }
            body
        };
        let name = |at: usize| format!("{}:{at}", self.id);
        if let Some(at) = one {
            let sub = at.checked_sub(1).and_then(|at| state.subs.get(at)).filter(|_| self.batch)?;
            return Some(describe(sub, name(at)));
        }
        let mut body = match self.batch {
            false => describe(state.subs.first()?, self.id.clone()),
            true => {
                let mut body = json!({
                    "Id": self.id, "Duration": -1, "ResultRows": -1, "ResultSize": -1,
                    "RedshiftQueryId": 0, "CreatedAt": seconds(self.created_ms),
                    "UpdatedAt": seconds(state.updated_ms),
                });
                let subs = state.subs.iter().enumerate();
                let subs: Vec<Value> = subs.map(|(at, sub)| describe(sub, name(at + 1))).collect();
                let has = state.subs.iter().any(|sub| sub.result.is_some());
                body["HasResultSet"] = json!(has);
                body["SubStatements"] = json!(subs);
                body
            }
        };
        body["Status"] = json!(state.status.text());
        if let Some(error) = &state.error {
            body["Error"] = json!(error);
        }
        for (name, value) in &self.echo {
            body[name] = value.clone();
        }
        Some(body)
    }
}
