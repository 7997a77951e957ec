//! Queues notifications, in sets and within the caller's transaction: a handful of statements, however many they are.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use chrono::{DateTime, Utc};
use sqlx::{PgConnection, Row as _};
use uuid::Uuid;

use crate::alerts::{Event, Message};
use crate::engine::StateError;
use crate::engine::delivery::channel::targets;
use crate::engine::delivery::resolving::{Ending, Told};
use crate::engine::delivery::{Channel, NewNotification, Why, derived_id};
use crate::store::connect::Connection;
use crate::store::error::within;

use super::channels::{ChannelKey, channels};
use super::rows::{DeliveryRow, NotificationRow, cancel, insert_deliveries, insert_notifications};

/// What came of queueing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Enqueued {
    /// Notifications that were written.
    pub notifications: u64,
    /// Deliveries that wait to be sent.
    pub queued: u64,
    /// Deliveries that are kept and not sent: each has its reason.
    pub suppressed: u64,
    /// Deliveries that waited and were taken back, since a new one tells what they would have (M-L7).
    pub replaced: u64,
}

/// Queues notifications. What has been queued already, by the same ids, is left as it is, so that a caller who does not
/// know whether it was may do it again.
///
/// It waits for rows only where the end of an alert is told whose beginning is still queued.
///
/// # Errors
/// Whatever the database reports; the caller's transaction is over then.
pub(crate) async fn enqueue(
    connection: &mut PgConnection,
    notifications: &[NewNotification],
    now: DateTime<Utc>,
) -> Result<Enqueued, sqlx::Error> {
    enqueue_as(connection, notifications, now, false).await
}

impl Connection {
    /// Queues notifications in a transaction of their own, in that workspace where the role sees one at a time.
    ///
    /// # Errors
    /// Whatever the database reports; nothing was queued.
    pub async fn enqueue_notifications(
        &mut self,
        workspace: Option<&str>,
        notifications: &[NewNotification],
        now: DateTime<Utc>,
    ) -> Result<Enqueued, StateError> {
        let limit = self.timeout;
        let work = super::in_scope(&mut self.inner, workspace, async |connection| {
            super::enqueue(connection, notifications, now).await
        });
        within(limit, "queueing notifications", work).await
    }
}

/// [`enqueue`], for what stands in for a delivery that did not get through as well: what fails of that has no other
/// fallback (M-D11).
pub(super) async fn enqueue_as(
    connection: &mut PgConnection,
    notifications: &[NewNotification],
    now: DateTime<Utc>,
    is_fallback: bool,
) -> Result<Enqueued, sqlx::Error> {
    if notifications.is_empty() {
        return Ok(Enqueued::default());
    }
    let channels = known(connection, notifications).await?;
    let told = told(connection, notifications).await?;
    let mut queue = Queue { channels, told, is_fallback, ..Queue::default() };
    for notification in notifications {
        if notification.message.event == Event::Resolved {
            queue.resolve(notification);
        } else {
            queue.tell(notification);
        }
    }
    let mut enqueued = Enqueued { replaced: queue.cancelled.len() as u64, ..Enqueued::default() };
    if !queue.cancelled.is_empty() {
        cancel(connection, &queue.cancelled, now).await?;
    }
    enqueued.notifications = insert_notifications(connection, &queue.notifications, now).await?;
    (enqueued.queued, enqueued.suppressed) = insert_deliveries(connection, &queue.deliveries, now).await?;
    Ok(enqueued)
}

/// The channels that are named, and their fallbacks.
async fn known(
    connection: &mut PgConnection,
    notifications: &[NewNotification],
) -> Result<HashMap<ChannelKey, Channel>, sqlx::Error> {
    let mut keys = BTreeSet::new();
    for notification in notifications {
        for name in &notification.channels {
            keys.insert((notification.message.workspace.clone(), name.clone()));
        }
    }
    let mut known = channels(connection, &keys).await?;
    let fallbacks: BTreeSet<ChannelKey> = known
        .values()
        .filter(|channel| channel.gone.is_some())
        .filter_map(|channel| {
            Some((channel.workspace.clone(), channel.spec.as_ref().ok()?.fallback.clone()?))
        })
        .filter(|key| !known.contains_key(key))
        .collect();
    known.extend(channels(connection, &fallbacks).await?);
    Ok(known)
}

