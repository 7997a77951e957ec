//! M-H2, M-H13: what is due is looked at once, whoever does; what is declared gets its first look; and after a long sleep full
//! thresholds must be met again.

use std::time::Duration;

use chrono::TimeDelta;
use serde_json::json;
use synthex::watch::TaskCode;

use super::{Hands, Replica, Tasks, sum};
use crate::support::estate::Estate;
use crate::support::project::tenant_yaml;
use crate::support::services::{Asked, Reply, Services};

const NOW: &str = "2031-06-01T10:00:00Z";

fn well(asked: &Asked) -> Reply {
    let shop = json!({"id": "gid://shopify/Shop/1", "name": "A", "myshopifyDomain": asked.shop(),
        "plan": {"publicDisplayName": "Basic"}});
    let throttle = json!({"maximumAvailable": 2000.0, "currentlyAvailable": 1990, "restoreRate": 100.0});
    let cost = json!({"requestedQueryCost": 2, "actualQueryCost": 2, "throttleStatus": throttle});
    Reply::json(200, json!({"data": {"shop": shop}, "extensions": {"cost": cost}}))
        .header("X-Shopify-API-Version", "2026-10")
}

/// Shops with a credential each, and services that answer.
struct Shops {
    estate: Estate,
    services: Services,
    clock: Hands,
}

impl Shops {
    fn new(hint: &str, names: &[&str]) -> Shops {
        let estate = Estate::new(hint);
        for name in ["c1", "c2"] {
            estate.project.remove(&format!("manifests/{name}.yaml"));
        }
        // What belongs to no workspace is no part of these tests, but for the disk.
        estate.declare("HealthCheck", "often", "{service: memory, enabled: false}");
        let shops = Shops { estate, services: Services::new(), clock: Hands::at(NOW) };
        names.iter().for_each(|name| shops.declare(name));
        shops.estate.apply().ok();
        shops.services.scene("/graphql.json", well);
        shops
    }

    fn declare(&self, name: &str) {
        self.estate.project.write(&format!("manifests/t-{name}.yaml"), tenant_yaml(name, "w"));
        let spec = format!("{{tenant: {name}, service: shopify, secretRef: {{env: TOKEN}}}}");
        self.estate.declare("Credential", &format!("{name}-cred"), &spec);
    }

    fn replica(&self) -> Replica {
        let base = format!("http://127.0.0.1:{}", self.services.port());
        let variables =
            [("TOKEN", "shpat_1".to_owned()), ("SYNTHEX_SHOPIFY_BASE_URL", format!("{base}/{{shop}}"))];
        Replica::at(&self.estate.database.url(), &self.estate, &self.clock, &variables)
    }

    /// The shops that were asked since the last time.
    fn asked(&self, before: &mut usize) -> Vec<String> {
        let all = self.services.asked("/graphql.json");
        let mut new: Vec<String> = all[*before..]
            .iter()
            .map(|asked| asked.shop().trim_end_matches(".myshopify.com").to_owned())
            .collect();
        *before = all.len();
        new.sort();
        new
    }

    /// How a shop stands, as it is kept.
    fn kept(&self, shop: &str) -> String {
        let sql = format!(
            "select concat_ws(' ', status, last_status, code, failures, successes) from synthex.health_status \
             where service = 'shopify' and subject = '{shop}'"
        );
        self.estate.value(&sql).unwrap()
    }
}

#[test]
fn two_replicas_look_at_each_thing_once_and_again_when_it_is_due() {
    let names = ["a", "b", "c", "d", "e", "f", "g", "h"];
    let shops = Shops::new("watch_health_two", &names);
    let mut tasks = Tasks::new((0..2).map(|_| shops.replica().health()));
    let mut seen = 0;
    let mut ran = tasks.run();
    ran.extend(tasks.run());
    ran.extend(tasks.run());
    assert_eq!(shops.asked(&mut seen), names);
    // Of each shop three results; one of the workspace's credentials, and of the database, the disk and the version.
    assert_eq!(sum(&ran, "/checked"), 8 * 3 + 4, "{ran:#?}");
    let results = "select count(*) from synthex.health_checks";
    assert_eq!(shops.estate.database.query_one_i64(results), 28);
    assert!(ran.iter().any(|one| one.wakes == [TaskCode::Alerts]));
    let open =
        "select count(*) from synthex.health_status where claimed_by is not null or code = 'never_checked'";
    assert_eq!(shops.estate.database.query_one_i64(open), 0);
    // A quarter of an hour, a tenth more or less.
    let again = tasks.run()[0].again.unwrap().as_secs();
    assert!((800..=1_000).contains(&again), "{again}");
    shops.clock.pass(TimeDelta::minutes(13));
    tasks.run();
    assert_eq!(shops.asked(&mut seen), Vec::<String>::new());
    shops.clock.pass(TimeDelta::minutes(4));
    tasks.run();
    tasks.run();
    assert_eq!(shops.asked(&mut seen), names);
    assert_eq!(shops.estate.database.query_one_i64(results), 56);
}

