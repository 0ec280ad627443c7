//! What a `Failure` says beside its fields: who its row is, and what a replay needs of it.

use crate::batch::{PAYLOAD, Partition, Rows};
use arrow_schema::DataType;
use dsl::plan::Replayed;

/// The id of a failure: that of its row and of the node it failed at, so the same in each run.
pub(super) fn id(to: &Partition, first: u64, last: u64) -> String {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&to.id).update(&first.to_le_bytes()).update(&last.to_le_bytes());
    hasher.finalize().to_hex()[..32].to_owned()
}

/// `data/lines.csv#17`, of a joined row `APIData/0#12-511`.
pub(super) fn position(partition: &Partition, first: u64, last: u64) -> String {
    let name = &partition.name;
    if first == last { format!("{name}#{first}") } else { format!("{name}#{first}-{last}") }
}

/// Partition and number of the row, its batch, whether it was a record, and which failure it was
/// before.
pub(super) fn of(
    partition: &Partition,
    (first, last): (u64, u64),
    given: Option<&Rows>,
    replays: bool,
    before: Option<&Replayed>,
) -> Vec<(&'static str, String)> {
    let hex: String = partition.id.iter().map(|byte| format!("{byte:02x}")).collect();
    let mut meta = vec![
        ("partition", partition.name.clone()),
        ("partition_id", hex),
        ("seq", first.to_string()),
    ];
    if first != last {
        meta.push(("last_seq", last.to_string()));
    }
    if given.is_some_and(|given| is_record(given, replays)) {
        meta.push(("form", "record".into()));
    }
    if let Some(group) = given.and_then(|given| given.group.as_deref()) {
        meta.push(("batch", group.id.clone()));
        meta.push(("batch_time", group.time_ns.to_string()));
        meta.push(("batch_count", group.count.to_string()));
        meta.push(("batch_size", group.size.to_string()));
    }
    meta.extend(before.map(|before| ("replay_of", before.id.clone())));
    meta
}

/// Whether the rows are columns, of which the payload is JSON. In a replay, payloads may have what
/// their failures said beside them.
fn is_record(rows: &Rows, replays: bool) -> bool {
    let fields = rows.columns.schema_ref().fields();
    let is = |at: usize, name: &str| {
        fields[at].name() == name && fields[at].data_type() == &DataType::Binary
    };
    match fields.len() {
        1 => !is(0, PAYLOAD),
        2 if replays => !(is(0, PAYLOAD) && is(1, "meta")),
        _ => true,
    }
}
