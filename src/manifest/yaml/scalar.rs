//! What a plain scalar means: the YAML 1.2 core schema, with errors where YAML 1.1 tools read something else.
//!
//! A manifest is also read by editors, linters and other programs, most of which follow YAML 1.1. Where the two versions
//! disagree, quoting costs two characters and a silent difference costs an incident.

use serde_json::{Number, Value};

use super::error::excerpt;
use super::{Span, YamlError, YamlErrorKind};

/// The value of a plain scalar.
///
/// # Errors
/// The kind of scalar that must be quoted or written otherwise.
pub(super) fn resolve(text: &str) -> Result<Value, YamlErrorKind> {
    // Nearly every scalar is decided by its first byte.
    match text.as_bytes() {
        [] | [b'~'] => Ok(Value::Null),
        [b'0'..=b'9' | b'+' | b'-' | b'.', ..] => {
            number(text).map(|number| number.unwrap_or_else(|| Value::String(text.to_owned())))
        }
        [b'n' | b'N' | b't' | b'T' | b'f' | b'F' | b'y' | b'Y' | b'o' | b'O', ..] if text.len() <= 5 => {
            word(text)
        }
        _ => Ok(Value::String(text.to_owned())),
    }
}

fn word(text: &str) -> Result<Value, YamlErrorKind> {
    match text {
        "null" | "Null" | "NULL" => Ok(Value::Null),
        "true" | "True" | "TRUE" => Ok(Value::Bool(true)),
        "false" | "False" | "FALSE" => Ok(Value::Bool(false)),
        _ if ["yes", "no", "on", "off"].iter().any(|word| text.eq_ignore_ascii_case(word)) => {
            Err(YamlErrorKind::AmbiguousBoolean)
        }
        _ => Ok(Value::String(text.to_owned())),
    }
}

/// The number a text is, or `None` when it is text in YAML 1.1 and 1.2 alike.
fn number(text: &str) -> Result<Option<Value>, YamlErrorKind> {
    let bytes = text.as_bytes();
    let digits = bytes.strip_prefix(b"+").or_else(|| bytes.strip_prefix(b"-")).unwrap_or(bytes);
    match digits {
        [b'.', rest @ ..] => match rest {
            b"inf" | b"Inf" | b"INF" => return Err(YamlErrorKind::NotANumber),
            b"nan" | b"NaN" | b"NAN" if digits.len() == bytes.len() => return Err(YamlErrorKind::NotANumber),
            [b'0'..=b'9', ..] => {}
            _ => return Ok(None),
        },
        [b'0', b'x', hex @ ..] if all(hex, |byte| byte.is_ascii_hexdigit()) => {
            return radix(bytes, digits, hex, 16);
        }
        [b'0', b'o', octal @ ..] if all(octal, |byte| matches!(byte, b'0'..=b'7')) => {
            return radix(bytes, digits, octal, 8);
        }
        [b'0', b'b', binary @ ..] if all(binary, |byte| matches!(byte, b'0' | b'1' | b'_')) => {
            return Err(YamlErrorKind::AmbiguousNumber);
        }
        [b'0', b'x', hex @ ..] if all(hex, |byte| byte.is_ascii_hexdigit() || byte == b'_') => {
            return Err(YamlErrorKind::AmbiguousNumber);
        }
        [b'0'..=b'9', ..] => {}
        _ => return Ok(None),
    }
    if all(digits, |byte| byte.is_ascii_digit()) {
        return match digits {
            [b'0', _, ..] => Err(YamlErrorKind::AmbiguousNumber),
            _ => integer(text).map(Some),
        };
    }
    if is_float(digits) {
        return match digits {
            [b'0', b'0'..=b'9', ..] => Err(YamlErrorKind::AmbiguousNumber),
            _ => float(text).map(Some),
        };
    }
    if is_yaml_1_1_number(digits) { Err(YamlErrorKind::AmbiguousNumber) } else { Ok(None) }
}

/// A hexadecimal or octal integer: the core schema has them without a sign only, YAML 1.1 also with one.
fn radix(text: &[u8], unsigned: &[u8], digits: &[u8], radix: u32) -> Result<Option<Value>, YamlErrorKind> {
    if text.len() != unsigned.len() {
        return if radix == 16 { Err(YamlErrorKind::AmbiguousNumber) } else { Ok(None) };
    }
    let digits = std::str::from_utf8(digits).unwrap_or_default();
    u64::from_str_radix(digits, radix).map(|value| Some(value.into())).map_err(|_| YamlErrorKind::NumberRange)
}

