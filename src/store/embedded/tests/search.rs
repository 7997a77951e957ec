//! Which binaries are taken, with shell scripts in their place.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use super::super::EmbeddedError;
use super::super::account::Account;
use super::super::binaries::{Wanted, candidates, find_among};
use super::support::block_on;

/// A file system with these servers installed: folder and what `postgres --version` prints.
fn machine(installed: &[(&str, &str)]) -> tempfile::TempDir {
    let machine = tempfile::tempdir().unwrap();
    std::fs::set_permissions(machine.path(), Permissions::from_mode(0o755)).unwrap();
    for (folder, version) in installed {
        let folder = machine.path().join(folder);
        std::fs::create_dir_all(&folder).unwrap();
        for program in ["postgres", "initdb"] {
            std::fs::write(folder.join(program), format!("#!/bin/sh\necho '{version}'\n")).unwrap();
            std::fs::set_permissions(folder.join(program), Permissions::from_mode(0o755)).unwrap();
        }
    }
    machine
}

fn find(machine: &Path, major: Option<u32>) -> Result<PathBuf, EmbeddedError> {
    let folders: Vec<PathBuf> = candidates(machine, None);
    let account = Account::choose(Path::new("/nowhere")).unwrap();
    let wanted = Wanted { data: Path::new("/d/data"), major, recorded: None };
    let binaries = block_on(find_among(&folders, &account, wanted))?;
    Ok(binaries.folder.strip_prefix(machine).unwrap().to_path_buf())
}

const DEBIAN: &[(&str, &str)] = &[
    ("usr/lib/postgresql/9.6/bin", "postgres (PostgreSQL) 9.6.24"),
    ("usr/lib/postgresql/15/bin", "postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)"),
    ("usr/lib/postgresql/16/bin", "postgres (PostgreSQL) 16.2"),
    ("opt/homebrew/opt/postgresql@16/bin", "postgres (PostgreSQL) 16.10"),
];

#[test]
fn the_newest_is_taken_for_new_data() {
    let machine = machine(DEBIAN);
    assert_eq!(find(machine.path(), None).unwrap(), Path::new("opt/homebrew/opt/postgresql@16/bin"));
}

#[test]
fn existing_data_gets_the_version_that_made_it() {
    let machine = machine(DEBIAN);
    assert_eq!(find(machine.path(), Some(15)).unwrap(), Path::new("usr/lib/postgresql/15/bin"));
    let error = find(machine.path(), Some(17)).unwrap_err();
    assert_eq!(error.code(), "wrong_version");
    let text = error.to_string();
    assert!(
        ["PostgreSQL 17", "16.10 in", "15.18 in", "9.6.24 in"].iter().all(|part| text.contains(part)),
        "{text}"
    );
}

#[test]
fn every_layout_is_searched() {
    for folder in [
        "usr/lib/postgresql/17/bin",
        "usr/pgsql-17/bin",
        "usr/libexec/postgresql17",
        "usr/lib/postgresql17/bin",
        "usr/lib64/postgresql-17/bin",
        "usr/bin",
        "usr/local/pgsql/bin",
        "opt/homebrew/opt/postgresql@17/bin",
        "usr/local/opt/postgresql@17/bin",
        "opt/local/lib/postgresql17/bin",
        "Applications/Postgres.app/Contents/Versions/17/bin",
        "run/current-system/sw/bin",
    ] {
        let machine = machine(&[(folder, "postgres (PostgreSQL) 17.2")]);
        assert_eq!(find(machine.path(), None).unwrap(), Path::new(folder));
    }
}

#[test]
fn a_broken_installation_is_passed_over_but_not_hidden() {
    let broken = ("usr/bin", "cannot open shared object");
    let both = machine(&[broken, ("usr/pgsql-14/bin", "postgres (PostgreSQL) 14.1")]);
    assert_eq!(find(both.path(), None).unwrap(), Path::new("usr/pgsql-14/bin"));
    let alone = machine(&[broken]);
    let error = find(alone.path(), None).unwrap_err();
    assert!(error.to_string().contains("cannot open shared object"), "{error}");
}

#[test]
fn too_old_and_none_at_all_say_what_to_install() {
    let old = machine(&[("usr/bin", "postgres (PostgreSQL) 13.20")]);
    let error = find(old.path(), None).unwrap_err();
    assert_eq!((error.code(), error.to_string().contains("13.20")), ("too_old", true));
    let error = find(machine(&[]).path(), None).unwrap_err();
    assert_eq!(error.code(), "no_binaries");
    let help = error.help();
    assert!(
        ["install", "--database-url", "SYNTHEX_DATABASE_URL"].iter().all(|part| help.contains(part)),
        "{help}"
    );
}
