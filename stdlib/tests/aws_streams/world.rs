//! A stream and a table of leases on the strict front, and what the tests do with them.

use arrow_array::{Array, BinaryArray, StringArray};
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_kinesis::config::{Credentials, SharedCredentialsProvider};
use awsfront::{Front, Options, Settings};
use dsl::ast::ResourceKind;
use dsl::plan::{Binding, Plan, PlanResource, Provider};
use dsl::span::Span;
use dsl::spec::NodeKind;
use dsl::ty::{Field, RecordTy, Ty};
use dsl::value::Value;
use engine::batch::Run;
use engine::ctx::NodeCtx;
use engine::testing;
use std::collections::BTreeMap;
use std::sync::Arc;
use stdlib::service::aws::clients::Clients;
use stdlib::service::aws::streams::AwsStreams;
use stdlib::service::{Records, ShardRows, StreamReader, Streams};

/// The stream.
pub const STREAM: &str = "orders";
/// The table of leases.
pub const STATE: &str = "flowc-test";

/// A front, with a stream on it.
pub struct World {
    pub front: Front,
    pub clients: Clients,
    pub ctx: NodeCtx,
}

/// A row that was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Read {
    pub shard: String,
    pub number: u64,
    pub key: String,
    pub payload: String,
}

impl World {
    /// A stream of so many shards, bound with these options.
    pub async fn new(shards: i32, settings: Settings, options: &[(&str, Value)]) -> World {
        let settings = Settings { transition_ms: 0, ..settings };
        let front = awsfront::start(Options { settings, ..Options::default() }).await.unwrap();
        let clients = clients(&front.url());
        let create = clients.kinesis.create_stream().stream_name(STREAM).shard_count(shards);
        create.send().await.unwrap();
        create_table(&clients, STATE).await;
        World { ctx: node_ctx(options), front, clients }
    }

    /// The streams of one process.
    pub fn streams(&self) -> AwsStreams {
        AwsStreams::new(&self.ctx.plan, &self.clients).unwrap()
    }

    /// A reader of one process.
    pub async fn reader(&self) -> Box<dyn StreamReader> {
        self.streams().reader(STREAM, &self.ctx).await.unwrap()
    }

    /// Rules for what fails.
    pub fn rules(&self, rules: &str) {
        self.front.shared.rules.set(rules.as_bytes()).unwrap();
    }

    /// Writes rows as the engine's driver does: what was not taken goes again.
    pub async fn write(&self, records: Records) {
        self.write_by(&self.streams(), records).await;
    }

    /// The same, by streams that are open already.
    pub async fn write_by(&self, streams: &AwsStreams, records: Records) {
        let mut records = records;
        while !records.payloads.is_empty() {
            let appended = streams.append(STREAM, records.clone()).await.unwrap();
            assert_eq!(appended.refused, []);
            assert_eq!(appended.again.is_empty(), appended.fault.is_none());
            records = pick(&records, &appended.again);
        }
    }

    /// Splits the shard in its middle, or merges it with the one beside it.
    pub async fn split(&self, shard: &str) {
        let shards = self.list().await;
        let this = shards.iter().find(|one| one.shard_id == shard).unwrap();
        let range = this.hash_key_range.as_ref().unwrap();
        let ends = [&range.starting_hash_key, &range.ending_hash_key];
        let [first, last] = ends.map(|end| end.parse::<u128>().unwrap());
        let middle = first + (last - first) / 2;
        let split = self.clients.kinesis.split_shard().stream_name(STREAM);
        let split = split.shard_to_split(shard).new_starting_hash_key(middle.to_string());
        split.send().await.unwrap();
    }

    pub async fn merge(&self, shard: &str, other: &str) {
        let merge = self.clients.kinesis.merge_shards().stream_name(STREAM);
        let merge = merge.shard_to_merge(shard).adjacent_shard_to_merge(other);
        merge.send().await.unwrap();
    }

