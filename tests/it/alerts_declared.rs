//! What is declared of alerts: what a review says of it, where an alert would go, tests of rules, and the commands that make
//! rules, channels and silences.

mod slips;

use serde_json::json;

use crate::support::estate::Estate;
use crate::support::project::Project;

/// An estate with a tenant that has a label, a rule for it, and channels one of which falls back on another.
fn estate(hint: &str) -> Estate {
    let estate = Estate::new(hint);
    estate.project.write(
        "manifests/T1.yaml",
        estate.project.read("manifests/T1.yaml").replace("name: T1", "name: T1\n  labels: {tier: gold}"),
    );
    estate.edit("hush.yaml", "label.away=yes", "tenant=T1");
    estate.edit("night.yaml", "matchers: [label.away=yes], ", "");
    estate.declare(
        "AlertRule",
        "down",
        "{when: {healthStatus: {checks: [shopify]}}, selector: {matchLabels: {tier: gold}}, severity: critical, channels: [chat]}",
    );
    estate
}

/// A run that finds no database at all: nothing may ask for one.
fn offline(project: &Project, args: &[&str]) -> crate::support::cli::Outcome {
    project
        .synthex(args.iter().copied())
        .env("SYNTHEX_DATABASE_URL", "postgresql://nobody@127.0.0.1:1/none")
        .run()
}

#[test]
fn the_way_of_an_alert_is_known_from_its_labels_alone() {
    let estate = estate("route");
    let route = |labels: &str, more: &[&str]| {
        offline(&estate.project, &[&["alerts", "route", "--labels", labels], more].concat())
    };
    let gold = route("tenant=T1,kind=health_status,check=shopify", &["--expect", "chat"]).ok();
    gold.stdout_has("rule down").stdout_has("chat, then log").stdout_has("It reaches chat.");
    // The tenant's own labels count, and so do those that are given in their place.
    route("tenant=T2,check=shopify", &["--expect", ""]).ok().stdout_has("recorded as unrouted");
    route("tenant=T2,check=shopify,label.tier=gold", &["--expect", "chat"]).ok();
    route("tenant=T1,check=disk", &["--expect", ""]).ok();
    route("kind=credential_expiry,severity=critical", &["--expect", "log,chat"]).ok();
    route("kind=credential_expiry,severity=info", &["--expect", ""]).ok();
    // What the fallback cannot deliver, its own fallback does not take.
    estate.declare("NotificationChannel", "last", "{type: console}");
    estate.edit("log.yaml", "{type: console}", "{type: console, fallback: last}");
    let gold = route("tenant=T1,kind=health_status,check=shopify", &["--format", "json"]).ok().json();
    assert_eq!(gold["rules"][0]["channels"][0]["fallbacks"], json!(["log"]), "{gold:#}");
    // Somebody else than expected: 1, and who.
    let wrong = route("tenant=T1,check=shopify", &["--expect", "log"]).code(1);
    wrong.stderr_has("Expected log, and it reaches chat.");
    let wrong =
        route("tenant=T1,check=shopify", &["--expect", "chat,log", "--format", "json"]).code(1).json();
    assert_eq!((&wrong["channels"], &wrong["as_expected"]), (&json!(["chat"]), &json!(false)), "{wrong:#}");
    // While a silence or a window counts, nobody is told.
    let muted = route("tenant=T1,check=shopify", &["--as-of", "2031-01-01T01:00:00Z", "--expect", ""]).ok();
    muted.stdout_has("muted by silence/hush").stdout_has("It reaches nobody now.");
    route("tenant=T1,check=shopify", &["--as-of", "2026-06-01T12:45:00Z", "--expect", ""])
        .ok()
        .stdout_has("window/night");
    // What is no label is said before anything else.
    route("tennant=T1", &[]).code(3).stderr_has("did you mean `tenant`?");
    route("severity=fatal", &[]).code(3).stderr_has("info, warning, critical");
    route("tenant", &[]).code(3).stderr_has("label=value");
    route("service=ebay", &[]).code(3).stderr_has("no alert has the service `ebay`");
    route("market=ANZ", &[]).code(3).stderr_has("no alert has the market `ANZ`");
    route("tenant=\u{1b}[31mT1", &[]).code(3).stderr_has("control characters");
    route("tenant==T1,check=shopify", &["--expect", "chat"]).ok();
    // A name with a slip is no answer.
    route("rule=dwon", &[]).code(3).stderr_has("did you mean `down`?");
    route("tenant=NOPE,check=shopify", &["--expect", ""]).code(3).stderr_has("no tenant `NOPE`");
    route("tenant=NOPE,check=shopify", &[]).ok().stderr_has("nothing is known of it but the labels given");
    estate.project.write("manifests/v.yaml", crate::support::project::workspace_yaml("v"));
    estate.project.write("manifests/V1.yaml", crate::support::project::tenant_yaml("V1", "v"));
    route("tenant=V1", &["--expect", ""]).code(3).stderr_has("it is in workspace `v`: add -w v");
    route("tenant=V1", &["-w", "v", "--expect", ""]).ok();
    estate.project.remove("manifests/v.yaml");
    estate.project.remove("manifests/V1.yaml");
    // What was applied is another question than what is declared.
    estate.apply().ok();
    estate.project.remove("manifests/down.yaml");
    route("tenant=T1,check=shopify", &["--expect", ""]).ok();
    let args = ["alerts", "route", "--labels", "tenant=T1,check=shopify", "--applied", "--expect", "chat"];
    estate.run(&args).ok();
}

