//! The one printer: results to standard output, everything else to standard error.

use std::io::{ErrorKind, Write as _};
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::{Value, json};

use crate::model::Diagnostic;
use crate::report::{self, Style};

use super::args::{ColorChoice, Format, Global};
use super::environment::Environment;
use super::error::CliError;

/// At most this many problems are shown to a person; JSON has them all.
const SHOWN_PROBLEMS: usize = 100;

/// Prints.
#[derive(Debug)]
pub struct Printer {
    /// For what goes to standard output.
    pub stdout: Style,
    /// For what goes to standard error.
    pub stderr: Style,
    quiet: bool,
    cut_short: AtomicBool,
}

impl Printer {
    /// A printer as the options and the environment say.
    #[must_use]
    pub fn new(global: &Global, environment: &Environment) -> Self {
        let style = |stdout: bool| Style {
            color: match global.color {
                ColorChoice::Always => true,
                ColorChoice::Never => false,
                ColorChoice::Auto => environment.wants_color(stdout),
            },
            width: environment.width(),
            unicode: true,
        };
        Self {
            stdout: style(true),
            stderr: style(false),
            quiet: global.quiet,
            cut_short: AtomicBool::new(false),
        }
    }

    /// Writes a result. When the reader has gone away, the rest is dropped and that is not an error.
    pub fn result(&self, text: &str) {
        if !write_stdout(text) {
            self.cut_short.store(true, Ordering::Relaxed);
        }
    }

    /// Writes a result in pieces, for what may be large.
    pub fn stream(&self, write: impl FnOnce(&mut dyn std::io::Write) -> std::io::Result<()>) {
        let mut out = std::io::BufWriter::with_capacity(1 << 16, std::io::stdout().lock());
        if write(&mut out)
            .and_then(|()| out.flush())
            .is_err_and(|error| error.kind() == ErrorKind::BrokenPipe)
        {
            self.cut_short.store(true, Ordering::Relaxed);
        }
    }

    /// Writes a JSON result.
    pub fn json(&self, value: &Value) {
        self.result(&format!("{value:#}\n"));
    }

    /// Writes a note for the user, which is no result.
    pub fn note(&self, text: &str) {
        if !self.quiet {
            write_stderr(&format!("{text}\n"));
        }
    }

    /// Shows problems of manifests.
    pub fn diagnostics(&self, diagnostics: &[Diagnostic]) {
        write_stderr(&report::diagnostics::human(diagnostics, &self.stderr, SHOWN_PROBLEMS));
    }

    /// Shows why a command failed.
    pub fn failure(&self, error: &CliError) {
        if error.diagnostics.is_empty() {
            let text =
                report::errors::human(&error.what, error.why.as_deref(), error.help.as_deref(), &self.stderr);
            write_stderr(&text);
        } else {
            self.diagnostics(&error.diagnostics);
        }
    }

    /// Shows why a command failed, and puts the same on standard output as JSON where that is the format.
    pub fn report(&self, error: &CliError, format: Format) {
        match format {
            Format::Json => self.json(&failure_json(error)),
            Format::Sarif if !error.diagnostics.is_empty() => {
                self.json(&report::diagnostics::sarif(&error.diagnostics, env!("CARGO_PKG_VERSION")));
            }
            Format::Github if !error.diagnostics.is_empty() => {
                self.result(&report::diagnostics::github(&error.diagnostics));
            }
            _ => {}
        }
        self.failure(error);
    }

    /// Whether the reader of standard output went away.
    #[must_use]
    pub fn was_cut_short(&self) -> bool {
        self.cut_short.load(Ordering::Relaxed)
    }

    /// Whether notes and progress are unwanted.
    #[must_use]
    pub fn is_quiet(&self) -> bool {
        self.quiet
    }
}

/// What a failed command says as JSON.
#[must_use]
pub fn failure_json(error: &CliError) -> Value {
    json!({
        "format_version": "1.0",
        "error": {
            "code": error.code,
            "message": error.what,
            "why": error.why,
            "help": error.help,
            "exit_code": error.status.code(),
        },
        "diagnostics": report::diagnostics::json(&error.diagnostics),
    })
}

/// Writes to standard output. False when nobody reads it any more.
pub fn write_stdout(text: &str) -> bool {
    let mut out = std::io::stdout().lock();
    let outcome = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    !outcome.is_err_and(|error| error.kind() == ErrorKind::BrokenPipe)
}

/// Writes to standard error, and does not mind when nobody reads it.
pub fn write_stderr(text: &str) {
    let mut out = std::io::stderr().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}
