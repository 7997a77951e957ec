//! A source that is missing, empty or unreadable never means "nothing is declared": no plan, and no deletion.

use std::fs;

use crate::support::estate::{Estate, SIZE};

/// Breaks the source of a project that prunes, and expects exit status 3 and every row alive.
#[track_caller]
fn check(hint: &str, code: &str, break_it: impl FnOnce(&Estate)) {
    let estate = Estate::new(hint);
    let project = "apiVersion: synthex.dev/v1\nkind: Project\nmetadata: {name: test}\nspec:\n  workspace: w\n  prune: true\n  \
                   guards: {maxDeletes: 1000, maxDeletePercent: 100}\n";
    estate.project.write("synthex.yaml", project);
    estate.apply().ok();
    break_it(&estate);
    for command in [["plan", "--prune"], ["apply", "--yes"]] {
        estate.run(&command).code(3).stderr_has(code).nowhere("to delete");
    }
    let mut alive = 0;
    for table in crate::support::estate::DECLARED {
        alive += estate
            .database
            .query_one_i64(&format!("select count(*) from synthex.{table} where deleted_at is null"));
    }
    assert_eq!(usize::try_from(alive).ok(), Some(SIZE), "{hint}");
}

fn empty_folder(estate: &Estate) {
    let folder = estate.project.path().join("manifests");
    fs::remove_dir_all(&folder).expect("it can be removed");
    fs::create_dir(&folder).expect("it can be made");
}

#[test]
fn a_folder_that_is_not_there() {
    check("source_gone", "SX0116", |estate| {
        fs::remove_dir_all(estate.project.path().join("manifests")).expect("it can be removed");
    });
}

#[test]
fn a_folder_with_nothing_in_it() {
    check("source_empty", "SX0116", empty_folder);
}

#[test]
fn a_folder_with_nothing_but_other_files() {
    check("source_other", "SX0116", |estate| {
        empty_folder(estate);
        estate.project.write("manifests/README.md", "# Manifests");
        estate.project.write("manifests/.hidden.yaml", "");
        estate.project.write("manifests/sub/clients.csv", "tenantId,name\nA,A\n");
    });
}

#[test]
fn a_folder_with_an_empty_file_only() {
    check("source_blank", "SX0114", |estate| {
        empty_folder(estate);
        estate.project.write("manifests/a.yaml", "# all gone\n---\n");
    });
}

#[test]
fn a_folder_in_place_of_a_file() {
    check("source_folder", "SX0112", |estate| {
        estate.declare("TenantSet", "set", "{from: {csv: rows.csv}}");
        fs::create_dir(estate.project.path().join("manifests/rows.csv")).expect("it can be made");
    });
}

#[test]
fn a_table_with_a_header_only() {
    check("source_header", "SX0403", |estate| {
        for name in ["T1", "T2", "T3"] {
            estate.project.remove(&format!("manifests/{name}.yaml"));
        }
        estate.declare("TenantSet", "set", "{from: {csv: rows.csv}}");
        estate.project.write("manifests/rows.csv", "tenantId,name,type,shopifyShop\n");
    });
}

#[test]
fn an_empty_list_in_a_file() {
    check("source_list", "SX0403", |estate| {
        estate.declare("TenantSet", "set", "{from: {json: rows.json}}");
        estate.project.write("manifests/rows.json", "[]");
    });
}

#[test]
fn no_rows_on_purpose_is_taken_at_its_word() {
    let estate = Estate::new("source_rows");
    estate.declare(
        "TenantSet",
        "set",
        "{from: {rows: [{tenantId: R1, name: R, type: shopify, shopifyShop: r.myshopify.com}]}}",
    );
    estate.apply().ok();
    estate.declare("TenantSet", "set", "{from: {rows: []}}");
    assert_eq!(estate.changes(&["--prune"]), ["delete tenant/w/R1"]);
}
