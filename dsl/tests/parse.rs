//! The parser on the reference flow, on each usual mistake, and on broken bytes.

use dsl::ast::*;
use dsl::parse::parse;
use dsl::problem::Problem;
use dsl::span::SourceMap;
use dsl::value::Value;

const ECOMMERCE: &str = include_str!("../../flows/ecommerce.flow");

fn parsed(text: &str) -> (SourceMap, File, Vec<Problem>) {
    let mut files = SourceMap::default();
    let file = files.add("test.flow", text);
    let (ast, problems) = parse(&files, file);
    (files, ast, problems)
}

/// The problems as `code@line:column text | message | help`.
fn told(text: &str) -> Vec<String> {
    let (files, _, problems) = parsed(text);
    let tell = |problem: &Problem| {
        let (line, column) = files.line_column(problem.primary());
        let (code, under) = (problem.code, files.text(problem.primary()));
        let help = problem.help.as_deref().unwrap_or("");
        format!("{code}@{line}:{column} {under} | {} | {help}", problem.message)
    };
    problems.iter().map(tell).collect()
}

fn flow(body: &str) -> String {
    format!("flow a : at_least_once {{\n{body}\n}}\n\nstream orders : text\n")
}

/// The first problem of a statement, with the place in the whole text; the declaration after the
/// flow is always read.
fn told_of(body: &str) -> String {
    let text = flow(body);
    let (_, ast, _) = parsed(&text);
    assert!(matches!(ast.items.last().map(|item| &item.kind), Some(ItemKind::Resource { .. })));
    told(&text).into_iter().next().unwrap_or_default()
}

fn expr(text: &str) -> Expr {
    let (_, mut ast, problems) = parsed(&format!("const x = {text}"));
    assert_eq!(problems, [], "{text}");
    match ast.items.remove(0).kind {
        ItemKind::Const { value, .. } => value,
        other => panic!("{other:?}"),
    }
}

/// An expression with every operator in brackets.
fn shape(expr: &Expr) -> String {
    match &expr.kind {
        ExprKind::Binary { op, left, right } => {
            format!("({} {} {})", shape(left), op.node.word(), shape(right))
        }
        ExprKind::Unary { op, expr } => format!("({:?} {})", op.node, shape(expr)),
        ExprKind::Field(name) => format!(".{name}"),
        ExprKind::Ident(name) => name.clone(),
        ExprKind::Literal(value) => value.to_string(),
        ExprKind::Get { of, name, optional } => {
            format!("{}{}{}", shape(of), if *optional { "?." } else { "." }, name.node)
        }
        ExprKind::Index { of, index, optional } => {
            format!("{}{}{}]", shape(of), if *optional { "?[" } else { "[" }, shape(index))
        }
        ExprKind::Call { of, args } => {
            let args: Vec<String> = args.iter().map(|arg| shape(&arg.value)).collect();
            format!("{}({})", shape(of), args.join(", "))
        }
        ExprKind::If { cond, then, other } => {
            format!("if {} then {} else {}", shape(cond), shape(then), shape(other))
        }
        ExprKind::Lambda { param, body } => format!("{} => {}", param.node, shape(body)),
        other => format!("{other:?}"),
    }
}

#[test]
fn the_reference_flow_is_read_whole() {
    let (files, ast, problems) = parsed(ECOMMERCE);
    assert_eq!(problems, []);
    assert_eq!(ast.items.len(), 30);
    let docs: Vec<&str> = ast.items.iter().filter_map(|item| item.doc.as_deref()).collect();
    assert_eq!(docs.len(), 3);
    assert_eq!(docs[1], "Every order line on the stream, decoded.");
    let stream = &ast.items[7];
    assert_eq!(files.text(stream.span), "stream orders     : json<Line>       key .InvoiceNo");
    let ItemKind::Flow { name, guarantee, body } = &ast.items[21].kind else { panic!() };
    assert_eq!((name.node.as_str(), body.stmts.len()), ("dynamo", 5));
    assert_eq!(guarantee.as_ref().map(|word| word.node), Some(Guarantee::AtLeastOnce));
    let Stmt::Chain(chain) = &body.stmts[1] else { panic!() };
    let StageKind::Node(upsert) = &chain.stages[1].kind else { panic!() };
    assert_eq!(upsert.call.dotted(), "invoices.upsert");
    assert_eq!(upsert.record.as_ref().map(|record| record.entries.len()), Some(2));
}

