//! What `docs/language.md` shows is true: its whole files compile, and what it lists as not yet
//! supported is told so.

use dsl::check::{Request, compile};
use dsl::problem::Problem;
use dsl::span::SourceMap;

const PAGE: &str = include_str!("../docs/language.md");

fn problems(text: &str) -> Vec<Problem> {
    let mut files = SourceMap::default();
    let root = files.add("docs.flow", text);
    compile(&files, root, &stdlib::registry::specs(), &Request::default()).1
}

/// The blocks between lines of three backticks.
fn blocks(page: &str) -> Vec<&str> {
    page.split("\n```")
        .skip(1)
        .step_by(2)
        .filter_map(|block| Some(block.split_once('\n')?.1))
        .collect()
}

/// A block that declares a flow, and the profile that it needs to run.
fn is_whole(block: &str) -> bool {
    ["flow ", "profile "].iter().all(|word| block.lines().any(|line| line.starts_with(word)))
}

#[test]
fn whole_files_of_the_language_page_compile() {
    let whole: Vec<&str> = blocks(PAGE).into_iter().filter(|block| is_whole(block)).collect();
    assert!(!whole.is_empty(), "docs/language.md shows no whole file");
    for block in whole {
        assert_eq!(problems(block), vec![], "{block}");
    }
}

/// What the page says is not supported yet: its word there, and a file that uses it.
const NOT_YET: [(&str, &str); 12] = [
    ("`use`", "use \"other.flow\" { B }"),
    ("queues", "queue q : json<A>"),
    ("`exactly_once`", "flow g : exactly_once { FROM -> log\n errors -> log }"),
    ("`window`", "flow g { FROM -> window(5min) -> log\n errors -> log }"),
    ("`merge`", "flow g { let x = FROM\n merge(x, x) -> log\n errors -> log }"),
    ("`buffer`", "flow g { FROM -> buffer(5) -> log\n errors -> log }"),
    ("`dedupe`", "flow g { FROM -> dedupe(.a) -> log\n errors -> log }"),
    ("`sample`", "flow g { FROM -> sample(0.1) -> log\n errors -> log }"),
    ("lambdas", "flow g { FROM -> where .xs.any(x => x == .b) -> log\n errors -> log }"),
    ("`regex`", "flow g { FROM -> where regex(.b, \"x\") -> log\n errors -> log }"),
    ("sums outside of SQL", "flow g { FROM -> map { s: sum(.a) } -> log\n errors -> log }"),
    ("`.list[0]`", "flow g { FROM -> map { s: .xs[0] } -> log\n errors -> log }"),
];

#[test]
fn what_is_not_supported_yet_is_told() {
    let section = PAGE.split_once("## Not yet").expect("a section").1;
    let from = "file.read(\"a.jsonl\") -> text.lines -> json.decode as A";
    for (word, text) in NOT_YET {
        assert!(section.contains(word), "docs/language.md does not list {word}");
        let text = text.replace("FROM", from);
        let found = problems(&format!("type A = {{ a: int, b: text, xs: list<text> }}\n{text}\n"));
        assert!(found.iter().any(|problem| problem.code == "E0001"), "{word}: {found:#?}");
    }
}
