//! The records of an append as units: what becomes one record of the stream.

use super::hash::{self, ShardMap};
use super::kpl::PackSize;
use super::lanes::Lanes;
use super::options::{Order, StreamOptions};
use crate::service::aws::event_id::{ADDED_BYTES, HEX, event_id};
use crate::service::{Records, Refused};
use arrow_array::Array;
use std::collections::HashMap;

/// Records in a packed one at most: consumers of AWS take no more.
const PARTS_MAX: usize = 500;
/// Bytes of a packed record at most, where its records are of several keys.
const PACK_BYTES: usize = 50 << 10;
/// The same, where they are of one key whose order is kept: then only one is under way.
const PACK_BYTES_OF_KEY: usize = 512 << 10;
/// Digits of an id that make the key of a record without one.
const KEY_DIGITS: usize = 16;

/// The records of one append, with what is worked out for each.
pub struct Batch<'a> {
    records: &'a Records,
    ids: bool,
    numbers: Vec<u64>,
}

/// What becomes one record of the stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unit {
    /// Its rows: a stretch of [`Units::rows`].
    pub start: u32,
    /// Its rows: a stretch of [`Units::rows`].
    pub end: u32,
    /// Bytes at most, with the key.
    pub bytes: u32,
    /// Of records of one key whose order is kept: the key's number.
    pub lane: Option<u32>,
    /// Of records of several keys: the shard that they are all meant for, and the first's place.
    pub shard: Option<(usize, u128)>,
}

/// All units of an append.
#[derive(Debug, Default)]
pub struct Units {
    /// Row numbers, by unit.
    pub rows: Vec<u32>,
    /// The units, in order.
    pub units: Vec<Unit>,
}

impl<'a> Batch<'a> {
    /// The records of an append; with `ids` each takes an event id.
    pub fn new(records: &'a Records, ids: bool) -> Batch<'a> {
        let numbers = records.runs.iter();
        let numbers = numbers.flat_map(|run| run.first..run.first + u64::from(run.len)).collect();
        Batch { records, ids, numbers }
    }

    /// How many.
    pub fn len(&self) -> usize {
        self.records.payloads.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether records have keys of their own.
    pub fn is_keyed(&self) -> bool {
        self.records.keys.is_some()
    }

    /// A record's data without its id.
    pub fn payload(&self, row: usize) -> &'a [u8] {
        self.records.payloads.value(row)
    }

    /// Whether each takes an id.
    pub fn has_ids(&self) -> bool {
        self.ids
    }

    /// A record's id.
    pub fn id(&self, row: usize) -> [u8; HEX] {
        event_id(&self.records.producer, self.numbers[row])
    }

    /// A record's own key.
    fn own_key(&self, row: usize) -> Option<&'a str> {
        let keys = self.records.keys.as_ref()?;
        Some(if keys.is_null(row) { "" } else { keys.value(row) })
    }

    /// A record's key: its own, or one that spreads.
    pub fn key(&self, row: usize) -> String {
        match self.own_key(row) {
            Some(key) => key.to_owned(),
            None => self.id(row)[..KEY_DIGITS].iter().map(|digit| char::from(*digit)).collect(),
        }
    }

    fn key_bytes(&self, row: usize) -> usize {
        self.own_key(row).map_or(KEY_DIGITS, str::len)
    }

    /// Bytes of a record's data at most.
    fn data_bytes(&self, row: usize) -> usize {
        let added = if self.ids { ADDED_BYTES } else { 0 };
        self.records.payloads.value_length(row) as usize + added
    }

    /// The records that the stream does not take.
    pub fn refused(&self, record_bytes_max: usize) -> Vec<Refused> {
        let refusal = |row| {
            let (code, message) = self.refusal(row, record_bytes_max)?;
            Some(Refused { row, code, message })
        };
        (0..self.len()).filter_map(refusal).collect()
    }

    fn refusal(&self, row: usize, bytes_max: usize) -> Option<(&'static str, String)> {
        if let Some(key) = self.own_key(row) {
            let max = dsl::quotas::aws().limit("kinesis.key").max;
            let bound = match key.len() as u64 {
                0 => Some("greater than or equal to 1".to_owned()),
                bytes if bytes > max && key.chars().count() as u64 > max => {
                    Some(format!("less than or equal to {max}"))
                }
                _ => None,
            };
            if let Some(bound) = bound {
                let message = format!("the partition key must have length {bound}");
                return Some(("partition_key", message));
            }
        }
        let bytes = self.data_bytes(row) + self.key_bytes(row);
        (bytes > bytes_max).then(|| {
            let message = format!(
                "the record has {bytes} bytes with its key, and this stream takes {bytes_max}"
            );
            ("record_too_large", message)
        })
    }

    /// The units of all rows but those that are refused (which rise).
    pub fn units(
        &self,
        options: &StreamOptions,
        refused: &[Refused],
        record_bytes_max: usize,
        map: Option<&ShardMap>,
    ) -> Units {
        let mut refused = refused.iter().map(|refused| refused.row).peekable();
        let rows = (0..self.len()).filter(|row| refused.next_if_eq(row).is_none());
        let strict = options.order == Order::Strict && self.is_keyed();
        match (options.pack, map) {
            (true, _) if strict => self.by_key(rows, record_bytes_max),
            (true, Some(map)) => self.by_shard(rows, record_bytes_max, map),
            _ => self.one_each(rows, strict),
        }
    }

