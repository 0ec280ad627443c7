//! What a shard held before the place where it goes on: the ids of these records, so that what a
//! lost reply has doubled is recognised across a restart too.

use super::fetch::Fetch;
use super::place::Place;
use crate::service::aws::errors::fault;
use aws_sdk_kinesis::operation::get_records::GetRecordsOutput;
use engine::fault::Fault;

/// How far it is looked back: a write is tried again for as long.
const LOOK_BACK_MS: i64 = 300_000;
/// Reads at most; each brings up to 10,000 records.
const READS_MAX: usize = 100;

impl Fetch {
    /// Notes the ids of the records of the last minutes. What goes wrong is left: then a duplicate
    /// of a settled record may be handed out, as anywhere else in at-least-once.
    pub(super) async fn look_back(&mut self) {
        let Some(settled) = self.settled().filter(|_| self.with.options.event_ids) else { return };
        let (seq, mut tries) = (settled.seq().to_owned(), 0);
        while let Err(fault) = self.try_look_back(&seq).await {
            tries += 1;
            if tries > 3 || self.wait(fault).await.is_err() {
                return;
            }
        }
        self.went_well();
    }

    async fn try_look_back(&mut self, seq: &str) -> Result<(), Fault> {
        let Some(token) = self.iterator_at(&Place::At(seq.to_owned())).await? else {
            return Ok(());
        };
        let last = self.records(&token, 1).await?;
        let arrival = last.records.first().and_then(|last| last.approximate_arrival_timestamp);
        let Some(arrival_ms) = arrival.and_then(|at| at.to_millis().ok()) else { return Ok(()) };
        let mut next = self.iterator_at(&Place::Time(arrival_ms - LOOK_BACK_MS)).await?;
        for _ in 0..READS_MAX {
            let Some(token) = next.take() else { return Ok(()) };
            let read = self.records(&token, super::fetch::RECORDS_MAX).await?;
            let is_last = read.records.is_empty() && read.millis_behind_latest.unwrap_or(0) == 0;
            if !self.remember(&read.records) || is_last {
                return Ok(());
            }
            next = read.next_shard_iterator;
        }
        Ok(())
    }

    async fn records(&self, token: &str, limit: i32) -> Result<GetRecordsOutput, Fault> {
        let what = format!("read shard {} of stream `{}`", self.shard, self.with.stream.name);
        let ask = self.with.stream.client().get_records().shard_iterator(token).limit(limit);
        ask.send().await.map_err(|error| fault(&what, error))
    }
}
