//! Guards: what a plan may not do, and how somebody says that it is meant.

use serde_json::Value;

use crate::support::estate::Estate;
use crate::support::project::{tenant_yaml, workspace_yaml};

/// An estate with ten more tenants, and the guards that a project has when it says nothing.
fn with_tenants(hint: &str) -> Estate {
    let estate = Estate::new(hint).with_usual_guards();
    for number in 0..10 {
        estate.declare_tenant(&format!("G{number}"), &[]);
    }
    estate.apply().ok();
    estate
}

fn remove(estate: &Estate, names: &[&str]) {
    for name in names {
        estate.project.remove(&format!("manifests/{name}.yaml"));
    }
}

fn refusals(plan: &Value) -> Vec<&str> {
    plan["refusals"]
        .as_array()
        .expect("a list")
        .iter()
        .filter_map(|refusal| refusal["code"].as_str())
        .collect()
}

fn digest(plan: &Value) -> String {
    plan["digest"].as_str().expect("a digest").to_owned()
}

#[test]
fn nothing_is_deleted_unless_pruning_is_asked_for() {
    let estate = with_tenants("guards_prune");
    remove(&estate, &["G0"]);
    let plan = estate.plan(&[]);
    assert_eq!(
        (&plan["summary"]["delete"], &plan["undeclared"][0]["key"]),
        (&0.into(), &"tenant/w/G0".into())
    );
    estate.apply().ok().stdout_has("No changes.");
    estate.run(&["apply", "--yes", "--prune"]).ok().stdout_has("1 to delete");
}

#[test]
fn more_deletions_than_allowed_need_their_number_and_the_digest() {
    let estate = with_tenants("guards_count");
    remove(&estate, &["G0", "G1", "G2", "G3", "G4", "G5"]);
    let plan = estate.plan(&["--prune"]);
    assert_eq!(refusals(&plan), ["SX0503"], "{plan:#}");
    let (digest, state) = (digest(&plan), estate.state());
    let apply = |extra: &[&str]| estate.run(&[&["apply", "--yes", "--prune"], extra].concat());
    apply(&[]).code(5).stderr_has("6 of 24 rows").stderr_has("--ack-deletes 6 --expect-digest");
    apply(&["--ack-deletes", "6"]).code(3).stderr_has("--expect-digest");
    apply(&["--ack-deletes", "5", "--expect-digest", &digest]).code(5).stderr_has("the plan deletes 6");
    let wrong = digest.replace(&digest[10..12], if &digest[10..12] == "00" { "11" } else { "00" });
    apply(&["--ack-deletes", "6", "--expect-digest", &wrong]).code(6);
    apply(&["--expect-digest", &digest]).code(5);
    assert_eq!(estate.state(), state, "nothing was deleted so far");
    apply(&["--ack-deletes", "6", "--expect-digest", &digest]).ok().stdout_has("6 to delete");
    let recorded = "select acknowledged::text from synthex.batch_operations order by revision desc limit 1";
    assert_eq!(estate.value(recorded).as_deref(), Some("6"));
    let refused =
        "select count(*) from synthex.batch_operations where status = 'refused' and note is not null";
    assert_eq!(estate.database.query_one_i64(refused), 3, "what was refused is on record");
}

#[test]
fn there_is_no_number_so_small_that_the_percentage_does_not_count() {
    let estate = Estate::new("guards_small").with_usual_guards();
    estate.project.write("manifests/v.yaml", workspace_yaml("v"));
    estate.project.write("manifests/only.yaml", tenant_yaml("ONLY", "v"));
    estate.apply().ok();
    estate.project.remove("manifests/only.yaml");
    let plan = estate.plan(&["--prune"]);
    assert_eq!(refusals(&plan), ["SX0503"]);
    let message = plan["refusals"][0]["message"].as_str().expect("a message");
    assert!(message.contains("1 of 2 rows would be deleted in workspace `v`"), "{message}");
    // Nine of nine: the workspace alone would be far above the percentage, and so is the kind.
    let file = estate.project.read("synthex.yaml");
    estate.project.write(
        "synthex.yaml",
        file.replace("workspace: w", "workspace: w, guards: {maxDeletePercent: 99, maxDeletes: 50}"),
    );
    let plan = estate.plan(&["--prune"]);
    let message = plan["refusals"][0]["message"].as_str().expect("a message");
    assert!(message.contains("of kind tenant; none would be left"), "{message}");
    estate
        .project
        .write("synthex.yaml", file.replace("workspace: w", "workspace: w, guards: {maxDeletePercent: 100}"));
    estate.run(&["apply", "--yes", "--prune"]).ok();
}

