//! `batch`: many tenants in one operation.

mod changes;
pub mod create;
pub mod credentials;
pub mod delete;
pub mod export;
mod leaving_out;
pub mod list;
pub mod rollback;
pub mod show;
mod targets;
pub mod update;

use clap::Subcommand;

use crate::cli::context::Context;
use crate::cli::error::{CliError, ExitStatus};

/// Create, change, delete and export many tenants, renew and clean up many credentials; look at operations and take them back
#[derive(Debug, Subcommand)]
#[command(
    after_help = "Examples:\n  synthex batch tenants create --from-csv clients.csv --template shopify-smb-anz --dry-run\n  synthex batch tenants update -l tier=gold --status suspended\n  synthex batch credentials renew --workspace-ids anz-smb\n  synthex batch export csv --output clients.csv\n  synthex batch list\n  synthex batch rollback 12"
)]
pub enum BatchCommand {
    /// Create, change and delete many tenants in one operation
    #[command(
        after_help = "Examples:\n  synthex batch tenants create --from-csv clients.csv --dry-run\n  synthex batch tenants update --tenant-ids SMB_1,SMB_2 --status suspended\n  synthex batch tenants delete -l team=old"
    )]
    #[command(subcommand)]
    Tenants(BatchTenantsCommand),
    #[command(subcommand)]
    Credentials(credentials::BatchCredentialsCommand),
    Export(export::BatchExportArgs),
    List(list::BatchListArgs),
    Show(show::BatchShowArgs),
    Rollback(rollback::BatchRollbackArgs),
}

/// The commands of `batch tenants`.
#[derive(Debug, Subcommand)]
pub enum BatchTenantsCommand {
    Create(create::BatchCreateArgs),
    Update(update::BatchUpdateArgs),
    Delete(delete::BatchDeleteArgs),
}

/// Runs `batch`.
///
/// # Errors
/// Whatever the command reports.
pub async fn batch(context: &Context, command: &BatchCommand) -> Result<ExitStatus, CliError> {
    super::only_human_or_json(context)?;
    match command {
        BatchCommand::Tenants(BatchTenantsCommand::Create(args)) => create::create(context, args).await,
        BatchCommand::Tenants(BatchTenantsCommand::Update(args)) => update::update(context, args).await,
        BatchCommand::Tenants(BatchTenantsCommand::Delete(args)) => delete::delete(context, args).await,
        BatchCommand::Credentials(command) => Box::pin(credentials::credentials(context, command)).await,
        BatchCommand::Export(args) => export::export(context, args).await,
        BatchCommand::List(args) => list::list(context, args).await,
        BatchCommand::Show(args) => show::show(context, args).await,
        BatchCommand::Rollback(args) => rollback::rollback(context, args).await,
    }
}
