//! The active workspace and tenant: a preference of one person, under option and variable, and nothing that a plan sees.

use super::{Operator, declare_workspace};

#[test]
fn option_and_variable_win_over_preferences_and_info_says_which_does() {
    let operator = Operator::with_workspace("choice_order");
    operator.make_workspace("v");
    let by = |operator: &Operator, args: &[&str], variable: Option<&str>| {
        let all = [&["tenant", "workspace", "info", "--format", "json"][..], args].concat();
        let run = operator.synthex(&all);
        let run = match variable {
            Some(name) => run.env("SYNTHEX_WORKSPACE", name),
            None => run,
        };
        let document = run.run().ok().json();
        let text = |field: &str| document["workspace"][field].as_str().unwrap_or("none").to_owned();
        (text("workspaceId"), text("by"), document["workspace"]["exists"].clone())
    };
    let is = |name: &str, by: &str, exists: bool| (name.to_owned(), by.to_owned(), serde_json::json!(exists));
    assert_eq!(by(&operator, &[], None).0, "none");
    operator.run(&["tenant", "workspace", "set-active", "w"]).ok();
    assert_eq!(by(&operator, &[], None), is("w", "your preferences", true));
    assert_eq!(by(&operator, &[], Some("v")), is("v", "SYNTHEX_WORKSPACE", true));
    assert_eq!(by(&operator, &["-w", "w"], Some("v")), is("w", "--workspace", true));
    assert_eq!(by(&operator, &[], Some("nowhere")), is("nowhere", "SYNTHEX_WORKSPACE", false));
    // An empty variable is none.
    assert_eq!(by(&operator, &[], Some("")), is("w", "your preferences", true));
    let file = operator.configuration().join("synthex/preferences.json");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "{\n  \"workspace\": \"w\"\n}\n");
    operator.run(&["tenant", "workspace", "clear-active"]).ok().stdout_has("active any more");
    assert_eq!(by(&operator, &[], None).0, "none");
}

#[test]
fn preferences_are_one_persons_own() {
    let operator = Operator::with_workspace("choice_person");
    operator.run(&["tenant", "workspace", "set-active", "w"]).ok();
    let other = operator.estate.project.path().join("other");
    let seen = |run: crate::support::cli::Synthex| run.run().ok().json()["workspace"]["by"].clone();
    let info = ["tenant", "workspace", "info", "--format", "json"];
    assert_eq!(seen(operator.synthex(&info)), "your preferences");
    assert_eq!(seen(operator.synthex(&info).env("XDG_CONFIG_HOME", other)), "being the only one");
}

#[test]
fn a_tenant_is_chosen_with_its_workspace_and_forgotten_with_it() {
    let operator = Operator::with_workspace("choice_tenant");
    operator.make_workspace("v");
    operator.make_tenant("T", &["-w", "v"]);
    let set = |args: &[&str]| {
        let all = [&["tenant", "workspace", "set-active", "--format", "json"][..], args].concat();
        let document = operator.run(&all).ok().json();
        let text = |field: &str| document[field].as_str().unwrap_or("none").to_owned();
        format!("{} {}", text("workspaceId"), text("tenantId"))
    };
    assert_eq!(set(&["--tenant-id", "T"]), "v T");
    assert_eq!(set(&["v"]), "v T", "the tenant is of that workspace");
    operator.run(&["tenant", "tenants", "get"]).ok().stdout_has("tenant/v/T");
    let moved = operator.run(&["tenant", "workspace", "set-active", "w"]).ok();
    moved.stdout_has("Active tenant:    none").stderr_has("`T`, a tenant of another workspace");
    assert_eq!(set(&["v", "--tenant-id", "T"]), "v T");
    operator.run(&["tenant", "workspace", "clear-active", "--tenant-only"]).ok();
    operator
        .run(&["tenant", "workspace", "info"])
        .ok()
        .stdout_has("v (by your preferences)")
        .stdout_has("tenant       none");
    operator.refused(3, &["tenant", "tenants", "get"], &["no tenant is named", "set-active"]);
}

#[test]
fn only_what_is_there_can_be_chosen() {
    let operator = Operator::with_workspace("choice_unknown");
    let set = ["tenant", "workspace", "set-active"];
    let refused = |args: &[&str], says: &[&str]| operator.refused(3, &[&set[..], args].concat(), says);
    refused(&[], &["neither a workspace nor a tenant is named"]);
    refused(&["ww"], &["there is no workspace `ww` in the database", "did you mean `w`?"]);
    refused(&["elsewhere"], &["the workspaces are w"]);
    refused(&["w", "--tenant-id", "T"], &["there is no tenant `T` in workspace `w`"]);
    declare_workspace(&operator, "later");
    refused(&["later"], &["in the database"]);
    assert!(!operator.configuration().exists(), "nothing was kept");
}

#[test]
fn what_is_kept_may_be_broken_and_can_be_forgotten() {
    let operator = Operator::declared("choice_broken");
    operator.estate.project.write("configuration/synthex/preferences.json", "{\"workspace\": 1");
    operator.refused(3, &["tenant", "tenants", "list"], &["preferences.json cannot be read", "remove it"]);
    // Commands of the declarative core do not look at it.
    operator.run(&["plan"]).ok();
    operator.run(&["tenant", "workspace", "clear-active"]).ok();
    operator.run(&["tenant", "tenants", "list"]).ok();
    let homeless = operator
        .estate
        .synthex(&["tenant", "workspace", "set-active", "w"])
        .without_env("HOME")
        .run()
        .code(3);
    homeless.stderr_has("there is no place for preferences");
}

#[test]
fn plan_and_apply_do_not_look_at_what_is_active() {
    let operator = Operator::declared("choice_plan");
    operator.make_workspace("v");
    operator.run(&["tenant", "workspace", "set-active", "v"]).ok();
    operator.estate.edit("T1.yaml", "status: active", "status: inactive");
    let plain = operator.estate.plan(&[]);
    let chosen = operator.run(&["plan", "--format", "json"]).ok().json();
    assert_eq!((&plain["digest"], &plain["changes"]), (&chosen["digest"], &chosen["changes"]));
    assert_eq!(plain["summary"]["update"], 1);
    let named = operator.synthex(&["plan", "--format", "json"]).env("SYNTHEX_WORKSPACE", "v");
    let named = named.env("SYNTHEX_TENANT", "T2").run().ok().json();
    assert_eq!(named["digest"], plain["digest"]);
    operator.run(&["apply", "--yes"]).ok();
    assert_eq!(operator.value("select status from synthex.tenants where name = 'T1'"), "inactive");
}

#[test]
fn info_is_given_also_where_the_database_is_not() {
    let operator = Operator::with_workspace("choice_offline");
    operator.run(&["tenant", "workspace", "set-active", "w"]).ok();
    let info =
        ["tenant", "workspace", "info", "--format", "json", "--database-url", "postgres://127.0.0.1:1/x"];
    let outcome = operator.run(&info).ok().stderr_has("the database was not looked at");
    let workspace = &outcome.json()["workspace"];
    assert_eq!((&workspace["workspaceId"], &workspace["exists"]), (&"w".into(), &serde_json::Value::Null));
}
