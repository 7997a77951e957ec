//! Forms: exit codes, JSON by its schema, JUnit, Prometheus' text, and a database that is not there.

use serde_json::json;

use super::answers::shop_with;
use super::{NOW, Shops, found, said, valid_json};
use crate::support::project::Project;
use crate::support::services::{Asked, Reply};

fn shop(asked: &Asked) -> Reply {
    match asked.shop() {
        "frozen.myshopify.com" => Reply::text(402, "frozen"),
        "paused.myshopify.com" => shop_with(asked, "Paused", 1990, "2026-10"),
        "odd.myshopify.com" => Reply::text(200, "odd"),
        _ => shop_with(asked, "Basic", 1990, "2026-10"),
    }
}

#[test]
fn the_exit_code_says_how_things_stand() {
    let shops = Shops::with("health_exit", &["well", "paused", "frozen", "odd"], shop);
    for (tenants, code, overall) in [
        ("well", 0, "healthy"),
        ("well,paused", 1, "degraded"),
        ("well,paused,frozen", 2, "unhealthy"),
        ("well,odd", 3, "unknown"),
        ("odd,paused", 1, "degraded"),
    ] {
        let args = ["health", "check", "--service", "shopify", "--tenant-id", tenants, "--format", "json"];
        let outcome = shops.run(&args).run().code(code);
        assert_eq!(valid_json(&outcome)["overallStatus"], overall, "{tenants}");
    }
    shops.run(&["health", "check", "--format", "sarif"]).run().code(3);
    shops.run(&["health", "check", "--service", "weather"]).run().code(3).stderr_has("google-merchant");
}

#[test]
fn a_database_that_is_not_there_is_a_result_and_no_crash() {
    let project = Project::new();
    let run = |args: &[&str]| {
        project.synthex(args).env("SYNTHEX_DATABASE_URL", "postgresql://u:secret-pw@127.0.0.1:1/x").run()
    };
    let outcome =
        run(&["health", "check", "--service", "database", "--format", "json"]).code(2).nowhere("secret-pw");
    let report = valid_json(&outcome);
    assert_eq!(said(&report, "database"), "unhealthy unreachable");
    assert_eq!((&report["overallStatus"], &report["recorded"]), (&json!("unhealthy"), &json!(false)));
    // All of it: what does not need the database is looked at still.
    let report = valid_json(&run(&["health", "check", "--format", "json"]).code(2));
    let host = report["checks"]
        .as_array()
        .unwrap()
        .iter()
        .find(|check| check["service"] == "memory")
        .unwrap()
        .clone();
    assert!(host["metadata"]["totalMib"].as_i64().unwrap() > 0, "{host}");
    run(&["health", "check", "--service", "shopify"]).code(2).stderr_has("no provider was asked");
    let failed = run(&["health", "report", "--format", "json"]).code(8).json();
    assert_eq!(failed["error"]["code"], "database-unreachable");
}

#[test]
fn the_database_and_this_machine_are_looked_at() {
    let shops = Shops::with("health_host", &["well"], shop);
    let args = ["--service", "database", "--service", "disk", "--service", "memory"];
    let (report, _) = shops.check(&args);
    assert_eq!(said(&report, "database"), "healthy ok");
    let facts = &found(&report, "database")["metadata"];
    assert_eq!(facts["migration"], facts["knownMigration"]);
    assert!(
        facts["connections"].as_i64().unwrap() > 0 && facts["maxConnections"].as_i64().unwrap() > 100,
        "{facts}"
    );
    let checks = report["checks"].as_array().unwrap();
    for service in ["disk", "memory"] {
        let check = checks.iter().find(|check| check["service"] == service).unwrap();
        assert!(check["metadata"]["totalMib"].as_i64().unwrap() > 0, "{check}");
        assert_ne!(check["subject"], "", "of which machine");
    }
    assert!(shops.services.asked("").is_empty(), "no provider was asked");
    shops.estate.database.sql("delete from synthex.schema_migrations where version = (select max(version) from synthex.schema_migrations)");
    assert_eq!(said(&shops.check(&["--service", "database"]).0, "database"), "degraded migrations_pending");
}

