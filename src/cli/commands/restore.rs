//! `restore`: brings back what was deleted.

use clap::Args;

use crate::cli::context::Context;
use crate::cli::error::{CliError, ExitStatus};
use crate::cli::project;
use crate::cli::records::Records;
use crate::cli::reverting::Base;
use crate::cli::signals::Signals;
use crate::cli::writing::{self, Job, WriteArgs};
use crate::engine::StateReader as _;
use crate::model::{Entry, ResourceKey};
use crate::plan::past;
use crate::plan::planner::COMMAND_OWNER;
use crate::plan::record::{Event, RecordedItem, Trail};

/// Bring back what was deleted
///
/// A soft deletion is undone: the row lives again with its id. What was removed for good is made anew from the record, with a
/// new id. What a resource needs must be there: name a deleted tenant together with its credentials.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  synthex restore tenant/acme\n  synthex restore tenant/acme credential/acme-shopify --yes\n  synthex restore tenant/acme --revision 41"
)]
pub struct RestoreArgs {
    /// The resources: KIND/WORKSPACE/NAME, or KIND/NAME where that is enough, such as tenant/acme
    #[arg(value_name = "KEY", required = true, num_args = 1..)]
    pub keys: Vec<String>,
    /// With the content that it had after this revision, instead of the last
    #[arg(long, value_name = "N")]
    pub revision: Option<i64>,
    /// The project, where there is no project file
    #[arg(long, value_name = "NAME")]
    pub project: Option<String>,
    #[command(flatten)]
    pub write: WriteArgs,
}

/// Runs `restore`.
///
/// # Errors
/// Nothing is on record of the resource, a guard refuses, or the database does not take it. Nothing was changed.
pub async fn restore(context: &Context, args: &RestoreArgs) -> Result<ExitStatus, CliError> {
    super::only_human_or_json(context)?;
    let signals = Signals::listen()?;
    let mut records = Records::open(context, "restore").await?;
    let mut entries = Vec::new();
    let mut notices = Vec::new();
    let mut owners = Vec::new();
    for word in &args.keys {
        let key = records.find(context, word).await?;
        match content(&mut records, &key, args.revision).await? {
            Some((entry, owner)) => {
                entries.push(entry);
                owners.push(owner);
            }
            None => notices.push(format!("{key} is not deleted")),
        }
    }
    // What commands made stays theirs: as a project's, the next apply that prunes would delete it again.
    let is_of_commands =
        !owners.is_empty() && owners.iter().all(|owner| owner.as_deref() == Some(COMMAND_OWNER));
    let project = args.project.as_deref().or(is_of_commands.then_some(COMMAND_OWNER));
    if project != Some(COMMAND_OWNER) {
        notices.extend(undeclared(&records, &entries));
    }
    records.connection.close().await;
    let mut planned = Base::open(context, project, "restore").await?.restore(entries).await?;
    planned.notices.splice(0..0, notices);
    let job = Job {
        command: "restore",
        args: &args.write,
        planned: &planned,
        note: args.revision.map(|revision| format!("as after revision {revision}")),
        is_agreed: false,
        may_plan_again: false,
        is_strict: false,
        auto_approve: None,
    };
    writing::carry_out(context, &job, &signals).await
}

/// What a deleted resource becomes, and whose it was; `None` where it is not deleted.
async fn content(
    records: &mut Records,
    key: &ResourceKey,
    revision: Option<i64>,
) -> Result<Option<(Entry, Option<String>)>, CliError> {
    let trail = records.trail(key).await?;
    let row = records.connection.rows(std::slice::from_ref(key)).await?.into_iter().next();
    match &row {
        Some(row) if !row.deleted => {
            return match revision {
                None => Ok(None),
                Some(revision) => Err(CliError::usage(format!("{key} is not deleted")).help(format!(
                    "synthex rollback --to {revision} --target {key} brings its content back"
                ))),
            };
        }
        None => {
            if let Some((name, since)) = &trail.renamed_to {
                return Err(CliError::usage(format!("{key} is not deleted"))
                    .why(format!("it is named {name} since revision {since}")));
            }
        }
        Some(_) => {}
    }
    let owner = match &row {
        Some(row) => row.owner.clone(),
        None => applied(&trail).next().map(|item| item.operation.project.clone()),
    };
    if let Some(revision) = revision {
        return after(key, &trail, revision).map(|entry| Some((entry, owner)));
    }
    if let Some(row) = row {
        return Ok(Some((past::entry(key, &row.canonical), owner)));
    }
    let last = applied(&trail).find_map(|item| {
        [&item.after, &item.before].into_iter().find(|content| content.is_object()).cloned()
    });
    match last {
        Some(content) => Ok(Some((past::entry(key, &content), owner))),
        None => Err(CliError::usage(format!("{key} cannot be restored"))
            .why("the record does not say what it was")
            .help("declare it in a manifest, and apply")),
    }
}

/// What a resource was after a revision.
fn after(key: &ResourceKey, trail: &Trail, revision: i64) -> Result<Entry, CliError> {
    let then = applied(trail).find(|item| item.operation.revision <= revision);
    if let Some(item) = then.filter(|item| item.after.is_object()) {
        return Ok(past::entry(key, &item.after));
    }
    let there: Vec<String> = applied(trail)
        .filter(|item| item.after.is_object())
        .map(|item| item.operation.revision.to_string())
        .take(10)
        .collect();
    let error = CliError::usage(format!("there was no {key} after revision {revision}"));
    Err(match there.as_slice() {
        [] => error.why("the record has no content of it"),
        there => error.help(format!("these revisions left it with a content: {}", there.join(", "))),
    })
}

fn applied(trail: &Trail) -> impl Iterator<Item = &RecordedItem> {
    trail.events.iter().filter_map(|event| match event {
        Event::Item(item, _) if item.is_applied() => Some(item),
        _ => None,
    })
}

/// What the next apply would make of it.
fn undeclared(records: &Records, entries: &[Entry]) -> Vec<String> {
    let Some(found) = records.found.as_ref().filter(|_| !entries.is_empty()) else { return Vec::new() };
    let Ok((catalog, _)) = project::load_valid(found) else {
        return vec![
            "the manifests could not be read: if they do not declare it, the next apply that prunes deletes it again"
                .to_owned(),
        ];
    };
    let is_declared =
        |key: &ResourceKey| catalog.entries.binary_search_by(|entry| entry.key.cmp(key)).is_ok();
    let missing = entries.iter().map(|entry| &entry.key).filter(|key| !is_declared(key));
    missing
        .map(|key| format!("no manifest declares {key}: the next apply that prunes deletes it again"))
        .collect()
}
