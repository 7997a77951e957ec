//! Builds a document from the events of the YAML parser.
//!
//! Problems that leave the structure intact are collected and building goes on with a stand-in value, so that one run shows
//! all of them; the document itself is only handed out when there was none.

use granit_parser::{Event, Parser, ScalarStyle, StructureStyle};
use serde_json::map::Entry;
use serde_json::{Map, Value};

use super::anchors::Anchors;
use super::document::{NO_KEY, Node, Target};
use super::error::{duplicate_key, too_deep, too_many_nodes};
use super::{Document, Limits, MAX_PROBLEMS, Span, YamlError, YamlErrorKind, syntax};

/// A collection that is not closed yet.
pub(super) struct Frame {
    pub container: Container,
    /// Its place in the preorder.
    pub node: usize,
    pub anchor: usize,
    /// Where the last thing inside it ends: a block collection has no closing token of its own.
    pub end: u32,
}

pub(super) enum Container {
    Sequence(Vec<Value>),
    Mapping(Map<String, Value>, Key),
}

pub(super) enum Key {
    /// A key is expected next.
    None,
    Text(String, Span),
    /// The key is an error; its value is read and dropped.
    Refused,
}

pub(super) struct Builder<'t> {
    pub slice: &'t str,
    pub base: usize,
    pub limits: &'t Limits,
    pub frames: Vec<Frame>,
    pub root: Option<Value>,
    pub nodes: Vec<Node>,
    pub targets: Vec<Target>,
    pub anchors: Anchors,
    pub problems: Vec<YamlError>,
}

/// Reads `slice`, which begins at `base` of the file's text.
pub(super) fn build(slice: &str, base: usize, limits: &Limits) -> Result<Document, Vec<YamlError>> {
    match build_despite(slice, base, limits) {
        (Some(document), problems) if problems.is_empty() => Ok(document),
        (None, problems) if problems.is_empty() => {
            let span = Span::new(base, base + slice.len());
            Err(vec![YamlError::new(YamlErrorKind::Syntax, span, "there is no document here")])
        }
        (_, problems) => Err(problems),
    }
}

/// As [`build`], but gives the document as well when it could be read to its end: values with problems are replaced.
pub(super) fn build_despite(slice: &str, base: usize, limits: &Limits) -> (Option<Document>, Vec<YamlError>) {
    let options = granit_parser::options! {
        emit_comments: false,
        emit_unresolved_aliases: true,
        flow_nesting_limit: limits.max_depth,
        block_nesting_limit: limits.max_depth,
    };
    let mut parser = Parser::new_from_str_with_options(slice, options);
    let mut builder = Builder {
        slice,
        base,
        limits,
        frames: Vec::with_capacity(8),
        root: None,
        nodes: Vec::with_capacity(slice.len() / 20 + 1),
        targets: Vec::new(),
        anchors: Anchors::default(),
        problems: Vec::new(),
    };
    while let Some(next) = parser.next_event() {
        match next {
            Ok((event, span)) => {
                let end = !builder.event(event, builder.span(&span));
                if end || builder.problems.len() >= MAX_PROBLEMS {
                    break;
                }
            }
            Err(error) => {
                builder.problems.push(syntax::describe(&error, slice, base, limits));
                break;
            }
        }
    }
    let Builder { root, nodes, targets, problems, .. } = builder;
    (root.map(|value| Document { value, nodes, targets }), problems)
}

