//! `batch rollback`: takes one operation back.

use clap::Args;

use crate::cli::batching::Batch;
use crate::cli::context::Context;
use crate::cli::desk::{Desk, OwnArgs};
use crate::cli::editing::Way;
use crate::cli::error::{CliError, ExitStatus};
use crate::cli::undoing::undo;
use crate::cli::writing::WriteArgs;
use crate::model::ResourceKey;

use super::show::{OperationId, none};

/// The command, as it is recorded.
const COMMAND: &str = "batch rollback";

/// Take one operation of a command back, from the record
///
/// What it made is removed, what it changed gets its former content, what it deleted lives again. The rollback is an operation
/// of its own. Where something in it was changed since, by a later operation or by hand, nothing is done, and all of that is
/// listed.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  synthex batch list\n  synthex batch rollback 12 --dry-run\n  synthex batch rollback 12 --yes"
)]
pub struct BatchRollbackArgs {
    /// The operation: its revision number, or its id
    #[arg(value_name = "ID")]
    pub id: OperationId,
    #[command(flatten)]
    pub write: WriteArgs,
    #[command(flatten)]
    pub own: OwnArgs,
}

/// Runs `batch rollback`.
///
/// # Errors
/// There is no such operation, something was changed since, or the database does not take it. Nothing was changed.
pub async fn rollback(context: &Context, args: &BatchRollbackArgs) -> Result<ExitStatus, CliError> {
    let batch = Batch::new(COMMAND);
    batch.run(context, &args.write, async |batch, _| plan(context, args, batch).await).await
}

async fn plan(context: &Context, args: &BatchRollbackArgs, batch: &mut Batch) -> Result<Way, CliError> {
    if args.own.write {
        return Err(CliError::usage("a rollback changes no manifests")
            .why("it brings back what is on record, in the database")
            .help("leave --write out; what manifests declare goes back with the commit that changed it"));
    }
    let mut desk = Desk::open(context, COMMAND).await?;
    if !desk.is_installed {
        return Err(none("to take back").why("nothing was applied to this database yet"));
    }
    let revision = args.id.revision(&mut desk.connection).await?;
    let undone = undo(desk, revision, context.global.workspace.as_deref(), &args.own).await;
    let mut undoing = undone.map_err(|error| match error.code.as_str() {
        "declared" => error.help(
            "add --force, which holds until the next apply; or apply, which puts back what manifests declare",
        ),
        _ => error,
    })?;
    for refusal in &mut undoing.planned.plan.refusals {
        if let ("SX0501", Some(key)) = (refusal.code, &refusal.key) {
            refusal.help = help_of_protected(key);
        }
    }
    batch.note = Some(format!("of operation {revision}, {}", undoing.operation.command));
    batch.asked = undoing.keys;
    Ok(Way::Planned(Box::new(undoing.planned)))
}

/// Its protection is a content of its own: taken off, it is not as the operation left it, so it is deleted by a command.
fn help_of_protected(key: &ResourceKey) -> String {
    if key.kind.name != "Tenant" {
        return "take `protect` off it, and delete it with a command of its own".to_owned();
    }
    let name = &key.name;
    format!(
        "take that off and delete it: synthex batch tenants update --tenant-ids {name} --set protect=false, \
         and then synthex batch tenants delete --tenant-ids {name}"
    )
}