#[test]
fn operators_bind_as_documented() {
    for (text, expected) in [
        (
            ".a catch .b or .c and not .d == .e ?? .f + .g * -.h",
            "(.a catch (.b or (.c and (Not (.d == (.e ?? (.f + (.g * (Neg .h)))))))))",
        ),
        ("1 - 2 - 3", "((1 - 2) - 3)"),
        ("(1 - 2) * 3", "((1 - 2) * 3)"),
        (".a?.b?[0].c", ".a?.b?[0].c"),
        ("round(x, 2) / y", "(round(x, 2) / y)"),
        (
            "if .a > 0 then 1 else if .b then 2 else 3",
            "if (.a > 0) then 1 else if .b then 2 else 3",
        ),
        ("any(.tags, t => t == \"x\")", "any(.tags, t => (t == \"x\"))"),
        (".type", ".type"),
        (".\"Unit Price\"", ".Unit Price"),
    ] {
        assert_eq!(shape(&expr(text)), expected, "{text}");
    }
}

#[test]
fn literals_have_their_values() {
    let value = |text: &str| match expr(text).kind {
        ExprKind::Literal(value) => value,
        other => panic!("{text}: {other:?}"),
    };
    assert_eq!(value("1_000_000"), Value::Int(1_000_000));
    assert_eq!(value("2.55"), Value::Decimal { unscaled: 255, scale: 2 });
    assert_eq!(value("1_000.50"), Value::Decimal { unscaled: 100_050, scale: 2 });
    assert_eq!(value("5min"), Value::Duration(300_000_000_000));
    assert_eq!(value("250us"), Value::Duration(250_000));
    assert_eq!(value("5MiB"), Value::Size(5 << 20));
    assert_eq!(value("10MB"), Value::Size(10_000_000));
    assert_eq!(value(r#""a\n\t\"\\\{b\}""#), Value::Text("a\n\t\"\\{b}".into()));
    assert_eq!(value("null"), Value::Null);
    assert_eq!(value("true"), Value::Bool(true));
    let ExprKind::Template(text) = expr(r#""{batch.time:%H:%M}-{ f("x") }.txt""#).kind else {
        panic!()
    };
    assert_eq!(text.parts.len(), 4);
    let TemplatePart::Hole { format: Some(format), .. } = &text.parts[0] else { panic!() };
    assert_eq!(format.node, "%H:%M");
}

/// A statement, and what is said of it.
const MISTAKES: &[(&str, &str)] = &[
    (
        "  orders.read -> batch(max: 500, size: 4MB wait: 60s) -> drop",
        "E0102@2:44 wait | expected `,` or `)` | write `size: 4MB, wait: 60s`",
    ),
    (
        "  orders.read -> batch(max: 500, size: 4MB\n    -> drop",
        "E0102@3:5 -> | expected `,` or `)` | write `batch(max: 500, size: 4MB)`",
    ),
    (
        "  orders.read > base64.decode",
        "E0104@2:15 > | `>` is not an arrow | \
      edges are written `->`: `orders.read -> base64.decode`",
    ),
    (
        "  orders.read | drop",
        "E0104@2:15 | | `|` is not an arrow | \
      edges are written `->`: `orders.read -> drop`",
    ),
    (
        "  orders.read => drop",
        "E0104@2:15 => | `=>` is not an arrow | \
      edges are written `->`: `orders.read -> drop`",
    ),
    (
        "  orders.read base64.decode -> drop",
        "E0102@2:15 base64 | expected `->` or a line break | \
         write `orders.read -> base64.decode -> drop`",
    ),
    (
        "  orders.read -> drop;",
        "E0102@2:22 ; | there are no semicolons | \
      a line break ends a statement; remove the `;`",
    ),
    (
        "  orders.read -> text.join(',')",
        "E0102@2:28 ',' | text is written in double quotes | \
      write `\",\"`",
    ),
    (
        "  orders.read -> text.join(\",)",
        "E0103@2:28 \" | this text is not closed | \
      write `\",)\"`, or `\"\"\"` for text of several lines",
    ),
    (
        "  orders.read -> lake.put(key: \"a{b\")",
        "E0103@2:34 { | `{` opens a hole in the text, \
      and it is not closed | close it with `}`, or write `\\{` for a plain brace",
    ),
    (
        "  orders.read -> batch(max = 500)",
        "E0102@2:28 = | an option takes `:` | \
      write `max: 500`",
    ),
    (
        "  orders.read -> batch (max: 500)",
        "E0102@2:24 ( | `(` must touch `batch` | \
      write `batch(`",
    ),
    ("  orders.read -> batch(wait: 5sec)", "E0102@2:30 5sec | `sec` is not a unit | write `5s`"),
    (
        "  orders.read -> batch(wait: 1.5s)",
        "E0102@2:30 1.5s | a quantity is a whole number | \
      write `1500ms`",
    ),
    (
        "  orders.read -> where .a = 1 -> drop",
        "E0102@2:27 = | `=` is not an operator here | \
      write `==`",
    ),
    (
        "  orders.read -> where .a && .b -> drop",
        "E0102@2:27 && | `&&` is not an operator here | \
      write `and`",
    ),
    (
        "  orders.read -> map { .a .b } -> drop",
        "E0102@2:27 .b | expected `,` or a line break | \
      write `.a, .b`",
    ),
    (
        "  let table = orders.read",
        "E0102@2:7 table | `table` is a word of the language and \
      cannot be a name here | use another name, such as `table_`",
    ),
    ("  line = orders.read", "E0102@2:8 = | a chain is named with `let` | write `let line = …`"),
    ("  orders.read -> drop)", "E0102@2:22 ) | `)` closes nothing | remove it"),
    ("  orders.read -> batch(max: 5] -> drop", "E0102@2:30 ] | `(` is closed by `]` | write `)`"),
    (
        "  orders.read -> map { total: [1 2] } -> drop",
        "E0102@2:34 2 | expected `,` or `]` | \
      write `1, 2`",
    ),
    (
        "  orders.read ->",
        "E0102@2:15 -> | a node is missing after `->` | end the chain with a sink: `-> drop`, \
 or remove the arrow",
    ),
];

#[test]
fn every_mistake_is_named_at_its_place() {
    let mut wrong = Vec::new();
    for &(body, expected) in MISTAKES {
        let told = told_of(body);
        if told != expected {
            wrong.push(format!("{body}\n  {told}\n  {expected}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

#[test]
fn a_broken_declaration_hides_no_other() {
    // the closing brace of `ingest` is gone
    let text = ECOMMERCE.replacen(
        "  errors -> quarantine.append\n}\n",
        "  errors -> quarantine.append\n",
        1,
    );
    let (_, ast, problems) = parsed(&text);
    assert_eq!((ast.items.len(), problems.len()), (29, 1));
    assert_eq!(told(&text), ["E0103@52:29 { | `{` is not closed | add `}` before line 59"]);
    // the inner brace of `upsert` is gone: the one that closes too much is found by its indentation
    let text = ECOMMERCE.replacen(".Country }\n  }\n", ".Country }\n", 1);
    assert_eq!(told(&text), ["E0103@84:27 { | `{` is not closed | add `}` before line 94"]);
    // each declaration has its own problem
    let text = "flow a {\n  x > y\n}\nsteam b : text\ntabel c: Line\nflow d {\n  x -> f(1 2)\n}\n";
    let (_, ast, _) = parsed(text);
    assert_eq!(ast.items.len(), 3);
    assert_eq!(
        told(text),
        [
            "E0104@2:5 > | `>` is not an arrow | edges are written `->`: `x -> y`",
            "E0101@4:1 steam | `steam` is not a declaration | did you mean `stream`?",
            "E0101@5:1 tabel | `tabel` is not a declaration | did you mean `table`?",
            "E0102@7:12 2 | expected `,` or `)` | write `1, 2`",
        ]
    );
}

/// A declaration, and what is said of it.
const MISDECLARED: &[(&str, &str)] = &[
    (
        "flwo a : at_least_once {\n}\n",
        "E0101@1:1 flwo | `flwo` is not a declaration | did you mean `flow`?",
    ),
    (
        "pipeline a {\n}\n",
        "E0101@1:1 pipeline | `pipeline` is not a declaration | a declaration begins with \
      one of: use, param, secret, const, type, stream, delivery, bucket, table, \
         queue, profile, node, flow, query, test",
    ),
    (
        "orders.read -> drop\n",
        "E0101@1:1 orders | `orders` is not a declaration | statements stand inside a \
      flow: `flow name { … }`",
    ),
    (
        "stream a : text\n\n  @\n",
        "E0102@3:3 @ | the declaration ends before `@` | a stream is written \
 `stream name : json<Line> key .field`",
    ),
    (
        "query q on t \"\"\"\n select 1\n\nquery r on t \"\"\" select 2 \"\"\"\n",
        "E0103@1:14 \"\"\" | this block of text is not closed | add `\"\"\"` before line 4",
    ),
    (
        "flow a : at_lest_once {\n}\n",
        "E0102@1:10 at_lest_once | `at_lest_once` is not a guarantee | \
      did you mean `at_least_once`?",
    ),
    (
        "param x = \"a\"\n",
        "E0102@1:9 = | expected `:` here | a param is written `param name : text = \"default\"`",
    ),
    (
        "stream orders = json<Line>\n",
        "E0102@1:15 = | expected `:` here | a stream is written \
      `stream name : json<Line> key .field`",
    ),
    ("type line = { a: text }\n", "E0102@1:6 line | a type begins with a capital | write `Line`"),
    (
        "type Line : { a: text }\n",
        "E0102@1:11 : | expected `=` here | a type is written `type Name = { field: text }`",
    ),
    (
        "type Line = { a: text b: int }\n",
        "E0102@1:23 b | expected `,` or a line break | write `a: text, b: int`",
    ),
    (
        "stream orders : json<Line\n",
        "E0102@1:22 Line | expected `,` or `>` after `Line` | it is written \
      `stream name : json<Line> key .field`",
    ),
    (
        "stream\n",
        "E0102@1:1 stream | expected a name after `stream` | it is written \
      `stream name : json<Line> key .field`",
    ),
    (
        "const x : int = 99999999999999999999\n",
        "E0102@1:17 99999999999999999999 | this number is too large | \
      an integer is at most 9223372036854775807",
    ),
];

#[test]
fn unknown_declarations_are_named() {
    for &(text, expected) in MISDECLARED {
        assert_eq!(told(text).first().map(String::as_str), Some(expected), "{text}");
    }
}

#[test]
fn deep_nesting_is_a_problem_and_no_overflow() {
    for (open, close) in [("(", ")"), ("[", "]"), ("f(", ")"), ("{ a: ", " }"), ("\"{", "}\"")] {
        let text = format!("const x = {}1{}\n", open.repeat(300), close.repeat(300));
        let told = told(&text);
        assert_eq!(told.len(), 1, "{open}");
        assert!(told[0].starts_with("E0105@1:"), "{told:?}");
    }
    for (left, middle, right) in [
        ("const x = ", "not ", "true"),
        ("const x = ", "-", "1"),
        ("const x = ", "1 + ", "1"),
        ("const x = a", ".b", ""),
        ("const x = ", "if a then b else ", "c"),
        ("flow f { a", " catch a", "}"),
        ("type T = ", "list<", ""),
    ] {
        for count in [300, 100_000] {
            let told = told(&format!("{left}{}{right}\n", middle.repeat(count)));
            assert_eq!(told.len(), 1, "{middle} {told:?}");
            let unclosed = middle == "list<";
            assert!(unclosed || told[0].starts_with("E0105"), "{middle} {told:?}");
        }
    }
}

/// Whatever the bytes, there is an answer, and every place lies in the file.
fn survives(text: &str) {
    let (files, ast, problems) = parsed(text);
    for item in &ast.items {
        let _ = files.text(item.span);
    }
    for label in problems.iter().flat_map(|problem| &problem.labels) {
        let _ = files.text(label.span);
    }
    assert!(!ast.items.is_empty() || !problems.is_empty() || text.len() < 100);
}

/// The texts of the declarations, each with what stands before it.
fn declarations() -> Vec<&'static str> {
    let (_, ast, _) = parsed(ECOMMERCE);
    let starts: Vec<usize> = ast.items.iter().map(|item| item.span.start as usize).collect();
    let ends = starts.iter().skip(1).copied().chain([ECOMMERCE.len()]);
    starts.iter().zip(ends).map(|(start, end)| &ECOMMERCE[*start..end]).collect()
}

#[test]
fn every_prefix_has_an_answer() {
    for text in declarations() {
        for end in (0..=text.len()).filter(|end| text.is_char_boundary(*end)) {
            survives(&text[..end]);
        }
    }
    for end in (0..=ECOMMERCE.len()).step_by(97).filter(|end| ECOMMERCE.is_char_boundary(*end)) {
        survives(&ECOMMERCE[..end]);
    }
}

#[test]
fn random_edits_have_an_answer() {
    const INSERTED: &[char] = &[
        '(', ')', '[', ']', '{', '}', '"', '\'', '\\', '-', '>', '=', '|', ',', ':', ';', '.', '#',
        '\n', ' ', '0', 'a', 'Z', '?', '<', '!', '&', '£', '→', '\0', '\u{FEFF}', '\r',
    ];
    let declarations = declarations();
    let mut seed = 0x2545_F491_4F6C_DD1D_u64;
    let mut random = |below: usize| {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        (seed % below as u64) as usize
    };
    for round in 0..2_000 {
        let first = random(declarations.len() - 2);
        let mut edited: Vec<char> = declarations[first..first + 3].concat().chars().collect();
        for _ in 0..1 + round % 3 {
            let at = random(edited.len());
            if round % 2 == 0 {
                edited.remove(at);
            } else {
                edited.insert(at, INSERTED[random(INSERTED.len())]);
            }
        }
        survives(&edited.into_iter().collect::<String>());
    }
}
