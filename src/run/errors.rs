//! Why a run did not end well: what is wrong, where, what to do; and the exit code.

use crate::exit::{Exit, advice, message};
use crate::render::{Style, thousands};
use dsl::plan::Plan;
use dsl::span::SourceMap;
use engine::run::{RunError, StateChange};
use std::collections::BTreeSet;

/// The exit code of a run.
pub fn exit(errors: &[RunError]) -> Exit {
    let unbalanced = |error: &RunError| matches!(error, RunError::Balance { .. });
    let undelivered = |error: &RunError| matches!(error, RunError::Undelivered { .. });
    if errors.is_empty() {
        Exit::Done
    } else if errors.iter().any(unbalanced) {
        Exit::Unbalanced
    } else if errors.iter().all(undelivered) {
        Exit::Undelivered
    } else {
        Exit::Failed
    }
}

/// What the user sees of an error.
pub fn text(error: &RunError, plan: &Plan, files: &SourceMap, style: Style) -> String {
    match error {
        RunError::Node { node, fault } => {
            let place = place(node, plan, files);
            message(&format!("{place}: {}", fault.message), Some(&advice(fault)), style)
        }
        RunError::ErrorsTarget { flow, fault } => {
            let what = format!(
                "the failures of flow `{flow}` cannot be stored, so the run has stopped: {}",
                fault.message
            );
            message(&what, Some(&advice(fault)), style)
        }
        RunError::Balance { node, equation } => {
            let what = format!("the counts of `{node}` do not balance: {equation}");
            let help = "this is a fault of flowc, not of your file; the stored records may be \
                        incomplete";
            message(&what, Some(help), style)
        }
        RunError::State { fault } => {
            let what = format!("the state of the run cannot be kept: {}", fault.message);
            message(&what, Some(&advice(fault)), style)
        }
        RunError::StateChanged { changes } => changed(changes, style),
        RunError::Undelivered { rows } => {
            let what = undelivered("stopped before all that was read was stored", *rows);
            message(&what, Some(AGAIN), style)
        }
    }
}

/// What has changed in each flow, what it means, and what to do.
fn changed(changes: &[StateChange], style: Style) -> String {
    let flows: BTreeSet<String> =
        changes.iter().map(|change| format!("`{}`", change.flow)).collect();
    let flows = flows.into_iter().collect::<Vec<_>>().join(", ");
    let mut what = format!("the state of earlier runs does not fit the graph of {flows} any more");
    for StateChange { what: changed, means, .. } in changes {
        what.push_str(&format!("\n  - {changed}:\n    {means}"));
    }
    let help = "nothing was started. Undo the change and let a run end, so that nothing is in \
                flight; or take it as it is with `--accept-state-change`";
    message(&what, Some(help), style)
}

/// What to do about rows that are not stored.
pub const AGAIN: &str = "the next run reads again what was not stored; nothing is lost";

/// How the run has stopped, and how many rows that its sources have read are not settled. Of a
/// file that no decoder has taken apart yet, each piece counts as one.
pub fn undelivered(stopped: &str, rows: u64) -> String {
    match rows {
        0 => format!("{stopped}; no row was in flight"),
        1 => format!("{stopped}; 1 row that was read will be read again"),
        _ => format!("{stopped}; {} rows that were read will be read again", thousands(rows)),
    }
}

/// `gateway/http.serve (flows/ecommerce.flow:53:3)`
fn place(id: &str, plan: &Plan, files: &SourceMap) -> String {
    let Some(node) = plan.graph.node_weights().find(|node| node.id == id) else {
        return format!("`{id}`");
    };
    if plan.flows[node.flow].hidden {
        return format!("`{}`", node.label);
    }
    let (line, column) = files.line_column(node.span);
    format!("`{id}` ({}:{line}:{column})", files.file(node.span.file).path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use engine::fault::Fault;

    fn node(code: &str) -> RunError {
        let fault = Fault::service(code, "port 8080 is in use").help("use another port");
        RunError::Node { node: "gateway/http.serve".into(), fault }
    }

    #[test]
    fn the_worst_error_decides_the_exit_code() {
        let late = || RunError::Undelivered { rows: 3 };
        let balance = RunError::Balance { node: "a/b".into(), equation: "1 = 2".into() };
        assert_eq!(exit(&[]), Exit::Done);
        assert_eq!(exit(&[late()]), Exit::Undelivered);
        assert_eq!(exit(&[node("port_in_use"), late()]), Exit::Failed);
        assert_eq!(exit(&[late(), balance]), Exit::Unbalanced);
    }

    #[test]
    fn an_error_says_what_where_and_what_to_do() {
        let plan = Plan::default();
        let files = SourceMap::default();
        let text = text(&node("port_in_use"), &plan, &files, Style::plain());
        assert_eq!(
            text,
            "error: `gateway/http.serve`: port 8080 is in use\n  help: use another port\n        \
             (code port_in_use)\n"
        );
    }
}
