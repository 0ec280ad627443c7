//! The summary at the end of a run: rows per node, rates, what every sink has stored, failures,
//! time.

use crate::render::{Style, plural, thousands};
use crate::table::Cell;
use dsl::plan::{Plan, Port};
use dsl::spec::NodeKind;
use engine::summary::{NodeSummary, Summary};
use petgraph::visit::EdgeRef;
use std::collections::BTreeSet;
use std::time::Duration;

/// The summary. `well` = the run ended without errors.
pub fn text(plan: &Plan, summary: &Summary, well: bool, style: Style) -> String {
    let stored = summary.nodes.iter().any(|node| node.stored > 0);
    let mut text = if stored || well { table(plan, summary, style) + "\n" } else { String::new() };
    let verb = if well { style.paint("32", "done") } else { style.paint("31", "failed") };
    text.push_str(&format!("{verb} in {}", seconds(summary.elapsed)));
    let failed: u64 = summary.nodes.iter().map(|node| node.failed).sum();
    if failed == 0 {
        let nothing_new = well && is_old(summary);
        text.push_str(match (well, nothing_new) {
            (true, true) => ", nothing new\n",
            (true, false) => ", no row failed\n",
            (false, _) => "\n",
        });
        if nothing_new {
            let help = "all of it was delivered by an earlier run; `--from-start` reads it again";
            crate::render::push_help(&mut text, help, style);
        }
        return text;
    }
    let rows = style.paint("33", &format!("{} failed", plural(failed as usize, "row")));
    text.push_str(&format!(", {rows}\n"));
    for resource in error_targets(plan) {
        let line = format!("flowc show {} {resource}", plan.file);
        crate::render::push_help(&mut text, &format!("see why: `{line}`"), style);
    }
    text
}

/// True when nothing moved, and a source says that it has delivered its rows before.
fn is_old(summary: &Summary) -> bool {
    let still = summary.nodes.iter().all(|node| node.rows_in + node.rows_out == 0);
    let before = |node: &NodeSummary| node.counts.keys().any(|name| name.ends_with("before"));
    still && summary.nodes.iter().any(before)
}

/// `14.2 s`, `2 min 3 s`
pub fn seconds(elapsed: Duration) -> String {
    let seconds = elapsed.as_secs();
    match seconds {
        0..60 => format!("{:.1} s", elapsed.as_secs_f64()),
        60..3600 => format!("{} min {} s", seconds / 60, seconds % 60),
        _ => format!("{} h {} min", seconds / 3600, seconds % 3600 / 60),
    }
}

/// The resources that failures are written to.
pub fn error_targets(plan: &Plan) -> Vec<String> {
    let targets: BTreeSet<usize> = plan
        .graph
        .edge_references()
        .filter(|edge| edge.weight().port == Port::Errors)
        .filter_map(|edge| plan.graph[edge.target()].resource)
        .collect();
    targets.into_iter().map(|index| plan.resources[index].name.clone()).collect()
}

/// Below this width, in columns, some columns are left out.
const NARROW: usize = 80;

const HEADER: [&str; 7] = ["flow", "node", "rows in", "rows out", "failed", "rows/s", "counts"];

/// A line a node; a flow's name only on its first.
fn table(plan: &Plan, summary: &Summary, style: Style) -> String {
    let mut rows: Vec<Vec<Cell>> = Vec::new();
    let mut last = String::new();
    for node in summary.nodes.iter().filter(|node| is_shown(plan, node)) {
        let name = flow_name(plan, node);
        let flow = if name == last { String::new() } else { name.clone() };
        last = name;
        rows.push(cells(flow, node, summary.elapsed));
    }
    let mut header: Vec<String> = HEADER.iter().map(|name| (*name).to_owned()).collect();
    let narrow = style.width < NARROW;
    if narrow {
        // The counts get the room of what is least missed.
        let unfailed = summary.nodes.iter().all(|node| node.failed == 0);
        for name in ["rows/s", "failed"].iter().take(1 + usize::from(unfailed)) {
            let column = header.iter().position(|other| other == name);
            let column = column.unwrap_or_else(|| unreachable!("`{name}` is a column"));
            header.remove(column);
            rows.iter_mut().for_each(|row| drop(row.remove(column)));
        }
    }
    crate::table::table(&header, &rows, if narrow { 4 } else { 2 }, style).0
}

