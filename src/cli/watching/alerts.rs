//! Evaluates alert rules: each workspace when time or a change may have something to say there, by turns that replicas share.
//!
//! An evaluation is idempotent, and those of one workspace take turns by a lock on a row. So a replica that is paused for longer
//! than its claim lasts holds up nobody and doubles nothing: who took its turn finds what it wrote, or the other way round.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use futures_util::FutureExt as _;
use futures_util::future::LocalBoxFuture;
use serde_json::json;
use tokio::time::Instant;

use crate::alerts::facts::{Happening, Scope};
use crate::cli::context::new_id;
use crate::cli::desk::some;
use crate::engine::StateError;
use crate::engine::alerting::{self, AlertStore as _, Evaluated};
use crate::store::alert_turns::{AlertTurn, EndedTurn, FAILED};
use crate::watch::tasks::alerts::{due_after_failures, due_again};
use crate::watch::{Ran, Stop, Task, TaskCode, TaskFailure};

use super::{Line, Station};

/// What turns are kept under.
const TASK: &str = "alerts";

/// How long what was claimed is ours.
const LEASE: Duration = Duration::from_secs(60);

/// How many workspaces are claimed at a time: few enough that others have some too.
const BATCH: usize = 16;

/// How many batches a run goes through at most.
const BATCHES: usize = 64;

/// What was declared is looked for at least this often, seen or not.
const WHOLE: TimeDelta = TimeDelta::hours(6);

/// Evaluates alert rules.
pub struct AlertsTask<'c> {
    station: &'c Station<'c>,
    line: Line,
    /// How often each workspace failed in a row.
    failures: HashMap<String, u32>,
}

/// What a run did.
#[derive(Default)]
struct Done {
    evaluated: usize,
    happened: BTreeMap<&'static str, usize>,
    messages: usize,
    untold: u64,
    failed: BTreeMap<String, String>,
    next_at: Option<DateTime<Utc>>,
    is_more: bool,
}

impl<'c> AlertsTask<'c> {
    /// Not connected yet.
    #[must_use]
    pub fn new(station: &'c Station<'c>) -> Self {
        Self { station, line: Line::new(&station.options), failures: HashMap::new() }
    }

    async fn round(&mut self, stop: &Stop, done: &mut Done) -> Result<(), StateError> {
        for _ in 0..BATCHES {
            if stop.is_requested() {
                return Ok(());
            }
            let now = self.station.context.clock.now();
            let (replica, begun) = (self.station.replica, Instant::now());
            let connection = self.line.connection().await?;
            let turns = connection.take_alert_turns(replica, LEASE, now, BATCH).await;
            let turns = self.line.used(turns)?;
            if !turns.is_open {
                let opened = self.line.connection().await?.open_alert_turns(now).await;
                self.line.used(opened)?;
                continue;
            }
            if turns.taken.is_empty() {
                done.next_at = turns.next_at;
                return Ok(());
            }
            let mut ended = Vec::with_capacity(turns.taken.len());
            let mut outcome = Ok(());
            for turn in &turns.taken {
                // What is left is somebody else's soon.
                if stop.is_requested() || begun.elapsed() > LEASE / 2 {
                    break;
                }
                match self.take(turn, done).await {
                    Ok(end) => ended.push(end),
                    Err(error) => {
                        outcome = Err(error);
                        break;
                    }
                }
            }
            self.end(&ended, ended.len() < turns.taken.len(), outcome).await?;
        }
        done.is_more = true;
        Ok(())
    }

    /// Says what became of turns, and gives the others back.
    async fn end(
        &mut self,
        ended: &[EndedTurn],
        has_left: bool,
        outcome: Result<(), StateError>,
    ) -> Result<(), StateError> {
        let replica = self.station.replica;
        // A database that is away takes no word of it; the claims end by themselves.
        let connection = match outcome {
            Ok(()) => self.line.connection().await?,
            Err(error) => return self.line.used(Err(error)),
        };
        let mut said =
            if ended.is_empty() { Ok(()) } else { connection.end_alert_turns(replica, ended).await };
        if has_left && said.is_ok() {
            said = connection.give_turns_back(TASK, replica).await;
        }
        self.line.used(said)
    }

