//! JSON Schemas (2020-12) made from the Rust types: one per kind, and one for any manifest.
//!
//! The same documents are written to `schemas/` for editors and compiled here for validation, so an editor and
//! `synthex validate` cannot disagree.

use std::sync::OnceLock;

use jsonschema::{Draft, Validator};
use schemars::generate::SchemaSettings;
use schemars::transform::{RecursiveTransform, Transform};
use schemars::{JsonSchema, Schema};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::kinds::{self, KINDS, stored};
use crate::model::key::NAME_PATTERN;
use crate::model::text::{Labels, NULL_MARK, Text};
use crate::model::{KindRef, Scope};

/// The API group and version of every manifest.
pub const API_VERSION: &str = "synthex.dev/v1";

/// A manifest, put together from its parts: `json!` would copy them.
#[must_use]
pub fn envelope(kind: &str, metadata: Map<String, Value>, spec: Value) -> Value {
    let mut manifest = Map::with_capacity(4);
    manifest.insert("apiVersion".to_owned(), API_VERSION.into());
    manifest.insert("kind".to_owned(), kind.into());
    manifest.insert("metadata".to_owned(), Value::Object(metadata));
    manifest.insert("spec".to_owned(), spec);
    Value::Object(manifest)
}

/// Where the schemas' `$id`s start. Nothing is fetched from there.
const BASE: &str = "https://synthex.dev/schemas/v1";

/// What identifies a resource within the project.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(rename = "Metadata")]
pub struct ScopedMetadata {
    /// The name: letters, digits, `.`, `_` and `-`, at most 128 characters. For a tenant, the tenant's id.
    #[schemars(regex(pattern = NAME_PATTERN))]
    pub name: Text,
    /// The workspace. Left out, the project's default workspace.
    #[serde(default)]
    #[schemars(regex(pattern = NAME_PATTERN))]
    pub workspace: Option<Text>,
    /// Texts to select by.
    #[serde(default)]
    pub labels: Labels,
}

/// What identifies a resource that is in no workspace.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(rename = "GlobalMetadata")]
pub struct GlobalMetadata {
    /// The name: letters, digits, `.`, `_` and `-`, at most 128 characters.
    #[schemars(regex(pattern = NAME_PATTERN))]
    pub name: Text,
    /// Texts to select by.
    #[serde(default)]
    pub labels: Labels,
}

/// The schema of one kind's manifests.
#[must_use]
pub fn of_kind(kind: KindRef) -> Value {
    let (body, definitions) = kind_body(kind, "");
    let mut root = Map::new();
    root.insert("$schema".into(), json!("https://json-schema.org/draft/2020-12/schema"));
    root.insert("$id".into(), json!(format!("{BASE}/{}", file_name(kind))));
    root.extend(body);
    if !definitions.is_empty() {
        root.insert("$defs".into(), Value::Object(definitions));
    }
    Value::Object(root)
}

/// The schema of any manifest: it looks at `kind` and applies that kind's schema.
#[must_use]
pub fn of_any() -> Value {
    let mut definitions = Map::new();
    let mut branches = Vec::new();
    for kind in KINDS {
        let (body, inner) = kind_body(kind, kind.name);
        definitions.extend(inner);
        definitions.insert(kind.name.to_owned(), Value::Object(body));
        branches.push(json!({
            "if": {"properties": {"kind": {"const": kind.name}}, "required": ["kind"]},
            "then": {"$ref": format!("#/$defs/{}", kind.name)},
        }));
    }
    let names: Vec<_> = KINDS.iter().map(|kind| kind.name).collect();
    let about: Vec<_> = KINDS.iter().map(|kind| kind.about).collect();
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": format!("{BASE}/manifest.schema.json"),
        "title": "synthex manifest",
        "description": "One document of a synthex manifest. `kind` says which fields it has.",
        "type": "object",
        "required": ["apiVersion", "kind", "metadata", "spec"],
        "properties": {
            "apiVersion": {"description": "The version of the manifest format.", "const": API_VERSION},
            "kind": {"description": "What the document declares.", "enum": names, "enumDescriptions": about},
            "metadata": {"description": "Name, workspace and labels.", "type": "object"},
            "spec": {"description": "What is declared; its fields depend on `kind`.", "type": "object"},
        },
        "allOf": branches,
        "$defs": definitions,
    })
}

/// The file in `schemas/` that holds a kind's schema.
#[must_use]
pub fn file_name(kind: KindRef) -> String {
    format!("{}.schema.json", snake(kind.name))
}

/// Every generated schema with its file name.
#[must_use]
pub fn all() -> Vec<(String, Value)> {
    let mut files = vec![("manifest.schema.json".to_owned(), of_any())];
    files.extend(KINDS.iter().map(|kind| (file_name(kind), of_kind(kind))));
    files
}

