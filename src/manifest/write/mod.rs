//! From rows and entries back to manifests that declare exactly the same.
//!
//! That they do is not hoped for: what is written goes through the same checks and layers as any manifest, and is
//! compared with the row. Where no manifest can say what a row says, that is noted.

pub mod rows;
pub mod yaml;

use std::sync::Arc;

use serde_json::{Map, Value, json};

use crate::model::{FileId, ResourceKey, Scope, SourceRef};

use super::admit::{Context, Output};
use super::expand::{Layers, TemplateLayer, WorkspaceLayer};
use super::problem::{Problem, Target};
use super::schema;
use super::variables;

/// The manifest that declares exactly a canonical spec, in whatever project it is read: what looks like a variable in its
/// texts is written so that it is none.
#[must_use]
pub fn manifest_of(key: &ResourceKey, canonical: &Value) -> Value {
    let mut manifest = literally(key, canonical);
    variables::escape_texts(&mut manifest);
    manifest
}

/// [`manifest_of`], for where nothing is a variable.
#[must_use]
pub fn literally(key: &ResourceKey, canonical: &Value) -> Value {
    let mut metadata = Map::new();
    metadata.insert("name".to_owned(), json!(&*key.name));
    if key.kind.scope == Scope::Workspace {
        metadata.insert("workspace".to_owned(), json!(&*key.workspace));
    }
    if let Some(labels) =
        canonical.get("labels").filter(|labels| labels.as_object().is_some_and(|map| !map.is_empty()))
    {
        metadata.insert("labels".to_owned(), labels.clone());
    }
    schema::envelope(key.kind.name, metadata, canonical.get("spec").cloned().unwrap_or_default())
}

/// A row as a manifest.
#[derive(Clone, Debug)]
pub struct Written {
    /// Kind, workspace, name.
    pub key: ResourceKey,
    /// The manifest.
    pub manifest: Value,
    /// What a reader should know; comments before the document.
    pub notes: Vec<String>,
    /// Whether a plan on the manifest leaves the row as it is.
    pub is_exact: bool,
}

impl Written {
    /// The document with its comments.
    #[must_use]
    pub fn text(&self) -> String {
        let comment = |note: &String| {
            let line: String = note.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
            format!("# {line}\n")
        };
        let comments: String = self.notes.iter().map(comment).collect();
        format!("{comments}{}", yaml::document(&self.manifest))
    }
}

/// Writes rows as manifests.
#[derive(Debug)]
pub struct Composer {
    context: Context,
    skip_defaults: bool,
}

const NOWHERE: SourceRef = SourceRef { file: FileId(0), start: 0, end: 0, row: None };

impl Composer {
    /// A composer for manifests that stand beside these workspaces and templates (canonical specs; others are passed over).
    #[must_use]
    pub fn new<'a>(
        default_workspace: Option<String>,
        layers: impl Iterator<Item = (&'a ResourceKey, &'a Value)>,
        skip_defaults: bool,
    ) -> Self {
        let mut context = Context { layers: Layers::new(default_workspace), ..Context::default() };
        for (key, canonical) in layers {
            let spec = canonical.get("spec").unwrap_or(&Value::Null);
            match key.kind.name {
                "Workspace" => {
                    context.workspaces.insert(key.name.to_string(), Arc::clone(&key.workspace));
                    context.layers.workspaces.insert(key.name.to_string(), WorkspaceLayer::new(spec));
                }
                "TenantTemplate" => {
                    let place = (key.workspace.to_string(), key.name.to_string());
                    context.layers.templates.insert(place, TemplateLayer::new(spec));
                }
                _ => {}
            }
        }
        Self { context, skip_defaults }
    }

    /// A row as a manifest.
    #[must_use]
    pub fn compose(&self, key: &ResourceKey, canonical: &Value) -> Written {
        let manifest = manifest_of(key, canonical);
        let mut written = Written { key: key.clone(), manifest, notes: Vec::new(), is_exact: false };
        // Each round mends one thing.
        for _ in 0..8 {
            match self.expanded(&written) {
                Err(problems) => {
                    if !mend(&mut written, &problems) {
                        written.notes.extend(
                            problems
                                .iter()
                                .map(|problem| format!("not valid: {} ({})", problem.message, problem.code)),
                        );
                        return written;
                    }
                }
                Ok(expanded) => {
                    if without_nulls(&expanded) == without_nulls(canonical) {
                        written.is_exact = true;
                        if self.skip_defaults {
                            self.slim(&mut written, &expanded);
                        }
                        return written;
                    }
                    if !deny_layers(&mut written, canonical, &expanded) {
                        return written;
                    }
                }
            }
        }
        written
    }

    /// What the manifest comes to with all layers, read as any other.
    fn expanded(&self, written: &Written) -> Result<Value, Vec<Problem>> {
        let mut out = Output::default();
        let mut manifest = written.manifest.clone();
        if self.context.variables.put_into(written.key.kind, &mut manifest, NOWHERE, &mut out.problems) {
            self.context.admit(written.key.kind, manifest, NOWHERE, &mut out);
        }
        match out.entries.first() {
            Some(entry) => Ok(serde_json::from_str(&entry.canonical).unwrap_or_default()),
            None => Err(out.problems),
        }
    }

    /// Takes out what comes to the same without.
    fn slim(&self, written: &mut Written, expanded: &Value) {
        let mut paths = Vec::new();
        for pointer in ["/spec", "/metadata/labels"] {
            if let Some(value) = written.manifest.pointer(pointer) {
                gather(pointer, value, written.key.kind.name == "Tenant", &mut paths);
            }
        }
        for pointer in paths {
            let mut slimmer = written.clone();
            if remove(&mut slimmer.manifest, &pointer)
                && self.expanded(&slimmer).is_ok_and(|found| found == *expanded)
            {
                written.manifest = slimmer.manifest;
            }
        }
        for (parent, name) in [("/metadata", "labels"), ("/spec", "metadata")] {
            if let Some(Value::Object(map)) = written.manifest.pointer_mut(parent)
                && map.get(name).and_then(Value::as_object).is_some_and(Map::is_empty)
            {
                map.shift_remove(name);
            }
        }
    }
}

