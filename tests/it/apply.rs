//! What an apply does to rows, what it records, and that a second one does nothing: the main promise of the program.
//!
//! Guards, exit codes and the forms of the output are in `outcomes.rs`.

use std::time::Duration;

use crate::support::estate::{DECLARED, Estate, SIZE, changes};
use crate::support::eventually;
use crate::support::project::{tenant_yaml, workspace_yaml};

/// Rows written so far in all tables of synthex, by anybody, as PostgreSQL counts them.
fn rows_written(estate: &Estate) -> i64 {
    estate.database.query_one_i64(
        "select coalesce(sum(n_tup_ins + n_tup_upd + n_tup_del), 0)::bigint \
         from pg_stat_user_tables where schemaname = 'synthex'",
    )
}

/// The count, once every session that wrote has reported: a session does so when it ends, which is a moment after its
/// client has gone.
fn settled_rows_written(estate: &Estate) -> i64 {
    let alone = "select count(*) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid() \
                 and backend_type = 'client backend'";
    let quiet = eventually(Duration::from_secs(10), || estate.database.query_one_i64(alone) == 0);
    assert!(quiet, "somebody stays connected");
    rows_written(estate)
}

#[test]
fn a_first_apply_creates_everything_that_is_declared() {
    let estate = Estate::new("apply_first");
    let plan = estate.plan(&[]);
    assert_eq!(plan["summary"]["create"], SIZE);
    estate.apply().ok().stdout_has("Plan: 14 to create").stdout_has("Applied as revision 1.");
    estate.is_converged();
    assert_eq!(estate.declared().len(), SIZE);
    let shop = "select display_name || ' ' || shopify_shop || ' ' || owner || ' ' || revision from synthex.tenants where name = 'T2'";
    assert_eq!(estate.value(shop).as_deref(), Some("T2 t2.myshopify.com test 1"));
    let expiry =
        "select (declared_expires_at at time zone 'UTC')::text from synthex.credentials where name = 'c1'";
    assert_eq!(estate.value(expiry).as_deref(), Some("2031-06-30 00:00:00"));
    let touched = DECLARED.map(|table| format!("select touched_at from synthex.{table}")).join(" union all ");
    let touched = format!("select count(touched_at) from ({touched}) t");
    assert_eq!(estate.database.query_one_i64(&touched), 0, "synthex's own writes are not drift");
    assert_eq!(estate.database.query_one_i64("select count(*) from synthex.drift_events"), 0);
}

#[test]
fn a_second_apply_writes_no_row_anywhere() {
    let estate = Estate::new("apply_second");
    estate.apply().ok();
    let before = settled_rows_written(&estate);
    // Every declared row, the lease taken and given back, the operation, its items, the migration.
    assert!(usize::try_from(before).unwrap() >= 2 * SIZE + 4, "the counters count: {before}");
    let state = estate.state();
    estate.apply().ok().stdout_has("No changes.");
    estate.run(&["apply", "--yes", "--prune", "--format", "json"]).ok();
    assert_eq!(settled_rows_written(&estate), before);
    assert_eq!(estate.state(), state);
}

#[test]
fn an_update_changes_the_fields_that_changed_and_no_other_row() {
    let estate = Estate::applied("apply_update");
    let others =
        "select jsonb_agg(to_jsonb(t) order by name)::text from synthex.tenants t where name <> 'T1'";
    let before = estate.value(others);
    estate.declare_tenant(
        "T1",
        &["industry: Retail", "contact: {email: ops@acme.example}", "metadata: {a: {b: [1]}}"],
    );
    estate.edit("T1.yaml", "status: active", "status: suspended");
    let expected = ["update tenant/w/T1 (contact.email, industry, metadata.a.b, status)"];
    assert_eq!(estate.changes(&[]), expected);
    let output = estate.apply().ok().stdout_has("Plan: 0 to create, 1 to update, 0 to delete").stdout;
    assert!(output.contains("active") && output.contains("suspended"), "old and new value:\n{output}");
    assert_eq!(estate.value(others), before);
    let row = "select concat_ws(' ', status, industry, contact_email, metadata, revision) from synthex.tenants where name = 'T1'";
    assert_eq!(
        estate.value(row).as_deref(),
        Some("suspended Retail ops@acme.example {\"a\": {\"b\": [1]}} 2")
    );
    // A field that is no longer given goes back to its default.
    estate.declare_tenant("T1", &[]);
    estate.apply().ok();
    assert_eq!(estate.value(row).as_deref(), Some("active {} 3"));
    estate.is_converged();
}

