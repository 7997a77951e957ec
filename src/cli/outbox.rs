//! The outbox as commands use it: opened, looked into, and worked through.

use std::time::Duration;

use futures_util::future::join_all;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::engine::delivery::{Counts, Settings, deliver};
use crate::engine::{Interrupt, StateError, StateErrorKind};
use crate::store::{ConnectOptions, Connection, outbox::OutboxStore};

use super::context::Context;
use super::error::CliError;
use super::listing::Listing;
use super::missed::{Missed, Watched};
use super::project::Found;
use super::sending;

/// A database with an outbox.
pub struct Post {
    /// The project, where there is one.
    pub found: Option<Found>,
    /// How to connect.
    pub options: ConnectOptions,
    /// A connection, outside of a transaction.
    pub connection: Connection,
    /// The workspaces to look into, one after the other; `None` for all of them at once.
    pub scopes: Vec<Option<String>>,
}

impl Post {
    /// Opens the database that the options mean; with a workspace, that one must be known.
    ///
    /// # Errors
    /// It cannot be reached, has no outbox yet, or no workspace is known where one must be.
    pub async fn open(context: &Context, command: &str, only: Option<&str>) -> Result<Self, CliError> {
        Self::open_installed(context, command, only).await?.ok_or_else(no_outbox)
    }

    /// [`Post::open`] for a list; `None` where synthex is not installed, so that there is nothing to list.
    ///
    /// # Errors
    /// As there.
    pub async fn open_installed(
        context: &Context,
        command: &str,
        only: Option<&str>,
    ) -> Result<Option<Self>, CliError> {
        let Listing { found, is_installed, options, mut connection, scopes, .. } =
            Listing::open(context, command, only).await?;
        if !is_installed {
            connection.close().await;
            return Ok(None);
        }
        if !connection.has_outbox().await? {
            return Err(no_outbox());
        }
        Ok(Some(Self { found, options, connection, scopes }))
    }
}

fn no_outbox() -> CliError {
    StateError::new(StateErrorKind::Incompatible, "this database has no notifications yet")
        .why("synthex is not installed there, or an older one is")
        .help("run `synthex db migrate`, or `synthex apply`, which does it too")
        .into()
}

/// How a command works through the outbox.
#[derive(Clone, Debug, Default)]
pub struct Round {
    /// Of these notifications only.
    pub only: Option<Vec<Uuid>>,
    /// How long what was taken is this command's.
    pub lease: Option<Duration>,
    /// How often it looks again; `None` to be done once nothing is due.
    pub poll: Option<Duration>,
}

/// What came of working through the outbox.
#[derive(Debug, Default)]
pub struct Worked {
    /// How many deliveries came to what.
    pub counts: Counts,
    /// What did not get through and is not tried again by itself; the first of it, where it is very much.
    pub missed: Vec<Missed>,
    /// Why it ended early.
    pub error: Option<StateError>,
}

/// Sends what is due, with one worker for each scope.
///
/// # Errors
/// What is sent with is not understood. That the database failed is said in the result.
pub async fn work(
    context: &Context,
    post: &Post,
    round: &Round,
    interrupt: &impl Interrupt,
) -> Result<Worked, CliError> {
    let sender = sending::sender(context, post.found.as_ref())?;
    let holder = context.holder("deliver");
    let mut settings = Settings {
        only: round.only.clone(),
        poll: round.poll,
        ..Settings::new(format!("{}:{}", holder.host, holder.pid))
    };
    settings.lease = round.lease.unwrap_or(settings.lease);
    let (sender, settings) = (&sender, &settings);
    // Who sends what he named sees what came of it as the result.
    let is_said = round.only.is_none();
    let workers = post.scopes.iter().map(|scope| async move {
        let outbox = Watched::new(OutboxStore::new(post.options.clone(), scope.clone()), is_said);
        let delivered = Box::pin(deliver(&outbox, sender, &*context.clock, interrupt, settings)).await;
        (delivered, outbox.close().await)
    });
    let mut all = Worked::default();
    for (delivered, missed) in join_all(workers).await {
        all.counts.add(&delivered.counts);
        all.error = all.error.or(delivered.error);
        all.missed.extend(missed);
    }
    Ok(all)
}

/// How many deliveries came to what, for JSON.
#[must_use]
pub fn counts_json(counts: &Counts) -> Value {
    let Counts { sent, retrying, failed, dead, suppressed, released, lost } = counts;
    json!({"sent": sent, "retrying": retrying, "failed": failed, "dead": dead, "suppressed": suppressed,
        "released": released, "lost": lost})
}

/// The same for people; empty where there were none.
#[must_use]
pub fn counts_text(counts: &Counts) -> String {
    let Counts { sent, retrying, failed, dead, suppressed, released, lost } = counts;
    let parts = [
        (sent, "sent"),
        (retrying, "tried in vain, and tried again later"),
        (failed, "failed for good"),
        (dead, "dead after the last attempt"),
        (suppressed, "not sent, for a reason"),
        (released, "given back untried"),
        (lost, "not recorded, and sent again"),
    ];
    let parts: Vec<String> = parts
        .into_iter()
        .filter(|(count, _)| **count > 0)
        .map(|(count, what)| format!("{count} {what}"))
        .collect();
    parts.join(", ")
}
