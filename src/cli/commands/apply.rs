//! `apply`: makes the database as declared, in one transaction.

use std::time::Duration;

use clap::Args;
use serde_json::json;

use crate::cli::args::Format;
use crate::cli::context::{Context, new_id};
use crate::cli::error::{CliError, ExitStatus};
use crate::cli::planning::{self, Planned};
use crate::cli::printer::write_stderr;
use crate::cli::progress::{Display, ProgressMode};
use crate::cli::prompt;
use crate::cli::signals::Signals;
use crate::engine::{self, Applied, ApplyError, ApplyRequest, Holder, Operation};
use crate::model::ResourceKey;
use crate::plan::{ActionKind, Plan};
use crate::report;
use crate::report::plan_text::PlanOptions;
use crate::store::Writer;

/// Make the database as declared
///
/// Plans, shows the plan, asks (unless --yes), and writes everything in one transaction: all of it, or nothing. Installs
/// and upgrades the schema where that is needed. Running it again when nothing changed writes nothing. Ctrl-C before the
/// commit leaves everything as it was.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  synthex apply\n  synthex apply --yes\n  synthex apply --yes --format json\n  synthex apply --dry-run"
)]
pub struct ApplyArgs {
    /// Do not ask; needed where there is no terminal to ask on
    #[arg(short, long)]
    pub yes: bool,
    /// Show the plan and stop
    #[arg(long, conflicts_with = "yes")]
    pub dry_run: bool,
    /// Delete, softly, what the project owns and no manifest declares any more, as `prune: true` in the project does
    #[arg(long)]
    pub prune: bool,
    /// How many seconds to wait for a lease that another run holds
    #[arg(long, value_name = "SECONDS", default_value_t = 0, value_parser = seconds)]
    pub lock_timeout: u64,
    /// How progress is shown on standard error
    #[arg(long, value_enum, default_value_t = ProgressMode::Auto, value_name = "MODE")]
    pub progress: ProgressMode,
}

fn seconds(text: &str) -> Result<u64, String> {
    let seconds = text.parse().ok().filter(|seconds| *seconds <= 86_400);
    seconds.ok_or("write seconds, from 0 to 86400".to_owned())
}

/// Runs `apply`.
///
/// # Errors
/// Problems of manifests or of the database. Nothing was changed.
pub async fn apply(context: &Context, args: &ApplyArgs) -> Result<ExitStatus, CliError> {
    super::only_human_or_json(context)?;
    let signals = Signals::listen()?;
    let planned = tokio::select! {
        biased;
        () = engine::Interrupt::requested(&signals) => return Err(interrupted(&signals)),
        planned = planning::make(context, args.prune, "apply") => planned?,
    };
    if !planned.warnings.is_empty() {
        context.printer.diagnostics(&planned.warnings);
    }
    let json = context.global.format == Format::Json;
    if !json {
        let style = &context.printer.stdout;
        let text =
            report::plan_text::human(&planned.plan, &planned.context(), style, &PlanOptions::default());
        context.printer.result(&text);
    }
    if !planned.plan.refusals.is_empty() {
        return Err(CliError::refused(&planned.plan.refusals));
    }
    if planned.plan.is_empty() || args.dry_run {
        if json {
            context.printer.json(&outcome_json(&planned.plan, None));
        }
        return Ok(ExitStatus::Success);
    }
    // What could not be shown is not applied.
    context.printer.check().map_err(|mut error| {
        "the plan could not be shown, so nothing was changed".clone_into(&mut error.what);
        error.help("look at where standard output leads to")
    })?;
    if !args.yes && !confirm(context, &signals).await? {
        return Err(CliError::new(ExitStatus::Error, "declined", "declined; nothing was changed"));
    }
    let applied = match execute(context, args, &planned, &signals).await {
        Err(stale) if stale.status == ExitStatus::Stale => {
            return done_by_another(context, args, &signals, stale).await;
        }
        outcome => outcome?,
    };
    if json {
        context.printer.json(&outcome_json(&planned.plan, Some(applied)));
    } else {
        context.printer.result(&format!("Applied as revision {}.\n", applied.revision));
    }
    Ok(ExitStatus::Success)
}

/// The database changed after the plan was made. Where another run made the very changes that were to be made, nothing is
/// left to do, and that is no failure.
async fn done_by_another(
    context: &Context,
    args: &ApplyArgs,
    signals: &Signals,
    stale: CliError,
) -> Result<ExitStatus, CliError> {
    let again = tokio::select! {
        biased;
        () = engine::Interrupt::requested(signals) => return Err(interrupted(signals)),
        again = planning::make(context, args.prune, "apply") => again?,
    };
    if !again.plan.is_empty() || !again.plan.refusals.is_empty() {
        return Err(stale);
    }
    context.printer.note("another run made these changes in the meantime");
    if context.global.format == Format::Json {
        context.printer.json(&outcome_json(&again.plan, None));
    } else {
        let style = &context.printer.stdout;
        let options = PlanOptions::default();
        context.printer.result(&report::plan_text::human(&again.plan, &again.context(), style, &options));
    }
    Ok(ExitStatus::Success)
}

