//! Who may do what: a role that may only read, a role that may do nothing, and roles that row-level security keeps in one
//! workspace. What there is to check is read from the catalog, so that a new table cannot be forgotten.

use serde_json::json;

use crate::support::estate::{DECLARED, Estate, SIZE};
use crate::support::project::{tenant_yaml, workspace_yaml};

/// Two workspaces, `w` and `v`, with a row in every table that has a workspace: drift, leases and operations too.
fn two_workspaces(hint: &str) -> Estate {
    let estate = Estate::new(hint);
    estate.project.write("manifests/v.yaml", workspace_yaml("v"));
    estate.project.write("manifests/V1.yaml", tenant_yaml("V1", "v"));
    for (kind, name, spec) in [
        ("TenantTemplate", "vshops", "{type: shopify}"),
        ("Credential", "vc", "{tenant: V1, service: shopify, secretRef: {env: V}}"),
        ("NotificationChannel", "vlog", "{type: console}"),
        ("AlertRule", "vrule", "{when: {credentialExpiry: {}}, channels: [vlog]}"),
        (
            "Silence",
            "vhush",
            "{matchers: [tenant=V1], startsAt: 2031-01-01T00:00:00Z, duration: 4h, createdBy: o, comment: c}",
        ),
        ("MaintenanceWindow", "vnight", "{every: {day: 1}, at: '22:30', duration: 2h, comment: c}"),
        ("HealthCheck", "voften", "{service: disk}"),
    ] {
        estate.declare(kind, name, spec);
        estate.edit(&format!("{name}.yaml"), "workspace: w", "workspace: v");
    }
    estate.apply().ok();
    estate.database.sql("update synthex.tenants set industry = 'Toys' where name in ('T1', 'V1')");
    estate.database.sql(
        "insert into synthex.lease_waiters (lease, ticket, holder, host, pid, command) \
         select unnest(array['v', 'w']), 1, gen_random_uuid(), 'h', 1, 'apply';
         insert into synthex.setup_steps (workspace, tenant_id, step_digest, step, done_by)
         select workspace, id, sha256('one'), 'one', 'h' from synthex.tenants where name in ('T1', 'V1');
         select synthex.usage_month(now());
         insert into synthex.usage_metrics (id, recorded_at, workspace, actor, metric_type, metric_name, outcome) \
         select gen_random_uuid(), at, workspace, 'a', 'command', 'plan', 'succeeded' \
         from unnest(array['v', 'w']) workspace, unnest(array[now(), timestamptz '1999-01-01 00:00Z']) at;
         insert into synthex.usage_reports (day, workspace, metric_type, metric_name, count, value, duration_ms, durations, counts) \
         select '2020-01-01', unnest(array['', 'v', 'w']), 'command', 'plan', 1, 1, 0, '{}', '{}'",
    );
    estate.database.sql(
        "insert into synthex.credential_status (workspace, credential) select workspace, id from synthex.credentials",
    );
    estate.database.sql(MONITORING);
    estate
}

