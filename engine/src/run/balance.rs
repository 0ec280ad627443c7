//! The balance law: no row appears or disappears without a word.

use crate::batch::Rows;
use crate::node::Output;
use std::fmt;

/// What must be equal; printed as the equation that does not hold.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Equation {
    left: Vec<(&'static str, u64)>,
    right: Vec<(&'static str, u64)>,
}

impl Equation {
    /// `Ok` where both sums are equal.
    pub fn check(
        left: &[(&'static str, u64)],
        right: &[(&'static str, u64)],
    ) -> Result<(), Equation> {
        let sum = |side: &[(&str, u64)]| side.iter().map(|(_, n)| n).sum::<u64>();
        if sum(left) == sum(right) {
            return Ok(());
        }
        Err(Equation { left: left.to_vec(), right: right.to_vec() })
    }
}

impl fmt::Display for Equation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let side = |terms: &[(&str, u64)]| {
            let shown = |i: usize| i == 0 || terms[i].1 > 0;
            let texts = (0..terms.len()).filter(|i| shown(*i));
            let texts: Vec<String> =
                texts.map(|i| format!("{} {}", terms[i].0, terms[i].1)).collect();
            texts.join(" + ")
        };
        write!(f, "{} ≠ {}", side(&self.left), side(&self.right))
    }
}

/// What became of the rows of one call of a transform.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Call {
    /// Rows that were sent, each once.
    pub sent: u64,
    /// Rows that went into a joined row and are not rows any more.
    pub joined: u64,
    /// Rows that were failed.
    pub failed: u64,
    /// Rows that were opened by a decoder, which sends records of its own.
    pub opened: u64,
}

/// Counts one call and checks that it balances: without a decoder, each row given is sent, failed,
/// filtered or joined; with one, each record made is.
pub(crate) fn check_call(out: &Output, given: Option<&Rows>) -> Result<Call, Equation> {
    let rows = given.map_or(0, |rows| rows.len() as u64);
    let excess = |rows: &Rows| (rows.ids.len() - rows.len().min(rows.ids.len())) as u64;
    let joins = given.is_some_and(|rows| excess(rows) == 0) && !out.decodes;
    let call = Call {
        sent: out.sent.iter().map(|sent| sent.rows.len() as u64).sum(),
        joined: if joins { out.sent.iter().map(|sent| excess(&sent.rows)).sum() } else { 0 },
        failed: out.failed.iter().map(|failed| failed.faults.len() as u64).sum(),
        opened: if out.decodes { rows } else { 0 },
    };
    Equation::check(
        &[("in", rows), ("made", out.made)],
        &[
            ("out", call.sent),
            ("failed", call.failed),
            ("filtered", out.filtered),
            ("joined", call.joined),
            ("opened", call.opened),
        ],
    )?;
    Ok(call)
}
