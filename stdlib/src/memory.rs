//! What each node says of the memory it takes, for `flowc check --plan`, without opening it; and by
//! which ids a sink knows what it has stored.
//!
//! Bounds, not means: a decoder's is that of records as short as they can be. The limits of sinks
//! are those of their services; a change there belongs here too.

use dsl::plan::{Plan, PlanNode};
use dsl::spec::NodeKind;
use dsl::ty::Ty;
use engine::memory::{Growth, Largest, NodeMemory};
use engine::node::SinkLimits;
use engine::schema::{data_type, widths};

const MIB: u64 = 1 << 20;
/// What deflate makes of a byte at most.
const DEFLATE_TIMES: u64 = 1_032;
/// An escaped character of JSON: `\u0000`.
const ESCAPED_TIMES: u64 = 6;

/// A million spans of numbers, as the tree of a buffer holds them.
const SPANS_BYTES: u64 = 48 * MIB;

/// What a node takes.
pub fn of(plan: &Plan, node: &PlanNode) -> NodeMemory {
    match node.kind {
        NodeKind::Source => source(plan, node),
        NodeKind::Transform => NodeMemory::Transform(growth(node)),
        NodeKind::Sink => sink(plan, node),
    }
}

fn source(plan: &Plan, node: &PlanNode) -> NodeMemory {
    let is_local = plan.local_dir.is_some();
    let (rows, bytes, own_bytes) = match node.op.as_str() {
        // The chunk that is read ahead, and the spare ones.
        "file.read" => (1, MIB, 9 * MIB),
        "http.serve" => {
            let body = node.size("body");
            (100_000, body.max(4 * MIB), node.size("in_flight").max(body))
        }
        "bucket.read" => (256, MIB, MIB),
        // A frame as it is stored, beside its rows.
        "spill.read" => {
            let bytes = spilled_bytes_max(node);
            (16_384, bytes, 2 * bytes)
        }
        // A frame, and the groups that a reader at the end takes from memory.
        _ if is_local => (16_384, 8 * MIB, 8 * MIB),
        // What waits for the reader, of all shards, and an answer that is unpacked.
        _ => (8_192, 16 * MIB, 52 * MIB),
    };
    NodeMemory::Source { read: Largest { rows, bytes }, own_bytes }
}

fn growth(node: &PlanNode) -> Growth {
    let made = node.output.as_ref().map_or(0, row_bytes);
    match node.op.as_str() {
        "csv.decode" => {
            let columns = node.output.as_ref().map_or(1, |ty| names(ty).len() as u64);
            Growth { times: 1, row_bytes: made, bytes_a_row: columns.max(1) }
        }
        "json.decode" => {
            let times = node.output.as_ref().map_or(1, items_times);
            // Each payload is one value.
            Growth { times, row_bytes: made, bytes_a_row: 0 }
        }
        "json.encode" => json(node.input.as_ref()),
        "text.lines" => Growth { times: 1, row_bytes: 4, bytes_a_row: 2 },
        "base64.encode" | "gzip.encode" | "zstd.encode" => {
            Growth { times: 2, row_bytes: 64, bytes_a_row: 0 }
        }
        "gzip.decode" => Growth { times: DEFLATE_TIMES, ..Growth::SAME },
        "zstd.decode" => Growth { times: 1, row_bytes: node.size("max"), bytes_a_row: 0 },
        "text.join" => Growth { times: 1, row_bytes: 4, bytes_a_row: 0 },
        // Each field may be made of all that arrives.
        "map" => {
            let fields = node.output.as_ref().map_or(1, |ty| names(ty).len() as u64);
            Growth { times: fields.max(1), row_bytes: made, bytes_a_row: 0 }
        }
        _ => Growth::SAME,
    }
}

fn sink(plan: &Plan, node: &PlanNode) -> NodeMemory {
    let (limits, encodes, own_bytes) = sink_parts(plan, node);
    NodeMemory::Sink { limits, encodes, own_bytes }
}