/// A row in every table of monitoring and of the controller, for each of the two workspaces.
const MONITORING: &str = "do $$ declare own text; a uuid; n uuid; d uuid; begin foreach own in array array['v', 'w'] loop
    a := gen_random_uuid(); n := gen_random_uuid(); d := gen_random_uuid();
    insert into synthex.health_checks (id, workspace, service, status, code, message, checked_at)
        values (gen_random_uuid(), own, 'disk', 'healthy', 'ok', '', now());
    insert into synthex.health_status (workspace, service, status, since, last_status, code, message, checked_at)
        values (own, 'disk', 'healthy', now(), 'healthy', 'ok', '', now());
    insert into synthex.alerts (id, workspace, kind, fingerprint, severity, status, title, message, started_at, changed_at)
        values (a, own, 'health_status', sha256(own::bytea), 'info', 'firing', 't', 'm', now(), now());
    insert into synthex.alert_thresholds (workspace, rule, credential, generation, threshold, state, alert, crossed_at)
        values (own, 'r', gen_random_uuid(), 'g', '7d', 'told', a, now());
    insert into synthex.alert_groups (workspace, rule, group_key) values (own, 'r', 'k');
    insert into synthex.alert_evaluations (workspace, rule, evaluated_at) values (own, 'r', now());
    insert into synthex.notifications (id, workspace, type, event, severity, title, message, content, created_by, created_at)
        values (n, own, 'message', 'message', 'info', 't', 'm', '{}', 'h', now());
    insert into synthex.notification_deliveries (id, workspace, notification, channel, next_attempt_at, created_at)
        values (d, own, n, 'c', now(), now());
    insert into synthex.delivery_attempts (delivery, attempt, workspace, began_at, latency_ms, outcome, code)
        values (d, 1, own, now(), 1, 'transient', 'timeout');
    insert into synthex.channel_status (workspace, channel) values (own, 'c');
    insert into synthex.inbox_items (id, workspace, channel, notification, severity, title, body, created_at)
        values (d, own, 'c', n, 'info', 't', 'b', now());
    insert into synthex.pauses (workspace, reason, actor) values (own, 'r', 'h');
    insert into synthex.watch_conditions (project, environment, workspace, type, status, reason, message, since, updated_at)
        values ('p', '', own, 'Ready', 'True', 'r', 'm', now(), now());
    insert into synthex.watch_backoff (project, environment, workspace, kind, name, failures, error, failed_at, next_at)
        values ('p', '', own, 'tenant', 't', 1, 'e', now(), now());
    insert into synthex.watch_corrections (project, environment, workspace, kind, name, field, desired, actor, corrected_at)
        values ('p', '', own, 'tenant', 't', '', '', 'h', now());
    insert into synthex.watch_turns (task, workspace, due_at) values ('health', own, now());
end loop; end $$";

/// Grants that let a role read what is there.
fn reader(estate: &Estate) -> String {
    let role = estate.database.create_role("reader", "secret");
    estate.database.sql(&format!(
        "grant usage on schema synthex to \"{role}\"; grant select on all tables in schema synthex to \"{role}\""
    ));
    role
}

#[test]
fn a_role_that_may_only_read_plans_what_the_owner_plans() {
    let estate = two_workspaces("reader");
    let url = estate.database.url_as(&reader(&estate));
    let as_reader = |args: &[&str]| estate.synthex_at(&url, args).run();
    // Drift, an edit, a removal by hand, a restore, an adoption and deletions.
    estate.edit("T2.yaml", "status: active", "status: inactive");
    estate.database.sql(
        "delete from synthex.alert_rules where name in ('muted', 'vrule');
         update synthex.credentials set deleted_at = now() where name = 'c2';
         update synthex.tenants set owner = null where name = 'V1'",
    );
    estate.project.remove("manifests/T3.yaml");
    for args in
        [&["plan", "--prune", "--format", "json"][..], &["plan", "--format", "json", "--workspace", "v"]]
    {
        let (own, other) = (estate.run(args).ok().json(), as_reader(args).ok().json());
        for part in ["changes", "summary", "undeclared", "refusals", "digest"] {
            assert_eq!(own[part], other[part], "{args:?}: {part}");
        }
        assert!(own["changes"].as_array().unwrap().len() >= 2, "{own:#}");
    }
    let state = estate.state();
    as_reader(&["apply", "--yes", "--prune"])
        .code(8)
        .stderr_has("may not write")
        .stderr_has("help: connect as the role");
    assert_eq!(estate.state(), state);
    as_reader(&["db", "status"]).nowhere("panicked");
    as_reader(&["tenant", "tenants", "list", "--workspace", "w"]).ok().stdout_has("T1");
}

#[test]
fn a_role_that_may_only_read_plans_before_anything_is_installed() {
    let estate = Estate::new("reader_first");
    let role = estate.database.create_role("reader", "secret");
    let url = estate.database.url_as(&role);
    let plan = estate.synthex_at(&url, &["plan", "--format", "json"]).run().ok().json();
    assert_eq!(plan["summary"]["create"], SIZE);
    assert_eq!(plan["digest"], estate.plan(&[])["digest"]);
    let refused = estate.synthex_at(&url, &["apply", "--yes"]).run().code(8);
    refused.stderr_has("refused us while installing migrations").stderr_has("CREATE on the database");
    assert!(estate.state().is_empty());
}

