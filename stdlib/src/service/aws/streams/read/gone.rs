//! Shards that have expired with records that nobody has read.

use super::fetch::Fetch;
use aws_sdk_kinesis::types::Shard;
use engine::fault::Fault;

impl Fetch {
    /// Whether a read failed because the shard has expired: it was closed for longer than the
    /// stream keeps records. Then it is at its end, so that its children begin.
    ///
    /// # Errors
    /// The stream's shards cannot be listed.
    pub(super) async fn is_gone(&mut self, fault: &Fault) -> Result<bool, Fault> {
        if fault.code != "ResourceNotFoundException" {
            return Ok(false);
        }
        let listed = loop {
            match self.with.stream.list().await {
                Ok(listed) => break listed,
                Err(fault) => self.wait(fault).await?,
            }
        };
        let is_gone = has_expired(&self.shard, &listed);
        if is_gone {
            (self.with.log)(&format!(
                "{}: shard {} of stream `{}` was closed and has expired: what was not read of it \
                 by then is lost; its children are read from their beginning",
                self.with.node, self.shard, self.with.stream.name
            ));
        }
        Ok(is_gone)
    }
}

/// A stream never has no shards: a listing that is empty says nothing.
fn has_expired(shard: &str, listed: &[Shard]) -> bool {
    !listed.is_empty() && listed.iter().all(|one| one.shard_id != shard)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shard_has_expired_that_a_full_listing_leaves_out() {
        let listed = ["a", "b"].map(|shard| Shard::builder().shard_id(shard).build().unwrap());
        assert!(has_expired("c", &listed));
        assert!(!has_expired("b", &listed) && !has_expired("c", &[]));
    }
}
