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
use crate::engine::{LeaseGrant, StateError, StateErrorKind};
use crate::watch::backoff::Attempts;
use crate::watch::{Jumps, Ran, Stop, Task, TaskCode, TaskFailure};

use super::leading::Leadership;
use super::source::{Good, Look, Source};
use super::{Line, Station};

use execute::Executed;
use planning::Planned;
use state::State;

/// However little seems to happen, everything is compared this often: a role may have switched triggers off.
const THOROUGH: Duration = Duration::from_secs(600);

/// When to look again after something happened in the middle of it.
const AT_ONCE: Duration = Duration::from_millis(50);

/// How a cycle may have failed that compared everything all the same.
const SOURCE_FAILURES: [&str; 2] = ["source-unreachable", "invalid-manifest"];

/// When to look again after another run was in the way.
const SOON: Duration = Duration::from_secs(2);

/// After a stop was asked for, what was done is written down within this time, or not at all.
const LAST_WORDS: Duration = Duration::from_secs(3);

/// Hears which paths are to be listened to, and says whether some were not listened to before.
pub type Listens<'c> = Box<dyn FnMut(&[std::path::PathBuf]) -> bool + 'c>;

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
    /// The fencing tokens that it last led under.
    tokens: Vec<(String, i64)>,
    /// What was seen when everything was last found done.
    stamp: Option<Stamp>,
    thorough_at: Option<Instant>,
    /// What failed as a whole, and how often.
    attempts: Attempts,
    /// The last failure of them, and what had happened by then.
    failed: Option<(TaskFailure, Stamp)>,
    /// Whether something may have changed before it was listened to.
    looks_again: bool,
    /// The revision of which it was said what is there and not declared.
    said: Option<String>,
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

/// What is to be done, found out without doing any of it.
enum Found {
    /// Nothing now.
    Rest(Cycle),
    /// No revision of the manifests can be used.
    NoRevision(Box<(Look, Stamp)>),
    /// This.
    Work(Box<Work>),
}

