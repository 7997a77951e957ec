//! Any text with any change: what is read again is what was wanted, and lines that say nothing of it are as they were.

use proptest::prelude::*;
use serde_json::{Map, Value};

use super::super::document::{DocumentEdits, edit_json, edit_yaml};
use super::super::{Edit, steps};
use super::yaml;
use crate::manifest::yaml::Limits;

/// Chooses how a value is written.
struct Style(u64);

impl Style {
    fn one_in(&mut self, count: u64) -> bool {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33).is_multiple_of(count)
    }

    fn scalar(&mut self, value: &Value) -> String {
        match value {
            Value::String(text) if self.one_in(3) && !text.contains(char::is_control) => {
                format!("'{}'", text.replace('\'', "''"))
            }
            Value::String(_) if self.one_in(3) => value.to_string(),
            _ => crate::manifest::write::yaml::inline(value),
        }
    }

    fn flow(&mut self, value: &Value, indent: usize) -> String {
        let many = self.one_in(4);
        let comma = if many { format!(", # c\n{:indent$}", "") } else { ",".to_owned() };
        let around = if many { format!("\n{:indent$}", "") } else { String::new() };
        match value {
            Value::Object(map) if !map.is_empty() => {
                let entry = |(key, value): (&String, &Value)| {
                    format!("{}: {}", self.scalar(&Value::String(key.clone())), self.flow(value, indent + 1))
                };
                let entries: Vec<String> = map.iter().map(entry).collect();
                format!("{{{around}{}{around}}}", entries.join(&comma))
            }
            Value::Array(items) if !items.is_empty() => {
                let items: Vec<String> = items.iter().map(|item| self.flow(item, indent + 1)).collect();
                format!("[{around}{}{around}]", items.join(&comma))
            }
            other => self.scalar(other),
        }
    }

    fn noise(&mut self, out: &mut String, indent: usize) {
        if self.one_in(6) {
            out.push_str(&format!("{:indent$}# about, [what] follows: {{\n", ""));
        }
        if self.one_in(8) {
            out.push('\n');
        }
    }

    fn end(&mut self, out: &mut String) {
        out.push_str(if self.one_in(4) { " # why 'so\n" } else { "\n" });
    }

    fn block(&mut self, out: &mut String, value: &Value, indent: usize) {
        let entries: Vec<(String, &Value)> = match value {
            Value::Object(map) => map
                .iter()
                .map(|(key, value)| (format!("{}:", self.scalar(&Value::String(key.clone()))), value))
                .collect(),
            Value::Array(items) => items.iter().map(|item| ("-".to_owned(), item)).collect(),
            _ => Vec::new(),
        };
        for (head, value) in entries {
            self.noise(out, indent);
            out.push_str(&format!("{:indent$}{head}", ""));
            let is_filled = match value {
                Value::Object(map) => !map.is_empty(),
                Value::Array(items) => !items.is_empty(),
                _ => false,
            };
            match value {
                Value::String(text) if self.one_in(3) && is_literal(text) && head != "-" => {
                    out.push_str(" |-\n");
                    for line in text.split('\n') {
                        let indent = indent + 3;
                        out.push_str(&format!("{:indent$}{line}\n", ""));
                    }
                }
                _ if is_filled && head == "-" && value.is_object() && self.one_in(2) => {
                    let mut inner = String::new();
                    self.block(&mut inner, value, indent + 2);
                    let first = inner.trim_start_matches(' ');
                    // The dash's line begins with the first entry, not with a comment.
                    let is_entry = inner.starts_with(&" ".repeat(indent + 2)) && !first.starts_with('#');
                    out.push_str(if is_entry { " " } else { "\n" });
                    out.push_str(if is_entry { first } else { &inner });
                }
                _ if is_filled && !self.one_in(4) => {
                    self.end(out);
                    let unit = if value.is_array() && head != "-" && self.one_in(3) { 0 } else { 2 };
                    self.block(out, value, indent + unit);
                }
                _ => {
                    let text = self.flow(value, indent + 1);
                    out.push_str(&format!(" {text}"));
                    self.end(out);
                }
            }
        }
    }
}

fn is_literal(text: &str) -> bool {
    let fine = |line: &str| !line.is_empty() && line.trim() == line && !line.contains(char::is_control);
    text.split('\n').all(fine) && text.is_ascii()
}

