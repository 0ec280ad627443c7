//! The stream against crashes, damage and repetition.

mod damage;

use super::*;
use crate::service::local::tests::clock;
use arrow_array::{BinaryArray, StringArray};
use engine::batch::Run;
use std::fs;

const KINESIS_BYTES: usize = 1 << 20;

fn open_with(dir: &Path, shards: u32, segment_bytes: u64) -> Result<LocalStreams, Fault> {
    let plan = StreamPlan { name: "s".into(), shards, service: Service::Kinesis };
    let tails = TailOptions { segment_bytes, ..TailOptions::default() };
    let options = OpenOptions { tails, ..OpenOptions::default() };
    let stream = Stream::open(&stream_dir(dir, "s"), &plan, &clock(), &options)?;
    Ok(LocalStreams { streams: [("s".to_owned(), stream)].into() })
}

fn open(dir: &Path) -> LocalStreams {
    open_with(dir, 1, 64 << 20).unwrap()
}

const LIMITS: ReadLimits = ReadLimits { rows_max: 8192, bytes_max: 8 << 20 };

/// The records `first .. first + texts.len()` of producer 1.
fn records(first: u64, texts: &[&str]) -> Records {
    let keys: Vec<String> = texts.iter().map(|text| format!("key of {text:.20}")).collect();
    Records {
        payloads: texts.iter().map(|text| Some(text.as_bytes())).collect::<BinaryArray>(),
        keys: Some(StringArray::from(keys)),
        producer: [1; 16],
        runs: vec![Run { first, len: texts.len() as u32, arrival_ns: 0 }],
    }
}

async fn texts(streams: &LocalStreams, shard: usize, limits: ReadLimits) -> Vec<String> {
    let mut all = Vec::new();
    let mut from = 0;
    loop {
        let rows = streams.read("s", shard, from, limits).await.unwrap();
        if rows.payloads.is_empty() {
            return all;
        }
        let count: usize = rows.runs.iter().map(|run| run.len as usize).sum();
        assert_eq!((rows.payloads.len(), rows.keys.len()), (count, count));
        assert_eq!(rows.runs[0].first, from);
        for (payload, key) in rows.payloads.iter().zip(rows.keys.iter()) {
            let text = String::from_utf8(payload.unwrap().to_vec()).unwrap();
            assert_eq!(key, Some(format!("key of {text:.20}").as_str()));
            all.push(text);
        }
        from += count as u64;
    }
}

#[tokio::test]
async fn records_come_back_in_order_whatever_the_limits() {
    let dir = tempfile::tempdir().unwrap();
    let streams = open(dir.path());
    for n in 0..20u64 {
        let (a, b) = (format!("a{n}"), "b".repeat(n as usize));
        let appended = streams.append("s", records(n * 2, &[&a, &b])).await.unwrap();
        assert_eq!(appended.stored, 2);
    }
    let all = texts(&streams, 0, LIMITS).await;
    assert_eq!(all.len(), 40);
    assert_eq!((all[0].as_str(), all[38].as_str(), all[39].len()), ("a0", "a19", 19));
    for (rows_max, bytes_max) in [(1, 1), (3, 1000), (1000, 7), (7, 64)] {
        assert_eq!(texts(&streams, 0, ReadLimits { rows_max, bytes_max }).await, all);
    }
    let rows = streams.read("s", 0, 0, LIMITS).await.unwrap();
    assert_eq!(rows.runs.len(), 20, "the rows of an append arrived together");
    assert!(rows.runs.windows(2).all(|runs| runs[0].arrival_ns < runs[1].arrival_ns));
}

#[tokio::test]
async fn what_is_sent_again_is_dropped_even_after_a_reopen() {
    let dir = tempfile::tempdir().unwrap();
    let streams = open(dir.path());
    streams.append("s", records(10, &["a", "b"])).await.unwrap();
    let again = streams.append("s", records(9, &["z", "a", "b", "c"])).await.unwrap();
    assert_eq!((again.stored, again.already_stored), (2, 2));
    let partition = streams.stream("s").unwrap().shards[0].0.id;
    drop(streams);
    let streams = open(dir.path());
    assert_eq!(streams.stream("s").unwrap().shards[0].0.id, partition);
    let again = streams.append("s", records(8, &["y", "z", "a", "b", "c"])).await.unwrap();
    assert_eq!((again.stored, again.already_stored), (1, 4));
    assert_eq!(texts(&streams, 0, LIMITS).await, ["a", "b", "z", "c", "y"]);
}

