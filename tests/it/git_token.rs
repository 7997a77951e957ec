//! A repository that only who has the token may read: the token reaches the server, and nobody else.

use std::time::Duration;

use synthex::files::{Repository, RepositoryError};
use synthex::model::secret::Redacted;

use crate::support::eventually;
use crate::support::git::{GitServer, Manner, Origin, basic, files_with, options, processes, with_token};

const TOKEN: &str = "canary-7f3a";

fn served() -> (Origin, GitServer) {
    let origin = Origin::with_a_commit();
    let server = GitServer::new(origin.path(), Some(("x-access-token", TOKEN)));
    (origin, server)
}

/// No part of what is shown has the token in it.
#[track_caller]
fn is_silent(error: &RepositoryError) {
    let all = format!("{error} {error:?} {:?} {}", error.why(), error.help());
    let encoded = basic("x-access-token", TOKEN);
    assert!(!all.contains(TOKEN) && !all.contains(&encoded[6..]), "{all}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_token_reaches_the_server_and_is_seen_nowhere_else() {
    let (origin, server) = served();
    let folder = tempfile::tempdir().unwrap();
    let mut repository = Repository::new(with_token(options(server.url(".git"), folder.path()), TOKEN));
    let commit = repository.fetch().await.unwrap();
    assert_eq!(commit.sha, origin.head());
    let files = repository.check_out(&commit.sha, &[]).await.unwrap();
    assert_eq!(std::fs::read_to_string(files.join("a.yaml")).unwrap(), "one\n");

    let expected = basic("x-access-token", TOKEN);
    let sent = server.authorisations();
    assert!(!sent.is_empty() && sent.iter().all(|sent| *sent == expected), "{sent:?}");
    let processes = server.processes();
    assert!(processes.contains("git-remote-http") || processes.contains("remote-http"), "{processes}");
    for secret in [TOKEN, &expected[6..]] {
        assert!(!processes.contains(secret), "on a command line:\n{processes}");
        assert_eq!(files_with(folder.path(), secret), Vec::<std::path::PathBuf>::new());
    }
    assert!(!repository.shown().contains(TOKEN));
}

#[tokio::test(flavor = "multi_thread")]
async fn where_nothing_moved_nothing_is_fetched() {
    let (origin, server) = served();
    let folder = tempfile::tempdir().unwrap();
    let reach = || with_token(options(server.url(".git"), folder.path()), TOKEN);
    let mut repository = Repository::new(reach());
    let has_fetched = |server: &GitServer| {
        let requests = server.take_requests();
        assert!(!requests.is_empty(), "the server was not asked at all");
        requests.iter().any(|request| request.ends_with(" fetch"))
    };
    let first = repository.fetch().await.unwrap();
    assert!(has_fetched(&server));
    assert_eq!(repository.fetch().await.unwrap(), first);
    assert!(!has_fetched(&server));
    assert_eq!(Repository::new(reach()).fetch().await.unwrap(), first, "after a restart");
    assert!(!has_fetched(&server));
    let moved = origin.commit(&[("a.yaml", "two\n")]);
    assert_eq!(repository.fetch().await.unwrap().sha, moved);
    assert!(has_fetched(&server));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_not_let_in_hears_so_without_the_token() {
    let (_origin, server) = served();
    let folder = tempfile::tempdir().unwrap();
    let mut repository = Repository::new(options(server.url(".git"), folder.path()));
    let error = repository.fetch().await.unwrap_err();
    assert_eq!(error.code(), "refused", "{error:?}");
    repository.set_token(Some(Redacted::new("not-the-token".to_owned())));
    assert_eq!(repository.fetch().await.unwrap_err().code(), "refused");
    // The token was renewed meanwhile.
    repository.set_token(Some(Redacted::new(TOKEN.to_owned())));
    repository.fetch().await.unwrap();

    server.behave(Manner::Repeats);
    let error = repository.fetch().await.unwrap_err();
    assert_eq!(error.code(), "refused", "{error:?}");
    is_silent(&error);
    server.behave(Manner::Serves);
    let missing = with_token(options(server.url("nothing"), folder.path()), TOKEN);
    let error = Repository::new(missing).fetch().await.unwrap_err();
    assert_eq!(error.code(), "refused", "{error:?}");
    is_silent(&error);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_token_does_not_follow_a_redirect() {
    let (_origin, server) = served();
    let elsewhere = Origin::with_a_commit();
    let other = GitServer::new(elsewhere.path(), None);
    server.behave(Manner::Redirects(other.url("").trim_end_matches('/').to_owned()));
    let folder = tempfile::tempdir().unwrap();
    let mut repository = Repository::new(with_token(options(server.url(".git"), folder.path()), TOKEN));
    let error = repository.fetch().await.unwrap_err();
    assert_eq!(error.code(), "unreachable", "{error:?}");
    is_silent(&error);
    assert_eq!(other.take_requests(), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_hangs_is_left_and_nothing_of_git_stays() {
    let (origin, server) = served();
    let folder = tempfile::tempdir().unwrap();
    let mut reach = with_token(options(server.url(".git"), folder.path()), TOKEN);
    reach.timeout = Duration::from_secs(2);
    let url = reach.url.clone();
    server.behave(Manner::Hangs);
    let mut repository = Repository::new(reach);
    let error = repository.fetch().await.unwrap_err();
    assert_eq!(error.code(), "slow", "{error:?}");
    assert!(server.processes().contains(&url), "the search for it is broken");
    assert!(eventually(Duration::from_secs(10), || !processes().contains(&url)), "{}", processes());

    // Also when nobody waits for it any more, and git itself would wait for long.
    let mut repository = Repository::new(with_token(options(&url, folder.path()), TOKEN));
    let waited = tokio::time::timeout(Duration::from_millis(500), repository.fetch()).await;
    assert!(waited.is_err());
    assert!(eventually(Duration::from_secs(10), || !processes().contains(&url)), "{}", processes());
    server.behave(Manner::Serves);
    assert_eq!(repository.fetch().await.unwrap().sha, origin.head());
}
