//! Notifications: how they are queued, delivered, repeated and shown. Workers run within the test, over the real outbox, with
//! a sender that says what the test wants; crashes and commands go through the real binary.

mod commands;
mod crashes;
mod desk;
mod processes;
mod queueing;
mod rules;
mod workers;

use std::collections::{HashMap, VecDeque};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use chrono::{DateTime, TimeZone as _, Utc};
use synthex::alerts::{Event, Item, Message, Topic};
use synthex::engine::Interrupt;
use synthex::engine::delivery::{
    Delivered, Envelope, Failure, NewNotification, Sender, Sent, Settings, deliver,
};
use synthex::kinds::alert_rule::AlertSeverity;
use synthex::model::clock::FixedClock;
use synthex::store::ConnectOptions;
use synthex::store::outbox::{Enqueued, OutboxStore};
use uuid::Uuid;

use crate::support::estate::Estate;

/// Runs a future to its end.
fn wait<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

fn at(minutes: i64) -> DateTime<Utc> {
    Utc.with_ymd_and_hms(2026, 11, 2, 12, 0, 0).unwrap() + chrono::TimeDelta::minutes(minutes)
}

/// An outbox with the channels of a test.
struct Post {
    estate: Estate,
}

impl Post {
    /// The workspace `w` with channels, each a name and its spec.
    fn new(hint: &str, channels: &[(&str, &str)]) -> Post {
        let estate = Estate::new(hint);
        for (name, spec) in channels {
            estate.declare("NotificationChannel", name, spec);
        }
        estate.apply().ok();
        Post { estate }
    }

    fn options(&self) -> ConnectOptions {
        ConnectOptions::new(self.estate.database.url(), Duration::from_secs(20), "test")
    }

    fn queue_at(&self, now: DateTime<Utc>, notifications: &[NewNotification]) -> Enqueued {
        wait(async {
            let mut connection = self.options().connect().await.unwrap();
            let enqueued = connection.enqueue_notifications(None, notifications, now).await.unwrap();
            connection.close().await;
            enqueued
        })
    }

    fn queue(&self, notifications: &[NewNotification]) -> Enqueued {
        self.queue_at(at(0), notifications)
    }

    /// Works through what is due at a time.
    fn deliver(&self, sender: &Script, minutes: i64) -> Delivered {
        self.deliver_with(sender, minutes, &settings("one"))
    }

    fn deliver_with(&self, sender: &Script, minutes: i64, settings: &Settings) -> Delivered {
        wait(self.worker(sender, minutes, settings, &Never))
    }

    async fn worker(
        &self,
        sender: &Script,
        minutes: i64,
        settings: &Settings,
        interrupt: &impl Interrupt,
    ) -> Delivered {
        let outbox = OutboxStore::new(self.options(), None);
        let delivered = deliver(&outbox, sender, &FixedClock(at(minutes)), interrupt, settings).await;
        outbox.close().await;
        delivered
    }

    /// `channel target state code attempts` of each delivery, in their order.
    fn states(&self) -> Vec<String> {
        let sql = "select concat_ws(' ', d.channel, nullif(d.target, ''), n.event, d.state, d.last_code, nullif(d.attempts, 0)) \
             from synthex.notification_deliveries d join synthex.notifications n on n.id = d.notification order by d.seq";
        self.estate.database.query_strings(sql).into_iter().flatten().flatten().collect()
    }

    fn count(&self, from: &str) -> i64 {
        self.estate.database.query_one_i64(&format!("select count(*) from synthex.{from}"))
    }
}

fn settings(worker: &str) -> Settings {
    Settings { jitter: |_, _| 0.0, ..Settings::new(worker.to_owned()) }
}

/// Nobody interrupts.
struct Never;

impl Interrupt for Never {
    async fn requested(&self) {
        std::future::pending::<()>().await;
    }
}

/// A message that was sent.
#[derive(Clone, Debug)]
struct Told {
    delivery: Uuid,
    channel: String,
    target: String,
    title: String,
    event: Event,
    is_late: bool,
    when: Instant,
}

