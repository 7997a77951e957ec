//! Exit codes, the forms of the output, and the guards: what a script or a reviewer relies on.

use serde_json::Value;

use crate::support::estate::{Estate, SIZE};
use crate::support::project::Project;
use crate::support::proxy::{Mode, Proxy};

/// The same manifests under other names, in other folders, and several in one file.
fn reshuffled(from: &Project, to: &Project) {
    let read = |name: &str| from.read(&format!("manifests/{name}.yaml"));
    to.write("synthex.yaml", from.read("synthex.yaml"));
    to.write("manifests/z/1.yaml", read("w"));
    to.write("manifests/a.yml", [read("muted"), read("T3"), read("chat"), read("c2")].join("---\n"));
    to.write("manifests/z/2.yaml", [read("T1"), read("shops"), read("expiry")].join("---\n"));
    to.write(
        "manifests/0.yaml",
        [read("c1"), read("log"), read("T2"), read("often"), read("night"), read("hush")].join("---\n"),
    );
}

/// The output without the places of declarations, which is all that may depend on the files.
fn without_places(text: &str) -> String {
    let words = |line: &str| {
        let kept: Vec<&str> =
            line.split_whitespace().filter(|word| !word.starts_with("manifests/")).collect();
        kept.join(" ")
    };
    text.lines().map(words).collect::<Vec<_>>().join("\n")
}

fn without_sources(value: &mut Value) {
    match value {
        Value::Object(map) => {
            map.remove("source");
            map.remove("origin");
            map.values_mut().for_each(without_sources);
        }
        Value::Array(items) => items.iter_mut().for_each(without_sources),
        _ => {}
    }
}

#[test]
fn a_plan_does_not_depend_on_the_run_or_on_how_the_files_are_arranged() {
    let estate = Estate::new("plan_stable");
    let other = Project::empty();
    for state in ["nothing is there", "drift, an edit, a deletion"] {
        reshuffled(&estate.project, &other);
        let run = |project: &Project, format: &str| {
            let args = ["plan", "--prune", "--format", format];
            project.synthex(args).database(&estate.database).run().ok().stdout
        };
        for format in ["human", "json"] {
            let first = run(&estate.project, format);
            assert_eq!(run(&estate.project, format), first, "{state}: twice the same");
        }
        let (human, shuffled) = (run(&estate.project, "human"), run(&other, "human"));
        assert_eq!(without_places(&human), without_places(&shuffled), "{state}");
        let parse = |text: &str| {
            let mut value: Value = serde_json::from_str(text).expect("JSON");
            without_sources(&mut value);
            serde_json::to_string(&value).expect("JSON")
        };
        let (json, shuffled) = (run(&estate.project, "json"), run(&other, "json"));
        assert_eq!(parse(&json), parse(&shuffled), "{state}: the digest too");

        estate.apply().ok();
        estate.database.sql(
            "update synthex.tenants set region = 'NZ-NR1' where name = 'T1';
             insert into synthex.alert_rules (workspace, name, condition, channels, owner)
                 values ('w', 'gone', '{}', '[\"log\"]', 'test') on conflict do nothing;",
        );
        estate.declare_tenant("T2", &["industry: Retail"]);
    }
}

#[test]
fn exit_codes_are_the_promised_ones() {
    let estate = Estate::new("exit_codes");
    estate.run(&["plan", "--nope"]).code(3).stderr_has("--nope");
    estate.run(&["plna"]).code(3);
    estate.run(&["plan"]).ok();
    estate.run(&["plan", "--detailed-exitcode"]).code(2);
    estate.run(&["plan", "--detailed-exitcode", "--format", "json"]).code(2);
    // Nobody is there to be asked.
    estate.run(&["apply"]).code(3).stderr_has("--yes");
    assert!(estate.state().is_empty(), "not even the schema was installed");
    for given in [&["--dry-run"][..], &["--yes", "--dry-run"], &["--dry-run", "-y"]] {
        estate.run(&[&["apply"], given].concat()).ok();
        assert!(estate.state().is_empty(), "{given:?}: a dry run writes nothing, also where nobody is asked");
    }
    estate.apply().ok();
    estate.run(&["plan", "--detailed-exitcode"]).code(0).stdout_has("No changes.");
    estate
        .project
        .write("manifests/bad.yaml", "apiVersion: synthex.dev/v1\nkind: Tenant\nmetadata: {name: -}\n");
    estate.run(&["plan", "--detailed-exitcode"]).code(3).stderr_has("manifests/bad.yaml:3");
    estate.run(&["apply", "--yes"]).code(3).stderr_has("manifests/bad.yaml:3");
}

/// Standard output is one JSON value, whatever becomes of the command and however much is logged.
#[track_caller]
fn is_json(estate: &Estate, url: &str, args: &[&str], code: i32) -> Value {
    let outcome = estate
        .synthex_at(url, &[args, &["--format", "json"]].concat())
        .env("RUST_LOG", "debug")
        .run()
        .code(code);
    let plain = estate.synthex_at(url, &[args, &["--format", "json", "-vvv"]].concat()).run();
    if !args.contains(&"--yes") {
        assert_eq!(plain.json(), outcome.json(), "logs do not change it");
    }
    outcome.json()
}

