//! What a rule of `ignore` leaves to somebody else is not claimed, not forgotten, and not taken back by a rollback.

use serde_json::{Value, json};

use crate::support::estate::Estate;

/// A role that may write declared tables of the workspace `w`.
fn role(estate: &Estate, name: &str) -> String {
    let role = estate.database.create_role(name, "secret");
    estate.database.sql(&format!(
        "grant usage on schema synthex to \"{role}\"; \
         grant select, insert, update, delete on all tables in schema synthex to \"{role}\""
    ));
    role
}

#[track_caller]
fn write_as(estate: &Estate, role: &str, sql: &str) {
    let enter = "select set_config('synthex.workspace', 'w', true)";
    estate.database.sql_as(role, &format!("begin; {enter}; {sql}; commit"));
}

/// The tenants' notes are the CRM's until the end of the year.
fn ignoring(hint: &str) -> Estate {
    let estate = Estate::new(hint);
    let file = estate.project.read("synthex.yaml");
    let rule = "ignore: [{path: /metadata/notes, until: 2026-12-31, reason: crm}]";
    estate.project.write("synthex.yaml", file.replace("workspace: w,", &format!("workspace: w, {rule},")));
    estate.declare_tenant("T1", &["metadata: {notes: declared, other: 1}"]);
    estate.run(&["apply", "--yes", "--as-of", BEFORE]).ok();
    estate
}

const BEFORE: &str = "2026-11-01";
const AFTER: &str = "2026-12-31";
const NOTES: &str = "select metadata->>'notes' from synthex.tenants where name = 'T1'";
const SET_NOTES: &str =
    "update synthex.tenants set metadata = metadata || '{\"notes\": \"call back\"}' where name = 'T1'";

/// What drift there is on a day: `path applied live actor`, one for each field.
#[track_caller]
fn drift(estate: &Estate, as_of: &str, args: &[&str]) -> Vec<String> {
    let all = [&["drift", "--format", "json", "--as-of", as_of], args].concat();
    let document = estate.run(&all).json();
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let resources = document["drift"].as_array().expect("a list");
    let fields = resources.iter().flat_map(|drifted| drifted["fields"].as_array().expect("a list"));
    fields
        .map(|field| ["path", "applied", "live", "actor"].map(|name| text(&field[name])).join(" "))
        .collect()
}

#[test]
fn what_an_apply_leaves_counts_again_with_its_writer_from_the_day_the_rule_ends() {
    let estate = ignoring("left_apply");
    let (crm, bob) = (role(&estate, "crm"), role(&estate, "bob"));
    write_as(&estate, &crm, SET_NOTES);
    write_as(&estate, &bob, "update synthex.tenants set status = 'suspended' where name = 'T1'");
    let expected = format!("metadata.notes declared call back {crm}");
    let status = format!("status active suspended {bob}");
    assert_eq!(drift(&estate, AFTER, &[]), [expected.clone(), status.clone()]);

    // Twice, since the first apply is what the second finds.
    for name in ["One", "Uno"] {
        let before = estate.project.read("manifests/T1.yaml");
        let line = before.lines().find(|line| line.contains("displayName:")).unwrap().to_owned();
        estate.project.write("manifests/T1.yaml", before.replace(&line, &format!("  displayName: {name}")));
        estate.run(&["apply", "--yes", "--as-of", BEFORE]).ok();
        assert_eq!(estate.value(NOTES).as_deref(), Some("call back"));
        estate.run(&["plan", "--detailed-exitcode", "--as-of", BEFORE]).ok().stdout_has("No changes.");
        let quiet = estate.run(&["drift", "--detailed-exitcode", "--as-of", BEFORE]).ok();
        quiet.stdout_has("1 field differs and is ignored for now");
        for args in [&[][..], &["--full"]] {
            assert_eq!(drift(&estate, AFTER, args), std::slice::from_ref(&expected), "{args:?}");
        }
    }
    let over = estate.run(&["drift", "--detailed-exitcode", "--as-of", AFTER]).code(2);
    over.stdout_has(&format!("changed by role {crm}")).nowhere(&bob);
    let plan = estate.run(&["plan", "--detailed-exitcode", "--as-of", AFTER]).code(2);
    let plan = plan.stdout_has(&format!("drift: changed in the database by role {crm}"));
    plan.stdout_has("metadata.notes").nowhere("the declaration changed").nowhere(&bob);

    // Somebody else's later write of another field is told apart.
    write_as(&estate, &bob, "update synthex.tenants set status = 'suspended' where name = 'T1'");
    assert_eq!(drift(&estate, AFTER, &[]), [expected, status]);
    write_as(&estate, &bob, "update synthex.tenants set status = 'active' where name = 'T1'");
    write_as(&estate, &bob, &SET_NOTES.replace("call back", "gone"));
    assert_eq!(drift(&estate, AFTER, &[]), [format!("metadata.notes declared gone {bob}")]);

    estate.run(&["apply", "--yes", "--as-of", "2027-01-01"]).ok();
    assert_eq!(estate.value(NOTES).as_deref(), Some("declared"));
    assert_eq!(drift(&estate, "2027-01-01", &["--full"]), [""; 0]);
}

