//! Setup steps as a checklist: kept by what they say, of the tenant whatever its name is, and no part of any plan.

use serde_json::json;

use super::Operator;

fn steps(operator: &Operator, args: &[&str]) -> serde_json::Value {
    let all = [&["templates", "steps", "--tenant-id", "T", "--format", "json"][..], args].concat();
    operator.run(&all).ok().json()
}

fn done(document: &serde_json::Value) -> Vec<(String, bool)> {
    let of = |step: &serde_json::Value| (step["step"].as_str().unwrap().to_owned(), step["done"] == true);
    document["steps"].as_array().unwrap().iter().map(of).collect()
}

/// A tenant `T` made from a template with the steps one, two and three.
fn with_checklist(hint: &str) -> Operator {
    let operator = Operator::with_workspace(hint);
    let save = ["templates", "save", "--template-id", "tpl", "--type", "shopify", "--yes"];
    let steps = ["--setup-step", "one", "--setup-step", "two", "--setup-step", "three"];
    operator.run(&[&save[..], &steps].concat()).ok();
    operator.make_tenant("T", &["--template", "tpl"]);
    operator
}

#[test]
fn steps_are_ticked_off_and_taken_back() {
    let operator = with_checklist("steps_tick");
    assert_eq!(steps(&operator, &[])["done"], 0);
    steps(&operator, &["--done", "1,3"]);
    let shown = steps(&operator, &["--undone", "1", "--done", "2"]);
    let expected = [("one", false), ("two", true), ("three", true)];
    assert_eq!(done(&shown), expected.map(|(step, done)| (step.to_owned(), done)));
    let two = &shown["steps"][1];
    assert!(two["doneAt"].is_string() && two["doneBy"].as_str().is_some_and(|by| !by.is_empty()), "{two}");
    // Once more is no change: who did it first stays.
    let again = steps(&operator, &["--done", "2"]);
    assert_eq!(again["steps"][1], *two);
    assert_eq!(steps(&operator, &["--done", "all"])["done"], 3);
    let text = operator.run(&["templates", "steps", "--tenant-id", "T"]).ok();
    text.stdout_has("Setup steps: 3 of 3 done").stdout_has("[x] 1. one").stdout_has("just now");
    let dry = operator.run(&["templates", "steps", "--tenant-id", "T", "--undone", "all", "--dry-run"]).ok();
    dry.stderr_has("would be marked as not done");
    assert_eq!(steps(&operator, &[])["done"], 3);
    // It is no declared state: nothing was touched, and nothing is planned.
    assert_eq!(operator.value("select count(*) from synthex.drift_events"), "0");
}

#[test]
fn a_step_is_known_by_what_it_says() {
    let operator = with_checklist("steps_moved");
    steps(&operator, &["--done", "1,2"]);
    let save = ["templates", "save", "--template-id", "tpl", "--yes"];
    operator
        .run(&[&save[..], &["--setup-step", "zero", "--setup-step", "two", "--setup-step", "One"]].concat())
        .ok();
    let shown = steps(&operator, &[]);
    let expected = [("zero", false), ("two", true), ("One", false)];
    assert_eq!(done(&shown), expected.map(|(step, done)| (step.to_owned(), done)));
    assert_eq!(shown["formerSteps"][0]["step"], "one");
    let text = operator.run(&["tenant", "tenants", "get", "T"]).ok();
    text.stdout_has("1 of 3 done").stdout_has("no step of the template any more");
}

#[test]
fn a_checklist_goes_with_its_tenant() {
    let operator = with_checklist("steps_follow");
    steps(&operator, &["--done", "all"]);
    operator.run(&["tenant", "tenants", "delete", "T", "--yes"]).ok();
    operator.run(&["restore", "tenant/w/T", "--yes"]).ok();
    assert_eq!(steps(&operator, &[])["done"], 3, "a soft deletion keeps it");
    operator.estate.database.sql("update synthex.tenants set name = 'NEW' where name = 'T'");
    let renamed = ["templates", "steps", "--tenant-id", "NEW", "--format", "json"];
    assert_eq!(operator.run(&renamed).ok().json()["done"], 3, "and so does a new name");
    let digest = {
        let delete = ["tenant", "tenants", "delete", "NEW", "--permanent", "--format", "json", "--dry-run"];
        operator.run(&delete).code(5).stderr.split("sha256:").nth(1).unwrap()[..64].to_owned()
    };
    let digest = format!("sha256:{digest}");
    let ack = ["--ack-deletes", "1", "--expect-digest", &digest, "--yes"];
    operator.run(&[&["tenant", "tenants", "delete", "NEW", "--permanent"][..], &ack].concat()).ok();
    assert_eq!(operator.value("select count(*) from synthex.setup_steps"), "0");
}

#[test]
fn a_schema_from_before_there_were_checklists_can_be_looked_at() {
    let operator = with_checklist("steps_old_schema");
    operator.estate.database.sql("drop table synthex.setup_steps");
    assert_eq!(steps(&operator, &[])["done"], 0);
    operator.run(&["tenant", "tenants", "get", "T"]).ok().stdout_has("0 of 3 done");
}

#[test]
fn steps_that_are_not_there_and_tenants_without_any_are_told() {
    let operator = with_checklist("steps_bad");
    operator.make_tenant("PLAIN", &[]);
    let command = ["templates", "steps", "--tenant-id", "T"];
    let refused = |args: &[&str], says: &[&str]| {
        operator.refused(3, &[&command[..], args].concat(), says);
    };
    refused(&["--done", "4,9"], &["no setup steps 4, 9", "there are 3"]);
    refused(&["--done", "1", "--undone", "1"], &["both done and undone: one"]);
    refused(&["--done", "1", "--undone", "all"], &["both done and undone: one"]);
    for wrong in ["0", "x", "-1"] {
        operator
            .run(&[&command[..], &[&format!("--done={wrong}")]].concat())
            .code(3)
            .stderr_has("from 1, or all");
    }
    operator.refused(
        3,
        &["templates", "steps", "--tenant-id", "TT"],
        &["there is no tenant `TT`", "did you mean `T`?"],
    );
    operator.refused(3, &["templates", "steps"], &["no tenant is named"]);
    operator
        .run(&["templates", "steps", "--tenant-id", "PLAIN"])
        .ok()
        .stderr_has("was made from no template");
    operator.refused(
        3,
        &["templates", "steps", "--tenant-id", "PLAIN", "--done", "1"],
        &["no setup step 1", "made from no template"],
    );
    assert_eq!(operator.value("select count(*) from synthex.setup_steps"), "0");
}

#[test]
fn a_role_that_may_only_look_sees_the_checklist_and_cannot_change_it() {
    let operator = with_checklist("steps_reader");
    steps(&operator, &["--done", "1"]);
    let database = &operator.estate.database;
    let role = database.create_role("reader", "secret");
    database.sql(&format!(
        "grant usage on schema synthex to \"{role}\"; grant select on all tables in schema synthex to \"{role}\""
    ));
    let url = database.url_as(&role);
    let command = ["templates", "steps", "--tenant-id", "T", "-w", "w", "--format", "json"];
    let seen = operator.estate.synthex_at(&url, &command).run().ok().json();
    assert_eq!(seen["done"], json!(1));
    let mark = [&command[..], &["--done", "2"]].concat();
    operator.estate.synthex_at(&url, &mark).run().code(8).stderr_has("permission denied");
    assert_eq!(steps(&operator, &[])["done"], 1);
}
