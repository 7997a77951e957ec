//! Writes a plan's rows in sets, and reads them back: all or nothing, or each tenant for itself.

use std::collections::HashMap;

use serde_json::Value;

use crate::model::ResourceKey;
use crate::plan::diff::differences;
use crate::plan::planner::COMMAND_OWNER;
use crate::plan::{Action, ActionKind, Plan, Row};

use super::apply::{ApplyError, ApplyRequest, OnError, Phase, Progress};
use super::needs::{Violation, stale, still_needed, unmet};
use super::partial::{Isolation, LeftOut};
use super::state::{ReadBack, StateError, StateErrorKind, WriteTransaction};

/// How many rows one statement writes.
const BATCH: usize = 1000;

/// How many rows are read back in one statement. Each statement goes through the whole table, so few are better than many;
/// an answer must come within the time that the database is given.
const READ_BACK: usize = 50_000;

/// Writes all rows and reads them back. Returns what was left out, which is nothing unless the request allows it.
pub(super) async fn write_rows(
    transaction: &mut impl WriteTransaction,
    request: &ApplyRequest<'_>,
    progress: &mut impl Progress,
) -> Result<HashMap<usize, LeftOut>, ApplyError> {
    let Plan { project, actions, .. } = request.plan;
    progress.phase(Phase::Write);
    if request.on_error == OnError::Continue {
        return write_what_can_be(transaction, request, progress).await;
    }
    let all: Vec<&Action> = actions.iter().collect();
    if let Some(stale) = stale(&unmet(transaction, &all).await?) {
        return Err(stale.into());
    }
    let batches = batches(all.iter().copied());
    let mut written = 0;
    let mut hear = |count| {
        written += count;
        progress.written(written);
    };
    if let Err((place, error)) = transaction.write(project, &batches, &mut hear).await {
        let batch = batches.get(place).map_or(&[][..], Vec::as_slice);
        return Err(reason(transaction, batch, error).await.into());
    }
    progress.phase(Phase::Verify);
    let left = verify(transaction, project, &all).await?;
    if !left.is_empty() {
        return Err(ApplyError::NotConverged { left });
    }
    match stale(&still_needed(transaction, &all).await?) {
        Some(stale) => Err(stale.into()),
        None => Ok(HashMap::new()),
    }
}

/// Why a set could not be written: where a foreign key keeps rows from being removed for good, the rows that need them are
/// named, and not the key.
async fn reason(transaction: &mut impl WriteTransaction, batch: &[&Action], error: StateError) -> StateError {
    let removes = batch.iter().any(|action| action.kind == ActionKind::Delete && action.permanent);
    if !removes || error.kind != StateErrorKind::Rejected {
        return error;
    }
    let violations = still_needed(transaction, batch).await;
    violations.ok().and_then(|violations| stale(&violations)).unwrap_or(error)
}

/// Each tenant for itself: in rounds, until one of them leaves nothing more out.
async fn write_what_can_be(
    transaction: &mut impl WriteTransaction,
    request: &ApplyRequest<'_>,
    progress: &mut impl Progress,
) -> Result<HashMap<usize, LeftOut>, ApplyError> {
    let Plan { project, actions, .. } = request.plan;
    let places: HashMap<&ResourceKey, usize> =
        actions.iter().enumerate().map(|(index, action)| (&action.key, index)).collect();
    let mut isolation = Isolation::new(actions, &request.unusable);
    let left_out = |violation: Violation<'_>| {
        let why = if request.unusable.contains(&violation.other) {
            LeftOut::Skipped(format!("{}, and that is declared wrongly", violation.why))
        } else if places.contains_key(&violation.other) {
            LeftOut::Skipped(violation.words())
        } else {
            LeftOut::Failed(violation.words())
        };
        Some((*places.get(&violation.action.key)?, why))
    };
    let remaining: Vec<&Action> = isolation.remaining().map(|(_, action)| action).collect();
    let unmet = unmet(transaction, &remaining).await?;
    isolation.leave_out(unmet.into_iter().filter_map(left_out));
    transaction.mark().await?;
    // Constraints that are otherwise checked at the commit are checked row by row, once one of them was violated.
    let mut one_by_one = false;
    loop {
        let before = isolation.left_out().len();
        if before == actions.len() {
            return Err(ApplyError::NothingLeft { left_out: isolation.left_out().clone() });
        }
        let mut written = 0;
        let remaining = isolation.remaining().map(|(_, action)| action);
        let batches =
            if one_by_one { remaining.map(|action| vec![action]).collect() } else { batches(remaining) };
        for batch in batches {
            // Something before it in this round may have taken part of it out.
            let batch: Vec<&Action> = batch
                .into_iter()
                .filter(|action| {
                    places.get(&action.key).is_some_and(|place| !isolation.left_out().contains_key(place))
                })
                .collect();
            let failed = transaction.write_what_can_be(project, &batch).await?;
            written += batch.len() - failed.len();
            progress.written(written);
            if !failed.is_empty() {
                let failed = failed.into_iter();
                isolation
                    .fail(failed.filter_map(|(index, why)| Some((*places.get(&batch[index].key)?, why))));
            }
        }
        if isolation.left_out().len() == before {
            if one_by_one || transaction.constraints_hold().await? {
                progress.phase(Phase::Verify);
                let remaining: Vec<&Action> = isolation.remaining().map(|(_, action)| action).collect();
                let left = verify(transaction, project, &remaining).await?;
                if left.is_empty() {
                    let still_needed = still_needed(transaction, &remaining).await?;
                    if still_needed.is_empty() {
                        return Ok(isolation.left_out().clone());
                    }
                    isolation.leave_out(still_needed.into_iter().filter_map(left_out));
                } else {
                    let why =
                        |fields: Vec<String>| format!("written, but not as declared: {}", fields.join(", "));
                    isolation.fail(
                        left.into_iter().filter_map(|(key, fields)| Some((*places.get(&key)?, why(fields)))),
                    );
                }
                progress.phase(Phase::Write);
            } else {
                one_by_one = true;
            }
        }
        // What belongs to something that failed may be written already: once more, without it.
        transaction.back_to_mark().await?;
        if one_by_one {
            transaction.check_at_once().await?;
        }
    }
}

