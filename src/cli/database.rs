//! Where the database comes from: option, environment, project file, or the embedded PostgreSQL.

use std::path::{Path, PathBuf};

use crate::files;
use crate::manifest::Project;
use crate::model::secret::SecretRef;
use crate::store::ConnectOptions;
#[cfg(unix)]
use crate::store::embedded::{self, EmbeddedConfig, HowAttached};

use super::context::Context;
use super::error::CliError;

/// Where the database's URL comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// A URL, and what named it.
    Named { url: String, by: String },
    /// The embedded PostgreSQL in a folder.
    Embedded { root: PathBuf },
}

/// Finds out which database is meant. `folder` is the project's.
///
/// # Errors
/// The project's reference leads nowhere; or, in CI, nothing names a database.
pub fn source(context: &Context, project: Option<&Project>, folder: &Path) -> Result<Source, CliError> {
    if !context.global.embedded {
        if let Some(url) = &context.global.database_url {
            return Ok(Source::Named { url: url.clone(), by: "--database-url".to_owned() });
        }
        for name in ["SYNTHEX_DATABASE_URL", "DATABASE_URL"] {
            if let Some(url) = context.environment.get(name) {
                return Ok(Source::Named { url: url.to_owned(), by: name.to_owned() });
            }
        }
        if let Some(reference) = project.and_then(|project| project.spec.database.as_ref()) {
            let file = project.map_or("", |project| project.file.as_str());
            return Ok(Source::Named {
                url: resolve(context, reference, file, folder)?,
                by: format!("{file} ({reference})"),
            });
        }
        if context.environment.is_ci() {
            return Err(CliError::usage("no database is named")
                .why("CI is set, and in CI the embedded PostgreSQL must be asked for: a forgotten variable must not look like success")
                .help("set SYNTHEX_DATABASE_URL, or add --embedded"));
        }
    }
    Ok(Source::Embedded { root: embedded_root(context, folder) })
}

fn resolve(context: &Context, reference: &SecretRef, file: &str, folder: &Path) -> Result<String, CliError> {
    let failed = |why: String| {
        CliError::usage(format!("{file} names a database that cannot be found"))
            .why(why)
            .help("set it, or pass --database-url, or --embedded")
    };
    match reference {
        SecretRef::Env(name) => context
            .environment
            .get(name)
            .map(str::to_owned)
            .ok_or_else(|| failed(format!("the variable {name} is not set"))),
        SecretRef::File(path) => files::read_secret(&folder.join(path))
            .map_err(|error| failed(format!("the file {path} cannot be read: {error}"))),
        SecretRef::GcpSecretManager(_) => {
            Err(failed("a database's URL cannot come from Secret Manager".to_owned()))
        }
    }
}

fn embedded_root(context: &Context, folder: &Path) -> PathBuf {
    if let Some(root) = context.environment.raw("SYNTHEX_STATE_DIR").filter(|root| !root.is_empty()) {
        return PathBuf::from(root);
    }
    let folder = context.directory.join(folder);
    #[cfg(unix)]
    {
        embedded::default_root(&folder, rustix::process::geteuid().is_root())
    }
    #[cfg(not(unix))]
    {
        folder.join(".synthex").join("postgres")
    }
}

/// Makes the database ready to be connected to: starts the embedded one where that is the source.
///
/// # Errors
/// The embedded PostgreSQL cannot be started.
pub async fn open(context: &Context, source: &Source, command: &str) -> Result<ConnectOptions, CliError> {
    context.recorder.touches(identity(context, source));
    let options = match source {
        Source::Named { url, by } => {
            ConnectOptions::new(url.clone(), context.database_timeout(), command).named_by(by)
        }
        Source::Embedded { root } => {
            let url = start_embedded(context, root).await?;
            ConnectOptions::new(url, context.database_timeout(), command)
        }
    };
    Ok(options.left_in(context.recorder.parking()))
}

