//! Reads files as they are in a commit, through the program `git`: nothing is checked out, fetched or written.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use thiserror::Error;

use crate::model::files::{RowFileError, RowFiles};
use crate::model::{Diagnostic, Position, SourceFile};

use super::read::{is_manifest, tidy};

/// How long one call of git may take.
const LIMIT: Duration = Duration::from_secs(60);

/// Git did not give what was asked for.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum GitError {
    /// The program is not there.
    #[error("git cannot be run: {0}")]
    NoGit(String),
    /// The folder is in no repository, or git refuses to look at it.
    #[error("{0}")]
    NoRepository(String),
    /// There is no such commit.
    #[error("git knows no commit `{0}`")]
    NoCommit(String),
    /// It did not answer in time.
    #[error("git did not answer within 60 seconds")]
    Slow,
    /// Anything else.
    #[error("{0}")]
    Other(String),
}

#[derive(Clone, Debug)]
struct Blob {
    id: String,
    size: u64,
    is_link: bool,
}

/// The files below a folder, as they are in a commit.
#[derive(Clone, Debug)]
pub struct GitTree {
    folder: PathBuf,
    reference: String,
    files: BTreeMap<PathBuf, Blob>,
    max_file_size: u64,
}

impl GitTree {
    /// The files below `folder` in the commit that `reference` names.
    ///
    /// # Errors
    /// There is no git, no repository, or no such commit.
    pub fn open(folder: &Path, reference: &str) -> Result<Self, GitError> {
        let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
        run(folder, &["rev-parse", "--git-dir"], None).map_err(|error| match error {
            GitError::Other(why) => GitError::NoRepository(why),
            other => other,
        })?;
        let named = format!("{reference}^{{commit}}");
        let verify = ["rev-parse", "--verify", "--quiet", "--end-of-options", &named];
        let commit = run(folder, &verify, None).map_err(|error| match error {
            GitError::Other(_) => GitError::NoCommit(reference.to_owned()),
            other => other,
        })?;
        let commit = String::from_utf8_lossy(&commit).trim().to_owned();
        if commit.len() < 40 || !commit.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(GitError::NoCommit(reference.to_owned()));
        }
        let listing = run(folder, &["ls-tree", "-r", "-z", "-l", &commit], None)?;
        let files = listing.split(|byte| *byte == 0).filter_map(entry).collect();
        let max_file_size = crate::kinds::project::DEFAULT_MAX_FILE_SIZE;
        Ok(Self { folder: folder.to_path_buf(), reference: reference.to_owned(), files, max_file_size })
    }

    /// The same with another limit on the size of files.
    #[must_use]
    pub fn with_max_file_size(mut self, bytes: u64) -> Self {
        self.max_file_size = bytes;
        self
    }

    /// One file; `None` when the commit does not have it.
    ///
    /// # Errors
    /// Git fails, or the file is too large.
    pub fn file(&self, path: &Path) -> Result<Option<SourceFile>, Vec<Diagnostic>> {
        let path = tidy(path);
        if !self.files.contains_key(&path) {
            return Ok(None);
        }
        Ok(self.read(&[path])?.pop())
    }

    /// The manifests in files and folders, without those in `without` and without the project file, sorted by path.
    ///
    /// # Errors
    /// One of the paths has no manifest, or a file cannot be read.
    pub fn manifests(
        &self,
        roots: &[PathBuf],
        without: &[PathBuf],
        project_file: &Path,
    ) -> Result<Vec<SourceFile>, Vec<Diagnostic>> {
        let mut wanted: Vec<PathBuf> = Vec::new();
        let mut problems = Vec::new();
        for root in roots.iter().map(|root| tidy(root)) {
            let whole = root.as_os_str().is_empty();
            let below = |path: &&PathBuf| {
                let Ok(rest) = path.strip_prefix(&root) else { return false };
                let hidden = rest.iter().any(|step| step.to_string_lossy().starts_with('.'));
                let named = !whole && **path == root;
                named || (!hidden && is_manifest(path))
            };
            let left_out = |path: &PathBuf| {
                path == project_file
                    || without
                        .iter()
                        .map(|path| tidy(path))
                        .any(|overlay| !root.starts_with(&overlay) && path.starts_with(&overlay))
            };
            let before = wanted.len();
            wanted.extend(self.files.keys().filter(below).filter(|path| !left_out(path)).cloned());
            if wanted.len() == before {
                let shown = self.shown(&root);
                let problem = Diagnostic::error("SX0116", format!("there is no manifest in {shown}"));
                let help = "a missing source never means that nothing is declared; name another commit";
                problems.push(problem.help(help).at(Position::start_of(&shown)));
            }
        }
        if !problems.is_empty() {
            return Err(problems);
        }
        wanted.sort();
        wanted.dedup();
        self.read(&wanted)
    }

    fn shown(&self, path: &Path) -> String {
        format!("{}:{}", self.reference, path.display())
    }

    /// The blob of a file, through links within the tree.
    fn blob(&self, path: &Path) -> Result<&Blob, String> {
        let mut path = path.to_path_buf();
        for _ in 0..16 {
            let blob = self.files.get(&path).ok_or("it is a link that leads nowhere, or to a folder")?;
            if !blob.is_link {
                return Ok(blob);
            }
            let content =
                self.contents(&[blob]).map_err(|error| error.to_string())?.pop().unwrap_or_default();
            let target = String::from_utf8_lossy(&content).into_owned();
            path = tidy(&path.parent().unwrap_or(Path::new("")).join(target));
        }
        Err("it is a link that leads to itself".to_owned())
    }

    fn read(&self, paths: &[PathBuf]) -> Result<Vec<SourceFile>, Vec<Diagnostic>> {
        let mut problems = Vec::new();
        let mut blobs = Vec::new();
        for path in paths {
            let at = |problem: Diagnostic| problem.at(Position::start_of(&self.shown(path)));
            match self.blob(path) {
                Ok(blob) if blob.size > self.max_file_size => {
                    let message = format!("the file is larger than {} bytes", self.max_file_size);
                    problems.push(at(Diagnostic::error("SX0111", message)));
                }
                Ok(blob) => blobs.push(blob),
                Err(why) => {
                    problems.push(at(Diagnostic::error("SX0112", format!("the file cannot be read: {why}"))));
                }
            }
        }
        if !problems.is_empty() {
            return Err(problems);
        }
        let contents = self.contents(&blobs).map_err(|error| {
            let message = format!("{} cannot be read: {error}", self.reference);
            vec![Diagnostic::error("SX0112", message).at(Position::start_of(&self.reference))]
        })?;
        let files = paths.iter().zip(contents);
        Ok(files.map(|(path, bytes)| SourceFile::new(self.shown(path), bytes)).collect())
    }

    fn contents(&self, blobs: &[&Blob]) -> Result<Vec<Vec<u8>>, GitError> {
        if blobs.is_empty() {
            return Ok(Vec::new());
        }
        let mut request = Vec::new();
        for blob in blobs {
            request.extend_from_slice(blob.id.as_bytes());
            request.push(b'\n');
        }
        let answer = run(&self.folder, &["cat-file", "--batch"], Some(request))?;
        let cut = || GitError::Other("git's answer was cut short".to_owned());
        let mut rest = answer.as_slice();
        let mut contents = Vec::with_capacity(blobs.len());
        for _ in blobs {
            let end = rest.iter().position(|byte| *byte == b'\n').ok_or_else(cut)?;
            let header = String::from_utf8_lossy(&rest[..end]).into_owned();
            let mut words = header.split(' ').skip(1);
            let (Some("blob"), Some(size)) = (words.next(), words.next().and_then(|size| size.parse().ok()))
            else {
                return Err(GitError::Other(format!("git has no content for {header}")));
            };
            let body = rest.get(end + 1..).and_then(|rest| rest.split_at_checked(size)).ok_or_else(cut)?;
            contents.push(body.0.to_vec());
            rest = body.1.get(1..).ok_or_else(cut)?;
        }
        Ok(contents)
    }
}

