//! Plans in files: what was reviewed is what is applied, or nothing is.

use std::fs;

use synthex::model::Digest;
use synthex::plan::saved::{self, SavedError};

use crate::support::chaos_rounds;
use crate::support::database::TestDatabase;
use crate::support::estate::Estate;
use crate::support::project::{Project, project_yaml, tenant_yaml, workspace_yaml};

fn saved_plan(estate: &Estate) -> Vec<u8> {
    estate.run(&["plan", "--prune", "--out", "plan.json"]).ok();
    fs::read(estate.project.path().join("plan.json")).expect("a plan")
}

/// An edit, a creation and a deletion are to be done.
fn pending(hint: &str) -> Estate {
    let estate = Estate::applied(hint);
    estate.edit("T1.yaml", "status: active", "status: inactive");
    estate.declare_tenant("NEW", &[]);
    estate.project.remove("manifests/muted.yaml");
    estate
}

#[test]
fn a_saved_plan_is_what_is_applied_and_only_once() {
    let estate = pending("saved");
    let plan = estate.plan(&["--prune"]);
    saved_plan(&estate);
    // What the manifests say by now does not matter.
    estate.edit("T2.yaml", "status: active", "status: suspended");
    estate.run(&["apply", "plan.json", "--yes"]).ok().stdout_has("Applied as revision 2.");
    let recorded =
        "select 'sha256:' || encode(plan_digest, 'hex') from synthex.batch_operations where revision = 2";
    assert_eq!(estate.value(recorded).as_deref(), plan["digest"].as_str());
    let done = "select string_agg(action || ' ' || name, ', ' order by name) from synthex.batch_operation_items i \
                join synthex.batch_operations o on o.id = i.operation_id where o.revision = 2";
    assert_eq!(estate.value(done).as_deref(), Some("create NEW, update T1, delete muted"));
    assert_eq!(estate.changes(&[]), ["update tenant/w/T2 (status)"]);
    let state = estate.state();
    let again = estate.run(&["apply", "plan.json", "--yes"]).ok();
    again.stdout_has("already applied, as revision 2").stdout_has("No changes.");
    let json = estate.run(&["apply", "plan.json", "--yes", "--format", "json"]).ok().json();
    assert_eq!((&json["already_applied"], &json["applied"]), (&2.into(), &false.into()));
    assert_eq!(estate.state(), state, "not one row was written");
}

#[test]
fn a_plan_that_was_edited_or_cut_short_is_refused() {
    let estate = pending("saved_edited");
    let bytes = saved_plan(&estate);
    assert!(saved::decode(&bytes).is_ok());
    for at in 0..bytes.len() {
        let mut edited = bytes.clone();
        edited[at] ^= 0x02;
        assert!(saved::decode(&edited).is_err(), "byte {at} was changed");
        assert!(saved::decode(&bytes[..at]).is_err(), "cut short at {at}");
    }
    assert_eq!(saved::decode(&[&bytes[..], b" "].concat()).err(), Some(SavedError::Changed));
    let state = estate.state();
    let text = String::from_utf8(bytes).expect("text");
    let apply = |text: &str| {
        estate.project.write("plan.json", text);
        estate.run(&["apply", "plan.json", "--yes"])
    };
    apply(&text.replace("inactive", "inactivE")).code(6).stderr_has("changed or cut short");
    apply(&text[..text.len() / 2]).code(6).stderr_has("changed or cut short");
    apply(&text.replacen("\"synthex_plan\":1", "\"synthex_plan\":7", 1)).code(6).stderr_has("format 7");
    apply("{}").code(3).stderr_has("not a plan file");
    apply("").code(6).stderr_has("changed or cut short");
    estate.run(&["apply", "missing.json", "--yes"]).code(3).stderr_has("no such file");
    estate.run(&["apply", "manifests", "--yes"]).code(3).stderr_has("folder");
    assert_eq!(estate.state(), state);
}

