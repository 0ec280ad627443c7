//! Written types.

use super::harness::{only, scope, with};
use crate::check::Request;

/// The resolved field `it` of a record type, and the problems.
fn resolved(ty: &str, extra: &str) -> (String, Vec<String>) {
    let extra = format!("type Tested = {{ it: {ty} }}\n{extra}");
    with(&extra, "drop", &Request::default(), |cx, _| {
        let ty = scope(cx, "Tested").record.expect("a record").ty;
        ty.record().expect("a record").fields[0].ty.to_string()
    })
}

#[test]
fn types_are_what_they_say() {
    for (written, ty) in [
        ("text?", "text?"),
        ("decimal", "decimal(38, 9)"),
        ("decimal(5)", "decimal(5, 0)"),
        ("list<map<text, Stock?>>", "list<map<text, Stock?>>"),
        ("Failure", "Failure"),
        ("\"bar\"", "\"bar\""),
    ] {
        let (found, problems) = resolved(written, "");
        assert!(problems.is_empty(), "{written}: {}", problems.join("\n"));
        assert_eq!(found, ty);
    }
}

#[test]
fn wrong_types_are_named() {
    for (written, problem) in [
        ("txet", "E0201 at \"txet\": there is no type `txet`"),
        ("string", "E0201 at \"string\": there is no type `string`"),
        ("Lien", "E0201 at \"Lien\": there is no type `Lien`"),
        ("decimal(40, 2)", "E0312 at \"decimal(40, 2)\": a decimal has 1 to 38 digits, not 40"),
        (
            "decimal(4, 5)",
            "E0312 at \"decimal(4, 5)\": of 4 digits in all, 5 cannot stand behind the point",
        ),
        ("text(5)", "E0312 at \"5\": `text` takes no numbers"),
        ("list", "E0312 at \"list\": `list` takes one type in `<…>`"),
        ("int<text>", "E0312 at \"int<text>\": `int` takes no types"),
        ("json<Line>", "E0312 at \"json<Line>\": a field cannot hold `json<Line>`"),
        ("map<int, text>", "E0312 at \"map<int, text>\": the keys of a map are `text`, not `int`"),
        ("{ a: int, a: text }", "E0202 at \"a\": the field `a` is declared twice"),
        ("{ ... }", "E0001 at \"...\": `...` is not supported yet"),
        ("Tested", "E0208 at \"Tested\": type `Tested` contains itself"),
    ] {
        let (_, problems) = resolved(written, "");
        assert_eq!(only(&problems), problem, "{written}");
    }
    let (_, problems) = resolved("text", "bucket b : json<text>");
    assert_eq!(only(&problems), "E0312 at \"json<text>\": `json<…>` holds a record, not `text`");
}
