//! Writes files whole or not at all: beside the target, then renamed.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use thiserror::Error;

/// A file could not be written. What was there before is as it was.
#[derive(Debug, Error)]
#[error("{} could not be written", path.display())]
pub struct WriteError {
    /// The file.
    pub path: PathBuf,
    /// Why.
    #[source]
    pub source: std::io::Error,
}

fn fail(path: &Path) -> impl FnOnce(std::io::Error) -> WriteError + '_ {
    move |source| WriteError { path: path.to_path_buf(), source }
}

/// Makes a folder and those above it.
///
/// # Errors
/// The folder cannot be made.
pub fn ensure_folder(path: &Path) -> Result<(), WriteError> {
    std::fs::create_dir_all(path).map_err(fail(path))
}

/// Writes a file that must not be there yet. Returns false, and writes nothing, when it is.
///
/// # Errors
/// The file cannot be written.
pub fn create_new(path: &Path, text: &str) -> Result<bool, WriteError> {
    if super::is_there(path) {
        return Ok(false);
    }
    write_atomically(path, text.as_bytes())?;
    Ok(true)
}

/// Keeps a file that may be lost: written in one step, but not forced to the disk. Failing to is not worth a word to the
/// user.
pub fn keep(path: &Path, bytes: &[u8]) {
    let write = || -> std::io::Result<()> {
        let folder = path.parent().unwrap_or(Path::new("."));
        std::fs::create_dir_all(folder)?;
        let beside = path.with_extension(format!("{}.tmp", std::process::id()));
        let outcome = std::fs::write(&beside, bytes).and_then(|()| std::fs::rename(&beside, path));
        outcome.inspect_err(|_| {
            let _ = std::fs::remove_file(&beside);
        })
    };
    if let Err(error) = write() {
        tracing::debug!(%error, path = %path.display(), "a cache was not kept");
    }
}

/// Writes a file in place of what is there, in one step. What is no file, such as a pipe, is written to.
///
/// # Errors
/// The file cannot be written, for example because the disk is full; what was there stays.
pub fn write_atomically(path: &Path, bytes: &[u8]) -> Result<(), WriteError> {
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        ensure_folder(folder)?;
    }
    // A device or a pipe, such as /dev/stdout, is written to. A file in its place would be the end of it.
    if std::fs::metadata(path).is_ok_and(|there| !there.is_file() && !there.is_dir()) {
        let device = std::fs::OpenOptions::new().write(true).open(path);
        return device.and_then(|mut device| device.write_all(bytes)).map_err(fail(path));
    }
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let beside = path.with_file_name(format!(".{name}.{}.tmp", std::process::id()));
    let written = std::fs::File::create(&beside).and_then(|mut file| {
        file.write_all(bytes)?;
        file.sync_all()
    });
    let written = written.and_then(|()| std::fs::rename(&beside, path));
    written.map_err(|source| {
        let _ = std::fs::remove_file(&beside);
        WriteError { path: path.to_path_buf(), source }
    })
}
