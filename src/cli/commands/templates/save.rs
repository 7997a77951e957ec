//! `templates save`.

use clap::Args;
use serde_json::{Map, Value, json};

use crate::cli::checklist;
use crate::cli::context::Context;
use crate::cli::desk::{Asked, Desk, OwnArgs};
use crate::cli::editing::{self, Manner};
use crate::cli::error::{CliError, ExitStatus};
use crate::cli::making::{self, Draft};
use crate::cli::signals::Signals;
use crate::cli::tenant_fields::{MARKETS, REGIONS, TYPES, no_key_twice, pair};
use crate::cli::writing::WriteArgs;
use crate::kinds::{self, tenant_template};
use crate::manifest::expand::Layers;
use crate::model::ResourceKey;
use crate::plan::Row;

/// Save a template of your own, from options or from a tenant
///
/// It is of the workspace that is named with --workspace, the active one, or the project's default. One that is there
/// already is changed: only what is given. Tenants that were made from it stay as they are. Without --type, a new template
/// cannot be saved, unless a tenant gives it.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  synthex templates save --template-id surf-shops --type shopify --market ANZ_SMB \\\n      --region AU-SE1 --required-fields shopifyShop,contact.email \\\n      --default-metadata currency=AUD --setup-step \"Install the app\" \\\n      --setup-step \"Call the merchant\"\n  synthex templates save --template-id surf-shops --from-tenant SMB_CLIENT_001\n  synthex templates save --template-id surf-shops --name \"Surf shops\" --dry-run\n\nWith --format json it prints the plan and what came of it, as `synthex apply` does."
)]
pub struct SaveArgs {
    /// The template's name: letters, digits, `.`, `_` and `-`, at most 128
    #[arg(long, value_name = "TEMPLATE", required = true)]
    pub template_id: String,
    /// Take what this tenant has: type, market, region, metadata, the fields that it gives, and its template's setup steps
    #[arg(long, value_name = "TENANT")]
    pub from_tenant: Option<String>,
    /// The name people know the template by
    #[arg(long, value_name = "TEXT")]
    pub name: Option<String>,
    /// When to use it
    #[arg(long, value_name = "TEXT")]
    pub description: Option<String>,
    /// What its tenants run
    #[arg(long = "type", value_name = "TYPE", value_parser = TYPES)]
    pub tenant_type: Option<String>,
    /// The market of its tenants
    #[arg(long, value_name = "MARKET", value_parser = MARKETS)]
    pub market: Option<String>,
    /// The region of its tenants
    #[arg(long, value_name = "REGION", value_parser = REGIONS)]
    pub region: Option<String>,
    /// Fields that its tenants must give, with commas: shopifyShop,contact.email,metadata.brand
    #[arg(long, value_name = "FIELDS", value_delimiter = ',')]
    pub required_fields: Vec<String>,
    /// Fields that its tenants may well give, with commas
    #[arg(long, value_name = "FIELDS", value_delimiter = ',')]
    pub optional_fields: Vec<String>,
    /// A free-form fact that its tenants get; repeatable. An empty value takes it away
    #[arg(long, value_name = "KEY=VALUE", value_parser = pair)]
    pub default_metadata: Vec<(String, String)>,
    /// What is to be done by hand for a new tenant; repeatable, in order. They take the place of all there were
    #[arg(long = "setup-step", value_name = "TEXT")]
    pub setup_steps: Vec<String>,
    /// A label of the template; repeatable. An empty value takes it away
    #[arg(long = "label", value_name = "KEY=VALUE", value_parser = pair)]
    pub labels: Vec<(String, String)>,
    #[command(flatten)]
    pub write: WriteArgs,
    #[command(flatten)]
    pub own: OwnArgs,
}

impl SaveArgs {
    /// Whether nothing is given that a template could have.
    fn is_empty(&self) -> bool {
        let texts =
            [&self.from_tenant, &self.name, &self.description, &self.tenant_type, &self.market, &self.region];
        texts.iter().all(|text| text.is_none())
            && [&self.required_fields, &self.optional_fields, &self.setup_steps]
                .iter()
                .all(|list| list.is_empty())
            && [&self.default_metadata, &self.labels].iter().all(|pairs| pairs.is_empty())
    }
}

