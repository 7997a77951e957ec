//! What a kind is, as data: its names, its schema, how its spec is admitted, and which table and columns hold it.
//!
//! The planner, the store, the schemas and the reports are generic over [`Kind`]; the kinds themselves are in
//! `crate::kinds`, one file each, and listed in its registry.

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// A kind is a static; everything refers to it by address.
pub type KindRef = &'static Kind;

/// Whether a resource lives in a workspace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Stands for itself: `Project`, `Workspace`.
    Global,
    /// Belongs to exactly one workspace.
    Workspace,
}

/// How a column's text form is read and written. Bulk statements carry every value as text and cast on the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SqlType {
    /// `text`
    Text,
    /// `boolean`
    Bool,
    /// `integer` or `bigint`
    Integer,
    /// `timestamptz`, microseconds
    Timestamp,
    /// `jsonb`
    Json,
}

impl SqlType {
    /// The type to cast a text parameter to.
    #[must_use]
    pub const fn cast(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Bool => "boolean",
            Self::Integer => "bigint",
            Self::Timestamp => "timestamptz",
            Self::Json => "jsonb",
        }
    }
}

/// One column of a kind's table and the spec field it holds.
#[derive(Clone, Copy, Debug)]
pub struct Column {
    /// Name in the database, snake case.
    pub name: &'static str,
    /// Field in the spec, camel case, dotted: `contact.email`.
    pub path: &'static str,
    /// Type in the database.
    pub sql: SqlType,
    /// An absent field is stored as this text instead of NULL: `{}`, `[]`.
    pub absent: Option<&'static str>,
    /// The kind, by manifest name, whose resources of the same workspace the field names: one in a text, which is a foreign
    /// key, or several in a JSON list.
    pub names: Option<&'static str>,
}

impl Column {
    /// A column that is NULL when the field is absent.
    #[must_use]
    pub const fn new(name: &'static str, path: &'static str, sql: SqlType) -> Self {
        Self { name, path, sql, absent: None, names: None }
    }

    /// A JSON column that holds an empty object or list when the field is absent.
    #[must_use]
    pub const fn json_or(name: &'static str, path: &'static str, absent: &'static str) -> Self {
        Self { name, path, sql: SqlType::Json, absent: Some(absent), names: None }
    }

    /// The same column, of a field that names resources of that kind.
    #[must_use]
    pub const fn naming(self, kind: &'static str) -> Self {
        Self { names: Some(kind), ..self }
    }
}

/// Where resources of a kind are stored.
#[derive(Debug)]
pub struct Table {
    /// Table name within the schema `synthex`.
    pub name: &'static str,
    /// The kind's own columns; the common ones (key, labels, protected, owner, digest, revision, times) are the store's.
    pub columns: &'static [Column],
}

/// Everything that is particular about a kind.
#[derive(Debug)]
pub struct Kind {
    /// As written in a manifest: `Tenant`.
    pub name: &'static str,
    /// As written in a key: `tenant`.
    pub slug: &'static str,
    /// Position in the registry, which is dependency order: what is referred to comes first.
    pub rank: u8,
    /// Global or within a workspace.
    pub scope: Scope,
    /// One sentence for lists and schemas.
    pub about: &'static str,
    /// The table; `None` for kinds that only shape manifests (`Project`, `TenantSet`).
    pub table: Option<Table>,
    /// JSON pointers, from the document's root, of scalars that are read as their source text: an unquoted `1.10` stays
    /// `1.10`. A trailing `/*` means every child of a map.
    pub texts: &'static [&'static str],
    /// Whether a manifest of this kind stands beside secrets, so that excerpts of it hide values.
    pub hides_values: bool,
    /// The kinds that a spec of this kind mentions, by manifest name: those that its columns name.
    pub mentions: &'static [&'static str],
    /// The kind, by manifest name, that a resource of this kind stands and falls with.
    pub part_of: Option<&'static str>,
    /// Fields, dotted, that name the same thing outside: two resources with an equal one are most likely the same.
    pub external_ids: &'static [&'static str],
    /// Generates the spec's schema.
    pub schema: fn(&mut SchemaGenerator) -> Schema,
    /// Decodes, normalises and checks one spec.
    pub admit: fn(Value) -> Result<Admitted, Vec<SpecProblem>>,
}

impl Kind {
    /// The columns of a stored kind; none for the others.
    #[must_use]
    pub fn columns(&self) -> &'static [Column] {
        match &self.table {
            Some(table) => table.columns,
            None => &[],
        }
    }

    /// A row's canonical form as a manifest would have it, from `{"labels": ..., "spec": ...}`; `None` when no manifest
    /// can say it.
    #[must_use]
    pub fn canonical_of(&self, row: &Value) -> Option<String> {
        let admitted = (self.admit)(row.get("spec")?.clone()).ok()?;
        let labels = row.get("labels")?.as_object()?.clone();
        Some(super::declared::canonical(labels, &admitted.canonical))
    }
}