#[test]
fn a_role_without_rights_is_told_what_it_lacks() {
    let estate = Estate::applied("no_rights");
    let role = estate.database.create_role("nobody", "secret");
    for command in [&["plan"][..], &["apply", "--yes"], &["tenant", "tenants", "list"]] {
        let outcome = estate.synthex_at(&estate.database.url_as(&role), command).run().code(8);
        outcome.stderr_has("permission denied").stderr_has("grant the role what it lacks");
    }
    // Rights on the schema and on some tables are not enough either.
    estate.database.sql(&format!(
        "grant usage on schema synthex to \"{role}\"; grant select on synthex.tenants, synthex.workspaces to \"{role}\""
    ));
    estate
        .synthex_at(&estate.database.url_as(&role), &["plan"])
        .run()
        .code(8)
        .stderr_has("permission denied for table");
    let wrong = estate.database.tcp_url_at(estate.database.tcp_address(), &role, "wrong");
    estate.synthex_at(&wrong, &["plan"]).run().code(8).stderr_has("refused the login").nowhere("wrong@");
}

/// Every table and view of the schema, with the expression for the workspace of a row. Not the number of the
/// installation, which is nobody's secret: a plan is bound to it, whoever makes the plan.
fn relations(estate: &Estate) -> Vec<(String, Option<String>)> {
    let rows = estate.database.query_strings(
        "select c.relname, (select a.attname from pg_attribute a where a.attrelid = c.oid and a.attnum > 0 \
             and a.attname = case c.relname when 'workspaces' then 'name' when 'leases' then 'name' when 'lease_waiters' then 'lease' else 'workspace' end) \
         from pg_class c where c.relnamespace = 'synthex'::regnamespace and c.relkind in ('r', 'p', 'v', 'm', 'f') and c.relname <> 'installation' order by 1",
    );
    rows.into_iter().map(|mut row| (row[0].take().expect("a name"), row[1].take())).collect()
}

