//! The functions of the language: the example of each is worked out by the checker (of constants)
//! and by the kernels (of a column), and both give what the table says.

use arrow_array::{Array, ArrayRef, RecordBatch};
use dsl::check::functions::{FUNCTIONS, FunctionSpec};
use dsl::check::{Request, compile};
use dsl::plan::{Entry, Expr, ExprKind};
use dsl::span::SourceMap;
use engine::expr::{self, Env};
use engine::testing;
use std::sync::Arc;

/// The plan's expression for `it: expr` in a `map` behind records of `{ x: ty }`.
fn planned(expr: &str, ty: &str) -> Expr {
    let mut files = SourceMap::default();
    let text = format!(
        "type In = {{ x: {ty} }}\n\nflow t {{\n  file.read(\"in.csv\") -> csv.decode as In -> map \
         {{ it: {expr} }} -> drop\n  errors -> drop\n}}\n"
    );
    let root = files.add("functions.flow", text);
    let specs = stdlib::registry::specs();
    let (plan, problems) = compile(&files, root, &specs, &Request::default());
    let Some(plan) = plan else { panic!("`{expr}` of {ty}: {problems:#?}") };
    let map = plan.graph.node_weights().find(|node| node.op == "map");
    let record = map.and_then(|node| node.record.clone()).expect("a map");
    match record.kind {
        ExprKind::Record(mut entries) => match entries.pop() {
            Some(Entry::Named(_, value)) => value,
            other => panic!("{other:?}"),
        },
        other => panic!("{other:?}"),
    }
}

/// An expression for one record whose `x` is given.
fn evaluated(expr: &Expr, x: ArrayRef) -> ArrayRef {
    let ctx = testing::ctx();
    let env = Env::with(ctx.clock.clone(), ctx.seed, "test");
    let columns = RecordBatch::try_from_iter([("x", x)]).expect("one column");
    let evaluated = expr::compile(expr).eval(&testing::rows(columns), &env);
    assert!(evaluated.faults.is_empty(), "{:?}", evaluated.faults);
    evaluated.values
}

/// A constant as a column of one row.
fn constant(text: &str) -> (Expr, ArrayRef) {
    let expr = planned(text, "text");
    let none: ArrayRef = Arc::new(arrow_array::StringArray::from(vec![""]));
    let values = evaluated(&expr, none);
    (expr, values)
}

/// The text of the first argument of a call, and the call with `.x` in its place.
fn of_column(call: &str) -> Option<(String, String)> {
    let (name, rest) = call.split_once('(')?;
    let mut quoted = false;
    let end = rest.find(|each| {
        quoted ^= each == '"';
        !quoted && (each == ',' || each == ')')
    })?;
    let first = &rest[..end];
    (!first.is_empty()).then(|| (first.to_string(), format!("{name}(.x{}", &rest[end..])))
}

#[test]
fn every_function_is_in_the_docs() {
    let docs = include_str!("../../docs/language.md");
    let words: Vec<&str> =
        docs.split(|each: char| !each.is_alphanumeric() && each != '_').collect();
    for function in FUNCTIONS {
        assert!(
            words.contains(&function.name),
            "docs/language.md does not name `{}`",
            function.name
        );
    }
}

fn has_fixed_result(function: &FunctionSpec) -> bool {
    !matches!(function.name, "now" | "uuid")
}

#[test]
fn the_examples_hold_for_constants() {
    for function in FUNCTIONS {
        let (call, result) = function.example;
        let (found, values) = constant(call);
        if has_fixed_result(function) {
            let (_, wanted) = constant(result);
            same(&values, &wanted, call);
        }
        assert_eq!(values.len(), 1, "{call}: {}", found.ty);
    }
}

#[test]
fn the_examples_hold_for_columns() {
    for function in FUNCTIONS {
        let (call, result) = function.example;
        let Some((argument, column_call)) = of_column(call) else { continue };
        let (typed, x) = constant(&argument);
        let expr = planned(&column_call, &typed.ty.to_string());
        assert!(!matches!(expr.kind, ExprKind::Const(_)), "{column_call} is no constant");
        let (_, wanted) = constant(result);
        same(&evaluated(&expr, x), &wanted, &column_call);
    }
}

