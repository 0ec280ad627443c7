//! Which failures of a node were sent, in the run's checkpoints: a list of ids in pages, and how
//! many of them are settled.

use engine::ctx::Checkpoints;
use engine::fault::Fault;
use std::collections::HashSet;
use std::sync::Arc;

/// Ids of one page: 64 KiB.
const PAGE: usize = 4096;

/// What was sent of one node.
#[derive(Clone)]
pub struct Log {
    checkpoints: Arc<dyn Checkpoints>,
    node: String,
    ids: Vec<[u8; 16]>,
    known: HashSet<[u8; 16]>,
    settled: usize,
    session: u64,
}

impl Log {
    /// Reads the log of a node.
    ///
    /// # Errors
    /// The store fails, or what it holds was not written by this program.
    pub async fn load(checkpoints: Arc<dyn Checkpoints>, node: &str) -> Result<Log, Fault> {
        let (ids, known) = (Vec::new(), HashSet::new());
        let node = node.to_owned();
        let mut log = Log { checkpoints, node, ids, known, settled: 0, session: 0 };
        let Some(head) = log.checkpoints.load(&log.key("head")).await? else { return Ok(log) };
        let (session, len) = parse(&head).ok_or_else(|| log.damaged("head"))?;
        log.session = session;
        for page in 0..len.div_ceil(PAGE) {
            let name = format!("page/{page}");
            let value = log.checkpoints.load(&log.key(&name)).await?.unwrap_or_default();
            let (ids, rest) = value.as_chunks::<16>();
            let wanted = (len - page * PAGE).min(PAGE);
            if ids.len() < wanted || !rest.is_empty() {
                return Err(log.damaged(&name));
            }
            log.ids.extend_from_slice(&ids[..wanted]);
        }
        if let Some(settled) = log.checkpoints.load(&log.key("settled")).await? {
            let settled: [u8; 8] = settled.try_into().map_err(|_| log.damaged("settled"))?;
            log.settled = usize::try_from(u64::from_le_bytes(settled)).unwrap_or(usize::MAX);
        }
        if log.settled > log.ids.len() {
            return Err(log.damaged("settled"));
        }
        log.known = log.ids.iter().copied().collect();
        Ok(log)
    }

    /// How many failures were sent.
    pub fn len(&self) -> usize {
        self.ids.len()
    }

    /// None was sent.
    pub fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }

    /// The number of the last replay; 0 = there was none.
    pub fn session(&self) -> u64 {
        self.session
    }

    /// Whether a failure was sent.
    pub fn has(&self, id: &[u8; 16]) -> bool {
        self.known.contains(id)
    }

    /// What was sent by a replay that did not end, with the place of the first in the log.
    pub fn begun(&self) -> (usize, &[[u8; 16]]) {
        (self.settled, &self.ids[self.settled..])
    }

    /// Remembers failures that will be sent by this replay; durable when it returns.
    ///
    /// # Errors
    /// The store fails; the failures must not be sent.
    pub async fn append(&mut self, session: u64, ids: &[[u8; 16]]) -> Result<(), Fault> {
        let len = self.ids.len() + ids.len();
        let first = self.ids.len() / PAGE * PAGE;
        let open: Vec<[u8; 16]> = self.ids[first..].iter().chain(ids).copied().collect();
        let mut pairs = Vec::new();
        for (page, ids) in (first / PAGE..).zip(open.chunks(PAGE)) {
            pairs.push((self.key(&format!("page/{page}")), Some(ids.as_flattened().to_vec())));
        }
        pairs.push((self.key("head"), Some(format!("1 {session} {len}").into_bytes())));
        self.checkpoints.store(pairs).await?;
        self.session = session;
        self.ids.extend_from_slice(ids);
        self.known.extend(ids);
        Ok(())
    }

    /// Everything before this place is settled; durable when it returns.
    ///
    /// # Errors
    /// The store fails.
    pub async fn settle(&mut self, upto: usize) -> Result<(), Fault> {
        if upto > self.settled {
            let value = (upto as u64).to_le_bytes().to_vec();
            self.checkpoints.store(vec![(self.key("settled"), Some(value))]).await?;
            self.settled = upto;
        }
        Ok(())
    }

    fn key(&self, name: &str) -> String {
        format!("replay/{}/{name}", self.node)
    }

    fn damaged(&self, name: &str) -> Fault {
        let key = self.key(name);
        let message = format!("the checkpoint `{key}` is not one of this version of flowc");
        Fault::service("checkpoint_format", message)
            .help("run the version that wrote it, or put back a copy of the state")
    }
}

/// `1 SESSION LEN`
fn parse(head: &[u8]) -> Option<(u64, usize)> {
    let (session, len) = std::str::from_utf8(head).ok()?.strip_prefix("1 ")?.split_once(' ')?;
    Some((session.parse().ok()?, len.parse().ok()?))
}
