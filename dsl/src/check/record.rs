//! Records as values: entries, spreads, and the fields that a declared type wants.

use super::cx::Cx;
use super::expr::{self, poison};
pub(crate) use super::expr_fit::fits;
use super::expr_fit::{self, Place};
use super::record_fit;
pub(crate) use super::record_fit::conforms;
use super::scope::Scope;
use super::words::{dotted, shown};
use super::{expr_name, suggest};
use crate::ast;
use crate::plan::{Entry, Expr, ExprKind};
use crate::problem::Problem;
use crate::span::{Name, Span};
use crate::ty::{Field, RecordTy, Ty};
use crate::value::Value;

/// A declared record type that a record must fit.
#[derive(Clone, Debug)]
pub(crate) struct Want<'t> {
    /// The type.
    pub ty: &'t RecordTy,
    /// Fields beside the declared ones are a problem (a resource is exact, an edge is not).
    pub exact: bool,
    /// Declared fields may be left out (`upsert` merges).
    pub partial: bool,
    /// The key of the resource: its fields must be there and never null (E0602, E0601).
    pub key: Option<&'t ast::Key>,
    /// What wants it, as a problem says it: "table `sales`".
    pub owner: String,
    /// Where its type is declared (the type of the resource).
    pub declared: Option<Span>,
}

impl Want<'_> {
    /// The type's name in backticks, or "it".
    pub fn called(&self) -> String {
        match &self.ty.name {
            Some(name) => format!("`{name}`"),
            None => "it".into(),
        }
    }

    /// What a complete record is called: "a whole `Line`", "all of its fields".
    pub fn whole(&self) -> String {
        match &self.ty.name {
            Some(name) => format!("a whole `{name}`"),
            None => "all of its fields".into(),
        }
    }

    fn is_key(&self, name: &str) -> bool {
        self.key.is_some_and(|key| key.fields.iter().any(|field| field.node == name))
    }
}

/// The entries so far: what they are, and what they were written as.
struct Building<'w, 't> {
    want: Option<&'w Want<'t>>,
    /// The record's own span.
    at: Span,
    entries: Vec<Entry>,
    fields: Vec<Field>,
    dynamic: Option<Ty>,
    /// Where each field was named, and whether it came by a spread.
    named: Vec<(String, Span, bool)>,
    /// Names that are no fields of the wanted type, which was said: perhaps misspelled ones of it.
    strange: Vec<String>,
}

/// Types `{ … }`. The result is an [`ExprKind::Record`] whose type has one field per named entry,
/// and `dynamic` where entries have computed names; spreads and shorthands are expanded. With
/// `want` every value takes its field's type, and E0304, E0305, E0601 and E0602 are reported.
pub(crate) fn check(cx: &mut Cx, record: &ast::Record, scope: &Scope, want: Option<&Want>) -> Expr {
    let mut building = Building {
        want,
        at: record.span,
        entries: Vec::new(),
        fields: Vec::new(),
        dynamic: None,
        named: Vec::new(),
        strange: Vec::new(),
    };
    let mut fine = true;
    for entry in &record.entries {
        match entry {
            ast::Entry::Spread { expr, span } => {
                fine &= building.spread(cx, expr.as_ref(), *span, scope);
            }
            ast::Entry::Computed { name, value } => building.computed(cx, name, value, scope),
            ast::Entry::Shorthand(name) => {
                let value = expr_name::field(cx, &name.node, name.span, scope);
                if value.ty == Ty::Unknown && building.is_strange(&name.node) {
                    building.strange.push(name.node.clone());
                    continue;
                }
                building.named(cx, name, value, scope);
            }
            ast::Entry::Named { name, value } => {
                let value = building.value(cx, name, value, scope);
                building.named(cx, name, value, scope);
            }
        }
    }
    if fine {
        building.complete(cx, scope);
    }
    building.finish(fine)
}