#[tokio::test]
async fn appends_that_wait_are_all_answered() {
    let dir = tempfile::tempdir().unwrap();
    let streams = open(dir.path());
    let appends = (0..200).map(|n| async move { (n, format!("{n}")) }).map(|named| async {
        let (n, text) = named.await;
        streams.append("s", records(n, &[&text])).await.unwrap()
    });
    let all = futures::future::join_all(appends).await;
    assert!(all.iter().all(|appended| appended.stored == 1));
    assert_eq!(texts(&streams, 0, LIMITS).await.len(), 200);
}

#[tokio::test]
async fn several_shards_hold_each_key_in_one() {
    let dir = tempfile::tempdir().unwrap();
    let streams = open_with(dir.path(), 3, 64 << 20).unwrap();
    let all: Vec<String> = (0..300).map(|n| format!("text {n}")).collect();
    let all: Vec<&str> = all.iter().map(String::as_str).collect();
    streams.append("s", records(0, &all)).await.unwrap();
    drop(streams);
    let streams = open_with(dir.path(), 3, 64 << 20).unwrap();
    assert_eq!(streams.append("s", records(0, &all)).await.unwrap().already_stored, 300);
    let mut count = 0;
    for shard in 0..3 {
        let held = texts(&streams, shard, LIMITS).await;
        assert!(held.len() > 50);
        count += held.len();
    }
    assert_eq!(count, 300);
    drop(streams);
    let refused = open_with(dir.path(), 2, 64 << 20).err().unwrap();
    assert_eq!(refused.code, "stream_shards");
}

#[tokio::test]
async fn segments_follow_each_other() {
    let dir = tempfile::tempdir().unwrap();
    let streams = open_with(dir.path(), 1, 300).unwrap();
    for n in 0..30 {
        streams.append("s", records(n, &["some text of some length"])).await.unwrap();
    }
    assert_eq!(texts(&streams, 0, LIMITS).await.len(), 30);
    drop(streams);
    let streams = open_with(dir.path(), 1, 300).unwrap();
    streams.append("s", records(30, &["last"])).await.unwrap();
    assert_eq!(texts(&streams, 0, LIMITS).await.len(), 31);
    drop(streams);
    let shard = stream_dir(dir.path(), "s").join("0");
    let mut segments: Vec<PathBuf> = fs::read_dir(&shard)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|end| end == "seg"))
        .collect();
    segments.sort();
    assert!(segments.len() > 5, "{}", segments.len());
    fs::remove_file(&segments[2]).unwrap();
    let streams = open_with(dir.path(), 1, 300).unwrap();
    let told = streams.streams["s"].shards[0].1.told();
    assert!(told.len() == 1 && told[0].contains("a segment file is missing"), "{told:?}");
}

#[tokio::test]
async fn the_service_refuses_what_kinesis_refuses() {
    let dir = tempfile::tempdir().unwrap();
    let streams = open(dir.path());
    let large = "x".repeat(KINESIS_BYTES);
    let fits = "x".repeat(KINESIS_BYTES - 3);
    let mut batch = records(0, &["a", &large, "b", "c", "d", &fits]);
    let long = "k".repeat(257);
    let umlauts = "ä".repeat(256);
    batch.keys = Some(StringArray::from(vec!["k", "k", "", &long, &umlauts, "key"]));
    let appended = streams.append("s", batch).await.unwrap();
    let codes: Vec<_> = appended.refused.iter().map(|each| (each.row, each.code)).collect();
    let expected = [(1, "record_too_large"), (2, "partition_key"), (3, "partition_key")];
    assert_eq!(codes, expected);
    assert_eq!(appended.stored, 3);
    let read = streams.read("s", 0, 0, LIMITS).await.unwrap();
    assert_eq!(read.payloads.value(1), b"d");
    assert_eq!(read.payloads.value(2).len(), fits.len());
}

/// One segment of three appends, and what it holds after each byte.
async fn small_log(dir: &Path) -> (PathBuf, Vec<u8>, Vec<(usize, usize)>) {
    let streams = open(dir);
    let path = stream_dir(dir, "s").join("0").join(format!("{:020}.seg", 0));
    let mut ends = vec![(0, 0)];
    for (first, all) in [(0, vec!["a", "bb"]), (2, vec!["ccc"]), (3, vec!["d", "e"])] {
        streams.append("s", records(first, &all)).await.unwrap();
        ends.push((written(&streams), first as usize + all.len()));
    }
    drop(streams);
    let bytes = fs::read(&path).unwrap();
    (path, bytes, ends)
}

