//! `where`: lets the records through for which a condition holds.

use crate::rows::{is_wired, output_schema, row_faults, with_schema};
use arrow_array::BooleanArray;
use arrow_schema::SchemaRef;
use arrow_select::filter::filter_record_batch;
use dsl::spec::*;
use engine::batch::Rows;
use engine::ctx::NodeCtx;
use engine::expr::{Compiled, Env, compile};
use engine::fault::Fault;
use engine::node::{Output, Transform};
use engine::registry::Open;

/// What the node says of itself.
pub const SPEC: NodeSpec = NodeSpec {
    path: "where",
    summary: "Lets the records through for which a condition holds.",
    doc: "\
The others leave by `rejected`, or are filtered out and counted where nothing is connected to it;
either way they are acknowledged. A condition that is null does not hold. Behind
`where .CustomerID != null` the field is not null any more.

A condition that can fail (`int(.text) > 0`) gives the node an `errors` port, with the codes
`overflow`, `division_by_zero` and `conversion`.",
    kind: NodeKind::Transform,
    signatures: &["T -> T"],
    body: BodySpec::Condition,
    ports: &[PortSpec { name: "rejected", doc: "the records for which it does not hold" }],
    examples: &[Example {
        title: "Sales and cancellations apart.",
        flow: r#"
type Line = { no: text, quantity: int }

flow example : at_least_once {
  let sold = file.read("lines.csv") -> csv.decode as Line -> where .quantity > 0
  sold -> count("sold")
  sold.rejected -> count("cancelled")
  errors -> log
}
"#,
        files: &[("lines.csv", "no,quantity\n536365,6\nC536379,-1\n")],
        ..EXAMPLE
    }],
    ..BLANK
};

/// How it is opened.
pub fn open() -> Open {
    Open::Transform(Box::new(|ctx| Ok(Box::new(Where::new(&ctx)))))
}

#[derive(Clone)]
struct Where {
    condition: Compiled,
    env: Env,
    schema: SchemaRef,
    rejected: bool,
}

impl Where {
    fn new(ctx: &NodeCtx) -> Where {
        let condition = ctx.node.condition.as_ref().expect("`where` has a condition");
        Where {
            condition: compile(condition),
            env: Env::new(ctx),
            schema: output_schema(ctx),
            rejected: is_wired(ctx, "rejected"),
        }
    }
}

impl Transform for Where {
    fn apply(&mut self, rows: Rows, out: &mut Output) -> Result<(), Fault> {
        let (holds, faults) = self.condition.eval_condition(&rows, &self.env);
        let held = holds.true_count();
        if held == rows.len() {
            let columns = with_schema(&rows.columns, &self.schema);
            out.send(&rows, columns);
            return Ok(());
        }
        let kept = filter_record_batch(&rows.columns, &holds).expect("one flag a row");
        out.send_kept(&rows, &holds, with_schema(&kept, &self.schema));
        let others = rows.len() - held - faults.len();
        if self.rejected && others > 0 {
            let good = faults.good(rows.len());
            let refused = BooleanArray::new(good.values() & &!holds.values(), None);
            let columns = filter_record_batch(&rows.columns, &refused).expect("one flag a row");
            out.send_kept_to(Some("rejected"), &rows, &refused, columns);
        } else {
            out.filter(others);
        }
        out.fail(row_faults(faults, &rows));
        Ok(())
    }

    fn another(&self) -> Option<Box<dyn Transform>> {
        (!self.condition.draws()).then(|| Box::new(self.clone()) as _)
    }
}

#[cfg(test)]
mod tests;
