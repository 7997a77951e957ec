//! Wrong words on the command line: what is wrong, where, why, and what to do; and nothing is written.

use super::{Operator, declare_workspace};

#[test]
fn all_that_is_wrong_with_a_tenant_is_said_at_once_by_option() {
    let operator = Operator::with_workspace("bad_tenant");
    let create = ["tenant", "tenants", "create", "--yes", "--tenant-id"];
    let wrong = [
        &create[..],
        &["not a name", "--type", "shopify", "--shopify-shop", "Surf.example", "--email", "nobody"],
        &["--website", "surf.example", "--gmc-merchant-id", "x1", "--phone", "call me"],
        &["--label", "bad key=1"],
    ]
    .concat();
    let outcome = operator.refused(
        3,
        &wrong,
        &[
            "--tenant-id: ",
            "--shopify-shop: ",
            "--email: ",
            "--website: ",
            "--gmc-merchant-id: ",
            "--phone: ",
            "`displayName` is not given",
            "add --name TEXT",
        ],
    );
    for place in [".yaml", "-->", "apiVersion"] {
        assert!(!outcome.stderr.contains(place), "a made-up file is named: {outcome}");
    }
    operator.refused(
        3,
        &[&create[..], &["T", "--name", "T", "--type", "shopify", "--business-id", "UK:GB980780684"]]
            .concat(),
        &["--business-id: ", "does not belong to market ANZ_SMB", "AU or NZ"],
    );
    operator.refused(
        3,
        &[&create[..], &["T"]].concat(),
        &["`displayName` is not given", "no `type`", "add --type TYPE"],
    );
    for (args, says) in [
        (&["--business-id", "51824753556"][..], "AU:51824753556"),
        (&["--business-id", "FR:1"], "AU, NZ, UK, US"),
        (&["--label", "tier"], "write KEY=VALUE"),
        (&["--status", "paused"], "possible values: active, inactive, suspended"),
        (&["--market", "ANZ_SMBB"], "ANZ_SMB"),
        (&["--employee-count", "few"], "--employee-count"),
        (&["--label", "a=1", "--label", "a=2"], "--label a is given twice"),
    ] {
        operator.refused(
            3,
            &[&create[..], &["T", "--name", "T", "--type", "shopify"], args].concat(),
            &[says],
        );
    }
    assert_eq!(operator.value("select count(*) from synthex.tenants"), "0");
}

#[test]
fn unknown_names_are_named_with_the_nearest() {
    let operator = Operator::with_workspace("bad_names");
    operator.make_tenant("SMB_CLIENT_001", &[]);
    let create = ["tenant", "tenants", "create", "--tenant-id", "T", "--name", "T", "--yes"];
    operator.refused(
        3,
        &[&create[..], &["--template", "shopify-smb-anx"]].concat(),
        &["there is no template `shopify-smb-anx`", "did you mean `shopify-smb-anz`?"],
    );
    operator.refused(
        3,
        &[&create[..], &["-w", "ww"]].concat(),
        &["there is no workspace `ww`", "did you mean `w`?"],
    );
    declare_workspace(&operator, "later");
    operator.refused(
        3,
        &[&create[..], &["-w", "later"]].concat(),
        &["there is no workspace `later` in the database", "named by --workspace", "synthex apply"],
    );
    operator.refused(
        3,
        &["tenant", "tenants", "delete", "SMB_CLIENT_001", "SMB_CLIENT_02", "ELSE", "--yes"],
        &[
            "there are no tenants `SMB_CLIENT_02`, `ELSE`",
            "nothing was changed",
            "did you mean `SMB_CLIENT_001`?",
        ],
    );
    operator.refused(
        3,
        &["tenant", "tenants", "update", "SMB_CLIENT_01", "--status", "inactive", "--yes"],
        &["there is no tenant `SMB_CLIENT_01`", "did you mean `SMB_CLIENT_001`?"],
    );
    operator.refused(
        3,
        &["templates", "save", "--template-id", "t", "--from-tenant", "NOBODY", "--yes"],
        &["there is no tenant `NOBODY`"],
    );
    operator.refused(
        3,
        &[
            "templates",
            "save",
            "--template-id",
            "t",
            "--type",
            "mixed",
            "--required-fields",
            "shopifyshop",
            "--yes",
        ],
        &["--required-fields: ", "did you mean `shopifyShop`?"],
    );
    operator.refused(
        3,
        &["templates", "save", "--template-id", "t", "--yes"],
        &["`type` is not given", "--type"],
    );
    operator.refused(3, &["templates", "delete", "nothing", "--yes"], &["there is no template `nothing`"]);
}

#[test]
fn what_is_there_already_is_not_made_again() {
    let operator = Operator::with_workspace("bad_again");
    operator.make_tenant("T", &[]);
    operator.refused(
        3,
        &["tenant", "tenants", "create", "--tenant-id", "T", "--name", "Other", "--type", "mixed", "--yes"],
        &["tenant `T` is there already", "synthex tenant tenants update -w w --tenant-id T"],
    );
    let workspace = ["tenant", "workspace", "create", "--market", "US_SMB", "--region", "US-EA1", "--yes"];
    operator.refused(
        3,
        &[&workspace[..], &["--workspace-id", "w"]].concat(),
        &["workspace `w` is there already"],
    );
    operator.refused(3, &[&workspace[..], &["--workspace-id", "x y"]].concat(), &["--workspace-id: "]);
    operator.refused(
        3,
        &["tenant", "tenants", "update", "T", "--yes"],
        &["nothing is given to change", "--status"],
    );
    let missing = operator.run(&["tenant", "workspace", "create"]).code(3);
    missing.stderr_has("--workspace-id").stderr_has("--market").stderr_has("--region");
}

#[test]
fn a_workspace_must_be_known_before_a_tenant_is_made() {
    let operator = Operator::new("bad_no_workspace");
    let create =
        ["tenant", "tenants", "create", "--tenant-id", "T", "--name", "T", "--type", "shopify", "--yes"];
    operator.refused(3, &create, &["there is no workspace yet", "synthex tenant workspace create"]);
    operator.refused(3, &["tenant", "tenants", "get", "T"], &["nothing was applied to this database yet"]);
    operator.refused(3, &["tenant", "workspace", "set-active", "w"], &["there is no workspace yet"]);
    operator.make_workspace("a");
    operator.make_workspace("b");
    operator.refused(3, &create, &["no workspace is named", "there are a, b", "set-active"]);
    let elsewhere = operator.synthex(&create).env("SYNTHEX_WORKSPACE", "bb").run().code(3);
    elsewhere
        .stderr_has("there is no workspace `bb`")
        .stderr_has("named by SYNTHEX_WORKSPACE")
        .stderr_has("did you mean `b`?");
}

#[test]
fn a_database_that_is_not_there_is_said_with_its_exit_code() {
    let operator = Operator::new("bad_database");
    for command in [
        &["tenant", "tenants", "create", "--tenant-id", "T", "--name", "T", "--yes"][..],
        &["tenant", "tenants", "stats"],
        &["tenant", "workspace", "summary"],
        &["tenant", "workspace", "set-active", "w"],
        &["templates", "steps", "--tenant-id", "T", "--done", "1"],
        &["templates", "save", "--template-id", "t", "--type", "mixed", "--yes"],
    ] {
        let args = [command, &["--database-url", "postgres://127.0.0.1:1/x", "--format", "json"]].concat();
        let outcome = operator.run(&args).code(8).stderr_has("127.0.0.1");
        assert_eq!(outcome.json()["error"]["exit_code"], 8);
    }
    assert!(!operator.configuration().exists());
}
