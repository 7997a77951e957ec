//! What the engine needs from a store, and the errors it can get back.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use thiserror::Error;
use uuid::Uuid;

use crate::model::{Digest, KindRef, ResourceKey};
use crate::plan::{Action, Head, Row, Summary, Vanished};

use super::lease::{Holder, LeaseGrant, LeaseNews};

/// What went wrong, as far as the caller acts on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StateErrorKind {
    /// The database cannot be reached, hangs, or broke the connection.
    Unreachable,
    /// The database refuses us: password, rights, a missing database.
    Refused,
    /// Somebody else holds a lease.
    LeaseHeld,
    /// The lease was lost while working.
    LeaseLost,
    /// A row is not as it was when the plan was made.
    Stale,
    /// The database does not accept a value.
    Rejected,
    /// The database is newer than this program, or not a synthex database.
    Incompatible,
    /// Anything else.
    Other,
}

impl StateErrorKind {
    /// A stable word for it.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Unreachable => "database-unreachable",
            Self::Refused => "database-refused",
            Self::LeaseHeld => "lease-held",
            Self::LeaseLost => "lease-lost",
            Self::Stale => "stale-plan",
            Self::Rejected => "rejected-by-database",
            Self::Incompatible => "incompatible-database",
            Self::Other => "database-error",
        }
    }
}

/// A store could not do what it was asked. Nothing was written.
#[derive(Debug, Error)]
#[error("{what}")]
pub struct StateError {
    /// What the caller does about it.
    pub kind: StateErrorKind,
    /// What happened, in one line.
    pub what: String,
    /// Why, in one line, where it is known.
    pub why: Option<String>,
    /// What to do, in one line.
    pub help: Option<String>,
    /// The resources it is about.
    pub keys: Vec<ResourceKey>,
    /// Other resources that failed in the same way, each with its reason; at most [`StateError::MOST_ALSO`].
    pub also: Vec<(ResourceKey, String)>,
    /// The lower error, for logs.
    #[source]
    pub source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl StateError {
    /// How many resources that failed are looked for besides the first.
    pub const MOST_ALSO: usize = 19;

    /// An error of a kind.
    pub fn new(kind: StateErrorKind, what: impl Into<String>) -> Self {
        Self {
            kind,
            what: what.into(),
            why: None,
            help: None,
            keys: Vec::new(),
            also: Vec::new(),
            source: None,
        }
    }

    /// The same, for something else that fails of it; without the lower error, which was logged the first time.
    #[must_use]
    pub fn again(&self) -> Self {
        Self {
            kind: self.kind,
            what: self.what.clone(),
            why: self.why.clone(),
            help: self.help.clone(),
            keys: self.keys.clone(),
            also: self.also.clone(),
            source: None,
        }
    }

    /// Adds why.
    #[must_use]
    pub fn why(mut self, why: impl Into<String>) -> Self {
        self.why = Some(why.into());
        self
    }

    /// Adds what to do.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// Adds the resources.
    #[must_use]
    pub fn about(mut self, keys: Vec<ResourceKey>) -> Self {
        self.keys = keys;
        self
    }
}

/// Reads declared state, within one consistent snapshot.
pub trait StateReader {
    /// Whether synthex is installed in the database.
    async fn is_installed(&mut self) -> Result<bool, StateError>;

    /// Reads the head of every row of a kind; of one workspace, if one is named. `declared` are the workspaces that the
    /// manifests declare: a role that row-level security confines sees no others.
    async fn heads(
        &mut self,
        kind: KindRef,
        workspace: Option<&str>,
        declared: &[String],
    ) -> Result<Vec<Head>, StateError>;

    /// Reads whole rows, in one statement for each kind.
    async fn rows(&mut self, keys: &[ResourceKey]) -> Result<Vec<Row>, StateError>;

    /// For rows that are not there, who removed them.
    async fn vanished(&mut self, keys: &[ResourceKey]) -> Result<Vec<(ResourceKey, Vanished)>, StateError>;

