//! The folder that a repository is kept in, shared by all who use it: which files are there, who works on them, and what is
//! no longer needed.
//!
//! | name | what it is |
//! | --- | --- |
//! | `lock` | held by whoever changes something here |
//! | `repository.git` | the objects that were fetched; its references name the commits that somebody needs |
//! | `ID/` | the files of a commit |
//! | `ID.lock` | held, together, by all who use that commit: what is in use is not removed |
//! | `.new-...`, `.old-...` | what is being made or removed; left over, it is removed by the next who holds the lock |
//!
//! The kernel gives locks back when their holder dies, however it dies.

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::address::is_commit;
use super::error::RepositoryError;

/// How often a lock that others hold is tried for.
const BETWEEN_TRIES: Duration = Duration::from_millis(20);

/// The folder.
#[derive(Clone, Debug)]
pub(super) struct Cache {
    folder: PathBuf,
}

impl Cache {
    /// The cache in a folder; nothing is made yet.
    pub(super) fn new(folder: PathBuf) -> Self {
        Self { folder }
    }

    /// The folder itself.
    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// The error for what the operating system said.
    pub(super) fn disk(&self, error: &io::Error) -> RepositoryError {
        RepositoryError::Disk {
            folder: self.folder.display().to_string(),
            why: crate::files::io_words(error),
        }
    }

    /// The empty folder that programs take for the user's.
    pub(super) fn home(&self) -> PathBuf {
        self.folder.join("home")
    }

    /// The repository for ids of this length: git keeps one sort of ids in a repository.
    pub(super) fn repository(&self, id_length: usize) -> PathBuf {
        self.folder.join(if id_length == 64 { "repository-sha256.git" } else { "repository.git" })
    }

    /// The files of a commit.
    pub(super) fn files(&self, commit: &str) -> PathBuf {
        self.folder.join(commit)
    }

    /// What is made, before it is put in its place.
    pub(super) fn new_one(&self, name: &str) -> PathBuf {
        self.folder.join(format!(".new-{name}"))
    }

    /// Makes the folder, for its owner alone.
    pub(super) fn make(&self) -> Result<(), RepositoryError> {
        let mut builder = std::fs::DirBuilder::new();
        builder.recursive(true);
        #[cfg(unix)]
        {
            use std::os::unix::fs::DirBuilderExt as _;
            builder.mode(0o700);
        }
        builder.create(self.home()).map_err(|error| self.disk(&error))
    }

    fn open(&self, name: &str) -> Result<File, RepositoryError> {
        let mut options = OpenOptions::new();
        options.create(true).append(true).read(true);
        #[cfg(unix)]
        {
            use std::os::unix::fs::OpenOptionsExt as _;
            options.mode(0o600);
        }
        options.open(self.folder.join(name)).map_err(|error| self.disk(&error))
    }

    /// Waits until nobody else changes anything here, then removes what the killed left behind.
    pub(super) async fn lock(&self, limit: Duration) -> Result<File, RepositoryError> {
        self.make()?;
        let file = self.open("lock")?;
        let end = Instant::now() + limit;
        loop {
            match file.try_lock() {
                Ok(()) => break,
                Err(TryLockError::Error(error)) => return Err(self.disk(&error)),
                Err(TryLockError::WouldBlock) if Instant::now() < end => sleep(BETWEEN_TRIES).await,
                Err(TryLockError::WouldBlock) => {
                    let what = format!("somebody else is at work in {}, for too long", self.folder.display());
                    return Err(RepositoryError::Slow { what });
                }
            }
        }
        self.sweep().await?;
        Ok(file)
    }

    /// Says that a commit is in use, for as long as what is returned is kept. The lock must be held.
    pub(super) fn use_commit(&self, commit: &str) -> Result<File, RepositoryError> {
        let file = self.open(&format!("{commit}.lock"))?;
        match file.try_lock_shared() {
            Ok(()) => Ok(file),
            Err(TryLockError::Error(error)) => Err(self.disk(&error)),
            // Only who holds the lock takes it for itself alone, and that is us.
            Err(TryLockError::WouldBlock) => {
                Err(RepositoryError::Slow { what: format!("{commit} is being removed") })
            }
        }
    }

    /// The commits that something is kept of.
    pub(super) fn commits(&self) -> Result<Vec<String>, RepositoryError> {
        let names = names(&self.folder).map_err(|error| self.disk(&error))?;
        let mut commits: Vec<String> = names
            .iter()
            .map(|name| name.strip_suffix(".lock").unwrap_or(name))
            .filter(|name| is_commit(name))
            .map(str::to_owned)
            .collect();
        commits.sort();
        commits.dedup();
        Ok(commits)
    }

    /// Removes the files of a commit that nobody uses; whether they are gone. The lock must be held.
    pub(super) async fn forget(&self, commit: &str) -> Result<bool, RepositoryError> {
        let file = self.open(&format!("{commit}.lock"))?;
        if file.try_lock().is_err() {
            return Ok(false);
        }
        self.remove(&self.files(commit)).await?;
        gone(std::fs::remove_file(self.folder.join(format!("{commit}.lock"))))
            .map_err(|error| self.disk(&error))?;
        Ok(true)
    }

    /// Removes a file or a folder; at no time is a half of it there under its name.
    pub(super) async fn remove(&self, path: &Path) -> Result<(), RepositoryError> {
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let aside = self.folder.join(format!(".old-{name}"));
        let work = async {
            remove_all(&aside).await?;
            gone(std::fs::rename(path, &aside))?;
            remove_all(&aside).await
        };
        work.await.map_err(|error| self.disk(&error))
    }

    /// Removes what a run left that was killed: halves, and locks of git. Nobody but us is here.
    async fn sweep(&self) -> Result<(), RepositoryError> {
        let fail = |error: io::Error| self.disk(&error);
        for name in names(&self.folder).map_err(fail)? {
            let path = self.folder.join(&name);
            if name.starts_with(".new-") || name.starts_with(".old-") {
                remove_all(&path).await.map_err(fail)?;
            } else if name.ends_with(".git") {
                // Where it is no repository, git will say so.
                for folder in ["", "objects", "objects/pack"] {
                    sweep_locks(&path.join(folder), false);
                }
                sweep_locks(&path.join("refs"), true);
            }
        }
        Ok(())
    }
}

/// Removes git's locks, and the half packs beside them.
fn sweep_locks(folder: &Path, is_deep: bool) {
    for name in names(folder).unwrap_or_default() {
        let path = folder.join(&name);
        let is_left_over = [".lock", ".keep"].iter().any(|ending| name.ends_with(ending))
            || name.starts_with("tmp_")
            || name.starts_with(".tmp-")
            || name == "gc.pid";
        if is_left_over && !path.is_dir() {
            tracing::debug!(path = %path.display(), "what a killed git left is removed");
            // What cannot be removed is git's to complain about.
            let _ = std::fs::remove_file(&path);
        } else if is_deep && path.is_dir() {
            sweep_locks(&path, true);
        }
    }
}

fn names(folder: &Path) -> io::Result<Vec<String>> {
    std::fs::read_dir(folder)?.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned())).collect()
}

fn gone(done: io::Result<()>) -> io::Result<()> {
    match done {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

async fn remove_all(path: &Path) -> io::Result<()> {
    match std::fs::symlink_metadata(path) {
        Ok(metadata) if metadata.is_dir() => gone(tokio::fs::remove_dir_all(path).await),
        Ok(_) => gone(std::fs::remove_file(path)),
        Err(error) => gone(Err(error)),
    }
}
