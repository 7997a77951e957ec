//! Plans in files: saved by `plan --out`, executed by `apply FILE`.

use std::path::Path;

use chrono::TimeDelta;

use crate::engine::StateReader as _;
use crate::files;
use crate::plan::saved::{self, Binding, Saved, SavedError};
use crate::plan::{ActionKind, Plan};
use crate::store::{Identity, migration_state};

use super::context::Context;
use super::database;
use super::error::{CliError, ExitStatus};
use super::pausing;
use super::planning::Planned;
use super::project;

/// Refuses to write results over what the project is made of.
///
/// # Errors
/// The path is a manifest, the project file, or a file of rows.
pub fn refuse_manifests(context: &Context, paths: &[&Path]) -> Result<(), CliError> {
    let Ok(found) = project::find(context) else { return Ok(()) };
    let roots = found.overlays.iter().flat_map(|overlay| &overlay.paths).chain(&found.roots.paths);
    let roots: Vec<_> = roots.collect();
    let declares = |path: &Path| {
        let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
        let is_source = ["yaml", "yml", "json", "csv"].contains(&extension.to_ascii_lowercase().as_str());
        files::is_within(path, &found.roots.project_file)
            || is_source && roots.iter().any(|root| files::is_within(path, root))
    };
    match paths.iter().find(|path| declares(path)) {
        Some(path) => Err(CliError::usage(format!("{} is a file of the project", path.display()))
            .why("it would be replaced by a plan; nothing was written")
            .help("name another file")),
        None => Ok(()),
    }
}

/// Writes a plan into a file. A plan that guards refuse is saved as well: it may be acknowledged when it is applied.
///
/// # Errors
/// The file cannot be written.
pub fn save(context: &Context, planned: &Planned, path: &Path) -> Result<(), CliError> {
    let Planned { plan, identity, database, commit, .. } = planned;
    let binding = Binding {
        installation: identity.installation,
        system: identity.system.clone(),
        database: database.clone(),
        observed_at: identity.now,
        state_revision: identity.revision,
        commit: commit.clone(),
    };
    let shown = path.display();
    let there = if files::is_file(path) { files::read_optional(path) } else { None };
    if there.is_some_and(|there| !there.is_empty() && !saved::is_plan(&there)) {
        return Err(CliError::usage(format!("{shown} is there already, and is no plan"))
            .why("only an older plan is replaced by a new one; nothing was written")
            .help("name another file with --out, or remove this one"));
    }
    files::write_atomically(path, saved::encode(plan, &binding).as_bytes())?;
    context.printer.note(&if plan.refusals.is_empty() {
        format!("Saved in {shown}; synthex apply {shown} applies it.")
    } else {
        format!(
            "Saved in {shown}, although guards refuse it: synthex apply {shown} will need what they ask for."
        )
    });
    Ok(())
}

/// A saved plan, ready to be executed, or known to have been executed already.
pub enum Loaded {
    /// To be executed.
    Fresh(Box<Planned>),
    /// Executed before, as this revision.
    Applied(Plan, i64),
}

