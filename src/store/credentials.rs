//! What was observed of credentials: read and written in sets, apart from what is declared; and the turns of renewals.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use sqlx::{Executor as _, PgConnection, Row as _};
use uuid::Uuid;

use crate::engine::credentials::{Finding, Outcome, Subject, Turn, Turns};
use crate::engine::{StateError, StateErrorKind};

use super::connect::{ConnectOptions, Connection, in_transaction};
use super::error::within;

/// What was observed of a credential.
#[derive(Clone, Debug, Default)]
pub struct CredentialStatus {
    /// When the provider was last asked.
    pub last_verified_at: Option<DateTime<Utc>>,
    /// What was found then.
    pub verify_outcome: Option<String>,
    /// What that means.
    pub verify_verdict: Option<String>,
    /// The same for people.
    pub verify_message: Option<String>,
    /// When the provider last took it.
    pub last_valid_at: Option<DateTime<Utc>>,
    /// When the access token ends.
    pub access_expires_at: Option<DateTime<Utc>>,
    /// When it stops working unless a person does something.
    pub observed_expires_at: Option<DateTime<Utc>>,
    /// What came of the last renewal.
    pub renewal_outcome: Option<String>,
    /// When it was last renewed.
    pub last_renewed_at: Option<DateTime<Utc>>,
    /// Why the last renewal failed.
    pub last_renewal_error: Option<String>,
    /// How many renewals failed since one succeeded.
    pub renewal_failures: i64,
}

/// How long a text in the status may be.
const MOST_TEXT: usize = 1000;

const STATUSES: &str = "select credential, last_verified_at, verify_outcome, verify_verdict, verify_message, last_valid_at, \
     access_expires_at, observed_expires_at, renewal_outcome, last_renewed_at, last_renewal_error, renewal_failures \
     from synthex.credential_status where ($1::text is null or workspace = $1) and ($2::uuid[] is null or credential = any($2))";

/// Findings of one verification; a credential that is gone meanwhile is left out. What the secret said about its end counts
/// only where it was read.
const VERIFIED: &str = "insert into synthex.credential_status as s (workspace, credential, last_verified_at, verify_outcome, \
      verify_verdict, verify_message, last_valid_at, access_expires_at, observed_expires_at) \
     select u.workspace, u.id, $8::timestamptz, u.outcome, u.verdict, u.message, \
      case when u.works then $8::timestamptz end, u.access, u.ends \
     from unnest($1::text[], $2::uuid[], $3::text[], $4::text[], $5::text[], $6::timestamptz[], $7::timestamptz[], \
      $9::boolean[]) as u (workspace, id, outcome, verdict, message, access, ends, works) \
     join synthex.credentials as c on c.workspace = u.workspace and c.id = u.id \
     on conflict (workspace, credential) do update set last_verified_at = excluded.last_verified_at, \
      verify_outcome = excluded.verify_outcome, verify_verdict = excluded.verify_verdict, \
      verify_message = excluded.verify_message, last_valid_at = coalesce(excluded.last_valid_at, s.last_valid_at), \
      access_expires_at = case when s.credential = any($10::uuid[]) then excluded.access_expires_at else s.access_expires_at end, \
      observed_expires_at = case when s.credential = any($10::uuid[]) then excluded.observed_expires_at \
       else s.observed_expires_at end";

const RENEWED: &str = "insert into synthex.credential_status as s (workspace, credential, renewal_tried_at, renewal_outcome, \
      last_renewed_at, last_renewal_error, renewal_failures, generation, access_expires_at, observed_expires_at) \
     select c.workspace, c.id, clock_timestamp(), $3::text, case when $4::boolean then clock_timestamp() end, $5::text, \
      case when $5::text is null then 0 else 1 end, case when $4::boolean then 1 else 0 end, $6::timestamptz, $7::timestamptz \
     from synthex.credentials as c where c.workspace = $1 and c.id = $2 \
     on conflict (workspace, credential) do update set renewal_tried_at = excluded.renewal_tried_at, \
      renewal_outcome = excluded.renewal_outcome, \
      last_renewed_at = coalesce(excluded.last_renewed_at, s.last_renewed_at), \
      last_renewal_error = excluded.last_renewal_error, \
      renewal_failures = case when excluded.renewal_failures = 0 then 0 else s.renewal_failures + 1 end, \
      generation = s.generation + excluded.generation, \
      access_expires_at = case when $8::boolean then excluded.access_expires_at else s.access_expires_at end, \
      observed_expires_at = case when $8::boolean then excluded.observed_expires_at else s.observed_expires_at end";

fn short(text: &str) -> String {
    text.chars().take(MOST_TEXT).collect()
}

impl Connection {
    /// What was observed, by the credential's id; of one workspace, where one is named, and of some credentials, where some
    /// are. Within a transaction.
    ///
    /// # Errors
    /// Whatever the database reports.
    pub async fn credential_statuses(
        &mut self,
        workspace: Option<&str>,
        credentials: Option<&[Uuid]>,
    ) -> Result<HashMap<Uuid, CredentialStatus>, StateError> {
        let limit = self.timeout;
        let work = async {
            let query = sqlx::query(STATUSES).bind(workspace).bind(credentials).persistent(false);
            let mut statuses = HashMap::new();
            for row in query.fetch_all(&mut self.inner).await? {
                let status = CredentialStatus {
                    last_verified_at: row.try_get(1)?,
                    verify_outcome: row.try_get(2)?,
                    verify_verdict: row.try_get(3)?,
                    verify_message: row.try_get(4)?,
                    last_valid_at: row.try_get(5)?,
                    access_expires_at: row.try_get(6)?,
                    observed_expires_at: row.try_get(7)?,
                    renewal_outcome: row.try_get(8)?,
                    last_renewed_at: row.try_get(9)?,
                    last_renewal_error: row.try_get(10)?,
                    renewal_failures: row.try_get(11)?,
                };
                statuses.insert(row.try_get(0)?, status);
            }
            Ok(statuses)
        };
        within(limit, "reading what is known of credentials", work).await
    }

