//! What a stream refuses, in the words of the service that it stands for.

use crate::service::{Records, Refused};
use arrow_array::Array;

/// Bytes of a record at most, whatever the service.
pub const BYTES_MAX: usize = 256 << 20;
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

/// What one record may be.
struct Limits {
    /// What is limited, in the service's words.
    field: &'static str,
    /// Bytes of data and key at most.
    bytes_max: u64,
    /// Characters of a key at most.
    key_max: u64,
}

impl Service {
    /// The records that are refused, in order.
    pub fn refused(self, records: &Records) -> Vec<Refused> {
        let limits = self.limits();
        (0..records.payloads.len())
            .filter_map(|row| {
                let (code, message) = limits.refusal(records, row)?;
                Some(Refused { row, code, message })
            })
            .collect()
    }

    fn limits(self) -> Limits {
        let max = |id: &str| dsl::quotas::aws().limit(id).max;
        let (field, bytes_max) = match self {
            Service::Kinesis => ("data", max("kinesis.record")),
            Service::Firehose => ("record.data", max("firehose.record")),
            Service::Bucket => ("record", BYTES_MAX as u64),
        };
        Limits { field, bytes_max, key_max: max("kinesis.key") }
    }
}

impl Limits {
    fn refusal(&self, records: &Records, row: usize) -> Option<(&'static str, String)> {
        let mut bytes = records.payloads.value_length(row) as u64;
        if let Some(keys) = &records.keys {
            let key = if keys.is_null(row) { "" } else { keys.value(row) };
            bytes += key.len() as u64;
            if let Some(message) = self.bad_key(key) {
                return Some(("partition_key", message));
            }
        }
        let Limits { field, bytes_max, .. } = self;
        (bytes > *bytes_max).then(|| {
            let message = format!(
                "value at '{field}' failed to satisfy constraint: Member must have length less \
                 than or equal to {bytes_max} (it has {bytes} bytes)"
            );
            ("record_too_large", message)
        })
    }

    fn bad_key(&self, key: &str) -> Option<String> {
        let max = self.key_max;
        let bound = match key.len() as u64 {
            0 => "greater than or equal to 1".to_owned(),
            bytes if bytes > max && key.chars().count() as u64 > max => {
                format!("less than or equal to {max}")
            }
            _ => return None,
        };
        Some(format!(
            "value at 'partitionKey' failed to satisfy constraint: Member must have length {bound}"
        ))
    }
}
