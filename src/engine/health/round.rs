//! The books of a run: what is waiting, what is under way, and what is not kept yet. Claims and results go to the store in sets.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::time::Duration;

use crate::kinds::credential::Service;
use crate::model::health::CheckedService;

use super::runner::{Outcome, Request, jittered, patience};
use super::{
    Check, CheckKey, Claim, Found, HealthStore, Labels, PROVIDER_UNREACHABLE, Recorded, Settled, Target,
    Work, settle, unreachable_evidence,
};

/// At most so many things are looked at at a time, whatever is declared.
const MOST_AT_A_TIME: usize = 64;

/// How long a claim outlives what is claimed for.
const SLACK: Duration = Duration::from_secs(30);

/// What was claimed of a target, and how it stood.
pub(super) struct Claimed {
    pub(super) target: Target,
    pub(super) keys: Vec<CheckKey>,
    pub(super) before: HashMap<CheckKey, Settled>,
}

/// The books of a run.
pub(super) struct Round<'r, S> {
    store: &'r S,
    request: Request<'r>,
    waiting: VecDeque<Target>,
    /// How many are looked at of each group.
    places: HashMap<(String, CheckedService), usize>,
    /// Keys that are claimed and have no result yet.
    open: Vec<CheckKey>,
    unsaved: Vec<Recorded>,
    /// Of each provider, how many were asked.
    asked: BTreeMap<Service, usize>,
    /// Of each provider, what could not be reached.
    unreached: BTreeMap<Service, Vec<CheckKey>>,
    outcome: Outcome,
}

impl<'r, S: HealthStore> Round<'r, S> {
    pub(super) fn new(store: &'r S, mut request: Request<'r>) -> Self {
        Self {
            store,
            waiting: interleaved(std::mem::take(&mut request.targets)),
            request,
            places: HashMap::new(),
            open: Vec::new(),
            unsaved: Vec::new(),
            asked: BTreeMap::new(),
            unreached: BTreeMap::new(),
            outcome: Outcome::default(),
        }
    }

    /// Whether nothing is left to be begun.
    pub(super) fn is_done(&self) -> bool {
        self.waiting.is_empty() || self.outcome.failure.is_some()
    }

    /// What is under way is given up.
    pub(super) fn left_under_way(&mut self, count: usize) {
        self.outcome.left_out += count;
    }

    /// Claims as much as there are places for.
    pub(super) async fn fill(&mut self) -> Vec<Claimed> {
        if self.outcome.failure.is_some() {
            return Vec::new();
        }
        let mut all = self.places.values().sum::<usize>();
        let (mut picked, mut rest) = (Vec::new(), VecDeque::new());
        while let Some(target) = self.waiting.pop_front() {
            if all >= MOST_AT_A_TIME {
                rest.push_back(target);
                break;
            }
            let group = target.group();
            let most = self.request.settings.of(&group.0, group.1).concurrency;
            let taken = self.places.entry(group).or_default();
            if *taken < most {
                (all, *taken) = (all + 1, *taken + 1);
                picked.push(target);
            } else {
                rest.push_back(target);
            }
        }
        rest.append(&mut self.waiting);
        self.waiting = rest;
        if picked.is_empty() { Vec::new() } else { self.claim(picked).await }
    }

    async fn claim(&mut self, picked: Vec<Target>) -> Vec<Claimed> {
        let claims: Vec<Claim> = picked.iter().flat_map(Target::claims).collect();
        let lease = picked.iter().map(|target| patience(target, self.request.settings)).max();
        let lease = lease.unwrap_or_default() + SLACK;
        let now = self.request.clock.now();
        let found = match self.store.claim(&claims, self.request.who, lease, now, self.request.only_due).await
        {
            Ok(found) => found,
            Err(error) => {
                self.outcome.left_out += picked.len();
                self.outcome.failure = Some(error);
                picked.iter().for_each(|target| self.leave(target));
                return Vec::new();
            }
        };
        let mut found: HashMap<CheckKey, Option<Settled>> = found.into_iter().collect();
        let mut all = Vec::new();
        for target in picked {
            let mut claimed = Claimed { keys: Vec::new(), before: HashMap::new(), target };
            for key in &claimed.target.keys {
                match found.remove(key) {
                    None if self.request.only_due => {}
                    None => self.outcome.busy.push(key.clone()),
                    Some(before) => {
                        claimed.keys.push(key.clone());
                        claimed.before.extend(before.map(|before| (key.clone(), before)));
                    }
                }
            }
            if claimed.keys.is_empty() {
                self.leave(&claimed.target);
            } else {
                self.open.extend(claimed.keys.iter().cloned());
                all.push(claimed);
            }
        }
        all
    }

