//! `synthex ci plan`: what a pull request gets to see, on GitHub, on GitLab and anywhere else.

use std::fs;

use serde_json::Value;

use crate::support::estate::{Estate, SIZE};
use crate::support::github::GitHub;

const COMMIT: &str = "1111111111111111111111111111111111111111";

fn result(estate: &Estate, name: &str) -> String {
    estate.project.read(&format!("synthex-ci/{name}"))
}

fn has(estate: &Estate, name: &str) -> bool {
    estate.project.path().join("synthex-ci").join(name).exists()
}

#[test]
fn anywhere_it_writes_everything_from_one_look_at_the_database() {
    let estate = Estate::applied("ci_plan_any");
    estate.declare_tenant("T4", &[]);
    let human = estate.run(&["ci", "plan"]).ok();
    assert!(!human.stdout.contains("::"), "no annotations\n{human}");
    let digest = result(&estate, "digest.txt").trim().to_owned();
    assert!(human.stdout.contains(&format!("Digest: {digest}")), "{human}");
    let report: Value = serde_json::from_str(&result(&estate, "plan-report.json")).expect("JSON");
    assert_eq!(report["digest"], digest.as_str());
    assert!(result(&estate, "comment.md").starts_with(&format!("<!-- synthex:plan:default:{digest} -->\n")));
    assert!(!has(&estate, "synthex.env"), "that is for GitLab");
    let json = estate.run(&["ci", "plan", "--format", "json", "--dir", "out/a"]).ok().json();
    assert_eq!((&json["digest"], &json["changes"]), (&report["digest"], &Value::Bool(true)));
    // The saved plan is that plan.
    estate.run(&["apply", "--yes", "out/a/plan.json"]).ok().stdout_has("Applied as revision 2.");
    let empty = estate.run(&["ci", "plan"]).ok().stdout_has("Digest: sha256:").stdout_has("No changes.");
    assert_ne!(result(&estate, "digest.txt").trim(), digest, "{empty}");
}

#[test]
fn a_pull_request_with_bad_manifests_shows_them() {
    let estate = Estate::applied("ci_plan_bad");
    let github = GitHub::new();
    estate.declare_tenant("T4", &[]);
    estate.run(&["ci", "plan"]).ok();
    estate.edit("T1.yaml", "status: active", "status: actve");
    let step = github.step(COMMIT);
    let outcome = step.run(estate.synthex(&["ci", "plan"])).run().code(3);
    assert!(outcome.stdout.starts_with("::error file=manifests/T1.yaml,line=11,col=11,title="), "{outcome}");
    let comment = result(&estate, "comment.md");
    assert!(comment.starts_with("<!-- synthex:plan:default:failed -->\n"), "{comment}");
    assert!(comment.contains("`manifests/T1.yaml:11:11`"), "{comment}");
    assert_eq!(step.summary().trim_end(), comment.trim_end());
    let outputs = step.outputs();
    assert_eq!((outputs["digest"].as_str(), outputs["changes"].as_str()), ("", "false"), "{outputs:?}");
    assert!(!outputs["comment-file"].is_empty());
    // What the run before left would be taken for the plan of these manifests.
    assert!(!has(&estate, "plan.json") && !has(&estate, "digest.txt"));
    // The same where the database is the problem.
    let gone = estate.synthex_at("postgresql://nobody@127.0.0.1:1/none", &["ci", "plan"]);
    estate.edit("T1.yaml", "actve", "active");
    gone.run().code(8);
    assert!(result(&estate, "comment.md").contains("## The plan could not be made"));
}

#[test]
fn no_more_problems_are_pointed_at_than_github_shows() {
    let estate = Estate::new("ci_plan_many");
    for number in 0..30 {
        estate.declare_tenant(&format!("X{number}"), &["nonsense: 1"]);
    }
    let github = GitHub::new();
    let step = github.step(COMMIT);
    let outcome = step.run(estate.synthex(&["ci", "plan"])).run().code(3);
    assert_eq!(outcome.stdout.lines().count(), 10, "{outcome}");
    outcome.stdout_has("and 21 more like these");
}

#[test]
fn places_are_named_from_the_root_of_the_repository() {
    let estate = Estate::new("ci_plan_root");
    estate.edit("T1.yaml", "status: active", "status: actve");
    let root = estate.project.path().parent().expect("a folder").to_owned();
    let name = estate.project.path().file_name().expect("a name").to_string_lossy().into_owned();
    let github = GitHub::new();
    let run = github.step(COMMIT).run(estate.synthex(&["ci", "plan"])).env("GITHUB_WORKSPACE", root);
    run.run().code(3).stdout_has(&format!("::error file={name}/manifests/T1.yaml,line=11,"));
}

#[test]
fn a_refused_plan_says_how_to_acknowledge_it_and_that_works() {
    let estate = Estate::applied("ci_plan_refused");
    let project = estate.project.read("synthex.yaml").replace("maxDeletes: 100", "maxDeletes: 0");
    estate.project.write("synthex.yaml", project);
    estate.project.remove("manifests/T3.yaml");
    let github = GitHub::new();
    let step = github.step(COMMIT);
    let outcome = step.run(estate.synthex(&["ci", "plan", "--prune"])).run().code(5);
    assert!(outcome.stdout.contains("::error title=SX0503::"), "{outcome}");
    assert_eq!(step.outputs()["refused"], "true");
    let comment = result(&estate, "comment.md");
    let line =
        comment.lines().find(|line| line.starts_with("synthex ci apply")).expect("a command").to_owned();
    assert!(comment.contains("SX0503") && line.ends_with(" --ack-deletes 1"), "{comment}");
    let words: Vec<&str> = line.split(' ').skip(1).chain(["--prune"]).collect();
    let without: Vec<&str> =
        words.iter().copied().filter(|word| !["--ack-deletes", "1"].contains(word)).collect();
    let step = github.step(COMMIT);
    step.run(estate.synthex(&without)).run().code(5);
    assert!(step.summary().contains("## The apply failed"), "{}", step.summary());
    // The refusal is on record as revision 2.
    estate.run(&words).ok().stdout_has("Applied as revision 3.");
}

