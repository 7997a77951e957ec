//! From options to a plan: manifests are read while the database is asked.

use crate::engine::{self, StateReader as _};
use crate::manifest::{Catalog, Origins};
use crate::model::{Diagnostic, Scope};
use crate::plan::{self, Desired, Head, Plan};
use crate::report::PlanContext;
use crate::store::{ConnectOptions, Connection, migration_state};

use super::context::Context;
use super::database::{self, Source};
use super::error::CliError;
use super::project::{self, Found};

/// A plan and what it was made from.
pub struct Planned {
    /// The plan.
    pub plan: Plan,
    /// The database.
    pub options: ConnectOptions,
    /// The database, as shown.
    pub database: String,
    /// Warnings of the manifests.
    pub warnings: Vec<Diagnostic>,
    /// Notes for the reader: what the plan could not see.
    pub notices: Vec<String>,
    /// The commit of the manifests.
    pub commit: Option<String>,
}

impl Planned {
    /// The context of a rendering.
    #[must_use]
    pub fn context(&self) -> PlanContext {
        PlanContext {
            project: self.plan.project.clone(),
            database: self.database.clone(),
            git_commit: self.commit.clone(),
            notices: self.notices.clone(),
            diagnostics: self.warnings.clone(),
        }
    }
}

/// Makes the plan that the options mean.
///
/// # Errors
/// Problems of manifests, or of the database.
pub async fn make(context: &Context, prune: bool, command: &str) -> Result<Planned, CliError> {
    let found = project::find(context)?;
    let source = database::source(context, Some(&found.project), &found.folder)?;
    let reading = {
        let found = found.clone();
        tokio::task::spawn_blocking(move || project::load_valid(&found))
    };
    let commit = context.commit(&found.folder);
    let observing = observe(context, &source, command);
    let (observed, commit) = futures_util::future::join(observing, commit).await;
    // What is wrong with the manifests comes first: it needs no database to be mended.
    let read = reading
        .await
        .map_err(|error| CliError::other("the manifests could not be read", error.to_string()))?;
    let (catalog, warnings) = read?;
    let (options, mut connection, heads) = observed?;
    if let Some(workspace) = &context.global.workspace {
        check_workspace(&catalog, workspace)?;
    }
    let (plan, notices) = finish(context, &found, &catalog, prune, &mut connection, heads).await?;
    connection.close().await;
    let database = database::shown(&source, &options);
    Ok(Planned {
        plan,
        options,
        database,
        warnings,
        notices,
        commit,
    })
}

/// Connects and reads all heads; `None` where row-level security confines us and the declared workspaces must be known
/// first.
async fn observe(
    context: &Context,
    source: &Source,
    command: &str,
) -> Result<(ConnectOptions, Connection, Option<Vec<Head>>), CliError> {
    let options = database::open(context, source, command).await?;
    let mut connection = options.connect().await?;
    connection.begin_reading().await?;
    if !connection.is_installed().await? {
        return Ok((options, connection, Some(Vec::new())));
    }
    migration_state(&mut connection).await?;
    if connection.is_confined().await? {
        return Ok((options, connection, None));
    }
    let heads = engine::observe_heads(&mut connection, context.global.workspace.as_deref(), &[]).await?;
    Ok((options, connection, Some(heads)))
}

async fn finish(
    context: &Context,
    found: &Found,
    catalog: &Catalog,
    prune: bool,
    connection: &mut Connection,
    heads: Option<Vec<Head>>,
) -> Result<(Plan, Vec<String>), CliError> {
    let mut notices = Vec::new();
    let workspace = context.global.workspace.as_deref();
    let heads = match heads {
        Some(heads) => heads,
        None => {
            notices.push(
                "this role sees one workspace at a time (row-level security): rows of workspaces that are not declared \
                 are not seen, so the removal of a whole workspace does not show"
                    .to_owned(),
            );
            engine::observe_heads(connection, workspace, &declared_workspaces(catalog)).await?
        }
    };
    let wants_prune = prune || catalog.project.spec.prune;
    if found.partial && wants_prune {
        notices.push("--file names a part of the manifests, so nothing is deleted".to_owned());
    }
    let desired = Desired {
        project: &catalog.project.name,
        entries: &catalog.entries,
        prune: wants_prune && !found.partial,
        workspace,
    };
    let observed = engine::observe_rows(connection, &desired, heads).await?;
    let mut plan = plan::plan(&desired, &observed, &mut Origins::new(catalog));
    if found.partial {
        plan.undeclared.clear();
    }
    Ok((plan, notices))
}

fn declared_workspaces(catalog: &Catalog) -> Vec<String> {
    let workspaces = catalog
        .entries
        .iter()
        .filter(|entry| entry.key.kind.scope == Scope::Global);
    workspaces.map(|entry| entry.key.name.to_string()).collect()
}

fn check_workspace(catalog: &Catalog, workspace: &str) -> Result<(), CliError> {
    let declared = declared_workspaces(catalog);
    if declared.iter().any(|name| name == workspace) {
        return Ok(());
    }
    let near = crate::model::diagnostic::did_you_mean(workspace, declared.iter().map(String::as_str));
    let help = match near {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("the declared workspaces are {}", declared.join(", ")),
    };
    Err(CliError::usage(format!("no manifest declares a workspace `{workspace}`")).help(help))
}
