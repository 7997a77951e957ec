//! `db prune`: removes what is old, as `watch` does every hour by itself.

use chrono::TimeDelta;
use clap::Args;
use serde_json::json;

use crate::cli::args::Format;
use crate::cli::commands;
use crate::cli::context::Context;
use crate::cli::database;
use crate::cli::error::{CliError, ExitStatus};
use crate::cli::prompt;
use crate::cli::recording;
use crate::cli::watching::upkeep::{SOFT_DAYS, removed_json, soft_json};
use crate::engine::{StateError, StateErrorKind, StateReader as _};
use crate::kinds::project::Ages;
use crate::report::table::table;
use crate::store::retention::{self, Gone};
use crate::store::usage_upkeep::{Pruned, prune_metrics};
use crate::store::{Connection, migration_state};

/// Remove what was observed and told long ago: health checks, alerts, messages, metrics
///
/// How long each is kept is `spec.retention` of the project file. What is declared, who changed it, what is still to be
/// delivered, the inbox, and everything by which somebody would be told a second time are kept. `synthex watch` does the same
/// every hour.
#[derive(Debug, Args)]
pub struct PruneArgs {
    /// Do not ask; needed where there is no terminal to ask on
    #[arg(short, long)]
    pub yes: bool,
    /// Show what would be removed and stop
    #[arg(long)]
    pub dry_run: bool,
}

/// What is removed, or would be.
struct Old {
    rows: Vec<Gone>,
    metrics: Pruned,
    soft: Vec<(&'static str, u64)>,
}

impl Old {
    fn count(&self) -> u64 {
        self.rows.iter().map(|gone| gone.rows).sum::<u64>() + self.metrics.metrics.unsigned_abs()
    }

    fn is_nothing(&self) -> bool {
        self.count() == 0 && self.metrics.months.is_empty()
    }
}

pub(super) async fn prune(context: &Context, args: &PruneArgs) -> Result<ExitStatus, CliError> {
    let (source, found) = commands::place(context)?;
    let ages = found.map(|found| found.project.spec.retention.ages()).unwrap_or_default();
    let options = database::existing(context, &source, "db prune").await?.ok_or_else(nowhere)?;
    let mut connection = options.connect().await?;
    must_be_ready(&mut connection).await?;
    let now = context.clock.now();
    if !args.dry_run {
        recording::flush(context, &mut connection).await;
    }
    let mut old = Old {
        rows: retention::count(&mut connection, &ages, now).await?,
        metrics: old_metrics(&mut connection, &ages, context, true).await?,
        soft: {
            let before = now.checked_sub_signed(TimeDelta::days(SOFT_DAYS)).unwrap_or(now);
            retention::softly_deleted(&mut connection, before).await?
        },
    };
    if !args.dry_run && !old.is_nothing() {
        if !args.yes {
            if !context.environment.is_interactive() {
                return Err(CliError::usage(
                    "db prune would remove rows, and there is no terminal to ask on",
                )
                .why(format!("it would remove {} rows", old.count()))
                .help("look at them with --dry-run, then add --yes"));
            }
            context.printer.note(&format!("This removes {} rows.", old.count()));
            if !prompt::confirm("Remove them?").await? {
                return Err(CliError::new(ExitStatus::Error, "declined", "declined; nothing was changed"));
            }
        }
        old.rows = retention::remove(&mut connection, &ages, now, u32::MAX, || true).await?;
        old.metrics = old_metrics(&mut connection, &ages, context, false).await?;
    }
    connection.close().await;
    show(context, &old, args.dry_run);
    Ok(ExitStatus::Success)
}

async fn old_metrics(
    connection: &mut Connection,
    ages: &Ages,
    context: &Context,
    is_dry: bool,
) -> Result<Pruned, StateError> {
    let now = context.clock.now();
    match ages.metrics.and_then(|age| now.checked_sub_signed(age)) {
        Some(before) => prune_metrics(connection, before, now.date_naive(), is_dry).await,
        None => Ok(Pruned::default()),
    }
}

/// The tables are there, all of them, and the role may remove rows of every workspace.
fn nowhere() -> CliError {
    CliError::usage("synthex is not installed in this database, so there is nothing to remove")
        .help("run `synthex apply` first; `synthex db status` shows which database is meant")
}

async fn must_be_ready(connection: &mut Connection) -> Result<(), CliError> {
    connection.begin_reading().await?;
    let state = migration_state(connection).await?;
    let is_confined = state.pending.is_empty() && connection.is_confined().await?;
    connection.rollback().await?;
    if state.installed == 0 {
        return Err(nowhere());
    }
    if !state.pending.is_empty() {
        return Err(CliError::from(
            StateError::new(StateErrorKind::Incompatible, "the database is older than this synthex")
                .why(format!("of its migrations, {} are not installed", state.pending.len()))
                .help("run `synthex db migrate`"),
        ));
    }
    if is_confined {
        return Err(CliError::from(
            StateError::new(StateErrorKind::Refused, "this role may not remove what is old")
                .why("row-level security confines it to one workspace")
                .help("connect as the role that owns the schema synthex"),
        ));
    }
    Ok(())
}

fn show(context: &Context, old: &Old, is_dry: bool) {
    let soft: u64 = old.soft.iter().map(|(_, rows)| rows).sum();
    let help = "synthex apply --prune --permanent";
    if context.global.format == Format::Json {
        let mut removed = removed_json(&old.rows);
        removed["metrics"] = json!(old.metrics.metrics);
        context.printer.json(&json!({
            "format_version": "1.0",
            "dryRun": is_dry,
            "removed": removed,
            "months": old.metrics.months,
            "softlyDeleted": soft_json(&old.soft),
        }));
        return;
    }
    let mut text = String::new();
    if old.is_nothing() {
        text.push_str("Nothing is that old.\n");
    } else {
        let mut rows: Vec<Vec<String>> = old
            .rows
            .iter()
            .filter(|gone| gone.rows > 0)
            .map(|gone| {
                let before = gone.before.format("%Y-%m-%d %H:%M UTC").to_string();
                vec![gone.rows.to_string(), gone.words.to_owned(), before]
            })
            .collect();
        if old.metrics.metrics > 0 || !old.metrics.months.is_empty() {
            let months: Vec<String> = old
                .metrics
                .months
                .iter()
                .map(|month| month.trim_start_matches("usage_metrics_").replace('_', "-"))
                .collect();
            rows.push(vec![old.metrics.metrics.to_string(), "usage metrics".to_owned(), months.join(", ")]);
        }
        text.push_str(&table(&["ROWS", "WHAT", "OLDER THAN"], rows, &context.printer.stdout));
        text.push_str(&match is_dry {
            true => format!("\n{} rows would be removed.\n", old.count()),
            false => format!("\n{} rows were removed.\n", old.count()),
        });
    }
    context.printer.result(&text);
    if soft > 0 {
        context.printer.note(&format!(
            "{soft} resources were deleted softly more than {SOFT_DAYS} days ago and stay: `{help}` removes them for good."
        ));
    }
}
