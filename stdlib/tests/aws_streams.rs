//! Streams on Kinesis, against the strict front: what is written arrives, whatever fails, and what
//! is read is all, in order, once committed.

#![cfg(feature = "aws")]

#[path = "aws_streams/world.rs"]
mod world;

use awsfront::Settings;
use dsl::value::Value;
use engine::fault::Fault;
use stdlib::service::{ShardRows, StreamReader, Streams};
use world::{STATE, STREAM, World, all_in_order, create_table, read_until, records};

/// What a reader answers.
type Given = Result<Option<ShardRows>, Fault>;

fn easy() -> Settings {
    Settings { shard_rate: 0.0, shard_reads: 0, ..Settings::default() }
}

/// A third of the entries fails, a twentieth of the answers is lost.
const STORM: &str = r#"[
  {"service": "kinesis", "operation": "PutRecords", "probability": 0.05, "seed": 3,
   "action": "lose_reply"},
  {"service": "kinesis", "operation": "PutRecords", "seed": 7,
   "action": {"entries": 0.3, "code": "InternalFailure"}}
]"#;

async fn storm(options: &[(&str, Value)]) -> f64 {
    let world = World::new(3, easy(), options).await;
    world.rules(STORM);
    for first in (0..2000).step_by(500) {
        world.write(records(first, 500, 40)).await;
    }
    let sent = world.front.shared.calls.of("kinesis", "PutRecords").entries;
    world.rules("[]");
    let mut reader = world.reader().await;
    let read = read_until(&mut reader, true, |_| false).await;
    all_in_order(&read, 2000);
    assert_eq!(read.len(), 2000, "duplicates were dropped");
    reader.close().await.unwrap();
    sent as f64 / 2000.0
}

#[tokio::test]
async fn a_storm_of_partial_failures_loses_nothing_and_keeps_the_order() {
    let sent = storm(&[]).await;
    assert!(sent <= 1.6, "sent / needed = {sent}");
}

#[tokio::test]
async fn packed_records_weather_the_storm_too() {
    let sent = storm(&[("pack", Value::Bool(true))]).await;
    assert!(sent < 0.5, "sent / needed = {sent}");
}

#[tokio::test]
async fn a_free_order_is_complete() {
    let none = Value::Text("none".into());
    for pack in [false, true] {
        let options = [("order", none.clone()), ("pack", Value::Bool(pack))];
        let world = World::new(2, easy(), &options).await;
        world.rules(STORM);
        world.write(records(0, 1200, 40)).await;
        let mut reader = world.reader().await;
        let mut read = read_until(&mut reader, true, |_| false).await;
        read.sort_by_key(|row| row.payload.len() * 10_000 + row.number as usize);
        let mut payloads: Vec<_> = read.into_iter().map(|row| row.payload).collect();
        payloads.sort();
        payloads.dedup();
        assert_eq!(payloads.len(), 1200, "pack: {pack}");
    }
}

#[tokio::test]
async fn what_is_too_large_is_refused_by_the_streams_own_limit() {
    let world = World::new(1, easy(), &[]).await;
    let mut large = records(0, 2, 2);
    let big = vec![b'x'; 1 << 20];
    large.payloads = arrow_array::BinaryArray::from_iter_values([&big[..], b"{}"]);
    let appended = world.streams().append(STREAM, large).await.unwrap();
    let codes: Vec<_> = appended.refused.iter().map(|one| (one.row, one.code)).collect();
    assert_eq!((codes, appended.stored), (vec![(0, "record_too_large")], 1));
}

