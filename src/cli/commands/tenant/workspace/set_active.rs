//! `tenant workspace set-active`.

use clap::Args;

use crate::cli::args::Format;
use crate::cli::context::Context;
use crate::cli::error::{CliError, ExitStatus};
use crate::cli::listing::Listing;
use crate::cli::preferences::Preferences;
use crate::kinds;
use crate::model::diagnostic::did_you_mean;
use crate::report::clean;
use crate::store::Listed;

/// Choose the workspace, and the tenant, that commands mean where none is named
///
/// It is kept in your own configuration, not in the database; --workspace and SYNTHEX_WORKSPACE win over it. `plan` and
/// `apply` never look at it.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  synthex tenant workspace set-active anz-smb\n  synthex tenant workspace set-active --workspace-id anz-smb --tenant-id SMB_CLIENT_001\n  synthex tenant workspace set-active --tenant-id SMB_CLIENT_001"
)]
pub struct SetActiveArgs {
    /// The workspace
    #[arg(value_name = "WORKSPACE")]
    pub name: Option<String>,
    /// The workspace, as an option
    #[arg(long, value_name = "WORKSPACE", conflicts_with = "name")]
    pub workspace_id: Option<String>,
    /// A tenant of it
    #[arg(long, value_name = "TENANT")]
    pub tenant_id: Option<String>,
}

/// Chooses.
///
/// # Errors
/// The workspace or the tenant is not there, or the choice cannot be kept.
pub async fn set_active(context: &Context, args: &SetActiveArgs) -> Result<ExitStatus, CliError> {
    let named = args.name.as_deref().or(args.workspace_id.as_deref()).or(context.global.workspace.as_deref());
    if named.is_none() && args.tenant_id.is_none() {
        return Err(CliError::usage("neither a workspace nor a tenant is named")
            .help("name one: synthex tenant workspace set-active WORKSPACE"));
    }
    let before = Preferences::read(context)?;
    let mut listing = Listing::open_anywhere(context, "tenant workspace set-active", named).await?;
    let outcome = choose(&mut listing, named, args.tenant_id.as_deref(), &before).await;
    listing.close().await;
    let kept = outcome?;
    let path = kept.write(context)?;
    if context.global.format == Format::Json {
        context.printer.json(&super::kept_json(context, &kept));
    } else {
        let shown = |name: &Option<String>| {
            name.as_deref().map_or_else(|| "none".to_owned(), |name| clean::clean(name).into_owned())
        };
        context.printer.result(&format!(
            "Active workspace: {}\nActive tenant:    {}\n",
            shown(&kept.workspace),
            shown(&kept.tenant)
        ));
        context.printer.note(&format!("Kept in {}.", path.display()));
    }
    if let Some(tenant) = before.tenant.filter(|_| kept.tenant.is_none()) {
        context.printer.note(&format!("`{tenant}`, a tenant of another workspace, is not active any more."));
    }
    super::note_variables(context);
    Ok(ExitStatus::Success)
}

async fn choose(
    listing: &mut Listing,
    named: Option<&str>,
    tenant: Option<&str>,
    before: &Preferences,
) -> Result<Preferences, CliError> {
    if !listing.is_installed {
        return Err(CliError::usage("there is no workspace yet")
            .why("nothing was applied to this database yet")
            .help("run `synthex apply`, or make one: synthex tenant workspace create"));
    }
    if let Some(name) = named {
        let all = listing.rows(&kinds::workspace::KIND).await?;
        if !all.iter().any(|row| *row.key.name == *name) {
            // Only the one that is named was asked for.
            return Err(unknown(listing, name).await?);
        }
    }
    let Some(tenant) = tenant else {
        let is_same = before.workspace.as_deref() == named;
        let kept = before.tenant.clone().filter(|_| is_same);
        return Ok(Preferences { workspace: named.map(str::to_owned), tenant: kept });
    };
    let usual = named.or(before.workspace.as_deref());
    let all = listing.rows(&kinds::tenant::KIND).await?;
    let found: Vec<&Listed> = all.iter().filter(|row| *row.key.name == *tenant).collect();
    let here = found.iter().find(|row| usual == Some(&*row.key.workspace));
    let row = match (here, found.as_slice()) {
        (Some(row), _) | (None, [row]) => row,
        (None, []) => {
            let place = named.map_or(String::new(), |name| format!(" in workspace `{name}`"));
            let error =
                CliError::usage(format!("there is no tenant `{tenant}`{place}")).why("nothing was changed");
            return Err(match did_you_mean(tenant, all.iter().map(|row| &*row.key.name)) {
                Some(near) => error.help(format!("did you mean `{near}`?")),
                None => error.help("`synthex tenant tenants list --all-workspaces` shows them"),
            });
        }
        (None, many) => {
            let places: Vec<&str> = many.iter().map(|row| &*row.key.workspace).collect();
            return Err(CliError::usage(format!("`{tenant}` is a tenant of several workspaces"))
                .why(places.join(", "))
                .help("name one with --workspace-id"));
        }
    };
    Ok(Preferences { workspace: Some(row.key.workspace.to_string()), tenant: Some(tenant.to_owned()) })
}

async fn unknown(listing: &mut Listing, name: &str) -> Result<CliError, CliError> {
    let names = listing.workspaces().await?;
    let error =
        CliError::usage(format!("there is no workspace `{name}` in the database")).why("nothing was changed");
    Ok(match did_you_mean(name, names.iter().map(String::as_str)) {
        Some(near) => error.help(format!("did you mean `{near}`?")),
        None if names.is_empty() => {
            error.help("run `synthex apply`, or make one: synthex tenant workspace create")
        }
        None => error.help(format!("the workspaces are {}", crate::cli::desk::some(names.iter()))),
    })
}
