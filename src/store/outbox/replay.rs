//! What a person does to deliveries: has them tried again, or takes them back (M-D12).

use chrono::{DateTime, Utc};
use sqlx::{AssertSqlSafe, PgConnection};
use uuid::Uuid;

use crate::engine::StateError;
use crate::engine::delivery::derived_id;
use crate::store::connect::Connection;
use crate::store::error::within;

use super::list::{DELIVERY, ListedDelivery, delivery_of};
use super::rows::short;

/// Which deliveries are meant.
#[derive(Clone, Debug)]
pub enum Which {
    /// Those of a notification.
    Notification(Uuid),
    /// One.
    Delivery(Uuid),
    /// Those of a channel that were queued since then, in the workspace if one is named.
    Channel {
        /// The workspace.
        workspace: Option<String>,
        /// The channel.
        channel: String,
        /// Queued then or later.
        since: DateTime<Utc>,
    },
}

/// Deliveries that did not get through can be tried again; those that were suppressed only where that was the channel's
/// fault, which may be mended. One that got through is only sent again as a new one, and only where it is named.
const WHICH: &str = "where case when $2::uuid is not null then d.id = $2 else \
      ($1::uuid is null or d.notification = $1) and ($3::text is null or d.workspace = $3) \
      and ($4::text is null or d.channel = $4) and ($5::timestamptz is null or d.created_at >= $5) end";

const REPEATABLE: &str = "(d.state in ('failed', 'dead', 'retrying') \
      or d.state = 'suppressed' and d.last_code like 'channel\\_%' \
      or $2::uuid is not null and (d.state in ('suppressed', 'cancelled') or $6::boolean and d.state = 'sent'))";

/// The ones that are tried again keep their id, and with it what receivers know them by (M-D9).
const AGAIN: &str = "update synthex.notification_deliveries as d set state = case when d.attempts = 0 then 'pending' else 'retrying' end, \
      next_attempt_at = $2, reason = null, finished_at = null, retried_at = $2, retried_by = $3 \
     where d.id = any($1::uuid[]) and d.state in ('failed', 'dead', 'retrying', 'suppressed', 'cancelled')";

/// Who has a channel tried again says that it works.
const RELY: &str = "update synthex.channel_status as s set paused_until = null, disabled_at = null, disabled_reason = null, \
      disabled_digest = null where exists (select from synthex.notification_deliveries as d where d.id = any($1::uuid[]) \
      and d.workspace = s.workspace and d.channel = s.channel)";

const NEW_NOTIFICATIONS: &str = "insert into synthex.notifications (id, workspace, type, event, severity, title, message, content, alerts, \
      rule, replay_of, created_by, created_at) \
     select k.new, n.workspace, n.type, n.event, n.severity, n.title, n.message, n.content, n.alerts, n.rule, n.id, $3, $4 \
     from synthex.notifications as n join unnest($1::uuid[], $2::uuid[]) as k (old, new) on n.id = k.old";

const NEW_DELIVERIES: &str = "insert into synthex.notification_deliveries (id, workspace, notification, channel, target, ordering_key, \
      next_attempt_at, is_fallback, created_at) \
     select k.id, d.workspace, k.notification, d.channel, d.target, d.ordering_key, $4, d.is_fallback, $4 \
     from synthex.notification_deliveries as d join unnest($1::uuid[], $2::uuid[], $3::uuid[]) as k (old, id, notification) \
     on d.id = k.old order by d.seq";

/// What a worker took that is gone is nobody's; should it say something yet, that does not count any more.
const CANCEL: &str = "update synthex.notification_deliveries as d set state = 'cancelled', reason = left($2, 300), finished_at = $3, \
      leased_by = null, leased_until = null where d.id = any($1::uuid[]) \
     and (d.state in ('pending', 'retrying') or d.state = 'sending' and d.leased_until < clock_timestamp())";

fn bound<'q>(
    query: sqlx::query::Query<'q, sqlx::Postgres, sqlx::postgres::PgArguments>,
    which: &'q Which,
) -> sqlx::query::Query<'q, sqlx::Postgres, sqlx::postgres::PgArguments> {
    let (notification, delivery, workspace, channel, since) = match which {
        Which::Notification(id) => (Some(*id), None, None, None, None),
        Which::Delivery(id) => (None, Some(*id), None, None, None),
        Which::Channel { workspace, channel, since } => {
            (None, None, workspace.as_deref(), Some(channel.as_str()), Some(*since))
        }
    };
    query.bind(notification).bind(delivery).bind(workspace).bind(channel).bind(since)
}

/// Makes an id out of nothing; see the home of ids.
pub type NewId = fn() -> Uuid;

