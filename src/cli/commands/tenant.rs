//! `tenant`: look at tenants, and change them.

mod update;

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use crate::cli::args::Format;
use crate::cli::context::Context;
use crate::cli::error::{CliError, ExitStatus};
use crate::kinds;
use crate::model::diagnostic::did_you_mean;
use crate::model::selector::Selector;
use crate::report;
use crate::store::Listed;

/// Look at tenants
#[derive(Debug, Subcommand)]
#[command(
    after_help = "Examples:\n  synthex tenant tenants list\n  synthex tenant tenants get SMB_CLIENT_001"
)]
pub enum TenantCommand {
    /// List and show tenants
    #[command(
        after_help = "Examples:\n  synthex tenant tenants list --status active\n  synthex tenant tenants get SMB_CLIENT_001"
    )]
    #[command(subcommand)]
    Tenants(TenantsCommand),
}

/// The commands of `tenant tenants`.
#[derive(Debug, Subcommand)]
pub enum TenantsCommand {
    List(ListArgs),
    Get(GetArgs),
    Update(update::UpdateArgs),
}

/// List the tenants in the database
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  synthex tenant tenants list\n  synthex tenant tenants list -w anz-smb --status active -l tier=gold\n  synthex tenant tenants list --format json"
)]
pub struct ListArgs {
    /// Only tenants whose labels fit: `tier=gold,team in (a,b),!legacy`
    #[arg(short = 'l', long, value_name = "SELECTOR")]
    pub selector: Option<String>,
    /// Only tenants of this status
    #[arg(long, value_name = "STATUS", value_parser = ["active", "inactive", "suspended"])]
    pub status: Option<String>,
    /// Only tenants of this market
    #[arg(long, value_name = "MARKET", value_parser = ["ANZ_SMB", "ANZ_ENTERPRISE", "US_SMB", "UK_SMB"])]
    pub market: Option<String>,
    /// Only tenants of this type
    #[arg(long = "type", value_name = "TYPE", value_parser = ["shopify", "google-merchant", "mixed"])]
    pub tenant_type: Option<String>,
    /// Show at most this many
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub limit: Option<u64>,
}

/// Show one tenant
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  synthex tenant tenants get SMB_CLIENT_001\n  synthex tenant tenants get --tenant-id SMB_CLIENT_001 --format json"
)]
pub struct GetArgs {
    /// The tenant's id
    #[arg(value_name = "TENANT", required_unless_present = "tenant_id")]
    pub tenant: Option<String>,
    /// The tenant's id, as an option
    #[arg(long, value_name = "TENANT", conflicts_with = "tenant")]
    pub tenant_id: Option<String>,
}

/// Runs `tenant`.
///
/// # Errors
/// Problems of the project file or of the database.
pub async fn tenant(context: &Context, command: &TenantCommand) -> Result<ExitStatus, CliError> {
    super::only_human_or_json(context)?;
    let TenantCommand::Tenants(command) = command;
    match command {
        TenantsCommand::List(args) => list(context, args).await,
        TenantsCommand::Get(args) => get(context, args).await,
        TenantsCommand::Update(args) => Box::pin(update::update(context, args)).await,
    }
}

