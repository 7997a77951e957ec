//! Templates and workspace defaults, laid under what a tenant says itself.
//!
//! The layers from weakest to strongest: the workspace's market and region and its `defaults`, the template, the tenant.
//! Single fields are taken from the strongest layer that has them; the maps `metadata` and `labels` are merged key by key.

use std::collections::HashMap;

use serde_json::{Map, Value};

use crate::kinds::tenant_template;
use crate::model::diagnostic::did_you_mean;

/// What a template gives to its tenants.
#[derive(Clone, Debug, Default)]
pub struct TemplateLayer {
    /// `type`, `market`, `region`.
    pub fields: Vec<(&'static str, Value)>,
    /// `defaultMetadata`.
    pub metadata: Map<String, Value>,
    /// `requiredFields`.
    pub required: Vec<String>,
}

impl TemplateLayer {
    /// Reads a template's spec.
    #[must_use]
    pub fn new(spec: &Value) -> Self {
        let mut layer = Self::default();
        for field in ["type", "market", "region"] {
            if let Some(value) = spec.get(field).filter(|value| !value.is_null()) {
                layer.fields.push((field, value.clone()));
            }
        }
        if let Some(Value::Object(metadata)) = spec.get("defaultMetadata") {
            layer.metadata = metadata.clone();
        }
        let required = spec.get("requiredFields").and_then(Value::as_array);
        layer.required =
            required.into_iter().flatten().filter_map(|field| field.as_str().map(str::to_owned)).collect();
        layer
    }
}

/// What a workspace gives to its tenants.
#[derive(Clone, Debug, Default)]
pub struct WorkspaceLayer {
    /// `market`, `region` and `industry`.
    pub fields: Vec<(&'static str, Value)>,
    /// `defaults.metadata`.
    pub metadata: Map<String, Value>,
    /// `defaults.labels`.
    pub labels: Map<String, Value>,
}

impl WorkspaceLayer {
    /// Reads a workspace's spec.
    #[must_use]
    pub fn new(spec: &Value) -> Self {
        let mut layer = Self::default();
        let map_at = |pointer| spec.pointer(pointer).and_then(Value::as_object).cloned().unwrap_or_default();
        for (field, pointer) in
            [("market", "/market"), ("region", "/region"), ("industry", "/defaults/industry")]
        {
            if let Some(value) = spec.pointer(pointer).filter(|value| !value.is_null()) {
                layer.fields.push((field, value.clone()));
            }
        }
        layer.metadata = map_at("/defaults/metadata");
        layer.labels = map_at("/defaults/labels");
        layer
    }
}

/// The layers of a project.
#[derive(Debug, Default)]
pub struct Layers {
    /// By workspace name.
    pub workspaces: HashMap<String, WorkspaceLayer>,
    /// By workspace and template name; the built-in ones under the empty workspace.
    pub templates: HashMap<(String, String), TemplateLayer>,
    /// The project's default workspace, whose templates every workspace may use.
    pub default_workspace: Option<String>,
}

impl Layers {
    /// Layers with the built-in templates.
    #[must_use]
    pub fn new(default_workspace: Option<String>) -> Self {
        let builtin = tenant_template::builtin().into_iter();
        let templates = builtin
            .map(|(name, spec)| ((String::new(), name.to_owned()), TemplateLayer::new(&spec)))
            .collect();
        Self { workspaces: HashMap::new(), templates, default_workspace }
    }

    /// A template as a tenant of a workspace sees it: its own workspace's, then the default workspace's, then built in.
    #[must_use]
    pub fn template(&self, workspace: &str, name: &str) -> Option<&TemplateLayer> {
        let places = [Some(workspace), self.default_workspace.as_deref(), Some("")];
        places
            .into_iter()
            .flatten()
            .find_map(|place| self.templates.get(&(place.to_owned(), name.to_owned())))
    }

    /// The template that a mistyped name most likely means.
    #[must_use]
    pub fn near_template(&self, workspace: &str, name: &str) -> Option<&str> {
        let visible = |place: &str| {
            place.is_empty() || place == workspace || self.default_workspace.as_deref() == Some(place)
        };
        let mut names: Vec<&str> = self
            .templates
            .keys()
            .filter(|(place, _)| visible(place))
            .map(|(_, name)| name.as_str())
            .collect();
        names.sort_unstable();
        did_you_mean(name, names)
    }

