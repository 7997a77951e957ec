//! How a new value is written beside what is there.

use std::fmt::Write as _;

use serde_json::Value;

use super::super::write::yaml;

/// What a text is written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Notation {
    Yaml,
    Json,
}

impl Notation {
    /// A value on one line.
    pub fn inline(self, value: &Value) -> String {
        match self {
            Self::Yaml => yaml::inline(value),
            Self::Json => {
                let mut out = String::new();
                json(&mut out, value);
                out
            }
        }
    }

    /// A value in place of another one: in the same quotes, where they can hold it.
    pub fn like(self, was: &str, value: &Value) -> String {
        let Value::String(text) = value else { return self.inline(value) };
        if self == Self::Json {
            return self.inline(value);
        }
        let is_clean = text.chars().all(|character| {
            !character.is_control()
                && !matches!(u32::from(character), 0xad | 0x61c | 0x2028..=0x202e | 0x2060..=0x206f | 0xfeff)
        });
        if was.starts_with('\'') && is_clean && !text.contains('\u{85}') && text.chars().all(is_harmless) {
            return format!("'{}'", text.replace('\'', "''"));
        }
        let inline = self.inline(value);
        if was.starts_with('"') && !inline.starts_with('"') { format!("\"{inline}\"") } else { inline }
    }

    pub fn key(self, key: &str) -> String {
        self.inline(&Value::String(key.to_owned()))
    }
}

/// Letters, digits and marks that look the same to every reader.
fn is_harmless(character: char) -> bool {
    let code = u32::from(character);
    !(0x200b..=0x200f).contains(&code)
        && !(0xfff9..=0xffff).contains(&code)
        && !(0xe0000..=0xe007f).contains(&code)
        && code != 0x180e
        && code & 0xfffe != 0xfffe
}

fn json(out: &mut String, value: &Value) {
    match value {
        Value::Array(items) => {
            out.push('[');
            for (index, item) in items.iter().enumerate() {
                out.push_str(if index > 0 { ", " } else { "" });
                json(out, item);
            }
            out.push(']');
        }
        Value::Object(map) => {
            out.push('{');
            for (index, (key, item)) in map.iter().enumerate() {
                out.push_str(if index > 0 { ", " } else { "" });
                let _ = write!(out, "{}: ", Value::String(key.clone()));
                json(out, item);
            }
            out.push('}');
        }
        other => {
            let _ = write!(out, "{other}");
        }
    }
}

/// A map in block style, each line but the first led by a line break and `indent` spaces, levels `unit` apart.
pub(super) fn block(value: &Value, indent: usize, unit: usize, newline: &str) -> String {
    let mut out = String::new();
    for line in yaml::document(value).lines() {
        let words = line.trim_start_matches(' ');
        let level = (line.len() - words.len()) / 2;
        let _ = write!(out, "{newline}{:width$}{words}", "", width = indent + level * unit);
    }
    out
}
