//! A git repository as a source of manifests: what a branch stands at, and the files of exactly that commit, whatever
//! happens to the branch, to the cache, and to git in the middle of its work.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::Duration;

use synthex::files::Repository;

use crate::support::git::{Origin, holds, options, repository};

/// The commits whose files are in a cache.
fn kept(folder: &Path) -> Vec<String> {
    let names = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut commits: Vec<String> = names.filter(|name| name.len() == 40).collect();
    commits.sort();
    commits
}

#[tokio::test(flavor = "multi_thread")]
async fn a_branch_is_followed_also_where_it_is_rewritten() {
    let (origin, folder) = (Origin::with_a_commit(), tempfile::tempdir().unwrap());
    let mut repository = repository(&origin, folder.path());
    let first = repository.fetch().await.unwrap();
    assert_eq!(first.sha, origin.head());
    assert_eq!((first.author.as_deref(), first.subject.as_str()), (Some("Ann"), "declare"));
    assert_eq!(first.signer, None);
    let files = repository.check_out(&first.sha, &[]).await.unwrap();
    assert_eq!(files, folder.path().join(&first.sha));
    holds(&files, "a.yaml", "one\n");

    origin.commit(&[("a.yaml", "two\n"), ("deep/er/b.yaml", "new\n")]);
    let second = repository.fetch().await.unwrap();
    let files = repository.check_out(&second.sha, std::slice::from_ref(&first.sha)).await.unwrap();
    holds(&files, "a.yaml", "two\n");
    holds(&files, "deep/er/b.yaml", "new\n");
    holds(&folder.path().join(&first.sha), "a.yaml", "one\n");

    origin.git(&["reset", "--quiet", "--hard", &first.sha]);
    let third = origin.commit(&[("a.yaml", "three\n")]);
    assert_eq!(repository.fetch().await.unwrap().sha, third);
    holds(&repository.check_out(&third, &[]).await.unwrap(), "a.yaml", "three\n");
    assert_eq!(kept(folder.path()), [third], "what nobody keeps is removed");
}

