//! How long a version of Shopify's Admin API is served: twelve months from its release on the first of its month at 17:00 UTC
//! (M-H4). Within sixty days of that, a newer synthex is due.

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};

use crate::model::health::{CheckedService, HealthStatus};

use super::{Check, CheckKey};

/// How long before the end it is said.
const NOTICE: TimeDelta = TimeDelta::days(60);

/// The subject of the check.
pub(super) const SUBJECT: &str = "api-version";

/// When a version such as `2026-10` ends; `None` for what is no version.
#[must_use]
pub fn version_end(version: &str) -> Option<DateTime<Utc>> {
    let (year, month) = version.split_once('-')?;
    let date = NaiveDate::from_ymd_opt(year.parse::<i32>().ok()?.checked_add(1)?, month.parse().ok()?, 1)?;
    Some(date.and_hms_opt(17, 0, 0)?.and_utc())
}

/// The key of the check: the version is one for all shops.
pub(super) fn key() -> CheckKey {
    CheckKey::new("", CheckedService::Shopify, SUBJECT)
}

/// How the version stands.
pub(super) fn check(version: &str, at: DateTime<Utc>) -> Check {
    let Some(end) = version_end(version) else {
        return Check::new(
            key(),
            HealthStatus::Unknown,
            "no_version",
            "nobody knows how long it is served",
            at,
        );
    };
    let date = end.format("%Y-%m-%d");
    let (status, code, message) = if at >= end {
        let said = format!("version {version} of the Admin API ended on {date}: use a newer synthex");
        (HealthStatus::Unhealthy, "version_ended", said)
    } else if end - at <= NOTICE {
        let said = format!("version {version} of the Admin API ends on {date}: use a newer synthex by then");
        (HealthStatus::Degraded, "version_ends_soon", said)
    } else {
        (HealthStatus::Healthy, "ok", format!("version {version} of the Admin API is served until {date}"))
    };
    Check::new(key(), status, code, message, at)
        .with("apiVersion", version)
        .with("versionEndsAt", end.to_rfc3339_opts(chrono::SecondsFormat::Secs, true))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn says(at: &str, code: &str) {
        assert_eq!(check("2026-10", at.parse().unwrap()).code, code, "{at}");
    }

    #[test]
    fn sixty_days_before_its_end_it_is_said() {
        assert_eq!(version_end("2026-10").unwrap().to_string(), "2027-10-01 17:00:00 UTC");
        says("2027-08-02T16:59:59Z", "ok");
        says("2027-08-02T17:00:00Z", "version_ends_soon");
        says("2027-10-01T16:59:59Z", "version_ends_soon");
        says("2027-10-01T17:00:00Z", "version_ended");
        assert_eq!(version_end("unstable"), None);
    }
}