#[test]
fn where_nothing_is_installed_it_is_said_and_nothing_is_kept() {
    let shops = Shops::new("health_none");
    let outcome = shops.run(&["health", "check", "--service", "database", "--format", "json"]).run().code(1);
    let report = valid_json(&outcome);
    assert_eq!(said(&report, "database"), "degraded not_installed");
    assert_eq!(report["recorded"], false);
    outcome.stderr_has("synthex db migrate");
    let report = shops.run(&["health", "report"]).run().code(3);
    report.stderr_has("Nothing was applied to this database yet: run `synthex apply`.");
}

fn looked_at(hint: &str) -> Shops {
    let shops = Shops::with(hint, &["well", "paused", "frozen", "odd"], shop);
    for minute in ["00", "15", "30"] {
        shops.check_at(&format!("2026-11-20T11:{minute}:00Z"), &["--service", "shopify"]);
    }
    shops
}

#[test]
fn a_report_tells_what_is_kept_as_json_by_its_schema() {
    let shops = looked_at("health_report");
    let asked = shops.services.asked("").len();
    let outcome =
        shops.run(&["health", "report", "--as-of", "2026-11-20T11:31:00Z", "--format", "json"]).run().code(2);
    let report = valid_json(&outcome);
    assert_eq!(said(&report, "shopify/w/frozen"), "unhealthy shop_frozen");
    assert_eq!(said(&report, "shopify/w/paused"), "degraded plan_paused");
    assert_eq!(said(&report, "shopify/w/odd"), "unhealthy bad_answer");
    let frozen = found(&report, "shopify/w/frozen");
    assert_eq!((&frozen["since"], &frozen["stale"]), (&json!("2026-11-20T11:30:00Z"), &json!(false)));
    assert_eq!(frozen["availability"], json!({"good": 0, "known": 3, "ratio": 0.0}));
    assert_eq!(found(&report, "shopify/w/well")["availability"]["ratio"], 1.0);
    assert_eq!(shops.services.asked("").len(), asked, "nobody was asked");
    let old =
        shops.run(&["health", "report", "--as-of", "2026-11-20T12:31:00Z", "--format", "json"]).run().code(2);
    assert_eq!(found(&valid_json(&old), "shopify/w/well")["stale"], true);
    let text = shops.run(&["health", "report", "--as-of", NOW, "--limit", "2"]).run().code(2);
    text.stdout_has("Overall unhealthy").stdout_has("Available in the period").stderr_has("2 of");
    let other = shops.run(&["health", "report", "--format", "markdown"]).run().code(3);
    other.stderr_has("junit or prometheus");
}

#[test]
fn junit_is_xml_and_its_numbers_are_right() {
    let shops = looked_at("health_junit");
    let xml = shops.run(&["health", "report", "--as-of", NOW, "--format", "junit"]).run().code(2).stdout;
    well_formed(&xml);
    let failures = xml.matches("<failure ").count();
    let suites = xml.lines().find(|line| line.starts_with("<testsuites ")).unwrap();
    assert!(suites.contains(&format!("failures=\"{failures}\"")) && failures >= 2, "{suites}");
    assert!(suites.contains(&format!("tests=\"{}\"", xml.matches("<testcase ").count())), "{suites}");
    assert!(xml.contains("<testcase classname=\"shopify.w\" name=\"frozen\""), "{xml}");
}

