//! What a plan would do to alerts, if it were applied now: which would fire, be over, be muted or told again, or be covered by no
//! rule any more (M-M3, M-M4).
//!
//! The evaluation is asked twice, of what is there and of what would be there. Nothing is written, and nothing of it is part of
//! the plan: it depends on the time, and on what has happened when the plan is applied.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashMap};

use chrono::{DateTime, Utc};
use serde_json::Value;
use uuid::Uuid;

use crate::kinds::alert_rule::AlertRuleSpec;
use crate::kinds::credential::{CredentialSpec, CredentialStatus, Renewal};
use crate::model::Digest;

use super::alert::{Alert, AlertStatus, ResolveReason};
use super::declared::tenant;
use super::facts::{CredentialFact, Facts, Happening, Outcome, RuleFact, Scope};

/// How many alerts are listed one by one.
const MOST: usize = 25;

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

/// What happens to an alert.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Effect {
    /// No rule would cover it, or no channel would tell it.
    Orphan,
    /// It would be muted.
    Mute,
    /// It would be over.
    Resolve,
    /// It would fire.
    Fire,
    /// It stands already, and would be told again: its credential expires at another time, or it would be worse.
    Retell,
    /// It would not be muted any longer.
    Unmute,
}

impl Effect {
    /// What happens, in words.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::Orphan => "would be told to nobody",
            Self::Mute => "would be muted",
            Self::Resolve => "would be over",
            Self::Fire => "would fire",
            Self::Retell => "would be told again",
            Self::Unmute => "would not be muted any longer",
        }
    }

    /// The word for it.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Orphan => "orphan",
            Self::Mute => "mute",
            Self::Resolve => "resolve",
            Self::Fire => "fire",
            Self::Retell => "retell",
            Self::Unmute => "unmute",
        }
    }
}

/// One alert, and what happens to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// What happens.
    pub effect: Effect,
    /// The workspace.
    pub workspace: String,
    /// The rule; `None` where none covers it.
    pub rule: Option<String>,
    /// What it is about: `credential c1 of T1`.
    pub about: String,
    /// How urgent it is.
    pub severity: &'static str,
    /// The channels of the rule.
    pub channels: Vec<String>,
    /// Why: what mutes it, or why it would be over.
    pub why: Option<String>,
}

impl Line {
    /// The same in words.
    #[must_use]
    pub fn words(&self) -> String {
        let Self { effect, workspace, rule, about, severity, channels, why } = self;
        let what = effect.words();
        let rule =
            rule.as_ref().map_or_else(|| "no rule".to_owned(), |rule| format!("rule/{workspace}/{rule}"));
        let why = why.as_ref().map(|why| format!(" ({why})")).unwrap_or_default();
        let through =
            if channels.is_empty() { String::new() } else { format!(", through {}", channels.join(", ")) };
        format!("{what}: {rule}, {about}, {severity}{through}{why}")
    }
}

/// What a plan would do to alerts at a moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Impact {
    /// The moment.
    pub as_of: DateTime<Utc>,
    /// How many alerts of each effect.
    pub counts: BTreeMap<Effect, usize>,
    /// The first of them, what needs somebody first.
    pub lines: Vec<Line>,
}

impl Impact {
    /// Of what was found in all workspaces.
    #[must_use]
    pub fn new(as_of: DateTime<Utc>, mut lines: Vec<Line>) -> Self {
        let mut counts = BTreeMap::new();
        for line in &lines {
            *counts.entry(line.effect).or_insert(0) += 1;
        }
        lines.sort_by(|left, right| {
            let key =
                |line: &Line| (line.effect, line.workspace.clone(), line.rule.clone(), line.about.clone());
            key(left).cmp(&key(right))
        });
        lines.truncate(MOST);
        Self { as_of, counts, lines }
    }

    /// The headline: the moment, and that it depends on it.
    #[must_use]
    pub fn headline(&self) -> String {
        let at = self.as_of.format("%Y-%m-%d %H:%M UTC");
        let counts: Vec<String> =
            self.counts.iter().map(|(effect, count)| format!("{count} {}", effect.words())).collect();
        let what = if counts.is_empty() { "none".to_owned() } else { counts.join(", ") };
        format!("Alert impact (as of {at}; it depends on the time): {what}")
    }

    /// How many are not listed.
    #[must_use]
    pub fn more(&self) -> usize {
        self.counts.values().sum::<usize>().saturating_sub(self.lines.len())
    }
}

