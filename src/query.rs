//! `flowc query`: SQL on the warehouse, a query of the file or one given on the command line.

use crate::cli::QueryArgs;
use crate::exit::{Exit, Stop, fault};
use crate::io::Io;
use crate::load::{self, unknown};
use crate::render;
use crate::rows::Printer;
use crate::show::inspector;
use dsl::ast::ResourceKind;
use dsl::plan::{Plan, PlanResource};
use dsl::problem::Problem;
use dsl::span::{SourceMap, Span};
use dsl::sql::{SqlProblem, Table, check};

/// Rows of one answer, at most: it is held in memory.
const ROWS_MAX: usize = 1_000_000;
/// What a query of the command line is called in problems.
const GIVEN: &str = "query";

/// Answers a query.
///
/// # Errors
/// The file or the query has problems, there is no such query, the warehouse cannot be read, or the
/// output cannot be written.
pub fn run(args: &QueryArgs, io: &mut Io) -> Result<Exit, Stop> {
    let plan = load::plan(&args.file, &args.plan, &[], false, io)?.plan;
    let sql = match plan.queries.iter().find(|query| query.name == args.query) {
        Some(query) => query.sql.clone(),
        None if is_sql(&args.query) => {
            let (files, problems) = problems(&plan, &args.query);
            if !problems.is_empty() {
                write!(io.err, "{}", render::render(&files, &problems, io.err_style))?;
                return Ok(Exit::Problems);
            }
            args.query.clone()
        }
        None => return Err(no_query(&plan, &args.query)),
    };
    let limit = if args.limit == 0 { ROWS_MAX } else { args.limit.min(ROWS_MAX) };
    let answer = inspector(&plan)?.query(&sql, limit).map_err(|error| fault(&error))?;
    let columns: Vec<String> = answer.columns.into_iter().map(|(name, _)| name).collect();
    let printer = Printer {
        format: args.format,
        style: io.style,
        limit: args.limit,
        whole_columns: &[],
        row_lines_max: 1,
        json_columns: &[],
        more: answer.more,
    };
    printer.print(&columns, answer.rows.into_iter().map(Ok), io.out)?;
    Ok(Exit::Done)
}

/// A name has no blanks, and no query is called `select`.
fn is_sql(text: &str) -> bool {
    let mut words = text.split_whitespace();
    let first = words.next().unwrap_or_default();
    words.next().is_some() || ["select", "with"].iter().any(|word| first.eq_ignore_ascii_case(word))
}

fn no_query(plan: &Plan, name: &str) -> Stop {
    let names: Vec<String> = plan.queries.iter().map(|query| query.name.clone()).collect();
    if names.is_empty() {
        let stop = Stop::usage(format!("there is no query `{name}` in {}", plan.file));
        return stop.help(format!("give SQL: flowc query {} \"select … from …\"", plan.file));
    }
    unknown("query", name, &plan.file, &names)
}

/// What is wrong with SQL that was given on the command line, at its place in it.
fn problems(plan: &Plan, sql: &str) -> (SourceMap, Vec<Problem>) {
    let tables = plan.resources.iter().filter(|resource| {
        let service = resource.binding.as_ref().map(|binding| binding.service.as_str());
        resource.kind == ResourceKind::Table && service == Some("redshift")
    });
    // a table is known by its name in the file, and by that of the warehouse
    let names = tables.flat_map(|table| {
        let physical = table.binding.as_ref().map_or(&table.name, |binding| &binding.name);
        let record = table.ty.record();
        [&table.name, physical].map(|name| record.map(|record| Table { name, record }))
    });
    let tables: Vec<Table> = names.flatten().collect();
    let mut files = SourceMap::default();
    let file = files.add(GIVEN, sql);
    let problem = |problem: SqlProblem| {
        let span = Span::new(file, problem.at.start, problem.at.end);
        let word = sql[problem.at.clone()].trim_matches('"');
        let no_table = problem.code == "E0201" && problem.message.starts_with("no table");
        if let Some(other) = plan.resource(word).filter(|_| no_table) {
            return no_warehouse(plan, other, span);
        }
        let found = Problem::error(problem.code, problem.message, span, problem.label);
        match problem.help {
            Some(help) => found.help(help),
            None => found,
        }
    };
    let found = check(sql, &tables).err().unwrap_or_default();
    (files, found.into_iter().map(problem).collect())
}

/// A resource of the file that SQL cannot reach.
fn no_warehouse(plan: &Plan, other: &PlanResource, at: Span) -> Problem {
    let (name, kind) = (&other.name, other.kind.word());
    let message = format!("SQL is for tables of a warehouse, and {kind} `{name}` is not in one");
    Problem::error("E0201", message, at, "no SQL here")
        .help(format!("look into it: `flowc show {} {name}`", plan.file))
}

#[cfg(test)]
mod tests {
    use super::*;
    use dsl::plan::Binding;
    use dsl::ty::{Field, RecordTy, Ty};
    use std::collections::BTreeMap;

    fn plan() -> Plan {
        let field = |name: &str, ty: Ty| Field { name: name.into(), ty, span: None };
        let fields = vec![field("Country", Ty::Text), field("Quantity", Ty::Int)];
        let binding =
            Binding { service: "redshift".into(), name: "t".into(), options: BTreeMap::new() };
        let sales = PlanResource {
            name: "sales".into(),
            kind: ResourceKind::Table,
            ty: Ty::Record(RecordTy { fields, ..RecordTy::default() }),
            key: vec![],
            into: None,
            binding: Some(binding),
            span: Span::default(),
        };
        Plan { file: "a.flow".into(), resources: vec![sales], ..Plan::default() }
    }

    #[test]
    fn an_unknown_column_is_shown_at_its_place() {
        let sql = "select Countri, sum(Quantity) from sales group by Countri";
        let (files, problems) = problems(&plan(), sql);
        assert!(!problems.is_empty());
        let text = render::render(&files, &problems, render::Style::plain());
        assert!(text.contains("╭─[query:1:8]") && text.contains("`Country`"), "{text}");
    }

    #[test]
    fn a_resource_that_is_in_no_warehouse_is_named() {
        let mut plan = plan();
        plan.resources[0].binding = None;
        let (files, problems) = problems(&plan, "select * from sales");
        assert_eq!(problems.len(), 1, "{problems:?}");
        let text = render::render(&files, &problems, render::Style::plain());
        assert!(text.contains("`flowc show a.flow sales`"), "{text}");
    }

    #[test]
    fn good_sql_has_no_problems() {
        let sql = "select country, sum(quantity) from sales group by country";
        assert_eq!(problems(&plan(), sql).1, vec![]);
        assert_eq!(problems(&plan(), "select sum(quantity) from t").1, vec![]);
    }

    #[test]
    fn names_and_sql_are_told_apart() {
        assert!(is_sql("select 1") && is_sql("WITH a as (select 1) select 1") && is_sql("drop x"));
        assert!(!is_sql("top_customers"));
        let stop = no_query(&plan(), "top");
        assert!(stop.text(render::Style::plain()).0.contains("flowc query a.flow \"select"));
    }
}
