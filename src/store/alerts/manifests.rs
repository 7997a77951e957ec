//! What manifests say that an evaluation needs: rules, silences and windows, and when rules were last evaluated.

use serde::de::DeserializeOwned;
use sqlx::{AssertSqlSafe, PgConnection, Row as _};

use crate::alerts::facts::{Facts, RuleFact};
use crate::kinds::{alert_rule, maintenance_window, silence};
use crate::model::KindRef;
use crate::store::read::{self, Shared};
use crate::store::statements;

/// Rules that are deleted count until their alerts are over (M-M3).
const OR_STILL_OPEN: &str = "(t.deleted_at is null or exists (select from synthex.alerts as a \
     where a.workspace = t.workspace and a.rule = t.name and a.status <> 'resolved'))";

const EVALUATED: &str =
    "select rule, evaluated_at from synthex.alert_evaluations where workspace = $1 and rule <> ''";

pub(super) async fn read(
    connection: &mut PgConnection,
    facts: &mut Facts,
    unreadable: &mut Vec<String>,
) -> Result<(), sqlx::Error> {
    let sql = statements::living(&alert_rule::KIND).replacen("t.deleted_at is null", OR_STILL_OPEN, 1);
    for (name, is_deleted, spec) in rows(connection, &alert_rule::KIND, sql, &facts.workspace).await? {
        match spec {
            Some(spec) => facts.rules.push(RuleFact { name, spec, is_deleted }),
            None => unreadable.push(format!("rule {name}")),
        }
    }
    let sql = statements::living(&silence::KIND);
    for (name, _, spec) in rows(connection, &silence::KIND, sql, &facts.workspace).await? {
        match spec {
            Some(spec) => facts.silences.push((name, spec)),
            None => unreadable.push(format!("silence {name}")),
        }
    }
    let sql = statements::living(&maintenance_window::KIND);
    for (name, _, spec) in rows(connection, &maintenance_window::KIND, sql, &facts.workspace).await? {
        match spec {
            Some(spec) => facts.windows.push((name, spec)),
            None => unreadable.push(format!("window {name}")),
        }
    }
    let query = sqlx::query(EVALUATED).bind(&facts.workspace).persistent(false);
    for row in query.fetch_all(connection).await? {
        facts.evaluated.insert(row.try_get(0)?, row.try_get(1)?);
    }
    Ok(())
}

/// Name, whether it is deleted, and the spec, where it can be read, sorted by name.
type Declared<T> = Vec<(String, bool, Option<T>)>;

async fn rows<T: DeserializeOwned>(
    connection: &mut PgConnection,
    kind: KindRef,
    sql: String,
    workspace: &str,
) -> Result<Declared<T>, sqlx::Error> {
    let query = sqlx::query(AssertSqlSafe(sql)).bind(workspace).persistent(false);
    let mut shared = Shared::default();
    let mut found = Vec::new();
    for row in query.fetch_all(connection).await? {
        let mut row = read::row_of(kind, &row, &mut shared)?;
        let spec = serde_json::from_value(row.canonical["spec"].take()).ok();
        found.push((row.key.name.to_string(), row.deleted, spec));
    }
    found.sort_by(|left: &(String, bool, Option<T>), right| left.0.cmp(&right.0));
    Ok(found)
}