const TESTS: &str = "{at: 2026-06-01T09:00:00Z, tests: [
  {name: a shop that is down, given: [{health: {service: shopify, tenant: T1, status: unhealthy}}],
   expect: [{rule: down, tenant: T1, check: shopify, severity: critical, channels: [chat]}]},
  {name: another shop is nobody's, given: [{health: {service: shopify, tenant: T2, status: unhealthy}}], expect: [{unrouted: true, tenant: T2}]},
  {name: a week before, given: [{credential: {name: c1, expiresIn: 6d}}],
   expect: [{rule: expiry, credential: c1, tenant: T1, threshold: 7d, severity: warning, channels: [log, chat]}]},
  {name: eight days before, given: [{credential: {name: c1, expiresIn: 8d}}], expect: []},
  {name: in the silence, at: 2031-01-01T01:00:00Z, given: [{credential: {name: c1, expiresIn: 0s}}],
   expect: [{threshold: expired, mutedBy: [silence/hush], channels: []}]}]}";

#[test]
fn tests_of_rules_run_with_nothing_but_the_manifests() {
    let estate = estate("alert_tests");
    offline(&estate.project, &["alerts", "test"]).ok().stderr_has("nothing was tested");
    estate.declare("AlertTest", "trial", TESTS);
    let outcome = offline(&estate.project, &["alerts", "test"]).ok();
    outcome.stdout_has("ok      alert-test/w/trial: a shop that is down").stdout_has("5 passed, 0 failed.");
    // They are no part of what is declared.
    let digest =
        |estate: &Estate| estate.run(&["validate", "--format", "json"]).ok().json()["digest"].clone();
    let before = digest(&estate);
    estate.edit("trial.yaml", "{rule: down, tenant: T1", "{rule: down, tenant: T3");
    assert_eq!(digest(&estate), before);
    let failed = offline(&estate.project, &["alerts", "test"]).code(1);
    failed
        .stdout_has("FAILED  alert-test/w/trial: a shop that is down")
        .stdout_has("- expected  rule: down, tenant: T3")
        .stdout_has(
            "+ found     rule: down, tenant: T1, check: shopify, severity: critical, channels: [chat]",
        )
        .stdout_has("4 passed, 1 failed.");
    let json = offline(&estate.project, &["alerts", "test", "--format", "json"]).code(1).json();
    assert_eq!((&json["total"], &json["failed"]), (&json!(5), &json!(1)));
    offline(&estate.project, &["alerts", "test", "eight days"]).ok().stdout_has("1 passed");
    // What selects nothing tests nothing.
    let nothing = offline(&estate.project, &["alerts", "test", "nine days"]).code(3);
    nothing.stderr_has("no test with `nine days` in its name").stderr_has("alert-test/w/trial");
    // A rule that changes is found by its test.
    estate.edit("trial.yaml", "{rule: down, tenant: T3", "{rule: down, tenant: T1");
    estate.edit("expiry.yaml", "[7d, expired]", "[5d, expired]");
    offline(&estate.project, &["alerts", "test"]).code(1).stdout_has("- expected  rule: expiry");
    estate.apply().ok();
    estate.is_converged();
}

