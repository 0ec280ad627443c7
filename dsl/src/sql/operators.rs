//! Operators: arithmetic, comparison, logic.

use super::check::{Checker, poison};
use super::coerce::{a, cast, common_of, is_text};
use super::decimal::Shape;
use super::names::Scope;
use super::problem::SqlProblem;
use super::typed::{ArithOp, At, CompareOp, Expr, ExprKind, Func};
use crate::ty::Ty;
use crate::value::Value;
use sqlparser::ast::{self, BinaryOperator};
use std::ops::Range;

impl Checker<'_> {
    /// `a + b - c`: a chain leans to the left, and is walked without recursion.
    pub(super) fn chain(&mut self, chain: &ast::Expr, scope: &Scope) -> Expr {
        let (mut first, mut rest) = (chain, Vec::new());
        while let ast::Expr::BinaryOp { left, op, right } = first {
            rest.push((op, right.as_ref()));
            first = left;
        }
        let mut whole = self.expr(first, scope);
        let start = self.at(first).start;
        for (op, right) in rest.into_iter().rev() {
            let at = start..self.at(right).end.max(start);
            whole = self.binary(whole, op, right, scope, at);
        }
        whole
    }

    fn binary(
        &mut self,
        left: Expr,
        op: &BinaryOperator,
        right: &ast::Expr,
        scope: &Scope,
        at: Range<usize>,
    ) -> Expr {
        use BinaryOperator as Op;
        if let (Op::Plus | Op::Minus, ast::Expr::Interval(interval)) = (op, right) {
            return self.interval(left, interval, *op == Op::Minus, at);
        }
        let arith = match op {
            Op::Plus => Some(ArithOp::Add),
            Op::Minus => Some(ArithOp::Sub),
            Op::Multiply => Some(ArithOp::Mul),
            Op::Divide => Some(ArithOp::Div),
            Op::Modulo => Some(ArithOp::Rem),
            _ => None,
        };
        let compare = match op {
            Op::Eq => Some(CompareOp::Eq),
            Op::NotEq => Some(CompareOp::Ne),
            Op::Lt => Some(CompareOp::Lt),
            Op::LtEq => Some(CompareOp::Le),
            Op::Gt => Some(CompareOp::Gt),
            Op::GtEq => Some(CompareOp::Ge),
            _ => None,
        };
        let sides = (left, self.expr(right, scope));
        let word = op.to_string().to_lowercase();
        if let Some(op) = arith {
            return self.arith(op, sides.0, sides.1, (&word, at));
        }
        if let Some(op) = compare {
            return self.compare(op, sides.0, sides.1, (&word, at));
        }
        match op {
            Op::And | Op::Or => {
                let what = format!("a side of `{word}`");
                let left = Box::new(self.coerced(sides.0, &Ty::Bool, &what));
                let right = Box::new(self.coerced(sides.1, &Ty::Bool, &what));
                let nullable = left.nullable || right.nullable;
                let kind = match op {
                    Op::And => ExprKind::And(left, right),
                    _ => ExprKind::Or(left, right),
                };
                Expr { kind, ty: Ty::Bool, nullable, at: At(at) }
            }
            Op::StringConcat => self.concat(sides.0, sides.1, at),
            Op::PGLikeMatch | Op::PGNotLikeMatch | Op::PGILikeMatch | Op::PGNotILikeMatch => {
                self.unsupported(&format!("`{word}`"), &at, "write `like` or `ilike`");
                poison(at)
            }
            _ => {
                self.unsupported(&format!("the operator `{word}`"), &at, "");
                poison(at)
            }
        }
    }

    /// `a || b`: anything as text.
    pub(super) fn concat(&mut self, mut left: Expr, mut right: Expr, at: Range<usize>) -> Expr {
        cast(&mut left, &Ty::Text);
        cast(&mut right, &Ty::Text);
        let nullable = left.nullable || right.nullable;
        let kind = ExprKind::Concat(Box::new(left), Box::new(right));
        Expr { kind, ty: Ty::Text, nullable, at: At(at) }
    }

    pub(super) fn arith(
        &mut self,
        op: ArithOp,
        mut left: Expr,
        mut right: Expr,
        (word, at): (&str, Range<usize>),
    ) -> Expr {
        if left.ty == Ty::Unknown || right.ty == Ty::Unknown {
            return poison(at);
        }
        // a text literal or a null beside a number becomes a number like it
        let types = (left.ty.clone(), right.ty.clone());
        for (one, other) in [(&mut left, &types.1), (&mut right, &types.0)] {
            let number = matches!(other, Ty::Int | Ty::Decimal { .. } | Ty::Float);
            if number && (is_text(one) || one.ty == Ty::Null) {
                self.readable(one, other);
                cast(one, other);
            }
        }
        if let Some(moved) = self.days(op, &left, &right, &at) {
            return moved;
        }
        let nullable = left.nullable || right.nullable;
        let shapes = (Shape::of(&left), Shape::of(&right));
        let ty = match (&left.ty, &right.ty, shapes) {
            (Ty::Null, Ty::Null, _) => Ty::Null,
            (Ty::Int, Ty::Int, _) => Ty::Int,
            (Ty::Float, Ty::Int | Ty::Decimal { .. } | Ty::Float, _)
            | (Ty::Int | Ty::Decimal { .. }, Ty::Float, _) => Ty::Float,
            (_, _, (Some(first), Some(second))) => first.computed(op, second).ty(),
            _ => {
                let message = format!("`{word}` needs two numbers");
                let label = format!("{} and {}", a(&left.ty), a(&right.ty));
                let problem = SqlProblem::new("E0306", message, at.clone(), label);
                self.report(match (&left.ty, &right.ty) {
                    (Ty::Text, Ty::Text) if op == ArithOp::Add => {
                        problem.help("text is joined by `||`")
                    }
                    (Ty::Timestamp | Ty::Date, _) => problem
                        .help("write `dateadd(day, 7, x)`, `x + interval '7 days'` or `datediff`"),
                    _ => problem.help("cast the text: `x::int`"),
                });
                return poison(at);
            }
        };
        if ty == Ty::Float {
            cast(&mut left, &ty);
            cast(&mut right, &ty);
        } else if let (Ty::Decimal { .. }, (Some(first), Some(second))) = (&ty, shapes) {
            cast(&mut left, &first.ty());
            cast(&mut right, &second.ty());
        }
        let kind = ExprKind::Arith(op, Box::new(left), Box::new(right));
        Expr { kind, ty, nullable, at: At(at) }
    }

    /// `date + int`, `date - int`, `date - date`: in days.
    fn days(&mut self, op: ArithOp, left: &Expr, right: &Expr, at: &Range<usize>) -> Option<Expr> {
        let nullable = left.nullable || right.nullable;
        let at = At(at.clone());
        let day = || Expr {
            kind: ExprKind::Literal(Value::Text("day".into())),
            ty: Ty::Text,
            nullable: false,
            at: at.clone(),
        };
        match (op, &left.ty, &right.ty) {
            (ArithOp::Add | ArithOp::Sub, Ty::Date, Ty::Int) => {
                let mut from = left.clone();
                cast(&mut from, &Ty::Timestamp);
                let mut count = right.clone();
                if op == ArithOp::Sub {
                    let kind = ExprKind::Neg(Box::new(count.clone()));
                    count = Expr { kind, ..count };
                }
                let kind = ExprKind::Call(Func::DateAdd, vec![day(), count, from]);
                let mut moved = Expr { kind, ty: Ty::Timestamp, nullable, at };
                cast(&mut moved, &Ty::Date);
                Some(moved)
            }
            (ArithOp::Sub, Ty::Date, Ty::Date) => {
                let (mut to, mut from) = (left.clone(), right.clone());
                cast(&mut to, &Ty::Timestamp);
                cast(&mut from, &Ty::Timestamp);
                let kind = ExprKind::Call(Func::DateDiff, vec![day(), from, to]);
                Some(Expr { kind, ty: Ty::Int, nullable, at })
            }
            _ => None,
        }
    }

    pub(super) fn compare(
        &mut self,
        op: CompareOp,
        mut left: Expr,
        mut right: Expr,
        (word, at): (&str, Range<usize>),
    ) -> Expr {
        let nullable = op != CompareOp::Same && (left.nullable || right.nullable);
        let Some(ty) = common_of(&left, &right) else {
            let message = format!("`{word}` compares {} with {}", a(&left.ty), a(&right.ty));
            let problem = SqlProblem::new("E0306", message, at.clone(), "");
            let text = if left.ty == Ty::Text { &left } else { &right };
            let other = if left.ty == Ty::Text { &right.ty } else { &left.ty };
            let help =
                format!("cast one side: `{}::{}`", self.text(text), super::coerce::word(other));
            self.report(problem.help(help));
            return poison(at);
        };
        if ty == Ty::Unknown {
            return poison(at);
        }
        let null = [&left, &right].iter().any(|side| side.ty == Ty::Null);
        if null && matches!(op, CompareOp::Eq | CompareOp::Ne) {
            let message = format!("`{word} null` is never true");
            let ours = if op == CompareOp::Eq { "is null" } else { "is not null" };
            let problem = SqlProblem::new("E0306", message, at.clone(), "");
            self.report(problem.help(format!("write `{ours}`")));
        }
        self.readable(&left, &ty);
        self.readable(&right, &ty);
        cast(&mut left, &ty);
        cast(&mut right, &ty);
        let kind = ExprKind::Compare(op, Box::new(left), Box::new(right));
        Expr { kind, ty: Ty::Bool, nullable, at: At(at) }
    }

    /// `x + interval '7 days'`
    fn interval(
        &mut self,
        left: Expr,
        interval: &ast::Interval,
        minus: bool,
        at: Range<usize>,
    ) -> Expr {
        let text = match interval.value.as_ref() {
            ast::Expr::Value(value) => match &value.value {
                ast::Value::SingleQuotedString(text) => text.clone(),
                ast::Value::Number(number, _) => number.clone(),
                _ => String::new(),
            },
            _ => String::new(),
        };
        let field = interval.leading_field.as_ref().map(|field| field.to_string());
        let mut words = text.split_whitespace().map(str::to_string).chain(field);
        let count = words.next().and_then(|word| word.parse::<i64>().ok());
        let part = words.next().and_then(|word| super::functions::part(&word, false));
        let (Some(count), Some(part), None) = (count, part, words.next()) else {
            self.unsupported("this interval", &at, "write `interval '7 days'`");
            return poison(at);
        };
        let count = Value::Int(if minus { -count } else { count });
        let left = self.coerced(left, &Ty::Timestamp, "what an interval is added to");
        let nullable = left.nullable;
        let constant = |value: Value, ty: Ty| Expr {
            kind: ExprKind::Literal(value),
            ty,
            nullable: false,
            at: At(at.clone()),
        };
        let args =
            vec![constant(Value::Text(part.into()), Ty::Text), constant(count, Ty::Int), left];
        let kind = ExprKind::Call(Func::DateAdd, args);
        Expr { kind, ty: Ty::Timestamp, nullable, at: At(at) }
    }
}
