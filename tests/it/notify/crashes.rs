//! Processes that are killed: what was queued is there or not at all, and what was being sent is sent again under its id.

use super::*;

use std::thread::JoinHandle;

use crate::support::database::execute;
use crate::support::eventually;

/// Holds a table against writers for a while, from now on.
fn hold(post: &Post, table: &'static str, seconds: u32) -> JoinHandle<()> {
    let url = post.estate.database.url();
    let sql = format!("begin; lock table synthex.{table} in share mode; select pg_sleep({seconds}); commit");
    let handle = std::thread::spawn(move || {
        execute(&url, &sql).unwrap();
    });
    let held = format!(
        "select count(*) from pg_locks where granted and mode = 'ShareLock' and relation = 'synthex.{table}'::regclass"
    );
    assert!(eventually(Duration::from_secs(20), || post.estate.database.query_one_i64(&held) > 0));
    handle
}

#[test]
fn a_message_that_is_killed_while_it_is_queued_is_not_there() {
    let post = Post::new("crash_queue", &[("c", "{type: console}")]);
    let held = hold(&post, "notification_deliveries", 4);
    let mut running = post
        .estate
        .synthex(&["notify", "send", "--title", "Lost", "--message", "m", "--channel", "c", "-w", "w"])
        .spawn();
    running.wait_until("it waits for the table", || {
        post.estate.database.query_one_i64("select count(*) from pg_locks where not granted and relation = 'synthex.notification_deliveries'::regclass") > 0
    });
    running.kill();
    drop(running);
    held.join().unwrap();
    assert_eq!((post.count("notifications"), post.count("notification_deliveries")), (0, 0));
    let sent = post
        .estate
        .run(&["notify", "send", "--title", "Found", "--message", "m", "--channel", "c", "-w", "w"])
        .ok();
    sent.stdout_has("Found");
    assert_eq!(post.states(), ["c message sent ok 1"]);
}

#[test]
fn a_message_that_was_sent_and_not_recorded_is_sent_again_under_its_id() {
    let post = Post::new("crash_record", &[("c", "{type: console}")]);
    post.queue(&[message("Twice", &["c"]), message("Other", &["c"])]);
    let ids = "select string_agg(id::text, ' ' order by seq) from synthex.notification_deliveries";
    let before = post.estate.value(ids);
    // The record is the only one that writes here: what is sent cannot be recorded.
    let held = hold(&post, "inbox_items", 4);
    let mut running = post.estate.synthex(&["notify", "deliver", "--once", "--lease", "8s"]).spawn();
    running.wait_for_stdout("Twice");
    running.kill();
    drop(running);
    assert_eq!(post.count("notification_deliveries where state = 'sending'"), 2);
    // While its lease lasts, nobody else sends it.
    post.estate.run(&["notify", "deliver", "--once"]).ok().nowhere("Twice");
    held.join().unwrap();
    let ended = "notification_deliveries where leased_until < clock_timestamp()";
    assert!(eventually(Duration::from_secs(20), || post.count(ended) == 2));
    post.estate.run(&["notify", "deliver", "--once"]).ok().stdout_has("Twice").stdout_has("Other");
    assert_eq!(post.states(), ["c message sent ok 2", "c message sent ok 2"]);
    assert_eq!(post.estate.value(ids), before);
    assert_eq!(post.count("delivery_attempts where code = 'worker_lost' and attempt = 1"), 2);
    // It is dated when it began; how long it went on, nobody knows.
    let lost = "delivery_attempts as a where code = 'worker_lost' and began_at = \
         (select first_tried_at from synthex.notification_deliveries as d where d.id = a.delivery)";
    assert_eq!(post.count(lost), 2);
    let id = post.estate.value("select id::text from synthex.notifications limit 1").unwrap();
    post.estate.run(&["notify", "show", &id]).ok().stdout_has("worker_lost, for how long is not known");
    let json = post.estate.run(&["notify", "show", &id, "--format", "json"]).ok();
    json.stdout_has("\"latencyMs\": null");
}

#[test]
fn a_worker_that_is_terminated_gives_back_what_it_has() {
    let post = Post::new("crash_term", &[("c", "{type: console, rateLimitPerMinute: 30}")]);
    let many: Vec<NewNotification> = (0..20).map(|number| message(&format!("m{number}"), &["c"])).collect();
    post.queue(&many);
    let mut running = post.estate.synthex(&["notify", "deliver"]).spawn();
    running.wait_for_stdout("m0");
    running.terminate();
    running.wait().code(143);
    assert_eq!(post.count("notification_deliveries where state = 'sending'"), 0);
    let (sent, waits) = (
        post.count("notification_deliveries where state = 'sent'"),
        post.count("notification_deliveries where state = 'pending' and attempts = 0"),
    );
    assert_eq!(sent + waits, 20);
    assert!((1..20).contains(&sent), "{sent}");
}
