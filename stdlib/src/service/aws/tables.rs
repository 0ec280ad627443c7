//! Items in DynamoDB tables: one UpdateItem for all rows of an item in a call, many items at once.
//!
//! `replaced` is told by the old values that an update returns. Whether an item was new is not:
//! only its whole old self would tell, so `items` is not counted here.

mod item;
mod values;

use super::clients::Clients;
use super::errors;
use crate::service::items::rows;
use crate::service::items::size::Limits;
use crate::service::{Refused, Tables, Upserted, Upserts};
use async_trait::async_trait;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::ProvideErrorMetadata;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValue};
use engine::fault::{Fault, FaultClass};
use engine::node::SinkLimits;
use futures::stream::{self, StreamExt};
use item::{Item, Unheld, Update, Writer};
use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// Updates under way at once, at most and at least.
const AT_ONCE_MAX: usize = 64;
const AT_ONCE_MIN: usize = 4;
/// Failures in a row after which the rest of a call is left for its next try.
const FAILURES_MAX: usize = 2 * AT_ONCE_MAX;

/// The tables of one account.
pub struct AwsTables {
    dynamodb: Client,
    /// Updates that may be under way in the next call: fewer after a throttle.
    at_once: AtomicUsize,
}

/// Why an update was not made.
enum Failed {
    /// The row is refused, by code and the service's words.
    Refused(&'static str, String),
    /// It may be tried again.
    Later(Fault),
    /// Nothing can be written.
    Never(Fault),
}

/// What became of the rows of an item.
#[derive(Default)]
struct Done {
    attributes: usize,
    replaced: usize,
    refused: Vec<Refused>,
    again: Vec<usize>,
    fault: Option<Fault>,
}

/// One call.
struct Call<'a> {
    tables: &'a AwsTables,
    table: &'a str,
    writer: Writer<'a>,
    item_bytes_max: usize,
    /// Faults since an update went through.
    failures: AtomicUsize,
}

impl AwsTables {
    /// All tables. Makes no call.
    pub fn new(clients: &Clients) -> AwsTables {
        let dynamodb = clients.dynamodb.clone();
        AwsTables { dynamodb, at_once: AtomicUsize::new(AT_ONCE_MAX) }
    }

    /// The next call has fewer updates at once after a throttle, and else some more.
    fn learn(&self, fault: Option<&Fault>) {
        let at_once = self.at_once.load(Ordering::Relaxed);
        let next = match fault.map(|fault| fault.class) {
            Some(FaultClass::Throttle) => at_once * 7 / 10,
            Some(_) => at_once,
            None => at_once + AT_ONCE_MIN,
        };
        self.at_once.store(next.clamp(AT_ONCE_MIN, AT_ONCE_MAX), Ordering::Relaxed);
    }
}

#[async_trait]
impl Tables for AwsTables {
    async fn upsert(&self, table: &str, upserts: Upserts) -> Result<Upserted, Fault> {
        let limits = Limits::aws();
        let keys = rows::keys(&upserts, limits);
        let (rows, refused) = rows::gather(&upserts, &keys);
        let call = Call {
            tables: self,
            table,
            writer: Writer::new(&upserts, &rows),
            item_bytes_max: limits.item,
            failures: AtomicUsize::new(0),
        };
        let at_once = self.at_once.load(Ordering::Relaxed);
        let writes = item::items(&rows).into_iter().map(|item| call.item(item));
        let mut writes = stream::iter(writes).buffer_unordered(at_once);
        let mut upserted = Upserted { refused, ..Upserted::default() };
        while let Some(done) = writes.next().await {
            let Done { attributes, replaced, refused, again, fault } = done?;
            upserted.attributes += attributes as u64;
            upserted.replaced += replaced as u64;
            upserted.refused.extend(refused);
            upserted.again.extend(again);
            // Of several faults the one that asks for less is told.
            let throttle = |fault: &Fault| fault.class == FaultClass::Throttle;
            if fault.as_ref().is_some_and(throttle) || upserted.fault.is_none() {
                upserted.fault = fault.or(upserted.fault);
            }
        }
        self.learn(upserted.fault.as_ref());
        upserted.refused.sort_by_key(|refused| refused.row);
        upserted.again.sort_unstable();
        Ok(upserted)
    }

