//! Two of the journeys that the product is judged by: setting up a new workspace, and working on several tenants.

use serde_json::json;

use super::Operator;

/// From an empty database to a workspace with tenants, a checklist, and an operator who need not name either.
#[test]
fn a_new_workspace_is_set_up_with_commands_alone() {
    let operator = Operator::new("journey_setup");
    operator.run(&["tenant", "workspace", "list"]).ok().stderr_has("There are no workspaces");
    operator.run(&["tenant", "workspace", "info"]).ok().stdout_has("workspace    none");

    let create = [
        "tenant",
        "workspace",
        "create",
        "--workspace-id",
        "anz-smb",
        "--market",
        "ANZ_SMB",
        "--region",
        "AU-SE1",
        "--name",
        "Small shops",
        "--default-label",
        "team=anz",
        "--default-metadata",
        "owner=Ada",
    ];
    operator.run(&[&create[..], &["--dry-run"]].concat()).ok().stdout_has("+ workspace/anz-smb");
    assert_eq!(operator.estate.state(), Vec::<String>::new(), "a dry run installs nothing");
    operator
        .run(&[&create[..], &["--yes"]].concat())
        .ok()
        .stdout_has("Applied as revision 1.")
        .stderr_has("set-active anz-smb");
    let info = operator.run(&["tenant", "workspace", "info"]).ok();
    info.stdout_has("anz-smb (by being the only one)").stdout_has("market     ANZ_SMB");

    operator
        .run(&["tenant", "workspace", "set-active", "anz-smb"])
        .ok()
        .stdout_has("Active workspace: anz-smb");
    let made = operator
        .run(&[
            "templates",
            "create-tenant",
            "--template-id",
            "shopify-smb-anz",
            "--tenant-id",
            "SMB_CLIENT_001",
            "--name",
            "Surf Shop",
            "--shopify-shop",
            "surf.myshopify.com",
            "--business-id",
            "AU:51 824 753 556",
            "--email",
            "ops@surf.example",
            "--label",
            "tier=gold",
            "--yes",
        ])
        .ok();
    made.stdout_has("Setup steps: 0 of 3 done").stdout_has("[ ] 1. Install the agency's Shopify app");

    // Template, workspace and options are laid over each other.
    operator.run(&["tenant", "workspace", "set-active", "--tenant-id", "SMB_CLIENT_001"]).ok();
    let tenant = operator.run(&["tenant", "tenants", "get", "--format", "json"]).ok().json();
    for (field, value) in [
        ("workspaceId", json!("anz-smb")),
        ("tenantId", json!("SMB_CLIENT_001")),
        ("name", json!("Surf Shop")),
        ("type", json!("shopify")),
        ("market", json!("ANZ_SMB")),
        ("region", json!("AU-SE1")),
        ("status", json!("active")),
        ("template", json!("shopify-smb-anz")),
        ("businessId", json!({"country": "AU", "number": "51824753556"})),
        ("labels", json!({"team": "anz", "tier": "gold"})),
        ("owner", json!("cli")),
    ] {
        assert_eq!(tenant[field], value, "{field}: {tenant:#}");
    }
    let metadata = &tenant["metadata"];
    assert_eq!(metadata["currency"], "AUD");
    assert_eq!(metadata["owner"], "Ada");
    assert_eq!(metadata["shopifyShop"], "surf.myshopify.com");
    assert_eq!(metadata["contactEmail"], "ops@surf.example");

    // The checklist is worked off.
    operator.run(&["templates", "steps", "--done", "1", "--done", "3"]).ok().stdout_has("2 of 3 done");
    let tenant = operator.run(&["tenant", "tenants", "get", "--format", "json"]).ok().json();
    let done: Vec<_> =
        tenant["setup"]["steps"].as_array().unwrap().iter().map(|step| &step["done"]).collect();
    assert_eq!(done, [&json!(true), &json!(false), &json!(true)]);
    operator
        .run(&["tenant", "tenants", "get"])
        .ok()
        .stdout_has("[x] 1. Install")
        .stdout_has("[ ] 2. Declare");

    // What commands made is nobody's project; the project adopts it, and nothing changes.
    operator.run(&["adopt", "--write", "manifests/adopted", "--yes"]).ok();
    operator.estate.is_converged();
    operator.run(&["tenant", "tenants", "get"]).ok().stdout_has("2 of 3 done");
}

