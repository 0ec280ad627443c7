//! Putting records: checked, and appended to the buffer as they are.

use std::borrow::Cow;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::firehose::{Answer, Delivery, Inner, deliver, not_found};
use crate::request::{Request, Response, Tally};
use crate::rules::Faults;
use crate::service_error::{ServiceError, is_name, validation, violation};
use crate::wire;

const RECORDS_MAX: usize = 500;
const RECORD_MAX_BYTES: usize = 1_000 * 1024;
const BATCH_MAX_BYTES: usize = 4 * 1024 * 1024;

#[derive(Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

#[derive(Deserialize)]
struct Record<'a> {
    #[serde(rename = "Data", borrow)]
    data: Option<Text<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Put<'a> {
    #[serde(borrow)]
    delivery_stream_name: Option<Text<'a>>,
    #[serde(borrow)]
    records: Option<Vec<Record<'a>>>,
    #[serde(borrow)]
    record: Option<Record<'a>>,
}

fn read(body: &[u8]) -> Result<Put<'_>, ServiceError> {
    serde_json::from_slice(body).map_err(|error| ServiceError::shape(error.to_string()))
}

/// The bytes of a record; `place` is what a violation calls it.
fn bytes(
    record: &Record<'_>,
    place: &str,
    wrong: &mut Vec<String>,
) -> Result<Vec<u8>, ServiceError> {
    let Some(Text(data)) = &record.data else {
        wrong.push(violation(None, place, "not be null"));
        return Ok(Vec::new());
    };
    let bytes = STANDARD.decode(data.as_bytes());
    let bytes = bytes.map_err(|_| ServiceError::shape("Data is not base64."))?;
    if bytes.len() > RECORD_MAX_BYTES {
        let size = bytes.len();
        let what = format!("java.nio.HeapByteBuffer[pos=0 lim={size} cap={size}]");
        let rule = format!("have length less than or equal to {RECORD_MAX_BYTES}");
        wrong.push(violation(Some(&what), place, &rule));
    }
    Ok(bytes)
}

fn name(put: &Put<'_>, wrong: &mut Vec<String>) -> Result<String, ServiceError> {
    let name = put.delivery_stream_name.as_ref().map(|Text(name)| name.as_ref());
    match name {
        None => wrong.push(violation(None, "deliveryStreamName", "not be null")),
        Some(name) if !is_name(name) || name.len() > 64 => {
            let rule = "satisfy regular expression pattern: [a-zA-Z0-9_.-]+";
            wrong.push(violation(Some(name), "deliveryStreamName", rule));
        }
        Some(_) => {}
    }
    if wrong.is_empty() { Ok(name.unwrap_or_default().to_owned()) } else { Err(validation(wrong)) }
}

/// An id as long as AWS's.
fn record_id() -> String {
    let bytes: Vec<u8> = (0..10).flat_map(|_| fastrand::u128(..).to_be_bytes()).collect();
    STANDARD.encode(bytes)
}

impl Inner {
    /// Acts on an ACTIVE delivery stream.
    fn with_active<T>(
        &self,
        request: &Request,
        name: &str,
        act: impl FnOnce(&mut Delivery) -> Result<T, ServiceError>,
    ) -> Result<T, ServiceError> {
        let now_ms = self.now_ms();
        let mut streams = self.streams();
        let stream = streams.get_mut(&(request.region.clone(), name.to_owned()));
        let active = stream.filter(|stream| stream.gone_ms.is_none() && now_ms >= stream.active_ms);
        act(active.ok_or_else(|| not_found(name))?)
    }

    /// Appends a record, and sets the timer where it is the first of its buffer.
    fn append(inner: &Arc<Inner>, request: &Request, stream: &mut Delivery, record: &[u8]) {
        let now_ms = inner.now_ms();
        let due = stream.buffer.add(record, now_ms, inner.objects.as_ref());
        if let Some((turn, due_ms)) = due {
            let at = (request.region.clone(), stream.name.clone());
            tokio::spawn(deliver::timer(Arc::downgrade(inner), at, turn, due_ms));
        }
    }

    pub(super) fn put_record(inner: &Arc<Inner>, request: &Request, faults: &Faults) -> Answer {
        let put = read(&request.body)?;
        let mut wrong = Vec::new();
        let record = match &put.record {
            Some(record) => bytes(record, "record.data", &mut wrong)?,
            None => {
                wrong.push(violation(None, "record", "not be null"));
                Vec::new()
            }
        };
        let name = name(&put, &mut wrong)?;
        inner.with_active(request, &name, |stream| {
            if let Some(code) = faults.entry_fails("") {
                let text = "A rule of the front asks for it.".to_owned();
                return Err(ServiceError { status: 503, code: code.to_owned(), message: text });
            }
            must_fit(stream, record.len())?;
            Self::append(inner, request, stream, &record);
            Ok(json!({"RecordId": record_id(), "Encrypted": false}))
        })
    }

    pub(super) fn put_record_batch(
        inner: &Arc<Inner>,
        request: &Request,
        faults: &Faults,
    ) -> Result<Response, ServiceError> {
        let put = read(&request.body)?;
        let mut wrong = Vec::new();
        match &put.records {
            None => wrong.push(violation(None, "records", "not be null")),
            Some(records) if records.is_empty() => {
                let rule = "have length greater than or equal to 1";
                wrong.push(violation(Some("[]"), "records", rule));
            }
            Some(records) if records.len() > RECORDS_MAX => {
                let what = format!("[{} Record]", records.len());
                let rule = format!("have length less than or equal to {RECORDS_MAX}");
                wrong.push(violation(Some(&what), "records", &rule));
            }
            Some(_) => {}
        }
        let mut records = Vec::new();
        for (at, record) in put.records.iter().flatten().enumerate() {
            let place = format!("records.{}.member.data", at + 1);
            records.push(bytes(record, &place, &mut wrong)?);
        }
        let name = name(&put, &mut wrong)?;
        let size: usize = records.iter().map(Vec::len).sum();
        if size > BATCH_MAX_BYTES {
            return Err(ServiceError::argument("Records size exceeds 4 MB limit"));
        }
        let mut tally = Tally { entries: records.len() as u64, ..Tally::default() };
        let entries: Vec<Value> = inner.with_active(request, &name, |stream| {
            must_fit(stream, size)?;
            let entries = records.iter().map(|record| match faults.entry_fails("") {
                Some(code) => {
                    tally.entries_failed += 1;
                    tally.throttled += u64::from(code == "ServiceUnavailableException");
                    json!({"ErrorCode": code, "ErrorMessage": "Slow down."})
                }
                None => {
                    Self::append(inner, request, stream, record);
                    json!({"RecordId": record_id()})
                }
            });
            Ok(entries.collect())
        })?;
        let failed = tally.entries_failed;
        let body =
            json!({"FailedPutCount": failed, "Encrypted": false, "RequestResponses": entries});
        Ok(wire::json_reply(request, &body).tallied(tally))
    }
}

fn must_fit(stream: &Delivery, bytes: usize) -> Result<(), ServiceError> {
    if !stream.buffer.is_full(bytes) {
        return Ok(());
    }
    let message = "Slow down: nothing can be delivered.".to_owned();
    Err(ServiceError { status: 503, code: "ServiceUnavailableException".into(), message })
}
