//! What stands between us and PostgreSQL: whether a pooler does, and whether it lets calls (LISTEN, NOTIFY) through. Nothing
//! of the product depends on the answers; people want to know them.

use std::time::Duration;

use sqlx::Connection as _;
use sqlx::postgres::{PgConnection, PgListener, PgPoolOptions};

use crate::engine::StateError;

use super::connect::{ConnectOptions, in_transaction};
use super::error::{explain, within};

/// A channel that nobody else listens to.
const CHANNEL: &str = "synthex_doctor";

/// Whether what we connect to is PostgreSQL itself: a setting that is sent along with the connection arrives there. Poolers refuse
/// it, or keep it for themselves, since they share one connection among many clients.
///
/// # Errors
/// No connection could be made for another reason.
pub async fn is_direct(options: &ConnectOptions) -> Result<bool, StateError> {
    const DOING: &str = "looking for a pooler";
    let driver = options.driver()?.options([("synthex.doctor", "on")]);
    let connecting = async {
        match PgConnection::connect_with(&driver).await {
            Ok(connection) => Ok(Some(connection)),
            Err(error) if is_refused_setting(&error) => Ok(None),
            Err(error) => Err(error),
        }
    };
    let Some(mut connection) = within(options.timeout, DOING, connecting).await? else { return Ok(false) };
    let asking = in_transaction(&mut connection, async |connection| {
        let sql = "select coalesce(current_setting('synthex.doctor', true), '') = 'on'";
        sqlx::query_scalar(sql).persistent(false).fetch_one(connection).await
    });
    let arrived = within(options.timeout, DOING, asking).await;
    let _ = tokio::time::timeout(Duration::from_secs(1), connection.close()).await;
    arrived
}

/// PgBouncer says `unsupported startup parameter`, as a violation of the protocol.
fn is_refused_setting(error: &sqlx::Error) -> bool {
    let sqlx::Error::Database(refusal) = error else { return false };
    refusal.code().as_deref() == Some("08P01") || refusal.message().contains("startup parameter")
}

/// Whether a call made through one connection is heard through another within a time. `word` tells this call from any other.
///
/// # Errors
/// One of the connections could not be made, or one of the statements was refused.
pub async fn hears_calls(options: &ConnectOptions, word: &str, wait: Duration) -> Result<bool, StateError> {
    let limit = options.timeout;
    let pool = PgPoolOptions::new()
        .max_connections(1)
        .acquire_timeout(limit)
        .test_before_acquire(false)
        .connect_lazy_with(options.driver()?);
    let listening = async {
        let mut listener = PgListener::connect_with(&pool).await?;
        listener.listen(CHANNEL).await?;
        Ok(listener)
    };
    let mut listener = within(limit, "listening for a call", listening).await?;
    let heard = call_and_listen(options, &mut listener, word, wait).await;
    // Behind a pooler that shares connections, another client would get ours with the listening still on.
    let _ = tokio::time::timeout(Duration::from_secs(1), listener.unlisten_all()).await;
    drop(listener);
    let _ = tokio::time::timeout(Duration::from_secs(1), pool.close()).await;
    heard
}

async fn call_and_listen(
    options: &ConnectOptions,
    listener: &mut PgListener,
    word: &str,
    wait: Duration,
) -> Result<bool, StateError> {
    let mut caller = options.connect().await?;
    let calling = in_transaction(&mut caller.inner, async |connection| {
        let query = sqlx::query("select pg_notify($1, $2)").bind(CHANNEL).bind(word);
        query.persistent(false).execute(connection).await.map(|_| ())
    });
    let calling = async {
        match calling.await {
            Ok(()) => Ok(true),
            // A pooler gave the connection that listens to the caller: who listens never hears of it, and who does not
            // know what to do with a call gets it.
            Err(sqlx::Error::Protocol(what)) if what.contains("NotificationResponse") => Ok(false),
            Err(error) => Err(error),
        }
    };
    let called = within(options.timeout, "calling", calling).await;
    caller.close().await;
    if !called? {
        return Ok(false);
    }
    let hearing = async {
        while listener.recv().await?.payload() != word {}
        Ok::<(), sqlx::Error>(())
    };
    match tokio::time::timeout(wait, hearing).await {
        Ok(Ok(())) => Ok(true),
        Ok(Err(error)) => Err(explain(error, "listening for a call")),
        Err(_) => Ok(false),
    }
}
