//! Who is told what of the alerts of an evaluation, and when: each threshold once (M-E6), nothing that is muted (M-S2), what
//! was muted once it is not (M-S3), reminders at their interval (M-E15), and all that comes together in one message (M-E14).

use std::collections::{BTreeMap, HashMap};

use chrono::{DateTime, TimeDelta, Utc};
use uuid::Uuid;

use super::alert::{Alert, AlertKind, AlertStatus, ResolveReason};
use super::facts::{Change, Happening, Outcome, Telling, ThresholdRow};
use super::fingerprint::id_of;
use super::grouping::{self, Groups};
use super::message::Event;
use super::muting::SILENCE;
use super::signals::{Rule, Signal, Stage};
use super::wording;

/// A secret that comes back within this time is not told again (M-E8).
const TOLD_AGAIN_AFTER: TimeDelta = TimeDelta::hours(24);

/// An alert, before and after.
#[derive(Debug)]
pub struct Case<'a> {
    /// As its row has it.
    pub before: Option<&'a Alert>,
    /// As it is now.
    pub after: Alert,
    /// What was said of it.
    pub signal: Option<&'a Signal<'a>>,
    /// Whether its end is told although it is muted (M-L6, M-L7).
    pub end_is_told: bool,
}

impl Case<'_> {
    fn was_raised(&self) -> bool {
        self.before.is_some_and(|before| before.status.is_raised())
    }

    fn is_muted(&self) -> bool {
        !self.after.muted_by.is_empty()
    }

    /// Whether a silence ends while the alert still stands (M-S3). A maintenance window tells nothing at its end (M-S6).
    fn leaves_silence(&self) -> bool {
        let was = self.before.map(|before| before.muted_by.as_slice()).unwrap_or_default();
        !self.is_muted() && was.iter().any(|by| by.starts_with(SILENCE))
    }
}

type ThresholdKey<'a> = (&'a str, Uuid, &'a str, &'a str);

/// Decides what is told.
pub struct Teller<'a> {
    stage: &'a Stage<'a>,
    now: DateTime<Utc>,
    known: HashMap<ThresholdKey<'a>, &'a ThresholdRow>,
    groups: Groups<'a>,
    waiting: BTreeMap<(String, String), Option<DateTime<Utc>>>,
    messages: BTreeMap<(u8, String, String), Vec<usize>>,
    outcome: Outcome,
}

/// The order in which messages are queued: that something is over comes before what is new.
const fn order(event: Event) -> u8 {
    match event {
        Event::Resolved => 0,
        Event::Firing => 1,
        Event::Flapping => 2,
        _ => 3,
    }
}

const fn event_of(order: u8) -> Event {
    match order {
        0 => Event::Resolved,
        1 => Event::Firing,
        2 => Event::Flapping,
        _ => Event::Reminder,
    }
}

impl<'a> Teller<'a> {
    /// Reads what was told before.
    #[must_use]
    pub fn new(stage: &'a Stage<'a>) -> Self {
        let known = stage.facts.thresholds.iter().map(|row| {
            ((row.rule.as_str(), row.credential, row.generation.as_str(), row.threshold.as_str()), row)
        });
        Self {
            stage,
            now: stage.now,
            known: known.collect(),
            groups: Groups::of(&stage.facts.groups),
            waiting: BTreeMap::new(),
            messages: BTreeMap::new(),
            outcome: Outcome::default(),
        }
    }

    /// What comes of the cases.
    #[must_use]
    pub fn tell(mut self, mut cases: Vec<Case<'a>>) -> Outcome {
        for (index, case) in cases.iter_mut().enumerate() {
            let rule = case.after.rule.as_deref().and_then(|name| self.stage.rule(name));
            let event = self.event(case, rule);
            let told = event.and_then(|event| self.queue(index, case, rule, event));
            self.rearm(case, event);
            self.note(case, rule, told);
        }
        let stage = self.stage;
        let waiting = &self.waiting;
        self.groups.forget_others(|rule, key| {
            waiting.contains_key(&(rule.to_owned(), key.to_owned())) || !stage.is_in_scope(Some(rule))
        });
        self.outcome.groups = std::mem::take(&mut self.groups.changed).into_values().collect();
        self.write(cases)
    }

    /// Somebody changed the rule or suspended the tenant, and all were told that it is over: thresholds are told anew then.
    fn rearm(&mut self, case: &Case<'_>, event: Option<Event>) {
        let alert = &case.after;
        let is_made = matches!(
            alert.resolve_reason,
            Some(ResolveReason::RuleChanged | ResolveReason::RuleRemoved | ResolveReason::Suspended)
        );
        if event == Some(Event::Resolved)
            && is_made
            && alert.kind == AlertKind::CredentialExpiry
            && let (Some(rule), Some(credential)) = (&alert.rule, alert.subject_id)
        {
            self.outcome.rearmed.push((rule.clone(), credential));
        }
    }