#[test]
fn the_record_does_not_claim_what_was_left() {
    let estate = ignoring("left_record");
    let crm = role(&estate, "crm");
    write_as(&estate, &crm, SET_NOTES);
    estate.edit("T1.yaml", "displayName: T1", "displayName: One");
    let plan = estate.run(&["plan", "--format", "json", "--as-of", BEFORE]).json();
    assert_eq!(plan["changes"][0]["ignored"], json!(["/metadata/notes"]));
    assert_eq!(plan["changes"][0]["after"]["spec"]["metadata"]["notes"], "call back");
    assert_eq!(plan["changes"][0]["reason"]["code"], "edited", "what the CRM wrote is no reason");
    estate.run(&["apply", "--yes", "--as-of", BEFORE]).ok();
    let after = "select after::text from synthex.batch_operation_items where action = 'update'";
    let after: Value = serde_json::from_str(&estate.value(after).unwrap()).unwrap();
    assert_eq!(after["ignored"], json!(["/metadata/notes"]));
    assert_eq!(after["spec"]["metadata"]["notes"], "declared");

    let history = estate.run(&["history", "tenant/T1", "--format", "json"]).json();
    let update =
        history["events"].as_array().unwrap().iter().find(|event| event["action"] == "update").unwrap();
    assert_eq!(update["fields"].as_array().unwrap().len(), 1, "{update:#}");
    assert_eq!(
        (&update["fields"][0]["path"], &update["ignored"]),
        (&json!("displayName"), &json!(["/metadata/notes"]))
    );
    estate.run(&["history", "tenant/T1"]).ok().stdout_has("left as found, by `ignore`: /metadata/notes");
    let blame = estate.run(&["blame", "tenant/T1", "--format", "json"]).json();
    let by = |path: &str| {
        let field = blame["fields"].as_array().unwrap().iter().find(|field| field["field"] == path);
        let field = field.unwrap_or_else(|| panic!("{path}: {blame:#}"));
        (field["type"].clone(), field["role"].clone())
    };
    assert_eq!(by("metadata.notes"), (json!("edit"), json!(crm)));
    assert_eq!(by("displayName").0, "operation");
}

