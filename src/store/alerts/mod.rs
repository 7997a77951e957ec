//! Alerts in the database: what an evaluation reads, in sets and only what can matter, and what it writes, in one transaction.
//!
//! Statements per workspace are counted in dozens at most, however many credentials there are (`tests/bench`, P12).

mod acknowledge;
mod facts;
mod list;
mod manifests;
mod rows;
mod told;
mod write;

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use sqlx::{AssertSqlSafe, Executor as _, PgConnection, Row as _};

use crate::alerts::facts::{Facts, Outcome};
use crate::alerts::impact::Overlay;
use crate::engine::alerting::{AlertStore, Ask, Read, Untold};
use crate::engine::delivery::NewNotification;
use crate::engine::{StateError, StateErrorKind};

use super::connect::Connection;
use super::error::{is_said_by_the_server, within};
use super::outbox;

pub use acknowledge::{Acknowledged, Wish, acknowledge};
pub use list::{AlertFilter, ListedAlert};

/// Whoever changes alerts of a workspace holds this row, so that two that do take turns. It is the row of a rule that cannot be:
/// the name is empty. A lock of the session would not hold behind a transaction pooler.
const LOCK: &str = "insert into synthex.alert_evaluations as e (workspace, rule, evaluated_at) values ($1, '', $2) \
     on conflict (workspace, rule) do update set evaluated_at = excluded.evaluated_at";

/// Takes the turn of a workspace, until the transaction ends.
async fn lock(connection: &mut PgConnection, workspace: &str, now: DateTime<Utc>) -> Result<(), sqlx::Error> {
    sqlx::query(LOCK).bind(workspace).bind(now).persistent(false).execute(connection).await.map(|_| ())
}

/// No evaluation looks at a workspace that is deleted, so this says that it is over (M-E13).
const END_REMOVED: &str = "update synthex.alerts as a set status = 'resolved', changed_at = $1, resolved_at = $1, \
      resolve_reason = 'removed', is_flapping = false, revision = a.revision + 1 \
     from synthex.workspaces as w where w.name = a.workspace and w.deleted_at is not null and a.status <> 'resolved'";

/// A role that row-level security confines sees nothing of workspaces that it has not entered, so that each may have something.
const WATCHED: &str = "select w from unnest($1::text[]) as w where row_security_active('synthex.credentials') \
     or exists (select from synthex.credentials as c where c.workspace = w and c.deleted_at is null) \
     or exists (select from synthex.health_status as h where h.workspace = w) \
     or exists (select from synthex.alerts as a where a.workspace = w and a.status <> 'resolved')";

async fn enter(connection: &mut PgConnection, workspace: &str) -> Result<(), sqlx::Error> {
    let query = sqlx::query("select set_config('synthex.workspace', $1, true)").bind(workspace);
    query.persistent(false).execute(connection).await.map(|_| ())
}

async fn read(connection: &mut PgConnection, ask: &Ask<'_>) -> Result<Read, sqlx::Error> {
    enter(connection, ask.workspace).await?;
    if !ask.is_dry {
        lock(connection, ask.workspace, ask.now).await?;
    }
    let mut facts = Facts {
        workspace: ask.workspace.to_owned(),
        scope: ask.scope.clone(),
        seed: ask.seed,
        ..Facts::default()
    };
    let mut unreadable = Vec::new();
    manifests::read(connection, &mut facts, &mut unreadable).await?;
    if let Some(overlay) = ask.overlay {
        overlay.lay_over_rules(&mut facts);
    }
    rows::read_open(connection, &mut facts).await?;
    let renamed = rows::know_again(&mut facts);
    if !ask.is_dry && !renamed.is_empty() {
        rows::write_fingerprints(connection, &facts.workspace, &renamed).await?;
    }
    // What a rule that cannot be read has raised stays as it is.
    facts.open.retain(|alert| {
        !alert
            .rule
            .as_ref()
            .is_some_and(|rule| unreadable.iter().any(|own| own.strip_prefix("rule ") == Some(rule)))
    });
    rows::read_ended(connection, &mut facts, ask.now).await?;
    let resumed = ask.overlay.map(Overlay::resumed).unwrap_or_default();
    facts::read_credentials(connection, &mut facts, ask.now, &resumed).await?;
    facts::read_health(connection, &mut facts).await?;
    facts::read_usage(connection, &mut facts, ask.now).await?;
    rows::read_thresholds(connection, &mut facts).await?;
    rows::read_groups(connection, &mut facts).await?;
    if let Some(overlay) = ask.overlay {
        facts::read_tenants(connection, &mut facts, &overlay.tenants()).await?;
        overlay.lay_over_rest(&mut facts);
    }
    Ok(Read { facts, unreadable })
}

