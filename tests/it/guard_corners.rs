//! Guards in the corners: what is counted where, rows that are another's or that nothing can read, what is left out, and
//! what stays on record. The plain cases are in `guards.rs`.

use serde_json::Value;

use crate::support::estate::{Estate, changes};
use crate::support::project::{Project, tenant_yaml, workspace_yaml};

/// Guards as the project file has them, instead of the generous ones of the estate.
fn guarded(estate: &Estate, guards: &str) {
    let file = estate.project.read("synthex.yaml");
    let (before, _) = file.split_once("guards: ").expect("guards");
    estate.project.write("synthex.yaml", format!("{before}guards: {{{guards}}}}}\n"));
}

/// An applied estate with ten more tenants, `M0` to `M9`.
fn with_many(hint: &str) -> Estate {
    let estate = Estate::new(hint);
    for number in 0..10 {
        estate.declare_tenant(&format!("M{number}"), &[]);
    }
    estate.apply().ok();
    estate
}

fn undeclare(estate: &Estate, names: &[&str]) {
    names.iter().for_each(|name| estate.project.remove(&format!("manifests/{name}.yaml")));
}

/// Refused by `plan` and by `apply` alike; nothing is changed, and the refusal is on record.
#[track_caller]
fn refused(estate: &Estate, args: &[&str], code: &str, says: &str) -> Value {
    let state = estate.state();
    estate.run(&[&["plan"], args].concat()).code(5).stdout_has(code).stdout_has(says).stderr_has("help: ");
    estate.run(&[&["apply", "--yes"], args].concat()).code(5).stdout_has(says);
    assert_eq!(estate.state(), state, "nothing is changed");
    let last = "select status || ' ' || note from synthex.batch_operations order by revision desc limit 1";
    assert!(estate.value(last).unwrap().starts_with("refused refused"), "{:?}", estate.value(last));
    let plan = estate.run(&[&["plan", "--format", "json"], args].concat()).code(5).json();
    let codes: Vec<&Value> =
        plan["refusals"].as_array().unwrap().iter().map(|refusal| &refusal["code"]).collect();
    assert!(codes.contains(&&Value::from(code)), "{codes:?}");
    plan
}

fn living(estate: &Estate) -> i64 {
    estate.database.query_one_i64("select count(*) from synthex.tenants where deleted_at is null")
}

#[test]
fn updates_that_are_left_out_are_not_counted() {
    let estate = with_many("corner_updates");
    guarded(&estate, "maxUpdatePercent: 10");
    for number in 0..3 {
        estate.edit(&format!("M{number}.yaml"), "status: active", "status: inactive");
    }
    refused(
        &estate,
        &[],
        "SX0504",
        "3 of 24 rows would be updated in workspace `w`; the project allows 10 %",
    );
    estate.declare_tenant("N1", &[]);
    estate.run(&["apply", "--yes", "--allow", "create"]).ok().stderr_has("3 to update");
}

#[test]
fn deletions_are_counted_in_each_workspace_and_in_all() {
    let estate = with_many("corner_count");
    for workspace in ["u", "v"] {
        estate.project.write(&format!("manifests/{workspace}.yaml"), workspace_yaml(workspace));
        for number in 0..4 {
            let name = format!("{workspace}{number}");
            estate.project.write(&format!("manifests/{name}.yaml"), tenant_yaml(&name, workspace));
        }
    }
    estate.apply().ok();
    guarded(&estate, "maxDeletes: 3, maxDeletePercent: 100");
    undeclare(&estate, &["u0", "u1", "v0", "v1"]);
    refused(
        &estate,
        &["--prune"],
        "SX0503",
        "4 of 34 rows would be deleted in all workspaces; the project allows 3 (maxDeletes)",
    );
    // One workspace alone is within the limit.
    estate.run(&["plan", "--prune", "--workspace", "u"]).ok();
    undeclare(&estate, &["u2", "u3"]);
    refused(
        &estate,
        &["--prune"],
        "SX0503",
        "4 of 5 rows would be deleted in workspace `u`; the project allows 3",
    );
    guarded(&estate, "maxDeletes: 100, maxDeletePercent: 50");
    refused(
        &estate,
        &["--prune"],
        "SX0503",
        "4 of 5 rows would be deleted in workspace `u`; the project allows 50 %",
    );
    guarded(&estate, "maxDeletes: 6, maxDeletePercent: 100");
    estate.run(&["apply", "--yes", "--prune"]).ok().stdout_has("6 to delete");
}

