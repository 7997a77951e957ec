//! Reads what reports on usage are made of: sums of whole days where they were made, the metrics themselves elsewhere.
//!
//! A sum of a day has every duration that occurred with how often it did, so that percentiles over many days are exact.

use std::collections::HashSet;

use chrono::{DateTime, Days, NaiveDate, NaiveTime, Utc};
use sqlx::postgres::PgRow;
use sqlx::{AssertSqlSafe, Row as _};

use crate::engine::{StateError, StateReader as _};
use crate::model::usage::{Figures, Group, MetricType, Outcome, Took};

use super::connect::Connection;
use super::error::within;

/// What is asked for.
#[derive(Clone, Copy, Debug)]
pub struct UsageScope<'a> {
    /// From then on.
    pub start: DateTime<Utc>,
    /// Until then, which is not part of it.
    pub end: DateTime<Utc>,
    /// Only what was meant for this workspace.
    pub workspace: Option<&'a str>,
    /// Only runs of this command.
    pub command: Option<&'a str>,
    /// Which durations of commands are wanted.
    pub durations: Durations,
}

/// Which durations of commands are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durations {
    /// None.
    No,
    /// Those of all of them together.
    Together,
    /// Those of each.
    ByCommand,
}

/// What was read of a period.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// The figures.
    pub figures: Figures,
    /// Days at an edge of the period that belong to it in part and of which only the sum is left: nothing of them is in the
    /// figures. At most two, in order.
    pub incomplete_days: Vec<NaiveDate>,
}

/// The figures of a period; `None` where the database has no place for metrics yet.
///
/// # Errors
/// Whatever the database reports.
pub async fn usage_figures(
    connection: &mut Connection,
    scope: &UsageScope<'_>,
) -> Result<Option<Found>, StateError> {
    connection.begin_reading().await?;
    let outcome = read(connection, scope).await;
    connection.rollback().await?;
    outcome
}

async fn read(connection: &mut Connection, scope: &UsageScope<'_>) -> Result<Option<Found>, StateError> {
    let limit = connection.timeout;
    if !connection.has_place_for_metrics().await? {
        return Ok(None);
    }
    if let Some(workspace) = scope.workspace {
        connection.enter(workspace).await?;
    }
    let confined = connection.is_confined().await?;
    let work = async {
        let (first, last) = whole_days(scope.start, scope.end);
        // A confined role does not see the row that stands for the day; the others of its workspace tell as much.
        let summed = if confined {
            "select distinct day from synthex.usage_reports where day >= $1 and day < $2"
        } else {
            "select day from synthex.usage_reports where metric_name = '' and day >= $1 and day < $2"
        };
        let days: Vec<NaiveDate> = sqlx::query_scalar(summed)
            .bind(first)
            .bind(last)
            .persistent(false)
            .fetch_all(&mut connection.inner)
            .await?;
        let mut figures = Figures { summed_days: days.len(), ..Figures::default() };
        let mut took = Vec::new();
        if !days.is_empty() {
            read_sums(connection, scope, &days, &mut figures.groups, &mut took).await?;
        }
        let ranges = ranges(scope.start, scope.end, &days.into_iter().collect());
        if !ranges.is_empty() {
            read_metrics(connection, scope, &ranges, &mut figures.groups, &mut took).await?;
        }
        figures.durations = merged(took);
        let incomplete_days = incomplete(connection, scope).await?;
        Ok(Some(Found { figures, incomplete_days }))
    };
    within(limit, "reading metrics", work).await
}

impl Connection {
    /// Whether the tables for metrics are installed. Within a transaction.
    ///
    /// # Errors
    /// Whatever the database reports.
    pub async fn has_place_for_metrics(&mut self) -> Result<bool, StateError> {
        let sql = "select to_regclass('synthex.usage_metrics') is not null";
        let query = sqlx::query_scalar(sql).persistent(false);
        within(self.timeout, "looking for metrics", query.fetch_one(&mut self.inner)).await
    }
}

/// The first whole day of a period, and the one behind the last.
fn whole_days(start: DateTime<Utc>, end: DateTime<Utc>) -> (NaiveDate, NaiveDate) {
    let first = if start.time() == NaiveTime::MIN { start.date_naive() } else { after(start.date_naive()) };
    (first, end.date_naive())
}

/// The days that belong to a period in part, in order.
fn edges(start: DateTime<Utc>, end: DateTime<Utc>) -> Vec<NaiveDate> {
    let cut = |at: &DateTime<Utc>| at.time() != NaiveTime::MIN;
    let mut days: Vec<NaiveDate> =
        [start, end].iter().filter(|at| cut(at)).map(DateTime::date_naive).collect();
    days.dedup();
    days
}

