//! Workers: none sends twice, order, leases, rates, and a receiver that hangs.

use super::*;

use std::collections::BTreeSet;

use futures_util::future::join_all;

const CONSOLE: &str = "{type: console}";

#[test]
fn several_workers_send_each_message_once() {
    let post = Post::new("workers_once", &[("a", CONSOLE), ("b", CONSOLE), ("c", CONSOLE)]);
    let many: Vec<NewNotification> = (0..200)
        .map(|number| NewNotification {
            ordering_key: format!("k{}", number % 40),
            ..message(&format!("m{number}"), &["a", "b", "c"])
        })
        .collect();
    assert_eq!(post.queue(&many).queued, 600);
    let sender = Script::new().takes("b", Duration::from_millis(3));
    let all = wait(async {
        let workers = (0..4).map(|number| {
            let (post, sender) = (&post, &sender);
            async move { Box::pin(post.worker(sender, 1, &settings(&format!("w{number}")), &Never)).await }
        });
        join_all(workers).await
    });
    let sent: u64 = all.iter().map(|delivered| delivered.counts.sent).sum();
    assert_eq!(sent, 600);
    let ids: BTreeSet<Uuid> = sender.told().iter().map(|told| told.delivery).collect();
    assert_eq!((ids.len(), sender.told().len()), (600, 600));
    assert_eq!(post.count("notification_deliveries where state = 'sent' and attempts = 1"), 600);
    assert_eq!(post.count("delivery_attempts where outcome = 'sent' and code = 'ok' and status = 200"), 600);
    // In order, whichever worker it was: those of one channel and key.
    let mut last = HashMap::new();
    for told in sender.told() {
        let number: i32 = told.title[1..].parse().unwrap();
        let before = last.insert((told.channel, number % 40), number);
        assert!(before.is_none_or(|before| before < number), "{before:?} before {number}");
    }
}

#[test]
fn what_waits_for_a_retry_holds_back_only_its_own_key() {
    let post = Post::new("workers_order", &[("a", CONSOLE), ("b", CONSOLE)]);
    let keyed = |title, key: &str, channels| NewNotification {
        ordering_key: key.to_owned(),
        ..message(title, channels)
    };
    post.queue(&[
        keyed("one", "x", &["a", "b"]),
        keyed("two", "x", &["a", "b"]),
        keyed("other", "y", &["a"]),
    ]);
    let sender = Script::new().next("a", [Err(no_answer())]);
    let delivered = post.deliver(&sender, 0);
    assert_eq!((delivered.counts.sent, delivered.counts.retrying), (3, 1));
    let mut titles = sender.titles();
    titles.sort();
    assert_eq!(titles, ["a: one", "a: other", "b: one", "b: two"]);
    // Five seconds later: first the one that failed, then the one behind it.
    post.deliver(&sender, 1);
    assert_eq!(sender.titles()[4..], ["a: one", "a: two"]);
}

#[test]
fn a_receiver_that_hangs_holds_up_nobody_else() {
    let post = Post::new("workers_hang", &[("slow", CONSOLE), ("fast", CONSOLE)]);
    let slow = (0..100).map(|number| message(&format!("s{number}"), &["slow"]));
    let fast = (0..100).map(|number| message(&format!("f{number}"), &["fast"]));
    let many: Vec<NewNotification> = slow.chain(fast).collect();
    post.queue(&many);
    let sender = Script::new().takes("slow", Duration::from_secs(4));
    let began = Instant::now();
    assert_eq!(post.deliver(&sender, 1).counts.sent, 200);
    let told = sender.told();
    let last = told.iter().filter(|told| told.channel == "fast").map(|told| told.when - began).max().unwrap();
    assert!(last < Duration::from_secs(3), "{last:?}");
}

#[test]
fn a_rate_is_kept_by_all_workers_together_and_nothing_is_dropped() {
    let post =
        Post::new("workers_rate", &[("a", "{type: console, rateLimitPerMinute: 600}"), ("free", CONSOLE)]);
    let mut many: Vec<NewNotification> =
        (0..25).map(|number| message(&format!("m{number}"), &["a"])).collect();
    many.push(message("free", &["free"]));
    post.queue(&many);
    let sender = Script::new();
    let began = Instant::now();
    let all = wait(async {
        join_all((0..3).map(|number| {
            let (post, sender) = (&post, &sender);
            async move { Box::pin(post.worker(sender, 1, &settings(&format!("w{number}")), &Never)).await }
        }))
        .await
    });
    assert_eq!(all.iter().map(|delivered| delivered.counts.sent).sum::<u64>(), 26);
    let mut times: Vec<Duration> =
        sender.told().iter().filter(|told| told.channel == "a").map(|told| told.when - began).collect();
    times.sort();
    assert_eq!(times.len(), 25);
    // Ten a second: 24 intervals of 100 ms.
    let took = times[24] - times[0];
    assert!(took >= Duration::from_millis(2250) && took < Duration::from_secs(8), "{took:?}");
    for window in times.windows(12) {
        assert!(window[11] - window[0] >= Duration::from_millis(900), "{window:?}");
    }
    let free =
        sender.told().iter().find(|told| told.channel == "free").map(|told| told.when - began).unwrap();
    assert!(free < Duration::from_secs(2), "{free:?}");
}

