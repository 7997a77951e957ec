//! S16: one bad row among a thousand stops everything, or only itself; and no part that cannot be read deletes anything.

use super::rig::{account, count};
use crate::support::estate::{Estate, SIZE};

fn estate(hint: &str, many: u32) -> Estate {
    let estate = Estate::applied(hint);
    let project = estate.project.read("synthex.yaml").replace("workspace: w,", "workspace: w, prune: true,");
    estate.project.write("synthex.yaml", project);
    estate.declare("TenantSet", "rows", "{from: {csv: rows.csv}}");
    write(&estate, many, &[]);
    estate
}

/// The rows, but for some that are replaced: by their number, which is their line less one.
fn write(estate: &Estate, many: u32, replaced: &[(u32, &str)]) {
    let mut text = "tenantId,name,type,shopifyShop\n".to_owned();
    for number in 1..=many {
        match replaced.iter().find(|(at, _)| *at == number) {
            Some((_, row)) => text.push_str(&format!("{row}\n")),
            None => text.push_str(&format!("R{number},Row {number},shopify,r{number}.myshopify.com\n")),
        }
    }
    estate.project.write("manifests/rows.csv", text);
}

fn tenants(estate: &Estate) -> i64 {
    estate
        .database
        .query_one_i64("select count(*) from synthex.tenants where deleted_at is null and name like 'R%'")
}

#[test]
fn a_bad_row_stops_everything_or_only_itself() {
    let many = count(100, 1_000);
    let bad = many / 2 - 1;
    let rows = [
        ("value", format!("R{bad},Row {bad},nosuch,r{bad}.myshopify.com"), 3),
        ("too few", format!("R{bad},Row {bad},shopify"), 1),
        ("too many", format!("R{bad},Row, {bad},shopify,r{bad}.myshopify.com"), 1),
        ("empty name", format!("R{bad},,shopify,r{bad}.myshopify.com"), 2),
        ("no id", format!(",Row {bad},shopify,r{bad}.myshopify.com"), 1),
        ("bad id", format!("no good!,Row {bad},shopify,r{bad}.myshopify.com"), 1),
    ];
    for (what, row, column) in &rows {
        let estate = estate("chaos_rows", many);
        let state = estate.state();
        write(
            &estate,
            many,
            &[(bad, row), (bad + 7, "X,X,nosuch,x.myshopify.com"), (bad + 9, "Y,Y,shopify")],
        );
        let outcome = estate.apply().code(3).stderr_has("3 errors");
        for place in [(bad + 1, *column), (bad + 8, 3), (bad + 10, 1)] {
            let place = format!("rows.csv:{}:{}", place.0, place.1);
            assert!(outcome.stderr.contains(&place), "{what}: {place} is not listed\n{outcome}");
        }
        assert_eq!(estate.state(), state, "{what}: nothing is applied");
        write(&estate, many, &[(bad, row)]);
        estate.apply().code(3);
        assert_eq!(estate.state(), state, "{what}: nothing is applied");
        let outcome = estate.run(&["apply", "--yes", "--on-error", "continue"]);
        assert_eq!((outcome.code, tenants(&estate)), (7, i64::from(many) - 1), "{what}: {outcome}");
        // Once more there is nothing to do, and it is still not all of it.
        estate.run(&["apply", "--yes", "--on-error", "continue"]).code(7).stdout_has("No changes.");
        write(&estate, many, &[]);
        estate.apply().ok();
        // And the row of a tenant that is there turns bad: the tenant stays.
        write(&estate, many, &[(bad, row), (1, "R1,One,shopify,r1.myshopify.com")]);
        let outcome = estate.run(&["apply", "--yes", "--on-error", "continue"]).code(7);
        assert_eq!(tenants(&estate), i64::from(many), "{what}: {outcome}");
        let name = "select display_name from synthex.tenants where name = 'R1'";
        assert_eq!(estate.value(name).as_deref(), Some("One"), "{what}: {outcome}");
    }
    account(
        "S16 one bad row of a set",
        &[
            ("rows", &many),
            ("sorts of bad rows", &rows.len()),
            ("applied by --on-error continue", &(many - 1)),
        ],
    );
}

#[test]
fn what_cannot_be_read_deletes_nothing() {
    let sets: [(&str, &str, &str); 6] = [
        ("field of the set", "{from: {csv: rows.csv}, mistyped: 1}", ""),
        ("file of the set", "{from: {csv: nowhere.csv}}", ""),
        ("form of the set", "{from: {json: rows.csv}}", ""),
        ("header", "{from: {csv: rows.csv}}", "tenant,name\nR1,Row 1\n"),
        ("no rows", "{from: {csv: rows.csv}}", "tenantId,name,type,shopifyShop\n"),
        (
            "a quote",
            "{from: {csv: rows.csv}}",
            "tenantId,name,type,shopifyShop\nR1,\"Row 1,shopify,r1.myshopify.com\n",
        ),
    ];
    for (what, spec, text) in sets {
        let estate = estate("chaos_unread", 20);
        estate.apply().ok();
        estate.declare("TenantSet", "rows", spec);
        if !text.is_empty() {
            estate.project.write("manifests/rows.csv", text);
        }
        estate.edit("T1.yaml", "status: active", "status: inactive");
        estate.apply().code(3);
        let outcome = estate.run(&["apply", "--yes", "--on-error", "continue"]);
        assert_eq!((outcome.code, tenants(&estate)), (7, 20), "{what}: {outcome}");
        assert_eq!(estate.declared().len(), SIZE + 20, "{what}: {outcome}");
        let status = "select status from synthex.tenants where name = 'T1'";
        assert_eq!(estate.value(status).as_deref(), Some("inactive"), "{what}: {outcome}");
    }
    account("S16 sets that cannot be read", &[("sorts", &sets.len()), ("tenants deleted", &0)]);
}

#[test]
fn a_bad_row_of_a_json_file_stops_only_itself() {
    let estate = estate("chaos_json", 0);
    let row = |number: u32, kind: &str| {
        format!(
            "{{\"tenantId\": \"R{number}\", \"name\": \"R\", \"type\": \"{kind}\", \"shopifyShop\": \"r{number}.myshopify.com\"}}"
        )
    };
    let rows: Vec<String> =
        (1..=20).map(|number| row(number, if number == 9 { "nosuch" } else { "shopify" })).collect();
    estate.project.remove("manifests/rows.csv");
    estate.project.write("manifests/rows.json", format!("[{}]", rows.join(",\n")));
    estate.declare("TenantSet", "rows", "{from: {json: rows.json}}");
    estate.apply().code(3).stderr_has("rows.json:9:");
    let outcome = estate.run(&["apply", "--yes", "--on-error", "continue"]);
    assert_eq!((outcome.code, tenants(&estate)), (7, 19), "{outcome}");
}
