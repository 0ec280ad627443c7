//! CSV to columns: bytes are cut into records, a header gives columns their places, and each
//! column is built in one loop.
//!
//! Cutting is what has to go in order ([`file`], with [`scan`] and [`records`]); the columns are
//! made of a [`part`], where and when it suits.

pub mod encoding;
pub mod exact;
pub mod fields;
pub mod file;
pub mod header;
pub mod numbers;
pub mod part;
pub mod records;
pub mod scan;
mod texts;
mod values;

/// The largest record, in bytes. What is longer is most likely a quote that is never closed.
pub const RECORD_MAX: usize = 8 << 20;

/// The line breaks among some bytes.
fn lines(bytes: &[u8]) -> u64 {
    memchr::memchr_iter(b'\n', bytes).count() as u64
}
