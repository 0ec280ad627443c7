//! What lies in the sinks of a plan when a simulated run is over: records, whatever the objects
//! are called and wherever they were cut, because that may differ from run to run.

use super::{Cloud, hidden, lock};
use crate::service::local::streams::append_stream;
use crate::service::{BucketPlace, physical_name};
use dsl::ast::ResourceKind;
use dsl::plan::{Plan, PlanResource};
use dsl::ty::Ty;
use dsl::value::Value;
use petgraph::Direction;
use petgraph::graph::NodeIndex;
use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;

/// Bytes of one decompressed object at most.
const OBJECT_BYTES_MAX: u64 = 1 << 30;

/// Everything that was stored.
#[derive(Clone, Debug, Default)]
pub struct End {
    /// In the order of the file.
    pub sinks: Vec<Sink>,
}

/// What one resource or file holds.
#[derive(Clone, Debug)]
pub struct Sink {
    /// The resource's name, or the file's path.
    pub name: String,
    /// `stream`, `bucket`, `table`, `warehouse`, `file`
    pub kind: &'static str,
    /// What it holds.
    pub content: Content,
    /// Records of one key that are not in the order in which they were sent, shown.
    pub disorder: Vec<String>,
    /// What the tally knows it by; the last is where it is counted in rows.
    pub written_as: Vec<String>,
}

/// What a sink holds.
#[derive(Clone, Debug)]
pub enum Content {
    /// Records, with how often each is there.
    Records(BTreeMap<Vec<u8>, u64>),
    /// Values by item and attribute.
    Items {
        /// The values.
        values: BTreeMap<(String, String), ItemValue>,
        /// The order in which the rows of an item come is the order of their stream.
        ordered: bool,
    },
}

/// A value of an item.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ItemValue {
    /// As JSON.
    pub value: Vec<u8>,
    /// The hashes of all values it has had.
    pub had: BTreeSet<[u8; 16]>,
}

impl Content {
    /// How many records, or attributes.
    pub fn len(&self) -> u64 {
        match self {
            Content::Records(records) => records.values().sum(),
            Content::Items { values, .. } => values.len() as u64,
        }
    }

    /// There is nothing.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Cloud {
    /// What lies in the sinks of the plan.
    pub fn end(&self, plan: &Plan) -> End {
        let mut sinks = Vec::new();
        let mut seen = BTreeSet::new();
        let written = written(plan);
        for (index, resource) in plan.resources.iter().enumerate() {
            let Ok(name) = physical_name(resource) else { continue };
            if written.contains(&index) && seen.insert((resource.kind.word(), &resource.name)) {
                sinks.extend(self.sink(plan, index, resource, name));
            }
        }
        for (path, file) in lock(&self.files).iter() {
            let content = Content::Records(count(file.rows.iter().map(|row| trimmed(row))));
            sinks.push(Sink {
                name: path.clone(),
                kind: "file",
                content,
                disorder: Vec::new(),
                written_as: vec![path.clone()],
            });
        }
        End { sinks }
    }

    fn sink(&self, plan: &Plan, index: usize, of: &PlanResource, name: &str) -> Option<Sink> {
        let sink = |kind, content, written_as| Sink {
            name: of.name.clone(),
            kind,
            content,
            disorder: Vec::new(),
            written_as,
        };
        match of.kind {
            ResourceKind::Stream => {
                let stream = lock(self.streams.get(name)?);
                let records = stream.shards.iter().flat_map(|shard| &shard.records);
                let content = count(records.map(|record| record.payload.to_vec()));
                let mut sink = sink("stream", Content::Records(content), vec![name.to_owned()]);
                sink.disorder = disorder(&stream);
                Some(sink)
            }
            ResourceKind::Bucket => {
                let place = BucketPlace::of(of).ok()?;
                let mut written_as = self.tallied(plan, &place);
                written_as.extend(Some(append_stream(&place)));
                written_as.extend(feeding(plan, index));
                let content = Content::Records(count(self.lines(plan, index, &place)));
                Some(sink("bucket", content, written_as))
            }
            ResourceKind::Table => {
                if let Some(table) = self.tables.get(name) {
                    let values = items(&lock(table).items);
                    let ordered = is_ordered(plan, index);
                    let content = Content::Items { values, ordered };
                    return Some(sink("table", content, vec![name.to_owned()]));
                }
                let loads = lock(&self.loads);
                let rows = loads.tables.get(name)?.rows.iter().cloned();
                Some(sink("warehouse", Content::Records(count(rows)), vec![name.to_owned()]))
            }
            // What waits in a delivery comes to lie in its bucket.
            ResourceKind::Delivery | ResourceKind::Queue => None,
        }
    }

