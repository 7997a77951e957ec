//! `tenant workspace create`.

use clap::Args;
use serde_json::{Map, Value, json};

use crate::cli::context::Context;
use crate::cli::desk::{Asked, Desk, OwnArgs};
use crate::cli::editing::{self, Manner};
use crate::cli::error::{CliError, ExitStatus};
use crate::cli::making::{self, Draft};
use crate::cli::signals::Signals;
use crate::cli::tenant_fields::{MARKETS, REGIONS, no_key_twice, pair};
use crate::cli::writing::WriteArgs;
use crate::manifest::expand::Layers;

/// Make a workspace: an isolation boundary with a market, a region and defaults for its tenants
///
/// It belongs to no project; `synthex adopt` makes a manifest of it. Where synthex is not installed yet, it is.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  synthex tenant workspace create --workspace-id anz-smb --market ANZ_SMB --region AU-SE1\n  synthex tenant workspace create --workspace-id uk --market UK_SMB --region EU-WE1 \\\n      --name \"United Kingdom\" --default-metadata currency=GBP --dry-run\n\nWith --format json it prints the plan and what came of it, as `synthex apply` does."
)]
pub struct CreateArgs {
    /// The new workspace's id: letters, digits, `.`, `_` and `-`, at most 128
    #[arg(long, value_name = "WORKSPACE", required = true)]
    pub workspace_id: String,
    /// The market of its tenants that name none
    #[arg(long, value_name = "MARKET", value_parser = MARKETS, required = true)]
    pub market: String,
    /// The region of its tenants that name none
    #[arg(long, value_name = "REGION", value_parser = REGIONS, required = true)]
    pub region: String,
    /// The name people know it by
    #[arg(long, value_name = "TEXT")]
    pub name: Option<String>,
    /// What it is for
    #[arg(long, value_name = "TEXT")]
    pub description: Option<String>,
    /// A label of the workspace; repeatable
    #[arg(long = "label", value_name = "KEY=VALUE", value_parser = pair)]
    pub labels: Vec<(String, String)>,
    /// A label that its tenants get, unless they have one of that key; repeatable
    #[arg(long, value_name = "KEY=VALUE", value_parser = pair)]
    pub default_label: Vec<(String, String)>,
    /// A free-form fact that its tenants get, unless they have one of that key; repeatable
    #[arg(long, value_name = "KEY=VALUE", value_parser = pair)]
    pub default_metadata: Vec<(String, String)>,
    #[command(flatten)]
    pub write: WriteArgs,
    #[command(flatten)]
    pub own: OwnArgs,
}

/// Makes one.
///
/// # Errors
/// It is there already, something is wrong, or the database does not take it. Nothing was changed.
pub async fn create(context: &Context, args: &CreateArgs) -> Result<ExitStatus, CliError> {
    const COMMAND: &str = "tenant workspace create";
    let signals = Signals::listen()?;
    making::no_write(&args.own)?;
    let name = args.workspace_id.as_str();
    if let Some(other) = context.global.workspace.as_deref().filter(|other| *other != name) {
        return Err(CliError::usage(format!(
            "--workspace {other} and --workspace-id {name} name two workspaces"
        ))
        .help("leave --workspace out"));
    }
    let desk = Desk::open(context, COMMAND).await?;
    let key = making::workspace_key(name);
    let update =
        format!("synthex adopt --target {key} --write manifests/{name}, then edit the manifest and apply");
    let is_new = making::must_be_new(&desk, &key, &update);
    is_new.map_err(|error| making::or_claimed(&desk, &key, &args.own, error))?;
    let mut draft = Draft::new(key);
    for (field, value) in [
        ("displayName", args.name.as_deref()),
        ("description", args.description.as_deref()),
        ("market", Some(args.market.as_str())),
        ("region", Some(args.region.as_str())),
    ] {
        if let Some(value) = value.filter(|value| !value.is_empty()) {
            draft.spec.insert(field.to_owned(), json!(value));
        }
    }
    draft.labels = map("--label", &args.labels)?;
    let mut defaults = Map::new();
    for (field, option, pairs) in [
        ("labels", "--default-label", &args.default_label),
        ("metadata", "--default-metadata", &args.default_metadata),
    ] {
        let pairs = map(option, pairs)?;
        if !pairs.is_empty() {
            defaults.insert(field.to_owned(), Value::Object(pairs));
        }
    }
    if !defaults.is_empty() {
        draft.spec.insert("defaults".to_owned(), Value::Object(defaults));
    }
    let entry = draft.finish(Layers::default(), option)?;
    let asked = Asked { entries: vec![entry], is_named: true, ..Asked::default() };
    let manner = Manner { command: COMMAND, own: &args.own, write: &args.write };
    let done = editing::carry_out(context, desk, asked, manner, Vec::new(), &signals).await?;
    if done.applied.is_some() {
        context
            .printer
            .note(&format!("Make it the one that commands mean: synthex tenant workspace set-active {name}"));
    }
    Ok(done.status)
}

fn map(option: &str, pairs: &[(String, String)]) -> Result<Map<String, Value>, CliError> {
    no_key_twice(option, pairs)?;
    Ok(pairs.iter().map(|(key, value)| (key.clone(), json!(value))).collect())
}

/// The option that gives a field of a workspace.
fn option(field: &str) -> Option<String> {
    let below = |name: &str| field == name || field.starts_with(&format!("{name}."));
    let option = match field {
        "metadata.name" => "--workspace-id WORKSPACE",
        "displayName" => "--name TEXT",
        "description" => "--description TEXT",
        "market" => "--market MARKET",
        "region" => "--region REGION",
        _ if below("labels") => "--label KEY=VALUE",
        _ if below("defaults.labels") => "--default-label KEY=VALUE",
        _ if below("defaults.metadata") => "--default-metadata KEY=VALUE",
        _ => return None,
    };
    Some(option.to_owned())
}