fn sink_parts(plan: &Plan, node: &PlanNode) -> (SinkLimits, Growth, u64) {
    let is_local = plan.local_dir.is_some();
    let default = SinkLimits::default();
    let encodes = match &node.encodes {
        Some(_) => json(node.input.as_ref()),
        None => Growth { row_bytes: 64, ..Growth::SAME },
    };
    let limits = match node.op.as_str() {
        "http.post" => SinkLimits {
            rows_max: node.count("batch"),
            bytes_max: 4 << 20,
            concurrency: node.count("concurrency"),
            ..default
        },
        "file.write" => SinkLimits { whole: true, concurrency: 32, ..default },
        "bucket.put" => SinkLimits { whole: true, concurrency: 4, ..default },
        "bucket.append" if !is_local => SinkLimits { whole: true, ..default },
        "table.upsert" => SinkLimits { rows_max: 16_384, bytes_max: 16 << 20, ..default },
        "delivery.write" if !is_local => {
            SinkLimits { rows_max: 16_384, bytes_max: 3 << 20, concurrency: 4, ..default }
        }
        "stream.write" if !is_local => SinkLimits { concurrency: 8, ..default },
        "spill.write" => {
            SinkLimits { rows_max: 16_384, bytes_max: spilled_bytes_max(node) as usize, ..default }
        }
        "drop" => SinkLimits { rows_max: 1 << 20, bytes_max: 1 << 30, ..default },
        _ => default,
    };
    let own_bytes = match node.op.as_str() {
        // A group of the log that is made durable together.
        "stream.write" | "delivery.write" | "file.write" => 8 * MIB,
        // An object on its way into the warehouse.
        "table.copy" => 64 * MIB,
        "table.upsert" => 32 * MIB,
        // A frame as it is stored, and the numbers of the rows that are known.
        "spill.write" => 2 * spilled_bytes_max(node) + SPANS_BYTES,
        _ => 0,
    };
    (limits, encodes, own_bytes)
}

/// Of a buffer, the bytes of one write.
fn spilled_bytes_max(node: &PlanNode) -> u64 {
    (node.size("size") / 16).min(8 * MIB)
}

/// A record as JSON: names, quotes and `null` beside its values. Numbers are shorter than escaped
/// characters of as many bytes.
fn json(ty: Option<&Ty>) -> Growth {
    let names = ty.map(names).unwrap_or_default();
    let row_bytes = names.iter().map(|name| name.len() as u64 + 8).sum::<u64>() + 4;
    // Of a failure the most is its payload, in base64.
    let is_failure = names == self::names(&Ty::failure());
    Growth { times: if is_failure { 2 } else { ESCAPED_TIMES }, row_bytes, bytes_a_row: 0 }
}

fn names(ty: &Ty) -> Vec<String> {
    match ty {
        Ty::Batch(inner) => names(inner),
        Ty::Record(record) => record.fields.iter().map(|field| field.name.clone()).collect(),
        _ => Vec::new(),
    }
}

/// Bytes of a row of columns beside its texts.
fn row_bytes(ty: &Ty) -> u64 {
    match ty {
        Ty::Batch(inner) => row_bytes(inner),
        Ty::Record(record) => record.fields.iter().map(|field| widths(&data_type(&field.ty))).sum(),
        _ => 4,
    }
}

/// Bytes that items of lists and maps take for one of their text: an item is two characters at
/// least.
fn items_times(ty: &Ty) -> u64 {
    let of = |item: &Ty| 1 + widths(&data_type(item)).div_ceil(2).max(items_times(item));
    match ty.non_null() {
        Ty::Batch(inner) => items_times(inner),
        Ty::Record(record) => {
            record.fields.iter().map(|field| items_times(&field.ty)).max().unwrap_or(1)
        }
        Ty::List(item) | Ty::Map(_, item) => of(item),
        _ => 1,
    }
}

/// By which ids a second write of the same rows changes nothing; `None` = at least once.
pub fn effectively_once_by(plan: &Plan, node: &PlanNode) -> Option<&'static str> {
    let is_local = plan.local_dir.is_some();
    match node.op.as_str() {
        "spill.write" => Some("producer and number of each row"),
        "stream.write" if is_local => Some("producer and number of each row"),
        "stream.write" => Some("`event_id` of each record, which `stream.read` drops when seen"),
        "delivery.write" | "bucket.append" if is_local => Some("producer and number of each row"),
        "bucket.append" => Some("the name of the object: `batch.id`"),
        "bucket.put" => Some("the name of the object, never replaced"),
        "table.upsert" => Some("the key of each item"),
        "table.copy" => Some("the history of loaded objects, in the same transaction"),
        "http.post" => Some("`Flowc-Producer` and `Flowc-Rows`, where the receiver knows them"),
        "file.write" => Some("ranges of row numbers, stored with the length"),
        _ => None,
    }
}
