//! Rows of alerts, and of what was told: read.

use std::collections::HashSet;

use chrono::{DateTime, TimeDelta, Utc};
use sqlx::postgres::PgRow;
use sqlx::{AssertSqlSafe, PgConnection, Row as _};
use uuid::Uuid;

use crate::alerts::facts::{Facts, GroupRow, ThresholdRow};
use crate::alerts::muting::SILENCE;
use crate::alerts::{Alert, AlertKind, AlertStatus, ResolveReason};
use crate::kinds::alert_rule::AlertSeverity;
use crate::model::Digest;
use crate::model::text::duration_seconds;

/// The columns of an alert, as [`alert_of`] reads them.
pub(super) const COLUMNS: &str = "id, rule, kind, fingerprint, tenant, service, subject, subject_id, labels::text, severity, status, \
     title, message, threshold, generation, expires_at, evidence::text, started_at, fired_at, changed_at, resolved_at, \
     resolve_reason, acknowledged_at, acknowledged_by, ack_comment, ack_until, muted_by, muted_since, is_flapping, transitions, \
     notified_at, reminders, revision";

/// The same without what nobody needs of alerts that nobody is told of.
const SLIM: &str = "id, rule, kind, fingerprint, tenant, service, subject, subject_id, \
     case when status = 'unrouted' then '{}' else labels::text end, severity, status, '', '', threshold, generation, expires_at, \
     case when status = 'unrouted' then '{}' else evidence::text end, started_at, fired_at, changed_at, resolved_at, \
     resolve_reason, acknowledged_at, acknowledged_by, ack_comment, ack_until, muted_by, muted_since, is_flapping, transitions, \
     notified_at, reminders, revision";

/// An alert; `None` for a kind that this version does not know, or that no evaluation raises.
pub(super) fn alert_of(row: &PgRow) -> Result<Option<Alert>, sqlx::Error> {
    let Some(kind) = AlertKind::from_code(row.try_get(2)?) else { return Ok(None) };
    let fingerprint: &[u8] = row.try_get(3)?;
    let (Some(fingerprint), Some(severity), Some(status)) = (
        Digest::from_slice(fingerprint),
        AlertSeverity::from_code(row.try_get(9)?),
        AlertStatus::from_code(row.try_get(10)?),
    ) else {
        return Ok(None);
    };
    let labels: &str = row.try_get(8)?;
    let evidence: &str = row.try_get(16)?;
    let reason: Option<&str> = row.try_get(21)?;
    Ok(Some(Alert {
        id: row.try_get(0)?,
        rule: row.try_get(1)?,
        kind,
        fingerprint,
        tenant: row.try_get(4)?,
        service: row.try_get(5)?,
        subject: row.try_get(6)?,
        subject_id: row.try_get(7)?,
        labels: serde_json::from_str(labels).unwrap_or_default(),
        severity,
        status,
        title: row.try_get(11)?,
        message: row.try_get(12)?,
        threshold: row.try_get(13)?,
        generation: row.try_get(14)?,
        expires_at: row.try_get(15)?,
        evidence: serde_json::from_str(evidence).unwrap_or_default(),
        started_at: row.try_get(17)?,
        fired_at: row.try_get(18)?,
        changed_at: row.try_get(19)?,
        resolved_at: row.try_get(20)?,
        resolve_reason: reason.and_then(ResolveReason::from_code),
        acknowledged_at: row.try_get(22)?,
        acknowledged_by: row.try_get(23)?,
        ack_comment: row.try_get(24)?,
        ack_until: row.try_get(25)?,
        muted_by: row.try_get(26)?,
        muted_since: row.try_get(27)?,
        is_flapping: row.try_get(28)?,
        transitions: row.try_get(29)?,
        notified_at: row.try_get(30)?,
        reminders: row.try_get(31)?,
        revision: row.try_get(32)?,
    }))
}

pub(super) async fn read_open(connection: &mut PgConnection, facts: &mut Facts) -> Result<(), sqlx::Error> {
    let sql = format!("select {SLIM} from synthex.alerts where workspace = $1 and status <> 'resolved'");
    let query = sqlx::query(AssertSqlSafe(sql)).bind(&facts.workspace).persistent(false);
    for row in query.fetch_all(connection).await? {
        facts.open.extend(alert_of(&row)?);
    }
    Ok(())
}

/// Alerts whose tenant or rule has another name now stay the same alerts, under the fingerprint of that name. Gives back which
/// they are. Two that would be one alert stay two.
pub(super) fn know_again(facts: &mut Facts) -> Vec<(Uuid, Digest)> {
    let identities: Vec<Digest> = facts.open.iter().map(|alert| alert.identity(&facts.workspace)).collect();
    let own = facts.open.iter().zip(&identities).filter(|(alert, identity)| alert.fingerprint == **identity);
    let mut known: HashSet<Digest> = own.map(|(alert, _)| alert.fingerprint).collect();
    let mut renamed = Vec::new();
    for (alert, identity) in facts.open.iter_mut().zip(identities) {
        if identity != alert.fingerprint && known.insert(identity) {
            alert.fingerprint = identity;
            renamed.push((alert.id, identity));
        }
    }
    renamed
}