/// What told, or is about to tell, of the alerts whose end is told; what is queued is locked, so that no worker begins to
/// send it. A worker that did already keeps it: then it was told.
const TOLD: &str = "with told as materialized ( \
      select d.id, n.alerts from synthex.notifications as n join synthex.notification_deliveries as d on d.notification = n.id \
      where n.alerts && $1::uuid[] and n.event in ('firing', 'reminder', 'flapping') \
      and d.state in ('pending', 'retrying', 'sending', 'sent')), \
     queued as materialized (select id from synthex.notification_deliveries where id in (select id from told) \
      and state in ('pending', 'retrying') order by id for update) \
     select d.id, d.workspace, d.channel, d.target, q.id is not null, t.alerts from told as t \
     join synthex.notification_deliveries as d on d.id = t.id left join queued as q on q.id = t.id order by d.seq";

type ToldThere = HashMap<(String, String, String), Vec<Told>>;

async fn told(
    connection: &mut PgConnection,
    notifications: &[NewNotification],
) -> Result<ToldThere, sqlx::Error> {
    let over: Vec<Uuid> = notifications
        .iter()
        .filter(|notification| notification.message.event == Event::Resolved)
        .flat_map(|notification| notification.alerts.iter().copied())
        .collect();
    let mut told = ToldThere::new();
    if over.is_empty() {
        return Ok(told);
    }
    let query = sqlx::query(TOLD).bind(over).persistent(false);
    for row in query.fetch_all(connection).await? {
        let one = Told { delivery: row.try_get(0)?, is_queued: row.try_get(4)?, alerts: row.try_get(5)? };
        told.entry((row.try_get(1)?, row.try_get(2)?, row.try_get(3)?)).or_default().push(one);
    }
    Ok(told)
}

/// A channel and target that a notification goes to.
struct Place<'n> {
    channel: &'n str,
    target: String,
    is_fallback: bool,
    sends_resolved: bool,
}

/// What is about to be written.
#[derive(Default)]
struct Queue {
    channels: HashMap<ChannelKey, Channel>,
    told: ToldThere,
    is_fallback: bool,
    notifications: Vec<NotificationRow>,
    deliveries: Vec<DeliveryRow>,
    cancelled: Vec<(Uuid, String)>,
}

