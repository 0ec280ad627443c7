//! What a node says of itself, once: read by the checker, `flowc nodes`, the docs page and the
//! defaults.

use crate::ast::ResourceKind;

/// The three places of a node in a graph.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum NodeKind {
    /// Sends records that come from outside.
    Source,
    /// Receives and sends.
    Transform,
    /// Receives; records leave the graph here.
    Sink,
}

/// One node. Written as a `pub const SPEC: NodeSpec` in the node's own file.
#[derive(Clone, Debug)]
pub struct NodeSpec {
    /// `csv.decode`; the verb of a resource is `stream.read`, `bucket.put`, …; a stage is `where`.
    pub path: &'static str,
    /// One line.
    pub summary: &'static str,
    /// Some lines: behaviour, limits, what happens to bad records.
    pub doc: &'static str,
    /// Its place in a graph.
    pub kind: NodeKind,
    /// The kind of resource whose verb it is.
    pub resource: Option<ResourceKind>,
    /// What arrives and what is sent; see [`Signature`]. The first that fits is taken.
    pub signatures: &'static [Signature],
    /// Ports beside `out` and `errors`, such as `rejected`: they carry what arrived.
    pub ports: &'static [PortSpec],
    /// The options in parentheses.
    pub options: &'static [OptionSpec],
    /// What may stand in braces behind it.
    pub body: BodySpec,
    /// Whether `as T` may stand behind it.
    pub claim: ClaimSpec,
    /// How it can fail; empty = it has no `errors` port.
    pub fails: &'static [FailureSpec],
    /// Facts for the guarantee check.
    pub delivery: Delivery,
    /// Of a sink: it shows or counts, and stores nothing that anybody relies on (`log`). Records on
    /// the way there may be shed, whatever the flow promises.
    pub best_effort: bool,
    /// Of a sink: it is slow by its nature (a warehouse, a service of others), so that what shares
    /// its records may want a buffer before it.
    pub slow: bool,
    /// Whole `.flow` files that use it; each is checked, and those marked `run` are run, by the
    /// tests.
    pub examples: &'static [Example],
}

/// One typing rule: `input -> output`, either may be empty.
///
/// A type as in the language, with variables: `T` is any record, `W` any wire type, `R` the content
/// that the resource declares, `claim` the type of `as T`, `_` anything. `batch<T>` is also
/// accepted by a per-record node (every node whose signatures name no `batch`), which is then
/// mapped over it. Examples: `"base64<W> -> W"`, `"bytes -> claim"`, `"-> bytes"`, `"batch<json<T>>
/// -> ndjson<T>"`, `"R ->"`.
pub type Signature = &'static str;

/// A further output of a node.
#[derive(Clone, Copy, Debug)]
pub struct PortSpec {
    /// Its name after the dot.
    pub name: &'static str,
    /// What leaves there.
    pub doc: &'static str,
}

/// One option.
#[derive(Clone, Copy, Debug)]
pub struct OptionSpec {
    /// Its name before the colon.
    pub name: &'static str,
    /// What it takes.
    pub ty: OptionTy,
    /// May be given without its name, as the first argument.
    pub positional: bool,
    /// As it would be written (`"500"`, `"60s"`, `"\"utf-8\""`); `None` and not required = absent
    /// unless given.
    pub default: Option<&'static str>,
    /// Must be given.
    pub required: bool,
    /// The legal range of a number, size or duration in its base unit (count, bytes, ns), both ends
    /// included.
    pub range: Option<(i64, i64)>,
    /// One line.
    pub doc: &'static str,
    /// As it would be written, with its name where it is not positional: `wait: 60s`.
    pub example: &'static str,
}

/// What an option takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OptionTy {
    /// A text without per-record holes.
    Text,
    /// One of these texts.
    Choice(&'static [&'static str]),
    /// A whole number.
    Int,
    /// `5MiB`
    Size,
    /// `5s`
    Duration,
    /// `true` or `false`
    Bool,
    /// A path; relative to the `.flow` file.
    Path,
    /// A text whose holes are filled for each batch: `batch.*` and fields.
    Template,
}

/// What may stand in braces behind a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodySpec {
    /// Nothing.
    None,
    /// A record, optional: without it the incoming record is taken as it is.
    Record,
    /// A condition (`where`).
    Condition,
    /// A record that must be there (`map`).
    Required,
}

/// Whether `as T` may stand behind a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClaimSpec {
    /// It may not.
    No,
    /// It may.
    Optional,
    /// It must.
    Required,
}

/// One way to fail.
#[derive(Clone, Copy, Debug)]
pub struct FailureSpec {
    /// The code in `Failure.code`: `csv_fields`, `json_syntax`, …
    pub code: &'static str,
    /// Completes "can fail: …".
    pub when: &'static str,
}

/// Facts for the guarantee check.
#[derive(Clone, Copy, Debug, Default)]
pub struct Delivery {
    /// A source that can send the same records again.
    pub replays: bool,
    /// A source that answers its sender only after the acknowledgement.
    pub holds_ack: bool,
    /// A sink for which a second write of the same records changes nothing.
    pub idempotent: bool,
}

/// An executed example.
#[derive(Clone, Copy, Debug)]
pub struct Example {
    /// One line.
    pub title: &'static str,
    /// A whole `.flow` file.
    pub flow: &'static str,
    /// Run it too, not only check it. It reads and writes only in its own directory.
    pub run: bool,
    /// The files that lie beside it: name and text.
    pub files: &'static [(&'static str, &'static str)],
}

impl NodeSpec {
    /// The option of that name.
    pub fn option(&self, name: &str) -> Option<&OptionSpec> {
        self.options.iter().find(|option| option.name == name)
    }

    /// The word after the last dot: `read` of `stream.read`.
    pub fn verb(&self) -> &'static str {
        self.path.rsplit('.').next().unwrap_or(self.path)
    }
}

/// A node with nothing set, for `..BLANK` in a spec.
pub const BLANK: NodeSpec = NodeSpec {
    path: "",
    summary: "",
    doc: "",
    kind: NodeKind::Transform,
    resource: None,
    signatures: &[],
    ports: &[],
    options: &[],
    body: BodySpec::None,
    claim: ClaimSpec::No,
    fails: &[],
    delivery: Delivery { replays: false, holds_ack: false, idempotent: false },
    best_effort: false,
    slow: false,
    examples: &[],
};

/// An example that is run, with nothing else set, for `..EXAMPLE` in a spec.
pub const EXAMPLE: Example = Example { title: "", flow: "", run: true, files: &[] };

/// An option with nothing set, for `..OPTION` in a spec.
pub const OPTION: OptionSpec = OptionSpec {
    name: "",
    ty: OptionTy::Text,
    positional: false,
    default: None,
    required: false,
    range: None,
    doc: "",
    example: "",
};
