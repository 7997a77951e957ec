//! Credentials at the terminal: how they stand, revoking and cleaning up, and what is said where nothing can be done. What
//! asks providers is in the modules below.

mod canary;
mod corners;
mod renew;
mod round;
mod verify;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use serde_json::{Value, json};

use crate::support::cli::{Outcome, Synthex};
use crate::support::estate::Estate;
use crate::support::project::tenant_yaml;
use crate::support::services::Services;

const NOW: &str = "2026-03-01T12:00:00Z";

/// A project with credentials, its database, and services that answer.
struct Shops {
    estate: Estate,
    services: Services,
}

impl Shops {
    fn new(hint: &str) -> Shops {
        let estate = Estate::new(hint);
        for name in ["c1", "c2"] {
            estate.project.remove(&format!("manifests/{name}.yaml"));
        }
        Shops { estate, services: Services::new() }
    }

    /// A tenant with a shop of its own, and its credential of the same name.
    fn declare(&self, name: &str, spec: &str) {
        self.estate.project.write(&format!("manifests/t-{name}.yaml"), tenant_yaml(name, "w"));
        let service = if spec.contains("service:") { "" } else { "service: shopify, " };
        self.estate.declare(
            "Credential",
            &format!("{name}-cred"),
            &format!("{{tenant: {name}, {service}{spec}}}"),
        );
    }

    /// A secret's file within the project, readable by its owner alone.
    fn secret(&self, name: &str, text: &str) -> PathBuf {
        let path = self.estate.project.write(&format!("secrets/{name}"), text);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        path
    }

    fn run(&self, args: &[&str]) -> Synthex {
        self.services.serve(self.estate.synthex(args)).env("COLUMNS", "200")
    }

    /// The words behind `tenant credentials`.
    fn credentials(&self, args: &[&str]) -> Synthex {
        self.run(&[&["tenant", "credentials"], args].concat())
    }

    #[track_caller]
    fn apply(&self) {
        self.estate.apply().ok();
    }

    /// Makes a credential one that commands made: nothing declares it any more.
    fn give_to_commands(&self, name: &str) {
        self.estate.project.remove(&format!("manifests/{name}.yaml"));
        self.estate.database.sql(&format!(
            "begin; set local synthex.engine = 'on'; update synthex.credentials set owner = 'cli' where name = '{name}'; commit"
        ));
    }
}

/// The values of a field, by the credential's name.
fn by_name(list: &Value, name: &str, field: &str) -> Value {
    let pair = |item: &Value| (item[name].as_str().unwrap_or_default().to_owned(), item[field].clone());
    list.as_array().into_iter().flatten().map(pair).collect::<serde_json::Map<_, _>>().into()
}

fn expiring(hint: &str) -> Shops {
    let shops = Shops::new(hint);
    for (name, at) in [
        ("Gone", "2026-02-27T00:00:00Z"),
        ("Now", NOW),
        ("Hours", "2026-03-01T18:00:00Z"),
        ("Week", "2026-03-08T12:00:00Z"),
        ("Later", "2026-03-08T12:00:01Z"),
    ] {
        shops.declare(name, &format!("secretRef: {{env: X}}, expiresAt: {at}"));
    }
    shops.declare("Never", "secretRef: {env: X}");
    shops.apply();
    shops
}

#[test]
fn every_credential_stands_as_its_last_second_says() {
    let shops = expiring("cred_list");
    let list = shops.credentials(&["list", "--as-of", NOW, "--format", "json"]).run().ok().json();
    let credentials = &list["credentials"];
    assert_eq!(list["total"], 6);
    assert_eq!(
        by_name(credentials, "name", "status"),
        json!({"Gone-cred": "expired", "Now-cred": "expired", "Hours-cred": "expiring_soon", "Week-cred": "expiring_soon",
            "Later-cred": "active", "Never-cred": "active"})
    );
    assert_eq!(
        by_name(credentials, "name", "daysUntilExpiry"),
        json!({"Gone-cred": -2, "Now-cred": 0, "Hours-cred": 1, "Week-cred": 7, "Later-cred": 8, "Never-cred": null})
    );
    assert_eq!(credentials[0]["tenantId"], "Gone");
    assert_eq!(credentials[0]["workspaceId"], "w");
    assert_eq!(credentials[0]["secretRef"], json!({"env": "X"}));
    let text = shops.credentials(&["list", "--as-of", NOW, "--status", "expired"]).run().ok();
    text.stdout_has("expired 2 days ago").stdout_has("expired just now").nowhere("Week-cred");
}

