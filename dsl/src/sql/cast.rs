//! `x::type`, `cast(x as type)`, and the names of types.

use super::check::{Checker, poison};
use super::coerce::{a, cast};
use super::names::Scope;
use super::problem::SqlProblem;
use super::typed::{At, Expr, ExprKind, Func};
use crate::ty::Ty;
use crate::value::Value;
use sqlparser::ast;
use std::ops::Range;

impl Checker<'_> {
    pub(super) fn cast_to(
        &mut self,
        inner: &ast::Expr,
        data_type: &ast::DataType,
        scope: &Scope,
        at: Range<usize>,
    ) -> Expr {
        let mut expr = self.expr(inner, scope);
        let Some((ty, length)) = self.data_type(data_type, &at) else { return poison(at) };
        if expr.ty == Ty::Unknown {
            return poison(at);
        }
        if !castable(&expr.ty, &ty) {
            let message = format!("{} cannot be cast to {}", a(&expr.ty), a(&ty));
            self.report(SqlProblem::new("E0306", message, at.clone(), ""));
            return poison(at);
        }
        self.readable(&expr, &ty);
        cast(&mut expr, &ty);
        expr.at = At(at.clone());
        let Some(length) = length.filter(|_| ty == Ty::Text) else { return expr };
        let nullable = expr.nullable;
        let length = Expr {
            kind: ExprKind::Literal(Value::Int(length)),
            ty: Ty::Int,
            nullable: false,
            at: At(at.clone()),
        };
        let kind = ExprKind::Call(Func::Left, vec![expr, length]);
        Expr { kind, ty: Ty::Text, nullable, at: At(at) }
    }

    /// The type that is written, and the length of a `varchar(n)`.
    pub(super) fn data_type(
        &mut self,
        data_type: &ast::DataType,
        at: &Range<usize>,
    ) -> Option<(Ty, Option<i64>)> {
        let text = data_type.to_string().to_lowercase();
        let (word, numbers) = text.split_once('(').unwrap_or((&text, ""));
        let (numbers, zone) = numbers.split_once(')').unwrap_or((numbers, ""));
        let numbers: Vec<i64> =
            numbers.split(',').filter_map(|number| number.trim().parse().ok()).collect();
        let word = format!("{}{zone}", word.trim());
        let ty = match word.as_str() {
            "smallint" | "int2" | "integer" | "int" | "int4" | "bigint" | "int8" => Ty::Int,
            "decimal" | "numeric" | "dec" => {
                let precision = numbers.first().copied().unwrap_or(18);
                let scale = numbers.get(1).copied().unwrap_or(0);
                if !(1..=38).contains(&precision) || !(0..=precision.min(37)).contains(&scale) {
                    let message = format!("`{text}` is no decimal");
                    let problem = SqlProblem::new("E0306", message, at.clone(), "");
                    self.report(problem.help("the precision is 1 to 38, the scale not larger"));
                    return None;
                }
                Ty::Decimal { precision: precision as u8, scale: scale as u8 }
            }
            "real" | "float" | "float4" | "float8" | "double precision" | "double" => Ty::Float,
            "varchar" | "char" | "text" | "character varying" | "character" | "nvarchar"
            | "bpchar" | "nchar" | "char varying" => {
                return Some((Ty::Text, numbers.first().copied()));
            }
            "boolean" | "bool" => Ty::Bool,
            "date" => Ty::Date,
            "timestamp"
            | "timestamp without time zone"
            | "timestamptz"
            | "timestamp with time zone"
            | "datetime" => Ty::Timestamp,
            _ => {
                let help = "types are int, decimal, float, varchar, bool, date and timestamp";
                self.unsupported(&format!("the type `{text}`"), at, help);
                return None;
            }
        };
        Some((ty, None))
    }
}

/// Which casts there are.
fn castable(from: &Ty, to: &Ty) -> bool {
    use Ty::*;
    let number = |ty: &Ty| matches!(ty, Int | Decimal { .. } | Float);
    from == to
        || matches!(from, Null | Text)
        || *to == Text
        || (number(from) && number(to))
        || matches!((from, to), (Timestamp, Date) | (Date, Timestamp) | (Bool, Int) | (Int, Bool))
}
