//! `moved` and `ignore` of the project file: renames keep the row, and ignored fields are left alone for a while.

use crate::support::estate::Estate;

fn with(estate: &Estate, spec: &str) {
    let text = "apiVersion: synthex.dev/v1\nkind: Project\nmetadata:\n  name: test\nspec:\n  workspace: w\n";
    estate.project.write("synthex.yaml", format!("{text}{spec}"));
}

fn rename(estate: &Estate, from: &str, to: &str) {
    let manifest = estate.project.read(&format!("manifests/{from}.yaml"));
    estate.project.remove(&format!("manifests/{from}.yaml"));
    estate.project.write(
        &format!("manifests/{to}.yaml"),
        manifest.replace(&format!("name: {from}\n"), &format!("name: {to}\n")),
    );
}

fn id(estate: &Estate, name: &str) -> Option<String> {
    let sql =
        format!("select max(id::text) from synthex.tenants where name = '{name}' and deleted_at is null");
    estate.value(&sql)
}

const IGNORE: &str = "  prune: true
  ignore:
    - {path: /metadata/notes, until: 2026-12-31, reason: CRM import}
    - {path: /industry, target: tenant/w/T2, until: 2026-12-31, reason: CRM import}
";

#[test]
fn an_ignored_field_is_left_alone_until_the_day_the_rule_ends() {
    let estate = Estate::applied("ignore_until");
    with(&estate, IGNORE);
    estate.database.sql(
        "update synthex.tenants set metadata = '{\"notes\": \"call back\"}' where name = 'T1';
         update synthex.tenants set industry = 'Toys' where name = 'T2'",
    );
    let plan =
        |as_of: &str, code: i32| estate.run(&["plan", "--detailed-exitcode", "--as-of", as_of]).code(code);
    plan("2026-11-01", 0).stdout_has("No changes.").nowhere("ignored");
    plan("2026-12-23", 0).nowhere("2026-12-31");
    let soon = plan("2026-12-24T00:00:00+00:00", 0);
    assert!(
        soon.stdout.contains("/metadata/notes of tenant/* is ignored only until 2026-12-31 (CRM import)"),
        "{soon}"
    );
    let over = plan("2026-12-31", 2);
    assert!(over.stdout.contains("2 to update"), "{over}");
    assert!(
        over.stdout.contains("/industry of tenant/w/T2 is no longer ignored: the rule ended on 2026-12-31"),
        "{over}"
    );
    // The last moment of the day before, in another zone.
    plan("2026-12-31T09:59:59+10:00", 0).stdout_has("No changes.");
    plan("2026-12-31T10:00:00+10:00", 2);

    // Other fields of the same rows are as declared, and an update keeps what is ignored.
    estate.edit("T1.yaml", "displayName: T1", "displayName: One");
    estate.database.sql("update synthex.tenants set industry = 'Toys' where name = 'T1'");
    let changed = plan("2026-11-01", 2);
    assert!(changed.stdout.contains("1 to update"), "{changed}");
    assert!(changed.stdout.contains("industry") && !changed.stdout.contains("notes"), "{changed}");
    estate.run(&["apply", "--yes", "--as-of", "2026-11-01"]).ok();
    plan("2026-11-01", 0);
    let notes = "select metadata->>'notes' from synthex.tenants where name = 'T1'";
    assert_eq!(estate.value(notes).as_deref(), Some("call back"));
    assert_eq!(estate.value("select industry from synthex.tenants where name = 'T1'"), None);

    estate.run(&["apply", "--yes", "--as-of", "2027-01-01"]).ok();
    assert_eq!(estate.value(notes), None);
}

#[test]
fn everything_cannot_be_ignored() {
    let estate = Estate::new("ignore_all");
    with(&estate, "  ignore: [{path: /, until: 2026-12-31, reason: all}]\n");
    estate.run(&["plan"]).code(3).stderr_has("SX0157").stderr_has("not everything can be ignored");
    for wrong in ["yesterday", "2026-13-01", "2026-12-31 10:00"] {
        estate.run(&["plan", "--as-of", wrong]).code(3).stderr_has("--as-of");
    }
}

#[test]
fn a_rename_keeps_the_row_and_what_belongs_to_it() {
    let estate = Estate::applied("moved_one");
    let before = id(&estate, "T1");
    rename(&estate, "T1", "ACME");
    estate.edit("c1.yaml", "tenant: T1", "tenant: ACME");
    with(&estate, "  prune: true\n  moved:\n    - {from: tenant/w/T1, to: tenant/w/ACME}\n");
    let plan = estate.run(&["plan"]).ok();
    assert!(plan.stdout.contains("1 to rename"), "{plan}");
    assert!(plan.stdout.contains("0 to create, 1 to update, 0 to delete, 1 to rename"), "{plan}");
    estate.run(&["apply", "--yes"]).ok();
    assert_eq!((id(&estate, "ACME"), id(&estate, "T1")), (before, None));
    let credential = "select t.name from synthex.credentials c join synthex.tenants t on t.workspace = c.workspace and t.name = c.tenant where c.name = 'c1'";
    assert_eq!(estate.value(credential).as_deref(), Some("ACME"));
    assert_eq!(
        estate.database.query_one_i64("select count(*) from synthex.tenants where name in ('T1', 'ACME')"),
        1
    );
    // The step may stay in the project file.
    estate.is_converged();
}

#[test]
fn a_chain_of_renames_ends_at_its_last_name_from_wherever_a_database_is() {
    for (hint, from) in [("moved_chain_a", "T1"), ("moved_chain_b", "B")] {
        let estate = Estate::new(hint);
        estate.project.remove("manifests/c1.yaml");
        if from != "T1" {
            rename(&estate, "T1", from);
        }
        estate.apply().ok();
        let before = id(&estate, from);
        rename(&estate, from, "C");
        let steps = "    - {from: tenant/w/T1, to: tenant/w/B}\n    - {from: tenant/w/B, to: tenant/w/C}\n";
        with(&estate, &format!("  moved:\n{steps}"));
        estate.run(&["plan"]).ok().stdout_has("1 to rename");
        estate.apply().ok();
        assert_eq!(id(&estate, "C"), before, "{hint}");
        estate.is_converged();
    }
}

#[test]
fn renames_that_lead_in_a_circle_are_refused() {
    let estate = Estate::new("moved_circle");
    with(
        &estate,
        "  moved:\n    - {from: tenant/w/T1, to: tenant/w/B}\n    - {from: tenant/w/B, to: tenant/w/T1}\n",
    );
    estate.run(&["plan"]).code(3).stderr_has("SX0218").stderr_has("synthex.yaml:8:14");
    with(
        &estate,
        "  moved:\n    - {from: tenant/w/T1, to: tenant/w/B}\n    - {from: tenant/w/T2, to: tenant/w/B}\n",
    );
    estate.run(&["apply", "--yes"]).code(3).stderr_has("is what is renamed twice");
}
