//! The embedded PostgreSQL as its user meets it: shared on the first run, killed between commands, and `db` in every state.

use std::fs;
use std::time::Duration;

use rustix::process::{Signal, kill_process};

use crate::support::database::TestDatabase;
use crate::support::embedded::Embedded;
use crate::support::eventually;
use crate::support::project::{Project, tenant_yaml, workspace_yaml};

fn project() -> Project {
    let project = Project::new();
    project.write("manifests/w.yaml", workspace_yaml("w"));
    project.write("manifests/T1.yaml", tenant_yaml("T1", "w"));
    project
}

#[test]
fn commands_started_at_once_on_the_first_run_share_one_server() {
    let (embedded, project) = (Embedded::new(), project());
    let start = |args: &[&str]| embedded.synthex(project.path(), args).spawn();
    let readers = [start(&["plan"]), start(&["db", "url"]), start(&["tenant", "tenants", "list"])];
    let writers = [(); 2].map(|()| start(&["apply", "--yes", "--lock-timeout", "30"]));
    let mut created = 0;
    for reader in readers {
        created += reader.wait().ok().stderr.matches("Created an embedded PostgreSQL").count();
    }
    let applied = writers.map(|writer| {
        let outcome = writer.wait().ok();
        created += outcome.stderr.matches("Created an embedded PostgreSQL").count();
        outcome.stdout.matches("Applied as revision 1.").count()
    });
    assert_eq!((created, applied.iter().sum::<usize>()), (1, 1), "one made it, one applied");
    embedded.synthex(project.path(), &["plan", "--detailed-exitcode"]).run().ok();
}

#[test]
fn a_server_that_was_killed_is_started_again_with_everything_that_was_applied() {
    let (embedded, project) = (Embedded::new(), project());
    let run = |args: &[&str]| embedded.synthex(project.path(), args).run();
    run(&["apply", "--yes"]).ok();
    for round in 0..2 {
        let postmaster = embedded.postmaster().expect("it runs");
        kill_process(postmaster, Signal::KILL).expect("it can be killed");
        let args: &[&str] = if round == 0 { &["plan", "--detailed-exitcode"] } else { &["apply", "--yes"] };
        run(args).ok().stdout_has("No changes.").nowhere("panicked");
        assert_ne!(embedded.postmaster(), Some(postmaster));
    }
    // Killed, and asked how it is: status starts nothing.
    kill_process(embedded.postmaster().expect("it runs"), Signal::KILL).expect("it can be killed");
    let stopped = eventually(Duration::from_secs(10), || run(&["db", "status"]).stdout.contains("stopped"));
    assert!(stopped, "{}", run(&["db", "status"]));
    run(&["db", "stop"]).ok().stdout_has("not running");
}

#[test]
fn db_says_and_does_the_right_thing_in_every_state() {
    let (embedded, project) = (Embedded::new(), project());
    let run = |args: &[&str]| embedded.synthex(project.path(), args).run();
    let status = |state: &str, running: bool| {
        run(&["db", "status"]).ok().stdout_has(state);
        let json = run(&["db", "status", "--format", "json"]).ok().json();
        assert_eq!((&json["source"], &json["running"]), (&"embedded".into(), &running.into()), "{json:#}");
        json
    };
    status("not created yet", false);
    run(&["db", "stop"]).ok().stdout_has("not running");
    assert!(!embedded.state().exists(), "looking and stopping make nothing");

    run(&["db", "start"]).ok().stdout_has("postgresql://").stderr_has("Created an embedded PostgreSQL");
    run(&["db", "start"]).ok();
    let json = status("not installed (apply installs it)", true);
    assert_eq!(json["schema"]["installed"], 0, "{json:#}");
    let url = run(&["db", "url"]).ok().stdout.trim().to_owned();
    assert_eq!(run(&["db", "url", "--format", "json"]).ok().json()["url"], url.as_str());

    run(&["db", "migrate", "--dry-run"]).ok().stdout_has("Would install");
    status("not installed", true);
    run(&["db", "migrate"]).ok().stdout_has("Installed");
    run(&["db", "migrate"]).ok().stdout_has("up to date");
    status("up to date", true);
    // The URL leads there from anywhere.
    let elsewhere = Project::empty();
    let named = |args: &[&str]| elsewhere.synthex(args.iter().copied()).env("DATABASE_URL", &url).run();
    named(&["db", "status"]).ok().stdout_has("named by DATABASE_URL").stdout_has("up to date");
    named(&["tenant", "tenants", "list"]).ok().stderr_has("There are no tenants");
    for command in ["start", "stop"] {
        named(&["db", command]).code(3).stderr_has("named by DATABASE_URL").stderr_has("--embedded");
    }

    run(&["db", "stop"]).ok().stdout_has("Stopped");
    run(&["db", "stop"]).ok().stdout_has("not running");
    status("stopped", false);
    run(&["db", "url"]).ok().stderr_has("Started the embedded PostgreSQL");
    status("up to date", true);
}

