//! Plans in files: what was reviewed is what is applied, whole, once, and only where it was made for.

use chrono::{TimeDelta, Utc};
use serde_json::Value;
use synthex::plan::saved::{self, SavedError};

use crate::support::database::TestDatabase;
use crate::support::estate::{Estate, SIZE};

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

#[test]
fn applying_a_saved_plan_does_exactly_what_it_says() {
    let estate = with_plan("saved_exact");
    let plan = estate.plan(&[]);
    // What is edited after the review is not in the plan, and is not done.
    estate.edit("T2.yaml", "status: active", "status: inactive");
    estate.declare_tenant("T9", &[]);
    let run = estate.run(&[&APPLY[..], &["--format", "json"]].concat()).ok().json();
    assert_eq!(run["digest"], plan["digest"]);
    let statuses = "select string_agg(name || ' ' || status, ', ' order by name) from synthex.tenants";
    assert_eq!(estate.value(statuses).as_deref(), Some("T1 inactive, T2 active, T3 active"));
    let digest =
        "select 'sha256:' || encode(plan_digest, 'hex') from synthex.batch_operations where revision = 2";
    assert_eq!(estate.value(digest).as_deref(), plan["digest"].as_str());
    assert_eq!(estate.changes(&[]), ["update tenant/w/T2 (status)", "create tenant/w/T9"]);
}