impl Building<'_, '_> {
    /// The wanted field of that name.
    fn wanted(&self, name: &str) -> Option<&Field> {
        self.want.and_then(|want| want.ty.field(name))
    }

    /// True for a name that the wanted type does not have.
    fn is_strange(&self, name: &str) -> bool {
        self.want.is_some() && self.wanted(name).is_none()
    }

    /// True when a wanted field is perhaps there, under a misspelled name.
    fn perhaps(&self, wanted: &str) -> bool {
        let strange = self.strange.iter().map(String::as_str);
        suggest::nearest(wanted, strange).is_some()
            || self.strange.iter().any(|name| suggest::nearest(name, [wanted]).is_some())
    }

    /// Types a value with its field's type as a hint; what does not fit is left to [`Self::put`].
    fn value(&mut self, cx: &mut Cx, name: &Name, value: &ast::Expr, scope: &Scope) -> Expr {
        let dynamic = || self.want.and_then(|want| want.ty.dynamic.as_deref());
        let wanted = self.wanted(&name.node).map(|field| &field.ty).or_else(dynamic).cloned();
        let declared = self.wanted(&name.node).and_then(|field| field.span);
        let place = Place { ty: wanted.as_ref(), name: &name.node, declared, ..Place::default() };
        expr::hinted(cx, value, scope, &place)
    }

    /// A named or shorthand entry.
    fn named(&mut self, cx: &mut Cx, name: &Name, value: Expr, scope: &Scope) {
        let again = self.named.iter().find(|(named, _, spread)| *named == name.node && !spread);
        if let Some((_, first, _)) = again {
            let message = format!("the field `{}` is given twice", name.node);
            let problem = Problem::error("E0202", message, name.span, "again here");
            cx.report(problem.label(*first, "first here").help("leave one out"));
            return;
        }
        self.put(cx, &name.node, name.span, value, scope, false);
    }

    /// `[name]: value`
    fn computed(&mut self, cx: &mut Cx, name: &ast::Expr, value: &ast::Expr, scope: &Scope) {
        let place = Place {
            ty: Some(&Ty::Text),
            name: "a field's name",
            help: Some(format!("as text:  [text({})]: …", cx.files.text(name.span))),
            ..Place::default()
        };
        let named = expr::check_for(cx, name, scope, &place);
        let wanted = self.want.and_then(|want| want.ty.dynamic.as_deref()).cloned();
        if let Some(want) = self.want
            && want.exact
            && wanted.is_none()
        {
            let message = format!("{} has no fields with computed names", want.owner);
            let mut problem = Problem::error("E0305", message, name.span, "its name is computed");
            if let Some(declared) = want.declared {
                problem = problem.label(declared, format!("holds {}", want.called()));
            }
            let help = match &want.ty.name {
                Some(ty) => format!("name the field, or add `[text]: …` to type `{ty}`"),
                None => "name the field, or add `[text]: …` to the type".into(),
            };
            cx.report(problem.help(help));
        }
        let text = format!("[{}]", cx.files.text(name.span));
        let place = Place { ty: wanted.as_ref(), name: &text, ..Place::default() };
        let value = expr::check_for(cx, value, scope, &place);
        self.dynamic = match self.dynamic.take() {
            None => Some(value.ty.clone()),
            Some(first) => Some(expr_fit::common(&first, &value.ty).unwrap_or(first)),
        };
        self.entries.push(Entry::Computed(named, value));
    }