    /// Whether row-level security keeps rows from the role we are.
    async fn is_confined(&mut self) -> Result<bool, StateError>;
}

/// Keeps leases alive from its own connection.
pub trait LeaseKeeper {
    /// Says that the holder is alive. Fails with [`StateErrorKind::LeaseLost`] when somebody took a lease over.
    async fn beat(&mut self) -> Result<(), StateError>;
}

/// Writes declared state.
pub trait StateWriter {
    /// A transaction that has checked the fencing tokens.
    type Transaction<'a>: WriteTransaction
    where
        Self: 'a;
    /// Keeps leases alive.
    type Keeper: LeaseKeeper;

    /// Installs what is missing of the schema. Returns how many migrations ran.
    async fn migrate(&mut self) -> Result<usize, StateError>;

    /// Takes the leases of some workspaces, all or none, waiting in line for at most `wait`. Whoever stops waiting before
    /// that, or fails, leaves the line with [`StateWriter::release`].
    async fn take_leases(
        &mut self,
        holder: &Holder,
        workspaces: &[String],
        ttl: Duration,
        wait: Duration,
        hear: &mut impl FnMut(LeaseNews),
    ) -> Result<LeaseGrant, StateError>;

    /// Opens the connection that keeps leases alive.
    async fn keeper(&mut self, grant: &LeaseGrant) -> Result<Self::Keeper, StateError>;

    /// Ends whatever the connection was busy with and gives all leases of a holder back; those that somebody took over
    /// are left alone.
    async fn release(&mut self, holder: &Holder) -> Result<(), StateError>;

    /// Records an operation that changed nothing: one that failed or was refused. Does nothing where synthex is not
    /// installed.
    async fn note(&mut self, operation: &Operation) -> Result<(), StateError>;

    /// Begins the writing transaction: checks the fencing tokens and keeps them from changing until its end.
    async fn begin(&mut self, grant: &LeaseGrant) -> Result<Self::Transaction<'_>, StateError>;

    /// After a commit of unknown outcome: whether the operation is there. Waits for the end of a commit that is still
    /// under way, which keeps the leases of these workspaces.
    async fn was_committed(&mut self, operation: Uuid, workspaces: &[String]) -> Result<bool, StateError>;
}

/// How a commit ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CommitOutcome {
    /// The database said so.
    Committed,
    /// The connection broke before an answer came.
    Unknown,
}

/// The record of one apply.
#[derive(Clone, Debug)]
pub struct Operation {
    /// Identity, chosen by the caller so that a commit of unknown outcome can be looked up.
    pub id: Uuid,
    /// The project.
    pub project: String,
    /// The command.
    pub command: String,
    /// Who: the CI identity, or `user@host`.
    pub actor: String,
    /// The machine.
    pub host: String,
    /// The commit of the manifests, where known.
    pub commit: Option<String>,
    /// The CI run, where there is one.
    pub run_url: Option<String>,
    /// The environment of the project, where one was named.
    pub environment: Option<String>,
    /// The plan's digest; `None` for what executes no plan.
    pub digest: Option<Digest>,
    /// How it ended.
    pub status: OperationStatus,
    /// How many of each were done.
    pub summary: Summary,
    /// Why it failed or was refused, or the reason that a person gave.
    pub note: Option<String>,
    /// The number of deletions that was acknowledged to pass the guards.
    pub acknowledged: Option<usize>,
    /// When it began.
    pub started_at: DateTime<Utc>,
}

/// How an operation ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OperationStatus {
    /// All of it was done.
    Applied,
    /// Some of it was done.
    PartlyApplied,
    /// It failed, and nothing was changed.
    Failed,
    /// A guard refused it.
    Refused,
    /// The user stopped it, and nothing was changed.
    Interrupted,
}

impl OperationStatus {
    /// A stable word for it.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Applied => "applied",
            Self::PartlyApplied => "partly-applied",
            Self::Failed => "failed",
            Self::Refused => "refused",
            Self::Interrupted => "interrupted",
        }
    }
}

/// One change of an operation.
#[derive(Clone, Copy, Debug)]
pub struct Item<'a> {
    /// The change.
    pub action: &'a Action,
    /// What came of it.
    pub outcome: ItemOutcome<'a>,
}

