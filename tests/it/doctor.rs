//! `doctor`: finds what is wrong with a set-up, says what to do about it, shows no secret, and never hangs.

use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::cli::{Outcome, Synthex};
use crate::support::database::{OWNER_PASSWORD, TestDatabase};
use crate::support::estate::Estate;
use crate::support::pgbouncer::PgBouncer;
use crate::support::project::{Project, project_yaml};
use crate::support::proxy::{Mode, Proxy};

const JSON: [&str; 3] = ["doctor", "--format", "json"];

/// The estate's secrets are there.
fn with_secrets(run: Synthex) -> Synthex {
    run.env("C1", "shpat_canary_c1").env("HOOK", "https://hooks.slack.com/services/T0/B0/canary_hook")
}

/// With everything applied, and no secret in a file of this machine.
fn estate(hint: &str) -> Estate {
    let estate = Estate::new(hint);
    estate.edit("c2.yaml", "{file: /run/secrets/c2}", "{env: C1}");
    estate.apply().ok();
    estate
}

fn doctor(estate: &Estate, args: &[&str]) -> Outcome {
    with_secrets(estate.synthex(&[&JSON, args].concat())).run()
}

/// `status what why help` of the check with that id.
#[track_caller]
fn check(json: &Value, id: &str) -> (String, String) {
    let checks = json["checks"].as_array().unwrap_or_else(|| panic!("{json:#}"));
    let found = checks.iter().find(|check| check["id"] == id).unwrap_or_else(|| panic!("{id}: {json:#}"));
    let text = |name: &str| found[name].as_str().unwrap_or_default().to_owned();
    assert!(
        !matches!(&*text("status"), "warn" | "fail") || !text("help").is_empty(),
        "nothing to do: {found:#}"
    );
    (text("status"), format!("{} | {} | {}", text("what"), text("why"), text("help")))
}

#[track_caller]
fn has(json: &Value, id: &str, status: &str, parts: &[&str]) {
    let (found, words) = check(json, id);
    assert_eq!(found, status, "{id}: {words}");
    for part in parts {
        assert!(words.contains(part), "{id}: {part:?} is not in {words:?}");
    }
}