pub(super) fn integer(text: &str) -> Result<Value, YamlErrorKind> {
    if let Ok(value) = text.parse::<i64>() {
        return Ok(value.into());
    }
    text.parse::<u64>().map(Value::from).map_err(|_| YamlErrorKind::NumberRange)
}

pub(super) fn float(text: &str) -> Result<Value, YamlErrorKind> {
    text.parse::<f64>().ok().and_then(Number::from_f64).map(Value::Number).ok_or(YamlErrorKind::NumberRange)
}

fn all(bytes: &[u8], test: impl Fn(u8) -> bool) -> bool {
    !bytes.is_empty() && bytes.iter().all(|byte| test(*byte))
}

/// `( \. [0-9]+ | [0-9]+ ( \. [0-9]* )? ) ( [eE] [-+]? [0-9]+ )?`, where a digit or a dot with a digit is known to come first.
fn is_float(digits: &[u8]) -> bool {
    let is_digit = |byte: &u8| byte.is_ascii_digit();
    let skip = |bytes: &[u8]| bytes.iter().take_while(|byte| is_digit(byte)).count();
    let mut rest = &digits[skip(digits)..];
    if let [b'.', fraction @ ..] = rest {
        rest = &fraction[skip(fraction)..];
    }
    match rest {
        [] => true,
        [b'e' | b'E', b'+' | b'-', exponent @ ..] | [b'e' | b'E', exponent @ ..] => {
            all(exponent, |byte| byte.is_ascii_digit())
        }
        _ => false,
    }
}

/// What is text in YAML 1.2 and a number in YAML 1.1: digits grouped by underscores, and base 60 (`12:30:45`).
/// <https://yaml.org/type/int.html>, <https://yaml.org/type/float.html>
fn is_yaml_1_1_number(digits: &[u8]) -> bool {
    let mut parts = digits.split(|byte| *byte == b':');
    let first = parts.next().unwrap_or_default();
    let mut last = None;
    for part in parts {
        if last.is_some_and(|part| !is_sixtieth(part)) {
            return false;
        }
        last = Some(part);
    }
    let grouped = |part: &[u8]| {
        part.first().is_some_and(u8::is_ascii_digit)
            && all(part, |byte| byte.is_ascii_digit() || byte == b'_')
    };
    let Some(last) = last else {
        // Only underscores make the difference here, in an integer or around one dot.
        let dots = first.iter().filter(|byte| **byte == b'.').count();
        let only_digits = all(first, |byte| byte.is_ascii_digit() || matches!(byte, b'_' | b'.'));
        return first.contains(&b'_') && only_digits && dots <= 1;
    };
    let (whole, fraction) = match last.iter().position(|byte| *byte == b'.') {
        Some(dot) => (&last[..dot], Some(&last[dot + 1..])),
        None => (last, None),
    };
    let fraction_fits =
        fraction.is_none_or(|fraction| fraction.iter().all(|byte| byte.is_ascii_digit() || *byte == b'_'));
    // An integer of base 60 does not begin with 0, so `09:30` is text everywhere and `10:30` is not.
    grouped(first)
        && is_sixtieth(whole)
        && fraction_fits
        && (fraction.is_some() || first.first() != Some(&b'0'))
}

fn is_sixtieth(part: &[u8]) -> bool {
    matches!(part, [b'0'..=b'9'] | [b'0'..=b'5', b'0'..=b'9'])
}

/// The problem with a scalar, in words.
pub(super) fn problem(kind: YamlErrorKind, text: &str, span: Span) -> YamlError {
    let shown = excerpt(text);
    let (message, help) = match kind {
        YamlErrorKind::AmbiguousBoolean => {
            let value = if text.eq_ignore_ascii_case("no") || text.eq_ignore_ascii_case("off") {
                "false"
            } else {
                "true"
            };
            (
                format!("`{shown}` is text here, but YAML 1.1 tools read it as {value}"),
                format!("write {value}, or \"{shown}\" in quotes"),
            )
        }
        YamlErrorKind::AmbiguousNumber => (
            format!("YAML 1.1 and 1.2 read `{shown}` as different values"),
            format!("write \"{shown}\" in quotes, or the plain number"),
        ),
        YamlErrorKind::NumberRange => {
            (format!("the number `{shown}` is too large"), format!("write \"{shown}\" in quotes"))
        }
        _ => (
            format!("`{shown}` is not a number that can be stored"),
            format!("write \"{shown}\" in quotes, or leave it out"),
        ),
    };
    YamlError::new(kind, span, message).with_help(help)
}
