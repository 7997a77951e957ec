//! M-E9 to M-E11 through the database: shares of a life, times after the expiry, pairs that are renewed, and what nobody knows.

use super::Watch;

const SHARE: &str =
    "{when: {credentialExpiry: {thresholds: [20%, expired, -3d]}}, channels: [box], reminder: never}";

const UNKNOWN: &str = "{when: {credentialExpiry: {requireExpiry: true}}, channels: [box], reminder: never}";

/// What was observed of `c1`, one column after the other.
fn observe(watch: &Watch, columns: &[(&str, &str)]) {
    let names: Vec<&str> = columns.iter().map(|(name, _)| *name).collect();
    let values: Vec<String> = columns.iter().map(|(_, value)| format!("'{value}'")).collect();
    watch.estate.database.sql("delete from synthex.credential_status");
    watch.estate.database.sql(&format!(
        "insert into synthex.credential_status (workspace, credential, {}) select workspace, id, {} from synthex.credentials \
         where name = 'c1'",
        names.join(", "),
        values.join(", ")
    ));
}

#[track_caller]
fn crosses(watch: &Watch, at: &str, thresholds: &[&str]) {
    watch.check(at, &["--deliver"]);
    assert_eq!(watch.thresholds(), thresholds, "at {at}");
}

#[test]
fn a_fifth_of_a_life_is_crossed_to_the_second_and_three_days_after_its_end() {
    let watch = Watch::new("alerts_share", SHARE);
    // 180 days, of which 36 are a fifth.
    let spec = "{tenant: T1, service: shopify, secretRef: {env: C1}, issuedAt: 2031-01-01T00:00:00Z, expiresAt: 2031-06-30T00:00:00Z}";
    watch.estate.declare("Credential", "c1", spec);
    // One of two days, which no other threshold of the rule would meet before its end.
    let short = "{tenant: T2, service: shopify, secretRef: {env: C2}, issuedAt: 2031-05-30T00:00:00Z, expiresAt: 2031-06-01T00:00:00Z}";
    watch.estate.declare("Credential", "short", short);
    watch.apply();
    crosses(&watch, "2031-05-24T23:59:59Z", &[]);
    crosses(&watch, "2031-05-25T00:00:00Z", &["20% told"]);
    assert_eq!(watch.told(), ["firing The Shopify credential c1 of T1 expires in 36 days"]);
    crosses(&watch, "2031-05-31T14:23:59Z", &["20% told"]);
    crosses(&watch, "2031-05-31T14:24:00Z", &["20% told", "20% told"]);
    watch.estate.project.remove("manifests/short.yaml");
    watch.apply();
    crosses(&watch, "2031-06-29T23:59:59Z", &["20% told", "20% told"]);
    crosses(&watch, "2031-06-30T00:00:00Z", &["20% told", "20% told", "expired told"]);
    crosses(&watch, "2031-07-02T23:59:59Z", &["20% told", "20% told", "expired told"]);
    crosses(&watch, "2031-07-03T00:00:00Z", &["20% told", "20% told", "expired told", "-3d told"]);
    let alert = watch.alert("2031-07-03T00:00:00Z");
    assert_eq!((&alert["threshold"], &alert["severity"]), (&"-3d".into(), &"critical".into()));
    assert_eq!(watch.told().last().unwrap(), "firing The Shopify credential c1 of T1 expired 3 days ago");
}

#[test]
fn of_a_pair_that_was_renewed_its_own_life_counts_and_no_end_of_an_access_token() {
    let watch = Watch::new("alerts_pair", SHARE);
    let spec = "{tenant: T1, service: shopify, secretRef: {file: secrets/c1}, renewal: shopify-refresh-token, \
         issuedAt: 2030-01-01T00:00:00Z, expiresAt: 2031-03-01T00:00:00Z}";
    watch.estate.declare("Credential", "c1", spec);
    watch.apply();
    // Ninety days from the renewal on, of which 18 are a fifth; the access token ends within the hour.
    observe(
        &watch,
        &[
            ("last_renewed_at", "2031-01-01T00:00:00Z"),
            ("access_expires_at", "2031-01-01T01:00:00Z"),
            ("observed_expires_at", "2031-04-01T00:00:00Z"),
        ],
    );
    crosses(&watch, "2031-01-01T00:59:00Z", &[]);
    crosses(&watch, "2031-01-02T00:00:00Z", &[]);
    // What was declared is the end of another pair.
    crosses(&watch, "2031-03-13T23:59:59Z", &[]);
    crosses(&watch, "2031-03-14T00:00:00Z", &["20% told"]);
    assert_eq!(watch.told(), ["firing The Shopify credential c1 of T1 expires in 18 days"]);
    observe(
        &watch,
        &[
            ("last_renewed_at", "2031-03-14T12:00:00Z"),
            ("access_expires_at", "2031-03-14T13:00:00Z"),
            ("observed_expires_at", "2031-06-12T12:00:00Z"),
        ],
    );
    watch.check("2031-03-14T12:01:00Z", &[]);
    assert_eq!(watch.told()[1..], ["resolved The Shopify credential c1 of T1 was replaced"]);
    crosses(&watch, "2031-05-25T11:59:59Z", &["20% told"]);
    crosses(&watch, "2031-05-25T12:00:00Z", &["20% told", "20% told"]);
    assert_eq!(watch.told().len(), 3);
}

#[test]
fn that_nobody_knows_when_it_expires_is_told_only_where_a_rule_wants_to_know() {
    let watch = Watch::new("alerts_known", SHARE);
    watch.estate.declare("Credential", "c1", "{tenant: T1, service: shopify, secretRef: {env: C1}}");
    watch.estate.project.remove("manifests/c2.yaml");
    watch.apply();
    watch.check("2031-01-01T00:00:00Z", &[]);
    assert!(watch.told().is_empty(), "{:?}", watch.told());
    watch.estate.declare("AlertRule", "expiry", UNKNOWN);
    watch.apply();
    watch.check("2031-01-01T01:00:00Z", &[]);
    let alert = watch.alert("2031-01-01T01:00:00Z");
    assert_eq!((&alert["type"], &alert["subject"]), (&"expiry_unknown".into(), &"c1".into()), "{alert:#}");
    assert_eq!(watch.told().len(), 1);
    // It is known now, and so it is over.
    observe(&watch, &[("observed_expires_at", "2031-12-31T00:00:00Z")]);
    watch.check("2031-01-01T02:00:00Z", &[]);
    let ended = "select string_agg(kind || ' ' || status, ', ') from synthex.alerts";
    assert_eq!(watch.estate.value(ended).as_deref(), Some("expiry_unknown resolved"));
    // A pair that was renewed, of whose refresh token nobody said when it ends: what was declared is that of another one.
    let spec = "{tenant: T1, service: shopify, secretRef: {env: C1}, renewal: shopify-refresh-token, expiresAt: 2031-03-01T00:00:00Z}";
    watch.estate.declare("Credential", "c1", spec);
    watch.apply();
    observe(&watch, &[("last_renewed_at", "2031-01-02T00:00:00Z")]);
    watch.check("2031-01-02T01:00:00Z", &[]);
    assert_eq!(watch.alert("2031-01-02T01:00:00Z")["type"], "expiry_unknown");
}
