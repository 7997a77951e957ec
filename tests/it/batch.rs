//! Batch operations with verification of results, as an operator does them: create, look, change, export, delete, take back.

use serde_json::Value;

use crate::support::estate::Estate;
use crate::support::project::tenant_yaml;

const CLIENTS: &str = "tenantId,name,type,market,region,shopifyShop,gmcMerchantId,status,email,labels.tier,metadata.brand\n\
     SMB_1,Acme Corp,shopify,ANZ_SMB,AU-SE1,acme.myshopify.com,,,ops@acme.example,gold,acme\n\
     SMB_2,\"Two, Ltd\",,,,two.myshopify.com,,active,,silver,\n\
     SMB_3,\"Three\n& Sons\",mixed,,NZ-NR1,three.myshopify.com,123,suspended,,gold,\n";

/// The field of a tenant in the database.
#[track_caller]
fn field(estate: &Estate, name: &str, column: &str) -> String {
    let sql = format!("select {column}::text from synthex.tenants where name = '{name}'");
    estate.value(&sql).unwrap_or_default()
}

fn items(value: &Value) -> Vec<&str> {
    value.as_array().expect("a list").iter().map(|item| item.as_str().expect("a text")).collect()
}

#[test]
fn batch_operations_with_verification_of_results() {
    let estate = Estate::applied("batch_all");
    estate.project.write("clients.csv", CLIENTS);
    let create = ["batch", "tenants", "create", "--from-csv", "clients.csv", "--template", "shopify-smb-anz"];

    // A dry run shows what would be done, and does nothing.
    let state = estate.state();
    let out = estate.run(&[&create[..], &["--dry-run"]].concat()).ok();
    out.stdout_has("tenant/w/SMB_1").stdout_has("clients.csv:2:1");
    assert_eq!(estate.state(), state);
    estate.run(&create).code(3).stderr_has("--yes");

    // Created in one operation; each item is told.
    let out = estate.run(&[&create[..], &["--yes", "--format", "json"]].concat()).ok().json();
    assert_eq!(items(&out["successful"]), ["tenant/w/SMB_1", "tenant/w/SMB_2", "tenant/w/SMB_3"]);
    assert_eq!(
        (&out["total"], &out["successCount"], &out["failureCount"]),
        (&3.into(), &3.into(), &0.into())
    );
    assert!(out["failed"].as_array().unwrap().is_empty() && out["duration"].as_u64().is_some(), "{out:#}");
    assert_eq!(out["summary"]["create"], 3);
    let (revision, id) = (out["revision"].to_string(), out["operationId"].as_str().unwrap().to_owned());
    assert_eq!(field(&estate, "SMB_1", "owner"), "cli");
    // The template and the workspace gave what the rows left out.
    assert_eq!(
        field(&estate, "SMB_2", "type || market || region || template"),
        "shopifyANZ_SMBAU-SE1shopify-smb-anz"
    );
    assert_eq!(field(&estate, "SMB_3", "display_name"), "Three\n& Sons");
    assert_eq!(field(&estate, "SMB_1", "labels"), "{\"tier\": \"gold\"}");
    // Once more: there is nothing to do.
    let out = estate.run(&[&create[..], &["--yes", "--format", "json"]].concat()).ok().json();
    assert_eq!((&out["applied"], &out["summary"]["unchanged"]), (&false.into(), &3.into()));

    // On record, under its number and under its id.
    estate.run(&["batch", "list"]).ok().stdout_has("batch tenants create").stdout_has("3 create");
    let list = estate.run(&["batch", "list", "--format", "json"]).ok().json();
    assert_eq!(list["operations"][0]["id"], id.as_str());
    assert_eq!(list["operations"][0]["successCount"], 3);
    // By how they ended, and by the words of the command.
    let count = |args: &[&str]| {
        let all = [&["batch", "list", "--all", "--format", "json"], args].concat();
        estate.run(&all).ok().json()["operations"].as_array().unwrap().len()
    };
    assert_eq!((count(&["--command", "batch tenants"]), count(&["--command", "batch ten"])), (1, 0));
    assert_eq!((count(&["--command", "apply"]), count(&["--status", "failed"])), (1, 0));
    assert_eq!(count(&["--status", "applied", "--command", "batch tenants create"]), 1);
    estate.run(&["batch", "list", "--status", "failed"]).ok().stderr_has("No operation is like that");
    estate.run(&["batch", "list", "--status", "odd"]).code(3);
    let shown = estate.run(&["batch", "show", &id, "--format", "json"]).ok().json();
    assert_eq!(shown["operation"]["revision"].to_string(), revision);
    assert_eq!(shown["items"][0]["source"], "clients.csv:2:1");
    assert_eq!(shown["items"].as_array().unwrap().len(), 3);
    estate.run(&["batch", "show", &revision]).ok().stdout_has("create tenant/w/SMB_2");

    changed_by_selector_by_name_and_by_row(&estate);

    // Deleted with what belongs to it, and brought back.
    estate.database.sql(
        "set synthex.engine = 'on'; insert into synthex.credentials (workspace, name, tenant, service, renewal, secret_ref, owner) \
         values ('w', 'k1', 'SMB_1', 'shopify', 'none', '{\"env\": \"K\"}', 'cli')",
    );
    let out = estate
        .run(&["batch", "tenants", "delete", "--tenant-ids", "SMB_1,SMB_2", "--yes", "--format", "json"])
        .ok()
        .json();
    assert_eq!(out["summary"]["delete"], 3);
    assert_eq!(field(&estate, "SMB_1", "deleted_at is not null"), "true");
    let revision = out["revision"].to_string();
    estate.run(&["batch", "rollback", &revision, "--yes"]).ok();
    assert_eq!(field(&estate, "SMB_1", "deleted_at is null"), "true");
    let permanent =
        ["batch", "tenants", "delete", "--tenant-ids", "SMB_1", "--permanent", "--format", "json"];
    estate.run(&[&permanent[..], &["--yes"]].concat()).code(5).stderr_has("removed for good");
    let refused = estate.run(&[&permanent[..], &["--dry-run"]].concat()).code(5).stderr;
    let digest = format!("sha256:{}", &refused.split("sha256:").nth(1).unwrap()[..64]);
    // The tenant, and the credential that was deleted with it before.
    let ack = ["--yes", "--ack-deletes", "2", "--expect-digest", &digest];
    let out = estate.run(&[&permanent[..], &ack].concat());
    let revision = out.ok().json()["revision"].to_string();
    assert_eq!(estate.database.query_one_i64("select count(*) from synthex.tenants where name = 'SMB_1'"), 0);
    estate.run(&["batch", "rollback", &revision, "--yes"]).ok().stdout_has("comes back with a new id");
    assert_eq!(field(&estate, "SMB_1", "display_name || labels"), "Renamed{\"tier\": \"bronze\"}");
    // What the project declares was left alone all the time.
    estate.is_converged();
}

