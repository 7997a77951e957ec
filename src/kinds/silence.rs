//! `Silence`: alerts that nobody is told of for a while, who decided it, and why. A reviewed file instead of a click.

use chrono::{DateTime, TimeDelta, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::kind::{SpecProblem, Table, admit};
use crate::model::matcher::{self, Matcher};
use crate::model::text::{DURATION_PATTERN, duration_seconds, is_false};
use crate::model::{Column, Kind, Resource, Scope, SqlType};

/// The kind.
pub static KIND: Kind = Kind {
    name: "Silence",
    slug: "silence",
    rank: 8,
    scope: Scope::Workspace,
    about: "Alerts that nobody is told of for a while: which, from when to when, who decided it, and why.",
    table: Some(Table {
        name: "silences",
        columns: &[
            Column::json_or("matchers", "matchers", "[]"),
            Column::new("starts_at", "startsAt", SqlType::Timestamp),
            Column::new("ends_at", "endsAt", SqlType::Timestamp),
            Column::new("duration", "duration", SqlType::Text),
            Column { absent: Some("false"), ..Column::new("until_resolved", "untilResolved", SqlType::Bool) },
            Column::new("declared_by", "createdBy", SqlType::Text),
            Column::new("comment", "comment", SqlType::Text),
        ],
    }),
    texts: &[],
    hides_values: false,
    mentions: &[],
    part_of: None,
    external_ids: &[],
    schema: |generator| SilenceSpec::json_schema(generator),
    admit: admit::<SilenceSpec>,
};

/// What a silence declares.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SilenceSpec {
    /// Which alerts of the workspace: those that meet every condition, such as `tenant=~"SMB_.*"` or `severity!=critical`.
    /// An alert has workspace, tenant, service, market, region, severity, kind, rule, check, credential, and `label.KEY` for
    /// each label of its tenant.
    #[schemars(length(min = 1, max = 50), inner(length(min = 1, max = 1200)))]
    pub matchers: Vec<String>,
    /// From when on: an instant such as `2026-12-24T18:00:00Z`.
    pub starts_at: DateTime<Utc>,
    /// Until when. Either this or `duration` or `untilResolved` is given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ends_at: Option<DateTime<Utc>>,
    /// For how long from `startsAt` on, such as `4h`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = DURATION_PATTERN))]
    pub duration: Option<String>,
    /// For each alert it mutes, until that alert is over; its end is told.
    #[serde(default, skip_serializing_if = "is_false")]
    pub until_resolved: bool,
    /// Who decided it.
    #[schemars(length(min = 1, max = 300))]
    pub created_by: String,
    /// Why.
    #[schemars(length(min = 1, max = 2000))]
    pub comment: String,
    /// Kept in the database; while it is set there, no plan deletes the silence.
    #[serde(default, skip_serializing_if = "is_false")]
    pub protect: bool,
}

impl SilenceSpec {
    /// When it ends by the clock; `None` where it lasts until the alerts it mutes are over.
    #[must_use]
    pub fn ends(&self) -> Option<DateTime<Utc>> {
        let lasting = self.duration.as_deref().and_then(duration_seconds).and_then(TimeDelta::try_seconds);
        self.ends_at.or_else(|| self.starts_at.checked_add_signed(lasting?))
    }
}

impl Resource for SilenceSpec {
    fn normalise(&mut self) {
        // PostgreSQL keeps microseconds.
        fn micros(at: DateTime<Utc>) -> DateTime<Utc> {
            DateTime::from_timestamp_micros(at.timestamp_micros()).unwrap_or(at)
        }
        self.starts_at = micros(self.starts_at);
        self.ends_at = self.ends_at.map(micros);
    }

    fn check(&self, problems: &mut Vec<SpecProblem>) {
        check_matchers(&self.matchers, problems);
        if self.duration.as_deref().is_some_and(|text| duration_seconds(text).is_none()) {
            problems.push(
                SpecProblem::new("SX0312", "/duration", "not a length of time of at most ten years")
                    .help("write a number and one of s, m, h, d, w, such as 4h"),
            );
        }
        let ways = usize::from(self.ends_at.is_some())
            + usize::from(self.duration.is_some())
            + usize::from(self.until_resolved);
        if ways != 1 {
            problems.push(
                SpecProblem::new(
                    "SX0321",
                    "",
                    if ways == 0 { "the silence has no end" } else { "the silence has more than one end" },
                )
                .help("give one of `endsAt`, `duration` and `untilResolved: true`"),
            );
        }
        if self.ends_at.is_some_and(|ends| ends <= self.starts_at) {
            problems.push(
                SpecProblem::new("SX0321", "/endsAt", "the silence ends before it starts")
                    .help("give an `endsAt` that is later than `startsAt`"),
            );
        }
    }

    fn protect(&self) -> bool {
        self.protect
    }
}

/// Reads every matcher, and refuses a list that chooses nothing.
fn check_matchers(matchers: &[String], problems: &mut Vec<SpecProblem>) {
    let before = problems.len();
    let read = matcher::check(matchers, problems);
    let is_sound = problems.len() == before && !matchers.is_empty();
    if is_sound && read.iter().all(Matcher::fits_everything) {
        problems.push(
            SpecProblem::new("SX0320", "/matchers", "the conditions fit every alert there can be")
                .help("name what is to be muted, for example tenant=\"SMB_CLIENT_001\""),
        );
    }
}
