//! Thresholds of credential expiry: `30d`, `12h`, `2w`, `expired`, `-3d`, `20%` (M-E1 to M-E5, M-E10).

use std::str::FromStr;

use chrono::{DateTime, TimeDelta, Utc};

use crate::kinds::alert_rule::{AlertSeverity, CredentialExpiry, lead_seconds};

use super::expiry::is_crossed;

/// How long before an expiry to alert.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Threshold {
    /// So long before; below zero, so long after. `expired` is zero.
    Before(TimeDelta),
    /// When so much of its life is left, in percent.
    Share(i32),
}

impl FromStr for Threshold {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        if text == "expired" {
            return Ok(Self::Before(TimeDelta::zero()));
        }
        if let Some(share) = text.strip_suffix('%') {
            let share = share.parse().map_err(|_| ())?;
            return if (1..=99).contains(&share) { Ok(Self::Share(share)) } else { Err(()) };
        }
        let seconds = lead_seconds(text).ok_or(())?;
        TimeDelta::try_seconds(seconds).map(Self::Before).ok_or(())
    }
}

impl Threshold {
    /// How long before the expiry; `None` for a share of a life of which nobody knows how long it is.
    #[must_use]
    pub fn lead(self, life: Option<TimeDelta>) -> Option<TimeDelta> {
        match self {
            Self::Before(lead) => Some(lead),
            Self::Share(percent) => {
                let life = life.filter(|life| *life > TimeDelta::zero())?;
                Some(life.checked_mul(percent)? / 100)
            }
        }
    }
}

/// The thresholds of a rule, read once.
#[derive(Clone, Debug)]
pub struct Thresholds {
    own: Vec<(String, Threshold, Option<AlertSeverity>)>,
}

/// What a credential has crossed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Crossed<'a> {
    /// The tightest threshold, as the rule writes it.
    pub tightest: &'a str,
    /// How urgent that is.
    pub severity: AlertSeverity,
    /// The others, the widest first. Each is told by the tightest, if it was not told before (M-E5).
    pub wider: Vec<&'a str>,
}

/// How urgent an alert is that says nothing of it: `info` for 8 days and more before expiry, `warning` for more than a day.
fn usual_severity(lead: TimeDelta) -> AlertSeverity {
    if lead >= TimeDelta::days(8) {
        AlertSeverity::Info
    } else if lead > TimeDelta::days(1) {
        AlertSeverity::Warning
    } else {
        AlertSeverity::Critical
    }
}

impl Thresholds {
    /// The thresholds of a rule. One that cannot be read crosses nothing: validation refuses it long before.
    #[must_use]
    pub fn of(condition: &CredentialExpiry) -> Self {
        let own = condition.thresholds.iter().filter_map(|text| {
            Some((text.clone(), text.parse().ok()?, condition.severities.get(text).copied()))
        });
        Self { own: own.collect() }
    }

    /// Whether the rule still has this threshold.
    #[must_use]
    pub fn has(&self, threshold: &str) -> bool {
        self.own.iter().any(|(text, ..)| text == threshold)
    }

    /// The longest time before an expiry at which something can be crossed, and the largest share of a life.
    #[must_use]
    pub fn widest(&self) -> (Option<TimeDelta>, Option<i32>) {
        let lead = self.own.iter().filter_map(|(_, threshold, _)| match threshold {
            Threshold::Before(lead) => Some(*lead),
            Threshold::Share(_) => None,
        });
        let share = self.own.iter().filter_map(|(_, threshold, _)| match threshold {
            Threshold::Share(share) => Some(*share),
            Threshold::Before(_) => None,
        });
        (lead.max(), share.max())
    }

