//! Why a run did not end well: what is wrong, where, what to do; and the exit code.

use crate::exit::{Exit, advice, message};
use crate::render::Style;
use dsl::plan::Plan;
use dsl::span::SourceMap;
use engine::run::RunError;

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
        RunError::Undelivered { .. } => {
            // Their number is one of reads, of a file's pieces, say: no number of records.
            let what = "stopped before all that was read is stored";
            message(what, Some("the next run reads it again; nothing is lost"), style)
        }
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
