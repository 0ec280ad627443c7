//! The stream against damaged, missing and strange files: it always opens, serves what is whole,
//! and says what is not.

use super::super::*;
use super::{open_with, records};
use engine::failpoint::{Action, Failpoint, Failpoints};
use std::collections::BTreeSet;
use std::fs;

const LIMITS: ReadLimits = ReadLimits { rows_max: 3, bytes_max: 1 << 20 };
/// Small enough that the log of these tests has several segments.
const SEGMENT_BYTES: u64 = 420;

/// Every record that a reader comes to, by offset.
async fn all(streams: &LocalStreams) -> BTreeMap<u64, String> {
    let mut all = BTreeMap::new();
    let mut from = 0;
    loop {
        let end = streams.stream("s").unwrap().shards[0].1.end();
        let rows = streams.read("s", 0, from, LIMITS).await.unwrap();
        let Some(last) = rows.runs.last() else {
            if from >= end {
                return all;
            }
            from = end;
            continue;
        };
        let offsets = rows.runs.iter().flat_map(|run| run.first..run.first + u64::from(run.len));
        for (offset, payload) in offsets.zip(rows.payloads.iter()) {
            let text = String::from_utf8(payload.unwrap().to_vec()).unwrap();
            assert!(offset >= from && all.insert(offset, text).is_none(), "in order, once");
        }
        from = last.first + u64::from(last.len);
    }
}

/// What is said to be lost.
fn lost(streams: &LocalStreams) -> BTreeSet<u64> {
    let log = &streams.stream("s").unwrap().shards[0].1;
    let lost = log.lost.lock().unwrap();
    lost.parts.iter().flat_map(|part| part.first..part.end).collect()
}

fn shard(dir: &Path) -> PathBuf {
    stream_dir(dir, "s").join("0")
}

/// A log of 24 records in 12 frames and several segments, closed.
async fn log(dir: &Path) -> BTreeMap<u64, String> {
    let streams = open_with(dir, 1, SEGMENT_BYTES).unwrap();
    for n in 0..12u64 {
        let (a, b) = (format!("a{n}"), format!("text {n} {}", "x".repeat(n as usize * 3)));
        streams.append("s", records(n * 2, &[&a, &b])).await.unwrap();
    }
    let before = all(&streams).await;
    assert_eq!(before.len(), 24);
    drop(streams);
    before
}

fn segments(dir: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(shard(dir)).unwrap().map(|entry| entry.unwrap().path());
    let mut paths: Vec<PathBuf> =
        entries.filter(|path| path.extension().is_some_and(|end| end == "seg")).collect();
    paths.sort();
    assert!(paths.len() >= 4, "{paths:?}");
    paths
}

fn copy(from: &Path, to: &Path) {
    let _ = fs::remove_dir_all(to);
    fs::create_dir_all(shard(to)).unwrap();
    for dir in [stream_dir(from, "s"), shard(from)] {
        for entry in fs::read_dir(&dir).unwrap().map(|entry| entry.unwrap().path()) {
            if entry.is_file() {
                fs::copy(&entry, to.join(entry.strip_prefix(from).unwrap())).unwrap();
            }
        }
    }
}

