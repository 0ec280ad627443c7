//! A Data API that knows the statements of a load, and nothing else; puts to S3 are taken too.

use crate::service::aws::clients::Clients;
use crate::service::aws::testing::clients;
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use serde_json::{Value as Json, json};
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard};
use tokio::net::TcpListener;

/// What the fake has seen, and what it shall do.
#[derive(Default)]
pub struct State {
    /// Rows of the history: bucket, key, etag, load, rows.
    pub history: Vec<[String; 5]>,
    /// Transactions that were committed.
    pub commits: u64,
    /// Calls of BatchExecuteStatement.
    pub batches: u64,
    /// Keys that were put, with their buckets.
    pub puts: Vec<String>,
    /// The last statement that was no part of a load.
    pub last_query: String,
    /// So many replies to batches are not sent.
    pub lose_replies: u64,
    /// Objects with a bad line, and which.
    pub bad: BTreeMap<String, u64>,
    /// An object that COPY does not find, and whether it says which.
    pub gone: Option<(String, bool)>,
    /// An object that another loader brings between the look into the history and the load.
    pub rival: Option<String>,
    /// Every COPY fails so.
    pub stop: Option<String>,
    statements: Vec<Statement>,
    tokens: HashMap<String, usize>,
}

#[derive(Clone, Default)]
struct Statement {
    sql: String,
    failure: Option<(usize, String)>,
    bad: Vec<(String, u64)>,
}

/// A running fake.
pub struct Fake {
    /// Clients of it.
    pub clients: Clients,
    state: Arc<Mutex<State>>,
}

impl Fake {
    /// Listens on loopback until the test's runtime ends.
    pub async fn start() -> Fake {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let state = Arc::new(Mutex::new(State::default()));
        let shared = state.clone();
        tokio::spawn(async move {
            loop {
                let (socket, _) = listener.accept().await.unwrap();
                let state = shared.clone();
                let serve = service_fn(move |request| answer(request, state.clone()));
                let connection = hyper::server::conn::http1::Builder::new()
                    .serve_connection(TokioIo::new(socket), serve);
                tokio::spawn(async move {
                    // A lost reply ends the connection.
                    let _ = connection.await;
                });
            }
        });
        Fake { clients: clients(&format!("http://127.0.0.1:{port}")), state }
    }

    /// What it has seen and shall do.
    pub fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }
}

type Answered = Result<Response<Full<Bytes>>, std::io::Error>;

async fn answer(request: Request<Incoming>, state: Arc<Mutex<State>>) -> Answered {
    let target = request.headers().get("x-amz-target").map(|value| value.to_str().unwrap());
    let operation = target.and_then(|text| text.split('.').next_back()).map(str::to_owned);
    let path = request.uri().path().to_owned();
    let body = request.into_body().collect().await.unwrap().to_bytes();
    let mut state = state.lock().unwrap();
    let Some(operation) = operation else {
        state.puts.push(path);
        return Ok(Response::new(Full::new(Bytes::new())));
    };
    let asked: Json = serde_json::from_slice(&body).unwrap();
    let text = |name: &str| asked[name].as_str().unwrap_or_default().to_owned();
    let told = match operation.as_str() {
        "ExecuteStatement" => state.execute(text("Sql")),
        "BatchExecuteStatement" => {
            state.batches += 1;
            let sqls = asked["Sqls"].as_array().unwrap();
            let sqls = sqls.iter().map(|sql| sql.as_str().unwrap().to_owned()).collect();
            let told = state.load(sqls, text("ClientToken"));
            if state.lose_replies > 0 {
                state.lose_replies -= 1;
                return Err(std::io::Error::other("lost"));
            }
            told
        }
        "DescribeStatement" => state.describe(&text("Id")),
        "GetStatementResult" => state.result(&text("Id"), &text("NextToken")),
        other => panic!("{other}"),
    };
    Ok(Response::new(Full::new(told.to_string().into())))
}

fn begun(at: usize) -> Json {
    json!({ "Id": format!("s{at}"), "CreatedAt": 1_700_000_000 + at })
}

impl State {
    fn execute(&mut self, sql: String) -> Json {
        self.statements.push(Statement { sql, ..Statement::default() });
        begun(self.statements.len() - 1)
    }

