//! From what is wanted of resources to texts, and whether those, read again, declare it.

use std::collections::BTreeMap;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::super::verify::differences;
use super::super::wanted::Planner;
use super::super::{Change, Edited};
use crate::kinds::{self, project::ProjectSpec};
use crate::manifest::{Catalog, Project, load};
use crate::model::files::{RowFileError, RowFiles};
use crate::model::{ResourceKey, SourceFile};

type Files = BTreeMap<&'static str, String>;

struct Rows<'a>(&'a Files);

impl RowFiles for Rows<'_> {
    fn read(&self, _manifest: &str, reference: &str) -> Result<SourceFile, RowFileError> {
        let missing = || RowFileError { code: "SX0405", message: "no file".to_owned(), help: String::new() };
        let text = self.0.get(reference).ok_or_else(missing)?;
        Ok(SourceFile::new(reference.to_owned(), text.clone().into_bytes()))
    }
}

fn estate() -> Files {
    let head = |kind: &str, name: &str, spec: &str| {
        format!("apiVersion: synthex.dev/v1\nkind: {kind}\nmetadata: {{name: {name}}}\nspec:{spec}\n")
    };
    let shop = |name: &str| {
        format!(
            "\n  displayName: {name} # its name\n  type: shopify\n\n  shopifyShop: {name}.myshopify.com\n  metadata:\n    own: '{name}'"
        )
    };
    let mut files = Files::new();
    files.insert(
        "w.yaml",
        head(
            "Workspace",
            "w",
            " {market: ANZ_SMB, region: AU-SE1, defaults: {labels: {l: w}, metadata: {m: w}}}",
        ),
    );
    files.insert(
        "a.yaml",
        format!("# About all\n\n{}---\n{}", head("Tenant", "a", &shop("a")), head("Tenant", "b", &shop("b"))),
    );
    files.insert("c.yaml", head("Tenant", "c", &shop("c")));
    files.insert(
        "sets.yaml",
        format!(
            "{}---\n{}---\n{}",
            head("TenantSet", "s1", " {from: {csv: rows.csv}}"),
            head("TenantSet", "s2", " {from: {json: rows.json}}"),
            head("TenantSet", "s3", "\n  from:\n    rows:\n      - tenantId: h\n        name: h # h\n        type: shopify\n        shopifyShop: h.myshopify.com\n      - {tenantId: i, name: i, type: shopify, shopifyShop: i.myshopify.com}")
        ),
    );
    files.insert("rows.csv", "tenantId,name,type,shopifyShop,labels,metadata.own\nd,d,shopify,d.myshopify.com,k=d;o=x,d\ne,\"e, e\",shopify,e.myshopify.com,,\n".to_owned());
    files.insert("rows.json", "[\n  {\"tenantId\": \"f\", \"name\": \"f\", \"type\": \"shopify\", \"shopifyShop\": \"f.myshopify.com\"},\n  {\"tenantId\": \"g\", \"name\": \"g\", \"type\": \"shopify\", \"shopifyShop\": \"g.myshopify.com\"}\n]\n".to_owned());
    files
}

#[track_caller]
fn read(files: &Files) -> Catalog {
    let spec = ProjectSpec { workspace: Some("w".to_owned()), ..ProjectSpec::default() };
    let project = Project { name: "p".into(), file: "synthex.yaml".into(), spec };
    let manifests = files.iter().filter(|(path, _)| path.ends_with(".yaml"));
    let sources =
        manifests.map(|(path, text)| SourceFile::new((*path).to_owned(), text.clone().into_bytes()));
    let loaded = load(project, sources.collect(), &Rows(files), 1);
    assert!(loaded.diagnostics.is_empty(), "{:#?}", loaded.diagnostics);
    loaded.catalog
}

fn tenant(name: &str) -> ResourceKey {
    ResourceKey::new(kinds::find("Tenant").unwrap(), "w".into(), name)
}

fn put(files: &mut Files, edited: Vec<Edited>) {
    for file in edited {
        let path = *files.keys().find(|path| **path == file.path).unwrap();
        match file.new {
            Some(text) => drop(files.insert(path, text)),
            None => drop(files.remove(path)),
        }
    }
}

