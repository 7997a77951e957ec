//! Installs and upgrades the schema.
//!
//! The migrations are embedded by sqlx, which also computes their checksums. They are run here, in one transaction and
//! under a transaction-level advisory lock, because sqlx's own runner prepares named statements and takes a session
//! lock, and neither survives a transaction pooler.

use sha2::{Digest as _, Sha256};
use sqlx::{Executor as _, PgConnection, Row as _};

use crate::engine::{StateError, StateErrorKind};

use super::connect::Connection;
use super::error::within;

static MIGRATOR: sqlx::migrate::Migrator = sqlx::migrate!("./migrations");

/// What is installed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MigrationState {
    /// The newest migration in the database; 0 for none.
    pub installed: i64,
    /// The newest migration this program knows.
    pub known: i64,
    /// The descriptions of those that are not installed.
    pub pending: Vec<String>,
}

/// The newest migration this program knows.
#[must_use]
pub fn known() -> i64 {
    MIGRATOR.iter().map(|migration| migration.version).max().unwrap_or_default()
}

const LOG: &str = "create schema if not exists synthex; \
     create table if not exists synthex.schema_migrations ( \
        version      bigint      primary key, \
        description  text        not null, \
        checksum     bytea       not null, \
        installed_at timestamptz not null default now(), \
        installed_by text        not null default current_user \
     ); \
     comment on table synthex.schema_migrations is 'The migrations that made this schema.'; \
     comment on column synthex.schema_migrations.version is 'The number at the head of the file name.'; \
     comment on column synthex.schema_migrations.description is 'The rest of the file name.'; \
     comment on column synthex.schema_migrations.checksum is 'SHA-384 of the file.'; \
     comment on column synthex.schema_migrations.installed_at is 'When it was installed.'; \
     comment on column synthex.schema_migrations.installed_by is 'The role that installed it.'; \
     alter table synthex.schema_migrations enable row level security;";

/// A lock for this schema's migrations: the first 8 bytes of SHA-256 of the text `synthex migrations`.
fn lock_key() -> i64 {
    let digest = Sha256::digest(b"synthex migrations");
    i64::from_be_bytes(std::array::from_fn(|index| digest[index]))
}

/// What is installed. Needs no more than the right to read, and a transaction that was begun.
///
/// # Errors
/// Whatever the database reports; [`StateErrorKind::Incompatible`] when the schema is newer than this program.
pub async fn migration_state(connection: &mut Connection) -> Result<MigrationState, StateError> {
    let limit = connection.timeout;
    let work = async {
        let query =
            sqlx::query_scalar::<_, bool>("select to_regclass('synthex.schema_migrations') is not null");
        if !query.persistent(false).fetch_one(&mut connection.inner).await? {
            return Ok(Vec::new());
        }
        let may = "select has_table_privilege('synthex.schema_migrations', 'select')";
        let confined = "select row_security_active('synthex.schema_migrations')";
        let readable: bool =
            sqlx::query_scalar(may).persistent(false).fetch_one(&mut connection.inner).await?;
        let confined: bool =
            sqlx::query_scalar(confined).persistent(false).fetch_one(&mut connection.inner).await?;
        if !readable || confined {
            // A role that may only read the declared tables does not see the log; the tables speak for themselves.
            return Ok(vec![(known(), Vec::new())]);
        }
        applied(&mut connection.inner).await
    };
    let applied = within(limit, "looking at the installed migrations", work).await?;
    check_known(&applied)?;
    let installed = applied.iter().map(|(version, _)| *version).max().unwrap_or_default();
    let pending = MIGRATOR
        .iter()
        .filter(|migration| migration.version > installed)
        .map(|migration| format!("{:04} {}", migration.version, migration.description))
        .collect();
    Ok(MigrationState { installed, known: known(), pending })
}

async fn applied(connection: &mut PgConnection) -> Result<Vec<(i64, Vec<u8>)>, sqlx::Error> {
    let sql = "select version, checksum from synthex.schema_migrations order by version";
    let rows = sqlx::query(sql).persistent(false).fetch_all(connection).await?;
    rows.iter().map(|row| Ok((row.try_get(0)?, row.try_get(1)?))).collect()
}

fn check_known(applied: &[(i64, Vec<u8>)]) -> Result<(), StateError> {
    for (version, checksum) in applied {
        let Some(migration) = MIGRATOR.iter().find(|migration| migration.version == *version) else {
            let what = format!("the database has migration {version}, which this program does not know");
            return Err(StateError::new(StateErrorKind::Incompatible, what)
                .why(format!("a newer synthex upgraded it; this one knows migrations up to {}", known()))
                .help("use the newer synthex"));
        };
        if !checksum.is_empty() && migration.checksum.as_ref() != checksum.as_slice() {
            let what = format!("migration {version} in the database is not the one in this program");
            return Err(StateError::new(StateErrorKind::Incompatible, what)
                .why("the two have different checksums")
                .help("use the synthex that installed it, or a released one"));
        }
    }
    Ok(())
}

/// Installs what is missing. Returns how many migrations ran. All of them, or none.
///
/// # Errors
/// Whatever the database reports; the schema is then as it was.
pub(super) async fn migrate(connection: &mut Connection) -> Result<usize, StateError> {
    connection.begin_reading().await?;
    let state = migration_state(connection).await?;
    connection.rollback().await?;
    if state.pending.is_empty() {
        return Ok(0);
    }
    let limit = connection.timeout.max(std::time::Duration::from_secs(60));
    let outcome = within(limit, "installing migrations", run(&mut connection.inner)).await;
    match outcome {
        Ok(Ok(count)) => Ok(count),
        Ok(Err(error)) => {
            let _ = connection.rollback().await;
            Err(error)
        }
        Err(error) => {
            let _ = connection.rollback().await;
            Err(match error.kind {
                StateErrorKind::Refused => {
                    error.help("grant the role CREATE on the database, or migrate as its owner")
                }
                _ => error,
            })
        }
    }
}

async fn run(connection: &mut PgConnection) -> Result<Result<usize, StateError>, sqlx::Error> {
    connection.execute("begin; set local lock_timeout = '10s'; set local synthex.engine = 'on'").await?;
    let lock = sqlx::query("select pg_advisory_xact_lock($1)").bind(lock_key()).persistent(false);
    lock.execute(&mut *connection).await?;
    connection.execute(sqlx::raw_sql(LOG)).await?;
    // Somebody else may have migrated while we waited for the lock.
    let applied = applied(&mut *connection).await?;
    if let Err(error) = check_known(&applied) {
        return Ok(Err(error));
    }
    let newest = applied.iter().map(|(version, _)| *version).max().unwrap_or_default();
    let mut count = 0;
    for migration in MIGRATOR.iter().filter(|migration| migration.version > newest) {
        connection.execute(sqlx::raw_sql(migration.sql.clone())).await?;
        let sql =
            "insert into synthex.schema_migrations (version, description, checksum) values ($1, $2, $3)";
        let query = sqlx::query(sql)
            .bind(migration.version)
            .bind(migration.description.as_ref())
            .bind(migration.checksum.as_ref())
            .persistent(false);
        query.execute(&mut *connection).await?;
        count += 1;
    }
    connection.execute("commit").await?;
    Ok(Ok(count))
}
