//! Alerts: evaluated by the real binary over a real database, with `--as-of` for a clock.

mod acknowledging;
mod away;
mod desk;
mod expiry;
mod health;
mod lives;
mod muting;
mod racing;
mod renames;
mod rules;

use serde_json::Value;

use crate::support::estate::Estate;

/// The usual rule, told through an inbox.
const USUAL: &str = "{when: {credentialExpiry: {}}, channels: [box], reminder: never}";

/// An estate whose credential `c1` expires at the beginning of 2031-06-30 in UTC.
struct Watch {
    estate: Estate,
}

impl Watch {
    /// With one rule.
    fn new(hint: &str, rule: &str) -> Watch {
        let watch = Watch::without_rules(hint);
        watch.estate.declare("AlertRule", "expiry", rule);
        watch.apply();
        watch
    }

    /// With none. Nothing is applied yet.
    fn without_rules(hint: &str) -> Watch {
        let estate = Estate::new(hint);
        for name in ["expiry", "muted", "chat", "log"] {
            estate.project.remove(&format!("manifests/{name}.yaml"));
        }
        estate.declare("NotificationChannel", "box", "{type: in-app}");
        Watch { estate }
    }

    fn apply(&self) {
        self.estate.run(&["apply", "--yes", "--prune"]).ok();
    }

    fn expires(&self, at: &str) {
        let spec = format!("{{tenant: T1, service: shopify, secretRef: {{env: C1}}, expiresAt: {at}}}");
        self.estate.declare("Credential", "c1", &spec);
        self.apply();
    }

    /// Evaluates at that time, and gives back what is said of it.
    #[track_caller]
    fn check(&self, at: &str, args: &[&str]) -> Value {
        let all: Vec<&str> = ["alerts", "check-now", "--yes", "--as-of", at, "--format", "json"]
            .iter()
            .chain(args)
            .copied()
            .collect();
        self.estate.run(&all).ok().json()
    }

    /// The messages that were queued, the oldest first: `firing The Shopify credential ...`.
    fn told(&self) -> Vec<String> {
        let rows = self
            .estate
            .database
            .query_strings("select event || ' ' || title from synthex.notifications order by created_at, id");
        rows.into_iter().flatten().flatten().collect()
    }

    /// The thresholds in the order in which they were noticed: `7d told`.
    fn thresholds(&self) -> Vec<String> {
        let rows = self.estate.database.query_strings(
            "select threshold || ' ' || state from synthex.alert_thresholds order by crossed_at, state, threshold",
        );
        rows.into_iter().flatten().flatten().collect()
    }

    #[track_caller]
    fn list(&self, at: &str, args: &[&str]) -> Vec<Value> {
        let all: Vec<&str> =
            ["alerts", "list", "--as-of", at, "--format", "json"].iter().chain(args).copied().collect();
        let found = self.estate.run(&all).ok().json();
        found["alerts"].as_array().unwrap().clone()
    }

    /// The one alert that is not over.
    #[track_caller]
    fn alert(&self, at: &str) -> Value {
        let found = self.list(at, &[]);
        assert_eq!(found.len(), 1, "{found:#?}");
        found[0].clone()
    }

    /// A look at shops, as a health check would have written it: what they have settled on, what the last result said, with its
    /// code, and how many results in a row were bad and good.
    fn looked(&self, tenants: &[&str], stands: &str, last: (&str, &str), failures: i64, successes: i64) {
        for tenant in tenants {
            self.health(tenant, stands, last.1);
            self.estate.database.sql(&format!(
                "update synthex.health_status set last_status = '{}', failures = {failures}, successes = {successes}, \
                  severe = {failures} - {successes} where subject = '{tenant}'",
                last.0
            ));
        }
    }

    /// How a shop stands, as a health check would have written it.
    fn health(&self, tenant: &str, status: &str, code: &str) {
        self.estate.database.sql(&format!(
            "insert into synthex.health_status (workspace, service, subject, tenant, status, since, last_status, code, message, failures, \
              successes, checked_at) values ('w', 'shopify', '{tenant}', '{tenant}', '{status}', '2031-01-01Z', '{status}', '{code}', \
              'it said {code}', case '{status}' when 'healthy' then 0 else 3 end, case '{status}' when 'healthy' then 2 else 0 end, now()) \
             on conflict (workspace, service, subject) do update set status = excluded.status, last_status = excluded.last_status, \
              code = excluded.code, message = excluded.message, failures = excluded.failures, successes = excluded.successes"
        ));
    }
}
