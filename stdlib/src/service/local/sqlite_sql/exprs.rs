//! Expressions as SQLite's SQL.

use super::super::sqlite::quoted;
use super::wide;
use dsl::sql::typed::*;
use dsl::ty::Ty;
use dsl::value::Value;

/// Translates expressions and queries.
pub(super) struct Exprs<'b> {
    /// The base table of a table's name in the query.
    pub base: &'b dyn Fn(&str) -> String,
}

impl Exprs<'_> {
    /// An expression in brackets of its own, or a call.
    pub(super) fn expr(&self, expr: &Expr) -> String {
        match &expr.kind {
            ExprKind::Column(relation, name) => format!("t{relation}.{}", quoted(name)),
            ExprKind::Literal(value) => literal(value, &expr.ty),
            ExprKind::Not(a) => format!("(NOT {})", self.expr(a)),
            ExprKind::Neg(a) => self.negated(a),
            ExprKind::Arith(op, a, b) => self.arith(*op, a, b, &expr.ty),
            ExprKind::Compare(op, a, b) => {
                format!("({} {} {})", self.expr(a), compare(*op), self.expr(b))
            }
            ExprKind::And(a, b) => format!("({} AND {})", self.expr(a), self.expr(b)),
            ExprKind::Or(a, b) => format!("({} OR {})", self.expr(a), self.expr(b)),
            ExprKind::Concat(a, b) => format!("({} || {})", self.expr(a), self.expr(b)),
            ExprKind::IsNull(a) => format!("({} IS NULL)", self.expr(a)),
            ExprKind::InList(a, list) => format!("({} IN ({}))", self.expr(a), self.list(list)),
            ExprKind::InQuery(a, query) => {
                format!("({} IN ({}))", self.expr(a), self.query(query))
            }
            ExprKind::Exists(query) => format!("EXISTS ({})", self.query(query)),
            // more than one row is an error, not the first of them
            ExprKind::Scalar(query) => format!(
                "(SELECT CASE WHEN count(*) > 1 THEN rs_many() ELSE max(c0) END FROM ({}))",
                self.query(query)
            ),
            ExprKind::Like { text, pattern, escape, ignore_case } => format!(
                "rs_like({}, {}, {}, {})",
                self.expr(text),
                self.expr(pattern),
                text_literal(&escape.to_string()),
                u8::from(*ignore_case)
            ),
            ExprKind::Case(arms, other) => self.case(arms, other.as_deref()),
            ExprKind::Cast(a) => self.cast(a, &expr.ty),
            ExprKind::Call(func, args) => self.call(*func, args, &expr.ty),
            ExprKind::Aggregate(aggregate) => self.aggregate(aggregate),
            ExprKind::Window(window) => self.window(window),
        }
    }

    pub(super) fn list(&self, exprs: &[Expr]) -> String {
        exprs.iter().map(|expr| self.expr(expr)).collect::<Vec<_>>().join(", ")
    }

    fn negated(&self, a: &Expr) -> String {
        let inner = self.expr(a);
        match &a.ty {
            Ty::Int => format!("rs_isub(0, {inner})"),
            Ty::Decimal { precision, .. } => format!("rs_dneg({inner}, {precision})"),
            _ => format!("(- {inner})"),
        }
    }

    fn arith(&self, op: ArithOp, a: &Expr, b: &Expr, ty: &Ty) -> String {
        let word = match op {
            ArithOp::Add => "add",
            ArithOp::Sub => "sub",
            ArithOp::Mul => "mul",
            ArithOp::Div => "div",
            ArithOp::Rem => "rem",
        };
        match ty {
            Ty::Int => format!("rs_i{word}({}, {})", self.expr(a), self.expr(b)),
            Ty::Decimal { precision, scale } => format!(
                "rs_d{word}({}, {}, {}, {}, {scale}, {precision})",
                self.operand(a),
                a.scale(),
                self.operand(b),
                b.scale()
            ),
            _ => format!("rs_f{word}({}, {})", self.expr(a), self.expr(b)),
        }
    }

    /// An operand of decimal arithmetic: an int is taken as it is.
    fn operand(&self, expr: &Expr) -> String {
        match &expr.kind {
            ExprKind::Cast(inner) if inner.ty == Ty::Int && expr.scale() == 0 => self.expr(inner),
            _ => self.expr(expr),
        }
    }

    fn case(&self, arms: &[(Expr, Expr)], other: Option<&Expr>) -> String {
        let arm = |(cond, value): &(Expr, Expr)| {
            format!("WHEN {} THEN {}", self.expr(cond), self.expr(value))
        };
        let arms: Vec<String> = arms.iter().map(arm).collect();
        let other = other.map(|other| format!(" ELSE {}", self.expr(other)));
        format!("CASE {}{} END", arms.join(" "), other.unwrap_or_default())
    }

    fn aggregate(&self, aggregate: &Aggregate) -> String {
        let distinct = if aggregate.distinct { "DISTINCT " } else { "" };
        let Some(arg) = &aggregate.arg else { return "count(*)".into() };
        let name = aggregate_name(aggregate.func, &arg.ty);
        let mut inside = format!("{distinct}{}", self.expr(arg));
        if aggregate.func == Agg::ListAgg {
            let delimiter = aggregate.delimiter.as_ref().map(|delimiter| self.expr(delimiter));
            inside += &format!(", {}", delimiter.unwrap_or_else(|| "''".into()));
        }
        if !aggregate.order_by.is_empty() {
            inside += &format!(" ORDER BY {}", self.orders(&aggregate.order_by));
        }
        format!("{name}({inside})")
    }

    fn window(&self, window: &Window) -> String {
        let name = match window.func {
            WindowFunc::Agg(agg) => {
                aggregate_name(agg, window.args.first().map_or(&Ty::Int, |arg| &arg.ty))
            }
            WindowFunc::RowNumber => "row_number",
            WindowFunc::Rank => "rank",
            WindowFunc::DenseRank => "dense_rank",
            WindowFunc::Lag => "lag",
            WindowFunc::Lead => "lead",
            WindowFunc::FirstValue => "first_value",
            WindowFunc::LastValue => "last_value",
        };
        let counts_rows = window.func == WindowFunc::Agg(Agg::Count) && window.args.is_empty();
        let args = if counts_rows { "*".to_string() } else { self.list(&window.args) };
        let mut over = Vec::new();
        if !window.partition_by.is_empty() {
            over.push(format!("PARTITION BY {}", self.list(&window.partition_by)));
        }
        if !window.order_by.is_empty() {
            over.push(format!("ORDER BY {}", self.orders(&window.order_by)));
        }
        if let Some((start, end)) = window.rows {
            over.push(format!("ROWS BETWEEN {} AND {}", bound(start), bound(end)));
        }
        format!("{name}({args}) OVER ({})", over.join(" "))
    }
}

