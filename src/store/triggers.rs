//! Whether the triggers are on that mark what anything but synthex writes.

use crate::engine::StateError;
use crate::kinds;

use super::connect::Connection;
use super::error::within;

impl Connection {
    /// The declared tables, sorted, where a trigger that marks foreign writes is off or missing. Within a transaction,
    /// where synthex is installed.
    ///
    /// # Errors
    /// Whatever the database reports.
    pub async fn tables_without_triggers(&mut self) -> Result<Vec<String>, StateError> {
        let tables: Vec<&str> =
            kinds::stored().filter_map(|kind| kind.table.as_ref()).map(|table| table.name).collect();
        let sql = "select t.name from unnest($1::text[]) as t (name) where ( \
                select count(*) from pg_trigger as g where g.tgrelid = to_regclass('synthex.' || t.name) \
                and g.tgname in ('0_capture_actor', 'b_mark_touched', 'c_log_drift') and g.tgenabled in ('O', 'A') \
             ) < 3 order by 1";
        let query = sqlx::query_scalar(sql).bind(tables).persistent(false);
        within(self.timeout, "looking at the triggers", query.fetch_all(&mut self.inner)).await
    }
}
