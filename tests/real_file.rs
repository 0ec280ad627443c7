//! The main job on the whole published file, where it is at hand and the build is optimised.

mod support;

use support::{Shop, published_file, verify};

#[test]
fn the_published_file_lands_whole() {
    if cfg!(debug_assertions) {
        println!("skipped: the whole file is for an optimised build (cargo test --release)");
        return;
    }
    let Some(bytes) = published_file() else { return };
    let shop = Shop::with_csv(&bytes);
    shop.run_well(&[]);
    verify(&shop.csv(), &shop.state());
}
