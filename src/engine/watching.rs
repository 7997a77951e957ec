//! What a controller keeps in the database, as plain values: how the source of a project stands, what is said of each
//! workspace, what waits after a failure, what was set back, and who runs. What follows from them is decided in `watch`.

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::Value;
use uuid::Uuid;

use crate::model::{Digest, ResourceKey};

/// Whose books they are.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct Realm {
    /// The project.
    pub project: String,
    /// The environment of the project; empty where it has none.
    pub environment: String,
}

impl Stamp {
    /// Whether nothing that a plan depends on happened between the two.
    #[must_use]
    pub fn plans_alike(&self, other: &Self) -> bool {
        (&self.marks, &self.pauses) == (&other.marks, &other.pauses)
    }

    /// Whether nobody did anything between the two by which what failed as a whole may go: no operation ended, and no pause began
    /// or ended. What is written by hand is no such thing, or two writers would have a plan tried all the time.
    #[must_use]
    pub fn is_of_same_acts(&self, other: &Self) -> bool {
        (self.operation, &self.pauses) == (other.operation, &other.pauses)
    }
}

impl Realm {
    /// The name of the lease of the one that reconciles. No workspace has such a name.
    #[must_use]
    pub fn lease(&self) -> String {
        if self.environment.is_empty() {
            format!("watch:{}", self.project)
        } else {
            format!("watch:{}/{}", self.project, self.environment)
        }
    }
}

/// How the source of the manifests stands.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SourceRecord {
    /// Where they come from, as people may see it.
    pub source: String,
    /// The revision that was last seen: a commit, or the digest of the files.
    pub observed: Option<String>,
    /// When it was first seen.
    pub observed_at: Option<DateTime<Utc>>,
    /// Why it cannot be used; `None` where it can.
    pub problem: Option<String>,
    /// The last revision that could be used.
    pub good: Option<String>,
    /// When it was first read.
    pub good_at: Option<DateTime<Utc>>,
    /// The revision that was last in force as a whole.
    pub applied: Option<String>,
    /// When that was found.
    pub applied_at: Option<DateTime<Utc>>,
    /// The newest operation that was looked at.
    pub operations_seen: i64,
    /// A revision that somebody rolled back: it is not put in force again.
    pub held: Option<String>,
    /// The operation that rolled it back.
    pub held_by: Option<i64>,
}

/// What is said of a workspace.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub enum ConditionType {
    /// It is looked after, and what is declared is in force.
    Ready,
    /// The database says what is declared.
    Synced,
    /// What is looked at in it is well.
    Healthy,
    /// Somebody stopped that it is reconciled.
    Paused,
    /// Something is set back again and again.
    Flapping,
    /// It goes on only when somebody does something.
    Stalled,
}

impl ConditionType {
    /// All of them, in the order in which they are shown.
    pub const ALL: [Self; 6] =
        [Self::Ready, Self::Synced, Self::Healthy, Self::Paused, Self::Flapping, Self::Stalled];

    /// The word for it.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Ready => "Ready",
            Self::Synced => "Synced",
            Self::Healthy => "Healthy",
            Self::Paused => "Paused",
            Self::Flapping => "Flapping",
            Self::Stalled => "Stalled",
        }
    }

    /// The type with this word.
    #[must_use]
    pub fn from_code(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|own| own.code() == code)
    }
}

/// Whether something that is said is so.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub enum ConditionStatus {
    /// It is.
    True,
    /// It is not.
    False,
    /// Nobody knows yet.
    Unknown,
}

impl ConditionStatus {
    /// The word for it.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::True => "True",
            Self::False => "False",
            Self::Unknown => "Unknown",
        }
    }

    /// The status with this word.
    #[must_use]
    pub fn from_code(code: &str) -> Option<Self> {
        [Self::True, Self::False, Self::Unknown].into_iter().find(|own| own.code() == code)
    }
}

impl From<bool> for ConditionStatus {
    fn from(is_so: bool) -> Self {
        if is_so { Self::True } else { Self::False }
    }
}

