//! `AlertRule`: what raises an alert, for which tenants, how urgent it is, and who hears of it.

use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::kind::{Reference, SpecProblem, Table, admit};
use crate::model::market::{Market, TenantType};
use crate::model::text::{DURATION_PATTERN, Labels, duration_seconds, is_false};
use crate::model::{Column, Kind, Resource, Scope, SqlType};

/// The kind.
pub static KIND: Kind = Kind {
    name: "AlertRule",
    slug: "rule",
    rank: 7,
    scope: Scope::Workspace,
    about: "What raises an alert, for which tenants, how urgent it is, and through which channels it is told.",
    table: Some(Table {
        name: "alert_rules",
        columns: &[
            Column::new("enabled", "enabled", SqlType::Bool),
            Column::new("description", "description", SqlType::Text),
            Column::new("condition", "when", SqlType::Json),
            Column::json_or("selector", "selector", "{}"),
            Column::new("severity", "severity", SqlType::Text),
            Column::json_or("channels", "channels", "[]").naming("NotificationChannel"),
            Column::new("schedule", "schedule", SqlType::Text),
            Column::new("time_zone", "timeZone", SqlType::Text),
            Column::new("reminder", "reminder", SqlType::Text),
        ],
    }),
    texts: &["/spec/selector/matchLabels/*"],
    hides_values: false,
    mentions: &["NotificationChannel"],
    part_of: None,
    external_ids: &[],
    schema: |generator| AlertRuleSpec::json_schema(generator),
    admit: admit::<AlertRuleSpec>,
};

/// What an alert rule declares.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AlertRuleSpec {
    /// Whether the rule is evaluated.
    #[serde(default = "yes")]
    pub enabled: bool,
    /// What the rule is for; shown in its alerts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 2000))]
    pub description: Option<String>,
    /// What raises an alert.
    pub when: Condition,
    /// Which tenants of the workspace are watched. Left out, all of them.
    #[serde(default, skip_serializing_if = "Selector::is_empty")]
    pub selector: Selector,
    /// How urgent its alerts are.
    #[serde(default)]
    pub severity: AlertSeverity,
    /// The channels, of the same workspace, that its alerts are sent through.
    #[schemars(length(min = 1, max = 20), inner(regex(pattern = crate::model::key::NAME_PATTERN)))]
    pub channels: Vec<String>,
    /// When the rule is evaluated: a cron expression of five fields.
    #[serde(default = "daily_at_nine")]
    #[schemars(length(min = 1, max = 200))]
    pub schedule: String,
    /// The IANA time zone of the schedule.
    #[serde(default = "utc")]
    #[schemars(length(min = 1, max = 64))]
    pub time_zone: String,
    /// How long after the last message an alert that still stands is told again, such as `24h`. Left out, never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = DURATION_PATTERN))]
    pub reminder: Option<String>,
    /// Kept in the database; while it is set there, no plan deletes the rule.
    #[serde(default, skip_serializing_if = "is_false")]
    pub protect: bool,
}

const fn yes() -> bool {
    true
}

fn daily_at_nine() -> String {
    "0 9 * * *".to_owned()
}

fn utc() -> String {
    "UTC".to_owned()
}

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
    /// How long before expiry to alert, each once: `30d`, `7d`, `12h`, or `expired`.
    #[serde(default = "usual_thresholds")]
    #[schemars(length(min = 1, max = 10), inner(regex(pattern = r"^([1-9][0-9]{0,3}[dhw]|expired)$")))]
    pub thresholds: Vec<String>,
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
    pub checks: Vec<HealthCheckName>,
    /// The states that raise an alert.
    #[serde(default = "unhealthy")]
    #[schemars(length(min = 1, max = 3))]
    pub statuses: Vec<AlertingStatus>,
    /// How long the state must last before the alert is raised, such as `10m`.
    #[serde(rename = "for", default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = DURATION_PATTERN))]
    pub lasting: Option<String>,
}

