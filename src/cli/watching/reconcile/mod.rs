//! Brings the database to what is declared, again and again: looks at the manifests and at what happened in the database, plans,
//! leaves out what is not to be done now, and executes the rest through the one engine.
//!
//! Most looks find that nothing happened, and cost one statement. What is decided is in `watch`: what waits after a failure,
//! what flaps, what is said of each workspace.

mod conclude;
mod execute;
mod planning;
mod state;

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use futures_util::future::LocalBoxFuture;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::engine::watching::{Realm, Stamp};
use crate::engine::{LeaseGrant, StateErrorKind};
use crate::watch::{Jumps, Ran, Stop, Task, TaskCode, TaskFailure};

use super::leading::Leadership;
use super::source::{Look, Source};
use super::{Line, Station};

use execute::Executed;
use planning::Planned;
use state::State;

/// However little seems to happen, everything is compared this often: a role may have switched triggers off.
const THOROUGH: Duration = Duration::from_secs(600);

/// When to look again after something happened in the middle of it.
const AT_ONCE: Duration = Duration::from_millis(50);

/// When to look again after another run was in the way.
const SOON: Duration = Duration::from_secs(2);

/// Hears which paths are to be listened to.
pub type Listens<'c> = Box<dyn FnMut(&[std::path::PathBuf]) + 'c>;

/// Brings the database to what is declared.
pub struct ReconcileTask<'c> {
    station: &'c Station<'c>,
    realm: Realm,
    line: Line,
    source: Source<'c>,
    leadership: Rc<RefCell<Leadership>>,
    /// Hears which paths are to be listened to.
    listens: Listens<'c>,
    /// What is known while this controller leads.
    state: Option<State>,
    /// What was seen when everything was last found done.
    stamp: Option<Stamp>,
    thorough_at: Option<Instant>,
    jumps: Jumps,
}

/// What a cycle came to.
#[derive(Default)]
struct Cycle {
    status: Value,
    failure: Option<TaskFailure>,
    again: Option<Duration>,
    wakes: Vec<TaskCode>,
}

impl<'c> ReconcileTask<'c> {
    /// It has looked at nothing yet.
    #[must_use]
    pub fn new(
        station: &'c Station<'c>,
        source: Source<'c>,
        leadership: Rc<RefCell<Leadership>>,
        listens: Listens<'c>,
    ) -> Self {
        Self {
            station,
            realm: station.realm(),
            line: Line::new(&station.options),
            source,
            leadership,
            listens,
            state: None,
            stamp: None,
            thorough_at: None,
            jumps: Jumps::default(),
        }
    }

    fn now(&self) -> DateTime<Utc> {
        self.station.context.clock.now()
    }

    async fn cycle(&mut self, stop: &Stop) -> Result<Cycle, TaskFailure> {
        let grant = self.leadership.borrow().grant().cloned();
        let Some(grant) = grant else {
            self.state = None;
            let leader = self.leadership.borrow().other().map(str::to_owned);
            return Ok(Cycle { status: json!({"role": "standby", "leader": leader}), ..Cycle::default() });
        };
        self.remember(&grant).await?;
        let is_asked = self.station.reload.swap(false, std::sync::atomic::Ordering::Relaxed);
        let went_back = self.jumps.went_back(Instant::now(), self.now());
        if let Some(state) = self.state.as_mut().filter(|_| went_back) {
            // A pause that seemed to be over may not be.
            state.pauses_seen = None;
        }
        let is_thorough = is_asked || went_back || self.thorough_at.is_none_or(|at| at.elapsed() >= THOROUGH);
        let look = self.source.look(is_thorough).await;
        self.fall_back(&look).await;
        if look.is_new {
            (self.listens)(&self.source.paths());
        }
        let stamp = self.stamp().await?;
        let now = self.now();
        let Some(state) = self.state.as_mut() else { return Ok(Cycle::default()) };
        state.see(&self.source.shown(), &look, self.source.good().as_deref(), now);
        let is_idle =
            !look.is_new && !is_thorough && self.stamp.as_ref() == Some(&stamp) && !state.is_due(now);
        if is_idle {
            return Ok(self.rest(&look, None));
        }
        self.reconcile(&grant, &look, stamp, is_thorough, stop).await
    }

    /// Reads the books when this controller has become the one that reconciles.
    async fn remember(&mut self, grant: &LeaseGrant) -> Result<(), TaskFailure> {
        if self.state.as_ref().is_some_and(|state| state.is_of(grant)) {
            return Ok(());
        }
        let since = self.now() - TimeDelta::hours(1);
        let connection = self.line.connection().await.map_err(|error| TaskFailure::from(&error))?;
        let books = connection.read_books(&self.realm, since).await;
        let books = self.line.used(books).map_err(|error| TaskFailure::from(&error))?;
        self.state = Some(State::new(books, grant));
        (self.stamp, self.thorough_at) = (None, None);
        Ok(())
    }

    /// While the newest revision is of no use, the one that was last good by the books is in force, and not an older one that this
    /// controller happens to know.
    async fn fall_back(&mut self, look: &Look) {
        let Some(state) = &self.state else { return };
        if look.problem.is_none() {
            return;
        }
        if let Some(good) = state.saved.as_ref().and_then(|saved| saved.good.clone()) {
            self.source.fall_back(&good).await;
        }
    }

