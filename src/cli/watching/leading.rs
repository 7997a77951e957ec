//! The lease of the one that reconciles: this controller takes it when it is free, and says that it is alive.
//!
//! Only one of the controllers of a project reconciles. Who that is, the lease says, and its fencing token is checked in every
//! transaction that he writes in: so one that was suspended and wakes up writes nothing (R63).

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;
use futures_util::future::LocalBoxFuture;
use serde_json::json;
use tokio::time::Instant;

use crate::engine::watching::{Realm, Replica};
use crate::engine::{Holder, LeaseGrant, StateError};
use crate::store::Hold;
use crate::store::error::{is_said_by_the_server, is_shutdown};
use crate::watch::http::{LeaseSeen, Role};
use crate::watch::{Board, Ran, Stop, Task, TaskCode, TaskFailure};

use super::{Line, Station};

/// How long the lease lasts without a word from its holder. With the time between two looks, a replica takes over within 15
/// seconds (S6).
pub const LEASE_TTL: Duration = Duration::from_secs(10);

/// How often the holder says that he is alive, and the others look.
pub const LOOK: Duration = Duration::from_secs(2);

/// How long a look may take from when the controller is asked to stop.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// How often a controller says how it is while nothing about it changes.
const SAY: Duration = Duration::from_secs(15);

/// Whether this controller is the one that reconciles, as it knows itself.
#[derive(Debug, Default)]
pub struct Leadership {
    grant: Option<LeaseGrant>,
    /// From then on it must not think so any more.
    until: Option<Instant>,
    /// Who is, in words.
    other: Option<String>,
}

impl Leadership {
    /// The lease, while it is held.
    #[must_use]
    pub fn grant(&self) -> Option<&LeaseGrant> {
        self.grant.as_ref().filter(|_| self.until.is_some_and(|until| Instant::now() < until))
    }

    /// Who holds it, in words, where that is somebody else.
    #[must_use]
    pub fn other(&self) -> Option<&str> {
        self.other.as_deref()
    }

    /// It turned out to be lost.
    pub fn lose(&mut self) {
        (self.grant, self.until) = (None, None);
    }
}

/// Takes the lease, and keeps it.
pub struct LeadTask<'c> {
    station: &'c Station<'c>,
    realm: Realm,
    holder: Holder,
    line: Line,
    leadership: Rc<RefCell<Leadership>>,
    board: Arc<Board>,
    /// When it last said how it is, and what of it others go by.
    said: Option<(Instant, Told)>,
    /// When it was last looked for a controller that enforces, and whether there is one.
    yielded: Option<(Instant, bool)>,
}

/// What others see of this controller at once: whether it leads, and which of its tasks fail.
type Told = (bool, Vec<TaskCode>);

impl<'c> LeadTask<'c> {
    /// Nobody leads yet.
    #[must_use]
    pub fn new(station: &'c Station<'c>, board: Arc<Board>, leadership: Rc<RefCell<Leadership>>) -> Self {
        let holder = Holder { id: station.replica, ..station.context.holder("watch") };
        Self {
            station,
            realm: station.realm(),
            holder,
            line: Line::new(&station.options),
            leadership,
            board,
            said: None,
            yielded: None,
        }
    }

    async fn once(&mut self) -> Ran {
        let vitals = &self.station.vitals;
        let held = match self.look().await {
            Ok(held) => held,
            Err(error) => {
                self.leadership.borrow_mut().other = None;
                self.refused(&error);
                vitals.database_failed(error.what.clone(), self.station.context.clock.now());
                if self.leadership.borrow().grant().is_none() {
                    self.station.vitals.set_role(Role::Standby);
                }
                return Ran::failed(TaskFailure::from(&error));
            }
        };
        self.tell(held.is_some());
        if held == Some(true) {
            tracing::info!(replica = %self.station.replica, "this controller reconciles from now on");
        }
        let said = self.say(held.is_some()).await;
        match &said {
            Ok(has_written) if *has_written || held.is_some() => self.station.vitals.database_accepted(),
            Ok(_) => {}
            Err(error) => self.refused(error),
        }
        let failure = said.err().map(|error| TaskFailure::from(&error));
        let role = if held.is_some() { "leader" } else { "standby" };
        let status = json!({"role": role, "leader": self.leadership.borrow().other()});
        let wakes = if held == Some(true) { vec![TaskCode::Reconcile] } else { Vec::new() };
        Ran { status, failure, wakes, again: None }
    }

    async fn look(&mut self) -> Result<Option<bool>, StateError> {
        let held = self.leadership.borrow().grant.clone();
        let begun = Instant::now();
        if self.yields().await? {
            return Ok(None);
        }
        let connection = self.line.connection().await?;
        let hold = connection.hold(&self.holder, &self.realm.lease(), LEASE_TTL, held.as_ref()).await;
        let hold = self.line.used(hold)?;
        let mut leadership = self.leadership.borrow_mut();
        Ok(match hold {
            Hold::Ours(grant, is_new) => {
                leadership.grant = Some(grant);
                leadership.until = Some(begun + LEASE_TTL);
                leadership.other = None;
                Some(is_new)
            }
            Hold::Others(who) => {
                leadership.lose();
                leadership.other = Some(who);
                None
            }
        })
    }

