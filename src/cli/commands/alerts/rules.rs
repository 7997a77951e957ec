//! `alerts rules`: rules, and the channels they need, made and deleted by commands.

mod create;

use chrono::{DateTime, Utc};
use clap::{Args, Subcommand};
use serde_json::{Value, json};

use crate::alerts::schedule;
use crate::cli::args::Format;
use crate::cli::context::Context;
use crate::cli::desk::{Asked, Desk, OwnArgs};
use crate::cli::editing::{self, Manner};
use crate::cli::error::{CliError, ExitStatus};
use crate::cli::listing::{self, Listing};
use crate::cli::selecting;
use crate::cli::signals::Signals;
use crate::cli::writing::WriteArgs;
use crate::kinds;
use crate::report;
use crate::report::time::relative;
use crate::store::Listed;
use crate::store::mutings::Evaluation;

/// List, make and delete alert rules
#[derive(Debug, Subcommand)]
#[command(
    after_help = "Examples:\n  synthex alerts rules list\n  synthex alerts rules create --type expiring_7d --channel team-slack\n  synthex alerts rules delete expiring-7d"
)]
pub enum RulesCommand {
    List(ListArgs),
    Create(Box<create::CreateArgs>),
    Delete(DeleteArgs),
}

/// List alert rules, with when each was evaluated last and when it is next
///
/// A rule that is due is evaluated by the next `synthex alerts check-now --due`. How urgent alerts of credential expiry are says
/// each threshold.
#[derive(Debug, Args)]
#[command(
    name = "list",
    after_help = "Examples:\n  synthex alerts rules list\n  synthex alerts rules list --workspace anz-smb --format json"
)]
pub struct ListArgs {
    /// All workspaces, also where one is active
    #[arg(long, visible_alias = "all")]
    pub all_workspaces: bool,
    /// Only rules with these labels, or with these fields where there is no such label: `team=payments`
    #[arg(short = 'l', long, value_name = "SELECTOR")]
    pub selector: Option<String>,
    /// Show at most this many
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub limit: Option<u64>,
}

/// Delete alert rules
///
/// Softly: `synthex restore` brings them back. Alerts that a rule has raised are over then, and those who were told of them
/// are told so. Channels stay.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  synthex alerts rules delete expiring-7d --dry-run\n  synthex alerts rules delete expiring-7d expired --yes"
)]
pub struct DeleteArgs {
    /// The rules
    #[arg(value_name = "NAME", required = true, num_args = 1..)]
    pub names: Vec<String>,
    #[command(flatten)]
    pub write: WriteArgs,
    #[command(flatten)]
    pub own: OwnArgs,
}

/// Runs `alerts rules`.
///
/// # Errors
/// Wrong usage, or the database does not answer.
pub async fn rules(context: &Context, command: &RulesCommand) -> Result<ExitStatus, CliError> {
    match command {
        RulesCommand::List(args) => list(context, args).await,
        RulesCommand::Create(args) => create::create(context, args).await,
        RulesCommand::Delete(args) => delete(context, args).await,
    }
}

async fn list(context: &Context, args: &ListArgs) -> Result<ExitStatus, CliError> {
    let selection = selecting::labels(args.selector.as_deref())?;
    let active = listing::active(context, args.all_workspaces)?;
    let only = active.as_ref().map(|choice| choice.name.as_str());
    let mut listing = Listing::open(context, "alerts rules list", only).await?;
    let mut rows = listing.rows(&kinds::alert_rule::KIND).await?;
    let channels = listing.rows(&kinds::notification_channel::KIND).await?;
    let evaluations = listing.evaluations().await?;
    let is_installed = listing.is_installed;
    listing.close().await;
    let now = context.clock.now();
    listing::note_active(context, active.as_ref());
    let before = rows.len();
    rows.retain(|row| selection.matches_labels(&row.canonical));
    let total = rows.len();
    rows.truncate(args.limit.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(usize::MAX));
    if context.global.format == Format::Json {
        let shown: Vec<Value> =
            rows.iter().map(|row| as_json(row, &channels, &Turn::of(row, &evaluations, now))).collect();
        context.printer.json(&json!({"format_version": "1.0", "total": total, "rules": shown}));
        return Ok(ExitStatus::Success);
    }
    if rows.is_empty() && before > 0 {
        context.printer.note(&format!("None of {before} rules is selected."));
        return Ok(ExitStatus::Success);
    }
    if rows.is_empty() {
        context.printer.note(if is_installed {
            "There are no alert rules: declare some, or see `synthex alerts rules create --help`."
        } else {
            listing::NOTHING_APPLIED
        });
        return Ok(ExitStatus::Success);
    }
    let headers =
        ["RULE", "WORKSPACE", "RAISED BY", "SEVERITY", "CHANNELS", "SCHEDULE", "LAST", "NEXT", "OWNER"];
    let cells = rows.iter().map(|row| cells(row, &Turn::of(row, &evaluations, now), now)).collect();
    context.printer.result(&report::table::fitting(&headers, cells, &[6, 8, 1], &context.printer.stdout));
    if rows.len() < total {
        context.printer.note(&format!("{} of {total} rules shown.", rows.len()));
    }
    Ok(ExitStatus::Success)
}

/// When a rule was evaluated, and when it is again by its schedule.
struct Turn {
    last: Option<DateTime<Utc>>,
    /// `None` where it never comes. A rule that is due is due since now.
    next: Option<DateTime<Utc>>,
}

