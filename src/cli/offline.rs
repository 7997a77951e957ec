//! Plans without a database: against a snapshot of the state.

use std::path::Path;

use crate::engine;
use crate::engine::snapshot::{self, SnapshotError};
use crate::files;
use crate::store::{ConnectOptions, Identity};

use super::context::Context;
use super::error::{CliError, ExitStatus};
use super::planning::{Made, Observing, Planned, Wishes};
use super::project;

/// Makes the plan that the options mean, from the manifests and a snapshot. No database is asked, and no network.
///
/// # Errors
/// Problems of manifests, or of the snapshot.
pub async fn make(context: &Context, wishes: &Wishes, path: &Path) -> Result<Planned, CliError> {
    let found = project::find(context)?;
    let wishes = &project::narrowed(&found, wishes).await?;
    let read = project::read(&found, false, wishes.tolerate)?;
    let commit = context.commit(&found.folder).await;
    let shown = path.display();
    let bytes = files::read_bytes(path).map_err(|error| {
        CliError::usage(format!("the snapshot {shown} cannot be read"))
            .why(files::io_words(&error))
            .help("name the file that `synthex state snapshot --out FILE` wrote")
    })?;
    let mut snapshot = snapshot::decode(&bytes).map_err(|error| refused(&error, &shown.to_string()))?;
    let workspace = context.global.workspace.as_deref();
    if let Some(only) = &snapshot.about.workspace
        && workspace != Some(only)
    {
        return Err(CliError::usage(format!("the snapshot {shown} holds workspace `{only}` alone"))
            .help(format!("add --workspace {only}, or make a snapshot of all workspaces")));
    }
    let heads = engine::observe_heads(&mut snapshot, workspace, &[]).await?;
    let observing = Observing::new(context, &found, wishes);
    let Made { plan, notices, warnings, unusable, is_incomplete } =
        observing.plan(&mut snapshot, read, Some(heads)).await?;
    let about = snapshot.about;
    Ok(Planned {
        digest: plan.digest(),
        plan,
        options: ConnectOptions::new(String::new(), context.database_timeout(), "plan"),
        database: about.database,
        warnings,
        notices,
        commit,
        identity: Identity {
            installation: about.installation,
            system: about.system,
            revision: about.state_revision,
            now: about.made_at,
        },
        unusable,
        is_incomplete,
        impact: None,
    })
}

fn refused(error: &SnapshotError, shown: &str) -> CliError {
    let (status, code) = match error {
        SnapshotError::Changed => (ExitStatus::Stale, "snapshot-changed"),
        SnapshotError::NotASnapshot => (ExitStatus::Usage, "usage"),
        SnapshotError::Newer(_) => (ExitStatus::Stale, "snapshot-newer"),
    };
    CliError::new(status, code, format!("{shown} cannot be planned against"))
        .why(error.to_string())
        .help("make it anew with `synthex state snapshot --out FILE`")
}
