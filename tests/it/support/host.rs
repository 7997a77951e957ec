//! What the machine offers to run servers: PostgreSQL's programs, a user that may run them, and a folder for it.

use std::fs::{self, File};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use rustix::io::Errno;
use rustix::process::{Pid, geteuid, test_kill_process};

use super::eventually;

/// Who runs servers in place of root.
#[derive(Clone, Copy)]
pub struct Account {
    pub user: u32,
    pub group: u32,
}

/// `None` if this process is not root, and so runs servers as itself.
pub fn account() -> Option<Account> {
    if !geteuid().is_root() {
        return None;
    }
    let passwd = fs::read_to_string("/etc/passwd").expect("/etc/passwd");
    let find = |name: &str| {
        let mut fields = passwd.lines().map(|line| line.split(':').collect::<Vec<_>>());
        let fields = fields.find(|fields| fields.len() > 3 && fields[0] == name)?;
        Some(Account { user: fields[2].parse().ok()?, group: fields[3].parse().ok()? })
    };
    Some(
        find("postgres")
            .or_else(|| find("nobody"))
            .expect("a user postgres or nobody, as root may not run PostgreSQL"),
    )
}

/// A folder of this target folder and user with a path short enough for Unix sockets (107 bytes).
pub fn short_folder() -> PathBuf {
    let key = format!("{} {}", env!("CARGO_TARGET_TMPDIR"), geteuid().as_raw());
    // FNV-1a: the same in every process and every build.
    let hash = key.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    let folder = PathBuf::from(format!("/tmp/synthex-test-{hash:016x}"));
    make_folder(&folder);
    folder
}

/// A folder that belongs to the user of the server, whom nobody else can have put in our way.
pub fn make_folder(folder: &Path) {
    let user = account().map_or_else(|| geteuid().as_raw(), |account| account.user);
    // As root, the tests and the server are different users, and both must get in.
    let mode = if geteuid().is_root() { 0o755 } else { 0o700 };
    if fs::DirBuilder::new().mode(mode).create(folder).is_ok() {
        fs::set_permissions(folder, fs::Permissions::from_mode(mode)).expect("the mode can be set");
        if let Some(account) = account() {
            chown(folder, Some(account.user), Some(account.group)).expect("root may give a folder away");
        }
    }
    // Another process may be between making the folder and giving it away.
    let ours = || fs::symlink_metadata(folder).is_ok_and(|meta| meta.is_dir() && meta.uid() == user);
    assert!(
        eventually(Duration::from_secs(2), ours),
        "{} is not a folder of user {user}: remove it",
        folder.display()
    );
}

/// Where initdb and postgres are.
pub fn binaries() -> PathBuf {
    if let Some(folder) = std::env::var_os("SYNTHEX_PG_BINDIR").map(PathBuf::from) {
        assert!(has_server(&folder), "SYNTHEX_PG_BINDIR={} has no initdb and postgres", folder.display());
        return folder;
    }
    let pg_config = Command::new("pg_config").arg("--bindir").output().map(|output| output.stdout);
    let from_pg_config = PathBuf::from(String::from_utf8_lossy(&pg_config.unwrap_or_default()).trim());
    let mut debian: Vec<PathBuf> = fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path())
        .collect();
    debian.sort_by_key(|path| path.file_name().and_then(|name| name.to_string_lossy().parse::<u32>().ok()));
    let on_path = std::env::var_os("PATH").unwrap_or_default();
    std::iter::once(from_pg_config)
        .chain(debian.into_iter().rev().map(|path| path.join("bin")))
        .chain(std::env::split_paths(&on_path))
        .find(|folder| has_server(folder))
        .expect("PostgreSQL's server programs: install postgresql, or set SYNTHEX_PG_BINDIR to where initdb and postgres are")
}

fn has_server(folder: &Path) -> bool {
    folder.is_absolute()
        && File::open(folder.join("initdb")).is_ok()
        && File::open(folder.join("postgres")).is_ok()
}

/// `15` of `postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)`.
pub fn major_version(binaries: &Path) -> u32 {
    let output =
        Command::new(binaries.join("postgres")).arg("--version").output().expect("postgres can be run");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let digits = text
        .split_whitespace()
        .nth(2)
        .map(|word| word.chars().take_while(char::is_ascii_digit).collect::<String>());
    digits.and_then(|digits| digits.parse().ok()).unwrap_or_else(|| panic!("no version in {text:?}"))
}

/// Whether no process has this id.
pub fn is_dead(pid: i32) -> bool {
    Pid::from_raw(pid).is_some_and(|pid| test_kill_process(pid) == Err(Errno::SRCH))
}