fn scalars() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (-99i64..99).prop_map(Value::from),
        "[a-z0-9:#\\[\\]{},&*!|>'\"%@` \n-]{0,12}".prop_map(Value::from),
        "[a-zäß ]{1,8}(\n[a-z#]{1,5}){0,2}".prop_map(Value::from),
    ]
}

fn values() -> impl Strategy<Value = Value> {
    scalars().prop_recursive(3, 24, 5, |inner| {
        prop_oneof![
            prop::collection::vec(("[a-e/~ ]{1,2}", inner.clone()), 0..5)
                .prop_map(|entries| Value::Object(entries.into_iter().collect())),
            prop::collection::vec(inner, 0..4).prop_map(Value::Array),
        ]
    })
}

fn maps() -> impl Strategy<Value = Value> {
    prop::collection::vec(("[a-e]{1,2}", values()), 1..6)
        .prop_map(|entries| Value::Object(entries.into_iter().collect::<Map<_, _>>()))
}

/// All places of a value, and one more in each map.
fn places(value: &Value, pointer: &str, found: &mut Vec<String>) {
    match value {
        Value::Object(map) => {
            found.push(format!("{pointer}/new"));
            for (key, value) in map {
                let pointer = format!("{pointer}/{}", super::super::escape(key));
                found.push(pointer.clone());
                places(value, &pointer, found);
            }
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                let pointer = format!("{pointer}/{index}");
                found.push(pointer.clone());
                places(item, &pointer, found);
            }
        }
        _ => {}
    }
}

/// Sets or removes, the slow and plain way.
fn plainly(value: &mut Value, edit: &Edit) {
    let (pointer, to) = match edit {
        Edit::Set(pointer, to) => (pointer, Some(to)),
        Edit::Remove(pointer) => (pointer, None),
    };
    let steps = steps(pointer);
    let (last, way) = steps.split_last().unwrap();
    let mut at = value;
    for step in way {
        at = match at {
            Value::Object(map) => map.get_mut(step).unwrap(),
            Value::Array(items) => &mut items[step.parse::<usize>().unwrap()],
            _ => unreachable!("the way was walked before"),
        };
    }
    match (at, to) {
        (Value::Object(map), Some(to)) => drop(map.insert(last.clone(), to.clone())),
        (Value::Object(map), None) => drop(map.shift_remove(last)),
        (Value::Array(items), Some(to)) => items[last.parse::<usize>().unwrap()] = to.clone(),
        (Value::Array(items), None) => drop(items.remove(last.parse::<usize>().unwrap())),
        _ => unreachable!("the way leads into a map or list"),
    }
}

/// How many lines above its item a dash stands.
fn lines_to_dash(before: &str) -> usize {
    let says_nothing = |line: &str| {
        let words = line.split(" #").next().unwrap_or_default().trim();
        words.is_empty() || words.starts_with('#')
    };
    before.split('\n').rev().position(|line| !says_nothing(line)).unwrap_or_default()
}

/// The lines of a text that a place is written in.
fn touched(text: &str, document: &yaml::Document, pointer: &str) -> std::ops::Range<usize> {
    let line = |at: u32| text[..at as usize].matches('\n').count();
    match document.locate(pointer) {
        Some(located) => {
            let start = located.key.unwrap_or(located.value).start;
            let end = text[..located.value.end as usize].trim_end().len();
            let above = if located.key.is_none() { lines_to_dash(&text[..start as usize]) } else { 0 };
            let first = line(start) - above;
            first..line(u32::try_from(end).unwrap().max(start)) + 1
        }
        None => 0..0,
    }
}

