//! The lists of the status page: looked for by a part of a name, cut by the database, with how many there are in all.

use chrono::{DateTime, Utc};
use sqlx::postgres::PgRow;
use sqlx::{AssertSqlSafe, PgConnection, Row as _};

use crate::engine::StateError;
use crate::store::connect::{Connection, in_transaction};
use crate::store::error::within;
use crate::store::list::within_reach;

/// How many results of a check are shown.
const HISTORY: i64 = 40;

/// Which lines are wanted.
#[derive(Clone, Debug, Default)]
pub struct LineWish {
    /// With this text in a name; empty for all.
    pub text: String,
    /// Of this workspace; empty for all.
    pub workspace: String,
    /// In this state; empty for all.
    pub state: String,
    /// After so many.
    pub offset: i64,
    /// At most so many.
    pub limit: i64,
}

impl LineWish {
    /// The text as a pattern, in which nothing but its ends is open.
    fn pattern(&self) -> String {
        let mut pattern = String::from("%");
        for letter in self.text.chars() {
            if matches!(letter, '%' | '_' | '\\') {
                pattern.push('\\');
            }
            pattern.push(letter);
        }
        pattern.push('%');
        pattern
    }
}

/// A tenant.
#[derive(Clone, Debug)]
pub struct TenantLine {
    /// Its workspace.
    pub workspace: String,
    /// Its id.
    pub name: String,
    /// What people call it.
    pub display_name: String,
    /// What it runs.
    pub kind: String,
    /// Its market.
    pub market: String,
    /// Its status.
    pub status: String,
    /// Its template.
    pub template: Option<String>,
    /// Whose it is.
    pub owner: Option<String>,
    /// When it was last written.
    pub updated_at: DateTime<Utc>,
    /// Who last wrote it past synthex.
    pub touched_by: Option<String>,
    /// The worst of its health checks.
    pub health: Option<String>,
    /// How many alerts of it fire.
    pub alerts: i64,
}

/// A credential.
#[derive(Clone, Debug)]
pub struct CredentialLine {
    /// Its workspace.
    pub workspace: String,
    /// Its name.
    pub name: String,
    /// Whose it is.
    pub tenant: String,
    /// Of which service.
    pub service: String,
    /// Whether it is not used any more.
    pub is_revoked: bool,
    /// When it ends.
    pub ends_at: Option<DateTime<Utc>>,
    /// How it is renewed.
    pub renewal: String,
    /// What the provider said of it last.
    pub verdict: Option<String>,
    /// The same for people.
    pub message: Option<String>,
    /// When that was.
    pub verified_at: Option<DateTime<Utc>>,
    /// When it was last renewed.
    pub renewed_at: Option<DateTime<Utc>>,
    /// How many renewals failed in a row.
    pub renewal_failures: i64,
}

/// Something that is looked at.
#[derive(Clone, Debug)]
pub struct HealthLine {
    /// Its workspace.
    pub workspace: String,
    /// What is looked at.
    pub service: String,
    /// Of what.
    pub subject: String,
    /// The tenant.
    pub tenant: Option<String>,
    /// How it stands.
    pub status: String,
    /// Since when.
    pub since: DateTime<Utc>,
    /// What was found, as a stable word.
    pub code: String,
    /// The same for people.
    pub message: String,
    /// How long it took, in milliseconds.
    pub latency_ms: Option<i64>,
    /// When it was looked at.
    pub checked_at: DateTime<Utc>,
    /// The last results, the oldest first.
    pub history: Vec<Found>,
}

/// The status that a look found, and how long it took in milliseconds.
pub type Found = (String, Option<i64>);

/// A credential ends when it was observed to, and else when it is declared to.
const CREDENTIALS: &str = "select c.workspace, c.name, c.tenant, c.service, c.status = 'revoked', \
      case when ends is not null then least(greatest(ends, timestamptz '0001-01-01 00:00Z'), timestamptz '9999-12-31 00:00Z') end, c.renewal, s.verify_verdict, \
      s.verify_message, s.last_verified_at, s.last_renewed_at, coalesce(s.renewal_failures, 0), count(*) over () \
     from synthex.credentials as c \
     left join synthex.credential_status as s on s.workspace = c.workspace and s.credential = c.id \
     cross join lateral coalesce(s.observed_expires_at, c.declared_expires_at) as e (ends) \
     where c.deleted_at is null and ($1 = '' or c.workspace = $1) and (c.name ilike $2 or c.tenant ilike $2) \
     order by c.status = 'revoked', ends nulls last, c.workspace, c.name limit $3 offset $4";

