//! A git repository as a source of files: what a branch stands at, and the files of that commit in a folder of their own.
//!
//! A commit is pinned: what is checked out is the commit that was fetched, and looked at, never a name that may stand
//! elsewhere by then. The work is the program git's, which sees nothing of this machine's configuration (`program`).
//! Nothing here knows what a manifest is, or what to do about a bad commit; the folders of good ones are kept for whoever
//! names them.

mod address;
mod cache;
mod checkout;
mod commit;
mod error;
mod program;
mod signature;

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::model::secret::Redacted;

use address::{Address, Protocol, check_reference, is_commit};
use cache::Cache;
use checkout::git_version;
use program::{Call, Program};
use signature::Desk;

pub use commit::Commit;
pub use error::RepositoryError;
pub use program::ENVIRONMENT;
pub use signature::Verification;

/// The oldest git that knows all that is asked of it here.
const OLDEST_GIT: (u32, u32) = (2, 34);

/// Where the commits that somebody needs are named, so that git keeps them.
const COMMITS: &str = "refs/synthex/commits";

/// Where what is fetched arrives.
const INCOMING: &str = "refs/synthex/incoming";

/// What a repository is and how it is reached.
#[derive(Clone, Debug)]
pub struct RepositoryOptions {
    /// Its address: https, ssh, or a folder of this machine; http on this machine only. No user and no password in it.
    pub url: String,
    /// A branch, a tag, or the full id of a commit.
    pub reference: String,
    /// A folder for this repository's cache alone. Others may use the same one for the same repository at the same time.
    pub folder: PathBuf,
    /// What the server knows us by, over https.
    pub token: Option<Redacted<String>>,
    /// The user that the token is for; most servers do not look at it.
    pub username: Option<String>,
    /// The private key, over ssh. Without it, the agent's keys and the user's own are tried.
    pub ssh_key: Option<PathBuf>,
    /// The servers' keys, over ssh. Without it, those that the user knows.
    pub known_hosts: Option<PathBuf>,
    /// Whose signature a commit must have; `None` where that does not matter.
    pub verify: Option<Verification>,
    /// How long any one step may take.
    pub timeout: Duration,
    /// The variables that are handed on to git: those of [`ENVIRONMENT`] that are set.
    pub environment: Vec<(String, OsString)>,
}

impl RepositoryOptions {
    /// Whether all of it can be used, without asking anybody.
    ///
    /// # Errors
    /// [`RepositoryError::Invalid`], with what to do about it.
    pub fn check(&self) -> Result<(), RepositoryError> {
        self.address().map(drop)
    }

    fn address(&self) -> Result<Address, RepositoryError> {
        let wrong = |what: &str, help: &str| {
            Err(RepositoryError::Invalid { what: what.to_owned(), help: help.to_owned() })
        };
        let address = Address::read(&self.url)?;
        check_reference(&self.reference)?;
        if let Some(token) = &self.token {
            if !address.protocol.is_web() {
                return wrong("a token is for https", "leave it out, or write an https address");
            }
            if token.expose().is_empty() || token.expose().chars().any(char::is_control) {
                return wrong("the token is empty, or has a line break in it", "give the token alone");
            }
        }
        if self.username.iter().any(|name| name.contains(':') || name.chars().any(char::is_control)) {
            return wrong("the user name has a colon or a line break in it", "correct --git-username");
        }
        if address.protocol != Protocol::Ssh && (self.ssh_key.is_some() || self.known_hosts.is_some()) {
            return wrong(
                "a key or known hosts are for ssh",
                "leave them out, or write an address such as ssh://git@HOST/PATH",
            );
        }
        let strange = |path: &PathBuf| path.to_string_lossy().contains(|c: char| c == '"' || c.is_control());
        if self.ssh_key.iter().chain(&self.known_hosts).any(strange) {
            return wrong("the path of the key or of the known hosts has a quote in it", "rename the file");
        }
        self.verify.as_ref().map_or(Ok(()), Verification::check)?;
        Ok(address)
    }
}

/// What the server says that the reference stands at.
struct Tip {
    /// What to ask for: the full name of a reference, or a commit.
    name: String,
    /// The commit.
    sha: String,
}

/// A repository and its cache.
pub struct Repository {
    options: RepositoryOptions,
    cache: Cache,
    has_git: bool,
    /// The newest commit that was fetched and found good.
    latest: Option<Commit>,
    /// Commits that were found good.
    trusted: BTreeSet<String>,
    /// Commits whose files are known to be all there.
    whole: BTreeSet<String>,
    /// Keeps others from removing what we use.
    in_use: BTreeMap<String, File>,
    /// Whether a cache that seems broken is made anew. Once, until something worked again: it may be the server.
    may_rebuild: bool,
}

