//! Files as the local services use them: made durable with their directories, and every error told
//! with its path.

use engine::fault::Fault;
use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::path::Path;

/// What to do about a file that is damaged. The files of a directory depend on each other: without
/// one of them what was delivered is not delivered again, or is stored twice.
pub const BEGIN_ANEW: &str = "put back a copy of that file; or begin anew: give the profile \
                              another `dir:`, or remove the whole directory, and run again";

/// An I/O error as a fault. `doing` completes "cannot …": `write records to the stream`.
pub fn fault(error: &io::Error, doing: &str, path: &Path) -> Fault {
    let path = path.display();
    match error.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge => {
            disk_full(&format!("cannot {doing} at {path}"))
        }
        ErrorKind::PermissionDenied => Fault::service(
            "permission_denied",
            format!("cannot {doing} at {path}: permission denied"),
        )
        .help("make the path writable for this user, or give the profile another `dir:`"),
        _ => Fault::service("io", format!("cannot {doing} at {path}: {error}")),
    }
}

/// The fault of a full disk; `what` says what could not be written, and where.
pub fn disk_full(what: &str) -> Fault {
    Fault::service("disk_full", format!("{what}: the disk is full")).help(
        "free some space and run again: nothing that was acknowledged is lost, and the rest is \
         sent again",
    )
}

/// Makes the entries of a directory durable.
pub fn sync_dir(dir: &Path) -> Result<(), Fault> {
    File::open(dir)
        .and_then(|file| file.sync_all())
        .map_err(|error| fault(&error, "make a directory durable", dir))
}

/// Makes `dir` and all its parents that are not there, each durable in its parent.
pub fn make_dir(dir: &Path) -> Result<(), Fault> {
    if dir.is_dir() {
        return Ok(());
    }
    let parent = dir.parent().filter(|parent| !parent.as_os_str().is_empty());
    if let Some(parent) = parent {
        make_dir(parent)?;
    }
    match fs::create_dir(dir) {
        Ok(()) => sync_dir(parent.unwrap_or(Path::new("."))),
        Err(error) if error.kind() == ErrorKind::AlreadyExists && dir.is_dir() => Ok(()),
        Err(error) => Err(fault(&error, "make a directory", dir)),
    }
}

/// Writes a small file whole: a reader sees the old or the new content. Durable when it returns.
pub fn replace(path: &Path, content: &[u8]) -> Result<(), Fault> {
    let temporary = path.with_extension("new");
    let write = || {
        fs::write(&temporary, content)?;
        File::open(&temporary)?.sync_all()?;
        fs::rename(&temporary, path)
    };
    write().map_err(|error| fault(&error, "write a file", path))?;
    sync_dir(path.parent().unwrap_or(Path::new(".")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_is_named_with_path_and_purpose() {
        let error = io::Error::from(ErrorKind::StorageFull);
        let fault = fault(&error, "write records to the stream", Path::new("out/x.seg"));
        assert_eq!(fault.code, "disk_full");
        assert_eq!(
            fault.message,
            "cannot write records to the stream at out/x.seg: the disk is full"
        );
    }

    #[test]
    fn directories_and_files_are_made_once_and_again() {
        let dir = tempfile::tempdir().unwrap();
        let deep = dir.path().join("a/b/c");
        make_dir(&deep).unwrap();
        make_dir(&deep).unwrap();
        let file = deep.join("meta.json");
        replace(&file, b"1").unwrap();
        replace(&file, b"2").unwrap();
        assert_eq!(fs::read(&file).unwrap(), b"2");
        assert!(make_dir(&file).is_err(), "a file stands there");
    }
}
