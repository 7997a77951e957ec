//! `--write`: a command that would change what a manifest declares changes the manifest.
//!
//! The database is not touched. The files are changed as a person would change them, shown as a diff, read again to see
//! that they declare what was asked and all else as before, and then written, all of them or none.

use std::collections::{HashMap, HashSet};
use std::path::Path;

use serde_json::{Value, json};

use crate::engine;
use crate::files::{self, Replacement};
use crate::manifest::edit::wanted::{Outcome, Planner, Refused};
use crate::manifest::edit::{Change, Edited, escape, verify};
use crate::manifest::problem::Target;
use crate::manifest::{Catalog, schema, validate, write};
use crate::model::{Diagnostic, Entry, ResourceKey, diagnostic};
use crate::plan::diff::differences;
use crate::plan::{Row, past};
use crate::report;

use super::args::Format;
use super::context::Context;
use super::desk::{self, Asked, Desk, OwnArgs, some};
use super::differing::{diff, painted};
use super::error::{CliError, ExitStatus};
use super::outcome::interrupted;
use super::planning::Planned;
use super::printer::write_stderr;
use super::project::{self, Found};
use super::prompt;
use super::replaced::{self, Texts};
use super::signals::Signals;
use super::writing::{Done, WriteArgs};

/// How a command is to go about it.
#[derive(Clone, Copy, Debug)]
pub struct Manner<'a> {
    /// The command, as it is recorded.
    pub command: &'a str,
    /// What is done about resources that a manifest declares.
    pub own: &'a OwnArgs,
    /// The options of every command that writes.
    pub write: &'a WriteArgs,
}

impl Desk<'_> {
    /// What a row comes to with a change. The change is remembered: with `--write` it is made to what the manifest declares,
    /// whatever else is in the row.
    ///
    /// # Errors
    /// The resource would not be valid.
    pub fn change(&mut self, row: &Row, change: Change) -> Result<Entry, CliError> {
        let canonical = change.over(&row.canonical);
        let problems = problems_of(&row.key, &canonical);
        if !problems.is_empty() {
            return Err(desk::invalid(problems));
        }
        self.changes.push(change);
        Ok(past::entry(&row.key, &canonical))
    }

    /// Remembers how rows were changed, for what is made of them: as [`Desk::change`] does.
    pub fn remember<'r>(&mut self, rows: impl IntoIterator<Item = &'r Row>, entries: &[Entry]) {
        let entries: HashMap<&ResourceKey, &Entry> =
            entries.iter().map(|entry| (&entry.key, entry)).collect();
        for row in rows {
            let Some(entry) = entries.get(&row.key) else { continue };
            let after = serde_json::from_str(&entry.canonical).unwrap_or_default();
            let mut change = Change { key: row.key.clone(), set: Vec::new(), unset: Vec::new() };
            for (path, _, after) in differences(&row.canonical, &after) {
                let steps: Vec<String> = path.iter().map(|step| escape(step)).collect();
                let top = if path.first().is_some_and(|step| step == "labels") { "" } else { "/spec" };
                let pointer = format!("{top}/{}", steps.join("/"));
                match after {
                    Some(value) => change.set.push((pointer, value)),
                    None => change.unset.push(pointer),
                }
            }
            self.changes.push(change);
        }
    }
}

/// What is wrong with a canonical spec.
fn problems_of(key: &ResourceKey, canonical: &Value) -> Vec<Diagnostic> {
    let kind = key.kind;
    let manifest = write::literally(key, canonical);
    let problem = |code, pointer: &str, message: String, help: Option<String>| {
        let mut problem = Diagnostic::error(code, message).about(key.to_string());
        problem.pointer = Some(pointer.to_owned());
        problem.help = help;
        problem
    };
    let found =
        validate::findings(schema::validator(kind), schema::cached(kind), &manifest, kind.hides_values);
    if !found.is_empty() {
        let placed = found.into_iter().map(|finding| match &finding.target {
            Target::Value(pointer) | Target::Key(pointer) => {
                problem(finding.code, pointer, finding.message, finding.help)
            }
            Target::Span(..) => problem(finding.code, "", finding.message, finding.help),
        });
        return placed.collect();
    }
    let spec = canonical.get("spec").cloned().unwrap_or_default();
    let admitted = (kind.admit)(spec).err().unwrap_or_default().into_iter();
    admitted
        .map(|found| problem(found.code, &format!("/spec{}", found.pointer), found.message, found.help))
        .collect()
}

