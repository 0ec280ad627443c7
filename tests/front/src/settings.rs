//! Limits that tests may loosen or tighten while the front runs.

use serde::{Deserialize, Serialize};

/// What differs from AWS, or is AWS's own number by default.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Times AWS's rates per shard (1,000 records and 1 MB a second); 0 is no limit.
    pub shard_rate: f64,
    /// GetRecords, and GetShardIterator, a second and shard; 0 is no limit.
    pub shard_reads: u32,
    /// Every so manyth GetRecords of a shard gives nothing though there is more; 0 is never.
    pub empty_reads_every: u32,
    /// The most shards a page of ListShards has, whatever is asked for.
    pub list_shards_page: usize,
    /// The most items a page of DynamoDB's Query and Scan has, beside the 1 MB.
    pub items_page: usize,
    /// The most keys a page of ListObjectsV2 has, whatever is asked for.
    pub objects_page: usize,
    /// How long a stream or table is CREATING, UPDATING or DELETING, by the front's clock.
    pub transition_ms: i64,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            shard_rate: 1.0,
            shard_reads: 5,
            empty_reads_every: 0,
            list_shards_page: 1_000,
            items_page: usize::MAX,
            objects_page: 1_000,
            transition_ms: 50,
        }
    }
}
