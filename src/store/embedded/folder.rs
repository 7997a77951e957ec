//! The folder a server lives in: its paths, who owns what, and where the socket goes.
//!
//! As root, the folder itself stays root's, so that the user who runs the server cannot replace the files
//! that root opens there; only `data/` and `run/` are handed over.

use std::fs::{DirBuilder, File, OpenOptions, Permissions};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

use super::PORT;
use super::account::Account;
use super::error::EmbeddedError;
use super::lock::open_own;

/// A socket's path must fit `sockaddr_un` with its closing zero; PostgreSQL and the kernel both refuse a
/// longer one.
const LONGEST_SOCKET_PATH: usize = if cfg!(target_os = "linux") { 107 } else { 103 };

/// The log is set aside at a start once it is larger.
const LOG_LIMIT: u64 = 10 * 1024 * 1024;

/// The paths of one server.
#[derive(Debug, Clone)]
pub(super) struct Folder {
    pub(super) root: PathBuf,
}

impl Folder {
    /// The folder as it is; nothing is created.
    pub(super) fn at(root: &Path) -> Self {
        let absolute = std::fs::canonicalize(root).or_else(|_| std::path::absolute(root));
        Self { root: absolute.unwrap_or_else(|_| root.to_path_buf()) }
    }

    /// Creates what is missing above and in the folder, and makes sure that it is ours.
    pub(super) fn create(root: &Path, account: &Account) -> Result<Self, EmbeddedError> {
        let own = rustix::process::geteuid().as_raw();
        create_with_parents(root, account)?;
        let folder = Self::at(root);
        let found = metadata(&folder.root)?;
        if !found.is_dir() {
            let source = std::io::ErrorKind::NotADirectory.into();
            return Err(EmbeddedError::Io { action: "keep a server in", path: folder.root, source });
        }
        let owner = found.uid();
        if own != 0 && owner != own {
            return Err(EmbeddedError::OwnedByOther { path: folder.root, owner, expected: own });
        }
        account.must_reach(&folder.root)?;
        let ignore = folder.root.join(".gitignore");
        if !ignore.exists() {
            std::fs::write(&ignore, "*\n").map_err(|source| EmbeddedError::io("write", &ignore, source))?;
        }
        Ok(folder)
    }

    pub(super) fn data(&self) -> PathBuf {
        self.root.join("data")
    }

    pub(super) fn run(&self) -> PathBuf {
        self.root.join("run")
    }

    pub(super) fn lock(&self) -> PathBuf {
        self.root.join("lock")
    }

    pub(super) fn server_lock(&self) -> PathBuf {
        self.root.join("server.lock")
    }

    pub(super) fn log(&self) -> PathBuf {
        self.root.join("server.log")
    }

    /// The folder of the binaries that were used last.
    pub(super) fn recorded_bindir(&self) -> Option<PathBuf> {
        std::fs::read_to_string(self.root.join("bindir")).ok().map(|text| PathBuf::from(text.trim_end()))
    }

    pub(super) fn record_bindir(&self, bindir: &Path) -> Result<(), EmbeddedError> {
        use std::io::Write as _;
        let path = self.root.join("bindir");
        let mut file = open_own(&path, OpenOptions::new().write(true).truncate(true))?;
        file.write_all(bindir.as_os_str().as_bytes())
            .map_err(|source| EmbeddedError::io("write", &path, source))
    }

