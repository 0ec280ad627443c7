//! Making what is missing.

use super::look::{Found, look};
use super::wanted::{DeliveryStream, NO_ROLE, What};
use crate::service::aws::clients::Clients;
use crate::service::aws::tried::tried;
use crate::service::aws::warehouse::{Table, ddl};
use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, KeySchemaElement, KeyType, ScalarAttributeType,
};
use aws_sdk_firehose::types::{
    BufferingHints, DeliveryStreamType, ExtendedS3DestinationConfiguration,
};
use aws_sdk_s3::types::{BucketLocationConstraint, CreateBucketConfiguration};
use engine::ctx::{Clock, SystemClock};
use engine::fault::Fault;
use std::time::Duration;

/// How long a new thing may take until it can be used.
const READY_NS: i64 = 600_000_000_000;
/// Between two looks at it.
const PAUSE: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));

/// What another has made in between is made.
const THERE: [&str; 2] = ["ResourceInUseException", "BucketAlreadyOwnedByYou"];

/// Makes one thing and waits until it can be used.
///
/// # Errors
/// The service refuses, or it takes over ten minutes.
pub async fn make(clients: &Clients, what: &What) -> Result<(), Fault> {
    let asked = format!("make {what}");
    let made = match what {
        What::Bucket(bucket) => make_bucket(clients, bucket, &asked).await,
        What::Items { table, keys } => make_items(clients, table, keys, &asked).await,
        What::Stream { stream, shards } => make_stream(clients, stream, *shards, &asked).await,
        What::Delivery(delivery) => make_delivery(clients, delivery, &asked).await,
        What::Rows(table) => {
            statement(table, ddl::create(&table.name, &table.record), &asked).await
        }
        What::History(table) => statement(table, ddl::create_history(), &asked).await,
    };
    match made {
        Err(fault) if !THERE.contains(&fault.code.as_str()) => return Err(fault),
        _ => {}
    }
    let clock = SystemClock::new();
    let (since_ns, mut pause) = (clock.now_ns(), PAUSE.0);
    while clock.now_ns() - since_ns < READY_NS {
        match look(clients, what).await? {
            Found::There { waits: None, .. } => return Ok(()),
            Found::There { waits: Some(status), .. } if status.contains("FAILED") => {
                let message = format!("cannot {asked}: its status is {status}");
                return Err(Fault::service("not_made", message)
                    .help("look at it in the console of AWS, which says why"));
            }
            _ => clock.sleep(pause).await,
        }
        pause = (pause * 2).min(PAUSE.1);
    }
    let message = format!("{what} is not ready after ten minutes");
    Err(Fault::service("not_made", message).help("run `flowc up` again: it goes on from here"))
}

async fn make_bucket(clients: &Clients, bucket: &str, asked: &str) -> Result<(), Fault> {
    // The first region is the one that is not named.
    let place = (clients.region != "us-east-1").then(|| {
        let region = BucketLocationConstraint::from(clients.region.as_str());
        CreateBucketConfiguration::builder().location_constraint(region).build()
    });
    tried(asked, || {
        let call = clients.s3.create_bucket().bucket(bucket);
        call.set_create_bucket_configuration(place.clone()).send()
    })
    .await
    .map(|_| ())
}

fn request(asked: &str, error: impl std::fmt::Display) -> Fault {
    Fault::service("request_invalid", format!("cannot {asked}: {error}"))
}

async fn make_items(
    clients: &Clients,
    table: &str,
    keys: &[(String, ScalarAttributeType)],
    asked: &str,
) -> Result<(), Fault> {
    let (mut schema, mut types) = (Vec::new(), Vec::new());
    for ((name, ty), role) in keys.iter().zip([KeyType::Hash, KeyType::Range]) {
        let key = KeySchemaElement::builder().attribute_name(name).key_type(role).build();
        schema.push(key.map_err(|error| request(asked, error))?);
        let typed =
            AttributeDefinition::builder().attribute_name(name).attribute_type(ty.clone()).build();
        types.push(typed.map_err(|error| request(asked, error))?);
    }
    tried(asked, || {
        let call = clients.dynamodb.create_table().table_name(table);
        call.billing_mode(BillingMode::PayPerRequest)
            .set_key_schema(Some(schema.clone()))
            .set_attribute_definitions(Some(types.clone()))
            .send()
    })
    .await
    .map(|_| ())
}

async fn make_stream(
    clients: &Clients,
    stream: &str,
    shards: i64,
    asked: &str,
) -> Result<(), Fault> {
    let shards = i32::try_from(shards).map_err(|error| request(asked, error))?;
    tried(asked, || clients.kinesis.create_stream().stream_name(stream).shard_count(shards).send())
        .await
        .map(|_| ())
}

async fn make_delivery(
    clients: &Clients,
    delivery: &DeliveryStream,
    asked: &str,
) -> Result<(), Fault> {
    let Some(role) = &delivery.role else {
        let message = format!("cannot {asked}: {NO_ROLE}");
        return Err(Fault::service("no_role", message).help("then run `flowc up` again"));
    };
    let partition = match clients.region.split('-').next().unwrap_or_default() {
        "cn" => "aws-cn",
        _ if clients.region.starts_with("us-gov-") => "aws-us-gov",
        _ => "aws",
    };
    let hints = BufferingHints::builder()
        .size_in_mbs(delivery.size_mib)
        .interval_in_seconds(delivery.wait_s)
        .build();
    let prefix = &delivery.place.prefix;
    let destination = ExtendedS3DestinationConfiguration::builder()
        .role_arn(role)
        .bucket_arn(format!("arn:{partition}:s3:::{}", delivery.place.bucket))
        .set_prefix((!prefix.is_empty()).then(|| prefix.clone()))
        .buffering_hints(hints)
        .build()
        .map_err(|error| request(asked, error))?;
    tried(asked, || {
        let call = clients.firehose.create_delivery_stream();
        call.delivery_stream_name(&delivery.name)
            .delivery_stream_type(DeliveryStreamType::DirectPut)
            .extended_s3_destination_configuration(destination.clone())
            .send()
    })
    .await
    .map(|_| ())
}

/// Runs a statement that makes something. Its token is its own, so that what was made earlier and
/// is gone by now is made again.
async fn statement(table: &Table, sql: String, asked: &str) -> Result<(), Fault> {
    let token = format!("{:032x}{:032x}", fastrand::u128(..), fastrand::u128(..));
    let ended = table.api.run(&[sql], &token).await?;
    match ended.failure {
        None => Ok(()),
        Some(failure) if failure.message.contains("already exists") => Ok(()),
        Some(failure) => Err(failure.fault(asked)),
    }
}