#[test]
fn what_expires_within_a_time_is_found_to_the_second() {
    let shops = expiring("cred_expiring");
    let within = |time: &str| {
        let args = ["expiring", "--within", time, "--as-of", NOW, "--detailed-exitcode", "--format", "json"];
        let outcome = shops.credentials(&args).run();
        let names: Vec<String> = outcome.json()["credentials"]
            .as_array()
            .unwrap()
            .iter()
            .map(|item| item["name"].as_str().unwrap().trim_end_matches("-cred").to_owned())
            .collect();
        (outcome.code, names.join(" "))
    };
    assert_eq!(within("7d"), (2, "Gone Now Hours Week".to_owned()));
    assert_eq!(within("30d"), (2, "Gone Now Hours Week Later".to_owned()));
    assert_eq!(within("0d"), (2, "Gone Now".to_owned()));
    let none = ["expiring", "--as-of", "2020-01-01", "--detailed-exitcode"];
    shops.credentials(&none).run().ok().stderr_has("No credential expires within 30 days");
}

#[test]
fn health_counts_by_service_and_says_what_to_do() {
    let shops = expiring("cred_health");
    let health = shops.credentials(&["health", "--as-of", NOW, "--format", "json"]).run().ok().json();
    assert_eq!(health["byStatus"], json!({"expired": 2, "expiring_soon": 2, "active": 2, "revoked": 0}));
    assert_eq!(health["byService"]["shopify"]["total"], 6);
    let codes: Vec<&str> =
        health["recommendations"].as_array().unwrap().iter().filter_map(|one| one["code"].as_str()).collect();
    assert_eq!(codes, ["expired", "expiring_soon", "never_verified", "expiry_unknown"]);
    let text = shops.credentials(&["health", "--as-of", NOW]).run().ok();
    text.stdout_has("Expired, and renewed by hand (2): Gone-cred, Now-cred").stdout_has("verify --all");
}

#[test]
fn revoking_goes_through_a_plan_and_twice_is_said() {
    let shops = Shops::new("cred_revoke");
    shops.declare("A", "secretRef: {env: X}, expiresAt: 2026-02-01T00:00:00Z");
    shops.declare("B", "secretRef: {env: X}");
    shops.apply();
    shops.credentials(&["revoke", "A-cred", "--yes"]).run().code(5).stderr_has("A-cred.yaml:1");
    shops.give_to_commands("A-cred");
    shops.credentials(&["revoke", "A-cred"]).run().code(3).stderr_has("--yes");
    shops.credentials(&["revoke", "A-cred", "--dry-run"]).run().ok().stdout_has("revoked");
    assert_eq!(status(&shops, "A-cred"), "active");
    let done = shops.credentials(&["revoke", "A-cred", "--yes"]).run().ok();
    done.stderr_has("work until they are revoked at the provider");
    assert_eq!(status(&shops, "A-cred"), "revoked");
    shops.credentials(&["revoke", "A-cred", "--yes"]).run().ok().stdout_has("A-cred is revoked already");
    let list = shops.credentials(&["list"]).run().ok().stderr_has("1 revoked and hidden");
    list.nowhere("A-cred");
    shops.credentials(&["list", "--all"]).run().ok().stdout_has("A-cred");
    // It is one of the operations, and can be taken back like any other.
    shops.run(&["history"]).run().ok().stdout_has("tenant credentials revoke");
}

fn status(shops: &Shops, name: &str) -> String {
    shops.estate.value(&format!("select status from synthex.credentials where name = '{name}'")).unwrap()
}