#[test]
fn the_last_one_and_nine_of_nine_are_too_many() {
    let estate = Estate::applied("corner_last");
    guarded(&estate, "maxDeletes: 100, maxDeletePercent: 99");
    undeclare(&estate, &["shops"]);
    refused(
        &estate,
        &["--prune"],
        "SX0503",
        "1 of 1 rows would be deleted in workspace `w`, of kind template; none would be left",
    );
    estate.declare("TenantTemplate", "shops", "{type: shopify}");
    undeclare(&estate, &["c1", "c2"]);
    estate.apply().ok();
    estate.database.sql("update synthex.credentials set deleted_at = now()");
    undeclare(&estate, &["T1", "T2", "T3"]);
    refused(&estate, &["--prune"], "SX0503", "3 of 3 rows would be deleted in workspace `w`, of kind tenant");
    // The usual guards, of a project file that says nothing.
    let estate = with_many("corner_usual");
    estate.project.write(
        "synthex.yaml",
        "apiVersion: synthex.dev/v1\nkind: Project\nmetadata: {name: test}\nspec: {workspace: w}\n",
    );
    undeclare(&estate, &["M0", "M1", "M2", "M3", "M4"]);
    refused(
        &estate,
        &["--prune"],
        "SX0503",
        "5 of 24 rows would be deleted in workspace `w`; the project allows 20 %",
    );
    estate.declare_tenant("M0", &[]);
    estate.run(&["apply", "--yes", "--prune"]).ok().stdout_has("4 to delete");
}

#[test]
fn the_other_guards_stay_on_when_the_number_is_acknowledged() {
    let estate = with_many("corner_ack_others");
    guarded(&estate, "maxDeletes: 0");
    undeclare(&estate, &["M0", "chat"]);
    estate.edit("expiry.yaml", "channels: [chat, log]", "channels: [log]");
    estate.database.sql("insert into synthex.alert_rules (workspace, name, condition, channels) values ('w', 'hand', '{}', '[\"chat\"]')");
    let plan =
        refused(&estate, &["--prune"], "SX0506", "channel/w/chat would be deleted and is still needed by");
    let digest = plan["digest"].as_str().unwrap();
    let state = estate.state();
    let args = ["apply", "--yes", "--prune", "--ack-deletes", "2", "--expect-digest", digest];
    estate.run(&args).code(5).stderr_has("still needed by").stderr_has("rule/w/hand");
    assert_eq!(estate.state(), state);
}

#[test]
fn what_was_deleted_softly_is_removed_for_good_without_being_counted_twice() {
    let estate = with_many("corner_permanent_soft");
    undeclare(&estate, &["M0", "M1", "M2"]);
    estate.run(&["apply", "--yes", "--prune"]).ok();
    guarded(&estate, "maxDeletes: 0, maxDeletePercent: 0");
    let plan = estate.run(&["plan", "--prune", "--permanent", "--format", "json"]).code(5).json();
    let codes: Vec<&str> = plan["refusals"]
        .as_array()
        .unwrap()
        .iter()
        .map(|refusal| refusal["code"].as_str().unwrap())
        .collect();
    assert_eq!(codes, ["SX0507"]);
}

