//! `json.encode`: turns records into JSON objects.

use crate::json::encode::encode;
use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use dsl::spec::*;
use dsl::ty::Ty;
use engine::batch::Rows;
use engine::fault::Fault;
use engine::node::{Output, Transform};
use engine::registry::Open;
use engine::schema::arrow_schema;
use std::sync::Arc;

/// What the node says of itself.
pub const SPEC: NodeSpec = NodeSpec {
    path: "json.encode",
    summary: "Turns records into JSON objects.",
    doc: "\
Each record becomes one object, its fields in the order of its type, without blanks. Texts keep
their characters; decimals are exact and as short as they can be (2.550 is `2.55`); timestamps are
RFC 3339 in UTC (`2010-12-01T08:26:00Z`); bytes are base64; null is `null`. It cannot fail. At a
resource whose type is JSON it need not be written.",
    kind: NodeKind::Transform,
    signatures: &["T -> json<T>"],
    examples: &[Example {
        title: "Order lines as JSON in the run's log.",
        flow: r#"
type Line = { no: text, price: decimal(10, 3), at: timestamp }

flow example : at_least_once {
  file.read("lines.csv") -> csv.decode as Line -> json.encode -> log
  errors -> log
}
"#,
        files: &[("lines.csv", "no,price,at\n536365,2.550,2010-12-01T08:26:00Z\n")],
        ..EXAMPLE
    }],
    ..BLANK
};

/// How it is opened.
pub fn open() -> Open {
    Open::Transform(Box::new(|_| Ok(Box::new(JsonEncode { schema: arrow_schema(&Ty::Bytes) }))))
}

#[derive(Clone)]
struct JsonEncode {
    schema: SchemaRef,
}

impl Transform for JsonEncode {
    fn apply(&mut self, rows: Rows, out: &mut Output) -> Result<(), Fault> {
        let payload = Arc::new(encode(&rows.columns));
        let columns = RecordBatch::try_new(self.schema.clone(), vec![payload]);
        out.send(&rows, columns.expect("one column of payload"));
        Ok(())
    }

    fn another(&self) -> Option<Box<dyn Transform>> {
        Some(Box::new(self.clone()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow_array::{ArrayRef, Int64Array};
    use engine::testing;

    #[test]
    fn one_object_a_row() {
        let n: ArrayRef = Arc::new(Int64Array::from(vec![1, 2]));
        let rows = testing::rows(RecordBatch::try_from_iter([("n", n)]).unwrap());
        let mut node = JsonEncode { schema: arrow_schema(&Ty::Bytes) };
        let seen = testing::apply(&mut node, rows).unwrap();
        assert_eq!(seen.payloads(None), [br#"{"n":1}"#, br#"{"n":2}"#]);
        assert_eq!(seen.rows(None).unwrap().columns.schema(), arrow_schema(&Ty::Bytes));
    }
}
