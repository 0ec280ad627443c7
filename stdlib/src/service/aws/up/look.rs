//! What is there, compared with what is wanted.

use super::columns;
use super::wanted::{DeliveryStream, What};
use crate::service::aws::clients::Clients;
use crate::service::aws::tried::tried;
use aws_sdk_dynamodb::types::{KeyType, ScalarAttributeType, TableStatus};
use aws_sdk_firehose::types::DeliveryStreamStatus;
use aws_sdk_kinesis::types::StreamStatus;
use engine::fault::Fault;

/// What is there.
#[derive(Debug, PartialEq)]
pub enum Found {
    /// Nothing.
    Missing,
    /// It.
    There {
        /// Its status, where it cannot be used (yet).
        waits: Option<String>,
        /// What is not as it should be.
        differs: Vec<Difference>,
    },
}

/// Something that is not as it should be.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Difference {
    /// What.
    pub said: String,
    /// What to do.
    pub help: String,
    /// The declared field that it is about.
    pub field: Option<String>,
    /// A run goes well nevertheless.
    pub harmless: bool,
}

impl Found {
    fn there(waits: Option<String>, differs: Vec<Difference>) -> Found {
        Found::There { waits, differs }
    }
}

/// Looks at one thing.
///
/// # Errors
/// The service cannot be asked, or does not tell.
pub async fn look(clients: &Clients, what: &What) -> Result<Found, Fault> {
    let asked = format!("look at {what}");
    let found = match what {
        What::Bucket(bucket) => look_at_bucket(clients, bucket, &asked).await,
        What::Items { table, keys } => look_at_items(clients, table, keys, &asked).await,
        What::Stream { stream, shards } => look_at_stream(clients, stream, *shards, &asked).await,
        What::Delivery(delivery) => look_at_delivery(clients, delivery, &asked).await,
        What::Rows(table) => columns::look_at_rows(table).await,
        What::History(table) => columns::look_at_history(table).await,
    };
    match found {
        Err(fault) if is_missing(&fault) => Ok(Found::Missing),
        found => found,
    }
}

/// Whether a fault says that something is not there.
pub fn is_missing(fault: &Fault) -> bool {
    let codes = ["ResourceNotFoundException", "NotFound", "NoSuchBucket", "http_404"];
    codes.contains(&fault.code.as_str())
}

async fn look_at_bucket(clients: &Clients, bucket: &str, asked: &str) -> Result<Found, Fault> {
    let told = tried(asked, || clients.s3.head_bucket().bucket(bucket).send()).await;
    let region = match told {
        Ok(told) => told.bucket_region,
        Err(fault) if ["http_301", "PermanentRedirect"].contains(&fault.code.as_str()) => {
            let said = "it is in another region".to_owned();
            let help = "Firehose and COPY take a bucket of their own region: use another".into();
            let difference = Difference { said, help, ..Difference::default() };
            return Ok(Found::there(None, vec![difference]));
        }
        Err(fault) => return Err(fault),
    };
    let mut differs = Vec::new();
    if let Some(region) = region.filter(|region| *region != clients.region) {
        let said = format!("it is in {region}, and the profile says {}", clients.region);
        let help = "COPY takes a bucket of its own region".to_owned();
        differs.push(Difference { said, help, ..Difference::default() });
    }
    Ok(Found::there(None, differs))
}