    /// What is to be told of an alert, if anything.
    fn event(&self, case: &Case<'_>, rule: Option<&Rule<'_>>) -> Option<Event> {
        let alert = &case.after;
        if alert.status == AlertStatus::Resolved {
            // Nobody hears of the end of what nobody heard of (M-L7).
            let is_told = alert.notified_at.is_some() && (!case.is_muted() || case.end_is_told);
            return is_told.then_some(Event::Resolved);
        }
        if alert.status != AlertStatus::Firing || case.is_muted() || rule.is_none() {
            return None;
        }
        let was_flapping = case.before.is_some_and(|before| before.is_flapping);
        if alert.is_flapping {
            return (!was_flapping).then_some(Event::Flapping);
        }
        if self.is_news(case) {
            return Some(Event::Firing);
        }
        if case.leaves_silence() || was_flapping {
            return Some(Event::Reminder);
        }
        let interval = grouping::reminder(&rule?.fact.spec, alert, self.now)?;
        let last = alert.notified_at.or(alert.fired_at)?;
        (self.now.signed_duration_since(last) >= interval).then_some(Event::Reminder)
    }

    /// Whether nobody was told of what is so now.
    fn is_news(&self, case: &Case<'_>) -> bool {
        let alert = &case.after;
        let (AlertKind::CredentialExpiry, Some(key)) = (alert.kind, threshold_key(alert)) else {
            return alert.notified_at.is_none();
        };
        // A clock that was put back, or a result that could not be had, is no news.
        if case.signal.is_none_or(|signal| !matches!(signal.reading, super::signals::Reading::Bad { .. })) {
            return false;
        }
        match self.known.get(&key) {
            None => true,
            Some(row) => {
                let is_of_another = row.alert != alert.id && alert.notified_at.is_none();
                is_of_another && self.now.signed_duration_since(row.crossed_at) >= TOLD_AGAIN_AFTER
            }
        }
    }

    /// Puts an alert into the message of its group; `Err` with the time until which it waits.
    fn queue(
        &mut self,
        index: usize,
        case: &mut Case<'_>,
        rule: Option<&Rule<'_>>,
        event: Event,
    ) -> Option<Told> {
        // The end is told where the beginning was, also where the rule is gone for good (M-L7).
        let grouping = rule.and_then(|rule| rule.fact.spec.grouping.as_ref());
        let name = case.after.rule.clone()?;
        let name = name.as_str();
        let key = grouping::key(grouping, &case.after.labels);
        if event == Event::Firing {
            let place = (name.to_owned(), key.clone());
            let (groups, now) = (&mut self.groups, self.now);
            let until = *self.waiting.entry(place).or_insert_with(|| groups.wait(name, grouping, &key, now));
            if let Some(until) = until {
                return Some(Told::Later(until));
            }
            self.record_thresholds(case, name);
        }
        case.after.notified_at = Some(self.now);
        case.after.reminders += i64::from(event == Event::Reminder);
        self.messages.entry((order(event), name.to_owned(), key)).or_default().push(index);
        Some(Told::Now(event))
    }

    fn record_thresholds(&mut self, case: &Case<'_>, rule: &str) {
        let alert = &case.after;
        let (Some(key), Some(signal)) = (threshold_key(alert), case.signal) else { return };
        let row = |threshold: &str, is_told: bool| ThresholdRow {
            rule: rule.to_owned(),
            credential: key.1,
            generation: key.2.to_owned(),
            threshold: threshold.to_owned(),
            is_told,
            alert: alert.id,
            crossed_at: self.now,
        };
        let wider = signal
            .wider
            .iter()
            .filter(|wider| **wider != key.3 && !self.known.contains_key(&(key.0, key.1, key.2, **wider)));
        let rows: Vec<ThresholdRow> = wider.map(|wider| row(wider, false)).collect();
        for row in &rows {
            self.outcome.changes.push(Change {
                happening: Happening::Superseded,
                alert: alert.clone(),
                channels: Vec::new(),
                threshold: Some(row.threshold.clone()),
                until: None,
            });
        }
        self.outcome.thresholds.extend(rows);
        self.outcome.thresholds.push(row(key.3, true));
    }

