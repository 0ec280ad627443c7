//! Listing, splitting and merging shards.

use serde_json::{Value, json};

use crate::ACCOUNT;
use crate::kinesis::stream::{Pending, Shard, Step, Stream, shard_id};
use crate::kinesis::{Answer, Inner, stream_name, token};
use crate::request::Request;
use crate::service_error::{Input, ServiceError};

const TOKEN_MS: i64 = 300_000;
const FILTERS: [&str; 6] = [
    "AFTER_SHARD_ID",
    "AT_TRIM_HORIZON",
    "FROM_TRIM_HORIZON",
    "AT_LATEST",
    "AT_TIMESTAMP",
    "FROM_TIMESTAMP",
];

/// A shard as ListShards and DescribeStream show it.
pub(super) fn shard_json(shard: &Shard) -> Value {
    let mut numbers = json!({"StartingSequenceNumber": shard.first().text()});
    if let Some(last) = shard.last() {
        numbers["EndingSequenceNumber"] = json!(last.text());
    }
    let mut body = json!({
        "ShardId": shard.id(),
        "HashKeyRange": range_json(shard),
        "SequenceNumberRange": numbers,
    });
    for (parent, name) in shard.parents.iter().zip(["ParentShardId", "AdjacentParentShardId"]) {
        body[name] = json!(shard_id(*parent));
    }
    body
}

/// The hash keys of a shard.
pub(super) fn range_json(shard: &Shard) -> Value {
    json!({"StartingHashKey": shard.start.to_string(), "EndingHashKey": shard.end.to_string()})
}

/// Which shards a listing shows.
#[derive(Clone)]
enum Filter {
    All,
    After(String),
    Open,
    At(i64),
    From(i64),
}

impl Filter {
    fn read(input: &mut Input, now_ms: i64, retention_ms: i64) -> Result<Filter, ServiceError> {
        let Some(mut filter) = input.within("ShardFilter")? else { return Ok(Filter::All) };
        let kind = filter.word("Type", &FILTERS)?;
        let (id, at_ms) = (filter.name("ShardId")?, filter.time("Timestamp")?);
        filter.finish()?;
        let kind = kind.unwrap_or_default();
        let horizon_ms = now_ms - retention_ms;
        let wants = |what: &str| {
            ServiceError::argument(format!("A ShardFilter of type {kind} needs a {what}."))
        };
        let unwanted = |what: &str| {
            let text = format!("A ShardFilter of type {kind} must not have a {what}.");
            ServiceError::argument(text)
        };
        let by_time = kind.ends_with("_TIMESTAMP");
        if id.is_some() && kind != "AFTER_SHARD_ID" {
            return Err(unwanted("ShardId"));
        }
        if at_ms.is_some() && !by_time {
            return Err(unwanted("Timestamp"));
        }
        Ok(match kind.as_str() {
            "AFTER_SHARD_ID" => Filter::After(id.ok_or_else(|| wants("ShardId"))?),
            "AT_TRIM_HORIZON" => Filter::At(horizon_ms),
            "AT_LATEST" => Filter::Open,
            "AT_TIMESTAMP" => Filter::At(at_ms.ok_or_else(|| wants("Timestamp"))?),
            "FROM_TIMESTAMP" => Filter::From(at_ms.ok_or_else(|| wants("Timestamp"))?),
            "FROM_TRIM_HORIZON" => Filter::All,
            _ => return Err(wants("Type")),
        })
    }

    fn shows(&self, shard: &Shard, made_ms: i64) -> bool {
        match self {
            Filter::All => true,
            Filter::After(id) => shard.id() > *id,
            Filter::Open => shard.is_open(),
            // Before the stream was made its first shards stand for that time.
            Filter::At(at_ms) => {
                let at_ms = (*at_ms).max(made_ms);
                shard.opened_ms <= at_ms && shard.closed_ms.is_none_or(|end_ms| end_ms > at_ms)
            }
            Filter::From(at_ms) => shard.closed_ms.is_none_or(|end_ms| end_ms >= *at_ms),
        }
    }
}

