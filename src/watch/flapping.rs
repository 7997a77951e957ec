//! Two writers that undo each other: the controller sets a field back, somebody changes it again, and so on.
//!
//! It is said after three times within half an hour, with who the other writer is. After the sixth the controller stops to
//! correct that field, so that nothing loops for ever (R68, S8); once the oldest correction is half an hour old, it tries again.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::Value;

use crate::engine::watching::Correction;
use crate::model::{Digest, ResourceKey};
use crate::plan::ignored::pointer;
use crate::plan::{Action, ActionKind};

/// What is counted together.
const WINDOW: TimeDelta = TimeDelta::minutes(30);

/// So many corrections within the window are worth saying.
const WORTH_SAYING: usize = 3;

/// After so many, no more is done.
const MOST: usize = 6;

/// A field, or a whole resource, that is set back again and again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flap {
    /// The resource.
    pub key: ResourceKey,
    /// The field, as a JSON pointer; empty for the whole resource.
    pub field: String,
    /// The digest of what it is set to.
    pub desired: Digest,
    /// How often within the window.
    pub times: usize,
    /// Who changes it: all that were seen.
    pub actors: BTreeSet<String>,
    /// Until when it is left alone; `None` while it still is corrected.
    pub left_until: Option<DateTime<Utc>>,
}

impl Flap {
    /// Who fights over what, in one sentence.
    #[must_use]
    pub fn words(&self, ours: &str) -> String {
        let what = if self.field.is_empty() { String::new() } else { format!(" {}", self.field) };
        let actors: Vec<&str> = self.actors.iter().map(String::as_str).collect();
        let end = match self.left_until {
            Some(until) => format!(
                "; it is left as it is until {}, or until something else is declared there",
                until.format("%Y-%m-%d %H:%M UTC")
            ),
            None => String::new(),
        };
        format!(
            "{}{what} was set back {} times within 30 minutes: {} and {ours} overwrite each other{end}",
            self.key,
            self.times,
            actors.join(", ")
        )
    }
}

/// What was set back lately.
#[derive(Clone, Debug, Default)]
pub struct Corrections(Vec<Correction>);

impl Corrections {
    /// As it is in the books.
    #[must_use]
    pub const fn new(all: Vec<Correction>) -> Self {
        Self(all)
    }

    /// Adds what was set back, and forgets what is too old to count.
    pub fn add(&mut self, corrections: &[Correction], now: DateTime<Utc>) {
        self.0.extend_from_slice(corrections);
        self.0.retain(|own| (now - own.at).abs() < WINDOW);
    }

    /// What is set back again and again, as of now, by key and field. What is declared anew counts anew.
    #[must_use]
    pub fn flaps(&self, now: DateTime<Utc>) -> Vec<Flap> {
        let mut groups: BTreeMap<(&ResourceKey, &str, Digest), Vec<&Correction>> = BTreeMap::new();
        for own in self.0.iter().filter(|own| counts(own, now)) {
            groups.entry((&own.key, &own.field, own.desired)).or_default().push(own);
        }
        let mut flaps: Vec<Flap> = Vec::new();
        for ((key, field, desired), mut all) in groups {
            if all.len() < WORTH_SAYING {
                continue;
            }
            all.sort_by_key(|own| own.at);
            // It is free again once so many are too old that one less than the limit is left.
            let frees = all.len().checked_sub(MOST).and_then(|place| all.get(place));
            flaps.push(Flap {
                key: key.clone(),
                field: field.to_owned(),
                desired,
                times: all.len(),
                actors: all.iter().map(|own| own.actor.clone()).collect(),
                left_until: frees.map(|own| own.at + WINDOW),
            });
        }
        flaps
    }

    /// When that may next be other than now.
    #[must_use]
    pub fn next(&self, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        self.0.iter().filter(|own| counts(own, now)).map(|own| own.at + WINDOW).min()
    }
}

/// Whether it counts: what a clock that was ahead has noted does not (S7).
fn counts(own: &Correction, now: DateTime<Utc>) -> bool {
    (TimeDelta::zero()..WINDOW).contains(&(now - own.at))
}

/// Whether what is declared of a resource now is what was set back: what is declared anew is tried anew. `declared` is the
/// canonical spec and its digest; `None` where the resource is not to be there.
#[must_use]
pub fn is_wanted(flap: &Flap, declared: Option<(&str, Digest)>) -> bool {
    let Some((canonical, digest)) = declared else { return flap.desired == absent() };
    if flap.field.is_empty() {
        return flap.desired == digest;
    }
    let canonical: Value = serde_json::from_str(canonical).unwrap_or_default();
    let inside = if flap.field.starts_with("/labels/") { "" } else { "/spec" };
    flap.desired == digest_of(canonical.pointer(&format!("{inside}{}", flap.field)))
}

