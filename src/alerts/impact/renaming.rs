//! Renames that a plan makes, laid over what is there: what has another name stays what it is, with its alerts and results.

use std::collections::{BTreeMap, HashMap};

use crate::alerts::facts::Facts;

use super::Overlay;

/// The new names, by the old ones.
type Names<'a> = HashMap<&'a str, &'a str>;

impl Overlay<'_> {
    /// Gives everything its new name, as the database will do when the renames are applied. Nothing else of the plan is done.
    pub fn rename(&self, facts: &mut Facts) {
        let of = |kind: &str| -> Names<'_> {
            let edits = self.edits.iter().filter(|edit| edit.kind == kind && edit.old_name != edit.name);
            edits.map(|edit| (edit.old_name, edit.name)).collect()
        };
        let (rules, tenants, credentials) = (of("AlertRule"), of("Tenant"), of("Credential"));
        if rules.is_empty() && tenants.is_empty() && credentials.is_empty() {
            return;
        }
        for rule in &mut facts.rules {
            follow(&mut rule.name, &rules);
        }
        facts.rules.sort_by(|left, right| left.name.cmp(&right.name));
        facts.tenants = renamed(std::mem::take(&mut facts.tenants), &tenants);
        facts.usage = renamed(std::mem::take(&mut facts.usage), &rules);
        facts.evaluated = renamed(std::mem::take(&mut facts.evaluated), &rules);
        facts.thresholds.iter_mut().for_each(|row| follow(&mut row.rule, &rules));
        facts.groups.iter_mut().for_each(|row| follow(&mut row.rule, &rules));
        for credential in &mut facts.credentials {
            follow(&mut credential.tenant, &tenants);
            follow(&mut credential.name, &credentials);
        }
        for fact in &mut facts.health {
            subject(&mut fact.subject, fact.service.code(), &tenants, &credentials);
            fact.tenant.iter_mut().for_each(|tenant| follow(tenant, &tenants));
        }
        for alert in facts.open.iter_mut().chain(&mut facts.ended) {
            alert.rule.iter_mut().for_each(|rule| follow(rule, &rules));
            alert.tenant.iter_mut().for_each(|tenant| follow(tenant, &tenants));
            if alert.subject_id.is_none() {
                let service = alert.service.clone().unwrap_or_default();
                subject(&mut alert.subject, &service, &tenants, &credentials);
            }
            alert.fingerprint = alert.identity(&facts.workspace);
        }
    }
}

fn follow(name: &mut String, names: &Names<'_>) {
    if let Some(new) = names.get(name.as_str()) {
        (*new).clone_into(name);
    }
}

/// What of a new name stands already is of the plan, and wins.
fn renamed<T>(of: BTreeMap<String, T>, names: &Names<'_>) -> BTreeMap<String, T> {
    let (moved, mut rest): (Vec<_>, BTreeMap<_, _>) = {
        let (moved, rest): (Vec<_>, Vec<_>) =
            of.into_iter().partition(|(name, _)| names.contains_key(name.as_str()));
        (moved, rest.into_iter().collect())
    };
    for (mut name, value) in moved {
        follow(&mut name, names);
        rest.entry(name).or_insert(value);
    }
    rest
}

/// What is looked at: a tenant, a credential, or the quota of a tenant at a provider.
fn subject(subject: &mut String, service: &str, tenants: &Names<'_>, credentials: &Names<'_>) {
    match service {
        "shopify" | "google-merchant" => follow(subject, tenants),
        "credentials" => follow(subject, credentials),
        "quotas" => {
            if let Some((provider, tenant)) = subject.split_once('/')
                && let Some(new) = tenants.get(tenant)
            {
                *subject = format!("{provider}/{new}");
            }
        }
        _ => {}
    }
}
