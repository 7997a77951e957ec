//! Renews credentials ahead of their end, as `tenant credentials renew` does, a batch at a time.
//!
//! Only what is due is read, and by how much is `watch::tasks::renewal`. A failure is in the status of the credential, where
//! the back-off is made from it, and where the evaluation of alert rules finds it (`renewal_failed`).

use std::hash::BuildHasher as _;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use futures_util::StreamExt as _;
use futures_util::future::LocalBoxFuture;
use serde_json::{Value, json};

use crate::cli::error::CliError;
use crate::cli::providing::{self, SecretSources};
use crate::engine::credentials::{self, Finding};
use crate::engine::{Interrupt as _, StateError, StateErrorKind};
use crate::kinds::credential::{Renewal, Service};
use crate::model::usage::{Metric, Outcome};
use crate::providers::Providers;
use crate::store::RenewalTurns;
use crate::store::renewals::{Due, FreeTurns, Pick, Renewable};
use crate::watch::tasks::renewal::{self, Known};
use crate::watch::{Ran, Stop, Task, TaskCode};

use super::{Line, Station};

/// How many are read at once.
const BATCH: i64 = 200;

/// How many are renewed at a time.
const CONCURRENCY: usize = 8;

/// How long a renewal that is under way may take after the request to stop. One that is given up then has lost nothing.
const GRACE: Duration = Duration::from_secs(5);

/// When to look again where other controllers are at what is due.
const SOON: Duration = Duration::from_secs(5);

/// How many are named in the status.
const NAMED: usize = 10;

/// Renews what is due.
pub struct RenewalTask<'s> {
    station: &'s Station<'s>,
    line: Line,
    providers: Providers,
    turns: RenewalTurns,
    /// Whether a run goes on until nothing is due.
    is_thorough: bool,
    /// How many were renewed since the start, and how many could not be.
    total: (u64, u64),
}

/// What came of a turn.
enum Turned {
    Found(Finding),
    /// Another controller is at it, or was.
    Elsewhere,
    /// There was no time for it any more.
    Left,
    Failed(StateError),
}

impl<'s> RenewalTask<'s> {
    /// Nothing is connected yet.
    ///
    /// # Errors
    /// A variable that says where providers are holds no address.
    pub fn new(station: &'s Station<'s>) -> Result<Self, CliError> {
        Ok(Self {
            station,
            line: Line::new(&station.options),
            providers: providing::providers(station.context)?,
            turns: RenewalTurns {
                options: station.options.clone().left_in(None),
                actor: station.context.actor(),
            },
            is_thorough: false,
            total: (0, 0),
        })
    }

    /// The same, going on until nothing is due: for a controller that looks once. Otherwise a run is one batch, after which
    /// the task asks to run again at once, so that its status is never old.
    #[must_use]
    pub fn thorough(self) -> Self {
        Self { is_thorough: true, ..self }
    }

    async fn look(&mut self) -> Result<Due, StateError> {
        let pick = Pick {
            project: &self.station.project,
            share: renewal::SHARE,
            least_lead: renewal::LEAST_LEAD.num_seconds(),
            most_lead: renewal::MOST_LEAD.num_seconds(),
            unknown_life: renewal::UNKNOWN_LIFE.num_seconds(),
            pause: renewal::PAUSE.num_seconds(),
            exchange_pause: renewal::EXCHANGE_PAUSE.num_seconds(),
            least_wait: whole_seconds(renewal::LEAST_WAIT),
            // The jitter may make the longest wait a fifth shorter; the rule decides.
            most_wait: whole_seconds(renewal::MOST_WAIT.mul_f64(0.8)),
            most: BATCH,
        };
        let found = self.line.connection().await?.due_renewals(&pick).await;
        self.line.used(found)
    }

    async fn once(&mut self, stop: &Stop) -> Result<Ran, StateError> {
        let mut due = self.look().await?;
        let read = due.credentials.len();
        let mut next = due.next_at;
        due.credentials.retain(|one| {
            let at = renewal::due_at(&known(one), seed(one));
            if at > due.now {
                next = Some(next.map_or(at, |next| next.min(at)));
            }
            at <= due.now
        });
        if self.station.only_observes {
            let names: Vec<String> =
                due.credentials.iter().take(NAMED).map(|one| one.subject.key.to_string()).collect();
            return Ok(Ran {
                again: wait_for(next, due.now),
                ..Ran::done(json!({"due": due.count, "wouldRenew": names, "nextAt": next}))
            });
        }
        // Each controller goes in an order of its own. In the same order they would all wait for the first of them, at every
        // step; and ids that were made one after the other have too much in common to be told apart by a few bits.
        let own = std::hash::BuildHasherDefault::<std::hash::DefaultHasher>::default();
        due.credentials.sort_by_cached_key(|one| own.hash_one((self.station.replica, one.subject.id)));
        let turned = self.renew(&due, stop).await;
        let is_whole = usize::try_from(BATCH).is_ok_and(|batch| read < batch);
        Ok(self.ran(&due, turned, next, is_whole))
    }

