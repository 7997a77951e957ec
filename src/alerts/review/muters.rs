//! Of what mutes: what is over, what mutes all of the worst, what mutes it for ever, and what is meant for
//! a tenant that nobody knows.

use chrono::{DateTime, TimeDelta, Utc};

use crate::kinds::maintenance_window::MaintenanceWindowSpec;
use crate::model::matcher::Matcher;

use super::super::window;
use super::Reviewing;

impl Reviewing<'_, '_> {
    pub(super) fn silence(&mut self, now: DateTime<Utc>) {
        let Some(silence) = self.own.silences.get(&*self.entry.key.name) else { return };
        if let Some(ended) = silence.ends().filter(|ends| *ends <= now) {
            let pointer = if silence.ends_at.is_some() { "/endsAt" } else { "/duration" };
            self.say(
                "SX0333",
                pointer,
                format!("the silence has expired: it ended at {}", ended.format("%Y-%m-%d %H:%M UTC")),
                "remove it, or give it a later end",
            );
            return;
        }
        if mutes_all_critical(&silence.matchers, &self.entry.key.workspace) {
            let workspace = &self.entry.key.workspace;
            self.say(
                "SX0334",
                "/matchers",
                format!("the silence mutes every critical alert of workspace `{workspace}`"),
                "name what is to be muted: a tenant, a service, a check, a rule",
            );
        }
        self.unknown_tenants(&silence.matchers);
    }

    pub(super) fn window(&mut self, now: DateTime<Utc>) {
        let Some(own) = self.own.windows.get(&*self.entry.key.name) else { return };
        if let Some(ended) = own.until.filter(|until| *until <= now) {
            self.say(
                "SX0343",
                "/until",
                format!(
                    "the maintenance window is over: it counted until {}",
                    ended.format("%Y-%m-%d %H:%M UTC")
                ),
                "remove it, or give it a later `until`",
            );
            return;
        }
        if mutes_all_critical(&own.matchers, &self.entry.key.workspace) && never_closes(own, now) {
            let workspace = &self.entry.key.workspace;
            self.say(
                "SX0342",
                "/duration",
                format!(
                    "the maintenance window is always open, and mutes every critical alert of workspace `{workspace}`"
                ),
                "shorten it, or name in `matchers` what is to be muted",
            );
        }
        self.unknown_tenants(&own.matchers);
    }

    /// Conditions that ask for a tenant, and fit none of those that are declared.
    fn unknown_tenants(&mut self, matchers: &[String]) {
        for (index, text) in matchers.iter().enumerate() {
            let Ok(matcher) = text.parse::<Matcher>() else { continue };
            if let Some((what, help)) = unknown_tenant(&matcher, self.tenants) {
                self.say("SX0341", format!("/matchers/{index}"), what, help);
            }
        }
    }
}

/// That a condition asks for a tenant and fits none of these, and what to do. Nothing is said where none is known.
#[must_use]
pub fn unknown_tenant(matcher: &Matcher, tenants: &[&str]) -> Option<(String, String)> {
    let asks = matcher.label == "tenant" && !matcher.is_negated && !matcher.fits("");
    if !asks || tenants.is_empty() || tenants.iter().any(|name| matcher.fits(name)) {
        return None;
    }
    let near = crate::model::diagnostic::did_you_mean(&matcher.value, tenants.iter().copied());
    let help = match near {
        Some(near) => format!("did you mean `{near}`?"),
        None if tenants.iter().any(|name| name.contains(&matcher.value)) => {
            format!(
                "a condition is about the whole name: for a part of it, write tenant=~\".*{}.*\"",
                matcher.value
            )
        }
        None => "correct the name, or remove the condition".to_owned(),
    };
    Some((format!("no tenant of the workspace that is known fits `{}`", matcher.value), help))
}

/// Whether no critical alert of the workspace can get past these conditions, whatever it is about.
#[must_use]
pub fn mutes_all_critical(matchers: &[String], workspace: &str) -> bool {
    let matchers: Option<Vec<Matcher>> = matchers.iter().map(|text| text.parse().ok()).collect();
    matchers.is_some_and(|matchers| {
        matchers.iter().all(|matcher| match matcher.label.as_str() {
            "severity" => matcher.fits("critical"),
            "workspace" => matcher.fits(workspace),
            _ => matcher.fits_everything() && matcher.fits(""),
        })
    })
}

/// Whether a window that begins is open for two months on end. An hour is no gap: the clocks are put back once a year, and a
/// window of a day ends an hour early then.
fn never_closes(own: &MaintenanceWindowSpec, now: DateTime<Utc>) -> bool {
    const LONG: TimeDelta = TimeDelta::days(60);
    const GAP: TimeDelta = TimeDelta::hours(1);
    let Some(first) = window::opening(own, now).or_else(|| window::next_opening(own, now)) else {
        return false;
    };
    let mut ends = first.ends;
    while ends.signed_duration_since(first.starts) < LONG {
        let next = window::opening(own, ends).or_else(|| window::next_opening(own, ends));
        match next.filter(|next| next.starts.signed_duration_since(ends) <= GAP && next.ends > ends) {
            Some(next) => ends = next.ends,
            None => return false,
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(matchers: &[&str], expected: bool) {
        let matchers: Vec<String> = matchers.iter().map(|text| (*text).to_owned()).collect();
        assert_eq!(mutes_all_critical(&matchers, "w"), expected, "{matchers:?}");
    }

    #[test]
    fn what_mutes_the_worst_is_told_from_what_is_meant_for_something() {
        check(&["severity=critical"], true);
        check(&["severity=~\"warning|critical\"", "workspace=w"], true);
        check(&["workspace=w"], true);
        check(&["tenant=~\".*\"", "severity!=info"], true);
        check(&["workspace=other"], false);
        check(&["severity!=critical"], false);
        check(&["severity=critical", "tenant=A"], false);
        // Alerts that are about no tenant get past it.
        check(&["severity=critical", "tenant!=\"\""], false);
    }

    #[test]
    fn a_window_that_never_closes_is_told_from_one_that_does() {
        let never = |spec: serde_json::Value| {
            let mut own = serde_json::json!({"at": "00:00", "comment": "c"});
            own.as_object_mut().unwrap().extend(spec.as_object().unwrap().clone());
            let own: MaintenanceWindowSpec = serde_json::from_value(own).unwrap();
            // Within the two months from here on, the clocks of Sydney are put back.
            never_closes(&own, "2026-03-01T00:00:00Z".parse().unwrap())
        };
        let days = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"];
        for (spec, expected) in [
            (serde_json::json!({"every": {"day": 1}, "duration": "24h"}), true),
            (
                serde_json::json!({"every": {"day": 1}, "duration": "1d", "timeZone": "Australia/Sydney"}),
                true,
            ),
            (serde_json::json!({"every": {"day": 1}, "duration": "1w"}), true),
            (serde_json::json!({"every": {"week": days}, "duration": "24h"}), true),
            (serde_json::json!({"every": {"week": ["monday"]}, "duration": "7d"}), true),
            (serde_json::json!({"every": {"day": 1}, "duration": "20h"}), false),
            (serde_json::json!({"every": {"week": ["monday"]}, "duration": "6d"}), false),
            (
                serde_json::json!({"every": {"day": 1}, "duration": "24h", "until": "2026-03-20T00:00:00Z"}),
                false,
            ),
        ] {
            assert_eq!(never(spec.clone()), expected, "{spec}");
        }
    }
}
