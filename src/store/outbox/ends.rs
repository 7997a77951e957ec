//! Where the beginning of alerts was told, and what of it is still queued: the end goes there, whatever the rule says by now
//! (M-L7).

use std::collections::{BTreeSet, HashMap, HashSet};

use chrono::{DateTime, Utc};
use sqlx::{PgConnection, Row as _};
use uuid::Uuid;

use crate::alerts::{Event, Message};
use crate::engine::delivery::NewNotification;
use crate::engine::delivery::resolving::Told;

use super::channels::ChannelKey;

/// A notification that is queued and over in part.
pub(super) struct Written {
    /// What it says.
    pub(super) message: Message,
    /// When it was written.
    pub(super) created_at: DateTime<Utc>,
    /// Who wrote it.
    pub(super) created_by: String,
    /// The notification that it repeats.
    pub(super) replay_of: Option<Uuid>,
}

/// What was told of the alerts whose end is told.
#[derive(Default)]
pub(super) struct Ends {
    /// By channel and target.
    there: HashMap<ChannelKey, HashMap<String, Vec<Told>>>,
    /// What is queued and tells of others too.
    pub(super) written: HashMap<Uuid, Written>,
    /// The alerts that are over, now or since before.
    over: HashSet<Uuid>,
}

/// What told, or is about to tell, of the alerts whose end is told; what is queued is locked, so that no worker begins to
/// send it. A worker that did already keeps it: then it was told.
const TOLD: &str = "with told as materialized ( \
      select d.id, n.alerts from synthex.notifications as n join synthex.notification_deliveries as d on d.notification = n.id \
      where n.alerts && $1::uuid[] and (n.event in ('firing', 'reminder', 'flapping') \
       and d.state in ('pending', 'retrying', 'sending', 'sent') or n.event = 'delivery_failed' and d.state = 'sent')), \
     queued as materialized (select id from synthex.notification_deliveries where id in (select id from told) \
      and state in ('pending', 'retrying') order by id for update) \
     select d.id, d.workspace, d.channel, d.target, q.id is not null, t.alerts, d.notification, d.is_fallback, d.ordering_key \
     from told as t join synthex.notification_deliveries as d on d.id = t.id left join queued as q on q.id = t.id order by d.seq";

const WRITTEN: &str = "select id, content::text, created_at, created_by, replay_of from synthex.notifications \
     where id = any($1::uuid[])";

const OVER: &str = "select id from synthex.alerts where id = any($1::uuid[]) and status = 'resolved'";

impl Ends {
    /// Reads where the beginning was told of what these notifications say is over.
    pub(super) async fn read(
        connection: &mut PgConnection,
        notifications: &[NewNotification],
    ) -> Result<Self, sqlx::Error> {
        let over: HashSet<Uuid> = notifications
            .iter()
            .filter(|notification| notification.message.event == Event::Resolved)
            .flat_map(|notification| notification.alerts.iter().copied())
            .collect();
        let mut ends = Self { over, ..Self::default() };
        if ends.over.is_empty() {
            return Ok(ends);
        }
        let (mut in_part, mut others) = (BTreeSet::new(), BTreeSet::new());
        let query = sqlx::query(TOLD).bind(ends.over.iter().copied().collect::<Vec<_>>()).persistent(false);
        for row in query.fetch_all(&mut *connection).await? {
            let told = Told {
                delivery: row.try_get(0)?,
                notification: row.try_get(6)?,
                is_queued: row.try_get(4)?,
                is_fallback: row.try_get(7)?,
                ordering_key: row.try_get(8)?,
                alerts: row.try_get(5)?,
            };
            if told.is_queued && !in_part.contains(&told.notification) {
                let left: Vec<Uuid> =
                    told.alerts.iter().filter(|alert| !ends.over.contains(*alert)).copied().collect();
                if !left.is_empty() {
                    in_part.insert(told.notification);
                    others.extend(left);
                }
            }
            let channel = (row.try_get(1)?, row.try_get(2)?);
            ends.there.entry(channel).or_default().entry(row.try_get(3)?).or_default().push(told);
        }
        if !in_part.is_empty() {
            ends.read_written(connection, in_part, others).await?;
        }
        Ok(ends)
    }

    async fn read_written(
        &mut self,
        connection: &mut PgConnection,
        in_part: BTreeSet<Uuid>,
        others: BTreeSet<Uuid>,
    ) -> Result<(), sqlx::Error> {
        let query = sqlx::query(OVER).bind(others.into_iter().collect::<Vec<_>>()).persistent(false);
        for row in query.fetch_all(&mut *connection).await? {
            self.over.insert(row.try_get(0)?);
        }
        let query = sqlx::query(WRITTEN).bind(in_part.into_iter().collect::<Vec<_>>()).persistent(false);
        for row in query.fetch_all(connection).await? {
            // What cannot be read cannot be sent either.
            let Ok(message) = serde_json::from_str(row.try_get(1)?) else { continue };
            let written = Written {
                message,
                created_at: row.try_get(2)?,
                created_by: row.try_get(3)?,
                replay_of: row.try_get(4)?,
            };
            self.written.insert(row.try_get(0)?, written);
        }
        Ok(())
    }

    /// All channels where one of these alerts was told, sorted.
    pub(super) fn channels(&self, workspace: &str, over: &BTreeSet<Uuid>) -> BTreeSet<&str> {
        let tells = |told: &Told| told.alerts.iter().any(|alert| over.contains(alert));
        self.there
            .iter()
            .filter(|((own, _), targets)| own == workspace && targets.values().flatten().any(tells))
            .map(|((_, channel), _)| channel.as_str())
            .collect()
    }

    /// All channels where one of any of them was told.
    pub(super) fn all_channels(&self) -> impl Iterator<Item = &ChannelKey> {
        self.there.keys()
    }

    /// What told of any of them through a channel to a target.
    pub(super) fn told(&self, workspace: &str, channel: &str, target: &str) -> &[Told] {
        let targets = self.there.get(&(workspace.to_owned(), channel.to_owned()));
        targets.and_then(|targets| targets.get(target)).map_or(&[], Vec::as_slice)
    }

    /// Those of a message's alerts that still stand.
    pub(super) fn standing(&self, told: &Told) -> BTreeSet<Uuid> {
        told.alerts.iter().filter(|alert| !self.over.contains(*alert)).copied().collect()
    }
}
