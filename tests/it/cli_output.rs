//! What is written where: results on standard output and nothing else there, JSON also on failure, colour and width as
//! asked for, and an output that cannot be written is an error, or, where nobody reads any more, none.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use synthex::report::plan_json;

use crate::support::cli::{Outcome, Synthex};
use crate::support::estate::Estate;
use crate::support::eventually;
use crate::support::project::{Project, tenant_yaml};

/// A plain run, for tests that give it a standard output of their own.
fn command(estate: &Estate, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_synthex"));
    command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
    command.env("HOME", estate.project.path()).env("SYNTHEX_DATABASE_URL", estate.database.url());
    command.current_dir(estate.project.path()).args(args).stdin(Stdio::null());
    command
}

#[test]
fn a_reader_that_goes_away_is_no_error_and_hides_none() {
    let estate = Estate::new("closed_pipe");
    let run = |args: &[&str]| {
        let mut child =
            command(&estate, args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it runs");
        drop(child.stdout.take());
        let output = child.wait_with_output().expect("it ends");
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!stderr.contains("panicked"), "{args:?}: {stderr}");
        (output.status.code(), stderr)
    };
    let fine = (Some(0), String::new());
    for args in [
        &["--help"][..],
        &["completions", "bash"],
        &["render"],
        &["render", "--format", "json"],
        &["plan"],
        &["plan", "--format", "json"],
        &["schema"],
        &["explain", "Tenant"],
        &["templates", "list"],
        &[],
    ] {
        assert_eq!(run(args), fine, "{args:?}");
    }
    // What the exit code says stays true.
    assert_eq!(run(&["plan", "--detailed-exitcode"]).0, Some(2));
    assert_eq!(run(&["plan", "--nope"]).0, Some(3));
    assert_eq!(run(&["plan", "--format", "json", "--database-url", "postgres://127.0.0.1:1/x"]).0, Some(8));
    assert_eq!(run(&["apply", "--yes"]), fine);
    estate.is_converged();
}

#[test]
fn an_output_that_cannot_be_written_is_an_error_and_nothing_unseen_is_applied() {
    let estate = Estate::new("dev_full");
    let run = |args: &[&str]| {
        let full = OpenOptions::new().write(true).open("/dev/full").expect("/dev/full");
        let output = command(&estate, args).stdout(full).stderr(Stdio::piped()).output().expect("it runs");
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(stderr.matches("error:").count(), 1, "{args:?}: {stderr}");
        assert!(stderr.contains("why: no space is left on the device"), "{args:?}: {stderr}");
        (output.status.code(), stderr)
    };
    for args in [
        &["--help"][..],
        &["plan"],
        &["plan", "--format", "json"],
        &["render"],
        &["plan", "--detailed-exitcode"],
    ] {
        let (code, stderr) = run(args);
        assert!(code == Some(1) && stderr.contains("the output could not be written"), "{args:?}: {stderr}");
    }
    let (code, stderr) = run(&["apply", "--yes"]);
    assert!(code == Some(1) && stderr.contains("nothing was changed"), "{stderr}");
    assert!(estate.state().is_empty(), "not even the schema was installed");
}

#[test]
fn colour_is_as_asked_for() {
    let estate = Estate::new("colour");
    let colourful = |args: &[&str], variables: &[(&str, &str)]| {
        let mut run = estate.synthex(args).without_env("NO_COLOR");
        for (name, value) in variables {
            run = run.env(name, value);
        }
        let outcome = run.run();
        (outcome.stdout.contains('\u{1b}'), outcome.stderr.contains('\u{1b}'))
    };
    let (plan, wrong) = (&["plan"][..], &["plan", "-w", "nope"][..]);
    assert_eq!(colourful(plan, &[]), (false, false), "not in a pipe");
    assert_eq!(colourful(plan, &[("CLICOLOR_FORCE", "1")]), (true, false));
    assert_eq!(colourful(wrong, &[("CLICOLOR_FORCE", "1")]), (false, true));
    assert_eq!(colourful(plan, &[("CLICOLOR_FORCE", "0")]), (false, false));
    assert_eq!(colourful(plan, &[("CLICOLOR_FORCE", "1"), ("NO_COLOR", "1")]), (false, false));
    assert_eq!(colourful(plan, &[("CLICOLOR_FORCE", "1"), ("NO_COLOR", "")]), (true, false));
    assert_eq!(colourful(&["plan", "--color", "always"], &[("NO_COLOR", "1")]), (true, false));
    assert_eq!(colourful(&["plan", "--color", "never"], &[("CLICOLOR_FORCE", "1")]), (false, false));
    assert_eq!(colourful(&["plan", "--format", "json", "--color", "always"], &[]), (false, false));
    assert!(colourful(&["plan", "--nope"], &[("CLICOLOR_FORCE", "1")]).1, "wrong usage too");
}

