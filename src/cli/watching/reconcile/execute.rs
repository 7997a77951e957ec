//! Executes what is to be done now of a plan: without what is paused, what failed a moment ago, and what is set back too often.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::time::Duration;

use crate::cli::context::new_id;
use crate::cli::watching::source::Good;
use crate::engine::partial::{Isolation, LeftOut};
use crate::engine::watching::Correction;
use crate::engine::{
    self, Applied, ApplyError, ApplyRequest, Holder, LeaseEntry, LeaseGrant, NoProgress, OnError, Operation,
    OperationStatus, StateError, StateErrorKind, StateWriter as _,
};
use crate::model::ResourceKey;
use crate::plan::{Action, Plan};
use crate::store::watching::LastWriter;
use crate::store::{self, Writer};
use crate::watch::Stop;
use crate::watch::flapping::set_back;

use super::ReconcileTask;
use super::planning::Planned;
use super::state::State;

/// What came of a plan.
#[derive(Debug, Default)]
pub(super) struct Executed {
    /// The number of the operation; `None` where nothing was written.
    pub(super) revision: Option<i64>,
    /// What is as declared now.
    pub(super) done: HashSet<ResourceKey>,
    /// What could not be done: the resource, and why.
    pub(super) failed: Vec<(ResourceKey, String)>,
    /// What was set back.
    pub(super) corrections: Vec<Correction>,
    /// Why nothing could be done at all.
    pub(super) failure: Option<StateError>,
    /// Whether another run was at it, so that it is to be looked at again soon.
    pub(super) waits: bool,
    /// Workspaces that another run writes right now.
    pub(super) busy: BTreeSet<String>,
    /// Whether it was stopped on the way.
    pub(super) is_interrupted: bool,
}