const HEALTH: &str = "select workspace, service, subject, tenant, status, since, code, message, latency_ms, checked_at, count(*) over () \
     from synthex.health_status where code <> 'never_checked' and ($1 = '' or workspace = $1) and ($2 = '' or status = $2) \
      and (subject ilike $3 or tenant ilike $3 or service ilike $3 or workspace ilike $3) \
     order by array_position(array['unhealthy', 'degraded', 'unknown', 'healthy'], status), since desc, workspace, service, subject \
     limit $4 offset $5";

const RESULTS: &str = "select k.n, c.status, c.latency_ms from unnest($1::text[], $2::text[], $3::text[]) with ordinality as k (w, s, u, n) \
     cross join lateral (select h.status, h.latency_ms, h.checked_at from synthex.health_checks as h \
      where (h.workspace, h.service, h.subject) = (k.w, k.s, k.u) order by h.checked_at desc limit $4) as c \
     order by k.n, c.checked_at";

/// What is known of tenants beside their rows: the worst of their checks, and how many alerts fire.
const BESIDE: &str = "select k.n, \
      (array['healthy', 'unknown', 'degraded', 'unhealthy'])[max(array_position(array['healthy', 'unknown', 'degraded', 'unhealthy'], h.status))], \
      null::bigint from synthex.health_status as h \
      join unnest($1::text[], $2::text[]) with ordinality as k (w, t, n) on (h.workspace, h.tenant) = (k.w, k.t) \
      where h.code <> 'never_checked' group by 1 \
     union all select k.n, null, count(*) from synthex.alerts as a \
      join unnest($1::text[], $2::text[]) with ordinality as k (w, t, n) on (a.workspace, a.tenant) = (k.w, k.t) \
      where a.status = 'firing' group by 1";

impl Connection {
    /// Tenants by workspace and id, and how many there are in all.
    ///
    /// # Errors
    /// Whatever the database reports.
    pub async fn tenant_lines(&mut self, wish: &LineWish) -> Result<(Vec<TenantLine>, i64), StateError> {
        let limit = self.timeout;
        let sql = format!(
            "select workspace, name, display_name, type, market, status, template, owner, {}, \
              case when touched_at is not null then touched_by end, count(*) over () from synthex.tenants \
             where deleted_at is null and ($1 = '' or workspace = $1) and ($2 = '' or status = $2) \
              and (name ilike $3 or display_name ilike $3 or shopify_shop ilike $3) \
             order by workspace, name limit $4 offset $5",
            within_reach("updated_at")
        );
        let work = in_transaction(&mut self.inner, async |connection| {
            let query = sqlx::query(AssertSqlSafe(sql))
                .bind(&wish.workspace)
                .bind(&wish.state)
                .bind(wish.pattern())
                .bind(wish.limit)
                .bind(wish.offset)
                .persistent(false);
            let rows = query.fetch_all(&mut *connection).await?;
            let total = total(rows.first())?;
            let mut lines = rows.iter().map(tenant).collect::<Result<Vec<_>, _>>()?;
            read_beside(connection, &mut lines).await?;
            Ok((lines, total))
        });
        within(limit, "reading tenants", work).await
    }

    /// Credentials, what ends first before the others, and how many there are in all.
    ///
    /// # Errors
    /// Whatever the database reports.
    pub async fn credential_lines(
        &mut self,
        wish: &LineWish,
    ) -> Result<(Vec<CredentialLine>, i64), StateError> {
        let limit = self.timeout;
        let work = in_transaction(&mut self.inner, async |connection| {
            let query = sqlx::query(CREDENTIALS)
                .bind(&wish.workspace)
                .bind(wish.pattern())
                .bind(wish.limit)
                .bind(wish.offset)
                .persistent(false);
            let rows = query.fetch_all(connection).await?;
            let lines = rows.iter().map(credential).collect::<Result<Vec<_>, _>>()?;
            Ok((lines, total(rows.first())?))
        });
        within(limit, "reading credentials", work).await
    }

