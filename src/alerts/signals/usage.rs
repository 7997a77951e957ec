//! Usage: what was counted in a rule's window (M-U4).

use serde_json::{Value, json};

use crate::kinds::alert_rule::{Condition, UsageMetric};

use super::super::alert::{Alert, AlertKind, ResolveReason};
use super::super::fingerprint::Identity;
use super::super::labels::{self, About};
use super::{Reading, Signal, Stage};

/// The word for a metric, as its rows have it.
#[must_use]
pub const fn metric_code(metric: UsageMetric) -> &'static str {
    match metric {
        UsageMetric::Command => "command",
        UsageMetric::ApiCall => "api_call",
        UsageMetric::CredentialOp => "credential_op",
        UsageMetric::TenantOp => "tenant_op",
        UsageMetric::Error => "error",
    }
}

pub(super) fn gather<'a>(stage: &'a Stage<'a>, signals: &mut Vec<Signal<'a>>) {
    for rule in stage.rules.iter().filter(|rule| rule.is_active) {
        let Condition::UsageThreshold(usage) = &rule.fact.spec.when else { continue };
        let (workspace, name) = (stage.facts.workspace.as_str(), rule.fact.name.as_str());
        let (kind, severity) = (AlertKind::UsageThreshold, rule.fact.spec.severity);
        let subject = metric_code(usage.metric);
        let count = stage.facts.usage.get(name).copied();
        let fingerprint = Identity { workspace, rule: name, kind, tenant: "", subject }.fingerprint();
        let open = stage.open.get(&fingerprint).copied();
        let reading = match count {
            // What was not counted is no news.
            None => Reading::Hold,
            Some(count) if count > usage.above => Reading::Bad { since: stage.now, is_settled: true },
            Some(count) if open.is_some_and(|open| is_too_much(open, count, &usage.window)) => {
                Reading::Good(ResolveReason::RuleChanged)
            }
            Some(_) => Reading::Good(ResolveReason::Recovered),
        };
        let about = About {
            workspace,
            rule: name,
            kind,
            severity,
            tenant: None,
            service: None,
            check: None,
            credential: None,
        };
        signals.push(Signal {
            rule: Some(rule),
            kind,
            fingerprint,
            tenant: None,
            service: None,
            subject,
            subject_id: None,
            severity,
            reading,
            threshold: None,
            wider: Vec::new(),
            generation: None,
            expires_at: None,
            labels: labels::of(&about),
            evidence: json!({"count": count, "above": usage.above, "window": usage.window}),
        });
    }
}

/// Whether a count would still be too much by what the rule said when it raised the alert, or was counted otherwise: then it is
/// the rule that is another one (M-M3).
fn is_too_much(open: &Alert, count: i64, window: &str) -> bool {
    let said = |name: &str| open.evidence.get(name);
    said("above").and_then(Value::as_i64).is_some_and(|above| count > above)
        || said("window").and_then(Value::as_str).is_some_and(|own| own != window)
}
