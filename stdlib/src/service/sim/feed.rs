//! Input for sources that nothing in the plan feeds: made-up records for streams and servers, at
//! the pace of the course.

use super::made::Maker;
use super::{Cloud, Shared, lock};
use crate::http::net::Net;
use crate::http::row_headers::{PRODUCER, ROWS, producer_text};
use crate::service::{Records, physical_name};
use arrow_array::{BinaryArray, StringArray};
use bytes::Bytes;
use dsl::plan::{Plan, PlanNode};
use dsl::ty::{RecordTy, Ty};
use engine::batch::Run;
use engine::sim::{Touch, World};
use http_body_util::Full;
use hyper::header::CONTENT_TYPE;
use hyper::{Request, Uri};
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;

/// Records that each source gets.
const RECORDS: usize = 2_000;
/// They come in so many portions.
const PORTIONS: usize = 100;
/// How long the feed waits before it sends a portion again.
const AGAIN: Duration = Duration::from_secs(1);
/// How long it waits for an answer.
const PATIENCE: Duration = Duration::from_secs(30);

/// All sources that are to be fed.
pub struct Feed {
    targets: Vec<Target>,
    long: Duration,
    /// The next portion of each target.
    next: Shared<Vec<usize>>,
}

struct Target {
    place: Place,
    records: Vec<Vec<u8>>,
    keys: Option<Vec<String>>,
    producer: [u8; 16],
}

enum Place {
    Stream(String),
    Server(Uri),
}

/// What of a plan cannot be simulated, as sentences.
pub fn undriven(plan: &Plan) -> Vec<String> {
    let lone = lone(plan).filter(|node| Target::of(plan, node).is_none());
    let told =
        lone.map(|node| format!("`{}` gets no input: no records can be made up for it", node.id));
    let spills = plan.graph.node_weights().filter(|node| node.op == "spill");
    let spills = spills.map(|node| format!("the buffer of `{}` is on a real disk", node.id));
    told.chain(spills).collect()
}

/// The nodes that get made-up records.
pub fn driven(plan: &Plan) -> Vec<String> {
    let lone = lone(plan).filter(|node| Target::of(plan, node).is_some());
    lone.map(|node| node.id.clone()).collect()
}

/// Sources that nothing feeds, and that have no end of their own.
fn lone(plan: &Plan) -> impl Iterator<Item = &PlanNode> {
    plan.graph.node_weights().filter(|node| {
        matches!(node.op.as_str(), "stream.read" | "http.serve" | "bucket.read")
            && node.fed_by.is_empty()
    })
}

impl Feed {
    /// For a plan, over so long a time.
    pub fn of(plan: &Plan, long: Duration) -> Feed {
        let mut targets: Vec<Target> = Vec::new();
        for target in lone(plan).filter_map(|node| Target::of(plan, node)) {
            if !targets.iter().any(|other| other.producer == target.producer) {
                targets.push(target);
            }
        }
        let next = Shared::new(vec![0; targets.len()].into());
        Feed { targets, long, next }
    }

    /// Some source has no end of its own.
    pub fn is_needed(&self) -> bool {
        !self.targets.is_empty()
    }

    /// Everything was taken.
    pub fn is_through(&self) -> bool {
        lock(&self.next).iter().all(|next| *next >= PORTIONS)
    }

    /// Feeds all of them, from where an earlier life has come to.
    pub async fn run(self: Arc<Feed>, world: World, cloud: Cloud, net: Arc<dyn Net>) {
        let targets = (0..self.targets.len()).map(|at| self.feed(at, &world, &cloud, &*net));
        futures::future::join_all(targets).await;
    }

    async fn feed(&self, at: usize, world: &World, cloud: &Cloud, net: &dyn Net) {
        let target = &self.targets[at];
        loop {
            let portion = lock(&self.next)[at];
            if portion >= PORTIONS {
                return;
            }
            world.until(self.long.mul_f64(portion as f64 / PORTIONS as f64)).await;
            let rows = RECORDS / PORTIONS;
            let rows = portion * rows..(portion + 1) * rows;
            while !target.send(rows.clone(), world, cloud, net).await {
                tokio::time::sleep(AGAIN).await;
            }
            lock(&self.next)[at] = portion + 1;
        }
    }
}

