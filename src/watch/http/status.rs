//! `/status`: everything that a replica knows of itself, as JSON. Its schema is `schemas/watch_status.schema.json`.

use std::time::Instant;

use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::{Value, json};

use crate::watch::board::Board;

use super::ready;
use super::vitals::{Seen, Vitals};

fn instant(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Millis, true)
}

/// The status of a replica.
pub(super) fn status(vitals: &Vitals, board: &Board) -> Value {
    let (about, seen, now) = (&vitals.about, vitals.seen(), Instant::now());
    let checks = ready::checks(about, &seen, now);
    let environment = Some(&about.environment).filter(|name| !name.is_empty());
    json!({
        "format_version": "1.0",
        "version": about.version,
        "replica": about.replica,
        "host": about.host,
        "project": about.project,
        "environment": environment,
        "mode": about.mode,
        "role": seen.role,
        "startedAt": instant(about.started_at),
        "uptimeSeconds": vitals.started.elapsed().as_secs(),
        "live": ready::alive(&seen, now).ok,
        "ready": checks.iter().all(|check| check.ok),
        "checks": checks,
        "lastCycle": seen.cycle.map(|mark| instant(mark.at)),
        "database": database(&seen, now),
        "lease": seen.lease,
        "source": seen.source.as_ref().map(|own| json!({
            "source": own.source,
            "observed": own.observed,
            "good": own.good,
            "applied": own.applied,
            "held": own.held,
            "problem": own.problem,
        })),
        "conditions": seen.conditions,
        "drift": {"objects": seen.drift.values().sum::<u64>(), "byWorkspace": seen.drift},
        "counted": seen.counted,
        "tasks": board.states(),
    })
}

fn database(seen: &Seen, now: Instant) -> Value {
    let failure = seen.database_failure.as_ref().map(|(what, at)| json!({"what": what, "at": instant(*at)}));
    let refusal = || {
        let (what, since) = ready::refusal(seen, now)?;
        let at = seen.answered?.at - chrono::TimeDelta::from_std(since).ok()?;
        Some(json!({"what": what, "at": instant(at)}))
    };
    json!({
        "up": ready::is_up(seen, now),
        "lastAnswer": seen.answered.map(|mark| instant(mark.at)),
        "failure": failure.or_else(refusal),
    })
}
