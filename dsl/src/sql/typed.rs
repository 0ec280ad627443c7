//! A checked query: every name resolved, every expression typed, every implicit conversion
//! written as a cast. What runs it needs no name lookup and no typing rule of its own.

use crate::ty::Ty;
use crate::value::Value;
use std::ops::Range;

/// A query with its `with`, order and limit.
#[derive(Clone, Debug, PartialEq)]
pub struct Query {
    /// The common table expressions it declares, in order; a later one may use an earlier one.
    pub ctes: Vec<Cte>,
    /// What it selects.
    pub body: Body,
    /// How the rows are ordered.
    pub order_by: Vec<Order>,
    /// At most this many rows.
    pub limit: Option<u64>,
    /// Rows that are left out at the start.
    pub offset: Option<u64>,
    /// The columns of the result.
    pub columns: Vec<Column>,
}

/// A column of a result.
#[derive(Clone, Debug, PartialEq)]
pub struct Column {
    /// As it is called.
    pub name: String,
    /// Its type; nullable where a null can come out.
    pub ty: Ty,
}

/// `name as (query)`
#[derive(Clone, Debug, PartialEq)]
pub struct Cte {
    /// Its number, unique in the whole query.
    pub id: usize,
    /// What it stands for.
    pub query: Query,
}

/// What a query selects.
#[derive(Clone, Debug, PartialEq)]
pub enum Body {
    /// `select …`
    Select(Box<Select>),
    /// `(query)`
    Query(Box<Query>),
    /// `left union right`; both sides have the same types.
    Set(SetOp, Box<Body>, Box<Body>),
}

/// The set operators.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SetOp {
    /// `union all`
    UnionAll,
    /// `union`
    Union,
    /// `intersect`
    Intersect,
    /// `except`, `minus`
    Except,
}

/// `select [distinct] items from … where … group by … having …`
#[derive(Clone, Debug, PartialEq)]
pub struct Select {
    /// Equal rows once.
    pub distinct: bool,
    /// The columns, in order.
    pub items: Vec<Expr>,
    /// Where the rows come from; one empty row without it.
    pub from: Option<From>,
    /// `where`
    pub filter: Option<Expr>,
    /// `group by`
    pub group_by: Vec<Expr>,
    /// `having`
    pub having: Option<Expr>,
}

/// A table or a join.
#[derive(Clone, Debug, PartialEq)]
pub enum From {
    /// A table, numbered uniquely in the whole query.
    Relation(usize, Source),
    /// Two of them joined.
    Join {
        /// Which rows stay.
        kind: JoinKind,
        /// The left side.
        left: Box<From>,
        /// The right side.
        right: Box<From>,
        /// The condition; none for a cross join.
        on: Option<Expr>,
    },
}

/// What a relation reads.
#[derive(Clone, Debug, PartialEq)]
pub enum Source {
    /// A declared table; its columns are called as declared.
    Table(String),
    /// A common table expression, by [`Cte::id`]; its columns are numbered.
    Cte(usize),
    /// `(query) as name`; its columns are numbered.
    Query(Box<Query>),
}

/// The kinds of joins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JoinKind {
    /// `join`
    Inner,
    /// `left join`
    Left,
    /// `right join`
    Right,
    /// `full join`
    Full,
    /// `cross join`
    Cross,
}

/// An entry of an `order by`.
#[derive(Clone, Debug, PartialEq)]
pub struct Order {
    /// What is compared.
    pub key: OrderKey,
    /// Largest first.
    pub descending: bool,
    /// Nulls before all values; by default last when ascending, first when descending.
    pub nulls_first: bool,
}

/// What an order compares.
#[derive(Clone, Debug, PartialEq)]
pub enum OrderKey {
    /// The n-th column of the result, from 0.
    Output(usize),
    /// An expression over the rows of the select.
    Expr(Expr),
}

/// A typed expression. Null in an operand gives null, except where said otherwise.
#[derive(Clone, Debug, PartialEq)]
pub struct Expr {
    /// What it is.
    pub kind: ExprKind,
    /// Its type, without the `?`: int, decimal, float, text, bool, timestamp, date, or null.
    pub ty: Ty,
    /// True when it may be null.
    pub nullable: bool,
    /// Its place in the text.
    pub at: At,
}