    /// `...` or `...expr`; false where it is no record, which was said.
    fn spread(&mut self, cx: &mut Cx, of: Option<&ast::Expr>, span: Span, scope: &Scope) -> bool {
        let Some(of) = of else {
            let Some(incoming) = scope.record.as_ref() else {
                let message = "`...` spreads the incoming record, and no record flows here";
                let help = "spread a const:  { ...sample, … }";
                cx.report(Problem::error("E0302", message, span, "nothing to spread").help(help));
                return false;
            };
            let Some(record) = incoming.ty.record().cloned() else {
                if incoming.ty != Ty::Unknown {
                    let message =
                        format!("`...` spreads a record, but what arrives is `{}`", incoming.ty);
                    let problem = Problem::error("E0403", message, span, "no fields to spread");
                    let problem = problem.label(incoming.from, incoming.sends.clone());
                    cx.report(problem.help("decode it first"));
                }
                return false;
            };
            for field in &record.fields {
                let kind = ExprKind::Field(field.name.clone());
                let value = Expr { kind, ty: field.ty.clone(), span };
                self.put(cx, &field.name, span, value, scope, true);
            }
            return true;
        };
        let value = expr::check(cx, of, scope, None);
        let value = expr_fit::present(cx, value, scope, "...");
        if value.ty == Ty::Unknown {
            return false;
        }
        let Some(record) = value.ty.record().cloned() else {
            let message = format!("`...` spreads a record, and `{}` is none", shown(cx, &value));
            let label = format!("`{}`", value.ty);
            cx.report(Problem::error("E0311", message, value.span, label));
            return false;
        };
        for field in &record.fields {
            let kind = ExprKind::Get(Box::new(value.clone()), field.name.clone());
            let value = expr::whole(kind, field.ty.clone(), span);
            self.put(cx, &field.name, span, value, scope, true);
        }
        true
    }

    /// Adds or replaces a field, as the wanted type has it.
    fn put(
        &mut self,
        cx: &mut Cx,
        name: &str,
        at: Span,
        value: Expr,
        scope: &Scope,
        by_spread: bool,
    ) {
        let span = match &value.kind {
            ExprKind::Field(field) => scope
                .record
                .as_ref()
                .and_then(|incoming| incoming.ty.record()?.field(field)?.span)
                .or(Some(value.span)),
            _ => Some(value.span),
        };
        // A spread's field may still be replaced by an entry behind it: it is fitted at the end.
        let value = if by_spread { value } else { self.fitted(cx, name, at, value, scope) };
        let field = Field { name: name.to_string(), ty: value.ty.clone(), span };
        let entry = Entry::Named(name.to_string(), value);
        self.named.retain(|(named, ..)| named != name);
        self.named.push((name.to_string(), at, by_spread));
        let is_same = |old: &Entry| matches!(old, Entry::Named(old, _) if old == name);
        match self.entries.iter().position(is_same) {
            Some(old) => self.entries[old] = entry,
            None => self.entries.push(entry),
        }
        match self.fields.iter_mut().find(|old| old.name == name) {
            Some(old) => *old = field,
            None => self.fields.push(field),
        }
    }

    /// The value as the wanted field has it; E0305, E0601 or the mismatch are reported.
    fn fitted(&mut self, cx: &mut Cx, name: &str, at: Span, value: Expr, scope: &Scope) -> Expr {
        let Some(want) = self.want else { return value };
        if want.is_key(name) && value.ty.is_nullable() {
            record_fit::null_key(cx, want, name, &value, scope);
            return poison(value.span);
        }
        let declared = want.ty.field(name);
        if declared.is_none() && want.is_key(name) {
            // That the key is no field of the type was said at the key.
            return value;
        }
        let Some(ty) = declared.map(|field| &field.ty).or(want.ty.dynamic.as_deref()) else {
            if want.exact {
                extra(cx, want, name, at);
                self.strange.push(name.to_string());
            }
            return value;
        };
        let place = Place {
            ty: Some(ty),
            name,
            declared: declared.and_then(|field| field.span),
            shorthand: at == value.span,
            help: None,
        };
        expr_fit::fit(cx, value, scope, &place)
    }

