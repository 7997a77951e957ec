//! `synthex drift`: what was changed behind synthex's back, by whom and since when; and nothing else.

use serde_json::{Value, json};

use crate::support::estate::Estate;

/// A role that may write declared tables of the workspace `w`.
fn editor(estate: &Estate, name: &str) -> String {
    let role = estate.database.create_role(name, "secret");
    estate.database.sql(&format!(
        "grant usage on schema synthex to \"{role}\"; \
         grant select, insert, update, delete on all tables in schema synthex to \"{role}\""
    ));
    role
}

#[track_caller]
fn edit_as(estate: &Estate, role: &str, sql: &str) {
    let enter = "select set_config('synthex.workspace', 'w', true)";
    estate.database.sql_as(role, &format!("begin; {enter}; {sql}; commit"));
}

/// Writes past the triggers, as a restore from a backup or a replica does.
#[track_caller]
fn edit_unseen(estate: &Estate, table: &str, sql: &str) {
    let triggers = |what: &str| format!("alter table synthex.{table} {what} trigger user");
    for sql in [triggers("disable"), sql.to_owned(), triggers("enable")] {
        estate.database.sql(&sql);
    }
}

/// What drifted: `changed tenant/w/T1 (region, status)`.
#[track_caller]
fn drift(estate: &Estate, args: &[&str]) -> Vec<String> {
    let all = [&["drift", "--format", "json"], args].concat();
    let document = estate.run(&all).json();
    let one = |drifted: &Value| {
        let text = |value: &Value| value.as_str().expect("a text").to_owned();
        let fields: Vec<String> =
            drifted["fields"].as_array().expect("a list").iter().map(|field| text(&field["path"])).collect();
        let fields = if fields.is_empty() { String::new() } else { format!(" ({})", fields.join(", ")) };
        format!("{} {}{fields}", text(&drifted["happened"]), text(&drifted["key"]))
    };
    document["drift"].as_array().unwrap_or_else(|| panic!("{document:#}")).iter().map(one).collect()
}

#[track_caller]
fn no_drift(estate: &Estate) {
    for args in [&["drift", "--detailed-exitcode"][..], &["drift", "--detailed-exitcode", "--full"]] {
        estate.run(args).ok().stdout_has("No drift.");
    }
}

#[test]
fn what_an_apply_changed_is_never_drift() {
    let estate = Estate::new("drifts_none");
    estate
        .run(&["drift", "--detailed-exitcode"])
        .ok()
        .stdout_has("nothing was applied")
        .stdout_has("No drift.");
    estate.apply().ok();
    no_drift(&estate);
    estate.edit("T1.yaml", "status: active", "status: inactive");
    estate.apply().ok();
    estate.project.remove("manifests/T3.yaml");
    estate.run(&["apply", "--yes", "--prune"]).ok();
    no_drift(&estate);
    // Changed by hand, then by an apply.
    estate.database.sql("update synthex.tenants set region = 'NZ-NR1' where name = 'T1'");
    estate.edit("T1.yaml", "AU-SE1", "NZ-NR1");
    estate.apply().ok();
    estate.database.sql("update synthex.tenants set region = 'AU-SE1' where name = 'T2'");
    estate.database.sql("delete from synthex.alert_rules where name = 'muted'");
    estate.apply().ok();
    no_drift(&estate);
    // Changed by hand and back again.
    estate.database.sql("update synthex.tenants set status = 'suspended' where name = 'T2'");
    estate.database.sql("update synthex.tenants set status = 'active' where name = 'T2'");
    no_drift(&estate);
}

#[test]
fn each_field_has_applied_value_live_value_role_and_time() {
    let estate = Estate::applied("drifts_fields");
    let (ann, bob) = (editor(&estate, "ann"), editor(&estate, "bob"));
    edit_as(&estate, &ann, "update synthex.tenants set region = 'NZ-NR1' where name = 'T1'");
    edit_as(&estate, &bob, "update synthex.tenants set industry = 'Toys' where name = 'T1'");
    let document = estate.run(&["drift", "--format", "json", "--detailed-exitcode"]).code(2).json();
    let drifted = &document["drift"][0];
    let revision = estate.value("select max(revision)::text from synthex.batch_operations").unwrap();
    assert_eq!(drifted["applied"]["revision"].to_string(), revision);
    assert_eq!(drifted["applied"]["command"], "apply");
    assert_eq!(drifted["actor"], bob.as_str());
    let time = |name: &str| {
        let at = "to_char(occurred_at at time zone 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')";
        let found = estate.value(&format!("select {at} from synthex.drift_events where actor = '{name}'"));
        found.expect("a time").parse::<chrono::DateTime<chrono::Utc>>().unwrap()
    };
    let fields: Vec<_> = drifted["fields"]
        .as_array()
        .unwrap()
        .iter()
        .map(|field| {
            let since: chrono::DateTime<chrono::Utc> = field["since"].as_str().unwrap().parse().unwrap();
            (
                field["path"].clone(),
                field["applied"].clone(),
                field["live"].clone(),
                field["actor"].clone(),
                since,
            )
        })
        .collect();
    let expected = [
        (json!("industry"), Value::Null, json!("Toys"), json!(bob), time(&bob)),
        (json!("region"), json!("AU-SE1"), json!("NZ-NR1"), json!(ann), time(&ann)),
    ];
    assert_eq!(fields, expected);
    estate
        .run(&["drift"])
        .ok()
        .stdout_has("~ tenant/w/T1")
        .stdout_has("AU-SE1 → NZ-NR1")
        .stdout_has(&format!("by role {ann} at 2"))
        .stdout_has(&format!("revision {revision} (apply by "))
        .stdout_has("Drift: 1 changed; 2 fields.");
}

