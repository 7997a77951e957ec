//! One alert: what is wrong, or was, from the first sign of it to its end. What is here is what is in its row; nothing else
//! decides what comes next, so a restart between two evaluations changes nothing (M-L9, M-L10).

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde_json::Value;
use uuid::Uuid;

use crate::kinds::alert_rule::AlertSeverity;
use crate::model::Digest;

use super::fingerprint::Identity;
use super::message::Topic;

/// The labels of an alert, by which silences, windows and groups choose.
pub type AlertLabels = BTreeMap<String, String>;

/// What sort of thing is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AlertKind {
    /// A credential expires soon, or has expired.
    CredentialExpiry,
    /// Nobody knows when a credential expires, and the rule wants to know (M-E11).
    ExpiryUnknown,
    /// A credential that renews itself could not, several times in a row (M-E9).
    RenewalFailed,
    /// A health check reports a state that the rule names.
    HealthStatus,
    /// Something was used more than the rule allows.
    UsageThreshold,
}

impl AlertKind {
    /// Every kind that an evaluation raises.
    pub const ALL: [Self; 5] = [
        Self::CredentialExpiry,
        Self::ExpiryUnknown,
        Self::RenewalFailed,
        Self::HealthStatus,
        Self::UsageThreshold,
    ];

    /// The word for it.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::CredentialExpiry => "credential_expiry",
            Self::ExpiryUnknown => "expiry_unknown",
            Self::RenewalFailed => "renewal_failed",
            Self::HealthStatus => "health_status",
            Self::UsageThreshold => "usage_threshold",
        }
    }

    /// What a word stands for.
    #[must_use]
    pub fn from_code(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|own| own.code() == code)
    }

    /// What a message about it is about.
    #[must_use]
    pub const fn topic(self) -> Topic {
        match self {
            Self::CredentialExpiry | Self::ExpiryUnknown | Self::RenewalFailed => Topic::CredentialExpiry,
            Self::HealthStatus => Topic::HealthAlert,
            Self::UsageThreshold => Topic::UsageThreshold,
        }
    }
}

/// Where an alert is in its life (M-L1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AlertStatus {
    /// No rule covers it: it is kept and counted, and nobody is told (M-M9).
    Unrouted,
    /// There are signs of it, but not for long enough.
    Pending,
    /// It is raised.
    Firing,
    /// It is raised, and somebody said that they know.
    Acknowledged,
    /// It is over.
    Resolved,
}

impl AlertStatus {
    /// Every status.
    pub const ALL: [Self; 5] =
        [Self::Unrouted, Self::Pending, Self::Firing, Self::Acknowledged, Self::Resolved];

    /// The word for it.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Unrouted => "unrouted",
            Self::Pending => "pending",
            Self::Firing => "firing",
            Self::Acknowledged => "acknowledged",
            Self::Resolved => "resolved",
        }
    }

    /// What a word stands for.
    #[must_use]
    pub fn from_code(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|own| own.code() == code)
    }

    /// Whether an alert may go from this status to another: what the database enforces too.
    #[must_use]
    pub const fn may_become(self, next: Self) -> bool {
        match self {
            Self::Unrouted => matches!(next, Self::Unrouted | Self::Pending | Self::Firing | Self::Resolved),
            Self::Pending => matches!(next, Self::Pending | Self::Firing | Self::Resolved),
            Self::Firing => matches!(next, Self::Firing | Self::Acknowledged | Self::Resolved),
            Self::Acknowledged => matches!(next, Self::Acknowledged | Self::Firing | Self::Resolved),
            Self::Resolved => false,
        }
    }

    /// Whether it is raised and not over.
    #[must_use]
    pub const fn is_raised(self) -> bool {
        matches!(self, Self::Firing | Self::Acknowledged)
    }
}

/// Why an alert is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ResolveReason {
    /// It is well again.
    Recovered,
    /// The credential was replaced (M-E7).
    Renewed,
    /// The rule no longer means it (M-M3).
    RuleChanged,
    /// The rule is gone (M-M3).
    RuleRemoved,
    /// What it is about is gone (M-E13).
    Removed,
    /// The tenant is suspended (M-E13).
    Suspended,
    /// The credential is revoked (M-E13).
    Revoked,
}

impl ResolveReason {
    /// Every reason.
    pub const ALL: [Self; 7] = [
        Self::Recovered,
        Self::Renewed,
        Self::RuleChanged,
        Self::RuleRemoved,
        Self::Removed,
        Self::Suspended,
        Self::Revoked,
    ];

