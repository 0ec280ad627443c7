//! Bad input: each kind has a clear error, and nothing of the good rows is lost. What a person sees
//! is in `tests/golden/bad-input-*.txt`; `UPDATE_GOLDEN=1 cargo test --test bad_input` rewrites it.

mod support;

use std::fs;
use std::net::TcpListener;
use support::{Shop, both, flowc, root};

const HEADER: &str =
    "InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country\r\n";
const GOOD: &str = "536365,85123A,A HEART,6,12/1/2010 8:26,2.55,17850,United Kingdom\r\n";

/// Runs on header, a good row, and this; the good row must land, the rest is compared.
fn refused_row(name: &str, bad: &[u8]) {
    let shop = Shop::with_csv(&[HEADER.as_bytes(), GOOD.as_bytes(), bad].concat());
    refused_row_in(name, &shop);
}

fn refused_row_in(name: &str, shop: &Shop) {
    let output = shop.run(&[]);
    assert_eq!(output.status.code(), Some(0), "{}", both(&output));
    let stored = shown(shop, "orders");
    assert_eq!(stored.lines().count(), 1, "the good row is stored:\n{stored}");
    golden(name, shop, &shown(shop, "quarantine"));
}

/// Runs on this file; the run must fail, and its errors are compared.
fn refused_file(name: &str, bytes: &[u8]) {
    let shop = Shop::with_csv(bytes);
    let output = shop.run(&[]);
    assert_eq!(output.status.code(), Some(3), "{}", both(&output));
    golden(name, &shop, &errors(&output.stderr));
}

/// What `flowc show` prints of a resource, an object a line.
fn shown(shop: &Shop, resource: &str) -> String {
    let mut command = flowc();
    command.arg("show").arg(shop.flow()).arg(resource).args(["--format", "jsonl"]);
    let output = command.output().expect("flowc can be started");
    assert!(output.status.success(), "{}", both(&output));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// From the first error on.
fn errors(stderr: &[u8]) -> String {
    let text = String::from_utf8_lossy(stderr);
    let start = text.find("error:").unwrap_or(0);
    text[start..].to_owned()
}

/// The text without what differs from run to run.
fn plain(shop: &Shop, text: &str) -> String {
    let dir = shop.dir.path().to_string_lossy().into_owned();
    let text = text.replace(&dir, "DIR").replace(&shop.port.number.to_string(), "PORT");
    let mut plain = String::new();
    for line in text.lines() {
        let line = match line.split_once("\"at\":\"") {
            Some((before, after)) => {
                let after = after.split_once('"').map_or("", |(_, after)| after);
                format!("{before}\"at\":\"TIME\"{after}")
            }
            None => line.to_owned(),
        };
        plain.push_str(&line);
        plain.push('\n');
    }
    plain
}

fn golden(name: &str, shop: &Shop, text: &str) {
    let text = plain(shop, text);
    let path = root().join(format!("tests/golden/bad-input-{name}.txt"));
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        fs::write(&path, &text).expect("the golden file can be written");
    }
    let expected = fs::read_to_string(&path).unwrap_or_default();
    assert!(expected == text, "{} is stale; now:\n{text}", path.display());
}

#[test]
fn a_missing_file() {
    let shop = Shop::with_csv(b"");
    fs::remove_file(shop.csv()).expect("the file is there");
    let output = shop.run(&[]);
    assert_eq!(output.status.code(), Some(3), "{}", both(&output));
    golden("missing-file", &shop, &errors(&output.stderr));
}

#[test]
fn a_row_with_too_few_fields() {
    refused_row("too-few-fields", b"536366,1,x,2\r\n");
}

#[test]
fn a_row_with_too_many_fields() {
    refused_row("too-many-fields", b"536366,1,x,2,12/1/2010 8:26,2.55,17850,France,extra\r\n");
}

#[test]
fn a_quantity_that_is_no_number() {
    refused_row("no-number", b"536366,1,x,six,12/1/2010 8:26,2.55,17850,France\r\n");
}

