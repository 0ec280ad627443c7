//! Finding the file to write: what is there, what is remembered of it, and what does not fit.

use super::record::{Lengths, Memory, Record, Tail};
use crate::rows::reads_chunks;
use crate::service::local::disk;
use engine::ctx::NodeCtx;
use engine::fault::Fault;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::runtime::Handle;

/// A file that is open to write, locked, and as long as is remembered.
pub struct Found {
    /// The file.
    pub file: Arc<File>,
    /// Where the record is kept.
    pub memory: Memory,
    /// What is remembered; of a new file nothing.
    pub record: Record,
    /// The last bytes of the file.
    pub tail: Tail,
    /// With the first write the file is cut to where this node began, and its record forgotten.
    pub anew: bool,
}

/// What a node asks of its file.
#[derive(Clone, Copy)]
struct Wanted {
    /// `append: true`
    append: bool,
    /// `--from-start`
    from_start: bool,
    /// All rows come from files, which `--from-start` reads again.
    from_files: bool,
}

/// Opens the file of a node.
///
/// # Errors
/// It cannot be written, another node or program writes it, or what is there is not what this node
/// has written.
pub async fn find(ctx: &NodeCtx) -> Result<Found, Fault> {
    let path = ctx.node.text("path").to_owned();
    let others: Vec<(String, String)> = ctx
        .plan
        .graph
        .node_weights()
        .filter(|node| node.op == ctx.node.op && node.id != ctx.node.id)
        .map(|node| (node.id.clone(), node.text("path").to_owned()))
        .collect();
    let (given, id) = (path.clone(), ctx.node.id.clone());
    let (canonical, file) = blocking(&path, move || {
        let canonical = canonical(&given)?;
        if let Some((other, _)) = others.iter().find(|(_, path)| same(path, &canonical)) {
            let message = format!("two nodes write `{given}`: `{id}` and `{other}`");
            return Err(Fault::service("file_twice", message)
                .help("give each a file of its own, or join what they write: `[a, b] -> …`"));
        }
        let file = open(&given, &canonical)?;
        Ok((canonical, file))
    })
    .await?;
    let memory = Memory {
        key: format!("file.write {} {}", ctx.node.id, canonical.display()),
        path: path.clone(),
        checkpoints: ctx.run.checkpoints.clone(),
        runtime: Handle::current(),
    };
    let record = memory.load().await?;
    let wanted = Wanted {
        append: ctx.node.flag("append"),
        from_start: ctx.run.from_start,
        from_files: reads_chunks(ctx),
    };
    let given = path.clone();
    blocking(&path, move || match file {
        None => wanted.missing(&given, &canonical, memory, record),
        Some(file) => wanted.there(&given, file, memory, record),
    })
    .await
}

impl Wanted {
    /// There is no file.
    fn missing(
        self,
        path: &str,
        canonical: &Path,
        memory: Memory,
        record: Option<Record>,
    ) -> Result<Found, Fault> {
        let length = record.map_or(0, |record| record.file.length);
        if length > 0 && !self.from_start {
            let message =
                format!("`{path}` is gone: this node has written it, up to byte {length}");
            let help = format!("put it back, or {}", self.begins_anew());
            return Err(Fault::service("file_gone", message).help(help));
        }
        let file = OpenOptions::new().read(true).write(true).create_new(true).open(canonical);
        let file = file.map_err(|error| unwritable(path, &error))?;
        lock(path, &file)?;
        disk::sync_dir(canonical.parent().unwrap_or(Path::new("/")))?;
        let (record, tail) = (Record::default(), Tail::default());
        Ok(Found { file: file.into(), memory, record, tail, anew: false })
    }

    /// There is a file.
    fn there(
        self,
        path: &str,
        file: File,
        memory: Memory,
        record: Option<Record>,
    ) -> Result<Found, Fault> {
        let failed = |error: io::Error| unwritable(path, &error);
        let length = file.metadata().map_err(failed)?.len();
        let Some(mut record) = record else {
            if length > 0 && !self.append {
                let message = format!("`{path}` exists, and this node has not written it");
                return Err(Fault::service("file_exists", message)
                    .help("move it away, or say `append: true` to write behind what it holds"));
            }
            let tail = Tail::of(&file, length).map_err(failed)?;
            let record = Record { file: behind(length, length, &tail), ..Record::default() };
            return Ok(Found { file: file.into(), memory, record, tail, anew: false });
        };
        let known = record.file;
        let mut anew = self.from_start && self.from_files;
        if length < known.length {
            if !self.from_start {
                let has = known.length;
                let message = format!("`{path}` was cut: it has {length} bytes, and had {has}");
                let help = format!("put it back as it was, or {}", self.begins_anew());
                return Err(Fault::service("file_cut", message).help(help));
            }
            anew = true;
            record.file = Lengths { begin: known.begin.min(length), length, ..known };
        }
        let mut tail = Tail::of(&file, record.file.length).map_err(failed)?;
        if length >= known.length && tail.sum() != known.tail {
            let message = format!("`{path}` holds something else than this node has written");
            return Err(Fault::service("file_changed", message)
                .help("put back what was there, or move it away and run with `--from-start`"));
        }
        if length > known.length && known.closed {
            if !self.append || anew {
                return Err(grown(path, length, known.length));
            }
            tail = Tail::of(&file, length).map_err(failed)?;
            record.file = behind(known.begin, length, &tail);
        }
        if length > record.file.length {
            // Nothing behind what is remembered was acknowledged.
            file.set_len(record.file.length).map_err(failed)?;
        }
        Ok(Found { file: file.into(), memory, record, tail, anew })
    }

