//! `health report`: how everything stands by what is kept, and how much of a period it was available.

use std::collections::BTreeSet;

use chrono::{DateTime, TimeDelta, Utc};
use clap::Args;

use crate::cli::args::Format;
use crate::cli::commands::place;
use crate::cli::context::Context;
use crate::cli::database;
use crate::cli::error::{CliError, ExitStatus};
use crate::cli::listing::NOTHING_APPLIED;
use crate::cli::preferences;
use crate::cli::project;
use crate::engine::StateReader as _;
use crate::engine::health::{CheckKey, Settings, overall};
use crate::kinds;
use crate::kinds::health_check::HealthCheckSpec;
use crate::model::health::CheckedService;
use crate::model::text::duration_seconds;
use crate::plan::Selection;
use crate::report::health::{HealthReport, Line, junit, prometheus, sort};
use crate::store::{self, Connection};

use super::ServiceArg;
use super::choosing::ChosenTenants;
use super::showing::{exit_status, line_of_state, said_how_many};

/// Report how everything stands, and how much of a period it was available
///
/// Nobody is asked: it tells what `health check` found. A state changes once enough results in a row say so; `lastStatus` is what
/// the last one said, and how many there are of how many is said with what was found. Exits like `health check`: 0 healthy, 1 degraded, 2 unhealthy, 3 unknown.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  synthex health report\n  synthex health report --period 30d --exclude-maintenance\n  synthex health report --format json\n  synthex health report --format junit > health.xml\n  synthex health report --format prometheus > /var/lib/node_exporter/synthex.prom"
)]
pub struct ReportArgs {
    /// Only these services; repeatable
    #[arg(long, value_enum, value_name = "SERVICE")]
    pub service: Vec<ServiceArg>,
    /// The time before now that availability is of: `24h`, `7d`, `4w`
    #[arg(long, value_name = "TIME", default_value = "7d", value_parser = period)]
    pub period: TimeDelta,
    /// Leave results that fell into maintenance windows out of availability
    #[arg(long)]
    pub exclude_maintenance: bool,
    /// Show at most this many, the worst first
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub limit: Option<u64>,
}

fn period(text: &str) -> Result<TimeDelta, String> {
    duration_seconds(text)
        .filter(|seconds| *seconds <= 3_650 * 86_400)
        .and_then(TimeDelta::try_seconds)
        .ok_or("write a time such as 24h, 7d or 4w; at most 3650d".to_owned())
}

/// Runs `health report`.
///
/// # Errors
/// Wrong usage, or the database does not answer.
pub async fn report(context: &Context, args: &ReportArgs) -> Result<ExitStatus, CliError> {
    let format = context.global.format;
    if matches!(format, Format::Markdown | Format::Sarif | Format::Github) {
        return Err(CliError::usage("this command has no such format")
            .help("use --format human, json, junit or prometheus"));
    }
    let now = context.clock.now();
    // An end that is now would leave out what was found this very moment.
    let period = (now - args.period, now + TimeDelta::microseconds(1));
    let wanted =
        Wanted { period: Some(period), without_maintenance: args.exclude_maintenance, selection: None };
    let (mut lines, place) = read(context, "health report", &wanted, &args.service).await?;
    sort(&mut lines);
    let report = HealthReport {
        overall: overall(lines.iter().map(|line| (line.status, line.maintenance))),
        timestamp: now,
        period: Some((period.0, now)),
        excludes_maintenance: args.exclude_maintenance,
        is_recorded: None,
        only: Vec::new(),
        lines,
    };
    let limit = args.limit.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(usize::MAX);
    match format {
        Format::Json => context.printer.json(&report.json(limit)),
        Format::Junit => context.printer.result(&junit(&report)),
        Format::Prometheus => context.printer.result(&prometheus(&report)),
        _ if report.lines.is_empty() => nothing(context, place),
        _ => {
            context.printer.result(&report.text(limit, &context.printer.stdout));
            said_how_many(context, &report, limit);
        }
    }
    Ok(exit_status(report.overall))
}

/// Whether a database has a place for results.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// It has.
    There,
    /// An older synthex is installed.
    Old,
    /// None is.
    Nowhere,
}

/// Why there is nothing.
pub(super) fn nothing(context: &Context, place: Place) {
    context.printer.note(match place {
        Place::There => "Nothing was looked at yet: run `synthex health check`.",
        Place::Old => "This database has no place for health checks yet: run `synthex db migrate`.",
        Place::Nowhere => NOTHING_APPLIED,
    });
}