#[test]
fn protection_is_kept_in_the_database_and_is_not_acknowledged_away() {
    let estate = with_tenants("guards_protect");
    estate.edit("G0.yaml", "status: active", "status: active\n  protect: true");
    estate.apply().ok();
    remove(&estate, &["G0"]);
    let plan = estate.plan(&["--prune"]);
    assert_eq!(refusals(&plan), ["SX0501"]);
    let digest = digest(&plan);
    let state = estate.state();
    let acknowledged = ["apply", "--yes", "--prune", "--ack-deletes", "1", "--expect-digest", &digest];
    estate.run(&acknowledged).code(5).stderr_has("is protected");
    assert_eq!(estate.state(), state);
    // The flag and the file in one commit: the flag has to be applied first.
    estate.declare_tenant("G0", &["protect: false"]);
    estate.apply().ok();
    remove(&estate, &["G0"]);
    estate.run(&["apply", "--yes", "--prune"]).ok().stdout_has("1 to delete");
}

/// What a guard's help says to type, as words.
fn way_out(stderr: &str) -> Vec<String> {
    let line =
        stderr.lines().find_map(|line| line.split_once("if that is meant: synthex ")).expect("a way out");
    line.1.split(' ').map(|word| word.trim_matches('\'').to_owned()).collect()
}

#[test]
fn what_a_guard_says_to_type_works_as_it_stands() {
    let estate = with_tenants("guards_way_out");
    remove(&estate, &["G0", "G1"]);
    let check = |plan: &[&str], expected: &str| {
        let refused = estate.run(plan).code(5);
        let words = way_out(&refused.stderr);
        assert!(words.join(" ").starts_with(expected), "{words:?}");
        let words: Vec<&str> = words.iter().map(String::as_str).chain(["--yes"]).collect();
        estate.run(&words).ok().stdout_has("1 to delete");
    };
    estate.edit("../synthex.yaml", "workspace: w", "workspace: w, guards: {maxDeletes: 0}");
    check(
        &["plan", "--prune", "-w", "w", "--target", "tenant/G0*"],
        "apply --workspace w --prune --target tenant/G0* --ack",
    );
    estate.run(&["plan", "--prune", "--target", "tenant/G1", "--out", "p.json"]).code(5);
    check(&["apply", "p.json", "--yes"], "apply p.json --ack-deletes 1");
}

#[test]
fn too_many_updates_are_refused_where_the_project_says_so() {
    let estate = with_tenants("guards_updates");
    let file = estate.project.read("synthex.yaml");
    estate
        .project
        .write("synthex.yaml", file.replace("workspace: w", "workspace: w, guards: {maxUpdatePercent: 10}"));
    for number in 0..4 {
        estate.edit(&format!("G{number}.yaml"), "status: active", "status: inactive");
    }
    let plan = estate.plan(&[]);
    assert_eq!(refusals(&plan), ["SX0504"], "{plan:#}");
    let digest = digest(&plan);
    estate.run(&["apply", "--yes"]).code(5).stderr_has("--ack-updates 4 --expect-digest");
    estate.run(&["apply", "--yes", "--ack-deletes", "0", "--expect-digest", &digest]).code(5);
    estate
        .run(&["apply", "--yes", "--ack-updates", "3", "--expect-digest", &digest])
        .code(5)
        .stderr_has("updates 4");
    estate.run(&["apply", "--yes", "--ack-updates", "4", "--expect-digest", &digest]).ok();
    estate.is_converged();
    let note = "select note from synthex.batch_operations order by revision desc limit 1";
    assert_eq!(estate.database.query_strings(note), [[Some("4 updates were acknowledged".to_owned())]]);
}

#[test]
fn what_something_else_still_needs_is_not_deleted() {
    let estate = Estate::applied("guards_in_use");
    estate.database.sql(
        "insert into synthex.alert_rules (workspace, name, condition, channels) \
         values ('w', 'by-hand', '{\"credentialExpiry\": {}}', '[\"log\"]')",
    );
    remove(&estate, &["chat", "log", "expiry", "muted"]);
    let plan = estate.plan(&["--prune"]);
    assert_eq!(refusals(&plan), ["SX0506"], "{plan:#}");
    let message = plan["refusals"][0]["message"].as_str().expect("a message");
    assert!(message.contains("channel/w/log") && message.contains("rule/w/by-hand"), "{message}");
    let state = estate.state();
    estate.run(&["apply", "--yes", "--prune"]).code(5);
    assert_eq!(estate.state(), state);
    estate.database.sql("delete from synthex.alert_rules where name = 'by-hand'");
    estate.run(&["apply", "--yes", "--prune"]).ok().stdout_has("4 to delete");
}

