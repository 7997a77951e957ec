//! Keeps what was recorded small and quick to report on: sums whole days, and drops months that are old.

use chrono::{DateTime, NaiveDate, Utc};
use sqlx::{AssertSqlSafe, Executor as _, PgConnection, Row as _};

use crate::engine::StateError;

use super::connect::{Connection, in_transaction};
use super::error::within;

/// Nothing older than this is summed day by day: a clock was wrong.
const OLDEST: &str = "3660 days";

/// Held while sums are made, and shared by whoever stores metrics (the trigger `usage_arrived`).
const LOCK: &str = "select pg_advisory_xact_lock(hashtextextended('synthex.usage_reports', 0))";

/// Sums the days before `today` that are not summed yet. Returns which.
///
/// # Errors
/// Whatever the database reports; nothing was summed then.
pub async fn sum_days(connection: &mut Connection, today: NaiveDate) -> Result<Vec<NaiveDate>, StateError> {
    let limit = connection.timeout;
    let work = in_transaction(&mut connection.inner, async |inner| sum(inner, today).await);
    within(limit, "summing days of metrics", work).await
}

async fn sum(connection: &mut PgConnection, today: NaiveDate) -> Result<Vec<NaiveDate>, sqlx::Error> {
    connection.execute("set local lock_timeout = '10s'").await?;
    connection.execute(LOCK).await?;
    let missing = format!(
        "select day::date from (select greatest((min(recorded_at) at time zone 'UTC')::date, $1::date - interval '{OLDEST}') as first \
            from synthex.usage_metrics having min(recorded_at) is not null) as oldest, generate_series(first, $1::date - interval '1 day', '1 day') as day \
         where not exists (select from synthex.usage_reports as report where report.day = day.day::date and metric_name = '') \
         order by 1"
    );
    let days: Vec<NaiveDate> = sqlx::query_scalar(AssertSqlSafe(missing))
        .bind(today)
        .persistent(false)
        .fetch_all(&mut *connection)
        .await?;
    let (Some(first), Some(last)) = (days.first(), days.last()) else { return Ok(days) };
    let sums = "with took as (
            select (recorded_at at time zone 'UTC')::date as day, coalesce(workspace, '') as workspace, metric_type, metric_name,
                coalesce(service, '') as service, outcome, coalesce(code, '') as code, duration_ms,
                count(*) as count, sum(value) as value
            from synthex.usage_metrics
            where recorded_at >= $2::date::timestamp at time zone 'UTC'
              and recorded_at < ($3::date + 1)::timestamp at time zone 'UTC'
              and (recorded_at at time zone 'UTC')::date = any($1)
            group by 1, 2, 3, 4, 5, 6, 7, 8
        ), each_day as (
            select day, duration_ms, sum(count)::bigint as count from took
            where metric_type = 'command' group by 1, 2
        )
        insert into synthex.usage_reports (day, workspace, metric_type, metric_name, service, outcome, code, count, value,
            duration_ms, durations, counts)
        select day, workspace, metric_type, metric_name, service, outcome, code, sum(count), sum(value),
            coalesce(sum(duration_ms * count), 0),
            coalesce(array_agg(duration_ms order by duration_ms) filter (where duration_ms is not null), '{}'),
            coalesce(array_agg(count order by duration_ms) filter (where duration_ms is not null), '{}')
        from took group by 1, 2, 3, 4, 5, 6, 7
        union all
        select wanted.day, '', 'command', '', '', '', '', coalesce(sum(count), 0), coalesce(sum(count), 0),
            coalesce(sum(duration_ms * count), 0),
            coalesce(array_agg(duration_ms order by duration_ms) filter (where duration_ms is not null), '{}'),
            coalesce(array_agg(count order by duration_ms) filter (where duration_ms is not null), '{}')
        from unnest($1::date[]) as wanted (day) left join each_day using (day) group by 1";
    let query = sqlx::query(sums).bind(&days).bind(first).bind(last).persistent(false);
    query.execute(connection).await?;
    Ok(days)
}

/// What is dropped, or would be.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pruned {
    /// Partitions of whole months.
    pub months: Vec<String>,
    /// Metrics in them, and old ones that were in no month of their own.
    pub metrics: i64,
    /// Days that were summed before, so that reports on them stay possible.
    pub summed: usize,
}

/// Drops the months that ended before a time. Their sums are made first and stay. With `dry_run` nothing is changed.
///
/// # Errors
/// Whatever the database reports; nothing was dropped then.
pub async fn prune_metrics(
    connection: &mut Connection,
    before: DateTime<Utc>,
    today: NaiveDate,
    dry_run: bool,
) -> Result<Pruned, StateError> {
    let limit = connection.timeout;
    let work =
        in_transaction(&mut connection.inner, async |inner| prune(inner, before, today, dry_run).await);
    within(limit, "dropping old metrics", work).await
}

async fn prune(
    connection: &mut PgConnection,
    before: DateTime<Utc>,
    today: NaiveDate,
    dry_run: bool,
) -> Result<Pruned, sqlx::Error> {
    // Only whole months go, those of the partition for everything else by the same measure.
    let sql = "select c.relname::text \
         from pg_inherits as i join pg_class as c on c.oid = i.inhrelid \
         where i.inhparent = 'synthex.usage_metrics'::regclass and c.relname ~ '^usage_metrics_[0-9]{4}_[0-9]{2}$' \
         and to_date(right(c.relname::text, 7), 'YYYY_MM') < date_trunc('month', $1 at time zone 'UTC')::date order by 1";
    let found = sqlx::query(sql).bind(before).persistent(false).fetch_all(&mut *connection).await?;
    let mut pruned = Pruned::default();
    for row in &found {
        pruned.months.push(row.try_get(0)?);
    }
    let old = "recorded_at < date_trunc('month', $1 at time zone 'UTC') at time zone 'UTC'";
    let count = format!("select count(*) from synthex.usage_metrics where {old}");
    pruned.metrics = sqlx::query_scalar(AssertSqlSafe(count))
        .bind(before)
        .persistent(false)
        .fetch_one(&mut *connection)
        .await?;
    if dry_run || (pruned.months.is_empty() && pruned.metrics == 0) {
        return Ok(pruned);
    }
    pruned.summed = sum(connection, today).await?.len();
    // The names come from the catalog, and match what is said above.
    for month in &pruned.months {
        connection.execute(sqlx::raw_sql(AssertSqlSafe(format!("drop table synthex.{month}")))).await?;
    }
    let rest = format!("delete from synthex.usage_metrics where {old}");
    sqlx::query(AssertSqlSafe(rest)).bind(before).persistent(false).execute(&mut *connection).await?;
    let seal = "update synthex.usage_reports set sealed = true where not sealed \
         and day < date_trunc('month', $1 at time zone 'UTC')::date";
    sqlx::query(seal).bind(before).persistent(false).execute(connection).await?;
    Ok(pruned)
}
