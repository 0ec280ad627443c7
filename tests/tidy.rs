//! The rules of the house that a test can hold: sizes, layers, words that must not be there.
//! Each test says every place that breaks its rule.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

const FILE_LINES_MAX: usize = 500;
const FUNCTION_LINES_MAX: usize = 70;
const LINE_COLUMNS_MAX: usize = 100;

/// The packages, each with those it may use: nothing points back.
const LAYERS: [(&str, &[&str]); 5] = [
    ("dsl", &[]),
    ("engine", &["dsl"]),
    ("stdlib", &["dsl", "engine"]),
    ("tests/front", &[]),
    ("", &["dsl", "engine", "stdlib"]),
];

/// A source file.
struct Source {
    /// From the root of the project.
    path: String,
    text: String,
}

impl Source {
    /// `dsl`, `engine`, `stdlib`, or the directory of the root package.
    fn room(&self) -> &str {
        self.path.split('/').next().unwrap_or_default()
    }

    /// True for files that only tests are built of.
    fn is_test(&self) -> bool {
        let name = self.path.rsplit('/').next().unwrap_or_default();
        let dirs = ["/tests/", "/testing/", "/examples/", "/benches/"];
        name == "tests.rs"
            || name == "testing.rs"
            || (self.path.starts_with("tests/") && !self.path.starts_with("tests/front/src/"))
            || self.path.starts_with("flows/")
            || self.path.starts_with("benches/")
            || dirs.iter().any(|dir| self.path.contains(dir))
    }

    /// The lines with their numbers, without comments; tests are left out, or everything else is.
    fn lines(&self, tests: bool) -> impl Iterator<Item = (usize, &str)> {
        let begin = match self.is_test() {
            true => 0,
            false => test_module(&self.text).unwrap_or(usize::MAX),
        };
        let lines = self.text.lines().enumerate().map(|(at, line)| (at + 1, line));
        lines.filter(move |(at, line)| {
            (*at > begin) == tests && !line.trim_start().starts_with("//")
        })
    }

    /// Where the lines of the code (or the tests) have one of the words.
    fn with(&self, tests: bool, words: &[&str]) -> Vec<String> {
        self.lines(tests)
            .filter(|(_, line)| words.iter().any(|word| has_word(line, word)))
            .map(|(at, line)| format!("{}:{at}: {}", self.path, line.trim()))
            .collect()
    }
}

/// The line before the module of tests inside a file.
fn test_module(text: &str) -> Option<usize> {
    let lines: Vec<&str> = text.lines().collect();
    lines.windows(2).position(|pair| {
        pair[0].starts_with("#[cfg(test)]") && pair[1].contains("mod ") && pair[1].ends_with('{')
    })
}

/// The word, not as the end of a longer one.
fn has_word(line: &str, word: &str) -> bool {
    line.match_indices(word).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        let longer = |c: char| c.is_alphanumeric() || c == '_';
        !(word.starts_with(longer) && before.is_some_and(longer))
    })
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// All Rust files of the project.
fn sources() -> Vec<Source> {
    let mut files = Vec::new();
    for dir in ["dsl", "engine", "stdlib", "src", "tests", "flows", "benches", "examples", "fuzz"] {
        walk(&root().join(dir), &mut files);
    }
    files.sort();
    assert!(files.len() > 50, "the project's sources are found");
    let source = |path: PathBuf| Source {
        text: std::fs::read_to_string(&path).expect("a source can be read"),
        path: path.strip_prefix(root()).expect("under the root").display().to_string(),
    };
    files.into_iter().map(source).collect()
}

fn walk(dir: &Path, files: &mut Vec<PathBuf>) {
    let Ok(entries) = std::fs::read_dir(dir) else { return };
    for entry in entries {
        let path = entry.expect("a directory can be read").path();
        if path.is_dir() && !path.ends_with("target") {
            walk(&path, files);
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            files.push(path);
        }
    }
}

fn none(rule: &str, broken: Vec<String>) {
    assert!(broken.is_empty(), "{rule}:\n{}", broken.join("\n"));
}

#[test]
fn files_functions_and_lines_are_short() {
    let mut broken = Vec::new();
    for source in sources() {
        let lines = source.text.lines().count();
        if lines > FILE_LINES_MAX {
            broken.push(format!("{}: {lines} lines", source.path));
        }
        for (at, line) in source.text.lines().enumerate() {
            if line.chars().count() > LINE_COLUMNS_MAX {
                broken.push(format!("{}:{}: over 100 columns", source.path, at + 1));
            }
        }
        for (name, at, lines) in functions(&source.text) {
            if lines > FUNCTION_LINES_MAX {
                broken.push(format!("{}:{at}: `{name}` has {lines} lines", source.path));
            }
        }
    }
    none("files ≤ 500 lines, functions ≤ 70, lines ≤ 100 columns", broken);
}

