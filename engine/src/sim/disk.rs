//! Simulated files: what was written, what is durable, and what a crash leaves of the rest.

use super::service::{Latency, Service};
use super::world::World;
use crate::fault::Fault;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard};

/// A disk with one directory; a clone is the same disk. It is a [`Service`] of its name: windows
/// of `DiskFull` are about its `write`, of `SyncFails` about its `sync`, of `Slow` about both.
///
/// - Written bytes can be read at once, and are durable after [`Disk::sync`].
/// - New names, renames and removals are durable, in order, after [`Disk::sync_dir`].
/// - When a sync fails, each write since the last one is durable or never will be, while reads show
///   all of them: trying again succeeds and tells nothing.
/// - A crash keeps any of the writes that are not durable, each whole or torn at any byte, and any
///   prefix of what was done to names.
#[derive(Clone)]
pub struct Disk {
    service: Service,
    state: Arc<Mutex<State>>,
}

/// Why the disk did not do something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DiskError {
    /// No space is left; nothing was written.
    Full,
    /// The sync has failed.
    Sync,
    /// There is no such file.
    Missing,
}

#[derive(Default)]
struct State {
    files: BTreeMap<u64, File>,
    names: BTreeMap<String, u64>,
    durable_names: BTreeMap<String, u64>,
    changes: Vec<Change>,
    next: u64,
}

#[derive(Default)]
struct File {
    /// What reads show.
    bytes: Vec<u8>,
    durable: Vec<u8>,
    /// Since the last sync.
    writes: Vec<(usize, Vec<u8>)>,
}

/// What was done to names since the last sync of the directory.
enum Change {
    Set(String, u64),
    Remove(String),
}

impl Disk {
    /// An empty disk of that name.
    pub fn new(world: &World, name: &str, latency: Latency) -> Disk {
        let disk =
            Disk { service: Service::new(world, name, latency).local(), state: Arc::default() };
        let (crashed, stream) = (disk.clone(), format!("{name} crash"));
        world.on_crash(Box::new(move || {
            let mut random = crashed.world().draw(&stream, |random, _| random.fork());
            crashed.state().crash(&mut random);
        }));
        disk
    }

    /// Writes at an offset, behind zeros where the file ends before it; makes the file.
    ///
    /// # Errors
    /// No space is left.
    pub async fn write(&self, name: &str, offset: usize, bytes: &[u8]) -> Result<(), DiskError> {
        let (state, name, bytes) = (self.state.clone(), name.to_owned(), bytes.to_vec());
        self.done("write", move || lock(&state).write(&name, offset, bytes)).await
    }

    /// Makes everything written to a file durable, but not its name.
    ///
    /// # Errors
    /// The sync fails, or there is no such file.
    pub async fn sync(&self, name: &str) -> Result<(), DiskError> {
        let (state, file) = (self.state.clone(), name.to_owned());
        let synced = self.done("sync", move || lock(&state).sync(&file)).await;
        if synced == Err(DiskError::Sync) {
            let mut random = self.world().draw("failed sync", |random, _| random.fork());
            self.state().sync_fails(name, &mut random);
            return synced;
        }
        synced
    }

    /// Gives a file another name, which may be another file's.
    ///
    /// # Errors
    /// There is no such file.
    pub async fn rename(&self, from: &str, to: &str) -> Result<(), DiskError> {
        let (state, from, to) = (self.state.clone(), from.to_owned(), to.to_owned());
        self.done("rename", move || lock(&state).rename(&from, to)).await
    }

    /// Removes a file.
    ///
    /// # Errors
    /// There is no such file.
    pub async fn remove(&self, name: &str) -> Result<(), DiskError> {
        let (state, name) = (self.state.clone(), name.to_owned());
        self.done("remove", move || lock(&state).remove(&name)).await
    }

    /// Makes all names durable.
    ///
    /// # Errors
    /// The sync fails; then any prefix of the changes is durable.
    pub async fn sync_dir(&self) -> Result<(), DiskError> {
        let state = self.state.clone();
        self.done("sync_dir", move || lock(&state).sync_dir()).await
    }

