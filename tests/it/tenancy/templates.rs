//! `templates save` and `delete`: templates of one's own, and what protects those that are in use.

use serde_json::json;

use super::Operator;

fn template(operator: &Operator, name: &str) -> serde_json::Value {
    operator.run(&["templates", "show", name, "--format", "json"]).ok().json()
}

#[test]
fn a_template_is_saved_from_options_and_changed_field_by_field() {
    let operator = Operator::with_workspace("tpl_save");
    let save = ["templates", "save", "--template-id", "surf", "--yes"];
    operator
        .run(
            &[
                &save[..],
                &["--type", "shopify", "--market", "ANZ_SMB", "--region", "NZ-NR1", "--name", "Surf"],
                &["--required-fields", "shopifyShop, contact.email", "--optional-fields", "website"],
                &["--default-metadata", "currency=NZD", "--default-metadata", "a=b=c", "--label", "team=x"],
                &["--setup-step", "Call, then write", "--setup-step", "Install"],
            ]
            .concat(),
        )
        .ok()
        .stdout_has("+ template/w/surf");
    let saved = template(&operator, "surf");
    for (field, value) in [
        ("workspaceId", json!("w")),
        ("name", json!("Surf")),
        ("region", json!("NZ-NR1")),
        ("requiredFields", json!(["shopifyShop", "contact.email"])),
        ("defaultMetadata", json!({"a": "b=c", "currency": "NZD"})),
        ("setupSteps", json!(["Call, then write", "Install"])),
        ("isBuiltin", json!(false)),
    ] {
        assert_eq!(saved[field], value, "{field}");
    }
    operator
        .run(
            &[&save[..], &["--default-metadata", "a=", "--region", "AU-SE1", "--optional-fields", ""]]
                .concat(),
        )
        .ok()
        .stdout_has("~ template/w/surf");
    let changed = template(&operator, "surf");
    assert_eq!(changed["defaultMetadata"], json!({"currency": "NZD"}));
    assert_eq!((&changed["region"], &changed["optionalFields"]), (&json!("AU-SE1"), &json!([])));
    assert_eq!(changed["setupSteps"], saved["setupSteps"]);
    // A tenant that was made from it before stays as it is.
    operator.make_tenant("T", &["--template", "surf", "--email", "a@b.example"]);
    operator.run(&[&save[..], &["--default-metadata", "currency=AUD"]].concat()).ok();
    assert_eq!(operator.value("select metadata ->> 'currency' from synthex.tenants"), "NZD");
}

#[test]
fn a_template_is_saved_from_a_tenant_and_makes_another_like_it() {
    let operator = Operator::with_workspace("tpl_from");
    let make =
        ["templates", "create-tenant", "--template-id", "mixed-multi-brand-anz", "--name", "One", "--yes"];
    let ids = [
        "--tenant-id",
        "ONE",
        "--shopify-shop",
        "one.myshopify.com",
        "--gmc-merchant-id",
        "1",
        "--metadata",
        "desk=Ada",
    ];
    operator.run(&[&make[..], &ids].concat()).ok();
    operator
        .run(&[
            "templates",
            "save",
            "--template-id",
            "ones",
            "--from-tenant",
            "ONE",
            "--region",
            "NZ-NR1",
            "--yes",
        ])
        .ok();
    let saved = template(&operator, "ones");
    assert_eq!(saved["requiredFields"], json!(["shopifyShop", "gmcMerchantId"]));
    assert_eq!(saved["region"], "NZ-NR1", "an option wins over the tenant");
    assert_eq!(saved["setupSteps"].as_array().unwrap().len(), 3, "the steps of its template come along");
    let missing = ["templates", "create-tenant", "--template-id", "ones", "--tenant-id", "TWO", "--yes"];
    operator.refused(
        3,
        &missing,
        &[
            "`displayName` is not given",
            "add --name TEXT",
            "requires `shopifyShop`",
            "add --shopify-shop NAME.myshopify.com",
            "requires `gmcMerchantId`",
            "add --gmc-merchant-id NUMBER",
        ],
    );
    let given = ["--name", "Two", "--shopify-shop", "two.myshopify.com", "--gmc-merchant-id", "2"];
    operator.run(&[&missing[..], &given].concat()).ok().stdout_has("Setup steps: 0 of 3 done");
    let two = "select region || ' ' || (metadata ->> 'desk') from synthex.tenants where name = 'TWO'";
    assert_eq!(operator.value(two), "NZ-NR1 Ada");
}

#[test]
fn a_template_in_use_or_built_in_is_not_deleted() {
    let operator = Operator::with_workspace("tpl_delete");
    let save = ["templates", "save", "--template-id", "surf", "--type", "shopify", "--yes"];
    operator.run(&save).ok();
    operator.make_tenant("A1", &["--template", "surf"]);
    operator.make_tenant("A2", &["--template", "surf"]);
    let delete = ["templates", "delete", "surf", "--yes"];
    let says = ["2 tenants were made from it", "also: tenant/w/A1", "also: tenant/w/A2", "--template OTHER"];
    operator.refused(5, &delete, &says);
    operator.run(&["tenant", "tenants", "update", "A1", "--template", "", "--yes"]).ok();
    operator.run(&["tenant", "tenants", "delete", "A2", "--yes"]).ok();
    operator.run(&delete).ok().stdout_has("- template/w/surf");
    operator.refused(3, &save, &["was there, and was deleted", "synthex restore template/w/surf"]);
    operator.run(&["restore", "template/w/surf", "--yes"]).ok();
    for command in ["save", "delete"] {
        operator.refused(
            5,
            &["templates", command, "--template-id", "shopify-smb-anz", "--yes"],
            &["`shopify-smb-anz` is a built-in template"],
        );
    }
}

#[test]
fn a_template_of_the_default_workspace_is_in_use_elsewhere_too() {
    let operator = Operator::declared("tpl_shared");
    operator.make_workspace("v");
    operator.run(&["templates", "save", "--template-id", "common", "--type", "shopify", "--yes"]).ok();
    operator.make_tenant("V1", &["-w", "v", "--template", "common"]);
    operator.refused(
        5,
        &["templates", "delete", "common", "--yes"],
        &["1 tenant was made from it", "tenant/v/V1"],
    );
    // A workspace's own template of that name is another one.
    operator
        .run(&["templates", "save", "-w", "v", "--template-id", "common", "--type", "shopify", "--yes"])
        .ok();
    operator.run(&["templates", "delete", "common", "-w", "w", "--yes"]).ok();
    operator.refused(5, &["templates", "delete", "common", "-w", "v", "--yes"], &["tenant/v/V1"]);
    operator.refused(
        5,
        &["templates", "save", "--template-id", "shops", "--name", "X", "--yes"],
        &["template/w/shops is declared at manifests/shops.yaml:"],
    );
}
