//! The database, the disk, the memory, and the expiry of credentials: what numbers about them mean (M-H11, M-H3).

use std::time::Duration;

use chrono::{DateTime, Utc};

use crate::engine::state::{StateError, StateErrorKind};
use crate::kinds::health_check::Limits;
use crate::model::health::{CheckedService, HealthStatus};

use super::level::{is_below, level};
use super::{Check, CheckKey};

const MIB: u64 = 1 << 20;

const CONNECTIONS_LOW: &str = "connections_low";

const CONNECTIONS_USED_UP: &str = "connections_used_up";

const LOW: &str = "low";

const USED_UP: &str = "used_up";

const BELOW_FLOOR: &str = "below_floor";

/// Free mebibytes below which a disk is unhealthy, where nothing else is declared.
const LEAST_DISK: i64 = 256;

/// The same for memory.
const LEAST_MEMORY: i64 = 64;

/// What the database says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DatabaseFacts {
    /// How long connecting and asking took.
    pub latency: Duration,
    /// The server's version.
    pub version: String,
    /// The newest migration that is installed; 0 for none.
    pub installed: i64,
    /// The newest that this program knows.
    pub known: i64,
    /// Whether it takes no writes: a standby.
    pub is_read_only: bool,
    /// Its connections, where the role may count them.
    pub connections: Option<Connections>,
}

/// How many connections there are, and may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Connections {
    /// Those of clients, ours among them.
    pub used: i64,
    /// The most that ordinary roles get.
    pub most: i64,
}

/// Space of some sort, in bytes.
#[derive(Clone, Debug, PartialEq)]
pub struct Space {
    /// All of it.
    pub total: u64,
    /// What is free for us.
    pub free: u64,
    /// What it is of: a path, `cgroup`, `machine`.
    pub of: String,
    /// Used percent of what else can run out: the number of files.
    pub files_percent: Option<f64>,
}

/// How many credentials of a workspace stand how.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ExpiryCounts {
    /// All that are not revoked.
    pub total: usize,
    /// Those that have expired.
    pub expired: usize,
    /// Those that expire within a week.
    pub expiring: usize,
    /// Those of which nobody knows when they expire.
    pub without_expiry: usize,
    /// Those that no provider was ever asked about.
    pub unverified: usize,
}

#[expect(clippy::cast_precision_loss, reason = "a percentage needs no more digits")]
fn percent(used: u64, total: u64) -> f64 {
    if total == 0 { 0.0 } else { used as f64 * 100.0 / total as f64 }
}

fn rounded(value: f64) -> f64 {
    (value * 10.0).round() / 10.0
}

/// How full something was found the last time, by the code of that result: what else was the matter then says nothing of it, and
/// holds nothing back (M-H11).
fn level_before(before: Option<&str>, degraded: &str, unhealthy: &str) -> Option<HealthStatus> {
    match before? {
        code if code == unhealthy => Some(HealthStatus::Unhealthy),
        code if code == degraded => Some(HealthStatus::Degraded),
        _ => None,
    }
}

/// How the database stands. `before` is the code of the last result.
pub(super) fn of_database(
    key: CheckKey,
    facts: Result<DatabaseFacts, StateError>,
    before: Option<&str>,
    at: DateTime<Utc>,
) -> Check {
    let facts = match facts {
        Ok(facts) => facts,
        Err(error) => {
            let code = match error.kind {
                StateErrorKind::Refused => "refused",
                StateErrorKind::Incompatible => "incompatible",
                _ => "unreachable",
            };
            let why = error.why.map_or(String::new(), |why| format!(": {}", why.replace(['\r', '\n'], " ")));
            return Check::new(key, HealthStatus::Unhealthy, code, format!("{}{why}", error.what), at);
        }
    };
    let DatabaseFacts { latency, version, installed, known, is_read_only, connections } = facts;
    let used = connections.map(|own| percent(own.used.unsigned_abs(), own.most.unsigned_abs()));
    let before = level_before(before, CONNECTIONS_LOW, CONNECTIONS_USED_UP);
    let saturation = used.map_or(HealthStatus::Healthy, |used| level(used, &Limits::default(), before));
    let words =
        connections.map_or(String::new(), |own| format!("{} of {} connections are used", own.used, own.most));
    let (status, code, message) = match () {
        () if installed == 0 => (
            HealthStatus::Degraded,
            "not_installed",
            "it answers; synthex is not installed in it: run `synthex apply`, or `synthex db migrate`"
                .to_owned(),
        ),
        () if saturation == HealthStatus::Unhealthy => (saturation, CONNECTIONS_USED_UP, words),
        () if installed < known => (
            HealthStatus::Degraded,
            "migrations_pending",
            format!(
                "migration {installed} is installed, and this synthex has {known}: run `synthex db migrate`"
            ),
        ),
        () if is_read_only => {
            (HealthStatus::Degraded, "read_only", "it takes no writes: it is a standby".to_owned())
        }
        () if saturation == HealthStatus::Degraded => (saturation, CONNECTIONS_LOW, words),
        () => (HealthStatus::Healthy, "ok", "it answers, and is at the version of this synthex".to_owned()),
    };
    let check = Check::new(key, status, code, message, at)
        .took(latency)
        .with("serverVersion", version)
        .with("migration", installed)
        .with("knownMigration", known)
        .with("readOnly", is_read_only);
    match (connections, used) {
        (Some(own), Some(used)) => check
            .with("connections", own.used)
            .with("maxConnections", own.most)
            .with("usedPercent", rounded(used)),
        _ => check,
    }
}

