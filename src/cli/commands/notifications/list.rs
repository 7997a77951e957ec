//! `notify list`.

use clap::Args;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::alerts::{AlertStatus, Topic};
use crate::cli::args::Format;
use crate::cli::commands::alerts::labels;
use crate::cli::context::Context;
use crate::cli::error::{CliError, ExitStatus};
use crate::cli::listing::{active, note_active};
use crate::cli::outbox::Post;
use crate::model::selector::Selector;
use crate::report;
use crate::report::time::relative;
use crate::store::alerts::AlertFilter;
use crate::store::outbox::NotificationWish;

use super::{naming, shown};

/// How many characters of a title stand in a table.
const SHOWN_TITLE: usize = 80;

/// List notifications, newest first, with what became of them
///
/// Each stands with every channel it goes through as `pending`, `sent`, `failed`, `cancelled` or `suppressed`, which is not
/// sent for a reason; `notify show ID` tells more. Long titles are cut here.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  synthex notify list\n  synthex notify list --status dead,failed --limit 50\n  synthex notify list -l tier=gold\n  synthex notify list --channel ops-mail --format json | jq '.notifications[].deliveryStatus'"
)]
pub struct NotifyListArgs {
    /// Only those with a delivery in one of these states, separated by commas
    #[arg(long, value_name = "STATES", value_delimiter = ',', value_parser = ["pending", "sending", "sent", "retrying", "failed", "dead", "cancelled", "suppressed"])]
    pub status: Vec<String>,
    /// Only those that go through this channel
    #[arg(long, value_name = "NAME")]
    pub channel: Option<String>,
    /// Only those of these types, separated by commas
    #[arg(long = "type", value_name = "TYPES", value_delimiter = ',', value_parser = Topic::ALL.map(Topic::code))]
    pub topic: Vec<String>,
    /// Only those of these severities, separated by commas
    #[arg(long, value_name = "SEVERITIES", value_delimiter = ',', value_parser = ["info", "warning", "critical"])]
    pub severity: Vec<String>,
    /// Only those that tell of alerts whose labels fit: `tenant=SMB_CLIENT_001,service!=shopify`; labels of the tenant too, such as
    /// `tier=gold`. What people send tells of none
    #[arg(short = 'l', long, value_name = "SELECTOR")]
    pub selector: Option<String>,
    /// Those of all workspaces, also where one is active
    #[arg(long)]
    pub all_workspaces: bool,
    /// Show at most so many
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..))]
    pub limit: u32,
}

/// Runs `notify list`.
///
/// # Errors
/// Wrong usage, or the database does not answer.
pub async fn list(context: &Context, args: &NotifyListArgs) -> Result<ExitStatus, CliError> {
    let selector = args.selector.as_deref().map(str::parse::<Selector>).transpose();
    let selector = selector.map_err(|error| CliError::usage(error.to_string()))?;
    let active = active(context, args.all_workspaces)?;
    let only = active.as_ref().map(|choice| choice.name.as_str());
    let mut post = Post::open(context, "notify list", only).await?;
    let some = |list: &[String]| (!list.is_empty()).then(|| list.to_vec());
    let mut found = Vec::new();
    for scope in post.scopes.clone() {
        let ids = match &selector {
            Some(selector) => Some(telling_of(&mut post, scope.as_deref(), selector).await?),
            None => None,
        };
        let wish = NotificationWish {
            workspace: scope.clone(),
            ids,
            states: some(&args.status),
            channel: args.channel.clone(),
            types: some(&args.topic),
            severities: some(&args.severity),
            limit: Some(i64::from(args.limit) + 1),
            offset: 0,
        };
        found.append(&mut post.connection.notifications(scope.as_deref(), &wish).await?);
    }
    if let (true, Some(name)) = (found.is_empty(), &args.channel) {
        naming::must_be_channel(&mut post, name).await?;
    }
    post.connection.close().await;
    found.sort_by_key(|notification| std::cmp::Reverse((notification.created_at, notification.id)));
    let limit = usize::try_from(args.limit).unwrap_or(usize::MAX);
    let has_more = found.len() > limit;
    found.truncate(limit);
    if context.global.format == Format::Json {
        let notifications: Vec<Value> = found.iter().map(shown::notification_json).collect();
        context.printer.json(&json!({
            "format_version": "1.0",
            "hasMore": has_more,
            "notifications": notifications,
        }));
        return Ok(ExitStatus::Success);
    }
    if found.is_empty() {
        context.printer.note("There is no such notification.");
    } else {
        let now = context.clock.now();
        let headers = ["ID", "CREATED", "WORKSPACE", "TYPE", "SEVERITY", "TITLE", "DELIVERY"];
        let rows = found.iter().map(|notification| {
            vec![
                notification.id.to_string(),
                relative(notification.created_at, now),
                notification.workspace.clone(),
                notification.topic.clone(),
                notification.severity.clone(),
                naming::short(&notification.title, SHOWN_TITLE),
                shown::summary(notification),
            ]
        });
        context.printer.result(&report::table::table(&headers, rows.collect(), &context.printer.stdout));
    }
    note_active(context, active.as_ref());
    if has_more {
        context.printer.note(&format!("The newest {limit} are shown; --limit shows more."));
    }
    Ok(ExitStatus::Success)
}

/// The notifications that tell of alerts whose labels fit.
async fn telling_of(
    post: &mut Post,
    scope: Option<&str>,
    selector: &Selector,
) -> Result<Vec<Uuid>, CliError> {
    let filter = AlertFilter {
        workspace: scope.map(str::to_owned),
        statuses: AlertStatus::ALL.map(AlertStatus::code).to_vec(),
        ..AlertFilter::default()
    };
    let (alerts, _) = post.connection.alerts(&filter).await?;
    let fitting = alerts.iter().map(|listed| &listed.alert).filter(|alert| selector.matches(&labels(alert)));
    let fitting: Vec<Uuid> = fitting.map(|alert| alert.id).collect();
    Ok(post.connection.notifications_of(scope, &fitting).await?)
}