    /// The word for it.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Recovered => "recovered",
            Self::Renewed => "renewed",
            Self::RuleChanged => "rule_changed",
            Self::RuleRemoved => "rule_removed",
            Self::Removed => "removed",
            Self::Suspended => "suspended",
            Self::Revoked => "revoked",
        }
    }

    /// What a word stands for.
    #[must_use]
    pub fn from_code(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|own| own.code() == code)
    }
}

/// An alert, as its row has it.
#[derive(Clone, Debug, PartialEq)]
pub struct Alert {
    /// Made by the evaluation that found it.
    pub id: Uuid,
    /// The rule; `None` where none covers it.
    pub rule: Option<String>,
    /// What sort of thing is wrong.
    pub kind: AlertKind,
    /// What makes it this alert.
    pub fingerprint: Digest,
    /// The tenant.
    pub tenant: Option<String>,
    /// The service.
    pub service: Option<String>,
    /// What it is about within that: the credential, the check, the metric.
    pub subject: String,
    /// The id of that, which stays through renames.
    pub subject_id: Option<Uuid>,
    /// What silences, windows and groups choose by.
    pub labels: AlertLabels,
    /// How urgent it is.
    pub severity: AlertSeverity,
    /// Where it is in its life.
    pub status: AlertStatus,
    /// What is wrong, in one line.
    pub title: String,
    /// What is wrong, and what to do.
    pub message: String,
    /// Of expiry: the tightest threshold that was crossed.
    pub threshold: Option<String>,
    /// Of expiry: which secret.
    pub generation: Option<String>,
    /// Of expiry: when.
    pub expires_at: Option<DateTime<Utc>>,
    /// Numbers and words that show it.
    pub evidence: Value,
    /// When the first sign of it was seen.
    pub started_at: DateTime<Utc>,
    /// When it was raised.
    pub fired_at: Option<DateTime<Utc>>,
    /// When its status last changed.
    pub changed_at: DateTime<Utc>,
    /// When it was over.
    pub resolved_at: Option<DateTime<Utc>>,
    /// Why.
    pub resolve_reason: Option<ResolveReason>,
    /// When somebody said that they know.
    pub acknowledged_at: Option<DateTime<Utc>>,
    /// Who.
    pub acknowledged_by: Option<String>,
    /// What they said.
    pub ack_comment: Option<String>,
    /// Until when that holds; `None` for until its end.
    pub ack_until: Option<DateTime<Utc>>,
    /// What keeps it from being told: `silence/NAME`, `window/NAME`, `inhibition/WHAT`.
    pub muted_by: Vec<String>,
    /// Since when.
    pub muted_since: Option<DateTime<Utc>>,
    /// Whether it came and went too often, and is held back until it is quiet.
    pub is_flapping: bool,
    /// When it came and went last, the newest last.
    pub transitions: Vec<DateTime<Utc>>,
    /// When a message about it was last queued.
    pub notified_at: Option<DateTime<Utc>>,
    /// How many reminders were queued.
    pub reminders: i64,
    /// Rises with each write.
    pub revision: i64,
}

impl Alert {
    /// What it is known again by, under the names that things have now: [`Alert::fingerprint`], unless something was renamed
    /// since that was written.
    #[must_use]
    pub fn identity(&self, workspace: &str) -> Digest {
        let subject = match self.kind {
            AlertKind::HealthStatus => {
                format!("{}/{}", self.service.as_deref().unwrap_or_default(), self.subject)
            }
            _ => self.subject_id.map_or_else(|| self.subject.clone(), |id| id.to_string()),
        };
        Identity {
            workspace,
            rule: self.rule.as_deref().unwrap_or_default(),
            kind: self.kind,
            tenant: self.tenant.as_deref().unwrap_or_default(),
            subject: &subject,
        }
        .fingerprint()
    }

    /// The name of what raised a threshold: `expiring_30d`, `expired`, or the kind.
    #[must_use]
    pub fn type_code(&self) -> String {
        match (self.kind, self.threshold.as_deref()) {
            (AlertKind::CredentialExpiry, Some(threshold)) if threshold.starts_with('-') => {
                format!("expired_{}", &threshold[1..])
            }
            (AlertKind::CredentialExpiry, Some("expired")) => "expired".to_owned(),
            (AlertKind::CredentialExpiry, Some(threshold)) => format!("expiring_{threshold}"),
            _ => self.kind.code().to_owned(),
        }
    }

    /// Whether an acknowledgement still holds.
    #[must_use]
    pub fn is_acknowledged(&self, now: DateTime<Utc>) -> bool {
        self.status == AlertStatus::Acknowledged && self.ack_until.is_none_or(|until| now < until)
    }
}
