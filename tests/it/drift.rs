//! What people and programs change behind synthex's back: it is seen, with the role and the time, and put back.

use serde_json::{Value, json};

use crate::support::estate::Estate;

/// A role that may write declared tables of the workspace `w`, as another program's would be.
fn editor(estate: &Estate) -> String {
    let role = estate.database.create_role("editor", "secret");
    estate.database.sql(&format!(
        "grant usage on schema synthex to \"{role}\";
         grant select, insert, update, delete on all tables in schema synthex to \"{role}\""
    ));
    role
}

/// Edits as that role, in its workspace.
#[track_caller]
fn edit_as(estate: &Estate, role: &str, sql: &str) {
    let enter = "select set_config('synthex.workspace', 'w', true)";
    estate.database.sql_as(role, &format!("begin; {enter}; {sql}; commit"));
}

fn is_marked(estate: &Estate, table: &str, name: &str) -> bool {
    let sql = format!(
        "select count(*) from synthex.{table} where name = '{name}' and touched_at is not null and touched_by is not null"
    );
    estate.database.query_one_i64(&sql) == 1
}

#[test]
fn what_a_foreign_key_carries_along_is_the_doing_of_the_role_that_wrote() {
    let estate = Estate::applied("drift_cascade");
    let role = editor(&estate);
    edit_as(&estate, &role, "update synthex.tenants set name = 'T9' where name = 'T1'");
    let actors = "select string_agg(distinct actor, ', ') || ' ' || count(*) from synthex.drift_events";
    assert_eq!(estate.value(actors).as_deref(), Some(format!("{role} 2").as_str()));
    let touched = "select string_agg(distinct touched_by, ', ') from (select touched_by from synthex.tenants \
                   union all select touched_by from synthex.credentials) as written where touched_by is not null";
    assert_eq!(estate.value(touched).as_deref(), Some(role.as_str()));
}

#[test]
fn an_update_by_hand_is_shown_with_role_and_time_and_put_back() {
    let estate = Estate::applied("drift_update");
    let before = estate.declared();
    let role = editor(&estate);
    edit_as(
        &estate,
        &role,
        "update synthex.tenants set region = 'NZ-NR1', industry = 'Toys' where name = 'T1'",
    );

    let change = estate.change();
    assert_eq!((&change["action"], &change["key"]), (&json!("update"), &json!("tenant/w/T1")));
    assert_eq!((&change["reason"]["code"], &change["reason"]["actor"]), (&json!("drift"), &json!(role)));
    let at = "select to_char(touched_at at time zone 'UTC', 'YYYY-MM-DD HH24:MI:SS \"UTC\"') from synthex.tenants where name = 'T1'";
    let at = estate.value(at).expect("a time");
    let recent = "select count(*) from synthex.tenants where clock_timestamp() - touched_at between interval '0' and interval '1 minute'";
    assert_eq!(estate.database.query_one_i64(recent), 1);
    let fields: Vec<(&Value, &Value, &Value)> = change["fields"]
        .as_array()
        .unwrap()
        .iter()
        .map(|field| (&field["path"], &field["before"], &field["after"]))
        .collect();
    let expected = [
        (&json!("industry"), &json!("Toys"), &Value::Null),
        (&json!("region"), &json!("NZ-NR1"), &json!("AU-SE1")),
    ];
    assert_eq!(fields, expected);
    estate
        .run(&["plan", "--detailed-exitcode"])
        .code(2)
        .stdout_has(&format!("drift: changed in the database by role {role} at {at}"));

    estate.apply().ok();
    assert_eq!(estate.declared(), before);
    assert!(!is_marked(&estate, "tenants", "T1"), "the mark is gone");
    estate.is_converged();
    let reason = "select reason from synthex.batch_operation_items where action = 'update'";
    assert!(estate.value(reason).expect("a reason").contains(&role), "and the record names the role");
}

