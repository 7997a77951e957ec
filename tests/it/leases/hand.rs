//! Leases in people's hands: who looks, takes one for a repair, or releases one, and what is recorded of it.

use std::time::Duration;

use serde_json::json;

use crate::support::database::TestDatabase;
use crate::support::estate::Estate;
use crate::support::project::{tenant_yaml, workspace_yaml};

use super::{held_elsewhere, list, neighbour, slow_apply};

const TAKE: [&str; 8] = ["lease", "take", "-w", "w", "--reason", "repair of T1", "--ttl", "30m"];

fn take(estate: &Estate, more: &[&str]) -> crate::support::cli::Outcome {
    estate.run(&[&TAKE[..], more].concat())
}

fn release(estate: &Estate, more: &[&str]) -> crate::support::cli::Outcome {
    estate.run(&[&["lease", "release", "-w", "w"], more].concat())
}

/// What is on record about leases, the oldest first: command, status, note.
fn record(estate: &Estate) -> Vec<String> {
    let sql = "select concat_ws(' | ', command, status, project, note) from synthex.batch_operations \
               where command like 'lease%' and plan_digest is null and actor <> '' and host <> '' \
               and started_at between now() - interval '1 minute' and now() order by revision";
    estate.database.query_strings(sql).into_iter().flatten().flatten().collect()
}

#[test]
fn a_lease_taken_by_hand_holds_applies_off_until_it_is_released() {
    let estate = Estate::applied("hand_take");
    take(&estate, &["--yes"]).ok().stdout_has("holds the lease of workspace `w` until 20");
    // The process is gone; the lease stays.
    let listed = list(&estate);
    for part in ["WORKSPACE", "HOLDER", "SINCE", "EXPIRES", "REASON", "(by hand)", "repair of T1", "UTC (in "]
    {
        assert!(listed.stdout.contains(part), "{part}: {listed}");
    }
    estate.edit("T1.yaml", "status: active", "status: inactive");
    let outcome =
        estate.apply().code(4).stderr_has("workspace `w` is held by hand").stderr_has("repair of T1");
    outcome.stderr_has("it runs out at 20").stderr_has("(in 29 minutes)").stderr_has("synthex lease release");
    // It is the same person's, so neither force nor a question is needed.
    release(&estate, &["--reason", "done"]).ok().stdout_has("Released the lease of workspace `w`");
    estate.apply().ok();
    let record = record(&estate);
    assert_eq!(record.len(), 2, "{record:?}");
    assert_eq!(record[0], "lease take | applied | test | workspace w: repair of T1");
    assert!(
        record[1].starts_with("lease release | applied | test | workspace w: done; was held by "),
        "{record:?}"
    );
    release(&estate, &[]).ok().stdout_has("Nobody holds the lease of workspace `w`.");
}

#[test]
fn a_lease_taken_by_hand_runs_out_by_itself() {
    let estate = Estate::applied("hand_expires");
    estate.run(&["lease", "take", "-w", "w", "--reason", "short", "--ttl", "2s", "--yes"]).ok();
    estate.edit("T1.yaml", "status: active", "status: inactive");
    estate.run(&["apply", "--yes"]).code(4);
    let outcome = estate.run(&["apply", "--yes", "--lock-timeout", "20"]).ok().stderr_has("took it");
    assert!(outcome.elapsed < Duration::from_secs(5), "{outcome}");
    list(&estate).stderr_has("Nobody holds a lease.");
}

#[test]
fn taken_again_by_the_same_person_it_gets_a_new_time_and_reason() {
    let estate = Estate::applied("hand_again");
    take(&estate, &["--yes"]).ok();
    estate.run(&["lease", "take", "-w", "w", "--reason", "longer", "--ttl", "2h", "--yes"]).ok();
    list(&estate).stdout_has("longer").stdout_has("UTC (in ");
    // Also where others wait already: it is for them that a repair must not be cut short.
    let project = neighbour("N1");
    let mut waiter =
        project.synthex(["apply", "--yes", "--lock-timeout", "60"]).database(&estate.database).spawn();
    waiter.wait_for_stderr("next in line");
    take(&estate, &["--yes"]).ok();
    estate.run(&["lease", "take", "-w", "w", "--reason", "longer", "--ttl", "2h", "--yes"]).ok();
    assert!(waiter.is_running());
    // Another person is told.
    let other = estate.synthex(&[&TAKE[..], &["--yes"]].concat()).env("GITHUB_ACTOR", "mallory").run();
    other.code(4).stderr_has("held by hand").stderr_has("longer");
    assert_eq!(record(&estate).len(), 4);
    // When it is over, the next goes on.
    release(&estate, &[]).ok();
    waiter.wait().ok();
}

