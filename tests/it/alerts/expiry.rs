//! S7 and M-E: each threshold is told once for each expiry, whatever the clock does.

use super::{USUAL, Watch};

#[test]
fn each_threshold_once_through_jumps_of_the_clock() {
    let watch = Watch::new("alerts_clock", USUAL);
    let clock = [
        "2031-05-30T23:59:59Z", // a second before 30 days
        "2031-05-31T00:00:00Z", // 30d
        "2031-05-30T23:00:00Z", // back by an hour
        "2031-05-31T00:00:00Z",
        "2031-06-22T23:59:59Z",
        "2031-06-23T00:00:00Z", // 7d
        "2031-06-22T23:00:00Z",
        "2031-06-23T00:00:01Z",
        "2031-06-29T00:00:00Z", // 1d
        "2031-06-29T23:59:59Z",
        "2031-06-30T00:00:00Z", // expired, to the second
        "2031-07-30T00:00:00Z", // forward by a month
        "2032-02-29T12:00:00Z", // a leap day
        "2038-01-19T03:14:08Z", // a second after 2^31
        "2031-06-30T00:00:00Z", // and back
    ];
    for at in clock {
        watch.check(at, &[]);
    }
    assert_eq!(
        watch.told(),
        [
            "firing The Shopify credential c1 of T1 expires in 30 days",
            "firing The Shopify credential c1 of T1 expires in 7 days",
            "firing The Shopify credential c1 of T1 expires in 24 hours",
            "firing The Shopify credential c1 of T1 expired just now",
        ]
    );
    assert_eq!(watch.thresholds(), ["30d told", "7d told", "1d told", "expired told"]);
}

#[test]
fn after_ten_days_down_only_the_most_urgent_is_told_and_a_renewed_one_starts_anew() {
    let watch = Watch::new("alerts_down", USUAL);
    watch.check("2031-06-20T09:00:00Z", &["--deliver"]);
    let found = watch.check("2031-06-30T09:00:00Z", &["--deliver"]);
    assert_eq!(found["summary"]["worsened"], 1, "{found:#}");
    assert_eq!(found["summary"]["superseded"], 2, "{found:#}");
    assert_eq!(watch.told().len(), 2);
    assert_eq!(watch.thresholds(), ["30d told", "1d superseded", "7d superseded", "expired told"]);
    watch.expires("2032-06-30T00:00:00Z");
    watch.check("2031-06-30T10:00:00Z", &[]);
    assert_eq!(watch.told()[2], "resolved The Shopify credential c1 of T1 was replaced");
    assert_eq!(watch.list("2031-06-30T10:00:00Z", &[]).len(), 0);
    watch.check("2032-06-01T00:00:00Z", &[]);
    assert_eq!(watch.told()[3], "firing The Shopify credential c1 of T1 expires in 29 days");
}

#[test]
fn asking_often_tells_once() {
    let watch = Watch::new("alerts_often", USUAL);
    for _ in 0..25 {
        watch.check("2031-06-25T09:00:00Z", &[]);
    }
    assert_eq!(watch.told().len(), 1);
    let revision = watch.estate.value("select revision::text from synthex.alerts").unwrap();
    assert_eq!(revision, "1", "a row was written without need");
}

#[test]
fn a_clock_of_another_zone_changes_nothing() {
    // Sydney's clocks go back on 2031-04-06; a day of 25 hours is no day more.
    let watch = Watch::new(
        "alerts_dst",
        "{when: {credentialExpiry: {thresholds: [1d]}}, channels: [box], timeZone: Australia/Sydney}",
    );
    watch.expires("2031-04-06T14:00:00Z");
    watch.check("2031-04-05T13:59:59Z", &[]);
    assert_eq!(watch.told().len(), 0);
    watch.check("2031-04-05T14:00:00Z", &[]);
    assert_eq!(watch.told().len(), 1);
    let alert = watch.alert("2031-04-05T14:00:00Z");
    assert_eq!(alert["expiresLocal"], "2031-04-07 00:00 AEST");
    assert_eq!(alert["daysUntilExpiry"], 1);
}