#[test]
fn what_is_no_longer_declared_stays_until_it_is_pruned_and_can_come_back() {
    let estate = Estate::applied("apply_prune");
    let id = "select id::text from synthex.tenants where name = 'T3'";
    let was = estate.value(id);
    let before = estate.declared();
    estate.project.remove("manifests/T3.yaml");
    let plan = estate
        .run(&["plan"])
        .ok()
        .stdout_has("no longer declared")
        .stdout_has("tenant/w/T3")
        .stdout_has("--prune");
    assert!(plan.stdout.contains("No changes."), "{plan}");
    assert_eq!(estate.plan(&[])["undeclared"][0]["key"], "tenant/w/T3");
    estate.apply().ok();
    assert_eq!(estate.declared(), before, "nothing is deleted unasked");

    assert_eq!(estate.changes(&["--prune"]), ["delete tenant/w/T3"]);
    estate.run(&["apply", "--yes", "--prune"]).ok().stdout_has("1 to delete");
    let deleted = "select count(*) from synthex.tenants where name = 'T3' and deleted_at is not null and display_name = 'T3'";
    assert_eq!(estate.database.query_one_i64(deleted), 1, "softly: the row is still there");
    estate.run(&["plan", "--prune", "--detailed-exitcode"]).ok().stdout_has("No changes.");
    assert!(!estate.run(&["tenant", "tenants", "list"]).ok().stdout.contains("T3"));

    estate.project.write("manifests/T3.yaml", tenant_yaml("T3", "w").replace("active", "inactive"));
    let change = estate.change();
    assert_eq!((&change["action"], &change["reason"]["code"]), (&"restore".into(), &"declared-again".into()));
    estate.apply().ok().stdout_has("Applied");
    estate.is_converged();
    assert_eq!(estate.value(id), was, "the same resource, with its id");
    assert_eq!(
        estate
            .value("select status from synthex.tenants where name = 'T3' and deleted_at is null")
            .as_deref(),
        Some("inactive")
    );
}

#[test]
fn prune_in_the_project_file_deletes_too_but_never_for_a_part_of_the_manifests() {
    let estate = Estate::applied("apply_prune_project");
    let file = estate
        .project
        .read("synthex.yaml")
        .replace("spec: {workspace: w,", "spec: {workspace: w, prune: true,");
    estate.project.write("synthex.yaml", file);
    estate.project.remove("manifests/muted.yaml");
    estate.run(&["apply", "--yes", "-f", "manifests/w.yaml"]).ok().stdout_has("No changes.");
    estate.apply().ok().stdout_has("1 to delete");
    assert_eq!(estate.declared().len(), SIZE - 1);
    estate.is_converged();
}

#[test]
fn rows_of_nobody_and_of_commands_are_adopted() {
    let estate = Estate::applied("apply_adopt");
    let insert = |name: &str, owner: &str| {
        estate.database.sql(&format!(
            "insert into synthex.tenants (workspace, name, display_name, type, market, region, shopify_shop, owner)
             values ('w', '{name}', '{name}', 'shopify', 'ANZ_SMB', 'AU-SE1', '{}.myshopify.com', {owner})",
            name.to_lowercase()
        ));
    };
    insert("HAND", "null");
    insert("CLI", "'cli'");
    insert("STRAY", "null");
    estate.is_converged();
    estate.declare_tenant("HAND", &["industry: Retail"]);
    estate.declare_tenant("CLI", &[]);
    let plan = estate.plan(&["--prune"]);
    assert_eq!(changes(&plan), ["adopt tenant/w/CLI", "adopt tenant/w/HAND (industry)"]);
    assert_eq!(plan["changes"][0]["reason"]["code"], "owned-by-commands");
    assert_eq!(plan["changes"][1]["reason"]["code"], "unowned");
    estate.run(&["apply", "--yes", "--prune"]).ok();
    estate.is_converged();
    let owners = "select string_agg(name || '=' || coalesce(owner, '-'), ' ' order by name) from synthex.tenants where name not like 'T_'";
    assert_eq!(
        estate.value(owners).as_deref(),
        Some("CLI=test HAND=test STRAY=-"),
        "what is nobody's is not pruned"
    );
}