impl Repository {
    /// Nothing is asked and nothing is made yet.
    #[must_use]
    pub fn new(options: RepositoryOptions) -> Self {
        let cache =
            Cache::new(std::path::absolute(&options.folder).unwrap_or_else(|_| options.folder.clone()));
        Self {
            options,
            cache,
            has_git: false,
            latest: None,
            trusted: BTreeSet::new(),
            whole: BTreeSet::new(),
            in_use: BTreeMap::new(),
            may_rebuild: true,
        }
    }

    /// What people see: the address without a user, and the reference.
    #[must_use]
    pub fn shown(&self) -> String {
        format!("{} at {}", self.place(), self.options.reference)
    }

    /// Another token, where it was renewed.
    pub fn set_token(&mut self, token: Option<Redacted<String>>) {
        self.options.token = token;
    }

    fn place(&self) -> String {
        Address::read(&self.options.url).map_or_else(|_| "the repository".to_owned(), |address| address.shown)
    }

    /// What the reference stands at now. Where it has not moved, the server is asked and nothing is fetched.
    ///
    /// # Errors
    /// See [`RepositoryError`]. What was fetched before stays.
    pub async fn fetch(&mut self) -> Result<Commit, RepositoryError> {
        let program = self.ready().await?;
        let tip = self.tip(&program).await?;
        if let Some(latest) = self.latest.as_ref().filter(|latest| latest.sha == tip.sha) {
            return Ok(latest.clone());
        }
        let lock = self.cache.lock(self.options.timeout).await?;
        let mut fetched = self.bring(&program, &lock, &tip).await;
        if self.is_to_be_rebuilt(fetched.as_ref().err()) {
            self.rebuild(&tip.sha).await?;
            fetched = self.bring(&program, &lock, &tip).await;
        }
        let commit = fetched?;
        self.may_rebuild = true;
        self.latest = Some(commit.clone());
        Ok(commit)
    }

    /// Puts the files of a commit in a folder of their own, whole or not at all, and returns that folder. Folders of other
    /// commits are removed, but those in `keep`, that of the newest commit, and those that others use.
    ///
    /// A commit that is not in the cache is fetched by its id. The files of one that is there are compared with the commit
    /// once, so that nobody's edits are taken for it.
    ///
    /// # Errors
    /// See [`RepositoryError`]. A folder that was returned before stays as it was.
    pub async fn check_out(&mut self, commit: &str, keep: &[String]) -> Result<PathBuf, RepositoryError> {
        if !is_commit(commit) {
            let shown = commit::plain(commit);
            return Err(RepositoryError::NoSuchCommit { repository: self.place(), commit: shown });
        }
        let program = self.ready().await?;
        let lock = self.cache.lock(self.options.timeout).await?;
        let mut placed = self.put(&program, &lock, commit).await;
        if self.is_to_be_rebuilt(placed.as_ref().err()) {
            self.rebuild(commit).await?;
            placed = self.put(&program, &lock, commit).await;
        }
        let folder = placed?;
        self.may_rebuild = true;
        if let Err(error) = self.prune(&program, &lock, commit, keep).await {
            tracing::warn!(code = error.code(), why = error.why().unwrap_or_default(), "{error}");
        }
        Ok(folder)
    }

    /// Checks what was given, and that there is a git.
    async fn ready(&mut self) -> Result<Program, RepositoryError> {
        let address = self.options.address()?;
        self.cache.make()?;
        let options = &self.options;
        let absolute =
            |path: &Option<PathBuf>| path.as_deref().and_then(|path| std::path::absolute(path).ok());
        let (key, hosts) = (absolute(&options.ssh_key), absolute(&options.known_hosts));
        let program = Program {
            environment: options.environment.clone(),
            address: address.text,
            protocol: address.protocol,
            token: options.token.clone(),
            username: options.username.clone().unwrap_or_else(|| "x-access-token".to_owned()),
            ssh: program::ssh_command(key.as_deref(), hosts.as_deref(), options.timeout),
            home: self.cache.home(),
            timeout: options.timeout,
        };
        if !self.has_git {
            let none = self.cache.folder().join("none");
            let answer = program.run(&Call::new(&["version"], self.cache.folder(), &none)).await?;
            let is_new_enough = git_version(&answer.text).is_none_or(|version| version >= OLDEST_GIT);
            if !answer.is_success || !is_new_enough {
                let said = commit::plain(&format!("{} {}", answer.text, answer.said));
                return Err(RepositoryError::NoGit(format!("it says `{said}`")));
            }
            self.has_git = true;
        }
        Ok(program)
    }

