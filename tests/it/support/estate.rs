//! A small estate: a project that declares every kind that is stored, the database it is applied to, and what a test asks
//! of the two.

use serde_json::Value;

use super::cli::{Outcome, Synthex};
use super::database::TestDatabase;
use super::project::{Project, project_yaml, tenant_yaml, workspace_yaml};

/// The tables that hold what is declared, in the order of dependency.
pub const DECLARED: [&str; 9] = [
    "workspaces",
    "tenant_templates",
    "tenants",
    "credentials",
    "notification_channels",
    "alert_rules",
    "silences",
    "maintenance_windows",
    "health_check_settings",
];

/// How many resources [`Estate::new`] declares.
pub const SIZE: usize = 14;

/// The columns in which two databases with the same declared state may differ.
const INCIDENTAL: &str = "'{id,revision,created_at,updated_at,deleted_at,touched_at,touched_by}'::text[]";

/// A project and its database.
pub struct Estate {
    pub project: Project,
    pub database: TestDatabase,
}

impl Estate {
    /// One of each kind and a few tenants in the workspace `w`; nothing is applied yet.
    pub fn new(hint: &str) -> Estate {
        Estate::on(TestDatabase::new(hint))
    }

    /// The same, in that database.
    /// Takes the project's own guards away, which are as good as none, so that the usual ones hold.
    pub fn with_usual_guards(self) -> Estate {
        let file = self.project.read("synthex.yaml");
        self.project
            .write("synthex.yaml", file.replace(", guards: {maxDeletes: 100, maxDeletePercent: 100}", ""));
        self
    }

    pub fn on(database: TestDatabase) -> Estate {
        let estate = Estate { project: Project::empty(), database };
        estate.write_manifests();
        estate
    }

    /// The same, with everything applied.
    #[track_caller]
    pub fn applied(hint: &str) -> Estate {
        let estate = Estate::new(hint);
        estate.apply().ok();
        estate
    }

    fn write_manifests(&self) {
        let project = &self.project;
        project.write(
            "synthex.yaml",
            project_yaml("test").replace(
                "spec: {}",
                "spec: {workspace: w, guards: {maxDeletes: 100, maxDeletePercent: 100}}",
            ),
        );
        project.write("manifests/w.yaml", workspace_yaml("w"));
        for name in ["T1", "T2", "T3"] {
            project.write(&format!("manifests/{name}.yaml"), tenant_yaml(name, "w"));
        }
        self.declare(
            "TenantTemplate",
            "shops",
            "{type: shopify, market: ANZ_SMB, region: AU-SE1, defaultMetadata: {currency: AUD}, setupSteps: [one, two]}",
        );
        self.declare(
            "Credential",
            "c1",
            "{tenant: T1, service: shopify, secretRef: {env: C1}, expiresAt: 2031-06-30T00:00:00Z}",
        );
        self.declare(
            "Credential",
            "c2",
            "{tenant: T2, service: shopify, secretRef: {file: /run/secrets/c2}}",
        );
        self.declare("NotificationChannel", "log", "{type: console}");
        self.declare(
            "NotificationChannel",
            "chat",
            "{type: slack, slack: {webhookUrl: {env: HOOK}}, fallback: log, rateLimitPerMinute: 30}",
        );
        let when = "when: {credentialExpiry: {thresholds: [7d, expired]}}";
        self.declare("AlertRule", "expiry", &format!("{{{when}, channels: [chat, log], reminder: 24h}}"));
        self.declare("AlertRule", "muted", &format!("{{{when}, channels: [log], enabled: false}}"));
        self.declare(
            "Silence",
            "hush",
            "{matchers: [label.away=yes], startsAt: 2031-01-01T00:00:00Z, duration: 4h, createdBy: ops, comment: a move}",
        );
        self.declare(
            "MaintenanceWindow",
            "night",
            "{matchers: [label.away=yes], every: {day: 1}, at: '22:30', duration: 2h, timeZone: Australia/Sydney, comment: imports}",
        );
        self.declare("HealthCheck", "often", "{service: memory, interval: 15m}");
    }

    /// Writes `manifests/NAME.yaml` with one resource of the workspace `w`; `spec` is YAML in flow style.
    pub fn declare(&self, kind: &str, name: &str, spec: &str) {
        let metadata = format!("{{name: {name}, workspace: w}}");
        let text = format!("apiVersion: synthex.dev/v1\nkind: {kind}\nmetadata: {metadata}\nspec: {spec}\n");
        self.project.write(&format!("manifests/{name}.yaml"), text);
    }

    /// A tenant whose spec has these fields besides the usual ones, each ` name: value`.
    pub fn declare_tenant(&self, name: &str, fields: &[&str]) {
        let mut text = tenant_yaml(name, "w");
        for field in fields {
            text.push_str(&format!("  {field}\n"));
        }
        self.project.write(&format!("manifests/{name}.yaml"), text);
    }

    /// Replaces a text in a manifest.
    #[track_caller]
    pub fn edit(&self, file: &str, from: &str, to: &str) {
        let path = format!("manifests/{file}");
        let text = self.project.read(&path);
        assert!(text.contains(from), "{from:?} is not in {path}:\n{text}");
        self.project.write(&path, text.replace(from, to));
    }

