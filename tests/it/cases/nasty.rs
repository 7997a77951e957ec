//! Input that is too large to be committed, or made to hurt: depth, size, thousands of problems at once.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::harness::{Files, Outcome, cases, files, rendered, run};

const HEAD: &str = "apiVersion: synthex.dev/v1\nkind: Tenant\nmetadata: {name: a}\nspec:\n  displayName: A\n  type: shopify\n";
const SET: &str =
    "apiVersion: synthex.dev/v1\nkind: TenantSet\nmetadata: {name: s}\nspec: {from: {csv: rows.csv}}\n";

/// Far above what any of these needs, far below what a quadratic algorithm takes.
const LIMIT: Duration = Duration::from_secs(30);

#[track_caller]
fn timed(files: &Files) -> Outcome {
    let start = Instant::now();
    let outcome = run(files);
    let taken = start.elapsed();
    assert!(taken < LIMIT, "took {taken:?}");
    outcome
}

#[track_caller]
fn check_codes(files: &Files, expected: &[&str]) {
    let outcome = timed(files);
    let mut codes: Vec<&str> = outcome.diagnostics.iter().map(|diagnostic| diagnostic.code).collect();
    codes.dedup();
    assert_eq!(codes, expected, "{}", rendered(&outcome.diagnostics[..outcome.diagnostics.len().min(5)]));
}

#[test]
fn a_hundred_thousand_levels_are_refused_and_nothing_overflows() {
    let open = "[".repeat(100_000);
    let close = "]".repeat(100_000);
    check_codes(&files([("a.yaml", &format!("{HEAD}  metadata: {{x: {open}{close}}}\n"))]), &["SX0105"]);
    check_codes(&files([("a.yaml", &format!("{HEAD}  metadata: {{x: {open}}}\n"))]), &["SX0105"]);
    check_codes(&files([("a.json", &open)]), &["SX0105"]);
    let mut steps = String::new();
    for level in 0..2_000 {
        writeln!(steps, "{}x:", " ".repeat(level + 4)).expect("a string takes all");
    }
    check_codes(&files([("a.yaml", &format!("{HEAD}  metadata:\n{steps}"))]), &["SX0105"]);
}

#[test]
fn a_list_of_a_hundred_thousand_dashes_is_refused() {
    check_codes(
        &files([("a.yaml", &format!("{HEAD}  metadata:\n    x: {}1\n", "- ".repeat(100_000)))]),
        &["SX0102"],
    );
    check_codes(&files([("a.yaml", &format!("{}1\n", "- ".repeat(100_000)))]), &["SX0105"]);
}

#[test]
fn ten_thousand_bad_rows_are_all_reported_with_their_places() {
    let mut table = String::from("tenantId,name,type,market,region\n");
    for row in 0..10_000 {
        writeln!(table, "T{row:05},Tenant {row},shopify,ANZ_SMB,AU-SE9").expect("a string takes all");
    }
    let outcome = timed(&files([("set.yaml", SET), ("rows.csv", &table)]));
    assert_eq!(outcome.diagnostics.len(), 10_000);
    for (index, diagnostic) in outcome.diagnostics.iter().enumerate() {
        assert_eq!(diagnostic.code, "SX0156");
        let place = diagnostic.position.as_ref().expect("a place").to_string();
        assert_eq!(place, format!("rows.csv:{}:5", index + 2));
    }
    let help = outcome.diagnostics[0].help.as_deref().unwrap_or_default();
    assert!(help.contains("did you mean `AU-SE1`?"), "{help}");
}

#[test]
fn ten_thousand_rows_that_are_there_twice_are_all_reported() {
    let mut table = String::from("tenantId,name,type\n");
    for row in (0..10_000).chain(0..10_000) {
        writeln!(table, "T{row:05},Tenant,shopify").expect("a string takes all");
    }
    let outcome = timed(&files([("set.yaml", SET), ("rows.csv", &table)]));
    assert_eq!(outcome.diagnostics.len(), 10_000);
    let last = &outcome.diagnostics[9_999];
    assert_eq!(last.position.as_ref().expect("a place").to_string(), "rows.csv:20001:1");
    assert_eq!(last.related[0].0.to_string(), "rows.csv:10001:1");
}

