//! What a shard held before the place where it goes on: the ids of these records, so that what a
//! lost reply has doubled is recognised across a restart too.

use super::fetch::Fetch;
use super::place::Place;
use crate::service::aws::errors::fault;
use aws_sdk_kinesis::operation::get_records::GetRecordsOutput;
use engine::fault::Fault;

/// How far it is looked back: a write is tried again for as long.
const LOOK_BACK_MS: i64 = 300_000;
/// Tries of each call.
const TRIES: u32 = 10;
/// What is counted where it was not looked back to the end.
const BROKEN_OFF: &str = "look back broken off";
/// Reads at most; each brings up to 10,000 records.
const READS_MAX: usize = 100;

impl Fetch {
    /// Notes the ids of the records of the last minutes. Where that goes wrong, it is counted: then
    /// a duplicate of a settled record may be handed out, as anywhere else in at-least-once.
    pub(super) async fn look_back(&mut self) {
        let Some(settled) = self.settled().filter(|_| self.with.options.event_ids) else { return };
        if !self.try_look_back(settled.seq()).await.unwrap_or(false) {
            self.with.counters.add(BROKEN_OFF, 1);
        }
        self.went_well();
    }

    /// Whether it came to the end.
    async fn try_look_back(&mut self, seq: &str) -> Result<bool, Fault> {
        let Some(token) = self.token(Place::At(seq.to_owned())).await? else { return Ok(true) };
        let last = self.records(&token, 1).await?;
        let arrival = last.records.first().and_then(|last| last.approximate_arrival_timestamp);
        let Some(arrival_ms) = arrival.and_then(|at| at.to_millis().ok()) else { return Ok(true) };
        let mut next = self.token(Place::Time(arrival_ms - LOOK_BACK_MS)).await?;
        for _ in 0..READS_MAX {
            let Some(token) = next.take() else { return Ok(true) };
            let read = self.records(&token, super::fetch::RECORDS_MAX).await?;
            let is_last = read.records.is_empty() && read.millis_behind_latest.unwrap_or(0) == 0;
            if !self.remember(&read.records) || is_last {
                return Ok(true);
            }
            next = read.next_shard_iterator;
        }
        Ok(false)
    }

    async fn token(&mut self, place: Place) -> Result<Option<String>, Fault> {
        let mut tries = 1;
        loop {
            match self.iterator_at(&place).await {
                Err(fault) if tries < TRIES => self.wait(fault).await?,
                done => return done,
            }
            tries += 1;
        }
    }

    /// One read, at the pace of the fetchers; a read that fails is tried again from there.
    async fn records(&mut self, token: &str, limit: i32) -> Result<GetRecordsOutput, Fault> {
        let what = format!("read shard {} of stream `{}`", self.shard, self.with.stream.name);
        let mut tries = 1;
        loop {
            self.turn().await;
            let ask = self.with.stream.client().get_records().shard_iterator(token).limit(limit);
            match ask.send().await.map_err(|error| fault(&what, error)) {
                Err(fault) if tries < TRIES => self.wait(fault).await?,
                done => return done,
            }
            tries += 1;
        }
    }
}