#[test]
fn rows_removed_made_and_restored_by_hand_are_told_apart() {
    let estate = Estate::applied("drifts_rows");
    estate.project.remove("manifests/T3.yaml");
    estate.run(&["apply", "--yes", "--prune"]).ok();
    let role = editor(&estate, "editor");
    edit_as(
        &estate,
        &role,
        "update synthex.tenants set deleted_at = null where name = 'T3'; \
         update synthex.notification_channels set deleted_at = now() where name = 'chat'; \
         delete from synthex.credentials where name = 'c1'; \
         insert into synthex.tenants (workspace, name, display_name, type, market, region, owner) values \
         ('w', 'MADE', 'Made', 'shopify', 'ANZ_SMB', 'AU-SE1', 'test'), \
         ('w', 'NOBODYS', 'No', 'shopify', 'ANZ_SMB', 'AU-SE1', null); \
         update synthex.tenants set owner = null where name = 'T2'",
    );
    let expected = [
        "made tenant/w/MADE",
        "changed tenant/w/T2 (owner)",
        "restored tenant/w/T3",
        "removed credential/w/c1",
        "removed channel/w/chat",
    ];
    assert_eq!(drift(&estate, &[]), expected);
    assert_eq!(drift(&estate, &["--full"]), expected);
    let document = estate.run(&["drift", "--format", "json"]).json();
    for drifted in document["drift"].as_array().unwrap() {
        assert_eq!(drifted["actor"], role.as_str(), "{drifted:#}");
    }
    // What was removed and is not declared any more is as everybody wants it; without manifests, nobody can know.
    estate.project.remove("manifests/c1.yaml");
    let without = drift(&estate, &[]);
    assert!(!without.contains(&"removed credential/w/c1".to_owned()) && without.len() == 4, "{without:?}");
    std::fs::remove_dir_all(estate.project.path().join("manifests")).unwrap();
    assert_eq!(drift(&estate, &[]), expected);
}

#[test]
fn a_row_that_got_another_name_by_hand_is_one_that_is_gone_and_one_that_was_made() {
    let estate = Estate::applied("drifts_renamed");
    let role = editor(&estate, "editor");
    edit_as(&estate, &role, "update synthex.tenants set name = 'T9' where name = 'T3'");
    for args in [&[][..], &["--full"]] {
        assert_eq!(drift(&estate, args), ["removed tenant/w/T3", "made tenant/w/T9"]);
    }
    let document = estate.run(&["drift", "--format", "json"]).json();
    for drifted in document["drift"].as_array().unwrap() {
        assert_eq!(drifted["actor"], role.as_str(), "{drifted:#}");
    }
}

#[test]
fn what_was_changed_past_the_triggers_is_found_in_full() {
    let estate = Estate::new("drifts_unseen");
    estate.declare_tenant("T1", &["employeeCount: 40", "metadata: {a: 1.50, b: [x, {c: null}], n: 1e300}"]);
    estate.apply().ok();
    no_drift(&estate);
    edit_unseen(&estate, "tenants", "update synthex.tenants set metadata = '{\"a\": 2}' where name = 'T1'");
    edit_unseen(&estate, "tenants", "update synthex.tenants set labels = '{\"x\": \"y\"}' where name = 'T2'");
    edit_unseen(&estate, "alert_rules", "delete from synthex.alert_rules where name = 'muted'");
    edit_unseen(
        &estate,
        "credentials",
        "update synthex.credentials set deleted_at = now() where name = 'c1'",
    );
    edit_unseen(&estate, "tenants", "update synthex.tenants set owner = null where name = 'T3'");
    let insert = "insert into synthex.notification_channels (workspace, name, type, owner) values ('w', 'new', 'console', 'test')";
    edit_unseen(&estate, "notification_channels", insert);
    assert_eq!(drift(&estate, &[]), [""; 0], "no mark was left");
    let expected = [
        "changed tenant/w/T1 (metadata.a, metadata.b, metadata.n)",
        "changed tenant/w/T2 (labels.x)",
        "changed tenant/w/T3 (owner)",
        "removed credential/w/c1",
        "made channel/w/new",
        "removed rule/w/muted",
    ];
    assert_eq!(drift(&estate, &["--full"]), expected);
    estate.run(&["drift", "--full"]).ok().stdout_has("by somebody unknown");
}

