//! `AlertRule`: what raises an alert, for which tenants, how urgent it is, and who hears of it.

mod check;
mod condition;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::kind::{Reference, SpecProblem, Table, admit};
use crate::model::market::{Market, TenantType};
use crate::model::text::{DURATION_PATTERN, Labels, is_false};
use crate::model::{Column, Kind, Resource, Scope, SqlType};

pub use condition::{
    AlertingStatus, Condition, CredentialExpiry, HealthStatus, UsageMetric, UsageThreshold, lead_seconds,
};

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
            Column::new("grouping", "grouping", SqlType::Json),
            Column::new("flapping", "flapping", SqlType::Json),
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
    /// How urgent its alerts are. Of credential expiry, each threshold has an urgency of its own (`severities`), and this counts
    /// only for renewals that fail and for an expiry that nobody knows.
    #[serde(default)]
    pub severity: AlertSeverity,
    /// The channels, of the same workspace, that its alerts are sent through.
    #[schemars(length(min = 1, max = 20), inner(regex(pattern = crate::model::key::NAME_PATTERN)))]
    pub channels: Vec<String>,
    /// When the rule is evaluated: a cron expression of five fields. The controller evaluates a rule about health also when how
    /// something stands has changed.
    #[serde(default = "daily_at_nine")]
    #[schemars(length(min = 1, max = 200))]
    pub schedule: String,
    /// The IANA time zone of the schedule.
    #[serde(default = "utc")]
    #[schemars(length(min = 1, max = 64))]
    pub time_zone: String,
    /// How long after the last message an alert that still stands is told again, such as `24h`; at least `5m`, or `never`.
    /// Left out, `24h` for credentials that have expired, and `4h` for everything else but credentials that have not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^([1-9][0-9]{0,8}[smhdw]|never)$"))]
    pub reminder: Option<String>,
    /// How alerts that come together are told together. Left out, nothing waits, and those that one evaluation finds are one
    /// message.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grouping: Option<Grouping>,
    /// From when on an alert that comes and goes is told once more, and then not until it is quiet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub flapping: Option<Flapping>,
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

/// How alerts that come together are told together.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Grouping {
    /// The labels that alerts of one group have in common: `tenant`, `service`, `market`, `region`, `severity`, `check` or
    /// `label.KEY`. Left out, all alerts of the rule are one group.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 10), inner(length(min = 1, max = 128)))]
    pub by: Vec<String>,
    /// How long the first message of a group waits for others to join it; at most a day.
    #[serde(default = "half_a_minute")]
    #[schemars(regex(pattern = DURATION_PATTERN))]
    pub wait: String,
    /// How long after a message of a group new alerts of it wait, at most a week. That an alert is over does not wait.
    #[serde(default = "five_minutes")]
    #[schemars(regex(pattern = DURATION_PATTERN))]
    pub interval: String,
}

fn half_a_minute() -> String {
    "30s".to_owned()
}

fn five_minutes() -> String {
    "5m".to_owned()
}

/// When an alert comes and goes too often.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Flapping {
    /// After how many changes within the window.
    #[serde(default = "six", deserialize_with = "crate::model::text::whole")]
    #[schemars(range(min = 2, max = 100))]
    pub changes: i64,
    /// The window, such as `1h`. For as long it must be quiet before it is told again.
    #[serde(default = "one_hour")]
    #[schemars(regex(pattern = DURATION_PATTERN))]
    pub window: String,
}

const fn six() -> i64 {
    6
}

fn one_hour() -> String {
    "1h".to_owned()
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
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
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

impl AlertSeverity {
    /// The word for it.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Critical => "critical",
        }
    }

    /// What a word stands for.
    #[must_use]
    pub fn from_code(code: &str) -> Option<Self> {
        [Self::Info, Self::Warning, Self::Critical].into_iter().find(|own| own.code() == code)
    }
}

impl Resource for AlertRuleSpec {
    fn check(&self, problems: &mut Vec<SpecProblem>) {
        check::check(self, problems);
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
