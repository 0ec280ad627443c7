//! The allocation budget of W1–W3: runs `benches/flows/w1.flow` and the others over N and over 2N
//! rows, as `flowc run` does, and counts heap allocations. The difference, by N, is what one row
//! costs; everything that is done once or per file falls out of it.
//!
//! `cargo bench --bench allocations` prints a line for each, and ends with 1 above the budget.
//! `-- w3` counts one alone. Nothing is timed, so it says the same on any machine.

#![allow(unsafe_code, reason = "a global allocator is an unsafe trait; this one only counts")]

use clap::Parser;
use flowc::cli::Cli;
use flowc::exit::Exit;
use flowc::io::{Env, Io};
use flowc::render::Style;
use std::alloc::{GlobalAlloc, Layout, System};
use std::fmt::Write;
use std::path::Path;
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};

/// Allocations a row, at most: those of a batch of a thousand rows, not one of each row.
const BUDGET: f64 = 0.05;
/// Several chunks of a file.
const ROWS: usize = 60_000;

/// The system's allocator, which counts what is asked of it.
struct Counting;

static COUNT: AtomicU64 = AtomicU64::new(0);

// SAFETY: each call is handed to the system's allocator as it is.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        COUNT.fetch_add(1, Ordering::Relaxed);
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        COUNT.fetch_add(1, Ordering::Relaxed);
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        COUNT.fetch_add(1, Ordering::Relaxed);
        unsafe { System.realloc(pointer, layout, size) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn main() -> ExitCode {
    let mut over = false;
    let named: Vec<String> = std::env::args().skip(1).filter(|arg| arg.starts_with('w')).collect();
    for work in ["w1", "w2", "w3"] {
        if !named.is_empty() && !named.iter().any(|name| name == work) {
            continue;
        }
        let (once, twice) = (counted(work, ROWS), counted(work, 2 * ROWS));
        let row = (twice as f64 - once as f64) / ROWS as f64;
        println!("{work} {row:.4} allocations/row (budget {BUDGET}; {once} for {ROWS} rows)");
        over |= row > BUDGET;
    }
    ExitCode::from(u8::from(over))
}

/// Allocations of a run over so many rows.
fn counted(work: &str, rows: usize) -> u64 {
    let dir = tempfile::tempdir().expect("a directory");
    let input = dir.path().join("input");
    let text = if work == "w3" { ndjson(rows) } else { csv(rows) };
    std::fs::write(&input, text).expect("the input is written");
    let flow = dir.path().join(format!("{work}.flow"));
    copy_flow(work, &flow);
    let outputs = if work == "w3" { &["first", "second", "third"][..] } else { &["output"] };
    let mut args = vec!["flowc".into(), "run".into(), flow.display().to_string(), "--json".into()];
    for name in [&["input"], outputs].concat() {
        args.extend(["--param".into(), format!("{name}={}", dir.path().join(name).display())]);
    }
    let cli = Cli::try_parse_from(args).expect("the arguments are right");
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let mut io = Io {
        out: &mut out,
        err: &mut err,
        style: Style::plain(),
        err_style: Style::plain(),
        err_terminal: false,
        env: Env::default(),
    };
    let before = COUNT.load(Ordering::Relaxed);
    let ended = flowc::run(&cli, &mut io);
    let count = COUNT.load(Ordering::Relaxed) - before;
    match ended {
        Ok(Exit::Done) => count,
        Ok(exit) => panic!("{work}: {exit:?}: {}", String::from_utf8_lossy(&err)),
        Err(stop) => panic!("{work}: {}", stop.text(Style::plain()).0),
    }
}

/// Copies the flow to a directory of its own, so that its state lies there too.
fn copy_flow(work: &str, to: &Path) {
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("benches/flows/{work}.flow"));
    std::fs::copy(from, to).expect("the flow is copied");
}

/// One row's values; every fourth has no customer, some are returned, some names are quoted.
fn row(at: usize) -> (usize, String, Option<String>, i64, String, Option<f64>) {
    let name = match at % 50 {
        0 => None,
        7 => Some("SET OF 3 \"HEARTS\", PINK".to_owned()),
        _ => Some(format!("WHITE METAL LANTERN NO {}", at % 977)),
    };
    let quantity = if at % 60 == 3 { -2 } else { (at % 24 + 1) as i64 };
    let price = format!("{}.{:02}", at % 17, at % 100);
    let customer = (at % 4 != 1).then_some((12_346 + at % 4_000) as f64);
    (536_365 + at / 20, format!("8{:04}A", at % 3_000), name, quantity, price, customer)
}

/// So many rows as CSV, dates in ISO form, customers with a point.
fn csv(rows: usize) -> String {
    let mut text = String::from(
        "InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country\n",
    );
    for at in 0..rows {
        let (invoice, code, name, quantity, price, customer) = row(at);
        let name = name.unwrap_or_default();
        let name = match name.contains('"') {
            true => format!("\"{}\"", name.replace('"', "\"\"")),
            false => name,
        };
        let customer = customer.map_or(String::new(), |id| format!("{id:.1}"));
        writeln!(
            text,
            "{invoice},{code},{name},{quantity},2010-12-01 08:26:00,{price},{customer},\
             United Kingdom"
        )
        .expect("text grows");
    }
    text
}

/// The same rows, an object a line.
fn ndjson(rows: usize) -> String {
    let mut text = String::new();
    for at in 0..rows {
        let (invoice, code, name, quantity, price, customer) = row(at);
        let name = name.map_or("null".into(), |name| format!("\"{}\"", name.replace('"', "\\\"")));
        let customer = customer.map_or("null".into(), |id| format!("{id:.1}"));
        writeln!(
            text,
            "{{\"InvoiceNo\":\"{invoice}\",\"StockCode\":\"{code}\",\"Description\":{name},\
             \"Quantity\":{quantity},\"InvoiceDate\":\"2010-12-01 08:26:00\",\
             \"UnitPrice\":{price},\"CustomerID\":{customer},\"Country\":\"United Kingdom\"}}"
        )
        .expect("text grows");
    }
    text
}