    /// What is looked at, the worst first, with its last results; and how many there are in all.
    ///
    /// # Errors
    /// Whatever the database reports.
    pub async fn health_lines(&mut self, wish: &LineWish) -> Result<(Vec<HealthLine>, i64), StateError> {
        let limit = self.timeout;
        let work = in_transaction(&mut self.inner, async |connection| {
            let query = sqlx::query(HEALTH)
                .bind(&wish.workspace)
                .bind(&wish.state)
                .bind(wish.pattern())
                .bind(wish.limit)
                .bind(wish.offset)
                .persistent(false);
            let rows = query.fetch_all(&mut *connection).await?;
            let mut lines = rows.iter().map(health).collect::<Result<Vec<_>, _>>()?;
            read_results(connection, &mut lines).await?;
            Ok((lines, total(rows.first())?))
        });
        within(limit, "reading how things stand", work).await
    }
}

/// How many there are in all, which stands last in each row.
fn total(row: Option<&PgRow>) -> Result<i64, sqlx::Error> {
    row.map_or(Ok(0), |row| row.try_get(row.len() - 1))
}

/// A number that `with ordinality` gave, as a place.
fn place(row: &PgRow) -> Result<usize, sqlx::Error> {
    Ok(usize::try_from(row.try_get::<i64, _>(0)? - 1).unwrap_or(usize::MAX))
}

async fn read_beside(connection: &mut PgConnection, lines: &mut [TenantLine]) -> Result<(), sqlx::Error> {
    let workspaces: Vec<&str> = lines.iter().map(|line| line.workspace.as_str()).collect();
    let names: Vec<&str> = lines.iter().map(|line| line.name.as_str()).collect();
    let query = sqlx::query(BESIDE).bind(workspaces).bind(names).persistent(false);
    for row in query.fetch_all(connection).await? {
        let Some(line) = lines.get_mut(place(&row)?) else { continue };
        line.health = row.try_get::<Option<String>, _>(1)?.or(line.health.take());
        line.alerts += row.try_get::<Option<i64>, _>(2)?.unwrap_or_default();
    }
    Ok(())
}

async fn read_results(connection: &mut PgConnection, lines: &mut [HealthLine]) -> Result<(), sqlx::Error> {
    let column = |of: fn(&HealthLine) -> &str| lines.iter().map(of).collect::<Vec<&str>>();
    let query = sqlx::query(RESULTS)
        .bind(column(|line| &line.workspace))
        .bind(column(|line| &line.service))
        .bind(column(|line| &line.subject))
        .bind(HISTORY)
        .persistent(false);
    for row in query.fetch_all(connection).await? {
        if let Some(line) = lines.get_mut(place(&row)?) {
            line.history.push((row.try_get(1)?, row.try_get(2)?));
        }
    }
    Ok(())
}

fn tenant(row: &PgRow) -> Result<TenantLine, sqlx::Error> {
    Ok(TenantLine {
        workspace: row.try_get(0)?,
        name: row.try_get(1)?,
        display_name: row.try_get(2)?,
        kind: row.try_get(3)?,
        market: row.try_get(4)?,
        status: row.try_get(5)?,
        template: row.try_get(6)?,
        owner: row.try_get(7)?,
        updated_at: row.try_get(8)?,
        touched_by: row.try_get(9)?,
        health: None,
        alerts: 0,
    })
}

fn credential(row: &PgRow) -> Result<CredentialLine, sqlx::Error> {
    Ok(CredentialLine {
        workspace: row.try_get(0)?,
        name: row.try_get(1)?,
        tenant: row.try_get(2)?,
        service: row.try_get(3)?,
        is_revoked: row.try_get(4)?,
        ends_at: row.try_get(5)?,
        renewal: row.try_get(6)?,
        verdict: row.try_get(7)?,
        message: row.try_get(8)?,
        verified_at: row.try_get(9)?,
        renewed_at: row.try_get(10)?,
        renewal_failures: row.try_get(11)?,
    })
}

fn health(row: &PgRow) -> Result<HealthLine, sqlx::Error> {
    Ok(HealthLine {
        workspace: row.try_get(0)?,
        service: row.try_get(1)?,
        subject: row.try_get(2)?,
        tenant: row.try_get(3)?,
        status: row.try_get(4)?,
        since: row.try_get(5)?,
        code: row.try_get(6)?,
        message: row.try_get(7)?,
        latency_ms: row.try_get(8)?,
        checked_at: row.try_get(9)?,
        history: Vec::new(),
    })
}
