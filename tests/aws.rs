//! flows/ecommerce.flow on AWS's services: the strict front, and moto, which others wrote. What
//! was stored is read back by boto3 and compared with the file, item by item.

#[path = "support/standins.rs"]
mod standins;
mod support;

use std::fs;
use std::process::Command;

use awsfront::Options;
use support::{Shop, both, flowc, published_file};

/// The flows that need neither a delivery nor a warehouse.
const WITHOUT_WAREHOUSE: [&str; 4] = ["ingest", "gateway", "archive", "dynamo"];

/// How much of the published file is run.
const PUBLISHED_ROWS: usize = 20_000;

/// The shop with the first rows of the published file.
fn published() -> Option<Shop> {
    let bytes = published_file()?;
    let ends = bytes.iter().enumerate().filter(|(_, byte)| **byte == b'\n');
    let end = ends.map(|(at, _)| at + 1).nth(PUBLISHED_ROWS).expect("the file is longer");
    Some(Shop::with_csv(&bytes[..end]))
}

/// The shop with short waits, and the endpoint where one is for everything.
fn on_aws(shop: Shop, endpoint: Option<&str>) -> Shop {
    let text = fs::read_to_string(shop.flow()).expect("the flow is there");
    let region = "region     = \"eu-central-1\"";
    assert!(text.contains(region) && text.contains("wait: 60s"), "the flow has another form");
    let mut text = text.replace("wait: 60s", "wait: 1s");
    if let Some(endpoint) = endpoint {
        text = text.replace(region, &format!("{region}\n  endpoint   = \"{endpoint}\""));
    }
    fs::write(shop.flow(), text).expect("the flow can be written");
    shop
}

/// Runs a command to its end, which must be a good one.
fn well(command: &mut Command) -> String {
    let output = command.output().expect("flowc can be started");
    let text = both(&output);
    assert!(output.status.success(), "exit {:?}\n{text}", output.status.code());
    text
}

/// The comparison; its words on success.
fn verified(shop: &Shop, arguments: &[&str]) -> String {
    let csv = shop.csv();
    let mut all = vec![csv.to_str().expect("a path in UTF-8")];
    all.extend(arguments);
    let output = standins::python("tests/aws_verify.py", &all).expect("Python was there");
    let text = both(&output);
    assert!(output.status.success(), "the end state differs:\n{text}");
    text
}

/// Everything from the file to the warehouse, `times` times on the same front.
fn runs_on_the_front(shop: Shop, times: usize) {
    let Some(postgres) = standins::postgres() else { return };
    let options = Options { postgres: Some(postgres.url.clone()), ..Options::default() };
    let front = standins::front(options);
    let shop = on_aws(shop, Some(&front.url));
    let mut up = flowc();
    standins::environment(&mut up);
    well(up.arg("up").arg(shop.flow()).args(["--profile", "aws", "--yes"]));
    for _ in 0..times {
        let mut run = shop.command(&["--profile", "aws"]);
        standins::environment(&mut run);
        well(&mut run);
        let text = verified(&shop, &["--endpoint", &front.url]);
        assert!(text.contains("warehouse: same"), "{text}");
    }
}

#[test]
fn the_shop_runs_on_the_front_twice_with_one_end_state() {
    runs_on_the_front(Shop::sample(), 2);
}

#[test]
fn the_published_rows_run_on_the_front() {
    let Some(shop) = published() else { return };
    runs_on_the_front(shop, 1);
}

/// Runs the flows without a warehouse where each service has its own address.
fn runs_without_warehouse(shop: Shop, [kinesis, dynamodb, s3]: [&str; 3]) {
    let places = ["--kinesis", kinesis, "--dynamodb", dynamodb, "--s3", s3];
    let output = standins::python("tests/standins/aws_up.py", &places).expect("Python was there");
    assert!(output.status.success(), "{}", both(&output));
    let shop = on_aws(shop, None);
    let mut checks = vec!["--services", "stream,archive,invoices,customers,quarantine"];
    checks.extend(places);
    for _ in 0..2 {
        let mut arguments = WITHOUT_WAREHOUSE.to_vec();
        arguments.extend(["--profile", "aws"]);
        let mut run = shop.command(&arguments);
        standins::environment(&mut run);
        run.env("AWS_ENDPOINT_URL_KINESIS", kinesis)
            .env("AWS_ENDPOINT_URL_DYNAMODB", dynamodb)
            .env("AWS_ENDPOINT_URL_S3", s3);
        well(&mut run);
        verified(&shop, &checks);
    }
}

#[test]
fn the_shop_runs_on_moto() {
    let Some(moto) = standins::moto() else { return };
    runs_without_warehouse(Shop::sample(), [&moto.url; 3]);
}

#[test]
fn the_shop_runs_on_moto_and_s3s() {
    let Some(moto) = standins::moto() else { return };
    let shop = Shop::sample();
    let s3 = standins::s3s();
    runs_without_warehouse(shop, [&moto.url, &moto.url, &s3.url]);
}
