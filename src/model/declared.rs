//! What is declared, in the form that a planner needs: keys, digests, canonical specs, and a way to ask where a value
//! comes from.

use serde_json::{Map, Value};

use super::digest::Digest;
use super::key::ResourceKey;
use super::position::{Position, SourceRef};

/// One declared resource.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Kind, workspace, name.
    pub key: ResourceKey,
    /// Digest of `canonical`.
    pub digest: Digest,
    /// `{"labels":{...},"spec":{...}}`, expanded and normalised.
    pub canonical: Box<str>,
    /// Whether it must not be deleted.
    pub protect: bool,
    /// Where it was declared.
    pub source: SourceRef,
}

/// The canonical spec of a resource: its labels, sorted, and its spec as its kind wrote it.
#[must_use]
pub fn canonical(mut labels: Map<String, Value>, spec: &str) -> String {
    labels.sort_keys();
    format!("{{\"labels\":{},\"spec\":{spec}}}", Value::Object(labels))
}

/// Where a value comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Written in the manifest or row.
    Manifest(Position),
    /// Set by a patch of an overlay.
    Overlay(Position),
    /// Given by a template.
    Template(String),
    /// Given by the workspace.
    Workspace(String),
    /// Nobody says anything: the field's default, or absent.
    Default,
}

/// Says where declared things come from. Positions are looked up when asked for, not kept for every field.
pub trait Sources {
    /// Where a resource was declared.
    fn declared_at(&mut self, entry: &Entry) -> Position;

    /// Where the value of a field comes from. The path is a plan's: `labels`, KEY, or the steps of a field of the spec.
    fn origin(&mut self, entry: &Entry, path: &[String]) -> Origin;

    /// Another that says the same, for another thread; `None` where there is only this one.
    fn another(&self) -> Option<Box<dyn Sources + Send + '_>> {
        None
    }
}
