//! From options to a plan: manifests are read while the database is asked.

use crate::alerts::impact::Impact;
use crate::engine::{self, StateReader, StateWriter as _};
use crate::kinds::project::Guards;
use crate::manifest::{self, Origins};
use crate::model::diagnostic::did_you_mean;
use crate::model::{Diagnostic, Digest, Entry, KeyPattern, Origin, Position, ResourceKey, Sources};
use crate::plan::{self, Desired, Head, Observed, Plan, Selection};
use crate::report::PlanContext;
use crate::store::{ConnectOptions, Connection, Identity, Writer, migration_state};

use super::again::Again;
use super::context::Context;
use super::database::{self, Source};
use super::error::CliError;
use super::pausing;
use super::project::{self, Found, Read};
use super::selecting;
use super::set_aside::set_aside;

/// A plan and what it was made from.
pub struct Planned {
    /// The plan.
    pub plan: Plan,
    /// The plan's digest, before the user withheld any of it.
    pub digest: Digest,
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
    /// Which database.
    pub identity: Identity,
    /// What is declared wrongly, where the rest is to be planned all the same.
    pub unusable: Vec<ResourceKey>,
    /// Whether more may be declared that could not be read.
    pub is_incomplete: bool,
    /// What it would do to alerts.
    pub impact: Option<Impact>,
}

/// What the user wants planned.
#[derive(Clone, Debug, Default)]
pub struct Wishes {
    /// Delete what is no longer declared.
    pub prune: bool,
    /// Remove for good what is deleted.
    pub permanent: bool,
    /// Only these.
    pub selection: Selection,
    /// Only what is declared otherwise than in this commit.
    pub changed_since: Option<String>,
    /// Take these over from other projects.
    pub take_over: Vec<KeyPattern>,
    /// Refuse what looks like a rename.
    pub refuse_renames: bool,
    /// Plan what is declared rightly, also when something else is not.
    pub tolerate: bool,
    /// Install what is missing of the schema before rows are looked at: they are looked at as this program knows them.
    pub migrates: bool,
    /// The options that say all of this.
    pub again: Again,
}

impl Planned {
    /// Whether something is declared wrongly, and the rest was planned all the same.
    #[must_use]
    pub fn has_problems(&self) -> bool {
        self.is_incomplete || !self.unusable.is_empty()
    }

    /// The context of a rendering.
    #[must_use]
    pub fn context(&self) -> PlanContext {
        PlanContext {
            project: self.plan.project.clone(),
            database: self.database.clone(),
            git_commit: self.commit.clone(),
            state_revision: self.identity.revision,
            notices: self.notices.clone(),
            diagnostics: self.warnings.clone(),
            impact: self.impact.clone(),
        }
    }
}

/// Makes the plan that the options mean.
///
/// # Errors
/// Problems of manifests, or of the database.
pub async fn make(context: &Context, wishes: &Wishes, command: &str) -> Result<Planned, CliError> {
    let found = project::find(context)?;
    let wishes = &project::narrowed(&found, wishes).await?;
    let source = database::source(context, Some(&found.project), &found.folder)?;
    let reading = {
        let found = found.clone();
        let use_cache = !context.environment.is_ci() && wishes.selection.is_all();
        let tolerate = wishes.tolerate;
        tokio::task::spawn_blocking(move || project::read(&found, use_cache, tolerate))
    };
    let commit = context.commit(&found.folder);
    let observing = observe(context, &source, command, wishes.migrates);
    let (observed, commit) = futures_util::future::join(observing, commit).await;
    // What is wrong with the manifests comes first: it needs no database to be mended.
    let read = reading
        .await
        .map_err(|error| CliError::other("the manifests could not be read", error.to_string()))?;
    let read = read?;
    let (options, mut connection, heads, identity) = observed?;
    let observing = Observing::new(context, &found, wishes);
    let made = observing.plan(&mut connection, read, heads).await?;
    let Made { plan, mut notices, warnings, unusable, is_incomplete } = made;
    Box::pin(pausing::note(context, &mut connection, &plan, Some(&found.project.spec), &mut notices)).await;
    let impact = alert_impact(context, &mut connection, &plan, &mut notices).await;
    connection.close().await;
    let database = database::shown(&source, &options);
    Ok(Planned {
        digest: plan.digest(),
        plan,
        options,
        database,
        warnings,
        notices,
        commit,
        identity,
        unusable,
        is_incomplete,
        impact,
    })
}

