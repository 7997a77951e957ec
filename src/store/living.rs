//! Whole rows that live, of every owner, in one snapshot: what `export` writes down and `adopt` takes.

use futures_util::TryStreamExt as _;
use sqlx::AssertSqlSafe;

use crate::engine::StateError;
use crate::kinds;
use crate::model::KindRef;
use crate::plan::Row;

use super::connect::Connection;
use super::error::within;
use super::read::{self, Shared};
use super::statements;

impl Connection {
    /// All living rows of all kinds, sorted by key; of these workspaces, where some are named. Within a transaction.
    ///
    /// # Errors
    /// Whatever the database reports.
    pub async fn living(&mut self, workspaces: Option<&[String]>) -> Result<Vec<Row>, StateError> {
        let mut rows = Vec::new();
        match workspaces {
            None => {
                for kind in kinds::stored() {
                    self.living_of(kind, None, &mut rows).await?;
                }
            }
            Some(names) => {
                for name in names {
                    self.enter(name).await?;
                    for kind in kinds::stored() {
                        self.living_of(kind, Some(name), &mut rows).await?;
                    }
                }
            }
        }
        rows.sort_by(|left, right| left.key.cmp(&right.key));
        Ok(rows)
    }

    async fn living_of(
        &mut self,
        kind: KindRef,
        workspace: Option<&str>,
        rows: &mut Vec<Row>,
    ) -> Result<(), StateError> {
        let query = sqlx::query(AssertSqlSafe(statements::living(kind))).bind(workspace).persistent(false);
        let doing = format!("reading {}", kind.table.as_ref().map_or("", |table| table.name));
        let mut shared = Shared::default();
        let work = async {
            let mut stream = query.fetch(&mut self.inner);
            while let Some(found) = stream.try_next().await? {
                rows.push(read::row_of(kind, &found, &mut shared)?);
            }
            Ok(())
        };
        within(self.timeout, &doing, work).await
    }
}
