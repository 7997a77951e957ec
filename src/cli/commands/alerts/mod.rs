//! `alerts`: what is wrong, who knows of it, an evaluation at once; and rules and silences, where an alert goes, and tests of it.

mod acknowledge;
mod check_now;
mod declared;
mod list;
mod route;
mod rules;
mod show;
mod shown;
mod silences;
mod test;

use clap::Subcommand;

use crate::cli::context::Context;
use crate::cli::error::{CliError, ExitStatus};

pub use list::labels;

/// See what is wrong, say that you know, evaluate the rules at once; rules and silences, routes and tests
#[derive(Debug, Subcommand)]
#[command(
    after_help = "Examples:\n  synthex alerts check-now --dry-run\n  synthex alerts list --firing --severity critical\n  synthex alerts acknowledge 0d8f3b6a1c42 --comment \"the merchant is called\" --until 4h\n  synthex alerts silences create --matcher tenant=SMB_CLIENT_001 --for 4h --comment \"new theme\"\n  synthex alerts route --labels tenant=SMB_CLIENT_001,severity=critical"
)]
pub enum AlertsCommand {
    List(list::AlertsListArgs),
    Show(show::AlertsShowArgs),
    Acknowledge(acknowledge::AcknowledgeArgs),
    CheckNow(check_now::CheckNowArgs),
    #[command(subcommand)]
    Rules(rules::RulesCommand),
    #[command(subcommand)]
    Silences(silences::SilencesCommand),
    Route(route::RouteArgs),
    Test(test::TestArgs),
}

/// Runs `alerts`.
///
/// # Errors
/// Wrong usage, or the database does not answer.
pub async fn alerts(context: &Context, command: &AlertsCommand) -> Result<ExitStatus, CliError> {
    super::only_human_or_json(context)?;
    match command {
        AlertsCommand::List(args) => list::list(context, args).await,
        AlertsCommand::Show(args) => show::show(context, args).await,
        AlertsCommand::Acknowledge(args) => acknowledge::acknowledge(context, args).await,
        AlertsCommand::CheckNow(args) => Box::pin(check_now::check_now(context, args)).await,
        AlertsCommand::Rules(command) => Box::pin(rules::rules(context, command)).await,
        AlertsCommand::Silences(command) => Box::pin(silences::silences(context, command)).await,
        AlertsCommand::Route(args) => route::route(context, args).await,
        AlertsCommand::Test(args) => test::test(context, args),
    }
}
