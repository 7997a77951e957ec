//! `batch`: operations on many resources at once.

pub mod credentials;

use clap::Subcommand;

use crate::cli::context::Context;
use crate::cli::error::{CliError, ExitStatus};

/// Work on many resources at once
#[derive(Debug, Subcommand)]
#[command(
    after_help = "Examples:\n  synthex batch credentials cleanup --workspace-ids anz-smb,uk-smb\n  synthex batch credentials renew --tenant-ids SMB_CLIENT_001,SMB_CLIENT_002"
)]
pub enum BatchCommand {
    #[command(subcommand)]
    Credentials(credentials::BatchCredentialsCommand),
}

/// Runs `batch`.
///
/// # Errors
/// Whatever the command reports.
pub async fn batch(context: &Context, command: &BatchCommand) -> Result<ExitStatus, CliError> {
    super::only_human_or_json(context)?;
    match command {
        BatchCommand::Credentials(command) => Box::pin(credentials::credentials(context, command)).await,
    }
}
