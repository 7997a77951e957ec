//! `templates`: the tenant templates, built in and kept in the database.

mod create_tenant;
mod delete;
mod save;
mod steps;

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use crate::cli::args::Format;
use crate::cli::context::Context;
use crate::cli::desk::some;
use crate::cli::error::{CliError, ExitStatus};
use crate::cli::preferences;
use crate::cli::selecting;
use crate::cli::tenant_fields::{MARKETS, TYPES};
use crate::kinds::{self, tenant_template};
use crate::model::diagnostic::did_you_mean;
use crate::report;
use crate::store::Listed;

/// Look after tenant templates, make tenants from them, and tick off their setup steps
#[derive(Debug, Subcommand)]
#[command(
    after_help = "Examples:\n  synthex templates list\n  synthex templates show shopify-smb-anz\n  synthex templates create-tenant --template-id shopify-smb-anz --tenant-id SMB_CLIENT_001 \\\n      --name \"Surf Shop\" --shopify-shop surf.myshopify.com\n  synthex templates steps --tenant-id SMB_CLIENT_001 --done 1"
)]
pub enum TemplatesCommand {
    List(ListArgs),
    Show(ShowArgs),
    CreateTenant(Box<create_tenant::CreateTenantArgs>),
    Save(Box<save::SaveArgs>),
    Delete(delete::DeleteArgs),
    Steps(steps::StepsArgs),
}

/// List the templates: the built-in ones, and those in the database
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  synthex templates list\n  synthex templates list --type shopify --format json"
)]
pub struct ListArgs {
    /// Only templates whose labels fit, or fields where there is no such label; built-in ones have no labels: `team=a,tier in (gold,silver),!legacy`
    #[arg(short = 'l', long, value_name = "SELECTOR")]
    pub selector: Option<String>,
    /// Only templates of this type
    #[arg(long = "type", value_name = "TYPE", value_parser = TYPES)]
    pub tenant_type: Option<String>,
    /// Only templates of this market
    #[arg(long, value_name = "MARKET", value_parser = MARKETS)]
    pub market: Option<String>,
    /// Show at most this many
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub limit: Option<u64>,
}

/// Show one template: its defaults, required fields and setup steps
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  synthex templates show shopify-smb-anz\n  synthex templates show --template-id shopify-smb-anz --format json"
)]
pub struct ShowArgs {
    /// The template's name
    #[arg(value_name = "TEMPLATE", required_unless_present = "template_id")]
    pub template: Option<String>,
    /// The template's name, as an option
    #[arg(long, value_name = "TEMPLATE", conflicts_with = "template")]
    pub template_id: Option<String>,
}

/// A template, wherever it comes from.
struct Template {
    name: String,
    workspace: Option<String>,
    spec: Value,
    row: Option<Listed>,
}

/// Runs `templates`.
///
/// # Errors
/// Problems of the project file or of the database.
pub async fn templates(context: &Context, command: &TemplatesCommand) -> Result<ExitStatus, CliError> {
    super::only_human_or_json(context)?;
    match command {
        TemplatesCommand::List(args) => list(context, args).await,
        TemplatesCommand::Show(args) => show(context, args).await,
        TemplatesCommand::CreateTenant(args) => Box::pin(create_tenant::create_tenant(context, args)).await,
        TemplatesCommand::Save(args) => Box::pin(save::save(context, args)).await,
        TemplatesCommand::Delete(args) => Box::pin(delete::delete(context, args)).await,
        TemplatesCommand::Steps(args) => steps::steps(context, args).await,
    }
}

/// All templates, and whether there may be others than the built-in ones.
async fn all(context: &Context) -> Result<(Vec<Template>, bool), CliError> {
    let mut templates: Vec<Template> = tenant_template::builtin()
        .into_iter()
        .map(|(name, spec)| Template { name: name.to_owned(), workspace: None, spec, row: None })
        .collect();
    let super::Rows { installed, rows } = super::listed(context, &kinds::tenant_template::KIND).await?;
    for row in rows {
        templates.push(Template {
            name: row.key.name.to_string(),
            workspace: Some(row.key.workspace.to_string()),
            spec: row.canonical.get("spec").cloned().unwrap_or_default(),
            row: Some(row),
        });
    }
    Ok((templates, installed))
}

async fn list(context: &Context, args: &ListArgs) -> Result<ExitStatus, CliError> {
    let selection = selecting::labels(args.selector.as_deref())?;
    let (mut templates, _) = all(context).await?;
    templates.retain(|template| match &template.row {
        Some(row) => selection.matches_labels(&row.canonical),
        None => selection.matches_labels(&json!({"spec": template.spec})),
    });
    if let Some(wanted) = &args.tenant_type {
        templates.retain(|template| template.spec["type"] == wanted.as_str());
    }
    if let Some(wanted) = &args.market {
        templates.retain(|template| template.spec["market"] == wanted.as_str());
    }
    let matching = templates.len();
    templates.truncate(args.limit.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(usize::MAX));
    if context.global.format == Format::Json {
        let values: Vec<Value> = templates.iter().map(template_json).collect();
        context.printer.json(&json!({"format_version": "1.0", "total": matching, "templates": values}));
        return Ok(ExitStatus::Success);
    }
    let rows = templates.iter().map(|template| {
        let text = |field: &str| template.spec[field].as_str().unwrap_or("-").to_owned();
        vec![
            template.name.clone(),
            template.workspace.clone().unwrap_or_else(|| "(built in)".to_owned()),
            text("type"),
            text("market"),
            text("region"),
            words(&template.spec["requiredFields"]),
        ]
    });
    let headers = ["TEMPLATE", "WORKSPACE", "TYPE", "MARKET", "REGION", "REQUIRED FIELDS"];
    context.printer.result(&report::table::fitting(
        &headers,
        rows.collect(),
        &[4, 3],
        &context.printer.stdout,
    ));
    Ok(ExitStatus::Success)
}

