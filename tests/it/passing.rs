//! Nobody passes for synthex, or for somebody else: who wrote is told whatever a session sets, and stays on record.

use serde_json::json;

use crate::support::estate::Estate;

/// A role that has every right on the tables that can be granted, in the workspace `w`.
fn role(estate: &Estate, name: &str) -> String {
    let role = estate.database.create_role(name, "secret");
    estate.database.sql(&format!(
        "grant usage on schema synthex to \"{role}\"; grant all on all tables in schema synthex to \"{role}\"; \
         grant all on all functions in schema synthex to \"{role}\"; grant all on all sequences in schema synthex to \"{role}\""
    ));
    role
}

/// What it sets to pass for synthex: before the statement, and while it runs.
const PASS: &str = "set_config('synthex.engine', 'on', true), set_config('synthex.actor', 'nobody', true)";

#[track_caller]
fn write_as(estate: &Estate, role: &str, sql: &str) {
    let enter = format!("select set_config('synthex.workspace', 'w', true), {PASS}");
    estate.database.sql_as(role, &format!("begin; {enter}; {sql}; commit"));
}

/// Foreign writes as they are on record: `update tenants T1 ROLE`.
fn events(estate: &Estate) -> Vec<String> {
    let sql = "select concat_ws(' ', operation, kind, name, actor) from synthex.drift_events order by 1";
    estate.database.query_strings(sql).into_iter().flatten().flatten().collect()
}

#[test]
fn the_setting_of_the_engine_hides_nothing_but_what_the_owner_writes() {
    let estate = Estate::applied("passing_engine");
    let editor = role(&estate, "editor");
    let during = format!("left(concat({PASS}), 0)");
    write_as(&estate, &editor, "update synthex.tenants set industry = 'Toys' where name = 'T2'");
    write_as(
        &estate,
        &editor,
        &format!(
            "update synthex.tenants set industry = 'Toys' || {during} where name = 'T3' returning {PASS}; \
             update synthex.tenants set name = 'T9' where name = 'T1' returning {PASS}; \
             delete from synthex.alert_rules where name = 'muted' returning {PASS}; \
             insert into synthex.notification_channels (workspace, name, type, owner) values ('w', 'new', 'console', 'test') returning {PASS}"
        ),
    );
    let expected = [
        "delete alert_rules muted",
        "insert notification_channels new",
        // What the rename of its tenant carried along.
        "update credentials c1",
        "update tenants T2",
        "update tenants T3",
        "update tenants T9",
    ];
    assert_eq!(events(&estate), expected.map(|event| format!("{event} {editor}")));
    let touched = "select string_agg(distinct touched_by, ' ') || ' ' || count(*) from (select touched_by from synthex.tenants \
         union all select touched_by from synthex.credentials union all select touched_by from synthex.notification_channels) t \
         where touched_by is not null";
    assert_eq!(estate.value(touched), Some(format!("{editor} 5")));
    let drift = estate.run(&["drift", "--format", "json"]).json();
    let actors: Vec<_> = drift["drift"].as_array().unwrap().iter().map(|drifted| &drifted["actor"]).collect();
    assert_eq!(actors, vec![&json!(editor); 7], "{drift:#}");
    let history = estate.run(&["history", "tenant/T2", "--format", "json"]).json();
    assert_eq!(history["events"][0]["role"], editor.as_str());
}

#[test]
fn a_role_that_is_a_member_of_the_owner_runs_synthex_and_one_that_only_sees_everything_does_not() {
    let estate = Estate::applied("passing_member");
    let (deputy, seer) = (role(&estate, "deputy"), role(&estate, "seer"));
    estate.database.admin_sql(&format!("grant synthex to \"{deputy}\"; alter role \"{seer}\" bypassrls"));
    estate.edit("T1.yaml", "status: active", "status: inactive");
    let state = estate.state();
    let refused = estate.synthex_at(&estate.database.url_as(&seer), &["apply", "--yes"]).run().code(8);
    refused
        .stderr_has("may not write declared state")
        .stderr_has("does not own the schema")
        .stderr_has("help: connect as the role");
    assert_eq!(estate.state(), state);
    estate.synthex_at(&estate.database.url_as(&deputy), &["apply", "--yes"]).run().ok();
    estate.is_converged();
    assert_eq!(events(&estate), [""; 0]);
}

