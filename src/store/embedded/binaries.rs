//! Finds the machine's PostgreSQL binaries. `postgres` and `initdb` are enough; no client program is needed.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::EmbeddedConfig;
use super::account::Account;
use super::error::EmbeddedError;
use super::install;

const OLDEST: u32 = 14;

/// A program that prints its version does so at once, or hangs.
const PATIENCE: Duration = Duration::from_secs(10);

/// Where distributions and people put the server's programs. `*` stands for any name.
const USUAL_PLACES: &[&str] = &[
    "usr/lib/postgresql/*/bin",                          // Debian, Ubuntu
    "usr/pgsql-*/bin",                                   // RHEL, Fedora with postgresql.org's packages
    "usr/libexec/postgresql*",                           // Alpine
    "usr/lib/postgresql*/bin",                           // openSUSE
    "usr/lib64/postgresql-*/bin",                        // Gentoo
    "usr/lib/psql*/bin",                                 // Void
    "usr/bin",                                           // Arch, Fedora
    "usr/local/bin",                                     // FreeBSD
    "usr/local/pgsql/bin",                               // built from source
    "opt/homebrew/opt/postgresql*/bin",                  // Homebrew, Apple silicon
    "usr/local/opt/postgresql*/bin",                     // Homebrew, Intel
    "home/linuxbrew/.linuxbrew/opt/postgresql*/bin",     // Homebrew, Linux
    "opt/local/lib/postgresql*/bin",                     // MacPorts
    "Applications/Postgres.app/Contents/Versions/*/bin", // Postgres.app
    "Library/PostgreSQL/*/bin",                          // EDB's installer
    "run/current-system/sw/bin",                         // NixOS
    "nix/var/nix/profiles/default/bin",                  // nix
    "etc/profiles/per-user/*/bin",                       // NixOS
];

/// A folder with `postgres` and `initdb`, and what version they are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Binaries {
    pub(super) folder: PathBuf,
    pub(super) major: u32,
    minor: u32,
    version: String,
}

impl Binaries {
    pub(super) fn postgres(&self) -> PathBuf {
        self.folder.join("postgres")
    }

    pub(super) fn initdb(&self) -> PathBuf {
        self.folder.join("initdb")
    }
}

/// The data that the binaries are wanted for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wanted<'a> {
    /// The cluster's folder.
    pub(super) data: &'a Path,
    /// The version that made it; `None` where it does not exist yet.
    pub(super) major: Option<u32>,
    /// The folder of the binaries used last.
    pub(super) recorded: Option<&'a Path>,
}

/// Finds the binaries for the data: its own version where it exists, else the newest.
pub(super) async fn find(
    config: &EmbeddedConfig,
    account: &Account,
    wanted: Wanted<'_>,
) -> Result<Binaries, EmbeddedError> {
    if let Some(folder) = &config.bindir {
        if let Some(missing) = missing_in(folder) {
            return Err(EmbeddedError::BadBindir { folder: folder.clone(), missing });
        }
        return choose(vec![inspect(folder, account).await?], wanted);
    }
    // Not searching again keeps a later start fast; a package upgraded in place is the same folder.
    if let Some(folder) = wanted.recorded.filter(|folder| missing_in(folder).is_none())
        && let Ok(binaries) = inspect(folder, account).await
        && Some(binaries.major) == wanted.major
    {
        return Ok(binaries);
    }
    let mut folders = candidates(Path::new("/"), config.path.as_deref());
    folders.extend(ask_pg_config(config.path.as_deref(), account).await);
    find_among(&folders, account, wanted).await
}

/// Looks into each folder, skips those whose programs do not run, and chooses.
pub(super) async fn find_among(
    folders: &[PathBuf],
    account: &Account,
    wanted: Wanted<'_>,
) -> Result<Binaries, EmbeddedError> {
    let mut seen: Vec<PathBuf> = Vec::new();
    let mut found = Vec::new();
    let mut unusable = None;
    for folder in folders.iter().filter(|folder| missing_in(folder).is_none()) {
        let real = std::fs::canonicalize(folder.join("postgres")).unwrap_or_else(|_| folder.clone());
        if seen.contains(&real) {
            continue;
        }
        seen.push(real);
        match inspect(folder, account).await {
            Ok(binaries) => found.push(binaries),
            Err(error) => unusable = Some(error),
        }
    }
    match (found.is_empty(), unusable) {
        (true, Some(error)) => Err(error),
        (true, None) => Err(EmbeddedError::NoBinaries { searched: folders.len(), install: install::hint() }),
        (false, _) => choose(found, wanted),
    }
}

