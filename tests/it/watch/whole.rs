//! All tasks at once: from a credential that comes close to its expiry to a message that was delivered; endpoints; a stop.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use crate::support::estate::Estate;
use crate::support::eventually;
use crate::support::services::{Reply, Services};

use super::{comes_true, value};

/// What an endpoint answers: its head and its body.
fn get(address: &str, path: &str) -> String {
    let Ok(mut stream) = TcpStream::connect(address) else { return String::new() };
    let request = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    let mut answer = String::new();
    if stream.write_all(request.as_bytes()).is_ok() {
        let _ended = stream.read_to_string(&mut answer);
    }
    answer
}

#[test]
fn from_a_saved_manifest_to_a_delivered_message() {
    let estate = Estate::new("watch_whole");
    estate.declare("NotificationChannel", "box", "{type: in-app}");
    estate.declare(
        "AlertRule",
        "soon",
        "{when: {credentialExpiry: {thresholds: [7d]}}, schedule: '* * * * *', channels: [box]}",
    );
    estate.declare(
        "AlertRule",
        "in-force",
        "{when: {healthStatus: {checks: [sync], statuses: [unhealthy]}}, schedule: '* * * * *', channels: [box]}",
    );
    let mut controller = estate
        .synthex(&["watch", "--interval", "1s", "--listen", "127.0.0.1:0"])
        .env("C1", "shpat_1")
        .limit(Duration::from_secs(240))
        .spawn();
    controller.wait_for_stderr("listen=");
    comes_true("the endpoint", || value(&estate, "select listen from synthex.watch_replicas").is_some());
    let address = value(&estate, "select listen from synthex.watch_replicas").expect("an address");
    comes_true("that it is ready", || get(&address, "/readyz").starts_with("HTTP/1.1 200"));
    assert!(get(&address, "/livez").starts_with("HTTP/1.1 200"));
    assert!(get(&address, "/metrics").contains("synthex_leader 1"));
    assert!(get(&address, "/status").contains("\"role\":\"leader\""));
    assert!(get(&address, "/").contains("<html"));
    // A credential comes close to its expiry, by a file that is saved.
    let soon = "to_char(now() at time zone 'UTC' + interval '3 days', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"')";
    let soon = value(&estate, &format!("select {soon}")).expect("a time");
    estate.edit("c1.yaml", "expiresAt: 2031-06-30T00:00:00Z", &format!("expiresAt: {soon}"));
    let told = "select count(*)::text from synthex.inbox_items where title ilike '%expires%' or body ilike '%expires%'";
    // A rule that goes by the minute may just have missed one.
    let is_told = eventually(Duration::from_secs(100), || value(&estate, told).as_deref() == Some("1"));
    assert!(is_told, "waited in vain for the message");
    // Something that a person must mend is told too, and its end.
    estate.edit("T1.yaml", "market: ANZ_SMB", "market: MARS");
    let sync = "select string_agg(title, ' | ' order by created_at) from synthex.inbox_items where body ilike '%MARS%' or title ilike '%sync%'";
    comes_true("that the manifests are bad", || {
        value(&estate, sync).is_some_and(|text| !text.contains("RESOLVED"))
    });
    estate.edit("T1.yaml", "market: MARS", "market: ANZ_SMB");
    comes_true("the end of it", || {
        value(&estate, "select count(*)::text from synthex.inbox_items where title like '%RESOLVED%'")
            .as_deref()
            == Some("1")
    });
    controller.terminate();
    controller.wait().code(143);
    assert_eq!(value(&estate, told).as_deref(), Some("1"), "told once");
    let left = "select count(*)::text from synthex.notification_deliveries where state = 'sending'";
    assert_eq!(value(&estate, left).as_deref(), Some("0"));
}

#[test]
fn an_address_for_others_needs_a_token() {
    let estate = Estate::applied("watch_token");
    let open = ["watch", "--listen", "0.0.0.0:0"];
    estate.run(&open).code(3).stderr_has("need a token").stderr_has("--listen-token-file");
    let short: Vec<&str> = open.iter().chain(&["--listen-token-env", "TOKEN"]).copied().collect();
    estate.synthex(&short).env("TOKEN", "abc").run().code(3).stderr_has("shorter than");
    estate.run(&short).code(3).stderr_has("TOKEN");
}

#[test]
fn a_heartbeat_is_heard_and_a_failure_too() {
    let estate = Estate::new("watch_heartbeat");
    let services = Services::new();
    services.scene("/ping/", |_| Reply::text(200, "OK"));
    let once = ["watch", "--once", "--tasks", "reconcile", "--heartbeat-allow-cidr", "127.0.0.0/8"];
    let url = format!("http://127.0.0.1:{}/ping/secret", services.port());
    estate.synthex(&once).env("SYNTHEX_HEARTBEAT_URL", &url).run().ok();
    estate.edit("T1.yaml", "market: ANZ_SMB", "market: MARS");
    let failed = estate.synthex(&once).env("SYNTHEX_HEARTBEAT_URL", &url).run().code(3);
    assert!(!failed.stderr.contains("ping/secret"), "{failed}");
    let paths: Vec<String> = services.asked("/ping/").into_iter().map(|asked| asked.path).collect();
    assert_eq!(paths, ["/ping/secret", "/ping/secret/fail"]);
}

