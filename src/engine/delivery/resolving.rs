//! The end of alerts is told where their beginning was, and only there (M-L7).
//!
//! What came of the beginning is an argument: nothing here asks a database.

use std::collections::BTreeSet;

use uuid::Uuid;

use crate::alerts::{Event, Message, wording};

/// A message that told of alerts through a channel to a target, or is about to.
#[derive(Clone, Debug)]
pub struct Told {
    /// The delivery.
    pub delivery: Uuid,
    /// What it delivers.
    pub notification: Uuid,
    /// Whether it is still queued, so that it can be taken back. One that is being sent cannot.
    pub is_queued: bool,
    /// Whether it stands in for another channel.
    pub is_fallback: bool,
    /// What keeps its order.
    pub ordering_key: String,
    /// The alerts it tells of.
    pub alerts: Vec<Uuid>,
}

/// How the end of alerts is told.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ending {
    /// The alerts whose end is told. Empty: of none of them was the beginning told, so nothing is.
    pub alerts: BTreeSet<Uuid>,
    /// Whether the beginning of one of them is told with its end.
    pub is_both: bool,
    /// The deliveries that are taken back, since they tell what is not so any more.
    pub replaced: Vec<Uuid>,
}

impl Ending {
    /// How the end of `over` is told where these messages told the beginning.
    ///
    /// A queued message that tells of other alerts too is taken back as well: of what still stands it is told anew
    /// ([`standing`]).
    #[must_use]
    pub fn of(over: &BTreeSet<Uuid>, told: &[Told]) -> Self {
        let mut sure = BTreeSet::new();
        let mut ending = Self::default();
        for told in told {
            let both: Vec<Uuid> = told.alerts.iter().filter(|alert| over.contains(*alert)).copied().collect();
            if told.is_queued && !both.is_empty() {
                ending.replaced.push(told.delivery);
            } else {
                sure.extend(both.iter().copied());
            }
            ending.alerts.extend(both);
        }
        ending.is_both = ending.alerts.iter().any(|alert| !sure.contains(alert));
        ending
    }

    /// The event that is told.
    #[must_use]
    pub const fn event(&self) -> Event {
        if self.is_both { Event::FiredAndResolved } else { Event::Resolved }
    }

    /// The message, with those alerts alone whose end is told.
    #[must_use]
    pub fn message(&self, message: &Message) -> Message {
        let mut own = Message { event: self.event(), ..message.clone() };
        let is_told = |alert: Option<Uuid>| alert.is_none_or(|alert| self.alerts.contains(&alert));
        if own.items.iter().all(|item| is_told(item.alert)) {
            return own;
        }
        own.items.retain(|item| is_told(item.alert));
        own.severity = own.items.iter().map(|item| item.severity).max().unwrap_or(own.severity);
        own.title = match own.items.as_slice() {
            [one] => one.what.clone(),
            items => format!("{} alerts are over", items.len()),
        };
        own.text = own.items.iter().map(|item| item.what.as_str()).collect::<Vec<_>>().join("\n");
        own
    }
}

/// A message that is still queued, with those alerts alone that still stand.
#[must_use]
pub fn standing(message: &Message, alerts: &BTreeSet<Uuid>) -> Message {
    let items = message.items.iter().filter(|item| item.alert.is_none_or(|alert| alerts.contains(&alert)));
    wording::again(message, items.cloned().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn alert(number: u128) -> Uuid {
        Uuid::from_u128(number)
    }

    #[track_caller]
    fn check(over: &[u128], told: &[(bool, &[u128])], alerts: &[u128], is_both: bool, replaced: &[u128]) {
        let over = over.iter().copied().map(alert).collect();
        let told: Vec<Told> = (100..)
            .zip(told)
            .map(|(delivery, (is_queued, alerts))| Told {
                delivery: alert(delivery),
                notification: alert(delivery),
                is_queued: *is_queued,
                is_fallback: false,
                ordering_key: String::new(),
                alerts: alerts.iter().copied().map(alert).collect(),
            })
            .collect();
        let ids = |numbers: &[u128]| numbers.iter().copied().map(alert).collect::<Vec<_>>();
        let expected = Ending { alerts: ids(alerts).into_iter().collect(), is_both, replaced: ids(replaced) };
        assert_eq!(Ending::of(&over, &told), expected);
    }

    #[test]
    fn an_end_is_told_where_the_beginning_was() {
        check(&[1], &[], &[], false, &[]);
        check(&[1], &[(false, &[1])], &[1], false, &[]);
        check(&[1], &[(true, &[1])], &[1], true, &[100]);
        // A queued reminder is not worth sending any more, and the beginning was told.
        check(&[1], &[(false, &[1]), (true, &[1])], &[1], false, &[101]);
        // Of two that are over, one was told.
        check(&[1, 2], &[(false, &[1])], &[1], false, &[]);
        // One was told, the other is queued.
        check(&[1, 2], &[(false, &[1]), (true, &[2])], &[1, 2], true, &[101]);
        // What is queued tells of another one that still stands: of that one it is told anew.
        check(&[1], &[(true, &[1, 3])], &[1], true, &[100]);
        // What is queued of others stays.
        check(&[1], &[(true, &[3]), (false, &[1])], &[1], false, &[]);
    }
}
