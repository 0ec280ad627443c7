//! What is decoded, and what is refused.

use super::*;
use crate::json::encode::encode;
use arrow_array::cast::AsArray;
use arrow_array::types::{Decimal128Type, Float64Type, Int64Type, TimestampNanosecondType};
use dsl::ty::{Field, Ty};

fn record(fields: &[(&str, Ty)]) -> RecordTy {
    let field =
        |(name, ty): &(&str, Ty)| Field { name: (*name).into(), ty: ty.clone(), span: None };
    RecordTy { fields: fields.iter().map(field).collect(), ..RecordTy::default() }
}

fn line() -> RecordTy {
    record(&[
        ("InvoiceNo", Ty::Text),
        ("Description", Ty::Text.nullable()),
        ("Quantity", Ty::Int),
        ("InvoiceDate", Ty::Timestamp),
        ("UnitPrice", Ty::Decimal { precision: 10, scale: 3 }),
        ("CustomerID", Ty::Text.nullable()),
    ])
}

fn decode(record: &RecordTy, lenient: bool, rows: &[&str]) -> Decoded {
    let options = Options { lenient, timestamp: None };
    let payloads = BinaryArray::from_iter_values(rows.iter().map(|row| row.as_bytes()));
    Decoder::new(record, options).decode(&payloads)
}

fn message(record: &RecordTy, lenient: bool, row: &str) -> String {
    let decoded = decode(record, lenient, &[row]);
    assert_eq!(decoded.columns.num_rows() + decoded.faults.len(), 1, "{row}");
    decoded.faults.first().map_or(String::new(), |fault| {
        assert_eq!(fault.payload, row.as_bytes());
        format!("{}: {}", fault.code, fault.message)
    })
}

fn texts(decoded: &Decoded) -> Vec<String> {
    let rows = encode(&decoded.columns);
    rows.iter().flatten().map(|row| String::from_utf8(row.to_vec()).unwrap()).collect()
}

const GOOD: &str = r#"{"InvoiceNo":"536365","Description":"WHITE \"T\" \u00a3","Quantity":6,"#;
const REST: &str = r#""InvoiceDate":"2010-12-01T08:26:00Z","UnitPrice":2.55,"CustomerID":null}"#;

#[test]
fn strict_reads_what_encode_writes() {
    let good = format!("{GOOD}{REST}");
    let decoded = decode(&line(), false, &[&good, &format!(" {good}\r\n")]);
    assert!(decoded.faults.is_empty());
    assert_eq!(decoded.columns.schema(), engine::schema::arrow_schema(&Ty::Record(line())));
    let column = |name| decoded.columns.column_by_name(name).unwrap();
    assert_eq!(column("UnitPrice").as_primitive::<Decimal128Type>().values(), &[2550, 2550]);
    let times = column("InvoiceDate").as_primitive::<TimestampNanosecondType>();
    assert_eq!(times.value(0), 1_291_191_960_000_000_000);
    assert_eq!(column("Description").as_string::<i32>().value(0), "WHITE \"T\" £");
    let again = texts(&decoded);
    let twice = decode(&line(), false, &[&again[0]]);
    assert_eq!(texts(&twice)[0], again[0]);
}

#[test]
fn strict_names_the_field_and_what_was_found() {
    let with = |from: &str, to: &str| format!("{GOOD}{REST}").replace(from, to);
    let cases = [
        (with("6,", "\"six\","), "json_value: `Quantity` is `int`, and this is text \"six\""),
        (with("6,", "6.0,"), "json_value: `Quantity`: number 6.0 is not a whole number of 64 bits"),
        (with("\"536365\"", "536365"), {
            "json_value: `InvoiceNo` is `text`, and this is number 536365"
        }),
        (with("\"536365\"", "null"), "json_value: `InvoiceNo` is `text`, and this is null"),
        (with("\"Quantity\":6,", ""), "json_value: `Quantity` is missing"),
        (with("2.55", "2.5555"), {
            "json_value: `UnitPrice`: number 2.5555 has too many digits behind the point, \
             and the type is decimal(10, 3)"
        }),
        (with("2010-12-01T08:26:00Z", "12/1/2010 8:26"), {
            "json_value: `InvoiceDate`: text \"12/1/2010 8:26\" is not a timestamp of that form"
        }),
        ("[1]".into(), "json_value: an object is wanted, and this is an array"),
        ("{} x".into(), "json_syntax: no JSON: at byte 4, something stands behind the value"),
        ("".into(), "json_syntax: no JSON: at byte 1, a value is missing"),
        ("{\"a\":}".into(), "json_syntax: no JSON: at byte 6, this begins no value"),
        ("{\"a\":1".into(), "json_syntax: no JSON: at byte 7, `,` or `}` is missing"),
    ];
    for (row, expected) in cases {
        assert_eq!(message(&line(), false, &row), expected, "{row}");
    }
}

