//! The rules a business id can break, each with a stable code and the advice a person gets.
//!
//! They are apart from the checks so that the wording can be read, and reviewed, in one place. No message repeats
//! the text it is about: what was typed may be someone's social security number. The caller has the source position.

use std::fmt;

use super::{Country, Scheme};

/// Why a text is not a business id of this country.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BusinessIdError {
    pub country: Country,
    /// The scheme it was checked as; `None` if the text has the form of none of the country's schemes.
    pub scheme: Option<Scheme>,
    pub rule: Rule,
}

impl fmt::Display for BusinessIdError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.rule.fmt(f)
    }
}

impl std::error::Error for BusinessIdError {}

/// One rule, with what was found where that helps. `Display` says which rule failed and what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rule {
    /// Nothing but spaces.
    Empty,
    /// A digit that is not one of 0 to 9, such as a full-width one.
    UnicodeDigit {
        found: char,
    },
    /// A spreadsheet or a YAML float: `51824753556.0`.
    DecimalNumber,

    AbnDigits {
        found: char,
    },
    AbnLength {
        digits: usize,
    },
    AbnLeadingZero,
    AbnChecksum {
        remainder: u32,
    },

    NzbnDigits {
        found: char,
    },
    NzbnLength {
        digits: usize,
    },
    NzbnPrefix,
    NzbnChecksum {
        expected: u32,
        found: u32,
    },

    UkCharacters {
        found: char,
    },
    /// Only digits, but too many for a company number and not as many as a VAT number has.
    UkLength {
        digits: usize,
    },
    UkCompanyFormat,
    UkCompanyZero,
    UkVatFormat,
    UkVatLength {
        digits: usize,
    },
    /// `GD` (government department) with 500 or more, or `HA` (health authority) with less.
    UkVatGovernmentRange,
    UkVatZero,
    UkVatChecksum {
        remainder: u32,
    },

    EinDigits {
        found: char,
    },
    EinLength {
        digits: usize,
    },
    /// Nine digits divided otherwise than `NN-NNNNNNN`.
    EinFormat,
    EinPrefix {
        prefix: String,
    },
}

impl Rule {
    /// The name for programs: stable, kebab-case.
    pub const fn code(&self) -> &'static str {
        match self {
            Rule::Empty => "empty",
            Rule::UnicodeDigit { .. } => "unicode-digit",
            Rule::DecimalNumber => "decimal-number",
            Rule::AbnDigits { .. } => "abn-digits",
            Rule::AbnLength { .. } => "abn-length",
            Rule::AbnLeadingZero => "abn-leading-zero",
            Rule::AbnChecksum { .. } => "abn-checksum",
            Rule::NzbnDigits { .. } => "nzbn-digits",
            Rule::NzbnLength { .. } => "nzbn-length",
            Rule::NzbnPrefix => "nzbn-prefix",
            Rule::NzbnChecksum { .. } => "nzbn-checksum",
            Rule::UkCharacters { .. } => "uk-characters",
            Rule::UkLength { .. } => "uk-length",
            Rule::UkCompanyFormat => "uk-company-format",
            Rule::UkCompanyZero => "uk-company-zero",
            Rule::UkVatFormat => "uk-vat-format",
            Rule::UkVatLength { .. } => "uk-vat-length",
            Rule::UkVatGovernmentRange => "uk-vat-government-range",
            Rule::UkVatZero => "uk-vat-zero",
            Rule::UkVatChecksum { .. } => "uk-vat-checksum",
            Rule::EinDigits { .. } => "ein-digits",
            Rule::EinLength { .. } => "ein-length",
            Rule::EinFormat => "ein-format",
            Rule::EinPrefix { .. } => "ein-prefix",
        }
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Rule::Empty => f.write_str("the business number is empty: give the number, or leave businessId out"),
            Rule::UnicodeDigit { found } => {
                write!(f, "{found:?} (U+{:04X}) is not a plain digit: type the number with the digits 0 to 9", u32::from(*found))
            }
            Rule::DecimalNumber => f.write_str(
                "this is a decimal number, not a business number: write it in quotes, and keep the column as text in a spreadsheet",
            ),

