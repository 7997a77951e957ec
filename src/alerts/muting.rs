//! What keeps alerts from being told: silences and maintenance windows. A muted alert lives on, and is shown with what mutes it
//! (M-S2).

use chrono::{DateTime, Utc};

use crate::model::Digest;
use crate::model::matcher::{Matcher, all_fit};

use super::alert::AlertLabels;
use super::facts::Facts;
use super::window;

/// How a silence is named in `mutedBy`.
pub const SILENCE: &str = "silence/";

/// How a maintenance window is named there.
pub const WINDOW: &str = "window/";

/// How an inhibition is named there.
pub const INHIBITION: &str = "inhibition/";

struct Muter<'a> {
    /// As it stands in `mutedBy`.
    name: String,
    matchers: Vec<Matcher>,
    /// The silence that lasts until the alert is over, by its name.
    until_resolved: Option<&'a str>,
    /// Whether the end of what it mutes is told.
    tells_end: bool,
}

/// The silences and windows that count at a moment.
pub struct Muters<'a> {
    facts: &'a Facts,
    own: Vec<Muter<'a>>,
}

/// What mutes an alert.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Muted {
    /// By name, sorted.
    pub by: Vec<String>,
    /// Whether its end is told, where its beginning was (M-L7): no silence mutes it but those that last until it is over (M-L6).
    /// Somebody who is silenced for a while asked to hear nothing (M-S3).
    pub end_is_told: bool,
}

impl<'a> Muters<'a> {
    /// Those that count now. One with a condition that cannot be read mutes nothing: validation refuses it long before, and to
    /// be told too much is better than to be told nothing.
    #[must_use]
    pub fn of(facts: &'a Facts, now: DateTime<Utc>) -> Self {
        let read =
            |texts: &[String]| texts.iter().map(|text| text.parse().ok()).collect::<Option<Vec<Matcher>>>();
        let mut own = Vec::new();
        for (name, spec) in &facts.silences {
            let is_on = spec.starts_at <= now && spec.ends().is_none_or(|ends| now < ends);
            // An end that is missing is none, unless the silence says so.
            let has_end = spec.until_resolved || spec.ends().is_some();
            if let (true, true, Some(matchers)) = (is_on, has_end, read(&spec.matchers)) {
                let until_resolved = spec.until_resolved.then_some(name.as_str());
                let tells_end = spec.until_resolved;
                own.push(Muter { name: format!("{SILENCE}{name}"), matchers, until_resolved, tells_end });
            }
        }
        for (name, spec) in &facts.windows {
            if let (Some(_), Some(matchers)) = (window::opening(spec, now), read(&spec.matchers)) {
                let name = format!("{WINDOW}{name}");
                own.push(Muter { name, matchers, until_resolved: None, tells_end: true });
            }
        }
        own.sort_by(|left, right| left.name.cmp(&right.name));
        Self { facts, own }
    }

    /// What mutes an alert with these labels. One that `follows` another, which ended in this evaluation, is a later alert to
    /// silences "until resolved".
    #[must_use]
    pub fn muting(&self, labels: &AlertLabels, fingerprint: &Digest, follows: bool) -> Muted {
        let mut muted = Muted { by: Vec::new(), end_is_told: true };
        for muter in &self.own {
            let is_spent = muter
                .until_resolved
                .is_some_and(|name| follows || self.facts.spent.contains(&(name.to_owned(), *fingerprint)));
            if !is_spent && all_fit(&muter.matchers, |label| labels.get(label).map(String::as_str)) {
                muted.by.push(muter.name.clone());
                muted.end_is_told &= muter.tells_end;
            }
        }
        muted
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kinds::silence::SilenceSpec;

    fn time(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    fn silence(matchers: &[&str], rest: serde_json::Value) -> SilenceSpec {
        let mut spec = serde_json::json!({
            "matchers": matchers, "startsAt": "2026-01-01T00:00:00Z", "createdBy": "a", "comment": "b",
        });
        spec.as_object_mut().unwrap().extend(rest.as_object().unwrap().clone());
        serde_json::from_value(spec).unwrap()
    }

    #[track_caller]
    fn check(spec: SilenceSpec, now: &str, expected: bool) {
        let facts = Facts { silences: vec![("s".to_owned(), spec)], ..Facts::default() };
        let labels = [("tenant".to_owned(), "T1".to_owned())].into();
        let muted = Muters::of(&facts, time(now)).muting(&labels, &Digest::of(b""), false);
        assert_eq!(muted.by, if expected { vec!["silence/s".to_owned()] } else { Vec::new() }, "{now}");
    }

    #[test]
    fn a_silence_counts_from_its_start_to_its_end() {
        let ends = serde_json::json!({"endsAt": "2026-01-02T00:00:00Z"});
        check(silence(&["tenant=T1"], ends.clone()), "2025-12-31T23:59:59Z", false);
        check(silence(&["tenant=T1"], ends.clone()), "2026-01-01T00:00:00Z", true);
        check(silence(&["tenant=T1"], ends.clone()), "2026-01-01T23:59:59Z", true);
        check(silence(&["tenant=T1"], ends.clone()), "2026-01-02T00:00:00Z", false);
        check(silence(&["tenant=T1"], serde_json::json!({"duration": "1h"})), "2026-01-01T00:59:59Z", true);
        check(silence(&["tenant=T1"], serde_json::json!({"duration": "1h"})), "2026-01-01T01:00:00Z", false);
        check(silence(&["tenant=T1", "market=UK_SMB"], ends.clone()), "2026-01-01T00:00:00Z", false);
        check(silence(&["tenant=T1", "market!=UK_SMB"], ends.clone()), "2026-01-01T00:00:00Z", true);
        check(silence(&["tenant=~\"(\""], ends), "2026-01-01T00:00:00Z", false);
        check(silence(&["tenant=T1"], serde_json::json!({})), "2026-01-01T00:00:00Z", false);
    }

    #[test]
    fn one_until_resolved_is_spent_once_its_alert_is_over() {
        let spec = silence(&["tenant=T1"], serde_json::json!({"untilResolved": true}));
        check(spec.clone(), "2030-01-01T00:00:00Z", true);
        let labels = [("tenant".to_owned(), "T1".to_owned())].into();
        let (one, other) = (Digest::of(b"1"), Digest::of(b"2"));
        let facts = Facts {
            silences: vec![("s".to_owned(), spec)],
            spent: [("s".to_owned(), one)].into(),
            ..Facts::default()
        };
        let muters = Muters::of(&facts, time("2026-06-01T00:00:00Z"));
        assert_eq!(muters.muting(&labels, &one, false).by, Vec::<String>::new());
        assert_eq!(muters.muting(&labels, &other, true).by, Vec::<String>::new());
        assert_eq!(
            muters.muting(&labels, &other, false),
            Muted { by: vec!["silence/s".to_owned()], end_is_told: true }
        );
    }
}
