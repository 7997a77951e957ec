//! That no value breaks a form, and what the forms say.

use chrono::{DateTime, Utc};
use proptest::prelude::*;
use serde_json::Value;

use crate::alerts::notice::sample;
use crate::alerts::{Event, Message};
use crate::kinds::alert_rule::AlertSeverity;

use super::*;

fn now() -> DateTime<Utc> {
    "2026-03-01T12:00:00Z".parse().unwrap()
}

fn notice(message: &Message, is_late: bool) -> Notice<'_> {
    let late_since = is_late.then(|| now() + chrono::TimeDelta::days(2));
    Notice { message, workspace: "anz-smb", channel: "ops", late_since, environment: None }
}

fn words(message: &Message) -> Words<'_> {
    Words::new(notice(message, false), None)
}

/// All texts of a JSON value.
fn texts<'v>(value: &'v Value, out: &mut Vec<&'v str>) {
    match value {
        Value::String(text) => out.push(text),
        Value::Array(values) => values.iter().for_each(|value| texts(value, out)),
        Value::Object(fields) => fields.values().for_each(|value| texts(value, out)),
        _ => {}
    }
}

/// Every rule that a form must keep, whatever the values are.
fn is_sound(message: &Message, template: Option<&Template>) {
    for is_late in [false, true] {
        let words = Words::new(notice(message, is_late), template);
        let subject = text::subject(&words);
        assert!(!subject.contains(['\r', '\n']) && subject.chars().count() <= MOST_LINE, "{subject:?}");
        let page = html::page(&words);
        // Elements are those of the form itself, whatever values say.
        for tag in page.split('<').skip(1) {
            let name: String =
                tag.trim_start_matches('/').chars().take_while(char::is_ascii_alphanumeric).collect();
            let own = [
                "html", "head", "meta", "title", "body", "h1", "p", "br", "table", "tr", "td", "strong",
                "span", "code", "",
            ];
            assert!(own.contains(&name.as_str()), "<{name} in {page}");
        }
        let slack: Value = serde_json::from_str(&slack::body(&words)).expect("valid JSON");
        let blocks = slack["blocks"].as_array().unwrap();
        assert!(blocks.len() <= 50, "{} blocks", blocks.len());
        let mut all = Vec::new();
        texts(&slack["blocks"], &mut all);
        assert!(all.iter().map(|text| text.chars().count()).sum::<usize>() <= 13_000);
        for block in blocks {
            let shown = block["text"]["text"].as_str().unwrap_or_default();
            let most = if block["type"] == "header" { 150 } else { 3_000 };
            assert!(shown.encode_utf16().count() <= most, "{block}");
            if block["type"] != "header" {
                assert!(!shown.contains(['<', '>']), "{shown}");
                for rest in shown.split('&').skip(1) {
                    assert!(["amp;", "lt;", "gt;"].iter().any(|entity| rest.starts_with(entity)), "{shown}");
                }
            }
        }
        assert!(!slack["text"].as_str().unwrap().contains(['<', '>']));
        let body = webhook::body(&words);
        assert!(body.len() <= webhook::MOST_BYTES);
        let hook: Value = serde_json::from_str(&body).expect("valid JSON");
        let listed = hook["data"]["items"].as_array().unwrap().len() as u64;
        assert_eq!(
            hook["data"]["itemsTotal"].as_u64().unwrap(),
            listed + hook["data"]["itemsCut"].as_u64().unwrap()
        );
        let line = console::text(&words);
        assert!(!line.contains(['\n', '\r', '\u{1b}']), "{line:?}");
        assert!(!text::body(&words).contains(['\r', '\u{1b}', '\0']));
    }
}

fn nasty(value: &str, count: usize) -> Message {
    let mut message = sample(Event::Firing, now());
    message.title = value.to_owned();
    message.text = value.to_owned();
    message.rule = Some(value.to_owned());
    let mut item = message.items[0].clone();
    item.what = value.to_owned();
    for field in [
        &mut item.tenant,
        &mut item.tenant_name,
        &mut item.service,
        &mut item.subject,
        &mut item.why,
        &mut item.remedy,
        &mut item.command,
        &mut item.expires_local,
    ] {
        *field = Some(value.to_owned());
    }
    message.items = vec![item; count];
    message
}

