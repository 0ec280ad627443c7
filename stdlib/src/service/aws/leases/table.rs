//! The calls on the state table that leases need.
//!
//! Every change is conditional on what was last seen, so that two workers never hold one lease.
//! Each call has little time: a lease must be renewed before it expires.

use super::held::Renewal;
use super::position::Checkpoint;
use super::row::{self, CHECKPOINT, COUNTER, FIRST, Item, KEY, Lease, OWNER, ROW, SUB, SWITCHES};
use crate::service::aws::errors;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::timeout::TimeoutConfig;
use aws_sdk_dynamodb::config::{Builder, Config};
use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_dynamodb::operation::update_item::builders::UpdateItemFluentBuilder as Update;
use aws_sdk_dynamodb::types::AttributeValue;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use engine::fault::Fault;
use std::collections::BTreeMap;
use std::time::Duration;

/// How long one call may take.
const CALL: Duration = Duration::from_secs(2);
/// The table that KCL 3 keeps beside its leases.
const OF_KCL3: &str = "CoordinatorState";
const LOST: &str = "ConditionalCheckFailedException";

/// The leases of one reader: a node and its stream.
#[derive(Clone, Debug)]
pub struct LeaseTable {
    client: Client,
    table: String,
    /// What the keys of its leases begin with.
    leases: String,
    /// What the keys of its workers begin with.
    workers: String,
    /// This worker.
    me: String,
    /// What to do where the table is not there.
    help: String,
}

/// The rows of a reader.
#[derive(Debug, Default)]
pub struct Rows {
    /// By shard.
    pub leases: BTreeMap<String, Lease>,
    /// Workers, with their counters.
    pub workers: Vec<(String, u64)>,
}

/// What became of a change that needs the lease to be as it was last seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kept {
    /// It was, and is changed.
    Yes,
    /// Somebody else holds it, or it is gone.
    Lost,
}

impl LeaseTable {
    /// The leases of `node` on `stream` in `table`, for the worker `me`. Makes no call.
    pub fn new(
        client: Client,
        table: String,
        (node, stream): (&str, &str),
        me: String,
        help: String,
    ) -> LeaseTable {
        LeaseTable {
            client,
            table,
            leases: format!("{node}/{stream}/"),
            workers: format!("worker/{node}/{stream}/"),
            me,
            help,
        }
    }

    /// This worker.
    pub fn me(&self) -> &str {
        &self.me
    }

    /// Refuses a table that KCL 3 works on: its workers and ours would not see each other.
    ///
    /// # Errors
    /// It does; or the table cannot be asked.
    pub async fn check(&self) -> Result<(), Fault> {
        let other = format!("{}-{OF_KCL3}", self.table);
        let answer = self.client.describe_table().table_name(&other).send().await;
        match answer {
            Ok(_) => Err(self.of_kcl3(&format!("there is a table `{other}`"))),
            Err(error) => {
                let code = error.code().unwrap_or_default();
                let nothing = code == "ResourceNotFoundException" || code.starts_with("AccessDeni");
                if nothing { Ok(()) } else { Err(self.fault("look for", error)) }
            }
        }
    }

    fn of_kcl3(&self, why: &str) -> Fault {
        let message =
            format!("table `{}` holds the state of a consumer of KCL 3: {why}", self.table);
        Fault::service("kcl3_state", message)
            .help("flowc speaks the lease protocol of KCL 2: give it a table of its own by `state`")
    }

    /// All rows of this reader, as they are now.
    ///
    /// # Errors
    /// The table is missing, holds state of KCL 3, or cannot be read.
    pub async fn rows(&self) -> Result<Rows, Fault> {
        let mut rows = Rows::default();
        let mut from: Option<Item> = None;
        loop {
            let page = self.scan(from.take()).await?;
            for item in page.items.unwrap_or_default() {
                self.sort(&item, &mut rows)?;
            }
            from = page.last_evaluated_key.filter(|key| !key.is_empty());
            if from.is_none() {
                return Ok(rows);
            }
        }
    }

