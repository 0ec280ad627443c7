//! Profiles: what each resource is bound to, and whether the provider allows it.

use super::cx::Cx;
use super::options::{self, Given, Owner, unit_text};
use super::scope::Scope;
use super::services::{self, SERVICES, Service};
use super::{consts, decls, fold, suggest};
use crate::ast::{Arg, Expr, ExprKind, ProfileBody};
use crate::plan::{Binding, Provider};
use crate::problem::Problem;
use crate::quotas;
use crate::span::{Name, Span};
use crate::spec::OptionTy;
use crate::ty::Ty;
use crate::value::Value;
use std::collections::BTreeMap;

/// A checked profile.
#[derive(Clone, Default)]
pub(crate) struct Profile {
    /// What it binds, by resource.
    pub bindings: BTreeMap<String, (Binding, Span)>,
    /// Where an emulated one keeps its state, relative to the current directory.
    pub dir: Option<String>,
    /// What it says of the provider.
    pub provider: Provider,
}

/// Checks every profile; `chosen` is the one to lower for, where the request or the file says.
pub(crate) fn check_all(cx: &mut Cx, chosen: Option<&str>) -> BTreeMap<String, Profile> {
    let mut checked = BTreeMap::new();
    let mut aliases = Vec::new();
    let bodies: Vec<(&Name, &ProfileBody)> =
        cx.decls.profiles.values().map(|decl| (decl.name, decl.body)).collect();
    let base = bodies.iter().find_map(|(name, body)| match body {
        ProfileBody::Alias(expr) if chosen == Some(name.node.as_str()) => base(expr),
        _ => None,
    });
    for (name, body) in bodies {
        let name_is = |other: Option<&str>| other == Some(name.node.as_str());
        cx.chosen = cx.request.run && (name_is(chosen) || name_is(base));
        match body {
            ProfileBody::Alias(expr) => aliases.push((name, alias(cx, name, expr))),
            ProfileBody::Bindings(list) => {
                let profile = bindings(cx, list);
                checked.insert(name.node.clone(), profile);
            }
        }
    }
    cx.chosen = false;
    for (name, alias) in aliases {
        let Some((base, dir)) = alias else { continue };
        let bindings = checked.get(&base).map(|base| base.bindings.clone()).unwrap_or_default();
        let profile = Profile { bindings, dir: Some(dir), ..Profile::default() };
        checked.insert(name.node.clone(), profile);
    }
    checked
}

/// The word in `emulate(word, …)`.
fn base(expr: &Expr) -> Option<&str> {
    let ExprKind::Call { args, .. } = &expr.kind else { return None };
    args.iter().find_map(|arg| match &arg.value.kind {
        ExprKind::Ident(word) if arg.name.is_none() => Some(word.as_str()),
        _ => None,
    })
}

/// `emulate(aws, dir: "…")`: the base and the directory.
fn alias(cx: &mut Cx, name: &Name, expr: &Expr) -> Option<(String, String)> {
    let usage = format!("write `profile {} = emulate(aws, dir: \"out\")`", name.node);
    let call = match &expr.kind {
        ExprKind::Call { of, args } => Some((of, args)),
        _ => None,
    };
    let Some((_, args)) =
        call.filter(|(of, _)| matches!(&of.kind, ExprKind::Ident(word) if word == "emulate"))
    else {
        let message = "a profile is made of bindings, or emulates another";
        cx.report(Problem::error("E0201", message, expr.span, "not `emulate(…)`").help(usage));
        return None;
    };
    let (mut base, mut dir) = (None, None);
    for arg in args {
        match arg.name.as_ref().map(|name| name.node.as_str()) {
            None if base.is_none() => base = Some(emulated(cx, &arg.value)?),
            Some("dir") => dir = consts::value(cx, &arg.value, &Scope::empty(), Some(&Ty::Path)),
            _ => {
                let span = arg.name.as_ref().map_or(arg.value.span, |name| name.span);
                let message = "`emulate` has no such option";
                cx.report(Problem::error("E0203", message, span, "not an option").help(usage));
                return None;
            }
        }
    }
    let given = args.iter().any(|arg| arg.name.as_ref().is_some_and(|name| name.node == "dir"));
    if base.is_none() || !given {
        let what = if base.is_none() { "the profile to emulate" } else { "`dir`" };
        let message = format!("`emulate` needs {what}");
        cx.report(Problem::error("E0204", message, expr.span, "something is missing").help(usage));
        return None;
    }
    let (dir, _) = dir?;
    Some((base?, dir.as_text()?.to_string()))
}

