//! What a bucket holds.

use super::{Shown, ShownRow};
use crate::service::BucketPlace;
use crate::service::local::{disk, objects};
use dsl::plan::PlanResource;
use dsl::value::Value;
use engine::fault::Fault;
use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

/// The objects of a bucket whose keys begin with the resource's prefix.
pub fn show(dir: &Path, resource: &PlanResource) -> Result<Shown, Fault> {
    let place = BucketPlace::of(resource)?;
    let root = objects::key::bucket_dir(&objects::root(dir), &place.bucket)?;
    let columns = ["key", "size", "modified"].map(String::from).to_vec();
    let walk = Walk { open: vec![Entry { key: String::new(), path: root, dir: true }], place };
    Ok(Shown { columns, rows: Box::new(walk) })
}

/// The content of an object.
pub fn object(dir: &Path, resource: &PlanResource, key: &str) -> Result<Option<Vec<u8>>, Fault> {
    let place = BucketPlace::of(resource)?;
    let path = objects::key::path(&objects::root(dir), &place.bucket, key)?;
    match fs::read(&path) {
        Ok(content) => Ok(Some(content)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(disk::fault(&error, "read an object", &path)),
    }
}

/// A walk through a directory in order of key; holds the names of the directories that are open.
struct Walk {
    /// What comes next is last.
    open: Vec<Entry>,
    place: BucketPlace,
}

struct Entry {
    key: String,
    path: PathBuf,
    dir: bool,
}

impl Iterator for Walk {
    type Item = ShownRow;

    fn next(&mut self) -> Option<ShownRow> {
        loop {
            let entry = self.open.pop()?;
            if entry.dir {
                if let Err(error) = self.enter(&entry) {
                    self.open.clear();
                    return Some(Err(disk::fault(&error, "list a bucket", &entry.path)));
                }
                continue;
            }
            // A file that is gone by now is no object.
            if let Ok(meta) = fs::metadata(&entry.path) {
                let modified =
                    meta.modified().ok().and_then(|at| at.duration_since(UNIX_EPOCH).ok());
                let modified_ns = modified.map_or(0, |since| since.as_nanos() as i64);
                let size = Value::Size(meta.len());
                return Some(Ok(vec![Value::Text(entry.key), size, Value::Timestamp(modified_ns)]));
            }
        }
    }
}

impl Walk {
    fn enter(&mut self, dir: &Entry) -> io::Result<()> {
        let listed = match fs::read_dir(&dir.path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
            listed => listed?,
        };
        let start = self.open.len();
        for entry in listed {
            let entry = entry?;
            let is_dir = entry.file_type()?.is_dir();
            let slash = if is_dir { "/" } else { "" };
            let name = entry.file_name();
            let key = format!("{}{}{slash}", dir.key, name.to_string_lossy());
            let prefix = &self.place.prefix;
            if key.starts_with(prefix) || (is_dir && prefix.starts_with(&key)) {
                self.open.push(Entry { key, path: entry.path(), dir: is_dir });
            }
        }
        self.open[start..].sort_by(|left, right| right.key.cmp(&left.key));
        Ok(())
    }
}
