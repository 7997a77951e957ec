//! Plans, and reads what decides about it: rollbacks, pauses, health.

use std::collections::BTreeMap;

use crate::cli::project;
use crate::cli::watching::source::Good;
use crate::engine::watching::Stamp;
use crate::engine::{self, StateError};
use crate::manifest::{self, Origins};
use crate::plan::pauses::{Pause, Pauses};
use crate::plan::{self, Desired, Ignore, Observed, Plan};
use crate::store::living_pauses;
use crate::watch::conditions::HealthCounts;
use crate::watch::flapping::{Flap, is_wanted};

use super::ReconcileTask;

/// So many numbers of operations may be given out and not be committed yet.
const NUMBERS: i64 = 1000;

/// A plan, and what is left alone in it.
pub(super) struct Planned {
    /// All that is not as declared.
    pub(super) plan: Plan,
    /// The same without fields that are set back again and again, where there are any.
    without: Option<Plan>,
    /// What is set back again and again.
    pub(super) flaps: Vec<Flap>,
    /// What had happened by then.
    pub(super) stamp: Stamp,
}

impl Planned {
    /// What may be done.
    pub(super) fn feasible(&self) -> &Plan {
        self.without.as_ref().unwrap_or(&self.plan)
    }
}

impl ReconcileTask<'_> {
    /// Reads what happened around the manifests.
    pub(super) async fn read_around(&mut self, stamp: &Stamp) -> Result<(), StateError> {
        self.read_rollbacks(stamp).await?;
        let now = self.now();
        let Some(state) = self.state.as_mut() else { return Ok(()) };
        // Commands write pauses into the database, and the project file has some too.
        let seen = (stamp.pauses.clone(), state.source.good.clone());
        if state.pauses_seen.as_ref() != Some(&seen) || state.pauses_end.is_some_and(|end| end <= now) {
            let connection = self.line.connection().await?;
            let rows = living_pauses(connection).await;
            let rows = self.line.used(rows)?;
            let good = self.source.good();
            let declared = good.as_ref().map_or(&[][..], |good| &good.found.project.spec.pauses);
            let pauses = Pauses::of(rows, declared, now);
            state.pauses_end = pauses.next_end();
            state.paused = pauses.iter().map(|(name, pause)| (name.to_owned(), paused(pause))).collect();
            state.pauses_seen = Some(seen);
        }
        if state.health_seen.as_ref() != Some(&stamp.health) {
            let connection = self.line.connection().await?;
            let health = connection.health_of_workspaces().await;
            let counts = |[healthy, degraded, unhealthy, unknown]: [i64; 4], example| HealthCounts {
                healthy,
                degraded,
                unhealthy,
                unknown,
                example,
            };
            state.health = self
                .line
                .used(health)?
                .into_iter()
                .map(|(workspace, numbers, example)| (workspace, counts(numbers, example)))
                .collect::<BTreeMap<_, _>>();
            state.health_seen = Some(stamp.health);
        }
        Ok(())
    }

    /// After a rollback the revision that was rolled back is not put in force again; another revision is, and so is this one once
    /// somebody has applied something on top (R77).
    async fn read_rollbacks(&mut self, stamp: &Stamp) -> Result<(), StateError> {
        let Some(state) = self.state.as_mut() else { return Ok(()) };
        let is_first = state.saved.is_none();
        let commit = self.source.good().and_then(|good| good.commit.clone());
        let source = &mut state.source;
        if stamp.operation > source.operations_seen || source.held.is_some() || self.stamp.is_none() {
            // Numbers are given out before a commit, so that one may appear below those that were seen.
            let since = source.operations_seen.min(source.held_by.unwrap_or(i64::MAX)) - NUMBERS;
            let connection = self.line.connection().await?;
            let found = connection.rolled_back(&self.realm, since).await;
            if let Some(rollback) = self.line.used(found)? {
                let is_known = source.held_by == Some(rollback.operation);
                // It went back from what the manifests said then.
                let was_meant = is_first
                    || source.good_at.is_some_and(|at| at <= rollback.at)
                    || commit.is_some() && commit == rollback.commit;
                if rollback.is_over || !is_known && !was_meant {
                    source.held = None;
                } else if !is_known {
                    source.held.clone_from(&source.good);
                    (source.applied, source.applied_at) = (None, None);
                }
                source.held_by = Some(rollback.operation);
                let note = rollback.note.map_or(String::new(), |note| format!(" {note}"));
                state.held = Some(format!(
                    "{} rolled back{note} (operation {}); another revision of the manifests goes on, or `synthex apply`",
                    rollback.actor, rollback.operation
                ));
            }
            source.operations_seen = stamp.operation;
        }
        if source.held != source.good {
            source.held = None;
        }
        if source.held.is_none() {
            state.held = None;
        }
        Ok(())
    }

    /// Says once for each revision what is there although no manifest declares it any more, as `plan` does.
    pub(super) fn say_undeclared(&mut self, good: &Good, planned: &Planned) {
        let all = &planned.plan.undeclared;
        if let Some(state) = self.state.as_mut() {
            state.undeclared = all.len();
        }
        if self.said.as_ref() == Some(&good.revision) {
            return;
        }
        self.said = Some(good.revision.clone());
        let Some(first) = all.first() else { return };
        let mut kinds = BTreeMap::<&str, usize>::new();
        for key in all {
            *kinds.entry(key.kind.slug).or_default() += 1;
        }
        let kinds: Vec<String> = kinds.iter().map(|(kind, count)| format!("{kind} {count}")).collect();
        tracing::info!(
            revision = good.revision,
            resources = all.len(),
            kinds = kinds.join(", "),
            %first,
            "in the database and no longer declared: what stays; `synthex plan` names it, and prune: true in the project file deletes it"
        );
    }

    /// Plans what is declared against what is there.
    pub(super) async fn planned(&mut self, good: &Good) -> Result<Planned, StateError> {
        let now = self.now();
        let mut flaps = self.state.as_ref().map(|state| state.corrections.flaps(now)).unwrap_or_default();
        flaps.retain(|flap| is_wanted(flap, good.declared(&flap.key)));
        let is_left = |flap: &&Flap| flap.left_until.is_some() && !flap.field.is_empty();
        let left: Vec<Ignore> = flaps
            .iter()
            .filter(is_left)
            .map(|flap| Ignore::new(&flap.key.to_string(), &flap.field))
            .collect();
        let connection = self.line.connection().await?;
        let work = async {
            connection.begin_reading().await?;
            let plan = plan(connection, good, &[], now.date_naive()).await?;
            let without = match left.as_slice() {
                [] => None,
                left => Some(self::plan(connection, good, left, now.date_naive()).await?),
            };
            let stamp = connection.stamp().await?;
            connection.rollback().await?;
            Ok((plan, without, stamp))
        };
        let planned = work.await;
        let (plan, without, stamp) = self.line.used(planned)?;
        Ok(Planned { plan, without, flaps, stamp })
    }
}

