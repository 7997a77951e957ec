//! What people read of health: what is not settled yet, what is only part of it, and what was not meant.

use serde_json::json;

use super::answers::shop_with;
use super::{NOW, Shops, valid_json};
use crate::support::services::{Asked, Reply};

fn well(asked: &Asked) -> Reply {
    shop_with(asked, "Basic", 1990, "2026-10")
}

fn one_frozen(asked: &Asked) -> Reply {
    if asked.shop() == "frozen.myshopify.com" { Reply::text(402, "frozen") } else { well(asked) }
}

const SHOPS: [&str; 2] = ["--service", "shopify"];

#[test]
fn what_is_not_settled_yet_says_how_far_it_is() {
    let shops = Shops::with("health_unsettled", &["a", "frozen"], one_frozen);
    let report = |at: &str| {
        shops.run(&["health", "report", "--as-of", at, "--service", "shopify"]).env("COLUMNS", "250").run()
    };
    // Of a shop that was never well nothing is known for sure; and that is said.
    shops.check_at("2026-11-20T12:00:00Z", &SHOPS);
    let first = report("2026-11-20T12:01:00Z").code(3).stdout_has("unknown (last: unhealthy)");
    let first = first.stdout_has("1 of 3 bad results in a row").stdout_has("Overall unknown");
    first.stdout_has("The last result of 1 was worse than that");
    shops.services.scene("/graphql.json", well);
    shops.check_at("2026-11-20T12:15:00Z", &SHOPS);
    report("2026-11-20T12:16:00Z").ok().nowhere("in a row");
    shops.services.scene("/graphql.json", one_frozen);
    shops.check_at("2026-11-20T12:30:00Z", &SHOPS);
    shops.check_at("2026-11-20T12:45:00Z", &SHOPS);
    let second = report("2026-11-20T12:46:00Z").ok().stdout_has("healthy (last: unhealthy)");
    second.stdout_has("2 of 3 bad results in a row").stdout_has("The last result of 1 was worse");
    // After a gap, counting begins anew, so none is shown.
    report("2026-11-20T13:46:00Z").ok().nowhere("2 of 3").stdout_has("(last: unhealthy)");
    shops.check_at("2026-11-20T13:00:00Z", &SHOPS);
    report("2026-11-20T13:01:00Z").code(2).nowhere("in a row").nowhere("(last:");
}

#[test]
fn a_list_of_what_is_well_does_not_say_that_all_is() {
    let shops = Shops::with("health_part", &["a", "frozen"], one_frozen);
    for minute in ["00", "15", "30"] {
        shops.check_at(&format!("2026-11-20T11:{minute}:00Z"), &SHOPS);
    }
    let list = |args: &[&str]| {
        shops.run(&[&["health", "list", "--as-of", NOW, "--service", "shopify"], args].concat()).run().ok()
    };
    let report = valid_json(&list(&["--status", "healthy", "--format", "json"]));
    assert_eq!((&report["overallStatus"], &report["counts"]["unhealthy"]), (&json!("unhealthy"), &json!(1)));
    let names: Vec<&str> =
        report["checks"].as_array().unwrap().iter().map(|check| check["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["shopify/api-version", "shopify/w/a"]);
    let text = list(&["--status", "healthy"]).stdout_has("Overall unhealthy: 2 healthy, 1 unhealthy.");
    text.nowhere("shop_frozen").stderr_has("2 of 3 checks shown.");
    list(&["--status", "healthy,unhealthy"]).stdout_has("shop_frozen").stdout_has("shopify/w/a");
    // Of one tenant, it is how that one stands.
    list(&["--tenant-id", "a"]).stdout_has("Overall healthy: 1 healthy.");
}

#[test]
fn a_check_can_show_only_what_is_bad() {
    let shops = Shops::with("health_bad", &["a", "frozen"], one_frozen);
    let args = ["health", "check", "--service", "shopify", "--status", "degraded,unhealthy"];
    let outcome = shops.run(&args).run().code(2).stdout_has("shop_frozen").nowhere("shopify/w/a ");
    outcome.stdout_has("Overall unhealthy").stderr_has("checks shown.");
    let outcome = shops.run(&[&args[..], &["--tenant-id", "a", "--format", "json"]].concat()).run().ok();
    let report = valid_json(&outcome);
    assert_eq!((&report["checks"], &report["overallStatus"]), (&json!([]), &json!("healthy")));
    assert_ne!(report["counts"]["healthy"], 0);
}

#[test]
fn what_was_never_looked_at_is_told_from_nothing_looked_at() {
    let shops = Shops::with("health_nope", &["a"], well);
    let history = |args: &[&str]| shops.run(&[&["health", "history"], args].concat()).run().ok();
    history(&["--subject", "NOPE"]).stderr_has("Nothing was looked at yet");
    shops.check(&SHOPS);
    let unknown = history(&["--subject", "NOPE"]).stderr_has("No result that is kept is of this");
    unknown.stderr_has("synthex health list").nowhere("Nothing was looked at yet");
    history(&["--subject", "a"]).stdout_has("shopify/w/a");
}

#[test]
fn a_selector_that_fits_nobody_is_no_good_news() {
    let shops = Shops::with("health_slip", &["a"], well);
    let check = |args: &[&str]| shops.run(&[&["health", "check", "--service"], args].concat()).run();
    check(&["shopify", "-l", "tier=golden"])
        .code(3)
        .stderr_has("No tenant is selected")
        .stdout_has("Overall unknown");
    check(&["shopify", "-l", "tier=golden", "--due"]).code(3);
    check(&["shopify", "-l", "market=ANZ_SMB"]).ok();
}

#[test]
fn what_is_switched_off_is_named() {
    let shops = Shops::with("health_off", &["a"], well);
    shops.check(&SHOPS);
    shops.estate.project.remove("manifests/often.yaml");
    shops.estate.declare("HealthCheck", "no-shops", "{service: shopify, enabled: false}");
    shops.estate.declare("HealthCheck", "no-memory", "{service: memory, enabled: false}");
    shops.estate.apply().ok();
    let said = "Switched off by a HealthCheck manifest (enabled: false): ";
    shops.run(&["health", "report"]).run().stderr_has(&format!("{said}memory, shopify/w."));
    shops
        .run(&["health", "list", "--service", "shopify"])
        .run()
        .ok()
        .stderr_has(&format!("{said}shopify/w."));
    let checked = shops.run(&["health", "check", "--service", "memory", "--service", "database"]).run();
    checked.stderr_has(&format!("{said}memory.")).nowhere("memory/");
    shops.run(&["health", "list", "--service", "database"]).run().ok().nowhere("Switched off");
}
