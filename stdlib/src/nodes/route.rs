//! `route`: sends each record to the first arm whose condition holds, once.

use crate::rows::row_faults;
use arrow_array::BooleanArray;
use arrow_buffer::BooleanBuffer;
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
    path: "route",
    summary: "Sends each record to the first arm whose condition holds, once.",
    doc: "\
The arms are tried in order; `else` takes the records for which none holds and must be there. A
condition that is null does not hold. 32 conditions at most.

A condition that can fail gives the node an `errors` port, with the codes `overflow`,
`division_by_zero` and `conversion`; a record whose condition fails goes to no arm.",
    kind: NodeKind::Transform,
    signatures: &["T -> T"],
    examples: &[Example {
        title: "Returns, samples and sales.",
        flow: r#"
type Line = { no: text, quantity: int, price: decimal(10, 3) }

flow example : at_least_once {
  file.read("lines.csv") -> csv.decode as Line -> route {
    .quantity < 0 -> count("returns")
    .price == 0   -> count("samples")
    else          -> count("sales")
  }
  errors -> log
}
"#,
        files: &[("lines.csv", "no,quantity,price\n536365,6,2.55\nC1,-1,2.55\n536366,1,0\n")],
        ..EXAMPLE
    }],
    ..BLANK
};

/// The ports of the arms; `else` is the last.
const ARMS: [&str; 33] = [
    "0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "11", "12", "13", "14", "15", "16",
    "17", "18", "19", "20", "21", "22", "23", "24", "25", "26", "27", "28", "29", "30", "31", "32",
];

/// How it is opened.
pub fn open() -> Open {
    Open::Transform(Box::new(|ctx| Ok(Box::new(Route::new(&ctx)?))))
}

#[derive(Clone)]
struct Route {
    conditions: Vec<Compiled>,
    env: Env,
}

impl Route {
    fn new(ctx: &NodeCtx) -> Result<Route, Fault> {
        let conditions: Vec<Compiled> = ctx.node.conditions.iter().map(compile).collect();
        if conditions.len() >= ARMS.len() {
            let message = format!("`route` has {} conditions; 32 is the most", conditions.len());
            let help = "put a second `route` behind `else`";
            return Err(Fault::service("route_arms", message).help(help));
        }
        Ok(Route { conditions, env: Env::new(ctx) })
    }
}

impl Transform for Route {
    fn apply(&mut self, rows: Rows, out: &mut Output) -> Result<(), Fault> {
        let mut open = BooleanBuffer::new_set(rows.len());
        let mut failed = Vec::new();
        for (condition, arm) in self.conditions.iter().zip(ARMS) {
            let (holds, faults) = condition.eval_condition(&rows, &self.env);
            send(arm, &rows, &open & holds.values(), out);
            open = &open & &!holds.values();
            if !faults.is_empty() {
                let (good, undecided) = (faults.good(rows.len()), open.clone());
                let mut faults = row_faults(faults, &rows);
                faults.retain(|fault| undecided.value(fault.row));
                failed.extend(faults);
                open = &open & good.values();
            }
        }
        send(ARMS[self.conditions.len()], &rows, open, out);
        out.fail(failed);
        Ok(())
    }

    fn another(&self) -> Option<Box<dyn Transform>> {
        let draws = self.conditions.iter().any(Compiled::draws);
        (!draws).then(|| Box::new(self.clone()) as _)
    }
}

fn send(arm: &'static str, rows: &Rows, taken: BooleanBuffer, out: &mut Output) {
    let taken = BooleanArray::new(taken, None);
    let columns = filter_record_batch(&rows.columns, &taken).expect("one flag a row");
    out.send_kept_to(Some(arm), rows, &taken, columns);
}

#[cfg(test)]
mod tests;
