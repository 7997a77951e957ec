//! A parsed document: the JSON value, and where each node of it was written.

use std::ops::Range;

use serde_json::Value;

use super::Span;

/// One document. The value may be changed in place as long as no entry or item is added, removed or moved: positions are
/// kept beside the value, in its order.
#[derive(Clone, Debug, PartialEq)]
pub struct Document {
    /// The document as JSON, keys in the order of the text.
    pub value: Value,
    pub(super) nodes: Vec<Node>,
    /// What the nodes that are written as an alias stand for, sorted by node.
    pub(super) targets: Vec<Target>,
}

/// A node of the tree, in preorder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Node {
    /// `start == u32::MAX` when the node is not the value of a key.
    pub key: Span,
    pub value: Span,
    /// This node and all below it.
    pub count: u32,
}

/// The text behind a node that is written as an alias.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Target {
    pub node: u32,
    pub span: Span,
}

pub(super) const NO_KEY: Span = Span { start: u32::MAX, end: u32::MAX };

impl Node {
    pub fn leaf(key: Span, value: Span) -> Self {
        Self { key, value, count: 1 }
    }

    fn located(self) -> Located {
        Located { key: (self.key != NO_KEY).then_some(self.key), value: self.value }
    }
}

/// Where a node was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Located {
    /// Its key, quotes included, when it is the value of one.
    pub key: Option<Span>,
    /// Its value, quotes and brackets included. For an alias it is the `*name`; below an alias it is where the anchored text
    /// was written. For `key:` with nothing behind it is empty and stands after the colon's key.
    pub value: Span,
}

impl Document {
    /// Where the node that a JSON pointer names (RFC 6901; `""` is the whole document) was written, or `None` when there is
    /// no such node. Costs one step per sibling before each node on the way.
    #[must_use]
    pub fn locate(&self, pointer: &str) -> Option<Located> {
        let (found, complete) = self.walk(pointer);
        if complete { self.node(found).map(Node::located) } else { None }
    }

    /// As [`Document::locate`], for the nearest existing ancestor when the node itself does not exist: what a "required
    /// field is missing" points at.
    #[must_use]
    pub fn locate_nearest(&self, pointer: &str) -> Located {
        self.node(self.walk(pointer).0).map_or(Located { key: None, value: Span::default() }, Node::located)
    }

    /// The text of a node exactly as written in `source` (the text of the whole file), quotes included; for an alias the
    /// text that was anchored.
    #[must_use]
    pub fn text_of<'s>(&self, pointer: &str, source: &'s str) -> Option<&'s str> {
        let (found, complete) = self.walk(pointer);
        if complete { self.node_text(found, source) } else { None }
    }

    /// Turns the number or boolean at `pointer` into the string that was written: `version: 1.10` becomes `"1.10"` and not
    /// `"1.1"`. Anything else stays. Says whether something was changed.
    pub fn stringify_scalar(&mut self, pointer: &str, source: &str) -> bool {
        let (found, complete) = self.walk(pointer);
        if !complete {
            return false;
        }
        let text = self.node_text(found, source).map(str::to_owned);
        match (self.value.pointer_mut(pointer), text) {
            (Some(value), Some(text)) => replace_scalar(value, &text),
            _ => false,
        }
    }

    /// [`Document::stringify_scalar`] for every value of the mapping at `pointer`; returns how many were changed.
    pub fn stringify_scalars(&mut self, pointer: &str, source: &str) -> usize {
        let (found, complete) = self.walk(pointer);
        if !complete {
            return 0;
        }
        let Self { value, nodes, targets } = self;
        let Some(Value::Object(map)) = value.pointer_mut(pointer) else {
            return 0;
        };
        let mut changed = 0;
        let mut child = found + 1;
        for value in map.values_mut() {
            let Some(node) = nodes.get(child) else { break };
            if value.is_number() || value.is_boolean() {
                let span = written_span(child, *node, targets);
                changed +=
                    usize::from(source.get(span.range()).is_some_and(|text| replace_scalar(value, text)));
            }
            child += node.count as usize;
        }
        changed
    }

    /// How many nodes the document has, aliases expanded.
    #[must_use]
    pub fn node_count(&self) -> usize {
        self.nodes.len()
    }

    fn node(&self, index: usize) -> Option<Node> {
        self.nodes.get(index).copied()
    }

    fn node_text<'s>(&self, index: usize, source: &'s str) -> Option<&'s str> {
        source.get(written_span(index, self.node(index)?, &self.targets).range())
    }

    /// The node a pointer leads to, or the last one on the way that exists, and whether it is all the way.
    fn walk(&self, pointer: &str) -> (usize, bool) {
        let mut at = 0;
        let mut value = &self.value;
        let Some(path) = pointer.strip_prefix('/') else {
            return (at, pointer.is_empty());
        };
        for token in path.split('/') {
            let step = match value {
                Value::Object(map) => {
                    let token = unescape(token);
                    if !map.contains_key(token.as_ref()) {
                        return (at, false);
                    }
                    map.iter()
                        .enumerate()
                        .find(|(_, (key, _))| **key == *token)
                        .map(|(index, (_, child))| (index, child))
                }
                Value::Array(items) => {
                    item_index(token).and_then(|index| items.get(index).map(|child| (index, child)))
                }
                _ => None,
            };
            let Some((index, child)) = step else {
                return (at, false);
            };
            let mut next = at + 1;
            for _ in 0..index {
                let Some(node) = self.node(next) else {
                    return (at, false);
                };
                next += node.count as usize;
            }
            at = next;
            value = child;
        }
        (at, true)
    }
}

fn written_span(index: usize, node: Node, targets: &[Target]) -> Span {
    match targets.binary_search_by_key(&index, |target| target.node as usize) {
        Ok(found) => targets[found].span,
        Err(_) => node.value,
    }
}

fn replace_scalar(value: &mut Value, text: &str) -> bool {
    let scalar = value.is_number() || value.is_boolean();
    if scalar {
        *value = Value::String(text.to_owned());
    }
    scalar
}

fn unescape(token: &str) -> std::borrow::Cow<'_, str> {
    if token.contains('~') { token.replace("~1", "/").replace("~0", "~").into() } else { token.into() }
}

/// RFC 6901: no sign and no leading zero.
fn item_index(token: &str) -> Option<usize> {
    let plain = token == "0" || token.starts_with(|first: char| matches!(first, '1'..='9'));
    if plain { token.parse().ok() } else { None }
}

/// The targets that lie in a range of nodes, with their nodes counted from its start.
pub(super) fn targets_in(targets: &[Target], range: Range<usize>) -> Vec<Target> {
    let start = targets.partition_point(|target| (target.node as usize) < range.start);
    let inside = targets[start..].iter().take_while(|target| (target.node as usize) < range.end);
    inside
        .map(|target| Target {
            node: target.node - u32::try_from(range.start).unwrap_or_default(),
            span: target.span,
        })
        .collect()
}
