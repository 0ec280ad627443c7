//! A query with its tables under other names.

use super::check::parse;
use super::names::same;
use super::problem::{Places, SqlProblem};
use sqlparser::ast::{Query, Statement, TableFactor, Visit, Visitor};
use std::ops::{ControlFlow, Range};

/// A query with its tables under other names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Renamed {
    /// The query.
    pub sql: String,
    /// Which of the tables it names, by their first names.
    pub tables: Vec<String>,
}

/// Writes a query with other names of its tables: `names` are what the query may call a table, and
/// what it is called instead; the query may use either. All else stays as it is written: a table
/// without an alias gets its old name as one.
///
/// # Errors
/// It is no query, or a `with` hides a table's name.
pub fn rename(sql: &str, names: &[(&str, &str)]) -> Result<Renamed, SqlProblem> {
    let places = Places::new(sql);
    let statement = parse(sql, &places)?;
    let mut found = Found::default();
    let Statement::Query(_) = &statement else {
        return Err(SqlProblem::new("E0001", "only a `select` can be asked", 0..sql.len(), ""));
    };
    // It is never told to stop.
    let _ = statement.visit(&mut found);
    let mut renamed = Renamed { sql: String::with_capacity(sql.len() + 64), tables: Vec::new() };
    let mut end = 0;
    let mut tables = found.tables;
    tables.sort_by_key(|table| places.bytes(table.span).map_or(0, |at| at.start));
    for table in tables {
        let word = table.word.as_str();
        let known = |(name, other): &&(&str, &str)| same(name, word) || same(other, word);
        let Some((name, other)) = names.iter().find(known) else { continue };
        let Some(at) = places.bytes(table.span) else { continue };
        if found.withs.iter().any(|with| same(with, word)) {
            return Err(hidden(word, at));
        }
        if !renamed.tables.iter().any(|known| known == name) {
            renamed.tables.push((*name).to_owned());
        }
        renamed.sql.push_str(&sql[end..at.start]);
        renamed.sql.push_str(&quoted(other));
        if !table.alias {
            renamed.sql.push_str(&format!(" as {}", quoted(word)));
        }
        end = at.end;
    }
    renamed.sql.push_str(&sql[end..]);
    Ok(renamed)
}

fn hidden(word: &str, at: Range<usize>) -> SqlProblem {
    let message = format!("`with {word}` hides the table `{word}`");
    SqlProblem::new("E0202", message, at, "which one is meant?").help("give it another name")
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.to_lowercase().replace('"', "\"\""))
}

#[derive(Default)]
struct Found {
    tables: Vec<FoundTable>,
    withs: Vec<String>,
}

struct FoundTable {
    word: String,
    alias: bool,
    span: sqlparser::tokenizer::Span,
}

impl Visitor for Found {
    type Break = ();

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<()> {
        let withs = query.with.iter().flat_map(|with| &with.cte_tables);
        self.withs.extend(withs.map(|with| with.alias.name.value.clone()));
        ControlFlow::Continue(())
    }

    fn pre_visit_table_factor(&mut self, factor: &TableFactor) -> ControlFlow<()> {
        if let TableFactor::Table { name, alias, args: None, .. } = factor
            && let Some(ident) = name.0.last().and_then(|part| part.as_ident())
        {
            let (word, span) = (ident.value.clone(), ident.span);
            self.tables.push(FoundTable { word, alias: alias.is_some(), span });
        }
        ControlFlow::Continue(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn renamed(sql: &str) -> String {
        rename(sql, &[("sales", "firehose_Transactions"), ("stock", "stock")]).unwrap().sql
    }

    #[test]
    fn tables_are_renamed_where_they_stand() {
        assert_eq!(
            renamed("select Sales.x, 'sales' as sales\nfrom Sales where sales > 1"),
            "select Sales.x, 'sales' as sales\nfrom \"firehose_transactions\" as \"sales\" \
             where sales > 1"
        );
        assert_eq!(
            renamed(
                "select a.x from sales a join \"stock\" on a.x = stock.x, (select 1 from \
                     firehose_transactions) as t"
            ),
            "select a.x from \"firehose_transactions\" a join \"stock\" as \"stock\" on a.x = \
             stock.x, (select 1 from \"firehose_transactions\" as \"firehose_transactions\") as t"
        );
        assert_eq!(
            renamed("with w as (select * from sales) select (select 1 from public.sales) from w"),
            "with w as (select * from \"firehose_transactions\" as \"sales\") select (select 1 \
             from public.\"firehose_transactions\" as \"sales\") from w"
        );
        let found = rename("select 1 from stock", &[("sales", "s"), ("stock", "s2")]).unwrap();
        assert_eq!(found.tables, ["stock"]);
    }

    #[test]
    fn a_hidden_table_is_a_problem() {
        let hides = "with sales as (select * from sales) select * from sales";
        assert_eq!(rename(hides, &[("sales", "s")]).unwrap_err().code, "E0202");
        assert!(rename("drop table sales", &[("sales", "s")]).is_err());
    }
}
