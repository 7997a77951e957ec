//! A private PostgreSQL for people who have not named one: the first command on a fresh machine works.
//!
//! The server is the machine's own PostgreSQL, run from a folder of ours over a Unix socket, with TCP off and
//! real durability. It is started detached, stays up between commands and is shared by all of them; [`stop`]
//! ends it. A running server is found without taking any lock.
//!
//! What this module does not do: it downloads nothing, reads no environment variable (the caller passes what
//! it found), speaks no SQL beyond creating the one database, and never touches a PostgreSQL that it did not
//! start.
//!
//! ```text
//! <root>/lock         taken by a command while it initialises, starts or stops the server
//! <root>/server.lock  held by the server's processes for as long as any of them lives
//! <root>/bindir       the folder of the binaries that made data/
//! <root>/server.log   what the server says; server.log.1 is the previous one
//! <root>/data/        the cluster; appears in one rename when it is complete
//! <root>/run/         the socket, mode 0700
//! ```

#![expect(
    clippy::disallowed_methods,
    reason = "the server's folder (owners, locks, a cluster renamed into place) is this module's business"
)]

mod account;
mod binaries;
mod error;
mod folder;
mod initialise;
mod install;
mod lock;
mod postmaster;
mod probe;
mod server;
mod start;
#[cfg(test)]
mod tests;

use std::ffi::OsString;
use std::fmt::Write as _;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use sha2::{Digest as _, Sha256};

pub use error::EmbeddedError;

/// The name of the superuser and of the database.
pub const NAME: &str = "synthex";

/// The port in the socket's file name. Nothing listens on TCP.
pub const PORT: u16 = 5432;

/// Everything the embedded server needs to know from outside.
#[derive(Debug, Clone)]
pub struct EmbeddedConfig {
    /// The folder everything lives in; see [`default_root`]. Created when missing.
    pub root: PathBuf,
    /// The folder with `postgres` and `initdb`. When given, no other place is searched.
    pub bindir: Option<PathBuf>,
    /// The value of `PATH`, one of the places searched for binaries.
    pub path: Option<OsString>,
    /// How long the server may take to answer, crash recovery included.
    pub start_timeout: Duration,
}

impl EmbeddedConfig {
    /// A configuration that searches the usual places and waits for up to 30 seconds.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into(), bindir: None, path: None, start_timeout: Duration::from_secs(30) }
    }
}

/// Where a running server is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// The folder of the Unix socket, absolute.
    pub socket_dir: PathBuf,
    /// The number in the socket's file name.
    pub port: u16,
    /// The superuser.
    pub user: String,
    /// The database.
    pub database: String,
}

impl Endpoint {
    fn at(socket_dir: PathBuf) -> Self {
        Self { socket_dir, port: PORT, user: NAME.to_owned(), database: NAME.to_owned() }
    }

    /// The connection URL, in the form that both psql and the drivers accept.
    pub fn url(&self) -> String {
        let mut host = String::new();
        for byte in self.socket_dir.as_os_str().as_bytes() {
            match byte {
                b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                    host.push(char::from(*byte));
                }
                other => {
                    let _ = write!(host, "%{other:02X}");
                }
            }
        }
        format!("postgresql://{}@/{}?host={host}&port={}", self.user, self.database, self.port)
    }
}

/// What had to be done before the server could be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HowAttached {
    /// It was running.
    AlreadyRunning,
    /// It was stopped, or had died, and was started on its existing data.
    Started,
    /// There was no data: it was created, then the server was started.
    Initialised,
}

/// The server and its folder, as found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    /// The folder everything lives in.
    pub root: PathBuf,
    /// The cluster's folder.
    pub data_dir: PathBuf,
    /// The server's log.
    pub log_file: PathBuf,
    /// The major version that made the data (`"15"`), where there is any.
    pub data_version: Option<String>,
    /// Bytes in the cluster's folder; 0 where it does not exist or may not be read.
    pub data_bytes: u64,
    /// Bytes in the log.
    pub log_bytes: u64,
    /// What the server does.
    pub state: State,
}

