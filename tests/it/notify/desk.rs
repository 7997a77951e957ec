//! What a person sees and types at the desk: fallbacks, workspaces, names, ids, channels that stand still, workers that speak.

use serde_json::{Value, json};

use super::*;
use crate::support::cli::Outcome;
use crate::support::project::workspace_yaml;
use crate::support::services::{Reply, Services};

/// A webhook at a server, with a fallback to an inbox, beside a second workspace with a channel of its own.
fn desk(hint: &str) -> (Post, Services) {
    let services = Services::new();
    let port = services.port();
    let hook = format!(
        "{{type: webhook, webhook: {{url: 'http://127.0.0.1:{port}/hook'}}, fallback: box, delivery: {{retry: [3s]}}, \
         network: {{allowCidrs: [127.0.0.0/8], allowPorts: [{port}], allowInsecure: true}}}}"
    );
    let post = Post::new(
        hint,
        &[("c", "{type: console}"), ("box", "{type: in-app, inApp: {recipients: [ana]}}"), ("hook", &hook)],
    );
    post.estate.project.write("manifests/u.yaml", workspace_yaml("u"));
    post.estate.project.write(
        "manifests/u-line.yaml",
        "apiVersion: synthex.dev/v1\nkind: NotificationChannel\nmetadata: {name: u-line, workspace: u}\nspec: {type: console}\n",
    );
    post.estate.apply().ok();
    (post, services)
}

fn run(post: &Post, words: &[&str]) -> Outcome {
    let args: Vec<&str> = ["notify"].iter().chain(words).copied().collect();
    post.estate.synthex(&args).env("COLUMNS", "240").run()
}

fn send(post: &Post, title: &str, channel: &str, more: &[&str]) -> Outcome {
    let words = ["send", "--title", title, "--message", "m", "--channel", channel];
    run(post, &words.iter().chain(more).copied().collect::<Vec<_>>())
}

fn newest(post: &Post) -> String {
    let listed = run(post, &["list", "--format", "json"]).ok().json();
    listed["notifications"][0]["id"].as_str().unwrap().to_owned()
}

#[test]
fn a_message_that_fails_is_told_through_the_fallback_by_the_same_command() {
    let (post, services) = desk("desk_fallback");
    services.scene("/hook", |_| Reply::text(404, "nobody"));
    let sent = send(&post, "News", "hook", &[]).code(8);
    sent.stdout_has("hook: failed after 1 attempt: not_found").stdout_has("box to ana: sent");
    run(&post, &["inbox", "--recipient", "ana"]).ok().stdout_has("Not delivered through `hook`: News");
    run(&post, &["deliver", "--once"]).ok().stdout_has("Nothing was due");
    // Tried again in vain: told again, and what was told the first time is not part of it.
    let id = post.estate.value("select id::text from synthex.notifications where event = 'message'").unwrap();
    let again = run(&post, &["retry", "--notification-id", &id, "--format", "json"]).code(8).json();
    assert_eq!(again["notifications"].as_array().unwrap().len(), 1, "{again:#}");
    assert_eq!(again["fallbacks"].as_array().unwrap().len(), 1, "{again:#}");
    assert_eq!(again["fallbacks"][0]["deliveryStatus"], json!({"box": "sent"}));
    assert_eq!(post.count("inbox_items"), 2);
}

#[test]
fn what_waits_says_when_and_which_command_sends_it() {
    let (post, services) = desk("desk_waits");
    services.scene("/hook", |_| Reply::text(503, "busy"));
    let sent = send(&post, "News", "hook", &[]).code(8).nowhere("just now");
    sent.stdout_has("hook: tried again in ").stdout_has(" seconds after 1 attempt: server_error");
    run(&post, &["deliver", "--dry-run"]).ok().stdout_has("in ").nowhere("just now");
    let sent = send(&post, "News", "hook", &[]).code(8);
    sent.stderr_has("1 waits: `synthex notify deliver` sends it when it is due.");
    send(&post, "News", "c", &["--queue"]).ok().stderr_has("`synthex notify deliver` sends what is queued.");
}

#[test]
fn a_workspace_that_is_named_bounds_what_an_id_means() {
    let (post, services) = desk("desk_workspace");
    services.scene("/hook", |_| Reply::text(404, "nobody"));
    send(&post, "News", "c", &["--queue"]).ok();
    let id = newest(&post);
    for words in [&["show", &id][..], &["cancel", &id], &["retry", "--notification-id", &id]] {
        let elsewhere: Vec<&str> = words.iter().copied().chain(["-w", "u"]).collect();
        run(&post, &elsewhere).code(3).stderr_has("there is no notification").stderr_has("workspace `u`");
    }
    assert_eq!(post.states(), ["c message pending"]);
    send(&post, "News", "box", &[]).ok();
    let item = post.estate.value("select id::text from synthex.inbox_items").unwrap();
    run(&post, &["inbox", "--read", &item, "-w", "u"]).code(3).stderr_has("in workspace `u`");
    assert_eq!(post.estate.value("select state from synthex.inbox_items").as_deref(), Some("unread"));
    run(&post, &["inbox", "--read", &item, "-w", "w"]).ok().stdout_has("1 marked as read");
    run(&post, &["cancel", &id, "-w", "w"]).ok().stdout_has("1 taken back");
}

