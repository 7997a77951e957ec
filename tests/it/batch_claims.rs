//! What manifests declare or projects own, among what a batch is about: left out with its claim, or refused with its place.

use crate::support::estate::Estate;

fn estate(hint: &str) -> Estate {
    let estate = Estate::applied(hint);
    let rows = "tenantId,name,type\nA,Alpha,shopify\nB,Beta,shopify\nC,Gamma,mixed\n";
    estate.project.write("rows.csv", rows);
    estate.run(&["batch", "tenants", "create", "--from-csv", "rows.csv", "--yes"]).ok();
    estate
}

const CONTINUE: [&str; 3] = ["--yes", "--on-error", "continue"];
const JSON: [&str; 5] = ["--yes", "--on-error", "continue", "--format", "json"];

fn value(estate: &Estate, name: &str, column: &str) -> String {
    estate
        .value(&format!("select ({column})::text from synthex.tenants where name = '{name}'"))
        .unwrap_or_default()
}

#[test]
fn one_that_is_declared_is_left_out_with_its_claim_and_the_others_are_done() {
    let estate = estate("batch_claims");
    let update = ["batch", "tenants", "update", "--status", "inactive", "--tenant-ids", "A,T1"];
    // All or nothing: the one that is declared is what failed, the other was not tried.
    let out = estate.run(&[&update[..], &["--yes", "--format", "json"]].concat()).code(5).json();
    assert_eq!(
        (&out["failed"][0]["item"], &out["failureCount"]),
        (&"tenant/w/T1".into(), &1.into()),
        "{out:#}"
    );
    assert_eq!(out["total"], 2);

    let out = estate.run(&[&update[..], &JSON].concat()).code(7).json();
    assert_eq!((&out["successful"][0], &out["partly"]), (&"tenant/w/A".into(), &true.into()), "{out:#}");
    assert_eq!((&out["failed"][0]["item"], &out["failureCount"]), (&"tenant/w/T1".into(), &1.into()));
    assert!(out["failed"][0]["error"].as_str().unwrap().contains("manifests/T1.yaml:1:1"), "{out:#}");
    assert_eq!(value(&estate, "A", "status"), "inactive");
    assert_eq!(value(&estate, "T1", "status"), "active");
    // It is on record.
    let revision = out["revision"].to_string();
    estate.run(&["batch", "show", &revision]).ok().stdout_has("1 item was left out: tenant/w/T1");
    let list = estate.run(&["batch", "list", "--format", "json"]).ok().json();
    assert_eq!(list["operations"][0]["note"], "1 item was left out: tenant/w/T1");
    // The second time nothing is to be done, and one is left out all the same.
    let out = estate.run(&[&update[..], &JSON].concat()).code(7).json();
    assert_eq!((&out["applied"], &out["partly"]), (&false.into(), &true.into()), "{out:#}");
    let out = estate.run(&[&update[..], &CONTINUE].concat()).code(7).stderr_has("1 item was left out:");
    out.stderr_has("  tenant/w/T1 is declared at manifests/T1.yaml:1:1");
    // Where nothing is left, it is refused.
    let alone = ["batch", "tenants", "update", "--status", "inactive", "--tenant-ids", "T1"];
    estate.run(&[&alone[..], &CONTINUE].concat()).code(5).stderr_has("manifests/T1.yaml:1:1");

    // A tenant goes with its credentials, or stays with them.
    estate.database.sql(
        "set synthex.engine = 'on'; insert into synthex.credentials (workspace, name, tenant, service, renewal, secret_ref, owner) \
         values ('w', 'k1', 'B', 'shopify', 'none', '{\"env\": \"K\"}', 'test')",
    );
    let delete = ["batch", "tenants", "delete", "--tenant-ids", "B,C,T2"];
    let out = estate.run(&[&delete[..], &JSON].concat()).code(7).json();
    assert_eq!((&out["successful"][0], &out["failureCount"]), (&"tenant/w/C".into(), &2.into()), "{out:#}");
    let why = out["failed"].as_array().unwrap().iter().find(|failed| failed["item"] == "tenant/w/B").unwrap();
    assert_eq!(why["error"], "its credential/w/k1 belongs to project `test`");
    assert_eq!(value(&estate, "C", "deleted_at is not null"), "true");
    assert_eq!(value(&estate, "B", "deleted_at is null"), "true");
    assert_eq!(value(&estate, "T2", "deleted_at is null"), "true");
}

