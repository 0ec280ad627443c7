//! What is JSON and what is not.

use super::*;

fn scan(text: &str) -> Result<Kind, SyntaxError> {
    let mut scanner = Scanner::new(text.as_bytes(), 0);
    let token = scanner.value(0)?;
    if scanner.at_end() { Ok(token.kind) } else { scanner.error("more") }
}

#[test]
fn takes_what_serde_takes_and_nothing_else() {
    for text in [
        "1",
        "-0",
        "0.5",
        "1e9",
        "-1.5E-3",
        "true",
        "null",
        "[]",
        "[1, [2]]",
        "{}",
        r#"{"a": {"b": [1, "x"]}, "c": null}"#,
        r#""\u00e9\ud83d\ude00\n""#,
        " 1 ",
        "",
        "01",
        "1.",
        ".5",
        "+1",
        "1e",
        "tru",
        "nul",
        "[1,]",
        "[1 2]",
        "{\"a\"}",
        "{a:1}",
        "{\"a\":1,}",
        "\"\\x\"",
        "\"\\ud800\"",
        "\"\\udc00\"",
        "\"\\u12g4\"",
        "\"\\u+123\"",
        "\"a",
        "\"\n\"",
        "NaN",
        "1 2",
        "{",
        "[",
        "-",
        "'a'",
    ] {
        let serde = serde_json::from_str::<serde_json::Value>(text).is_ok();
        assert_eq!(scan(text).is_ok(), serde, "{text}");
    }
}

#[test]
fn nesting_has_an_end() {
    let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    assert!(scan(&nested(64)).is_ok());
    let error = scan(&nested(65)).unwrap_err();
    assert_eq!((error.at, error.what), (64, "values are nested more than 64 deep"));
    assert!(scan(&"[".repeat(1_000_000)).is_err());
}

#[test]
fn escapes_read_back() {
    for text in [r#""a\"\\\/\b\f\n\r\tz""#, r#""\u0041\u00e9\u20ac\ud83d\ude00!""#] {
        let mut out = Vec::new();
        unescape(&text.as_bytes()[1..text.len() - 1], &mut out);
        assert_eq!(String::from_utf8(out).unwrap(), serde_json::from_str::<String>(text).unwrap());
    }
}