#[test]
fn what_another_program_does_while_synthex_writes_is_told_from_synthexs_own() {
    let estate = Estate::applied("passing_nested");
    let app = role(&estate, "app");
    // A trigger of another program, with that program's rights, on the first table that an apply writes.
    estate.database.admin_sql(&format!(
        "grant create on schema public to \"{app}\"; set role \"{app}\"; \
         create function public.app() returns trigger language plpgsql security definer as \
           $f$ begin perform set_config('synthex.workspace', 'w', true); \
               update synthex.tenants set industry = 'Toys' where name = 'T3'; return null; end $f$; \
         reset role; create trigger app after update on synthex.workspaces for each row execute function public.app()"
    ));
    estate.edit("w.yaml", "spec:\n", "spec:\n  description: new\n");
    estate.edit("T1.yaml", "status: active", "status: inactive");
    estate.apply().ok();
    assert_eq!(events(&estate), [format!("update tenants T3 {app}")]);
    let marked = "select string_agg(name || ' ' || touched_by, ', ') from synthex.tenants where touched_by is not null";
    assert_eq!(estate.value(marked), Some(format!("T3 {app}")));
}

#[test]
fn what_a_truncate_removes_is_the_doing_of_its_role() {
    let estate = Estate::applied("passing_truncate");
    let editor = role(&estate, "editor");
    write_as(
        &estate,
        &editor,
        "truncate synthex.credentials, synthex.credential_status, synthex.alert_rules",
    );
    let expected = ["credentials c1", "credentials c2", "alert_rules expiry", "alert_rules muted"];
    let mut expected = expected.map(|row| format!("delete {row} {editor}")).to_vec();
    expected.sort();
    assert_eq!(events(&estate), expected);
    let drift = estate.run(&["drift", "--detailed-exitcode"]).code(2);
    drift.stdout_has(&format!("removed by role {editor}")).stdout_has("4 removed by hand").nowhere("unknown");
    estate.run(&["plan"]).ok().stdout_has(&format!("removed from the database by role {editor}"));
    estate.apply().ok();
    estate.is_converged();
    estate.run(&["drift", "--full", "--detailed-exitcode"]).ok();
}

#[test]
fn the_record_of_foreign_writes_is_only_added_to_and_by_nobody_else() {
    let estate = Estate::applied("passing_record");
    let editor = role(&estate, "editor");
    write_as(&estate, &editor, "update synthex.tenants set industry = 'Toys' where name = 'T2'");
    let state = estate.state();
    for change in [
        "update synthex.drift_events set actor = 'bob'",
        "delete from synthex.drift_events",
        "truncate synthex.drift_events",
        "insert into synthex.drift_events (workspace, kind, name, operation, actor, client, occurred_at) \
         values ('w', 'tenants', 'T1', 'update', 'bob', '', now())",
    ] {
        let enter = format!("select set_config('synthex.workspace', 'w', true), {PASS}");
        let sql = format!("begin; {enter}; {change}; commit");
        let refused = estate.database.try_sql_as(&editor, &sql).expect_err(change).to_string();
        assert!(refused.contains("append-only") || refused.contains("row-level security"), "{refused}");
        if !change.starts_with("insert") {
            for owner in ["synthex", "admin"] {
                let refused = estate.database.try_sql_as(owner, change).expect_err(change).to_string();
                assert!(refused.contains("synthex.drift_events is append-only"), "{owner}: {refused}");
            }
        }
    }
    assert_eq!(estate.state(), state);
}

#[test]
fn that_triggers_are_off_is_said_where_they_are() {
    let estate = Estate::applied("passing_off");
    estate.run(&["drift"]).ok().nowhere("triggers");
    estate.database.sql("alter table synthex.tenants disable trigger user; update synthex.tenants set industry = 'Toys' where name = 'T2'");
    let off = estate.run(&["drift", "--full"]).ok();
    off.stdout_has("the triggers of synthex.tenants are off")
        .stdout_has("by somebody unknown: there is no mark and no record of it");
    estate.database.sql("alter table synthex.tenants enable trigger user");
    estate.run(&["drift", "--full"]).ok().stdout_has("by somebody unknown").nowhere("triggers");
}
