//! What resources need of one another is looked at again when a plan is executed: the plan may have been saved, may have
//! waited for a lease, or may be carried out in part.

use crate::support::estate::Estate;
use crate::support::project::{Project, tenant_yaml, workspace_yaml};

/// A channel that nothing uses, a tenant without credentials, an empty workspace.
fn estate(hint: &str) -> Estate {
    let estate = Estate::new(hint);
    estate.declare("NotificationChannel", "spare", "{type: console}");
    estate.project.write("manifests/x.yaml", workspace_yaml("x"));
    estate.apply().ok();
    estate
}

const RULE: &str = "{when: {credentialExpiry: {}}, channels: [spare]}";
const CREDENTIAL: &str = "{tenant: T3, service: shopify, secretRef: {env: K}}";

fn undeclare(estate: &Estate, name: &str) -> String {
    let path = format!("manifests/{name}.yaml");
    let text = estate.project.read(&path);
    estate.project.remove(&path);
    text
}

fn declare(estate: &Estate, name: &str, text: &str) {
    estate.project.write(&format!("manifests/{name}.yaml"), text);
}

/// A run that must change nothing and say these things; the exit code is 6.
#[track_caller]
fn is_stale(estate: &Estate, args: &[&str], says: &[&str]) {
    let state = estate.state();
    let mut outcome = estate.run(args).code(6).stderr_has("the database changed after the plan was made");
    for text in says {
        outcome = outcome.stderr_has(text);
    }
    outcome.stderr_has("nothing was changed").stderr_has("help: ");
    assert_eq!((estate.state(), estate.leases_held()), (state, 0));
}

fn living(estate: &Estate, table: &str, name: &str) -> bool {
    let sql = format!("select count(*) from synthex.{table} where name = '{name}' and deleted_at is null");
    estate.database.query_one_i64(&sql) == 1
}

const SAVED: [&str; 3] = ["apply", "plan.json", "--yes"];

#[test]
fn what_a_saved_plan_deletes_may_have_come_into_use() {
    for permanent in [false, true] {
        let estate = estate("refs_delete");
        let text = undeclare(&estate, "spare");
        let plan = ["plan", "--prune", "--out", "plan.json"];
        let mut apply = SAVED.to_vec();
        let digest;
        if permanent {
            let json = [&plan[..], &["--permanent", "--format", "json"]].concat();
            digest = estate.run(&json).code(5).json()["digest"].as_str().unwrap().to_owned();
            apply.extend(["--ack-deletes", "1", "--expect-digest", &digest]);
        } else {
            estate.run(&plan).ok();
        }
        declare(&estate, "spare", &text);
        estate.declare("AlertRule", "late", RULE);
        estate.apply().ok();
        let says =
            ["channel/w/spare: rule/w/late still needs it, last changed by ", "with apply (revision 2)"];
        is_stale(&estate, &apply, &[&says[..], &["make a new plan"]].concat());
        // Without the rule the same file is as good as before.
        estate.database.sql("update synthex.alert_rules set deleted_at = now() where name = 'late'");
        estate.run(&apply).ok().stdout_has("1 to delete");
        assert!(!living(&estate, "notification_channels", "spare"));
    }
}

#[test]
fn a_tenant_that_is_removed_for_good_may_have_got_a_credential() {
    let estate = estate("refs_permanent");
    let text = undeclare(&estate, "T3");
    let plan = ["plan", "--prune", "--permanent", "--out", "plan.json", "--format", "json"];
    let digest = estate.run(&plan).code(5).json()["digest"].as_str().unwrap().to_owned();
    declare(&estate, "T3", &text);
    estate.declare("Credential", "late", CREDENTIAL);
    estate.apply().ok();
    let apply = [&SAVED[..], &["--ack-deletes", "1", "--expect-digest", &digest]].concat();
    is_stale(&estate, &apply, &["tenant/w/T3: credential/w/late still needs it, last changed by "]);
}

