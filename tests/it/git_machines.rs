//! A git repository as a source of manifests, on machines as they are: with a configuration of their own, an old git, a full
//! disk, and ssh.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use synthex::files::Repository;

use crate::support::git::{Origin, holds, options, repository, with_program};

#[tokio::test(flavor = "multi_thread")]
async fn nothing_around_it_changes_what_git_does() {
    let origin = Origin::with_a_commit();
    let outside = tempfile::tempdir().unwrap();
    fs::write(outside.path().join("secret"), "secret").unwrap();
    std::os::unix::fs::symlink(outside.path().join("secret"), origin.path().join("link.yaml")).unwrap();
    fs::write(origin.path().join("run.sh"), "#!/bin/sh\n").unwrap();
    fs::set_permissions(origin.path().join("run.sh"), fs::Permissions::from_mode(0o755)).unwrap();
    let commit = origin.commit(&[(".gitattributes", "*.yaml filter=evil\n* text=auto\n"), ("b.yaml", "b\n")]);
    // The cache lies in a checkout whose configuration leads elsewhere, and runs things.
    let around = Origin::with_a_commit();
    let witness = outside.path().join("witness");
    let evil = format!("touch {}; cat", witness.display());
    around.git(&["config", "filter.evil.smudge", &evil]);
    around.git(&["config", "core.fsmonitor", &evil]);
    around.git(&["config", "url./nowhere.insteadOf", &origin.path().display().to_string()]);
    let mut options = options(origin.path(), &around.path().join(".synthex/git"));
    let seen = outside.path().join("seen");
    let script = format!("env >> '{}'; exec \"$REAL\" \"$@\"", seen.display());
    options.environment = with_program(outside.path(), "git", &script);
    let mut repository = Repository::new(options);
    assert_eq!(repository.fetch().await.unwrap().sha, commit);
    let files = repository.check_out(&commit, &[]).await.unwrap();
    holds(&files, "b.yaml", "b\n");
    assert!(!witness.exists(), "a program was run");
    let seen = fs::read_to_string(&seen).unwrap();
    assert!(seen.contains("GIT_CONFIG_NOSYSTEM=1\n"), "{seen}");
    // Whoever runs the tests sets it.
    assert!(
        std::env::var_os("CARGO_MANIFEST_DIR").is_some() && !seen.contains("CARGO_MANIFEST_DIR"),
        "{seen}"
    );
    assert!(fs::symlink_metadata(files.join("link.yaml")).unwrap().is_symlink());
    assert_eq!(fs::metadata(files.join("run.sh")).unwrap().permissions().mode() & 0o111, 0o111);
    assert!(!files.join(".git").exists());
    let mode = fs::metadata(around.path().join(".synthex/git")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o700, "the files are for their owner");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_machine_without_a_new_enough_git_says_so() {
    let (origin, folder, programs) =
        (Origin::with_a_commit(), tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let mut without = options(origin.path(), folder.path());
    without.environment = vec![("PATH".to_owned(), programs.path().into())];
    let error = Repository::new(without).fetch().await.unwrap_err();
    assert_eq!(error.code(), "no-git");
    let mut old = options(origin.path(), folder.path());
    old.environment = with_program(programs.path(), "git", "echo git version 2.30.2");
    let error = Repository::new(old).fetch().await.unwrap_err();
    assert_eq!(error.to_string(), "git cannot be run: it says `git version 2.30.2`");
    assert!(error.help().contains("2.34"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_is_called_by_its_name_and_leaves_no_half() {
    let (origin, folder, programs) =
        (Origin::with_a_commit(), tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    // What does not compress: no file may grow beyond 16 KiB while the disk is full.
    let mut state = 1_u64;
    let noise: String = (0..60_000)
        .map(|_| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            char::from(33 + u8::try_from((state >> 33) % 90).unwrap())
        })
        .collect();
    let good = repository(&origin, folder.path()).fetch().await.unwrap();
    let commit = origin.commit(&[("a.yaml", &noise)]);
    let mut full = options(origin.path(), folder.path());
    full.environment =
        with_program(programs.path(), "git", "trap '' XFSZ; ulimit -f 32; exec \"$REAL\" \"$@\"");
    let mut full = Repository::new(full);
    let error = full.fetch().await.unwrap_err();
    assert_eq!(error.code(), "disk", "{error:?}");
    // The disk fills up between the two.
    repository(&origin, folder.path()).fetch().await.unwrap();
    let error = full.check_out(&commit, &[]).await.unwrap_err();
    assert_eq!(error.code(), "disk", "{error:?}");
    assert!(!folder.path().join(&commit).exists());
    full.check_out(&good.sha, &[]).await.unwrap();
    let mut again = repository(&origin, folder.path());
    holds(&again.check_out(&commit, &[]).await.unwrap(), "a.yaml", &noise);

    let file = folder.path().join("file");
    fs::write(&file, "").unwrap();
    let error = repository(&origin, &file.join("cache")).fetch().await.unwrap_err();
    assert_eq!(error.code(), "disk");
    assert_eq!(error.why(), Some("something on the way is a file, not a folder"));
}

#[tokio::test(flavor = "multi_thread")]
async fn over_ssh_the_key_and_the_servers_that_were_named_count_and_nobody_is_asked() {
    let (origin, folder, programs) =
        (Origin::with_a_commit(), tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    // It notes how it is called, and does here what it would have the other machine do.
    let called = programs.path().join("called");
    let script =
        format!("printf '%s|' \"$@\" >> '{}'\nfor last; do :; done\neval \"$last\"", called.display());
    let environment = with_program(programs.path(), "ssh", &script);
    let over = |url: String| {
        let mut options = options(url, folder.path());
        options.environment.clone_from(&environment);
        options
    };
    let mut named = over(format!("git@host.example:{}", origin.path().display()));
    named.ssh_key = Some(programs.path().join("a key"));
    named.known_hosts = Some(programs.path().join("hosts"));
    let mut repository = Repository::new(named);
    let commit = repository.fetch().await.unwrap();
    assert_eq!(commit.sha, origin.head());
    holds(&repository.check_out(&commit.sha, &[]).await.unwrap(), "a.yaml", "one\n");
    assert!(repository.shown().starts_with("host.example:"), "{}", repository.shown());
    let line = fs::read_to_string(&called).unwrap();
    let key = programs.path().join("a key");
    for word in [
        "-oBatchMode=yes|",
        "-oStrictHostKeyChecking=yes|",
        "-oIdentitiesOnly=yes|",
        &format!("-oIdentityFile=\"{}\"|", key.display()),
        "-oGlobalKnownHostsFile=/dev/null|",
        "|git@host.example|",
    ] {
        assert!(line.contains(word), "{word} is not in {line}");
    }

    for (said, code) in [
        ("Host key verification failed.", "refused"),
        ("git@host.example: Permission denied (publickey).", "refused"),
        ("ssh: connect to host host.example port 22: Connection refused", "unreachable"),
    ] {
        let script = format!("echo '{said}' >&2; exit 255");
        let mut options = over("ssh://git@host.example/shop".to_owned());
        options.environment = with_program(programs.path(), "ssh", &script);
        let error = Repository::new(options).fetch().await.unwrap_err();
        assert_eq!((error.code(), error.why()), (code, Some(said)), "{error:?}");
    }
}
