//! What commands may do to rows of others, and which rows they mean.

use crate::support::estate::Estate;
use crate::support::project::workspace_yaml;

fn owner(estate: &Estate, name: &str) -> String {
    let sql = format!("select coalesce(owner, 'nobody') from synthex.tenants where name = '{name}'");
    estate.value(&sql).unwrap_or_default()
}

#[test]
fn what_is_forced_stays_the_projects_and_goes_back_with_the_next_apply() {
    let estate = Estate::applied("forced");
    let update = ["tenant", "tenants", "update", "T1", "--name", "Forced"];
    estate
        .run(&[&update[..], &["--yes"]].concat())
        .code(5)
        .stderr_has("tenant/w/T1 is declared at manifests/T1.yaml:1:1")
        .stderr_has("--force");
    estate
        .run(&[&update[..], &["--yes", "--force"]].concat())
        .ok()
        .stdout_has("Forced")
        .stdout_has("the next apply puts it back");
    assert_eq!(owner(&estate, "T1"), "test");
    // Nothing is left to be forced, and nobody takes anything over.
    estate.run(&[&update[..], &["--yes", "--force"]].concat()).ok().stdout_has("No changes.");
    estate.run(&["plan"]).ok().stdout_has("Forced → T1");
    estate.run(&["apply", "--yes"]).ok();
    estate.is_converged();
    // What a command did in between is no part of the state that comes back.
    estate.edit("T1.yaml", "displayName: T1", "displayName: Later");
    estate.run(&["apply", "--yes"]).ok();
    estate.run(&["rollback", "--to", "1", "--yes"]).ok();
    let name = estate.value("select display_name from synthex.tenants where name = 'T1'");
    assert_eq!(name.as_deref(), Some("T1"));
}

#[test]
fn a_deletion_that_is_forced_leaves_the_row_to_its_project() {
    let estate = Estate::applied("forced_delete");
    estate.run(&["tenant", "tenants", "delete", "T3", "--yes", "--force"]).ok();
    assert_eq!(owner(&estate, "T3"), "test");
    estate.run(&["apply", "--yes"]).ok();
    estate.is_converged();
}

#[test]
fn write_changes_manifests_and_never_the_database() {
    let estate = Estate::applied("forced_write");
    let create =
        ["tenant", "tenants", "create", "--tenant-id", "X1", "--name", "X", "--type", "shopify", "--yes"];
    estate.run(&create).ok();
    let state = estate.state();
    for command in [
        &["tenant", "tenants", "update", "X1", "--status", "inactive"][..],
        &["batch", "tenants", "update", "--tenant-ids", "X1", "--status", "inactive"],
        &["tenant", "tenants", "delete", "X1"],
        &["templates", "save", "--template-id", "mine", "--type", "shopify"],
    ] {
        let outcome = estate.run(&[command, &["--write", "--yes"]].concat());
        assert!(matches!(outcome.code, 3 | 5), "{outcome}");
        outcome.stderr_has("--write");
    }
    let both = ["batch", "tenants", "update", "--tenant-ids", "X1,T1", "--status", "inactive"];
    estate.run(&[&both[..], &["--write", "--yes"]].concat()).code(5).stderr_has("declared by no manifest");
    assert_eq!(estate.state(), state);
    estate
        .run(&["tenant", "tenants", "delete", "T3", "--write", "--dry-run"])
        .ok()
        .stderr_has("does not prune");
}

#[test]
fn names_are_looked_for_in_the_active_workspace_alone() {
    let estate = Estate::applied("forced_active");
    for name in ["v", "u"] {
        estate.project.write(&format!("manifests/{name}.yaml"), workspace_yaml(name));
    }
    estate.run(&["apply", "--yes"]).ok();
    let create = |workspace: &str, id: &str| {
        let args = ["tenant", "tenants", "create", "-w", workspace, "--tenant-id", id, "--name", "X"];
        estate.run(&[&args[..], &["--type", "shopify", "--yes"]].concat()).ok();
    };
    create("v", "X1");
    create("u", "X1");
    create("u", "X2");
    let delete = |id: &str| {
        let args = ["tenant", "tenants", "delete", id, "--yes"];
        estate.synthex(&args).env("SYNTHEX_WORKSPACE", "v").run()
    };
    delete("X1").ok();
    delete("X1").code(3).stderr_has("is deleted");
    delete("X2")
        .code(3)
        .stderr_has("is in workspace `u`, and SYNTHEX_WORKSPACE says `v`")
        .stderr_has("-workspace u");
    let update =
        |id: &str| estate.run(&["tenant", "tenants", "update", "-w", "v", id, "--status", "inactive"]);
    update("X1").code(3).stderr_has("is deleted").stderr_has("synthex restore tenant/v/X1");
    estate.project.write(
        "manifests/new.yaml",
        "apiVersion: synthex.dev/v1\nkind: Tenant\nmetadata: {name: NEW, workspace: v}\nspec: {displayName: N, type: shopify}\n",
    );
    update("NEW").code(3).stderr_has("declared at manifests/new.yaml:1:1").stderr_has("synthex apply");
}