#[tokio::test]
async fn a_shard_goes_on_where_it_was_committed() {
    let world = World::new(1, easy(), &[("pack", Value::Bool(true))]).await;
    world.write(records(0, 100, 5)).await;
    let mut reader = world.reader().await;
    let rows = reader.next(false).await.unwrap().unwrap();
    reader.commit(rows.shard, rows.end).await.unwrap();
    reader.close().await.unwrap();
    let before = world::reads(&rows);
    assert_eq!(before.len(), 100);
    world.write(records(100, 100, 5)).await;
    let mut reader = world.reader().await;
    let after = read_until(&mut reader, true, |_| false).await;
    let numbers: Vec<u64> = before.iter().chain(&after).map(|row| row.number).collect();
    assert_eq!(numbers, (0..200).collect::<Vec<u64>>());
    all_in_order(&[before, after].concat(), 200);
    reader.close().await.unwrap();
    let leases = world.leases().await;
    assert!(leases.values().all(|(owner, at)| owner.is_none() && at.len() > 20), "{leases:?}");
    assert_eq!(
        leases.keys().next().map(String::as_str),
        Some("test/stream.read/orders/shardId-000000000000")
    );
}

#[tokio::test]
async fn what_comes_again_after_a_restart_is_dropped() {
    let world = World::new(1, easy(), &[]).await;
    world.write(records(0, 50, 5)).await;
    let mut reader = world.reader().await;
    let read = read_until(&mut reader, true, |_| false).await;
    all_in_order(&read, 50);
    reader.close().await.unwrap();
    // As if the reply had been lost.
    world.write(records(0, 50, 5)).await;
    world.write(records(50, 1, 5)).await;
    let mut reader = world.reader().await;
    let read = read_until(&mut reader, true, |_| false).await;
    let rows: Vec<_> = read.iter().map(|row| (row.payload.as_str(), row.number)).collect();
    assert_eq!(rows, [("{\"n\":50}", 100)]);
    assert_eq!(world.ctx.counters.snapshot()["duplicates dropped"], 50);
}

#[tokio::test]
async fn packed_records_find_their_shard_after_a_split() {
    let options = [("order", Value::Text("none".into())), ("pack", Value::Bool(true))];
    let world = World::new(1, easy(), &options).await;
    let streams = world.streams();
    world.write_by(&streams, records(0, 200, 40)).await;
    world.split("shardId-000000000000").await;
    world.write_by(&streams, records(200, 200, 40)).await;
    let mut reader = world.reader().await;
    let read = read_until(&mut reader, true, |_| false).await;
    all_in_order(&read, 400);
    assert_eq!(read.len(), 400);
}

#[tokio::test]
async fn what_comes_again_after_a_split_is_dropped() {
    let world = World::new(1, easy(), &[]).await;
    world.write(records(0, 50, 9)).await;
    world.split("shardId-000000000000").await;
    // As if the reply had been lost.
    world.write(records(0, 60, 9)).await;
    let mut reader = world.reader().await;
    let read = read_until(&mut reader, true, |_| false).await;
    all_in_order(&read, 60);
    assert_eq!(read.len(), 60);
}

#[tokio::test]
async fn shards_are_split_and_merged_while_they_are_read() {
    let world = World::new(1, Settings { list_shards_page: 2, ..easy() }, &[]).await;
    let mut reader = world.reader().await;
    let mut read = Vec::new();
    for step in 0..5_u64 {
        world.write(records(step * 400, 400, 40)).await;
        let shards = world.open_shards().await;
        match step {
            0..3 => world.split(&shards[step as usize]).await,
            3 => world.merge(&shards[0], &shards[1]).await,
            _ => (),
        }
        let wanted = (step as usize + 1) * 300;
        read.extend(read_until(&mut reader, false, |new| read.len() + new.len() >= wanted).await);
    }
    read.extend(read_until(&mut reader, true, |_| false).await);
    all_in_order(&read, 2000);
    assert_eq!(read.len(), 2000);
    reader.close().await.unwrap();
    let ended = world.leases().await.into_values().filter(|(_, at)| at == "SHARD_END");
    assert_eq!(ended.count(), 5, "three split, two merged");
}

