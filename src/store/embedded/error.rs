//! What can go wrong with the embedded server, said so that the reader can act. `Display` is what happened,
//! the source is why, [`EmbeddedError::help`] is what to do.

use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::time::Duration;

const NAME_A_SERVER: &str =
    "or name a server: --database-url postgresql://..., or the variable SYNTHEX_DATABASE_URL";

/// What initdb says of a user number without a name.
const NO_SUCH_USER: &str = "could not look up effective user ID";

/// Why the embedded server could not be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EmbeddedError {
    /// No folder with `postgres` and `initdb` was found.
    #[error("no PostgreSQL server is installed on this machine ({searched} places searched)")]
    NoBinaries {
        /// How many folders were looked into.
        searched: usize,
        /// What to install, for this system.
        install: String,
    },
    /// The folder named for the binaries does not hold them.
    #[error("{folder} has no program `{missing}`")]
    BadBindir {
        /// The folder that was named.
        folder: PathBuf,
        /// The program it lacks.
        missing: &'static str,
    },
    /// Binaries are there but do not run.
    #[error("{program} does not run: {problem}")]
    BinaryUnusable {
        /// The program.
        program: PathBuf,
        /// What it said, or why it was not started.
        problem: String,
    },
    /// The newest binaries are older than PostgreSQL 14.
    #[error("PostgreSQL {found} in {folder} is too old: synthex needs 14 or later")]
    TooOld {
        /// The version found.
        found: String,
        /// Where it is.
        folder: PathBuf,
        /// What to install, for this system.
        install: String,
    },
    /// The data was made by another major version than those that are installed.
    #[error("the data in {data} was made by PostgreSQL {major}, and only {} found", one_or_more(found))]
    WrongVersion {
        /// The cluster's folder.
        data: PathBuf,
        /// The version that made it.
        major: u32,
        /// The versions found, with their folders.
        found: Vec<String>,
    },
    /// As root: neither `postgres` nor `nobody` exists.
    #[error(
        "PostgreSQL refuses to run as root, and this machine has neither a user `postgres` nor a user `nobody`"
    )]
    NoAccount,
    /// As root: the user that runs the server cannot reach the folder.
    #[error("the user `{account}`, who must run PostgreSQL in root's place, cannot reach {folder}")]
    Unreachable {
        /// The first folder on the way that is closed.
        folder: PathBuf,
        /// The user.
        account: String,
    },
    /// The folder belongs to someone else.
    #[error("{path} belongs to user {owner}, not to user {expected}")]
    OwnedByOther {
        /// The file or folder.
        path: PathBuf,
        /// The number of the user it belongs to.
        owner: u32,
        /// The number of the user it should belong to.
        expected: u32,
    },
    /// The folder cannot be written.
    #[error("{path} cannot be written")]
    NotWritable {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The disk or the quota is full.
    #[error("no space is left for {path}")]
    DiskFull {
        /// The file or folder.
        path: PathBuf,
        /// Why, where the operating system said so to us.
        source: Option<io::Error>,
    },
    /// Any other failure of the file system or of starting a program.
    #[error("cannot {action} {path}")]
    Io {
        /// The verb.
        action: &'static str,
        /// Its object.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The data folder is there but is not a cluster.
    #[error("{data} is not a usable PostgreSQL data folder: {problem}")]
    Corrupt {
        /// The folder.
        data: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// Another command held the folder's lock for too long.
    #[error("another synthex command has held {lock} for {} s, to start or stop the server", waited.as_secs())]
    Busy {
        /// The lock file.
        lock: PathBuf,
        /// How long was waited.
        waited: Duration,
    },
    /// The cluster could not be created.
    #[error("{program} failed ({status}):\n{output}")]
    InitialiseFailed {
        /// The program.
        program: &'static str,
        /// How it ended.
        status: ExitStatus,
        /// The last lines it printed.
        output: String,
    },
    /// The server ended while it was starting.
    #[error("PostgreSQL ended while starting ({status}); it said last:\n{last}")]
    Died {
        /// How it ended.
        status: ExitStatus,
        /// The last lines of its log.
        last: String,
        /// The whole log.
        log: PathBuf,
    },
    /// The server did not take connections in time. It goes on starting.
    #[error("PostgreSQL took no connections for {} s; it said last:\n{last}", waited.as_secs())]
    StartTimeout {
        /// How long was waited.
        waited: Duration,
        /// Its last answer, or the last lines of its log.
        last: String,
        /// The whole log.
        log: PathBuf,
    },
    /// The server did not end in time.
    #[error("PostgreSQL (process {pid}) did not stop within {} s", waited.as_secs())]
    StopTimeout {
        /// The server's process.
        pid: i32,
        /// How long was waited.
        waited: Duration,
        /// Its log.
        log: PathBuf,
    },
    /// The server may not be signalled by this user.
    #[error("process {pid} may not be stopped by this user")]
    SignalRefused {
        /// The server's process.
        pid: i32,
        /// Why.
        source: io::Error,
    },
}

impl EmbeddedError {
    /// A stable word for logs and JSON.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NoBinaries { .. } => "no_binaries",
            Self::BadBindir { .. } => "bad_bindir",
            Self::BinaryUnusable { .. } => "binary_unusable",
            Self::TooOld { .. } => "too_old",
            Self::WrongVersion { .. } => "wrong_version",
            Self::NoAccount => "no_account",
            Self::Unreachable { .. } => "unreachable",
            Self::OwnedByOther { .. } => "owned_by_other",
            Self::NotWritable { .. } => "not_writable",
            Self::DiskFull { .. } => "disk_full",
            Self::Io { .. } => "io",
            Self::Corrupt { .. } => "corrupt",
            Self::Busy { .. } => "busy",
            Self::InitialiseFailed { .. } => "initialise_failed",
            Self::Died { .. } => "died",
            Self::StartTimeout { .. } => "start_timeout",
            Self::StopTimeout { .. } => "stop_timeout",
            Self::SignalRefused { .. } => "signal_refused",
        }
    }

    /// What to do about it, in a sentence or two.
    pub fn help(&self) -> String {
        let folder = |path: &Path| path.display().to_string();
        match self {
            Self::NoBinaries { install, .. } | Self::TooOld { install, .. } => {
                format!("{install}; {NAME_A_SERVER}")
            }
            Self::BadBindir { .. } => {
                "set SYNTHEX_PG_BINDIR to the folder that holds `postgres` and `initdb`, \
                 or unset it to search the usual places"
                    .to_owned()
            }
            Self::BinaryUnusable { .. } => format!(
                "reinstall PostgreSQL, or set SYNTHEX_PG_BINDIR to another installation; {NAME_A_SERVER}"
            ),
            Self::WrongVersion { data, major, .. } => format!(
                "install PostgreSQL {major} beside the other (both can be installed at once), \
                 or move {} away to begin with an empty database",
                folder(data)
            ),
            Self::NoAccount => format!("create a user: useradd --system postgres; {NAME_A_SERVER}"),
            Self::Unreachable { folder: closed, .. } => {
                format!("choose a folder outside root's own, or open the way: chmod o+x {}", folder(closed))
            }
            Self::OwnedByOther { .. } => "run the command as that user, or choose another folder".to_owned(),
            Self::NotWritable { .. } => {
                format!("make the folder writable, or choose another one; {NAME_A_SERVER}")
            }
            Self::DiskFull { .. } => {
                "free some space (a new database takes 50 MB) and run the command again: \
                 nothing half-made was left behind"
                    .to_owned()
            }
            Self::Io { .. } => format!("look at the folder's owner and permissions; {NAME_A_SERVER}"),
            Self::Corrupt { data, .. } => format!(
                "restore {0} from a backup, or move it away to begin with an empty database: mv {0} {0}.old",
                folder(data)
            ),
            Self::Busy { .. } => "wait for that command, or end it, and try again".to_owned(),
            Self::InitialiseFailed { output, .. } if output.contains(NO_SUCH_USER) => format!(
                "this user has no line in /etc/passwd, which PostgreSQL needs: add one \
                 (containers with arbitrary user numbers lack it); {NAME_A_SERVER}"
            ),
            Self::InitialiseFailed { .. } => {
                format!("mend what the last lines say and run the command again; {NAME_A_SERVER}")
            }
            Self::Died { log, .. } => format!("the whole log is {}; {NAME_A_SERVER}", folder(log)),
            Self::StartTimeout { log, .. } => format!(
                "it goes on starting (recovery after a crash can take long): \
                 run the command again in a while; the log is {}",
                folder(log)
            ),
            Self::StopTimeout { pid, log, .. } => format!(
                "look at {}; as a last resort: kill -QUIT {pid} (recovers at the next start)",
                folder(log)
            ),
            Self::SignalRefused { .. } => "run the command as the user who started the server".to_owned(),
        }
    }

    /// Sorts a failure of the file system into the kinds a reader can act upon.
    pub(super) fn io(action: &'static str, path: &Path, source: io::Error) -> Self {
        let path = path.to_path_buf();
        match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                Self::DiskFull { path, source: Some(source) }
            }
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
                Self::NotWritable { path, source }
            }
            _ => Self::Io { action, path, source },
        }
    }
}

/// True where PostgreSQL complains about a full disk. Its messages are in English: the cluster is made with
/// the locale `C`.
pub(super) fn says_disk_full(output: &str) -> bool {
    ["No space left on device", "Disk quota exceeded", "Check free disk space"]
        .iter()
        .any(|words| output.contains(words))
}

fn one_or_more(found: &[String]) -> String {
    match found {
        [] => "no other version was".to_owned(),
        [one] => format!("{one} was"),
        more => format!("{} were", more.join(", ")),
    }
}