/// The name of the profile that is emulated.
fn emulated(cx: &mut Cx, expr: &Expr) -> Option<String> {
    let word = match &expr.kind {
        ExprKind::Ident(word) => word.clone(),
        _ => cx.files.text(expr.span).to_string(),
    };
    match cx.decls.profiles.get(word.as_str()).map(|decl| decl.body) {
        Some(ProfileBody::Bindings(_)) => Some(word),
        Some(ProfileBody::Alias(_)) => {
            let message = format!("profile `{word}` emulates another itself");
            let problem = Problem::error("E0201", message, expr.span, "binds nothing");
            cx.report(problem.help("name the profile with the bindings"));
            None
        }
        None => {
            let message = format!("there is no profile `{word}`");
            let names: Vec<&str> = cx.decls.profiles.keys().copied().collect();
            let help = match suggest::nearest(&word, names) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("declare it: `profile {word} {{ … }}`"),
            };
            cx.report(Problem::error("E0201", message, expr.span, "not declared").help(help));
            None
        }
    }
}

/// One profile of bindings.
fn bindings(cx: &mut Cx, list: &[(Name, Expr)]) -> Profile {
    let mut profile = Profile::default();
    let mut seen: BTreeMap<&str, Span> = BTreeMap::new();
    for (name, expr) in list {
        if let Some(first) = seen.insert(&name.node, name.span) {
            decls::duplicate(cx, name, first);
            continue;
        }
        let provider = &mut profile.provider;
        let word = match name.node.as_str() {
            "region" => Some(&mut provider.region),
            "endpoint" => Some(&mut provider.endpoint),
            "state" => Some(&mut provider.state),
            "spill" => Some(&mut provider.spill),
            _ => None,
        };
        let ty = if name.node == "spill" { Ty::Path } else { Ty::Text };
        match word.filter(|_| !cx.decls.resources.contains_key(name.node.as_str())) {
            Some(place) => {
                let value = consts::value(cx, expr, &Scope::empty(), Some(&ty));
                *place = value.and_then(|(value, _)| value.as_text().map(str::to_string));
            }
            None => {
                if let Some(binding) = binding(cx, name, expr) {
                    profile.bindings.insert(name.node.clone(), (binding, name.span));
                }
            }
        }
    }
    profile
}

/// `orders = kinesis("APIData", shards: 1)`
fn binding(cx: &mut Cx, name: &Name, expr: &Expr) -> Option<Binding> {
    let Some(decl) = cx.decls.resources.get(name.node.as_str()) else {
        decls::no_resource(cx, name, &format!("stream {} : …", name.node));
        return None;
    };
    let (kind, keyed, declared) = (decl.kind.node, decl.key.is_some(), decl.name.span);
    let example = services::for_kind(kind, keyed)
        .map_or(String::new(), |service| service.example.replace("{}", &name.node));
    let (word, args, span) = match &expr.kind {
        ExprKind::Call { of, args } => match &of.kind {
            ExprKind::Ident(word) => (word.as_str(), args.as_slice(), of.span),
            _ => ("", args.as_slice(), of.span),
        },
        _ => ("", &[][..], expr.span),
    };
    let Some(service) = services::find(word) else {
        let written = cx.files.text(span).to_string();
        let message = format!("`{written}` is no service that a {} can be bound to", kind.word());
        let near = suggest::nearest(word, SERVICES.iter().map(|service| service.word));
        let help = match near {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("write `{example}`"),
        };
        cx.report(Problem::error("E0201", message, span, "not a service").help(help));
        return None;
    };
    if !service.kinds.contains(&kind) {
        let message =
            format!("`{}` is a {}, and {} is none", name.node, kind.word(), service.title);
        let problem =
            Problem::error("E0610", message, span, format!("cannot be a {}", kind.word()));
        let problem = problem.label(declared, format!("a {}", kind.word()));
        cx.report(problem.help(format!("write `{example}`")));
        return None;
    }
    arguments(cx, service, span, args)
}