impl Queue {
    /// Where a notification goes; and where it would, with why it does not.
    fn places<'n>(&self, notification: &'n NewNotification) -> (Vec<Place<'n>>, Vec<(&'n str, Why)>)
    where
        Self: 'n,
    {
        let mut seen = HashSet::new();
        let mut places = Vec::new();
        let mut shut = Vec::new();
        for name in notification.channels.iter().filter(|name| seen.insert(name.as_str())) {
            match self.usable(notification, name) {
                Ok(channel) => places.extend(self.targets(channel, name, self.is_fallback)),
                Err(why) => shut.push((name.as_str(), why)),
            }
        }
        (places, shut)
    }

    fn usable(&self, notification: &NewNotification, name: &str) -> Result<&Channel, Why> {
        let key = (notification.message.workspace.clone(), name.to_owned());
        let missing = || Why::new("channel_missing", format!("there is no channel `{name}`"));
        let channel = self.channels.get(&key).ok_or_else(missing)?;
        channel.usable().map(|_| channel)
    }

    fn targets<'n>(&self, channel: &Channel, name: &'n str, is_fallback: bool) -> Vec<Place<'n>> {
        let Ok(spec) = &channel.spec else { return Vec::new() };
        let place = |target| Place { channel: name, target, is_fallback, sends_resolved: spec.send_resolved };
        targets(spec).into_iter().map(place).collect()
    }

    /// The fallback of a channel whose receiver is gone takes its messages (M-D6, M-D11).
    fn stand_in(&self, notification: &NewNotification, name: &str) -> Option<String> {
        let key = (notification.message.workspace.clone(), name.to_owned());
        let fallback = self.channels.get(&key)?.spec.as_ref().ok()?.fallback.clone()?;
        let is_new = !notification.channels.contains(&fallback);
        (is_new && !self.is_fallback && self.usable(notification, &fallback).is_ok()).then_some(fallback)
    }

    /// All places of a notification: its channels', and those of the fallbacks of channels that are gone.
    fn all_places<'n>(
        &self,
        notification: &'n NewNotification,
        stand_ins: &'n [String],
    ) -> (Vec<Place<'n>>, Vec<(&'n str, Why)>)
    where
        Self: 'n,
    {
        let (mut places, shut) = self.places(notification);
        for name in stand_ins {
            if let Ok(channel) = self.usable(notification, name) {
                places.extend(self.targets(channel, name, true));
            }
        }
        (places, shut)
    }

    fn stand_ins(&self, notification: &NewNotification) -> Vec<String> {
        let gone = notification
            .channels
            .iter()
            .filter(|name| self.usable(notification, name).is_err_and(|why| why.code == "channel_gone"));
        let names: BTreeSet<String> = gone.filter_map(|name| self.stand_in(notification, name)).collect();
        names.into_iter().collect()
    }

    fn tell(&mut self, notification: &NewNotification) {
        let stand_ins = self.stand_ins(notification);
        let (places, shut) = self.all_places(notification, &stand_ins);
        let id = notification.id;
        let rows: Vec<DeliveryRow> = places
            .into_iter()
            .map(|place| delivery(notification, id, place, None))
            .chain(shut.into_iter().map(|(channel, why)| suppressed(notification, id, channel, why)))
            .collect();
        self.deliveries.extend(rows);
        let alerts = notification.alerts.clone();
        self.notifications.push(NotificationRow::new(id, notification, &notification.message, alerts));
    }

    fn resolve(&mut self, notification: &NewNotification) {
        let stand_ins = self.stand_ins(notification);
        let (places, shut) = self.all_places(notification, &stand_ins);
        let over: BTreeSet<Uuid> = notification.alerts.iter().copied().collect();
        let workspace = &notification.message.workspace;
        let mut kept: Vec<DeliveryRow> = shut
            .into_iter()
            .map(|(channel, why)| suppressed(notification, notification.id, channel, why))
            .collect();
        let mut groups: BTreeMap<(bool, BTreeSet<Uuid>), (Ending, Vec<Place<'_>>)> = BTreeMap::new();
        for place in places {
            if !place.sends_resolved {
                let why =
                    Why::new("resolved_off", "the channel does not tell the end of alerts (sendResolved)");
                kept.push(delivery(notification, notification.id, place, Some(why)));
                continue;
            }
            let key = (workspace.clone(), place.channel.to_owned(), place.target.clone());
            let told = self.told.get(&key).map_or(&[][..], Vec::as_slice);
            let mut ending = Ending::of(&over, told);
            if ending.alerts.is_empty() {
                let why = Why::new("not_told", "the beginning was not told here, so its end is not either");
                kept.push(delivery(notification, notification.id, place, Some(why)));
                continue;
            }
            let group = groups.entry((ending.is_both, ending.alerts.clone())).or_default();
            group.0.replaced.append(&mut ending.replaced);
            group.0.alerts = ending.alerts;
            group.0.is_both = ending.is_both;
            group.1.push(place);
        }
        // The notification's own id goes to whom most is told, and is there also where nobody is.
        let own = groups.keys().max_by_key(|(is_both, alerts)| (alerts.len(), !*is_both)).cloned();
        if own.is_none() {
            let row = NotificationRow::new(
                notification.id,
                notification,
                &notification.message,
                over.into_iter().collect(),
            );
            self.notifications.push(row);
        }
        for (key, (ending, places)) in groups {
            let id =
                if own.as_ref() == Some(&key) { notification.id } else { part_id(notification.id, &ending) };
            let message: Message = ending.message(&notification.message);
            let alerts = ending.alerts.iter().copied().collect();
            self.notifications.push(NotificationRow::new(id, notification, &message, alerts));
            self.deliveries.extend(places.into_iter().map(|place| delivery(notification, id, place, None)));
            let reason = format!("told together with its end, by notification {id}");
            self.cancelled.extend(ending.replaced.into_iter().map(|delivery| (delivery, reason.clone())));
        }
        self.deliveries.append(&mut kept);
    }
}

fn part_id(notification: Uuid, ending: &Ending) -> Uuid {
    let alerts: Vec<String> = ending.alerts.iter().map(Uuid::to_string).collect();
    derived_id(notification, &[ending.event().code(), &alerts.join(" ")])
}

fn delivery(notification: &NewNotification, id: Uuid, place: Place<'_>, why: Option<Why>) -> DeliveryRow {
    DeliveryRow {
        id: derived_id(id, &[place.channel, &place.target]),
        workspace: notification.message.workspace.clone(),
        notification: id,
        channel: place.channel.to_owned(),
        target: place.target,
        ordering_key: notification.ordering_key.clone(),
        why,
        next_attempt_at: notification.not_before,
        is_fallback: place.is_fallback,
    }
}

fn suppressed(notification: &NewNotification, id: Uuid, channel: &str, why: Why) -> DeliveryRow {
    let place = Place { channel, target: String::new(), is_fallback: false, sends_resolved: false };
    delivery(notification, id, place, Some(why))
}
