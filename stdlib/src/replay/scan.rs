//! What the quarantine holds: all failures, and of those that are wanted, where they lie.

use super::entrance::Entrance;
use super::failure::{self, Failure, Reader};
use super::log::Log;
use super::part::find;
use crate::service::{BucketPlace, Services};
use arrow_array::{BooleanArray, RecordBatch};
use dsl::ast::ResourceKind;
use dsl::plan::Plan;
use dsl::ty::Ty;
use engine::batch::{Partition, RowIds, Rows};
use engine::ctx::Checkpoints;
use engine::expr::{Compiled, Env};
use engine::fault::Fault;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

/// Keys of one listing.
const KEYS: usize = 1000;
/// Failures that one replay sends at most.
pub const WANTED_MAX: usize = 1 << 22;

/// Which failures to send.
pub struct Wanted {
    /// Those of one flow.
    pub flow: Option<String>,
    /// Those for which it holds.
    pub condition: Option<(Compiled, Env)>,
    /// So many at most.
    pub limit: usize,
}

/// Where failures are read.
pub struct Source<'a> {
    /// The whole plan.
    pub plan: &'a Plan,
    /// Its services.
    pub services: &'a Services,
    /// Where the logs are.
    pub checkpoints: Arc<dyn Checkpoints>,
}

/// A failure that is to be sent.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Its id.
    pub id: [u8; 16],
    /// Its place in the log.
    pub place: usize,
    /// The object that holds it, by number.
    pub object: u32,
    /// Its row among those of the object.
    pub row: u32,
    /// The partition of its row.
    pub partition: [u8; 16],
    /// That partition's name.
    pub name: Arc<str>,
    /// The number of its row.
    pub seq: u64,
    /// How often it was tried.
    pub attempts: u64,
    /// When it failed.
    pub at_ns: i64,
}

/// The failures of one node.
#[derive(Default)]
pub struct OfNode {
    /// The node.
    pub node: String,
    /// Those that a replay has begun to send, in its order.
    pub begun: Vec<Entry>,
    /// Those that are wanted and were never sent, in order of arrival.
    pub new: Vec<Entry>,
    /// Wanted ones that were sent before.
    pub before: u64,
    /// Wanted ones that cannot be sent, with the reason of the first.
    pub cannot: u64,
    /// Of these, the ones that a replay has begun to send.
    pub begun_cannot: u64,
    /// Why not.
    pub why: String,
    /// Of those to be sent, by code: how many, and the message of the first.
    pub codes: BTreeMap<String, (u64, String)>,
}

/// What was found.
#[derive(Default)]
pub struct Scan {
    /// All failures.
    pub found: u64,
    /// Lines that are no failure, or of an older version of flowc.
    pub unreadable: u64,
    /// Failures that are wanted.
    pub selected: u64,
    /// By node, in the order in which they were met.
    pub nodes: Vec<OfNode>,
    /// Bucket and key of what holds failures, by number.
    pub objects: Vec<(String, String)>,
}

/// The buckets that hold failures.
pub fn quarantines(plan: &Plan) -> Vec<usize> {
    let stored = Ty::Ndjson(Box::new(Ty::failure()));
    let holds = |at: &usize| {
        let resource = &plan.resources[*at];
        let bound = resource.binding.is_some();
        bound && resource.kind == ResourceKind::Bucket && resource.ty == stored
    };
    (0..plan.resources.len()).filter(holds).collect()
}

/// Looks through all quarantine buckets of the plan.
///
/// # Errors
/// An object or a log cannot be read; more is wanted than one replay sends.
pub async fn scan(source: &Source<'_>, wanted: &Wanted) -> Result<Scan, Fault> {
    let mut scanner = Scanner {
        source,
        wanted,
        scan: Scan::default(),
        targets: HashMap::new(),
        names: HashSet::new(),
        left: wanted.limit,
        reader: Reader::default(),
    };
    let mut places: Vec<BucketPlace> = Vec::new();
    for bucket in quarantines(source.plan) {
        let place = BucketPlace::of(&source.plan.resources[bucket])?;
        if !places.contains(&place) {
            places.push(place);
        }
    }
    for place in places {
        scanner.bucket(&place).await?;
    }
    let mut scan = scanner.scan;
    for node in &mut scan.nodes {
        node.begun.sort_by_key(|entry| entry.place);
    }
    Ok(scan)
}

struct Scanner<'a> {
    source: &'a Source<'a>,
    wanted: &'a Wanted,
    scan: Scan,
    /// By node.
    targets: HashMap<String, Target>,
    names: HashSet<Arc<str>>,
    left: usize,
    reader: Reader,
}

/// What is known of a node that failures name.
struct Target {
    /// Its place in [`Scan::nodes`].
    at: usize,
    /// `None` where the plan has no such node.
    entrance: Option<Entrance>,
    log: Log,
    /// By id, the place in the log of what a replay has begun and not ended.
    begun: HashMap<[u8; 16], usize>,
    /// What was met already: a failure may lie in two objects.
    met: HashSet<[u8; 16]>,
}

