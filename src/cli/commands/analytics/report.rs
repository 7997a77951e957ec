//! The reports: each sends what waits, reads figures, and says them.

use std::collections::BTreeSet;

use chrono::NaiveDate;
use clap::CommandFactory as _;
use serde_json::{Value, json};

use crate::cli::args::{Cli, Format};
use crate::cli::context::Context;
use crate::cli::database;
use crate::cli::error::{CliError, ExitStatus};
use crate::cli::project;
use crate::cli::recording;
use crate::engine::StateReader as _;
use crate::model::diagnostic::did_you_mean;
use crate::model::usage::{Figures, Took};
use crate::report::usage::{self, Period, Report};
use crate::store::usage_report::{Durations, Found, UsageScope, usage_figures};
use crate::store::{Connection, known_workspaces};

use super::{CommandsArgs, ErrorsArgs, PerformanceArgs, PeriodArgs, ReportArgs, chart, period};

/// From so many metrics on, a report says how it becomes quick.
const MANY: u64 = 200_000;

pub(super) async fn report(context: &Context, args: &ReportArgs) -> Result<ExitStatus, CliError> {
    let read = read(context, &args.period, None, Durations::Together).await?;
    let report = read.report();
    if context.global.format == Format::Json {
        context.printer.json(&report.json());
    } else {
        context.printer.result(&usage::report_text(&report, &context.printer.stdout, chart(context)));
    }
    read.notes(context);
    Ok(ExitStatus::Success)
}

pub(super) async fn commands(context: &Context, args: &CommandsArgs) -> Result<ExitStatus, CliError> {
    let read = read(context, &args.period, None, Durations::ByCommand).await?;
    let mut usages = usage::commands(&read.figures);
    let total = usages.len();
    usages.truncate(usize::from(args.top));
    if context.global.format == Format::Json {
        let one = |usage: &usage::Usage| {
            json!({
                "command": usage.name,
                "count": usage.counted.count,
                "failed": usage.counted.failed,
                "errorRate": usage.counted.error_rate(),
                "performanceMetrics": usage.statistics.json(),
            })
        };
        let commands: Vec<Value> = usages.iter().map(one).collect();
        context.printer.json(&json!({
            "format_version": "1.0",
            "period": read.period.json(),
            "workspaceId": read.workspace,
            "incompleteDays": read.incomplete_days,
            "total": total,
            "commands": commands,
        }));
    } else {
        let (style, workspace) = (&context.printer.stdout, read.workspace.as_deref());
        let text = usage::commands_text(&read.period, workspace, &usages, style, chart(context));
        context.printer.result(&text);
        if usages.len() < total {
            context.printer.note(&format!("{} of {total} commands shown.", usages.len()));
        }
    }
    read.notes(context);
    Ok(ExitStatus::Success)
}

pub(super) async fn errors(context: &Context, args: &ErrorsArgs) -> Result<ExitStatus, CliError> {
    let read = read(context, &args.period, None, Durations::No).await?;
    let report = read.report();
    let most = usize::from(args.top);
    if context.global.format == Format::Json {
        context.printer.json(&json!({
            "format_version": "1.0",
            "period": read.period.json(),
            "workspaceId": read.workspace,
            "incompleteDays": read.incomplete_days,
            "totalCommands": report.commands.count,
            "failedCommands": report.commands.failed,
            "errorRate": report.commands.error_rate(),
            "totalErrors": report.errors,
            "topErrors": report.errors_json(most),
        }));
    } else {
        let text = usage::errors_text(&report, most, &context.printer.stdout, chart(context));
        context.printer.result(&text);
    }
    read.notes(context);
    Ok(ExitStatus::Success)
}

pub(super) async fn performance(context: &Context, args: &PerformanceArgs) -> Result<ExitStatus, CliError> {
    let command = args.command.as_deref().map(plain);
    let read = read(context, &args.period, command.as_deref(), Durations::Together).await?;
    let report = read.report();
    if let Some(name) = command.as_deref().filter(|_| report.commands.count == 0) {
        must_be_command(name)?;
    }
    if context.global.format == Format::Json {
        context.printer.json(&json!({
            "format_version": "1.0",
            "period": read.period.json(),
            "workspaceId": read.workspace,
            "incompleteDays": read.incomplete_days,
            "command": command,
            "count": report.commands.count,
            "failed": report.commands.failed,
            "errorRate": report.commands.error_rate(),
            "performanceMetrics": report.statistics.json(),
        }));
    } else {
        let histogram = histogram(&read.figures.durations);
        context.printer.result(&usage::performance_text(
            &report,
            command.as_deref(),
            &histogram,
            chart(context),
        ));
    }
    read.notes(context);
    Ok(ExitStatus::Success)
}

/// A command as it is recorded: one space between words, and no program in front.
fn plain(command: &str) -> String {
    let words: Vec<&str> = command.split_whitespace().collect();
    words.strip_prefix(&["synthex"]).unwrap_or(&words).join(" ")
}

/// Refuses what is no command, since it was never recorded either.
fn must_be_command(name: &str) -> Result<(), CliError> {
    let mut names = BTreeSet::new();
    leaves(&Cli::command(), "", &mut names);
    if names.contains(name) {
        return Ok(());
    }
    let near = did_you_mean(name, names.iter().map(String::as_str));
    let below: Vec<&str> = names
        .iter()
        .map(String::as_str)
        .filter(|leaf| leaf.starts_with(&format!("{name} ")))
        .take(8)
        .collect();
    let help = match near {
        _ if !below.is_empty() => format!("name one of its commands: {}", below.join(", ")),
        Some(near) => format!("did you mean `{near}`?"),
        None => "write it as it is typed, without options: \"tenant tenants create\"".to_owned(),
    };
    Err(CliError::usage(format!("there is no command `{name}`"))
        .why("nothing of this name was recorded either")
        .help(help))
}