#[tokio::test]
async fn an_iterator_that_has_expired_is_asked_for_again() {
    let world = World::new(1, easy(), &[]).await;
    world.write(records(0, 50, 5)).await;
    let mut reader = world.reader().await;
    let mut read = read_until(&mut reader, false, |read| read.len() >= 50).await;
    world.front.shared.clock.advance(301_000);
    world.rules(
        r#"[{"service": "kinesis", "operation": "GetRecords", "count": 1,
             "action": {"status": 400, "code": "ExpiredIteratorException"}}]"#,
    );
    world.write(records(50, 50, 5)).await;
    read.extend(read_until(&mut reader, true, |_| false).await);
    all_in_order(&read, 100);
    assert_eq!(read.len(), 100);
}

#[tokio::test]
async fn throttled_leases_are_waited_for() {
    let world = World::new(2, easy(), &[]).await;
    world.write(records(0, 200, 9)).await;
    world.rules(
        r#"[{"service": "dynamodb", "operation": "*", "probability": 0.4, "seed": 5,
             "action": {"status": 400, "code": "ProvisionedThroughputExceededException"}}]"#,
    );
    let mut reader = world.reader().await;
    let mut read = Vec::new();
    while let Some(rows) = reader.next(true).await.unwrap() {
        while let Err(fault) = reader.commit(rows.shard, rows.end).await {
            assert_eq!(fault.class, engine::fault::FaultClass::Throttle, "{fault}");
        }
        read.extend(world::reads(&rows));
    }
    all_in_order(&read, 200);
    reader.close().await.unwrap();
}

async fn take(reader: &mut Box<dyn StreamReader>, rows: Given, all: &mut Vec<world::Read>) {
    let rows = rows.unwrap().unwrap();
    all.extend(world::reads(&rows));
    reader.commit(rows.shard, rows.end).await.unwrap();
}

#[tokio::test]
async fn where_one_reader_is_gone_the_other_takes_over() {
    let world = World::new(4, easy(), &[]).await;
    world.write(records(0, 400, 40)).await;
    let mut first = world.reader().await;
    let mut read = read_until(&mut first, false, |read| read.len() >= 400).await;
    let mut second = world.reader().await;
    // Both read: the first lets half of the shards go.
    let (mut early, mut late, mut written) = (Vec::new(), Vec::new(), 400);
    while late.is_empty() {
        world.write(records(written, 40, 40)).await;
        written += 40;
        while early.len() + late.len() < written as usize - 400 {
            tokio::select! {
                rows = first.next(false) => take(&mut first, rows, &mut early).await,
                rows = second.next(false) => take(&mut second, rows, &mut late).await,
            }
        }
    }
    drop(first);
    world.write(records(written, 400, 40)).await;
    read.extend(early);
    read.extend(late);
    read.extend(read_until(&mut second, true, |_| false).await);
    all_in_order(&read, written + 400);
    second.close().await.unwrap();
    assert!(world.leases().await.values().all(|(owner, _)| owner.is_none()));
}

#[tokio::test]
async fn state_of_another_kind_is_refused_and_a_missing_table_named() {
    let world = World::new(1, easy(), &[]).await;
    create_table(&world.clients, &format!("{STATE}-CoordinatorState")).await;
    let fault = world.streams().reader(STREAM, &world.ctx).await.map(|_| ()).unwrap_err();
    assert_eq!(fault.code, "kcl3_state");
    for table in [STATE.to_owned(), format!("{STATE}-CoordinatorState")] {
        world.clients.dynamodb.delete_table().table_name(table).send().await.unwrap();
    }
    let fault = world.streams().reader(STREAM, &world.ctx).await.map(|_| ()).unwrap_err();
    assert_eq!(fault.code, "ResourceNotFoundException");
    assert!(fault.help.is_some_and(|help| help.contains("flowc up")));
}

