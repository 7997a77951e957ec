//! Label selectors as people type them: `tier=gold,team in (a,b),!legacy`.

use std::fmt;

use serde_json::{Map, Value};

/// A condition on one label.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Condition {
    In(String, Vec<String>),
    NotIn(String, Vec<String>),
    Exists(String),
    Missing(String),
}

/// All conditions must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selector(Vec<Condition>);

/// A selector that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SelectorError(String);

impl fmt::Display for SelectorError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "`{}` is not a condition on a label; write key=value, key!=value, key in (a,b), key notin (a,b), key or !key",
            self.0
        )
    }
}

impl std::error::Error for SelectorError {}

impl std::str::FromStr for Selector {
    type Err = SelectorError;

    fn from_str(text: &str) -> Result<Self, SelectorError> {
        split(text).into_iter().map(|part| condition(part.trim())).collect::<Result<_, _>>().map(Self)
    }
}

/// Splits at commas that are not within parentheses.
fn split(text: &str) -> Vec<&str> {
    let mut depth = 0;
    text.split(|character| {
        match character {
            '(' => depth += 1,
            ')' => depth -= 1,
            _ => {}
        }
        character == ',' && depth == 0
    })
    .collect()
}

fn condition(part: &str) -> Result<Condition, SelectorError> {
    let error = || SelectorError(part.to_owned());
    let key = |text: &str| {
        let text = text.trim();
        let fits =
            !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-/".contains(&b));
        if fits { Ok(text.to_owned()) } else { Err(error()) }
    };
    let set = |text: &str| -> Result<Vec<String>, SelectorError> {
        let inner =
            text.trim().strip_prefix('(').and_then(|rest| rest.strip_suffix(')')).ok_or_else(error)?;
        Ok(inner.split(',').map(|value| value.trim().to_owned()).collect())
    };
    if let Some((name, value)) = part.split_once("!=") {
        return Ok(Condition::NotIn(key(name)?, vec![value.trim().to_owned()]));
    }
    if let Some((name, value)) = part.split_once("==").or_else(|| part.split_once('=')) {
        return Ok(Condition::In(key(name)?, vec![value.trim().to_owned()]));
    }
    if let Some((name, values)) = part.split_once(" notin ") {
        return Ok(Condition::NotIn(key(name)?, set(values)?));
    }
    if let Some((name, values)) = part.split_once(" in ") {
        return Ok(Condition::In(key(name)?, set(values)?));
    }
    match part.strip_prefix('!') {
        Some(name) => Ok(Condition::Missing(key(name)?)),
        None => Ok(Condition::Exists(key(part)?)),
    }
}

impl Selector {
    /// The labels that it asks for, each with the values that it names.
    pub fn asked(&self) -> impl Iterator<Item = (&str, &[String])> {
        self.0.iter().map(|condition| match condition {
            Condition::In(key, values) | Condition::NotIn(key, values) => (key.as_str(), values.as_slice()),
            Condition::Exists(key) | Condition::Missing(key) => (key.as_str(), &[][..]),
        })
    }

    /// Whether labels meet every condition.
    #[must_use]
    pub fn matches(&self, labels: &Map<String, Value>) -> bool {
        let text = |key: &str| labels.get(key).and_then(Value::as_str);
        self.0.iter().all(|condition| match condition {
            Condition::In(key, values) => {
                text(key).is_some_and(|have| values.iter().any(|value| value == have))
            }
            Condition::NotIn(key, values) => {
                text(key).is_none_or(|have| values.iter().all(|value| value != have))
            }
            Condition::Exists(key) => labels.contains_key(key),
            Condition::Missing(key) => !labels.contains_key(key),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[track_caller]
    fn check(selector: &str, expected: bool) {
        let labels = json!({"tier": "gold", "team": "a"});
        let selector: Selector = selector.parse().unwrap();
        assert_eq!(selector.matches(labels.as_object().unwrap()), expected, "{selector:?}");
    }

    #[test]
    fn every_condition_must_hold() {
        check("tier=gold", true);
        check("tier==gold,team in (a, b)", true);
        check("tier!=gold", false);
        check("region!=x,!region,team", true);
        check("team notin (a,b)", false);
    }

    #[test]
    fn what_is_no_condition_is_named() {
        for bad in ["", "=x", "a b", "tier in gold", "tier=gold,,"] {
            assert!(bad.parse::<Selector>().is_err(), "{bad}");
        }
    }
}
