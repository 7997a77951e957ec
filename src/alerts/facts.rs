//! What an evaluation is about, and what comes of it: plain values. Rows of the database give them, and manifests that are
//! not applied yet can stand in for declared rows, so that `plan` asks the same function what would fire.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::kinds::alert_rule::AlertRuleSpec;
use crate::kinds::maintenance_window::MaintenanceWindowSpec;
use crate::kinds::silence::SilenceSpec;
use crate::model::Digest;
use crate::model::health::{CheckedService, HealthStatus};
use crate::model::market::{Market, TenantType};

use super::alert::{Alert, AlertLabels};
use super::message::Message;

/// What an evaluation of one workspace is about.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    /// The workspace.
    pub workspace: String,
    /// Its rules, also those that are off, and those that are deleted and still have alerts.
    pub rules: Vec<RuleFact>,
    /// Its silences, by name.
    pub silences: Vec<(String, SilenceSpec)>,
    /// Its maintenance windows, by name.
    pub windows: Vec<(String, MaintenanceWindowSpec)>,
    /// The tenants of everything below, by name.
    pub tenants: BTreeMap<String, TenantFact>,
    /// Credentials: all of them, or those that can matter now and those with an open alert.
    pub credentials: Vec<CredentialFact>,
    /// How things stand: all of them, or those that are not well and those with an open alert.
    pub health: Vec<HealthFact>,
    /// How many tenants are looked at, by service, whether they are well or not.
    pub watched: BTreeMap<CheckedService, i64>,
    /// What was counted for each usage rule, by the rule's name, in its window up to now.
    pub usage: BTreeMap<String, i64>,
    /// Alerts that are not over.
    pub open: Vec<Alert>,
    /// Alerts that ended lately, of rules that guard against flapping.
    pub ended: Vec<Alert>,
    /// Thresholds that were told, or superseded.
    pub thresholds: Vec<ThresholdRow>,
    /// Groups that were told, or wait.
    pub groups: Vec<GroupRow>,
    /// When each rule was last evaluated.
    pub evaluated: BTreeMap<String, DateTime<Utc>>,
    /// Silences "until resolved" whose alert is over since they began: they do not mute it when it comes again (M-L6). One that
    /// was never raised ends none.
    pub spent: BTreeSet<(String, Digest)>,
    /// Which rules look for new alerts.
    pub scope: Scope,
    /// What ids are made from, so that the evaluation itself needs no randomness. Nil where ids do not matter.
    pub seed: Uuid,
}

/// Which rules look for new alerts. Alerts that are open are looked after in any case, but for those of other rules than the
/// one that is named.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Scope {
    /// Those whose schedule says so.
    #[default]
    Due,
    /// Those whose schedule says so, and those about health: how something stands is another than before.
    Changed,
    /// All of them.
    All,
    /// One.
    Only(String),
}

/// A rule.
#[derive(Clone, Debug)]
pub struct RuleFact {
    /// Its name.
    pub name: String,
    /// What it declares.
    pub spec: AlertRuleSpec,
    /// Whether it is deleted.
    pub is_deleted: bool,
}

/// A tenant, as far as alerts care.
#[derive(Clone, Debug)]
pub struct TenantFact {
    /// The name that people know.
    pub display_name: String,
    /// The type.
    pub kind: Option<TenantType>,
    /// The market.
    pub market: Option<Market>,
    /// The region, which says in which zone it is.
    pub region: String,
    /// Its own labels.
    pub labels: AlertLabels,
    /// Whether it is suspended.
    pub is_suspended: bool,
    /// Whether it is deleted.
    pub is_deleted: bool,
}

/// A credential, as far as alerts care.
#[derive(Clone, Debug)]
pub struct CredentialFact {
    /// Its id, which stays through renames.
    pub id: Uuid,
    /// Its name.
    pub name: String,
    /// Its tenant.
    pub tenant: String,
    /// The service.
    pub service: String,
    /// When it expires: what was observed, or else what is declared. Never the end of an access token that renews itself (M-E9).
    pub expires_at: Option<DateTime<Utc>>,
    /// When it was issued.
    pub issued_at: Option<DateTime<Utc>>,
    /// Which secret it is, apart from its expiry: anything that changes where another one is referred to (M-E7).
    pub secret_version: String,
    /// Whether it renews itself.
    pub renews_itself: bool,
    /// How many renewals failed since one succeeded.
    pub renewal_failures: i64,
    /// Why the last one failed.
    pub renewal_error: Option<String>,
    /// Whether it is revoked.
    pub is_revoked: bool,
    /// Whether it is deleted.
    pub is_deleted: bool,
}

