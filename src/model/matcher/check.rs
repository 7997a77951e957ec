//! What cannot be meant by conditions on labels that can be read: a value that no alert has, two conditions that no alert meets
//! at once, two conditions written as one.

use std::collections::BTreeMap;
use std::str::FromStr as _;

use crate::model::diagnostic::did_you_mean;
use crate::model::health::CheckedService;
use crate::model::kind::SpecProblem;
use crate::model::market::{Market, Region};

use super::{LABELS, Matcher, OWN_LABEL};

/// How urgent alerts are.
pub const SEVERITIES: [&str; 3] = ["info", "warning", "critical"];

/// The sorts of alerts.
pub const KINDS: [&str; 5] =
    ["credential_expiry", "expiry_unknown", "renewal_failed", "health_status", "usage_threshold"];

/// All values that a label can have; `None` where anything may be one.
#[must_use]
pub fn values_of(label: &str) -> Option<Vec<&'static str>> {
    Some(match label {
        "severity" => SEVERITIES.to_vec(),
        "kind" => KINDS.to_vec(),
        // A service that gives credentials is looked at by a check of the same name.
        "service" | "check" => CheckedService::ALL.map(CheckedService::code).to_vec(),
        "market" => Market::ALL.map(Market::as_str).to_vec(),
        "region" => Region::ALL.map(Region::as_str).to_vec(),
        _ => return None,
    })
}

/// What is wrong with a value that no alert has under this label, and what to write; `None` where an alert may have it.
#[must_use]
pub fn unknown_value(label: &str, value: &str) -> Option<(String, String)> {
    let known = values_of(label)?;
    if known.contains(&value) {
        return None;
    }
    let help = did_you_mean(value, known.iter().copied()).map_or_else(
        || format!("write one of {}", known.join(", ")),
        |near| format!("did you mean `{near}`?"),
    );
    Some((format!("no alert has the {label} `{value}`"), help))
}

/// Reads every condition of a list, and says of each what cannot be meant by it. What can be read is given back.
pub fn check(texts: &[String], problems: &mut Vec<SpecProblem>) -> Vec<Matcher> {
    let mut read: Vec<(usize, Matcher)> = Vec::new();
    for (index, text) in texts.iter().enumerate() {
        let mut wrong = |what: String, help: String| {
            problems.push(SpecProblem::new("SX0320", format!("/matchers/{index}"), what).help(help));
        };
        match Matcher::from_str(text) {
            Err(error) => wrong(error.what, error.help),
            Ok(matcher) => {
                if is_several(text) {
                    wrong(
                        format!("`{text}` is more than one condition"),
                        "write each as a condition of its own; a value with a comma stands in quotes"
                            .to_owned(),
                    );
                } else if let Some((what, help)) = unmet(&matcher) {
                    wrong(what, help);
                } else {
                    read.push((index, matcher));
                }
            }
        }
    }
    let mut by_label: BTreeMap<&str, Vec<&(usize, Matcher)>> = BTreeMap::new();
    for one in &read {
        by_label.entry(&one.1.label).or_default().push(one);
    }
    for (label, own) in by_label.iter().filter(|(_, own)| own.len() > 1) {
        if let Some(index) = contradiction(label, own) {
            let either = own.iter().map(|(_, matcher)| matcher.value.as_str()).collect::<Vec<_>>().join("|");
            problems.push(
                SpecProblem::new(
                    "SX0320",
                    format!("/matchers/{index}"),
                    format!(
                        "no alert meets all conditions on `{label}`: every condition of the list must hold"
                    ),
                )
                .help(format!("for either of them, write {label}=~\"{either}\"")),
            );
        }
    }
    read.into_iter().map(|(_, matcher)| matcher).collect()
}

/// `tenant=A,severity=info`, which one may well write where conditions are listed one by one.
fn is_several(text: &str) -> bool {
    if text.contains('"') {
        return false;
    }
    text.split(',').skip(1).any(|part| {
        let Some(at) = part.find(['=', '!']) else { return false };
        let label = part[..at].trim();
        LABELS.contains(&label) || label.starts_with(OWN_LABEL)
    })
}

