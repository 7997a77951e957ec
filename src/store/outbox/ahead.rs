//! A clock that was ahead for a moment: what was put off by it waits no longer than it would have at most.

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use sqlx::{PgConnection, Row as _};

use crate::engine::delivery::Channel;
use crate::engine::delivery::channel::{USUAL_SCHEDULE, longest_wait};

use super::channels::{ChannelKey, channels};

/// Channels of which something waits for longer than is usual. That is rare, so it is asked for first.
const FAR: &str = "select distinct d.workspace, d.channel from synthex.notification_deliveries as d \
      where d.state in ('pending', 'retrying') and d.next_attempt_at > $1 and ($2::text is null or d.workspace = $2) \
     union select s.workspace, s.channel from synthex.channel_status as s \
      where s.paused_until > $1 and ($2::text is null or s.workspace = $2)";

const NEARER: &str = "update synthex.notification_deliveries as d set next_attempt_at = n.at from ( \
      select o.id, k.at from synthex.notification_deliveries as o \
       join unnest($1::text[], $2::text[], $3::timestamptz[]) as k (workspace, channel, at) \
       on k.workspace = o.workspace and k.channel = o.channel \
       where o.state in ('pending', 'retrying') and o.next_attempt_at > k.at \
       order by o.id for update of o skip locked) as n where d.id = n.id";

const SHORTER: &str = "update synthex.channel_status as s set paused_until = n.at from ( \
      select o.workspace, o.channel, k.at from synthex.channel_status as o \
       join unnest($1::text[], $2::text[], $3::timestamptz[]) as k (workspace, channel, at) \
       on k.workspace = o.workspace and k.channel = o.channel where o.paused_until > k.at \
       order by o.workspace, o.channel for update of o skip locked) as n \
     where s.workspace = n.workspace and s.channel = n.channel";

/// Brings what waits for longer than it can down to the longest that it can.
pub(super) async fn bring_nearer(
    connection: &mut PgConnection,
    workspace: Option<&str>,
    now: DateTime<Utc>,
) -> Result<(), sqlx::Error> {
    let usual = USUAL_SCHEDULE.iter().max().copied().unwrap_or_default();
    let far = sqlx::query(FAR).bind(now + TimeDelta::seconds(usual)).bind(workspace).persistent(false);
    let mut keys: BTreeSet<ChannelKey> = BTreeSet::new();
    for row in far.fetch_all(&mut *connection).await? {
        keys.insert((row.try_get(0)?, row.try_get(1)?));
    }
    if keys.is_empty() {
        return Ok(());
    }
    let known = channels(connection, &keys, now).await?;
    let at: Vec<DateTime<Utc>> = keys.iter().map(|key| latest(&known, key, now)).collect();
    let (workspaces, names): (Vec<&str>, Vec<&str>) =
        keys.iter().map(|(workspace, name)| (workspace.as_str(), name.as_str())).unzip();
    for sql in [NEARER, SHORTER] {
        let query = sqlx::query(sql).bind(&workspaces).bind(&names).bind(&at).persistent(false);
        query.execute(&mut *connection).await?;
    }
    Ok(())
}

/// The latest that a channel can wait until. One that is not there sends nothing, so what waits for it need not.
fn latest(known: &HashMap<ChannelKey, Channel>, key: &ChannelKey, now: DateTime<Utc>) -> DateTime<Utc> {
    let spec = known.get(key).and_then(|channel| channel.spec.as_ref().ok());
    let wait = spec.map_or(Duration::ZERO, longest_wait);
    TimeDelta::from_std(wait).ok().and_then(|wait| now.checked_add_signed(wait)).unwrap_or(now)
}