/// What a page's token goes on with: the stream, when it was made, and the shards still to show.
fn page(
    stream: &Stream,
    shards: &[String],
    limit: usize,
    now_ms: i64,
) -> Result<Value, ServiceError> {
    let shown = shards.iter().take(limit).filter_map(|id| {
        let number = crate::kinesis::stream::shard_number(id)?;
        stream.shards.get(&number).map(shard_json)
    });
    let mut body = json!({"Shards": shown.collect::<Vec<_>>()});
    if shards.len() > limit {
        let rest = shards[limit..].join(",");
        let text = format!("shards\n{}\n{now_ms}\n{rest}", stream.name);
        body["NextToken"] = json!(token::seal(&text));
    }
    Ok(body)
}

impl Inner {
    pub(super) fn list_shards(&self, request: &Request, mut input: Input) -> Answer {
        let limit = input.number("MaxResults", 1, 10_000)?.unwrap_or(1_000) as usize;
        let after = input.name("ExclusiveStartShardId")?;
        let limit = limit.min(self.shared.settings().list_shards_page).max(1);
        let now_ms = self.now_ms();
        if let Some(next) = input.text("NextToken")? {
            let others =
                ["StreamName", "StreamARN", "ExclusiveStartShardId", "StreamCreationTimestamp"];
            if let Some(other) = others.iter().find(|name| input.value(name).is_some()) {
                let text = format!("NextToken and {other} cannot be provided together.");
                return Err(ServiceError::argument(text));
            }
            input.finish()?;
            let (name, rest) = next_page(&next, now_ms)?;
            return self.with(request, &name, |stream| page(stream, &rest, limit, now_ms));
        }
        let name = stream_name(request, &mut input)?;
        self.with(request, &name, |stream| {
            let retention_ms = stream.retention_hours * 3_600_000;
            let filter = Filter::read(&mut input, now_ms, retention_ms)?;
            let made_ms = stream.made_ms;
            let shown = stream.shards.values().filter(|shard| filter.shows(shard, made_ms));
            let ids = shown.map(Shard::id);
            let ids: Vec<String> =
                ids.filter(|id| after.as_ref().is_none_or(|after| id > after)).collect();
            page(stream, &ids, limit, now_ms)
        })
    }

    /// Sets off a reshard; it is done when the transition ends.
    fn start(&self, stream: &mut Stream, steps: Vec<Step>) {
        stream.status = "UPDATING";
        let until_ms = self.now_ms() + self.shared.settings().transition_ms;
        stream.pending = Some((until_ms, Pending::Reshard(steps)));
        self.changed.notify_waiters();
    }

    pub(super) fn split_shard(&self, request: &Request, mut input: Input) -> Answer {
        let id = input.required_name("ShardToSplit")?;
        let hash = input.required("NewStartingHashKey")?;
        if !hash.is_empty() && !is_hash(&hash) {
            let rule = r"satisfy regular expression pattern: 0|([1-9]\d{0,38})";
            input.wrong("NewStartingHashKey", Some(&hash), rule);
        }
        let name = stream_name(request, &mut input)?;
        self.with(request, &name, |stream| {
            provisioned(stream, "SplitShard")?;
            stream.must_be_active()?;
            let shard = stream.shard(&id)?;
            must_be_open(shard, &name)?;
            let (start, end, number) = (shard.start, shard.end, shard.number);
            let middle = hash.parse::<u128>().ok();
            // AWS wants room for a key on either side.
            let Some(middle) = middle.filter(|at| *at > start.saturating_add(1) && *at < end)
            else {
                let text = format!(
                    "NewStartingHashKey {hash} used in SplitShard() on shard {id} in stream \
                     {name} under account {ACCOUNT} is not both greater than one plus the \
                     shard's StartingHashKey {start} and less than the shard's EndingHashKey \
                     {end}."
                );
                return Err(ServiceError::argument(text));
            };
            self.start(stream, vec![Step::Split(number, middle)]);
            Ok(Value::Null)
        })
    }