#[test]
fn a_role_sees_and_writes_the_workspace_that_it_names_and_no_other() {
    let estate = two_workspaces("tenancy");
    let role = estate.database.create_role("merchant", "secret");
    estate.database.sql(&format!(
        "grant usage on schema synthex to \"{role}\";
         grant select, insert, update, delete on all tables in schema synthex to \"{role}\";
         grant usage on all sequences in schema synthex to \"{role}\""
    ));
    let relations = relations(&estate);
    assert!(relations.len() >= 11, "{relations:?}");
    let secured = "select count(*) from pg_class where relnamespace = 'synthex'::regnamespace \
                   and ((relkind in ('r', 'p') and not relrowsecurity) or (relkind = 'v' and \
                   not coalesce(reloptions::text, '') like '%security_invoker=true%') or relkind in ('m', 'f'))";
    assert_eq!(estate.database.query_one_i64(secured), 0, "every relation is secured");
    let count = |enter: &str, sql: &str| {
        let sql = format!("begin; {enter}; {sql}; rollback");
        let rows = estate.database.try_sql_as(&role, &sql).unwrap_or_else(|error| panic!("{error}: {sql}"));
        let last = rows.last().and_then(|row| row.last().cloned()).flatten();
        last.and_then(|text| text.parse::<i64>().ok()).unwrap_or_else(|| panic!("{rows:?}"))
    };
    let enter = |workspace: &str| format!("select set_config('synthex.workspace', '{workspace}', true)");
    for (table, column) in &relations {
        let all = format!("select count(*) from synthex.{table}");
        for outside in ["select 1".to_owned(), enter(""), enter("nowhere"), enter("W"), enter("%")] {
            assert_eq!(count(&outside, &all), 0, "{table}, {outside}");
        }
        let Some(column) = column else {
            // The log of migrations is nobody's; an operation is seen by whoever sees an item of it.
            let expected = i64::from(table == "batch_operations");
            assert_eq!(count(&enter("v"), &all), expected, "{table}");
            continue;
        };
        for own in ["v", "w"] {
            assert!(count(&enter(own), &all) > 0, "{table}: nothing of {own} to see, so this proves nothing");
            assert_eq!(
                count(&enter(own), &format!("{all} where {column} is distinct from '{own}'")),
                0,
                "{table}"
            );
        }
        if !DECLARED.contains(&table.as_str()) {
            continue;
        }
        let refused = |sql: &str| {
            let text = format!("begin; {}; {sql}; rollback", enter("v"));
            let error = estate.database.try_sql_as(&role, &text).expect_err(&text).to_string();
            assert!(error.contains("violates row-level security policy"), "{table}: {error}");
        };
        // Somebody else's rows: they cannot be met, made, or given away, and trying tells nothing of what is there.
        let other = format!("from synthex.{table} where {column} = 'w' order by name");
        let row = estate
            .value(&format!("select to_jsonb(t)::text {} limit 1", other.replace("where", "t where")))
            .expect("a row");
        let row = row.replace('\'', "''");
        refused(&format!(
            "insert into synthex.{table} select * from jsonb_populate_record(null::synthex.{table}, '{row}')"
        ));
        refused(&format!(
            "insert into synthex.{table} select * from jsonb_populate_record(null::synthex.{table}, \
             '{row}'::jsonb || jsonb_build_object('{column}', 'w', 'name', 'absent', 'id', gen_random_uuid()))"
        ));
        if table != "workspaces" {
            refused(&format!("update synthex.{table} set workspace = 'w'"));
            let copy = format!(
                "with made as (insert into synthex.{table} select * from jsonb_populate_record(null::synthex.{table}, \
                 '{row}'::jsonb || '{{\"workspace\": \"v\", \"name\": \"copy\", \"tenant\": \"V1\", \"fallback\": null}}') returning 1) \
                 select count(*) from made"
            );
            assert_eq!(count(&enter("v"), &copy), 1, "{table}: an id in use elsewhere is no obstacle");
        }
        for change in
            [format!("update synthex.{table} set labels = '{{}}'"), format!("delete from synthex.{table}")]
        {
            let sql = format!(
                "with changed as ({change} where {column} = 'w' returning 1) select count(*) from changed"
            );
            assert_eq!(count(&enter("v"), &sql), 0, "{table}");
        }
    }
}

#[test]
fn unique_indexes_of_declared_tables_begin_with_the_workspace() {
    let estate = Estate::applied("unique_indexes");
    let tables = DECLARED.map(|table| format!("'synthex.{table}'::regclass")).join(", ");
    let leaking = estate.database.query_strings(&format!(
        "select i.indexrelid::regclass::text, pg_get_indexdef(i.indexrelid, 1, true) from pg_index i where i.indisunique \
         and i.indrelid in ({tables}) and pg_get_indexdef(i.indexrelid, 1, true) <> \
         case i.indrelid when 'synthex.workspaces'::regclass then 'name' else 'workspace' end"
    ));
    assert_eq!(leaking, Vec::<Vec<Option<String>>>::new(), "a violation of these tells of other workspaces");
}

#[test]
fn every_table_column_and_function_says_what_it_is() {
    let estate = Estate::applied("comments");
    let silent = estate.database.query_strings(
        "with relation as (select oid, relname from pg_class \
             where relnamespace = 'synthex'::regnamespace and relkind in ('r', 'p', 'v', 'm')) \
         select relname from relation where obj_description(oid, 'pg_class') is null \
         union all select relname || '.' || attname from relation join pg_attribute on attrelid = relation.oid \
             where attnum > 0 and not attisdropped and col_description(attrelid, attnum) is null \
         union all select proname || '()' from pg_proc where pronamespace = 'synthex'::regnamespace \
             and obj_description(oid, 'pg_proc') is null order by 1",
    );
    let silent: Vec<String> = silent.into_iter().flatten().flatten().collect();
    assert!(silent.is_empty(), "no comment on {}", silent.join(", "));
    let comment = "select col_description('synthex.tenants'::regclass, attnum) from pg_attribute \
                   where attrelid = 'synthex.tenants'::regclass and attname = 'market'";
    assert_eq!(json!(estate.value(comment).expect("a comment").ends_with('.')), json!(true));
}