/// Tags are closed in their order, attributes are quoted, and what has a meaning in XML is escaped.
#[track_caller]
fn well_formed(xml: &str) {
    let mut rest = xml.strip_prefix("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n").expect("a declaration");
    let mut open: Vec<&str> = Vec::new();
    while let Some(at) = rest.find('<') {
        let text = &rest[..at];
        let plain = ["&amp;", "&lt;", "&gt;", "&quot;", "&apos;"]
            .iter()
            .fold(text.to_owned(), |text, own| text.replace(own, ""));
        assert!(!plain.contains('&') && !plain.contains('>'), "{text}");
        let end = at + rest[at..].find('>').expect("a tag ends");
        let tag = &rest[at + 1..end];
        assert_eq!(tag.matches('"').count() % 2, 0, "{tag}");
        let name = tag.trim_matches('/').split(' ').next().unwrap();
        if tag.starts_with('/') {
            assert_eq!(open.pop(), Some(name), "{xml}");
        } else if !tag.ends_with('/') {
            open.push(name);
        }
        rest = &rest[end + 1..];
    }
    assert!(open.is_empty(), "{open:?} are not closed");
}

#[test]
fn prometheus_reads_it_and_no_tenant_is_a_label() {
    let shops = looked_at("health_prometheus");
    let text =
        shops.run(&["health", "report", "--as-of", NOW, "--format", "prometheus"]).run().code(2).stdout;
    let (mut typed, mut seen) = (std::collections::BTreeSet::new(), std::collections::BTreeSet::new());
    for line in text.lines() {
        if let Some(help) = line.strip_prefix("# HELP ") {
            assert!(help.split_once(' ').is_some_and(|(_, help)| !help.is_empty()), "{line}");
        } else if let Some(kind) = line.strip_prefix("# TYPE ") {
            let (name, kind) = kind.split_once(' ').unwrap();
            assert_eq!(kind, "gauge");
            assert!(typed.insert(name.to_owned()), "{name} comes twice");
        } else {
            let (series, value) = line.rsplit_once(' ').unwrap();
            value.parse::<f64>().unwrap_or_else(|_| panic!("{line}"));
            let name = series.split('{').next().unwrap();
            assert!(typed.contains(name), "{line} has no type");
            assert!(seen.insert(series.to_owned()), "{series} comes twice");
            if let Some(labels) = series.strip_prefix(name).unwrap().strip_prefix('{') {
                for label in labels.strip_suffix('}').unwrap().split(',') {
                    let (key, value) = label.split_once('=').unwrap();
                    assert!(["service", "workspace", "status"].contains(&key), "{line}");
                    assert!(value.starts_with('"') && value.ends_with('"'), "{line}");
                }
            }
        }
    }
    assert!(text.ends_with('\n') && seen.len() > 20, "{text}");
    assert!(
        seen.contains("synthex_health_checks{service=\"shopify\",workspace=\"w\",status=\"unhealthy\"}"),
        "{text}"
    );
    assert!(!text.contains("frozen"), "{text}");
}

#[test]
fn lists_and_history_tell_thing_by_thing_and_end_well() {
    let shops = looked_at("health_list");
    let list = ["health", "list", "--status", "unhealthy", "--as-of", NOW, "--format", "json"];
    let names: Vec<String> = valid_json(&shops.run(&list).run().ok())["checks"]
        .as_array()
        .unwrap()
        .iter()
        .map(|check| check["name"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(names, ["shopify/w/frozen", "shopify/w/odd"]);
    let tenant = shops.run(&["health", "list", "--tenant-id", "paused", "--as-of", NOW]).run().ok();
    tenant.stdout_has("shopify/w/paused").stdout_has("plan_paused").nowhere("frozen");
    let args = ["health", "history", "--service", "shopify", "--subject", "odd", "--format", "json"];
    let history = shops.run(&args).run().ok().json();
    let statuses: Vec<&str> = history["results"]
        .as_array()
        .unwrap()
        .iter()
        .map(|result| result["status"].as_str().unwrap())
        .collect();
    assert_eq!(statuses, ["unhealthy", "unknown", "unknown"]);
    shops.run(&["health", "history", "--limit", "1"]).run().ok().stdout_has("WHAT WAS FOUND");
}