    async fn scan(
        &self,
        from: Option<Item>,
    ) -> Result<aws_sdk_dynamodb::operation::scan::ScanOutput, Fault> {
        let [a, b, c] = row::OF_KCL3;
        let s = |text: &str| AttributeValue::S(text.to_owned());
        let filter = "begins_with(#key, :leases) OR begins_with(#key, :workers) \
                      OR attribute_exists(#a) OR attribute_exists(#b) OR attribute_exists(#c)";
        let scan = self.client.scan().table_name(&self.table).consistent_read(true);
        let scan = scan.filter_expression(filter);
        let names = [("#key", KEY), ("#a", a), ("#b", b), ("#c", c)];
        let scan = names
            .into_iter()
            .fold(scan, |scan, (name, value)| scan.expression_attribute_names(name, value));
        let scan = scan
            .expression_attribute_values(":leases", s(&self.leases))
            .expression_attribute_values(":workers", s(&self.workers));
        let scan = scan.set_exclusive_start_key(from);
        let answer = scan.customize().config_override(hurried()).send().await;
        answer.map_err(|error| self.fault("read", error))
    }

    fn sort(&self, item: &Item, rows: &mut Rows) -> Result<(), Fault> {
        let Some(key) = row::text(item, KEY) else { return Ok(()) };
        if let Some(name) = row::OF_KCL3.iter().find(|name| item.contains_key(**name)) {
            return Err(self.of_kcl3(&format!("its row `{key}` has `{name}`")));
        }
        if let Some(worker) = key.strip_prefix(&self.workers) {
            rows.workers.push((worker.to_owned(), row::number(item, COUNTER).unwrap_or(0)));
        } else if let Some(shard) = key.strip_prefix(&self.leases) {
            let lease = Lease::read(shard, item).ok_or_else(|| {
                let message = format!("row `{key}` of table `{}` is no lease", self.table);
                Fault::service("lease_format", message)
                    .help("remove the row to read the shard anew, or give another `state` table")
            })?;
            rows.leases.insert(shard.to_owned(), lease);
        }
        Ok(())
    }

    /// Makes the lease of a shard, if it is not there.
    ///
    /// # Errors
    /// The table cannot be written.
    pub async fn create(&self, lease: &Lease) -> Result<(), Fault> {
        let put = self.client.put_item().table_name(&self.table);
        let put = put
            .set_item(Some(lease.item(self.key(&lease.shard))))
            .condition_expression("attribute_not_exists(#key)")
            .expression_attribute_names("#key", KEY);
        let done = put.customize().config_override(hurried()).send().await;
        self.kept(done, "make").map(|_| ())
    }

    /// Takes a lease that is free or has expired, if it is as it was last seen.
    ///
    /// # Errors
    /// The table cannot be written.
    pub async fn take(&self, seen: &Lease) -> Result<Kept, Fault> {
        let by = match &seen.owner {
            Some(_) => "#owner = :owner",
            None => "attribute_not_exists(#owner)",
        };
        let update = self
            .update(&self.key(&seen.shard))
            .update_expression("SET #owner = :me, #counter = :next ADD #switches :one")
            .condition_expression(format!("#counter = :seen AND {by}"))
            .expression_attribute_names("#counter", COUNTER)
            .expression_attribute_names("#switches", SWITCHES)
            .expression_attribute_values(":me", AttributeValue::S(self.me.clone()))
            .expression_attribute_values(":seen", n(seen.counter))
            .expression_attribute_values(":next", n(seen.counter + 1))
            .expression_attribute_values(":one", n(1));
        let update = match &seen.owner {
            Some(owner) => {
                update.expression_attribute_values(":owner", AttributeValue::S(owner.clone()))
            }
            None => update,
        };
        self.send(update, "take").await
    }

    /// Renews a lease that this worker holds.
    ///
    /// # Errors
    /// The table cannot be written.
    pub async fn renew(&self, shard: &str, counter: u64) -> Result<Renewal, Fault> {
        let update = self
            .update(&self.key(shard))
            .update_expression("SET #counter = :next")
            .condition_expression("#owner = :me AND #counter = :seen")
            .expression_attribute_names("#counter", COUNTER)
            .expression_attribute_values(":me", AttributeValue::S(self.me.clone()))
            .expression_attribute_values(":seen", n(counter))
            .expression_attribute_values(":next", n(counter + 1));
        match self.send(update, "renew").await? {
            Kept::Yes => Ok(Renewal::Done(counter + 1)),
            // The reply of an earlier renewal was lost: only the owner moves the counter.
            Kept::Lost => {
                let counter = self.owned_counter(shard).await?;
                Ok(counter.map_or(Renewal::Lost, Renewal::Again))
            }
        }
    }

    /// The counter of a lease that this worker holds.
    async fn owned_counter(&self, shard: &str) -> Result<Option<u64>, Fault> {
        let lease = self.get(shard).await?;
        let mine = lease.filter(|lease| lease.owner.as_ref() == Some(&self.me));
        Ok(mine.map(|lease| lease.counter))
    }

