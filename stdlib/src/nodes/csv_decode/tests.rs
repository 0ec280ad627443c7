//! What is read of files, whole and in pieces, and what is refused.

use super::*;
use crate::json::encode::encode;
use dsl::plan::{PlanEdge, Port};
use dsl::ty::{Field, RecordTy};
use engine::batch::Resume;
use engine::testing::{self, Seen};
use std::sync::Arc;

fn line() -> Ty {
    let field = |name: &str, ty| Field { name: name.into(), ty, span: None };
    let fields = vec![
        field("No", Ty::Text),
        field("Text", Ty::Text.nullable()),
        field("Quantity", Ty::Int),
        field("At", Ty::Timestamp),
        field("Price", Ty::Decimal { precision: 10, scale: 3 }),
        field("Who", Ty::Int.nullable()),
    ];
    Ty::Record(RecordTy { fields, ..RecordTy::default() })
}

fn node(options: &[(&str, &str)]) -> CsvDecode {
    let mut plan = testing::plan(vec![]);
    let source = testing::plan_node("file.read", NodeKind::Source, None, Some(Ty::Bytes));
    let source = plan.graph.add_node(source);
    let mut node =
        testing::plan_node("csv.decode", NodeKind::Transform, Some(Ty::Bytes), Some(line()));
    node.options.insert("timestamp".into(), Value::Text("%m/%d/%Y %H:%M".into()));
    for (name, value) in options {
        node.options.insert(name.to_string(), Value::Text(value.to_string()));
    }
    let node = plan.graph.add_node(node);
    plan.graph.add_edge(source, node, PlanEdge { port: Port::Out, ty: Ty::Bytes });
    let ctx = testing::node_ctx_in(&testing::ctx(), &Arc::new(plan), node);
    assert!(reads_chunks(&ctx));
    CsvDecode::new(&ctx).unwrap()
}

