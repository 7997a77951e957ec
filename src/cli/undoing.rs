//! From one operation on record to the plan that takes exactly that operation back, and nothing that was done since.

use std::collections::HashMap;

use crate::model::{Entry, ResourceKey};
use crate::plan::guards::permanent;
use crate::plan::past;
use crate::plan::planner::COMMAND_OWNER;
use crate::plan::record::{Recorded, RecordedItem};
use crate::plan::{ActionKind, Head};
use crate::store::Later;
use crate::store::history::Wanted;

use super::desk::{Asked, Desk, OwnArgs};
use super::error::{CliError, ExitStatus};
use super::planning::Planned;

/// The plan, and what it is about.
pub struct Undoing {
    /// The plan.
    pub planned: Planned,
    /// The operation that it takes back.
    pub operation: Recorded,
    /// What it touches.
    pub keys: Vec<ResourceKey>,
}

/// What becomes of the items.
#[derive(Default)]
struct Reverse {
    entries: Vec<Entry>,
    /// Removed for good: they were not there.
    removed: Vec<ResourceKey>,
    /// Deleted softly: they were, deleted.
    deleted: Vec<ResourceKey>,
    notices: Vec<String>,
}

/// Makes the plan that takes an operation back; where one workspace is named, nothing of it may be outside.
///
/// # Errors
/// There is no such operation, it is a project's, it changed nothing, or something of it was changed since.
pub async fn undo(
    mut desk: Desk<'_>,
    revision: i64,
    only: Option<&str>,
    own: &OwnArgs,
) -> Result<Undoing, CliError> {
    let wanted = Wanted { revision: Some(revision), ..Wanted::default() };
    let found = desk.connection.operations(&wanted).await?.into_iter().next();
    let Some(operation) = found else {
        return Err(super::commands::batch::show::none(&revision.to_string()));
    };
    if operation.project != COMMAND_OWNER {
        return Err(CliError::usage(format!(
            "operation {revision} is an apply of project `{}`",
            operation.project
        ))
        .why("here the operations of commands are taken back, one by one")
        .help(format!(
            "to go back to the state before it: synthex rollback --to N, with the revision before {revision}"
        )));
    }
    let items: Vec<RecordedItem> =
        desk.connection.items(revision, None).await?.into_iter().filter(RecordedItem::is_applied).collect();
    if items.is_empty() {
        return Err(CliError::usage(format!("operation {revision} changed nothing"))
            .why(format!("it is on record as {}", operation.status))
            .help("`synthex batch list` shows the others"));
    }
    let outside = items.iter().find(|item| only.is_some_and(|only| *item.key.workspace != *only));
    if let Some(item) = outside {
        return Err(CliError::usage(format!(
            "operation {revision} changed workspace `{}` too",
            item.key.workspace
        ))
        .why("it is taken back as a whole; nothing was changed")
        .help("leave out --workspace"));
    }
    refuse_what_moved_on(&mut desk, revision, &items).await?;
    let reverse = reverse(&items);
    let keys: Vec<ResourceKey> = items.iter().map(|item| item.key.clone()).collect();
    let gone = reverse.removed.iter().chain(&reverse.deleted).cloned().collect();
    let permanent = !reverse.removed.is_empty();
    let asked = Asked { entries: reverse.entries, gone, permanent, is_named: true, ..Asked::default() };
    let mut planned = desk.plan(asked, own).await?;
    for action in &mut planned.plan.actions {
        if action.kind == ActionKind::Delete && reverse.deleted.contains(&action.key) {
            action.permanent = false;
        }
    }
    // What the operation made is on record, and can be made again from there.
    planned.plan.refusals.retain(|refusal| refusal.code != permanent::CODE);
    planned.digest = planned.plan.digest();
    planned.notices.extend(reverse.notices);
    Ok(Undoing { planned, operation, keys })
}

/// Refuses to take back what is not as the operation left it. What was changed and changed back since is.
async fn refuse_what_moved_on(
    desk: &mut Desk<'_>,
    revision: i64,
    items: &[RecordedItem],
) -> Result<(), CliError> {
    let moved: Vec<&RecordedItem> =
        items.iter().filter(|item| !is_as_left(item, desk.head(&item.key))).collect();
    if moved.is_empty() {
        return Ok(());
    }
    let later = desk.connection.later_than(revision).await?;
    let later: HashMap<&ResourceKey, &Later> = later.iter().map(|later| (&later.key, later)).collect();
    let was_undone =
        moved.iter().all(|item| later.get(&item.key).is_some_and(|later| later.command == "batch rollback"));
    let words = |item: &&RecordedItem| {
        let key = &item.key;
        // What was written by hand last says nothing of operations before.
        match later.get(key).filter(|_| !desk.head(key).is_some_and(|head| head.touched)) {
            Some(Later { revision, command, actor, .. }) => {
                format!("{key} was changed by operation {revision} ({command}, {actor})")
            }
            None => format!("{key} was changed by hand"),
        }
    };
    let lines: Vec<String> = moved.iter().map(words).collect();
    let what = match lines.as_slice() {
        [one] => format!("operation {revision} cannot be taken back: {one}"),
        many => format!(
            "operation {revision} cannot be taken back: {} of its {} items were changed since",
            many.len(),
            items.len()
        ),
    };
    let error = CliError::new(ExitStatus::Refused, "changed-since", what).why("nothing was changed");
    let mut error = error.help(match was_undone {
        true => "it seems to have been taken back already: synthex batch list",
        false => {
            "take the later operations back first, the newest first; what was done to one: synthex history KEY"
        }
    });
    error.also = lines;
    Err(error)
}

/// Whether a row is as an item left it.
fn is_as_left(item: &RecordedItem, head: Option<&Head>) -> bool {
    match (item.action, head) {
        (ActionKind::Delete, None) => item.permanent,
        (ActionKind::Delete, Some(head)) => !item.permanent && head.deleted && !head.touched,
        (_, None) => false,
        (_, Some(head)) => {
            !head.deleted && !head.touched && head.digest == Some(past::entry(&item.key, &item.after).digest)
        }
    }
}

fn reverse(items: &[RecordedItem]) -> Reverse {
    let mut reverse = Reverse::default();
    for item in items {
        let key = &item.key;
        match item.action {
            ActionKind::Create => reverse.removed.push(key.clone()),
            ActionKind::Restore => {
                reverse.deleted.push(key.clone());
                if item.before != item.after {
                    reverse.notices.push(format!("{key} is deleted again, with the content that it has now"));
                }
            }
            ActionKind::Update | ActionKind::Adopt | ActionKind::Delete | ActionKind::Rename => {
                reverse.entries.push(past::entry(key, &item.before));
                if item.action == ActionKind::Adopt {
                    reverse.notices.push(format!(
                        "{key} was not made by commands: its fields go back, its owner stays `cli`"
                    ));
                }
                if item.permanent {
                    reverse.notices.push(format!("{key} was removed for good: it comes back with a new id"));
                }
            }
        }
    }
    const MOST: usize = 20;
    if reverse.notices.len() > MOST {
        let more = reverse.notices.len() - MOST;
        reverse.notices.truncate(MOST);
        reverse.notices.push(format!("and so of {more} more"));
    }
    reverse
}
