//! Workspaces that are nowhere, and names that are in several of them.

use super::{Operator, declare_workspace};

const LISTS: [&[&str]; 6] = [
    &["tenant", "tenants", "list"],
    &["tenant", "tenants", "stats"],
    &["tenant", "workspace", "summary"],
    &["tenant", "workspace", "list"],
    &["templates", "list"],
    &["tenant", "credentials", "list"],
];

#[test]
fn a_list_of_a_workspace_that_is_nowhere_is_an_error() {
    let operator = Operator::with_workspace("where_option");
    operator.make_workspace("anz-smb");
    for list in LISTS {
        let says = ["there is no workspace `anz-sbm`", "--workspace", "did you mean `anz-smb`?"];
        operator.refused(3, &[list, &["-w", "anz-sbm"]].concat(), &says);
        operator.run(&[list, &["-w", "anz-smb"]].concat()).ok();
    }
    // One that only a manifest has may well be looked at.
    declare_workspace(&operator, "later");
    operator.run(&["tenant", "tenants", "list", "-w", "later"]).ok().stderr_has("There are no tenants");
}

#[test]
fn a_workspace_that_is_nowhere_is_said_with_what_names_it_and_how_to_forget_it() {
    let operator = Operator::with_workspace("where_choice");
    operator.make_workspace("other");
    let active = [LISTS[0], LISTS[1], LISTS[2], LISTS[5]];
    for list in active {
        let run = operator.synthex(list).env("SYNTHEX_WORKSPACE", "foo").run().code(3);
        run.stderr_has("there is no workspace `foo`")
            .stderr_has("it is named by SYNTHEX_WORKSPACE")
            .stderr_has("the workspaces are other, w; to forget it: unset SYNTHEX_WORKSPACE");
    }
    operator.run(&["tenant", "workspace", "set-active", "other"]).ok();
    // It was chosen in another database.
    let file = operator.configuration().join("synthex/preferences.json");
    std::fs::write(&file, r#"{"workspace": "gone"}"#).unwrap();
    for list in active {
        let says = ["it is named by your preferences", "synthex tenant workspace clear-active"];
        operator.refused(3, list, &[&["there is no workspace `gone`"], &says[..]].concat());
    }
    operator.run(&["tenant", "workspace", "clear-active"]).ok();
    operator.run(LISTS[0]).ok();
}

#[test]
fn a_template_of_several_workspaces_is_asked_for() {
    let operator = Operator::with_workspace("where_template");
    operator.make_workspace("v");
    for (workspace, name) in [("v", "Of v"), ("w", "Of w")] {
        let save = ["templates", "save", "--template-id", "tpl", "--type", "mixed", "--yes"];
        operator.run(&[&save[..], &["-w", workspace, "--name", name]].concat()).ok();
    }
    let says = ["`tpl` is a template of several workspaces", "v, w", "--workspace"];
    operator.refused(3, &["templates", "show", "tpl"], &says);
    operator.run(&["templates", "show", "tpl", "-w", "w"]).ok().stdout_has("Of w");
    operator.run(&["tenant", "workspace", "set-active", "v"]).ok();
    operator.run(&["templates", "show", "tpl"]).ok().stdout_has("Of v");
}

#[test]
fn outside_of_a_project_a_database_can_be_named() {
    let folder = crate::support::project::Project::empty();
    let outcome = folder.synthex(["tenant", "tenants", "list"]).run().code(3);
    outcome.stderr_has("synthex init").stderr_has("--database-url").stderr_has("SYNTHEX_DATABASE_URL");
}
