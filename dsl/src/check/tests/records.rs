//! Records as values, and records that a declared type wants.

use super::harness::{only, record, table};

#[test]
fn a_record_has_the_fields_that_are_written() {
    for (written, ty) in [
        ("{ .InvoiceNo, total: .Quantity * 2 }", "{ InvoiceNo: text, total: int }"),
        ("{ ...sample, Quantity: 2.5 }", "{ Description: text?, Quantity: decimal(2, 1) }"),
        (
            "{ ...sample, Quantity: 1, [.InvoiceNo]: .Stock }",
            "{ Description: text?, Quantity: int, [text]: Stock }",
        ),
        ("{ \"a b\": 1, type: 2 }", "{ a b: int, type: int }"),
        ("{}", "{  }"),
    ] {
        let (found, problems) = record(written, None, false);
        assert!(problems.is_empty(), "{written}: {}", problems.join("\n"));
        assert_eq!(found.ty.to_string(), ty, "{written}");
    }
    let (found, _) = record("{ ..., Quantity: \"x\" }", None, false);
    let fields = &found.ty.record().expect("a record").fields;
    assert_eq!(fields.len(), 15);
    assert_eq!((fields[1].name.as_str(), fields[1].ty.to_string().as_str()), ("Quantity", "text"));
}

#[test]
fn a_declared_type_is_exact() {
    for [written, ty, partial, problem] in table(include_str!("problems_of_records.txt")) {
        let (_, problems) = record(&written, Some(&ty), partial == "true");
        assert_eq!(problems[0].lines().next().unwrap_or_default(), problem, "{written}");
    }
    let (found, problems) = record("{ .InvoiceNo, Total: 1 }", Some("Wide"), true);
    assert!(problems.is_empty(), "{problems:#?}");
    assert_eq!(found.ty.to_string(), "{ InvoiceNo: text, Total: decimal(38, 4) }");
    let (found, _) = record("{ .InvoiceNo, Total: 1, Note: null }", Some("Wide"), false);
    assert_eq!(found.ty.to_string(), "Wide");
    let written = "{ .InvoiceNo, [.InvoiceNo]: { Description: null, .Quantity } }";
    let (_, problems) = record(written, Some("Invoice"), true);
    assert!(problems.is_empty(), "{problems:#?}");
}

#[test]
fn a_field_twice_is_said_once() {
    let (_, problems) = record("{ a: 1, a: 2, a: 3 }", None, false);
    assert_eq!(problems.len(), 2);
    let (_, problems) = record("{ a: .Nope, b: .Quantity }", None, false);
    assert!(only(&problems).starts_with("E0302"));
}
