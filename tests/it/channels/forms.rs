//! `channels list`, `channels test` of the channels without a receiver, `--dry-run`, `notify render`.

use serde_json::json;

use super::{Receivers, Reply, signing_secret};

#[test]
fn channels_are_listed_without_what_is_secret() {
    let receivers = Receivers::new("channels_list");
    let json = receivers.synthex(&["channels", "list", "--format", "json"]).run().ok().json();
    let names: Vec<&str> = json["channels"]
        .as_array()
        .unwrap()
        .iter()
        .map(|channel| channel["channel"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["hook", "inbox", "log", "resend", "sendgrid", "slack"]);
    let table = receivers.synthex(&["channels", "list"]).run().ok();
    table.stdout_has("ana@agency.example, bo@agency.example").nowhere("/hook");
    receivers.synthex(&["channels", "list", "--limit", "1"]).run().ok().stderr_has("1 of 6 are shown.");
    let none = receivers.synthex(&["channels", "list", "-l", "tier=gold"]).run().ok();
    none.stderr_has("No channel has labels that fit.");
}

#[test]
fn a_line_on_the_console_and_a_row_in_the_inbox() {
    let receivers = Receivers::new("channels_local");
    let outcome = receivers.test("log", &[]).ok().stdout_has("w log: [TEST] This is a test of the channel");
    assert_eq!(outcome.stdout.lines().count(), 1, "{outcome}");
    // JSON alone is on standard output, the line is where people look.
    let outcome = receivers.test("log", &["--format", "json"]).ok();
    assert_eq!(outcome.json()["ok"], true);
    outcome.stderr_has("\"type\":\"credential_expiry.test\"");
    receivers.test("inbox", &[]).ok().stderr_has("A test went through channel `inbox` to ana.");
    let rows = receivers
        .estate
        .database
        .query_strings("select recipient, state, title from synthex.inbox_items order by recipient");
    let rows: Vec<Vec<&str>> =
        rows.iter().map(|row| row.iter().map(|cell| cell.as_deref().unwrap()).collect()).collect();
    assert_eq!(
        rows,
        [
            ["ana", "unread", "[TEST] This is a test of the channel"],
            ["bo", "unread", "[TEST] This is a test of the channel"]
        ]
    );
}

#[test]
fn a_dry_run_shows_what_is_sent_and_sends_nothing() {
    let receivers = Receivers::new("channels_dry");
    for name in ["hook", "slack", "sendgrid", "resend", "log", "inbox"] {
        let outcome =
            receivers.test(name, &["--dry-run"]).ok().stdout_has("[TEST]").stderr_has("Nothing was sent.");
        if name == "sendgrid" {
            outcome.stdout_has("authorization: Bearer \u{2022}\u{2022}\u{2022}\n");
        } else if name == "slack" {
            outcome.stdout_has(&format!(
                "POST http://127.0.0.1:{}/\u{2022}\u{2022}\u{2022}\n",
                receivers.services.port()
            ));
        }
        receivers.test(name, &["--dry-run", "--format", "json"]).ok().json();
    }
    assert!(receivers.services.asked("").is_empty());
    assert_eq!(receivers.estate.database.query_one_i64("select count(*) from synthex.inbox_items"), 0);
    // The bytes are those that are sent.
    receivers.services.scene("/hook", |_| Reply::text(200, ""));
    let shown = receivers.test("hook", &["--dry-run"]).ok().stdout;
    receivers.test("hook", &[]).ok();
    let sent = receivers.services.asked("/hook").pop().unwrap();
    // And so are the headers, each of them.
    let mut lines = shown.split("\n\n").next().unwrap().lines();
    assert!(lines.next().unwrap().starts_with("POST "));
    let headers: Vec<(String, String)> = lines
        .map(|line| line.split_once(": ").unwrap())
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    let names = |headers: &[(String, String)]| {
        let mut names: Vec<String> = headers.iter().map(|(name, _)| name.to_lowercase()).collect();
        names.sort();
        names
    };
    assert_eq!(names(&headers), names(sent.headers()));
    for (name, value) in headers {
        // Ids, times and what is signed over them are those of an attempt.
        if !name.starts_with("webhook-") && name != "content-length" {
            assert_eq!(sent.header(&name), value, "{name}");
        }
    }
    let data = |text: &str| {
        let mut json: serde_json::Value = serde_json::from_str(text).unwrap();
        // The times of two attempts are two.
        json["timestamp"] = json!(null);
        json["data"]["at"] = json!(null);
        json["data"]["items"] = json!(null);
        json
    };
    assert_eq!(data(shown.split("\n\n").nth(1).unwrap()), data(&sent.body));
}

#[test]
fn of_channels_with_one_name_that_of_the_project_is_meant() {
    let receivers = Receivers::new("channels_usual");
    receivers.estate.project.write("manifests/u.yaml", crate::support::project::workspace_yaml("u"));
    receivers.estate.project.write(
        "manifests/u-log.yaml",
        "apiVersion: synthex.dev/v1\nkind: NotificationChannel\nmetadata: {name: log, workspace: u}\nspec: {type: console}\n",
    );
    receivers.estate.apply().ok();
    receivers.test("log", &[]).ok().stdout_has("w log: [TEST]");
    receivers.test("log", &["-w", "u"]).ok().stdout_has("u log: [TEST]");
    receivers.synthex(&["notify", "render", "--channel", "log"]).run().ok().stdout_has("w log: ");
    // The active workspace counts, and nothing is said of an option that there is not.
    let active = receivers.synthex(&["channels", "test", "log"]).env("SYNTHEX_WORKSPACE", "u").run();
    active
        .ok()
        .stdout_has("u log: [TEST]")
        .stderr_has("--workspace names another one")
        .nowhere("--all-workspaces");
}

#[test]
fn where_a_redirect_leads_is_said_without_what_is_secret_of_it() {
    let receivers = Receivers::new("channels_redirect");
    receivers.services.scene("/hook", |_| {
        Reply::text(302, "").header("Location", "https://new.example/hook?key=canary-redirect")
    });
    let moved = receivers.test("hook", &[]).code(8).nowhere("canary-redirect");
    moved.stderr_has("it sent us to https://new.example/hook, which is never followed");
    // A test is not queued: nothing is said of what happens to messages that are.
    receivers.services.scene("/hook", |_| Reply::text(503, ""));
    receivers.test("hook", &[]).code(8).stderr_has("a test is sent once").nowhere("by themselves");
    receivers.services.scene("/hook", |_| Reply::text(200, "").after(std::time::Duration::from_secs(3)));
    receivers.test("hook", &[]).code(8).stderr_has("`delivery.timeout`");
}

#[test]
fn what_cannot_be_tried_says_what_to_do() {
    let receivers = Receivers::new("channels_cannot");
    receivers.test("slak", &[]).code(3).stderr_has("did you mean `slack`?");
    let missing = receivers.synthex(&["channels", "test", "slack"]).without_env("HOOK").run();
    missing.code(8).stderr_has("the variable HOOK is not set");
    let short = signing_secret("x").replace("LS0t", "");
    let bad = receivers.synthex(&["channels", "test", "hook"]).env("SIGN", &short).run();
    bad.code(8).stderr_has("bad_secret").nowhere(&short);
    let endpoint = receivers
        .synthex(&["channels", "test", "resend"])
        .env("SYNTHEX_RESEND_URL", "http://proxy.example")
        .run();
    endpoint.code(3).stderr_has("SYNTHEX_RESEND_URL");
    assert!(receivers.services.asked("").is_empty());
}

#[test]
fn messages_are_shown_in_every_form() {
    let receivers = Receivers::new("channels_render");
    // A made-up one needs no database.
    let render = |args: &[&str]| {
        let all: Vec<&str> =
            ["notify", "render", "--as-of", "2026-03-01T12:00:00Z"].iter().chain(args).copied().collect();
        receivers.synthex(&all).run().ok()
    };
    render(&[]).stdout_has("[CRITICAL] 2 credentials expire soon\n");
    render(&["--as", "html", "--event", "resolved"]).stdout_has("<h1").stdout_has("[RESOLVED]");
    // Each event is told in the words in which it is told.
    let over = render(&["--event", "resolved"])
        .stdout_has("[RESOLVED] 2 credential alerts are over")
        .nowhere("expire");
    over.stdout_has("acme-shopify of SMB_CLIENT_001 was replaced");
    render(&["--event", "flapping"])
        .stdout_has("2 credential alerts come and go")
        .stdout_has("until it is quiet");
    render(&["--event", "delivery_failed"]).stdout_has("Not delivered through `ops-slack`: 2 credentials");
    assert_eq!(render(&["--as", "slack"]).json()["blocks"][0]["type"], "header");
    assert_eq!(render(&["--as", "webhook", "--late"]).json()["data"]["isLate"], true);
    assert_eq!(render(&["--as", "console"]).stdout.lines().count(), 1);
    assert_eq!(render(&["--format", "json"]).json()["as"], "text");
    // With a channel it has the channel's words and form.
    receivers.declare("own", "type: console, template: {title: '{{ itemsTotal }} in {{ workspace }}'}");
    receivers.estate.apply().ok();
    render(&["--channel", "own"]).stdout_has("w own: [CRITICAL] 2 in w");
    // One that is stored.
    receivers.estate.database.sql(
        "insert into synthex.notifications (id, workspace, type, event, severity, title, message, content, created_by, created_at) values \
         ('01985e3c-7d5a-7c3e-9d5e-0d6a3a3b2f10', 'w', 'message', 'message', 'info', 't', 'm', \
          '{\"topic\":\"message\",\"event\":\"message\",\"severity\":\"info\",\"workspace\":\"w\",\"title\":\"Stored\",\"text\":\"said\",\"at\":\"2026-03-01T12:00:00Z\"}', 'me', now())",
    );
    let id = "01985e3c-7d5a-7c3e-9d5e-0d6a3a3b2f10";
    render(&["--notification-id", id, "--channel", "slack"]).stdout_has("Stored");
    let unknown = ["notify", "render", "--notification-id", "01985e3c-7d5a-7c3e-9d5e-0d6a3a3b2f11"];
    receivers.synthex(&unknown).run().code(3).stderr_has("there is no notification");
}
