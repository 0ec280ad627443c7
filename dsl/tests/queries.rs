//! The SQL of queries is checked at its place in the file.

use dsl::check::{Request, compile};
use dsl::span::SourceMap;

const FILE: &str = r#"type Line = { Country: text, Quantity: int, UnitPrice: decimal(10, 3) }
table sales : Line
profile local { sales = redshift("s", workgroup: "w", database: "d", role: "r") }
query q on sales CHART """
  select COLUMN as country, sum(Quantity * UnitPrice) as revenue
  from {sales} group by COLUMN
  order by revenue desc -- the brace of a pattern: '\{'
"""
"#;

/// The problems as `code text | message | help`.
fn told(column: &str, chart: &str) -> Vec<String> {
    let mut files = SourceMap::default();
    let file = files.add("test.flow", FILE.replace("COLUMN", column).replace("CHART", chart));
    let (_, problems) = compile(&files, file, &[], &Request::default());
    let tell = |problem: &dsl::problem::Problem| {
        let (line, column) = files.line_column(problem.primary());
        let help = problem.help.as_deref().unwrap_or("");
        let under = files.text(problem.primary());
        format!("{}@{line}:{column} {under} | {} | {help}", problem.code, problem.message)
    };
    problems.iter().map(tell).collect()
}

#[test]
fn a_query_without_problems_has_none() {
    let none: Vec<String> = Vec::new();
    assert_eq!(told("Country", "as bar(x: .revenue, y: .country)"), none);
}

#[test]
fn an_unknown_column_is_told_where_it_stands() {
    let help = "did you mean `Country`?";
    assert_eq!(
        told("Contry", "as bar(x: .revenue, y: .country)"),
        [format!("E0302@5:10 Contry | no column `Contry` | {help}")],
        "one cause, one problem, however often it is named"
    );
}

#[test]
fn an_unknown_column_of_a_chart_is_told() {
    assert_eq!(
        told("Country", "as bar(x: .revenu, y: .country)"),
        ["E0302@4:28 .revenu | no column `revenu` in the result of this query | \
          did you mean `.revenue`?"]
    );
}
