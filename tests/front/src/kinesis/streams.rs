//! Making, describing and deleting streams.

use serde_json::{Value, json};

use crate::ACCOUNT;
use crate::kinesis::shards::shard_json;
use crate::kinesis::stream::{Pending, Stream};
use crate::kinesis::{Answer, Inner, name_in_arn, seconds, stream_name};
use crate::request::Request;
use crate::service_error::{Input, ServiceError};

const SHARDS_MAX: i64 = 10_000;
const CREATING_MAX: usize = 5;
const ON_DEMAND_SHARDS: u32 = 4;

impl Inner {
    pub(super) fn create_stream(&self, request: &Request, mut input: Input) -> Answer {
        let name = input.required_name("StreamName")?;
        let shards = input.number("ShardCount", 1, i64::MAX)?;
        let record = input.number("MaxRecordSizeInKiB", 1024, 10240)?;
        let mode = match input.within("StreamModeDetails")? {
            Some(mut details) => details.word("StreamMode", &["PROVISIONED", "ON_DEMAND"])?,
            None => None,
        };
        input.finish()?;
        let mode = mode.unwrap_or_else(|| "PROVISIONED".into());
        let shards = match (mode.as_str(), shards) {
            ("ON_DEMAND", Some(_)) => {
                let text = "ShardCount must not be provided for a stream with on-demand mode.";
                return Err(ServiceError::argument(text));
            }
            ("ON_DEMAND", None) => ON_DEMAND_SHARDS,
            (_, None) => {
                let text = "ShardCount is required for a stream with provisioned mode.";
                return Err(ServiceError::argument(text));
            }
            (_, Some(shards)) if shards > SHARDS_MAX => {
                let text = format!(
                    "This request would exceed the shard limit for the account {ACCOUNT} in \
                     {}. Limit: {SHARDS_MAX}. Number of additional shards that would have \
                     resulted from this request: {shards}.",
                    request.region
                );
                return Err(ServiceError::limit(text));
            }
            (_, Some(shards)) => shards as u32,
        };
        let now_ms = self.now_ms();
        let mut streams = self.streams();
        let at = (request.region.clone(), name.clone());
        if let Some(stream) = streams.get(&at) {
            return Err(ServiceError::in_use(format!("{} already exists.", stream.title())));
        }
        let creating = streams.values().filter(|stream| stream.status == "CREATING").count();
        if creating >= CREATING_MAX {
            let text = "Rate of creating streams exceeded: 5 are CREATING.";
            return Err(ServiceError::limit(text));
        }
        let active_ms = now_ms + self.shared.settings().transition_ms;
        let mut stream = Stream::new(&request.region, &name, shards, now_ms, active_ms);
        stream.mode = mode;
        if let Some(record) = record {
            stream.record_max_bytes = record as usize * 1024;
        }
        streams.insert(at, stream);
        Ok(Value::Null)
    }

    pub(super) fn delete_stream(&self, request: &Request, mut input: Input) -> Answer {
        let name = stream_name(request, &mut input)?;
        let consumers_too = input.flag("EnforceConsumerDeletion")?;
        let until_ms = self.now_ms() + self.shared.settings().transition_ms;
        self.with(request, &name, |stream| {
            if !stream.consumers.is_empty() && !consumers_too {
                let text = format!("{} has registered consumers.", stream.title());
                return Err(ServiceError::in_use(text));
            }
            stream.status = "DELETING";
            stream.pending = Some((until_ms, Pending::Delete));
            Ok(())
        })?;
        self.changed.notify_waiters();
        Ok(Value::Null)
    }

    pub(super) fn describe_stream(&self, request: &Request, mut input: Input) -> Answer {
        let limit = input.number("Limit", 1, 10_000)?.unwrap_or(100) as usize;
        let after = input.name("ExclusiveStartShardId")?;
        let name = stream_name(request, &mut input)?;
        let page = limit.min(self.shared.settings().list_shards_page);
        self.with(request, &name, |stream| {
            let all: Vec<Value> = match stream.status {
                "CREATING" => Vec::new(),
                _ => stream
                    .shards
                    .values()
                    .filter(|shard| after.as_ref().is_none_or(|after| shard.id() > *after))
                    .map(shard_json)
                    .collect(),
            };
            let more = all.len() > page;
            Ok(json!({"StreamDescription": {
                "StreamName": stream.name,
                "StreamARN": stream.arn,
                "StreamStatus": stream.status,
                "StreamModeDetails": {"StreamMode": stream.mode},
                "Shards": all.into_iter().take(page).collect::<Vec<_>>(),
                "HasMoreShards": more,
                "RetentionPeriodHours": stream.retention_hours,
                "StreamCreationTimestamp": seconds(stream.made_ms),
                "EnhancedMonitoring": [{"ShardLevelMetrics": []}],
                "EncryptionType": "NONE",
            }}))
        })
    }

