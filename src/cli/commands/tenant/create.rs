//! `tenant tenants create`.

use clap::Args;

use crate::cli::context::Context;
use crate::cli::desk::{Asked, Desk, OwnArgs};
use crate::cli::editing::{self, Manner};
use crate::cli::error::{CliError, ExitStatus};
use crate::cli::making::{self, Draft, Under};
use crate::cli::signals::Signals;
use crate::cli::tenant_fields::{TenantFields, option_for};
use crate::cli::writing::{Done, WriteArgs};
use crate::kinds;
use crate::manifest::expand::Layers;
use crate::model::{Entry, ResourceKey};

/// Make a tenant
///
/// It is of the workspace that is named with --workspace, the active one, or the project's default. What the template and
/// the workspace give need not be given again. The tenant belongs to no project; `synthex adopt` makes a manifest of it.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  synthex tenant tenants create --tenant-id SMB_CLIENT_001 --name \"Surf Shop\" \\\n      --template shopify-smb-anz --shopify-shop surf.myshopify.com\n  synthex tenant tenants create -w anz-smb --tenant-id ACME --name Acme \\\n      --type google-merchant --gmc-merchant-id 123456 --business-id \"AU:51 824 753 556\" \\\n      --label tier=gold --dry-run\n\nWith --format json it prints the plan and what came of it, as `synthex apply` does."
)]
pub struct CreateArgs {
    /// The new tenant's id: letters, digits, `.`, `_` and `-`, at most 128
    #[arg(long, value_name = "TENANT", required = true)]
    pub tenant_id: String,
    /// The template to start from; `synthex templates list` shows them
    #[arg(long, value_name = "TEMPLATE")]
    pub template: Option<String>,
    #[command(flatten)]
    pub fields: TenantFields,
    #[command(flatten)]
    pub write: WriteArgs,
    #[command(flatten)]
    pub own: OwnArgs,
}

/// A tenant to be made.
pub struct New<'a> {
    /// The command, as it is recorded.
    pub command: &'a str,
    /// Its id.
    pub id: &'a str,
    /// The template.
    pub template: Option<&'a str>,
    /// Its fields.
    pub fields: &'a TenantFields,
    /// How it is written.
    pub write: &'a WriteArgs,
    /// What is done about what is declared.
    pub own: &'a OwnArgs,
}

/// Makes one.
///
/// # Errors
/// It is there already, something is missing or wrong, or the database does not take it. Nothing was changed.
pub async fn create(context: &Context, args: &CreateArgs) -> Result<ExitStatus, CliError> {
    let new = New {
        command: "tenant tenants create",
        id: &args.tenant_id,
        template: args.template.as_deref().filter(|name| !name.is_empty()),
        fields: &args.fields,
        write: &args.write,
        own: &args.own,
    };
    make(context, &new).await.map(|(done, _)| done.status)
}

/// Makes a tenant, and says in which workspace.
///
/// # Errors
/// As for `create`.
pub async fn make(context: &Context, new: &New<'_>) -> Result<(Done, ResourceKey), CliError> {
    let signals = Signals::listen()?;
    making::no_write(new.own)?;
    let mut desk = Desk::open(context, new.command).await?;
    let workspace = making::workspace_of(&desk, context)?;
    let key = ResourceKey::new(&kinds::tenant::KIND, workspace.as_str().into(), new.id);
    let update = format!("synthex tenant tenants update -w {workspace} --tenant-id {} ...", new.id);
    let is_new = making::must_be_new(&desk, &key, &update);
    is_new.map_err(|error| making::or_claimed(&desk, &key, new.own, error))?;
    let layers = making::layers(&mut desk, &workspace, new.template, Under::Everything).await?;
    let finished = finish(&key, new, layers);
    let entry = finished.map_err(|error| making::or_claimed(&desk, &key, new.own, error))?;
    let asked = Asked { entries: vec![entry], is_named: true, ..Asked::default() };
    let manner = Manner { command: new.command, own: new.own, write: new.write };
    let done = editing::carry_out(context, desk, asked, manner, Vec::new(), &signals).await?;
    Ok((done, key))
}

fn finish(key: &ResourceKey, new: &New<'_>, layers: Layers) -> Result<Entry, CliError> {
    let mut draft = Draft::new(key.clone());
    if let Some(template) = new.template {
        draft.spec.insert("template".to_owned(), template.into());
    }
    new.fields.put_into(&mut draft.spec, &mut draft.labels)?;
    draft.finish(layers, option)
}

/// The option that gives a field of a tenant.
#[must_use]
pub fn option(field: &str) -> Option<String> {
    match field {
        "metadata.name" => Some("--tenant-id TENANT".to_owned()),
        field => option_for(field),
    }
}
