//! `templates create-tenant`.

use clap::Args;

use crate::cli::args::Format;
use crate::cli::commands::tenant::{New, make};
use crate::cli::context::Context;
use crate::cli::desk::OwnArgs;
use crate::cli::error::{CliError, ExitStatus};
use crate::cli::tenant_fields::TenantFields;
use crate::cli::writing::WriteArgs;

/// Make a tenant from a template, and show what is to be done by hand
///
/// As `synthex tenant tenants create --template`. Required fields that are missing are named all at once, each with the
/// option that gives it. Setup steps are a checklist: `synthex templates steps` ticks them off.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  synthex templates create-tenant --template-id shopify-smb-anz --tenant-id SMB_CLIENT_001 \\\n      --name \"Surf Shop\" --shopify-shop surf.myshopify.com\n  synthex templates create-tenant -w anz-smb --template-id mixed-multi-brand-anz \\\n      --tenant-id ACME --name Acme --shopify-shop acme.myshopify.com \\\n      --gmc-merchant-id 123456 --dry-run\n\nWith --format json it prints the plan and what came of it, as `synthex apply` does; `synthex templates steps --format json` has the steps."
)]
pub struct CreateTenantArgs {
    /// The template; `synthex templates list` shows them
    #[arg(long, value_name = "TEMPLATE", required = true)]
    pub template_id: String,
    /// The new tenant's id: letters, digits, `.`, `_` and `-`, at most 128
    #[arg(long, value_name = "TENANT", required = true)]
    pub tenant_id: String,
    #[command(flatten)]
    pub fields: TenantFields,
    #[command(flatten)]
    pub write: WriteArgs,
    #[command(flatten)]
    pub own: OwnArgs,
}

/// Makes one.
///
/// # Errors
/// As for `tenant tenants create`.
pub async fn create_tenant(context: &Context, args: &CreateTenantArgs) -> Result<ExitStatus, CliError> {
    if args.template_id.is_empty() {
        return Err(CliError::usage("the template's name is empty").help("synthex templates list shows them"));
    }
    let new = New {
        command: "templates create-tenant",
        id: &args.tenant_id,
        template: Some(&args.template_id),
        fields: &args.fields,
        write: &args.write,
        own: &args.own,
    };
    let (done, key) = make(context, &new).await?;
    if done.applied.is_some() && context.global.format == Format::Human {
        let text = super::steps::of_tenant(context, &key).await?;
        if !text.is_empty() {
            context.printer.result(&format!("\n{text}"));
            context.printer.note(&format!(
                "Tick off a step that is done: synthex templates steps -w {} --tenant-id {} --done 1",
                key.workspace, key.name
            ));
        }
    }
    Ok(done.status)
}