    /// What the tally knows the objects of a bucket resource by.
    fn tallied(&self, plan: &Plan, place: &BucketPlace) -> Vec<String> {
        let all = self.tally.all();
        let objects = all.into_keys().filter_map(|name| {
            let dir = name.strip_prefix(&place.bucket)?.strip_prefix('/')?.to_owned();
            is_in(plan, place, &dir).then_some(name)
        });
        objects.collect()
    }

    /// The records in the objects of a bucket resource.
    fn lines(&self, plan: &Plan, index: usize, place: &BucketPlace) -> Vec<Vec<u8>> {
        let ty = &plan.resources[index].ty;
        let packed = Packed::of(plan, index);
        let failures = matches!(ty, Ty::Ndjson(inner) if **inner == Ty::failure());
        let mut lines = Vec::new();
        let buckets = lock(&self.buckets);
        let Some(bucket) = buckets.buckets.get(&place.bucket) else { return lines };
        for (key, content) in &bucket.objects {
            if is_in(plan, place, key) {
                lines.extend(packed.records(content));
            }
        }
        match failures {
            true => lines.iter().map(|line| failure(line)).collect(),
            false => lines,
        }
    }
}

/// An object belongs to a bucket resource: of several in one bucket, to that with the longest
/// prefix.
fn is_in(plan: &Plan, place: &BucketPlace, key: &str) -> bool {
    let places = plan.resources.iter().filter_map(|other| BucketPlace::of(other).ok());
    let mut others = places.filter(|other| other.bucket == place.bucket);
    let longer = |other: &BucketPlace| {
        other.prefix.len() > place.prefix.len() && key.starts_with(&other.prefix)
    };
    key.starts_with(&place.prefix) && !others.any(|other| longer(&other))
}

/// The resources that something of the plan writes to.
fn written(plan: &Plan) -> BTreeSet<usize> {
    let mut written = BTreeSet::new();
    for node in plan.graph.node_weights() {
        let Some(resource) = node.resource else { continue };
        if matches!(
            node.op.as_str(),
            "stream.write" | "bucket.put" | "bucket.append" | "table.upsert" | "table.copy"
        ) {
            written.insert(resource);
        }
    }
    written
}

/// The hidden streams of the deliveries that fill a bucket.
fn feeding(plan: &Plan, bucket: usize) -> Vec<String> {
    let fills = |of: &&PlanResource| of.into == Some(bucket) && of.kind == ResourceKind::Delivery;
    let indexes = plan.resources.iter().enumerate().filter(|(_, of)| fills(of));
    indexes.filter_map(|(index, _)| hidden(plan, index)).collect()
}

fn count(records: impl IntoIterator<Item = Vec<u8>>) -> BTreeMap<Vec<u8>, u64> {
    let mut counts = BTreeMap::new();
    for record in records {
        *counts.entry(record).or_default() += 1;
    }
    counts
}

fn trimmed(row: &[u8]) -> Vec<u8> {
    row.strip_suffix(b"\n").unwrap_or(row).to_vec()
}

fn items(
    items: &BTreeMap<String, BTreeMap<String, super::tables::Attribute>>,
) -> BTreeMap<(String, String), ItemValue> {
    let mut values = BTreeMap::new();
    for (key, item) in items {
        for (name, attribute) in item {
            let (value, had) = (attribute.value.clone(), attribute.had.clone());
            values.insert((key.clone(), name.clone()), ItemValue { value, had });
        }
    }
    values
}