/// Something that is said of a workspace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Condition {
    /// The workspace.
    pub workspace: String,
    /// What is said of it.
    #[serde(rename = "type")]
    pub of: ConditionType,
    /// Whether it is so.
    pub status: ConditionStatus,
    /// Why, as a stable word.
    pub reason: String,
    /// The same for people.
    pub message: String,
    /// The revision of the manifests that this was seen at.
    #[serde(rename = "observedRevision")]
    pub revision: Option<String>,
    /// When the status last became another one.
    #[serde(rename = "lastTransitionTime")]
    pub since: DateTime<Utc>,
}

impl Condition {
    /// Whether it says something that `ready`, of the same workspace, does not say already.
    #[must_use]
    pub fn says_more_than(&self, ready: &Self) -> bool {
        self.of == ConditionType::Ready || self.reason != ready.reason
    }
}

/// A resource that could not be brought to what is declared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BackOff {
    /// Which.
    pub key: ResourceKey,
    /// How often it failed in a row.
    pub failures: i32,
    /// How it failed the last time.
    pub error: String,
    /// When that was.
    pub failed_at: DateTime<Utc>,
    /// When it is tried again.
    pub next_at: DateTime<Utc>,
    /// The revision of the manifests that failed.
    pub revision: Option<String>,
}

/// Something that was set back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Correction {
    /// The resource.
    pub key: ResourceKey,
    /// The field, as a JSON pointer; empty for the whole resource.
    pub field: String,
    /// The digest of what it was set to.
    pub desired: Digest,
    /// Who had changed it.
    pub actor: String,
    /// When it was set back.
    pub at: DateTime<Utc>,
}

/// What a controller knows when it becomes the one that reconciles.
#[derive(Clone, Debug, Default)]
pub struct Books {
    /// The source; `None` where nobody ever looked after this project.
    pub source: Option<SourceRecord>,
    /// What is said of each workspace.
    pub conditions: Vec<Condition>,
    /// What waits after a failure.
    pub backoff: Vec<BackOff>,
    /// What was set back lately.
    pub corrections: Vec<Correction>,
}

/// What is to be written into the books.
#[derive(Clone, Debug, Default)]
pub struct Entries<'a> {
    /// The source, where it changed.
    pub source: Option<&'a SourceRecord>,
    /// What is said of workspaces now, where that changed.
    pub conditions: &'a [Condition],
    /// Workspaces of which nothing is said any more.
    pub forgotten: &'a [String],
    /// What waits from now on.
    pub backoff: &'a [BackOff],
    /// What waits no more.
    pub recovered: &'a [ResourceKey],
    /// What was set back.
    pub corrections: &'a [Correction],
}

impl Entries<'_> {
    /// Whether there is nothing to write.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        let Self { source, conditions, forgotten, backoff, recovered, corrections } = self;
        source.is_none()
            && conditions.is_empty()
            && forgotten.is_empty()
            && backoff.is_empty()
            && recovered.is_empty()
            && corrections.is_empty()
    }
}

/// By what a controller sees that something happened, read in one cheap statement.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stamp {
    /// The newest operation.
    pub operation: i64,
    /// The newest operations and foreign writes: not only the newest one of each, since numbers are given out before a commit.
    pub marks: String,
    /// The pauses that hold now.
    pub pauses: String,
    /// When health last changed anywhere.
    pub health: Option<DateTime<Utc>>,
}

/// Somebody's rollback.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RolledBack {
    /// Its number.
    pub operation: i64,
    /// Who did it.
    pub actor: String,
    /// What it went back to, in words.
    pub note: Option<String>,
    /// When it was done.
    pub at: DateTime<Utc>,
    /// The commit that was last put in force before it.
    pub commit: Option<String>,
    /// Whether something was applied after it by somebody else, so that it is over.
    pub is_over: bool,
}

/// A controller that runs, as it says itself.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Replica {
    /// This run of it.
    pub id: Uuid,
    /// The machine it runs on.
    pub host: String,
    /// Its process on that machine.
    pub pid: i64,
    /// The version of the program.
    pub version: String,
    /// `observe` or `enforce`.
    pub mode: String,
    /// Where its endpoints are.
    pub listen: Option<String>,
    /// Whether it is the one that reconciles.
    pub is_leader: bool,
    /// When it began, by the clock of the database.
    pub started_at: DateTime<Utc>,
    /// When it last said so, by the same clock.
    pub seen_at: DateTime<Utc>,
    /// What its tasks did last.
    pub tasks: Value,
}