/// Name, first line and length of each function; the formatter closes it at its own indentation.
fn functions(text: &str) -> Vec<(String, usize, usize)> {
    let lines: Vec<&str> = text.lines().collect();
    let mut found = Vec::new();
    for (at, line) in lines.iter().enumerate() {
        let Some((before, after)) = line.split_once("fn ") else { continue };
        let words = ["", "pub", "pub(crate)", "pub(super)", "const", "async", "unsafe"];
        if !before.split_whitespace().all(|word| words.contains(&word)) {
            continue;
        }
        let indent = &line[..line.len() - line.trim_start().len()];
        let close = format!("{indent}}}");
        let body = lines[at..].iter().position(|line| line.ends_with('{') || line.ends_with(';'));
        let Some(body) = body.filter(|&body| lines[at + body].ends_with('{')) else { continue };
        let end = lines[at + body..].iter().position(|line| *line == close).unwrap_or(0);
        let name = after.split(['(', '<']).next().unwrap_or_default().to_owned();
        found.push((name, at + 1, body + end + 1));
    }
    found
}

#[test]
fn functions_are_measured() {
    let text = "\
fn a() {
    x
}

impl B {
    pub async fn b(
        c: C,
    ) -> D {
    }

    fn c();
}
";
    let lengths = functions(text).into_iter().map(|(name, _, lines)| (name, lines));
    assert_eq!(lengths.collect::<Vec<_>>(), [("a".to_string(), 3), ("b".to_string(), 4)]);
}

#[test]
fn every_module_says_what_it_is_for() {
    let silent = sources().into_iter().filter(|source| !source.text.starts_with("//! "));
    none("a module begins with `//!`", silent.map(|source| source.path).collect());
}

#[test]
fn nothing_is_left_to_do() {
    let words = ["todo!", "unimplemented!", "dbg!", "FIXME", "XXX"];
    let is_rule = |line: &String| line.starts_with("tests/tidy.rs");
    let broken = sources().into_iter().flat_map(|source| {
        let mut found = source.with(false, &words);
        found.extend(source.with(true, &words));
        found
    });
    none("nothing is left to do", broken.filter(|line| !is_rule(line)).collect());
}

#[test]
fn only_the_aws_services_name_the_sdk() {
    let others = sources().into_iter().filter(|source| {
        !source.path.starts_with("stdlib/src/service/aws") && source.path != "tests/tidy.rs"
    });
    let broken = others.flat_map(|source| source.with(false, &["aws_sdk_"])).collect();
    none("`aws_sdk_` only in stdlib/src/service/aws", broken);
}

/// The dependencies of a manifest's section, a name and the rest of its line each.
fn dependencies(manifest: &str, section: &str) -> Vec<(String, String)> {
    let mut within = false;
    let mut found = Vec::new();
    for line in manifest.lines() {
        if line.starts_with('[') {
            within = line.trim() == section;
        } else if within && let Some((name, rest)) = line.split_once('=') {
            let name = name.trim().split('.').next().unwrap_or_default();
            found.push((name.to_owned(), rest.to_owned()));
        }
    }
    found
}

#[test]
fn dependencies_point_one_way() {
    let rooms: BTreeSet<&str> = ["dsl", "engine", "stdlib", "flowc"].into();
    let mut broken = Vec::new();
    for (room, allowed) in LAYERS {
        let path = if room.is_empty() { "Cargo.toml".into() } else { format!("{room}/Cargo.toml") };
        let manifest = read(&path);
        let mut used = dependencies(&manifest, "[dependencies]");
        used.extend(dependencies(&manifest, "[dev-dependencies]"));
        for (name, _) in used {
            if rooms.contains(name.as_str()) && !allowed.contains(&name.as_str()) {
                broken.push(format!("{path}: {name}"));
            }
        }
    }
    none("dsl ← engine ← stdlib ← flowc", broken);
}

#[test]
fn every_dependency_has_a_reason() {
    let all = dependencies(&read("Cargo.toml"), "[workspace.dependencies]");
    assert!(all.len() > 20, "the dependencies are found");
    let foreign = all.into_iter().filter(|(_, rest)| !rest.contains("path ="));
    let silent = foreign.filter(|(_, rest)| !rest.contains("# "));
    none("one reason a dependency", silent.map(|(name, _)| name).collect());
    for (room, _) in LAYERS {
        let path = if room.is_empty() { "Cargo.toml".into() } else { format!("{room}/Cargo.toml") };
        let own = dependencies(&read(&path), "[dependencies]");
        let own = own.into_iter().filter(|(_, rest)| !rest.contains("true"));
        none("versions only in the root", own.map(|(name, _)| format!("{path}: {name}")).collect());
    }
}

#[test]
fn the_language_is_pure() {
    let words = ["tokio", "std::fs", "std::env", "std::net", "std::process", "std::thread"];
    let dsl = sources().into_iter().filter(|source| source.path.starts_with("dsl/src"));
    none("dsl: text in, plan out", dsl.flat_map(|source| source.with(false, &words)).collect());
}

#[test]
fn libraries_never_print_nor_read_the_environment() {
    let words = ["println!", "eprintln!", "print!", "eprint!", "std::env", "stdout()", "stderr()"];
    let rooms = ["dsl", "engine", "stdlib"];
    let libraries = sources().into_iter().filter(|source| {
        let front =
            source.path.starts_with("tests/front/src/") && !source.path.ends_with("main.rs");
        rooms.contains(&source.room()) || front
    });
    let broken = libraries.flat_map(|source| source.with(false, &words)).collect();
    none("only the program prints and reads the environment", broken);
}

