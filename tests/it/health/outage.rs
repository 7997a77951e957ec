//! M-S9, M-H8: who gives access tokens belongs to the provider. While Google's token endpoint is away, nothing of Google can be
//! reached, and that is one alert.

use std::net::TcpListener;

use serde_json::json;

use super::{Shops, found, said};
use crate::support::services::{Reply, google_account};

/// A project with three merchant accounts that share a service account, and a rule that tells of what does not work.
fn three_accounts(hint: &str) -> Shops {
    let shops = Shops::new(hint);
    for name in ["expiry", "muted", "chat", "log"] {
        shops.estate.project.remove(&format!("manifests/{name}.yaml"));
    }
    shops.secret("account.json", &google_account());
    for id in ["1", "2", "3"] {
        shops.declare_account(id, "{file: secrets/account.json}");
    }
    shops.estate.declare("NotificationChannel", "box", "{type: in-app}");
    shops.estate.declare("AlertRule", "well", "{when: {healthStatus: {}}, channels: [box], reminder: never}");
    shops.estate.apply().ok();
    shops.services.scene("/token", |_| Reply::json(200, json!({"access_token": "t", "expires_in": 3599})));
    shops.services.scene("/accounts/v1/", |asked| {
        let id = asked.path.rsplit('/').next().unwrap();
        Reply::json(200, json!({"name": format!("accounts/{id}"), "accountId": id}))
    });
    shops.services.scene("/quota/v1/", |_| Reply::json(200, json!({"quotaGroups": []})));
    shops
}

fn told(shops: &Shops) -> Vec<String> {
    let sql = "select event || ' ' || title from synthex.notifications order by created_at, id";
    shops.estate.database.query_strings(sql).into_iter().flatten().flatten().collect()
}

#[test]
fn three_runs_without_a_token_are_one_alert_for_all_accounts() {
    let shops = three_accounts("health_no_token");
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let args = ["--service", "google-merchant"];
    let (report, code) = shops.check_at("2026-11-20T12:00:00Z", &args);
    assert_eq!(code, 0, "{report:#}");
    let look = |at: &str| {
        let all = [&["health", "check", "--format", "json", "--as-of", at], &args[..]].concat();
        let run = shops.run(&all).env("SYNTHEX_GOOGLE_OAUTH_URL", format!("http://{nobody}/token"));
        let outcome = run.run().stderr_has("Nothing of the Merchant API could be reached (3 asked)");
        let report = outcome.json();
        for id in ["1", "2", "3"] {
            let metadata = &found(&report, &format!("google-merchant/w/G{id}"))["metadata"];
            assert_eq!(
                (&metadata["reached"], &metadata["provider_unreachable"]),
                (&json!(false), &json!(true))
            );
            // It says nothing of the credentials, which may be as good as before.
            assert_eq!(said(&report, &format!("credentials/w/G{id}-cred")), "unknown unreachable");
        }
        (said(&report, "google-merchant/w/G1"), outcome.code)
    };
    assert_eq!(look("2026-11-20T12:15:00Z"), ("unknown unreachable".to_owned(), 3));
    assert_eq!(look("2026-11-20T12:30:00Z"), ("unknown unreachable".to_owned(), 3));
    assert_eq!(look("2026-11-20T12:45:00Z"), ("unhealthy unreachable".to_owned(), 2));
    assert_eq!(shops.kept("google-merchant", "G1"), "unhealthy unhealthy unreachable 3 0");
    assert_eq!(shops.kept("credentials", "G1-cred"), "healthy unknown unreachable 0 1");
    shops.run(&["alerts", "check-now", "--yes", "--as-of", "2026-11-20T12:46:00Z"]).run().ok();
    assert_eq!(told(&shops), ["firing The Google Merchant API does not answer for 3 of 3 tenants"]);
}

#[test]
fn a_grant_that_is_dead_is_no_outage() {
    let shops = three_accounts("health_dead_grant");
    shops.services.scene("/token", |_| Reply::json(400, json!({"error": "invalid_grant"})));
    for at in ["2026-11-20T12:00:00Z", "2026-11-20T12:15:00Z", "2026-11-20T12:30:00Z"] {
        let (report, code) = shops.check_at(at, &["--service", "google-merchant"]);
        assert_eq!(code, 2, "{report:#}");
        assert_eq!(said(&report, "google-merchant/w/G1"), "unknown not_asked");
    }
    assert_eq!(shops.kept("credentials", "G1-cred"), "unhealthy unhealthy invalid_grant 3 0");
    assert_eq!(shops.kept("google-merchant", "G1"), "unknown unknown not_asked 0 0");
    shops.run(&["alerts", "check-now", "--yes", "--as-of", "2026-11-20T12:31:00Z"]).run().ok();
    let told = told(&shops);
    assert!(told.iter().all(|told| !told.contains("does not answer")), "{told:?}");
    assert_eq!(told.len(), 1, "{told:?}");
}
