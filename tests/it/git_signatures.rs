//! Commits that count only when they are signed by somebody who may.

use std::path::{Path, PathBuf};
use std::process::Command;

use synthex::files::{Repository, Verification};
use tempfile::TempDir;

use crate::support::git::{Origin, options};

fn run(command: &mut Command) -> String {
    let output =
        command.output().unwrap_or_else(|error| panic!("{command:?}: {error}; .ci/setup installs it"));
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// SSH keys, and a file of those that are allowed.
struct Keys {
    folder: TempDir,
}

impl Keys {
    fn new() -> Keys {
        let keys = Keys { folder: tempfile::tempdir().unwrap() };
        for name in ["ann", "mallory"] {
            let words = ["-q", "-t", "ed25519", "-N", "", "-C", name, "-f"];
            run(Command::new("ssh-keygen").args(words).arg(keys.path(name)));
        }
        let public = std::fs::read_to_string(keys.path("ann.pub")).unwrap();
        std::fs::write(keys.path("signers"), format!("ann@example.com {public}")).unwrap();
        keys
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Commits, signed with one of the keys.
    fn commit(&self, origin: &Origin, name: &str) -> String {
        let key = format!("user.signingKey={}", self.path(name).display());
        let words =
            ["-c", "gpg.format=ssh", "-c", &key, "commit", "-q", "--allow-empty", "-S", "-m", "declare"];
        origin.git(&words);
        origin.head()
    }
}

fn verified(origin: &Origin, folder: &Path, verify: Verification) -> Repository {
    let mut options = options(origin.path(), folder);
    options.verify = Some(verify);
    Repository::new(options)
}

#[tokio::test(flavor = "multi_thread")]
async fn only_commits_signed_by_who_may_are_taken() {
    let (origin, keys, folder) = (Origin::with_a_commit(), Keys::new(), tempfile::tempdir().unwrap());
    let verify = Verification { allowed_signers: Some(keys.path("signers")), keyring: None };
    let mut repository = verified(&origin, folder.path(), verify.clone());

    let unsigned = origin.head();
    let error = repository.fetch().await.unwrap_err();
    assert_eq!((error.code(), error.why()), ("unsigned", Some("it has no signature")));
    assert!(error.to_string().contains(&unsigned), "{error}");
    // Nor by its id, whoever asks for it.
    assert_eq!(repository.check_out(&unsigned, &[]).await.unwrap_err().code(), "unsigned");
    assert!(!folder.path().join(&unsigned).exists());

    let signed = keys.commit(&origin, "ann");
    let commit = repository.fetch().await.unwrap();
    assert_eq!((commit.sha.as_str(), commit.signer.as_deref()), (signed.as_str(), Some("ann@example.com")));
    repository.check_out(&signed, &[]).await.unwrap();

    let foreign = keys.commit(&origin, "mallory");
    let error = repository.fetch().await.unwrap_err();
    assert_eq!(error.code(), "unsigned");
    assert!(error.why().unwrap().contains("SHA256:"), "which key it was: {error:?}");
    assert_eq!(repository.check_out(&foreign, &[]).await.unwrap_err().code(), "unsigned");
    // The last good one stays.
    let files = repository.check_out(&signed, &[]).await.unwrap();
    assert_eq!(std::fs::read_to_string(files.join("a.yaml")).unwrap(), "one\n");

    // Files of a commit that nobody vouched for, left by a run that did not look.
    let mut careless = Repository::new(options(origin.path(), folder.path()));
    careless.check_out(&foreign, &[]).await.unwrap();
    let mut careful = verified(&origin, folder.path(), verify);
    assert_eq!(careful.check_out(&foreign, &[]).await.unwrap_err().code(), "unsigned");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_that_was_changed_after_it_was_signed_is_refused() {
    let (origin, keys, folder) = (Origin::with_a_commit(), Keys::new(), tempfile::tempdir().unwrap());
    keys.commit(&origin, "ann");
    let raw = origin.git(&["cat-file", "commit", "HEAD"]).replace("declare", "destroy") + "\n";
    let forged = origin.path().join(".git").join("forged");
    std::fs::write(&forged, raw).unwrap();
    let sha = origin.git(&["hash-object", "-t", "commit", "-w", &forged.to_string_lossy()]);
    origin.git(&["update-ref", "refs/heads/main", &sha]);
    let verify = Verification { allowed_signers: Some(keys.path("signers")), keyring: None };
    let error = verified(&origin, folder.path(), verify).fetch().await.unwrap_err();
    assert_eq!(error.code(), "unsigned", "{error:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_its_keys_nothing_is_taken() {
    let (origin, keys, folder) = (Origin::with_a_commit(), Keys::new(), tempfile::tempdir().unwrap());
    keys.commit(&origin, "ann");
    let missing = Verification { allowed_signers: Some(keys.path("nothing")), keyring: None };
    let error = verified(&origin, folder.path(), missing).fetch().await.unwrap_err();
    assert_eq!(error.code(), "invalid");
    assert!(error.to_string().contains("nothing cannot be read: there is no such file"), "{error}");
    std::fs::write(keys.path("empty"), "").unwrap();
    let empty = Verification { allowed_signers: Some(keys.path("empty")), keyring: None };
    assert_eq!(verified(&origin, folder.path(), empty).fetch().await.unwrap_err().code(), "unsigned");
    let nobody = Verification::default();
    assert_eq!(verified(&origin, folder.path(), nobody).fetch().await.unwrap_err().code(), "unsigned");
}

#[tokio::test(flavor = "multi_thread")]
async fn openpgp_signatures_count_where_their_key_is_in_the_keyring() {
    let (origin, keys, folder) = (Origin::with_a_commit(), Keys::new(), tempfile::tempdir().unwrap());
    // The agent's socket wants a short path, and nobody else in its folder.
    let home = TempDir::with_prefix("gpg-").unwrap();
    let gpg = |words: &[&str]| {
        let mut gpg = Command::new("gpg");
        gpg.env("GNUPGHOME", home.path()).args(["--batch", "--quiet", "--passphrase", ""]).args(words);
        run(&mut gpg)
    };
    for who in ["Ann <ann@example.com>", "Mallory <mallory@example.com>"] {
        gpg(&["--quick-generate-key", who, "ed25519", "sign", "never"]);
    }
    std::fs::write(keys.path("keyring.asc"), gpg(&["--armor", "--export", "ann@example.com"])).unwrap();
    let program = keys.path("gpg-of-the-test");
    std::fs::write(&program, format!("#!/bin/sh\nexec gpg --homedir '{}' \"$@\"\n", home.path().display()))
        .unwrap();
    run(Command::new("chmod").arg("700").arg(&program));
    let commit = |who: &str| {
        let (program, key) = (format!("gpg.program={}", program.display()), format!("user.signingKey={who}"));
        origin.git(&["-c", &program, "-c", &key, "commit", "-q", "--allow-empty", "-S", "-m", "declare"]);
        origin.head()
    };
    let signed = commit("ann@example.com");
    let verify = Verification { allowed_signers: None, keyring: Some(keys.path("keyring.asc")) };
    let mut repository = verified(&origin, folder.path(), verify);
    let found = repository.fetch().await.unwrap();
    assert_eq!((found.sha, found.signer.as_deref()), (signed, Some("Ann <ann@example.com>")));
    commit("mallory@example.com");
    assert_eq!(repository.fetch().await.unwrap_err().code(), "unsigned");
    // A kind of signature that no keys were given for.
    keys.commit(&origin, "ann");
    assert_eq!(repository.fetch().await.unwrap_err().code(), "unsigned");
    let both =
        Verification { allowed_signers: Some(keys.path("signers")), keyring: Some(keys.path("keyring.asc")) };
    let mut repository = verified(&origin, folder.path(), both);
    assert_eq!(repository.fetch().await.unwrap().signer.as_deref(), Some("ann@example.com"));
    commit("ann@example.com");
    assert_eq!(repository.fetch().await.unwrap().signer.as_deref(), Some("Ann <ann@example.com>"));
    let only_ssh = Verification { allowed_signers: Some(keys.path("signers")), keyring: None };
    let error = verified(&origin, folder.path(), only_ssh).fetch().await.unwrap_err();
    assert_eq!(error.code(), "unsigned", "{error:?}");
    run(Command::new("gpgconf").env("GNUPGHOME", home.path()).args(["--kill", "all"]));
}
