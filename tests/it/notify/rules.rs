//! Retries, pauses, receivers that are gone, fallbacks, late messages, inboxes.

use super::*;

const CONSOLE: &str = "{type: console}";

#[test]
fn a_message_is_tried_as_the_schedule_says_and_then_its_fallback_is_told_once() {
    let post = Post::new(
        "rules_dead",
        &[
            ("a", "{type: console, fallback: b, delivery: {retry: [5m, 10m]}}"),
            ("b", "{type: console, fallback: c, delivery: {retry: []}}"),
            ("c", CONSOLE),
        ],
    );
    post.queue(&[message("one", &["a"])]);
    let sender = Script::new().always("a", no_answer()).always("b", no_answer());
    assert_eq!(post.deliver(&sender, 0).counts.retrying, 1);
    assert_eq!(post.deliver(&sender, 4).counts, Default::default());
    assert_eq!(post.deliver(&sender, 5).counts.retrying, 1);
    assert_eq!(post.deliver(&sender, 14).counts, Default::default());
    // Dead; then the fallback is told at once, fails too, and nobody else is told.
    let counts = post.deliver(&sender, 15).counts;
    assert_eq!((counts.dead, counts.failed), (2, 0));
    assert_eq!(post.states(), ["a message dead timeout 3", "b delivery_failed dead timeout 1"]);
    let told = sender.told();
    assert_eq!(told.len(), 4);
    let first = told[0].delivery;
    assert!(told[..3].iter().all(|told| told.delivery == first && told.channel == "a"));
    assert_eq!(
        (told[3].title.as_str(), told[3].event),
        ("Not delivered through `a`: one", Event::DeliveryFailed)
    );
    assert_eq!(post.deliver(&sender, 100_000).counts, Default::default());
    assert_eq!(post.count("delivery_attempts where outcome = 'transient'"), 4);
}

#[test]
fn a_receiver_that_wants_a_pause_pauses_its_whole_channel() {
    let post = Post::new("rules_pause", &[("a", CONSOLE), ("b", CONSOLE)]);
    post.queue(&[message("one", &["a"])]);
    let slow = Failure {
        status: Some(429),
        retry_after: Some(Duration::from_secs(600)),
        pauses_channel: true,
        ..Failure::transient("rate_limited", "slow down")
    };
    let sender = Script::new().next("a", [Err(slow)]);
    post.deliver(&sender, 0);
    post.queue(&[message("two", &["a", "b"])]);
    assert_eq!(post.deliver(&sender, 9).counts.sent, 1);
    assert_eq!(sender.titles(), ["a: one", "b: two"]);
    assert_eq!(post.deliver(&sender, 10).counts.sent, 2);
}

#[test]
fn a_receiver_that_is_gone_disables_its_channel_until_the_manifest_changes() {
    let post = Post::new("rules_gone", &[("a", "{type: console, fallback: b}"), ("b", CONSOLE)]);
    post.queue(&[message("one", &["a"])]);
    let gone =
        Failure { status: Some(410), disables_channel: true, ..Failure::permanent("gone", "410 Gone") };
    let sender = Script::new().next("a", [Err(gone)]);
    post.deliver(&sender, 0);
    assert_eq!(sender.titles(), ["a: one", "b: Not delivered through `a`: one"]);
    // What comes now goes through the fallback at once.
    let enqueued = post.queue(&[message("two", &["a"])]);
    assert_eq!((enqueued.queued, enqueued.suppressed), (1, 1));
    post.deliver(&sender, 1);
    assert_eq!(sender.titles()[2..], ["b: two"]);
    assert!(post.states().contains(&"a message suppressed channel_gone".to_owned()), "{:?}", post.states());
    // Another manifest, another chance.
    post.estate.declare("NotificationChannel", "a", "{type: console, fallback: b, description: moved}");
    post.estate.apply().ok();
    post.queue(&[message("three", &["a"])]);
    post.deliver(&sender, 2);
    assert_eq!(sender.titles()[3..], ["a: three"]);
}