/// What the plan would do to alerts, where that can be known. A plan is none the worse without it, so a role that may not read
/// alerts is told so, and gets its plan.
async fn alert_impact(
    context: &Context,
    connection: &mut Connection,
    plan: &Plan,
    notices: &mut Vec<String>,
) -> Option<Impact> {
    if plan.actions.is_empty() || connection.rollback().await.is_err() {
        return None;
    }
    let is_installed = connection.is_installed().await.ok()?;
    match super::impact::of(is_installed.then_some(connection), plan, context.clock.now()).await {
        Ok(impact) => impact,
        Err(error) => {
            notices.push(format!("what this would do to alerts is not known: {}", error.what));
            None
        }
    }
}

/// Connects and reads all heads; `None` where row-level security confines us and the declared workspaces must be known
/// first.
async fn observe(
    context: &Context,
    source: &Source,
    command: &str,
    migrates: bool,
) -> Result<(ConnectOptions, Connection, Option<Vec<Head>>, Identity), CliError> {
    let options = database::open(context, source, command).await?;
    let mut connection = options.connect().await?;
    connection.begin_reading().await?;
    if !connection.is_installed().await? {
        let identity = connection.identity().await?;
        return Ok((options, connection, Some(Vec::new()), identity));
    }
    let pending = migration_state(&mut connection).await?.pending.len();
    if migrates && pending > 0 {
        connection.close().await;
        let mut writer = Writer::open(options.clone()).await?;
        let count = writer.migrate().await?;
        writer.close().await;
        let plural = if count == 1 { "" } else { "s" };
        context.printer.note(&format!("Installed {count} migration{plural} of the schema."));
        connection = options.connect().await?;
        connection.begin_reading().await?;
    }
    let identity = connection.identity().await?;
    if connection.is_confined().await? {
        return Ok((options, connection, None, identity));
    }
    let heads = engine::observe_heads(&mut connection, context.global.workspace.as_deref(), &[]).await?;
    Ok((options, connection, Some(heads), identity))
}

/// The second half: manifests and heads are read.
pub(super) struct Observing<'a> {
    context: &'a Context,
    found: &'a Found,
    wishes: &'a Wishes,
    moves: Vec<plan::moves::Move>,
    ignores: Vec<plan::Ignore>,
    /// Of rules that end soon, or have ended.
    endings: Vec<String>,
}

/// A plan, and what is said with it.
pub(super) struct Made {
    pub plan: Plan,
    pub notices: Vec<String>,
    pub warnings: Vec<Diagnostic>,
    pub unusable: Vec<ResourceKey>,
    pub is_incomplete: bool,
}

impl<'o> Observing<'o> {
    /// For a project, and what the user wants of it.
    pub fn new(context: &'o Context, found: &'o Found, wishes: &'o Wishes) -> Self {
        let spec = &found.project.spec;
        let rules = manifest::project::ignores(spec, context.clock.now().date_naive());
        Self {
            context,
            found,
            wishes,
            moves: manifest::moved::moves(&spec.moved),
            ignores: rules.active.iter().map(|rule| plan::Ignore::new(&rule.target, &rule.path)).collect(),
            endings: [rules.notices, manifest::project::ended_pauses(spec, context.clock.now())].concat(),
        }
    }

