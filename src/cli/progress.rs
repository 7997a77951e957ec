//! How far an apply is: a bar on a terminal, a line every five seconds without one.

use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::engine::{Phase, Progress};

use super::context::Context;
use super::printer::write_stderr;

/// How often a line is written without a terminal.
const EVERY: Duration = Duration::from_secs(5);

/// Shows progress on standard error.
pub struct Display {
    bar: Option<ProgressBar>,
    lines: bool,
    total: usize,
    phase: Phase,
    begun: Instant,
    last: Instant,
}

impl Display {
    /// A display for so many rows.
    #[must_use]
    pub fn new(context: &Context, total: usize) -> Self {
        let quiet = context.printer.is_quiet();
        let draws = context.environment.draws_progress() && !quiet;
        let now = Instant::now();
        Self {
            bar: draws.then(|| bar(total)),
            lines: !draws && !quiet,
            total,
            phase: Phase::Migrate,
            begun: now,
            last: now,
        }
    }

    /// Takes the bar away.
    pub fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

fn bar(total: usize) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(Some(total as u64), ProgressDrawTarget::stderr_with_hz(8));
    let style = ProgressStyle::with_template("{msg:>10} {bar:30} {pos}/{len}  {per_sec}  {eta} left");
    if let Ok(style) = style {
        bar.set_style(style.progress_chars("━╸ "));
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
        if let Some(bar) = &self.bar {
            bar.set_message(words(phase));
            bar.tick();
        }
    }

    fn written(&mut self, rows: usize) {
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
}
