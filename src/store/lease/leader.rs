//! The lease of the one controller that reconciles: taken when it is free, renewed while it is held, and given back at the end.

use std::time::Duration;

use crate::engine::{Holder, LeaseGrant, LeaseNews, StateError, StateErrorKind};

use super::super::connect::{Connection, in_transaction};
use super::super::error::within;
use super::take::{Request, take};
use super::{BEAT, lists, release};

/// Who holds the lease.
#[derive(Debug)]
pub enum Hold {
    /// We do; with whether we did not before.
    Ours(LeaseGrant, bool),
    /// Somebody else does: who, in words.
    Others(String),
}

impl Connection {
    /// Renews a lease that is held, or takes it if it is free.
    ///
    /// # Errors
    /// Whatever the database reports. Whether the lease is still held is not known then; it runs out by itself.
    pub async fn hold(
        &mut self,
        holder: &Holder,
        lease: &str,
        ttl: Duration,
        held: Option<&LeaseGrant>,
    ) -> Result<Hold, StateError> {
        if let Some(grant) = held {
            let beat = in_transaction(&mut self.inner, async |inner| {
                let (names, tokens) = lists(grant);
                let query = sqlx::query(BEAT).bind(grant.holder.id).bind(names).bind(tokens);
                query.bind(ttl.as_secs_f64()).persistent(false).execute(inner).await
            });
            let beaten = within(ttl.min(self.timeout), "renewing the lease of the controller", beat).await?;
            if beaten.rows_affected() == 1 {
                return Ok(Hold::Ours(grant.clone(), false));
            }
        }
        let workspaces = [lease.to_owned()];
        let request = Request { holder, workspaces: &workspaces, ttl, wait: Duration::ZERO, audit: None };
        match take(self, &request, &mut |news| {
            if let LeaseNews::Evicted(held) = news {
                tracing::info!("took over from {}, whose lease had run out", held.who());
            }
        })
        .await
        {
            Ok((grant, _)) => Ok(Hold::Ours(grant, true)),
            Err(error) if error.kind == StateErrorKind::LeaseHeld => {
                Ok(Hold::Others(error.why.unwrap_or(error.what)))
            }
            Err(error) => Err(error),
        }
    }

    /// Gives the leases of a holder back.
    ///
    /// # Errors
    /// Whatever the database reports; they run out by themselves.
    pub async fn give_back(&mut self, holder: &Holder) -> Result<(), StateError> {
        let limit = self.timeout.min(Duration::from_secs(3));
        let work = in_transaction(&mut self.inner, async |inner| release(inner, holder).await);
        within(limit, "giving the lease of the controller back", work).await.map(|_| ())
    }
}
