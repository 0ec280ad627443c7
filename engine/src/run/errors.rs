//! Failing rows as `Failure` records, on their way to where the flow sends its errors.

mod meta;
mod record;

use super::node::Node;
use crate::ack::{Ack, Failed};
use crate::batch::{Batch, Partition, RowIds, Rows};
use crate::fault::{Fault, RowFault};
use crate::node::FailedRows;
use crate::schema::arrow_schema;
use arrow_array::builder::{BinaryBuilder, Int64Builder, MapBuilder, MapFieldNames, StringBuilder};
use arrow_array::{ArrayRef, RecordBatch, StringArray, TimestampNanosecondArray};
use arrow_schema::{DataType, Field};
use dsl::ty::Ty;
use std::sync::Arc;

/// Where a failure came from, for its columns.
pub(crate) struct Place<'a> {
    pub node: &'a Node,
    /// Now.
    pub at_ns: i64,
    /// How often the write was tried; 1 for a transform.
    pub attempts: u64,
}

/// The `Failure` batch of rows that a node failed, out of those it was given (none at its end).
/// Settling the batch marks the rows as dead-lettered in the reads of `ack`.
///
/// # Errors
/// A fault names a row that is not there: a bug of the node.
pub(crate) fn batch(
    place: &Place,
    failed: FailedRows,
    given: Option<&Rows>,
    ack: Ack,
) -> Result<Batch, Fault> {
    let FailedRows { ids, code, mut faults } = failed;
    faults.sort_by_key(|fault| fault.row);
    let ids = match (&ids, given) {
        (Some(made), _) => ids_of(made, &faults, place.node)?,
        (None, Some(rows)) if rows.is_joined() => rows.ids.clone(),
        (None, Some(rows)) => ids_of(&rows.ids, &faults, place.node)?,
        (None, None) => return Err(row_index(place.node, &faults[0], 0)),
    };
    let dead: Vec<Failed> = match ack.wants_failures() {
        true => {
            let failed = |(seq, fault)| dead(seq, fault, code.as_deref());
            ids.seqs().zip(faults.iter().cycle()).map(failed).collect()
        }
        false => Vec::new(),
    };
    let to = Arc::new(ids.partition.derive(&place.node.failures()));
    let from = Failing { ids: &ids, to: &to, given };
    let columns = columns(place, &from, &faults, code.as_deref());
    let partition = to;
    let ids = RowIds { partition, ..ids };
    let rows = Rows { columns, ids, group: None, resumed: None };
    Ok(Batch { rows, ack: ack.dead_letter(dead) })
}

fn dead(seq: u64, fault: &RowFault, code: Option<&str>) -> Failed {
    let code = code.unwrap_or(fault.code);
    Failed { seq, code: code.into(), message: fault.message.clone() }
}

fn ids_of(of: &RowIds, faults: &[RowFault], node: &Node) -> Result<RowIds, Fault> {
    let len = of.len();
    if let Some(fault) = faults.iter().find(|fault| fault.row >= len) {
        return Err(row_index(node, fault, len));
    }
    let mut ids = RowIds::empty(of.partition.clone());
    let mut rows = faults.iter().map(|fault| fault.row).peekable();
    let mut before = 0;
    for run in &of.runs {
        let after = before + run.len as usize;
        while let Some(row) = rows.next_if(|row| *row < after) {
            ids.push(run.first + (row - before) as u64, 1, run.arrival_ns);
        }
        before = after;
    }
    Ok(ids)
}

fn row_index(node: &Node, fault: &RowFault, rows: usize) -> Fault {
    let (id, row) = (&node.id, fault.row);
    let message = format!("`{id}` failed row {row} of {rows}: a bug of the node");
    Fault::service("row_index", message)
}

/// The rows that failed.
struct Failing<'a> {
    ids: &'a RowIds,
    /// The partition that their failures get.
    to: &'a Partition,
    given: Option<&'a Rows>,
}