impl ReconcileTask<'_> {
    /// Executes what is to be done now.
    pub(super) async fn execute(
        &mut self,
        grant: &LeaseGrant,
        good: &Good,
        planned: &Planned,
        stop: &Stop,
    ) -> Executed {
        let mut executed = Executed::default();
        let Some(state) = self.state.as_ref() else { return executed };
        let plan = planned.feasible();
        let is_held = state.held.is_some() || self.station.only_observes;
        if plan.is_empty() || !plan.refusals.is_empty() || is_held {
            return executed;
        }
        let mut left_out = self.left_out(state, planned);
        // One workspace that somebody holds keeps none of the others waiting.
        let Some(busy) = stop.or(self.busy(grant)).await else {
            return Executed { is_interrupted: true, ..executed };
        };
        executed.busy = busy;
        executed.busy.retain(|name| plan.actions.iter().any(|action| *action.key.workspace == **name));
        let is_busy = |action: &Action| executed.busy.contains(&*action.key.workspace);
        let busy = plan.actions.iter().enumerate().filter(|(_, action)| is_busy(action));
        left_out.extend(
            busy.map(|(place, _)| (place, LeftOut::Skipped("another run writes the workspace".to_owned()))),
        );
        let part = part(plan, left_out);
        if part.is_empty() {
            return executed;
        }
        let Some(writers) = stop.or(self.other_writers(&part)).await else {
            return Executed { is_interrupted: true, ..executed };
        };
        match Box::pin(self.apply(grant, good, &part, stop)).await {
            Ok(applied) => {
                executed.revision = Some(applied.revision);
                let summary = part.summary();
                tracing::info!(
                    operation = applied.revision,
                    created = summary.create,
                    updated = summary.update,
                    deleted = summary.delete,
                    left_out = applied.left_out.len(),
                    corrected = writers.len(),
                    "brought to what is declared"
                );
                let at = self.now();
                for (place, action) in part.actions.iter().enumerate() {
                    match applied.left_out.get(&place) {
                        Some(LeftOut::Failed(why) | LeftOut::Skipped(why)) => {
                            executed.failed.push((action.key.clone(), why.clone()));
                        }
                        None => {
                            executed.done.insert(action.key.clone());
                            if let Some(actor) = writers.get(&action.key) {
                                executed.corrections.extend(corrections(action, actor, at));
                            }
                        }
                    }
                }
            }
            Err(error) => self.could_not(error, &part, &mut executed),
        }
        executed
    }

    /// The workspaces whose leases others hold.
    async fn busy(&mut self, grant: &LeaseGrant) -> BTreeSet<String> {
        let found = match self.line.connection().await {
            Ok(connection) => store::leases(connection, None).await,
            Err(error) => Err(error),
        };
        let held = |entry: LeaseEntry| {
            let held = entry.held.filter(|held| held.holder != grant.holder.id)?;
            tracing::info!(workspace = held.workspace, "left alone for now: {}", held.described());
            Some(held.workspace)
        };
        match self.line.used(found) {
            Ok(entries) => entries.into_iter().flatten().filter_map(held).collect(),
            // Then whoever takes the leases finds out.
            Err(error) => {
                tracing::debug!(%error, "who holds which lease is not known");
                BTreeSet::new()
            }
        }
    }

    /// What is not to be done now, by its place in the plan.
    fn left_out(&self, state: &State, planned: &Planned) -> Vec<(usize, LeftOut)> {
        let now = self.now();
        let revision = state.source.good.as_deref();
        let is_left_alone: HashSet<&ResourceKey> = planned
            .flaps
            .iter()
            .filter(|flap| flap.left_until.is_some() && flap.field.is_empty())
            .map(|flap| &flap.key)
            .collect();
        let why = |action: &Action| {
            if state.paused.contains_key(&*action.key.workspace) {
                Some("the workspace is paused".to_owned())
            } else if let Some(waits) = state.backoff.waits(&action.key, revision, now) {
                Some(waits.error.clone())
            } else {
                is_left_alone.contains(&action.key).then(|| "it is set back again and again".to_owned())
            }
        };
        let actions = planned.feasible().actions.iter().enumerate();
        actions.filter_map(|(place, action)| Some((place, LeftOut::Skipped(why(action)?)))).collect()
    }

    /// Who had changed what is set back, in words. What is done for the first time sets nothing back.
    async fn other_writers(&mut self, part: &Plan) -> HashMap<ResourceKey, String> {
        let mut writers = HashMap::new();
        let mut unknown = Vec::new();
        let is_in_force = self
            .state
            .as_ref()
            .is_some_and(|state| state.source.applied.is_some() && state.source.applied == state.source.good);
        for action in &part.actions {
            if let Some((actor, _)) = action.reason.actor() {
                writers.insert(action.key.clone(), format!("the database role {actor}"));
            } else if is_in_force {
                unknown.push(action.key.clone());
            }
        }
        if unknown.is_empty() {
            return writers;
        }
        let found = match self.line.connection().await {
            Ok(connection) => connection.last_writers(&unknown).await,
            Err(error) => Err(error),
        };
        match self.line.used(found) {
            Ok(found) => writers.extend(found.into_iter().map(|LastWriter { key, actor, operation }| {
                let words = match operation {
                    Some((command, number)) => {
                        format!("`synthex {command}` of {actor} (operation {number})")
                    }
                    None => format!("the database role {actor}"),
                };
                (key, words)
            })),
            // That it is not known who it was holds up nothing.
            Err(error) => tracing::debug!(%error, "who wrote last is not known"),
        }
        writers
    }

    async fn apply(
        &mut self,
        grant: &LeaseGrant,
        good: &Good,
        part: &Plan,
        stop: &Stop,
    ) -> Result<Applied, ApplyError> {
        let context = self.station.context;
        let holder = Holder { commit: good.commit.clone(), ..context.holder("watch") };
        let operation = Operation {
            id: new_id(),
            project: part.project.clone(),
            command: "watch".to_owned(),
            actor: context.actor(),
            host: holder.host.clone(),
            commit: good.commit.clone(),
            run_url: None,
            environment: part.environment.clone(),
            digest: Some(part.digest()),
            status: OperationStatus::Applied,
            summary: part.summary(),
            note: Some(format!("manifests {}", good.revision)),
            acknowledged: None,
            started_at: self.now(),
        };
        let request = ApplyRequest {
            plan: part,
            holder,
            operation,
            lock_timeout: Duration::ZERO,
            on_error: OnError::Continue,
            unusable: HashSet::new(),
            under: Some(grant.clone()),
        };
        let opening = Writer::open(self.station.options.clone().left_in(None));
        let mut writer = stop.or(opening).await.ok_or(ApplyError::Interrupted)??;
        let outcome = engine::apply(&mut writer, &request, &mut NoProgress, stop).await;
        if let Err(ApplyError::NothingLeft { left_out }) = &outcome {
            self.record_failure(&mut writer, request.operation, left_out).await;
        }
        writer.close().await;
        outcome
    }

    /// What failed as a whole is on record once, and not with every further attempt.
    async fn record_failure(
        &self,
        writer: &mut Writer,
        operation: Operation,
        left_out: &HashMap<usize, LeftOut>,
    ) {
        let is_known = self.state.as_ref().is_some_and(|state| state.backoff.all().next().is_some());
        let Some(LeftOut::Failed(why) | LeftOut::Skipped(why)) = left_out.values().next() else { return };
        if is_known {
            return;
        }
        let summary = crate::plan::Summary::default();
        let status = OperationStatus::Failed;
        let operation = Operation { id: new_id(), status, summary, note: Some(why.clone()), ..operation };
        if let Err(error) = writer.note(&operation).await {
            tracing::debug!(%error, "an operation that changed nothing was not recorded");
        }
    }

    fn could_not(&self, error: ApplyError, part: &Plan, executed: &mut Executed) {
        let key_of = |place: &usize| part.actions.get(*place).map(|action| action.key.clone());
        match error {
            ApplyError::Interrupted => executed.is_interrupted = true,
            ApplyError::NothingLeft { left_out } => {
                executed.failed = left_out
                    .iter()
                    .filter_map(|(place, left)| match left {
                        LeftOut::Failed(why) | LeftOut::Skipped(why) => Some((key_of(place)?, why.clone())),
                    })
                    .collect();
            }
            ApplyError::NotConverged { left } => {
                let why = |fields: &[String]| {
                    format!("written, it does not say what is declared: {}", fields.join(", "))
                };
                executed.failed = left.iter().map(|(key, fields)| (key.clone(), why(fields))).collect();
            }
            ApplyError::State(error) | ApplyError::OutcomeUnknown(error) => match error.kind {
                StateErrorKind::LeaseHeld => {
                    tracing::info!(why = error.why.as_deref().unwrap_or_default(), "{}", error.what);
                    executed.waits = true;
                }
                // Somebody wrote between the plan and its execution: the next one knows.
                StateErrorKind::Stale => {
                    tracing::info!(why = error.why.as_deref().unwrap_or_default(), "{}", error.what);
                    executed.waits = true;
                }
                StateErrorKind::Rejected if !error.keys.is_empty() => {
                    executed.failed =
                        error.keys.iter().map(|key| (key.clone(), error.what.clone())).collect();
                }
                _ => executed.failure = Some(error),
            },
        }
    }
}

/// The plan without what is left out, and without what that means for the rest.
fn part(plan: &Plan, left_out: Vec<(usize, LeftOut)>) -> Plan {
    if left_out.is_empty() {
        return plan.clone();
    }
    let nothing = HashSet::new();
    let mut isolation = Isolation::new(&plan.actions, &nothing);
    isolation.leave_out(left_out);
    let actions = isolation.remaining().map(|(_, action)| action.clone()).collect();
    Plan { actions, ..Plan::clone(plan) }
}

fn corrections(action: &Action, actor: &str, at: chrono::DateTime<chrono::Utc>) -> Vec<Correction> {
    let key = &action.key;
    let correction =
        |(field, desired)| Correction { key: key.clone(), field, desired, actor: actor.to_owned(), at };
    set_back(action).into_iter().map(correction).collect()
}
