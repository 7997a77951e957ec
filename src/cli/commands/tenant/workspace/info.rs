//! `tenant workspace info`.

use clap::Args;
use serde_json::json;

use crate::cli::args::Format;
use crate::cli::context::Context;
use crate::cli::error::{CliError, ExitStatus};
use crate::cli::listing::Listing;
use crate::cli::pausing::pause_json;
use crate::cli::preferences::{self, Choice};
use crate::kinds;
use crate::plan::pauses::Pauses;
use crate::report::{self, clean};
use crate::store::Listed;
use crate::store::summary::TenantGroup;

/// Say which workspace and tenant commands mean, and what says so
///
/// Also where the database cannot be reached; then only the choice is shown.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  synthex tenant workspace info\n  synthex tenant workspace info --format json"
)]
pub struct InfoArgs {}

/// What the database says of it.
#[derive(Default)]
struct Seen {
    is_known: bool,
    workspaces: Vec<Listed>,
    tenants: Vec<Listed>,
    groups: Vec<TenantGroup>,
    usual: Option<String>,
    pauses: Pauses,
}

async fn look(context: &Context, tenant: Option<&Choice>) -> Result<Seen, CliError> {
    let mut listing = Listing::open(context, "tenant workspace info", None).await?;
    let usual = listing.found.as_ref().and_then(|found| found.project.spec.workspace.clone());
    let workspaces = listing.rows(&kinds::workspace::KIND).await?;
    let groups = listing.tenant_groups().await?;
    let tenants = match tenant {
        Some(_) => listing.rows(&kinds::tenant::KIND).await?,
        None => Vec::new(),
    };
    let pauses = listing.pauses(context.clock.now()).await?;
    listing.close().await;
    Ok(Seen { is_known: true, workspaces, tenants, groups, usual, pauses })
}

/// Shows it.
///
/// # Errors
/// The preferences cannot be read.
pub async fn info(context: &Context, _: &InfoArgs) -> Result<ExitStatus, CliError> {
    let mut workspace = preferences::workspace(context)?;
    let tenant = preferences::tenant(context, None)?;
    let seen = match look(context, tenant.as_ref()).await {
        Ok(seen) => seen,
        Err(error) => {
            context.printer.note(&format!("note: the database was not looked at: {}", error.what));
            Seen::default()
        }
    };
    if workspace.is_none() {
        workspace = match (&seen.usual, seen.workspaces.as_slice()) {
            (Some(name), _) => Some(Choice { name: name.clone(), by: "the project's default workspace" }),
            (None, [one]) => Some(Choice { name: one.key.name.to_string(), by: "being the only one" }),
            _ => None,
        };
    }
    let row = workspace
        .as_ref()
        .and_then(|choice| seen.workspaces.iter().find(|row| *row.key.name == *choice.name));
    let field =
        |name: &str| row.and_then(|row| row.canonical.get("spec")?.get(name)?.as_str()).map(str::to_owned);
    let in_it =
        |group: &&TenantGroup| workspace.as_ref().is_some_and(|choice| choice.name == group.workspace);
    let tenants: i64 = seen.groups.iter().filter(in_it).map(|group| group.count).sum();
    let own = tenant.as_ref().map(|tenant| {
        let is_it = |row: &&Listed| {
            *row.key.name == *tenant.name
                && workspace.as_ref().is_none_or(|choice| *row.key.workspace == *choice.name)
        };
        seen.tenants.iter().find(is_it)
    });
    let pause = workspace.as_ref().and_then(|choice| Some((&choice.name, seen.pauses.get(&choice.name)?)));
    let file = preferences::path(context).map(|path| path.to_string_lossy().into_owned());
    if context.global.format == Format::Json {
        let exists = |is_there: bool| seen.is_known.then_some(is_there);
        context.printer.json(&json!({
            "format_version": "1.0",
            "workspace": workspace.as_ref().map(|choice| json!({
                "workspaceId": choice.name,
                "by": choice.by,
                "exists": exists(row.is_some()),
                "name": field("displayName"),
                "market": field("market"),
                "region": field("region"),
                "tenants": row.map(|_| tenants),
                "paused": pause.map(|(name, pause)| pause_json(name, pause)),
            })),
            "tenant": tenant.as_ref().map(|choice| json!({
                "tenantId": choice.name,
                "by": choice.by,
                "exists": exists(own.flatten().is_some()),
            })),
            "preferencesFile": file,
        }));
        return Ok(ExitStatus::Success);
    }
    let shown = |choice: &Option<Choice>, is_there: bool| match choice {
        None => "none".to_owned(),
        Some(Choice { name, by }) => {
            let missing = if seen.is_known && !is_there { "; there is none of that name" } else { "" };
            format!("{} (by {by}{missing})", clean::clean(name))
        }
    };
    let mut text = format!("workspace    {}\n", shown(&workspace, row.is_some()));
    for (label, value) in [("market", field("market")), ("region", field("region"))] {
        if let Some(value) = value {
            text.push_str(&format!("  {label:<10} {value}\n"));
        }
    }
    if row.is_some() {
        text.push_str(&format!("  tenants    {tenants}\n"));
    }
    if let Some((_, pause)) = pause {
        let words = report::pauses::words(pause, Some(context.clock.now()));
        text.push_str(&format!("  watch      {words}\n"));
    }
    text.push_str(&format!("tenant       {}\n", shown(&tenant, own.flatten().is_some())));
    text.push_str(&format!(
        "preferences  {}\n",
        file.unwrap_or_else(|| "nowhere: HOME is not set".to_owned())
    ));
    context.printer.result(&text);
    if workspace.is_none() {
        context.printer.note("Choose one: synthex tenant workspace set-active WORKSPACE");
    }
    Ok(ExitStatus::Success)
}
