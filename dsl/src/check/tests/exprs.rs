//! Types of expressions, and what is wrong with them.

use super::harness::{constant, only, table, typed, wanted, with};
use crate::check::expr::fallible;
use crate::check::{Request, consts};
use crate::ty::Ty;

#[test]
fn expressions_have_the_types_of_the_language() {
    for [expr, ty] in table(include_str!("types_of_expressions.txt")) {
        let (found, problems) = typed(&expr);
        assert!(problems.is_empty(), "{expr}: {}", problems.join("\n"));
        assert_eq!(found.ty.to_string(), ty, "{expr}");
    }
}

#[test]
fn what_is_wrong_is_said_once_at_its_place() {
    for [expr, problem] in table(include_str!("problems_of_expressions.txt")) {
        let (_, problems) = typed(&expr);
        assert_eq!(only(&problems), problem, "{expr}");
    }
}

#[test]
fn values_take_the_type_of_their_place() {
    for (expr, ty) in [
        ("2.55", "decimal(10, 3)"),
        ("3", "decimal(10, 3)"),
        (".Quantity", "decimal(10, 3)"),
        (".UnitPrice", "decimal(12, 4)"),
        (".InvoiceNo", "text?"),
        ("null", "text?"),
        ("decimal(.InvoiceNo)", "decimal(10, 3)"),
        ("\"bar\"", "\"bar\""),
        ("\"https://example.org\"", "url"),
        ("[1, 2]", "list<int>"),
        ("[]", "list<int>"),
        ("{ Description: null, Quantity: 1 }", "Stock"),
        ("sample", "Stock?"),
        (".Stock", "{ Quantity: int }"),
    ] {
        let (found, problems) = wanted(expr, ty);
        assert!(problems.is_empty(), "{expr} as {ty}: {}", problems.join("\n"));
        assert_eq!(found.ty.to_string(), ty, "{expr}");
    }
    for [expr, ty, problem] in table(include_str!("problems_of_places.txt")) {
        let (_, problems) = wanted(&expr, &ty);
        assert_eq!(only(&problems), problem, "{expr} as {ty}");
    }
}

#[test]
fn what_can_fail_is_known() {
    for (expr, why) in [
        (".Quantity + 1", None),
        (".Quantity / 2", None),
        (".UnitPrice / .UnitPrice", Some("division by zero")),
        (".Quantity % .Quantity", Some("division by zero")),
        ("int(.InvoiceNo)", Some("not a whole number of 64 bits")),
        ("int(.InvoiceNo) catch 0", None),
        ("int(.InvoiceNo) catch int(.CustomerID ?? \"\")", Some("not a whole number of 64 bits")),
        ("float(.Quantity)", None),
        ("float(.InvoiceNo)", Some("not a number")),
        ("date(.At)", None),
        ("timestamp(\"2010-12-01T08:26:00Z\") == .At", None),
        ("\"{int(.InvoiceNo)}\"", Some("not a whole number of 64 bits")),
    ] {
        let (found, problems) = typed(expr);
        assert!(problems.is_empty(), "{expr}: {}", problems.join("\n"));
        assert_eq!(fallible(&found), why, "{expr}");
    }
    let (found, _) = wanted(".Quantity * .UnitPrice", "decimal(12, 3)");
    assert_eq!(fallible(&found), Some("a number with too many digits"));
    let (found, _) = wanted(".UnitPrice", "decimal(12, 3)");
    assert_eq!(fallible(&found), None);
}

#[test]
fn constants_are_worked_out_before_the_run() {
    for [expr, value] in table(include_str!("constants.txt")) {
        let (found, problems) = constant(&expr);
        assert!(problems.is_empty(), "{expr}: {}", problems.join("\n"));
        assert_eq!(found.map(|value| value.to_string()).as_deref(), Some(value.as_str()), "{expr}");
    }
    let (_, problems) = constant("now()");
    assert_eq!(
        only(&problems),
        "E0313 at \"now()\": this value is needed before the run, and `now()` is not known"
    );
    let (_, problems) = constant("5_000_000_000 * 5_000_000_000");
    assert_eq!(
        only(&problems),
        "E0311 at \"5_000_000_000 * 5_000_000_000\": `5_000_000_000 * 5_000_000_000` does not \
         fit `int`"
    );
    let (_, problems) = constant(".Quantity");
    assert_eq!(
        only(&problems),
        "E0302 at \".Quantity\": `.Quantity` is a field, and no record flows here"
    );
}

#[test]
fn params_are_given_as_text() {
    let param = |name: &str, given: &[(&str, &str)], run: bool| {
        let params =
            given.iter().map(|(name, text)| (name.to_string(), text.to_string())).collect();
        let request = Request { params, run, ..Request::default() };
        let name = name.to_string();
        let (found, problems) = with("param wait : duration", "drop", &request, |cx, _| {
            cx.chosen = true;
            consts::param(cx, &name)
        });
        (found.map(|(value, _)| value.to_string()), problems)
    };
    let known = |name: &str, given: &[(&str, &str)]| param(name, given, true).0;
    assert_eq!(known("limit", &[]).as_deref(), Some("5"));
    assert_eq!(known("limit", &[("limit", "1_000")]).as_deref(), Some("1000"));
    assert_eq!(known("wait", &[("wait", "90s")]).as_deref(), Some("90s"));
    // A path of the command line is relative to the current directory, one of the file to the file.
    assert_eq!(known("input", &[("input", "in.csv")]).as_deref(), Some("\"in.csv\""));
    assert_eq!(known("input", &[]).as_deref(), Some("\"flows/data/in.csv\""));
    let (found, problems) = param("limit", &[("limit", "many")], true);
    assert_eq!(found, None);
    assert_eq!(only(&problems), "E0803 at \"int\": param `limit` is an `int`, and `many` is none");
    let (_, problems) = param("needed", &[], true);
    assert_eq!(only(&problems), "E0804 at \"needed\": param `needed` has no value");
    let (found, problems) = param("needed", &[], false);
    assert!(found.is_some() && problems.is_empty(), "a check needs no values");
}

#[test]
fn the_advice_can_be_pasted() {
    for [expr, help] in table(include_str!("advice.txt")) {
        let (_, problems) = typed(&expr);
        let found = problems[0].split("help: ").nth(1).unwrap_or_default();
        assert_eq!(found, help, "{expr}");
    }
}

#[test]
fn poison_is_silent() {
    let (found, problems) = typed(".Nope + upper(.Nope) * (if .Nope then 1 else .Nope)");
    assert_eq!(found.ty, Ty::Unknown);
    // Each `.Nope` is a place of its own; nothing is said of what depends on them.
    assert!(problems.iter().all(|problem| problem.starts_with("E0302")), "{problems:#?}");
}
