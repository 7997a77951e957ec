//! Exported rows make the same tenants again, also of what a spreadsheet would run.

use crate::support::database::TestDatabase;
use crate::support::estate::Estate;

/// An estate whose workspace has, besides the declared tenants, some that rows cannot say easily.
fn estate(hint: &str) -> Estate {
    let estate = Estate::applied(hint);
    estate.project.write(
        "odd.json",
        r#"[
          {"tenantId": "ODD_1", "name": "=1+1", "type": "mixed", "phone": "+61 2 5550 0000", "industry": "-x", "labels": {"a/b": "=2", "tier": "gold"}, "metadata": {"at": "@home", "tab": "\tx", "quote": "'=3", "nl": "a\nb, \"c\""}},
          {"tenantId": "ODD_2", "name": "Größe 🛍, Ltd", "type": "shopify", "template": "shops", "status": "suspended", "protect": true, "employeeCount": 3, "metadata": {"var": "${HOME}", "currency": "NZD"}, "businessId": {"country": "AU", "number": "51 824 753 556"}}
        ]"#,
    );
    estate.run(&["batch", "tenants", "create", "--from-json", "odd.json", "--yes"]).ok();
    estate
}

/// A second database with the same workspace and templates, and no tenant.
fn elsewhere(estate: &Estate, hint: &str) -> TestDatabase {
    let database = TestDatabase::new(hint);
    let apply = ["apply", "--yes", "--target", "workspace/*", "--target", "template/*"];
    estate.synthex_at(&database.url(), &apply).run().ok();
    database
}

const TENANTS: &str = "select to_jsonb(t) - '{id,revision,created_at,updated_at,deleted_at,touched_at,touched_by,owner,digest}'::text[] \
     from synthex.tenants t where deleted_at is null order by name";

#[test]
fn what_is_exported_makes_the_same_tenants_elsewhere() {
    let estate = estate("batch_rows");
    estate.project.write(
        "p/synthex.yaml",
        "apiVersion: synthex.dev/v1\nkind: Project\nmetadata: {name: other}\nspec: {workspace: w}\n",
    );
    for format in ["csv", "json"] {
        let file = format!("out/clients.{format}");
        let exported = estate.run(&["batch", "export", format, "--output", &file]).ok();
        assert!(!exported.stderr.contains("warning"), "{exported}");
        let text = estate.project.read(&file);
        if format == "csv" {
            assert!(text.contains(",\"'=1+1\","), "{text}");
            assert!(text.contains("\"'+61 2 5550 0000\"") && text.contains("\"''=3\""), "{text}");
            let cells = text.split([',', '\n']).map(|cell| cell.trim_start_matches('"'));
            assert!(!cells.clone().any(|cell| cell.starts_with(['=', '+', '-', '@', '\t'])), "{text}");
            // It is there already.
            let again = estate.run(&["batch", "export", format, "--output", &file]).code(3);
            again.stderr_has("is there already").stderr_has("--force");
            estate.run(&["batch", "export", format, "--output", &file, "--force"]).ok();
        }
        let database = elsewhere(&estate, "batch_rows_2");
        let option = format!("--from-{format}");
        let file = format!("../{file}");
        let create = [
            "-f",
            "p/synthex.yaml",
            "batch",
            "tenants",
            "create",
            &option,
            &file.replace("../", ""),
            "--yes",
        ];
        estate.synthex_at(&database.url(), &create).run().ok();
        assert_eq!(database.query_strings(TENANTS), estate.database.query_strings(TENANTS), "{format}");
        let again = estate.synthex_at(&database.url(), &create).run().ok();
        again.stdout_has("No changes.");
    }
}

#[test]
fn what_csv_cannot_say_is_told_and_a_part_can_be_chosen() {
    let estate = estate("batch_rows_odd");
    estate.database.sql(
        "update synthex.tenants set metadata = '{\"n\": 1.5, \"list\": [1]}' where name = 'T1'; \
         update synthex.tenants set metadata = '{}' where name = 'ODD_2'",
    );
    let out = estate.run(&["batch", "export", "csv"]).ok();
    let out = out.stderr_has("tenant/w/T1: would come back with another metadata.list, metadata.n");
    let out = out
        .stderr_has("tenant/w/ODD_2: would come back with another metadata.currency")
        .stderr_has("batch export json");
    assert!(
        out.stdout.starts_with("tenantId,name,type,market,region,shopifyShop,gmcMerchantId,status,"),
        "{out}"
    );
    let json = estate.run(&["batch", "export", "json"]).ok();
    assert!(!json.stderr.contains("warning"), "{json}");
    let rows = json.json();
    assert_eq!(rows[1]["metadata"], serde_json::json!({"currency": null}));
    let one = estate
        .run(&["batch", "export", "csv", "-l", "tier=gold", "--limit", "1", "--format", "json"])
        .ok()
        .json();
    assert_eq!((&one["exported"], &one["total"]), (&1.into(), &1.into()));
    assert!(one["content"].as_str().unwrap().contains("ODD_1"), "{one:#}");
    let out =
        estate.run(&["batch", "export", "csv", "--limit", "2"]).ok().stderr_has("2 of 5 tenants exported");
    assert_eq!(out.stdout.matches("ODD_").count(), 2, "{out}");
    let plain = estate.run(&["batch", "export", "csv"]).ok().stdout;
    assert_eq!(estate.run(&["batch", "export", "csv", "--output", "-"]).ok().stdout, plain);
    assert!(!estate.project.path().join("-").exists());
    estate.run(&["batch", "export", "csv", "-l", "tier=none"]).ok().stderr_has("No tenant");
    estate.run(&["batch", "export", "xml"]).code(3).stderr_has("csv");
    estate.run(&["batch", "export", "csv", "-w", "v"]).code(3).stderr_has("there is no workspace `v`");
}