/// What would be otherwise: `now` is as it is, `then` as it would be.
#[must_use]
pub fn compare(now: (&Facts, &Outcome), then: (&Facts, &Outcome), off: &BTreeSet<&str>) -> Vec<Line> {
    let (before, after) = (alerts(now), alerts(then));
    let (told_before, told_after) = (told(now.1), told(then.1));
    let recorded: BTreeSet<Digest> = now.0.open.iter().map(|alert| alert.fingerprint).collect();
    let mut lines = Vec::new();
    let all: BTreeSet<&Digest> = before.keys().chain(after.keys()).collect();
    for fingerprint in all {
        let open = |alert: &&&Alert| alert.status != AlertStatus::Resolved;
        let (old, new) = (before.get(fingerprint), after.get(fingerprint));
        let (was, is) = (old.filter(open), new.filter(open));
        let mut say = |effect, alert: &Alert, why: Option<String>| {
            let facts = if effect == Effect::Resolve { now.0 } else { then.0 };
            lines.push(line(effect, facts, alert, why));
        };
        match (was, is) {
            (None, Some(is)) if is.status == AlertStatus::Unrouted => say(Effect::Orphan, is, None),
            (None, Some(is)) if is.status != AlertStatus::Pending => {
                say(Effect::Fire, is, muted(is));
            }
            (Some(was), None) if recorded.contains(fingerprint) && was.status != AlertStatus::Unrouted => {
                let reason = new.and_then(|alert| alert.resolve_reason).map(ResolveReason::code);
                say(Effect::Resolve, was, reason.map(str::to_owned));
            }
            (Some(was), Some(is)) => {
                let is_told = |alert: &Alert| alert.muted_by.is_empty();
                let is_off = |alert: &Alert| {
                    let own = channels(then.0, alert);
                    !own.is_empty() && own.iter().all(|channel| off.contains(channel.as_str()))
                };
                match (is_told(was), is_told(is)) {
                    (true, false) => say(Effect::Mute, is, muted(is)),
                    (false, true) => say(Effect::Unmute, is, None),
                    (_, true) if is_off(is) => {
                        say(Effect::Orphan, is, Some("its channels are switched off".to_owned()));
                    }
                    (_, true) if !told_before.contains_key(fingerprint) => {
                        let why = told_after.get(fingerprint);
                        why.into_iter().for_each(|why| say(Effect::Retell, is, Some((*why).to_owned())));
                    }
                    _ => {}
                }
            }
            _ => {}
        }
    }
    lines
}

/// The alerts there are once an evaluation is written.
fn alerts<'a>((facts, outcome): (&'a Facts, &'a Outcome)) -> BTreeMap<Digest, &'a Alert> {
    let mut all: BTreeMap<Digest, &Alert> =
        facts.open.iter().map(|alert| (alert.fingerprint, alert)).collect();
    // One that ends and begins at once has both; what is open counts.
    for alert in outcome.updates.iter().chain(&outcome.inserts) {
        all.insert(alert.fingerprint, alert);
    }
    all
}

/// What is told as something new, and why that is.
fn told(outcome: &Outcome) -> BTreeMap<Digest, &'static str> {
    let why = |happening| match happening {
        Happening::Fired => Some("it expires at another time, or its secret is another"),
        Happening::Worsened => Some("it would be worse"),
        _ => None,
    };
    let all = outcome.changes.iter();
    all.filter_map(|change| Some((change.alert.fingerprint, why(change.happening)?))).collect()
}

fn muted(alert: &Alert) -> Option<String> {
    (!alert.muted_by.is_empty()).then(|| format!("muted by {}", alert.muted_by.join(", ")))
}

fn channels(facts: &Facts, alert: &Alert) -> Vec<String> {
    let rule = alert.rule.as_ref().and_then(|name| facts.rules.iter().find(|rule| rule.name == *name));
    rule.map(|rule| rule.spec.channels.clone()).unwrap_or_default()
}

fn line(effect: Effect, facts: &Facts, alert: &Alert, why: Option<String>) -> Line {
    let label = |name: &str| alert.labels.get(name).map(String::as_str);
    let what = match (label("credential"), label("check")) {
        (Some(credential), _) => format!("credential {credential}"),
        (None, Some(check)) => format!("check {check}"),
        (None, None) => alert.title.clone(),
    };
    let of = alert.tenant.as_ref().map(|tenant| format!(" of {tenant}")).unwrap_or_default();
    Line {
        effect,
        workspace: facts.workspace.clone(),
        rule: alert.rule.clone(),
        about: format!("{what}{of}"),
        severity: alert.severity.code(),
        channels: channels(facts, alert),
        why,
    }
}
