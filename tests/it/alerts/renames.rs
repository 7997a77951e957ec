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

/// A plan that renames does nothing to alerts.
fn quiet(watch: &Watch, at: &str) {
    watch.estate.run(&["plan", "--as-of", at]).ok().stdout_has("to rename").nowhere("Alert impact");
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
    quiet(&watch, "2031-06-25T00:30:00Z");
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
    quiet(&watch, "2031-06-25T02:30:00Z");
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
    // The end is told where the beginning was, whatever that is called by now; and the name may go back.
    watch.health("T1", "healthy", "ok");
    watch.check("2031-06-25T04:00:00Z", &["--deliver"]);
    let end = "select string_agg(d.channel || ' ' || d.state, ', ') from synthex.notification_deliveries as d \
         join synthex.notifications as n on n.id = d.notification where n.event = 'resolved'";
    assert_eq!(watch.estate.value(end).as_deref(), Some("tray sent"));
    project
        .write("manifests/box.yaml", project.read("manifests/box.yaml").replace("name: tray", "name: box"));
    for rule in ["expiry", "down"] {
        watch.estate.edit(&format!("{rule}.yaml"), "channels: [tray]", "channels: [box]");
    }
    moved(&watch, "channel/w/tray", "channel/w/box");
    watch.apply();
    watch.health("ACME", "healthy", "ok");
    watch.check("2031-06-25T05:00:00Z", &["--deliver"]);
    assert_eq!(watch.estate.value(end).as_deref(), Some("box sent, box sent"));
}

#[test]
fn names_that_are_handed_on_take_their_alerts_along() {
    let watch = Watch::new("alerts_handed_on", USUAL);
    watch.estate.declare("AlertRule", "down", "{when: {healthStatus: {}}, channels: [box], reminder: never}");
    watch.apply();
    for tenant in ["T1", "T2"] {
        watch.health(tenant, "unhealthy", "shop_frozen");
    }
    watch.check("2031-01-02T00:00:00Z", &[]);
    let told = watch.told();
    let project = &watch.estate.project;
    // T2 becomes T9, and T1 becomes T2; nobody evaluates in between.
    for (from, to) in [("T2", "T9"), ("T1", "T2")] {
        let manifest = project.read(&format!("manifests/{from}.yaml"));
        project.remove(&format!("manifests/{from}.yaml"));
        project.write(
            &format!("manifests/{to}.yaml"),
            manifest.replace(&format!("name: {from}\n"), &format!("name: {to}\n")),
        );
        for credential in ["c1", "c2"] {
            let file = format!("manifests/{credential}.yaml");
            project.write(
                &file,
                project.read(&file).replace(&format!("tenant: {from},"), &format!("tenant: {to},")),
            );
        }
        moved(&watch, &format!("tenant/w/{from}"), &format!("tenant/w/{to}"));
        watch.apply();
    }
    watch.check("2031-01-02T01:00:00Z", &[]);
    assert_eq!(watch.told(), told);
    assert_eq!(open(&watch), ["down T2 T2 firing", "down T9 T9 firing"]);
}
