//! Records what each command did: one line in a file of the user's, sent to the database that the command worked on when
//! there is a connection to it anyway. Nothing here fails a command or keeps it waiting, and nothing goes anywhere else.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use clap::{ArgMatches, CommandFactory as _, FromArgMatches as _};
use serde_json::{Map, Value};

use crate::engine::Applied;
use crate::files::Spool;
use crate::http::{Call, Meter};
use crate::kinds;
use crate::kinds::project::ProjectSpec;
use crate::model::clock::SystemClock;
use crate::model::key::is_name;
use crate::model::usage::{Metric, MetricType, Outcome};
use crate::model::{Clock as _, Digest};
use crate::plan::Plan;
use crate::store::usage::StoredMetric;
use crate::store::{Connection, Parking};

use super::args::Cli;
use super::context::{Context, new_id};
use super::environment::Environment;
use super::error::ExitStatus;

mod sending;

pub use sending::{flush, pour};
use sending::{is_time, send};

/// How long a command may be kept by the database, at most once a minute.
const PATIENCE: Duration = Duration::from_millis(100);

/// At most this many metrics are kept of one command.
const MOST: usize = 20_000;

/// Reads the arguments, and gives the command its name: the words of the subcommands, and nothing of what follows them.
///
/// # Errors
/// The arguments are wrong, or help was asked for.
pub fn parse() -> Result<(Cli, String), clap::Error> {
    let mut matches = Cli::command().try_get_matches()?;
    let name = name_of(&matches);
    let cli = Cli::from_arg_matches_mut(&mut matches).map_err(|error| error.format(&mut Cli::command()))?;
    Ok((cli, name))
}

fn name_of(matches: &ArgMatches) -> String {
    let mut words = Vec::new();
    let mut matches = matches;
    while let Some((name, inner)) = matches.subcommand() {
        words.push(name);
        matches = inner;
    }
    words.join(" ")
}

/// Collects what is recorded of one command.
#[derive(Debug)]
pub struct Recorder {
    folder: Option<PathBuf>,
    /// What `SYNTHEX_ANALYTICS` says, where that is neither yes nor no.
    unclear: Option<String>,
    is_off: AtomicBool,
    began: Instant,
    /// When what is collected was done: since then.
    at: Mutex<DateTime<Utc>>,
    parking: Parking,
    /// Which database was meant. Before one is, nothing is recorded.
    place: OnceLock<String>,
    workspace: Mutex<Option<String>>,
    /// What went wrong, where the command shows its error itself.
    failure: OnceLock<String>,
    metrics: Arc<Mutex<Vec<Metric>>>,
}

/// Notes every call of a service.
#[derive(Debug)]
struct Calls(Arc<Mutex<Vec<Metric>>>);

impl Meter for Calls {
    fn heard(&self, call: &Call) {
        let outcome = if call.outcome == "ok" { Outcome::Succeeded } else { Outcome::Failed };
        let metric = Metric::api_call(call.service, "request", outcome, call.duration);
        note(&self.0, metric.with_code(call.outcome));
    }
}

fn note(metrics: &Mutex<Vec<Metric>>, metric: Metric) {
    if let Ok(mut metrics) = metrics.lock()
        && metrics.len() < MOST
    {
        metrics.push(metric);
    }
}

impl Recorder {
    /// For a command that begins now.
    #[must_use]
    pub fn new(environment: &Environment) -> Self {
        let home = || environment.get("HOME").map(|home| PathBuf::from(home).join(".local").join("state"));
        let folder = environment.get("XDG_STATE_HOME").map(PathBuf::from).or_else(home);
        let switch = environment.raw("SYNTHEX_ANALYTICS").map(|value| value.to_string_lossy());
        let switch = switch.filter(|value| !value.is_empty());
        let is_off = environment.get("DO_NOT_TRACK").is_some_and(|value| !is_no(value))
            || switch.as_deref().is_some_and(is_no);
        let is_unclear = |value: &str| !is_off && !is_yes(value);
        let unclear = switch.filter(|value| is_unclear(value)).map(std::borrow::Cow::into_owned);
        Self {
            // What is relative would lead to another place from every folder.
            folder: folder
                .filter(|folder| folder.is_absolute())
                .map(|folder| folder.join("synthex").join("usage")),
            // Whoever set it to something most likely wanted something else than what is done without it.
            is_off: AtomicBool::new(is_off || unclear.is_some()),
            unclear,
            began: Instant::now(),
            at: Mutex::new(SystemClock.now()),
            parking: Parking::default(),
            place: OnceLock::new(),
            workspace: Mutex::new(None),
            failure: OnceLock::new(),
            metrics: Arc::default(),
        }
    }

