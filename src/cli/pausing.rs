//! Paused workspaces: what is said of them beside a plan, and where `pause` and `resume` look before they change something.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use crate::engine::{StateReader as _, StateWriter as _};
use crate::kinds::project::{DeclaredPause, ProjectSpec};
use crate::model::Entry;
use crate::model::key::is_name;
use crate::plan::Plan;
use crate::plan::pauses::{Pause, PauseRow, Pauses};
use crate::report;
use crate::store::{Audit, ConnectOptions, Connection, Writer};

use super::commands;
use super::context::{Context, new_id};
use super::database::{self, Source};
use super::error::CliError;
use super::known::{must_be_among, must_know_choice};
use super::preferences::{self, Choice};
use super::project::{self, Found, declared_workspaces};

/// At most so many workspaces are named beside a plan.
const MOST: usize = 20;

/// Reads a workspace as it is named: `workspace/anz-smb`, or only `anz-smb`.
///
/// # Errors
/// It is no name of a workspace.
pub fn workspace(text: &str) -> Result<String, String> {
    let name = text.strip_prefix("workspace/").unwrap_or(text);
    match is_name(name) {
        true => Ok(name.to_owned()),
        false if name.contains('/') => Err("only a workspace can be paused: write workspace/NAME".to_owned()),
        false => Err("this is no name of a workspace".to_owned()),
    }
}

/// Says which workspaces are paused, of those that a plan would change something in. Where it changes nothing, nobody is
/// asked. A plan is none the worse where this cannot be known.
pub async fn note(
    context: &Context,
    connection: &mut Connection,
    plan: &Plan,
    spec: Option<&ProjectSpec>,
    notices: &mut Vec<String>,
) {
    let touched: BTreeSet<&str> = plan.actions.iter().map(|action| &*action.key.workspace).collect();
    let touched: Vec<&str> = touched.into_iter().collect();
    if touched.is_empty() {
        return;
    }
    let rows = connection.pauses(Some(&touched)).await.unwrap_or_else(|error| {
        notices.push(format!("which workspaces are paused is not known: {}", error.what));
        Vec::new()
    });
    let pauses = Pauses::of(rows, declared(spec), context.clock.now());
    notices.extend(some(
        touched.iter().filter_map(|name| Some(report::pauses::sentence(name, pauses.get(name)?))),
    ));
}

/// Says which of some workspaces are paused, and for how long still. Within a transaction.
///
/// # Errors
/// Whatever the database reports.
pub async fn said_now(
    context: &Context,
    connection: &mut Connection,
    workspaces: &[String],
    spec: &ProjectSpec,
) -> Result<Vec<String>, CliError> {
    let names: Vec<&str> = workspaces.iter().map(String::as_str).collect();
    let now = context.clock.now();
    let pauses = Pauses::of(connection.pauses(Some(&names)).await?, &spec.pauses, now);
    Ok(some(names.iter().filter_map(|name| Some(report::pauses::sentence_now(name, pauses.get(name)?, now)))))
}

/// The first of some sentences, and how many there are besides.
fn some(sentences: impl Iterator<Item = String>) -> Vec<String> {
    let mut all: Vec<String> = sentences.collect();
    let more = all.len().saturating_sub(MOST);
    all.truncate(MOST);
    if more > 0 {
        all.push(format!("{more} more workspaces are paused: synthex pause --list"));
    }
    all
}

/// What the project file pauses, and no manifest declares: a name that is mistyped pauses nothing. `entries` is everything
/// that is declared; where that is not known, nothing.
#[must_use]
pub fn strangers(found: &Found, entries: &[Entry]) -> Vec<String> {
    let pauses = &found.project.spec.pauses;
    if pauses.is_empty() || entries.is_empty() || found.partial {
        return Vec::new();
    }
    let known: BTreeSet<String> = declared_workspaces(entries).into_iter().collect();
    let is_strange = |pause: &&DeclaredPause| !known.contains(&pause.workspace);
    let strange = pauses.iter().filter(is_strange);
    strange
        .map(|pause| {
            format!(
                "`pauses` names workspace `{}`, which no manifest declares, so it pauses nothing",
                pause.workspace
            )
        })
        .collect()
}

fn declared(spec: Option<&ProjectSpec>) -> &[DeclaredPause] {
    spec.map_or(&[], |spec| &spec.pauses)
}

/// The database of `pause` and `resume`, and what is paused there.
pub struct Scene {
    /// Where the database is.
    source: Source,
    /// How to connect; `None` where the embedded PostgreSQL was never made.
    options: Option<ConnectOptions>,
    /// The project, where there is one.
    pub found: Option<Found>,
    /// Whether synthex is installed there.
    pub is_installed: bool,
    /// What the database has of the workspaces that were asked for.
    pub rows: Vec<PauseRow>,
    /// The clock of the database.
    pub now: DateTime<Utc>,
}

/// Which workspaces must be known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Known {
    /// All that are named.
    All,
    /// Those that are not paused: one that is gone can still be resumed.
    Unpaused,
}

