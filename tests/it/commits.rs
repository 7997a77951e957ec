//! Which commit an apply is recorded under: the one that the manifests are of, and no other.

use crate::support::estate::Estate;

#[test]
fn what_is_not_committed_is_in_no_commit() {
    let estate = Estate::new("history_dirty");
    let git = |args: &[&str]| {
        let who = ["-c", "user.name=Test", "-c", "user.email=test@example.com"];
        let mut run = std::process::Command::new("git");
        run.args(who).args(args).current_dir(estate.project.path());
        assert!(run.output().expect("git").status.success(), "{args:?}");
    };
    estate.project.write(".gitignore", ".synthex/\n");
    git(&["init", "-q"]);
    git(&["add", "-A"]);
    git(&["commit", "-q", "-m", "declare"]);
    estate.apply().ok();
    estate.edit("T1.yaml", "status: active", "status: inactive");
    estate.apply().ok();
    let commits = "select commit_sha ~ '^[0-9a-f]{40}$', commit_sha ~ '^[0-9a-f]{40}-dirty$' \
                   from synthex.batch_operations order by revision";
    let (yes, no) = (Some("t".to_owned()), Some("f".to_owned()));
    assert_eq!(
        estate.database.query_strings(commits),
        [[yes.clone(), no.clone()], [no, yes]],
        "the first apply was of a commit, the second of nothing that is in git"
    );
    estate.run(&["blame", "tenant/T1"]).ok().stdout_has("-dirty");
}