/// What the server does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// There is no data yet.
    NotInitialised,
    /// There is data, and no server runs on it.
    Stopped,
    /// The server lives but takes no connections: it starts, recovers from a crash, or shuts down.
    Busy {
        /// The server's process.
        pid: i32,
        /// Its own words, where it answered.
        message: Option<String>,
    },
    /// The server takes connections.
    Running {
        /// The server's process; `None` where the data folder may not be read.
        pid: Option<i32>,
        /// The server's version (`"15.18 (Debian 15.18-0+deb12u1)"`), where it said so.
        version: Option<String>,
        /// When it was started.
        since: Option<SystemTime>,
        /// Where it is reached.
        endpoint: Endpoint,
    },
}

/// A PostgreSQL on this machine that can be brought up when no other was named.
///
/// The seam for another implementation (a PostgreSQL that needs nothing installed): callers need no more than
/// this.
pub trait LocalServer {
    /// Brings the server up if need be, and returns where it is reached.
    fn ensure_running(&self) -> impl Future<Output = Result<(Endpoint, HowAttached), EmbeddedError>> + Send;
    /// Says what the server does; starts nothing.
    fn status(&self) -> impl Future<Output = Status> + Send;
    /// Stops the server; true when it was running.
    fn stop(&self) -> impl Future<Output = Result<bool, EmbeddedError>> + Send;
}

/// The machine's own PostgreSQL binaries, run from a private folder.
#[derive(Debug, Clone)]
pub struct SystemPostgres(pub EmbeddedConfig);

impl LocalServer for SystemPostgres {
    async fn ensure_running(&self) -> Result<(Endpoint, HowAttached), EmbeddedError> {
        ensure_running(&self.0).await
    }

    async fn status(&self) -> Status {
        status(&self.0).await
    }

    async fn stop(&self) -> Result<bool, EmbeddedError> {
        stop(&self.0).await
    }
}

/// Returns a server that takes connections, creating and starting it if need be.
///
/// Safe to call from many processes at once: one does the work, the others wait for it. The started server
/// outlives the caller.
///
/// # Errors
/// Every [`EmbeddedError`]; each has an [`EmbeddedError::help`].
pub async fn ensure_running(config: &EmbeddedConfig) -> Result<(Endpoint, HowAttached), EmbeddedError> {
    server::ensure_running(config).await
}

/// Returns where the server is reached if it takes connections now. Takes no lock, changes nothing, needs no
/// binaries.
pub async fn endpoint_if_running(config: &EmbeddedConfig) -> Option<Endpoint> {
    server::reachable(&folder::Folder::at(&config.root)).await.map(|(endpoint, _)| endpoint)
}

/// Says what the server does and what its folder holds. Takes no lock, changes nothing, needs no binaries.
pub async fn status(config: &EmbeddedConfig) -> Status {
    server::status(config).await
}

/// Stops the server and waits until it is gone: open transactions are rolled back, connections closed.
/// Returns whether it was running.
///
/// # Errors
/// [`EmbeddedError::SignalRefused`] when the server belongs to someone else, [`EmbeddedError::StopTimeout`]
/// when it does not end in time, [`EmbeddedError::Busy`] when another command holds the folder's lock.
pub async fn stop(config: &EmbeddedConfig) -> Result<bool, EmbeddedError> {
    server::stop(config).await
}

/// The folder for a project's server when none is named.
///
/// For a normal user `<project_dir>/.synthex/postgres`. For root `/var/lib/synthex/<project>-<hash of its
/// path>`: PostgreSQL refuses to run as root, and the unprivileged user that runs it cannot reach into root's
/// folders.
pub fn default_root(project_dir: &Path, is_root: bool) -> PathBuf {
    if !is_root {
        return project_dir.join(".synthex").join("postgres");
    }
    // `.` and the full path must mean the same database.
    let path = std::fs::canonicalize(project_dir).unwrap_or_else(|_| project_dir.to_path_buf());
    let hash = hex::encode(Sha256::digest(path.as_os_str().as_bytes()));
    let name = path.file_name().map(|name| name.to_string_lossy().to_lowercase()).unwrap_or_default();
    let words: Vec<&str> =
        name.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty()).collect();
    let mut slug = words.join("-");
    slug.truncate(32);
    let slug = if slug.is_empty() { "project" } else { slug.trim_end_matches('-') };
    Path::new("/var/lib/synthex").join(format!("{slug}-{}", &hash[..12]))
}
