//! Clocks that are wrong for a moment, and what several deliveries share.

use super::*;

use std::sync::Arc;

use synthex::engine::delivery::{Outbox as _, Wanted};

const CONSOLE: &str = "{type: console}";

/// A year, in minutes.
const YEAR: i64 = 365 * 24 * 60;

fn wanted(minutes: i64) -> Wanted {
    Wanted {
        worker: "w".to_owned(),
        only: None,
        most: 256,
        most_per_channel: 64,
        busy: Vec::new(),
        lease: Duration::from_secs(60),
        now: at(minutes),
    }
}

#[test]
fn a_clock_that_was_ahead_for_a_moment_stops_nothing_for_long() {
    let post =
        Post::new("clocks_ahead", &[("a", CONSOLE), ("b", "{type: console, delivery: {retry: [10m]}}")]);
    post.queue(&[message("one", &["a"]), message("two", &["b"])]);
    let slow = Failure {
        status: Some(429),
        retry_after: Some(Duration::from_secs(600)),
        pauses_channel: true,
        ..Failure::transient("rate_limited", "slow down")
    };
    let sender = Script::new().next("a", [Err(slow.clone())]).next("b", [Err(no_answer())]);
    assert_eq!(post.deliver(&sender, YEAR).counts.retrying, 2);
    // The clock is right again. What waits for a year is brought down to the longest that it can wait.
    assert_eq!(post.deliver(&sender, 1).counts, Default::default());
    assert_eq!(post.deliver(&sender, 1 + 62).counts.sent, 1);
    assert_eq!(post.deliver(&sender, 1 + 12 * 60).counts.sent, 1);
    let mut titles = sender.titles();
    titles.sort();
    assert_eq!(titles, ["a: one", "a: one", "b: two", "b: two"]);
    // A pause that is asked for now is kept.
    let sender = Script::new().next("a", [Err(slow)]);
    post.queue(&[message("three", &["a"])]);
    post.deliver(&sender, 800);
    assert_eq!(post.deliver(&sender, 809).counts, Default::default());
    assert_eq!(post.deliver(&sender, 811).counts.sent, 1);
}

#[test]
fn a_schedule_of_days_is_kept() {
    let post = Post::new("clocks_long", &[("a", "{type: console, delivery: {retry: [5d]}}")]);
    post.queue(&[message("one", &["a"])]);
    let sender = Script::new().next("a", [Err(no_answer())]);
    post.deliver(&sender, 0);
    assert_eq!(post.deliver(&sender, 5 * 24 * 60 - 1).counts, Default::default());
    assert_eq!(post.deliver(&sender, 5 * 24 * 60).counts.sent, 1);
}

#[test]
fn what_many_deliveries_tell_is_read_once() {
    let recipients: Vec<String> = (0..20).map(|number| format!("r{number}")).collect();
    let inbox = format!("{{type: in-app, inApp: {{recipients: [{}]}}}}", recipients.join(", "));
    let post = Post::new("clocks_shared", &[("a", &inbox)]);
    post.queue(&[message("one", &["a"]), message("two", &["a"])]);
    let claims = wait(async {
        let outbox = OutboxStore::new(post.options(), None);
        let claimed = outbox.claim(wanted(1)).await.unwrap();
        outbox.close().await;
        claimed.claims
    });
    assert_eq!(claims.len(), 40);
    let of = |title: &str| {
        let of: Vec<_> = claims.iter().filter_map(|claim| claim.message.as_ref().ok()).collect();
        of.into_iter().filter(|message| message.title == title).cloned().collect::<Vec<_>>()
    };
    for title in ["one", "two"] {
        let messages = of(title);
        assert_eq!(messages.len(), 20);
        assert!(messages.iter().all(|message| Arc::ptr_eq(message, &messages[0])));
    }
}

#[test]
fn a_message_that_waits_holds_back_what_is_about_the_same_alerts_alone() {
    let post = Post::new("clocks_order", &[("a", CONSOLE)]);
    post.queue(&[
        about(Event::Firing, "one and two", &[1, 2], &["a"]),
        about(Event::Firing, "three", &[3], &["a"]),
        about(Event::Reminder, "two still", &[2], &["a"]),
        about(Event::Reminder, "three still", &[3], &["a"]),
    ]);
    let sender = Script::new().next("a", [Err(no_answer())]);
    post.deliver(&sender, 0);
    let mut titles = sender.titles();
    titles.sort();
    assert_eq!(titles, ["a: one and two", "a: three", "a: three still"]);
    post.deliver(&sender, 1);
    assert_eq!(sender.titles()[3..], ["a: one and two", "a: two still"]);
}

#[test]
fn thousands_about_different_alerts_of_one_rule_are_taken_quickly() {
    let post = Post::new("clocks_many", &[("a", "{type: console, rateLimitPerMinute: 60}"), ("b", CONSOLE)]);
    let many: Vec<NewNotification> = (0..5_000)
        .map(|number| about(Event::Firing, &format!("m{number}"), &[number], &["a", "b"]))
        .collect();
    post.queue(&many);
    wait(async {
        let outbox = OutboxStore::new(post.options(), None);
        let began = Instant::now();
        let mut taken = 0;
        for _ in 0..10 {
            taken += outbox.claim(wanted(1)).await.unwrap().claims.len();
        }
        assert!(taken > 400, "{taken}");
        // Where all that is left waits for a place in the rate.
        let busy = vec![("w".to_owned(), "b".to_owned())];
        for _ in 0..5 {
            outbox.claim(Wanted { busy: busy.clone(), ..wanted(1) }).await.unwrap();
        }
        // A pass of every message for every other one takes many minutes.
        assert!(began.elapsed() < Duration::from_secs(120), "{:?}", began.elapsed());
        outbox.close().await;
    });
}
