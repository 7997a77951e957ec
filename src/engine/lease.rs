//! What is known of leases: who takes one, who holds one, who waits, and how that is put into words.
//!
//! How leases are taken is the store's. All times here are the database's clock, also the present one, so that what is
//! said about a lease does not depend on the clock of the machine that says it.

use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::Serialize;
use uuid::Uuid;

use crate::report::time::{instant, relative};

/// Who takes a lease.
#[derive(Clone, Debug)]
pub struct Holder {
    /// This run.
    pub id: Uuid,
    /// Who: the CI identity, or `user@host`.
    pub actor: String,
    /// The machine.
    pub host: String,
    /// The process.
    pub pid: u32,
    /// The command line's verb, such as `apply`.
    pub command: String,
    /// Where the CI run can be looked at.
    pub run_url: Option<String>,
    /// The commit of the manifests that are applied.
    pub commit: Option<String>,
    /// Why a person takes it by hand. Such a lease outlives the process, and nobody says that its holder is alive.
    pub reason: Option<String>,
}

/// Leases that were granted, each with its fencing token.
#[derive(Clone, Debug)]
pub struct LeaseGrant {
    /// Who has them.
    pub holder: Holder,
    /// Workspace and fencing token, sorted by workspace.
    pub tokens: Vec<(String, i64)>,
    /// How long they last without a heartbeat.
    pub ttl: Duration,
    /// A lease of another holder that must be held as well whenever something is written: that of the one controller that
    /// reconciles. It is neither renewed nor given back with these.
    pub under: Option<Box<LeaseGrant>>,
}

/// A lease that somebody holds, or held.
#[derive(Clone, Debug, Serialize)]
pub struct HeldLease {
    /// The workspace.
    pub workspace: String,
    /// The run.
    pub holder: Uuid,
    /// Who: the CI identity, or `user@host`.
    pub actor: Option<String>,
    /// The machine.
    pub host: Option<String>,
    /// The process; of a lease that was taken by hand there is none.
    pub pid: Option<i64>,
    /// The command.
    pub command: Option<String>,
    /// Where the CI run can be looked at.
    pub run_url: Option<String>,
    /// The commit of the manifests that are applied.
    pub commit: Option<String>,
    /// Why a person took it by hand.
    pub reason: Option<String>,
    /// When it was taken.
    pub since: DateTime<Utc>,
    /// When it runs out.
    pub expires_at: DateTime<Utc>,
    /// When this was read.
    #[serde(skip)]
    pub now: DateTime<Utc>,
}

impl HeldLease {
    /// Who holds it: command, machine and process of a run, or the person.
    #[must_use]
    pub fn who(&self) -> String {
        let actor = self.actor.as_deref().unwrap_or("somebody");
        if self.reason.is_some() {
            return format!("{actor} (by hand)");
        }
        let host = self.host.as_deref().unwrap_or("?");
        let command = self.command.as_deref().unwrap_or("?");
        let run = format!("`synthex {command}` on {host} (pid {})", self.pid.unwrap_or_default());
        // `user@host` would say the host twice, but the user is worth saying.
        match actor.strip_suffix(host).and_then(|user| user.strip_suffix('@')).unwrap_or(actor) {
            "somebody" => run,
            user => format!("{run} of {user}"),
        }
    }

    /// Who holds it, since when, why, and until when.
    #[must_use]
    pub fn described(&self) -> String {
        let who = self.who();
        let mut parts = match &self.reason {
            Some(reason) => vec![
                format!("{who} took it {}: {reason}", relative(self.since, self.now)),
                format!("it runs out at {}", instant(self.expires_at, self.now)),
            ],
            None => vec![
                format!(
                    "{who} has held the lease for {} s, since {}",
                    (self.now - self.since).num_seconds().max(0),
                    self.since.format("%Y-%m-%d %H:%M:%S UTC")
                ),
                match (self.expires_at - self.now).num_milliseconds() {
                    ..=0 => "it is in the middle of committing".to_owned(),
                    left => format!(
                        "unless it says it is alive, the lease runs out in {} s",
                        left.unsigned_abs().div_ceil(1000)
                    ),
                },
            ],
        };
        parts.extend(
            self.commit.as_ref().map(|commit| format!("commit {}", commit.get(..12).unwrap_or(commit))),
        );
        parts.extend(self.run_url.clone());
        parts.join("; ")
    }

    /// What is said when it was taken over because it had run out.
    #[must_use]
    pub fn eviction(&self) -> String {
        let (workspace, who) = (&self.workspace, self.who());
        let since = instant(self.since, self.now);
        let out = relative(self.expires_at, self.now);
        format!(
            "Took over the lease of workspace `{workspace}` from {who}, which held it since {since}: it ran out {out}."
        )
    }

    /// Whether a word that a person used means this holder: its id, its machine, or `user@host`.
    #[must_use]
    pub fn is_meant_by(&self, word: &str) -> bool {
        self.holder.to_string() == word
            || self.host.as_deref() == Some(word)
            || self.actor.as_deref() == Some(word)
    }
}

