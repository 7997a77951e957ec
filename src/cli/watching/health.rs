//! Looks at shops, accounts, credentials, the database and this machine: what is due, by claims that replicas share (M-H2).
//!
//! What there is to be looked at gets its row when it is declared; one replica sees to that. From then on a round asks what is
//! due, and reads the tenants and credentials of that alone.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use futures_util::FutureExt as _;
use futures_util::future::LocalBoxFuture;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::cli::commands::credentials::Stock;
use crate::cli::commands::health::maintenance::Windows;
use crate::cli::commands::health::probing::{Database, Looking};
use crate::cli::commands::health::{GONE_AFTER, reading};
use crate::cli::context::{host_name, new_id};
use crate::cli::error::CliError;
use crate::cli::providing::{self, SecretSources};
use crate::engine::StateError;
use crate::engine::health::{
    CheckKey, Claim, HealthStore as _, Labels, OF_TENANTS, Outcome, Progress, Request, Scope, Settings,
    Target, run,
};
use crate::model::health::CheckedService;
use crate::providers::Providers;
use crate::store::health::HealthBook;
use crate::store::health_due::{HealthLook, WantedCheck};
use crate::watch::{Jumps, Ran, Stop, Task, TaskCode, TaskFailure};

use super::{Line, Station};

/// What the turn is kept under.
const TASK: &str = "health";

/// How long the turn of what is declared is ours.
const LEASE: Duration = Duration::from_secs(120);

/// What is declared is gone through at least this often, seen or not.
const WHOLE: TimeDelta = TimeDelta::hours(6);

/// How many results are looked for in a round.
const MOST: usize = 2_000;

/// How often this machine says what it wants to be looked at of itself, where that is missing.
const OWN: Duration = Duration::from_secs(3_600);

/// Looks at what is due.
pub struct HealthTask<'c> {
    station: &'c Station<'c>,
    providers: Providers,
    line: Line,
    host: String,
    who: String,
    own: Option<Instant>,
    jumps: Jumps,
    /// Whether the clock was set back, and stock was not taken since.
    went_back: bool,
}

/// Nobody watches.
struct Unwatched;

impl Progress for Unwatched {
    fn began(&self, _: &str) {}
    fn ended(&self, _: &str) {}
}

/// What a round did.
#[derive(Default)]
struct Done {
    checked: usize,
    by_status: BTreeMap<&'static str, usize>,
    changed: usize,
    left_out: usize,
    failure: Option<StateError>,
    next_at: Option<DateTime<Utc>>,
}

impl Done {
    fn add(&mut self, outcome: Outcome) {
        self.checked += outcome.checks.len();
        for check in &outcome.checks {
            *self.by_status.entry(check.status.code()).or_default() += 1;
        }
        self.changed += outcome.changed;
        self.left_out += outcome.left_out;
        self.failure = outcome.failure;
    }
}

/// What is due, and how it is looked at.
struct Job {
    settings: Settings,
    windows: Windows,
    targets: Vec<Target>,
    /// What is due and cannot be looked at.
    orphans: Vec<CheckKey>,
}

impl<'c> HealthTask<'c> {
    /// Not connected yet.
    ///
    /// # Errors
    /// A variable of the environment that says where providers are is wrong.
    pub fn new(station: &'c Station<'c>) -> Result<Self, CliError> {
        Ok(Self {
            station,
            providers: providing::providers(station.context)?,
            line: Line::new(&station.options),
            host: host_name(),
            who: format!("{} {}", station.context.actor(), station.replica),
            own: None,
            jumps: Jumps::default(),
            went_back: false,
        })
    }

    async fn look(&mut self, now: DateTime<Utc>) -> Result<HealthLook, StateError> {
        let connection = self.line.connection().await?;
        let look = connection.look_for_health(&self.host, now).await;
        self.line.used(look)
    }

    async fn round(&mut self, stop: &Stop) -> Result<Done, StateError> {
        let clock = &*self.station.context.clock;
        let mut look = self.look(clock.now()).await?;
        // Then what is looked at waits for a time that is far away now.
        self.went_back |= self.jumps.went_back(Instant::now(), clock.now());
        look.is_changed |= self.went_back;
        let general = reading::general(&Scope::named(&[]), &self.host);
        let is_missing = look.general < i64::try_from(general.len()).unwrap_or(i64::MAX)
            && self.own.is_none_or(|at| at.elapsed() >= OWN);
        if !look.is_changed && !look.is_due && !is_missing {
            return Ok(Done { next_at: look.next_at, ..Done::default() });
        }
        if is_missing {
            let wanted = wanted(&general, &Settings::default());
            let noted = self.line.connection().await?.want_health(&wanted, clock.now()).await;
            self.line.used(noted)?;
            self.own = Some(Instant::now());
        }
        if look.is_changed && self.take_stock(&look.marks).await? {
            self.went_back = false;
        }
        let mut done = Done::default();
        while self.look_at_what_is_due(stop, &mut done).await? {}
        if done.failure.is_none() {
            done.next_at = self.look(clock.now()).await?.next_at;
        }
        Ok(done)
    }

