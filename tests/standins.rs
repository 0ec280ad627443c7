//! The stand-ins themselves: each starts, listens on loopback alone, takes what an independent
//! client writes, and ends.

#[path = "support/standins.rs"]
mod standins;

use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use standins::Standin;

/// The address behind `http://`.
fn address(url: &str) -> SocketAddr {
    url.strip_prefix("http://").expect("an HTTP address").parse().expect("an address with a port")
}

/// Nothing answers on another address of the loopback network, so it binds 127.0.0.1 alone.
fn is_on_loopback_alone(url: &str) {
    let own = address(url);
    let wait = Duration::from_secs(10);
    TcpStream::connect_timeout(&own, wait).expect("it listens on 127.0.0.1");
    let other = SocketAddr::from(([127, 0, 0, 2], own.port()));
    assert!(TcpStream::connect_timeout(&other, wait).is_err(), "{url} listens everywhere");
}

/// boto3 writes to the service and reads back what it wrote; its words are the expected ones.
fn keeps(url: &str, service: &str) {
    is_on_loopback_alone(url);
    let output = standins::python("tests/standins/probe.py", &[service, url]);
    let output = output.expect("Python was there for the stand-in");
    let text = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}{errors}");
    assert_eq!(text.lines().last(), Some("OK"), "{text}{errors}");
}

#[test]
fn moto_keeps_streams_tables_and_objects() {
    let Some(moto) = standins::moto() else { return };
    for service in ["kinesis", "dynamodb", "s3"] {
        keeps(&moto.url, service);
    }
}

#[test]
fn kinesalite_keeps_streams() {
    let (Some(_), Some(kinesalite)) = (standins::Part::Python.installed(), standins::kinesalite())
    else {
        return;
    };
    keeps(&kinesalite.url, "kinesis");
}

#[test]
fn dynalite_keeps_tables() {
    let (Some(_), Some(dynalite)) = (standins::Part::Python.installed(), standins::dynalite())
    else {
        return;
    };
    keeps(&dynalite.url, "dynamodb");
}

#[test]
fn s3s_keeps_objects_and_verifies_signatures() {
    if standins::Part::Python.installed().is_none() {
        return;
    }
    let s3s = standins::s3s();
    keeps(&s3s.url, "s3");
    keeps(&s3s.url, "s3-other-secret");
}

#[test]
fn a_stand_in_ends_with_its_test() {
    let Some(kinesalite) = standins::kinesalite() else { return };
    let place = address(&kinesalite.url);
    drop(kinesalite);
    assert!(TcpStream::connect_timeout(&place, Duration::from_secs(10)).is_err());
}

#[test]
fn postgres_leaves_nothing_behind() {
    let Some(postgres) = standins::postgres() else { return };
    let Standin { url, .. } = &postgres;
    let dir = url.rsplit_once("host=").expect("a directory of its own").1.to_owned();
    assert!(std::path::Path::new(&dir).join(".s.PGSQL.5432").exists(), "{url}");
    drop(postgres);
    assert!(!std::path::Path::new(&dir).exists(), "{dir} is still there");
}
