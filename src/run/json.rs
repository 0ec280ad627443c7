//! The summary of a run for programs: one line of JSON with a stable shape.

use crate::exit::Exit;
use dsl::plan::Plan;
use dsl::spec::NodeKind;
use engine::run::{Report, RunError};
use engine::summary::NodeSummary;
use serde_json::{Value, json};

/// `file`, `profile`, `exit_code`, `elapsed_seconds`, `failed`, `nodes`, `errors`.
pub fn line(plan: &Plan, report: &Report, exit: Exit) -> String {
    let seconds = report.summary.elapsed.as_secs_f64();
    let nodes: Vec<Value> =
        report.summary.nodes.iter().map(|summary| node(summary, seconds)).collect();
    let errors: Vec<Value> = report.errors.iter().map(error).collect();
    let failed: u64 = report.summary.nodes.iter().map(|node| node.failed).sum();
    let value = json!({
        "file": plan.file, "profile": plan.profile, "exit_code": exit.code(),
        "elapsed_seconds": seconds, "failed": failed, "nodes": nodes, "errors": errors,
    });
    value.to_string()
}

fn node(summary: &NodeSummary, seconds: f64) -> Value {
    let rows = summary.rows_out.max(summary.stored).max(summary.rows_in);
    let rate = if seconds > 0.0 { (rows as f64 / seconds).round() as u64 } else { 0 };
    json!({
        "id": summary.id, "flow": summary.flow, "node": summary.label,
        "kind": match summary.kind {
            NodeKind::Source => "source",
            NodeKind::Transform => "transform",
            NodeKind::Sink => "sink",
        },
        "resource": summary.resource, "hidden": summary.hidden,
        "rows_in": summary.rows_in, "rows_out": summary.rows_out, "stored": summary.stored,
        "filtered": summary.filtered, "failed": summary.failed, "retries": summary.retries,
        "throttled": summary.throttled, "breaker_open": summary.breaker_open,
        "rows_per_second": rate, "counts": summary.counts,
    })
}

fn error(error: &RunError) -> Value {
    match error {
        RunError::Node { node, fault } => json!({
            "kind": "node", "node": node, "code": fault.code, "message": fault.message,
            "help": fault.help,
        }),
        RunError::ErrorsTarget { flow, fault } => json!({
            "kind": "errors_target", "flow": flow, "code": fault.code, "message": fault.message,
            "help": fault.help,
        }),
        RunError::Balance { node, equation } => json!({
            "kind": "balance", "node": node, "message": equation,
        }),
        RunError::Undelivered { rows } => json!({ "kind": "undelivered", "rows": rows }),
        RunError::State { fault } => json!({
            "kind": "state", "code": fault.code, "message": fault.message,
        }),
        RunError::StateChanged { changes } => {
            let whats: Vec<&str> = changes.iter().map(|change| change.what.as_str()).collect();
            json!({ "kind": "state_changed", "changes": whats })
        }
    }
}
