//! Exit statuses, and the one form in which a command fails.

use crate::engine::{ApplyError, StateError, StateErrorKind};
use crate::files::{WriteError, io_words};
use crate::model::{Diagnostic, Severity};
use crate::plan::Refusal;
#[cfg(unix)]
use crate::store::embedded::EmbeddedError;

/// The exit status of the program. Frozen: scripts depend on the numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExitStatus {
    /// Done, or nothing to do.
    Success,
    /// Any other error.
    Error,
    /// Changes are present (only with `--detailed-exitcode`).
    Changes,
    /// Wrong usage, or an invalid manifest.
    Usage,
    /// Somebody else holds the lease.
    LeaseHeld,
    /// A guard refuses.
    Refused,
    /// The plan is stale or does not match.
    Stale,
    /// Partly applied.
    Partly,
    /// The database or an API is unreachable, or refused us.
    Unreachable,
    /// Interrupted (Ctrl-C) after a clean stop.
    Interrupted,
    /// Terminated (SIGTERM) after a clean stop.
    Terminated,
    /// Of `health` alone: something works, but not well.
    Degraded,
    /// Of `health` alone: something does not work.
    Unhealthy,
    /// Of `health` alone: something could not be found out.
    Unknown,
}

/// Every exit status with its meaning; the tables in `docs/` and `explain exit-codes` are made from it.
pub const EXIT_CODES: [(ExitStatus, &str); 11] = [
    (ExitStatus::Success, "done, or nothing to do"),
    (ExitStatus::Error, "any other error"),
    (ExitStatus::Changes, "changes are present (only with --detailed-exitcode)"),
    (ExitStatus::Usage, "wrong usage, or an invalid manifest"),
    (ExitStatus::LeaseHeld, "somebody else holds the lease of a workspace"),
    (ExitStatus::Refused, "refused by a guard"),
    (ExitStatus::Stale, "the plan is stale or does not match: the database changed in between"),
    (ExitStatus::Partly, "partly applied"),
    (ExitStatus::Unreachable, "the database or an API is unreachable, or refused us"),
    (ExitStatus::Interrupted, "interrupted (Ctrl-C) after a clean stop"),
    (ExitStatus::Terminated, "terminated (SIGTERM) after a clean stop"),
];

/// The exit statuses of `health check` and `health report`, which say how things stand, as monitoring systems expect it. What
/// else can go wrong with them has its usual number.
pub const HEALTH_EXIT_CODES: [(ExitStatus, &str); 4] = [
    (ExitStatus::Success, "healthy"),
    (ExitStatus::Degraded, "degraded: something works, but not well"),
    (ExitStatus::Unhealthy, "unhealthy: something does not work, the database perhaps"),
    (ExitStatus::Unknown, "unknown: nothing is worse, and something could not be found out; or wrong usage"),
];

impl ExitStatus {
    /// The number.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::Success => 0,
            Self::Error | Self::Degraded => 1,
            Self::Changes | Self::Unhealthy => 2,
            Self::Usage | Self::Unknown => 3,
            Self::LeaseHeld => 4,
            Self::Refused => 5,
            Self::Stale => 6,
            Self::Partly => 7,
            Self::Unreachable => 8,
            Self::Interrupted => 130,
            Self::Terminated => 143,
        }
    }
}

impl From<ExitStatus> for std::process::ExitCode {
    fn from(status: ExitStatus) -> Self {
        Self::from(status.code())
    }
}

/// A command failed.
#[derive(Debug)]
pub struct CliError {
    /// The exit status.
    pub status: ExitStatus,
    /// A stable word, for JSON.
    pub code: String,
    /// One line: what happened.
    pub what: String,
    /// One line: why.
    pub why: Option<String>,
    /// One line: what to do.
    pub help: Option<String>,
    /// Other resources that failed, a line each.
    pub also: Vec<String>,
    /// Problems of manifests, when those are what is wrong.
    pub diagnostics: Vec<Diagnostic>,
    /// What came of each change, for JSON, where they failed one by one.
    pub outcome: Option<Box<serde_json::Value>>,
}

