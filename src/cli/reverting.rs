//! From the record to a plan: the state after an earlier revision, or what was deleted. No manifest is read.
//!
//! The plan is made by the one planner from what the record says was there, so guards, order, leases, verification and the
//! record of it are those of every other plan.

use std::collections::HashSet;
use std::path::Path;

use crate::engine::{self, StateReader as _};
use crate::files;
use crate::kinds::project::Guards;
use crate::manifest;
use crate::model::diagnostic::did_you_mean;
use crate::model::{Entry, KeyPattern, Origin, Position, Sources};
use crate::plan::past::{Lineage, Past, content_then, lineages};
use crate::plan::record::Recorded;
use crate::plan::{self, ActionKind, Cause, Desired, Ignore, Plan, Reason, Selection};
use crate::store::history::Wanted;
use crate::store::{ConnectOptions, Connection, Identity, migration_state};

use super::context::Context;
use super::database;
use super::error::CliError;
use super::planning::Planned;
use super::project;

/// Whose past it is, and the database that has it, open in one reading transaction.
pub struct Base {
    /// The project.
    pub project: String,
    /// Its limits.
    pub guards: Guards,
    /// Fields that somebody else looks after now.
    pub ignores: Vec<Ignore>,
    /// Of rules for such fields that end soon, or have ended.
    pub endings: Vec<String>,
    /// How to connect.
    pub options: ConnectOptions,
    /// The database, as shown.
    pub database: String,
    /// The connection.
    pub connection: Connection,
    /// Which database it is.
    pub identity: Identity,
}

impl Base {
    /// Opens the database that the options mean. The project file is read where it can be; a name that is given wins, and
    /// then the file may also be missing or broken.
    ///
    /// # Errors
    /// No project is known; or the database cannot be reached, or has nothing to go back to.
    pub async fn open(context: &Context, project: Option<&str>, command: &str) -> Result<Self, CliError> {
        let found = match project {
            Some(_) if context.global.files.is_empty() && files::find_project(Path::new(".")).is_none() => {
                None
            }
            Some(_) => match project::find(context) {
                Ok(found) => Some(found),
                Err(error) => {
                    context.printer.failure(&error);
                    context
                        .printer
                        .note("the project file is not used: its guards, its `ignore` and its database are not known");
                    None
                }
            },
            None => Some(project::find(context)?),
        };
        let folder = found.as_ref().map_or(context.directory.as_path(), |found| found.folder.as_path());
        let source = database::source(context, found.as_ref().map(|found| &found.project), folder)?;
        let options = database::open(context, &source, command).await?;
        let mut connection = options.connect().await?;
        connection.begin_reading().await?;
        let named = project.map(str::to_owned);
        let name = named.or(found.as_ref().map(|found| found.project.name.clone())).unwrap_or_default();
        if !connection.is_installed().await? {
            return Err(CliError::usage("there is nothing to go back to")
                .why("nothing was applied to this database yet")
                .help("`synthex db status` shows which database this is"));
        }
        migration_state(&mut connection).await?;
        project::must_know_workspace(context, &mut connection, found.as_ref()).await?;
        let identity = connection.identity().await?;
        let spec = found.map(|found| found.project.spec).unwrap_or_default();
        let rules = manifest::project::ignores(&spec, context.clock.now().date_naive());
        let ignores = rules.active.iter().map(|rule| Ignore::new(&rule.target, &rule.path)).collect();
        let endings = rules.notices;
        let mut guards = spec.guards;
        // The record knows what was renamed; what looks like a rename is none.
        guards.rename = false;
        let database = database::shown(&source, &options);
        match context.global.workspace.as_deref() {
            Some(workspace) => connection.enter(workspace).await?,
            None if connection.is_confined().await? => {
                return Err(CliError::usage("no workspace is named")
                    .why("this role sees one workspace at a time (row-level security)")
                    .help("name one with --workspace, or connect as the role that owns the schema"));
            }
            None => {}
        }
        Ok(Self { project: name, guards, ignores, endings, options, database, connection, identity })
    }

