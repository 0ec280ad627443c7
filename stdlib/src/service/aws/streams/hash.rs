//! How Kinesis spreads keys: the MD5 of a partition key is a place on a ring that the shards share.

use aws_sdk_kinesis::types::{HashKeyRange, Shard};
use md5::{Digest, Md5};

/// The place of a partition key.
pub fn of_key(key: &str) -> u128 {
    u128::from_be_bytes(Md5::digest(key.as_bytes()).into())
}

/// A stretch of the ring, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HashRange {
    /// The first place.
    pub first: u128,
    /// The last place.
    pub last: u128,
}

impl HashRange {
    /// The whole ring.
    pub const ALL: HashRange = HashRange { first: 0, last: u128::MAX };

    /// The stretch that AWS writes as two decimal numbers; what it does not say is the whole.
    pub fn of(range: Option<&HashKeyRange>) -> HashRange {
        let Some(range) = range else { return HashRange::ALL };
        HashRange::parse(&range.starting_hash_key, &range.ending_hash_key)
    }

    /// The stretch between two decimal numbers.
    pub fn parse(first: &str, last: &str) -> HashRange {
        let HashRange { first: least, last: most } = HashRange::ALL;
        HashRange { first: first.parse().unwrap_or(least), last: last.parse().unwrap_or(most) }
    }

    /// Whether a place lies on it.
    pub fn has(&self, hash: u128) -> bool {
        (self.first..=self.last).contains(&hash)
    }
}

/// The shards that take records, by their place on the ring.
#[derive(Debug, Default)]
pub struct ShardMap {
    shards: Vec<(HashRange, String)>,
}

impl ShardMap {
    /// Of a listing; closed shards are left out.
    pub fn new(listed: &[Shard]) -> ShardMap {
        let open = |shard: &&Shard| {
            let range = shard.sequence_number_range.as_ref();
            range.is_none_or(|range| range.ending_sequence_number.is_none())
        };
        let place =
            |shard: &Shard| (HashRange::of(shard.hash_key_range.as_ref()), shard.shard_id.clone());
        let mut shards: Vec<_> = listed.iter().filter(open).map(place).collect();
        shards.sort_by_key(|(range, _)| range.first);
        ShardMap { shards }
    }

    /// The number of the shard that takes a place, of those of this map.
    pub fn shard_at(&self, hash: u128) -> Option<usize> {
        let after = self.shards.partition_point(|(range, _)| range.first <= hash);
        let at = after.checked_sub(1)?;
        self.shards[at].0.has(hash).then_some(at)
    }

    /// A shard's name.
    pub fn name(&self, shard: usize) -> &str {
        &self.shards[shard].1
    }

    /// The stretch of the shard of that name.
    pub fn range(&self, name: &str) -> Option<HashRange> {
        self.shards.iter().find(|(_, each)| each == name).map(|(range, _)| *range)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_sdk_kinesis::types::SequenceNumberRange;

    fn shard(name: &str, first: u128, last: u128, closed: bool) -> Shard {
        let numbers = SequenceNumberRange::builder()
            .starting_sequence_number("1")
            .set_ending_sequence_number(closed.then(|| "2".to_owned()));
        let hashes = HashKeyRange::builder()
            .starting_hash_key(first.to_string())
            .ending_hash_key(last.to_string());
        let shard = Shard::builder().shard_id(name);
        let shard = shard.sequence_number_range(numbers.build().unwrap());
        shard.hash_key_range(hashes.build().unwrap()).build().unwrap()
    }

    #[test]
    fn a_key_has_the_place_that_aws_gives_it() {
        assert_eq!(of_key("a"), 0x0cc1_75b9_c0f1_b6a8_31c3_99e2_6977_2661);
    }

    #[test]
    fn open_shards_share_the_ring() {
        let half = u128::MAX / 2;
        let listed = [
            shard("old", 0, u128::MAX, true),
            shard("high", half + 1, u128::MAX, false),
            shard("low", 0, half, false),
        ];
        let map = ShardMap::new(&listed);
        let at = |hash| map.shard_at(hash).map(|shard| map.name(shard));
        assert_eq!((at(0), at(half)), (Some("low"), Some("low")));
        assert_eq!((at(half + 1), at(u128::MAX)), (Some("high"), Some("high")));
        assert_eq!(map.range("low"), Some(HashRange { first: 0, last: half }));
        assert_eq!(map.range("old"), None);
        assert_eq!(ShardMap::new(&listed[1..2]).shard_at(5), None);
    }
}