#[test]
fn what_others_depend_on_comes_first_and_is_deleted_last() {
    let estate = Estate::new("apply_order");
    estate.apply().ok();
    let order = |revision: i64| {
        let sql = format!(
            "select string_agg(i.kind || '/' || i.name, ' ' order by i.seq) from synthex.batch_operation_items i \
             join synthex.batch_operations o on o.id = i.operation_id where o.revision = {revision}"
        );
        estate.value(&sql).expect("items")
    };
    let created = order(1);
    // `chat` falls back on `log`, so `log` comes first although it sorts later.
    assert_eq!(
        created,
        "workspaces/w tenant_templates/shops tenants/T1 tenants/T2 tenants/T3 credentials/c1 credentials/c2 \
         notification_channels/log notification_channels/chat alert_rules/expiry alert_rules/muted \
         silences/hush maintenance_windows/night health_check_settings/often"
    );
    estate.project.write("manifests/other.yaml", workspace_yaml("other"));
    for file in [
        "w", "T1", "T2", "T3", "shops", "c1", "c2", "log", "chat", "expiry", "muted", "hush", "night",
        "often",
    ] {
        estate.project.remove(&format!("manifests/{file}.yaml"));
    }
    let file = estate.project.read("synthex.yaml").replace("workspace: w,", "workspace: other,");
    estate.project.write("synthex.yaml", file);
    estate.run(&["apply", "--yes", "--prune"]).ok().stdout_has("14 to delete");
    let mut reversed: Vec<&str> = created.split(' ').collect();
    reversed.push("workspaces/other");
    reversed.reverse();
    assert_eq!(order(2).split(' ').collect::<Vec<_>>(), reversed);
}

#[test]
fn an_operation_records_what_was_and_what_is_for_ever() {
    let estate = Estate::applied("apply_record");
    estate.edit("T1.yaml", "status: active", "status: inactive");
    estate.project.remove("manifests/T3.yaml");
    estate.run(&["apply", "--yes", "--prune"]).ok().stdout_has("Applied as revision 2.");
    let items = estate.database.query_strings(
        "select o.revision::text, o.status, o.created::text, o.updated::text, o.deleted::text, o.project, o.command, i.action, i.name, \
         i.before #>> '{spec,status}', i.after #>> '{spec,status}', i.source \
         from synthex.batch_operation_items i join synthex.batch_operations o on o.id = i.operation_id \
         where o.revision = 2 order by i.seq",
    );
    let row = |cells: &[&str]| {
        cells.iter().map(|cell| (*cell != "-").then(|| (*cell).to_owned())).collect::<Vec<_>>()
    };
    let common = ["2", "applied", "0", "1", "1", "test", "apply"];
    let updated = ["update", "T1", "active", "inactive", "manifests/T1.yaml:1:1"];
    let deleted = ["delete", "T3", "active", "-", "-"];
    assert_eq!(items, [row(&[&common[..], &updated].concat()), row(&[&common[..], &deleted].concat())]);
    let shown = estate.value(
        "select 'sha256:' || encode(plan_digest, 'hex') from synthex.batch_operations where revision = 2",
    );
    assert_eq!(shown.map(|digest| digest.len()), Some("sha256:".len() + 64));

    let state = estate.state();
    for table in ["batch_operations", "batch_operation_items"] {
        for sql in [
            format!(
                "update synthex.{table} set {}",
                if table.ends_with('s') && table.contains("item") { "name = 'x'" } else { "actor = 'x'" }
            ),
            format!("delete from synthex.{table}"),
            format!("truncate synthex.{table} cascade"),
        ] {
            for role in ["synthex", "admin"] {
                let refusal = estate.database.try_sql_as(role, &sql).expect_err(&sql);
                assert!(refusal.to_string().contains("is append-only"), "{role}: {sql}: {refusal}");
            }
        }
    }
    assert_eq!(estate.state(), state);
}