#[test]
fn ten_thousand_dangling_references_among_as_many_tenants_are_all_reported() {
    let mut table = String::from("tenantId,name,type\n");
    let mut credentials = String::new();
    for row in 0..10_000 {
        writeln!(table, "T{row:05},Tenant,shopify").expect("a string takes all");
        write!(
            credentials,
            "---\napiVersion: synthex.dev/v1\nkind: Credential\nmetadata:\n  name: c{row}\nspec:\n  tenant: U{row:05}\n  \
             service: shopify\n  secretRef: {{env: X}}\n"
        )
        .expect("a string takes all");
    }
    let outcome = timed(&files([("c.yaml", &credentials), ("set.yaml", SET), ("rows.csv", &table)]));
    assert_eq!(outcome.diagnostics.len(), 10_000);
    assert!(outcome.diagnostics.iter().all(|diagnostic| diagnostic.code == "SX0203"));
}

#[test]
fn one_mistake_in_a_set_is_one_problem_however_many_rows_it_has() {
    let mut table = String::from("tenantId,name,type\n");
    for row in 0..100 {
        writeln!(table, "T{row:05},Tenant,shopify").expect("a string takes all");
    }
    let template = SET.replace("csv}", "csv}, template: shopify-smb-anx");
    let workspace = SET.replace("name: s", "name: s, workspace: ww");
    for (set, code) in [(template, "SX0205"), (workspace, "SX0202")] {
        let outcome = timed(&files([("set.yaml", &set), ("rows.csv", &table)]));
        assert_eq!(outcome.diagnostics.len(), 1, "{}", rendered(&outcome.diagnostics));
        assert_eq!(outcome.diagnostics[0].code, code);
        assert_eq!(&*outcome.diagnostics[0].position.as_ref().expect("a place").file, "set.yaml");
    }
}

#[test]
fn a_file_that_cannot_be_read_does_not_make_what_it_declares_unknown() {
    let credential = "apiVersion: synthex.dev/v1\nkind: Credential\nmetadata: {name: c}\nspec: {tenant: a, service: shopify, secretRef: {env: X}}\n";
    check_codes(&files([("a.yaml", &format!("{HEAD}  bad: [1\n")), ("c.yaml", credential)]), &["SX0102"]);
    let broken = "tenantId,name,colour\na,A,red\n";
    check_codes(&files([("c.yaml", credential), ("set.yaml", SET), ("rows.csv", broken)]), &["SX0401"]);
    let other = credential.replace("tenant: a,", "tenant: elsewhere,");
    check_codes(
        &files([("a.yaml", &format!("{HEAD}  bad: [1\n")), ("c.yaml", &other)]),
        &["SX0102", "SX0203"],
    );
}

/// Every valid and invalid case, with one byte changed, dropped or added somewhere.
fn damaged() -> impl Strategy<Value = Files> {
    let all: Vec<Files> = cases("valid").into_iter().chain(cases("invalid")).map(|case| case.files).collect();
    (
        proptest::sample::select(all),
        any::<prop::sample::Index>(),
        any::<prop::sample::Index>(),
        any::<u8>(),
        0..3,
    )
        .prop_map(|(mut files, file, place, byte, what)| {
            let name = files.keys().nth(file.index(files.len())).expect("a file").clone();
            let bytes = files.get_mut(&name).expect("a file");
            let place = place.index(bytes.len() + 1);
            match what {
                0 if place < bytes.len() => bytes[place] = byte,
                1 if place < bytes.len() => {
                    bytes.remove(place);
                }
                _ => bytes.insert(place, byte),
            }
            files
        })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_damaged_manifest_never_panics_and_never_shows_a_secret(files in damaged()) {
        let outcome = run(&files);
        prop_assert!(outcome.diagnostics.iter().all(|diagnostic| diagnostic.code != "SX0190"), "{}", rendered(&outcome.diagnostics));
        let intact = files.values().any(|bytes| String::from_utf8_lossy(bytes).contains("shpat_canary"));
        if intact {
            prop_assert!(!rendered(&outcome.diagnostics).contains("shpat_canary"), "{}", rendered(&outcome.diagnostics));
        }
    }
}