#[test]
fn a_date_in_another_format() {
    refused_row("other-date", b"536366,1,x,6,2010-12-01T08:26,2.55,17850,France\r\n");
}

#[test]
fn bytes_that_are_not_the_declared_encoding() {
    let bad = b"536366,1,\xA31 TEA,6,12/1/2010 8:26,2.55,17850,France\r\n";
    let shop = Shop::with_csv(&[HEADER.as_bytes(), GOOD.as_bytes(), bad].concat());
    let flow = fs::read_to_string(shop.flow()).expect("the flow is there");
    fs::write(shop.flow(), flow.replace("latin-1", "utf-8")).expect("it can be written");
    refused_row_in("encoding", &shop);
}

#[test]
fn an_unclosed_quote() {
    refused_row("unclosed-quote", b"536366,1,\"TEA,6,12/1/2010 8:26,2.55,17850,France\r\n");
}

#[test]
fn an_empty_file() {
    refused_file("empty-file", b"");
}

#[test]
fn a_header_without_a_needed_column_is_one_error() {
    let header = HEADER.replace("Quantity", "Quantty");
    refused_file("header", format!("{header}{GOOD}{GOOD}").as_bytes());
}

#[test]
fn a_port_in_use() {
    let shop = Shop::sample();
    let _holder = TcpListener::bind(("127.0.0.1", shop.port.number)).expect("the port is free");
    let output = shop.run(&[]);
    assert_eq!(output.status.code(), Some(3), "{}", both(&output));
    // The whole command line of this test, whatever it was started with.
    let program = std::env::args().collect::<Vec<_>>().join(" ");
    let text = errors(&output.stderr)
        .replace(&program, "PROGRAM")
        .replace(&std::process::id().to_string(), "PID");
    assert!(text.contains("in use"), "{text}");
    assert_eq!(shown(&shop, "orders"), "", "nothing was stored");
    golden("port-in-use", &shop, &text);
}

#[test]
fn a_second_run_on_the_same_directory() {
    let shop = Shop::sample();
    // The first stays: its gateway is told to keep running.
    let mut first = shop.spawn(&["--keep-running"]);
    let lock = shop.state().join("lock");
    while !fs::read_to_string(&lock).is_ok_and(|text| !text.is_empty()) {
        assert!(first.try_wait().expect("it can be asked").is_none(), "the first run has ended");
        std::thread::yield_now();
    }
    let output = shop.run(&[]);
    let text = both(&output);
    first.kill().expect("a child can be killed");
    first.wait().expect("a child can be waited for");
    assert_ne!(output.status.code(), Some(0), "{text}");
    assert!(text.contains(&first.id().to_string()), "the other process is named:\n{text}");
    let text = errors(text.replace(&first.id().to_string(), "PID").as_bytes());
    let (before, after) = text.split_once("started ").expect("it says since when");
    let after = after.split_once(')').map_or("", |(_, after)| after);
    golden("second-run", &shop, &format!("{before}started TIME){after}"));
}

/// A state directory on a file system of 3 MiB. Making one needs rights that not everybody has.
#[test]
fn a_full_disk() {
    let shop = Shop::sample();
    fs::create_dir_all(shop.state()).expect("the directory can be made");
    let mount = |program: &str, args: &[&str]| {
        let done = std::process::Command::new(program).args(args).arg(shop.state()).output();
        done.is_ok_and(|output| output.status.success())
    };
    if !mount("mount", &["-t", "tmpfs", "-o", "size=1500k", "tmpfs"]) {
        println!("skipped: a small file system cannot be mounted here");
        return;
    }
    let output = shop.run(&[]);
    let larger = mount("mount", &["-o", "remount,size=200m"]);
    let again = shop.run(&[]);
    let same = support::verify(&shop.csv(), &shop.state());
    assert!(mount("umount", &[]), "the small file system can be unmounted");
    let text = both(&output);
    assert_eq!(output.status.code(), Some(3), "{text}");
    assert!(text.contains("disk is full") || text.contains("disk_full"), "{text}");
    assert!(larger && again.status.success(), "with room it goes on:\n{}", both(&again));
    println!("compared item by item: {same}");
}
