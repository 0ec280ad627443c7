//! Positions of sources and cuts of batches, in the DynamoDB table of a plan's state.
//!
//! All stores that wait while one is under way become durable together, by one transaction. The
//! same table holds the leases of streams; keys that begin with `state/` are these.

mod rows;

use super::errors;
use async_trait::async_trait;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError as WriteError;
use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::{AttributeValue, Delete, Put, TransactWriteItem};
use dsl::plan::Plan;
use engine::ctx::{Checkpoints, Clock};
use engine::fault::{Fault, FaultClass};
use engine::retry::{Backoff, Pace};
use rows::{Pairs, Row, Transaction};
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::oneshot;

/// The key attribute of the table, as KCL names it.
pub const KEY: &str = "leaseKey";
/// A call that a fault has broken off is tried again five times, before its caller is told.
const PACE: Pace = Pace {
    wait_first: Duration::from_millis(100),
    wait_max: Duration::from_secs(2),
    retry_for: Duration::from_secs(600),
    tries_max: 6,
};

/// The checkpoints of one plan.
pub struct StateTable {
    shared: Arc<Shared>,
}

struct Shared {
    dynamodb: Client,
    table: String,
    /// What to do where the table is not there.
    help: String,
    clock: Arc<dyn Clock>,
    waiting: Mutex<Waiting>,
    /// The keys whose value is in several rows, with their number.
    parts: Mutex<BTreeMap<String, usize>>,
    /// A transaction whose outcome is not known, and its token: should it come again, the service
    /// knows it.
    unknown: Mutex<Option<([u8; 32], String)>>,
}

/// The stores that are to be written next. Each of the few nodes of a run waits for its own.
#[derive(Default)]
struct Waiting {
    stores: Vec<(Pairs, oneshot::Sender<Result<(), Fault>>)>,
    /// Somebody writes, and will take what has come meanwhile.
    is_taken: bool,
}

impl StateTable {
    /// The checkpoints in the state table of a plan. Makes no call.
    pub fn new(dynamodb: Client, plan: &Plan, clock: Arc<dyn Clock>) -> StateTable {
        let (file, profile) = (&plan.file, &plan.profile);
        let shared = Shared {
            dynamodb,
            table: super::state_table(plan),
            help: format!("`flowc up {file} --profile {profile}` makes it"),
            clock,
            waiting: Mutex::default(),
            parts: Mutex::default(),
            unknown: Mutex::default(),
        };
        StateTable { shared: Arc::new(shared) }
    }
}

impl StateTable {
    /// Sets a key to `after`, but only where it has the value `before` (`None` = is not there);
    /// durable when it is true. Values fit one row.
    ///
    /// # Errors
    /// The table cannot be written.
    pub async fn swap(
        &self,
        key: &str,
        before: Option<&[u8]>,
        after: &[u8],
    ) -> Result<bool, Fault> {
        let shared = &self.shared;
        let binary = |value: &[u8]| AttributeValue::B(Blob::new(value));
        let put = shared.dynamodb.put_item().table_name(&shared.table);
        let put = put.item(KEY, AttributeValue::S(rows::row_key(key, 0)));
        let put = put.item("value", binary(after));
        let put = match before {
            None => put.condition_expression(format!("attribute_not_exists({KEY})")),
            Some(before) => put
                .condition_expression("#v = :v")
                .expression_attribute_names("#v", "value")
                .expression_attribute_values(":v", binary(before)),
        };
        let Err(error) = put.send().await else { return Ok(true) };
        if error.as_service_error().is_some_and(|e| e.is_conditional_check_failed_exception()) {
            // A put whose answer was lost finds its own value.
            return Ok(self.load(key).await?.as_deref() == Some(after));
        }
        let what = format!("write a checkpoint to table `{}`", shared.table);
        Err(shared.helped(errors::fault(&what, error)))
    }
}

