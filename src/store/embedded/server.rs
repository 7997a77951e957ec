//! The three things done with a server: bring it up, look at it, stop it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::time::Instant;

use super::account::Account;
use super::binaries::{self, Wanted};
use super::error::EmbeddedError;
use super::folder::{Folder, socket_in};
use super::initialise::initialise;
use super::postmaster::{self, Ending, Record};
use super::probe::{self, Answer};
use super::start::Start;
use super::{EmbeddedConfig, Endpoint, HowAttached, State, Status, lock};

/// On top of the start timeout, what another command may take to create the cluster while we wait for it.
const TIME_TO_INITIALISE: Duration = Duration::from_mins(1);

pub(super) async fn ensure_running(
    config: &EmbeddedConfig,
) -> Result<(Endpoint, HowAttached), EmbeddedError> {
    if let Some((endpoint, _)) = reachable(&Folder::at(&config.root)).await {
        return Ok((endpoint, HowAttached::AlreadyRunning));
    }
    let account = Account::choose(&config.root.join("data"))?;
    let folder = Folder::create(&config.root, &account)?;
    let lock = lock::acquire(&folder.lock(), config.start_timeout + TIME_TO_INITIALISE).await?;
    if let Some((endpoint, _)) = reachable(&folder).await {
        return Ok((endpoint, HowAttached::AlreadyRunning));
    }
    // Again: another command may have made the data while we waited.
    let account = Account::choose(&folder.data())?;
    check_owner(&folder.data(), &account)?;
    let major = folder.data_major()?;
    let recorded = folder.recorded_bindir();
    let wanted = Wanted { data: &folder.data(), major, recorded: recorded.as_deref() };
    let binaries = binaries::find(config, &account, wanted).await?;
    postmaster::end_strays(&folder, account.uid, config.start_timeout).await?;
    let how = if major.is_some() {
        HowAttached::Started
    } else {
        tracing::info!(root = %folder.root.display(), major = binaries.major, "creating an embedded PostgreSQL");
        initialise(&folder, &binaries, &account).await?;
        HowAttached::Initialised
    };
    if major.is_some() && recorded.as_ref() != Some(&binaries.folder) {
        folder.record_bindir(&binaries.folder)?;
    }
    let start =
        Start { folder: &folder, binaries: &binaries, account: &account, timeout: config.start_timeout };
    let endpoint = start.run().await?;
    drop(lock);
    tracing::debug!(socket = %endpoint.socket_dir.display(), ?how, "the embedded PostgreSQL takes connections");
    Ok((endpoint, how))
}

/// Where the server takes connections now, and what it says its version is.
pub(super) async fn reachable(folder: &Folder) -> Option<(Endpoint, Option<String>)> {
    let record = Record::read(&folder.data()).filter(|record| record.says_ready)?;
    for socket_dir in socket_dirs(folder, &record) {
        if let Answer::Ready { version } = probe::ask(&socket_in(&socket_dir)).await {
            return Some((Endpoint::at(socket_dir), version));
        }
    }
    None
}

/// Where the server's record says the socket is, then where it is since the project was moved. Without a
/// record there is no server on this data, whatever may still answer on a socket whose data was deleted.
fn socket_dirs(folder: &Folder, record: &Record) -> Vec<PathBuf> {
    let mut places: Vec<PathBuf> = record.socket_dir.iter().cloned().collect();
    if !places.contains(&folder.run()) {
        places.push(folder.run());
    }
    places
}

fn check_owner(data: &Path, account: &Account) -> Result<(), EmbeddedError> {
    use std::os::unix::fs::MetadataExt as _;
    match std::fs::metadata(data) {
        Ok(metadata) if metadata.uid() != account.uid => Err(EmbeddedError::OwnedByOther {
            path: data.to_path_buf(),
            owner: metadata.uid(),
            expected: account.uid,
        }),
        _ => Ok(()),
    }
}

pub(super) async fn status(config: &EmbeddedConfig) -> Status {
    let folder = Folder::at(&config.root);
    let data = folder.data();
    let data_version = folder.data_major().ok().flatten().map(|major| major.to_string());
    let record = Record::read(&data);
    let state = match (reachable(&folder).await, &record) {
        (Some((endpoint, version)), record) => State::Running {
            pid: record.as_ref().map(|record| record.pid),
            version,
            since: record.as_ref().and_then(|record| record.since),
            endpoint,
        },
        (None, Some(record)) if owner_runs(&data, record.pid) => {
            State::Busy { pid: record.pid, message: answer(&folder, record).await }
        }
        (None, _) if !data.exists() => State::NotInitialised,
        (None, _) => State::Stopped,
    };
    Status {
        data_bytes: bytes_below(&data),
        log_bytes: bytes_below(&folder.log()),
        log_file: folder.log(),
        root: folder.root,
        data_dir: data,
        data_version,
        state,
    }
}

async fn answer(folder: &Folder, record: &Record) -> Option<String> {
    for socket_dir in socket_dirs(folder, record) {
        if let Answer::NotYet { message } = probe::ask(&socket_in(&socket_dir)).await {
            return Some(message);
        }
    }
    None
}

fn owner_runs(data: &Path, pid: i32) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    std::fs::metadata(data).is_ok_and(|metadata| postmaster::is_server_on(pid, data, metadata.uid()))
}

fn bytes_below(path: &Path) -> u64 {
    let Ok(metadata) = std::fs::symlink_metadata(path) else {
        return 0;
    };
    if !metadata.is_dir() {
        return metadata.len();
    }
    std::fs::read_dir(path).into_iter().flatten().flatten().map(|entry| bytes_below(&entry.path())).sum()
}

pub(super) async fn stop(config: &EmbeddedConfig) -> Result<bool, EmbeddedError> {
    let folder = Folder::at(&config.root);
    let data = folder.data();
    if !data.exists() {
        return Ok(false);
    }
    let _lock = lock::acquire(&folder.lock(), config.start_timeout + TIME_TO_INITIALISE).await?;
    let Some(record) = Record::read(&data).filter(|record| owner_runs(&data, record.pid)) else {
        return Ok(false);
    };
    postmaster::end(record.pid, Ending::Fast)?;
    let begun = Instant::now();
    loop {
        // The lock goes last: a server started before that would find its predecessor's shared memory.
        if !owner_runs(&data, record.pid) && lock::try_acquire(&folder.server_lock())?.is_some() {
            return Ok(true);
        }
        if begun.elapsed() >= config.start_timeout {
            return Err(EmbeddedError::StopTimeout {
                pid: record.pid,
                waited: begun.elapsed(),
                log: folder.log(),
            });
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