    /// Renews what is due, so many at a time.
    async fn renew(&self, due: &Due, stop: &Stop) -> Vec<(String, Turned)> {
        let secrets = SecretSources::new(self.station.context, Some(&self.station.folder), &self.providers);
        let turns = FreeTurns { turns: self.turns.clone(), found_at: due.now };
        let is_gone = &std::cell::Cell::new(false);
        let (secrets, turns) = (&secrets, &turns);
        let mut renewing = futures_util::stream::iter(&due.credentials)
            .map(|one| async move {
                let turned = if stop.is_requested() || is_gone.get() {
                    Turned::Left
                } else {
                    self.one(turns, secrets, one).await
                };
                if matches!(&turned, Turned::Failed(error) if error.kind == StateErrorKind::Unreachable) {
                    is_gone.set(true);
                }
                (one.subject.key.to_string(), turned)
            })
            .buffer_unordered(CONCURRENCY);
        let mut done = Vec::new();
        let late = async {
            stop.requested().await;
            tokio::time::sleep(GRACE).await;
        };
        let mut late = std::pin::pin!(late);
        loop {
            tokio::select! {
                turned = renewing.next() => match turned {
                    Some(turned) => done.push(turned),
                    None => return done,
                },
                () = &mut late => return done,
            }
        }
    }

    async fn one(&self, turns: &FreeTurns, secrets: &SecretSources<'_>, one: &Renewable) -> Turned {
        let subject = &one.subject;
        let began = std::time::Instant::now();
        let finding = match credentials::renew(turns, secrets, &self.providers, subject).await {
            Ok((finding, unrecorded)) => {
                if let Some(error) = unrecorded {
                    tracing::warn!(credential = %subject.key, %error, "what came of a renewal is not recorded");
                }
                finding
            }
            Err(error) if error.kind == StateErrorKind::LeaseHeld => return Turned::Elsewhere,
            Err(error) => return Turned::Failed(error),
        };
        let works = finding.outcome.verdict().works();
        if works {
            tracing::info!(credential = %subject.key, outcome = finding.outcome.code(), "renewed");
        } else {
            tracing::warn!(
                credential = %subject.key, outcome = finding.outcome.code(), failures = one.failures + 1,
                "could not be renewed: {}", finding.message
            );
        }
        let service = match subject.service {
            Service::Shopify => "shopify",
            Service::GoogleMerchant => "google-merchant",
        };
        let ended = if works { Outcome::Succeeded } else { Outcome::Failed };
        let metric = Metric::credential_op(service, "renew", ended, began.elapsed());
        self.station.context.recorder.record(metric.with_code(finding.outcome.code()));
        Turned::Found(finding)
    }

    fn ran(
        &mut self,
        due: &Due,
        turned: Vec<(String, Turned)>,
        next: Option<DateTime<Utc>>,
        is_whole: bool,
    ) -> Ran {
        let (mut renewed, mut failures, mut elsewhere) = (0_u64, 0_u64, 0_u64);
        let mut failed: Vec<Value> = Vec::new();
        let mut failure: Option<StateError> = None;
        for (key, turned) in turned {
            match turned {
                // Another controller was quicker: its pair is there, and nobody was asked again.
                Turned::Found(finding) if finding.outcome == credentials::Outcome::Fresh => elsewhere += 1,
                Turned::Found(finding) if finding.outcome.verdict().works() => renewed += 1,
                Turned::Found(finding) => {
                    failures += 1;
                    failed.push(json!({
                        "credential": key,
                        "outcome": finding.outcome.code(),
                        "message": finding.message,
                        "help": finding.advice(),
                    }));
                }
                Turned::Elsewhere => elsewhere += 1,
                Turned::Left => {}
                Turned::Failed(error) => failure = failure.or(Some(error)),
            }
        }
        failed.truncate(NAMED);
        self.total = (self.total.0 + renewed, self.total.1 + failures);
        let has_moved = renewed + failures > 0;
        // What failed now comes back after the shortest wait, which this look knows nothing of.
        let retry = (failures > 0).then_some(renewal::LEAST_WAIT);
        let more = if has_moved && !is_whole {
            Some(Duration::ZERO)
        } else {
            (elsewhere > 0 || !is_whole).then_some(SOON)
        };
        Ran {
            status: json!({
                "due": due.count,
                "renewed": renewed,
                "failures": failures,
                "failed": failed,
                "byOthers": elsewhere,
                "nextAt": next,
                "sinceStart": {"renewed": self.total.0, "failures": self.total.1},
            }),
            failure: failure.as_ref().map(Into::into),
            again: [more, retry, wait_for(next, due.now)].into_iter().flatten().min(),
            wakes: if has_moved { vec![TaskCode::Alerts, TaskCode::Health] } else { Vec::new() },
        }
    }
}

impl Task for RenewalTask<'_> {
    fn run<'a>(&'a mut self, stop: &'a Stop) -> LocalBoxFuture<'a, Ran> {
        Box::pin(async move {
            loop {
                let ran = match self.once(stop).await {
                    Ok(ran) => ran,
                    Err(error) => return Ran::failed((&error).into()),
                };
                let goes_on = self.is_thorough && ran.again == Some(Duration::ZERO) && ran.failure.is_none();
                if !goes_on || stop.is_requested() {
                    return ran;
                }
            }
        })
    }
}

fn known(one: &Renewable) -> Known {
    Known {
        gives_a_pair: one.subject.renewal == Renewal::ShopifyRefreshToken,
        access_ends: one.access_ends,
        ends: one.ends,
        issued_at: one.issued_at,
        renewed_at: one.renewed_at,
        tried_at: one.tried_at,
        failures: one.failures,
    }
}

fn seed(one: &Renewable) -> u64 {
    let (high, low) = one.subject.id.as_u64_pair();
    high ^ low
}

fn whole_seconds(time: Duration) -> i64 {
    i64::try_from(time.as_secs()).unwrap_or(i64::MAX)
}

/// How long until then, at least a second.
fn wait_for(next: Option<DateTime<Utc>>, now: DateTime<Utc>) -> Option<Duration> {
    next.map(|next| (next - now).max(TimeDelta::seconds(1)).to_std().unwrap_or(SOON))
}
