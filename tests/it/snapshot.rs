//! `state snapshot` and `plan --state`: the same plan, with no database and no credential.

use std::fs;

use crate::support::estate::Estate;
use crate::support::project::tenant_yaml;

/// An estate with everything a plan has to say: an edit, drift, a removal by hand, something new, something gone.
fn eventful(hint: &str) -> Estate {
    let estate = Estate::applied(hint);
    estate.edit("T1.yaml", "status: active", "status: inactive");
    estate.database.sql("update synthex.tenants set industry = 'Toys' where name = 'T2'");
    estate.database.sql("delete from synthex.alert_rules where name = 'muted'");
    estate.project.write("manifests/NEW.yaml", tenant_yaml("NEW", "w"));
    estate.project.remove("manifests/c1.yaml");
    estate
}

/// A run that can reach no database, whatever it tries.
fn offline(estate: &Estate, args: &[&str]) -> crate::support::cli::Outcome {
    let run = estate.project.synthex(args.iter().copied()).env("CI", "true");
    run.without_env("SYNTHEX_DATABASE_URL").without_env("DATABASE_URL").run()
}

#[test]
fn a_plan_against_a_snapshot_is_the_plan_against_the_database() {
    let estate = eventful("snapshot_same");
    estate.run(&["state", "snapshot", "--out", "state.json"]).ok().stderr_has("rows to state.json");
    for args in [
        &["plan"][..],
        &["plan", "--prune"],
        &["plan", "--format", "json"],
        &["plan", "--prune", "--format", "json", "--target", "tenant/*"],
        &["plan", "--summary", "-w", "w"],
    ] {
        let live = estate.run(args);
        let mut with_state = args.to_vec();
        with_state.extend(["--state", "state.json"]);
        let snapshot = offline(&estate, &with_state);
        assert_eq!((live.code, &live.stdout), (snapshot.code, &snapshot.stdout), "{args:?}");
        assert!(live.stdout.contains("T1"), "{live}");
    }
}

#[test]
fn a_snapshot_of_a_database_without_synthex_makes_everything_new() {
    let estate = Estate::new("snapshot_empty");
    estate.run(&["state", "snapshot", "--out", "state.json"]).ok();
    let live = estate.run(&["plan"]).ok();
    let snapshot = offline(&estate, &["plan", "--state", "state.json"]).ok();
    assert_eq!(live.stdout, snapshot.stdout);
}

#[test]
fn a_plan_saved_from_a_snapshot_is_applied_to_the_database_it_was_made_of() {
    let estate = eventful("snapshot_apply");
    estate.run(&["state", "snapshot", "--out", "state.json"]).ok();
    offline(&estate, &["plan", "--state", "state.json", "--out", "plan.json"]).ok();
    estate.run(&["apply", "--yes", "plan.json"]).ok();
    estate.is_converged();
}

#[test]
fn a_damaged_snapshot_is_refused_wherever_the_damage_is() {
    let estate = eventful("snapshot_damaged");
    estate.run(&["state", "snapshot", "--out", "state.json"]).ok();
    let path = estate.project.path().join("state.json");
    let bytes = fs::read(&path).expect("the snapshot");
    for at in (0..bytes.len()).step_by(7).chain([bytes.len() - 1]) {
        let mut damaged = bytes.clone();
        damaged[at] ^= 0x01;
        assert!(synthex::engine::snapshot::decode(&damaged).is_err(), "byte {at}");
        assert!(synthex::engine::snapshot::decode(&bytes[..at]).is_err(), "cut at {at}");
    }
    assert!(synthex::engine::snapshot::decode(&bytes).is_ok());
    fs::write(&path, &bytes[..bytes.len() / 2]).expect("a file");
    offline(&estate, &["plan", "--state", "state.json"]).code(6).stderr_has("changed or cut short");
    fs::write(&path, "{}").expect("a file");
    offline(&estate, &["plan", "--state", "state.json"]).code(3).stderr_has("not a snapshot");
    offline(&estate, &["plan", "--state", "nowhere.json"]).code(3).stderr_has("no such file");
    let newer = String::from_utf8(bytes).expect("text").replacen(
        "\"synthex_snapshot\":1",
        "\"synthex_snapshot\":9",
        1,
    );
    fs::write(&path, newer).expect("a file");
    offline(&estate, &["plan", "--state", "state.json"]).code(6).stderr_has("format 9");
}

#[test]
fn a_snapshot_of_one_workspace_says_so() {
    let estate = eventful("snapshot_workspace");
    estate.run(&["state", "snapshot", "-w", "w", "--out", "state.json"]).ok();
    offline(&estate, &["plan", "--state", "state.json"]).code(3).stderr_has("holds workspace `w` alone");
    let live = estate.run(&["plan", "-w", "w"]);
    assert_eq!(offline(&estate, &["plan", "-w", "w", "--state", "state.json"]).stdout, live.stdout);
}