#[test]
fn what_only_looks_makes_no_server_and_for_controllers_none_is_started() {
    let (embedded, project) = (Embedded::new(), project());
    let run = |args: &[&str]| embedded.synthex(project.path(), args).run();
    run(&["watch", "status"]).ok().stderr_has("does not run, so no controller does");
    run(&["watch", "status", "--detailed-exitcode"]).code(2);
    run(&["pause", "--list"]).ok().stderr_has("No workspace is paused.");
    run(&["pause", "w", "--reason", "INC-12", "--dry-run"]).ok().stdout_has("Would pause");
    run(&["pause", "x", "--reason", "INC-12"]).code(3).stderr_has("there is no workspace `x`");
    run(&["resume", "w"]).ok().stdout_has("Workspace `w` is not paused.");
    run(&["lease", "list"]).ok().stderr_has("synthex is not installed in this database");
    run(&["lease", "take", "-w", "w", "--reason", "repair", "--yes"]).code(3).stderr_has("is not installed");
    run(&["db", "prune", "--dry-run"]).code(3).stderr_has("so there is nothing to remove");
    run(&["doctor"]).code(0).stdout_has("which is not created yet");
    assert!(!embedded.state().join("data").exists(), "looking makes nothing");
    // What is to be kept needs a place.
    run(&["pause", "w", "--reason", "INC-12"]).ok().stderr_has("Created an embedded PostgreSQL");
    run(&["db", "stop"]).ok();
    let json = run(&["watch", "status", "--format", "json"]).ok().json();
    assert_eq!((&json["controllers"], &json["source"]), (&serde_json::json!([]), &serde_json::Value::Null));
    run(&["db", "status"]).ok().stdout_has("stopped");
    // Only the database knows what is paused.
    run(&["pause", "--list"]).ok().stdout_has("INC-12").stderr_has("Started the embedded PostgreSQL");
}

#[test]
fn without_postgresql_or_in_ci_it_is_said_what_to_do_and_nothing_is_made() {
    let (embedded, project) = (Embedded::new(), project());
    for args in [&["plan"][..], &["apply", "--yes"], &["db", "start"], &["tenant", "tenants", "list"]] {
        let run = || embedded.synthex(project.path(), args);
        run()
            .env("SYNTHEX_PG_BINDIR", "/nonexistent")
            .run()
            .code(8)
            .stderr_has("/nonexistent has no program `postgres`")
            .stderr_has("help: set SYNTHEX_PG_BINDIR");
        run().env("CI", "true").run().code(3).stderr_has("no database is named").stderr_has("--embedded");
    }
    embedded.synthex(project.path(), &["db", "status"]).env("CI", "1").run().code(3);
    embedded.synthex(project.path(), &["db", "status", "--embedded"]).env("CI", "1").run().ok();
    assert!(!embedded.state().join("data").exists());
    // Where a file is in the way.
    let _none = fs::remove_dir_all(embedded.state());
    fs::write(embedded.state(), "").expect("a file");
    let outcome = embedded.synthex(project.path(), &["plan"]).run().code(8).nowhere("panicked");
    outcome.stderr_has("cannot keep a server in").stderr_has("help:");
}

#[test]
fn a_named_database_is_migrated_and_shown_without_its_password() {
    let database = TestDatabase::new("db_named");
    let project = project();
    let run = |args: &[&str]| {
        let run = project.synthex(args.iter().copied());
        run.env("SYNTHEX_DATABASE_URL", database.tcp_url()).run()
    };
    let password = crate::support::database::OWNER_PASSWORD;
    run(&["db", "status"]).ok().stdout_has("named by SYNTHEX_DATABASE_URL").nowhere(password);
    run(&["db", "migrate", "--dry-run"]).ok().nowhere(password);
    run(&["db", "migrate", "-vvv"]).ok().nowhere(password);
    run(&["db", "status", "--format", "json"]).ok().nowhere(password);
    // The one command that is for printing it.
    run(&["db", "url"]).ok().stdout_has(password);
}