/// The places that may hold a default, parents first. Of tenants, only those that a layer or a default can give.
fn gather(pointer: &str, value: &Value, is_tenant: bool, paths: &mut Vec<String>) {
    let Value::Object(map) = value else { return };
    for (key, inner) in map {
        let path = format!("{pointer}/{}", key.replace('~', "~0").replace('/', "~1"));
        let can_be_given = ["status", "type", "market", "region", "industry"].contains(&key.as_str());
        if is_tenant && pointer == "/spec" {
            if can_be_given {
                paths.push(path);
            } else if key == "metadata" {
                gather(&path, inner, true, paths);
            }
            continue;
        }
        paths.push(path.clone());
        if !is_tenant {
            gather(&path, inner, false, paths);
        }
    }
}

fn remove(manifest: &mut Value, pointer: &str) -> bool {
    let Some((parent, last)) = pointer.rsplit_once('/') else { return false };
    let last = last.replace("~1", "/").replace("~0", "~");
    match manifest.pointer_mut(parent) {
        Some(Value::Object(map)) => map.shift_remove(&last).is_some(),
        _ => false,
    }
}

/// Takes out what no manifest may hold. False when there is nothing more to take out.
fn mend(written: &mut Written, problems: &[Problem]) -> bool {
    for problem in problems {
        let (Target::Value(pointer) | Target::Key(pointer)) = &problem.target else { continue };
        match problem.code {
            "SX0205" | "SX0206" => {
                let Some(Value::String(name)) = written.manifest.pointer("/spec/template").cloned() else {
                    continue;
                };
                remove(&mut written.manifest, "/spec/template");
                let why = if problem.code == "SX0205" {
                    "there is no such template".to_owned()
                } else {
                    problem.message.clone()
                };
                written.notes.push(format!("the row names template {name}, this manifest cannot: {why}"));
                return true;
            }
            "SX0160" if pointer.starts_with("/spec/") && remove(&mut written.manifest, pointer) => {
                let field = pointer.trim_start_matches("/spec/").replace('/', ".");
                written.notes.push(format!(
                    "{field} holds something else than a reference to a secret, which is not written down: name where the secret is"
                ));
                return true;
            }
            _ => {}
        }
    }
    false
}

/// Says no to what the layers would give and the row does not have. False when that cannot be said, or is not it.
fn deny_layers(written: &mut Written, canonical: &Value, expanded: &Value) -> bool {
    let mut denied = Vec::new();
    let given =
        |pointer: &str| expanded.pointer(pointer).and_then(Value::as_object).cloned().unwrap_or_default();
    let has = |pointer: &str, key: &str| {
        canonical.pointer(pointer).and_then(Value::as_object).is_some_and(|map| map.contains_key(key))
    };
    let spec = written.manifest.get_mut("spec").and_then(Value::as_object_mut);
    if let Some(spec) = spec {
        for (key, value) in given("/spec/metadata") {
            if !value.is_null() && !has("/spec/metadata", &key) {
                let own = spec.entry("metadata").or_insert_with(|| json!({}));
                if let Value::Object(own) = own {
                    denied.push(format!("metadata.{key}"));
                    own.insert(key, Value::Null);
                }
            }
        }
    }
    if !denied.is_empty() {
        let fields = denied.join(", ");
        written
            .notes
            .push(format!("null: the row has no {fields}, which the template or the workspace would give"));
        return true;
    }
    let labels = given("/labels").into_iter().map(|(key, _)| key).filter(|key| !has("/labels", key));
    let mut added: Vec<String> = labels.map(|key| format!("labels.{key}")).collect();
    if expanded.pointer("/spec/industry").is_some() && !has("/spec", "industry") {
        added.push("industry".to_owned());
    }
    written.notes.push(if added.is_empty() {
        "a plan would change the row to what this says: no manifest can say what is in it".to_owned()
    } else {
        let added = added.join(", ");
        format!("the row lacks what the workspace gives to its tenants, and a plan would add it: {added}")
    });
    false
}

/// A canonical spec in which absent, null and empty are one.
pub(super) fn without_nulls(canonical: &Value) -> Value {
    let mut bare = canonical.clone();
    for pointer in ["/spec/metadata", "/spec"] {
        if let Some(Value::Object(map)) = bare.pointer_mut(pointer) {
            map.retain(|_, value| !value.is_null() && value.as_object().is_none_or(|map| !map.is_empty()));
        }
    }
    bare
}
