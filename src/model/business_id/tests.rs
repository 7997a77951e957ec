//! The published examples of each scheme both ways, every single slip in an ABN, and what must hold of any text.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;

/// `text` is valid, in this normal form and printed like this.
#[track_caller]
fn valid(country: Country, text: &str, scheme: Scheme, number: &str, printed: &str) {
    let id = parse(country, text).unwrap_or_else(|error| panic!("{text:?} should be valid, but: {error}"));
    assert_eq!(id, BusinessId { country, scheme, number: number.to_owned() });
    assert_eq!(id.to_string(), printed);
    assert_eq!(parse(country, number).as_ref(), Ok(&id), "the normal form is read back");
    assert_eq!(parse(country, printed).as_ref(), Ok(&id), "the printed form is read back");
}

/// `text` breaks the rule with this code.
#[track_caller]
fn invalid(country: Country, text: &str, code: &str) {
    match parse(country, text) {
        Ok(id) => panic!("{text:?} should break {code}, but is {id:?}"),
        Err(error) => assert_eq!(error.rule.code(), code, "{text:?}: {error}"),
    }
}

#[test]
fn abn() {
    for (number, printed) in [
        ("51824753556", "51 824 753 556"), // the register's own example
        ("53004085616", "53 004 085 616"),
        ("83914571673", "83 914 571 673"),
        ("11223491505", "11 223 491 505"),
        ("20561300000", "20 561 300 000"),
        ("31010111200", "31 010 111 200"),
        ("90000100000", "90 000 100 000"),
        ("60231941111", "60 231 941 111"),
        ("65118220001", "65 118 220 001"),
    ] {
        valid(Country::Au, number, Scheme::Abn, number, printed);
    }
    for (text, code) in [
        ("11223493504", "abn-checksum"),
        ("51824753557", "abn-checksum"),
        ("99999999999", "abn-checksum"),
        ("00000000000", "abn-leading-zero"),
        ("00100000281", "abn-leading-zero"), // passes the published sum
        ("5182475355", "abn-length"),
        ("518247535560", "abn-length"),
        ("004085616", "abn-length"), // an ACN
        ("5182475355O", "abn-digits"),
        ("AU51824753556", "abn-digits"),
        ("-51824753556", "abn-digits"),
        ("51824753556.", "abn-digits"),
        ("51\n824 753 556", "abn-digits"),
        ("51824\u{200B}753556", "abn-digits"),
    ] {
        invalid(Country::Au, text, code);
    }
}

#[test]
fn every_single_slip_in_an_abn_is_caught() {
    let digits: Vec<u8> = b"51824753556".to_vec();
    let mut slips = BTreeSet::new();
    for place in 0..digits.len() {
        for digit in (b'0'..=b'9').filter(|digit| *digit != digits[place]) {
            let mut slip = digits.clone();
            slip[place] = digit;
            slips.insert(slip);
        }
    }
    assert_eq!(slips.len(), 99, "nine other digits in each of 11 places");
    for place in 1..digits.len() {
        let mut slip = digits.clone();
        slip.swap(place - 1, place);
        if slip != digits {
            slips.insert(slip);
        }
    }
    assert_eq!(slips.len(), 99 + 9, "ten adjacent pairs, of which 55 is no change");
    for slip in slips {
        let text = String::from_utf8(slip).expect("digits");
        let error = parse(Country::Au, &text).expect_err(&text);
        assert!(matches!(error.rule, Rule::AbnChecksum { .. } | Rule::AbnLeadingZero), "{text}: {error}");
    }
}

#[test]
fn nzbn() {
    for number in ["9429040402543", "9429039501974", "9429041535134"] {
        valid(Country::Nz, number, Scheme::Nzbn, number, number);
    }
    for (text, code) in [
        ("9429039501976", "nzbn-checksum"),
        ("9506000140445", "nzbn-prefix"), // a good check digit, another country's prefix
        ("942903950197", "nzbn-length"),
        ("94290395019744", "nzbn-length"),
        ("NZ9429039501974", "nzbn-digits"),
    ] {
        invalid(Country::Nz, text, code);
    }
}

