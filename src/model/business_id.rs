//! The official number of a merchant's business, and whether it can be one.
//!
//! A mistyped tax number on an invoice or in a Merchant Center account costs weeks, and nearly all of them are
//! caught by the arithmetic each register publishes. This module does that arithmetic, on text, with no look-up:
//! a number that passes is well formed, **not** proven to be issued, active, or this merchant's.
//!
//! Markets and schemes: Australia (ABN), New Zealand (NZBN), the United Kingdom (company number or VAT number,
//! told apart by their form), the United States (EIN). Where the rules come from stands beside each check in
//! `check`; what can be wrong, with the advice a person gets, in `rule`.

use std::fmt;

mod check;
mod rule;
#[cfg(test)]
mod tests;

pub use rule::{BusinessIdError, Rule};

/// Reads `text` as a business id of `country` and returns it in its one normal form.
///
/// Spaces (also non-breaking and typographic ones), dashes and dots may stand between the characters, and letters
/// may be of either case. Digits of other scripts, such as full-width ones, are refused rather than converted: they come from
/// a broken copy, and the rows would not compare equal in other programs.
///
/// # Errors
/// The first [`Rule`] that the text breaks, from the coarse (characters, length) to the fine (check digits).
pub fn parse(country: Country, text: &str) -> Result<BusinessId, BusinessIdError> {
    check::parse(country, text)
}

/// A business id that passed every check of its scheme. Made by [`parse`] only from text that is valid.
///
/// `Display` writes it as its register prints it: `51 824 753 556`, `GB980 7806 84`, `91-1144442`; [`parse`] reads
/// that back to an equal value.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct BusinessId {
    pub country: Country,
    pub scheme: Scheme,
    /// The normal form, to store and compare: upper case and no separators, except that an EIN keeps its dash; a UK
    /// company number is padded to 8 characters, and a UK VAT number always starts with `GB`.
    pub number: String,
}

/// The country whose register issued the id. `Uk` is written `UK`, as markets are (`UK_SMB`), not ISO's `GB`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Country {
    Au,
    Nz,
    Uk,
    Us,
}

impl Country {
    pub const ALL: [Country; 4] = [Country::Au, Country::Nz, Country::Uk, Country::Us];

    /// The code in manifests and in the database.
    pub const fn code(self) -> &'static str {
        match self {
            Country::Au => "AU",
            Country::Nz => "NZ",
            Country::Uk => "UK",
            Country::Us => "US",
        }
    }

    /// The reverse of [`Country::code`]; `None` for anything else, other cases of letters included.
    pub fn from_code(code: &str) -> Option<Country> {
        Country::ALL.into_iter().find(|country| country.code() == code)
    }
}

impl fmt::Display for Country {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.code())
    }
}

/// Which register's number it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Scheme {
    Abn,
    Nzbn,
    UkCompanyNumber,
    UkVat,
    UsEin,
}

impl Scheme {
    pub const ALL: [Scheme; 5] =
        [Scheme::Abn, Scheme::Nzbn, Scheme::UkCompanyNumber, Scheme::UkVat, Scheme::UsEin];

    /// The name for people.
    pub const fn name(self) -> &'static str {
        match self {
            Scheme::Abn => "Australian Business Number (ABN)",
            Scheme::Nzbn => "New Zealand Business Number (NZBN)",
            Scheme::UkCompanyNumber => "UK company number",
            Scheme::UkVat => "UK VAT registration number",
            Scheme::UsEin => "US Employer Identification Number (EIN)",
        }
    }

    /// The name for programs: a stable kebab-case word.
    pub const fn code(self) -> &'static str {
        match self {
            Scheme::Abn => "abn",
            Scheme::Nzbn => "nzbn",
            Scheme::UkCompanyNumber => "uk-company-number",
            Scheme::UkVat => "uk-vat",
            Scheme::UsEin => "us-ein",
        }
    }

    /// The country whose scheme it is.
    pub const fn country(self) -> Country {
        match self {
            Scheme::Abn => Country::Au,
            Scheme::Nzbn => Country::Nz,
            Scheme::UkCompanyNumber | Scheme::UkVat => Country::Uk,
            Scheme::UsEin => Country::Us,
        }
    }
}

impl fmt::Display for BusinessId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let BusinessId { country: _, scheme, number } = self;
        f.pad(&match scheme {
            Scheme::Abn => grouped(number, &[2, 3, 3, 3]),
            // GS1 prints 13 digits undivided, and so does the NZBN register.
            Scheme::Nzbn | Scheme::UkCompanyNumber | Scheme::UsEin => number.clone(),
            // `GB` stays joined to the first group, as HMRC prints it; the government forms are never divided.
            Scheme::UkVat if number.len() > "GBGD001".len() => grouped(number, &[5, 4, 2, 3]),
            Scheme::UkVat => number.clone(),
        })
    }
}

/// `text` cut into groups of these many characters, with a space between.
fn grouped(text: &str, sizes: &[usize]) -> String {
    let mut rest = text.chars();
    let groups = sizes.iter().map(|size| rest.by_ref().take(*size).collect::<String>());
    groups.filter(|group| !group.is_empty()).collect::<Vec<_>>().join(" ")
}