#[test]
fn a_channel_that_something_still_uses_is_not_deleted() {
    // A rule that cannot be read counts as well as one that can.
    let readable = r#"{"credentialExpiry": {}}"#;
    for (owner, condition) in [("null", "{}"), ("'cli'", readable), ("'second'", readable)] {
        let estate = Estate::applied("corner_in_use");
        estate.database.sql(&format!(
            "insert into synthex.alert_rules (workspace, name, condition, channels, owner) values ('w', 'hand', '{condition}', '[\"chat\"]', {owner})"
        ));
        estate.edit("expiry.yaml", "channels: [chat, log]", "channels: [log]");
        undeclare(&estate, &["chat"]);
        refused(
            &estate,
            &["--prune"],
            "SX0506",
            "channel/w/chat would be deleted and is still needed by rule/w/hand",
        );
        estate.database.sql("update synthex.alert_rules set deleted_at = now() where name = 'hand'");
        // The rule that gives it up in the same plan must be allowed to.
        let state = estate.state();
        estate
            .run(&["apply", "--yes", "--prune", "--allow", "delete"])
            .code(5)
            .stderr_has("still needed by rule/w/expiry");
        assert_eq!(estate.state(), state);
        estate.run(&["apply", "--yes", "--prune"]).ok().stdout_has("1 to update, 1 to delete");
    }
}

#[test]
fn what_is_not_allowed_is_left_out_and_said() {
    let estate = Estate::applied("corner_allow");
    undeclare(&estate, &["T3"]);
    estate.declare_tenant("T4", &[]);
    estate.edit("T1.yaml", "status: active", "status: inactive");
    let args = ["apply", "--yes", "--prune", "--allow", "create,update"];
    let dry = estate.run(&["apply", "--dry-run", "--prune", "--allow", "create,update", "--strict"]).ok();
    dry.stderr_has("left out, because --allow does not name them: 1 to delete");
    estate
        .run(&[&args[..], &["--strict"]].concat())
        .code(7)
        .stderr_has("1 to delete")
        .stdout_has("Applied as revision 2.");
    assert_eq!(living(&estate), 4);
    let json = estate.run(&[&args[..], &["--format", "json"]].concat()).ok().json();
    assert_eq!((&json["withheld"]["delete"], &json["applied"]), (&1.into(), &false.into()));
    estate.run(&[&args[..], &["--strict"]].concat()).code(7);
    estate.run(&["apply", "--yes", "--strict"]).code(3).stderr_has("--allow");
    estate
        .run(&["apply", "--yes", "--prune", "--allow", "delete", "--strict"])
        .ok()
        .stdout_has("1 to delete");
    estate.is_converged();
}

#[test]
fn what_is_allowed_must_not_need_what_is_not() {
    let estate = Estate::applied("corner_allow_need");
    undeclare(&estate, &["T3"]);
    estate.run(&["apply", "--yes", "--prune"]).ok();
    estate.declare_tenant("T3", &[]);
    estate.declare("Credential", "late", "{tenant: T3, service: shopify, secretRef: {env: K}}");
    estate.declare("NotificationChannel", "new", "{type: console}");
    estate.edit("muted.yaml", "channels: [log]", "channels: [new]");
    let refused = |allow: &str, says: &str, help: &str| {
        let state = estate.state();
        let run = estate.run(&["apply", "--yes", "--allow", allow]).code(5);
        run.stderr_has(&format!("refused: {says}")).stderr_has(help);
        assert_eq!(estate.state(), state);
    };
    refused(
        "create",
        "credential/w/late needs tenant/w/T3, whose restore is left out",
        "add restore to --allow",
    );
    refused("update", "rule/w/muted needs channel/w/new, whose create is left out", "add create to --allow");
    estate.run(&["apply", "--yes", "--allow", "create,restore"]).ok().stderr_has("left out");
    // A plan that was saved is looked at in the same way.
    estate.edit("muted.yaml", "channels: [new]", "channels: [newer]");
    estate.declare("NotificationChannel", "newer", "{type: console}");
    estate.run(&["plan", "--out", "plan.json"]).ok();
    estate
        .run(&["apply", "plan.json", "--yes", "--allow", "update"])
        .code(5)
        .stderr_has("rule/w/muted needs channel/w/newer, whose create is left out");
    estate.run(&["apply", "plan.json", "--yes"]).ok();
    estate.is_converged();
}

#[test]
fn what_is_needed_and_not_selected_is_refused_before_the_database_refuses_it() {
    let estate = Estate::new("corner_exclude");
    let exclude = |code: i32, args: &[&str]| estate.run(&[&["plan"], args].concat()).code(code);
    let outcome = exclude(5, &["--exclude", "tenant/w/T1"]);
    outcome.stdout_has("SX0508").stdout_has("credential/w/c1 needs tenant/w/T1, which is not there");
    exclude(5, &["--exclude", "workspace/*"]).stdout_has("needs workspace/w, which is not there");
    exclude(0, &["--exclude", "tenant/w/T1", "--exclude", "credential/w/c1"]);
    estate.run(&["apply", "--yes", "--exclude", "tenant/w/T1"]).code(5);
    assert_eq!(estate.state(), Vec::<String>::new());
}

