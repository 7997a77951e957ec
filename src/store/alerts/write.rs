//! Rows of alerts, and of what was told: written, in sets.

use chrono::{DateTime, Utc};
use sqlx::{PgConnection, Postgres, query::Query};
use uuid::Uuid;

use crate::alerts::Alert;
use crate::alerts::facts::{GroupRow, Outcome, ThresholdRow};

/// How many rows one statement writes.
const ROWS: usize = 20_000;

/// The values of alerts, one list for each column. Lists of lists are no lists in SQL: what mutes an alert and when it came and
/// went are texts, with a line for each.
macro_rules! values {
    () => {
        "unnest($1::uuid[], $2::text[], $3::text[], $4::bytea[], $5::text[], $6::text[], $7::text[], $8::uuid[], $9::text[], \
          $10::text[], $11::text[], $12::text[], $13::text[], $14::text[], $15::text[], $16::timestamptz[], $17::text[], \
          $18::timestamptz[], $19::timestamptz[], $20::timestamptz[], $21::timestamptz[], $22::text[], $23::timestamptz[], \
          $24::text[], $25::text[], $26::timestamptz[], $27::text[], $28::timestamptz[], $29::boolean[], $30::text[], \
          $31::timestamptz[], $32::bigint[], $33::bigint[]) as u (id, rule, kind, fingerprint, tenant, service, subject, \
          subject_id, labels, severity, status, title, message, threshold, generation, expires_at, evidence, started_at, \
          fired_at, changed_at, resolved_at, resolve_reason, acknowledged_at, acknowledged_by, ack_comment, ack_until, \
          muted_by, muted_since, is_flapping, transitions, notified_at, reminders, revision)"
    };
}

const INSERT: &str = concat!(
    "insert into synthex.alerts (workspace, id, rule, kind, fingerprint, tenant, service, subject, subject_id, labels, severity, \
      status, title, message, threshold, generation, expires_at, evidence, started_at, fired_at, changed_at, resolved_at, \
      resolve_reason, acknowledged_at, acknowledged_by, ack_comment, ack_until, muted_by, muted_since, is_flapping, transitions, \
      notified_at, reminders, revision) \
     select $34, id, rule, kind, fingerprint, tenant, service, subject, subject_id, labels::jsonb, severity, status, title, message, \
      threshold, generation, expires_at, evidence::jsonb, started_at, fired_at, changed_at, resolved_at, resolve_reason, \
      acknowledged_at, acknowledged_by, ack_comment, ack_until, string_to_array(muted_by, E'\\n'), muted_since, is_flapping, \
      string_to_array(transitions, E'\\n')::timestamptz[], notified_at, reminders, revision from ",
    values!(),
    " on conflict do nothing"
);

const UPDATE: &str = concat!(
    "update synthex.alerts as a set tenant = u.tenant, service = u.service, subject = u.subject, \
      labels = case when u.labels = '{}' then a.labels else u.labels::jsonb end, severity = u.severity, status = u.status, \
      title = u.title, message = u.message, threshold = u.threshold, generation = u.generation, expires_at = u.expires_at, \
      evidence = u.evidence::jsonb, started_at = u.started_at, fired_at = u.fired_at, changed_at = u.changed_at, \
      resolved_at = u.resolved_at, resolve_reason = u.resolve_reason, acknowledged_at = u.acknowledged_at, \
      acknowledged_by = u.acknowledged_by, ack_comment = u.ack_comment, ack_until = u.ack_until, \
      muted_by = string_to_array(u.muted_by, E'\\n'), muted_since = u.muted_since, is_flapping = u.is_flapping, \
      transitions = string_to_array(u.transitions, E'\\n')::timestamptz[], notified_at = u.notified_at, \
      reminders = u.reminders, revision = a.revision + 1 from ",
    values!(),
    " where a.workspace = $34 and a.id = u.id and a.revision = u.revision"
);

