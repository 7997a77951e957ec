//! Runs: what hangs holds up nothing, two processes never look at the same thing, states change after enough results, and what is
//! gone is forgotten.

use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::json;

use super::answers::shop_with;
use super::{NOW, Shops, found, said};
use crate::support::services::{Asked, Reply};

pub(super) fn well(asked: &Asked) -> Reply {
    shop_with(asked, "Basic", 1990, "2026-10")
}

#[test]
fn what_hangs_times_out_by_itself_and_all_others_are_looked_at() {
    let shops = Shops::with("health_hang", &["h1", "h2", "a", "b", "c", "d"], |asked| match asked.shop() {
        "h1.myshopify.com" | "h2.myshopify.com" => well(asked).after(Duration::from_secs(30)),
        _ => well(asked),
    });
    // Two at a time: those that hang take both places, and still each of the others has its turn.
    shops.estate.declare("HealthCheck", "s", "{service: shopify, timeout: 1s, concurrency: 2}");
    shops.estate.apply().ok();
    let (report, code) = shops.check(&["--service", "shopify"]);
    for name in ["a", "b", "c", "d"] {
        assert_eq!(said(&report, &format!("shopify/w/{name}")), "healthy ok");
    }
    for name in ["h1", "h2"] {
        assert_eq!(said(&report, &format!("shopify/w/{name}")), "unknown timeout");
        assert_eq!(said(&report, &format!("credentials/w/{name}-cred")), "unknown timeout");
    }
    assert_eq!(code, 3, "{report:#}");
}

#[test]
fn so_many_are_looked_at_at_a_time_and_no_more() {
    let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (counted, highest) = (Arc::clone(&now), Arc::clone(&most));
    let names = ["a", "b", "c", "d", "e", "f", "g", "h"];
    let shops = Shops::with("health_bounded", &names, move |asked| {
        let under_way = counted.fetch_add(1, Ordering::SeqCst) + 1;
        highest.fetch_max(under_way, Ordering::SeqCst);
        std::thread::sleep(Duration::from_millis(60));
        counted.fetch_sub(1, Ordering::SeqCst);
        well(asked)
    });
    shops.estate.declare("HealthCheck", "s", "{service: shopify, concurrency: 3}");
    shops.estate.apply().ok();
    let (_, code) = shops.check(&["--service", "shopify"]);
    assert_eq!(code, 0);
    assert_eq!(shops.services.asked("/graphql.json").len(), 8);
    assert_eq!(most.load(Ordering::SeqCst), 3);
}

#[test]
fn a_signal_keeps_what_was_found_and_gives_the_rest_back() {
    let shops = Shops::with("health_signal", &["a", "h"], |asked| match asked.shop() {
        "h.myshopify.com" => well(asked).after(Duration::from_secs(30)),
        _ => well(asked),
    });
    shops.estate.declare("HealthCheck", "s", "{service: shopify, timeout: 60s}");
    shops.estate.apply().ok();
    let mut run = shops.run(&["health", "check", "--service", "shopify"]).spawn();
    let kept = "select count(*)::text from synthex.health_checks where subject = 'a'";
    run.wait_until("a result", || shops.estate.value(kept).as_deref() == Some("1"));
    run.interrupt();
    run.wait().code(130).stdout_has("shopify/w/a").stderr_has("1 were not looked at");
    let open = "select count(*)::text from synthex.health_status where claimed_by is not null or code = 'never_checked'";
    assert_eq!(shops.estate.value(open).as_deref(), Some("0"));
}