#[test]
fn what_is_deleted_goes_with_its_document_its_row_or_its_file() {
    let mut files = estate();
    let catalog = read(&files);
    let mut planner = Planner::new(&catalog);
    for name in ["a", "c", "d", "f", "h", "i"] {
        planner.remove(&tenant(name));
    }
    let outcome = planner.finish().unwrap();
    let edited = Planner::texts(&catalog, &outcome.orders).unwrap();
    put(&mut files, edited);
    assert!(!files.contains_key("c.yaml"));
    assert!(files["a.yaml"].starts_with("# About all\n\n---\napiVersion"), "{}", files["a.yaml"]);
    assert!(files["sets.yaml"].ends_with("    rows: []\n"), "{}", files["sets.yaml"]);
    assert_eq!(files["rows.csv"].lines().count(), 2);
    assert_eq!(
        files["rows.json"],
        "[\n  {\"tenantId\": \"g\", \"name\": \"g\", \"type\": \"shopify\", \"shopifyShop\": \"g.myshopify.com\"}\n]\n"
    );
    let after = read(&files);
    assert_eq!(differences(&catalog, &after, &outcome.wanted), [] as [String; 0]);
    assert_eq!(differences(&catalog, &after, &Default::default()).len(), 6);
    let mut planner = Planner::new(&after);
    planner.remove(&tenant("e"));
    let outcome = planner.finish().unwrap();
    assert!(Planner::texts(&after, &outcome.orders).unwrap_err()[0].why.contains("no row would be left"));
}

#[test]
fn whatever_is_changed_is_declared_then_and_nothing_else() {
    let files = estate();
    let catalog = read(&files);
    let names = prop::sample::select(vec!["a", "b", "c", "d", "e", "f", "g", "h", "i"]);
    let text = prop::sample::select(vec!["x", "no", "1.10", "a, b", "it's \"so\"", "${V}", "ü: #", "- x"]);
    let field = (0usize..8, text).prop_map(|(field, text)| match field {
        0 => ("/spec/displayName", Some(json!(text))),
        1 => ("/spec/status", Some(json!("suspended"))),
        2 => ("/labels/k", Some(json!("v"))),
        3 => ("/spec/metadata/own", Some(json!(text))),
        4 => ("/spec/metadata/new", Some(json!(text))),
        5 => ("/spec/contact/email", Some(json!("a@b.example"))),
        6 => ("/spec/employeeCount", Some(json!(7))),
        _ => ("/spec/metadata/own", None),
    });
    let changes = prop::collection::vec((names, prop::collection::vec(field, 1..4)), 1..5);
    let config = ProptestConfig { cases: 150, failure_persistence: None, ..ProptestConfig::default() };
    proptest!(config, |(changes in changes)| {
        let mut wishes: BTreeMap<&str, Vec<Change>> = BTreeMap::new();
        for (name, fields) in &changes {
            for (pointer, value) in fields {
                let change = Change::of(tenant(name));
                let change = match value {
                    Some(value) => change.set(*pointer, value.clone()),
                    None => change.unset(*pointer),
                };
                wishes.entry(*name).or_default().push(change);
            }
        }
        let mut planner = Planner::new(&catalog);
        for (name, changes) in &wishes {
            planner.change(&tenant(name), &changes.iter().collect::<Vec<_>>());
        }
        let outcome = planner.finish().unwrap();
        let edited = Planner::texts(&catalog, &outcome.orders).unwrap_or_else(|refused| panic!("{refused:?}\n{wishes:?}"));
        let mut files = files.clone();
        put(&mut files, edited);
        let after = read(&files);
        prop_assert_eq!(differences(&catalog, &after, &outcome.wanted), [] as [String; 0], "{:?}\n{:#?}", wishes, files);
        // And what is wanted is what was asked.
        for (name, changes) in &wishes {
            let declared: Value = serde_json::from_str(&catalog.find(&tenant(name)).unwrap().canonical).unwrap();
            let found: Value = serde_json::from_str(&after.find(&tenant(name)).unwrap().canonical).unwrap();
            let expected = changes.iter().fold(declared, |canonical, change| change.over(&canonical));
            for pointer in ["/spec/displayName", "/spec/status", "/labels/k", "/spec/metadata/own", "/spec/metadata/new", "/spec/contact/email", "/spec/employeeCount"] {
                prop_assert_eq!(found.pointer(pointer), expected.pointer(pointer), "{} {}", name, pointer);
            }
        }
    });
}