impl Failing<'_> {
    /// The first and the last number of each failure's row; they differ where it was joined.
    fn seqs(&self, failures: usize) -> Vec<(u64, u64)> {
        let mut seqs = self.ids.seqs();
        if failures == 1 && self.ids.len() > 1 {
            let first = seqs.next().unwrap_or_default();
            return vec![(first, seqs.last().unwrap_or(first))];
        }
        seqs.take(failures).map(|seq| (seq, seq)).collect()
    }
}

/// The columns of a `Failure`; a code beside the faults is that of all.
fn columns(place: &Place, from: &Failing, faults: &[RowFault], code: Option<&str>) -> RecordBatch {
    let rows = faults.len();
    let node = place.node;
    let same = |text: &str| -> ArrayRef { Arc::new(StringArray::from(vec![text; rows])) };
    let each = |text: fn(&RowFault) -> &str| -> ArrayRef {
        Arc::new(StringArray::from_iter_values(faults.iter().map(text)))
    };
    let at = TimestampNanosecondArray::from(vec![place.at_ns; rows]).with_timezone("UTC");
    let (mut id, mut position) = (StringBuilder::new(), StringBuilder::new());
    let (mut attempts, mut payload) = (Int64Builder::new(), BinaryBuilder::new());
    let mut meta = meta_builder();
    let partition = &from.ids.partition;
    for (fault, (first, last)) in faults.iter().zip(from.seqs(rows)) {
        let replay = node.replay.as_ref();
        let before = replay.and_then(|it| it.of(&partition.id, &partition.name, first));
        id.append_value(meta::id(from.to, first, last));
        position.append_value(meta::position(partition, first, last));
        let tries = place.attempts + before.map_or(0, |before| before.attempts);
        attempts.append_value(i64::try_from(tries).unwrap_or(i64::MAX));
        payload.append_value(&fault.payload);
        let own = meta::of(partition, (first, last), from.given, replay.is_some(), before);
        let given = fault.meta.iter().map(|(key, value)| (*key, value.clone()));
        for (key, value) in own.into_iter().chain(given) {
            meta.keys().append_value(key);
            meta.values().append_value(value);
        }
        meta.append(true).expect("as many keys as values");
    }
    let columns: Vec<ArrayRef> = vec![
        Arc::new(at),
        Arc::new(id.finish()),
        same(&node.flow),
        same(&node.id),
        same(&node.place),
        code.map_or_else(|| each(|fault| fault.code), same),
        each(|fault| &fault.message),
        Arc::new(attempts.finish()),
        Arc::new(position.finish()),
        Arc::new(payload.finish()),
        Arc::new(meta.finish()),
    ];
    let schema = arrow_schema(&Ty::failure());
    RecordBatch::try_new(schema, columns).expect("the schema of a Failure")
}

fn meta_builder() -> MapBuilder<StringBuilder, StringBuilder> {
    let names =
        MapFieldNames { entry: "entries".into(), key: "keys".into(), value: "values".into() };
    MapBuilder::new(Some(names), StringBuilder::new(), StringBuilder::new())
        .with_values_field(Field::new("values", DataType::Utf8, false))
}

/// A row that the driver refuses in its sink's place, because of a fault of the write that held
/// nothing else.
pub(crate) fn refused(rows: &Rows, fault: Fault) -> FailedRows {
    let payload = record::bytes(rows, 0);
    let message = fault.message;
    let row = RowFault { row: 0, code: "refused", message, payload, meta: Vec::new() };
    FailedRows { ids: None, code: Some(fault.code), faults: vec![row] }
}

/// What stops the run when rows fail and no `errors` leads anywhere: the first of them.
pub(crate) fn unhandled(failed: &FailedRows) -> Fault {
    let fault = &failed.faults[0];
    let rows = failed.faults.len();
    let message = format!("{} ({rows} rows, and no `errors` leads further)", fault.message);
    Fault::service(failed.code.as_deref().unwrap_or(fault.code), message)
        .help("fix what refuses them; nothing that depends on these rows was acknowledged")
}
