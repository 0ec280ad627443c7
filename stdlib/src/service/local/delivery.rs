//! Buffered writes into buckets: a hidden stream takes the records, and a hidden flow of the same
//! run makes them objects.
//!
//! The flow is `read -> batch(size, wait) -> text.join -> bucket.put`, of ordinary nodes: what is
//! acknowledged is in the stream, sending again is harmless, and a replay makes the same objects
//! with the same names.

pub mod read;

use super::streams::{LocalStreams, append_stream, delivery_stream};
use crate::service::object_key;
use crate::service::{Appended, BucketPlace, Delivery, Records, Streams, physical_name};
use async_trait::async_trait;
use dsl::ast::{Guarantee, ResourceKind};
use dsl::plan::{Plan, PlanEdge, PlanFlow, PlanNode, PlanResource, Port};
use dsl::spec::NodeKind;
use dsl::ty::Ty;
use dsl::value::Value;
use engine::fault::Fault;
use petgraph::graph::NodeIndex;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Firehose's own buffer size where the binding says none.
const SIZE_BYTES: u64 = 5 << 20;
/// Firehose's own buffer time where the binding says none.
const WAIT_NS: i64 = 300_000_000_000;
/// How long appended records wait for company on their way into an object.
const APPEND_WAIT_NS: i64 = 5_000_000_000;

/// The hidden streams of one directory.
pub struct LocalDelivery {
    streams: Arc<LocalStreams>,
}

impl LocalDelivery {
    /// Deliveries by way of these streams.
    pub fn new(streams: Arc<LocalStreams>) -> LocalDelivery {
        LocalDelivery { streams }
    }
}

#[async_trait]
impl Delivery for LocalDelivery {
    async fn write(&self, delivery: &str, records: Records) -> Result<Appended, Fault> {
        self.streams.append(&delivery_stream(delivery), records).await
    }

    async fn append(&self, place: &BucketPlace, records: Records) -> Result<Appended, Fault> {
        self.streams.append(&append_stream(place), records).await
    }
}

/// The hidden stream that a node writes to or reads from.
///
/// # Errors
/// Its resource is not bound.
pub fn hidden_stream(resource: &PlanResource) -> Result<String, Fault> {
    match resource.kind {
        ResourceKind::Bucket => Ok(append_stream(&BucketPlace::of(resource)?)),
        _ => Ok(delivery_stream(physical_name(resource)?)),
    }
}

/// The id of the node that reads a hidden stream.
pub fn reader_id(stream: &str) -> String {
    format!("{stream}/delivery.read")
}

/// Adds what local deliveries and appends need to the plan of a run: for each hidden stream that
/// the plan writes to, one hidden flow that reads it and fills the bucket.
pub fn add_deliveries(plan: &mut Plan) {
    for (stream, writers) in hidden_writers(plan) {
        let resource = plan.graph[writers[0]].resource.expect("a verb has a resource");
        let bucket = plan.resources[resource].into.unwrap_or(resource);
        let put = add_flow(plan, &stream, resource, bucket, &writers);
        // What the bucket's readers wait for is the put, not those who write to the delivery.
        for node in plan.graph.node_weights_mut() {
            if node.op == "bucket.read" && node.resource == Some(bucket) {
                node.fed_by.retain(|feeder| !writers.contains(feeder));
                node.fed_by.push(put);
            }
        }
    }
}

/// The nodes that write to each hidden stream.
fn hidden_writers(plan: &Plan) -> BTreeMap<String, Vec<NodeIndex>> {
    let mut writers: BTreeMap<String, Vec<NodeIndex>> = BTreeMap::new();
    for index in plan.graph.node_indices() {
        let node = &plan.graph[index];
        if !matches!(node.op.as_str(), "delivery.write" | "bucket.append") {
            continue;
        }
        let resource = &plan.resources[node.resource.expect("a verb has a resource")];
        // What is not bound is told when the node is opened.
        if let Ok(stream) = hidden_stream(resource) {
            writers.entry(stream).or_default().push(index);
        }
    }
    writers
}