fn words(list: &Value) -> String {
    let words: Vec<&str> = list.as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    if words.is_empty() { "-".to_owned() } else { words.join(", ") }
}

async fn show(context: &Context, args: &ShowArgs) -> Result<ExitStatus, CliError> {
    let name = args.template.as_deref().or(args.template_id.as_deref()).unwrap_or_default();
    // The built-in ones are shown without asking a database.
    let builtin = tenant_template::builtin().into_iter().find(|(known, _)| *known == name);
    let template = match builtin {
        Some((name, spec)) => Template { name: name.to_owned(), workspace: None, spec, row: None },
        None => {
            let (templates, is_installed) = all(context).await?;
            one_of_several(context, name, &templates)?;
            let active = preferences::workspace(context)?.map(|choice| choice.name);
            let near = did_you_mean(name, templates.iter().map(|template| template.name.as_str()))
                .map(str::to_owned);
            let mut named: Vec<Template> =
                templates.into_iter().filter(|template| template.name == name).collect();
            let here = named.iter().position(|template| active.is_some() && template.workspace == active);
            let found = match here {
                Some(index) => Some(named.swap_remove(index)),
                None => named.pop(),
            };
            found.ok_or_else(|| {
                let help = near.map_or("`synthex templates list` shows them".to_owned(), |near| {
                    format!("did you mean `{near}`?")
                });
                let error = CliError::usage(format!("there is no template `{name}`")).help(help);
                if is_installed {
                    error
                } else {
                    error.why("nothing was applied to this database yet, so there are only the built-in ones")
                }
            })?
        }
    };
    if context.global.format == Format::Json {
        context.printer.json(&template_json(&template));
        return Ok(ExitStatus::Success);
    }
    let text = |field: &str| template.spec[field].as_str().unwrap_or("-").to_owned();
    let mut out = format!("{}\n", template.name);
    let from = template.workspace.clone().unwrap_or_else(|| "built in".to_owned());
    for (label, value) in [
        ("name", text("displayName")),
        ("description", text("description")),
        ("from", from),
        ("type", text("type")),
        ("market", text("market")),
        ("region", text("region")),
        ("required", words(&template.spec["requiredFields"])),
        ("optional", words(&template.spec["optionalFields"])),
    ] {
        out.push_str(&format!("  {label:<12} {value}\n"));
    }
    for (key, value) in template.spec["defaultMetadata"].as_object().into_iter().flatten() {
        out.push_str(&format!(
            "  {:<12} {key} = {}\n",
            "metadata",
            value.as_str().map_or(value.to_string(), str::to_owned)
        ));
    }
    let steps = template.spec["setupSteps"].as_array().into_iter().flatten().filter_map(Value::as_str);
    for (number, step) in steps.enumerate() {
        out.push_str(&format!("  {:<12} {}. {step}\n", if number == 0 { "setup" } else { "" }, number + 1));
    }
    context.printer.result(&out);
    Ok(ExitStatus::Success)
}

/// Refuses a name that several workspaces have, where none of them is active.
fn one_of_several(context: &Context, name: &str, templates: &[Template]) -> Result<(), CliError> {
    let named = templates.iter().filter(|template| template.name == name);
    let places: Vec<&str> = named.filter_map(|template| template.workspace.as_deref()).collect();
    let active = preferences::workspace(context)?.map(|choice| choice.name);
    if places.len() < 2 || places.iter().any(|place| active.as_deref() == Some(place)) {
        return Ok(());
    }
    Err(CliError::usage(format!("`{name}` is a template of several workspaces"))
        .why(some(places.iter()))
        .help("name one with --workspace"))
}

/// A template in the shape that the commands have always had.
fn template_json(template: &Template) -> Value {
    let list = |field: &str| {
        if template.spec[field].is_array() { template.spec[field].clone() } else { json!([]) }
    };
    json!({
        "id": template.name,
        "workspaceId": template.workspace,
        "name": template.spec["displayName"].as_str().unwrap_or(&template.name),
        "description": template.spec["description"],
        "type": template.spec["type"],
        "market": template.spec["market"],
        "region": template.spec["region"],
        "defaultMetadata": if template.spec["defaultMetadata"].is_object() { template.spec["defaultMetadata"].clone() } else { json!({}) },
        "requiredFields": list("requiredFields"),
        "optionalFields": list("optionalFields"),
        "setupSteps": list("setupSteps"),
        "isBuiltin": template.row.is_none(),
        "createdAt": template.row.as_ref().map(|row| row.created_at),
        "updatedAt": template.row.as_ref().map(|row| row.updated_at),
    })
}