    /// The operation with a number.
    ///
    /// # Errors
    /// There is none, or it is another project's.
    pub async fn operation(&mut self, revision: i64) -> Result<Recorded, CliError> {
        let wanted = Wanted { revision: Some(revision), ..Wanted::default() };
        let found = self.connection.operations(&wanted).await?.into_iter().next();
        if let Some(operation) = found.as_ref().filter(|operation| operation.project == self.project) {
            return Ok(operation.clone());
        }
        let wanted = Wanted { project: Some(self.project.clone()), ..Wanted::default() };
        let own: Vec<i64> =
            self.connection.operations(&wanted).await?.iter().map(|operation| operation.revision).collect();
        let help = match (own.iter().find(|own| **own <= revision), own.first()) {
            (Some(before), Some(newest)) if before != newest => {
                format!(
                    "the project's own before it is {before}, its newest {newest}; `synthex history` shows all"
                )
            }
            (_, Some(newest)) => format!("the project's newest is {newest}; `synthex history` shows all"),
            (_, None) => "nothing was ever applied for this project; `synthex history` shows all".to_owned(),
        };
        Err(match found {
            Some(other) => {
                CliError::usage(format!("revision {revision} is not of project `{}`", self.project))
                    .why(format!("it is of project `{}`", other.project))
            }
            None => CliError::usage(format!("there is no revision {revision}")),
        }
        .help(help))
    }

    /// The plan that brings everything that this project changed after a revision back to what it was.
    ///
    /// # Errors
    /// The revision is unknown, nothing is selected, or whatever the database reports.
    pub async fn rollback(
        mut self,
        context: &Context,
        to: i64,
        selection: &Selection,
    ) -> Result<Planned, CliError> {
        let operation = self.operation(to).await?;
        let workspace = context.global.workspace.clone();
        let mut steps = self.connection.steps_after(&self.project, to).await?;
        steps.retain(|step| workspace.as_deref().is_none_or(|only| *step.key.workspace == *only));
        let mut lineages = lineages(steps);
        select(&mut lineages, selection)?;
        let contents = self.connection.contents_at(&lineages, to).await?;
        let resources = lineages.into_iter().zip(contents).map(|(lineage, content)| {
            let content = content_then(&lineage, content);
            (lineage, content)
        });
        let past = Past::new(resources.collect());
        if past.keys.is_empty() {
            let notice = format!("nothing was changed after revision {to}");
            let plan = Plan::nothing(&self.project, operation.environment.as_deref());
            return Ok(self.planned(plan, vec![notice], operation.commit).await);
        }
        // What is needed besides changed too, or is there still.
        let exactly = Some(past.keys.clone());
        let labels = selection.labels.clone();
        let chosen = Selection { exactly, labels, ..Selection::default() }.choose(&past.entries);
        let project = self.project.clone();
        let (guards, ignores) = (self.guards.clone(), std::mem::take(&mut self.ignores));
        let desired = Desired {
            environment: operation.environment.as_deref(),
            prune: true,
            workspace: workspace.as_deref(),
            chosen: Some(&chosen),
            moves: &past.moves,
            ignores: &ignores,
            guards: &guards,
            cause: Cause::Rollback(to),
            ..Desired::new(&project, &past.entries)
        };
        let mut plan = self.plan(&desired).await?;
        let command = format!("synthex rollback --to {to}");
        for refusal in &mut plan.refusals {
            refusal.help = refusal.help.replace("synthex apply", &command);
        }
        let mut notices = past.notices;
        notices.append(&mut self.endings);
        for (now, then) in &past.moves {
            let renamed = |action: &plan::Action| action.kind == ActionKind::Rename && action.key == *then;
            if chosen.has(then)
                && !plan.actions.iter().any(renamed)
                && plan.actions.iter().any(|action| action.key == *then)
            {
                notices.push(format!(
                    "{now} was {then}, and cannot take that name back: {then} is made what it was, with the id it has now"
                ));
            }
        }
        Ok(self.planned(plan, notices, operation.commit).await)
    }