async fn execute(
    context: &Context,
    args: &ApplyArgs,
    planned: &Planned,
    signals: &Signals,
) -> Result<Applied, CliError> {
    let holder = Holder { commit: planned.commit.clone(), ..context.holder("apply") };
    let operation = Operation {
        id: new_id(),
        project: planned.plan.project.clone(),
        command: "apply".to_owned(),
        actor: context.actor(),
        host: holder.host.clone(),
        commit: planned.commit.clone(),
        digest: planned.plan.digest(),
        summary: planned.plan.summary(),
        started_at: context.clock.now(),
    };
    let request = ApplyRequest {
        plan: &planned.plan,
        holder,
        operation,
        lock_timeout: Duration::from_secs(args.lock_timeout),
    };
    let mut writer = tokio::select! {
        biased;
        () = engine::Interrupt::requested(signals) => return Err(interrupted(signals)),
        writer = Writer::open(planned.options.clone()) => writer?,
    };
    let mut display = Display::new(context, args.progress, planned.plan.actions.len());
    let outcome = engine::apply(&mut writer, &request, &mut display, signals).await;
    display.finish(outcome.is_ok());
    outcome.map_err(|error| failure(error, &planned.plan, signals))
}

fn interrupted(signals: &Signals) -> CliError {
    let status = signals.status().unwrap_or(ExitStatus::Interrupted);
    CliError::new(status, "interrupted", "stopped; nothing was changed")
}

/// Names the resource and the line where the database refused one.
fn failure(error: ApplyError, plan: &Plan, signals: &Signals) -> CliError {
    let keys = match &error {
        ApplyError::Interrupted => return interrupted(signals),
        ApplyError::State(state) => state.keys.clone(),
        ApplyError::NotConverged { left } => left.iter().map(|(key, _)| key.clone()).collect(),
    };
    let placed = |key: &ResourceKey| {
        let action = plan.actions.iter().find(|action| action.key == *key);
        let place = action.and_then(|action| action.position.as_ref());
        place.map_or_else(|| key.to_string(), |place| format!("{key} ({place})"))
    };
    let also = match &error {
        ApplyError::State(state) => {
            state.also.iter().map(|(key, why)| format!("{}: {why}", placed(key))).collect()
        }
        _ => Vec::new(),
    };
    let mut failure = CliError { also, ..CliError::from(error) };
    if let Some(key) = keys.first() {
        failure.what = format!("{}: {}", placed(key), failure.what);
    }
    if failure.status == ExitStatus::Error || failure.status == ExitStatus::Stale {
        failure.why = Some(match failure.why {
            Some(why) => format!("{why}; nothing was changed"),
            None => "nothing was changed".to_owned(),
        });
    }
    failure
}

async fn confirm(context: &Context, signals: &Signals) -> Result<bool, CliError> {
    if !context.environment.is_interactive() {
        return Err(CliError::usage("apply would change the database, and there is no terminal to ask on")
            .why("standard input or standard error is no terminal, and --yes was not given")
            .help("review the plan, then add --yes"));
    }
    tokio::select! {
        biased;
        () = engine::Interrupt::requested(signals) => {
            // The terminal shows `^C` behind the question.
            write_stderr("\n");
            Err(interrupted(signals))
        }
        answer = prompt::confirm("Apply these changes?") => answer,
    }
}

fn outcome_json(plan: &Plan, applied: Option<Applied>) -> serde_json::Value {
    let summary = plan.summary();
    let item = |action: &crate::plan::Action| {
        json!({
            "action": action.kind.code(),
            "kind": action.key.kind.name,
            "workspace": &*action.key.workspace,
            "name": &*action.key.name,
            "reason": action.reason.code(),
            "fields": action.changes.iter().map(crate::plan::FieldChange::field).collect::<Vec<_>>(),
            "destructive": action.kind == ActionKind::Delete,
        })
    };
    json!({
        "format_version": "1.0",
        "applied": applied.is_some(),
        "revision": applied.map(|applied| applied.revision),
        "digest": plan.digest().to_string(),
        "summary": {
            "create": summary.create, "update": summary.update, "delete": summary.delete,
            "restore": summary.restore, "adopt": summary.adopt, "rename": 0, "unchanged": summary.unchanged,
        },
        "changes": plan.actions.iter().map(item).collect::<Vec<_>>(),
    })
}