impl Target {
    fn of(plan: &Plan, node: &PlanNode) -> Option<Target> {
        let (place, name, ty, key) = match node.op.as_str() {
            "stream.read" => {
                let resource = &plan.resources[node.resource?];
                let name = physical_name(resource).ok()?.to_owned();
                (Place::Stream(name.clone()), name, resource.ty.clone(), resource.key.clone())
            }
            "http.serve" => {
                let own = plan.graph.node_indices().find(|at| plan.graph[*at].id == node.id)?;
                let decoder =
                    plan.graph.neighbors(own).find(|at| plan.graph[*at].op == "json.decode")?;
                let record = plan.graph[decoder].output.clone()?;
                let listen = node.text("listen");
                let uri = format!("http://{listen}{}", node.text("path")).parse().ok()?;
                (Place::Server(uri), listen.to_owned(), Ty::Json(Box::new(record)), Vec::new())
            }
            _ => return None,
        };
        let record = match &ty {
            Ty::Json(record) => record.record(),
            _ => None,
        };
        let hash = blake3::hash(format!("made up for {name}").as_bytes());
        let mut producer = [0; 16];
        producer.copy_from_slice(&hash.as_bytes()[..16]);
        let (records, keys) = made(&name, record, &key);
        Some(Target { place, records, keys, producer })
    }

    /// Sends some records; true when they are taken.
    async fn send(
        &self,
        rows: std::ops::Range<usize>,
        world: &World,
        cloud: &Cloud,
        net: &dyn Net,
    ) -> bool {
        match &self.place {
            Place::Stream(stream) => {
                let Some(stream) = cloud.streams.get(stream) else { return true };
                let keys = self
                    .keys
                    .as_ref()
                    .map(|keys| StringArray::from_iter_values(&keys[rows.clone()]));
                let run = Run { first: rows.start as u64, len: rows.len() as u32, arrival_ns: 0 };
                let records = Records {
                    payloads: BinaryArray::from_iter_values(&self.records[rows]),
                    keys,
                    producer: self.producer,
                    runs: vec![run],
                };
                lock(stream).append(&records, &mut Touch::none(), world.wall_ns(), None);
                world.event("feed", &[run.first]);
                true
            }
            Place::Server(uri) => self.post(uri, rows, net).await,
        }
    }

    async fn post(&self, uri: &Uri, rows: std::ops::Range<usize>, net: &dyn Net) -> bool {
        let Ok(connector) = net.connector(uri) else { return false };
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .build::<_, Full<Bytes>>(connector);
        let body = self.records[rows.clone()].join(&b'\n');
        let request = Request::post(uri.clone())
            .header(CONTENT_TYPE, "application/x-ndjson")
            .header(PRODUCER, producer_text(&self.producer))
            .header(ROWS, format!("{}-{}", rows.start, rows.end - 1))
            .body(Full::new(Bytes::from(body)));
        let Ok(request) = request else { return false };
        let answer = tokio::time::timeout(PATIENCE, client.request(request)).await;
        // Rows that are refused have been taken note of.
        matches!(answer, Ok(Ok(answer)) if answer.status().as_u16() < 429)
    }
}

/// The records of a source, with their keys where it has some.
fn made(name: &str, ty: Option<&RecordTy>, key: &[String]) -> (Vec<Vec<u8>>, Option<Vec<String>>) {
    let mut maker = Maker::new(name);
    let Some(ty) = ty else {
        return ((0..RECORDS).map(|_| maker.line().into_bytes()).collect(), None);
    };
    let (mut records, mut keys) = (Vec::new(), Vec::new());
    for _ in 0..RECORDS {
        let record = maker.record(ty, key);
        let part = |name: &String| match record.get(name) {
            Some(Value::String(text)) => text.clone(),
            Some(value) => value.to_string(),
            None => String::new(),
        };
        keys.push(key.iter().map(part).collect::<Vec<_>>().join("|"));
        records.push(Value::Object(record).to_string().into_bytes());
    }
    (records, (!key.is_empty()).then_some(keys))
}
