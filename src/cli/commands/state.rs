//! `state snapshot`: the state in a file, to plan against without a database.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use crate::cli::context::Context;
use crate::cli::database;
use crate::cli::error::{CliError, ExitStatus};
use crate::cli::project;
use crate::engine::snapshot::{self, About};
use crate::engine::{self, StateReader as _};
use crate::files;
use crate::model::ResourceKey;
use crate::store::migration_state;

/// Look at the state as a whole
#[derive(Debug, Subcommand)]
#[command(after_help = "Examples:\n  synthex state snapshot --out state.json")]
pub enum StateCommand {
    Snapshot(SnapshotArgs),
}

/// Write the state into a file, to plan against where there is no database
///
/// For pull requests from forks, which must not get a credential: a job with access writes the snapshot, and
/// `synthex plan --state FILE` gives the same plan as the database would. The file holds the declared fields of every row
/// and no secret: of credentials only where they are kept.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  synthex state snapshot --out state.json\n  synthex plan --state state.json\n  synthex state snapshot --workspace anz-smb --out anz-smb.json"
)]
pub struct SnapshotArgs {
    /// The file to write; left out, standard output
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
}

/// Runs `state`.
///
/// # Errors
/// Problems of the database, or of the file.
pub async fn state(context: &Context, command: &StateCommand) -> Result<ExitStatus, CliError> {
    match command {
        StateCommand::Snapshot(args) => snapshot(context, args).await,
    }
}

async fn snapshot(context: &Context, args: &SnapshotArgs) -> Result<ExitStatus, CliError> {
    super::only_human_or_json(context)?;
    let found = project::find(context)?;
    let source = database::source(context, Some(&found.project), &found.folder)?;
    let options = database::open(context, &source, "state").await?;
    let mut connection = options.connect().await?;
    connection.begin_reading().await?;
    let installed = connection.is_installed().await?;
    if installed {
        migration_state(&mut connection).await?;
        if connection.is_confined().await? {
            return Err(CliError::new(
                ExitStatus::Unreachable,
                "database-refused",
                "this role does not see the whole state, so it cannot make a snapshot",
            )
            .why("row-level security shows it one workspace at a time")
            .help("connect as the role that owns the schema synthex"));
        }
    }
    let identity = connection.identity().await?;
    let workspace = context.global.workspace.as_deref();
    let heads = engine::observe_heads(&mut connection, workspace, &[]).await?;
    let keys: Vec<ResourceKey> = heads.iter().map(|head| head.key.clone()).collect();
    let rows = if keys.is_empty() { Vec::new() } else { connection.rows(&keys).await? };
    let rows = rows.into_iter().map(|row| (row.key.clone(), row)).collect();
    let vanished = if installed { connection.all_vanished(workspace).await? } else { Vec::new() };
    connection.close().await;
    let about = About {
        database: database::shown(&source, &options),
        installed,
        installation: identity.installation,
        system: identity.system,
        state_revision: identity.revision,
        made_at: identity.now,
        workspace: workspace.map(str::to_owned),
    };
    let text = snapshot::encode(&about, &heads, &rows, &vanished);
    match &args.out {
        None => context.printer.result(&text),
        Some(path) => {
            files::write_atomically(path, text.as_bytes())?;
            let rows = if heads.len() == 1 { "row" } else { "rows" };
            context.printer.note(&format!("Wrote {} {rows} to {}.", heads.len(), path.display()));
        }
    }
    Ok(ExitStatus::Success)
}