#[test]
fn lenient_takes_what_the_original_client_posts() {
    let row = |no: &str, id: &str| {
        format!(r#"{{"invoiceno":{no},"Extra":[{{}}],"Description":null,"QUANTITY":"6","#)
            + &format!(r#""InvoiceDate":"12\/1\/2010 8:26","UnitPrice":"2.55","CustomerID":{id}}}"#)
    };
    let rows = [
        row("536365", "17850"),
        row("536365.0", "17850.0"),
        row("\"536365\"", "\"17850\""),
        row("5.36365e5", "null"),
    ];
    let rows: Vec<&str> = rows.iter().map(String::as_str).collect();
    let decoded = decode(&line(), true, &rows);
    assert!(decoded.faults.is_empty(), "{:?}", decoded.faults);
    assert_eq!(decoded.ignored_keys, 4);
    let want = |id: &str| {
        let start = r#"{"InvoiceNo":"536365","Description":null,"Quantity":6,"InvoiceDate":"#;
        format!(r#"{start}"2010-12-01T08:26:00Z","UnitPrice":2.55,"CustomerID":{id}}}"#)
    };
    let id = "\"17850\"";
    assert_eq!(texts(&decoded), [want(id), want(id), want(id), want("null")]);
}

#[test]
fn bad_rows_leave_the_others_in_place() {
    let record = record(&[("a", Ty::Int), ("b", Ty::Text)]);
    let rows = [r#"{"a":1,"b":"x"}"#, r#"{"a":null,"b":7}"#, "no", r#"{"b":"y","a":2,"a":3}"#];
    let decoded = decode(&record, false, &rows);
    assert_eq!(decoded.kept, BooleanArray::from(vec![true, false, false, true]));
    let a = decoded.columns.column(0).as_primitive::<Int64Type>();
    assert_eq!(a.values(), &[1, 3]);
    let found: Vec<(usize, &str)> =
        decoded.faults.iter().map(|fault| (fault.row, fault.code)).collect();
    assert_eq!(found, [(1, "json_value"), (2, "json_syntax")]);
    assert_eq!(decoded.faults[0].meta, [("field", "a".to_string())]);
}

#[test]
fn bytes_that_are_not_utf8_are_no_json() {
    let record = record(&[("a", Ty::Text)]);
    let mut bad = br#"{"a":"caf"#.to_vec();
    bad.extend([0xE9, b'"', b'}']);
    // Each of the last two rows alone is broken, both together are valid text.
    let rows: Vec<Vec<u8>> =
        vec![bad, br#"{"a":"ok"}"#.to_vec(), b"{\"a\":\"\xC3".to_vec(), b"\xA9\"}".to_vec()];
    let payloads = BinaryArray::from_iter_values(&rows);
    let decoded = Decoder::new(&record, Options::default()).decode(&payloads);
    assert_eq!(decoded.faults.len(), 3);
    assert_eq!(decoded.faults[0].message, "no JSON: at byte 10, bytes are not UTF-8");
    let whole = BinaryArray::from_iter_values(&rows[2..]);
    assert_eq!(Decoder::new(&record, Options::default()).decode(&whole).faults.len(), 2);
}

#[test]
fn an_exact_key_beats_one_in_another_case() {
    let record = record(&[("a", Ty::Int)]);
    let rows = [r#"{"a":1,"A":2}"#, r#"{"A":2,"a":1}"#, r#"{"A":2,"A":3}"#, r#"{"\u0061":4}"#];
    let decoded = decode(&record, true, &rows);
    assert_eq!(decoded.columns.column(0).as_primitive::<Int64Type>().values(), &[1, 1, 3, 4]);
}

#[test]
fn nested_types_and_their_faults() {
    let stock = Ty::Record(record(&[("n", Ty::Int), ("t", Ty::Text.nullable())]));
    let record = record(&[
        ("list", Ty::List(Box::new(Ty::Int))),
        ("map", Ty::Map(Box::new(Ty::Text), Box::new(stock.clone())).nullable()),
        ("stock", stock.nullable()),
        ("raw", Ty::Bytes.nullable()),
        ("kind", Ty::Literal("bar".into()).nullable()),
    ]);
    let good = concat!(
        r#"{"list":[1,2],"map":{"x":{"n":1,"t":"a"},"y":{"n":2,"t":null}},"#,
        r#""stock":null,"raw":"AAE=","kind":"bar"}"#
    );
    let rows = [
        good,
        r#"{"list":[1,"2"]}"#,
        r#"{"list":[],"map":{"x":{"n":1},"x":{"n":true}}}"#,
        r#"{"list":[],"stock":{"t":"b"}}"#,
        r#"{"list":[],"raw":"A"}"#,
        r#"{"list":[],"kind":"pie"}"#,
        r#"{"list":[],"stock":{"n":3}}"#,
    ];
    let decoded = decode(&record, false, &rows);
    assert_eq!(decoded.columns.schema(), engine::schema::arrow_schema(&Ty::Record(record)));
    let messages: Vec<&str> = decoded.faults.iter().map(|fault| fault.message.as_str()).collect();
    assert_eq!(
        messages,
        [
            "`list` is `int`, and this is text \"2\"",
            "`n` is `int`, and this is true",
            "`n` is missing",
            "`raw`: text \"A\" is not base64",
            "`kind`: text \"pie\" is not `\"bar\"`",
        ]
    );
    let last = r#"{"list":[],"map":null,"stock":{"n":3,"t":null},"raw":null,"kind":null}"#;
    assert_eq!(texts(&decoded), [good, last]);
}

/// A record of every type, with random values, as JSON.
fn random_row(random: &mut fastrand::Rng) -> String {
    let text: String = (0..random.usize(..6)).map(|_| random.char(..)).collect();
    let text = serde_json::to_string(&text).unwrap();
    let nothing = |random: &mut fastrand::Rng, value: String| match random.u8(..4) {
        0 => "null".to_string(),
        _ => value,
    };
    let digits = random.i64(-999_999..1_000_000);
    let price = format!("{}.{:03}", digits, random.u16(..1000));
    let at = random.i64(-9_000_000_000..9_000_000_000) * 1_000_000_000 + random.i64(0..1000);
    let mut time = Vec::new();
    engine::expr::time::write_rfc3339(&mut time, at);
    let inner = format!("{{\"x\":{}}}", random.bool());
    let list: Vec<String> = (0..random.usize(..4)).map(|n| n.to_string()).collect();
    format!(
        r#"{{"a":{text},"b":{},"c":{price},"d":"{}","e":[{}],"f":{{"k":{}}},"g":{}}}"#,
        nothing(random, digits.to_string()),
        String::from_utf8(time).unwrap(),
        list.join(","),
        nothing(random, text.clone()),
        nothing(random, inner),
    )
}

fn every_type() -> RecordTy {
    let inner = record(&[("x", Ty::Bool)]);
    record(&[
        ("a", Ty::Text),
        ("b", Ty::Int.nullable()),
        ("c", Ty::Decimal { precision: 12, scale: 3 }),
        ("d", Ty::Timestamp),
        ("e", Ty::List(Box::new(Ty::Int))),
        ("f", Ty::Map(Box::new(Ty::Text), Box::new(Ty::Text.nullable()))),
        ("g", Ty::Record(inner).nullable()),
    ])
}

#[test]
fn random_records_read_back() {
    let mut random = fastrand::Rng::with_seed(7);
    let rows: Vec<String> = (0..500).map(|_| random_row(&mut random)).collect();
    let rows: Vec<&str> = rows.iter().map(String::as_str).collect();
    let first = decode(&every_type(), false, &rows);
    assert!(first.faults.is_empty(), "{:?}", first.faults);
    let again = texts(&first);
    let again: Vec<&str> = again.iter().map(String::as_str).collect();
    assert_eq!(decode(&every_type(), false, &again).columns, first.columns);
    assert_eq!(decode(&every_type(), true, &again).columns, first.columns);
    for (row, text) in rows.iter().zip(again) {
        let value = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
        let (mut row, mut text) = (value(row), value(text));
        row["c"].take();
        text["c"].take();
        assert_eq!(row, text);
    }
}

#[test]
fn broken_bytes_fail_their_row_alone() {
    let mut random = fastrand::Rng::with_seed(8);
    for _ in 0..300 {
        let mut rows: Vec<Vec<u8>> = (0..3).map(|_| random_row(&mut random).into_bytes()).collect();
        for _ in 0..random.usize(1..4) {
            let at = random.usize(..rows[1].len());
            rows[1][at] = random.u8(..);
        }
        let payloads = BinaryArray::from_iter_values(&rows);
        for lenient in [false, true] {
            let options = Options { lenient, timestamp: None };
            let decoded = Decoder::new(&every_type(), options).decode(&payloads);
            assert!(decoded.kept.value(0) && decoded.kept.value(2));
            assert_eq!(decoded.columns.num_rows() + decoded.faults.len(), 3);
            let valid = serde_json::from_slice::<serde_json::Value>(&rows[1]).is_ok();
            let syntax = decoded.faults.iter().any(|fault| fault.code == "json_syntax");
            // A number that no float holds is good JSON here.
            assert!(!valid || !syntax, "{}", String::from_utf8_lossy(&rows[1]));
        }
    }
}

/// Blanks, mostly none.
fn blank(random: &mut fastrand::Rng) -> &'static str {
    [" ", "  ", "\t", "\r\n", "", "", "", "", ""][random.usize(..9)]
}

/// A text without quotes and backslashes in quotes: with or without needless escapes.
fn quoted(random: &mut fastrand::Rng, text: &str) -> String {
    if random.bool() {
        return serde_json::to_string(text).unwrap();
    }
    let mut out = String::from("\"");
    for letter in text.chars() {
        match random.u8(..3) {
            0 => letter.encode_utf16(&mut [0; 2]).iter().for_each(|unit| {
                out += &format!("\\u{unit:04X}");
            }),
            _ => out += serde_json::to_string(&letter).unwrap().trim_matches('"'),
        }
    }
    out + "\""
}

fn number(random: &mut fastrand::Rng) -> String {
    let digits = random.i64(..) >> random.u32(..64);
    match random.u8(..6) {
        0 => format!("{digits}.{}", random.u32(..) >> random.u32(..32)),
        1 => format!("{digits}e{}", random.i8(-20..20)),
        2 => format!("{}.{}E+{}", random.u8(..), random.u8(..), random.u8(..20)),
        3 => format!("{}.{:02}", random.u16(..), random.u8(..100)),
        _ => digits.to_string(),
    }
}

/// One value of each kind that [`plain_types`] has, as JSON.
fn random_value(random: &mut fastrand::Rng, kind: usize) -> String {
    let text = |random: &mut fastrand::Rng| {
        let most = [4, 20, 70][random.usize(..3)];
        let len = random.usize(..most);
        let plain = random.u8(..4) > 0;
        (0..len).map(|_| if plain { random.alphanumeric() } else { random.char(..) }).collect()
    };
    match kind {
        _ if random.u8(..8) == 0 => "null".into(),
        0 | 4 => {
            let text: String = text(random);
            quoted(random, &text.replace(['"', '\\'], "'"))
        }
        1 => (random.i64(..) >> random.u32(..64)).to_string(),
        2 => number(random),
        3 => random.bool().to_string(),
        _ => {
            let (one, two) = (random_value(random, kind % 5), random_value(random, 0));
            format!("[{{\"a\":{one}}},{}[],{{}},{two}]", blank(random))
        }
    }
}

const NAMES: [&str; 6] =
    ["t", "int", "a float of a name that is longer than others", "b", "é", "x"];

fn plain_types() -> RecordTy {
    let types = [Ty::Text, Ty::Int, Ty::Float, Ty::Bool, Ty::Text];
    let fields = NAMES.iter().zip(types).map(|(name, ty)| (*name, ty.nullable()));
    record(&fields.collect::<Vec<_>>())
}

/// An object with some of the fields in any order, some of them twice, and keys of no field, which
/// are counted.
fn random_object(random: &mut fastrand::Rng) -> (String, u64) {
    let mut kinds: Vec<usize> = (0..5).collect();
    match random.u8(..4) {
        0 => random.shuffle(&mut kinds),
        1 => kinds.truncate(random.usize(..5)),
        2 => (0..3).for_each(|_| kinds.insert(random.usize(..=kinds.len()), random.usize(..7))),
        _ => {}
    }
    let others = kinds.iter().filter(|&&kind| kind >= 5).count() as u64;
    let mut out = String::from(blank(random)) + "{";
    for (at, kind) in kinds.into_iter().enumerate() {
        let key = match random.u8(..10) {
            0 => quoted(random, NAMES[kind.min(5)]),
            _ => format!("\"{}\"", NAMES[kind.min(5)]),
        };
        let comma = if at > 0 { "," } else { "" };
        let value = random_value(random, kind);
        for part in [comma, blank(random), &key, blank(random), ":", blank(random), &value] {
            out += part;
        }
        out += blank(random);
    }
    (out + "}" + blank(random), others)
}

#[test]
fn random_objects_are_as_serde_reads_them() {
    let mut random = fastrand::Rng::with_seed(21);
    for _ in 0..400 {
        let count = random.usize(1..12);
        let (rows, others): (Vec<String>, Vec<u64>) =
            (0..count).map(|_| random_object(&mut random)).unzip();
        let decoded =
            decode(&plain_types(), false, &rows.iter().map(|it| &**it).collect::<Vec<_>>());
        assert!(decoded.faults.is_empty(), "{:?}", decoded.faults);
        assert_eq!(decoded.ignored_keys, others.iter().sum::<u64>());
        for (row, text) in rows.iter().enumerate() {
            let wanted: BTreeMap<String, Box<serde_json::value::RawValue>> =
                serde_json::from_str(text).unwrap();
            for (name, column) in NAMES.iter().zip(decoded.columns.columns()) {
                let wanted = wanted.get(*name).map_or("null", |value| value.get());
                let mut found = Vec::new();
                crate::json::encode::ValueWriter::new(column).write(row, &mut found);
                let found = std::str::from_utf8(&found).unwrap();
                let value = |text| serde_json::from_str::<serde_json::Value>(text).unwrap();
                let same = match column.as_primitive_opt::<Float64Type>() {
                    Some(floats) if wanted != "null" => {
                        wanted.parse::<f64>().unwrap().to_bits() == floats.value(row).to_bits()
                    }
                    _ => value(wanted) == value(found),
                };
                assert!(same, "{name}: {found}, and not {wanted} of {text}");
            }
        }
    }
}

#[test]
fn what_is_no_json_is_as_serde_sees_it() {
    let mut random = fastrand::Rng::with_seed(22);
    for _ in 0..20_000 {
        let mut rows = vec![random_object(&mut random).0.into_bytes(), b"{\"int\":1}".to_vec()];
        for _ in 0..random.usize(1..3) {
            let at = random.usize(..rows[0].len());
            match random.u8(..3) {
                0 => rows[0][at] = random.u8(..),
                1 => rows[0][at] = *random.choice(b"{}[]:,\"\\ .eE-+0123n").unwrap(),
                _ => rows[0].truncate(at + 1),
            }
        }
        let payloads = BinaryArray::from_iter_values(&rows);
        let decoded = Decoder::new(&plain_types(), Options::default()).decode(&payloads);
        assert!(decoded.kept.value(1));
        let syntax = decoded.faults.iter().any(|fault| fault.code == "json_syntax");
        match serde_json::from_slice::<serde_json::Value>(&rows[0]) {
            Ok(_) => assert!(!syntax, "{}", String::from_utf8_lossy(&rows[0])),
            // A number that no float holds is good JSON here.
            Err(error) if error.to_string().starts_with("number out of range") => {}
            Err(_) => assert!(syntax, "{}", String::from_utf8_lossy(&rows[0])),
        }
    }
}
