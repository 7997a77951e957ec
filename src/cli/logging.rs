//! The log on standard error, and with the feature `otel` the traces that a collector gets.
//!
//! A log line reads alone: as text, or with `--log-format json` as one object with `timestamp`, `level`, `target`, `message`,
//! the fields of the line beside them, and in `spans`, where it happened in something, the fields of that, the outermost first.
//!
//! Logging never fails a command. What cannot be right, such as an address that is none, is said before anything begins.

use tracing::Subscriber;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer, fmt, registry};

use super::args::{Global, LogFormat};
use super::environment::Environment;
use super::error::CliError;

#[cfg(feature = "otel")]
pub mod traces;

/// From what says the least to what says the most.
const LEVELS: [&str; 4] = ["warn", "info", "debug", "trace"];

/// What is left to do with logs when the program ends.
#[derive(Debug, Default)]
#[must_use]
pub struct Logging {
    #[cfg(feature = "otel")]
    sender: Option<traces::Sender>,
}

impl Logging {
    /// Sends what has not been sent yet. It takes a few seconds at most, whether the collector answers or not.
    pub fn finish(self) {
        #[cfg(feature = "otel")]
        if let Some(sender) = self.sender {
            sender.finish();
        }
    }
}

/// Whether this command runs for ever. Nobody sits in front of it: its log is all that it says.
fn is_controller(command: &str) -> bool {
    command == "watch"
}

/// Starts the log of a command: the words of its name, as `tenant tenants list`. A controller says what it does, any other
/// command only what is wrong; `-v` says more.
///
/// # Errors
/// The address of the collector is none, or a connection to it can never be made.
#[cfg_attr(not(feature = "otel"), expect(unused_variables, reason = "it says where traces go"))]
pub fn start(global: &Global, command: &str, environment: &Environment) -> Result<Logging, CliError> {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(usual(global, command)));
    // One filter for all, and none of a layer's own: after a driver has asked whether it may log, those swallow the next line.
    let subscriber = registry().with(filter).with(lines(global.log_format, std::io::stderr));
    #[cfg(feature = "otel")]
    {
        let (layer, sender) = match address(global, command, environment)? {
            Some(address) => traces::layer(&address).map(|(layer, sender)| (Some(layer), Some(sender)))?,
            None => (None, None),
        };
        // A second call, in a test, changes nothing.
        let _ = subscriber.with(layer).try_init();
        Ok(Logging { sender })
    }
    #[cfg(not(feature = "otel"))]
    {
        // A second call, in a test, changes nothing.
        let _ = subscriber.try_init();
        Ok(Logging::default())
    }
}

/// What writes the lines.
fn lines<S, W>(format: LogFormat, writer: W) -> Box<dyn Layer<S> + Send + Sync>
where
    S: Subscriber + for<'s> LookupSpan<'s>,
    W: for<'w> fmt::MakeWriter<'w> + Send + Sync + 'static,
{
    let layer = fmt::layer().with_ansi(false).with_writer(writer);
    match format {
        LogFormat::Json => layer.json().flatten_event(true).with_current_span(false).boxed(),
        LogFormat::Text => layer.boxed(),
    }
}

/// What is logged where `RUST_LOG` does not say it.
fn usual(global: &Global, command: &str) -> String {
    let least = usize::from(is_controller(command));
    let level = match LEVELS.get(least + usize::from(global.verbose)) {
        _ if global.quiet => "off",
        Some(level) => level,
        None => "trace",
    };
    // The drivers' own logs would repeat statements; synthex's are the ones a person can use.
    format!("synthex={level},sqlx=error")
}

/// Where traces are sent. The variable is one that a whole machine may have for other programs, so it counts for the
/// controller alone.
#[cfg(feature = "otel")]
fn address(global: &Global, command: &str, environment: &Environment) -> Result<Option<url::Url>, CliError> {
    if !is_controller(command) {
        return Ok(None);
    }
    let option = global.otlp_endpoint.as_deref().map(|text| ("--otlp-endpoint", text));
    let variable =
        || environment.get("OTEL_EXPORTER_OTLP_ENDPOINT").map(|text| ("OTEL_EXPORTER_OTLP_ENDPOINT", text));
    let Some((name, text)) = option.or_else(variable) else { return Ok(None) };
    traces::address(text).map(Some).map_err(|why| {
        CliError::usage(format!("{name} is not the address of a collector"))
            .why(why)
            .help("write where it takes OTLP over HTTP, such as http://127.0.0.1:4318")
    })
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::sync::{Arc, Mutex};

    use clap::Parser as _;
    use serde_json::Value;

    use super::*;
    use crate::cli::args::Cli;

    #[track_caller]
    fn check(command: &str, options: &[&str], expected: &str) {
        let words = ["synthex"].iter().chain(options).chain(&["db", "status"]);
        let global = Cli::try_parse_from(words).unwrap().global;
        assert_eq!(
            usual(&global, command),
            format!("synthex={expected},sqlx=error"),
            "{command} {options:?}"
        );
    }

    #[test]
    fn a_controller_says_what_it_does_and_other_commands_what_is_wrong() {
        check("db status", &[], "warn");
        check("db status", &["-v"], "info");
        check("db status", &["-vvv"], "trace");
        check("db status", &["-vvvvv"], "trace");
        check("db status", &["-q"], "off");
        check("watch", &[], "info");
        check("watch", &["-v"], "debug");
        check("watch", &["-vvv"], "trace");
        check("watch", &["-q"], "off");
        check("watch status", &[], "warn");
    }
    #[test]
    fn a_driver_that_asks_whether_it_may_log_swallows_no_line() {
        let kept = Kept::default();
        let writer = kept.clone();
        let filter = EnvFilter::new("synthex=info,sqlx=error");
        let subscriber = registry().with(filter).with(lines(LogFormat::Text, move || writer.clone()));
        tracing::subscriber::with_default(subscriber, || {
            assert!(!tracing::enabled!(target: "sqlx::query", tracing::Level::DEBUG));
            tracing::info!("this one");
        });
        let text = String::from_utf8(kept.0.lock().unwrap().clone()).unwrap();
        assert!(text.contains("this one"), "{text:?}");
    }

    #[derive(Clone, Default)]
    struct Kept(Arc<Mutex<Vec<u8>>>);

    impl Write for Kept {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_line_of_json_reads_alone() {
        let kept = Kept::default();
        let writer = kept.clone();
        let subscriber = registry().with(lines(LogFormat::Json, move || writer.clone()));
        tracing::subscriber::with_default(subscriber, || {
            let span = tracing::info_span!("task", task = "health", cause = "timer");
            span.in_scope(|| tracing::warn!(shop = "a\nb", took_ms = 1.5, "no answer"));
            tracing::info!("outside");
        });
        let written = String::from_utf8(kept.0.lock().unwrap().clone()).unwrap();
        let lines: Vec<Value> = written.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(lines.len(), 2, "{written}");
        let line = &lines[0];
        assert!(line["timestamp"].as_str().is_some_and(|at| at.ends_with('Z')), "{line}");
        assert_eq!(line["level"], "WARN");
        assert_eq!(line["target"], "synthex::cli::logging::tests");
        assert_eq!(line["message"], "no answer");
        assert_eq!((&line["shop"], &line["took_ms"]), (&Value::from("a\nb"), &Value::from(1.5)));
        assert_eq!(line["spans"], serde_json::json!([{"name": "task", "task": "health", "cause": "timer"}]));
        assert_eq!((&lines[1]["message"], &lines[1]["spans"]), (&Value::from("outside"), &Value::Null));
    }
}
