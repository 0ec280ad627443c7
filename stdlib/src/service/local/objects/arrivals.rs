//! The order in which objects arrive in a bucket that is read, in `objects.sqlite`.
//!
//! Only buckets that have a reader are numbered. What was put before, by whichever program, is
//! found in the directory when the reader comes and counts as arrived in order of its time of
//! modification, then of its key. A number is never given twice.

use super::super::disk;
use super::super::sqlite::{Db, Layout};
use crate::service::{Listed, ObjectInfo};
use engine::fault::Fault;
use rusqlite::{Connection, OptionalExtension, params};
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::UNIX_EPOCH;

/// `etag` is null until the object is listed, and empty when its file was gone by then.
const SCHEMA: &str = "
    create table if not exists arrivals (
        bucket text not null, seq integer not null, key text not null, size integer not null,
        etag text, arrival_ns integer not null, primary key (bucket, seq)
    ) without rowid;
    create unique index if not exists arrivals_by_key on arrivals (bucket, key);
    create table if not exists made (created_ns integer not null);
    create temp table found (key text primary key, size integer, arrival_ns integer)
        without rowid;";

/// The arrivals of all buckets of one directory.
pub struct Arrivals {
    db: Arc<Db>,
    /// When the file was made: numbers of another file mean nothing.
    pub created_ns: i64,
}

/// A row of a listing whose content may not have been looked at yet.
struct Row {
    info: ObjectInfo,
    etag: Option<String>,
}

impl Arrivals {
    /// Opens them; on the disk only where the plan of the run has buckets that are `used`. Blocks.
    pub fn open(dir: &Path, used: bool, now_ns: i64) -> Result<Arrivals, Fault> {
        let db = Db::open_if(used, &dir.join("objects.sqlite"), SCHEMA, Layout::SMALL)?;
        let created_ns = db.now("write to", |connection| {
            let sql = "insert into made select ?1 where not exists (select 1 from made)";
            connection.execute(sql, [now_ns])?;
            connection.query_row("select created_ns from made", [], |row| row.get(0))
        })?;
        Ok(Arrivals { db, created_ns })
    }

    /// Numbers what lies in the bucket's directory and has no number yet; gives the next number.
    pub fn find(&self, bucket: &str, dir: &Path) -> Result<u64, Fault> {
        let mut connection = self.db.lock();
        let fault = |error: rusqlite::Error| self.db.fault(&error, "write to");
        let transaction = connection.transaction().map_err(fault)?;
        {
            let sql = "insert into found select ?2, ?3, ?4 where not exists \
                       (select 1 from arrivals where bucket = ?1 and key = ?2)";
            let mut insert = transaction.prepare_cached(sql).map_err(fault)?;
            walk(dir, &mut |key, size, modified_ns| {
                let row = params![bucket, key, size as i64, modified_ns];
                insert.execute(row).map(|_| ()).map_err(fault)
            })?;
        }
        let next = next(&transaction, bucket).map_err(fault)?;
        let number = "insert into arrivals select ?1, \
                      ?2 + row_number() over (order by arrival_ns, key) - 1, key, size, null, \
                      arrival_ns from found";
        let found = transaction.execute(number, params![bucket, next as i64]).map_err(fault)?;
        transaction.execute("delete from found", []).map_err(fault)?;
        transaction.commit().map_err(fault)?;
        Ok(next + found as u64)
    }

    /// Numbers an object that was put; gives the next number.
    pub fn add(&self, bucket: &str, info: &ObjectInfo) -> Result<u64, Fault> {
        self.db.now("write to", |connection| {
            let transaction = connection.transaction()?;
            let next = next(&transaction, bucket)?;
            let row = params![
                bucket,
                next as i64,
                info.key,
                info.size as i64,
                info.etag,
                info.arrival_ns
            ];
            let added = transaction
                .prepare_cached("insert or ignore into arrivals values (?1, ?2, ?3, ?4, ?5, ?6)")?
                .execute(row)?;
            transaction.commit()?;
            Ok(next + added as u64)
        })
    }

    /// See [`crate::service::Objects::list`].
    pub fn list(
        &self,
        bucket: &str,
        dir: &Path,
        prefix: &str,
        from: u64,
        max: usize,
    ) -> Result<Listed, Fault> {
        let rows = self.db.now("read", |connection| rows(connection, bucket, prefix, from, max));
        let (rows, end) = rows?;
        let next = match rows.last() {
            Some(last) if rows.len() == max => last.info.seq + 1,
            _ => end.max(from),
        };
        let mut objects = Vec::with_capacity(rows.len());
        for Row { mut info, etag } in rows {
            info.etag = match etag {
                Some(etag) => etag,
                None => self.look_at(bucket, dir, &mut info)?,
            };
            if !info.etag.is_empty() {
                objects.push(info);
            }
        }
        Ok(Listed { objects, next })
    }