#[test]
fn no_channel_is_unbounded() {
    let words = ["unbounded_channel", "unbounded(", "mpsc::channel()", "UnboundedSender"];
    let all = sources().into_iter().filter(|source| source.path != "tests/tidy.rs");
    none("a limit on everything", all.flat_map(|source| source.with(false, &words)).collect());
}

/// Tests whose sleeps are what they test, each with its reason.
const DELAYS: [(&str, &str); 1] =
    [("stdlib/tests/http_order.rs", "a network that is slow by chance; nothing is waited out")];

#[test]
fn tests_never_sleep() {
    let dir = |source: &Source| source.path.rsplit_once('/').map_or("", |(dir, _)| dir).to_owned();
    let all: Vec<Source> = sources();
    // Under a paused clock nobody waits: time jumps to the next timer. Helpers stand beside their
    // tests.
    let paused: BTreeSet<String> =
        all.iter().filter(|source| source.text.contains("start_paused")).map(dir).collect();
    let delays = |source: &Source| DELAYS.iter().any(|(path, _)| *path == source.path);
    let others = all.into_iter().filter(|s| s.path != "tests/tidy.rs" && !delays(s));
    let broken = others.flat_map(|source| {
        let paused = source.text.contains("start_paused")
            || (source.path.matches('/').count() > 2 && paused.contains(&dir(&source)));
        let words: &[&str] = if paused { &["thread::sleep"] } else { &["thread::sleep", "sleep("] };
        source.with(true, words)
    });
    let broken = broken.filter(|line| !line.contains(": fn sleep(")).collect();
    none("a test waits for something, never for a time", broken);
}

/// Where code may stop the program: every reason, by room. A new one is added by UPDATE_GOLDEN=1,
/// and reviewed.
#[test]
fn invariants_are_listed() {
    let (mut unwraps, mut silent) = (Vec::new(), Vec::new());
    let mut reasons: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for source in sources() {
        unwraps.extend(source.with(false, &[".unwrap()", ".unwrap_err()"]));
        if source.is_test() {
            continue;
        }
        for (at, line) in source.lines(false) {
            let Some((_, after)) = line.split_once(".expect(\"") else {
                if line.contains(".expect(") && !line.contains("self.expect(") {
                    silent.push(format!("{}:{at}: {}", source.path, line.trim()));
                }
                continue;
            };
            let reason = after.split("\")").next().unwrap_or(after);
            reasons.entry(source.room().into()).or_default().insert(reason.into());
        }
    }
    none("no `.unwrap()` outside tests", unwraps);
    none("`.expect(…)` says which invariant it rests on", silent);
    let mut text = String::new();
    for (room, reasons) in reasons {
        text.push_str(&format!("{room}\n"));
        reasons.iter().for_each(|reason| text.push_str(&format!("  {reason}\n")));
    }
    let path = root().join("tests/golden/invariants.txt");
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, &text).expect("the list can be written");
    }
    let known = std::fs::read_to_string(&path).unwrap_or_default();
    let new = text.lines().filter(|line| !known.lines().any(|other| other == *line));
    none("a new reason to stop: UPDATE_GOLDEN=1 lists it", new.map(str::to_owned).collect());
}

#[test]
fn every_node_has_a_file_with_an_example() {
    let mut broken = Vec::new();
    for spec in stdlib::registry::specs() {
        let name = match spec.path {
            "where" => "where_".to_owned(),
            path => path.replace('.', "_"),
        };
        let path = format!("stdlib/src/nodes/{name}.rs");
        if !read(&path).contains("SPEC: NodeSpec") {
            broken.push(format!("{path}: no SPEC"));
        }
        if spec.examples.is_empty() || spec.summary.is_empty() {
            broken.push(format!("{path}: no example or no summary"));
        }
    }
    none("a node is a file, and has an example", broken);
}

#[test]
fn rules_of_the_grammar_never_reach_the_user() {
    let grammar = read("dsl/src/parse/flow.pest");
    let rules: Vec<&str> = grammar
        .lines()
        .filter_map(|line| Some(line.split_once(" = ")?.0.trim()))
        .filter(|name| {
            name.contains('_') && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
        })
        .collect();
    assert!(rules.len() > 20, "the grammar's rules are found");
    let mut broken = Vec::new();
    for entry in std::fs::read_dir(root().join("tests/diagnostics")).expect("the golden problems") {
        let path = entry.expect("an entry").path();
        if path.extension().is_none_or(|ending| ending != "txt") {
            continue;
        }
        let text = std::fs::read_to_string(&path).expect("a golden file");
        let words = text.split(|c: char| !(c.is_alphanumeric() || c == '_'));
        let named: Vec<&str> = words.filter(|word| rules.contains(word)).collect();
        if !named.is_empty() {
            broken.push(format!("{}: {}", path.display(), named.join(", ")));
        }
    }
    none("the user reads words, not rules", broken);
}
