//! `bucket.read`: sends each object once, in order of arrival, and follows new ones.

use crate::nodes::stream_read::ended;
use crate::service::aside::Aside;
use crate::service::position::Positions;
use crate::service::{BucketPlace, Listed, Services};
use arrow_array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use async_trait::async_trait;
use dsl::ast::ResourceKind;
use dsl::spec::*;
use dsl::ty::Ty;
use dsl::value::Value;
use engine::batch::{Partition, Resume, RowIds};
use engine::ctx::{Clock, NodeCtx};
use engine::fault::Fault;
use engine::node::{Read, Source, SourceRows};
use engine::registry::Open;
use engine::schema::arrow_schema;
use futures::future::BoxFuture;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// What the node says of itself.
pub const SPEC: NodeSpec = NodeSpec {
    path: "bucket.read",
    summary: "Sends each object once, in order of arrival, and follows new ones.",
    doc: "\
It sends what is known of an object (key, size, etag), not its content. What `table.copy` keeps in a
bucket for itself (`flowc/manifests/`) is left out. Files that another program
has put into a local bucket are found when the run begins, and count as arrived in the order of
their time of modification.

It ends when all writers of the bucket in this run have ended and it has sent everything; without a
writer in this run, when it is told to stop. Where the writers are a delivery of AWS, which holds
records for a while, it looks for objects for twice the delivery's `wait` longer (at most 30 seconds
more than it); what comes later is sent by the next run.",
    kind: NodeKind::Source,
    resource: Some(ResourceKind::Bucket),
    signatures: &["-> object<R>"],
    options: &[OptionSpec {
        name: "prefix",
        ty: OptionTy::Text,
        default: Some("\"\""),
        doc: "Only names that begin so.",
        example: "prefix: \"2026/\"",
        ..OPTION
    }],
    fails: &[],
    delivery: Delivery { replays: true, holds_ack: false, idempotent: false },
    examples: &[Example {
        title: "Objects as they arrive, loaded into the warehouse.",
        flow: r#"
type Order = { id: text, amount: decimal(10, 2) }

bucket   staging : ndjson<Order>
delivery feed    : ndjson<Order> into staging
table    sales   : Order

profile aws {
  staging = s3("example-staging")
  feed    = firehose("example-feed", size: 1MiB, wait: 60s)
  sales   = redshift("orders", workgroup: "w", database: "dev", role: "arn:aws:iam::1:role/copy")
}

profile local = emulate(aws, dir: "out")

flow deliver : at_least_once {
  file.read("orders.csv") -> csv.decode as Order -> feed.write
  errors -> log
}

flow load : at_least_once {
  staging.read -> sales.copy
  errors -> log
}
"#,
        files: &[("orders.csv", "id,amount\na1,2.50\na2,10\n")],
        ..EXAMPLE
    }],
    ..BLANK
};

/// Objects that one read brings at most.
const OBJECTS_MAX: usize = 256;

/// How a run opens it.
pub fn open(services: Arc<Services>) -> Open {
    Open::Source(Box::new(move |ctx| {
        let services = services.clone();
        Box::pin(
            async move { Ok(Box::new(BucketRead::open(&ctx, services).await?) as Box<dyn Source>) },
        )
    }))
}

/// A reader of one bucket.
pub struct BucketRead {
    services: Arc<Services>,
    place: BucketPlace,
    aside: Aside,
    partition: Arc<Partition>,
    next: u64,
    positions: Positions,
    feeders_ended: watch::Receiver<bool>,
    stopped: bool,
    clock: Arc<dyn Clock>,
    /// How long objects may come after the writers have ended.
    late: Duration,
    /// When the last of them is due.
    until_ns: Option<i64>,
}

/// What a buffered delivery takes beside its own wait, at most.
const LATE_MAX: Duration = Duration::from_secs(30);
/// What a delivery without a wait takes.
const LATE_MIN: Duration = Duration::from_secs(5);

