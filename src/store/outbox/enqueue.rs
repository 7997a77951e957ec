//! Queues notifications, in sets and within the caller's transaction: a handful of statements, however many they are.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use chrono::{DateTime, Utc};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::alerts::{Event, Message};
use crate::engine::StateError;
use crate::engine::alerting::Untold;
use crate::engine::delivery::channel::targets;
use crate::engine::delivery::resolving::{Ending, Told, standing};
use crate::engine::delivery::{Channel, NewNotification, Why, derived_id};
use crate::store::connect::Connection;
use crate::store::error::within;

use super::channels::{ChannelKey, channels};
use super::ends::Ends;
use super::rows::{DeliveryRow, NotificationRow, cancel, insert_deliveries, insert_notifications};
use super::untold::Shut;

/// What came of queueing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Enqueued {
    /// Notifications that were written: those that were given, and parts of them that are told in other words elsewhere.
    pub notifications: Vec<Uuid>,
    /// Deliveries that wait to be sent.
    pub queued: u64,
    /// Deliveries that are kept and not sent: each has its reason.
    pub suppressed: u64,
    /// Of those, what is told to nobody through a channel that is missing, off or gone, and that nothing stands in for.
    pub untold: Vec<Untold>,
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
    let ends = Ends::read(connection, notifications).await?;
    let channels = known(connection, notifications, &ends, now).await?;
    let mut queue = Queue { channels, ends, is_fallback, ..Queue::default() };
    for notification in notifications {
        if notification.message.event == Event::Resolved {
            queue.resolve(notification);
        } else {
            queue.tell(notification);
        }
    }
    let mut enqueued = Enqueued { replaced: queue.cancelled.len() as u64, ..Enqueued::default() };
    if !queue.cancelled.is_empty() {
        cancel(connection, &queue.cancelled.into_iter().collect::<Vec<_>>(), now).await?;
    }
    enqueued.notifications = insert_notifications(connection, &queue.notifications, now).await?;
    enqueued.untold = queue.untold.count(&enqueued.notifications);
    (enqueued.queued, enqueued.suppressed) = insert_deliveries(connection, &queue.deliveries, now).await?;
    Ok(enqueued)
}

/// The channels that are named or told before, and their fallbacks.
async fn known(
    connection: &mut PgConnection,
    notifications: &[NewNotification],
    ends: &Ends,
    now: DateTime<Utc>,
) -> Result<HashMap<ChannelKey, Channel>, sqlx::Error> {
    let mut keys: BTreeSet<ChannelKey> = ends.all_channels().cloned().collect();
    for notification in notifications {
        for name in &notification.channels {
            keys.insert((notification.message.workspace.clone(), name.clone()));
        }
    }
    let mut known = channels(connection, &keys, now).await?;
    let fallbacks: BTreeSet<ChannelKey> = known
        .values()
        .filter(|channel| channel.gone.is_some())
        .filter_map(|channel| {
            Some((channel.workspace.clone(), channel.spec.as_ref().ok()?.fallback.clone()?))
        })
        .filter(|key| !known.contains_key(key))
        .collect();
    known.extend(channels(connection, &fallbacks, now).await?);
    Ok(known)
}

/// A channel and target that a notification goes to.
struct Place<'n> {
    channel: &'n str,
    target: String,
    is_fallback: bool,
    sends_resolved: bool,
}

/// How the end goes to a target, and what is taken back for it.
struct Way {
    row: DeliveryRow,
    replaced: Vec<Told>,
}

