//! A tenant as the commands show it, and finding the one that is meant.

use serde_json::{Value, json};

use crate::cli::checklist::Checklist;
use crate::cli::context::Context;
use crate::cli::error::CliError;
use crate::cli::listing::Listing;
use crate::cli::preferences::{self, Choice};
use crate::kinds;
use crate::model::diagnostic::did_you_mean;
use crate::store::Listed;

/// The tenant that a command means: the one it names, or the active one.
///
/// # Errors
/// It names none and none is active.
pub fn meant(context: &Context, named: Option<&str>) -> Result<Choice, CliError> {
    if named == Some("") {
        return Err(CliError::usage("the tenant's id is empty").help("name a tenant"));
    }
    preferences::tenant(context, named)?.ok_or_else(|| {
        CliError::usage("no tenant is named").why("none is active either").help(
            "name one, such as SMB_CLIENT_001, or choose one: synthex tenant workspace set-active --tenant-id SMB_CLIENT_001",
        )
    })
}

/// The living tenant with a name, of the active workspace where it is there.
///
/// # Errors
/// There is none, or several workspaces have one.
pub async fn find(context: &Context, listing: &mut Listing, choice: &Choice) -> Result<Listed, CliError> {
    let name = choice.name.as_str();
    let mut all = listing.rows(&kinds::tenant::KIND).await?;
    let active = preferences::workspace(context)?.map(|choice| choice.name);
    let named: Vec<usize> = (0..all.len()).filter(|index| *all[*index].key.name == *name).collect();
    let here = named.iter().find(|index| active.as_deref() == Some(&*all[**index].key.workspace));
    match (here, named.as_slice()) {
        (Some(index), _) | (None, [index]) => Ok(all.swap_remove(*index)),
        (None, []) => {
            let near = did_you_mean(name, all.iter().map(|row| &*row.key.name));
            let place = context
                .global
                .workspace
                .as_ref()
                .map_or(String::new(), |name| format!(" in workspace `{name}`"));
            let mut error = CliError::usage(format!("there is no tenant `{name}`{place}"));
            if choice.by != "the command" {
                error = error.why(format!("it is named by {}", choice.by));
            }
            Err(match near {
                _ if !listing.is_installed => error
                    .why("nothing was applied to this database yet")
                    .help("run `synthex apply` first, or make a workspace: synthex tenant workspace create"),
                Some(near) => error.help(format!("did you mean `{near}`?")),
                None => error.help("`synthex tenant tenants list` shows them"),
            })
        }
        (None, many) => {
            let workspaces: Vec<&str> = many.iter().map(|index| &*all[*index].key.workspace).collect();
            Err(CliError::usage(format!("`{name}` is a tenant of several workspaces"))
                .why(workspaces.join(", "))
                .help("name one with --workspace"))
        }
    }
}

/// The setup steps of a tenant, and which are done.
///
/// # Errors
/// Whatever the database reports.
pub async fn checklist(listing: &mut Listing, row: &Listed) -> Result<Checklist, CliError> {
    let kind = &kinds::tenant_template::KIND;
    let mut templates = listing.rows(kind).await?;
    let usual = listing.found.as_ref().and_then(|found| found.project.spec.workspace.clone());
    // Templates of the default workspace are everybody's, also where only another one is looked at.
    if let Some(usual) = usual.as_deref().filter(|usual| **usual != *row.key.workspace)
        && !templates.iter().any(|template| *template.key.workspace == *usual)
    {
        templates.append(&mut listing.rows_of(kind, usual).await?);
    }
    let done = listing.done_steps(row).await?;
    Ok(Checklist::new(row, &templates, usual.as_deref(), done))
}

/// A field of a row's spec.
#[must_use]
pub fn spec<'a>(row: &'a Listed, field: &str) -> &'a Value {
    row.canonical.get("spec").and_then(|spec| spec.get(field)).unwrap_or(&Value::Null)
}

/// A tenant in the shape that the commands have always had: `metadata` also has members of the tenant, which hide what it
/// has itself under these names. So these members stand beside it too, and what is stored in `ownMetadata`.
#[must_use]
pub fn tenant_json(row: &Listed) -> Value {
    let field = |name: &str| spec(row, name).clone();
    let at = |pointer: &str| row.canonical.pointer(pointer).cloned().unwrap_or_default();
    let mut metadata = field("metadata");
    if !metadata.is_object() {
        metadata = json!({});
    }
    let own = metadata.clone();
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
        "shopifyShop": field("shopifyShop"),
        "gmcMerchantId": field("gmcMerchantId"),
        "contact": field("contact"),
        "industry": field("industry"),
        "website": field("website"),
        "employeeCount": field("employeeCount"),
        "metadata": metadata,
        "ownMetadata": own,
        "owner": row.owner,
        "protected": spec(row, "protect") == &Value::Bool(true),
        "revision": row.revision,
        "createdAt": row.created_at,
        "updatedAt": row.updated_at,
        "touchedAt": row.touched_at,
        "touchedBy": row.touched_by,
    })
}
