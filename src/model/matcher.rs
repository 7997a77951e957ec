//! Conditions on the labels of an alert, as silences and maintenance windows write them: `tenant=~"SMB_.*"` (M-M6).
//!
//! The grammar is Alertmanager's: a label, one of `=`, `!=`, `=~`, `!~`, and a value that may stand in double quotes. A regular
//! expression must match the whole value. A label that an alert does not have counts as empty.

mod check;

use std::fmt;
use std::str::FromStr;

use regex::Regex;

pub use check::{KINDS, SEVERITIES, check, unknown_value, values_of};

/// What an alert can be told by, besides the labels of its tenant, which are written `label.KEY`.
pub const LABELS: [&str; 10] =
    ["workspace", "tenant", "service", "market", "region", "severity", "kind", "rule", "check", "credential"];

/// The prefix of a tenant's own labels.
pub const OWN_LABEL: &str = "label.";

/// The longest regular expression, in bytes.
const MOST_PATTERN: usize = 1000;

/// One condition on one label.
#[derive(Clone, Debug)]
pub struct Matcher {
    /// The label.
    pub label: String,
    /// Whether the value must not fit.
    pub is_negated: bool,
    /// The value as it was written, without quotes.
    pub value: String,
    regex: Option<Regex>,
}

impl Matcher {
    /// Whether a value fits; an absent label has the value "".
    #[must_use]
    pub fn fits(&self, value: &str) -> bool {
        let is_equal = match &self.regex {
            Some(regex) => regex.is_match(value),
            None => self.value == value,
        };
        is_equal != self.is_negated
    }

    /// Whether it fits every value there can be, so that it chooses nothing: `tenant=~".*"`.
    #[must_use]
    pub fn fits_everything(&self) -> bool {
        let can =
            if self.regex.is_some() { !self.is_negated } else { self.is_negated && self.value.is_empty() };
        can && ["x", "SMB_CLIENT_001", "critical", "\u{e9}\n"].iter().all(|value| self.fits(value))
    }
}

/// Whether all conditions fit. `label` gives the value of a label, "" where there is none.
pub fn all_fit<'a>(matchers: &[Matcher], label: impl Fn(&str) -> Option<&'a str>) -> bool {
    matchers.iter().all(|matcher| matcher.fits(label(&matcher.label).unwrap_or_default()))
}

impl fmt::Display for Matcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let operator = match (self.is_negated, self.regex.is_some()) {
            (false, false) => "=",
            (true, false) => "!=",
            (false, true) => "=~",
            (true, true) => "!~",
        };
        let value = self.value.replace('\\', "\\\\").replace('"', "\\\"");
        write!(f, "{}{operator}\"{value}\"", self.label)
    }
}

/// A condition that cannot be read: what is wrong, and what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MatcherError {
    /// What is wrong, in one line.
    pub what: String,
    /// What to do, in one line.
    pub help: String,
}

impl fmt::Display for MatcherError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)
    }
}

impl std::error::Error for MatcherError {}

impl FromStr for Matcher {
    type Err = MatcherError;

    fn from_str(text: &str) -> Result<Self, MatcherError> {
        let error = |what: String| MatcherError {
            what,
            help: "write label=value, label!=value, label=~\"regex\" or label!~\"regex\"".to_owned(),
        };
        let Some(at) = text.find(['=', '!']) else {
            return Err(error(format!("`{text}` is no condition on a label")));
        };
        let label = text[..at].trim();
        let rest = &text[at..];
        let (is_negated, is_regex, rest) = if let Some(rest) = rest.strip_prefix("=~") {
            (false, true, rest)
        } else if let Some(rest) = rest.strip_prefix("!~") {
            (true, true, rest)
        } else if let Some(rest) = rest.strip_prefix("!=") {
            (true, false, rest)
        } else if let Some(rest) = rest.strip_prefix('=') {
            (false, false, rest.strip_prefix('=').unwrap_or(rest))
        } else {
            return Err(error(format!("`{text}` is no condition on a label")));
        };
        let is_own = label.strip_prefix(OWN_LABEL).is_some_and(|own| !own.is_empty());
        if !is_own && !LABELS.contains(&label) {
            let near = LABELS.iter().find(|known| strsim::jaro_winkler(known, label) > 0.85);
            let help = near.map_or_else(
                || format!("alerts have {}, and label.KEY for the labels of their tenant", LABELS.join(", ")),
                |near| format!("did you mean `{near}`?"),
            );
            return Err(MatcherError { what: format!("no alert has a label `{label}`"), help });
        }
        let value = unquote(rest.trim())
            .ok_or_else(|| error(format!("the quotes of `{}` do not close where it ends", rest.trim())))?;
        let regex = if is_regex { Some(anchored(&value)?) } else { None };
        Ok(Self { label: label.to_owned(), is_negated, value, regex })
    }
}