#[test]
fn a_live_holder_loses_its_lease_only_by_force() {
    let estate = Estate::applied("hand_force");
    held_elsewhere(&estate, "10 seconds");
    let refused = release(&estate, &[]).code(5);
    let refused = refused.stderr_has("held by `synthex apply` on runner-9 (pid 4242)").stderr_has("for 90 s");
    refused.stderr_has("https://ci.example/runs/5").stderr_has("--force");
    release(&estate, &["--holder", "runner-8", "--force", "--yes"])
        .code(5)
        .stderr_has("not held by `runner-8`");
    // There is nobody to ask.
    release(&estate, &["--force"]).code(3).stderr_has("--yes");
    release(&estate, &["--force", "--dry-run"]).ok().stdout_has("Would release").stdout_has("runner-9");
    assert!(record(&estate).is_empty() && estate.leases_held() == 1);
    release(&estate, &["--holder", "runner-9", "--force", "--yes", "--reason", "hangs"]).ok();
    let expected = "lease release | applied | test | workspace w: hangs; was held by `synthex apply` on runner-9 (pid 4242)";
    assert_eq!((record(&estate), estate.leases_held()), (vec![expected.to_owned()], 0));
}

#[test]
fn another_persons_lease_needs_force_and_can_be_named_by_person_or_id() {
    let estate = Estate::applied("hand_person");
    let by = |name: &str| {
        estate.synthex(&[&TAKE[..], &["--yes"]].concat()).env("GITHUB_ACTOR", name).run().ok();
    };
    by("eva");
    release(&estate, &[]).code(5).stderr_has("eva (by hand)").stderr_has("repair of T1");
    release(&estate, &["--holder", "eva", "--force", "--yes"]).ok();
    by("eva");
    let json = estate.run(&["lease", "list", "--format", "json"]).ok().json();
    let id = json["leases"][0]["held"]["holder"].as_str().expect("an id").to_owned();
    release(&estate, &["--holder", &id, "--force", "--yes"]).ok().stdout_has("eva");
}

#[test]
fn a_run_whose_lease_was_released_by_force_writes_nothing() {
    let estate = Estate::applied("hand_forced_run");
    let state = estate.state();
    estate.edit("T1.yaml", "status: active", "status: inactive");
    let run = slow_apply(&estate, "T1", 30.0);
    release(&estate, &["--force", "--yes"]).ok().stdout_has("`synthex apply` on ");
    let outcome = run.wait().code(4).stderr_has("the lease of workspace w was lost").stderr_has("by force");
    assert!(outcome.elapsed < Duration::from_secs(15), "{outcome}");
    assert_eq!(estate.state().len(), state.len() + 1, "only the release is on record");
    assert_eq!(
        estate.value("select status from synthex.tenants where name = 'T1'").as_deref(),
        Some("active")
    );
    estate.untrigger("tenants");
    estate.apply().ok();
}

#[test]
fn taking_asks_first_and_a_dry_run_takes_nothing() {
    let estate = Estate::applied("hand_ask");
    take(&estate, &[]).code(3).stderr_has("--yes");
    take(&estate, &["--dry-run"]).ok().stdout_has("Would take the lease of workspace `w`");
    assert!(record(&estate).is_empty() && estate.leases_held() == 0);
    for wrong in [
        &["lease", "take", "-w", "w", "--yes"][..],
        &["lease", "take", "-w", "w", "--reason", " ", "--yes"],
        &["lease", "take", "-w", "w", "--reason", "r", "--ttl", "8d", "--yes"],
        &["lease", "take", "-w", "w", "--reason", "r", "--ttl", "0", "--yes"],
        &["lease", "take", "--reason", "r", "--yes"],
        &["lease", "release"],
    ] {
        estate.run(wrong).code(3);
    }
    let error = estate
        .run(&["lease", "take", "-w", "x", "--reason", "r", "--yes", "--format", "json"])
        .code(3)
        .json();
    assert_eq!(error["error"]["what"], "there is no workspace `x` in the database");
}

#[test]
fn a_workspace_that_is_not_there_is_named_with_one_that_is() {
    let estate = Estate::new("hand_unknown");
    estate.project.write("manifests/anz.yaml", workspace_yaml("anz-smb"));
    estate.project.write("manifests/A1.yaml", tenant_yaml("A1", "anz-smb"));
    estate.apply().ok();
    for command in
        [&["lease", "take", "--reason", "r", "--yes"][..], &["lease", "release"], &["lease", "list"]]
    {
        let outcome = estate.run(&[command, &["-w", "anz-sbm"]].concat()).code(3);
        outcome.stderr_has("there is no workspace `anz-sbm`").stderr_has("did you mean `anz-smb`?");
    }
}