#[test]
fn what_is_observed_wins_and_the_end_of_an_access_token_does_not_count() {
    let watch = Watch::new("alerts_observed", USUAL);
    watch.estate.database.sql(
        "insert into synthex.credential_status (workspace, credential, access_expires_at, observed_expires_at) \
         select workspace, id, '2031-01-01T01:00:00Z', '2031-03-01Z' from synthex.credentials where name = 'c1'",
    );
    watch.check("2031-01-01T00:30:00Z", &[]);
    assert_eq!(watch.told().len(), 0);
    watch.check("2031-02-27T00:00:00Z", &[]);
    assert_eq!(watch.told(), ["firing The Shopify credential c1 of T1 expires in 2 days"]);
}

#[test]
fn what_renews_itself_is_told_when_it_cannot() {
    let watch = Watch::new("alerts_renewal", USUAL);
    watch.estate.declare(
        "Credential",
        "c1",
        "{tenant: T1, service: shopify, secretRef: {file: secrets/c1}, renewal: shopify-refresh-token}",
    );
    watch.apply();
    let failures = |count: i64| {
        watch.estate.database.sql(&format!(
            "insert into synthex.credential_status as s (workspace, credential, access_expires_at, renewal_failures, last_renewal_error) \
             select workspace, id, '2031-01-01T01:00:00Z', {count}, 'the grant is dead' from synthex.credentials where name = 'c1' \
             on conflict (workspace, credential) do update set renewal_failures = excluded.renewal_failures"
        ));
    };
    for (count, told) in [(2, 0), (3, 1), (4, 1), (0, 2)] {
        failures(count);
        watch.check("2031-01-01T00:30:00Z", &[]);
        assert_eq!(watch.told().len(), told, "{count}");
    }
    let rows = watch
        .estate
        .database
        .query_strings("select kind, resolve_reason, evidence ->> 'why' from synthex.alerts");
    assert_eq!(
        rows,
        [["renewal_failed", "recovered", "the grant is dead"].map(|text| Some(text.to_owned()))]
    );
}

#[test]
fn a_suspended_tenant_and_a_revoked_credential_end_it() {
    let watch = Watch::new("alerts_suspended", USUAL);
    let at = "2031-06-25T09:00:00Z";
    watch.check(at, &[]);
    watch.estate.edit("T1.yaml", "status: active", "status: suspended");
    watch.apply();
    watch.check(at, &[]);
    watch.estate.edit("T1.yaml", "status: suspended", "status: active");
    watch.apply();
    // People were told that it is over, so that it is news again.
    watch.check(at, &[]);
    assert_eq!(watch.told().len(), 3);
    watch.check("2031-06-26T09:00:00Z", &[]);
    assert_eq!(watch.told().len(), 3);
    watch.estate.edit("c1.yaml", "expiresAt", "status: revoked, expiresAt");
    watch.apply();
    watch.check("2031-06-26T09:00:00Z", &[]);
    let reasons = "select string_agg(resolve_reason, ' ' order by resolved_at) from synthex.alerts";
    assert_eq!(watch.estate.value(reasons).unwrap(), "suspended revoked");
}

#[test]
fn many_at_once_are_one_message() {
    let watch = Watch::new("alerts_digest", USUAL);
    for number in 0..120 {
        let spec = format!(
            "{{tenant: T{}, service: shopify, secretRef: {{env: C}}, expiresAt: 2031-06-30T00:00:00Z}}",
            number % 3 + 1
        );
        watch.estate.declare("Credential", &format!("many-{number}"), &spec);
    }
    watch.apply();
    watch.check("2031-06-25T09:00:00Z", &[]);
    assert_eq!(watch.told(), ["firing 121 credential alerts (121 warning) in w, by rule expiry"]);
    let items = "select (jsonb_array_length(content -> 'items'))::text from synthex.notifications";
    assert_eq!(watch.estate.value(items).unwrap(), "121");
    assert_eq!(watch.list("2031-06-25T09:00:00Z", &[]).len(), 121);
}

