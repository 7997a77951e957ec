//! `batch credentials`: cleanup and renewal over workspaces or tenants.

use clap::{Args, Subcommand};

use crate::cli::commands::credentials::renew::{self, PaceArgs};
use crate::cli::commands::credentials::{Filter, FilterArgs, revoke};
use crate::cli::context::Context;
use crate::cli::desk::OwnArgs;
use crate::cli::error::{CliError, ExitStatus};
use crate::cli::writing::WriteArgs;

/// Clean up and renew the credentials of workspaces and tenants
#[derive(Debug, Subcommand)]
#[command(
    after_help = "Examples:\n  synthex batch credentials cleanup --workspace-ids anz-smb,uk-smb --dry-run\n  synthex batch credentials renew --workspace-ids anz-smb"
)]
pub enum BatchCredentialsCommand {
    Cleanup(BatchCleanupArgs),
    Renew(BatchRenewArgs),
}

/// Revoke the expired credentials of whole workspaces
///
/// None is deleted: they are revoked, and so hidden from lists. Runs as one operation, all or nothing.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  synthex batch credentials cleanup --workspace-ids anz-smb,uk-smb --dry-run\n  synthex batch credentials cleanup --workspace-ids anz-smb --yes"
)]
pub struct BatchCleanupArgs {
    /// The workspaces, separated by commas
    #[arg(long, value_name = "IDS", value_delimiter = ',', required = true)]
    pub workspace_ids: Vec<String>,
    #[command(flatten)]
    pub filter: FilterArgs,
    #[command(flatten)]
    pub own: OwnArgs,
    #[command(flatten)]
    pub write: WriteArgs,
}

/// Renew the credentials of whole workspaces, or of some tenants
///
/// As `tenant credentials renew`, for all that declare a renewal. Exits with 0 when all were renewed, with 8 when a provider
/// refused or could not be asked, and with 5 when some could not be saved.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  synthex batch credentials renew --workspace-ids anz-smb\n  synthex batch credentials renew --tenant-ids SMB_CLIENT_001,SMB_CLIENT_002 --format json"
)]
pub struct BatchRenewArgs {
    /// The workspaces, separated by commas
    #[arg(long, value_name = "IDS", value_delimiter = ',', required_unless_present = "tenant_ids")]
    pub workspace_ids: Vec<String>,
    #[command(flatten)]
    pub filter: FilterArgs,
    #[command(flatten)]
    pub pace: PaceArgs,
}

/// Runs `batch credentials`.
///
/// # Errors
/// Wrong usage, a guard refuses, or the database does not answer.
pub async fn credentials(
    context: &Context,
    command: &BatchCredentialsCommand,
) -> Result<ExitStatus, CliError> {
    match command {
        BatchCredentialsCommand::Cleanup(args) => {
            let filter = Filter { workspaces: &args.workspace_ids, ..Filter::new(&args.filter) };
            revoke::clean(context, "batch credentials cleanup", &filter, &args.own, &args.write).await
        }
        BatchCredentialsCommand::Renew(args) => {
            let filter = Filter { workspaces: &args.workspace_ids, ..Filter::new(&args.filter) };
            renew::run(context, "batch credentials renew", &filter, args.pace).await
        }
    }
}