impl Scanner<'_> {
    async fn bucket(&mut self, place: &BucketPlace) -> Result<(), Fault> {
        let objects = &self.source.services.objects;
        let mut after = String::new();
        loop {
            let keys = objects.keys(&place.bucket, &place.prefix, &after, KEYS).await?;
            let Some(last) = keys.last() else { return Ok(()) };
            after = last.clone();
            for key in keys {
                let Some(content) = objects.get(&place.bucket, &key).await? else { continue };
                self.object(&place.bucket, key, &content).await?;
            }
        }
    }

    async fn object(&mut self, bucket: &str, key: String, content: &[u8]) -> Result<(), Fault> {
        let failures = self.reader.read(content);
        self.scan.unreadable += failures.unreadable;
        let columns = failures.columns;
        if columns.num_rows() == 0 {
            return Ok(());
        }
        let number = self.scan.objects.len() as u32;
        self.scan.objects.push((bucket.to_owned(), key));
        let holds = holds(self.wanted, &columns);
        for row in 0..columns.num_rows() {
            self.scan.found += 1;
            self.row(&columns, row, number, holds.value(row)).await?;
        }
        Ok(())
    }

    async fn row(
        &mut self,
        columns: &RecordBatch,
        row: usize,
        object: u32,
        holds: bool,
    ) -> Result<(), Fault> {
        let node = failure::text(columns, "node", row);
        if !self.targets.contains_key(node) {
            let target = self.target(node).await?;
            self.targets.insert(node.to_owned(), target);
        }
        let Some(failure) = failure::failure(columns, row) else {
            self.scan.unreadable += 1;
            return Ok(());
        };
        let flow = self.wanted.flow.as_deref();
        let holds = holds && flow.is_none_or(|flow| flow == failure.flow);
        let target = self.targets.get_mut(node).expect("it was looked up");
        if !target.met.insert(failure.id) {
            return Ok(());
        }
        let begun = target.begun.get(&failure.id).copied();
        self.scan.selected += u64::from(holds || begun.is_some());
        let of = &mut self.scan.nodes[target.at];
        if begun.is_none() {
            if !holds {
                return Ok(());
            }
            if target.log.has(&failure.id) {
                of.before += 1;
                return Ok(());
            }
        }
        let takes = match &mut target.entrance {
            Some(entrance) => entrance.check(&failure),
            None => Err("the file has no such node any more".into()),
        };
        if let Err(why) = takes {
            of.cannot += 1;
            of.begun_cannot += u64::from(begun.is_some());
            if of.why.is_empty() {
                of.why = why;
            }
            return Ok(());
        }
        if begun.is_none() {
            if self.left == 0 {
                return Ok(());
            }
            self.left -= 1;
        }
        let entry = entry(&failure, object, row, &mut self.names, begun.unwrap_or_default());
        match begun {
            Some(_) => of.begun.push(entry),
            None => of.new.push(entry),
        }
        let (count, _) = of.codes.entry(failure.code).or_insert((0, failure.message));
        *count += 1;
        Ok(())
    }

    async fn target(&mut self, node: &str) -> Result<Target, Fault> {
        let plan = self.source.plan;
        let log = Log::load(self.source.checkpoints.clone(), node).await?;
        let (first, begun) = log.begun();
        let begun = begun.iter().copied().zip(first..).collect();
        let entrance = find(plan, node).and_then(|at| Entrance::of(&plan.graph[at]));
        let at = self.scan.nodes.len();
        self.scan.nodes.push(OfNode { node: node.to_owned(), ..OfNode::default() });
        Ok(Target { at, entrance, log, begun, met: HashSet::new() })
    }
}

fn entry(
    failure: &Failure,
    object: u32,
    row: usize,
    names: &mut HashSet<Arc<str>>,
    place: usize,
) -> Entry {
    let name = failure.meta.get("partition").map_or("", String::as_str);
    let name = match names.get(name) {
        Some(known) => known.clone(),
        None => {
            let new: Arc<str> = name.into();
            names.insert(new.clone());
            new
        }
    };
    Entry {
        id: failure.id,
        place,
        object,
        row: row as u32,
        partition: failure.partition,
        name,
        seq: failure.seq,
        attempts: failure.attempts,
        at_ns: failure.at_ns,
    }
}

/// For which rows the condition holds.
fn holds(wanted: &Wanted, columns: &RecordBatch) -> BooleanArray {
    let Some((condition, env)) = &wanted.condition else {
        return BooleanArray::from(vec![true; columns.num_rows()]);
    };
    let partition = Arc::new(Partition { id: [0; 16], name: "quarantine".into() });
    let ids = RowIds::range(partition, 0, columns.num_rows(), 0);
    let rows = Rows { columns: columns.clone(), ids, group: None, resumed: None };
    condition.eval_condition(&rows, env).0
}