    /// Notes that something was done.
    pub fn record(&self, metric: Metric) {
        note(&self.metrics, metric);
    }

    /// Who hears of calls of services.
    #[must_use]
    pub fn calls(&self) -> Arc<dyn Meter> {
        Arc::new(Calls(Arc::clone(&self.metrics)))
    }

    /// Whether nothing is recorded.
    #[must_use]
    pub fn is_off(&self) -> bool {
        self.is_off.load(Ordering::Relaxed)
    }

    /// Takes from the project file what it says of recording, and its workspace where no other is meant.
    pub fn learn(&self, spec: &ProjectSpec) {
        if spec.analytics.is_some_and(|switch| !switch.0) {
            self.is_off.store(true, Ordering::Relaxed);
        }
        if let (Some(name), Ok(mut workspace)) = (&spec.workspace, self.workspace.lock()) {
            workspace.get_or_insert_with(|| name.clone());
        }
    }

    /// Notes the workspace that the command means.
    pub fn means(&self, name: &str) {
        if let Ok(mut workspace) = self.workspace.lock() {
            *workspace = Some(name.to_owned());
        }
    }

    /// Notes the database that the command works on; the first one counts.
    pub fn touches(&self, place: String) {
        // It is set once, and the second attempt is meant to do nothing.
        let _ = self.place.set(place);
    }

    /// Notes what went wrong, for a command that shows its error itself and returns a status alone; the first word counts.
    pub fn fails_with(&self, code: &str) {
        let _ = self.failure.set(code.to_owned());
    }

    /// Where the command leaves its connection; nowhere, where nothing is recorded.
    #[must_use]
    pub fn parking(&self) -> Option<Parking> {
        (!self.is_off() && self.folder.is_some()).then(|| self.parking.clone())
    }

    /// Notes what an apply did to tenants, if it did something to any.
    pub fn tenants(&self, command: &str, plan: &Plan, applied: Option<&Applied>, took: Duration) {
        let mut counts = BTreeMap::new();
        let mut is_about_tenants = false;
        for (index, action) in plan.actions.iter().enumerate() {
            if action.key.kind.rank != kinds::tenant::KIND.rank {
                continue;
            }
            is_about_tenants = true;
            if applied.is_some_and(|applied| !applied.left_out.contains_key(&index)) {
                *counts.entry(action.kind.code().to_owned()).or_default() += 1;
            }
        }
        if is_about_tenants {
            let outcome = if applied.is_some() { Outcome::Succeeded } else { Outcome::Failed };
            self.record(Metric::tenant_op(command, outcome, took, counts));
        }
    }

    /// How often operations on credentials failed, by the code of the outcome.
    fn failed_credentials(&self) -> BTreeMap<String, u64> {
        let mut failed = BTreeMap::new();
        let Ok(metrics) = self.metrics.lock() else { return failed };
        let of_credentials = |metric: &&Metric| metric.metric_type == MetricType::CredentialOp;
        for metric in metrics.iter().filter(of_credentials) {
            if let (Outcome::Failed, Some(code)) = (metric.outcome, &metric.code) {
                *failed.entry(code.clone()).or_default() += 1;
            }
        }
        failed
    }

    /// Where lines wait for the database that the command works on.
    fn spool(&self) -> Option<Spool> {
        let (folder, place) = (self.folder.as_ref()?, self.place.get()?);
        if self.is_off() {
            return None;
        }
        let name: String =
            Digest::of(place.as_bytes()).to_hex().chars().filter(char::is_ascii_hexdigit).collect();
        // The text may begin with the name of the algorithm; its end has none.
        Some(Spool::new(folder, name.get(name.len().saturating_sub(16)..)?))
    }
}

/// Whether a variable that switches something on says yes.
fn is_yes(value: &str) -> bool {
    ["1", "on", "yes", "true"].iter().any(|word| value.eq_ignore_ascii_case(word))
}

/// Whether a variable that switches something off, or on, says no.
fn is_no(value: &str) -> bool {
    ["0", "off", "no", "false"].iter().any(|word| value.eq_ignore_ascii_case(word))
}