    /// Whether there is a controller that enforces: then one that only observes leaves the lease to it.
    async fn yields(&mut self) -> Result<bool, StateError> {
        if !self.station.only_observes {
            return Ok(false);
        }
        if self.yielded.is_none_or(|(at, _)| at.elapsed() >= SAY) {
            let connection = self.line.connection().await?;
            let replicas = connection.replicas(&self.realm).await;
            let living = |own: &Replica| {
                own.mode == "enforce"
                    && own.seen_at > self.station.context.clock.now() - TimeDelta::minutes(1)
            };
            let yields = self.line.used(replicas)?.iter().any(living);
            self.yielded = Some((Instant::now(), yields));
        }
        let yields = self.yielded.is_some_and(|(_, yields)| yields);
        if yields {
            if self.leadership.borrow().grant.is_some() {
                let connection = self.line.connection().await?;
                let given = connection.give_back(&self.holder).await;
                self.line.used(given)?;
            }
            let mut leadership = self.leadership.borrow_mut();
            leadership.lose();
            leadership.other = Some("a controller that enforces runs, and this one only observes".to_owned());
        }
        Ok(yields)
    }

    /// Tells the endpoints.
    fn tell(&self, is_leader: bool) {
        let station = self.station;
        let now = station.context.clock.now();
        station.vitals.database_answered(now);
        station.vitals.set_role(match (is_leader, station.only_observes) {
            (true, false) => Role::Leader,
            (true, true) => Role::Observer,
            (false, _) => Role::Standby,
        });
        if !is_leader {
            // Another one knows how things stand now.
            station.vitals.set_conditions(Vec::new());
            station.vitals.set_drift(BTreeMap::new());
        }
        let token = self.leadership.borrow().grant().and_then(|grant| grant.tokens.first().map(|own| own.1));
        let expires_at = chrono::TimeDelta::from_std(LEASE_TTL).map_or(now, |ttl| now + ttl);
        station.vitals.set_lease(token.map(|token| LeaseSeen { token, expires_at }));
    }

    /// Tells the endpoints what the database itself refuses. Where it does not answer at all, its silence tells.
    fn refused(&self, error: &StateError) {
        if is_said_by_the_server(error) && !is_shutdown(error) {
            self.station.vitals.database_refused(error.what.clone());
        }
    }

    /// Whether there was anything to be said anew.
    async fn say(&mut self, is_leader: bool) -> Result<bool, StateError> {
        let states = self.board.states();
        let failing = states.iter().filter(|(_, state)| state.failure.is_some()).map(|(code, _)| *code);
        let told: Told = (is_leader, failing.collect());
        if self.said.as_ref().is_some_and(|(at, before)| at.elapsed() < SAY && *before == told) {
            return Ok(false);
        }
        let station = self.station;
        let now = station.context.clock.now();
        let replica = Replica {
            id: station.replica,
            host: self.holder.host.clone(),
            pid: i64::from(self.holder.pid),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            mode: if station.only_observes { "observe" } else { "enforce" }.to_owned(),
            listen: station.listen.clone(),
            is_leader,
            started_at: now,
            seen_at: now,
            tasks: serde_json::to_value(states).unwrap_or_default(),
        };
        let connection = self.line.connection().await?;
        let said = connection.say_replica(&self.realm, &replica).await;
        self.line.used(said)?;
        self.said = Some((Instant::now(), told));
        Ok(true)
    }
}

/// Gives the lease back, so that another one need not wait for its end.
pub async fn end(station: &Station<'_>) {
    let holder = Holder { id: station.replica, ..station.context.holder("watch") };
    let work = async {
        let mut connection = station.options.clone().left_in(None).connect().await?;
        connection.give_back(&holder).await?;
        connection.end_replica(holder.id).await?;
        connection.close().await;
        Ok::<_, StateError>(())
    };
    match tokio::time::timeout(Duration::from_secs(3), work).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => {
            tracing::info!(%error, "the lease was not given back and runs out in {LEASE_TTL:?}");
        }
        Err(_) => tracing::info!("the lease was not given back in time and runs out in {LEASE_TTL:?}"),
    }
}

impl Task for LeadTask<'_> {
    fn run<'a>(&'a mut self, stop: &'a Stop) -> LocalBoxFuture<'a, Ran> {
        Box::pin(async move {
            // A commit that is under way ends first, so that what it takes is given back at the end.
            stop.or_after(LAST_WORDS, self.once()).await.unwrap_or_default()
        })
    }
}