/// A condition on a label of few values that fits none of them, or rules out none.
fn unmet(matcher: &Matcher) -> Option<(String, String)> {
    let known = values_of(&matcher.label)?;
    if matcher.fits_everything() {
        return None;
    }
    // An alert may have no market, and always has a severity and a kind.
    let may_be_absent = !matches!(matcher.label.as_str(), "severity" | "kind");
    let has = |value: &str| matcher.fits(value) != matcher.is_negated;
    if known.iter().any(|value| has(value)) || (may_be_absent && has("")) {
        return None;
    }
    let (what, help) = unknown_value(&matcher.label, &matcher.value)?;
    let is_pattern = matcher.regex.is_some();
    Some((if is_pattern { format!("no {} fits `{}`", matcher.label, matcher.value) } else { what }, help))
}

/// Where no value meets all conditions on a label, the last of them. Of a label of any values, only those that are named by a
/// condition can be tried.
fn contradiction(label: &str, own: &[&(usize, Matcher)]) -> Option<usize> {
    let fits = |value: &str| own.iter().all(|(_, matcher)| matcher.fits(value));
    let is_met = match values_of(label) {
        Some(known) => known.iter().any(|value| fits(value)) || fits(""),
        None => {
            let mut named = own.iter().filter(|(_, matcher)| matcher.regex.is_none() && !matcher.is_negated);
            named.next().is_none_or(|(_, matcher)| fits(&matcher.value))
        }
    };
    if is_met { None } else { own.last().map(|(index, _)| *index) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_list(texts: &[&str], expected: &str) {
        let texts: Vec<String> = texts.iter().map(|text| (*text).to_owned()).collect();
        let mut problems = Vec::new();
        check(&texts, &mut problems);
        let said: Vec<String> = problems
            .iter()
            .map(|problem| format!("{} {}", problem.message, problem.help.as_deref().unwrap_or_default()))
            .collect();
        match expected {
            "" => assert!(said.is_empty(), "{texts:?}: {said:?}"),
            _ => assert!(said.len() == 1 && said[0].contains(expected), "{texts:?}: {said:?}"),
        }
    }

    #[test]
    fn what_can_be_meant_is_taken() {
        for texts in [
            &["tenant=A01"][..],
            &["tenant==A01"],
            &["tenant=~\"A01|A02\"", "tenant!=A02"],
            &["severity=~\"warning|critical\"", "severity!=critical"],
            &["market=\"\""],
            &["severity!=\"\""],
            &["check=disk", "service=disk"],
            &["label.tier=\"a,severity=info\""],
            &["label.tier=a,b"],
            &["region!=AU-SE1"],
        ] {
            check_list(texts, "");
        }
    }

    #[test]
    fn what_no_alert_meets_is_refused() {
        check_list(
            &["severity=high"],
            "no alert has the severity `high` write one of info, warning, critical",
        );
        check_list(&["severity!=hihg"], "no alert has the severity `hihg`");
        check_list(&["severity=\"\""], "no alert has the severity ``");
        check_list(&["severity=~\"crit\""], "no severity fits `crit`");
        check_list(&["check=ebay"], "no alert has the check `ebay`");
        check_list(&["service=shopfy"], "did you mean `shopify`?");
        check_list(&["market=ANZ"], "no alert has the market `ANZ`");
        check_list(&["region=AU-SE2"], "did you mean `AU-SE1`?");
        check_list(&["kind=expiry"], "no alert has the kind `expiry`");
        check_list(&["tenant=A01", "tenant=A02"], "for either of them, write tenant=~\"A01|A02\"");
        check_list(&["tenant=A01", "tenant!=A01"], "no alert meets all conditions on `tenant`");
        check_list(&["severity=info", "severity=warning"], "no alert meets all conditions on `severity`");
        check_list(&["tenant=A01,severity=info"], "more than one condition");
        check_list(&["tenant=A01, label.tier=gold"], "more than one condition");
    }
}
