//! Functions whose result depends on their arguments' types.

use super::check::{Checker, poison};
use super::coerce::{cast, common_of};
use super::format;
use super::problem::SqlProblem;
use super::typed::{ArithOp, At, CompareOp, Expr, ExprKind, Func};
use crate::ty::Ty;
use crate::value::Value;
use std::ops::Range;

impl Checker<'_> {
    pub(super) fn special(&mut self, name: &str, mut args: Vec<Expr>, at: Range<usize>) -> Expr {
        if args.iter().any(|arg| arg.ty == Ty::Unknown) {
            return poison(at);
        }
        let (least, most) = match name {
            "round" | "trunc" => (1, 2),
            "floor" | "ceil" | "ceiling" | "abs" | "sign" => (1, 1),
            "nullif" | "mod" | "concat" | "to_char" | "add_months" | "charindex" => (2, 2),
            "nvl2" => (3, 3),
            "decode" => (3, usize::MAX),
            _ => (1, usize::MAX),
        };
        if args.len() < least || args.len() > most {
            let message = format!("`{name}` cannot take {} arguments", args.len());
            let problem = SqlProblem::new("E0306", message, at.clone(), "");
            self.report(match name {
                "concat" => problem.help("join more than two texts with `||`"),
                _ => problem,
            });
            return poison(at);
        }
        match name {
            "round" | "trunc" | "floor" | "ceil" | "ceiling" => self.rounded(name, args, at),
            "abs" | "sign" => {
                if !self.number(&mut args[0], &format!("the argument of `{name}`")) {
                    return poison(at);
                }
                let func = if name == "abs" { Func::Abs } else { Func::Sign };
                let ty = args[0].ty.clone();
                called(func, args, ty, at)
            }
            "coalesce" | "nvl" | "greatest" | "least" => self.chosen(name, args, at),
            "nullif" => self.nullif(args, at),
            "nvl2" => {
                let present = Box::new(args.remove(0));
                let null = ExprKind::IsNull(present);
                let null = Expr { kind: null, ty: Ty::Bool, nullable: false, at: At(at.clone()) };
                args.reverse();
                self.cases(vec![null], args, at)
            }
            "decode" => self.decode(args, at),
            "mod" => {
                let right = args.remove(1);
                let left = args.remove(0);
                self.arith(ArithOp::Rem, left, right, ("mod", at))
            }
            "concat" => {
                let right = args.remove(1);
                let left = args.remove(0);
                self.concat(left, right, at)
            }
            "charindex" => {
                args.swap(0, 1);
                let args = args.into_iter().map(|arg| self.coerced(arg, &Ty::Text, "an argument"));
                called(Func::Strpos, args.collect(), Ty::Int, at)
            }
            "add_months" => self.add_months(args, at),
            "to_char" => self.formatted(args, at),
            _ => poison(at),
        }
    }

    /// `round`, `trunc`, `floor`, `ceil`: an int stays; a decimal gets the digits that are asked
    /// for; a float stays a float.
    fn rounded(&mut self, name: &str, mut args: Vec<Expr>, at: Range<usize>) -> Expr {
        let func = match name {
            "round" => Func::Round,
            "trunc" => Func::Trunc,
            "floor" => Func::Floor,
            _ => Func::Ceil,
        };
        let time = matches!(args[0].ty, Ty::Timestamp | Ty::Date);
        if func == Func::Trunc && time && args.len() == 1 {
            let mut date = args.remove(0);
            cast(&mut date, &Ty::Date);
            return date;
        }
        if !self.number(&mut args[0], &format!("the argument of `{name}`")) {
            return poison(at);
        }
        let asked = match args.get(1).map(|digits| &digits.kind) {
            None => Some(0),
            Some(ExprKind::Literal(Value::Int(digits))) => Some(*digits),
            Some(_) => None,
        };
        if let Some(digits) = args.get(1).filter(|digits| digits.ty != Ty::Int) {
            let place = digits.at.0.clone();
            let message = format!("the digits of `{name}` are an int");
            self.report(SqlProblem::new("E0306", message, place, ""));
            return poison(at);
        }
        if args.len() == 1 {
            let kind = ExprKind::Literal(Value::Int(0));
            args.push(Expr { kind, ty: Ty::Int, nullable: false, at: At(at.clone()) });
        }
        let ty = match args[0].ty {
            Ty::Decimal { precision, scale } => {
                let digits = asked.map_or(scale, |digits| digits.clamp(0, scale.into()) as u8);
                // rounding up may need one digit more
                let whole = (precision - scale + 1).min(38 - digits);
                Ty::Decimal { precision: whole + digits, scale: digits }
            }
            ref ty => ty.clone(),
        };
        called(func, args, ty, at)
    }

    /// `coalesce`, `nvl`, `greatest`, `least`: all of one type; null only when all are.
    fn chosen(&mut self, name: &str, mut args: Vec<Expr>, at: Range<usize>) -> Expr {
        if !self.unified(&mut args, &format!("`{name}`")) {
            return poison(at);
        }
        let func = match name {
            "greatest" => Func::Greatest,
            "least" => Func::Least,
            _ => Func::Coalesce,
        };
        let nullable = args.iter().all(|arg| arg.nullable);
        let ty = args[0].ty.clone();
        Expr { kind: ExprKind::Call(func, args), ty, nullable, at: At(at) }
    }

    /// `nullif(a, b)`: of the type of a.
    fn nullif(&mut self, args: Vec<Expr>, at: Range<usize>) -> Expr {
        let own = args[0].clone();
        let Some(ty) = common_of(&args[0], &args[1]) else {
            let mut args = args;
            self.unified(&mut args, "`nullif`");
            return poison(at);
        };
        let mut args = args;
        for arg in &mut args {
            self.readable(arg, &ty);
            cast(arg, &ty);
        }
        let mut expr = called(Func::Nullif, args, ty, at);
        expr.nullable = true;
        if !super::coerce::is_text(&own) {
            cast(&mut expr, &own.ty);
        }
        expr
    }

    /// `decode(x, a, ra, b, rb, other)`: null equals null.
    fn decode(&mut self, mut args: Vec<Expr>, at: Range<usize>) -> Expr {
        let operand = args.remove(0);
        let (mut conditions, mut results) = (Vec::new(), Vec::new());
        let mut rest = args.into_iter();
        while let Some(first) = rest.next() {
            match rest.next() {
                Some(result) => {
                    let place = first.at.0.clone();
                    let same = CompareOp::Same;
                    conditions.push(self.compare(same, operand.clone(), first, ("decode", place)));
                    results.push(result);
                }
                None => results.push(first),
            }
        }
        self.cases(conditions, results, at)
    }

    fn add_months(&mut self, mut args: Vec<Expr>, at: Range<usize>) -> Expr {
        let count = args.remove(1);
        let count = self.coerced(count, &Ty::Int, "the months");
        let time = args.remove(0);
        let time = self.coerced(time, &Ty::Timestamp, "what months are added to");
        let kind = ExprKind::Literal(Value::Text("month".into()));
        let part = Expr { kind, ty: Ty::Text, nullable: false, at: At(at.clone()) };
        called(Func::DateAdd, vec![part, count, time], Ty::Timestamp, at)
    }

    /// `to_char(timestamp or number, 'format')`; the format is known now, so that it is checked.
    fn formatted(&mut self, mut args: Vec<Expr>, at: Range<usize>) -> Expr {
        let format_at = args[1].at.0.clone();
        let ExprKind::Literal(Value::Text(text)) = &args[1].kind else {
            self.unsupported("a computed format", &format_at, "write the format: `'YYYY-MM'`");
            return poison(at);
        };
        let (func, wrong) = match args[0].ty {
            Ty::Timestamp | Ty::Date => (Func::ToCharTime, format::time(text).err()),
            Ty::Int | Ty::Decimal { .. } | Ty::Float => {
                (Func::ToCharNumber, format::number(text).err())
            }
            _ => {
                let message = "`to_char` takes a timestamp or a number";
                let place = args[0].at.0.clone();
                let label = super::coerce::a(&args[0].ty);
                self.report(SqlProblem::new("E0306", message, place, label));
                return poison(at);
            }
        };
        if let Some(pattern) = wrong {
            let what = format!("the pattern `{pattern}` of `to_char`");
            self.unsupported(&what, &format_at, format::HELP);
            return poison(at);
        }
        match args[0].ty {
            Ty::Date => cast(&mut args[0], &Ty::Timestamp),
            Ty::Int => cast(&mut args[0], &Ty::Decimal { precision: 19, scale: 0 }),
            Ty::Float => cast(&mut args[0], &Ty::Decimal { precision: 38, scale: 10 }),
            _ => {}
        }
        called(func, args, Ty::Text, at)
    }
}

/// A call that is null where an argument is.
fn called(func: Func, args: Vec<Expr>, ty: Ty, at: Range<usize>) -> Expr {
    let nullable = args.iter().any(|arg| arg.nullable);
    Expr { kind: ExprKind::Call(func, args), ty, nullable, at: At(at) }
}
