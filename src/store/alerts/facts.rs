//! What is so: credentials that can matter now, how things stand that are not well, and what was used.

use chrono::{DateTime, TimeDelta, Utc};
use sqlx::postgres::PgRow;
use sqlx::{PgConnection, Row as _};

use crate::alerts::facts::{CredentialFact, Facts, HealthFact, TenantFact};
use crate::alerts::inhibition::is_unreachable;
use crate::alerts::signals::metric_code;
use crate::alerts::threshold::Thresholds;
use crate::kinds::alert_rule::Condition;
use crate::model::health::{CheckedService, HealthStatus};
use crate::model::market::{Market, TenantType};
use crate::model::text::duration_seconds;

/// What is known of a tenant, beside what it is the tenant of.
macro_rules! tenant_columns {
    () => {
        "t.name, t.display_name, t.type, t.market, t.region, t.labels::text, t.status = 'suspended', t.deleted_at is not null"
    };
}

/// How many columns those are.
const TENANT: usize = 8;

fn word<T: serde::de::DeserializeOwned>(text: Option<&str>) -> Option<T> {
    serde_json::from_value(serde_json::Value::String(text?.to_owned())).ok()
}

/// Keeps the tenant that a row tells of from its column `at` on, if there is one.
fn keep_tenant(row: &PgRow, at: usize, facts: &mut Facts) -> Result<(), sqlx::Error> {
    let Some(name) = row.try_get::<Option<&str>, _>(at)? else { return Ok(()) };
    if facts.tenants.contains_key(name) {
        return Ok(());
    }
    let labels: &str = row.try_get(at + 5)?;
    let tenant = TenantFact {
        display_name: row.try_get(at + 1)?,
        kind: word::<TenantType>(row.try_get(at + 2)?),
        market: word::<Market>(row.try_get(at + 3)?),
        region: row.try_get(at + 4)?,
        labels: serde_json::from_str(labels).unwrap_or_default(),
        is_suspended: row.try_get(at + 6)?,
        is_deleted: row.try_get(at + 7)?,
    };
    facts.tenants.insert(name.to_owned(), tenant);
    Ok(())
}

/// Credentials that may have crossed something, cannot renew themselves, or have an open alert. What is observed wins over what
/// is declared; the declared end of a pair that was renewed since is that of another pair. `$2` is the latest expiry that can
/// matter, `$3` the largest share of a life in percent, `$4` whether an unknown expiry matters, `$5` now, `$6` tenants that count as if they
/// were not suspended. Somebody may have written `infinity`, or a year before our era, which no calendar here reaches; what is unknown stays unknown, which `least`
/// alone would not leave it.
const CREDENTIALS: &str = concat!(
    "select c.id, c.name, c.tenant, c.service, x.expires_at, x.issued_at, md5(c.secret_ref::text), c.renewal <> 'none', \
      coalesce(s.renewal_failures, 0), s.last_renewal_error, c.status = 'revoked', c.deleted_at is not null, ",
    tenant_columns!(),
    " from synthex.credentials as c \
     left join synthex.credential_status as s on s.workspace = c.workspace and s.credential = c.id \
     left join synthex.tenants as t on t.workspace = c.workspace and t.name = c.tenant \
     cross join lateral (select coalesce(s.observed_expires_at, case when c.renewal <> 'shopify-refresh-token' \
       or s.last_renewed_at is null then c.declared_expires_at end) as expires_at, \
       case when c.renewal = 'shopify-refresh-token' and s.last_renewed_at is not null then s.last_renewed_at \
        else coalesce(c.declared_issued_at, c.created_at) end as issued_at) as r \
     cross join lateral (select \
       case when r.expires_at is not null then least(greatest(r.expires_at, timestamptz '0001-01-01 00:00Z'), \
        timestamptz '9999-12-31 00:00Z') end as expires_at, \
       case when r.issued_at is not null then least(greatest(r.issued_at, timestamptz '0001-01-01 00:00Z'), \
        timestamptz '9999-12-31 00:00Z') end as issued_at) as x \
     where c.workspace = $1 and ( \
      (c.deleted_at is null and c.status = 'active' and t.deleted_at is null \
       and (t.status <> 'suspended' or t.name = any($6)) and ( \
        x.expires_at <= $2 or x.expires_at - (x.expires_at - x.issued_at) * ($3::float8 / 100) <= $5 \
        or ($4 and x.expires_at is null) or (c.renewal <> 'none' and s.renewal_failures >= 3))) \
      or c.id in (select a.subject_id from synthex.alerts as a where a.workspace = $1 and a.status <> 'resolved' \
        and a.subject_id is not null))"
);

pub(super) async fn read_credentials(
    connection: &mut PgConnection,
    facts: &mut Facts,
    now: DateTime<Utc>,
    resumed: &[&str],
) -> Result<(), sqlx::Error> {
    // What has expired matters also where no rule says so (M-M9).
    let (mut lead, mut share, mut is_unknown_wanted) = (TimeDelta::zero(), None::<i32>, false);
    for rule in facts.rules.iter().filter(|rule| rule.spec.enabled && !rule.is_deleted) {
        if let Condition::CredentialExpiry(expiry) = &rule.spec.when {
            let (own_lead, own_share) = Thresholds::of(expiry).widest();
            lead = lead.max(own_lead.unwrap_or_default());
            share = share.max(own_share);
            is_unknown_wanted |= expiry.require_expiry;
        }
    }
    let latest = now.checked_add_signed(lead).unwrap_or(now);
    let query = sqlx::query(CREDENTIALS)
        .bind(&facts.workspace)
        .bind(latest)
        .bind(share)
        .bind(is_unknown_wanted)
        .bind(now)
        .bind(resumed)
        .persistent(false);
    for row in query.fetch_all(connection).await? {
        facts.credentials.push(CredentialFact {
            id: row.try_get(0)?,
            name: row.try_get(1)?,
            tenant: row.try_get(2)?,
            service: row.try_get(3)?,
            expires_at: row.try_get(4)?,
            issued_at: row.try_get(5)?,
            secret_version: row.try_get(6)?,
            renews_itself: row.try_get(7)?,
            renewal_failures: row.try_get(8)?,
            renewal_error: row.try_get(9)?,
            is_revoked: row.try_get(10)?,
            is_deleted: row.try_get(11)?,
        });
        keep_tenant(&row, row.len() - TENANT, facts)?;
    }
    Ok(())
}

