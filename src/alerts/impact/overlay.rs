//! What a plan changes, laid over what is there: the facts that an evaluation would find if it were applied.

use std::borrow::Cow;
use std::collections::{BTreeSet, HashMap};

use serde_json::Value;
use uuid::Uuid;

use crate::alerts::declared::tenant;
use crate::alerts::facts::{CredentialFact, Facts, RuleFact, Scope};
use crate::kinds::alert_rule::AlertRuleSpec;
use crate::kinds::credential::{CredentialSpec, CredentialStatus, Renewal};

/// A change of a resource that a plan makes.
#[derive(Clone, Debug)]
pub struct Edit<'a> {
    /// The kind, as in a manifest.
    pub kind: &'static str,
    /// The name that the row has now.
    pub old_name: &'a str,
    /// The name that it will have.
    pub name: &'a str,
    /// `{"labels": ..., "spec": ...}` as text, now; `None` where there is none. It is read where it is needed: a plan may change
    /// thousands that no alert is about.
    pub before: Option<&'a str>,
    /// The same afterwards; `None` where it is deleted.
    pub after: Option<Cow<'a, str>>,
    /// Whether it ends the suspension of a tenant, so that its credentials matter again.
    pub is_resumed: bool,
}

impl Edit<'_> {
    fn new_value(&self) -> Option<Value> {
        self.after.as_deref().map(|text| serde_json::from_str(text).unwrap_or_default())
    }

    fn old_spec<T: serde::de::DeserializeOwned>(&self) -> Option<T> {
        read(&serde_json::from_str(self.before?).ok()?)
    }

    fn new_spec<T: serde::de::DeserializeOwned>(&self) -> Option<T> {
        read(&self.new_value()?)
    }
}

/// What a plan changes in one workspace, as far as alerts care.
#[derive(Clone, Debug, Default)]
pub struct Overlay<'a> {
    /// The changes.
    pub edits: Vec<Edit<'a>>,
}

impl Overlay<'_> {
    /// Whether the changes can do anything to alerts, beside what is so now. Tenants that nothing is known of, and that stay
    /// suspended or not as they are, have no part in any.
    #[must_use]
    pub fn concerns(&self, facts: &Facts) -> bool {
        let open: BTreeSet<&str> = facts.open.iter().filter_map(|alert| alert.tenant.as_deref()).collect();
        self.edits.iter().any(|edit| {
            edit.kind != "Tenant"
                || edit.is_resumed
                || facts.tenants.contains_key(edit.old_name)
                || open.contains(edit.old_name)
        })
    }

    /// Whether it changes nothing but tenants: new ones, which nothing is known of, or also others.
    #[must_use]
    pub fn is_of_tenants(&self, only_new: bool) -> bool {
        self.edits.iter().all(|edit| edit.kind == "Tenant" && (!only_new || edit.before.is_none()))
    }

    /// What is so afterwards in a workspace of a database where nothing is yet, and nothing has happened.
    #[must_use]
    pub fn of_nothing(&self, workspace: &str) -> Facts {
        let mut facts = Facts { workspace: workspace.to_owned(), scope: Scope::All, ..Facts::default() };
        self.lay_over_rules(&mut facts);
        self.lay_over_rest(&mut facts);
        facts
    }

    /// The tenants whose suspension ends.
    #[must_use]
    pub fn resumed(&self) -> Vec<&str> {
        self.edits.iter().filter(|edit| edit.is_resumed).map(|edit| edit.old_name).collect()
    }

    /// The channels that are switched off or gone afterwards.
    #[must_use]
    pub fn off(&self) -> BTreeSet<&str> {
        let channels = self.edits.iter().filter(|edit| edit.kind == "NotificationChannel");
        let is_off =
            |edit: &&Edit<'_>| edit.new_value().is_none_or(|after| after["spec"]["enabled"] == false);
        channels.filter(is_off).map(|edit| edit.name).collect()
    }

    /// Puts what is planned in place of rules, silences and windows: what else is read depends on them.
    pub fn lay_over_rules(&self, facts: &mut Facts) {
        for edit in &self.edits {
            match edit.kind {
                "AlertRule" => {
                    let spec: Option<AlertRuleSpec> = edit.new_spec();
                    facts.rules.retain(|rule| {
                        rule.name != edit.name && (spec.is_none() || rule.name != edit.old_name)
                    });
                    match spec {
                        Some(spec) => {
                            facts.rules.push(RuleFact {
                                name: edit.name.to_owned(),
                                spec,
                                is_deleted: false,
                            });
                        }
                        None => facts.rules.retain(|rule| rule.name != edit.old_name),
                    }
                }
                "Silence" => lay(&mut facts.silences, edit),
                "MaintenanceWindow" => lay(&mut facts.windows, edit),
                _ => {}
            }
        }
        facts.rules.sort_by(|left, right| left.name.cmp(&right.name));
    }

    /// The tenants of the credentials that are planned: nothing else may have made anybody look at them.
    #[must_use]
    pub fn tenants(&self) -> Vec<String> {
        let credentials = self.edits.iter().filter(|edit| edit.kind == "Credential");
        let mut names: Vec<String> =
            credentials.filter_map(Edit::new_spec::<CredentialSpec>).map(|spec| spec.tenant.0).collect();
        names.sort_unstable();
        names.dedup();
        names
    }

    /// Puts what is planned in place of tenants and credentials, once they are read.
    pub fn lay_over_rest(&self, facts: &mut Facts) {
        let of_credentials = self.tenants();
        let is_known = |facts: &Facts, edit: &Edit<'_>| {
            let is_planned = |name| of_credentials.binary_search_by(|own| own.as_str().cmp(name)).is_ok();
            facts.tenants.contains_key(edit.old_name) || is_planned(edit.name) || edit.is_resumed
        };
        for edit in self.edits.iter().filter(|edit| edit.kind == "Tenant") {
            if !is_known(facts, edit) {
                continue;
            }
            if let Some(after) = edit.new_value() {
                facts.tenants.insert(edit.name.to_owned(), tenant(&after));
            } else if let Some(own) = facts.tenants.get_mut(edit.old_name) {
                own.is_deleted = true;
            }
        }
        self.lay_over_credentials(&mut facts.credentials);
    }

    /// Renames swap names, so that all rows are found by the names they have before any gets its new one.
    fn lay_over_credentials(&self, credentials: &mut Vec<CredentialFact>) {
        let places: HashMap<String, usize> =
            credentials.iter().enumerate().map(|(place, own)| (own.name.clone(), place)).collect();
        for (index, edit) in self.edits.iter().enumerate().filter(|(_, edit)| edit.kind == "Credential") {
            let place = places.get(edit.old_name).copied();
            let own = place.and_then(|place| credentials.get_mut(place));
            let Some(spec) = edit.new_spec::<CredentialSpec>() else {
                own.into_iter().for_each(|own| own.is_deleted = true);
                continue;
            };
            let fact = credential(edit, &spec, edit.old_spec().as_ref(), own.as_deref().cloned(), index);
            match own {
                Some(own) => *own = fact,
                None => credentials.push(fact),
            }
        }
    }
}

