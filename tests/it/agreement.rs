//! The schemas and the Rust types say the same: what the schema lets through is decoded, what it refuses for its shape is not.
//!
//! Documents are made by damaging valid ones. The schema is stricter in three ways only, and on purpose: it also checks the form
//! of values (patterns, lengths, ranges), it does not take `null` for an absent field,
//! and it does not take a list of values for a map of fields.

mod documents;

use std::path::Path;
use std::sync::OnceLock;

use documents::full_documents;
use jsonschema::error::ValidationErrorKind;
use proptest::prelude::*;
use serde_json::{Map, Value, json};
use synthex::kinds;
use synthex::manifest::yaml::{self, Limits};
use synthex::manifest::{load, project, schema};
use synthex::model::files::{RowFileError, RowFiles};
use synthex::model::{KindRef, SourceFile};

/// The full documents, and those of the examples.
fn valid_documents() -> &'static [Value] {
    static DOCUMENTS: OnceLock<Vec<Value>> = OnceLock::new();
    DOCUMENTS.get_or_init(|| {
        let mut documents = full_documents();
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/quickstart/manifests");
        for entry in std::fs::read_dir(folder).expect("the example") {
            let path = entry.expect("an entry").path();
            if path.extension().is_some_and(|extension| extension == "yaml") {
                let text = std::fs::read_to_string(path).expect("a readable file");
                let parsed =
                    yaml::split(&text).into_iter().map(|range| yaml::parse(&text, range, &Limits::default()));
                documents.extend(
                    parsed.filter_map(|document| document.expect("YAML")).map(|document| document.value),
                );
            }
        }
        documents
    })
}

/// What is done to a document.
#[derive(Clone, Debug)]
enum Damage {
    Drop,
    Replace(Value),
    Add(String, Value),
    Rename(String),
}

/// Values that some field may take for one of its own, or almost.
fn values() -> Vec<Value> {
    vec![
        json!(null),
        json!(true),
        json!(0),
        json!(-1),
        json!(1),
        json!(1.0),
        json!(25.0),
        json!(1.5),
        json!(1e30),
        json!(-0.0),
        json!(u64::MAX),
        json!(i64::MIN),
        json!(""),
        json!("x"),
        json!("1"),
        json!("true"),
        json!("\u{0}"),
        json!([]),
        json!({}),
        json!(["x"]),
        json!([1]),
        json!([null]),
        json!({"x": 1}),
        json!({"env": "X"}),
        json!({"env": "X", "file": "y"}),
        json!({"env": null}),
        json!("env"),
        json!("shopify"),
        json!("SHOPIFY"),
        json!("AU-SE1"),
        json!("a@b.example"),
        json!("https://x.example"),
        json!("2026-12-31"),
        json!("2026-12-31T23:59:60Z"),
        json!("2026-12-31t00:00:00z"),
        json!("2026-12-31 00:00:00Z"),
        json!("2026-12-31T00:00:00"),
        json!("2026-12-31T24:00:00Z"),
        json!("0000-01-01T00:00:00Z"),
        json!("9999-12-31T23:59:59.999999999-23:59"),
        json!("2026-02-29T00:00:00Z"),
        json!("2026-06-30T00:00:00+24:00"),
        json!("2026-06-30T12:34:60Z"),
        json!("+12026-06-30T00:00:00Z"),
        json!("2026-12-31T00:00:00.Z"),
        json!("2026-12-31T00:00:00-00:00"),
        json!("0 9 * * *"),
        json!("30d"),
        json!("0d"),
        json!("999999999w"),
    ]
}

fn some_value() -> impl Strategy<Value = Value> {
    proptest::sample::select(values())
}

fn damage() -> impl Strategy<Value = (prop::sample::Index, Damage)> {
    let word = || {
        proptest::sample::select(vec![
            "x",
            "type",
            "name",
            "value",
            "env",
            "protect",
            "spec",
            "displayname",
            "$ref",
            "a/b",
            "<<",
        ])
    };
    let kind = prop_oneof![
        2 => Just(Damage::Drop),
        6 => some_value().prop_map(Damage::Replace),
        2 => (word(), some_value()).prop_map(|(name, value)| Damage::Add(name.to_owned(), value)),
        1 => word().prop_map(|name| Damage::Rename(name.to_owned())),
    ];
    (any::<prop::sample::Index>(), kind)
}

fn damaged_document() -> impl Strategy<Value = Value> {
    let document = any::<prop::sample::Index>()
        .prop_map(|index| valid_documents()[index.index(valid_documents().len())].clone());
    (document, proptest::collection::vec(damage(), 0..3)).prop_map(|(mut document, damages)| {
        for (place, damage) in damages {
            let mut pointers = Vec::new();
            pointers_below(&document, &mut String::new(), &mut pointers);
            if !pointers.is_empty() {
                inflict(&mut document, &pointers[place.index(pointers.len())], damage);
            }
        }
        document
    })
}

fn pointers_below(value: &Value, pointer: &mut String, found: &mut Vec<String>) {
    let children: Vec<(String, &Value)> = match value {
        Value::Object(map) => {
            map.iter().map(|(key, child)| (key.replace('~', "~0").replace('/', "~1"), child)).collect()
        }
        Value::Array(items) => {
            items.iter().enumerate().map(|(index, child)| (index.to_string(), child)).collect()
        }
        _ => Vec::new(),
    };
    for (step, child) in children {
        let length = pointer.len();
        pointer.push('/');
        pointer.push_str(&step);
        found.push(pointer.clone());
        pointers_below(child, pointer, found);
        pointer.truncate(length);
    }
}

