//! `render`: what is printed are manifests again, and declares exactly the same, whatever the texts in them look like.

use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::TestRunner;
use serde_json::{Value, json};
use synthex::manifest::{Catalog, load, project, write};
use synthex::model::SourceFile;
use synthex::model::files::{RowFileError, RowFiles};

use crate::support::estate::Estate;
use crate::support::project::Project;

#[test]
fn what_is_rendered_is_valid_and_renders_to_the_same() {
    let estate = Estate::new("render_again");
    let file = estate.project.read("synthex.yaml");
    estate
        .project
        .write("synthex.yaml", file.replace("workspace: w,", "workspace: w, variables: {NAME: Ada},"));
    estate.declare_tenant(
        "T1",
        &[
            "industry: \"No\"",
            "metadata: {opens: \"12:30\", gift: \"yes\", tpl: \"Hi $${NAME}\", deep: [{k: \"$$${NAME}\"}], \"<<\": \"1.10\", hi: \"${NAME}\"}",
        ],
    );
    estate.declare_tenant("T2", &["metadata: {a: \"0123\", b: 1e300, c: [], d: {}, e: null, f: \"a\\nb\"}"]);
    estate.edit("T2.yaml", "  workspace: w\n", "  workspace: w\n  labels: {tpl: \"$${NAME}\"}\n");
    estate.project.remove("manifests/c2.yaml");
    estate.edit("T3.yaml", "name: T3\n", "name: \"no\"\n");
    let rendered = estate.run(&["render"]).ok();
    for text in ["tpl: \"Hi $${NAME}\"", "hi: Ada", "\"<<\": \"1.10\"", "name: \"no\"", "opens: \"12:30\""] {
        assert!(rendered.stdout.contains(text), "{text}\n{rendered}");
    }
    let as_json = estate.run(&["render", "--format", "json"]).ok().json();

    let again = Project::empty();
    again.write("synthex.yaml", estate.project.read("synthex.yaml"));
    again.write("manifests/all.yaml", &rendered.stdout);
    again.synthex(["validate"]).run().ok();
    assert_eq!(again.synthex(["render"]).run().ok().stdout, rendered.stdout);
    again.remove("manifests/all.yaml");
    for (index, manifest) in as_json.as_array().unwrap().iter().enumerate() {
        again.write(&format!("manifests/{index}.json"), manifest.to_string());
    }
    assert_eq!(again.synthex(["render"]).run().ok().stdout, rendered.stdout);

    estate.apply().ok();
    let from_database = Project::empty();
    from_database.write("synthex.yaml", estate.project.read("synthex.yaml"));
    from_database.write("manifests/all.yaml", &rendered.stdout);
    let plan = from_database.synthex(["plan", "--detailed-exitcode"]).database(&estate.database).run();
    plan.ok().stdout_has("No changes.");
}

struct NoRows;

impl RowFiles for NoRows {
    fn read(&self, _: &str, reference: &str) -> Result<SourceFile, RowFileError> {
        panic!("nothing names {reference}")
    }
}

/// What the files declare; `None` where something is wrong with them.
fn catalog(files: Vec<(String, String)>) -> Result<Catalog, String> {
    let text = "apiVersion: synthex.dev/v1\nkind: Project\nmetadata: {name: p}\nspec: {workspace: \"no\", variables: {NAME: Ada, A: 1}}\n";
    let project = project::parse(SourceFile::new("synthex.yaml".to_owned(), text.into())).expect("a project");
    let files = files.into_iter().map(|(name, text)| SourceFile::new(name, text.into_bytes())).collect();
    let loaded = load(project, files, &NoRows, 1);
    if loaded.diagnostics.is_empty() { Ok(loaded.catalog) } else { Err(format!("{:?}", loaded.diagnostics)) }
}

fn declared(catalog: &Catalog) -> Vec<(String, String)> {
    catalog.entries.iter().map(|entry| (entry.key.to_string(), entry.canonical.to_string())).collect()
}

/// Texts that some reader of YAML takes for something else, or that look like a variable.
fn texts() -> impl Strategy<Value = String> {
    let nasty = select(vec![
        "no",
        "Yes",
        "~",
        "null",
        "1.10",
        "0123",
        "12:30",
        "1e3",
        "0x1f",
        "2026-01-01",
        "<<",
        "=",
        " a ",
        "a: b",
        "a #b",
        "- a",
        "? a",
        "[a",
        "{a}",
        "*a",
        "&a",
        "!a",
        "%a",
        "@a",
        "`a",
        "|",
        ">",
        "'a'",
        "\"a\"",
        "a\nb",
        "a\r\n",
        "\t",
        "---",
        "...",
        ".inf",
        "\u{85}",
        "\u{2028}",
        "\u{feff}x",
        "株式会社",
        "🛍",
        "${NAME}",
        "$${NAME}",
        "$$${NAME}",
        "${",
        "$${",
        "a ${A} ${NAME}$",
        "${OTHER}",
        "${A-b}",
        "${${A}}",
        "$",
        "$$",
    ]);
    let one = prop_oneof![4 => nasty.prop_map(str::to_owned), 1 => any::<String>()];
    proptest::collection::vec(one, 1..3).prop_map(|parts| {
        let text: String = parts.concat().chars().filter(|character| *character != '\0').take(200).collect();
        if text.is_empty() { "x".to_owned() } else { text }
    })
}

