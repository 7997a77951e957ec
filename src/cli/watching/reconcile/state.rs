//! What the one that reconciles knows between two cycles: the books, and what was read around them.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use crate::cli::watching::source::{Good, Look};
use crate::engine::LeaseGrant;
use crate::engine::watching::{BackOff, Books, ConditionStatus, ConditionType, SourceRecord};
use crate::watch::backoff::BackOffs;
use crate::watch::conditions::{Conditions, HealthCounts};
use crate::watch::flapping::Corrections;

/// What is known while this controller leads.
pub(super) struct State {
    tokens: Vec<(String, i64)>,
    /// How the source stands.
    pub(super) source: SourceRecord,
    /// Whether guards refuse the plan.
    pub(super) is_refused: bool,
    /// When something of the past stops to count.
    pub(super) looks_at: Option<DateTime<Utc>>,
    /// Whether the newest revision is not known because nobody can be asked for it.
    pub(super) is_unreachable: bool,
    /// As it is in the books.
    pub(super) saved: Option<SourceRecord>,
    pub(super) conditions: Conditions,
    pub(super) backoff: BackOffs,
    pub(super) corrections: Corrections,
    /// Why the revision is not put in force, in words.
    pub(super) held: Option<String>,
    /// What pauses hold now, in words, by workspace.
    pub(super) paused: BTreeMap<String, String>,
    pub(super) pauses_seen: Option<(String, Option<String>)>,
    /// When the next of them ends.
    pub(super) pauses_end: Option<DateTime<Utc>>,
    /// How the health of each workspace stands.
    pub(super) health: BTreeMap<String, HealthCounts>,
    pub(super) health_seen: Option<Option<DateTime<Utc>>>,
    /// How many resources are not as declared, and of those, how many were changed by hand.
    pub(super) pending: usize,
    pub(super) drifted: usize,
    /// How many are there and not declared any more.
    pub(super) undeclared: usize,
    /// How many are not as declared, by workspace, once that was found out.
    pub(super) drift: Option<BTreeMap<String, u64>>,
    /// Workspaces that belong to another project: its controller says how they stand.
    pub(super) of_others: BTreeSet<String>,
    /// What was last recorded as a health check, by workspace: the code, and when.
    pub(super) recorded: BTreeMap<String, (String, DateTime<Utc>)>,
}

impl State {
    /// As it is in the books.
    pub(super) fn new(books: Books, grant: &LeaseGrant) -> Self {
        Self {
            tokens: grant.tokens.clone(),
            source: books.source.clone().unwrap_or_default(),
            is_refused: false,
            looks_at: None,
            is_unreachable: false,
            saved: books.source,
            conditions: Conditions::new(books.conditions),
            backoff: BackOffs::new(books.backoff),
            corrections: Corrections::new(books.corrections),
            held: None,
            paused: BTreeMap::new(),
            pauses_seen: None,
            pauses_end: None,
            health: BTreeMap::new(),
            health_seen: None,
            pending: 0,
            drifted: 0,
            undeclared: 0,
            drift: None,
            of_others: BTreeSet::new(),
            recorded: BTreeMap::new(),
        }
    }

    /// Whether it was read under this grant: whoever lost the lease in between knows nothing any more.
    pub(super) fn is_of(&self, grant: &LeaseGrant) -> bool {
        self.tokens == grant.tokens
    }

    /// Takes in what a look at the source showed.
    pub(super) fn see(&mut self, shown: &str, look: &Look, good: Option<&Good>, now: DateTime<Utc>) {
        shown.clone_into(&mut self.source.source);
        if self.source.observed != look.observed {
            self.source.observed.clone_from(&look.observed);
            self.source.observed_at = look.observed.is_some().then_some(now);
        }
        self.source.problem.clone_from(&look.problem);
        self.is_unreachable = look.is_unreachable;
        if let Some(good) = good
            && self.source.good.as_ref() != Some(&good.revision)
        {
            self.source.good = Some(good.revision.clone());
            self.source.good_at = Some(now);
        }
    }

    /// When something is to be done next although nothing happens.
    pub(super) fn next(&self, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let pause = self.pauses_end.filter(|end| *end > now);
        [self.backoff.next(now), self.corrections.next(now), pause].into_iter().flatten().min()
    }

    /// Whether something is to be done now although nothing happened.
    pub(super) fn is_due(&self, now: DateTime<Utc>) -> bool {
        let may_try = self.held.is_none() && !self.is_refused;
        let is_due = |own: &BackOff| !self.paused.contains_key(&*own.key.workspace);
        self.pauses_end.is_some_and(|end| end <= now)
            || self.looks_at.is_some_and(|at| at <= now)
            || may_try && self.backoff.due(now).any(is_due)
    }

    /// What is shown of it.
    pub(super) fn status(&self) -> Value {
        let count = |of: ConditionType, status: ConditionStatus| {
            self.conditions.all().filter(|own| own.of == of && own.status == status).count()
        };
        json!({
            "source": self.source,
            "refused": self.is_refused,
            "pending": self.pending,
            "drifted": self.drifted,
            "undeclared": self.undeclared,
            "failing": self.backoff.all().count(),
            "workspaces": self.conditions.all().filter(|own| own.of == ConditionType::Ready).count(),
            "ready": count(ConditionType::Ready, ConditionStatus::True),
            "paused": count(ConditionType::Paused, ConditionStatus::True),
            "flapping": count(ConditionType::Flapping, ConditionStatus::True),
            "stalled": count(ConditionType::Stalled, ConditionStatus::True),
            "held": self.held,
        })
    }
}
