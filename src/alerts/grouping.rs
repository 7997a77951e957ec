//! Alerts that come together are told together (M-E14, M-S10). What is new waits for others of its group; that something is over
//! does not wait.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};

use crate::kinds::alert_rule::{AlertRuleSpec, Grouping};
use crate::model::Digest;
use crate::model::text::duration_seconds;

use super::alert::{Alert, AlertKind, AlertLabels};
use super::expiry::is_crossed;
use super::facts::GroupRow;

/// The longest key of a group.
const MOST_KEY: usize = 1_000;

/// What the alerts of a group have in common.
#[must_use]
pub fn key(grouping: Option<&Grouping>, labels: &AlertLabels) -> String {
    let Some(grouping) = grouping else { return String::new() };
    let mut by: Vec<&str> = grouping.by.iter().map(String::as_str).collect();
    by.sort_unstable();
    by.dedup();
    let parts: Vec<String> = by
        .into_iter()
        .map(|name| format!("{name}={:?}", labels.get(name).map(String::as_str).unwrap_or_default()))
        .collect();
    let key = parts.join(",");
    if key.chars().count() > MOST_KEY { Digest::of(key.as_bytes()).to_hex() } else { key }
}

fn length(text: &str) -> TimeDelta {
    duration_seconds(text).and_then(TimeDelta::try_seconds).unwrap_or_default()
}

/// The groups of an evaluation.
#[derive(Debug)]
pub struct Groups<'a> {
    rows: BTreeMap<(&'a str, &'a str), &'a GroupRow>,
    /// Those that changed.
    pub changed: BTreeMap<(String, String), GroupRow>,
}

impl<'a> Groups<'a> {
    /// As the rows have them.
    #[must_use]
    pub fn of(rows: &'a [GroupRow]) -> Self {
        let rows = rows.iter().map(|row| ((row.rule.as_str(), row.key.as_str()), row)).collect();
        Self { rows, changed: BTreeMap::new() }
    }

    /// When the new alerts of a group are told: `None` for now, and then it is noted that they were.
    pub fn wait(
        &mut self,
        rule: &str,
        grouping: Option<&Grouping>,
        key: &str,
        now: DateTime<Utc>,
    ) -> Option<DateTime<Utc>> {
        let grouping = grouping?;
        let row = self.rows.get(&(rule, key)).copied();
        let told = row.and_then(|row| row.notified_at);
        // After a clock was put back, nothing waits for longer than it ever would.
        let longest = now + length(&grouping.wait).max(length(&grouping.interval));
        let due = match (row.and_then(|row| row.due_at), told) {
            (Some(due), _) => due.min(longest),
            (None, Some(told)) if now.signed_duration_since(told) < length(&grouping.interval) => {
                (told + length(&grouping.interval)).min(longest)
            }
            (None, _) => now + length(&grouping.wait),
        };
        let waits = now < due;
        let next = GroupRow {
            rule: rule.to_owned(),
            key: key.to_owned(),
            notified_at: if waits { told } else { Some(now) },
            due_at: waits.then_some(due),
        };
        if row != Some(&next) {
            self.changed.insert((rule.to_owned(), key.to_owned()), next);
        }
        waits.then_some(due)
    }

    /// Groups that wait for nothing any more.
    pub fn forget_others(&mut self, still: impl Fn(&str, &str) -> bool) {
        for row in self.rows.values() {
            let place = (row.rule.clone(), row.key.clone());
            if row.due_at.is_some() && !self.changed.contains_key(&place) && !still(&row.rule, &row.key) {
                self.changed.insert(place, GroupRow { due_at: None, ..(*row).clone() });
            }
        }
    }
}

