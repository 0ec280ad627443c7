//! What the credentials may do: each call of a run, tried in a way that changes nothing.
//!
//! A call is either one that only reads, or one that the service must refuse after it has looked at
//! the permissions. Only a refusal of access says anything here; every other answer is well.

use super::wanted::What;
use crate::service::aws::clients::Clients;
use crate::service::aws::errors;
use crate::service::aws::warehouse::{Table, ddl, query};
use aws_sdk_dynamodb::types::{AttributeValue, ScalarAttributeType};
use aws_sdk_kinesis::types::{ShardIteratorType, StartingPosition};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use engine::fault::Fault;
use std::error::Error;

/// Something that the credentials may not do.
#[derive(Debug)]
pub struct Denied {
    /// The permission that is missing: `kinesis:PutRecords`, `insert`.
    pub action: String,
    /// The service's words.
    pub said: String,
}

/// What a run does with a thing, by the verbs of the nodes.
#[derive(Clone, Copy, Debug, Default)]
pub struct Uses {
    /// `read`
    pub reads: bool,
    /// `write`, `put`, `append`, `upsert`, `copy`
    pub writes: bool,
    /// It is the table of leases and positions.
    pub is_state: bool,
    /// A writer packs records by shards.
    pub packs: bool,
    /// A reader is a consumer of its own.
    pub fans_out: bool,
}

/// A key that no item and no object has.
const NOBODY: &str = "flowc/check/no-such-key";
/// No item can be there and not be there.
const NEVER: &str = "attribute_exists(#k) AND attribute_not_exists(#k)";

/// Codes of a refusal of access.
pub fn is_denied(fault: &Fault) -> bool {
    let codes = [
        "AccessDenied",
        "AccessDeniedException",
        "UnauthorizedOperation",
        "NotAuthorized",
        "http_403",
        "warehouse_denied",
    ];
    codes.contains(&fault.code.as_str())
}

/// What the credentials may not do with one thing that is there.
///
/// # Errors
/// The service cannot be asked at all.
pub async fn denied(clients: &Clients, what: &What, uses: Uses) -> Result<Vec<Denied>, Fault> {
    let mut all = Vec::new();
    match what {
        What::Bucket(bucket) => in_bucket(clients, bucket, uses, &mut all).await,
        What::Items { table, keys } => in_items(clients, table, keys, uses, &mut all).await,
        What::Stream { stream, .. } => in_stream(clients, stream, uses, &mut all).await,
        What::Delivery(delivery) if uses.writes => {
            let call = clients.firehose.put_record_batch().delivery_stream_name(&delivery.name);
            let sent = call.set_records(Some(Vec::new())).send().await;
            note(&mut all, "firehose:PutRecordBatch", sent);
        }
        What::Delivery(_) => {}
        What::Rows(table) => in_rows(table, &table.name, uses, &mut all).await?,
        What::History(table) => in_rows(table, ddl::HISTORY, uses, &mut all).await?,
    }
    Ok(all)
}

fn note<T, E>(all: &mut Vec<Denied>, action: &str, told: Result<T, SdkError<E, HttpResponse>>)
where
    E: ProvideErrorMetadata + Error + 'static,
{
    let Err(error) = told else { return };
    let fault = errors::fault(action, error);
    if is_denied(&fault) {
        let said = fault.message.trim_start_matches(&format!("cannot {action}: ")).to_owned();
        all.push(Denied { action: action.to_owned(), said });
    }
}

/// Puts a file only where one of a content that nobody has is there.
async fn in_bucket(clients: &Clients, bucket: &str, uses: Uses, all: &mut Vec<Denied>) {
    if uses.reads {
        let listed = clients.s3.list_objects_v2().bucket(bucket).max_keys(1).send().await;
        note(all, "s3:ListBucket", listed);
    }
    if uses.writes {
        let put = clients.s3.put_object().bucket(bucket).key(NOBODY);
        let put = put.if_match("\"00000000000000000000000000000000\"").send().await;
        note(all, "s3:PutObject", put);
        let got = clients.s3.get_object().bucket(bucket).key(NOBODY).send().await;
        // Who may not list either is told that of every object that is not there.
        if got.as_ref().is_err_and(|error| error.code() != Some("NoSuchKey"))
            && clients.s3.list_objects_v2().bucket(bucket).max_keys(1).send().await.is_ok()
        {
            note(all, "s3:GetObject", got);
        }
    }
}

