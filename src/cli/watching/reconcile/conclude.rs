//! What follows from a cycle: what waits, what is said of each workspace, and what alerts are told of it. All of it is written in
//! one transaction, and only where something changed.

use std::collections::{BTreeMap, HashSet};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

use crate::cli::context::new_id;
use crate::cli::project::declared_workspaces;
use crate::cli::watching::source::Good;
use crate::engine::health::{Check, CheckKey, Claim, Found, HealthStore as _, Patience, Recorded, settle};
use crate::engine::watching::{BackOff, Condition, ConditionStatus, ConditionType, Entries};
use crate::engine::{LeaseGrant, StateError};
use crate::model::health::{CheckedService, HealthStatus};
use crate::model::{ResourceKey, Scope};
use crate::plan::Plan;
use crate::plan::guards::foreign_owner;
use crate::store::health::HealthBook;
use crate::watch::TaskFailure;
use crate::watch::conditions::{self, Outlook, Standing};
use crate::watch::flapping::{Flap, is_wanted};

use super::execute::Executed;
use super::planning::Planned;
use super::state::State;
use super::{Cycle, ReconcileTask, SOURCE_FAILURES};

/// After so many failures in a row, something will hardly mend itself.
const STUCK: i32 = 5;

/// How often a health check says the same again.
const SAY_AGAIN: TimeDelta = TimeDelta::minutes(15);

impl ReconcileTask<'_> {
    /// Draws the conclusions, and writes them.
    pub(super) async fn conclude(
        &mut self,
        grant: &LeaseGrant,
        done: Option<(&Good, &Planned)>,
        executed: &Executed,
    ) -> Result<(), StateError> {
        let now = self.now();
        let only_observes = self.station.only_observes;
        let ours = format!("`synthex watch` (project {})", self.realm.project);
        let Some(state) = self.state.as_mut() else { return Ok(()) };
        let (backoff, recovered) = state.backs_off(done, executed, now);
        state.corrections.add(&executed.corrections, now);
        state.looks_at = state.corrections.next(now);
        state.is_refused = done.is_some_and(|(_, planned)| !planned.plan.refusals.is_empty());
        if let Some((_, planned)) = done {
            let workspaces = foreign(&planned.plan).filter(|key| key.kind.scope == Scope::Global);
            state.of_others = workspaces.map(|key| key.name.to_string()).collect();
        }
        let outlook = outlook(state, done, executed, only_observes);
        let workspaces = match done {
            Some((good, _)) => declared_workspaces(&good.catalog.entries),
            None => {
                let mut known: Vec<String> =
                    state.conditions.all().map(|own| own.workspace.clone()).collect();
                known.dedup();
                known
            }
        };
        let standings = standings(state, &workspaces, done, executed, &ours, now);
        state.pending = standings.values().map(|own| own.pending).sum();
        state.drifted = standings.values().map(|own| own.drifted).sum();
        let pending = standings.iter().map(|(workspace, own)| (workspace.clone(), own.pending as u64));
        state.drift = done.is_some().then(|| pending.collect());
        let is_whole = executed.failure.is_none() && !executed.waits;
        if done.is_some() && is_whole && state.pending == 0 && state.source.applied != state.source.good {
            state.source.applied.clone_from(&state.source.good);
            state.source.applied_at = Some(now);
        }
        let said: Vec<Condition> = workspaces
            .iter()
            // What another run is at right now is no failure, and not worth saying.
            .filter(|workspace| !executed.busy.contains(*workspace))
            .filter_map(|workspace| Some(conditions::of(workspace, standings.get(workspace)?, &outlook, now)))
            .flatten()
            .collect();
        let known: HashSet<String> = state.conditions.all().map(|own| own.workspace.clone()).collect();
        let changed = if executed.waits { Vec::new() } else { state.conditions.say(said) };
        let forgotten = if done.is_some() { state.conditions.keep(&workspaces) } else { Vec::new() };
        let source = (state.saved.as_ref() != Some(&state.source)).then(|| state.source.clone());
        let entries = Entries {
            source: source.as_ref(),
            conditions: &changed,
            forgotten: &forgotten,
            backoff: &backoff,
            recovered: &recovered,
            corrections: &executed.corrections,
        };
        let ready = |workspace: &str| state.conditions.get(workspace, ConditionType::Ready);
        let says_more =
            |own: &&Condition| ready(&own.workspace).is_none_or(|ready| own.says_more_than(ready));
        let is_said = |own: &&Condition| own.since == now && is_news(own, known.contains(&own.workspace));
        for condition in changed.iter().filter(is_said).filter(says_more) {
            tracing::info!(
                workspace = condition.workspace,
                condition = condition.of.code(),
                status = condition.status.code(),
                reason = condition.reason,
                "{}",
                condition.message
            );
        }
        if !entries.is_empty() {
            let connection = self.line.connection().await?;
            let written = connection.write_books(&self.realm, grant, &entries, now).await;
            self.line.used(written)?;
            if let Some(state) = self.state.as_mut()
                && source.is_some()
            {
                state.saved = source;
            }
        }
        if executed.waits {
            return Ok(());
        }
        self.tell_health(now).await
    }

    /// Tells the endpoints how things stand.
    pub(super) fn tell_endpoints(&self, took: Duration, cycle: &Result<Cycle, TaskFailure>) {
        let vitals = &self.station.vitals;
        let failure = cycle.as_ref().map_or_else(Some, |cycle| cycle.failure.as_ref());
        // Manifests that are of no use keep nobody from comparing those that were last good.
        if failure.is_none_or(|failure| SOURCE_FAILURES.contains(&failure.code.as_str())) {
            vitals.cycle_done(self.now());
        }
        // Probes need no token: why, with the place in a manifest, is told by what needs one.
        vitals.set_cycle_problem(failure.map(|failure| failure.what.clone()));
        if let Some(state) = &self.state {
            vitals.reconcile_took(took);
            vitals.set_source(state.source.clone());
            vitals.set_conditions(state.conditions.all().cloned().collect());
            // Where nothing could be compared, what was found last is the best that is known.
            if let Some(drift) = &state.drift {
                vitals.set_drift(drift.clone());
            }
        }
    }

    /// Says as a health check whether what is declared is in force, so that rules can alert of it. Of a workspace that is paused
    /// nothing is said, and neither is of one that belongs to another project.
    async fn tell_health(&mut self, now: DateTime<Utc>) -> Result<(), StateError> {
        // Results carry no fencing token: who was suspended meanwhile and lost the lease keeps silent.
        let leads = self.leadership.borrow().grant().is_some();
        let Some(state) = self.state.as_mut().filter(|_| leads) else { return Ok(()) };
        let checks: Vec<Check> = state
            .conditions
            .all()
            .filter(|own| own.of == ConditionType::Ready && !state.paused.contains_key(&own.workspace))
            .filter(|own| !state.of_others.contains(&own.workspace))
            .filter_map(|own| check(state, own, now))
            .filter(|check| {
                state
                    .recorded
                    .get(&check.key.workspace)
                    .is_none_or(|(said, at)| *said != said_of(check) || (now - *at).abs() >= SAY_AGAIN)
            })
            .collect();
        if checks.is_empty() {
            return Ok(());
        }
        let connection = self.station.options.clone().left_in(None).connect().await?;
        let book = HealthBook::new(connection);
        let who = format!("watch {}", self.station.replica);
        let told = tell(&book, &checks, &who, now).await;
        book.close().await;
        let told = told?;
        // What somebody else was at is told with the next cycle.
        for check in checks.into_iter().filter(|check| told.contains(&check.key)) {
            state.recorded.insert(check.key.workspace.clone(), (said_of(&check), now));
        }
        Ok(())
    }
}