    pub async fn list(&self) -> Vec<aws_sdk_kinesis::types::Shard> {
        let list = self.clients.kinesis.list_shards();
        let mut page = list.clone().stream_name(STREAM).send().await.unwrap();
        let mut shards = page.shards.take().unwrap_or_default();
        while let Some(token) = page.next_token.take() {
            page = list.clone().next_token(token).send().await.unwrap();
            shards.extend(page.shards.take().unwrap_or_default());
        }
        shards
    }

    /// The open shards, by their place on the ring.
    pub async fn open_shards(&self) -> Vec<String> {
        let mut open: Vec<(u128, String)> = self
            .list()
            .await
            .into_iter()
            .filter(|shard| {
                let numbers = shard.sequence_number_range.as_ref();
                numbers.is_none_or(|numbers| numbers.ending_sequence_number.is_none())
            })
            .map(|shard| {
                let first = shard.hash_key_range.unwrap().starting_hash_key.parse();
                (first.unwrap(), shard.shard_id)
            })
            .collect();
        open.sort();
        open.into_iter().map(|(_, shard)| shard).collect()
    }

    /// Forgets all leases.
    pub async fn clear_leases(&self) {
        self.clients.dynamodb.delete_table().table_name(STATE).send().await.unwrap();
        create_table(&self.clients, STATE).await;
    }

    /// The rows of the table of leases, by key: owner and checkpoint.
    pub async fn leases(&self) -> BTreeMap<String, (Option<String>, String)> {
        let scan = self.clients.dynamodb.scan().table_name(STATE).send().await.unwrap();
        let items = scan.items.unwrap_or_default().into_iter();
        let text = |item: &std::collections::HashMap<_, _>, name: &str| {
            let value: Option<&aws_sdk_dynamodb::types::AttributeValue> = item.get(name);
            value.and_then(|value| value.as_s().ok()).cloned()
        };
        let rows = items.filter_map(|item| {
            let at = text(&item, "checkpoint")?;
            Some((text(&item, "leaseKey")?, (text(&item, "leaseOwner"), at)))
        });
        rows.collect()
    }
}

/// Reads until `enough`, or the end; commits what was read.
pub async fn read_until(
    reader: &mut Box<dyn StreamReader>,
    last: bool,
    mut enough: impl FnMut(&[Read]) -> bool,
) -> Vec<Read> {
    let mut all = Vec::new();
    while !enough(&all) {
        let Some(rows) = reader.next(last).await.unwrap() else { break };
        let (shard, end) = (rows.shard, rows.end);
        all.extend(reads(&rows));
        reader.commit(shard, end).await.unwrap();
    }
    all
}

/// The rows of a chunk.
pub fn reads(rows: &ShardRows) -> Vec<Read> {
    let numbers = rows.rows.runs.iter().flat_map(|run| run.first..run.first + u64::from(run.len));
    numbers
        .enumerate()
        .map(|(row, number)| Read {
            shard: rows.partition.name.clone(),
            number,
            key: rows.rows.keys.value(row).to_owned(),
            payload: String::from_utf8(rows.rows.payloads.value(row).to_vec()).unwrap(),
        })
        .collect()
}

/// Rows `first` and on, `{"n":7}`, of so many keys in turns that are not even.
pub fn records(first: u64, len: u64, keys: u64) -> Records {
    let rows = first..first + len;
    let key = |n: u64| format!("k{}", n.wrapping_mul(n).wrapping_add(n / 7) % keys);
    let payloads: Vec<String> = rows.clone().map(|n| format!("{{\"n\":{n}}}")).collect();
    Records {
        payloads: BinaryArray::from_iter_values(payloads),
        keys: Some(StringArray::from_iter_values(rows.map(key))),
        producer: [3; 16],
        runs: vec![Run { first, len: len as u32, arrival_ns: 0 }],
    }
}