fn unquote(text: &str) -> Option<String> {
    let Some(inner) = text.strip_prefix('"') else {
        return (!text.contains('"')).then(|| text.to_owned());
    };
    let mut value = String::new();
    let mut letters = inner.chars();
    loop {
        match letters.next()? {
            '"' => return letters.next().is_none().then_some(value),
            '\\' => match letters.next()? {
                quoted @ ('"' | '\\') => value.push(quoted),
                // The backslashes of regular expressions need not be doubled.
                other => value.extend(['\\', other]),
            },
            letter => value.push(letter),
        }
    }
}

fn anchored(pattern: &str) -> Result<Regex, MatcherError> {
    let wrong = |what: String| MatcherError {
        what: format!("`{pattern}` is no regular expression: {what}"),
        help: "the syntax is that of the Rust crate regex, much as in RE2; it must fit the whole value"
            .to_owned(),
    };
    if pattern.len() > MOST_PATTERN {
        return Err(wrong(format!("it is longer than {MOST_PATTERN} bytes")));
    }
    // By itself first: `a)|(b` becomes valid only by the brackets that are put around it.
    for text in [pattern.to_owned(), format!("^(?s:{pattern})$")] {
        regex::RegexBuilder::new(&text).size_limit(1 << 20).build().map_err(|error| {
            let text = error.to_string();
            let last = text.lines().last().unwrap_or_default();
            wrong(last.trim_start_matches("error: ").to_owned())
        })?;
    }
    regex::RegexBuilder::new(&format!("^(?s:{pattern})$"))
        .size_limit(1 << 20)
        .build()
        .map_err(|error| wrong(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(matcher: &str, value: &str, fits: bool) {
        let parsed: Matcher = matcher.parse().unwrap();
        assert_eq!(parsed.fits(value), fits, "{matcher} {value:?}");
        let again: Matcher = parsed.to_string().parse().unwrap();
        assert_eq!(again.fits(value), fits, "{parsed}");
    }

    #[test]
    fn the_four_operators() {
        check("tenant=A", "A", true);
        check("tenant==A", "A", true);
        check("tenant==A", "B", false);
        check("tenant != \"A\"", "B", true);
        check("tenant!=A", "", true);
        check("tenant=~\"SMB_.*\"", "SMB_1", true);
        check("tenant=~SMB", "SMB_1", false);
        check("tenant!~\"SMB_\\d+\"", "SMB_1", false);
        check("tenant!~\"SMB_\\d+\"", "X", true);
        check("label.tier=\"a\\\"b\"", "a\"b", true);
        check("tenant=~\"a|b\"", "ab", false);
    }

    #[track_caller]
    fn refuse(matcher: &str, word: &str) {
        let error = matcher.parse::<Matcher>().unwrap_err();
        assert!(format!("{} {}", error.what, error.help).contains(word), "{matcher}: {error:?}");
    }

    #[test]
    fn what_is_wrong_is_said() {
        refuse("tenant", "no condition");
        refuse("tennant=A", "did you mean `tenant`");
        refuse("colour=red", "label.KEY");
        refuse("tenant=~\"(\"", "regular expression");
        refuse("tenant=~\"a)|(b\"", "regular expression");
        refuse("tenant=\"a", "quotes");
        refuse("tenant=\"a\"b", "quotes");
        refuse(&format!("tenant=~\"{}\"", "a".repeat(1001)), "longer");
        refuse("tenant=~\"(a{1000}){1000}\"", "regular expression");
    }

    #[test]
    fn what_chooses_nothing_is_known() {
        for text in ["tenant=~\".*\"", "tenant=~\".+\"", "tenant!=\"\""] {
            assert!(text.parse::<Matcher>().unwrap().fits_everything(), "{text}");
        }
        assert!(!"tenant=~\"S.*\"".parse::<Matcher>().unwrap().fits_everything());
        assert!(!"tenant!=A".parse::<Matcher>().unwrap().fits_everything());
    }
}
