//! What goes wrong in the middle of an apply leaves nothing changed and is named: a refused value, a meddling trigger, a
//! hung database, a killed server, a killed process. Connections that are cut are in `cuts.rs`.

use std::time::{Duration, Instant};

use crate::support::database::TestDatabase;
use crate::support::estate::{Estate, SIZE};
use crate::support::proxy::{Mode, Proxy};
use crate::support::server::{Durability, TestServer};

/// Every resource of the estate: table, name, kind in keys.
const ALL: [(&str, &str, &str); SIZE] = [
    ("workspaces", "w", "workspace"),
    ("tenant_templates", "shops", "template/w"),
    ("tenants", "T1", "tenant/w"),
    ("tenants", "T2", "tenant/w"),
    ("tenants", "T3", "tenant/w"),
    ("credentials", "c1", "credential/w"),
    ("credentials", "c2", "credential/w"),
    ("notification_channels", "log", "channel/w"),
    ("notification_channels", "chat", "channel/w"),
    ("alert_rules", "expiry", "rule/w"),
    ("alert_rules", "muted", "rule/w"),
    ("silences", "hush", "silence/w"),
    ("maintenance_windows", "night", "window/w"),
    ("health_check_settings", "often", "health-check/w"),
];

/// Applies while the database refuses one row, for each row in turn: nothing changes, and the message says which it was.
#[track_caller]
fn each_refusal_changes_nothing(estate: &Estate, args: &[&str], declared: bool) {
    let state = estate.state();
    for (table, name, slug) in ALL {
        estate.trigger(
            table,
            "insert or update",
            &format!("new.name = '{name}'"),
            "raise exception 'not this one';",
        );
        let key = format!("{slug}/{name}");
        let place = if declared { format!("{key} (manifests/{name}.yaml:1:1)") } else { key };
        let outcome = estate.run(args).code(1).stderr_has(&place).stderr_has("not this one");
        outcome.stderr_has("nothing was changed");
        assert_eq!(estate.state(), state, "{table}/{name}");
        assert_eq!(estate.leases_held(), 0, "{table}/{name}");
        estate.untrigger(table);
    }
}

#[test]
fn a_refused_create_at_any_place_leaves_nothing() {
    let estate = Estate::new("fault_create");
    estate.run(&["db", "migrate"]).ok();
    each_refusal_changes_nothing(&estate, &["apply", "--yes"], true);
    assert!(estate.state().is_empty());
    estate.apply().ok();
    estate.is_converged();
}

#[test]
fn a_refused_update_at_any_place_changes_nothing() {
    let estate = Estate::applied("fault_update");
    for (_, name, _) in ALL {
        let file = format!("{name}.yaml");
        let text = estate.project.read(&format!("manifests/{file}"));
        let (from, to) = if text.contains("metadata: {") {
            ("metadata: {", "metadata: {labels: {a: b}, ")
        } else {
            ("metadata:\n", "metadata:\n  labels: {a: b}\n")
        };
        estate.edit(&file, from, to);
    }
    each_refusal_changes_nothing(&estate, &["apply", "--yes"], true);
    estate.apply().ok().stdout_has("14 to update");
    estate.is_converged();
}

#[test]
fn a_refused_delete_at_any_place_deletes_nothing() {
    let estate = Estate::applied("fault_delete");
    estate.project.write("manifests/other.yaml", crate::support::project::workspace_yaml("other"));
    estate.run(&["apply", "--yes", "-f", "manifests/other.yaml"]).ok();
    for (_, name, _) in ALL {
        estate.project.remove(&format!("manifests/{name}.yaml"));
    }
    each_refusal_changes_nothing(&estate, &["apply", "--yes", "--prune"], false);
}

#[test]
fn a_constraint_that_somebody_added_is_named() {
    let estate = Estate::applied("fault_check");
    estate.database.sql("alter table synthex.tenants add constraint no_toys check (industry <> 'Toys')");
    let state = estate.state();
    estate.declare_tenant("T1", &["industry: Retail"]);
    estate.declare_tenant("T2", &["industry: Toys"]);
    estate.declare_tenant("T4", &[]);
    let outcome =
        estate.apply().code(1).stderr_has("tenant/w/T2 (manifests/T2.yaml:1:1)").stderr_has("no_toys");
    assert!(!outcome.stderr.contains("T1") && !outcome.stderr.contains("T4"), "only the one:\n{outcome}");
    assert_eq!(estate.state(), state);
}

