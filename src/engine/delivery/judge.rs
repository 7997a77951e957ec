//! What follows from an attempt, and what has to be known before one: pure, with the time and the chance as arguments.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use uuid::Uuid;

use crate::alerts::{Event, Message, Notice};
use crate::kinds::notification_channel::{ChannelType, NotificationChannelSpec};
use crate::report::notice::{Words, text};

use super::channel::{JITTER, max_age, max_retry_after, schedule};
use super::outbox::{Attempt, Claim, Fate, Record};
use super::{Failure, Sent, derived_id};

/// How many bytes are kept of an answer (M-D3).
const MOST_RESPONSE: usize = 2048;

/// How many workers in a row may be gone, beyond the attempts of the schedule, before what they sent is given up.
const MOST_LOST: i64 = 5;

/// What is sent, where something is.
#[derive(Clone, Copy, Debug)]
pub struct Ready<'c> {
    /// What the channel declares.
    pub spec: &'c NotificationChannelSpec,
    /// What is told.
    pub message: &'c Message,
    /// Since when it is late, where it is.
    pub late_since: Option<DateTime<Utc>>,
}

fn record(claim: &Arc<Claim>, fate: Fate, code: &'static str, why: Option<String>) -> Record {
    Record {
        claim: Arc::clone(claim),
        fate,
        code,
        why,
        attempt: None,
        paused_until: None,
        wait: None,
        gone: None,
        inbox: None,
        fallback: None,
    }
}

/// A claim that is given back untouched.
#[must_use]
pub fn released(claim: &Arc<Claim>) -> Record {
    record(claim, Fate::Released, "released", None)
}

/// An attempt that was broken off: whether it arrived is not known, so it is made again.
#[must_use]
pub fn broken_off(
    claim: &Arc<Claim>,
    began_at: DateTime<Utc>,
    latency: Duration,
    now: DateTime<Utc>,
) -> Record {
    let why = "it was broken off, because the worker was stopped".to_owned();
    Record {
        attempt: Some(Attempt { began_at, latency, outcome: "transient", status: None, response: None }),
        ..record(claim, Fate::Retrying(now), "interrupted", Some(why))
    }
}

/// Whether a claim is sent; if not, what becomes of it.
///
/// # Errors
/// It is not: the channel is not used any more, or it is about alerts that were over long ago (M-D14).
pub fn ready(claim: &Arc<Claim>, now: DateTime<Utc>) -> Result<Ready<'_>, Box<Record>> {
    let spec = match claim.channel.usable() {
        Ok(spec) => spec,
        Err(why) if why.code == "channel_gone" => {
            let failure = Failure::permanent(why.code, why.reason);
            return Err(Box::new(ended(claim, Fate::Failed, &failure)));
        }
        Err(why) => {
            return Err(Box::new(record(claim, Fate::Suppressed, why.code, Some(why.reason))));
        }
    };
    let message = match &claim.message {
        Ok(message) => message,
        Err(why) => {
            let failure =
                Failure::permanent("unreadable", format!("what is to be told cannot be read: {why}"));
            return Err(Box::new(ended(claim, Fate::Failed, &failure)));
        }
    };
    if claim.lost > schedule_length(spec) + MOST_LOST {
        let what = format!(
            "{} workers in a row that sent it were gone before they said what came of it",
            claim.lost
        );
        let failure = Failure::permanent("worker_lost", what);
        return Err(Box::new(ended(claim, Fate::Dead, &failure)));
    }
    // The moment is the same for each attempt, so that they all say the same.
    let late_since = Some(later(claim.created_at, max_age(spec))).filter(|since| *since < now);
    let tells_of_now = matches!(message.event, Event::Firing | Event::Reminder | Event::Flapping);
    if late_since.is_some() && claim.are_over && tells_of_now {
        let why = "it was late, and what it tells of is over".to_owned();
        return Err(Box::new(record(claim, Fate::Suppressed, "over", Some(why))));
    }
    Ok(Ready { spec, message, late_since })
}

fn schedule_length(spec: &NotificationChannelSpec) -> i64 {
    i64::try_from(schedule(spec).len()).unwrap_or(i64::MAX - 1 - MOST_LOST)
}

/// When an attempt was made.
#[derive(Clone, Copy, Debug)]
pub struct Timing {
    /// When it began.
    pub began_at: DateTime<Utc>,
    /// How long it took.
    pub latency: Duration,
    /// When it was over.
    pub now: DateTime<Utc>,
    /// Where between the shortest and the longest wait the next one lies, from -1 to 1.
    pub chance: f64,
}