    /// The lease of a shard.
    ///
    /// # Errors
    /// The table cannot be read.
    pub async fn get(&self, shard: &str) -> Result<Option<Lease>, Fault> {
        let get = self.client.get_item().table_name(&self.table).consistent_read(true);
        let get = get.key(KEY, AttributeValue::S(self.key(shard)));
        let answer = get.customize().config_override(hurried()).send().await;
        let item = answer.map_err(|error| self.fault("read", error))?.item;
        Ok(item.and_then(|item| Lease::read(shard, &item)))
    }

    /// Moves the position of a lease that this worker holds, never back. `row` is how many records
    /// are behind it.
    ///
    /// # Errors
    /// The table cannot be written.
    pub async fn commit(&self, shard: &str, to: &Checkpoint, row: u64) -> Result<Kept, Fault> {
        let sub = match to {
            Checkpoint::After(position) => position.sub,
            _ => 0,
        };
        let forward = "(#at IN (:begin, :latest, :time) OR size(#at) < :len \
                       OR (size(#at) = :len AND (#at < :to OR (#at = :to AND #sub <= :sub))))";
        let is_end = *to == Checkpoint::ShardEnd;
        let condition = match is_end {
            true => "#owner = :me".to_owned(),
            false => format!("#owner = :me AND #at <> :end AND {forward}"),
        };
        let s = |text: &str| AttributeValue::S(text.to_owned());
        let mut update = self
            .update(&self.key(shard))
            .update_expression("SET #at = :to, #sub = :sub, #row = :row, #switches = :none")
            .condition_expression(condition)
            .expression_attribute_names("#at", CHECKPOINT)
            .expression_attribute_names("#sub", SUB)
            .expression_attribute_names("#row", ROW)
            .expression_attribute_names("#switches", SWITCHES)
            .expression_attribute_values(":me", s(&self.me))
            .expression_attribute_values(":to", s(to.text()))
            .expression_attribute_values(":sub", n(sub))
            .expression_attribute_values(":row", n(row))
            .expression_attribute_values(":none", n(0));
        if !is_end {
            update = update
                .expression_attribute_values(":begin", s(Checkpoint::TrimHorizon.text()))
                .expression_attribute_values(":latest", s(Checkpoint::Latest.text()))
                .expression_attribute_values(":time", s(Checkpoint::AtTimestamp.text()))
                .expression_attribute_values(":end", s(Checkpoint::ShardEnd.text()))
                .expression_attribute_values(":len", n(to.text().len() as u64));
        }
        if self.send(update, "move").await? == Kept::Yes {
            return Ok(Kept::Yes);
        }
        let lease = self.get(shard).await?;
        let mine = lease.filter(|lease| lease.owner.as_ref() == Some(&self.me));
        let is_there = mine.is_some_and(|lease| lease.checkpoint.is_at_least(to));
        Ok(if is_there { Kept::Yes } else { Kept::Lost })
    }

    /// Notes the first record that was read of a lease: the one that row 0 stands for.
    ///
    /// # Errors
    /// The table cannot be written.
    pub async fn pin(&self, shard: &str, first: &str) -> Result<Kept, Fault> {
        let update = self
            .update(&self.key(shard))
            .update_expression("SET #first = if_not_exists(#first, :first)")
            .condition_expression("#owner = :me")
            .expression_attribute_names("#first", FIRST)
            .expression_attribute_values(":me", AttributeValue::S(self.me.clone()))
            .expression_attribute_values(":first", AttributeValue::S(first.to_owned()));
        self.send(update, "move").await
    }

    /// Numbers the rows of a lease anew, from `first` on: what its position was is gone.
    ///
    /// # Errors
    /// The table cannot be written.
    pub async fn renumber(&self, shard: &str, first: &str) -> Result<Kept, Fault> {
        let s = |text: &str| AttributeValue::S(text.to_owned());
        let update = self
            .update(&self.key(shard))
            .update_expression("SET #first = :first, #at = :begin, #sub = :none, #row = :none")
            .condition_expression("#owner = :me")
            .expression_attribute_names("#first", FIRST)
            .expression_attribute_names("#at", CHECKPOINT)
            .expression_attribute_names("#sub", SUB)
            .expression_attribute_names("#row", ROW)
            .expression_attribute_values(":me", s(&self.me))
            .expression_attribute_values(":first", s(first))
            .expression_attribute_values(":begin", s(Checkpoint::TrimHorizon.text()))
            .expression_attribute_values(":none", n(0));
        self.send(update, "move").await
    }

