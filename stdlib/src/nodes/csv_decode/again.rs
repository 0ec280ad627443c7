//! Records of CSV that are read again, one by one, each with the header of its file.

use crate::csv::file::File;
use crate::csv::part::Shared;
use crate::nodes::quarantine_enter::meta;
use crate::replay::entrance::header;
use arrow_array::RecordBatch;
use arrow_array::cast::AsArray;
use engine::batch::{Resume, RowIds, Rows};
use engine::fault::Fault;
use engine::node::{Output, Transform};
use std::sync::Arc;

/// Reads each row as a record that stands where it stood in its file.
pub struct CsvAgain {
    shared: Arc<Shared>,
}

impl CsvAgain {
    /// For a decoder of these fields.
    pub fn new(shared: Arc<Shared>) -> CsvAgain {
        CsvAgain { shared }
    }
}

impl Transform for CsvAgain {
    fn apply(&mut self, rows: Rows, out: &mut Output) -> Result<(), Fault> {
        let mut nothing = rows.slice(0..0);
        nothing.columns = RecordBatch::new_empty(self.shared.schema.clone());
        let none = RowIds::empty(rows.ids.partition.clone());
        out.send_made(&nothing, nothing.columns.clone(), none, 0);
        for row in 0..rows.len() {
            let meta = meta(&rows, row)?;
            let line = meta.get("line").and_then(|line| line.parse().ok());
            let mut one = rows.slice(row..row + 1);
            one.resumed = Some(Arc::new(Resume {
                offset: 1,
                record: one.ids.first().unwrap_or_default(),
                line: line.unwrap_or(1),
                state: header(&meta).unwrap_or_default(),
            }));
            let mut file = File::open(&self.shared, &one)?;
            let payload = one.columns.column(0).as_binary::<i32>().value(0);
            if let Some(part) = file.read(&self.shared, payload.into(), true)? {
                part.send(out);
            }
        }
        Ok(())
    }
}
