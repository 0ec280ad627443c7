//! Objects as plain files at `s3/<bucket>/<key>`.
//!
//! A put writes a file of another name, makes it durable, renames it and makes the directory
//! durable: an object is there whole or not at all.

mod arrivals;
mod dirs;
pub mod key;
#[cfg(test)]
mod tests;

use super::disk;
use crate::service::object_key;
use crate::service::{Listed, ObjectInfo, Objects, Put};
use arrivals::Arrivals;
pub use arrivals::walk;
use async_trait::async_trait;
use bytes::Bytes;
use dirs::Dirs;
use engine::batch::Partition;
use engine::ctx::Clock;
use engine::failpoint::Failpoints;
use engine::fault::Fault;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{self, ErrorKind, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::watch;

/// The buckets of one directory.
pub struct LocalObjects {
    shared: Arc<Shared>,
}

struct Shared {
    root: PathBuf,
    temporary: PathBuf,
    arrivals: Arrivals,
    clock: Arc<dyn Clock>,
    failpoints: Failpoints,
    /// Entries are made durable for several puts at once.
    dirs: Dirs,
    /// Names of temporary files.
    count: AtomicU64,
    /// Held from the look at a name until the rename to it.
    renames: Mutex<()>,
    /// The buckets that are read in this run, with the next number of each.
    read: Mutex<BTreeMap<String, watch::Sender<u64>>>,
}

/// The directory of all buckets.
pub fn root(dir: &Path) -> PathBuf {
    dir.join("s3")
}

impl LocalObjects {
    /// Opens the buckets; removes what a crash has left half written. Where the plan of the run has
    /// none that are `used`, nothing is made on the disk. Blocks.
    ///
    /// # Errors
    /// The directory cannot be written.
    pub fn open(
        dir: &Path,
        used: bool,
        clock: Arc<dyn Clock>,
        failpoints: &Failpoints,
    ) -> Result<LocalObjects, Fault> {
        let temporary = dir.join("tmp");
        match fs::remove_dir_all(&temporary) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                return Err(disk::fault(&error, "remove half-written objects", &temporary));
            }
            _ if used => {
                disk::make_dir(&temporary)?;
                disk::make_dir(&root(dir))?;
            }
            _ => {}
        }
        let arrivals = Arrivals::open(dir, used, clock.now_ns())?;
        Ok(LocalObjects {
            shared: Arc::new(Shared {
                root: root(dir),
                temporary,
                arrivals,
                clock,
                failpoints: failpoints.clone(),
                dirs: Dirs::default(),
                count: AtomicU64::new(0),
                renames: Mutex::new(()),
                read: Mutex::default(),
            }),
        })
    }

    /// The file of an object.
    ///
    /// # Errors
    /// It is no key.
    pub fn path(&self, bucket: &str, key: &str) -> Result<PathBuf, Fault> {
        key::path(&self.shared.root, bucket, key)
    }
}

#[async_trait]
impl Objects for LocalObjects {
    fn partition(&self, bucket: &str) -> Arc<Partition> {
        let made = self.shared.arrivals.created_ns;
        let hash = blake3::hash(format!("bucket\n{bucket}\n{made}").as_bytes());
        let id = hash.as_bytes()[..16].try_into().expect("sixteen of thirty-two bytes");
        Arc::new(Partition { id, name: bucket.to_owned() })
    }

    async fn put(&self, bucket: &str, key: &str, content: Bytes) -> Result<Put, Fault> {
        let shared = self.shared.clone();
        let (bucket, key) = (bucket.to_owned(), key.to_owned());
        super::blocking(move || shared.put(&bucket, &key, &content)).await
    }

    async fn list(
        &self,
        bucket: &str,
        prefix: &str,
        from: u64,
        max: usize,
    ) -> Result<Listed, Fault> {
        let shared = self.shared.clone();
        let (bucket, prefix) = (bucket.to_owned(), prefix.to_owned());
        super::blocking(move || {
            let dir = key::bucket_dir(&shared.root, &bucket)?;
            shared.follow(&bucket, &dir)?;
            shared.arrivals.list(&bucket, &dir, &prefix, from, max)
        })
        .await
    }

    async fn keys(
        &self,
        bucket: &str,
        prefix: &str,
        after: &str,
        max: usize,
    ) -> Result<Vec<String>, Fault> {
        let dir = key::bucket_dir(&self.shared.root, bucket)?;
        let (prefix, after) = (prefix.to_owned(), after.to_owned());
        super::blocking(move || keys(&dir, &prefix, &after, max)).await
    }

    async fn get(&self, bucket: &str, key: &str) -> Result<Option<Bytes>, Fault> {
        let path = key::path(&self.shared.root, bucket, key)?;
        super::blocking(move || match fs::read(&path) {
            Ok(content) => Ok(Some(content.into())),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(disk::fault(&error, "read an object", &path)),
        })
        .await
    }

    async fn arrived(&self, bucket: &str, from: u64) -> Result<(), Fault> {
        let mut next = {
            let read = self.shared.read();
            let sender = read.get(bucket);
            sender.expect("a bucket is listed before it is waited for").subscribe()
        };
        let closed = next.wait_for(|next| *next > from).await.is_err();
        assert!(!closed, "the sender is held while it is waited for");
        Ok(())
    }
}