/// Records whose number is not above that of the record before them with the same key and sender.
fn disorder(stream: &super::streams::Stream) -> Vec<String> {
    let mut last: BTreeMap<([u8; 16], &str), u64> = BTreeMap::new();
    let mut shown = Vec::new();
    for record in stream.shards.iter().flat_map(|shard| &shard.records) {
        let Some(key) = record.key.as_deref() else { continue };
        let before = last.insert((record.producer, key), record.seq);
        if before.is_some_and(|before| before >= record.seq) {
            let before = before.unwrap_or_default();
            shown.push(format!("key `{key}`: row {} behind row {before}", record.seq));
        }
    }
    shown
}

/// Whether all rows of an item come by one stream that has the same key: then the last one counts.
fn is_ordered(plan: &Plan, table: usize) -> bool {
    let writes = |node: &NodeIndex| plan.graph[*node].resource == Some(table);
    let mut keys = BTreeSet::new();
    for node in plan.graph.node_indices().filter(writes) {
        for source in sources(plan, node) {
            let stream = plan.graph[source].resource.map(|index| &plan.resources[index]);
            keys.insert(match stream.filter(|stream| stream.kind == ResourceKind::Stream) {
                Some(stream) => stream.key.clone(),
                // Files are read in order.
                None => plan.resources[table].key.clone(),
            });
        }
    }
    keys.len() == 1 && keys.contains(&plan.resources[table].key)
}

fn sources(plan: &Plan, node: NodeIndex) -> BTreeSet<NodeIndex> {
    let mut before: Vec<NodeIndex> =
        plan.graph.neighbors_directed(node, Direction::Incoming).collect();
    if before.is_empty() {
        return BTreeSet::from([node]);
    }
    before.dedup();
    before.into_iter().flat_map(|node| sources(plan, node)).collect()
}

/// A failure but for what differs from run to run: when it happened, and places in streams.
fn failure(line: &[u8]) -> Vec<u8> {
    let Ok(serde_json::Value::Object(fields)) = serde_json::from_slice(line) else {
        return line.to_vec();
    };
    let text = |name: &str| fields.get(name).map(ToString::to_string).unwrap_or_default();
    let kept = ["flow", "node", "code", "payload"].map(text);
    kept.join(" ").into_bytes()
}

/// How the objects of a bucket hold records.
struct Packed {
    /// What stands between records; `None` = an object is a record.
    separator: Option<Vec<u8>>,
}

impl Packed {
    /// By what stands in front of the nodes that put them.
    fn of(plan: &Plan, bucket: usize) -> Packed {
        let graph = &plan.graph;
        let puts = graph.node_indices().filter(|node| graph[*node].resource == Some(bucket));
        let mut puts = puts.filter(|node| graph[*node].op == "bucket.put");
        let mut at = puts.next();
        while let Some(node) = at {
            if graph[node].op == "text.join" {
                let separator = graph[node].options.get("separator").and_then(Value::as_text);
                let separator = separator.filter(|text| !text.is_empty()).unwrap_or("\n");
                return Packed { separator: Some(separator.as_bytes().to_vec()) };
            }
            at = graph.neighbors_directed(node, Direction::Incoming).next();
        }
        let lines = matches!(plan.resources[bucket].ty, Ty::Ndjson(_));
        Packed { separator: lines.then(|| b"\n".to_vec()) }
    }

    fn records(&self, content: &[u8]) -> Vec<Vec<u8>> {
        let plain = unpacked(content);
        let Some(separator) = &self.separator else { return vec![plain] };
        let mut records = Vec::new();
        let mut from = 0;
        for at in memchr::memmem::find_iter(&plain, separator) {
            records.push(plain[from..at].to_vec());
            from = at + separator.len();
        }
        records.push(plain[from..].to_vec());
        records.retain(|record| !record.is_empty());
        records
    }
}

/// The content of an object, without gzip or zstd around it.
fn unpacked(content: &[u8]) -> Vec<u8> {
    let mut plain = Vec::new();
    let read = match content {
        [0x1f, 0x8b, ..] => flate2::read::MultiGzDecoder::new(content)
            .take(OBJECT_BYTES_MAX)
            .read_to_end(&mut plain)
            .is_ok(),
        [0x28, 0xb5, 0x2f, 0xfd, ..] => zstd::stream::read::Decoder::new(content)
            .and_then(|decoder| decoder.take(OBJECT_BYTES_MAX).read_to_end(&mut plain))
            .is_ok(),
        _ => false,
    };
    if read { plain } else { content.to_vec() }
}
