//! The text of one document, made to say another value.
//!
//! The value that is there and the one that is wanted are walked side by side; only where they differ, text is replaced.

use std::collections::HashMap;
use std::ops::Range;

use serde_json::Value;

use super::super::yaml::{self, Document, Limits, Span, Tree};
use super::scalar::Notation;
use super::splice::{Lines, Splices};
use super::{Edit, Refusal, remove, set, steps};

/// What is wanted of one document of a file.
#[derive(Clone, Debug, Default)]
pub struct DocumentEdits {
    /// Its bytes.
    pub range: Range<usize>,
    /// What is changed in it.
    pub edits: Vec<Edit>,
    /// Whether it goes as a whole.
    pub is_removed: bool,
}

/// The text of a YAML file with changes in some of its documents; `None` when no document is left.
///
/// # Errors
/// The text cannot say what is wanted without another change.
pub fn edit_yaml(text: &str, documents: &[DocumentEdits]) -> Result<Option<String>, Refusal> {
    let mut splices = Splices::default();
    let mut expected = Vec::new();
    let changes: HashMap<usize, &DocumentEdits> =
        documents.iter().map(|change| (change.range.start, change)).collect();
    for range in yaml::split(text) {
        let change = changes.get(&range.start);
        let read =
            || yaml::parse(text, range.clone(), &Limits::default()).map_err(|_| unreadable(range.start));
        match change {
            Some(change) if change.is_removed => splices.remove(removal(text, &range)),
            Some(change) => {
                let document = read()?.ok_or_else(|| unreadable(range.start))?;
                let wanted = wanted(&document.value, &change.edits, range.start)?;
                Editor::new(text, &document, Notation::Yaml).edit(&document, &wanted, &mut splices)?;
                expected.push(wanted);
            }
            None => expected.extend(read()?.map(|document| document.value)),
        }
    }
    if expected.is_empty() {
        return Ok(None);
    }
    let new = splices.apply(text)?;
    let mut found = Vec::new();
    for range in yaml::split(&new) {
        found.extend(yaml::parse(&new, range, &Limits::default()).map_err(|_| not_alone())?);
    }
    let found: Vec<Value> = found.into_iter().map(|document| document.value).collect();
    if found == expected { Ok(Some(new)) } else { Err(not_alone()) }
}

/// The text of a JSON file with changes in it.
///
/// # Errors
/// As [`edit_yaml`].
pub fn edit_json(text: &str, edits: &[Edit]) -> Result<String, Refusal> {
    let document = yaml::parse_json(text, &Limits::default()).map_err(|_| unreadable(0))?;
    let wanted = wanted(&document.value, edits, 0)?;
    let mut splices = Splices::default();
    Editor::new(text, &document, Notation::Json).edit(&document, &wanted, &mut splices)?;
    let new = splices.apply(text)?;
    match yaml::parse_json(&new, &Limits::default()) {
        Ok(found) if found.value == wanted => Ok(new),
        _ => Err(not_alone()),
    }
}

/// A YAML file with one more document at its end.
#[must_use]
pub fn append(text: &str, manifest: &Value) -> String {
    let newline = Lines::new(text).newline;
    let document = super::super::write::yaml::document(manifest).replace('\n', newline);
    let break_before = if text.is_empty() || text.ends_with(['\n', '\r']) { "" } else { newline };
    let is_first = yaml::split(text)
        .into_iter()
        .all(|range| matches!(yaml::parse(text, range, &Limits::default()), Ok(None)));
    let marker = if is_first { String::new() } else { format!("---{newline}") };
    format!("{text}{break_before}{marker}{document}")
}

/// The value with the edits made.
fn wanted(value: &Value, edits: &[Edit], at: usize) -> Result<Value, Refusal> {
    let mut wanted = value.clone();
    // Items that go are counted as they stand now, so the last ones go first, and all of them after what is set.
    let mut removed: Vec<&str> = Vec::new();
    for edit in edits {
        match edit {
            Edit::Set(pointer, to) => {
                if !set(&mut wanted, pointer, to.clone()) {
                    let why = format!("`{}` is no map here, so nothing can be set in it", field(pointer));
                    return Err(Refusal::new(at, why));
                }
            }
            Edit::Remove(pointer) => removed.push(pointer),
        }
    }
    // Numbers by their size, so that `/9` comes before `/10`.
    let way = |pointer: &&str| {
        steps(pointer).into_iter().map(|step| (step.parse::<usize>().ok(), step)).collect::<Vec<_>>()
    };
    removed.sort_by_cached_key(|pointer| std::cmp::Reverse(way(pointer)));
    for pointer in removed {
        remove(&mut wanted, pointer);
    }
    Ok(wanted)
}

