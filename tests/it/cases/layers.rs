//! Workspace defaults, templates and a tenant's own lines, laid over one another.

use serde_json::{Value, json};

use super::harness::{Files, files, rendered, run, run_in_order};

const WORKSPACE: &str = r#"
apiVersion: synthex.dev/v1
kind: Workspace
metadata: {name: w}
spec:
  market: ANZ_SMB
  region: AU-SE1
  defaults:
    labels: {office: sydney, tier: standard}
    industry: Retail
    metadata: {source: workspace, language: en, nested: {from: workspace}}
"#;

const TEMPLATE: &str = r#"
apiVersion: synthex.dev/v1
kind: TenantTemplate
metadata: {name: t}
spec:
  type: mixed
  region: NZ-NR1
  defaultMetadata: {source: template, currency: NZD}
  requiredFields: [contact.email, metadata.brand]
"#;

const TENANT: &str = r#"
apiVersion: synthex.dev/v1
kind: Tenant
metadata: {name: a, labels: {tier: gold, version: 1.10}}
spec:
  displayName: A
  template: t
  contact: {email: a@b.example}
  metadata: {source: tenant, brand: x, nested: {own: true}}
"#;

fn layered() -> Files {
    files([("w.yaml", WORKSPACE), ("templates.yaml", TEMPLATE), ("tenants.yaml", TENANT)])
}

/// The canonical form of the one entry whose key is this.
#[track_caller]
fn canonical(files: &Files, key: &str) -> Value {
    let outcome = run(files);
    assert!(outcome.diagnostics.is_empty(), "{}", rendered(&outcome.diagnostics));
    let line = outcome.entries.lines().find_map(|line| line.strip_prefix(&format!("{key} ")));
    serde_json::from_str(line.unwrap_or_else(|| panic!("{key} is not in\n{}", outcome.entries)))
        .expect("JSON")
}

#[test]
fn the_tenant_wins_over_the_template_and_the_template_over_the_workspace() {
    let expected = json!({
        "labels": {"office": "sydney", "tier": "gold", "version": "1.10"},
        "spec": {
            "displayName": "A", "template": "t", "type": "mixed", "market": "ANZ_SMB", "region": "NZ-NR1",
            "status": "active", "contact": {"email": "a@b.example"}, "industry": "Retail",
            "metadata": {
                "source": "tenant", "brand": "x", "currency": "NZD", "language": "en", "nested": {"own": true},
            },
        },
    });
    assert_eq!(canonical(&layered(), "tenant/w/a"), expected);
}

#[test]
fn an_own_template_wins_over_a_built_in_one_of_the_same_name() {
    let mut files = layered();
    let template = TEMPLATE.replace("name: t}", "name: shopify-smb-anz}");
    files.insert("templates.yaml".to_owned(), template.into_bytes());
    files.insert(
        "tenants.yaml".to_owned(),
        TENANT.replace("template: t", "template: shopify-smb-anz").into_bytes(),
    );
    assert_eq!(canonical(&files, "tenant/w/a")["spec"]["type"], "mixed");
}

#[test]
fn a_row_and_a_manifest_of_the_same_tenant_are_equal() {
    let mut rows = layered();
    let set = "apiVersion: synthex.dev/v1\nkind: TenantSet\nmetadata: {name: s}\nspec: {from: {csv: rows.csv}, template: t}\n";
    let table = "tenantId,name,email,labels,labels.version,metadata.source,metadata.brand\na,A,a@b.example,tier=gold,1.10,tenant,x\n";
    rows.insert("tenants.yaml".to_owned(), set.into());
    rows.insert("rows.csv".to_owned(), table.into());
    let mut manifests = layered();
    manifests.insert("tenants.yaml".to_owned(), TENANT.replace(", nested: {own: true}", "").into_bytes());
    assert_eq!(canonical(&rows, "tenant/w/a"), canonical(&manifests, "tenant/w/a"));
}

#[test]
fn a_template_of_another_workspace_is_not_seen() {
    let mut files = layered();
    let other = WORKSPACE.replace("name: w}", "name: other}");
    files.insert("other.yaml".to_owned(), other.into_bytes());
    files.insert(
        "templates.yaml".to_owned(),
        TEMPLATE.replace("name: t}", "name: t, workspace: other}").into_bytes(),
    );
    let codes: Vec<_> = run(&files).diagnostics.iter().map(|diagnostic| diagnostic.code).collect();
    assert_eq!(codes, ["SX0205"]);
}

#[test]
fn the_digest_is_the_same_however_files_are_ordered_or_split() {
    let files = layered();
    let names: Vec<&String> = files.keys().collect();
    let expected = run_in_order(&files, &names, 1).digest;
    for order in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
        let order: Vec<&String> = order.iter().map(|index| names[*index]).collect();
        assert_eq!(run_in_order(&files, &order, 4).digest, expected, "{order:?}");
    }
    let together = files.values().map(|bytes| String::from_utf8_lossy(bytes)).collect::<Vec<_>>().join("---");
    assert_eq!(run(&super::harness::files([("w.yaml", &together)])).digest, expected);
    let mut changed = files.clone();
    changed.insert("tenants.yaml".to_owned(), TENANT.replace("brand: x", "brand: y").into_bytes());
    assert_ne!(run(&changed).digest, expected);
}
