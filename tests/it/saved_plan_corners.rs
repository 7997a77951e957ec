//! Plans in files, in the corners: any damage, copies of databases, rows that were written by hand, and what is applied
//! in parts. The plain cases are in `saved_plans.rs`.

use std::time::Duration;

use serde_json::Value;
use synthex::plan::saved::{self, SavedError};

use crate::support::database::TestDatabase;
use crate::support::estate::Estate;
use crate::support::eventually;

const APPLY: [&str; 3] = ["apply", "plan.json", "--yes"];

/// An applied estate with an update of `T1` saved in `plan.json`.
fn with_plan(hint: &str) -> Estate {
    let estate = Estate::applied(hint);
    estate.edit("T1.yaml", "status: active", "status: inactive");
    estate.run(&["plan", "--out", "plan.json"]).ok().stderr_has("synthex apply plan.json");
    estate
}

/// A run that must change nothing.
#[track_caller]
fn changes_nothing(estate: &Estate, args: &[&str], code: i32, says: &str) {
    let state = estate.state();
    let outcome = estate.run(args).code(code).stderr_has(says).stderr_has("help: ");
    assert!(!outcome.stderr.contains("panicked"), "{outcome}");
    assert_eq!(estate.state(), state, "{outcome}");
    assert_eq!(estate.leases_held(), 0);
}

/// As a program lays JSON out anew.
fn pretty(text: &str) -> String {
    serde_json::to_string_pretty(&serde_json::from_str::<Value>(text).unwrap()).unwrap()
}

#[test]
fn a_plan_replaces_no_file_of_the_project_and_nothing_but_a_plan() {
    let estate = Estate::applied("corner_out");
    estate.edit("T1.yaml", "status: active", "status: inactive");
    let manifest = estate.project.read("manifests/T1.yaml");
    estate.project.write("notes.txt", "not to be lost");
    for option in ["--out", "--json-into", "--markdown-into"] {
        for path in ["manifests/T1.yaml", "synthex.yaml"] {
            estate.run(&["plan", option, path]).code(3).stderr_has("is a file of the project");
        }
    }
    estate.run(&["plan", "--out", "notes.txt"]).code(3).stderr_has("is no plan");
    assert_eq!(estate.project.read("manifests/T1.yaml"), manifest);
    assert_eq!(estate.project.read("notes.txt"), "not to be lost");
    estate.run(&["plan", "--out", "plan.json"]).ok();
    estate.run(&["plan", "--out", "plan.json"]).ok();
    estate.run(&APPLY).ok();
}

#[test]
fn of_two_runs_with_one_file_both_succeed_and_one_writes() {
    let estate = with_plan("corner_two");
    let hold = ["lease", "take", "-w", "w", "--reason", "test", "--ttl", "60s", "--yes"];
    estate.run(&hold).ok();
    let apply = || estate.synthex(&["apply", "plan.json", "--yes", "--lock-timeout", "30"]).spawn();
    let runs = [apply(), apply()];
    let waiting = "select count(*) from synthex.lease_waiters";
    assert!(eventually(Duration::from_secs(20), || estate.database.query_one_i64(waiting) == 2));
    estate.run(&["lease", "release", "-w", "w", "--yes"]).ok();
    let outcomes = runs.map(|run| run.wait().ok());
    let count = |words: &str| outcomes.iter().filter(|outcome| outcome.stdout.contains(words)).count();
    assert_eq!((count("Applied as revision"), count("already applied, as revision")), (1, 1));
}

#[test]
fn a_file_that_was_changed_anywhere_is_refused() {
    let estate = with_plan("corner_bytes");
    let whole = std::fs::read(estate.project.path().join("plan.json")).unwrap();
    let saved = saved::decode(&whole).expect("a plan");
    assert_eq!(saved.plan.actions.len(), 1);
    for at in 0..whole.len() {
        for bit in [0x01, 0x02, 0x20, 0x80] {
            let mut changed = whole.clone();
            changed[at] ^= bit;
            let error = saved::decode(&changed).expect_err("a change that was not noticed");
            assert_ne!(error, SavedError::NotAPlan, "byte {at} with {bit:#x}");
        }
        assert_eq!(saved::decode(&whole[..at]).err(), Some(SavedError::Changed), "cut at {at}");
        let doubled = [&whole[..=at], &whole[at..]].concat();
        assert!(saved::decode(&doubled).is_err(), "byte {at} twice");
    }
    for tail in [&b"\n"[..], b" ", b"x", b"{}"] {
        assert_eq!(saved::decode(&[&whole, tail].concat()).err(), Some(SavedError::Changed));
    }
    let value = String::from_utf8(whole.clone()).unwrap();
    for (changed, code, says) in [
        (value.replace("inactive", "suspended"), 6, "changed or cut short"),
        (value.replace("\"revision\":1", "\"revision\":2"), 6, "changed or cut short"),
        (value.replace("\"test\"", "\"tast\""), 6, "changed or cut short"),
        (value[..value.len() / 2].to_owned(), 6, "changed or cut short"),
        (format!("{value}\n"), 6, "changed or cut short"),
        (value.replace('\n', "\r\n"), 6, "changed or cut short"),
        (value.replacen("\"synthex_plan\":1", "\"synthex_plan\":2", 1), 6, "has format 2"),
        (value[..10].to_owned(), 6, "changed or cut short"),
        (String::new(), 6, "changed or cut short"),
        (format!("\u{feff}{value}"), 6, "changed or cut short"),
        (pretty(&value), 6, "changed or cut short"),
        (estate.project.read("synthex.yaml"), 3, "not a plan file"),
        (estate.plan(&[]).to_string(), 3, "not a plan file"),
    ] {
        estate.project.write("plan.json", changed);
        changes_nothing(&estate, &APPLY, code, says);
    }
    estate.project.write("plan.json", &whole);
    estate.run(&APPLY).ok();
}