#[test]
fn a_running_controller_is_heard_while_all_is_well_and_says_when_it_is_not() {
    let estate = Estate::new("watch_heard");
    let services = Services::new();
    services.scene("/ping/", |_| Reply::text(200, "OK"));
    let url = |who: &str| format!("http://127.0.0.1:{}/ping/{who}", services.port());
    let begin = |who: &str| {
        let args =
            ["watch", "--interval", "1s", "--tasks", "reconcile", "--heartbeat-allow-cidr", "127.0.0.0/8"];
        estate.synthex(&args).env("SYNTHEX_HEARTBEAT_URL", url(who)).limit(Duration::from_secs(120)).spawn()
    };
    let heard = || services.asked("/ping/").into_iter().map(|asked| asked.path).collect::<Vec<_>>();
    let count = |path: &str| heard().iter().filter(|own| *own == path).count();
    let first = begin("first");
    comes_true("two cycles", || count("/ping/first") >= 2);
    let second = begin("second");
    comes_true("the second controller", || {
        value(&estate, "select count(*)::text from synthex.watch_replicas").as_deref() == Some("2")
    });
    estate.edit("T1.yaml", "market: ANZ_SMB", "market: MARS");
    comes_true("two failures", || count("/ping/first/fail") >= 2);
    let all = heard();
    let since = all.iter().position(|path| path == "/ping/first/fail").expect("a failure");
    assert!(!all[since..].iter().any(|path| path == "/ping/first"), "well while it is not: {all:?}");
    estate.edit("T1.yaml", "market: MARS", "market: ANZ_SMB");
    let before = count("/ping/first");
    comes_true("that all is well again", || count("/ping/first") > before);
    // Who stands by completes no cycle, and says nothing until it leads.
    assert_eq!(count("/ping/second"), 0);
    first.kill();
    comes_true("the other one", || count("/ping/second") >= 1);
    second.terminate();
    second.wait().code(143);
}

#[test]
fn while_it_stops_it_still_answers_and_says_so() {
    let estate = Estate::new("watch_stopping");
    let services = Services::new();
    // Somebody who takes his time is waited for at the end.
    services.scene("/ping/", |_| Reply::text(200, "OK").after(Duration::from_secs(3)));
    let url = format!("http://127.0.0.1:{}/ping/secret", services.port());
    let args = ["watch", "--interval", "1s", "--tasks", "reconcile", "--listen", "127.0.0.1:0"];
    let controller = estate
        .synthex(&args)
        .args(["--heartbeat-allow-cidr", "127.0.0.0/8"])
        .env("SYNTHEX_HEARTBEAT_URL", url)
        .limit(Duration::from_secs(120))
        .spawn();
    comes_true("the endpoint", || value(&estate, "select listen from synthex.watch_replicas").is_some());
    let address = value(&estate, "select listen from synthex.watch_replicas").expect("an address");
    comes_true("that it is ready", || get(&address, "/readyz").starts_with("HTTP/1.1 200"));
    let asked = services.asked("/ping/").len();
    comes_true("a heartbeat under way", || services.asked("/ping/").len() > asked);
    controller.terminate();
    comes_true("that it says so", || {
        let said = get(&address, "/readyz");
        said.starts_with("HTTP/1.1 503") && said.contains("asked to stop")
    });
    assert!(get(&address, "/livez").starts_with("HTTP/1.1 200"), "it is alive");
    controller.wait().code(143);
    assert_eq!(get(&address, "/livez"), "", "nobody answers any more");
}

#[test]
fn who_is_on_call_is_not_told_that_all_is_well() {
    let estate = Estate::new("watch_readiness");
    let args = ["watch", "--interval", "1s", "--tasks", "reconcile", "--listen", "127.0.0.1:0"];
    let controller = estate.synthex(&args).limit(Duration::from_secs(120)).spawn();
    comes_true("the endpoint", || value(&estate, "select listen from synthex.watch_replicas").is_some());
    let address = value(&estate, "select listen from synthex.watch_replicas").expect("an address");
    comes_true("that it is ready", || get(&address, "/readyz").starts_with("HTTP/1.1 200"));
    estate.edit("T1.yaml", "market: ANZ_SMB", "market: MARS");
    // The last good revision is in force, and drift is corrected by it: it is ready, and says what is wrong.
    comes_true("the problem", || {
        let said = get(&address, "/readyz");
        said.starts_with("HTTP/1.1 200")
            && said.contains("not all is well: the newest manifests cannot be used")
    });
    assert!(
        !get(&address, "/readyz").contains("MARS"),
        "probes need no token, and tell nothing of manifests"
    );
    assert!(get(&address, "/status").contains("MARS"));
    // Within seconds everybody can see it.
    comes_true("that `watch status` says what fails", || {
        estate
            .run(&["watch", "status"])
            .ok()
            .stdout
            .lines()
            .any(|line| line.trim_end().ends_with("reconcile"))
    });
    drop(controller);
}
