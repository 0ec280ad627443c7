//! Functions by name: a table of signatures, and the way from a call to it.

use super::check::{Checker, poison};
use super::coerce::{a, cast};
use super::names::Scope;
use super::problem::SqlProblem;
use super::typed::{At, Expr, ExprKind, Func};
use crate::check::suggest::nearest;
use crate::ty::Ty;
use crate::value::Value;
use sqlparser::ast;
use std::ops::Range;

/// Name, function, parameters, result. Parameters: `t` text, `i` int, `f` float, `d` timestamp,
/// `p` part of a date, `P` part of a date or `dow`, `doy`, `epoch`; those after `?` may be left
/// out. Results: `t`, `i`, `f`, `d`, `D` date.
const SIGNATURES: &[(&str, Func, &str, char)] = &[
    ("upper", Func::Upper, "t", 't'),
    ("lower", Func::Lower, "t", 't'),
    ("initcap", Func::Initcap, "t", 't'),
    ("trim", Func::Trim, "t?t", 't'),
    ("btrim", Func::Trim, "t?t", 't'),
    ("ltrim", Func::Ltrim, "t?t", 't'),
    ("rtrim", Func::Rtrim, "t?t", 't'),
    ("len", Func::Length, "t", 'i'),
    ("length", Func::Length, "t", 'i'),
    ("char_length", Func::Length, "t", 'i'),
    ("character_length", Func::Length, "t", 'i'),
    ("substring", Func::Substring, "ti?i", 't'),
    ("substr", Func::Substring, "ti?i", 't'),
    ("left", Func::Left, "ti", 't'),
    ("right", Func::Right, "ti", 't'),
    ("split_part", Func::SplitPart, "tti", 't'),
    ("replace", Func::Replace, "ttt", 't'),
    ("reverse", Func::Reverse, "t", 't'),
    ("repeat", Func::Repeat, "ti", 't'),
    ("replicate", Func::Repeat, "ti", 't'),
    ("lpad", Func::Lpad, "ti?t", 't'),
    ("rpad", Func::Rpad, "ti?t", 't'),
    ("strpos", Func::Strpos, "tt", 'i'),
    ("chr", Func::Chr, "i", 't'),
    ("ascii", Func::Ascii, "t", 'i'),
    ("sqrt", Func::Sqrt, "f", 'f'),
    ("power", Func::Power, "ff", 'f'),
    ("pow", Func::Power, "ff", 'f'),
    ("exp", Func::Exp, "f", 'f'),
    ("ln", Func::Ln, "f", 'f'),
    ("log", Func::Log, "f", 'f'),
    ("date_trunc", Func::DateTrunc, "pd", 'd'),
    ("date_part", Func::DatePart, "Pd", 'i'),
    ("pgdate_part", Func::DatePart, "Pd", 'i'),
    ("dateadd", Func::DateAdd, "pid", 'd'),
    ("date_add", Func::DateAdd, "pid", 'd'),
    ("datediff", Func::DateDiff, "pdd", 'i'),
    ("date_diff", Func::DateDiff, "pdd", 'i'),
    ("last_day", Func::LastDay, "d", 'D'),
];

/// Functions with rules of their own, and aggregates: for did-you-mean.
const SPECIAL: &[&str] = &[
    "round",
    "trunc",
    "floor",
    "ceil",
    "ceiling",
    "abs",
    "sign",
    "mod",
    "coalesce",
    "nvl",
    "nvl2",
    "nullif",
    "greatest",
    "least",
    "decode",
    "concat",
    "to_char",
    "add_months",
    "charindex",
    "trunc",
    "count",
    "sum",
    "avg",
    "min",
    "max",
    "listagg",
];

/// What Redshift reads the clock with.
const CLOCKS: [&str; 5] = ["getdate", "now", "sysdate", "current_date", "current_timestamp"];

fn is_known(name: &str) -> bool {
    SIGNATURES.iter().any(|signature| signature.0 == name)
        || SPECIAL.contains(&name)
        || CLOCKS.contains(&name)
}

