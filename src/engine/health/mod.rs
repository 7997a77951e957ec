//! Health: what is looked at, what a result means, and when enough results in a row say that something changed (M-H1 to M-H13).
//!
//! It knows neither HTTP nor SQL: whoever looks is behind [`Prober`], whoever keeps results behind [`HealthStore`]. What an
//! answer means is decided by pure functions here, with the time as an argument.

mod asking;
mod host;
mod level;
mod quota;
mod round;
mod runner;
mod settings;
mod target;
mod version;

use std::fmt;
use std::time::Duration;

use chrono::{DateTime, Utc};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use crate::model::health::{CheckedService, HealthStatus};

use super::credentials::{Finding, Subject};
use super::state::StateError;

pub use crate::model::streak::{Found, Patience, Pending, Settled, overall, settle};
pub use asking::{AskTarget, PROVIDER_UNREACHABLE};
pub use host::{Connections, DatabaseFacts, ExpiryCounts, Space};
pub use level::level;
pub use quota::{Bucket, QuotaGroup, next_reset};
pub use runner::{Outcome, Progress, Request, run};
pub use settings::{ServiceSettings, Settings};
pub use target::{Labels, OF_TENANTS, Scope, Target, Work};
pub use version::version_end;

/// What a result is about. Of one key there is one state.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CheckKey {
    /// The workspace; empty for what belongs to none.
    pub workspace: String,
    /// What is looked at.
    pub service: CheckedService,
    /// Of what: the tenant, the credential, `shopify/TENANT` for a quota, the host; empty where there is one only.
    pub subject: String,
}

impl CheckKey {
    /// The key.
    pub fn new(workspace: impl Into<String>, service: CheckedService, subject: impl Into<String>) -> Self {
        Self { workspace: workspace.into(), service, subject: subject.into() }
    }

    /// The order in which results are shown: by service, then workspace and subject.
    #[must_use]
    pub fn order(&self) -> (usize, &str, &str) {
        let place = CheckedService::ALL.iter().position(|service| *service == self.service);
        (place.unwrap_or_default(), &self.workspace, &self.subject)
    }
}

/// `shopify/anz-smb/SMB_001`, `database`.
impl fmt::Display for CheckKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.service.code())?;
        [&self.workspace, &self.subject]
            .into_iter()
            .filter(|part| !part.is_empty())
            .try_for_each(|part| write!(f, "/{part}"))
    }
}

/// One result. Nothing secret is in it.
#[derive(Clone, Debug, PartialEq)]
pub struct Check {
    /// What it is about.
    pub key: CheckKey,
    /// The tenant it is about.
    pub tenant: Option<String>,
    /// How it stood.
    pub status: HealthStatus,
    /// Whether it counts as a failure though nobody knows yet: nothing answered (M-H4). Any other `unknown` counts for
    /// nothing (M-L2).
    pub is_failure: bool,
    /// What was found, as a stable word.
    pub code: &'static str,
    /// The same for people, in one line.
    pub message: String,
    /// How long it took; `None` where nothing was asked.
    pub latency: Option<Duration>,
    /// Numbers and words that show it.
    pub evidence: Map<String, Value>,
    /// When it was found.
    pub checked_at: DateTime<Utc>,
    /// Whether it fell into a maintenance window (M-S5).
    pub maintenance: bool,
}

impl Check {
    /// A result without evidence.
    pub fn new(
        key: CheckKey,
        status: HealthStatus,
        code: &'static str,
        message: impl Into<String>,
        checked_at: DateTime<Utc>,
    ) -> Self {
        Self {
            key,
            tenant: None,
            status,
            is_failure: false,
            code,
            message: message.into(),
            latency: None,
            evidence: Map::new(),
            checked_at,
            maintenance: false,
        }
    }

    /// Adds a piece of evidence.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.evidence.insert(name.to_owned(), value.into());
        self
    }

    /// Adds how long it took.
    #[must_use]
    pub fn took(mut self, latency: Duration) -> Self {
        self.latency = Some(latency);
        self
    }
}

/// How far asking came before something was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// The secret was read, or was not; the provider was not asked.
    Secret,
    /// An access token was asked for.
    Token,
    /// The provider itself was asked.
    Provider,
}

/// What asking a provider once showed.
#[derive(Clone, Debug)]
pub struct Answer {
    /// What it means for the credential.
    pub finding: Finding,
    /// Who said so.
    pub stage: Stage,
    /// Whether there was no answer in time.
    pub is_late: bool,
    /// The status of the answer, where there was one.
    pub status: Option<u16>,
    /// How long it took, with reading the secret and asking for a token.
    pub latency: Duration,
    /// The version of the API that answered.
    pub version: Option<String>,
    /// The bucket of points that is left (Shopify).
    pub bucket: Option<Bucket>,
    /// The quotas of the account (Google), where they were asked for.
    pub quotas: Option<Result<Vec<QuotaGroup>, Finding>>,
}