/// A place in the text of a query, in bytes; all places are equal, so that expressions compare by
/// what they mean.
#[derive(Clone, Debug, Default)]
pub struct At(pub Range<usize>);

impl PartialEq for At {
    fn eq(&self, _: &At) -> bool {
        true
    }
}

/// The kinds of typed expressions.
#[derive(Clone, Debug, PartialEq)]
pub enum ExprKind {
    /// A column of a relation: the field's name in a declared table, `c0`, `c1`, … else.
    Column(usize, String),
    /// A constant.
    Literal(Value),
    /// `not a`
    Not(Box<Expr>),
    /// `-a`
    Neg(Box<Expr>),
    /// Arithmetic: the operands are of the result's kind (int, decimal, float); decimals keep
    /// their own scales.
    Arith(ArithOp, Box<Expr>, Box<Expr>),
    /// A comparison of two values of one type, scale included.
    Compare(CompareOp, Box<Expr>, Box<Expr>),
    /// `a and b`, three-valued.
    And(Box<Expr>, Box<Expr>),
    /// `a or b`, three-valued.
    Or(Box<Expr>, Box<Expr>),
    /// `a || b`, both text.
    Concat(Box<Expr>, Box<Expr>),
    /// `a is null`; never null.
    IsNull(Box<Expr>),
    /// `a in (b, …)`, all of one type.
    InList(Box<Expr>, Vec<Expr>),
    /// `a in (select …)`, of one type.
    InQuery(Box<Expr>, Box<Query>),
    /// `exists (select …)`; never null.
    Exists(Box<Query>),
    /// `(select …)` with one column and at most one row.
    Scalar(Box<Query>),
    /// `a like b`
    Like {
        /// The text.
        text: Box<Expr>,
        /// The pattern.
        pattern: Box<Expr>,
        /// The character that makes `%` and `_` plain.
        escape: char,
        /// `ilike`
        ignore_case: bool,
    },
    /// `case when a then b … else c end`; the results are of one type.
    Case(Vec<(Expr, Expr)>, Option<Box<Expr>>),
    /// A conversion to [`Expr::ty`].
    Cast(Box<Expr>),
    /// A function.
    Call(Func, Vec<Expr>),
    /// An aggregate over the rows of the group.
    Aggregate(Box<Aggregate>),
    /// A function over a window of the rows.
    Window(Box<Window>),
}

/// Arithmetic operators.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ArithOp {
    /// `+`
    Add,
    /// `-`
    Sub,
    /// `*`
    Mul,
    /// `/`: integers toward zero, decimals rounded half away from zero; by zero is an error.
    Div,
    /// `%`, `mod(a, b)`: the sign of the left side.
    Rem,
}

/// Comparison operators.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CompareOp {
    /// `=`
    Eq,
    /// `<>`
    Ne,
    /// `<`
    Lt,
    /// `<=`
    Le,
    /// `>`
    Gt,
    /// `>=`
    Ge,
    /// `is not distinct from`: null equals null.
    Same,
}

/// `sum(distinct a)`
#[derive(Clone, Debug, PartialEq)]
pub struct Aggregate {
    /// Which one.
    pub func: Agg,
    /// Equal values once.
    pub distinct: bool,
    /// What is aggregated; none for `count(*)`.
    pub arg: Option<Expr>,
    /// The delimiter of `listagg`.
    pub delimiter: Option<Expr>,
    /// The order of `listagg`.
    pub order_by: Vec<Order>,
}

/// The aggregates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Agg {
    /// `count(*)`, `count(a)`
    Count,
    /// `sum(a)`: int → int, decimal(p, s) → decimal(38, s), float → float
    Sum,
    /// `avg(a)`: int → int toward zero, decimal(p, s) → decimal(38, s), float → float
    Avg,
    /// `min(a)`
    Min,
    /// `max(a)`
    Max,
    /// `listagg(a, ', ')`
    ListAgg,
}

/// `f(…) over (partition by … order by … rows …)`
#[derive(Clone, Debug, PartialEq)]
pub struct Window {
    /// Which one.
    pub func: WindowFunc,
    /// Its arguments.
    pub args: Vec<Expr>,
    /// `partition by`
    pub partition_by: Vec<Expr>,
    /// `order by`; the keys are expressions.
    pub order_by: Vec<Order>,
    /// `rows between … and …`
    pub rows: Option<(Bound, Bound)>,
}