    /// Reads an object that another program has put, once, for its etag and size; empty when it is
    /// gone again.
    fn look_at(&self, bucket: &str, dir: &Path, info: &mut ObjectInfo) -> Result<String, Fault> {
        let path = dir.join(&info.key);
        let etag = match hash(&path) {
            Ok((etag, size)) => {
                info.size = size;
                etag
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
            Err(error) => return Err(disk::fault(&error, "read an object", &path)),
        };
        let sql = "update arrivals set etag = ?3, size = ?4 where bucket = ?1 and seq = ?2";
        let row = params![bucket, info.seq as i64, etag, info.size as i64];
        self.db.now("write to", |connection| connection.prepare_cached(sql)?.execute(row))?;
        Ok(etag)
    }
}

/// The etag of a content.
pub fn etag(content: &[u8]) -> String {
    blake3::hash(content).to_hex()[..32].to_owned()
}

fn hash(path: &Path) -> io::Result<(String, u64)> {
    let mut file = File::open(path)?;
    let mut hasher = blake3::Hasher::new();
    let mut block = vec![0; 1 << 20];
    loop {
        match file.read(&mut block)? {
            0 => break,
            read => hasher.update(&block[..read]),
        };
    }
    Ok((hasher.finalize().to_hex()[..32].to_owned(), hasher.count()))
}

fn next(connection: &Connection, bucket: &str) -> rusqlite::Result<u64> {
    let last: Option<i64> = connection
        .prepare_cached("select seq from arrivals where bucket = ?1 order by seq desc limit 1")?
        .query_row([bucket], |row| row.get(0))
        .optional()?;
    Ok(last.map_or(0, |last| last as u64 + 1))
}

fn rows(
    connection: &Connection,
    bucket: &str,
    prefix: &str,
    from: u64,
    max: usize,
) -> rusqlite::Result<(Vec<Row>, u64)> {
    let sql = "select seq, key, size, etag, arrival_ns from arrivals \
               where bucket = ?1 and seq >= ?2 and substr(key, 1, length(?3)) = ?3 \
               and etag is not '' order by seq limit ?4";
    let mut select = connection.prepare_cached(sql)?;
    let rows = select.query_map(params![bucket, from as i64, prefix, max as i64], |row| {
        Ok(Row {
            info: ObjectInfo {
                seq: row.get::<_, i64>(0)? as u64,
                key: row.get(1)?,
                size: row.get::<_, i64>(2)? as u64,
                etag: String::new(),
                arrival_ns: row.get(4)?,
            },
            etag: row.get(3)?,
        })
    })?;
    Ok((rows.collect::<rusqlite::Result<_>>()?, next(connection, bucket)?))
}

/// Shows every file below `dir`: its key, bytes and time of modification.
pub fn walk(
    dir: &Path,
    see: &mut dyn FnMut(&str, u64, i64) -> Result<(), Fault>,
) -> Result<(), Fault> {
    let mut open: Vec<PathBuf> = vec![dir.to_owned()];
    while let Some(at) = open.pop() {
        let fault = |error: io::Error| disk::fault(&error, "list a bucket", &at);
        let entries = match fs::read_dir(&at) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            entries => entries.map_err(fault)?,
        };
        for entry in entries {
            let entry = entry.map_err(fault)?;
            let path = entry.path();
            if entry.file_type().map_err(fault)?.is_dir() {
                open.push(path);
                continue;
            }
            // A link that leads nowhere, or a file that is gone by now, is no object.
            let Ok(meta) = fs::metadata(&path) else { continue };
            if !meta.is_file() {
                continue;
            }
            let modified = meta.modified().ok().and_then(|at| at.duration_since(UNIX_EPOCH).ok());
            let modified_ns = modified.map_or(0, |since| since.as_nanos() as i64);
            let key = path.strip_prefix(dir).ok().and_then(Path::to_str).ok_or_else(|| {
                let message = format!("{} is no key: it is not UTF-8", path.display());
                Fault::service("object_key", message).help("rename the file")
            })?;
            see(key, meta.len(), modified_ns)?;
        }
    }
    Ok(())
}
