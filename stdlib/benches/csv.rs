//! CSV: cutting bytes into records, and making columns of them, in bytes a second.

use arrow_buffer::Buffer;
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use dsl::ty::{Field, RecordTy, Ty};
use engine::node::Output;
use engine::testing;
use std::hint::black_box;
use std::io::Write;
use std::sync::Arc;
use stdlib::csv::encoding::Encoding;
use stdlib::csv::fields::Options;
use stdlib::csv::file::File;
use stdlib::csv::part::{Part, Shared};
use stdlib::csv::records::Records;
use stdlib::json::shape::Shape;

/// Bytes of a file: what `file.read` sends at once.
const SIZE: usize = 1 << 20;

/// Lines of invoices, like those of a shop; `quoted` = every text stands in quotes.
fn lines(quoted: bool) -> Vec<u8> {
    let mut random = fastrand::Rng::with_seed(1);
    let words = ["WHITE", "HANGING", "HEART", "T-LIGHT", "HOLDER", "SET OF 3", "TIN", "BOX"];
    let mut out = b"no,code,text,quantity,date,price,who,country\n".to_vec();
    let quote = if quoted { "\"" } else { "" };
    let mut invoice = 536_365;
    while out.len() < SIZE {
        invoice += u32::from(random.u8(..) < 10);
        let text: Vec<&str> =
            (0..random.usize(2..7)).map(|_| *random.choice(&words).unwrap()).collect();
        let who = if invoice % 4 == 0 { String::new() } else { format!("{}.0", invoice % 20_000) };
        let line = writeln!(
            out,
            "{quote}{invoice}{quote},{quote}{}A{quote},{quote}{}{quote},{},\
             2010-12-{:02} 08:{:02}:00,{}.{:02},{who},{quote}United Kingdom{quote}",
            random.u32(10_000..90_000),
            text.join(" "),
            random.i32(-2..200),
            1 + invoice % 28,
            invoice % 60,
            random.u32(0..30),
            random.u32(0..100),
        );
        line.unwrap();
    }
    out
}

fn shared(date: Ty) -> Arc<Shared> {
    let field = |name: &str, ty| Field { name: name.into(), ty, span: None };
    let fields = vec![
        field("no", Ty::Text),
        field("code", Ty::Text),
        field("text", Ty::Text.nullable()),
        field("quantity", Ty::Int),
        field("date", date),
        field("price", Ty::Decimal { precision: 10, scale: 3 }),
        field("who", Ty::Float.nullable()),
        field("country", Ty::Text),
    ];
    let record = RecordTy { fields, ..RecordTy::default() };
    let format = engine::expr::time::TimeFormat::new("%Y-%m-%d %H:%M:%S", "UTC");
    let options = Options {
        encoding: Encoding::Utf8,
        timestamp: Some(format.unwrap()),
        null: Vec::new(),
        delimiter: b',',
    };
    Arc::new(Shared::new(Shape::fields(&record), options))
}

fn part(shared: &Arc<Shared>, bytes: &Buffer) -> Part {
    let mut file = File::open(shared, &testing::payload(&[b""])).unwrap();
    file.read(shared, bytes.clone(), false).unwrap().unwrap()
}

fn cut(c: &mut Criterion) {
    let mut group = c.benchmark_group("csv cut");
    for (name, bytes) in [("plain", lines(false)), ("quoted", lines(true))] {
        group.throughput(Throughput::Bytes(bytes.len() as u64));
        let mut records = Records::default();
        group.bench_function(name, |b| {
            b.iter(|| {
                records.clear(8);
                black_box(records.cut(black_box(&bytes), 0, false, b','))
            });
        });
        assert!(records.broken.is_empty() && records.len() > 8000);
    }
}

fn decode(c: &mut Criterion) {
    let mut group = c.benchmark_group("csv decode");
    let cases = [("plain", false, Ty::Text), ("quoted", true, Ty::Text)];
    for (name, quoted, date) in cases.into_iter().chain([("times", false, Ty::Timestamp)]) {
        let (shared, bytes) = (shared(date), Buffer::from_vec(lines(quoted)));
        group.throughput(Throughput::Bytes(bytes.len() as u64));
        group.bench_function(name, |b| {
            let send = |part: Part| {
                let mut out = Output::default();
                part.send(&mut out);
                out
            };
            b.iter_batched(|| part(&shared, &bytes), send, BatchSize::PerIteration);
        });
    }
}

criterion_group!(benches, cut, decode);
criterion_main!(benches);
