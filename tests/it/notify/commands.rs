//! `notify` at the terminal.

use serde_json::{Value, json};

use super::*;
use crate::support::cli::Outcome;

fn post(hint: &str) -> Post {
    Post::new(
        hint,
        &[
            ("c", "{type: console}"),
            ("box", "{type: in-app, inApp: {recipients: [ana, ben]}}"),
            ("shut", "{type: console, enabled: false}"),
        ],
    )
}

fn run(post: &Post, words: &[&str]) -> Outcome {
    let args: Vec<&str> = ["notify"].iter().chain(words).copied().collect();
    post.estate.synthex(&args).env("COLUMNS", "240").run()
}

fn list(post: &Post, words: &[&str]) -> Vec<Value> {
    let args: Vec<&str> = ["list", "--format", "json"].iter().chain(words).copied().collect();
    run(post, &args).ok().json()["notifications"].as_array().unwrap().clone()
}

#[test]
fn a_message_is_sent_at_once_and_its_outcome_told() {
    let post = post("cmd_send");
    let words = [
        "send",
        "--title",
        "Maintenance",
        "--message",
        "At ten.",
        "--channel",
        "c,box",
        "--severity",
        "warning",
    ];
    run(&post, &words).ok().stdout_has("Maintenance").stdout_has("c: sent").stdout_has("box to ana: sent");
    let all = list(&post, &[]);
    let one = &all[0];
    assert_eq!(one["type"], "message");
    assert_eq!(
        (&one["severity"], &one["title"], &one["message"]),
        (&json!("warning"), &json!("Maintenance"), &json!("At ten."))
    );
    assert_eq!(one["workspaceId"], "w");
    assert_eq!(one["channels"], json!(["c", "box"]));
    assert_eq!(one["deliveryStatus"], json!({"c": "sent", "box": "sent"}));
    assert!(one["sentAt"].is_string() && one["metadata"]["createdBy"].as_str().unwrap().contains('@'));
    run(&post, &["list"]).ok().stdout_has("Maintenance").stdout_has("c sent, box sent");
    let id = one["id"].as_str().unwrap();
    run(&post, &["show", id]).ok().stdout_has("At ten.").stdout_has("1. ").stdout_has(" ok");
    let shown = run(&post, &["show", id, "--format", "json"]).ok().json();
    assert_eq!(shown["notification"]["deliveries"][0]["tried"][0]["code"], "ok");
    // With JSON, standard output is the JSON.
    let sent = run(&post, &["send", "--title", "t", "--message", "m", "--channel", "c", "--format", "json"])
        .ok()
        .json();
    assert_eq!(sent["notifications"][0]["deliveryStatus"]["c"], "sent");
}

#[test]
fn a_channel_that_is_off_or_missing_is_said() {
    let post = post("cmd_off");
    let send = |channel, more: &[&str]| {
        let words = ["send", "--title", "t", "--message", "m", "--channel", channel];
        run(&post, &words.iter().chain(more).copied().collect::<Vec<_>>())
    };
    send("c,shut", &[]).code(7).stdout_has("shut: suppressed: channel `shut` is switched off");
    send("shut", &[]).code(8);
    send("bux", &[]).code(3).stderr_has("there is no channel `bux`").stderr_has("did you mean `box`");
    let before = post.count("notifications");
    send("c,box,shut", &["--dry-run"])
        .ok()
        .stdout_has("box: would be sent to ana, ben")
        .stdout_has("shut: would not");
    assert_eq!(post.count("notifications"), before);
    run(&post, &["send", "--title", "a\nb", "--message", "m", "--channel", "c"]).code(3);
    let error =
        run(&post, &["send", "--title", "t", "--message", "m", "--channel", "x", "--format", "json"]).code(3);
    assert_eq!(error.json()["error"]["exit_code"], 3);
}

#[test]
fn what_is_queued_can_be_taken_back_or_delivered() {
    let post = post("cmd_queue");
    let queue = |title| {
        run(&post, &["send", "--title", title, "--message", "m", "--channel", "c", "--queue"])
            .ok()
            .nowhere("c sent");
        list(&post, &[])[0]["id"].as_str().unwrap().to_owned()
    };
    let first = queue("Back");
    run(&post, &["cancel", &first, "--dry-run"]).ok().stdout_has("1 would be taken back");
    run(&post, &["cancel", &first]).ok().stdout_has("1 taken back: c cancelled");
    run(&post, &["cancel", &first]).ok().stdout_has("nothing to take back");
    let reason = post.estate.value("select reason from synthex.notification_deliveries").unwrap();
    assert!(reason.starts_with("cancelled by "), "{reason}");
    queue("Forth");
    run(&post, &["deliver", "--dry-run"]).ok().stdout_has("c").nowhere("Forth");
    run(&post, &["deliver", "--once"]).ok().stdout_has("Forth").stdout_has("1 sent").nowhere("Back");
    run(&post, &["deliver", "--once"]).ok().stdout_has("Nothing was due");
    let counts = run(&post, &["deliver", "--once", "--format", "json"]).ok().json();
    assert_eq!(counts["counts"]["sent"], 0);
    let nobody = Uuid::from_u128(7).to_string();
    for words in [["cancel", &nobody], ["show", &nobody], ["retry", "--notification-id"]] {
        let words: Vec<&str> =
            words.iter().copied().chain((words[0] == "retry").then_some(nobody.as_str())).collect();
        run(&post, &words).code(3).stderr_has("there is no notification");
    }
}