fn leaves(command: &clap::Command, path: &str, names: &mut BTreeSet<String>) {
    for inner in command.get_subcommands() {
        let name = if path.is_empty() {
            inner.get_name().to_owned()
        } else {
            format!("{path} {}", inner.get_name())
        };
        if inner.has_subcommands() {
            leaves(inner, &name, names);
        } else {
            names.insert(name);
        }
    }
}

/// How many runs took how long, in steps that triple.
fn histogram(durations: &[Took]) -> Vec<(String, u64)> {
    const STEPS: [(u64, &str); 7] = [
        (10, "< 10 ms"),
        (30, "< 30 ms"),
        (100, "< 100 ms"),
        (300, "< 300 ms"),
        (1_000, "< 1 s"),
        (3_000, "< 3 s"),
        (10_000, "< 10 s"),
    ];
    let mut counts: Vec<(String, u64)> = STEPS
        .iter()
        .map(|(_, label)| *label)
        .chain(["10 s and up"])
        .map(|label| (label.to_owned(), 0))
        .collect();
    for took in durations {
        let step = STEPS.iter().position(|(limit, _)| took.milliseconds < *limit).unwrap_or(STEPS.len());
        counts[step].1 += took.count;
    }
    counts
}

/// What was read for a report.
struct Read {
    period: Period,
    workspace: Option<String>,
    figures: Figures,
    incomplete_days: Vec<NaiveDate>,
    is_installed: bool,
    waiting: usize,
}

impl Read {
    fn report(&self) -> Report {
        Report::new(self.period, self.workspace.as_deref(), &self.figures, &self.incomplete_days)
    }

    /// What the reader of a report should know besides.
    fn notes(&self, context: &Context) {
        let note = |text: &str| context.printer.note(text);
        if !self.is_installed {
            note("This database has no place for metrics yet: run `synthex db migrate`.");
        }
        if !self.incomplete_days.is_empty() {
            note(&incomplete_words(&self.incomplete_days));
        }
        if context.recorder.is_off() {
            note("Recording is switched off.");
        }
        if self.waiting > 0 {
            note(&format!("{} metrics of this machine wait: the database did not take them.", self.waiting));
        }
        if self.figures.metrics() > MANY && self.figures.summed_days == 0 {
            note("`synthex analytics roll-up` sums whole days; reports are quick then.");
        }
    }
}

/// What is said of days that belong to the period in part, and cannot be looked at in part.
fn incomplete_words(days: &[NaiveDate]) -> String {
    let named: Vec<String> = days.iter().map(ToString::to_string).collect();
    let it = if days.len() == 1 { "it is" } else { "they are" };
    format!(
        "Nothing of {} is counted: only the sum of the whole day is left, and the period has a part of it. \
         With --from and --to at midnight (UTC) {it} counted whole.",
        named.join(" and ")
    )
}

async fn read(
    context: &Context,
    args: &PeriodArgs,
    command: Option<&str>,
    durations: Durations,
) -> Result<Read, CliError> {
    let period = period(context, args)?;
    let workspace = args.workspace_id.clone().or_else(|| context.global.workspace.clone());
    if let Some(name) = &workspace {
        context.recorder.means(name);
    }
    let mut connection = open(context).await?;
    let waiting = recording::flush(context, &mut connection).await;
    may_see(&mut connection, workspace.as_deref()).await?;
    let scope = UsageScope {
        start: period.start,
        end: period.end,
        workspace: workspace.as_deref(),
        command,
        durations,
    };
    let found = usage_figures(&mut connection, &scope).await?;
    connection.close().await;
    let is_installed = found.is_some();
    let Found { figures, incomplete_days } = found.unwrap_or_default();
    Ok(Read { period, workspace, figures, incomplete_days, is_installed, waiting })
}

/// The database that the options mean.
pub(super) async fn open(context: &Context) -> Result<Connection, CliError> {
    let (source, _) = crate::cli::commands::place(context)?;
    let options = database::open(context, &source, "analytics").await?;
    Ok(options.connect().await?)
}

/// The workspace is there, and a role that sees one at a time names one.
async fn may_see(connection: &mut Connection, workspace: Option<&str>) -> Result<(), CliError> {
    connection.begin_reading().await?;
    let is_installed = connection.is_installed().await?;
    let is_confined = is_installed && connection.is_confined().await?;
    connection.rollback().await?;
    let Some(name) = workspace.filter(|_| is_installed && !is_confined) else {
        return if is_confined && workspace.is_none() { Err(project::no_workspace()) } else { Ok(()) };
    };
    let known = known_workspaces(connection).await?.unwrap_or_default();
    if known.iter().any(|known| known == name) {
        return Ok(());
    }
    let help = match did_you_mean(name, known.iter().map(String::as_str)) {
        Some(near) => format!("did you mean `{near}`?"),
        None if known.is_empty() => "no workspace was applied to this database yet".to_owned(),
        None => format!("the workspaces are {}", known.join(", ")),
    };
    Err(CliError::usage(format!("there is no workspace `{name}` in the database")).help(help))
}
