//! The parts that need no server.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::super::account::stand_in_for_root_in;
use super::super::binaries::version_in;
use super::super::install::hint_for;
use super::super::postmaster::Record;
use super::super::probe::{Answer, refusal_of};
use super::super::{Endpoint, default_root};

#[test]
fn the_url_is_what_psql_accepts() {
    let url = |folder: &str| Endpoint::at(PathBuf::from(folder)).url();
    assert_eq!(url("/a/run"), "postgresql://synthex@/synthex?host=%2Fa%2Frun&port=5432");
    assert_eq!(url("/ü &"), "postgresql://synthex@/synthex?host=%2F%C3%BC%20%26&port=5432");
}

#[test]
fn the_default_root_is_beside_the_project_but_not_for_root() {
    let root = |path: &str| default_root(Path::new(path), true).display().to_string();
    assert_eq!(default_root(Path::new("/p"), false), Path::new("/p/.synthex/postgres"));
    assert!(root("/nowhere/My Shop_ü (1)").starts_with("/var/lib/synthex/my-shop-1-"));
    assert!(root("/").starts_with("/var/lib/synthex/project-"));
    assert_eq!(root(&format!("/nowhere/{}", "x".repeat(200))).len(), "/var/lib/synthex/".len() + 32 + 1 + 12);
    assert_ne!(root("/nowhere/a"), root("/elsewhere/a"));
    assert_eq!(root("."), root(".").replace("//", "/"));
    assert_eq!(root("."), default_root(&std::env::current_dir().unwrap(), true).display().to_string());
}

#[test]
fn postmaster_pid_may_be_half_written() {
    let full = "4711\n/d/data\n1700000000\n5432\n/d/run\n\n   123    4\nready   \n";
    let record = Record::parse(full).unwrap();
    assert_eq!(record.pid, 4711);
    assert_eq!(record.since, Some(SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000)));
    assert_eq!(record.socket_dir.as_deref(), Some(Path::new("/d/run")));
    assert!(record.says_ready);
    assert!(!Record::parse(&full.replace("ready", "stopping")).unwrap().says_ready);
    assert_eq!(Record::parse("4711\n").unwrap().socket_dir, None);
    for useless in ["", "\n", "-4711\n", "0\n", "x\n"] {
        assert_eq!(Record::parse(useless), None, "{useless:?}");
    }
}

#[test]
fn only_not_now_means_not_now() {
    let message = |code: &str| refusal_of(format!("SFATAL\0VFATAL\0C{code}\0Mthe words\0\0").as_bytes());
    assert_eq!(message("57P03"), Answer::NotYet { message: "the words".to_owned() });
    for other in ["53300", "3D000", "28000"] {
        assert_eq!(message(other), Answer::Ready { version: None });
    }
}

#[test]
fn versions_are_read_as_every_distribution_prints_them() {
    let check = |text: &str, major: u32, minor: u32| {
        let found =
            version_in(&format!("postgres (PostgreSQL) {text}")).map(|(major, minor, _)| (major, minor));
        assert_eq!(found, Some((major, minor)), "{text}");
    };
    check("15.18 (Debian 15.18-0+deb12u1)", 15, 18);
    check("17.2", 17, 2);
    check("19devel", 19, 0);
    check("18beta2", 18, 0);
    check("9.6.24", 9, 6);
    assert_eq!(version_in("psql (PostgreSQL) 15.1"), None);
    assert_eq!(version_in(""), None);
}

#[test]
fn root_stands_back_for_postgres_or_nobody() {
    let check = |passwd: &str, expected: Option<(&str, u32, u32)>| {
        let expected = expected.map(|(name, uid, gid)| (name.to_owned(), uid, gid));
        assert_eq!(stand_in_for_root_in(passwd), expected, "{passwd}");
    };
    let nobody = "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65533:nobody:/:/bin/false\n";
    check(nobody, Some(("nobody", 65_534, 65_533)));
    check(&format!("{nobody}postgres:x:70:71::/:/bin/sh\n"), Some(("postgres", 70, 71)));
    check(
        "nobody:*:-2:-2:Unprivileged User:/var/empty:/usr/bin/false",
        Some(("nobody", 4_294_967_294, 4_294_967_294)),
    );
    check("postgres:x:0:0::/:/bin/sh\n", None);
    check("", None);
}

#[test]
fn the_hint_names_the_command_of_this_system() {
    let check = |os_release: &str, expected: &str| {
        let hint = hint_for("linux", os_release);
        assert!(hint.contains(expected), "{os_release}: {hint}");
    };
    check("NAME=\"Ubuntu\"\nID=ubuntu\nID_LIKE=debian\n", "apt install postgresql");
    check("ID=linuxmint\nID_LIKE=\"ubuntu debian\"\n", "apt install postgresql");
    check("ID=\"rocky\"\nID_LIKE=\"rhel centos fedora\"\n", "dnf install postgresql-server");
    check("ID=alpine\n", "apk add postgresql");
    check("ID=arch\n", "pacman -S postgresql");
    check("ID=nixos\n", "nixpkgs#postgresql");
    check("ID=plan9\n", "https://www.postgresql.org/download/");
    check("", "SYNTHEX_PG_BINDIR");
    assert!(hint_for("macos", "").contains("brew install"));
}