type Bound<'q> = Query<'q, Postgres, sqlx::postgres::PgArguments>;

fn lines<T>(values: &[T], text: impl Fn(&T) -> String) -> String {
    values.iter().map(text).collect::<Vec<_>>().join("\n")
}

fn bind<'q>(sql: &'static str, alerts: &[Alert], workspace: &'q str) -> Bound<'q> {
    macro_rules! each {
        ($value:expr) => {
            alerts.iter().map($value).collect::<Vec<_>>()
        };
    }
    sqlx::query(sql)
        .bind(each!(|alert: &Alert| alert.id))
        .bind(each!(|alert: &Alert| alert.rule.clone()))
        .bind(each!(|alert: &Alert| alert.kind.code()))
        .bind(each!(|alert: &Alert| alert.fingerprint.as_bytes().to_vec()))
        .bind(each!(|alert: &Alert| alert.tenant.clone()))
        .bind(each!(|alert: &Alert| alert.service.clone()))
        .bind(each!(|alert: &Alert| alert.subject.clone()))
        .bind(each!(|alert: &Alert| alert.subject_id))
        .bind(each!(|alert: &Alert| serde_json::to_string(&alert.labels).unwrap_or_else(|_| "{}".to_owned())))
        .bind(each!(|alert: &Alert| alert.severity.code()))
        .bind(each!(|alert: &Alert| alert.status.code()))
        .bind(each!(|alert: &Alert| alert.title.clone()))
        .bind(each!(|alert: &Alert| alert.message.clone()))
        .bind(each!(|alert: &Alert| alert.threshold.clone()))
        .bind(each!(|alert: &Alert| alert.generation.clone()))
        .bind(each!(|alert: &Alert| alert.expires_at))
        .bind(each!(|alert: &Alert| if alert.evidence.is_object() {
            alert.evidence.to_string()
        } else {
            "{}".to_owned()
        }))
        .bind(each!(|alert: &Alert| alert.started_at))
        .bind(each!(|alert: &Alert| alert.fired_at))
        .bind(each!(|alert: &Alert| alert.changed_at))
        .bind(each!(|alert: &Alert| alert.resolved_at))
        .bind(each!(|alert: &Alert| alert.resolve_reason.map(crate::alerts::ResolveReason::code)))
        .bind(each!(|alert: &Alert| alert.acknowledged_at))
        .bind(each!(|alert: &Alert| alert.acknowledged_by.clone()))
        .bind(each!(|alert: &Alert| alert.ack_comment.clone()))
        .bind(each!(|alert: &Alert| alert.ack_until))
        .bind(each!(|alert: &Alert| lines(&alert.muted_by, String::clone)))
        .bind(each!(|alert: &Alert| alert.muted_since))
        .bind(each!(|alert: &Alert| alert.is_flapping))
        .bind(each!(|alert: &Alert| lines(&alert.transitions, DateTime::to_rfc3339)))
        .bind(each!(|alert: &Alert| alert.notified_at))
        .bind(each!(|alert: &Alert| alert.reminders))
        .bind(each!(|alert: &Alert| alert.revision))
        .bind(workspace)
        .persistent(false)
}

