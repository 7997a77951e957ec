//! `AlertTest`: what rules, silences and windows are to make of something that happens. `synthex alerts test` runs them, with
//! no database and no network (M-M8).
//!
//! It has no table, is no part of a plan, and is gone once manifests are read.

use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::health::{CheckedService, HealthStatus};
use crate::model::kind::{SpecProblem, admit};
use crate::model::text::{DURATION_PATTERN, duration_seconds, is_false};
use crate::model::{Kind, Resource, Scope};

/// The kind.
pub static KIND: Kind = Kind {
    name: "AlertTest",
    slug: "alert-test",
    rank: 11,
    scope: Scope::Workspace,
    about: "What rules, silences and windows are to make of something that happens; run by `synthex alerts test`.",
    table: None,
    texts: &[],
    hides_values: false,
    mentions: &[],
    part_of: None,
    external_ids: &[],
    schema: |generator| AlertTestSpec::json_schema(generator),
    admit: admit::<AlertTestSpec>,
};

/// Tests of the rules, silences and windows of a workspace.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AlertTestSpec {
    /// The moment of the tests that name none: silences and windows count as they do then.
    pub at: DateTime<Utc>,
    /// The tests, each by itself.
    #[schemars(length(min = 1, max = 1000))]
    pub tests: Vec<Trial>,
}

/// One test: what is so, and which alerts there are then.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Trial {
    /// What it shows, in a few words.
    #[schemars(length(min = 1, max = 300))]
    pub name: String,
    /// The moment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<DateTime<Utc>>,
    /// What is so. All else is well.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 100))]
    pub given: Vec<Given>,
    /// The alerts there are then: these, and no others. `[]` says that there are none.
    #[schemars(length(max = 1000))]
    pub expect: Vec<Expected>,
}

/// Something that is so. Exactly one is given.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub enum Given {
    /// How long a credential still works.
    Credential(GivenCredential),
    /// How something that is looked at stands.
    Health(GivenHealth),
    /// What was counted.
    Usage(GivenUsage),
}

/// How long a credential still works.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct GivenCredential {
    /// Its name. What is not said here is as it is declared, where it is.
    #[schemars(regex(pattern = crate::model::key::NAME_PATTERN))]
    pub name: String,
    /// Its tenant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = crate::model::key::NAME_PATTERN))]
    pub tenant: Option<String>,
    /// The service it gives access to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^(shopify|google-merchant)$"))]
    pub service: Option<String>,
    /// How long it still works, such as `6d`; `0s` for just expired, `-3d` for three days ago. Left out, nobody knows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^(0s|-?[1-9][0-9]{0,8}[smhdw])$"))]
    pub expires_in: Option<String>,
    /// The whole of its life, such as `90d`, for thresholds such as `20%`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = DURATION_PATTERN))]
    pub life: Option<String>,
    /// How many renewals failed in a row.
    #[serde(
        default,
        deserialize_with = "crate::model::text::optional_whole",
        skip_serializing_if = "Option::is_none"
    )]
    #[schemars(range(min = 0, max = 1000))]
    pub failed_renewals: Option<i64>,
}

/// How something that is looked at stands.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct GivenHealth {
    /// What is looked at.
    pub service: CheckedService,
    /// The tenant, where it is one's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = crate::model::key::NAME_PATTERN))]
    pub tenant: Option<String>,
    /// How it stands.
    pub status: HealthStatus,
    /// For how long already, such as `15m`. Left out, an hour.
    #[serde(rename = "for", default = "an_hour")]
    #[schemars(regex(pattern = DURATION_PATTERN))]
    pub lasting: String,
    /// How many results in a row said so. Left out, as many as any rule and any health check want.
    #[serde(
        default,
        deserialize_with = "crate::model::text::optional_whole",
        skip_serializing_if = "Option::is_none"
    )]
    #[schemars(range(min = 1, max = 1000))]
    pub results: Option<i64>,
    /// What the check found, as health checks word it: `shop_frozen`, or `unreachable` for a provider that does not answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^[a-z][a-z0-9_]{0,63}$"))]
    pub code: Option<String>,
}

fn an_hour() -> String {
    "1h".to_owned()
}

/// What was counted in the window of a usage rule.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct GivenUsage {
    /// The rule.
    #[schemars(regex(pattern = crate::model::key::NAME_PATTERN))]
    pub rule: String,
    /// The count.
    #[serde(deserialize_with = "crate::model::text::whole")]
    #[schemars(range(min = 0, max = 1_000_000_000_000_i64))]
    pub count: i64,
}

/// An alert that there is. What is not said of it may be anything.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Expected {
    /// The rule that raises it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    /// The tenant it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenant: Option<String>,
    /// The credential it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credential: Option<String>,
    /// The check it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub check: Option<CheckedService>,
    /// How urgent it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^(info|warning|critical)$"))]
    pub severity: Option<String>,
    /// Of expiry: the threshold, as the rule writes it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub threshold: Option<String>,
    /// The channels it is told through, in any order; `[]` for none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub channels: Option<Vec<String>>,
    /// What mutes it, in any order: `silence/NAME`, `window/NAME`; `[]` for nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub muted_by: Option<Vec<String>>,
    /// Whether no rule covers it.
    #[serde(default, skip_serializing_if = "is_false")]
    pub unrouted: bool,
}

impl Resource for AlertTestSpec {
    fn check(&self, problems: &mut Vec<SpecProblem>) {
        for (index, trial) in self.tests.iter().enumerate() {
            if self.tests[..index].iter().any(|other| other.name == trial.name) {
                problems.push(
                    SpecProblem::new(
                        "SX0344",
                        format!("/tests/{index}/name"),
                        format!("two tests have the name `{}`", trial.name),
                    )
                    .help("give each a name of its own"),
                );
            }
            for (place, given) in trial.given.iter().enumerate() {
                let lengths = match given {
                    Given::Credential(one) => {
                        let lead = one.expires_in.as_deref().filter(|text| *text != "0s");
                        let lead = lead.map(|text| text.trim_start_matches('-'));
                        [("credential/expiresIn", lead), ("credential/life", one.life.as_deref())]
                    }
                    Given::Health(one) => [("health/for", Some(one.lasting.as_str())), ("", None)],
                    Given::Usage(_) => [("", None), ("", None)],
                };
                for (field, text) in lengths {
                    if text.is_some_and(|text| duration_seconds(text).is_none()) {
                        let pointer = format!("/tests/{index}/given/{place}/{field}");
                        problems.push(
                            SpecProblem::new("SX0312", pointer, "not a length of time of at most ten years")
                                .help("write a number and one of s, m, h, d, w, such as 6d"),
                        );
                    }
                }
            }
        }
    }
}
