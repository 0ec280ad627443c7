//! The order of arrival of a bucket's objects, kept in the state table.
//!
//! An object gets its number when a listing first shows it, and is handed out only when that is
//! stored. Two processes may do so at once: a chunk is only written over what this process has
//! read of it, and whoever comes second reads again.

use super::order::{Found, Order, parse_chunk};
use crate::service::aws::errors;
use crate::service::aws::state::StateTable;
use crate::service::{Listed, ObjectInfo};
use aws_sdk_s3::Client;
use aws_sdk_s3::types::Object;
use engine::ctx::Checkpoints;
use engine::fault::Fault;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use tokio::sync::Mutex;

/// Between two looks at a bucket into which objects come.
const POLL_MIN: Duration = Duration::from_secs(1);
/// Between two looks at a bucket into which none have come for a while.
const POLL_MAX: Duration = Duration::from_secs(10);
/// Between two looks at a bucket that has so many objects that a look takes many requests.
const LONG_POLL_MAX: Duration = Duration::from_secs(60);
/// Readers whose next objects are kept in memory; a further one takes the place of the one that
/// has not read for longest.
const WINDOWS_MAX: usize = 8;
/// Objects that are kept in memory to be handed out; others are listed again.
const WINDOW: usize = 100_000;

/// The objects of one bucket.
pub struct Arrivals {
    s3: Client,
    state: Arc<StateTable>,
    bucket: String,
    inner: Mutex<Inner>,
    /// Looks in a row that have found nothing.
    idle: AtomicU32,
    /// Requests of the last look.
    pages: AtomicU32,
}

#[derive(Default)]
struct Inner {
    order: Order,
    loaded: bool,
    windows: Windows,
}

/// A window for each reader: it is known by its prefix and by the number that it wants next. The
/// last that was read is the last.
#[derive(Default)]
struct Windows(Vec<(String, Window)>);

impl Windows {
    /// The window of a reader that wants number `from` next.
    fn remove(&mut self, prefix: &str, from: u64) -> Option<Window> {
        let wanted = |(of, window): &(String, Window)| of == prefix && window.from == from;
        let at = self.0.iter().position(wanted)?;
        Some(self.0.remove(at).1)
    }

    /// Keeps a window that has something left.
    fn keep(&mut self, prefix: &str, window: Window) {
        if window.from >= window.upto {
            return;
        }
        if self.0.len() == WINDOWS_MAX {
            self.0.remove(0);
        }
        self.0.push((prefix.to_owned(), window));
    }
}

/// The objects of a prefix that are handed out next to a reader.
#[derive(Default)]
struct Window {
    /// Everything numbered from here to `upto` is in `objects`.
    from: u64,
    upto: u64,
    objects: BTreeMap<u64, ObjectInfo>,
}

impl Window {
    /// The next objects, at most `max`.
    fn take(&mut self, max: usize) -> Listed {
        let objects: Vec<ObjectInfo> = self.objects.values().take(max).cloned().collect();
        let next = match objects.last() {
            Some(last) if objects.len() < self.objects.len() => last.seq + 1,
            _ => self.upto.max(self.from),
        };
        self.objects = self.objects.split_off(&next);
        self.from = next;
        Listed { objects, next }
    }
}

impl Arrivals {
    pub fn new(s3: Client, state: Arc<StateTable>, bucket: &str) -> Arrivals {
        let (bucket, inner) = (bucket.to_owned(), Mutex::default());
        let (idle, pages) = (AtomicU32::new(0), AtomicU32::new(1));
        Arrivals { s3, state, bucket, inner, idle, pages }
    }

    /// How long to wait before the next look.
    pub fn next_poll(&self) -> Duration {
        poll(self.idle.load(Ordering::Relaxed), self.pages.load(Ordering::Relaxed))
    }

    /// See [`crate::service::Objects::list`]. Looks into the bucket where it has nothing to hand
    /// out.
    pub async fn list(&self, prefix: &str, from: u64, max: usize) -> Result<Listed, Fault> {
        let mut inner = self.inner.lock().await;
        if let Some(mut window) = inner.windows.remove(prefix, from) {
            let listed = window.take(max);
            inner.windows.keep(prefix, window);
            return Ok(listed);
        }
        if !inner.loaded {
            self.load(&mut inner).await?;
        }
        let found = self.look(prefix).await?;
        self.number(&mut inner, &found).await?;
        let mut window = self.window(&inner.order, found, from);
        let listed = window.take(max);
        inner.windows.keep(prefix, window);
        match listed.next > from {
            true => self.idle.store(0, Ordering::Relaxed),
            false => drop(self.idle.fetch_add(1, Ordering::Relaxed)),
        }
        Ok(listed)
    }

    /// The first objects from number `from`.
    fn window(&self, order: &Order, found: Vec<Found>, from: u64) -> Window {
        let mut objects: BTreeMap<u64, ObjectInfo> = BTreeMap::new();
        let mut upto = order.next();
        for object in found {
            let Some(seq) = order.number(&object.mark()).filter(|seq| (from..upto).contains(seq))
            else {
                continue;
            };
            let Found { at_ns, key, etag, size } = object;
            objects.insert(seq, ObjectInfo { seq, key, size, etag, arrival_ns: at_ns });
            if objects.len() > WINDOW
                && let Some((last, _)) = objects.pop_last()
            {
                upto = last;
            }
        }
        Window { from, upto, objects }
    }