#[test]
fn every_type_of_column_drifts_and_comes_back() {
    let estate = Estate::new("drift_types");
    estate.declare_tenant("T1", &["employeeCount: 40", "metadata: {a: 1, b: [x, {c: null}]}"]);
    estate.apply().ok();
    let before = estate.declared();
    for (table, name, set, field, value) in [
        ("tenants", "T1", "metadata = '{\"a\": 2, \"b\": [\"x\", {\"c\": null}]}'", "metadata.a", json!(2)),
        (
            "tenants",
            "T1",
            "metadata = '{\"a\": 1, \"b\": [\"x\", {\"c\": 0}]}'",
            "metadata.b",
            json!(["x", {"c": 0}]),
        ),
        ("tenants", "T1", "metadata = metadata || '{\"n\": 1e400}'", "metadata", Value::Null),
        ("tenants", "T1", "labels = '{\"tier\": \"gold\"}'", "labels.tier", json!("gold")),
        (
            "tenants",
            "T1",
            "employee_count = 9223372036854775807",
            "employeeCount",
            json!(9_223_372_036_854_775_807_i64),
        ),
        ("tenants", "T1", "employee_count = null", "employeeCount", Value::Null),
        ("tenants", "T1", "display_name = E'a\\nb \"c\" \\\\ ü'", "displayName", json!("a\nb \"c\" \\ ü")),
        ("tenants", "T1", "protected = true", "protect", json!(true)),
        ("alert_rules", "expiry", "enabled = false", "enabled", json!(false)),
        ("alert_rules", "muted", "enabled = true", "enabled", json!(true)),
        ("alert_rules", "expiry", "channels = '[\"log\"]'", "channels", json!(["log"])),
        ("alert_rules", "expiry", "reminder = null", "reminder", Value::Null),
        ("notification_channels", "chat", "rate_limit_per_minute = null", "rateLimitPerMinute", Value::Null),
        ("notification_channels", "chat", "send_resolved = false", "sendResolved", json!(false)),
        (
            "credentials",
            "c1",
            "declared_expires_at = '2030-01-02 03:04:05.000006+01'",
            "expiresAt",
            json!("2030-01-02T02:04:05.000006Z"),
        ),
        ("credentials", "c1", "declared_expires_at = 'infinity'", "expiresAt", json!("infinity")),
        ("credentials", "c1", "declared_expires_at = '-infinity'", "expiresAt", json!("-infinity")),
        (
            "credentials",
            "c1",
            "declared_expires_at = '0044-03-15 00:00:00+00 BC'",
            "expiresAt",
            json!("0044-03-15 00:00:00 BC"),
        ),
        ("credentials", "c1", "declared_expires_at = null", "expiresAt", Value::Null),
        ("credentials", "c2", "declared_expires_at = now()", "expiresAt", Value::Null),
        ("credentials", "c1", "secret_ref = '{\"env\": \"OTHER\"}'", "secretRef.env", json!("OTHER")),
        (
            "tenant_templates",
            "shops",
            "setup_steps = '[\"two\", \"one\"]'",
            "setupSteps",
            json!(["two", "one"]),
        ),
        ("tenant_templates", "shops", "market = null", "market", Value::Null),
        ("workspaces", "w", "defaults = '{\"labels\": {\"a\": \"b\"}}'", "defaults.labels.a", json!("b")),
    ] {
        estate.database.sql(&format!("update synthex.{table} set {set} where name = '{name}'"));
        let change = estate.change();
        let fields = change["fields"].as_array().unwrap();
        assert_eq!(fields.len(), 1, "{set}: {change:#}");
        assert_eq!(
            (&change["reason"]["code"], &fields[0]["path"]),
            (&json!("drift"), &json!(field)),
            "{set}"
        );
        let free = ["metadata"].contains(&field) || set.contains("now()");
        assert!(free || fields[0]["before"] == value, "{set}: {:#}", fields[0]);
        estate.apply().ok();
        assert_eq!(estate.declared(), before, "{set}");
    }
    estate.is_converged();
}

