//! Casts and functions as SQLite's SQL.

use super::exprs::Exprs;
use super::wide;
use dsl::sql::typed::{Expr, ExprKind, Func};
use dsl::ty::Ty;
use dsl::value::Value;

impl Exprs<'_> {
    pub(super) fn cast(&self, from: &Expr, to: &Ty) -> String {
        use Ty::*;
        let x = self.expr(from);
        match (&from.ty, to) {
            (Null, _) => "NULL".into(),
            (from, to) if from == to => x,
            (Decimal { precision: p, scale: s }, Decimal { precision, scale }) => {
                let stored_alike = wide::is_narrow(*p) == wide::is_narrow(*precision);
                match s == scale && stored_alike && precision >= p {
                    true => x,
                    false => format!("rs_dcast({x}, {s}, {scale}, {precision})"),
                }
            }
            (Int, Decimal { precision, scale }) => {
                format!("rs_dcast({x}, 0, {scale}, {precision})")
            }
            (Float, Decimal { precision, scale }) => {
                format!("rs_float_decimal({x}, {scale}, {precision})")
            }
            (Text, Decimal { precision, scale }) => {
                format!("rs_text_decimal({x}, {scale}, {precision})")
            }
            (Decimal { scale, .. }, Int) => format!("rs_dcast({x}, {scale}, 0, 0)"),
            (Decimal { scale, .. }, Float) => format!("rs_decimal_float({x}, {scale})"),
            (Decimal { scale, .. }, Text) => format!("rs_decimal_text({x}, {scale})"),
            (Int, Float) => format!("CAST({x} AS REAL)"),
            (Int, Text) => format!("CAST({x} AS TEXT)"),
            (Int, Bool) => format!("({x} <> 0)"),
            (Bool, Int) => x,
            (Bool, Text) => format!("CASE {x} WHEN 1 THEN 'true' WHEN 0 THEN 'false' END"),
            (Float, Int) => format!("rs_float_int({x})"),
            (Float, Text) => format!("rs_float_text({x})"),
            (Text, Int) => format!("rs_text_int({x})"),
            (Text, Float) => format!("rs_text_float({x})"),
            (Text, Bool) => format!("rs_text_bool({x})"),
            (Text, Timestamp) => format!("rs_text_time({x})"),
            (Text, Date) => format!("rs_text_date({x})"),
            (Timestamp, Date) => format!("rs_time_date({x})"),
            (Date, Timestamp) => format!("rs_date_time({x})"),
            (Timestamp, Text) => format!("rs_time_text({x})"),
            (Date, Text) => format!("rs_date_text({x})"),
            (from, to) => unreachable!("the checker lets no {from} be cast to {to}"),
        }
    }

    pub(super) fn call(&self, func: Func, args: &[Expr], ty: &Ty) -> String {
        let list = self.list(args);
        let name = match func {
            Func::Coalesce if args.len() == 1 => return list,
            Func::Coalesce => "coalesce",
            Func::Nullif => "nullif",
            Func::Abs | Func::Sign => return self.sign(func, &args[0]),
            Func::Round | Func::Trunc | Func::Floor | Func::Ceil => {
                return self.rounded(func, args, ty);
            }
            Func::ToCharNumber => {
                return format!("rs_to_char_number({list}, {})", args[0].scale());
            }
            Func::Trim => "trim",
            Func::Ltrim => "ltrim",
            Func::Rtrim => "rtrim",
            Func::Replace => "rs_replace",
            Func::Upper => "rs_upper",
            Func::Lower => "rs_lower",
            Func::Initcap => "rs_initcap",
            Func::Length => "rs_length",
            Func::Substring => "rs_substring",
            Func::Left => "rs_left",
            Func::Right => "rs_right",
            Func::SplitPart => "rs_split_part",
            Func::Reverse => "rs_reverse",
            Func::Repeat => "rs_repeat",
            Func::Lpad => "rs_lpad",
            Func::Rpad => "rs_rpad",
            Func::Strpos => "rs_strpos",
            Func::Chr => "rs_chr",
            Func::Ascii => "rs_ascii",
            Func::Sqrt => "rs_sqrt",
            Func::Power => "rs_power",
            Func::Exp => "rs_exp",
            Func::Ln => "rs_ln",
            Func::Log => "rs_log",
            Func::Greatest => "rs_greatest",
            Func::Least => "rs_least",
            Func::DateTrunc => "rs_date_trunc",
            Func::DatePart => "rs_date_part",
            Func::DateAdd => "rs_date_add",
            Func::DateDiff => "rs_date_diff",
            Func::LastDay => "rs_last_day",
            Func::ToCharTime => "rs_to_char_time",
        };
        format!("{name}({list})")
    }

    fn sign(&self, func: Func, arg: &Expr) -> String {
        let x = self.expr(arg);
        let word = if func == Func::Abs { "abs" } else { "sign" };
        match &arg.ty {
            Ty::Decimal { precision, scale } => format!("rs_d{word}({x}, {scale}, {precision})"),
            // SQLite's abs of the smallest integer is its error
            Ty::Int => format!("{word}({x})"),
            _ => format!("CAST({word}({x}) AS REAL)"),
        }
    }

    /// To the digits that are asked for, kept at the scale of the result.
    fn rounded(&self, func: Func, args: &[Expr], ty: &Ty) -> String {
        let mode = match func {
            Func::Round => 0,
            Func::Trunc => 1,
            Func::Floor => 2,
            _ => 3,
        };
        let (x, digits) = (self.expr(&args[0]), self.expr(&args[1]));
        let whole = matches!(args[1].kind, ExprKind::Literal(Value::Int(0..)));
        match ty {
            Ty::Int if whole => x,
            Ty::Int => format!("rs_dround({x}, 0, {digits}, 0, 0, {mode})"),
            Ty::Decimal { precision, scale } => {
                let from = args[0].scale();
                format!("rs_dround({x}, {from}, {digits}, {scale}, {precision}, {mode})")
            }
            _ => format!("rs_fround({x}, {digits}, {mode})"),
        }
    }
}
