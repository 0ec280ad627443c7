//! What a write to a table costs: rows of one item come together, and what is left is written and
//! made durable. `cargo bench -p stdlib --bench upsert`.
//!
//! The rows are like those of an online shop: an invoice has about twenty lines behind each other,
//! a customer's lines name the same invoice again and again.

use arrow_array::{ArrayRef, Int64Array, StringArray, StructArray, TimestampNanosecondArray};
use arrow_schema::{DataType, Field};
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use dsl::ty::Ty;
use std::sync::Arc;
use stdlib::service::local::tables::{LocalTables, TablePlan};
use stdlib::service::{Attribute, AttributeName, Tables, Upserts};

const LINES: u64 = 21;
const CUSTOMERS: u64 = 4_000;

fn texts(texts: impl Iterator<Item = String>) -> StringArray {
    texts.map(Some).collect()
}

/// One attribute of a struct of text, number and time.
fn stock(rows: std::ops::Range<u64>) -> ArrayRef {
    let name = |row: u64| format!("WHITE HANGING HEART T-LIGHT HOLDER {}", row % 97);
    let names: ArrayRef = Arc::new(texts(rows.clone().map(name)));
    let quantities: Int64Array = rows.clone().map(|row| Some(row as i64 % 12)).collect();
    let time = |row: u64| 1_291_191_960_000_000_000 + (row / LINES * 60_000_000_000) as i64;
    let times = TimestampNanosecondArray::from_iter_values(rows.map(time)).with_timezone("UTC");
    let times: ArrayRef = Arc::new(times);
    let field = |name: &str, column: &ArrayRef| {
        Arc::new(Field::new(name, column.data_type().clone(), true))
    };
    let quantities: ArrayRef = Arc::new(quantities);
    Arc::new(StructArray::from(vec![
        (field("Description", &names), names),
        (Arc::new(Field::new("Quantity", DataType::Int64, true)), quantities),
        (field("InvoiceDate", &times), times),
    ]))
}

/// Lines of invoices: an item for each invoice, an attribute for each line.
fn invoices(rows: std::ops::Range<u64>) -> Upserts {
    let keys = texts(rows.clone().map(|row| (536_365 + row / LINES).to_string()));
    let codes = texts(rows.clone().map(|row| (10_000 + row * 7_919 % 80_000).to_string()));
    Upserts {
        keys: vec![("InvoiceNo".into(), Arc::new(keys))],
        attributes: vec![Attribute { name: AttributeName::Each(codes), values: stock(rows) }],
    }
}

/// The same lines: an item for each customer, an attribute for each invoice.
fn customers(rows: std::ops::Range<u64>) -> Upserts {
    let customer = |row: u64| (12_000 + row / LINES * 2_654_435_761 % CUSTOMERS).to_string();
    let keys = texts(rows.clone().map(customer));
    let invoices = texts(rows.clone().map(|row| (536_365 + row / LINES).to_string()));
    Upserts {
        keys: vec![("CustomerID".into(), Arc::new(keys))],
        attributes: vec![Attribute { name: AttributeName::Each(invoices), values: stock(rows) }],
    }
}

/// Writes of `len` rows that follow each other, into a table that grows.
fn writes(criterion: &mut Criterion, table: &str, len: u64) {
    let make = match table {
        "invoices" => invoices,
        _ => customers,
    };
    let dir = tempfile::tempdir().expect("a directory");
    let plan = TablePlan { name: table.to_owned(), key: vec![("Key".to_owned(), Ty::Text)] };
    let tables =
        LocalTables::open(dir.path(), vec![plan], &Default::default()).expect("a new file");
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let mut next = 0;
    let mut group = criterion.benchmark_group("upsert");
    group.sample_size(20).throughput(Throughput::Elements(len));
    group.bench_function(format!("{table}/{len}"), |bencher| {
        let setup = || {
            next += len;
            make(next - len..next)
        };
        let write = |upserts| runtime.block_on(tables.upsert(table, upserts)).expect("stored");
        bencher.iter_batched(setup, write, BatchSize::PerIteration);
    });
    group.finish();
}

fn upsert(criterion: &mut Criterion) {
    for len in [1, 500, 16_384] {
        writes(criterion, "invoices", len);
        writes(criterion, "customers", len);
    }
}

criterion_group!(benches, upsert);
criterion_main!(benches);