type Answers = VecDeque<Result<Sent, Failure>>;

/// A sender that remembers what it was given, and answers as it is told to; by itself it says yes.
#[derive(Default)]
struct Script {
    told: Mutex<Vec<Told>>,
    answers: Mutex<HashMap<String, Answers>>,
    /// What every message of a channel, or to a target, comes to.
    always: HashMap<String, Failure>,
    /// How long a channel takes.
    takes: HashMap<String, Duration>,
}

impl Script {
    fn new() -> Script {
        Script::default()
    }

    fn always(mut self, whose: &str, failure: Failure) -> Script {
        self.always.insert(whose.to_owned(), failure);
        self
    }

    fn takes(mut self, channel: &str, time: Duration) -> Script {
        self.takes.insert(channel.to_owned(), time);
        self
    }

    /// What the next messages of a channel come to.
    fn next(self, channel: &str, answers: impl IntoIterator<Item = Result<Sent, Failure>>) -> Script {
        self.answers.lock().unwrap().entry(channel.to_owned()).or_default().extend(answers);
        self
    }

    fn told(&self) -> Vec<Told> {
        self.told.lock().unwrap().clone()
    }

    /// `channel: title` of everything that was sent, in its order.
    fn titles(&self) -> Vec<String> {
        self.told().iter().map(|told| format!("{}: {}", told.channel, told.title)).collect()
    }
}

impl Sender for Script {
    async fn send(&self, envelope: &Envelope<'_>) -> Result<Sent, Failure> {
        self.told.lock().unwrap().push(Told {
            delivery: envelope.delivery,
            channel: envelope.channel.to_owned(),
            target: envelope.target.to_owned(),
            title: envelope.message.title.clone(),
            event: envelope.message.event,
            is_late: envelope.is_late,
            when: Instant::now(),
        });
        if let Some(time) = self.takes.get(envelope.channel) {
            tokio::time::sleep(*time).await;
        }
        let always = self.always.get(envelope.target).or_else(|| self.always.get(envelope.channel));
        if let Some(failure) = always {
            return Err(failure.clone());
        }
        let next = self.answers.lock().unwrap().get_mut(envelope.channel).and_then(VecDeque::pop_front);
        next.unwrap_or_else(|| Ok(Sent { status: Some(200), ..Sent::default() }))
    }
}

fn no_answer() -> Failure {
    Failure::transient("timeout", "there was no answer")
}

fn refused() -> Failure {
    Failure { status: Some(400), ..Failure::permanent("invalid_payload", "it was refused") }
}

/// A message for channels.
fn message(title: &str, channels: &[&str]) -> NewNotification {
    NewNotification {
        id: Uuid::now_v7(),
        message: Message {
            topic: Topic::Message,
            event: Event::Message,
            severity: AlertSeverity::Warning,
            workspace: "w".to_owned(),
            title: title.to_owned(),
            text: format!("About {title}."),
            rule: None,
            items: Vec::new(),
            at: at(0),
        },
        channels: channels.iter().map(|name| (*name).to_owned()).collect(),
        alerts: Vec::new(),
        ordering_key: String::new(),
        not_before: at(-60),
        replay_of: None,
        created_by: "test".to_owned(),
    }
}

/// A message of an event of alerts, which are numbers.
fn about(event: Event, title: &str, alerts: &[u128], channels: &[&str]) -> NewNotification {
    let mut notification = message(title, channels);
    notification.message.event = event;
    notification.message.topic = Topic::HealthAlert;
    notification.alerts = alerts.iter().map(|number| Uuid::from_u128(*number)).collect();
    notification.message.items = alerts
        .iter()
        .map(|number| {
            let item = serde_json::json!({"alert": Uuid::from_u128(*number), "severity": "warning",
                "what": format!("thing {number}")});
            serde_json::from_value::<Item>(item).unwrap()
        })
        .collect();
    notification.ordering_key = "k".to_owned();
    notification
}
