//! What a replica knows of itself and of what it looks after: written by the tasks, read by the endpoints from a thread of
//! their own. Nothing here waits for anything, so that probes answer while the controller computes, and while the database
//! is a black hole (S5).
//!
//! Ages are told by the machine's monotonic clock: a wall clock that jumps makes nobody unready.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use prometheus_client::metrics::histogram::Histogram;
use serde::Serialize;
use uuid::Uuid;

use crate::engine::delivery::Counts;
use crate::engine::watching::{Condition, SourceRecord};

/// What does not change while a replica runs.
#[derive(Clone, Debug)]
pub struct About {
    /// This run of the controller.
    pub replica: Uuid,
    /// The machine.
    pub host: String,
    /// The version of the program.
    pub version: &'static str,
    /// The project.
    pub project: String,
    /// The environment of the project; empty where it has none.
    pub environment: String,
    /// `observe` or `enforce`.
    pub mode: &'static str,
    /// How long it waits between two cycles when nothing happens.
    pub interval: Duration,
    /// When it began.
    pub started_at: DateTime<Utc>,
}

/// What a replica is at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// It does not know yet.
    #[default]
    Starting,
    /// It reconciles.
    Leader,
    /// It waits to take over, and does its part of the other work.
    Standby,
    /// It only says what it would do.
    Observer,
}

impl Role {
    /// The word for it.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Leader => "leader",
            Self::Standby => "standby",
            Self::Observer => "observer",
        }
    }
}

/// A moment on both clocks: for ages, and for people.
#[derive(Clone, Copy, Debug)]
pub(super) struct Mark {
    pub instant: Instant,
    pub at: DateTime<Utc>,
}

/// The lease of the one that reconciles, where this replica holds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LeaseSeen {
    /// The fencing token: it rises whenever the lease passes to somebody else.
    pub token: i64,
    /// Until when it is held, by the clock of the database.
    pub expires_at: DateTime<Utc>,
}

/// What is counted in the database, all at once, for the metrics.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Counted {
    /// Deliveries by state; states that nobody waits for are left out.
    pub deliveries: Deliveries,
    /// Credentials by the time that is left.
    pub credentials: Credentials,
    /// Alerts that fire, that are not muted and that nobody acknowledged, by severity.
    pub alerts: Alerts,
}

/// Deliveries by state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Deliveries {
    /// Not tried yet.
    pub pending: u64,
    /// With a worker.
    pub sending: u64,
    /// Tried in vain, and tried again.
    pub retrying: u64,
    /// Refused for good.
    pub failed: u64,
    /// Given up after the last attempt.
    pub dead: u64,
}

/// Credentials that are used, by the time that is left until they end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Credentials {
    /// They have ended.
    pub expired: u64,
    /// Less than a day.
    pub day: u64,
    /// Less than 7 days.
    pub week: u64,
    /// Less than 30 days.
    pub month: u64,
    /// 30 days or more.
    pub later: u64,
    /// Nobody knows.
    pub unknown: u64,
}

/// Alerts by severity.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Alerts {
    /// Act now.
    pub critical: u64,
    /// Act soon.
    pub warning: u64,
    /// Good to know.
    pub info: u64,
    /// Of any severity, and told to nobody: no rule covers them.
    pub unrouted: u64,
}

/// All of it at one moment.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    pub beat: Instant,
    pub role: Role,
    /// Why it ends, once it does.
    pub ending: Option<String>,
    pub answered: Option<Mark>,
    pub database_failure: Option<(String, DateTime<Utc>)>,
    /// What the database refused of what this replica lives by, and since when.
    pub refusal: Option<(String, Instant)>,
    pub cycle: Option<Mark>,
    /// What was wrong in the last cycle, be it complete or not.
    pub cycle_problem: Option<String>,
    pub source: Option<SourceRecord>,
    pub conditions: Vec<Condition>,
    pub lease: Option<LeaseSeen>,
    pub drift: BTreeMap<String, u64>,
    pub counted: Option<Counted>,
    pub delivered: Counts,
}

/// What a replica knows. Every method is quick, and none waits.
#[derive(Debug)]
pub struct Vitals {
    /// What does not change.
    pub about: About,
    pub(super) started: Instant,
    pub(super) reconciled: Histogram,
    seen: Mutex<Seen>,
}

