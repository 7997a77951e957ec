//! The fields of one resource, in columns: `name  before → after  (origin)`, or `name  value` where there is only one.

use serde_json::{Map, Value};

use crate::model::Origin;
use crate::plan::{Action, ActionKind, FieldChange};
use crate::report::Style;
use crate::report::clean::{clean, value, width};
use crate::report::paint::{Paint, push};

use super::compare;

/// Columns before a field.
const INDENT: &str = "      ";
/// Columns before the lines of a value that has several.
const INNER: &str = "        ";
/// A name longer than this does not push the others' values to the right.
const NAME: usize = 28;
/// The forms of a reference to a secret: `{env: NAME}` is shown as `env NAME`.
const SECRET_SOURCES: [(&str, &str); 3] =
    [("env", "env"), ("file", "file"), ("gcpSecretManager", "Secret Manager")];
/// What an absent value is shown as; a text that reads so is in quotes.
const ABSENT: &str = "(none)";

/// One value of a field.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::report) enum Cell {
    /// The field is not there.
    Absent,
    /// The value.
    Value(Value),
    /// A reference to a secret, as words.
    Secret(String),
}

impl Cell {
    pub(in crate::report) fn shown(&self) -> String {
        match self {
            Self::Absent => ABSENT.to_owned(),
            Self::Value(inner) => value(inner),
            Self::Secret(words) => clean(words).into_owned(),
        }
    }

    /// The lines of a text or list; a single one for everything else.
    pub(in crate::report) fn lines(&self) -> Option<String> {
        match self {
            Self::Value(Value::String(text)) if text.trim_end_matches('\n').contains('\n') => {
                Some(text.clone())
            }
            Self::Value(Value::Array(items)) => Some(items.iter().map(|item| value(item) + "\n").collect()),
            Self::Value(Value::Object(map)) => {
                Some(map.iter().map(|(key, inner)| format!("{}: {}\n", clean(key), value(inner))).collect())
            }
            Self::Absent | Self::Value(_) | Self::Secret(_) => None,
        }
    }

    pub(in crate::report) fn is_text_of_lines(&self) -> bool {
        matches!(self, Self::Value(Value::String(_))) && self.lines().is_some()
    }
}

/// One field.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::report) struct Field {
    /// Dotted.
    pub name: String,
    /// One value, or two.
    pub content: Content,
    /// `(template shopify-smb-anz)`, where the manifest itself does not give the value.
    pub origin: Option<String>,
}

/// What is shown of a field.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::report) enum Content {
    /// A field of something new or going away.
    Only(Cell, Paint),
    /// A field that changes.
    Change(Cell, Cell),
}

/// Every field of a canonical spec, nested maps flattened, labels last.
pub(in crate::report) fn whole(canonical: Option<&str>, paint: Paint, hides_values: bool) -> Vec<Field> {
    let Some(parsed) = canonical.and_then(|text| serde_json::from_str::<Value>(text).ok()) else {
        return Vec::new();
    };
    let mut found = Vec::new();
    let mut add = |name: String, cell| {
        found.push(Field { name, content: Content::Only(cell, paint), origin: None });
    };
    if let Some(spec) = parsed.get("spec") {
        flatten(&mut String::new(), spec, hides_values, &mut add);
    }
    if let Some(labels) = parsed.get("labels") {
        flatten(&mut "labels".to_owned(), labels, false, &mut add);
    }
    found
}

fn flatten(name: &mut String, inner: &Value, hides_values: bool, add: &mut impl FnMut(String, Cell)) {
    match inner {
        Value::Null => {}
        Value::Array(items) if items.is_empty() => {}
        Value::Object(map) => {
            if let Some(words) = secret_words(map).filter(|_| hides_values) {
                add(name.clone(), Cell::Secret(words));
                return;
            }
            let length = name.len();
            for (key, value) in map {
                if length > 0 {
                    name.push('.');
                }
                name.push_str(key);
                flatten(name, value, hides_values, add);
                name.truncate(length);
            }
        }
        other => add(name.clone(), Cell::Value(other.clone())),
    }
}

fn secret_words(map: &Map<String, Value>) -> Option<String> {
    let mut entries = map.iter();
    let (Some((source, Value::String(place))), None) = (entries.next(), entries.next()) else {
        return None;
    };
    let (_, word) = SECRET_SOURCES.iter().find(|(name, _)| name == source)?;
    Some(format!("{word} {place}"))
}

/// The fields that change. The parts of a reference to a secret are one field: `env OLD → file NEW`.
pub(in crate::report) fn changed(changes: &[FieldChange], hides_values: bool) -> Vec<Field> {
    let mut found: Vec<Field> = Vec::with_capacity(changes.len());
    let mut previous: Option<&[String]> = None;
    for change in changes {
        let source = change.path.split_last().filter(|(_, parent)| hides_values && !parent.is_empty());
        let source = source.and_then(|(last, parent)| {
            SECRET_SOURCES.iter().find(|(name, _)| name == last).map(|(_, word)| (*word, parent))
        });
        let cell = |side: &Option<Value>| match (side, source) {
            (None, _) => Cell::Absent,
            (Some(Value::String(place)), Some((word, _))) => Cell::Secret(format!("{word} {place}")),
            (Some(other), _) => Cell::Value(other.clone()),
        };
        let (before, after) = (cell(&change.before), cell(&change.after));
        let origin = change.after.as_ref().and_then(|_| origin_words(&change.origin));
        let parent = source.map(|(_, parent)| parent);
        if parent.is_some()
            && parent == previous
            && let Some(Field { content: Content::Change(first, second), origin: known, .. }) =
                found.last_mut()
        {
            if before != Cell::Absent {
                *first = before;
            }
            if after != Cell::Absent {
                *second = after;
                *known = origin;
            }
            continue;
        }
        previous = parent;
        let name = parent.map_or_else(|| change.field(), |parent| parent.join("."));
        found.push(Field { name, content: Content::Change(before, after), origin });
    }
    found
}