/// What follows from an attempt.
#[must_use]
pub fn judged(
    claim: &Arc<Claim>,
    ready: &Ready<'_>,
    outcome: Result<Sent, Failure>,
    timing: &Timing,
) -> Record {
    let attempt = |outcome, status, response: Option<String>| {
        let response = response.map(|text| cut(&text, MOST_RESPONSE));
        Some(Attempt { began_at: timing.began_at, latency: timing.latency, outcome, status, response })
    };
    let failure = match outcome {
        Ok(sent) => {
            let inbox = (ready.spec.channel_type == ChannelType::InApp).then(|| inbox(claim, ready));
            return Record {
                attempt: attempt("sent", sent.status, sent.response),
                wait: sent.wait,
                inbox,
                ..record(claim, Fate::Sent, "ok", None)
            };
        }
        Err(failure) => failure,
    };
    let patience = max_retry_after(ready.spec);
    let asked = failure.retry_after.map(|asked| asked.min(patience));
    let mut record = if failure.is_permanent || failure.disables_channel {
        ended(claim, Fate::Failed, &failure)
    } else {
        match next_attempt(ready.spec, claim.attempt, asked, timing) {
            Some(at) => record(claim, Fate::Retrying(at), failure.code, Some(failure.what.clone())),
            None => ended(claim, Fate::Dead, &failure),
        }
    };
    record.attempt = attempt(
        if failure.is_permanent { "permanent" } else { "transient" },
        failure.status,
        failure.response,
    );
    if failure.pauses_channel {
        let wait =
            asked.unwrap_or_else(|| schedule(ready.spec).first().copied().unwrap_or(Duration::from_secs(5)));
        record.paused_until = Some(later(timing.now, wait));
    }
    if failure.disables_channel {
        record.gone = Some(failure.what);
    }
    record
}

/// When the next attempt is made; `None` where all were made. What the receiver asks for is the least (M-D5).
fn next_attempt(
    spec: &NotificationChannelSpec,
    attempt: i64,
    asked: Option<Duration>,
    timing: &Timing,
) -> Option<DateTime<Utc>> {
    let place = usize::try_from(attempt - 1).ok()?;
    let wait = *schedule(spec).get(place)?;
    let wait = wait.mul_f64(1.0 + JITTER * timing.chance.clamp(-1.0, 1.0));
    Some(later(timing.now, wait.max(asked.unwrap_or_default())))
}

fn later(now: DateTime<Utc>, wait: Duration) -> DateTime<Utc> {
    let wait = TimeDelta::from_std(wait).unwrap_or(TimeDelta::MAX);
    now.checked_add_signed(wait).unwrap_or(DateTime::<Utc>::MAX_UTC)
}

/// A delivery that did not get through and is not tried again: its channel's fallback is told, unless it stands in for
/// another one itself (M-D11).
fn ended(claim: &Arc<Claim>, fate: Fate, failure: &Failure) -> Record {
    let own = claim.channel.spec.as_ref().ok().and_then(|spec| spec.fallback.as_ref());
    let is_told = !claim.is_fallback && claim.message.is_ok();
    let fallback = own.filter(|fallback| is_told && **fallback != claim.channel.name).cloned();
    Record { fallback, ..record(claim, fate, failure.code, Some(failure.what.clone())) }
}

/// The title and the text of an inbox's row: the words of a mail, without its last line.
fn inbox(claim: &Claim, ready: &Ready<'_>) -> (String, String) {
    let notice = Notice {
        message: ready.message,
        workspace: &claim.channel.workspace,
        channel: &claim.channel.name,
        late_since: ready.late_since,
        environment: None,
    };
    let words = Words::new(notice, ready.spec.template.as_ref());
    let body = text::body(&words);
    let body = body.strip_prefix(words.title.as_str()).unwrap_or(&body);
    let body = body.rsplit_once("\n-- \n").map_or(body, |(body, _)| body);
    (words.title.clone(), body.trim().to_owned())
}

/// The start of a text, at most that many bytes, and whole characters.
fn cut(text: &str, most: usize) -> String {
    text[..text.floor_char_boundary(most)].to_owned()
}

/// A number from -1 to 1 that follows from the delivery and the attempt: as good as chance where the point is that
/// deliveries do not all wait the same time.
#[must_use]
pub fn spread(delivery: Uuid, attempt: i64) -> f64 {
    let hash = derived_id(delivery, &["jitter", &attempt.to_string()]);
    let bytes = hash.as_bytes();
    let number = u16::from_be_bytes([bytes[14], bytes[15]]);
    f64::from(number) / f64::from(u16::MAX) * 2.0 - 1.0
}

#[cfg(test)]
mod tests;
