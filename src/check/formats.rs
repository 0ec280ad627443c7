//! Problems for programs: JSON, annotations of GitHub Actions, SARIF.

use super::Checked;
use crate::render::sorted;
use dsl::problem::{Label, Problem, Severity};
use dsl::span::{SourceMap, Span};
use serde_json::{Value, json};

/// One JSON object: `files`, `problems`, `errors`, `warnings`. Lines and columns count from 1,
/// columns in characters, ends are exclusive.
pub fn json(files: &SourceMap, checked: &[Checked]) -> String {
    let listed: Vec<Value> = checked.iter().map(|file| json_file(files, file)).collect();
    let problems: Vec<Value> = all(checked).map(|problem| json_problem(files, problem)).collect();
    let errors = count(checked, Severity::Error);
    let warnings = count(checked, Severity::Warning);
    let value = json!({
        "files": listed, "problems": problems, "errors": errors, "warnings": warnings,
    });
    format!("{value:#}\n")
}

fn json_file(files: &SourceMap, file: &Checked) -> Value {
    let plan = file.plan.as_ref();
    json!({
        "path": files.file(file.root).path,
        "flows": plan.map(|plan| plan.flows.iter().filter(|flow| !flow.hidden).count()),
        "nodes": plan.map(|plan| plan.graph.node_count()),
        "resources": plan.map(|plan| plan.resources.len()),
    })
}

fn json_problem(files: &SourceMap, problem: &Problem) -> Value {
    let labels: Vec<Value> = problem.labels.iter().map(|label| json_label(files, label)).collect();
    json!({
        "code": problem.code,
        "severity": word(problem.severity, "help"),
        "message": problem.message,
        "place": json_place(files, problem.primary()),
        "labels": labels,
        "help": problem.help,
    })
}

fn json_label(files: &SourceMap, label: &Label) -> Value {
    let mut value = json_place(files, label.span);
    value["text"] = label.text.clone().into();
    value
}

fn json_place(files: &SourceMap, span: Span) -> Value {
    let place = Place::of(files, span);
    json!({
        "file": place.file,
        "line": place.line, "column": place.column,
        "end_line": place.end_line, "end_column": place.end_column,
    })
}

/// `::error file=…,line=…,title=E0302::message`, one line a problem.
pub fn github(files: &SourceMap, checked: &[Checked]) -> String {
    let mut text = String::new();
    for problem in all(checked) {
        let place = Place::of(files, problem.primary());
        let help = problem.help.as_ref().map(|help| format!("\n{help}")).unwrap_or_default();
        text.push_str(&format!(
            "::{} file={},line={},col={},endLine={},endColumn={},title={}::{}\n",
            word(problem.severity, "notice"),
            escape(&place.file).replace(',', "%2C").replace(':', "%3A"),
            place.line,
            place.column,
            place.end_line,
            place.end_column,
            problem.code,
            escape(&format!("{}{help}", problem.message)),
        ));
    }
    text
}

/// SARIF 2.1.0.
pub fn sarif(files: &SourceMap, checked: &[Checked]) -> String {
    let results: Vec<Value> = all(checked).map(|problem| sarif_result(files, problem)).collect();
    let mut codes: Vec<&str> = all(checked).map(|problem| problem.code).collect();
    codes.sort_unstable();
    codes.dedup();
    let rules: Vec<Value> = codes.iter().map(|code| json!({ "id": code })).collect();
    let driver = json!({
        "name": "flowc", "version": env!("CARGO_PKG_VERSION"), "rules": rules,
    });
    let value = json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{ "tool": { "driver": driver }, "results": results }],
    });
    format!("{value:#}\n")
}

fn sarif_result(files: &SourceMap, problem: &Problem) -> Value {
    let message = match &problem.help {
        Some(help) => format!("{}\n{help}", problem.message),
        None => problem.message.clone(),
    };
    let related: Vec<Value> = problem.labels[1..]
        .iter()
        .map(|label| {
            let mut place = sarif_place(files, label.span);
            place["message"] = json!({ "text": label.text });
            place
        })
        .collect();
    json!({
        "ruleId": problem.code,
        "level": word(problem.severity, "note"),
        "message": { "text": message },
        "locations": [sarif_place(files, problem.primary())],
        "relatedLocations": related,
    })
}

fn sarif_place(files: &SourceMap, span: Span) -> Value {
    let place = Place::of(files, span);
    json!({
        "physicalLocation": {
            "artifactLocation": { "uri": place.file },
            "region": {
                "startLine": place.line, "startColumn": place.column,
                "endLine": place.end_line, "endColumn": place.end_column,
            },
        },
    })
}

fn all(checked: &[Checked]) -> impl Iterator<Item = &Problem> {
    checked.iter().flat_map(|file| sorted(&file.problems))
}

fn count(checked: &[Checked], severity: Severity) -> usize {
    all(checked).filter(|problem| problem.severity == severity).count()
}

/// The word of a severity; formats differ in what they call the lowest.
fn word(severity: Severity, help: &'static str) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Help => help,
    }
}

/// As a workflow command wants its data.
fn escape(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// A span as lines and columns from 1; the end is exclusive.
struct Place {
    file: String,
    line: usize,
    column: usize,
    end_line: usize,
    end_column: usize,
}

impl Place {
    fn of(files: &SourceMap, span: Span) -> Place {
        let (line, column) = files.line_column(span);
        let end = Span { start: span.end, ..span };
        let (end_line, end_column) = files.line_column(end);
        let file = files.file(span.file).path.clone();
        Place { file, line, column, end_line, end_column }
    }
}