#[test]
fn what_is_valid_and_not_meant_is_pointed_out() {
    let estate = estate("alert_review");
    let validate = |as_of: &str| estate.run(&["validate", "--as-of", as_of]);
    let quiet = validate("2026-06-01").ok();
    quiet.nowhere("SX03");
    // The silence has an end, and that comes.
    let over = validate("2031-01-01T04:00:00Z").ok();
    over.stderr_has("warning[SX0333]")
        .stderr_has("ended at 2031-01-01 04:00 UTC")
        .stderr_has("manifests/hush.yaml:4:");
    estate.run(&["plan", "--as-of", "2031-06-01"]).ok().stderr_has("SX0333");
    estate.edit("hush.yaml", "matchers: [tenant=T1]", "matchers: ['severity=~\"warning|critical\"']");
    validate("2026-06-01")
        .ok()
        .stderr_has("warning[SX0334]")
        .stderr_has("every critical alert of workspace `w`");
    estate.edit("down.yaml", "tier: gold", "tier: golden");
    validate("2026-06-01").ok().stderr_has("warning[SX0330]").stderr_has("manifests/down.yaml:4:");
    // Of a part of the manifests nobody can say that.
    estate.run(&["validate", "-f", "manifests/down.yaml", "-f", "manifests/chat.yaml"]).nowhere("SX0330");
    estate.edit("log.yaml", "type: console", "type: console, enabled: false");
    validate("2026-06-01").ok().stderr_has("warning[SX0331]").stderr_has("the channel `log` is switched off");
    estate.edit(
        "c1.yaml",
        "expiresAt: 2031-06-30T00:00:00Z",
        "issuedAt: 2031-06-25T00:00:00Z, expiresAt: 2031-06-30T00:00:00Z",
    );
    let short = validate("2026-06-01").ok();
    short.stderr_has("warning[SX0332]").stderr_has("`7d` is longer than the life of the credential `c1`");
    let json = estate.run(&["validate", "--as-of", "2026-06-01", "--format", "json"]).ok().json();
    assert!(
        json["diagnostics"].as_array().unwrap().iter().all(|one| one["severity"] == "warning"),
        "{json:#}"
    );
    estate.declare("HealthCheck", "seldom", "{service: memory, interval: 1d}");
    validate("2026-06-01")
        .ok()
        .stderr_has("warning[SX0335]")
        .stderr_has("manifests/seldom.yaml:4:")
        .stderr_has("`health-check/w/often` says already how `memory` is looked at");
    // A template that cannot be used is no warning.
    estate.edit("chat.yaml", "fallback: log", "fallback: log, template: {title: \"{{ titel }}\"}");
    let wrong = validate("2026-06-01").code(3);
    wrong
        .stderr_has("error[SX0327]")
        .stderr_has("there is no variable `titel`")
        .stderr_has("did you mean `title`?");
    estate.run(&["apply", "--yes"]).code(3).stderr_has("SX0327");
}

