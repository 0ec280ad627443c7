//! Typing rules of nodes: `base64<W> -> W` as text, parsed and matched against what arrives.

use crate::spec::NodeSpec;
use crate::ty::Ty;
use std::fmt;

/// A parsed rule; either side may be empty.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Rule {
    /// What arrives; `None` for a source.
    pub input: Option<Pattern>,
    /// What is sent; `None` for a sink.
    pub output: Option<Pattern>,
}

/// One side of a rule.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Pattern {
    /// `_`: anything.
    Any,
    /// `T`: a record.
    Record,
    /// `W`: a wire type.
    Wire,
    /// `R`: what the resource holds.
    Held,
    /// `claim`: the type of `as T`.
    Claim,
    /// `record`: the record in braces.
    Made,
    /// `bytes`, `text`: the type and its subtypes.
    Base(Ty),
    /// `json<…>`, `batch<…>`, …
    Layer(Layer, Box<Pattern>),
}

/// The types that wrap one other type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Layer {
    Json,
    Ndjson,
    Csv,
    Base64,
    Gzip,
    Zstd,
    Batch,
    Object,
}

const LAYERS: [(&str, Layer); 8] = [
    ("json", Layer::Json),
    ("ndjson", Layer::Ndjson),
    ("csv", Layer::Csv),
    ("base64", Layer::Base64),
    ("gzip", Layer::Gzip),
    ("zstd", Layer::Zstd),
    ("batch", Layer::Batch),
    ("object", Layer::Object),
];

impl Layer {
    /// The word of the type.
    pub fn word(self) -> &'static str {
        LAYERS.iter().find(|(_, layer)| *layer == self).map_or("", |(word, _)| word)
    }

    /// The type with this layer around `inner`.
    pub fn wrap(self, inner: Ty) -> Ty {
        let inner = Box::new(inner);
        match self {
            Layer::Json => Ty::Json(inner),
            Layer::Ndjson => Ty::Ndjson(inner),
            Layer::Csv => Ty::Csv(inner),
            Layer::Base64 => Ty::Base64(inner),
            Layer::Gzip => Ty::Gzip(inner),
            Layer::Zstd => Ty::Zstd(inner),
            Layer::Batch => Ty::Batch(inner),
            Layer::Object => Ty::Object(inner),
        }
    }

    /// The outermost layer of a type and what is in it.
    pub fn of(ty: &Ty) -> Option<(Layer, &Ty)> {
        Some(match ty {
            Ty::Json(inner) => (Layer::Json, inner),
            Ty::Ndjson(inner) => (Layer::Ndjson, inner),
            Ty::Csv(inner) => (Layer::Csv, inner),
            Ty::Base64(inner) => (Layer::Base64, inner),
            Ty::Gzip(inner) => (Layer::Gzip, inner),
            Ty::Zstd(inner) => (Layer::Zstd, inner),
            Ty::Batch(inner) => (Layer::Batch, inner),
            Ty::Object(inner) => (Layer::Object, inner),
            _ => return None,
        })
    }
}

/// The rules of a node.
///
/// # Panics
/// When a signature is not of the form; specs are code, and the tests read them all.
pub(crate) fn rules(spec: &NodeSpec) -> Vec<Rule> {
    spec.signatures.iter().map(|text| parse(text)).collect()
}

fn parse(text: &str) -> Rule {
    let (input, output) = text.split_once("->").unwrap_or((text, ""));
    Rule { input: side(input), output: side(output) }
}

fn side(text: &str) -> Option<Pattern> {
    let text = text.trim();
    (!text.is_empty()).then(|| pattern(text))
}

fn pattern(text: &str) -> Pattern {
    match text {
        "_" => Pattern::Any,
        "T" => Pattern::Record,
        "W" => Pattern::Wire,
        "R" => Pattern::Held,
        "claim" => Pattern::Claim,
        "record" => Pattern::Made,
        "bytes" => Pattern::Base(Ty::Bytes),
        "text" => Pattern::Base(Ty::Text),
        _ => layered(text),
    }
}

fn layered(text: &str) -> Pattern {
    let (word, rest) = text.split_once('<').unwrap_or((text, ""));
    let layer = LAYERS.iter().find(|(name, _)| *name == word);
    match (layer, rest.strip_suffix('>')) {
        (Some((_, layer)), Some(inner)) => Pattern::Layer(*layer, Box::new(pattern(inner.trim()))),
        _ => panic!("`{text}` is no type of a signature"),
    }
}

