//! Lists: sorted, filtered, cut, and no wider than the terminal.

use serde_json::json;

use super::Operator;

fn names(operator: &Operator, args: &[&str]) -> Vec<String> {
    let all = [&["tenant", "tenants", "list", "--format", "json"][..], args].concat();
    let document = operator.run(&all).ok().json();
    let tenants = document["tenants"].as_array().unwrap();
    tenants.iter().map(|tenant| tenant["tenantId"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn tenants_are_sorted_filtered_and_cut() {
    let operator = Operator::with_workspace("list_tenants");
    for (id, name, status, tier) in
        [("C", "alpha", "active", "gold"), ("A", "Beta", "inactive", "gold"), ("B", "gamma", "active", "tin")]
    {
        operator.make_tenant(id, &["--status", status, "--label", &format!("tier={tier}")]);
        operator.run(&["tenant", "tenants", "update", id, "--name", name, "--yes"]).ok();
    }
    assert_eq!(names(&operator, &[]), ["A", "B", "C"]);
    assert_eq!(names(&operator, &["--sort", "name"]), ["C", "A", "B"]);
    assert_eq!(names(&operator, &["--sort", "created"]), ["B", "A", "C"]);
    assert_eq!(names(&operator, &["--sort", "status", "--limit", "2"]), ["B", "C"]);
    assert_eq!(names(&operator, &["--status", "active"]), ["B", "C"]);
    assert_eq!(
        names(&operator, &["-l", "tier=gold", "--type", "shopify", "--market", "ANZ_SMB"]),
        ["A", "C"]
    );
    assert_eq!(names(&operator, &["--type", "mixed"]), [""; 0]);
    operator.run(&["tenant", "tenants", "list", "--limit", "1"]).ok().stderr_has("1 of 3 tenants shown.");
    operator.refused(3, &["tenant", "tenants", "list", "-l", "a b"], &[]);
    operator.refused(3, &["tenant", "tenants", "list", "-A", "-w", "w"], &["--all-workspaces means all"]);
}

#[test]
fn what_there_is_no_room_for_is_left_out() {
    let operator = Operator::with_workspace("list_width");
    operator.make_tenant("SMB_CLIENT_001", &[]);
    let at = |width: &str| {
        let run = operator.synthex(&["tenant", "tenants", "list"]).env("COLUMNS", width);
        run.run().ok().stdout
    };
    assert!(
        at("120").starts_with(
            "TENANT          WORKSPACE  NAME            TYPE     MARKET   REGION  STATUS  OWNER\n"
        )
    );
    assert!(
        at("80").starts_with("TENANT          WORKSPACE  NAME            TYPE     MARKET   STATUS  OWNER\n"),
        "{}",
        at("80")
    );
    for width in ["60", "40"] {
        let text = at(width);
        let limit: usize = width.parse().unwrap();
        assert!(text.lines().all(|line| line.chars().count() <= limit), "{width}:\n{text}");
        assert!(text.contains("SMB_CLIENT_001"), "{text}");
    }
}

#[test]
fn workspaces_are_listed_with_their_tenants_and_summed_up() {
    let operator = Operator::declared("list_workspaces");
    operator.make_workspace("v");
    operator.run(&["tenant", "workspace", "set-active", "v"]).ok();
    let document = operator.run(&["tenant", "workspace", "list", "--format", "json"]).ok().json();
    let short: Vec<_> = document["workspaces"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| json!([one["workspaceId"], one["tenants"], one["active"], one["owner"]]))
        .collect();
    assert_eq!(short, [json!(["v", 0, true, "cli"]), json!(["w", 3, false, "test"])]);
    operator.run(&["tenant", "workspace", "list"]).ok().stdout_has("v *");
    operator
        .run(&["tenant", "workspace", "list", "--market", "UK_SMB"])
        .ok()
        .stderr_has("No workspace is selected.");
    operator.estate.database.sql(
        "update synthex.credentials set declared_expires_at = '2026-03-05T00:00:00Z' where name = 'c1'; \
         update synthex.tenants set status = 'suspended' where name = 'T3'",
    );
    let summary = |as_of: &str| {
        let args = ["tenant", "workspace", "summary", "-w", "w", "--format", "json", "--as-of", as_of];
        operator.run(&args).ok().json()["workspaces"][0].clone()
    };
    let before = summary("2026-03-01T00:00:00Z");
    assert_eq!(
        before["tenants"],
        json!({"total": 3, "byStatus": {"active": 2, "suspended": 1}, "byType": {"shopify": 3}})
    );
    let credentials = json!({"total": 2, "active": 1, "expiringSoon": 1, "expired": 0, "revoked": 0});
    assert_eq!(before["credentials"], credentials);
    assert_eq!(before["alertRules"], json!({"enabled": 1, "disabled": 1}));
    assert_eq!(
        (&before["lastApply"]["revision"], &before["lastApply"]["project"]),
        (&json!(1), &json!("test"))
    );
    assert_eq!(summary("2026-03-05T00:00:00Z")["credentials"]["expired"], 1, "the instant itself");
    let text = operator.synthex(&["tenant", "workspace", "summary", "-A"]).env("COLUMNS", "200").run().ok();
    text.stdout_has("2 active, 1 suspended")
        .stdout_has("3 shopify")
        .stdout_has("1 on, 1 off")
        .stdout_has("revision 1");
    operator.refused(
        3,
        &["tenant", "workspace", "summary", "-w", "nowhere"],
        &["there is no workspace `nowhere`", "--workspace"],
    );
    let stats = operator.run(&["tenant", "tenants", "stats", "-w", "w"]).ok();
    stats.stdout_has("3 tenants in all").stdout_has("67 %").stdout_has("suspended");
}
