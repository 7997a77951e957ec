//! What follows from an attempt: schedules, pauses, fallbacks, late messages.

use chrono::TimeZone as _;
use serde_json::json;

use super::super::Channel;
use super::*;
use crate::alerts::Topic;
use crate::engine::delivery::notices;
use crate::kinds::alert_rule::AlertSeverity;

fn now() -> DateTime<Utc> {
    Utc.with_ymd_and_hms(2026, 11, 2, 12, 0, 0).unwrap()
}

fn spec(more: serde_json::Value) -> NotificationChannelSpec {
    let mut spec = json!({"type": "console"});
    spec.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    serde_json::from_value(spec).unwrap()
}

fn message(event: Event) -> Message {
    Message {
        topic: Topic::HealthAlert,
        event,
        severity: AlertSeverity::Critical,
        workspace: "w".to_owned(),
        title: "Down".to_owned(),
        text: "It is down.".to_owned(),
        rule: None,
        items: Vec::new(),
        at: now(),
    }
}

fn claim(spec: NotificationChannelSpec) -> Claim {
    let channel = Channel {
        workspace: "w".to_owned(),
        name: "chat".to_owned(),
        spec: Ok(spec),
        digest: None,
        is_deleted: false,
        gone: None,
    };
    Claim {
        delivery: Uuid::from_u128(1),
        token: 1,
        attempt: 1,
        lost: 0,
        notification: Uuid::from_u128(2),
        message: Ok(Arc::new(message(Event::Firing))),
        channel: Arc::new(channel),
        target: String::new(),
        ordering_key: "k".to_owned(),
        is_fallback: false,
        created_at: now(),
        are_over: false,
        wait: Duration::ZERO,
    }
}

fn after(claim: Claim, outcome: Result<Sent, Failure>, chance: f64) -> Record {
    let claim = Arc::new(claim);
    let ready = ready(&claim, now()).unwrap();
    let timing = Timing { began_at: now(), latency: Duration::from_millis(3), now: now(), chance };
    judged(&claim, &ready, outcome, &timing)
}

fn transient() -> Failure {
    Failure::transient("timeout", "no answer")
}

/// Seconds until the next attempt; `None` where there is none.
fn wait(record: &Record) -> Option<i64> {
    match record.fate {
        Fate::Retrying(at) => Some((at - now()).num_seconds()),
        _ => None,
    }
}

#[test]
fn attempts_follow_the_schedule_and_then_it_is_dead() {
    let waits: Vec<Option<i64>> = (1..=8)
        .map(|attempt| wait(&after(Claim { attempt, ..claim(spec(json!({}))) }, Err(transient()), 0.0)))
        .collect();
    let usual = [5, 300, 1800, 7200, 18_000, 36_000, 36_000].map(Some);
    assert_eq!(waits[..7], usual);
    assert_eq!(waits[7], None);
    let last = after(Claim { attempt: 8, ..claim(spec(json!({}))) }, Err(transient()), 0.0);
    assert_eq!(last.fate, Fate::Dead);
    let own = spec(json!({"delivery": {"retry": ["1m", "2m"]}}));
    assert_eq!(wait(&after(Claim { attempt: 2, ..claim(own.clone()) }, Err(transient()), 0.0)), Some(120));
    assert_eq!(after(Claim { attempt: 3, ..claim(own) }, Err(transient()), 0.0).fate, Fate::Dead);
    let never = spec(json!({"delivery": {"retry": []}}));
    assert_eq!(after(claim(never), Err(transient()), 0.0).fate, Fate::Dead);
}

#[test]
fn chance_moves_a_wait_by_a_fifth() {
    let second =
        |chance| wait(&after(Claim { attempt: 2, ..claim(spec(json!({}))) }, Err(transient()), chance));
    assert_eq!((second(-1.0), second(1.0), second(9.0)), (Some(240), Some(360), Some(360)));
    let spreads: Vec<f64> = (0..200).map(|number| spread(Uuid::from_u128(number), 1)).collect();
    assert!(spreads.iter().all(|own| (-1.0..=1.0).contains(own)));
    assert!(spreads.iter().any(|own| *own < -0.8) && spreads.iter().any(|own| *own > 0.8));
}

#[test]
fn what_the_receiver_asks_for_is_the_least_and_has_a_limit() {
    let asked = |seconds, more| {
        let failure = Failure {
            retry_after: Some(Duration::from_secs(seconds)),
            pauses_channel: true,
            ..Failure::transient("rate_limited", "slow down")
        };
        let record = after(claim(spec(more)), Err(failure), 0.0);
        (wait(&record), record.paused_until.map(|until| (until - now()).num_seconds()))
    };
    assert_eq!(asked(2, json!({})), (Some(5), Some(2)));
    assert_eq!(asked(90, json!({})), (Some(90), Some(90)));
    assert_eq!(asked(90_000, json!({})), (Some(3600), Some(3600)));
    assert_eq!(asked(90_000, json!({"delivery": {"maxRetryAfter": "10m"}})), (Some(600), Some(600)));
    let silent = Failure { pauses_channel: true, ..transient() };
    assert_eq!(
        after(claim(spec(json!({}))), Err(silent), 0.0).paused_until,
        Some(now() + TimeDelta::seconds(5))
    );
}