/// What is about to be written.
#[derive(Default)]
struct Queue {
    channels: HashMap<ChannelKey, Channel>,
    ends: Ends,
    is_fallback: bool,
    notifications: Vec<NotificationRow>,
    deliveries: Vec<DeliveryRow>,
    /// Deliveries that are taken back, with why.
    cancelled: BTreeMap<Uuid, String>,
    /// Notifications that tell anew what still stands.
    anew: HashSet<Uuid>,
    untold: Shut,
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
        for (channel, why) in &shut {
            if self.stand_in(notification, channel).is_none_or(|name| !stand_ins.contains(&name)) {
                self.untold.0.push((
                    id,
                    notification.message.workspace.clone(),
                    (*channel).to_owned(),
                    why.reason.clone(),
                ));
            }
        }
        let rows: Vec<DeliveryRow> = places
            .into_iter()
            .map(|place| delivery(notification, id, place, None))
            .chain(shut.into_iter().map(|(channel, why)| suppressed(notification, id, channel, why)))
            .collect();
        self.deliveries.extend(rows);
        let alerts = notification.alerts.clone();
        self.notifications.push(NotificationRow::new(id, notification, &notification.message, alerts));
    }

    /// Where the end of alerts goes, and where it does not, with why: through the channels of the notification, and through
    /// all others where the beginning was told.
    fn ends<'q>(
        &'q self,
        notification: &'q NewNotification,
        stand_ins: &'q [String],
        over: &BTreeSet<Uuid>,
    ) -> (Vec<Place<'q>>, Vec<(&'q str, Why)>) {
        let (mut places, mut shut) = self.all_places(notification, stand_ins);
        let workspace = &notification.message.workspace;
        let named: HashSet<&str> =
            notification.channels.iter().chain(stand_ins).map(String::as_str).collect();
        for channel in self.ends.channels(workspace, over).into_iter().filter(|name| !named.contains(name)) {
            let own = match self.usable(notification, channel) {
                Ok(own) => self.targets(own, channel, false),
                Err(why) => {
                    shut.push((channel, why));
                    continue;
                }
            };
            for place in own {
                let told = self.ends.told(workspace, channel, &place.target).iter();
                let mut told =
                    told.filter(|told| told.alerts.iter().any(|alert| over.contains(alert))).peekable();
                // Who was added since has not heard of it.
                if told.peek().is_some() {
                    places.push(Place { is_fallback: told.all(|told| told.is_fallback), ..place });
                }
            }
        }
        (places, shut)
    }

    fn resolve(&mut self, notification: &NewNotification) {
        let stand_ins = self.stand_ins(notification);
        let over: BTreeSet<Uuid> = notification.alerts.iter().copied().collect();
        let workspace = &notification.message.workspace;
        let (places, shut) = self.ends(notification, &stand_ins, &over);
        let mut kept: Vec<DeliveryRow> = shut
            .into_iter()
            .map(|(channel, why)| suppressed(notification, notification.id, channel, why))
            .collect();
        let mut groups: BTreeMap<(bool, BTreeSet<Uuid>), Vec<Way>> = BTreeMap::new();
        for place in places {
            if !place.sends_resolved {
                let why =
                    Why::new("resolved_off", "the channel does not tell the end of alerts (sendResolved)");
                kept.push(delivery(notification, notification.id, place, Some(why)));
                continue;
            }
            let told = self.ends.told(workspace, place.channel, &place.target);
            let ending = Ending::of(&over, told);
            if ending.alerts.is_empty() {
                let why = Why::new("not_told", "the beginning was not told here, so its end is not either");
                kept.push(delivery(notification, notification.id, place, Some(why)));
                continue;
            }
            let replaced =
                told.iter().filter(|told| ending.replaced.contains(&told.delivery)).cloned().collect();
            let row = delivery(notification, notification.id, place, None);
            groups.entry((ending.is_both, ending.alerts)).or_default().push(Way { row, replaced });
        }
        // The notification's own id goes to whom most is told, and is there also where nobody is.
        let own = groups.keys().max_by_key(|(is_both, alerts)| (alerts.len(), !*is_both)).cloned();
        if own.is_none() {
            let alerts = over.into_iter().collect();
            self.notifications.push(NotificationRow::new(
                notification.id,
                notification,
                &notification.message,
                alerts,
            ));
        }
        for (key, rows) in groups {
            let is_own = own.as_ref() == Some(&key);
            let (is_both, alerts) = key;
            let ending = Ending { alerts, is_both, replaced: Vec::new() };
            let id = if is_own { notification.id } else { part_id(notification.id, &ending) };
            let message: Message = ending.message(&notification.message);
            let alerts = ending.alerts.into_iter().collect();
            self.notifications.push(NotificationRow::new(id, notification, &message, alerts));
            for Way { row, replaced } in rows {
                for told in replaced {
                    self.take_back(&told, &row, id);
                }
                self.deliveries.push(row.of(id));
            }
        }
        self.deliveries.append(&mut kept);
    }

    /// Takes back what is queued, and tells anew what of it still stands.
    fn take_back(&mut self, told: &Told, row: &DeliveryRow, end: Uuid) {
        if self.cancelled.contains_key(&told.delivery) {
            return;
        }
        let left = self.ends.standing(told);
        let Some(written) = self.ends.written.get(&told.notification).filter(|_| !left.is_empty()) else {
            let reason = format!("told together with its end, by notification {end}");
            self.cancelled.insert(told.delivery, reason);
            return;
        };
        let id = anew_id(told.notification, &left);
        let reason = format!("what it tells is over in part: what still stands is told by notification {id}");
        self.cancelled.insert(told.delivery, reason);
        if self.anew.insert(id) {
            let message = standing(&written.message, &left);
            let alerts = left.into_iter().collect();
            self.notifications.push(NotificationRow::anew(id, written, &message, alerts));
        }
        let row = DeliveryRow {
            ordering_key: told.ordering_key.clone(),
            is_fallback: told.is_fallback,
            ..row.clone()
        };
        self.deliveries.push(row.of(id));
    }
}

fn anew_id(notification: Uuid, alerts: &BTreeSet<Uuid>) -> Uuid {
    let alerts: Vec<String> = alerts.iter().map(Uuid::to_string).collect();
    derived_id(notification, &["anew", &alerts.join(" ")])
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
