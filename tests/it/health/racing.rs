//! M-H2: several that look at once, and claims of those that are dead or slow.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use super::runs::well;
use super::{NOW, Shops, said};
use crate::support::services::Reply;

#[test]
fn two_processes_never_look_at_the_same_thing_at_a_time() {
    let shops =
        Shops::with("health_overlap", &["a", "b"], |asked| well(asked).after(Duration::from_millis(2_500)));
    let args = ["health", "check", "--service", "shopify", "--format", "json"];
    let mut first = shops.run(&args).spawn();
    first.wait_until("questions", || shops.services.asked("/graphql.json").len() == 2);
    let second = shops.run(&args).run();
    assert_eq!(second.code, 3, "nothing is known: {second}");
    let second = second.stderr_has("Another process is looking at these now");
    assert!(
        second.json()["checks"].as_array().unwrap().iter().all(|check| check["subject"] != "a"),
        "{second}"
    );
    let first = first.wait();
    assert_eq!(first.code, 0, "{first}");
    assert_eq!(shops.services.asked("/graphql.json").len(), 2, "each was asked once");
    let kept = "select count(*)::text from synthex.health_checks where service = 'shopify' and subject = 'a'";
    assert_eq!(shops.estate.value(kept).as_deref(), Some("1"));
    let claimed = "select count(*)::text from synthex.health_status where claimed_by is not null";
    assert_eq!(shops.estate.value(claimed).as_deref(), Some("0"), "claims are given back");
}

#[test]
fn a_claim_of_a_process_that_died_ends_by_the_clock_of_the_database() {
    let shops = Shops::with("health_dead", &["a"], |asked| well(asked).after(Duration::from_secs(20)));
    let mut dead = shops.run(&["health", "check", "--service", "shopify"]).spawn();
    dead.wait_until("a question", || !shops.services.asked("/graphql.json").is_empty());
    dead.kill();
    drop(dead);
    shops.services.scene("/graphql.json", well);
    let (report, _) = shops.check(&["--service", "shopify"]);
    assert!(report["checks"].as_array().unwrap().iter().all(|check| check["subject"] != "a"), "{report:#}");
    shops.estate.database.sql("update synthex.health_status set claimed_until = clock_timestamp() - interval '1 s' where claimed_until is not null");
    let (report, code) = shops.check(&["--service", "shopify"]);
    assert_eq!((said(&report, "shopify/w/a").as_str(), code), ("healthy ok", 0));
}

#[test]
fn a_result_that_comes_after_its_claim_has_ended_is_not_kept() {
    let count = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&count);
    // Who asks first hears late that the shop is frozen; it is not any more.
    let shops =
        Shops::with("health_late", &["a"], move |asked| match counted.fetch_add(1, Ordering::SeqCst) {
            0 => Reply::text(402, "frozen").after(Duration::from_secs(3)),
            _ => well(asked),
        });
    let args = ["health", "check", "--service", "shopify", "--format", "json", "--as-of", NOW];
    let mut slow = shops.run(&args).spawn();
    slow.wait_until("a question", || shops.services.asked("/graphql.json").len() == 1);
    shops.estate.database.sql(
        "update synthex.health_status set claimed_until = clock_timestamp() - interval '1 s' where claimed_until is not null",
    );
    let (report, code) = shops.check_at("2026-11-20T12:00:02Z", &["--service", "shopify"]);
    assert_eq!(
        (said(&report, "shopify/w/a").as_str(), code),
        ("healthy ok", 0),
        "the slow one is not waited for"
    );
    let slow = slow.wait().code(2);
    assert_eq!(
        said(&slow.json(), "shopify/w/a"),
        "unhealthy shop_frozen",
        "who looked is told what was found"
    );
    assert_eq!(shops.kept("shopify", "a"), "healthy healthy ok 0 1");
    let results = "select string_agg(code, ' ' order by code) from synthex.health_checks where subject in ('a', 'a-cred')";
    assert_eq!(shops.estate.value(results).as_deref(), Some("ok ok"));
    let claimed = "select count(*)::text from synthex.health_status where claimed_by is not null";
    assert_eq!(shops.estate.value(claimed).as_deref(), Some("0"));
    // A claim that ended in the midst of a look by somebody else is his now: the slow one gives nothing of it back.
    count.store(0, Ordering::SeqCst);
    let before = shops.services.asked("/graphql.json").len();
    let mut slow = shops.run(&args).spawn();
    slow.wait_until("a question", || shops.services.asked("/graphql.json").len() == before + 1);
    shops.estate.database.sql(
        "update synthex.health_status set claimed_by = 'somebody else', claimed_until = clock_timestamp() + interval '1 min' \
         where claimed_until is not null",
    );
    slow.wait();
    assert_eq!(shops.kept("shopify", "a"), "healthy healthy ok 0 1");
    let claimed = "select count(*)::text from synthex.health_status where claimed_by = 'somebody else' and subject = 'a'";
    assert_eq!(shops.estate.value(claimed).as_deref(), Some("1"));
}
