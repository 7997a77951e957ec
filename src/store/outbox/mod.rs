//! The outbox: notifications are queued in the transaction that changes what they tell, and delivered afterwards (M-D1).
//!
//! It does not decide what is sent when: [`crate::engine::delivery`] does, over the trait that is implemented here.

mod ahead;
mod channels;
mod claim;
mod desk;
mod due;
mod ends;
mod enqueue;
mod inbox;
mod list;
mod lookup;
mod record;
mod replay;
mod rows;
mod untold;

use sqlx::PgConnection;

use super::connect::in_transaction;

pub use desk::OutboxStore;
pub use due::Waiting;
pub use enqueue::Enqueued;
pub(crate) use enqueue::enqueue;
pub use inbox::{InboxItem, InboxWish};
pub use list::{ListedAttempt, ListedDelivery, ListedNotification, NotificationWish};
pub use lookup::{ChannelStanding, IdOf, Identified};
pub use replay::{NewId, Which};

/// Runs statements in a transaction of their own; in that workspace, where one is named: row-level security may show a role
/// one at a time.
async fn in_scope<T>(
    connection: &mut PgConnection,
    workspace: Option<&str>,
    work: impl AsyncFnOnce(&mut PgConnection) -> Result<T, sqlx::Error>,
) -> Result<T, sqlx::Error> {
    in_transaction(connection, async |connection| {
        if let Some(workspace) = workspace {
            let enter = "select set_config('synthex.workspace', $1, true)";
            sqlx::query(enter).bind(workspace).persistent(false).execute(&mut *connection).await?;
        }
        work(connection).await
    })
    .await
}