#[tokio::test]
async fn fan_out_reads_the_same() {
    let world = World::new(1, easy(), &[("fan_out", Value::Bool(true))]).await;
    world.write(records(0, 300, 9)).await;
    let mut reader = world.reader().await;
    let mut read = read_until(&mut reader, false, |read| read.len() >= 300).await;
    world.split("shardId-000000000000").await;
    world.write(records(300, 300, 9)).await;
    read.extend(read_until(&mut reader, true, |_| false).await);
    all_in_order(&read, 600);
    reader.close().await.unwrap();
}

#[tokio::test]
async fn a_reader_begins_where_it_is_told() {
    let world = World::new(1, easy(), &[("from", Value::Text("latest".into()))]).await;
    world.write(records(0, 10, 3)).await;
    let mut reader = world.reader().await;
    assert_eq!(read_until(&mut reader, true, |_| false).await, []);
    world.write(records(10, 10, 3)).await;
    let rows = reader.next(false).await.unwrap().unwrap();
    assert_eq!(world::reads(&rows)[0].payload, "{\"n\":10}");
    // Not committed, and gone: the next begins there again.
    reader.close().await.unwrap();
    let mut reader = world.reader().await;
    let read = read_until(&mut reader, true, |_| false).await;
    assert_eq!((read.len(), read[0].number), (10, 0));
}

/// Reads all there is, without a commit: the partitions' ids, with the first number of each chunk.
async fn ids(world: &World, commit: bool) -> Vec<([u8; 16], u64)> {
    let mut reader = world.reader().await;
    let mut ids = Vec::new();
    while let Some(rows) = reader.next(true).await.unwrap() {
        ids.push((rows.partition.id, world::reads(&rows)[0].number));
        if commit {
            reader.commit(rows.shard, rows.end).await.unwrap();
        }
    }
    reader.close().await.unwrap();
    ids
}

#[tokio::test]
async fn a_number_stands_for_one_record_whatever_the_leases_say() {
    let world = World::new(1, easy(), &[]).await;
    world.write(records(0, 10, 3)).await;
    let first = ids(&world, false).await;
    assert_eq!((first.len(), first[0].1), (1, 0));
    world.clear_leases().await;
    assert_eq!(ids(&world, true).await, first, "read again from the same record");
    world.write(records(10, 10, 3)).await;
    assert_eq!(ids(&world, true).await, [(first[0].0, 10)], "it goes on");
    // The records where the reader stood are gone.
    world.front.shared.clock.advance(25 * 3_600_000);
    world.write(records(20, 10, 3)).await;
    let anew = ids(&world, false).await;
    assert_eq!((anew.len(), anew[0].1), (1, 0));
    assert_ne!(anew[0].0, first[0].0);
    assert_eq!(ids(&world, true).await, anew, "read again from the same record");
    world.write(records(30, 10, 3)).await;
    assert_eq!(ids(&world, true).await, [(anew[0].0, 10)]);
    // A table of leases that knows nothing of all that.
    world.clear_leases().await;
    assert_eq!(ids(&world, true).await[0], anew[0], "the same record is the oldest");
}

#[tokio::test]
async fn what_comes_while_no_reader_of_the_latest_is_there_is_read() {
    for fan_out in [false, true] {
        let from = ("from", Value::Text("latest".into()));
        let world = World::new(1, easy(), &[from, ("fan_out", Value::Bool(fan_out))]).await;
        world.write(records(0, 10, 3)).await;
        let mut reader = world.reader().await;
        assert_eq!(read_until(&mut reader, true, |_| false).await, []);
        reader.close().await.unwrap();
        world.write(records(10, 10, 3)).await;
        let mut reader = world.reader().await;
        let read = read_until(&mut reader, true, |_| false).await;
        assert_eq!((read.len(), read[0].payload.as_str()), (10, "{\"n\":10}"));
    }
}