#[async_trait]
impl Checkpoints for StateTable {
    async fn load(&self, key: &str) -> Result<Option<Vec<u8>>, Fault> {
        let mut tries = tries();
        loop {
            match self.shared.load(key).await {
                Err(fault) => self.shared.wait(&mut tries, fault).await?,
                loaded => return loaded,
            }
        }
    }

    async fn store(&self, pairs: Pairs) -> Result<(), Fault> {
        if pairs.is_empty() {
            return Ok(());
        }
        let (reply, answer) = oneshot::channel();
        let is_mine = {
            let mut waiting = lock(&self.shared.waiting);
            waiting.stores.push((pairs, reply));
            !std::mem::replace(&mut waiting.is_taken, true)
        };
        if is_mine {
            let turn = Turn { shared: self.shared.clone(), is_over: false };
            tokio::spawn(turn.write());
        }
        answer.await.map_err(|_| Fault::service("closed", "the run has ended"))?
    }
}

/// Writes what waits until nothing does.
struct Turn {
    shared: Arc<Shared>,
    is_over: bool,
}

impl Turn {
    async fn write(mut self) {
        loop {
            let stores = {
                let mut waiting = lock(&self.shared.waiting);
                // Said together: a store that comes later has a turn of its own.
                waiting.is_taken = !waiting.stores.is_empty();
                std::mem::take(&mut waiting.stores)
            };
            if stores.is_empty() {
                self.is_over = true;
                return;
            }
            let (stores, answers): (Vec<Pairs>, Vec<_>) = stores.into_iter().unzip();
            let stored = self.shared.store(&stores).await;
            for (answer, stored) in answers.into_iter().zip(stored) {
                // A caller that has gone away is told nothing; its pairs are stored.
                let _ = answer.send(stored);
            }
        }
    }
}

impl Drop for Turn {
    /// A turn that was broken off: those that wait are told so, and the next store finds nobody at
    /// work.
    fn drop(&mut self) {
        if !self.is_over {
            let mut waiting = lock(&self.shared.waiting);
            waiting.stores.clear();
            waiting.is_taken = false;
        }
    }
}