#[test]
fn cleanup_revokes_what_has_expired_and_nothing_else() {
    let shops = expiring("cred_cleanup");
    // Where all that has expired is declared, nothing is left to do.
    let refused = shops.credentials(&["cleanup", "--as-of", NOW, "--yes"]).run().code(5);
    refused.stderr_has("Gone-cred.yaml:1").stderr_has("Now-cred.yaml:1");
    for name in ["Gone-cred", "Now-cred", "Week-cred"] {
        shops.give_to_commands(name);
    }
    let args = ["batch", "credentials", "cleanup", "--workspace-ids", "w,nowhere", "--as-of", NOW, "--yes"];
    shops.run(&args).run().code(3).stderr_has("there is no workspace `nowhere`");
    let args = ["batch", "credentials", "cleanup", "--workspace-ids", "w", "--as-of", NOW, "--yes"];
    shops.run(&args).run().ok();
    assert_eq!([status(&shops, "Gone-cred"), status(&shops, "Now-cred")], ["revoked", "revoked"]);
    assert_eq!([status(&shops, "Week-cred"), status(&shops, "Later-cred")], ["active", "active"]);
    let rows = shops.estate.value("select count(*)::text from synthex.credentials where deleted_at is null");
    assert_eq!(rows.as_deref(), Some("6"), "none is deleted");
    let again = shops.run(&args).run().ok();
    again.stdout_has("none of the 6 credentials selected has expired");
}

#[test]
fn a_revoked_credential_can_be_declared_and_active_ones_keep_their_digest() {
    let shops = Shops::new("cred_declared");
    shops.declare("A", "secretRef: {env: X}");
    shops.apply();
    let digest = "select encode(digest, 'hex') from synthex.credentials where name = 'A-cred'";
    let before = shops.estate.value(digest);
    shops.declare("A", "secretRef: {env: X}, status: active");
    shops.estate.is_converged();
    assert_eq!(shops.estate.value(digest), before);
    shops.declare("A", "secretRef: {env: X}, status: revoked");
    assert_eq!(shops.estate.changes(&[]).len(), 1);
    shops.apply();
    shops.estate.is_converged();
    assert_eq!(status(&shops, "A-cred"), "revoked");
}

#[test]
fn what_is_observed_is_no_drift_and_no_plan_looks_at_it() {
    let shops = Shops::new("cred_apart");
    shops.declare("A", "secretRef: {env: TOKEN}");
    shops.apply();
    shops.services.scene("/graphql.json", |asked| crate::support::services::Reply::shop(asked.shop()));
    shops.credentials(&["verify", "--all"]).env("TOKEN", "t").run().ok();
    shops.estate.is_converged();
    shops.run(&["drift", "--detailed-exitcode"]).run().ok();
}

#[track_caller]
fn refused(shops: &Shops, args: &[&str]) -> Outcome {
    shops.credentials(args).run().code(3)
}

#[test]
fn wrong_input_is_named_and_nothing_is_asked() {
    let shops = Shops::new("cred_wrong");
    shops.declare("Acme", "secretRef: {env: X}");
    refused(&shops, &["verify", "x"]).stderr_has("nothing was applied to this database yet");
    shops.apply();
    refused(&shops, &["verify"]).stderr_has("--all");
    refused(&shops, &["renew"]).stderr_has("tenant credentials renew --all");
    let unknown = refused(&shops, &["verify", "Acme-cret", "other"]);
    unknown.stderr_has("`Acme-cret`, `other`").stderr_has("did you mean `Acme-cred`?");
    refused(&shops, &["list", "--tenant-ids", "Akme"]).stderr_has("did you mean `Acme`?");
    refused(&shops, &["list", "--status", "gone"]).stderr_has("expiring_soon");
    refused(&shops, &["expiring", "--within", "soon"]).stderr_has("12h, 7d or 30d");
    refused(&shops, &["list", "-l", "=gold"]);
    refused(&shops, &["list", "--format", "markdown"]);
    let far =
        shops.credentials(&["verify", "--all"]).env("SYNTHEX_GOOGLE_OAUTH_URL", "http://proxy.example/token");
    far.run().code(3).stderr_has("SYNTHEX_GOOGLE_OAUTH_URL").stderr_has("only https");
    let never = shops.credentials(&["verify", "--all"]).env("SYNTHEX_HTTP_TIMEOUT", "0").run().code(3);
    never.stderr_has("from 1 to 120");
    let json = shops.credentials(&["verify", "nobody", "--format", "json"]).run().code(3).json();
    assert_eq!(json["error"]["code"], "usage");
    assert!(shops.services.asked("").is_empty());
}