impl Turn {
    fn of(row: &Listed, evaluations: &[Evaluation], now: DateTime<Utc>) -> Self {
        let is_own = |one: &&Evaluation| *row.key.workspace == *one.workspace && *row.key.name == *one.rule;
        let last = evaluations.iter().find(is_own).map(|one| one.evaluated_at);
        let spec = &row.canonical["spec"];
        let (cron, zone) = (spec["schedule"].as_str().unwrap_or_default(), spec["timeZone"].as_str());
        let zone = zone.unwrap_or("UTC");
        let next = if spec["enabled"] == false {
            None
        } else if schedule::is_due(cron, zone, last, now) {
            Some(now)
        } else {
            schedule::next(cron, zone, last.unwrap_or(now))
        };
        Self { last, next }
    }
}

fn cells(row: &Listed, turn: &Turn, now: DateTime<Utc>) -> Vec<String> {
    let spec = &row.canonical["spec"];
    let is_enabled = spec["enabled"] != false;
    let zone = spec["timeZone"].as_str().unwrap_or("UTC");
    vec![
        row.key.name.to_string(),
        row.key.workspace.to_string(),
        format!("{}{}", raised_by(spec), if is_enabled { "" } else { " (off)" }),
        severity(spec),
        names(&spec["channels"]).join(", "),
        format!("{} {zone}", spec["schedule"].as_str().unwrap_or_default()),
        turn.last.map_or_else(|| "never".to_owned(), |at| relative(at, now)),
        match turn.next {
            None => "-".to_owned(),
            Some(next) if next <= now => "due".to_owned(),
            Some(next) => relative(next, now),
        },
        row.owner.clone().unwrap_or_else(|| "-".to_owned()),
    ]
}

fn names(list: &Value) -> Vec<&str> {
    list.as_array().into_iter().flatten().filter_map(Value::as_str).collect()
}

/// How urgent its alerts are. Of expiry, each threshold says it, and what the rule says counts for other things.
fn severity(spec: &Value) -> String {
    if spec["when"].get("credentialExpiry").is_some() {
        return "by threshold".to_owned();
    }
    spec["severity"].as_str().unwrap_or_default().to_owned()
}

/// What raises an alert, in a few words.
fn raised_by(spec: &Value) -> String {
    let when = &spec["when"];
    let all =
        |list: &Value| if names(list).is_empty() { "any check".to_owned() } else { names(list).join(", ") };
    if let Some(expiry) = when.get("credentialExpiry") {
        return format!("expiry {}", names(&expiry["thresholds"]).join(", "));
    }
    if let Some(health) = when.get("healthStatus") {
        return format!("{} {}", all(&health["checks"]), names(&health["statuses"]).join(" or "));
    }
    let usage = &when["usageThreshold"];
    let (metric, window) = (usage["metric"].as_str(), usage["window"].as_str());
    format!("{} > {} in {}", metric.unwrap_or_default(), usage["above"], window.unwrap_or_default())
}

/// The original's word for what raises it.
fn alert_type(spec: &Value) -> String {
    let when = &spec["when"];
    if when.get("healthStatus").is_some() {
        return "health".to_owned();
    }
    if when.get("usageThreshold").is_some() {
        return "usage".to_owned();
    }
    let thresholds = names(&when["credentialExpiry"]["thresholds"]);
    let word = |threshold: &&str| match *threshold {
        "expired" => "expired".to_owned(),
        other => format!("expiring_{other}"),
    };
    thresholds.iter().map(word).collect::<Vec<_>>().join(",")
}

/// With the fields of the original design besides our own.
fn as_json(row: &Listed, channels: &[Listed], turn: &Turn) -> Value {
    let spec = &row.canonical["spec"];
    let own: Vec<&Value> = names(&spec["channels"])
        .into_iter()
        .filter_map(|name| {
            channels.iter().find(|one| *one.key.name == *name && one.key.workspace == row.key.workspace)
        })
        .map(|channel| &channel.canonical["spec"])
        .collect();
    let first = |pointer: &str| own.iter().find_map(|spec| spec.pointer(pointer)).cloned();
    let recipients: Vec<&str> = own.iter().flat_map(|spec| names(&spec["email"]["to"])).collect();
    let types: Vec<&Value> = own.iter().map(|spec| &spec["type"]).collect();
    json!({
        "id": row.id, "workspaceId": &*row.key.workspace, "name": &*row.key.name, "enabled": spec["enabled"] != false,
        "alertType": alert_type(spec), "channels": types, "channelNames": spec["channels"], "emailRecipients": recipients,
        "slackWebhookUrl": first("/slack/webhookUrl"), "customWebhookUrl": first("/webhook/url"),
        "severity": spec["severity"], "schedule": spec["schedule"], "owner": row.owner, "spec": spec,
        "lastEvaluatedAt": turn.last, "nextDueAt": turn.next,
        "createdAt": row.created_at, "updatedAt": row.updated_at,
    })
}

async fn delete(context: &Context, args: &DeleteArgs) -> Result<ExitStatus, CliError> {
    let signals = Signals::listen()?;
    let desk = Desk::open(context, "alerts rules delete").await?;
    let gone = desk.find(&kinds::alert_rule::KIND, &args.names)?;
    let asked = Asked { gone, is_named: true, ..Asked::default() };
    let manner = Manner { command: "alerts rules delete", own: &args.own, write: &args.write };
    let done = editing::carry_out(context, desk, asked, manner, Vec::new(), &signals).await?;
    Ok(done.status)
}
