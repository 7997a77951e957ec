//! `notify`: messages to people, and what became of them.

mod cancel;
mod deliver;
mod inbox;
mod list;
mod naming;
mod render;
mod retry;
mod send;
mod show;
mod shown;

use clap::Subcommand;

use crate::cli::context::Context;
use crate::cli::error::{CliError, ExitStatus};

/// Send messages through channels, and see what became of them
#[derive(Debug, Subcommand)]
#[command(
    after_help = "Examples:\n  synthex notify send --title \"Maintenance at 22:00\" --message \"Checkout is down for ten minutes.\" --channel ops-slack\n  synthex notify list --status dead,failed\n  synthex notify retry --channel ops-slack --since 2h\n  synthex notify inbox --recipient ana --unread"
)]
pub enum NotifyCommand {
    Send(send::SendArgs),
    List(list::NotifyListArgs),
    Show(show::ShowArgs),
    Retry(retry::RetryArgs),
    Cancel(cancel::CancelArgs),
    Inbox(inbox::InboxArgs),
    Deliver(deliver::DeliverArgs),
    Render(render::RenderArgs),
}

/// Runs `notify`.
///
/// # Errors
/// Wrong usage, or the database does not answer.
pub async fn notify(context: &Context, command: &NotifyCommand) -> Result<ExitStatus, CliError> {
    super::only_human_or_json(context)?;
    match command {
        NotifyCommand::Send(args) => Box::pin(send::send(context, args)).await,
        NotifyCommand::List(args) => list::list(context, args).await,
        NotifyCommand::Show(args) => show::show(context, args).await,
        NotifyCommand::Retry(args) => Box::pin(retry::retry(context, args)).await,
        NotifyCommand::Cancel(args) => cancel::cancel(context, args).await,
        NotifyCommand::Inbox(args) => inbox::inbox(context, args).await,
        NotifyCommand::Deliver(args) => Box::pin(deliver::deliver(context, args)).await,
        NotifyCommand::Render(args) => render::render(context, args).await,
    }
}