#[test]
fn a_name_that_nobody_has_is_an_error_and_what_is_like_it_is_said() {
    let (post, _services) = desk("desk_names");
    for words in [&["retry", "--channel", "hok", "--since", "2h"][..], &["list", "--channel", "hok"]] {
        run(&post, words).code(3).stderr_has("there is no channel `hok`").stderr_has("did you mean `hook`?");
    }
    run(&post, &["inbox", "--recipient", "anna"]).code(3).stderr_has("did you mean `ana`?");
    run(&post, &["inbox", "--recipient", "ana"]).ok().stderr_has("The inbox is empty.");
    run(&post, &["list", "--channel", "hook"]).ok().stderr_has("There is no such notification.");
    run(&post, &["retry", "--channel", "hook", "--since", "2h"]).ok().stderr_has("nothing to try again");
    // A channel that is gone has its past.
    send(&post, "News", "c", &[]).ok();
    post.estate.project.remove("manifests/c.yaml");
    post.estate.run(&["apply", "--yes", "--prune"]).ok();
    run(&post, &["list", "--channel", "c"]).ok().stdout_has("News");
    run(&post, &["list", "--channel", "c", "--status", "dead"]).ok();
    // All that are wrong are said, empty ones too, and where else one is.
    let wrong = send(&post, "News", "hok,u-line,box", &[]).code(3);
    wrong.stderr_has("did you mean `hook`?").stderr_has("workspace `u` has one: --workspace u");
    for empty in ["", "box,", " "] {
        send(&post, "News", empty, &[]).code(3).stderr_has("`--channel` has an empty name");
    }
    let once = send(&post, "News", "box,box", &["--dry-run", "--format", "json"]).ok().json();
    assert_eq!(once["channels"].as_array().unwrap().len(), 1, "{once:#}");
}

#[test]
fn the_beginning_of_an_id_is_enough_where_one_thing_begins_like_it() {
    let (post, _services) = desk("desk_ids");
    let id = "0190aaaa-0000-7000-8000-000000000001";
    for (id, title) in [(id, "One"), ("0190bbbb-0000-7000-8000-000000000001", "Two")] {
        let id = Uuid::parse_str(id).unwrap();
        post.queue(&[NewNotification { id, ..message(title, &["c"]) }]);
    }
    run(&post, &["show", "0190aaaa"]).ok().stdout_has("One").stdout_has("\nmessage in w, ");
    run(&post, &["show", id]).ok().stdout_has("One");
    let both = run(&post, &["show", "0190"]).code(3).stderr_has("more than one id begins with 0190");
    both.stderr_has("One").stderr_has("Two");
    run(&post, &["show", "0191"]).code(3).stderr_has("there is no notification and no delivery 0191");
    run(&post, &["show", "xyz"]).code(3).stderr_has("at least its first four characters");
    let delivery = post
        .estate
        .value("select id::text from synthex.notification_deliveries order by id limit 1")
        .unwrap();
    run(&post, &["show", &delivery]).ok().stdout_has("One");
    run(&post, &["cancel", "0190aaaa"]).ok().stdout_has("1 taken back: c cancelled");
    run(&post, &["retry", "--delivery-id", &delivery[..20]]).ok().stdout_has("c: sent");
    run(&post, &["render", "--notification-id", "0190bbbb"]).ok().stdout_has("Two");
}

#[test]
fn a_channel_that_stands_still_is_seen_before_something_is_sent() {
    let (post, services) = desk("desk_still");
    let channels = |more: &[&str]| post.estate.run(&[&["channels", "list"], more].concat()).ok();
    let one = |field: &str| {
        let json = channels(&["--format", "json"]).json();
        let all = json["channels"].as_array().unwrap();
        all.iter().find(|channel| channel["channel"] == "hook").unwrap()[field].clone()
    };
    assert_eq!((one("disabled"), one("pausedUntil")), (Value::Null, Value::Null));
    services.scene("/hook", |_| Reply::text(429, "slow").header("Retry-After", "600"));
    send(&post, "News", "hook", &[]).code(8);
    assert!(one("pausedUntil").is_string());
    channels(&[]).stdout_has("paused: in 9 minutes");
    send(&post, "News", "hook", &["--dry-run"]).ok().stdout_has("hook: would be sent, not before ");
    services.scene("/hook", |_| Reply::text(410, "moved away"));
    run(&post, &["retry", "--channel", "hook", "--since", "1h"]).code(8);
    channels(&[]).stdout_has("disabled: ");
    assert!(one("disabled").as_str().unwrap().contains("410"));
    let dry = send(&post, "News", "hook", &["--dry-run"]).ok();
    dry.stdout_has(
        "hook: would not be sent, since the channel is disabled until its manifest changes, or for an hour",
    );
    // After an hour the next message tries it again, and that is what is said.
    post.estate
        .database
        .sql("update synthex.channel_status set disabled_at = disabled_at - interval '61 minutes'");
    assert_eq!(one("disabled"), Value::Null);
    send(&post, "News", "hook", &["--dry-run"]).ok().stdout_has("hook: would be sent");
}

