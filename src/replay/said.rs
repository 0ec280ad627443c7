//! What a replay says: what was found, what would be sent, what was sent, what cannot be.

use crate::exit::{Exit, Stop, message};
use crate::io::Io;
use crate::render::{Style, plural, push_help, thousands};
use crate::run::summary::{error_targets, seconds};
use crate::table::{Cell, table};
use dsl::plan::{Plan, Port};
use dsl::spec::NodeKind;
use engine::summary::Summary;
use petgraph::Direction::Incoming;
use std::time::Duration;
use stdlib::replay::Scan;
use stdlib::replay::part::find;

/// What became of the records of one node.
pub struct Sent {
    node: String,
    failures: u64,
    failed: u64,
    /// Rows by sink: its label, the stream or bucket that others read on from, the rows.
    stored: Vec<(String, u64)>,
}

impl Sent {
    /// Out of the counts of its run.
    pub fn of(plan: &Plan, node: &str, failures: u64, summary: &Summary) -> Sent {
        let sinks = summary.nodes.iter().filter(|each| {
            each.kind == NodeKind::Sink && !each.hidden && !takes_failures(plan, &each.id)
        });
        Sent {
            node: node.to_owned(),
            failures,
            failed: summary.nodes.iter().map(|node| node.failed).sum(),
            stored: sinks.map(|sink| (sink.label.clone(), sink.stored)).collect(),
        }
    }
}

/// Whether all that a node takes are failures.
fn takes_failures(plan: &Plan, id: &str) -> bool {
    let into = find(plan, id).map(|node| plan.graph.edges_directed(node, Incoming));
    let mut edges = into.into_iter().flatten().peekable();
    edges.peek().is_some() && edges.all(|edge| edge.weight().port == Port::Errors)
}

/// `quarantine: 12 failures, 9 selected, 2 of them sent before`
pub fn found(scan: &Scan) -> String {
    let mut text = format!("quarantine: {}", plural(scan.found as usize, "failure"));
    text.push_str(&format!(", {} selected", thousands(scan.selected)));
    let before: u64 = scan.nodes.iter().map(|of| of.before).sum();
    if before > 0 {
        text.push_str(&format!(", {} of them sent before", thousands(before)));
    }
    text.push('\n');
    if scan.unreadable > 0 {
        let lines = plural(scan.unreadable as usize, "line");
        text.push_str(&format!(
            "            {lines} that no replay can read: of an older flowc, or no failure\n"
        ));
    }
    text
}

/// A line for each node and code.
pub fn would_send(scan: &Scan, style: Style) -> String {
    let mut rows = Vec::new();
    for of in &scan.nodes {
        let mut node = of.node.clone();
        for (code, (count, first)) in &of.codes {
            let name = Cell { whole: true, ..Cell::text(std::mem::take(&mut node)) };
            let code = Cell { whole: true, ..Cell::text(code.clone()) };
            rows.push(vec![name, code, Cell::number(thousands(*count)), Cell::text(first.clone())]);
        }
    }
    if rows.is_empty() {
        return "nothing to send\n".to_owned();
    }
    let header = ["node", "code", "records", "first message"].map(str::to_owned);
    let text = table(&header, &rows, 3, style).0;
    format!("\n{text}\nnothing was sent: this is what a replay without `--dry-run` sends\n")
}

/// A line for each node, and what is next.
pub fn sent(plan: &Plan, sent: &[Sent], well: bool, took: Duration, style: Style) -> String {
    let mut text = String::new();
    if !sent.is_empty() {
        let rows: Vec<Vec<Cell>> = merged(sent).iter().map(row).collect();
        let header = ["node", "sent", "failed again", "stored"].map(str::to_owned);
        text = format!("\n{}\n", table(&header, &rows, 3, style).0);
    }
    let (records, failed) = sent
        .iter()
        .fold((0, 0), |(records, failed), each| (records + each.failures, failed + each.failed));
    let verb = if well { style.paint("32", "done") } else { style.paint("31", "not done") };
    text.push_str(&format!("{verb} in {}", seconds(took)));
    text.push_str(&match (records, failed) {
        (0, _) => ", nothing sent\n".to_owned(),
        (_, 0) => format!(", {} sent\n", plural(records as usize, "record")),
        _ => {
            let again = format!("{} failed again", thousands(failed));
            let again = style.paint("33", &again);
            format!(", {} sent, {again}\n", plural(records as usize, "record"))
        }
    });
    if failed > 0 {
        for resource in error_targets(plan) {
            let line = format!("flowc show {} {resource}", plan.file);
            push_help(&mut text, &format!("see why: `{line}`"), style);
        }
    }
    text
}

/// The sessions of one node together.
fn merged(sent: &[Sent]) -> Vec<Sent> {
    let mut all: Vec<Sent> = Vec::new();
    for each in sent {
        let Sent { node, failures, failed, stored } = each;
        match all.last_mut().filter(|last| last.node == *node) {
            Some(last) => {
                last.failures += failures;
                last.failed += failed;
                for ((_, sum), (_, rows)) in last.stored.iter_mut().zip(stored) {
                    *sum += rows;
                }
            }
            None => all.push(Sent {
                node: node.clone(),
                failures: *failures,
                failed: *failed,
                stored: stored.clone(),
            }),
        }
    }
    all
}

fn row(sent: &Sent) -> Vec<Cell> {
    let stored = sent.stored.iter().filter(|(_, rows)| *rows > 0);
    let stored: Vec<String> =
        stored.map(|(label, rows)| format!("{label} {}", thousands(*rows))).collect();
    let failed = if sent.failed == 0 { String::new() } else { thousands(sent.failed) };
    vec![
        Cell { whole: true, ..Cell::text(sent.node.clone()) },
        Cell::number(thousands(sent.failures)),
        Cell::number(failed),
        Cell::text(stored.join(" · ")),
    ]
}

/// Says which failures cannot be sent, and what to do.
///
/// # Errors
/// Standard error cannot be written.
pub fn cannot(scan: &Scan, plan: &Plan, io: &mut Io) -> Result<Exit, Stop> {
    let mut exit = Exit::Done;
    for of in scan.nodes.iter().filter(|of| of.cannot > 0) {
        exit = Exit::Problems;
        let records = plural(of.cannot as usize, "record");
        let text = format!("{records} of `{}` cannot be sent: {}", of.node, of.why);
        let help = match find(plan, &of.node) {
            Some(_) => "give the node its old input for this replay, or leave them out with \
                        `--where`"
                .to_owned(),
            None => format!(
                "put the node back under this name for a replay, or leave them out: `--where \
                 '.node != \"{}\"'`",
                of.node
            ),
        };
        let help = match of.begun_cannot {
            0 => help,
            _ => format!("{help}; a replay has begun to send them, so no other is sent before"),
        };
        write!(io.err, "{}", message(&text, Some(&help), io.err_style))?;
    }
    Ok(exit)
}
