//! What the stream refuses, in the words of the service that it stands for.

use crate::service::{Records, Refused};
use arrow_array::Array;

/// Bytes of a record at most, data and key together.
pub const RECORD_BYTES_MAX: usize = 1 << 20;
/// Characters of a partition key at most.
pub const KEY_CHARS_MAX: usize = 256;

/// The records that are refused, in order.
pub fn refused(records: &Records) -> Vec<Refused> {
    (0..records.payloads.len())
        .filter_map(|row| {
            let (code, message) = refusal(records, row)?;
            Some(Refused { row, code, message })
        })
        .collect()
}

fn refusal(records: &Records, row: usize) -> Option<(&'static str, String)> {
    let mut bytes = records.payloads.value_length(row) as usize;
    if let Some(keys) = &records.keys {
        let key = if keys.is_null(row) { "" } else { keys.value(row) };
        bytes += key.len();
        let bound = match key.len() {
            0 => "greater than or equal to 1",
            len if len > KEY_CHARS_MAX && key.chars().count() > KEY_CHARS_MAX => {
                "less than or equal to 256"
            }
            _ => "",
        };
        if !bound.is_empty() {
            return Some((
                "partition_key",
                format!(
                    "value at 'partitionKey' failed to satisfy constraint: Member must have \
                     length {bound}"
                ),
            ));
        }
    }
    (bytes > RECORD_BYTES_MAX).then(|| {
        (
            "record_too_large",
            format!(
                "value at 'data' failed to satisfy constraint: Member must have length less than \
                 or equal to {RECORD_BYTES_MAX} (data and key are {bytes} bytes)"
            ),
        )
    })
}