impl RowFiles for GitTree {
    fn read(&self, manifest: &str, reference: &str) -> Result<SourceFile, RowFileError> {
        let fail =
            |message: String, help: &str| RowFileError { code: "SX0405", message, help: help.to_owned() };
        let manifest = manifest.strip_prefix(&format!("{}:", self.reference)).unwrap_or(manifest);
        let path = tidy(&Path::new(manifest).parent().unwrap_or(Path::new("")).join(reference));
        let missing = || {
            let message = format!("there is no file `{reference}` in {}", self.reference);
            fail(message, "the path is relative to the manifest")
        };
        match self.file(&path) {
            Ok(found) => found.ok_or_else(missing),
            Err(problems) => Err(problems.into_iter().next().map_or_else(missing, |problem| RowFileError {
                code: problem.code,
                message: format!("`{reference}`: {}", problem.message),
                help: problem.help.unwrap_or_default(),
            })),
        }
    }
}

/// One entry of `git ls-tree -l`: `100644 blob ID    SIZE\tPATH`.
fn entry(line: &[u8]) -> Option<(PathBuf, Blob)> {
    let tab = line.iter().position(|byte| *byte == b'\t')?;
    let head = String::from_utf8_lossy(&line[..tab]).into_owned();
    let mut words = head.split_ascii_whitespace();
    let (mode, kind, id, size) = (words.next()?, words.next()?, words.next()?, words.next()?);
    let path = PathBuf::from(String::from_utf8_lossy(&line[tab + 1..]).into_owned());
    let blob = Blob { id: id.to_owned(), size: size.parse().ok()?, is_link: mode == "120000" };
    (kind == "blob").then_some((path, blob))
}

