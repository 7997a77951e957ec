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
fn a_receiver_that_is_gone_disables_its_channel_for_an_hour() {
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
    // An hour later it is tried again, as its secret may be another one by now; and not again for an hour, where it is not.
    let still_gone =
        Failure { status: Some(410), disables_channel: true, ..Failure::permanent("gone", "410 Gone") };
    post.queue_at(at(59), &[message("soon", &["a"])]);
    assert_eq!(post.deliver(&sender, 59).counts.sent, 1);
    assert_eq!(sender.titles()[3..], ["b: soon"]);
    post.queue_at(at(60), &[message("probe", &["a"])]);
    let probe = Script::new().next("a", [Err(still_gone)]);
    post.deliver(&probe, 60);
    assert_eq!(probe.titles(), ["a: probe", "b: Not delivered through `a`: probe"]);
    post.queue_at(at(119), &[message("again", &["a"])]);
    post.deliver(&probe, 119);
    assert_eq!(probe.titles()[2..], ["b: again"]);
    post.queue_at(at(120), &[message("new secret", &["a"]), message("next", &["a"])]);
    post.deliver(&probe, 120);
    post.queue_at(at(121), &[message("usual", &["a"])]);
    post.deliver(&probe, 121);
    let mut titles = probe.titles()[3..].to_vec();
    titles.sort();
    assert_eq!(titles, ["a: new secret", "a: next", "a: usual"]);
    assert_eq!(post.count("channel_status where channel = 'a' and disabled_at is not null"), 0);
}

#[test]
fn a_receiver_that_is_gone_is_used_again_with_another_manifest() {
    let post = Post::new("rules_moved", &[("a", "{type: console, fallback: b}"), ("b", CONSOLE)]);
    post.queue(&[message("one", &["a"])]);
    let gone =
        Failure { status: Some(410), disables_channel: true, ..Failure::permanent("gone", "410 Gone") };
    let sender = Script::new().next("a", [Err(gone)]);
    post.deliver(&sender, 0);
    assert_eq!(sender.told().len(), 2);
    post.estate.declare("NotificationChannel", "a", "{type: console, fallback: b, description: moved}");
    post.estate.apply().ok();
    post.queue(&[message("three", &["a"])]);
    post.deliver(&sender, 2);
    assert_eq!(sender.titles()[2..], ["a: three"]);
}

#[test]
fn what_waits_for_a_channel_that_is_gone_or_off_is_not_sent() {
    let post = Post::new("rules_off", &[("a", CONSOLE), ("b", CONSOLE)]);
    post.queue(&[message("one", &["a", "b"])]);
    post.estate.declare("NotificationChannel", "a", "{type: console, enabled: false}");
    post.estate.apply().ok();
    post.estate.database.sql(
        "insert into synthex.channel_status (workspace, channel, disabled_at, disabled_reason, disabled_digest) \
         select workspace, name, '2026-11-02 12:00Z', '410 Gone', digest from synthex.notification_channels where name = 'b'",
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

#[test]
fn all_for_whom_a_message_failed_are_told_to_its_fallback() {
    let mail = "{type: email, fallback: b, email: {transport: smtp, host: mail.example, from: a@shop.example, \
         to: [x@shop.example, y@shop.example, z@shop.example]}}";
    let post = Post::new("rules_all_failed", &[("a", mail), ("b", CONSOLE)]);
    post.queue(&[message("one", &["a"])]);
    let sender = Script::new().always("a", refused());
    assert_eq!(post.deliver(&sender, 0).counts.failed, 3);
    let told: Vec<Told> = sender.told().into_iter().filter(|told| told.channel == "b").collect();
    let named: String = told.iter().map(|told| told.text.as_str()).collect();
    for name in ["x@shop.example", "y@shop.example", "z@shop.example"] {
        assert_eq!(named.matches(name).count(), 1, "{named}");
    }
    let notices = post.count("notifications where event = 'delivery_failed'");
    assert_eq!(usize::try_from(notices).unwrap(), told.len());
}

#[test]
fn a_retry_by_hand_is_an_attempt_however_often() {
    let post = Post::new("rules_by_hand", &[("a", "{type: console, delivery: {retry: []}}")]);
    post.queue(&[message("one", &["a"])]);
    let sender = Script::new().always("a", no_answer());
    post.deliver(&sender, 0);
    for (number, so_far) in (1..=12).zip(2..) {
        post.retry(number);
        assert_eq!(post.deliver(&sender, number).counts.dead, 1);
        assert_eq!(sender.told().len(), so_far);
    }
    // Workers that are gone again and again end it, and a person begins it anew.
    let lose = |minutes: i64, counted: &str| {
        post.estate.database.sql(&format!(
            "update synthex.notification_deliveries set state = 'sending', attempts = attempts + 1, finished_at = null, \
              lost = {counted}, leased_until = clock_timestamp() - interval '1 s'"
        ));
        post.deliver(&sender, minutes).counts
    };
    assert_eq!(lose(20, "0").dead, 1);
    assert_eq!(sender.told().len(), 14);
    assert_eq!(lose(21, "5").dead, 1);
    assert_eq!(sender.told().len(), 14);
    let error = post.estate.value("select last_error from synthex.notification_deliveries").unwrap();
    assert_eq!(error, "6 workers in a row that sent it were gone before they said what came of it");
    post.retry(22);
    assert_eq!(post.deliver(&sender, 22).counts.dead, 1);
    assert_eq!(sender.told().len(), 15);
    assert_eq!(post.count("notification_deliveries where lost = 0"), 1);
}

#[test]
fn an_answer_is_waited_for_as_long_as_the_channel_says_and_never_longer_than_half_a_minute() {
    let post = Post::new(
        "rules_timeout",
        &[("a", CONSOLE), ("b", "{type: console, delivery: {timeout: 3s}}"), ("c", CONSOLE)],
    );
    // A row that no manifest could have made.
    post.estate
        .database
        .sql("update synthex.notification_channels set delivery = '{\"timeout\": \"10m\"}' where name = 'c'");
    post.queue(&[message("one", &["a", "b", "c"])]);
    let sender = Script::new();
    post.deliver(&sender, 0);
    let mut times: Vec<(String, u64)> =
        sender.told().into_iter().map(|told| (told.channel, told.timeout.as_secs())).collect();
    times.sort();
    assert_eq!(times, [("a".to_owned(), 15), ("b".to_owned(), 3), ("c".to_owned(), 30)]);
}
