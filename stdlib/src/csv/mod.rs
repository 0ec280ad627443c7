//! CSV to columns: bytes are cut into records, a header gives columns their places, and each
//! column is built in one loop.

pub mod encoding;
pub mod file;
pub mod header;
pub mod records;
pub mod values;

/// The largest record, in bytes. What is longer is most likely a quote that is never closed.
pub const RECORD_MAX: usize = 8 << 20;
