//! What shops and merchant accounts say, and what is made of it: each answer of M-H4 to M-H8 told apart, and whether it is a
//! matter of the service, of the credential, or of the quota.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::{Shops, found, said};
use crate::support::services::{Asked, Reply, google_account};

/// A shop with points left in its bucket.
pub(super) fn shop_with(asked: &Asked, plan: &str, available: u32, version: &str) -> Reply {
    let shop = json!({"id": "gid://shopify/Shop/1", "name": "A", "myshopifyDomain": asked.shop(),
        "plan": {"publicDisplayName": plan}});
    let throttle = json!({"maximumAvailable": 2000.0, "currentlyAvailable": available, "restoreRate": 100.0});
    let cost = json!({"requestedQueryCost": 2, "actualQueryCost": 2, "throttleStatus": throttle});
    Reply::json(200, json!({"data": {"shop": shop}, "extensions": {"cost": cost}}))
        .header("X-Shopify-API-Version", version)
}

/// The answer of a shop that is named after what it is to say.
fn shopify(asked: &Asked) -> Reply {
    let name = asked.shop().split('.').next().unwrap().to_owned();
    if let Some(status) = name.strip_prefix('s').and_then(|status| status.parse().ok()) {
        return Reply::text(status, "shpat_1 was refused");
    }
    let errors = |code: &str| {
        let cost = json!({"requestedQueryCost": 10, "throttleStatus":
            {"maximumAvailable": 1000, "currentlyAvailable": 0, "restoreRate": 100}});
        let errors = json!([{"message": "shpat_1", "extensions": {"code": code}}]);
        Reply::json(200, json!({"errors": errors, "extensions": {"cost": cost}}))
    };
    match name.as_str() {
        "ok" => shop_with(asked, "Basic", 1990, "2026-10"),
        "low" => shop_with(asked, "Basic", 399, "2026-10"),
        "fifth" => shop_with(asked, "Basic", 400, "2026-10"),
        "paused" => shop_with(asked, "Paused", 1990, "2026-10"),
        "inactive" => shop_with(asked, "Inactive", 1990, "2026-10"),
        "forward" => shop_with(asked, "Basic", 1990, "2027-01"),
        "wrong" => Reply::shop("other.myshopify.com"),
        "silent" => Reply::shop(asked.shop()),
        "busy" => errors("THROTTLED"),
        "scope" => errors("ACCESS_DENIED"),
        "failed" => errors("INTERNAL_SERVER_ERROR"),
        "html" => Reply::text(200, "<html>shpat_1</html>").header("content-type", "text/html"),
        "huge" => Reply::text(200, &"x".repeat(2 << 20)),
        "torn" => shop_with(asked, "Basic", 1990, "2026-10").cut(),
        "empty" => Reply::text(200, ""),
        other => panic!("no scene for {other}"),
    }
}

