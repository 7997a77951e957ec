//! Several processes, real webhooks, a real server that has bad days.

use super::*;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::support::services::{Reply, Services};

/// An outbox with a webhook that leads to a server.
fn hooked(hint: &str) -> (Post, Services) {
    let services = Services::new();
    let port = services.port();
    let hook = format!(
        "{{type: webhook, webhook: {{url: 'http://127.0.0.1:{port}/hook'}}, fallback: log, \
         network: {{allowCidrs: [127.0.0.0/8], allowPorts: [{port}], allowInsecure: true}}}}"
    );
    (Post::new(hint, &[("hook", &hook)]), services)
}

fn ids(services: &Services) -> Vec<String> {
    services.asked("/hook").iter().map(|asked| asked.header("webhook-id").to_owned()).collect()
}

#[test]
fn two_processes_send_each_message_once() {
    let (post, services) = hooked("processes_once");
    services.scene("/hook", |_| Reply::text(200, "").after(Duration::from_millis(5)));
    let many: Vec<NewNotification> =
        (0..150).map(|number| message(&format!("m{number}"), &["hook"])).collect();
    post.queue(&many);
    let runs: Vec<_> =
        (0..2).map(|_| post.estate.synthex(&["notify", "deliver", "--once"]).spawn()).collect();
    for run in runs {
        run.wait().ok();
    }
    let received = ids(&services);
    let different: BTreeSet<&String> = received.iter().collect();
    assert_eq!((received.len(), different.len()), (150, 150));
    let known = "select string_agg(id::text, ' ' order by id) from synthex.notification_deliveries where state = 'sent'";
    let known = post.estate.value(known).unwrap();
    assert!(received.iter().all(|id| known.contains(id.trim_start_matches("msg_"))), "{received:?}");
}

#[test]
fn a_server_that_is_busy_is_left_alone_and_asked_again_with_the_same_id() {
    let (post, services) = hooked("processes_busy");
    let count = Arc::new(AtomicUsize::new(0));
    services.scene("/hook", move |_| match count.fetch_add(1, Ordering::Relaxed) {
        0 => Reply::text(429, "slow down").header("Retry-After", "120"),
        _ => Reply::text(200, ""),
    });
    let deliver = |time: &str| post.estate.run(&["notify", "deliver", "--once", "--as-of", time]);
    post.queue(&[message("one", &["hook"])]);
    deliver("2026-11-02T12:00:00Z").code(7).stdout_has("1 tried in vain");
    post.queue(&[message("two", &["hook"])]);
    deliver("2026-11-02T12:01:00Z").ok().stdout_has("Nothing was due");
    deliver("2026-11-02T12:02:30Z").ok().stdout_has("2 sent");
    let received = ids(&services);
    assert_eq!(received.len(), 3);
    assert!(received[1..].contains(&received[0]), "{received:?}");
    let response =
        "select response from synthex.delivery_attempts where status = 429 and code = 'rate_limited'";
    assert_eq!(post.estate.value(response).as_deref(), Some("slow down"));
}

#[test]
fn a_server_that_says_410_is_not_asked_again() {
    let (post, services) = hooked("processes_gone");
    services.scene("/hook", |_| Reply::text(410, "moved away"));
    post.queue(&[message("one", &["hook"])]);
    post.estate.run(&["notify", "deliver", "--once"]).code(7).stdout_has("Not delivered through `hook`: one");
    post.queue_at(Utc::now(), &[message("two", &["hook"])]);
    post.estate.run(&["notify", "deliver", "--once"]).ok().stdout_has("two");
    assert_eq!(ids(&services).len(), 1);
    // Who has it tried again says that the receiver is there.
    services.scene("/hook", |_| Reply::text(200, ""));
    let retried = post.estate.run(&["notify", "retry", "--channel", "hook", "--since", "3650d"]);
    retried.ok().stdout_has("hook: sent");
    assert_eq!(ids(&services).len(), 3);
}

#[test]
fn a_late_message_says_the_same_at_every_attempt() {
    let (post, services) = hooked("processes_late");
    let count = Arc::new(AtomicUsize::new(0));
    services.scene("/hook", move |_| match count.fetch_add(1, Ordering::Relaxed) {
        0 => Reply::text(500, "oops"),
        _ => Reply::text(200, ""),
    });
    post.queue(&[message("one", &["hook"])]);
    let deliver = |time: &str| post.estate.run(&["notify", "deliver", "--once", "--as-of", time]);
    deliver("2026-11-03T13:00:00Z").code(7);
    deliver("2026-11-03T14:00:00Z").ok();
    let asked = services.asked("/hook");
    assert_eq!(asked.len(), 2);
    assert_eq!(asked[0].body, asked[1].body);
    assert!(asked[0].body.contains("\"isLate\":true"), "{}", asked[0].body);
    let ids = ids(&services);
    assert_eq!(ids[0], ids[1]);
}