/// The same for what only looks: an embedded PostgreSQL that was never made is not made for it. `None` where there is none.
///
/// # Errors
/// The embedded PostgreSQL is stopped, and cannot be started.
pub async fn existing(
    context: &Context,
    source: &Source,
    command: &str,
) -> Result<Option<ConnectOptions>, CliError> {
    if state(context, source).await == Embedded::Nowhere {
        return Ok(None);
    }
    open(context, source, command).await.map(Some)
}

/// The same for what only concerns programs that run: an embedded PostgreSQL that is stopped is not started either. `None` where
/// none runs.
///
/// # Errors
/// The embedded PostgreSQL is starting, and does not come up.
pub async fn running(
    context: &Context,
    source: &Source,
    command: &str,
) -> Result<Option<ConnectOptions>, CliError> {
    if state(context, source).await != Embedded::Running {
        return Ok(None);
    }
    open(context, source, command).await.map(Some)
}

/// How the embedded PostgreSQL stands; another one is taken to run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Embedded {
    Nowhere,
    Stopped,
    Running,
}

#[cfg(unix)]
async fn state(context: &Context, source: &Source) -> Embedded {
    let Source::Embedded { root } = source else { return Embedded::Running };
    match embedded::status(&embedded_config(context, root)).await.state {
        embedded::State::NotInitialised => Embedded::Nowhere,
        embedded::State::Stopped => Embedded::Stopped,
        embedded::State::Busy { .. } | embedded::State::Running { .. } => Embedded::Running,
    }
}

#[cfg(not(unix))]
async fn state(_: &Context, _: &Source) -> Embedded {
    Embedded::Running
}

/// What tells one database from another before it is connected to: where it is, without user and password.
fn identity(context: &Context, source: &Source) -> String {
    match source {
        Source::Named { url, .. } => {
            let shown = ConnectOptions::new(url.clone(), context.database_timeout(), "").shown();
            let place = shown.rsplit_once('@').map_or(shown.as_str(), |(_, place)| place).to_owned();
            let usual = ["PGHOST", "PGHOSTADDR", "PGPORT", "PGDATABASE"];
            usual
                .iter()
                .filter_map(|name| context.environment.get(name))
                .fold(place, |place, value| format!("{place} {value}"))
        }
        Source::Embedded { root } => format!("embedded {}", root.display()),
    }
}

/// How a database is named in output: never with a password.
#[must_use]
pub fn shown(source: &Source, options: &ConnectOptions) -> String {
    match source {
        Source::Named { .. } => options.shown(),
        Source::Embedded { .. } => "embedded".to_owned(),
    }
}

#[cfg(unix)]
async fn start_embedded(context: &Context, root: &Path) -> Result<String, CliError> {
    let (endpoint, how) = embedded::ensure_running(&embedded_config(context, root)).await?;
    match how {
        HowAttached::AlreadyRunning => {}
        HowAttached::Started => context.printer.note("Started the embedded PostgreSQL."),
        HowAttached::Initialised => {
            context.printer.note(&format!("Created an embedded PostgreSQL in {}.", root.display()));
        }
    }
    Ok(endpoint.url())
}

#[cfg(not(unix))]
async fn start_embedded(_: &Context, _: &Path) -> Result<String, CliError> {
    Err(CliError::usage("there is no embedded PostgreSQL on this system")
        .help("name a database with --database-url or SYNTHEX_DATABASE_URL"))
}

/// The embedded server's configuration.
#[cfg(unix)]
#[must_use]
pub fn embedded_config(context: &Context, root: &Path) -> EmbeddedConfig {
    EmbeddedConfig {
        bindir: context.environment.raw("SYNTHEX_PG_BINDIR").filter(|dir| !dir.is_empty()).map(PathBuf::from),
        path: context.environment.raw("PATH").cloned(),
        ..EmbeddedConfig::new(root)
    }
}