    /// Asks the server what the reference stands at. A commit stands where it does.
    async fn tip(&self, program: &Program) -> Result<Tip, RepositoryError> {
        let reference = self.options.reference.as_str();
        if is_commit(reference) {
            return Ok(Tip { name: reference.to_owned(), sha: reference.to_owned() });
        }
        let names: Vec<String> = if reference == "HEAD" || reference.starts_with("refs/") {
            vec![reference.to_owned()]
        } else {
            vec![format!("refs/heads/{reference}"), format!("refs/tags/{reference}")]
        };
        let peeled: Vec<String> = names.iter().map(|name| format!("{name}^{{}}")).collect();
        // No repository: a folder may lie in somebody's checkout, whose configuration is not ours.
        let none = self.cache.folder().join("none");
        let words = ["ls-remote", "--quiet", "--exit-code", "--", program.address.as_str()];
        let mut call = Call::new(&words, self.cache.folder(), &none).remote();
        call.words.extend(names.iter().chain(&peeled).map(OsStr::new));
        let answer = program.run(&call).await?;
        // As git tells that it was answered, and nothing fits.
        if !answer.is_success && answer.code != Some(2) {
            return Err(self.remote_failure(&answer, reference));
        }
        let found: BTreeMap<&str, &str> = answer
            .text
            .lines()
            .filter_map(|line| line.split_once('\t'))
            .map(|(sha, name)| (name, sha))
            .collect();
        for (name, peeled) in names.iter().zip(&peeled) {
            let sha = found.get(peeled.as_str()).or_else(|| found.get(name.as_str()));
            if let Some(sha) = sha.filter(|sha| is_commit(sha)) {
                return Ok(Tip { name: name.clone(), sha: (*sha).to_owned() });
            }
        }
        Err(RepositoryError::NoSuchRef { repository: self.place(), reference: reference.to_owned() })
    }

    /// Sees to it that a commit is in the cache, and is good.
    async fn bring(&mut self, program: &Program, lock: &File, tip: &Tip) -> Result<Commit, RepositoryError> {
        let repository = self.initialised(program, lock, tip.sha.len()).await?;
        let sha = match self.has(program, lock, &tip.sha).await? {
            true => tip.sha.clone(),
            false => self.transfer(program, lock, tip, &repository).await?,
        };
        let in_use = self.cache.use_commit(&sha)?;
        self.in_use.insert(sha.clone(), in_use);
        let words = ["log", "-1", "--no-mailmap", commit::FORMAT, sha.as_str()];
        let answer = self.local(program, lock, &words, &repository).await?;
        let unreadable = || RepositoryError::Other { why: format!("git does not tell of the commit {sha}") };
        let mut commit =
            Commit::read(&answer.text).filter(|commit| commit.sha == sha).ok_or_else(unreadable)?;
        commit.signer = self.signer(program, lock, &sha).await?;
        Ok(commit)
    }

    /// Fetches what the reference stands at by now, and nothing of its history.
    async fn transfer(
        &self,
        program: &Program,
        lock: &File,
        tip: &Tip,
        repository: &Path,
    ) -> Result<String, RepositoryError> {
        let refspec = format!("+{}:{INCOMING}", tip.name);
        let words = [
            "fetch",
            "--quiet",
            "--force",
            "--depth=1",
            "--no-tags",
            "--no-write-fetch-head",
            "--no-recurse-submodules",
            "--no-auto-gc",
            "--",
            program.address.as_str(),
            refspec.as_str(),
        ];
        let call = Call::new(&words, self.cache.folder(), repository).under(lock).remote();
        let answer = program.run(&call).await?;
        if !answer.is_success {
            let asked = if is_commit(&tip.name) { &tip.name } else { &self.options.reference };
            return Err(self.remote_failure(&answer, asked));
        }
        let arrived = format!("{INCOMING}^{{commit}}");
        let words = ["rev-parse", "--verify", "--end-of-options", arrived.as_str()];
        let sha = self.local(program, lock, &words, repository).await?.text.trim().to_owned();
        if !is_commit(&sha) || (is_commit(&tip.name) && sha != tip.sha) {
            let why = format!("{} is no commit", self.options.reference);
            return Err(RepositoryError::Other { why });
        }
        let name = format!("{COMMITS}/{sha}");
        self.local(program, lock, &["update-ref", name.as_str(), sha.as_str()], repository).await?;
        Ok(sha)
    }

    /// Who signed a commit; `None` where nobody need have.
    async fn signer(
        &mut self,
        program: &Program,
        lock: &File,
        sha: &str,
    ) -> Result<Option<String>, RepositoryError> {
        let Some(verification) = &self.options.verify else { return Ok(None) };
        let repository = self.cache.repository(sha.len());
        let desk = Desk { program, cache: &self.cache, repository: &repository, lock };
        let signer = verification.signer(&desk, sha).await?;
        self.trusted.insert(sha.to_owned());
        Ok(Some(signer))
    }
}
