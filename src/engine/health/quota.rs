//! What is left of the APIs' quotas: Shopify's bucket of points, which fills again within seconds (M-H5), and the daily quotas
//! of a Google merchant account, which begin anew at 12:00 UTC (M-H7).

use chrono::{DateTime, NaiveTime, TimeDelta, Utc};
use serde_json::{Value, json};

use crate::kinds::health_check::Limits;
use crate::model::health::HealthStatus;

use super::level::{DEGRADED, UNHEALTHY};
use super::{Check, CheckKey};

/// How many groups are shown as evidence, the fullest first.
const SHOWN: usize = 10;

/// A pace is looked at only after so much of the day.
const LEAST_PACE: TimeDelta = TimeDelta::hours(1);

/// Shopify's bucket, as an answer told it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bucket {
    /// How many points it holds.
    pub maximum: f64,
    /// How many are in it.
    pub available: f64,
    /// How many come back each second.
    pub restore_rate: f64,
}

/// A group of methods of the Merchant API that share a quota.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QuotaGroup {
    /// Its name; nothing in it that was not looked at.
    pub name: String,
    /// How many calls were made since the last reset.
    pub usage: i64,
    /// How many may be made in a day; 0 where there is no limit.
    pub limit: i64,
    /// How many may be made in a minute.
    pub per_minute: i64,
}

impl QuotaGroup {
    #[expect(clippy::cast_precision_loss, reason = "a percentage needs no more digits")]
    fn percent(&self) -> f64 {
        if self.limit <= 0 { 0.0 } else { self.usage as f64 * 100.0 / self.limit as f64 }
    }
}

/// The next reset of the daily quotas: 12:00 UTC, which itself belongs to the new day.
#[must_use]
pub fn next_reset(at: DateTime<Utc>) -> DateTime<Utc> {
    let noon = at.date_naive().and_time(NaiveTime::MIN).and_utc() + TimeDelta::hours(12);
    if at < noon { noon } else { noon + TimeDelta::days(1) }
}

/// How a bucket stands: degraded below a fifth, or what is declared.
pub(super) fn of_bucket(key: CheckKey, bucket: Bucket, limits: &Limits, at: DateTime<Utc>) -> Check {
    let Bucket { maximum, available, restore_rate } = bucket;
    let percent = if maximum > 0.0 { (available * 100.0 / maximum).clamp(0.0, 100.0) } else { 0.0 };
    let least = i32::try_from(100 - limits.degraded_percent.unwrap_or(DEGRADED)).map_or(0.0, f64::from);
    let left = format!("{available:.0} of {maximum:.0} points are left");
    let check = if percent < least {
        Check::new(key, HealthStatus::Degraded, "quota_low", format!("{left}, less than {least:.0} %"), at)
    } else {
        Check::new(key, HealthStatus::Healthy, "ok", left, at)
    };
    check
        .with("maximumAvailable", number(maximum))
        .with("currentlyAvailable", number(available))
        .with("restoreRate", number(restore_rate))
        .with("availablePercent", number(percent))
}

/// How the daily quotas stand: as the fullest of them.
pub(super) fn of_groups(key: CheckKey, groups: &[QuotaGroup], limits: &Limits, at: DateTime<Utc>) -> Check {
    let mut sorted: Vec<&QuotaGroup> = groups.iter().collect();
    sorted.sort_by(|left, right| right.percent().total_cmp(&left.percent()).then(left.name.cmp(&right.name)));
    let Some(fullest) = sorted.first() else {
        return Check::new(key, HealthStatus::Healthy, "ok", "the account has no quotas", at)
            .with("groups", 0);
    };
    let reset = next_reset(at);
    let percent = fullest.percent();
    let limit = |declared: Option<i64>, usual: i64| {
        i32::try_from(declared.unwrap_or(usual)).map_or(f64::MAX, f64::from)
    };
    let (status, code) = if percent >= limit(limits.unhealthy_percent, UNHEALTHY) {
        (HealthStatus::Unhealthy, "quota_critical")
    } else if percent >= limit(limits.degraded_percent, DEGRADED) {
        (HealthStatus::Degraded, "quota_warning")
    } else {
        (HealthStatus::Healthy, "ok")
    };
    let mut message =
        format!("{} of {} calls of {} are used ({percent:.0} %)", fullest.usage, fullest.limit, fullest.name);
    let projected = projection(fullest, at, reset);
    if let Some((_, Some(ends))) = projected {
        message.push_str(&format!("; at this pace none is left from {} UTC on", ends.format("%H:%M")));
    }
    message.push_str(&format!("; they begin anew at {} UTC", reset.format("%H:%M")));
    let shown: Vec<Value> = sorted
        .iter()
        .take(SHOWN)
        .map(|group| {
            json!({"name": group.name, "usage": group.usage, "limit": group.limit,
                "minuteLimit": group.per_minute, "usedPercent": number(group.percent())})
        })
        .collect();
    let check = Check::new(key, status, code, message, at)
        .with("usedPercent", number(percent))
        .with("resetsAt", reset.to_rfc3339_opts(chrono::SecondsFormat::Secs, true))
        .with("groups", groups.len())
        .with("fullest", shown);
    match projected {
        Some((percent, _)) => check.with("projectedPercent", number(percent)),
        None => check,
    }
}

