//! `tenant`: tenants and workspaces, one command each.

mod create;
mod delete;
mod get;
mod list;
pub mod shown;
mod stats;
pub mod tenants;
mod update;
pub mod workspace;

use clap::Subcommand;

use crate::cli::context::Context;
use crate::cli::error::{CliError, ExitStatus};

pub use create::{New, make};

/// Look after tenants and workspaces
#[derive(Debug, Subcommand)]
#[command(
    after_help = "Examples:\n  synthex tenant workspace info\n  synthex tenant tenants list\n  synthex tenant tenants get SMB_CLIENT_001"
)]
pub enum TenantCommand {
    /// Make, show, change, delete and count tenants
    #[command(
        after_help = "Examples:\n  synthex tenant tenants list --status active\n  synthex tenant tenants get SMB_CLIENT_001\n  synthex tenant tenants update SMB_CLIENT_001 --status suspended"
    )]
    #[command(subcommand)]
    Tenants(tenants::TenantsCommand),
    /// Make and show workspaces, and choose the active one
    #[command(
        after_help = "Examples:\n  synthex tenant workspace info\n  synthex tenant workspace set-active anz-smb\n  synthex tenant workspace summary"
    )]
    #[command(subcommand)]
    Workspace(workspace::WorkspaceCommand),
    #[command(subcommand)]
    Credentials(super::credentials::CredentialsCommand),
}

/// Runs `tenant`.
///
/// # Errors
/// Whatever the command reports.
pub async fn tenant(context: &Context, command: &TenantCommand) -> Result<ExitStatus, CliError> {
    super::only_human_or_json(context)?;
    match command {
        TenantCommand::Tenants(command) => tenants::tenants(context, command).await,
        TenantCommand::Workspace(command) => workspace::workspace(context, command).await,
        TenantCommand::Credentials(command) => super::credentials::credentials(context, command).await,
    }
}
