//! `drift`: what is not as synthex last left it, with who changed it and since when.

use std::path::{Path, PathBuf};

use clap::Args;

use crate::cli::args::Format;
use crate::cli::context::Context;
use crate::cli::database;
use crate::cli::error::{CliError, ExitStatus};
use crate::cli::pausing;
use crate::cli::project::{self, Found, Read};
use crate::cli::selecting::{self, SelectArgs};
use crate::engine::StateReader as _;
use crate::files;
use crate::model::ResourceKey;
use crate::plan::drift::{self, Drift, Seen};
use crate::plan::{Ignore, Row, Selection};
use crate::report::drift::{DriftReport, human, issue, json, markdown};
use crate::store::{Connection, DriftScope, migration_state};

/// Show what was changed in the database behind synthex's back, by whom and since when
///
/// Compares what synthex last applied with what is there: fields that differ, and rows that were removed, made or restored
/// by hand. What an apply changed is never drift. Needs the project file, no manifests, and no more than the right to
/// SELECT. By default it reads the marks that the triggers leave; --full reads every row, and so finds also what was
/// changed while the triggers were off.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  synthex drift\n  synthex drift --detailed-exitcode; [ $? -eq 2 ] && echo drift\n  synthex drift -l market=ANZ_SMB --format json | jq .drift\n  synthex drift --full\n  synthex drift --format markdown --open-issue-file 'drift-{workspace}.md'"
)]
pub struct DriftArgs {
    /// Exit with 2 when there is any
    #[arg(long)]
    pub detailed_exitcode: bool,
    /// Read every row of the project and compare it with what was applied
    #[arg(long)]
    pub full: bool,
    /// Write the body of an issue as well, one for each workspace where FILE holds `{workspace}`; without drift it says so
    #[arg(long, value_name = "FILE")]
    pub open_issue_file: Option<String>,
    #[command(flatten)]
    pub select: SelectArgs,
}

/// Runs `drift`.
///
/// # Errors
/// There is no project, nothing is selected, or the database does not answer.
pub async fn drift(context: &Context, args: &DriftArgs) -> Result<ExitStatus, CliError> {
    if !matches!(context.global.format, Format::Human | Format::Json | Format::Markdown) {
        return Err(CliError::usage("this command has no such format")
            .help("use --format human, --format json or --format markdown"));
    }
    let selection = args.select.selection()?;
    let found = project::find(context)?;
    let source = database::source(context, Some(&found.project), &found.folder)?;
    let options = database::open(context, &source, "drift").await?;
    let mut connection = options.connect().await?;
    let asking = Asking { context, args, found: &found, selection: &selection };
    let (seen, workspaces, mut notices) = asking.seen(&mut connection).await?;
    connection.close().await;
    let today = context.clock.now().date_naive();
    let ignores = found.project.spec.ignore.iter().filter(|rule| today < rule.until);
    let ignores: Vec<Ignore> = ignores.map(|rule| Ignore::new(&rule.target, &rule.path)).collect();
    let mut drift = drift::find(&found.project.name, &ignores, seen);
    settle(context, &found, &mut drift, &mut notices);
    let report = DriftReport {
        project: found.project.name.clone(),
        database: database::shown(&source, &options),
        full: args.full,
        drift,
        notices,
    };
    let workspace = context.global.workspace.as_deref();
    match context.global.format {
        Format::Json => context.printer.json(&json(&report)),
        Format::Markdown => context.printer.result(&markdown(&report, workspace)),
        Format::Human | Format::Sarif | Format::Github | Format::Junit | Format::Prometheus => {
            context.printer.result(&human(&report, context.clock.now(), &context.printer.stdout));
        }
    }
    if let Some(file) = &args.open_issue_file {
        write_issues(context, &report, &workspaces, file)?;
    }
    let any = args.detailed_exitcode && !report.drift.resources.is_empty();
    Ok(if any { ExitStatus::Changes } else { ExitStatus::Success })
}

struct Asking<'a> {
    context: &'a Context,
    args: &'a DriftArgs,
    found: &'a Found,
    selection: &'a Selection,
}