fn field(pointer: &str) -> String {
    let parent = pointer.rsplit_once('/').map_or("", |(parent, _)| parent);
    parent.trim_start_matches('/').replace('/', ".")
}

/// What goes with a document. What is said of the file at its very top, by a comment for editors or one set apart from the
/// document, stays.
fn removal(text: &str, range: &Range<usize>) -> Range<usize> {
    let slice = &text[range.clone()];
    let is_first = range.start == 0 || text[..range.start] == *"\u{feff}";
    if !is_first {
        return range.clone();
    }
    let mut at = 0;
    let mut kept = 0;
    for line in slice.split_inclusive('\n') {
        let words = line.trim();
        if words.starts_with('#') {
            at += line.len();
            if words.contains("yaml-language-server") {
                kept = at;
            }
            continue;
        }
        if words.is_empty() {
            kept = at + line.len();
        } else if words == "---" {
            kept = at;
        }
        break;
    }
    range.start + kept..range.end
}

fn unreadable(at: usize) -> Refusal {
    Refusal::new(at, "this document cannot be read")
}

fn not_alone() -> Refusal {
    Refusal::new(0, "the text is written in a way in which this cannot be changed alone; change it by hand")
}

/// Changes the text of one document.
pub(super) struct Editor<'t> {
    pub text: &'t str,
    pub lines: Lines<'t>,
    pub notation: Notation,
    /// What aliases use.
    shared: Vec<Span>,
    /// How far the first level of the document that is indented is.
    unit: usize,
}

impl<'t> Editor<'t> {
    fn new(text: &'t str, document: &Document, notation: Notation) -> Self {
        Self { text, lines: Lines::new(text), notation, shared: document.shared().collect(), unit: 2 }
    }

    fn edit(mut self, document: &Document, wanted: &Value, out: &mut Splices) -> Result<(), Refusal> {
        let tree = document.tree();
        self.unit = self.step_in(&tree).unwrap_or(2);
        self.change(&tree, &document.value, wanted, out)
    }

    /// How far what is in a map is indented: as far as what is in its other maps, or else as in the rest of the document.
    pub fn unit_in(&self, node: &Tree) -> usize {
        self.step_in(node).unwrap_or(self.unit)
    }

    fn step_in(&self, node: &Tree) -> Option<usize> {
        let column = |node: &Tree| node.key.map(|key| self.lines.column(key.start as usize));
        node.children.iter().filter(|child| !child.value.range().is_empty() && !self.is_flow(child)).find_map(
            |child| {
                let (outer, inner) = (column(child)?, column(child.children.first()?)?);
                (inner > outer).then(|| (inner - outer).min(8))
            },
        )
    }

    pub fn change(&self, node: &Tree, old: &Value, new: &Value, out: &mut Splices) -> Result<(), Refusal> {
        if old == new {
            return Ok(());
        }
        self.must_be_own(node)?;
        match (old, new) {
            (Value::Object(was), Value::Object(now)) if !was.is_empty() && !now.is_empty() => {
                self.must_be_written(node)?;
                self.map(node, was, now, out)
            }
            (Value::Object(was), Value::Object(_)) if was.is_empty() && self.is_flow(node) => {
                self.replace(node, old, new, out)
            }
            (Value::Array(was), Value::Array(now)) if !was.is_empty() && !now.is_empty() => {
                self.must_be_written(node)?;
                self.list(node, was, now, out)
            }
            _ => self.replace(node, old, new, out),
        }
    }