fn read<T: serde::de::DeserializeOwned>(canonical: &Value) -> Option<T> {
    T::deserialize(&canonical["spec"]).ok()
}

fn lay<T: serde::de::DeserializeOwned>(list: &mut Vec<(String, T)>, edit: &Edit<'_>) {
    list.retain(|(name, _)| *name != edit.name && *name != edit.old_name);
    list.extend(edit.new_spec().map(|spec| (edit.name.to_owned(), spec)));
    list.sort_by(|left, right| left.0.cmp(&right.0));
}

/// What was observed of a credential stays; what was declared of it is as planned.
fn credential(
    edit: &Edit<'_>,
    spec: &CredentialSpec,
    before: Option<&CredentialSpec>,
    own: Option<CredentialFact>,
    index: usize,
) -> CredentialFact {
    let service = serde_json::to_value(spec.service).unwrap_or_default();
    // One that nothing is known of has no alert, so that any id does.
    let mut fact = own.unwrap_or_else(|| CredentialFact {
        id: Uuid::from_u128(index as u128 + 1),
        name: String::new(),
        tenant: String::new(),
        service: String::new(),
        expires_at: before.and_then(|before| before.expires_at),
        issued_at: before.and_then(|before| before.issued_at),
        secret_version: String::new(),
        renews_itself: false,
        renewal_failures: 0,
        renewal_error: None,
        is_revoked: false,
        is_deleted: false,
    });
    edit.name.clone_into(&mut fact.name);
    fact.tenant.clone_from(&spec.tenant.0);
    service.as_str().unwrap_or_default().clone_into(&mut fact.service);
    if fact.expires_at == before.and_then(|before| before.expires_at) {
        fact.expires_at = spec.expires_at;
    }
    if before.is_none_or(|before| before.issued_at != spec.issued_at) && spec.issued_at.is_some() {
        fact.issued_at = spec.issued_at;
    }
    let place = |spec: &CredentialSpec| serde_json::to_string(&spec.secret_ref).unwrap_or_default();
    if before.is_some_and(|before| place(before) != place(spec)) {
        fact.secret_version = place(spec);
    }
    fact.renews_itself = spec.renewal != Renewal::None;
    fact.is_revoked = spec.status == CredentialStatus::Revoked;
    fact.is_deleted = false;
    fact
}
