//! What can go wrong with a repository, told so that it can be shown as it is: what, why, what to do. No secret is in it.

use thiserror::Error;

/// Files could not be had from a repository.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum RepositoryError {
    /// The program git is not there, or too old.
    #[error("git cannot be run: {0}")]
    NoGit(String),
    /// The address, the reference or a file that was named cannot be used.
    #[error("{what}")]
    Invalid {
        /// What is wrong.
        what: String,
        /// What to do.
        help: String,
    },
    /// The server does not answer, or not as a git server does.
    #[error("{repository} cannot be reached")]
    Unreachable {
        /// Which repository, as it is shown.
        repository: String,
        /// What git said.
        why: String,
    },
    /// The server does not know us, or lets us read nothing.
    #[error("{repository} does not let us in")]
    Refused {
        /// Which repository, as it is shown.
        repository: String,
        /// What git said.
        why: String,
    },
    /// There is no such branch or tag, or no longer.
    #[error("{repository} has no branch or tag `{reference}`")]
    NoSuchRef {
        /// Which repository, as it is shown.
        repository: String,
        /// What was looked for.
        reference: String,
    },
    /// There is no such commit, or the server does not give it.
    #[error("{repository} gives no commit {commit}")]
    NoSuchCommit {
        /// Which repository, as it is shown.
        repository: String,
        /// What was looked for.
        commit: String,
    },
    /// A commit is not signed by anybody who may.
    #[error("the commit {commit} is not signed by anybody who may")]
    Unsigned {
        /// The commit.
        commit: String,
        /// What was found in place of a good signature.
        found: String,
    },
    /// Git, or somebody who uses the same cache, took too long.
    #[error("{what}")]
    Slow {
        /// What took too long.
        what: String,
    },
    /// The folder of the cache cannot be written to.
    #[error("the files of the repository cannot be kept in {folder}")]
    Disk {
        /// The folder.
        folder: String,
        /// What the operating system said.
        why: String,
    },
    /// Anything else.
    #[error("git failed")]
    Other {
        /// What git said.
        why: String,
    },
}

impl RepositoryError {
    /// A stable word.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NoGit(_) => "no-git",
            Self::Invalid { .. } => "invalid",
            Self::Unreachable { .. } => "unreachable",
            Self::Refused { .. } => "refused",
            Self::NoSuchRef { .. } => "no-such-ref",
            Self::NoSuchCommit { .. } => "no-such-commit",
            Self::Unsigned { .. } => "unsigned",
            Self::Slow { .. } => "slow",
            Self::Disk { .. } => "disk",
            Self::Other { .. } => "other",
        }
    }

    /// One line: why.
    #[must_use]
    pub fn why(&self) -> Option<&str> {
        match self {
            Self::Unreachable { why, .. }
            | Self::Refused { why, .. }
            | Self::Disk { why, .. }
            | Self::Other { why } => Some(why),
            Self::Unsigned { found, .. } => Some(found),
            Self::NoGit(_)
            | Self::Invalid { .. }
            | Self::NoSuchRef { .. }
            | Self::NoSuchCommit { .. }
            | Self::Slow { .. } => None,
        }
    }

    /// One line: what to do.
    #[must_use]
    pub fn help(&self) -> &str {
        match self {
            Self::NoGit(_) => "install git 2.34 or newer, and see that it is found in PATH",
            Self::Invalid { help, .. } => help,
            Self::Unreachable { .. } => "check the address and the network; it is tried again",
            Self::Refused { why, .. } if why.contains("ost key") => {
                "put the server's key into the file of --git-known-hosts, after checking that it is the server's"
            }
            Self::Refused { why, .. } if why.contains("dubious ownership") => {
                "let the user that runs synthex own the repository, or serve it over https or ssh"
            }
            Self::Refused { .. } => "check the address, and that the token or key is good and may read it",
            Self::NoSuchRef { .. } => "create it, or name another one with --ref",
            Self::NoSuchCommit { .. } => {
                "name a branch or a tag that has it; not every server gives commits by their id"
            }
            Self::Unsigned { .. } => {
                "sign the commit with a key that is allowed, or allow the key that it is signed with"
            }
            Self::Slow { .. } => "check the network and the server; it is tried again",
            Self::Disk { .. } => "free space on the disk, and let the user that runs synthex write there",
            Self::Other { .. } => {
                "run git by hand to see more; if the cache is broken, removing its folder is safe"
            }
        }
    }

    /// Whether a cache that is broken could be the reason.
    pub(super) const fn may_be_the_cache(&self) -> bool {
        matches!(self, Self::Other { .. })
    }
}

/// What a failure of git means, by what it said.
pub(super) struct Said<'a> {
    /// Which repository, as it is shown.
    pub(super) repository: &'a str,
    /// Branch, tag or commit that was asked for.
    pub(super) reference: &'a str,
    /// The folder of the cache.
    pub(super) folder: &'a str,
    /// What git wrote to its standard error, cleaned.
    pub(super) text: &'a str,
}

