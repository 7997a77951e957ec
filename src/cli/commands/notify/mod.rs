//! `notify`: messages to people, and what they look like.

mod render;

use clap::Subcommand;

use crate::cli::context::Context;
use crate::cli::error::{CliError, ExitStatus};

/// Send messages through channels, and see what became of them
#[derive(Debug, Subcommand)]
#[command(after_help = "Examples:\n  synthex notify render --as slack")]
pub enum NotifyCommand {
    Render(render::RenderArgs),
}

/// Runs `notify`.
///
/// # Errors
/// Wrong usage, or the database does not answer.
pub async fn notify(context: &Context, command: &NotifyCommand) -> Result<ExitStatus, CliError> {
    super::only_human_or_json(context)?;
    match command {
        NotifyCommand::Render(args) => render::render(context, args).await,
    }
}
