//! `quarantine.enter`: makes failed records what they were when they came to their node. Only
//! `flowc replay` has it, it cannot be written in a file.

use super::quarantine_replay::META;
use crate::replay::entrance::Entrance;
use arrow_array::BinaryArray;
use arrow_array::cast::AsArray;
use dsl::spec::*;
use engine::batch::Rows;
use engine::ctx::NodeCtx;
use engine::fault::Fault;
use engine::node::{Output, Transform};
use engine::registry::Open;
use std::collections::BTreeMap;
use std::sync::Arc;

/// What the node says of itself. Not in the list of specs: the language has no such stage.
pub const SPEC: NodeSpec = NodeSpec {
    path: "quarantine.enter",
    summary: "Makes failed records what they were.",
    kind: NodeKind::Transform,
    ..BLANK
};

/// How it is opened.
pub fn open() -> Open {
    Open::Transform(Box::new(|ctx| {
        let graph = &ctx.plan.graph;
        let own = graph.node_indices().find(|node| graph[*node].id == ctx.node.id);
        let target = own.and_then(|own| graph.neighbors(own).next());
        let entrance = target.and_then(|target| Entrance::of(&graph[target]));
        let entrance = entrance.ok_or_else(|| {
            let message = format!("`{}` leads to no node that takes records", ctx.node.id);
            Fault::service("wrong_place", message)
        })?;
        Ok(Box::new(QuarantineEnter(entrance)))
    }))
}

/// True where records come to this node from the quarantine: payload and meta, a row each.
pub fn leads_to(ctx: &NodeCtx) -> bool {
    let graph = &ctx.plan.graph;
    let own = graph.node_indices().find(|node| graph[*node].id == ctx.node.id);
    let incoming = petgraph::Direction::Incoming;
    let mut before = own.into_iter().flat_map(|own| graph.neighbors_directed(own, incoming));
    before.any(|node| graph[node].op == SPEC.path)
}

/// The meta of a row that comes from the quarantine.
///
/// # Errors
/// It is none: a bug.
pub fn meta(rows: &Rows, row: usize) -> Result<BTreeMap<String, String>, Fault> {
    let column = rows.columns.column_by_name(META);
    let column = column.and_then(|column| column.as_binary_opt::<i32>());
    let text = column.map_or(&b""[..], |column| column.value(row));
    serde_json::from_slice(text).map_err(|error| Fault::service("quarantine", error.to_string()))
}

struct QuarantineEnter(Entrance);

impl Transform for QuarantineEnter {
    fn apply(&mut self, rows: Rows, out: &mut Output) -> Result<(), Fault> {
        let payloads: &BinaryArray = rows.columns.column(0).as_binary();
        let columns = self.0.columns(payloads).map_err(|why| {
            let message = format!("a record is not what its node takes any more: {why}");
            Fault::service("quarantine_changed", message)
        })?;
        let Some(columns) = columns else {
            let same = rows.columns.clone();
            out.send(&rows, same);
            return Ok(());
        };
        let mut grouped = Vec::new();
        for row in 0..rows.len() {
            grouped.extend(self.0.group(&meta(&rows, row)?, payloads.value(row).len()));
        }
        if grouped.len() < rows.len() {
            out.send(&rows, columns);
            return Ok(());
        }
        for (row, group) in grouped.into_iter().enumerate() {
            let mut one = rows.slice(row..row + 1);
            one.group = Some(Arc::new(group));
            out.send(&one, columns.slice(row, 1));
        }
        Ok(())
    }
}
