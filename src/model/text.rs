//! Small types that several kinds share: texts read as written, label maps, durations.

use std::collections::BTreeMap;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

/// Labels: short texts to select by.
pub type Labels = BTreeMap<String, Text>;

/// A text that may be written without quotes even where YAML would see a number or a boolean: `1.10` stays `1.10`.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct Text(pub String);

impl Text {
    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<&str> for Text {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Value::deserialize(deserializer)? {
            Value::String(text) => Ok(Self(text)),
            Value::Number(number) => Ok(Self(number.to_string())),
            Value::Bool(flag) => Ok(Self(flag.to_string())),
            _ => Err(serde::de::Error::custom("expected a text")),
        }
    }
}

/// The mark of a value whose schema allows `null` because `null` says something.
pub const NULL_MARK: &str = "x-synthex-null";

/// The mark by which tests find the fields of type [`Text`] in a schema.
pub const TEXT_MARK: &str = "x-synthex-text";

impl JsonSchema for Text {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Text".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": ["string", "number", "boolean"], (TEXT_MARK): true})
    }
}

/// Reads a length of time such as `30d`, `12h`, `15m`, `45s`, in seconds. `None` for anything else, zero included.
#[must_use]
pub fn duration_seconds(text: &str) -> Option<i64> {
    let unit = text.chars().last()?;
    let factor = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3600,
        'd' => 86_400,
        'w' => 604_800,
        _ => return None,
    };
    let count = &text[..text.len() - 1];
    if count.is_empty() || count.starts_with('0') || !count.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    count.parse::<i64>().ok()?.checked_mul(factor).filter(|seconds| *seconds <= 3650 * 86_400)
}

/// What [`duration_seconds`] accepts, for schemas.
pub const DURATION_PATTERN: &str = r"^[1-9][0-9]{0,8}[smhdw]$";

/// Reads a whole number that may be written with a point or an exponent: `25.0`, `1e3`. JSON Schema calls these integers, so
/// the types must as well.
///
/// # Errors
/// It is no whole number, or beyond 15 digits where it is not written as an integer.
pub fn whole<'de, D: Deserializer<'de>>(deserializer: D) -> Result<i64, D::Error> {
    let number = serde_json::Number::deserialize(deserializer)?;
    let exact = |float: f64| float.fract() == 0.0 && float.abs() < 1e15;
    let from_float =
        || number.as_f64().filter(|float| exact(*float)).and_then(|float| format!("{float:.0}").parse().ok());
    number.as_i64().or_else(from_float).ok_or_else(|| serde::de::Error::custom("expected a whole number"))
}

/// [`whole`], for a field that may be absent.
///
/// # Errors
/// As [`whole`].
pub fn optional_whole<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<i64>, D::Error> {
    whole(deserializer).map(Some)
}

/// [`whole`], for a list.
///
/// # Errors
/// As [`whole`].
pub fn whole_list<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<i64>, D::Error> {
    #[derive(Deserialize)]
    struct Whole(#[serde(deserialize_with = "whole")] i64);
    let numbers = Vec::<Whole>::deserialize(deserializer)?;
    Ok(numbers.into_iter().map(|number| number.0).collect())
}

/// [`whole`], for a smaller type.
///
/// # Errors
/// As [`whole`], or the number does not fit.
pub fn small_whole<'de, D: Deserializer<'de>, T: TryFrom<i64>>(deserializer: D) -> Result<T, D::Error> {
    let number = whole(deserializer)?;
    T::try_from(number).map_err(|_| serde::de::Error::custom(format!("{number} does not fit")))
}

/// [`small_whole`], for a field that may be absent.
///
/// # Errors
/// As [`small_whole`].
pub fn optional_small_whole<'de, D: Deserializer<'de>, T: TryFrom<i64>>(
    deserializer: D,
) -> Result<Option<T>, D::Error> {
    small_whole(deserializer).map(Some)
}

/// Whether a flag is off; for `skip_serializing_if`.
#[must_use]
pub fn is_false(flag: &bool) -> bool {
    !*flag
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_one_unit_and_are_positive() {
        assert_eq!(duration_seconds("30d"), Some(2_592_000));
        assert_eq!(duration_seconds("15m"), Some(900));
        for bad in ["", "d", "0d", "-1d", "1", "1.5h", "1y", "99999999999999999999d", "1d ", "9999999d", "é"]
        {
            assert_eq!(duration_seconds(bad), None, "{bad}");
        }
    }
}
