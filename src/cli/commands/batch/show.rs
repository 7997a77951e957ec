//! `batch show`: one operation with its items.

use clap::Args;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::cli::args::Format;
use crate::cli::context::Context;
use crate::cli::error::{CliError, ExitStatus};
use crate::cli::records::Records;
use crate::plan::record::{Recorded, RecordedItem};
use crate::report::{history as text, history_json};
use crate::store::Connection;
use crate::store::history::Wanted;

use super::list::operation_json;

/// Show one operation with its items
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  synthex batch show 12\n  synthex batch show 12 --format json | jq '.failed[]'"
)]
pub struct BatchShowArgs {
    /// The operation: its revision number, or its id
    #[arg(value_name = "ID")]
    pub id: OperationId,
}

/// How an operation is named.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OperationId {
    /// By its number.
    Revision(i64),
    /// By its identity.
    Id(Uuid),
}

impl std::str::FromStr for OperationId {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let revision = text.parse().ok().filter(|revision| *revision > 0).map(Self::Revision);
        let id = || Uuid::parse_str(text).ok().map(Self::Id);
        revision.or_else(id).ok_or_else(|| {
            "write a revision number such as 12, or an id; `synthex batch list` shows them".to_owned()
        })
    }
}

impl OperationId {
    /// The number.
    ///
    /// # Errors
    /// There is no such operation.
    pub async fn revision(self, connection: &mut Connection) -> Result<i64, CliError> {
        match self {
            Self::Revision(revision) => Ok(revision),
            Self::Id(id) => connection.revision_of(id).await?.ok_or_else(|| none(&id.to_string())),
        }
    }
}

/// There is no such operation.
#[must_use]
pub fn none(id: &str) -> CliError {
    CliError::usage(format!("there is no operation {id}")).help("`synthex batch list` shows the newest ones")
}

/// Runs `batch show`.
///
/// # Errors
/// There is no such operation; or problems of the database.
pub async fn show(context: &Context, args: &BatchShowArgs) -> Result<ExitStatus, CliError> {
    let mut records = Records::open(context, "batch show").await?;
    let (mut operation, mut items): (Option<Recorded>, Vec<RecordedItem>) = (None, Vec::new());
    for place in records.places.iter().filter(|_| records.installed) {
        if let Some(place) = place {
            records.connection.enter(place).await?;
        }
        let revision = match args.id {
            OperationId::Revision(revision) => Some(revision),
            OperationId::Id(id) => records.connection.revision_of(id).await?,
        };
        let Some(revision) = revision else { continue };
        let wanted = Wanted { revision: Some(revision), ..Wanted::default() };
        operation = records.connection.operations(&wanted).await?.into_iter().next().or(operation);
        items.append(&mut records.connection.items(revision, place.as_deref()).await?);
    }
    records.connection.close().await;
    let Some(operation) = operation else {
        return Err(match args.id {
            OperationId::Revision(revision) => none(&revision.to_string()),
            OperationId::Id(id) => none(&id.to_string()),
        });
    };
    items.sort_by_key(|item| item.seq);
    if context.global.format == Format::Json {
        context.printer.json(&document(&operation, &items));
    } else {
        let now = context.clock.now();
        context.printer.result(&text::operation(&operation, &items, now, &context.printer.stdout));
    }
    Ok(ExitStatus::Success)
}

fn document(operation: &Recorded, items: &[RecordedItem]) -> Value {
    let successful: Vec<String> =
        items.iter().filter(|item| item.is_applied()).map(|item| item.key.to_string()).collect();
    let failed: Vec<Value> = items
        .iter()
        .filter(|item| !item.is_applied())
        .map(|item| json!({"item": item.key.to_string(), "error": item.error}))
        .collect();
    let item = |item: &RecordedItem| {
        let mut value = history_json::item_value(item, &item.changes());
        value["item"] = json!(item.key.to_string());
        value["before"] = item.before.clone();
        value["after"] = item.after.clone();
        value
    };
    let mut value =
        json!({"format_version": "1.0", "operationId": operation.id, "operation": operation_json(operation)});
    value["total"] = json!(items.len());
    value["successCount"] = json!(successful.len());
    value["failureCount"] = json!(failed.len());
    value["duration"] = value["operation"]["duration"].clone();
    value["successful"] = json!(successful);
    value["failed"] = json!(failed);
    value["items"] = items.iter().map(item).collect();
    value
}