/// Does what a command asks for: by a plan, or with `--write` in the manifests that declare it. `notices` go with a plan.
///
/// # Errors
/// Something belongs to somebody else, guards refuse, the manifests cannot say what is asked, the user declines, or what is
/// asked cannot be written. Nothing was changed.
pub async fn carry_out(
    context: &Context,
    desk: Desk<'_>,
    asked: Asked<'_>,
    manner: Manner<'_>,
    notices: Vec<String>,
    signals: &Signals,
) -> Result<Done, CliError> {
    match Box::pin(way(context, desk, asked, manner, signals)).await? {
        Way::Written(done) => Ok(done),
        Way::Planned(mut planned) => {
            planned.notices.splice(0..0, notices);
            Box::pin(desk::carry_out(context, manner.command, manner.write, &planned, signals)).await
        }
    }
}

/// How far a command came.
pub enum Way {
    /// There is a plan, which is still to be carried out.
    Planned(Box<Planned>),
    /// Manifests were changed, and nothing is left to do.
    Written(Done),
}

/// [`carry_out`] up to the plan; what is asked of manifests is done.
///
/// # Errors
/// As there.
pub async fn way(
    context: &Context,
    desk: Desk<'_>,
    asked: Asked<'_>,
    manner: Manner<'_>,
    signals: &Signals,
) -> Result<Way, CliError> {
    let Manner { command, own, write } = manner;
    let keys = asked.entries.iter().map(|entry| &entry.key).chain(&asked.gone);
    let keys: HashSet<ResourceKey> = keys.cloned().collect();
    let mut declared = None;
    if own.write {
        let found = desk.found.clone().ok_or_else(|| {
            CliError::usage("--write changes manifests, and there is no project here")
                .help("run it in the folder of the project, or name that with --file")
        })?;
        let (catalog, _) = project::load_valid(&found)?;
        must_be_declared(&catalog, &keys, command)?;
        declared = Some((found, catalog));
    }
    let Some((found, catalog)) = declared else {
        return Ok(Way::Planned(Box::new(Box::pin(desk.plan(asked, own)).await?)));
    };
    if asked.permanent {
        return Err(CliError::usage("--write cannot remove rows for good")
            .why("it takes resources out of manifests, and the next apply deletes them softly")
            .help("leave --permanent out; apply, and then delete for good"));
    }
    if write.expect_digest.is_some() {
        return Err(CliError::usage("--expect-digest is of plans, and --write makes none")
            .help("leave it out; review the files, and plan"));
    }
    let changes = desk.changes;
    desk.connection.close().await;
    let (edited, mut notes) = work_out(context, &found, &catalog, &asked, &changes)?;
    if !asked.gone.is_empty() && !found.project.spec.prune {
        notes.push(
            "the project does not prune, so the next apply leaves the rows: synthex apply --prune deletes them".to_owned(),
        );
    }
    settle(context, write, &edited, &notes, signals).await.map(Way::Written)
}

/// Refuses what no manifest declares: it would be changed in the database.
fn must_be_declared(catalog: &Catalog, keys: &HashSet<ResourceKey>, command: &str) -> Result<(), CliError> {
    let (declared, mut others): (Vec<_>, Vec<_>) = keys.iter().partition(|key| catalog.find(key).is_some());
    if others.is_empty() {
        return Ok(());
    }
    others.sort_unstable();
    let (count, total) = (others.len(), keys.len());
    let named = some(others.iter().map(ToString::to_string));
    let why = format!("--write changes manifests, and these are in the database alone: {named}");
    Err(if declared.is_empty() {
        CliError::new(ExitStatus::Refused, "undeclared", "no manifest declares what is to be changed")
            .why(why)
            .help("leave --write out: then it is changed in the database")
    } else {
        let what = format!("{count} of these {total} resources are declared by no manifest");
        CliError::new(ExitStatus::Refused, "mixed", what)
            .why(why)
            .help(format!("run `{command}` twice: for these without --write, and for the others with it"))
    })
}

/// The files with what is asked in them, checked.
fn work_out(
    context: &Context,
    found: &Found,
    catalog: &Catalog,
    asked: &Asked<'_>,
    changes: &[Change],
) -> Result<(Vec<Edited>, Vec<String>), CliError> {
    let mut planner = Planner::new(catalog);
    let mut by_key: HashMap<&ResourceKey, Vec<&Change>> = HashMap::new();
    for change in changes {
        by_key.entry(&change.key).or_default().push(change);
    }
    for entry in &asked.entries {
        match by_key.get(&entry.key) {
            Some(changes) => planner.change(&entry.key, changes),
            None => {
                let wanted = serde_json::from_str(&entry.canonical).unwrap_or_default();
                planner.become_as(&entry.key, &wanted);
            }
        }
    }
    for key in &asked.gone {
        planner.remove(key);
    }
    let Outcome { orders, wanted, notes } = planner.finish().map_err(unwritable)?;
    let edited = Planner::texts(catalog, &orders).map_err(unwritable)?;
    let texts: Texts = edited.iter().map(|file| (file.path.clone(), file.new.clone())).collect();
    let after = replaced::load(found, &texts).map_err(CliError::manifests)?;
    if diagnostic::has_errors(&after.diagnostics) {
        context.printer.note("With this change the manifests would have problems, so nothing was written:");
        return Err(CliError::manifests(after.diagnostics));
    }
    let different = verify::differences(catalog, &after.catalog, &wanted);
    if !different.is_empty() {
        let what = "the manifests would not declare exactly what is wanted, so nothing was written";
        let mut error = CliError::new(ExitStatus::Refused, "not-exact", what)
            .why(different.first().cloned().unwrap_or_default())
            .help("change the manifests by hand");
        error.also = different.into_iter().skip(1).take(20).collect();
        return Err(error);
    }
    Ok((edited, notes))
}

