//! How reports look.

use super::*;

const TEXT: &str = "\
stream orders : json<Line> key .InvoiceNo
bucket lake : text




# é in a comment
flow archive {
  orders.read -> json.decode -> out
}
";

fn at(text: &str, word: &str) -> Span {
    let start = text.find(word).expect("the word is in the text");
    Span::new(0, start, start + word.len())
}

fn files() -> SourceMap {
    let mut files = SourceMap::default();
    files.add("a.flow", TEXT);
    files
}

#[test]
fn labels_far_apart_are_two_snippets() {
    let problem = Problem::error(
        "E0401",
        "`json.decode` needs JSON, but what arrives is base64",
        at(TEXT, "json.decode"),
        "accepts  json<_>",
    )
    .label(at(TEXT, "orders.read"), "sends  base64<json<Line>>")
    .label(at(TEXT, "json<Line>"), "what `orders` holds")
    .help("decode that first:\n\n    orders.read -> base64.decode -> json.decode -> out");
    let expected = "\
E0401

  × `json.decode` needs JSON, but what arrives is base64
   ╭─[a.flow:1:17]
 1 │ stream orders : json<Line> key .InvoiceNo
   ·                 ─────┬────
   ·                      ╰── what `orders` holds
 2 │ bucket lake : text
   ╰────
    ╭─[a.flow:9:18]
  8 │ flow archive {
  9 │   orders.read -> json.decode -> out
    ·   ─────┬─────    ─────┬─────
    ·        │              ╰── accepts  json<_>
    ·        ╰── sends  base64<json<Line>>
 10 │ }
    ╰────
  help: decode that first:

            orders.read -> base64.decode -> json.decode -> out

1 error in flow archive
";
    assert_eq!(render(&files(), &[problem], Style::plain()), expected);
}

#[test]
fn problems_come_in_the_order_of_their_places() {
    let problems = [
        Problem::warning("W0901", "second", at(TEXT, "json.decode"), ""),
        Problem::error("E0202", "first", at(TEXT, "lake"), ""),
    ];
    let text = render(&files(), &problems, Style::plain());
    assert!(text.find("first") < text.find("second"));
    assert!(text.ends_with("\n1 error, 1 warning in a.flow\n"), "{text}");
}

#[test]
fn a_place_behind_the_end_is_shown_on_the_last_line() {
    let end = Span::new(0, TEXT.len(), TEXT.len());
    let problem = Problem::error("E0103", "`{` is never closed", end, "the file ends here");
    let text = report(&files(), &problem, Style::plain());
    assert!(text.contains(" 10 │ }\n") && text.contains("╰── the file ends here"), "{text}");
    let mut empty = SourceMap::default();
    empty.add("empty.flow", "");
    let problem = Problem::error("E0101", "the file is empty", Span::new(0, 0, 0), "nothing here");
    assert!(report(&empty, &problem, Style::plain()).contains("the file is empty"));
}

#[test]
fn other_files_have_their_own_snippets() {
    let mut files = files();
    let other = files.add("b.flow", "use \"a.flow\" { orders }\n");
    let span = Span::new(other, 0, 3);
    let problem = Problem::error("E0207", "a cycle", at(TEXT, "orders"), "here").label(span, "and");
    let text = report(&files, &problem, Style::plain());
    assert_eq!(text.matches("a cycle").count(), 1);
    assert!(text.contains("╭─[a.flow:1:8]") && text.contains("╭─[b.flow:1:1]"), "{text}");
}

#[test]
fn help_wraps_prose_and_keeps_code() {
    let code = format!("    {}", "word ".repeat(12).trim_end());
    let help = format!("{}\n{code}", "prose ".repeat(12).trim_end());
    let mut text = String::new();
    push_help(&mut text, &help, Style { color: false, width: 50 });
    assert!(text.lines().filter(|line| line.contains("prose")).all(|line| line.len() <= 50));
    assert!(text.contains(&code));
}

#[test]
fn thousands_are_separated() {
    assert_eq!(thousands(0), "0");
    assert_eq!(thousands(999), "999");
    assert_eq!(thousands(541_909), "541,909");
    assert_eq!(plural(1, "flow"), "1 flow");
}