impl CliError {
    /// An error with a status.
    pub fn new(status: ExitStatus, code: &str, what: impl Into<String>) -> Self {
        Self {
            status,
            code: code.to_owned(),
            what: what.into(),
            why: None,
            help: None,
            also: Vec::new(),
            diagnostics: Vec::new(),
            outcome: None,
        }
    }

    /// An error of no particular sort.
    pub fn other(what: impl Into<String>, why: impl Into<String>) -> Self {
        Self::new(ExitStatus::Error, "error", what).why(why)
    }

    /// Wrong usage.
    pub fn usage(what: impl Into<String>) -> Self {
        Self::new(ExitStatus::Usage, "usage", what)
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

    /// The error without what else is wrong.
    #[must_use]
    pub fn first_only(mut self) -> Self {
        self.diagnostics.retain(|diagnostic| diagnostic.severity == Severity::Error);
        self.diagnostics.truncate(1);
        self.also.clear();
        self
    }

    /// Manifests are wrong.
    #[must_use]
    pub fn manifests(diagnostics: Vec<Diagnostic>) -> Self {
        let mut error = Self::new(ExitStatus::Usage, "invalid-manifest", "the manifests have problems");
        error.diagnostics = diagnostics;
        error
    }

    /// Guards refuse.
    #[must_use]
    pub fn refused(refusals: &[Refusal]) -> Self {
        let what = match refusals {
            [one] => format!("refused: {}", one.message),
            many => format!("refused by guards, {} times", many.len()),
        };
        let first = refusals.first();
        let mut error = Self::new(ExitStatus::Refused, "refused", what);
        if refusals.len() > 1 {
            error.why = first.map(|refusal| format!("the first: {} ({})", refusal.message, refusal.code));
        }
        error.help = first.map(|refusal| refusal.help.clone());
        error
    }
}

impl From<StateError> for CliError {
    fn from(error: StateError) -> Self {
        let status = match error.kind {
            StateErrorKind::Unreachable | StateErrorKind::Refused | StateErrorKind::Incompatible => {
                ExitStatus::Unreachable
            }
            StateErrorKind::LeaseHeld | StateErrorKind::LeaseLost => ExitStatus::LeaseHeld,
            StateErrorKind::Stale => ExitStatus::Stale,
            StateErrorKind::Rejected | StateErrorKind::Other => ExitStatus::Error,
        };
        if let Some(lower) = &error.source {
            tracing::debug!(error = %lower, "the lower error");
        }
        Self {
            status,
            code: error.kind.code().to_owned(),
            what: error.what,
            why: error.why.map(|why| why.replace(['\r', '\n'], " ")),
            help: error.help,
            also: Vec::new(),
            diagnostics: Vec::new(),
            outcome: None,
        }
    }
}

impl From<ApplyError> for CliError {
    fn from(error: ApplyError) -> Self {
        match error {
            ApplyError::State(error) | ApplyError::OutcomeUnknown(error) => error.into(),
            ApplyError::Interrupted => {
                Self::new(ExitStatus::Interrupted, "interrupted", "stopped; nothing was changed")
            }
            ApplyError::NothingLeft { .. } => Self::other("no change could be made", "each of them failed"),
            ApplyError::NotConverged { left } => {
                let first = left.first().map(|(key, fields)| format!("{key}: {}", fields.join(", ")));
                let what = "the rows as written are not what was declared, so nothing was applied";
                Self::new(ExitStatus::Error, "not-converged", what)
                    .why(format!("{} differ, first {}", left.len(), first.unwrap_or_default()))
                    .help("look for a trigger or rule on the table that changes what is written")
            }
        }
    }
}

impl From<WriteError> for CliError {
    fn from(error: WriteError) -> Self {
        Self::other(error.to_string(), io_words(&error.source))
            .help("check the folder's rights and the free space on the disk")
    }
}

#[cfg(unix)]
impl From<EmbeddedError> for CliError {
    fn from(error: EmbeddedError) -> Self {
        let why =
            std::error::Error::source(&error).map(|source| source.to_string().replace(['\r', '\n'], " "));
        let mut out = Self::new(ExitStatus::Unreachable, error.code(), error.to_string());
        out.why = why;
        out.help = Some(error.help());
        out
    }
}
