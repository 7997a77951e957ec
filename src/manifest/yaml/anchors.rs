//! Anchors, and the copies that aliases make of them, within a budget.
//!
//! A finished anchored value is kept as a copy. What can be kept and copied is bounded in nodes and in bytes: nine lines of
//! aliases to aliases, or one long text aliased often, otherwise fill any memory.

use std::collections::HashMap;

use serde_json::Value;

use super::document::{Node, Target, targets_in};
use super::{Limits, Span, YamlError, YamlErrorKind};

#[derive(Default)]
pub(super) struct Anchors {
    by_id: HashMap<usize, Anchor>,
    kept: Size,
    copied: Size,
}

enum Anchor {
    /// The collection is not closed: an alias to it would contain itself.
    Open,
    Value(Box<Anchored>),
    /// Over the budget on its own, so it is an error only when an alias asks for it.
    TooLarge,
}

/// A value with its nodes, counted from its root.
#[derive(Clone)]
pub(super) struct Anchored {
    pub value: Value,
    pub nodes: Vec<Node>,
    pub targets: Vec<Target>,
    size: Size,
}

#[derive(Clone, Copy, Default)]
struct Size {
    nodes: usize,
    bytes: usize,
    depth: usize,
}

/// How many times the budget of aliases may lie ready in anchors; nested anchors keep the same text once per level.
const KEPT_BUDGETS: usize = 8;

impl Anchors {
    /// Notes that the collection of this anchor has begun; 0 is no anchor.
    pub fn open(&mut self, id: usize) {
        if id != 0 {
            self.by_id.insert(id, Anchor::Open);
        }
    }

    /// Keeps a finished value. `nodes` are its own, of which the first is number `first` of the document.
    pub fn close(
        &mut self,
        id: usize,
        value: &Value,
        nodes: &[Node],
        targets: &[Target],
        first: usize,
        limits: &Limits,
    ) {
        let room =
            |kept: usize, budget: usize| budget.min(budget.saturating_mul(KEPT_BUDGETS).saturating_sub(kept));
        let (most_nodes, most_bytes) =
            (room(self.kept.nodes, limits.max_alias_nodes), room(self.kept.bytes, limits.max_alias_bytes));
        let size = if nodes.len() <= most_nodes { Some(measure(value)) } else { None };
        let anchor = match size {
            Some(size) if size.bytes <= most_bytes => {
                self.kept.nodes += nodes.len();
                self.kept.bytes += size.bytes;
                let targets = targets_in(targets, first..first + nodes.len());
                Anchor::Value(Box::new(Anchored {
                    value: value.clone(),
                    nodes: nodes.to_vec(),
                    targets,
                    size,
                }))
            }
            _ => Anchor::TooLarge,
        };
        self.by_id.insert(id, anchor);
    }

    /// What the alias at `span`, inside of `depth` collections, stands for.
    pub fn copy(
        &mut self,
        id: usize,
        span: Span,
        depth: usize,
        limits: &Limits,
    ) -> Result<Anchored, YamlError> {
        let anchored = match self.by_id.get(&id) {
            Some(Anchor::Value(anchored)) => anchored,
            Some(Anchor::TooLarge) => return Err(over_budget(span)),
            Some(Anchor::Open) => {
                return Err(YamlError::new(
                    YamlErrorKind::AliasBudget,
                    span,
                    "this alias stands inside of what it names, so it has no end",
                ));
            }
            None => {
                return Err(YamlError::new(YamlErrorKind::UnknownAnchor, span, "this alias has no anchor"));
            }
        };
        if depth + anchored.size.depth > limits.max_depth {
            return Err(super::error::too_deep(limits.max_depth, span));
        }
        self.copied.nodes = self.copied.nodes.saturating_add(anchored.size.nodes);
        self.copied.bytes = self.copied.bytes.saturating_add(anchored.size.bytes);
        if self.copied.nodes > limits.max_alias_nodes || self.copied.bytes > limits.max_alias_bytes {
            return Err(over_budget(span));
        }
        Ok(Anchored::clone(anchored))
    }
}

fn over_budget(span: Span) -> YamlError {
    YamlError::new(YamlErrorKind::AliasBudget, span, "the aliases of this document expand to too much")
        .with_help("write a template, or a TenantSet with rows, in place of aliases")
}

/// Recursion is bounded by the depth limit, under which every value was built.
fn measure(value: &Value) -> Size {
    let mut size = Size { nodes: 1, bytes: 8, depth: 0 };
    let mut add = |child: &Value| {
        let inner = measure(child);
        size.nodes += inner.nodes;
        size.bytes += inner.bytes;
        size.depth = size.depth.max(inner.depth);
    };
    match value {
        Value::String(text) => size.bytes += text.len(),
        Value::Array(items) => {
            items.iter().for_each(&mut add);
            size.depth += 1;
        }
        Value::Object(map) => {
            map.values().for_each(&mut add);
            size.bytes += map.keys().map(String::len).sum::<usize>();
            size.depth += 1;
        }
        _ => {}
    }
    size
}
