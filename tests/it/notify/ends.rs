//! The end of alerts is told where their beginning was, whatever has become of rules and channels meanwhile.

use super::*;

const CONSOLE: &str = "{type: console}";

fn sorted(sender: &Script) -> Vec<String> {
    let mut all: Vec<String> = sender
        .told()
        .iter()
        .map(|told| format!("{} {} {}", told.channel, told.event.code(), told.title))
        .collect();
    all.sort();
    all
}

#[test]
fn the_end_goes_where_the_beginning_went_though_the_rule_names_other_channels_now() {
    let post = Post::new(
        "ends_changed",
        &[
            ("chat", CONSOLE),
            ("pager", CONSOLE),
            ("quiet", "{type: console, sendResolved: false}"),
            ("shut", CONSOLE),
            ("box", "{type: in-app, inApp: {recipients: [ana, ben]}}"),
        ],
    );
    post.queue(&[about(Event::Firing, "down", &[1], &["chat", "quiet", "shut", "box"])]);
    post.queue(&[about(Event::Firing, "other", &[2], &["pager"])]);
    post.deliver(&Script::new(), 0);
    post.estate.declare("NotificationChannel", "shut", "{type: console, enabled: false}");
    // Who joins later has not heard of it.
    post.estate.declare("NotificationChannel", "box", "{type: in-app, inApp: {recipients: [ana, cleo]}}");
    post.estate.apply().ok();
    let enqueued = post.queue_at(at(1), &[about(Event::Resolved, "up", &[1], &["pager"])]);
    assert_eq!((enqueued.queued, enqueued.suppressed), (2, 3));
    let sender = Script::new();
    post.deliver(&sender, 2);
    assert_eq!(sorted(&sender), ["chat resolved up"]);
    let ends: Vec<String> = post.states().into_iter().filter(|state| state.contains(" resolved ")).collect();
    for expected in [
        "pager resolved suppressed not_told",
        "quiet resolved suppressed resolved_off",
        "shut resolved suppressed channel_off",
        "box ana resolved sent ok 1",
        "chat resolved sent ok 1",
    ] {
        assert!(ends.contains(&expected.to_owned()), "{expected}: {ends:#?}");
    }
    assert_eq!(ends.len(), 5);
    // No rule, no channels: the end of the other one is told all the same.
    post.queue_at(at(3), &[about(Event::Resolved, "other up", &[2], &[])]);
    post.deliver(&sender, 3);
    assert_eq!(sorted(&sender)[1..], ["pager resolved other up"]);
}

#[test]
fn the_end_reaches_a_fallback_that_stood_in() {
    let post = Post::new("ends_stood_in", &[("a", "{type: console, fallback: b}"), ("b", CONSOLE)]);
    let gone =
        Failure { status: Some(410), disables_channel: true, ..Failure::permanent("gone", "410 Gone") };
    post.queue(&[message("first", &["a"])]);
    post.deliver(&Script::new().next("a", [Err(gone)]), 0);
    post.queue(&[about(Event::Firing, "down", &[1], &["a"])]);
    let sender = Script::new();
    post.deliver(&sender, 1);
    assert_eq!(sorted(&sender), ["b firing down"]);
    post.estate.declare("NotificationChannel", "a", "{type: console, fallback: b, description: moved}");
    post.estate.apply().ok();
    post.queue_at(at(2), &[about(Event::Resolved, "up", &[1], &["a"])]);
    post.deliver(&sender, 3);
    assert_eq!(sorted(&sender), ["b firing down", "b resolved up"]);
    assert!(post.states().contains(&"a resolved suppressed not_told".to_owned()), "{:?}", post.states());
}

#[test]
fn a_queued_digest_that_is_over_part_by_part_says_what_is_so() {
    let post = Post::new("ends_digest", &[("a", CONSOLE), ("b", CONSOLE)]);
    post.queue(&[about(Event::Firing, "three", &[1, 2, 3], &["a", "b"])]);
    // It waits in `a`, and went out through `b`.
    let sender = Script::new().next("a", [Err(no_answer())]);
    post.deliver(&sender, 0);
    let before = sender.told().len();
    let enqueued = post.queue_at(at(0), &[about(Event::Resolved, "one up", &[1], &["a", "b"])]);
    assert_eq!((enqueued.queued, enqueued.replaced), (3, 1));
    let enqueued = post.queue_at(at(0), &[about(Event::Resolved, "two up", &[2], &["a", "b"])]);
    assert_eq!((enqueued.queued, enqueued.replaced), (3, 1));
    post.deliver(&sender, 1);
    let mut told: Vec<String> = sender.told()[before..]
        .iter()
        .map(|told| format!("{} {} {}", told.channel, told.event.code(), told.title))
        .collect();
    told.sort();
    assert_eq!(
        told,
        [
            "a fired_and_resolved one up",
            "a fired_and_resolved two up",
            "a firing thing 3",
            "b resolved one up",
            "b resolved two up"
        ]
    );
    // It is as old as it was, and over as any other.
    let kept = "select count(*) from synthex.notifications where event = 'firing' and created_at = '2026-11-02 12:00Z'";
    assert_eq!(post.estate.database.query_one_i64(kept), 3);
    post.queue_at(at(2), &[about(Event::Resolved, "three up", &[3], &["a", "b"])]);
    post.deliver(&sender, 3);
    assert_eq!(sorted(&sender).iter().filter(|text| text.contains("resolved three up")).count(), 2);
}

#[test]
fn a_queued_digest_whose_parts_end_at_once_is_taken_back_once() {
    let post = Post::new("ends_at_once", &[("a", CONSOLE)]);
    post.queue(&[about(Event::Firing, "three", &[1, 2, 3], &["a"])]);
    let ends =
        [about(Event::Resolved, "one up", &[1], &["a"]), about(Event::Resolved, "two up", &[2], &["a"])];
    let enqueued = post.queue_at(at(0), &ends);
    assert_eq!((enqueued.queued, enqueued.replaced), (3, 1));
    let sender = Script::new();
    post.deliver(&sender, 1);
    assert_eq!(
        sorted(&sender),
        ["a fired_and_resolved one up", "a fired_and_resolved two up", "a firing thing 3"]
    );
}
