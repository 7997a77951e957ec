//! The options that name a git repository: what is wrong with them is said before anybody is asked.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};

use clap::Parser;
use synthex::cli::args::Global;
use synthex::cli::context::Context;
use synthex::cli::environment::Environment;
use synthex::cli::error::{CliError, ExitStatus};
use synthex::cli::printer::Printer;
use synthex::cli::watching::GitArgs;

use crate::support::git::{GitServer, Origin, holds};

#[derive(Parser)]
struct Line {
    #[command(flatten)]
    global: Global,
    #[command(flatten)]
    git: GitArgs,
}

/// The context of a command with these words, started in a folder.
fn started(folder: &Path, words: &[&str]) -> (Context, GitArgs) {
    let line = Line::parse_from(std::iter::once(&"watch").chain(words));
    let environment = Environment::read();
    let printer = Printer::new(&line.global, &environment);
    let Ok(mut context) = Context::new(line.global, environment, printer) else { panic!("no context") };
    context.directory = folder.to_path_buf();
    (context, line.git)
}

#[track_caller]
fn fails(folder: &Path, words: &[&str], what: &str) -> CliError {
    let (context, args) = started(folder, words);
    let Err(error) = args.repository(&context, &folder.join("cache")) else { panic!("{words:?} was taken") };
    assert_eq!(error.status, ExitStatus::Usage, "{error:?}");
    assert!(error.what.contains(what), "{error:?}");
    assert!(error.help.is_some(), "{error:?}");
    assert!(!folder.join("cache").exists(), "nothing is made");
    error
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repository_is_read_as_the_options_say() {
    let (origin, folder) = (Origin::with_a_commit(), tempfile::tempdir().unwrap());
    let server = GitServer::new(origin.path(), Some(("robot", "canary-1")));
    let token = folder.path().join("token");
    fs::write(&token, "canary-1\n").unwrap();
    fs::set_permissions(&token, fs::Permissions::from_mode(0o600)).unwrap();
    let url = server.url(".git");
    let words =
        ["--git", &url, "--git-token-file", "token", "--git-username", "robot", "--git-timeout", "20s"];
    let (context, args) = started(folder.path(), &words);
    let mut repository = args.repository(&context, Path::new("cache")).unwrap().unwrap();
    assert_eq!(repository.shown(), format!("{url} at main"));
    let commit = repository.fetch().await.unwrap();
    let files = repository.check_out(&commit.sha, &[]).await.unwrap();
    holds(&files, "a.yaml", "one\n");
    assert!(files.starts_with(folder.path().join("cache")), "{}", files.display());
    // It is read anew each time.
    fs::write(&token, "canary-2\n").unwrap();
    let renewed = args.token(&context).unwrap().unwrap();
    assert_eq!(renewed.expose(), "canary-2");
    let (context, args) = started(folder.path(), &[]);
    assert!(args.repository(&context, Path::new("cache")).unwrap().is_none());

    // A folder is meant from where the command was started.
    let near = folder.path().join("near");
    fs::create_dir(&near).unwrap();
    symlink(origin.path(), near.join("shop")).unwrap();
    let (context, args) = started(folder.path(), &["--git", "near/shop"]);
    let mut repository = args.repository(&context, Path::new("cache")).unwrap().unwrap();
    assert_eq!(repository.fetch().await.unwrap(), commit);
}

#[test]
fn what_is_wrong_is_said_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let url = "https://git.example.com/shop";
    let fails = |words: &[&str], what: &str| fails(folder.path(), words, what);
    let error = fails(&["--git", "https://me:canary@git.example.com/shop"], "has a user or a password in it");
    assert!(error.help.unwrap().contains("--git-token-env or --git-token-file"));
    fails(&["--git", url, "--git-token-env", "SYNTHEX_NO_SUCH_TOKEN"], "from env SYNTHEX_NO_SUCH_TOKEN");
    fails(&["--git", url, "--git-token-file", "nothing"], "from file nothing");
    fs::write(folder.path().join("open"), "canary").unwrap();
    fs::set_permissions(folder.path().join("open"), fs::Permissions::from_mode(0o644)).unwrap();
    let error = fails(&["--git", url, "--git-token-file", "open"], "from file open");
    assert!(error.why.unwrap().contains("open to other users"));
    fails(&["--git", "/srv/shop", "--git-token-env", "PATH"], "a token is for https");
    fails(&["--git", url, "--git-ssh-key", "key"], "a key or known hosts are for ssh");
    fails(&["--git", url, "--git-allowed-signers", "nothing"], "allowed signers");
    fails(&["--git", url, "--git-keyring", "nothing"], "OpenPGP keys");
    fails(&["--git", url, "--ref", "a..b"], "no name of a branch or a tag");
    fails(&["--git", url, "--path", "../x"], "no folder of a repository");
    fails(&["--git", url, "--file", "manifests"], "both --git and --file");
}

#[test]
fn the_project_is_in_the_repository() {
    let folder = tempfile::tempdir().unwrap();
    let (commit, outside) = (folder.path().join("commit"), folder.path().join("secret"));
    fs::create_dir_all(commit.join("shop")).unwrap();
    fs::write(&outside, "secret: 1").unwrap();
    let at = |path: &str| GitArgs { path: PathBuf::from(path), ..GitArgs::default() };
    assert_eq!(at("shop").project_file(&commit).unwrap_err().what, "the commit has no shop/synthex.yaml");
    for path in ["../x", "/etc"] {
        assert!(at(path).project_file(&commit).unwrap_err().what.contains("no folder of a repository"));
    }
    fs::write(commit.join("shop/synthex.yaml"), "").unwrap();
    let found = at("shop").project_file(&commit).unwrap();
    assert_eq!(found.file_name(), Some(OsStr::new("synthex.yaml")));
    symlink(&outside, commit.join("synthex.yaml")).unwrap();
    let error = at(".").project_file(&commit).unwrap_err();
    assert_eq!(error.what, "synthex.yaml is a link that leads out of the repository");
}
