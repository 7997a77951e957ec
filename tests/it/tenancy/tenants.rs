//! `tenant tenants create`, `update` and `delete`: what is changed is what was asked for, and no more.

use super::Operator;

#[test]
fn an_update_changes_what_is_given_and_an_empty_value_takes_a_field_away() {
    let operator = Operator::with_workspace("tenant_update");
    let more =
        ["--email", "a@b.example", "--phone", "+61 2 5550 0000", "--label", "tier=gold", "--metadata", "n=1"];
    operator.make_tenant("T", &more);
    let row =
        "select to_jsonb(t) - '{revision,updated_at,digest}'::text[] from synthex.tenants t where name = 'T'";
    let before: serde_json::Value = serde_json::from_str(&operator.value(row)).unwrap();
    let update =
        |args: &[&str]| operator.run(&[&["tenant", "tenants", "update", "T", "--yes"][..], args].concat());
    update(&[
        "--email",
        "",
        "--label",
        "tier=",
        "--label",
        "team=x",
        "--metadata",
        "n=",
        "--employee-count",
        "5",
    ])
    .ok();
    let mut expected = before;
    expected["contact_email"] = serde_json::Value::Null;
    expected["labels"] = serde_json::json!({"team": "x"});
    expected["metadata"] = serde_json::json!({});
    expected["employee_count"] = serde_json::json!(5);
    let after: serde_json::Value = serde_json::from_str(&operator.value(row)).unwrap();
    assert_eq!(after, expected);
    // The same again changes nothing, and is no error.
    update(&["--employee-count", "5"]).ok().stdout_has("No changes.");
}

#[test]
fn another_template_adds_what_it_gives_and_must_be_given_what_it_requires() {
    let operator = Operator::with_workspace("tenant_template");
    operator.make_tenant("T", &["--metadata", "language=en-NZ"]);
    let update = ["tenant", "tenants", "update", "T", "--yes"];
    operator.refused(
        3,
        &[&update[..], &["--template", "mixed-multi-brand-anz"]].concat(),
        &["requires `gmcMerchantId`", "--gmc-merchant-id"],
    );
    operator
        .run(&[&update[..], &["--template", "mixed-multi-brand-anz", "--gmc-merchant-id", "7"]].concat())
        .ok();
    let metadata = "select metadata::text from synthex.tenants where name = 'T'";
    assert_eq!(operator.value(metadata), r#"{"currency": "AUD", "language": "en-NZ"}"#);
    // What it requires cannot be taken away again; other fields can be changed.
    operator.refused(
        3,
        &[&update[..], &["--gmc-merchant-id", "", "--shopify-shop", ""]].concat(),
        &["requires `gmcMerchantId`", "requires `shopifyShop`", "add --shopify-shop"],
    );
    operator.run(&[&update[..], &["--industry", "Toys"]].concat()).ok();
}

#[test]
fn a_template_that_is_gone_or_wants_more_is_no_obstacle_to_another_change() {
    let operator = Operator::with_workspace("tenant_old_template");
    operator.make_tenant("T", &[]);
    operator.estate.database.sql("update synthex.tenants set template = 'gone' where name = 'T'");
    operator.run(&["tenant", "tenants", "update", "T", "--status", "inactive", "--yes"]).ok();
    assert_eq!(operator.value("select status || template from synthex.tenants"), "inactivegone");
}

#[test]
fn what_a_manifest_declares_is_refused_with_its_place_unless_forced() {
    let operator = Operator::declared("tenant_declared");
    let update = ["tenant", "tenants", "update", "T1", "--status", "suspended", "--yes"];
    operator.refused(5, &update, &["tenant/w/T1 is declared at manifests/T1.yaml:", "--force"]);
    operator.refused(
        5,
        &["tenant", "tenants", "delete", "T1", "--yes"],
        &["are declared by manifests", "credential/w/c1 is declared at"],
    );
    operator.run(&[&update[..], &["--force"]].concat()).ok();
    let status = "select status from synthex.tenants where name = 'T1'";
    assert_eq!(operator.value(status), "suspended");
    // A workspace of a manifest may get tenants of commands.
    operator.make_tenant("MADE", &[]);
    assert_eq!(operator.value("select owner from synthex.tenants where name = 'MADE'"), "cli");
    operator.estate.apply().ok().stdout_has("status  suspended → active");
    assert_eq!(operator.value(status), "active");
    operator.estate.is_converged();
}

#[test]
fn a_deleted_tenant_that_was_active_is_pointed_out() {
    let operator = Operator::with_workspace("tenant_active_deleted");
    operator.make_tenant("T", &[]);
    operator.run(&["tenant", "workspace", "set-active", "w", "--tenant-id", "T"]).ok();
    operator.run(&["tenant", "tenants", "delete", "T", "--yes"]).ok().stderr_has("still your active tenant");
    operator.refused(3, &["tenant", "tenants", "get"], &["there is no tenant `T`", "your preferences"]);
    operator
        .run(&["tenant", "workspace", "info"])
        .ok()
        .stdout_has("T (by your preferences; there is none of that name)");
}

#[test]
fn without_consent_nothing_is_written() {
    let operator = Operator::with_workspace("tenant_consent");
    let create = ["tenant", "tenants", "create", "--tenant-id", "T", "--name", "T", "--type", "shopify"];
    operator.refused(3, &create, &["no terminal to ask on", "--yes"]);
    let plan = operator.run(&[&create[..], &["--dry-run", "--format", "json"]].concat()).ok().json();
    assert_eq!(plan["summary"]["create"], 1, "{plan:#}");
    assert_eq!(operator.value("select count(*) from synthex.tenants"), "0");
    // With the digest that was shown, and only with that.
    let digest = plan["digest"].as_str().unwrap();
    operator
        .run(&[&create[..], &["--yes", "--expect-digest", digest, "--status", "inactive"]].concat())
        .code(6);
    operator.run(&[&create[..], &["--yes", "--expect-digest", digest]].concat()).ok();
}
