//! What raises an alert.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::health::CheckedService;
use crate::model::text::{DURATION_PATTERN, duration_seconds, is_false};

use super::AlertSeverity;

/// What raises an alert. Exactly one condition is given.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub enum Condition {
    /// A credential comes close to its expiry, or passes it.
    CredentialExpiry(CredentialExpiry),
    /// A health check reports one of some states.
    HealthStatus(HealthStatus),
    /// Usage goes above a number within a window.
    UsageThreshold(UsageThreshold),
}

/// A credential comes close to its expiry, or passes it.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CredentialExpiry {
    /// How long before expiry to alert, each once: `30d`, `7d`, `12h`, or `expired`; `20%` of the time that the credential is
    /// valid for; `-3d`, three days after it expired.
    #[serde(default = "usual_thresholds")]
    #[schemars(length(min = 1, max = 10), inner(regex(pattern = THRESHOLD_PATTERN)))]
    pub thresholds: Vec<String>,
    /// How urgent the alert is from a threshold on, such as `{7d: critical}`. Left out: `info` for 8 days and more before expiry,
    /// `warning` for more than a day, `critical` for the rest.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 10))]
    pub severities: BTreeMap<String, AlertSeverity>,
    /// Whether a credential of which nobody knows when it expires raises an alert too.
    #[serde(default, skip_serializing_if = "is_false")]
    pub require_expiry: bool,
}

/// A threshold of credential expiry.
const THRESHOLD_PATTERN: &str = r"^(-?[1-9][0-9]{0,3}[dhw]|[1-9][0-9]?%|expired)$";

/// How many seconds before an expiry a threshold such as `30d` is; below zero for one after it (`-3d`). Four digits of days or
/// weeks are more than the ten years that other lengths of time may have.
#[must_use]
pub fn lead_seconds(text: &str) -> Option<i64> {
    let (sign, length) = text.strip_prefix('-').map_or((1, text), |rest| (-1, rest));
    let of = |unit: char, factor: i64| {
        let count = length.strip_suffix(unit).filter(|count| !count.starts_with(['0', '+', '-']))?;
        count.parse::<i64>().ok()?.checked_mul(factor)
    };
    let seconds = duration_seconds(length).or_else(|| of('d', 86_400)).or_else(|| of('w', 604_800))?;
    Some(sign * seconds)
}

fn usual_thresholds() -> Vec<String> {
    ["30d", "7d", "1d", "expired"].map(str::to_owned).to_vec()
}

/// A health check reports one of some states.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct HealthStatus {
    /// Which checks are watched. Left out, all of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub checks: Vec<CheckedService>,
    /// The states that raise an alert.
    #[serde(default = "unhealthy")]
    #[schemars(length(min = 1, max = 3))]
    pub statuses: Vec<AlertingStatus>,
    /// How long the state must last before the alert is raised, such as `10m`.
    #[serde(rename = "for", default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = DURATION_PATTERN))]
    pub lasting: Option<String>,
    /// How many results in a row, of those that `statuses` names, raise the alert. Left out, what the health check says: 3.
    #[serde(
        default,
        deserialize_with = "crate::model::text::optional_whole",
        skip_serializing_if = "Option::is_none"
    )]
    #[schemars(range(min = 1, max = 100))]
    pub failure_threshold: Option<i64>,
    /// How many results in a row, of others, end it. Left out, what the health check says: 2.
    #[serde(
        default,
        deserialize_with = "crate::model::text::optional_whole",
        skip_serializing_if = "Option::is_none"
    )]
    #[schemars(range(min = 1, max = 100))]
    pub success_threshold: Option<i64>,
}

fn unhealthy() -> Vec<AlertingStatus> {
    vec![AlertingStatus::Unhealthy]
}

/// A state of a health check that can raise an alert.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum AlertingStatus {
    /// Works, but not well.
    Degraded,
    /// Does not work.
    Unhealthy,
    /// Could not be found out.
    Unknown,
}

/// Usage goes above a number within a window.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct UsageThreshold {
    /// What is counted.
    pub metric: UsageMetric,
    /// The alert is raised when the count is above this number.
    #[serde(deserialize_with = "crate::model::text::whole")]
    #[schemars(range(min = 0, max = 1_000_000_000_000_i64))]
    pub above: i64,
    /// The length of the window, such as `24h`.
    #[schemars(regex(pattern = DURATION_PATTERN))]
    pub window: String,
}

/// What usage counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum UsageMetric {
    /// Commands that were run.
    Command,
    /// Calls to the services' APIs.
    ApiCall,
    /// Work on credentials.
    CredentialOp,
    /// Work on tenants.
    TenantOp,
    /// Errors.
    Error,
}