    async fn take(&mut self, turn: &AlertTurn, done: &mut Done) -> Result<EndedTurn, StateError> {
        let now = self.station.context.clock.now();
        let mut end = EndedTurn {
            workspace: turn.workspace.clone(),
            due_at: now + WHOLE,
            seen: turn.seen.clone(),
            done_at: now,
        };
        if turn.workspace.is_empty() {
            let connection = self.line.connection().await?;
            // What is open in workspaces that are deleted ends here: they have no turns.
            let spread = async {
                connection.workspaces(Some(now)).await?;
                connection.spread_alert_turns(turn.was.as_deref(), now).await
            };
            let spread = spread.await;
            self.line.used(spread)?;
            return Ok(end);
        }
        let scope = if turn.is_of_health { Scope::Changed } else { Scope::Due };
        let connection = self.line.connection().await?;
        let only = Some(vec![turn.workspace.clone()]);
        let found = alerting::evaluate(connection, only, &scope, now, false, new_id).await?;
        for evaluated in found {
            match &evaluated.outcome {
                Ok(_) => {
                    self.failures.remove(&turn.workspace);
                    end.due_at = due_again(evaluated.upcoming, now);
                    note(done, &evaluated);
                }
                Err(error) if connection.is_gone(error) => return Err(error.again()),
                Err(error) => {
                    let failures = self.failures.entry(turn.workspace.clone()).or_default();
                    *failures = failures.saturating_add(1);
                    end.due_at = due_after_failures(*failures, now);
                    end.seen.insert(0, FAILED);
                    done.failed.insert(turn.workspace.clone(), error.what.clone());
                }
            }
        }
        Ok(end)
    }
}

/// Counts what an evaluation did, and says what is told to nobody.
fn note(done: &mut Done, evaluated: &Evaluated) {
    let Ok(outcome) = &evaluated.outcome else { return };
    done.evaluated += 1;
    done.messages += outcome.tellings.len();
    for change in &outcome.changes {
        if change.happening != Happening::Superseded {
            *done.happened.entry(change.happening.code()).or_default() += 1;
        }
    }
    for untold in &evaluated.untold {
        done.untold += untold.messages;
        tracing::warn!(
            workspace = untold.workspace,
            channel = untold.channel,
            messages = untold.messages,
            why = untold.why,
            "not told through a channel"
        );
    }
    for what in &evaluated.unreadable {
        tracing::warn!(
            workspace = evaluated.workspace,
            what,
            "says what no manifest could, so it is left out"
        );
    }
}

impl Task for AlertsTask<'_> {
    fn run<'a>(&'a mut self, stop: &'a Stop) -> LocalBoxFuture<'a, Ran> {
        async move {
            let mut done = Done::default();
            let outcome = self.round(stop, &mut done).await;
            let now = self.station.context.clock.now();
            let until = done.next_at.map(|at| (at - now).to_std().unwrap_or_default());
            let mut failure = outcome.err().map(|error| TaskFailure::from(&error));
            if failure.is_none() && !done.failed.is_empty() {
                let what = format!("the alerts of {} could not be evaluated", some(done.failed.keys()));
                let mut one = TaskFailure::new("evaluation", what);
                one.why = done.failed.values().next().cloned();
                failure = Some(one);
            }
            Ran {
                status: json!({
                    "evaluated": done.evaluated,
                    "happened": done.happened,
                    "messages": done.messages,
                    "untold": done.untold,
                    "failed": done.failed,
                    "nextAt": done.next_at,
                }),
                failure,
                again: if done.is_more { Some(Duration::ZERO) } else { until },
                wakes: if done.messages > 0 { vec![TaskCode::Delivery] } else { Vec::new() },
            }
        }
        .boxed_local()
    }
}
