//! The one printer: results to standard output, everything else to standard error.

use std::io::{ErrorKind, Write as _};
use std::sync::OnceLock;

use serde::Serialize;
use serde_json::{Value, json};

use crate::files;
use crate::model::Diagnostic;
use crate::report::{self, Style};

use super::args::{ColorChoice, Format, Global};
use super::environment::Environment;
use super::error::{CliError, ExitStatus};

/// At most this many problems are shown to a person; JSON has them all.
const SHOWN_PROBLEMS: usize = 100;

/// The code of the error that standard output could not be written.
pub const UNWRITTEN: &str = "output";

/// Prints.
#[derive(Debug)]
pub struct Printer {
    /// For what goes to standard output.
    pub stdout: Style,
    /// For what goes to standard error.
    pub stderr: Style,
    quiet: bool,
    /// Why standard output takes no more. From then on nothing is written to it.
    broken: OnceLock<std::io::Error>,
}

impl Printer {
    /// A printer as the options and the environment say.
    #[must_use]
    pub fn new(global: &Global, environment: &Environment) -> Self {
        Self::of(global.color, global.quiet, environment)
    }

    /// A printer where there are no options, since they are wrong.
    #[must_use]
    pub fn of(color: ColorChoice, quiet: bool, environment: &Environment) -> Self {
        let style = |stdout: bool| Style {
            color: match color {
                ColorChoice::Always => true,
                ColorChoice::Never => false,
                ColorChoice::Auto => environment.wants_color(stdout),
            },
            width: environment.width(),
            unicode: true,
        };
        Self { stdout: style(true), stderr: style(false), quiet, broken: OnceLock::new() }
    }

    /// Writes a result. When the reader has gone away, the rest is dropped and that is not an error; any other failure is
    /// kept for [`Printer::check`].
    pub fn result(&self, text: &str) {
        self.stream(|out| out.write_all(text.as_bytes()));
    }

    /// Writes a result in pieces, for what may be large.
    pub fn stream(&self, write: impl FnOnce(&mut dyn std::io::Write) -> std::io::Result<()>) {
        if self.broken.get().is_none()
            && let Err(error) = write_stdout(write)
        {
            // The first failure is the one that says why.
            let _ = self.broken.set(error);
        }
    }

    /// Writes a JSON result.
    pub fn json(&self, value: &impl Serialize) {
        self.stream(|mut out| report::json::write(value, &mut out));
    }

    /// Whether everything so far was written, or at least wanted by nobody.
    ///
    /// # Errors
    /// Standard output could not be written, for example because the disk is full.
    pub fn check(&self) -> Result<(), CliError> {
        match self.broken.get() {
            Some(error) if error.kind() != ErrorKind::BrokenPipe => Err(unwritten(error)),
            _ => Ok(()),
        }
    }

    /// Writes a note for the user, which is no result.
    pub fn note(&self, text: &str) {
        if !self.quiet {
            write_stderr(&format!("{text}\n"));
        }
    }

    /// Writes annotations for the system that runs this. It reads both outputs; standard output is for results.
    pub fn annotations(&self, commands: &str) {
        write_stderr(commands);
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
            for other in error.also.iter().take(SHOWN_PROBLEMS) {
                write_stderr(&format!("  also: {}\n", report::clean::clean(other)));
            }
            if error.also.len() > SHOWN_PROBLEMS {
                let more = error.also.len() - SHOWN_PROBLEMS;
                write_stderr(&format!("  also: {more} more; --format json has them all\n"));
            }
        } else {
            self.diagnostics(&error.diagnostics);
        }
    }

    /// Shows why a command failed, and puts the same on standard output as JSON where that is the format.
    pub fn report(&self, error: &CliError, format: Format) {
        match format {
            Format::Json => self.report_json(error),
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

    /// What a failed command says on standard output where JSON is the format.
    pub fn report_json(&self, error: &CliError) {
        let mut document =
            error.outcome.as_deref().cloned().unwrap_or_else(|| json!({"format_version": "1.0"}));
        document["error"] = error_json(error);
        document["diagnostics"] = json!(report::diagnostics::json(&error.diagnostics));
        self.json(&document);
    }

    /// Whether notes and progress are unwanted.
    #[must_use]
    pub fn is_quiet(&self) -> bool {
        self.quiet
    }
}

/// Why a command failed, as JSON.
#[must_use]
pub fn error_json(error: &CliError) -> Value {
    let mut value =
        report::errors::json(&error.code, &error.what, error.why.as_deref(), error.help.as_deref());
    value["exit_code"] = json!(error.status.code());
    if !error.also.is_empty() {
        value["also"] = json!(error.also);
    }
    value
}

/// Writes to standard output and makes sure that it got there.
///
/// # Errors
/// What the operating system says.
pub fn write_stdout(
    write: impl FnOnce(&mut dyn std::io::Write) -> std::io::Result<()>,
) -> std::io::Result<()> {
    // Standard output itself would be flushed at every line break.
    let mut out = std::io::BufWriter::with_capacity(1 << 16, std::io::stdout().lock());
    write(&mut out)?;
    out.flush()?;
    out.get_mut().flush()
}

/// Standard output could not be written.
#[must_use]
pub fn unwritten(error: &std::io::Error) -> CliError {
    CliError::new(ExitStatus::Error, UNWRITTEN, "the output could not be written")
        .why(files::io_words(error))
        .help("look at where standard output leads to; what the command did stays done")
}

/// Writes to standard error, and does not mind when nobody reads it.
pub fn write_stderr(text: &str) {
    let mut out = std::io::stderr().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}