#[test]
fn three_bad_results_make_it_unhealthy_and_two_good_ones_healthy() {
    let shops = Shops::with("health_streak", &["a"], well);
    let at = |minute: u32| format!("2026-11-20T{:02}:{:02}:00Z", 12 + minute / 60, minute % 60);
    let look = |minute: u32| {
        let (report, code) = shops.check_at(&at(minute), &["--service", "shopify"]);
        (said(&report, "shopify/w/a"), code, shops.kept("shopify", "a"))
    };
    let told = |status: &str, code: i32, kept: &str| (status.to_owned(), code, kept.to_owned());
    assert_eq!(look(0), told("healthy ok", 0, "healthy healthy ok 0 1"));
    shops.services.scene("/graphql.json", |_| Reply::text(402, "frozen"));
    let frozen = "unhealthy shop_frozen";
    assert_eq!(look(15), told(frozen, 2, "healthy unhealthy shop_frozen 1 0"));
    assert_eq!(look(30), told(frozen, 2, "healthy unhealthy shop_frozen 2 0"));
    // What could not be found out neither advances nor resets.
    shops.services.scene("/graphql.json", |_| Reply::text(430, "rejected"));
    assert_eq!(look(45), told("unknown security_rejection", 3, "healthy unknown security_rejection 2 0"));
    shops.services.scene("/graphql.json", |_| Reply::text(402, "frozen"));
    assert_eq!(look(60), told(frozen, 2, "unhealthy unhealthy shop_frozen 3 0"));
    shops.services.scene("/graphql.json", well);
    assert_eq!(look(75), told("healthy ok", 0, "unhealthy healthy ok 0 1"));
    assert_eq!(look(90), told("healthy ok", 0, "healthy healthy ok 0 2"));
    let report =
        shops.run(&["health", "report", "--as-of", &at(91), "--format", "json", "--service", "shopify"]);
    let report = report.run().ok().json();
    let availability = &found(&report, "shopify/w/a")["availability"];
    assert_eq!((&availability["good"], &availability["known"]), (&json!(3), &json!(6)));
}

#[test]
fn a_shop_that_does_not_answer_is_unknown_and_the_third_time_unhealthy() {
    let shops = Shops::with("health_silent", &["a"], well);
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let look = |at: &str| {
        let args = ["health", "check", "--service", "shopify", "--format", "json", "--as-of", at];
        let run = shops.run(&args).env("SYNTHEX_SHOPIFY_BASE_URL", format!("http://{nobody}/{{shop}}"));
        let outcome = run.run().stderr_has("Nothing of Shopify could be reached (1 asked)");
        let report = outcome.json();
        assert_eq!(found(&report, "shopify/w/a")["metadata"]["provider_unreachable"], true);
        (said(&report, "shopify/w/a"), outcome.code)
    };
    assert_eq!(look("2026-11-20T12:00:00Z"), ("unknown unreachable".to_owned(), 3));
    assert_eq!(look("2026-11-20T12:15:00Z"), ("unknown unreachable".to_owned(), 3));
    assert_eq!(
        shops.kept("credentials", "a-cred"),
        "unknown unknown unreachable 0 0",
        "no word on the credential"
    );
    assert_eq!(look("2026-11-20T12:30:00Z"), ("unhealthy unreachable".to_owned(), 2));
    // One fact for the provider, and each of its tenants says so.
    let marked = "select evidence->>'provider_unreachable' from synthex.health_status where service = 'shopify' and subject = 'a'";
    assert_eq!(shops.estate.value(marked).as_deref(), Some("true"));
}

#[test]
fn after_a_gap_full_thresholds_must_be_met_again() {
    let shops = Shops::with("health_gap", &["a"], |_| Reply::text(402, "frozen"));
    let kept = |at: &str| {
        shops.check_at(at, &["--service", "shopify"]);
        shops.kept("shopify", "a")
    };
    assert_eq!(kept("2026-11-20T12:00:00Z"), "unknown unhealthy shop_frozen 1 0");
    assert_eq!(kept("2026-11-20T12:15:00Z"), "unknown unhealthy shop_frozen 2 0");
    // Half an hour is twice the interval, and no more than that.
    assert_eq!(kept("2026-11-20T12:46:00Z"), "unknown unhealthy shop_frozen 1 0");
    assert_eq!(kept("2026-11-20T13:16:00Z"), "unknown unhealthy shop_frozen 2 0");
    assert_eq!(kept("2026-11-20T13:31:00Z"), "unhealthy unhealthy shop_frozen 3 0");
}