/// How long objects may come after the writers of this run have ended: where a delivery of the
/// provider buffers what they have written, twice as long as it waits, or some seconds longer.
fn late(ctx: &NodeCtx) -> Duration {
    let feeders = ctx.node.fed_by.iter().map(|feeder| &ctx.plan.graph[*feeder]);
    let deliveries = feeders.filter(|feeder| feeder.op == "delivery.write");
    let waits = deliveries.filter_map(|delivery| {
        let binding = ctx.plan.resources[delivery.resource?].binding.as_ref()?;
        let wait = binding.options.get("wait").and_then(Value::as_duration_ns)?;
        Some(Duration::from_nanos(wait.unsigned_abs()))
    });
    let late = waits.map(|wait| (2 * wait).min(wait + LATE_MAX).max(LATE_MIN));
    late.max().unwrap_or_default()
}

impl BucketRead {
    /// Opens a reader at the position of this node.
    ///
    /// # Errors
    /// The bucket is not bound, all that is read are manifests of loads, or the position cannot be
    /// read.
    pub async fn open(ctx: &NodeCtx, services: Arc<Services>) -> Result<BucketRead, Fault> {
        let resource = ctx.node.resource.expect("a verb has a resource");
        let mut place = BucketPlace::of(&ctx.plan.resources[resource])?;
        place.prefix += ctx.node.text("prefix");
        let aside = Aside::of(&ctx.plan, &place)?;
        let partition = services.objects.partition(&place.bucket);
        let positions = Positions::of(ctx);
        Ok(BucketRead {
            next: positions.load(&partition).await?,
            services,
            place,
            aside,
            partition,
            positions,
            feeders_ended: ctx.feeders_ended.clone(),
            stopped: false,
            clock: ctx.run.clock.clone(),
            late: late(ctx),
            until_ns: None,
        })
    }

    /// Nothing will be put any more that this run waits for.
    fn has_ended(&mut self) -> bool {
        if !*self.feeders_ended.borrow() {
            return false;
        }
        let now_ns = self.clock.now_ns();
        let late_ns = i64::try_from(self.late.as_nanos()).unwrap_or(i64::MAX);
        now_ns >= *self.until_ns.get_or_insert(now_ns.saturating_add(late_ns))
    }

    /// Waits until the last objects are due.
    fn due(&self) -> BoxFuture<'static, ()> {
        let Some(until_ns) = self.until_ns else { return Box::pin(std::future::pending()) };
        let left_ns = until_ns.saturating_sub(self.clock.now_ns()).max(0);
        self.clock.sleep(Duration::from_nanos(left_ns.unsigned_abs()))
    }

    fn rows(&self, listed: Listed) -> SourceRows {
        let objects = &listed.objects;
        let mut ids = RowIds::empty(self.partition.clone());
        objects.iter().for_each(|object| ids.push(object.seq, 1, object.arrival_ns));
        let keys: StringArray = objects.iter().map(|object| Some(object.key.as_str())).collect();
        let sizes: Int64Array = objects.iter().map(|object| object.size as i64).collect();
        let etags: StringArray = objects.iter().map(|object| Some(object.etag.as_str())).collect();
        let columns: Vec<ArrayRef> = vec![Arc::new(keys), Arc::new(sizes), Arc::new(etags)];
        let schema = arrow_schema(&Ty::Object(Box::new(Ty::Bytes)));
        SourceRows {
            columns: RecordBatch::try_new(schema, columns).expect("the columns of an object"),
            ids,
            partition: 0,
            end: listed.next,
            resumed: None,
            reply: None,
        }
    }
}

