//! Executes a plan: leases, one transaction, set-based writes, the record, a check that nothing is left to do, commit.
//!
//! Until the commit is sent, an interruption leaves the state as it was. From then on the outcome is waited for, and if
//! the connection breaks it is looked up. There is nothing in between.

use std::collections::{HashMap, HashSet};
use std::future::Future;
use std::time::Duration;

use serde_json::Value;
use thiserror::Error;

use crate::model::ResourceKey;
use crate::plan::diff::differences;
use crate::plan::{Action, ActionKind, Plan, Row, Summary};

use super::keep_alive::{keep_alive, lost_or};
use super::lease::{Holder, LeaseGrant, LeaseNews};
use super::partial::{Isolation, LeftOut};
use super::state::{
    CommitOutcome, Item, ItemOutcome, Operation, OperationStatus, StateError, StateErrorKind, StateWriter,
    WriteTransaction,
};

/// How long a lease lasts without a heartbeat.
pub const LEASE_TTL: Duration = Duration::from_secs(15);

/// What is said when it is not known, or was only found out afterwards, whether a commit took place.
pub const BROKEN_COMMIT: &str = "the connection broke during the commit";

/// How many rows one statement writes.
const BATCH: usize = 1000;

/// How many rows are read back at a time.
const READ_BACK: usize = 5000;

/// What an apply is asked to do.
#[derive(Clone, Debug)]
pub struct ApplyRequest<'a> {
    /// The plan. It has no refusals.
    pub plan: &'a Plan,
    /// Who is working.
    pub holder: Holder,
    /// What is recorded.
    pub operation: Operation,
    /// How long to wait for leases that others hold.
    pub lock_timeout: Duration,
    /// What happens when one change cannot be made.
    pub on_error: OnError,
    /// Resources that are declared wrongly and are therefore not in the plan; of use with [`OnError::Continue`].
    pub unusable: HashSet<ResourceKey>,
}

/// What happens when one change cannot be made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnError {
    /// Nothing is changed.
    #[default]
    Stop,
    /// Each tenant, with what depends on it, stands or falls alone; the rest is changed.
    Continue,
}

/// What an apply is busy with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Installing or upgrading the schema.
    Migrate,
    /// Taking leases.
    Lease,
    /// Writing rows.
    Write,
    /// Writing the record.
    Record,
    /// Checking that nothing is left to do.
    Verify,
    /// Committing.
    Commit,
}

/// Hears how far an apply is.
pub trait Progress {
    /// A phase begins.
    fn phase(&mut self, phase: Phase);
    /// So many rows have been written.
    fn written(&mut self, rows: usize);
    /// It waits for a lease, or has taken one over.
    fn lease(&mut self, _: &LeaseNews) {}
}

/// Nobody listens.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoProgress;

impl Progress for NoProgress {
    fn phase(&mut self, _: Phase) {}
    fn written(&mut self, _: usize) {}
}

/// Tells when to stop.
pub trait Interrupt {
    /// Returns once the user wants the work to stop.
    fn requested(&self) -> impl Future<Output = ()>;
}

/// What an apply did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Applied {
    /// The number of the operation.
    pub revision: i64,
    /// What was left out, by its place in the plan.
    pub left_out: HashMap<usize, LeftOut>,
}