#[test]
fn a_row_of_a_tenant_that_is_declared_is_refused_with_its_place_unless_it_says_the_same() {
    let estate = estate("batch_claimed_rows");
    let create = ["batch", "tenants", "create", "--from-csv", "out.csv"];
    // What was exported changes nothing of its own database.
    estate.run(&["batch", "export", "csv", "--output", "out.csv"]).ok();
    let state = estate.state();
    estate.run(&[&create[..], &["--yes"]].concat()).ok().stdout_has("No changes.");
    estate.run(&[&create[..], &CONTINUE].concat()).ok().stdout_has("No changes.");

    estate.project.write("out.csv", "tenantId,name,type\nT1,Other,mixed\nNEW,New,mixed\n");
    let out = estate.run(&[&create[..], &["--yes"]].concat()).code(5).nowhere("SX0407");
    out.stderr_has("tenant/w/T1 is declared at manifests/T1.yaml:1:1");
    let out = estate.run(&[&create[..], &["--yes", "--write"]].concat()).code(3);
    out.stderr_has("--write changes what a manifest declares, and these are new");
    assert_eq!(estate.state(), state);
    let out = estate.run(&[&create[..], &JSON].concat()).code(7).json();
    assert_eq!((&out["successful"][0], &out["failureCount"]), (&"tenant/w/NEW".into(), &1.into()), "{out:#}");
    assert!(out["failed"][0]["error"].as_str().unwrap().contains("manifests/T1.yaml:1:1"), "{out:#}");
    // At most so many lines.
    let mut rows = "tenantId,name,type\nFINE,Fine,mixed\n".to_owned();
    for number in 1..=30 {
        rows.push_str(&format!("X{number},Bad,mixt\n"));
    }
    estate.project.write("out.csv", rows);
    let out = estate.run(&[&create[..], &CONTINUE].concat()).code(7).stderr_has("30 items were left out:");
    let out = out.stderr_has("tenant/w/X1: out.csv:3:3: ").stderr_has("  and 10 more");
    assert!(!out.stderr.contains("  tenant/w/X21: "), "{out}");
}

#[test]
fn taking_back_advises_what_can_be_done() {
    let estate = estate("batch_back_advice");
    let run =
        |words: &str| estate.run(&words.split(' ').chain(["--yes", "--format", "json"]).collect::<Vec<_>>());
    let forced = run("batch tenants update --tenant-ids T1 --status inactive --force").ok().json();
    let rollback = format!("batch rollback {}", forced["revision"]);
    let args: Vec<&str> = rollback.split(' ').chain(["--yes"]).collect();
    let out = estate.run(&args).code(5).stderr_has("manifests/T1.yaml:1:1").stderr_has("--force");
    out.nowhere("--write");
    run(&format!("{rollback} --force")).ok();
    assert_eq!(value(&estate, "T1", "status"), "active");

    estate.project.write("rows.csv", "tenantId,name,type,protect\nP,Kept,mixed,true\n");
    let made = run("batch tenants create --from-csv rows.csv").ok().json();
    let out = estate.run(&["batch", "rollback", &made["revision"].to_string(), "--yes"]).code(5);
    out.stderr_has("--set protect=false").stderr_has("batch tenants delete").nowhere("declare it again");
    // The advice holds.
    run("batch tenants update --tenant-ids P --set protect=false").ok();
    run("batch tenants delete --tenant-ids P").ok();
}

#[test]
fn examples_are_whole_lines() {
    let estate = Estate::new("batch_examples");
    for command in [
        "batch",
        "batch tenants",
        "batch tenants create",
        "batch tenants update",
        "batch tenants delete",
        "batch credentials",
        "batch credentials cleanup",
        "batch credentials renew",
        "batch export",
        "batch list",
        "batch show",
        "batch rollback",
    ] {
        let args: Vec<&str> = command.split(' ').chain(["--help"]).collect();
        let help = estate.run(&args).ok().stdout;
        let examples = help.split("Examples:").nth(1).expect("examples");
        for line in examples.lines().filter(|line| !line.is_empty()) {
            assert!(line.starts_with("  ") && line.chars().count() <= 100, "{command}: {line:?}");
            assert!(
                ["'", "\""].iter().all(|quote| line.matches(quote).count() % 2 == 0),
                "{command}: {line:?}"
            );
        }
    }
}
