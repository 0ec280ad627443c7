//! Writing records: to the shard of their key, within the limits, each entry by itself.

use std::borrow::Cow;
use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use md5::{Digest, Md5};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::ACCOUNT;
use crate::kinesis::sequence::Sequence;
use crate::kinesis::shards::is_hash;
use crate::kinesis::stream::{Record, Shard, Stream, shard_id};
use crate::kinesis::{Answer, Inner, JSON, name_in_arn};
use crate::request::{Request, Response, Tally};
use crate::rules::Faults;
use crate::service_error::{ServiceError, is_name, validation, violation};

const RECORDS_MAX: usize = 500;
const REQUEST_MAX_BYTES: usize = 10 * 1024 * 1024;
const DATA_MAX_BYTES: usize = 10 * 1024 * 1024;
const KEY_MAX_CHARS: usize = 256;
const THROUGHPUT: &str = "ProvisionedThroughputExceededException";

/// Text that is not copied where it has no escapes.
#[derive(Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Entry<'a> {
    #[serde(borrow)]
    data: Option<Text<'a>>,
    #[serde(borrow)]
    partition_key: Option<Text<'a>>,
    #[serde(borrow)]
    explicit_hash_key: Option<Text<'a>>,
}

#[derive(Deserialize)]
struct Many<'a> {
    #[serde(rename = "Records", borrow)]
    records: Option<Vec<Entry<'a>>>,
    #[serde(flatten, borrow)]
    target: Target<'a>,
}

#[derive(Deserialize)]
struct One<'a> {
    #[serde(flatten, borrow)]
    entry: Entry<'a>,
    #[serde(rename = "SequenceNumberForOrdering", borrow)]
    after: Option<Text<'a>>,
    #[serde(flatten, borrow)]
    target: Target<'a>,
}

#[derive(Deserialize)]
struct Target<'a> {
    #[serde(rename = "StreamName", borrow)]
    name: Option<Text<'a>>,
    #[serde(rename = "StreamARN", borrow)]
    arn: Option<Text<'a>>,
    #[serde(rename = "DryRun", default)]
    dry_run: bool,
}

impl Target<'_> {
    fn name(&self, request: &Request, wrong: &mut Vec<String>) -> Result<String, ServiceError> {
        if let Some(Text(name)) = &self.name
            && (!is_name(name) || name.len() > 128)
        {
            let rule = "satisfy regular expression pattern: [a-zA-Z0-9_.-]+";
            wrong.push(violation(Some(name), "streamName", rule));
        }
        if !wrong.is_empty() {
            return Err(validation(wrong));
        }
        match (&self.name, &self.arn) {
            (Some(Text(name)), _) => Ok(name.clone().into_owned()),
            (None, Some(Text(arn))) => name_in_arn(request, arn),
            (None, None) => {
                Err(ServiceError::argument("Either StreamName or StreamARN must be provided."))
            }
        }
    }
}

/// An entry that may be written.
struct Ready {
    hash: u128,
    key: String,
    data: Bytes,
    bytes: usize,
}

fn read<'a, T: Deserialize<'a>>(body: &'a Bytes) -> Result<T, ServiceError> {
    serde_json::from_slice(body).map_err(|error| ServiceError::shape(error.to_string()))
}

/// The hash key that a partition key has.
pub(super) fn hash_of(key: &str) -> u128 {
    u128::from_be_bytes(Md5::digest(key.as_bytes()).into())
}

/// How long base64 is when it is decoded; an error when it is none.
fn decoded_bytes(text: &str) -> Result<usize, ServiceError> {
    let wrong = || ServiceError::shape("Data is not base64.");
    let mut buffer = [0u8; 3 * 1024];
    let mut bytes = 0;
    for part in text.as_bytes().chunks(4 * 1024) {
        bytes += STANDARD.decode_slice(part, &mut buffer).map_err(|_| wrong())?;
    }
    Ok(bytes)
}

