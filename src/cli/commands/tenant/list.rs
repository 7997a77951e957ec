//! `tenant tenants list`.

use std::cmp::Reverse;

use clap::{Args, ValueEnum};
use serde_json::{Value, json};

use crate::cli::args::Format;
use crate::cli::context::Context;
use crate::cli::error::{CliError, ExitStatus};
use crate::cli::listing::{self, Listing};
use crate::cli::selecting;
use crate::cli::tenant_fields::{MARKETS, STATUSES, TYPES};
use crate::kinds;
use crate::report;
use crate::store::Listed;

use super::shown::{spec, tenant_json};

/// List the tenants in the database
///
/// Where a workspace is active, those of that workspace. What the terminal has no room for is left out: first the region,
/// then the owner, the type and the market.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  synthex tenant tenants list\n  synthex tenant tenants list -w anz-smb --status active -l tier=gold\n  synthex tenant tenants list --all-workspaces --sort updated --limit 20\n  synthex tenant tenants list --format json"
)]
pub struct ListArgs {
    /// Only tenants whose labels fit, or fields where there is no such label: `tier=gold,team in (a,b),!legacy`
    #[arg(short = 'l', long, value_name = "SELECTOR")]
    pub selector: Option<String>,
    /// Only tenants of this status
    #[arg(long, value_name = "STATUS", value_parser = STATUSES)]
    pub status: Option<String>,
    /// Only tenants of this market
    #[arg(long, value_name = "MARKET", value_parser = MARKETS)]
    pub market: Option<String>,
    /// Only tenants of this type
    #[arg(long = "type", value_name = "TYPE", value_parser = TYPES)]
    pub tenant_type: Option<String>,
    /// Of all workspaces, also where one is active
    #[arg(short = 'A', long)]
    pub all_workspaces: bool,
    /// What they are sorted by; times have the newest first
    #[arg(long, value_enum, default_value_t = Sort::Id, value_name = "FIELD")]
    pub sort: Sort,
    /// Show at most this many
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub limit: Option<u64>,
}

/// What tenants are sorted by. Those that are alike are sorted by workspace and id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Sort {
    /// Workspace and id
    Id,
    /// Name
    Name,
    /// Type
    Type,
    /// Market
    Market,
    /// Status
    Status,
    /// When they were made
    Created,
    /// When they were last written
    Updated,
}

fn sort(rows: &mut [&Listed], by: Sort) {
    let text = |row: &Listed, field: &str| spec(row, field).as_str().unwrap_or_default().to_lowercase();
    match by {
        Sort::Id => {}
        Sort::Name => rows.sort_by_cached_key(|row| text(row, "displayName")),
        Sort::Type => rows.sort_by_cached_key(|row| text(row, "type")),
        Sort::Market => rows.sort_by_cached_key(|row| text(row, "market")),
        Sort::Status => rows.sort_by_cached_key(|row| text(row, "status")),
        Sort::Created => rows.sort_by_key(|row| Reverse(row.created_at)),
        Sort::Updated => rows.sort_by_key(|row| Reverse(row.updated_at)),
    }
}

/// Lists.
///
/// # Errors
/// The selector cannot be read, or the database cannot.
pub async fn list(context: &Context, args: &ListArgs) -> Result<ExitStatus, CliError> {
    let selection = selecting::labels(args.selector.as_deref())?;
    let active = listing::active(context, args.all_workspaces)?;
    let only = active.as_ref().map(|choice| choice.name.as_str());
    let mut listing = Listing::open(context, "tenant tenants list", only).await?;
    let all = listing.rows(&kinds::tenant::KIND).await?;
    let is_installed = listing.is_installed;
    listing.close().await;
    let wanted = |field: &str, wanted: &Option<String>, row: &Listed| {
        wanted.as_ref().is_none_or(|wanted| spec(row, field).as_str() == Some(wanted))
    };
    let mut rows: Vec<&Listed> = all
        .iter()
        .filter(|row| wanted("status", &args.status, row))
        .filter(|row| wanted("market", &args.market, row))
        .filter(|row| wanted("type", &args.tenant_type, row))
        .filter(|row| selection.matches_labels(&row.canonical))
        .collect();
    let matching = rows.len();
    sort(&mut rows, args.sort);
    rows.truncate(args.limit.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(usize::MAX));
    if context.global.format == Format::Json {
        let tenants: Vec<Value> = rows.iter().map(|row| tenant_json(row)).collect();
        context.printer.json(&json!({
            "format_version": "1.0",
            "workspaceId": only,
            "total": matching,
            "tenants": tenants,
        }));
        return Ok(ExitStatus::Success);
    }
    listing::note_active(context, active.as_ref());
    if rows.is_empty() {
        context.printer.note(&nothing(only, is_installed, all.len()));
        return Ok(ExitStatus::Success);
    }
    let cells = rows.iter().map(|row| {
        let text = |field: &str| spec(row, field).as_str().unwrap_or("-").to_owned();
        vec![
            row.key.name.to_string(),
            row.key.workspace.to_string(),
            text("displayName"),
            text("type"),
            text("market"),
            text("region"),
            text("status"),
            row.owner.clone().unwrap_or_else(|| "-".to_owned()),
        ]
    });
    let headers = ["TENANT", "WORKSPACE", "NAME", "TYPE", "MARKET", "REGION", "STATUS", "OWNER"];
    let style = &context.printer.stdout;
    context.printer.result(&report::table::fitting(&headers, cells.collect(), &[5, 7, 3, 4], style));
    if rows.len() < all.len() {
        context.printer.note(&format!("{} of {} tenants shown.", rows.len(), all.len()));
    }
    Ok(ExitStatus::Success)
}

/// Why the list is empty, and what to do.
fn nothing(only: Option<&str>, is_installed: bool, total: usize) -> String {
    let place = only.map_or(String::new(), |name| format!(" in workspace `{name}`"));
    match total {
        0 if !is_installed => {
            "Nothing was applied to this database yet: run `synthex plan`, then `synthex apply`.".to_owned()
        }
        0 => format!(
            "There are no tenants{place}: declare some and run `synthex apply`, or make one: `synthex tenant tenants create`."
        ),
        1 => format!("The one tenant{place} is not selected."),
        total => format!("None of the {total} tenants{place} is selected."),
    }
}
