//! The balance law: no row appears or disappears without a word.

use super::RunError;
use super::edge::Edge;
use super::node::Node;
use crate::batch::Rows;
use crate::node::Output;
use dsl::plan::Port;
use dsl::spec::NodeKind;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

/// What must be equal; printed as the equation that does not hold.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Equation {
    left: Vec<(&'static str, u64)>,
    right: Vec<(&'static str, u64)>,
}

impl Equation {
    /// `Ok` where both sums are equal.
    pub fn check(
        left: &[(&'static str, u64)],
        right: &[(&'static str, u64)],
    ) -> Result<(), Equation> {
        let sum = |side: &[(&str, u64)]| side.iter().map(|(_, n)| n).sum::<u64>();
        if sum(left) == sum(right) {
            return Ok(());
        }
        Err(Equation { left: left.to_vec(), right: right.to_vec() })
    }
}

impl fmt::Display for Equation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let side = |terms: &[(&str, u64)]| {
            let shown = |i: usize| i == 0 || terms[i].1 > 0;
            let texts = (0..terms.len()).filter(|i| shown(*i));
            let texts: Vec<String> =
                texts.map(|i| format!("{} {}", terms[i].0, terms[i].1)).collect();
            texts.join(" + ")
        };
        write!(f, "{} ≠ {}", side(&self.left), side(&self.right))
    }
}

/// What became of the rows of one call of a transform.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Call {
    /// Rows that were sent, each once.
    pub sent: u64,
    /// Rows that went into a joined row and are not rows any more.
    pub joined: u64,
    /// Rows that were failed.
    pub failed: u64,
    /// Rows that were opened by a decoder, which sends records of its own.
    pub opened: u64,
}

/// Counts one call and checks that it balances: without a decoder, each row given is sent, failed,
/// filtered or joined; with one, each record made is.
pub(crate) fn check_call(out: &Output, given: Option<&Rows>) -> Result<Call, Equation> {
    let rows = given.map_or(0, |rows| rows.len() as u64);
    let excess = |rows: &Rows| (rows.ids.len() - rows.len().min(rows.ids.len())) as u64;
    let sent_excess: u64 = out.sent.iter().map(|sent| excess(&sent.rows)).sum();
    // Rows that were joined before they came are still joined when they leave.
    let joined = sent_excess.saturating_sub(given.map_or(0, excess));
    let call = Call {
        sent: out.sent.iter().map(|sent| sent.rows.len() as u64).sum(),
        joined: if out.decodes || given.is_none() { 0 } else { joined },
        failed: out.failed.iter().map(|failed| failed.faults.len() as u64).sum(),
        opened: if out.decodes { rows } else { 0 },
    };
    Equation::check(
        &[("in", rows), ("made", out.made)],
        &[
            ("out", call.sent),
            ("failed", call.failed),
            ("filtered", out.filtered),
            ("joined", call.joined),
            ("opened", call.opened),
        ],
    )?;
    Ok(call)
}

/// Checks all nodes and edges at the end of a run in which everything was settled.
pub(crate) fn check_run(nodes: &[Arc<Node>], edges: &[Arc<Edge>]) -> Vec<RunError> {
    let mut errors: Vec<RunError> = Vec::new();
    for node in nodes {
        for equation in check_node(node, edges) {
            let equation = equation.to_string();
            errors.push(RunError::Balance { node: node.id.clone(), equation });
        }
    }
    errors
}

/// The equations of a node that do not hold: what it did with its rows, and what it says it
/// received and sent against what its edges have counted at their other ends.
fn check_node(node: &Node, edges: &[Arc<Edge>]) -> Vec<Equation> {
    let into = || edges.iter().filter(|edge| edge.to.index == node.index);
    let meter = &node.meter;
    let mut checks = vec![own_equation(node)];
    if node.kind != NodeKind::Source {
        let received: u64 = into().map(|edge| edge.received.get()).sum();
        checks.push(Equation::check(&[("received", received)], &[("in", meter.rows_in.get())]));
    }
    for edge in into() {
        let (sent, received) = (edge.sent.get(), edge.received.get());
        checks.push(Equation::check(&[("sent to it", sent)], &[("received", received)]));
    }
    checks.extend(port_equations(node, edges));
    checks.into_iter().filter_map(Result::err).collect()
}

/// What became of a node's rows.
fn own_equation(node: &Node) -> Result<(), Equation> {
    let meter = &node.meter;
    let rows_in = ("in", meter.rows_in.get());
    match node.kind {
        NodeKind::Source => {
            Equation::check(&[("read", meter.rows_in.get())], &[("settled", meter.settled.get())])
        }
        NodeKind::Sink => Equation::check(
            &[rows_in],
            &[("stored", meter.stored.get()), ("failed", meter.failed.get())],
        ),
        NodeKind::Transform => Equation::check(
            &[rows_in, ("made", meter.made.get())],
            &[
                ("out", meter.rows_out.get()),
                ("failed", meter.failed.get()),
                ("filtered", meter.filtered.get()),
                ("shed", meter.shed.get()),
                ("joined", meter.joined.get()),
                ("opened", meter.opened.get()),
            ],
        ),
    }
}

/// Every edge of a port carries all rows of the port, and all ports together all rows of the node.
fn port_equations(node: &Node, edges: &[Arc<Edge>]) -> Vec<Result<(), Equation>> {
    let meter = &node.meter;
    let mut ports: BTreeMap<&Port, Vec<u64>> = BTreeMap::new();
    for edge in edges.iter().filter(|edge| edge.from.index == node.index) {
        ports.entry(&edge.port).or_default().push(edge.received.get());
    }
    let mut checks = Vec::new();
    let mut data = 0;
    let mut has_data = false;
    for (port, counts) in ports {
        let first = counts[0];
        let same =
            counts.iter().map(|n| Equation::check(&[("one branch", first)], &[("another", *n)]));
        checks.extend(same);
        match port {
            Port::Errors => {
                let failed = ("failed", meter.failed.get());
                checks.push(Equation::check(&[failed], &[("received as errors", first)]));
            }
            Port::Done => {
                let records = ("settled records", meter.records.get());
                checks.push(Equation::check(&[records], &[("received as done", first)]));
            }
            Port::Out | Port::Named(_) => {
                data += first;
                has_data = true;
            }
        }
    }
    if has_data {
        checks.push(Equation::check(&[("out", meter.rows_out.get())], &[("received", data)]));
    }
    checks
}

#[cfg(test)]
mod tests;
