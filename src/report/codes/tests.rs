//! That the catalogue can be read and looked things up in. That it is complete is proved over the source text, in
//! `tests/it/rule_codes.rs`.

use super::*;

#[test]
fn codes_are_sorted_and_distinct() {
    assert!(RULES.windows(2).all(|pair| pair[0].code < pair[1].code));
    assert!(RULES.iter().all(|rule| rule.code.len() == 6 && rule.code.starts_with("SX")));
}

#[test]
fn a_code_is_found_in_either_case_and_others_are_not() {
    assert_eq!(find("sx0156").map(|rule| rule.code), Some("SX0156"));
    assert_eq!(find(" SX0501 ").map(|rule| rule.title), Some("a protected resource would be deleted"));
    assert_eq!(find("SX9999"), None);
    assert_eq!(find(""), None);
}

#[test]
fn explanations_are_sentences_that_fit_a_terminal() {
    for rule in RULES {
        assert!(rule.title.len() <= 72 && !rule.title.ends_with('.'), "{}", rule.code);
        assert!(rule.text.ends_with(|last: char| !last.is_whitespace()), "{}", rule.code);
        assert!(rule.text.starts_with(|first: char| !first.is_whitespace()), "{}", rule.code);
        assert!(rule.text.len() >= 80, "{} explains too little", rule.code);
        assert!(rule.text.lines().all(|line| line.chars().count() <= 130), "{}", rule.code);
    }
}