/// How full it will be at the reset at the pace since the last one, and when it would be full before that. `None` where too
/// little of the day is gone to tell.
fn projection(
    group: &QuotaGroup,
    at: DateTime<Utc>,
    reset: DateTime<Utc>,
) -> Option<(f64, Option<DateTime<Utc>>)> {
    let begun = reset - TimeDelta::days(1);
    let gone = (at - begun).as_seconds_f64();
    if gone < LEAST_PACE.as_seconds_f64() || group.limit <= 0 {
        return None;
    }
    let day = (reset - begun).as_seconds_f64();
    let projected = group.percent() * day / gone;
    let full = (projected > 100.0 && group.percent() < 100.0).then(|| gone * 100.0 / group.percent());
    let ends = full.and_then(|seconds| std::time::Duration::try_from_secs_f64(seconds).ok());
    Some((projected, ends.and_then(|seconds| begun.checked_add_signed(TimeDelta::from_std(seconds).ok()?))))
}

/// One decimal is enough.
fn number(value: f64) -> Value {
    json!((value * 10.0).round() / 10.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::health::CheckedService;

    fn key() -> CheckKey {
        CheckKey::new("w", CheckedService::Quotas, "x/T")
    }

    #[track_caller]
    fn bucket(available: f64, code: &str) {
        let bucket = Bucket { maximum: 1000.0, available, restore_rate: 50.0 };
        let at = "2026-11-01T00:00:00Z".parse().unwrap();
        assert_eq!(of_bucket(key(), bucket, &Limits::default(), at).code, code, "{available}");
    }

    #[test]
    fn below_a_fifth_a_bucket_is_low() {
        bucket(1000.0, "ok");
        bucket(200.0, "ok");
        bucket(199.0, "quota_low");
        bucket(0.0, "quota_low");
    }

    fn group(usage: i64, limit: i64) -> QuotaGroup {
        QuotaGroup { name: format!("g{usage}"), usage, limit, per_minute: 0 }
    }

    #[track_caller]
    fn groups(groups: &[QuotaGroup], at: &str, code: &str, said: &str) {
        let check = of_groups(key(), groups, &Limits::default(), at.parse().unwrap());
        assert_eq!(check.code, code, "{check:?}");
        assert!(check.message.contains(said), "{}", check.message);
    }

    #[test]
    fn the_fullest_group_counts_and_its_limits_are_reached_exactly() {
        let at = "2026-11-01T11:59:59Z";
        groups(&[group(79, 100), group(0, 0)], at, "ok", "79 of 100");
        groups(&[group(1, 100), group(80, 100)], at, "quota_warning", "80 of 100");
        groups(&[group(94, 100)], at, "quota_warning", "(94 %)");
        groups(&[group(95, 100)], at, "quota_critical", "begin anew at 12:00 UTC");
        groups(&[], at, "ok", "no quotas");
        groups(&[group(5, 0)], at, "ok", "5 of 0");
    }

    #[test]
    fn the_pace_is_projected_to_the_reset_at_noon() {
        // Half of it within six hours: all of it after twelve.
        groups(&[group(50, 100)], "2026-11-01T18:00:00Z", "ok", "none is left from 00:00 UTC on");
        let check =
            of_groups(key(), &[group(50, 100)], &Limits::default(), "2026-11-01T18:00:00Z".parse().unwrap());
        assert_eq!(check.evidence["projectedPercent"], json!(200.0));
        assert_eq!(check.evidence["resetsAt"], json!("2026-11-02T12:00:00Z"));
        let early =
            of_groups(key(), &[group(50, 100)], &Limits::default(), "2026-11-01T12:30:00Z".parse().unwrap());
        assert!(!early.evidence.contains_key("projectedPercent"), "{early:?}");
    }

    #[test]
    fn noon_itself_belongs_to_the_new_day() {
        let reset = |at: &str| next_reset(at.parse().unwrap()).to_string();
        assert_eq!(reset("2026-11-01T11:59:59Z"), "2026-11-01 12:00:00 UTC");
        assert_eq!(reset("2026-11-01T12:00:00Z"), "2026-11-02 12:00:00 UTC");
    }
}