/// The edges whose metrics were dropped, where there were any that were asked for.
async fn incomplete(
    connection: &mut Connection,
    scope: &UsageScope<'_>,
) -> Result<Vec<NaiveDate>, sqlx::Error> {
    let edges = edges(scope.start, scope.end);
    if edges.is_empty() {
        return Ok(edges);
    }
    let sql = "select distinct day from synthex.usage_reports where sealed and day = any($1) and metric_name <> '' \
         and ($2::text is null or workspace = $2) \
         and ($3::text is null or (metric_type = 'command' and metric_name = $3)) order by 1";
    let query = sqlx::query_scalar(sql).bind(edges).bind(scope.workspace).bind(scope.command);
    query.persistent(false).fetch_all(&mut connection.inner).await
}

fn after(day: NaiveDate) -> NaiveDate {
    day.checked_add_days(Days::new(1)).unwrap_or(NaiveDate::MAX)
}

/// The parts of a period that are not summed, neighbours joined.
fn ranges(
    start: DateTime<Utc>,
    end: DateTime<Utc>,
    summed: &HashSet<NaiveDate>,
) -> Vec<(DateTime<Utc>, DateTime<Utc>)> {
    let mut days: Vec<NaiveDate> = summed.iter().copied().collect();
    days.sort_unstable();
    let midnight = |day: NaiveDate| day.and_time(NaiveTime::MIN).and_utc();
    let mut ranges = Vec::new();
    let mut from = start;
    for day in days {
        if from < midnight(day) {
            ranges.push((from, midnight(day)));
        }
        from = midnight(after(day));
    }
    if from < end {
        ranges.push((from, end));
    }
    ranges
}

async fn read_sums(
    connection: &mut Connection,
    scope: &UsageScope<'_>,
    days: &[NaiveDate],
    groups: &mut Vec<Group>,
    took: &mut Vec<Took>,
) -> Result<(), sqlx::Error> {
    let sql = "select day, workspace, metric_type, metric_name, service, outcome, code, sum(count)::bigint, sum(value)::bigint \
         from synthex.usage_reports where day = any($1) and metric_name <> '' and ($2::text is null or workspace = $2) \
         and ($3::text is null or (metric_type = 'command' and metric_name = $3)) group by 1, 2, 3, 4, 5, 6, 7";
    let query = sqlx::query(sql).bind(days).bind(scope.workspace).bind(scope.command).persistent(false);
    for row in query.fetch_all(&mut connection.inner).await? {
        groups.extend(group(&row)?);
    }
    let (name, rows) = match scope.durations {
        Durations::No => return Ok(()),
        Durations::Together if scope.workspace.is_none() && scope.command.is_none() => {
            ("''", "metric_name = ''")
        }
        Durations::Together => ("''", "metric_name <> ''"),
        Durations::ByCommand => ("metric_name", "metric_name <> ''"),
    };
    let sql = format!(
        "select {name}, took.ms, sum(took.n)::bigint from synthex.usage_reports, unnest(durations, counts) as took (ms, n) \
         where day = any($1) and metric_type = 'command' and {rows} and ($2::text is null or workspace = $2) \
         and ($3::text is null or metric_name = $3) group by 1, 2"
    );
    let query = sqlx::query(AssertSqlSafe(sql))
        .bind(days)
        .bind(scope.workspace)
        .bind(scope.command)
        .persistent(false);
    for row in query.fetch_all(&mut connection.inner).await? {
        took.push(duration(&row)?);
    }
    Ok(())
}

async fn read_metrics(
    connection: &mut Connection,
    scope: &UsageScope<'_>,
    ranges: &[(DateTime<Utc>, DateTime<Utc>)],
    groups: &mut Vec<Group>,
    took: &mut Vec<Took>,
) -> Result<(), sqlx::Error> {
    // The number of ranges is that of the gaps between summed days: nearly always one or two.
    let mut wanted = Vec::with_capacity(ranges.len());
    for number in 0..ranges.len() {
        wanted.push(format!("(recorded_at >= ${} and recorded_at < ${})", number * 2 + 3, number * 2 + 4));
    }
    let wanted = wanted.join(" or ");
    // What of a column is not wanted is not even compared, so that the plan is that of the plain question.
    let of_workspace = if scope.workspace.is_some() { "workspace = $1" } else { "$1::text is null" };
    let of_command = if scope.command.is_some() { "metric_name = $2" } else { "$2::text is null" };
    let only = if scope.command.is_some() { "metric_type = 'command'" } else { "true" };
    let sql = format!(
        "select (recorded_at at time zone 'UTC')::date, workspace, metric_type, metric_name, \
         service, outcome, code, count(*), sum(value)::bigint from synthex.usage_metrics \
         where ({wanted}) and {of_workspace} and {of_command} and {only} group by 1, 2, 3, 4, 5, 6, 7"
    );
    let mut query =
        sqlx::query(AssertSqlSafe(sql)).bind(scope.workspace).bind(scope.command).persistent(false);
    for (from, to) in ranges {
        query = query.bind(from).bind(to);
    }
    for row in query.fetch_all(&mut connection.inner).await? {
        groups.extend(group(&row)?);
    }
    let name = match scope.durations {
        Durations::No => return Ok(()),
        Durations::Together => "''",
        Durations::ByCommand => "metric_name",
    };
    let sql = format!(
        "select {name}, duration_ms, count(*) from synthex.usage_metrics where ({wanted}) and {of_workspace} and {of_command} \
         and metric_type = 'command' and duration_ms is not null group by 1, 2"
    );
    let mut query =
        sqlx::query(AssertSqlSafe(sql)).bind(scope.workspace).bind(scope.command).persistent(false);
    for (from, to) in ranges {
        query = query.bind(from).bind(to);
    }
    for row in query.fetch_all(&mut connection.inner).await? {
        took.push(duration(&row)?);
    }
    Ok(())
}