#[test]
fn what_is_declared_is_looked_at_and_what_is_suspended_or_gone_is_not() {
    let shops = Shops::new("watch_health_declared", &["a", "b"]);
    let mut tasks = Tasks::new([shops.replica().health(), shops.replica().health()]);
    let mut seen = 0;
    tasks.run();
    tasks.run();
    assert_eq!(shops.asked(&mut seen), ["a", "b"]);
    shops.declare("c");
    shops.estate.apply().ok();
    tasks.run();
    tasks.run();
    assert_eq!(shops.asked(&mut seen), ["c"], "what is new has its first look, and nothing else is due");
    shops.estate.edit("t-a.yaml", "status: active", "status: suspended");
    shops.estate.apply().ok();
    shops.clock.pass(TimeDelta::minutes(20));
    tasks.run();
    tasks.run();
    assert_eq!(shops.asked(&mut seen), ["b", "c"]);
    assert_eq!(shops.kept("a"), "healthy healthy ok 0 1", "its last result stays");
    // It waits for what is due, and not for what nobody looks at.
    assert!(tasks.run()[0].again.unwrap() > Duration::from_secs(600));
    shops.estate.edit("t-a.yaml", "status: suspended", "status: active");
    shops.estate.apply().ok();
    tasks.run();
    tasks.run();
    assert_eq!(shops.asked(&mut seen), ["a"]);
    // A shorter interval counts from now on.
    shops.estate.declare("HealthCheck", "s", "{service: shopify, interval: 1m}");
    shops.estate.apply().ok();
    shops.clock.pass(TimeDelta::minutes(2));
    tasks.run();
    tasks.run();
    assert_eq!(shops.asked(&mut seen), ["a", "b", "c"]);
    for file in ["t-a.yaml", "a-cred.yaml"] {
        shops.estate.project.remove(&format!("manifests/{file}"));
    }
    shops.estate.run(&["apply", "--yes", "--prune"]).ok();
    shops.clock.pass(TimeDelta::minutes(2));
    tasks.run();
    tasks.run();
    assert_eq!(shops.asked(&mut seen), ["b", "c"]);
    let gone = "select count(*) from synthex.health_status where tenant = 'a'";
    assert_eq!(shops.estate.database.query_one_i64(gone), 0);
}

#[test]
fn the_first_look_after_a_long_sleep_counts_from_the_beginning() {
    let shops = Shops::new("watch_health_grace", &["a"]);
    let mut tasks = Tasks::new([shops.replica().health()]);
    tasks.run();
    shops.services.scene("/graphql.json", |_| Reply::text(402, "frozen"));
    for failures in 1..=2 {
        shops.clock.pass(TimeDelta::minutes(17));
        tasks.run();
        assert_eq!(shops.kept("a"), format!("healthy unhealthy shop_frozen {failures} 0"));
    }
    // One more would be enough, had nobody slept for longer than two intervals.
    shops.clock.pass(TimeDelta::minutes(31));
    tasks.run();
    assert_eq!(shops.kept("a"), "healthy unhealthy shop_frozen 1 0");
    for (failures, status) in [(2, "healthy"), (3, "unhealthy")] {
        shops.clock.pass(TimeDelta::minutes(17));
        tasks.run();
        assert_eq!(shops.kept("a"), format!("{status} unhealthy shop_frozen {failures} 0"));
    }
}

#[test]
fn a_replica_that_stops_gives_back_what_it_has_not_looked_at() {
    let shops = Shops::new("watch_health_stop", &["a", "b"]);
    shops.services.scene("/graphql.json", |asked| well(asked).after(Duration::from_secs(30)));
    let mut tasks = Tasks::new([shops.replica().health()]);
    let stopper = tasks.stopper.clone();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while shops.services.asked("/graphql.json").len() < 2 {
                std::thread::sleep(Duration::from_millis(10));
            }
            stopper.stop();
        });
        tasks.run();
    });
    let kept = "select count(*) from synthex.health_status where service = 'shopify' and code = 'never_checked' \
         and claimed_by is null and due_at is not null";
    assert_eq!(shops.estate.database.query_one_i64(kept), 2, "they are still to be looked at");
    shops.services.scene("/graphql.json", well);
    Tasks::new([shops.replica().health()]).run();
    assert_eq!(shops.kept("a"), "healthy healthy ok 0 1");
}

#[test]
fn a_clock_that_was_a_year_ahead_stops_no_look() {
    let shops = Shops::new("watch_health_clock", &["a"]);
    shops.clock.set("2032-06-01T10:00:00Z");
    let mut tasks = Tasks::new([shops.replica().health()]);
    tasks.run();
    let mut seen = 0;
    assert_eq!(shops.asked(&mut seen), ["a"]);
    shops.clock.set(NOW);
    tasks.run();
    assert_eq!(shops.asked(&mut seen), ["a"]);
    tasks.run();
    assert_eq!(shops.asked(&mut seen), Vec::<String>::new());
}

#[test]
fn a_clock_that_is_set_back_by_hours_stops_no_look() {
    let shops = Shops::new("watch_health_back", &["a"]);
    shops.clock.set("2031-06-01T10:00:00Z");
    let mut tasks = Tasks::new([shops.replica().health()]);
    tasks.run();
    let mut seen = 0;
    assert_eq!(shops.asked(&mut seen), ["a"]);
    // Hours after all was last gone through.
    shops.clock.set("2031-06-01T15:00:00Z");
    tasks.run();
    assert_eq!(shops.asked(&mut seen), ["a"]);
    for earlier in ["2031-06-01T12:00:00Z", "2031-06-01T11:00:00Z"] {
        shops.clock.set(earlier);
        tasks.run();
        tasks.run();
        assert_eq!(shops.asked(&mut seen), ["a"], "{earlier}");
        tasks.run();
        assert_eq!(shops.asked(&mut seen), Vec::<String>::new(), "{earlier}");
    }
}
