//! What does not fit: a codec that is missing, wrong, or there twice.

use super::draft::{Tap, unbatched};
use super::flow::{Builder, Place};
use super::node::Use;
use super::signature::{self, Fit, Layer, Pattern, Rule};
use crate::ast::ResourceKind;
use crate::problem::Problem;
use crate::span::Span;
use crate::spec::ClaimSpec;
use crate::ty::Ty;
use petgraph::graph::NodeIndex;

impl<'a> Builder<'_, 'a> {
    /// Reports why no rule of `used` takes what `tap` sends; one problem.
    pub fn misfit(&mut self, used: &Use<'a>, tap: &Tap, rules: &[Rule]) {
        let ty = unbatched(&tap.ty);
        if used.claim.is_none() && fit(used, rules, &tap.ty, Some(&Ty::Unknown)).is_some() {
            if used.spec.claim == ClaimSpec::Optional {
                self.claim_missing(used);
            }
            return;
        }
        let decodes = used.spec.path.ends_with(".decode");
        let wants: Vec<&Pattern> = rules.iter().filter_map(|rule| rule.input.as_ref()).collect();
        let record = matches!(ty, Ty::Record(_));
        if decodes && (record || self.decoded_by(used, tap).is_some()) {
            return self.decoded_twice(used, tap);
        }
        if record && self.takes_bytes(used, &wants) {
            return self.record_for_bytes(used, tap, &wants);
        }
        if ty.is_wire() && self.needs_record(used, &wants) && !encodes(used) {
            let (place, name) = (used.place, used.node.call.dotted());
            return self.encoded_fields(place, used.words(), &name, tap);
        }
        match self.codec_before(used, tap, rules) {
            Some(codec) => self.wrong_codec(used, tap, &wants, Some(codec)),
            None if decodes => self.wrong_codec(used, tap, &wants, None),
            None => self.mismatch(used, tap, &wants),
        }
    }

    fn takes_bytes(&self, used: &Use<'a>, wants: &[&Pattern]) -> bool {
        wants.iter().any(|want| match want {
            Pattern::Wire | Pattern::Base(_) => true,
            Pattern::Layer(layer, _) => !matches!(layer, Layer::Object | Layer::Batch),
            Pattern::Held => used.held.as_ref().is_some_and(Ty::is_wire),
            _ => false,
        })
    }

    fn needs_record(&self, used: &Use<'a>, wants: &[&Pattern]) -> bool {
        wants.iter().any(|want| match want {
            Pattern::Record => true,
            Pattern::Held => matches!(used.held, Some(Ty::Record(_))),
            _ => false,
        })
    }

    /// The earlier node that is the same decoder, where nothing was encoded in between.
    fn decoded_by(&self, used: &Use<'a>, tap: &Tap) -> Option<Span> {
        let layer = used.spec.path.strip_suffix(".decode")?;
        if Layer::of(unbatched(&tap.ty)).is_some_and(|(found, _)| found.word() == layer) {
            return None;
        }
        for node in self.draft.upstream(tap.node()?) {
            let node = &self.draft.graph[node];
            if node.op == used.spec.path {
                return Some(node.span);
            }
            if node.op.ends_with(".encode") {
                return None;
            }
        }
        None
    }

    /// E0404
    fn decoded_twice(&mut self, used: &Use<'a>, tap: &Tap) {
        let name = used.node.call.dotted();
        let first = tap.node().and_then(|node| {
            let before = self.draft.upstream(node);
            let decoder = |node: &&NodeIndex| self.draft.graph[**node].op.ends_with(".decode");
            before.iter().find(decoder).map(|node| self.draft.graph[*node].span)
        });
        let what = words_of(unbatched(&tap.ty));
        let message = format!("`{name}` decodes what is decoded already: what arrives is {what}");
        let problem = Problem::error("E0404", message, used.words(), "nothing to take off");
        let problem = match first {
            Some(first) => problem.label(first, format!("sends  {}", tap.ty)),
            None => problem.label(tap.at, format!("sends  {}", tap.ty)),
        };
        self.cx.report(problem.help(format!("remove `{name}`")));
    }

    /// E0402
    fn record_for_bytes(&mut self, used: &Use<'a>, tap: &Tap, wants: &[&Pattern]) {
        let name = used.node.call.dotted();
        let message = format!("`{name}` takes bytes, and what arrives is a record");
        let accepts = accepted(used, wants);
        let problem = Problem::error("E0402", message, used.words(), format!("accepts  {accepts}"));
        let problem = problem.label(tap.at, format!("sends  {}", tap.ty));
        let chain = self.chain_with(used.place, "json.encode");
        self.cx.report(problem.help(format!("encode it first:\n\n    {chain}\n")));
    }

    /// E0403: fields of something that is encoded.
    pub fn encoded_fields(&mut self, place: Place<'a>, words: Span, name: &str, tap: &Tap) {
        let ty = tap.record().clone();
        if !ty.is_wire() {
            let message = format!("`{name}` reads fields, and what arrives is {}", words_of(&ty));
            let problem = Problem::error("E0301", message, words, "needs records");
            let problem = problem.label(tap.at, format!("sends  {}", tap.ty));
            self.cx.report(problem.help("send it records"));
            return;
        }
        let message = format!("`{name}` reads fields, and what arrives is encoded");
        let problem = Problem::error("E0403", message, words, "needs records");
        let encoder = tap.node().and_then(|node| self.encoder(node));
        let problem = problem.label(encoder.unwrap_or(tap.at), format!("sends  {}", tap.ty));
        let help = match encoder {
            Some(at) => {
                let codec = self.cx.files.text(at).to_string();
                format!(
                    "move `{codec}` behind `{name}`, or leave it out: a resource encodes by itself"
                )
            }
            None => {
                let chain = self.chain_with(place, &decoders(&ty));
                format!("decode it first:\n\n    {chain}\n")
            }
        };
        self.cx.report(problem.help(help));
    }

    /// The codec that makes what arrives fit, where one does.
    fn codec_before(&self, used: &Use<'a>, tap: &Tap, rules: &[Rule]) -> Option<&'static str> {
        let (layer, inner) = Layer::of(unbatched(&tap.ty))?;
        let codec = match layer {
            Layer::Base64 => "base64.decode",
            Layer::Gzip => "gzip.decode",
            Layer::Zstd => "zstd.decode",
            Layer::Ndjson => "text.lines",
            Layer::Json => "json.decode",
            _ => return None,
        };
        let inner = match layer {
            Layer::Ndjson => Layer::Json.wrap(inner.clone()),
            _ => inner.clone(),
        };
        let fits = fit(used, rules, &inner, used.claim.as_ref()).is_some();
        (codec != used.spec.path && !encodes(used) && fits).then_some(codec)
    }

    /// E0401
    fn wrong_codec(&mut self, used: &Use<'a>, tap: &Tap, wants: &[&Pattern], codec: Option<&str>) {
        let name = used.node.call.dotted();
        let ty = unbatched(&tap.ty).clone();
        let needs = wants.first().map_or(String::new(), |want| wanted_words(used, want));
        let message = format!("`{name}` needs {needs}, but what arrives is {}", words_of(&ty));
        let accepts = accepted(used, wants);
        let problem = Problem::error("E0401", message, used.words(), format!("accepts  {accepts}"));
        let mut problem = problem.label(tap.at, format!("sends  {}", tap.ty));
        let sender = tap.node().map(|node| &self.draft.graph[node]);
        let from = sender.and_then(|node| node.resource);
        let declared = self.cx.decls.resources.values().find(|decl| Some(decl.index) == from);
        let kind = declared.map(|decl| decl.kind.node);
        if let Some(decl) = declared {
            problem = problem.label(decl.ty.span, format!("what `{}` holds", decl.name.node));
        }
        let help = match codec {
            Some(codec) => {
                let chain = self.chain_with(used.place, codec);
                let why = match (kind, &ty) {
                    (Some(ResourceKind::Stream), Ty::Base64(_)) => {
                        "the stream delivers each record base64-encoded; decode that first"
                    }
                    _ => "take that layer off first",
                };
                format!("{why}:\n\n    {chain}\n")
            }
            None => format!("remove `{name}`, or send it {needs}"),
        };
        self.cx.report(problem.help(help));
    }

    /// E0301
    fn mismatch(&mut self, used: &Use<'a>, tap: &Tap, wants: &[&Pattern]) {
        let name = used.node.call.dotted();
        let accepts = accepted(used, wants);
        let message = format!("`{name}` does not take `{}`", tap.ty);
        let problem = Problem::error("E0301", message, used.words(), format!("accepts  {accepts}"));
        let problem = problem.label(tap.at, format!("sends  {}", tap.ty));
        let wants_batch = wants.iter().any(|want| matches!(want, Pattern::Layer(Layer::Batch, _)));
        let help = match (&tap.ty, wants_batch) {
            _ if encodes(used) => format!("remove `{name}`: it is encoded already"),
            (Ty::Batch(_), _) => "what arrives is in batches already".to_string(),
            (_, true) => {
                let chain = self.chain_with(used.place, "batch(max: 500, wait: 60s)");
                format!("gather the records first:\n\n    {chain}\n")
            }
            _ => format!("send it {accepts}"),
        };
        self.cx.report(problem.help(help));
    }

    /// E0310: what arrives has a type, and `as T` claims another.
    pub fn claimed_twice(&mut self, used: &Use<'a>, tap: &Tap) {
        let Some(claim) = &used.node.claim else { return };
        if unbatched(&tap.ty) == &Ty::Unknown {
            return;
        }
        let name = used.node.call.dotted();
        let message = format!("`{name}` knows what arrives: {}", tap.ty);
        let problem = Problem::error("E0310", message, claim.span, "claims it again");
        let problem = problem.label(tap.at, format!("sends  {}", tap.ty));
        self.cx.report(problem.help(format!("remove it: `{name}`")));
    }

    /// The chain as written, with a stage inserted before a place; only its neighbours where the
    /// chain is long.
    fn chain_with(&self, place: Place<'a>, inserted: &str) -> String {
        let text = |stage: &crate::ast::Stage| {
            let text = self.cx.files.text(stage.span);
            match text.contains('\n') {
                true => format!("{} …", self.cx.files.text(super::flow::words(stage))),
                false => text.to_string(),
            }
        };
        let stages: Vec<String> = place.chain.stages.iter().map(text).collect();
        let mut whole = stages.clone();
        whole.insert(place.index, inserted.to_string());
        let whole = if place.index == 0 {
            format!("… -> {}", whole.join(" -> "))
        } else {
            whole.join(" -> ")
        };
        if whole.chars().count() <= 80 {
            return whole;
        }
        let before = place.index.checked_sub(1).map_or("…", |before| &stages[before]);
        format!("{before} -> {inserted} -> {}", stages[place.index])
    }
}