/// What stands for a resource that is not to be there.
fn absent() -> Digest {
    Digest::of(ActionKind::Delete.code().as_bytes())
}

fn digest_of(value: Option<&Value>) -> Digest {
    Digest::of(value.map_or_else(String::new, Value::to_string).as_bytes())
}

/// What an action sets back, each with the digest of what it is set to.
#[must_use]
pub fn set_back(action: &Action) -> Vec<(String, Digest)> {
    if action.kind != ActionKind::Update || action.changes.is_empty() {
        let whole = action.digest.unwrap_or_else(absent);
        return vec![(String::new(), whole)];
    }
    action.changes.iter().map(|change| (pointer(&change.path), digest_of(change.after.as_ref()))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kinds;

    fn at(minutes: i64) -> DateTime<Utc> {
        "2026-11-30T12:00:00Z".parse::<DateTime<Utc>>().unwrap() + TimeDelta::minutes(minutes)
    }

    fn correction(field: &str, desired: &str, actor: &str, minutes: i64) -> Correction {
        Correction {
            key: ResourceKey::new(&kinds::tenant::KIND, "w".into(), "a"),
            field: field.to_owned(),
            desired: Digest::of(desired.as_bytes()),
            actor: actor.to_owned(),
            at: at(minutes),
        }
    }

    #[test]
    fn three_times_are_said_and_six_are_enough() {
        let mut all = Corrections::default();
        for minute in 0..6 {
            all.add(&[correction("/market", "AU", "role fixer", minute)], at(minute));
            let flaps = all.flaps(at(minute));
            match minute {
                0 | 1 => assert!(flaps.is_empty(), "minute {minute}"),
                2..=4 => assert_eq!((flaps.len(), flaps[0].left_until), (1, None), "minute {minute}"),
                _ => assert_eq!(flaps[0].left_until, Some(at(30))),
            }
        }
        assert_eq!(all.flaps(at(29))[0].times, 6);
        let later = &all.flaps(at(30))[0];
        assert_eq!((later.times, later.left_until), (5, None), "the oldest does not count any more");
        assert!(all.flaps(at(36)).is_empty());
        assert!(all.flaps(at(-60)).is_empty(), "the clock was ahead");
    }

    #[test]
    fn another_field_or_another_wish_counts_for_itself() {
        let mut all = Corrections::default();
        for minute in 0..2 {
            all.add(
                &[correction("/market", "AU", "x", minute), correction("/name", "AU", "x", minute)],
                at(minute),
            );
            all.add(&[correction("/market", "NZ", "x", minute)], at(minute));
        }
        assert!(all.flaps(at(2)).is_empty());
    }

    #[test]
    fn what_is_declared_anew_is_tried_anew() {
        let mut all = Corrections::default();
        for minute in 0..6 {
            let value = serde_json::json!("AU").to_string();
            all.add(&[correction("/market", &value, "x", minute)], at(minute));
        }
        let flap = &all.flaps(at(6))[0];
        let spec = |market: &str| format!(r#"{{"spec":{{"market":"{market}"}}}}"#);
        let digest = Digest::of(b"any");
        assert!(is_wanted(flap, Some((&spec("AU"), digest))));
        assert!(!is_wanted(flap, Some((&spec("NZ"), digest))));
        assert!(!is_wanted(flap, None));
    }

    #[test]
    fn what_is_made_again_and_again_is_wanted_absent_until_it_is_declared() {
        let mut all = Corrections::default();
        for minute in 0..3 {
            let mut own = correction("", "delete", "x", minute);
            own.desired = absent();
            all.add(&[own], at(minute));
        }
        let flap = &all.flaps(at(3))[0];
        assert!(is_wanted(flap, None));
        assert!(!is_wanted(flap, Some(("{}", Digest::of(b"any")))));
    }

    #[test]
    fn both_writers_are_named() {
        let mut all = Corrections::default();
        for (minute, actor) in [(0, "role fixer"), (1, "role fixer"), (2, "role other")] {
            all.add(&[correction("/market", "AU", actor, minute)], at(minute));
        }
        assert_eq!(
            all.flaps(at(3))[0].words("`synthex watch` (project shop)"),
            "tenant/w/a /market was set back 3 times within 30 minutes: role fixer, role other and `synthex watch` \
             (project shop) overwrite each other"
        );
    }
}