#[test]
fn what_a_saved_plan_needs_may_have_been_deleted() {
    for (table, remove) in [("tenants", &["--prune"][..]), ("tenants", &["--prune", "--permanent"])] {
        let estate = estate("refs_need");
        estate.declare("Credential", "late", CREDENTIAL);
        estate.run(&["plan", "--out", "plan.json"]).ok();
        undeclare(&estate, "late");
        undeclare(&estate, "T3");
        let digest = estate.plan(remove)["digest"].as_str().unwrap().to_owned();
        let apply = ["apply", "--yes", "--ack-deletes", "1", "--expect-digest", &digest];
        estate.run(&[&apply[..], remove].concat()).ok();
        let state = if remove.len() == 1 { "is deleted" } else { "is not there" };
        is_stale(
            &estate,
            &SAVED,
            &[
                "credential/w/late (manifests/late.yaml:1:1)",
                &format!("it needs tenant/w/T3, which {state}, last changed by "),
                "with apply (revision 2)",
            ],
        );
        assert!(!living(&estate, table, "T3") && !living(&estate, "credentials", "late"));
    }
}

#[test]
fn a_workspace_may_have_gone_or_filled_since_the_plan_was_saved() {
    let estate = estate("refs_workspace");
    let tenant = tenant_yaml("X1", "x");
    declare(&estate, "X1", &tenant);
    estate.run(&["plan", "--out", "create.json"]).ok();
    undeclare(&estate, "X1");
    let workspace = undeclare(&estate, "x");
    estate.run(&["plan", "--prune", "--out", "delete.json"]).ok();

    declare(&estate, "x", &workspace);
    declare(&estate, "X1", &tenant);
    declare(&estate, "X2", &tenant_yaml("X2", "x"));
    estate.apply().ok();
    let delete = ["apply", "delete.json", "--yes"];
    is_stale(&estate, &delete, &["workspace/x: tenant/x/X1 still needs it, last changed by "]);
    for name in ["X1", "X2", "x"] {
        undeclare(&estate, name);
    }
    estate.run(&["apply", "--yes", "--prune"]).ok();
    estate.database.sql("set synthex.engine = 'on'; delete from synthex.tenants where name = 'X1'");
    let create = ["apply", "create.json", "--yes"];
    is_stale(&estate, &create, &["tenant/x/X1", "it needs workspace/x, which is deleted", "(revision 4)"]);
}

#[test]
fn what_was_done_by_hand_is_named_with_the_role() {
    let estate = estate("refs_hand");
    estate.declare("AlertRule", "late", RULE);
    estate.run(&["plan", "--out", "plan.json"]).ok();
    estate.database.sql("update synthex.notification_channels set deleted_at = now() where name = 'spare'");
    is_stale(&estate, &SAVED, &["it needs channel/w/spare, which is deleted, last changed by role synthex"]);
    // And with each resource for itself, it alone is left out.
    estate.declare_tenant("T4", &[]);
    estate.run(&["plan", "--exclude", "channel/*", "--out", "plan.json"]).code(5).stdout_has("SX0508");
    estate.database.sql("update synthex.notification_channels set deleted_at = null where name = 'spare'");
    estate.run(&["plan", "--exclude", "channel/*", "--out", "plan.json"]).ok();
    estate.database.sql("update synthex.notification_channels set deleted_at = now() where name = 'spare'");
    let outcome = estate.run(&[&SAVED[..], &["--on-error", "continue"]].concat()).code(7);
    outcome
        .stdout_has("failed  create rule/w/late (manifests/late.yaml:1:1): it needs channel/w/spare, which is deleted")
        .stdout_has("1 applied, 1 failed, 0 skipped");
    assert!(living(&estate, "tenants", "T4") && !living(&estate, "alert_rules", "late"));
}

#[test]
fn what_fails_because_it_was_deleted_takes_along_what_needs_it() {
    let estate = estate("refs_stale_need");
    estate.edit("spare.yaml", "console}", "console, description: For emergencies}");
    estate.declare("AlertRule", "late", RULE);
    estate.declare_tenant("T4", &[]);
    estate.run(&["plan", "--out", "plan.json"]).ok();
    undeclare(&estate, "late");
    undeclare(&estate, "spare");
    undeclare(&estate, "T4");
    estate.run(&["apply", "--yes", "--prune"]).ok();
    let outcome = estate.run(&[&SAVED[..], &["--on-error", "continue"]].concat()).code(7);
    outcome
        .stdout_has("failed  update channel/w/spare")
        .stdout_has("skipped create rule/w/late (manifests/late.yaml:1:1): it needs channel/w/spare, which is deleted")
        .stdout_has("1 applied, 1 failed, 1 skipped");
    assert!(!living(&estate, "alert_rules", "late"));
}