/// Opens what is left of the log: what is whole is there, the rest is said to be lost, and it goes
/// on from there, now and when it is opened again. Gives what is lost.
async fn goes_on(dir: &Path, before: &BTreeMap<u64, String>, case: &str) -> BTreeSet<u64> {
    let streams =
        open_with(dir, 1, SEGMENT_BYTES).unwrap_or_else(|fault| panic!("{case}: {fault}"));
    let there = all(&streams).await;
    let gone = lost(&streams);
    for (offset, text) in before {
        match there.get(offset) {
            Some(found) => assert_eq!(found, text, "{case}: record {offset}"),
            None => {
                assert!(gone.contains(offset), "{case}: {offset} is lost, and only {gone:?} said")
            }
        }
    }
    assert!(there.keys().all(|offset| before.contains_key(offset)), "{case}");
    assert!(gone.iter().all(|offset| !there.contains_key(offset)), "{case}: {gone:?}");
    let log = streams.stream("s").unwrap().shards[0].1.clone();
    assert_eq!(log.told().is_empty(), gone.is_empty(), "{case}");
    streams.append("s", records(1000, &["new"])).await.unwrap();
    let after = all(&streams).await;
    let new: Vec<u64> =
        after.iter().filter(|(_, text)| *text == "new").map(|(at, _)| *at).collect();
    let free = before.keys().last().map_or(0, |highest| highest + 1);
    assert!(new.len() == 1 && new[0] >= free, "{case}: no number is given twice: {new:?}");
    drop((streams, log));
    let streams =
        open_with(dir, 1, SEGMENT_BYTES).unwrap_or_else(|fault| panic!("{case}: {fault}"));
    assert_eq!(all(&streams).await, after, "{case}: opened again");
    assert_eq!(lost(&streams), gone, "{case}: nothing more is lost");
    gone
}

/// The frames of the log as (segment, bytes, offsets).
fn frames(dir: &Path) -> Vec<(PathBuf, std::ops::Range<usize>, std::ops::Range<u64>)> {
    let mut frames = Vec::new();
    for path in segments(dir) {
        let bytes = fs::read(&path).unwrap();
        let mut at = 0;
        while at < bytes.len() {
            let header = frame::Header::read(&bytes[at..]).unwrap();
            frames.push((path.clone(), at..at + header.frame_len(), header.base..header.end()));
            at += header.frame_len();
        }
    }
    frames
}

#[tokio::test]
async fn bits_that_flip_cost_their_record_group_and_nothing_else() {
    flips(150).await;
}

#[tokio::test]
#[ignore = "takes minutes: 2,000 flips, for the trust benchmark"]
async fn two_thousand_bits_that_flip() {
    flips(2000).await;
}

async fn flips(trials: usize) {
    let (dir, work) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let before = log(dir.path()).await;
    let frames = frames(dir.path());
    let mut chance = fastrand::Rng::with_seed(1);
    for trial in 0..trials {
        copy(dir.path(), work.path());
        let (path, bytes, offsets) = &frames[chance.usize(0..frames.len())];
        let path = work.path().join(path.strip_prefix(dir.path()).unwrap());
        let (at, bit) = (chance.usize(bytes.clone()), chance.u8(0..8));
        let mut content = fs::read(&path).unwrap();
        content[at] ^= 1 << bit;
        fs::write(&path, content).unwrap();
        let case = format!("trial {trial}: bit {bit} of byte {at} of {}", path.display());
        let gone = goes_on(work.path(), &before, &case).await;
        assert_eq!(gone, offsets.clone().collect(), "{case}");
    }
}

/// Whatever is cut off, with the mark of what was durable still there.
#[tokio::test]
async fn every_prefix_of_the_last_segment_is_opened() {
    let (dir, work) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let before = log(dir.path()).await;
    let last = segments(dir.path()).pop().unwrap();
    let bytes = fs::read(&last).unwrap();
    for len in 0..bytes.len() {
        copy(dir.path(), work.path());
        let path = work.path().join(last.strip_prefix(dir.path()).unwrap());
        fs::write(&path, &bytes[..len]).unwrap();
        goes_on(work.path(), &before, &format!("cut at byte {len}")).await;
    }
}

