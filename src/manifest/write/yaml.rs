//! YAML that nothing misreads: block style, and quotes around every text that is not plainly one.

use std::fmt::Write as _;

use serde_json::{Map, Value};

/// A document, each line ended by a line break.
#[must_use]
pub fn document(value: &Value) -> String {
    let mut out = String::new();
    match value {
        Value::Object(map) if !map.is_empty() => block(&mut out, map, 0),
        other => {
            flow(&mut out, other);
            out.push('\n');
        }
    }
    out
}

fn block(out: &mut String, map: &Map<String, Value>, indent: usize) {
    for (key, value) in map {
        let _ = write!(out, "{:indent$}", "");
        if key_to(out, key) {
            let _ = write!(out, "\n{:indent$}", "");
        }
        out.push(':');
        match value {
            Value::Object(inner) if !inner.is_empty() => {
                out.push('\n');
                block(out, inner, indent + 2);
            }
            Value::Array(items) if !items.is_empty() => {
                out.push('\n');
                for item in items {
                    let _ = write!(out, "{:width$}- ", "", width = indent + 2);
                    flow(out, item);
                    out.push('\n');
                }
            }
            other => {
                out.push(' ');
                flow(out, other);
                out.push('\n');
            }
        }
    }
}

/// A value on one line, as it may stand anywhere in a document.
#[must_use]
pub fn inline(value: &Value) -> String {
    let mut out = String::new();
    flow(&mut out, value);
    out
}

fn flow(out: &mut String, value: &Value) {
    match value {
        Value::String(text) => scalar(out, text),
        Value::Array(items) => {
            out.push('[');
            for (index, item) in items.iter().enumerate() {
                out.push_str(if index > 0 { ", " } else { "" });
                flow(out, item);
            }
            out.push(']');
        }
        Value::Object(map) => {
            out.push('{');
            for (index, (key, item)) in map.iter().enumerate() {
                out.push_str(if index > 0 { ", " } else { "" });
                let is_announced = key_to(out, key);
                out.push_str(if is_announced { " : " } else { ": " });
                flow(out, item);
            }
            out.push('}');
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {
            let _ = write!(out, "{value}");
        }
    }
}

/// A key, and whether it had to be announced as one: a reader looks for the colon no further than 1024 characters.
fn key_to(out: &mut String, key: &str) -> bool {
    const FAR: usize = 1000;
    let start = out.len();
    scalar(out, key);
    let is_long = out.len() - start > FAR;
    if is_long {
        out.insert_str(start, "? ");
    }
    is_long
}

fn scalar(out: &mut String, text: &str) {
    if is_plain(text) {
        out.push_str(text);
    } else {
        quote(out, text);
    }
}

/// Whether a text without quotes is that text and nothing else, to any reader of YAML 1.1 or 1.2.
fn is_plain(text: &str) -> bool {
    const WORDS: [&str; 14] =
        ["true", "false", "yes", "no", "on", "off", "y", "n", "null", "nan", "inf", "infinity", "t", "f"];
    let inner = |character: char| character.is_ascii_alphanumeric() || " _./@+-".contains(character);
    text.starts_with(|first: char| first.is_ascii_alphabetic())
        && text.len() <= 200
        && !text.ends_with(' ')
        && text.replacen("://", "//", 1).chars().all(inner)
        && !WORDS.contains(&text.to_ascii_lowercase().as_str())
}

fn quote(out: &mut String, text: &str) {
    out.push('"');
    for character in text.chars() {
        let code = u32::from(character);
        match character {
            '"' | '\\' => {
                out.push('\\');
                out.push(character);
            }
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            '\r' => out.push_str("\\r"),
            // What cannot be seen, changes the order of reading, or is no character of YAML.
            _ if character.is_control()
                || matches!(code, 0xad | 0x61c | 0x180e | 0x200b..=0x200f | 0x2028..=0x202e | 0x2060..=0x206f)
                || matches!(code, 0xfeff | 0xfff9..=0xfffb | 0xfffe | 0xffff) =>
            {
                let _ = write!(out, "\\u{code:04x}");
            }
            _ if matches!(code, 0xe0000..=0xe007f) || code & 0xfffe == 0xfffe => {
                let _ = write!(out, "\\U{code:08x}");
            }
            _ => out.push(character),
        }
    }
    out.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::yaml::{Limits, parse};
    use proptest::prelude::*;
    use serde_json::json;

    #[track_caller]
    fn check(value: &Value) {
        let text = document(value);
        let read = parse(&text, 0..text.len(), &Limits::default());
        let read = read.unwrap_or_else(|errors| panic!("{errors:?}\n{text}")).expect("a document");
        assert_eq!(&read.value, value, "{text}");
    }

    #[test]
    fn what_yaml_would_misread_is_quoted() {
        for text in [
            "no",
            "Yes",
            "null",
            "~",
            "1.10",
            "0123",
            "12:30:45",
            "1e3",
            "0x1f",
            "2026-01-01",
            "",
            " a",
            "a ",
            "a: b",
            "a #b",
            "- a",
            "? a",
            "[a",
            "{a",
            "*a",
            "&a",
            "!a",
            "%a",
            "@a",
            "`a",
            "|",
            ">",
            "'a'",
            "\"a\"",
            "a\nb",
            "a\r\nb",
            "\t",
            "<<",
            "---",
            "...",
            "=",
            ".inf",
            "\u{85}",
            "\u{2028}",
            "\u{feff}",
            "\u{7f}",
            "株式会社",
            "🛍",
            "https://a.example/x?y=z#q",
            "a:",
        ] {
            check(&json!({"k": text, text: [text, {text: text}], "m": {"n": {text: {}}}}));
        }
        assert_eq!(
            document(&json!({"a": "AU-SE1", "b": "https://a.example", "c": "no", "d": {"e": [1, "x"]}})),
            "a: AU-SE1\nb: https://a.example\nc: \"no\"\nd:\n  e:\n    - 1\n    - x\n"
        );
    }

    #[test]
    fn a_long_key_is_read_back() {
        for key in ["k".repeat(1000), "k".repeat(1100), "ü ".repeat(3000)] {
            check(&json!({key.clone(): "v", "m": {key.clone(): {key.clone(): [{key: 1}]}}}));
        }
    }

    #[test]
    fn any_text_is_read_back_as_it_was() {
        proptest!(ProptestConfig::with_cases(300), |(text in any::<String>(), key in "\\PC{0,40}")| {
            // A NUL is refused wherever it stands; no database holds one.
            let text = text.replace('\0', "");
            check(&json!({key: [text.clone()], "z": text}));
        });
    }
}