/// Who paused it, until when, and why.
fn paused(pause: &Pause) -> String {
    let until = match pause.until {
        Some(until) => format!("until {}", until.format("%Y-%m-%d %H:%M UTC")),
        None => "until somebody resumes it".to_owned(),
    };
    format!("paused by {} {until}: {}", pause.who, pause.reason)
}

async fn plan(
    connection: &mut crate::store::Connection,
    good: &Good,
    left: &[Ignore],
    today: chrono::NaiveDate,
) -> Result<Plan, StateError> {
    let spec = &good.found.project.spec;
    let moves = manifest::moved::moves(&spec.moved);
    let rules = manifest::project::ignores(spec, today);
    let mut ignores: Vec<Ignore> =
        rules.active.iter().map(|rule| Ignore::new(&rule.target, &rule.path)).collect();
    ignores.extend_from_slice(left);
    let desired = Desired {
        // What is not declared in a part of the manifests may be declared in another.
        prune: spec.prune && !good.found.partial,
        guards: &spec.guards,
        environment: spec.environment.as_deref(),
        moves: &moves,
        ignores: &ignores,
        threads: project::threads(),
        ..Desired::new(&good.found.project.name, &good.catalog.entries)
    };
    let heads = engine::observe_heads(connection, None, &[]).await?;
    let observed = if plan::is_empty(&desired, &heads) {
        Observed { heads, ..Observed::default() }
    } else {
        engine::observe_rows(connection, &desired, heads).await?
    };
    let mut plan = plan::plan(&desired, &observed, &mut Origins::new(&good.catalog));
    if good.found.partial {
        plan.undeclared.clear();
    }
    Ok(plan)
}
