//! What the README promises first: the examples, applied to the embedded PostgreSQL, twice; and that what `render` prints
//! declares the same again.

use std::fs;
use std::path::Path;

use crate::support::database::TestDatabase;
use crate::support::embedded::Embedded;
use crate::support::project::Project;

/// An example, copied to where it can be edited.
fn example(name: &str) -> Project {
    let project = Project::empty();
    copy(&Path::new(env!("CARGO_MANIFEST_DIR")).join("examples").join(name), project.path());
    project
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a folder");
    for entry in fs::read_dir(from).expect("an example").flatten() {
        let target = to.join(entry.file_name());
        // What a run in the repository itself left behind.
        if entry.file_name() == ".synthex" {
            continue;
        }
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).expect("a copy");
        }
    }
}

#[test]
fn the_examples_are_applied_to_the_embedded_server_and_the_second_time_there_is_nothing_to_do() {
    let embedded = Embedded::new();
    for (name, owner, tenants) in [("quickstart", "quickstart", 4), ("agency", "harbourlight", 40)] {
        let project = example(name);
        let run = |args: &[&str]| embedded.synthex(project.path(), args).run();
        run(&["validate"]).ok().stdout_has("valid.");
        let plan = run(&["plan", "--format", "json"]).ok().json();
        let creates = plan["summary"]["create"].as_i64().expect("a number");
        assert!(creates > tenants, "{plan:#}");
        run(&["apply", "--yes"]).ok().stdout_has(&format!("Plan: {creates} to create, 0 to update"));
        let listed = run(&["tenant", "tenants", "list", "--format", "json"]).ok().json();
        let own = listed["tenants"].as_array().expect("a list").iter().filter(|row| row["owner"] == owner);
        assert_eq!(own.count(), usize::try_from(tenants).expect("small"), "{name}");
        run(&["tenant", "tenants", "list"]).ok().stdout_has("TENANT").stdout_has("shopify");
        run(&["apply", "--yes"]).ok().stdout_has("No changes.");
        run(&["plan", "--detailed-exitcode"]).ok().stdout_has("No changes.");
    }
    let folder = Project::empty();
    embedded.synthex(folder.path(), &["db", "stop"]).run().ok().stdout_has("Stopped");
}

#[test]
fn what_render_prints_declares_the_same() {
    for name in ["quickstart", "agency"] {
        let project = example(name);
        let database = TestDatabase::new("render");
        let run = |args: &[&str]| project.synthex(args.iter().copied()).database(&database).run();
        let digest =
            |args: &[&str]| run(&[args, &["--format", "json"]].concat()).ok().json()["digest"].clone();
        run(&["apply", "--yes"]).ok();
        let before = digest(&["validate"]);
        for format in ["human", "json"] {
            let text = run(&["render", "--format", format]).ok().stdout;
            fs::remove_dir_all(project.path().join("manifests")).expect("the manifests are there");
            if format == "json" {
                let all: Vec<serde_json::Value> = serde_json::from_str(&text).expect("a list");
                for (index, one) in all.iter().enumerate() {
                    project.write(&format!("manifests/{index:03}.json"), one.to_string());
                }
            } else {
                project.write("manifests/all.yaml", &text);
            }
            assert_eq!(digest(&["validate"]), before, "{name}, {format}");
            run(&["plan", "--prune", "--detailed-exitcode"]).ok().stdout_has("No changes.");
            run(&["apply", "--yes", "--prune"]).ok().stdout_has("No changes.");
        }
    }
}