fn said_of(check: &Check) -> String {
    format!("{} {} {}", check.status.code(), check.code, check.message)
}

/// A result for the condition `Ready`; `None` where nobody knows yet.
fn check(state: &State, ready: &Condition, now: DateTime<Utc>) -> Option<Check> {
    let key = CheckKey::new(ready.workspace.clone(), CheckedService::Sync, "");
    let flapping = state.conditions.get(&ready.workspace, ConditionType::Flapping)?;
    if flapping.status == ConditionStatus::True {
        let status = if flapping.reason == "CorrectionStopped" {
            HealthStatus::Unhealthy
        } else {
            HealthStatus::Degraded
        };
        return Some(Check::new(key, status, "flapping", flapping.message.clone(), now));
    }
    let (status, code) = match (ready.status, ready.reason.as_str()) {
        (ConditionStatus::Unknown, _) => return None,
        (ConditionStatus::True, _) => (HealthStatus::Healthy, "in_sync"),
        (_, "SourceUnreachable") => (HealthStatus::Degraded, "source_unreachable"),
        (_, "InvalidManifest") => (HealthStatus::Unhealthy, "invalid_manifest"),
        (_, "Refused") => (HealthStatus::Unhealthy, "refused"),
        (_, "ApplyFailed") => (HealthStatus::Unhealthy, "apply_failed"),
        (_, "RolledBack") => (HealthStatus::Degraded, "rolled_back"),
        _ => (HealthStatus::Degraded, "out_of_sync"),
    };
    Some(Check::new(key, status, code, ready.message.clone(), now))
}

/// Keeps results as `health check` does. One is enough: what a cycle finds is no measurement that can be off once.
async fn tell(
    book: &HealthBook,
    checks: &[Check],
    who: &str,
    now: DateTime<Utc>,
) -> Result<Vec<CheckKey>, StateError> {
    let patience = Patience { failure_threshold: 1, success_threshold: 1, interval: TimeDelta::days(1) };
    let claims: Vec<Claim> =
        checks.iter().map(|check| Claim { key: check.key.clone(), tenant: None }).collect();
    let before = book.claim(&claims, who, Duration::from_secs(30), now, false).await?;
    let before: BTreeMap<CheckKey, _> = before.into_iter().collect();
    let results: Vec<Recorded> = checks
        .iter()
        .filter_map(|check| {
            let before = before.get(&check.key)?;
            let found = Found { status: check.status, code: check.code, is_failure: check.is_failure };
            let (status, settled) = settle(before.as_ref(), found, now, &patience);
            let check = Check { status, ..check.clone() };
            Some(Recorded { id: new_id(), check, settled, due_at: None })
        })
        .collect();
    book.record(&results, who).await
}