/// How a disk or the memory stands. `before` is the code of the last result.
pub(super) fn of_space(
    key: CheckKey,
    space: Result<Space, String>,
    limits: &Limits,
    before: Option<&str>,
    at: DateTime<Utc>,
) -> Check {
    let space = match space {
        Ok(space) => space,
        Err(why) => return Check::new(key, HealthStatus::Unknown, "not_known", why, at),
    };
    let is_disk = key.service == CheckedService::Disk;
    let used = percent(space.total.saturating_sub(space.free), space.total);
    let worst = space.files_percent.unwrap_or_default().max(used);
    let usual = if is_disk { LEAST_DISK } else { LEAST_MEMORY };
    let floor = limits.least_free_mib.unwrap_or(usual).unsigned_abs().saturating_mul(MIB);
    let (free, total) = (space.free / MIB, space.total / MIB);
    let left = format!("{free} of {total} MiB are free ({used:.0} % used)");
    let by_percent = level(worst, limits, level_before(before, LOW, USED_UP));
    let (status, code) = if is_below(space.free, floor, before == Some(BELOW_FLOOR)) {
        (HealthStatus::Unhealthy, BELOW_FLOOR)
    } else {
        let code = match by_percent {
            HealthStatus::Healthy | HealthStatus::Unknown => "ok",
            HealthStatus::Degraded => LOW,
            HealthStatus::Unhealthy => USED_UP,
        };
        (by_percent, code)
    };
    let message = match code {
        BELOW_FLOOR => format!("{left}, less than {} MiB", floor / MIB),
        _ if worst > used => format!("{left}, and {worst:.0} % of the files there can be"),
        _ => left,
    };
    let check = Check::new(key, status, code, message, at)
        .with("of", space.of)
        .with("freeMib", free)
        .with("totalMib", total)
        .with("usedPercent", rounded(used));
    match space.files_percent {
        Some(files) => check.with("filesUsedPercent", rounded(files)),
        None => check,
    }
}

