//! The event id: the last key of each JSON object that is written to AWS, the same when it is sent
//! again, so that whoever reads can drop what a lost reply has doubled.
//!
//! `{"a":1}` is stored as `{"a":1,"event_id":"<32 hex>"}`; the id is the BLAKE3-128 of the producer
//! and the record's number.

use dsl::ty::Ty;

/// The key.
pub const EVENT_ID: &str = "event_id";
/// Bytes that an id adds to an object at most.
pub const ADDED_BYTES: usize = KEY.len() + 1 + HEX + 1;
/// Digits of an id.
pub const HEX: usize = 32;

const KEY: &[u8] = br#""event_id":""#;
const END: &[u8] = br#""}"#;
const DIGITS: &[u8; 16] = b"0123456789abcdef";

/// The id of a producer's record, as hex digits.
pub fn event_id(producer: &[u8; 16], number: u64) -> [u8; HEX] {
    let mut bytes = [0; 24];
    bytes[..16].copy_from_slice(producer);
    bytes[16..].copy_from_slice(&number.to_le_bytes());
    let hash = blake3::hash(&bytes);
    let mut hex = [0; HEX];
    for (pair, byte) in hex.chunks_exact_mut(2).zip(hash.as_bytes()) {
        pair[0] = DIGITS[usize::from(byte >> 4)];
        pair[1] = DIGITS[usize::from(byte & 15)];
    }
    hex
}

/// Whether objects of this type take an id: JSON objects, unless they have a field of that name.
pub fn takes_id(ty: &Ty) -> bool {
    match ty {
        Ty::Json(of) | Ty::Ndjson(of) => {
            of.record().is_some_and(|record| record.field(EVENT_ID).is_none())
        }
        _ => false,
    }
}

/// Appends an object to `to`, with the id as its last key. White space behind the object stays
/// behind it. What is no object is appended as it is, and the answer is false.
pub fn embed(object: &[u8], id: &[u8; HEX], to: &mut Vec<u8>) -> bool {
    let trimmed = object.trim_ascii_end();
    let open = match trimmed {
        [b'{', inner @ .., b'}'] => &trimmed[..inner.len() + 1],
        _ => {
            to.extend_from_slice(object);
            return false;
        }
    };
    to.reserve(object.len() + ADDED_BYTES);
    let open = open.trim_ascii_end();
    to.extend_from_slice(open);
    if open.len() > 1 {
        to.push(b',');
    }
    to.extend_from_slice(KEY);
    to.extend_from_slice(id);
    to.extend_from_slice(END);
    to.extend_from_slice(&object[trimmed.len()..]);
    true
}

/// Where an object ends with an id: its bytes before the id, to be closed with `}`, and the id's
/// 128 bits.
pub fn strip(object: &[u8]) -> Option<(&[u8], u128)> {
    let rest = object.strip_suffix(END)?;
    let (rest, hex) = rest.split_at_checked(rest.len().checked_sub(HEX)?)?;
    let rest = rest.strip_suffix(KEY)?;
    let mut id = 0;
    for digit in hex {
        let value = match digit {
            b'0'..=b'9' => digit - b'0',
            b'a'..=b'f' => digit - b'a' + 10,
            _ => return None,
        };
        id = id << 4 | u128::from(value);
    }
    match rest {
        b"{" => Some((rest, id)),
        [b'{', .., b','] => Some((&rest[..rest.len() - 1], id)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn embedded(object: &str) -> String {
        let mut to = Vec::new();
        embed(object.as_bytes(), &event_id(&[7; 16], 9), &mut to);
        String::from_utf8(to).unwrap()
    }

    #[test]
    fn the_id_is_the_last_key_and_comes_off_again() {
        let id = String::from_utf8(event_id(&[7; 16], 9).to_vec()).unwrap();
        assert_eq!(embedded(r#"{"a":1}"#), format!(r#"{{"a":1,"event_id":"{id}"}}"#));
        assert_eq!(embedded("{}"), format!(r#"{{"event_id":"{id}"}}"#));
        assert_eq!(embedded("{\"a\":1}\n"), format!("{{\"a\":1,\"event_id\":\"{id}\"}}\n"));
        for object in [r#"{"a":1}"#, "{}", r#"{"a":{"event_id":"x"}}"#] {
            let with = embedded(object);
            let (open, stripped) = strip(with.as_bytes()).unwrap();
            assert_eq!([open, b"}"].concat(), object.as_bytes());
            assert_eq!(format!("{stripped:032x}"), id);
        }
    }

    #[test]
    fn objects_take_an_id_unless_they_have_one() {
        use dsl::ty::{Field, RecordTy};
        let record = |name: &str| {
            let field = Field { name: name.into(), ty: Ty::Text, span: None };
            Ty::Record(RecordTy { fields: vec![field], ..RecordTy::default() })
        };
        assert!(takes_id(&Ty::Json(Box::new(record("a")))));
        assert!(takes_id(&Ty::Ndjson(Box::new(record("a")))));
        assert!(!takes_id(&Ty::Json(Box::new(record("event_id")))));
        assert!(!takes_id(&Ty::Bytes) && !takes_id(&Ty::Csv(Box::new(record("a")))));
    }

    #[test]
    fn ids_differ_by_producer_and_number() {
        let ids = [event_id(&[7; 16], 9), event_id(&[7; 16], 10), event_id(&[8; 16], 9)];
        assert!(ids[0] != ids[1] && ids[0] != ids[2] && ids[1] != ids[2]);
        assert_eq!(ids[0], event_id(&[7; 16], 9));
    }

    #[test]
    fn what_is_no_object_stays_as_it_is() {
        for other in ["", "[1]", "\"{\"", "{", "}", "x}", "\n"] {
            assert_eq!(embedded(other), other);
        }
    }

    #[test]
    fn only_a_whole_id_at_the_end_is_one() {
        let hex = "0123456789abcdef0123456789abcdef";
        let others = [
            r#"{"a":1}"#.to_owned(),
            format!(r#"{{"a":1,"event_id":"{}"}}"#, &hex[1..]),
            format!(r#"{{"a":1,"event_id":"{}"}}"#, hex.to_uppercase()),
            format!(r#"{{"event_id":"{hex}","a":1}}"#),
            format!(r#"{{"a":1 "event_id":"{hex}"}}"#),
            format!(r#""event_id":"{hex}"}}"#),
        ];
        for other in others {
            assert_eq!(strip(other.as_bytes()), None, "{other}");
        }
    }
}