#[test]
fn a_row_of_another_project_is_taken_over_only_by_name() {
    let estate = Estate::applied("corner_take_over");
    let second = Project::empty();
    second.write("synthex.yaml", estate.project.read("synthex.yaml").replace("name: test", "name: second"));
    second.write("manifests/T1.yaml", estate.project.read("manifests/T1.yaml"));
    second.write("manifests/T2.yaml", estate.project.read("manifests/T2.yaml"));
    second.write("manifests/w.yaml", estate.project.read("manifests/w.yaml"));
    let run = |args: &[&str]| second.synthex(args.iter().copied()).database(&estate.database).run();
    let take = ["--take-ownership", "tenant/w/T1", "--take-ownership", "workspace/w"];
    let state = estate.state();
    run(&[&["apply", "--yes"], &take[..]].concat())
        .code(5)
        .stderr_has("tenant/w/T2 belongs to project `test`");
    assert_eq!(estate.state(), state);
    second.remove("manifests/T2.yaml");
    let plan = run(&[&["plan", "--format", "json"], &take[..]].concat()).ok().json();
    assert_eq!(changes(&plan), ["adopt tenant/w/T1", "adopt workspace/w"]);
    assert_eq!(plan["changes"][0]["reason"]["code"], "taken-over");
    run(&[&["apply", "--yes"], &take[..]].concat()).ok();
    let owners = "select string_agg(name || '=' || owner, ' ' order by name) from synthex.tenants";
    assert_eq!(estate.value(owners).as_deref(), Some("T1=second T2=test T3=test"));
    estate.run(&["plan"]).code(5).stdout_has("tenant/w/T1 belongs to project `second`");
}

#[test]
fn a_likely_rename_is_pointed_out_and_refused_where_asked() {
    let estate = Estate::applied("corner_rename");
    undeclare(&estate, &["T3"]);
    estate
        .project
        .write("manifests/NEW.yaml", tenant_yaml("NEW", "w").replace("new.myshopify", "t3.myshopify"));
    estate.run(&["plan", "--prune"]).ok().stdout_has("moved").stdout_has("tenant/w/T3");
    refused(
        &estate,
        &["--prune", "--guard", "rename"],
        "SX0505",
        "tenant/w/NEW looks like tenant/w/T3 under a new name",
    );
    guarded(&estate, "rename: true, maxDeletes: 100, maxDeletePercent: 100");
    refused(&estate, &["--prune"], "SX0505", "both have shopifyShop t3.myshopify.com");
}

#[test]
fn failed_and_stopped_applies_are_on_record() {
    let estate = Estate::applied("corner_record");
    estate.edit("T1.yaml", "status: active", "status: inactive");
    let last =
        "select concat_ws(' ', status, note) from synthex.batch_operations order by revision desc limit 1";
    estate.trigger("tenants", "update", "true", "raise exception 'no';");
    estate.apply().code(1);
    let failed = estate.value(last).unwrap();
    assert!(
        failed.starts_with("failed tenant/w/T1 (manifests/T1.yaml:1:1): the database does not accept"),
        "{failed}"
    );
    estate.trigger("tenants", "update", "true", "perform pg_sleep(20);");
    let mut run = estate.synthex(&["apply", "--yes"]).spawn();
    let asleep =
        "select count(*) from pg_stat_activity where datname = current_database() and wait_event = 'PgSleep'";
    run.wait_until("the trigger to sleep", || estate.database.query_one_i64(asleep) == 1);
    run.interrupt();
    run.wait().code(130);
    assert_eq!(estate.value(last).as_deref(), Some("interrupted stopped; nothing was changed"));
    assert_eq!(
        estate.database.query_one_i64("select count(*) from synthex.batch_operation_items"),
        14,
        "nothing was done"
    );
}