    /// Refuses what an alias elsewhere uses: it would change with it.
    fn must_be_own(&self, node: &Tree) -> Result<(), Refusal> {
        if !node.is_alias && self.shared.contains(&node.value) {
            let why = "this is anchored (`&`), and an alias (`*`) uses it elsewhere, where it would change too; write \
                       the value out in both places first";
            return Err(Refusal::new(node.value.start as usize, why));
        }
        Ok(())
    }

    /// Refuses to change a part of what stands elsewhere.
    fn must_be_written(&self, node: &Tree) -> Result<(), Refusal> {
        if node.is_alias {
            let why = "this is an alias (`*`) of what stands elsewhere; write it out here first";
            return Err(Refusal::new(node.value.start as usize, why));
        }
        Ok(())
    }

    /// Refuses to take out what an alias outside of it uses.
    pub fn must_not_hold_shared(&self, node: &Tree) -> Result<(), Refusal> {
        let within = |span: &&Span| span.start >= node.value.start && span.end <= node.value.end;
        match self.shared.iter().find(within) {
            Some(span) if !node.is_alias => {
                let why = "what is anchored (`&`) here is used by an alias (`*`) elsewhere; write it out there first";
                Err(Refusal::new(span.start as usize, why))
            }
            _ => Ok(()),
        }
    }

    /// Whether a collection is written in brackets.
    pub fn is_flow(&self, node: &Tree) -> bool {
        self.text[node.value.range()].starts_with(['{', '['])
    }

    /// Where what a node says begins. The reader has the text of a block scalar (`|`, `>`) begin below its header.
    pub fn start_of(&self, node: &Tree) -> usize {
        let start = node.value.start as usize;
        if !node.children.is_empty() || self.notation == Notation::Json || !self.lines.begins(start) {
            return start;
        }
        let above = self.text[..start].trim_end_matches([' ', '\t', '\n', '\r']).len();
        let line_start = self.lines.start(above);
        let line = &self.text[line_start..above];
        let words = line.split(" #").next().unwrap_or_default().trim_end();
        let header = words.trim_end_matches(|character: char| matches!(character, '+' | '-' | '1'..='9'));
        let is_header = header.ends_with(['|', '>']) && self.lines.end(above) < start;
        if is_header { line_start + header.len() - 1 } else { start }
    }

    /// Where what a node says ends: behind the last character that is no blank.
    pub fn end_of(&self, node: &Tree) -> usize {
        let first = node.key.map_or(node.value.start, |key| key.end).min(node.value.end.max(node.value.start))
            as usize;
        let end = node.value.end.max(node.key.map_or(0, |key| key.end)) as usize;
        let words = &self.text[first.min(end)..end];
        first.min(end) + words.trim_end_matches([' ', '\t', '\n', '\r']).len()
    }

    /// One value in place of another.
    pub fn replace(&self, node: &Tree, old: &Value, new: &Value, out: &mut Splices) -> Result<(), Refusal> {
        self.must_not_hold_shared(node)?;
        let was = &self.text[node.value.range()];
        let text = self.notation.like(was, new);
        if was.is_empty() {
            // Nothing is written: behind the colon of the key is the place.
            let Some(key) = node.key else {
                return Err(Refusal::new(node.value.start as usize, "an empty item cannot be filled"));
            };
            match self.colon(key) {
                Some(colon) => out.insert(colon + 1, format!(" {text}")),
                None => out.insert(key.end as usize, format!(": {text}")),
            }
            return Ok(());
        }
        let end = self.end_of(node);
        let is_block =
            matches!(old, Value::Object(_) | Value::Array(_)) && !node.is_alias && !self.is_flow(node);
        let start = self.start_of(node);
        match node.key.and_then(|key| self.colon(key)) {
            // What begins in a line of its own moves up to its key.
            Some(colon) if is_block && self.lines.start(start) > colon => {
                out.insert(colon + 1, format!(" {text}"));
                out.remove(self.lines.end(colon)..self.lines.end(end));
            }
            _ => out.replace(start..end, text),
        }
        Ok(())
    }

    /// The colon behind a key.
    fn colon(&self, key: Span) -> Option<usize> {
        let rest = &self.text[key.end as usize..];
        let blank = rest.len() - rest.trim_start_matches([' ', '\t', '\n', '\r']).len();
        rest[blank..].starts_with(':').then_some(key.end as usize + blank)
    }
}