/// A group; `None` of a type that this program does not know.
fn group(row: &PgRow) -> Result<Option<Group>, sqlx::Error> {
    let Some(metric_type) = MetricType::from_code(row.try_get(2)?) else { return Ok(None) };
    let text = |column| Ok::<_, sqlx::Error>(row.try_get::<Option<String>, _>(column)?.unwrap_or_default());
    Ok(Some(Group {
        day: row.try_get(0)?,
        workspace: text(1)?,
        metric_type,
        name: row.try_get(3)?,
        service: text(4)?,
        is_failed: row.try_get::<&str, _>(5)? == Outcome::Failed.code(),
        code: text(6)?,
        count: row.try_get::<i64, _>(7)?.unsigned_abs(),
        value: row.try_get::<i64, _>(8)?.unsigned_abs(),
    }))
}

fn duration(row: &PgRow) -> Result<Took, sqlx::Error> {
    Ok(Took {
        name: row.try_get(0)?,
        milliseconds: row.try_get::<i64, _>(1)?.unsigned_abs(),
        count: row.try_get::<i64, _>(2)?.unsigned_abs(),
    })
}

/// The same durations from sums and from metrics as one, sorted.
fn merged(mut took: Vec<Took>) -> Vec<Took> {
    took.sort_unstable_by(|left, right| {
        (&left.name, left.milliseconds).cmp(&(&right.name, right.milliseconds))
    });
    took.dedup_by(|later, kept| {
        let same = later.name == kept.name && later.milliseconds == kept.milliseconds;
        if same {
            kept.count += later.count;
        }
        same
    });
    took
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    #[track_caller]
    fn check(start: &str, end: &str, summed: &[&str], expected: &[(&str, &str)]) {
        let (first, last) = whole_days(at(start), at(end));
        let summed = summed.iter().map(|day| day.parse().unwrap());
        let summed: HashSet<NaiveDate> = summed.filter(|day| *day >= first && *day < last).collect();
        let expected: Vec<_> = expected.iter().map(|(from, to)| (at(from), at(to))).collect();
        assert_eq!(ranges(at(start), at(end), &summed), expected, "{start} to {end} without {summed:?}");
    }

    #[test]
    fn a_day_is_cut_where_the_period_begins_or_ends_within_it() {
        for (start, end, expected) in [
            ("2026-03-01T00:00:00Z", "2026-03-04T00:00:00Z", &[][..]),
            ("2026-03-01T00:00:01Z", "2026-03-04T00:00:00Z", &["2026-03-01"]),
            ("2026-03-01T12:00:00Z", "2026-03-04T12:00:00Z", &["2026-03-01", "2026-03-04"]),
            ("2026-03-01T12:00:00Z", "2026-03-01T13:00:00Z", &["2026-03-01"]),
        ] {
            let expected: Vec<NaiveDate> = expected.iter().map(|day| day.parse().unwrap()).collect();
            assert_eq!(edges(at(start), at(end)), expected, "{start} to {end}");
        }
    }

    #[test]
    fn what_is_not_summed_is_read_and_nothing_is_read_twice() {
        let days = ["2026-03-01", "2026-03-02", "2026-03-03"];
        check(
            "2026-03-01T12:00:00Z",
            "2026-03-03T06:00:00Z",
            &days,
            &[
                ("2026-03-01T12:00:00Z", "2026-03-02T00:00:00Z"),
                ("2026-03-03T00:00:00Z", "2026-03-03T06:00:00Z"),
            ],
        );
        check("2026-03-01T00:00:00Z", "2026-03-04T00:00:00Z", &days, &[]);
        check(
            "2026-03-01T00:00:00Z",
            "2026-03-04T00:00:00Z",
            &["2026-03-02"],
            &[
                ("2026-03-01T00:00:00Z", "2026-03-02T00:00:00Z"),
                ("2026-03-03T00:00:00Z", "2026-03-04T00:00:00Z"),
            ],
        );
        check(
            "2026-03-01T06:00:00Z",
            "2026-03-01T07:00:00Z",
            &days,
            &[("2026-03-01T06:00:00Z", "2026-03-01T07:00:00Z")],
        );
    }
}