fn choose(mut found: Vec<Binaries>, wanted: Wanted<'_>) -> Result<Binaries, EmbeddedError> {
    found.sort_by_key(|binaries| std::cmp::Reverse((binaries.major, binaries.minor)));
    if let Some(major) = wanted.major {
        if let Some(binaries) = found.iter().find(|binaries| binaries.major == major) {
            return Ok(binaries.clone());
        }
        let found =
            found.iter().map(|binaries| format!("{} in {}", binaries.version, binaries.folder.display()));
        return Err(EmbeddedError::WrongVersion {
            data: wanted.data.to_path_buf(),
            major,
            found: found.collect(),
        });
    }
    match found.into_iter().next() {
        Some(newest) if newest.major >= OLDEST => Ok(newest),
        Some(old) => {
            Err(EmbeddedError::TooOld { found: old.version, folder: old.folder, install: install::hint() })
        }
        None => Err(EmbeddedError::NoBinaries { searched: 0, install: install::hint() }),
    }
}

fn missing_in(folder: &Path) -> Option<&'static str> {
    ["postgres", "initdb"].into_iter().find(|program| !folder.join(program).is_file())
}

async fn inspect(folder: &Path, account: &Account) -> Result<Binaries, EmbeddedError> {
    let program = folder.join("postgres");
    let unusable = |problem: String| EmbeddedError::BinaryUnusable { program: program.clone(), problem };
    let mut command = account.command(&program);
    let output = command.arg("--version").kill_on_drop(true).output();
    let output = match tokio::time::timeout(PATIENCE, output).await {
        Ok(Ok(output)) => output,
        Ok(Err(problem)) => return Err(unusable(problem.to_string())),
        Err(_elapsed) => return Err(unusable("it did not print its version in time".to_owned())),
    };
    let said = String::from_utf8_lossy(if output.status.success() { &output.stdout } else { &output.stderr })
        .trim()
        .to_owned();
    match version_in(&said) {
        Some((major, minor, version)) if output.status.success() => {
            Ok(Binaries { folder: folder.to_path_buf(), major, minor, version })
        }
        _ => Err(unusable(format!("it said `{said}` ({})", output.status))),
    }
}

/// Reads `postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)`, `... 18beta2`, `... 9.6.24`.
pub(super) fn version_in(text: &str) -> Option<(u32, u32, String)> {
    let version = text.strip_prefix("postgres (PostgreSQL) ")?.split_whitespace().next()?;
    let mut numbers = version.split(|c: char| !c.is_ascii_digit()).map(|digits| digits.parse::<u32>().ok());
    Some((numbers.next()??, numbers.next().flatten().unwrap_or(0), version.to_owned()))
}

async fn ask_pg_config(path: Option<&OsStr>, account: &Account) -> Option<PathBuf> {
    let path = path?;
    let program = std::env::split_paths(path)
        .map(|folder| folder.join("pg_config"))
        .find(|program| program.is_file())?;
    let mut command = account.command(program);
    // pg_config is a shell script on some systems and a wrapper on others: it needs the caller's PATH.
    let output = command.env("PATH", path).arg("--bindir").kill_on_drop(true).output();
    let output = tokio::time::timeout(PATIENCE, output).await.ok()?.ok()?;
    let folder = String::from_utf8(output.stdout).ok()?;
    (output.status.success() && !folder.trim().is_empty()).then(|| PathBuf::from(folder.trim()))
}

/// Every folder worth looking into: the usual places below `filesystem`, then those of `PATH`.
pub(super) fn candidates(filesystem: &Path, path: Option<&OsStr>) -> Vec<PathBuf> {
    let mut folders: Vec<PathBuf> =
        USUAL_PLACES.iter().flat_map(|pattern| expand(filesystem, pattern)).collect();
    let absolute = path.into_iter().flat_map(std::env::split_paths).filter(|folder| folder.is_absolute());
    folders.extend(absolute);
    folders
}

fn expand(folder: &Path, pattern: &str) -> Vec<PathBuf> {
    let Some((before, after)) = pattern.split_once('*') else {
        return vec![folder.join(pattern)];
    };
    let (parent, prefix) = before.rsplit_once('/').unwrap_or(("", before));
    let parent = folder.join(parent);
    let Ok(entries) = std::fs::read_dir(&parent) else {
        return Vec::new();
    };
    let names = entries.flatten().map(|entry| entry.file_name());
    let fitting = names.filter(|name| name.to_string_lossy().starts_with(prefix));
    fitting.map(|name| parent.join(name).join(after.trim_start_matches('/'))).collect()
}