    /// What `--from-start` does about a file that is not there any more.
    fn begins_anew(self) -> &'static str {
        match self.from_files {
            true => "run with `--from-start`: all input is read again, and the file begins anew",
            false => {
                "run with `--from-start`: the file begins anew, but what came from a stream or \
                 over HTTP is not sent again"
            }
        }
    }
}

fn behind(begin: u64, length: u64, tail: &Tail) -> Lengths {
    Lengths { begin, length, tail: tail.sum(), closed: false }
}

fn grown(path: &str, length: u64, known: u64) -> Fault {
    let more = length - known;
    let message = format!("`{path}` has {more} bytes more than this node has written");
    Fault::service("file_grown", message).help(format!(
        "take them out (`truncate -s {known} {path}`), or say `append: true` to write behind them"
    ))
}

/// Where a path leads, though the file itself need not be there.
fn canonical(path: &str) -> Result<PathBuf, Fault> {
    let error = match std::fs::canonicalize(path) {
        Ok(canonical) => return Ok(canonical),
        Err(error) => error,
    };
    let given = Path::new(path);
    let directory = match given.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let shown = directory.display();
    if error.kind() != ErrorKind::NotFound {
        return Err(unwritable(path, &error));
    }
    if !directory.is_dir() {
        let message = format!("`{path}` cannot be written: there is no directory `{shown}`");
        return Err(Fault::service("directory_missing", message)
            .help(format!("make it: `mkdir -p {shown}`")));
    }
    let directory = std::fs::canonicalize(directory).map_err(|error| unwritable(path, &error))?;
    let Some(name) = given.file_name() else { return Err(is_directory(path)) };
    Ok(directory.join(name))
}

fn same(path: &str, canonical_path: &Path) -> bool {
    canonical(path).is_ok_and(|other| other == canonical_path)
}

/// Opens and locks a file that is there.
fn open(path: &str, canonical: &Path) -> Result<Option<File>, Fault> {
    match std::fs::metadata(canonical) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(unwritable(path, &error)),
        Ok(found) if found.is_dir() => return Err(is_directory(path)),
        Ok(found) if !found.is_file() => {
            let message = format!("`{path}` is no regular file: what is written cannot be kept");
            return Err(Fault::service("file_not_regular", message)
                .help("give the path of a file; `drop` lets go what arrives"));
        }
        Ok(_) => {}
    }
    let file = OpenOptions::new().read(true).write(true).open(canonical);
    let file = file.map_err(|error| unwritable(path, &error))?;
    lock(path, &file)?;
    Ok(Some(file))
}

/// Held until the file is closed.
fn lock(path: &str, file: &File) -> Result<(), Fault> {
    match file.try_lock() {
        Ok(()) => Ok(()),
        Err(TryLockError::WouldBlock) => {
            let message = format!("`{path}` is being written by another run, or by another node");
            Err(Fault::service("file_in_use", message)
                .help("wait for it to end, or give another path"))
        }
        Err(TryLockError::Error(error)) => Err(unwritable(path, &error)),
    }
}

fn is_directory(path: &str) -> Fault {
    Fault::service("file_is_directory", format!("`{path}` is a directory"))
        .help("name a file in it; `file.write` writes one file")
}

/// A file that cannot be opened, written or made durable.
pub fn unwritable(path: &str, error: &io::Error) -> Fault {
    match error.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge => {
            disk::disk_full(&format!("cannot write `{path}`"))
        }
        ErrorKind::PermissionDenied => {
            let message = format!("`{path}` may not be written: permission denied");
            Fault::service("file_denied", message).help(
                "allow it to this user (the file to read and write, or its directory to write)",
            )
        }
        _ => Fault::service("file_unwritable", format!("`{path}` cannot be written: {error}")),
    }
}

/// Runs what may wait for a disk on a thread that may.
async fn blocking<T: Send + 'static>(
    path: &str,
    work: impl FnOnce() -> Result<T, Fault> + Send + 'static,
) -> Result<T, Fault> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|error| {
        Err(Fault::service("closed", format!("opening `{path}` was broken off: {error}")))
    })
}