#[tokio::test(flavor = "multi_thread")]
async fn branches_tags_and_commits_can_be_named() {
    let (origin, folder) = (Origin::with_a_commit(), tempfile::tempdir().unwrap());
    let first = origin.head();
    origin.git(&["tag", "--annotate", "--message", "v1", "v1"]);
    origin.git(&["tag", "light"]);
    origin.git(&["branch", "release/1.0"]);
    let second = origin.commit(&[("a.yaml", "two\n")]);
    // A branch of the same name as a tag is what is followed.
    origin.git(&["tag", "main", &first]);
    let at = |reference: &str| {
        let mut options = options(format!("file://{}", origin.path().display()), folder.path());
        options.reference = reference.to_owned();
        Repository::new(options)
    };
    for (reference, sha) in [
        ("v1", &first),
        ("light", &first),
        ("release/1.0", &first),
        ("refs/tags/v1", &first),
        (first.as_str(), &first),
        ("main", &second),
        ("HEAD", &second),
    ] {
        let mut repository = at(reference);
        assert_eq!(repository.fetch().await.unwrap().sha, *sha, "{reference}");
        let text = if *sha == first { "one\n" } else { "two\n" };
        holds(&repository.check_out(sha, &[]).await.unwrap(), "a.yaml", text);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_there_is_an_error_and_what_was_there_stays() {
    let (origin, folder) = (Origin::with_a_commit(), tempfile::tempdir().unwrap());
    let mut repository = repository(&origin, folder.path());
    let first = repository.fetch().await.unwrap();
    let files = repository.check_out(&first.sha, &[]).await.unwrap();
    origin.git(&["branch", "--move", "main", "trunk"]);
    let error = repository.fetch().await.unwrap_err();
    assert_eq!(error.code(), "no-such-ref");
    assert!(error.to_string().ends_with("has no branch or tag `main`"), "{error}");
    holds(&files, "a.yaml", "one\n");
    origin.git(&["branch", "--move", "trunk", "main"]);
    assert_eq!(repository.fetch().await.unwrap(), first);

    let nothing = "0123456789".repeat(4);
    assert_eq!(repository.check_out(&nothing, &[]).await.unwrap_err().code(), "no-such-commit");
    assert_eq!(repository.check_out("main", &[]).await.unwrap_err().code(), "no-such-commit");
    assert_eq!(repository.check_out("../../x", &[]).await.unwrap_err().code(), "no-such-commit");
    holds(&files, "a.yaml", "one\n");

    let code = async |url: &Path, reference: &str| {
        let mut options = options(url, &folder.path().join("other"));
        options.reference = reference.to_owned();
        Repository::new(options).fetch().await.unwrap_err().code()
    };
    assert_eq!(code(origin.path(), "nope").await, "no-such-ref");
    assert_eq!(code(origin.path(), &nothing).await, "no-such-commit");
    assert_eq!(code(origin.path(), "--upload-pack=touch").await, "invalid");
    assert_eq!(code(Origin::new().path(), "main").await, "no-such-ref");
    assert_eq!(code(Path::new("/nowhere/at/all"), "main").await, "unreachable");
    assert_eq!(code(Path::new("https://127.0.0.1:1/shop"), "main").await, "unreachable");
    assert_eq!(code(Path::new("ssh://127.0.0.1:1/shop"), "main").await, "unreachable");
    assert_eq!(code(Path::new("https://me:secret@127.0.0.1:1/shop"), "main").await, "invalid");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_checked_out_is_what_was_fetched_though_the_branch_moved() {
    let (origin, folder) = (Origin::with_a_commit(), tempfile::tempdir().unwrap());
    let (mut one, mut other) = (repository(&origin, folder.path()), repository(&origin, folder.path()));
    let first = one.fetch().await.unwrap();
    origin.commit(&[("a.yaml", "two\n")]);
    // Another replica moves on, and keeps nothing.
    let second = other.fetch().await.unwrap();
    other.check_out(&second.sha, &[]).await.unwrap();
    let files = one.check_out(&first.sha, &[]).await.unwrap();
    holds(&files, "a.yaml", "one\n");
    // What one reads, the other does not remove.
    origin.commit(&[("a.yaml", "three\n")]);
    let third = other.fetch().await.unwrap();
    other.check_out(&third.sha, &[]).await.unwrap();
    holds(&files, "a.yaml", "one\n");
    drop(one);
    other.check_out(&third.sha, &[]).await.unwrap();
    assert_eq!(kept(folder.path()), std::slice::from_ref(&third.sha));
    // What was removed comes back from the server, by its id.
    holds(&other.check_out(&first.sha, &[]).await.unwrap(), "a.yaml", "one\n");
    // What is in the cache needs no server.
    let path = origin.path().to_path_buf();
    drop(origin);
    let mut offline = Repository::new(options(path, folder.path()));
    assert_eq!(offline.fetch().await.unwrap_err().code(), "unreachable");
    holds(
        &offline.check_out(&third.sha, std::slice::from_ref(&first.sha)).await.unwrap(),
        "a.yaml",
        "three\n",
    );
    holds(&offline.check_out(&first.sha, &[]).await.unwrap(), "a.yaml", "one\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_cache_is_made_anew() {
    let (origin, folder) = (Origin::with_a_commit(), tempfile::tempdir().unwrap());
    let git = folder.path().join("repository.git");
    let packs = |change: &dyn Fn(&Path)| {
        let mut count = 0;
        for entry in fs::read_dir(git.join("objects/pack")).unwrap().flatten() {
            if entry.path().extension().is_some_and(|extension| extension == "pack") {
                fs::set_permissions(entry.path(), fs::Permissions::from_mode(0o600)).unwrap();
                change(&entry.path());
                count += 1;
            }
        }
        assert!(count > 0, "there is no pack to break");
    };
    let breaks: [(&str, &dyn Fn()); 6] = [
        ("a pack is empty", &|| packs(&|path| fs::write(path, "").unwrap())),
        ("a pack is gone", &|| packs(&|path| fs::remove_file(path).unwrap())),
        ("a pack is garbage", &|| packs(&|path| fs::write(path, vec![7; 5_000]).unwrap())),
        ("there is no HEAD", &|| fs::remove_file(git.join("HEAD")).unwrap()),
        ("the objects are gone", &|| fs::remove_dir_all(git.join("objects")).unwrap()),
        ("it is a file", &|| {
            fs::remove_dir_all(&git).unwrap();
            fs::write(&git, "x").unwrap();
        }),
    ];
    for (number, (how, break_it)) in breaks.iter().enumerate() {
        let old = repository(&origin, folder.path()).fetch().await.unwrap();
        break_it();
        // It is the same commit that is asked for, so nothing would be fetched.
        let mut repository = repository(&origin, folder.path());
        assert_eq!(repository.fetch().await.expect(how), old, "{how}");
        let text = format!("{number}\n");
        let files = repository.check_out(&old.sha, &[]).await.expect(how);
        assert!(files.join("a.yaml").is_file(), "{how}");
        break_it();
        let new = origin.commit(&[("a.yaml", &text)]);
        assert_eq!(repository.fetch().await.expect(how).sha, new, "{how}");
        holds(&repository.check_out(&new, &[]).await.expect(how), "a.yaml", &text);
        // And between the two.
        let newer = origin.commit(&[("b.yaml", &text)]);
        repository.fetch().await.expect(how);
        break_it();
        holds(&repository.check_out(&newer, &[]).await.expect(how), "b.yaml", &text);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_killed_run_left_is_in_nobodys_way() {
    let (origin, folder) = (Origin::with_a_commit(), tempfile::tempdir().unwrap());
    repository(&origin, folder.path()).fetch().await.unwrap();
    let commit = origin.commit(&[("a.yaml", "two\n")]);
    let git = folder.path().join("repository.git");
    let left = [
        git.join("shallow.lock"),
        git.join("packed-refs.lock"),
        git.join("HEAD.lock"),
        git.join("refs/synthex/incoming.lock"),
        git.join("objects/pack/tmp_pack_x1"),
        folder.path().join(format!(".new-{commit}")).join("a.yaml"),
        folder.path().join(format!(".new-{commit}.index")),
        folder.path().join(".old-x").join("a.yaml"),
    ];
    for path in &left {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, "half").unwrap();
    }
    let mut repository = repository(&origin, folder.path());
    assert_eq!(repository.fetch().await.unwrap().sha, commit);
    holds(&repository.check_out(&commit, &[]).await.unwrap(), "a.yaml", "two\n");
    for path in &left {
        assert!(!path.exists(), "{}", path.display());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_done_to_the_files_by_hand_is_not_taken_for_the_commit() {
    let origin = Origin::new();
    let commit = origin.commit(&[("a.yaml", "one\n"), ("b.yaml", "b\n")]);
    let folder = tempfile::tempdir().unwrap();
    let files = repository(&origin, folder.path()).check_out(&commit, &[]).await.unwrap();
    let edits: [&dyn Fn(); 4] = [
        &|| fs::write(files.join("a.yaml"), "two\n").unwrap(),
        &|| fs::write(files.join("a.yaml"), "").unwrap(),
        &|| fs::remove_file(files.join("b.yaml")).unwrap(),
        &|| fs::write(files.join("c.yaml"), "c\n").unwrap(),
    ];
    for edit in edits {
        edit();
        assert_eq!(repository(&origin, folder.path()).check_out(&commit, &[]).await.unwrap(), files);
        holds(&files, "a.yaml", "one\n");
        holds(&files, "b.yaml", "b\n");
        assert!(!files.join("c.yaml").exists());
    }
    let before = fs::metadata(&files).unwrap().modified().unwrap();
    repository(&origin, folder.path()).check_out(&commit, &[]).await.unwrap();
    assert_eq!(fs::metadata(&files).unwrap().modified().unwrap(), before, "what is as it should be stays");
}

#[tokio::test(flavor = "multi_thread")]
async fn many_may_use_one_cache_at_once() {
    let (origin, folder) = (Origin::with_a_commit(), tempfile::tempdir().unwrap());
    let replica = async || {
        let mut repository = repository(&origin, folder.path());
        let mut seen = 0;
        while seen < 6 {
            let commit = repository.fetch().await.unwrap();
            let files = repository.check_out(&commit.sha, &[]).await.unwrap();
            let text = fs::read_to_string(files.join("a.yaml")).unwrap();
            assert_eq!(origin.git(&["show", &format!("{}:a.yaml", commit.sha)]), text.trim());
            seen += 1;
        }
    };
    let mover = async {
        for number in 0..6 {
            origin.commit(&[("a.yaml", &format!("{number}\n"))]);
            tokio::time::sleep(Duration::from_millis(30)).await;
        }
    };
    tokio::join!(replica(), replica(), replica(), mover);
    let mut last = repository(&origin, folder.path());
    let commit = last.fetch().await.unwrap();
    last.check_out(&commit.sha, &[]).await.unwrap();
    assert_eq!(kept(folder.path()), [commit.sha]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cache_does_not_grow_with_every_commit() {
    let (origin, folder) = (Origin::with_a_commit(), tempfile::tempdir().unwrap());
    let mut repository = repository(&origin, folder.path());
    for number in 0..40 {
        let commit = origin.commit(&[("a.yaml", &format!("{number}\n"))]);
        assert_eq!(repository.fetch().await.unwrap().sha, commit);
        holds(&repository.check_out(&commit, &[]).await.unwrap(), "a.yaml", &format!("{number}\n"));
    }
    let packs = fs::read_dir(folder.path().join("repository.git/objects/pack")).unwrap().count();
    // Each has an index and a reverse index beside it.
    assert!(packs < 33 * 3, "{packs} files of packs");
    let names = fs::read_dir(folder.path()).unwrap().count();
    assert!(names < 8, "{names} names in the cache");
}

#[tokio::test(flavor = "multi_thread")]
async fn longer_ids_are_as_good() {
    let (origin, folder) = (Origin::new(), tempfile::tempdir().unwrap());
    fs::remove_dir_all(origin.path().join(".git")).unwrap();
    origin.git(&["init", "--quiet", "--initial-branch=main", "--object-format=sha256", "."]);
    let commit = origin.commit(&[("a.yaml", "one\n")]);
    assert_eq!(commit.len(), 64);
    let mut repository = repository(&origin, folder.path());
    assert_eq!(repository.fetch().await.unwrap().sha, commit);
    holds(&repository.check_out(&commit, &[]).await.unwrap(), "a.yaml", "one\n");
}