/// Writes the fingerprints of alerts that are known again. Names may have been handed on, so that one gets what another had: each
/// gives up its own first.
pub(super) async fn write_fingerprints(
    connection: &mut PgConnection,
    workspace: &str,
    renamed: &[(Uuid, Digest)],
) -> Result<(), sqlx::Error> {
    let (ids, fingerprints): (Vec<Uuid>, Vec<Vec<u8>>) =
        renamed.iter().map(|(id, fingerprint)| (*id, fingerprint.as_bytes().to_vec())).unzip();
    let none: Vec<Vec<u8>> = ids.iter().map(|id| Digest::of(id.as_bytes()).as_bytes().to_vec()).collect();
    let sql = "update synthex.alerts as a set fingerprint = u.fingerprint \
         from unnest($2::uuid[], $3::bytea[]) as u (id, fingerprint) where a.workspace = $1 and a.id = u.id";
    for fingerprints in [none, fingerprints] {
        let query = sqlx::query(sql).bind(workspace).bind(&ids).bind(fingerprints).persistent(false);
        query.execute(&mut *connection).await?;
    }
    Ok(())
}

/// Silences "until resolved" whose alerts are over since they began. What ended before is of another silence that had the name,
/// and what was never raised was never silenced either. The oldest of them bounds what is looked at, by `alerts_by_change`.
const SPENT: &str = "select s.name, a.fingerprint from synthex.alerts as a \
     join unnest($2::text[], $3::timestamptz[]) as s (name, since) \
      on a.changed_at >= s.since and a.muted_by @> array[$4 || s.name] \
     where a.workspace = $1 and a.status = 'resolved' and a.fired_at is not null \
      and a.changed_at >= (select min(x) from unnest($3) as x) group by 1, 2";

/// What ended within the windows of rules that guard against flapping; and which silences "until resolved" are spent.
pub(super) async fn read_ended(
    connection: &mut PgConnection,
    facts: &mut Facts,
    now: DateTime<Utc>,
) -> Result<(), sqlx::Error> {
    let guards = facts.rules.iter().filter_map(|rule| {
        let window = duration_seconds(&rule.spec.flapping.as_ref()?.window)?;
        Some((rule.name.clone(), now.checked_sub_signed(TimeDelta::try_seconds(window)?)?))
    });
    let (rules, since): (Vec<String>, Vec<DateTime<Utc>>) = guards.unzip();
    if !rules.is_empty() {
        let sql = format!(
            "select {COLUMNS} from synthex.alerts as a where a.workspace = $1 and a.status = 'resolved' \
             and exists (select from unnest($2::text[], $3::timestamptz[]) as g (own_rule, since) \
              where g.own_rule = a.rule and a.resolved_at >= g.since) and a.changed_at >= (select min(x) from unnest($3) as x)"
        );
        let query =
            sqlx::query(AssertSqlSafe(sql)).bind(&facts.workspace).bind(rules).bind(since).persistent(false);
        for row in query.fetch_all(&mut *connection).await? {
            facts.ended.extend(alert_of(&row)?);
        }
    }
    let until_resolved = facts.silences.iter().filter(|(_, spec)| spec.until_resolved);
    let (silences, since): (Vec<&str>, Vec<DateTime<Utc>>) =
        until_resolved.map(|(name, spec)| (name.as_str(), spec.starts_at)).unzip();
    if !silences.is_empty() {
        let query = sqlx::query(SPENT).bind(&facts.workspace).bind(silences).bind(since).bind(SILENCE);
        for row in query.persistent(false).fetch_all(connection).await? {
            let (name, fingerprint): (String, &[u8]) = (row.try_get(0)?, row.try_get(1)?);
            facts.spent.extend(Digest::from_slice(fingerprint).map(|digest| (name, digest)));
        }
    }
    Ok(())
}

/// Thresholds of the credentials that were read.
pub(super) async fn read_thresholds(
    connection: &mut PgConnection,
    facts: &mut Facts,
) -> Result<(), sqlx::Error> {
    let ids: Vec<Uuid> = facts.credentials.iter().map(|credential| credential.id).collect();
    if ids.is_empty() {
        return Ok(());
    }
    let sql = "select rule, credential, generation, threshold, state = 'told', alert, crossed_at \
         from synthex.alert_thresholds where workspace = $1 and credential in (select unnest($2::uuid[]))";
    let query = sqlx::query(sql).bind(&facts.workspace).bind(ids).persistent(false);
    for row in query.fetch_all(connection).await? {
        facts.thresholds.push(ThresholdRow {
            rule: row.try_get(0)?,
            credential: row.try_get(1)?,
            generation: row.try_get(2)?,
            threshold: row.try_get(3)?,
            is_told: row.try_get(4)?,
            alert: row.try_get(5)?,
            crossed_at: row.try_get(6)?,
        });
    }
    Ok(())
}

/// Groups of rules that have some, or had.
pub(super) async fn read_groups(connection: &mut PgConnection, facts: &mut Facts) -> Result<(), sqlx::Error> {
    if facts.rules.iter().all(|rule| rule.spec.grouping.is_none()) {
        return Ok(());
    }
    let sql = "select rule, group_key, notified_at, due_at from synthex.alert_groups where workspace = $1";
    let query = sqlx::query(sql).bind(&facts.workspace).persistent(false);
    for row in query.fetch_all(connection).await? {
        facts.groups.push(GroupRow {
            rule: row.try_get(0)?,
            key: row.try_get(1)?,
            notified_at: row.try_get(2)?,
            due_at: row.try_get(3)?,
        });
    }
    Ok(())
}
