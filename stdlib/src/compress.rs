//! What nodes that compress and decompress share: payloads one by one, cut to batches that memory
//! bears.

use crate::json::encode::{offset, payload};
use arrow_array::cast::AsArray;
use arrow_array::{Array, BinaryArray, BooleanArray, RecordBatch};
use arrow_schema::SchemaRef;
use engine::batch::Rows;
use engine::fault::RowFault;
use engine::node::Output;
use std::io::Read;
use std::ops::Range;
use std::sync::Arc;

/// Bytes of answers after which a batch is sent; one answer more may be in it.
const BATCH_BYTES: usize = 64 << 20;
/// The most that `max` of a decoder may be: with a batch it stays under the 2 GiB of a column.
pub const MAX_BYTES: i64 = 1 << 30;

/// Sends what `work` makes of each payload, by appending to the buffer; rows for which it has an
/// error (a code and a message) leave by `errors` as they came.
pub fn each(
    rows: &Rows,
    schema: &SchemaRef,
    out: &mut Output,
    mut work: impl FnMut(&[u8], &mut Vec<u8>) -> Result<(), (&'static str, String)>,
) {
    let payloads: &BinaryArray = rows.columns.column(0).as_binary();
    let mut part = Part::default();
    let mut faults = Vec::new();
    for row in 0..payloads.len() {
        let given = payloads.value(row);
        let length = part.bytes.len();
        match work(given, &mut part.bytes) {
            Ok(()) => part.ends.push(offset(part.bytes.len())),
            Err((code, message)) => {
                part.bytes.truncate(length);
                let (payload, meta) = (given.to_vec(), Vec::new());
                faults.push(RowFault { row, code, message, payload, meta });
            }
        }
        part.kept.push(faults.last().is_none_or(|fault| fault.row != row));
        if part.bytes.len() >= BATCH_BYTES {
            let first = row + 1 - part.kept.len();
            std::mem::take(&mut part).send(rows, first..row + 1, schema, out);
        }
    }
    let first = payloads.len() - part.kept.len();
    part.send(rows, first..payloads.len(), schema, out);
    out.fail(faults);
}

/// Some rows' answers.
#[derive(Default)]
struct Part {
    bytes: Vec<u8>,
    ends: Vec<i32>,
    /// One flag a row.
    kept: Vec<bool>,
}

impl Part {
    fn send(self, all: &Rows, range: Range<usize>, schema: &SchemaRef, out: &mut Output) {
        if self.ends.is_empty() {
            return;
        }
        let rows = all.slice(range);
        let offsets = std::iter::once(0).chain(self.ends).collect();
        let columns = vec![Arc::new(payload(self.bytes, offsets)) as _];
        let columns = RecordBatch::try_new(schema.clone(), columns);
        let columns = columns.expect("one column of payload");
        match self.kept.iter().all(|kept| *kept) {
            true => out.send(&rows, columns),
            false => out.send_kept(&rows, &BooleanArray::from(self.kept), columns),
        }
    }
}

/// Reads all of a decoder, `max` bytes at most.
///
/// # Errors
/// A code and a message: `code` where the data is not of the `format`, `too_large` where it holds
/// more.
pub fn read_all(
    decoder: impl Read,
    max: u64,
    (code, format): (&'static str, &str),
    out: &mut Vec<u8>,
) -> Result<(), (&'static str, String)> {
    let read = decoder.take(max + 1).read_to_end(out);
    match read {
        Ok(bytes) if bytes as u64 > max => {
            let message = format!("it holds more than {max} bytes: raise `max` if that is right");
            Err(("too_large", message))
        }
        Ok(_) => Ok(()),
        Err(error) => Err((code, format!("no {format}: {error}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dsl::ty::Ty;
    use engine::fault::Fault;
    use engine::node::Transform;
    use engine::schema::arrow_schema;
    use engine::testing;

    /// Each payload is a size in MiB of an answer of zeros; `-` fails.
    struct Zeros;

    impl Transform for Zeros {
        fn apply(&mut self, rows: Rows, out: &mut Output) -> Result<(), Fault> {
            each(&rows, &arrow_schema(&Ty::Bytes), out, |given, out| {
                let text = String::from_utf8_lossy(given);
                let size: usize = text.parse().map_err(|_| ("size", "no size".to_owned()))?;
                out.resize(out.len() + (size << 20), 0);
                Ok(())
            });
            Ok(())
        }
    }

    #[test]
    fn large_answers_leave_in_several_batches() {
        let rows = testing::payload(&["0", "40", "-", "40", "0", "-", "70", "1", "-"]);
        let seen = testing::apply(&mut Zeros, rows).unwrap();
        let sent = seen.sent.iter().map(|(_, rows)| rows.ids.seqs().collect::<Vec<_>>());
        assert_eq!(sent.collect::<Vec<_>>(), [vec![0, 1, 3], vec![4, 6], vec![7]]);
        let failed: Vec<_> = seen.failed.iter().map(|fault| (fault.row, fault.code)).collect();
        assert_eq!(failed, [(2, "size"), (5, "size"), (8, "size")]);
        assert_eq!(seen.failed[0].payload, b"-");
    }
}