/// The arguments of a binding function, within the provider's limits.
fn arguments(cx: &mut Cx, service: &'static Service, span: Span, args: &[Arg]) -> Option<Binding> {
    let owner =
        Owner { name: service.word, span, options: service.options, limits: service.limits };
    let mut given = options::check(cx, owner, Some(args), &Scope::empty());
    for (option, limit) in service.limits {
        over_limit(cx, service, &given, option, limit);
    }
    if service.word == "redshift" {
        where_it_runs(cx, span, &given);
    }
    begins(cx, service, &given);
    let Some(Value::Text(name)) = given.values.remove("name") else { return None };
    let at = given.spans.get("name").copied().unwrap_or(span);
    if let Some(rule) = quotas::aws().name(service.word)
        && !rule.allows(&name)
        && !stands_in(&name, args)
    {
        let message = format!("`{name}` is no legal name in {}", service.title);
        let problem = Problem::error("E0607", message, at, format!("takes {}", rule.rule));
        let help = match rule.corrected(&name) {
            Some(corrected) => format!("write \"{corrected}\""),
            None => format!("a name has {}", rule.rule),
        };
        cx.report(problem.help(help));
        return None;
    }
    Some(Binding { service: service.word.into(), name, options: given.values })
}

/// E0204: Redshift is reached by a workgroup or a cluster.
fn where_it_runs(cx: &mut Cx, span: Span, given: &Given) {
    let has = |name: &str| given.spans.contains_key(name);
    if has("workgroup") == has("cluster") {
        let message = match has("cluster") {
            true => "`redshift` is reached by `workgroup` or `cluster`, not by both",
            false => "`redshift` needs `workgroup`, or `cluster` where it is provisioned",
        };
        let problem = Problem::error("E0204", message, span, "one of them is needed");
        cx.report(problem.help("write `redshift(workgroup: \"analytics\")`"));
    }
}

/// `from` of a stream is a place in it (E0308).
fn begins(cx: &mut Cx, service: &Service, given: &Given) {
    let (Some(span), Some(from)) = (given.spans.get("from"), given.values.get("from")) else {
        return;
    };
    let Some(from) = from.as_text() else { return };
    let is_place = matches!(from, "trim_horizon" | "latest")
        || fold::parse_timestamp(from, "rfc3339", "UTC").is_some();
    if !is_place {
        let message = format!("a reader of {} cannot begin with `{from}`", service.title);
        let problem = Problem::error("E0308", message, *span, "not a place in a stream");
        cx.report(problem.help(
            "write `from: \"trim_horizon\"` (the oldest record), `\"latest\"`, or a time such as \
             `\"2026-01-01T00:00:00Z\"`",
        ));
    }
}

/// Whether a name is only the stand-in of a param that has no value yet (`<bucket_name>`).
fn stands_in(name: &str, args: &[Arg]) -> bool {
    let named = args.iter().find(|arg| arg.name.as_ref().is_none_or(|name| name.node == "name"));
    let written = named.is_some_and(|arg| matches!(arg.value.kind, ExprKind::Literal(_)));
    !written && name.contains('<')
}

/// E0604
fn over_limit(cx: &mut Cx, service: &Service, given: &Given, option: &str, id: &str) {
    let (quotas, limit) = (quotas::aws(), quotas::aws().limit(id));
    let Some(span) = given.spans.get(option).copied() else { return };
    let (found, ty) = match given.values.get(option) {
        Some(Value::Size(bytes)) => (i64::try_from(*bytes).unwrap_or(i64::MAX), OptionTy::Size),
        Some(Value::Duration(ns)) => (*ns, OptionTy::Duration),
        Some(Value::Int(int)) => (*int, OptionTy::Int),
        _ => return,
    };
    let (min, max) = limit.range();
    if (min..=max).contains(&found) {
        return;
    }
    let text = |number| unit_text(ty, number);
    let (side, end) = if found > max { ("over", "largest") } else { ("under", "smallest") };
    let written = cx.files.text(span).to_string();
    let message =
        format!("`{option}: {written}` is {side} {}'s {end} {}", service.title, limit.what);
    let label =
        format!("{} takes {} to {} (as of {})", service.title, text(min), text(max), quotas.date);
    let help = format!("use `{option}: {}`", text(found.clamp(min, max)));
    cx.report(Problem::error("E0604", message, span, label).help(help));
}