impl Checker<'_> {
    pub(super) fn function(
        &mut self,
        function: &ast::Function,
        scope: &Scope,
        at: Range<usize>,
    ) -> Expr {
        let name = function.name.to_string().to_lowercase();
        let name_at = self.at(&function.name);
        if function.over.is_some() {
            return self.window(function, &name, scope, at);
        }
        if super::aggregate::by_name(&name).is_some() {
            return self.aggregate(function, &name, scope, at);
        }
        if function.filter.is_some() || !function.within_group.is_empty() {
            self.unsupported(&format!("this form of `{name}`"), &at, "");
            return poison(at);
        }
        if !is_known(&name) {
            return self.no_function(&name, name_at, at);
        }
        let Some(exprs) = self.plain_args(function, &name) else { return poison(at) };
        if let Some(signature) = SIGNATURES.iter().find(|signature| signature.0 == name) {
            return self.call(signature, &exprs, scope, at);
        }
        if SPECIAL.contains(&name.as_str()) {
            let mut args = Vec::new();
            for expr in exprs {
                args.push(self.expr(expr, scope));
            }
            return self.special(&name, args, at);
        }
        self.unsupported(&format!("`{name}`"), &at, "write a date: `'2011-12-09'`");
        poison(at)
    }

    fn no_function(&mut self, name: &str, name_at: Range<usize>, at: Range<usize>) -> Expr {
        let known = SIGNATURES.iter().map(|signature| signature.0);
        let known = known.chain(SPECIAL.iter().copied()).chain(super::aggregate::NAMES);
        let problem = match nearest(name, known) {
            Some(near) => SqlProblem::new("E0201", format!("no function `{name}`"), name_at, "")
                .help(format!("did you mean `{near}`?")),
            None => SqlProblem::unsupported(&format!("the function `{name}`"), name_at, ""),
        };
        self.report(problem);
        poison(at)
    }

    /// The arguments of a call that has nothing but arguments.
    pub(super) fn plain_args<'f>(
        &mut self,
        function: &'f ast::Function,
        name: &str,
    ) -> Option<Vec<&'f ast::Expr>> {
        let list = match &function.args {
            ast::FunctionArguments::None => return Some(Vec::new()),
            ast::FunctionArguments::List(list) => list,
            ast::FunctionArguments::Subquery(_) => {
                let at = self.here.clone();
                self.unsupported(&format!("a subquery in `{name}`"), &at, "");
                return None;
            }
        };
        let mut exprs = Vec::new();
        for arg in &list.args {
            match arg {
                ast::FunctionArg::Unnamed(ast::FunctionArgExpr::Expr(expr)) => exprs.push(expr),
                other => {
                    let at = self.at(other);
                    self.unsupported(&format!("this argument of `{name}`"), &at, "");
                    return None;
                }
            }
        }
        Some(exprs)
    }

    fn call(
        &mut self,
        &(name, func, params, result): &(&str, Func, &str, char),
        exprs: &[&ast::Expr],
        scope: &Scope,
        at: Range<usize>,
    ) -> Expr {
        let needed = params.find('?').unwrap_or(params.len());
        let kinds: Vec<char> = params.chars().filter(|kind| *kind != '?').collect();
        if exprs.len() < needed || exprs.len() > kinds.len() {
            let count = match needed == kinds.len() {
                true => format!("{needed}"),
                false => format!("{needed} or {}", kinds.len()),
            };
            let message = format!("`{name}` takes {count} arguments, not {}", exprs.len());
            self.report(SqlProblem::new("E0306", message, at.clone(), ""));
            return poison(at);
        }
        let mut args = Vec::new();
        for (index, (expr, kind)) in exprs.iter().zip(kinds).enumerate() {
            if matches!(kind, 'p' | 'P') {
                match self.part_of(expr, kind == 'P') {
                    Some(part) => args.push(part),
                    None => return poison(at),
                }
                continue;
            }
            let arg = self.expr(expr, scope);
            let what = format!("argument {} of `{name}`", index + 1);
            args.push(self.coerced(arg, &ty_of(kind), &what));
        }
        if args.iter().any(|arg| arg.ty == Ty::Unknown) {
            return poison(at);
        }
        // dates may be out of reach of the calendar, logarithms undefined: never null, an error
        let nullable = args.iter().any(|arg| arg.nullable);
        Expr { kind: ExprKind::Call(func, args), ty: ty_of(result), nullable, at: At(at) }
    }

    /// `day`, `'day'`: a part of a date, by its canonical name.
    pub(super) fn part_of(&mut self, expr: &ast::Expr, of_date: bool) -> Option<Expr> {
        let at = self.at(expr);
        let word = match expr {
            ast::Expr::Identifier(ident) => ident.value.clone(),
            ast::Expr::Value(value) => match &value.value {
                ast::Value::SingleQuotedString(text) => text.clone(),
                other => other.to_string(),
            },
            other => other.to_string(),
        };
        self.part_named(&word, of_date, at)
    }

    pub(super) fn part_named(
        &mut self,
        word: &str,
        of_date: bool,
        at: Range<usize>,
    ) -> Option<Expr> {
        let Some(part) = part(word, of_date) else {
            let message = format!("`{word}` is no part of a date");
            let problem = SqlProblem::new("E0306", message, at, "");
            let near = nearest(&word.to_lowercase(), super::PARTS);
            self.report(match near {
                Some(near) => problem.help(format!("did you mean `{near}`?")),
                None => problem.help(format!("the parts: {}", super::PARTS.join(", "))),
            });
            return None;
        };
        let kind = ExprKind::Literal(Value::Text(part.into()));
        Some(Expr { kind, ty: Ty::Text, nullable: false, at: At(at) })
    }

    /// `extract(year from x)`, `ceil(x)`, `position(a in b)`, `substring(…)`, `trim(…)`: functions
    /// that the parser knows by their keywords.
    pub(super) fn keyword_function(
        &mut self,
        expr: &ast::Expr,
        scope: &Scope,
        at: Range<usize>,
    ) -> Expr {
        let text = |name: &str| SIGNATURES.iter().find(|signature| signature.0 == name);
        let (name, exprs): (&str, Vec<&ast::Expr>) = match expr {
            ast::Expr::Extract { field, expr, .. } => {
                let word = field.to_string();
                let word = word.trim_matches('\'');
                let Some(part) = self.part_named(word, true, at.clone()) else { return poison(at) };
                let time = self.expr(expr, scope);
                let time = self.coerced(time, &Ty::Timestamp, "what `extract` reads");
                let nullable = time.nullable;
                let kind = ExprKind::Call(Func::DatePart, vec![part, time]);
                return Expr { kind, ty: Ty::Int, nullable, at: At(at) };
            }
            ast::Expr::Ceil { expr, .. } => {
                let arg = self.expr(expr, scope);
                return self.special("ceil", vec![arg], at);
            }
            ast::Expr::Floor { expr, .. } => {
                let arg = self.expr(expr, scope);
                return self.special("floor", vec![arg], at);
            }
            ast::Expr::Position { expr, r#in } => ("strpos", vec![r#in, expr]),
            ast::Expr::Substring { expr, substring_from, substring_for, .. } => {
                let parts = [Some(expr), substring_from.as_ref(), substring_for.as_ref()];
                ("substring", parts.into_iter().flatten().map(|part| part.as_ref()).collect())
            }
            ast::Expr::Trim { trim_where, trim_what, expr, trim_characters } => {
                let name = match trim_where {
                    Some(ast::TrimWhereField::Leading) => "ltrim",
                    Some(ast::TrimWhereField::Trailing) => "rtrim",
                    _ => "trim",
                };
                let what = trim_what.as_deref().into_iter();
                let characters = trim_characters.iter().flatten();
                (name, std::iter::once(expr.as_ref()).chain(what).chain(characters).collect())
            }
            _ => return poison(at),
        };
        match text(name) {
            Some(signature) => self.call(signature, &exprs, scope, at),
            None => poison(at),
        }
    }

    /// A number of any kind; else a problem.
    pub(super) fn number(&mut self, expr: &mut Expr, what: &str) -> bool {
        match expr.ty {
            Ty::Int | Ty::Decimal { .. } | Ty::Float => true,
            Ty::Unknown => false,
            Ty::Null => {
                cast(expr, &Ty::Int);
                true
            }
            _ => {
                let message = format!("{what} is a number, not {}", a(&expr.ty));
                let problem = SqlProblem::new("E0306", message, expr.at.0.clone(), a(&expr.ty));
                self.report(problem);
                false
            }
        }
    }
}