const DISK: &[&str] = &[
    "No space left on device",
    "Disk quota exceeded",
    "Read-only file system",
    "File too large",
    "unable to create",
    "could not create",
    "cannot create",
    "unable to write",
    "unable to append",
    "cannot mkdir",
    "cannot update ref",
];

const REFUSED: &[&str] = &[
    "Authentication failed",
    "could not read Username",
    "could not read Password",
    "returned error: 401",
    "returned error: 403",
    "Invalid username or",
    "Permission denied (",
    "ost key verification failed",
    "dubious ownership",
    "HTTP Basic: Access denied",
    "epository not found",
    "' not found",
];

const UNREACHABLE: &[&str] = &[
    "unable to access",
    "Could not resolve",
    "Could not read from remote repository",
    "does not appear to be a git repository",
    "unexpectedly",
    "hung up",
    "early EOF",
    "RPC failed",
    "Connection ",
    "Operation too slow",
    "Operation timed out",
    "expected flush",
    "protocol error",
    "redirect",
];

impl Said<'_> {
    /// The error of a call that went over the network.
    pub(super) fn of_network(&self) -> RepositoryError {
        let has = |words: &[&str]| words.iter().any(|word| self.text.contains(word));
        let (repository, why) = (self.repository.to_owned(), self.why());
        if has(&["couldn't find remote ref", "Remote branch"]) {
            return RepositoryError::NoSuchRef { repository, reference: self.reference.to_owned() };
        }
        if has(&["not our ref", "unadvertised object"]) {
            return RepositoryError::NoSuchCommit { repository, commit: self.reference.to_owned() };
        }
        if has(REFUSED) {
            return RepositoryError::Refused { repository, why };
        }
        // What a full disk leads to is said as well: a connection that broke.
        if !has(DISK) && has(UNREACHABLE) {
            return RepositoryError::Unreachable { repository, why };
        }
        self.of_cache()
    }

    /// The error of a call that stayed on this machine.
    pub(super) fn of_cache(&self) -> RepositoryError {
        match DISK.iter().any(|word| self.text.contains(word)) {
            true => RepositoryError::Disk { folder: self.folder.to_owned(), why: self.why() },
            false => RepositoryError::Other { why: self.why() },
        }
    }

    /// The line that says most: the disk's, then git's last word on what it could not do.
    fn why(&self) -> String {
        let lines = || self.text.lines().map(str::trim).filter(|line| !line.is_empty());
        let disk = lines().find(|line| DISK.iter().any(|word| line.contains(word)));
        let telling = |line: &&str| {
            ["fatal: ", "error: ", "ERROR: "].iter().any(|mark| line.starts_with(mark))
                || REFUSED.iter().any(|word| line.contains(word))
        };
        let generic = |line: &&str| line.contains("Could not read from remote repository");
        let telling = lines().filter(telling).find(|line| !generic(line));
        let line = disk.or(telling).or_else(|| lines().next()).unwrap_or("git failed without a word");
        let mut line = line;
        for mark in ["remote: ", "fatal: ", "error: ", "ERROR: "] {
            line = line.strip_prefix(mark).unwrap_or(line);
        }
        line.chars().take(300).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, code: &str, why: &str) {
        let said =
            Said { repository: "https://git.example.com/shop", reference: "main", folder: "cache", text };
        let error = said.of_network();
        assert_eq!(error.code(), code, "{error:?}");
        assert_eq!(error.why().unwrap_or_default(), why);
        assert!(!error.help().is_empty());
    }

    #[test]
    fn what_git_says_is_understood() {
        check(
            "fatal: unable to access 'https://git.example.com/shop/': Could not resolve host: git.example.com\n",
            "unreachable",
            "unable to access 'https://git.example.com/shop/': Could not resolve host: git.example.com",
        );
        check(
            "fatal: Authentication failed for 'https://git.example.com/shop/'",
            "refused",
            "Authentication failed for 'https://git.example.com/shop/'",
        );
        check(
            "remote: HTTP Basic: Access denied\nfatal: could not read Username for 'https://x': terminal prompts disabled",
            "refused",
            "HTTP Basic: Access denied",
        );
        check(
            "ERROR: Repository not found.\nfatal: Could not read from remote repository.\n\nPlease make sure",
            "refused",
            "Repository not found.",
        );
        check(
            "git@host: Permission denied (publickey).\nfatal: Could not read from remote repository.",
            "refused",
            "git@host: Permission denied (publickey).",
        );
        check(
            "Host key verification failed.\nfatal: Could not read from remote repository.",
            "refused",
            "Host key verification failed.",
        );
        check(
            "fatal: '/srv/shop' does not appear to be a git repository\nfatal: Could not read from remote repository.",
            "unreachable",
            "'/srv/shop' does not appear to be a git repository",
        );
        check("fatal: couldn't find remote ref refs/heads/main", "no-such-ref", "");
        check("fatal: remote error: upload-pack: not our ref 0123", "no-such-commit", "");
        check(
            "fatal: write error: No space left on device\nfatal: fetch-pack: unexpectedly disconnected",
            "disk",
            "write error: No space left on device",
        );
        check("fatal: bad object refs/synthex/incoming", "other", "bad object refs/synthex/incoming");
        check("", "other", "git failed without a word");
    }
}