#[track_caller]
fn check(text: &str, value: &Value, edit: &Edit, new: &str, found: &Value, document: &yaml::Document) {
    let mut expected = value.clone();
    plainly(&mut expected, edit);
    let pruned = |value: &Value| {
        if matches!(edit, Edit::Remove(_)) { without_empty(value) } else { value.clone() }
    };
    assert_eq!(pruned(found), pruned(&expected), "{edit:?}\n{text}\n=>\n{new}");
    let (Edit::Set(pointer, _) | Edit::Remove(pointer)) = edit;
    let mut touched: Vec<std::ops::Range<usize>> = vec![touched(text, document, pointer)];
    // Of equal items, one is as good as the other.
    if let Some((list, _)) = pointer.rsplit_once('/')
        && let Some(Value::Array(items)) = document.value.pointer(list)
    {
        let equal = |item: &Value| Some(item) == document.value.pointer(pointer);
        for (index, _) in items.iter().enumerate().filter(|(_, item)| equal(item)) {
            touched.push(self::touched(text, document, &format!("{list}/{index}")));
        }
    }
    // An empty map around it goes too, and what is in brackets shares lines.
    let mut parent = pointer.as_str();
    while let Some((outer, _)) = parent.rsplit_once('/') {
        parent = outer;
        let located = document.locate(parent).unwrap();
        let is_flow = text[located.value.range()].starts_with(['{', '[']);
        let is_last = document.value.pointer(parent).is_some_and(|value| match value {
            Value::Object(map) => map.len() < 2,
            Value::Array(items) => items.len() < 2,
            _ => true,
        });
        if is_flow || is_last {
            touched.push(self::touched(text, document, parent));
        }
    }
    // The first field of an item shares its line with the dash, and so does the next one once the first is gone.
    let is_of_item = pointer.rsplit('/').nth(1).is_some_and(|step| step.parse::<usize>().is_ok());
    let words = |line: &str| {
        if is_of_item { line.trim_start_matches([' ', '-']).to_owned() } else { line.to_owned() }
    };
    let mut lines = new.split('\n');
    for (index, line) in text.split('\n').enumerate() {
        // A blank line behind that first field goes along.
        let is_blank = is_of_item && line.trim().is_empty();
        if is_blank || touched.iter().any(|range| range.contains(&index)) {
            continue;
        }
        assert!(
            lines.any(|new| words(new) == words(line)),
            "line {} is lost: {line:?}\n{edit:?}\n{text}\n=>\n{new}",
            index + 1
        );
    }
}

fn without_empty(value: &Value) -> Value {
    match value {
        Value::Object(map) => {
            let inner = map.iter().map(|(key, value)| (key.clone(), without_empty(value)));
            let is_filled = |value: &Value| value.as_object().is_none_or(|map| !map.is_empty());
            Value::Object(inner.filter(|(_, value)| is_filled(value)).collect())
        }
        Value::Array(items) => Value::Array(items.iter().map(without_empty).collect()),
        other => other.clone(),
    }
}

#[test]
fn any_change_of_any_text_changes_that_alone() {
    let config = ProptestConfig { cases: 600, failure_persistence: None, ..ProptestConfig::default() };
    proptest!(config, |(value in maps(), seed in any::<u64>(), place in any::<prop::sample::Index>(), to in values(), removes in any::<bool>(), is_crlf in any::<bool>())| {
        let mut text = String::new();
        Style(seed).block(&mut text, &value, 0);
        if is_crlf { text = text.replace('\n', "\r\n"); }
        let Ok(Some(document)) = yaml::parse(&text, 0..text.len(), &Limits::default()) else {
            panic!("the text cannot be read\n{text}");
        };
        let value = document.value.clone();
        let mut all = Vec::new();
        places(&value, "", &mut all);
        let pointer = place.get(&all).clone();
        let edit = if removes && value.pointer(&pointer).is_some() { Edit::Remove(pointer) } else { Edit::Set(pointer, to) };
        let change = DocumentEdits { range: 0..text.len(), edits: vec![edit.clone()], is_removed: false };
        match edit_yaml(&text, &[change]) {
            Ok(Some(new)) => {
                let found = yaml::parse(&new, 0..new.len(), &Limits::default()).unwrap().unwrap();
                check(&text, &value, &edit, &new, &found.value, &document);
            }
            Ok(None) => panic!("a document is left"),
            Err(refusal) => panic!("{refusal}\n{edit:?}\n{text}"),
        }
    });
}

#[test]
fn any_change_of_any_json_changes_that_alone() {
    let config = ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() };
    proptest!(config, |(value in maps(), place in any::<prop::sample::Index>(), to in values(), removes in any::<bool>(), is_pretty in any::<bool>())| {
        let text = if is_pretty { serde_json::to_string_pretty(&value).unwrap() } else { value.to_string() };
        let document = yaml::parse_json(&text, &Limits::default()).unwrap();
        let mut all = Vec::new();
        places(&value, "", &mut all);
        let pointer = place.get(&all).clone();
        let edit = if removes && value.pointer(&pointer).is_some() { Edit::Remove(pointer) } else { Edit::Set(pointer, to) };
        let new = edit_json(&text, std::slice::from_ref(&edit)).unwrap_or_else(|refusal| panic!("{refusal}\n{edit:?}\n{text}"));
        let found: Value = serde_json::from_str(&new).unwrap();
        check(&text, &value, &edit, &new, &found, &document);
    });
}
