//! `tenant tenants update`.

use clap::Args;

use crate::cli::context::Context;
use crate::cli::desk::{Asked, Desk, OwnArgs};
use crate::cli::editing::{self, Manner};
use crate::cli::error::{CliError, ExitStatus};
use crate::cli::making::{self, Draft, Under};
use crate::cli::signals::Signals;
use crate::cli::tenant_fields::TenantFields;
use crate::cli::writing::WriteArgs;
use crate::kinds;

use super::create::option;
use super::shown;

/// Change a tenant
///
/// Only what is given is changed. An empty value takes a field away: --email "", --label tier=. Where no tenant is named, the
/// active one is meant.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  synthex tenant tenants update SMB_CLIENT_001 --status suspended\n  synthex tenant tenants update --tenant-id SMB_CLIENT_001 --email ops@surf.example \\\n      --label tier=gold --yes\n  synthex tenant tenants update --phone \"\" --dry-run\n\nWith --format json it prints the plan and what came of it, as `synthex apply` does."
)]
pub struct UpdateArgs {
    /// The tenant's id
    #[arg(value_name = "TENANT")]
    pub tenant: Option<String>,
    /// The tenant's id, as an option
    #[arg(long, value_name = "TENANT", conflicts_with = "tenant")]
    pub tenant_id: Option<String>,
    /// Another template: what it gives is added, and what it requires must be there
    #[arg(long, value_name = "TEMPLATE")]
    pub template: Option<String>,
    #[command(flatten)]
    pub fields: TenantFields,
    #[command(flatten)]
    pub write: WriteArgs,
    #[command(flatten)]
    pub own: OwnArgs,
}

/// Changes one.
///
/// # Errors
/// There is no such tenant, something is wrong, or the database does not take it. Nothing was changed.
pub async fn update(context: &Context, args: &UpdateArgs) -> Result<ExitStatus, CliError> {
    const COMMAND: &str = "tenant tenants update";
    let signals = Signals::listen()?;
    if args.fields.is_empty() && args.template.is_none() {
        return Err(CliError::usage("nothing is given to change")
            .why("no field of the tenant is named")
            .help("name one, such as --status suspended; --help shows them all"));
    }
    let choice = shown::meant(context, args.tenant.as_deref().or(args.tenant_id.as_deref()))?;
    let mut desk = Desk::open(context, COMMAND).await?;
    let keys = desk.find(&kinds::tenant::KIND, std::slice::from_ref(&choice.name))?;
    let Some(row) = desk.rows(&keys).await?.into_iter().next() else {
        return Err(CliError::usage(format!("there is no tenant `{}`", choice.name)));
    };
    let mut draft = Draft::of_row(row.key.clone(), &row.canonical);
    let cleared = args.fields.put_into(&mut draft.spec, &mut draft.labels)?;
    match args.template.as_deref() {
        None => {}
        Some("") => {
            draft.spec.shift_remove("template");
        }
        Some(template) => {
            draft.spec.insert("template".to_owned(), template.into());
        }
    }
    let name = draft.spec.get("template").and_then(|name| name.as_str()).map(str::to_owned);
    let under = if args.template.is_some() { Under::Template } else { Under::Nothing };
    let mut layers = making::layers(&mut desk, &row.key.workspace, name.as_deref(), under).await?;
    if let (Under::Nothing, Some(name)) = (under, name) {
        // It has what its template gave. What the template requires must not go away; what it came to require later,
        // or that it is gone itself, is no obstacle to another change.
        let mut required = layers.template(&row.key.workspace, &name).cloned().unwrap_or_default().required;
        required.retain(|field| cleared.contains(field));
        let layer = crate::manifest::expand::TemplateLayer { required, ..Default::default() };
        layers.templates.insert((row.key.workspace.to_string(), name), layer);
    }
    let entry = draft.finish(layers, option)?;
    let entries = vec![entry];
    desk.remember([&row], &entries);
    let asked = Asked { entries, is_named: true, ..Asked::default() };
    let manner = Manner { command: COMMAND, own: &args.own, write: &args.write };
    Ok(editing::carry_out(context, desk, asked, manner, Vec::new(), &signals).await?.status)
}
