//! The functions of the language, by name: one kernel each.

use super::column::Column;
use super::eval::Cx;
use super::fault::Faults;
use super::tree::Tree;
use super::{convert, number, print, text};
use crate::expr::time::TimeFormat;
use arrow_array::{ArrayRef, StringArray, TimestampNanosecondArray};
use dsl::plan::{Expr, ExprKind};
use dsl::value::Value;
use std::borrow::Cow;
use std::sync::Arc;

/// A function with its settings; see [`dsl::check::functions`] for what each does.
#[derive(Debug)]
pub(super) enum Function {
    Upper,
    Lower,
    Trim,
    Length,
    Replace,
    Round(i64),
    Floor,
    Ceil,
    Abs,
    Contains,
    StartsWith,
    EndsWith,
    Split,
    Sha256,
    Now,
    Uuid,
    Text,
    Int,
    Decimal,
    Float,
    Bool,
    /// A format, or RFC 3339, and the zone for dates.
    Timestamp(Option<TimeFormat>, String),
    /// A strftime format.
    Date(String),
    Url,
}

impl Function {
    /// The function of a name.
    ///
    /// # Panics
    /// For a name that is not in the table.
    pub fn of(name: &str, args: &[Expr]) -> Function {
        match name {
            "upper" => Function::Upper,
            "lower" => Function::Lower,
            "trim" => Function::Trim,
            "length" => Function::Length,
            "replace" => Function::Replace,
            "round" => Function::Round(setting(args, 1).and_then(Value::as_int).unwrap_or(0)),
            "floor" => Function::Floor,
            "ceil" => Function::Ceil,
            "abs" => Function::Abs,
            "contains" => Function::Contains,
            "starts_with" => Function::StartsWith,
            "ends_with" => Function::EndsWith,
            "split" => Function::Split,
            "sha256" => Function::Sha256,
            "now" => Function::Now,
            "uuid" => Function::Uuid,
            "text" => Function::Text,
            "int" => Function::Int,
            "decimal" => Function::Decimal,
            "float" => Function::Float,
            "bool" => Function::Bool,
            "timestamp" => timestamp(args),
            "date" => Function::Date(text_setting(args, 1, "%Y-%m-%d")),
            "url" => Function::Url,
            other => unreachable!("`{other}` is not in the table of functions"),
        }
    }

    /// The result for every row. Null where an argument is null.
    pub fn call(&self, tree: &Tree, args: &[Column], cx: &Cx, faults: &mut Faults) -> Column {
        let rows = cx.len();
        let x = || &args[0];
        // What can fail works on a value for each row, so that each row gets its fault.
        let every = || Column::Rows(args[0].clone().array(rows));
        match self {
            Function::Upper => text::map(x(), |text| Cow::Owned(text.to_uppercase())),
            Function::Lower => text::map(x(), |text| Cow::Owned(text.to_lowercase())),
            Function::Trim => text::map(x(), |text| Cow::Borrowed(text.trim())),
            Function::Length => text::length(x()),
            Function::Replace => text::replace(args, rows),
            Function::Contains => text::test(args, rows, |text, part| text.contains(part)),
            Function::StartsWith => text::test(args, rows, |text, part| text.starts_with(part)),
            Function::EndsWith => text::test(args, rows, |text, part| text.ends_with(part)),
            Function::Split => text::split(args, rows),
            Function::Sha256 => text::sha256(x()),
            Function::Round(digits) => number::round(tree, &every(), *digits, faults),
            Function::Floor => number::whole(tree, &every(), false, faults),
            Function::Ceil => number::whole(tree, &every(), true, faults),
            Function::Abs => number::abs(tree, &every(), faults),
            Function::Now => {
                let now = TimestampNanosecondArray::from(vec![cx.env.clock.now_ns()]);
                Column::One(Arc::new(now.with_timezone("UTC")))
            }
            Function::Uuid => Column::Rows(uuids(cx)),
            Function::Text => print::fill(&[print::Piece::Hole(x().clone(), None)], rows),
            Function::Int => convert::int(tree, &every(), faults),
            Function::Decimal => convert::decimal(tree, &every(), faults),
            Function::Float => convert::float(tree, &every(), faults),
            Function::Bool => convert::bool(tree, &every(), faults),
            Function::Timestamp(format, zone) => {
                convert::timestamp(tree, &every(), format.clone(), zone, faults)
            }
            Function::Date(format) => convert::date(tree, &every(), format, faults),
            Function::Url => convert::url(tree, &every(), faults),
        }
    }
}

fn timestamp(args: &[Expr]) -> Function {
    let format = text_setting(args, 1, "rfc3339");
    let zone = text_setting(args, 2, "UTC");
    if format == "rfc3339" {
        return Function::Timestamp(None, zone);
    }
    let format = TimeFormat::new(&format, &zone);
    Function::Timestamp(Some(format.expect("the checker knows formats and zones")), zone)
}

/// An argument that is known before the run.
fn setting(args: &[Expr], index: usize) -> Option<&Value> {
    match &args.get(index)?.kind {
        ExprKind::Const(value) => Some(value),
        ExprKind::Cast(inner) => setting(std::slice::from_ref(inner), 0),
        _ => None,
    }
}

fn text_setting(args: &[Expr], index: usize, default: &str) -> String {
    setting(args, index).and_then(Value::as_text).unwrap_or(default).to_string()
}

/// A random UUID, version 4, for each row.
fn uuids(cx: &Cx) -> ArrayRef {
    let mut random = cx.env.random.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    let uuid = |bits: u128| {
        let bits = (bits & !(0xF << 76) & !(0x3 << 62)) | 0x4 << 76 | 0x2 << 62;
        let hex = format!("{bits:032x}");
        format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
    };
    let uuids = (0..cx.len()).map(|_| uuid(random.u128(..)));
    Arc::new(StringArray::from_iter_values(uuids))
}
