//! `tenant tenants stats`.

use std::collections::BTreeMap;

use clap::Args;
use serde_json::{Map, Value, json};

use crate::cli::args::Format;
use crate::cli::context::Context;
use crate::cli::error::{CliError, ExitStatus};
use crate::cli::listing::{self, Listing};
use crate::report;
use crate::store::summary::TenantGroup;

/// Count the tenants by status, type, market, region, template, owner and workspace
///
/// Where a workspace is active, those of that workspace.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  synthex tenant tenants stats\n  synthex tenant tenants stats -w anz-smb --format json\n  synthex tenant tenants stats --all-workspaces"
)]
pub struct StatsArgs {
    /// Of all workspaces, also where one is active
    #[arg(short = 'A', long)]
    pub all_workspaces: bool,
}

type Of = fn(&TenantGroup) -> Option<&str>;

/// What is counted by: the name in JSON, the name for people, and where it is.
const BY: [(&str, &str, Of); 7] = [
    ("byStatus", "status", |group| Some(&group.status)),
    ("byType", "type", |group| Some(&group.tenant_type)),
    ("byMarket", "market", |group| Some(&group.market)),
    ("byRegion", "region", |group| Some(&group.region)),
    ("byTemplate", "template", |group| group.template.as_deref()),
    ("byOwner", "owner", |group| group.owner.as_deref()),
    ("byWorkspace", "workspace", |group| Some(&group.workspace)),
];

/// Counts them.
///
/// # Errors
/// The database cannot be read.
pub async fn stats(context: &Context, args: &StatsArgs) -> Result<ExitStatus, CliError> {
    let active = listing::active(context, args.all_workspaces)?;
    let only = active.as_ref().map(|choice| choice.name.as_str());
    let mut listing = Listing::open(context, "tenant tenants stats", only).await?;
    let groups = listing.tenant_groups().await?;
    listing.close().await;
    let total: i64 = groups.iter().map(|group| group.count).sum();
    let counted = BY.map(|(json_name, name, of)| (json_name, name, count(&groups, of)));
    if context.global.format == Format::Json {
        let mut document = Map::new();
        document.insert("format_version".to_owned(), json!("1.0"));
        document.insert("workspaceId".to_owned(), json!(only));
        document.insert("total".to_owned(), json!(total));
        for (name, _, counts) in counted {
            let counts: Map<String, Value> =
                counts.into_iter().map(|(value, count)| (value.to_owned(), json!(count))).collect();
            document.insert(name.to_owned(), Value::Object(counts));
        }
        context.printer.json(&Value::Object(document));
        return Ok(ExitStatus::Success);
    }
    listing::note_active(context, active.as_ref());
    if total == 0 {
        context.printer.note("There are no tenants.");
        return Ok(ExitStatus::Success);
    }
    let mut rows = Vec::new();
    for (_, name, counts) in &counted {
        for (index, (value, count)) in counts.iter().enumerate() {
            let name = if index == 0 { (*name).to_owned() } else { String::new() };
            rows.push(vec![name, (*value).to_owned(), count.to_string(), share(*count, total)]);
        }
    }
    let headers = ["BY", "VALUE", "TENANTS", "SHARE"];
    context.printer.result(&report::table::table(&headers, rows, &context.printer.stdout));
    context.printer.result(&format!("{total} tenant{} in all\n", if total == 1 { "" } else { "s" }));
    Ok(ExitStatus::Success)
}

/// How many there are of each value, sorted by value.
fn count(groups: &[TenantGroup], of: Of) -> BTreeMap<&str, i64> {
    let mut counts = BTreeMap::new();
    for group in groups {
        *counts.entry(of(group).unwrap_or("-")).or_default() += group.count;
    }
    counts
}

/// Of all, in percent, rounded.
fn share(count: i64, total: i64) -> String {
    format!("{} %", (count * 200 + total) / (total * 2))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_rounded_to_the_nearest() {
        assert_eq!(share(1, 3), "33 %");
        assert_eq!(share(2, 3), "67 %");
        assert_eq!(share(3, 3), "100 %");
        assert_eq!(share(1, 8), "13 %");
    }
}
