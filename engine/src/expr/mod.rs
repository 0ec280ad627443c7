//! Typed expressions, compiled once to column kernels.
//!
//! [`compile`] turns an expression of the plan into a tree of kernels; [`Compiled::eval`] runs it
//! over the columns of a batch. A row that cannot be worked out (an overflow, a text that is no
//! number) does not stop the others: it is named in [`Faults`], and its place in the result holds
//! a value without meaning. Of several faults of one row the leftmost is kept. `and`, `or`, `if`,
//! `??` and `catch` report only faults of the side that decides.
//!
//! | code | when |
//! |---|---|
//! | `overflow` | a result has more digits than its type |
//! | `division_by_zero` | `/` or `%` by zero |
//! | `conversion` | a function such as `int(…)` cannot read its argument |

mod arith;
mod call;
mod cast;
mod column;
mod compare;
mod convert;
pub mod decimal;
mod eval;
mod fault;
mod number;
mod print;
mod text;
pub mod time;
mod tree;

pub use cast::conform;
pub use convert::{is_url, is_uuid, parse_bool, parse_float};
pub use fault::{ExprFault, Faults};
pub(crate) use print::write_plain as write_text;

use crate::batch::Rows;
use crate::ctx::{Clock, NodeCtx};

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, BooleanArray, StringArray};
use arrow_buffer::BooleanBuffer;
use dsl::plan::{Entry, Expr, ExprKind};
use std::sync::{Arc, Mutex};
use tree::Tree;

/// What `now()` and `uuid()` read.
#[derive(Clone)]
pub struct Env {
    clock: Arc<dyn Clock>,
    random: Arc<Mutex<fastrand::Rng>>,
}

impl Env {
    /// The run's clock, and random numbers of the run's seed and the node's id.
    pub fn new(ctx: &NodeCtx) -> Env {
        Env::with(ctx.run.clock.clone(), ctx.run.seed, &ctx.node.id)
    }

    /// A clock, and random numbers of a seed and a name.
    pub fn with(clock: Arc<dyn Clock>, seed: u64, name: &str) -> Env {
        let hash = blake3::hash(name.as_bytes());
        let salt = hash.as_bytes().iter().take(8).fold(0u64, |sum, &byte| sum << 8 | byte as u64);
        Env { clock, random: Arc::new(Mutex::new(fastrand::Rng::with_seed(seed ^ salt))) }
    }
}

/// An expression, ready to run.
#[derive(Clone, Debug)]
pub struct Compiled(Arc<Tree>);

/// The result of an expression.
#[derive(Debug)]
pub struct Evaluated {
    /// A value for each row, of the type that [`crate::schema::data_type`] gives; without meaning
    /// where `faults` names the row.
    pub values: ArrayRef,
    /// The rows that failed.
    pub faults: Faults,
}

/// Compiles an expression of a checked plan.
///
/// # Panics
/// For an expression that the checker does not let through.
pub fn compile(expr: &Expr) -> Compiled {
    Compiled(Arc::new(Tree::of(expr)))
}

impl Compiled {
    /// Its results depend on the calls before: it draws random numbers.
    pub fn draws(&self) -> bool {
        self.0.draws()
    }

    /// Works it out for every row.
    pub fn eval(&self, rows: &Rows, env: &Env) -> Evaluated {
        let mut faults = Faults::default();
        let cx = eval::Cx { rows, env };
        let values = self.0.eval(&cx, &mut faults).array(cx.len());
        Evaluated { values, faults: faults.sorted() }
    }

    /// Works out a condition: true where it holds, false where it does not, is null, or failed.
    pub fn eval_condition(&self, rows: &Rows, env: &Env) -> (BooleanArray, Faults) {
        let Evaluated { values, faults } = self.eval(rows, env);
        let values = values.as_boolean();
        let mut holds = values.values().clone();
        if let Some(nulls) = values.nulls() {
            holds = &holds & nulls.inner();
        }
        if !faults.is_empty() {
            holds = &holds & faults.good(values.len()).values();
        }
        (BooleanArray::new(holds, None), faults)
    }
}

/// A record expression, ready to run.
#[derive(Clone, Debug)]
pub struct CompiledRecord {
    named: Arc<[(String, Tree)]>,
    computed: Arc<[(Tree, Tree)]>,
}

/// The result of a record expression.
#[derive(Debug)]
pub struct EvaluatedRecord {
    /// The named entries, in the order written: one column each.
    pub columns: Vec<(String, ArrayRef)>,
    /// The computed entries `[name]: value`, in the order written.
    pub computed: Vec<Computed>,
    /// The rows in which any entry failed.
    pub faults: Faults,
}

/// A computed entry: for each row a name and a value.
#[derive(Debug)]
pub struct Computed {
    /// The names; null only where the row failed or the name is null.
    pub names: StringArray,
    /// The values.
    pub values: ArrayRef,
}

/// Compiles the record of `map` or `upsert`.
///
/// # Panics
/// For an expression that is no record.
pub fn compile_record(expr: &Expr) -> CompiledRecord {
    let ExprKind::Record(entries) = &expr.kind else {
        unreachable!("the checker gives a record here, not {:?}", expr.kind)
    };
    let (mut named, mut computed) = (Vec::new(), Vec::new());
    for entry in entries {
        match entry {
            Entry::Named(name, value) => named.push((name.clone(), Tree::of(value))),
            Entry::Computed(name, value) => computed.push((Tree::of(name), Tree::of(value))),
        }
    }
    CompiledRecord { named: named.into(), computed: computed.into() }
}

impl CompiledRecord {
    /// Its results depend on the calls before: it draws random numbers.
    pub fn draws(&self) -> bool {
        self.named.iter().any(|(_, value)| value.draws())
            || self.computed.iter().any(|(name, value)| name.draws() || value.draws())
    }

    /// Works out all entries for every row.
    pub fn eval(&self, rows: &Rows, env: &Env) -> EvaluatedRecord {
        let mut faults = Faults::default();
        let cx = eval::Cx { rows, env };
        let columns = self
            .named
            .iter()
            .map(|(name, value)| (name.clone(), value.eval(&cx, &mut faults).array(cx.len())))
            .collect();
        let computed = self
            .computed
            .iter()
            .map(|(name, value)| Computed {
                names: name.eval(&cx, &mut faults).array(cx.len()).as_string().clone(),
                values: value.eval(&cx, &mut faults).array(cx.len()),
            })
            .collect();
        EvaluatedRecord { columns, computed, faults: faults.sorted() }
    }
}

/// Fills a template option for a batch, which has at least one row.
///
/// # Errors
/// A hole that cannot be worked out; or the text is not the same for all rows (`template_differs`),
/// so that no one text is the batch's.
pub fn eval_text(compiled: &Compiled, rows: &Rows, env: &Env) -> Result<String, ExprFault> {
    let Evaluated { values, faults } = compiled.eval(rows, env);
    if let Some(fault) = faults.into_iter().next() {
        return Err(fault);
    }
    let texts = values.as_string::<i32>();
    let first = texts.value(0);
    match (1..texts.len()).find(|&row| texts.value(row) != first) {
        None => Ok(first.to_string()),
        Some(row) => {
            let other = texts.value(row);
            let message = format!("the rows of one batch give both {first:?} and {other:?}");
            Err(ExprFault { row, code: "template_differs", message })
        }
    }
}

/// All true, for a mask of `len` rows.
fn all_true(len: usize) -> BooleanBuffer {
    BooleanBuffer::new_set(len)
}

#[cfg(test)]
mod tests;
