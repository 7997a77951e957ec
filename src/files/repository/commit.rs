//! What is told of a commit. It comes from whoever wrote it, so nothing in it may reach a terminal as it is.

use chrono::{DateTime, Utc};

/// The most characters of a name or a subject that are kept.
const MOST_CHARACTERS: usize = 200;

/// How `git log` is to write what [`Commit::read`] reads.
pub(super) const FORMAT: &str = "--format=%H%x00%cI%x00%an%x00%s";

/// A commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Commit {
    /// Its full id.
    pub sha: String,
    /// Who wrote it, as the commit says.
    pub author: Option<String>,
    /// The first line of its message.
    pub subject: String,
    /// When it was made, as the commit says.
    pub committed_at: DateTime<Utc>,
    /// Who signed it, where signatures are verified.
    pub signer: Option<String>,
}

impl Commit {
    /// Reads what git wrote.
    pub(super) fn read(text: &str) -> Option<Self> {
        let mut fields = text.trim_end_matches('\n').splitn(4, '\0');
        let sha = fields.next().filter(|sha| super::address::is_commit(sha))?.to_owned();
        let committed_at = DateTime::parse_from_rfc3339(fields.next()?).ok()?.with_timezone(&Utc);
        let author = Some(plain(fields.next()?)).filter(|author| !author.is_empty());
        let subject = plain(fields.next()?);
        Some(Self { sha, author, subject, committed_at, signer: None })
    }
}

/// A text of somebody else's, in one line and of some length at most.
pub(super) fn plain(text: &str) -> String {
    let text = text.trim().replace(char::is_control, " ");
    match text.char_indices().nth(MOST_CHARACTERS) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_commit_is_read_and_cannot_write_to_a_terminal() {
        let sha = "a".repeat(40);
        let text = format!("{sha}\x002026-11-30T17:47:19+02:00\x00Ann\x1b[31m\x00add \0 T1\n");
        let commit = Commit::read(&text).unwrap();
        assert_eq!(commit.committed_at.to_rfc3339(), "2026-11-30T15:47:19+00:00");
        assert_eq!(commit.author.as_deref(), Some("Ann [31m"));
        assert_eq!(commit.subject, "add   T1");
        assert_eq!(plain(&"ä".repeat(300)).chars().count(), 201);
        assert_eq!(Commit::read("short\x002026-11-30T17:47:19Z\x00a\x00b"), None);
        assert_eq!(Commit::read(&format!("{sha}\x00\x00a\x00b")), None);
    }
}
