//! `batch tenants delete`: many tenants, with their credentials.

use clap::Args;

use crate::cli::batching::Batch;
use crate::cli::context::Context;
use crate::cli::desk::{Asked, Desk, OwnArgs};
use crate::cli::editing::{self, Manner, Way};
use crate::cli::error::{CliError, ExitStatus};
use crate::cli::signals::Signals;
use crate::cli::writing::{OnErrorArg, WriteArgs};
use crate::model::ResourceKey;

use super::leaving_out::leave_out_with_parts;
use super::targets::TargetArgs;

/// The command, as it is recorded.
const COMMAND: &str = "batch tenants delete";

/// Delete tenants with their credentials, softly unless --permanent says otherwise
///
/// A soft deletion is undone with `batch rollback` or `restore`. What --permanent removes is gone with its id; `batch rollback`
/// makes it anew from the record.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  synthex batch tenants delete --tenant-ids SMB_1,SMB_2 --dry-run\n  synthex batch tenants delete -l team=old,status=inactive\n  synthex batch tenants delete --tenant-ids SMB_1 --permanent --yes"
)]
pub struct BatchDeleteArgs {
    #[command(flatten)]
    pub targets: TargetArgs,
    /// Remove the rows for good, also of what is softly deleted already
    #[arg(long)]
    pub permanent: bool,
    #[command(flatten)]
    pub write: WriteArgs,
    #[command(flatten)]
    pub own: OwnArgs,
}

/// Runs `batch tenants delete`.
///
/// # Errors
/// Some tenants are not there, a guard refuses, or the database does not take it. Nothing was changed.
pub async fn delete(context: &Context, args: &BatchDeleteArgs) -> Result<ExitStatus, CliError> {
    let batch = Batch::new(COMMAND);
    batch.run(context, &args.write, async |batch, signals| plan(context, args, batch, signals).await).await
}

async fn plan(
    context: &Context,
    args: &BatchDeleteArgs,
    batch: &mut Batch,
    signals: &Signals,
) -> Result<Way, CliError> {
    let mut desk = Desk::open(context, COMMAND).await?;
    let rows = args.targets.rows(context, &mut desk, args.permanent).await?;
    let mut gone: Vec<ResourceKey> = rows.into_iter().map(|row| row.key).collect();
    batch.asked.clone_from(&gone);
    let mut parts = desk.parts_of(&gone, args.permanent).await?;
    if args.write.on_error == OnErrorArg::Continue && !args.own.force && !args.own.write {
        let claimed = leave_out_with_parts(&mut desk, batch, &gone, &parts).await?;
        if !claimed.is_empty() {
            gone.retain(|key| !claimed.contains(key));
            parts = desk.parts_of(&gone, args.permanent).await?;
        }
    }
    gone.extend(parts);
    let is_named = args.targets.is_named();
    let asked = Asked { gone, permanent: args.permanent, is_named, ..Asked::default() };
    let manner = Manner { command: COMMAND, own: &args.own, write: &args.write };
    editing::way(context, desk, asked, manner, signals).await
}