/// A problem within one spec. The pointer starts at the spec.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SpecProblem {
    /// Rule code, such as `SX0301`.
    pub code: &'static str,
    /// JSON pointer from the spec: `/businessId/number`.
    pub pointer: String,
    /// What is wrong, without the position.
    pub message: String,
    /// What to do.
    pub help: Option<String>,
}

impl SpecProblem {
    /// A problem at a pointer.
    pub fn new(code: &'static str, pointer: impl Into<String>, message: impl Into<String>) -> Self {
        Self { code, pointer: pointer.into(), message: message.into(), help: None }
    }

    /// Adds what to do about it.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}

/// A mention of another resource of the same workspace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reference {
    /// JSON pointer from the spec to the mention.
    pub pointer: String,
    /// The kind referred to, by its manifest name.
    pub kind: &'static str,
    /// The name referred to.
    pub name: String,
}

/// A spec that passed: its canonical JSON and what it refers to.
#[derive(Debug)]
pub struct Admitted {
    /// Canonical JSON of the spec, defaults filled in, absent fields left out.
    pub canonical: String,
    /// Mentions of other resources.
    pub references: Vec<Reference>,
    /// Whether the resource is protected from deletion.
    pub protect: bool,
}

/// The typed spec of a kind. The doc comments of its fields become the schema's descriptions.
pub trait Resource: Serialize + DeserializeOwned + JsonSchema {
    /// Brings the spec into the one form that equal specs share.
    fn normalise(&mut self) {}

    /// Finds what the schema cannot say.
    fn check(&self, _problems: &mut Vec<SpecProblem>) {}

    /// Names the other resources that this one mentions.
    fn references(&self) -> Vec<Reference> {
        Vec::new()
    }

    /// Whether the resource must not be deleted.
    fn protect(&self) -> bool {
        false
    }
}

/// Decodes, normalises and checks one spec of type `T`; the function that each kind puts in [`Kind::admit`].
///
/// # Errors
/// All problems found in the spec. A decoding failure after a successful schema validation carries code `SX0190`:
/// the schema and the type disagree, which is a defect of this program.
pub fn admit<T: Resource>(spec: Value) -> Result<Admitted, Vec<SpecProblem>> {
    let mut spec: T = serde_json::from_value(spec).map_err(|error| {
        vec![SpecProblem::new("SX0190", "", format!("the spec cannot be decoded: {error}"))]
    })?;
    spec.normalise();
    let mut problems = Vec::new();
    spec.check(&mut problems);
    if !problems.is_empty() {
        return Err(problems);
    }
    let canonical = serde_json::to_string(&spec).map_err(|error| {
        vec![SpecProblem::new("SX0190", "", format!("the spec cannot be encoded: {error}"))]
    })?;
    if let Some(pointer) = nul_at(&canonical) {
        return Err(vec![SpecProblem::new("SX0304", pointer, NUL).help("remove the \\0 from the text")]);
    }
    Ok(Admitted { references: spec.references(), protect: spec.protect(), canonical })
}

/// What is said of a text with a NUL in it.
pub const NUL: &str = "a text holds the character NUL, which PostgreSQL cannot store";

/// The JSON pointer to the first text with a NUL in a JSON text, or to the map that has one in a key.
#[must_use]
pub fn nul_at(json: &str) -> Option<String> {
    if !json.contains("\\u0000") || !holds_nul(json) {
        return None;
    }
    let value: Value = serde_json::from_str(json).unwrap_or_default();
    let mut pointer = String::new();
    find_nul(&value, &mut pointer);
    Some(pointer)
}

fn find_nul(value: &Value, pointer: &mut String) -> bool {
    let length = pointer.len();
    let mut step = |step: &str, child: &Value| {
        pointer.push('/');
        pointer.push_str(&step.replace('~', "~0").replace('/', "~1"));
        let found = find_nul(child, pointer);
        if !found {
            pointer.truncate(length);
        }
        found
    };
    match value {
        Value::String(text) => text.contains('\0'),
        Value::Array(items) => items.iter().enumerate().any(|(index, item)| step(&index.to_string(), item)),
        Value::Object(map) => map.iter().any(|(key, child)| key.contains('\0') || step(key, child)),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

/// Whether a JSON text has an escaped NUL, as opposed to a backslash followed by `u0000`.
fn holds_nul(json: &str) -> bool {
    let bytes = json.as_bytes();
    let mut index = 0;
    while index < bytes.len() {
        if bytes[index] == b'\\' {
            if bytes[index..].starts_with(b"\\u0000") {
                return true;
            }
            index += 1;
        }
        index += 1;
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_nul_is_pointed_at() {
        assert_eq!(nul_at(r#"{"a":"x","b/c":[1,"x\u0000"]}"#).as_deref(), Some("/b~1c/1"));
        assert_eq!(nul_at(r#"{"a":{"k\u0000":1}}"#).as_deref(), Some("/a"));
        assert_eq!(nul_at(r#"{"a":"\\u0000"}"#), None);
    }

    #[test]
    fn an_escaped_nul_is_told_from_an_escaped_backslash() {
        assert!(holds_nul(r#""a\u0000b""#));
        assert!(holds_nul(r#""a\\\u0000b""#));
        assert!(!holds_nul(r#""a\\u0000b""#));
    }
}