#[test]
fn what_cannot_succeed_is_told_through_the_fallback_once() {
    let with_fallback = spec(json!({"fallback": "log"}));
    let failure = Failure::permanent("invalid_payload", "no");
    let record = after(claim(with_fallback.clone()), Err(failure.clone()), 0.0);
    assert_eq!(record.fate, Fate::Failed);
    let told = notices([&record], now());
    let [notice] = told.as_slice() else { panic!("{told:?}") };
    assert_eq!(notice.channels, ["log"]);
    assert_eq!(notice.message.event, Event::DeliveryFailed);
    assert!(notice.message.text.contains("invalid_payload") && notice.message.text.contains("It is down."));
    // The same once more is the same notice; what failed after another attempt is another one.
    assert_eq!(notices([&record], now())[0].id, notice.id);
    let later = after(Claim { attempt: 2, ..claim(with_fallback.clone()) }, Err(failure.clone()), 0.0);
    assert_ne!(notices([&later], now())[0].id, notice.id);
    let is_silent = |claim, failure| notices([&after(claim, Err(failure), 0.0)], now()).is_empty();
    assert!(is_silent(Claim { is_fallback: true, ..claim(with_fallback.clone()) }, failure.clone()));
    assert!(is_silent(claim(spec(json!({}))), failure));
    // While it is tried again, nobody is told.
    assert!(is_silent(claim(with_fallback), transient()));
}

#[test]
fn all_for_whom_it_failed_are_named() {
    let failed = |target: &str, attempt, code| {
        let own = Claim { target: target.to_owned(), attempt, ..claim(spec(json!({"fallback": "log"}))) };
        after(own, Err(Failure::permanent(code, "no")), 0.0)
    };
    let records = [
        failed("c@x", 1, "refused"),
        failed("a@x", 1, "refused"),
        failed("b@x", 1, "refused"),
        failed("d@x", 2, "gone"),
    ];
    let told = notices(&records, now());
    let [notice] = told.as_slice() else { panic!("{told:?}") };
    let lines: Vec<&str> = notice.message.text.lines().collect();
    assert_eq!(
        lines,
        [
            "Channel `chat` did not take this to a@x, b@x and c@x (1 attempt, refused): no",
            "Channel `chat` did not take this to d@x (2 attempts, gone): no",
            "",
            "It is down."
        ]
    );
    // One by one, each is told by itself.
    let ids: std::collections::BTreeSet<Uuid> =
        records.iter().flat_map(|record| notices([record], now())).map(|notice| notice.id).collect();
    assert_eq!(ids.len(), 4);
}

#[test]
fn a_message_that_takes_its_workers_down_is_given_up_and_tried_again_by_hand_for_real() {
    let state = |attempt, lost, retry: serde_json::Value| {
        let own = spec(json!({"delivery": {"retry": retry}}));
        match ready(&Arc::new(Claim { attempt, lost, ..claim(own) }), now()) {
            Ok(_) => Ok(()),
            Err(record) => Err((record.fate, record.why.unwrap_or_default())),
        }
    };
    assert_eq!(state(40, 0, json!([])), Ok(()));
    assert_eq!(state(40, 5, json!([])), Ok(()));
    let why = "6 workers in a row that sent it were gone before they said what came of it".to_owned();
    assert_eq!(state(40, 6, json!([])), Err((Fate::Dead, why)));
    assert_eq!(state(9, 7, json!(["1m", "2m"])), Ok(()));
}

#[test]
fn a_receiver_that_is_gone_disables_the_channel() {
    let failure = Failure { disables_channel: true, ..Failure::permanent("gone", "410 Gone") };
    let record = after(claim(spec(json!({}))), Err(failure), 0.0);
    assert_eq!((record.fate, record.gone), (Fate::Failed, Some("410 Gone".to_owned())));
    let mut gone = claim(spec(json!({"fallback": "log"})));
    Arc::make_mut(&mut gone.channel).gone = Some("410 Gone".to_owned());
    let record = ready(&Arc::new(gone), now()).unwrap_err();
    assert_eq!((record.fate, record.code, record.attempt), (Fate::Failed, "channel_gone", None));
    assert_eq!(record.fallback.as_deref(), Some("log"));
}

#[test]
fn an_old_message_says_so_or_is_not_sent_where_it_is_over() {
    let state = |hours, are_over, event, more| {
        let claim = Claim {
            created_at: now() - TimeDelta::hours(hours),
            are_over,
            message: Ok(Arc::new(message(event))),
            ..claim(spec(more))
        };
        match ready(&Arc::new(claim), now()) {
            Ok(ready) => Ok(ready.late_since.map(|since| (since - now()).num_hours())),
            Err(record) => Err((record.fate, record.code)),
        }
    };
    let over = Err((Fate::Suppressed, "over"));
    assert_eq!(state(24, true, Event::Firing, json!({})), Ok(None));
    // Since when, not until when: it is the same for every attempt.
    assert_eq!(state(25, false, Event::Firing, json!({})), Ok(Some(-1)));
    assert_eq!(state(30, false, Event::Firing, json!({})), Ok(Some(-6)));
    assert_eq!(state(25, true, Event::Firing, json!({})), over);
    assert_eq!(state(25, true, Event::Resolved, json!({})), Ok(Some(-1)));
    assert_eq!(state(2, true, Event::Reminder, json!({"delivery": {"maxAge": "1h"}})), over);
}

#[test]
fn a_channel_that_is_off_gets_nothing() {
    let record = ready(&Arc::new(claim(spec(json!({"enabled": false})))), now()).unwrap_err();
    assert_eq!((record.fate, record.code), (Fate::Suppressed, "channel_off"));
}

#[test]
fn an_answer_is_cut_between_characters() {
    let sent = Sent { status: Some(200), response: Some("é".repeat(2000)), wait: None };
    let record = after(claim(spec(json!({}))), Ok(sent), 0.0);
    assert_eq!(record.attempt.unwrap().response.unwrap().len(), 2048);
    let odd = Sent { status: Some(200), response: Some(format!("a{}", "é".repeat(2000))), wait: None };
    assert_eq!(after(claim(spec(json!({}))), Ok(odd), 0.0).attempt.unwrap().response.unwrap().len(), 2047);
}
