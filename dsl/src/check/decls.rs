//! Collects the declarations of a file by name, in whatever order they stand.

use super::cx::{self, Cx, Lazy};
use super::suggest;
use crate::ast::{File, Item, ItemKind};
use crate::problem::Problem;
use crate::span::{FileId, Name, SourceMap, Span};
use std::collections::BTreeMap;

/// Puts every declaration of `file` into `cx.decls`; reports names that are taken (E0202). The
/// first declaration of a name is kept.
pub(crate) fn collect<'a>(cx: &mut Cx<'a>, file: &'a File) {
    let mut names = Names::default();
    for item in &file.items {
        match declared(item) {
            Some((space, name)) if names.taken(cx, space, name) => {}
            _ => add(cx, item),
        }
    }
}

/// The names of one kind do not clash with those of another where a reader cannot mix them up.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Space {
    /// Params, secrets, constants, resources and nodes: what a bare word can mean in a graph or an
    /// expression.
    Value,
    Type,
    Profile,
    Flow,
    Query,
    Test,
}

fn declared(item: &Item) -> Option<(Space, &Name)> {
    Some(match &item.kind {
        ItemKind::Use { .. } => return None,
        ItemKind::Param { name, .. }
        | ItemKind::Secret { name, .. }
        | ItemKind::Const { name, .. }
        | ItemKind::Resource { name, .. }
        | ItemKind::Node { name, .. } => (Space::Value, name),
        ItemKind::Type { name, .. } => (Space::Type, name),
        ItemKind::Profile { name, .. } => (Space::Profile, name),
        ItemKind::Flow { name, .. } => (Space::Flow, name),
        ItemKind::Query { name, .. } => (Space::Query, name),
        ItemKind::Test { title, .. } => (Space::Test, title),
    })
}

#[derive(Default)]
struct Names<'a>(BTreeMap<(Space, &'a str), Span>);

impl<'a> Names<'a> {
    fn taken(&mut self, cx: &mut Cx, space: Space, name: &'a Name) -> bool {
        if let Some(first) = self.0.get(&(space, name.node.as_str())) {
            duplicate(cx, name, *first);
            return true;
        }
        self.0.insert((space, &name.node), name.span);
        space == Space::Value && noun(cx, name)
    }
}

/// E0201: no resource of that name; `example` declares it.
pub(crate) fn no_resource(cx: &mut Cx, name: &Name, example: &str) {
    let names = cx.decls.resources.keys().copied();
    let help = match suggest::nearest(&name.node, names) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("declare it:  {example}"),
    };
    let message = format!("there is no resource `{}`", name.node);
    cx.report(Problem::error("E0201", message, name.span, "not declared").help(help));
}

/// E0202: `name` is there already, at `first`.
pub(crate) fn duplicate(cx: &mut Cx, name: &Name, first: Span) {
    let word = &name.node;
    let problem =
        Problem::error("E0202", format!("`{word}` is declared twice"), name.span, "again here");
    cx.report(problem.label(first, "first here").help("rename one of them"));
}

/// E0202: `name` is the first word of a node of the language, so that `name.verb` would mean two
/// things.
pub(crate) fn noun(cx: &mut Cx, name: &Name) -> bool {
    let word = name.node.as_str();
    let free = cx.specs.values().filter(|spec| spec.resource.is_none());
    let Some(spec) = free.into_iter().find(|spec| spec.path.split('.').next() == Some(word)) else {
        return false;
    };
    let message = format!("`{word}` is taken: `{}` is a node of the language", spec.path);
    let problem = Problem::error("E0202", message, name.span, "this name is taken");
    cx.report(problem.help(format!("write another name, `my_{word}` say")));
    true
}

/// The words of what could not be parsed, where they name nothing that was: a use of one of them
/// is no mistake of its own.
pub(crate) fn lost(files: &SourceMap, root: FileId, file: &File) -> Vec<String> {
    let declared: Vec<&str> =
        file.items.iter().filter_map(declared).map(|(_, name)| name.node.as_str()).collect();
    let text = &files.file(root).text;
    let mut lost = Vec::new();
    let mut from = 0;
    let ends = file.items.iter().map(|item| (item.span.start as usize, item.span.end as usize));
    for (start, end) in ends.chain([(text.len(), text.len())]) {
        let gap = text.get(from..start).unwrap_or_default();
        for line in gap.lines() {
            let code = line.split('#').next().unwrap_or_default();
            let words = code.split(|c: char| !c.is_alphanumeric() && c != '_');
            let names = words.filter(|word| !word.is_empty() && !declared.contains(word));
            lost.extend(names.map(str::to_string));
        }
        from = from.max(end);
    }
    lost
}

