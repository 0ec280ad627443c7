//! What nodes that work on rows share: failures, schemas, ports.

use crate::json::encode::RowWriter;
use arrow_array::cast::AsArray;
use arrow_array::{RecordBatch, RecordBatchOptions};
use arrow_schema::{DataType, SchemaRef};
use dsl::plan::Port;
use dsl::ty::Ty;
use engine::batch::{PAYLOAD, Rows};
use engine::ctx::NodeCtx;
use engine::expr::{Faults, conform};
use engine::fault::RowFault;
use engine::schema::arrow_schema;
use petgraph::Direction;
use petgraph::visit::EdgeRef;

/// The failures of an expression, each with its record: the payload as it is, or as JSON.
pub fn row_faults(faults: Faults, rows: &Rows) -> Vec<RowFault> {
    if faults.is_empty() {
        return Vec::new();
    }
    let payload = match rows.columns.schema_ref().fields().as_ref() {
        [only] if only.name() == PAYLOAD && only.data_type() == &DataType::Binary => {
            Some(rows.columns.column(0).as_binary::<i32>())
        }
        _ => None,
    };
    let writer = RowWriter::new(&rows.columns);
    let faults = faults.into_iter().map(|fault| {
        let mut bytes = Vec::new();
        match payload {
            Some(payload) => bytes.extend_from_slice(payload.value(fault.row)),
            None => writer.write(fault.row, &mut bytes),
        }
        let (row, code, message) = (fault.row, fault.code, fault.message);
        RowFault { row, code, message, payload: bytes, meta: Vec::new() }
    });
    faults.collect()
}

/// The columns as `schema` has them: its fields by name, its nullability.
///
/// # Panics
/// Where a column is missing, of another type, or null where the schema says it is not: the checker
/// promised otherwise.
pub fn with_schema(columns: &RecordBatch, schema: &SchemaRef) -> RecordBatch {
    if columns.schema_ref() == schema {
        return columns.clone();
    }
    let arrays = schema.fields().iter().map(|field| {
        let column = columns.column_by_name(field.name()).expect("the field is there");
        conform(column, field.data_type())
    });
    let options = RecordBatchOptions::new().with_row_count(Some(columns.num_rows()));
    let batch = RecordBatch::try_new_with_options(schema.clone(), arrays.collect(), &options);
    batch.expect("the columns have the types of the schema")
}

/// The schema of what leaves a node by `out`.
///
/// # Panics
/// For a sink.
pub fn output_schema(ctx: &NodeCtx) -> SchemaRef {
    arrow_schema(ctx.node.output.as_ref().expect("the node has an output"))
}

/// True where something is connected to a port of this node.
pub fn is_wired(ctx: &NodeCtx, port: &str) -> bool {
    let graph = &ctx.plan.graph;
    let this = graph.node_indices().find(|&index| graph[index].id == ctx.node.id);
    let wired =
        |edge: &dsl::plan::PlanEdge| matches!(&edge.port, Port::Named(name) if name == port);
    this.is_some_and(|this| graph.edges(this).any(|edge| wired(edge.weight())))
}

/// True where all that arrives are chunks of files: rows that go on in the next row.
pub fn reads_chunks(ctx: &NodeCtx) -> bool {
    let graph = &ctx.plan.graph;
    let Some(this) = graph.node_indices().find(|&index| graph[index].id == ctx.node.id) else {
        return false;
    };
    let mut next: Vec<_> = graph.neighbors_directed(this, Direction::Incoming).collect();
    let mut seen = Vec::new();
    while let Some(index) = next.pop() {
        if seen.contains(&index) {
            continue;
        }
        seen.push(index);
        let before = graph.edges_directed(index, Direction::Incoming).map(|edge| edge.source());
        let before: Vec<_> = before.collect();
        if before.is_empty() && graph[index].op != "file.read" {
            return false;
        }
        next.extend(before);
    }
    !seen.is_empty()
}

/// The type that arrives at a node, without its `batch`.
///
/// # Panics
/// For a source.
pub fn input_type(ctx: &NodeCtx) -> &Ty {
    match ctx.node.input.as_ref().expect("the node has an input") {
        Ty::Batch(inner) => inner,
        other => other,
    }
}
