//! One run per directory: a lock file that names the process which holds it.

use super::disk;
use dsl::value::timestamp_text;
use engine::fault::Fault;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Write};
use std::path::Path;

/// Holds the directory until it is dropped or the process ends, however it ends.
#[derive(Debug)]
pub struct DirLock {
    _file: File,
}

/// Takes the directory for this process.
///
/// # Errors
/// Another process holds it: the fault names that process and says what to do.
pub fn take(dir: &Path, now_ns: i64) -> Result<DirLock, Fault> {
    let path = dir.join("lock");
    let fault = |error: std::io::Error| disk::fault(&error, "lock the directory", &path);
    let mut file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .read(true)
        .write(true)
        .open(&path)
        .map_err(fault)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Err(held(dir, &mut file)),
        Err(TryLockError::Error(error)) => return Err(fault(error)),
    }
    let holder = format!("process {}\nstarted {}\n", std::process::id(), since(now_ns));
    file.set_len(0).map_err(fault)?;
    file.write_all(holder.as_bytes()).map_err(fault)?;
    Ok(DirLock { _file: file })
}

/// An instant to the second: `2010-12-01 08:26:00 UTC`.
fn since(now_ns: i64) -> String {
    let whole = now_ns.div_euclid(1_000_000_000).saturating_mul(1_000_000_000);
    timestamp_text(whole).replace('T', " ").replace('Z', " UTC")
}

fn held(dir: &Path, file: &mut File) -> Fault {
    let mut text = String::new();
    // The holder may be writing it just now: what is missing is left out.
    let _ = file.take(200).read_to_string(&mut text);
    let word = |name: &str| {
        text.lines().find_map(|line| line.strip_prefix(name)).map(|rest| rest.trim().to_owned())
    };
    let process = word("process ").filter(|pid| !pid.is_empty());
    let who = match (&process, word("started ")) {
        (Some(pid), Some(since)) => format!("process {pid}, started {since}"),
        (Some(pid), None) => format!("process {pid}"),
        _ => "another process".to_owned(),
    };
    let stop = match process {
        Some(pid) => format!("stop it with `kill {pid}`"),
        None => "stop it".to_owned(),
    };
    Fault::service("locked", format!("another `flowc run` works in {} ({who})", dir.display()))
        .help(format!("wait for it to end, {stop}, or give this run a `dir:` of its own"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_run_is_refused_and_told_who_holds_it() {
        let dir = tempfile::tempdir().unwrap();
        let first = take(dir.path(), 0).unwrap();
        let refused = take(dir.path(), 1).unwrap_err();
        assert_eq!(refused.code, "locked");
        let holder = format!("process {}, started 1970-01-01 00:00:00 UTC", std::process::id());
        assert!(refused.message.contains(&holder), "{}", refused.message);
        assert!(refused.help.unwrap().contains(&format!("kill {}", std::process::id())));
        drop(first);
        take(dir.path(), 2).unwrap();
    }
}
