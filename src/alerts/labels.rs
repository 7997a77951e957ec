//! The labels of an alert, and which tenants a rule means.

use crate::kinds::alert_rule::{AlertSeverity, Selector};
use crate::model::market::{Market, TenantType};
use crate::model::matcher::OWN_LABEL;

use super::alert::{AlertKind, AlertLabels};
use super::facts::TenantFact;

/// What an alert is about, as far as labels tell.
#[derive(Clone, Copy, Debug)]
pub struct About<'a> {
    /// The workspace.
    pub workspace: &'a str,
    /// The rule; empty where none covers it.
    pub rule: &'a str,
    /// What sort of thing is wrong.
    pub kind: AlertKind,
    /// How urgent it is.
    pub severity: AlertSeverity,
    /// The tenant, with what is known of it.
    pub tenant: Option<(&'a str, Option<&'a TenantFact>)>,
    /// The service.
    pub service: Option<&'a str>,
    /// The health check.
    pub check: Option<&'a str>,
    /// The credential, by name.
    pub credential: Option<&'a str>,
}

/// The labels of an alert. What it does not have is left out, and counts as empty in conditions.
#[must_use]
pub fn of(about: &About<'_>) -> AlertLabels {
    let mut labels = AlertLabels::new();
    let mut add = |name: &str, value: &str| {
        if !value.is_empty() {
            labels.insert(name.to_owned(), value.to_owned());
        }
    };
    add("workspace", about.workspace);
    add("rule", about.rule);
    add("kind", about.kind.code());
    add("severity", about.severity.code());
    add("service", about.service.unwrap_or_default());
    add("check", about.check.unwrap_or_default());
    add("credential", about.credential.unwrap_or_default());
    if let Some((name, tenant)) = about.tenant {
        add("tenant", name);
        if let Some(tenant) = tenant {
            add("market", tenant.market.map(Market::as_str).unwrap_or_default());
            add("region", &tenant.region);
            for (key, value) in &tenant.labels {
                add(&format!("{OWN_LABEL}{key}"), value);
            }
        }
    }
    labels
}

/// Whether a rule watches a tenant. What is about no tenant is watched by rules that select none.
#[must_use]
pub fn selects(selector: &Selector, tenant: Option<(&str, &TenantFact)>) -> bool {
    let Selector { match_labels, markets, types, tenants } = selector;
    let Some((name, tenant)) = tenant else {
        return match_labels.is_empty() && markets.is_empty() && types.is_empty() && tenants.is_empty();
    };
    let has = |list: &[Market]| list.is_empty() || tenant.market.is_some_and(|own| list.contains(&own));
    let is = |list: &[TenantType]| list.is_empty() || tenant.kind.is_some_and(|own| list.contains(&own));
    has(markets)
        && is(types)
        && match_labels.iter().all(|(key, value)| tenant.labels.get(key).is_some_and(|own| *own == value.0))
        && (tenants.is_empty() || tenants.iter().any(|pattern| fits(pattern, name)))
}

/// Whether a name fits a pattern in which `*` stands for any characters.
fn fits(pattern: &str, name: &str) -> bool {
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = name.strip_prefix(first) else { return false };
    let mut parts: Vec<&str> = parts.collect();
    let Some(last) = parts.pop() else { return rest.is_empty() };
    for part in parts {
        let Some(at) = rest.find(part) else { return false };
        rest = &rest[at + part.len()..];
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tenant() -> TenantFact {
        TenantFact {
            display_name: "Acme".to_owned(),
            kind: Some(TenantType::Shopify),
            market: Some(Market::ANZ_SMB),
            region: "AU-SE1".to_owned(),
            labels: [("tier".to_owned(), "gold".to_owned())].into(),
            is_suspended: false,
            is_deleted: false,
        }
    }

    #[track_caller]
    fn check(selector: &str, expected: bool) {
        let selector: Selector = serde_json::from_str(selector).unwrap();
        assert_eq!(selects(&selector, Some(("SMB_CLIENT_001", &tenant()))), expected, "{selector:?}");
    }

    #[test]
    fn every_part_that_is_given_must_fit() {
        check("{}", true);
        check(
            r#"{"matchLabels": {"tier": "gold"}, "markets": ["ANZ_SMB"], "types": ["shopify"], "tenants": ["SMB_*"]}"#,
            true,
        );
        check(r#"{"matchLabels": {"tier": "silver"}}"#, false);
        check(r#"{"matchLabels": {"team": "gold"}}"#, false);
        check(r#"{"markets": ["UK_SMB", "ANZ_SMB"]}"#, true);
        check(r#"{"markets": ["UK_SMB"]}"#, false);
        check(r#"{"types": ["mixed"]}"#, false);
    }

    #[test]
    fn stars_stand_for_any_characters() {
        for (pattern, expected) in [
            ("SMB_CLIENT_001", true),
            ("SMB_CLIENT", false),
            ("*", true),
            ("*_001", true),
            ("SMB*001", true),
            ("S*B*1", true),
            ("*CLIENT*", true),
            ("*client*", false),
            ("SMB_CLIENT_001*", true),
            ("SMB_CLIENT_001*1", false),
            ("", false),
        ] {
            check(&format!(r#"{{"tenants": ["x", "{pattern}"]}}"#), expected);
        }
    }

    #[test]
    fn what_is_about_no_tenant_is_for_rules_that_select_none() {
        assert!(selects(&Selector::default(), None));
        let selector = Selector { tenants: vec!["*".to_owned()], ..Selector::default() };
        assert!(!selects(&selector, None));
    }

    #[test]
    fn labels_are_those_that_conditions_may_name() {
        let tenant = tenant();
        let labels = of(&About {
            workspace: "w",
            rule: "r",
            kind: AlertKind::CredentialExpiry,
            severity: AlertSeverity::Critical,
            tenant: Some(("T1", Some(&tenant))),
            service: Some("shopify"),
            check: Some("credentials"),
            credential: Some("c1"),
        });
        for name in crate::model::matcher::LABELS {
            assert!(labels.contains_key(name), "{name}");
        }
        assert_eq!(labels["label.tier"], "gold");
        assert_eq!(labels.len(), crate::model::matcher::LABELS.len() + 1);
    }
}