impl Scene {
    /// Looks at some workspaces; at all of them, where none is named.
    ///
    /// # Errors
    /// The database cannot be reached, or a workspace is nowhere.
    pub async fn look(
        context: &Context,
        command: &str,
        workspaces: &[String],
        known: Known,
    ) -> Result<Self, CliError> {
        let (source, found) = commands::place(context)?;
        let Some(options) = database::existing(context, &source, command).await? else {
            for name in workspaces {
                let choice = Choice { name: name.clone(), by: preferences::BY_COMMAND };
                must_be_among(Vec::new(), found.as_ref(), &choice)?;
            }
            let (rows, now) = (Vec::new(), context.clock.now());
            return Ok(Self { source, options: None, found, is_installed: false, rows, now });
        };
        let mut connection = options.connect().await?;
        connection.begin_reading().await?;
        let identity = connection.identity().await?;
        let is_installed = connection.is_installed().await?;
        let mut rows = Vec::new();
        if is_installed {
            let mut asked = workspaces.to_vec();
            if asked.is_empty() && connection.is_confined().await? {
                // Row-level security shows this role one workspace at a time.
                let found = found.as_ref().ok_or_else(project::no_workspace)?;
                asked = project::visible_workspaces(found, None)?;
            }
            let names: Vec<&str> = asked.iter().map(String::as_str).collect();
            rows = connection.pauses((!names.is_empty()).then_some(&names)).await?;
        }
        for name in workspaces {
            if known == Known::Unpaused && rows.iter().any(|row| row.workspace == *name) {
                continue;
            }
            let choice = Choice { name: name.clone(), by: preferences::BY_COMMAND };
            match is_installed {
                true => must_know_choice(&mut connection, found.as_ref(), &choice).await?,
                false => must_be_among(Vec::new(), found.as_ref(), &choice)?,
            }
        }
        connection.close().await;
        Ok(Self { source, options: Some(options), found, is_installed, rows, now: identity.now })
    }

    /// What both the database and the project file say.
    #[must_use]
    pub fn pauses(&self) -> Pauses {
        Pauses::of(self.rows.iter().cloned(), self.declared(), self.now)
    }

    /// The pauses of the project file, by themselves.
    #[must_use]
    pub fn of_the_file(&self) -> Pauses {
        Pauses::of([], self.declared(), self.now)
    }

    fn declared(&self) -> &[DeclaredPause] {
        declared(self.found.as_ref().map(|found| &found.project.spec))
    }

    /// The file of the project, for messages.
    #[must_use]
    pub fn file(&self) -> &str {
        self.found.as_ref().map_or("the project file", |found| found.project.file.as_str())
    }

    /// The connection that writes, with everything installed that it writes to.
    ///
    /// # Errors
    /// The database cannot be reached, or this role may not write.
    pub async fn writer(&self, context: &Context, command: &str) -> Result<Writer, CliError> {
        let options = match &self.options {
            Some(options) => options.clone(),
            None => database::open(context, &self.source, command).await?,
        };
        let mut writer = Writer::open(options).await?;
        writer.migrate().await?;
        Ok(writer)
    }

    /// What is recorded.
    #[must_use]
    pub fn audit(
        &self,
        context: &Context,
        command: &str,
        workspaces: &[String],
        reason: Option<&str>,
    ) -> Audit {
        let holder = context.holder(command);
        let plural = if workspaces.len() == 1 { "" } else { "s" };
        let reason = reason.map_or(String::new(), |reason| format!(": {reason}"));
        Audit {
            id: new_id(),
            project: self.found.as_ref().map_or_else(|| "-".to_owned(), |found| found.project.name.clone()),
            command: command.to_owned(),
            actor: holder.actor,
            host: holder.host,
            run_url: holder.run_url,
            note: format!("workspace{plural} {}{reason}", workspaces.join(", ")),
        }
    }
}

/// The workspaces that a command means: those it names, or the one of `--workspace`. Sorted, each once.
///
/// # Errors
/// It names others than `--workspace` does.
pub fn named(context: &Context, workspaces: &[String]) -> Result<Vec<String>, CliError> {
    let mut all = workspaces.to_vec();
    if let Some(only) = &context.global.workspace {
        if let Some(other) = all.iter().find(|name| *name != only) {
            return Err(CliError::usage(format!("`{other}` is named, and --workspace means `{only}` alone"))
                .help("leave --workspace out, and name each workspace"));
        }
        all = vec![only.clone()];
    }
    all.sort_unstable();
    all.dedup();
    Ok(all)
}

/// A pause as JSON.
#[must_use]
pub fn pause_json(workspace: &str, pause: &Pause) -> Value {
    json!({
        "workspace": workspace,
        "reason": pause.reason,
        "by": pause.who,
        "since": pause.since,
        "until": pause.until,
        "declared": pause.declared,
    })
}

/// A pause of the database as JSON.
#[must_use]
pub fn row_json(row: &PauseRow) -> Value {
    json!({
        "workspace": row.workspace,
        "reason": row.reason,
        "by": row.actor,
        "since": row.since,
        "until": row.until,
        "declared": false,
    })
}
