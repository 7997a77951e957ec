//! The record of what was done, failed or was refused. It is only ever added to.

use futures_util::future::join;
use sqlx::PgConnection;
use tokio::task::yield_now;
use uuid::Uuid;

use crate::engine::{Item, ItemOutcome, Operation};
use crate::plan::Action;

use super::batch::Ready;

const OPERATION: &str = "insert into synthex.batch_operations \
     (id, project, command, actor, host, commit_sha, plan_digest, status, created, updated, deleted, restored, adopted, \
      renamed, failed, skipped, environment, run_url, note, acknowledged, started_at, finished_at) \
     values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, \
      clock_timestamp()) returning revision";

const ITEMS: &str = "insert into synthex.batch_operation_items \
     (operation_id, seq, workspace, kind, name, action, reason, source, before, after, renamed_from, permanent, outcome, error) \
     select $1, i.seq, i.workspace, i.kind, i.name, i.action, i.reason, i.source, i.before::json, i.after::json, \
      i.renamed_from, i.permanent, i.outcome, i.error \
     from unnest($2::integer[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[], $9::text[], \
      $10::text[], $11::text[], $12::boolean[], $13::text[], $14::text[]) \
     as i (seq, workspace, kind, name, action, reason, source, before, after, renamed_from, permanent, outcome, error)";

/// How many items one statement writes.
const CHUNK: usize = 1000;

/// Records an operation and its items. Returns the operation's revision.
pub(super) async fn record(
    connection: &mut PgConnection,
    operation: &Operation,
    items: &[Item<'_>],
) -> Result<i64, sqlx::Error> {
    let count = |number: usize| i64::try_from(number).unwrap_or(i64::MAX);
    let summary = operation.summary;
    let number = |wanted: fn(&ItemOutcome<'_>) -> bool| {
        count(items.iter().filter(|item| wanted(&item.outcome)).count())
    };
    let query = sqlx::query_scalar(OPERATION)
        .bind(operation.id)
        .bind(&operation.project)
        .bind(&operation.command)
        .bind(&operation.actor)
        .bind(&operation.host)
        .bind(&operation.commit)
        .bind(operation.digest.as_ref().map(|digest| digest.as_bytes().as_slice()))
        .bind(operation.status.code())
        .bind(count(summary.create))
        .bind(count(summary.update))
        .bind(count(summary.delete))
        .bind(count(summary.restore))
        .bind(count(summary.adopt))
        .bind(count(summary.rename))
        .bind(number(|outcome| matches!(outcome, ItemOutcome::Failed(_))))
        .bind(number(|outcome| matches!(outcome, ItemOutcome::Skipped(_))))
        .bind(&operation.environment)
        .bind(&operation.run_url)
        .bind(&operation.note)
        .bind(operation.acknowledged.map(count))
        .bind(operation.started_at)
        .persistent(false);
    let revision: i64 = query.fetch_one(&mut *connection).await?;
    let chunks: Vec<&[Item<'_>]> = items.chunks(CHUNK).collect();
    let make_ready = async |place: usize| match chunks.get(place) {
        Some(items) => Some(ready(operation.id, place * CHUNK, items).await),
        None => None,
    };
    let mut next = make_ready(0).await;
    for place in 1..=chunks.len() {
        let Some(statement) = next.take() else { break };
        // The database is another process: it writes one part while the next one is made ready here.
        let (written, following) = join(statement.execute(&mut *connection), make_ready(place)).await;
        written?;
        next = following;
    }
    Ok(revision)
}

/// The statement that writes some items, behind so many others. It lets others have their turn as it goes.
async fn ready<'a>(operation: Uuid, before: usize, items: &'a [Item<'a>]) -> Ready<'a> {
    let actions = || items.iter().map(|item| item.action);
    let table = |action: &Action| action.key.kind.table.as_ref().map_or("", |table| table.name);
    let number = |index| i32::try_from(before + index + 1).unwrap_or(i32::MAX);
    let place = |action: &Action| action.position.as_ref().map(ToString::to_string);
    let query = sqlx::query(ITEMS)
        .bind(operation)
        .bind((0..items.len()).map(number).collect::<Vec<i32>>())
        .bind(actions().map(|action| &*action.key.workspace).collect::<Vec<_>>())
        .bind(actions().map(table).collect::<Vec<_>>())
        .bind(actions().map(|action| &*action.key.name).collect::<Vec<_>>())
        .bind(actions().map(|action| action.kind.code()).collect::<Vec<_>>());
    yield_now().await;
    let query = query
        .bind(actions().map(|action| action.reason.to_string()).collect::<Vec<_>>())
        .bind(actions().map(place).collect::<Vec<_>>());
    yield_now().await;
    let query = query
        .bind(actions().map(|action| action.before.as_deref()).collect::<Vec<_>>())
        .bind(actions().map(Action::recorded).collect::<Vec<_>>());
    yield_now().await;
    query
        .bind(actions().map(|action| action.from.as_deref()).collect::<Vec<_>>())
        .bind(actions().map(|action| action.permanent).collect::<Vec<_>>())
        .bind(items.iter().map(|item| item.outcome.code()).collect::<Vec<_>>())
        .bind(items.iter().map(|item| item.outcome.why()).collect::<Vec<_>>())
        .persistent(false)
}