    /// Lets go a lease that this worker holds, as it was last renewed: a call that comes late does
    /// not let go what was taken again.
    ///
    /// # Errors
    /// The table cannot be written.
    pub async fn release(&self, shard: &str, counter: u64) -> Result<Kept, Fault> {
        if self.release_as(shard, counter).await? == Kept::Yes {
            return Ok(Kept::Yes);
        }
        // The reply of a renewal was lost.
        match self.owned_counter(shard).await? {
            Some(counter) => self.release_as(shard, counter).await,
            None => Ok(Kept::Lost),
        }
    }

    async fn release_as(&self, shard: &str, counter: u64) -> Result<Kept, Fault> {
        let update = self
            .update(&self.key(shard))
            .update_expression("SET #counter = :next REMOVE #owner")
            .condition_expression("#owner = :me AND #counter = :seen")
            .expression_attribute_names("#counter", COUNTER)
            .expression_attribute_values(":me", AttributeValue::S(self.me.clone()))
            .expression_attribute_values(":seen", n(counter))
            .expression_attribute_values(":next", n(counter + 1));
        self.send(update, "release").await
    }

    /// Removes the lease of a shard that is at its end and that the stream has forgotten.
    ///
    /// # Errors
    /// The table cannot be written.
    pub async fn forget(&self, shard: &str) -> Result<(), Fault> {
        self.delete(self.key(shard)).await
    }

    /// Says that this worker is alive.
    ///
    /// # Errors
    /// The table is missing or cannot be written.
    pub async fn beat(&self, counter: u64) -> Result<(), Fault> {
        let put = self.client.put_item().table_name(&self.table);
        let put = put
            .item(KEY, AttributeValue::S(self.worker_key(&self.me)))
            .item(COUNTER, n(counter))
            .customize()
            .config_override(hurried());
        put.send().await.map_err(|error| self.fault("write", error)).map(|_| ())
    }

    /// Removes the row of a worker: of one that leaves, or is gone.
    ///
    /// # Errors
    /// The table cannot be written.
    pub async fn leave(&self, worker: &str) -> Result<(), Fault> {
        self.delete(self.worker_key(worker)).await
    }

    async fn delete(&self, key: String) -> Result<(), Fault> {
        let delete = self.client.delete_item().table_name(&self.table);
        let delete = delete.key(KEY, AttributeValue::S(key)).customize();
        let done = delete.config_override(hurried()).send().await;
        done.map_err(|error| self.fault("write", error)).map(|_| ())
    }

    fn key(&self, shard: &str) -> String {
        format!("{}{shard}", self.leases)
    }

    fn worker_key(&self, worker: &str) -> String {
        format!("{}{worker}", self.workers)
    }

    fn update(&self, key: &str) -> Update {
        let update = self.client.update_item().table_name(&self.table);
        let update = update.key(KEY, AttributeValue::S(key.to_owned()));
        update.expression_attribute_names("#owner", OWNER)
    }

    async fn send(&self, update: Update, verb: &str) -> Result<Kept, Fault> {
        self.kept(update.customize().config_override(hurried()).send().await, verb)
    }

    fn kept<T, E>(
        &self,
        done: Result<T, SdkError<E, HttpResponse>>,
        verb: &str,
    ) -> Result<Kept, Fault>
    where
        E: ProvideErrorMetadata + std::error::Error + 'static,
    {
        match done {
            Ok(_) => Ok(Kept::Yes),
            Err(error) if error.code() == Some(LOST) => Ok(Kept::Lost),
            Err(error) => Err(self.fault(verb, error)),
        }
    }

    fn fault<E>(&self, verb: &str, error: SdkError<E, HttpResponse>) -> Fault
    where
        E: ProvideErrorMetadata + std::error::Error + 'static,
    {
        let fault = errors::fault(&format!("{verb} a lease in table `{}`", self.table), error);
        match fault.code.as_str() {
            "ResourceNotFoundException" => fault.help(&self.help),
            _ => fault,
        }
    }
}

/// Little time for each call.
fn hurried() -> Builder {
    Config::builder().timeout_config(TimeoutConfig::builder().operation_timeout(CALL).build())
}

fn n(number: u64) -> AttributeValue {
    AttributeValue::N(number.to_string())
}
