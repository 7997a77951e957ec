//! `tenant workspace list`.

use clap::Args;
use serde_json::{Value, json};

use crate::cli::args::Format;
use crate::cli::context::Context;
use crate::cli::error::{CliError, ExitStatus};
use crate::cli::listing::Listing;
use crate::cli::preferences;
use crate::cli::selecting;
use crate::cli::tenant_fields::{MARKETS, REGIONS};
use crate::kinds;
use crate::report;
use crate::store::Listed;

/// List the workspaces, with how many tenants each has
///
/// The active one is marked with a star.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  synthex tenant workspace list\n  synthex tenant workspace list --market ANZ_SMB -l team=a\n  synthex tenant workspace list --format json"
)]
pub struct ListArgs {
    /// Only workspaces whose labels fit, or fields where there is no such label: `team=a,tier in (gold,silver),!legacy`
    #[arg(short = 'l', long, value_name = "SELECTOR")]
    pub selector: Option<String>,
    /// Only workspaces of this market
    #[arg(long, value_name = "MARKET", value_parser = MARKETS)]
    pub market: Option<String>,
    /// Only workspaces of this region
    #[arg(long, value_name = "REGION", value_parser = REGIONS)]
    pub region: Option<String>,
    /// Show at most this many
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub limit: Option<u64>,
}

/// Lists.
///
/// # Errors
/// The selector cannot be read, or the database cannot.
pub async fn list(context: &Context, args: &ListArgs) -> Result<ExitStatus, CliError> {
    let selection = selecting::labels(args.selector.as_deref())?;
    let active = preferences::workspace(context)?.map(|choice| choice.name);
    let only = context.global.workspace.as_deref();
    let mut listing = Listing::open(context, "tenant workspace list", only).await?;
    let all = listing.rows(&kinds::workspace::KIND).await?;
    let groups = listing.tenant_groups().await?;
    listing.close().await;
    let field = |row: &Listed, name: &str| {
        row.canonical.get("spec").and_then(|spec| spec.get(name)?.as_str()).map(str::to_owned)
    };
    let fits =
        |wanted: &Option<String>, row: &Listed, name: &str| wanted.is_none() || field(row, name) == *wanted;
    let mut rows: Vec<&Listed> = all
        .iter()
        .filter(|row| fits(&args.market, row, "market") && fits(&args.region, row, "region"))
        .filter(|row| selection.matches_labels(&row.canonical))
        .collect();
    let matching = rows.len();
    rows.truncate(args.limit.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(usize::MAX));
    let tenants = |row: &Listed| -> i64 {
        let own = groups.iter().filter(|group| *group.workspace == *row.key.name);
        own.map(|group| group.count).sum()
    };
    let is_active = |row: &Listed| active.as_deref() == Some(&*row.key.name);
    if context.global.format == Format::Json {
        let workspaces = rows.iter().map(|row| {
            json!({
                "id": row.id,
                "workspaceId": &*row.key.name,
                "name": field(row, "displayName"),
                "description": field(row, "description"),
                "market": field(row, "market"),
                "region": field(row, "region"),
                "labels": row.canonical.get("labels"),
                "active": is_active(row),
                "tenants": tenants(row),
                "owner": row.owner,
                "createdAt": row.created_at,
                "updatedAt": row.updated_at,
            })
        });
        let workspaces: Vec<Value> = workspaces.collect();
        context.printer.json(&json!({"format_version": "1.0", "total": matching, "workspaces": workspaces}));
        return Ok(ExitStatus::Success);
    }
    if rows.is_empty() {
        context.printer.note(match all.len() {
            0 => "There are no workspaces: declare some and run `synthex apply`, or make one: `synthex tenant workspace create`.",
            _ => "No workspace is selected.",
        });
        return Ok(ExitStatus::Success);
    }
    let cells = rows.iter().map(|row| {
        let text = |name: &str| field(row, name).unwrap_or_else(|| "-".to_owned());
        let star = if is_active(row) { " *" } else { "" };
        vec![
            format!("{}{star}", row.key.name),
            text("displayName"),
            text("market"),
            text("region"),
            tenants(row).to_string(),
            row.owner.clone().unwrap_or_else(|| "-".to_owned()),
        ]
    });
    let headers = ["WORKSPACE", "NAME", "MARKET", "REGION", "TENANTS", "OWNER"];
    let style = &context.printer.stdout;
    context.printer.result(&report::table::fitting(&headers, cells.collect(), &[5, 3, 1], style));
    if rows.len() < all.len() {
        context.printer.note(&format!("{} of {} workspaces shown.", rows.len(), all.len()));
    }
    Ok(ExitStatus::Success)
}