    /// Fits what came by a spread, and says what is missing.
    fn complete(&mut self, cx: &mut Cx, scope: &Scope) {
        let Some(want) = self.want else { return };
        let spread: Vec<(String, Span)> = self
            .named
            .iter()
            .filter(|(.., by_spread)| *by_spread)
            .map(|(name, at, _)| (name.clone(), *at))
            .collect();
        for (name, at) in spread {
            let is_it = |entry: &Entry| matches!(entry, Entry::Named(old, _) if *old == name);
            let Some(index) = self.entries.iter().position(is_it) else { continue };
            let Entry::Named(_, value) = self.entries[index].clone() else { continue };
            let value = self.fitted(cx, &name, at, value, scope);
            if let Some(field) = self.fields.iter_mut().find(|field| field.name == name) {
                field.ty = value.ty.clone();
            }
            self.entries[index] = Entry::Named(name, value);
        }
        let given = |name: &str| self.fields.iter().any(|field| field.name == name);
        let keys = want.key.iter().flat_map(|key| &key.fields);
        let known = |key: &&Name| want.ty.field(&key.node).is_some() && !self.perhaps(&key.node);
        let missing_keys: Vec<&Name> = keys.filter(known).filter(|key| !given(&key.node)).collect();
        if !missing_keys.is_empty() {
            record_fit::missing_key(cx, want, &missing_keys, self.at, scope);
            return;
        }
        let missing: Vec<&Field> =
            want.ty.fields.iter().filter(|field| !given(&field.name)).collect();
        let missing: Vec<&Field> =
            missing.into_iter().filter(|field| !self.perhaps(&field.name)).collect();
        if !missing.is_empty() && !want.partial {
            record_fit::missing(cx, want, &missing, self.at, scope);
        }
    }

    /// The record.
    fn finish(self, fine: bool) -> Expr {
        let span = self.at;
        if !fine {
            return poison(span);
        }
        let name = self.want.and_then(|want| {
            let whole = want
                .ty
                .fields
                .iter()
                .all(|field| self.fields.iter().any(|each| each.name == field.name));
            want.ty.name.clone().filter(|_| whole && self.fields.len() == want.ty.fields.len())
        });
        let dynamic = self.dynamic.map(Box::new);
        let ty = Ty::Record(RecordTy { name, fields: self.fields, dynamic, open: false });
        Expr { kind: ExprKind::Record(self.entries), ty, span }
    }
}

/// E0305: a field that the type does not have.
fn extra(cx: &mut Cx, want: &Want, name: &str, at: Span) {
    let message = match &want.ty.name {
        Some(ty) => format!("`{name}` is no field of `{ty}`, and {} takes no other", want.owner),
        None => format!("`{name}` is no field of {}", want.owner),
    };
    let label = match want.ty.name {
        Some(_) => format!("not a field of {}", want.called()),
        None => "not one of its fields".into(),
    };
    let mut problem = Problem::error("E0305", message, at, label);
    if let Some(declared) = want.declared {
        problem = problem.label(declared, format!("holds exactly {}", want.called()));
    }
    let names = want.ty.fields.iter().map(|field| field.name.as_str());
    let help = match (suggest::nearest(name, names), &want.ty.name) {
        (Some(near), _) => format!("did you mean `{}`?", dotted(near).trim_start_matches('.')),
        (None, Some(ty)) => format!("leave it out, or add `{name}: …` to type `{ty}`"),
        (None, None) => "leave it out, or add it to the type".into(),
    };
    cx.report(problem.help(help));
}

/// A constant record as an expression of constants, one per field.
pub(crate) fn opened(expr: Expr) -> Expr {
    let (ExprKind::Const(Value::Record(fields)), Ty::Record(ty)) = (&expr.kind, &expr.ty) else {
        return expr;
    };
    let entry = |(name, value): &(String, Value)| {
        let ty = match ty.field(name) {
            Some(field) => field.ty.clone(),
            None => expr::literal_ty(value),
        };
        let value = Expr { kind: ExprKind::Const(value.clone()), ty, span: expr.span };
        Entry::Named(name.clone(), opened(value))
    };
    let kind = ExprKind::Record(fields.iter().map(entry).collect());
    Expr { kind, ..expr }
}