/// What can stand before `over`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WindowFunc {
    /// An aggregate.
    Agg(Agg),
    /// `row_number()`
    RowNumber,
    /// `rank()`
    Rank,
    /// `dense_rank()`
    DenseRank,
    /// `lag(a, n)`
    Lag,
    /// `lead(a, n)`
    Lead,
    /// `first_value(a)`
    FirstValue,
    /// `last_value(a)`
    LastValue,
}

/// An end of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bound {
    /// `n preceding`; `None` = unbounded
    Preceding(Option<u64>),
    /// `current row`
    Current,
    /// `n following`; `None` = unbounded
    Following(Option<u64>),
}

/// The functions. Text is counted in characters, from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)] // each is Redshift's function of that name, except where said otherwise
pub enum Func {
    Upper,
    Lower,
    Initcap,
    /// `trim(text, characters)`
    Trim,
    Ltrim,
    Rtrim,
    Length,
    /// `substring(text, start)` or `(text, start, length)`
    Substring,
    Left,
    Right,
    SplitPart,
    Replace,
    Reverse,
    Repeat,
    Lpad,
    Rpad,
    /// `strpos(text, part)`
    Strpos,
    Chr,
    Ascii,
    Abs,
    Sign,
    /// `round(x, digits)` to the scale of the result; of a float to its second argument
    Round,
    Trunc,
    Floor,
    Ceil,
    Sqrt,
    Power,
    Exp,
    Ln,
    Log,
    Coalesce,
    Nullif,
    /// The largest argument that is not null
    Greatest,
    Least,
    /// `date_trunc(part, timestamp)`; the part is one of [`crate::sql::PARTS`]
    DateTrunc,
    /// `date_part(part, timestamp)`, an int
    DatePart,
    /// `dateadd(part, n, timestamp)`
    DateAdd,
    /// `datediff(part, from, to)`: boundaries crossed
    DateDiff,
    LastDay,
    /// `to_char(timestamp, format)`
    ToCharTime,
    /// `to_char(decimal, format)`
    ToCharNumber,
}

impl Expr {
    /// The type with its `?`.
    pub fn full_ty(&self) -> Ty {
        if self.nullable { self.ty.clone().nullable() } else { self.ty.clone() }
    }

    /// The digits behind the point of a decimal; 0 for any other type.
    pub fn scale(&self) -> u8 {
        match self.ty {
            Ty::Decimal { scale, .. } => scale,
            _ => 0,
        }
    }

    /// Calls `see` on the direct parts of the expression, but not on those of subqueries.
    pub fn each_part<'e>(&'e self, see: &mut dyn FnMut(&'e Expr)) {
        match &self.kind {
            ExprKind::Column(..) | ExprKind::Literal(_) => {}
            ExprKind::Exists(_) | ExprKind::Scalar(_) => {}
            ExprKind::Not(a) | ExprKind::Neg(a) | ExprKind::IsNull(a) | ExprKind::Cast(a) => see(a),
            ExprKind::InQuery(a, _) => see(a),
            ExprKind::Arith(_, a, b)
            | ExprKind::Compare(_, a, b)
            | ExprKind::And(a, b)
            | ExprKind::Or(a, b)
            | ExprKind::Concat(a, b) => {
                see(a);
                see(b);
            }
            ExprKind::InList(a, list) => {
                see(a);
                list.iter().for_each(see);
            }
            ExprKind::Like { text, pattern, .. } => {
                see(text);
                see(pattern);
            }
            ExprKind::Case(arms, other) => {
                for (cond, value) in arms {
                    see(cond);
                    see(value);
                }
                other.iter().for_each(|other| see(other));
            }
            ExprKind::Call(_, args) => args.iter().for_each(see),
            ExprKind::Aggregate(aggregate) => aggregate.arg.iter().for_each(see),
            ExprKind::Window(window) => {
                let keys = window.order_by.iter().filter_map(|order| match &order.key {
                    OrderKey::Expr(key) => Some(key),
                    OrderKey::Output(_) => None,
                });
                window.args.iter().chain(&window.partition_by).chain(keys).for_each(see);
            }
        }
    }
}