#[test]
fn a_selection_is_matched_against_rows_and_must_match_some() {
    let estate = Estate::applied("drifts_select");
    estate.database.sql(
        "update synthex.tenants set region = 'NZ-NR1', labels = '{\"tier\": \"gold\"}' where name = 'T1'",
    );
    estate.database.sql("update synthex.tenants set status = 'suspended' where name = 'T2'");
    estate.database.sql("delete from synthex.credentials where name = 'c2'");
    let (one, two) = ("changed tenant/w/T1 (labels.tier, region)", "changed tenant/w/T2 (status)");
    let gone = "removed credential/w/c2";
    for (args, expected) in [
        (&["--target", "tenant/T1"][..], &[one][..]),
        (&["-l", "tier=gold"], &[one]),
        (&["-l", "status=suspended"], &[two]),
        (&["-l", "service=shopify"], &[gone]),
        (&["--exclude", "tenant/*"], &[gone]),
        (&["--target", "tenant/T3"], &[]),
        (&["--workspace", "w"], &[one, two, gone]),
    ] {
        assert_eq!(drift(&estate, args), expected, "{args:?}");
    }
    estate.run(&["drift", "--workspace", "other"]).code(3).stderr_has("there is no workspace `other`");
    estate.run(&["drift", "--target", "tenant/T33"]).code(3).stderr_has("did you mean `T3`?");
    estate
        .run(&["drift", "-l", "tier=none"])
        .code(3)
        .stderr_has("nothing that is in the database is selected");
}

#[test]
fn ignored_fields_are_no_drift_until_their_day() {
    let estate = Estate::applied("drifts_ignored");
    estate.database.sql(
        "update synthex.tenants set metadata = '{\"notes\": \"x\"}', status = 'inactive' where name = 'T1'",
    );
    let ignore = |until: &str| {
        let rule = format!("ignore: [{{path: /metadata/notes, until: {until}, reason: the shop's own}}]");
        let text = format!(
            "apiVersion: synthex.dev/v1\nkind: Project\nmetadata: {{name: test}}\nspec: {{workspace: w, {rule}}}\n"
        );
        estate.project.write("synthex.yaml", text);
    };
    ignore("9999-12-31");
    assert_eq!(drift(&estate, &[]), ["changed tenant/w/T1 (status)"]);
    estate.run(&["drift"]).ok().stdout_has("1 field differs and is ignored for now");
    ignore("2020-01-01");
    assert_eq!(drift(&estate, &[]), ["changed tenant/w/T1 (metadata.notes, status)"]);
}

#[test]
fn an_issue_has_the_same_bytes_for_the_same_drift_and_says_when_there_is_none() {
    let estate = Estate::applied("drifts_issue");
    let nasty = "x | `y` <script>@team ``` # h";
    estate.database.sql(&format!("update synthex.tenants set industry = '{nasty}' where name = 'T1'"));
    let body = estate.run(&["drift", "--format", "markdown"]).ok();
    assert!(body.stdout.starts_with("<!-- synthex:drift:test:w -->\n"), "{body}");
    let again = estate.run(&["drift", "--format", "markdown"]).ok();
    assert_eq!(body.stdout, again.stdout);
    let body = body.nowhere("<script>").nowhere("@team").nowhere("`y`");
    estate.run(&["drift", "--open-issue-file", "out/drift-{workspace}.md"]).ok();
    assert_eq!(estate.project.read("out/drift-w.md"), body.stdout);
    estate.apply().ok();
    estate.run(&["drift", "--open-issue-file", "out/drift-{workspace}.md", "--detailed-exitcode"]).ok();
    let closed = estate.project.read("out/drift-w.md");
    assert!(closed.starts_with("<!-- synthex:drift:test:w -->\n<!-- synthex:drift:none -->\n"), "{closed}");
}

#[test]
fn a_secret_that_somebody_wrote_into_a_row_is_not_shown() {
    let estate = Estate::applied("drifts_secret");
    estate.database.sql(
        "update synthex.notification_channels set slack = '{\"webhookUrl\": \"https://canary.example\"}' where name = 'chat'; \
         update synthex.credentials set secret_ref = '{\"value\": \"canary\"}' where name = 'c1'",
    );
    for format in ["human", "json", "markdown"] {
        estate.run(&["drift", "--format", format]).ok().nowhere("canary").stdout_has("chat").stdout_has("c1");
    }
}

#[test]
fn a_role_that_may_only_read_sees_drift_and_one_that_may_not_is_told() {
    let estate = Estate::applied("drifts_roles");
    estate.database.sql("update synthex.tenants set region = 'NZ-NR1' where name = 'T1'");
    let reader = estate.database.create_role("reader", "secret");
    estate.database.sql(&format!(
        "grant usage on schema synthex to \"{reader}\"; grant select on all tables in schema synthex to \"{reader}\""
    ));
    let url = estate.database.url_as(&reader);
    for args in [&["drift"][..], &["drift", "--full"], &["drift", "--workspace", "w"]] {
        estate.synthex_at(&url, args).run().ok().stdout_has("Drift: 1 changed; 1 field.");
    }
    estate.database.sql(&format!("revoke select on synthex.drift_events from \"{reader}\""));
    estate
        .synthex_at(&url, &["drift"])
        .run()
        .code(8)
        .stderr_has("may not read synthex.drift_events")
        .stderr_has("grant select");
}
