//! What a stream refuses, in the words of the service that it stands for.

use crate::service::{Records, Refused};
use arrow_array::Array;

/// Bytes of a record at most, whatever the service.
pub const BYTES_MAX: usize = 256 << 20;
/// Characters of a partition key at most.
const KEY_CHARS_MAX: usize = 256;

/// The service that a stream stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Service {
    /// Kinesis: 1 MiB with the partition key, which has 1 to 256 characters.
    Kinesis,
    /// Firehose: 1,000 KiB.
    Firehose,
    /// Appends to a bucket: what memory takes.
    Bucket,
}

impl Service {
    /// The records that are refused, in order.
    pub fn refused(self, records: &Records) -> Vec<Refused> {
        (0..records.payloads.len())
            .filter_map(|row| {
                let (code, message) = self.refusal(records, row)?;
                Some(Refused { row, code, message })
            })
            .collect()
    }

    fn refusal(self, records: &Records, row: usize) -> Option<(&'static str, String)> {
        let mut bytes = records.payloads.value_length(row) as usize;
        if let Some(keys) = &records.keys {
            let key = if keys.is_null(row) { "" } else { keys.value(row) };
            bytes += key.len();
            if let Some(message) = bad_key(key) {
                return Some(("partition_key", message));
            }
        }
        let (field, max) = match self {
            Service::Kinesis => ("data", 1 << 20),
            Service::Firehose => ("record.data", 1000 << 10),
            Service::Bucket => ("record", BYTES_MAX),
        };
        (bytes > max).then(|| {
            let message = format!(
                "value at '{field}' failed to satisfy constraint: Member must have length less \
                 than or equal to {max} (it has {bytes} bytes)"
            );
            ("record_too_large", message)
        })
    }
}

fn bad_key(key: &str) -> Option<String> {
    let bound = match key.len() {
        0 => "greater than or equal to 1",
        len if len > KEY_CHARS_MAX && key.chars().count() > KEY_CHARS_MAX => {
            "less than or equal to 256"
        }
        _ => return None,
    };
    Some(format!(
        "value at 'partitionKey' failed to satisfy constraint: Member must have length {bound}"
    ))
}
