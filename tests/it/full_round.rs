//! A whole round, as a team goes it: a branch, its plan in a comment, the approved digest, the apply after the merge,
//! an edit by hand, its correction, and the way back.

use std::process::Command;

use crate::support::cli::Synthex;
use crate::support::estate::Estate;

fn git(estate: &Estate, args: &[&str]) -> String {
    let identity = ["-c", "user.name=Ann", "-c", "user.email=ann@agency.example"];
    let output = Command::new("git").args(identity).args(args).current_dir(estate.project.path()).output();
    let output = output.expect("git runs");
    assert!(output.status.success(), "git {args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

/// A run as a job of GitHub has it.
fn job(estate: &Estate, actor: &str, run: &str, args: &[&str]) -> Synthex {
    let commit = git(estate, &["rev-parse", "HEAD"]);
    let output = estate.project.path().join(".synthex/output");
    let summary = estate.project.path().join(".synthex/summary.md");
    for file in [&output, &summary] {
        std::fs::create_dir_all(file.parent().expect("a folder")).expect("a folder");
        std::fs::write(file, "").expect("a file");
    }
    estate
        .synthex(args)
        .env("CI", "true")
        .env("GITHUB_ACTIONS", "true")
        .env("GITHUB_ACTOR", actor)
        .env("GITHUB_SHA", commit)
        .env("GITHUB_SERVER_URL", "https://github.example")
        .env("GITHUB_REPOSITORY", "agency/tenants")
        .env("GITHUB_RUN_ID", run)
        .env("GITHUB_OUTPUT", output)
        .env("GITHUB_STEP_SUMMARY", summary)
}

#[test]
fn from_a_branch_to_an_apply_and_back() {
    let estate = Estate::new("full_round");
    estate.project.write(".gitignore", ".synthex/\nsynthex-ci/\n");
    git(&estate, &["init", "-q", "-b", "main"]);
    git(&estate, &["add", "."]);
    git(&estate, &["commit", "-qm", "tenants"]);
    estate.apply().ok().stdout_has("Applied as revision 1.");
    let first = estate.declared();

    // A branch: an edit, a new tenant, and a rule that goes.
    git(&estate, &["checkout", "-qb", "more"]);
    estate.edit("T1.yaml", "status: active", "status: inactive");
    estate.declare_tenant("NEW", &["industry: \"Toys | <script> @everyone ``` -->\""]);
    estate.project.remove("manifests/muted.yaml");
    git(&estate, &["add", "-A"]);
    git(&estate, &["commit", "-qm", "more tenants"]);

    // The plan, for the reviewer.
    job(&estate, "ann", "41", &["ci", "plan", "--prune"]).run().ok();
    let comment = estate.project.read("synthex-ci/comment.md");
    let digest = estate.project.read("synthex-ci/digest.txt").trim().to_owned();
    assert!(comment.starts_with(&format!("<!-- synthex:plan:default:{digest} -->\n")), "{comment}");
    assert!(
        comment.len() <= 65_536 && comment.contains("rule/w/muted") && !comment.contains("<script>"),
        "{comment}"
    );
    let outputs = estate.project.read(".synthex/output");
    assert!(outputs.contains(&digest) && outputs.contains("changes"), "{outputs}");
    assert!(estate.project.read(".synthex/summary.md").contains("rule/w/muted"));
    assert_eq!(estate.declared(), first, "a plan changes nothing");

    // The merge. The job that applies has the approved comment and nothing else.
    git(&estate, &["checkout", "-q", "main"]);
    git(&estate, &["merge", "-q", "--no-ff", "-m", "merge", "more"]);
    let commit = git(&estate, &["rev-parse", "HEAD"]);
    estate.project.write(".synthex/approved.md", &comment);
    let apply = ["ci", "apply", "--prune", "--approved-comment", ".synthex/approved.md"];
    job(&estate, "bea", "42", &apply).run().ok();
    let second = estate.declared();
    assert_ne!(second, first);
    let recorded = "select concat_ws(' ', revision, actor, commit_sha, status, 'sha256:' || encode(plan_digest, 'hex'), run_url) \
                    from synthex.batch_operations order by revision desc limit 1";
    let expected =
        format!("2 bea {commit} applied {digest} https://github.example/agency/tenants/actions/runs/42");
    assert_eq!(estate.value(recorded), Some(expected));
    assert!(estate.project.read("synthex-ci/result.md").contains('2'));
    // The same job again: it was done already.
    job(&estate, "bea", "43", &apply).run().ok();
    assert_eq!(
        estate
            .database
            .query_one_i64("select count(*) from synthex.batch_operations where status = 'applied'"),
        2
    );

    // Somebody edits by hand; an old approval is good for nothing now.
    estate.database.sql("update synthex.tenants set region = 'NZ-NR1' where name = 'T2'");
    let drift = estate.run(&["drift", "--detailed-exitcode"]).code(2);
    drift.stdout_has("tenant/w/T2").stdout_has("region");
    job(&estate, "bea", "44", &apply).run().code(6);
    estate.run(&["apply", "--yes", "--prune"]).ok().stdout_has("1 to update");
    estate.run(&["drift", "--detailed-exitcode"]).ok();
    assert_eq!(estate.declared(), second);

    // The way back, without git and without manifests.
    estate.run(&["rollback", "--to", "1", "--plan"]).ok().stdout_has("tenant/w/NEW");
    for folder in [".git", "manifests"] {
        let path = estate.project.path();
        std::fs::rename(path.join(folder), path.join(format!("{folder}-gone"))).expect("a folder");
    }
    estate.run(&["rollback", "--to", "1", "--yes"]).ok();
    assert_eq!(estate.declared(), first);
    estate.run(&["history", "--limit", "1"]).ok().stdout_has("rollback").stdout_has("to revision 1");
    estate.run(&["blame", "tenant/w/T1"]).ok().stdout_has("status");
}
