//! Where an alert with some labels would go: which rules raise one, through which channels it is told, and what mutes it now
//! (M-M7). Nothing needs to have happened for it: labels are all there is.

use chrono::{DateTime, TimeDelta, Utc};

use crate::kinds::alert_rule::{AlertRuleSpec, AlertSeverity, Condition, CredentialExpiry};
use crate::model::Digest;
use crate::model::matcher::{LABELS, OWN_LABEL, unknown_value};

use super::alert::{AlertKind, AlertLabels};
use super::declared::Declared;
use super::facts::TenantFact;
use super::labels::selects;
use super::muting::Muters;
use super::threshold::{Threshold, Thresholds};

/// A rule that raises such an alert.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Routed {
    /// The rule.
    pub rule: String,
    /// Its channels, in its order.
    pub channels: Vec<Hop>,
    /// What mutes it at this moment: `silence/NAME`, `window/NAME`.
    pub muted_by: Vec<String>,
}

/// A channel that it is told through.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hop {
    /// The channel.
    pub channel: String,
    /// Whether it is switched on.
    pub is_enabled: bool,
    /// The channel that takes what it cannot deliver, if any. What that one cannot deliver, nobody takes (M-D11).
    pub fallbacks: Vec<String>,
}

impl Routed {
    /// The channels that it really reaches now.
    pub fn reached(&self) -> impl Iterator<Item = &str> {
        let open = self.channels.iter().filter(|hop| hop.is_enabled && self.muted_by.is_empty());
        open.map(|hop| hop.channel.as_str())
    }
}

/// Labels that somebody wrote: `tenant=acme,severity=critical`. An alert has each label once, so there is no other operator.
///
/// # Errors
/// What is wrong, and what to do.
pub fn labels(text: &str) -> Result<AlertLabels, (String, String)> {
    let mut labels = AlertLabels::new();
    for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
        let Some((label, value)) = part.split_once('=') else {
            return Err((format!("`{part}` is no label"), "write label=value,label=value".to_owned()));
        };
        // `==` says the same, as it does in a silence.
        let value = value.strip_prefix('=').unwrap_or(value);
        let (label, value) = (label.trim(), value.trim().trim_matches('"'));
        let is_own = label.strip_prefix(OWN_LABEL).is_some_and(|own| !own.is_empty());
        if !is_own && !LABELS.contains(&label) {
            let help = crate::model::diagnostic::did_you_mean(label, LABELS).map_or_else(
                || format!("alerts have {}, and label.KEY", LABELS.join(", ")),
                |near| format!("did you mean `{near}`?"),
            );
            return Err((format!("no alert has a label `{label}`"), help));
        }
        if value.chars().any(char::is_control) {
            return Err((
                format!("the value of `{label}` has control characters"),
                "write it in one line".to_owned(),
            ));
        }
        // No market or region is as good an answer as another; no severity is none.
        let may_be_empty = !matches!(label, "severity" | "kind");
        if let Some(wrong) = unknown_value(label, value).filter(|_| !(may_be_empty && value.is_empty())) {
            return Err(wrong);
        }
        if labels.insert(label.to_owned(), value.to_owned()).is_some_and(|before| before != value) {
            return Err((format!("`{label}` is given twice"), "give it once".to_owned()));
        }
    }
    Ok(labels)
}

/// The rules that raise an alert with these labels, by name. What is known of its tenant is filled in; a label that is not
/// given narrows nothing down.
#[must_use]
pub fn route(declared: &Declared, workspace: &str, given: &AlertLabels, now: DateTime<Utc>) -> Vec<Routed> {
    let facts = declared.facts(workspace);
    let muters = Muters::of(&facts, now);
    let tenant = given.get("tenant").map(|name| (name.as_str(), fact(declared, name, given)));
    let mut routed = Vec::new();
    if given.get("workspace").is_some_and(|own| own != workspace) {
        return routed;
    }
    for (name, rule) in declared.rules.iter().filter(|(_, rule)| rule.enabled) {
        let tenant = tenant.as_ref().map(|(name, fact)| (*name, fact));
        if !raises(name, rule, given) || !selects(&rule.selector, tenant) {
            continue;
        }
        for (kind, severity) in forms(rule, given) {
            let mut labels = given.clone();
            let mut add = |label: &str, value: &str| {
                if !value.is_empty() {
                    labels.entry(label.to_owned()).or_insert_with(|| value.to_owned());
                }
            };
            add("workspace", workspace);
            add("rule", name);
            add("kind", kind.code());
            add("severity", severity.code());
            if let Some((_, fact)) = tenant {
                add("market", fact.market.map(crate::model::market::Market::as_str).unwrap_or_default());
                add("region", &fact.region);
                for (key, value) in &fact.labels {
                    add(&format!("{OWN_LABEL}{key}"), value);
                }
            }
            let muted_by = muters.muting(&labels, &Digest::of(b""), false).by;
            let one = Routed { rule: name.clone(), channels: hops(declared, rule), muted_by };
            // A rule is told once for each way in which it ends up muted or not.
            if !routed.contains(&one) {
                routed.push(one);
            }
        }
    }
    routed
}