/// Reads a plan from a file and checks that it is whole, and made for this project, environment and database, and not too
/// long ago. Changes that are not `allowed` are left out; with none allowed, all are.
///
/// # Errors
/// It is not; or the database cannot be asked.
pub async fn load(
    context: &Context,
    path: &Path,
    max_age: TimeDelta,
    allowed: &[ActionKind],
) -> Result<Loaded, CliError> {
    let shown = path.display();
    let bytes = files::read_bytes(path).map_err(|error| {
        CliError::usage(format!("the plan {shown} cannot be read"))
            .why(files::io_words(&error))
            .help("name the file that `synthex plan --out FILE` wrote")
    })?;
    let Saved { mut plan, binding } =
        saved::decode(&bytes).map_err(|error| refused(&error, &shown.to_string()))?;
    let found = project::find(context)?;
    let stale = |what: String, why: String| {
        CliError::new(ExitStatus::Stale, "plan-mismatch", what)
            .why(format!("{why}; nothing was changed"))
            .help("make a plan for this one: synthex plan --out FILE")
    };
    if plan.project != found.project.name {
        let why = format!("it was made for project `{}`, and this is `{}`", plan.project, found.project.name);
        return Err(stale(format!("the plan {shown} is another project's"), why));
    }
    if plan.environment != found.project.spec.environment {
        let named = |environment: &Option<String>| match environment {
            Some(name) => format!("environment `{name}`"),
            None => "no environment".to_owned(),
        };
        let (planned, here) = (named(&plan.environment), named(&found.project.spec.environment));
        let why = format!("it was made for {planned}, and this is {here}");
        return Err(stale(format!("the plan {shown} is another environment's"), why));
    }
    if let Some(workspace) = context.global.workspace.as_deref()
        && let Some(other) = plan.actions.iter().find(|action| *action.key.workspace != *workspace)
    {
        return Err(CliError::usage(format!("the plan {shown} is not only about workspace `{workspace}`"))
            .why(format!("it changes {}, and a saved plan is applied as a whole", other.key))
            .help("leave out --workspace, or save a plan of that workspace: synthex plan --workspace NAME --out FILE"));
    }
    let source = database::source(context, Some(&found.project), &found.folder)?;
    let options = database::open(context, &source, "apply").await?;
    let mut connection = options.connect().await?;
    connection.begin_reading().await?;
    let installed = connection.is_installed().await?;
    if installed {
        migration_state(&mut connection).await?;
    }
    let identity = connection.identity().await?;
    let shown_database = database::shown(&source, &options);
    if let Some(why) = other_database(&binding, &identity, &shown_database) {
        let why = format!("it was made on {}, and this is {shown_database}: {why}", binding.database);
        return Err(stale(format!("the plan {shown} is for another database"), why));
    }
    let digest = plan.digest();
    if !allowed.is_empty() {
        plan.allow(allowed);
    }
    if installed && identity.installation.is_some() {
        let mut executed = connection.applied_as(&digest, &plan.project, binding.observed_at).await?;
        if executed.is_none() && !plan.withheld.is_empty() {
            executed = connection.applied_as(&plan.digest(), &plan.project, binding.observed_at).await?;
        }
        match executed {
            Some((revision, true)) => {
                connection.close().await;
                return Ok(Loaded::Applied(plan, revision));
            }
            Some((revision, false)) => {
                let what = format!("the plan {shown} was applied in part, as revision {revision}");
                return Err(CliError::new(ExitStatus::Stale, "plan-partly-applied", what)
                    .why("what was applied then is not applied twice; nothing was changed")
                    .help("make a plan for the rest: synthex plan --out FILE"));
            }
            None => {}
        }
    }
    let mut notices = Vec::new();
    Box::pin(pausing::note(context, &mut connection, &plan, Some(&found.project.spec), &mut notices)).await;
    connection.close().await;
    let age = identity.now - binding.observed_at;
    if age > max_age {
        let what = format!("the plan {shown} is too old");
        let why = format!("it is {} old, and --max-age allows {}", words(age), words(max_age));
        return Err(stale(what, why));
    }
    Ok(Loaded::Fresh(Box::new(Planned {
        digest,
        plan,
        options,
        database: shown_database,
        warnings: Vec::new(),
        notices,
        commit: binding.commit,
        identity,
        unusable: Vec::new(),
        is_incomplete: false,
        impact: None,
    })))
}

fn refused(error: &SavedError, shown: &str) -> CliError {
    let (status, code, help) = match error {
        SavedError::Changed => (
            ExitStatus::Stale,
            "plan-changed",
            "make it anew with `synthex plan --out FILE`; a plan is never edited",
        ),
        SavedError::NotAPlan => {
            (ExitStatus::Usage, "usage", "name the file that `synthex plan --out FILE` wrote")
        }
        SavedError::Newer(_) => {
            (ExitStatus::Stale, "plan-newer", "apply it with the synthex that made it, or a newer one")
        }
    };
    CliError::new(status, code, format!("{shown} cannot be applied"))
        .why(format!("{error}; nothing was changed"))
        .help(help)
}

/// Why the plan is not for this database; `None` when it is.
fn other_database(binding: &Binding, identity: &Identity, shown: &str) -> Option<&'static str> {
    let same_installation = match (&binding.installation, &identity.installation) {
        (Some(planned), Some(here)) if planned == here => true,
        (Some(_), Some(_)) => return Some("they are two installations of synthex"),
        (Some(_), None) => return Some("synthex is not installed there, or not visible"),
        // The plan was made before the installation, or by a role that does not see it.
        (None, _) => false,
    };
    match (&binding.system, &identity.system) {
        (Some(planned), Some(here)) if planned == here => None,
        (Some(_), Some(_)) if same_installation => Some("one of them is a copy of the other"),
        (Some(_), Some(_)) => Some("they are two databases"),
        _ if same_installation || binding.database == shown => None,
        _ => Some("whether they are the same could not be found out"),
    }
}

fn words(age: TimeDelta) -> String {
    let minutes = age.num_minutes();
    match minutes {
        0 => format!("{} s", age.num_seconds()),
        1..120 => format!("{minutes} min"),
        120..2880 => format!("{} h", minutes / 60),
        _ => format!("{} days", minutes / 1440),
    }
}
