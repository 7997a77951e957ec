//! Pauses as reviewed lines of the project file: workspaces that the controller leaves alone until a time that is written
//! beside them, so that none of them is forgotten.

use chrono::{DateTime, NaiveDate, Utc};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use crate::model::key::NAME_PATTERN;
use crate::model::kind::SpecProblem;

/// A workspace that the controller leaves alone for a while.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DeclaredPause {
    /// The workspace.
    #[schemars(regex(pattern = NAME_PATTERN))]
    pub workspace: String,
    /// Why.
    #[schemars(length(min = 1, max = 500))]
    pub reason: String,
    /// From then on it is looked after again: the beginning of a day in UTC, `2026-12-31`, or an instant, `2026-12-31T09:00:00Z`.
    pub until: Until,
}

/// When a pause ends, as it is written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Until(String);

impl Until {
    /// The instant; `None` for what no calendar has, such as the 30th of February.
    #[must_use]
    pub fn instant(&self) -> Option<DateTime<Utc>> {
        let day = || self.0.parse::<NaiveDate>().ok()?.and_hms_opt(0, 0, 0).map(|at| at.and_utc());
        let instant = DateTime::parse_from_rfc3339(&self.0).ok().map(|at| at.with_timezone(&Utc));
        instant.or_else(day)
    }
}

impl JsonSchema for Until {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Until".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "pattern": r"^\d{4}-\d{2}-\d{2}(T\d{2}:\d{2}:\d{2}(\.\d{1,9})?(Z|[+-]\d{2}:\d{2}))?$"
        })
    }
}

/// Finds ends that no calendar has.
pub(super) fn check(pauses: &[DeclaredPause], problems: &mut Vec<SpecProblem>) {
    for (index, pause) in pauses.iter().enumerate().filter(|(_, pause)| pause.until.instant().is_none()) {
        let what = format!("`until` is no day or time of the calendar: {}", pause.until.0);
        problems.push(
            SpecProblem::new("SX0157", format!("/pauses/{index}/until"), what)
                .help("write a day such as 2026-12-31, or an instant such as 2026-12-31T09:00:00Z"),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_is_the_beginning_of_a_day_or_an_instant() {
        let instant = |text: &str| Until(text.to_owned()).instant().map(|at| at.to_rfc3339());
        assert_eq!(instant("2026-12-31").as_deref(), Some("2026-12-31T00:00:00+00:00"));
        assert_eq!(instant("2026-12-31T11:00:00+02:00").as_deref(), Some("2026-12-31T09:00:00+00:00"));
        for bad in ["2026-02-30", "2026-12-31T25:00:00Z", "tomorrow", ""] {
            assert_eq!(instant(bad), None, "{bad}");
        }
    }
}
