//! The short way for the YAML that manifests are written in, about five times as fast as the event parser.
//!
//! It knows block mappings and sequences, keys of plain ASCII words, and values on one line: plain, quoted without escapes,
//! or a flow collection of such scalars. It never reports an error: whatever it does not know for certain, an error included,
//! makes it give up (`None`), and the event parser reads the document from the start. What it does return is equal to what
//! the event parser returns, value and positions; the tests compare the two on the YAML test suite and on generated text.

use serde_json::map::Entry;
use serde_json::{Map, Value};

use super::document::{NO_KEY, Node};
use super::{Document, Limits, Span};

struct Frame {
    container: Container,
    /// The key that it is the value of.
    key: Option<String>,
    /// The column in which its keys or dashes stand.
    column: usize,
    node: usize,
    end: u32,
}

enum Container {
    Sequence(Vec<Value>),
    Mapping(Map<String, Value>),
}

pub(super) struct Simple<'t> {
    pub text: &'t str,
    pub bytes: &'t [u8],
    pub at: usize,
    base: usize,
    limits: &'t Limits,
    frames: Vec<Frame>,
    /// A `key:` with nothing behind it yet.
    pending: Option<(String, Span)>,
    pub nodes: Vec<Node>,
}

/// The document in `slice`, which begins at `base` of the file, if it is simple and right.
pub(super) fn parse(slice: &str, base: usize, limits: &Limits) -> Option<Document> {
    let mut simple = Simple {
        text: slice,
        bytes: slice.as_bytes(),
        at: 0,
        base,
        limits,
        frames: Vec::with_capacity(8),
        pending: None,
        nodes: Vec::with_capacity(slice.len() / 18 + 1),
    };
    simple.read()
}

