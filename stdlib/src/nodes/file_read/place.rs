//! Finding a file, and what is remembered of it.

use super::hash::{Hash, hash};
use super::unreadable;
use crate::outside::Threads;
use engine::batch::Resume;
use engine::ctx::Checkpoints;
use engine::fault::Fault;
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io::ErrorKind;
use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

/// A file's content, as this run reads it.
#[derive(Clone, Debug)]
pub struct Place {
    /// The key of its checkpoint.
    pub key: String,
    /// Bytes.
    pub length: u64,
    content: Hash,
}

/// A file, opened.
#[derive(Debug)]
pub struct Found {
    /// What it is.
    pub place: Place,
    /// The file, somewhere in it.
    pub file: File,
    /// The partition that numbers its rows.
    pub partition: Hash,
    /// How far it has been delivered; `None` = not at all.
    pub resume: Option<Resume>,
    /// When it was changed last, nanoseconds since 1970: the same in each run.
    pub arrival_ns: i64,
    /// Other content was delivered from this path before.
    pub changed: bool,
}

/// What is stored.
#[derive(Debug, Serialize, Deserialize)]
struct Checkpoint {
    content: String,
    partition: String,
    length: u64,
    offset: u64,
    record: u64,
    line: u64,
    state: Vec<u8>,
}

impl Place {
    /// What is to be stored when everything before `resume` is delivered.
    pub fn checkpoint(&self, partition: &Hash, resume: &Resume) -> Vec<u8> {
        let checkpoint = Checkpoint {
            content: hex(&self.content),
            partition: hex(partition),
            length: self.length,
            offset: resume.offset,
            record: resume.record,
            line: resume.line,
            state: resume.state.clone(),
        };
        serde_json::to_vec(&checkpoint).expect("numbers and texts have a JSON form")
    }
}

/// Opens a file and finds out how far it has been delivered.
pub async fn find(
    path: &str,
    node: &str,
    checkpoints: &Arc<dyn Checkpoints>,
    from_start: bool,
    threads: Threads,
) -> Result<Found, Fault> {
    let given = path.to_string();
    let (file, canonical) = blocking(threads, path, move || open(&given)).await?;
    let key = format!("file.read {node} {canonical}");
    let mut stored = match checkpoints.load(&key).await? {
        Some(value) => Some(read_checkpoint(path, &value)?),
        None => None,
    };
    if from_start && stored.take().is_some() {
        checkpoints.store(vec![(key.clone(), None)]).await?;
    }
    let (given, before) = (path.to_string(), stored.as_ref().map(|stored| stored.length));
    let hashed =
        blocking(threads, path, move || hashed(file, before).map_err(|e| unreadable(&given, &e)));
    let Hashed { file, content, prefix, length, arrival_ns } = hashed.await?;
    let known = stored.as_ref().is_some_and(|stored| stored.offset > 0);
    let same = stored.filter(|stored| prefix.is_some_and(|hash| hex(&hash) == stored.content));
    let changed = known && same.is_none();
    let (partition, resume) = match same {
        Some(stored) => {
            // Rows that may be on their way already keep their numbers; a file that was delivered
            // to its end and has grown since begins a new series.
            let begun = stored.length == length || stored.offset < stored.length;
            let partition = if begun { unhex(&stored.partition) } else { None };
            let (offset, record, line) = (stored.offset, stored.record, stored.line);
            let resume = Resume { offset, record, line, state: stored.state };
            (partition.unwrap_or(content), Some(resume).filter(|_| offset > 0))
        }
        None => (content, None),
    };
    let place = Place { key, length, content };
    Ok(Found { place, file, partition, resume, arrival_ns, changed })
}

/// Runs what may wait for a disk on a thread that may.
async fn blocking<T: Send + 'static>(
    threads: Threads,
    path: &str,
    work: impl FnOnce() -> Result<T, Fault> + Send + 'static,
) -> Result<T, Fault> {
    threads.spawn(work).await.unwrap_or_else(|error| {
        Err(Fault::service("file_unreadable", format!("reading `{path}` was broken off: {error}")))
    })
}

fn read_checkpoint(path: &str, value: &[u8]) -> Result<Checkpoint, Fault> {
    serde_json::from_slice(value).map_err(|error| {
        let message = format!("what is remembered of `{path}` cannot be read: {error}");
        Fault::service("checkpoint_unreadable", message)
            .help("run with `--from-start` to forget it")
    })
}

/// Opens a regular file and gives its one true path.
fn open(path: &str) -> Result<(File, String), Fault> {
    let fault = |error: std::io::Error| match error.kind() {
        ErrorKind::NotFound => missing(path),
        ErrorKind::PermissionDenied => {
            let message = format!("`{path}` may not be read: permission denied");
            Fault::service("file_denied", message).help(format!("allow it: `chmod u+r {path}`"))
        }
        _ => unreadable(path, &error),
    };
    let canonical = std::fs::canonicalize(path).map_err(fault)?;
    let metadata = std::fs::metadata(&canonical).map_err(fault)?;
    if metadata.is_dir() {
        let message = format!("`{path}` is a directory");
        let help = "name a file in it; `file.read` reads one file";
        return Err(Fault::service("file_is_directory", message).help(help));
    }
    if !metadata.is_file() {
        let message = format!("`{path}` is no regular file, and so cannot be read again");
        return Err(Fault::service("file_not_regular", message).help("copy its content to a file"));
    }
    let file = File::open(&canonical).map_err(fault)?;
    Ok((file, canonical.to_string_lossy().into_owned()))
}

/// No such file: the nearest name in its directory, or the directory that is missing.
fn missing(path: &str) -> Fault {
    let fault = Fault::service("file_missing", format!("`{path}` does not exist"));
    let given = Path::new(path);
    let directory = match given.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    if !directory.is_dir() {
        return fault.help(format!("there is no directory `{}` either", directory.display()));
    }
    let name = given.file_name().unwrap_or_default().to_string_lossy();
    match nearest(&name, directory) {
        Some(near) => {
            fault.help(format!("did you mean `{}`?", given.with_file_name(near).display()))
        }
        None => fault.help(
            "a path in a `.flow` file is relative to that file, one given with `--param` to the \
             current directory",
        ),
    }
}

fn nearest(name: &str, directory: &Path) -> Option<String> {
    // A directory of any size must not hold up an error.
    let entries = std::fs::read_dir(directory).ok()?.flatten().take(10_000);
    let names = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
    let distances = names.map(|each| (strsim::damerau_levenshtein(name, &each), each));
    let (distance, found) = distances.min()?;
    (distance <= name.chars().count() / 3).then_some(found)
}

/// A file and the hashes of its content.
struct Hashed {
    file: File,
    content: Hash,
    /// The hash of the first `before` bytes, where the file has them.
    prefix: Option<Hash>,
    length: u64,
    arrival_ns: i64,
}

/// `before`: the length of what was delivered, at most, by an earlier run.
fn hashed(file: File, before: Option<u64>) -> std::io::Result<Hashed> {
    let metadata = file.metadata()?;
    let length = metadata.len();
    let content = hash(&file, length)?;
    let prefix = match before {
        Some(before) if before == length => Some(content),
        Some(before) if before < length => Some(hash(&file, before)?),
        _ => None,
    };
    let changed = metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH);
    let since = changed.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let arrival_ns = i64::try_from(since.as_nanos()).unwrap_or(i64::MAX);
    Ok(Hashed { file, content, prefix, length, arrival_ns })
}

fn hex(hash: &Hash) -> String {
    hash.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Option<Hash> {
    u128::from_str_radix(text, 16).ok().map(u128::to_be_bytes)
}
