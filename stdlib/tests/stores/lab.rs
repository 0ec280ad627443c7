//! A front of its own for each test, with clients of it and the table of the state.

use awsfront::{Front, Options};
use dsl::plan::{Plan, Provider};
use engine::ctx::{Clock, SystemClock};
use serde_json::{Value, json};
use std::sync::Arc;
use stdlib::service::aws::clients::Clients;
use stdlib::service::aws::state::StateTable;

/// A front and what talks to it.
pub struct Lab {
    front: Front,
    pub clients: Clients,
    pub plan: Plan,
    pub clock: Arc<dyn Clock>,
}

impl Lab {
    /// With the state table, and without anything else.
    pub async fn new() -> Lab {
        let lab = Lab::without_state().await;
        lab.make_table("flowc-shop", "leaseKey").await;
        lab
    }

    /// With nothing.
    pub async fn without_state() -> Lab {
        let settings = awsfront::Settings { transition_ms: 0, ..Default::default() };
        let front = awsfront::start(Options { settings, ..Options::default() }).await.unwrap();
        let provider = Provider {
            region: Some("eu-central-1".into()),
            endpoint: Some(front.url()),
            state: Some("flowc-shop".into()),
            spill: None,
        };
        let clients = Clients::with_key(&provider, "test", "test").await.unwrap();
        let (file, profile) = ("shop.flow".into(), "aws".into());
        let plan = Plan { file, profile, provider, ..Plan::default() };
        Lab { front, clients, plan, clock: Arc::new(SystemClock::new()) }
    }

    /// The checkpoints, as a new process opens them.
    pub fn state(&self) -> Arc<StateTable> {
        let dynamodb = self.clients.dynamodb.clone();
        Arc::new(StateTable::new(dynamodb, &self.plan, self.clock.clone()))
    }

    /// Makes a table with a text key.
    pub async fn make_table(&self, name: &str, key: &str) {
        use aws_sdk_dynamodb::types::{
            AttributeDefinition, BillingMode, KeySchemaElement, KeyType, ScalarAttributeType,
        };
        let schema = KeySchemaElement::builder().attribute_name(key).key_type(KeyType::Hash);
        let attribute = AttributeDefinition::builder().attribute_name(key);
        let attribute = attribute.attribute_type(ScalarAttributeType::S).build().unwrap();
        let create = self.clients.dynamodb.create_table().table_name(name);
        let create = create.billing_mode(BillingMode::PayPerRequest);
        let create = create.key_schema(schema.build().unwrap()).attribute_definitions(attribute);
        create.send().await.unwrap();
    }

    /// Makes a bucket.
    pub async fn make_bucket(&self, name: &str) {
        use aws_sdk_s3::types::{BucketLocationConstraint, CreateBucketConfiguration};
        let place = CreateBucketConfiguration::builder();
        let place = place.location_constraint(BucketLocationConstraint::EuCentral1).build();
        let create = self.clients.s3.create_bucket().bucket(name);
        create.create_bucket_configuration(place).send().await.unwrap();
    }

    /// How many uploads in parts are neither completed nor aborted.
    pub async fn uploads(&self, bucket: &str) -> usize {
        let list = self.clients.s3.list_multipart_uploads().bucket(bucket).send().await.unwrap();
        list.uploads().len()
    }

    /// Keys that one page of a listing has at most.
    pub fn objects_page(&self, objects_page: usize) {
        let settings = awsfront::Settings { objects_page, ..self.front.shared.settings() };
        self.front.shared.set_settings(settings);
    }

    /// Moves the front's clock.
    pub fn advance(&self, ms: i64) {
        self.front.shared.clock.advance(ms);
    }

    /// From now on calls fail by these rules.
    pub fn rules(&self, rules: Value) {
        self.front.shared.rules.set(rules.to_string().as_bytes()).unwrap();
    }

    /// A count of `service.Operation`.
    pub fn count(&self, call: &str, what: &str) -> u64 {
        self.front.shared.calls.json()[call][what].as_u64().unwrap_or(0)
    }
}

/// A rule.
pub fn rule(service: &str, operation: &str, nth: u64, action: Value) -> Value {
    json!({ "service": service, "operation": operation, "nth": nth, "action": action })
}