impl Simple<'_> {
    fn read(&mut self) -> Option<Document> {
        let mut started = false;
        while self.at < self.bytes.len() {
            let line = self.at;
            self.skip_spaces();
            match self.peek() {
                None => break,
                Some(b'\n' | b'\r' | b'#') => self.end_line()?,
                Some(b'-') if self.at == line && self.bytes[line..].starts_with(b"---") => {
                    // Only a bare marker, and only at the top; a second one cannot be in this slice.
                    if started || !self.frames.is_empty() {
                        return None;
                    }
                    started = true;
                    self.at += 3;
                    if !matches!(self.peek(), None | Some(b' ' | b'\n' | b'\r')) {
                        return None;
                    }
                    self.end_line()?;
                }
                Some(first) => self.content(first, self.at - line)?,
            }
        }
        if let Some((key, span)) = self.pending.take() {
            self.omitted(key, span)?;
        }
        while self.frames.len() > 1 {
            self.close_frame()?;
        }
        let frame = self.frames.pop()?;
        let value = self.close_nodes(frame)?;
        Some(Document { value, nodes: std::mem::take(&mut self.nodes), targets: Vec::new() })
    }

    /// A line with something on it, of which `first` is the first byte, in this column.
    fn content(&mut self, first: u8, column: usize) -> Option<()> {
        let is_item = first == b'-' && matches!(self.bytes.get(self.at + 1), Some(b' '));
        self.enter(column, is_item)?;
        if !is_item {
            return self.entry();
        }
        let dash = self.at;
        self.at += 1;
        self.skip_spaces();
        match self.peek()? {
            b'\n' | b'\r' | b'#' | b'-' => None,
            _ if self.key_length().is_some() => {
                // A mapping that begins on the line of its dash: its keys stand in the column of the first.
                self.open(false, column + (self.at - dash), self.at)?;
                self.entry()
            }
            _ => {
                let node = self.nodes.len();
                let value = self.value(NO_KEY)?;
                self.end_line()?;
                self.add_item(value, node)
            }
        }
    }

    /// Brings the innermost open collection to the one that a line in this column belongs to.
    fn enter(&mut self, column: usize, is_item: bool) -> Option<()> {
        if let Some((key, span)) = self.pending.take() {
            let parent = self.frames.last()?.column;
            if column > parent || (column == parent && is_item) {
                self.pending = Some((key, span));
                return self.open(is_item, column, self.at);
            }
            self.omitted(key, span)?;
        } else if self.frames.is_empty() {
            return self.open(is_item, column, self.at);
        }
        while self.frames.last()?.column > column {
            self.close_frame()?;
        }
        if !is_item && matches!(self.frames.last()?.container, Container::Sequence(_)) {
            // The dashes of a sequence may stand in the column of the key above it.
            self.close_frame()?;
        }
        let frame = self.frames.last()?;
        // A deeper line continues the scalar above it, or is an error.
        (frame.column == column && matches!(frame.container, Container::Sequence(_)) == is_item).then_some(())
    }

    /// `key: value` or `key:`.
    fn entry(&mut self) -> Option<()> {
        let length = self.key_length()?;
        let key = self.text.get(self.at..self.at + length)?.to_owned();
        let span = self.span(self.at, self.at + length);
        self.at += length + 1;
        self.skip_spaces();
        match self.peek() {
            None | Some(b'\n' | b'\r' | b'#') => {
                // `self.at` moved over a space or stands at the line's end, so a `#` here begins a comment.
                self.pending = Some((key, span));
                self.end_line()
            }
            Some(_) => {
                let node = self.nodes.len();
                let value = self.value(span)?;
                self.end_line()?;
                self.add_entry(key, value, node)
            }
        }
    }

    fn value(&mut self, key: Span) -> Option<Value> {
        match self.peek()? {
            open @ (b'{' | b'[') => self.flow(open, key, self.depth_left()),
            quote @ (b'"' | b'\'') => self.quoted(quote, key),
            _ => {
                let start = self.at;
                let end = self.plain_end(false)?;
                self.scalar(start, end, key)
            }
        }
    }

    pub fn push_node(&mut self, node: Node) -> Option<()> {
        if self.nodes.len() >= self.limits.max_nodes {
            return None;
        }
        self.nodes.push(node);
        Some(())
    }

    pub fn span(&self, start: usize, end: usize) -> Span {
        Span::new(self.base + start, self.base + end)
    }

    fn open(&mut self, is_item: bool, column: usize, start: usize) -> Option<()> {
        if self.frames.len() >= self.limits.max_depth {
            return None;
        }
        let (key, span) = self.pending.take().map_or((None, NO_KEY), |(key, span)| (Some(key), span));
        let value = self.span(start, start);
        self.push_node(Node::leaf(span, value))?;
        let container =
            if is_item { Container::Sequence(Vec::new()) } else { Container::Mapping(Map::new()) };
        self.frames.push(Frame { container, key, column, node: self.nodes.len() - 1, end: value.end });
        Some(())
    }

    /// Closes the innermost collection; the outermost one is closed by `read`.
    fn close_frame(&mut self) -> Option<()> {
        if self.frames.len() < 2 {
            return None;
        }
        let mut frame = self.frames.pop()?;
        let (node, key) = (frame.node, frame.key.take());
        let value = self.close_nodes(frame)?;
        match key {
            Some(key) => self.add_entry(key, value, node),
            None => self.add_item(value, node),
        }
    }

    fn close_nodes(&mut self, frame: Frame) -> Option<Value> {
        let count = u32::try_from(self.nodes.len() - frame.node).ok()?;
        let node = self.nodes.get_mut(frame.node)?;
        node.count = count;
        node.value.end = frame.end;
        Some(match frame.container {
            Container::Sequence(items) => Value::Array(items),
            Container::Mapping(map) => Value::Object(map),
        })
    }

    fn omitted(&mut self, key: String, span: Span) -> Option<()> {
        let node = self.nodes.len();
        self.push_node(Node::leaf(span, Span { start: span.end, end: span.end }))?;
        self.add_entry(key, Value::Null, node)
    }

    /// Adds a value, of which `node` is the first node, to the innermost mapping.
    fn add_entry(&mut self, key: String, value: Value, node: usize) -> Option<()> {
        let end = self.nodes.get(node)?.value.end;
        let frame = self.frames.last_mut()?;
        let Container::Mapping(map) = &mut frame.container else {
            return None;
        };
        frame.end = end;
        insert_new(map, key, value)
    }

    fn add_item(&mut self, value: Value, node: usize) -> Option<()> {
        let end = self.nodes.get(node)?.value.end;
        let frame = self.frames.last_mut()?;
        let Container::Sequence(items) = &mut frame.container else {
            return None;
        };
        frame.end = end;
        items.push(value);
        Some(())
    }

    /// The rest of the line: nothing, or a comment after a space.
    fn end_line(&mut self) -> Option<()> {
        self.skip_spaces();
        if self.peek() == Some(b'#') {
            if !matches!(
                self.at.checked_sub(1).and_then(|before| self.bytes.get(before)),
                None | Some(b' ' | b'\n')
            ) {
                return None;
            }
            while let Some(byte) = self.peek() {
                match byte {
                    b'\n' | b'\r' => break,
                    b'\t' => {}
                    0..0x20 | 0x7f | 0xc2 | 0xe2 | 0xef => return None,
                    _ => {}
                }
                self.at += 1;
            }
        }
        if self.peek() == Some(b'\r') {
            self.at += 1;
        }
        match self.peek() {
            Some(b'\n') => self.at += 1,
            None if self.bytes.last() != Some(&b'\r') => {}
            _ => return None,
        }
        Some(())
    }

    pub fn skip_spaces(&mut self) {
        while self.peek() == Some(b' ') {
            self.at += 1;
        }
    }

    pub fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    /// How many collections may still be opened here.
    pub fn depth_left(&self) -> usize {
        self.limits.max_depth.saturating_sub(self.frames.len())
    }
}

/// Gives up on a key that is already there.
pub(super) fn insert_new(map: &mut Map<String, Value>, key: String, value: Value) -> Option<()> {
    match map.entry(key) {
        Entry::Vacant(entry) => {
            entry.insert(value);
            Some(())
        }
        Entry::Occupied(_) => None,
    }
}