fn tries() -> Backoff {
    Backoff::at(fastrand::u64(..), PACE)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shared {
    /// Waits before a call is tried again that a fault has broken off: what opens a node needs it,
    /// and nothing else would try it again.
    async fn wait(&self, tries: &mut Backoff, fault: Fault) -> Result<(), Fault> {
        self.clock.sleep(tries.next(fault, self.clock.now_ns())?).await;
        Ok(())
    }

    async fn transact_again(&self, transaction: &Transaction) -> Result<(), Fault> {
        let mut tries = tries();
        while let Err(fault) = self.transact(transaction).await {
            self.wait(&mut tries, fault).await?;
        }
        Ok(())
    }

    async fn load(&self, key: &str) -> Result<Option<Vec<u8>>, Fault> {
        let Some(first) = self.row(&rows::row_key(key, 0)).await? else { return Ok(None) };
        let parts = first.parts;
        let mut all = vec![first];
        for part in 1..parts {
            all.extend(self.row(&rows::row_key(key, part)).await?);
        }
        if parts > 1 {
            lock(&self.parts).insert(key.to_owned(), parts);
        }
        let torn = || {
            let message =
                format!("the rows of checkpoint `{key}` in table `{}` differ", self.table);
            Fault::transient("checkpoint_torn", message)
        };
        rows::whole(all).map(Some).ok_or_else(torn)
    }

    async fn row(&self, key: &str) -> Result<Option<Row>, Fault> {
        let get = self.dynamodb.get_item().table_name(&self.table).consistent_read(true);
        let got = get.key(KEY, AttributeValue::S(key.to_owned())).send().await;
        let got = got.map_err(|error| {
            let what = format!("read a checkpoint from table `{}`", self.table);
            self.helped(errors::fault(&what, error))
        })?;
        let Some(item) = got.item else { return Ok(None) };
        read(&item).map(Some).ok_or_else(|| {
            let table = &self.table;
            let message =
                format!("row `{key}` of table `{table}` is no checkpoint of this version");
            Fault::service("checkpoint_format", message)
                .help("run the version of flowc that wrote it, or begin anew with another `state`")
        })
    }

    /// Writes stores, in as few transactions as they fit; the outcome of each.
    async fn store(&self, stores: &[Pairs]) -> Vec<Result<(), Fault>> {
        let (transactions, places) = rows::transactions(stores, &lock(&self.parts));
        let mut done: Vec<Result<(), Fault>> = Vec::with_capacity(transactions.len());
        for transaction in transactions {
            // What follows a store that failed may not overtake it.
            let before = done.last().filter(|before| before.is_err()).cloned();
            done.push(match before {
                Some(failed) => failed,
                None => self.transact_again(&transaction).await,
            });
        }
        places.into_iter().map(|place| place.and_then(|place| done[place].clone())).collect()
    }

    async fn transact(&self, transaction: &Transaction) -> Result<(), Fault> {
        let hash = transaction.hash();
        let token = match lock(&self.unknown).take().filter(|(known, _)| *known == hash) {
            Some((_, token)) => token,
            None => format!("{:032x}", fastrand::u128(..)),
        };
        let Transaction { rows, parts } = transaction;
        let items = rows.iter().map(|(key, row)| self.item(key, row.as_ref()));
        let write = self.dynamodb.transact_write_items().client_request_token(&token);
        match write.set_transact_items(Some(items.collect())).send().await {
            Ok(_) => {
                lock(&self.parts).extend(parts.clone());
                Ok(())
            }
            Err(error) => {
                let fault = self.helped(write_fault(&self.table, error));
                if fault.class != FaultClass::Service {
                    *lock(&self.unknown) = Some((hash, token));
                }
                Err(fault)
            }
        }
    }

    fn item(&self, key: &str, row: Option<&Row>) -> TransactWriteItem {
        let key = AttributeValue::S(key.to_owned());
        let item = TransactWriteItem::builder();
        let Some(row) = row else {
            let delete = Delete::builder().table_name(&self.table).key(KEY, key).build();
            return item.delete(delete.expect("it has a table and a key")).build();
        };
        let mut put = Put::builder().table_name(&self.table).item(KEY, key);
        if let Some(hash) = row.hash {
            put = put
                .item("parts", AttributeValue::N(row.parts.to_string()))
                .item("hash", AttributeValue::B(Blob::new(hash)));
        }
        let put = put.item("value", AttributeValue::B(Blob::new(row.value.clone()))).build();
        item.put(put.expect("it has a table and an item")).build()
    }

    /// Says how a missing table is made.
    fn helped(&self, fault: Fault) -> Fault {
        match fault.code.as_str() {
            "ResourceNotFoundException" => fault.help(&self.help),
            _ => fault,
        }
    }
}

fn read(item: &HashMap<String, AttributeValue>) -> Option<Row> {
    let value = item.get("value")?.as_b().ok()?.clone().into_inner();
    let parts = match item.get("parts") {
        Some(parts) => parts.as_n().ok()?.parse().ok().filter(|parts| *parts >= 1)?,
        None => 1,
    };
    let hash = match item.get("hash") {
        Some(hash) => Some(hash.as_b().ok()?.as_ref().try_into().ok()?),
        None => None,
    };
    Some(Row { value, parts, hash })
}

/// A transaction that was cancelled says for each row why.
fn write_fault(
    table: &str,
    error: SdkError<WriteError, aws_sdk_dynamodb::config::http::HttpResponse>,
) -> Fault {
    let what = format!("write a checkpoint to table `{table}`");
    if let Some(WriteError::TransactionCanceledException(cancelled)) = error.as_service_error() {
        let reasons = cancelled.cancellation_reasons().iter();
        let reason = reasons.filter(|reason| reason.code().is_some_and(|code| code != "None"));
        if let Some(reason) = reason.max_by_key(|reason| reason.code() == Some("ValidationError")) {
            let code = reason.code().unwrap_or_default();
            return errors::answered(&what, 400, code, reason.message());
        }
    }
    errors::fault(&what, error)
}