/// Saves it.
///
/// # Errors
/// Something is missing or wrong, or the database does not take it. Nothing was changed.
pub async fn save(context: &Context, args: &SaveArgs) -> Result<ExitStatus, CliError> {
    const COMMAND: &str = "templates save";
    let signals = Signals::listen()?;
    let name = args.template_id.as_str();
    if tenant_template::builtin().iter().any(|(known, _)| *known == name) {
        let what = format!("`{name}` is a built-in template, and cannot be changed");
        return Err(CliError::new(ExitStatus::Refused, "built-in", what)
            .why("a template of the same name would hide it")
            .help("save it under another name"));
    }
    no_key_twice("--default-metadata", &args.default_metadata)?;
    no_key_twice("--label", &args.labels)?;
    let mut desk = Desk::open(context, COMMAND).await?;
    let workspace = making::workspace_of(&desk, context)?;
    let key = ResourceKey::new(&tenant_template::KIND, workspace.as_str().into(), name);
    if desk.head(&key).is_some_and(|head| head.deleted) {
        making::must_be_new(&desk, &key, "")
            .map_err(|error| making::or_claimed(&desk, &key, &args.own, error))?;
    }
    let row = desk.rows(std::slice::from_ref(&key)).await?.into_iter().next();
    if row.is_some() && args.is_empty() {
        return Err(CliError::usage("nothing is given to change")
            .why(format!("template `{name}` is there already, and no field of it is named"))
            .help("name one, such as --name TEXT; --help shows them all"));
    }
    let mut draft = match &row {
        Some(row) => Draft::of_row(key.clone(), &row.canonical),
        None => Draft::new(key.clone()),
    };
    if let Some(tenant) = &args.from_tenant {
        let keys = desk.find(&kinds::tenant::KIND, std::slice::from_ref(tenant))?;
        if let Some(row) = desk.rows(&keys).await?.into_iter().next() {
            let steps = steps_of(&mut desk, &row).await?;
            from_tenant(&mut draft.spec, &row.canonical, steps);
        }
    }
    from_options(&mut draft, args);
    let finished = draft.finish(Layers::default(), option);
    let entry = finished.map_err(|error| making::or_claimed(&desk, &key, &args.own, error))?;
    let asked = Asked { entries: vec![entry], is_named: true, ..Asked::default() };
    let manner = Manner { command: COMMAND, own: &args.own, write: &args.write };
    Ok(editing::carry_out(context, desk, asked, manner, Vec::new(), &signals).await?.status)
}

/// The setup steps of the template that a tenant was made from.
async fn steps_of(desk: &mut Desk<'_>, tenant: &Row) -> Result<Option<Value>, CliError> {
    let Some(name) = tenant.canonical.pointer("/spec/template").and_then(Value::as_str) else {
        return Ok(None);
    };
    let usual = desk.found.as_ref().and_then(|found| found.project.spec.workspace.clone());
    let places = [Some(&*tenant.key.workspace), usual.as_deref()];
    for place in places.into_iter().flatten() {
        let key = ResourceKey::new(&tenant_template::KIND, place.into(), name);
        let row = desk.rows(&[key]).await?.into_iter().find(|row| !row.deleted);
        if let Some(row) = row {
            return Ok(row.canonical.pointer("/spec/setupSteps").cloned());
        }
    }
    Ok(checklist::spec_of(name, "", &[], None).and_then(|spec| spec.get("setupSteps").cloned()))
}