/// Records the command that ends here, and sends what waits if there is a connection and it is time.
pub async fn finish(context: &Context, name: &str, status: ExitStatus, code: Option<&str>) {
    let recorder = &context.recorder;
    let mut connection = recorder.parking.take();
    if let (Some(value), Some(_)) = (&recorder.unclear, recorder.place.get()) {
        let value = crate::report::clean::clean(value);
        context.printer.note(&format!(
            "SYNTHEX_ANALYTICS is `{value}`, and not one of on, off, yes, no, true, false, 1 and 0: nothing is recorded."
        ));
    }
    if let Some(spool) = recorder.spool() {
        let installation = connection.as_ref().and_then(Connection::installation);
        let (took, credentials) = (recorder.began.elapsed(), recorder.failed_credentials());
        let code = code.or(recorder.failure.get().map(String::as_str));
        for metric in of_command(name, status, code, took, &credentials) {
            recorder.record(metric);
        }
        add(context, &spool, installation);
        if let Some(connection) = &mut connection
            && is_time(&spool, SystemClock.now())
        {
            send(connection, &spool, PATIENCE).await;
        }
    }
    if let Some(connection) = connection {
        connection.close().await;
    }
}

/// The command, and where it failed what went wrong: the code of its error, or else those of the credentials that failed.
fn of_command(
    name: &str,
    status: ExitStatus,
    code: Option<&str>,
    took: Duration,
    credentials: &BTreeMap<String, u64>,
) -> Vec<Metric> {
    let outcome = match status {
        // That a look found something bad is no failure of looking.
        ExitStatus::Success
        | ExitStatus::Changes
        | ExitStatus::Degraded
        | ExitStatus::Unhealthy
        | ExitStatus::Unknown => Outcome::Succeeded,
        ExitStatus::Interrupted | ExitStatus::Terminated => Outcome::Interrupted,
        _ => Outcome::Failed,
    };
    let mut metrics = vec![Metric::command(name, outcome, status.code(), took)];
    if outcome != Outcome::Failed {
        return metrics;
    }
    match code {
        Some(code) => metrics.push(Metric::error(name, code)),
        None if credentials.is_empty() => metrics.push(Metric::error(name, word(status))),
        None => metrics.extend(
            credentials.iter().map(|(code, count)| Metric { value: *count, ..Metric::error(name, code) }),
        ),
    }
    metrics
}

/// What is said of a command that failed without an error of its own: it showed itself what is wrong.
const fn word(status: ExitStatus) -> &'static str {
    match status {
        ExitStatus::Usage => "usage",
        ExitStatus::LeaseHeld => "lease-held",
        ExitStatus::Refused => "refused",
        ExitStatus::Stale => "stale-plan",
        ExitStatus::Partly => "partly-applied",
        ExitStatus::Unreachable => "unreachable",
        _ => "error",
    }
}

fn add(context: &Context, spool: &Spool, installation: Option<uuid::Uuid>) {
    let recorder = &context.recorder;
    let metrics =
        recorder.metrics.lock().map(|mut metrics| std::mem::take(&mut *metrics)).unwrap_or_default();
    let meant = recorder.workspace.lock().ok().and_then(|workspace| workspace.clone());
    let workspace = context.global.workspace.clone().or(meant).filter(|name| is_name(name));
    let actor = context.actor();
    let now = SystemClock.now();
    let at = recorder.at.lock().map_or(now, |mut at| std::mem::replace(&mut *at, now));
    let lines: Vec<String> = metrics
        .into_iter()
        .filter_map(|metric| {
            let stored =
                StoredMetric { workspace: workspace.clone(), installation, ..stored(metric, at, &actor) };
            serde_json::to_string(&stored).ok()
        })
        .collect();
    for lines in lines.chunks(200) {
        if let Err(error) = spool.add(lines) {
            tracing::debug!(%error, "what the command did was not recorded");
            return;
        }
    }
}

fn stored(metric: Metric, at: DateTime<Utc>, actor: &str) -> StoredMetric {
    let short = |text: String, most: usize| text.chars().take(most).collect::<String>();
    StoredMetric {
        id: new_id(),
        recorded_at: at,
        workspace: None,
        actor: short(actor.to_owned(), 300),
        metric_type: metric.metric_type.code().to_owned(),
        metric_name: short(metric.name, 200),
        service: metric.service.map(|service| short(service, 100)).filter(|service| !service.is_empty()),
        outcome: metric.outcome.code().to_owned(),
        code: metric.code.map(|code| short(code, 100)).filter(|code| !code.is_empty()),
        duration_ms: metric.duration.map(rounded_milliseconds),
        value: metric.value,
        metadata: metric
            .counts
            .into_iter()
            .map(|(name, count)| (name, Value::from(count)))
            .collect::<Map<_, _>>(),
        installation: None,
    }
}

fn rounded_milliseconds(took: Duration) -> u64 {
    u64::try_from((took + Duration::from_micros(500)).as_millis()).unwrap_or(u64::MAX)
}