impl Vitals {
    /// Of a replica that has just begun.
    #[must_use]
    pub fn new(about: About) -> Self {
        let started = Instant::now();
        let seen = Seen {
            beat: started,
            role: Role::Starting,
            ending: None,
            answered: None,
            database_failure: None,
            refusal: None,
            cycle: None,
            cycle_problem: None,
            source: None,
            conditions: Vec::new(),
            lease: None,
            drift: BTreeMap::new(),
            counted: None,
            delivered: Counts::default(),
        };
        let steps = [0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0, 300.0];
        Self { about, started, reconciled: Histogram::new(steps), seen: Mutex::new(seen) }
    }

    /// The driver's loop is alive. To be said every second; after 30 s without it, `/livez` fails.
    pub fn beat(&self) {
        self.write().beat = Instant::now();
    }

    /// What it is at from now on. Without a lease it is not the leader: a lease that was told is forgotten.
    pub fn set_role(&self, role: Role) {
        let mut seen = self.write();
        seen.role = role;
        if role != Role::Leader {
            seen.lease = None;
        }
    }

    /// It ends, for that reason: `/readyz` fails from now on, so that nobody sends it anything more. The first reason counts.
    pub fn ending(&self, why: impl Into<String>) {
        self.write().ending.get_or_insert(why.into());
    }

    /// The database has just answered, whoever asked it.
    pub fn database_answered(&self, now: DateTime<Utc>) {
        let mut seen = self.write();
        seen.answered = Some(Mark { instant: Instant::now(), at: now });
        seen.database_failure = None;
    }

    /// The database could not be reached, or did not answer: what happened, in one line without secrets.
    pub fn database_failed(&self, what: impl Into<String>, now: DateTime<Utc>) {
        self.write().database_failure = Some((what.into(), now));
    }

    /// The database answers, and refuses what this replica lives by: its lease, or the word that it runs. What it said, in one
    /// line without secrets. A full disk shows so: what only reads goes on.
    pub fn database_refused(&self, what: impl Into<String>) {
        let mut seen = self.write();
        let since = seen.refusal.as_ref().map_or_else(Instant::now, |(_, since)| *since);
        seen.refusal = Some((what.into(), since));
    }

    /// It takes that again.
    pub fn database_accepted(&self) {
        self.write().refusal = None;
    }

    /// A cycle is complete: the leader, or the observer, compared everything that is declared; a standby found that another
    /// one leads. Not older than twice the interval, or `/readyz` fails.
    pub fn cycle_done(&self, now: DateTime<Utc>) {
        self.write().cycle = Some(Mark { instant: Instant::now(), at: now });
    }

    /// What was wrong in the last cycle, in one line without secrets; `None` where nothing was. A cycle may be complete all the
    /// same: while the newest manifests cannot be used, the last good ones are compared.
    pub fn set_cycle_problem(&self, problem: Option<String>) {
        self.write().cycle_problem = problem;
    }

    /// How long a cycle of reconciling took, be it complete or not: for the histogram.
    pub fn reconcile_took(&self, took: Duration) {
        self.reconciled.observe(took.as_secs_f64());
    }

    /// What is known of the manifests.
    pub fn set_source(&self, source: SourceRecord) {
        self.write().source = Some(source);
    }

    /// How the workspaces stand: all of their conditions, in the place of those before.
    pub fn set_conditions(&self, conditions: Vec<Condition>) {
        self.write().conditions = conditions;
    }

    /// How many resources are not as declared, by workspace, in the place of those before.
    pub fn set_drift(&self, objects: BTreeMap<String, u64>) {
        self.write().drift = objects;
    }

    /// The lease that was taken or prolonged; `None` once it is lost or given back.
    pub fn set_lease(&self, lease: Option<LeaseSeen>) {
        self.write().lease = lease;
    }

    /// What was counted in the database.
    pub fn set_counted(&self, counted: Counted) {
        self.write().counted = Some(counted);
    }

    /// What came of a round of deliveries: added to those before.
    pub fn delivered(&self, counts: &Counts) {
        self.write().delivered.add(counts);
    }

    pub(super) fn seen(&self) -> Seen {
        self.write().clone()
    }

    fn write(&self) -> MutexGuard<'_, Seen> {
        // Each setter writes whole fields, so one that died in the middle left nothing that is half true.
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
