//! The local stream: appends of 500 records and of one, alone and at once, and reads of what was
//! just written and of what is on the disk. Every append waits for its sync.

use arrow_array::{Array, BinaryArray, StringArray};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use engine::batch::Run;
use engine::ctx::{Clock, SystemClock};
use futures::future::join_all;
use std::hint::black_box;
use std::path::Path;
use std::sync::Arc;
use stdlib::service::local::streams::ReadLimits;
use stdlib::service::local::streams::refuse::Service;
use stdlib::service::local::streams::{LocalStreams, StreamPlan};
use stdlib::service::{Records, Streams};
use tokio::runtime::Runtime;

const NAME: &str = "orders";
/// What `stream.read` asks for.
const LIMITS: ReadLimits = ReadLimits { rows_max: 8192, bytes_max: 8 << 20 };
/// About what an order line has as JSON.
const RECORD_BYTES: usize = 200;

fn open(dir: &Path) -> LocalStreams {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let plan = StreamPlan { name: NAME.into(), shards: 1, service: Service::Kinesis };
    LocalStreams::open(dir, vec![plan], &clock, &Default::default()).expect("an empty directory")
}

/// The records `first .. first + len` of one producer.
fn records(first: u64, len: usize) -> Records {
    let payloads: Vec<Vec<u8>> = (0..len).map(|_| vec![b'x'; RECORD_BYTES]).collect();
    let keys: Vec<String> = (0..len as u64).map(|n| format!("{:06}", first + n)).collect();
    Records {
        payloads: BinaryArray::from_iter_values(payloads),
        keys: Some(StringArray::from(keys)),
        producer: [1; 16],
        runs: vec![Run { first, len: len as u32, arrival_ns: 0 }],
    }
}

/// Rounds of so many appends at once, each of so many records.
fn append(c: &mut Criterion, runtime: &Runtime) {
    let mut group = c.benchmark_group("stream/append");
    group.sample_size(20);
    for (records_each, at_once) in [(500, 1), (500, 8), (500, 32), (1, 1), (1, 64)] {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let streams = runtime.block_on(async { open(dir.path()) });
        let mut next = 0;
        group.throughput(Throughput::Elements((records_each * at_once) as u64));
        let id = BenchmarkId::new(format!("{records_each} records"), format!("{at_once} at once"));
        group.bench_function(id, |bencher| {
            let template = records(0, records_each);
            bencher.iter(|| {
                let appends = (0..at_once).map(|_| {
                    let run = Run { first: next, len: records_each as u32, arrival_ns: 0 };
                    next += records_each as u64;
                    streams.append(NAME, Records { runs: vec![run], ..template.clone() })
                });
                for appended in runtime.block_on(join_all(appends)) {
                    assert_eq!(appended.expect("a disk with room").stored, records_each as u64);
                }
            });
        });
    }
    group.finish();
}

/// From the first record to the last, as a reader that has fallen behind does.
fn read(c: &mut Criterion, runtime: &Runtime) {
    const FRAMES: u64 = 200;
    const ROWS: u64 = 500;
    let dir = tempfile::tempdir().expect("a temporary directory");
    let streams = runtime.block_on(async { open(dir.path()) });
    for frame in 0..FRAMES {
        let appended = streams.append(NAME, records(frame * ROWS, ROWS as usize));
        runtime.block_on(appended).expect("a disk with room");
    }
    let mut group = c.benchmark_group("stream/read");
    group.sample_size(20);
    group.throughput(Throughput::Elements(FRAMES * ROWS));
    group.bench_function("500 records a frame", |bencher| {
        bencher.iter(|| {
            let mut from = 0;
            while from < FRAMES * ROWS {
                let rows = runtime.block_on(streams.read(NAME, 0, from, LIMITS));
                from += black_box(rows.expect("no damage")).payloads.len() as u64;
            }
        });
    });
    group.finish();
}

/// One record, appended and read by a reader that waits for it.
fn follow(c: &mut Criterion, runtime: &Runtime) {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let streams = runtime.block_on(async { open(dir.path()) });
    let template = records(0, 1);
    let mut next = 0;
    c.bench_function("stream/append and follow, 1 record", |bencher| {
        bencher.iter(|| {
            let run = Run { first: next, len: 1, arrival_ns: 0 };
            let records = Records { runs: vec![run], ..template.clone() };
            let rows = runtime.block_on(async {
                let follow = async {
                    streams.arrived(NAME, 0, next).await?;
                    streams.read(NAME, 0, next, LIMITS).await
                };
                let (appended, rows) = tokio::join!(streams.append(NAME, records), follow);
                appended.and(rows)
            });
            assert_eq!(rows.expect("no damage").payloads.len(), 1);
            next += 1;
        });
    });
}

fn all(c: &mut Criterion) {
    let runtime = Runtime::new().expect("threads");
    append(c, &runtime);
    read(c, &runtime);
    follow(c, &runtime);
}

criterion_group!(benches, all);
criterion_main!(benches);
