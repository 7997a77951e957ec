//! `tenant tenants get`.

use clap::Args;
use serde_json::json;

use crate::cli::args::Format;
use crate::cli::commands;
use crate::cli::context::Context;
use crate::cli::error::{CliError, ExitStatus};
use crate::cli::listing::Listing;

use super::shown;

/// Show one tenant, and which of its setup steps are done
///
/// Where none is named, the active one: `synthex tenant workspace info` says which that is.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  synthex tenant tenants get SMB_CLIENT_001\n  synthex tenant tenants get\n  synthex tenant tenants get --tenant-id SMB_CLIENT_001 --format json"
)]
pub struct GetArgs {
    /// The tenant's id
    #[arg(value_name = "TENANT")]
    pub tenant: Option<String>,
    /// The tenant's id, as an option
    #[arg(long, value_name = "TENANT", conflicts_with = "tenant")]
    pub tenant_id: Option<String>,
}

/// Shows one.
///
/// # Errors
/// There is no such tenant, or the database cannot be read.
pub async fn get(context: &Context, args: &GetArgs) -> Result<ExitStatus, CliError> {
    let choice = shown::meant(context, args.tenant.as_deref().or(args.tenant_id.as_deref()))?;
    let only = context.global.workspace.as_deref();
    let mut listing = Listing::open(context, "tenant tenants get", only).await?;
    let row = shown::find(context, &mut listing, &choice).await?;
    let checklist = shown::checklist(&mut listing, &row).await?;
    listing.close().await;
    if context.global.format == Format::Json {
        let mut document = json!({"format_version": "1.0"});
        if let (Some(document), Some(tenant)) =
            (document.as_object_mut(), shown::tenant_json(&row).as_object())
        {
            document.extend(tenant.clone());
        }
        document["setup"] = checklist.json();
        context.printer.json(&document);
        return Ok(ExitStatus::Success);
    }
    let now = context.clock.now();
    let mut text = commands::details(&row, now);
    text.push_str(&checklist.text(now));
    context.printer.result(&text);
    Ok(ExitStatus::Success)
}