/// The manifests cannot say it.
fn unwritable(mut refused: Vec<Refused>) -> CliError {
    const MOST: usize = 20;
    let line = |refused: &Refused| {
        let key = refused.key.as_ref().map_or(String::new(), |key| format!("{key}: "));
        let place = refused.position.as_ref().map_or(String::new(), |place| format!(" ({place})"));
        format!("{key}{}{place}", refused.why)
    };
    refused.dedup();
    let count = refused.len();
    let what = match count {
        1 => "this change cannot be written into the manifests".to_owned(),
        _ => format!("{count} changes cannot be written into the manifests"),
    };
    let mut error = CliError::new(ExitStatus::Refused, "unwritable", what)
        .help("change the manifests by hand, or use --force, which holds until the next apply");
    let mut lines = refused.iter().map(line);
    error.why = lines.next().map(|first| format!("{first}; nothing was written"));
    error.also = lines.take(MOST).collect();
    if count > MOST + 1 {
        error.also.push(format!("and {} more", count - MOST - 1));
    }
    error
}

/// Shows the diffs, asks, writes.
async fn settle(
    context: &Context,
    write: &WriteArgs,
    edited: &[Edited],
    notes: &[String],
    signals: &Signals,
) -> Result<Done, CliError> {
    let is_json = context.global.format == Format::Json;
    let done = Done { status: ExitStatus::Success, applied: None };
    let show = |is_written: bool| {
        let file = |file: &Edited| {
            let action = if file.new.is_some() { "changed" } else { "removed" };
            json!({"path": file.path, "action": action, "diff": diff(file)})
        };
        context.printer.json(&json!({
            "format_version": "1.0",
            "written": is_written,
            "files": edited.iter().map(file).collect::<Vec<_>>(),
            "notes": notes,
            "next": if is_written { json!(NEXT) } else { Value::Null },
        }));
    };
    if !is_json {
        let text: String = edited.iter().map(|file| painted(&diff(file), &context.printer.stdout)).collect();
        context.printer.result(&text);
    }
    for note in notes {
        context.printer.note(&report::clean::clean(note));
    }
    if edited.is_empty() || write.dry_run {
        if is_json {
            show(false);
        }
        let words = if edited.is_empty() { "The manifests say so already." } else { "Nothing was written." };
        context.printer.note(words);
        return Ok(done);
    }
    context.printer.check().map_err(|mut error| {
        "the change could not be shown, so nothing was written".clone_into(&mut error.what);
        error.help("look at where standard output leads to")
    })?;
    if !write.yes && !confirm(context, signals).await? {
        return Err(CliError::new(ExitStatus::Error, "declined", "declined; nothing was written"));
    }
    let replacements: Vec<Replacement<'_>> = edited
        .iter()
        .map(|file| Replacement {
            path: Path::new(&file.path),
            old: file.old.as_bytes(),
            new: file.new.as_deref().map(str::as_bytes),
        })
        .collect();
    files::replace_all(&replacements).map_err(|error| match error.source.to_string() {
        why if why == files::CHANGED => {
            CliError::new(ExitStatus::Stale, "stale-file", format!("{} was changed", error.path.display()))
                .why(format!("{why}; nothing was written"))
                .help("look at the change, and run the command again")
        }
        _ => error.into(),
    })?;
    if is_json {
        show(true);
    } else {
        let count = edited.len();
        let plural = if count == 1 { "" } else { "s" };
        let text = format!(
            "Changed {count} file{plural}; the database is as it was. Next: {NEXT}, then synthex apply.\n"
        );
        context.printer.result(&text);
    }
    Ok(done)
}

const NEXT: &str = "synthex plan";

async fn confirm(context: &Context, signals: &Signals) -> Result<bool, CliError> {
    if !context.environment.is_interactive() {
        return Err(CliError::usage("--write would change files, and there is no terminal to ask on")
            .why("standard input or standard error is no terminal, and --yes was not given")
            .help("review the diff, then add --yes"));
    }
    tokio::select! {
        biased;
        () = engine::Interrupt::requested(signals) => {
            // The terminal shows `^C` behind the question.
            write_stderr("\n");
            Err(interrupted(signals))
        }
        answer = prompt::confirm("Write these changes?") => answer,
    }
}
