//! `alerts silences list`.

use chrono::{DateTime, Utc};
use clap::Args;
use serde_json::{Value, json};

use crate::alerts::window::{self, Opening};
use crate::cli::args::Format;
use crate::cli::context::Context;
use crate::cli::error::{CliError, ExitStatus};
use crate::cli::listing::{self, Listing};
use crate::cli::selecting;
use crate::kinds;
use crate::kinds::maintenance_window::MaintenanceWindowSpec;
use crate::kinds::silence::SilenceSpec;
use crate::report;
use crate::store::{Listed, mutings};

/// List silences and maintenance windows: those that count now, those that are to come, and how many alerts each mutes
///
/// Of a window, the opening that counts now, or else the next one. Those that have ended are hidden unless --all-states is
/// given. A silence counts as muting an alert from the evaluation on
/// that follows.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  synthex alerts silences list\n  synthex alerts silences list --all-states --format json\n  synthex alerts silences list --as-of 2026-12-24"
)]
pub struct ListArgs {
    /// All workspaces, also where one is active
    #[arg(long, visible_alias = "all")]
    pub all_workspaces: bool,
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
    let active = listing::active(context, args.all_workspaces)?;
    let only = active.as_ref().map(|choice| choice.name.as_str());
    let mut listing = Listing::open(context, "alerts silences list", only).await?;
    let mut rows = listing.rows(&kinds::silence::KIND).await?;
    let mut windows = listing.rows(&kinds::maintenance_window::KIND).await?;
    let muted = listing.mutings().await?;
    let is_installed = listing.is_installed;
    listing.close().await;
    listing::note_active(context, active.as_ref());
    rows.retain(|row| selection.matches_labels(&row.canonical));
    windows.retain(|row| selection.matches_labels(&row.canonical));
    let mut items: Vec<Item> = rows.into_iter().filter_map(|row| item(row, &muted, now)).collect();
    let before = items.len();
    if !args.all_states {
        items.retain(|item| item.state != "expired");
    }
    let mut windows: Vec<Window> = windows.into_iter().filter_map(|row| window(row, &muted, now)).collect();
    let all_windows = windows.len();
    if !args.all_states {
        windows.retain(|window| window.state != "expired");
    }
    let hidden = before - items.len();
    let hidden_windows = all_windows - windows.len();
    let rank = |state: &str| ["active", "pending", "expired"].iter().position(|own| *own == state);
    items.sort_by(|left, right| {
        (rank(left.state), left.spec.starts_at, &left.row.key).cmp(&(
            rank(right.state),
            right.spec.starts_at,
            &right.row.key,
        ))
    });
    windows.sort_by(|left, right| {
        let of =
            |one: &Window| (rank(one.state), one.opening.map(|opening| opening.starts), one.row.key.clone());
        of(left).cmp(&of(right))
    });
    let total = items.len();
    items.truncate(args.limit.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(usize::MAX));
    if context.global.format == Format::Json {
        let shown: Vec<Value> = items.iter().map(as_json).collect();
        context.printer.json(&json!({
            "format_version": "1.0", "total": total, "hidden": hidden, "as_of": now, "silences": shown,
            "windows": windows.iter().map(Window::as_json).collect::<Vec<Value>>(),
        }));
        return Ok(ExitStatus::Success);
    }
    if items.is_empty() {
        context.printer.note(match (is_installed, windows.is_empty()) {
            (true, true) => "No silence and no maintenance window counts now, and none is to come.",
            (true, false) => "No silence counts now, and none is to come.",
            (false, _) => listing::NOTHING_APPLIED,
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
    if !windows.is_empty() {
        let headers = ["WINDOW", "WORKSPACE", "STATE", "FROM", "UNTIL", "MUTES", "CONDITIONS", "COMMENT"];
        let cells = windows.iter().map(Window::cells).collect();
        let gap = if items.is_empty() { "" } else { "\n" };
        context
            .printer
            .result(&format!("{gap}{}", report::table::table(&headers, cells, &context.printer.stdout)));
    }
    let hidden = hidden + hidden_windows;
    if hidden > 0 {
        context.printer.note(&format!("{hidden} ended and hidden; --all-states shows them."));
    }
    Ok(ExitStatus::Success)
}

/// A maintenance window, with the opening that counts now, or else the next.
struct Window {
    row: Listed,
    spec: MaintenanceWindowSpec,
    state: &'static str,
    opening: Option<Opening>,
    mutes: i64,
}

fn window(row: Listed, muted: &[mutings::Muting], now: DateTime<Utc>) -> Option<Window> {
    let spec: MaintenanceWindowSpec = serde_json::from_value(row.canonical["spec"].clone()).ok()?;
    let open = window::opening(&spec, now);
    let opening = open.or_else(|| window::next_opening(&spec, now));
    let state = match (open, opening) {
        (Some(_), _) => "active",
        (None, Some(_)) => "pending",
        (None, None) => "expired",
    };
    let mutes = mutes(&row, &format!("window/{}", row.key.name), muted);
    Some(Window { row, spec, state, opening, mutes })
}

impl Window {
    fn cells(&self) -> Vec<String> {
        let (from, until) = self.opening.map_or_else(
            || ("-".to_owned(), self.spec.until.map_or_else(|| "-".to_owned(), time)),
            |opening| (time(opening.starts), time(opening.ends)),
        );
        let matchers = self.spec.matchers.join(", ");
        vec![
            self.row.key.name.to_string(),
            self.row.key.workspace.to_string(),
            self.state.to_owned(),
            from,
            until,
            self.mutes.to_string(),
            if matchers.is_empty() { "all alerts".to_owned() } else { matchers },
            self.spec.comment.clone(),
        ]
    }

    fn as_json(&self) -> Value {
        json!({
            "id": self.row.id, "workspace": &*self.row.key.workspace, "name": &*self.row.key.name,
            "state": self.state, "matchers": self.spec.matchers,
            "opensAt": self.opening.map(|opening| opening.starts),
            "closesAt": self.opening.map(|opening| opening.ends), "every": self.spec.every, "at": self.spec.at,
            "duration": self.spec.duration, "timeZone": self.spec.time_zone, "comment": self.spec.comment,
            "mutes": self.mutes, "owner": self.row.owner,
        })
    }
}

/// How many alerts something mutes.
fn mutes(row: &Listed, by: &str, muted: &[mutings::Muting]) -> i64 {
    let own = muted.iter().find(|muting| *row.key.workspace == *muting.workspace && muting.by == by);
    own.map_or(0, |muting| muting.alerts)
}

fn time(at: DateTime<Utc>) -> String {
    at.format("%Y-%m-%d %H:%M UTC").to_string()
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
    let mutes = mutes(&row, &format!("silence/{}", row.key.name), muted);
    Some(Item { row, spec, state, mutes })
}

fn cells(item: &Item) -> Vec<String> {
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