#[test]
fn a_receiver_that_asks_for_a_pause_though_it_took_one_gets_it() {
    let post = Post::new("workers_wait", &[("a", CONSOLE)]);
    post.queue(&[message("one", &["a"])]);
    let wait = Sent { wait: Some(Duration::from_millis(1500)), ..Sent::default() };
    let sender = Script::new().next("a", [Ok(wait)]);
    post.deliver(&sender, 0);
    post.queue(&[message("two", &["a"])]);
    assert_eq!(post.deliver(&sender, 0).counts.sent, 1);
    let told = sender.told();
    assert!(told[1].when - told[0].when >= Duration::from_millis(1300), "{told:?}");
}

/// Asks for a stop after a while.
struct After(Duration);

impl Interrupt for After {
    async fn requested(&self) {
        tokio::time::sleep(self.0).await;
    }
}

#[test]
fn a_worker_that_is_stopped_leaves_nothing_half() {
    let post =
        Post::new("workers_stop", &[("a", CONSOLE), ("b", "{type: console, rateLimitPerMinute: 100}")]);
    post.queue(&[message("quick", &["a"])]);
    let quick = Script::new().takes("a", Duration::from_millis(400));
    let stop = After(Duration::from_millis(200));
    let delivered = wait(post.worker(&quick, 1, &settings("w"), &stop));
    // There was time for it.
    assert_eq!((delivered.counts.sent, delivered.is_interrupted), (1, true));
    post.queue(&[message("one", &["a"]), message("two", &["b"]), message("three", &["b"])]);
    let endless = Script::new().takes("a", Duration::from_secs(60));
    let hasty = Settings { grace: Duration::from_millis(900), ..settings("w") };
    let began = Instant::now();
    let delivered = wait(post.worker(&endless, 1, &hasty, &stop));
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    assert_eq!(delivered.counts.retrying, 1);
    assert_eq!(delivered.counts.released, 1);
    assert_eq!(post.count("notification_deliveries where state = 'sending' or leased_until is not null"), 0);
    let states = post.states();
    assert!(states.contains(&"a message retrying interrupted 1".to_owned()), "{states:?}");
    assert!(states.contains(&"b message pending".to_owned()), "{states:?}");
    // And the next worker sends it, under the same id.
    let sender = Script::new();
    assert_eq!(post.deliver(&sender, 1).counts.sent, 2);
    let again = sender.told().into_iter().find(|told| told.title == "one").unwrap();
    assert_eq!(again.delivery, endless.told().iter().find(|told| told.title == "one").unwrap().delivery);
}

#[test]
fn who_lost_its_lease_does_not_record_over_the_newer_one() {
    let post = Post::new("workers_fence", &[("a", CONSOLE)]);
    post.queue(&[message("one", &["a"])]);
    let sender = Script::new().takes("a", Duration::from_millis(3000));
    let late = std::thread::scope(|scope| {
        let first = scope.spawn(|| post.deliver(&sender, 1));
        std::thread::sleep(Duration::from_millis(300));
        // Its lease is over, as if it had been away for longer; another worker takes the message.
        post.estate.database.sql(
            "update synthex.notification_deliveries set leased_until = clock_timestamp() - interval '1 s'",
        );
        let other = Script::new().next("a", [Err(refused())]);
        assert_eq!(post.deliver_with(&other, 1, &settings("two")).counts.failed, 1);
        assert_eq!(other.told()[0].title, "one");
        first.join().unwrap()
    });
    assert_eq!((late.counts.sent, late.counts.lost), (0, 1));
    assert_eq!(post.states(), ["a message failed invalid_payload 2"]);
    let attempts =
        "select string_agg(attempt || ' ' || code, ', ' order by attempt) from synthex.delivery_attempts";
    assert_eq!(post.estate.value(attempts).unwrap(), "1 worker_lost, 2 invalid_payload");
}