/// How long after the last message an alert that still stands is told again (M-E15); `None` for never.
#[must_use]
pub fn reminder(rule: &AlertRuleSpec, alert: &Alert, now: DateTime<Utc>) -> Option<TimeDelta> {
    match rule.reminder.as_deref() {
        Some("never") => None,
        Some(text) => Some(length(text).max(TimeDelta::minutes(5))),
        None if alert.kind == AlertKind::CredentialExpiry => {
            let is_expired = alert.expires_at.is_some_and(|at| is_crossed(at, TimeDelta::zero(), now));
            is_expired.then(|| TimeDelta::hours(24))
        }
        None => Some(TimeDelta::hours(4)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn time(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    fn grouping(by: &[&str]) -> Grouping {
        Grouping {
            by: by.iter().map(|name| (*name).to_owned()).collect(),
            wait: "30s".to_owned(),
            interval: "5m".to_owned(),
        }
    }

    #[track_caller]
    fn check(row: Option<(Option<&str>, Option<&str>)>, now: &str, expected: Option<&str>) {
        let row = row.map(|(told, due)| GroupRow {
            rule: "r".to_owned(),
            key: "k".to_owned(),
            notified_at: told.map(time),
            due_at: due.map(time),
        });
        let rows: Vec<GroupRow> = row.into_iter().collect();
        let mut groups = Groups::of(&rows);
        let found = groups.wait("r", Some(&grouping(&[])), "k", time(now));
        assert_eq!(found, expected.map(time));
        let after = groups.changed.values().next().or(rows.first()).unwrap();
        assert_eq!(after.due_at, expected.map(time));
        if expected.is_none() {
            assert_eq!(after.notified_at, Some(time(now)));
        }
    }

    #[test]
    fn the_first_waits_a_little_and_the_next_for_the_interval() {
        check(None, "2026-01-01T00:00:00Z", Some("2026-01-01T00:00:30Z"));
        check(
            Some((None, Some("2026-01-01T00:00:30Z"))),
            "2026-01-01T00:00:29Z",
            Some("2026-01-01T00:00:30Z"),
        );
        check(Some((None, Some("2026-01-01T00:00:30Z"))), "2026-01-01T00:00:30Z", None);
        check(
            Some((Some("2026-01-01T00:00:30Z"), None)),
            "2026-01-01T00:01:00Z",
            Some("2026-01-01T00:05:30Z"),
        );
        check(
            Some((Some("2026-01-01T00:00:30Z"), Some("2026-01-01T00:05:30Z"))),
            "2026-01-01T00:05:30Z",
            None,
        );
        check(
            Some((Some("2026-01-01T00:00:30Z"), None)),
            "2026-01-01T00:05:30Z",
            Some("2026-01-01T00:06:00Z"),
        );
    }

    #[test]
    fn a_clock_that_was_put_back_keeps_nothing_for_long() {
        check(
            Some((Some("2027-01-01T00:00:00Z"), None)),
            "2026-01-01T00:00:00Z",
            Some("2026-01-01T00:05:00Z"),
        );
        check(
            Some((None, Some("2027-01-01T00:00:00Z"))),
            "2026-01-01T00:00:00Z",
            Some("2026-01-01T00:05:00Z"),
        );
    }

    #[test]
    fn without_groups_nothing_waits() {
        assert_eq!(Groups::of(&[]).wait("r", None, "", time("2026-01-01T00:00:00Z")), None);
    }

    #[test]
    fn a_key_is_what_labels_have_in_common() {
        let labels: AlertLabels =
            [("tenant".to_owned(), "T\"1".to_owned()), ("service".to_owned(), "s".to_owned())].into();
        assert_eq!(
            key(Some(&grouping(&["tenant", "market", "service"])), &labels),
            r#"market="",service="s",tenant="T\"1""#
        );
        assert_eq!(key(Some(&grouping(&[])), &labels), "");
        assert_eq!(key(None, &labels), "");
        let long = [("tenant".to_owned(), "x".repeat(3_000))].into();
        assert_eq!(key(Some(&grouping(&["tenant"])), &long).len(), 64);
    }
}