#[tokio::test]
async fn children_of_a_shard_that_has_expired_unread_begin() {
    for fan_out in [false, true] {
        let world = World::new(1, easy(), &[("fan_out", Value::Bool(fan_out))]).await;
        world.write(records(0, 10, 3)).await;
        ids(&world, false).await;
        world.split("shardId-000000000000").await;
        world.front.shared.clock.advance(25 * 3_600_000);
        world.write(records(10, 10, 9)).await;
        let mut reader = world.reader().await;
        let read = read_until(&mut reader, true, |_| false).await;
        assert_eq!(read.len(), 10, "fan_out: {fan_out}");
        reader.close().await.unwrap();
    }
}

#[tokio::test]
async fn a_subscription_from_before_the_end_does_not_say_that_all_is_read() {
    let world = World::new(1, easy(), &[("fan_out", Value::Bool(true))]).await;
    world.write(records(0, 10, 3)).await;
    let mut reader = world.reader().await;
    read_until(&mut reader, false, |read| read.len() >= 10).await;
    let subscribed = || world.front.shared.calls.of("kinesis", "SubscribeToShard").calls;
    let before = subscribed();
    assert_eq!(read_until(&mut reader, true, |_| false).await, []);
    assert!(subscribed() > before);
}

/// Restarts a reader while these rules hold, and writes the same records again: how many were
/// recognised, and how often it was given up to look back.
async fn looks_back(rules: &str) -> (u64, u64) {
    let world = World::new(1, easy(), &[]).await;
    world.write(records(0, 50, 5)).await;
    ids(&world, true).await;
    world.write(records(0, 50, 5)).await;
    world.rules(rules);
    ids(&world, true).await;
    let counts = world.ctx.counters.snapshot();
    let of = |name: &str| counts.get(name).copied().unwrap_or(0);
    (of("duplicates dropped"), of("look back broken off"))
}

#[tokio::test]
async fn looking_back_weathers_a_storm_or_says_that_it_did_not() {
    let storm = looks_back(
        r#"[{"service": "kinesis", "operation": "GetRecords", "count": 6,
             "action": {"status": 400, "code": "ProvisionedThroughputExceededException"}}]"#,
    );
    assert_eq!(storm.await, (50, 0));
    let refused = looks_back(
        r#"[{"service": "kinesis", "operation": "GetRecords", "count": 1,
             "action": {"status": 400, "code": "AccessDeniedException"}}]"#,
    );
    assert_eq!(refused.await, (0, 1));
}

#[tokio::test]
async fn after_a_split_the_shards_are_listed_once_and_need_not_be() {
    let options = [("order", Value::Text("none".into())), ("pack", Value::Bool(true))];
    let world = World::new(3, easy(), &options).await;
    let streams = world.streams();
    world.write_by(&streams, records(0, 200, 40)).await;
    for shard in world.open_shards().await {
        world.split(&shard).await;
    }
    world.rules(
        r#"[{"service": "kinesis", "operation": "ListShards", "count": 1,
             "action": {"status": 400, "code": "LimitExceededException"}}]"#,
    );
    let listed = || world.front.shared.calls.of("kinesis", "ListShards").calls;
    let before = listed();
    let appended = streams.append(STREAM, records(200, 200, 40)).await.unwrap();
    assert_eq!((listed() - before, appended.again.len()), (1, 200));
    world.rules("[]");
    world.write_by(&streams, records(200, 200, 40)).await;
    let mut reader = world.reader().await;
    all_in_order(&read_until(&mut reader, true, |_| false).await, 400);
}

#[tokio::test]
async fn who_may_not_look_at_the_stream_does_not_ask_again() {
    let world = World::new(1, easy(), &[]).await;
    world.rules(
        r#"[{"service": "kinesis", "operation": "DescribeStreamSummary",
             "action": {"status": 400, "code": "AccessDeniedException"}}]"#,
    );
    let streams = world.streams();
    for first in [0, 10, 20] {
        world.write_by(&streams, records(first, 10, 3)).await;
    }
    assert_eq!(world.front.shared.calls.of("kinesis", "DescribeStreamSummary").calls, 1);
}
