//! Executes a plan: leases, one transaction, set-based writes, the record, a check that nothing is left to do, commit.
//!
//! Until the commit is sent, an interruption leaves the state as it was. From then on the outcome is waited for, and if
//! the connection breaks it is looked up. There is nothing in between.

use std::collections::HashMap;
use std::future::Future;
use std::time::Duration;

use serde_json::Value;
use thiserror::Error;

use crate::model::ResourceKey;
use crate::plan::diff::differences;
use crate::plan::{Action, ActionKind, Plan, Row};

use super::state::{
    CommitOutcome, Holder, LeaseGrant, LeaseKeeper, Operation, StateError, StateErrorKind, StateWriter,
    WriteTransaction,
};

/// How long a lease lasts without a heartbeat.
pub const LEASE_TTL: Duration = Duration::from_secs(15);

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
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Applied {
    /// The number of the operation.
    pub revision: i64,
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
        Ok((CommitOutcome::Committed, revision)) => Ok(Applied { revision }),
        Ok((CommitOutcome::Unknown, revision)) => match writer
            .was_committed(request.operation.id, &request.plan.workspaces())
            .await
        {
            Ok(true) => Ok(Applied { revision }),
            Ok(false) => {
                let error =
                    StateError::new(StateErrorKind::Unreachable, "the connection broke during the commit")
                        .why("the database was asked afterwards, and the commit did not take place")
                        .help("run apply again");
                Err(error.into())
            }
            Err(error) => Err(StateError::new(error.kind, "the connection broke during the commit")
                .why(format!("whether it took place could not be found out: {}", error.what))
                .help("run plan: it shows whether anything is left to do; running apply again is safe")
                .into()),
        },
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
    let grant = writer.take_leases(&request.holder, &workspaces, LEASE_TTL, request.lock_timeout).await?;
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
) -> Result<(CommitOutcome, i64), ApplyError> {
    let until_commit = async {
        let mut transaction = writer.begin(grant).await?;
        progress.phase(Phase::Write);
        let mut written = 0;
        for batch in batches(&request.plan.actions) {
            transaction.write(&request.plan.project, &batch).await?;
            written += batch.len();
            progress.written(written);
        }
        progress.phase(Phase::Record);
        let revision = transaction.record(&request.operation, &request.plan.actions).await?;
        progress.phase(Phase::Verify);
        verify(&mut transaction, &request.plan.project, &request.plan.actions).await?;
        transaction.release(&request.holder).await?;
        Ok::<_, ApplyError>((transaction, revision))
    };
    let (transaction, revision) = tokio::select! {
        biased;
        () = interrupt.requested() => return Err(ApplyError::Interrupted),
        lost = keep_alive(keeper, grant) => return Err(lost.into()),
        done = until_commit => done?,
    };
    progress.phase(Phase::Commit);
    Ok((transaction.commit().await?, revision))
}

/// Beats until a lease is lost. A beat that merely fails is tried again until the lease would have run out: the writing
/// transaction holds the lease's row anyway.
async fn keep_alive(keeper: &mut impl LeaseKeeper, grant: &LeaseGrant) -> StateError {
    let mut failures = 0;
    loop {
        tokio::time::sleep(grant.ttl / 3).await;
        match keeper.beat().await {
            Ok(()) => failures = 0,
            Err(error) if error.kind == StateErrorKind::LeaseLost => return error,
            Err(error) => {
                failures += 1;
                tracing::debug!(error = %error, failures, "a heartbeat did not reach the database");
            }
        }
    }
}

/// Runs of actions on one kind of resource that one statement can write, in the plan's order.
fn batches(actions: &[Action]) -> Vec<Vec<&Action>> {
    let shape = |action: &Action| {
        let statement = match action.kind {
            ActionKind::Create => 0,
            ActionKind::Update | ActionKind::Restore | ActionKind::Adopt => 1,
            ActionKind::Delete => 2,
            ActionKind::Rename => 3,
        };
        (action.key.kind.rank, statement)
    };
    // Within one kind the order of statements is free: gather by shape, keeping the order of kinds and of deletes.
    let mut runs: Vec<((u8, u8), Vec<&Action>)> = Vec::new();
    for action in actions {
        let wanted = shape(action);
        let same_kind = runs.iter_mut().rev().take_while(|((rank, _), _)| *rank == wanted.0);
        match same_kind.into_iter().find(|(have, _)| *have == wanted) {
            Some((_, run)) => run.push(action),
            None => runs.push((wanted, vec![action])),
        }
    }
    runs.into_iter()
        .flat_map(|(_, run)| run.chunks(BATCH).map(<[&Action]>::to_vec).collect::<Vec<_>>())
        .collect()
}

/// Reads back what was written and compares it with what was declared: planning again would be empty.
async fn verify(
    transaction: &mut impl WriteTransaction,
    project: &str,
    actions: &[Action],
) -> Result<(), ApplyError> {
    let mut left = Vec::new();
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
    if left.is_empty() { Ok(()) } else { Err(ApplyError::NotConverged { left }) }
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
