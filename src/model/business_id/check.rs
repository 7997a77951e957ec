//! The arithmetic of each register, and the clean-up of the text before it.
//!
//! Not here: wording ([`super::rule`]) and look-ups in any register.

use super::{BusinessId, BusinessIdError, Country, Rule, Scheme};

pub(super) fn parse(country: Country, text: &str) -> Result<BusinessId, BusinessIdError> {
    let scheme_if_broken = match country {
        Country::Au => Some(Scheme::Abn),
        Country::Nz => Some(Scheme::Nzbn),
        Country::Us => Some(Scheme::UsEin),
        Country::Uk => None,
    };
    let error = |scheme, rule| BusinessIdError { country, scheme, rule };
    let groups = clean(country, text).map_err(|rule| error(scheme_if_broken, rule))?;
    let compact = groups.concat();
    let (scheme, number) = match country {
        Country::Au => (Scheme::Abn, abn(compact)),
        Country::Nz => (Scheme::Nzbn, nzbn(compact)),
        Country::Us => (Scheme::UsEin, ein(&groups)),
        Country::Uk => match uk_scheme(&compact).map_err(|rule| error(None, rule))? {
            Scheme::UkVat => (Scheme::UkVat, uk_vat(&compact)),
            _ => (Scheme::UkCompanyNumber, uk_company(&compact)),
        },
    };
    let number = number.map_err(|rule| error(Some(scheme), rule))?;
    Ok(BusinessId { country, scheme, number })
}

/// Upper-cases the text and splits it at its separators; what is left is A to Z and 0 to 9 (only the latter outside the UK).
fn clean(country: Country, text: &str) -> Result<Vec<String>, Rule> {
    let text = text.trim();
    if text.is_empty() {
        return Err(Rule::Empty);
    }
    // A full-width zero is a digit too, for whoever typed it: say that before anything else.
    if let Some(found) = text.chars().find(|c| c.is_numeric() && !c.is_ascii()) {
        return Err(Rule::UnicodeDigit { found });
    }
    if is_decimal(text) {
        return Err(Rule::DecimalNumber);
    }
    let allowed = |c: char| c.is_ascii_digit() || (country == Country::Uk && c.is_ascii_alphabetic());
    // Separators stand between characters: `-51824753556` is a negative number, not an ABN.
    let outer = [text.chars().next(), text.chars().next_back()].into_iter().flatten();
    if let Some(found) = outer.chain(text.chars().filter(|c| !is_separator(*c))).find(|c| !allowed(*c)) {
        return Err(match country {
            Country::Au => Rule::AbnDigits { found },
            Country::Nz => Rule::NzbnDigits { found },
            Country::Uk => Rule::UkCharacters { found },
            Country::Us => Rule::EinDigits { found },
        });
    }
    Ok(text.split(is_separator).filter(|group| !group.is_empty()).map(str::to_ascii_uppercase).collect())
}

/// Spaces, dashes and dots, as people, web pages and word processors put them.
fn is_separator(c: char) -> bool {
    matches!(c, ' ' | '\t' | '-' | '.'
        | '\u{00A0}' | '\u{2007}' | '\u{202F}'  // no-break space, figure space, narrow no-break space
        | '\u{2000}'..='\u{2006}' | '\u{2008}'..='\u{200A}'  // typographic spaces
        | '\u{2010}'..='\u{2015}' | '\u{2212}') // hyphens, dashes, minus
}

/// Digits that end in `.0` or `.00`: what a spreadsheet or a YAML float makes of a number. Dots are separators
/// otherwise, so `4457900.0` would become the company number 44579000.
fn is_decimal(text: &str) -> bool {
    text.split_once('.').is_some_and(|(whole, fraction)| {
        !whole.is_empty() && whole.bytes().all(|b| b.is_ascii_digit()) && matches!(fraction, "0" | "00")
    })
}

/// <https://abr.business.gov.au/Help/AbnFormat>: subtract 1 from the first digit, weigh, and 89 must divide the sum.
fn abn(digits: String) -> Result<String, Rule> {
    const WEIGHTS: [u32; 11] = [10, 1, 3, 5, 7, 9, 11, 13, 15, 17, 19];
    if digits.len() != WEIGHTS.len() {
        return Err(Rule::AbnLength { digits: digits.len() });
    }
    // The published sum cannot tell 0x from 89 to 98 (00100000281 passes it), but issued check digits are 11 to 99.
    if digits.starts_with('0') {
        return Err(Rule::AbnLeadingZero);
    }
    match (weighted_sum(&digits, &WEIGHTS) - WEIGHTS[0]) % 89 {
        0 => Ok(digits),
        remainder => Err(Rule::AbnChecksum { remainder }),
    }
}

/// A GS1 global location number with New Zealand's prefix: weights 1 and 3 in turn from the left.
fn nzbn(digits: String) -> Result<String, Rule> {
    const WEIGHTS: [u32; 12] = [1, 3, 1, 3, 1, 3, 1, 3, 1, 3, 1, 3];
    if digits.len() != WEIGHTS.len() + 1 {
        return Err(Rule::NzbnLength { digits: digits.len() });
    }
    if !digits.starts_with("9429") {
        return Err(Rule::NzbnPrefix);
    }
    let expected = (10 - weighted_sum(&digits, &WEIGHTS) % 10) % 10;
    match digit_values(&digits).last() {
        Some(found) if found != expected => Err(Rule::NzbnChecksum { expected, found }),
        _ => Ok(digits),
    }
}