fn encodes(used: &Use) -> bool {
    used.spec.path.ends_with(".encode")
}

/// The rule of `used` that takes `ty`. A decoder that takes any bytes does not take those that are
/// known to be something else.
pub(crate) fn fit(used: &Use, rules: &[Rule], ty: &Ty, claim: Option<&Ty>) -> Option<Fit> {
    let fit = signature::fit(rules, ty, used.held.as_ref(), claim)?;
    let layer = Layer::of(unbatched(ty)).map(|(layer, _)| layer.word());
    let other = used.spec.path.strip_suffix(".decode").is_some_and(|own| layer != Some(own));
    let any_bytes = matches!(fit.rule.input, Some(Pattern::Base(_)));
    (!(other && layer.is_some() && any_bytes)).then_some(fit)
}

/// What a node accepts, for a label.
fn accepted(used: &Use, wants: &[&Pattern]) -> String {
    let all: Vec<String> = wants
        .iter()
        .filter(|want| {
            used.claim.is_some() || !matches!(want, Pattern::Base(Ty::Bytes)) || wants.len() == 1
        })
        .map(|want| match (want, &used.held) {
            (Pattern::Held, Some(held)) => held.to_string(),
            (Pattern::Wire, _) => "bytes".into(),
            _ => want.to_string(),
        })
        .collect();
    all.join(" or ")
}

