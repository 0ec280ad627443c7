//! Several records in one, in the format of the Kinesis Producer Library.
//!
//! `F3 89 9A C2`, then a protobuf, then the MD5 of the protobuf:
//! `AggregatedRecord { partition_key_table = 1, explicit_hash_key_table = 2, records = 3 }`,
//! `Record { partition_key_index = 1, explicit_hash_key_index = 2, data = 3, tags = 4 }`.

use md5::{Digest, Md5};

const MAGIC: [u8; 4] = [0xf3, 0x89, 0x9a, 0xc2];
const MD5_BYTES: usize = 16;
const VARINT: u64 = 0;
const BYTES: u64 = 2;

/// One record out of many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part<'a> {
    /// Its partition key.
    pub key: &'a str,
    /// Its place on the ring, where it was given one; decimal.
    pub explicit_hash: Option<&'a str>,
    /// Its data.
    pub data: &'a [u8],
}

/// How large a packed record becomes, as records are added.
#[derive(Clone, Copy, Debug, Default)]
pub struct PackSize {
    tables: usize,
    records: usize,
    parts: usize,
}

/// Writes a packed record.
#[derive(Debug, Default)]
pub struct Packer {
    keys: Vec<String>,
    records: Vec<u8>,
}

impl PackSize {
    /// The size with a record of `data` bytes more; `key` bytes of a key that it does not have yet.
    pub fn with(self, data: usize, key: Option<usize>) -> PackSize {
        // An index below 2^14 has two bytes at most.
        let record = 1 + 2 + field_len(data);
        PackSize {
            tables: self.tables + key.map_or(0, field_len),
            records: self.records + field_len(record),
            parts: self.parts + 1,
        }
    }

    /// Bytes at most.
    pub fn bytes(self) -> usize {
        MAGIC.len() + self.tables + self.records + MD5_BYTES
    }

    /// Records.
    pub fn parts(self) -> usize {
        self.parts
    }
}

impl Packer {
    /// Adds a record. Records of one key are best added together.
    pub fn add(&mut self, key: &str, data: &[u8]) {
        let known = self.keys.iter().rposition(|known| known == key);
        let index = known.unwrap_or_else(|| {
            self.keys.push(key.to_owned());
            self.keys.len() - 1
        });
        let record = 1 + varint_len(index as u64) + field_len(data.len());
        put_tag(&mut self.records, 3, BYTES);
        put_varint(&mut self.records, record as u64);
        put_tag(&mut self.records, 1, VARINT);
        put_varint(&mut self.records, index as u64);
        put_bytes(&mut self.records, 3, data);
    }

    /// The packed record.
    pub fn finish(self) -> Vec<u8> {
        let tables: usize = self.keys.iter().map(|key| field_len(key.len())).sum();
        let mut packed = Vec::with_capacity(4 + tables + self.records.len() + MD5_BYTES);
        packed.extend_from_slice(&MAGIC);
        for key in &self.keys {
            put_bytes(&mut packed, 1, key.as_bytes());
        }
        packed.extend_from_slice(&self.records);
        let digest = Md5::digest(&packed[MAGIC.len()..]);
        packed.extend_from_slice(&digest);
        packed
    }
}

/// The records in a packed one; `None` where it is a plain record, whatever it looks like.
pub fn unpack(data: &[u8]) -> Option<Vec<Part<'_>>> {
    let rest = data.strip_prefix(&MAGIC)?;
    let (message, digest) = rest.split_at_checked(rest.len().checked_sub(MD5_BYTES)?)?;
    if Md5::digest(message).as_slice() != digest {
        return None;
    }
    let (mut keys, mut hashes, mut records) = (Vec::new(), Vec::new(), Vec::new());
    let mut at = Reader(message);
    while let Some((field, value)) = at.field()? {
        match (field, value) {
            (1, Value::Bytes(key)) => keys.push(std::str::from_utf8(key).ok()?),
            (2, Value::Bytes(hash)) => hashes.push(std::str::from_utf8(hash).ok()?),
            (3, Value::Bytes(record)) => records.push(record),
            _ => (),
        }
    }
    records.into_iter().map(|record| part(record, &keys, &hashes)).collect()
}

fn part<'a>(record: &'a [u8], keys: &[&'a str], hashes: &[&'a str]) -> Option<Part<'a>> {
    let (mut key, mut hash, mut data) = (None, None, None);
    let mut at = Reader(record);
    while let Some((field, value)) = at.field()? {
        match (field, value) {
            (1, Value::Number(index)) => key = Some(*keys.get(usize::try_from(index).ok()?)?),
            (2, Value::Number(index)) => hash = Some(*hashes.get(usize::try_from(index).ok()?)?),
            (3, Value::Bytes(bytes)) => data = Some(bytes),
            _ => (),
        }
    }
    Some(Part { key: key?, explicit_hash: hash, data: data? })
}

