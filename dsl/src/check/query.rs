//! The SQL of a query: checked against its table, told at its place in the file.

use super::cx::Cx;
use super::suggest::nearest;
use super::types;
use crate::ast::{Arg, Call, ExprKind, Template};
use crate::problem::Problem;
use crate::span::{Name, Span};
use crate::sql::{self, Assembled, SqlProblem, Table};
use crate::ty::Ty;

/// Checks the SQL of a query on `on`, and that its chart names columns of the result.
pub(crate) fn check(cx: &mut Cx, on: &Name, template: &Template, chart: Option<&Call>) {
    let Ty::Record(record) = types::of_resource(cx, &on.node) else { return };
    // a hole that holds something else has its problem already
    let Ok(assembled) = sql::assemble(template) else { return };
    if assembled.tables.iter().any(|table| table.node != on.node) {
        return;
    }
    let tables = [Table { name: &on.node, record: &record }];
    match sql::check(&assembled.sql, &tables) {
        Ok(checked) => {
            let names: Vec<&str> = checked.columns.iter().map(|(name, _)| name.as_str()).collect();
            for arg in chart.and_then(|chart| chart.args.as_deref()).unwrap_or_default() {
                column(cx, arg, &names, template.span);
            }
        }
        Err(problems) => {
            let declared = cx.decls.resources.get(on.node.as_str()).map(|decl| decl.name.span);
            for problem in problems {
                let told = told(&assembled, problem, template.span);
                cx.report(match declared.filter(|_| told.code == "E0302") {
                    Some(declared) => told.label(
                        declared,
                        format!("`{}` holds {}", on.node, Ty::Record(record.clone())),
                    ),
                    None => told,
                });
            }
        }
    }
}

fn told(assembled: &Assembled, problem: SqlProblem, whole: Span) -> Problem {
    let span = assembled.span(&problem.at);
    let span = if span == Span::default() { whole } else { span };
    let told = Problem::error(problem.code, problem.message, span, problem.label);
    match problem.help {
        Some(help) => told.help(help),
        None => told,
    }
}

/// `x: .revenue` of a chart.
fn column(cx: &mut Cx, arg: &Arg, names: &[&str], sql: Span) {
    let ExprKind::Field(field) = &arg.value.kind else { return };
    if names.iter().any(|name| name.eq_ignore_ascii_case(field)) {
        return;
    }
    let message = format!("no column `{field}` in the result of this query");
    let problem = Problem::error("E0302", message, arg.value.span, "not in the result");
    let start = Span { end: sql.end.min(sql.start + 3), ..sql };
    let problem = problem.label(start, format!("gives {}", names.join(", ")));
    cx.report(match nearest(field, names.iter().copied()) {
        Some(near) => problem.help(format!("did you mean `.{near}`?")),
        None => problem.help("give the column that name: `… as name`"),
    });
}