/// Whether a change is worth a line in the log. Of a workspace that was not known before, that all is well is said once.
fn is_news(condition: &Condition, is_known: bool) -> bool {
    let is_well = match condition.of {
        // Health has its own lines.
        ConditionType::Healthy => return false,
        ConditionType::Ready => return true,
        ConditionType::Synced => condition.status != ConditionStatus::False,
        ConditionType::Paused | ConditionType::Flapping | ConditionType::Stalled => {
            condition.status != ConditionStatus::True
        }
    };
    is_known || !is_well
}

fn outlook(
    state: &State,
    done: Option<(&Good, &Planned)>,
    executed: &Executed,
    only_observes: bool,
) -> Outlook {
    Outlook {
        revision: state.source.good.clone(),
        problem: state.source.problem.clone(),
        is_unreachable: state.is_unreachable,
        held: state.held.clone(),
        refused: done.map_or_else(Vec::new, |(_, planned)| {
            planned.plan.refusals.iter().map(|refusal| refusal.message.clone()).collect()
        }),
        failure: executed.failure.as_ref().map(|error| {
            let why = error.why.as_ref().map_or(String::new(), |why| format!(" ({why})"));
            format!("{}{why}", error.what)
        }),
        only_observes,
    }
}

/// What is declared and belongs to another project.
fn foreign(plan: &Plan) -> impl Iterator<Item = &ResourceKey> {
    let refusals = plan.refusals.iter().filter(|refusal| refusal.code == foreign_owner::CODE);
    refusals.filter_map(|refusal| refusal.key.as_ref())
}

/// How each workspace stands.
fn standings(
    state: &State,
    workspaces: &[String],
    done: Option<(&Good, &Planned)>,
    executed: &Executed,
    ours: &str,
    now: DateTime<Utc>,
) -> BTreeMap<String, Standing> {
    let mut all: BTreeMap<String, Standing> = workspaces
        .iter()
        .map(|name| {
            let standing = Standing {
                paused: state.paused.get(name).cloned(),
                health: state.health.get(name).cloned(),
                ..Standing::default()
            };
            (name.clone(), standing)
        })
        .collect();
    let Some((good, planned)) = done else { return all };
    let left: HashSet<&ResourceKey> =
        planned.flaps.iter().filter(|flap| flap.left_until.is_some()).map(|flap| &flap.key).collect();
    let is_pending = |key: &ResourceKey| left.contains(key) || !executed.done.contains(key);
    let mut is_out = HashSet::new();
    for action in planned.plan.actions.iter().filter(|action| is_pending(&action.key)) {
        is_out.insert(&action.key);
        if let Some(own) = all.get_mut(&*action.key.workspace) {
            own.pending += 1;
            own.drifted += usize::from(action.reason.actor().is_some());
        }
    }
    // What belongs to another project is not as declared either, although nothing is planned for it.
    for key in foreign(&planned.plan) {
        if let Some(own) = all.get_mut(&*key.workspace) {
            own.pending += 1;
        }
    }
    for back_off in state.backoff.all() {
        if let Some(own) = all.get_mut(&*back_off.key.workspace) {
            own.failing.push(format!("{}: {}", back_off.key, back_off.error));
            own.is_stuck |= back_off.failures >= STUCK;
        }
    }
    // With what was set back just now.
    let wanted = |flap: &Flap| is_wanted(flap, good.declared(&flap.key));
    for flap in state.corrections.flaps(now).iter().filter(|flap| wanted(flap)) {
        let Some(own) = all.get_mut(&*flap.key.workspace) else { continue };
        own.flapping.push(flap.words(ours));
        own.is_left_alone |= flap.left_until.is_some() && is_out.contains(&flap.key);
    }
    all
}

impl State {
    /// What waits from now on, and what waits no more.
    fn backs_off(
        &mut self,
        done: Option<(&Good, &Planned)>,
        executed: &Executed,
        now: DateTime<Utc>,
    ) -> (Vec<BackOff>, Vec<ResourceKey>) {
        let Some((_, planned)) = done else { return (Vec::new(), Vec::new()) };
        let revision = self.source.good.clone();
        let failed = executed
            .failed
            .iter()
            .map(|(key, why)| self.backoff.fail(key, why, revision.as_deref(), now))
            .collect();
        if executed.failure.is_some() || executed.waits {
            return (failed, Vec::new());
        }
        let pending: HashSet<&ResourceKey> = planned
            .plan
            .actions
            .iter()
            .map(|action| &action.key)
            .filter(|key| !executed.done.contains(*key))
            .collect();
        (failed, self.backoff.keep(|key| pending.contains(key)))
    }
}
