//! What the parts of the checker share: the files, the declarations by name, the request, and the
//! problems found so far.

use super::Request;
use crate::ast;
use crate::problem::{Label, Problem};
use crate::span::{Name, Span};
use crate::span::{SourceMap, Spanned};
use crate::spec::NodeSpec;
use crate::ty::Ty;
use crate::value::Value;
use std::collections::BTreeMap;

/// The context of one compilation.
pub(crate) struct Cx<'a> {
    /// All files.
    pub files: &'a SourceMap,
    /// The nodes by path (`csv.decode`, `stream.read`).
    pub specs: BTreeMap<&'static str, &'static NodeSpec>,
    /// What was found wrong so far, in the order of finding.
    pub problems: Vec<Problem>,
    /// The declarations of the root file.
    pub decls: Decls<'a>,
    /// What the user asked for.
    pub request: &'a Request,
    /// True while something is checked that the request runs: a parameter without a value is then
    /// a problem.
    pub chosen: bool,
}

impl<'a> Cx<'a> {
    /// A context with nothing declared.
    pub fn new(files: &'a SourceMap, specs: &[&'static NodeSpec], request: &'a Request) -> Cx<'a> {
        let specs = specs.iter().map(|spec| (spec.path, *spec)).collect();
        let decls = Decls::default();
        Cx { files, specs, problems: Vec::new(), decls, request, chosen: false }
    }

    /// Reports a problem; the same problem at the same place (a node declaration that is used
    /// twice, say) is kept once, and a name that is unknown at several places, or a field that is
    /// not in one record at several places, is one problem.
    pub fn report(&mut self, problem: Problem) {
        let about = |of: &Problem| of.labels.get(1).cloned();
        let unknown = |old: &&mut Problem| {
            let same = old.code == problem.code && old.message == problem.message;
            let field = problem.code == "E0302" && about(old) == about(&problem);
            same && (problem.code == "E0201" || field)
        };
        if let Some(old) = self.problems.iter_mut().find(unknown) {
            return again(old, &problem);
        }
        let same = |old: &Problem| {
            old.code == problem.code
                && old.primary() == problem.primary()
                && old.message == problem.message
        };
        if !self.problems.iter().any(same) {
            self.problems.push(problem);
        }
    }

    /// Reports a construct that parses but does not run in this release (E0001). `what` is as
    /// written (`window`), `instead` completes the help.
    pub fn unsupported(&mut self, span: Span, what: &str, instead: &str) {
        let message = format!("`{what}` is not supported yet");
        self.report(Problem::error("E0001", message, span, "not in this release").help(instead));
    }

    /// The line (from 1) on which a span starts.
    pub fn line(&self, span: Span) -> usize {
        self.files.line_column(span).0
    }
}

/// Adds the place of a problem to the problem that is the same; the first place stays the primary.
fn again(old: &mut Problem, new: &Problem) {
    const PLACES_MAX: usize = 8;
    let span = new.primary();
    if old.labels.iter().any(|label| label.span == span) || old.labels.len() >= PLACES_MAX {
        return;
    }
    let mut label = Label { span, text: "and here".into() };
    if span < old.primary() {
        std::mem::swap(&mut label.span, &mut old.labels[0].span);
    }
    old.labels.push(label);
}

/// The declarations of a file by name.
#[derive(Default)]
pub(crate) struct Decls<'a> {
    /// `type`
    pub types: BTreeMap<&'a str, TypeDecl<'a>>,
    /// `const`
    pub consts: BTreeMap<&'a str, ConstDecl<'a>>,
    /// `param`
    pub params: BTreeMap<&'a str, ParamDecl<'a>>,
    /// `secret`
    pub secrets: BTreeMap<&'a str, SecretDecl<'a>>,
    /// `stream`, `bucket`, `table`, `queue`, `delivery`
    pub resources: BTreeMap<&'a str, ResourceDecl<'a>>,
    /// `profile`
    pub profiles: BTreeMap<&'a str, ProfileDecl<'a>>,
    /// `node`
    pub nodes: BTreeMap<&'a str, NodeDecl<'a>>,
    /// `flow`
    pub flows: BTreeMap<&'a str, FlowDecl<'a>>,
    /// `query`
    pub queries: BTreeMap<&'a str, QueryDecl<'a>>,
    /// `test`, in order
    pub tests: Vec<TestDecl<'a>>,
}

/// Something worked out when it is first needed.
#[derive(Clone, Debug, Default)]
pub(crate) enum Lazy<T> {
    /// Not asked for yet.
    #[default]
    Todo,
    /// Being worked out: asking again is a cycle.
    Busy,
    /// Worked out.
    Done(T),
}

/// `type name = ty`
pub(crate) struct TypeDecl<'a> {
    pub name: &'a Name,
    pub ty: &'a ast::Type,
    /// The meaning, with the declared name on a record.
    pub resolved: Lazy<Ty>,
    pub used: bool,
}

/// `const name : ty = value`
pub(crate) struct ConstDecl<'a> {
    pub name: &'a Name,
    pub ty: Option<&'a ast::Type>,
    pub expr: &'a ast::Expr,
    /// `None` = it is wrong, and that was said.
    pub value: Lazy<Option<(Value, Ty)>>,
    pub used: bool,
}

/// `param name : ty = default`
pub(crate) struct ParamDecl<'a> {
    pub name: &'a Name,
    pub ty: &'a ast::Type,
    pub default: Option<&'a ast::Expr>,
    /// The request's value, else the default, else a placeholder of the type.
    pub value: Lazy<Option<(Value, Ty)>>,
    pub used: bool,
}

/// `secret name = env("X")`
pub(crate) struct SecretDecl<'a> {
    pub name: &'a Name,
    pub used: bool,
}

/// `stream name : ty key .k into b`
pub(crate) struct ResourceDecl<'a> {
    pub name: &'a Name,
    pub kind: &'a Spanned<ast::ResourceKind>,
    pub ty: &'a ast::Type,
    pub key: Option<&'a ast::Key>,
    pub into: Option<&'a Name>,
    /// What it holds.
    pub resolved: Lazy<Ty>,
    pub used: bool,
    /// Its place in the file: index into `Plan::resources`.
    pub index: usize,
}

/// `profile name …`
pub(crate) struct ProfileDecl<'a> {
    pub name: &'a Name,
    pub body: &'a ast::ProfileBody,
}

/// `node name(params) : input -> output { … }`
pub(crate) struct NodeDecl<'a> {
    pub name: &'a Name,
    pub formals: &'a [ast::Formal],
    pub input: Option<&'a ast::Type>,
    pub output: &'a ast::Type,
    pub body: &'a ast::Body,
    pub used: bool,
}

/// `flow name : guarantee { … }`
pub(crate) struct FlowDecl<'a> {
    pub name: &'a Name,
    pub guarantee: Option<&'a Spanned<ast::Guarantee>>,
    pub body: &'a ast::Body,
    pub doc: Option<&'a str>,
    /// Its place in the file.
    pub index: usize,
}

/// `query name on table as chart(…) """sql"""`
pub(crate) struct QueryDecl<'a> {
    pub name: &'a Name,
    pub on: &'a Name,
    pub chart: Option<&'a ast::Call>,
    pub sql: &'a ast::Template,
    pub doc: Option<&'a str>,
    /// Its place in the file.
    pub index: usize,
}

/// `test "title" { … }`
pub(crate) struct TestDecl<'a> {
    pub steps: &'a [ast::TestStep],
}
