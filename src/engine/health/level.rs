//! From a number to a status, with hysteresis: what stands bad must come back further than it had to go, so that it does not
//! come and go around a limit (M-H11).

use crate::kinds::health_check::Limits;
use crate::model::health::HealthStatus;

/// Used percent from which on something is degraded, where nothing else is declared.
pub const DEGRADED: i64 = 80;

/// Used percent from which on it is unhealthy.
pub const UNHEALTHY: i64 = 95;

/// How many points of percent it must come back.
const BAND: i64 = 5;

/// The status of something that is used so far. `before` is what the last result said of just that.
#[must_use]
pub fn level(used_percent: f64, limits: &Limits, before: Option<HealthStatus>) -> HealthStatus {
    let line = |limit: i64, own: HealthStatus| {
        let stands = before.is_some_and(|before| before >= own);
        i32::try_from(if stands { limit - BAND } else { limit }).map_or(f64::MAX, f64::from)
    };
    let reaches = |limit: i64, own| used_percent >= line(limit, own);
    if reaches(limits.unhealthy_percent.unwrap_or(UNHEALTHY), HealthStatus::Unhealthy) {
        HealthStatus::Unhealthy
    } else if reaches(limits.degraded_percent.unwrap_or(DEGRADED), HealthStatus::Degraded) {
        HealthStatus::Degraded
    } else {
        HealthStatus::Healthy
    }
}

/// Whether so little is left that it is too little whatever the percentage. Once it was, a tenth more must be free.
#[must_use]
pub fn is_below(free: u64, floor: u64, was_below: bool) -> bool {
    let band = if was_below { floor / 10 } else { 0 };
    free < floor.saturating_add(band)
}

#[cfg(test)]
mod tests {
    use super::*;
    use HealthStatus::{Degraded, Healthy, Unhealthy};

    #[track_caller]
    fn check(used: f64, before: Option<HealthStatus>, expected: HealthStatus) {
        assert_eq!(level(used, &Limits::default(), before), expected, "{used} after {before:?}");
    }

    #[test]
    fn exactly_the_limit_counts() {
        check(79.9, None, Healthy);
        check(80.0, None, Degraded);
        check(94.9, None, Degraded);
        check(95.0, None, Unhealthy);
        check(80.0, Some(HealthStatus::Unknown), Degraded);
    }

    #[test]
    fn it_must_come_back_further_than_it_went() {
        check(76.0, Some(Degraded), Degraded);
        check(74.9, Some(Degraded), Healthy);
        check(76.0, Some(Healthy), Healthy);
        check(91.0, Some(Unhealthy), Unhealthy);
        check(89.9, Some(Unhealthy), Degraded);
        check(91.0, Some(Degraded), Degraded);
        assert!(is_below(99, 100, false) && !is_below(100, 100, false));
        assert!(is_below(109, 100, true) && !is_below(110, 100, true));
    }

    #[test]
    fn declared_limits_win() {
        let limits = Limits { degraded_percent: Some(50), unhealthy_percent: Some(60), least_free_mib: None };
        assert_eq!(level(50.0, &limits, None), Degraded);
        assert_eq!(level(60.0, &limits, None), Unhealthy);
    }
}