impl Answer {
    /// An answer that is nothing but a finding.
    #[must_use]
    pub fn of(finding: Finding, stage: Stage) -> Self {
        Self {
            finding,
            stage,
            is_late: false,
            status: None,
            latency: Duration::ZERO,
            version: None,
            bucket: None,
            quotas: None,
        }
    }

    fn evidence(&self, check: Check) -> Check {
        let mut check = check.took(self.latency);
        if let Some(status) = self.status {
            check = check.with("httpStatus", status);
        }
        if let Some(version) = &self.version {
            check = check.with("apiVersion", version.as_str());
        }
        check
    }
}

/// Looks.
pub trait Prober {
    /// Asks the provider with this credential, and for its quotas where they are wanted. An answer is waited for no longer
    /// than `limit`.
    async fn ask(&self, subject: &Subject, wants_quota: bool, limit: Duration) -> Answer;

    /// Connects to the database and asks it how it is.
    async fn database(&self, limit: Duration) -> Result<DatabaseFacts, StateError>;

    /// The disk that synthex works on.
    async fn disk(&self) -> Result<Space, String>;

    /// The memory that synthex may use.
    async fn memory(&self) -> Result<Space, String>;
}

/// A result and what follows from it, to be kept.
#[derive(Clone, Debug)]
pub struct Recorded {
    /// The id of the result.
    pub id: Uuid,
    /// The result.
    pub check: Check,
    /// How it stands from now on.
    pub settled: Settled,
    /// When it is to be looked at again; `None` leaves what is known of that.
    pub due_at: Option<DateTime<Utc>>,
}

/// A key to be claimed.
#[derive(Clone, Debug)]
pub struct Claim {
    /// What is to be looked at.
    pub key: CheckKey,
    /// The tenant it is about.
    pub tenant: Option<String>,
}

/// Keeps results and the state that follows from them, and lets one process at a time look at one thing (M-H2). Everything is
/// done in sets.
pub trait HealthStore {
    /// Claims what nobody else is looking at, by the clock of the database, and says how it stood. What somebody else looks
    /// at is left out, and so is what is not due yet, where only that is wanted which is.
    async fn claim(
        &self,
        claims: &[Claim],
        who: &str,
        lease: Duration,
        now: DateTime<Utc>,
        only_due: bool,
    ) -> Result<Vec<(CheckKey, Option<Settled>)>, StateError>;

    /// Keeps results and gives the claims back. A result whose claim went to somebody else meanwhile is not kept; returns the
    /// keys of those that were.
    async fn record(&self, results: &[Recorded], who: &str) -> Result<Vec<CheckKey>, StateError>;

    /// Gives claims back without a result.
    async fn release(&self, keys: &[CheckKey], who: &str) -> Result<(), StateError>;

    /// Notes with the states of a provider that nothing of it could be reached (M-S9).
    async fn mark(&self, keys: &[CheckKey], evidence: &Value) -> Result<(), StateError>;

    /// Forgets the states of what is no longer there: those of these services in these workspaces that are not among the keys,
    /// those of workspaces that are gone, and those of machines that nothing was heard of since.
    async fn forget(
        &self,
        workspaces: &[String],
        services: &[CheckedService],
        kept: &[CheckKey],
        since: DateTime<Utc>,
    ) -> Result<(), StateError>;
}

/// Keeps nothing: for a database that is not there, or has no place for it.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoStore;

impl HealthStore for NoStore {
    async fn claim(
        &self,
        claims: &[Claim],
        _: &str,
        _: Duration,
        _: DateTime<Utc>,
        _: bool,
    ) -> Result<Vec<(CheckKey, Option<Settled>)>, StateError> {
        Ok(claims.iter().map(|claim| (claim.key.clone(), None)).collect())
    }

    async fn record(&self, _: &[Recorded], _: &str) -> Result<Vec<CheckKey>, StateError> {
        Ok(Vec::new())
    }

    async fn release(&self, _: &[CheckKey], _: &str) -> Result<(), StateError> {
        Ok(())
    }

    async fn mark(&self, _: &[CheckKey], _: &Value) -> Result<(), StateError> {
        Ok(())
    }

    async fn forget(
        &self,
        _: &[String],
        _: &[CheckedService],
        _: &[CheckKey],
        _: DateTime<Utc>,
    ) -> Result<(), StateError> {
        Ok(())
    }
}

/// The evidence that a provider could not be reached at all.
#[must_use]
pub fn unreachable_evidence() -> Value {
    json!({ PROVIDER_UNREACHABLE: true })
}