#[test]
fn a_worker_says_what_does_not_get_through() {
    let (post, services) = desk("desk_worker");
    services.scene("/hook", |_| Reply::text(404, "nobody"));
    send(&post, "News", "hook", &["--queue"]).ok();
    let id = newest(&post);
    let worked = run(&post, &["deliver", "--once"]).code(7).stdout_has("1 failed for good");
    worked
        .stderr_has("WARN")
        .stderr_has("not delivered through `hook`, \"News\": failed: the receiver answered 404")
        .stderr_has("code=\"not_found\"")
        .stderr_has(&format!("synthex notify retry --notification-id {id}"));
    send(&post, "Other", "hook", &["--queue"]).ok();
    let json = run(&post, &["deliver", "--once", "--format", "json"]).code(7).json();
    assert_eq!(json["missed"].as_array().unwrap().len(), 1, "{json:#}");
    let missed = &json["missed"][0];
    assert_eq!(
        (&missed["channel"], &missed["title"], &missed["code"], &missed["state"]),
        (&json!("hook"), &json!("Other"), &json!("not_found"), &json!("failed"))
    );
    // What is to be tried again is said to who asks for more.
    services.scene("/hook", |_| Reply::text(503, "busy"));
    send(&post, "Third", "hook", &["--queue"]).ok();
    let worked = run(&post, &["deliver", "--once", "-v"]).code(7);
    worked.stderr_has("not yet delivered through `hook`, \"Third\"").nowhere("WARN");
}

#[test]
fn what_a_worker_has_cannot_be_taken_back_until_its_time_is_over() {
    let (post, _services) = desk("desk_held");
    send(&post, "News", "c", &["--queue"]).ok();
    let id = newest(&post);
    let held = |until: &str| {
        post.estate.database.sql(&format!(
            "update synthex.notification_deliveries set state = 'sending', leased_by = 'x', attempts = 1, leased_until = {until}"
        ));
    };
    held("now() + interval '1 hour'");
    for more in [&["--dry-run"][..], &[]] {
        let words: Vec<&str> = ["cancel", &id].iter().chain(more).copied().collect();
        run(&post, &words).code(5).stderr_has("c is being sent").stderr_has(" until ");
    }
    // The worker died.
    held("now() - interval '1 second'");
    run(&post, &["cancel", &id, "--dry-run"]).ok().stdout_has("1 would be taken back");
    run(&post, &["cancel", &id]).ok().stdout_has("1 taken back: c cancelled");
    run(&post, &["deliver", "--once"]).ok().stdout_has("Nothing was due");
}

#[test]
fn long_words_are_refused_without_being_repeated_and_cut_in_tables() {
    let (post, _services) = desk("desk_long");
    let title = "t".repeat(1001);
    let long =
        send(&post, &title, "c", &[]).code(3).stderr_has("the title has 1001 characters, and may have 1000");
    long.nowhere("tttt");
    let words = "m".repeat(4001);
    let args = ["send", "--title", "t", "--message", &words, "--channel", "c"];
    run(&post, &args).code(3).stderr_has("the message has 4001 characters").nowhere("mmmm");
    run(&post, &["send", "--help"]).ok().stdout_has("at most 1000 characters").stdout_has("at most 4000");
    send(&post, &"long ".repeat(190), "c", &["--queue"]).ok();
    let listed = run(&post, &["list"]).ok();
    assert!(listed.stdout.lines().count() <= 4, "{listed}");
    // An item of an inbox that is a digest shows how it begins.
    let body: String = (0..100).map(|number| format!("thing {number}\n")).collect();
    post.queue(&[NewNotification {
        message: Message { text: body, ..message("Digest", &["box"]).message },
        ..message("Digest", &["box"])
    }]);
    run(&post, &["deliver", "--once"]).ok();
    let inbox = run(&post, &["inbox"]).ok().stdout_has("thing 3").nowhere("thing 90");
    inbox.stdout_has("more lines: synthex notify render --notification-id");
}

#[test]
fn what_was_queued_since_is_asked_of_a_channel_alone() {
    let (post, _services) = desk("desk_since");
    let id = Uuid::from_u128(7).to_string();
    run(&post, &["retry", "--notification-id", &id, "--since", "2h"]).code(3).stderr_has("--since");
    run(&post, &["retry", "--help"]).ok().stdout_has("--channel <NAME> --since <TIME>");
}