#[test]
fn tables_fit_the_width() {
    let estate = Estate::applied("width");
    let spec = "displayName: A name that is a good deal longer than the others, with 株式会社 in it";
    let text = tenant_yaml("T4", "w").replace("displayName: T4", spec);
    estate.project.write("manifests/T4.yaml", text);
    estate.apply().ok();
    for columns in [40, 60, 80, 100, 200] {
        for args in [&["tenant", "tenants", "list"][..], &["templates", "list"]] {
            let outcome = estate.synthex(args).env("COLUMNS", columns.to_string()).run().ok();
            let widest = outcome.stdout.lines().map(synthex::report::clean::width).max();
            assert!(widest.is_some_and(|widest| widest <= columns), "{columns}: {outcome}");
            // What somebody may want to copy is not broken into pieces.
            let whole = if args[0] == "tenant" { "T4" } else { "mixed-multi-brand-anz" };
            assert!(outcome.stdout.contains(whole), "{columns}: {outcome}");
        }
    }
}

/// Standard output is one JSON value with these parts, and standard error says the same in words.
#[track_caller]
fn fails_in_json(outcome: Outcome, code: i32, error: &str) -> Value {
    let value = outcome.json();
    let outcome = outcome.code(code);
    assert_eq!(value["format_version"], "1.0", "{outcome}");
    assert!(value["diagnostics"].is_array(), "{outcome}");
    assert!(outcome.stderr.contains("error"), "{outcome}");
    if value["error"].is_object() {
        assert_eq!(value["error"]["code"], error, "{outcome}");
        assert_eq!(value["error"]["exit_code"], code, "{outcome}");
        let what = value["error"]["what"].as_str().expect("a text");
        assert!(what.contains("manifests") || outcome.stderr.contains(what), "{outcome}");
    } else {
        assert!(value["diagnostics"].as_array().is_some_and(|list| !list.is_empty()), "{outcome}");
    }
    value
}

#[test]
fn every_failure_is_json_where_json_is_asked_for_and_a_plans_fits_its_schema() {
    let estate = Estate::new("json_failures");
    let schema = jsonschema::validator_for(&plan_json::schema()).expect("a schema");
    let commands: [&[&str]; 9] = [
        &["plan"],
        &["apply", "--yes"],
        &["validate"],
        &["render"],
        &["tenant", "tenants", "list"],
        &["tenant", "tenants", "get", "T1"],
        &["templates", "list"],
        &["db", "status"],
        &["db", "migrate"],
    ];
    let check = |synthex: Synthex, command: &[&str], code: i32, error: &str| {
        let value = fails_in_json(synthex.run(), code, error);
        if command == ["plan"] {
            assert!(schema.is_valid(&value), "{value:#}");
        }
    };
    fn json<'a>(args: &[&'a str]) -> Vec<&'a str> {
        [args, &["--format", "json"]].concat()
    }
    let offline = ["validate", "render"];
    for command in commands {
        let run = |args: &[&str]| estate.synthex(&json(args));
        // Wrong usage.
        check(run(&[command, &["--nope"]].concat()), &["usage"], 3, "usage");
        // No database there; a URL that is none.
        if !offline.contains(&command[0]) {
            let nowhere = "postgres://u@127.0.0.1:1/db";
            check(estate.synthex_at(nowhere, &json(command)), command, 8, "database-unreachable");
            check(estate.synthex_at("rubbish", &json(command)), command, 8, "database-refused");
        }
        // No project, and no database that could do without one.
        let empty = Project::empty();
        if command[0] != "db" {
            let synthex = empty.synthex(json(command)).env("SYNTHEX_STATE_DIR", "/nowhere");
            check(synthex, command, 3, "invalid-manifest");
        }
    }
    check(estate.synthex(&json(&["apply"])), &["apply"], 3, "usage");
    check(estate.synthex(&json(&["tenant", "tenants", "get", "X"])), &["get"], 3, "usage");
    check(estate.synthex(&json(&["plan", "-w", "nope"])), &["plan"], 3, "usage");
    estate.edit("T1.yaml", "ANZ_SMB", "MARS");
    for command in &commands[..4] {
        check(estate.synthex(&json(command)), command, 3, "invalid-manifest");
    }
}

