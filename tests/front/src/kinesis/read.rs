//! Reading by polling: iterators, and the records behind them.

use serde_json::{Value, json};

use crate::ACCOUNT;
use crate::kinesis::sequence::{LAST, Sequence};
use crate::kinesis::shards::range_json;
use crate::kinesis::stream::{Record, Shard, Stream, shard_id};
use crate::kinesis::{Answer, Inner, JSON, stream_name, token};
use crate::request::{Request, Response};
use crate::service_error::{Input, ServiceError};

const RECORDS_MAX: i64 = 10_000;
const READ_MAX_BYTES: usize = 10 * 1024 * 1024;
const ITERATOR_MS: i64 = 300_000;
const THROUGHPUT: &str = "ProvisionedThroughputExceededException";

/// The kinds of places to begin at.
pub(super) const KINDS: [&str; 5] =
    ["AT_SEQUENCE_NUMBER", "AFTER_SEQUENCE_NUMBER", "TRIM_HORIZON", "LATEST", "AT_TIMESTAMP"];

/// A place to begin at, as a request says it.
pub(super) struct Start {
    pub kind: String,
    pub sequence: Option<String>,
    pub at_ms: Option<i64>,
}

impl Start {
    /// The count of the first record that may be read.
    pub fn count(&self, shard: &Shard, stream: &str, now_ms: i64) -> Result<u64, ServiceError> {
        match self.kind.as_str() {
            "TRIM_HORIZON" => Ok(0),
            "LATEST" => Ok(shard.next),
            "AT_TIMESTAMP" => {
                let missing = "Must specify timestampInMillis parameter for iterator of type \
                               AT_TIMESTAMP. Current request has no timestamp parameter.";
                let at_ms = self.at_ms.ok_or_else(|| ServiceError::argument(missing))?;
                if at_ms > now_ms {
                    let text = format!(
                        "The timestampInMillis parameter cannot be greater than the \
                         currentTimestampInMillis. timestampInMillis: {at_ms}, \
                         currentTimestampInMillis: {now_ms}"
                    );
                    return Err(ServiceError::argument(text));
                }
                let later = shard.records.iter().find(|record| record.at_ms >= at_ms);
                Ok(later.map_or(shard.next, |record| record.count))
            }
            kind => {
                let missing = format!(
                    "Must specify startingSequenceNumber parameter for iterator of type {kind}. \
                     Current request has no startingSequenceNumber parameter."
                );
                let text = self.sequence.as_ref().ok_or_else(|| ServiceError::argument(missing))?;
                let sequence = of_shard(text, shard, stream)?;
                Ok(sequence.count.saturating_add(u64::from(kind == "AFTER_SEQUENCE_NUMBER")))
            }
        }
    }
}

/// A sequence number that is one of this shard's.
fn of_shard(text: &str, shard: &Shard, stream: &str) -> Result<Sequence, ServiceError> {
    let invalid = || {
        let text = format!(
            "StartingSequenceNumber {text} used in GetShardIterator on shard {} in stream \
             {stream} under account {ACCOUNT} is invalid.",
            shard.id()
        );
        ServiceError::argument(text)
    };
    let sequence = Sequence::parse(text).ok_or_else(invalid)?;
    if sequence.shard != shard.number || sequence.made_s != shard.made_s {
        let text = format!(
            "Invalid StartingSequenceNumber. It encodes {}, while it was used in a call to a \
             shard with {}",
            shard_id(sequence.shard),
            shard.id()
        );
        return Err(ServiceError::argument(text));
    }
    if sequence.count >= shard.next && sequence.count != LAST {
        return Err(invalid());
    }
    Ok(sequence)
}

/// What an iterator says.
struct Iterator {
    stream: String,
    stream_made_ms: i64,
    shard: u32,
    count: u64,
    made_ms: i64,
}

impl Iterator {
    fn seal(&self) -> String {
        let Iterator { stream, stream_made_ms, shard, count, made_ms } = self;
        token::seal(&format!("iterator\n{stream}\n{stream_made_ms}\n{shard}\n{count}\n{made_ms}"))
    }

    fn open(sealed: &str) -> Option<Iterator> {
        let text = token::open(sealed)?;
        let parts: Vec<&str> = text.split('\n').collect();
        let ["iterator", stream, stream_made_ms, shard, count, made_ms] = parts[..] else {
            return None;
        };
        Some(Iterator {
            stream: stream.to_owned(),
            stream_made_ms: stream_made_ms.parse().ok()?,
            shard: shard.parse().ok()?,
            count: count.parse().ok()?,
            made_ms: made_ms.parse().ok()?,
        })
    }
}

/// The records from a count on, up to a number and to bytes, at least one.
pub(super) fn records_from(
    shard: &Shard,
    count: u64,
    most: usize,
    most_bytes: usize,
) -> Vec<&Record> {
    let begin = shard.records.partition_point(|record| record.count < count);
    let mut bytes = 0;
    let fitting = shard.records.range(begin..).take(most).take_while(|record| {
        let first = bytes == 0;
        bytes += record.bytes.max(1);
        first || bytes <= most_bytes
    });
    fitting.collect()
}

/// The records as JSON, with their commas.
pub(super) fn records_json(shard: &Shard, records: &[&Record]) -> String {
    let bytes: usize = records.iter().map(|record| record.data.len() + record.key.len()).sum();
    let mut list = String::with_capacity(bytes + 200 * records.len());
    for record in records {
        list.push_str(if list.is_empty() { "" } else { "," });
        list.push_str("{\"SequenceNumber\":\"");
        shard.sequence(record.count, record.at_ms).write(&mut list);
        let (seconds, millis) = (record.at_ms.div_euclid(1_000), record.at_ms.rem_euclid(1_000));
        list.push_str(&format!("\",\"ApproximateArrivalTimestamp\":{seconds}.{millis:03}"));
        list.push_str(",\"Data\":\"");
        list.push_str(&String::from_utf8_lossy(&record.data));
        list.push_str(&format!("\",\"PartitionKey\":{}}}", Value::from(record.key.as_str())));
    }
    list
}