#[test]
fn what_is_declared_of_a_check_counts() {
    let shops = Shops::with("health_declared", &["a"], |_| Reply::text(402, "frozen"));
    shops.estate.declare("HealthCheck", "s", "{service: shopify, failureThreshold: 1, interval: 1h}");
    shops.estate.declare("HealthCheck", "q", "{service: quotas, enabled: false}");
    shops.estate.apply().ok();
    let (report, _) = shops.check(&["--service", "shopify"]);
    assert_eq!(shops.kept("shopify", "a"), "unhealthy unhealthy shop_frozen 1 0");
    assert!(
        report["checks"].as_array().unwrap().iter().all(|check| check["service"] != "quotas"),
        "{report:#}"
    );
}

#[test]
fn tenants_are_chosen_by_id_and_label_and_those_that_are_not_active_are_left_alone() {
    let shops = Shops::with("health_chosen", &["a", "b", "c"], well);
    shops.estate.edit("t-b.yaml", "workspace: w\n", "workspace: w\n  labels: {tier: gold}\n");
    shops.estate.edit("t-c.yaml", "status: active", "status: suspended");
    shops.estate.apply().ok();
    let asked = |args: &[&str]| {
        let before = shops.services.asked("/graphql.json").len();
        shops.check(&[&["--service", "shopify"], args].concat());
        let asked = shops.services.asked("/graphql.json");
        let mut names: Vec<String> =
            asked[before..].iter().map(|asked| asked.shop().split('.').next().unwrap().to_owned()).collect();
        names.sort();
        names.join(" ")
    };
    assert_eq!(asked(&[]), "a b");
    assert_eq!(asked(&["-l", "tier=gold"]), "b");
    assert_eq!(asked(&["--tenant-id", "a"]), "a");
    assert_eq!(asked(&["--tenant-id", "c"]), "c");
    let unknown = shops.run(&["health", "check", "--tenant-id", "aa"]).run().code(3);
    unknown.stderr_has("there is no tenant `aa`");
    // The last results of one that is suspended stay.
    asked(&[]);
    let kept = "select string_agg(subject, ' ' order by subject) from synthex.health_status where service = 'shopify' and workspace = 'w'";
    assert_eq!(shops.estate.value(kept).as_deref(), Some("a b c"));
}

#[test]
fn what_is_kept_is_listed_by_the_labels_of_tenants() {
    let shops = Shops::with("health_listed", &["a", "b"], well);
    shops.estate.edit("t-b.yaml", "workspace: w\n", "workspace: w\n  labels: {tier: gold}\n");
    shops.estate.apply().ok();
    shops.check(&["--service", "shopify", "--service", "disk"]);
    shops.check_at("2026-11-20T12:15:00Z", &["--service", "shopify"]);
    let names = |args: &[&str], of: &str| {
        let all = [&["health"], args, &["--format", "json"]].concat();
        let found = shops.run(&all).run().ok().json();
        let subjects =
            found[of].as_array().unwrap().iter().map(|one| one["subject"].as_str().unwrap().to_owned());
        let mut subjects: Vec<String> = subjects.collect();
        subjects.sort();
        subjects.join(" ")
    };
    assert_eq!(names(&["list", "-l", "tier=gold"], "checks"), "b b-cred shopify/b");
    assert_eq!(names(&["list", "-l", "tier!=gold", "--service", "shopify"], "checks"), "a");
    assert_eq!(names(&["list", "-l", "tier=silver"], "checks"), "");
    let history = |args: &[&str]| names(&[&["history", "-l", "tier=gold"], args].concat(), "results");
    assert_eq!(history(&[]), "b b b-cred b-cred shopify/b shopify/b");
    assert_eq!(history(&["--service", "shopify"]), "b b");
    // So many of those that are meant, not of all.
    assert_eq!(history(&["--service", "credentials", "--limit", "2"]), "b-cred b-cred");
    shops.run(&["health", "list", "-l", "tier=silver"]).run().ok().stderr_has("No check is about tenants");
    shops.run(&["health", "history", "-l", "a b"]).run().code(3);
}

