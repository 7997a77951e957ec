//! From options to a plan: manifests are read while the database is asked.

use crate::engine::{self, StateReader as _};
use crate::manifest::Origins;
use crate::model::diagnostic::did_you_mean;
use crate::model::{Diagnostic, Entry, Origin, Position, Sources};
use crate::plan::{self, Desired, Head, Observed, Plan};
use crate::report::PlanContext;
use crate::store::{ConnectOptions, Connection, migration_state};

use super::context::Context;
use super::database::{self, Source};
use super::error::CliError;
use super::project::{self, Found, Read};

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
        let use_cache = !context.environment.is_ci();
        tokio::task::spawn_blocking(move || project::read(&found, use_cache))
    };
    let commit = context.commit(&found.folder);
    let observing = observe(context, &source, command);
    let (observed, commit) = futures_util::future::join(observing, commit).await;
    // What is wrong with the manifests comes first: it needs no database to be mended.
    let read = reading
        .await
        .map_err(|error| CliError::other("the manifests could not be read", error.to_string()))?;
    let read = read?;
    let (options, mut connection, heads) = observed?;
    let observing = Observing { context, found: &found, prune };
    let (plan, notices, warnings) = observing.plan(&mut connection, read, heads).await?;
    connection.close().await;
    let database = database::shown(&source, &options);
    Ok(Planned { plan, options, database, warnings, notices, commit })
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

/// The second half: manifests and heads are read.
struct Observing<'a> {
    context: &'a Context,
    found: &'a Found,
    prune: bool,
}

impl Observing<'_> {
    async fn plan(
        &self,
        connection: &mut Connection,
        read: Read,
        heads: Option<Vec<Head>>,
    ) -> Result<(Plan, Vec<String>, Vec<Diagnostic>), CliError> {
        let (read, mut heads) = match (read, heads) {
            (Read::Cached(entries, sources), Some(heads)) => {
                self.check_workspace(&entries)?;
                let desired = self.desired(&entries);
                if plan::is_empty(&desired, &heads) {
                    let observed = Observed { heads, ..Observed::default() };
                    let plan = plan::plan(&desired, &observed, &mut NoSources);
                    return Ok((self.dressed(plan), self.notices(false), Vec::new()));
                }
                (project::read_fully(self.found, sources, !self.context.environment.is_ci())?, Some(heads))
            }
            (Read::Cached(_, sources), None) => {
                (project::read_fully(self.found, sources, !self.context.environment.is_ci())?, None)
            }
            (full, heads) => (full, heads),
        };
        let Read::Full(catalog, warnings) = read else {
            return Err(CliError::other(
                "the manifests were not read in full",
                "this is a defect of synthex",
            ));
        };
        self.check_workspace(&catalog.entries)?;
        let confined = heads.is_none();
        let heads = match heads.take() {
            Some(heads) => heads,
            None => {
                let declared = project::declared_workspaces(&catalog.entries);
                engine::observe_heads(connection, self.context.global.workspace.as_deref(), &declared).await?
            }
        };
        let desired = self.desired(&catalog.entries);
        let observed = engine::observe_rows(connection, &desired, heads).await?;
        let plan = plan::plan(&desired, &observed, &mut Origins::new(&catalog));
        Ok((self.dressed(plan), self.notices(confined), warnings))
    }

    fn wants_prune(&self) -> bool {
        self.prune || self.found.project.spec.prune
    }

    fn desired<'a>(&'a self, entries: &'a [Entry]) -> Desired<'a> {
        Desired {
            prune: self.wants_prune() && !self.found.partial,
            workspace: self.context.global.workspace.as_deref(),
            guards: &self.found.project.spec.guards,
            ..Desired::new(&self.found.project.name, entries)
        }
    }

    /// What is not declared in a part of the manifests may be declared in another.
    fn dressed(&self, mut plan: Plan) -> Plan {
        if self.found.partial {
            plan.undeclared.clear();
        }
        plan
    }

    fn notices(&self, confined: bool) -> Vec<String> {
        let mut notices = Vec::new();
        if confined {
            notices.push(
                "this role sees one workspace at a time (row-level security): rows of workspaces that are not declared \
                 are not seen, so the removal of a whole workspace does not show"
                    .to_owned(),
            );
        }
        if self.found.partial && self.wants_prune() {
            notices.push("--file names a part of the manifests, so nothing is deleted".to_owned());
        }
        notices
    }

    fn check_workspace(&self, entries: &[Entry]) -> Result<(), CliError> {
        let Some(workspace) = self.context.global.workspace.as_deref() else { return Ok(()) };
        let declared = project::declared_workspaces(entries);
        if declared.iter().any(|name| name == workspace) {
            return Ok(());
        }
        let near = did_you_mean(workspace, declared.iter().map(String::as_str));
        let help = match near {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("the declared workspaces are {}", declared.join(", ")),
        };
        Err(CliError::usage(format!("no manifest declares a workspace `{workspace}`")).help(help))
    }
}

/// For a plan that has nothing to say about any declaration.
struct NoSources;

impl Sources for NoSources {
    fn declared_at(&mut self, _: &Entry) -> Position {
        Position::start_of("")
    }

    fn origin(&mut self, _: &Entry, _: &[String]) -> Origin {
        Origin::Default
    }
}