/// The fields of a resource that stay as they are, besides those that change.
pub(in crate::report) fn unchanged(action: &Action, changing: &[Field]) -> Vec<Field> {
    if matches!(action.kind, ActionKind::Create | ActionKind::Delete) {
        return Vec::new();
    }
    let mut all = whole(action.written().as_deref(), Paint::Dim, action.key.kind.hides_values);
    all.retain(|field| changing.iter().all(|other| other.name != field.name));
    all
}

fn origin_words(origin: &Origin) -> Option<String> {
    match origin {
        Origin::Manifest(_) => None,
        Origin::Overlay(position) => Some(format!("(overlay {})", clean(&position.to_string()))),
        Origin::Template(name) => Some(format!("(template {})", clean(name))),
        Origin::Workspace(name) => Some(format!("(workspace {})", clean(name))),
        Origin::Default => Some("(default)".to_owned()),
    }
}

/// Writes the fields in columns.
pub(in crate::report) fn write(text: &mut String, fields: &[Field], style: &Style) {
    let names: Vec<String> = fields.iter().map(|field| clean(&field.name).into_owned()).collect();
    let name_width = names.iter().map(|name| width(name)).filter(|width| *width <= NAME).max().unwrap_or(0);
    let room = style.width.saturating_sub(INDENT.len() + name_width + 2).max(24);
    let shown: Vec<Option<(String, String)>> = fields.iter().map(|field| inline(field, room)).collect();
    let changes = fields.iter().zip(&shown).filter(|(field, _)| matches!(field.content, Content::Change(..)));
    let before_width = changes.filter_map(|(_, shown)| shown.as_ref()).map(|(before, _)| width(before));
    let before_width = before_width.filter(|width| *width <= room / 2).max().unwrap_or(0);
    for ((field, name), shown) in fields.iter().zip(&names).zip(shown) {
        text.push_str(INDENT);
        text.push_str(name);
        match (&field.content, shown) {
            (Content::Change(..), Some((before, after))) => {
                pad_name(text, name_width, width(name));
                push(text, &before, Paint::Removed, style);
                pad(text, before_width, width(&before));
                text.push_str(if style.unicode { " → " } else { " -> " });
                push(text, &after, Paint::Added, style);
                origin(text, field, style);
                text.push('\n');
            }
            (Content::Change(before, after), None) => {
                origin(text, field, style);
                text.push('\n');
                several(text, before, after, style);
            }
            (Content::Only(_, paint), Some((only, _))) => {
                pad_name(text, name_width, width(name));
                push(text, &only, *paint, style);
                text.push('\n');
            }
            (Content::Only(cell, paint), None) => {
                text.push('\n');
                let room = style.width.saturating_sub(INNER.len() + 2).max(24);
                match cell.lines() {
                    Some(lines) => compare::listing(text, &lines, *paint, INNER, style),
                    None => {
                        text.push_str(INNER);
                        push(text, &compare::cut(&cell.shown(), room, style), *paint, style);
                        text.push('\n');
                    }
                }
            }
        }
    }
}

/// The values for a line of their field, when they fit.
fn inline(field: &Field, room: usize) -> Option<(String, String)> {
    match &field.content {
        Content::Only(cell, _) => {
            let only = (!cell.is_text_of_lines()).then(|| cell.shown())?;
            (width(&only) <= room).then(|| (only, String::new()))
        }
        Content::Change(before, after) => {
            if before.is_text_of_lines() || after.is_text_of_lines() {
                return None;
            }
            let (before, after) = (before.shown(), after.shown());
            let origin = field.origin.as_ref().map_or(0, |origin| width(origin) + 2);
            (width(&before) + width(&after) + 4 + origin <= room).then_some((before, after))
        }
    }
}

/// Two values below the name of their field: line by line where they have lines, else one below the other.
fn several(text: &mut String, before: &Cell, after: &Cell, style: &Style) {
    let texts = before.is_text_of_lines() || after.is_text_of_lines();
    let lines = |cell: &Cell| match cell {
        Cell::Absent => Some(String::new()),
        Cell::Value(Value::String(text)) if texts => Some(text.clone()),
        other => other.lines(),
    };
    if let (Some(before), Some(after)) = (lines(before), lines(after)) {
        compare::lines(text, &before, &after, INNER, style);
        return;
    }
    let room = style.width.saturating_sub(INNER.len() + 2).max(24);
    let (before, after) = compare::around(&before.shown(), &after.shown(), room, style);
    for (sign, shown, paint) in [("- ", before, Paint::Removed), ("+ ", after, Paint::Added)] {
        text.push_str(INNER);
        push(text, &format!("{sign}{shown}"), paint, style);
        text.push('\n');
    }
}

fn origin(text: &mut String, field: &Field, style: &Style) {
    if let Some(origin) = &field.origin {
        text.push_str("  ");
        push(text, origin, Paint::Dim, style);
    }
}

fn pad(text: &mut String, to: usize, taken: usize) {
    text.extend(std::iter::repeat_n(' ', to.saturating_sub(taken)));
}

/// Up to the column of values; a name that is longer than its column is followed by two spaces.
fn pad_name(text: &mut String, name_width: usize, taken: usize) {
    pad(text, name_width.max(taken) + 2, taken);
}
