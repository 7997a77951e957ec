//! What is kept of things that are not there any more, whichever service is looked at.

use super::answers::shop_with;
use super::{Shops, said};
use crate::support::services::Reply;

fn subjects(shops: &Shops, service: &str) -> String {
    let sql = format!(
        "select coalesce(string_agg(subject, ' ' order by subject), '') from synthex.health_status \
         where workspace = 'w' and service = '{service}'"
    );
    shops.estate.value(&sql).unwrap()
}

#[test]
fn a_credential_that_is_revoked_is_not_unhealthy_for_ever_where_only_shops_are_looked_at() {
    let shops = Shops::with("health_revoked", &["a", "b"], |asked| match asked.shop() {
        "a.myshopify.com" => Reply::text(401, "who is that"),
        _ => shop_with(asked, "Basic", 1990, "2026-10"),
    });
    for name in ["expiry", "muted", "chat", "log"] {
        shops.estate.project.remove(&format!("manifests/{name}.yaml"));
    }
    shops.declare_account("1", "{env: TOKEN}");
    shops.estate.declare("NotificationChannel", "box", "{type: in-app}");
    shops.estate.declare("AlertRule", "well", "{when: {healthStatus: {}}, channels: [box], reminder: 1h}");
    shops.estate.run(&["apply", "--yes", "--prune"]).ok();
    shops.services.scene("/accounts/v1/", |_| Reply::text(401, "who is that"));
    shops.check_at("2026-11-20T11:45:00Z", &["--service", "google-merchant"]);
    shops.check_at("2026-11-20T11:45:00Z", &["--service", "credentials"]);
    for at in ["2026-11-20T12:00:00Z", "2026-11-20T12:15:00Z", "2026-11-20T12:30:00Z"] {
        let (report, _) = shops.check_at(at, &["--service", "shopify"]);
        assert_eq!(said(&report, "credentials/w/a-cred"), "unhealthy unauthorized");
    }
    let alerts = |at: &str| {
        shops.run(&["alerts", "check-now", "--yes", "--as-of", at]).run().ok();
        let sql = "select coalesce(string_agg(status || ' ' || coalesce(resolve_reason, '-'), ', '), '') from synthex.alerts \
             where service = 'credentials'";
        shops.estate.value(sql).unwrap()
    };
    assert_eq!(alerts("2026-11-20T12:31:00Z"), "firing -");
    // Nobody is looked at whose credential is not there any more, nor is anything of Google.
    assert_eq!(subjects(&shops, "credentials"), " G1-cred a-cred b-cred");
    shops.estate.edit("a-cred.yaml", "service: shopify", "status: revoked, service: shopify");
    shops.estate.run(&["apply", "--yes"]).ok();
    shops.check_at("2026-11-20T12:45:00Z", &["--service", "shopify"]);
    assert_eq!(subjects(&shops, "credentials"), " G1-cred b-cred", "what is of others, or of all, stays");
    assert_eq!(subjects(&shops, "shopify"), "b");
    assert_eq!(subjects(&shops, "quotas").split(' ').count(), 2, "{}", subjects(&shops, "quotas"));
    assert_eq!(subjects(&shops, "google-merchant"), "G1");
    assert!(alerts("2026-11-20T12:46:00Z").starts_with("resolved "), "{}", alerts("2026-11-20T12:46:00Z"));
    // The same with one that was removed, and with all that is of Google.
    shops.estate.project.remove("manifests/b-cred.yaml");
    shops.estate.run(&["apply", "--yes", "--prune"]).ok();
    shops.check_at("2026-11-20T13:00:00Z", &["--service", "google-merchant"]);
    assert_eq!(subjects(&shops, "credentials"), " G1-cred");
    assert_eq!(
        (subjects(&shops, "shopify"), subjects(&shops, "google-merchant")),
        (String::new(), "G1".to_owned())
    );
    // Who looks at some tenants knows nothing of the others.
    shops.check_at("2026-11-20T13:15:00Z", &["--service", "google-merchant", "--tenant-id", "a"]);
    shops.check_at("2026-11-20T13:15:00Z", &["--service", "disk"]);
    assert_eq!(subjects(&shops, "google-merchant"), "G1");
}

#[test]
fn an_alert_of_a_tenant_that_is_suspended_ends_with_that_reason() {
    let shops = Shops::with("health_suspended", &["a", "b"], |asked| match asked.shop() {
        "a.myshopify.com" => Reply::text(402, "frozen"),
        _ => shop_with(asked, "Basic", 1990, "2026-10"),
    });
    for name in ["expiry", "muted", "chat", "log"] {
        shops.estate.project.remove(&format!("manifests/{name}.yaml"));
    }
    shops.estate.declare("NotificationChannel", "box", "{type: in-app}");
    shops.estate.declare("AlertRule", "well", "{when: {healthStatus: {}}, channels: [box], reminder: 1h}");
    shops.estate.run(&["apply", "--yes", "--prune"]).ok();
    for at in ["2026-11-20T12:00:00Z", "2026-11-20T12:15:00Z", "2026-11-20T12:30:00Z"] {
        shops.check_at(at, &["--service", "shopify"]);
    }
    let told = |at: &str| {
        shops.run(&["alerts", "check-now", "--yes", "--as-of", at]).run().ok();
        let sql = "select string_agg(status || ' ' || coalesce(resolve_reason, '-'), ', ') from synthex.alerts where service = 'shopify'";
        shops.estate.value(sql).unwrap()
    };
    assert_eq!(told("2026-11-20T12:31:00Z"), "firing -");
    // Whoever looks first, a health check or an evaluation.
    shops.estate.edit("t-a.yaml", "status: active", "status: suspended");
    shops.estate.run(&["apply", "--yes"]).ok();
    shops.check_at("2026-11-20T12:45:00Z", &["--service", "shopify"]);
    assert_eq!(told("2026-11-20T12:46:00Z"), "resolved suspended");
}
