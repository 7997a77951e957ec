//! Changes manifests as a person would: the text of a file goes in, and comes out with a field set or taken out, and all
//! else as it was, byte for byte: comments, order, blank lines, quotes, line ends.
//!
//! The places are found with the project's own reader, so there is no second opinion on what a text means. What is written
//! is read again and compared with what was wanted: if anything else changed, nothing is written. Where the text cannot say
//! what is wanted without a wider change (an anchor that others use, a variable within a text), that is refused with the
//! reason.
//!
//! Read in this order: [`document`], [`table`] for texts, [`wanted`] for what to change in them, [`verify`].

mod block;
pub mod document;
mod flow;
mod list;
pub mod order;
mod scalar;
mod splice;
pub mod table;
pub mod verify;
pub mod wanted;

#[cfg(test)]
mod tests;

use serde_json::{Map, Value};
use thiserror::Error;

use crate::model::ResourceKey;

pub use order::{Edited, Orders};

/// A text that cannot be changed as wanted.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{why}")]
pub struct Refusal {
    /// The byte of the file that the reason is about.
    pub at: usize,
    /// Why not, and what to do about it.
    pub why: String,
}

impl Refusal {
    pub(super) fn new(at: usize, why: impl Into<String>) -> Self {
        Self { at, why: why.into() }
    }
}

/// One change of a document. Pointers are JSON pointers from its root.
#[derive(Clone, Debug, PartialEq)]
pub enum Edit {
    /// The value at a pointer is this one. Maps on the way that are not there are made.
    Set(String, Value),
    /// The field or item at a pointer is gone, and the maps around it that nothing else is in.
    Remove(String),
}

/// What a command changes of a declared resource, in the words of its canonical spec: `/spec/status`, `/labels/tier`.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    /// The resource.
    pub key: ResourceKey,
    /// Fields and their values.
    pub set: Vec<(String, Value)>,
    /// Fields that are no longer there.
    pub unset: Vec<String>,
}

impl Change {
    /// Nothing yet.
    #[must_use]
    pub fn of(key: ResourceKey) -> Self {
        Self { key, set: Vec::new(), unset: Vec::new() }
    }

    /// Sets a field too.
    #[must_use]
    pub fn set(mut self, pointer: impl Into<String>, value: impl Into<Value>) -> Self {
        self.set.push((pointer.into(), value.into()));
        self
    }

    /// Takes a field out too.
    #[must_use]
    pub fn unset(mut self, pointer: impl Into<String>) -> Self {
        self.unset.push(pointer.into());
        self
    }

    /// Whether nothing is changed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.set.is_empty() && self.unset.is_empty()
    }

    /// A canonical spec with the change made.
    #[must_use]
    pub fn over(&self, canonical: &Value) -> Value {
        let mut changed = canonical.clone();
        for pointer in &self.unset {
            remove(&mut changed, pointer);
        }
        for (pointer, value) in &self.set {
            set(&mut changed, pointer, value.clone());
        }
        changed
    }
}

/// The steps of a JSON pointer.
pub(super) fn steps(pointer: &str) -> Vec<String> {
    pointer.split('/').skip(1).map(|step| step.replace("~1", "/").replace("~0", "~")).collect()
}

/// A step of a JSON pointer.
#[must_use]
pub fn escape(step: &str) -> String {
    step.replace('~', "~0").replace('/', "~1")
}

/// Sets a value. Says whether there was a place for it: a list takes no new items, and what is no map gives way only to
/// one where it is null.
pub(super) fn set(value: &mut Value, pointer: &str, to: Value) -> bool {
    let mut at = value;
    for step in steps(pointer) {
        if at.is_null() {
            *at = Value::Object(Map::new());
        }
        at = match at {
            Value::Object(map) => map.entry(step).or_insert(Value::Null),
            Value::Array(items) => match step.parse::<usize>().ok().and_then(|index| items.get_mut(index)) {
                Some(item) => item,
                None => return false,
            },
            _ => return false,
        };
    }
    *at = to;
    true
}

/// Takes a value out, and the maps around it that nothing else is in, up to the second level of a document.
pub(super) fn remove(value: &mut Value, pointer: &str) -> bool {
    let Some((parent, last)) = pointer.rsplit_once('/') else { return false };
    let last = last.replace("~1", "/").replace("~0", "~");
    let (removed, is_empty) = match value.pointer_mut(parent) {
        Some(Value::Object(map)) => (map.shift_remove(&last).is_some(), map.is_empty()),
        Some(Value::Array(items)) => match last.parse::<usize>() {
            Ok(index) if index < items.len() => {
                items.remove(index);
                (true, false)
            }
            _ => (false, false),
        },
        _ => (false, false),
    };
    // An item of a list stays, as an empty map.
    let outer = parent.rsplit_once('/').and_then(|(outer, _)| value.pointer(outer));
    if removed && is_empty && parent.matches('/').count() > 1 && outer.is_some_and(Value::is_object) {
        remove(value, parent);
    }
    removed
}