#[test]
fn uk_company_number() {
    for (text, number) in [
        ("00445790", "00445790"), // Tesco PLC
        ("445790", "00445790"),
        ("6", "00000006"),
        ("12345678", "12345678"),
        ("sc123456", "SC123456"),
        ("NI 123 456", "NI123456"),
        ("OC-301540", "OC301540"),
        ("R0000123", "R0000123"),
        ("ZC000001", "ZC000001"),
        ("IP12345R", "IP12345R"),
        ("RSABC123", "RSABC123"),
        ("SL12345A", "SL12345A"),
        ("SL123456", "SL123456"),
    ] {
        valid(Country::Uk, text, Scheme::UkCompanyNumber, number, number);
    }
    for (text, code) in [
        ("SC12345", "uk-company-format"),
        ("SC1234567", "uk-company-format"),
        ("SC12345A", "uk-company-format"),
        ("SL1234AA", "uk-company-format"),
        ("SL12345B", "uk-company-format"),
        ("XX123456", "uk-company-format"),
        ("1234567A", "uk-company-format"),
        ("A", "uk-company-format"),
        ("0", "uk-company-zero"),
        ("00000000", "uk-company-zero"),
        ("1234567890", "uk-length"),
        ("1234567890123", "uk-length"),
        ("SC12345é", "uk-characters"),
        ("SC/123456", "uk-characters"),
    ] {
        invalid(Country::Uk, text, code);
    }
}

#[test]
fn uk_vat() {
    for (text, number, printed) in [
        ("GB980780684", "GB980780684", "GB980 7806 84"),
        ("980780684", "GB980780684", "GB980 7806 84"),
        ("gb 980 7806 84", "GB980780684", "GB980 7806 84"),
        ("GB980780684001", "GB980780684001", "GB980 7806 84 001"),
        ("980780684001", "GB980780684001", "GB980 7806 84 001"),
        // The three sums allowed from 100 on, and the one allowed below.
        ("GB100000034", "GB100000034", "GB100 0000 34"), // 8 + 34 = 42
        ("GB100000047", "GB100000047", "GB100 0000 47"), // 8 + 47 = 55
        ("GB100000089", "GB100000089", "GB100 0000 89"), // 8 + 89 = 97
        ("GB010000090", "GB010000090", "GB010 0000 90"), // 7 + 90 = 97
        ("GBGD001", "GBGD001", "GBGD001"),
        ("GD499", "GBGD499", "GBGD499"),
        ("ha 500", "GBHA500", "GBHA500"),
        ("HA999", "GBHA999", "GBHA999"),
    ] {
        valid(Country::Uk, text, Scheme::UkVat, number, printed);
    }
    for (text, code) in [
        ("GB802311781", "uk-vat-checksum"),
        ("802311781", "uk-vat-checksum"),
        ("GB010000035", "uk-vat-checksum"), // 7 + 35 = 42, but below 100
        ("GB010000048", "uk-vat-checksum"), // 7 + 48 = 55, but below 100
        ("GB98078068", "uk-vat-length"),
        ("GB9807806840", "uk-vat-length"),
        ("GB", "uk-vat-length"),
        ("GB98078068A", "uk-vat-format"),
        ("GBGB980780684", "uk-vat-format"),
        ("GD12", "uk-vat-format"),
        ("GD1234", "uk-vat-format"),
        ("GD+12", "uk-characters"),
        ("GD500", "uk-vat-government-range"),
        ("HA499", "uk-vat-government-range"),
        ("GB000000000", "uk-vat-zero"),
        ("000000000", "uk-vat-zero"),
    ] {
        invalid(Country::Uk, text, code);
    }
}

#[test]
fn us_ein() {
    for text in ["91-1144442", "911144442", "91 1144442", "91.1144442", "91\u{2013}1144442", "91 114 4442"] {
        valid(Country::Us, text, Scheme::UsEin, "91-1144442", "91-1144442");
    }
    valid(Country::Us, "04-2103594", Scheme::UsEin, "04-2103594", "04-2103594");
    for prefix in 0..100 {
        let text = format!("{prefix:02}-1144442");
        match prefix {
            0 | 7 | 8 | 9 | 17 | 18 | 19 | 28 | 29 | 49 | 69 | 70 | 78 | 79 | 89 | 96 | 97 => {
                invalid(Country::Us, &text, "ein-prefix");
            }
            _ => valid(Country::Us, &text, Scheme::UsEin, &text, &text),
        }
    }
    for (text, code) in [
        ("911-14-4442", "ein-format"), // a social security number
        ("9111-44442", "ein-format"),
        ("91-114444", "ein-length"),
        ("91-11444422", "ein-length"),
        ("91-114444A", "ein-digits"),
    ] {
        invalid(Country::Us, text, code);
    }
}

#[test]
fn separators_and_foreign_digits() {
    for text in [
        "51 824 753 556",
        "  51824753556\t",
        "51-824-753-556",
        "51.824.753.556",
        "51\u{00A0}824\u{202F}753\u{2009}556",
        "51\u{2011}824\u{2013}753\u{2212}556",
        "\u{00A0}51824753556\u{3000}",
    ] {
        valid(Country::Au, text, Scheme::Abn, "51824753556", "51 824 753 556");
    }
    for country in Country::ALL {
        for text in ["", "   ", "\u{00A0}\n"] {
            invalid(country, text, "empty");
        }
        // Full-width, Arabic-Indic, superscript, circled.
        for text in ["\u{FF15}1824753556", "\u{0665}1824753556", "5182475355\u{00B2}", "\u{2460}"] {
            invalid(country, text, "unicode-digit");
        }
        for text in ["51824753556.0", "4457900.00", "91.0"] {
            invalid(country, text, "decimal-number");
        }
    }
}