fn unhealthy() -> Vec<AlertingStatus> {
    vec![AlertingStatus::Unhealthy]
}

/// A health check.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum HealthCheckName {
    /// The Shopify Admin API.
    Shopify,
    /// The Google Merchant API.
    GoogleMerchant,
    /// PostgreSQL.
    Database,
    /// The credentials' expiry dates.
    Credentials,
    /// The APIs' quotas.
    Quotas,
    /// Free disk space.
    Disk,
    /// Free memory.
    Memory,
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

/// Which tenants a rule watches: those that meet every part that is given.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Selector {
    /// Labels that the tenant must have, with these values.
    #[serde(default, skip_serializing_if = "Labels::is_empty")]
    pub match_labels: Labels,
    /// Markets, of which the tenant's must be one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub markets: Vec<Market>,
    /// Types, of which the tenant's must be one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub types: Vec<TenantType>,
    /// Tenant names; `*` stands for any characters.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 1000), inner(length(min = 1, max = 128)))]
    pub tenants: Vec<String>,
}

impl Selector {
    fn is_empty(&self) -> bool {
        self == &Self::default()
    }
}

/// How urgent an alert is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum AlertSeverity {
    /// Good to know.
    Info,
    /// To be looked at in working hours.
    #[default]
    Warning,
    /// To be looked at now.
    Critical,
}

/// The last part of what the cron parser says: the ones before it only name its own types.
fn in_short(error: &croner::errors::CronError) -> String {
    let text = error.to_string();
    let last = text.rsplit(": ").next().unwrap_or_default();
    let last = last.trim_start_matches("CronPattern ").trim_end_matches('.');
    let mut letters = last.chars();
    letters.next().map_or_else(String::new, |first| first.to_lowercase().chain(letters).collect())
}

impl Resource for AlertRuleSpec {
    fn check(&self, problems: &mut Vec<SpecProblem>) {
        if self.schedule.split_whitespace().count() != 5 {
            problems.push(
                SpecProblem::new(
                    "SX0310",
                    "/schedule",
                    "a schedule has five fields: minute hour day month weekday",
                )
                .help("for example \"0 9 * * *\", every day at nine"),
            );
        } else if let Err(error) = croner::Cron::from_str(&self.schedule) {
            problems.push(
                SpecProblem::new(
                    "SX0310",
                    "/schedule",
                    format!("not a cron expression: {}", in_short(&error)),
                )
                .help("for example \"0 9 * * *\", every day at nine"),
            );
        }
        if chrono_tz::Tz::from_str(&self.time_zone).is_err() {
            problems.push(
                SpecProblem::new(
                    "SX0311",
                    "/timeZone",
                    format!("`{}` is not an IANA time zone", self.time_zone),
                )
                .help("for example Australia/Sydney or UTC"),
            );
        }
        let mut durations = vec![("/reminder", self.reminder.as_deref())];
        match &self.when {
            Condition::HealthStatus(health) => {
                durations.push(("/when/healthStatus/for", health.lasting.as_deref()));
            }
            Condition::UsageThreshold(usage) => {
                durations.push(("/when/usageThreshold/window", Some(&usage.window)));
            }
            Condition::CredentialExpiry(_) => {}
        }
        for (pointer, text) in durations {
            if text.is_some_and(|text| duration_seconds(text).is_none()) {
                problems.push(
                    SpecProblem::new("SX0312", pointer, "not a length of time of at most ten years")
                        .help("write a number and one of s, m, h, d, w, such as 24h"),
                );
            }
        }
    }

    fn references(&self) -> Vec<Reference> {
        let mention = |(index, name): (usize, &String)| Reference {
            pointer: format!("/channels/{index}"),
            kind: "NotificationChannel",
            name: name.clone(),
        };
        self.channels.iter().enumerate().map(mention).collect()
    }

    fn protect(&self) -> bool {
        self.protect
    }
}
