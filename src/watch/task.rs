//! What a task is, and what it says when it is done.

use std::time::Duration;

use futures_util::future::LocalBoxFuture;
use serde::Serialize;
use serde_json::Value;

use crate::engine::StateError;

use super::stop::Stop;

/// The tasks of the controller. A closed set: it labels metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum TaskCode {
    /// Takes the lease of the one that reconciles, and keeps it.
    Lead,
    /// Brings the database to what is declared.
    Reconcile,
    /// Looks at shops, accounts, credentials and the machine.
    Health,
    /// Renews credentials ahead of their expiry.
    Renewal,
    /// Evaluates alert rules.
    Alerts,
    /// Delivers notifications.
    Delivery,
    /// Sums what was recorded, and removes what is old.
    Upkeep,
}

impl TaskCode {
    /// All of them, in the order in which one look goes through them.
    pub const ALL: [Self; 7] = [
        Self::Lead,
        Self::Reconcile,
        Self::Health,
        Self::Renewal,
        Self::Alerts,
        Self::Delivery,
        Self::Upkeep,
    ];

    /// The word for it.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Lead => "lead",
            Self::Reconcile => "reconcile",
            Self::Health => "health",
            Self::Renewal => "renewal",
            Self::Alerts => "alerts",
            Self::Delivery => "delivery",
            Self::Upkeep => "upkeep",
        }
    }
}

/// Why a task runs now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Cause {
    /// It is its first run.
    Start,
    /// Its time has come.
    Timer,
    /// Something happened.
    Signal,
}

impl Cause {
    /// The word for it.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Timer => "timer",
            Self::Signal => "signal",
        }
    }
}

/// A task could not do what it is for. It is tried again when its time comes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TaskFailure {
    /// A stable word.
    pub code: String,
    /// What happened, in one line.
    pub what: String,
    /// Why, where it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// What to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub help: Option<String>,
}

impl TaskFailure {
    /// A failure.
    #[must_use]
    pub fn new(code: &str, what: impl Into<String>) -> Self {
        Self { code: code.to_owned(), what: what.into(), why: None, help: None }
    }
}

impl From<&StateError> for TaskFailure {
    fn from(error: &StateError) -> Self {
        Self {
            code: error.kind.code().to_owned(),
            what: error.what.clone(),
            why: error.why.clone(),
            help: error.help.clone(),
        }
    }
}

/// What a task says when it is done.
#[derive(Clone, Debug, Default)]
pub struct Ran {
    /// What it did and found, for `/status` and `watch status`.
    pub status: Value,
    /// Why it could not do all of it.
    pub failure: Option<TaskFailure>,
    /// When it wants to run again, where that is sooner than its interval.
    pub again: Option<Duration>,
    /// Tasks that have something to look at now.
    pub wakes: Vec<TaskCode>,
}

impl Ran {
    /// It is done.
    #[must_use]
    pub fn done(status: Value) -> Self {
        Self { status, ..Self::default() }
    }

    /// It could not.
    #[must_use]
    pub fn failed(failure: TaskFailure) -> Self {
        Self { failure: Some(failure), ..Self::default() }
    }
}

/// Something that is done again and again.
pub trait Task {
    /// Does it once: looks, does what is to be done, and says what came of it. Returns soon after `stop` is asked for, with
    /// what it was at finished or given back.
    fn run<'a>(&'a mut self, stop: &'a Stop) -> LocalBoxFuture<'a, Ran>;
}