    /// Lays the layers under a tenant's spec and labels. Returns the fields its template requires and nobody gives.
    ///
    /// # Errors
    /// The name of the template, when there is none of that name.
    pub fn expand(
        &self,
        workspace: &str,
        spec: &mut Map<String, Value>,
        labels: &mut Map<String, Value>,
    ) -> Result<Vec<String>, String> {
        let template = match spec.get("template").and_then(Value::as_str) {
            Some(name) => Some(self.template(workspace, name).ok_or_else(|| name.to_owned())?),
            None => None,
        };
        let base = self.workspaces.get(workspace);
        let fields =
            template.map(|layer| &layer.fields).into_iter().chain(base.map(|layer| &layer.fields)).flatten();
        for (field, value) in fields {
            if !spec.contains_key(*field) {
                spec.insert((*field).to_owned(), value.clone());
            }
        }
        let metadata =
            template.map(|layer| &layer.metadata).into_iter().chain(base.map(|layer| &layer.metadata));
        for layer in metadata.filter(|layer| !layer.is_empty()) {
            let own = spec.entry("metadata").or_insert_with(|| Value::Object(Map::new()));
            if let Value::Object(own) = own {
                merge_under(own, layer);
            }
        }
        if let Some(base) = base {
            merge_under(labels, &base.labels);
        }
        let required = template.map(|layer| layer.required.as_slice()).unwrap_or_default();
        Ok(required.iter().filter(|field| !has(spec, field)).cloned().collect())
    }
}

fn merge_under(own: &mut Map<String, Value>, layer: &Map<String, Value>) {
    for (key, value) in layer {
        if !own.contains_key(key) {
            own.insert(key.clone(), value.clone());
        }
    }
}

/// Whether a spec gives a field named as `contact.email` or `metadata.KEY`; a metadata key may hold dots itself.
fn has(spec: &Map<String, Value>, field: &str) -> bool {
    let (first, rest) = field.split_once('.').map_or((field, None), |(first, rest)| (first, Some(rest)));
    let value = match (spec.get(first), rest) {
        (Some(Value::Object(map)), Some(rest)) => map.get(rest),
        (value, None) => value,
        _ => None,
    };
    value.is_some_and(|value| !value.is_null() && value.as_str() != Some(""))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn layers() -> Layers {
        let mut layers = Layers::new(Some("main".to_owned()));
        let workspace = json!({"market": "ANZ_SMB", "region": "NZ-NR1", "defaults": {"metadata": {"a": 1, "b": 1}, "labels": {"x": "w"}}});
        layers.workspaces.insert("w".to_owned(), WorkspaceLayer::new(&workspace));
        let template = json!({"type": "shopify", "region": "AU-SE1", "defaultMetadata": {"b": 2, "c": 2}, "requiredFields": ["shopifyShop", "metadata.c"]});
        layers.templates.insert(("main".to_owned(), "t".to_owned()), TemplateLayer::new(&template));
        layers
    }

    fn object(value: Value) -> Map<String, Value> {
        match value {
            Value::Object(map) => map,
            _ => Map::new(),
        }
    }

    #[test]
    fn the_strongest_layer_wins_field_by_field_and_key_by_key() {
        let mut spec = object(json!({"template": "t", "metadata": {"c": 3}}));
        let mut labels = object(json!({"x": "own"}));
        let missing = layers().expand("w", &mut spec, &mut labels).unwrap();
        assert_eq!(missing, ["shopifyShop"]);
        assert_eq!(spec["type"], "shopify");
        assert_eq!(spec["market"], "ANZ_SMB");
        assert_eq!(spec["region"], "AU-SE1");
        assert_eq!(spec["metadata"], json!({"a": 1, "b": 2, "c": 3}));
        assert_eq!(labels["x"], "own");
    }

    #[test]
    fn an_unknown_template_is_named_and_a_near_one_offered() {
        let mut spec = object(json!({"template": "shopify-smb-anx"}));
        let layers = layers();
        assert_eq!(layers.expand("w", &mut spec, &mut Map::new()), Err("shopify-smb-anx".to_owned()));
        assert_eq!(layers.near_template("w", "shopify-smb-anx"), Some("shopify-smb-anz"));
    }
}
