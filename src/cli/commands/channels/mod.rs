//! `channels`: the ways to reach people, and whether they work.

mod known;
mod list;
mod test;

use clap::Subcommand;

use crate::cli::context::Context;
use crate::cli::error::{CliError, ExitStatus};

pub(super) use known::{Channel, Known};

/// See the notification channels, and try them
#[derive(Debug, Subcommand)]
#[command(
    after_help = "Examples:\n  synthex channels list\n  synthex channels test ops-slack\n  synthex channels test ops-mail --dry-run"
)]
pub enum ChannelsCommand {
    List(list::ChannelsListArgs),
    Test(test::ChannelsTestArgs),
}

/// Runs `channels`.
///
/// # Errors
/// Wrong usage, or the database does not answer.
pub async fn channels(context: &Context, command: &ChannelsCommand) -> Result<ExitStatus, CliError> {
    super::only_human_or_json(context)?;
    match command {
        ChannelsCommand::List(args) => list::list(context, args).await,
        ChannelsCommand::Test(args) => Box::pin(test::test(context, args)).await,
    }
}