#[test]
fn an_empty_database_is_told_from_an_empty_selection() {
    let estate = Estate::new("empty_list");
    let list = |args: &[&str]| estate.run(&[&["tenant", "tenants", "list"], args].concat()).ok();
    list(&[]).stderr_has("Nothing was applied to this database yet").stderr_has("synthex apply");
    assert_eq!(list(&["--format", "json"]).json()["total"], 0);
    let absent = estate.run(&["tenant", "tenants", "get", "T1"]).code(3);
    absent.stderr_has("nothing was applied").stderr_has("synthex apply");
    assert!(estate.state().is_empty(), "looking installs nothing");
    estate.apply().ok();
    list(&["-l", "no=such"]).stderr_has("None of the 3 tenants is selected.");
    estate
        .run(&["tenant", "tenants", "list", "-w", "nope"])
        .code(3)
        .stderr_has("there is no workspace `nope`")
        .stderr_has("the workspaces are w");
    estate.run(&["tenant", "tenants", "get", "T1"]).ok().stdout_has(" UTC (").stdout_has("updated");
    // A named database can be looked at from anywhere.
    let elsewhere = Project::empty();
    let all = elsewhere.synthex(["tenant", "tenants", "list"]).database(&estate.database).run().ok();
    all.stdout_has("T1").stdout_has("T3");
}

/// On a terminal, made by `script`, which every Debian has.
fn on_a_terminal(estate: &Estate, answer: &str) -> (Option<i32>, String) {
    let line = format!("{} apply --color never", env!("CARGO_BIN_EXE_synthex"));
    let mut script = Command::new("script");
    script.args(["--quiet", "--flush", "--return", "--command", &line, "/dev/null"]);
    script.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default()).env("TERM", "xterm");
    script.env("SHELL", "/bin/sh").env("SYNTHEX_DATABASE_URL", estate.database.url());
    script.current_dir(estate.project.path()).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = script.spawn().expect("`script` (package bsdutils) can be run");
    let seen = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let (mut out, store) = (child.stdout.take().expect("a pipe"), std::sync::Arc::clone(&seen));
    let reader = std::thread::spawn(move || {
        let mut chunk = [0; 4_096];
        while let Ok(count @ 1..) = std::io::Read::read(&mut out, &mut chunk) {
            store.lock().unwrap().extend_from_slice(&chunk[..count]);
        }
    });
    let text = || String::from_utf8_lossy(&seen.lock().unwrap()).into_owned();
    let asked = eventually(Duration::from_secs(30), || text().contains("Apply these changes? [y/N] "));
    assert!(asked, "{}", text());
    let mut stdin = child.stdin.take().expect("a pipe");
    stdin.write_all(answer.as_bytes()).expect("it listens");
    stdin.flush().expect("it listens");
    let mut status = None;
    let ended = eventually(Duration::from_secs(30), || {
        status = child.try_wait().expect("a child");
        status.is_some()
    });
    assert!(ended, "{}", text());
    reader.join().expect("it ended");
    (status.and_then(|status| status.code()), text())
}

#[test]
fn the_question_on_a_terminal_is_answered_or_interrupted_and_the_terminal_is_left_as_it_was() {
    let estate = Estate::new("question");
    for (answer, code, said) in [
        ("\u{3}", 130, "stopped; nothing was changed"),
        ("\n", 1, "declined"),
        ("no\n", 1, "declined"),
        ("\u{4}", 1, "declined"),
        ("maybe\n", 1, "declined"),
    ] {
        let (status, text) = on_a_terminal(&estate, answer);
        assert!(status == Some(code) && text.contains(said), "{answer:?}: {status:?} {text}");
        assert!(!text.contains("\u{1b}[?25l"), "the cursor is never hidden: {text:?}");
        assert!(estate.state().is_empty(), "{answer:?}");
    }
    let (status, text) = on_a_terminal(&estate, "y\n");
    assert!(status == Some(0) && text.contains("Applied as revision 1."), "{status:?} {text}");
    estate.is_converged();
}

#[test]
fn a_bar_is_drawn_only_for_what_takes_more_than_a_second() {
    let estate = Estate::applied("bar");
    let has_bar = |text: &str| text.contains('╸') || text.contains("writing");
    estate.declare_tenant("T4", &[]);
    let begun = Instant::now();
    let (status, text) = on_a_terminal(&estate, "y\n");
    assert_eq!(status, Some(0), "{text}");
    // On a machine that is busy it may well take longer.
    assert!(!has_bar(&text) || begun.elapsed() > Duration::from_secs(1), "{text}");
    estate.trigger("tenants", "insert", "new.name = 'T5'", "perform pg_sleep(1.5);");
    estate.declare_tenant("T5", &[]);
    let (status, text) = on_a_terminal(&estate, "y\n");
    assert!(status == Some(0) && has_bar(&text), "{text}");
}