#[test]
fn in_a_maintenance_window_it_is_looked_at_and_does_not_count() {
    let shops = Shops::with("health_window", &["a", "b"], |asked| match asked.shop() {
        "a.myshopify.com" => Reply::text(402, "frozen"),
        _ => well(asked),
    });
    let window = "{matchers: ['tenant=\"a\"'], every: {day: 1}, at: '22:00', duration: 2h, timeZone: Australia/Sydney, comment: works}";
    shops.estate.declare("MaintenanceWindow", "night", window);
    shops.estate.apply().ok();
    // 22:30 in Sydney in November is 11:30 UTC.
    let (report, code) = shops.check_at("2026-11-20T11:30:00Z", &["--service", "shopify"]);
    assert_eq!(found(&report, "shopify/w/a")["maintenance"], true);
    assert_eq!(found(&report, "shopify/w/b")["maintenance"], false);
    assert_eq!((code, &report["overallStatus"]), (0, &json!("healthy")));
    let (report, code) = shops.check_at("2026-11-20T13:00:00Z", &["--service", "shopify"]);
    assert_eq!((code, found(&report, "shopify/w/a")["maintenance"].as_bool()), (2, Some(false)));
    let available = |args: &[&str]| {
        let all =
            [&["health", "report", "--as-of", "2026-11-20T13:01:00Z", "--format", "json"], args].concat();
        let report = shops.run(&all).run().json();
        let availability = &found(&report, "shopify/w/a")["availability"];
        (availability["good"].as_i64(), availability["known"].as_i64())
    };
    assert_eq!(available(&[]), (Some(0), Some(2)));
    assert_eq!(available(&["--exclude-maintenance"]), (Some(0), Some(1)));
}

#[test]
fn a_dry_run_keeps_nothing() {
    let shops = Shops::with("health_dry", &["a"], well);
    let run = shops.run(&["health", "check", "--service", "shopify", "--dry-run", "--as-of", NOW]).run().ok();
    run.stderr_has("is not kept");
    let rows = "select ((select count(*) from synthex.health_checks) + (select count(*) from synthex.health_status))::text";
    assert_eq!(shops.estate.value(rows).as_deref(), Some("0"));
}

#[test]
fn a_job_of_every_minute_looks_at_what_is_due() {
    let shops = Shops::with("health_due", &["a", "b"], well);
    let asked = || shops.services.asked("/graphql.json").len();
    let due = |at: &str, expected: usize| {
        let (report, code) = shops.check_at(at, &["--due", "--service", "shopify"]);
        assert_eq!(asked(), expected, "at {at}: {report:#}");
        (report, code)
    };
    due("2026-11-20T12:00:00Z", 2);
    let (nothing, code) = due("2026-11-20T12:13:00Z", 2);
    assert_eq!((nothing["checks"].as_array().unwrap().len(), code), (0, 0), "{nothing:#}");
    let words = ["health", "check", "--due", "--service", "shopify", "--as-of", "2026-11-20T12:13:00Z"];
    shops.run(&words).run().ok().stderr_has("Nothing is due.");
    // A quarter of an hour, a tenth more or less; and each time all of what is asked at once.
    let (report, code) = due("2026-11-20T12:17:00Z", 4);
    assert_eq!(code, 0, "{report:#}");
    for name in ["shopify/w/a", "credentials/w/a-cred", "quotas/w/shopify/a", "shopify/w/b"] {
        assert_eq!(said(&report, name), "healthy ok");
    }
    // What was looked at for another reason is not due either; and an interval is what the manifest says.
    shops.check_at("2026-11-20T12:40:00Z", &["--service", "shopify"]);
    due("2026-11-20T12:41:00Z", 6);
    for service in ["shopify", "credentials", "quotas"] {
        shops.estate.declare("HealthCheck", service, &format!("{{service: {service}, interval: 1h}}"));
    }
    shops.estate.apply().ok();
    due("2026-11-20T13:00:00Z", 8);
    due("2026-11-20T13:50:00Z", 8);
    due("2026-11-20T14:07:00Z", 10);
    shops.run(&["health", "check", "--due", "--dry-run"]).run().code(3).stderr_has("--dry-run");
}
