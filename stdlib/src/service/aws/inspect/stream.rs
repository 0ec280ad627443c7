//! What a stream holds.

use crate::service::aws::clients::Clients;
use crate::service::aws::tried::tried;
use crate::service::inspect::{Shown, paged, readable};
use aws_sdk_kinesis::types::ShardIteratorType;
use dsl::value::Value;
use engine::fault::Fault;
use std::sync::Arc;
use tokio::runtime::Runtime;

/// Records of one read.
const PAGE: i32 = 100;

/// Where a reader stands: the shard's number, and the iterator in it.
#[derive(Clone, Default)]
struct Place {
    shard: usize,
    iterator: Option<String>,
}

/// The records of a stream that are not expired, shard by shard, up to the newest.
pub fn show(runtime: Arc<Runtime>, clients: Clients, stream: &str) -> Result<Shown, Fault> {
    let stream = stream.to_owned();
    let shards = runtime.block_on(shards(&clients, &stream))?;
    let columns = ["shard", "sequence", "arrival", "key", "payload"].map(String::from).to_vec();
    let what = format!("read stream `{stream}`");
    let rows = paged(Place::default(), move |place| {
        let mut place = place.clone();
        loop {
            let Some(shard) = shards.get(place.shard) else { return Ok(Vec::new()) };
            let iterator = match place.iterator.take() {
                Some(iterator) => iterator,
                None => runtime.block_on(first(&clients, &stream, shard))?,
            };
            let page = runtime.block_on(tried(&what, || {
                let call = clients.kinesis.get_records().shard_iterator(&iterator);
                call.limit(PAGE).send()
            }))?;
            let newest = page.millis_behind_latest.unwrap_or(0) == 0;
            let here = place.shard;
            match page.next_shard_iterator {
                Some(next) if !newest => place.iterator = Some(next),
                _ => place = Place { shard: here + 1, iterator: None },
            }
            if page.records.is_empty() {
                continue;
            }
            let row = |record: aws_sdk_kinesis::types::Record| {
                let arrival = record.approximate_arrival_timestamp.map_or(0, |at| at.as_nanos());
                let values = vec![
                    Value::Int(here as i64),
                    Value::Text(record.sequence_number),
                    Value::Timestamp(i64::try_from(arrival).unwrap_or(i64::MAX)),
                    Value::Text(record.partition_key.unwrap_or_default()),
                    readable(record.data.as_ref()),
                ];
                (place.clone(), values)
            };
            return Ok(page.records.into_iter().map(row).collect());
        }
    });
    Ok(Shown { columns, rows })
}

/// The ids of all shards that are not expired.
async fn shards(clients: &Clients, stream: &str) -> Result<Vec<String>, Fault> {
    let mut ids = Vec::new();
    let mut next: Option<String> = None;
    loop {
        let page = tried(&format!("list the shards of stream `{stream}`"), || {
            let call = clients.kinesis.list_shards();
            match next.clone() {
                Some(token) => call.next_token(token).send(),
                None => call.stream_name(stream).send(),
            }
        })
        .await?;
        ids.extend(page.shards.unwrap_or_default().into_iter().map(|shard| shard.shard_id));
        next = page.next_token;
        if next.is_none() {
            return Ok(ids);
        }
    }
}

async fn first(clients: &Clients, stream: &str, shard: &str) -> Result<String, Fault> {
    let begun = tried(&format!("read shard `{shard}` of stream `{stream}`"), || {
        let call = clients.kinesis.get_shard_iterator().stream_name(stream).shard_id(shard);
        call.shard_iterator_type(ShardIteratorType::TrimHorizon).send()
    })
    .await?;
    Ok(begun.shard_iterator.unwrap_or_default())
}
