//! `tenant credentials`: how credentials stand, whether providers take them, and their renewal.

mod estate;
mod health;
mod list;
pub mod renew;
pub mod revoke;
mod verify;

use clap::{Args, Subcommand};

use crate::cli::context::Context;
use crate::cli::error::{CliError, ExitStatus};

pub use estate::{Estate, Filter, Item, Stock};

/// Look after the credentials of tenants
#[derive(Debug, Subcommand)]
#[command(
    after_help = "Examples:\n  synthex tenant credentials list\n  synthex tenant credentials expiring --within 30d --detailed-exitcode\n  synthex tenant credentials verify --all\n  synthex tenant credentials renew acme-shopify"
)]
pub enum CredentialsCommand {
    List(list::ListArgs),
    Expiring(list::ExpiringArgs),
    Health(health::HealthArgs),
    Verify(verify::VerifyArgs),
    Renew(renew::RenewArgs),
    Revoke(revoke::RevokeArgs),
    Cleanup(revoke::CleanupArgs),
}

/// Which credentials are meant.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Selection")]
pub struct FilterArgs {
    /// Only credentials whose labels fit, or fields where there is no such label: `tier=gold,team in (a,b),!legacy`
    #[arg(short = 'l', long, value_name = "SELECTOR")]
    pub selector: Option<String>,
    /// Only credentials that stand like this
    #[arg(long, value_name = "STATUS", value_parser = ["active", "expiring_soon", "expired", "revoked"])]
    pub status: Option<String>,
    /// Only credentials of this service
    #[arg(long, value_name = "SERVICE", value_parser = ["shopify", "google-merchant"])]
    pub service: Option<String>,
    /// Only credentials of these tenants: ids, separated by commas
    #[arg(long, value_name = "IDS", value_delimiter = ',')]
    pub tenant_ids: Vec<String>,
}

/// Runs `tenant credentials`.
///
/// # Errors
/// Wrong usage, or the database does not answer.
pub async fn credentials(context: &Context, command: &CredentialsCommand) -> Result<ExitStatus, CliError> {
    super::only_human_or_json(context)?;
    match command {
        CredentialsCommand::List(args) => list::list(context, args).await,
        CredentialsCommand::Expiring(args) => list::expiring(context, args).await,
        CredentialsCommand::Health(args) => health::health(context, args).await,
        CredentialsCommand::Verify(args) => Box::pin(verify::verify(context, args)).await,
        CredentialsCommand::Renew(args) => Box::pin(renew::renew(context, args)).await,
        CredentialsCommand::Revoke(args) => Box::pin(revoke::revoke(context, args)).await,
        CredentialsCommand::Cleanup(args) => Box::pin(revoke::cleanup(context, args)).await,
    }
}
