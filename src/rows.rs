//! Rows for people and programs: a table, JSON lines, CSV.

use crate::cli::RowFormat;
use crate::exit::Stop;
use crate::render::{Style, thousands};
use crate::table::{Cell, table};
use dsl::value::{Value, decimal_text, timestamp_text};
use engine::fault::Fault;
use std::io::Write;

/// Rows of a table that is printed, at most: all of them are measured before the first is printed.
const TABLE_ROWS_MAX: usize = 10_000;

/// What is printed, and how.
pub struct Printer<'a> {
    /// The format.
    pub format: RowFormat,
    /// How a table looks.
    pub style: Style,
    /// Rows at most; 0 = all.
    pub limit: usize,
    /// Lines of a row of a table at most; what is longer is cut.
    pub row_lines_max: usize,
    /// Columns whose texts are JSON: printed as they are where the format is JSON.
    pub json_columns: &'a [&'a str],
    /// Columns that are cut last.
    pub whole_columns: &'a [&'a str],
    /// There are more rows behind those that are given.
    pub more: bool,
}

impl Printer<'_> {
    /// Prints rows as they come; those behind the limit are not read. Gives how many were printed
    /// and whether there are more.
    ///
    /// # Errors
    /// A row cannot be read, or the output cannot be written.
    pub fn print(
        &self,
        columns: &[String],
        rows: impl Iterator<Item = Result<Vec<Value>, Fault>>,
        out: &mut dyn Write,
    ) -> Result<(usize, bool), Stop> {
        let mut limit = if self.limit == 0 { usize::MAX } else { self.limit };
        if self.format == RowFormat::Table {
            limit = limit.min(TABLE_ROWS_MAX);
        }
        let mut rows = rows.peekable();
        let mut printed = 0;
        let mut taken = Vec::new();
        if self.format == RowFormat::Csv {
            let header: Vec<String> = columns.iter().map(|name| csv_field(name)).collect();
            writeln!(out, "{}", header.join(","))?;
        }
        while printed < limit {
            let Some(row) = rows.next() else { break };
            let row = row.map_err(|fault| crate::exit::fault(&fault))?;
            printed += 1;
            match self.format {
                RowFormat::Table => taken.push(row),
                RowFormat::Jsonl => writeln!(out, "{}", self.json_line(columns, &row))?,
                RowFormat::Csv => writeln!(out, "{}", csv_line(&row))?,
            }
        }
        let more = rows.peek().is_some() || self.more;
        if self.format == RowFormat::Table {
            let (text, cut) = self.table(columns, &taken);
            writeln!(out, "{text}{}", foot(printed, more))?;
            if cut {
                writeln!(out, "`…` is where a cell is cut: `--format jsonl` prints it whole")?;
            }
        }
        Ok((printed, more))
    }

    fn json_line(&self, columns: &[String], row: &[Value]) -> String {
        let fields = columns.iter().zip(row).map(|(name, value)| {
            let text = match value {
                Value::Text(text) if self.is_json(name, text) => text.clone(),
                other => json(other),
            };
            format!("{}:{text}", quoted(name))
        });
        format!("{{{}}}", fields.collect::<Vec<_>>().join(","))
    }

    fn is_json(&self, name: &str, text: &str) -> bool {
        self.json_columns.contains(&name)
            && !text.contains('\n')
            && serde_json::from_str::<&serde_json::value::RawValue>(text).is_ok()
    }

    fn table(&self, columns: &[String], rows: &[Vec<Value>]) -> (String, bool) {
        let cells = |row: &Vec<Value>| -> Vec<Cell> {
            let cells = columns.iter().zip(row).map(|(name, value)| {
                let cell = cell(value);
                Cell { whole: cell.whole || self.whole_columns.contains(&name.as_str()), ..cell }
            });
            cells.collect()
        };
        let rows: Vec<Vec<Cell>> = rows.iter().map(cells).collect();
        table(columns, &rows, self.row_lines_max, self.style)
    }
}

/// `20 rows`, `20 rows, and there are more: --limit 0 shows all`
fn foot(printed: usize, more: bool) -> String {
    let rows = crate::render::plural(printed, "row");
    match (more, printed >= TABLE_ROWS_MAX) {
        (false, _) => rows,
        (true, false) => format!("{rows}, and there are more: `--limit 0` shows all"),
        (true, true) => format!("{rows}, and there are more: `--format jsonl` prints all"),
    }
}

/// A value in a table.
fn cell(value: &Value) -> Cell {
    match value {
        Value::Null => Cell::text("∅"),
        Value::Int(_) | Value::Decimal { .. } | Value::Size(_) => Cell::number(grouped(value)),
        Value::Float(_) | Value::Duration(_) => Cell::number(plain(value)),
        Value::Timestamp(ns) => Cell { whole: true, ..Cell::text(moment(*ns)) },
        other => Cell::text(plain(other).replace(['\n', '\r', '\t'], " ")),
    }
}

/// A number with its thousands apart, from five digits on.
fn grouped(value: &Value) -> String {
    let text = plain(value);
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => ("-", digits),
        None => ("", text.as_str()),
    };
    let (whole, rest) = digits.split_at(digits.find('.').unwrap_or(digits.len()));
    match whole.parse::<u64>() {
        Ok(n) if n >= 10_000 => format!("{sign}{}{rest}", thousands(n)),
        _ => text,
    }
}

/// An instant in UTC, to the millisecond: `2010-12-01 08:26:00`.
fn moment(ns: i64) -> String {
    let ms = ns.div_euclid(1_000_000);
    let text = timestamp_text(ms.saturating_mul(1_000_000));
    text.trim_end_matches('Z').replacen('T', " ", 1)
}

/// A value as text without quotes.
fn plain(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::Text(text) => text.clone(),
        Value::Timestamp(ns) => timestamp_text(*ns),
        Value::Decimal { unscaled, scale } => decimal_text(*unscaled, *scale),
        Value::Size(bytes) => bytes.to_string(),
        Value::Date(days) => date(*days),
        Value::List(_) | Value::Record(_) => json(value),
        other => other.to_string(),
    }
}

/// A day as `2010-12-01`.
fn date(days: i32) -> String {
    let midnight = timestamp_text(i64::from(days) * 86_400_000_000_000);
    midnight.split('T').next().unwrap_or_default().to_owned()
}

/// A value as JSON. Numbers keep all their digits.
pub fn json(value: &Value) -> String {
    match value {
        Value::Null => "null".into(),
        Value::Bool(_) | Value::Int(_) | Value::Decimal { .. } | Value::Size(_) => plain(value),
        Value::Float(float) if float.is_finite() => float.to_string(),
        Value::List(items) => {
            let items: Vec<String> = items.iter().map(json).collect();
            format!("[{}]", items.join(","))
        }
        Value::Record(fields) => {
            let fields = fields.iter().map(|(name, v)| format!("{}:{}", quoted(name), json(v)));
            format!("{{{}}}", fields.collect::<Vec<_>>().join(","))
        }
        other => quoted(&plain(other)),
    }
}

fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

fn csv_line(row: &[Value]) -> String {
    row.iter().map(|value| csv_field(&plain(value))).collect::<Vec<_>>().join(",")
}

/// A field of CSV (RFC 4180): quoted only where it must be.
fn csv_field(text: &str) -> String {
    if text.contains(['"', ',', '\n', '\r']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text.to_owned()
    }
}

#[cfg(test)]
mod tests;
