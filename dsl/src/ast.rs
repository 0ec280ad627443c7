//! What was written, with spans and without resolved names.

#![allow(missing_docs)] // the fields of the variants are said by the syntax in their doc line

use crate::span::{Name, Span, Spanned};
use crate::value::Value;

/// One file: its declarations in order.
#[derive(Clone, Debug, Default)]
pub struct File {
    /// The declarations that could be parsed.
    pub items: Vec<Item>,
}

/// A declaration with its doc comment.
#[derive(Clone, Debug)]
pub struct Item {
    /// The `##` lines above it, without the marks, joined by `\n`.
    pub doc: Option<String>,
    /// The whole declaration.
    pub span: Span,
    /// What is declared.
    pub kind: ItemKind,
}

/// The kinds of declarations.
#[derive(Clone, Debug)]
pub enum ItemKind {
    /// `use "path" { a, b }`
    Use { path: Spanned<String>, names: Vec<Name> },
    /// `param name : ty = default`
    Param { name: Name, ty: Type, default: Option<Expr> },
    /// `secret name = env("X")`
    Secret { name: Name, value: Expr },
    /// `const name : ty = value`
    Const { name: Name, ty: Option<Type>, value: Expr },
    /// `type Name = ty`
    Type { name: Name, ty: Type },
    /// `stream name : ty key .a into b`
    Resource {
        kind: Spanned<ResourceKind>,
        name: Name,
        ty: Type,
        key: Option<Key>,
        into: Option<Name>,
    },
    /// `profile name = expr` or `profile name { a = expr }`
    Profile { name: Name, body: ProfileBody },
    /// `node name(params) : In -> Out { … }`
    Node { name: Name, params: Vec<Formal>, input: Option<Type>, output: Type, body: Body },
    /// `flow name : guarantee { … }`
    Flow { name: Name, guarantee: Option<Spanned<Guarantee>>, body: Body },
    /// `query name on table as chart(…) """sql"""`
    Query { name: Name, on: Name, chart: Option<Call>, sql: Template },
    /// `test "title" { … }`
    Test { title: Spanned<String>, steps: Vec<TestStep> },
}

/// `key .a, .b` with the span of the whole clause.
#[derive(Clone, Debug)]
pub struct Key {
    /// The fields, without their dots.
    pub fields: Vec<Name>,
    /// From `key` to the last field.
    pub span: Span,
}

/// The five kinds of resources.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ResourceKind {
    /// An ordered, partitioned log.
    Stream,
    /// A buffered delivery into a bucket.
    Delivery,
    /// Objects by key.
    Bucket,
    /// Rows or items by key.
    Table,
    /// A work queue.
    Queue,
}

impl ResourceKind {
    /// The keyword.
    pub fn word(self) -> &'static str {
        match self {
            ResourceKind::Stream => "stream",
            ResourceKind::Delivery => "delivery",
            ResourceKind::Bucket => "bucket",
            ResourceKind::Table => "table",
            ResourceKind::Queue => "queue",
        }
    }
}

/// What a flow promises.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum Guarantee {
    /// Every record arrives, perhaps twice.
    #[default]
    AtLeastOnce,
    /// A record may be lost, never doubled.
    AtMostOnce,
    /// Every record takes effect once.
    ExactlyOnce,
}

/// The right side of a profile.
#[derive(Clone, Debug)]
pub enum ProfileBody {
    /// `= emulate(aws, dir: "…")`
    Alias(Expr),
    /// `{ orders = kinesis("APIData") }`
    Bindings(Vec<(Name, Expr)>),
}

/// A parameter of a `node` declaration.
#[derive(Clone, Debug)]
pub struct Formal {
    /// Its name.
    pub name: Name,
    /// Its type.
    pub ty: Type,
    /// Its default.
    pub default: Option<Expr>,
}

/// A step of a `test`.
#[derive(Clone, Debug)]
pub enum TestStep {
    /// `given orders = […]`
    Given { path: Vec<Name>, value: Expr },
    /// `run flow`
    Run(Call),
    /// `expect expr`
    Expect(Expr),
}