/// Runs of actions on one kind of resource that one statement can write, in the plan's order.
fn batches<'a>(actions: impl Iterator<Item = &'a Action>) -> Vec<Vec<&'a Action>> {
    let shape = |action: &Action| {
        let statement = match action.kind {
            // The order counts, and there are few: a new name must have been given up by the one before.
            ActionKind::Rename => return None,
            ActionKind::Create => 0,
            ActionKind::Update | ActionKind::Restore | ActionKind::Adopt => 1,
            ActionKind::Delete if action.permanent => 3,
            ActionKind::Delete => 2,
        };
        Some((action.key.kind.rank, statement))
    };
    // Within one kind the order of statements is free: gather by shape, keeping the order of kinds and of deletes.
    type Shape = Option<(u8, u8)>;
    let mut runs: Vec<(Shape, Vec<&Action>)> = Vec::new();
    for action in actions {
        let wanted = shape(action);
        let same_kind = |have: &Option<(u8, u8)>| {
            have.is_some() && have.map(|(rank, _)| rank) == wanted.map(|(rank, _)| rank)
        };
        let mut candidates = runs.iter_mut().rev().take_while(|(have, _)| same_kind(have));
        match candidates.find(|(have, _)| *have == wanted) {
            Some((_, run)) => run.push(action),
            None => runs.push((wanted, vec![action])),
        }
    }
    runs.into_iter()
        .flat_map(|(_, run)| run.chunks(BATCH).map(<[&Action]>::to_vec).collect::<Vec<_>>())
        .collect()
}

/// Reads back what was written and compares it with what was declared: planning again would be empty. Returns what is not
/// as it should be.
async fn verify(
    transaction: &mut impl WriteTransaction,
    project: &str,
    actions: &[&Action],
) -> Result<Vec<(ResourceKey, Vec<String>)>, ApplyError> {
    let mut left = Vec::new();
    for part in actions.chunks(READ_BACK) {
        let found = transaction.read_back(part).await?;
        for (index, action) in part.iter().enumerate() {
            let fields = amiss(project, action, found.get(index).unwrap_or(&ReadBack::Absent));
            if !fields.is_empty() {
                left.push((action.key.clone(), fields));
            }
        }
    }
    Ok(left)
}

/// The fields of a row that are not as an action should have left them.
fn amiss(project: &str, action: &Action, found: &ReadBack) -> Vec<String> {
    let wants_deleted = action.kind == ActionKind::Delete;
    let (mut fields, owner) = match found {
        ReadBack::Absent if wants_deleted => return Vec::new(),
        ReadBack::Absent => return vec!["(the whole row)".to_owned()],
        ReadBack::AsWritten { .. } if wants_deleted => return vec!["(deleted)".to_owned()],
        ReadBack::AsWritten { owner } => (Vec::new(), owner.as_deref()),
        ReadBack::Row(row) if wants_deleted || row.deleted => {
            return if wants_deleted == row.deleted { Vec::new() } else { vec!["(deleted)".to_owned()] };
        }
        ReadBack::Row(row) => (different(row, action), row.owner.as_deref()),
    };
    // Commands leave rows to whom they belong.
    let is_kept = project == COMMAND_OWNER && owner.is_some();
    if owner != Some(project) && !is_kept {
        fields.push("(owner)".to_owned());
    }
    fields
}

/// The fields in which a row is not what an action writes.
fn different(row: &Row, action: &Action) -> Vec<String> {
    let written: Value =
        action.written().and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default();
    differences(&row.canonical, &written).into_iter().map(|(path, _, _)| path.join(".")).collect()
}