    /// Replaces a text in the project file.
    #[track_caller]
    pub fn edit_project(&self, from: &str, to: &str) {
        let text = self.project.read("synthex.yaml");
        assert!(text.contains(from), "{from:?} is not in the project file:\n{text}");
        self.project.write("synthex.yaml", text.replace(from, to));
    }

    /// A run against the database, as its owner.
    pub fn synthex(&self, args: &[&str]) -> Synthex {
        self.project.synthex(args.iter().copied()).database(&self.database)
    }

    /// The same through another URL.
    pub fn synthex_at(&self, url: &str, args: &[&str]) -> Synthex {
        self.project.synthex(args.iter().copied()).env("SYNTHEX_DATABASE_URL", url)
    }

    #[track_caller]
    pub fn run(&self, args: &[&str]) -> Outcome {
        self.synthex(args).run()
    }

    #[track_caller]
    pub fn apply(&self) -> Outcome {
        self.run(&["apply", "--yes"])
    }

    /// Plans, and expects to be told that there is nothing to do.
    #[track_caller]
    pub fn is_converged(&self) {
        self.run(&["plan", "--detailed-exitcode"]).ok().stdout_has("No changes.");
    }

    /// The plan as JSON, with these arguments besides.
    #[track_caller]
    pub fn plan(&self, args: &[&str]) -> Value {
        let all: Vec<&str> = ["plan", "--format", "json"].iter().chain(args).copied().collect();
        self.run(&all).json()
    }

    /// What the plan would do: `update tenant/w/T1 (displayName)`, in the order of the JSON.
    #[track_caller]
    pub fn changes(&self, args: &[&str]) -> Vec<String> {
        changes(&self.plan(args))
    }

    /// The one change that the plan has.
    #[track_caller]
    pub fn change(&self) -> Value {
        let plan = self.plan(&[]);
        let changes = plan["changes"].as_array().expect("a list");
        assert!(changes.len() == 1, "one change expected: {plan:#}");
        changes[0].clone()
    }

    /// Everything that must not change when an apply fails: declared rows, operations and their items, drift events.
    pub fn state(&self) -> Vec<String> {
        if self.database.query_one_i64("select count(*) from pg_namespace where nspname = 'synthex'") == 0 {
            return Vec::new();
        }
        let record = ["batch_operations", "batch_operation_items", "drift_events"];
        self.dump(DECLARED.iter().chain(&record).copied(), "to_jsonb(t)")
    }

    /// The declared rows that live, without what two databases with the same declared state may differ in.
    pub fn declared(&self) -> Vec<String> {
        let mut rows = self.dump(
            DECLARED.iter().copied(),
            &format!("case when deleted_at is null then to_jsonb(t) - {INCIDENTAL} end"),
        );
        rows.retain(|row| !row.ends_with(' '));
        rows
    }

    fn dump<'a>(&self, tables: impl Iterator<Item = &'a str>, row: &str) -> Vec<String> {
        let selects: Vec<String> = tables
            .map(|table| {
                // That something failed or was refused is on record, and is no change.
                let only = if table == "batch_operations" { "where status like '%applied'" } else { "" };
                format!("select '{table} ' || coalesce(({row})::text, '') from synthex.{table} t {only}")
            })
            .collect();
        let rows = self.database.query_strings(&format!("{} order by 1", selects.join(" union all ")));
        rows.into_iter().flatten().flatten().collect()
    }

    /// The one value of a query, as text.
    #[track_caller]
    pub fn value(&self, sql: &str) -> Option<String> {
        let mut rows = self.database.query_strings(sql);
        assert!(rows.len() == 1, "{} rows, not one: {sql}", rows.len());
        rows.remove(0).remove(0)
    }

    /// How many workspaces are leased to somebody at this moment.
    pub fn leases_held(&self) -> i64 {
        let held =
            "select count(*) from synthex.leases where holder is not null and expires_at > clock_timestamp()";
        self.database.query_one_i64(held)
    }

    /// Makes the database do `body` (PL/pgSQL) for each row of a table that synthex writes and `condition` holds for.
    pub fn trigger(&self, table: &str, events: &str, condition: &str, body: &str) {
        self.database.sql(&format!(
            "create or replace function public.sabotage() returns trigger language plpgsql as
                 $f$ begin if {condition} then {body} end if; return new; end $f$;
             create or replace trigger z_sabotage before {events} on synthex.{table}
                 for each row execute function public.sabotage();"
        ));
    }

    /// Makes the trigger do nothing, which takes no lock on its table.
    pub fn trigger_does_nothing(&self) {
        self.database.sql(
            "create or replace function public.sabotage() returns trigger language plpgsql as $f$ begin return new; end $f$",
        );
    }

    /// Takes the trigger away again.
    pub fn untrigger(&self, table: &str) {
        self.database.sql(&format!("drop trigger z_sabotage on synthex.{table}"));
    }
}

/// What a plan would do: `update tenant/w/T1 (displayName)`, in the order of the JSON.
#[track_caller]
pub fn changes(plan: &Value) -> Vec<String> {
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    let one = |change: &Value| {
        let fields: Vec<String> =
            change["fields"].as_array().expect("a list").iter().map(|field| text(&field["path"])).collect();
        let fields = if fields.is_empty() { String::new() } else { format!(" ({})", fields.join(", ")) };
        format!("{} {}{fields}", text(&change["action"]), text(&change["key"]))
    };
    plan["changes"].as_array().unwrap_or_else(|| panic!("no changes in {plan:#}")).iter().map(one).collect()
}
