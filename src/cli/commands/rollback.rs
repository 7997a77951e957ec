//! `rollback`: back to the state after an earlier revision, from the record alone.

use chrono::TimeDelta;
use clap::Args;

use crate::cli::context::Context;
use crate::cli::error::{CliError, ExitStatus};
use crate::cli::outcome;
use crate::cli::planning::Planned;
use crate::cli::reverting::Base;
use crate::cli::selecting::SelectArgs;
use crate::cli::signals::Signals;
use crate::cli::writing::{self, Job, WriteArgs};
use crate::engine::watching::{Realm, Replica};
use crate::engine::{self, StateError};

/// Go back to the state after an earlier revision
///
/// Works from the record in the database alone: neither git nor the manifests are needed. What the project changed after that
/// revision becomes what it was; the rollback itself is a new revision. Guards hold as they do for apply. The
/// manifests stay as they are: revert them too, or the next apply brings the later state back. `synthex watch` does not: it holds
/// the revision back that was in force, until the manifests have another one, or somebody runs `synthex apply`.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  synthex rollback --to 41 --plan\n  synthex rollback --to 41\n  synthex rollback --to 41 --target tenant/anz-smb/acme --yes\n  synthex rollback --to 41 --plan --detailed-exitcode; [ $? -eq 2 ] && echo changes"
)]
pub struct RollbackArgs {
    /// The revision whose state comes back; `synthex history` shows them
    #[arg(long, value_name = "N")]
    pub to: i64,
    /// Only show what would change, as --dry-run does
    #[arg(long)]
    pub plan: bool,
    /// With --plan: exit with 2 when there are changes
    #[arg(long)]
    pub detailed_exitcode: bool,
    /// The project, where the project file is missing or cannot be read
    #[arg(long, value_name = "NAME")]
    pub project: Option<String>,
    #[command(flatten)]
    pub write: WriteArgs,
    #[command(flatten)]
    pub select: SelectArgs,
}

/// Runs `rollback`.
///
/// # Errors
/// The revision is unknown, a guard refuses, or the database does not take it. Nothing was changed.
pub async fn rollback(context: &Context, args: &RollbackArgs) -> Result<ExitStatus, CliError> {
    super::only_human_or_json(context)?;
    let signals = Signals::listen()?;
    let selection = args.select.selection()?;
    let planning = async {
        let base = Base::open(context, args.project.as_deref(), "rollback").await?;
        base.rollback(context, args.to, &selection).await
    };
    let planned = tokio::select! {
        biased;
        () = engine::Interrupt::requested(&signals) => return Err(outcome::interrupted(&signals)),
        planned = planning => planned?,
    };
    let mut write = args.write.clone();
    write.dry_run |= args.plan;
    let job = Job {
        command: "rollback",
        args: &write,
        planned: &planned,
        note: Some(format!("to revision {}", args.to)),
        is_agreed: false,
        may_plan_again: false,
        is_strict: false,
        auto_approve: None,
    };
    let status = writing::carry_out(context, &job, &signals).await?;
    if planned.plan.is_empty() {
        return Ok(status);
    }
    let controller = controller(&planned).await.unwrap_or_default();
    if let Some(Replica { host, pid, .. }) = &controller {
        let hold = if write.dry_run { "It would hold back" } else { "It holds back" };
        context.printer.note(&format!(
            "A controller runs (synthex watch on {host}, pid {pid}). {hold} the revision of the manifests that was in force, until they have another one, or somebody runs `synthex apply`: `synthex watch status` says so."
        ));
    }
    if write.dry_run {
        let changes = args.detailed_exitcode && status == ExitStatus::Success;
        return Ok(if changes { ExitStatus::Changes } else { status });
    }
    context.printer.note("The manifests are as they were: revert them too, or the next apply undoes this.");
    Ok(status)
}

/// A controller of the project that was heard of lately, and that corrects what it finds. Of no other does anybody have to be told.
async fn controller(planned: &Planned) -> Result<Option<Replica>, StateError> {
    let realm = Realm {
        project: planned.plan.project.clone(),
        environment: planned.plan.environment.clone().unwrap_or_default(),
    };
    let mut connection = planned.options.connect().await?;
    connection.begin_reading().await?;
    let now = connection.identity().await?.now;
    connection.rollback().await?;
    let replicas = connection.replicas(&realm).await?;
    connection.close().await;
    let is_heard = |own: &Replica| own.mode == "enforce" && now - own.seen_at < TimeDelta::minutes(1);
    Ok(replicas.into_iter().find(is_heard))
}