#[test]
fn what_is_changed_to_need_something_that_is_declared_wrongly_is_left_as_it_is() {
    let estate = estate("refs_broken_need");
    estate.declare("NotificationChannel", "new", "{type: pigeon}");
    estate.edit("muted.yaml", "channels: [log]", "channels: [new]");
    estate.declare_tenant("T4", &[]);
    let outcome = estate.run(&["apply", "--yes", "--on-error", "continue"]).code(7);
    outcome
        .stdout_has("skipped update rule/w/muted (manifests/muted.yaml:1:1): it needs channel/w/new, which is not there, and that is declared wrongly")
        .stdout_has("1 applied, 0 failed, 2 skipped");
    let channels = "select channels::text from synthex.alert_rules where name = 'muted'";
    assert_eq!(estate.value(channels).as_deref(), Some("[\"log\"]"));
}

#[test]
fn with_each_for_itself_what_came_into_use_stays_and_the_rest_is_deleted() {
    let estate = estate("refs_continue");
    let text = undeclare(&estate, "spare");
    undeclare(&estate, "T3");
    estate.run(&["plan", "--prune", "--out", "plan.json"]).ok();
    declare(&estate, "spare", &text);
    estate.declare("AlertRule", "late", RULE);
    estate.run(&["apply", "--yes", "--target", "rule/w/late"]).ok();
    let outcome = estate.run(&[&SAVED[..], &["--on-error", "continue"]].concat()).code(7);
    outcome
        .stdout_has("failed  delete channel/w/spare: rule/w/late still needs it, last changed by ")
        .stdout_has("1 applied, 1 failed, 0 skipped");
    assert!(living(&estate, "notification_channels", "spare") && !living(&estate, "tenants", "T3"));
}

/// Two applies of one project from two folders: the second plans while the first writes, and waits for it.
#[track_caller]
fn while_another_writes(estate: &Estate, second: &Project, args: &[&str]) -> crate::support::cli::Outcome {
    estate.edit("T2.yaml", "displayName: T2", "displayName: Two");
    estate.trigger("tenants", "update", "new.name = 'T2'", "perform pg_sleep(2);");
    let mut first = estate.synthex(&["apply", "--yes", "--prune"]).spawn();
    let asleep =
        "select count(*) from pg_stat_activity where datname = current_database() and wait_event = 'PgSleep'";
    first.wait_until("the trigger to sleep", || estate.database.query_one_i64(asleep) == 1);
    let args = [&["apply", "--yes", "--lock-timeout", "30"], args].concat();
    let second = second.synthex(args.iter().copied()).database(&estate.database).spawn();
    first.wait().ok();
    second.wait()
}

/// The same project in another folder.
fn copy(estate: &Estate) -> Project {
    let second = Project::empty();
    for file in std::fs::read_dir(estate.project.path().join("manifests")).unwrap() {
        let path = format!("manifests/{}", file.unwrap().file_name().to_string_lossy());
        second.write(&path, estate.project.read(&path));
    }
    second.write("synthex.yaml", estate.project.read("synthex.yaml"));
    second
}

#[test]
fn what_a_waiting_apply_needs_may_be_deleted_while_it_waits() {
    let estate = estate("refs_wait_need");
    let second = copy(&estate);
    let spec = format!(
        "apiVersion: synthex.dev/v1\nkind: Credential\nmetadata: {{name: late, workspace: w}}\nspec: {CREDENTIAL}\n"
    );
    second.write("manifests/late.yaml", spec);
    undeclare(&estate, "T3");
    let outcome = while_another_writes(&estate, &second, &[]).code(6);
    outcome
        .stderr_has("credential/w/late")
        .stderr_has("it needs tenant/w/T3, which is deleted, last changed by ");
    assert!(!living(&estate, "tenants", "T3") && !living(&estate, "credentials", "late"));
}

#[test]
fn what_a_waiting_apply_deletes_may_come_into_use_while_it_waits() {
    let estate = estate("refs_wait_delete");
    let second = copy(&estate);
    second.remove("manifests/spare.yaml");
    estate.declare("AlertRule", "late", RULE);
    let outcome = while_another_writes(&estate, &second, &["--prune"]).code(6);
    outcome.stderr_has("channel/w/spare: rule/w/late still needs it, last changed by ");
    assert!(living(&estate, "notification_channels", "spare") && living(&estate, "alert_rules", "late"));
}