#[test]
fn json_on_stdout_is_json_also_when_things_go_wrong() {
    let estate = Estate::new("json");
    let url = estate.database.url();
    let refusing = Proxy::before(&estate.database, Mode::Refuse);
    let nowhere = refusing.url(&estate.database);
    assert_eq!(is_json(&estate, &url, &["plan"], 0)["summary"]["create"], SIZE);
    for command in [&["plan"][..], &["apply", "--yes"]] {
        let failure = is_json(&estate, &nowhere, command, 8);
        assert_eq!(failure["error"]["code"], "database-unreachable");
        assert_eq!(failure["error"]["exit_code"], 8);
    }
    let applied = is_json(&estate, &url, &["apply", "--yes"], 0);
    assert_eq!((&applied["applied"], &applied["summary"]["create"]), (&true.into(), &SIZE.into()));
    let again = is_json(&estate, &url, &["apply", "--yes"], 0);
    assert_eq!((&again["applied"], &again["revision"]), (&false.into(), &Value::Null));

    estate.database.sql("update synthex.tenants set owner = 'other' where name = 'T1'");
    assert_eq!(is_json(&estate, &url, &["plan"], 5)["refusals"][0]["code"], "SX0502");
    assert_eq!(is_json(&estate, &url, &["apply", "--yes"], 5)["error"]["exit_code"], 5);
    estate.database.sql("update synthex.tenants set owner = 'test' where name = 'T1'");

    estate.edit("T1.yaml", "ANZ_SMB", "ANZ_SMBX");
    estate.edit("T2.yaml", "AU-SE1", "AU-SE9");
    for command in [&["plan"][..], &["apply", "--yes"]] {
        let problems = is_json(&estate, &url, command, 3);
        let text = problems["diagnostics"].to_string();
        assert!(text.contains("T1.yaml") && text.contains("T2.yaml"), "all of them at once: {text}");
    }
}

#[test]
fn notices_are_part_of_the_json() {
    let estate = Estate::applied("json_notices");
    let plan = is_json(&estate, &estate.database.url(), &["plan", "--prune", "-f", "manifests/w.yaml"], 0);
    let notices = plan["notices"].to_string();
    assert!(notices.contains("a part of the manifests"), "{plan:#}");
}

#[test]
fn what_is_protected_in_the_database_is_not_deleted_whatever_the_files_say() {
    let estate = Estate::new("protect");
    estate.declare_tenant("T3", &["protect: true"]);
    estate.apply().ok();
    let state = estate.state();
    let refused = || {
        estate.run(&["plan", "--prune"]).code(5).stdout_has("SX0501").stderr_has("tenant/w/T3 is protected");
        estate.run(&["apply", "--yes", "--prune"]).code(5).stderr_has("protect: false");
        assert_eq!(estate.state(), state, "nothing changed");
    };
    // The file alone; then the flag and the file in one go, with an unrelated change that is not made either.
    estate.project.remove("manifests/T3.yaml");
    refused();
    estate.edit("T1.yaml", "status: active", "status: inactive");
    estate.declare_tenant("T3", &["protect: false"]);
    estate.project.remove("manifests/T3.yaml");
    refused();
    // An apply that says so first.
    estate.edit("T1.yaml", "status: inactive", "status: active");
    estate.declare_tenant("T3", &["protect: false"]);
    estate.apply().ok().stdout_has("protect");
    estate.project.remove("manifests/T3.yaml");
    estate.run(&["apply", "--yes", "--prune"]).ok().stdout_has("1 to delete");
}

#[test]
fn rows_of_another_project_are_not_touched() {
    let estate = Estate::applied("foreign");
    let second = Project::empty();
    second.write("synthex.yaml", estate.project.read("synthex.yaml").replace("name: test", "name: second"));
    second.write("manifests/T1.yaml", estate.project.read("manifests/T1.yaml").replace("active", "inactive"));
    second.write("manifests/w.yaml", estate.project.read("manifests/w.yaml"));
    let state = estate.state();
    let run = |args: &[&str]| second.synthex(args.iter().copied()).database(&estate.database).run();
    run(&["plan"]).code(5).stdout_has("SX0502").stdout_has("belongs to project `test`");
    run(&["apply", "--yes", "--prune"]).code(5).stderr_has("belongs to project `test`");
    assert_eq!(estate.state(), state);
    // Beside each other they live in peace, and neither prunes the other.
    second.remove("manifests/T1.yaml");
    second.write("manifests/w.yaml", estate.project.read("manifests/w.yaml").replace("name: w", "name: w2"));
    second.write("synthex.yaml", second.read("synthex.yaml").replace("workspace: w", "workspace: w2"));
    run(&["apply", "--yes", "--prune"]).ok().stdout_has("Plan: 1 to create, 0 to update, 0 to delete");
    estate.run(&["plan", "--prune", "--detailed-exitcode"]).ok();
}