/// How far behind the tip a reader is whose next count this is.
pub(super) fn behind_ms(shard: &Shard, next: u64, now_ms: i64) -> i64 {
    let begin = shard.records.partition_point(|record| record.count < next);
    shard.records.get(begin).map_or(0, |record| (now_ms - record.at_ms).max(0))
}

/// The shards that follow a closed one.
pub(super) fn children_json(stream: &Stream, number: u32) -> Vec<Value> {
    let children = stream.children(number).map(|child| {
        let parents: Vec<String> = child.parents.iter().map(|one| shard_id(*one)).collect();
        json!({
            "ShardId": child.id(), "ParentShards": parents, "HashKeyRange": range_json(child),
        })
    });
    children.collect()
}

impl Inner {
    pub(super) fn shard_iterator(&self, request: &Request) -> Answer {
        let mut input = Input::of(&request.body)?;
        let id = input.required_name("ShardId")?;
        let kind = input.word("ShardIteratorType", &KINDS)?;
        if kind.is_none() {
            input.wrong("ShardIteratorType", None, "not be null");
        }
        let name = stream_name(request, &mut input)?;
        let start = Start {
            kind: kind.unwrap_or_default(),
            sequence: input.text("StartingSequenceNumber")?,
            at_ms: input.time("Timestamp")?,
        };
        let most = self.shared.settings().shard_reads;
        let now_ms = self.now_ms();
        self.with(request, &name, |stream| {
            if stream.status == "CREATING" {
                return Err(ServiceError::not_found(format!("{} not found.", stream.title())));
            }
            let stream_made_ms = stream.made_ms;
            let shard = stream.shard(&id).map_err(|_| {
                let text =
                    format!("Shard {id} in stream {name} under account {ACCOUNT} does not exist");
                ServiceError::not_found(text)
            })?;
            if !shard.reads.iterator(now_ms, most) {
                return Err(ServiceError::new(THROUGHPUT, rate_text(shard, &name)));
            }
            let count = start.count(shard, &name, now_ms)?;
            let (stream, shard) = (name.clone(), shard.number);
            let iterator = Iterator { stream, stream_made_ms, shard, count, made_ms: now_ms };
            Ok(json!({"ShardIterator": iterator.seal()}))
        })
    }

    pub(super) fn get_records(&self, request: &Request) -> Result<Response, ServiceError> {
        let mut input = Input::of(&request.body)?;
        let sealed = input.required("ShardIterator")?;
        let limit = input.number("Limit", 1, RECORDS_MAX)?.unwrap_or(RECORDS_MAX) as usize;
        input.finish()?;
        let invalid = || ServiceError::argument("Invalid ShardIterator.");
        let iterator = Iterator::open(&sealed).ok_or_else(invalid)?;
        let now_ms = self.now_ms();
        if now_ms - iterator.made_ms > ITERATOR_MS {
            let text = format!(
                "Iterator expired. The iterator was created at time {} while right now it is {} \
                 which is further in the future than the tolerated delay of {ITERATOR_MS} \
                 milliseconds.",
                crate::clock::http_date(iterator.made_ms),
                crate::clock::http_date(now_ms)
            );
            return Err(ServiceError::new("ExpiredIteratorException", text));
        }
        let name = iterator.stream.clone();
        let body = self.with(request, &name, |stream| {
            if stream.made_ms != iterator.stream_made_ms {
                return Err(invalid());
            }
            self.records_after(stream, iterator, limit)
        })?;
        Ok(Response::new(200, body).header("content-type", JSON))
    }

    /// The answer to GetRecords: records, how far behind, and where to go on.
    fn records_after(
        &self,
        stream: &mut Stream,
        iterator: Iterator,
        limit: usize,
    ) -> Result<String, ServiceError> {
        let now_ms = self.now_ms();
        let settings = self.shared.settings();
        let shard = stream.shard(&shard_id(iterator.shard))?;
        if !shard.reads.read(now_ms, settings.shard_reads) {
            return Err(ServiceError::new(THROUGHPUT, rate_text(shard, &iterator.stream)));
        }
        let empty = shard.reads.is_empty_turn(settings.empty_reads_every);
        let limit = if empty { 0 } else { limit };
        let records = records_from(shard, iterator.count, limit, READ_MAX_BYTES);
        let bytes = records.iter().map(|record| record.bytes).sum();
        let next = records.last().map_or(iterator.count, |record| record.count + 1);
        let list = records_json(shard, &records);
        shard.reads.gave(now_ms, bytes);
        let behind = behind_ms(shard, next, now_ms);
        let more = shard.records.back().is_some_and(|record| record.count >= next);
        let rest = if shard.is_open() || more {
            let next = Iterator { count: next, made_ms: now_ms, ..iterator };
            format!("\"NextShardIterator\":{}", Value::from(next.seal()))
        } else {
            let children = children_json(stream, iterator.shard);
            format!("\"ChildShards\":{}", Value::from(children))
        };
        Ok(format!("{{\"Records\":[{list}],{rest},\"MillisBehindLatest\":{behind}}}"))
    }
}

fn rate_text(shard: &Shard, stream: &str) -> String {
    format!("Rate exceeded for shard {} in stream {stream} under account {ACCOUNT}.", shard.id())
}
