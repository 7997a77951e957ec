//! M-D2, M-D18: replicas deliver each message once, what fails waits for its time, and what is under way when it is to stop is
//! finished or given back.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use chrono::TimeDelta;

use super::{Hands, Replica, Tasks, sum};
use crate::support::estate::Estate;
use crate::support::services::{Reply, Services};

const NOW: &str = "2031-06-01T10:00:00Z";

/// An estate with channels that post to a server of the test's own, and an inbox.
fn estate(hint: &str, services: &Services) -> Estate {
    let estate = Estate::new(hint);
    let port = services.port();
    let hook = |path: &str| {
        format!(
            "{{type: webhook, webhook: {{url: 'http://127.0.0.1:{port}/{path}'}}, \
             network: {{allowCidrs: [127.0.0.0/8], allowPorts: [{port}], allowInsecure: true}}}}"
        )
    };
    estate.declare("NotificationChannel", "box", "{type: in-app}");
    estate.declare("NotificationChannel", "one", &hook("one"));
    estate.declare("NotificationChannel", "two", &hook("two"));
    estate.apply().ok();
    estate
}

/// Queues so many messages for a channel.
fn queue(estate: &Estate, channel: &str, count: u32) {
    estate.database.sql(&format!(
        "with n as (insert into synthex.notifications (id, workspace, type, event, severity, title, message, content, created_by, created_at) \
          select gen_random_uuid(), 'w', 'message', 'message', 'info', 'm' || i, 'text', \
           jsonb_build_object('topic', 'message', 'event', 'message', 'at', '{NOW}', 'severity', 'info', 'workspace', 'w', 'title', 'm' || i, 'text', 'text'), 'test', '{NOW}' \
          from generate_series(1, {count}) as i returning id, workspace) \
         insert into synthex.notification_deliveries (id, workspace, notification, channel, next_attempt_at, created_at) \
         select gen_random_uuid(), workspace, id, '{channel}', '{NOW}', '{NOW}' from n"
    ));
}

fn count(estate: &Estate, what: &str) -> i64 {
    estate.database.query_one_i64(&format!("select count(*) from synthex.{what}"))
}

#[test]
fn three_replicas_deliver_each_message_once() {
    let services = Services::new();
    let estate = estate("watch_delivery_three", &services);
    queue(&estate, "box", 900);
    let clock = Hands::at(NOW);
    let mut tasks = Tasks::new((0..3).map(|_| Replica::new(&estate, &clock).delivery()));
    let ran = tasks.run();
    let sent: Vec<u64> = ran.iter().map(|one| sum(std::slice::from_ref(one), "/delivered/sent")).collect();
    assert_eq!(sent.iter().sum::<u64>(), 900, "{ran:?}");
    assert!(sent.iter().all(|sent| *sent > 0), "each of them has a share: {sent:?}");
    assert_eq!(count(&estate, "inbox_items"), 900);
    assert_eq!(count(&estate, "notification_deliveries where state = 'sent' and attempts = 1"), 900);
    assert_eq!(sum(&tasks.run(), "/delivered/sent"), 0);
}

#[test]
fn what_fails_is_tried_again_in_time_and_the_task_says_when() {
    let services = Services::new();
    let estate = estate("watch_delivery_retry", &services);
    services.scene("/one", |_| Reply::text(503, "later"));
    queue(&estate, "one", 1);
    let clock = Hands::at(NOW);
    let mut tasks = Tasks::new([Replica::new(&estate, &clock).delivery()]);
    let ran = tasks.run();
    assert_eq!(sum(&ran, "/delivered/retrying"), 1, "{ran:?}");
    // Five seconds, a fifth more or less (M-D4).
    let again = ran[0].again.unwrap().as_secs_f64();
    assert!((3.9..6.1).contains(&again), "{again}");
    assert_eq!(sum(&tasks.run(), "/delivered/retrying"), 0);
    services.scene("/one", |_| Reply::text(200, "ok"));
    clock.pass(TimeDelta::seconds(7));
    assert_eq!(sum(&tasks.run(), "/delivered/sent"), 1);
    assert_eq!(services.asked("/one").len(), 2);
}

#[test]
fn a_receiver_that_hangs_holds_up_nothing_that_is_queued_meanwhile() {
    let services = Services::new();
    let estate = estate("watch_delivery_hang", &services);
    services.scene("/one", |_| Reply::text(200, "ok").after(Duration::from_secs(6)));
    services.scene("/two", |_| Reply::text(200, "ok"));
    queue(&estate, "one", 1);
    let clock = Hands::at(NOW);
    let mut tasks = Tasks::new([Replica::new(&estate, &clock).delivery()]);
    let waited = std::thread::scope(|scope| {
        let other = scope.spawn(|| {
            while services.asked("/one").is_empty() {
                std::thread::sleep(Duration::from_millis(10));
            }
            queue(&estate, "two", 1);
            let began = Instant::now();
            while services.asked("/two").is_empty() && began.elapsed() < Duration::from_secs(5) {
                std::thread::sleep(Duration::from_millis(10));
            }
            began.elapsed()
        });
        assert_eq!(sum(&tasks.run(), "/delivered/sent"), 2);
        other.join().unwrap()
    });
    assert!(waited < Duration::from_secs(4), "{waited:?}");
}

#[test]
fn what_is_under_way_when_it_is_to_stop_is_finished_and_the_rest_is_given_back() {
    let services = Services::new();
    let estate = estate("watch_delivery_stop", &services);
    let asked = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&asked);
    services.scene("/one", move |_| {
        counted.fetch_add(1, Ordering::SeqCst);
        Reply::text(200, "ok").after(Duration::from_millis(800))
    });
    queue(&estate, "one", 400);
    let clock = Hands::at(NOW);
    let mut tasks = Tasks::new([Replica::new(&estate, &clock).delivery()]);
    let stopper = tasks.stopper.clone();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while asked.load(Ordering::SeqCst) == 0 {
                std::thread::sleep(Duration::from_millis(10));
            }
            stopper.stop();
        });
        tasks.run();
    });
    let told = i64::try_from(asked.load(Ordering::SeqCst)).unwrap();
    assert!(told < 400, "{told}");
    assert_eq!(
        count(&estate, "notification_deliveries where state = 'sending'"),
        0,
        "nothing is left half sent"
    );
    assert_eq!(count(&estate, "notification_deliveries where state = 'sent'"), told);
    assert_eq!(
        count(&estate, "notification_deliveries where state = 'pending' and attempts = 0"),
        400 - told
    );
}
