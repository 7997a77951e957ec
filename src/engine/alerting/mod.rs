//! Alerting: one workspace after the other, what is so now is read, judged, and written with what is to be told, in one
//! transaction (M-D1). A process that dies anywhere has done all of it or nothing, and the next evaluation goes on from there
//! (M-L9). Two that evaluate at once take turns, by a lock on a row: the second finds what the first one wrote.
//!
//! It decides nothing about alerts: `alerts` does, without a clock or a database. Delivery comes later, from the outbox.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::alerts::facts::{Facts, Outcome, Scope, Telling};
use crate::alerts::impact::Overlay;
use crate::alerts::{self, AlertStatus, Upcoming};

use super::delivery::NewNotification;
use super::{StateError, StateErrorKind};

/// Who writes the notifications of alerts.
pub const AUTHOR: &str = "alerts";

/// How often an evaluation begins anew because others wrote the same rows.
const ATTEMPTS: usize = 8;

/// What is read of a workspace.
#[derive(Debug)]
pub struct Read {
    /// The facts.
    pub facts: Facts,
    /// Rules, silences and windows whose rows say what no manifest could: `rule NAME`. Rules among them keep their alerts as
    /// they are.
    pub unreadable: Vec<String>,
}

/// Where facts come from and outcomes go.
pub trait AlertStore {
    /// The workspaces that live and that may be seen, sorted. With a time, what is open in those that are deleted ends then, and
    /// nobody is told: their channels are deleted too.
    ///
    /// # Errors
    /// Whatever the database reports; nothing was written.
    fn workspaces(
        &mut self,
        ends_removed: Option<DateTime<Utc>>,
    ) -> impl Future<Output = Result<Vec<String>, StateError>>;

    /// Of these workspaces, those with something that an alert can be about: a credential, a result of a health check, or an
    /// alert that is open.
    ///
    /// # Errors
    /// Whatever the database reports.
    fn watched(&mut self, workspaces: &[&str]) -> impl Future<Output = Result<BTreeSet<String>, StateError>>;

    /// Begins an evaluation: nobody else evaluates the workspace before it is written or given up. Where nothing is to be
    /// written, it only reads.
    ///
    /// # Errors
    /// Whatever the database reports; nothing is begun then.
    fn begin(&mut self, ask: &Ask<'_>) -> impl Future<Output = Result<Read, StateError>>;

    /// Writes what came of it, all or nothing, and ends the evaluation. Says what is told to nobody.
    ///
    /// # Errors
    /// Whatever the database reports; nothing was written. `Stale` where somebody else wrote the same rows.
    fn finish(
        &mut self,
        workspace: &str,
        outcome: &Outcome,
        notifications: &[NewNotification],
        now: DateTime<Utc>,
    ) -> impl Future<Output = Result<Vec<Untold>, StateError>>;

    /// Ends an evaluation without writing.
    ///
    /// # Errors
    /// Whatever the database reports.
    fn give_up(&mut self) -> impl Future<Output = Result<(), StateError>>;

    /// Whether after this error the database cannot be reached any more, for no workspace: it did not answer, or the connection
    /// broke. A database that says why it does not do it can be reached.
    fn is_gone(&self, error: &StateError) -> bool;
}

/// What is asked of an evaluation.
#[derive(Clone, Debug)]
pub struct Ask<'a> {
    /// The workspace.
    pub workspace: &'a str,
    /// Which rules look for new alerts.
    pub scope: &'a Scope,
    /// The moment: one clock for the whole evaluation (M-A2).
    pub now: DateTime<Utc>,
    /// What ids are made from.
    pub seed: Uuid,
    /// Whether nothing is written.
    pub is_dry: bool,
    /// What a plan would change, in place of what is there; only where nothing is written.
    pub overlay: Option<&'a Overlay<'a>>,
}

/// Messages that are told to nobody through a channel of theirs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Untold {
    /// The workspace.
    pub workspace: String,
    /// The channel.
    pub channel: String,
    /// Why, in words.
    pub why: String,
    /// How many messages.
    pub messages: u64,
}

/// What came of one workspace.
#[derive(Debug)]
pub struct Evaluated {
    /// The workspace.
    pub workspace: String,
    /// What came of it. One workspace that cannot be evaluated holds up no other; a database that is gone is gone for all.
    pub outcome: Result<Outcome, StateError>,
    /// What could not be read.
    pub unreadable: Vec<String>,
    /// The rules that were evaluated.
    pub rules: Vec<String>,
    /// What is told to nobody.
    pub untold: Vec<Untold>,
    /// When something can happen next.
    pub upcoming: Upcoming,
}

impl Evaluated {
    fn new(workspace: String) -> Self {
        Self {
            workspace,
            outcome: Ok(Outcome::default()),
            unreadable: Vec::new(),
            rules: Vec::new(),
            untold: Vec::new(),
            upcoming: Upcoming::default(),
        }
    }
}