struct Work {
    look: Look,
    stamp: Stamp,
    good: Rc<Good>,
    planned: Planned,
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
            tokens: Vec::new(),
            stamp: None,
            thorough_at: None,
            attempts: Attempts::default(),
            failed: None,
            looks_again: false,
            said: None,
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
        // Whoever waits for git or for the database hears a stop; nothing is half done then.
        let Some(found) = stop.or(Box::pin(self.find(&grant))).await else {
            return Ok(self.interrupted());
        };
        match found? {
            Found::Rest(cycle) => Ok(cycle),
            Found::NoRevision(seen) => {
                let (look, stamp) = *seen;
                let executed = Executed::default();
                match stop.or(Box::pin(self.conclude(&grant, None, &executed))).await {
                    Some(concluded) => concluded.map_err(|error| self.failed(&error, &stamp))?,
                    None => return Ok(self.interrupted()),
                }
                Ok(self.rest(&look, None))
            }
            Found::Work(work) => Box::pin(self.reconcile(&grant, *work, stop)).await,
        }
    }

    /// Looks at the manifests and at the database, and plans.
    async fn find(&mut self, grant: &LeaseGrant) -> Result<Found, TaskFailure> {
        self.remember(grant).await.map_err(|error| self.lost(&error))?;
        let is_asked = self.station.reload.swap(false, std::sync::atomic::Ordering::Relaxed);
        let now = self.now();
        let went_back = self.jumps.went_back(Instant::now(), now);
        if is_asked || went_back {
            self.attempts = Attempts::default();
        }
        if let Some(state) = self.state.as_mut().filter(|_| went_back) {
            // A pause that seemed to be over may not be, and what was to be tried again soon would be late.
            state.pauses_seen = None;
            state.backoff.hasten(now);
        }
        let is_thorough = is_asked || went_back || self.thorough_at.is_none_or(|at| at.elapsed() >= THOROUGH);
        let look = self.source.look(is_thorough).await;
        self.fall_back(&look).await;
        self.looks_again = (self.listens)(&self.source.paths());
        let stamp = self.stamp().await.map_err(|error| self.lost(&error))?;
        let now = self.now();
        let good = self.source.good();
        let Some(state) = self.state.as_mut() else { return Ok(Found::Rest(Cycle::default())) };
        state.see(&self.source.shown(), &look, good.as_deref(), now);
        let is_idle =
            !look.is_new && !is_thorough && self.stamp.as_ref() == Some(&stamp) && !state.is_due(now);
        if is_idle {
            return Ok(Found::Rest(self.rest(&look, None)));
        }
        if is_thorough {
            self.thorough_at = Some(Instant::now());
        }
        let revision = good.as_ref().map(|good| good.revision.as_str());
        // What happened since may have mended it.
        let failed = self.failed.as_ref().filter(|(_, then)| !look.is_new && then.is_of_same_acts(&stamp));
        if let Some((failure, _)) = failed
            && self.attempts.waits(revision, now).is_some()
        {
            return Ok(Found::Rest(Cycle { failure: Some(failure.clone()), ..self.rest(&look, None) }));
        }
        self.read_around(&stamp).await.map_err(|error| self.failed(&error, &stamp))?;
        let Some(good) = good else { return Ok(Found::NoRevision(Box::new((look, stamp)))) };
        let planned = self.planned(&good).await.map_err(|error| self.failed(&error, &stamp))?;
        if !planned.stamp.plans_alike(&stamp) {
            // A rollback or a pause came in between: what was read around the plan is not of its time.
            return Ok(Found::Rest(Cycle { again: Some(AT_ONCE), ..self.rest(&look, None) }));
        }
        self.say_undeclared(&good, &planned);
        Ok(Found::Work(Box::new(Work { look, stamp, good, planned })))
    }

    /// Reads the books when this controller has become the one that reconciles.
    async fn remember(&mut self, grant: &LeaseGrant) -> Result<(), StateError> {
        if self.state.as_ref().is_some_and(|state| state.is_of(grant)) {
            return Ok(());
        }
        let since = self.now() - TimeDelta::hours(1);
        let connection = self.line.connection().await?;
        let books = connection.read_books(&self.realm, since).await;
        let books = self.line.used(books)?;
        self.state = Some(State::new(books, grant));
        self.stamp = None;
        if self.tokens != grant.tokens {
            self.tokens.clone_from(&grant.tokens);
            self.thorough_at = None;
            self.attempts = Attempts::default();
        }
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

    async fn stamp(&mut self) -> Result<Stamp, StateError> {
        let connection = self.line.connection().await?;
        let stamp = connection.stamp().await;
        self.line.used(stamp)
    }

    /// Executes what was found, and draws the conclusions.
    async fn reconcile(&mut self, grant: &LeaseGrant, work: Work, stop: &Stop) -> Result<Cycle, TaskFailure> {
        let Work { look, stamp, good, planned } = work;
        let executed = Box::pin(self.execute(grant, &good, &planned, stop)).await;
        if executed.is_interrupted {
            return Ok(self.interrupted());
        }
        if let Some(error) = executed.failure.as_ref().filter(|error| error.kind == StateErrorKind::LeaseLost)
        {
            // Nothing of ours was written. If it was the lease of the one that reconciles, another one goes on.
            return Err(self.lost(error));
        }
        let concluding = Box::pin(self.conclude(grant, Some((&good, &planned)), &executed));
        let Some(concluded) = stop.or_after(LAST_WORDS, concluding).await else {
            return Ok(self.interrupted());
        };
        concluded.map_err(|error| self.failed(&error, &stamp))?;
        let mut cycle = self.rest(&look, Some((&planned, &executed)));
        match &executed.failure {
            Some(error) => {
                cycle.failure = Some(self.failed(error, &stamp));
                cycle.again = (!is_lasting(error.kind)).then_some(SOON);
                self.stamp = None;
            }
            None => {
                (self.attempts, self.failed) = (Attempts::default(), None);
                self.stamp = Some(stamp);
            }
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

    /// It was stopped on the way, and does not run again.
    fn interrupted(&mut self) -> Cycle {
        self.line.abandon();
        Cycle { status: json!({"interrupted": true}), ..Cycle::default() }
    }

    /// An error of the database is the failure of the cycle; one that says that the lease is gone ends the leadership.
    fn lost(&self, error: &StateError) -> TaskFailure {
        if error.kind == StateErrorKind::LeaseLost && error.what.contains(&self.realm.lease()) {
            self.leadership.borrow_mut().lose();
        }
        TaskFailure::from(error)
    }

    /// The same; one that will hardly pass by itself puts off the next attempt, while nothing else happens.
    fn failed(&mut self, error: &StateError, stamp: &Stamp) -> TaskFailure {
        let failure = self.lost(error);
        if is_lasting(error.kind) {
            let (now, good) = (self.now(), self.source.good());
            let revision = good.as_ref().map(|good| good.revision.as_str());
            let next = self.attempts.fail(&self.realm.lease(), revision, now);
            tracing::info!(
                code = failure.code,
                failures = self.attempts.failures(),
                next_at = %next.format("%H:%M:%S UTC"),
                "nothing could be done, and it is tried again later"
            );
            self.failed = Some((failure.clone(), stamp.clone()));
        }
        failure
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

/// Whether it will hardly pass by itself. What is away or in the way now may not be in a moment.
const fn is_lasting(kind: StateErrorKind) -> bool {
    use StateErrorKind::{Incompatible, LeaseHeld, LeaseLost, Other, Refused, Rejected, Stale, Unreachable};
    match kind {
        Refused | Rejected | Incompatible | Other => true,
        Unreachable | LeaseHeld | LeaseLost | Stale => false,
    }
}

impl Task for ReconcileTask<'_> {
    fn run<'a>(&'a mut self, stop: &'a Stop) -> LocalBoxFuture<'a, Ran> {
        Box::pin(async move {
            let begun = Instant::now();
            let cycle = Box::pin(self.cycle(stop)).await;
            // Who was stopped on the way has nothing to tell.
            if !stop.is_requested() {
                self.tell_endpoints(begun.elapsed(), &cycle);
            }
            let mut ran = match cycle {
                Ok(Cycle { status, failure, again, wakes }) => Ran { status, failure, again, wakes },
                Err(failure) => {
                    // What was seen may not have been dealt with, and what was concluded not written.
                    (self.stamp, self.state) = (None, None);
                    Ran::failed(failure)
                }
            };
            if std::mem::take(&mut self.looks_again) {
                ran.again = Some(AT_ONCE);
            }
            ran
        })
    }
}
