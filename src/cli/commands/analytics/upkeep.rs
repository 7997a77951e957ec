//! `analytics roll-up` and `analytics prune`.

use chrono::TimeDelta;
use serde_json::json;

use crate::cli::args::Format;
use crate::cli::context::Context;
use crate::cli::error::{CliError, ExitStatus};
use crate::cli::prompt;
use crate::cli::recording;
use crate::engine::{StateError, StateErrorKind, StateReader as _};
use crate::model::text::duration_seconds;
use crate::store::Connection;
use crate::store::usage_upkeep::{Pruned, prune_metrics, sum_days};

use super::PruneArgs;
use super::report::open;

/// Metrics that wait on some machine may be this old, and must still find their month.
const LEAST: i64 = 31 * 86_400;

pub(super) async fn roll_up(context: &Context) -> Result<ExitStatus, CliError> {
    let mut connection = ready(context).await?;
    recording::flush(context, &mut connection).await;
    let days = sum_days(&mut connection, context.clock.now().date_naive()).await?;
    connection.close().await;
    if context.global.format == Format::Json {
        context.printer.json(&json!({"format_version": "1.0", "summedDays": days}));
        return Ok(ExitStatus::Success);
    }
    context.printer.result(&match days.as_slice() {
        [] => "Every whole day is summed already.\n".to_owned(),
        [day] => format!("Summed {day}.\n"),
        [first, .., last] => format!("Summed {} days, {first} to {last}.\n", days.len()),
    });
    Ok(ExitStatus::Success)
}

pub(super) async fn prune(context: &Context, args: &PruneArgs) -> Result<ExitStatus, CliError> {
    let now = context.clock.now();
    let age = duration_seconds(&args.older_than).filter(|seconds| *seconds >= LEAST);
    let before = age.and_then(TimeDelta::try_seconds).and_then(|age| now.checked_sub_signed(age));
    let before = before.ok_or_else(|| {
        CliError::usage(format!("`{}` is no age from which on metrics are dropped", args.older_than))
            .why("it must be 31d or more: what waits on some machine may be as old as that")
            .help("write a number of days or weeks, such as 400d or 57w")
    })?;
    let mut connection = ready(context).await?;
    recording::flush(context, &mut connection).await;
    let today = now.date_naive();
    let wanted = prune_metrics(&mut connection, before, today, true).await?;
    let is_nothing = wanted.months.is_empty() && wanted.metrics == 0;
    let mut pruned = wanted;
    if !args.dry_run && !is_nothing {
        if !args.yes {
            if !context.environment.is_interactive() {
                return Err(CliError::usage(
                    "analytics prune would drop metrics, and there is no terminal to ask on",
                )
                .why(words(&pruned, "would drop"))
                .help("look at it with --dry-run, then add --yes"));
            }
            context.printer.note(&format!("This {}.", words(&pruned, "drops")));
            if !prompt::confirm("Drop them?").await? {
                return Err(CliError::new(ExitStatus::Error, "declined", "declined; nothing was changed"));
            }
        }
        pruned = prune_metrics(&mut connection, before, today, false).await?;
    }
    connection.close().await;
    if context.global.format == Format::Json {
        context.printer.json(&json!({
            "format_version": "1.0",
            "dryRun": args.dry_run,
            "before": before,
            "months": pruned.months,
            "metrics": pruned.metrics,
            "summedDays": pruned.summed,
        }));
        return Ok(ExitStatus::Success);
    }
    let text = match (is_nothing, args.dry_run) {
        (true, _) => "Nothing is that old.".to_owned(),
        (false, true) => format!("It {}.", words(&pruned, "would drop")),
        (false, false) => format!("It {}.", words(&pruned, "dropped")),
    };
    context.printer.result(&format!("{text}\n"));
    Ok(ExitStatus::Success)
}

fn words(pruned: &Pruned, verb: &str) -> String {
    let months: Vec<String> = pruned
        .months
        .iter()
        .map(|month| month.trim_start_matches("usage_metrics_").replace('_', "-"))
        .collect();
    let months =
        if months.is_empty() { String::new() } else { format!(", the months {}", months.join(", ")) };
    format!("{verb} {} metrics{months}", pruned.metrics)
}

/// A connection to a database that has a place for metrics, as a role that may look after them.
async fn ready(context: &Context) -> Result<Connection, CliError> {
    let mut connection = open(context).await?;
    connection.begin_reading().await?;
    let has_place = connection.has_place_for_metrics().await?;
    let is_confined = has_place && connection.is_confined().await?;
    connection.rollback().await?;
    if !has_place {
        return Err(CliError::from(
            StateError::new(StateErrorKind::Incompatible, "this database has no place for metrics yet")
                .why("synthex is not installed there, or an older one is")
                .help("run `synthex db migrate`"),
        ));
    }
    if is_confined {
        return Err(CliError::from(
            StateError::new(StateErrorKind::Refused, "this role may not look after metrics")
                .why("row-level security confines it to one workspace")
                .help("connect as the role that owns the schema synthex"),
        ));
    }
    Ok(connection)
}