/// Evaluates workspaces, one after the other; where none are named, all that may be seen, once the alerts of those that are deleted
/// have ended.
///
/// # Errors
/// The workspaces cannot be listed.
pub async fn evaluate(
    store: &mut impl AlertStore,
    only: Option<Vec<String>>,
    scope: &Scope,
    now: DateTime<Utc>,
    is_dry: bool,
    new_id: impl Fn() -> Uuid,
) -> Result<Vec<Evaluated>, StateError> {
    let workspaces = match only {
        Some(only) => only,
        None => {
            let ends_removed = (!is_dry && !matches!(scope, Scope::Only(_))).then_some(now);
            store.workspaces(ends_removed).await?
        }
    };
    let mut found: Vec<Evaluated> = Vec::with_capacity(workspaces.len());
    for workspace in workspaces {
        let mut evaluated = Evaluated::new(workspace);
        // Who waited once for a database that does not answer need not wait for each of the others.
        if let Some(Evaluated { outcome: Err(error), .. }) = found.last()
            && store.is_gone(error)
        {
            evaluated.outcome = Err(error.again());
            found.push(evaluated);
            continue;
        }
        let workspace = evaluated.workspace.clone();
        let mut attempt = 1;
        let outcome = loop {
            let ask = Ask { workspace: &workspace, scope, now, seed: new_id(), is_dry, overlay: None };
            match once(store, &ask, &mut evaluated).await {
                Err(error) if error.kind == StateErrorKind::Stale && attempt < ATTEMPTS => attempt += 1,
                outcome => break outcome,
            }
        };
        if let Err(error) = &outcome {
            tracing::warn!(workspace, error = %error.what, "the alerts of a workspace cannot be evaluated");
        }
        evaluated.outcome = outcome;
        found.push(evaluated);
    }
    Ok(found)
}

async fn once(
    store: &mut impl AlertStore,
    ask: &Ask<'_>,
    evaluated: &mut Evaluated,
) -> Result<Outcome, StateError> {
    let Read { facts, unreadable } = store.begin(ask).await?;
    evaluated.unreadable = unreadable;
    evaluated.rules =
        facts.rules.iter().filter(|rule| !rule.is_deleted).map(|rule| rule.name.clone()).collect();
    let outcome = alerts::evaluate(&facts, ask.now);
    evaluated.upcoming = alerts::upcoming(&facts, &outcome, ask.now);
    if ask.is_dry {
        store.give_up().await?;
        return Ok(outcome);
    }
    let notifications: Vec<NewNotification> =
        outcome.tellings.iter().map(|telling| notification(telling, ask.now)).collect();
    evaluated.untold = store.finish(ask.workspace, &outcome, &notifications, ask.now).await?;
    for alert in outcome.inserts.iter().chain(&outcome.updates) {
        let is_over = alert.status == AlertStatus::Resolved;
        tracing::debug!(alert = %alert.id, status = alert.status.code(), is_over, "alert");
    }
    tracing::info!(
        workspace = ask.workspace,
        new = outcome.inserts.len(),
        changed = outcome.updates.len(),
        messages = outcome.tellings.len(),
        unrouted = outcome.unrouted,
        "alerts evaluated"
    );
    Ok(outcome)
}

/// What the outbox takes.
fn notification(telling: &Telling, now: DateTime<Utc>) -> NewNotification {
    NewNotification {
        id: telling.id,
        message: telling.message.clone(),
        channels: telling.channels.clone(),
        alerts: telling.alerts.clone(),
        ordering_key: telling.ordering_key.clone(),
        not_before: now,
        replay_of: None,
        created_by: AUTHOR.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A database that is away from the second workspace on, or refuses that one alone.
    struct Away {
        kind: StateErrorKind,
        asked: Vec<String>,
    }

    impl AlertStore for Away {
        async fn watched(&mut self, workspaces: &[&str]) -> Result<BTreeSet<String>, StateError> {
            Ok(workspaces.iter().map(|name| (*name).to_owned()).collect())
        }

        async fn workspaces(&mut self, _: Option<DateTime<Utc>>) -> Result<Vec<String>, StateError> {
            Ok(["a", "b", "c", "d"].map(str::to_owned).to_vec())
        }

        async fn begin(&mut self, ask: &Ask<'_>) -> Result<Read, StateError> {
            self.asked.push(ask.workspace.to_owned());
            if ask.workspace == "b" {
                return Err(StateError::new(self.kind, "it does not answer"));
            }
            Ok(Read { facts: Facts::default(), unreadable: Vec::new() })
        }

        async fn finish(
            &mut self,
            _: &str,
            _: &Outcome,
            _: &[NewNotification],
            _: DateTime<Utc>,
        ) -> Result<Vec<Untold>, StateError> {
            Ok(Vec::new())
        }

        async fn give_up(&mut self) -> Result<(), StateError> {
            Ok(())
        }

        fn is_gone(&self, error: &StateError) -> bool {
            error.kind == StateErrorKind::Unreachable
        }
    }

    #[tokio::test]
    async fn a_database_that_is_away_is_waited_for_once() {
        let now = "2026-11-02T12:00:00Z".parse().unwrap();
        for (kind, asked, failed) in [
            (StateErrorKind::Unreachable, "ab", "bcd"),
            // What is wrong with one workspace holds up no other.
            (StateErrorKind::Incompatible, "abcd", "b"),
        ] {
            let mut store = Away { kind, asked: Vec::new() };
            let found =
                evaluate(&mut store, None, &Scope::All, now, false, || Uuid::from_u128(1)).await.unwrap();
            assert_eq!(store.asked.concat(), asked);
            let names: Vec<&str> = found
                .iter()
                .filter(|own| own.outcome.as_ref().is_err_and(|error| error.kind == kind))
                .map(|own| own.workspace.as_str())
                .collect();
            assert_eq!((names.concat().as_str(), found.len()), (failed, 4));
        }
    }
}
