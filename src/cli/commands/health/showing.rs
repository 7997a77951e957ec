//! Progress while it is looked, results as lines of a report, and the exit code that says how things stand.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::{Value, json};

use crate::cli::context::Context;
use crate::cli::error::ExitStatus;
use crate::cli::printer::write_stderr;
use crate::cli::progress::ProgressMode;
use crate::engine::health::{Check, Progress};
use crate::model::health::HealthStatus;
use crate::report::health::{HealthReport, Line};
use crate::store::health_report::KeptState;

/// How often it is said what is waited for, without a terminal.
const SAID_EVERY: Duration = Duration::from_secs(5);

/// How long it is waited before a bar is drawn.
const PATIENCE: Duration = Duration::from_secs(1);

/// The exit status of how things stand.
#[must_use]
pub const fn exit_status(overall: HealthStatus) -> ExitStatus {
    match overall {
        HealthStatus::Healthy => ExitStatus::Success,
        HealthStatus::Degraded => ExitStatus::Degraded,
        HealthStatus::Unhealthy => ExitStatus::Unhealthy,
        HealthStatus::Unknown => ExitStatus::Unknown,
    }
}

/// Says how many checks are shown, where that is not all that there are.
pub fn said_how_many(context: &Context, report: &HealthReport, limit: usize) {
    let shown = report.listed().take(limit).count();
    if shown < report.lines.len() {
        context.printer.note(&format!("{shown} of {} checks shown.", report.lines.len()));
    }
}

/// A result as a line.
#[must_use]
pub fn line_of(check: &Check) -> Line {
    Line {
        service: check.key.service,
        workspace: check.key.workspace.clone(),
        subject: check.key.subject.clone(),
        tenant: check.tenant.clone(),
        status: check.status,
        last_status: check.status,
        pending: None,
        since: None,
        code: check.code.to_owned(),
        message: check.message.clone(),
        last_checked: check.checked_at,
        response_ms: check.latency.map(|latency| i64::try_from(latency.as_millis()).unwrap_or(i64::MAX)),
        maintenance: check.maintenance,
        is_stale: false,
        availability: None,
        evidence: Value::Object(check.evidence.clone()),
    }
}

/// A state as a line.
#[must_use]
pub fn line_of_state(state: KeptState) -> Line {
    Line {
        service: state.key.service,
        workspace: state.key.workspace,
        subject: state.key.subject,
        tenant: state.tenant,
        status: state.settled.status,
        last_status: state.settled.last_status,
        pending: None,
        since: Some(state.settled.since),
        code: state.code,
        message: state.message,
        last_checked: state.settled.checked_at,
        response_ms: state.latency_ms,
        maintenance: state.maintenance,
        is_stale: false,
        availability: None,
        evidence: state.evidence,
    }
}

/// Shows how far looking is: a bar on a terminal, a line every five seconds without one, or lines of JSON.
pub struct Watching {
    under_way: Mutex<(BTreeSet<String>, usize)>,
    total: usize,
    began: Instant,
    bar: Option<ProgressBar>,
    has_lines: bool,
    is_json: bool,
}

impl Watching {
    /// For so many things to look at.
    #[must_use]
    pub fn new(context: &Context, mode: ProgressMode, total: usize) -> Self {
        let is_auto = mode == ProgressMode::Auto && !context.printer.is_quiet();
        let draws = is_auto && context.environment.draws_progress();
        let bar = draws.then(|| {
            let target = ProgressDrawTarget::hidden();
            let bar = ProgressBar::with_draw_target(Some(u64::try_from(total).unwrap_or(u64::MAX)), target);
            match ProgressStyle::with_template("{bar:30} {pos}/{len}  {per_sec}  {eta} left  {msg}") {
                Ok(style) => bar.with_style(style.progress_chars("━╸ ")),
                Err(_) => bar,
            }
        });
        Self {
            under_way: Mutex::new((BTreeSet::new(), 0)),
            total,
            began: Instant::now(),
            bar,
            has_lines: is_auto && !draws,
            is_json: mode == ProgressMode::Json,
        }
    }

    /// Does the work, and says now and then what is waited for.
    pub async fn while_it_lasts<T>(&self, work: impl Future<Output = T>) -> T {
        let mut work = std::pin::pin!(work);
        let mut ticks = tokio::time::interval_at(tokio::time::Instant::now() + PATIENCE, PATIENCE);
        let mut said = Instant::now();
        loop {
            tokio::select! {
                biased;
                done = &mut work => return done,
                _ = ticks.tick() => {
                    if let Some(bar) = self.bar.as_ref().filter(|bar| bar.is_hidden()) {
                        bar.set_draw_target(ProgressDrawTarget::stderr_with_hz(8));
                    }
                    if self.has_lines && said.elapsed() >= SAID_EVERY {
                        said = Instant::now();
                        self.say();
                    }
                }
            }
        }
    }

    fn say(&self) {
        let state = self.under_way.lock().unwrap_or_else(PoisonError::into_inner);
        let names = crate::cli::desk::some(state.0.iter());
        let seconds = self.began.elapsed().as_secs();
        let text =
            format!("Waiting for {names}: {} of {} looked at after {seconds} s.\n", state.1, self.total);
        write_stderr(&text);
    }

    /// Takes the bar away.
    pub fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
        if self.is_json {
            let done = self.under_way.lock().unwrap_or_else(PoisonError::into_inner).1;
            self.line(
                &json!({"event": "done", "done": done, "total": self.total, "elapsed_ms": self.elapsed()}),
            );
        }
    }

    fn elapsed(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn line(&self, value: &Value) {
        write_stderr(&format!("{value}\n"));
    }
}

impl Progress for Watching {
    fn began(&self, name: &str) {
        self.under_way.lock().unwrap_or_else(PoisonError::into_inner).0.insert(name.to_owned());
    }

    fn ended(&self, name: &str) {
        let done = {
            let mut state = self.under_way.lock().unwrap_or_else(PoisonError::into_inner);
            state.0.remove(name);
            state.1 += 1;
            state.1
        };
        if let Some(bar) = &self.bar {
            bar.set_position(u64::try_from(done).unwrap_or(u64::MAX));
        }
        if self.is_json {
            self.line(&json!({"event": "progress", "done": done, "total": self.total, "elapsed_ms": self.elapsed()}));
        }
    }
}