async fn look_at_items(
    clients: &Clients,
    table: &str,
    keys: &[(String, ScalarAttributeType)],
    asked: &str,
) -> Result<Found, Fault> {
    let told = tried(asked, || clients.dynamodb.describe_table().table_name(table).send()).await?;
    let Some(there) = told.table else { return Ok(Found::Missing) };
    let waits = match there.table_status {
        Some(TableStatus::Active | TableStatus::Updating) | None => None,
        Some(status) => Some(status.as_str().to_owned()),
    };
    let types = there.attribute_definitions.unwrap_or_default();
    let schema = there.key_schema.unwrap_or_default();
    let role = |role: KeyType| schema.iter().find(|key| key.key_type == role);
    let own: Vec<(String, String)> = [role(KeyType::Hash), role(KeyType::Range)]
        .into_iter()
        .flatten()
        .map(|key| {
            let is = |ty: &&aws_sdk_dynamodb::types::AttributeDefinition| {
                ty.attribute_name == key.attribute_name
            };
            let ty = types.iter().find(is).map_or("?", |ty| ty.attribute_type.as_str());
            (key.attribute_name.clone(), ty.to_owned())
        })
        .collect();
    let wanted: Vec<(String, String)> =
        keys.iter().map(|(name, ty)| (name.clone(), ty.as_str().to_owned())).collect();
    let mut differs = Vec::new();
    if own != wanted {
        let shown = |keys: &[(String, String)]| {
            let keys: Vec<String> =
                keys.iter().map(|(name, ty)| format!("{name} ({ty})")).collect();
            keys.join(", ")
        };
        let said = format!("its key is {}, and the file declares {}", shown(&own), shown(&wanted));
        let help = "bind another table, or declare its key; a key cannot be changed".to_owned();
        let field = keys.first().map(|(name, _)| name.clone());
        differs.push(Difference { said, help, field, harmless: false });
    }
    Ok(Found::there(waits, differs))
}

async fn look_at_stream(
    clients: &Clients,
    stream: &str,
    shards: i64,
    asked: &str,
) -> Result<Found, Fault> {
    let told =
        tried(asked, || clients.kinesis.describe_stream_summary().stream_name(stream).send())
            .await?;
    let Some(there) = told.stream_description_summary else { return Ok(Found::Missing) };
    let waits = match there.stream_status {
        StreamStatus::Active | StreamStatus::Updating => None,
        status => Some(status.as_str().to_owned()),
    };
    let mut differs = Vec::new();
    let open = i64::from(there.open_shard_count);
    let on_demand = there
        .stream_mode_details
        .is_some_and(|mode| mode.stream_mode == aws_sdk_kinesis::types::StreamMode::OnDemand);
    if open != shards && !on_demand && waits.is_none() {
        differs.push(Difference {
            said: format!("it has {open} open shards, and the file says {shards}"),
            help: "it works; `aws kinesis update-shard-count` changes it".into(),
            field: None,
            harmless: true,
        });
    }
    Ok(Found::there(waits, differs))
}

async fn look_at_delivery(
    clients: &Clients,
    wanted: &DeliveryStream,
    asked: &str,
) -> Result<Found, Fault> {
    let told = tried(asked, || {
        clients.firehose.describe_delivery_stream().delivery_stream_name(&wanted.name).send()
    })
    .await?;
    let Some(there) = told.delivery_stream_description else { return Ok(Found::Missing) };
    let waits = match there.delivery_stream_status {
        DeliveryStreamStatus::Active => None,
        status => Some(status.as_str().to_owned()),
    };
    let destination = there.destinations.into_iter().next();
    let s3 = destination.and_then(|destination| destination.extended_s3_destination_description);
    let mut differs = Vec::new();
    let mut differ = |said: String, harmless: bool| {
        let help = "change it in Firehose, or change the file".to_owned();
        differs.push(Difference { said, help, field: None, harmless });
    };
    let Some(s3) = s3 else {
        differ("it does not fill a bucket of S3".into(), false);
        return Ok(Found::there(waits, differs));
    };
    let bucket = s3.bucket_arn.rsplit(":::").next().unwrap_or_default();
    let prefix = s3.prefix.unwrap_or_default();
    if (bucket, prefix.as_str()) != (&*wanted.place.bucket, &*wanted.place.prefix) {
        let (own, other) = (&wanted.place.bucket, &wanted.place.prefix);
        let said =
            format!("it fills `s3://{bucket}/{prefix}`, and the file says `s3://{own}/{other}`");
        differ(said, false);
    }
    if let Some(hints) = s3.buffering_hints {
        let (size, wait) = (hints.size_in_mbs, hints.interval_in_seconds);
        if (size, wait) != (Some(wanted.size_mib), Some(wanted.wait_s)) {
            let shown = |number: Option<i32>| number.map_or("?".into(), |n| n.to_string());
            let said = format!(
                "it gathers {} MiB or {} s, and the file says {} MiB or {} s",
                shown(size),
                shown(wait),
                wanted.size_mib,
                wanted.wait_s
            );
            differ(said, true);
        }
    }
    Ok(Found::there(waits, differs))
}
