//! Writes files whole or not at all: beside the target, then renamed.

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

/// Adds to the end of a file, which is made where it is missing. What CI systems read back is added to, never replaced.
///
/// # Errors
/// The file cannot be written.
pub fn append(path: &Path, bytes: &[u8]) -> Result<(), WriteError> {
    use std::io::Write as _;
    let mut options = std::fs::OpenOptions::new();
    let added = options.create(true).append(true).open(path).and_then(|mut file| file.write_all(bytes));
    added.map_err(fail(path))
}

/// Removes a file. That it is not there is no error.
///
/// # Errors
/// The file cannot be removed.
pub fn remove(path: &Path) -> Result<(), WriteError> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(fail(path)(error)),
        _ => Ok(()),
    }
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

/// Removes files that were just written, and of these folders those that nothing else is in. What cannot be removed stays.
pub fn take_back(files: &[PathBuf], folders: &[PathBuf]) {
    for file in files {
        if let Err(error) = std::fs::remove_file(file) {
            tracing::debug!(%error, path = %file.display(), "a file was not removed");
        }
    }
    for folder in folders {
        // It fails where something else is in it.
        let _ = std::fs::remove_dir(folder);
    }
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
    write_with(path, |out| out.write_all(bytes))
}

/// [`write_atomically`] in pieces, for what may be large. A device or pipe is written to as it is, never replaced.
///
/// # Errors
/// The file cannot be written, for example because the disk is full; what was there stays.
pub fn write_with(
    path: &Path,
    write: impl FnOnce(&mut dyn std::io::Write) -> std::io::Result<()>,
) -> Result<(), WriteError> {
    if std::fs::metadata(path).is_ok_and(|metadata| !metadata.is_file() && !metadata.is_dir()) {
        let written = std::fs::OpenOptions::new().write(true).open(path).and_then(|file| filled(file, write));
        return written.map(drop).map_err(fail(path));
    }
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        ensure_folder(folder)?;
    }
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let beside = path.with_file_name(format!(".{name}.{}.tmp", std::process::id()));
    let written = std::fs::File::create(&beside).and_then(|file| filled(file, write)?.sync_all());
    let written = written.and_then(|()| std::fs::rename(&beside, path));
    written.map_err(|source| {
        let _ = std::fs::remove_file(&beside);
        WriteError { path: path.to_path_buf(), source }
    })
}

fn filled(
    file: std::fs::File,
    write: impl FnOnce(&mut dyn std::io::Write) -> std::io::Result<()>,
) -> std::io::Result<std::fs::File> {
    let mut out = std::io::BufWriter::with_capacity(1 << 16, file);
    write(&mut out)?;
    out.into_inner().map_err(std::io::IntoInnerError::into_error)
}
