//! Flow collections on one line, `{tier: gold, zones: [a, b]}`, for the short way.

use serde_json::{Map, Value};

use super::Span;
use super::document::{NO_KEY, Node};
use super::simple::{Simple, insert_new};

impl Simple<'_> {
    /// The collection that opens here. Recursion is bounded by the depth that is left.
    pub fn flow(&mut self, open: u8, key: Span, depth_left: usize) -> Option<Value> {
        if depth_left == 0 {
            return None;
        }
        let start = self.at;
        let node = self.nodes.len();
        self.push_node(Node::leaf(key, self.span(start, start)))?;
        self.at += 1;
        self.skip_spaces();
        let value = if open == b'{' {
            self.flow_mapping(depth_left - 1)?
        } else {
            self.flow_sequence(depth_left - 1)?
        };
        let (span, count) = (self.span(start, self.at), self.nodes.len() - node);
        let node = self.nodes.get_mut(node)?;
        node.value = span;
        node.count = u32::try_from(count).ok()?;
        Some(value)
    }

    fn flow_mapping(&mut self, depth_left: usize) -> Option<Value> {
        let mut map = Map::new();
        if self.eat_closing(b'}') {
            return Some(Value::Object(map));
        }
        loop {
            let length = self.key_length()?;
            let key = self.text.get(self.at..self.at + length)?.to_owned();
            let span = self.span(self.at, self.at + length);
            self.at += length + 1;
            self.skip_spaces();
            let value = self.flow_value(span, depth_left)?;
            insert_new(&mut map, key, value)?;
            if self.flow_separator(b'}')? {
                return Some(Value::Object(map));
            }
        }
    }

    fn flow_sequence(&mut self, depth_left: usize) -> Option<Value> {
        let mut items = Vec::new();
        if self.eat_closing(b']') {
            return Some(Value::Array(items));
        }
        loop {
            items.push(self.flow_value(NO_KEY, depth_left)?);
            if self.flow_separator(b']')? {
                return Some(Value::Array(items));
            }
        }
    }

    fn flow_value(&mut self, key: Span, depth_left: usize) -> Option<Value> {
        match self.peek()? {
            open @ (b'{' | b'[') => self.flow(open, key, depth_left),
            quote @ (b'"' | b'\'') => self.quoted(quote, key),
            _ => {
                let start = self.at;
                let end = self.plain_end(true)?;
                self.scalar(start, end, key)
            }
        }
    }

    /// Takes the comma, or the closing bracket and says `true`.
    fn flow_separator(&mut self, closing: u8) -> Option<bool> {
        self.skip_spaces();
        if self.eat_closing(closing) {
            return Some(true);
        }
        if self.peek() != Some(b',') {
            return None;
        }
        self.at += 1;
        self.skip_spaces();
        Some(false)
    }

    fn eat_closing(&mut self, closing: u8) -> bool {
        let found = self.peek() == Some(closing);
        self.at += usize::from(found);
        found
    }
}
