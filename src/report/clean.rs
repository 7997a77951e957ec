//! Makes text safe to show: control characters become visible escapes, so that a value in a manifest cannot move the
//! cursor, recolour the screen, set a window's title or reverse the reading order of a review.

use std::borrow::Cow;
use std::fmt::Write as _;

use serde_json::Value;

/// A text with nothing in it that a terminal would act on or that a reader could not see: `\n`, `\t`, `\u{1b}`.
#[must_use]
pub fn clean(text: &str) -> Cow<'_, str> {
    let Some(first) = text.find(is_unsafe) else {
        return Cow::Borrowed(text);
    };
    let mut safe = String::with_capacity(text.len() + 16);
    safe.push_str(&text[..first]);
    for character in text[first..].chars() {
        push(&mut safe, character);
    }
    Cow::Owned(safe)
}

/// A value on one line: texts as they are where that is unmistakable, otherwise in quotes; lists and maps compact.
#[must_use]
pub fn value(value: &Value) -> String {
    match value {
        Value::String(text) if reads_as_text(text) => clean(text).into_owned(),
        Value::String(text) => quoted(text),
        Value::Array(items) => {
            let items: Vec<String> = items.iter().map(item).collect();
            format!("[{}]", items.join(", "))
        }
        Value::Object(map) => {
            let entries: Vec<String> =
                map.iter().map(|(key, value)| format!("{}: {}", clean(key), item(value))).collect();
            format!("{{{}}}", entries.join(", "))
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => value.to_string(),
    }
}

/// How many columns a text takes: two for the wide characters of East Asian scripts and for emoji, none for marks that
/// combine with the character before them.
#[must_use]
pub fn width(text: &str) -> usize {
    if text.is_ascii() {
        return text.len();
    }
    text.chars()
        .map(|character| match u32::from(character) {
            0x0300..=0x036f | 0x200b..=0x200f | 0x20d0..=0x20ff | 0xfe00..=0xfe0f => 0,
            0x1100..=0x115f
            | 0x2e80..=0xa4cf
            | 0xac00..=0xd7a3
            | 0xf900..=0xfaff
            | 0xfe30..=0xfe6f
            | 0xff00..=0xff60
            | 0xffe0..=0xffe6
            | 0x1f300..=0x1faff
            | 0x20000..=0x3fffd => 2,
            _ => 1,
        })
        .sum()
}

/// Inside a list or map the separators of the notation are ambiguous too.
fn item(inner: &Value) -> String {
    match inner {
        Value::String(text) if text.contains([',', ':', '[', ']', '{', '}']) && !is_address(text) => {
            quoted(text)
        }
        other => value(other),
    }
}

/// A text with one colon in it, such as a web address, is read without doubt.
fn is_address(text: &str) -> bool {
    !text.contains([',', '[', ']', '{', '}']) && !text.contains(": ") && !text.ends_with(':')
}

fn quoted(text: &str) -> String {
    let mut shown = String::with_capacity(text.len() + 2);
    shown.push('"');
    for character in text.chars() {
        match character {
            '"' | '\\' => {
                shown.push('\\');
                shown.push(character);
            }
            _ => push(&mut shown, character),
        }
    }
    shown.push('"');
    shown
}

/// Whether a text is not mistaken for another type, for nothing, or for a notation of [`value`].
fn reads_as_text(text: &str) -> bool {
    let Some(first) = text.chars().next() else {
        return false;
    };
    let last = text.chars().next_back().unwrap_or(first);
    let ends_are_clear =
        !first.is_whitespace() && !last.is_whitespace() && !matches!(first, '"' | '[' | '{' | '(');
    let is_word = matches!(text, "true" | "false" | "null");
    ends_are_clear && !is_word && !text.contains(is_unsafe) && text.parse::<f64>().is_err()
}

fn push(safe: &mut String, character: char) {
    match character {
        '\n' => safe.push_str("\\n"),
        '\r' => safe.push_str("\\r"),
        '\t' => safe.push_str("\\t"),
        _ if is_unsafe(character) => {
            // Writing to a string does not fail.
            let _ = write!(safe, "\\u{{{:x}}}", u32::from(character));
        }
        _ => safe.push(character),
    }
}

/// Control characters (C0, DEL, C1), line and paragraph separators, marks that change the reading order, and characters
/// that nobody can see.
#[must_use]
pub fn is_unsafe(character: char) -> bool {
    character.is_control()
        || matches!(
            character,
            '\u{ad}'
                | '\u{61c}'
                | '\u{180e}'
                | '\u{200b}'
                | '\u{200e}'
                | '\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}'
                | '\u{feff}'
                | '\u{fff9}'..='\u{fffb}'
                | '\u{e0000}'..='\u{e007f}'
        )
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[track_caller]
    fn check(given: Value, expected: &str) {
        assert_eq!(value(&given), expected);
    }

    #[test]
    fn what_a_terminal_would_act_on_becomes_visible() {
        assert_eq!(clean("\u{1b}[31mred\u{1b}[0m"), "\\u{1b}[31mred\\u{1b}[0m");
        assert_eq!(clean("\u{1b}]0;title\u{7}"), "\\u{1b}]0;title\\u{7}");
        assert_eq!(clean("c1 \u{9b}2J"), "c1 \\u{9b}2J");
        assert_eq!(clean("a\r\nb\tc"), "a\\r\\nb\\tc");
        assert_eq!(clean("user\u{202e}nimda"), "user\\u{202e}nimda");
        assert_eq!(clean("zero\u{200b}width"), "zero\\u{200b}width");
    }

    #[test]
    fn ordinary_text_of_any_script_stays() {
        for text in ["Acme & Söhne", "株式会社", "شركة", "🛍️ shop", "a\\nb"] {
            assert!(matches!(clean(text), Cow::Borrowed(same) if same == text), "{text}");
        }
    }

    #[test]
    fn texts_are_told_from_other_types() {
        check(json!("UK_SMB"), "UK_SMB");
        check(json!("Acme Corp"), "Acme Corp");
        check(json!("https://acme.example"), "https://acme.example");
        check(json!("true"), "\"true\"");
        check(json!(true), "true");
        check(json!("1.10"), "\"1.10\"");
        check(json!(1.5), "1.5");
        check(json!(""), "\"\"");
        check(json!(" a"), "\" a\"");
        check(json!("(none)"), "\"(none)\"");
        check(json!("say \"hi\"\u{7}"), "\"say \\\"hi\\\"\\u{7}\"");
        check(json!(["a", "b, c", 1, "https://a.b"]), "[a, \"b, c\", 1, https://a.b]");
        check(json!({"k": "v", "\u{1b}": null}), "{k: v, \\u{1b}: null}");
    }

    #[test]
    fn wide_characters_take_two_columns() {
        assert_eq!(width("abc"), 3);
        assert_eq!(width("é→"), 2);
        assert_eq!(width("株式"), 4);
        assert_eq!(width("e\u{301}"), 1);
    }
}