/// Runs git without a shell and without a network.
fn run(folder: &Path, arguments: &[&str], input: Option<Vec<u8>>) -> Result<Vec<u8>, GitError> {
    let mut child = Command::new("git")
        .args(arguments)
        .current_dir(folder)
        .envs([
            ("GIT_TERMINAL_PROMPT", "0"),
            ("GIT_OPTIONAL_LOCKS", "0"),
            ("GIT_NO_LAZY_FETCH", "1"),
            ("LC_ALL", "C"),
        ])
        .stdin(if input.is_some() { Stdio::piped() } else { Stdio::null() })
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| GitError::NoGit(super::io_words(&error)))?;
    let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    std::thread::scope(|scope| {
        scope.spawn(move || {
            if let (Some(mut stdin), Some(input)) = (stdin, input) {
                // Not reading all of it is git's right; its status says why.
                let _ = stdin.write_all(&input);
            }
        });
        let read = scope.spawn(move || {
            let mut bytes = Vec::new();
            stdout.map_or(Ok(0), |mut pipe| pipe.read_to_end(&mut bytes)).map(|_| bytes)
        });
        let said = scope.spawn(move || {
            let mut text = String::new();
            let _ = stderr.map_or(Ok(0), |mut pipe| pipe.read_to_string(&mut text));
            text
        });
        let start = Instant::now();
        // The pipe is closed when git ends; polling its status alone would wait for a full pipe for ever.
        while !read.is_finished() && start.elapsed() < LIMIT {
            std::thread::sleep(Duration::from_millis(1));
        }
        if !read.is_finished() {
            let _ = child.kill();
        }
        let status = child.wait().map_err(|error| GitError::Other(super::io_words(&error)))?;
        let slow = start.elapsed() >= LIMIT;
        let bytes = read.join().ok().and_then(Result::ok);
        let said = said.join().unwrap_or_default();
        match bytes {
            _ if slow => Err(GitError::Slow),
            Some(bytes) if status.success() => Ok(bytes),
            _ => {
                let why =
                    said.lines().next().unwrap_or("git failed").trim_start_matches("fatal: ").to_owned();
                Err(GitError::Other(why))
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listing_is_read_as_git_writes_it() {
        let (path, blob) = entry(b"100644 blob 1234abcd     712\tmanifests/a b\xc3\xa4.yaml").unwrap();
        assert_eq!(path, Path::new("manifests/a bä.yaml"));
        assert_eq!((blob.id.as_str(), blob.size, blob.is_link), ("1234abcd", 712, false));
        assert!(entry(b"120000 blob 1234abcd       5\tlink").unwrap().1.is_link);
        assert!(entry(b"160000 commit 1234abcd       -\tmodule").is_none());
        assert!(entry(b"").is_none());
    }
}