/// What the variables of a rule stand for.
#[derive(Clone, Debug, Default)]
pub(crate) struct Binds {
    /// Of `T` and `W`.
    pub matched: Option<Ty>,
    /// What arrived where the rule says `R`.
    pub arrived: Option<Ty>,
    /// What the resource holds.
    pub held: Option<Ty>,
    /// The type of `as T`.
    pub claim: Option<Ty>,
    /// The type of the record in braces.
    pub made: Option<Ty>,
}

/// A rule that fits.
#[derive(Clone, Debug)]
pub(crate) struct Fit {
    /// The rule.
    pub rule: Rule,
    /// What its variables stand for.
    pub binds: Binds,
    /// A per-record node is mapped over what arrives, a batch.
    pub mapped: bool,
}

/// The first rule that takes `ty`, or takes the content of the batch `ty` when no rule names a
/// batch. A rule with `claim` fits only where a claim is written.
pub(crate) fn fit(rules: &[Rule], ty: &Ty, held: Option<&Ty>, claim: Option<&Ty>) -> Option<Fit> {
    let one = |ty: &Ty, mapped: bool| {
        rules.iter().find_map(|rule| {
            let mut binds =
                Binds { held: held.cloned(), claim: claim.cloned(), ..Binds::default() };
            let input = rule.input.as_ref()?;
            let claimed = rule.output != Some(Pattern::Claim) || claim.is_some();
            let fits = claimed && matches(input, ty, &mut binds);
            fits.then(|| Fit { rule: rule.clone(), binds, mapped })
        })
    };
    one(ty, false).or_else(|| match ty {
        Ty::Batch(inner) if !rules.iter().any(Rule::names_batch) => one(inner, true),
        _ => None,
    })
}

fn matches(pattern: &Pattern, ty: &Ty, binds: &mut Binds) -> bool {
    if *ty == Ty::Unknown {
        binds.matched.get_or_insert(Ty::Unknown);
        binds.arrived.get_or_insert(Ty::Unknown);
        return true;
    }
    match pattern {
        Pattern::Any => true,
        Pattern::Record => bind(&mut binds.matched, ty, matches!(ty, Ty::Record(_))),
        Pattern::Wire => bind(&mut binds.matched, ty, ty.is_wire()),
        Pattern::Held => {
            let fits = binds.held.as_ref().is_some_and(|held| storable(ty, held));
            bind(&mut binds.arrived, ty, fits)
        }
        Pattern::Base(base) => is_subtype(ty, base),
        Pattern::Layer(layer, inner) => match (Layer::of(ty), &**inner) {
            // What is copied is compared field by field, with a message of its own.
            (Some((found, content)), Pattern::Held) if found == *layer => {
                bind(&mut binds.arrived, content, matches!(content, Ty::Record(_) | Ty::Unknown))
            }
            (Some((found, content)), _) if found == *layer => matches(inner, content, binds),
            _ => false,
        },
        Pattern::Claim | Pattern::Made => false,
    }
}

fn bind(slot: &mut Option<Ty>, ty: &Ty, fits: bool) -> bool {
    if fits {
        *slot = Some(ty.clone());
    }
    fits
}

/// Whether a value of wire type `ty` is also one of `base`: `bytes` ⊇ `text` ⊇ `json`, `ndjson`,
/// `csv`. A layer such as base64 is never taken off in silence.
pub(crate) fn is_subtype(ty: &Ty, base: &Ty) -> bool {
    match base {
        Ty::Bytes => matches!(ty, Ty::Bytes) || is_subtype(ty, &Ty::Text),
        Ty::Text => matches!(ty, Ty::Text | Ty::Json(_) | Ty::Ndjson(_) | Ty::Csv(_)),
        _ => ty == base,
    }
}

/// Whether a resource that holds `held` takes `ty` at all; the fields are compared elsewhere.
fn storable(ty: &Ty, held: &Ty) -> bool {
    match (ty, held) {
        (_, Ty::Unknown) => true,
        (Ty::Record(_), Ty::Record(_) | Ty::Json(_) | Ty::Ndjson(_)) => true,
        (Ty::Json(found), Ty::Ndjson(held) | Ty::Json(held)) => alike(found, held),
        (Ty::Ndjson(found), Ty::Ndjson(held)) => alike(found, held),
        _ => is_subtype(ty, held),
    }
}

/// Two contents of an encoding that may be compared field by field.
fn alike(found: &Ty, held: &Ty) -> bool {
    let record = |ty: &Ty| matches!(ty, Ty::Record(_) | Ty::Unknown);
    found == held || (record(found) && record(held))
}

