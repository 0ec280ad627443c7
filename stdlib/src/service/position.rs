//! How far a source has been delivered, by partition, in the run's checkpoints.

use engine::batch::Partition;
use engine::ctx::{Checkpoints, NodeCtx};
use engine::fault::Fault;
use std::sync::Arc;

/// The positions of one source.
#[derive(Clone)]
pub struct Positions {
    checkpoints: Arc<dyn Checkpoints>,
    node: String,
}

impl Positions {
    /// Those of this node.
    pub fn of(ctx: &NodeCtx) -> Positions {
        Positions { checkpoints: ctx.run.checkpoints.clone(), node: ctx.node.id.clone() }
    }

    /// The position in a partition: 0 where there is none yet.
    ///
    /// # Errors
    /// The checkpoint cannot be read.
    pub async fn load(&self, partition: &Partition) -> Result<u64, Fault> {
        let value = self.checkpoints.load(&self.key(partition)).await?;
        let Some(value) = value else { return Ok(0) };
        let bytes: Result<[u8; 8], _> = value.try_into();
        bytes.map(u64::from_le_bytes).map_err(|_| {
            let key = self.key(partition);
            Fault::service("checkpoint_damaged", format!("the checkpoint `{key}` is no position"))
                .help("put back a copy of that file, or begin anew with another `dir:`")
        })
    }

    /// Remembers a position, durably.
    ///
    /// # Errors
    /// The checkpoint cannot be written.
    pub async fn store(&self, partition: &Partition, upto: u64) -> Result<(), Fault> {
        let pair = (self.key(partition), Some(upto.to_le_bytes().to_vec()));
        self.checkpoints.store(vec![pair]).await
    }

    fn key(&self, partition: &Partition) -> String {
        position_key(&self.node, partition)
    }
}

/// The key of a node's position in a partition.
pub fn position_key(node: &str, partition: &Partition) -> String {
    let id: String = partition.id.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("position/{node}/{id}")
}