#[test]
fn messages_say_which_rule_failed_and_what_to_do() {
    #[track_caller]
    fn check(country: Country, text: &str, message: &str) {
        assert_eq!(parse(country, text).expect_err(text).to_string(), message);
    }
    check(
        Country::Au,
        "51824753557",
        "the ABN's check digits do not match (weighted sum modulo 89 is 19, not 0): check for a mistyped or swapped digit",
    );
    check(Country::Au, "5", "an ABN has 11 digits, and 1 was found: check for a missing digit");
    check(
        Country::Nz,
        "9429039501976",
        "the NZBN's check digit does not match (the last digit is 6, its other digits give 4): check for a mistyped or swapped digit",
    );
    check(
        Country::Us,
        "07-1144442",
        "no EIN starts with 07: the IRS never assigned that prefix, so check the first two digits",
    );
    check(
        Country::Us,
        "\u{FF11}",
        "'\u{FF11}' (U+FF11) is not a plain digit: type the number with the digits 0 to 9",
    );
}

#[test]
fn the_scheme_of_an_error_is_known_where_the_form_tells_it() {
    let scheme = |country, text| parse(country, text).expect_err(text).scheme;
    assert_eq!(scheme(Country::Au, "x"), Some(Scheme::Abn));
    assert_eq!(scheme(Country::Uk, "GB1"), Some(Scheme::UkVat));
    assert_eq!(scheme(Country::Uk, "XX1"), Some(Scheme::UkCompanyNumber));
    assert_eq!(scheme(Country::Uk, "1234567890"), None);
}

#[test]
fn codes_are_distinct_and_read_back() {
    for country in Country::ALL {
        assert_eq!(Country::from_code(country.code()), Some(country));
    }
    assert_eq!(Country::from_code("au"), None);
    let codes: BTreeSet<_> = Scheme::ALL.iter().map(|scheme| scheme.code()).collect();
    assert_eq!(codes.len(), Scheme::ALL.len());
}

/// Text that is more often nearly valid than chance would have it.
fn any_text() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<String>(),
        "[0-9 .\u{A0}-]{0,16}",
        "(GB|GD|HA|SC|SL|IP|R0|gb)?[0-9A ]{0,12}",
        "9429[0-9]{9}",
        "[1-9][0-9]{10}",
        "[0-9]{2}-[0-9]{7}",
    ]
}

proptest! {
    #[test]
    fn any_text_is_refused_or_normalised_for_good(text in any_text()) {
        for country in Country::ALL {
            match parse(country, &text) {
                Ok(id) => {
                    prop_assert_eq!(id.country, country);
                    prop_assert_eq!(id.scheme.country(), country);
                    prop_assert_eq!(parse(country, &id.to_string()), Ok(id.clone()));
                    prop_assert_eq!(parse(country, &id.number), Ok(id));
                }
                Err(error) => prop_assert!(!error.to_string().is_empty()),
            }
        }
    }

    #[test]
    fn one_abn_in_89_passes_and_separators_do_not_matter(serial in 0_u32..=999_999_999, dash in "[ .\u{A0}-]") {
        let passing: Vec<String> =
            (10..100).map(|check| format!("{check}{serial:09}")).filter(|text| parse(Country::Au, text).is_ok()).collect();
        prop_assert!(matches!(passing.len(), 1 | 2), "{:?}", passing);
        let spaced = passing[0].chars().map(String::from).collect::<Vec<_>>().join(&dash);
        prop_assert_eq!(parse(Country::Au, &spaced), parse(Country::Au, &passing[0]));
    }

    #[test]
    fn every_mistyped_digit_of_an_nzbn_is_caught(serial in 0_u64..100_000_000, place in 0_usize..13, other in 1_u8..10) {
        let body = format!("9429{serial:08}");
        let valid: Vec<String> = (0..10).map(|check| format!("{body}{check}")).filter(|text| parse(Country::Nz, text).is_ok()).collect();
        prop_assert_eq!(valid.len(), 1);
        let mut slip = valid[0].clone().into_bytes();
        slip[place] = b'0' + (slip[place] - b'0' + other) % 10;
        prop_assert!(parse(Country::Nz, std::str::from_utf8(&slip).expect("digits")).is_err());
    }
}
