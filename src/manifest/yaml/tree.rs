//! A document as a tree of places, for those who change its text.

use super::document::{NO_KEY, Node};
use super::{Document, Span};

/// Where a node and all below it are written, in the order of the value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tree {
    /// Its key, quotes included.
    pub key: Option<Span>,
    /// Its value; of an alias the `*name`.
    pub value: Span,
    /// Whether it is written as an alias. What is below stands where it was anchored.
    pub is_alias: bool,
    /// The entries or items.
    pub children: Vec<Tree>,
}

impl Document {
    /// The places of all nodes.
    #[must_use]
    pub fn tree(&self) -> Tree {
        self.tree_at(0)
    }

    /// Where text stands that an alias of this document uses.
    pub fn shared(&self) -> impl Iterator<Item = Span> + '_ {
        self.targets.iter().map(|target| target.span)
    }

    /// Recursion is bounded by the depth limit, under which the document was read.
    fn tree_at(&self, index: usize) -> Tree {
        let node = self.nodes.get(index).copied().unwrap_or(Node::leaf(NO_KEY, Span::default()));
        let end = index + node.count as usize;
        let mut children = Vec::new();
        let mut next = index + 1;
        while next < end {
            children.push(self.tree_at(next));
            next += self.nodes.get(next).map_or(1, |child| (child.count as usize).max(1));
        }
        Tree {
            key: (node.key != NO_KEY).then_some(node.key),
            value: node.value,
            is_alias: self.targets.binary_search_by_key(&index, |target| target.node as usize).is_ok(),
            children,
        }
    }
}
