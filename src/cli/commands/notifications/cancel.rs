//! `notify cancel`: takes back what was not sent yet.

use clap::Args;
use serde_json::json;
use uuid::Uuid;

use crate::cli::args::{Format, YesArgs};
use crate::cli::context::Context;
use crate::cli::error::{CliError, ExitStatus};
use crate::cli::outbox::Post;

use super::{show, shown};

/// Take back a notification that was not sent yet
///
/// What waits, or is to be tried again, is not sent any more. What was sent stays so, and what is being sent at this moment
/// cannot be stopped.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  synthex notify cancel 019ac3f0-7d2e-7c11-9a55-0d8f3b6a1c42\n  synthex notify cancel 019ac3f0-7d2e-7c11-9a55-0d8f3b6a1c42 --dry-run"
)]
pub struct CancelArgs {
    /// The notification, or one of its deliveries
    #[arg(value_name = "ID")]
    pub id: Uuid,
    /// Say what would be taken back and stop
    #[arg(long)]
    pub dry_run: bool,
    #[command(flatten)]
    pub yes: YesArgs,
}

/// Runs `notify cancel`.
///
/// # Errors
/// There is no such notification, or the database does not answer.
pub async fn cancel(context: &Context, args: &CancelArgs) -> Result<ExitStatus, CliError> {
    let mut post = Post::open(context, "notify cancel", context.global.workspace.as_deref()).await?;
    let notification = show::find(&mut post, args.id).await?.ok_or_else(|| shown::unknown(args.id))?;
    let meant = |id: Uuid| args.id == notification.id || args.id == id;
    let open: Vec<Uuid> = notification
        .deliveries
        .iter()
        .filter(|own| meant(own.id) && matches!(own.state.as_str(), "pending" | "retrying"))
        .map(|own| own.id)
        .collect();
    let mut cancelled = 0;
    if !args.dry_run && !open.is_empty() {
        for scope in post.scopes.clone() {
            let (now, actor) = (context.clock.now(), context.actor());
            cancelled += post.connection.cancel_deliveries(scope.as_deref(), &open, &actor, now).await?;
        }
    }
    let after = shown::by_ids(&mut post, &[notification.id]).await?.pop().unwrap_or(notification);
    post.connection.close().await;
    if context.global.format == Format::Json {
        context.printer.json(&json!({
            "format_version": "1.0",
            "dryRun": args.dry_run,
            "cancelled": if args.dry_run { open.len() as u64 } else { cancelled },
            "notification": shown::notification_json(&after),
        }));
        return Ok(ExitStatus::Success);
    }
    let text = match (open.len(), args.dry_run) {
        (0, _) => format!("There is nothing to take back: {}.\n", shown::summary(&after)),
        (many, true) => format!("{many} would be taken back.\n"),
        (_, false) => format!("{cancelled} taken back: {}.\n", shown::summary(&after)),
    };
    context.printer.result(&text);
    Ok(ExitStatus::Success)
}