async fn list(context: &Context, args: &ListArgs) -> Result<ExitStatus, CliError> {
    let selector: Selector = match &args.selector {
        Some(text) => text.parse().map_err(|error| CliError::usage(format!("{error}")))?,
        None => Selector::default(),
    };
    let found = super::listed(context, &kinds::tenant::KIND).await?;
    let all = &found.rows;
    let total = all.len();
    let wanted = |field: &str, wanted: &Option<String>, row: &Listed| {
        wanted.as_ref().is_none_or(|wanted| spec(row, field).as_str() == Some(wanted))
    };
    let mut rows: Vec<&Listed> = all
        .iter()
        .filter(|row| wanted("status", &args.status, row))
        .filter(|row| wanted("market", &args.market, row))
        .filter(|row| wanted("type", &args.tenant_type, row))
        .filter(|row| {
            row.canonical
                .get("labels")
                .and_then(Value::as_object)
                .is_some_and(|labels| selector.matches(labels))
        })
        .collect();
    let matching = rows.len();
    rows.truncate(args.limit.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(usize::MAX));
    if context.global.format == Format::Json {
        let tenants: Vec<Value> = rows.iter().map(|row| tenant_json(row)).collect();
        context.printer.json(&json!({"format_version": "1.0", "total": matching, "tenants": tenants}));
        return Ok(ExitStatus::Success);
    }
    if rows.is_empty() {
        context.printer.note(&nothing(context, &found));
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
    context.printer.result(&report::table::table(&headers, cells.collect(), &context.printer.stdout));
    if rows.len() < total {
        context.printer.note(&format!("{} of {total} tenants shown.", rows.len()));
    }
    Ok(ExitStatus::Success)
}

/// Why the list is empty, and what to do.
fn nothing(context: &Context, found: &super::Rows) -> String {
    let place =
        context.global.workspace.as_ref().map_or(String::new(), |name| format!(" in workspace `{name}`"));
    match found.rows.len() {
        0 if !found.installed => {
            "Nothing was applied to this database yet: run `synthex plan`, then `synthex apply`.".to_owned()
        }
        0 => format!("There are no tenants{place}: declare some and run `synthex apply`."),
        1 => format!("The one tenant{place} is not selected."),
        total => format!("None of the {total} tenants{place} is selected."),
    }
}

async fn get(context: &Context, args: &GetArgs) -> Result<ExitStatus, CliError> {
    let name = args.tenant.as_deref().or(args.tenant_id.as_deref()).unwrap_or_default();
    let super::Rows { installed, rows: all } = super::listed(context, &kinds::tenant::KIND).await?;
    let found: Vec<&Listed> = all.iter().filter(|row| *row.key.name == *name).collect();
    let row = match found.as_slice() {
        [row] => row,
        [] => {
            let near = did_you_mean(name, all.iter().map(|row| &*row.key.name));
            let help = near.map_or("`synthex tenant tenants list` shows them".to_owned(), |near| {
                format!("did you mean `{near}`?")
            });
            let error = CliError::usage(format!("there is no tenant `{name}`"));
            return Err(if installed {
                error.help(help)
            } else {
                error.why("nothing was applied to this database yet").help("run `synthex apply` first")
            });
        }
        many => {
            let workspaces: Vec<&str> = many.iter().map(|row| &*row.key.workspace).collect();
            return Err(CliError::usage(format!("`{name}` is a tenant of several workspaces"))
                .why(workspaces.join(", "))
                .help("name one with --workspace"));
        }
    };
    if context.global.format == Format::Json {
        context.printer.json(&tenant_json(row));
    } else {
        context.printer.result(&super::details(row, context.clock.now()));
    }
    Ok(ExitStatus::Success)
}

fn spec<'a>(row: &'a Listed, field: &str) -> &'a Value {
    row.canonical.get("spec").and_then(|spec| spec.get(field)).unwrap_or(&Value::Null)
}

/// A tenant in the shape that the commands have always had.
fn tenant_json(row: &Listed) -> Value {
    let field = |name: &str| spec(row, name).clone();
    let at = |pointer: &str| row.canonical.pointer(pointer).cloned().unwrap_or_default();
    let mut metadata = field("metadata");
    if !metadata.is_object() {
        metadata = json!({});
    }
    for (name, value) in [
        ("shopifyShop", field("shopifyShop")),
        ("gmcMerchantId", field("gmcMerchantId")),
        ("industry", field("industry")),
        ("employeeCount", field("employeeCount")),
        ("website", field("website")),
        ("contactEmail", at("/spec/contact/email")),
        ("contactPhone", at("/spec/contact/phone")),
    ] {
        if !value.is_null() {
            metadata[name] = value;
        }
    }
    json!({
        "id": row.id,
        "workspaceId": &*row.key.workspace,
        "tenantId": &*row.key.name,
        "name": field("displayName"),
        "type": field("type"),
        "market": field("market"),
        "region": field("region"),
        "status": field("status"),
        "template": field("template"),
        "businessId": field("businessId"),
        "labels": at("/labels"),
        "metadata": metadata,
        "owner": row.owner,
        "protected": spec(row, "protect") == &Value::Bool(true),
        "revision": row.revision,
        "createdAt": row.created_at,
        "updatedAt": row.updated_at,
        "touchedAt": row.touched_at,
        "touchedBy": row.touched_by,
    })
}
