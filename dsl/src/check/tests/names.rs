//! Names of objects: which of their parts are taken as they are, and which are percent-encoded.

use super::harness::{scope, with};
use crate::ast::StageKind;
use crate::check::{Request, template};
use crate::plan::{Expr, ExprKind, TemplatePart};
use crate::value::Value;

const DECLS: &str = r#"
param day    : text = "2010/12"
param at     : timestamp
const folder = "raw/orders"
const month  = "{folder}/{day}"
const same   = folder
"#;

/// A name, with `{…}` for a value as it is and `[…]` for an encoded one.
fn name(written: &str) -> String {
    let mut request = Request::default();
    request.params.insert("at".into(), "2010-12-01T08:26:00Z".into());
    let (name, problems) = with(DECLS, &format!("where {written}"), &request, |cx, stage| {
        let StageKind::Where(written) = stage else { panic!("where") };
        let scope = scope(cx, "Line");
        let name: Expr = template::check_name(cx, written, &scope);
        let text = |expr: &Expr| match &expr.kind {
            ExprKind::Const(Value::Text(text)) => text.clone(),
            _ => cx.files.text(expr.span).to_owned(),
        };
        match &name.kind {
            ExprKind::Template(parts) => parts
                .iter()
                .map(|part| match part {
                    TemplatePart::Text(text) => text.clone(),
                    TemplatePart::Hole(hole, _) => format!("{{{}}}", text(hole)),
                    TemplatePart::Encoded(hole) => format!("[{}]", text(hole)),
                })
                .collect(),
            _ => text(&name),
        }
    });
    assert!(problems.is_empty(), "{written}: {problems:#?}");
    name
}

#[test]
fn what_stands_in_the_file_is_taken_as_it_is() {
    for (written, expected) in [
        (r#""a/../b.txt""#, "a/../b.txt"),
        (r#""{folder}/x""#, "raw/orders/x"),
        ("folder", "raw/orders"),
        (r#""{same}/{upper("a/b")}""#, "raw/orders/A/B"),
        (r#""{batch.time:%Y/%m}/{batch.id}""#, "{batch.time}/{batch.id}"),
        ("batch.id", "batch.id"),
        (r#""{.At:%Y/%m}/{.Day:%d}""#, "{.At}/{.Day}"),
        (r#""{at:%Y/%m}/x""#, "2010/12/x"),
        (r#""{folder}/{batch.count}""#, "{raw/orders}/{batch.count}"),
    ] {
        assert_eq!(name(written), expected, "{written}");
    }
}

#[test]
fn every_other_value_is_encoded() {
    for (written, expected) in [
        (r#""a/{day}/x""#, "a/2010%2F12/x"),
        ("day", "2010%2F12"),
        (r#""{month}/x""#, "raw%2Forders%2F2010%2F12/x"),
        (r#""{upper(day)}-{at}""#, "2010%2F12-2010-12-01T08%3A26%3A00Z"),
        (r#""a/{day}/{batch.id}""#, "a/[2010/12]/{batch.id}"),
        (r#""{.InvoiceNo}/{.Quantity}.txt""#, "[.InvoiceNo]/[.Quantity].txt"),
        (".InvoiceNo", "[.InvoiceNo]"),
        (r#""{.At}/{lower(batch.id)}""#, "[.At]/[lower(batch.id)]"),
    ] {
        assert_eq!(name(written), expected, "{written}");
    }
}