/// What is read besides the states, and of whom.
#[derive(Default)]
pub(super) struct Wanted {
    /// The period that availability is of.
    pub period: Option<(DateTime<Utc>, DateTime<Utc>)>,
    /// Whether what fell into maintenance windows is left out of it.
    pub without_maintenance: bool,
    /// Only what is about these tenants, where some are selected.
    pub selection: Option<Selection>,
}

/// How everything stands, and whether there is a place for it.
pub(super) async fn read(
    context: &Context,
    command: &str,
    wanted: &Wanted,
    services: &[ServiceArg],
) -> Result<(Vec<Line>, Place), CliError> {
    let (mut connection, scopes) = match open(context, command).await? {
        Ok(opened) => opened,
        Err(place) => return Ok((Vec::new(), place)),
    };
    let services: Vec<CheckedService> = services.iter().map(|service| (*service).into()).collect();
    let (mut lines, mut off) = (Vec::new(), BTreeSet::new());
    for scope in &scopes {
        let only = scope.as_deref();
        let specs = store::list(&mut connection, &kinds::health_check::KIND, only).await?;
        let specs: Vec<(String, HealthCheckSpec)> = specs
            .iter()
            .filter_map(|row| {
                let spec = row.canonical.get("spec").cloned()?;
                Some((row.key.workspace.to_string(), serde_json::from_value(spec).ok()?))
            })
            .collect();
        let settings = Settings::new(specs.iter().map(|(workspace, spec)| (workspace.as_str(), spec)));
        let is_wanted = |service| services.is_empty() || services.contains(&service);
        off.extend(settings.switched_off().filter(|key| is_wanted(key.service)));
        let chosen = match &wanted.selection {
            Some(selection) => Some(ChosenTenants::read(&mut connection, only, selection).await?),
            None => None,
        };
        connection.begin_reading().await?;
        if let Some(name) = only {
            connection.enter(name).await?;
        }
        let states = connection.health_states(only).await?;
        let available = match wanted.period {
            Some(period) => connection.health_availability(only, period, wanted.without_maintenance).await?,
            None => std::collections::HashMap::new(),
        };
        connection.rollback().await?;
        for state in states {
            let is_chosen =
                |chosen: &ChosenTenants| chosen.has(&state.key.workspace, state.tenant.as_deref());
            if !is_wanted(state.key.service) || !chosen.as_ref().is_none_or(is_chosen) {
                continue;
            }
            let key: CheckKey = state.key.clone();
            let patience = settings.of(&key.workspace, key.service).patience;
            let pending = state.settled.pending(&patience);
            let mut line = line_of_state(state);
            line.is_stale = context.clock.now() - line.last_checked > patience.interval * 2;
            // After a gap, counting begins anew.
            line.pending = pending.filter(|_| !line.is_stale);
            if wanted.period.is_some() {
                let found = available.get(&key).copied().unwrap_or_default();
                line.availability = Some((found.good, found.known));
            }
            lines.push(line);
        }
    }
    connection.close().await;
    if let Some(off) = super::switched_off(&off) {
        context.printer.note(&off);
    }
    // What belongs to no workspace is seen from each.
    lines.sort_by(|left, right| {
        (left.service, &left.workspace, &left.subject).cmp(&(right.service, &right.workspace, &right.subject))
    });
    lines.dedup_by(|left, right| left.name() == right.name());
    Ok((lines, Place::There))
}

/// The database, and the workspaces to look in one after the other; `Err` where it has no place for health checks.
pub(super) async fn open(
    context: &Context,
    command: &str,
) -> Result<Result<(Connection, Vec<Option<String>>), Place>, CliError> {
    let (source, found) = place(context)?;
    let options = database::open(context, &source, command).await?;
    let mut connection = options.connect().await?;
    connection.begin_reading().await?;
    let is_installed = connection.is_installed().await?;
    if !is_installed || !connection.has_place_for_health().await? {
        connection.rollback().await?;
        connection.close().await;
        return Ok(Err(if is_installed { Place::Old } else { Place::Nowhere }));
    }
    let active = preferences::workspace(context)?;
    if let Some(choice) = &active {
        project::must_know_choice(&mut connection, found.as_ref(), choice).await?;
    }
    let is_confined = connection.is_confined().await?;
    connection.rollback().await?;
    let scopes = match active {
        Some(choice) => vec![Some(choice.name)],
        None if is_confined => {
            let found = found.as_ref().ok_or_else(project::no_workspace)?;
            project::visible_workspaces(found, None)?.into_iter().map(Some).collect()
        }
        None => vec![None],
    };
    Ok(Ok((connection, scopes)))
}