/// A schema's body without `$schema` and `$id`, and the definitions it refers to, whose names start with `prefix`.
fn kind_body(kind: KindRef, prefix: &str) -> (Map<String, Value>, Map<String, Value>) {
    let settings =
        SchemaSettings::draft2020_12().for_deserialize().with(|settings| settings.meta_schema = None);
    let mut generator = settings.into_generator();
    let mut spec = (kind.schema)(&mut generator);
    let metadata = match kind.scope {
        Scope::Global => generator.subschema_for::<GlobalMetadata>(),
        Scope::Workspace => generator.subschema_for::<ScopedMetadata>(),
    };
    let mut definitions = generator.take_definitions(true);
    let mut tidy = RecursiveTransform(tidy);
    tidy.transform(&mut spec);
    for definition in definitions.values_mut() {
        if let Ok(schema) = <&mut Schema>::try_from(definition) {
            tidy.transform(schema);
        }
    }
    let mut metadata = metadata.to_value();
    if let Value::Object(map) = &mut metadata {
        map.insert("description".into(), json!("Name, workspace and labels."));
    }
    let mut body = json!({
        "title": kind.name,
        "description": kind.about,
        "type": "object",
        "additionalProperties": false,
        "required": ["apiVersion", "kind", "metadata", "spec"],
        "properties": {
            "apiVersion": {"description": "The version of the manifest format.", "const": API_VERSION},
            "kind": {"description": "What the document declares.", "const": kind.name},
            "metadata": metadata,
            "spec": spec.to_value(),
        },
    });
    let mut definitions = Value::Object(definitions);
    if !prefix.is_empty() {
        prefix_references(&mut body, prefix);
        prefix_references(&mut definitions, prefix);
    }
    let renamed = |(name, value)| (format!("{prefix}{name}"), value);
    match (body, definitions) {
        (Value::Object(body), Value::Object(definitions)) => {
            (body, definitions.into_iter().map(renamed).collect())
        }
        _ => (Map::new(), Map::new()),
    }
}

fn prefix_references(value: &mut Value, prefix: &str) {
    match value {
        Value::Object(map) => {
            for (key, child) in map {
                match child {
                    Value::String(target) if key == "$ref" => {
                        *target = target.replacen("#/$defs/", &format!("#/$defs/{prefix}"), 1);
                    }
                    _ => prefix_references(child, prefix),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| prefix_references(item, prefix)),
        _ => {}
    }
}

/// What schemars makes is correct but not what an editor shows best: a documented enum becomes `enum` with
/// `enumDescriptions`, an optional field does not offer `null`, and formats that only Rust knows go.
fn tidy(schema: &mut Schema) {
    let Some(map) = schema.as_object_mut() else { return };
    enum_with_descriptions(map);
    describe_only_property(map);
    let keeps_null = map.contains_key(NULL_MARK);
    if let Some(Value::Array(types)) = map.get_mut("type") {
        types.retain(|name| name != "null" || keeps_null);
        if let [only] = types.as_slice() {
            let only = only.clone();
            map.insert("type".into(), only);
        }
    }
    if let Some(Value::Array(options)) = map.get_mut("anyOf") {
        options.retain(|option| option != &json!({"type": "null"}));
        if let [Value::Object(only)] = options.as_slice() {
            let only = only.clone();
            map.remove("anyOf");
            for (key, value) in only {
                map.entry(key).or_insert(value);
            }
        }
    }
    if map.get("format").is_some_and(|format| format.as_str().is_some_and(|name| name.starts_with("int"))) {
        map.remove("format");
    }
    if map.get("default") == Some(&Value::Null) {
        map.remove("default");
    }
}

/// A branch of a `oneOf` that is one field: an editor shows the field's description, not the branch's.
fn describe_only_property(map: &mut Map<String, Value>) {
    let Some(description) = map.get("description").cloned() else { return };
    let Some(Value::Object(properties)) = map.get_mut("properties") else { return };
    if properties.len() > 1 {
        return;
    }
    for only in properties.values_mut().filter_map(Value::as_object_mut) {
        only.entry("description").or_insert_with(|| description.clone());
    }
}

fn enum_with_descriptions(map: &mut Map<String, Value>) {
    let Some(Value::Array(branches)) = map.get("oneOf") else {
        return;
    };
    let mut names = Vec::new();
    let mut descriptions = Vec::new();
    for branch in branches {
        if let Some(name) = branch.get("const") {
            names.push(name.clone());
            descriptions.push(branch.get("description").cloned().unwrap_or_else(|| json!("")));
        } else {
            return;
        }
    }
    map.remove("oneOf");
    map.insert("type".into(), json!("string"));
    map.insert("enum".into(), Value::Array(names));
    map.insert("enumDescriptions".into(), Value::Array(descriptions));
}

/// The compiled schema of a kind's manifests.
///
/// # Panics
/// Never for a schema that the unit tests compiled.
#[must_use]
pub fn validator(kind: KindRef) -> &'static Validator {
    static COMPILED: [OnceLock<Validator>; kinds::COUNT] = [const { OnceLock::new() }; kinds::COUNT];
    COMPILED[usize::from(kind.rank)].get_or_init(|| compile(cached(kind)))
}

/// Compiles a schema for validation, formats included, nothing fetched.
#[expect(clippy::expect_used, reason = "the schemas are generated from types and compiled by a unit test")]
fn compile(schema: &Value) -> Validator {
    jsonschema::options()
        .with_draft(Draft::Draft202012)
        .should_validate_formats(true)
        .offline()
        .build(schema)
        .expect("a generated schema compiles")
}

/// The compiled schema of one row of a tenant set.
#[must_use]
pub fn row_validator() -> &'static Validator {
    static COMPILED: OnceLock<Validator> = OnceLock::new();
    COMPILED.get_or_init(|| compile(row_schema()))
}