/// Bytes of the records of the last segment; in the file come zeros behind them.
fn written(streams: &LocalStreams) -> usize {
    let log = &streams.streams["s"].shards[0].1;
    log.segments.read().unwrap().last().unwrap().len as usize
}

/// Killed at any moment: the zeros in front of the next records are cut off, and no record is.
#[tokio::test]
async fn zeros_behind_the_records_are_no_damage() {
    let (dir, copy) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let streams = open(dir.path());
    let name = format!("{:020}.seg", 0);
    let shard = |dir: &Path| stream_dir(dir, "s").join("0");
    for n in 0..5u64 {
        streams.append("s", records(n, &["text"])).await.unwrap();
        fs::create_dir_all(shard(copy.path())).unwrap();
        for file in [name.as_str(), "durable", "../stream.json"] {
            fs::copy(shard(dir.path()).join(file), shard(copy.path()).join(file)).unwrap();
        }
        let path = shard(copy.path()).join(&name);
        assert!(fs::metadata(&path).unwrap().len() as usize > written(&streams) + 1000);
        let seen = look(copy.path(), "s").unwrap();
        assert_eq!(seen[0].end(), n + 1);
        let opened = open(copy.path());
        assert_eq!(fs::metadata(&path).unwrap().len() as usize, written(&streams));
        assert_eq!(texts(&opened, 0, LIMITS).await.len() as u64, n + 1);
        let appended = opened.append("s", records(n, &["text", "more"])).await.unwrap();
        assert_eq!((appended.stored, appended.already_stored), (1, 1));
    }
    let bytes = written(&streams);
    drop(streams);
    assert_eq!(fs::metadata(shard(dir.path()).join(&name)).unwrap().len() as usize, bytes);
}

/// A segment that is followed by another one ends with its last record, whoever closes it.
#[tokio::test]
async fn a_segment_that_is_followed_has_no_zeros() {
    let dir = tempfile::tempdir().unwrap();
    let streams = open_with(dir.path(), 1, 100).unwrap();
    for n in 0..3 {
        streams.append("s", records(n, &["some text of some length"])).await.unwrap();
    }
    let log = streams.streams["s"].shards[0].1.clone();
    let segments = log.segments.read().unwrap().clone();
    assert_eq!(segments.len(), 3);
    let size = |n: usize| fs::metadata(&segments[n].path).unwrap().len();
    assert_eq!((size(0), size(1)), (segments[0].len, segments[1].len));
    assert!(size(2) > segments[2].len);
}

/// A crash between write and sync: the file holds any prefix, and the mark lags behind.
#[tokio::test]
async fn a_torn_tail_is_cut_off_at_every_byte() {
    let dir = tempfile::tempdir().unwrap();
    let (path, bytes, ends) = small_log(dir.path()).await;
    let mark = path.with_file_name("durable");
    for len in 0..bytes.len() {
        fs::remove_file(&mark).unwrap();
        fs::write(&path, &bytes[..len]).unwrap();
        let streams = open(dir.path());
        let whole = ends.iter().rfind(|(end, _)| *end <= len).unwrap().1;
        let all = texts(&streams, 0, LIMITS).await;
        assert_eq!(all, ["a", "bb", "ccc", "d", "e"][..whole], "cut at byte {len}");
        // What was cut off can be stored again, and only that.
        let again = records(0, &["a", "bb", "ccc", "d", "e"]);
        let appended = streams.append("s", again).await.unwrap();
        assert_eq!(appended.already_stored as usize, whole);
        assert_eq!(texts(&streams, 0, LIMITS).await, ["a", "bb", "ccc", "d", "e"]);
    }
}