    async fn stamp(&mut self) -> Result<Stamp, TaskFailure> {
        let connection = self.line.connection().await.map_err(|error| TaskFailure::from(&error))?;
        let stamp = connection.stamp().await;
        self.line.used(stamp).map_err(|error| TaskFailure::from(&error))
    }

    async fn reconcile(
        &mut self,
        grant: &LeaseGrant,
        look: &Look,
        stamp: Stamp,
        is_thorough: bool,
        stop: &Stop,
    ) -> Result<Cycle, TaskFailure> {
        self.read_around(&stamp).await.map_err(|error| self.failed(&error))?;
        let Some(good) = self.source.good() else {
            let concluded = self.conclude(grant, None, &Executed::default()).await;
            concluded.map_err(|error| self.failed(&error))?;
            return Ok(self.rest(look, None));
        };
        if is_thorough {
            self.thorough_at = Some(Instant::now());
        }
        let planned = self.planned(&good).await.map_err(|error| self.failed(&error))?;
        if !planned.stamp.plans_alike(&stamp) {
            // A rollback or a pause came in between: what was read around the plan is not of its time.
            return Ok(Cycle { again: Some(AT_ONCE), ..self.rest(look, None) });
        }
        let executed = self.execute(grant, &good, &planned, stop).await;
        if let Some(error) = executed.failure.as_ref().filter(|error| error.kind == StateErrorKind::LeaseLost)
        {
            // Nothing of ours was written. If it was the lease of the one that reconciles, another one goes on.
            return Err(self.failed(error));
        }
        let concluded = self.conclude(grant, Some((&good, &planned)), &executed).await;
        concluded.map_err(|error| self.failed(&error))?;
        if executed.failure.is_none() && !executed.is_interrupted {
            self.stamp = Some(stamp);
        }
        let mut cycle = self.rest(look, Some((&planned, &executed)));
        if let Some(error) = &executed.failure {
            cycle.failure = cycle.failure.or_else(|| Some(TaskFailure::from(error)));
            cycle.again = Some(SOON);
        }
        if executed.waits || !executed.busy.is_empty() {
            cycle.again = Some(SOON);
            self.stamp = None;
        }
        if executed.revision.is_some() {
            cycle.wakes.extend([TaskCode::Alerts, TaskCode::Health, TaskCode::Renewal]);
        }
        Ok(cycle)
    }

    /// An error of the database is the failure of the cycle; one that says that the lease is gone ends the leadership.
    fn failed(&self, error: &crate::engine::StateError) -> TaskFailure {
        if error.kind == StateErrorKind::LeaseLost && error.what.contains(&self.realm.lease()) {
            self.leadership.borrow_mut().lose();
        }
        TaskFailure::from(error)
    }

    /// What is said at the end of a cycle.
    fn rest(&self, look: &Look, done: Option<(&Planned, &Executed)>) -> Cycle {
        let Some(state) = &self.state else { return Cycle::default() };
        let failure = look.problem.as_ref().map(|problem| {
            let (code, what, help) = if look.is_unreachable {
                ("source-unreachable", "the newest manifests cannot be had", "it is tried again")
            } else {
                ("invalid-manifest", "the newest manifests cannot be used", "correct them")
            };
            let mut failure = TaskFailure::new(code, what);
            failure.why = Some(problem.clone());
            failure.help = Some(format!("{help}; until then the last good revision stays in force"));
            failure
        });
        let now = self.now();
        let again = state.next(now).and_then(|next| (next - now).to_std().ok());
        let mut status = state.status();
        status["role"] = json!("leader");
        if let Some((planned, executed)) = done {
            status["planned"] = json!(planned.plan.actions.len());
            status["revision"] = json!(executed.revision);
        }
        Cycle { status, failure, again, wakes: Vec::new() }
    }
}

impl ReconcileTask<'_> {
    /// Tells the endpoints how things stand.
    fn tell(&self, took: Duration, is_complete: bool) {
        let vitals = &self.station.vitals;
        if is_complete {
            vitals.cycle_done(self.now());
        }
        if let Some(state) = &self.state {
            vitals.reconcile_took(took);
            vitals.set_source(state.source.clone());
            vitals.set_conditions(state.conditions.all().cloned().collect());
            vitals.set_drift(state.drift.clone());
        }
    }
}

impl Task for ReconcileTask<'_> {
    fn run<'a>(&'a mut self, stop: &'a Stop) -> LocalBoxFuture<'a, Ran> {
        Box::pin(async move {
            let begun = Instant::now();
            let cycle = Box::pin(self.cycle(stop)).await;
            self.tell(begun.elapsed(), cycle.is_ok());
            match cycle {
                Ok(Cycle { status, failure, again, wakes }) => Ran { status, failure, again, wakes },
                Err(failure) => {
                    // What was seen may not have been dealt with, and what was concluded not written.
                    (self.stamp, self.state) = (None, None);
                    Ran::failed(failure)
                }
            }
        })
    }
}