/// A row as it is found after it was written.
#[derive(Clone, Debug)]
pub enum ReadBack {
    /// There is none.
    Absent,
    /// It lives, and each of its cells is to the letter what the action writes.
    AsWritten {
        /// The project, `cli`, or nobody.
        owner: Option<Arc<str>>,
    },
    /// The row, which has to be looked at: it may come to the same.
    Row(Box<Row>),
}

/// What came of a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ItemOutcome<'a> {
    /// It was done.
    Applied,
    /// It could not be done, and why.
    Failed(&'a str),
    /// It was not tried, because of something else that could not be done.
    Skipped(&'a str),
}

impl<'a> ItemOutcome<'a> {
    /// A stable word for it.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Applied => "applied",
            Self::Failed(_) => "failed",
            Self::Skipped(_) => "skipped",
        }
    }

    /// Why it was not done.
    #[must_use]
    pub const fn why(&self) -> Option<&'a str> {
        match self {
            Self::Applied => None,
            Self::Failed(why) | Self::Skipped(why) => Some(why),
        }
    }
}

/// A resource that is not there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Absent {
    /// Which.
    pub key: ResourceKey,
    /// Whether its row is there, softly deleted.
    pub is_deleted: bool,
    /// Who wrote or removed it last, where that is known.
    pub changed_by: Option<String>,
}

/// A living row that mentions a resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mention {
    /// What is mentioned.
    pub what: ResourceKey,
    /// Whose row mentions it.
    pub by: ResourceKey,
    /// Who wrote that row last, where that is known.
    pub changed_by: Option<String>,
}

/// One transaction that writes. Dropped without a commit, it leaves nothing.
pub trait WriteTransaction {
    /// Of these resources, those that are not there or are deleted, in one statement for each kind.
    async fn absent(&mut self, keys: &[ResourceKey]) -> Result<Vec<Absent>, StateError>;

    /// Of these resources, those that a living row mentions, each with one row for each way of mentioning it, in one
    /// statement for each of those.
    async fn mentions(&mut self, keys: &[ResourceKey]) -> Result<Vec<Mention>, StateError>;

    /// Writes sets of actions, each of one kind of resource and one sort of statement, one after the other; a set is made
    /// ready while the one before is written. `hear` is told the size of each set that is written. Rows whose revision is
    /// not the planned one fail with [`StateErrorKind::Stale`], and name the rows. An error comes with the place of its set;
    /// after one that is the rows' own, the transaction can be asked, and nothing of that set and those behind it is written.
    async fn write(
        &mut self,
        project: &str,
        sets: &[Vec<&Action>],
        hear: &mut impl FnMut(usize),
    ) -> Result<(), (usize, StateError)>;

    /// Writes one set as [`WriteTransaction::write`] does, but leaves out the actions that cannot be done. Returns their places in the list, and
    /// why. Only an error that is not one action's own ends it.
    async fn write_what_can_be(
        &mut self,
        project: &str,
        actions: &[&Action],
    ) -> Result<Vec<(usize, String)>, StateError>;

    /// Remembers this point of the transaction; there is one such point.
    async fn mark(&mut self) -> Result<(), StateError>;

    /// Goes back to the point of [`WriteTransaction::mark`], which stays.
    async fn back_to_mark(&mut self) -> Result<(), StateError>;

    /// Whether the constraints hold that are otherwise checked at the commit.
    async fn constraints_hold(&mut self) -> Result<bool, StateError>;

    /// From here on, until [`WriteTransaction::back_to_mark`], checks those constraints with every statement.
    async fn check_at_once(&mut self) -> Result<(), StateError>;

    /// Records the operation and its items. Returns the operation's revision number.
    async fn record(&mut self, operation: &Operation, items: &[Item<'_>]) -> Result<i64, StateError>;

    /// Reads the rows of some actions as they are now, inside the transaction: one answer for each, in their order.
    async fn read_back(&mut self, actions: &[&Action]) -> Result<Vec<ReadBack>, StateError>;

    /// Gives the leases back, as part of the transaction.
    async fn release(&mut self, holder: &Holder) -> Result<(), StateError>;

    /// Commits.
    async fn commit(self) -> Result<CommitOutcome, StateError>;
}
