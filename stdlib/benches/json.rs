//! JSON in and out of columns: order lines as they come in a shop's file, in bytes of JSON.

use arrow_array::builder::StringBuilder;
use arrow_array::{ArrayRef, BinaryArray, Decimal128Array, Float64Array, Int64Array, RecordBatch};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use dsl::ty::{Field, RecordTy, Ty};
use std::hint::black_box;
use std::sync::Arc;
use stdlib::json::decode::{Decoder, Options};
use stdlib::json::encode::encode;

const ROWS: usize = 8192;

fn order_line() -> RecordTy {
    let fields = [
        ("InvoiceNo", Ty::Text),
        ("StockCode", Ty::Text),
        ("Description", Ty::Text.nullable()),
        ("Quantity", Ty::Int),
        ("InvoiceDate", Ty::Text),
        ("UnitPrice", Ty::Decimal { precision: 10, scale: 3 }),
        ("CustomerID", Ty::Float.nullable()),
        ("Country", Ty::Text),
    ];
    let field = |(name, ty): (&str, Ty)| Field { name: name.into(), ty, span: None };
    RecordTy { fields: fields.into_iter().map(field).collect(), ..RecordTy::default() }
}

fn texts(mut next: impl FnMut() -> Option<String>) -> ArrayRef {
    let mut builder = StringBuilder::new();
    (0..ROWS).for_each(|_| builder.append_option(next()));
    Arc::new(builder.finish())
}

/// The same rows in every run.
fn rows() -> RecordBatch {
    const WORDS: [&str; 8] =
        ["WHITE", "METAL", "LANTERN", "HEART", "T-LIGHT", "HOLDER", "CREAM", "COAT HANGER"];
    let mut random = fastrand::Rng::with_seed(3);
    let description = |random: &mut fastrand::Rng| {
        let words: Vec<&str> = (0..random.usize(2..6)).map(|_| WORDS[random.usize(..8)]).collect();
        (random.u32(..200) > 0).then(|| words.join(" "))
    };
    let quantities: Int64Array = (0..ROWS).map(|_| Some(random.i64(-5..100))).collect();
    let prices: Decimal128Array =
        (0..ROWS).map(|_| Some(i128::from(random.u32(1..1500)) * 10)).collect();
    let customers: Float64Array =
        (0..ROWS).map(|_| random.bool().then(|| f64::from(random.u32(12_000..18_000)))).collect();
    let prices = prices.with_precision_and_scale(10, 3).expect("a scale fits its precision");
    let columns: Vec<ArrayRef> = vec![
        texts(|| Some(random.u32(536_365..581_587).to_string())),
        texts(|| Some(format!("{}A", random.u32(10_000..99_999)))),
        texts(|| description(&mut random)),
        Arc::new(quantities),
        texts(|| Some(format!("2011-{:02}-09 12:{:02}:00", random.u8(1..13), random.u8(..60)))),
        Arc::new(prices),
        Arc::new(customers),
        texts(|| Some("United Kingdom".into())),
    ];
    let schema = Decoder::new(&order_line(), Options::default()).schema().clone();
    RecordBatch::try_new(schema, columns).expect("the columns have the types of the fields")
}

fn bench(criterion: &mut Criterion) {
    let rows = rows();
    let texts = encode(&rows);
    let mut group = criterion.benchmark_group("json");
    group.throughput(Throughput::Bytes(texts.value_data().len() as u64));
    group.bench_function("encode", |bench| bench.iter(|| encode(black_box(&rows))));
    let mut decode = |name: &str, texts: &BinaryArray| {
        let mut decoder = Decoder::new(&order_line(), Options::default());
        assert_eq!(decoder.decode(texts).columns, rows);
        group.throughput(Throughput::Bytes(texts.value_data().len() as u64));
        group.bench_function(name, |bench| bench.iter(|| decoder.decode(black_box(texts))));
    };
    decode("decode", &texts);
    decode(
        "decode with blanks",
        &rewritten(&texts, |text| text.replace("\":", "\": ").replace(",\"", ", \"")),
    );
    decode(
        "decode in another order",
        &rewritten(&texts, |text| {
            let (first, rest) =
                text[1..text.len() - 1].split_once(",\"Description").expect("a field");
            format!("{{\"Description{rest},{first}}}")
        }),
    );
}

fn rewritten(texts: &BinaryArray, change: impl Fn(&str) -> String) -> BinaryArray {
    let text = |text: &[u8]| change(std::str::from_utf8(text).expect("JSON is UTF-8"));
    BinaryArray::from_iter_values(texts.iter().flatten().map(text))
}

criterion_group!(benches, bench);
criterion_main!(benches);
