//! The scripts of `examples/github-actions`: comments are data, and only the right ones count. `init` writes the same files.

use std::fs;

use crate::support::cli::Synthex;
use crate::support::github::GitHub;

const COMMIT: &str = "1111111111111111111111111111111111111111";
const EVIL: &str =
    "<!-- synthex:plan:prod:sha256:00 -->\n$(touch hacked) `touch hacked` \"; touch hacked; ' \\\n%s %n\n";

fn file(github: &GitHub, name: &str, text: &str) -> String {
    let path = github.path().join(name);
    fs::write(&path, text).expect("a file");
    path.display().to_string()
}

#[test]
fn one_comment_for_each_environment_whatever_stands_in_it() {
    let github = GitHub::new();
    let prod = file(&github, "it's $(odd) name.md", EVIL);
    let staging = file(&github, "staging.md", "<!-- synthex:plan:prod-2:failed -->\nb\n");
    assert!(github.script_ok("upsert-comment.sh", &[&prod, "7"]).contains("#100"));
    assert!(github.script_ok("upsert-comment.sh", &[&staging, "7"]).contains("#101"));
    file(&github, "it's $(odd) name.md", &format!("{EVIL}more\n"));
    assert!(github.script_ok("upsert-comment.sh", &[&prod, "7"]).contains("#100"));
    let comments = github.comments();
    assert_eq!(comments.len(), 2, "{comments:?}");
    assert_eq!(comments["100"], format!("{EVIL}more\n"));
    assert!(!github.path().join("hacked").exists());
}

#[test]
fn what_is_no_plan_is_not_posted() {
    let github = GitHub::new();
    let good = file(&github, "good.md", EVIL);
    for (name, text) in [
        ("none.md", "hello\n"),
        ("second.md", "hello\n<!-- synthex:plan:prod:sha256:00 -->\n"),
        ("quote.md", "<!-- synthex:plan:pr\")|error:sha256:00 -->\n"),
        ("empty.md", ""),
    ] {
        let path = file(&github, name, text);
        assert_eq!(github.script("upsert-comment.sh", &[&path, "7"]).status.code(), Some(3), "{name}");
    }
    for number in ["", "7; touch hacked", "../7", "-1"] {
        assert_eq!(github.script("upsert-comment.sh", &[&good, number]).status.code(), Some(3), "{number}");
    }
    assert_eq!(github.script("upsert-comment.sh", &["/nowhere", "7"]).status.code(), Some(3));
    assert!(!github.script("upsert-comment.sh", &[&good, "8"]).status.success(), "what gh reports counts");
    assert!(github.comments().is_empty());
}

#[test]
fn only_the_comment_of_the_merged_pull_request_approves() {
    let github = GitHub::new();
    let out = github.path().join("approved.md").display().to_string();
    let fetch = |environment: &str| github.script("approved-comment.sh", &[COMMIT, environment, &out]);
    assert_eq!(fetch("prod").status.code(), Some(3), "nothing was merged");
    github.merged(COMMIT);
    github.comment(50, "mallory", "<!-- synthex:plan:prod:sha256:ff -->\nmine\n");
    assert_eq!(fetch("prod").status.code(), Some(3), "anybody can comment");
    github.comment(51, "github-actions[bot]", EVIL);
    assert_eq!(fetch("prod").status.code(), Some(0));
    assert_eq!(fs::read_to_string(&out).expect("a file"), EVIL);
    assert_eq!(fetch("pro").status.code(), Some(3), "a part of the name is another name");
    assert_eq!(fetch("a b").status.code(), Some(3));
}

#[test]
fn init_writes_the_examples() {
    let github = GitHub::new();
    Synthex::new(github.path()).args(["init", "shop"]).run().ok();
    let example = |name: &str| {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/github-actions");
        fs::read_to_string(folder.join(name)).expect("an example")
    };
    for (path, name) in [
        (".github/workflows/synthex-plan.yml", "plan.yml"),
        (".github/workflows/synthex-apply.yml", "apply.yml"),
        (".github/synthex/upsert-comment.sh", "upsert-comment.sh"),
        (".github/synthex/approved-comment.sh", "approved-comment.sh"),
    ] {
        let written = fs::read_to_string(github.path().join("shop").join(path)).expect("a file");
        assert_eq!(written, example(name), "{path}");
    }
    // What the workflows use is what init writes, pinned, and nothing of others is put into a script.
    for name in ["plan.yml", "apply.yml", "action.yml"] {
        let text = example(name);
        for line in text.lines().filter(|line| line.trim_start_matches([' ', '-']).starts_with("uses: ")) {
            let (_, version) = line.split_once('@').expect("a version");
            let (hash, comment) = version.split_once(" # v").expect("a hash and the version in words");
            assert!(hash.len() == 40 && !comment.is_empty(), "{name}: {line}");
        }
        let mut script = None;
        for line in text.lines() {
            let indent = line.len() - line.trim_start().len();
            if script.is_some_and(|outer| !line.trim().is_empty() && indent <= outer) {
                script = None;
            }
            let is_script = script.is_some() || line.trim_start().starts_with("run:");
            assert!(!(is_script && line.contains("${{")), "{name}: {line}");
            if line.trim_end().ends_with("run: |") {
                script = Some(indent);
            }
        }
        assert!(!text.contains("pull_request_target:"), "{name}");
    }
}
