//! The files of a commit in a folder, and what becomes of those of other commits.

use std::collections::BTreeSet;
use std::fs::File;
use std::path::{Path, PathBuf};

use super::error::{RepositoryError, Said};
use super::program::{Answer, Call, Program};
use super::{COMMITS, Repository, Tip};

impl Repository {
    /// Puts a commit's files in their place, unless they are there.
    pub(super) async fn put(
        &mut self,
        program: &Program,
        lock: &File,
        commit: &str,
    ) -> Result<PathBuf, RepositoryError> {
        let folder = self.cache.files(commit);
        let must_be_trusted = self.options.verify.is_some() && !self.trusted.contains(commit);
        if self.whole.contains(commit) && folder.is_dir() && !must_be_trusted {
            return Ok(folder);
        }
        if !self.has(program, lock, commit).await? || !self.in_use.contains_key(commit) {
            let tip = Tip { name: commit.to_owned(), sha: commit.to_owned() };
            self.bring(program, lock, &tip).await?;
        } else if must_be_trusted {
            self.signer(program, lock, commit).await?;
        }
        let repository = self.cache.repository(commit.len());
        let index = self.cache.new_one(&format!("{commit}.index"));
        let call = |words: &[&'static str]| {
            Call::new(words, self.cache.folder(), &repository).under(lock).variable("GIT_INDEX_FILE", &index)
        };
        let mut read = call(&["read-tree"]);
        read.words.push(commit.as_ref());
        self.succeeded(program.run(&read).await?)?;
        if super::super::is_there(&folder) {
            if self.is_whole(program, &folder, &call).await? {
                self.cache.remove(&index).await?;
                self.whole.insert(commit.to_owned());
                return Ok(folder);
            }
            tracing::warn!(folder = %folder.display(), "the files of a commit were changed; they are made anew");
            self.cache.remove(&folder).await?;
        }
        let new = self.cache.new_one(commit);
        std::fs::create_dir(&new).map_err(|error| self.cache.disk(&error))?;
        let mut write = call(&["checkout-index", "--all", "--quiet"]).variable("GIT_WORK_TREE", &new);
        write.folder = &new;
        self.succeeded(program.run(&write).await?)?;
        std::fs::rename(&new, &folder).map_err(|error| self.cache.disk(&error))?;
        self.cache.remove(&index).await?;
        self.whole.insert(commit.to_owned());
        Ok(folder)
    }