#[test]
fn all_refused_rows_are_named_at_once() {
    let estate = Estate::applied("fault_several");
    estate.database.sql("alter table synthex.tenants add constraint no_toys check (industry <> 'Toys')");
    let state = estate.state();
    for name in ["T5", "T6", "T7"] {
        estate.declare_tenant(name, &[if name == "T6" { "industry: Retail" } else { "industry: Toys" }]);
    }
    let outcome = estate
        .apply()
        .code(1)
        .stderr_has("error: tenant/w/T5 (manifests/T5.yaml:1:1)")
        .stderr_has("also: tenant/w/T7 (manifests/T7.yaml:1:1)");
    assert!(!outcome.stderr.contains("T6"), "only those that are refused:\n{outcome}");
    assert_eq!(estate.state(), state);
}

#[test]
fn a_trigger_that_changes_what_is_written_is_found_out() {
    let estate = Estate::applied("fault_meddling");
    let state = estate.state();
    estate.declare_tenant("T4", &[]);
    estate.edit("T1.yaml", "status: active", "status: inactive");
    for (condition, body, field) in [
        ("new.name = 'T1'", "new.region := 'NZ-NR1';", "region"),
        ("new.name = 'T4'", "new.metadata := '{\"a\": 1}';", "metadata.a"),
        ("new.name = 'T4'", "new.labels := '{\"a\": \"b\"}';", "labels.a"),
        ("new.name = 'T4'", "new.protected := true;", "protect"),
        ("new.name = 'T1'", "new.status := old.status;", "status"),
        ("new.name = 'T1'", "new.deleted_at := now();", "deleted"),
        ("new.name = 'T4'", "new.owner := 'somebody';", "owner"),
    ] {
        estate.trigger("tenants", "insert or update", condition, body);
        let outcome = estate.apply().code(1).stderr_has("not what was declared");
        assert!(outcome.stderr.contains(field), "{body} {outcome}");
        assert_eq!(estate.state(), state, "{body}");
    }
    estate.trigger("tenants", "insert or update", "new.name = 'T4'", "return null;");
    let outcome = estate.apply();
    assert!(outcome.code != 0 && estate.state() == state, "a row that is swallowed: {outcome}");
    // A deletion that is not one.
    estate.untrigger("tenants");
    estate.project.remove("manifests/T3.yaml");
    estate.trigger("tenants", "update", "new.name = 'T3'", "new.deleted_at := null;");
    let outcome = estate.run(&["apply", "--yes", "--prune"]).code(1);
    outcome.stderr_has("tenant/w/T3").stderr_has("not what was declared");
    assert_eq!(estate.state(), state);
    estate.untrigger("tenants");
    estate.run(&["apply", "--yes", "--prune"]).ok();
}

#[test]
fn a_row_written_between_plan_and_apply_is_not_overwritten() {
    let estate = Estate::applied("fault_stale");
    estate.edit("T1.yaml", "status: active", "status: inactive");
    estate.edit("T2.yaml", "status: active", "status: inactive");
    // Reading may go on, writing waits; meanwhile somebody changes a row.
    estate.database.sql("create table public.go (a int)");
    let url = estate.database.url();
    let meddler = std::thread::spawn(move || {
        let sql = "begin; lock table synthex.tenants in share row exclusive mode;
                   update synthex.tenants set region = 'NZ-NR1' where name = 'T2';
                   do $$ begin for i in 1..500 loop
                       perform pg_stat_clear_snapshot();
                       exit when exists (select from pg_locks where not granted and relation = 'synthex.tenants'::regclass);
                       perform pg_sleep(0.02);
                   end loop; end $$; commit";
        crate::support::database::execute(&url, sql).expect("the meddler's statements");
    });
    let locked = "select count(*) from pg_locks where relation = 'synthex.tenants'::regclass and mode = 'ShareRowExclusiveLock' and granted";
    assert!(
        crate::support::eventually(Duration::from_secs(10), || estate.database.query_one_i64(locked) == 1)
    );
    let outcome = estate.apply().code(6);
    outcome
        .stderr_has("tenant/w/T2")
        .stderr_has("planned on revision 1, now revision 2, changed by role synthex");
    meddler.join().expect("the meddler");
    let statuses = "select string_agg(distinct status, ' ') from synthex.tenants";
    assert_eq!(estate.value(statuses).as_deref(), Some("active"), "nothing was changed");
    estate.apply().ok();
    estate.is_converged();
}

