//! `tenant tenants update`: changes one tenant.

use clap::Args;
use serde_json::Value;

use crate::cli::context::Context;
use crate::cli::desk::{Asked, Desk, OwnArgs};
use crate::cli::editing::{self, Manner};
use crate::cli::error::{CliError, ExitStatus};
use crate::cli::signals::Signals;
use crate::cli::writing::WriteArgs;
use crate::kinds;
use crate::manifest::edit::{Change, escape};
use crate::model::diagnostic::did_you_mean;
use crate::model::kind::SqlType;

/// Change a tenant
///
/// What a manifest declares is refused, with its place: change it there, or let it be changed with --write.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  synthex tenant tenants update --tenant-id SMB_CLIENT_001 --status inactive\n  synthex tenant tenants update --tenant-id SMB_CLIENT_001 --set contact.email=ops@acme.example --set labels.tier=gold --write"
)]
pub struct UpdateArgs {
    /// The tenant's id
    #[arg(long, value_name = "TENANT")]
    pub tenant_id: String,
    /// The new status
    #[arg(long, value_name = "STATUS", value_parser = ["active", "inactive", "suspended"])]
    pub status: Option<String>,
    /// A field and its new value: `displayName=Acme`, `contact.email=ops@acme.example`, `metadata.brand=acme`, `labels.tier=gold`
    #[arg(long, value_name = "FIELD=VALUE")]
    pub set: Vec<String>,
    /// A field that is to be empty
    #[arg(long, value_name = "FIELD")]
    pub unset: Vec<String>,
    #[command(flatten)]
    pub own: OwnArgs,
    #[command(flatten)]
    pub write: WriteArgs,
}

/// Runs `tenant tenants update`.
///
/// # Errors
/// There is no such tenant or field, it is somebody else's, or it cannot be written. Nothing was changed.
pub async fn update(context: &Context, args: &UpdateArgs) -> Result<ExitStatus, CliError> {
    const COMMAND: &str = "tenant tenants update";
    let signals = Signals::listen()?;
    let mut sets = Vec::new();
    for word in &args.set {
        let Some((field, value)) = word.split_once('=') else {
            return Err(CliError::usage(format!("`{word}` sets nothing")).help("write --set FIELD=VALUE"));
        };
        let (pointer, sql) = place(field)?;
        sets.push((pointer, value_of(sql, value)));
    }
    sets.extend(args.status.iter().map(|status| ("/spec/status".to_owned(), Value::from(status.as_str()))));
    let mut unset = Vec::new();
    for field in &args.unset {
        unset.push(place(field)?.0);
    }
    if sets.is_empty() && unset.is_empty() {
        return Err(CliError::usage("nothing is to be changed").help("add --status, --set or --unset"));
    }
    let mut desk = Desk::open(context, COMMAND).await?;
    let keys = desk.find(&kinds::tenant::KIND, std::slice::from_ref(&args.tenant_id))?;
    let mut entries = Vec::new();
    for row in desk.rows(&keys).await? {
        let change = Change { key: row.key.clone(), set: sets.clone(), unset: unset.clone() };
        entries.push(desk.change(&row, change)?);
    }
    let asked = Asked { entries, is_named: true, ..Asked::default() };
    let manner = Manner { command: COMMAND, own: &args.own, write: &args.write };
    Box::pin(editing::carry_out(context, desk, asked, manner, &signals)).await.map(|done| done.status)
}

/// The place of a field in a canonical spec, and what its column holds.
fn place(field: &str) -> Result<(String, SqlType), CliError> {
    for (map, pointer) in [("labels.", "/labels/"), ("metadata.", "/spec/metadata/")] {
        if let Some(key) = field.strip_prefix(map).filter(|key| !key.is_empty()) {
            return Ok((format!("{pointer}{}", escape(key)), SqlType::Text));
        }
    }
    let columns = kinds::tenant::KIND.columns();
    if let Some(column) = columns.iter().find(|column| column.path == field && column.sql != SqlType::Json) {
        return Ok((format!("/spec/{}", field.replace('.', "/")), column.sql));
    }
    let names = columns.iter().filter(|column| column.sql != SqlType::Json).map(|column| column.path);
    let error = CliError::usage(format!("a tenant has no field `{field}`"));
    Err(match did_you_mean(field, names.clone()) {
        Some(near) => error.help(format!("did you mean `{near}`?")),
        None => {
            let names: Vec<&str> = names.collect();
            error.help(format!("the fields are {}, labels.KEY and metadata.KEY", names.join(", ")))
        }
    })
}

/// A value as its column has it; what does not fit is complained about by the schema.
fn value_of(sql: SqlType, text: &str) -> Value {
    match sql {
        SqlType::Integer => text.parse::<i64>().map_or_else(|_| text.into(), Value::from),
        SqlType::Bool => text.parse::<bool>().map_or_else(|_| text.into(), Value::from),
        SqlType::Text | SqlType::Timestamp | SqlType::Json => text.into(),
    }
}