fn aggregate_name(func: Agg, ty: &Ty) -> &'static str {
    match (func, ty) {
        (Agg::Count, _) => "count",
        (Agg::Sum, Ty::Decimal { .. }) => "rs_dsum",
        // SQLite's own sum of integers is exact, and overflow is its error
        (Agg::Sum, _) => "sum",
        (Agg::Avg, Ty::Decimal { .. }) => "rs_davg",
        (Agg::Avg, Ty::Int) => "rs_iavg",
        (Agg::Avg, _) => "avg",
        (Agg::Min, _) => "min",
        (Agg::Max, _) => "max",
        (Agg::ListAgg, _) => "group_concat",
    }
}

fn bound(bound: Bound) -> String {
    match bound {
        Bound::Preceding(None) => "UNBOUNDED PRECEDING".into(),
        Bound::Preceding(Some(rows)) => format!("{rows} PRECEDING"),
        Bound::Current => "CURRENT ROW".into(),
        Bound::Following(None) => "UNBOUNDED FOLLOWING".into(),
        Bound::Following(Some(rows)) => format!("{rows} FOLLOWING"),
    }
}

fn compare(op: CompareOp) -> &'static str {
    match op {
        CompareOp::Eq => "=",
        CompareOp::Ne => "<>",
        CompareOp::Lt => "<",
        CompareOp::Le => "<=",
        CompareOp::Gt => ">",
        CompareOp::Ge => ">=",
        CompareOp::Same => "IS",
    }
}

/// A constant as the values of its type are stored.
fn literal(value: &Value, ty: &Ty) -> String {
    match value {
        Value::Bool(bool) => u8::from(*bool).to_string(),
        Value::Int(int) => format!("({int})"),
        Value::Decimal { unscaled, .. } => match ty {
            Ty::Decimal { precision, .. } if !wide::is_narrow(*precision) => {
                let hex = wide::bytes(*unscaled).map(|byte| format!("{byte:02x}")).concat();
                format!("x'{hex}'")
            }
            _ => format!("({unscaled})"),
        },
        Value::Float(float) if float.is_finite() => format!("({float:?})"),
        Value::Text(text) => text_literal(text),
        Value::Timestamp(ns) => format!("({})", ns.div_euclid(1_000)),
        Value::Date(days) => format!("({days})"),
        _ => "NULL".into(),
    }
}

fn text_literal(text: &str) -> String {
    if text.contains('\0') {
        let hex: String = text.bytes().map(|byte| format!("{byte:02x}")).collect();
        return format!("CAST(x'{hex}' AS TEXT)");
    }
    format!("'{}'", text.replace('\'', "''"))
}