impl Connection {
    /// The deliveries that are meant, whatever their state.
    ///
    /// # Errors
    /// Whatever the database reports.
    pub async fn deliveries_of(
        &mut self,
        scope: Option<&str>,
        which: &Which,
    ) -> Result<Vec<ListedDelivery>, StateError> {
        let limit = self.timeout;
        let sql =
            format!("select {DELIVERY} from synthex.notification_deliveries as d {WHICH} order by d.seq");
        let work = super::in_scope(&mut self.inner, scope, async |connection| {
            let query = bound(sqlx::query(AssertSqlSafe(sql)), which).persistent(false);
            query.fetch_all(connection).await?.iter().map(delivery_of).collect()
        });
        within(limit, "reading deliveries", work).await
    }

    /// Those of them that can be tried again; those that got through too, where they are sent as new ones.
    ///
    /// # Errors
    /// Whatever the database reports.
    pub async fn repeatable(
        &mut self,
        scope: Option<&str>,
        which: &Which,
        as_new: bool,
    ) -> Result<Vec<ListedDelivery>, StateError> {
        let limit = self.timeout;
        let sql = format!(
            "select {DELIVERY} from synthex.notification_deliveries as d {WHICH} and {REPEATABLE} order by d.seq"
        );
        let work = super::in_scope(&mut self.inner, scope, async |connection| {
            let query = bound(sqlx::query(AssertSqlSafe(sql)), which).bind(as_new).persistent(false);
            query.fetch_all(connection).await?.iter().map(delivery_of).collect()
        });
        within(limit, "reading deliveries", work).await
    }

    /// Has deliveries tried again now, under the same ids. Returns how many.
    ///
    /// # Errors
    /// Whatever the database reports; nothing was changed.
    pub async fn try_again(
        &mut self,
        scope: Option<&str>,
        deliveries: &[Uuid],
        actor: &str,
        now: DateTime<Utc>,
    ) -> Result<u64, StateError> {
        let limit = self.timeout;
        let actor = short(actor, 300);
        let work = super::in_scope(&mut self.inner, scope, async |connection| {
            let query = sqlx::query(AGAIN).bind(deliveries).bind(now).bind(actor).persistent(false);
            let changed = query.execute(&mut *connection).await?.rows_affected();
            rely(connection, deliveries).await?;
            Ok(changed)
        });
        within(limit, "having deliveries tried again", work).await
    }

    /// Sends the same once more, under new ids: one notification for each that is repeated, which says of which it is a
    /// repetition. Returns the new notifications.
    ///
    /// # Errors
    /// Whatever the database reports; nothing was queued.
    pub async fn send_as_new(
        &mut self,
        scope: Option<&str>,
        deliveries: &[ListedDelivery],
        actor: &str,
        now: DateTime<Utc>,
        new_id: NewId,
    ) -> Result<Vec<Uuid>, StateError> {
        let limit = self.timeout;
        let actor = short(actor, 300);
        let mut old: Vec<Uuid> = deliveries.iter().map(|delivery| delivery.notification).collect();
        old.sort_unstable();
        old.dedup();
        let new: Vec<Uuid> = old.iter().map(|_| new_id()).collect();
        let of = |delivery: &ListedDelivery| {
            let place = old.binary_search(&delivery.notification).unwrap_or_default();
            new.get(place).copied().unwrap_or_default()
        };
        let ids: Vec<Uuid> = deliveries.iter().map(|delivery| delivery.id).collect();
        let notifications: Vec<Uuid> = deliveries.iter().map(of).collect();
        let copies: Vec<Uuid> = deliveries
            .iter()
            .map(|delivery| derived_id(of(delivery), &[&delivery.channel, &delivery.target]))
            .collect();
        let work = super::in_scope(&mut self.inner, scope, async |connection| {
            let query = sqlx::query(NEW_NOTIFICATIONS).bind(&old).bind(&new).bind(actor).bind(now);
            query.persistent(false).execute(&mut *connection).await?;
            let query = sqlx::query(NEW_DELIVERIES).bind(&ids).bind(copies).bind(notifications).bind(now);
            query.persistent(false).execute(&mut *connection).await?;
            rely(connection, &ids).await
        });
        within(limit, "queueing notifications", work).await?;
        Ok(new)
    }

    /// Takes deliveries back that were not sent yet. Returns how many.
    ///
    /// # Errors
    /// Whatever the database reports; nothing was changed.
    pub async fn cancel_deliveries(
        &mut self,
        scope: Option<&str>,
        deliveries: &[Uuid],
        actor: &str,
        now: DateTime<Utc>,
    ) -> Result<u64, StateError> {
        let limit = self.timeout;
        let reason = format!("cancelled by {}", short(actor, 200));
        let work = super::in_scope(&mut self.inner, scope, async |connection| {
            let query = sqlx::query(CANCEL).bind(deliveries).bind(reason).bind(now).persistent(false);
            Ok(query.execute(connection).await?.rows_affected())
        });
        within(limit, "taking deliveries back", work).await
    }
}

async fn rely(connection: &mut PgConnection, deliveries: &[Uuid]) -> Result<(), sqlx::Error> {
    sqlx::query(RELY).bind(deliveries).persistent(false).execute(connection).await.map(|_| ())
}