    /// The plan that brings deleted resources back as they are given.
    ///
    /// # Errors
    /// Whatever the database reports.
    pub async fn restore(mut self, mut entries: Vec<Entry>) -> Result<Planned, CliError> {
        entries.sort_unstable_by(|left, right| left.key.cmp(&right.key));
        entries.dedup_by(|left, right| left.key == right.key);
        let keys = entries.iter().map(|entry| entry.key.clone()).collect();
        let chosen = Selection { exactly: Some(keys), ..Selection::default() }.choose(&entries);
        let (project, guards) = (self.project.clone(), self.guards.clone());
        let ignores = std::mem::take(&mut self.ignores);
        let desired = Desired {
            chosen: Some(&chosen),
            ignores: &ignores,
            guards: &guards,
            cause: Cause::Restore,
            ..Desired::new(&project, &entries)
        };
        let plan = self.plan(&desired).await?;
        let created = plan.actions.iter().filter(|action| action.kind == ActionKind::Create);
        let notices = created
            .map(|action| format!("{} was removed for good: it comes back with a new id", action.key))
            .collect();
        Ok(self.planned(plan, notices, None).await)
    }

    async fn plan(&mut self, desired: &Desired<'_>) -> Result<Plan, CliError> {
        let workspaces: HashSet<String> =
            desired.entries.iter().map(|entry| entry.key.workspace.to_string()).collect();
        let mut declared: Vec<String> = workspaces.into_iter().collect();
        declared.extend(desired.workspace.map(str::to_owned));
        declared.sort_unstable();
        declared.dedup();
        let heads = engine::observe_heads(&mut self.connection, desired.workspace, &declared).await?;
        let observed = engine::observe_rows(&mut self.connection, desired, heads).await?;
        let mut plan = plan::plan(desired, &observed, &mut FromTheRecord);
        for action in &mut plan.actions {
            action.position = None;
            if action.kind == ActionKind::Create {
                action.reason = match desired.cause {
                    Cause::Rollback(to) => Reason::RolledBack { to },
                    _ => Reason::Restored,
                };
            }
        }
        for refusal in &mut plan.refusals {
            refusal.position = None;
        }
        plan.undeclared.clear();
        plan.suspects.clear();
        Ok(plan)
    }

    async fn planned(self, plan: Plan, notices: Vec<String>, commit: Option<String>) -> Planned {
        self.connection.close().await;
        Planned {
            digest: plan.digest(),
            plan,
            options: self.options,
            database: self.database,
            warnings: Vec::new(),
            notices,
            commit,
            identity: self.identity,
            unusable: Vec::new(),
            is_incomplete: false,
            impact: None,
        }
    }
}

/// Leaves what the user selects of what changed, by the name of now or of then.
fn select(lineages: &mut Vec<Lineage>, selection: &Selection) -> Result<(), CliError> {
    if lineages.is_empty() {
        return Ok(());
    }
    let names: Vec<String> = lineages.iter().map(|lineage| lineage.now.name.to_string()).collect();
    lineages.retain(|Lineage { then, now, .. }| {
        let named = |pattern: &KeyPattern| pattern.matches(then) || pattern.matches(now);
        (selection.targets.is_empty() || selection.targets.iter().any(named))
            && !selection.excludes.iter().any(named)
    });
    if !lineages.is_empty() {
        return Ok(());
    }
    let near = selection.targets.iter().find_map(|pattern| {
        let name = pattern.as_str().rsplit('/').next().unwrap_or_default();
        did_you_mean(name, names.iter().map(String::as_str))
    });
    let help = match near {
        Some(near) => format!("did you mean `{near}`?"),
        None => "without a selection, --plan shows all that changed".to_owned(),
    };
    Err(CliError::usage("nothing that is selected changed since").help(help))
}

/// What comes from the record stands in no manifest.
pub(super) struct FromTheRecord;

impl Sources for FromTheRecord {
    fn declared_at(&mut self, _: &Entry) -> Position {
        Position::start_of("")
    }

    fn origin(&mut self, _: &Entry, _: &[String]) -> Origin {
        Origin::Manifest(Position::start_of(""))
    }

    fn another(&self) -> Option<Box<dyn Sources + Send + '_>> {
        Some(Box::new(Self))
    }
}