/// Writes what came of an evaluation, within the caller's transaction: what changed before what is new, because one may stand in
/// the place of the other. `false` where a row is not as it was read: then nothing counts.
pub(super) async fn write(
    connection: &mut PgConnection,
    workspace: &str,
    outcome: &Outcome,
    now: DateTime<Utc>,
) -> Result<bool, sqlx::Error> {
    for (sql, alerts) in [(UPDATE, &outcome.updates), (INSERT, &outcome.inserts)] {
        for alerts in alerts.chunks(ROWS) {
            let done = bind(sql, alerts, workspace).execute(&mut *connection).await?;
            if usize::try_from(done.rows_affected()) != Ok(alerts.len()) {
                return Ok(false);
            }
        }
    }
    if !outcome.rearmed.is_empty() {
        let (rules, credentials): (Vec<&str>, Vec<Uuid>) =
            outcome.rearmed.iter().map(|(rule, credential)| (rule.as_str(), *credential)).unzip();
        let sql = "delete from synthex.alert_thresholds as t using unnest($2::text[], $3::uuid[]) as u (rule, credential) \
             where t.workspace = $1 and (t.rule, t.credential) = (u.rule, u.credential)";
        let query = sqlx::query(sql).bind(workspace).bind(rules).bind(credentials).persistent(false);
        query.execute(&mut *connection).await?;
    }
    for rows in outcome.thresholds.chunks(ROWS) {
        thresholds(connection, workspace, rows).await?;
    }
    for rows in outcome.groups.chunks(ROWS) {
        groups(connection, workspace, rows).await?;
    }
    if !outcome.evaluations.is_empty() {
        let (rules, next): (Vec<&str>, Vec<Option<DateTime<Utc>>>) =
            outcome.evaluations.iter().map(|row| (row.rule.as_str(), row.next_due_at)).unzip();
        let sql = "insert into synthex.alert_evaluations (workspace, rule, evaluated_at, next_due_at) \
             select $1, u.rule, $4, u.next from unnest($2::text[], $3::timestamptz[]) as u (rule, next) \
             on conflict (workspace, rule) do update set evaluated_at = excluded.evaluated_at, next_due_at = excluded.next_due_at";
        let query = sqlx::query(sql).bind(workspace).bind(rules).bind(next).bind(now).persistent(false);
        query.execute(connection).await?;
    }
    Ok(true)
}

/// One that is there is told again by another alert (M-E8).
const THRESHOLDS: &str = "insert into synthex.alert_thresholds (workspace, rule, credential, generation, threshold, state, alert, \
      crossed_at) select $1, u.* from unnest($2::text[], $3::uuid[], $4::text[], $5::text[], $6::text[], $7::uuid[], \
      $8::timestamptz[]) as u \
     on conflict (workspace, rule, credential, generation, threshold) do update set state = excluded.state, \
      alert = excluded.alert, crossed_at = excluded.crossed_at";

async fn thresholds(
    connection: &mut PgConnection,
    workspace: &str,
    rows: &[ThresholdRow],
) -> Result<(), sqlx::Error> {
    let texts = |text: fn(&ThresholdRow) -> &str| rows.iter().map(text).collect::<Vec<&str>>();
    let query = sqlx::query(THRESHOLDS)
        .bind(workspace)
        .bind(texts(|row| &row.rule))
        .bind(rows.iter().map(|row| row.credential).collect::<Vec<Uuid>>())
        .bind(texts(|row| &row.generation))
        .bind(texts(|row| &row.threshold))
        .bind(texts(|row| if row.is_told { "told" } else { "superseded" }))
        .bind(rows.iter().map(|row| row.alert).collect::<Vec<Uuid>>())
        .bind(rows.iter().map(|row| row.crossed_at).collect::<Vec<DateTime<Utc>>>())
        .persistent(false);
    query.execute(connection).await.map(|_| ())
}

async fn groups(
    connection: &mut PgConnection,
    workspace: &str,
    rows: &[GroupRow],
) -> Result<(), sqlx::Error> {
    let sql = "insert into synthex.alert_groups (workspace, rule, group_key, notified_at, due_at) \
         select $1, u.* from unnest($2::text[], $3::text[], $4::timestamptz[], $5::timestamptz[]) as u \
         on conflict (workspace, rule, group_key) do update set notified_at = excluded.notified_at, due_at = excluded.due_at";
    let query = sqlx::query(sql)
        .bind(workspace)
        .bind(rows.iter().map(|row| row.rule.as_str()).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| row.key.as_str()).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| row.notified_at).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| row.due_at).collect::<Vec<_>>())
        .persistent(false);
    query.execute(connection).await.map(|_| ())
}