#[test]
fn what_failed_is_tried_again_under_its_id_or_as_new() {
    let post = post("cmd_retry");
    run(&post, &["send", "--title", "One", "--message", "m", "--channel", "c,box"]).ok();
    let id = list(&post, &[])[0]["id"].as_str().unwrap().to_owned();
    run(&post, &["retry", "--notification-id", &id]).ok().stderr_has("nothing to try again");
    let died = "update synthex.notification_deliveries set state = 'dead', last_code = 'timeout', attempts = 8 where channel = 'c'";
    post.estate.database.sql(died);
    let delivery =
        post.estate.value("select id::text from synthex.notification_deliveries where channel = 'c'");
    assert_eq!(list(&post, &["--status", "dead"]).len(), 1);
    assert_eq!(list(&post, &["--status", "failed,retrying"]).len(), 0);
    assert_eq!(list(&post, &[])[0]["deliveryStatus"]["c"], "failed");
    run(&post, &["retry", "--notification-id", &id, "--dry-run"]).ok().stdout_has("1 would be tried again");
    run(&post, &["retry", "--notification-id", &id]).ok().stdout_has("One").stdout_has("c: sent");
    assert_eq!(
        post.estate.value("select id::text from synthex.notification_deliveries where channel = 'c'"),
        delivery
    );
    let by = "select retried_by from synthex.notification_deliveries where channel = 'c' and retried_at is not null";
    assert!(post.estate.value(by).unwrap().contains('@'));
    // Only what failed was repeated.
    assert_eq!(post.count("inbox_items"), 2);
    run(&post, &["show", &id]).ok().stdout_has("had tried again by");

    post.estate.database.sql(died);
    run(&post, &["retry", "--channel", "c", "--since", "2h", "--as-new"]).ok().stdout_has("One");
    let new = list(&post, &[])[0].clone();
    assert_eq!(new["metadata"]["replayOf"], json!(id));
    assert_ne!(new["deliveries"][0]["id"].as_str(), delivery.as_deref());
    assert_eq!(new["deliveryStatus"], json!({"c": "sent"}));
    run(&post, &["retry"]).code(3);
    run(&post, &["retry", "--channel", "c"]).code(3);
}

#[test]
fn what_is_sent_as_new_is_not_sent_as_old_too() {
    let post = post("cmd_as_new");
    run(&post, &["send", "--title", "One", "--message", "m", "--channel", "c", "--queue"]).ok();
    post.estate.database.sql(
        "update synthex.notification_deliveries set state = 'retrying', attempts = 2, next_attempt_at = now() + interval '1 h'",
    );
    run(&post, &["retry", "--channel", "c", "--since", "2h", "--as-new"]).ok().stdout_has("One");
    assert_eq!(post.states(), ["c message cancelled 2", "c message sent ok 1"]);
    let reason = "select (reason like 'sent as new, by notification %')::text from synthex.notification_deliveries where state = 'cancelled'";
    assert_eq!(post.estate.value(reason).as_deref(), Some("true"));
}

#[test]
fn each_recipient_has_an_inbox() {
    let post = post("cmd_inbox");
    run(&post, &["send", "--title", "News", "--message", "m", "--channel", "box"]).ok();
    let items = |words: &[&str]| {
        let args: Vec<&str> = ["inbox", "--format", "json"].iter().chain(words).copied().collect();
        run(&post, &args).ok().json()["items"].as_array().unwrap().clone()
    };
    assert_eq!(items(&[]).len(), 2);
    let anas = items(&["--recipient", "ana", "--unread"]);
    assert_eq!((anas.len(), &anas[0]["title"], &anas[0]["state"]), (1, &json!("News"), &json!("unread")));
    let id = anas[0]["id"].as_str().unwrap();
    run(&post, &["inbox", "--recipient", "ben", "--read", id])
        .code(3)
        .stderr_has("the inbox of ben has no item");
    run(&post, &["inbox", "--recipient", "ana", "--read", id, "--dry-run"])
        .ok()
        .stdout_has("1 would be marked");
    run(&post, &["inbox", "--recipient", "ana", "--read", id]).ok().stdout_has("1 marked as read");
    run(&post, &["inbox", "--recipient", "ana", "--read", id])
        .ok()
        .stdout_has("0 marked as read, 1 were so before");
    assert_eq!(items(&["--recipient", "ana", "--unread"]).len(), 0);
    assert_eq!(items(&["--recipient", "ben", "--unread"]).len(), 1);
    run(&post, &["inbox", "--archive", id]).ok().stdout_has("1 marked as archived");
    assert_eq!(items(&["--recipient", "ana"]).len(), 0);
    assert_eq!(items(&["--recipient", "ana", "--archived"]).len(), 1);
    run(&post, &["inbox"]).ok().stdout_has("News").stdout_has("info for ben").code(0);
}

#[test]
fn a_database_without_an_outbox_is_said() {
    let estate = Estate::new("cmd_none");
    for words in [&["list"][..], &["inbox"], &["deliver", "--once"]] {
        let args: Vec<&str> = ["notify"].iter().chain(words).copied().collect();
        estate.run(&args).code(8).stderr_has("synthex db migrate");
    }
}
