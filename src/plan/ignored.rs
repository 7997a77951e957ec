//! Fields that somebody else looks after: a plan leaves them as they are in the row.
//!
//! What is declared stays what is declared: it is what goes on record and what drift is told from, so that a field counts
//! again, with whoever wrote it, from the day its rule ends. Only where everything in a row is as synthex wrote it is the
//! value that stays synthex's own.

use serde_json::{Map, Value, json};

use crate::model::{Digest, Entry, KeyPattern, KindRef, ResourceKey};

use super::observed::Head;

/// A rule that holds now.
#[derive(Clone, Debug)]
pub struct Ignore {
    /// Which resources.
    pub target: KeyPattern,
    /// The steps of the field as a plan's difference has them: `["metadata", "notes"]`, `["labels", "tier"]`.
    pub path: Vec<String>,
}

impl Ignore {
    /// Reads a JSON pointer into a spec; `/labels/KEY` is a label.
    #[must_use]
    pub fn new(target: &str, pointer: &str) -> Self {
        Self { target: KeyPattern::new(target), path: steps(pointer) }
    }

    /// Whether the rule covers a field of a plan's difference: `["metadata", "notes"]`.
    #[must_use]
    pub fn covers(&self, key: &ResourceKey, field: &[String]) -> bool {
        self.target.matches(key) && field.starts_with(&self.path)
    }
}

/// A field that an action leaves as it is in the row, although something else is declared.
#[derive(Clone, Debug, PartialEq)]
pub struct Left {
    /// The steps of the field, as a rule has them.
    pub path: Vec<String>,
    /// The value in the row; `None` when absent.
    pub value: Option<Value>,
}

impl Left {
    /// The field as a rule names it: `/metadata/notes`.
    #[must_use]
    pub fn pointer(&self) -> String {
        pointer(&self.path)
    }
}

/// A field as a rule names it: `/metadata/notes`.
#[must_use]
pub fn pointer(path: &[String]) -> String {
    path.iter().map(|step| format!("/{}", step.replace('~', "~0").replace('/', "~1"))).collect()
}

/// The steps of a JSON pointer.
fn steps(pointer: &str) -> Vec<String> {
    pointer.split('/').skip(1).map(|step| step.replace("~1", "/").replace("~0", "~")).collect()
}

/// The same steps from the root of a canonical spec.
fn from_root(path: &[String]) -> impl Iterator<Item = &str> {
    let spec = path.first().is_none_or(|first| first != "labels").then_some("spec");
    spec.into_iter().chain(path.iter().map(String::as_str))
}

fn value_at<'a>(canonical: &'a Value, path: &[String]) -> Option<&'a Value> {
    from_root(path).try_fold(canonical, |value, step| value.get(step))
}

/// What the rules leave in a row that is to become as declared: fields in which the two are not the same.
#[must_use]
pub fn left(rules: &[Ignore], key: &ResourceKey, observed: &Value, declared: &Value) -> Vec<Left> {
    let covering = rules.iter().filter(|rule| rule.target.matches(key));
    let mut left: Vec<Left> = covering
        .filter(|rule| value_at(observed, &rule.path) != value_at(declared, &rule.path))
        .map(|rule| Left { path: rule.path.clone(), value: value_at(observed, &rule.path).cloned() })
        .collect();
    left.sort_by(|one, other| one.path.cmp(&other.path));
    left.dedup_by(|later, earlier| later.path.starts_with(&earlier.path));
    left
}

/// A canonical spec with the values that are left in the row.
pub fn put_left(canonical: &mut Value, left: &[Left]) {
    for field in left {
        let steps: Vec<&str> = from_root(&field.path).collect();
        put(canonical, &steps, field.value.clone());
    }
}

fn put(into: &mut Value, path: &[&str], value: Option<Value>) {
    let Some((last, parents)) = path.split_last() else { return };
    let mut current = into;
    for step in parents {
        let Value::Object(map) = current else { return };
        if !map.contains_key(*step) && value.is_none() {
            return;
        }
        current = map.entry(*step).or_insert_with(|| Value::Object(Map::new()));
    }
    let Value::Object(map) = current else { return };
    match value {
        Some(value) => drop(map.insert((*last).to_owned(), value)),
        None => drop(map.shift_remove(*last)),
    }
}

/// What becomes of a row for which rules hold.
#[derive(Debug)]
pub struct Outcome {
    /// What is declared, with what is left put in: what the row will hold.
    pub written: Value,
    /// What counts as declared, where that is not simply what the manifest says.
    pub declared: Option<(Box<str>, Digest)>,
    /// What is left to somebody else.
    pub left: Vec<Left>,
    /// Whether something else wrote nothing in the row but what is left to it, as far as that can be told.
    pub only_left_differs: bool,
}

/// Applies the rules to a row.
#[must_use]
pub fn apply(rules: &[Ignore], entry: &Entry, head: &Head, observed: &Value) -> Outcome {
    let mut written: Value = serde_json::from_str(&entry.canonical).unwrap_or_default();
    let left = left(rules, &entry.key, observed, &written);
    if left.is_empty() {
        return Outcome { written, declared: None, left, only_left_differs: false };
    }
    let kind = entry.key.kind;
    let taken_back: Vec<Left> = left
        .iter()
        .map(|field| Left { value: value_at(&written, &field.path).cloned(), path: field.path.clone() })
        .collect();
    put_left(&mut written, &left);
    let is_own = match head.digest {
        Some(_) => digest_of(kind, observed) == head.digest,
        None => !head.touched,
    };
    if is_own {
        // No trace of anybody else: it counts as synthex's own value, which a rule keeps from becoming what is declared by now.
        if let Some(canonical) = kind.canonical_of(&written) {
            let digest = Digest::of(canonical.as_bytes());
            let declared = Some((canonical.into_boxed_str(), digest));
            return Outcome { written, declared, left: Vec::new(), only_left_differs: false };
        }
    }
    let mut without = observed.clone();
    put_left(&mut without, &taken_back);
    let only_left_differs = head.digest.is_some() && digest_of(kind, &without) == head.digest;
    Outcome { written, declared: None, left, only_left_differs }
}

fn digest_of(kind: KindRef, canonical: &Value) -> Option<Digest> {
    kind.canonical_of(canonical).map(|text| Digest::of(text.as_bytes()))
}

/// The member of a recorded spec that names what was left to somebody else.
const MEMBER: &str = "ignored";

/// A canonical spec as it goes on record: what is declared, with a note of what was left to somebody else.
#[must_use]
pub fn noted(canonical: &str, left: &[Left]) -> String {
    let mut recorded: Value = serde_json::from_str(canonical).unwrap_or_default();
    recorded[MEMBER] = left.iter().map(|field| json!(field.pointer())).collect();
    recorded.to_string()
}

/// The fields that a recorded spec names as left to somebody else.
#[must_use]
pub fn noted_in(recorded: &Value) -> Vec<Vec<String>> {
    let pointers = recorded.get(MEMBER).and_then(Value::as_array).into_iter().flatten();
    pointers.filter_map(Value::as_str).map(steps).collect()
}
