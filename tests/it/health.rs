//! Health checks at the terminal: shops and accounts that answer in every way there is, what hangs, what is kept, and the forms in
//! which it is told.

mod answers;
mod forms;
mod gone;
mod machine;
mod outage;
mod racing;
mod reports;
mod runs;
mod secrets;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use serde_json::Value;

use crate::support::cli::{Outcome, Synthex};
use crate::support::estate::Estate;
use crate::support::project::tenant_yaml;
use crate::support::services::{Asked, Reply, Services};

const NOW: &str = "2026-11-20T12:00:00Z";

/// A project with shops, its database, and services that answer.
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

    /// The same with these shops, applied, whose token is in `TOKEN`; what they answer is a scene.
    fn with(hint: &str, names: &[&str], answer: impl Fn(&Asked) -> Reply + Send + Sync + 'static) -> Shops {
        let shops = Shops::new(hint);
        names.iter().for_each(|name| shops.declare(name));
        shops.estate.apply().ok();
        shops.services.scene("/graphql.json", answer);
        shops
    }

    /// A tenant with a shop of its own, and its credential.
    fn declare(&self, name: &str) {
        self.declare_with(name, "secretRef: {env: TOKEN}");
    }

    fn declare_with(&self, name: &str, spec: &str) {
        self.estate.project.write(&format!("manifests/t-{name}.yaml"), tenant_yaml(name, "w"));
        let spec = format!("{{tenant: {name}, service: shopify, {spec}}}");
        self.estate.declare("Credential", &format!("{name}-cred"), &spec);
    }

    /// A tenant with a merchant account, and its credential.
    fn declare_account(&self, id: &str, secret: &str) {
        let tenant = format!(
            "apiVersion: synthex.dev/v1\nkind: Tenant\nmetadata: {{name: G{id}, workspace: w}}\nspec:\n  displayName: G\n  \
             type: google-merchant\n  market: ANZ_SMB\n  region: AU-SE1\n  gmcMerchantId: \"{id}\"\n"
        );
        self.estate.project.write(&format!("manifests/g{id}.yaml"), tenant);
        let spec = format!("{{tenant: G{id}, service: google-merchant, secretRef: {secret}}}");
        self.estate.declare("Credential", &format!("G{id}-cred"), &spec);
    }

    /// A secret's file within the project, readable by its owner alone.
    fn secret(&self, name: &str, text: &str) -> PathBuf {
        let path = self.estate.project.write(&format!("secrets/{name}"), text);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        path
    }

    fn run(&self, args: &[&str]) -> Synthex {
        self.services.serve(self.estate.synthex(args)).env("COLUMNS", "200").env("TOKEN", "shpat_1")
    }

    /// `health check` at a time, as JSON, with its exit code.
    #[track_caller]
    fn check_at(&self, at: &str, args: &[&str]) -> (Value, i32) {
        let all = [&["health", "check", "--as-of", at, "--format", "json"], args].concat();
        let outcome = self.run(&all).run();
        (outcome.json(), outcome.code)
    }

    #[track_caller]
    fn check(&self, args: &[&str]) -> (Value, i32) {
        self.check_at(NOW, args)
    }

    /// How something stands, as it is kept: state and last result.
    #[track_caller]
    fn kept(&self, service: &str, subject: &str) -> String {
        let sql = format!(
            "select concat_ws(' ', status, last_status, code, failures, successes) from synthex.health_status \
             where service = '{service}' and subject = '{subject}'"
        );
        self.estate.value(&sql).unwrap()
    }
}

/// A result of a report, by its name.
#[track_caller]
fn found<'r>(report: &'r Value, name: &str) -> &'r Value {
    let checks = report["checks"].as_array().unwrap_or_else(|| panic!("no checks in {report:#}"));
    checks.iter().find(|check| check["name"] == name).unwrap_or_else(|| panic!("no {name} in {report:#}"))
}

/// `status code` of a result.
#[track_caller]
fn said(report: &Value, name: &str) -> String {
    let check = found(report, name);
    format!("{} {}", check["status"].as_str().unwrap(), check["code"].as_str().unwrap())
}

#[track_caller]
fn valid_json(outcome: &Outcome) -> Value {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("schemas/health_report.schema.json");
    let schema: Value = serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap();
    jsonschema::meta::validate(&schema).unwrap();
    let validator = jsonschema::options().should_validate_formats(true).offline().build(&schema).unwrap();
    let value = outcome.json();
    let problems: Vec<String> = validator.iter_errors(&value).map(|error| error.to_string()).collect();
    assert!(problems.is_empty(), "{problems:?}\n{value:#}");
    value
}
