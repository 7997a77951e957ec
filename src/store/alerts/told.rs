//! Which notifications tell of which alerts.

use sqlx::Row as _;
use uuid::Uuid;

use crate::engine::StateError;
use crate::store::connect::{Connection, in_transaction};
use crate::store::error::within;

use super::enter;

impl Connection {
    /// The notifications that tell of any of these alerts; of one workspace, where one is named.
    ///
    /// # Errors
    /// Whatever the database reports.
    pub async fn notifications_of(
        &mut self,
        workspace: Option<&str>,
        alerts: &[Uuid],
    ) -> Result<Vec<Uuid>, StateError> {
        let limit = self.timeout;
        let sql = "select id from synthex.notifications where alerts && $1 and ($2::text is null or workspace = $2)";
        let work = in_transaction(&mut self.inner, async |connection| {
            if let Some(workspace) = workspace {
                enter(connection, workspace).await?;
            }
            let query = sqlx::query(sql).bind(alerts).bind(workspace).persistent(false);
            query.fetch_all(connection).await?.iter().map(|row| row.try_get(0)).collect()
        });
        within(limit, "looking for notifications", work).await
    }
}
