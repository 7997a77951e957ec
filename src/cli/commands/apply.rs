//! `apply`: makes the database as declared, in one transaction.

use std::path::{Path, PathBuf};

use chrono::TimeDelta;
use clap::Args;

use crate::cli::again::Again;
use crate::cli::approving::AutoApproveArgs;
use crate::cli::args::Format;
use crate::cli::context::Context;
use crate::cli::error::{CliError, ExitStatus};
use crate::cli::outcome::{interrupted, outcome_json};
use crate::cli::planning::{self, Planned, Wishes};
use crate::cli::saving::{self, Loaded};
use crate::cli::selecting::SelectArgs;
use crate::cli::signals::Signals;
use crate::cli::writing::{self, Job, OnErrorArg, WriteArgs};
use crate::engine;
use crate::model::KeyPattern;
use crate::plan::{ActionKind, Plan};
use crate::report;
use crate::report::plan_text::PlanOptions;

/// Make the database as declared
///
/// Plans, shows the plan, asks (unless --yes), and writes everything in one transaction: all of it, or nothing. Installs
/// and upgrades the schema where that is needed. Running it again when nothing changed writes nothing. Ctrl-C before the
/// commit leaves everything as it was. With a FILE, applies the plan that `synthex plan --out FILE` saved, and no other.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  synthex apply\n  synthex apply --yes\n  synthex plan --out plan.json && synthex apply plan.json\n  synthex apply --yes --expect-digest sha256:...\n  synthex apply --yes --on-error continue\n  synthex apply --yes --lock-timeout 10m\n  synthex apply --auto-approve safe\n  synthex apply --target 'tenant/SHOP_*'\n  synthex apply --allow create,update"
)]
pub struct ApplyArgs {
    /// A plan that was saved
    #[arg(
        value_name = "FILE",
        conflicts_with_all = ["prune", "permanent", "selector", "target", "target_file", "exclude", "take_ownership", "guard"]
    )]
    pub plan: Option<PathBuf>,
    #[command(flatten)]
    pub write: WriteArgs,
    #[command(flatten)]
    pub auto_approve: AutoApproveArgs,
    /// Delete, softly, what the project owns and no manifest declares any more, as `prune: true` in the project does
    #[arg(long)]
    pub prune: bool,
    /// Remove for good what is deleted; its number must be acknowledged
    #[arg(long)]
    pub permanent: bool,
    /// Make only these changes and leave out the others
    #[arg(long, value_enum, value_name = "ACTIONS", value_delimiter = ',')]
    pub allow: Vec<Allowed>,
    /// With --allow: exit with 7 when something was left out
    #[arg(long, requires = "allow")]
    pub strict: bool,
    /// Refuse a plan that trips this guard as well
    #[arg(long, value_enum, value_name = "GUARD")]
    pub guard: Vec<super::ExtraGuard>,
    /// Take these over from another project; repeatable
    #[arg(long, value_name = "PATTERN")]
    pub take_ownership: Vec<String>,
    /// How old a saved plan may be
    #[arg(long, value_name = "TIME", default_value = "24h", value_parser = age)]
    pub max_age: TimeDelta,
    /// Report only the first problem
    #[arg(long)]
    pub fail_fast: bool,
    #[command(flatten)]
    pub select: SelectArgs,
    /// Only what is declared otherwise than in another commit, also through a template, and what that needs
    #[arg(long, value_name = "GITREF", help_heading = "Selection")]
    pub changed_since: Option<String>,
}

/// A sort of change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Allowed {
    /// New rows
    Create,
    /// Changed rows
    Update,
    /// Renamed rows
    Rename,
    /// Deleted rows that live again
    Restore,
    /// Rows that become the project's
    Adopt,
    /// Deleted rows
    Delete,
}

impl From<Allowed> for ActionKind {
    fn from(allowed: Allowed) -> Self {
        match allowed {
            Allowed::Create => Self::Create,
            Allowed::Update => Self::Update,
            Allowed::Rename => Self::Rename,
            Allowed::Restore => Self::Restore,
            Allowed::Adopt => Self::Adopt,
            Allowed::Delete => Self::Delete,
        }
    }
}

fn age(text: &str) -> Result<TimeDelta, String> {
    let seconds = crate::model::text::duration_seconds(text);
    seconds
        .and_then(TimeDelta::try_seconds)
        .ok_or("write a number and one of s, m, h, d, w, such as 24h".to_owned())
}

/// Runs `apply`.
///
/// # Errors
/// Problems of manifests or of the database. Nothing was changed.
pub async fn apply(context: &Context, args: &ApplyArgs) -> Result<ExitStatus, CliError> {
    super::only_human_or_json(context)?;
    let outcome = applied(context, args).await;
    outcome.map_err(|error| if args.fail_fast { error.first_only() } else { error })
}