    /// When each of them is crossed.
    pub fn moments(
        &self,
        expires_at: DateTime<Utc>,
        issued_at: Option<DateTime<Utc>>,
    ) -> impl Iterator<Item = DateTime<Utc>> + '_ {
        let life = issued_at.map(|issued| expires_at.signed_duration_since(issued));
        self.own
            .iter()
            .filter_map(move |(_, threshold, _)| expires_at.checked_sub_signed(threshold.lead(life)?))
    }

    /// What is crossed at a moment; `None` where nothing is. A threshold that is exactly met is crossed (M-E2).
    #[must_use]
    pub fn crossed(
        &self,
        expires_at: DateTime<Utc>,
        issued_at: Option<DateTime<Utc>>,
        now: DateTime<Utc>,
    ) -> Option<Crossed<'_>> {
        let life = issued_at.map(|issued| expires_at.signed_duration_since(issued));
        let mut leads: Vec<(TimeDelta, &str, Option<AlertSeverity>)> = self
            .own
            .iter()
            .filter_map(|(text, threshold, severity)| Some((threshold.lead(life)?, text.as_str(), *severity)))
            .collect();
        // The widest first. Two that mean the same time are told as the one with the lesser name, in whatever order they come.
        leads.sort_unstable_by(|left, right| right.0.cmp(&left.0).then(right.1.cmp(left.1)));
        let mut declared: Option<AlertSeverity> = None;
        let mut found: Option<Crossed<'_>> = None;
        for (lead, text, severity) in leads {
            declared = severity.or(declared);
            if !is_crossed(expires_at, lead, now) {
                continue;
            }
            // What is said of a threshold counts from it on, and makes nothing that follows less urgent than usual.
            let severity =
                severity.unwrap_or_else(|| usual_severity(lead).max(declared.unwrap_or(AlertSeverity::Info)));
            let mut wider = Vec::new();
            if let Some(crossed) = found {
                wider = crossed.wider;
                wider.push(crossed.tightest);
            }
            found = Some(Crossed { tightest: text, severity, wider });
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn time(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    fn rule(thresholds: &[&str], severities: &[(&str, AlertSeverity)]) -> Thresholds {
        Thresholds::of(&CredentialExpiry {
            thresholds: thresholds.iter().map(|text| (*text).to_owned()).collect(),
            severities: severities.iter().map(|(text, severity)| ((*text).to_owned(), *severity)).collect(),
            require_expiry: false,
        })
    }

    const USUAL: [&str; 4] = ["30d", "7d", "1d", "expired"];
    const AT: &str = "2026-06-30T12:00:00Z";

    #[track_caller]
    fn check(thresholds: &Thresholds, now: &str, expected: Option<(&str, AlertSeverity, &[&str])>) {
        let found = thresholds.crossed(time(AT), Some(time("2026-03-22T12:00:00Z")), time(now));
        let expected =
            expected.map(|(tightest, severity, wider)| Crossed { tightest, severity, wider: wider.to_vec() });
        assert_eq!(found, expected, "{now}");
    }

    #[test]
    fn the_tightest_counts_to_the_second() {
        let usual = rule(&USUAL, &[]);
        check(&usual, "2026-05-31T11:59:59Z", None);
        check(&usual, "2026-05-31T12:00:00Z", Some(("30d", AlertSeverity::Info, &[])));
        check(&usual, "2026-06-23T11:59:59Z", Some(("30d", AlertSeverity::Info, &[])));
        check(&usual, "2026-06-23T12:00:00Z", Some(("7d", AlertSeverity::Warning, &["30d"])));
        check(&usual, "2026-06-29T12:00:00Z", Some(("1d", AlertSeverity::Critical, &["30d", "7d"])));
        check(&usual, "2026-06-30T11:59:59Z", Some(("1d", AlertSeverity::Critical, &["30d", "7d"])));
        check(&usual, AT, Some(("expired", AlertSeverity::Critical, &["30d", "7d", "1d"])));
        check(
            &usual,
            "2036-06-30T11:59:59Z",
            Some(("expired", AlertSeverity::Critical, &["30d", "7d", "1d"])),
        );
    }

    #[test]
    fn after_the_expiry_and_by_share() {
        let rule = rule(&["-3d", "20%", "expired"], &[]);
        // A life of 100 days.
        check(&rule, "2026-06-10T11:59:59Z", None);
        check(&rule, "2026-06-10T12:00:00Z", Some(("20%", AlertSeverity::Info, &[])));
        check(&rule, "2026-07-03T11:59:59Z", Some(("expired", AlertSeverity::Critical, &["20%"])));
        check(&rule, "2026-07-03T12:00:00Z", Some(("-3d", AlertSeverity::Critical, &["20%", "expired"])));
        assert_eq!(rule.crossed(time(AT), None, time("2026-06-20T12:00:00Z")), None);
        assert_eq!(rule.crossed(time(AT), Some(time(AT)), time("2026-06-20T12:00:00Z")), None);
    }

    #[test]
    fn severities_count_from_their_threshold_on() {
        let rule = rule(&USUAL, &[("30d", AlertSeverity::Warning), ("1d", AlertSeverity::Info)]);
        check(&rule, "2026-06-01T12:00:00Z", Some(("30d", AlertSeverity::Warning, &[])));
        check(&rule, "2026-06-24T12:00:00Z", Some(("7d", AlertSeverity::Warning, &["30d"])));
        check(&rule, "2026-06-29T12:00:00Z", Some(("1d", AlertSeverity::Info, &["30d", "7d"])));
        check(&rule, AT, Some(("expired", AlertSeverity::Critical, &["30d", "7d", "1d"])));
    }

    #[test]
    fn what_a_threshold_may_be() {
        for (text, seconds) in
            [("9999d", 863_913_600), ("-3d", -259_200), ("2w", 1_209_600), ("expired", 0), ("12h", 43_200)]
        {
            assert_eq!(text.parse(), Ok(Threshold::Before(TimeDelta::seconds(seconds))), "{text}");
        }
        assert_eq!("20%".parse(), Ok(Threshold::Share(20)));
        for bad in ["", "0d", "-", "0%", "100%", "%", "d", "-0d", "1.5d", "soon"] {
            assert_eq!(bad.parse::<Threshold>(), Err(()), "{bad}");
        }
    }

    #[test]
    fn the_order_in_which_they_are_written_does_not_matter() {
        let (one, other) = (rule(&["24h", "1d", "7d"], &[]), rule(&["7d", "1d", "24h"], &[]));
        let now = time("2026-06-30T00:00:00Z");
        assert_eq!(one.crossed(time(AT), None, now), other.crossed(time(AT), None, now));
    }

    #[test]
    fn beyond_2038_and_on_leap_days() {
        let usual = rule(&USUAL, &[]);
        for at in ["2038-01-19T03:14:08Z", "2028-02-29T00:00:00Z", "9999-12-31T00:00:00Z"] {
            let at = time(at);
            let name = |now| usual.crossed(at, None, now).map(|crossed| crossed.tightest.to_owned());
            assert_eq!(name(at - TimeDelta::days(30)).as_deref(), Some("30d"), "{at}");
            assert_eq!(name(at - TimeDelta::days(30) - TimeDelta::microseconds(1)), None, "{at}");
            assert_eq!(name(at).as_deref(), Some("expired"), "{at}");
        }
    }
}