/// Adds one hidden flow; gives its last node.
fn add_flow(
    plan: &mut Plan,
    stream: &str,
    resource: usize,
    bucket: usize,
    writers: &[NodeIndex],
) -> NodeIndex {
    let stored = &plan.resources[resource];
    let item = stored_item(&stored.ty);
    let (size, wait) = match stored.kind {
        ResourceKind::Delivery => buffer(stored),
        _ => (SIZE_BYTES, APPEND_WAIT_NS),
    };
    let name = stored.name.clone();
    let separator = if stored.ty == Ty::Bytes { "" } else { "\n" };
    let key = object_key::template(stored);
    plan.flows.push(PlanFlow {
        name: stream.to_owned(),
        doc: None,
        guarantee: Guarantee::AtLeastOnce,
        hidden: true,
        span: stored.span,
    });
    let (flow, span) = (plan.flows.len() - 1, stored.span);
    let hidden = |op: &str, kind: NodeKind, input: Option<Ty>, output: Option<Ty>| PlanNode {
        label: format!("{name} ({op})"),
        input,
        output,
        ..PlanNode::inserted(format!("{stream}/{op}"), op, kind, flow, span)
    };
    let batched = || Ty::Batch(Box::new(item.clone()));
    let mut read = hidden("delivery.read", NodeKind::Source, None, Some(item.clone()));
    read.id = reader_id(stream);
    read.resource = Some(resource);
    read.fed_by = writers.to_vec();
    let mut batch = hidden("batch", NodeKind::Transform, Some(item.clone()), Some(batched()));
    batch.options.insert("size".into(), Value::Size(size));
    batch.options.insert("wait".into(), Value::Duration(wait));
    let whole = plan.resources[bucket].ty.clone();
    let mut join = hidden("text.join", NodeKind::Transform, Some(batched()), Some(whole.clone()));
    join.options.insert("separator".into(), Value::Text(separator.into()));
    let mut put = hidden("bucket.put", NodeKind::Sink, Some(whole.clone()), None);
    put.resource = Some(bucket);
    put.templates.insert("key".into(), key);
    let nodes = [read, batch, join, put].map(|node| plan.graph.add_node(node));
    for (pair, ty) in nodes.windows(2).zip([item.clone(), batched(), whole]) {
        plan.graph.add_edge(pair[0], pair[1], PlanEdge { port: Port::Out, ty });
    }
    nodes[3]
}

/// What one record of a stored type is.
fn stored_item(ty: &Ty) -> Ty {
    match ty {
        Ty::Ndjson(record) => Ty::Json(record.clone()),
        other => other.clone(),
    }
}

fn buffer(delivery: &PlanResource) -> (u64, i64) {
    let option = |name: &str| delivery.binding.as_ref().and_then(|it| it.options.get(name));
    let size = option("size").and_then(Value::as_size).unwrap_or(SIZE_BYTES);
    let wait = option("wait").and_then(Value::as_duration_ns).unwrap_or(WAIT_NS);
    (size, wait)
}

#[cfg(test)]
mod tests {
    use super::*;
    use dsl::plan::Binding;
    use engine::testing;

    fn resource(
        name: &str,
        kind: ResourceKind,
        service: &str,
        into: Option<usize>,
    ) -> PlanResource {
        let binding =
            Binding { service: service.into(), name: name.into(), options: BTreeMap::new() };
        PlanResource {
            name: name.into(),
            kind,
            ty: Ty::Ndjson(Box::new(Ty::failure())),
            key: Vec::new(),
            into,
            binding: Some(binding),
            span: Default::default(),
        }
    }

    #[test]
    fn a_bucket_is_fed_by_the_hidden_put() {
        let mut plan = testing::plan(vec![
            resource("staging", ResourceKind::Bucket, "s3", None),
            resource("feed", ResourceKind::Delivery, "firehose", Some(0)),
        ]);
        plan.resources[1]
            .binding
            .as_mut()
            .unwrap()
            .options
            .insert("wait".into(), Value::Duration(60));
        let node = |op: &str, kind: NodeKind, resource: usize| PlanNode {
            resource: Some(resource),
            ..testing::plan_node(op, kind, None, None)
        };
        let first = plan.graph.add_node(node("delivery.write", NodeKind::Sink, 1));
        let second = plan.graph.add_node(node("delivery.write", NodeKind::Sink, 1));
        let mut read = node("bucket.read", NodeKind::Source, 0);
        read.fed_by = vec![first, second];
        let read = plan.graph.add_node(read);
        add_deliveries(&mut plan);
        assert_eq!(plan.graph.node_count(), 7);
        assert!(plan.flows[1].hidden);
        let [put] = plan.graph[read].fed_by[..] else { panic!("one feeder") };
        assert_eq!(plan.graph[put].op, "bucket.put");
        let find = |op: &str| plan.graph.node_weights().find(|node| node.op == op).unwrap();
        assert_eq!(find("delivery.read").fed_by, [first, second]);
        assert_eq!(find("batch").options["wait"], Value::Duration(60));
        assert_eq!(find("batch").options["size"], Value::Size(SIZE_BYTES));
        assert_eq!(plan.graph.edge_count(), 3);
    }

    #[test]
    fn appends_of_one_place_share_one_flow() {
        let mut plan =
            testing::plan(vec![resource("quarantine", ResourceKind::Bucket, "s3", None)]);
        for _ in 0..3 {
            let mut node = testing::plan_node("bucket.append", NodeKind::Sink, None, None);
            node.resource = Some(0);
            plan.graph.add_node(node);
        }
        add_deliveries(&mut plan);
        assert_eq!((plan.flows.len(), plan.graph.node_count()), (2, 7));
    }
}