            Rule::AbnDigits { found } => write!(f, "an ABN has only digits, but {found:?} was found: remove it"),
            Rule::AbnLength { digits: 9 } => f.write_str(
                "an ABN has 11 digits, and 9 were found: this may be a company's ACN; its ABN is the ACN with two check digits in front",
            ),
            Rule::AbnLength { digits } => {
                write!(f, "an ABN has 11 digits, and {} found: check for {}", counted(*digits), slip(*digits, 11))
            }
            Rule::AbnLeadingZero => f.write_str("an ABN never starts with 0: check the first two digits"),
            Rule::AbnChecksum { remainder } => write!(
                f,
                "the ABN's check digits do not match (weighted sum modulo 89 is {remainder}, not 0): check for a mistyped or swapped digit"
            ),

            Rule::NzbnDigits { found } => write!(f, "an NZBN has only digits, but {found:?} was found: remove it"),
            Rule::NzbnLength { digits } => {
                write!(f, "an NZBN has 13 digits, and {} found: check for {}", counted(*digits), slip(*digits, 13))
            }
            Rule::NzbnPrefix => f.write_str(
                "an NZBN starts with 9429: check the first digits; another GS1 number, such as a product's or a location's, is not an NZBN",
            ),
            Rule::NzbnChecksum { expected, found } => write!(
                f,
                "the NZBN's check digit does not match (the last digit is {found}, its other digits give {expected}): check for a mistyped or swapped digit"
            ),

            Rule::UkCharacters { found } => write!(
                f,
                "a UK company or VAT number has only the letters A to Z and digits, but {found:?} was found: remove it"
            ),
            Rule::UkLength { digits } => write!(
                f,
                "a UK company number has 8 characters and a VAT number 9 digits (12 with the branch), and {} found: check for a missing or extra digit",
                counted(*digits)
            ),
            Rule::UkCompanyFormat => f.write_str(
                "a UK company number is 8 digits, or a prefix such as SC, NI or OC and 6 digits: check the prefix, and keep the zeros after it (a VAT number starts with GB)",
            ),
            Rule::UkCompanyZero => f.write_str("a UK company number is never all zeros: replace the placeholder"),
            Rule::UkVatFormat => f.write_str(
                "a UK VAT number is GB and 9 digits (12 with the branch), or GD or HA and 3 digits: check for a mistyped character",
            ),
            Rule::UkVatLength { digits } => write!(
                f,
                "a UK VAT number has 9 digits after GB, or 12 with the branch, and {} found: check for a missing or extra digit",
                counted(*digits)
            ),
            Rule::UkVatGovernmentRange => f.write_str(
                "a UK VAT number with GD ends in 000 to 499, and one with HA in 500 to 999: check the letters and the digits",
            ),
            Rule::UkVatZero => f.write_str("a UK VAT number is never all zeros: replace the placeholder"),
            Rule::UkVatChecksum { remainder } => write!(
                f,
                "the UK VAT number's check digits do not match (weighted sum modulo 97 is {remainder}, which is none of those allowed): check for a mistyped or swapped digit"
            ),

            Rule::EinDigits { found } => write!(f, "an EIN has only digits and a dash, but {found:?} was found: remove it"),
            Rule::EinLength { digits } => {
                write!(f, "an EIN has 9 digits, and {} found: check for {}", counted(*digits), slip(*digits, 9))
            }
            Rule::EinFormat => f.write_str(
                "an EIN is written NN-NNNNNNN, with the dash after two digits: a number written NNN-NN-NNNN is a person's, and must not be stored here",
            ),
            Rule::EinPrefix { prefix } => write!(
                f,
                "no EIN starts with {prefix}: the IRS never assigned that prefix, so check the first two digits"
            ),
        }
    }
}

/// `1 was` or `7 were`.
fn counted(digits: usize) -> String {
    format!("{digits} {}", if digits == 1 { "was" } else { "were" })
}

/// What most likely happened when the number of digits is off.
fn slip(found: usize, wanted: usize) -> &'static str {
    if found < wanted { "a missing digit" } else { "an extra digit" }
}
