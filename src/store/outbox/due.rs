//! What waits in the outbox, counted: for people, and for a controller that wants to know whether there is work.

use std::time::Duration;

use chrono::{DateTime, Utc};
use sqlx::Row as _;

use crate::engine::StateError;
use crate::store::connect::Connection;
use crate::store::error::{explain, within};
use crate::store::turns::moment;

/// What waits for a channel.
#[derive(Clone, Debug)]
pub struct Waiting {
    /// The workspace.
    pub workspace: String,
    /// The channel.
    pub channel: String,
    /// How many are due.
    pub due: i64,
    /// How many are to be tried later.
    pub later: i64,
    /// How many are being sent.
    pub sending: i64,
    /// When the next one is due, of those that are not yet.
    pub next_at: Option<DateTime<Utc>>,
    /// Until when the receiver wants nothing.
    pub paused_until: Option<DateTime<Utc>>,
}

const WAITING: &str = "select d.workspace, d.channel, \
      count(*) filter (where d.state <> 'sending' and d.next_attempt_at <= $2), \
      count(*) filter (where d.state <> 'sending' and d.next_attempt_at > $2), \
      count(*) filter (where d.state = 'sending'), \
      min(d.next_attempt_at) filter (where d.state <> 'sending' and d.next_attempt_at > $2), \
      max(s.paused_until) filter (where s.paused_until > $2) \
     from synthex.notification_deliveries as d \
     left join synthex.channel_status as s on s.workspace = d.workspace and s.channel = d.channel \
     where d.state in ('pending', 'retrying', 'sending') and ($1::text is null or d.workspace = $1) group by 1, 2 order by 1, 2";

/// Leases go by the clock of the database. A channel whose receiver asked for a pause counts once the pause is over.
const AHEAD: &str = "select least( \
      (select extract(epoch from min(d.next_attempt_at) - @now) from synthex.notification_deliveries as d \
        where d.state in ('pending', 'retrying') and not exists (select from synthex.channel_status as s \
         where s.workspace = d.workspace and s.channel = d.channel and s.paused_until > @now)), \
      (select extract(epoch from min(s.paused_until) - @now) from synthex.channel_status as s where s.paused_until > @now), \
      (select extract(epoch from min(d.leased_until) - clock_timestamp()) from synthex.notification_deliveries as d \
        where d.state = 'sending'))::float8";

/// How long until something may be sent; zero where something may be now, `None` where nothing waits.
pub(super) async fn ahead(
    connection: &mut Connection,
    now: DateTime<Utc>,
) -> Result<Option<Duration>, StateError> {
    let doing = "looking whether something is to be sent";
    let rows = connection.look(AHEAD.replace("@now", &moment(now)), doing).await?;
    let seconds = rows.first().map_or(Ok(None), |row| row.try_get::<Option<f64>, _>(0));
    let seconds = seconds.map_err(|error| explain(error, doing))?;
    Ok(seconds.map(|seconds| Duration::try_from_secs_f64(seconds.max(0.0)).unwrap_or(Duration::MAX)))
}

impl Connection {
    /// What waits, by channel.
    ///
    /// # Errors
    /// Whatever the database reports.
    pub async fn waiting(
        &mut self,
        scope: Option<&str>,
        now: DateTime<Utc>,
    ) -> Result<Vec<Waiting>, StateError> {
        let limit = self.timeout;
        let work = super::in_scope(&mut self.inner, scope, async |connection| {
            let query = sqlx::query(WAITING).bind(scope).bind(now).persistent(false);
            let rows = query.fetch_all(connection).await?;
            let one = |row: &sqlx::postgres::PgRow| {
                Ok(Waiting {
                    workspace: row.try_get(0)?,
                    channel: row.try_get(1)?,
                    due: row.try_get(2)?,
                    later: row.try_get(3)?,
                    sending: row.try_get(4)?,
                    next_at: row.try_get(5)?,
                    paused_until: row.try_get(6)?,
                })
            };
            rows.iter().map(one).collect()
        });
        within(limit, "looking into the outbox", work).await
    }

    /// Whether the database has an outbox. Within a transaction.
    ///
    /// # Errors
    /// Whatever the database reports.
    pub async fn has_outbox(&mut self) -> Result<bool, StateError> {
        let query = sqlx::query_scalar("select to_regclass('synthex.notification_deliveries') is not null");
        within(self.timeout, "looking for the outbox", query.persistent(false).fetch_one(&mut self.inner))
            .await
    }
}
