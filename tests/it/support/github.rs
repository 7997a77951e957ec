//! GitHub, as far as a job sees it: variables, the files behind them, and a `gh` that keeps comments in a folder.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tempfile::TempDir;

use super::cli::Synthex;

/// Understands the calls of our scripts, and no others. Of a filter it takes author and prefix, as they stand there.
const GH: &str = r#"#!/bin/sh
set -eu
cd "$FAKE_GITHUB"
printf '%s\n' "$*" >>calls
[ "$1" = api ]; shift
method=GET path='' filter='' body=''
while [ $# -gt 0 ]; do
    case $1 in
    --paginate) ;;
    --method) shift; method=$1 ;;
    --jq) shift; filter=$1 ;;
    -F) shift; body=${1#body=@} ;;
    *) path=$1 ;;
    esac
    shift
done
between() { printf '%s' "$filter" | sed -n "s/.*$1\"\([^\"]*\)\".*/\1/p"; }
case "$method $path" in
"GET repos/acme/tenants/issues/7/comments?per_page=100")
    author=$(between 'login == ') prefix=$(between 'startswith(')
    for file in comments/*; do
        [ -f "$file" ] || continue
        [ "$(cat "authors/${file#comments/}")" = "$author" ] || continue
        case $(sed -n 1p "$file") in "$prefix"*) printf '%s\n' "${file#comments/}" ;; esac
    done ;;
"POST repos/acme/tenants/issues/7/comments")
    id=$(($(ls comments | wc -l) + 100))
    cat -- "$body" >"comments/$id"
    printf '%s' 'github-actions[bot]' >"authors/$id"
    echo "https://github.example/acme/tenants/pull/7#$id" ;;
"PATCH repos/acme/tenants/issues/comments/"*)
    id=${path##*/}
    [ -f "comments/$id" ]
    cat -- "$body" >"comments/$id"
    echo "https://github.example/acme/tenants/pull/7#$id" ;;
"GET repos/acme/tenants/issues/comments/"*) cat "comments/${path##*/}" ;;
"GET repos/acme/tenants/commits/"*)
    commit=${path%/pulls} commit=${commit##*/}
    case $filter in *"$commit"*) ;; *) exit 9 ;; esac
    [ ! -f "merged/$commit" ] || cat "merged/$commit" ;;
*) echo "no such call: $method $path" >&2; exit 9 ;;
esac
"#;

/// A repository `acme/tenants` with the pull request 7.
pub struct GitHub {
    folder: TempDir,
}

/// One step of a job, with the files that it alone writes to.
pub struct Step {
    output: PathBuf,
    summary: PathBuf,
    variables: Vec<(&'static str, String)>,
}

impl GitHub {
    pub fn new() -> GitHub {
        let folder = TempDir::with_prefix("synthex-github-").expect("a folder");
        for name in ["bin", "comments", "authors", "merged", "steps"] {
            fs::create_dir(folder.path().join(name)).expect("a folder");
        }
        let gh = folder.path().join("bin/gh");
        fs::write(&gh, GH).expect("a script");
        fs::set_permissions(&gh, fs::Permissions::from_mode(0o755)).expect("it can be made to run");
        GitHub { folder }
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// A step of a job at this commit.
    pub fn step(&self, commit: &str) -> Step {
        let steps = self.path().join("steps");
        let number = fs::read_dir(&steps).expect("a folder").count() / 2;
        let file = |name: &str| {
            let path = steps.join(format!("{number}-{name}"));
            fs::write(&path, "").expect("a file");
            path
        };
        let (output, summary) = (file("output"), file("summary"));
        let path = |path: &Path| path.display().to_string();
        let variables = vec![
            ("CI", "true".to_owned()),
            ("GITHUB_ACTIONS", "true".to_owned()),
            ("GITHUB_ACTOR", "alice".to_owned()),
            ("GITHUB_TRIGGERING_ACTOR", "bob".to_owned()),
            ("GITHUB_SERVER_URL", "https://github.example".to_owned()),
            ("GITHUB_REPOSITORY", "acme/tenants".to_owned()),
            ("GITHUB_RUN_ID", (4_700 + number).to_string()),
            ("GITHUB_SHA", commit.to_owned()),
            ("GITHUB_OUTPUT", path(&output)),
            ("GITHUB_STEP_SUMMARY", path(&summary)),
        ];
        Step { output, summary, variables }
    }

    /// Runs one of the scripts of `examples/github-actions`.
    pub fn script(&self, name: &str, args: &[&str]) -> Output {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/github-actions").join(name);
        let path = std::env::var("PATH").expect("a path");
        Command::new("sh")
            .arg(script)
            .args(args)
            .env_clear()
            .env("PATH", format!("{}:{path}", self.path().join("bin").display()))
            .env("GITHUB_REPOSITORY", "acme/tenants")
            .env("FAKE_GITHUB", self.path())
            .output()
            .expect("a shell")
    }

    /// The same, where it must work. Returns what it printed.
    #[track_caller]
    pub fn script_ok(&self, name: &str, args: &[&str]) -> String {
        let output = self.script(name, args);
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{name} {args:?}: {}\n{stderr}", output.status);
        String::from_utf8(output.stdout).expect("text")
    }

    /// Somebody comments on the pull request.
    pub fn comment(&self, id: u32, author: &str, text: &str) {
        fs::write(self.path().join(format!("comments/{id}")), text).expect("a comment");
        fs::write(self.path().join(format!("authors/{id}")), author).expect("an author");
    }

    /// The comments, by their numbers.
    pub fn comments(&self) -> BTreeMap<String, String> {
        fs::read_dir(self.path().join("comments"))
            .expect("a folder")
            .map(|entry| entry.expect("a file"))
            .map(|entry| {
                let text = fs::read_to_string(entry.path()).expect("text");
                (entry.file_name().to_string_lossy().into_owned(), text)
            })
            .collect()
    }

    /// The pull request was merged as this commit.
    pub fn merged(&self, commit: &str) {
        fs::write(self.path().join("merged").join(commit), "7\n").expect("a merge");
    }
}

impl Step {
    /// Runs in this step.
    pub fn run(&self, run: Synthex) -> Synthex {
        self.variables.iter().fold(run, |run, (name, value)| run.env(name, value))
    }

    /// The summary that the step left.
    pub fn summary(&self) -> String {
        fs::read_to_string(&self.summary).expect("text")
    }

    /// The outputs, read as GitHub reads them.
    #[track_caller]
    pub fn outputs(&self) -> BTreeMap<String, String> {
        let text = fs::read_to_string(&self.output).expect("text");
        let mut lines = text.lines();
        let mut outputs = BTreeMap::new();
        while let Some(line) = lines.next() {
            let (name, delimiter) = line.split_once("<<").unwrap_or_else(|| panic!("no output: {line}"));
            let value: Vec<&str> = lines.by_ref().take_while(|line| *line != delimiter).collect();
            outputs.insert(name.to_owned(), value.join("\n"));
        }
        outputs
    }
}
