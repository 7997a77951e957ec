//! `tenant tenants`: the list of its commands.

use clap::Subcommand;

use crate::cli::context::Context;
use crate::cli::error::{CliError, ExitStatus};

use super::{create, delete, get, list, stats, update};

/// The commands of `tenant tenants`.
#[derive(Debug, Subcommand)]
pub enum TenantsCommand {
    Create(Box<create::CreateArgs>),
    List(list::ListArgs),
    Get(get::GetArgs),
    Update(Box<update::UpdateArgs>),
    Delete(delete::DeleteArgs),
    Stats(stats::StatsArgs),
}

/// Runs `tenant tenants`.
///
/// # Errors
/// Whatever the command reports.
pub async fn tenants(context: &Context, command: &TenantsCommand) -> Result<ExitStatus, CliError> {
    match command {
        TenantsCommand::Create(args) => Box::pin(create::create(context, args)).await,
        TenantsCommand::List(args) => list::list(context, args).await,
        TenantsCommand::Get(args) => get::get(context, args).await,
        TenantsCommand::Update(args) => Box::pin(update::update(context, args)).await,
        TenantsCommand::Delete(args) => Box::pin(delete::delete(context, args)).await,
        TenantsCommand::Stats(args) => stats::stats(context, args).await,
    }
}