fn ty_of(kind: char) -> Ty {
    match kind {
        't' => Ty::Text,
        'i' => Ty::Int,
        'f' => Ty::Float,
        'D' => Ty::Date,
        _ => Ty::Timestamp,
    }
}

/// The canonical name of a part of a date, by any of Redshift's names for it.
pub(super) fn part(word: &str, of_date: bool) -> Option<&'static str> {
    let word = word.to_ascii_lowercase();
    Some(match word.as_str() {
        "microsecond" | "microseconds" | "microsec" | "microsecs" | "usec" | "usecs" | "us" => {
            "microsecond"
        }
        "millisecond" | "milliseconds" | "millisec" | "millisecs" | "msec" | "msecs" | "ms" => {
            "millisecond"
        }
        "second" | "seconds" | "sec" | "secs" | "s" => "second",
        "minute" | "minutes" | "min" | "mins" | "m" => "minute",
        "hour" | "hours" | "hr" | "hrs" | "h" => "hour",
        "day" | "days" | "d" => "day",
        "week" | "weeks" | "w" => "week",
        "month" | "months" | "mon" | "mons" => "month",
        "quarter" | "quarters" | "qtr" | "qtrs" => "quarter",
        "year" | "years" | "yr" | "yrs" | "y" => "year",
        "decade" | "decades" | "dec" | "decs" => "decade",
        "century" | "centuries" | "c" | "cent" | "cents" => "century",
        "millennium" | "millennia" | "mil" | "mils" => "millennium",
        "dow" | "dayofweek" | "dw" | "weekday" if of_date => "dow",
        "doy" | "dayofyear" | "dy" | "yearday" if of_date => "doy",
        "epoch" if of_date => "epoch",
        _ => return None,
    })
}