#[test]
fn what_a_shop_says_of_itself_of_its_credential_and_of_its_quota_are_three_results() {
    let expected = [
        ("ok", "healthy ok", "healthy ok", "healthy ok"),
        ("low", "healthy ok", "healthy ok", "degraded quota_low"),
        ("fifth", "healthy ok", "healthy ok", "healthy ok"),
        ("paused", "degraded plan_paused", "healthy ok", "healthy ok"),
        ("inactive", "degraded plan_inactive", "healthy ok", "healthy ok"),
        ("forward", "degraded version_fell_forward", "healthy ok", "healthy ok"),
        ("wrong", "unhealthy wrong_shop", "unhealthy wrong_shop", "unknown not_asked"),
        ("silent", "healthy ok", "healthy ok", "unknown not_told"),
        ("busy", "degraded throttled", "unknown throttled", "degraded quota_low"),
        ("scope", "healthy ok", "unhealthy forbidden", "degraded quota_low"),
        ("failed", "unknown provider_error", "unknown provider_error", "degraded quota_low"),
        ("html", "unknown bad_answer", "unknown bad_answer", "unknown not_asked"),
        ("huge", "unknown bad_answer", "unknown bad_answer", "unknown not_asked"),
        ("torn", "unknown unreachable", "unknown unreachable", "unknown not_asked"),
        ("empty", "unknown bad_answer", "unknown bad_answer", "unknown not_asked"),
        ("s401", "healthy ok", "unhealthy unauthorized", "unknown not_asked"),
        ("s402", "unhealthy shop_frozen", "unknown shop_frozen", "unknown not_asked"),
        ("s403", "healthy ok", "unhealthy forbidden", "unknown not_asked"),
        ("s404", "unhealthy shop_not_found", "unknown shop_not_found", "unknown not_asked"),
        ("s423", "unhealthy shop_locked", "unknown shop_locked", "unknown not_asked"),
        ("s429", "degraded throttled", "unknown throttled", "degraded throttled"),
        ("s430", "unknown security_rejection", "unknown security_rejection", "unknown not_asked"),
        ("s503", "unknown provider_error", "unknown provider_error", "unknown not_asked"),
        ("s418", "unknown bad_answer", "unknown bad_answer", "unknown not_asked"),
    ];
    let names: Vec<&str> = expected.iter().map(|(name, ..)| *name).collect();
    let shops = Shops::with("health_shops", &names, shopify);
    let (report, code) = shops.check(&["--service", "shopify"]);
    assert_eq!((code, report["overallStatus"].as_str()), (2, Some("unhealthy")));
    let mut wrong = Vec::new();
    for (name, shop, credential, quota) in expected {
        let told = [
            said(&report, &format!("shopify/w/{name}")),
            said(&report, &format!("credentials/w/{name}-cred")),
            said(&report, &format!("quotas/w/shopify/{name}")),
        ];
        if told != [shop, credential, quota] {
            wrong.push(format!("{name}: {told:?}"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    let low = &found(&report, "quotas/w/shopify/low")["metadata"];
    assert_eq!((&low["maximumAvailable"], &low["currentlyAvailable"]), (&json!(2000.0), &json!(399.0)));
    let forward = &found(&report, "shopify/w/forward")["metadata"];
    assert_eq!((&forward["apiVersion"], &forward["httpStatus"]), (&json!("2027-01"), &json!(200)));
    assert_eq!(found(&report, "shopify/w/ok")["tenantId"], "ok");
    let unreached = &found(&report, "shopify/w/torn")["metadata"];
    assert_eq!((&unreached["reached"], &unreached["provider_unreachable"]), (&json!(false), &json!(null)));
    // One question for each shop, however many results it has; what failed for the moment is asked again.
    assert_eq!(shops.services.asked("/ok.myshopify.com/").len(), 1);
}

#[test]
fn a_shop_that_asks_to_slow_down_is_left_alone_for_a_second() {
    let shops = Shops::with("health_slow_down", &["s429"], |_| Reply::text(429, "slow down"));
    let began = Instant::now();
    let (report, _) = shops.check(&["--service", "shopify"]);
    assert_eq!(said(&report, "shopify/w/s429"), "degraded throttled");
    assert_eq!(shops.services.asked("/graphql.json").len(), 3);
    assert!(began.elapsed() >= Duration::from_secs(2), "{:?}", began.elapsed());
}

#[test]
fn the_version_of_the_api_is_one_fact_and_ends_in_time() {
    let shops = Shops::with("health_version", &["ok"], shopify);
    let at = |at: &str| said(&shops.check_at(at, &["--service", "shopify"]).0, "shopify/api-version");
    assert_eq!(at("2027-08-02T16:59:59Z"), "healthy ok");
    assert_eq!(at("2027-08-02T17:00:00Z"), "degraded version_ends_soon");
    assert_eq!(at("2027-10-01T17:00:00Z"), "unhealthy version_ended");
}

fn group(id: &str, usage: Option<&str>, limit: &str) -> Value {
    let mut group = json!({"name": format!("accounts/{id}/groups/G{limit}"), "quotaLimit": limit, "quotaMinuteLimit": "60",
        "methodDetails": [{"method": "list", "version": "v1", "subapi": "products", "path": "x"}]});
    if let Some(usage) = usage {
        group["quotaUsage"] = json!(usage);
    }
    group
}

fn quotas(asked: &Asked) -> Reply {
    let id = asked.path.split('/').nth(4).unwrap();
    let groups = |groups: Value| Reply::json(200, json!({"quotaGroups": groups}));
    match id {
        "1" => groups(json!([group(id, None, "1000"), group(id, Some("799"), "1000")])),
        "2" => groups(json!([group(id, Some("800"), "1000")])),
        // The fullest is on the second page.
        "3" if asked.path.contains("pageToken=next") => groups(json!([group(id, Some("950"), "1000")])),
        "3" => {
            Reply::json(200, json!({"quotaGroups": [group(id, Some("1"), "10")], "nextPageToken": "next"}))
        }
        "4" => {
            Reply::json(200, json!({"quotaGroups": [group(id, Some("1"), "10")], "nextPageToken": "again"}))
        }
        "5" => groups(json!([group(id, Some("many"), "1000")])),
        "6" => Reply::google(429, "no", "quota/daily_limit_exceeded"),
        "7" => groups(json!([])),
        other => panic!("no quotas of {other}"),
    }
}

fn merchant(asked: &Asked) -> Reply {
    assert_eq!(asked.header("authorization"), "Bearer ya29.token");
    match asked.path.rsplit('/').next().unwrap() {
        "11" => Reply::google(401, "GCP project with id 7 is not registered with the merchant account", ""),
        "12" => Reply::google(403, "Merchant API has not been used in project 7", "SERVICE_DISABLED"),
        "13" => Reply::google(404, "no", "NOT_FOUND"),
        "14" => Reply::google(401, "Request had invalid authentication credentials", ""),
        "15" => Reply::google(429, "slow", "quota/request_rate_too_high"),
        "16" => Reply::json(200, json!({"name": "accounts/99", "accountId": "99"})),
        id => Reply::json(200, json!({"name": format!("accounts/{id}"), "accountId": id})),
    }
}

fn token(_: &Asked) -> Reply {
    Reply::json(200, json!({"access_token": "ya29.token", "token_type": "Bearer", "expires_in": 3599}))
}

#[test]
fn what_google_says_of_project_account_credential_and_quotas_is_told_apart() {
    let shops = Shops::new("health_google");
    shops.secret("account.json", &google_account());
    for id in ["1", "2", "3", "4", "5", "6", "7", "11", "12", "13", "14", "15", "16"] {
        shops.declare_account(id, "{file: secrets/account.json}");
    }
    shops.estate.apply().ok();
    shops.services.scene("/token", token).scene("/accounts/v1/", merchant).scene("/quota/v1/", quotas);
    let (report, code) = shops.check(&["--service", "google-merchant"]);
    assert_eq!(code, 2);
    let ok = "healthy ok";
    let mut wrong = Vec::new();
    for (id, account, credential, quota) in [
        ("1", ok, ok, ok),
        ("2", ok, ok, "degraded quota_warning"),
        ("3", ok, ok, "unhealthy quota_critical"),
        ("4", ok, ok, "unknown bad_answer"),
        ("5", ok, ok, "unknown bad_answer"),
        ("6", ok, ok, "unhealthy quota_exceeded"),
        ("7", ok, ok, ok),
        ("11", "unhealthy gcp_not_registered", ok, "unknown not_asked"),
        ("12", "unhealthy api_disabled", ok, "unknown not_asked"),
        ("13", "unhealthy account_not_found", ok, "unknown not_asked"),
        ("14", ok, "unhealthy unauthorized", "unknown not_asked"),
        ("15", "degraded quota_exceeded", ok, "unhealthy quota_exceeded"),
        ("16", "unhealthy wrong_account", "unhealthy wrong_account", "unknown not_asked"),
    ] {
        let told = [
            said(&report, &format!("google-merchant/w/G{id}")),
            said(&report, &format!("credentials/w/G{id}-cred")),
            said(&report, &format!("quotas/w/google-merchant/G{id}")),
        ];
        if told != [account, credential, quota] {
            wrong.push(format!("{id}: {told:?}"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    let third = found(&report, "quotas/w/google-merchant/G3");
    assert_eq!(third["metadata"]["usedPercent"], json!(95.0));
    assert_eq!(third["metadata"]["groups"], 2, "both pages");
    assert_eq!(third["metadata"]["resetsAt"], "2026-11-21T12:00:00Z");
    assert_eq!(shops.services.asked("/token").len(), 1, "concurrent callers share one token");
}

#[test]
fn a_token_that_is_refused_is_a_matter_of_the_credential_and_one_that_nobody_gives_is_one_of_the_provider() {
    let page = Reply::text(200, "<html>welcome</html>").header("content-type", "text/html");
    for (hint, reply, status, account, credential) in [
        (
            "dead",
            Reply::json(400, json!({"error": "invalid_grant"})),
            2,
            "unknown not_asked",
            "unhealthy invalid_grant",
        ),
        ("down", Reply::text(503, "down"), 3, "unknown provider_error", "unknown provider_error"),
        ("page", page, 3, "unknown bad_answer", "unknown bad_answer"),
        (
            "hangs",
            token(&asked_nothing()).after(Duration::from_secs(4)),
            3,
            "unknown timeout",
            "unknown timeout",
        ),
    ] {
        let shops = Shops::new(&format!("health_token_{hint}"));
        let grant = json!({"refresh_token": "r", "client_id": "i", "client_secret": "s"});
        shops.secret("grant.json", &grant.to_string());
        shops.declare_account("1", "{file: secrets/grant.json}");
        shops.estate.declare("HealthCheck", "g", "{service: google-merchant, timeout: 2s}");
        shops.estate.apply().ok();
        shops.services.scene("/token", move |_| reply.clone());
        let (report, code) = shops.check(&["--service", "google-merchant"]);
        assert_eq!(code, status, "{hint}: {report:#}");
        assert_eq!(said(&report, "credentials/w/G1-cred"), credential, "{hint}");
        assert_eq!(said(&report, "google-merchant/w/G1"), account, "{hint}");
        assert!(shops.services.asked("/accounts/").is_empty(), "{hint}");
    }
}

fn asked_nothing() -> Asked {
    Asked::default()
}

#[test]
fn an_expiring_credential_is_a_result_of_its_own_and_the_api_is_as_healthy_as_before() {
    let shops = Shops::new("health_expiring");
    shops.declare_with("ok", "secretRef: {env: TOKEN}, expiresAt: 2026-11-22T00:00:00Z");
    shops.estate.apply().ok();
    shops.services.scene("/graphql.json", shopify);
    let (report, code) = shops.check(&["--service", "shopify", "--service", "credentials"]);
    assert_eq!(said(&report, "shopify/w/ok"), "healthy ok");
    assert_eq!(said(&report, "credentials/w/ok-cred"), "healthy ok");
    assert_eq!(said(&report, "credentials/w"), "degraded expiring_soon");
    assert_eq!(code, 1, "{report:#}");
    let (report, code) = shops.check_at("2026-11-22T00:00:00Z", &["--service", "credentials"]);
    assert_eq!((said(&report, "credentials/w").as_str(), code), ("unhealthy expired", 2));
    assert_eq!(said(&report, "credentials/w/ok-cred"), "healthy ok");
}