    pub(super) fn describe_stream_summary(&self, request: &Request, mut input: Input) -> Answer {
        let name = stream_name(request, &mut input)?;
        self.with(request, &name, |stream| {
            Ok(json!({"StreamDescriptionSummary": {
                "StreamName": stream.name,
                "StreamARN": stream.arn,
                "StreamStatus": stream.status,
                "StreamModeDetails": {"StreamMode": stream.mode},
                "RetentionPeriodHours": stream.retention_hours,
                "StreamCreationTimestamp": seconds(stream.made_ms),
                "EnhancedMonitoring": [{"ShardLevelMetrics": []}],
                "EncryptionType": "NONE",
                "OpenShardCount": stream.open_shards(),
                "ConsumerCount": stream.consumers.len(),
                "MaxRecordSizeInKiB": stream.record_max_bytes / 1024,
            }}))
        })
    }

    pub(super) fn list_streams(&self, request: &Request, mut input: Input) -> Answer {
        let limit = input.number("Limit", 1, 10_000)?.unwrap_or(100) as usize;
        let after = input.name("ExclusiveStartStreamName")?;
        input.finish()?;
        let after = input.text("NextToken")?.or(after);
        let streams = self.streams();
        let own: Vec<&Stream> = streams
            .iter()
            .filter(|((region, name), _)| {
                *region == request.region && after.as_ref().is_none_or(|after| name > after)
            })
            .map(|(_, stream)| stream)
            .collect();
        let more = own.len() > limit;
        let page = &own[..own.len().min(limit)];
        let names: Vec<&str> = page.iter().map(|stream| stream.name.as_str()).collect();
        let summaries = page.iter().map(|stream| {
            json!({
                "StreamName": stream.name,
                "StreamARN": stream.arn,
                "StreamStatus": stream.status,
                "StreamModeDetails": {"StreamMode": stream.mode},
                "StreamCreationTimestamp": seconds(stream.made_ms),
            })
        });
        let summaries: Vec<Value> = summaries.collect();
        let mut body =
            json!({"StreamNames": names, "HasMoreStreams": more, "StreamSummaries": summaries});
        if let (true, Some(last)) = (more, names.last()) {
            body["NextToken"] = json!(last);
        }
        Ok(body)
    }

    pub(super) fn retention(&self, request: &Request, mut input: Input, more: bool) -> Answer {
        let hours = input.number("RetentionPeriodHours", 24, 8_760)?;
        if hours.is_none() {
            input.wrong("RetentionPeriodHours", None, "not be null");
        }
        let name = stream_name(request, &mut input)?;
        let hours = hours.unwrap_or(24);
        self.with(request, &name, |stream| {
            stream.must_be_active()?;
            if more && hours < stream.retention_hours || !more && hours > stream.retention_hours {
                let (now, kind) = (stream.retention_hours, if more { "less" } else { "more" });
                let text = format!(
                    "Requested retention period ({hours} hours) for {} must not be {kind} than \
                     the existing one ({now} hours).",
                    stream.title()
                );
                return Err(ServiceError::argument(text));
            }
            stream.retention_hours = hours;
            Ok(Value::Null)
        })
    }

    pub(super) fn update_max_record_size(&self, request: &Request, mut input: Input) -> Answer {
        let kib = input.number("MaxRecordSizeInKiB", 1024, 10240)?;
        if kib.is_none() {
            input.wrong("MaxRecordSizeInKiB", None, "not be null");
        }
        let arn = input.required("StreamARN")?;
        input.finish()?;
        let name = name_in_arn(request, &arn)?;
        let until_ms = self.now_ms() + self.shared.settings().transition_ms;
        self.with(request, &name, |stream| {
            stream.must_be_active()?;
            stream.record_max_bytes = kib.unwrap_or(1024) as usize * 1024;
            stream.status = "UPDATING";
            stream.pending = Some((until_ms, Pending::Nothing));
            Ok(Value::Null)
        })
    }
}