/// Any value that metadata may hold.
fn values() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        4 => texts().prop_map(Value::from),
        1 => select(vec![json!(null), json!(true), json!(0), json!(-1), json!(1.5), json!(1e300), json!(1e-7), json!([]), json!({})]),
        1 => any::<i32>().prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
            maps(inner).prop_map(Value::from),
        ]
    })
}

fn maps(values: impl Strategy<Value = Value>) -> impl Strategy<Value = serde_json::Map<String, Value>> {
    proptest::collection::btree_map(texts(), values, 0..4).prop_map(|map| map.into_iter().collect())
}

/// One manifest of each kind in a workspace, as values; a text stands in each as it is meant.
fn manifests() -> impl Strategy<Value = Vec<Value>> {
    let names = || {
        select(vec!["no", "null", "0123", "1e3", "1_0", "y", "On", "NaN", "0x1f", "1.10", "2026-01-01", "T"])
    };
    (names(), names(), texts(), texts(), maps(values()), maps(values())).prop_map(
        |(first, second, text, other, metadata, defaults)| {
            let manifest = |kind: &str, name: &str, spec: Value| {
                let metadata = match kind {
                    "Workspace" => json!({"name": name}),
                    _ => json!({"name": name, "workspace": "no", "labels": {"l": text, "no": other}}),
                };
                json!({"apiVersion": "synthex.dev/v1", "kind": kind, "metadata": metadata, "spec": spec})
            };
            let tenant = json!({
                "displayName": text, "template": second, "region": "AU-SE1", "industry": other, "metadata": metadata,
            });
            let secret = json!({"tenant": first, "service": "shopify", "description": text, "secretRef": {"env": "A"}});
            let when = json!({"credentialExpiry": {"thresholds": ["7d"]}});
            vec![
                manifest("Workspace", "no", json!({
                    "market": "ANZ_SMB", "region": "AU-SE1", "description": other,
                    "defaults": {"metadata": defaults, "labels": {"of": text}},
                })),
                manifest("TenantTemplate", second, json!({
                    "type": "mixed", "displayName": other, "defaultMetadata": metadata, "setupSteps": [text, other],
                })),
                manifest("Tenant", first, tenant),
                manifest("Credential", second, secret),
                manifest("NotificationChannel", first, json!({"type": "console", "description": text})),
                manifest("AlertRule", second, json!({"when": when, "channels": [first], "description": other})),
            ]
        },
    )
}

/// Writes a value so that no text of it is taken for a variable, beside what `render` does.
fn meant(value: &Value) -> Value {
    match value {
        Value::String(text) => Value::String(text.replace("${", "$${")),
        Value::Array(items) => items.iter().map(meant).collect(),
        Value::Object(map) => map.iter().map(|(key, value)| (key.clone(), meant(value))).collect(),
        other => other.clone(),
    }
}

#[test]
fn any_valid_catalog_is_rendered_as_what_declares_the_same() {
    let mut valid = 0;
    let mut runner = TestRunner::new(ProptestConfig {
        cases: 300,
        failure_persistence: None,
        ..ProptestConfig::default()
    });
    let counted = std::cell::RefCell::new(&mut valid);
    let check = |manifests: Vec<Value>| {
        let files = manifests.iter().map(meant).enumerate();
        let Ok(first) =
            catalog(files.map(|(index, value)| (format!("{index}.json"), value.to_string())).collect())
        else {
            return Ok(());
        };
        **counted.borrow_mut() += 1;
        let written: Vec<Value> = first
            .entries
            .iter()
            .map(|entry| write::manifest_of(&entry.key, &serde_json::from_str(&entry.canonical).unwrap()))
            .collect();
        let yaml: Vec<String> = written.iter().map(write::yaml::document).collect();
        let yaml = yaml.join("---\n");
        let again = catalog(vec![("all.yaml".to_owned(), yaml.clone())]);
        let again = again.unwrap_or_else(|problems| panic!("{problems}\n{yaml}"));
        assert_eq!(declared(&again), declared(&first), "{yaml}");
        let files = written.iter().enumerate();
        let again =
            catalog(files.map(|(index, value)| (format!("{index}.json"), value.to_string())).collect());
        assert_eq!(declared(&again.expect("valid")), declared(&first));
        Ok(())
    };
    runner.run(&manifests(), check).expect("it holds");
    assert!(valid > 250, "only {valid} of the catalogs were valid");
}