    /// Reads the numbers that are stored.
    async fn load(&self, inner: &mut Inner) -> Result<(), Fault> {
        let mut order = Order::default();
        loop {
            let (chunk, begun, _) = order.last_chunk();
            if begun.is_some() {
                break;
            }
            let key = self.chunk_key(chunk);
            let Some(stored) = self.state.load(&key).await? else { break };
            let marks = parse_chunk(&stored).ok_or_else(|| {
                let message = format!("the checkpoint `{key}` is no list of objects");
                Fault::service("checkpoint_format", message)
                    .help("run the version of flowc that wrote it")
            })?;
            order.extend(&marks);
        }
        (inner.order, inner.loaded) = (order, true);
        Ok(())
    }

    fn chunk_key(&self, chunk: usize) -> String {
        format!("objects/{}/{chunk}", self.bucket)
    }

    /// All objects of a prefix.
    async fn look(&self, prefix: &str) -> Result<Vec<Found>, Fault> {
        let mut found: Vec<Found> = Vec::new();
        let mut token = None;
        for pages in 1.. {
            let list = self.s3.list_objects_v2().bucket(&self.bucket).prefix(prefix);
            let page = list.set_continuation_token(token).send().await;
            let page = page
                .map_err(|error| errors::fault(&format!("list bucket `{}`", self.bucket), error))?;
            found.extend(page.contents.unwrap_or_default().into_iter().filter_map(shown));
            token = page.next_continuation_token;
            if token.is_none() {
                self.pages.store(pages, Ordering::Relaxed);
                break;
            }
        }
        Ok(found)
    }

    /// Stores numbers for those objects that have none.
    async fn number(&self, inner: &mut Inner, found: &[Found]) -> Result<(), Fault> {
        let mut new = inner.order.new_of(found);
        while !new.is_empty() {
            let (chunk, before, room) = inner.order.last_chunk();
            let (now, later) = new.split_at(room.min(new.len()));
            let mut after = before.clone().unwrap_or_default();
            after.extend_from_slice(now.as_flattened());
            let key = self.chunk_key(chunk);
            if self.state.swap(&key, before.as_deref(), &after).await? {
                inner.order.extend(now);
                new = later.to_vec();
                continue;
            }
            // Another process was first; what it has numbered stays so.
            self.load(inner).await?;
            new = inner.order.new_of(found);
        }
        Ok(())
    }
}

/// How long to wait after `idle` looks that have found nothing, of which the last took `pages`
/// requests: about a request a second.
fn poll(idle: u32, pages: u32) -> Duration {
    let quiet = (POLL_MIN * (1 << idle.min(8)) / 2).clamp(POLL_MIN, POLL_MAX);
    quiet.max((POLL_MIN * pages.min(1_000)).min(LONG_POLL_MAX))
}

/// What a listing says of an object. Names that end with `/` are the folders of consoles.
fn shown(object: Object) -> Option<Found> {
    let key = object.key.filter(|key| !key.ends_with('/'))?;
    let at_ns = object.last_modified.and_then(|time| time.as_nanos().try_into().ok());
    let etag = object.e_tag.unwrap_or_default().trim_matches('"').to_owned();
    let size = object.size.and_then(|size| size.try_into().ok()).unwrap_or(0);
    Some(Found { at_ns: at_ns.unwrap_or(0), key, etag, size })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn info(seq: u64) -> ObjectInfo {
        let key = format!("k{seq}");
        ObjectInfo { seq, key, size: 1, etag: "e".into(), arrival_ns: 0 }
    }

    #[test]
    fn a_window_hands_out_pages_and_moves_past_what_is_not_its_own() {
        let objects = [2, 5, 6].map(|seq| (seq, info(seq))).into();
        let mut window = Window { from: 0, upto: 9, objects };
        assert_eq!(window.take(2), Listed { objects: vec![info(2), info(5)], next: 6 });
        assert_eq!(window.take(2), Listed { objects: vec![info(6)], next: 9 });
        assert_eq!(window.take(2), Listed { objects: vec![], next: 9 });
    }

    #[test]
    fn readers_of_one_prefix_have_windows_of_their_own() {
        let window = |from: u64| {
            let objects = (from..9).map(|seq| (seq, info(seq))).collect();
            Window { from, upto: 9, objects }
        };
        let mut windows = Windows::default();
        windows.keep("a/", window(0));
        windows.keep("a/", window(4));
        assert!(windows.remove("a/", 1).is_none());
        assert!(windows.remove("b/", 0).is_none());
        for from in [4, 0, 6, 2, 8, 4, 6, 8] {
            let mut found = windows.remove("a/", from).unwrap();
            assert_eq!(found.take(2).objects.first(), Some(&info(from)));
            windows.keep("a/", found);
        }
        assert!(windows.0.is_empty());
        (0..20).for_each(|n| windows.keep("a/", window(n % 5)));
        assert_eq!(windows.0.len(), WINDOWS_MAX);
    }

    #[test]
    fn a_bucket_of_many_objects_is_looked_at_less_often() {
        let seconds = |idle, pages| poll(idle, pages).as_secs();
        assert_eq!([seconds(0, 1), seconds(3, 1), seconds(20, 1)], [1, 4, 10]);
        assert_eq!([seconds(0, 15), seconds(20, 15), seconds(0, u32::MAX)], [15, 15, 60]);
    }
}