/// One operator, two workspaces, several tenants: changed, counted, deleted and brought back.
#[test]
fn several_tenants_of_several_workspaces_are_worked_on() {
    let operator = Operator::with_workspace("journey_tenants");
    let uk = ["--workspace-id", "uk", "--market", "UK_SMB", "--region", "EU-WE1", "--yes"];
    operator.run(&[&["tenant", "workspace", "create"][..], &uk].concat()).ok();
    for name in ["A1", "A2", "A3"] {
        operator.make_tenant(name, &["-w", "w", "--label", "tier=gold"]);
    }
    operator.make_tenant("A1", &["-w", "uk"]);
    operator.make_tenant("B1", &["-w", "uk"]);

    // The same id in two workspaces: the active one decides, and without one it is asked for.
    operator.refused(3, &["tenant", "tenants", "get", "A1"], &["a tenant of several workspaces", "uk, w"]);
    operator.refused(
        3,
        &["tenant", "tenants", "update", "A1", "--status", "inactive", "--yes"],
        &["is in uk, w", "--workspace"],
    );
    operator.run(&["tenant", "workspace", "set-active", "uk"]).ok();
    operator.run(&["tenant", "tenants", "update", "A1", "--status", "suspended", "--yes"]).ok();
    let status = "select string_agg(workspace || '=' || status, ' ' order by workspace) from synthex.tenants where name = 'A1'";
    assert_eq!(operator.value(status), "uk=suspended w=active");
    let listed = operator.run(&["tenant", "tenants", "list"]).ok();
    assert!(!listed.stdout.contains("A2"), "{listed}");
    listed.stderr_has("Of workspace `uk` (your preferences)").stdout_has("B1");
    operator.run(&["tenant", "tenants", "list", "-A"]).ok().stdout_has("A2").stdout_has("B1");
    operator.run(&["tenant", "tenants", "list", "-w", "w", "-l", "tier=gold"]).ok().stdout_has("A3");

    // A tenant goes with its credentials, softly, and comes back with its id.
    operator.estate.database.sql(
        "insert into synthex.credentials (workspace, name, tenant, service, renewal, secret_ref, owner) \
         values ('w', 'a2', 'A2', 'shopify', 'none', '{\"env\": \"K\"}', 'cli')",
    );
    let id = operator.value("select id from synthex.tenants where name = 'A2'");
    let delete = ["tenant", "tenants", "delete", "A2", "A3", "-w", "w"];
    let shown = operator.run(&[&delete[..], &["--dry-run"]].concat()).ok();
    shown.stdout_has("- credential/w/a2").stdout_has("- tenant/w/A2").stdout_has("- tenant/w/A3");
    operator.run(&[&delete[..], &["--yes"]].concat()).ok().stdout_has("Applied as revision");
    let stats = operator.run(&["tenant", "tenants", "stats", "-A", "--format", "json"]).ok().json();
    assert_eq!(stats["total"], 3, "{stats:#}");
    assert_eq!(stats["byWorkspace"], json!({"uk": 2, "w": 1}));
    assert_eq!(stats["byStatus"], json!({"active": 2, "suspended": 1}));
    operator.refused(
        3,
        &["tenant", "tenants", "delete", "A2", "-w", "w", "--yes"],
        &["deleted already", "restore"],
    );
    operator.refused(
        3,
        &[
            "tenant",
            "tenants",
            "create",
            "-w",
            "w",
            "--tenant-id",
            "A2",
            "--name",
            "A2",
            "--type",
            "shopify",
            "--yes",
        ],
        &["was deleted", "synthex restore tenant/w/A2"],
    );
    operator.run(&["restore", "tenant/w/A2", "credential/w/a2", "--yes"]).ok();
    let living = "select id || owner from synthex.tenants where name = 'A2' and deleted_at is null";
    assert_eq!(
        operator.value(living),
        format!("{id}cli"),
        "it stays a command's, so that no apply prunes it"
    );

    // For good, only with the digest and the number that the refusal names.
    let permanent = ["tenant", "tenants", "delete", "A3", "-w", "w", "--permanent", "--yes"];
    let refused = operator.run(&permanent).code(5).stdout_has("SX0507");
    let line = refused.stderr.lines().find(|line| line.contains("--ack-deletes")).expect("how to go on");
    let words: Vec<&str> = line.split_whitespace().skip_while(|word| *word != "synthex").collect();
    assert!(words.starts_with(&["synthex", "tenant", "tenants", "delete", "A3"]), "{line}");
    operator.run(&[&words[1..], &["--yes"]].concat()).ok();
    assert_eq!(operator.value("select count(*) from synthex.tenants where name = 'A3'"), "0");

    let summary = operator.run(&["tenant", "workspace", "summary", "-A", "--format", "json"]).ok().json();
    let of = |name: &str| {
        let all = summary["workspaces"].as_array().unwrap();
        all.iter().find(|one| one["workspaceId"] == name).cloned().unwrap()
    };
    assert_eq!(of("w")["tenants"], json!({"total": 2, "byStatus": {"active": 2}, "byType": {"shopify": 2}}));
    assert_eq!(of("w")["credentials"]["active"], 1);
    assert_eq!(of("w")["lastApply"]["command"], "tenant tenants delete");
    assert_eq!(of("w")["lastApply"]["project"], "cli");
    assert_eq!(of("uk")["tenants"]["byStatus"], json!({"active": 1, "suspended": 1}));
}