fn fact(declared: &Declared, name: &str, given: &AlertLabels) -> TenantFact {
    let mut fact = declared.tenants.get(name).cloned().unwrap_or_else(|| TenantFact {
        display_name: name.to_owned(),
        kind: None,
        market: None,
        region: String::new(),
        labels: AlertLabels::new(),
        is_suspended: false,
        is_deleted: false,
    });
    if let Some(market) = given.get("market") {
        fact.market = serde_json::from_value(market.as_str().into()).ok();
    }
    if let Some(region) = given.get("region") {
        fact.region.clone_from(region);
    }
    let own = given.iter().filter_map(|(label, value)| Some((label.strip_prefix(OWN_LABEL)?, value)));
    fact.labels.extend(own.map(|(key, value)| (key.to_owned(), value.clone())));
    fact
}

/// Whether a rule is one for such labels at all.
fn raises(name: &str, rule: &AlertRuleSpec, given: &AlertLabels) -> bool {
    if given.get("rule").is_some_and(|own| own != name) {
        return false;
    }
    match &rule.when {
        Condition::HealthStatus(health) => {
            let wanted = given.get("check").or_else(|| given.get("service"));
            health.checks.is_empty()
                || wanted.is_none_or(|wanted| health.checks.iter().any(|check| check.code() == wanted))
        }
        Condition::CredentialExpiry(_) => !given.contains_key("check"),
        Condition::UsageThreshold(_) => !given.contains_key("check") && !given.contains_key("credential"),
    }
}

/// The kinds and severities that its alerts can have, as far as the labels leave them open.
fn forms(rule: &AlertRuleSpec, given: &AlertLabels) -> Vec<(AlertKind, AlertSeverity)> {
    let mut forms: Vec<(AlertKind, AlertSeverity)> = match &rule.when {
        Condition::HealthStatus(_) => vec![(AlertKind::HealthStatus, rule.severity)],
        Condition::UsageThreshold(_) => vec![(AlertKind::UsageThreshold, rule.severity)],
        Condition::CredentialExpiry(expiry) => {
            let mut forms: Vec<_> = severities(expiry)
                .into_iter()
                .map(|severity| (AlertKind::CredentialExpiry, severity))
                .collect();
            if expiry.require_expiry {
                forms.push((AlertKind::ExpiryUnknown, rule.severity));
            }
            forms.push((AlertKind::RenewalFailed, rule.severity));
            forms
        }
    };
    forms.retain(|(kind, severity)| {
        given.get("kind").is_none_or(|own| own == kind.code())
            && given.get("severity").is_none_or(|own| own == severity.code())
    });
    forms
}

/// How urgent its alerts become: what is crossed at the moment of each threshold, in a life of a year.
fn severities(expiry: &CredentialExpiry) -> Vec<AlertSeverity> {
    let thresholds = Thresholds::of(expiry);
    let (issued, life) = (DateTime::<Utc>::UNIX_EPOCH, TimeDelta::days(365));
    let expires = issued + life;
    let mut severities: Vec<AlertSeverity> = expiry
        .thresholds
        .iter()
        .filter_map(|text| text.parse::<Threshold>().ok()?.lead(Some(life)))
        .filter_map(|lead| thresholds.crossed(expires, Some(issued), expires - lead))
        .map(|crossed| crossed.severity)
        .collect();
    severities.sort_unstable();
    severities.dedup();
    severities
}

fn hops(declared: &Declared, rule: &AlertRuleSpec) -> Vec<Hop> {
    let hop = |name: &String| {
        let channel = declared.channels.get(name);
        let fallback = channel.and_then(|channel| channel.fallback.clone());
        let fallbacks = fallback.filter(|fallback| fallback != name).into_iter().collect();
        Hop { channel: name.clone(), is_enabled: channel.is_some_and(|channel| channel.enabled), fallbacks }
    };
    rule.channels.iter().map(hop).collect()
}