    /// Says what happened.
    fn note(&mut self, case: &Case<'_>, rule: Option<&Rule<'_>>, told: Option<Told>) {
        let (before, after) = (case.before, &case.after);
        let was_muted = before.is_some_and(|before| !before.muted_by.is_empty());
        let is_over = after.status == AlertStatus::Resolved;
        let mut happenings = Vec::new();
        if is_over {
            happenings.push(Happening::Resolved);
        } else if before.is_none() && after.status == AlertStatus::Unrouted {
            happenings.push(Happening::Unrouted);
        } else if before.is_none() && after.status == AlertStatus::Pending {
            happenings.push(Happening::Pending);
        } else if after.status.is_raised() && !case.was_raised() {
            happenings.push(Happening::Fired);
        } else if after.status.is_raised() && before.is_some_and(|before| before.threshold != after.threshold)
        {
            happenings.push(Happening::Worsened);
        }
        match told {
            Some(Told::Now(Event::Flapping)) => happenings.push(Happening::Flapping),
            Some(Told::Now(Event::Reminder)) if !case.leaves_silence() => {
                happenings.push(Happening::Reminded);
            }
            Some(Told::Now(Event::Firing)) if happenings.is_empty() && !was_muted => {
                happenings.push(Happening::Told);
            }
            Some(Told::Later(_)) => happenings.push(Happening::Waiting),
            _ => {}
        }
        if !is_over && case.is_muted() && !was_muted {
            happenings.push(Happening::Muted);
        }
        if !is_over && !case.is_muted() && was_muted {
            happenings.push(Happening::Unmuted);
        }
        let until = match told {
            Some(Told::Later(until)) => Some(until),
            _ => None,
        };
        for happening in happenings {
            let is_told = matches!(told, Some(Told::Now(_))) && happening != Happening::Muted;
            let channels = rule.filter(|_| is_told).map(|rule| rule.fact.spec.channels.clone());
            self.outcome.changes.push(Change {
                happening,
                alert: after.clone(),
                channels: channels.unwrap_or_default(),
                threshold: None,
                until: until.filter(|_| happening == Happening::Waiting),
            });
        }
    }

    /// Puts messages and rows together.
    fn write(mut self, mut cases: Vec<Case<'a>>) -> Outcome {
        let facts = self.stage.facts;
        let workspace = facts.workspace.as_str();
        let mut named = self.outcome.changes.iter_mut().map(|change| &mut change.alert).collect::<Vec<_>>();
        for alert in cases.iter_mut().map(|case| &mut case.after).chain(named.drain(..)) {
            let tenant = alert.tenant.as_ref().and_then(|name| facts.tenants.get(name));
            wording::word(alert, workspace, tenant, self.now);
        }
        for ((order, rule, key), members) in std::mem::take(&mut self.messages) {
            let channels = self.stage.rule(&rule).map(|rule| rule.fact.spec.channels.clone());
            let mut alerts: Vec<&Alert> =
                members.iter().filter_map(|index| cases.get(*index)).map(|case| &case.after).collect();
            alerts.sort_by(|left, right| urgency(left).cmp(&urgency(right)));
            let Some(first) = alerts.first() else { continue };
            let items = alerts.iter().map(|alert| {
                let tenant = alert.tenant.as_ref().and_then(|name| facts.tenants.get(name));
                wording::item(alert, workspace, tenant, self.now)
            });
            let event = event_of(order);
            let message = wording::message(event, first.kind, workspace, &rule, items.collect(), self.now);
            let parts = [b"message", rule.as_bytes(), event.code().as_bytes(), key.as_bytes()];
            self.outcome.tellings.push(Telling {
                id: id_of(facts.seed, &parts, self.now.timestamp_millis()),
                message,
                channels: channels.unwrap_or_default(),
                alerts: alerts.iter().map(|alert| alert.id).collect(),
                ordering_key: format!("alerts/{rule}/{key}"),
            });
        }
        for case in cases {
            match case.before {
                None => self.outcome.inserts.push(case.after),
                Some(before) if differs(before, &case.after) => self.outcome.updates.push(case.after),
                Some(_) => {}
            }
        }
        self.outcome
    }
}

/// What became of what is to be told.
#[derive(Clone, Copy)]
enum Told {
    Now(Event),
    Later(DateTime<Utc>),
}

fn threshold_key(alert: &Alert) -> Option<ThresholdKey<'_>> {
    Some((
        alert.rule.as_deref()?,
        alert.subject_id?,
        alert.generation.as_deref()?,
        alert.threshold.as_deref()?,
    ))
}

/// The most urgent first, and of those what expires first.
fn urgency(
    alert: &Alert,
) -> (
    std::cmp::Reverse<crate::kinds::alert_rule::AlertSeverity>,
    Option<DateTime<Utc>>,
    Option<&str>,
    &str,
    Uuid,
) {
    (std::cmp::Reverse(alert.severity), alert.expires_at, alert.tenant.as_deref(), &alert.subject, alert.id)
}

/// Whether a row is worth writing: the words and what shows it are written with the rest, and not for their own sake. But what
/// the rule asked for, and the state it took, are kept as they are: by them a rule that changed is told from a recovery (M-M3).
fn differs(before: &Alert, after: &Alert) -> bool {
    let keep = |alert: &Alert| {
        let mut alert = alert.clone();
        alert.title.clear();
        alert.message.clear();
        alert.evidence =
            ["status", "above", "window"].map(|name| alert.evidence.get(name).cloned()).into_iter().collect();
        if alert.status == AlertStatus::Unrouted {
            alert.labels.clear();
            alert.evidence = serde_json::Value::Null;
        }
        alert
    };
    keep(before) != keep(after)
}