    /// Gives a row to everything that there is to look at, and forgets what is gone; `false` where somebody else is at it.
    async fn take_stock(&mut self, marks: &str) -> Result<bool, StateError> {
        let now = self.station.context.clock.now();
        let replica = self.station.replica;
        let taken = self.line.connection().await?.take_turn(TASK, replica, LEASE, now).await;
        if !self.line.used(taken)? {
            return Ok(false);
        }
        let mut connection = self.line.lend().await?;
        let stock = Stock::read(&mut connection, None, now).await?;
        let (checks, _) = reading::declared(&mut connection, &[None], true).await?;
        let settings = reading::settings(&checks);
        let targets = reading::everything(&stock.items, &stock.tenants, &settings, &self.host);
        connection.want_health(&wanted(&targets, &settings), now).await?;
        let remaining = reading::remaining(&stock.items, &stock.tenants, &settings);
        let book = HealthBook::new(connection);
        book.forget(&stock.workspaces, &OF_TENANTS, &remaining, now - GONE_AFTER).await?;
        let mut connection = book.into_connection();
        connection.end_turn(TASK, replica, now + WHOLE, marks, now).await?;
        self.line.give_back(connection);
        Ok(true)
    }

    /// Looks at what is due the longest. Whether there may be more.
    async fn look_at_what_is_due(&mut self, stop: &Stop, done: &mut Done) -> Result<bool, StateError> {
        let station = self.station;
        let clock = &*station.context.clock;
        let now = clock.now();
        let mut connection = self.line.lend().await?;
        let most = i64::try_from(MOST).unwrap_or(i64::MAX);
        let due = connection.due_health(&self.host, now, most).await?;
        if due.is_empty() || stop.is_requested() {
            self.line.give_back(connection);
            return Ok(false);
        }
        let job = job(&mut connection, &due, &self.host, now).await?;
        if !job.orphans.is_empty() {
            connection.park_health(&job.orphans).await?;
        }
        let looking = Looking {
            secrets: SecretSources::new(station.context, Some(&station.folder), &self.providers),
            providers: &self.providers,
            database: Database::At(station.options.clone().left_in(None)),
            folder: station.context.directory.join(&station.folder),
        };
        let in_maintenance = |labels: &Labels, at| job.windows.cover(labels, at);
        let request = Request {
            targets: job.targets,
            settings: &job.settings,
            clock,
            who: &self.who,
            new_id,
            in_maintenance: &in_maintenance,
            only_due: true,
            whole: &[],
        };
        let book = HealthBook::new(connection);
        let outcome = run(&looking, &book, stop, &Unwatched, request).await;
        if outcome.failure.is_none() {
            self.line.give_back(book.into_connection());
        }
        // What others took meanwhile is not due any more, and what was left out is theirs too.
        let is_more = due.len() >= MOST && outcome.failure.is_none() && !stop.is_requested();
        done.add(outcome);
        Ok(is_more)
    }
}

/// What is wanted of targets, and how often.
fn wanted(targets: &[Target], settings: &Settings) -> Vec<WantedCheck> {
    let mut wanted: Vec<WantedCheck> = Vec::new();
    for target in targets {
        for key in &target.keys {
            let interval = settings.of(&key.workspace, key.service).patience.interval;
            wanted.push(WantedCheck {
                claim: Claim { key: key.clone(), tenant: target.tenant.clone() },
                // A tenth more or less is what spreads looks.
                longest: interval.as_seconds_f64() * 1.1,
            });
        }
    }
    wanted
}

/// Reads what it takes to look at what is due.
async fn job(
    connection: &mut crate::store::Connection,
    due: &HashMap<CheckKey, Option<String>>,
    host: &str,
    now: DateTime<Utc>,
) -> Result<Job, StateError> {
    let tenants: BTreeSet<(&str, &str)> =
        due.iter().filter_map(|(key, tenant)| Some((key.workspace.as_str(), tenant.as_deref()?))).collect();
    let whole: BTreeSet<&str> = due
        .keys()
        .filter(|key| key.service == CheckedService::Credentials && key.subject.is_empty())
        .map(|key| key.workspace.as_str())
        .collect();
    let tenants: Vec<(&str, &str)> = tenants.into_iter().collect();
    let whole: Vec<&str> = whole.into_iter().collect();
    let stock = Stock::read_some(connection, &tenants, &whole, now).await?;
    let (checks, windows) = reading::declared(connection, &[None], true).await?;
    let settings = reading::settings(&checks);
    let mut targets = reading::everything(&stock.items, &stock.tenants, &settings, host);
    // Of a workspace that was not read as a whole, what is said of the whole is wrong, and is not due either.
    targets.retain(|target| target.keys.iter().any(|key| due.contains_key(key)));
    let known: BTreeSet<&CheckKey> = targets.iter().flat_map(|target| &target.keys).collect();
    let orphans = due.keys().filter(|key| !known.contains(key)).cloned().collect();
    Ok(Job { settings, windows: Windows::new(&windows), targets, orphans })
}

fn status(done: &Done) -> Value {
    json!({
        "checked": done.checked,
        "byStatus": done.by_status,
        "changed": done.changed,
        "leftOut": done.left_out,
        "nextAt": done.next_at,
    })
}

impl Task for HealthTask<'_> {
    fn run<'a>(&'a mut self, stop: &'a Stop) -> LocalBoxFuture<'a, Ran> {
        async move {
            let done = match self.round(stop).await {
                Ok(done) => done,
                Err(error) => return Ran::failed(TaskFailure::from(&error)),
            };
            let now = self.station.context.clock.now();
            let until = done.next_at.map(|at| (at - now).to_std().unwrap_or_default());
            Ran {
                status: status(&done),
                failure: done.failure.as_ref().map(TaskFailure::from),
                again: until,
                wakes: if done.changed > 0 { vec![TaskCode::Alerts] } else { Vec::new() },
            }
        }
        .boxed_local()
    }
}