#[test]
fn a_saved_plan_and_a_rename_leave_it_too() {
    let estate = ignoring("left_saved");
    let crm = role(&estate, "crm");
    write_as(&estate, &crm, SET_NOTES);
    let expected = [format!("metadata.notes declared call back {crm}")];
    estate.edit("T1.yaml", "displayName: T1", "displayName: One");
    estate.run(&["plan", "--out", "p.json", "--as-of", BEFORE]).ok();
    estate.run(&["apply", "p.json", "--yes"]).ok();
    assert_eq!(estate.value(NOTES).as_deref(), Some("call back"));
    assert_eq!(drift(&estate, AFTER, &[]), expected);

    let file = estate.project.read("synthex.yaml");
    let moved = "workspace: w, moved: [{from: tenant/w/T1, to: tenant/w/ACME}],";
    estate.project.write("synthex.yaml", file.replace("workspace: w,", moved));
    let manifest = estate.project.read("manifests/T1.yaml").replace("name: T1\n", "name: ACME\n");
    estate.project.write("manifests/T1.yaml", manifest);
    estate.edit("c1.yaml", "tenant: T1", "tenant: ACME");
    estate.run(&["apply", "--yes", "--as-of", BEFORE]).ok().stdout_has("1 to rename");
    assert_eq!(estate.value(&NOTES.replace("T1", "ACME")).as_deref(), Some("call back"));
    for args in [&[][..], &["--full"]] {
        assert_eq!(drift(&estate, AFTER, args), expected, "{args:?}");
    }
}

#[test]
fn what_nobody_else_wrote_is_no_drift_when_the_rule_ends() {
    let estate = ignoring("left_own");
    // The declaration changes under the rule: the row keeps what synthex wrote into it.
    estate.edit("T1.yaml", "notes: declared", "notes: other");
    estate.edit("T1.yaml", "displayName: T1", "displayName: One");
    estate.run(&["apply", "--yes", "--as-of", BEFORE]).ok();
    assert_eq!(estate.value(NOTES).as_deref(), Some("declared"));
    for args in [&[][..], &["--full"]] {
        assert_eq!(drift(&estate, AFTER, args), [""; 0], "{args:?}");
    }
    let plan = estate.run(&["plan", "--format", "json", "--as-of", AFTER]).json();
    assert_eq!(plan["changes"][0]["reason"]["code"], "edited");
}

#[test]
fn a_rollback_and_a_restore_leave_it_as_long_as_the_rule_holds() {
    let estate = ignoring("left_rollback");
    let crm = role(&estate, "crm");
    estate.edit("T1.yaml", "displayName: T1", "displayName: One");
    estate.edit("T1.yaml", "notes: declared", "notes: later");
    estate.run(&["apply", "--yes", "--as-of", "2027-01-01"]).ok();
    write_as(&estate, &crm, SET_NOTES);
    let name = "select display_name from synthex.tenants where name = 'T1'";
    let plan = estate.run(&["rollback", "--to", "1", "--plan", "--as-of", BEFORE]).ok();
    plan.stdout_has("displayName").nowhere("notes");
    estate.run(&["rollback", "--to", "1", "--yes", "--as-of", BEFORE]).ok();
    assert_eq!(
        (estate.value(name).as_deref(), estate.value(NOTES).as_deref()),
        (Some("T1"), Some("call back"))
    );
    assert_eq!(drift(&estate, AFTER, &[]), [format!("metadata.notes declared call back {crm}")]);

    // A field that was not there then is left as well.
    estate.database.sql("update synthex.tenants set metadata = metadata - 'notes' where name = 'T2'");
    write_as(&estate, &crm, &SET_NOTES.replace("T1", "T2"));
    estate.edit("T2.yaml", "displayName: T2", "displayName: Two");
    estate.edit("T1.yaml", "notes: later", "notes: declared");
    estate.edit("T1.yaml", "displayName: One", "displayName: T1");
    estate.run(&["apply", "--yes", "--as-of", BEFORE]).ok();
    estate.run(&["rollback", "--to", "1", "--yes", "--as-of", BEFORE]).ok();
    assert_eq!(estate.value(&NOTES.replace("T1", "T2")).as_deref(), Some("call back"));
    assert_eq!(estate.value(&name.replace("T1", "T2")).as_deref(), Some("T2"));

    // The rule's last day is the project file's, by the clock that the options set.
    let over = estate.run(&["rollback", "--to", "1", "--plan", "--as-of", AFTER]).ok();
    over.stdout_has("metadata.notes").stdout_has("is no longer ignored");
}
