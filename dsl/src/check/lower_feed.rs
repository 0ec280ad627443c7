//! Which nodes feed which sources, so that a run ends by itself; and which base64 layers are never
//! put on.

use crate::ast::ResourceKind;
use crate::plan::{Plan, PlanNode, Port};
use crate::spec::NodeKind;
use crate::value::Value;
use petgraph::Direction;
use petgraph::graph::NodeIndex;
use petgraph::visit::EdgeRef;

/// Fills `fed_by` of every source.
pub(crate) fn feed(plan: &mut Plan) {
    let nodes: Vec<NodeIndex> = plan.graph.node_indices().collect();
    for source in &nodes {
        if plan.graph[*source].kind == NodeKind::Source {
            let feeds = |node: &&NodeIndex| feeds(plan, &plan.graph[**node], &plan.graph[*source]);
            let feeders = nodes.iter().filter(feeds).copied().collect();
            plan.graph[*source].fed_by = feeders;
        }
    }
}

/// Whether what `sink` writes comes out of `source`.
fn feeds(plan: &Plan, sink: &PlanNode, source: &PlanNode) -> bool {
    if sink.kind != NodeKind::Sink {
        return false;
    }
    if let (Some(written), Some(read)) = (sink.resource, source.resource) {
        return written == read || plan.resources[written].into == Some(read);
    }
    source.op == "http.serve" && sink.op == "http.post" && posts_to(sink, source)
}

/// Whether a constant URL names the address and path of a server.
fn posts_to(post: &PlanNode, serve: &PlanNode) -> bool {
    let text = |node: &PlanNode, option: &str| {
        node.options.get(option).and_then(Value::as_text).map(str::to_string)
    };
    let (Some(url), Some(listen)) = (text(post, "url"), text(serve, "listen")) else {
        return false;
    };
    let path = text(serve, "path").unwrap_or_else(|| "/".into());
    let Some(rest) = url.strip_prefix("http://") else { return false };
    let (address, target) = match rest.find('/') {
        Some(at) => rest.split_at(at),
        None => (rest, "/"),
    };
    let target = target.split(['?', '#']).next().unwrap_or("/");
    target == path && same_address(address, &listen)
}

/// Whether a client that asks for `address` reaches a server that listens on `listen`.
fn same_address(address: &str, listen: &str) -> bool {
    let split = |text: &str| {
        let (host, port) = text.rsplit_once(':').unwrap_or((text, "80"));
        (host.to_ascii_lowercase(), port.to_string())
    };
    let ((host, port), (bound, bound_port)) = (split(address), split(listen));
    let loopback = |host: &str| matches!(host, "127.0.0.1" | "localhost" | "[::1]");
    let everywhere = matches!(bound.as_str(), "" | "0.0.0.0" | "[::]");
    port == bound_port && (host == bound || loopback(&host) && (everywhere || loopback(&bound)))
}

/// Marks every `base64.decode` whose senders are readers of streams that send to nothing else: the
/// layer is then never put on.
pub(crate) fn elide(plan: &mut Plan) {
    let reader = |node: &PlanNode| {
        let stream = node.resource.is_some_and(|r| plan.resources[r].kind == ResourceKind::Stream);
        stream && node.kind == NodeKind::Source
    };
    let decoder = |node: &PlanNode| node.op == "base64.decode";
    let indices = || plan.graph.node_indices();
    let mut marked: Vec<bool> =
        plan.graph.node_weights().map(|node| reader(node) || decoder(node)).collect();
    // A mark is lost by a neighbour without one, until nothing changes.
    loop {
        let lost: Vec<NodeIndex> = indices()
            .filter(|node| marked[node.index()] && !neighbours_marked(plan, &marked, *node))
            .collect();
        if lost.is_empty() {
            break;
        }
        for node in lost {
            marked[node.index()] = false;
        }
    }
    let elided: Vec<NodeIndex> =
        indices().filter(|node| marked[node.index()] && decoder(&plan.graph[*node])).collect();
    for node in elided {
        plan.graph[node].elided = true;
    }
}

fn neighbours_marked(plan: &Plan, marked: &[bool], node: NodeIndex) -> bool {
    let source = plan.graph[node].kind == NodeKind::Source;
    let way = if source { Direction::Outgoing } else { Direction::Incoming };
    let mut edges = plan
        .graph
        .edges_directed(node, way)
        .filter(|edge| edge.weight().port == Port::Out)
        .map(|edge| if source { edge.target() } else { edge.source() })
        .peekable();
    // A decoder stands behind readers only, and a reader before decoders only.
    edges.peek().is_some()
        && edges.all(|other| {
            marked[other.index()] && (plan.graph[other].kind == NodeKind::Source) != source
        })
}

#[cfg(test)]
mod tests {
    use super::same_address;

    #[test]
    fn addresses_of_one_server() {
        assert!(same_address("127.0.0.1:8080", "127.0.0.1:8080"));
        assert!(same_address("localhost:8080", "0.0.0.0:8080"));
        assert!(same_address("localhost:8080", "127.0.0.1:8080"));
        assert!(!same_address("localhost:8081", "127.0.0.1:8080"));
        assert!(!same_address("example.org:8080", "0.0.0.0:8080"));
    }
}
