//! The server's own record of itself, `postmaster.pid`, and whether the process it names is really that
//! server.
//!
//! A process number alone proves nothing: after a crash it may belong to another program, in a container
//! often to one of ours, and a killed server whose parent never collected it stays visible as a zombie.

use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use rustix::process::{Pid, Signal};
use tokio::time::Instant;

use super::error::EmbeddedError;
use super::folder::{Folder, socket_in};

/// What `postmaster.pid` says. The file is written in steps, so all but the number may be missing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Record {
    pub(super) pid: i32,
    pub(super) since: Option<SystemTime>,
    pub(super) socket_dir: Option<PathBuf>,
    /// The server says that it takes connections: it neither starts, nor recovers, nor shuts down. Not
    /// withdrawn when it is killed.
    pub(super) says_ready: bool,
}

impl Record {
    /// Reads the record in a data folder; `None` where there is none or it may not be read.
    pub(super) fn read(data: &Path) -> Option<Self> {
        Self::parse(&std::fs::read_to_string(path(data)).ok()?)
    }

    /// <https://www.postgresql.org/docs/current/storage-file-layout.html>: number, data folder, start, port,
    /// socket folder, address, memory, status.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let lines: Vec<&str> = text.lines().collect();
        let line = |index: usize| lines.get(index).map(|line| line.trim_end());
        let seconds = line(2).and_then(|text| text.parse().ok());
        Some(Self {
            pid: line(0)?.parse().ok().filter(|pid| *pid > 0)?,
            since: seconds.map(|seconds| SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)),
            socket_dir: line(4).filter(|text| !text.is_empty()).map(PathBuf::from),
            says_ready: line(7) == Some("ready"),
        })
    }
}

pub(super) fn path(data: &Path) -> PathBuf {
    data.join("postmaster.pid")
}

/// Removes what a server left behind that is known to be gone. PostgreSQL does this itself, but not when the
/// number has found a new bearer.
///
/// To be called only while holding `server.lock`.
pub(super) fn clear_leftovers(data: &Path, socket_dir: &Path) -> Result<(), EmbeddedError> {
    for file in [path(data), socket_lock(socket_dir), socket_in(socket_dir)] {
        match std::fs::remove_file(&file) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(EmbeddedError::io("remove", &file, error));
            }
            _ => {}
        }
    }
    Ok(())
}

fn socket_lock(socket_dir: &Path) -> PathBuf {
    let mut name = socket_in(socket_dir).into_os_string();
    name.push(".lock");
    PathBuf::from(name)
}

/// True when the process lives and is a PostgreSQL server on this data folder, run by this user.
pub(super) fn is_server_on(pid: i32, data: &Path, uid: u32) -> bool {
    if has_proc() {
        is_server_by_proc(pid, data, uid)
    } else {
        // Better to wait in vain for a dead server than to start a second one on living data.
        servers_by_ps(data, uid).is_none_or(|servers| servers.contains(&pid))
    }
}

/// Ends servers that run on this path but not from this data: the folder was deleted under them. Left alone
/// they would end within a minute, and remove the socket of their successor as they go.
pub(super) async fn end_strays(folder: &Folder, uid: u32, patience: Duration) -> Result<(), EmbeddedError> {
    let data = folder.data();
    let begun = Instant::now();
    let mut told = Vec::new();
    loop {
        let known = Record::read(&data).map(|record| record.pid);
        let servers = if has_proc() {
            servers_by_proc(&data, uid)
        } else {
            servers_by_ps(&data, uid).unwrap_or_default()
        };
        let Some(pid) = servers.into_iter().find(|pid| Some(*pid) != known) else {
            return Ok(());
        };
        if !told.contains(&pid) {
            tracing::debug!(pid, "ending a server whose data was deleted");
            end(pid, Ending::Immediate)?;
            told.push(pid);
        }
        if begun.elapsed() >= patience {
            return Err(EmbeddedError::StopTimeout { pid, waited: begun.elapsed(), log: folder.log() });
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

fn has_proc() -> bool {
    Path::new("/proc/self/cmdline").exists()
}

fn servers_by_proc(data: &Path, uid: u32) -> Vec<i32> {
    let names = std::fs::read_dir("/proc").into_iter().flatten().flatten().map(|entry| entry.file_name());
    let processes = names.filter_map(|name| name.to_str()?.parse().ok());
    processes.filter(|pid| is_server_by_proc(*pid, data, uid)).collect()
}

fn is_server_by_proc(pid: i32, data: &Path, uid: u32) -> bool {
    let process = PathBuf::from(format!("/proc/{pid}"));
    if std::fs::metadata(&process).map(|metadata| metadata.uid()).ok() != Some(uid) {
        return false;
    }
    // Empty for a zombie.
    let line = std::fs::read(process.join("cmdline")).unwrap_or_default();
    let mut words = line.split(|byte| *byte == 0);
    if !words.next().is_some_and(|program| is_postmaster(&String::from_utf8_lossy(program))) {
        return false;
    }
    // The working directory follows a project that was moved while its server ran. As root without
    // CAP_SYS_PTRACE, usual in containers, it cannot be read, and the argument has to do.
    let Ok(working) = std::fs::read_link(process.join("cwd")) else {
        return words.any(|word| word == data.as_os_str().as_bytes());
    };
    let mut deleted = data.as_os_str().to_owned();
    deleted.push(" (deleted)");
    working == data || working == deleted || std::fs::canonicalize(data).is_ok_and(|data| working == data)
}

/// `None` where the processes cannot be listed.
fn servers_by_ps(data: &Path, uid: u32) -> Option<Vec<i32>> {
    let output =
        std::process::Command::new("ps").args(["-axww", "-o", "pid=,uid=,command="]).output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout);
    let server = |line: &str| {
        let (pid, rest) = line.trim().split_once(char::is_whitespace)?;
        let (owner, command) = rest.trim().split_once(char::is_whitespace)?;
        let here = command.contains(&format!(" -D {} ", data.display()));
        (owner.parse() == Ok(uid) && is_postmaster(command.trim()) && here).then(|| pid.parse().ok())?
    };
    Some(text.lines().filter_map(server).collect())
}

/// The server's other processes call themselves `postgres: checkpointer` and the like.
fn is_postmaster(command: &str) -> bool {
    command.contains("postgres") && !command.starts_with("postgres:")
}

/// How a server is told to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ending {
    /// Rolls back what is open, closes connections, writes a checkpoint.
    Fast,
    /// Ends at once; only for a server whose data is gone.
    Immediate,
}

/// Signals a server that [`is_server_on`] has just confirmed. One that is gone by now is no error.
pub(super) fn end(pid: i32, ending: Ending) -> Result<(), EmbeddedError> {
    let Some(process) = Pid::from_raw(pid) else {
        return Ok(());
    };
    let signal = match ending {
        Ending::Fast => Signal::INT,
        Ending::Immediate => Signal::QUIT,
    };
    match rustix::process::kill_process(process, signal) {
        Ok(()) | Err(rustix::io::Errno::SRCH) => Ok(()),
        Err(error) => Err(EmbeddedError::SignalRefused { pid, source: error.into() }),
    }
}
