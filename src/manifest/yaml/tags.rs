//! The values of scalars, and the tags of the core schema.

use std::borrow::Cow;

use granit_parser::Tag;
use serde_json::Value;

use super::build::Builder;
use super::{Span, YamlError, YamlErrorKind, scalar};

impl Builder<'_> {
    pub fn scalar(&mut self, text: Cow<'_, str>, plain: bool, tag: Option<&Tag>, span: Span) -> Value {
        let resolved = match tag {
            None if plain => scalar::resolve(&text),
            None => return Value::String(text.into_owned()),
            Some(tag) => match core_tag(tag) {
                // An omitted value reads as `~` from the parser; with a tag it is the empty string.
                Some("str" | "") if plain && span.start == span.end => return Value::String(String::new()),
                Some("str" | "") => return Value::String(text.into_owned()),
                Some(name) => match tagged(name, &text) {
                    Some(resolved) => resolved,
                    None => {
                        self.problem(YamlError::new(
                            YamlErrorKind::Tag,
                            span,
                            format!("this value is not a `!!{name}`"),
                        ));
                        return Value::Null;
                    }
                },
                None => {
                    self.problem(unknown_tag(tag, span));
                    return Value::Null;
                }
            },
        };
        resolved.unwrap_or_else(|kind| {
            self.problem(scalar::problem(kind, &text, span));
            Value::Null
        })
    }

    pub fn collection_tag(&mut self, tag: Option<&Tag>, expected: &str, span: Span) {
        let Some(tag) = tag else { return };
        match core_tag(tag) {
            Some(name) if name == expected || name.is_empty() => {}
            Some(name) => self.problem(YamlError::new(
                YamlErrorKind::Tag,
                span,
                format!("this value is not a `!!{name}`"),
            )),
            None => self.problem(unknown_tag(tag, span)),
        }
    }
}

/// The name of a tag of the core schema, `""` for the non-specific `!`.
pub(super) fn core_tag(tag: &Tag) -> Option<&str> {
    if tag.handle() == "!" && tag.suffix().is_empty() || tag.handle().is_empty() && tag.suffix() == "!" {
        return Some("");
    }
    tag.core_suffix().filter(|name| ["str", "int", "bool", "null", "float", "map", "seq"].contains(name))
}

/// A scalar with a tag of the core schema; `None` when the text does not fit it.
fn tagged(name: &str, text: &str) -> Option<Result<Value, YamlErrorKind>> {
    match (name, scalar::resolve(text)) {
        ("float", Ok(Value::Number(number))) => Some(scalar::float(&number.to_string())),
        ("int", Ok(value)) if value.is_i64() || value.is_u64() => Some(Ok(value)),
        ("bool", Ok(value)) if value.is_boolean() => Some(Ok(value)),
        ("null", Ok(value)) if value.is_null() => Some(Ok(value)),
        ("int" | "float" | "bool", Err(kind)) => Some(Err(kind)),
        _ => None,
    }
}

pub(super) fn unknown_tag(tag: &Tag, span: Span) -> YamlError {
    let message = format!("the tag `{}` is not supported", super::error::excerpt(&tag.original()));
    YamlError::new(YamlErrorKind::Tag, span, message)
        .with_help("only `!!str`, `!!int`, `!!float`, `!!bool`, `!!null`, `!!map` and `!!seq` are")
}