    /// Whether a folder holds the files of the index, and no others. All of them are read.
    async fn is_whole<'a>(
        &self,
        program: &Program,
        folder: &'a Path,
        call: &impl Fn(&[&'static str]) -> Call<'a>,
    ) -> Result<bool, RepositoryError> {
        if !folder.is_dir() {
            return Ok(false);
        }
        let mut compare = call(&["update-index", "--really-refresh"]).variable("GIT_WORK_TREE", folder);
        compare.folder = folder;
        if !program.run(&compare).await?.is_success {
            return Ok(false);
        }
        let mut others = call(&["ls-files", "--others"]).variable("GIT_WORK_TREE", folder);
        others.folder = folder;
        Ok(self.succeeded(program.run(&others).await?)?.text.is_empty())
    }

    /// Removes the files and the names of commits that nobody needs, and what git kept for them.
    pub(super) async fn prune(
        &mut self,
        program: &Program,
        lock: &File,
        commit: &str,
        keep: &[String],
    ) -> Result<(), RepositoryError> {
        let mut wanted: BTreeSet<&str> = keep.iter().map(String::as_str).collect();
        wanted.insert(commit);
        wanted.extend(self.latest.as_ref().map(|latest| latest.sha.as_str()));
        self.in_use.retain(|commit, _| wanted.contains(commit.as_str()));
        self.whole.retain(|commit| wanted.contains(commit.as_str()));
        self.trusted.retain(|commit| wanted.contains(commit.as_str()));
        let mut is_less = false;
        for other in self.cache.commits()? {
            if wanted.contains(other.as_str()) || !self.cache.forget(&other).await? {
                continue;
            }
            is_less = true;
            let repository = self.cache.repository(other.len());
            let name = format!("{COMMITS}/{other}");
            self.local(program, lock, &["update-ref", "-d", name.as_str()], &repository).await?;
        }
        let repository = self.cache.repository(commit.len());
        if is_less && repository.is_dir() {
            self.local(program, lock, &["gc", "--auto", "--quiet"], &repository).await?;
        }
        Ok(())
    }

    /// Whether the cache has a commit with all that belongs to it.
    pub(super) async fn has(
        &self,
        program: &Program,
        lock: &File,
        commit: &str,
    ) -> Result<bool, RepositoryError> {
        let repository = self.cache.repository(commit.len());
        if !repository.is_dir() {
            return Ok(false);
        }
        let name = format!("{COMMITS}/{commit}^{{commit}}");
        let words = ["rev-parse", "--verify", "--quiet", "--end-of-options", name.as_str()];
        let call = Call::new(&words, self.cache.folder(), &repository).under(lock);
        let answer = program.run(&call).await?;
        Ok(answer.is_success && answer.text.trim() == commit)
    }

    /// The repository in the cache, made where it is not there.
    pub(super) async fn initialised(
        &self,
        program: &Program,
        lock: &File,
        id_length: usize,
    ) -> Result<PathBuf, RepositoryError> {
        let repository = self.cache.repository(id_length);
        if repository.join("HEAD").is_file() {
            return Ok(repository);
        }
        self.cache.remove(&repository).await?;
        let new = self.cache.new_one("repository.git");
        let ids = if id_length == 64 { "--object-format=sha256" } else { "--object-format=sha1" };
        let words = ["init", "--bare", "--quiet", "--template=", ids];
        let call = Call::new(&words, self.cache.folder(), &new).under(lock);
        self.succeeded(program.run(&call).await?)?;
        std::fs::rename(&new, &repository).map_err(|error| self.cache.disk(&error))?;
        Ok(repository)
    }

    /// Runs git on what is here, and takes a failure for an error.
    pub(super) async fn local(
        &self,
        program: &Program,
        lock: &File,
        words: &[&str],
        repository: &Path,
    ) -> Result<Answer, RepositoryError> {
        let call = Call::new(words, self.cache.folder(), repository).under(lock);
        self.succeeded(program.run(&call).await?)
    }

    fn succeeded(&self, answer: Answer) -> Result<Answer, RepositoryError> {
        match answer.is_success {
            true => Ok(answer),
            false => {
                let folder = self.cache.folder().to_string_lossy();
                Err(self.said(&answer, &self.options.reference, &self.place(), &folder).of_cache())
            }
        }
    }

    /// The error that a failure of git is, where it went over the network.
    pub(super) fn remote_failure(&self, answer: &Answer, reference: &str) -> RepositoryError {
        self.said(answer, reference, &self.place(), &self.cache.folder().to_string_lossy()).of_network()
    }

    fn said<'a>(
        &self,
        answer: &'a Answer,
        reference: &'a str,
        repository: &'a str,
        folder: &'a str,
    ) -> Said<'a> {
        tracing::debug!(code = answer.code, said = answer.said.trim(), "git failed");
        Said { repository, reference, folder, text: &answer.said }
    }

    /// Whether the cache is to be made anew after this error.
    pub(super) fn is_to_be_rebuilt(&self, error: Option<&RepositoryError>) -> bool {
        self.may_rebuild && error.is_some_and(RepositoryError::may_be_the_cache)
    }

    /// Removes the objects of the cache, so that they are fetched anew. The files of commits stay.
    pub(super) async fn rebuild(&mut self, commit: &str) -> Result<(), RepositoryError> {
        let repository = self.cache.repository(commit.len());
        tracing::warn!(folder = %repository.display(), "the cache of the repository is made anew");
        self.may_rebuild = false;
        self.cache.remove(&repository).await
    }
}

/// Reads `git version 2.47.3`.
pub(super) fn git_version(text: &str) -> Option<(u32, u32)> {
    let number = text.trim().strip_prefix("git version ")?;
    let mut parts = number.split(|c: char| !c.is_ascii_digit());
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_of_git_are_read() {
        assert_eq!(git_version("git version 2.47.3\n"), Some((2, 47)));
        assert_eq!(git_version("git version 2.39.5 (Apple Git-154)"), Some((2, 39)));
        assert_eq!(git_version("git version 3.0-rc1"), Some((3, 0)));
        assert_eq!(git_version("something"), None);
        assert!(Some((2, 30)) < Some(super::super::OLDEST_GIT));
    }
}