/// How something that is looked at stands.
#[derive(Clone, Debug)]
pub struct HealthFact {
    /// What is looked at.
    pub service: CheckedService,
    /// Of what: the tenant, the credential; empty where there is one only.
    pub subject: String,
    /// The tenant it is about.
    pub tenant: Option<String>,
    /// How it stands, once enough results in a row said so.
    pub status: HealthStatus,
    /// Since when.
    pub since: DateTime<Utc>,
    /// What the last result said.
    pub last_status: HealthStatus,
    /// What the last result found, as a stable word.
    pub code: String,
    /// The same for people.
    pub message: String,
    /// How many bad results came in a row.
    pub failures: i64,
    /// How many good ones.
    pub successes: i64,
    /// How many unhealthy ones came in a row; below zero, how many that were not.
    pub severe: i64,
}

/// A threshold of a credential that was crossed (M-E6).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ThresholdRow {
    /// The rule.
    pub rule: String,
    /// The credential.
    pub credential: Uuid,
    /// Which secret.
    pub generation: String,
    /// The threshold, as the rule writes it.
    pub threshold: String,
    /// Whether it was told; if not, a tighter one was in its place.
    pub is_told: bool,
    /// The alert that told it.
    pub alert: Uuid,
    /// When that was noticed.
    pub crossed_at: DateTime<Utc>,
}

/// A group of alerts that are told together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupRow {
    /// The rule.
    pub rule: String,
    /// What the alerts have in common.
    pub key: String,
    /// When a message about it was last queued.
    pub notified_at: Option<DateTime<Utc>>,
    /// When alerts that wait are told.
    pub due_at: Option<DateTime<Utc>>,
}

/// That a rule was evaluated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EvaluationRow {
    /// The rule.
    pub rule: String,
    /// When its schedule comes next; `None` where it never does.
    pub next_due_at: Option<DateTime<Utc>>,
}

/// A message to be told, and through what.
#[derive(Clone, Debug)]
pub struct Telling {
    /// Its id.
    pub id: Uuid,
    /// What it says.
    pub message: Message,
    /// Through which channels, by name.
    pub channels: Vec<String>,
    /// The alerts it tells of.
    pub alerts: Vec<Uuid>,
    /// Messages of the same key keep their order.
    pub ordering_key: String,
}

/// What happened to an alert in an evaluation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Happening {
    /// There are signs of it.
    Pending,
    /// It was raised.
    Fired,
    /// It was raised before, and is told now: it waited for its group, or what was told of it was of another time.
    Told,
    /// It crossed a tighter threshold.
    Worsened,
    /// It is over.
    Resolved,
    /// It stands, and somebody is reminded.
    Reminded,
    /// It comes and goes, and is held back from now on.
    Flapping,
    /// It is kept from being told from now on.
    Muted,
    /// It is not kept from being told any longer.
    Unmuted,
    /// No rule covers it.
    Unrouted,
    /// It waits for others of its group.
    Waiting,
    /// A threshold was crossed too, and is told by a tighter one.
    Superseded,
}

impl Happening {
    /// The word for it.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Fired => "fired",
            Self::Told => "told",
            Self::Worsened => "worsened",
            Self::Resolved => "resolved",
            Self::Reminded => "reminded",
            Self::Flapping => "flapping",
            Self::Muted => "muted",
            Self::Unmuted => "unmuted",
            Self::Unrouted => "unrouted",
            Self::Waiting => "waiting",
            Self::Superseded => "superseded",
        }
    }
}

/// One thing that happened, for people.
#[derive(Clone, Debug)]
pub struct Change {
    /// What happened.
    pub happening: Happening,
    /// The alert, as it is now.
    pub alert: Alert,
    /// Through which channels it is told; empty where it is not.
    pub channels: Vec<String>,
    /// Of what is superseded: the threshold.
    pub threshold: Option<String>,
    /// Of what waits: until when.
    pub until: Option<DateTime<Utc>>,
}

/// What comes of an evaluation. All of it is written in one transaction, or none (M-D1).
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// New alerts.
    pub inserts: Vec<Alert>,
    /// Alerts that changed; `revision` is the one that was read.
    pub updates: Vec<Alert>,
    /// Thresholds that were crossed.
    pub thresholds: Vec<ThresholdRow>,
    /// Thresholds of a rule and a credential that count as never told: people heard that it is over, for a reason that they made
    /// themselves, so that it is news when it comes back.
    pub rearmed: Vec<(String, Uuid)>,
    /// Groups that were told, or wait.
    pub groups: Vec<GroupRow>,
    /// Rules that were evaluated.
    pub evaluations: Vec<EvaluationRow>,
    /// What is told, in the order in which it is to be queued.
    pub tellings: Vec<Telling>,
    /// What happened, sorted by what it is about.
    pub changes: Vec<Change>,
    /// How many alerts no rule covers, old and new.
    pub unrouted: usize,
}
