//! Deliveries by Firehose: rows are packed into records, and only records that it did not take are
//! sent again. A lost answer doubles rows; by their event ids whoever loads them drops the second.

mod pack;

use super::clients::Clients;
use super::errors;
use crate::service::{Appended, BucketPlace, Delivery, Records};
use arrow_array::Array;
use async_trait::async_trait;
use aws_sdk_firehose::Client;
use aws_sdk_firehose::primitives::Blob;
use aws_sdk_firehose::types::Record;
use dsl::ast::ResourceKind;
use dsl::plan::Plan;
use engine::fault::{Fault, FaultClass};
use engine::node::SinkLimits;
use futures::stream::{self, StreamExt};
use pack::{Form, Limits, Packed};
use std::collections::BTreeMap;
use std::time::Duration;

/// Requests of one write under way at once.
const REQUESTS_AT_ONCE: usize = 4;

/// The delivery streams of one account.
pub struct AwsDelivery {
    firehose: Client,
    forms: BTreeMap<String, Form>,
    limits: Limits,
}

/// What became of the rows of one request.
struct Sent {
    again: Vec<usize>,
    fault: Option<Fault>,
}

impl AwsDelivery {
    /// The deliveries of a plan. Makes no call.
    pub fn new(clients: &Clients, plan: &Plan) -> AwsDelivery {
        let deliveries = plan.resources.iter().filter(|it| it.kind == ResourceKind::Delivery);
        let forms = deliveries.filter_map(|delivery| {
            Some((delivery.binding.as_ref()?.name.clone(), Form::of(&delivery.ty)))
        });
        let (firehose, forms) = (clients.firehose.clone(), forms.collect());
        AwsDelivery { firehose, forms, limits: Limits::aws() }
    }

    async fn send(&self, delivery: &str, packed: &[Packed]) -> Result<Sent, Fault> {
        let what = format!("write to delivery stream `{delivery}`");
        let record = |packed: &Packed| {
            let record = Record::builder().data(Blob::new(packed.data.clone())).build();
            record.expect("it has data")
        };
        let put = self.firehose.put_record_batch().delivery_stream_name(delivery);
        let put = put.set_records(Some(packed.iter().map(record).collect()));
        let all = || packed.iter().flat_map(|record| record.rows.clone()).collect();
        let answer = match put.send().await {
            Ok(answer) => answer,
            Err(error) => match errors::fault(&what, error) {
                fault if fault.class == FaultClass::Service => return Err(fault),
                fault => return Ok(Sent { again: all(), fault: Some(fault) }),
            },
        };
        let entries = answer.request_responses();
        if entries.len() != packed.len() {
            let (said, sent) = (entries.len(), packed.len());
            let message = format!("cannot {what}: {sent} records have {said} answers");
            return Ok(Sent { again: all(), fault: Some(Fault::transient("answer", message)) });
        }
        let (mut again, mut fault) = (Vec::new(), None);
        for (entry, record) in entries.iter().zip(packed) {
            if let Some(code) = entry.error_code() {
                again.extend(&record.rows);
                // Whatever is wrong with the whole stream fails the request, not an entry.
                fault = Some(errors::answered(&what, 500, code, entry.error_message()));
            }
        }
        Ok(Sent { again, fault })
    }
}

#[async_trait]
impl Delivery for AwsDelivery {
    async fn write(&self, delivery: &str, records: Records) -> Result<Appended, Fault> {
        let form = self.forms.get(delivery).copied().unwrap_or(Form { ids: false, lines: true });
        let (packed, refused) = pack::pack(&records, form, self.limits);
        let requests = pack::requests(&packed, self.limits);
        let sending = requests.into_iter().map(|request| self.send(delivery, &packed[request]));
        let mut sending = stream::iter(sending).buffer_unordered(REQUESTS_AT_ONCE);
        let mut appended = Appended { refused, ..Appended::default() };
        while let Some(sent) = sending.next().await {
            let Sent { again, fault } = sent?;
            appended.again.extend(again);
            appended.fault = fault.or(appended.fault);
        }
        let left = appended.again.len() + appended.refused.len();
        appended.stored = (records.payloads.len() - left) as u64;
        Ok(appended)
    }

    async fn append(&self, place: &BucketPlace, _: Records) -> Result<Appended, Fault> {
        let message =
            format!("S3 has no append: bucket `{}` was not prepared for it", place.bucket);
        Err(Fault::service("no_append", message).help("this is a bug of flowc: please report it"))
    }

    /// About as much as fits one request with its ids; a delivery holds rows for seconds anyway, so
    /// they wait for others to be packed with.
    fn write_limits(&self) -> SinkLimits {
        SinkLimits {
            rows_max: 16_384,
            bytes_max: self.limits.request * 3 / 4,
            linger: Duration::from_millis(200),
            concurrency: REQUESTS_AT_ONCE,
            ..SinkLimits::default()
        }
    }
}