    pub(super) fn merge_shards(&self, request: &Request, mut input: Input) -> Answer {
        let (one, other) =
            (input.required_name("ShardToMerge")?, input.required_name("AdjacentShardToMerge")?);
        let name = stream_name(request, &mut input)?;
        self.with(request, &name, |stream| {
            provisioned(stream, "MergeShards")?;
            stream.must_be_active()?;
            let first = stream.shard(&one)?;
            must_be_open(first, &name)?;
            let a = (first.start, first.end, first.number);
            let second = stream.shard(&other)?;
            must_be_open(second, &name)?;
            let b = (second.start, second.end, second.number);
            let meets = |one: u128, other: u128| one.checked_add(1) == Some(other);
            if !meets(a.1, b.0) && !meets(b.1, a.0) || a.2 == b.2 {
                let text = format!(
                    "Shards {one} and {other} in stream {name} under account {ACCOUNT} are not \
                     an adjacent pair of shards eligible for merging"
                );
                return Err(ServiceError::argument(text));
            }
            self.start(stream, vec![Step::Merge(a.2, b.2)]);
            Ok(Value::Null)
        })
    }

    pub(super) fn update_shard_count(&self, request: &Request, mut input: Input) -> Answer {
        let target = input.number("TargetShardCount", 1, i64::MAX)?;
        if target.is_none() {
            input.wrong("TargetShardCount", None, "not be null");
        }
        if input.word("ScalingType", &["UNIFORM_SCALING"])?.is_none() {
            input.wrong("ScalingType", None, "not be null");
        }
        let name = stream_name(request, &mut input)?;
        let target = target.unwrap_or(1);
        self.with(request, &name, |stream| {
            provisioned(stream, "UpdateShardCount")?;
            stream.must_be_active()?;
            let now = stream.open_shards() as i64;
            if target > 2 * now || 2 * target < now || target > 10_000 {
                let text = format!(
                    "UpdateShardCount cannot scale to {target}: a stream of {now} open shards \
                     scales to at most double, and at least half, that number."
                );
                return Err(ServiceError::argument(text));
            }
            let steps = stream.uniform(target as u32);
            self.start(stream, steps);
            Ok(json!({
                "StreamName": stream.name,
                "StreamARN": stream.arn,
                "CurrentShardCount": now,
                "TargetShardCount": target,
            }))
        })
    }
}

/// The stream and shards that a page's token goes on with.
fn next_page(next: &str, now_ms: i64) -> Result<(String, Vec<String>), ServiceError> {
    let invalid = || ServiceError::argument("NextToken is invalid.");
    let text = token::open(next).ok_or_else(invalid)?;
    let parts: Vec<&str> = text.split('\n').collect();
    let ["shards", name, made_ms, rest] = parts[..] else { return Err(invalid()) };
    let made_ms: i64 = made_ms.parse().map_err(|_| invalid())?;
    if now_ms - made_ms > TOKEN_MS {
        let text = "The pagination token is expired: it is valid for 300 seconds.";
        return Err(ServiceError::new("ExpiredNextTokenException", text));
    }
    Ok((name.to_owned(), rest.split(',').map(str::to_owned).collect()))
}

/// True for a decimal without leading zeros, of up to 39 digits.
pub(super) fn is_hash(text: &str) -> bool {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    digits && text.len() <= 39 && (text == "0" || !text.starts_with('0'))
}

fn provisioned(stream: &Stream, what: &str) -> Result<(), ServiceError> {
    if stream.mode == "PROVISIONED" {
        return Ok(());
    }
    let text = format!("{what} is not supported for streams with on-demand mode.");
    Err(ServiceError::new("ValidationException", text))
}

fn must_be_open(shard: &Shard, stream: &str) -> Result<(), ServiceError> {
    if shard.is_open() {
        return Ok(());
    }
    let text = format!(
        "Shard {} in stream {stream} under account {ACCOUNT} has already been merged or split, \
         and thus is not eligible for merging or splitting.",
        shard.id()
    );
    Err(ServiceError::in_use(text))
}
