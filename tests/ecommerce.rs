//! The main job, end to end, on the bundled sample: every item, run twice, and killed.

mod support;

use std::time::Duration;
use support::{Shop, verify};

#[test]
fn the_sample_lands_whole() {
    let shop = Shop::sample();
    shop.run_well(&[]);
    verify(&shop.csv(), &shop.state());
}

#[test]
fn a_second_run_changes_nothing() {
    let shop = Shop::sample();
    shop.run_well(&[]);
    shop.run_well(&[]);
    verify(&shop.csv(), &shop.state());
}

#[test]
fn a_run_from_the_start_changes_nothing() {
    let shop = Shop::sample();
    shop.run_well(&[]);
    shop.run_well(&["--from-start"]);
    verify(&shop.csv(), &shop.state());
}

#[test]
fn killed_five_times_it_ends_the_same() {
    let shop = Shop::sample();
    // Not random in the test: five moments spread over a run, from start-up to the last objects.
    for wait_ms in [40, 160, 320, 640, 900] {
        let mut child = shop.spawn(&[]);
        std::thread::park_timeout(Duration::from_millis(wait_ms));
        child.kill().expect("a child can be killed");
        child.wait().expect("a child can be waited for");
    }
    shop.run_well(&[]);
    verify(&shop.csv(), &shop.state());
}

#[test]
fn a_file_that_grew_goes_on_where_it_ended() {
    let shop = Shop::sample();
    let whole = std::fs::read(shop.csv()).expect("the sample is there");
    let half = whole[..whole.len() / 2].iter().rposition(|&byte| byte == b'\n').unwrap_or(0) + 1;
    std::fs::write(shop.csv(), &whole[..half]).expect("the file can be written");
    shop.run_well(&[]);
    std::fs::write(shop.csv(), &whole).expect("the file can be written");
    shop.run_well(&[]);
    verify(&shop.csv(), &shop.state());
}
