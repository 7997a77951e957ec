//! `alerts silences list`.

use chrono::{DateTime, Utc};
use clap::Args;
use serde_json::{Value, json};

use crate::cli::args::Format;
use crate::cli::context::Context;
use crate::cli::error::{CliError, ExitStatus};
use crate::cli::listing::{self, Listing};
use crate::cli::selecting;
use crate::kinds;
use crate::kinds::silence::SilenceSpec;
use crate::report;
use crate::store::{Listed, mutings};

/// List silences: those that count now, those that are to come, and how many alerts each mutes
///
/// Those that have ended are hidden unless --all-states is given. A silence counts as muting an alert from the evaluation on
/// that follows.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  synthex alerts silences list\n  synthex alerts silences list --all-states --format json\n  synthex alerts silences list --as-of 2026-12-24"
)]
pub struct ListArgs {
    /// All workspaces, also where one is active
    #[arg(long)]
    pub all: bool,
    /// Also those that have ended
    #[arg(long)]
    pub all_states: bool,
    /// Only silences with these labels, or with these fields where there is no such label: `team=payments`
    #[arg(short = 'l', long, value_name = "SELECTOR")]
    pub selector: Option<String>,
    /// Show at most this many
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub limit: Option<u64>,
}

struct Item {
    row: Listed,
    spec: SilenceSpec,
    state: &'static str,
    mutes: i64,
}

pub(super) async fn list(context: &Context, args: &ListArgs) -> Result<ExitStatus, CliError> {
    let now = context.clock.now();
    let selection = selecting::labels(args.selector.as_deref())?;
    let active = listing::active(context, args.all)?;
    let only = active.as_ref().map(|choice| choice.name.as_str());
    let mut listing = Listing::open(context, "alerts silences list", only).await?;
    let mut rows = listing.rows(&kinds::silence::KIND).await?;
    let muted = listing.mutings().await?;
    let is_installed = listing.is_installed;
    listing.close().await;
    listing::note_active(context, active.as_ref());
    rows.retain(|row| selection.matches_labels(&row.canonical));
    let mut items: Vec<Item> = rows.into_iter().filter_map(|row| item(row, &muted, now)).collect();
    let before = items.len();
    if !args.all_states {
        items.retain(|item| item.state != "expired");
    }
    let hidden = before - items.len();
    let rank = |state: &str| ["active", "pending", "expired"].iter().position(|own| *own == state);
    items.sort_by(|left, right| {
        (rank(left.state), left.spec.starts_at, &left.row.key).cmp(&(
            rank(right.state),
            right.spec.starts_at,
            &right.row.key,
        ))
    });
    let total = items.len();
    items.truncate(args.limit.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(usize::MAX));
    if context.global.format == Format::Json {
        let shown: Vec<Value> = items.iter().map(as_json).collect();
        context.printer.json(&json!({
            "format_version": "1.0", "total": total, "hidden": hidden, "as_of": now, "silences": shown,
        }));
        return Ok(ExitStatus::Success);
    }
    if items.is_empty() {
        context.printer.note(if is_installed {
            "No silence counts now, and none is to come."
        } else {
            "Nothing was applied to this database yet: run `synthex apply`."
        });
    } else {
        let headers =
            ["SILENCE", "WORKSPACE", "STATE", "FROM", "UNTIL", "MUTES", "CONDITIONS", "BY", "COMMENT"];
        let cells = items.iter().map(cells).collect();
        context.printer.result(&report::table::table(&headers, cells, &context.printer.stdout));
    }
    if items.len() < total {
        context.printer.note(&format!("{} of {total} silences shown.", items.len()));
    }
    if hidden > 0 {
        context.printer.note(&format!("{hidden} ended and hidden; --all-states shows them."));
    }
    Ok(ExitStatus::Success)
}

fn item(row: Listed, muted: &[mutings::Muting], now: DateTime<Utc>) -> Option<Item> {
    let spec: SilenceSpec = serde_json::from_value(row.canonical["spec"].clone()).ok()?;
    let state = if spec.ends().is_some_and(|ends| ends <= now) {
        "expired"
    } else if spec.starts_at > now {
        "pending"
    } else {
        "active"
    };
    let by = format!("silence/{}", row.key.name);
    let own = muted.iter().find(|muting| *row.key.workspace == *muting.workspace && muting.by == by);
    let mutes = own.map_or(0, |muting| muting.alerts);
    Some(Item { row, spec, state, mutes })
}

fn cells(item: &Item) -> Vec<String> {
    let time = |at: DateTime<Utc>| at.format("%Y-%m-%d %H:%M UTC").to_string();
    vec![
        item.row.key.name.to_string(),
        item.row.key.workspace.to_string(),
        item.state.to_owned(),
        time(item.spec.starts_at),
        item.spec.ends().map_or_else(|| "resolved".to_owned(), time),
        item.mutes.to_string(),
        item.spec.matchers.join(", "),
        item.spec.created_by.clone(),
        item.spec.comment.clone(),
    ]
}

fn as_json(item: &Item) -> Value {
    json!({
        "id": item.row.id, "workspace": &*item.row.key.workspace, "name": &*item.row.key.name, "state": item.state,
        "matchers": item.spec.matchers, "startsAt": item.spec.starts_at, "endsAt": item.spec.ends(),
        "untilResolved": item.spec.until_resolved, "createdBy": item.spec.created_by, "comment": item.spec.comment,
        "mutes": item.mutes, "owner": item.row.owner,
    })
}