impl Shared {
    fn read(&self) -> MutexGuard<'_, BTreeMap<String, watch::Sender<u64>>> {
        self.read.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From now on the bucket's puts are numbered; what is there already is numbered first.
    fn follow(&self, bucket: &str, dir: &Path) -> Result<(), Fault> {
        let mut read = self.read();
        if read.contains_key(bucket) {
            return Ok(());
        }
        let next = self.arrivals.find(bucket, dir)?;
        self.failpoints.pass("objects.found")?;
        read.insert(bucket.to_owned(), watch::Sender::new(next));
        Ok(())
    }

    fn put(&self, bucket: &str, key: &str, content: &[u8]) -> Result<Put, Fault> {
        let path = key::path(&self.root, bucket, key)?;
        let dir = path.parent().expect("a key is inside its bucket");
        let fault = |error: io::Error| self.put_fault(&error, bucket, key, &path);
        let put = if path.exists() {
            already(bucket, key, &path, content)?
        } else {
            self.make_dirs(dir, bucket, key)?;
            self.create(bucket, key, &path, content)?
        };
        self.failpoints.hit("object.renamed").map_err(fault)?;
        // After a crash, the entry of an object that is there may not be durable yet.
        self.dirs.sync(dir).map_err(fault)?;
        self.failpoints.hit("object.synced").map_err(fault)?;
        let read = self.read();
        if let Some(next) = read.get(bucket) {
            let info = ObjectInfo {
                seq: 0,
                key: key.to_owned(),
                size: content.len() as u64,
                etag: arrivals::etag(content),
                arrival_ns: self.clock.now_ns(),
            };
            let number = self.arrivals.add(bucket, &info)?;
            self.failpoints.hit("object.numbered").map_err(fault)?;
            next.send_replace(number);
        }
        Ok(put)
    }

    fn create(&self, bucket: &str, key: &str, path: &Path, content: &[u8]) -> Result<Put, Fault> {
        let number = self.count.fetch_add(1, Ordering::Relaxed);
        let temporary = self.temporary.join(number.to_string());
        let write = || {
            let mut file = File::create(&temporary)?;
            file.write_all(content)?;
            self.failpoints.hit("object.write")?;
            file.sync_all()?;
            self.failpoints.hit("object.written")
        };
        let written = write().map_err(|error| self.put_fault(&error, bucket, key, path));
        let renamed = written.and_then(|()| {
            let _held = self.renames.lock().unwrap_or_else(PoisonError::into_inner);
            if path.exists() {
                return already(bucket, key, path, content);
            }
            fs::rename(&temporary, path)
                .map(|()| Put::Stored)
                .map_err(|error| self.put_fault(&error, bucket, key, path))
        });
        if renamed != Ok(Put::Stored) {
            // It makes room on a full disk; the next run would remove it too.
            let _ = fs::remove_file(&temporary);
        }
        renamed
    }

    fn make_dirs(&self, dir: &Path, bucket: &str, key: &str) -> Result<(), Fault> {
        let in_the_way = dir.ancestors().find(|part| part.is_file());
        match in_the_way {
            Some(file) => Err(nested(bucket, key, file)),
            None => disk::make_dir(dir),
        }
    }

    fn put_fault(&self, error: &io::Error, bucket: &str, key: &str, path: &Path) -> Fault {
        disk::fault(error, &format!("store object `{key}` of bucket `{bucket}`"), path)
    }
}

/// The first keys behind `after`.
fn keys(dir: &Path, prefix: &str, after: &str, max: usize) -> Result<Vec<String>, Fault> {
    let mut first: BTreeSet<String> = BTreeSet::new();
    walk(dir, &mut |key, _, _| {
        if key.starts_with(prefix) && key > after {
            first.insert(key.to_owned());
            if first.len() > max {
                first.pop_last();
            }
        }
        Ok(())
    })?;
    Ok(first.into_iter().collect())
}

/// An object of this name is there: is it this one?
fn already(bucket: &str, key: &str, path: &Path, content: &[u8]) -> Result<Put, Fault> {
    if path.is_dir() {
        return Err(nested(bucket, key, path));
    }
    let same = same_content(path, content)
        .map_err(|error| disk::fault(&error, "compare an object", path))?;
    if same {
        return Ok(Put::AlreadyStored);
    }
    Err(object_key::conflict(bucket, key))
}

fn same_content(path: &Path, content: &[u8]) -> io::Result<bool> {
    let mut file = File::open(path)?;
    if file.metadata()?.len() != content.len() as u64 {
        return Ok(false);
    }
    let mut block = vec![0; 1 << 16];
    let mut rest = content;
    loop {
        let read = file.read(&mut block)?;
        if read == 0 {
            return Ok(rest.is_empty());
        }
        match rest.split_at_checked(read) {
            Some((head, tail)) if head == &block[..read] => rest = tail,
            _ => return Ok(false),
        }
    }
}

/// S3 allows `a` beside `a/b`; a directory does not.
fn nested(bucket: &str, key: &str, path: &Path) -> Fault {
    let message = format!(
        "bucket `{bucket}` cannot hold `{key}`: locally a name is a file or a directory, and {} is \
         the other",
        path.display()
    );
    Fault::service("object_key", message).help("use a key that is not the beginning of another")
}