impl Builder<'_> {
    fn span(&self, span: &granit_parser::Span) -> Span {
        let range = span.byte_range().unwrap_or_default();
        Span::new(self.base + range.start, self.base + range.end)
    }

    /// Takes one event; `false` means that reading must stop.
    fn event(&mut self, event: Event<'_>, span: Span) -> bool {
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                let plain = style == ScalarStyle::Plain;
                if self.expects_key() {
                    self.scalar_key(text, plain, anchor, tag.as_deref(), span);
                    return true;
                }
                let value = self.scalar(text, plain, tag.as_deref(), span);
                let span = self.place(span);
                self.open_node(span) && self.close_node(value, self.nodes.len() - 1, anchor, span.end)
            }
            Event::MappingStart(_, anchor, tag) => {
                self.collection_tag(tag.as_deref(), "map", span);
                self.open_collection(Container::Mapping(Map::new(), Key::None), anchor, span)
            }
            Event::SequenceStart(style, anchor, tag) => {
                self.collection_tag(tag.as_deref(), "seq", span);
                let span = if style == StructureStyle::Block { self.first_dash(span) } else { span };
                self.open_collection(Container::Sequence(Vec::new()), anchor, span)
            }
            Event::MappingEnd | Event::SequenceEnd => self.close_collection(span),
            Event::Alias(id) => self.alias(id, span),
            Event::UnresolvedAlias(name) => {
                let message =
                    format!("the anchor `&{name}` is not defined before this alias, in this document");
                self.problem(
                    YamlError::new(YamlErrorKind::UnknownAnchor, span, message)
                        .with_help("quote the text if it is not an alias"),
                );
                self.stand_in(span)
            }
            Event::DocumentStart(..) if self.root.is_some() => {
                self.problem(YamlError::new(
                    YamlErrorKind::Syntax,
                    span,
                    "a second document begins without `---` in the first column",
                ));
                false
            }
            _ => true,
        }
    }

    pub fn problem(&mut self, error: YamlError) {
        self.problems.push(error);
    }

    pub fn expects_key(&self) -> bool {
        matches!(self.frames.last(), Some(Frame { container: Container::Mapping(_, Key::None), .. }))
    }

    /// An omitted value is nowhere; the parser puts it at the next token, which may be far below. The end of its key is better.
    fn place(&self, span: Span) -> Span {
        match self.frames.last() {
            Some(Frame { container: Container::Mapping(_, Key::Text(_, key)), .. })
                if span.start == span.end =>
            {
                Span { start: key.end, end: key.end }
            }
            _ => span,
        }
    }

    /// A sequence whose dashes stand in the column of its key begins at the first dash; the parser says after it.
    fn first_dash(&self, span: Span) -> Span {
        let at = span.start as usize - self.base;
        let Some(Frame { container: Container::Mapping(_, Key::Text(_, key)), .. }) = self.frames.last()
        else {
            return span;
        };
        let mut line = key.end as usize - self.base;
        for text in self.slice.get(line..at).unwrap_or_default().split_inclusive(['\n', '\r']) {
            let indent = text.len() - text.trim_start_matches(' ').len();
            if text[indent..].starts_with('-') {
                let start = Span::new(self.base + line + indent, 0).start;
                return Span { start, end: span.end };
            }
            line += text.len();
        }
        span
    }

    pub fn open_node(&mut self, value: Span) -> bool {
        if self.nodes.len() >= self.limits.max_nodes {
            self.problem(too_many_nodes(self.limits.max_nodes, value));
            return false;
        }
        let key = match self.frames.last() {
            Some(Frame { container: Container::Mapping(_, Key::Text(_, span)), .. }) => *span,
            _ => NO_KEY,
        };
        self.nodes.push(Node::leaf(key, value));
        true
    }

    fn open_collection(&mut self, container: Container, anchor: usize, span: Span) -> bool {
        if self.frames.len() >= self.limits.max_depth {
            self.problem(too_deep(self.limits.max_depth, span));
            return false;
        }
        if !self.open_node(span) {
            return false;
        }
        self.anchors.open(anchor);
        self.frames.push(Frame { container, node: self.nodes.len() - 1, anchor, end: span.end });
        true
    }

    fn close_collection(&mut self, span: Span) -> bool {
        let Some(Frame { container, node, anchor, end }) = self.frames.pop() else {
            return true;
        };
        let end = if span.start == span.end { end } else { span.end };
        let count = self.nodes.len() - node;
        if let Some(node) = self.nodes.get_mut(node) {
            node.count = u32::try_from(count).unwrap_or(u32::MAX);
            node.value.end = end.max(node.value.start);
        }
        let value = match container {
            Container::Sequence(items) => Value::Array(items),
            Container::Mapping(map, _) => Value::Object(map),
        };
        self.close_node(value, node, anchor, end)
    }

    /// Hands a finished value to the collection around it. Its nodes are the last ones, from `node` on.
    pub fn close_node(&mut self, value: Value, node: usize, anchor: usize, end: u32) -> bool {
        if anchor != 0 {
            self.anchors.close(anchor, &value, &self.nodes[node..], &self.targets, node, self.limits);
        }
        let Some(frame) = self.frames.last_mut() else {
            self.root = Some(value);
            return true;
        };
        frame.end = frame.end.max(end);
        let (map, key) = match &mut frame.container {
            Container::Sequence(items) => {
                items.push(value);
                return true;
            }
            Container::Mapping(map, key) => (map, key),
        };
        match std::mem::replace(key, Key::None) {
            Key::Text(text, span) => match map.entry(text) {
                Entry::Vacant(entry) => {
                    entry.insert(value);
                }
                Entry::Occupied(entry) => {
                    let text = entry.key().clone();
                    let index = map.keys().position(|key| *key == text).unwrap_or_default();
                    let first = self.child_key(frame_node(&self.frames), index);
                    self.problem(duplicate_key(&text, span, first));
                    self.truncate(node);
                }
            },
            Key::Refused => self.truncate(node),
            Key::None => {
                // A collection or an alias stands where a key should.
                let span = self.nodes.get(node).map_or(Span::default(), |node| node.value);
                self.truncate(node);
                self.refuse_key(span, "a mapping or a sequence cannot be a key", Some("keys are text"));
            }
        }
        true
    }

    /// Forgets nodes that have no place in the value, so that nodes and values stay in step.
    fn truncate(&mut self, node: usize) {
        self.nodes.truncate(node);
        self.targets.retain(|target| (target.node as usize) < node);
    }

    fn child_key(&self, parent: usize, index: usize) -> Span {
        let mut child = parent + 1;
        for _ in 0..index {
            child += self.nodes.get(child).map_or(1, |node| node.count as usize);
        }
        self.nodes.get(child).map_or(Span::default(), |node| node.key)
    }
}

fn frame_node(frames: &[Frame]) -> usize {
    frames.last().map_or(0, |frame| frame.node)
}