#[test]
fn a_workspace_with_rows_of_others_is_not_deleted_and_what_goes_along_is_counted() {
    let estate = Estate::applied("guards_workspace");
    estate.project.write("manifests/v.yaml", workspace_yaml("v"));
    for name in ["V1", "V2"] {
        estate.project.write(&format!("manifests/{name}.yaml"), tenant_yaml(name, "v"));
    }
    estate.apply().ok();
    remove(&estate, &["v", "V1", "V2"]);
    let plan = estate.plan(&["--prune"]);
    let workspace =
        plan["changes"].as_array().expect("a list").iter().find(|change| change["key"] == "workspace/v");
    assert_eq!(workspace.expect("the workspace")["dependents"]["Tenant"], 2);
    estate.run(&["plan", "--prune"]).ok().stdout_has("workspace/v → 2 tenants");
    estate.database.sql(
        "insert into synthex.tenants (workspace, name, display_name, type, market, region) \
         values ('v', 'STRAY', 'S', 'shopify', 'ANZ_SMB', 'AU-SE1')",
    );
    estate.run(&["apply", "--yes", "--prune"]).code(5).stdout_has("SX0506").stderr_has("tenant/v/STRAY");
    estate.database.sql("delete from synthex.tenants where name = 'STRAY'");
    estate.run(&["apply", "--yes", "--prune"]).ok();
    let order = "select string_agg(name, ' ' order by seq) from synthex.batch_operation_items i \
                 join synthex.batch_operations o on o.id = i.operation_id where o.deleted = 3";
    assert_eq!(estate.value(order).as_deref(), Some("V2 V1 v"), "children first");
}

#[test]
fn what_is_removed_for_good_must_be_acknowledged() {
    let estate = Estate::applied("guards_permanent");
    remove(&estate, &["T1", "c1"]);
    // Deleted softly before, the credential goes along: it mentions the tenant.
    estate.run(&["apply", "--yes", "--prune"]).ok();
    let rows = "select count(*) from synthex.tenants where name = 'T1'";
    assert_eq!(estate.database.query_one_i64(rows), 1, "softly");
    let plan = estate.plan(&["--prune", "--permanent"]);
    assert_eq!(refusals(&plan), ["SX0507"], "{plan:#}");
    let digest = digest(&plan);
    estate.run(&["apply", "--yes", "--prune", "--permanent"]).code(5).stderr_has("removed for good");
    let apply =
        ["apply", "--yes", "--prune", "--permanent", "--ack-deletes", "2", "--expect-digest", &digest];
    estate.run(&apply).ok();
    assert_eq!(estate.database.query_one_i64(rows), 0);
    assert_eq!(
        estate.database.query_one_i64("select count(*) from synthex.credentials where name = 'c1'"),
        0
    );
    let recorded =
        "select count(*) from synthex.batch_operation_items where permanent and before is not null";
    assert_eq!(estate.database.query_one_i64(recorded), 2, "what it was stays on record");
    estate.run(&["plan", "--prune", "--permanent"]).ok().stdout_has("No changes.");
}

#[test]
fn what_is_not_allowed_is_left_out_and_named() {
    let estate = Estate::applied("guards_allow");
    estate.declare_tenant("NEW", &[]);
    estate.edit("T1.yaml", "status: active", "status: inactive");
    remove(&estate, &["muted"]);
    let allow = ["apply", "--yes", "--prune", "--allow", "create,update"];
    let state = estate.state();
    estate.run(&[&allow[..], &["--dry-run"]].concat()).ok().stdout_has("1 delete is left out");
    assert_eq!(estate.state(), state);
    let json = estate.run(&[&allow[..], &["--format", "json"]].concat()).ok().json();
    assert_eq!((&json["withheld"]["delete"], &json["summary"]["delete"]), (&1.into(), &0.into()));
    assert_eq!(
        estate.database.query_one_i64("select count(*) from synthex.alert_rules where deleted_at is null"),
        2
    );
    estate.run(&[&allow[..], &["--strict"]].concat()).code(7).stderr_has("1 to delete");
    estate.run(&allow).ok();
}

#[test]
fn a_row_of_another_project_is_taken_over_only_by_name() {
    let estate = Estate::applied("guards_take_over");
    estate.database.sql("begin; set local synthex.engine = 'on'; update synthex.tenants set owner = 'old' where name in ('T1', 'T2'); commit");
    estate.run(&["apply", "--yes"]).code(5).stdout_has("SX0502").stderr_has("belongs to project `old`");
    let plan = estate.plan(&["--take-ownership", "tenant/w/T1"]);
    assert_eq!(refusals(&plan), ["SX0502"], "the other one is not");
    estate
        .run(&["apply", "--yes", "--take-ownership", "tenant/w/*"])
        .ok()
        .stdout_has("taken over from project old");
    estate.is_converged();
}
