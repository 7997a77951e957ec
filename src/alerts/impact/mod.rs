//! What a plan would do to alerts, if it were applied now: which would fire, be over, be muted or told again, or be covered by no
//! rule any more (M-M3, M-M4).
//!
//! The evaluation is asked twice, of what is there and of what would be there. Nothing is written, and nothing of it is part of
//! the plan: it depends on the time, and on what has happened when the plan is applied.

mod overlay;
mod renaming;

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};

use crate::model::Digest;

use super::alert::{Alert, AlertStatus, ResolveReason};
use super::facts::{Facts, Happening, Outcome};
use super::wording;

pub use overlay::{Edit, Overlay};

/// How many alerts are listed one by one.
const MOST: usize = 25;

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
        Happening::Fired | Happening::Told => Some("it expires at another time, or its secret is another"),
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
        (None, None) => format!("the number of {}", wording::counted(&alert.subject)),
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
