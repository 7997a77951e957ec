//! Keys and aliases of the document that is being built.

use std::borrow::Cow;

use granit_parser::Tag;
use serde_json::Value;

use super::build::{Builder, Container, Frame, Key};
use super::document::{NO_KEY, Node, Target};
use super::error::too_many_nodes;
use super::tags::{core_tag, unknown_tag};
use super::{Span, YamlError, YamlErrorKind};

impl Builder<'_> {
    pub fn scalar_key(
        &mut self,
        text: Cow<'_, str>,
        plain: bool,
        anchor: usize,
        tag: Option<&Tag>,
        span: Span,
    ) {
        if plain && span.start == span.end {
            return self.refuse_key(span, "a key is missing before the `:`", None);
        }
        match tag.map(|tag| (tag, core_tag(tag))) {
            None | Some((_, Some("str" | ""))) => {}
            Some((_, Some(_))) => {
                return self.refuse_key(span, "a key must be text", Some("leave the tag out"));
            }
            Some((tag, None)) => {
                self.problem(unknown_tag(tag, span));
                return self.set_key(Key::Refused, span);
            }
        }
        if plain && tag.is_none() && text == "<<" {
            let error = YamlError::new(YamlErrorKind::MergeKey, span, "the merge key `<<` is not supported");
            self.problem(
                error.with_help(
                    "put what is shared into a template (kind `TenantTemplate`), or quote the key",
                ),
            );
            return self.set_key(Key::Refused, span);
        }
        if anchor != 0 {
            self.anchors.close(
                anchor,
                &Value::String(text.to_string()),
                &[Node::leaf(NO_KEY, span)],
                &[],
                0,
                self.limits,
            );
        }
        self.set_key(Key::Text(text.into_owned(), span), span);
    }

    pub fn refuse_key(&mut self, span: Span, message: &str, help: Option<&str>) {
        let error = YamlError::new(YamlErrorKind::NonStringKey, span, message);
        self.problem(match help {
            Some(help) => error.with_help(help),
            None => error,
        });
        self.set_key(Key::Refused, span);
    }

    pub fn set_key(&mut self, new: Key, span: Span) {
        if let Some(Frame { container: Container::Mapping(_, key), end, .. }) = self.frames.last_mut() {
            *key = new;
            *end = (*end).max(span.end);
        }
    }

    /// A value or key that is already reported, in the place where the parser expects one.
    pub fn stand_in(&mut self, span: Span) -> bool {
        if self.expects_key() {
            self.set_key(Key::Refused, span);
            return true;
        }
        self.open_node(span) && self.close_node(Value::Null, self.nodes.len() - 1, 0, span.end)
    }

    pub fn alias(&mut self, id: usize, span: Span) -> bool {
        let copy = match self.anchors.copy(id, span, self.frames.len(), self.limits) {
            Ok(copy) => copy,
            Err(error) => {
                self.problem(error);
                return self.stand_in(span);
            }
        };
        if self.expects_key() {
            match copy.value {
                Value::String(text) => self.set_key(Key::Text(text, span), span),
                _ => self.refuse_key(span, "a key must be text, and this alias is not", None),
            }
            return true;
        }
        let first = self.nodes.len();
        if !self.open_node(span) {
            return false;
        }
        if first + copy.nodes.len() > self.limits.max_nodes {
            self.problem(too_many_nodes(self.limits.max_nodes, span));
            return false;
        }
        let offset = u32::try_from(first).unwrap_or(u32::MAX);
        if let (Some(node), Some(root)) = (self.nodes.last_mut(), copy.nodes.first()) {
            node.count = root.count;
            // An alias cannot be anchored or be an alias again, so the root of a copy has its text where it was anchored.
            self.targets.push(Target { node: offset, span: root.value });
        }
        self.nodes.extend(copy.nodes.iter().skip(1));
        self.targets.extend(
            copy.targets.iter().map(|target| Target { node: target.node + offset, span: target.span }),
        );
        self.close_node(copy.value, first, 0, span.end)
    }
}