/// The statements between the braces of a flow or node.
#[derive(Clone, Debug)]
pub struct Body {
    /// In order.
    pub stmts: Vec<Stmt>,
    /// Braces included.
    pub span: Span,
}

/// A statement.
#[derive(Clone, Debug)]
pub enum Stmt {
    /// `let x = a -> b`
    Let { name: Name, chain: Chain },
    /// `a -> b`
    Chain(Chain),
}

/// `a -> b -> c`
#[derive(Clone, Debug)]
pub struct Chain {
    /// At least one.
    pub stages: Vec<Stage>,
    /// From the first to the last stage.
    pub span: Span,
}

/// One stage of a chain.
#[derive(Clone, Debug)]
pub struct Stage {
    /// What it is.
    pub kind: StageKind,
    /// All of it.
    pub span: Span,
}

/// The kinds of stages.
#[derive(Clone, Debug)]
pub enum StageKind {
    /// `[a -> b, c]`
    Fan(Vec<Chain>),
    /// `where cond`
    Where(Expr),
    /// `map { … }`
    Map(Record),
    /// `route { cond -> chain … else -> chain }`; `None` is `else`
    Route(Vec<(Option<Expr>, Chain)>),
    /// `noun.verb(args) { record } as T catch n`
    Node(Box<NodeUse>),
}

/// A use of a node, a `let` name, a port or a resource's verb: which one is resolved by the
/// checker.
#[derive(Clone, Debug)]
pub struct NodeUse {
    /// `orders.read`, `json.decode`, `x.errors`, `errors`, …
    pub call: Call,
    /// `{ … }`
    pub record: Option<Record>,
    /// `as T`
    pub claim: Option<Type>,
    /// `catch node`
    pub catch: Option<Box<NodeUse>>,
    /// All of it.
    pub span: Span,
}

/// `a.b(c, d: e)`
#[derive(Clone, Debug)]
pub struct Call {
    /// The words between the dots; at least one.
    pub path: Vec<Name>,
    /// The arguments; `None` without parentheses.
    pub args: Option<Vec<Arg>>,
    /// All of it.
    pub span: Span,
}

impl Call {
    /// The words joined by dots.
    pub fn dotted(&self) -> String {
        self.path.iter().map(|name| name.node.as_str()).collect::<Vec<_>>().join(".")
    }

    /// The span of the words, without the arguments.
    pub fn path_span(&self) -> Span {
        self.path[0].span.to(self.path[self.path.len() - 1].span)
    }
}

/// `expr` or `name: expr`
#[derive(Clone, Debug)]
pub struct Arg {
    /// The name, where it has one.
    pub name: Option<Name>,
    /// The value.
    pub value: Expr,
}

/// A type as written.
#[derive(Clone, Debug)]
pub struct Type {
    /// What it is.
    pub kind: TypeKind,
    /// All of it.
    pub span: Span,
}

/// The kinds of written types.
#[derive(Clone, Debug)]
pub enum TypeKind {
    /// `text`, `Line`, `json<Line>`, `decimal(10, 3)`
    Applied { name: Name, args: Vec<Type>, numbers: Vec<Spanned<i64>> },
    /// `{ a: T, [text]: U, ... }`
    Record(Vec<TypeField>),
    /// `"bar"`
    Literal(String),
    /// `T?`
    Nullable(Box<Type>),
}

/// An entry of a record type.
#[derive(Clone, Debug)]
pub enum TypeField {
    /// `name: T`
    Named { name: Name, ty: Type },
    /// `[text]: T`
    Dynamic { key: Type, ty: Type },
    /// `...`
    Rest(Span),
}

/// An expression.
#[derive(Clone, Debug)]
pub struct Expr {
    /// What it is.
    pub kind: ExprKind,
    /// All of it.
    pub span: Span,
}

