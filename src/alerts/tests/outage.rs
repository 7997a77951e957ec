//! Providers that answer for nobody: one alert from the onset to the end, whenever it is looked at, and none of single tenants but
//! of those that have a trouble of their own.

use super::*;
use crate::model::streak::{Found, Patience, Settled, settle};
use HealthStatus::{Degraded, Healthy, Unhealthy, Unknown};

const PATIENCE: Patience = Patience { failure_threshold: 3, success_threshold: 2, interval: HOUR };

/// What a look at a shop finds, as a word.
type Result = &'static str;

/// Shops whose states settle as health checks have them settle.
struct Shops {
    world: World,
    settled: Vec<Settled>,
}

impl Shops {
    /// So many that are well.
    fn new(count: usize, when: Value) -> Self {
        let mut world =
            World::new().rule("shops", json!({"when": {"healthStatus": when}, "reminder": "never"}));
        let well = Found { status: Healthy, code: "ok", is_failure: false };
        let settled = vec![settle(None, well, world.now, &PATIENCE).1; count];
        for number in 0..count {
            world.tenant(&name(number));
            world.set_shop(&name(number), Healthy, "ok");
        }
        Self { world, settled }
    }

    /// A look at some of them, one after the other, that finds this of each.
    fn look(&mut self, numbers: impl IntoIterator<Item = usize>, code: Result) {
        for number in numbers {
            let (status, is_failure) = match code {
                "ok" => (Healthy, false),
                "throttled" => (Degraded, false),
                "unreachable" => (Unknown, true),
                "not_asked" => (Unknown, false),
                _ => (Unhealthy, false),
            };
            let found = Found { status, code: "unreachable", is_failure };
            let next = settle(Some(&self.settled[number]), found, self.world.now, &PATIENCE).1;
            let own = self.world.facts.health.iter_mut().find(|fact| fact.subject == name(number)).unwrap();
            (own.status, own.since, own.last_status) = (next.status, next.since, next.last_status);
            (own.failures, own.successes, own.severe) = (next.failures, next.successes, next.severe);
            own.code = code.to_owned();
            self.settled[number] = next;
        }
    }

    /// A quarter of an hour later, all are looked at; with an evaluation after every tenth of them, and what is told in all.
    #[track_caller]
    fn round(&mut self, code: Result) -> Vec<String> {
        self.world.now += HOUR / 4;
        let mut said = Vec::new();
        for number in 0..self.settled.len() {
            self.look([number], code);
            if (number + 1) % (self.settled.len() / 10).max(1) == 0 {
                said.extend(self.world.after(TimeDelta::seconds(1)));
            }
        }
        said
    }

    #[track_caller]
    fn now(&mut self) -> Vec<String> {
        self.world.after(TimeDelta::seconds(1))
    }
}

fn name(number: usize) -> String {
    format!("S{number:03}")
}

#[test]
fn an_outage_is_one_alert_and_one_end_whenever_it_is_looked_at() {
    let mut shops = Shops::new(100, json!({}));
    assert_eq!(shops.round("ok"), Vec::<String>::new());
    assert_eq!(shops.round("unreachable"), Vec::<String>::new());
    assert_eq!(shops.round("unreachable"), Vec::<String>::new());
    // In the third round it settles, one shop after the other.
    assert_eq!(
        shops.round("unreachable"),
        ["firing: The Shopify API does not answer for 100 of 100 tenants"]
    );
    assert_eq!(shops.round("unreachable"), Vec::<String>::new());
    assert_eq!(shops.world.facts.open.len(), 101);
    // After the first good results nothing is settled yet; after half of the second ones the outage is over.
    assert_eq!(shops.round("ok"), Vec::<String>::new());
    assert_eq!(shops.round("ok"), ["resolved: The Shopify API answers again"]);
    assert_eq!(shops.world.facts.open.len(), 0);
    assert_eq!(shops.round("ok"), Vec::<String>::new());
}

#[test]
fn a_trouble_of_ones_own_is_told_while_a_provider_recovers() {
    let mut shops = Shops::new(10, json!({"statuses": ["degraded", "unhealthy"]}));
    for _ in 0..3 {
        shops.round("unreachable");
    }
    assert_eq!(shops.world.told.len(), 1);
    shops.world.now += HOUR / 4;
    shops.look(0..8, "ok");
    shops.look([8], "shop_frozen");
    shops.look([9], "not_asked");
    // What could not be found out is no trouble of another sort.
    assert_eq!(shops.now(), ["firing: Shopify of S008 is unhealthy"]);
    shops.world.now += HOUR / 4;
    shops.look(0..8, "ok");
    shops.look([9], "throttled");
    assert_eq!(shops.now(), ["resolved: The Shopify API answers again"]);
    shops.look([9], "throttled");
    assert_eq!(shops.now(), ["firing: Shopify of S009 is degraded"]);
}

