//! From a driver's error to one a person can act on. No bare database message reaches a user.

use std::time::Duration;

use sqlx::postgres::{PgDatabaseError, PgErrorPosition};

use crate::engine::{StateError, StateErrorKind};

/// What the database must answer within; a hung one is reported instead of waited for.
pub async fn within<T>(
    limit: Duration,
    doing: &str,
    work: impl Future<Output = Result<T, sqlx::Error>>,
) -> Result<T, StateError> {
    match tokio::time::timeout(limit, work).await {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => Err(explain(error, doing)),
        Err(_) => Err(StateError::new(
            StateErrorKind::Unreachable,
            format!("the database did not answer while {doing}"),
        )
        .why(format!("there was no answer for {} s", limit.as_secs()))
        .help("check the database and the network; --database-timeout sets how long to wait")),
    }
}

/// Whether the server itself says so, by which it can be reached. What did not answer, or broke, has no such lower error; one
/// that shuts down breaks next.
#[must_use]
pub fn is_said_by_the_server(error: &StateError) -> bool {
    let lower = error.source.as_ref().and_then(|source| source.downcast_ref::<sqlx::Error>());
    matches!(lower, Some(sqlx::Error::Database(_)))
}

/// Whether it is the server's word that it shuts down, or only starts: it is as good as away.
#[must_use]
pub fn is_shutdown(error: &StateError) -> bool {
    is_said_by_the_server(error) && error.what.contains("shut down")
}

/// Explains an error that came up while doing something.
#[must_use]
pub fn explain(error: sqlx::Error, doing: &str) -> StateError {
    let explained = match &error {
        sqlx::Error::Database(database) => database_error(database.downcast_ref::<PgDatabaseError>(), doing),
        sqlx::Error::Io(io) => StateError::new(
            StateErrorKind::Unreachable,
            format!("the database cannot be reached while {doing}"),
        )
        .why(io.to_string())
        .help("check the address, that the server runs, and the network in between"),
        sqlx::Error::Tls(tls) => {
            StateError::new(StateErrorKind::Unreachable, "no secure connection to the database could be made")
                .why(tls.to_string())
                .help("check `sslmode` and `sslrootcert` in the URL")
        }
        sqlx::Error::Protocol(message) => StateError::new(
            StateErrorKind::Unreachable,
            format!("the database's answer made no sense while {doing}"),
        )
        .why(message.clone())
        .help("check that the address is PostgreSQL's, and what stands in between"),
        sqlx::Error::Configuration(configuration) => {
            StateError::new(StateErrorKind::Refused, "the database's URL is not valid")
                .why(configuration.to_string())
                .help("write postgresql://USER@HOST:PORT/DATABASE")
        }
        other => StateError::new(StateErrorKind::Other, format!("the database failed while {doing}"))
            .why(other.to_string())
            .help("run again with -v for the details"),
    };
    StateError { source: Some(Box::new(error)), ..explained }
}

fn database_error(error: &PgDatabaseError, doing: &str) -> StateError {
    let message = error.message().to_owned();
    let make = |kind, what: String, help: &str| StateError::new(kind, what).why(message.clone()).help(help);
    match error.code() {
        "28P01" | "28000" => make(
            StateErrorKind::Refused,
            "the database refused the login".to_owned(),
            "check the user and the password in the URL",
        ),
        "3D000" => make(
            StateErrorKind::Refused,
            "the database does not exist".to_owned(),
            "create it, or correct its name at the end of the URL",
        ),
        "42501" => make(
            StateErrorKind::Refused,
            format!("the database refused us while {doing}"),
            "grant the role what it lacks, or connect as the role that owns the schema synthex",
        ),
        "25006" => make(
            StateErrorKind::Refused,
            format!("the database is read-only while {doing}"),
            "connect to the primary server",
        ),
        "53100" => make(
            StateErrorKind::Unreachable,
            format!("the database's disk is full while {doing}"),
            "free space on the server; nothing was changed",
        ),
        "55P03" | "57014" => make(
            StateErrorKind::Unreachable,
            format!("the database made us wait too long while {doing}"),
            "another session holds a lock; look at pg_stat_activity for one that is idle in transaction",
        ),
        "40001" | "40P01" => make(
            StateErrorKind::Stale,
            format!("another session changed the same rows while {doing}"),
            "run the command again",
        ),
        "53300" => make(
            StateErrorKind::Unreachable,
            "the database takes no more connections".to_owned(),
            "wait, or raise max_connections",
        ),
        "08P01" => make(
            StateErrorKind::Unreachable,
            format!("the pooler in front of the database refused us while {doing}"),
            "check the pooler's settings",
        ),
        "57P01" | "57P02" | "57P03" | "08006" | "08003" | "08000" => make(
            StateErrorKind::Unreachable,
            format!("the database shut down while {doing}"),
            "wait for it to come back, then run the command again",
        ),
        code if code.starts_with("23") => {
            let what = match error.constraint() {
                Some(constraint) => format!("the database does not accept a value (constraint {constraint})"),
                None => match error.column() {
                    Some(column) => format!("the database does not accept a value in column {column}"),
                    None => "the database does not accept a value".to_owned(),
                },
            };
            make(
                StateErrorKind::Rejected,
                what,
                "correct the manifest, or the constraint if it was added by hand",
            )
        }
        code if code.starts_with("22") || code == "P0001" => make(
            StateErrorKind::Rejected,
            "the database does not accept a value".to_owned(),
            "correct the manifest, or the trigger if one was added by hand",
        ),
        "42P01" | "3F000" | "42703" => make(
            StateErrorKind::Incompatible,
            format!("a table or column of synthex is missing while {doing}"),
            "run `synthex db migrate`; `synthex db status` shows what is installed",
        ),
        code => {
            let place = match error.position() {
                Some(PgErrorPosition::Original(at)) => format!(" at {at}"),
                _ => String::new(),
            };
            StateError::new(StateErrorKind::Other, format!("the database failed while {doing}"))
                .why(format!("{message} (SQLSTATE {code}{place})"))
                .help("run again with -v for the details")
        }
    }
}