#[tokio::test]
async fn a_flipped_byte_costs_its_append_and_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let (path, bytes, ends) = small_log(dir.path()).await;
    for at in 0..bytes.len() {
        let mut damaged = bytes.clone();
        damaged[at] ^= 1 << (at % 8);
        fs::write(&path, &damaged).unwrap();
        let place = ends.iter().rposition(|(end, _)| *end <= at).unwrap();
        let logs = look(dir.path(), "s").unwrap();
        let range = match (ends[place].1, ends[place + 1].1 - 1) {
            (first, last) if first == last => format!("record {first} is lost"),
            (first, last) => format!("records {first} to {last} are lost"),
        };
        let told = logs[0].told();
        assert!(told.len() == 1 && told[0].contains(&range), "{told:?} at byte {at}");
        assert_eq!(fs::read(&path).unwrap(), damaged, "nothing is changed");
    }
}

#[tokio::test]
async fn damage_in_a_sealed_segment_is_found_when_it_is_read() {
    let dir = tempfile::tempdir().unwrap();
    let streams = open_with(dir.path(), 1, 100).unwrap();
    for n in 0..4 {
        streams.append("s", records(n, &["some text of some length"])).await.unwrap();
    }
    let path = stream_dir(dir.path(), "s").join("0").join(format!("{:020}.seg", 0));
    let mut bytes = fs::read(&path).unwrap();
    let last = bytes.len() - 30;
    bytes[last] ^= 1;
    fs::write(&path, &bytes).unwrap();
    let rows = streams.read("s", 0, 0, LIMITS).await.unwrap();
    assert_eq!(rows.runs[0].first, 1, "it goes on behind it");
    let told = streams.streams["s"].shards[0].1.told();
    assert!(told[0].contains("record 0 is lost (the checksum is wrong at byte 0"), "{told:?}");
    assert_eq!(texts_from(&streams, 1).await, 3);
}

async fn texts_from(streams: &LocalStreams, mut from: u64) -> usize {
    let mut count = 0;
    loop {
        let rows = streams.read("s", 0, from, LIMITS).await.unwrap().payloads.len();
        if rows == 0 {
            return count;
        }
        from += rows as u64;
        count += rows;
    }
}

#[tokio::test]
async fn looking_changes_nothing_and_does_not_see_a_torn_tail() {
    let dir = tempfile::tempdir().unwrap();
    let (path, bytes, ends) = small_log(dir.path()).await;
    let mark = path.with_file_name("durable");
    fs::remove_file(&mark).unwrap();
    let torn = &bytes[..bytes.len() - 3];
    fs::write(&path, torn).unwrap();
    let logs = look(dir.path(), "s").unwrap();
    assert_eq!(logs[0].end() as usize, ends[2].1);
    assert_eq!(fs::read(&path).unwrap(), torn);
    assert!(look(dir.path(), "other").unwrap().is_empty());
}

#[tokio::test]
async fn a_reader_is_told_of_new_records() {
    let dir = tempfile::tempdir().unwrap();
    let streams = open(dir.path());
    let waits = streams.arrived("s", 0, 1);
    let appends = async {
        streams.append("s", records(0, &["a"])).await.unwrap();
        streams.append("s", records(1, &["b"])).await.unwrap();
    };
    let (told, ()) = futures::join!(waits, appends);
    told.unwrap();
    assert_eq!(texts(&streams, 0, LIMITS).await.len(), 2);
}

/// A full disk takes nothing: no append is confirmed, none is lost, and the next run goes on.
#[tokio::test]
async fn a_full_disk_confirms_nothing_and_harms_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let streams = open_with(dir.path(), 1, 100).unwrap();
    streams.append("s", records(0, &["some text of some length"])).await.unwrap();
    // The segment is full; the next one will be on a disk that is.
    let next = stream_dir(dir.path(), "s").join("0").join(format!("{:020}.seg", 1));
    std::os::unix::fs::symlink("/dev/full", &next).unwrap();
    let fault = streams.append("s", records(1, &["b"])).await.unwrap_err();
    assert_eq!(fault.code, "disk_full");
    let what = "cannot write records 1–1 of stream `s` shard 0";
    assert!(fault.message.starts_with(what), "{}", fault.message);
    let again = streams.append("s", records(1, &["b"])).await.unwrap_err();
    assert_eq!(again.code, "disk_full", "what the file holds is not known any more");
    assert_eq!(texts(&streams, 0, LIMITS).await.len(), 1);
    drop(streams);
    fs::remove_file(&next).unwrap();
    let streams = open_with(dir.path(), 1, 100).unwrap();
    assert_eq!(streams.append("s", records(1, &["b"])).await.unwrap().stored, 1);
    assert_eq!(texts(&streams, 0, LIMITS).await.len(), 2);
}