impl Rule {
    fn names_batch(&self) -> bool {
        [&self.input, &self.output].into_iter().flatten().any(Pattern::names_batch)
    }
}

impl Pattern {
    fn names_batch(&self) -> bool {
        match self {
            Pattern::Layer(Layer::Batch, _) => true,
            Pattern::Layer(_, inner) => inner.names_batch(),
            _ => false,
        }
    }

    /// The type that the pattern stands for; `Unknown` for what is not known.
    pub fn ty(&self, binds: &Binds) -> Ty {
        let known = |ty: &Option<Ty>| ty.clone().unwrap_or(Ty::Unknown);
        match self {
            Pattern::Any => Ty::Unknown,
            Pattern::Record | Pattern::Wire => known(&binds.matched),
            Pattern::Held => known(&binds.held),
            Pattern::Claim => known(&binds.claim),
            Pattern::Made => known(&binds.made),
            Pattern::Base(ty) => ty.clone(),
            Pattern::Layer(layer, inner) => layer.wrap(inner.ty(binds)),
        }
    }
}

impl Fit {
    /// What leaves by `out`; `None` for a sink.
    pub fn output(&self) -> Option<Ty> {
        let ty = self.rule.output.as_ref()?.ty(&self.binds);
        Some(if self.mapped { Ty::Batch(Box::new(ty)) } else { ty })
    }
}

/// Prints what a rule accepts, for a label: `json<_>`.
impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Pattern::Record | Pattern::Made => f.write_str("a record"),
            Pattern::Wire => f.write_str("bytes"),
            Pattern::Base(ty) => write!(f, "{ty}"),
            Pattern::Layer(layer, inner) if matches!(**inner, Pattern::Layer(..)) => {
                write!(f, "{}<{inner}>", layer.word())
            }
            Pattern::Layer(layer, _) => write!(f, "{}<_>", layer.word()),
            _ => f.write_str("_"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ty::RecordTy;

    fn line() -> Ty {
        Ty::Record(RecordTy { name: Some("Line".into()), ..RecordTy::default() })
    }

    fn json(ty: Ty) -> Ty {
        Layer::Json.wrap(ty)
    }

    fn output(signatures: &[&str], ty: &Ty) -> Option<Option<Ty>> {
        let rules: Vec<Rule> = signatures.iter().map(|text| parse(text)).collect();
        fit(&rules, ty, Some(&json(line())), None).map(|fit| fit.output())
    }

    #[test]
    fn variables_carry_what_arrived() {
        let base64 = Layer::Base64.wrap(json(line()));
        assert_eq!(
            output(&["base64<W> -> W", "bytes -> bytes"], &base64),
            Some(Some(json(line())))
        );
        assert_eq!(output(&["T -> json<T>"], &line()), Some(Some(json(line()))));
        assert_eq!(output(&["T -> json<T>"], &json(line())), None);
        assert_eq!(output(&["_ ->"], &Ty::Done), Some(None));
    }

    #[test]
    fn bytes_take_text_and_its_kinds_but_no_hidden_layer() {
        assert_eq!(output(&["bytes -> text"], &json(line())), Some(Some(Ty::Text)));
        assert_eq!(output(&["bytes -> text"], &Layer::Base64.wrap(Ty::Text)), None);
    }

    #[test]
    fn a_node_that_names_no_batch_is_mapped() {
        let batch = Layer::Batch.wrap(json(line()));
        let mapped = Layer::Batch.wrap(line());
        assert_eq!(output(&["json<T> -> T"], &batch), Some(Some(mapped)));
        let joined = Layer::Ndjson.wrap(line());
        assert_eq!(output(&["batch<json<T>> -> ndjson<T>"], &batch), Some(Some(joined)));
        assert_eq!(output(&["T -> batch<T>", "W -> batch<W>"], &batch), None);
    }

    #[test]
    fn a_claim_is_needed_where_the_rule_says_so() {
        let rules = [parse("json<T> -> T"), parse("bytes -> claim")];
        assert!(fit(&rules, &Ty::Bytes, None, None).is_none());
        let fitted = fit(&rules, &Ty::Bytes, None, Some(&line())).expect("the second rule");
        assert_eq!(fitted.output(), Some(line()));
    }

    #[test]
    fn a_resource_takes_records_and_what_it_holds() {
        let rules = [parse("R ->")];
        let takes = |ty: &Ty| fit(&rules, ty, Some(&json(line())), None).is_some();
        assert!(takes(&line()) && takes(&json(line())));
        assert!(!takes(&Ty::Bytes) && !takes(&Layer::Base64.wrap(json(line()))));
    }
}
