//! Fields that somebody else looks after: the plan takes their value from the database.

use serde_json::{Map, Value};

use crate::model::{KeyPattern, ResourceKey};

/// A rule that holds now.
#[derive(Clone, Debug)]
pub struct Ignore {
    /// Which resources.
    pub target: KeyPattern,
    /// The steps from the canonical form: `["spec", "metadata", "notes"]`, `["labels", "tier"]`.
    pub path: Vec<String>,
}

impl Ignore {
    /// Reads a JSON pointer into a spec; `/labels/KEY` is a label.
    #[must_use]
    pub fn new(target: &str, pointer: &str) -> Self {
        let mut path: Vec<String> =
            pointer.split('/').skip(1).map(|step| step.replace("~1", "/").replace("~0", "~")).collect();
        if path.first().is_none_or(|first| first != "labels") {
            path.insert(0, "spec".to_owned());
        }
        Self { target: KeyPattern::new(target), path }
    }

    /// Whether the rule covers a field of a plan's difference: `["metadata", "notes"]`.
    #[must_use]
    pub fn covers(&self, key: &ResourceKey, field: &[String]) -> bool {
        let path =
            if self.path.first().is_some_and(|first| first == "spec") { &self.path[1..] } else { &self.path };
        self.target.matches(key) && field.starts_with(path)
    }
}

/// Puts the observed values of ignored fields into a declared spec. Says whether anything changed by that.
pub fn take_observed(rules: &[Ignore], key: &ResourceKey, observed: &Value, declared: &mut Value) -> bool {
    let mut changed = false;
    for rule in rules.iter().filter(|rule| rule.target.matches(key)) {
        let value = rule.path.iter().try_fold(observed, |value, step| value.get(step)).cloned();
        changed |= put(declared, &rule.path, value);
    }
    changed
}

fn put(into: &mut Value, path: &[String], value: Option<Value>) -> bool {
    let Some((last, parents)) = path.split_last() else { return false };
    let mut current = into;
    for step in parents {
        let Value::Object(map) = current else { return false };
        if !map.contains_key(step) && value.is_none() {
            return false;
        }
        current = map.entry(step).or_insert_with(|| Value::Object(Map::new()));
    }
    let Value::Object(map) = current else { return false };
    match value {
        Some(value) if map.get(last) == Some(&value) => false,
        Some(value) => {
            map.insert(last.clone(), value);
            true
        }
        None => map.shift_remove(last).is_some(),
    }
}
