//! What people and jobs see of drift.

use serde_json::json;

use super::*;
use crate::kinds;
use crate::model::ResourceKey;
use crate::plan::drift::{Applied, Drifted, DriftedField, Happened};
use crate::report::Style;

fn drifted(name: &str, happened: Happened, fields: Vec<DriftedField>) -> Drifted {
    let at = "2026-01-02T03:04:05Z".parse().unwrap();
    Drifted {
        key: ResourceKey::new(kinds::find("Tenant").unwrap(), "w".into(), name),
        happened,
        applied: Some(Applied {
            revision: 3,
            project: "shop".to_owned(),
            command: "apply".to_owned(),
            actor: "ci".to_owned(),
            at,
            after: None,
        }),
        actor: Some("support".to_owned()),
        since: Some(at),
        fields,
        is_marked: false,
        digest: None,
    }
}

fn field(path: &str, applied: serde_json::Value, live: serde_json::Value) -> DriftedField {
    DriftedField {
        path: path.split('.').map(str::to_owned).collect(),
        applied: Some(applied),
        live: Some(live),
        actor: Some("support".to_owned()),
        since: Some("2026-01-02T03:04:05Z".parse().unwrap()),
    }
}

fn report(resources: Vec<Drifted>) -> DriftReport {
    let drift = Drift { resources, ignored: 1 };
    DriftReport {
        project: "shop".to_owned(),
        database: "embedded".to_owned(),
        drift,
        ..DriftReport::default()
    }
}

fn one_of_everything() -> DriftReport {
    let mut other = field("contact.email", json!("a@b.example"), json!("c@d.example"));
    other.actor = Some("intern".to_owned());
    let changed = vec![field("region", json!("AU-SE1"), json!("NZ-NR1")), other];
    let unknown = Drifted { actor: None, since: None, ..drifted("T2", Happened::Removed, Vec::new()) };
    report(vec![
        drifted("T1", Happened::Changed, changed),
        unknown,
        Drifted { applied: None, ..drifted("T3", Happened::Made, Vec::new()) },
        drifted("T4", Happened::Restored, Vec::new()),
    ])
}

#[test]
fn one_of_everything_for_people() {
    let now = "2026-01-02T06:04:05Z".parse().unwrap();
    insta::assert_snapshot!(human(&one_of_everything(), now, &Style::plain()));
}

#[test]
fn one_of_everything_for_an_issue() {
    insta::assert_snapshot!(markdown(&one_of_everything(), None));
}

#[test]
fn no_drift_is_said_and_marked() {
    let nothing = DriftReport { drift: Drift::default(), ..report(Vec::new()) };
    let text = markdown(&nothing, Some("w"));
    assert!(text.starts_with("<!-- synthex:drift:shop:w -->\n<!-- synthex:drift:none -->\n"), "{text}");
    let now = "2026-01-02T06:04:05Z".parse().unwrap();
    assert_eq!(human(&nothing, now, &Style::plain()), "No drift.\n");
}

#[test]
fn a_value_cannot_break_out_of_a_table() {
    for bad in [
        "a|b",
        "`x`",
        "```\n# h",
        "</code><script>",
        "@team #1",
        "<!-- x",
        "[a](http://b)",
        "**x**",
        "\u{1b}[31m",
    ] {
        let text = markdown(
            &report(vec![drifted("T1", Happened::Changed, vec![field("industry", json!("ok"), json!(bad))])]),
            None,
        );
        let line = text.lines().find(|line| line.contains("industry")).expect("a line");
        assert_eq!(line.matches('|').count(), 8, "{bad}: {line}");
        let inner = line.split("<code>").nth(4).unwrap().split("</code>").next().unwrap();
        assert!(
            !inner.contains(['`', '<', '>', '@', '#', '[', '*', '|', '\u{1b}']) || inner.contains("&#"),
            "{bad}: {inner}"
        );
        assert!(!inner.contains(['`', '<', '>', '@', '[', '*', '|', '\u{1b}']), "{bad}: {inner}");
    }
}

#[test]
fn a_body_stays_below_what_an_issue_takes() {
    let long = "x|".repeat(500);
    let many = (0..2_000).map(|index| {
        drifted(&format!("T{index:04}"), Happened::Changed, vec![field("industry", json!("ok"), json!(long))])
    });
    let text = markdown(&report(many.collect()), None);
    assert!(text.len() < 61_000 && text.contains(" more: `synthex drift"), "{}", text.len());
}
