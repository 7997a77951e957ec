//! How far an apply is: a bar on a terminal, a line every five seconds without one, or lines of JSON.

use std::time::{Duration, Instant};

use clap::ValueEnum;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::json;

use crate::engine::{LeaseNews, Phase, Progress};
use crate::report;

use super::context::Context;
use super::printer::write_stderr;

/// How often a line is written without a terminal.
const EVERY: Duration = Duration::from_secs(5);

/// How long something takes before a bar is worth looking at.
const PATIENCE: Duration = Duration::from_secs(1);

/// How progress is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ProgressMode {
    /// A bar on a terminal, else a line every five seconds
    Auto,
    /// A line of JSON for each phase and batch
    Json,
    /// Nothing
    Off,
}

/// Shows progress on standard error.
pub struct Display {
    bar: Option<ProgressBar>,
    lines: bool,
    quiet: bool,
    json: bool,
    total: usize,
    phase: Phase,
    begun: Instant,
    last: Instant,
}

impl Display {
    /// A display for so many rows.
    #[must_use]
    pub fn new(context: &Context, mode: ProgressMode, total: usize) -> Self {
        let quiet = context.printer.is_quiet() || mode != ProgressMode::Auto;
        let draws = context.environment.draws_progress() && !quiet;
        let now = Instant::now();
        Self {
            bar: draws.then(|| bar(total)),
            lines: !draws && !quiet,
            quiet: context.printer.is_quiet(),
            json: mode == ProgressMode::Json,
            total,
            phase: Phase::Migrate,
            begun: now,
            last: now,
        }
    }

    fn elapsed(&self) -> u64 {
        u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn line(&self, value: &serde_json::Value) {
        write_stderr(&format!("{value}\n"));
    }

    /// Takes the bar away.
    pub fn finish(&self, done: bool) {
        if self.json {
            self.line(&json!({"event": if done { "done" } else { "failed" }, "total": self.total, "elapsed_ms": self.elapsed()}));
        }
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

/// A bar that is drawn after a while, also where a single statement takes that long; not at all, where all is done by then.
fn bar(total: usize) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(Some(total as u64), ProgressDrawTarget::hidden());
    let style = ProgressStyle::with_template("{msg:>10} {bar:30} {pos}/{len}  {per_sec}  {eta} left");
    if let Ok(style) = style {
        bar.set_style(style.progress_chars("━╸ "));
    }
    let later = bar.clone();
    let drawing = std::thread::Builder::new().spawn(move || {
        std::thread::sleep(PATIENCE);
        if !later.is_finished() {
            later.set_draw_target(ProgressDrawTarget::stderr_with_hz(8));
            later.tick();
        }
    });
    if let Err(error) = drawing {
        tracing::debug!(%error, "no bar is drawn");
    }
    bar
}

fn words(phase: Phase) -> &'static str {
    match phase {
        Phase::Migrate => "preparing",
        Phase::Lease => "leasing",
        Phase::Write => "writing",
        Phase::Record => "recording",
        Phase::Verify => "verifying",
        Phase::Commit => "committing",
    }
}

impl Progress for Display {
    fn phase(&mut self, phase: Phase) {
        self.phase = phase;
        if self.json {
            self.line(&json!({"event": "phase", "phase": words(phase), "total": self.total, "elapsed_ms": self.elapsed()}));
        }
        if let Some(bar) = &self.bar {
            bar.set_message(words(phase));
            bar.tick();
        }
    }

    fn written(&mut self, rows: usize) {
        if self.json {
            self.line(&json!({"event": "progress", "written": rows, "total": self.total, "elapsed_ms": self.elapsed()}));
        }
        if let Some(bar) = &self.bar {
            bar.set_position(rows as u64);
        }
        if self.lines && self.last.elapsed() >= EVERY {
            self.last = Instant::now();
            let seconds = self.begun.elapsed().as_secs();
            write_stderr(&format!(
                "{}: {rows} of {} rows after {seconds} s\n",
                words(self.phase),
                self.total
            ));
        }
    }

    fn lease(&mut self, news: &LeaseNews) {
        if self.json {
            return self.line(&lease_json(news));
        }
        if !self.quiet {
            let line = format!("{}\n", report::clean::clean(&news.sentence()));
            match &self.bar {
                Some(bar) => bar.suspend(|| write_stderr(&line)),
                None => write_stderr(&line),
            }
        }
    }
}

/// The line of JSON about a lease.
fn lease_json(news: &LeaseNews) -> serde_json::Value {
    match news {
        LeaseNews::Waiting { workspace, held, ahead } => {
            json!({"event": "waiting", "workspace": workspace, "held_by": held, "ahead": ahead})
        }
        LeaseNews::Evicted(lease) => {
            json!({"event": "evicted", "workspace": lease.workspace, "held_by": lease})
        }
    }
}
