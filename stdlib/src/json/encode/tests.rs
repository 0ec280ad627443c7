//! What is written, and that it reads back.

use super::*;
use arrow_array::builder::{Int64Builder, ListBuilder, MapBuilder, StringBuilder};
use arrow_array::{
    Date32Array, Decimal128Array, Float64Array, Int64Array, StringArray, StructArray,
    TimestampNanosecondArray,
};
use arrow_schema::Field;
use std::sync::Arc;

fn batch(columns: Vec<(&str, ArrayRef)>) -> RecordBatch {
    RecordBatch::try_from_iter(columns).unwrap()
}

fn texts(columns: Vec<(&str, ArrayRef)>) -> Vec<String> {
    let encoded = encode(&batch(columns));
    encoded.iter().map(|row| String::from_utf8(row.unwrap().to_vec()).unwrap()).collect()
}

#[test]
fn an_order_line() {
    let rows = texts(vec![
        ("InvoiceNo", Arc::new(StringArray::from(vec!["536365", "C1"]))),
        ("Description", Arc::new(StringArray::from(vec![Some(" \"A\", £5\t"), None]))),
        ("Quantity", Arc::new(Int64Array::from(vec![6, -80995]))),
        ("InvoiceDate", {
            let times = TimestampNanosecondArray::from(vec![1_291_191_960_000_000_000, -1]);
            Arc::new(times.with_timezone("UTC"))
        }),
        ("UnitPrice", {
            let prices = Decimal128Array::from(vec![2550, -11_062_060]);
            Arc::new(prices.with_precision_and_scale(10, 3).unwrap())
        }),
    ]);
    assert_eq!(
        rows,
        [
            concat!(
                r#"{"InvoiceNo":"536365","Description":" \"A\", £5\t","Quantity":6,"#,
                r#""InvoiceDate":"2010-12-01T08:26:00Z","UnitPrice":2.55}"#
            ),
            concat!(
                r#"{"InvoiceNo":"C1","Description":null,"Quantity":-80995,"#,
                r#""InvoiceDate":"1969-12-31T23:59:59.999999999Z","UnitPrice":-11062.06}"#
            ),
        ]
    );
}

#[test]
fn every_string_reads_back() {
    let all: String = (0..0x2FF).filter_map(char::from_u32).chain("\u{1F600}".chars()).collect();
    let mut out = Vec::new();
    write_text(&mut out, &all);
    assert_eq!(serde_json::from_slice::<String>(&out).unwrap(), all);
}

#[test]
fn nested_values() {
    let mut list = ListBuilder::new(Int64Builder::new());
    list.append_value([Some(1), None]);
    list.append_null();
    let mut map = MapBuilder::new(None, StringBuilder::new(), Int64Builder::new());
    map.keys().append_value("a\"");
    map.values().append_value(1);
    map.append(true).unwrap();
    map.append(true).unwrap();
    let record = StructArray::from(vec![(
        Arc::new(Field::new("day", DataType::Date32, false)),
        Arc::new(Date32Array::from(vec![14944, 0])) as ArrayRef,
    )]);
    let rows = texts(vec![
        ("list", Arc::new(list.finish())),
        ("map", Arc::new(map.finish())),
        ("record", Arc::new(record)),
        ("float", Arc::new(Float64Array::from(vec![0.1, 1e300]))),
        ("bytes", Arc::new(BinaryArray::from(vec![&b"\xff\x00\x01\x02"[..], b""]))),
        ("bool", Arc::new(BooleanArray::from(vec![true, false]))),
    ]);
    assert_eq!(
        rows,
        [
            concat!(
                r#"{"list":[1,null],"map":{"a\"":1},"record":{"day":"2010-12-01"},"#,
                r#""float":0.1,"bytes":"/wABAg==","bool":true}"#
            ),
            concat!(
                r#"{"list":null,"map":{},"record":{"day":"1970-01-01"},"#,
                r#""float":1e+300,"bytes":"","bool":false}"#
            ),
        ]
    );
}

#[test]
fn slices_and_lines() {
    let rows = batch(vec![("n", Arc::new(Int64Array::from(vec![1, 2, 3])))]);
    let mut out = Vec::new();
    encode_lines(&rows.slice(1, 2), &mut out);
    assert_eq!(out, b"{\"n\":2}\n{\"n\":3}\n");
}

/// Text of all kinds, mostly without anything that needs an escape.
fn random_text(random: &mut fastrand::Rng) -> String {
    let len = if random.u8(..20) == 0 { random.usize(..300) } else { random.usize(..40) };
    let odd = random.u8(..8) == 0;
    let letter = |random: &mut fastrand::Rng| match random.u8(..if odd { 8 } else { 6 }) {
        6 => random.char('\0'..'\u{30}'),
        7 => random.char(..),
        _ => random.alphanumeric(),
    };
    (0..len).map(|_| letter(random)).collect()
}

fn json(value: &impl serde::Serialize) -> String {
    serde_json::to_string(value).unwrap()
}

#[test]
fn random_rows_are_as_serde_writes_them() {
    let mut random = fastrand::Rng::with_seed(11);
    for rows in [0, 1, 127, 128, 129, 700] {
        let some = |random: &mut fastrand::Rng| random.u8(..5) > 0;
        let name = random_text(&mut random);
        let texts: Vec<Option<String>> =
            (0..rows).map(|_| some(&mut random).then(|| random_text(&mut random))).collect();
        let ints: Vec<Option<i64>> = (0..rows)
            .map(|_| some(&mut random).then(|| random.i64(..) >> random.u32(..64)))
            .collect();
        let floats: Vec<f64> = (0..rows).map(|_| random.f64() * 1e6).collect();
        let lists: Vec<Option<Vec<Option<String>>>> = (0..rows)
            .map(|_| {
                let items = random.usize(..4);
                let mut item = || some(&mut random).then(|| random_text(&mut random));
                let items = (0..items).map(|_| item()).collect();
                some(&mut random).then_some(items)
            })
            .collect();
        let mut list = ListBuilder::new(StringBuilder::new());
        lists.iter().for_each(|items| list.append_option(items.clone()));
        let columns: Vec<(&str, ArrayRef)> = vec![
            (&name, Arc::new(StringArray::from(texts.clone()))),
            ("ints", Arc::new(Int64Array::from(ints.clone()))),
            ("floats", Arc::new(Float64Array::from(floats.clone()))),
            ("lists", Arc::new(list.finish())),
        ];
        let columns = batch(columns);
        let mut wanted = Vec::new();
        for row in 0..rows {
            wanted.push(format!(
                r#"{{{}:{},"ints":{},"floats":{},"lists":{}}}"#,
                json(&name),
                json(&texts[row]),
                json(&ints[row]),
                json(&floats[row]),
                json(&lists[row]),
            ));
        }
        let encoded = encode(&columns);
        assert!(encoded.iter().flatten().eq(wanted.iter().map(String::as_bytes)));
        let mut lines = Vec::new();
        encode_lines(&columns, &mut lines);
        assert_eq!(
            lines,
            wanted.iter().map(|row| format!("{row}\n")).collect::<String>().as_bytes()
        );
        let writer = RowWriter::new(&columns);
        for (row, wanted) in wanted.iter().enumerate() {
            let mut alone = b"x".to_vec();
            writer.write(row, &mut alone);
            assert_eq!(&alone[1..], wanted.as_bytes());
        }
    }
}
