//! Keeps leases alive while an apply writes, and finds out whether one was lost.
//!
//! It does not decide what may be written: the fencing tokens do, inside of the transaction.

use std::time::Duration;

use super::lease::LeaseGrant;
use super::state::{LeaseKeeper, StateError, StateErrorKind};

/// Beats until a lease is lost. A beat that merely fails is tried again: that nobody was replaced is checked before
/// the commit anyway.
pub(super) async fn keep_alive(keeper: &mut impl LeaseKeeper, grant: &LeaseGrant) -> StateError {
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

/// Who takes a lease over ends the connection of the run that had it. That the lease is lost says more than that the
/// connection is.
pub(super) async fn lost_or(keeper: &mut impl LeaseKeeper, error: StateError) -> StateError {
    match tokio::time::timeout(Duration::from_secs(2), keeper.beat()).await {
        Ok(Err(lost)) if lost.kind == StateErrorKind::LeaseLost => lost,
        _ => error,
    }
}