#[test]
fn the_list_shows_who_holds_what_and_who_waits() {
    let estate = Estate::applied("hand_list");
    list(&estate).stderr_has("Nobody holds a lease.");
    held_elsewhere(&estate, "10 minutes");
    estate.database.sql("update synthex.leases set commit_sha = '0123456789abcdef0123', actor = 'octocat'");
    estate.edit("T1.yaml", "status: active", "status: inactive");
    let mut waiter = estate.synthex(&["apply", "--yes", "--lock-timeout", "60"]).spawn();
    waiter.wait_for_stderr("next in line");
    let pid = waiter.pid().as_raw_nonzero().to_string();
    let listed = list(&estate);
    for part in [
        "`synthex apply` on runner-9 (pid 4242) of octocat",
        "0123456789ab",
        "https://ci.example/runs/5",
        "minute",
        &pid,
    ] {
        assert!(listed.stdout.contains(part), "{part}: {listed}");
    }
    let json = estate.run(&["lease", "list", "--format", "json"]).ok().json();
    let lease = &json["leases"][0];
    assert_eq!((&json["installed"], &lease["workspace"]), (&json!(true), &json!("w")));
    assert_eq!((&lease["held"]["host"], &lease["held"]["pid"]), (&json!("runner-9"), &json!(4242)));
    assert_eq!(lease["held"]["run_url"], "https://ci.example/runs/5");
    assert_eq!(lease["held"]["commit"], "0123456789abcdef0123");
    assert!(lease["held"]["since"].is_string() && lease["held"]["expires_at"].is_string());
    assert_eq!(lease["waiting"][0]["pid"].to_string(), pid);
    waiter.interrupt();
    waiter.wait().code(130);
    // A lease without an end, as somebody may have written it by hand.
    estate.database.sql("update synthex.leases set expires_at = 'infinity'");
    list(&estate).stdout_has("9999-12-31");
}

#[test]
fn where_nothing_is_installed_there_is_nothing_to_list_or_take() {
    let estate = Estate::on(TestDatabase::new("hand_none"));
    list(&estate).stderr_has("synthex is not installed in this database");
    let json = estate.run(&["lease", "list", "--format", "json"]).ok().json();
    assert_eq!((&json["installed"], &json["leases"]), (&json!(false), &json!([])));
    take(&estate, &["--yes"]).code(3).stderr_has("not installed");
    release(&estate, &[]).code(3).stderr_has("not installed");
    assert_eq!(
        estate.database.query_one_i64("select count(*) from pg_namespace where nspname = 'synthex'"),
        0
    );
}

#[test]
fn a_role_that_may_only_read_lists_and_neither_takes_nor_releases() {
    let estate = Estate::applied("hand_role");
    held_elsewhere(&estate, "10 minutes");
    let role = estate.database.create_role("reader", "secret");
    let url = estate.database.url_as(&role);
    estate.synthex_at(&url, &["lease", "list"]).run().code(8).stderr_has("help:");
    estate.database.sql(&format!(
        "grant usage on schema synthex to \"{role}\"; grant select on all tables in schema synthex to \"{role}\""
    ));
    estate.synthex_at(&url, &["lease", "list"]).run().ok().stdout_has("runner-9");
    for args in [&[&TAKE[..], &["--yes"]].concat()[..], &["lease", "release", "-w", "w", "--force", "--yes"]]
    {
        let outcome = estate.synthex_at(&url, args).run().code(8);
        outcome.stderr_has("this role may not write").stderr_has("owns the schema");
    }
    assert_eq!(estate.leases_held(), 1);
}

#[test]
fn where_it_cannot_be_recorded_it_does_not_happen() {
    let estate = Estate::applied("hand_unrecorded");
    estate.trigger("batch_operations", "insert", "true", "raise exception 'disk of records is full';");
    take(&estate, &["--yes"]).code(1).stderr_has("disk of records is full");
    assert_eq!(estate.leases_held(), 0);
    held_elsewhere(&estate, "10 minutes");
    release(&estate, &["--force", "--yes"]).code(1);
    assert_eq!(estate.leases_held(), 1);
}

#[test]
fn told_to_stop_while_it_waits_to_take_a_lease_it_leaves_the_line() {
    let estate = Estate::applied("hand_interrupt");
    held_elsewhere(&estate, "10 minutes");
    let mut run = estate.synthex(&[&TAKE[..], &["--yes", "--lock-timeout", "60"]].concat()).spawn();
    run.wait_for_stderr("next in line");
    run.interrupt();
    run.wait().code(130);
    assert_eq!(super::waiting(&estate), 0);
    assert!(record(&estate).is_empty());
}