/// The kinds of expressions.
#[derive(Clone, Debug)]
pub enum ExprKind {
    /// A number, quantity, bool, null, or text without holes.
    Literal(Value),
    /// Text with holes, or a `"""` block.
    Template(Template),
    /// `.field`: always of the record flowing here
    Field(String),
    /// A param, const, profile, `batch`, or function name.
    Ident(String),
    /// `a.b` and `a?.b`
    Get { of: Box<Expr>, name: Name, optional: bool },
    /// `a[b]` and `a?[b]`
    Index { of: Box<Expr>, index: Box<Expr>, optional: bool },
    /// `f(a, b: c)`
    Call { of: Box<Expr>, args: Vec<Arg> },
    /// `-a`, `not a`
    Unary { op: Spanned<UnaryOp>, expr: Box<Expr> },
    /// `a + b`
    Binary { op: Spanned<BinaryOp>, left: Box<Expr>, right: Box<Expr> },
    /// `if a then b else c`
    If { cond: Box<Expr>, then: Box<Expr>, other: Box<Expr> },
    /// `t => t == "x"`
    Lambda { param: Name, body: Box<Expr> },
    /// `[a, b]`
    List(Vec<Expr>),
    /// `{ .a, b: c }`
    Record(Record),
}

/// `-` and `not`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UnaryOp {
    /// `-`
    Neg,
    /// `not`
    Not,
}

/// The binary operators, from loosest to tightest: `catch`, `or`, `and`, `== != < <= > >= has`,
/// `??`, `+ -`, `* / %`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BinaryOp {
    /// `catch`: the right side where the left side fails
    Catch,
    /// `or`
    Or,
    /// `and`
    And,
    /// `==`
    Eq,
    /// `!=`
    Ne,
    /// `<`
    Lt,
    /// `<=`
    Le,
    /// `>`
    Gt,
    /// `>=`
    Ge,
    /// `has`: partial match
    Has,
    /// `??`
    Coalesce,
    /// `+`
    Add,
    /// `-`
    Sub,
    /// `*`
    Mul,
    /// `/`
    Div,
    /// `%`
    Rem,
}

impl BinaryOp {
    /// As it is written.
    pub fn word(self) -> &'static str {
        match self {
            BinaryOp::Catch => "catch",
            BinaryOp::Or => "or",
            BinaryOp::And => "and",
            BinaryOp::Eq => "==",
            BinaryOp::Ne => "!=",
            BinaryOp::Lt => "<",
            BinaryOp::Le => "<=",
            BinaryOp::Gt => ">",
            BinaryOp::Ge => ">=",
            BinaryOp::Has => "has",
            BinaryOp::Coalesce => "??",
            BinaryOp::Add => "+",
            BinaryOp::Sub => "-",
            BinaryOp::Mul => "*",
            BinaryOp::Div => "/",
            BinaryOp::Rem => "%",
        }
    }
}

/// `{ … }` as a value.
#[derive(Clone, Debug)]
pub struct Record {
    /// In order.
    pub entries: Vec<Entry>,
    /// Braces included.
    pub span: Span,
}

/// An entry of a record.
#[derive(Clone, Debug)]
pub enum Entry {
    /// `...` (the incoming record) or `...expr`
    Spread { expr: Option<Expr>, span: Span },
    /// `[name_expr]: value`
    Computed { name: Expr, value: Expr },
    /// `.field`, short for `field: .field`
    Shorthand(Name),
    /// `name: value`
    Named { name: Name, value: Expr },
}

/// Text with holes.
#[derive(Clone, Debug)]
pub struct Template {
    /// In order.
    pub parts: Vec<TemplatePart>,
    /// Quotes included.
    pub span: Span,
}

/// A piece of a template.
#[derive(Clone, Debug)]
pub enum TemplatePart {
    /// Literal text, escapes already replaced, and where it stands.
    Text(Spanned<String>),
    /// `{expr:format}`
    Hole { expr: Expr, format: Option<Spanned<String>> },
}
