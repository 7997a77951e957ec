//! A change from a branch to the database and back, as on GitHub: plan on a pull request, comment, approval by merging,
//! apply of that very plan, drift, correction, rollback.

use std::path::Path;
use std::process::Command;

use crate::support::estate::Estate;
use crate::support::github::GitHub;

/// git, in a world of its own.
#[track_caller]
fn git(folder: &Path, args: &[&str]) -> String {
    let mut command = Command::new("git");
    command.current_dir(folder).args(args).env_clear();
    command.envs(std::env::var_os("PATH").map(|path| ("PATH", path)));
    command.envs([
        ("HOME", "/nonexistent"),
        ("GIT_CONFIG_GLOBAL", "/dev/null"),
        ("GIT_CONFIG_SYSTEM", "/dev/null"),
    ]);
    for role in ["AUTHOR", "COMMITTER"] {
        command
            .env(format!("GIT_{role}_NAME"), "Alice")
            .env(format!("GIT_{role}_EMAIL"), "alice@acme.example");
    }
    let output = command.output().expect("git");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "git {args:?}: {stderr}");
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

#[track_caller]
fn commit(folder: &Path, message: &str) -> String {
    git(folder, &["add", "--all"]);
    git(folder, &["commit", "--quiet", "--message", message]);
    git(folder, &["rev-parse", "HEAD"])
}

struct Round {
    estate: Estate,
    github: GitHub,
    /// The merge of the pull request.
    merge: String,
    /// The file with the approved comment.
    approved: String,
}

/// From a branch to the database.
fn round_until_apply() -> Round {
    let estate = Estate::new("ci_round");
    let github = GitHub::new();
    let folder = estate.project.path().to_owned();
    estate.project.write(".gitignore", ".synthex/\nsynthex-ci/\n");
    git(&folder, &["init", "--quiet", "--initial-branch", "main"]);
    commit(&folder, "Three shops");
    estate.apply().ok().stdout_has("Applied as revision 1.");

    // A branch, and the plan of its pull request.
    git(&folder, &["switch", "--quiet", "--create", "fourth-shop"]);
    estate.declare_tenant("T4", &["industry: Toys"]);
    let pushed = commit(&folder, "A fourth shop");
    let step = github.step(&pushed);
    let outcome = step.run(estate.synthex(&["ci", "plan"])).run().ok();
    let first = step.outputs();
    assert_eq!(first["changes"], "true", "{first:?}");
    outcome.stdout_has(&first["digest"]);
    let comment_file = estate.project.path().join("synthex-ci/comment.md").display().to_string();
    assert_eq!(first["comment-file"], comment_file);
    github.comment(50, "mallory", &format!("<!-- synthex:plan:default:{} -->\n", first["digest"]));
    github.script_ok("upsert-comment.sh", &[&comment_file, "7"]);

    // A second push: the one comment follows, and nobody else's.
    estate.edit("T1.yaml", "status: active", "status: inactive");
    let pushed = commit(&folder, "One shop pauses");
    let step = github.step(&pushed);
    step.run(estate.synthex(&["ci", "plan"])).run().ok();
    let second = step.outputs();
    assert_ne!(first["digest"], second["digest"]);
    assert_eq!(second["summary"], "Plan: 1 to create, 1 to update, 0 to delete, 0 to rename, 13 unchanged.");
    github.script_ok("upsert-comment.sh", &[&comment_file, "7"]);
    let comments = github.comments();
    assert_eq!(comments.len(), 2, "{comments:?}");
    assert!(comments["50"].contains(&first["digest"]), "mallory's stays");
    let ours = &comments["101"];
    assert_eq!(*ours, estate.project.read("synthex-ci/comment.md"));
    assert!(ours.starts_with(&format!("<!-- synthex:plan:default:{} -->\n", second["digest"])), "{ours}");
    assert!(ours.contains("<code>tenant/w/T4</code>") && ours.contains("- status: active"), "{ours}");

    // Merging approves it, and the very plan is applied.
    git(&folder, &["switch", "--quiet", "main"]);
    git(&folder, &["merge", "--quiet", "--no-ff", "--message", "Merge pull request #7", "fourth-shop"]);
    let merge = git(&folder, &["rev-parse", "HEAD"]);
    github.merged(&merge);
    let approved = github.path().join("approved.md").display().to_string();
    github.script_ok("approved-comment.sh", &[&merge, "default", &approved]);
    let step = github.step(&merge);
    let apply = ["ci", "apply", "--approved-comment", &approved];
    step.run(estate.synthex(&apply)).run().ok().stdout_has("Applied as revision 2.");
    let outputs = step.outputs();
    assert_eq!((outputs["applied"].as_str(), outputs["revision"].as_str()), ("true", "2"), "{outputs:?}");
    assert_eq!(outputs["digest"], second["digest"]);
    assert!(step.summary().contains("## Applied as revision 2"), "{}", step.summary());
    assert_eq!(
        estate.value(
            "select concat_ws(' ', command, actor, commit_sha, run_url, encode(plan_digest, 'hex')) \
             from synthex.batch_operations where revision = 2"
        ),
        Some(format!(
            "apply bob {merge} https://github.example/acme/tenants/actions/runs/4702 {}",
            second["digest"].trim_start_matches("sha256:")
        ))
    );
    estate.is_converged();
    Round { estate, github, merge, approved }
}

#[test]
fn a_change_goes_from_a_branch_to_the_database_and_back() {
    let Round { estate, github, merge, approved } = round_until_apply();
    let status = || estate.value("select status from synthex.tenants where name = 'T1'");

    // The job is run again: it is done already.
    let step = github.step(&merge);
    let again = step.run(estate.synthex(&["ci", "apply", "--approved-comment", &approved])).run();
    again.ok().stdout_has("already applied, as revision 2");
    assert_eq!(step.outputs()["applied"], "false");
    assert_eq!(step.outputs()["revision"], "2");

    // Somebody changes a row by hand. It shows, and the next apply puts it right.
    estate.database.sql("update synthex.tenants set status = 'suspended' where name = 'T1'");
    estate.run(&["drift", "--detailed-exitcode"]).code(2).stdout_has("tenant/w/T1");
    estate.apply().ok().stdout_has("Applied as revision 3.");
    assert_eq!(status().as_deref(), Some("inactive"));
    estate.run(&["drift", "--detailed-exitcode"]).ok();

    // And all of it is taken back.
    estate.run(&["rollback", "--to", "1", "--yes"]).ok().stdout_has("Applied as revision 4.");
    assert_eq!(status().as_deref(), Some("active"));
    let fourth = "select count(*) from synthex.tenants where name = 'T4' and deleted_at is null";
    assert_eq!(estate.database.query_one_i64(fourth), 0);
}