#[test]
fn what_the_checker_works_out_the_kernels_work_out_too() {
    for (argument, call) in [
        ("\" 42\"", "text(int(.x) catch -1)"),
        ("\"+42\"", "text(int(.x) catch -1)"),
        ("\"2.50\"", "text(decimal(.x, 10, 3))"),
        ("\"2.5005\"", "text(decimal(.x, 10, 3) catch 0.0)"),
        ("\".5\"", "text(decimal(.x, 10, 3) catch 0.0)"),
        ("\"TRUE\"", "text(bool(.x) catch false)"),
        ("\"yes\"", "text(bool(.x) catch false)"),
        ("\"ß\"", "upper(.x)"),
        ("\"\\u\"", "text(length(.x))"),
        ("\" \\ttea\\n\"", "trim(.x)"),
        ("\"2010-12-01T08:26:00+01:00\"", "text(timestamp(.x) catch now())"),
        ("\"01.07.2010\"", "text(timestamp(.x, \"%d.%m.%Y\", \"Europe/London\") catch now())"),
        (
            "\"29.03.2020 01:30\"",
            "text(timestamp(.x, \"%d.%m.%Y %H:%M\", \"Europe/London\") catch \
          timestamp(\"1970-01-01T00:00:00Z\"))",
        ),
        (
            "\"25.10.2020 01:30\"",
            "text(timestamp(.x, \"%d.%m.%Y %H:%M\", \"Europe/London\") catch \
          timestamp(\"1970-01-01T00:00:00Z\"))",
        ),
        ("\"2010-02-30\"", "text(date(.x) catch date(\"1970-01-01\"))"),
        ("2.50", "text(.x)"),
        ("-0.05", "\"{.x}\""),
        ("90s", "\"{.x}\""),
        ("timestamp(\"2010-12-01T08:26:00.5Z\")", "\"{.x} {.x:%d/%m/%y %H:%M:%S%.3f}\""),
        ("date(\"2010-12-01\")", "\"{.x} {.x:%A}\""),
        ("10", "text(.x / 4)"),
        ("-2", "text(.x / 3)"),
        ("1.25", "text(.x / -0.7)"),
        ("-7", "text(.x % 3)"),
        ("-7.5", "text(.x % 2)"),
        ("0.05", "text(.x * -1.10)"),
        ("2.5", "text(int(.x) catch 0)"),
        ("2.0", "text(int(.x) catch 0)"),
    ] {
        let argument = argument.replace("\\u", "é");
        let (typed, x) = constant(&argument);
        let ty = typed.ty.to_string();
        let column = evaluated(&planned(call, &ty), x);
        let folded = folded(&call.replace(".x", &argument));
        match folded {
            Some(folded) => same(&column, &folded, &format!("{call} of {argument}")),
            // The checker refuses the call: it always fails, so the column took the other side.
            None => assert!(call.contains("catch"), "{call} of {argument}"),
        }
    }
}

/// The value of an expression of constants; `None` where the checker says that it always fails.
fn folded(text: &str) -> Option<ArrayRef> {
    let mut files = SourceMap::default();
    let root = files.add("folded.flow", format!("const it = {text}\n"));
    let (_, problems) = compile(&files, root, &stdlib::registry::specs(), &Request::default());
    if problems.iter().any(|problem| problem.message.contains("always fails")) {
        return None;
    }
    Some(constant(text).1)
}

/// Equal as text, so that decimals of different scales of one value may not pass, but types may
/// differ in precision.
fn same(found: &ArrayRef, wanted: &ArrayRef, what: &str) {
    let shown = |array: &ArrayRef| {
        arrow_cast::display::array_value_to_string(array, 0).expect("a printable value")
    };
    assert_eq!(shown(found), shown(wanted), "{what}");
}
