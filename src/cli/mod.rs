//! The command line: arguments, context, one printer, one place where errors are shown, one file per command.

pub mod again;
pub mod approving;
pub mod args;
pub mod batching;
pub mod checklist;
pub mod claimed;
pub mod commands;
pub mod context;
pub mod database;
pub mod desk;
pub mod differing;
pub mod editing;
pub mod environment;
pub mod error;
pub mod exporting;
pub mod finding;
pub mod impact;
pub mod known;
pub mod listing;
pub mod logging;
pub mod making;
pub mod missed;
pub mod offline;
mod outbox;
pub mod outcome;
pub mod pausing;
pub mod planning;
pub mod preferences;
pub mod printer;
pub mod progress;
pub mod project;
pub mod prompt;
pub mod providing;
pub mod recording;
pub mod records;
pub mod replaced;
pub mod reverting;
pub mod reviewing;
pub mod row_files;
pub mod saving;
pub mod selecting;
pub mod sending;
pub mod set_aside;
pub mod signals;
pub mod tenant_fields;
pub mod undoing;
pub mod watching;
pub mod writing;

use crate::report::Style;

use args::ColorChoice;
use context::Context;
use environment::Environment;
use error::{CliError, ExitStatus};
use printer::Printer;

/// Runs the program and returns its exit status. A defect, also one of a library, ends it like any other error.
#[must_use]
pub fn main() -> ExitStatus {
    std::panic::set_hook(Box::new(|panic| {
        let place =
            panic.location().map_or(String::new(), |place| format!(" at {}:{}", place.file(), place.line()));
        let words = panic.payload_as_str().unwrap_or("no words");
        let help = "run it again, with -vvv for more; if it stays, it is a defect: please report it with these lines";
        let why = format!("{words}{place}");
        let text =
            crate::report::errors::human("synthex came to a stop", Some(&why), Some(help), &Style::plain());
        printer::write_stderr(&text);
    }));
    std::panic::catch_unwind(run).unwrap_or(ExitStatus::Error)
}

/// Everything that is not wrong with the arguments comes from here.
fn run() -> ExitStatus {
    let environment = Environment::read();
    let (cli, name) = match recording::parse() {
        Ok(parsed) => parsed,
        Err(error) => return usage(&error, &environment, environment::asks_for_json()),
    };
    let printer = Printer::new(&cli.global, &environment);
    let logging = match logging::start(&cli.global, &name, &environment) {
        Ok(logging) => logging,
        Err(error) => {
            printer.report(&error, cli.global.format);
            return error.status;
        }
    };
    let runtime = enough_descriptors()
        .and_then(|()| tokio::runtime::Builder::new_current_thread().enable_all().build());
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => {
            printer.failure(&error::CliError::other("the program could not start", error.to_string()));
            return ExitStatus::Error;
        }
    };
    let format = cli.global.format;
    let context = match Context::new(cli.global, environment, printer) {
        Ok(context) => context,
        Err((printer, error)) => {
            printer.failure(&error);
            return error.status;
        }
    };
    let outcome = runtime.block_on(Box::pin(commands::run(&context, cli.command)));
    let mut status = match &outcome {
        Ok(status) => *status,
        Err(error) => {
            context.printer.report(error, format);
            error.status
        }
    };
    let was_said = outcome.as_ref().is_err_and(|error| error.code == printer::UNWRITTEN);
    if let Err(error) = context.printer.check()
        && !was_said
    {
        context.printer.failure(&error);
        if matches!(status, ExitStatus::Success | ExitStatus::Changes) {
            status = error.status;
        }
    }
    let code = outcome.as_ref().err().map(|error| error.code.as_str());
    runtime.block_on(recording::finish(&context, &name, status, code));
    // A hung look-up in the background must not keep the program from ending.
    runtime.shutdown_timeout(std::time::Duration::from_millis(100));
    logging.finish();
    status
}

/// The runtime panics where it cannot open its own few descriptors.
fn enough_descriptors() -> std::io::Result<()> {
    #[cfg(unix)]
    {
        let pair = std::os::unix::net::UnixStream::pair;
        let _all_at_once = [pair()?, pair()?, pair()?, pair()?];
    }
    Ok(())
}

/// Wrong arguments are exit status 3; asking for help or the version is not wrong.
fn usage(error: &clap::Error, environment: &Environment, json: bool) -> ExitStatus {
    let asked = !error.use_stderr();
    let text = error.render();
    let shown = if environment.wants_color(asked) { text.ansi().to_string() } else { text.to_string() };
    let printer = Printer::of(ColorChoice::Auto, false, environment);
    if asked {
        printer.result(&shown);
    } else {
        printer::write_stderr(&shown);
        if json {
            printer.report_json(&in_one_line(&text.to_string()));
        }
    }
    match printer.check() {
        Err(error) if asked => {
            printer.failure(&error);
            error.status
        }
        _ if asked => ExitStatus::Success,
        _ => ExitStatus::Usage,
    }
}

/// What the parser of arguments says before it shows the usage, in one line: also which arguments are missing and which
/// values there are. Its tips are the help.
fn in_one_line(text: &str) -> CliError {
    let is_end = |line: &&str| line.starts_with("Usage: ") || line.starts_with("For more information");
    let lines = text.lines().map(str::trim).take_while(|line| !is_end(line));
    let (tips, said): (Vec<&str>, Vec<&str>) =
        lines.filter(|line| !line.is_empty()).partition(|line| line.starts_with("tip: "));
    let mut what = String::new();
    for line in said {
        let between = match line {
            _ if what.is_empty() => "",
            line if what.ends_with(':') || line.starts_with('[') => " ",
            _ => ", ",
        };
        what.push_str(between);
        what.push_str(line.trim_start_matches("error: "));
    }
    let tips: Vec<&str> = tips.iter().map(|tip| tip.trim_start_matches("tip: ")).collect();
    let help = if tips.is_empty() { "see --help".to_owned() } else { tips.join("; ") };
    CliError::usage(what).help(help)
}
