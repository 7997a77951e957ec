//! Hears what the database calls out on the channel `synthex` (the function `synthex.announce`). Nothing depends on it: behind a
//! transaction pooler nothing is heard, and then what happened is found by the next look.

use std::time::Duration;

use sqlx::Executor as _;
use sqlx::postgres::{PgListener, PgPoolOptions};

use crate::engine::StateError;

use super::connect::ConnectOptions;
use super::error::within;

/// The channel.
const CHANNEL: &str = "synthex";

/// A connection that does nothing but listen.
pub struct Listener(PgListener);

impl Listener {
    /// Begins to listen.
    ///
    /// # Errors
    /// The database cannot be reached, or knows no such thing.
    pub async fn open(options: &ConnectOptions) -> Result<Self, StateError> {
        let limit = options.timeout.min(Duration::from_secs(15));
        let pool = PgPoolOptions::new().max_connections(1).acquire_timeout(limit);
        let pool = pool.connect_lazy_with(options.driver()?);
        let work = async {
            let mut listener = PgListener::connect_with(&pool).await?;
            listener.ignore_pool_close_event(true);
            listener.listen(CHANNEL).await?;
            Ok(listener)
        };
        within(limit, "listening to the database", work).await.map(Self)
    }

    /// Waits for the next call, and says what happened. Whoever stops waiting loses none.
    ///
    /// # Errors
    /// The connection broke: what was called out since is lost.
    pub async fn heard(&mut self) -> Result<String, StateError> {
        let call = self.0.try_recv().await;
        let call =
            call.and_then(|call| call.ok_or_else(|| sqlx::Error::Io(std::io::ErrorKind::BrokenPipe.into())));
        call.map(|call| call.payload().to_owned())
            .map_err(|error| super::error::explain(error, "listening to the database"))
    }

    /// Whether the other end is still there: a connection that broke on the way says nothing for ever.
    ///
    /// # Errors
    /// It is not.
    pub async fn is_alive(&mut self) -> Result<(), StateError> {
        let ask = async { self.0.execute("select 1").await };
        within(Duration::from_secs(10), "looking whether the database still calls out", ask).await.map(|_| ())
    }
}
