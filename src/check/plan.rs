//! `flowc check --plan`: what a run of a file holds in memory at most, what is sent again after a
//! crash at most, and by which ids its sinks know what they have stored.

use crate::render::{Style, thousands};
use crate::table::{Cell, table};
use dsl::plan::Plan;
use dsl::spec::NodeKind;
use engine::memory::{COMMIT_ROWS, Place, PlaceKind, Setting, Worst};

/// The report on a plan, to which the provider's own flows are added.
pub fn text(plan: &Plan, setting: &Setting, style: Style) -> String {
    let worst = Worst::of(plan, setting, &stdlib::memory::of);
    let mut text = memory(plan, &worst, style);
    let threads = setting.threads;
    text.push_str(&format!(
        "\nat most {} of rows beside the program itself, worked by {threads} threads, when all is \
         full at once\n",
        bytes(worst.bytes())
    ));
    text.push('\n');
    text.push_str(&crash(plan, &worst, style));
    text
}

fn memory(plan: &Plan, worst: &Worst, style: Style) -> String {
    let header = ["flow", "place", "what", "rows", "bytes"].map(str::to_owned);
    let mut rows = Vec::new();
    let mut last = usize::MAX;
    for Place { flow, name, kind, holds } in &worst.places {
        if holds.bytes == 0 {
            continue;
        }
        let flow_name = if *flow == last { "" } else { plan.flows[*flow].name.as_str() };
        last = *flow;
        rows.push(vec![
            Cell::text(flow_name),
            Cell::text(name.clone()),
            Cell::text(what(*kind)),
            Cell::number(thousands(holds.rows)),
            Cell::number(bytes(holds.bytes)),
        ]);
    }
    table(&header, &rows, 3, style).0
}

fn what(kind: PlaceKind) -> &'static str {
    match kind {
        PlaceKind::Source => "reads",
        PlaceKind::Edge => "edge",
        PlaceKind::Work => "works",
        PlaceKind::Batch => "gathers",
        PlaceKind::Sink => "writes",
    }
}

/// `8 MiB`, rounded up.
fn bytes(n: u64) -> String {
    match n {
        0..1_048_576 => format!("{} KiB", n.div_ceil(1 << 10)),
        _ => format!("{} MiB", thousands(n.div_ceil(1 << 20))),
    }
}

/// What is sent again after a crash, by source; what a sink does with it.
fn crash(plan: &Plan, worst: &Worst, style: Style) -> String {
    let header = ["source", "sent again after a crash, at most"].map(str::to_owned);
    let mut rows = Vec::new();
    for source in &worst.in_flight {
        let node = &plan.graph[source.node];
        let holds_ack = matches!(node.op.as_str(), "http.serve");
        let bound = match holds_ack {
            true => "nothing: who has sent it has no answer, and sends it again".into(),
            false => format!(
                "{} rows read, and {} rows or 1 s settled",
                thousands(source.rows),
                thousands(COMMIT_ROWS)
            ),
        };
        rows.push(vec![Cell::text(node.id.clone()), Cell::text(bound)]);
    }
    let mut text = table(&header, &rows, 4, style).0;
    text.push_str(
        "\nRead: rows that have not come back, and those that came back before one that was read \
         earlier. Half\nof it, but where a batch has to reach the end that an earlier run has \
         recorded.\n\n",
    );
    let header = ["sink", "rows that are sent again are stored"].map(str::to_owned);
    let mut rows = Vec::new();
    for node in plan.graph.node_weights().filter(|node| node.kind == NodeKind::Sink) {
        let once = match stdlib::memory::effectively_once_by(plan, node) {
            Some(by) => format!("effectively once, by {by}"),
            None => "again: at least once".into(),
        };
        rows.push(vec![Cell::text(node.id.clone()), Cell::text(once)]);
    }
    text.push_str(&table(&header, &rows, 4, style).0);
    text.push_str(buffers(plan));
    text
}

/// What a `spill` means for who waits for an acknowledgement; empty without one.
fn buffers(plan: &Plan) -> &'static str {
    match plan.graph.node_weights().any(|node| node.op == "spill.write") {
        true => {
            "\nA spill acknowledges: for the source before it, what is in its buffer is delivered, \
             whatever the\nsinks behind it do. Until they have it, it is on that disk alone.\n"
        }
        false => "",
    }
}