    /// Rows wait a moment for others: the more of one item come together, the fewer updates it
    /// takes.
    fn upsert_limits(&self) -> SinkLimits {
        SinkLimits {
            rows_max: 16_384,
            bytes_max: 16 << 20,
            linger: Duration::from_millis(100),
            ..SinkLimits::default()
        }
    }
}

impl Call<'_> {
    /// Writes the rows of an item.
    async fn item(&self, item: Item) -> Result<Done, Fault> {
        let mut done = Done::default();
        let again = |slots: &[usize], done: &mut Done, fault| {
            done.again.extend(slots.iter().map(|slot| self.writer.row(*slot)));
            done.fault = Some(fault);
        };
        let all = &item.slots;
        if self.failures.load(Ordering::Relaxed) >= FAILURES_MAX {
            let message = format!("table `{}` does not answer", self.table);
            again(all, &mut done, Fault::transient("unanswered", message));
            return Ok(done);
        }
        if all.len() > 1 {
            match self.rows(all, &mut done).await {
                Ok(()) => return Ok(done),
                Err(Failed::Never(fault)) => return Err(fault),
                Err(Failed::Later(fault)) => {
                    again(all, &mut done, fault);
                    return Ok(done);
                }
                // One by one it comes out which rows the item cannot take.
                Err(Failed::Refused(..)) => {}
            }
        }
        for (at, slot) in all.iter().enumerate() {
            match self.rows(&[*slot], &mut done).await {
                Ok(()) => {}
                Err(Failed::Never(fault)) => return Err(fault),
                Err(Failed::Later(fault)) => {
                    again(&all[at..], &mut done, fault);
                    break;
                }
                Err(Failed::Refused(code, message)) => {
                    done.refused.push(Refused { row: self.writer.row(*slot), code, message });
                }
            }
        }
        Ok(done)
    }

    /// Writes some rows of an item together.
    async fn rows(&self, slots: &[usize], done: &mut Done) -> Result<(), Failed> {
        let unheld = |unheld: Unheld| Failed::Refused("number_range", unheld.message);
        let (wanted, named) = self.writer.wanted(slots);
        let bytes: usize = wanted.iter().map(|each| each.bytes).sum();
        if bytes > self.item_bytes_max {
            let max = self.item_bytes_max;
            let message = format!(
                "Item size to update has exceeded the maximum allowed size (its attributes have \
                 {bytes} bytes, {max} are allowed)"
            );
            return Err(Failed::Refused("item_too_large", message));
        }
        let key = self.writer.key(slots[0]).map_err(unheld)?;
        let mut before = 0;
        for update in self.writer.updates(&wanted).map_err(unheld)? {
            before += self.send(key.clone(), update).await?;
        }
        let new = wanted.len().saturating_sub(before);
        done.attributes += new;
        done.replaced += named - new;
        Ok(())
    }

    /// One update; how many of its attributes were there before.
    async fn send(
        &self,
        key: HashMap<String, AttributeValue>,
        update: Update,
    ) -> Result<usize, Failed> {
        let request = self.tables.dynamodb.update_item().table_name(self.table).set_key(Some(key));
        let request = match update.expression {
            None => request,
            Some(expression) => request
                .update_expression(expression)
                .set_expression_attribute_names(Some(update.names))
                .set_expression_attribute_values(Some(update.values))
                .return_values(ReturnValue::UpdatedOld),
        };
        let error = match request.send().await {
            Ok(answer) => {
                self.failures.store(0, Ordering::Relaxed);
                return Ok(answer.attributes.map_or(0, |attributes| attributes.len()));
            }
            Err(error) => error,
        };
        if let Some(said) = error.as_service_error()
            && said.code() == Some("ValidationException")
            && let Some(message) = said.message()
            && let Some(code) = item::refusal(message)
        {
            return Err(Failed::Refused(code, message.to_owned()));
        }
        let fault = errors::fault(&format!("write to table `{}`", self.table), error);
        if fault.class == FaultClass::Service {
            return Err(Failed::Never(fault));
        }
        self.failures.fetch_add(1, Ordering::Relaxed);
        Err(Failed::Later(fault))
    }
}