    fn one_each(&self, rows: impl Iterator<Item = usize>, strict: bool) -> Units {
        let mut units = Units::default();
        let mut lanes = Numbers::default();
        for row in rows {
            let start = units.rows.len() as u32;
            units.rows.push(row as u32);
            let key = self.own_key(row).filter(|_| strict);
            units.units.push(Unit {
                start,
                end: start + 1,
                bytes: (self.data_bytes(row) + self.key_bytes(row)) as u32,
                lane: key.map(|key| lanes.of(key)),
                shard: None,
            });
        }
        units
    }

    /// Consecutive records of one key together.
    fn by_key(&self, rows: impl Iterator<Item = usize>, record_bytes_max: usize) -> Units {
        let bytes_max = PACK_BYTES_OF_KEY.min(record_bytes_max);
        let mut lanes = Numbers::default();
        let mut packs = Packs::new(bytes_max);
        for row in rows {
            let key = self.own_key(row).unwrap_or_default();
            let lane = lanes.of(key);
            let room = Room { data: self.data_bytes(row), key: key.len(), outer: key.len() };
            packs.add(lane as usize, row, room, |unit| unit.lane = Some(lane));
        }
        packs.finish()
    }

    /// Records whose keys lie in one shard together.
    fn by_shard(
        &self,
        rows: impl Iterator<Item = usize>,
        record_bytes_max: usize,
        map: &ShardMap,
    ) -> Units {
        let mut packs = Packs::new(PACK_BYTES.min(record_bytes_max));
        let mut known: Option<(&str, u128)> = None;
        for row in rows {
            let hash = match (self.own_key(row), known) {
                (Some(key), Some((last, hash))) if key == last => hash,
                (Some(key), _) => {
                    let hash = hash::of_key(key);
                    known = Some((key, hash));
                    hash
                }
                (None, _) => hash::of_key(&self.key(row)),
            };
            let room =
                Room { data: self.data_bytes(row), key: self.key_bytes(row), outer: KEY_DIGITS };
            // What no open shard takes (the map is old) goes alone.
            match map.shard_at(hash) {
                Some(shard) => packs.add(shard, row, room, |unit| unit.shard = Some((shard, hash))),
                None => packs.alone(row, room),
            }
        }
        packs.finish()
    }
}

impl Units {
    /// The rows of a unit.
    pub fn rows_of(&self, unit: u32) -> &[u32] {
        let Unit { start, end, .. } = self.units[unit as usize];
        &self.rows[start as usize..end as usize]
    }

    /// In which order they may be sent.
    pub fn lanes(&self) -> Lanes {
        Lanes::new(self.units.iter().map(|unit| (unit.lane, unit.bytes)))
    }
}

/// Small numbers for keys.
#[derive(Default)]
struct Numbers<'a> {
    numbers: HashMap<&'a str, u32>,
    last: Option<(&'a str, u32)>,
}

impl<'a> Numbers<'a> {
    fn of(&mut self, key: &'a str) -> u32 {
        if let Some((last, number)) = self.last
            && last == key
        {
            return number;
        }
        let next = self.numbers.len() as u32;
        let number = *self.numbers.entry(key).or_insert(next);
        self.last = Some((key, number));
        number
    }
}

/// What a record takes of a packed one.
#[derive(Clone, Copy)]
struct Room {
    data: usize,
    key: usize,
    /// Bytes of the packed record's own key.
    outer: usize,
}

/// Packed records under construction, one for each key or shard.
struct Packs {
    bytes_max: usize,
    open: Vec<Option<Pack>>,
    done: Vec<Pack>,
}

struct Pack {
    rows: Vec<u32>,
    size: PackSize,
    outer: u32,
    unit: Unit,
}

impl Packs {
    fn new(bytes_max: usize) -> Packs {
        Packs { bytes_max, open: Vec::new(), done: Vec::new() }
    }

    fn add(&mut self, at: usize, row: usize, room: Room, mark: impl FnOnce(&mut Unit)) {
        if self.open.len() <= at {
            self.open.resize_with(at + 1, || None);
        }
        let open = &mut self.open[at];
        if let Some(pack) = open {
            let size = pack.size.with(room.data, Some(room.key));
            if size.parts() <= PARTS_MAX && size.bytes() + room.outer <= self.bytes_max {
                pack.size = size;
                pack.rows.push(row as u32);
                return;
            }
        }
        let mut pack = Pack::new(row, room);
        mark(&mut pack.unit);
        // The order of the units is that of their first rows, within a key or shard.
        self.done.extend(open.replace(pack));
    }

    fn alone(&mut self, row: usize, room: Room) {
        self.done.push(Pack::new(row, room));
    }

    fn finish(mut self) -> Units {
        self.done.extend(self.open.into_iter().flatten());
        let mut units = Units::default();
        for Pack { rows, size, outer, unit } in self.done {
            let start = units.rows.len() as u32;
            let bytes = match rows.len() {
                1 => unit.bytes,
                _ => size.bytes() as u32 + outer,
            };
            units.rows.extend(&rows);
            units.units.push(Unit { start, end: units.rows.len() as u32, bytes, ..unit });
        }
        units
    }
}

impl Pack {
    fn new(row: usize, room: Room) -> Pack {
        let bytes = (room.data + room.key) as u32;
        let unit = Unit { start: 0, end: 0, bytes, lane: None, shard: None };
        let size = PackSize::default().with(room.data, Some(room.key));
        Pack { rows: vec![row as u32], size, outer: room.outer as u32, unit }
    }
}
