//! `alerts`: what is wrong, who knows of it, and an evaluation at once.

mod acknowledge;
mod check_now;
mod list;
mod show;
mod shown;

use clap::Subcommand;

use crate::cli::context::Context;
use crate::cli::error::{CliError, ExitStatus};

/// See what is wrong, say that you know, and evaluate the rules at once
#[derive(Debug, Subcommand)]
#[command(
    after_help = "Examples:\n  synthex alerts check-now --dry-run\n  synthex alerts list --firing --severity critical\n  synthex alerts acknowledge --alert-id 019ac3f0 --comment \"the merchant is called\" --until 4h"
)]
pub enum AlertsCommand {
    List(list::AlertsListArgs),
    Show(show::AlertsShowArgs),
    Acknowledge(acknowledge::AcknowledgeArgs),
    CheckNow(check_now::CheckNowArgs),
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
    }
}