    fn load(&mut self, sqls: Vec<String>, token: String) -> Json {
        if let Some(at) = self.tokens.get(&token) {
            return begun(*at);
        }
        assert!(sqls[0].starts_with("lock table") && token.len() == 64);
        let values = sqls[2].split(" values ").nth(1).unwrap();
        let quoted: Vec<&str> = values.split('\'').skip(1).step_by(2).collect();
        let objects: Vec<[&str; 3]> = quoted.chunks(3).map(|c| [c[0], c[1], c[2]]).collect();
        if let Some(rival) = self.rival.take() {
            self.history.push(["b", &rival, "1", "other", "10"].map(str::to_owned));
        }
        let mut statement = Statement::default();
        let known = |key: &str| self.history.iter().any(|row| row[1] == key);
        let bad: Vec<(String, u64)> = objects
            .iter()
            .filter_map(|each| Some((each[1].to_owned(), *self.bad.get(each[1])?)))
            .collect();
        let gone = self.gone.as_ref().filter(|(key, _)| objects.iter().any(|o| o[1] == key));
        if objects.iter().any(|object| known(object[1])) {
            statement.failure = Some((3, "ERROR: division by zero".into()));
        } else if let Some(message) = &self.stop {
            statement.failure = Some((5, message.clone()));
        } else if let Some((key, named)) = gone {
            let which = if *named { format!("s3://b/{key} ") } else { String::new() };
            statement.failure = Some((5, format!("ERROR: {which}NoSuchKey")));
        } else if !bad.is_empty() {
            statement.bad = bad;
            let message = "ERROR: Load into table failed. Check 'sys_load_error_detail'";
            statement.failure = Some((5, message.into()));
        } else {
            self.commits += 1;
            let load = sqls[8].split('\'').nth(3).unwrap().to_owned();
            let rows = (objects.len() * 10).to_string();
            let row = |o: &[&str; 3]| {
                [o[0].to_owned(), o[1].to_owned(), o[2].to_owned(), load.clone(), rows.clone()]
            };
            self.history.extend(objects.iter().map(row));
        }
        self.statements.push(statement);
        self.tokens.insert(token, self.statements.len() - 1);
        begun(self.statements.len() - 1)
    }

    fn describe(&self, id: &str) -> Json {
        let at: usize = id[1..].parse().unwrap();
        let mut told = begun(at);
        told["Status"] = "FINISHED".into();
        if let Some((failed, message)) = &self.statements[at].failure {
            told["Status"] = "FAILED".into();
            told["Error"] = "Query #1 failed".into();
            let part = |n| match n == *failed {
                true => json!({ "Id": format!("{id}:{n}"), "Status": "FAILED",
                    "Error": message, "RedshiftQueryId": 1000 + at }),
                false => json!({ "Id": format!("{id}:{n}"), "Status": "FINISHED" }),
            };
            told["SubStatements"] = (0..=*failed).map(part).collect();
        }
        told
    }

    fn result(&mut self, id: &str, next: &str) -> Json {
        let at: usize = id[1..].parse().unwrap();
        let sql = self.statements[at].sql.clone();
        let text = |text: &str| json!({ "stringValue": text });
        let row = |row: &[String; 5]| row.iter().map(|part| text(part)).collect::<Vec<_>>();
        if sql.contains("flowc_load_history") {
            return json!({ "Records": self.history.iter().map(row).collect::<Vec<_>>() });
        }
        if let Some((_, id)) = sql.split_once("query_id = ") {
            let id: usize = id.split(' ').next().unwrap().parse().unwrap();
            let bad = self.statements[id - 1000].bad.iter().map(|(key, line)| {
                json!([text(&format!("s3://b/{key}")), { "longValue": line }, text("price"),
                    { "longValue": 1207 }, text("Invalid digit")])
            });
            return json!({ "Records": bad.collect::<Vec<_>>() });
        }
        self.last_query = sql;
        let columns = json!([{ "name": "invoice", "typeName": "varchar", "nullable": 1 },
            { "name": "price", "typeName": "numeric", "precision": 10, "scale": 3,
                "nullable": 1 }]);
        let (records, next) = match next {
            "" => (json!([[text("1"), text("2.550")]]), json!("page2")),
            _ => (json!([[text("2"), { "isNull": true }]]), Json::Null),
        };
        json!({ "Records": records, "ColumnMetadata": columns, "NextToken": next })
    }
}