#[test]
fn plans_on_different_tenants_do_not_mind_each_other_and_overlapping_ones_do() {
    let estate = Estate::applied("saved_overlap");
    let plan = |name: &str, file: &str| {
        estate.run(&["plan", "--target", &format!("tenant/w/{name}"), "--out", file]).ok();
    };
    estate.edit("T1.yaml", "status: active", "status: inactive");
    estate.edit("T2.yaml", "status: active", "status: inactive");
    plan("T1", "one.json");
    plan("T2", "two.json");
    plan("T*", "both.json");
    estate.run(&["apply", "one.json", "--yes"]).ok();
    estate.run(&["apply", "two.json", "--yes"]).ok();
    let state = estate.state();
    let stale = estate.run(&["apply", "both.json", "--yes"]).code(6);
    let stale = stale.stderr_has("tenant/w/T1: planned on revision 1, now revision 2, changed by ");
    stale
        .stderr_has("with apply (revision 2)")
        .stderr_has("nothing was changed")
        .stderr_has("synthex plan --out");
    assert_eq!(estate.state(), state);
    estate.edit("T3.yaml", "status: active", "status: inactive");
    plan("T3", "three.json");
    estate.database.sql("update synthex.tenants set industry = 'Toys' where name = 'T3'");
    estate.run(&["apply", "three.json", "--yes"]).code(6).stderr_has("changed by role ");
    estate.apply().ok();
    estate.is_converged();
}

#[test]
fn of_two_that_apply_overlapping_plans_at_once_one_wins() {
    let estate = Estate::applied("saved_race");
    for round in 0..chaos_rounds(5, 200) {
        let (from, to) = if round % 2 == 0 { ("active", "inactive") } else { ("inactive", "active") };
        estate.edit("T1.yaml", &format!("status: {from}"), &format!("status: {to}"));
        for file in ["one.json", "two.json"] {
            // Two plans of their own: another tenant makes their digests differ.
            estate.declare_tenant(&format!("R{round}{}", &file[..1]), &[]);
            estate
                .run(&[
                    "plan",
                    "--out",
                    file,
                    "--target",
                    "T1",
                    "--target",
                    &format!("R{round}{}", &file[..1]),
                ])
                .ok();
        }
        let start = |file: &str| estate.synthex(&["apply", file, "--yes", "--lock-timeout", "30s"]).spawn();
        let (one, two) = (start("one.json"), start("two.json"));
        let codes = [one.wait(), two.wait()];
        let mut sorted = codes.each_ref().map(|outcome| outcome.code);
        sorted.sort_unstable();
        assert_eq!(sorted, [0, 6], "round {round}: {} {}", codes[0], codes[1]);
        estate.apply().ok();
    }
    estate.is_converged();
}

#[test]
fn only_the_digest_that_was_reviewed_is_applied() {
    let estate = pending("saved_digest");
    let digest = estate.plan(&["--prune"])["digest"].as_str().expect("a digest").to_owned();
    let other = Digest::of(b"another plan").to_string();
    let state = estate.state();
    let apply = |digest: &str| estate.run(&["apply", "--prune", "--yes", "--expect-digest", digest]);
    apply(&other).code(6).stderr_has("not the plan that was reviewed").stderr_has(&digest);
    apply("sha256:12").code(3).stderr_has("64 hexadecimal digits");
    assert_eq!(estate.state(), state);
    apply(&digest).ok();
    apply(&digest).code(6).stderr_has("there is nothing to do");
    estate.is_converged();
}

#[test]
fn a_plan_is_bound_to_its_project_and_its_database() {
    let estate = pending("saved_bound");
    saved_plan(&estate);
    let file = fs::read(estate.project.path().join("plan.json")).expect("a plan");
    let other = Project::empty();
    other.write("synthex.yaml", project_yaml("other"));
    other.write("manifests/w.yaml", workspace_yaml("w"));
    other.write("plan.json", &file);
    let run = other.synthex(["apply", "plan.json", "--yes"]).database(&estate.database).run();
    run.code(6).stderr_has("made for project `test`, and this is `other`");
    let elsewhere = Estate::applied("saved_elsewhere");
    elsewhere.project.write("plan.json", &file);
    let state = elsewhere.state();
    elsewhere.run(&["apply", "plan.json", "--yes"]).code(6).stderr_has("for another database");
    assert_eq!(elsewhere.state(), state);
    let empty = TestDatabase::new("saved_empty");
    let run = estate.project.synthex(["apply", "plan.json", "--yes"]).database(&empty).run();
    run.code(6).stderr_has("for another database");
    estate.run(&["apply", "plan.json", "--yes"]).ok();
}

#[test]
fn a_plan_made_before_the_installation_is_applied_to_the_same_database() {
    let estate = Estate::new("saved_first");
    saved_plan(&estate);
    let other = TestDatabase::new("saved_second");
    let elsewhere = estate.project.synthex(["apply", "plan.json", "--yes"]).database(&other).run();
    elsewhere.code(6).stderr_has("for another database");
    estate.run(&["apply", "plan.json", "--yes"]).ok().stdout_has("Applied as revision 1.");
    estate.run(&["apply", "plan.json", "--yes"]).ok().stdout_has("already applied");
    estate.is_converged();
}