#[test]
fn rules_and_the_channels_they_need_are_made_by_commands() {
    let estate = Estate::applied("alert_rules");
    let create = |args: &[&str]| estate.run(&[&["alerts", "rules", "create"], args].concat());
    let mail =
        ["--type", "expiring_7d", "--channel", "email", "--recipients", "a@b.example,c@d.example", "--yes"];
    create(&mail).code(3).stderr_has("not said how mail is sent").stderr_has("--smtp-host HOST");
    let server = ["--smtp-host", "smtp.b.example", "--from", "alerts@b.example"];
    create(&[&mail[..], &server].concat()).ok().stdout_has("2 to create");
    let row = "select string_agg(concat_ws(' ', name, type, email->>'host', email->'to', owner), ' ') \
               from synthex.notification_channels where type = 'email'";
    assert_eq!(
        estate.value(row).as_deref(),
        Some("expiring-7d-email email smtp.b.example [\"a@b.example\", \"c@d.example\"] cli")
    );
    // The same people by the same server need no second channel; others get mail from the same server.
    create(&[&mail[..], &["--name", "again", "--severity", "critical"]].concat())
        .ok()
        .stdout_has("1 to create");
    let others = ["--type", "expired", "--channel", "email", "--recipients", "x@y.example", "--yes"];
    create(&others).ok().stdout_has("2 to create");
    create(&others).code(3).stderr_has("rule `expired` is there already");
    let usage =
        ["--type", "usage", "--metric", "error", "--above", "5", "--channel", "chat,console", "--dry-run"];
    create(&usage).ok().stdout_has("rule/w/usage").stdout_has("[chat, log]");
    create(&["--type", "usage", "--channel", "chat"]).code(3).stderr_has("--metric");
    // What would be dropped is refused.
    for (args, said) in [
        (&["--type", "expired", "--metric", "error"][..], "--metric is for --type usage"),
        (&["--type", "health", "--above", "5"], "--above is for --type usage"),
        (&["--type", "expired", "--window", "1h"], "--window is for --type usage"),
        (&["--type", "expired", "--checks", "shopify"], "--checks is for --type health"),
        (&["--type", "expired", "--recipients", "a@b.example"], "none of type email is"),
    ] {
        create(&[args, &["--name", "x", "--channel", "chat", "--yes"]].concat()).code(3).stderr_has(said);
    }
    create(&["--type", "expired", "--name", "x", "--channel", "chatt"])
        .code(3)
        .stderr_has("no channel `chatt`");
    create(&["--type", "health", "--checks", "shopfy", "--channel", "chat", "--yes"])
        .code(3)
        .stderr_has("--checks");
    create(&["--type", "expired", "--name", "expiry", "--channel", "chat"]).code(5).stderr_has("expiry.yaml");
    let listed = estate.run(&["alerts", "rules", "list"]).ok();
    listed.stdout_has("expiring-7d").stdout_has("expiry 7d, expired").stdout_has("chat, log");
    let rules = estate.run(&["alerts", "rules", "list", "--format", "json"]).ok().json();
    let again =
        rules["rules"].as_array().unwrap().iter().find(|rule| rule["name"] == "again").unwrap().clone();
    assert_eq!(again["alertType"], "expiring_7d", "{again:#}");
    assert_eq!(again["emailRecipients"], json!(["a@b.example", "c@d.example"]));
    assert_eq!(again["spec"]["when"]["credentialExpiry"]["severities"], json!({"7d": "critical"}));
    estate.run(&["alerts", "rules", "delete", "again", "--yes"]).ok().stdout_has("1 to delete");
    estate.run(&["alerts", "rules", "delete", "expiry", "--yes"]).code(5).stderr_has("is declared at");
    estate.run(&["alerts", "rules", "delete", "nothing", "--yes"]).code(3).stderr_has("nothing");
    estate.is_converged();
}

#[test]
fn silences_are_made_shown_and_ended_by_commands() {
    let estate = Estate::applied("alert_silences");
    let at =
        |time: &str, args: &[&str]| estate.run(&[&["alerts", "silences"], args, &["--as-of", time]].concat());
    let noon = "2026-06-01T12:00:00Z";
    let create = ["create", "-m", "tenant=T2", "--comment", "a move", "--yes"];
    at(noon, &create).code(3).stderr_has("--for");
    at(noon, &[&create[..], &["--for", "4h", "--name", "move"]].concat()).ok().stdout_has("silence/w/move");
    at(noon, &[&create[..], &["--until", "2026-06-01"]].concat()).code(3).stderr_has("that time is past");
    at(noon, &[&create[..], &["--for", "4 hours"]].concat()).code(3).stderr_has("--for");
    at(noon, &["create", "-m", "tennant=T2", "--comment", "c", "--for", "4h"])
        .code(3)
        .stderr_has("did you mean `tenant`?");
    at(noon, &["create", "-m", "tenant=~\".*\"", "--comment", "c", "--for", "4h"])
        .code(3)
        .stderr_has("fit every alert");
    // What is wrong with the conditions is said before what is wrong with the name.
    let again = ["create", "-m", "severity=high", "--comment", "c", "--for", "4h", "--name", "move"];
    at(noon, &again).code(3).stderr_has("no alert has the severity `high`");
    at(noon, &["create", "-m", "tenant=T2", "-m", "tenant=T3", "--comment", "c", "--for", "4h"])
        .code(3)
        .stderr_has("no alert meets all conditions on `tenant`");
    // Two in one second are two; a name that nobody has is said.
    for (name, until) in [("silence-20260601-120000", "1h"), ("silence-20260601-120000-2", "2026-06-02")] {
        let args =
            ["create", "-m", "tenant=T22", "--comment", "c", "--until", until, "--from", "30m", "--yes"];
        let made = at(noon, &args).ok();
        made.stdout_has(name).stdout_has("fits `T22`: did you mean `T2`?");
        at(noon, &["expire", name, "--yes"]).ok().stdout_has("has not begun, and goes");
    }
    let all =
        ["create", "-m", "severity=critical", "--until-resolved", "--comment", "c", "--name", "all", "--yes"];
    at(noon, &all).ok().stdout_has("this mutes every critical alert of workspace `w`");
    estate.database.sql(
        "insert into synthex.alerts (id, workspace, rule, kind, fingerprint, severity, status, title, message, started_at, \
         fired_at, changed_at, muted_by) select gen_random_uuid(), 'w', 'expiry', 'credential_expiry', sha256(n::text::bytea), 'info', \
         'firing', 't', 'm', now(), now(), now(), array['silence/move'] from generate_series(1, 2) n",
    );
    let state = |time: &str| -> Vec<String> {
        let json = at(time, &["list", "--all-states", "--format", "json"]).ok().json();
        let of = |one: &serde_json::Value| {
            let text = |name: &str| one[name].as_str().unwrap_or_default().to_owned();
            format!("{} {} {}", text("name"), text("state"), one["mutes"])
        };
        json["silences"].as_array().unwrap().iter().map(of).collect()
    };
    assert_eq!(state(noon), ["all active 0", "move active 2", "hush pending 0"]);
    assert_eq!(state("2026-06-01T16:00:00Z"), ["all active 0", "hush pending 0", "move expired 2"]);
    at(noon, &["list"]).ok().stdout_has("tenant=T2").stdout_has("a move").stdout_has("16:00 UTC");
    // Windows mute as well: the opening that counts, or the next one. Half past ten in Sydney is half past twelve in UTC.
    let window = |time: &str| {
        let window = at(time, &["list", "--format", "json"]).ok().json()["windows"][0].clone();
        json!([window["name"], window["state"], window["opensAt"], window["closesAt"]])
    };
    let opening = json!(["night", "pending", "2026-06-01T12:30:00Z", "2026-06-01T14:30:00Z"]);
    assert_eq!(window(noon), opening);
    assert_eq!(window("2026-06-01T13:00:00Z")[1], "active");
    assert_eq!(window("2026-06-01T14:30:00Z")[2], "2026-06-02T12:30:00Z");
    at(noon, &["list"]).ok().stdout_has("WINDOW").stdout_has("night").stdout_has("imports");
    // Its end is a change like any other, and what a manifest declares is not for commands to change.
    at("2026-06-01T13:00:00Z", &["expire", "move", "--yes"]).ok().stdout_has("endsAt");
    assert_eq!(state("2026-06-01T13:00:00Z"), ["all active 0", "hush pending 0", "move expired 2"]);
    at("2026-06-01T13:00:00Z", &["expire", "move", "--yes"]).ok().stdout_has("has ended already");
    at(noon, &["expire", "hush", "--yes"]).code(5).stderr_has("hush.yaml");
    at(noon, &["expire", "nothing", "--yes"]).code(3);
    estate.is_converged();
}