    /// Records what a verification found, in one statement.
    ///
    /// # Errors
    /// Whatever the database reports; nothing was written.
    pub async fn record_verified(
        &mut self,
        found: &[(&Subject, &Finding)],
        at: DateTime<Utc>,
    ) -> Result<(), StateError> {
        let column =
            |text: fn(&Finding) -> String| found.iter().map(|(_, found)| text(found)).collect::<Vec<_>>();
        let workspaces: Vec<&str> = found.iter().map(|(subject, _)| &*subject.key.workspace).collect();
        let ids: Vec<Uuid> = found.iter().map(|(subject, _)| subject.id).collect();
        let outcomes = column(|found| found.outcome.code().to_owned());
        let verdicts = column(|found| found.outcome.verdict().code().to_owned());
        let messages = column(|found| short(&found.message));
        let expiry = |(_, found): &(&Subject, &Finding)| found.expiry.unwrap_or_default();
        let access: Vec<Option<DateTime<Utc>>> = found.iter().map(|item| expiry(item).access).collect();
        let ends: Vec<Option<DateTime<Utc>>> = found.iter().map(|item| expiry(item).ends).collect();
        let works: Vec<bool> = found.iter().map(|(_, found)| found.outcome.verdict().works()).collect();
        let read: Vec<Uuid> =
            found.iter().filter(|(_, found)| found.expiry.is_some()).map(|(subject, _)| subject.id).collect();
        let work = in_transaction(&mut self.inner, async |connection| {
            let query = sqlx::query(VERIFIED)
                .bind(workspaces)
                .bind(ids)
                .bind(outcomes)
                .bind(verdicts)
                .bind(messages)
                .bind(access)
                .bind(ends)
                .bind(at)
                .bind(works)
                .bind(read)
                .persistent(false);
            query.execute(connection).await.map(|_| ())
        });
        within(self.timeout, "recording what was found", work).await
    }
}

/// The turns of renewals, each on a connection of its own: the row stays locked while the provider is asked.
#[derive(Clone, Debug)]
pub struct RenewalTurns {
    /// How to connect.
    pub options: ConnectOptions,
    /// Who renews.
    pub actor: String,
}

/// How long to wait for a turn. A renewal takes no longer than its request may.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(90);

/// A turn that is held.
#[derive(Debug)]
pub struct RenewalTurn {
    pub(super) connection: Connection,
    pub(super) now: DateTime<Utc>,
}

impl Turns for RenewalTurns {
    type Turn = RenewalTurn;

    async fn take(&self, turn: &str) -> Result<RenewalTurn, StateError> {
        let mut connection = self.options.connect().await?;
        let work = lock(&mut connection.inner, turn, &self.actor);
        let now = within(PATIENCE, "waiting for the turn to renew", work).await.map_err(|error| {
            let is_waiting = error.kind == StateErrorKind::Unreachable && error.what.contains("wait");
            if is_waiting {
                error.why(format!("somebody else has been renewing {turn} for 90 s"))
            } else {
                error
            }
        })?;
        Ok(RenewalTurn { connection, now })
    }
}

async fn lock(connection: &mut PgConnection, turn: &str, actor: &str) -> Result<DateTime<Utc>, sqlx::Error> {
    connection
        .execute(
            "begin; set local lock_timeout = '85s'; set local idle_in_transaction_session_timeout = '120s'",
        )
        .await?;
    // A new row is locked by the one who adds it; who adds the same waits here.
    let add =
        "insert into synthex.renewal_turns (turn, holder) values ($1, $2) on conflict (turn) do nothing";
    sqlx::query(add).bind(turn).bind(actor).persistent(false).execute(&mut *connection).await?;
    let lock = "select turn from synthex.renewal_turns where turn = $1 for update";
    sqlx::query(lock).bind(turn).persistent(false).fetch_one(&mut *connection).await?;
    let set = "update synthex.renewal_turns set holder = $2, taken_at = clock_timestamp() where turn = $1 \
         returning clock_timestamp()";
    let row = sqlx::query(set).bind(turn).bind(actor).persistent(false).fetch_one(connection).await?;
    row.try_get(0)
}

impl Turn for RenewalTurn {
    fn now(&self) -> DateTime<Utc> {
        self.now
    }

    async fn finish(mut self, subject: &Subject, finding: &Finding) -> Result<(), StateError> {
        let error = (!finding.outcome.verdict().works()).then(|| short(&finding.message));
        let expiry = finding.expiry.unwrap_or_default();
        let limit = self.connection.timeout;
        let work = async {
            let query = sqlx::query(RENEWED)
                .bind(&*subject.key.workspace)
                .bind(subject.id)
                .bind(finding.outcome.code())
                .bind(finding.outcome == Outcome::Renewed)
                .bind(error)
                .bind(expiry.access)
                .bind(expiry.ends)
                .bind(finding.expiry.is_some())
                .persistent(false);
            query.execute(&mut self.connection.inner).await?;
            // Whoever found it due while this was under way sees by the time that it is done.
            let done = "update synthex.renewal_turns set taken_at = clock_timestamp() where turn = $1";
            let query = sqlx::query(done).bind(subject.turn()).persistent(false);
            query.execute(&mut self.connection.inner).await?;
            self.connection.inner.execute("commit").await.map(|_| ())
        };
        within(limit, "recording the renewal", work).await?;
        self.connection.close().await;
        Ok(())
    }
}
