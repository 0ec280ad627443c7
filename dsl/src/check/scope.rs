//! What an expression can see: the record that flows here, the batch, and local names.

use super::cx::Cx;
use crate::span::Span;
use crate::ty::Ty;
use crate::value::Value;
use std::collections::BTreeMap;

/// What an expression can see beside the declarations of the file.
#[derive(Clone, Debug, Default)]
pub(crate) struct Scope {
    /// The record that `.field` reads; `None` where nothing flows (a profile, a constant).
    pub record: Option<Incoming>,
    /// True where `batch.id`, `batch.time`, `batch.count` and `batch.size` are there.
    pub batch: bool,
    /// The parameters of the `node` declaration around it.
    pub locals: BTreeMap<String, Local>,
}

/// What arrives where an expression stands.
#[derive(Clone, Debug)]
pub(crate) struct Incoming {
    /// Its type; a wire type where it is encoded.
    pub ty: Ty,
    /// The node that sends it (its words, without the arguments).
    pub from: Span,
    /// The label at `from`: "sends a `Line` (declared at line 10)".
    pub sends: String,
}

/// A parameter of a `node` declaration, with the value of this use.
#[derive(Clone, Debug)]
pub(crate) struct Local {
    /// Its type.
    pub ty: Ty,
    /// Its value; `None` where it was wrong.
    pub value: Option<Value>,
    /// True where the value stands in the file: no param is in it.
    pub literal: bool,
}

impl Scope {
    /// Sees no record, no batch and no local name.
    pub fn empty() -> Scope {
        Scope::default()
    }

    /// Sees the record that `from` sends.
    pub fn of(cx: &Cx, ty: Ty, from: Span) -> Scope {
        Scope { record: Some(Incoming::new(cx, ty, from)), ..Scope::default() }
    }

    /// The same with another type of the record (after narrowing).
    pub fn with_type(&self, ty: Ty) -> Scope {
        let mut scope = self.clone();
        if let Some(record) = &mut scope.record {
            record.ty = ty;
        }
        scope
    }
}

impl Incoming {
    /// What `from` sends, with the label that says so.
    pub fn new(cx: &Cx, ty: Ty, from: Span) -> Incoming {
        let sends = format!("sends {}", described(cx, &ty));
        Incoming { ty, from, sends }
    }
}

/// `an` before a vowel, else `a`.
fn article(name: &str) -> &'static str {
    let vowel = name.starts_with(['a', 'e', 'i', 'o', 'A', 'E', 'I', 'O']);
    if vowel { "an" } else { "a" }
}

/// A type in the words of a label: "a `Line` (declared at line 10)", "`json<Line>`".
pub(crate) fn described(cx: &Cx, ty: &Ty) -> String {
    let name = ty.record().and_then(|record| record.name.as_deref());
    match (name, ty) {
        (Some(name), _) => match cx.decls.types.get(name) {
            Some(decl) => {
                let line = cx.line(decl.name.span);
                format!("{} `{name}` (declared at line {line})", article(name))
            }
            None => format!("{} `{name}`", article(name)),
        },
        (None, Ty::Record(_)) => "this record".into(),
        (None, other) => format!("`{other}`"),
    }
}