fn wanted_words(used: &Use, want: &Pattern) -> String {
    match (want, &used.held) {
        (Pattern::Held, Some(held)) => format!("{held}"),
        (Pattern::Record, _) => "a record".into(),
        (Pattern::Base(ty), _) => words_of(ty),
        (Pattern::Layer(layer, _), _) => words_of(&layer.wrap(Ty::Unknown)),
        _ => "something else".into(),
    }
}

/// A type in the words of a sentence.
fn words_of(ty: &Ty) -> String {
    match ty {
        Ty::Json(_) => "JSON".into(),
        Ty::Ndjson(_) => "lines of JSON".into(),
        Ty::Csv(_) => "CSV".into(),
        Ty::Base64(_) => "base64".into(),
        Ty::Gzip(_) => "gzip".into(),
        Ty::Zstd(_) => "zstd".into(),
        Ty::Record(_) => "a record".into(),
        Ty::Batch(_) => "a batch".into(),
        Ty::Object(_) => "an object".into(),
        Ty::Done => "the event `done`".into(),
        other => other.to_string(),
    }
}

/// The stages that take every layer off.
fn decoders(ty: &Ty) -> String {
    let mut stages = Vec::new();
    let mut at = ty;
    loop {
        match at {
            Ty::Base64(_) => stages.push("base64.decode".to_string()),
            Ty::Gzip(_) => stages.push("gzip.decode".to_string()),
            Ty::Zstd(_) => stages.push("zstd.decode".to_string()),
            Ty::Ndjson(_) => stages.push("text.lines -> json.decode".to_string()),
            Ty::Json(_) => stages.push("json.decode".to_string()),
            Ty::Csv(inner) => stages.push(format!("csv.decode as {inner}")),
            _ => stages.push("json.decode as Line".to_string()),
        }
        match at {
            Ty::Base64(inner) | Ty::Gzip(inner) | Ty::Zstd(inner) => at = inner,
            _ => return stages.join(" -> "),
        }
    }
}
