//! Channels as they stand: what they declare, and what was learnt of them.

use std::collections::{BTreeSet, HashMap};

use chrono::{DateTime, TimeDelta, Utc};
use sqlx::{AssertSqlSafe, PgConnection, Row as _};

use crate::engine::delivery::Channel;
use crate::kinds::notification_channel::{KIND, NotificationChannelSpec};
use crate::store::read::{self, Shared};
use crate::store::statements;

/// Workspace and name of a channel.
pub(super) type ChannelKey = (String, String);

/// How long a channel whose receiver is gone is not used. After that it is tried again: its secret may have been replaced
/// where it is kept, which no manifest says (M-D6).
const DISABLED: TimeDelta = TimeDelta::hours(1);

/// Why the channel `t` is not used, by what `s` has learnt of it, between the two moments of [`disabled`].
macro_rules! gone {
    ($after:literal, $before:literal) => {
        concat!(
            "case when s.disabled_digest is not distinct from t.digest and s.disabled_at > ",
            $after,
            " and s.disabled_at < ",
            $before,
            " then coalesce(s.disabled_reason, 'its receiver is gone') end"
        )
    };
}
pub(super) use gone;

/// Between which moments a channel was disabled that is not used now. A clock that was ahead then disables it for no longer.
pub(super) fn disabled(now: DateTime<Utc>) -> (DateTime<Utc>, DateTime<Utc>) {
    (now - DISABLED, now + DISABLED)
}

/// Reads channels, in one statement; those that are missing are left out.
///
/// # Errors
/// Whatever the database reports.
pub(super) async fn channels(
    connection: &mut PgConnection,
    keys: &BTreeSet<ChannelKey>,
    now: DateTime<Utc>,
) -> Result<HashMap<ChannelKey, Channel>, sqlx::Error> {
    let mut found = HashMap::with_capacity(keys.len());
    if keys.is_empty() {
        return Ok(found);
    }
    // The statement comes from the registry, as all that read declared rows do; what was learnt is put beside it.
    let sql = statements::rows(&KIND).replacen(
        " from synthex.notification_channels as t",
        concat!(
            ", t.digest, ",
            gone!("$3", "$4"),
            " from synthex.notification_channels as t \
             left join synthex.channel_status as s on s.workspace = t.workspace and s.channel = t.name"
        ),
        1,
    );
    let (workspaces, names): (Vec<&str>, Vec<&str>) =
        keys.iter().map(|(workspace, name)| (workspace.as_str(), name.as_str())).unzip();
    let (after, before) = disabled(now);
    let query = sqlx::query(AssertSqlSafe(sql)).bind(workspaces).bind(names).bind(after).bind(before);
    let query = query.persistent(false);
    let mut shared = Shared::default();
    for row in query.fetch_all(connection).await? {
        let mut own = read::row_of(&KIND, &row, &mut shared)?;
        let last = row.len();
        let channel = Channel {
            workspace: own.key.workspace.to_string(),
            name: own.key.name.to_string(),
            spec: serde_json::from_value::<NotificationChannelSpec>(own.canonical["spec"].take())
                .map_err(|error| error.to_string()),
            digest: row.try_get(last - 2)?,
            is_deleted: own.deleted,
            gone: row.try_get(last - 1)?,
        };
        found.insert((channel.workspace.clone(), channel.name.clone()), channel);
    }
    Ok(found)
}
