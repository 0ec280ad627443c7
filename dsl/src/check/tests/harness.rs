//! A record type, some declarations and one expression: what type it has, or what is wrong.

use super::super::Request;
use super::super::cx::Cx;
use super::super::scope::Scope;
use super::super::{consts, decls, expr, record, types};
use crate::ast::{self, ItemKind, StageKind, Stmt};
use crate::parse;
use crate::plan::Expr;
use crate::problem::{Problem, Severity};
use crate::span::{Name, SourceMap, Span};
use crate::ty::Ty;

/// Declarations that every test sees.
pub const BASE: &str = r#"
type Stock = { Description: text?, Quantity: int }
type Line = {
  InvoiceNo:   text
  Quantity:    int
  UnitPrice:   decimal(10, 3)
  CustomerID:  text?
  Discount:    decimal(4, 2)?
  Weight:      float
  Paid:        bool
  At:          timestamp
  Day:         date
  Took:        duration
  Body:        bytes
  Stock:       Stock
  Spare:       Stock?
  Tags:        list<text>
  "Unit Kind": text
}
type Wide = { InvoiceNo: text, Total: decimal(38, 4), Note: text? }
type Invoice = { InvoiceNo: text, [text]: Stock }
param limit : int = 5
param listen : text = "127.0.0.1:8080"
param input : path = "data/in.csv"
param needed : int
const sample : Stock = { Description: null, Quantity: 6 }
const zero = 0
secret password = env("PW")
stream orders : json<Line> key .InvoiceNo
"#;

/// Runs `test` on the base declarations, `extra` ones and a flow around `stage`.
pub fn with<T>(
    extra: &str,
    stage: &str,
    request: &Request,
    test: impl for<'a> FnOnce(&mut Cx<'a>, &'a StageKind) -> T,
) -> (T, Vec<String>) {
    let mut files = SourceMap::default();
    let text = format!("{BASE}{extra}\nflow t {{\n  {stage}\n}}\n");
    let id = files.add("flows/test.flow", text);
    let (file, problems) = parse::parse(&files, id);
    assert!(problems.is_empty(), "`{stage}` does not parse: {problems:#?}");
    let mut cx = Cx::new(&files, &[], request);
    decls::collect(&mut cx, &file);
    types::resolve_all(&mut cx);
    let body = file.items.iter().find_map(|item| match &item.kind {
        ItemKind::Flow { body, .. } => Some(body),
        _ => None,
    });
    let Stmt::Chain(chain) = &body.expect("a flow").stmts[0] else { panic!("a chain") };
    let found = test(&mut cx, &chain.stages[0].kind);
    let shown = cx.problems.iter().map(|problem| shown(&files, problem)).collect();
    (found, shown)
}

/// `E0302 at ".x": message | label at ".y" | help`
pub fn shown(files: &SourceMap, problem: &Problem) -> String {
    let severity = if problem.severity == Severity::Warning { "warning " } else { "" };
    let at = files.text(problem.primary());
    let mut text = format!("{severity}{} at {at:?}: {}", problem.code, problem.message);
    for label in &problem.labels {
        text.push_str(&format!("\n  {:?}: {}", files.text(label.span), label.text));
    }
    if let Some(help) = &problem.help {
        text.push_str(&format!("\n  help: {}", help.replace('\n', "\n    ")));
    }
    text
}

/// The scope of a record of a declared type.
pub fn scope(cx: &mut Cx, ty: &str) -> Scope {
    let decl = &cx.decls.types[ty];
    let written = ast::TypeKind::Applied {
        name: Name { node: ty.to_string(), span: decl.name.span },
        args: Vec::new(),
        numbers: Vec::new(),
    };
    let span = decl.name.span;
    let ty = types::resolve(cx, &ast::Type { kind: written, span });
    Scope { batch: true, ..Scope::of(cx, ty, span) }
}

/// Types `where EXPR` on a `Line` and gives the expression and the problems.
pub fn typed(expr: &str) -> (Expr, Vec<String>) {
    with("", &format!("where {expr}"), &Request::default(), |cx, stage| {
        let StageKind::Where(written) = stage else { panic!("where") };
        let scope = scope(cx, "Line");
        expr::check(cx, written, &scope, None)
    })
}

/// Types an expression where a type is wanted.
pub fn wanted(expr: &str, ty: &str) -> (Expr, Vec<String>) {
    let extra = format!("type Wanted = {{ it: {ty} }}");
    with(&extra, &format!("where {expr}"), &Request::default(), |cx, stage| {
        let StageKind::Where(written) = stage else { panic!("where") };
        let Ty::Record(wanted) = scope(cx, "Wanted").record.expect("a record").ty else {
            panic!("a record")
        };
        let scope = scope(cx, "Line");
        expr::check(cx, written, &scope, Some(&wanted.fields[0].ty))
    })
}

/// Types `map RECORD` on a `Line`, wanted as a declared type.
pub fn record(written: &str, ty: Option<&str>, partial: bool) -> (Expr, Vec<String>) {
    with("", &format!("map {written}"), &Request::default(), |cx, stage| {
        let StageKind::Map(written) = stage else { panic!("map") };
        let wanted = ty.map(|ty| scope(cx, ty).record.expect("a record").ty);
        let key = ast::Key {
            fields: vec![Name { node: "InvoiceNo".into(), span: Span::default() }],
            span: Span::default(),
        };
        let want = wanted.as_ref().and_then(Ty::record).map(|ty| record::Want {
            ty,
            exact: true,
            partial,
            key: Some(&key),
            owner: "table `things`".into(),
            declared: None,
        });
        let scope = scope(cx, "Line");
        record::check(cx, written, &scope, want.as_ref())
    })
}

/// The value of a constant expression.
pub fn constant(expr: &str) -> (Option<crate::value::Value>, Vec<String>) {
    with("", &format!("where {expr}"), &Request::default(), |cx, stage| {
        let StageKind::Where(written) = stage else { panic!("where") };
        consts::value(cx, written, &Scope::empty(), None).map(|(value, _)| value)
    })
}

/// The first line of the only problem.
pub fn only(problems: &[String]) -> &str {
    assert_eq!(problems.len(), 1, "one problem: {problems:#?}");
    problems[0].lines().next().unwrap_or_default()
}

/// The rows of a table: `expression ==> result`, with `\n` for a line break.
pub fn table<const COLUMNS: usize>(text: &str) -> Vec<[String; COLUMNS]> {
    let row = |line: &str| {
        let columns: Vec<String> =
            line.split(" ==> ").map(|column| column.replace("\\n", "\n")).collect();
        columns.try_into().unwrap_or_else(|_| panic!("{COLUMNS} columns: {line}"))
    };
    text.lines().map(row).collect()
}