/// Takes out what follows from mistakes of syntax: uses of the `lost` words, every use but the
/// first of another unknown name, and what is said of a line that the parser had to mend. The
/// first `syntax` problems are the parser's.
pub(crate) fn without_lost(
    files: &SourceMap,
    problems: &mut Vec<Problem>,
    (syntax, lost): (usize, &[String]),
) {
    let line = |problem: &Problem| files.line_column(problem.primary()).0;
    let mended: Vec<usize> = problems[..syntax].iter().map(line).collect();
    let mut at = 0;
    let mut told: Vec<String> = Vec::new();
    problems.retain(|problem| {
        at += 1;
        if at > syntax && mended.contains(&line(problem)) {
            return false;
        }
        let span = problem.primary();
        if problem.code != "E0201" || span.is_empty() {
            return true;
        }
        let mut words = files.text(span).split(|c: char| !c.is_alphanumeric() && c != '_');
        let name = words.next().unwrap_or_default().to_string();
        let again = told.contains(&name) || lost.contains(&name);
        told.push(name);
        !again
    });
}

fn add<'a>(cx: &mut Cx<'a>, item: &'a Item) {
    let decls = &mut cx.decls;
    match &item.kind {
        ItemKind::Use { path, .. } => {
            let instead = "copy the declarations into this file";
            cx.unsupported(path.span, "use", instead);
        }
        ItemKind::Param { name, ty, default } => {
            let value = Lazy::Todo;
            let decl = cx::ParamDecl { name, ty, default: default.as_ref(), value, used: false };
            decls.params.insert(&name.node, decl);
        }
        ItemKind::Secret { name, .. } => {
            decls.secrets.insert(&name.node, cx::SecretDecl { name, used: false });
        }
        ItemKind::Const { name, ty, value } => {
            let decl = cx::ConstDecl {
                name,
                ty: ty.as_ref(),
                expr: value,
                value: Lazy::Todo,
                used: false,
            };
            decls.consts.insert(&name.node, decl);
        }
        ItemKind::Type { name, ty } => {
            let decl = cx::TypeDecl { name, ty, resolved: Lazy::Todo, used: false };
            decls.types.insert(&name.node, decl);
        }
        ItemKind::Node { name, params, input, output, body } => {
            let input = input.as_ref();
            let decl = cx::NodeDecl { name, formals: params, input, output, body, used: false };
            decls.nodes.insert(&name.node, decl);
        }
        ItemKind::Resource { .. } => add_resource(cx, item),
        ItemKind::Profile { name, body } => {
            decls.profiles.insert(&name.node, cx::ProfileDecl { name, body });
        }
        ItemKind::Flow { .. } | ItemKind::Query { .. } | ItemKind::Test { .. } => {
            add_runnable(cx, item);
        }
    }
}

fn add_resource<'a>(cx: &mut Cx<'a>, item: &'a Item) {
    let ItemKind::Resource { kind, name, ty, key, into } = &item.kind else { return };
    let decl = cx::ResourceDecl {
        name,
        kind,
        ty,
        key: key.as_ref(),
        into: into.as_ref(),
        resolved: Lazy::Todo,
        used: false,
        index: cx.decls.resources.len(),
    };
    cx.decls.resources.insert(&name.node, decl);
}

fn add_runnable<'a>(cx: &mut Cx<'a>, item: &'a Item) {
    let decls = &mut cx.decls;
    let doc = item.doc.as_deref();
    match &item.kind {
        ItemKind::Flow { name, guarantee, body } => {
            let (guarantee, index) = (guarantee.as_ref(), decls.flows.len());
            decls.flows.insert(&name.node, cx::FlowDecl { name, guarantee, body, doc, index });
        }
        ItemKind::Query { name, on, chart, sql } => {
            let (chart, index) = (chart.as_ref(), decls.queries.len());
            decls.queries.insert(&name.node, cx::QueryDecl { name, on, chart, sql, doc, index });
        }
        ItemKind::Test { steps, .. } => decls.tests.push(cx::TestDecl { steps }),
        _ => {}
    }
}
