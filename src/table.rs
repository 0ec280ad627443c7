//! Text in columns that fit into a terminal.

use crate::render::Style;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// Between two columns.
const GAP: &str = "  ";
/// A column is never narrower.
const COLUMN_MIN: usize = 4;

/// One cell, in one line.
#[derive(Clone, Debug)]
pub struct Cell {
    /// Its text; line breaks are blanks.
    pub text: String,
    /// Numbers stand to the right.
    pub number: bool,
    /// Makes no sense when it is cut: a number, an instant.
    pub whole: bool,
}

impl Cell {
    /// A text, which may be cut.
    pub fn text(text: impl Into<String>) -> Cell {
        Cell { text: text.into(), number: false, whole: false }
    }

    /// A number.
    pub fn number(text: impl Into<String>) -> Cell {
        Cell { text: text.into(), number: true, whole: true }
    }
}

/// Header, rule, rows. The widest columns are narrowed until a row fits; what is longer than
/// `lines_max` lines is cut.
///
/// Gives the text, and whether a cell was cut.
pub fn table(
    header: &[String],
    rows: &[Vec<Cell>],
    lines_max: usize,
    style: Style,
) -> (String, bool) {
    let numbers: Vec<bool> =
        (0..header.len()).map(|at| rows.iter().any(|row| row[at].number)).collect();
    let wanted = (0..header.len())
        .map(|at| rows.iter().map(|row| row[at].text.width()).fold(header[at].width(), usize::max));
    let whole = |at: usize| rows.iter().any(|row| row[at].whole);
    let whole: Vec<bool> = (0..header.len()).map(whole).collect();
    let widths = fit(wanted.collect(), &whole, style.width);
    let mut text = String::new();
    let names: Vec<Vec<String>> =
        header.iter().zip(&widths).map(|(name, &width)| broken(name, width, 1).0).collect();
    let mut cut = false;
    for line in lines(&names, &widths, &numbers) {
        text.push_str(&format!("{}\n", style.paint("1", &line)));
    }
    let rule: Vec<String> = widths.iter().map(|&width| "─".repeat(width)).collect();
    text.push_str(&format!("{}\n", rule.join(GAP)));
    for row in rows {
        let cells: Vec<Vec<String>> = row
            .iter()
            .zip(&widths)
            .map(|(cell, &width)| {
                let (lines, shorter) = broken(&cell.text, width, lines_max);
                cut |= shorter;
                lines
            })
            .collect();
        for line in lines(&cells, &widths, &numbers) {
            text.push_str(&format!("{line}\n"));
        }
    }
    (text, cut)
}

/// The widths of columns that fit: the widest are cut, down to one common width. Columns that must
/// be whole are cut only where the others alone cannot make room.
fn fit(wanted: Vec<usize>, whole: &[bool], width: usize) -> Vec<usize> {
    let gaps = GAP.len() * wanted.len().saturating_sub(1);
    let room = width.saturating_sub(gaps);
    let kept: usize = wanted.iter().zip(whole).filter(|(_, w)| **w).map(|(width, _)| width).sum();
    let others = whole.iter().filter(|whole| !**whole).count();
    let keep = kept + others * COLUMN_MIN <= room;
    let cut = |at: usize| !(keep && whole[at]);
    let sum = |most: usize| -> usize {
        let width = |(at, w): (usize, &usize)| if cut(at) { (*w).min(most) } else { *w };
        wanted.iter().enumerate().map(width).sum()
    };
    let most = (COLUMN_MIN..=width).rev().find(|&most| sum(most) <= room).unwrap_or(COLUMN_MIN);
    let mut left = room.saturating_sub(sum(most));
    let mut widths = Vec::new();
    for (at, &w) in wanted.iter().enumerate() {
        let more = usize::from(cut(at) && w > most && left > 0);
        left -= more;
        widths.push(if cut(at) { w.min(most + more) } else { w });
    }
    widths
}

/// The lines of a row of cells.
fn lines(cells: &[Vec<String>], widths: &[usize], numbers: &[bool]) -> Vec<String> {
    let height = cells.iter().map(Vec::len).max().unwrap_or(0);
    let line = |at: usize| {
        let parts = cells.iter().enumerate().map(|(column, cell)| {
            let text = cell.get(at).map_or("", String::as_str);
            let blanks = " ".repeat(widths[column].saturating_sub(text.width()));
            if numbers[column] { format!("{blanks}{text}") } else { format!("{text}{blanks}") }
        });
        parts.collect::<Vec<_>>().join(GAP).trim_end().to_owned()
    };
    (0..height).map(line).collect()
}

/// A text in lines of at most `width` columns, broken at blanks where it can be; the last of
/// `lines_max` lines ends in `…` when there is more, which is the second value.
fn broken(text: &str, width: usize, lines_max: usize) -> (Vec<String>, bool) {
    let mut lines = Vec::new();
    let mut rest = text;
    while rest.width() > width {
        if lines.len() + 1 == lines_max {
            lines.push(format!("{}…", &rest[..prefix(rest, width.saturating_sub(1))]));
            return (lines, true);
        }
        let most = prefix(rest, width).max(rest.chars().next().map_or(0, char::len_utf8));
        let (end, next) = match rest[..most].rfind(' ') {
            Some(blank) if blank > most / 2 => (blank, blank + 1),
            _ => (most, most),
        };
        lines.push(rest[..end].to_owned());
        rest = &rest[next..];
    }
    lines.push(rest.to_owned());
    (lines, false)
}

/// How many bytes of a text fit into some columns.
fn prefix(text: &str, columns: usize) -> usize {
    let mut used = 0;
    for (at, c) in text.char_indices() {
        used += c.width().unwrap_or(0);
        if used > columns {
            return at;
        }
    }
    text.len()
}

/// The beginning of a text that fits into some columns, with `…` where it is cut.
pub fn clip(text: &str, columns: usize) -> String {
    broken(text, columns, 1).0.swap_remove(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_widest_columns_are_narrowed() {
        let none = [false; 3];
        assert_eq!(fit(vec![5, 40, 10], &none, 80), [5, 40, 10]);
        assert_eq!(fit(vec![5, 60, 60], &none, 60), [5, 26, 25]);
        assert_eq!(fit(vec![90, 90], &none[..2], 10), [4, 4]);
    }

    #[test]
    fn numbers_are_cut_last() {
        assert_eq!(fit(vec![60, 20], &[false, true], 50), [28, 20]);
        assert_eq!(fit(vec![60, 20], &[false, true], 20), [9, 9]);
    }

    #[test]
    fn long_texts_are_broken_at_blanks_then_cut() {
        assert_eq!(broken("one two three", 8, 3).0, ["one two", "three"]);
        assert_eq!(broken("abcdefghij", 4, 3).0, ["abcd", "efgh", "ij"]);
        assert_eq!(broken("abcdefghij", 4, 2), (vec!["abcd".into(), "efg…".into()], true));
        assert_eq!(clip("größer", 4), "grö…");
        assert_eq!(clip("wide 表表", 7), "wide …");
    }

    #[test]
    fn numbers_stand_to_the_right() {
        let row = |text: &str, number: &str| vec![Cell::text(text), Cell::number(number)];
        let rows = [row("a", "1"), row("bcd", "22")];
        let (text, cut) = table(&["x".into(), "n".into()], &rows, 1, Style::plain());
        assert!(!cut);
        assert_eq!(text, "x     n\n───  ──\na     1\nbcd  22\n");
    }
}
