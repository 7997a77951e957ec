//! `tenant workspace`: the list of its commands.

mod clear_active;
mod create;
mod info;
mod list;
mod set_active;
mod summary;

use clap::Subcommand;
use serde_json::{Value, json};

use crate::cli::context::Context;
use crate::cli::error::{CliError, ExitStatus};
use crate::cli::preferences::{self, Preferences};

/// The commands of `tenant workspace`.
#[derive(Debug, Subcommand)]
pub enum WorkspaceCommand {
    Info(info::InfoArgs),
    List(list::ListArgs),
    Create(create::CreateArgs),
    SetActive(set_active::SetActiveArgs),
    ClearActive(clear_active::ClearActiveArgs),
    Summary(summary::SummaryArgs),
}

/// Runs `tenant workspace`.
///
/// # Errors
/// Whatever the command reports.
pub async fn workspace(context: &Context, command: &WorkspaceCommand) -> Result<ExitStatus, CliError> {
    match command {
        WorkspaceCommand::Info(args) => info::info(context, args).await,
        WorkspaceCommand::List(args) => list::list(context, args).await,
        WorkspaceCommand::Create(args) => Box::pin(create::create(context, args)).await,
        WorkspaceCommand::SetActive(args) => set_active::set_active(context, args).await,
        WorkspaceCommand::ClearActive(args) => clear_active::clear_active(context, args),
        WorkspaceCommand::Summary(args) => summary::summary(context, args).await,
    }
}

/// What is kept, as JSON.
fn kept_json(context: &Context, kept: &Preferences) -> Value {
    json!({
        "format_version": "1.0",
        "workspaceId": kept.workspace,
        "tenantId": kept.tenant,
        "preferencesFile": preferences::path(context).map(|path| path.to_string_lossy().into_owned()),
    })
}

/// Says which variables win over what is kept.
fn note_variables(context: &Context) {
    let workspace = context.environment.get("SYNTHEX_WORKSPACE");
    let tenant = context.environment.get("SYNTHEX_TENANT");
    for (variable, word, value) in
        [("SYNTHEX_WORKSPACE", "workspace", workspace), ("SYNTHEX_TENANT", "tenant", tenant)]
    {
        if let Some(value) = value {
            context.printer.note(&format!(
                "note: {variable} names {word} `{value}`, and wins over your preferences while it is set"
            ));
        }
    }
}