/// How the expiry of a workspace's credentials stands. It is a result of its own: an API whose credential expires soon is as
/// healthy as before (M-H3).
pub(super) fn of_expiry(key: CheckKey, counts: &ExpiryCounts, at: DateTime<Utc>) -> Check {
    let ExpiryCounts { total, expired, expiring, without_expiry, unverified } = *counts;
    let (status, code, message) = if expired > 0 {
        (HealthStatus::Unhealthy, "expired", format!("{expired} of {total} credentials have expired"))
    } else if expiring > 0 {
        let said = format!("{expiring} of {total} credentials expire within a week");
        (HealthStatus::Degraded, "expiring_soon", said)
    } else {
        (HealthStatus::Healthy, "ok", format!("none of {total} credentials expires within a week"))
    };
    Check::new(key, status, code, message, at)
        .with("total", total)
        .with("expired", expired)
        .with("expiringSoon", expiring)
        .with("withoutExpiry", without_expiry)
        .with("unverified", unverified)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at() -> DateTime<Utc> {
        "2026-11-01T00:00:00Z".parse().unwrap()
    }

    fn facts() -> DatabaseFacts {
        DatabaseFacts {
            latency: Duration::from_millis(1),
            version: "17.2".to_owned(),
            installed: 7,
            known: 7,
            is_read_only: false,
            connections: Some(Connections { used: 10, most: 100 }),
        }
    }

    #[track_caller]
    fn database(facts: DatabaseFacts, status: HealthStatus, code: &str) {
        let check = of_database(CheckKey::new("", CheckedService::Database, ""), Ok(facts), None, at());
        assert_eq!((check.status, check.code), (status, code));
    }

    #[test]
    fn what_the_database_lacks_is_told_apart() {
        database(facts(), HealthStatus::Healthy, "ok");
        database(DatabaseFacts { installed: 0, ..facts() }, HealthStatus::Degraded, "not_installed");
        database(DatabaseFacts { installed: 6, ..facts() }, HealthStatus::Degraded, "migrations_pending");
        database(DatabaseFacts { is_read_only: true, ..facts() }, HealthStatus::Degraded, "read_only");
        let used = |used| DatabaseFacts { connections: Some(Connections { used, most: 100 }), ..facts() };
        database(used(80), HealthStatus::Degraded, "connections_low");
        database(used(95), HealthStatus::Unhealthy, "connections_used_up");
        database(DatabaseFacts { connections: None, ..facts() }, HealthStatus::Healthy, "ok");
        let error = StateError::new(StateErrorKind::Unreachable, "no answer").why("refused\nindeed");
        let check = of_database(CheckKey::new("", CheckedService::Database, ""), Err(error), None, at());
        assert_eq!((check.status, check.code), (HealthStatus::Unhealthy, "unreachable"));
        assert_eq!(check.message, "no answer: refused indeed");
    }

    #[track_caller]
    fn disk(free: u64, total: u64, files: Option<f64>, code: &str) {
        let space = Space { total: total * MIB, free: free * MIB, of: "/".to_owned(), files_percent: files };
        let key = CheckKey::new("", CheckedService::Disk, "host");
        assert_eq!(of_space(key, Ok(space), &Limits::default(), None, at()).code, code, "{free} of {total}");
    }

    #[test]
    fn a_disk_is_looked_at_by_percent_by_floor_and_by_its_files() {
        disk(5_000, 10_000, None, "ok");
        disk(2_000, 10_000, None, "low");
        disk(500, 10_000, None, "used_up");
        // A large one has room at 96 %; a small one has none at 50.
        disk(200, 400, None, "below_floor");
        disk(9_000, 10_000, Some(81.0), "low");
        disk(9_000, 10_000, Some(99.0), "used_up");
    }

    #[test]
    fn what_stands_bad_must_come_back_further_and_only_what_stood_bad_for_that_reason() {
        let connections = |used, before: Option<&str>| {
            let facts = DatabaseFacts { connections: Some(Connections { used, most: 100 }), ..facts() };
            of_database(CheckKey::new("", CheckedService::Database, ""), Ok(facts), before, at()).code
        };
        assert_eq!(connections(76, Some("connections_low")), "connections_low");
        assert_eq!(connections(74, Some("connections_low")), "ok");
        assert_eq!(connections(91, Some("connections_used_up")), "connections_used_up");
        assert_eq!(connections(89, Some("connections_used_up")), "connections_low");
        for other in ["migrations_pending", "read_only", "not_installed", "unreachable", "refused", "ok"] {
            assert_eq!(connections(76, Some(other)), "ok", "{other}");
            assert_eq!(connections(91, Some(other)), "connections_low", "{other}");
        }
        let disk = |free: u64, total: u64, before: &str| {
            let space =
                Space { total: total * MIB, free: free * MIB, of: "/".to_owned(), files_percent: None };
            let key = CheckKey::new("", CheckedService::Disk, "host");
            of_space(key, Ok(space), &Limits::default(), Some(before), at()).code
        };
        assert_eq!(disk(2_400, 10_000, "low"), "low");
        assert_eq!(disk(2_600, 10_000, "low"), "ok");
        assert_eq!(disk(900, 10_000, "used_up"), "used_up");
        // The floor has a band of its own: 256 MiB, and a tenth of them.
        assert_eq!(disk(270, 1_000, "below_floor"), "below_floor");
        assert_eq!(disk(270, 1_000, "used_up"), "ok");
        assert_eq!(disk(2_400, 10_000, "below_floor"), "ok");
        assert_eq!(disk(2_400, 10_000, "not_known"), "ok");
    }

    #[test]
    fn expiry_stands_as_its_worst_credential() {
        let of = |expired, expiring| {
            let counts = ExpiryCounts { total: 5, expired, expiring, ..ExpiryCounts::default() };
            of_expiry(CheckKey::new("w", CheckedService::Credentials, ""), &counts, at()).code
        };
        assert_eq!([of(0, 0), of(0, 1), of(1, 1)], ["ok", "expiring_soon", "expired"]);
    }
}
