//! The list of nodes that a run can open. Built by a function, passed by value.

use crate::ctx::NodeCtx;
use crate::fault::Fault;
use crate::node::{Sink, Source, Transform};
use dsl::spec::NodeSpec;
use futures::future::BoxFuture;
use std::collections::BTreeMap;

/// Opens a source; may connect, bind or read state.
pub type OpenSource =
    Box<dyn Fn(NodeCtx) -> BoxFuture<'static, Result<Box<dyn Source>, Fault>> + Send + Sync>;
/// Opens a transform.
pub type OpenTransform = Box<dyn Fn(NodeCtx) -> Result<Box<dyn Transform>, Fault> + Send + Sync>;
/// Opens a sink; may connect or read state.
pub type OpenSink =
    Box<dyn Fn(NodeCtx) -> BoxFuture<'static, Result<Box<dyn Sink>, Fault>> + Send + Sync>;

/// How a node is opened.
pub enum Open {
    /// A source.
    Source(OpenSource),
    /// A transform.
    Transform(OpenTransform),
    /// A sink.
    Sink(OpenSink),
    /// The engine's own driver does it (`batch`, `merge`, `drop`).
    Engine,
}

/// A node of the registry.
pub struct Entry {
    /// What it says of itself.
    pub spec: &'static NodeSpec,
    /// How it is opened.
    pub open: Open,
}

/// All nodes, by [`NodeSpec::path`].
#[derive(Default)]
pub struct Registry {
    entries: BTreeMap<&'static str, Entry>,
}

impl Registry {
    /// Adds a node; a path may be added once.
    pub fn add(&mut self, spec: &'static NodeSpec, open: Open) {
        let before = self.entries.insert(spec.path, Entry { spec, open });
        assert!(before.is_none(), "node `{}` is registered twice", spec.path);
    }

    /// The node of that path.
    pub fn get(&self, path: &str) -> Option<&Entry> {
        self.entries.get(path)
    }

    /// All specs, by path.
    pub fn specs(&self) -> Vec<&'static NodeSpec> {
        self.entries.values().map(|entry| entry.spec).collect()
    }
}
