//! Sessions, logs, entrances and failures, by hand.

use super::entrance::Entrance;
use super::failure::{Failure, Reader, failure, hex};
use super::*;
use dsl::spec::NodeKind;
use dsl::ty::{Field, RecordTy, Ty};
use engine::testing::{self, MemoryCheckpoints};
use std::collections::BTreeMap;
use std::sync::Arc;

fn entry(partition: u8, seq: u64) -> Entry {
    let mut id = [partition; 16];
    id[8..].copy_from_slice(&seq.to_be_bytes());
    let name = "p".into();
    let (place, object, row, attempts, at_ns) = (0, 0, 0, 1, 0);
    Entry { id, place, object, row, partition: [partition; 16], name, seq, attempts, at_ns }
}

async fn log(checkpoints: &MemoryCheckpoints) -> Log {
    Log::load(Arc::new(checkpoints.clone()), "f/x").await.unwrap()
}

#[tokio::test]
async fn what_was_begun_goes_first_and_nothing_goes_twice() {
    let checkpoints = MemoryCheckpoints::default();
    let mut first = log(&checkpoints).await;
    assert!(first.is_empty() && first.session() == 0);
    let ids: Vec<[u8; 16]> = (0..5000).map(|seq| entry(1, seq).id).collect();
    first.append(1, &ids[..1000]).await.unwrap();
    first.append(1, &ids[1000..]).await.unwrap();
    first.settle(4998).await.unwrap();
    let again = log(&checkpoints).await;
    assert_eq!((again.len(), again.session()), (5000, 1));
    assert_eq!(again.begun(), (4998, &ids[4998..]));
    assert!(again.has(&ids[4096]) && !again.has(&entry(2, 0).id));
    let mut of = OfNode { node: "f/x".into(), ..OfNode::default() };
    of.begun = vec![entry(1, 4998), entry(1, 4999)];
    of.new = vec![entry(2, 7)];
    let objects = Arc::new(Vec::new());
    let session = session(&mut of, &objects, again.clone()).unwrap();
    assert_eq!((session.number, session.entries.len()), (1, 2));
    let mut again = again;
    again.settle(5000).await.unwrap();
    let session = super::session(&mut of, &objects, again.clone()).unwrap();
    assert_eq!((session.label().as_str(), session.entries[0].place), ("f/x#2", 5000));
    assert!(super::session(&mut of, &objects, again).is_none());
}

#[tokio::test]
async fn a_log_that_is_damaged_is_refused() {
    let checkpoints = MemoryCheckpoints::default();
    let mut first = log(&checkpoints).await;
    first.append(1, &[[7; 16]; 3]).await.unwrap();
    let all = checkpoints.all();
    for (key, value) in all {
        use engine::ctx::Checkpoints;
        checkpoints.store(vec![(key.clone(), Some(b"x".to_vec()))]).await.unwrap();
        let loaded = Log::load(Arc::new(checkpoints.clone()), "f/x").await;
        assert_eq!(loaded.err().map(|fault| fault.code), Some("checkpoint_format".into()), "{key}");
        checkpoints.store(vec![(key, Some(value))]).await.unwrap();
    }
}

#[test]
fn rows_of_a_partition_rise_and_partitions_keep_their_places() {
    let mut entries = vec![entry(1, 9), entry(2, 4), entry(1, 3), entry(2, 1), entry(1, 5)];
    in_order(&mut entries);
    let order: Vec<(u8, u64)> = entries.iter().map(|it| (it.partition[0], it.seq)).collect();
    assert_eq!(order, [(1, 3), (2, 1), (1, 5), (2, 4), (1, 9)]);
}

fn line(extra: &str) -> String {
    format!(
        r#"{{"at":"2026-11-23T01:02:03.000000004Z","id":"{}","flow":"f","node":"f/x","span":"a:1:2",
"code":"c","message":"m","attempts":2,"position":"p#5","payload":"eyJhIjoxfQ==",
"meta":{{"partition":"p","partition_id":"{}","seq":"5"{extra}}}}}"#,
        hex(&[1; 16]),
        hex(&[2; 16])
    )
    .replace('\n', "")
}

fn read(text: &str) -> Option<Failure> {
    let failures = Reader::default().read(text.as_bytes());
    failure(&failures.columns, 0)
}

#[test]
fn a_failure_is_read_as_it_was_written() {
    let found = read(&line("")).unwrap();
    assert_eq!((found.id, found.partition, found.seq), ([1; 16], [2; 16], 5));
    assert_eq!((found.attempts, found.payload.as_slice()), (2, &br#"{"a":1}"#[..]));
    assert_eq!(found.at_ns % 1_000_000_000, 4);
    let failures = Reader::default().read(b"{\"at\":\"2026-11-23T01:02:03Z\"}\nno JSON\n\n");
    assert_eq!((failures.unreadable, failures.columns.num_rows()), (2, 0));
}

fn entrance(op: &str, input: Ty) -> Entrance {
    Entrance::of(&testing::plan_node(op, NodeKind::Transform, Some(input), None)).unwrap()
}

#[test]
fn a_node_takes_what_it_took_and_says_why_not() {
    let field = |ty: Ty| vec![Field { name: "a".into(), ty, span: None }];
    let record = |ty: Ty| Ty::Record(RecordTy { fields: field(ty), ..RecordTy::default() });
    let bytes = read(&line("")).unwrap();
    let typed = read(&line(r#","form":"record""#)).unwrap();
    let why = |op: &str, input: Ty, failure: &Failure| entrance(op, input).check(failure).err();
    assert_eq!(why("where", record(Ty::Int), &typed), None);
    assert_eq!(why("json.decode", Ty::Bytes, &bytes), None);
    let said = why("where", record(Ty::Text), &typed).unwrap();
    assert!(said.starts_with("it is no `{ a: text }`: "), "{said}");
    let said = why("where", record(Ty::Int), &bytes).unwrap();
    assert_eq!(said, "the node takes `{ a: int }` now, and it is encoded data");
    let said = why("json.decode", Ty::Bytes, &typed).unwrap();
    assert_eq!(said, "the node takes `bytes` now, and it is a record");
    let said = why("csv.decode", Ty::Bytes, &bytes).unwrap();
    assert_eq!(said, "the header of its file is not known");
}

#[test]
fn a_record_of_a_batch_comes_as_a_batch_of_its_own() {
    let meta = |pairs: &[(&str, &str)]| -> BTreeMap<String, String> {
        pairs.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect()
    };
    let batched = entrance("text.join", Ty::Batch(Box::new(Ty::Bytes)));
    let of = [("id", "abcdef0123"), ("seq", "5"), ("batch", "3-9"), ("batch_time", "77")];
    let group = batched.group(&meta(&of), 10).unwrap();
    assert_eq!((group.id.as_str(), group.time_ns, group.count), ("3-9-abcdef01", 77, 1));
    let mut joined = meta(&of);
    joined.extend(meta(&[("last_seq", "9"), ("batch_count", "7"), ("batch_size", "80")]));
    let group = batched.group(&joined, 10).unwrap();
    assert_eq!((group.id.as_str(), group.count, group.size), ("3-9", 7, 80));
    let alone = meta(&[("id", "abcdef0123"), ("seq", "5"), ("at", "9")]);
    assert_eq!(batched.group(&alone, 10).unwrap().id, "5-abcdef01");
    assert_eq!(entrance("json.decode", Ty::Bytes).group(&alone, 10), None);
}