#[test]
fn without_a_database_a_snapshot_gives_the_same_digest() {
    let estate = Estate::applied("ci_plan_state");
    estate.declare_tenant("T4", &[]);
    estate.run(&["state", "snapshot", "--out", "state.json"]).ok();
    estate.run(&["ci", "plan"]).ok();
    let live = result(&estate, "digest.txt");
    let run = estate.project.synthex(["ci", "plan", "--state", "state.json"]).env("CI", "true");
    run.run().ok();
    assert_eq!(result(&estate, "digest.txt"), live);
}

#[test]
fn gitlab_gets_variables() {
    let estate = Estate::new("ci_plan_gitlab");
    let gitlab = |args: &[&str]| {
        estate.synthex(args).env("CI", "true").env("GITLAB_CI", "true").env("GITLAB_USER_LOGIN", "carol")
    };
    let outcome = gitlab(&["ci", "plan"]).run().ok();
    assert!(!outcome.stdout.contains("::"), "{outcome}");
    let digest = result(&estate, "digest.txt").trim().to_owned();
    assert_eq!(
        result(&estate, "synthex.env"),
        format!(
            "SYNTHEX_DIGEST={digest}\nSYNTHEX_CHANGES=true\nSYNTHEX_REFUSED=false\nSYNTHEX_ENVIRONMENT=\n\
             SYNTHEX_SUMMARY=Plan: {SIZE} to create, 0 to update, 0 to delete, 0 to rename, 0 unchanged.\n\
             SYNTHEX_COMMENT_FILE=synthex-ci/comment.md\n"
        )
    );
    gitlab(&["ci", "apply", "--expect-digest", &digest]).run().ok();
    assert!(result(&estate, "synthex.env").starts_with("SYNTHEX_APPLIED=true\nSYNTHEX_REVISION=1\n"));
    let actor = "select actor from synthex.batch_operations where revision = 1";
    assert_eq!(estate.value(actor).as_deref(), Some("carol"));
}

#[test]
fn a_name_or_value_commands_github_nothing() {
    let estate = Estate::new("ci_plan_evil");
    estate.declare_tenant(
        "T4",
        &[
            "industry: \"::add-mask::a\\n::set-output name=digest::x\"",
            "notes: \"<!-- synthex:plan:default:sha256:0 -->\"",
        ],
    );
    // Whether there is a field of that name does not matter here.
    estate.edit("T4.yaml", "notes:", "metadata: {notes: ");
    estate.edit("T4.yaml", "sha256:0 -->\"", "sha256:0 -->\"}");
    let github = GitHub::new();
    let step = github.step(COMMIT);
    let outcome = step.run(estate.synthex(&["ci", "plan"])).run().ok();
    let (_, after) = outcome.stdout.split_once("::stop-commands::").expect("commands are stopped");
    let (token, text) = after.split_once('\n').expect("a token");
    let (text, rest) = text.split_once(&format!("::{token}::\n")).expect("they are taken again");
    assert!(text.contains("add-mask") && text.contains("Digest: "), "{outcome}");
    assert!(rest.is_empty() && token.len() >= 32, "{outcome}");
    assert!(step.outputs()["digest"].starts_with("sha256:"));
    assert_eq!(result(&estate, "comment.md").matches("<!-- synthex:plan:").count(), 1);
}

#[test]
fn a_large_plan_fits_into_a_comment_and_more_of_it_into_the_summary() {
    let estate = Estate::new("ci_plan_large");
    let rows: String = (0..3_000).map(|row| format!("S{row},Shop {row},s{row}.myshopify.com\n")).collect();
    estate.project.write("manifests/many.csv", format!("tenantId,name,shopifyShop\n{rows}"));
    estate.declare("TenantSet", "many", "{template: shopify-smb-anz, from: {csv: many.csv}}");
    let github = GitHub::new();
    let step = github.step(COMMIT);
    step.run(estate.synthex(&["ci", "plan"])).run().ok();
    let (comment, summary) = (result(&estate, "comment.md"), step.summary());
    assert!(comment.len() <= 65_536 && comment.contains("plan-report.json"), "{}", comment.len());
    assert!(summary.len() > comment.len() && summary.len() <= 1 << 20, "{}", summary.len());
    // A step that has said much already: what is added must leave all of it within what GitHub takes.
    let step = github.step(COMMIT);
    let run = step.run(estate.synthex(&["ci", "plan"]));
    let path = github.path().join("full");
    fs::write(&path, "x".repeat(999_000)).expect("a file");
    run.env("GITHUB_STEP_SUMMARY", &path).run().ok().stderr_has("no room");
    assert_eq!(fs::metadata(&path).expect("a file").len(), 999_000);
}

#[test]
fn results_among_the_manifests_would_be_read_as_manifests() {
    let estate = Estate::new("ci_plan_among");
    let outcome = estate.run(&["ci", "plan", "--dir", "manifests/ci"]).code(3);
    outcome.stderr_has("is among the manifests").stderr_has("--dir");
    assert_eq!(fs::read_dir(estate.project.path().join("manifests/ci")).expect("a folder").count(), 0);
}
