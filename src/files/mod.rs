//! Files: finds the project, reads manifests within limits and within the project, writes whole files or nothing.

#![expect(clippy::disallowed_methods, reason = "this is the one home of reading and writing files")]

mod git;
mod notice;
mod process;
mod read;
mod replace;
mod repository;
mod rows;
mod secret;
mod spool;
mod write;

pub use git::{GitError, GitTree};
pub use notice::{Noticing, appearance};
pub use process::{ProcessFigures, process_figures};
pub use read::{ManifestRoots, ProjectRows, find_project, read_manifests, read_project, read_secret};
pub use replace::{CHANGED, Replacement, replace_all};
pub use repository::{
    Commit, ENVIRONMENT as GIT_ENVIRONMENT, Repository, RepositoryError, RepositoryOptions, Verification,
};
pub use rows::{GivenRows, STANDARD_INPUT, read_rows};
pub use secret::{SecretSlot, could_save_secret, open_secret_slot, read_secret_file, read_secret_file_as};
pub use spool::Spool;
pub use write::{
    WriteError, append, create_new, ensure_folder, keep, remove, take_back, write_atomically, write_with,
};

/// What the operating system says, in words; without the number that it gives to every error.
#[must_use]
pub fn io_words(error: &std::io::Error) -> String {
    use std::io::ErrorKind;
    match error.kind() {
        ErrorKind::NotFound => "there is no such file or folder".to_owned(),
        ErrorKind::PermissionDenied => "permission denied".to_owned(),
        ErrorKind::StorageFull => "no space is left on the device".to_owned(),
        ErrorKind::QuotaExceeded => "the disk quota is used up".to_owned(),
        ErrorKind::ReadOnlyFilesystem => "the file system is read-only".to_owned(),
        ErrorKind::AlreadyExists | ErrorKind::NotADirectory => {
            "something on the way is a file, not a folder".to_owned()
        }
        ErrorKind::IsADirectory => "it is a folder".to_owned(),
        ErrorKind::TooManyLinks => "it is a link that leads to itself".to_owned(),
        ErrorKind::InvalidData => "it is not UTF-8 text".to_owned(),
        _ => {
            let text = error.to_string();
            text.split(" (os error").next().unwrap_or_default().to_owned()
        }
    }
}

/// The name of a project file.
pub const PROJECT_FILE: &str = "synthex.yaml";

/// Whether a path is a folder; false when it is not there or cannot be looked at.
#[must_use]
pub fn is_folder(path: &std::path::Path) -> bool {
    path.is_dir()
}

/// Whether a path is a file, and no pipe or device.
#[must_use]
pub fn is_file(path: &std::path::Path) -> bool {
    path.is_file()
}

/// How many bytes a file has; 0 when it is not there.
#[must_use]
pub fn size(path: &std::path::Path) -> u64 {
    std::fs::metadata(path).map_or(0, |metadata| metadata.len())
}

/// Whether anything has this name, be it a link that leads nowhere.
#[must_use]
pub fn is_there(path: &std::path::Path) -> bool {
    std::fs::symlink_metadata(path).is_ok()
}

/// Whether a path is a folder or in it, links followed.
#[must_use]
pub fn is_within(path: &std::path::Path, folder: &std::path::Path) -> bool {
    path.canonicalize().is_ok_and(|path| folder.canonicalize().is_ok_and(|folder| path.starts_with(folder)))
}

/// The working directory.
///
/// # Errors
/// It was removed, or may not be read.
pub fn working_directory() -> std::io::Result<std::path::PathBuf> {
    std::env::current_dir()
}

/// The absolute path without links.
///
/// # Errors
/// The path does not exist, or may not be looked at.
pub fn canonical(path: &std::path::Path) -> std::io::Result<std::path::PathBuf> {
    path.canonicalize()
}

/// The bytes of a file.
///
/// # Errors
/// It is not there, or may not be read.
pub fn read_bytes(path: &std::path::Path) -> std::io::Result<Vec<u8>> {
    std::fs::read(path)
}

/// The bytes of a small file; `None` when it is not there or cannot be read.
#[must_use]
pub fn read_optional(path: &std::path::Path) -> Option<Vec<u8>> {
    std::fs::read(path).ok()
}
