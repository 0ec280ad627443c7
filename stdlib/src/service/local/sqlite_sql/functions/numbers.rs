//! Ints and floats: overflow, division by zero and what is no number are errors.

use super::{Args, FLAGS, Given, float, int, scalar, text};
use crate::service::local::sqlite_sql::wide::error;
use rusqlite::types::{ToSqlOutput, Value, ValueRef};
use rusqlite::{Connection, Result};
use std::cmp::Ordering;

pub(super) fn register(connection: &Connection) -> Result<()> {
    scalar(connection, "rs_iadd", 2, |args| ints(args, i64::checked_add))?;
    scalar(connection, "rs_isub", 2, |args| ints(args, i64::checked_sub))?;
    scalar(connection, "rs_imul", 2, |args| ints(args, i64::checked_mul))?;
    scalar(connection, "rs_idiv", 2, |args| {
        not_zero(args.int(1)? == 0)?;
        ints(args, i64::checked_div)
    })?;
    scalar(connection, "rs_irem", 2, |args| {
        not_zero(args.int(1)? == 0)?;
        ints(args, |left, right| Some(left.wrapping_rem(right)))
    })?;
    scalar(connection, "rs_fadd", 2, |args| float(args.get::<f64>(0)? + args.get::<f64>(1)?))?;
    scalar(connection, "rs_fsub", 2, |args| float(args.get::<f64>(0)? - args.get::<f64>(1)?))?;
    scalar(connection, "rs_fmul", 2, |args| float(args.get::<f64>(0)? * args.get::<f64>(1)?))?;
    scalar(connection, "rs_fdiv", 2, |args| {
        not_zero(args.get::<f64>(1)? == 0.0)?;
        float(args.get::<f64>(0)? / args.get::<f64>(1)?)
    })?;
    scalar(connection, "rs_frem", 2, |args| {
        not_zero(args.get::<f64>(1)? == 0.0)?;
        float(args.get::<f64>(0)? % args.get::<f64>(1)?)
    })?;
    scalar(connection, "rs_fround", 3, round)?;
    scalar(connection, "rs_sqrt", 1, |args| float(args.get::<f64>(0)?.sqrt()))?;
    scalar(connection, "rs_exp", 1, |args| float(args.get::<f64>(0)?.exp()))?;
    scalar(connection, "rs_ln", 1, |args| float(args.get::<f64>(0)?.ln()))?;
    scalar(connection, "rs_log", 1, |args| float(args.get::<f64>(0)?.log10()))?;
    scalar(connection, "rs_power", 2, |args| float(args.get::<f64>(0)?.powf(args.get::<f64>(1)?)))?;
    scalar(connection, "rs_float_int", 1, |args| {
        let rounded = args.get::<f64>(0)?.round_ties_even();
        let fits = (-9.223_372_036_854_775e18..=9.223_372_036_854_775e18).contains(&rounded);
        if fits { int(rounded as i64) } else { Err(error("integer overflow")) }
    })?;
    scalar(connection, "rs_float_text", 1, |args| text(format!("{}", args.get::<f64>(0)?)))?;
    scalar(connection, "rs_text_int", 1, |args| parsed(args, "an int", |text| text.parse().ok()))?;
    scalar(connection, "rs_text_float", 1, |args| {
        let written = args.text(0)?;
        match written.trim().parse() {
            Ok(number) => float(number),
            Err(_) => Err(error(format!("`{written}` is not a float"))),
        }
    })?;
    scalar(connection, "rs_text_bool", 1, |args| {
        parsed(args, "a bool", |text| dsl::sql::literal::bool(text).map(i64::from))
    })?;
    extreme(connection, "rs_greatest", Ordering::Greater)?;
    extreme(connection, "rs_least", Ordering::Less)?;
    connection.create_scalar_function("rs_many", 0, FLAGS, |_| -> Result<Given> {
        Err(error("a subquery that stands for one value gave several rows"))
    })
}

fn ints(args: &Args, op: fn(i64, i64) -> Option<i64>) -> Result<Given> {
    match op(args.int(0)?, args.int(1)?) {
        Some(result) => int(result),
        None => Err(error("integer overflow")),
    }
}

fn not_zero(zero: bool) -> Result<()> {
    if zero { Err(error("division by zero")) } else { Ok(()) }
}

fn parsed(args: &Args, what: &str, read: impl Fn(&str) -> Option<i64>) -> Result<Given> {
    let written = args.text(0)?;
    match read(written.trim()) {
        Some(number) => int(number),
        None => Err(error(format!("`{written}` is not {what}"))),
    }
}

/// x, digits, mode (0 round, 1 trunc, 2 floor, 3 ceil).
fn round(args: &Args) -> Result<Given> {
    let (number, digits) = (args.get::<f64>(0)?, args.int(1)?.clamp(-300, 300) as i32);
    let unit = 10_f64.powi(digits);
    let scaled = number * unit;
    // so large that there is nothing behind the point
    if !scaled.is_finite() {
        return float(number);
    }
    let rounded = match args.small(2)? {
        0 => scaled.round(),
        1 => scaled.trunc(),
        2 => scaled.floor(),
        _ => scaled.ceil(),
    };
    float(rounded / unit)
}

/// The largest or smallest argument that is not null; all are of one type.
fn extreme(connection: &Connection, name: &str, wanted: Ordering) -> Result<()> {
    connection.create_scalar_function(name, -1, FLAGS, move |context| {
        let mut best: Option<ValueRef> = None;
        for index in 0..context.len() {
            let value = context.get_raw(index);
            let better = best.is_none_or(|best| compared(value, best) == wanted);
            if value != ValueRef::Null && better {
                best = Some(value);
            }
        }
        let best = best.map(Value::try_from).transpose();
        let best = best.map_err(|_| error("a text is not UTF-8"))?;
        Ok(best.map(ToSqlOutput::Owned))
    })
}

fn compared(left: ValueRef, right: ValueRef) -> Ordering {
    match (left, right) {
        (ValueRef::Integer(left), ValueRef::Integer(right)) => left.cmp(&right),
        (ValueRef::Real(left), ValueRef::Real(right)) => left.total_cmp(&right),
        (ValueRef::Text(left), ValueRef::Text(right)) => left.cmp(right),
        (ValueRef::Blob(left), ValueRef::Blob(right)) => left.cmp(right),
        _ => Ordering::Equal,
    }
}