    pub async fn plan(
        &self,
        connection: &mut impl StateReader,
        read: Read,
        heads: Option<Vec<Head>>,
    ) -> Result<Made, CliError> {
        let (read, mut heads) = match (read, heads) {
            (Read::Cached(entries, sources), Some(heads)) => {
                self.check_workspace(&entries)?;
                let guards = self.guards();
                let desired = self.desired(&entries, &guards);
                if plan::is_empty(&desired, &heads) {
                    let observed = Observed { heads, ..Observed::default() };
                    let plan = plan::plan(&desired, &observed, &mut NoSources);
                    let (plan, notices) = (self.dressed(plan), self.notices(false, &entries));
                    return Ok(Made {
                        plan,
                        notices,
                        warnings: Vec::new(),
                        unusable: Vec::new(),
                        is_incomplete: false,
                    });
                }
                (
                    project::read_fully(
                        self.found,
                        sources,
                        !self.context.environment.is_ci(),
                        self.wishes.tolerate,
                    )?,
                    Some(heads),
                )
            }
            (Read::Cached(_, sources), None) => (
                project::read_fully(
                    self.found,
                    sources,
                    !self.context.environment.is_ci(),
                    self.wishes.tolerate,
                )?,
                None,
            ),
            (full, heads) => (full, heads),
        };
        let Read::Full(mut catalog, diagnostics) = read else {
            return Err(CliError::other(
                "the manifests were not read in full",
                "this is a defect of synthex",
            ));
        };
        let (unusable, is_incomplete) = set_aside(&mut catalog, &diagnostics);
        self.check_workspace(&catalog.entries)?;
        let confined = heads.is_none();
        let heads = match heads.take() {
            Some(heads) => heads,
            None => {
                let declared = project::declared_workspaces(&catalog.entries);
                engine::observe_heads(connection, self.context.global.workspace.as_deref(), &declared).await?
            }
        };
        let known = catalog.entries.iter().map(|entry| &entry.key).chain(&unusable);
        let known = known.chain(heads.iter().filter(|head| !head.deleted).map(|head| &head.key));
        let unmatched =
            selecting::check_patterns(&self.wishes.selection, known.collect::<Vec<_>>().as_slice())?;
        let chosen = selecting::choose(&self.wishes.selection, &catalog.entries);
        let guards = self.guards();
        let wanted = self.desired(&catalog.entries, &guards);
        let prune = wanted.prune && !is_incomplete;
        let desired = Desired { chosen: chosen.as_ref(), broken: &unusable, prune, ..wanted };
        let observed = engine::observe_rows(connection, &desired, heads).await?;
        let mut plan = plan::plan(&desired, &observed, &mut Origins::new(&catalog));
        let nothing = plan.is_empty() && plan.undeclared.is_empty() && plan.refusals.is_empty();
        let compared = self.wishes.selection.among.is_some();
        if nothing && !compared && chosen.as_ref().is_some_and(|chosen| chosen.matched == 0) {
            return Err(selecting::nothing_selected(&self.wishes.selection, &catalog.entries));
        }
        if is_incomplete {
            // What no manifest seems to declare may be declared in the one that cannot be read.
            plan.undeclared.clear();
        }
        let is_whole = !is_incomplete && unusable.is_empty();
        let mut notices = self.notices(confined, if is_whole { &catalog.entries } else { &[] });
        notices.extend(unmatched);
        if is_incomplete && wanted.prune {
            notices.push("some manifests could not be read, so nothing is deleted".to_owned());
        }
        Ok(Made { plan: self.dressed(plan), notices, warnings: diagnostics, unusable, is_incomplete })
    }

    fn guards(&self) -> Guards {
        let mut guards = self.found.project.spec.guards.clone();
        guards.rename |= self.wishes.refuse_renames;
        guards
    }

    fn wants_prune(&self) -> bool {
        self.wishes.prune || self.found.project.spec.prune
    }

    fn desired<'a>(&'a self, entries: &'a [Entry], guards: &'a Guards) -> Desired<'a> {
        Desired {
            prune: self.wants_prune() && !self.found.partial,
            workspace: self.context.global.workspace.as_deref(),
            guards,
            permanent: self.wishes.permanent,
            take_over: &self.wishes.take_over,
            environment: self.found.project.spec.environment.as_deref(),
            moves: &self.moves,
            ignores: &self.ignores,
            threads: project::threads(),
            ..Desired::new(&self.found.project.name, entries)
        }
    }

    /// What is not declared in a part of the manifests may be declared in another.
    fn dressed(&self, mut plan: Plan) -> Plan {
        self.wishes.again.put_into(&mut plan);
        if self.found.partial {
            plan.undeclared.clear();
        }
        plan
    }

    fn notices(&self, confined: bool, entries: &[Entry]) -> Vec<String> {
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
        notices.extend(self.endings.iter().cloned());
        notices.extend(pausing::strangers(self.found, entries));
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
