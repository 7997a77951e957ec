//! `MaintenanceWindow`: times that come again in which work is done and alerts are not told, in a zone of its own.

use std::str::FromStr as _;

use chrono::{DateTime, NaiveTime, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::kind::{SpecProblem, Table, admit};
use crate::model::matcher;
use crate::model::text::{DURATION_PATTERN, duration_seconds, is_false};
use crate::model::{Column, Kind, Resource, Scope, SqlType};

/// The kind.
pub static KIND: Kind = Kind {
    name: "MaintenanceWindow",
    slug: "window",
    rank: 9,
    scope: Scope::Workspace,
    about: "Times that come again, in a zone of their own, in which work is done and alerts are not told.",
    table: Some(Table {
        name: "maintenance_windows",
        columns: &[
            Column::json_or("matchers", "matchers", "[]"),
            Column::new("recurrence", "every", SqlType::Json),
            Column::new("starts_at_time", "at", SqlType::Text),
            Column::new("duration", "duration", SqlType::Text),
            Column::new("time_zone", "timeZone", SqlType::Text),
            Column::new("valid_from", "from", SqlType::Timestamp),
            Column::new("valid_until", "until", SqlType::Timestamp),
            Column::new("comment", "comment", SqlType::Text),
        ],
    }),
    texts: &[],
    hides_values: false,
    mentions: &[],
    part_of: None,
    external_ids: &[],
    schema: |generator| MaintenanceWindowSpec::json_schema(generator),
    admit: admit::<MaintenanceWindowSpec>,
};

/// What a maintenance window declares.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct MaintenanceWindowSpec {
    /// Which alerts are muted: those that meet every condition, as in a silence. Left out, all of the workspace.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 50), inner(length(min = 1, max = 1200)))]
    pub matchers: Vec<String>,
    /// On which days it begins.
    pub every: Recurrence,
    /// The time of day at which it begins, such as `22:30`. A time that the clocks skip is taken to be that much later; of one
    /// that comes twice, the first counts.
    #[schemars(regex(pattern = r"^([01][0-9]|2[0-3]):[0-5][0-9]$"))]
    pub at: String,
    /// How long it lasts, such as `4h`; it may go past midnight. At most a week.
    #[schemars(regex(pattern = DURATION_PATTERN))]
    pub duration: String,
    /// The IANA time zone of `at`.
    #[serde(default = "utc")]
    #[schemars(length(min = 1, max = 64))]
    pub time_zone: String,
    /// From when on it counts. Left out, always.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<DateTime<Utc>>,
    /// Until when it counts. Left out, for ever.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<DateTime<Utc>>,
    /// What is done in it.
    #[schemars(length(min = 1, max = 2000))]
    pub comment: String,
    /// Kept in the database; while it is set there, no plan deletes the window.
    #[serde(default, skip_serializing_if = "is_false")]
    pub protect: bool,
}

fn utc() -> String {
    "UTC".to_owned()
}

/// On which days a window begins. Exactly one is given.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub enum Recurrence {
    /// Every so many days, counted from 1970-01-01 in the window's zone: `day: 1` is every day.
    Day(
        #[serde(deserialize_with = "crate::model::text::whole")]
        #[schemars(range(min = 1, max = 366))]
        i64,
    ),
    /// On these days of every week.
    Week(#[schemars(length(min = 1, max = 7))] Vec<Weekday>),
    /// On these days of every month; 31 begins only in months that have one, -1 is the last day.
    Month(
        #[serde(deserialize_with = "crate::model::text::whole_list")]
        #[schemars(length(min = 1, max = 31), inner(range(min = -1, max = 31)))]
        Vec<i64>,
    ),
}

/// A day of the week.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "the names say it")]
pub enum Weekday {
    Monday,
    Tuesday,
    Wednesday,
    Thursday,
    Friday,
    Saturday,
    Sunday,
}

impl Weekday {
    /// The same, for calculations.
    #[must_use]
    pub const fn chrono(self) -> chrono::Weekday {
        match self {
            Self::Monday => chrono::Weekday::Mon,
            Self::Tuesday => chrono::Weekday::Tue,
            Self::Wednesday => chrono::Weekday::Wed,
            Self::Thursday => chrono::Weekday::Thu,
            Self::Friday => chrono::Weekday::Fri,
            Self::Saturday => chrono::Weekday::Sat,
            Self::Sunday => chrono::Weekday::Sun,
        }
    }
}

/// The longest window, in seconds: with a longer one, one would begin before the last had ended.
const LONGEST: i64 = 7 * 86_400;

impl Resource for MaintenanceWindowSpec {
    fn normalise(&mut self) {
        // PostgreSQL keeps microseconds.
        let micros = |at: DateTime<Utc>| DateTime::from_timestamp_micros(at.timestamp_micros()).unwrap_or(at);
        self.from = self.from.map(micros);
        self.until = self.until.map(micros);
    }

    fn check(&self, problems: &mut Vec<SpecProblem>) {
        matcher::check(&self.matchers, problems);
        if NaiveTime::parse_from_str(&self.at, "%H:%M").is_err() {
            problems.push(
                SpecProblem::new("SX0322", "/at", format!("`{}` is no time of day", self.at))
                    .help("write hours and minutes, such as 22:30"),
            );
        }
        if duration_seconds(&self.duration).is_none_or(|seconds| seconds > LONGEST) {
            problems.push(
                SpecProblem::new("SX0322", "/duration", "not a length of time of at most a week")
                    .help("write a number and one of s, m, h, d, w, such as 4h"),
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
        if let Recurrence::Month(days) = &self.every
            && let Some(index) = days.iter().position(|day| *day == 0)
        {
            problems.push(
                SpecProblem::new("SX0322", format!("/every/month/{index}"), "no month has a day 0")
                    .help("write 1 to 31, or -1 for the last day"),
            );
        }
        if let (Some(from), Some(until)) = (self.from, self.until)
            && until <= from
        {
            problems.push(
                SpecProblem::new("SX0322", "/until", "the window ends before it starts")
                    .help("give an `until` that is later than `from`"),
            );
        }
    }

    fn protect(&self) -> bool {
        self.protect
    }
}