#[tokio::test]
async fn the_small_files_beside_may_be_damaged_cut_or_gone() {
    let (dir, work) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let before = log(dir.path()).await;
    // A log that has lost something has both files.
    let first = segments(dir.path())[0].clone();
    let mut content = fs::read(&first).unwrap();
    content[70] ^= 1;
    fs::write(&first, content).unwrap();
    drop(open_with(dir.path(), 1, SEGMENT_BYTES).unwrap());
    let known = goes_on_copy(dir.path(), work.path(), &before, "as it is", |_| ()).await;
    assert_eq!(known, [0, 1].into());
    for name in ["durable", "lost"] {
        let bytes = fs::read(shard(dir.path()).join(name)).unwrap();
        for at in 0..bytes.len() {
            let case = format!("`{name}` at {at}");
            let flip = |path: &Path| {
                let mut flipped = bytes.clone();
                flipped[at] ^= 1 << (at % 8);
                fs::write(path.join(name), flipped).unwrap();
            };
            let gone = goes_on_copy(dir.path(), work.path(), &before, &case, flip).await;
            assert_eq!(gone, known, "{case}, flipped");
            let cut = |path: &Path| fs::write(path.join(name), &bytes[..at]).unwrap();
            let gone = goes_on_copy(dir.path(), work.path(), &before, &case, cut).await;
            assert_eq!(gone, known, "{case}, cut");
        }
        let remove = |path: &Path| fs::remove_file(path.join(name)).unwrap();
        goes_on_copy(dir.path(), work.path(), &before, &format!("no `{name}`"), remove).await;
    }
}

async fn goes_on_copy(
    from: &Path,
    to: &Path,
    before: &BTreeMap<u64, String>,
    case: &str,
    change: impl FnOnce(&Path),
) -> BTreeSet<u64> {
    copy(from, to);
    change(&shard(to));
    goes_on(to, before, case).await
}

#[tokio::test]
async fn missing_extra_and_renamed_segments_are_opened() {
    let (dir, work) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let before = log(dir.path()).await;
    let names: Vec<String> = segments(dir.path())
        .iter()
        .map(|path| path.file_name().unwrap().to_str().unwrap().to_owned())
        .collect();
    let (from, to) = (dir.path(), work.path());
    for name in &names {
        let remove = |shard: &Path| fs::remove_file(shard.join(name)).unwrap();
        let gone = goes_on_copy(from, to, &before, &format!("without {name}"), remove).await;
        assert!(!gone.is_empty());
        let empty = |shard: &Path| fs::write(shard.join(name), b"").unwrap();
        assert_eq!(goes_on_copy(from, to, &before, &format!("{name} empty"), empty).await, gone);
        for other in ["00000000000000000001.seg", "00000000000000009999.seg"] {
            let case = format!("{name} as {other}");
            let rename = |shard: &Path| fs::rename(shard.join(name), shard.join(other)).unwrap();
            assert!(goes_on_copy(from, to, &before, &case, rename).await.is_empty(), "{case}");
            let double = |shard: &Path| {
                fs::copy(shard.join(name), shard.join(other)).unwrap();
            };
            assert!(goes_on_copy(from, to, &before, &case, double).await.is_empty(), "{case}, too");
        }
    }
    let strange: [(&str, &[u8]); 4] = [
        ("00000000000000000024.seg", b""),
        ("00000000000000000024.seg", &[0; 5000]),
        ("00000000000000000100.seg", b"no frames at all, and no zeros"),
        ("notes.txt", b"not a segment"),
    ];
    for (name, content) in strange {
        let add = |shard: &Path| fs::write(shard.join(name), content).unwrap();
        assert!(goes_on_copy(from, to, &before, name, add).await.is_empty(), "{name}");
    }
    let none = |shard: &Path| fs::remove_dir_all(shard).unwrap();
    let new = BTreeMap::new();
    goes_on_copy(from, to, &new, "without the shard", none).await;
}

/// Two appends in one write, of which a power loss has left the second only: nobody was told of
/// either, so nothing is lost.
#[tokio::test]
async fn a_hole_in_what_was_not_acknowledged_is_no_loss() {
    let dir = tempfile::tempdir().unwrap();
    let before = log(dir.path()).await;
    let (path, bytes, _) = frames(dir.path()).pop().unwrap();
    let mut content = fs::read(&path).unwrap();
    let mut second = content[bytes.clone()].to_vec();
    second[16..24].copy_from_slice(&26u64.to_le_bytes());
    second[32..40].copy_from_slice(&24u64.to_le_bytes());
    let header = frame::HEADER + 12;
    let crc = crc32c::crc32c(&second[8..header]);
    second[4..8].copy_from_slice(&crc.to_le_bytes());
    assert!(frame::Frame::read(&second).is_ok(), "a whole frame");
    content.extend(vec![0; bytes.len()]);
    content.extend(second);
    fs::write(&path, content).unwrap();
    assert!(goes_on(dir.path(), &before, "a hole").await.is_empty());
}

