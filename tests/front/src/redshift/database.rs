//! The PostgreSQL behind the Data API: one new database for every front.

use tokio::sync::OnceCell;
use tokio_postgres::{CancelToken, Client, Config, NoTls};

use crate::wire;

/// The database that exists, by the name that requests give.
pub const NAME: &str = "dev";

const SETUP: &str = include_str!("setup.sql");
const SEARCH_PATH: &str = "set search_path to \"$user\", public, front";

/// Where statements run.
#[derive(Debug)]
pub struct Database {
    url: Option<String>,
    name: String,
    ready: OnceCell<()>,
}

impl Database {
    /// Nothing is opened yet.
    pub fn new(url: Option<String>) -> Database {
        let name = format!("front_{}", wire::uuid().replace('-', ""));
        Database { url, name, ready: OnceCell::new() }
    }

    /// A new connection to the requested database; the error is Redshift's.
    pub async fn connect(&self, requested: &str) -> Result<Connection, String> {
        if requested != NAME {
            return Err(format!("FATAL: database \"{requested}\" does not exist"));
        }
        self.ready.get_or_try_init(|| self.create()).await?;
        let connection = self.open(Some(&self.name)).await?;
        connection.client.batch_execute(SEARCH_PATH).await.map_err(error_text)?;
        Ok(connection)
    }

    async fn create(&self) -> Result<(), String> {
        let first = self.open(None).await?;
        let sql = format!("create database {}", self.name);
        first.client.batch_execute(&sql).await.map_err(error_text)?;
        let own = self.open(Some(&self.name)).await?;
        own.client.batch_execute(SETUP).await.map_err(error_text)
    }

    async fn open(&self, name: Option<&str>) -> Result<Connection, String> {
        let missing = "FATAL: the front has no PostgreSQL; start it with --postgres URL";
        let url = self.url.as_deref().ok_or(missing)?;
        let mut config: Config = url.parse().map_err(|error| format!("FATAL: {url}: {error}"))?;
        if let Some(name) = name {
            config.dbname(name);
        }
        let (client, connection) = config.connect(NoTls).await.map_err(error_text)?;
        // It ends when the client is dropped.
        tokio::spawn(connection);
        Ok(Connection { client })
    }
}

/// One connection, which is one session of Redshift.
pub struct Connection {
    /// To run statements on.
    pub client: Client,
}

impl Connection {
    /// To stop what runs.
    pub fn canceller(&self) -> Canceller {
        Canceller(self.client.cancel_token())
    }
}

/// Stops what runs on a connection.
#[derive(Clone)]
pub struct Canceller(CancelToken);

impl Canceller {
    /// Asks PostgreSQL to stop; that it could not be asked changes nothing.
    pub async fn cancel(&self) {
        let _ = self.0.cancel_query(NoTls).await;
    }
}

/// An error as the Data API shows it.
pub fn error_text(error: tokio_postgres::Error) -> String {
    match error.as_db_error() {
        // Two transactions changed the same row: Redshift has a number for it.
        Some(db) if db.code().code() == "40001" => {
            "ERROR: 1023 DETAIL: Serializable isolation violation on table".into()
        }
        Some(db) => {
            let detail = db.detail().map(|text| format!("\n  Detail: {text}")).unwrap_or_default();
            format!("{}: {}{detail}", db.severity(), db.message())
        }
        None => format!("ERROR: {error}"),
    }
}