#[test]
fn what_stays_down_when_the_provider_is_back_is_told() {
    let mut shops = Shops::new(10, json!({}));
    for _ in 0..3 {
        shops.round("unreachable");
    }
    for round in 0..2 {
        shops.world.now += HOUR / 4;
        shops.look(0..4, "ok");
        shops.look(4..10, "unreachable");
        assert_eq!(shops.now(), Vec::<String>::new(), "{round}");
    }
    // Four of ten are well: that is still an outage. With six it is none, and the others are told.
    for round in 0..2 {
        shops.world.now += HOUR / 4;
        shops.look(0..6, "ok");
        shops.look(6..10, "unreachable");
        let said = shops.now();
        assert_eq!(said.len(), round * 2, "{said:?}");
    }
    assert_eq!(
        said(&Outcome { tellings: shops.world.told[1..].to_vec(), ..Outcome::default() }),
        [
            "resolved: The Shopify API answers again",
            "firing: 4 health alerts (4 warning) in w, by rule shops"
        ]
    );
}

#[test]
fn one_bad_round_beside_a_shop_that_is_down_for_itself_is_no_outage() {
    let mut shops = Shops::new(10, json!({}));
    for _ in 0..3 {
        shops.world.now += HOUR / 4;
        shops.look([0], "unreachable");
        shops.look(1..10, "ok");
        shops.now();
    }
    assert_eq!(shops.world.told[0].message.title, "Shopify of S000 is unhealthy");
    assert_eq!(shops.round("unreachable"), Vec::<String>::new());
    shops.world.now += HOUR / 4;
    shops.look([0], "unreachable");
    shops.look(1..10, "ok");
    assert_eq!(shops.now(), Vec::<String>::new());
    assert_eq!(shops.world.alert().muted_by, Vec::<String>::new());
}

#[test]
fn what_comes_to_no_outage_is_told_one_by_one() {
    let mut shops = Shops::new(10, json!({}));
    shops.round("unreachable");
    shops.round("unreachable");
    shops.world.now += HOUR / 4;
    shops.look(0..3, "unreachable");
    assert_eq!(shops.now(), Vec::<String>::new());
    assert_eq!(shops.world.facts.open.iter().filter(|alert| !alert.muted_by.is_empty()).count(), 3);
    shops.look(3..10, "ok");
    assert_eq!(shops.now(), ["firing: 3 health alerts (3 warning) in w, by rule shops"]);
}

#[test]
fn thresholds_and_duration_of_a_rule_count_for_an_outage() {
    let mut shops = Shops::new(10, json!({"for": "30m"}));
    for _ in 0..4 {
        assert_eq!(shops.round("unreachable"), Vec::<String>::new());
    }
    assert_eq!(shops.round("unreachable"), ["firing: The Shopify API does not answer for 10 of 10 tenants"]);
    // Over before that, nobody hears of it.
    let mut shops = Shops::new(10, json!({"for": "30m"}));
    for code in ["unreachable", "unreachable", "unreachable", "ok", "ok", "ok"] {
        assert_eq!(shops.round(code), Vec::<String>::new());
    }
    assert_eq!(shops.world.facts.open.len(), 0);
    let mut shops = Shops::new(10, json!({"failureThreshold": 5}));
    for _ in 0..4 {
        assert_eq!(shops.round("unreachable"), Vec::<String>::new());
    }
    assert_eq!(shops.round("unreachable").len(), 1);
}

#[test]
fn an_outage_is_for_rules_that_mean_one_of_its_tenants() {
    let mut shops = Shops::new(10, json!({}));
    let (when, never) = (json!({"healthStatus": {}}), "never");
    shops.world.set_rule(
        "merchants",
        json!({"when": when, "selector": {"types": ["google-merchant"]}, "reminder": never}),
    );
    shops
        .world
        .set_rule("first", json!({"when": when, "selector": {"tenants": ["S000"]}, "reminder": never}));
    for _ in 0..3 {
        shops.round("unreachable");
    }
    let told = |shops: &Shops| -> Vec<String> {
        shops.world.told.iter().filter_map(|telling| telling.message.rule.clone()).collect()
    };
    assert_eq!(told(&shops), ["first", "shops"]);
    // A rule that means none of them any more.
    shops.world.set_rule("first", json!({"when": when, "selector": {"tenants": ["T1"]}, "reminder": never}));
    assert_eq!(shops.now(), ["resolved: The Shopify API is no longer what the rule watches"]);
    for _ in 0..2 {
        shops.round("ok");
    }
    assert_eq!(told(&shops), ["first", "shops", "first", "shops"]);
    assert_eq!(shops.world.facts.open.len(), 0);
}

#[test]
fn what_is_wrong_with_the_tenants_themselves_is_no_outage() {
    let mut shops = Shops::new(3, json!({}));
    for _ in 0..2 {
        shops.look(0..3, "shop_frozen");
        assert_eq!(shops.now(), Vec::<String>::new());
    }
    shops.look(0..3, "shop_frozen");
    assert_eq!(shops.now(), ["firing: 3 health alerts (3 warning) in w, by rule shops"]);
}

#[test]
fn what_was_told_before_an_outage_is_told_to_be_over_in_it() {
    let mut shops = Shops::new(10, json!({}));
    for _ in 0..3 {
        shops.look([0], "unreachable");
        shops.now();
    }
    assert_eq!(shops.world.told.len(), 1);
    for _ in 0..3 {
        shops.round("unreachable");
    }
    shops.look([0], "ok");
    shops.look([0], "ok");
    assert_eq!(shops.now(), ["resolved: Shopify of S000 is well again"]);
}
