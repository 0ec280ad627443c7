//! SQLite files as the local services use them: durable at every commit, and every error told with
//! its path.

use super::disk;
use engine::fault::Fault;
use rusqlite::{Connection, ErrorCode, OpenFlags};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How long a program beside flowc may hold a file that is to be written.
const BUSY: Duration = Duration::from_secs(10);

/// How a file is laid out and kept in memory.
#[derive(Clone, Copy, Debug)]
pub struct Layout {
    /// Bytes of a page, in a file that is made anew.
    page_bytes: u32,
    /// Bytes of pages that are kept in memory at most.
    cache_bytes: u32,
}

impl Layout {
    /// Few rows, one at a time.
    pub const SMALL: Layout = Layout { page_bytes: 4 << 10, cache_bytes: 2 << 20 };
    /// Many rows, found by key: large pages are written in fewer pieces, and split less often.
    pub const KEYED: Layout = Layout { page_bytes: 8 << 10, cache_bytes: 32 << 20 };
    /// Many rows, each behind the last: no page is needed again soon.
    pub const APPENDED: Layout = Layout { page_bytes: 16 << 10, cache_bytes: 8 << 20 };
}

/// Bytes in the write-ahead log after which it is copied into the file.
const WAL_BYTES: i64 = 32 << 20;

/// One SQLite file, with one connection that its users take turns on.
#[derive(Debug)]
pub struct Db {
    path: PathBuf,
    connection: Mutex<Connection>,
}

impl Db {
    /// Opens the file to write, makes it where it is not there, and runs `schema`.
    ///
    /// # Errors
    /// The file is no SQLite file, or cannot be written.
    pub fn open(path: &Path, schema: &str, layout: Layout) -> Result<Arc<Db>, Fault> {
        let open = || {
            let connection = Connection::open(path)?;
            connection.busy_timeout(BUSY)?;
            connection.pragma_update(None, "page_size", layout.page_bytes)?;
            connection.pragma_update(None, "journal_mode", "wal")?;
            // A commit waits for the disk: what is acknowledged survives a power loss.
            connection.pragma_update(None, "synchronous", "full")?;
            // A file that was there keeps the pages that it was made with.
            let page_bytes: i64 =
                connection.pragma_query_value(None, "page_size", |row| row.get(0))?;
            connection.pragma_update(None, "wal_autocheckpoint", WAL_BYTES / page_bytes.max(1))?;
            connection.pragma_update(None, "cache_size", -i64::from(layout.cache_bytes >> 10))?;
            connection.set_prepared_statement_cache_capacity(64);
            connection.execute_batch(schema)?;
            Ok(connection)
        };
        let connection = open().map_err(|error| fault(&error, "open", path))?;
        disk::sync_dir(path.parent().unwrap_or(Path::new(".")))?;
        Ok(Arc::new(Db { path: path.to_owned(), connection: Mutex::new(connection) }))
    }

    /// Opens the file where the plan of the run uses it; where not, nothing is made on the disk,
    /// and there is an empty file in memory that nobody will ask.
    ///
    /// # Errors
    /// Those of [`Db::open`].
    pub fn open_if(
        used: bool,
        path: &Path,
        schema: &str,
        layout: Layout,
    ) -> Result<Arc<Db>, Fault> {
        if used {
            return Db::open(path, schema, layout);
        }
        let open = || {
            let connection = Connection::open_in_memory()?;
            connection.execute_batch(schema)?;
            Ok(connection)
        };
        let connection = open().map_err(|error| fault(&error, "open", path))?;
        Ok(Arc::new(Db { path: path.to_owned(), connection: Mutex::new(connection) }))
    }

    /// Does `work` off the threads of the run. `doing` completes "cannot … FILE".
    pub async fn call<T: Send + 'static>(
        self: &Arc<Db>,
        doing: &'static str,
        work: impl FnOnce(&mut Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, Fault> {
        let db = self.clone();
        super::blocking(move || db.now(doing, work)).await
    }

    /// Does `work` at once. Blocks.
    pub fn now<T>(
        &self,
        doing: &str,
        work: impl FnOnce(&mut Connection) -> rusqlite::Result<T>,
    ) -> Result<T, Fault> {
        work(&mut self.lock()).map_err(|error| self.fault(&error, doing))
    }

    /// The connection.
    pub fn lock(&self) -> MutexGuard<'_, Connection> {
        self.connection.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An error of this file as a fault.
    pub fn fault(&self, error: &rusqlite::Error, doing: &str) -> Fault {
        fault(error, doing, &self.path)
    }
}

/// Opens a file to look at it; `None` where it is not there.
pub fn look(path: &Path) -> Result<Option<Connection>, Fault> {
    if !path.exists() {
        return Ok(None);
    }
    // A reader of a file in WAL mode needs to write its shared index, never the data.
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let open = || {
        let connection = Connection::open_with_flags(path, flags)?;
        connection.busy_timeout(BUSY)?;
        connection.pragma_update(None, "query_only", true)?;
        Ok(connection)
    };
    open().map(Some).map_err(|error| fault(&error, "open", path))
}

/// An SQLite error as a fault. `doing` completes "cannot … FILE".
pub fn fault(error: &rusqlite::Error, doing: &str, path: &Path) -> Fault {
    let what = format!("cannot {doing} {}", path.display());
    match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => disk::disk_full(&what),
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
            Fault::transient("database_locked", format!("{what}: another program holds the file"))
                .help("close the program that writes to it")
        }
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
            Fault::service("database_damaged", format!("{what}: {error}")).help(disk::BEGIN_ANEW)
        }
        Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied) => {
            Fault::service("permission_denied", format!("{what}: {error}"))
                .help("make the path writable for this user, or give the profile another `dir:`")
        }
        _ => Fault::service("database", format!("{what}: {error}")),
    }
}

/// Whether there is a table of that name.
pub fn has_table(connection: &Connection, name: &str) -> rusqlite::Result<bool> {
    let sql = "select exists (select 1 from sqlite_schema where type = 'table' and name = ?1)";
    connection.query_row(sql, [name], |row| row.get(0))
}

/// A name as SQL, quoted.
pub fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_no_database_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("tables.sqlite");
        std::fs::write(&path, "no database, but long enough to be looked at ".repeat(30)).unwrap();
        let fault = Db::open(&path, "", Layout::SMALL).unwrap_err();
        assert_eq!(fault.code, "database_damaged");
        assert!(fault.message.contains("tables.sqlite"));
    }

    #[test]
    fn a_full_disk_is_a_fault_of_its_own() {
        let dir = tempfile::tempdir().unwrap();
        let db =
            Db::open(&dir.path().join("a.sqlite"), "create table t (x)", Layout::SMALL).unwrap();
        db.lock().pragma_update(None, "max_page_count", 3).unwrap();
        let fill = |c: &mut Connection| c.execute("insert into t values (zeroblob(100000))", []);
        let fault = db.now("write to", fill).unwrap_err();
        assert_eq!(fault.code, "disk_full");
        assert!(fault.message.contains("a.sqlite"), "{}", fault.message);
    }
}
