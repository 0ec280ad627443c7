//! From an expression of the plan to a tree of kernels.

use super::call::Function;
use super::column::Column;
use super::print::constant;
use crate::schema;
use arrow_schema::DataType;
use dsl::plan::{BatchField, BinaryOp, Entry, Expr, ExprKind, TemplatePart};
use dsl::ty::Ty;

/// A part of an expression.
#[derive(Debug)]
pub(super) struct Tree {
    /// What it does.
    pub node: Node,
    /// The Arrow type of its result.
    pub data_type: DataType,
    /// As it would be written, for messages.
    pub text: String,
}

/// What a part does.
#[derive(Debug)]
pub(super) enum Node {
    Const(Column),
    Field(String),
    Get(Box<Tree>, String),
    Batch(BatchField),
    Neg(Box<Tree>),
    Not(Box<Tree>),
    IsNull(Box<Tree>),
    And(Box<Tree>, Box<Tree>),
    Or(Box<Tree>, Box<Tree>),
    Compare(BinaryOp, Box<Tree>, Box<Tree>),
    Arith(BinaryOp, Box<Tree>, Box<Tree>),
    Coalesce(Box<Tree>, Box<Tree>),
    Catch(Box<Tree>, Box<Tree>),
    If(Box<Tree>, Box<Tree>, Box<Tree>),
    Call(Function, Vec<Tree>),
    Cast(Box<Tree>),
    Record(Vec<(String, Tree)>),
    List(Vec<Tree>),
    Template(Vec<Part>),
}

/// A piece of a template.
#[derive(Debug)]
pub(super) enum Part {
    Text(String),
    Hole(Tree, Option<String>),
    Encoded(Tree),
}

impl Tree {
    /// Compiles an expression.
    pub fn of(expr: &Expr) -> Tree {
        let node = node(expr);
        Tree { node, data_type: result_type(&expr.ty), text: render(expr) }
    }

    /// Draws random numbers: its results depend on the calls before.
    pub fn draws(&self) -> bool {
        match &self.node {
            Node::Const(_) | Node::Field(_) | Node::Batch(_) => false,
            Node::Get(of, _) | Node::Neg(of) | Node::Not(of) | Node::IsNull(of) => of.draws(),
            Node::Cast(of) => of.draws(),
            Node::And(a, b) | Node::Or(a, b) | Node::Coalesce(a, b) | Node::Catch(a, b) => {
                a.draws() || b.draws()
            }
            Node::Compare(_, a, b) | Node::Arith(_, a, b) => a.draws() || b.draws(),
            Node::If(a, b, c) => [a, b, c].iter().any(|tree| tree.draws()),
            Node::Call(function, args) => {
                matches!(function, Function::Uuid) || args.iter().any(Tree::draws)
            }
            Node::Record(fields) => fields.iter().any(|(_, tree)| tree.draws()),
            Node::List(items) => items.iter().any(Tree::draws),
            Node::Template(parts) => parts.iter().any(|part| match part {
                Part::Text(_) => false,
                Part::Hole(tree, _) | Part::Encoded(tree) => tree.draws(),
            }),
        }
    }
}

/// [`schema::data_type`], with types that have no column of their own taken as what they hold.
fn result_type(ty: &Ty) -> DataType {
    match ty.non_null() {
        Ty::Secret(inner) => result_type(inner),
        other => schema::data_type(other),
    }
}

fn tree(expr: &Expr) -> Box<Tree> {
    Box::new(Tree::of(expr))
}

fn node(expr: &Expr) -> Node {
    match &expr.kind {
        ExprKind::Const(value) => Node::Const(constant(value, &result_type(&expr.ty))),
        ExprKind::Field(name) => Node::Field(name.clone()),
        ExprKind::Get(record, name) => Node::Get(tree(record), name.clone()),
        ExprKind::Batch(field) => Node::Batch(*field),
        ExprKind::Neg(operand) => Node::Neg(tree(operand)),
        ExprKind::Not(operand) => Node::Not(tree(operand)),
        ExprKind::IsNull(operand) => Node::IsNull(tree(operand)),
        ExprKind::Binary(op, left, right) => binary(*op, tree(left), tree(right)),
        ExprKind::Coalesce(value, other) => Node::Coalesce(tree(value), tree(other)),
        ExprKind::Catch(value, other) => Node::Catch(tree(value), tree(other)),
        ExprKind::If(condition, then, other) => Node::If(tree(condition), tree(then), tree(other)),
        ExprKind::Call(name, args) => {
            Node::Call(Function::of(name, args), args.iter().map(Tree::of).collect())
        }
        ExprKind::Cast(operand) => Node::Cast(tree(operand)),
        ExprKind::Record(entries) => Node::Record(entries.iter().map(entry).collect()),
        ExprKind::List(items) => Node::List(items.iter().map(Tree::of).collect()),
        ExprKind::Template(parts) => Node::Template(parts.iter().map(part).collect()),
    }
}

fn binary(op: BinaryOp, left: Box<Tree>, right: Box<Tree>) -> Node {
    use BinaryOp::*;
    match op {
        And => Node::And(left, right),
        Or => Node::Or(left, right),
        Eq | Ne | Lt | Le | Gt | Ge => Node::Compare(op, left, right),
        Add | Sub | Mul | Div | Rem => Node::Arith(op, left, right),
    }
}

fn entry(entry: &Entry) -> (String, Tree) {
    match entry {
        Entry::Named(name, value) => (name.clone(), Tree::of(value)),
        Entry::Computed(..) => {
            unreachable!("the checker keeps computed names at the top of an upsert")
        }
    }
}

fn part(part: &TemplatePart) -> Part {
    match part {
        TemplatePart::Text(text) => Part::Text(text.clone()),
        TemplatePart::Hole(expr, format) => Part::Hole(Tree::of(expr), format.clone()),
        TemplatePart::Encoded(expr) => Part::Encoded(Tree::of(expr)),
    }
}

/// The expression about as it was written; what is long becomes `…`.
fn render(expr: &Expr) -> String {
    match &expr.kind {
        ExprKind::Const(value) => value.to_string(),
        ExprKind::Field(name) => format!(".{name}"),
        ExprKind::Get(record, name) => format!("{}.{name}", render(record)),
        ExprKind::Batch(BatchField::Id) => "batch.id".into(),
        ExprKind::Batch(BatchField::Time) => "batch.time".into(),
        ExprKind::Batch(BatchField::Count) => "batch.count".into(),
        ExprKind::Batch(BatchField::Size) => "batch.size".into(),
        ExprKind::Neg(operand) => format!("-{}", render(operand)),
        ExprKind::Not(operand) => format!("not {}", render(operand)),
        ExprKind::IsNull(operand) => format!("{} == null", render(operand)),
        ExprKind::Binary(op, left, right) => {
            format!("{} {} {}", render(left), symbol(*op), render(right))
        }
        ExprKind::Call(name, args) => {
            format!("{name}({})", args.first().map(render).unwrap_or_default())
        }
        ExprKind::Cast(operand) => render(operand),
        _ => "…".into(),
    }
}

/// The operator as it is written.
pub(super) fn symbol(op: BinaryOp) -> &'static str {
    use BinaryOp::*;
    match op {
        Or => "or",
        And => "and",
        Eq => "==",
        Ne => "!=",
        Lt => "<",
        Le => "<=",
        Gt => ">",
        Ge => ">=",
        Add => "+",
        Sub => "-",
        Mul => "*",
        Div => "/",
        Rem => "%",
    }
}