    fn leave(&mut self, target: &Target) {
        if let Some(taken) = self.places.get_mut(&target.group()) {
            *taken = taken.saturating_sub(1);
        }
    }

    /// Takes what a look found.
    pub(super) fn ended(&mut self, claimed: &Claimed, checks: Vec<Check>) {
        self.leave(&claimed.target);
        for check in checks {
            if let Work::Ask(target) = &claimed.target.work
                && check.key.service == target.service()
                && check.evidence.contains_key("reached")
            {
                *self.asked.entry(target.provider).or_default() += 1;
                if check.is_failure {
                    self.unreached.entry(target.provider).or_default().push(check.key.clone());
                }
            }
            let labels = claimed.target.labels_of(&check.key);
            let before = claimed.before.get(&check.key);
            let first = claimed.target.keys.first().unwrap_or(&check.key).clone();
            self.take(check, before, &labels, &first);
        }
    }

    /// What follows from a result.
    fn take(&mut self, mut check: Check, before: Option<&Settled>, labels: &Labels, first: &CheckKey) {
        let patience = self.request.settings.of(&check.key.workspace, check.key.service).patience;
        let found = Found { status: check.status, code: check.code, is_failure: check.is_failure };
        let (status, settled) = settle(before, found, check.checked_at, &patience);
        let is_news = before.is_none_or(|before| {
            before.status != settled.status
                || before.last_status != settled.last_status
                || before.failures != settled.failures
        });
        self.outcome.changed += usize::from(is_news);
        check.status = status;
        check.maintenance = (self.request.in_maintenance)(labels, check.checked_at);
        let due_at = Some(check.checked_at + jittered(patience.interval, first));
        self.open.retain(|key| *key != check.key);
        let id = (self.request.new_id)();
        self.unsaved.push(Recorded { id, check, settled, due_at });
    }

    /// Keeps what was found since the last time.
    pub(super) async fn save(&mut self) {
        let unsaved = std::mem::take(&mut self.unsaved);
        if unsaved.is_empty() {
            return;
        }
        if self.outcome.failure.is_none() {
            match self.store.record(&unsaved, self.request.who).await {
                Ok(mut recorded) => self.outcome.recorded.append(&mut recorded),
                Err(error) => self.outcome.failure = Some(error),
            }
        }
        self.outcome.checks.extend(unsaved.into_iter().map(|recorded| recorded.check));
    }

    /// Keeps the rest, says what is true of whole providers, and gives back what was claimed in vain.
    pub(super) async fn finish(mut self, is_stopped: bool) -> Outcome {
        self.save().await;
        self.outcome.left_out += self.waiting.len();
        if !is_stopped && self.outcome.failure.is_none() {
            for provider in self.request.whole {
                self.of_provider(*provider).await;
            }
        }
        if !self.open.is_empty()
            && let Err(error) = self.store.release(&self.open, self.request.who).await
        {
            tracing::debug!(%error, "claims were not given back; they end by themselves");
        }
        self.outcome
    }

    /// Whether anything of a provider could be reached. Where nothing could, that is one fact, and each of its states says so:
    /// who tells people tells them once (M-S9).
    async fn of_provider(&mut self, provider: Service) {
        let asked = self.asked.get(&provider).copied().unwrap_or_default();
        let unreached = self.unreached.remove(&provider).unwrap_or_default();
        if asked == 0 || unreached.len() < asked {
            return;
        }
        if let Err(error) = self.store.mark(&unreached, &unreachable_evidence()).await {
            self.outcome.failure = Some(error);
            return;
        }
        let unreached: HashSet<CheckKey> = unreached.into_iter().collect();
        for check in self.outcome.checks.iter_mut().filter(|check| unreached.contains(&check.key)) {
            check.evidence.insert(PROVIDER_UNREACHABLE.to_owned(), true.into());
        }
        self.outcome.down.push((provider, asked));
    }
}

/// The first of each group, then the second of each, and so on: none waits behind all of another.
fn interleaved(targets: Vec<Target>) -> VecDeque<Target> {
    let mut counts: HashMap<(String, CheckedService), usize> = HashMap::new();
    let mut numbered: Vec<(usize, Target)> = targets
        .into_iter()
        .map(|target| {
            let count = counts.entry(target.group()).or_default();
            *count += 1;
            (*count, target)
        })
        .collect();
    numbered.sort_by_key(|(number, _)| *number);
    numbered.into_iter().map(|(_, target)| target).collect()
}