#[test]
fn a_row_that_somebody_wrote_or_removed_by_hand_is_named_with_the_role() {
    for (sql, says) in [
        ("update synthex.tenants set industry = 'Toys' where name = 'T1'", "now revision 2, changed by role"),
        (
            "delete from synthex.credentials; delete from synthex.tenants where name = 'T1'",
            "now absent, changed by role",
        ),
    ] {
        let estate = with_plan("corner_hand");
        let role = estate.database.create_role("hand", "secret");
        estate.database.sql(&format!(
            "grant usage on schema synthex to \"{role}\"; grant all on all tables in schema synthex to \"{role}\"; \
             grant all on all sequences in schema synthex to \"{role}\""
        ));
        let setting = "select set_config('synthex.workspace', 'w', false);";
        estate.database.sql_as(&role, &format!("{setting} {sql}"));
        changes_nothing(&estate, &APPLY, 6, &format!("{says} {role}"));
    }
    // What is to be created is there already.
    let estate = Estate::applied("corner_hand_create");
    estate.declare_tenant("T4", &[]);
    estate.run(&["plan", "--out", "plan.json"]).ok();
    estate.edit("T4.yaml", "status: active", "status: inactive");
    estate.apply().ok();
    changes_nothing(&estate, &APPLY, 6, "tenant/w/T4: planned on absent, now revision 1, changed by");
}

#[test]
fn a_database_that_was_installed_anew_is_another_one() {
    let estate = with_plan("corner_bound");
    estate.database.sql("drop schema synthex cascade");
    estate.edit("T1.yaml", "status: inactive", "status: active");
    estate.apply().ok();
    changes_nothing(&estate, &APPLY, 6, "two installations");
}

#[test]
fn a_copy_of_the_database_is_another_database() {
    let estate = with_plan("corner_copy");
    let url = estate.database.url();
    let copy = Estate::on(TestDatabase::new("corner_copied"));
    copy.apply().ok();
    let id = estate.value("select id::text from synthex.installation").unwrap();
    copy.database.sql(&format!("update synthex.installation set id = '{id}'"));
    copy.project.write("plan.json", estate.project.read("plan.json"));
    changes_nothing(&copy, &APPLY, 6, "one of them is a copy of the other");
    copy.synthex_at(&url, &APPLY).run().ok();
}

#[test]
fn a_plan_that_was_applied_is_not_applied_again() {
    let estate = with_plan("corner_replay");
    estate.run(&APPLY).ok().stdout_has("Applied as revision 2.");
    let written = "select sum(n_tup_ins + n_tup_upd + n_tup_del)::bigint from pg_stat_user_tables where schemaname = 'synthex'";
    std::thread::sleep(std::time::Duration::from_millis(200));
    let (state, before) = (estate.state(), estate.database.query_one_i64(written));
    estate
        .run(&APPLY)
        .ok()
        .stdout_has("This plan was already applied, as revision 2.")
        .stdout_has("No changes.");
    let json = estate.run(&[&APPLY[..], &["--format", "json"]].concat()).ok().json();
    assert_eq!((&json["already_applied"], &json["applied"]), (&Value::from(2), &Value::from(false)));
    std::thread::sleep(std::time::Duration::from_millis(200));
    assert_eq!(
        (estate.state(), estate.database.query_one_i64(written)),
        (state, before),
        "no row was written"
    );
}

#[test]
fn what_was_withheld_can_be_applied_from_the_same_file() {
    let estate = with_plan("corner_allow");
    estate.declare_tenant("T4", &[]);
    estate.run(&["plan", "--out", "plan.json"]).ok();
    let create = [&APPLY[..], &["--allow", "create"]].concat();
    estate.run(&create).ok().stdout_has("Applied as revision 2.").stderr_has("1 to update");
    estate.run(&create).ok().stdout_has("already applied, as revision 2");
    let update = [&APPLY[..], &["--allow", "update"]].concat();
    estate.run(&update).ok().stdout_has("Applied as revision 3.");
    estate.is_converged();
}

#[test]
fn what_a_newer_version_wrote_is_refused_with_what_to_do() {
    let estate = with_plan("corner_newer");
    let plan = estate.project.read("plan.json");
    let newer = plan.replacen("{\"synthex_plan\":1,", "{\"synthex_plan\":2,", 1);
    assert_ne!(newer, plan);
    estate.project.write("plan.json", newer);
    changes_nothing(&estate, &APPLY, 6, "apply it with the synthex that made it, or a newer one");
    estate.run(&["state", "snapshot", "--out", "state.json"]).ok();
    let snapshot = estate.project.read("state.json");
    let newer = snapshot.replacen("\":1,", "\":2,", 1);
    assert_ne!(newer, snapshot);
    estate.project.write("state.json", newer);
    let outcome = estate.run(&["plan", "--state", "state.json"]).code(6).nowhere("panicked");
    outcome.stderr_has("knows formats up to").stderr_has("help: ");
}
