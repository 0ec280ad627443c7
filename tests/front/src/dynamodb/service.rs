//! The service: which operation it is, and its answer with its checksum.

use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use crc_fast::CrcAlgorithm::Crc32IsoHdlc;
use serde_json::Value as Json;

use super::call::{Call, State};
use super::error::{Error, serialization};
use crate::request::{Request, Response, Service};
use crate::rules::Faults;
use crate::{Shared, Tally};

/// The largest request, in bytes.
const REQUEST_BYTES_MAX: usize = 16 * 1024 * 1024;

/// DynamoDB with its tables.
pub struct DynamoDb {
    shared: Arc<Shared>,
    state: Mutex<State>,
}

impl DynamoDb {
    /// Without tables.
    pub fn new(shared: Arc<Shared>) -> DynamoDb {
        DynamoDb { shared, state: Mutex::default() }
    }

    fn answer(&self, request: &Request, faults: &Faults) -> (Result<Json, Error>, Tally) {
        if request.body.len() > REQUEST_BYTES_MAX {
            let said = "Request size exceeds the limit of 16 MB";
            return (Err(super::error::validation(said)), Tally::default());
        }
        let body = match serde_json::from_slice::<Json>(&request.body) {
            Ok(body @ Json::Object(_)) => body,
            Ok(_) => {
                return (Err(serialization("Unexpected value type in payload")), Tally::default());
            }
            Err(_) => {
                let said = "The request body is not well-formed JSON";
                return (Err(serialization(said)), Tally::default());
            }
        };
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let now_ms = self.shared.clock.now_ms();
        state.tables.retain(|_, table| table.gone_ms.is_none_or(|gone_ms| now_ms < gone_ms));
        state.tokens.retain(|_, token| now_ms < token.until_ms);
        let mut call = Call {
            state: &mut state,
            region: &request.region,
            now_ms,
            settings: &self.shared.settings(),
            faults,
            tally: Tally::default(),
        };
        (call.run(&request.operation, &body), call.tally)
    }
}

impl Call<'_> {
    fn run(&mut self, operation: &str, body: &Json) -> Result<Json, Error> {
        match operation {
            "CreateTable" => self.create_table(body),
            "DescribeTable" => self.describe_table(body),
            "DeleteTable" => self.delete_table(body),
            "ListTables" => self.list_tables(body),
            "UpdateTimeToLive" => self.update_time_to_live(body),
            "DescribeTimeToLive" => self.describe_time_to_live(body),
            "PutItem" => self.put_item(body),
            "GetItem" => self.get_item(body),
            "UpdateItem" => self.update_item(body),
            "DeleteItem" => self.delete_item(body),
            "BatchWriteItem" => self.batch_write_item(body),
            "BatchGetItem" => self.batch_get_item(body),
            "Query" => self.query(body),
            "Scan" => self.scan(body),
            "TransactWriteItems" => self.transact_write_items(body),
            "TransactGetItems" => self.transact_get_items(body),
            _ => Err(Error::new("UnknownOperationException", "")),
        }
    }
}

#[async_trait]
impl Service for DynamoDb {
    async fn call(&self, request: &Request, faults: &Faults) -> Response {
        let (answer, tally) = self.answer(request, faults);
        let (status, body) = match answer {
            Ok(body) => (200, body.to_string()),
            Err(error) => (error.status(), error.body().to_string()),
        };
        let checksum = crc_fast::checksum(Crc32IsoHdlc, body.as_bytes()).to_string();
        Response::new(status, body)
            .header("content-type", "application/x-amz-json-1.0")
            .header("x-amz-crc32", checksum)
            .tallied(tally)
    }
}
