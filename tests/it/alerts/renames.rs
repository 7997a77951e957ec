//! What has another name is the same thing: its alerts stay, nobody is told that it is gone, and what was told is not told again.

use super::{USUAL, Watch};

/// Replaces what the project file says of renames.
fn moved(watch: &Watch, from: &str, to: &str) {
    let file = watch.estate.project.read("synthex.yaml");
    let file = file.split("  moved:").next().unwrap().trim_end().to_owned();
    let file = file.replace(
        "spec: {workspace: w, guards: {maxDeletes: 100, maxDeletePercent: 100}}",
        "spec:\n  workspace: w\n  guards: {maxDeletes: 100, maxDeletePercent: 100}",
    );
    watch
        .estate
        .project
        .write("synthex.yaml", format!("{file}\n  moved:\n    - {{from: {from}, to: {to}}}\n"));
}

fn open(watch: &Watch) -> Vec<String> {
    let rows = watch.estate.database.query_strings(
        "select concat_ws(' ', rule, tenant, subject, status) from synthex.alerts where status <> 'resolved' order by 1",
    );
    rows.into_iter().flatten().flatten().collect()
}

#[test]
fn alerts_stay_through_renames() {
    let watch = Watch::new("alerts_renames", USUAL);
    watch.estate.declare("AlertRule", "down", "{when: {healthStatus: {}}, channels: [box], reminder: never}");
    watch.apply();
    watch.health("T1", "unhealthy", "shop_frozen");
    watch.check("2031-06-25T00:00:00Z", &[]);
    let before = ["down T1 T1 firing", "expiry T1 c1 firing"];
    assert_eq!(open(&watch), before);
    let told = watch.told();
    // The tenant, and with it the results about it.
    let project = &watch.estate.project;
    let manifest = project.read("manifests/T1.yaml").replace("name: T1\n", "name: ACME\n");
    project.remove("manifests/T1.yaml");
    project.write("manifests/ACME.yaml", manifest);
    watch.estate.edit("c1.yaml", "tenant: T1", "tenant: ACME");
    moved(&watch, "tenant/w/T1", "tenant/w/ACME");
    watch.apply();
    watch.check("2031-06-25T01:00:00Z", &[]);
    assert_eq!(open(&watch), ["down ACME ACME firing", "expiry ACME c1 firing"]);
    assert_eq!(watch.told(), told);
    let kept = "select string_agg(subject || ' ' || tenant, ', ') from synthex.health_status where service = 'shopify'";
    assert_eq!(watch.estate.value(kept).as_deref(), Some("ACME ACME"));
    // Another tenant under the old name is another one.
    watch.estate.declare_tenant("T1", &[]);
    watch.apply();
    watch.health("T1", "unhealthy", "shop_frozen");
    watch.check("2031-06-25T02:00:00Z", &[]);
    assert_eq!(open(&watch), ["down ACME ACME firing", "down T1 T1 firing", "expiry ACME c1 firing"]);
    assert_eq!(watch.told().len(), told.len() + 1);
    // A rule, with what it told and when.
    project.write(
        "manifests/expiry.yaml",
        project.read("manifests/expiry.yaml").replace("name: expiry", "name: ends"),
    );
    moved(&watch, "rule/w/expiry", "rule/w/ends");
    watch.apply();
    watch.check("2031-06-25T03:00:00Z", &[]);
    assert_eq!(open(&watch), ["down ACME ACME firing", "down T1 T1 firing", "ends ACME c1 firing"]);
    assert_eq!(watch.told().len(), told.len() + 1);
    // A channel, with what waits for it.
    project
        .write("manifests/box.yaml", project.read("manifests/box.yaml").replace("name: box", "name: tray"));
    for rule in ["expiry", "down"] {
        watch.estate.edit(&format!("{rule}.yaml"), "channels: [box]", "channels: [tray]");
    }
    moved(&watch, "channel/w/box", "channel/w/tray");
    watch.apply();
    watch.estate.run(&["notify", "deliver", "--once", "--as-of", "2031-06-25T03:00:00Z"]).ok();
    let states =
        "select string_agg(distinct channel || ' ' || state, ', ') from synthex.notification_deliveries";
    assert_eq!(watch.estate.value(states).as_deref(), Some("tray sent"));
}
