//! What is recorded of the use of the program.
//!
//! A metric says what was done, how it ended and how long it took. It never has arguments, secrets, or names of anything
//! but a workspace: whoever records one gives fixed words and numbers.

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::NaiveDate;

/// What sort of thing was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum MetricType {
    /// A command ran.
    Command,
    /// A service was called.
    ApiCall,
    /// A credential was verified, renewed or revoked.
    CredentialOp,
    /// Tenants were created, changed or deleted.
    TenantOp,
    /// Something failed.
    Error,
}

impl MetricType {
    /// All of them.
    pub const ALL: [Self; 5] =
        [Self::Command, Self::ApiCall, Self::CredentialOp, Self::TenantOp, Self::Error];

    /// The word for it, in the database and in JSON.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Command => "command",
            Self::ApiCall => "api_call",
            Self::CredentialOp => "credential_op",
            Self::TenantOp => "tenant_op",
            Self::Error => "error",
        }
    }

    /// The one with this word.
    #[must_use]
    pub fn from_code(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|metric_type| metric_type.code() == code)
    }
}

/// How it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Outcome {
    /// As it was meant to.
    Succeeded,
    /// Not as it was meant to.
    Failed,
    /// Somebody stopped it.
    Interrupted,
}

impl Outcome {
    /// The word for it, in the database and in JSON.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Interrupted => "interrupted",
        }
    }

    /// What a result is.
    #[must_use]
    pub const fn of<T, E>(result: &Result<T, E>) -> Self {
        match result {
            Ok(_) => Self::Succeeded,
            Err(_) => Self::Failed,
        }
    }
}

/// One thing that was done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Metric {
    /// What sort of thing.
    pub metric_type: MetricType,
    /// Which: fixed words, such as `plan`, `renew` or `shop`.
    pub name: String,
    /// The service, where one was called: `shopify`, `google-merchant`.
    pub service: Option<String>,
    /// How it ended.
    pub outcome: Outcome,
    /// A stable word or number for how it ended.
    pub code: Option<String>,
    /// How long it took.
    pub duration: Option<Duration>,
    /// How many there were.
    pub value: u64,
    /// Numbers that belong to it.
    pub counts: BTreeMap<String, u64>,
}

impl Metric {
    fn new(metric_type: MetricType, name: &str, outcome: Outcome, duration: Option<Duration>) -> Self {
        Self {
            metric_type,
            name: name.to_owned(),
            service: None,
            outcome,
            code: None,
            duration,
            value: 1,
            counts: BTreeMap::new(),
        }
    }

    /// A command, with its exit status.
    #[must_use]
    pub fn command(name: &str, outcome: Outcome, status: u8, duration: Duration) -> Self {
        Self {
            code: Some(status.to_string()),
            ..Self::new(MetricType::Command, name, outcome, Some(duration))
        }
    }

    /// A call of a service; `name` is the kind of call, never an address.
    #[must_use]
    pub fn api_call(service: &str, name: &str, outcome: Outcome, duration: Duration) -> Self {
        Self {
            service: Some(service.to_owned()),
            ..Self::new(MetricType::ApiCall, name, outcome, Some(duration))
        }
    }

    /// An operation on a credential: `verify`, `renew`, `revoke`.
    #[must_use]
    pub fn credential_op(service: &str, name: &str, outcome: Outcome, duration: Duration) -> Self {
        Self {
            service: Some(service.to_owned()),
            ..Self::new(MetricType::CredentialOp, name, outcome, Some(duration))
        }
    }

    /// An operation on tenants: how many changes it made, by action.
    #[must_use]
    pub fn tenant_op(
        name: &str,
        outcome: Outcome,
        duration: Duration,
        counts: BTreeMap<String, u64>,
    ) -> Self {
        Self {
            value: counts.values().sum(),
            counts,
            ..Self::new(MetricType::TenantOp, name, outcome, Some(duration))
        }
    }

    /// Something failed; `code` is the stable word for it.
    #[must_use]
    pub fn error(name: &str, code: &str) -> Self {
        Self { code: Some(code.to_owned()), ..Self::new(MetricType::Error, name, Outcome::Failed, None) }
    }

    /// The same with a stable word for how it ended.
    #[must_use]
    pub fn with_code(mut self, code: &str) -> Self {
        self.code = Some(code.to_owned());
        self
    }
}

/// Metrics that have everything but their durations in common, of one day.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// The day, in UTC.
    pub day: NaiveDate,
    /// The workspace; empty where none was named.
    pub workspace: String,
    /// What sort of thing.
    pub metric_type: MetricType,
    /// Which.
    pub name: String,
    /// The service; empty where there was none.
    pub service: String,
    /// Whether it failed.
    pub is_failed: bool,
    /// The word for how it ended; empty where there was none.
    pub code: String,
    /// How many metrics.
    pub count: u64,
    /// The sum of their values.
    pub value: u64,
}

/// How often commands took so many milliseconds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Took {
    /// The command; empty where all are counted together.
    pub name: String,
    /// Whole milliseconds.
    pub milliseconds: u64,
    /// How often.
    pub count: u64,
}

/// What the database says of a period.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    /// What was done, day by day.
    pub groups: Vec<Group>,
    /// How long commands took, rising within a name.
    pub durations: Vec<Took>,
    /// How many days came from sums that were made before.
    pub summed_days: usize,
}

impl Figures {
    /// How many metrics they are of.
    #[must_use]
    pub fn metrics(&self) -> u64 {
        self.groups.iter().map(|group| group.count).sum()
    }
}