/// Checks what holds for each entry alone; `place` is what violations call it.
fn ready(
    entry: &Entry<'_>,
    body: &Bytes,
    place: &dyn Fn(&str) -> String,
    wrong: &mut Vec<String>,
) -> Result<Option<Ready>, ServiceError> {
    let before = wrong.len();
    let key = entry.partition_key.as_ref().map(|Text(key)| key.as_ref());
    match key {
        None => wrong.push(violation(None, &place("partitionKey"), "not be null")),
        Some("") => {
            let rule = "have length greater than or equal to 1";
            wrong.push(violation(Some(""), &place("partitionKey"), rule));
        }
        Some(key) if key.len() > KEY_MAX_CHARS && key.chars().count() > KEY_MAX_CHARS => {
            let rule = format!("have length less than or equal to {KEY_MAX_CHARS}");
            wrong.push(violation(Some(key), &place("partitionKey"), &rule));
        }
        Some(_) => {}
    }
    let data_bytes = match &entry.data {
        None => {
            wrong.push(violation(None, &place("data"), "not be null"));
            0
        }
        Some(Text(data)) => decoded_bytes(data)?,
    };
    if data_bytes > DATA_MAX_BYTES {
        let rule = format!("have length less than or equal to {DATA_MAX_BYTES}");
        let what = format!("java.nio.HeapByteBuffer[pos=0 lim={data_bytes} cap={data_bytes}]");
        wrong.push(violation(Some(&what), &place("data"), &rule));
    }
    let explicit = entry.explicit_hash_key.as_ref().map(|Text(hash)| hash.as_ref());
    if let Some(hash) = explicit.filter(|hash| !is_hash(hash)) {
        let rule = r"satisfy regular expression pattern: 0|([1-9]\d{0,38})";
        wrong.push(violation(Some(hash), &place("explicitHashKey"), rule));
    }
    if wrong.len() > before {
        return Ok(None);
    }
    let key = key.unwrap_or_default();
    let hash = match explicit {
        None => hash_of(key),
        Some(text) => text.parse().map_err(|_| {
            let text = format!(
                "Invalid ExplicitHashKey. ExplicitHashKey must be in the range: [0, 2^128-1]. \
                 Specified value was {text}"
            );
            ServiceError::argument(text)
        })?,
    };
    let data = match &entry.data {
        Some(Text(Cow::Borrowed(text))) => body.slice_ref(text.as_bytes()),
        Some(Text(Cow::Owned(text))) => Bytes::from(text.clone()),
        None => Bytes::new(),
    };
    Ok(Some(Ready { hash, key: key.to_owned(), data, bytes: data_bytes + key.len() }))
}

fn must_take_records(stream: &Stream) -> Result<(), ServiceError> {
    if matches!(stream.status, "ACTIVE" | "UPDATING") {
        return Ok(());
    }
    Err(ServiceError::not_found(format!("{} not found.", stream.title())))
}

fn dry_run() -> ServiceError {
    let text = "Request would have succeeded, but the DryRun flag is set.";
    ServiceError::new("DryRunOperationException", text)
}

fn must_fit(record: &Ready, stream: &Stream) -> Result<(), ServiceError> {
    let most = stream.record_max_bytes;
    if record.bytes <= most {
        return Ok(());
    }
    let text = format!(
        "A record of {} bytes with its partition key exceeds the maximum record size of {}, \
         {most} bytes.",
        record.bytes,
        stream.title()
    );
    Err(ServiceError::argument(text))
}

/// Appends a record; its sequence number.
fn append(shard: &mut Shard, record: Ready, now_ms: i64) -> Sequence {
    let count = shard.next;
    // Numbers have gaps, as AWS's have.
    shard.next += 1 + count % 3;
    let Ready { key, data, bytes, .. } = record;
    shard.records.push_back(Record { count, at_ms: now_ms, key, data, bytes });
    shard.sequence(count, now_ms)
}

impl Inner {
    pub(super) fn put_records(
        &self,
        request: &Request,
        faults: &Faults,
    ) -> Result<Response, ServiceError> {
        if self.shared.fast {
            return Ok(fast_reply(&request.body));
        }
        let input: Many<'_> = read(&request.body)?;
        let mut wrong = Vec::new();
        let count = input.records.as_ref().map_or(0, Vec::len);
        match &input.records {
            None => wrong.push(violation(None, "records", "not be null")),
            Some(records) if records.is_empty() => {
                let rule = "have length greater than or equal to 1";
                wrong.push(violation(Some("[]"), "records", rule));
            }
            Some(records) if records.len() > RECORDS_MAX => {
                let what = format!("[{} PutRecordsRequestEntry]", records.len());
                let rule = format!("have length less than or equal to {RECORDS_MAX}");
                wrong.push(violation(Some(&what), "records", &rule));
            }
            Some(_) => {}
        }
        let mut records = Vec::with_capacity(count);
        for (at, entry) in input.records.iter().flatten().enumerate() {
            let place = |member: &str| format!("records.{}.member.{member}", at + 1);
            records.extend(ready(entry, &request.body, &place, &mut wrong)?);
        }
        let name = input.target.name(request, &mut wrong)?;
        if records.iter().map(|record| record.bytes).sum::<usize>() > REQUEST_MAX_BYTES {
            return Err(ServiceError::argument("Records size exceeds 10 MB limit"));
        }
        let reply = self.with(request, &name, |stream| {
            must_take_records(stream)?;
            records.iter().try_for_each(|record| must_fit(record, stream))?;
            if input.target.dry_run {
                Err(dry_run())
            } else {
                Ok(self.put(stream, records, faults))
            }
        })?;
        self.changed.notify_waiters();
        Ok(reply)
    }

