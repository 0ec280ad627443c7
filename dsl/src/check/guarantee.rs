//! What a flow promises, against what its sources can do.

use super::cx::Cx;
use super::draft::Draft;
use crate::ast::Guarantee;
use crate::problem::Problem;

/// E0701 for a source that can neither send again nor hold its answer; E0001 for `exactly_once`.
pub(crate) fn check(cx: &mut Cx, draft: &Draft, name: &str) {
    let Some(flow) = cx.decls.flows.get(name) else { return };
    let (index, place) = (flow.index, flow.guarantee.map_or(flow.name.span, |g| g.span));
    match flow.guarantee.map(|guarantee| guarantee.node).unwrap_or_default() {
        Guarantee::AtMostOnce => {}
        Guarantee::ExactlyOnce => {
            let instead = "use `at_least_once`: `upsert`, `put` and `copy` change nothing when the \
                           same records come again";
            cx.unsupported(place, "exactly_once", instead);
        }
        Guarantee::AtLeastOnce => {
            for source in draft.sources(index) {
                let (node, spec) = (&draft.graph[source], draft.note(source).spec);
                if !spec.delivery.replays && !spec.delivery.holds_ack {
                    let message = format!(
                        "`{}` cannot send its records again, so `at_least_once` cannot be kept",
                        node.label
                    );
                    let problem = Problem::error("E0701", message, node.span, "does not replay");
                    let problem = problem.label(place, "promised here");
                    cx.report(
                        problem
                            .help("write its records to a stream first, or promise `at_most_once`"),
                    );
                }
            }
        }
    }
}