const TENANTS: &str = concat!(
    "select ",
    tenant_columns!(),
    " from synthex.tenants as t where t.workspace = $1 and t.name = any($2::text[])"
);

/// Tenants by name.
pub(super) async fn read_tenants(
    connection: &mut PgConnection,
    facts: &mut Facts,
    names: &[String],
) -> Result<(), sqlx::Error> {
    let query = sqlx::query(TENANTS).bind(&facts.workspace).bind(names).persistent(false);
    for row in query.fetch_all(connection).await? {
        keep_tenant(&row, 0, facts)?;
    }
    Ok(())
}

/// What is not well, or was not a moment ago, or has an open alert; and of each provider how many tenants are looked at.
const HEALTH: &str = concat!(
    "select h.service, h.subject, h.tenant, h.status, h.since, h.last_status, h.code, h.message, h.failures, h.successes, \
      h.severe, ",
    tenant_columns!(),
    " from synthex.health_status as h left join synthex.tenants as t on t.workspace = h.workspace and t.name = h.tenant \
     where h.workspace in ($1, '') and (h.status <> 'healthy' or h.last_status <> 'healthy' or h.failures > 0 \
      or exists (select from synthex.alerts as a where a.workspace = $1 and a.status <> 'resolved' \
       and a.kind = 'health_status' and a.service = h.service and a.subject = h.subject))"
);

const WATCHED: &str = "select h.service, count(*) from synthex.health_status as h \
     join synthex.tenants as t on t.workspace = h.workspace and t.name = h.tenant \
     where h.workspace = $1 and t.deleted_at is null and t.status <> 'suspended' \
     and h.service in ('shopify', 'google-merchant') group by 1";

pub(super) async fn read_health(connection: &mut PgConnection, facts: &mut Facts) -> Result<(), sqlx::Error> {
    let query = sqlx::query(HEALTH).bind(&facts.workspace).persistent(false);
    for row in query.fetch_all(&mut *connection).await? {
        let status = |text: &str| HealthStatus::from_code(text).unwrap_or(HealthStatus::Unknown);
        let Some(service) = word::<CheckedService>(Some(row.try_get(0)?)) else { continue };
        facts.health.push(HealthFact {
            service,
            subject: row.try_get(1)?,
            tenant: row.try_get(2)?,
            status: status(row.try_get(3)?),
            since: row.try_get(4)?,
            last_status: status(row.try_get(5)?),
            code: row.try_get(6)?,
            message: row.try_get(7)?,
            failures: row.try_get(8)?,
            successes: row.try_get(9)?,
            severe: row.try_get(10)?,
        });
        keep_tenant(&row, row.len() - TENANT, facts)?;
    }
    // How many are looked at matters only where some are not well.
    let is_down = |fact: &HealthFact| fact.status == HealthStatus::Unhealthy || is_unreachable(&fact.code);
    if facts.health.iter().any(|fact| fact.tenant.is_some() && is_down(fact)) {
        let query = sqlx::query(WATCHED).bind(&facts.workspace).persistent(false);
        for row in query.fetch_all(connection).await? {
            if let Some(service) = word::<CheckedService>(Some(row.try_get(0)?)) {
                facts.watched.insert(service, row.try_get(1)?);
            }
        }
    }
    Ok(())
}

/// What was used, from a moment on and up to another one.
const USAGE: &str = "select u.rule, coalesce(sum(m.value), 0)::bigint \
     from unnest($2::text[], $3::text[], $4::timestamptz[]) as u (rule, metric, since) \
     left join synthex.usage_metrics as m on m.workspace = $1 and m.metric_type = u.metric \
      and m.recorded_at >= u.since and m.recorded_at < $5 group by 1";

pub(super) async fn read_usage(
    connection: &mut PgConnection,
    facts: &mut Facts,
    now: DateTime<Utc>,
) -> Result<(), sqlx::Error> {
    let (mut rules, mut metrics, mut since) = (Vec::new(), Vec::new(), Vec::new());
    for rule in facts.rules.iter().filter(|rule| rule.spec.enabled && !rule.is_deleted) {
        let Condition::UsageThreshold(usage) = &rule.spec.when else { continue };
        let window = duration_seconds(&usage.window).and_then(TimeDelta::try_seconds).unwrap_or_default();
        rules.push(rule.name.clone());
        metrics.push(metric_code(usage.metric));
        since.push(now.checked_sub_signed(window).unwrap_or(now));
    }
    if rules.is_empty() {
        return Ok(());
    }
    let query = sqlx::query(USAGE)
        .bind(&facts.workspace)
        .bind(&rules)
        .bind(metrics)
        .bind(since)
        .bind(now)
        .persistent(false);
    for row in query.fetch_all(connection).await? {
        facts.usage.insert(row.try_get(0)?, row.try_get(1)?);
    }
    Ok(())
}
