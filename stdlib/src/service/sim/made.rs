//! Made-up records of a declared type, for flows whose input the simulation has not got: the same
//! in every course.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use dsl::ty::{RecordTy, Ty};
use serde_json::{Map, Value, json};

/// Values that a field has again and again: keys come together by them.
const COMMON: u32 = 40;

/// Makes records, one after the other.
pub struct Maker {
    random: fastrand::Rng,
    made: u64,
}

impl Maker {
    /// One of its own for each name.
    pub fn new(name: &str) -> Maker {
        let mut seed = [0; 8];
        seed.copy_from_slice(&blake3::hash(name.as_bytes()).as_bytes()[..8]);
        Maker { random: fastrand::Rng::with_seed(u64::from_le_bytes(seed)), made: 0 }
    }

    /// The next record. The fields of the key have some values only; another field, where there
    /// is one, tells all records apart.
    pub fn record(&mut self, ty: &RecordTy, key: &[String]) -> Map<String, Value> {
        self.made += 1;
        let mut record = Map::new();
        for field in &ty.fields {
            let value = match key.contains(&field.name) {
                true => self.common(&field.ty),
                false => self.value(&field.ty),
            };
            record.insert(field.name.clone(), value);
        }
        record
    }

    /// A line of text.
    pub fn line(&mut self) -> String {
        self.made += 1;
        format!("line {} {:08x}", self.made, self.random.u32(..))
    }

    fn common(&mut self, ty: &Ty) -> Value {
        let n = self.random.u32(0..COMMON);
        match ty.non_null() {
            Ty::Int | Ty::Size => json!(n),
            Ty::Text => json!(format!("key-{n}")),
            _ => self.value(ty.non_null()),
        }
    }

    fn value(&mut self, ty: &Ty) -> Value {
        let random = &mut self.random;
        if ty.is_nullable() && random.u8(0..8) == 0 {
            return Value::Null;
        }
        match ty.non_null() {
            Ty::Int => json!(random.i64(-1_000_000..1_000_000_000)),
            Ty::Size => json!(random.u64(0..1 << 40)),
            Ty::Float => json!(f64::from(random.i32(-1_000_000..1_000_000)) / 64.0),
            Ty::Bool => json!(random.bool()),
            Ty::Decimal { precision, scale } => {
                let digits = u32::from((*precision).min(15));
                let unscaled = random.i64(0..10_i64.pow(digits));
                let power = 10_i64.pow(u32::from(*scale).min(digits));
                let (whole, part) = (unscaled / power, unscaled % power);
                let width = usize::from(*scale).min(digits as usize);
                let text = match width {
                    0 => whole.to_string(),
                    _ => format!("{whole}.{part:0width$}"),
                };
                serde_json::from_str(&text).unwrap_or_else(|_| json!(whole))
            }
            Ty::Timestamp => {
                let (day, second) = (random.u32(1..29), random.u32(0..60));
                let (month, hour) = (random.u32(1..13), random.u32(0..24));
                json!(format!("2026-{month:02}-{day:02}T{hour:02}:08:{second:02}Z"))
            }
            Ty::Date => json!(format!("2026-{:02}-{:02}", random.u32(1..13), random.u32(1..29))),
            Ty::Bytes => json!(STANDARD.encode(random.u64(..).to_le_bytes())),
            Ty::Uuid => {
                let hex = format!("{:032x}", random.u128(..));
                let parts = [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]];
                json!(parts.join("-"))
            }
            Ty::Url => json!(format!("https://example.com/{:x}", random.u32(..))),
            Ty::List(item) => {
                let len = random.usize(0..4);
                Value::Array((0..len).map(|_| self.value(item)).collect())
            }
            Ty::Map(_, item) => {
                let len = random.u32(0..4);
                Value::Object((0..len).map(|n| (format!("k{n}"), self.value(item))).collect())
            }
            Ty::Record(record) => {
                let fields = record.fields.iter();
                Value::Object(fields.map(|f| (f.name.clone(), self.value(&f.ty))).collect())
            }
            // Texts tell records apart; some have what must be escaped.
            _ => {
                let odd = ["", " ", "ü", "\"", "\\", "\n", "→"][random.usize(0..7)];
                json!(format!("{} {odd}{:x}", self.made, random.u32(..)))
            }
        }
    }
}
