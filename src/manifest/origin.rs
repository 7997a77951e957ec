//! Which layer a field's value comes from: the manifest, the template, the workspace, or a default.

use std::collections::HashMap;

use serde_json::Value;

use crate::model::{Entry, Origin, Position, ResourceKey, Sources};

use super::catalog::Catalog;
use super::expand::{Layers, TemplateLayer, WorkspaceLayer};
use super::overlay::Setter;
use super::resolve::Resolver;

/// Finds origins in a catalog.
pub struct Origins<'a> {
    catalog: &'a Catalog,
    resolver: Resolver<'a>,
    layers: Option<Layers>,
    specs: HashMap<ResourceKey, Value>,
}

impl<'a> Origins<'a> {
    /// Origins of a catalog's fields.
    #[must_use]
    pub fn new(catalog: &'a Catalog) -> Self {
        Self { catalog, resolver: Resolver::new(&catalog.files), layers: None, specs: HashMap::new() }
    }

    fn find(&mut self, entry: &Entry, path: &[String]) -> Origin {
        let steps: Vec<String> = path.iter().map(|step| step.replace('~', "~0").replace('/', "~1")).collect();
        let pointer = match steps.first().map(String::as_str) {
            Some("labels") => format!("/metadata/{}", steps.join("/")),
            _ => format!("/spec/{}", steps.join("/")),
        };
        match self.catalog.overlays.setter(&entry.key, &pointer) {
            Some(Setter::Sets(patch, place)) => {
                let position = self.resolver.field_at(&patch, &place);
                return Origin::Overlay(position.unwrap_or_else(|| self.resolver.declared_at(&patch)));
            }
            // What a patch takes out comes from the layers below, although the manifest has it.
            Some(Setter::Removes) => {}
            None => {
                if let Some(position) = self.resolver.field_at(&entry.source, &pointer) {
                    return Origin::Manifest(position);
                }
            }
        }
        self.below(entry, path)
    }

    /// Where the value of a field would come from if neither the manifest nor a patch said anything.
    pub fn below(&mut self, entry: &Entry, path: &[String]) -> Origin {
        if entry.key.kind.name != "Tenant" {
            return Origin::Default;
        }
        let template = self.spec(entry).get("template").and_then(Value::as_str).map(str::to_owned);
        let first = path.first().map_or("", String::as_str);
        let second = path.get(1).map(String::as_str);
        let workspace = entry.key.workspace.to_string();
        let layers = self.layers();
        if let Some(name) = template
            && let Some(layer) = layers.template(&workspace, &name)
        {
            let in_metadata =
                first == "metadata" && second.is_some_and(|key| layer.metadata.contains_key(key));
            if in_metadata || layer.fields.iter().any(|(field, _)| *field == first) {
                return Origin::Template(name);
            }
        }
        if let Some(layer) = layers.workspaces.get(&workspace) {
            let map = match first {
                "metadata" => Some(&layer.metadata),
                "labels" => Some(&layer.labels),
                _ => None,
            };
            let in_map = map.is_some_and(|map| second.is_some_and(|key| map.contains_key(key)));
            if in_map || layer.fields.iter().any(|(field, _)| *field == first) {
                return Origin::Workspace(workspace);
            }
        }
        Origin::Default
    }

    /// Where the layer that gives a field stands; `None` for defaults and built-in templates.
    pub fn place(&mut self, entry: &Entry, path: &[String], origin: &Origin) -> Option<Position> {
        let first = path.first().map_or("", String::as_str);
        let below = |parents: &[&str]| -> Vec<String> {
            parents.iter().map(|step| (*step).to_owned()).chain(path.iter().skip(1).cloned()).collect()
        };
        let catalog = self.catalog;
        let find = |kind: &str, workspace: &str, name: &str| {
            let rank = crate::kinds::find(kind)?.rank;
            let found = catalog.entries.binary_search_by(|entry| entry.key.cmp_parts(rank, workspace, name));
            found.ok().map(|index| &catalog.entries[index])
        };
        let (layer, path) = match origin {
            Origin::Manifest(position) | Origin::Overlay(position) => return Some(position.clone()),
            Origin::Default => return None,
            Origin::Template(name) => {
                let usual = catalog.project.spec.workspace.as_deref();
                let places = [Some(&*entry.key.workspace), usual];
                let layer =
                    places.into_iter().flatten().find_map(|place| find("TenantTemplate", place, name))?;
                (layer, if first == "metadata" { below(&["defaultMetadata"]) } else { path.to_vec() })
            }
            Origin::Workspace(name) => {
                let path = match first {
                    "metadata" | "labels" | "industry" => below(&["defaults", first]),
                    _ => path.to_vec(),
                };
                (find("Workspace", name, name)?, path)
            }
        };
        match self.find(layer, &path) {
            Origin::Manifest(position) | Origin::Overlay(position) => Some(position),
            _ => Some(self.resolver.declared_at(&layer.source)),
        }
    }

    fn spec(&mut self, entry: &Entry) -> &Value {
        self.specs.entry(entry.key.clone()).or_insert_with(|| spec_of(entry))
    }

    fn layers(&mut self) -> &Layers {
        let catalog = self.catalog;
        self.layers.get_or_insert_with(|| {
            let mut layers = Layers::new(catalog.project.spec.workspace.clone());
            for entry in &catalog.entries {
                match entry.key.kind.name {
                    "Workspace" => {
                        let layer = WorkspaceLayer::new(&spec_of(entry));
                        layers.workspaces.insert(entry.key.name.to_string(), layer);
                    }
                    "TenantTemplate" => {
                        let place = (entry.key.workspace.to_string(), entry.key.name.to_string());
                        layers.templates.insert(place, TemplateLayer::new(&spec_of(entry)));
                    }
                    _ => break,
                }
            }
            layers
        })
    }
}

fn spec_of(entry: &Entry) -> Value {
    let mut canonical: Value = serde_json::from_str(&entry.canonical).unwrap_or_default();
    canonical.get_mut("spec").map(Value::take).unwrap_or_default()
}

impl Sources for Origins<'_> {
    fn declared_at(&mut self, entry: &Entry) -> Position {
        self.resolver.declared_at(&entry.source)
    }

    fn origin(&mut self, entry: &Entry, path: &[String]) -> Origin {
        self.find(entry, path)
    }

    fn another(&self) -> Option<Box<dyn Sources + Send + '_>> {
        Some(Box::new(Origins::new(self.catalog)))
    }
}