#[test]
fn what_a_channel_can_never_send_is_an_error_and_what_is_hardly_meant_a_warning() {
    let estate = estate("channel_settings");
    let mail = |fields: &str| {
        let spec =
            format!("{{type: email, email: {{transport: smtp, host: mail.agency.example, {fields}}}}}");
        estate.declare("NotificationChannel", "mail", &spec);
        offline(&estate.project, &["validate", "--as-of", "2026-06-01"])
    };
    let good = "from: ops@agency.example, to: [ana@agency.example]";
    mail(good).ok().nowhere("SX033");
    for wrong in [
        "from: 'Bad, Name <a@b.example>', to: [ana@agency.example]",
        "from: ops@agency.example, to: ['Bob <x@y.example>']",
    ] {
        let refused = mail(wrong).code(3).stderr_has("error[SX0309]: no mail can be sent with this address");
        refused.stderr_has("write the address and nothing else");
    }
    for (fields, code) in [
        ("username: ops", "SX0336"),
        ("password: {env: PW}", "SX0336"),
        ("port: 465, encryption: starttls", "SX0337"),
        ("port: 587, encryption: tls", "SX0337"),
    ] {
        mail(&format!("{good}, {fields}")).ok().stderr_has(&format!("warning[{code}]"));
    }
    mail("from: ops@agency.example, to: [ana@agency.example, Ana@agency.example]")
        .ok()
        .stderr_has("warning[SX0339]");
    mail(&format!("{good}, port: 465, encryption: tls, username: ops, password: {{env: PW}}"))
        .ok()
        .nowhere("SX033");
    estate.declare(
        "NotificationChannel",
        "hook",
        "{type: webhook, webhook: {url: 'https://hooks.agency.example/x', signingSecret: {env: A}, \
         previousSecret: {secret: {env: B}, until: 2026-05-01T00:00:00Z}}}",
    );
    mail(good).ok().stderr_has("warning[SX0338]").stderr_has("2026-05-01 00:00 UTC");
}
