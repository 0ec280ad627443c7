//! Units of an append, by hand.

use super::hash::{self, ShardMap};
use super::kpl;
use super::options::{From, Order, StreamOptions};
use super::units::{Batch, Units};
use crate::service::Records;
use arrow_array::{BinaryArray, StringArray};
use aws_sdk_kinesis::types::{HashKeyRange, Shard};
use engine::batch::Run;

const OPTIONS: StreamOptions = StreamOptions {
    order: Order::Strict,
    pack: false,
    from: From::TrimHorizon,
    fan_out: false,
    event_ids: true,
};
const MIB: usize = 1 << 20;

fn records(rows: &[(&str, &str)], keyed: bool) -> Records {
    let keys: StringArray = rows.iter().map(|(key, _)| Some(*key)).collect();
    Records {
        payloads: BinaryArray::from_iter_values(rows.iter().map(|(_, data)| data.as_bytes())),
        keys: keyed.then_some(keys),
        producer: [7; 16],
        runs: vec![Run { first: 100, len: rows.len() as u32, arrival_ns: 0 }],
    }
}

fn rows(units: &Units) -> Vec<Vec<u32>> {
    (0..units.units.len() as u32).map(|unit| units.rows_of(unit).to_vec()).collect()
}

fn halves() -> ShardMap {
    let half = u128::MAX / 2;
    let shard = |name: &str, first: u128, last: u128| {
        let hashes = HashKeyRange::builder()
            .starting_hash_key(first.to_string())
            .ending_hash_key(last.to_string())
            .build();
        Shard::builder().shard_id(name).hash_key_range(hashes.unwrap()).build().unwrap()
    };
    ShardMap::new(&[shard("low", 0, half), shard("high", half + 1, u128::MAX)])
}

#[test]
fn what_the_stream_does_not_take_is_refused() {
    let (long, wide) = ("k".repeat(257), "ä".repeat(256));
    let data = "x".repeat(MIB - 1);
    let records = records(&[("", "{}"), (&long, "{}"), (&wide, "{}"), ("k", &data)], true);
    let plain = Batch::new(&records, false).refused(MIB);
    assert_eq!(plain.iter().map(|refused| refused.row).collect::<Vec<_>>(), [0, 1]);
    let refused = Batch::new(&records, true).refused(MIB);
    let codes: Vec<_> = refused.iter().map(|refused| (refused.row, refused.code)).collect();
    assert_eq!(codes, [(0, "partition_key"), (1, "partition_key"), (3, "record_too_large")]);
    let batch = Batch::new(&records, true);
    assert_eq!(rows(&batch.units(&OPTIONS, &refused, MIB, None)), [[2]]);
}

#[test]
fn a_record_without_a_key_gets_one_that_spreads_and_stays() {
    let records = records(&[("", "{}"), ("", "{}")], false);
    let batch = Batch::new(&records, true);
    assert_eq!(batch.key(0).len(), 16);
    assert_ne!(batch.key(0), batch.key(1));
    assert_eq!(batch.key(0), Batch::new(&records, false).key(0));
    assert!(batch.units(&OPTIONS, &[], MIB, None).units.iter().all(|unit| unit.lane.is_none()));
}

#[test]
fn records_of_one_key_travel_together_in_order() {
    let options = StreamOptions { pack: true, ..OPTIONS };
    let of = [("a", "1"), ("b", "2"), ("a", "3"), ("a", "4"), ("c", "5")];
    let records = records(&of, true);
    let batch = Batch::new(&records, true);
    let units = batch.units(&options, &[], MIB, None);
    assert_eq!(rows(&units), [vec![0, 2, 3], vec![1], vec![4]]);
    assert_eq!(
        units.units.iter().map(|unit| unit.lane).collect::<Vec<_>>(),
        [Some(0), Some(1), Some(2)]
    );
    // A small limit cuts, and the pieces keep their order.
    let units = batch.units(&options, &[], 160, None);
    let of_a: Vec<Vec<u32>> = (0..units.units.len() as u32)
        .filter(|unit| units.units[*unit as usize].lane == Some(0))
        .map(|unit| units.rows_of(unit).to_vec())
        .collect();
    assert_eq!(of_a, [vec![0, 2], vec![3]]);
}

#[test]
fn records_of_one_shard_travel_together() {
    let options = StreamOptions { pack: true, order: Order::None, ..OPTIONS };
    let map = halves();
    let keys: Vec<String> = (0..40).map(|n| format!("key{n}")).collect();
    let of: Vec<(&str, &str)> = keys.iter().map(|key| (key.as_str(), "{}")).collect();
    let records = records(&of, true);
    let units = Batch::new(&records, true).units(&options, &[], MIB, Some(&map));
    assert_eq!(units.units.len(), 2);
    for (unit, place) in units.units.iter().enumerate() {
        let (shard, hash) = place.shard.unwrap();
        assert_eq!(map.shard_at(hash), Some(shard));
        for row in units.rows_of(unit as u32) {
            assert_eq!(map.shard_at(hash::of_key(&keys[*row as usize])), Some(shard));
        }
    }
    let mut packer = kpl::Packer::default();
    keys.iter().for_each(|key| packer.add(key, b"{}"));
    assert_eq!(kpl::unpack(&packer.finish()).unwrap().len(), 40);
}
