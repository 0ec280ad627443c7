//! `map`: makes a new record of each record.

use crate::rows::{output_schema, row_faults};
use arrow_array::{ArrayRef, BooleanArray, RecordBatch, RecordBatchOptions};
use arrow_schema::SchemaRef;
use arrow_select::filter::filter;
use dsl::spec::*;
use engine::batch::Rows;
use engine::ctx::NodeCtx;
use engine::expr::{CompiledRecord, Env, compile_record, conform};
use engine::fault::Fault;
use engine::node::{Output, Transform};
use engine::registry::Open;

/// What the node says of itself.
pub const SPEC: NodeSpec = NodeSpec {
    path: "map",
    summary: "Makes a new record of each record.",
    doc: "\
The record in braces is exactly what leaves: `.name` takes a field over, `name: …` makes one, `...`
takes all fields over that are not written. Arithmetic is exact and checked.

An entry that can fail (`int(.text)`, a division) gives the node an `errors` port: the record in
which it fails leaves there as it came, with the code `overflow`, `division_by_zero` or
`conversion`; `catch` gives a value instead.",
    kind: NodeKind::Transform,
    signatures: &["T -> record"],
    body: BodySpec::Required,
    examples: &[Example {
        title: "The amount of each line.",
        flow: r#"
type Line = { no: text, quantity: int, price: decimal(10, 3) }

flow example : at_least_once {
  file.read("lines.csv")
    -> csv.decode as Line
    -> map { .no, amount: .quantity * .price }
    -> log
  errors -> log
}
"#,
        files: &[("lines.csv", "no,quantity,price\n536365,6,2.55\n")],
        ..EXAMPLE
    }],
    ..BLANK
};

/// How it is opened.
pub fn open() -> Open {
    Open::Transform(Box::new(|ctx| Ok(Box::new(Map::new(&ctx)))))
}

#[derive(Clone)]
struct Map {
    record: CompiledRecord,
    env: Env,
    schema: SchemaRef,
}

impl Map {
    fn new(ctx: &NodeCtx) -> Map {
        let record = ctx.node.record.as_ref().expect("`map` has a record");
        Map { record: compile_record(record), env: Env::new(ctx), schema: output_schema(ctx) }
    }

    /// The columns of the new records, in the order of the schema; only those for which `kept` is
    /// true.
    fn columns(&self, made: &[(String, ArrayRef)], kept: Option<&BooleanArray>) -> Vec<ArrayRef> {
        let columns = self.schema.fields().iter().map(|field| {
            let entry = made.iter().find(|(name, _)| name == field.name());
            let (_, column) = entry.expect("the checker gave the record its entries");
            let column = match kept {
                Some(kept) => &filter(column.as_ref(), kept).expect("one flag a row"),
                None => column,
            };
            conform(column, field.data_type())
        });
        columns.collect()
    }
}

impl Transform for Map {
    fn apply(&mut self, rows: Rows, out: &mut Output) -> Result<(), Fault> {
        let made = self.record.eval(&rows, &self.env);
        let failed = made.faults.len();
        let kept = (failed > 0).then(|| made.faults.good(rows.len()));
        let columns = self.columns(&made.columns, kept.as_ref());
        let options = RecordBatchOptions::new().with_row_count(Some(rows.len() - failed));
        let columns = RecordBatch::try_new_with_options(self.schema.clone(), columns, &options);
        let columns = columns.expect("the entries have the types of the record");
        match kept {
            None => out.send(&rows, columns),
            Some(kept) => {
                out.send_kept(&rows, &kept, columns);
                out.fail(row_faults(made.faults, &rows));
            }
        }
        Ok(())
    }

    fn another(&self) -> Option<Box<dyn Transform>> {
        (!self.record.draws()).then(|| Box::new(self.clone()) as _)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::encode::encode;
    use arrow_array::{Int64Array, StringArray};
    use dsl::plan::{BinaryOp, Entry, Expr, ExprKind};
    use dsl::span::Span;
    use dsl::ty::{Field, RecordTy, Ty};
    use engine::testing;
    use std::sync::Arc;

    #[test]
    fn records_that_fail_leave_as_they_came() {
        let expr = |kind, ty| Expr { kind, ty, span: Span::default() };
        let parsed =
            expr(ExprKind::Call("int", vec![expr(ExprKind::Field("t".into()), Ty::Text)]), Ty::Int);
        let n = expr(ExprKind::Field("n".into()), Ty::Int);
        let sum = ExprKind::Binary(BinaryOp::Add, Box::new(n), Box::new(parsed));
        let record = ExprKind::Record(vec![Entry::Named("sum".into(), expr(sum, Ty::Int))]);
        let fields = vec![Field { name: "sum".into(), ty: Ty::Int, span: None }];
        let output = Ty::Record(RecordTy { fields, ..RecordTy::default() });
        let input = Ty::Record(RecordTy::default());
        let mut node =
            testing::plan_node("map", NodeKind::Transform, Some(input), Some(output.clone()));
        node.record = Some(expr(record, output));
        let mut map = Map::new(&testing::node_ctx(node, vec![]));

        let t: ArrayRef = Arc::new(StringArray::from(vec!["1", "x", "3"]));
        let n: ArrayRef = Arc::new(Int64Array::from(vec![10, 20, 30]));
        let rows = testing::rows(RecordBatch::try_from_iter([("t", t), ("n", n)]).unwrap());
        let seen = testing::apply(&mut map, rows).unwrap();
        let sent = seen.rows(None).unwrap();
        let sent: Vec<Vec<u8>> =
            encode(&sent.columns).iter().flatten().map(<[u8]>::to_vec).collect();
        assert_eq!(sent, [br#"{"sum":11}"#, br#"{"sum":33}"#]);
        assert_eq!(seen.codes(), ["conversion"]);
        assert_eq!(seen.failed[0].payload, br#"{"t":"x","n":20}"#);
    }
}