/// A run that waits in line.
#[derive(Clone, Debug, Serialize)]
pub struct Waiter {
    /// The run.
    pub holder: Uuid,
    /// The machine.
    pub host: String,
    /// The process.
    pub pid: i64,
    /// The command.
    pub command: String,
    /// Since when.
    pub since: DateTime<Utc>,
}

impl Waiter {
    /// Which run it is.
    #[must_use]
    pub fn who(&self) -> String {
        format!("`synthex {}` on {} (pid {})", self.command, self.host, self.pid)
    }
}

/// A workspace whose lease is held or waited for.
#[derive(Clone, Debug, Serialize)]
pub struct LeaseEntry {
    /// The workspace.
    pub workspace: String,
    /// Who holds it, if anybody does.
    pub held: Option<HeldLease>,
    /// Who waits, the first first.
    pub waiting: Vec<Waiter>,
}

/// What happens while leases are being taken.
#[derive(Clone, Debug)]
pub enum LeaseNews {
    /// The run waits. Said at first, and whenever its place in the line changes.
    Waiting {
        /// The workspace that is waited for, of several the first.
        workspace: String,
        /// Who holds it; nobody, where it is only the line that is waited for.
        held: Option<HeldLease>,
        /// How many runs are to be served before.
        ahead: usize,
    },
    /// A lease was taken over from a holder that was silent for too long.
    Evicted(HeldLease),
}

impl LeaseNews {
    /// One sentence for a person.
    #[must_use]
    pub fn sentence(&self) -> String {
        match self {
            Self::Evicted(lease) => lease.eviction(),
            Self::Waiting { workspace, held, ahead } => {
                let holder = held.as_ref().map(HeldLease::described);
                let place = match ahead {
                    0 => "next in line".to_owned(),
                    1 => "1 run is ahead in the line".to_owned(),
                    more => format!("{more} runs are ahead in the line"),
                };
                let parts: Vec<String> = holder.into_iter().chain([place]).collect();
                format!("Waiting for workspace `{workspace}`: {}.", parts.join("; "))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn time(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    fn run() -> HeldLease {
        HeldLease {
            workspace: "w".to_owned(),
            holder: Uuid::from_u128(1),
            actor: Some("eva@box".to_owned()),
            host: Some("box".to_owned()),
            pid: Some(42),
            command: Some("apply".to_owned()),
            run_url: Some("https://ci.example/5".to_owned()),
            commit: Some("0123456789abcdef".to_owned()),
            reason: None,
            since: time("2026-03-01T12:00:00Z"),
            expires_at: time("2026-03-01T12:01:40.2Z"),
            now: time("2026-03-01T12:01:30Z"),
        }
    }

    #[test]
    fn a_run_is_told_with_all_that_helps_to_find_it() {
        assert_eq!(
            run().described(),
            "`synthex apply` on box (pid 42) of eva has held the lease for 90 s, since 2026-03-01 12:00:00 UTC; unless it \
             says it is alive, the lease runs out in 11 s; commit 0123456789ab; https://ci.example/5"
        );
        let ci = HeldLease { actor: Some("octocat".to_owned()), ..run() };
        assert_eq!(ci.who(), "`synthex apply` on box (pid 42) of octocat");
        let before = HeldLease { actor: None, ..run() };
        assert_eq!(before.who(), "`synthex apply` on box (pid 42)");
        let committing = HeldLease { expires_at: run().now, ..run() };
        assert!(committing.described().contains("in the middle of committing"), "{}", committing.described());
    }

    #[test]
    fn a_lease_by_hand_is_told_with_its_reason_and_its_end() {
        let by_hand = HeldLease {
            reason: Some("repair".to_owned()),
            pid: None,
            run_url: None,
            commit: None,
            expires_at: time("2026-03-01T12:31:30Z"),
            ..run()
        };
        assert_eq!(
            by_hand.described(),
            "eva@box (by hand) took it 1 minute ago: repair; it runs out at 2026-03-01 12:31:30 UTC (in 30 minutes)"
        );
    }

    #[test]
    fn a_holder_is_meant_by_its_id_its_machine_or_its_name() {
        for word in ["00000000-0000-0000-0000-000000000001", "box", "eva@box"] {
            assert!(run().is_meant_by(word), "{word}");
        }
        for word in ["", "eva", "bo", "42"] {
            assert!(!run().is_meant_by(word), "{word}");
        }
    }

    #[test]
    fn the_place_in_the_line_is_counted() {
        let news = |ahead| LeaseNews::Waiting { workspace: "w".to_owned(), held: None, ahead }.sentence();
        assert_eq!(news(0), "Waiting for workspace `w`: next in line.");
        assert_eq!(news(1), "Waiting for workspace `w`: 1 run is ahead in the line.");
        assert_eq!(news(3), "Waiting for workspace `w`: 3 runs are ahead in the line.");
    }
}