/// The records as JSON with their numbers, the failures, and the last place to resume at.
#[derive(Default, Debug, PartialEq)]
struct Read {
    records: Vec<(u64, String)>,
    failed: Vec<(u64, &'static str, String, Vec<u8>)>,
    resume: Resume,
}

impl Read {
    fn add(&mut self, seen: Seen, first: &mut u64) {
        if let Some(rows) = seen.rows(None) {
            let texts = encode(&rows.columns);
            let texts =
                texts.iter().flatten().map(|text| String::from_utf8(text.to_vec()).unwrap());
            self.records.extend(rows.ids.seqs().zip(texts));
        }
        for fault in seen.failed {
            let seq = *first + fault.row as u64;
            self.failed.push((seq, fault.code, fault.message, fault.payload));
        }
        *first += seen.made;
        if let Some(resume) = seen.resume {
            self.resume = resume.as_ref().clone();
        }
    }
}

fn read(node: &mut CsvDecode, chunks: &[&[u8]]) -> Result<Read, Fault> {
    let (mut read, mut first) = (Read::default(), 0);
    for chunk in chunks {
        read.add(testing::apply(node, testing::payload(&[chunk]))?, &mut first);
    }
    read.add(testing::finish(node)?, &mut first);
    Ok(read)
}

const FILE: &[u8] = b"Who,Extra,No,Text,Quantity,At,Price\r\n\
    17850,x,536365,\" HEART, \"\"T\"\" \",6,12/1/2010 8:26,2.55\r\n\
    ,x,C536379,,-1,12/1/2010 9:41,27.5\r\n\
    1,x,,\"\",0,12/01/2010 09:41,0\n\
    1,x,a,\"two\r\nlines\", 7 ,1/4/2011 10:00,-11062.06";

fn good() -> Vec<(u64, String)> {
    let record = |no: &str, text: &str, quantity, at: &str, price: &str, who: &str| {
        format!(
            "{{\"No\":\"{no}\",\"Text\":{text},\"Quantity\":{quantity},\"At\":\"{at}:00Z\",\
             \"Price\":{price},\"Who\":{who}}}"
        )
    };
    let records = [
        record("536365", r#"" HEART, \"T\" ""#, 6, "2010-12-01T08:26", "2.55", "17850"),
        record("C536379", "null", -1, "2010-12-01T09:41", "27.5", "null"),
        record("", "\"\"", 0, "2010-12-01T09:41", "0", "1"),
        record("a", r#""two\r\nlines""#, 7, "2011-01-04T10:00", "-11062.06", "1"),
    ];
    (0..).zip(records).collect()
}

#[test]
fn a_file_by_the_names_of_its_header() {
    let mut node = node(&[]);
    let read = read(&mut node, &[FILE]).unwrap();
    assert_eq!((read.records, read.failed), (good(), vec![]));
    let resume = read.resume;
    assert_eq!((resume.offset, resume.record), (FILE.len() as u64, 4));
    assert_eq!(node.counters.snapshot()["ignored columns"], 1);
}

#[test]
fn cut_anywhere_and_resumed_anywhere_it_is_the_same() {
    for at in 0..=FILE.len() {
        let (before, after) = FILE.split_at(at);
        let whole = read(&mut node(&[]), &[before, after]).unwrap();
        assert_eq!(whole.records, good(), "cut at {at}");

        let mut first = node(&[]);
        let seen = testing::apply(&mut first, testing::payload(&[before])).unwrap();
        assert_eq!(seen.kept, seen.resume.as_ref().unwrap().offset < at as u64, "cut at {at}");
        let resume = seen.resume.clone().unwrap();
        let mut records = Read::default();
        records.add(seen, &mut 0);
        let mut rows = testing::payload(&[&FILE[resume.offset as usize..]]);
        rows.resumed = Some(resume.clone());
        let mut second = node(&[]);
        records.add(testing::apply(&mut second, rows).unwrap(), &mut 0);
        records.add(testing::finish(&mut second).unwrap(), &mut 0);
        assert_eq!(records.records, good(), "resumed at {}", resume.offset);
    }
}

#[test]
fn bad_rows_with_line_reason_and_bytes() {
    let file = b"No,Text,Quantity,At,Price,Who\n\
        1,\"a\nb\",1,12/1/2010 8:26,1,1\n\
        2,x,six,12/1/2010 8:26,1,1\n\
        3,x,1\n\
        4,x,1,2010-12-01,1,1\n\
        5,x,1,12/1/2010 8:26,1.2345,1,\n\
        6,x,,12/1/2010 8:26,1,1\n\
        7,\xA3,1,12/1/2010 8:26,1,1\n\
        8,x,1,12/1/2010 8:26,1,\n\
        9,\"open,1\n10,x";
    let read = read(&mut node(&[]), &[file]).unwrap();
    let seqs: Vec<u64> = read.records.iter().map(|(seq, _)| *seq).collect();
    assert_eq!(seqs, [0, 7]);
    let found: Vec<(u64, &str, &str)> =
        read.failed.iter().map(|(seq, code, message, _)| (*seq, *code, message.as_str())).collect();
    assert_eq!(
        found,
        [
            (1, "csv_value", {
                "line 4: `Quantity` is `int`, and \"six\" is not a whole number of 64 bits"
            }),
            (2, "csv_fields", "line 5: the row has 3 fields, the header has 6"),
            (3, "csv_value", {
                "line 6: `At` is `timestamp`, and \"2010-12-01\" does not fit `%m/%d/%Y %H:%M`"
            }),
            (4, "csv_fields", "line 7: the row has 7 fields, the header has 6"),
            (5, "csv_value", "line 8: `Quantity` is empty, and `int` takes no null"),
            (6, "csv_encoding", "line 9: `Text` is not utf-8: it holds the byte A3"),
            (8, "csv_quote", "line 11: a quote is not closed before the file ends"),
        ]
    );
    assert_eq!(read.failed[0].3, b"2,x,six,12/1/2010 8:26,1,1");
    assert_eq!(read.failed[6].3, b"9,\"open,1\n10,x");
}

#[test]
fn encodings_nulls_and_delimiters() {
    let file = b"No;Text;Quantity;At;Price;Who\r\n\xA31;NA;1;12/1/2010 8:26;1;NA\r\n\
        x;\"NA\";1;12/1/2010 8:26;1;\"NA\"\r\nNA;;1;12/1/2010 8:26;1;1\r\n";
    let options = [("encoding", "latin-1"), ("null", "NA"), ("delimiter", ";")];
    let read = read(&mut node(&options), &[file]).unwrap();
    assert!(read.records[0].1.starts_with(r#"{"No":"£1","Text":null,"#));
    assert!(read.records[0].1.ends_with(r#""Who":null}"#));
    assert!(read.records[1].1.starts_with(r#"{"No":"x","Text":"NA","#));
    assert!(read.records[1].1.ends_with(r#""Who":null}"#));
    assert_eq!(read.failed[0].1, "csv_value");
    assert_eq!(read.failed[0].2, "line 4: `No` is `text`, and \"NA\" means null");
    assert!(delimiter("ab").is_err() && delimiter("\"").is_err() && delimiter("\t").is_ok());
}

#[test]
fn clocks_that_are_put_forward_skip_times() {
    let file = b"No,Text,Quantity,At,Price,Who\n1,,1,3/27/2011 1:30,1,1\n2,,1,7/1/2011 1:30,1,1\n";
    let read = read(&mut node(&[("zone", "Europe/London")]), &[file]).unwrap();
    assert!(read.records[0].1.contains("2011-07-01T00:30:00Z"));
    assert_eq!(read.failed.len(), 1);
    assert!(read.failed[0].2.contains("the clocks were put forward over it"));
}

#[test]
fn a_file_without_the_columns_stops_the_flow_once() {
    let fault = read(&mut node(&[]), &[b"No,Text,Qty,At,Price,Who\n1,,1,,,\n"]).unwrap_err();
    assert_eq!(fault.code, "csv_header");
    assert!(fault.message.starts_with("`test` has no column `Quantity`; its header is `No,Text"));
    for empty in [&b""[..], b"\n\n", b"\xEF\xBB\xBF", b"\xEF\xBB"] {
        let found = read(&mut node(&[]), &[empty]);
        let expected =
            if empty.len() == 2 && empty[0] != b'\n' { "csv_header" } else { "csv_empty" };
        assert_eq!(found.unwrap_err().code, expected, "{empty:?}");
    }
    let header = b"\xEF\xBB\xBF\"No\",Text,Quantity,At,Price,Who";
    assert_eq!(read(&mut node(&[]), &[header]).unwrap().records, []);
    let parts: [&[u8]; 3] = [b"\xEF", b"\xBB\xBFNo,Te", b"xt,Quantity,At,Price,Who\n"];
    assert_eq!(read(&mut node(&[]), &parts).unwrap().records, []);
    assert_eq!(read(&mut node(&[]), &[]).unwrap().records, []);
}

#[test]
fn a_quote_that_never_closes_is_found_within_its_limit() {
    let mut node = node(&[]);
    let start = b"No,Text,Quantity,At,Price,Who\n1,a,1,12/1/2010 8:26,1,1\n2,\"b";
    let seen = testing::apply(&mut node, testing::payload(&[start])).unwrap();
    assert_eq!(seen.made, 1);
    let more = vec![b'\n'; 1 << 20];
    let fault = (0..9).find_map(|_| testing::apply(&mut node, testing::payload(&[&more])).err());
    let fault = fault.unwrap();
    assert_eq!(fault.code, "csv_quote");
    assert_eq!(fault.message, "`test`: the quote on line 3 is not closed within 8 MiB");
}

#[test]
fn large_files_leave_in_batches() {
    let mut file = b"No,Text,Quantity,At,Price,Who\n".to_vec();
    (0..20_000).for_each(|n| file.extend(format!("{n},,{n},12/1/2010 8:26,1,\n").bytes()));
    let mut node = node(&[]);
    let seen = testing::apply(&mut node, testing::payload(&[&file])).unwrap();
    assert!(seen.sent.iter().all(|(_, rows)| rows.len() <= 8192));
    let rows = seen.rows(None).unwrap();
    assert_eq!((rows.len(), seen.made), (20_000, 20_000));
    assert_eq!(rows.ids.ranges(), [(0, 19_999)]);
    assert!(!seen.kept);
}

#[test]
fn broken_bytes_never_stop_it_and_every_record_is_accounted_for() {
    let mut random = fastrand::Rng::with_seed(9);
    let header = FILE.iter().position(|&byte| byte == b'\n').unwrap() + 1;
    for _ in 0..150 {
        let mut file = FILE.to_vec();
        for _ in 0..random.usize(1..5) {
            let at = random.usize(header..file.len());
            file[at] = *random.choice(b"\",\r\n\xA3x1").unwrap();
        }
        let whole = read(&mut node(&[]), &[&file]).unwrap();
        let mut seqs: Vec<u64> = whole.records.iter().map(|(seq, _)| *seq).collect();
        seqs.extend(whole.failed.iter().map(|(seq, ..)| *seq));
        seqs.sort_unstable();
        assert_eq!(seqs, (0..whole.resume.record).collect::<Vec<_>>());
        assert_eq!(whole.resume.offset, file.len() as u64);
        let (start, end) = file.split_at(random.usize(..file.len()));
        assert_eq!(read(&mut node(&[]), &[start, end]).unwrap(), whole);
    }
}