/// Tells the two UK schemes apart by form alone: no company prefix is GB, GD or HA, and a company number has no 9 digits.
fn uk_scheme(compact: &str) -> Result<Scheme, Rule> {
    if ["GB", "GD", "HA"].iter().any(|prefix| compact.starts_with(prefix)) {
        return Ok(Scheme::UkVat);
    }
    match compact.len() {
        _ if !all_digits(compact) => Ok(Scheme::UkCompanyNumber),
        0..=8 => Ok(Scheme::UkCompanyNumber),
        9 | 12 => Ok(Scheme::UkVat),
        digits => Err(Rule::UkLength { digits }),
    }
}

/// The forms found in Companies House's bulk data. Pure digits are padded, since spreadsheets drop leading zeros; after a
/// prefix nothing is padded, since there it is as likely that another digit is missing.
fn uk_company(compact: &str) -> Result<String, Rule> {
    const PREFIXES_OF_DIGITS: [&str; 31] = [
        "AC", "CE", "CS", "FC", "FE", "GE", "GS", "IC", "LP", "NC", "NF", "NI", "NL", "NO", "NP", "OC", "OE",
        "PC", "R0", "RC", "SA", "SC", "SE", "SF", "SG", "SI", "SL", "SO", "SR", "SZ", "ZC",
    ];
    const PREFIXES_OF_LETTERS_OR_DIGITS: [&str; 3] = ["IP", "SP", "RS"];
    if all_digits(compact) {
        let padded = format!("{compact:0>8}");
        return if padded.bytes().all(|b| b == b'0') { Err(Rule::UkCompanyZero) } else { Ok(padded) };
    }
    let Some((prefix, body)) = compact.split_at_checked(2).filter(|(_, body)| body.len() == 6) else {
        return Err(Rule::UkCompanyFormat);
    };
    let fits = (all_digits(body) && PREFIXES_OF_DIGITS.contains(&prefix))
        || PREFIXES_OF_LETTERS_OR_DIGITS.contains(&prefix)
        // Scottish limited partnerships: the last character may be a letter A.
        || (prefix == "SL" && body.ends_with('A') && all_digits(&body[..5]));
    if fits { Ok(compact.to_owned()) } else { Err(Rule::UkCompanyFormat) }
}

/// HMRC's weights 8 to 2, the last two digits being the check number: the sum is 0 modulo 97, or, for the numbers issued
/// since 2009 (whose first three digits are 100 or more), 42 or 55. Those with `GD` and `HA` have no check digits.
fn uk_vat(compact: &str) -> Result<String, Rule> {
    const WEIGHTS: [u32; 9] = [8, 7, 6, 5, 4, 3, 2, 10, 1];
    let body = compact.strip_prefix("GB").unwrap_or(compact);
    for (prefix, range) in [("GD", 0..=499), ("HA", 500..=999)] {
        if let Some(rest) = body.strip_prefix(prefix) {
            let number: u32 = match rest.parse() {
                Ok(number) if rest.len() == 3 && all_digits(rest) => number,
                _ => return Err(Rule::UkVatFormat),
            };
            return if range.contains(&number) {
                Ok(format!("GB{body}"))
            } else {
                Err(Rule::UkVatGovernmentRange)
            };
        }
    }
    if !all_digits(body) {
        return Err(Rule::UkVatFormat);
    }
    if !matches!(body.len(), 9 | 12) {
        return Err(Rule::UkVatLength { digits: body.len() });
    }
    if body.starts_with("000000000") {
        return Err(Rule::UkVatZero);
    }
    match (weighted_sum(body, &WEIGHTS) % 97, &body[..3] >= "100") {
        (0, _) | (42 | 55, true) => Ok(format!("GB{body}")),
        (remainder, _) => Err(Rule::UkVatChecksum { remainder }),
    }
}

/// An EIN has no check digit, only prefixes that were never assigned. Where its dash stands is checked, since nine
/// digits divided 3-2-4 are a social security number.
fn ein(groups: &[String]) -> Result<String, Rule> {
    const NEVER_ASSIGNED: [&str; 17] = [
        "00", "07", "08", "09", "17", "18", "19", "28", "29", "49", "69", "70", "78", "79", "89", "96", "97",
    ];
    let digits = groups.concat();
    if digits.len() != 9 {
        return Err(Rule::EinLength { digits: digits.len() });
    }
    if groups.len() > 1 && groups[0].len() != 2 {
        return Err(Rule::EinFormat);
    }
    let (prefix, serial) = digits.split_at(2);
    if NEVER_ASSIGNED.contains(&prefix) {
        return Err(Rule::EinPrefix { prefix: prefix.to_owned() });
    }
    Ok(format!("{prefix}-{serial}"))
}

fn all_digits(text: &str) -> bool {
    text.bytes().all(|b| b.is_ascii_digit())
}

fn digit_values(digits: &str) -> impl Iterator<Item = u32> {
    digits.bytes().map(|b| u32::from(b - b'0'))
}

/// The digits times their weights, summed over as many as there are weights.
fn weighted_sum(digits: &str, weights: &[u32]) -> u32 {
    digit_values(digits).zip(weights).map(|(digit, weight)| digit * weight).sum()
}
