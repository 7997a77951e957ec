//! A connection that a task keeps between its runs, and replaces when it broke.

use crate::engine::{StateError, StateErrorKind};
use crate::store::{ConnectOptions, Connection};

/// A connection that is opened when it is needed.
pub struct Line {
    options: ConnectOptions,
    open: Option<Connection>,
}

impl Line {
    /// Not connected yet.
    #[must_use]
    pub fn new(options: &ConnectOptions) -> Self {
        Self { options: options.clone().left_in(None), open: None }
    }

    /// The connection, outside of a transaction. One that broke while nothing was sent is replaced.
    ///
    /// # Errors
    /// The database cannot be reached, or refuses us.
    pub async fn connection(&mut self) -> Result<&mut Connection, StateError> {
        let kept = self.open.take();
        let connection = self.options.reuse(kept).await?;
        Ok(self.open.insert(connection))
    }

    /// Says how the use of the connection ended: after an error that may have left it in the middle of something, another one
    /// takes its place the next time.
    pub fn used<T>(&mut self, outcome: Result<T, StateError>) -> Result<T, StateError> {
        if let Err(error) = &outcome
            && !matches!(error.kind, StateErrorKind::Stale | StateErrorKind::LeaseHeld)
        {
            self.open = None;
        }
        outcome
    }

    /// The connection, for what wants one of its own. Without [`Line::give_back`] another one takes its place the next time.
    ///
    /// # Errors
    /// As [`Line::connection`].
    pub async fn lend(&mut self) -> Result<Connection, StateError> {
        let kept = self.open.take();
        self.options.reuse(kept).await
    }

    /// Lets go of the connection in the middle of whatever it is used for. Another one takes its place the next time.
    pub fn abandon(&mut self) {
        self.open = None;
    }

    /// Takes a connection back that still works.
    pub fn give_back(&mut self, connection: Connection) {
        self.open = Some(connection);
    }

    /// Says goodbye.
    pub async fn close(&mut self) {
        if let Some(connection) = self.open.take() {
            connection.close().await;
        }
    }
}
