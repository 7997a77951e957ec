//! `HealthCheck`: how often a service is looked at, how patiently, and after how many results in a row its state changes.
//!
//! Checks run without being declared, with the values that stand here as defaults. A manifest changes them for a workspace.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::health::CheckedService;
use crate::model::kind::{SpecProblem, Table, admit};
use crate::model::text::{DURATION_PATTERN, duration_seconds, is_false};
use crate::model::{Column, Kind, Resource, Scope, SqlType};

/// The kind.
pub static KIND: Kind = Kind {
    name: "HealthCheck",
    slug: "health-check",
    rank: 10,
    scope: Scope::Workspace,
    about: "How often a service is looked at, how patiently, and after how many results in a row its state changes.",
    table: Some(Table {
        name: "health_check_settings",
        columns: &[
            Column::new("service", "service", SqlType::Text),
            Column { absent: Some("true"), ..Column::new("enabled", "enabled", SqlType::Bool) },
            Column::new("check_interval", "interval", SqlType::Text),
            Column::new("timeout", "timeout", SqlType::Text),
            Column::new("failure_threshold", "failureThreshold", SqlType::Integer),
            Column::new("success_threshold", "successThreshold", SqlType::Integer),
            Column::new("concurrency", "concurrency", SqlType::Integer),
            Column::new("limits", "limits", SqlType::Json),
        ],
    }),
    texts: &[],
    hides_values: false,
    mentions: &[],
    part_of: None,
    external_ids: &[],
    schema: |generator| HealthCheckSpec::json_schema(generator),
    admit: admit::<HealthCheckSpec>,
};

/// What a health check declares.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct HealthCheckSpec {
    /// What is looked at.
    pub service: CheckedService,
    /// Whether it is looked at.
    #[serde(default = "yes", skip_serializing_if = "is_true")]
    pub enabled: bool,
    /// How often, such as `15m`. At least 30 seconds.
    #[serde(default = "quarter_of_an_hour")]
    #[schemars(regex(pattern = DURATION_PATTERN))]
    pub interval: String,
    /// How long an answer is waited for, such as `10s`. At most two minutes.
    #[serde(default = "ten_seconds")]
    #[schemars(regex(pattern = DURATION_PATTERN))]
    pub timeout: String,
    /// How many bad results in a row make it unhealthy.
    #[serde(default = "three", deserialize_with = "crate::model::text::whole")]
    #[schemars(range(min = 1, max = 100))]
    pub failure_threshold: i64,
    /// How many good results in a row make it healthy again.
    #[serde(default = "two", deserialize_with = "crate::model::text::whole")]
    #[schemars(range(min = 1, max = 100))]
    pub success_threshold: i64,
    /// How many tenants are looked at at a time.
    #[serde(default = "eight", deserialize_with = "crate::model::text::whole")]
    #[schemars(range(min = 1, max = 256))]
    pub concurrency: i64,
    /// From where on free space or memory is too little, or a quota used up; for `disk`, `memory` and `quotas`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limits: Option<Limits>,
    /// Kept in the database; while it is set there, no plan deletes the health check.
    #[serde(default, skip_serializing_if = "is_false")]
    pub protect: bool,
}

/// From where on something is too little. Left out, what the check takes by itself counts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Limits {
    /// Used percent from which on it is degraded: 80.
    #[serde(
        default,
        deserialize_with = "crate::model::text::optional_whole",
        skip_serializing_if = "Option::is_none"
    )]
    #[schemars(range(min = 1, max = 100))]
    pub degraded_percent: Option<i64>,
    /// Used percent from which on it is unhealthy: 95.
    #[serde(
        default,
        deserialize_with = "crate::model::text::optional_whole",
        skip_serializing_if = "Option::is_none"
    )]
    #[schemars(range(min = 1, max = 100))]
    pub unhealthy_percent: Option<i64>,
    /// Free megabytes (MiB) below which it is unhealthy, whatever the percentage: 256 for `disk`, 64 for `memory`.
    #[serde(
        default,
        deserialize_with = "crate::model::text::optional_whole",
        skip_serializing_if = "Option::is_none"
    )]
    #[schemars(range(min = 0, max = 1_000_000_000))]
    pub least_free_mib: Option<i64>,
}

const fn yes() -> bool {
    true
}

fn is_true(flag: &bool) -> bool {
    *flag
}

fn quarter_of_an_hour() -> String {
    "15m".to_owned()
}

fn ten_seconds() -> String {
    "10s".to_owned()
}

const fn three() -> i64 {
    3
}

const fn two() -> i64 {
    2
}

const fn eight() -> i64 {
    8
}

impl Resource for HealthCheckSpec {
    fn check(&self, problems: &mut Vec<SpecProblem>) {
        let seconds = |text: &str| duration_seconds(text);
        if seconds(&self.interval).is_none_or(|seconds| seconds < 30) {
            problems.push(
                SpecProblem::new("SX0323", "/interval", "not a length of time of 30 seconds to ten years")
                    .help("write a number and one of s, m, h, d, w, such as 15m"),
            );
        }
        if seconds(&self.timeout).is_none_or(|seconds| seconds > 120) {
            problems.push(
                SpecProblem::new("SX0323", "/timeout", "not a length of time of at most two minutes")
                    .help("write seconds, such as 10s"),
            );
        }
        let Some(limits) = &self.limits else { return };
        if !matches!(self.service, CheckedService::Disk | CheckedService::Memory | CheckedService::Quotas) {
            problems.push(
                SpecProblem::new("SX0323", "/limits", "only disk, memory and quotas have limits")
                    .help("remove `limits`"),
            );
        }
        if limits.degraded_percent.unwrap_or(80) > limits.unhealthy_percent.unwrap_or(95) {
            problems.push(
                SpecProblem::new("SX0323", "/limits", "it would be unhealthy before it is degraded")
                    .help("give a `degradedPercent` that is not above `unhealthyPercent`"),
            );
        }
    }

    fn protect(&self) -> bool {
        self.protect
    }
}