#[test]
fn shares_of_a_life_and_days_after_its_end() {
    let watch = Watch::new(
        "alerts_shares",
        "{when: {credentialExpiry: {thresholds: ['20%', expired, '-3d']}}, channels: [box], reminder: never}",
    );
    // A life of a hundred days.
    let spec = "{tenant: T1, service: shopify, secretRef: {env: C1}, issuedAt: 2031-03-22T00:00:00Z, expiresAt: 2031-06-30T00:00:00Z}";
    watch.estate.declare("Credential", "c1", spec);
    watch.apply();
    for (at, thresholds) in [
        ("2031-06-09T23:59:59Z", &[][..]),
        ("2031-06-10T00:00:00Z", &["20% told"]),
        ("2031-06-29T23:59:59Z", &["20% told"]),
        ("2031-06-30T00:00:00Z", &["20% told", "expired told"]),
        ("2031-07-02T23:59:59Z", &["20% told", "expired told"]),
        ("2031-07-03T00:00:00Z", &["20% told", "expired told", "-3d told"]),
    ] {
        watch.check(at, &[]);
        assert_eq!(watch.thresholds(), thresholds, "{at}");
    }
}

#[test]
fn an_unknown_expiry_is_told_where_it_is_wanted() {
    let watch = Watch::new(
        "alerts_wanted",
        "{when: {credentialExpiry: {requireExpiry: true}}, channels: [box], reminder: never}",
    );
    watch.check("2031-01-01T00:00:00Z", &["--deliver"]);
    assert_eq!(watch.told(), ["firing Nobody knows when the Shopify credential c2 of T2 expires"]);
    let known = "insert into synthex.credential_status (workspace, credential, observed_expires_at) \
         select workspace, id, '2032-01-01Z' from synthex.credentials where name = 'c2'";
    watch.estate.database.sql(known);
    watch.check("2031-01-01T01:00:00Z", &[]);
    assert_eq!(watch.told()[1..], ["resolved The Shopify credential c2 of T2 has a known expiry"]);
}

#[test]
fn a_pair_that_was_renewed_has_another_life_than_the_declared_one() {
    let watch = Watch::new(
        "alerts_pair",
        "{when: {credentialExpiry: {thresholds: ['20%', expired]}}, channels: [box], reminder: never}",
    );
    let spec = "{tenant: T1, service: shopify, secretRef: {file: secrets/c1}, renewal: shopify-refresh-token, \
         issuedAt: 2031-03-22T00:00:00Z, expiresAt: 2031-06-30T00:00:00Z}";
    watch.estate.declare("Credential", "c1", spec);
    watch.apply();
    let renewed = |observed: &str| {
        watch.estate.database.sql(&format!(
            "insert into synthex.credential_status (workspace, credential, last_renewed_at, observed_expires_at) \
             select workspace, id, '2031-05-01Z', {observed} from synthex.credentials where name = 'c1' \
             on conflict (workspace, credential) do update set observed_expires_at = excluded.observed_expires_at"
        ));
    };
    renewed("null");
    watch.check("2031-07-01T00:00:00Z", &[]);
    assert_eq!(watch.told(), Vec::<String>::new());
    // Ninety days after it was renewed; a fifth of that is left.
    renewed("timestamptz '2031-07-30Z'");
    watch.check("2031-07-11T23:59:59Z", &[]);
    assert_eq!(watch.told(), Vec::<String>::new());
    watch.check("2031-07-12T00:00:00Z", &[]);
    assert_eq!(watch.told(), ["firing The Shopify credential c1 of T1 expires in 18 days"]);
}