#[async_trait]
impl Source for BucketRead {
    async fn read(&mut self) -> Result<Read, Fault> {
        let objects = self.services.objects.clone();
        let BucketPlace { bucket, prefix } = self.place.clone();
        loop {
            if self.stopped {
                return Ok(Read::End);
            }
            // Asked before the listing: what was put before the end is listed after it.
            let ended_before = self.has_ended();
            let mut listed = objects.list(&bucket, &prefix, self.next, OBJECTS_MAX).await?;
            listed.objects.retain(|object| !self.aside.holds(&object.key));
            let moved = listed.next > self.next;
            self.next = listed.next;
            if !listed.objects.is_empty() {
                return Ok(Read::Rows(self.rows(listed)));
            }
            if moved {
                continue;
            }
            if ended_before {
                return Ok(Read::End);
            }
            let due = self.due();
            tokio::select! {
                biased;
                arrived = objects.arrived(&bucket, self.next) => arrived?,
                () = ended(&mut self.feeders_ended) => {}
                () = due => {}
            }
        }
    }

    async fn commit(
        &mut self,
        _partition: u32,
        upto: u64,
        _resume: Option<Arc<Resume>>,
    ) -> Result<(), Fault> {
        self.positions.store(&self.partition, upto).await
    }

    async fn stop(&mut self) -> Result<(), Fault> {
        self.stopped = true;
        Ok(())
    }

    fn one_partition(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service::local;
    use dsl::plan::{Binding, PlanResource};
    use engine::ctx::SystemClock;
    use engine::testing;
    use std::collections::BTreeMap;

    fn resource(kind: ResourceKind, service: &str, wait: Option<i64>) -> PlanResource {
        let options = wait.map(|wait| ("wait".to_owned(), Value::Duration(wait)));
        let options: BTreeMap<String, Value> = options.into_iter().collect();
        let (name, service) = (service.to_owned(), service.to_owned());
        PlanResource {
            name: name.clone(),
            kind,
            ty: Ty::Ndjson(Box::new(Ty::failure())),
            key: Vec::new(),
            into: (kind == ResourceKind::Delivery).then_some(0),
            binding: Some(Binding { service, name, options }),
            span: Default::default(),
        }
    }

    /// A reader of the bucket that a delivery of the provider fills, which waits for a minute.
    fn fed_by_a_delivery() -> dsl::plan::Plan {
        let mut plan = testing::plan(vec![
            resource(ResourceKind::Bucket, "s3", None),
            resource(ResourceKind::Delivery, "firehose", Some(60_000_000_000)),
        ]);
        let node = |op: &str, kind, resource| dsl::plan::PlanNode {
            resource: Some(resource),
            ..testing::plan_node(op, kind, None, None)
        };
        let write = plan.graph.add_node(node("delivery.write", NodeKind::Sink, 1));
        let mut read = node("bucket.read", NodeKind::Source, 0);
        read.fed_by = vec![write];
        read.options.insert("prefix".into(), Value::Text(String::new()));
        plan.graph.add_node(read);
        plan
    }

    #[tokio::test(start_paused = true)]
    async fn what_a_delivery_still_holds_is_waited_for() {
        let dir = tempfile::tempdir().unwrap();
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
        let plan = Arc::new(fed_by_a_delivery());
        let opened = local::open(dir.path(), &plan, clock.clone()).unwrap();
        let run = engine::ctx::Ctx { clock: clock.clone(), ..testing::ctx() };
        let reader = petgraph::graph::NodeIndex::new(1);
        let (ctx, feeders) = testing::fed(testing::node_ctx_in(&run, &plan, reader));
        let mut read = BucketRead::open(&ctx, opened.services.clone()).await.unwrap();
        assert_eq!(read.late, Duration::from_secs(90));
        feeders.send_replace(true);
        let began_ns = clock.now_ns();
        let objects = opened.services.objects.clone();
        let late = async {
            clock.sleep(Duration::from_secs(70)).await;
            objects.put("s3", "late", "x".into()).await.unwrap();
        };
        let (first, _) = futures::join!(read.read(), late);
        assert!(matches!(first, Ok(Read::Rows(_))));
        assert!(matches!(read.read().await, Ok(Read::End)));
        assert_eq!((clock.now_ns() - began_ns) / 1_000_000_000, 90);
    }
}