    /// The bytes of a file, as written; `None` where there is none.
    pub fn read(&self, name: &str) -> Option<Vec<u8>> {
        let state = self.state();
        let file = state.names.get(name)?;
        Some(state.files[file].bytes.clone())
    }

    /// All names, sorted.
    pub fn list(&self) -> Vec<String> {
        self.state().names.keys().cloned().collect()
    }

    async fn done(
        &self,
        op: &'static str,
        change: impl FnOnce() -> Result<(), DiskError> + Send + 'static,
    ) -> Result<(), DiskError> {
        match self.service.call(op, move |_| change()).await {
            Ok(done) => done,
            Err(fault) if fault.code == "disk_full" => Err(DiskError::Full),
            Err(_) => Err(DiskError::Sync),
        }
    }

    fn world(&self) -> &World {
        self.service.world()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

impl State {
    fn write(&mut self, name: &str, offset: usize, bytes: Vec<u8>) -> Result<(), DiskError> {
        let number = match self.names.get(name) {
            Some(number) => *number,
            None => {
                self.next += 1;
                self.names.insert(name.to_owned(), self.next);
                self.changes.push(Change::Set(name.to_owned(), self.next));
                self.next
            }
        };
        let file = self.files.entry(number).or_default();
        put(&mut file.bytes, offset, &bytes);
        file.writes.push((offset, bytes));
        Ok(())
    }

    fn file(&mut self, name: &str) -> Result<&mut File, DiskError> {
        let number = self.names.get(name).ok_or(DiskError::Missing)?;
        self.files.get_mut(number).ok_or(DiskError::Missing)
    }

    fn sync(&mut self, name: &str) -> Result<(), DiskError> {
        let file = self.file(name)?;
        for (offset, bytes) in std::mem::take(&mut file.writes) {
            put(&mut file.durable, offset, &bytes);
        }
        Ok(())
    }

    fn sync_fails(&mut self, name: &str, random: &mut fastrand::Rng) {
        if let Ok(file) = self.file(name) {
            file.settle(random);
        }
    }

    fn rename(&mut self, from: &str, to: String) -> Result<(), DiskError> {
        let number = self.names.remove(from).ok_or(DiskError::Missing)?;
        self.names.insert(to.clone(), number);
        self.changes.push(Change::Set(to, number));
        self.changes.push(Change::Remove(from.to_owned()));
        Ok(())
    }

    fn remove(&mut self, name: &str) -> Result<(), DiskError> {
        self.names.remove(name).ok_or(DiskError::Missing)?;
        self.changes.push(Change::Remove(name.to_owned()));
        Ok(())
    }

    fn sync_dir(&mut self) -> Result<(), DiskError> {
        let all = self.changes.len();
        self.keep_names(all);
        Ok(())
    }

    /// Makes the first changes of names durable, and forgets the others.
    fn keep_names(&mut self, count: usize) {
        for change in self.changes.drain(..).take(count) {
            match change {
                Change::Set(name, number) => self.durable_names.insert(name, number),
                Change::Remove(name) => self.durable_names.remove(&name),
            };
        }
    }

    fn crash(&mut self, random: &mut fastrand::Rng) {
        let count = random.usize(0..=self.changes.len());
        self.keep_names(count);
        self.names = self.durable_names.clone();
        let names = &self.names;
        self.files.retain(|number, _| names.values().any(|known| known == number));
        for file in self.files.values_mut() {
            file.settle(random);
            file.bytes = file.durable.clone();
        }
    }
}

impl File {
    /// Each write since the last sync is durable, or torn, or lost.
    fn settle(&mut self, random: &mut fastrand::Rng) {
        for (offset, bytes) in std::mem::take(&mut self.writes) {
            match random.u8(0..3) {
                0 => (),
                1 => put(&mut self.durable, offset, &bytes),
                _ => put(&mut self.durable, offset, &bytes[..random.usize(0..=bytes.len())]),
            }
        }
    }
}

fn put(file: &mut Vec<u8>, offset: usize, bytes: &[u8]) {
    let end = offset + bytes.len();
    if file.len() < end {
        file.resize(end, 0);
    }
    file[offset..end].copy_from_slice(bytes);
}

impl From<DiskError> for Fault {
    /// A full disk may have room again; a failed sync is final.
    fn from(error: DiskError) -> Fault {
        match error {
            DiskError::Full => Fault::transient("disk_full", "no space is left on the disk"),
            DiskError::Sync => Fault::service("sync", "a sync has failed: what is stored is open"),
            DiskError::Missing => Fault::service("missing", "there is no such file"),
        }
    }
}

impl fmt::Debug for Disk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Disk").field("names", &self.list()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Kind, Life, Window};
    use super::*;
    use std::time::Duration;

    async fn crash(world: &World) {
        world.crash();
        world.alive().await;
    }

    #[test]
    fn what_was_synced_is_there_after_a_crash_and_the_rest_is_any_part_of_it() {
        let (mut whole, mut torn, mut none) = (0, 0, 0);
        for seed in 0..200 {
            let world = World::new(seed);
            let disk = Disk::new(&world, "disk", Latency::default());
            let life = world.live(Life::default(), || async {
                disk.write("log", 0, b"first").await.unwrap();
                disk.sync("log").await.unwrap();
                disk.sync_dir().await.unwrap();
                disk.write("log", 5, b"second").await.unwrap();
                disk.write("new", 0, b"x").await.unwrap();
                assert_eq!(disk.read("log").unwrap(), b"firstsecond");
                crash(&world).await;
            });
            assert!(life.is_none());
            let log = disk.read("log").unwrap();
            assert!(b"firstsecond".starts_with(&log) && log.starts_with(b"first"), "{log:?}");
            match log.len() {
                5 => none += 1,
                11 => whole += 1,
                _ => torn += 1,
            }
        }
        assert!(whole > 30 && torn > 30 && none > 30, "{whole} {torn} {none}");
    }

    #[test]
    fn a_rename_without_a_sync_of_the_directory_may_be_undone_but_is_whole() {
        let mut seen = [0, 0];
        for seed in 0..100 {
            let world = World::new(seed);
            let disk = Disk::new(&world, "disk", Latency::default());
            world.live(Life::default(), || async {
                disk.write("state", 0, b"old").await.unwrap();
                disk.sync("state").await.unwrap();
                disk.sync_dir().await.unwrap();
                disk.write("state.new", 0, b"new").await.unwrap();
                disk.sync("state.new").await.unwrap();
                disk.rename("state.new", "state").await.unwrap();
                crash(&world).await;
            });
            let state = disk.read("state").unwrap();
            seen[usize::from(state == b"new")] += 1;
            assert!(state == b"old" || state == b"new");
        }
        assert!(seen[0] > 10 && seen[1] > 10, "{seen:?}");
    }

    #[test]
    fn after_a_failed_sync_another_one_says_nothing_of_what_was_written() {
        let mut lost = 0;
        for seed in 0..60 {
            let world = World::new(seed);
            let disk = Disk::new(&world, "disk", Latency::default());
            world.add_fault(Window {
                service: "disk".into(),
                op: Some("sync".into()),
                from: Duration::ZERO,
                until: Duration::from_secs(1),
                kind: Kind::SyncFails,
                share: 1_000,
            });
            world.live(Life::default(), || async {
                disk.write("log", 0, b"row").await.unwrap();
                disk.sync_dir().await.unwrap();
                assert_eq!(disk.sync("log").await, Err(DiskError::Sync));
                world.until(Duration::from_secs(2)).await;
                assert_eq!(disk.sync("log").await, Ok(()));
                crash(&world).await;
            });
            lost += usize::from(disk.read("log").unwrap() != b"row");
        }
        assert!(lost > 10, "{lost}");
    }
}
