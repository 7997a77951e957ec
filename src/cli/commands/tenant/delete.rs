//! `tenant tenants delete`.

use clap::Args;

use crate::cli::context::Context;
use crate::cli::desk::{self, Asked, Desk, OwnArgs};
use crate::cli::editing::{self, Manner};
use crate::cli::error::{CliError, ExitStatus};
use crate::cli::preferences::Preferences;
use crate::cli::signals::Signals;
use crate::cli::writing::WriteArgs;
use crate::kinds;

/// Delete tenants, and their credentials with them
///
/// Softly: the rows stay, hidden, and `synthex restore` brings them back. With --permanent they are removed for good, also
/// those that were deleted softly before; that asks for the plan's digest and for the number of deletions.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  synthex tenant tenants delete SMB_CLIENT_001 --dry-run\n  synthex tenant tenants delete SMB_CLIENT_001 SMB_CLIENT_002 --yes\n  synthex tenant tenants delete --tenant-id SMB_CLIENT_001 --permanent\n\nWith --format json it prints the plan and what came of it, as `synthex apply` does."
)]
pub struct DeleteArgs {
    /// The tenants' ids
    #[arg(value_name = "TENANT", required_unless_present = "tenant_id")]
    pub tenants: Vec<String>,
    /// The tenants' ids, as an option; repeatable, or with commas
    #[arg(long, value_name = "TENANT", value_delimiter = ',', conflicts_with = "tenants")]
    pub tenant_id: Vec<String>,
    /// Remove the rows for good
    #[arg(long)]
    pub permanent: bool,
    #[command(flatten)]
    pub write: WriteArgs,
    #[command(flatten)]
    pub own: OwnArgs,
}

/// Deletes them.
///
/// # Errors
/// Some are not there, a guard refuses, or the database does not take it. Nothing was changed.
pub async fn delete(context: &Context, args: &DeleteArgs) -> Result<ExitStatus, CliError> {
    const COMMAND: &str = "tenant tenants delete";
    let signals = Signals::listen()?;
    let kind = &kinds::tenant::KIND;
    let names = if args.tenants.is_empty() { &args.tenant_id } else { &args.tenants };
    let mut desk = Desk::open(context, COMMAND).await?;
    if !args.permanent {
        let is_gone = |name: &&String| {
            let mut of_name =
                desk.heads.iter().filter(|head| head.key.kind.rank == kind.rank && *head.key.name == ***name);
            of_name.clone().next().is_some() && of_name.all(|head| head.deleted)
        };
        let gone: Vec<&String> = names.iter().filter(is_gone).collect();
        if let Some(first) = gone.first() {
            let what = match gone.as_slice() {
                [one] => format!("tenant `{one}` is deleted already"),
                many => format!("these tenants are deleted already: {}", desk::some(many.iter())),
            };
            return Err(CliError::usage(what).why("nothing was changed").help(format!(
                "bring it back: synthex restore tenant/{first}; or remove it for good with --permanent"
            )));
        }
    }
    let mut gone = if args.permanent { desk.find_any(kind, names)? } else { desk.find(kind, names)? };
    gone.extend(desk.parts_of(&gone, args.permanent).await?);
    gone.sort_unstable();
    let asked = Asked { gone: gone.clone(), permanent: args.permanent, is_named: true, ..Asked::default() };
    let manner = Manner { command: COMMAND, own: &args.own, write: &args.write };
    let done = editing::carry_out(context, desk, asked, manner, Vec::new(), &signals).await?;
    if done.applied.is_some() {
        let kept = Preferences::read(context).unwrap_or_default().tenant;
        if let Some(name) = kept.filter(|name| gone.iter().any(|key| *key.name == **name)) {
            context.printer.note(&format!(
                "`{name}` is still your active tenant: `synthex tenant workspace clear-active` forgets it."
            ));
        }
    }
    Ok(done.status)
}