/// A reader has come further than the log reaches: its numbers are not given again.
#[tokio::test]
async fn no_number_is_given_below_a_position() {
    let dir = tempfile::tempdir().unwrap();
    log(dir.path()).await;
    fs::remove_dir_all(shard(dir.path())).unwrap();
    let id = partitions(dir.path(), "s").unwrap()[0].id;
    let options = OpenOptions { positions: [(id, 24)].into(), ..OpenOptions::default() };
    let plan = StreamPlan { name: "s".into(), shards: 1, service: Service::Kinesis };
    let clock = crate::service::local::tests::clock();
    let streams = LocalStreams::open(dir.path(), vec![plan], &clock, &options).unwrap();
    streams.append("s", records(100, &["new"])).await.unwrap();
    let there = all(&streams).await;
    assert!(there.keys().all(|offset| *offset >= 24) && there.len() == 1, "{there:?}");
    assert_eq!(lost(&streams), (0..24).collect());
}

/// A sync that fails: the rows are not acknowledged, nor found by the next run.
#[tokio::test]
async fn what_could_not_be_synced_is_not_there() {
    let dir = tempfile::tempdir().unwrap();
    let before = log(dir.path()).await;
    let name = "stream.append.written".to_owned();
    let points = vec![Failpoint { name, nth: 1, action: Action::Error }];
    let failpoints = Failpoints::armed(points, |_, _| ());
    let tails = TailOptions { failpoints, ..TailOptions::default() };
    let options = OpenOptions { tails, ..OpenOptions::default() };
    let plan = StreamPlan { name: "s".into(), shards: 1, service: Service::Kinesis };
    let clock = crate::service::local::tests::clock();
    let streams = LocalStreams::open(dir.path(), vec![plan], &clock, &options).unwrap();
    assert!(streams.append("s", records(500, &["unsynced"])).await.is_err());
    assert!(streams.append("s", records(501, &["behind"])).await.is_err(), "the log is poisoned");
    drop(streams);
    assert!(goes_on(dir.path(), &before, "a failed sync").await.is_empty());
}

/// Each step of an append fails once, in a log with small segments: the next run goes on.
#[tokio::test]
async fn each_step_may_fail() {
    for (name, _) in crate::failpoints::LOCAL.iter().filter(|(name, _)| name.starts_with("stream."))
    {
        let reader_or_mark = ["stream.commit", "stream.committed"].contains(name);
        for nth in [1, 7] {
            let dir = tempfile::tempdir().unwrap();
            let point = Failpoint { name: (*name).to_owned(), nth, action: Action::Error };
            let failpoints = Failpoints::armed(vec![point], |_, _| ());
            let tails = TailOptions { failpoints: failpoints.clone(), segment_bytes: 100 };
            let options = OpenOptions { tails, ..OpenOptions::default() };
            let plan = StreamPlan { name: "s".into(), shards: 1, service: Service::Kinesis };
            let clock = crate::service::local::tests::clock();
            let streams = LocalStreams::open(dir.path(), vec![plan], &clock, &options).unwrap();
            let mut stored = BTreeSet::new();
            for n in 0..12u64 {
                let text = format!("some text of some length {n}");
                if streams.append("s", records(n, &[&text])).await.is_ok() {
                    stored.insert(text);
                }
            }
            assert_eq!(failpoints.hits().contains_key(name), !reader_or_mark, "{name}");
            drop(streams);
            let streams = open_with(dir.path(), 1, 100).unwrap();
            assert!(lost(&streams).is_empty(), "{name}");
            let there: BTreeSet<String> = all(&streams).await.into_values().collect();
            assert!(stored.is_subset(&there), "{name}:{nth}");
        }
    }
}