#[test]
fn no_value_that_is_meant_to_break_out_does() {
    let long = "x".repeat(3_001);
    let emoji = "\u{1f600}".repeat(3_001);
    let amps = "&<>".repeat(1_500);
    let values = [
        r#""}],"x":""#,
        "<!channel>",
        "<@U1>",
        "a\r\nBcc: x@example.com",
        "\u{1f468}\u{200d}\u{1f469}",
        &long,
        &emoji,
        &amps,
        "</td><script>alert(1)</script>",
        "*bold* `code` _x_",
        "\u{1b}[31mred\u{7}",
        "\u{202e}abc",
        "{{ title }}",
        "",
        "\0",
        "\n.\n",
    ];
    let own = Template {
        title: Some("{{ title }}".to_owned() + " !"),
        body: Some("{{ text }} {{ items[:3] }}".to_owned()),
    };
    for value in values {
        for count in [0, 1, 60, 500] {
            is_sound(&nasty(value, count), None);
        }
        is_sound(&nasty(value, 2), Some(&own));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn no_value_breaks_a_form(value in "\\PC{0,200}|[\\x00-\\x7f]{0,200}|([<>&\"'`*{}\\\\]|\\r\\n|\u{1f600}){0,400}", count in 0_usize..80) {
        is_sound(&nasty(&value, count), None);
    }
}

#[test]
fn what_is_cut_is_counted() {
    let mut message = sample(Event::Firing, now());
    message.items = vec![message.items[0].clone(); 120];
    let words = words(&message);
    let slack = slack::payload(&words);
    let listed = slack["blocks"].as_array().unwrap().len() - 3;
    let last = slack["blocks"][listed + 1]["text"]["text"].as_str().unwrap();
    assert!(last.starts_with(&format!("{} more of 120", 120 - listed)), "{last}");
    assert!(
        text::body(&words)
            .contains("20 more of 120 not listed here: synthex alerts list --workspace anz-smb")
    );
    // Of a page that would be too long, fewer are listed.
    let page = html::page(&words);
    assert!(page.len() < 102_400 && page.contains(" more of 120 not listed here"), "{}", page.len());
}

#[test]
fn titles_are_marked_by_what_happened() {
    let title = |event, severity, is_late| {
        let mut message = sample(event, now());
        message.severity = severity;
        let title = Words::new(notice(&message, is_late), None).title;
        title.split(" 2 ").next().unwrap().split(" This").next().unwrap().to_owned()
    };
    assert_eq!(title(Event::Firing, AlertSeverity::Critical, false), "[CRITICAL]");
    assert_eq!(title(Event::Firing, AlertSeverity::Info, true), "[LATE] [INFO]");
    assert_eq!(title(Event::Resolved, AlertSeverity::Critical, false), "[RESOLVED]");
    assert_eq!(title(Event::FiredAndResolved, AlertSeverity::Critical, false), "[FIRED AND RESOLVED]");
    assert_eq!(title(Event::Reminder, AlertSeverity::Critical, false), "[REMINDER] [CRITICAL]");
    assert_eq!(title(Event::Flapping, AlertSeverity::Warning, false), "[FLAPPING] [WARNING]");
    assert_eq!(title(Event::DeliveryFailed, AlertSeverity::Warning, false), "[DELIVERY FAILED] [WARNING]");
    assert_eq!(title(Event::Test, AlertSeverity::Info, false), "[TEST]");
    assert_eq!(title(Event::Message, AlertSeverity::Info, false), "2 credentials expire soon");
    assert_eq!(title(Event::Message, AlertSeverity::Critical, false), "[CRITICAL]");
}

#[test]
fn what_is_over_is_said_once_and_to_be_over() {
    for event in [Event::Resolved, Event::FiredAndResolved] {
        let mut message = sample(event, now());
        message.text = "The Shopify credential acme-shopify of SMB_CLIENT_001 was replaced.".to_owned();
        let body = text::body(&words(&message));
        assert!(body.contains("It began:") && !body.contains("Alert since:"), "{body}");
        assert!(!body.contains("was replaced."), "{body}");
    }
}

#[test]
fn the_usual_words_as_text() {
    let mut message = sample(Event::Firing, now());
    message.items[0].expires_local = Some("2026-03-02 23:00 AEDT".to_owned());
    insta::assert_snapshot!(text::body(&Words::new(notice(&message, true), None)), @r#"
    [LATE] [CRITICAL] 2 credentials expire soon

    This message is late: it is of 2026-03-01T12:00:00Z, and had not been sent by 2026-03-03T12:00:00Z.

    1. [critical] The Shopify credential acme-shopify of SMB_CLIENT_001 expires in 24 hours
       Tenant:      Acme Corp (SMB_CLIENT_001)
       About:       shopify, acme-shopify
       Alert since: 2026-03-01T12:00:00Z
       Expires:     2026-03-02T12:00:00Z (2026-03-02 23:00 AEDT)
       Why:         it is not renewed by itself
       To do:       issue a new token in the shop's admin, and store it where the old one is
       Command:     synthex tenant credentials verify acme-shopify
       Acknowledge: synthex alerts acknowledge --alert-id 01900000-0000-7000-8000-000000000001 --workspace sample

    2. [warning] The Shopify credential birch-shopify of SMB_CLIENT_002 expires in 7 days
       Tenant:      SMB_CLIENT_002
       About:       shopify, birch-shopify
       Alert since: 2026-03-01T12:00:00Z
       Expires:     2026-03-08T12:00:00Z
       Command:     synthex tenant credentials verify birch-shopify
       Acknowledge: synthex alerts acknowledge --alert-id 01900000-0000-7000-8000-000000000007 --workspace sample

    -- 
    Workspace anz-smb, rule expiry, channel ops. Written 2026-03-01T12:00:00Z by synthex.
    "#);
}

#[test]
fn a_template_that_fails_for_one_message_does_not_keep_it_back() {
    let mut message = sample(Event::Firing, now());
    message.items.clear();
    let own = Template { title: None, body: Some("{{ items[0].what }}".to_owned()) };
    let words = Words::new(notice(&message, false), Some(&own));
    assert!(words.text.starts_with("Once they expire"), "{}", words.text);
    assert!(words.text.contains("in `template.body`"), "{}", words.text);
}

#[test]
fn a_body_of_ones_own_lists_what_it_wants_to() {
    let message = sample(Event::Firing, now());
    let own = Template { title: Some("{{ itemsTotal }} <b>".to_owned()), body: Some("only this".to_owned()) };
    let words = Words::new(notice(&message, false), Some(&own));
    assert_eq!((words.title.as_str(), words.text.as_str()), ("[CRITICAL] 2 <b>", "only this"));
    assert!(!text::body(&words).contains("acme-shopify"));
    assert!(html::page(&words).contains("2 &lt;b&gt;"));
    // Programs want everything all the same.
    assert_eq!(webhook::payload(&words)["data"]["items"].as_array().unwrap().len(), 2);
}

#[test]
fn what_is_posted_fits_its_schema_and_stays_the_same() {
    let message = sample(Event::Resolved, now());
    let payload = webhook::payload(&words(&message));
    let schema = schema::schema();
    let required = |schema: &Value| {
        schema["required"]
            .as_array()
            .unwrap()
            .iter()
            .map(|name| name.as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    let names = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert_eq!(required(&schema), names(&payload));
    assert_eq!(required(&schema["properties"]["data"]), names(&payload["data"]));
    let item = &schema["properties"]["data"]["properties"]["items"]["items"];
    assert_eq!(required(item), names(&payload["data"]["items"][0]));
    let types = schema["properties"]["type"]["enum"].as_array().unwrap();
    assert!(types.contains(&payload["type"]) && payload["type"] == "credential_expiry.resolved");
}