#[test]
fn a_change_that_was_taken_back_is_no_change() {
    let estate = Estate::applied("drift_back");
    estate.database.sql("update synthex.tenants set region = 'NZ-NR1' where name = 'T1'");
    estate.database.sql("update synthex.tenants set region = 'AU-SE1' where name = 'T1'");
    assert!(is_marked(&estate, "tenants", "T1"));
    let state = estate.state();
    estate.is_converged();
    estate.apply().ok().stdout_has("No changes.");
    assert_eq!(estate.state(), state);
}

#[test]
fn an_update_that_changes_nothing_marks_nothing() {
    let estate = Estate::applied("drift_noop");
    let state = estate.state();
    estate.database.sql("update synthex.tenants set display_name = display_name, metadata = metadata");
    estate.database.sql("update synthex.alert_rules set touched_by = touched_by, revision = revision");
    assert_eq!(estate.state(), state);
}

#[test]
fn a_row_deleted_by_hand_is_created_again() {
    let estate = Estate::applied("drift_delete");
    let before = estate.declared();
    let role = editor(&estate);
    edit_as(
        &estate,
        &role,
        "delete from synthex.tenants where name = 'T3'; delete from synthex.alert_rules where name = 'muted'",
    );
    let plan = estate.plan(&[]);
    let reasons: Vec<_> = plan["changes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|change| (&change["action"], &change["reason"]))
        .collect();
    assert_eq!(reasons.len(), 2, "{plan:#}");
    for (action, reason) in reasons {
        assert_eq!(
            (action, &reason["code"], &reason["actor"]),
            (&json!("create"), &json!("removed"), &json!(role))
        );
    }
    estate.run(&["plan"]).ok().stdout_has(&format!("removed from the database by role {role} at 2"));
    estate.apply().ok();
    estate.is_converged();
    assert_eq!(estate.declared(), before);
}

#[test]
fn a_row_marked_as_deleted_by_hand_comes_back_and_names_who_did_it() {
    let estate = Estate::applied("drift_soft_delete");
    let role = editor(&estate);
    edit_as(&estate, &role, "update synthex.tenants set deleted_at = now() where name = 'T3'");
    let change = estate.change();
    assert_eq!((&change["action"], &change["reason"]["actor"]), (&json!("restore"), &json!(role)));
    estate.apply().ok();
    estate.is_converged();
    // The other way round: what was pruned and lives again is to be pruned again.
    estate.project.remove("manifests/T3.yaml");
    estate.run(&["apply", "--yes", "--prune"]).ok();
    edit_as(&estate, &role, "update synthex.tenants set deleted_at = null where name = 'T3'");
    assert_eq!(estate.changes(&["--prune"]), ["delete tenant/w/T3"]);
}

#[test]
fn a_row_inserted_by_hand_is_adopted_once_it_is_declared() {
    let estate = Estate::applied("drift_insert");
    let role = editor(&estate);
    let insert = "insert into synthex.tenants (workspace, name, display_name, type, market, region, shopify_shop) \
                  values ('w', 'NEW', 'New', 'shopify', 'ANZ_SMB', 'AU-SE1', 'new.myshopify.com')";
    edit_as(&estate, &role, insert);
    assert!(is_marked(&estate, "tenants", "NEW"));
    estate.is_converged();
    estate.declare_tenant("NEW", &[]);
    assert_eq!(estate.changes(&[]), ["adopt tenant/w/NEW (displayName)"]);
    estate.apply().ok();
    estate.is_converged();
    assert!(!is_marked(&estate, "tenants", "NEW"));
}

#[test]
fn an_edit_of_the_manifest_and_drift_of_the_row_are_both_told() {
    let estate = Estate::applied("drift_both");
    let role = editor(&estate);
    edit_as(&estate, &role, "update synthex.tenants set region = 'NZ-NR1' where name = 'T1'");
    estate.edit("T1.yaml", "status: active", "status: inactive");
    let change = estate.change();
    assert_eq!(
        (&change["reason"]["code"], &change["reason"]["actor"]),
        (&json!("edited-and-drift"), &json!(role))
    );
    assert_eq!(estate.changes(&[]), ["update tenant/w/T1 (region, status)"]);
    estate.apply().ok();
    estate.is_converged();
    // Declaring what somebody did by hand leaves nothing to do.
    edit_as(&estate, &role, "update synthex.tenants set region = 'NZ-NR1' where name = 'T1'");
    estate.edit("T1.yaml", "AU-SE1", "NZ-NR1");
    estate.is_converged();
}

#[test]
fn the_bookkeeping_columns_changed_by_hand_mislead_nobody() {
    let estate = Estate::applied("drift_bookkeeping");
    let digest = "select encode(digest, 'hex') from synthex.tenants where name = 'T1'";
    let was = estate.value(digest);
    for set in [
        "digest = null",
        "digest = decode(repeat('00', 32), 'hex')",
        "revision = 1",
        "touched_at = null, touched_by = null",
    ] {
        estate
            .database
            .sql(&format!("update synthex.tenants set region = 'NZ-NR1', {set} where name = 'T1'"));
        assert_eq!(estate.value(digest), was, "{set}");
        assert_eq!(estate.changes(&[]), ["update tenant/w/T1 (region)"], "{set}");
        estate.apply().ok();
    }
    // Nothing declared differs: nothing to do.
    estate
        .database
        .sql("update synthex.tenants set digest = null, created_at = 'infinity', updated_at = '-infinity'");
    estate.is_converged();
    estate.run(&["tenant", "tenants", "list"]).ok().stdout_has("T1");
    estate.run(&["tenant", "tenants", "get", "T1", "--format", "json"]).ok().nowhere("panicked");

    for owner in ["null", "'cli'"] {
        estate.database.sql(&format!("update synthex.tenants set owner = {owner} where name = 'T1'"));
        assert_eq!(estate.changes(&[]), ["adopt tenant/w/T1"]);
        estate.apply().ok();
        estate.is_converged();
    }
    estate.database.sql("update synthex.tenants set owner = 'somebody' where name = 'T1'");
    estate.run(&["plan"]).code(5).stdout_has("belongs to project `somebody`");
}

#[test]
fn every_foreign_write_is_on_record_and_none_of_synthexs_own() {
    let estate = Estate::applied("drift_events");
    let role = editor(&estate);
    estate.edit("T2.yaml", "status: active", "status: inactive");
    estate.apply().ok();
    edit_as(
        &estate,
        &role,
        "update synthex.tenants set status = 'suspended' where name in ('T1', 'T2');
         delete from synthex.credentials where name = 'c1';
         update synthex.workspaces set display_name = 'W'",
    );
    let events = estate.database.query_strings(
        "select workspace, kind, name, operation, before ->> 'status', after ->> 'status', actor from synthex.drift_events order by kind, name",
    );
    let row = |cells: [&str; 6]| -> Vec<Option<String>> {
        let cells = cells.into_iter().map(|cell| (cell != "-").then(|| cell.to_owned()));
        cells.chain([Some(role.clone())]).collect()
    };
    let expected = [
        row(["w", "credentials", "c1", "delete", "active", "-"]),
        row(["w", "tenants", "T1", "update", "active", "suspended"]),
        row(["w", "tenants", "T2", "update", "inactive", "suspended"]),
        row(["w", "workspaces", "w", "update", "-", "-"]),
    ];
    assert_eq!(events, expected);
    // A role cannot pass for synthex, or for another role, by what it sets: the events are not its to write or to change.
    let forged = "begin; select set_config('synthex.workspace', 'w', true), set_config('synthex.actor', 'nobody', true); \
                  update synthex.tenants set status = 'active' where name = 'T1'; commit";
    estate.database.sql_as(&role, forged);
    let actor = "select actor from synthex.drift_events order by id desc limit 1";
    assert_eq!(estate.value(actor), Some(role));
}
