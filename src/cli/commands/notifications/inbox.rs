//! `notify inbox`: what came through in-app channels.

use clap::Args;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::cli::args::Format;
use crate::cli::context::Context;
use crate::cli::error::{CliError, ExitStatus};
use crate::cli::listing::{active, note_active};
use crate::cli::outbox::Post;
use crate::report::clean::clean;
use crate::report::paint::{Paint, paint};
use crate::report::time::relative;
use crate::store::outbox::{InboxItem, InboxWish};

use super::naming::{self, IdStart};

/// How many lines of an item are shown.
const MOST_LINES: usize = 20;

/// Read the inbox of in-app channels
///
/// Each recipient has an inbox of their own: what one has read, others have not. Without --recipient all inboxes are shown.
/// What was archived is shown with --archived only. Of long items the beginning is shown, and what shows the rest.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  synthex notify inbox --recipient ana --unread\n  synthex notify inbox --recipient ana --read 019ac3f0-7d2e-8c11-9a55-0d8f3b6a1c42\n  synthex notify inbox --archive 019ac3f0-7d2e-8c11-9a55-0d8f3b6a1c42"
)]
pub struct InboxArgs {
    /// Whose inbox
    #[arg(long, value_name = "NAME")]
    pub recipient: Option<String>,
    /// Only what was not read
    #[arg(long, conflicts_with_all = ["archived", "read", "archive"])]
    pub unread: bool,
    /// What was archived, in place of the rest
    #[arg(long, conflicts_with_all = ["read", "archive"])]
    pub archived: bool,
    /// Mark these items as read, separated by commas; of an id its first characters are enough
    #[arg(long, value_name = "ID", value_delimiter = ',', value_parser = naming::id, conflicts_with = "archive")]
    pub read: Vec<IdStart>,
    /// Put these items away, separated by commas; of an id its first characters are enough
    #[arg(long, value_name = "ID", value_delimiter = ',', value_parser = naming::id)]
    pub archive: Vec<IdStart>,
    /// With --read or --archive: say what would be marked and stop
    #[arg(long)]
    pub dry_run: bool,
    /// Those of all workspaces, also where one is active
    #[arg(long)]
    pub all_workspaces: bool,
    /// Show at most so many
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..))]
    pub limit: u32,
}

/// Runs `notify inbox`.
///
/// # Errors
/// An item is not there, or the database does not answer.
pub async fn inbox(context: &Context, args: &InboxArgs) -> Result<ExitStatus, CliError> {
    let active = active(context, args.all_workspaces)?;
    let only = active.as_ref().map(|choice| choice.name.as_str());
    let mut post = Post::open(context, "notify inbox", only).await?;
    if !args.read.is_empty() || !args.archive.is_empty() {
        return mark(context, args, post).await;
    }
    let states = match (args.unread, args.archived) {
        (true, _) => vec!["unread"],
        (false, true) => vec!["archived"],
        (false, false) => vec!["unread", "read"],
    };
    let mut items = Vec::new();
    for scope in post.scopes.clone() {
        let wish = InboxWish {
            workspace: scope.clone(),
            recipient: args.recipient.clone(),
            states: states.clone(),
            limit: Some(i64::from(args.limit) + 1),
        };
        items.append(&mut post.connection.inbox(scope.as_deref(), &wish).await?);
    }
    if let (true, Some(name)) = (items.is_empty(), &args.recipient) {
        naming::must_be_recipient(&mut post, name).await?;
    }
    post.connection.close().await;
    items.sort_by_key(|item| std::cmp::Reverse((item.created_at, item.id)));
    let limit = usize::try_from(args.limit).unwrap_or(usize::MAX);
    let has_more = items.len() > limit;
    items.truncate(limit);
    if context.global.format == Format::Json {
        let items: Vec<Value> = items.iter().map(item_json).collect();
        context.printer.json(&json!({"format_version": "1.0", "hasMore": has_more, "items": items}));
        return Ok(ExitStatus::Success);
    }
    if items.is_empty() {
        context.printer.note("The inbox is empty.");
    }
    context.printer.result(&items.iter().map(|item| text(context, item)).collect::<Vec<_>>().join("\n"));
    note_active(context, active.as_ref());
    if has_more {
        context.printer.note(&format!("The newest {limit} are shown; --limit shows more."));
    }
    Ok(ExitStatus::Success)
}

fn text(context: &Context, item: &InboxItem) -> String {
    let style = &context.printer.stdout;
    let whose = if item.recipient.is_empty() { "everybody" } else { item.recipient.as_str() };
    let mut text = format!(
        "{} {}\n  {} for {}, {}, {}\n",
        item.id,
        paint(&clean(&item.title), Paint::Strong, style),
        item.severity,
        clean(whose),
        item.state,
        relative(item.created_at, context.clock.now())
    );
    let count = item.body.lines().count();
    let shown = if count > MOST_LINES + 1 { MOST_LINES } else { count };
    for line in item.body.lines().take(shown) {
        text.push_str(&format!("  {}\n", clean(line)));
    }
    if count > shown {
        text.push_str(&format!(
            "  … and {} more lines: synthex notify render --notification-id {} --channel {} -w {}\n",
            count - shown,
            item.notification,
            clean(&item.channel),
            clean(&item.workspace)
        ));
    }
    text
}

fn item_json(item: &InboxItem) -> Value {
    json!({
        "id": item.id,
        "workspaceId": item.workspace,
        "channel": item.channel,
        "recipient": item.recipient,
        "notificationId": item.notification,
        "severity": item.severity,
        "title": item.title,
        "message": item.body,
        "state": item.state,
        "createdAt": item.created_at,
        "readAt": item.read_at,
        "archivedAt": item.archived_at,
    })
}

async fn mark(context: &Context, args: &InboxArgs, mut post: Post) -> Result<ExitStatus, CliError> {
    let (state, ids) =
        if args.archive.is_empty() { ("read", &args.read) } else { ("archived", &args.archive) };
    let recipient = args.recipient.as_deref();
    let mut known: Vec<Uuid> = Vec::new();
    for start in ids {
        let id = naming::item(&mut post, start, recipient).await?;
        if !known.contains(&id) {
            known.push(id);
        }
    }
    let mut marked = Vec::new();
    if !args.dry_run {
        for scope in post.scopes.clone() {
            let now = context.clock.now();
            marked.append(
                &mut post.connection.mark_inbox(scope.as_deref(), &known, recipient, state, now).await?,
            );
        }
    }
    post.connection.close().await;
    if context.global.format == Format::Json {
        context.printer.json(&json!({
            "format_version": "1.0",
            "dryRun": args.dry_run,
            "state": state,
            "marked": marked,
        }));
    } else if args.dry_run {
        context.printer.result(&format!("{} would be marked as {state}.\n", known.len()));
    } else {
        let before = known.len() - marked.len();
        let before = if before == 0 { String::new() } else { format!(", {before} were so before") };
        context.printer.result(&format!("{} marked as {state}{before}.\n", marked.len()));
    }
    Ok(ExitStatus::Success)
}
