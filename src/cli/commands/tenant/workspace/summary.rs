//! `tenant workspace summary`.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use clap::Args;
use serde_json::{Value, json};

use crate::alerts::expiry::Standing;
use crate::cli::args::Format;
use crate::cli::context::Context;
use crate::cli::error::{CliError, ExitStatus};
use crate::cli::listing::{self, Counts, Listing};
use crate::cli::pausing::pause_json;
use crate::cli::selecting;
use crate::kinds;
use crate::report::{self, time};
use crate::store::Listed;
use crate::store::summary::LastApply;

/// Sum up each workspace: its tenants, credentials and alert rules, and what last changed something
///
/// Where a workspace is active, that one. A credential is expiring soon in its last 7 days; what is counted is the expiry
/// that is declared.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  synthex tenant workspace summary\n  synthex tenant workspace summary --all-workspaces\n  synthex tenant workspace summary -w anz-smb --format json"
)]
pub struct SummaryArgs {
    /// All workspaces, also where one is active
    #[arg(short = 'A', long)]
    pub all_workspaces: bool,
    /// Only workspaces whose labels fit, or fields where there is no such label: `team=a,tier in (gold,silver),!legacy`
    #[arg(short = 'l', long, value_name = "SELECTOR")]
    pub selector: Option<String>,
    /// Show at most this many
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub limit: Option<u64>,
}

/// What is counted of one workspace.
#[derive(Default)]
struct Summed<'a> {
    tenants: i64,
    by_status: BTreeMap<&'a str, i64>,
    by_type: BTreeMap<&'a str, i64>,
    credentials: i64,
    by_state: BTreeMap<Standing, i64>,
    rules: (i64, i64),
    last: Option<&'a LastApply>,
}

fn sum(counts: &Counts, now: DateTime<Utc>) -> BTreeMap<&str, Summed<'_>> {
    let mut all: BTreeMap<&str, Summed<'_>> = BTreeMap::new();
    for group in &counts.tenants {
        let summed = all.entry(group.workspace.as_str()).or_default();
        summed.tenants += group.count;
        *summed.by_status.entry(&group.status).or_default() += group.count;
        *summed.by_type.entry(&group.tenant_type).or_default() += group.count;
    }
    for group in &counts.credentials {
        let summed = all.entry(group.workspace.as_str()).or_default();
        summed.credentials += group.count;
        let standing = Standing::of(group.is_revoked, group.expires_at, now);
        *summed.by_state.entry(standing).or_default() += group.count;
    }
    for group in &counts.rules {
        all.entry(group.workspace.as_str()).or_default().rules = (group.enabled, group.disabled);
    }
    for last in &counts.applies {
        all.entry(last.workspace.as_str()).or_default().last = Some(last);
    }
    all
}

/// Sums up.
///
/// # Errors
/// There is no such workspace, or the database cannot be read.
pub async fn summary(context: &Context, args: &SummaryArgs) -> Result<ExitStatus, CliError> {
    let selection = selecting::labels(args.selector.as_deref())?;
    let active = listing::active(context, args.all_workspaces)?;
    let only = active.as_ref().map(|choice| choice.name.as_str());
    let mut listing = Listing::open(context, "tenant workspace summary", only).await?;
    let mut rows = listing.rows(&kinds::workspace::KIND).await?;
    let counts = listing.counts().await?;
    let pauses = listing.pauses(context.clock.now()).await?;
    listing.close().await;
    if let Some(choice) = active.as_ref().filter(|_| rows.is_empty()) {
        return Err(CliError::usage(format!("there is no workspace `{}`", choice.name))
            .why(format!("it is named by {}", choice.by))
            .help("`synthex tenant workspace list` shows them; clear-active forgets the active one"));
    }
    rows.retain(|row| selection.matches_labels(&row.canonical));
    rows.truncate(args.limit.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(usize::MAX));
    let now = context.clock.now();
    let summed = sum(&counts, now);
    let nothing = Summed::default();
    let of = |row: &Listed| summed.get(&*row.key.name).unwrap_or(&nothing);
    if context.global.format == Format::Json {
        let workspaces: Vec<Value> = rows
            .iter()
            .map(|row| {
                let mut value = json_of(row, of(row));
                value["paused"] =
                    json!(pauses.get(&row.key.name).map(|pause| pause_json(&row.key.name, pause)));
                value
            })
            .collect();
        context.printer.json(&json!({"format_version": "1.0", "workspaces": workspaces}));
        return Ok(ExitStatus::Success);
    }
    listing::note_active(context, active.as_ref());
    if rows.is_empty() {
        context.printer.note("There are no workspaces, or none is selected.");
        return Ok(ExitStatus::Success);
    }
    let cells = rows.iter().map(|row| cells(row, of(row), now)).collect();
    let headers = ["WORKSPACE", "TENANTS", "STATUS", "TYPES", "CREDENTIALS", "ALERT RULES", "LAST APPLY"];
    let mut text = report::table::table(&headers, cells, &context.printer.stdout);
    for row in &rows {
        if let Some(pause) = pauses.get(&row.key.name) {
            let said = report::pauses::sentence_now(&row.key.name, pause, now);
            text.push_str(&format!("note: {}\n", report::clean::clean(&said)));
        }
    }
    context.printer.result(&text);
    Ok(ExitStatus::Success)
}

fn cells(row: &Listed, summed: &Summed<'_>, now: DateTime<Utc>) -> Vec<String> {
    let words = |counts: Vec<(&str, i64)>| {
        let words: Vec<String> = counts.iter().map(|(name, count)| format!("{count} {name}")).collect();
        if words.is_empty() { "-".to_owned() } else { words.join(", ") }
    };
    let states =
        Standing::ALL.iter().filter_map(|standing| Some((standing.code(), *summed.by_state.get(standing)?)));
    let (enabled, disabled) = summed.rules;
    let rules = match (enabled, disabled) {
        (0, 0) => "-".to_owned(),
        (enabled, 0) => enabled.to_string(),
        (enabled, disabled) => format!("{enabled} on, {disabled} off"),
    };
    vec![
        row.key.name.to_string(),
        summed.tenants.to_string(),
        words(pairs(&summed.by_status)),
        words(pairs(&summed.by_type)),
        words(states.collect()),
        rules,
        summed.last.map_or_else(
            || "-".to_owned(),
            |last| format!("revision {}, {}", last.revision, time::relative(last.at, now)),
        ),
    ]
}

fn pairs<'a>(counts: &BTreeMap<&'a str, i64>) -> Vec<(&'a str, i64)> {
    counts.iter().map(|(name, count)| (*name, *count)).collect()
}

fn json_of(row: &Listed, summed: &Summed<'_>) -> Value {
    let spec = |name: &str| row.canonical.get("spec").and_then(|spec| spec.get(name)).cloned();
    let state = |standing| summed.by_state.get(&standing).copied().unwrap_or_default();
    json!({
        "workspaceId": &*row.key.name,
        "name": spec("displayName"),
        "market": spec("market"),
        "region": spec("region"),
        "tenants": {"total": summed.tenants, "byStatus": summed.by_status, "byType": summed.by_type},
        "credentials": {
            "total": summed.credentials,
            "active": state(Standing::Active),
            "expiringSoon": state(Standing::ExpiringSoon),
            "expired": state(Standing::Expired),
            "revoked": state(Standing::Revoked),
        },
        "alertRules": {"enabled": summed.rules.0, "disabled": summed.rules.1},
        "lastApply": summed.last.map(|last| json!({
            "revision": last.revision,
            "finishedAt": last.at,
            "command": last.command,
            "actor": last.actor,
            "project": last.project,
        })),
    })
}
