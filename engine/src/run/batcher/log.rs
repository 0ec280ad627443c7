//! The intent log of a `batch` node: what [`Cuts`] decides, kept in the run's checkpoints.
//!
//! The driver of the source moves the anchor, before it commits a position; ends that the anchor
//! has passed are forgotten.

use super::cuts::{Change, Cuts, Entry};
use crate::ack::Anchor;
use crate::batch::Partition;
use crate::ctx::Checkpoints;
use crate::fault::Fault;
use std::sync::Arc;
use tokio::sync::Mutex;

pub(crate) struct CutLog {
    /// The branch of the node, see [`super::branches`].
    branch: String,
    checkpoints: Arc<dyn Checkpoints>,
    cuts: Mutex<Cuts>,
}

impl CutLog {
    pub fn new(branch: &str, checkpoints: Arc<dyn Checkpoints>) -> CutLog {
        CutLog { branch: branch.to_owned(), checkpoints, cuts: Mutex::default() }
    }

    /// What earlier runs have left; nothing with `from_start`.
    ///
    /// # Errors
    /// The store fails, or what it holds was not written by this program.
    pub async fn open(&self, partition: &Partition, from_start: bool) -> Result<Entry, Fault> {
        let mut cuts = self.cuts.lock().await;
        if let Some(entry) = cuts.get(&partition.id) {
            return Ok(entry.clone());
        }
        let key = self.key(&partition.id);
        let mut value = self.checkpoints.load(&key).await?;
        if from_start && value.take().is_some() {
            self.checkpoints.store(vec![(key.clone(), None)]).await?;
        }
        cuts.opened(partition.id, value.as_deref()).ok_or_else(|| damaged(&key))
    }

    /// Stores ends of batches; durable when it returns.
    ///
    /// # Errors
    /// The store fails, or too many ends are kept; the batches must not be sent.
    pub async fn record(&self, ends: &[(Arc<Partition>, u64)]) -> Result<(), Fault> {
        let mut cuts = self.cuts.lock().await;
        let change = cuts.record(ends.iter().map(|(partition, end)| (partition.id, *end)))?;
        self.store(&mut cuts, change).await
    }

    /// Moves anchors on; durable when it returns.
    ///
    /// # Errors
    /// The store fails; the position must not be committed.
    pub async fn anchor(&self, anchors: &[Anchor]) -> Result<(), Fault> {
        let mut cuts = self.cuts.lock().await;
        let change = cuts.anchor(anchors.iter().map(|anchor| (anchor.partition.id, anchor.end)));
        self.store(&mut cuts, change).await
    }

    async fn store(&self, cuts: &mut Cuts, change: Change) -> Result<(), Fault> {
        if change.is_empty() {
            return Ok(());
        }
        let pairs = change.values().map(|(id, value)| (self.key(id), Some(value)));
        self.checkpoints.store(pairs.collect()).await?;
        cuts.stored(change);
        Ok(())
    }

    fn key(&self, partition: &[u8; 16]) -> String {
        let hex: String = partition.iter().map(|byte| format!("{byte:02x}")).collect();
        format!("batch/{}/{hex}", self.branch)
    }
}

fn damaged(key: &str) -> Fault {
    let message = format!("the checkpoint `{key}` is not one of this version of flowc");
    Fault::service("checkpoint_format", message)
        .help("run the version that wrote it, or remove the state directory to begin anew")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{self, MemoryCheckpoints};

    fn entry(anchor: u64, cuts: &[u64]) -> Entry {
        Entry { anchor, cuts: cuts.iter().copied().collect() }
    }

    #[tokio::test]
    async fn cuts_are_kept_until_the_anchor_passes_them() {
        let checkpoints = MemoryCheckpoints::default();
        let partition = testing::partition("orders/0");
        let open = || CutLog::new("f/batch", Arc::new(checkpoints.clone()));
        let log = open();
        assert_eq!(log.open(&partition, false).await, Ok(entry(0, &[])));
        for end in [10, 20, 30] {
            assert_eq!(log.record(&[(partition.clone(), end)]).await, Ok(()));
        }
        let anchor = |end| [Anchor { node: 0, partition: partition.clone(), end }];
        assert_eq!(log.anchor(&anchor(20)).await, Ok(()));
        let stores = checkpoints.stores();
        assert_eq!(log.anchor(&anchor(15)).await, Ok(()), "it never goes back");
        assert_eq!(checkpoints.stores(), stores, "and stores nothing");
        assert_eq!(open().open(&partition, false).await, Ok(entry(20, &[30])));
        assert_eq!(open().open(&partition, true).await, Ok(entry(0, &[])));
        assert_eq!(checkpoints.all().len(), 0);
    }

    #[tokio::test]
    async fn nothing_is_believed_that_is_not_stored() {
        let checkpoints = MemoryCheckpoints::default();
        let partition = testing::partition("orders/0");
        let log = CutLog::new("f/batch", Arc::new(checkpoints.clone()));
        checkpoints.fail_with(Some(Fault::service("disk_full", "no space")));
        assert!(log.record(&[(partition.clone(), 10)]).await.is_err());
        checkpoints.fail_with(None);
        assert_eq!(log.open(&partition, false).await, Ok(entry(0, &[])));
    }
}