impl Asking<'_> {
    /// What may have drifted and is selected, the workspaces of the project, and what is to be said about it.
    async fn seen(
        &self,
        connection: &mut Connection,
    ) -> Result<(Vec<Seen>, Vec<String>, Vec<String>), CliError> {
        connection.begin_reading().await?;
        if !connection.is_installed().await? {
            let notice = "nothing was applied to this database yet, so nothing can have drifted".to_owned();
            return Ok((Vec::new(), Vec::new(), vec![notice]));
        }
        migration_state(connection).await?;
        project::must_know_workspace(self.context, connection, Some(self.found)).await?;
        let only = self.context.global.workspace.as_deref();
        let declared = if connection.is_confined().await? {
            project::visible_workspaces(self.found, only)?
        } else {
            Vec::new()
        };
        let scope = DriftScope {
            project: &self.found.project.name,
            workspace: only,
            declared: &declared,
            full: self.args.full,
        };
        let mut seen = connection.drifting(&scope).await?;
        let unguarded = connection.tables_without_triggers().await?;
        let notices = unguarded.iter().map(|table| {
            format!(
                "the triggers of synthex.{table} are off, so what is written to it leaves no mark: \
                 alter table synthex.{table} enable trigger user"
            )
        });
        let mut notices: Vec<String> = notices.collect();
        let mut all = match only {
            Some(only) => vec![only.to_owned()],
            None => connection.workspaces_owned(&scope).await?,
        };
        all.extend(
            seen.iter()
                .map(|one| one.key.workspace.to_string())
                .filter(|name| only.is_none_or(|only| only == name)),
        );
        all.sort_unstable();
        all.dedup();
        let spec = &self.found.project.spec;
        notices.extend(pausing::said_now(self.context, connection, &all, spec).await?);
        if self.selection.is_all() {
            return Ok((seen, all, notices));
        }
        let rows = self.own_rows(connection, &declared).await?;
        let keys: Vec<&ResourceKey> =
            rows.iter().map(|row| &row.key).chain(seen.iter().map(|one| &one.key)).collect();
        notices.extend(selecting::check_patterns(self.selection, &keys)?);
        seen.retain(|one| {
            let applied = one.applied.as_ref().and_then(|applied| applied.after.as_ref());
            let known = one.live.as_ref().map(|row| &row.canonical).or(applied);
            self.selection.matches_key(&one.key)
                && known.is_none_or(|canonical| self.selection.matches_labels(canonical))
        });
        let is_selected =
            |row: &Row| self.selection.matches_key(&row.key) && self.selection.matches_labels(&row.canonical);
        if seen.is_empty() && !rows.iter().any(is_selected) {
            let keys: Vec<&ResourceKey> = rows.iter().map(|row| &row.key).collect();
            return Err(selecting::nothing_live(self.selection, &keys));
        }
        Ok((seen, all, notices))
    }

    /// The living rows of the project.
    async fn own_rows(&self, connection: &mut Connection, declared: &[String]) -> Result<Vec<Row>, CliError> {
        let one: Vec<String> = self.context.global.workspace.iter().cloned().collect();
        let within = if declared.is_empty() && one.is_empty() {
            None
        } else {
            Some(if one.is_empty() { declared } else { one.as_slice() })
        };
        let mut rows = connection.living(within).await?;
        rows.retain(|row| row.owner.as_deref() == Some(self.found.project.name.as_str()));
        Ok(rows)
    }
}

/// Where the manifests can be read, what is as they say is no drift: nothing would ever be applied to it.
fn settle(context: &Context, found: &Found, drift: &mut Drift, notices: &mut Vec<String>) {
    if found.partial || drift.resources.is_empty() {
        return;
    }
    let settled = match project::read(found, !context.environment.is_ci(), false) {
        Ok(Read::Cached(entries, _)) => drift.settle(&entries),
        Ok(Read::Full(catalog, _)) => drift.settle(&catalog.entries),
        Err(_) => 0,
    };
    match settled {
        0 => {}
        1 => notices
            .push("1 resource was changed by hand and is now as declared: it is not counted".to_owned()),
        count => {
            notices.push(format!(
                "{count} resources were changed by hand and are now as declared: they are not counted"
            ));
        }
    }
}

fn write_issues(
    context: &Context,
    report: &DriftReport,
    workspaces: &[String],
    file: &str,
) -> Result<(), CliError> {
    let write = |path: PathBuf, text: &str| -> Result<(), CliError> {
        files::write_atomically(&path, text.as_bytes())?;
        context.printer.note(&format!("wrote {}", path.display()));
        Ok(())
    };
    if file.contains("{workspace}") {
        for workspace in workspaces {
            write(PathBuf::from(file.replace("{workspace}", workspace)), &issue(report, workspace))?;
        }
        return Ok(());
    }
    write(Path::new(file).to_path_buf(), &markdown(report, context.global.workspace.as_deref()))
}
