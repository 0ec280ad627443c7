//! What a sink of a resource stores: the fields of the record, the encoding, the key.

use super::draft::{Tap, unbatched};
use super::flow::Builder;
use super::keys::record_in;
use super::node::Use;
use super::record::{self, Want};
use super::signature::Fit;
use crate::problem::Problem;
use crate::ty::{RecordTy, Ty};

impl<'a> Builder<'_, 'a> {
    /// What the resource of `used` wants of a record. `partial`: fields may be left out.
    pub fn want<'t>(&mut self, used: &Use<'a>, held: &'t Ty, partial: bool) -> Option<Want<'t>>
    where
        'a: 't,
    {
        let record = record_in(held)?;
        let decl = self.cx.decls.resources.get(used.resource?)?;
        let owner = format!("{} `{}`", decl.kind.node.word(), decl.name.node);
        let (key, declared) = (decl.key, Some(decl.ty.span));
        let (kind_span, name) = (decl.kind.span, decl.name);
        if used.spec.path == "table.upsert" && key.is_none() {
            let message = format!("{owner} has no key, so nothing can be merged into its items");
            let problem = Problem::error("E0602", message, used.words(), "needs a key");
            let problem = problem.label(kind_span.to(name.span), "no `key` clause");
            self.cx
                .report(problem.help(format!("declare it: `table {} : … key .field`", name.node)));
        }
        Some(Want { ty: record, exact: true, partial, key, owner, declared })
    }

    /// Compares what arrives at a sink with what its resource holds; gives the encoding that the
    /// sink applies, if any.
    pub fn stored(&mut self, used: &Use<'a>, tap: &Tap, fit: &Fit) -> Option<Ty> {
        let held = used.held.clone().filter(|held| *held != Ty::Unknown)?;
        let whole = unbatched(&tap.ty).clone();
        let arrived = fit.binds.arrived.clone().unwrap_or(whole);
        if arrived == Ty::Unknown {
            return None;
        }
        if used.spec.path == "table.copy" {
            self.copied(used, tap, &arrived, &held);
            return None;
        }
        if fit.binds.arrived.is_none() && !self.lines_of_batch(used, tap, &arrived, &held) {
            return None;
        }
        let encoded = arrived.is_wire();
        let keyed = used.resource.and_then(|name| self.cx.decls.resources[name].key).is_some();
        if encoded && keyed {
            self.encoded_key(used, tap);
            return None;
        }
        let want = self.want(used, &held, false);
        if let (Some(want), Some(found)) = (want, record_in(&arrived)) {
            let found = Ty::Record(found.clone());
            record::conforms(self.cx, &found, &want, used.words(), tap.at);
        }
        (!encoded && held.is_wire()).then_some(held)
    }

    /// Whether the records of a batch can be the lines of an object (E0301).
    fn lines_of_batch(&mut self, used: &Use<'a>, tap: &Tap, arrived: &Ty, held: &Ty) -> bool {
        let lines = match (arrived, held) {
            (Ty::Record(_) | Ty::Json(_), Ty::Ndjson(_)) => record_in(arrived).is_some(),
            _ => false,
        };
        if !lines {
            let name = self.cx.files.text(used.words()).to_string();
            let message = format!("`{name}` stores {held}, and a {} is several records", tap.ty);
            let problem = Problem::error("E0301", message, used.words(), format!("stores  {held}"));
            let problem = problem.label(tap.at, format!("sends  {}", tap.ty));
            let encode = if matches!(arrived, Ty::Record(_)) { "json.encode -> " } else { "" };
            let sender = self.cx.files.text(tap.at).to_string();
            let chain = format!("{sender} -> {encode}text.join(\"\\n\") -> {name}");
            self.cx.report(problem.help(format!("join them first:\n\n    {chain}\n")));
        }
        lines
    }

    /// E0609: the columns of the objects and of the table are the same.
    fn copied(&mut self, used: &Use<'a>, tap: &Tap, arrived: &Ty, held: &Ty) {
        let (Some(found), Some(wanted)) = (arrived.record(), held.record()) else { return };
        let differing = differing(found, wanted);
        let Some(resource) = used.resource.filter(|_| !differing.is_empty()) else { return };
        let table = &self.cx.decls.resources[resource];
        let table_ty = table.ty.span;
        let from = tap.node().and_then(|node| self.draft.graph[node].resource);
        let bucket = self.cx.decls.resources.values().find(|decl| Some(decl.index) == from);
        let bucket = bucket.map(|decl| (decl.name.node.clone(), decl.ty.span));
        let message = format!("the objects do not have the columns of table `{resource}`");
        let mut problem =
            Problem::error("E0609", message, used.words(), "loads each object as it is");
        if let Some((name, span)) = bucket {
            problem = problem.label(span, format!("what `{name}` holds"));
        }
        problem = problem.label(table_ty, format!("what `{resource}` holds"));
        let help = format!("the columns that differ:\n\n    {}\n", differing.join("\n    "));
        self.cx.report(problem.help(help));
    }

    /// E0403: the key is read from the record, and what arrives is encoded.
    fn encoded_key(&mut self, used: &Use<'a>, tap: &Tap) {
        let Some(resource) = used.resource else { return };
        let decl = &self.cx.decls.resources[resource];
        let (Some(key), kind) = (decl.key, decl.kind.node) else { return };
        let fields: Vec<String> = key.fields.iter().map(|f| format!("`.{}`", f.node)).collect();
        let fields = fields.join(", ");
        let name = self.cx.files.text(used.words()).to_string();
        let message =
            format!("`{name}` reads its key {fields} from a record, and what arrives is encoded");
        let problem = Problem::error("E0403", message, used.words(), "needs a record");
        let encoder = tap.node().and_then(|node| self.encoder(node));
        let at = encoder.unwrap_or(tap.at);
        let sends = format!("sends  {}", tap.ty);
        let problem = problem.label(at, sends).label(key.span, "the key");
        let help = match encoder {
            Some(at) => {
                let codec = self.cx.files.text(at).to_string();
                format!("remove `{codec}`: the {} encodes by itself", kind.word())
            }
            None => format!("decode it first: `json.decode -> {name}`"),
        };
        self.cx.report(problem.help(help));
    }

    /// The words of the encoder before or at a node.
    pub fn encoder(&self, node: petgraph::graph::NodeIndex) -> Option<crate::span::Span> {
        let nodes = self.draft.upstream(node);
        let found = nodes.iter().find(|node| self.draft.graph[**node].op.ends_with(".encode"))?;
        Some(self.draft.graph[*found].span)
    }
}

/// The columns in which two records differ, a line each.
fn differing(found: &RecordTy, wanted: &RecordTy) -> Vec<String> {
    let mut lines = Vec::new();
    for want in &wanted.fields {
        match found.field(&want.name) {
            None => lines.push(format!("{}: only in the table ({})", want.name, want.ty)),
            Some(have) if !record::fits(&have.ty, &want.ty) => {
                lines.push(format!(
                    "{}: {} in the objects, {} in the table",
                    want.name, have.ty, want.ty
                ));
            }
            Some(_) => {}
        }
    }
    for have in &found.fields {
        if wanted.field(&have.name).is_none() {
            lines.push(format!("{}: only in the objects ({})", have.name, have.ty));
        }
    }
    lines
}
