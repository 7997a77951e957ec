//! How long what was observed and told is kept. What is declared, and who changed it, is never removed by age.

use chrono::TimeDelta;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::kind::SpecProblem;
use crate::model::text::duration_seconds;

/// The word for what is never removed.
const FOREVER: &str = "forever";

/// What a time to keep something for looks like.
const AGE_PATTERN: &str = r"^([1-9][0-9]{0,8}[smhdw]|forever)$";

const DAY: i64 = 86_400;

/// How long what was observed and told is kept, each as a time such as `30d`, or `forever`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Retention {
    /// Results of health checks; at least 1d. Left out, 30d.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = AGE_PATTERN))]
    pub health_checks: Option<String>,
    /// Alerts that are over; at least 7d. Left out, 180d.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = AGE_PATTERN))]
    pub alerts: Option<String>,
    /// Messages that were delivered, or given up, with every attempt; at least 7d. The inbox is kept in any case. Left out, 90d.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = AGE_PATTERN))]
    pub notifications: Option<String>,
    /// Usage metrics, by whole months; at least 31d. The sums of their days are kept in any case. Left out, 400d.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = AGE_PATTERN))]
    pub metrics: Option<String>,
}

/// How old each may become; `None` for what is never removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ages {
    /// Results of health checks.
    pub health_checks: Option<TimeDelta>,
    /// Alerts that are over.
    pub alerts: Option<TimeDelta>,
    /// Messages with their deliveries and attempts.
    pub notifications: Option<TimeDelta>,
    /// Usage metrics.
    pub metrics: Option<TimeDelta>,
}

impl Default for Ages {
    fn default() -> Self {
        Retention::default().ages()
    }
}

/// A field: its name, what it says, the days that count where it says nothing, and the least that it may say.
type Field<'r> = (&'static str, Option<&'r str>, i64, i64);

impl Retention {
    fn fields(&self) -> [Field<'_>; 4] {
        let Self { health_checks, alerts, notifications, metrics } = self;
        [
            ("healthChecks", health_checks.as_deref(), 30, 1),
            ("alerts", alerts.as_deref(), 180, 7),
            ("notifications", notifications.as_deref(), 90, 7),
            ("metrics", metrics.as_deref(), 400, 31),
        ]
    }

    /// How old each may become. What cannot be read counts as left out: validation refuses it long before.
    #[must_use]
    pub fn ages(&self) -> Ages {
        let [health_checks, alerts, notifications, metrics] =
            self.fields().map(|(_, text, usual, _)| match text {
                Some(FOREVER) => None,
                text => TimeDelta::try_seconds(text.and_then(duration_seconds).unwrap_or(usual * DAY)),
            });
        Ages { health_checks, alerts, notifications, metrics }
    }

    pub(super) fn check(&self, problems: &mut Vec<SpecProblem>) {
        for (name, text, _, least) in self.fields() {
            let Some(text) = text.filter(|text| *text != FOREVER) else { continue };
            let what = match duration_seconds(text) {
                Some(seconds) if seconds >= least * DAY => continue,
                Some(_) => format!("`{name}` must be kept for {least}d or more"),
                None => "not a length of time of at most ten years".to_owned(),
            };
            problems.push(
                SpecProblem::new("SX0328", format!("/retention/{name}"), what)
                    .help(format!("write a number and one of h, d, w, at least {least}d, or `forever`")),
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(name: &str, text: &str) -> Retention {
        serde_json::from_value(serde_json::json!({ name: text })).unwrap()
    }

    #[track_caller]
    fn check(name: &str, text: &str, complaint: Option<&str>) {
        let mut problems = Vec::new();
        of(name, text).check(&mut problems);
        let found = problems.first().map(|problem| problem.message.as_str());
        assert_eq!(found, complaint, "{name}: {text}");
    }

    #[test]
    fn each_has_a_least_age_and_may_be_kept_for_ever() {
        check("healthChecks", "24h", None);
        check("healthChecks", "23h", Some("`healthChecks` must be kept for 1d or more"));
        check("alerts", "6d", Some("`alerts` must be kept for 7d or more"));
        check("notifications", "1w", None);
        check("metrics", "30d", Some("`metrics` must be kept for 31d or more"));
        check("metrics", "forever", None);
        check("alerts", "ever", Some("not a length of time of at most ten years"));
    }

    #[test]
    fn what_is_left_out_has_its_usual_age() {
        let ages = Ages::default();
        assert_eq!(
            (ages.health_checks, ages.metrics),
            (Some(TimeDelta::days(30)), Some(TimeDelta::days(400)))
        );
        assert_eq!(
            (ages.alerts, ages.notifications),
            (Some(TimeDelta::days(180)), Some(TimeDelta::days(90)))
        );
        assert_eq!(of("alerts", "forever").ages(), Ages { alerts: None, ..ages });
        assert_eq!(of("alerts", "2w").ages(), Ages { alerts: Some(TimeDelta::days(14)), ..ages });
    }
}