/// Only some rows.
pub fn pick(records: &Records, rows: &[usize]) -> Records {
    let numbers: Vec<u64> =
        records.runs.iter().flat_map(|run| run.first..run.first + u64::from(run.len)).collect();
    let keys = records.keys.as_ref();
    Records {
        payloads: BinaryArray::from_iter_values(
            rows.iter().map(|row| records.payloads.value(*row)),
        ),
        keys: keys.map(|keys| rows.iter().map(|row| Some(keys.value(*row))).collect()),
        producer: records.producer,
        runs: rows.iter().map(|row| Run { first: numbers[*row], len: 1, arrival_ns: 0 }).collect(),
    }
}

/// Asserts that every row is there, and that each key's rows are in order, each the first time.
pub fn all_in_order(read: &[Read], rows: u64) {
    let number = |read: &Read| -> u64 {
        let digits = read.payload.trim_start_matches("{\"n\":").trim_end_matches('}');
        digits.parse().unwrap_or_else(|_| panic!("not a row: {}", read.payload))
    };
    let mut seen = std::collections::BTreeSet::new();
    let mut last: BTreeMap<&str, u64> = BTreeMap::new();
    for row in read {
        let n = number(row);
        if seen.insert(n) {
            let before = last.insert(&row.key, n);
            assert!(before.is_none_or(|before| before < n), "key {}: {before:?}, {n}", row.key);
        }
    }
    assert_eq!(seen, (0..rows).collect());
}

fn node_ctx(options: &[(&str, Value)]) -> NodeCtx {
    let field = Field { name: "n".into(), ty: Ty::Int, span: None };
    let record = Ty::Record(RecordTy { fields: vec![field], ..RecordTy::default() });
    let options = options.iter().map(|(name, value)| ((*name).to_owned(), value.clone()));
    let resource = PlanResource {
        name: STREAM.into(),
        kind: ResourceKind::Stream,
        ty: Ty::Json(Box::new(record)),
        key: vec!["n".into()],
        into: None,
        binding: Some(Binding {
            service: "kinesis".into(),
            name: STREAM.into(),
            options: options.collect(),
        }),
        span: Span::default(),
    };
    let mut plan: Plan = testing::plan(vec![resource]);
    plan.provider = Provider { state: Some(STATE.into()), ..Provider::default() };
    let mut node = testing::plan_node("stream.read", NodeKind::Source, None, None);
    node.resource = Some(0);
    let index = plan.graph.add_node(node);
    testing::node_ctx_in(&testing::ctx(), &Arc::new(plan), index)
}

fn clients(url: &str) -> Clients {
    let keys = Credentials::new("test", "test", None, None, "test");
    let config = SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("eu-central-1"))
        .endpoint_url(url)
        .credentials_provider(SharedCredentialsProvider::new(keys))
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .retry_config(aws_config::retry::RetryConfig::disabled())
        .build();
    Clients {
        kinesis: aws_sdk_kinesis::Client::new(&config),
        s3: aws_sdk_s3::Client::new(&config),
        dynamodb: aws_sdk_dynamodb::Client::new(&config),
        firehose: aws_sdk_firehose::Client::new(&config),
        redshift: aws_sdk_redshiftdata::Client::new(&config),
        region: "eu-central-1".into(),
    }
}

/// A table whose key is `leaseKey`.
pub async fn create_table(clients: &Clients, name: &str) {
    use aws_sdk_dynamodb::types::{
        AttributeDefinition, BillingMode, KeySchemaElement, KeyType, ScalarAttributeType,
    };
    let key = KeySchemaElement::builder().attribute_name("leaseKey").key_type(KeyType::Hash);
    let attribute = AttributeDefinition::builder().attribute_name("leaseKey");
    let attribute = attribute.attribute_type(ScalarAttributeType::S);
    let create = clients.dynamodb.create_table().table_name(name);
    let create = create
        .key_schema(key.build().unwrap())
        .attribute_definitions(attribute.build().unwrap())
        .billing_mode(BillingMode::PayPerRequest);
    create.send().await.unwrap();
}