impl AlertStore for Connection {
    async fn workspaces(&mut self, ends_removed: Option<DateTime<Utc>>) -> Result<Vec<String>, StateError> {
        let limit = self.timeout;
        let work = async {
            let ends = ends_removed.map_or_else(String::new, |_| format!("with ended as ({END_REMOVED}) "));
            let sql =
                format!("{ends}select name from synthex.workspaces where deleted_at is null order by name");
            let query = sqlx::query(AssertSqlSafe(sql));
            let query = if ends_removed.is_some() { query.bind(ends_removed) } else { query };
            let rows = query.persistent(false).fetch_all(&mut self.inner).await?;
            rows.iter().map(|row| row.try_get(0)).collect()
        };
        within(limit, "listing the workspaces", work).await
    }

    async fn watched(&mut self, workspaces: &[&str]) -> Result<BTreeSet<String>, StateError> {
        let limit = self.timeout;
        let work = async {
            let query = sqlx::query(WATCHED).bind(workspaces).persistent(false);
            let rows = query.fetch_all(&mut self.inner).await?;
            rows.iter().map(|row| row.try_get(0)).collect()
        };
        within(limit, "looking what alerts can be about", work).await
    }

    async fn begin(&mut self, ask: &Ask<'_>) -> Result<Read, StateError> {
        let begin = if ask.is_dry { "begin isolation level repeatable read read only" } else { "begin" };
        self.run(begin, "beginning to evaluate alerts").await?;
        let found = within(self.timeout, "reading what alerts are about", read(&mut self.inner, ask)).await;
        if let Err(error) = &found {
            undo(self, error).await;
        }
        found
    }

    async fn finish(
        &mut self,
        workspace: &str,
        outcome: &Outcome,
        notifications: &[NewNotification],
        now: DateTime<Utc>,
    ) -> Result<Vec<Untold>, StateError> {
        let inner = &mut self.inner;
        let work = async {
            let is_whole = write::write(inner, workspace, outcome, now).await?;
            if !is_whole {
                return Ok(None);
            }
            let enqueued = outbox::enqueue(inner, notifications, now).await?;
            inner.execute("commit").await?;
            Ok(Some(enqueued.untold))
        };
        let error = match within(self.timeout, "writing alerts", work).await {
            Ok(Some(untold)) => return Ok(untold),
            Ok(None) => StateError::new(
                StateErrorKind::Stale,
                format!("somebody else changed alerts of workspace `{workspace}` meanwhile"),
            )
            .help("run the command again"),
            Err(error) => error,
        };
        undo(self, &error).await;
        Err(error)
    }

    async fn give_up(&mut self) -> Result<(), StateError> {
        self.rollback().await
    }

    fn is_gone(&self, error: &StateError) -> bool {
        error.kind == StateErrorKind::Unreachable && !is_said_by_the_server(error)
    }
}

/// Ends a transaction that failed. The first error is the one that says what is wrong.
async fn undo(connection: &mut Connection, error: &StateError) {
    if connection.is_gone(error) {
        // Nobody waits a second time for one that does not answer, nor goes on in what it may have begun: the server takes
        // it back when the connection ends.
        connection.parking = None;
    } else {
        let _ = connection.rollback().await;
    }
}
