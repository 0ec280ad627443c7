//! Document paths: `a.b[3]`.

use std::fmt;

use super::value::{Item, Value};

/// A step into a document.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Step {
    /// A member of a map, or an attribute.
    Name(String),
    /// An element of a list.
    Index(usize),
}

/// From an attribute down; the first step is a name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Path(pub(super) Vec<Step>);

impl Path {
    /// The attribute it begins at.
    pub(super) fn attribute(&self) -> &str {
        match self.0.first() {
            Some(Step::Name(name)) => name,
            _ => "",
        }
    }

    /// The value it leads to.
    pub(super) fn find<'a>(&self, item: &'a Item) -> Option<&'a Value> {
        let mut value = item.get(self.attribute())?;
        for step in &self.0[1..] {
            value = match (step, value) {
                (Step::Name(name), Value::M(map)) => map.get(name)?,
                (Step::Index(index), Value::L(list)) => list.get(*index)?,
                _ => return None,
            };
        }
        Some(value)
    }
}

impl fmt::Display for Path {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let step = |step: &Step| match step {
            Step::Name(name) => name.clone(),
            Step::Index(index) => format!("[{index}]"),
        };
        write!(out, "[{}]", self.0.iter().map(step).collect::<Vec<_>>().join(", "))
    }
}

/// The first two paths that overlap, or else conflict, as AWS says it.
pub(super) fn clash(paths: &[Path]) -> Option<String> {
    let mut conflict = None;
    for (at, one) in paths.iter().enumerate() {
        for two in &paths[at + 1..] {
            let common = one.0.iter().zip(&two.0).take_while(|(a, b)| a == b).count();
            let said = |how: &str| {
                format!(
                    "Two document paths {how} with each other; must remove or rewrite one of \
                     these paths; path one: {one}, path two: {two}"
                )
            };
            match (one.0.get(common), two.0.get(common)) {
                (None, _) | (_, None) => return Some(said("overlap")),
                (Some(Step::Name(_)), Some(Step::Name(_))) => {}
                (Some(Step::Index(_)), Some(Step::Index(_))) => {}
                _ => conflict = conflict.or_else(|| Some(said("conflict"))),
            }
        }
    }
    conflict
}

/// The parts of an item that the paths lead to; elements of a list close up.
pub(super) fn project(item: &Item, paths: &[Path]) -> Item {
    let whole: Vec<&[Step]> = paths.iter().map(|path| path.0.as_slice()).collect();
    project_map(item, &whole)
}

fn project_map(map: &Item, paths: &[&[Step]]) -> Item {
    let mut kept = Item::new();
    for (name, value) in map {
        let below = paths.iter().filter_map(|path| match path.split_first() {
            Some((Step::Name(step), rest)) if step == name => Some(rest),
            _ => None,
        });
        let of: Vec<&[Step]> = below.collect();
        if let Some(value) = project_value(value, &of) {
            kept.insert(name.clone(), value);
        }
    }
    kept
}

fn project_value(value: &Value, paths: &[&[Step]]) -> Option<Value> {
    if paths.is_empty() {
        return None;
    }
    if paths.iter().any(|path| path.is_empty()) {
        return Some(value.clone());
    }
    match value {
        Value::M(map) => Some(project_map(map, paths)).filter(|m| !m.is_empty()).map(Value::M),
        Value::L(list) => {
            let kept = list.iter().enumerate().filter_map(|(at, value)| {
                let below = paths.iter().filter_map(|path| match path.split_first() {
                    Some((Step::Index(index), rest)) if *index == at => Some(rest),
                    _ => None,
                });
                project_value(value, &below.collect::<Vec<_>>())
            });
            Some(kept.collect::<Vec<_>>()).filter(|list| !list.is_empty()).map(Value::L)
        }
        _ => None,
    }
}