fn ids(json: &Value, status: &str) -> Vec<String> {
    let checks = json["checks"].as_array().expect("a list").iter();
    checks
        .filter(|check| check["status"] == status)
        .map(|check| check["id"].as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn a_good_set_up_has_no_finding_but_that_nothing_watches() {
    let estate = estate("doctor_good");
    let outcome = doctor(&estate, &["--strict"]).ok();
    let json = outcome.nowhere("canary").json();
    assert_eq!((&json["format_version"], &json["status"]), (&json!("1.0"), &json!("ok")));
    assert!(ids(&json, "warn").is_empty() && ids(&json, "fail").is_empty(), "{json:#}");
    has(&json, "project.file", "ok", &["synthex.yaml: project `test`"]);
    has(&json, "project.manifests", "ok", &["14 resources in 14 files, all valid"]);
    has(&json, "secrets.credentials", "ok", &["2 secrets of credentials"]);
    has(&json, "secrets.channels", "ok", &["1 secret of channels"]);
    has(&json, "database.source", "ok", &["named by SYNTHEX_DATABASE_URL"]);
    has(&json, "database.role", "ok", &["role synthex may plan, apply and watch"]);
    has(&json, "database.migrations", "ok", &["up to date"]);
    has(&json, "database.pooler", "ok", &["PostgreSQL itself"]);
    has(&json, "database.calls", "ok", &["get through"]);
    has(&json, "controllers.running", "info", &["no controller", "project `test`", "synthex watch"]);
    has(&json, "messages.undelivered", "ok", &[]);
    assert_eq!(json["summary"]["ok"], json!(ids(&json, "ok").len()));
    let human = with_secrets(estate.synthex(&["doctor"])).run().ok().nowhere("canary");
    for part in ["Project\n", "Database\n", "This machine\n", "  ok    ", "        do:  ", " checks: "] {
        assert!(human.stdout.contains(part), "{part:?}: {human}");
    }
    with_secrets(estate.synthex(&["doctor", "--format", "markdown"])).run().code(3);
}

#[test]
fn without_a_project_and_a_database_the_rest_is_looked_at() {
    let nothing = Project::empty();
    let outcome = nothing.synthex(JSON).run().code(1);
    let json = outcome.json();
    has(&json, "project.file", "warn", &["no project in or above", "synthex init"]);
    has(&json, "database.source", "fail", &["no database is named", "SYNTHEX_DATABASE_URL"]);
    has(&json, "secrets.credentials", "skipped", &[]);
    has(&json, "controllers.running", "skipped", &[]);
    for id in ["machine.disk", "machine.memory", "machine.open-files"] {
        check(&json, id);
    }
    // A project and the embedded database: nothing is created to look at it.
    nothing.write("synthex.yaml", project_yaml("test"));
    nothing.write("manifests/empty.yaml", "");
    let state = nothing.path().join("state");
    let json = nothing.synthex(JSON).env("SYNTHEX_STATE_DIR", &state).run().json();
    has(&json, "database.source", "info", &["embedded", "not created yet"]);
    assert!(!state.exists());
    // In CI nobody may forget to name one.
    let json = nothing.synthex(JSON).env("CI", "true").run().code(1).json();
    has(&json, "database.source", "fail", &["no database is named", "--embedded"]);
}

#[test]
fn manifests_that_are_wrong_are_a_finding_and_no_end() {
    let estate = estate("doctor_manifests");
    estate.edit("T1.yaml", "market: ANZ_SMB", "market: MARS");
    let json = doctor(&estate, &[]).code(1).json();
    has(
        &json,
        "project.manifests",
        "fail",
        &["1 problem in the manifests", "T1.yaml:", "SX0156", "synthex validate"],
    );
    has(&json, "secrets.credentials", "skipped", &[]);
    has(&json, "database.role", "ok", &[]);
    estate.edit_project("kind: Project", "kind: Projekt");
    let json = doctor(&estate, &[]).code(1).json();
    has(&json, "project.file", "fail", &["cannot be used", "synthex.yaml:"]);
    has(&json, "database.role", "ok", &[]);
}

#[test]
fn a_database_that_does_not_answer_is_a_finding_within_its_time() {
    let database = TestDatabase::new("doctor_silent");
    let project = Project::new();
    project.write("manifests/empty.yaml", "");
    for mode in [Mode::Blackhole, Mode::Refuse] {
        let proxy = Proxy::before(&database, mode);
        let run = project.synthex(JSON).args(["--database-timeout", "2"]).limit(Duration::from_secs(30));
        let outcome = run.env("SYNTHEX_DATABASE_URL", proxy.url(&database)).run().code(1);
        let json = outcome.nowhere(OWNER_PASSWORD).json();
        has(&json, "database.reach", "fail", &[]);
        has(&json, "controllers.running", "skipped", &[]);
        check(&json, "machine.disk");
    }
    let wrong = database.tcp_url().replace(OWNER_PASSWORD, "canary-wrong-password");
    let outcome = project.synthex(["doctor"]).env("SYNTHEX_DATABASE_URL", wrong).run().code(1);
    outcome.stdout_has("FAIL  the database refused the login").nowhere("canary-wrong-password");
}

#[test]
fn a_transaction_pooler_is_recognised_by_what_it_keeps_back() {
    let estate = estate("doctor_pooler");
    let pooler = PgBouncer::start(&estate.database);
    let url = pooler.url(&estate.database);
    let run = |args: &[&str]| with_secrets(estate.synthex_at(&url, &[&JSON, args].concat())).run();
    let json = run(&[]).ok().nowhere(OWNER_PASSWORD).json();
    assert_eq!(json["status"], "warn");
    has(&json, "database.pooler", "info", &["a pooler stands in front"]);
    has(
        &json,
        "database.calls",
        "warn",
        &["do not get through", "transaction mode", "works by its intervals"],
    );
    has(&json, "database.role", "ok", &[]);
    has(&json, "messages.overdue", "ok", &[]);
    run(&["--strict"]).code(1);
}

#[test]
fn what_a_role_may_do_is_said() {
    let estate = estate("doctor_roles");
    let json_of = |url: &str| with_secrets(estate.synthex_at(url, &JSON)).run().json();
    let nobody = estate.database.create_role("nobody", "");
    let (status, words) = check(&json_of(&estate.database.url_as(&nobody)), "database.migrations");
    assert_eq!(status, "fail", "{words}");
    let reader = estate.database.create_role("reader", "");
    let select = format!(
        "grant usage on schema synthex to {reader}; grant select on all tables in schema synthex to {reader}"
    );
    estate.database.admin_sql(&select);
    let confined = json_of(&estate.database.url_as(&reader));
    has(&confined, "database.role", "info", &["one workspace at a time", "may plan"]);
    has(&confined, "controllers.running", "skipped", &["row-level security"]);
    estate.database.admin_sql(&format!("alter role {reader} bypassrls"));
    let json = json_of(&estate.database.url_as(&reader));
    has(&json, "database.role", "info", &["may read everything and not write"]);
    estate.database.admin_sql(&format!("revoke select on synthex.tenants from {reader}"));
    let json = json_of(&estate.database.url_as(&reader));
    has(&json, "database.role", "fail", &["may not read 1 tables", "tenants", "grant usage"]);
}

#[test]
fn migrations_that_are_missing_or_newer_are_said() {
    let empty = TestDatabase::new("doctor_empty");
    let project = Project::new();
    project.write("manifests/empty.yaml", "");
    let json = project.synthex(JSON).database(&empty).run().json();
    has(&json, "database.migrations", "info", &["not installed", "synthex apply"]);
    has(&json, "database.role", "ok", &["may install it"]);
    let estate = estate("doctor_older");
    estate
        .database
        .sql("drop table synthex.watch_replicas; delete from synthex.schema_migrations where version >= 10");
    let json = doctor(&estate, &[]).json();
    has(
        &json,
        "database.migrations",
        "warn",
        &["1 migration is not installed", "0010", "synthex db migrate"],
    );
    has(&json, "controllers.running", "skipped", &["the schema is older"]);
    estate
        .database
        .sql("insert into synthex.schema_migrations (version, description, checksum) values (9999, 'x', '')");
    let json = doctor(&estate, &[]).code(1).json();
    has(&json, "database.migrations", "fail", &["9999", "newer synthex"]);
}

#[test]
fn secrets_that_cannot_be_read_are_named_and_not_shown() {
    let estate = Estate::applied("doctor_secrets");
    let open = estate.project.write("open.txt", "canary_open_secret");
    std::fs::set_permissions(&open, std::fs::Permissions::from_mode(0o644)).unwrap();
    estate.edit("c2.yaml", "/run/secrets/c2", "open.txt");
    let run = || estate.synthex(&JSON).env("HOOK", "https://hooks.slack.com/services/canary_hook").run();
    let json = run().code(1).nowhere("canary").json();
    has(
        &json,
        "secrets.credentials",
        "fail",
        &["2 of 2 secrets", "the variable C1 is not set", "open to other users", "chmod 600"],
    );
    has(&json, "secrets.channels", "ok", &[]);
    std::fs::set_permissions(&open, std::fs::Permissions::from_mode(0o600)).unwrap();
    let json = run().ok().nowhere("canary").json();
    has(
        &json,
        "secrets.credentials",
        "warn",
        &["1 of 2 secrets", "credential/w/c1: the variable C1 is not set"],
    );
    // Secret Manager is a provider: only whether there is a key to ask it with is looked at.
    estate.edit("c2.yaml", "{file: open.txt}", "{gcpSecretManager: projects/p/secrets/s/versions/latest}");
    let json = doctor(&estate, &[]).ok().json();
    has(
        &json,
        "secrets.secret-manager",
        "warn",
        &["1 secret in Secret Manager", "GOOGLE_APPLICATION_CREDENTIALS"],
    );
}

#[test]
fn what_the_product_left_undone_is_said_with_the_command_that_does_it() {
    let estate = estate("doctor_product");
    estate.database.sql(
        "do $$ declare n uuid := gen_random_uuid(); begin \
           insert into synthex.notifications (id, workspace, type, event, severity, title, message, content, created_by, created_at) \
             values (n, 'w', 'message', 'message', 'info', 't', 'm', '{}', 'eva', now() - interval '90 minutes'); \
           insert into synthex.notification_deliveries (id, workspace, notification, channel, state, next_attempt_at, finished_at, created_at) \
             values (gen_random_uuid(), 'w', n, 'chat', 'dead', now(), now(), now() - interval '90 minutes'); \
           insert into synthex.notification_deliveries (id, workspace, notification, channel, next_attempt_at, created_at) \
             values (gen_random_uuid(), 'w', n, 'log', now() - interval '20 minutes', now() - interval '90 minutes'); \
         end $$",
    );
    estate.database.sql(
        "insert into synthex.batch_operations (id, project, command, actor, host, status, note, started_at, finished_at) \
         values (gen_random_uuid(), 'test', 'apply', 'eva', 'h', 'failed', 'x', now(), now())",
    );
    estate.database.sql(
        "update synthex.leases set holder = gen_random_uuid(), actor = 'eva', host = 'h', pid = 1, command = 'lease take', \
         reason = 'repair', acquired_at = now() - interval '3 hours', heartbeat_at = now(), expires_at = now() + interval '1 hour'",
    );
    estate.run(&["pause", "w", "--reason", "INC-12"]).ok();
    let json = doctor(&estate, &[]).ok().json();
    has(
        &json,
        "messages.undelivered",
        "warn",
        &["1 message", "channel w/chat", "synthex notify retry -w w --channel chat --since 2h"],
    );
    has(
        &json,
        "messages.overdue",
        "warn",
        &["1 message to be sent", "20 minutes ago", "synthex notify deliver"],
    );
    has(&json, "operations.failed", "warn", &["1 operation", "synthex history --revision"]);
    has(
        &json,
        "leases.held",
        "warn",
        &["1 lease held for more than an hour", "repair", "synthex lease release"],
    );
    has(&json, "controllers.pauses", "warn", &["1 workspace paused", "INC-12", "synthex resume workspace/w"]);
    // The command that it names is one.
    let retry = ["notify", "retry", "-w", "w", "--channel", "chat", "--since", "2h", "--dry-run"];
    with_secrets(estate.synthex(&retry)).run().ok();

    let leads = uuid::Uuid::from_u128(1);
    estate.database.sql(&format!(
        "insert into synthex.leases (name, token, holder, host, pid, acquired_at, heartbeat_at, expires_at) \
         values ('watch:test', 1, '{leads}', 'box-1', 7, now() - interval '3 hours', now(), now() + interval '1 hour')",
    ));
    estate.database.sql(&format!(
        "insert into synthex.watch_replicas (id, project, environment, host, pid, version, mode, is_leader, started_at, seen_at, tasks) \
         values ('{leads}', 'test', '', 'box-1', 7, '{}', 'enforce', true, now(), now(), \
                  '{{\"delivery\": {{\"failure\": {{\"what\": \"nothing was sent\", \"help\": \"look at the channel\"}}}}}}'), \
                (gen_random_uuid(), 'test', '', 'box-2', 8, '0.0.1', 'enforce', false, now(), now(), '{{}}'), \
                (gen_random_uuid(), 'test', '', 'box-3', 9, '0.0.1', 'enforce', true, now(), now() - interval '1 hour', '{{}}')",
        env!("CARGO_PKG_VERSION")
    ));
    estate.database.sql(
        "insert into synthex.watch_conditions (project, environment, workspace, type, status, reason, message, since, updated_at) \
         values ('test', '', 'w', 'Ready', 'False', 'Refused', 'too many deletions', now(), now())",
    );
    let json = doctor(&estate, &[]).ok().json();
    has(&json, "controllers.running", "ok", &["2 controllers", "box-1 (pid 7, enforce)", "box-2"]);
    has(&json, "controllers.leader", "ok", &["box-1 (pid 7) reconciles project `test`"]);
    // The lease of the one that reconciles is held for as long as he does.
    has(&json, "leases.held", "warn", &["1 lease held for more than an hour", "repair"]);
    has(
        &json,
        "controllers.tasks",
        "warn",
        &["1 task", "`delivery` on box-1 (pid 7)", "look at the channel"],
    );
    has(&json, "controllers.workspaces", "warn", &["1 of 1 workspace is not ready", "`w`: too many"]);
    has(&json, "controllers.versions", "warn", &["box-2 (pid 8) is synthex 0.0.1"]);
}

#[test]
fn a_limit_on_open_files_that_is_too_low_is_said() {
    let estate = estate("doctor_files");
    let run = with_secrets(estate.synthex(&JSON)).under("sh", &["-c", "ulimit -n 256; exec \"$0\" \"$@\""]);
    has(&run.run().ok().json(), "machine.open-files", "warn", &["only 256 files", "LimitNOFILE=1024"]);
}

#[test]
fn online_connects_to_those_who_are_called_and_sends_them_nothing() {
    let estate = estate("doctor_online");
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    let gone = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port();
    let network =
        |port| format!("network: {{allowCidrs: [127.0.0.0/8], allowPorts: [{port}], allowInsecure: true}}");
    let hook = |port| {
        format!("{{type: webhook, webhook: {{url: 'http://127.0.0.1:{port}/canary'}}, {}}}", network(port))
    };
    estate.declare("NotificationChannel", "there", &hook(port));
    estate.declare("NotificationChannel", "gone", &hook(gone));
    let closed = hook(port).replace("127.0.0.1:", "localtest.invalid:");
    estate.declare("NotificationChannel", "nowhere", &closed);
    estate.project.remove("manifests/chat.yaml");
    estate.edit("expiry.yaml", "[chat, log]", "[log]");
    let run = |args: &[&str]| {
        let run = with_secrets(estate.synthex(&[&JSON, args].concat()));
        run.env("SYNTHEX_SHOPIFY_BASE_URL", format!("http://127.0.0.1:{port}")).run()
    };
    let quiet = run(&[]).ok().json();
    assert!(ids(&quiet, "ok").iter().all(|id| !id.starts_with("online.")), "{quiet:#}");
    let seen = std::thread::spawn(move || {
        use std::io::Read as _;
        listener
            .incoming()
            .take(2)
            .map(|stream| {
                let mut sent = Vec::new();
                stream.unwrap().read_to_end(&mut sent).unwrap();
                sent.len()
            })
            .sum::<usize>()
    });
    let json = run(&["--online"]).ok().nowhere("canary").json();
    assert_eq!(seen.join().unwrap(), 0, "nothing is sent");
    has(&json, "online.service", "ok", &["Shopify (127.0.0.1:"]);
    let receivers: Vec<(String, String)> = json["checks"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|check| check["id"] == "online.receiver")
        .map(|check| {
            (check["status"].as_str().unwrap().to_owned(), format!("{} {}", check["what"], check["why"]))
        })
        .collect();
    let of = |part: &str| {
        receivers.iter().find(|(_, words)| words.contains(part)).unwrap_or_else(|| panic!("{receivers:?}"))
    };
    assert_eq!(of("w/there").0, "ok");
    assert_eq!(of("w/gone").0, "warn");
    assert_eq!(of("w/nowhere").0, "warn");
}
