//! Failing rows as `Failure` records, on their way to where the flow sends its errors.

mod record;

use super::node::Node;
use crate::ack::{Ack, Failed};
use crate::batch::{Batch, Partition, RowIds, Rows};
use crate::fault::{Fault, RowFault};
use crate::node::FailedRows;
use crate::schema::arrow_schema;
use arrow_array::builder::{BinaryBuilder, MapBuilder, MapFieldNames, StringBuilder};
use arrow_array::{ArrayRef, RecordBatch, StringArray, TimestampNanosecondArray};
use arrow_schema::{DataType, Field};
use dsl::ty::Ty;
use std::sync::Arc;

/// Where a failure came from, for its columns.
pub(crate) struct Place<'a> {
    pub node: &'a Node,
    /// Now.
    pub at_ns: i64,
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
    let seqs: Vec<u64> = ids.seqs().take(faults.len()).collect();
    let columns = columns(place, &ids.partition, &seqs, (&faults, code.as_deref()));
    let partition = Arc::new(ids.partition.derive(&place.node.id));
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

/// The columns of a `Failure`; a code beside the faults is that of all.
fn columns(
    place: &Place,
    from: &Partition,
    seqs: &[u64],
    (faults, code): (&[RowFault], Option<&str>),
) -> RecordBatch {
    let rows = faults.len();
    let same = |text: &str| -> ArrayRef { Arc::new(StringArray::from(vec![text; rows])) };
    let each = |text: fn(&RowFault) -> &str| -> ArrayRef {
        Arc::new(StringArray::from_iter_values(faults.iter().map(text)))
    };
    let at = TimestampNanosecondArray::from(vec![place.at_ns; rows]).with_timezone("UTC");
    let mut payload = BinaryBuilder::new();
    let mut meta = meta_builder();
    for (fault, seq) in faults.iter().zip(seqs) {
        payload.append_value(&fault.payload);
        let own = [("partition", from.name.clone()), ("seq", seq.to_string())];
        for (key, value) in own.iter().chain(&fault.meta) {
            meta.keys().append_value(key);
            meta.values().append_value(value);
        }
        meta.append(true).expect("as many keys as values");
    }
    let columns: Vec<ArrayRef> = vec![
        Arc::new(at),
        same(&place.node.flow),
        same(&place.node.id),
        code.map_or_else(|| each(|fault| fault.code), same),
        each(|fault| &fault.message),
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
