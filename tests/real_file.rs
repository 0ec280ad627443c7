//! The main job on the whole published file, where it is at hand and the build is optimised.

mod support;

use std::path::PathBuf;
use std::process::Command;
use support::{Shop, root, verify};

fn published_file() -> Option<Vec<u8>> {
    let packed: PathBuf = root().join("../shared/data/online-retail.csv.xz");
    if cfg!(debug_assertions) {
        println!("skipped: the whole file is for an optimised build (cargo test --release)");
        return None;
    }
    if !packed.exists() {
        println!("skipped: the published file is not at hand");
        return None;
    }
    match Command::new("xz").arg("-dkc").arg(packed).output() {
        Ok(output) if output.status.success() => Some(output.stdout),
        _ => {
            println!("skipped: xz is not installed");
            None
        }
    }
}

#[test]
fn the_published_file_lands_whole() {
    let Some(bytes) = published_file() else { return };
    let shop = Shop::with_csv(&bytes);
    shop.run_well(&[]);
    verify(&shop.csv(), &shop.state());
}