#[test]
fn a_file_that_was_changed_anywhere_is_refused() {
    let estate = with_plan("saved_bytes");
    let whole = std::fs::read(estate.project.path().join("plan.json")).unwrap();
    let saved = saved::decode(&whole).expect("a plan");
    assert_eq!(saved.plan.actions.len(), 1);
    for at in 0..whole.len() {
        for bit in [0x01, 0x02, 0x20, 0x80] {
            let mut changed = whole.clone();
            changed[at] ^= bit;
            assert!(saved::decode(&changed).is_err(), "byte {at} with {bit:#x} was not noticed");
        }
        assert!(saved::decode(&whole[..at]).is_err(), "cut at {at}");
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
        (value[..10].to_owned(), 3, "not a plan file"),
        (String::new(), 3, "not a plan file"),
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
fn what_is_no_plan_is_wrong_usage() {
    let estate = with_plan("saved_none");
    changes_nothing(&estate, &["apply", "missing.json", "--yes"], 3, "the plan missing.json cannot be read");
    changes_nothing(&estate, &["apply", "manifests", "--yes"], 3, "the plan manifests cannot be read");
    changes_nothing(
        &estate,
        &["plan", "--out", "synthex.yaml/p.json"],
        1,
        "synthex.yaml could not be written",
    );
    let json = estate.run(&["apply", "missing.json", "--yes", "--format", "json"]).code(3).json();
    assert_eq!(json["error"]["exit_code"], 3);
}

#[test]
fn disjoint_plans_are_both_applied_and_overlapping_ones_name_who_came_first() {
    let estate = with_plan("saved_overlap");
    estate.run(&["plan", "--out", "same.json"]).ok();
    estate.edit("T1.yaml", "status: inactive", "status: active");
    estate.edit("T2.yaml", "status: active", "status: inactive");
    estate.run(&["plan", "--out", "other.json"]).ok();
    estate.run(&["apply", "other.json", "--yes"]).ok();
    estate.run(&APPLY).ok().stdout_has("Applied as revision 3.");
    // Another plan that was made from the same state, and says something else of the same tenant.
    let estate = with_plan("saved_overlap_two");
    estate.edit("T1.yaml", "status: inactive", "status: suspended");
    estate.run(&["plan", "--out", "other.json"]).ok();
    estate.run(&["apply", "other.json", "--yes"]).ok();
    let now = estate.value("select revision::text from synthex.tenants where name = 'T1'").unwrap();
    changes_nothing(
        &estate,
        &APPLY,
        6,
        &format!("tenant/w/T1: planned on revision 1, now revision {now}, changed by"),
    );
    let outcome = estate.run(&APPLY).code(6);
    outcome
        .stderr_has("with apply (revision 2)")
        .stderr_has("manifests/T1.yaml")
        .stderr_has("help: make a new plan");
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
        let estate = with_plan("saved_hand");
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
    let estate = Estate::applied("saved_hand_create");
    estate.declare_tenant("T4", &[]);
    estate.run(&["plan", "--out", "plan.json"]).ok();
    estate.edit("T4.yaml", "status: active", "status: inactive");
    estate.apply().ok();
    changes_nothing(&estate, &APPLY, 6, "tenant/w/T4: planned on absent, now revision 1, changed by");
}

#[test]
fn of_two_overlapping_plans_exactly_one_wins() {
    let estate = Estate::applied("saved_race");
    let rounds = if std::env::var_os("SYNTHEX_CHAOS").is_some() { 200 } else { 10 };
    for round in 0..rounds {
        // Neither says what is there already, nor what the other says.
        for file in ["1.json", "2.json"] {
            estate.declare_tenant("T1", &[&format!("industry: round {round} of {file}")]);
            estate.run(&["plan", "--out", file]).ok();
        }
        let run = |file: &str| estate.synthex(&["apply", file, "--yes", "--lock-timeout", "20"]).spawn();
        let (first, second) = (run("1.json"), run("2.json"));
        let mut outcomes = [first.wait(), second.wait()];
        outcomes.sort_by_key(|outcome| outcome.code);
        let [won, lost] = outcomes;
        assert_eq!((won.code, lost.code), (0, 6), "round {round}:\n{won}\n{lost}");
        lost.stderr_has("tenant/w/T1").stderr_has("with apply");
        let revision = "select revision from synthex.tenants where name = 'T1'";
        assert_eq!(estate.database.query_one_i64(revision), i64::from(round) + 2, "one write each round");
    }
}

#[test]
fn only_the_expected_digest_is_applied() {
    let estate = Estate::applied("saved_digest");
    estate.edit("T1.yaml", "status: active", "status: inactive");
    let digest = estate.plan(&[])["digest"].as_str().unwrap().to_owned();
    let wrong = format!("sha256:{}", "0".repeat(64));
    changes_nothing(&estate, &["apply", "--yes", "--expect-digest", &wrong], 6, &digest);
    estate
        .run(&["apply", "--yes", "--expect-digest", "sha256:12"])
        .code(3)
        .stderr_has("64 hexadecimal digits");
    estate.run(&["apply", "--yes", "--expect-digest", &digest]).ok();
    // Also where there is nothing to do.
    changes_nothing(&estate, &["apply", "--yes", "--expect-digest", &digest], 6, "nothing to do");
}

#[test]
fn a_plan_is_bound_to_its_project_and_its_database() {
    let estate = with_plan("saved_bound");
    let other = Estate::applied("saved_elsewhere");
    other.edit("T1.yaml", "status: active", "status: inactive");
    let plan = estate.project.read("plan.json");
    other.project.write("plan.json", &plan);
    changes_nothing(&other, &APPLY, 6, "is for another database");
    // A database where nothing is installed.
    let empty = Estate::new("saved_empty");
    empty.project.write("plan.json", &plan);
    empty.run(&APPLY).code(6).stderr_has("is for another database").stderr_has("not installed");
    assert!(empty.state().is_empty());
    // Another project, on the same database.
    let file = estate.project.read("synthex.yaml");
    estate.project.write("synthex.yaml", file.replace("name: test", "name: second"));
    changes_nothing(&estate, &APPLY, 6, "another project's");
    estate.project.write("synthex.yaml", file);
    // The same database, installed anew.
    estate.database.sql("drop schema synthex cascade");
    estate.edit("T1.yaml", "status: inactive", "status: active");
    estate.apply().ok();
    changes_nothing(&estate, &APPLY, 6, "two installations");
}

#[test]
fn a_copy_of_the_database_is_another_database() {
    let estate = with_plan("saved_copy");
    let url = estate.database.url();
    let copy = Estate::on(TestDatabase::new("saved_copied"));
    copy.apply().ok();
    let id = estate.value("select id::text from synthex.installation").unwrap();
    copy.database.sql(&format!("update synthex.installation set id = '{id}'"));
    copy.project.write("plan.json", estate.project.read("plan.json"));
    changes_nothing(&copy, &APPLY, 6, "one of them is a copy of the other");
    copy.synthex_at(&url, &APPLY).run().ok();
}

#[test]
fn a_plan_made_before_the_installation_installs_and_is_done_once() {
    let estate = Estate::new("saved_first");
    estate.run(&["plan", "--out", "plan.json"]).ok();
    let other = Estate::new("saved_first_other");
    other.project.write("plan.json", estate.project.read("plan.json"));
    other.run(&APPLY).code(6).stderr_has("is for another database");
    assert!(other.state().is_empty());
    estate.run(&APPLY).ok().stdout_has("11 to create");
    estate.is_converged();
    estate.run(&APPLY).ok().stdout_has("already applied, as revision 1");
}

#[test]
fn an_old_plan_is_refused() {
    let estate = with_plan("saved_age");
    let whole = estate.project.read("plan.json");
    let age = |hours| {
        let mut saved = saved::decode(whole.as_bytes()).unwrap();
        saved.binding.observed_at = Utc::now() - TimeDelta::hours(hours);
        estate.project.write("plan.json", saved::encode(&saved.plan, &saved.binding));
    };
    age(25);
    changes_nothing(&estate, &APPLY, 6, "it is 25 h old, and --max-age allows 24 h");
    age(2);
    changes_nothing(&estate, &[&APPLY[..], &["--max-age", "90m"]].concat(), 6, "--max-age allows 90 min");
    estate.run(&[&APPLY[..], &["--max-age", "soon"]].concat()).code(3).stderr_has("24h");
    age(25);
    estate.run(&[&APPLY[..], &["--max-age", "2d"]].concat()).ok();
}

#[test]
fn a_plan_that_was_applied_is_not_applied_again() {
    let estate = with_plan("saved_replay");
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
    let estate = with_plan("saved_allow");
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
fn a_role_that_may_only_read_saves_a_plan_and_the_owner_applies_it() {
    let estate = Estate::applied("saved_reader");
    let role = estate.database.create_role("reader", "secret");
    estate.database.sql(&format!(
        "grant usage on schema synthex to \"{role}\"; grant select on all tables in schema synthex to \"{role}\""
    ));
    estate.edit("T1.yaml", "status: active", "status: inactive");
    estate.synthex_at(&estate.database.url_as(&role), &["plan", "--out", "plan.json"]).run().ok();
    changes_nothing_as(&estate, &role);
    estate.run(&APPLY).ok();
    estate.is_converged();
    estate.run(&APPLY).ok().stdout_has("already applied, as revision 2");
}

#[track_caller]
fn changes_nothing_as(estate: &Estate, role: &str) {
    let state = estate.state();
    estate
        .synthex_at(&estate.database.url_as(role), &APPLY)
        .run()
        .code(8)
        .stderr_has("help: connect as the role");
    assert_eq!(estate.state(), state);
}

#[test]
fn a_plan_that_guards_refuse_is_saved_and_applied_only_when_acknowledged() {
    let estate = Estate::applied("saved_refused");
    estate.project.write(
        "synthex.yaml",
        estate.project.read("synthex.yaml").replace("maxDeletes: 100", "maxDeletes: 0"),
    );
    estate.project.remove("manifests/T3.yaml");
    estate.run(&["plan", "--prune", "--out", "plan.json"]).code(5).stderr_has("although guards refuse it");
    changes_nothing(&estate, &APPLY, 5, "1 of 11 rows would be deleted");
    let digest =
        saved::decode(estate.project.read("plan.json").as_bytes()).unwrap().plan.digest().to_string();
    let acknowledged = [&APPLY[..], &["--ack-deletes", "1", "--expect-digest", &digest]].concat();
    estate.run(&acknowledged).ok().stdout_has("1 to delete");
}

#[test]
fn no_secret_is_in_a_plan_its_json_or_the_record() {
    let estate = Estate::new("saved_secret");
    let sentinel = "canary-secret-of-c1";
    let run = |args: &[&str]| estate.synthex(args).env("C1", sentinel).env("HOOK", sentinel).run();
    run(&["plan", "--out", "plan.json"]).ok().nowhere(sentinel);
    run(&["plan", "--format", "json"]).ok().nowhere(sentinel);
    run(&APPLY).ok().nowhere(sentinel);
    let file = estate.project.read("plan.json");
    assert!(file.contains("\"C1\"") && !file.contains(sentinel), "the reference, and not the value");
    assert!(!file.contains("canary"), "nor a password of the database");
    assert!(estate.state().iter().all(|row| !row.contains(sentinel)));
    assert_eq!(saved::decode(file.as_bytes()).unwrap().plan.actions.len(), SIZE);
}