async fn applied(context: &Context, args: &ApplyArgs) -> Result<ExitStatus, CliError> {
    let signals = Signals::listen()?;
    let planned = match &args.plan {
        None => planned(context, args, &signals).await?,
        Some(path) => match loaded(context, args, path, &signals).await? {
            Loaded::Fresh(planned) => *planned,
            Loaded::Applied(plan, revision) => return Ok(applied_before(context, &plan, revision)),
        },
    };
    // A plan that was reviewed is never replaced by another one.
    let may_plan_again = args.plan.is_none() && args.write.expect_digest.is_none();
    let job = |planned| Job {
        command: "apply",
        args: &args.write,
        planned,
        note: args.auto_approve.note(),
        is_agreed: false,
        may_plan_again,
        is_strict: args.strict,
        auto_approve: args.auto_approve.max_tenants(),
    };
    match writing::carry_out(context, &job(&planned), &signals).await {
        Err(stale) if stale.code == engine::StateErrorKind::Stale.code() && may_plan_again => {
            done_by_another(context, args, &signals, stale).await
        }
        Err(stale) if stale.code == engine::StateErrorKind::Stale.code() => {
            // Another run may have applied this very file while this one waited.
            if let Some(path) = &args.plan
                && let Ok(Loaded::Applied(plan, revision)) = loaded(context, args, path, &signals).await
            {
                return Ok(applied_before(context, &plan, revision));
            }
            Err(reviewed_again(stale, args))
        }
        outcome => outcome,
    }
}

/// Says that nothing is left to do, because the plan was applied before.
fn applied_before(context: &Context, plan: &Plan, revision: i64) -> ExitStatus {
    if context.global.format == Format::Json {
        let mut outcome = outcome_json(plan, None, None);
        outcome["already_applied"] = serde_json::json!(revision);
        context.printer.json(&outcome);
    } else {
        context
            .printer
            .result(&format!("This plan was already applied, as revision {revision}.\nNo changes.\n"));
    }
    ExitStatus::Success
}

/// A plan that was reviewed is stale: running the same command again would not help.
fn reviewed_again(mut error: CliError, args: &ApplyArgs) -> CliError {
    if error.code == engine::StateErrorKind::Stale.code() {
        if args.plan.is_some() {
            error.help = Some("make a new plan, and have it reviewed: synthex plan --out FILE".to_owned());
        } else if args.write.expect_digest.is_some() {
            error.help = Some("review the new plan, and apply with its digest".to_owned());
        }
    }
    error
}

async fn loaded(
    context: &Context,
    args: &ApplyArgs,
    path: &Path,
    signals: &Signals,
) -> Result<Loaded, CliError> {
    let allowed = allowed(args);
    let mut loaded = tokio::select! {
        biased;
        () = engine::Interrupt::requested(signals) => return Err(interrupted(signals)),
        loaded = saving::load(context, path, args.max_age, &allowed) => loaded?,
    };
    if let Loaded::Fresh(planned) = &mut loaded {
        let mut again = Again::new(&context.global);
        again.word(&path.to_string_lossy());
        again.put_into(&mut planned.plan);
    }
    Ok(loaded)
}

async fn planned(context: &Context, args: &ApplyArgs, signals: &Signals) -> Result<Planned, CliError> {
    let wishes = Wishes {
        prune: args.prune,
        permanent: args.permanent,
        selection: args.select.selection()?,
        changed_since: args.changed_since.clone(),
        take_over: args.take_ownership.iter().map(|text| KeyPattern::new(text)).collect(),
        refuse_renames: args.guard.contains(&super::ExtraGuard::Rename),
        tolerate: args.write.on_error == OnErrorArg::Continue,
        migrates: !args.write.dry_run,
        again: Again::of_plan(
            &context.global,
            (args.prune, args.permanent),
            &args.take_ownership,
            args.changed_since.as_deref(),
            &args.select,
        ),
    };
    let mut planned = tokio::select! {
        biased;
        () = engine::Interrupt::requested(signals) => return Err(interrupted(signals)),
        planned = planning::make(context, &wishes, "apply") => planned?,
    };
    if !args.allow.is_empty() {
        planned.plan.allow(&allowed(args));
    }
    Ok(planned)
}

fn allowed(args: &ApplyArgs) -> Vec<ActionKind> {
    args.allow.iter().copied().map(ActionKind::from).collect()
}

/// The database changed after the plan was made. Where another run made the very changes that were to be made, nothing is
/// left to do, and that is no failure.
async fn done_by_another(
    context: &Context,
    args: &ApplyArgs,
    signals: &Signals,
    stale: CliError,
) -> Result<ExitStatus, CliError> {
    let again = planned(context, args, signals).await?;
    if !again.plan.is_empty() || !again.plan.refusals.is_empty() {
        return Err(stale);
    }
    context.printer.note("another run made these changes in the meantime");
    if context.global.format == Format::Json {
        context.printer.json(&outcome_json(&again.plan, None, Some(&again)));
    } else {
        let style = &context.printer.stdout;
        let options = PlanOptions::default();
        context.printer.result(&report::plan_text::human(&again.plan, &again.context(), style, &options));
    }
    Ok(ExitStatus::Success)
}
