//! Executes a plan: leases, one transaction, set-based writes, the record, a check that nothing is left to do, commit.
//!
//! Until the commit is sent, an interruption leaves the state as it was. From then on the outcome is waited for, and if
//! the connection breaks it is looked up. There is nothing in between.

use std::collections::{HashMap, HashSet};
use std::future::Future;
use std::time::Duration;

use thiserror::Error;

use crate::model::ResourceKey;
use crate::plan::{Plan, Summary};

use super::keep_alive::{keep_alive, lost_or};
use super::lease::{Holder, LeaseGrant, LeaseNews};
use super::partial::LeftOut;
use super::rows::write_rows;
use super::state::{
    CommitOutcome, Item, ItemOutcome, Operation, OperationStatus, StateError, StateErrorKind, StateWriter,
    WriteTransaction,
};

/// How long a lease lasts without a heartbeat.
pub const LEASE_TTL: Duration = Duration::from_secs(15);

/// What is said when it is not known, or was only found out afterwards, whether a commit took place.
pub const BROKEN_COMMIT: &str = "the connection broke during the commit";

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
    /// A lease of another holder without which nothing is written.
    pub under: Option<LeaseGrant>,
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
    /// The connection broke during the commit, and whether it took place could not be found out.
    #[error("whether it was applied is not known")]
    OutcomeUnknown(#[source] StateError),
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
                Err(error) => Err(ApplyError::OutcomeUnknown(
                    StateError::new(error.kind, BROKEN_COMMIT)
                        .why(format!("whether it took place could not be found out: {}", error.what))
                        .help(
                            "run plan: it shows whether anything is left to do; running apply again is safe",
                        ),
                )),
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
    let mut grant = writer.take_leases(&request.holder, &workspaces, LEASE_TTL, wait, &mut hear).await?;
    grant.under = request.under.clone().map(Box::new);
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