/// The schema of one row of a tenant set.
#[must_use]
pub fn row_schema() -> &'static Value {
    static SCHEMA: OnceLock<Value> = OnceLock::new();
    SCHEMA.get_or_init(|| {
        let settings = SchemaSettings::draft2020_12().for_deserialize();
        let mut schema =
            settings.into_generator().into_root_schema_for::<crate::kinds::tenant_set::TenantRow>();
        RecursiveTransform(tidy).transform(&mut schema);
        schema.to_value()
    })
}

/// The schema of a kind's manifests, made once.
#[must_use]
pub fn cached(kind: KindRef) -> &'static Value {
    static SCHEMAS: [OnceLock<Value>; kinds::COUNT] = [const { OnceLock::new() }; kinds::COUNT];
    SCHEMAS[usize::from(kind.rank)].get_or_init(|| of_kind(kind))
}

fn snake(name: &str) -> String {
    let mut out = String::new();
    for character in name.chars() {
        if character.is_ascii_uppercase() && !out.is_empty() {
            out.push('_');
        }
        out.push(character.to_ascii_lowercase());
    }
    out
}

/// The stored kinds' names, for messages.
#[must_use]
pub fn kind_names() -> Vec<&'static str> {
    KINDS.iter().map(|kind| kind.name).collect()
}

/// A hash of all schemas: changes whenever what is accepted may change.
#[must_use]
pub fn fingerprint() -> &'static str {
    static FINGERPRINT: OnceLock<String> = OnceLock::new();
    FINGERPRINT.get_or_init(|| {
        let mut writer = crate::model::digest::DigestWriter::default();
        writer.field(of_any().to_string().as_bytes());
        for kind in stored() {
            writer.field(format!("{:?}", kind.columns()).as_bytes());
        }
        writer.finish().to_hex()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_schema_compiles() {
        for kind in KINDS {
            let _ = validator(kind);
        }
        let _ = row_validator();
        let _ = compile(&of_any());
    }

    #[test]
    fn text_fields_are_the_ones_the_kinds_list() {
        for kind in KINDS.iter().filter(|kind| kind.name != "TenantSet") {
            let schema = of_kind(kind);
            let mut found = Vec::new();
            collect(&schema, &schema, &mut String::new(), &mut found);
            found.retain(|pointer| pointer.starts_with("/spec"));
            found.sort();
            let mut listed: Vec<_> = kind.texts.iter().map(|text| (*text).to_owned()).collect();
            listed.sort();
            // An e-mail user name is the one text that is listed nowhere, since it stands beside secrets.
            found.retain(|pointer| pointer != "/spec/email/username");
            assert_eq!(found, listed, "{}", kind.name);
        }
    }

    fn collect(root: &Value, schema: &Value, pointer: &mut String, found: &mut Vec<String>) {
        let schema = match schema.get("$ref").and_then(Value::as_str) {
            Some(target) => root.pointer(&target[1..]).unwrap(),
            None => schema,
        };
        if schema.get(crate::model::text::TEXT_MARK).is_some() {
            found.push(pointer.clone());
        }
        let length = pointer.len();
        for (name, child) in schema.get("properties").and_then(Value::as_object).into_iter().flatten() {
            pointer.push('/');
            pointer.push_str(name);
            collect(root, child, pointer, found);
            pointer.truncate(length);
        }
        if let Some(child) = schema.get("additionalProperties").filter(|child| child.is_object()) {
            pointer.push_str("/*");
            collect(root, child, pointer, found);
            pointer.truncate(length);
        }
    }
}