/// Changes an item under a condition that cannot hold.
async fn in_items(
    clients: &Clients,
    table: &str,
    keys: &[(String, ScalarAttributeType)],
    uses: Uses,
    all: &mut Vec<Denied>,
) {
    let value = |ty: &ScalarAttributeType| match ty {
        ScalarAttributeType::N => AttributeValue::N("0".into()),
        ScalarAttributeType::B => AttributeValue::B(NOBODY.as_bytes().into()),
        _ => AttributeValue::S(NOBODY.into()),
    };
    let key: std::collections::HashMap<String, AttributeValue> =
        keys.iter().map(|(name, ty)| (name.clone(), value(ty))).collect();
    let first = keys.first().map_or("", |(name, _)| name.as_str());
    let dynamodb = &clients.dynamodb;
    if uses.writes || uses.is_state {
        let call = dynamodb.update_item().table_name(table).set_key(Some(key.clone()));
        let call = call.condition_expression(NEVER).expression_attribute_names("#k", first);
        note(all, "dynamodb:UpdateItem", call.send().await);
    }
    if uses.is_state {
        let call = dynamodb.get_item().table_name(table).set_key(Some(key.clone()));
        note(all, "dynamodb:GetItem", call.send().await);
        let call = dynamodb.put_item().table_name(table).set_item(Some(key.clone()));
        let call = call.condition_expression(NEVER).expression_attribute_names("#k", first);
        note(all, "dynamodb:PutItem", call.send().await);
        let call = dynamodb.delete_item().table_name(table).set_key(Some(key));
        let call = call.condition_expression(NEVER).expression_attribute_names("#k", first);
        note(all, "dynamodb:DeleteItem", call.send().await);
        let call = dynamodb.scan().table_name(table).limit(1);
        note(all, "dynamodb:Scan", call.send().await);
    }
}

/// Writes no records; reads one.
async fn in_stream(clients: &Clients, stream: &str, uses: Uses, all: &mut Vec<Denied>) {
    let kinesis = &clients.kinesis;
    if uses.writes {
        let call = kinesis.put_records().stream_name(stream).set_records(Some(Vec::new()));
        note(all, "kinesis:PutRecords", call.send().await);
    }
    if !uses.reads && !uses.packs {
        return;
    }
    let listed = kinesis.list_shards().stream_name(stream).max_results(1).send().await;
    let shard = listed.as_ref().ok().and_then(|listed| listed.shards().first());
    let shard = shard.map(|shard| shard.shard_id.clone());
    note(all, "kinesis:ListShards", listed);
    let Some(shard) = shard.filter(|_| uses.reads) else { return };
    if uses.fans_out {
        return in_consumer(clients, stream, &shard, all).await;
    }
    let call = kinesis.get_shard_iterator().stream_name(stream).shard_id(shard);
    let begun = call.shard_iterator_type(ShardIteratorType::TrimHorizon).send().await;
    let iterator = begun.as_ref().ok().and_then(|begun| begun.shard_iterator.clone());
    note(all, "kinesis:GetShardIterator", begun);
    if let Some(iterator) = iterator {
        let read = kinesis.get_records().shard_iterator(iterator).limit(1).send().await;
        note(all, "kinesis:GetRecords", read);
    }
}

/// Asks for a consumer that is not there, and registers one whose name cannot be.
async fn in_consumer(clients: &Clients, stream: &str, shard: &str, all: &mut Vec<Denied>) {
    let kinesis = &clients.kinesis;
    let told = kinesis.describe_stream_summary().stream_name(stream).send().await;
    let summary = told.ok().and_then(|told| told.stream_description_summary);
    let Some(arn) = summary.map(|summary| summary.stream_arn) else { return };
    let call = kinesis.describe_stream_consumer().stream_arn(&arn);
    let told = call.consumer_name("flowc-check-no-such-consumer").send().await;
    note(all, "kinesis:DescribeStreamConsumer", told);
    let call = kinesis.register_stream_consumer().stream_arn(&arn).consumer_name(NOBODY);
    note(all, "kinesis:RegisterStreamConsumer", call.send().await);
    let consumer = format!("{arn}/consumer/flowc-check-no-such-consumer:1");
    let call = kinesis.subscribe_to_shard().consumer_arn(consumer).shard_id(shard);
    let latest = StartingPosition::builder().r#type(ShardIteratorType::Latest).build();
    if let Ok(latest) = latest {
        let told = call.starting_position(latest).send().await;
        note(all, "kinesis:SubscribeToShard", told.map(drop));
    }
}

/// Asks the database for the rights on a table.
async fn in_rows(
    table: &Table,
    name: &str,
    uses: Uses,
    all: &mut Vec<Denied>,
) -> Result<(), Fault> {
    let rights: &[&str] =
        if uses.writes { &["select", "insert", "update", "delete"] } else { &["select"] };
    let name = name.to_lowercase();
    let right =
        |right: &&str| format!("has_table_privilege({}, '{right}')", ddl::text(&ddl::name(&name)));
    let selects: Vec<String> = rights.iter().map(right).collect();
    let answer = table.api.rows(&format!("select {}", selects.join(", ")), 1).await?;
    let Some(row) = answer.rows.first() else { return Ok(()) };
    for (right, field) in rights.iter().zip(row) {
        if ["false", "f"].contains(&query::text(field).as_str()) {
            let said = format!("grant {right} on {} to …", ddl::name(&name));
            all.push(Denied { action: (*right).to_owned(), said });
        }
    }
    Ok(())
}