#[test]
fn a_plan_is_bound_to_its_environment() {
    let estate = pending("saved_environment");
    let file = estate.project.read("synthex.yaml");
    estate.project.write(
        "synthex.yaml",
        file.replace("workspace: w,", "workspace: w, environments: {prod: {}, test: {}},"),
    );
    estate.run(&["plan", "-e", "prod", "--out", "plan.json"]).ok();
    let state = estate.state();
    estate.run(&["apply", "-e", "test", "plan.json", "--yes"]).code(6).stderr_has("environment `prod`");
    assert_eq!(estate.state(), state);
    estate.run(&["apply", "-e", "prod", "plan.json", "--yes"]).ok();
    let recorded = "select environment from synthex.batch_operations order by revision desc limit 1";
    assert_eq!(estate.value(recorded).as_deref(), Some("prod"));
}

#[test]
fn an_old_plan_is_refused_by_the_clock_of_the_database() {
    let estate = pending("saved_old");
    let mut old = saved::decode(&saved_plan(&estate)).expect("a plan");
    old.binding.observed_at -= chrono::TimeDelta::hours(25);
    estate.project.write("plan.json", saved::encode(&old.plan, &old.binding));
    estate.run(&["apply", "plan.json", "--yes"]).code(6).stderr_has("too old").stderr_has("25 h");
    estate.run(&["apply", "plan.json", "--yes", "--max-age", "26h"]).ok();
}

#[test]
fn a_role_that_may_only_read_saves_what_the_owner_applies() {
    let estate = pending("saved_reader");
    let role = estate.database.create_role("reader", "secret");
    estate.database.sql(&format!(
        "grant usage on schema synthex to \"{role}\"; grant select on all tables in schema synthex to \"{role}\""
    ));
    let url = estate.database.url_as(&role);
    estate.synthex_at(&url, &["plan", "--prune", "--out", "plan.json"]).run().ok();
    estate.run(&["apply", "plan.json", "--yes"]).ok().stdout_has("1 to create, 1 to update, 1 to delete");
}

#[test]
fn a_plan_that_guards_refuse_can_be_saved_and_needs_what_they_ask_for() {
    let estate = Estate::applied("saved_refused").with_usual_guards();
    for name in ["T1", "T2", "c1", "c2"] {
        estate.project.remove(&format!("manifests/{name}.yaml"));
    }
    let plan = estate.run(&["plan", "--prune", "--out", "plan.json"]).code(5);
    plan.stderr_has("although guards refuse it");
    let state = estate.state();
    estate.run(&["apply", "plan.json", "--yes"]).code(5).stdout_has("SX0503");
    assert_eq!(estate.state(), state);
    let saved =
        saved::decode(&fs::read(estate.project.path().join("plan.json")).expect("a plan")).expect("a plan");
    let digest = saved.plan.digest().to_string();
    let acknowledge = ["apply", "plan.json", "--yes", "--ack-deletes", "4", "--expect-digest", &digest];
    estate.run(&acknowledge).ok().stdout_has("4 to delete");
}

#[test]
fn no_secret_is_in_a_plan_a_snapshot_or_the_record() {
    let estate = Estate::new("saved_secret");
    estate.declare("Credential", "c9", "{tenant: T1, service: shopify, secretRef: {env: CANARY_TOKEN}}");
    let run = |args: &[&str]| estate.synthex(args).env("CANARY_TOKEN", "shpat_canary_5f3a").run();
    for args in [
        &["plan", "--out", "plan.json", "-vvv"][..],
        &["plan", "--format", "json"],
        &["plan", "--format", "markdown"],
        &["apply", "plan.json", "--yes", "-vvv"],
        &["state", "snapshot", "--out", "state.json"],
        &["history", "--format", "json"],
        &["history", "credential/w/c9"],
    ] {
        run(args).ok().nowhere("shpat_canary");
    }
    for file in ["plan.json", "state.json"] {
        assert!(!estate.project.read(file).contains("shpat_canary"), "{file}");
    }
    let everywhere =
        "select count(*) from synthex.batch_operation_items where after::text like '%shpat_canary%'";
    assert_eq!(estate.database.query_one_i64(everywhere), 0);
    estate.project.write("manifests/more.yaml", tenant_yaml("X", "w"));
}