/// Nodes that the user wrote, and of a provider's own flows those that store. Sinks of failures
/// only where there were some.
fn is_shown(plan: &Plan, node: &NodeSummary) -> bool {
    let idle = node.rows_in == 0 && node.rows_out == 0 && node.stored == 0;
    if is_hidden_flow(plan, &node.flow) {
        return node.kind == NodeKind::Sink && !idle;
    }
    if node.hidden {
        return node.failed > 0;
    }
    let only_failures = node.kind == NodeKind::Sink && takes_only_failures(plan, &node.id);
    !(idle && only_failures)
}

fn is_hidden_flow(plan: &Plan, flow: &str) -> bool {
    plan.flows.iter().any(|other| other.hidden && other.name == flow)
}

/// The flow of a node; of a provider's own, what it works for.
fn flow_name(plan: &Plan, node: &NodeSummary) -> String {
    if is_hidden_flow(plan, &node.flow) { "(delivery)".into() } else { node.flow.clone() }
}

fn takes_only_failures(plan: &Plan, id: &str) -> bool {
    let Some(index) = plan.graph.node_indices().find(|&index| plan.graph[index].id == id) else {
        return false;
    };
    let into = |node| plan.graph.edges_directed(node, petgraph::Direction::Incoming);
    // A batch that the provider has put in front of it takes what was sent to it.
    let gathered = into(index).map(|edge| edge.source()).find(|&node| plan.graph[node].inserted);
    let mut edges = into(gathered.unwrap_or(index)).peekable();
    edges.peek().is_some() && edges.all(|edge| edge.weight().port == Port::Errors)
}

fn cells(flow: String, node: &NodeSummary, elapsed: Duration) -> Vec<Cell> {
    let number = |n: u64| if n == 0 { "–".to_owned() } else { thousands(n) };
    let rows = node.rows_in.max(node.rows_out).max(node.stored);
    let rate = rows as f64 / elapsed.as_secs_f64().max(0.001);
    let out = match node.kind {
        NodeKind::Sink => node.stored.max(node.rows_out),
        _ => node.rows_out,
    };
    let rows_in = match node.kind {
        NodeKind::Source => String::new(),
        _ => number(node.rows_in),
    };
    let failed = if node.failed == 0 { String::new() } else { thousands(node.failed) };
    let rate = if rows == 0 { String::new() } else { per_second(rate) };
    let names = [flow, node.label.clone()].map(|text| Cell { whole: true, ..Cell::text(text) });
    let numbers = [rows_in, number(out), failed, rate].map(Cell::number);
    names.into_iter().chain(numbers).chain([Cell::text(counts(node))]).collect()
}

/// `25,900 items · 10,684 replaced`
fn counts(node: &NodeSummary) -> String {
    let user_named = node.label == "count";
    let mut parts: Vec<String> = node
        .counts
        .iter()
        .filter(|(_, count)| **count > 0)
        .map(|(name, count)| match user_named {
            true => format!("{} {name}", thousands(*count)),
            false => format!("{} {}", thousands(*count), singular(name, *count)),
        })
        .collect();
    if node.filtered > 0 {
        parts.push(format!("{} filtered", thousands(node.filtered)));
    }
    if node.retries > 0 {
        let word = if node.retries == 1 { "retry" } else { "retries" };
        parts.push(format!("{} {word}", thousands(node.retries)));
    }
    if node.throttled > 0 {
        parts.push(format!("{} throttled", thousands(node.throttled)));
    }
    if node.breaker_open {
        parts.push("nothing goes through".to_owned());
    }
    parts.join(" · ")
}

/// `objects`, of one `object`; `rows loaded`, of one `row loaded`.
fn singular(name: &str, count: u64) -> String {
    if count != 1 {
        return name.to_owned();
    }
    let one = |word: &str| match word.strip_suffix('s') {
        Some(one) if !one.ends_with('s') => one.to_owned(),
        _ => word.to_owned(),
    };
    name.split(' ').map(one).collect::<Vec<_>>().join(" ")
}

