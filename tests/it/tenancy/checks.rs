//! `check business-id`: which rule fails, without a database, without repeating the number.

use crate::support::cli::Outcome;
use crate::support::project::Project;

fn check(country: &str, id: &str, more: &[&str]) -> Outcome {
    let folder = Project::empty();
    folder.synthex([&["check", "business-id", "--country", country, "--id", id][..], more].concat()).run()
}

#[test]
fn numbers_of_each_register_pass_in_their_normal_form() {
    for (country, id, number, scheme) in [
        ("AU", "51 824 753 556", "51824753556", "abn"),
        ("au", "53-004-085-616", "53004085616", "abn"),
        ("NZ", "9429040402543", "9429040402543", "nzbn"),
        ("UK", "445790", "00445790", "uk-company-number"),
        ("GB", "gb980780684", "GB980780684", "uk-vat"),
        ("US", "04-2103594", "04-2103594", "us-ein"),
    ] {
        let document = check(country, id, &["--format", "json"]).ok().json();
        assert_eq!(document["valid"], true, "{id}");
        assert_eq!(document["number"], number);
        assert_eq!(document["scheme"], scheme);
    }
    let passed = check("AU", "51824753556", &[]).ok();
    passed
        .stdout_has("51 824 753 556 is well formed: Australian Business Number (ABN)")
        .stderr_has("only the register");
}

#[test]
fn the_rule_that_fails_is_named_and_the_number_is_not() {
    for (country, id, rule) in [
        ("AU", "51824753557", "abn-checksum"),
        ("AU", "00100000281", "abn-leading-zero"),
        ("AU", "5182475355", "abn-length"),
        ("NZ", "9429039501976", "nzbn-checksum"),
        ("NZ", "9506000140445", "nzbn-prefix"),
        ("UK", "GB802311781", "uk-vat-checksum"),
        ("US", "07-1144442", "ein-prefix"),
        ("US", "911-14-4442", "ein-format"),
        ("AU", "", "empty"),
    ] {
        let outcome = check(country, id, &["--format", "json"]).code(3).stderr_has(rule).stderr_has("why: ");
        let document = outcome.json();
        assert_eq!((&document["valid"], &document["rule"]), (&false.into(), &rule.into()), "{id}");
        assert_eq!(document["error"]["exit_code"], 3);
        assert!(id.is_empty() || !outcome.stdout.contains(id) && !outcome.stderr.contains(id), "{outcome}");
    }
}

#[test]
fn a_country_without_a_register_here_is_refused() {
    check("FR", "1", &[]).code(3).stderr_has("the countries are AU, NZ, UK, US");
    check("AU", "51824753556", &["--format", "sarif"]).code(3).stderr_has("no such format");
}
