//! What is queued, and what is not: channels, targets, the end of alerts.

use std::time::Instant;

use super::*;

const CONSOLE: &str = "{type: console}";

#[test]
fn ten_thousand_are_queued_in_a_few_statements() {
    let post = Post::new("queue_many", &[("a", CONSOLE), ("b", CONSOLE)]);
    post.estate.database.sql(
        "create table public.statements (n int); grant all on public.statements to public; \
         create function public.tally() returns trigger language plpgsql as \
          $f$ begin insert into public.statements values (1); return null; end $f$; \
         create trigger tally after insert on synthex.notifications for each statement execute function public.tally(); \
         create trigger tally after insert on synthex.notification_deliveries for each statement execute function public.tally();",
    );
    let many: Vec<NewNotification> =
        (0..10_000).map(|number| message(&format!("m{number}"), &["a", "b"])).collect();
    let began = Instant::now();
    let enqueued = post.queue(&many);
    assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
    assert_eq!((enqueued.notifications.len(), enqueued.queued, enqueued.suppressed), (10_000, 20_000, 0));
    let statements = post.estate.database.query_one_i64("select count(*) from public.statements");
    assert!(statements <= 6, "{statements} statements");
}

#[test]
fn each_recipient_is_a_delivery_and_what_is_not_sent_says_why() {
    let mail = "{type: email, email: {transport: smtp, host: mail.example, from: a@shop.example, to: [b@shop.example, c@shop.example]}}";
    let channels = [
        ("mail", mail),
        ("box", "{type: in-app, inApp: {recipients: [ana, ben]}}"),
        ("everybody", "{type: in-app}"),
        ("shut", "{type: console, enabled: false}"),
    ];
    let post = Post::new("queue_targets", &channels);
    let one = message("one", &["mail", "box", "everybody", "shut", "nowhere", "mail"]);
    let enqueued = post.queue(std::slice::from_ref(&one));
    assert_eq!((enqueued.queued, enqueued.suppressed), (5, 2));
    let states = post.states();
    let expected = [
        "mail b@shop.example message pending",
        "mail c@shop.example message pending",
        "box ana message pending",
        "box ben message pending",
        "everybody message pending",
        "shut message suppressed channel_off",
        "nowhere message suppressed channel_missing",
    ];
    assert_eq!(states, expected);
    let reasons =
        "select reason from synthex.notification_deliveries where state = 'suppressed' order by seq";
    let reasons: Vec<String> =
        post.estate.database.query_strings(reasons).into_iter().flatten().flatten().collect();
    assert_eq!(reasons, ["channel `shut` is switched off", "there is no channel `nowhere`"]);
    // The same once more, by somebody who does not know whether it was queued.
    assert_eq!(post.queue(&[one]), Enqueued::default());
    assert_eq!(post.states(), expected);
}

#[test]
fn texts_that_the_database_does_not_take_are_queued_all_the_same() {
    let post = Post::new("queue_texts", &[("a", CONSOLE)]);
    let mut odd = message("a\0b", &["a"]);
    odd.message.text = "é\0".repeat(5000);
    let mut empty = message(" ", &["a"]);
    empty.created_by = "x".repeat(500);
    assert_eq!(post.queue(&[odd, empty]).queued, 2);
    let sender = Script::new();
    assert_eq!(post.deliver(&sender, 1).counts.sent, 2);
    assert_eq!(sender.titles(), ["a: ab", "a:  "]);
}

#[test]
fn an_end_is_told_only_where_the_beginning_was() {
    let post = Post::new(
        "queue_ends",
        &[("a", CONSOLE), ("b", CONSOLE), ("quiet", "{type: console, sendResolved: false}")],
    );
    post.queue(&[about(Event::Firing, "down", &[1], &["a", "quiet"])]);
    let sender = Script::new();
    post.deliver(&sender, 1);
    let enqueued = post.queue_at(at(2), &[about(Event::Resolved, "up", &[1], &["a", "b", "quiet"])]);
    assert_eq!((enqueued.queued, enqueued.suppressed, enqueued.replaced), (1, 2, 0));
    post.deliver(&sender, 3);
    assert_eq!(sender.titles(), ["a: down", "quiet: down", "a: up"]);
    assert_eq!(sender.told()[2].event, Event::Resolved);
    let mut states = post.states();
    states.sort();
    assert!(states.contains(&"b resolved suppressed not_told".to_owned()), "{states:?}");
    assert!(states.contains(&"quiet resolved suppressed resolved_off".to_owned()), "{states:?}");
}

#[test]
fn a_beginning_that_is_still_queued_is_told_together_with_the_end() {
    let post = Post::new("queue_both", &[("a", CONSOLE), ("b", CONSOLE)]);
    post.queue(&[about(Event::Firing, "down", &[1], &["a", "b"])]);
    // Through `a` it went out; `b` does not answer.
    let sender = Script::new().next("b", [Err(no_answer())]);
    post.deliver(&sender, 0);
    let enqueued = post.queue_at(at(1), &[about(Event::Resolved, "up", &[1], &["a", "b"])]);
    assert_eq!((enqueued.notifications.len(), enqueued.queued, enqueued.replaced), (2, 2, 1));
    post.deliver(&sender, 10);
    let told: Vec<(String, Event)> =
        sender.told().into_iter().skip(2).map(|told| (told.channel, told.event)).collect();
    assert!(told.contains(&("a".to_owned(), Event::Resolved)), "{told:?}");
    assert!(told.contains(&("b".to_owned(), Event::FiredAndResolved)), "{told:?}");
    assert_eq!(told.len(), 2);
    assert!(post.states().contains(&"b firing cancelled timeout 1".to_owned()), "{:?}", post.states());
}

#[test]
fn of_several_that_are_over_only_those_are_told_that_were() {
    let post = Post::new("queue_parts", &[("a", CONSOLE)]);
    post.queue(&[about(Event::Firing, "down", &[1], &["a"])]);
    let sender = Script::new();
    post.deliver(&sender, 0);
    post.queue_at(at(1), &[about(Event::Resolved, "both up", &[1, 2], &["a"])]);
    post.deliver(&sender, 2);
    assert_eq!(sender.titles(), ["a: down", "a: thing 1"]);
    assert_eq!(post.count("notifications where event = 'resolved' and alerts = array['00000000-0000-0000-0000-000000000001'::uuid]"), 1);
}