/// Rows a second; slow ones with a digit behind the point.
fn per_second(rate: f64) -> String {
    match rate {
        0.0..0.05 => "<0.1".to_owned(),
        0.05..9.95 => format!("{rate:.1}"),
        _ => thousands(rate.round() as u64),
    }
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use dsl::ast::Guarantee;
    use dsl::plan::PlanFlow;
    use dsl::span::Span;
    use std::collections::BTreeMap;

    /// A node with some counts.
    pub fn node(flow: &str, label: &str, kind: NodeKind, rows: u64) -> NodeSummary {
        NodeSummary {
            id: format!("{flow}/{label}"),
            flow: flow.into(),
            label: label.into(),
            kind,
            resource: None,
            hidden: false,
            rows_in: if kind == NodeKind::Source { 0 } else { rows },
            rows_out: if kind == NodeKind::Sink { 0 } else { rows },
            filtered: 0,
            failed: 0,
            stored: if kind == NodeKind::Sink { rows } else { 0 },
            retries: 0,
            throttled: 0,
            breaker_open: false,
            counts: BTreeMap::new(),
            ended: false,
        }
    }

    fn flow(name: &str, hidden: bool) -> PlanFlow {
        let guarantee = Guarantee::AtLeastOnce;
        PlanFlow { name: name.into(), doc: None, guarantee, hidden, span: Span::default() }
    }

    #[test]
    fn a_line_a_node_with_rates_and_counts() {
        let flows = vec![flow("dynamo", false), flow("delivery", true)];
        let plan = Plan { file: "a.flow".into(), flows, ..Plan::default() };
        let mut sink = node("dynamo", "invoices.upsert", NodeKind::Sink, 541_909);
        sink.counts = BTreeMap::from([("items", 25_900), ("replaced", 10_684)]);
        let mut put = node("delivery", "feed (bucket.put)", NodeKind::Sink, 541_909);
        put.counts = BTreeMap::from([("objects", 23)]);
        let nodes = vec![
            node("dynamo", "orders.read", NodeKind::Source, 541_909),
            NodeSummary { hidden: true, ..node("dynamo", "x", NodeKind::Transform, 541_909) },
            sink,
            node("delivery", "feed (stream.read)", NodeKind::Source, 541_909),
            put,
        ];
        let summary = Summary { elapsed: Duration::from_secs(10), nodes };
        let expected = "\
flow        node               rows in  rows out  failed  rows/s  counts
──────────  ─────────────────  ───────  ────────  ──────  ──────  ──────────────────────────────
dynamo      orders.read                  541,909          54,191
            invoices.upsert    541,909   541,909          54,191  25,900 items · 10,684 replaced
(delivery)  feed (bucket.put)  541,909   541,909          54,191  23 objects

done in 10.0 s, no row failed
";
        assert_eq!(text(&plan, &summary, true, Style::plain()), expected);
    }

    #[test]
    fn one_is_singular_and_slow_is_not_zero() {
        assert_eq!(singular("rows loaded", 1), "row loaded");
        assert_eq!(singular("refused requests", 1), "refused request");
        assert_eq!(singular("objects", 2), "objects");
        assert_eq!(per_second(0.456), "0.5");
        assert_eq!(per_second(0.01), "<0.1");
        assert_eq!(per_second(9.96), "10");
        let mut count = node("a", "count", NodeKind::Sink, 1);
        count.counts = BTreeMap::from([("status", 1)]);
        assert_eq!(counts(&count), "1 status");
    }

    #[test]
    fn failures_are_counted() {
        let mut decode = node("ingest", "csv.decode", NodeKind::Transform, 10);
        decode.failed = 2;
        let summary = Summary { elapsed: Duration::from_secs(75), nodes: vec![decode] };
        let text = text(&Plan::default(), &summary, true, Style::plain());
        assert!(text.contains("done in 1 min 15 s, 2 rows failed"), "{text}");
    }
}
