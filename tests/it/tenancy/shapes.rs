//! What is printed: JSON of tenants, of templates and of wrong usage, what a selector fits, and examples to copy.

use serde_json::json;

use super::Operator;

#[test]
fn what_is_stored_is_not_hidden_by_what_is_mixed_into_it() {
    let operator = Operator::with_workspace("shape_tenant");
    let given = ["--metadata", "website=own", "--metadata", "brand=x", "--website", "https://a.example"];
    operator.make_tenant("T", &[&given[..], &["--email", "a@b.example", "--employee-count", "7"]].concat());
    operator.make_tenant("PLAIN", &[]);
    let get = operator.run(&["tenant", "tenants", "get", "T", "--format", "json"]).ok().json();
    assert_eq!(get["format_version"], "1.0");
    let list = operator.run(&["tenant", "tenants", "list", "--format", "json"]).ok().json();
    for tenant in [&get, &list["tenants"][1]] {
        for (field, value) in [
            ("shopifyShop", json!("t.myshopify.com")),
            ("gmcMerchantId", json!(null)),
            ("contact", json!({"email": "a@b.example"})),
            ("industry", json!(null)),
            ("website", json!("https://a.example")),
            ("employeeCount", json!(7)),
            ("ownMetadata", json!({"brand": "x", "website": "own"})),
        ] {
            assert_eq!(tenant[field], value, "{field}: {tenant:#}");
        }
        assert_eq!(tenant["metadata"]["website"], "https://a.example");
        assert_eq!(tenant["metadata"]["contactEmail"], "a@b.example");
    }
    assert_eq!(list["tenants"][0]["ownMetadata"], json!({}));
    let templates = ["templates", "list", "--limit", "1", "--format", "json"];
    let templates = operator.run(&templates).ok().json();
    assert_eq!((&templates["total"], templates["templates"].as_array().unwrap().len()), (&json!(4), 1));
}

#[test]
fn a_selector_fits_labels_and_fields_everywhere() {
    let operator = Operator::with_workspace("shape_selector");
    operator.make_tenant("A", &["--label", "status=odd"]);
    operator.make_tenant("B", &["--status", "suspended"]);
    operator.make_tenant("C", &[]);
    operator.run(&["templates", "save", "--template-id", "tpl", "--type", "mixed", "--yes"]).ok();
    let found = |args: &[&str], list: &str, field: &str, selector: &str| {
        let all = [args, &["--format", "json", "-l", selector]].concat();
        let document = operator.run(&all).ok().json();
        let names =
            document[list].as_array().unwrap().iter().map(|one| one[field].as_str().unwrap().to_owned());
        names.collect::<Vec<_>>().join(" ")
    };
    let tenants = ["tenant", "tenants", "list"];
    assert_eq!(found(&tenants, "tenants", "tenantId", "status=suspended"), "B");
    assert_eq!(found(&tenants, "tenants", "tenantId", "status=odd"), "A", "a label wins over a field");
    assert_eq!(found(&tenants, "tenants", "tenantId", "status=active"), "C");
    for command in ["list", "summary"] {
        let workspaces = ["tenant", "workspace", command];
        assert_eq!(found(&workspaces, "workspaces", "workspaceId", "market=ANZ_SMB"), "w");
        assert_eq!(found(&workspaces, "workspaces", "workspaceId", "market=UK_SMB"), "");
    }
    let templates = found(&["templates", "list"], "templates", "id", "type=mixed");
    assert_eq!(templates, "mixed-multi-brand-anz tpl");
}

#[test]
fn what_the_parser_of_arguments_says_is_all_in_the_json() {
    let operator = Operator::new("shape_usage");
    let error = |args: &[&str]| {
        let all = [args, &["--format", "json"]].concat();
        operator.run(&all).code(3).json()["error"].clone()
    };
    let missing = error(&["tenant", "workspace", "create"]);
    assert_eq!(
        missing["what"],
        "the following required arguments were not provided: --workspace-id <WORKSPACE>, --market <MARKET>, --region <REGION>"
    );
    let value = error(&["tenant", "tenants", "list", "--status", "activ"]);
    assert_eq!(
        value["what"],
        "invalid value 'activ' for '--status <STATUS>' [possible values: active, inactive, suspended]"
    );
    assert_eq!(value["help"], "a similar value exists: 'active'");
    let unknown = error(&["tenant", "tenants", "list", "--statsu", "active"]);
    assert_eq!(unknown["what"], "unexpected argument '--statsu' found");
    assert!(unknown["help"].as_str().unwrap().contains("--status"), "{unknown}");
}

#[test]
fn examples_can_be_copied_from_a_terminal() {
    let operator = Operator::new("shape_examples");
    for command in [
        &["tenant", "tenants", "create"][..],
        &["tenant", "tenants", "update"],
        &["tenant", "workspace", "create"],
        &["templates"],
        &["templates", "create-tenant"],
        &["templates", "save"],
    ] {
        let help = operator.synthex(&[command, &["--help"]].concat()).env("COLUMNS", "100").run().ok().stdout;
        let (_, examples) = help.split_once("Examples:\n").expect("examples");
        let mut continues = false;
        for line in examples.lines().take_while(|line| !line.is_empty()) {
            assert_eq!(line.matches('"').count() % 2, 0, "a break in quotes: {line}");
            assert!(continues || line.starts_with("  synthex "), "{line}");
            assert!(line.len() <= 100, "{line}");
            continues = line.ends_with(" \\");
        }
    }
}
