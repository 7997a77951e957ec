//! What is wrong with a folder, and what is said about it.

use std::error::Error as _;
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;
use std::time::Duration;

use super::super::{EmbeddedError, HowAttached, default_root, status, stop};
use super::support::{Fixture, block_on, is_root, kill, psql};

#[track_caller]
fn fails_with(fixture: &Fixture, code: &str) -> EmbeddedError {
    let error = fixture.try_up().expect_err(code);
    assert_eq!(error.code(), code, "{error}");
    assert!(!error.help().is_empty());
    if let Some(source) = error.source() {
        assert!(!error.to_string().contains(&source.to_string()), "{error} repeats {source}");
    }
    error
}

#[test]
fn a_named_folder_without_the_binaries() {
    let mut fixture = Fixture::new();
    fixture.config.bindir = Some(fixture.folder.path().to_path_buf());
    assert!(fails_with(&fixture, "bad_bindir").to_string().contains("`postgres`"));
}

#[test]
fn data_that_is_no_cluster() {
    let fixture = Fixture::new();
    std::fs::create_dir_all(fixture.data()).unwrap();
    hand_over(&fixture);
    assert!(fails_with(&fixture, "corrupt").to_string().contains("PG_VERSION"));
    std::fs::write(fixture.data().join("PG_VERSION"), "nonsense\n").unwrap();
    assert!(fails_with(&fixture, "corrupt").to_string().contains("nonsense"));
    block_on(status(&fixture.config));
    assert!(!block_on(stop(&fixture.config)).unwrap());
}

#[test]
fn data_of_another_version() {
    let fixture = Fixture::new();
    std::fs::create_dir_all(fixture.data()).unwrap();
    hand_over(&fixture);
    std::fs::write(fixture.data().join("PG_VERSION"), "12\n").unwrap();
    assert!(fails_with(&fixture, "wrong_version").to_string().contains("PostgreSQL 12"));
}

#[test]
fn a_server_that_dies_at_the_start_is_quoted() {
    let fixture = Fixture::new();
    fixture.up();
    block_on(stop(&fixture.config)).unwrap();
    let settings = fixture.data().join("postgresql.conf");
    let before = std::fs::read_to_string(&settings).unwrap();
    std::fs::write(&settings, format!("{before}\nno_such_setting = 1\n")).unwrap();
    let text = fails_with(&fixture, "died").to_string();
    assert!(text.contains("no_such_setting"), "{text}");
    std::fs::write(&settings, before).unwrap();
    assert_eq!(fixture.up().1, HowAttached::Started);
}

#[test]
fn a_file_in_the_folder_s_place() {
    let fixture = Fixture::new();
    std::fs::write(fixture.root(), "").unwrap();
    fails_with(&fixture, "io");
}

#[test]
fn the_lock_held_for_ever() {
    let fixture = Fixture::new();
    let path = fixture.folder.path().join("lock");
    let holder = super::super::lock::try_acquire(&path).unwrap();
    let error = block_on(super::super::lock::acquire(&path, Duration::from_millis(50))).unwrap_err();
    assert!(error.to_string().contains(&path.display().to_string()));
    drop(holder);
    block_on(super::super::lock::acquire(&path, Duration::ZERO)).unwrap();
    assert_eq!(error.code(), "busy");
}

/// As after a container was replaced: the number in the file now belongs to something else.
#[test]
fn a_process_number_that_found_a_new_bearer() {
    let fixture = Fixture::new();
    let (endpoint, _) = fixture.up();
    let record = fixture.data().join("postmaster.pid");
    let text = std::fs::read_to_string(&record).unwrap();
    let postmaster = fixture.postmaster();
    kill(postmaster);
    let mut other = Command::new("sleep").arg("60").spawn().unwrap();
    let forged = text.replacen(&postmaster.to_string(), &other.id().to_string(), 1);
    std::fs::write(&record, forged).unwrap();
    assert!(!block_on(stop(&fixture.config)).unwrap(), "what is not ours is not stopped");
    assert!(other.try_wait().unwrap().is_none());
    assert_eq!(fixture.up().1, HowAttached::Started);
    assert!(psql(&endpoint, "select 1").is_none_or(|one| one == "1"));
    other.kill().unwrap();
    other.wait().unwrap();
}

#[test]
fn data_that_others_may_read_is_closed_again() {
    let fixture = Fixture::new();
    fixture.up();
    block_on(stop(&fixture.config)).unwrap();
    std::fs::set_permissions(fixture.data(), Permissions::from_mode(0o755)).unwrap();
    assert_eq!(fixture.up().1, HowAttached::Started);
}

#[test]
fn a_large_log_is_set_aside() {
    let fixture = Fixture::new();
    fixture.up();
    block_on(stop(&fixture.config)).unwrap();
    std::fs::File::options()
        .append(true)
        .open(fixture.root().join("server.log"))
        .unwrap()
        .set_len(11 << 20)
        .unwrap();
    fixture.up();
    assert!(fixture.names().contains(&"server.log.1".to_owned()));
    assert!(block_on(status(&fixture.config)).log_bytes < 1 << 20);
}

#[test]
fn root_s_own_folders_cannot_be_reached() {
    if !is_root() {
        return;
    }
    let fixture = Fixture::new();
    std::fs::set_permissions(fixture.folder.path(), Permissions::from_mode(0o700)).unwrap();
    let text = fails_with(&fixture, "unreachable").to_string();
    assert!(text.contains(&fixture.folder.path().display().to_string()), "{text}");
    assert!(!default_root(fixture.folder.path(), true).starts_with(fixture.folder.path()));
}

/// What is put there by hand as root has to belong to the user who would run it.
fn hand_over(fixture: &Fixture) {
    if is_root() {
        std::os::unix::fs::chown(fixture.data(), Some(65_534), Some(65_534)).unwrap();
    }
}