#[test]
fn what_waits_for_a_channel_that_is_gone_or_off_is_not_sent() {
    let post = Post::new("rules_off", &[("a", CONSOLE), ("b", CONSOLE)]);
    post.queue(&[message("one", &["a", "b"])]);
    post.estate.declare("NotificationChannel", "a", "{type: console, enabled: false}");
    post.estate.apply().ok();
    post.estate.database.sql(
        "insert into synthex.channel_status (workspace, channel, disabled_at, disabled_reason, disabled_digest) \
         select workspace, name, now(), '410 Gone', digest from synthex.notification_channels where name = 'b'",
    );
    let sender = Script::new();
    let counts = post.deliver(&sender, 1).counts;
    assert_eq!((counts.suppressed, counts.failed), (1, 1));
    assert!(sender.told().is_empty());
    let mut states = post.states();
    states.sort();
    assert_eq!(states, ["a message suppressed channel_off", "b message failed channel_gone"]);
}

#[test]
fn only_the_target_that_failed_is_tried_again_and_the_inbox_has_it_at_once() {
    let mail = "{type: email, email: {transport: smtp, host: mail.example, from: a@shop.example, to: [b@shop.example, c@shop.example]}}";
    let post = Post::new(
        "rules_targets",
        &[("mail", mail), ("box", "{type: in-app, inApp: {recipients: [ana, ben]}}")],
    );
    post.queue(&[message("one", &["mail", "box"])]);
    let sender = Script::new().always("c@shop.example", no_answer());
    let counts = post.deliver(&sender, 0).counts;
    assert_eq!((counts.sent, counts.retrying), (3, 1));
    assert_eq!(
        post.count(
            "inbox_items where state = 'unread' and title = '[WARNING] one' and recipient in ('ana', 'ben')"
        ),
        2
    );
    let sender = Script::new();
    assert_eq!(post.deliver(&sender, 1).counts.sent, 1);
    assert_eq!(sender.told()[0].target, "c@shop.example");
    // The item is the delivery, and stays when notifications go.
    assert_eq!(post.count("inbox_items i join synthex.notification_deliveries d on d.id = i.id"), 2);
    post.estate.database.sql("delete from synthex.notifications");
    assert_eq!(post.count("inbox_items"), 2);
}

#[test]
fn an_old_message_says_that_it_is_late_or_is_not_sent_where_it_is_over() {
    let post = Post::new("rules_late", &[("a", "{type: console, delivery: {maxAge: 1h}}")]);
    let alert = |number: u128, status: &str| {
        let resolved = if status == "resolved" { "now()" } else { "null" };
        post.estate.database.sql(&format!(
            "insert into synthex.alerts (id, workspace, kind, fingerprint, severity, status, title, message, started_at, changed_at, resolved_at) \
             values ('{}', 'w', 'health_status', sha256('{number}'), 'warning', '{status}', 't', 'm', now(), now(), {resolved})",
            Uuid::from_u128(number)
        ));
    };
    alert(1, "firing");
    alert(2, "resolved");
    let keyed = |title, number, key: &str| NewNotification {
        ordering_key: key.to_owned(),
        ..about(Event::Firing, title, &[number], &["a"])
    };
    post.queue(&[keyed("stands", 1, "x"), keyed("over", 2, "y")]);
    let sender = Script::new();
    let counts = post.deliver(&sender, 61).counts;
    assert_eq!((counts.sent, counts.suppressed), (1, 1));
    assert_eq!((sender.told()[0].title.as_str(), sender.told()[0].is_late), ("stands", true));
    assert!(post.states().contains(&"a firing suppressed over".to_owned()), "{:?}", post.states());
    post.queue_at(at(61), &[keyed("fresh", 2, "z")]);
    assert_eq!(post.deliver(&sender, 62).counts.sent, 1);
    assert!(!sender.told()[1].is_late);
}