fn changed_by_selector_by_name_and_by_row(estate: &Estate) {
    let update = |words: &str| {
        let args = words.split(' ').chain(["--yes", "--format", "json"]);
        let all: Vec<&str> = ["batch", "tenants", "update"].into_iter().chain(args).collect();
        estate.run(&all).ok().json()
    };
    let out = update(
        "-l labels.tier!=x,tier=gold --status inactive --set metadata.seen=yes --set employeeCount=12",
    );
    assert_eq!(items(&out["successful"]), ["tenant/w/SMB_1", "tenant/w/SMB_3"]);
    assert_eq!(field(estate, "SMB_3", "status || employee_count || (metadata ->> 'seen')"), "inactive12yes");
    update("--tenant-ids SMB_1,SMB_2 --unset labels.tier --name Renamed");
    assert_eq!(field(estate, "SMB_1", "display_name || labels"), "Renamed{}");
    estate.project.write("changes.csv", "tenantId,status,labels.tier\nSMB_1,active,bronze\nSMB_2,,bronze\n");
    update("--from-csv changes.csv");
    assert_eq!(field(estate, "SMB_1", "status || labels"), "active{\"tier\": \"bronze\"}");
    assert_eq!(field(estate, "SMB_2", "status"), "active");
}

#[test]
fn what_a_manifest_declares_is_refused_with_its_place() {
    let estate = Estate::applied("batch_declared");
    let state = estate.state();
    for args in [
        &["batch", "tenants", "update", "--tenant-ids", "T1", "--status", "inactive", "--yes"][..],
        &["batch", "tenants", "delete", "--tenant-ids", "T1", "--yes"],
    ] {
        estate.run(args).code(5).stderr_has("manifests/T1.yaml:1:1").stderr_has("--force");
    }
    assert_eq!(estate.state(), state);
    // Declared, and not applied yet.
    estate.project.write("manifests/NEW.yaml", tenant_yaml("NEW", "w"));
    estate.project.write("new.csv", "tenantId,name,type\nNEW,New,shopify\nOWN,Own,shopify\n");
    let create = ["batch", "tenants", "create", "--from-csv", "new.csv", "--yes"];
    estate.run(&create).code(5).stderr_has("manifests/NEW.yaml:1:1");
    assert_eq!(estate.state(), state);
    let out =
        estate.run(&[&create[..], &["--on-error", "continue", "--format", "json"]].concat()).code(7).json();
    assert_eq!(out["failed"][0]["item"], "tenant/w/NEW");
    assert_eq!(items(&out["successful"]), ["tenant/w/OWN"]);
    let update =
        ["batch", "tenants", "update", "--tenant-ids", "T1", "--status", "inactive", "--yes", "--force"];
    estate.run(&update).ok().stdout_has("the next apply puts it back");
    assert_eq!(field(&estate, "T1", "status"), "inactive");
    estate.apply().ok();
    assert_eq!(field(&estate, "T1", "status || owner"), "activetest");
}
