//! `alerts`: what is wrong, who knows of it, and an evaluation at once.

mod declared;
mod route;
mod rules;
mod silences;
mod test;

use clap::Subcommand;

use crate::cli::context::Context;
use crate::cli::error::{CliError, ExitStatus};

/// See what is wrong, say that you know, and evaluate the rules at once
#[derive(Debug, Subcommand)]
#[command(
    after_help = "Examples:\n  synthex alerts rules create --type expiring_7d --channel email --recipients ops@agency.example\n  synthex alerts silences create --matcher tenant=SMB_CLIENT_001 --for 4h --comment \"new theme\"\n  synthex alerts route --labels tenant=SMB_CLIENT_001,severity=critical"
)]
pub enum AlertsCommand {
    Route(route::RouteArgs),
    #[command(subcommand)]
    Rules(rules::RulesCommand),
    #[command(subcommand)]
    Silences(silences::SilencesCommand),
    Test(test::TestArgs),
}

/// Runs `alerts`.
///
/// # Errors
/// Wrong usage, or the database does not answer.
pub async fn alerts(context: &Context, command: &AlertsCommand) -> Result<ExitStatus, CliError> {
    super::only_human_or_json(context)?;
    match command {
        AlertsCommand::Route(args) => route::route(context, args).await,
        AlertsCommand::Rules(command) => Box::pin(rules::rules(context, command)).await,
        AlertsCommand::Silences(command) => Box::pin(silences::silences(context, command)).await,
        AlertsCommand::Test(args) => test::test(context, args),
    }
}