    /// The major version that made the data; `None` where there is none.
    pub(super) fn data_major(&self) -> Result<Option<u32>, EmbeddedError> {
        let data = self.data();
        match std::fs::symlink_metadata(&data) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(EmbeddedError::io("read", &data, source)),
            Ok(_) => {}
        }
        let corrupt = |problem: String| EmbeddedError::Corrupt { data: data.clone(), problem };
        let file = data.join("PG_VERSION");
        let text = match std::fs::read_to_string(&file) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Err(corrupt("the file PG_VERSION is missing".to_owned()));
            }
            Err(source) => return Err(EmbeddedError::io("read", &file, source)),
        };
        let major = text.trim().split('.').next().and_then(|major| major.parse().ok());
        major.map(Some).ok_or_else(|| corrupt(format!("PG_VERSION holds `{}`", text.trim())))
    }

    /// The folder for the socket: `run/`, or one below `/tmp` where clients could not use that.
    pub(super) fn socket_dir(&self, uid: u32) -> PathBuf {
        let run = self.run();
        let fits = socket_in(&run).as_os_str().len() <= LONGEST_SOCKET_PATH;
        // libpq takes a comma for the border between two hosts, also when it is escaped.
        if fits && run.to_str().is_some_and(|text| !text.contains(',')) {
            return run;
        }
        let hash = hex::encode(Sha256::digest(self.root.as_os_str().as_bytes()));
        PathBuf::from(format!("/tmp/synthex-{uid}-{}", &hash[..12]))
    }

    /// Creates the folder for the socket; refuses one that somebody else has put there.
    pub(super) fn create_socket_dir(&self, account: &Account) -> Result<PathBuf, EmbeddedError> {
        let folder = self.socket_dir(account.uid);
        create_private(&folder, account)?;
        let found = std::fs::symlink_metadata(&folder)
            .map_err(|source| EmbeddedError::io("read", &folder, source))?;
        if found.uid() != account.uid || !found.is_dir() {
            return Err(EmbeddedError::OwnedByOther {
                path: folder,
                owner: found.uid(),
                expected: account.uid,
            });
        }
        tighten(&folder, found.mode())?;
        Ok(folder)
    }

    /// PostgreSQL refuses data that others may read; a recursive chmod or a copy does that easily.
    pub(super) fn tighten_data(&self) -> Result<(), EmbeddedError> {
        let data = self.data();
        tighten(&data, metadata(&data)?.mode())
    }

    /// Opens the log for a starting server, setting a large one aside.
    pub(super) fn open_log(&self) -> Result<File, EmbeddedError> {
        let log = self.log();
        if std::fs::symlink_metadata(&log).is_ok_and(|metadata| metadata.len() > LOG_LIMIT) {
            let previous = self.root.join("server.log.1");
            std::fs::rename(&log, &previous).map_err(|source| EmbeddedError::io("rename", &log, source))?;
        }
        open_own(&log, OpenOptions::new().append(true))
    }

    /// The last lines of the log that were written after its first `from` bytes.
    pub(super) fn log_after(&self, from: u64) -> String {
        let bytes = std::fs::read(self.log()).unwrap_or_default();
        let start = usize::try_from(from).unwrap_or(0).min(bytes.len());
        last_lines(&String::from_utf8_lossy(&bytes[start..]))
    }
}

/// The socket's file in its folder.
pub(super) fn socket_in(folder: &Path) -> PathBuf {
    folder.join(format!(".s.PGSQL.{PORT}"))
}

/// The last lines of a program's output.
pub(super) fn last_lines(text: &str) -> String {
    let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    lines[lines.len().saturating_sub(10)..].join("\n")
}

/// Creates a folder that only the server's user may enter; an existing one is left as it is.
pub(super) fn create_private(folder: &Path, account: &Account) -> Result<bool, EmbeddedError> {
    match DirBuilder::new().mode(0o700).create(folder) {
        Ok(()) => {}
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => return Ok(false),
        Err(source) => return Err(EmbeddedError::io("create", folder, source)),
    }
    if account.switched {
        std::os::unix::fs::chown(folder, Some(account.uid), Some(account.gid))
            .map_err(|source| EmbeddedError::io("hand over", folder, source))?;
    }
    Ok(true)
}

fn create_with_parents(root: &Path, account: &Account) -> Result<(), EmbeddedError> {
    let missing: Vec<&Path> =
        root.ancestors().take_while(|folder| !folder.as_os_str().is_empty() && !folder.exists()).collect();
    for folder in missing.into_iter().rev() {
        let mode = if !account.switched && folder == root { 0o700 } else { 0o755 };
        match DirBuilder::new().mode(mode).create(folder) {
            Ok(()) => {}
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => continue,
            Err(source) => return Err(EmbeddedError::io("create", folder, source)),
        }
        if account.switched {
            // A umask of 077, usual for root, would close the way for the user who runs the server.
            set_mode(folder, 0o755)?;
        }
    }
    Ok(())
}

fn tighten(folder: &Path, mode: u32) -> Result<(), EmbeddedError> {
    if mode & 0o777 == 0o700 { Ok(()) } else { set_mode(folder, 0o700) }
}

fn set_mode(folder: &Path, mode: u32) -> Result<(), EmbeddedError> {
    std::fs::set_permissions(folder, Permissions::from_mode(mode))
        .map_err(|source| EmbeddedError::io("set the permissions of", folder, source))
}

fn metadata(path: &Path) -> Result<std::fs::Metadata, EmbeddedError> {
    std::fs::metadata(path).map_err(|source| EmbeddedError::io("read", path, source))
}
