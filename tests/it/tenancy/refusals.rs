//! What a manifest declares or a project owns is not made once more, and what is new is in no manifest.

use super::Operator;

const TENANT: [&str; 7] = ["--name", "T", "--type", "shopify", "--shopify-shop", "t.myshopify.com", "--yes"];

const WORKSPACE: [&str; 8] =
    ["tenant", "workspace", "create", "--market", "ANZ_SMB", "--region", "AU-SE1", "--yes"];

#[test]
fn what_is_declared_is_refused_with_its_place() {
    let operator = Operator::declared("refuse_declared");
    let tenant = [&["tenant", "tenants", "create", "--tenant-id", "T1"][..], &TENANT].concat();
    let from = ["templates", "create-tenant", "--template-id", "shops", "--tenant-id", "T1"];
    let help = "change the manifest that declares it, and run `synthex apply`";
    for args in [&tenant, &[&from[..], &TENANT[..2], &TENANT[4..]].concat()] {
        operator.refused(5, args, &["tenant/w/T1 is declared at manifests/T1.yaml:1:1", help]);
    }
    operator.refused(
        5,
        &[&WORKSPACE[..], &["--workspace-id", "w"]].concat(),
        &["workspace/w is declared at manifests/w.yaml:1:1", help],
    );
    // Not applied yet, and with something wrong besides.
    operator.estate.declare("TenantTemplate", "more", "{type: shopify}");
    operator.refused(
        5,
        &["templates", "save", "--template-id", "more", "--name", "X", "--yes"],
        &["template/w/more is declared at manifests/more.yaml:", help],
    );
    operator.estate.declare_tenant("T9", &[]);
    operator.refused(
        5,
        &["tenant", "tenants", "create", "--tenant-id", "T9", "--yes"],
        &["tenant/w/T9 is declared at manifests/T9.yaml:", help],
    );
    // A project owns it, whose manifests are elsewhere.
    operator.estate.project.remove("manifests/T1.yaml");
    operator.refused(5, &tenant, &["tenant/w/T1 belongs to project `test`"]);
}

#[test]
fn what_is_new_is_in_no_manifest() {
    let operator = Operator::declared("refuse_write");
    let from = ["templates", "create-tenant", "--template-id", "shops", "--tenant-id", "N"];
    for args in [
        [&["tenant", "tenants", "create", "--tenant-id", "N"][..], &TENANT].concat(),
        [&from[..], &TENANT[..2], &TENANT[4..]].concat(),
        [&WORKSPACE[..], &["--workspace-id", "n"]].concat(),
    ] {
        let says = ["--write changes what a manifest declares, and this is new", "synthex adopt"];
        operator.refused(3, &[&args[..], &["--write"]].concat(), &says);
    }
}

#[test]
fn a_template_that_is_there_is_not_saved_with_nothing() {
    let operator = Operator::with_workspace("refuse_nothing");
    let save = ["templates", "save", "--template-id", "tpl", "--yes"];
    operator.run(&[&save[..], &["--type", "mixed"]].concat()).ok();
    operator.refused(3, &save, &["nothing is given to change", "template `tpl` is there already", "--name"]);
    operator.run(&[&save[..], &["--name", "Mine"]].concat()).ok().stdout_has("~ template/w/tpl");
}

#[test]
fn a_deleted_template_is_told_from_one_without_steps() {
    let operator = Operator::declared("refuse_orphan");
    operator.make_workspace("v");
    let save = ["templates", "save", "--type", "shopify", "--yes", "--template-id"];
    operator.run(&[&save[..], &["bare"]].concat()).ok();
    operator.run(&[&save[..], &["tpl", "--setup-step", "one"]].concat()).ok();
    operator.make_tenant("BARE", &["--template", "bare"]);
    // The default workspace's template is everybody's, also for one who looks at another.
    operator.make_tenant("V", &["-w", "v", "--template", "tpl"]);
    let steps = |tenant: &str, more: &[&str]| {
        operator.run(&[&["templates", "steps", "--tenant-id", tenant][..], more].concat())
    };
    steps("V", &["-w", "v"]).ok().stdout_has("[ ] 1. one");
    operator.estate.database.sql("update synthex.tenant_templates set deleted_at = now() where name = 'tpl'");
    let orphan = steps("V", &["-w", "v"]).ok();
    orphan.stdout_has("template `tpl` is deleted").nowhere("has no setup steps");
    assert_eq!(steps("V", &["--format", "json"]).ok().json()["templateDeleted"], true);
    operator.refused(
        3,
        &["templates", "steps", "--tenant-id", "V", "--done", "1"],
        &["its template `tpl` is deleted"],
    );
    steps("BARE", &[]).ok().stderr_has("Template `bare` has no setup steps.");
    assert_eq!(steps("BARE", &["--format", "json"]).ok().json()["templateDeleted"], false);
}