/// What tenants like this one have in common: what names it alone is left out, but must be given.
fn from_tenant(spec: &mut Map<String, Value>, tenant: &Value, steps: Option<Value>) {
    let at = |field: &str| tenant.pointer(&format!("/spec/{}", field.replace('.', "/")));
    for field in ["type", "market", "region"] {
        if let Some(value) = at(field) {
            spec.insert(field.to_owned(), value.clone());
        }
    }
    let given = |fields: &[&str]| {
        let fields: Vec<&str> = fields.iter().copied().filter(|field| at(field).is_some()).collect();
        (!fields.is_empty()).then(|| json!(fields))
    };
    let required = given(&["shopifyShop", "gmcMerchantId"]);
    let optional =
        given(&["businessId", "contact.email", "contact.phone", "industry", "website", "employeeCount"]);
    for (field, value) in [
        ("defaultMetadata", at("metadata").cloned()),
        ("requiredFields", required),
        ("optionalFields", optional),
        ("setupSteps", steps),
    ] {
        match value {
            Some(value) => spec.insert(field.to_owned(), value),
            None => spec.shift_remove(field),
        };
    }
}

fn from_options(draft: &mut Draft, args: &SaveArgs) {
    for (field, value) in [
        ("displayName", args.name.as_deref()),
        ("description", args.description.as_deref()),
        ("type", args.tenant_type.as_deref()),
        ("market", args.market.as_deref()),
        ("region", args.region.as_deref()),
    ] {
        match value {
            None => {}
            Some("") => {
                draft.spec.shift_remove(field);
            }
            Some(value) => {
                draft.spec.insert(field.to_owned(), json!(value));
            }
        }
    }
    for (field, list) in [
        ("requiredFields", &args.required_fields),
        ("optionalFields", &args.optional_fields),
        ("setupSteps", &args.setup_steps),
    ] {
        // One empty text empties the list.
        let words: Vec<&str> = list.iter().map(|word| word.trim()).filter(|word| !word.is_empty()).collect();
        if !words.is_empty() {
            draft.spec.insert(field.to_owned(), json!(words));
        } else if !list.is_empty() {
            draft.spec.shift_remove(field);
        }
    }
    for (key, value) in &args.labels {
        put_or_take(&mut draft.labels, key, value);
    }
    if !args.default_metadata.is_empty() {
        let metadata = draft.spec.entry("defaultMetadata").or_insert_with(|| json!({}));
        if let Value::Object(metadata) = metadata {
            args.default_metadata.iter().for_each(|(key, value)| put_or_take(metadata, key, value));
        }
    }
}

fn put_or_take(map: &mut Map<String, Value>, key: &str, value: &str) {
    if value.is_empty() {
        map.shift_remove(key);
    } else {
        map.insert(key.to_owned(), json!(value));
    }
}

/// The option that gives a field of a template.
fn option(field: &str) -> Option<String> {
    let first = field.split('.').next().unwrap_or_default();
    let option = match (field, first) {
        ("metadata.name", _) => "--template-id TEMPLATE",
        (_, "displayName") => "--name TEXT",
        (_, "description") => "--description TEXT",
        (_, "type") => "--type TYPE, or --from-tenant TENANT",
        (_, "market") => "--market MARKET",
        (_, "region") => "--region REGION",
        (_, "requiredFields") => "--required-fields FIELDS",
        (_, "optionalFields") => "--optional-fields FIELDS",
        (_, "defaultMetadata") => "--default-metadata KEY=VALUE",
        (_, "setupSteps") => "--setup-step TEXT",
        (_, "labels") => "--label KEY=VALUE",
        _ => return None,
    };
    Some(option.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_names_one_tenant_alone_is_required_of_the_next() {
        let tenant = json!({"labels": {}, "spec": {
            "displayName": "A", "type": "mixed", "market": "ANZ_SMB", "region": "AU-SE1",
            "shopifyShop": "a.myshopify.com", "contact": {"email": "a@b.example"}, "metadata": {"currency": "AUD"},
        }});
        let mut spec = Map::new();
        from_tenant(&mut spec, &tenant, Some(json!(["one"])));
        let expected = json!({
            "type": "mixed", "market": "ANZ_SMB", "region": "AU-SE1", "defaultMetadata": {"currency": "AUD"},
            "requiredFields": ["shopifyShop"], "optionalFields": ["contact.email"], "setupSteps": ["one"],
        });
        assert_eq!(Value::Object(spec), expected);
    }
}