    fn put(&self, stream: &mut Stream, records: Vec<Ready>, faults: &Faults) -> Response {
        let now_ms = self.now_ms();
        let scale = self.shared.settings().shard_rate;
        let name = stream.name.clone();
        let mut tally = Tally { entries: records.len() as u64, ..Tally::default() };
        let mut list = String::with_capacity(128 * records.len());
        // Most entries are for few shards: the last one found is tried first.
        let mut refused: BTreeMap<u32, u64> = BTreeMap::new();
        for record in records {
            list.push_str(if list.is_empty() { "{" } else { ",{" });
            let Some(shard) = stream.shard_of(record.hash) else {
                fail(&mut list, "InternalFailure", "Internal service failure.");
                tally.entries_failed += 1;
                continue;
            };
            if let Some(code) = faults.entry_fails(&record.key) {
                tally.entries_failed += 1;
                tally.throttled += u64::from(code == THROUGHPUT);
                match code {
                    THROUGHPUT => fail(&mut list, code, &rate_text(shard, &name)),
                    _ => fail(&mut list, code, "Internal service failure."),
                }
            } else if !shard.writes.take(now_ms, record.bytes, scale) {
                tally.entries_failed += 1;
                tally.throttled += 1;
                *refused.entry(shard.number).or_default() += 1;
                fail(&mut list, THROUGHPUT, &rate_text(shard, &name));
            } else {
                list.push_str("\"SequenceNumber\":\"");
                append(shard, record, now_ms).write(&mut list);
                list.push_str("\",\"ShardId\":\"");
                list.push_str(&shard.id());
                list.push_str("\"}");
            }
        }
        let failed = tally.entries_failed;
        let body = format!(
            "{{\"FailedRecordCount\":{failed},\"Records\":[{list}],\"EncryptionType\":\"NONE\"}}"
        );
        Response::new(200, body).header("content-type", JSON).tallied(tally)
    }

    pub(super) fn put_record(&self, request: &Request, faults: &Faults) -> Answer {
        let input: One<'_> = read(&request.body)?;
        let mut wrong = Vec::new();
        let small = |member: &str| member.to_owned();
        let record = ready(&input.entry, &request.body, &small, &mut wrong)?;
        let name = input.target.name(request, &mut wrong)?;
        let Some(record) = record else { return Err(validation(&wrong)) };
        let after = input.after.as_ref().map(|Text(after)| after.as_ref());
        let scale = self.shared.settings().shard_rate;
        let now_ms = self.now_ms();
        let (shard, sequence) = self.with(request, &name, |stream| {
            must_take_records(stream)?;
            must_fit(&record, stream)?;
            if input.target.dry_run {
                return Err(dry_run());
            }
            let shard = stream.shard_of(record.hash);
            let broken = || ServiceError::new("InternalFailureException", "");
            let shard = shard.ok_or_else(broken)?;
            if let Some(after) = after {
                must_be_before(after, shard, &name, now_ms)?;
            }
            if let Some(code) = faults.entry_fails(&record.key) {
                return Err(ServiceError::new(code, "A rule of the front asks for it."));
            }
            if !shard.writes.take(now_ms, record.bytes, scale) {
                return Err(ServiceError::new(THROUGHPUT, rate_text(shard, &name)));
            }
            Ok((shard.number, append(shard, record, now_ms)))
        })?;
        self.changed.notify_waiters();
        let sequence = sequence.text();
        Ok(json!({
            "ShardId": shard_id(shard), "SequenceNumber": sequence, "EncryptionType": "NONE",
        }))
    }
}

/// An error unless the next number of the shard is above this one.
fn must_be_before(
    after: &str,
    shard: &Shard,
    stream: &str,
    now_ms: i64,
) -> Result<(), ServiceError> {
    let next = shard.sequence(shard.next, now_ms);
    if after == "0" || Sequence::parse(after).is_some_and(|sequence| sequence < next) {
        return Ok(());
    }
    let text = format!(
        "ExclusiveMinimumSequenceNumber {after} used in PutRecord on stream {stream} under \
         account {ACCOUNT} is invalid."
    );
    Err(ServiceError::argument(text))
}

fn rate_text(shard: &Shard, stream: &str) -> String {
    format!("Rate exceeded for shard {} in stream {stream} under account {ACCOUNT}.", shard.id())
}

fn fail(list: &mut String, code: &str, text: &str) {
    let entry =
        format!("\"ErrorCode\":{},\"ErrorMessage\":{}}}", Value::from(code), Value::from(text));
    list.push_str(&entry);
}

/// The cheapest right answer: as many successes as there are entries, nothing kept.
fn fast_reply(body: &Bytes) -> Response {
    const ONE: &str = "{\"SequenceNumber\":\
                       \"49590338271490256608559692538361571095921575989136588898\",\
                       \"ShardId\":\"shardId-000000000000\"}";
    const KEY: &[u8] = b"\"PartitionKey\":";
    let mut count = 0usize;
    let mut rest: &[u8] = body;
    // A quote within a value is escaped, so this is always a member's name.
    while let Some(at) = find(rest, KEY) {
        count += 1;
        rest = &rest[at + KEY.len()..];
    }
    let mut reply = String::with_capacity(64 + count * (ONE.len() + 1));
    reply.push_str("{\"FailedRecordCount\":0,\"Records\":[");
    for at in 0..count {
        if at > 0 {
            reply.push(',');
        }
        reply.push_str(ONE);
    }
    reply.push_str("],\"EncryptionType\":\"NONE\"}");
    let tally = Tally { entries: count as u64, ..Tally::default() };
    Response::new(200, reply).header("content-type", JSON).tallied(tally)
}

fn find(bytes: &[u8], part: &[u8]) -> Option<usize> {
    bytes.windows(part.len()).position(|window| window == part)
}