fn inflict(document: &mut Value, pointer: &str, damage: Damage) {
    let (parent, step) = pointer.rsplit_once('/').expect("a pointer below the root");
    let key = step.replace("~1", "/").replace("~0", "~");
    match damage {
        Damage::Replace(value) => *document.pointer_mut(pointer).expect("it is there") = value,
        Damage::Add(name, value) => {
            if let Some(Value::Object(map)) = document.pointer_mut(pointer) {
                map.insert(name, value);
            }
        }
        Damage::Drop => match document.pointer_mut(parent) {
            Some(Value::Object(map)) => drop(map.remove(&key)),
            Some(Value::Array(items)) => drop(items.remove(key.parse().expect("an index"))),
            _ => {}
        },
        Damage::Rename(name) => {
            if let Some(Value::Object(map)) = document.pointer_mut(parent)
                && let Some(value) = map.remove(&key)
            {
                map.insert(name, value);
            }
        }
    }
}

fn kind_of(document: &Value) -> Option<KindRef> {
    kinds::find(document.get("kind")?.as_str()?)
}

/// Whether the types take a spec; problems that the types find beyond decoding do not count.
fn is_decoded(kind: KindRef, document: &Value) -> bool {
    let spec = document.get("spec").cloned().unwrap_or(Value::Object(Map::new()));
    match (kind.admit)(spec) {
        Ok(_) => true,
        Err(problems) => problems.iter().all(|problem| problem.code != "SX0190"),
    }
}

/// Whether the schema refuses a spec for its shape, not for the form of a value.
fn is_misshapen(kind: KindRef, document: &Value) -> bool {
    schema::validator(kind).iter_errors(document).any(|error| {
        error.instance_path().as_str().starts_with("/spec")
            && match error.kind() {
                ValidationErrorKind::AdditionalProperties { .. }
                | ValidationErrorKind::Required { .. }
                | ValidationErrorKind::Enum { .. } => !error.instance().is_null(),
                ValidationErrorKind::Type { .. } => {
                    !error.instance().is_null() && !error.instance().is_array()
                }
                _ => false,
            }
    })
}

struct NoFiles;

impl RowFiles for NoFiles {
    fn read(&self, _: &str, _: &str) -> Result<SourceFile, RowFileError> {
        Ok(SourceFile::new("rows.csv".to_owned(), b"tenantId,name\na,A\n".to_vec()))
    }
}

/// The codes that reading a document alone gives.
fn codes(document: &Value) -> Vec<&'static str> {
    let file = |name: &str| SourceFile::new(name.to_owned(), document.to_string().into_bytes());
    let diagnostics = if document.get("kind") == Some(&json!("Project")) {
        project::parse(file("synthex.yaml")).err().unwrap_or_default()
    } else {
        let text = "apiVersion: synthex.dev/v1\nkind: Project\nmetadata: {name: p}\nspec: {workspace: w}\n";
        let project =
            project::parse(SourceFile::new("synthex.yaml".to_owned(), text.into())).expect("a project");
        load(project, vec![file("a.json")], &NoFiles, 1).diagnostics
    };
    diagnostics.into_iter().map(|diagnostic| diagnostic.code).collect()
}

fn any_manifest() -> &'static jsonschema::Validator {
    static COMPILED: OnceLock<jsonschema::Validator> = OnceLock::new();
    COMPILED.get_or_init(|| {
        let options = jsonschema::options().should_validate_formats(true).offline();
        options.build(&schema::of_any()).expect("a schema")
    })
}

#[track_caller]
fn check(document: &Value) -> Result<(), TestCaseError> {
    let by_own_schema = kinds::KINDS.iter().any(|kind| schema::validator(kind).is_valid(document));
    prop_assert_eq!(
        any_manifest().is_valid(document),
        by_own_schema,
        "the common schema differs: {}",
        document
    );
    // Only what the schema lets through is decoded.
    if by_own_schema {
        prop_assert!(!codes(document).contains(&"SX0190"), "validated and not decoded: {}", document);
    }
    if let Some(kind) = kind_of(document) {
        if schema::validator(kind).is_valid(document) {
            prop_assert!(is_decoded(kind, document), "valid and not decoded: {}", document);
        } else if is_misshapen(kind, document) {
            prop_assert!(!is_decoded(kind, document), "misshapen and yet decoded: {}", document);
        }
    }
    Ok(())
}

#[test]
fn the_documents_to_start_from_are_valid_and_hold_every_field() {
    for document in valid_documents() {
        let kind = kind_of(document).expect("a kind");
        let errors: Vec<_> =
            schema::validator(kind).iter_errors(document).map(|error| error.to_string()).collect();
        assert!(errors.is_empty(), "{document}: {errors:?}");
        check(document).unwrap_or_else(|error| panic!("{error}"));
    }
    for kind in kinds::KINDS {
        let schema = schema::of_kind(kind);
        let fields =
            schema.pointer("/properties/spec/properties").and_then(Value::as_object).expect("fields");
        for field in fields.keys() {
            let given = |document: &&Value| {
                kind_of(document).is_some_and(|own| own.rank == kind.rank)
                    && document["spec"].get(field).is_some()
            };
            assert!(
                valid_documents().iter().any(|document| given(&document)),
                "no document gives {}.{field}",
                kind.name
            );
        }
    }
}

/// Every value in place of every field: small enough to be tried in full.
#[test]
fn one_wrong_value_anywhere_is_refused_by_both_or_by_neither() {
    for document in full_documents() {
        let mut pointers = Vec::new();
        pointers_below(&document, &mut String::new(), &mut pointers);
        for pointer in pointers {
            for value in values() {
                let mut damaged = document.clone();
                inflict(&mut damaged, &pointer, Damage::Replace(value));
                check(&damaged).unwrap_or_else(|error| panic!("{pointer}: {error}"));
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2048, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn schema_and_types_agree(document in damaged_document()) {
        check(&document)?;
    }
}