struct Reader<'a>(&'a [u8]);

enum Value<'a> {
    Number(u64),
    Bytes(&'a [u8]),
    Other,
}

impl<'a> Reader<'a> {
    /// The next field; `Some(None)` at the end, `None` where it is no protobuf.
    #[allow(clippy::option_option)]
    fn field(&mut self) -> Option<Option<(u64, Value<'a>)>> {
        if self.0.is_empty() {
            return Some(None);
        }
        let tag = self.varint()?;
        let value = match tag & 7 {
            0 => Value::Number(self.varint()?),
            1 => self.take(8).map(|_| Value::Other)?,
            2 => {
                let len = usize::try_from(self.varint()?).ok()?;
                Value::Bytes(self.take(len)?)
            }
            5 => self.take(4).map(|_| Value::Other)?,
            _ => return None,
        };
        Some(Some((tag >> 3, value)))
    }

    fn varint(&mut self) -> Option<u64> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let (byte, rest) = self.0.split_first()?;
            self.0 = rest;
            number |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Some(number);
            }
        }
        None
    }

    fn take(&mut self, len: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(taken)
    }
}

fn put_tag(to: &mut Vec<u8>, field: u64, kind: u64) {
    put_varint(to, field << 3 | kind);
}

fn put_bytes(to: &mut Vec<u8>, field: u64, bytes: &[u8]) {
    put_tag(to, field, BYTES);
    put_varint(to, bytes.len() as u64);
    to.extend_from_slice(bytes);
}

fn put_varint(to: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        to.push((number & 0x7f) as u8 | 0x80);
        number >>= 7;
    }
    to.push(number as u8);
}

/// Bytes of a field of so many bytes, its tag and length included.
fn field_len(bytes: usize) -> usize {
    1 + varint_len(bytes as u64) + bytes
}

fn varint_len(number: u64) -> usize {
    (64 - (number | 1).leading_zeros() as usize).div_ceil(7)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packed(parts: &[(&str, &[u8])]) -> Vec<u8> {
        let mut packer = Packer::default();
        parts.iter().for_each(|(key, data)| packer.add(key, data));
        packer.finish()
    }

    #[test]
    fn what_was_packed_comes_out_again() {
        let long = vec![b'x'; 70_000];
        let parts: [(&str, &[u8]); 4] = [("a", b"1"), ("b", b""), ("a", &long), ("b", b"{}")];
        let packed = packed(&parts);
        let out = unpack(&packed).unwrap();
        let out: Vec<_> = out.iter().map(|part| (part.key, part.data)).collect();
        assert_eq!(out, parts);
        let mut size = PackSize::default();
        for (at, (key, data)) in parts.iter().enumerate() {
            size = size.with(data.len(), (at < 2).then_some(key.len()));
        }
        assert!(size.bytes() >= packed.len() && size.bytes() <= packed.len() + 2 * parts.len());
        assert_eq!(size.parts(), 4);
    }

    #[test]
    fn the_bytes_are_those_of_the_format() {
        let packed = packed(&[("k", b"d")]);
        let message = [0x0a, 1, b'k', 0x1a, 5, 0x08, 0, 0x1a, 1, b'd'];
        assert_eq!(packed[..4], MAGIC);
        assert_eq!(packed[4..14], message);
        assert_eq!(packed[14..], Md5::digest(message)[..]);
    }

    #[test]
    fn explicit_hashes_tags_and_unknown_fields_are_read() {
        let message: &[u8] = &[
            0x0a, 1, b'k', 0x12, 2, b'1', b'2', 0x1a, 11, 0x08, 0, 0x10, 0, 0x1a, 1, b'd', 0x22, 2,
            0x0a, 0, 0x20, 7,
        ];
        let bytes = [&MAGIC[..], message, &Md5::digest(message)].concat();
        let part = Part { key: "k", explicit_hash: Some("12"), data: b"d" };
        assert_eq!(unpack(&bytes).unwrap(), [part]);
    }

    #[test]
    fn whatever_is_damaged_is_a_plain_record() {
        let good = packed(&[("a", b"1"), ("b", b"2")]);
        for len in 0..good.len() {
            assert_eq!(unpack(&good[..len]), None, "{len}");
        }
        for at in 0..good.len() {
            let mut bad = good.clone();
            bad[at] ^= 0x10;
            assert_eq!(unpack(&bad), None, "{at}");
        }
        let no_key = [0x1a, 3, 0x08, 9, 0x1a];
        let bytes = [&MAGIC[..], &no_key, &Md5::digest(no_key)].concat();
        assert_eq!(unpack(&bytes), None);
    }
}
