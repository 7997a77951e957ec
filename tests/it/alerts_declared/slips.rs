//! What is written with a slip, and would be taken for what was meant: names in tests, conditions that no alert meets, windows
//! that never close, an urgency in the wrong place.

use super::{estate, offline};

#[test]
fn a_test_that_names_what_is_not_there_is_not_green() {
    let estate = estate("alert_tests_names");
    for (given, said) in [
        ("usage: {rule: dwon, count: 5}", "declares no rule on usage `dwon`"),
        ("credential: {name: c11, expiresIn: 60d}", "declares no credential `c11`: did you mean `c1`?"),
        ("health: {service: shopify, tenant: T9, status: healthy}", "declares no tenant `T9`"),
        ("credential: {name: new, tenant: T9, expiresIn: 60d}", "declares no tenant `T9`"),
    ] {
        let spec =
            format!("{{at: 2026-06-01T09:00:00Z, tests: [{{name: one, given: [{{{given}}}], expect: []}}]}}");
        estate.declare("AlertTest", "trial", &spec);
        let outcome = offline(&estate.project, &["alerts", "test"]).code(1);
        outcome.stdout_has(said).stdout_has("0 passed, 1 failed.");
    }
    // One that is made up says whose it is.
    let made_up = "{at: 2026-06-01T09:00:00Z, tests: [{name: one, given: [{credential: {name: new, tenant: T2, expiresIn: 60d}}], expect: []}]}";
    estate.declare("AlertTest", "trial", made_up);
    offline(&estate.project, &["alerts", "test"]).ok();
    let twice = "{at: 2026-06-01T09:00:00Z, tests: [{name: one, expect: []}, {name: one, expect: []}]}";
    estate.declare("AlertTest", "trial", twice);
    offline(&estate.project, &["alerts", "test"]).code(3).stderr_has("SX0344");
}

#[test]
fn tests_settle_and_are_muted_as_what_they_stand_for() {
    let estate = estate("alert_tests_settled");
    estate.declare("AlertRule", "all", "{when: {healthStatus: {}}, channels: [log]}");
    estate.project.remove("manifests/down.yaml");
    let down = |results: &str| {
        format!("given: [{{health: {{service: shopify, tenant: T1, status: unhealthy{results}}}}}]")
    };
    let unreachable: Vec<String> = ["T1", "T2", "T3"]
        .iter()
        .map(|tenant| {
            format!(
                "{{health: {{service: shopify, tenant: {tenant}, status: unhealthy, code: unreachable}}}}"
            )
        })
        .collect();
    let muted = |tenant: &str| format!("{{tenant: {tenant}, mutedBy: [inhibition/shopify], channels: []}}");
    let tests = [
        format!("{{name: one bad result, {}, expect: []}}", down(", results: 2")),
        format!("{{name: three of them, {}, expect: [{{rule: all}}]}}", down(", results: 3")),
        format!("{{name: as many as any rule wants, {}, expect: [{{rule: all}}]}}", down("")),
        format!(
            "{{name: nobody is answered, given: [{}], expect: [{{rule: all, check: shopify, channels: [log]}}, {}, {}, {}]}}",
            unreachable.join(", "),
            muted("T1"),
            muted("T2"),
            muted("T3")
        ),
        "{name: the database explains the rest, given: [{health: {service: database, status: unhealthy}}, \
          {health: {service: shopify, tenant: T1, status: unhealthy}}], \
          expect: [{check: database, channels: [log]}, {check: shopify, mutedBy: [inhibition/database]}]}"
            .to_owned(),
    ];
    estate.declare(
        "AlertTest",
        "trial",
        &format!("{{at: 2026-06-01T09:00:00Z, tests: [{}]}}", tests.join(", ")),
    );
    offline(&estate.project, &["alerts", "test"]).ok().stdout_has("5 passed, 0 failed.");
    // What the health check wants counts.
    estate.declare("HealthCheck", "shops", "{service: shopify, failureThreshold: 2}");
    offline(&estate.project, &["alerts", "test", "one bad"]).code(1).stdout_has("+ found     rule: all");
}

#[test]
fn what_mutes_too_much_or_nothing_is_pointed_out() {
    let estate = estate("alert_review_muting");
    let validate = |as_of: &str| estate.run(&["validate", "--as-of", as_of]);
    estate.edit("night.yaml", "at: '22:30', duration: 2h", "at: '00:00', duration: 24h");
    let always = validate("2026-06-01").ok();
    always.stderr_has("warning[SX0342]").stderr_has("always open").stderr_has("manifests/night.yaml:4:");
    estate.edit("night.yaml", "duration: 24h", "duration: 24h, until: 2026-05-01T00:00:00Z");
    let over = validate("2026-06-01").ok();
    over.stderr_has("warning[SX0343]").stderr_has("it counted until 2026-05-01 00:00 UTC").nowhere("SX0342");
    estate.edit("hush.yaml", "tenant=T1", "tenant=~T");
    let unknown = validate("2026-06-01").ok();
    unknown.stderr_has("warning[SX0341]").stderr_has("write tenant=~\".*T.*\"");
    estate.run(&["validate", "-f", "manifests/hush.yaml", "-f", "manifests/w.yaml"]).nowhere("SX0341");
    estate.edit("hush.yaml", "tenant=~T", "severity=high");
    validate("2026-06-01").code(3).stderr_has("error[SX0320]").stderr_has("no alert has the severity `high`");
    estate.edit("hush.yaml", "severity=high", "tenant=T1, tenant=T2");
    validate("2026-06-01").code(3).stderr_has("error[SX0320]").stderr_has("tenant=~\"T1|T2\"");
    estate.edit("hush.yaml", "[tenant=T1, tenant=T2]", "['tenant=T1,severity=info']");
    validate("2026-06-01").code(3).stderr_has("is more than one condition");
}

#[test]
fn the_severity_of_a_rule_on_expiry_is_none_of_its_thresholds() {
    let estate = estate("alert_review_severity");
    let validate = || estate.run(&["validate", "--as-of", "2026-06-01"]).ok();
    validate().nowhere("SX0340");
    estate.edit("expiry.yaml", "channels:", "severity: critical, channels:");
    validate()
        .stderr_has("warning[SX0340]")
        .stderr_has("manifests/expiry.yaml:4:")
        .stderr_has("severities: {7d: critical, expired: critical}");
    // Whoever writes what the thresholds say knows the difference.
    estate.edit("expiry.yaml", "expired]", "expired], severities: {7d: critical}");
    validate().nowhere("SX0340");
}