#[test]
fn a_database_that_does_not_answer_is_given_up_on() {
    let estate = Estate::applied("fault_silence");
    let proxy = Proxy::before(&estate.database, Mode::Blackhole);
    let url = proxy.url(&estate.database);
    let commands = [&["plan"][..], &["apply", "--yes"], &["tenant", "tenants", "list"], &["db", "status"]];
    let limit = ["--database-timeout", "1"];
    for run in commands.map(|command| estate.synthex_at(&url, &[command, &limit].concat()).spawn()) {
        let outcome = run
            .wait()
            .code(8)
            .stderr_has("did not answer")
            .stderr_has("--database-timeout")
            .nowhere("canary");
        assert!(outcome.elapsed < Duration::from_secs(4), "{outcome}");
    }
    // It answers, and then somebody holds a lock for ever.
    let url = estate.database.url();
    let holder = std::thread::spawn(move || {
        let sql = "begin; lock table synthex.credentials; select pg_sleep(2); rollback";
        crate::support::database::execute(&url, sql).expect("a lock");
    });
    let locked = "select count(*) from pg_locks where relation = 'synthex.credentials'::regclass and mode = 'AccessExclusiveLock'";
    assert!(
        crate::support::eventually(Duration::from_secs(10), || estate.database.query_one_i64(locked) == 1)
    );
    let start = Instant::now();
    estate
        .run(&["plan", "--database-timeout", "1"])
        .code(8)
        .stderr_has("did not answer while reading credentials");
    assert!(start.elapsed() < Duration::from_millis(2_500), "{:?}", start.elapsed());
    holder.join().expect("the holder");
}

#[test]
fn a_server_that_is_killed_in_the_middle_leaves_the_state_before() {
    let server = TestServer::dedicated(Durability::Synced);
    let estate = Estate::on(TestDatabase::on(&server, "fault_crash"));
    estate.apply().ok();
    let state = estate.state();
    estate.edit("T1.yaml", "status: active", "status: inactive");
    estate.trigger("tenants", "insert or update", "true", "perform pg_sleep(20);");
    let mut run = estate.synthex(&["apply", "--yes"]).spawn();
    let asleep = "select count(*) from pg_stat_activity where wait_event = 'PgSleep'";
    run.wait_until("the trigger to sleep", || estate.database.query_one_i64(asleep) == 1);
    server.kill();
    let outcome = run.wait().code(8);
    assert!(outcome.elapsed < Duration::from_secs(15), "{outcome}");
    server.start();
    assert_eq!(estate.state(), state);
    estate.untrigger("tenants");
    // The lease of the run that could not give it back runs out by itself, at most 15 seconds after it was taken.
    let left = "select coalesce(ceil(max(extract(epoch from expires_at - clock_timestamp()))), 0)::bigint from synthex.leases";
    assert!(estate.database.query_one_i64(left) <= 15);
    estate.database.sql("update synthex.leases set expires_at = clock_timestamp() - interval '1 second'");
    estate.apply().ok();
    estate.is_converged();
}

#[test]
fn a_process_that_is_killed_at_any_moment_leaves_the_state_before_or_after() {
    let estate = Estate::applied("fault_kill");
    let (mut before, mut after) = (0, 0);
    let run = || estate.synthex(&["apply", "--yes", "--lock-timeout", "20"]);
    let mut usual = Duration::from_millis(100);
    for round in 0..20_u32 {
        let (from, to) = if round % 2 == 0 { ("AU-SE1", "NZ-NR1") } else { ("NZ-NR1", "AU-SE1") };
        for file in ["T1.yaml", "T2.yaml", "T3.yaml", "w.yaml", "shops.yaml"] {
            estate.edit(file, from, to);
        }
        let state = estate.declared();
        let killed = run().spawn();
        std::thread::sleep(usual * round / 18);
        killed.kill();
        let outcome = killed.wait();
        assert!(outcome.code == 137 || outcome.code == 0, "{outcome}");
        let left = "select coalesce(ceil(max(extract(epoch from expires_at - clock_timestamp()))), 0)::bigint from synthex.leases";
        assert!(estate.database.query_one_i64(left) <= 15, "no lease outlives its time");
        // Time passes: whoever still holds it is dead.
        estate
            .database
            .sql("update synthex.leases set expires_at = clock_timestamp() where holder is not null");
        let regions = "select string_agg(distinct region, ' ') from (select region from synthex.tenants union all \
                       select region from synthex.workspaces union all select region from synthex.tenant_templates) r";
        match estate.value(regions).expect("regions") {
            region if region == from => {
                assert_eq!(estate.declared(), state, "round {round}");
                before += 1;
            }
            region if region == to => after += 1,
            mixed => panic!("round {round}: between two states: {mixed}"),
        }
        let start = Instant::now();
        run().run().ok();
        usual = start.elapsed();
        estate.is_converged();
    }
    assert!(before >= 3, "{before} before, {after} after: killed too late");
    let operations = estate.database.query_one_i64("select count(*) from synthex.batch_operations");
    assert_eq!(operations, 21, "each change is on record once");
}