/// Why an apply did nothing.
#[derive(Debug, Error)]
pub enum ApplyError {
    /// The store could not.
    #[error("nothing was applied")]
    State(#[from] StateError),
    /// The user stopped it.
    #[error("stopped before anything was written")]
    Interrupted,
    /// After writing, planning again would not be empty. The transaction was rolled back.
    #[error("the rows as written are not what was declared, so nothing was applied")]
    NotConverged {
        /// The resource and its fields.
        left: Vec<(ResourceKey, Vec<String>)>,
    },
    /// Each change stood for itself, and none could be made.
    #[error("no change could be made")]
    NothingLeft {
        /// By the place in the plan.
        left_out: HashMap<usize, LeftOut>,
    },
}

/// Executes a plan.
///
/// # Errors
/// In every case but one the state is as it was. The one: the connection broke during the commit and the outcome could
/// not be looked up either; the error says so.
pub async fn apply<W: StateWriter>(
    writer: &mut W,
    request: &ApplyRequest<'_>,
    progress: &mut impl Progress,
    interrupt: &impl Interrupt,
) -> Result<Applied, ApplyError> {
    let prepared = tokio::select! {
        biased;
        () = interrupt.requested() => Err(ApplyError::Interrupted),
        prepared = prepare(writer, request, progress) => prepared,
    };
    let outcome = match prepared {
        Ok((grant, mut keeper)) => write_all(writer, &mut keeper, request, &grant, progress, interrupt).await,
        Err(error) => Err(error),
    };
    match outcome {
        Ok((CommitOutcome::Committed, applied)) => Ok(applied),
        Ok((CommitOutcome::Unknown, applied)) => {
            match writer.was_committed(request.operation.id, &request.plan.workspaces()).await {
                Ok(true) => Ok(applied),
                Ok(false) => {
                    let error = StateError::new(StateErrorKind::Unreachable, BROKEN_COMMIT)
                        .why("the database was asked afterwards, and the commit did not take place")
                        .help("run apply again");
                    Err(error.into())
                }
                Err(error) => Err(StateError::new(error.kind, BROKEN_COMMIT)
                    .why(format!("whether it took place could not be found out: {}", error.what))
                    .help("run plan: it shows whether anything is left to do; running apply again is safe")
                    .into()),
            }
        }
        Err(error) => {
            // A lease that cannot be given back runs out by itself.
            if let Err(release) = writer.release(&request.holder).await {
                tracing::debug!(error = %release, "the leases were not given back and run out in {LEASE_TTL:?}");
            }
            Err(error)
        }
    }
}

async fn prepare<W: StateWriter>(
    writer: &mut W,
    request: &ApplyRequest<'_>,
    progress: &mut impl Progress,
) -> Result<(LeaseGrant, W::Keeper), ApplyError> {
    progress.phase(Phase::Migrate);
    writer.migrate().await?;
    progress.phase(Phase::Lease);
    let workspaces = request.plan.workspaces();
    let mut hear = |news: LeaseNews| progress.lease(&news);
    let wait = request.lock_timeout;
    let grant = writer.take_leases(&request.holder, &workspaces, LEASE_TTL, wait, &mut hear).await?;
    let keeper = writer.keeper(&grant).await?;
    Ok((grant, keeper))
}

async fn write_all<W: StateWriter>(
    writer: &mut W,
    keeper: &mut W::Keeper,
    request: &ApplyRequest<'_>,
    grant: &LeaseGrant,
    progress: &mut impl Progress,
    interrupt: &impl Interrupt,
) -> Result<(CommitOutcome, Applied), ApplyError> {
    let until_commit = async {
        let mut transaction = writer.begin(grant).await?;
        let left_out = write_rows(&mut transaction, request, progress).await?;
        progress.phase(Phase::Record);
        let revision = record(&mut transaction, request, &left_out).await?;
        transaction.release(&request.holder).await?;
        Ok::<_, ApplyError>((transaction, Applied { revision, left_out }))
    };
    let done = tokio::select! {
        biased;
        () = interrupt.requested() => return Err(ApplyError::Interrupted),
        lost = keep_alive(keeper, grant) => return Err(lost.into()),
        done = until_commit => done,
    };
    let (transaction, applied) = match done {
        Err(ApplyError::State(error)) if error.kind == StateErrorKind::Unreachable => {
            return Err(lost_or(keeper, error).await.into());
        }
        done => done?,
    };
    progress.phase(Phase::Commit);
    Ok((transaction.commit().await?, applied))
}

/// Writes all rows and reads them back. Returns what was left out, which is nothing unless the request allows it.
async fn write_rows(
    transaction: &mut impl WriteTransaction,
    request: &ApplyRequest<'_>,
    progress: &mut impl Progress,
) -> Result<HashMap<usize, LeftOut>, ApplyError> {
    let Plan { project, actions, .. } = request.plan;
    let mut written = 0;
    progress.phase(Phase::Write);
    if request.on_error == OnError::Stop {
        for batch in batches(actions.iter()) {
            transaction.write(project, &batch).await?;
            written += batch.len();
            progress.written(written);
        }
        progress.phase(Phase::Verify);
        let left = verify(transaction, project, actions.iter()).await?;
        return if left.is_empty() { Ok(HashMap::new()) } else { Err(ApplyError::NotConverged { left }) };
    }
    let places: HashMap<&ResourceKey, usize> =
        actions.iter().enumerate().map(|(index, action)| (&action.key, index)).collect();
    let mut isolation = Isolation::new(actions, &request.unusable);
    transaction.mark().await?;
    loop {
        let before = isolation.left_out().len();
        if before == actions.len() {
            return Err(ApplyError::NothingLeft { left_out: isolation.left_out().clone() });
        }
        written = 0;
        for batch in batches(isolation.remaining().map(|(_, action)| action)) {
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
            progress.phase(Phase::Verify);
            let left = verify(transaction, project, isolation.remaining().map(|(_, action)| action)).await?;
            if left.is_empty() {
                return Ok(isolation.left_out().clone());
            }
            let why = |fields: Vec<String>| format!("written, but not as declared: {}", fields.join(", "));
            isolation
                .fail(left.into_iter().filter_map(|(key, fields)| Some((*places.get(&key)?, why(fields)))));
            progress.phase(Phase::Write);
        }
        // What belongs to something that failed may be written already: once more, without it.
        transaction.back_to_mark().await?;
    }
}

async fn record(
    transaction: &mut impl WriteTransaction,
    request: &ApplyRequest<'_>,
    left_out: &HashMap<usize, LeftOut>,
) -> Result<i64, ApplyError> {
    let actions = &request.plan.actions;
    let outcome = |index: usize| match left_out.get(&index) {
        None => ItemOutcome::Applied,
        Some(LeftOut::Failed(why)) => ItemOutcome::Failed(why),
        Some(LeftOut::Skipped(why)) => ItemOutcome::Skipped(why),
    };
    let items: Vec<Item<'_>> =
        actions.iter().enumerate().map(|(index, action)| Item { action, outcome: outcome(index) }).collect();
    if left_out.is_empty() {
        return Ok(transaction.record(&request.operation, &items).await?);
    }
    let done = items.iter().filter(|item| item.outcome == ItemOutcome::Applied);
    let operation = Operation {
        status: OperationStatus::PartlyApplied,
        summary: Summary::of(done.map(|item| item.action)),
        ..request.operation.clone()
    };
    Ok(transaction.record(&operation, &items).await?)
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
async fn verify<'a>(
    transaction: &mut impl WriteTransaction,
    project: &str,
    actions: impl Iterator<Item = &'a Action>,
) -> Result<Vec<(ResourceKey, Vec<String>)>, ApplyError> {
    let mut left = Vec::new();
    let actions: Vec<&Action> = actions.collect();
    // In parts, because whole rows take far more memory than the plan itself.
    for part in actions.chunks(READ_BACK) {
        let keys: Vec<ResourceKey> = part.iter().map(|action| action.key.clone()).collect();
        let rows = transaction.rows(&keys).await?;
        let rows: HashMap<_, _> = rows.into_iter().map(|row| (row.key.clone(), row)).collect();
        for action in part {
            let fields = amiss(project, action, rows.get(&action.key));
            if !fields.is_empty() {
                left.push((action.key.clone(), fields));
            }
        }
    }
    Ok(left)
}

/// The fields of a row that are not as an action should have left them.
fn amiss(project: &str, action: &Action, row: Option<&Row>) -> Vec<String> {
    let wants_deleted = action.kind == ActionKind::Delete;
    let Some(row) = row else {
        return if wants_deleted { Vec::new() } else { vec!["(the whole row)".to_owned()] };
    };
    if wants_deleted || row.deleted {
        return if wants_deleted == row.deleted { Vec::new() } else { vec!["(deleted)".to_owned()] };
    }
    let after: Value =
        action.after.as_deref().and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
    let mut fields: Vec<_> =
        differences(&row.canonical, &after).into_iter().map(|(path, _, _)| path.join(".")).collect();
    if row.owner.as_deref() != Some(project) {
        fields.push("(owner)".to_owned());
    }
    fields
}
