//! The lock that lets one command at a time initialise, start or stop the server. The kernel drops it when
//! its holder dies, however it dies.

use std::fs::{File, OpenOptions, TryLockError};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::time::Duration;

use tokio::time::Instant;

use super::error::EmbeddedError;

/// Opens a file of ours for writing, refusing a symbolic link: as root we may be in a folder that another
/// user can write.
pub(super) fn open_own(path: &Path, options: &mut OpenOptions) -> Result<File, EmbeddedError> {
    let no_follow = rustix::fs::OFlags::NOFOLLOW.bits().cast_signed();
    options
        .create(true)
        .mode(0o600)
        .custom_flags(no_follow)
        .open(path)
        .map_err(|source| EmbeddedError::io("open", path, source))
}

/// Takes the lock at once, or returns `None` when it is held.
pub(super) fn try_acquire(path: &Path) -> Result<Option<File>, EmbeddedError> {
    let file = open_own(path, OpenOptions::new().read(true).append(true))?;
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(source)) => Err(EmbeddedError::io("lock", path, source)),
    }
}

/// Takes the lock, waiting for other commands for at most `patience`. It is released when the file is
/// dropped.
pub(super) async fn acquire(path: &Path, patience: Duration) -> Result<File, EmbeddedError> {
    let begun = Instant::now();
    let mut pause = Duration::from_millis(2);
    loop {
        if let Some(file) = try_acquire(path)? {
            return Ok(file);
        }
        if begun.elapsed() >= patience {
            return Err(EmbeddedError::Busy { lock: path.to_path_buf(), waited: begun.elapsed() });
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(Duration::from_millis(25));
    }
}
