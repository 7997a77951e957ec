//! S7: clocks that jump while a controller runs, back and forth, into a leap day, over summer time, past 2038. No threshold is
//! told twice, nothing stands still, and nothing is tried again and again.

use std::time::{Duration, Instant};

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::Value;

use super::rig::{account, is_full};
use super::watched::{Watched, get, value, watch};
use crate::support::cli::Synthex;
use crate::support::clock::Jumping;
use crate::support::database::TestDatabase;
use crate::support::estate::Estate;
use crate::support::server::{Durability, TestServer};

const HOUR: i64 = 3_600;
const DAY: i64 = 24 * HOUR;

/// How long it is looked at after a jump, and how often a task may run meanwhile: it runs for what was saved, for what the
/// database calls out, and every second or more.
const LOOK: Duration = Duration::from_secs(3);
const OFTEN: u64 = 40;

/// An estate with one credential that ends in 40 days, and a rule that is looked at every minute.
fn declare(estate: &Estate) {
    for name in ["c1", "c2", "expiry", "muted", "chat", "log"] {
        estate.project.remove(&format!("manifests/{name}.yaml"));
    }
    let end = (now() + TimeDelta::days(40)).format("%Y-%m-%dT%H:%M:%SZ");
    let spec = format!("{{tenant: T1, service: shopify, secretRef: {{env: C1}}, expiresAt: '{end}'}}");
    estate.declare("Credential", "ends", &spec);
    estate.declare("NotificationChannel", "box", "{type: in-app}");
    estate.declare(
        "AlertRule",
        "expiry",
        "{when: {credentialExpiry: {}}, schedule: '* * * * *', channels: [box], reminder: never}",
    );
}

#[expect(clippy::disallowed_methods, reason = "the programs under test go by the machine's clock")]
fn now() -> DateTime<Utc> {
    Utc::now()
}

/// How far ahead the clock is when it is that time.
fn until(time: &str) -> i64 {
    (time.parse::<DateTime<Utc>>().expect("a time") - now()).num_seconds()
}

fn faked(run: Synthex, clock: &Jumping) -> Synthex {
    clock.variables().into_iter().fold(run, |run, (name, value)| run.env(&name, value))
}

/// How often each task has run.
fn runs(watched: &Watched<'_>) -> Vec<(String, u64)> {
    let answer = get(&watched.address, "/status");
    let body = answer.split("\r\n\r\n").nth(1).unwrap_or_default();
    let status: Value = serde_json::from_str(body).unwrap_or_default();
    let tasks = status["tasks"].as_object().cloned().unwrap_or_default();
    assert!(!tasks.is_empty(), "no tasks: {answer}");
    tasks.iter().map(|(name, task)| (name.clone(), task["runs"].as_u64().unwrap_or_default())).collect()
}

/// The thresholds that were crossed, and what was made of each.
fn told(estate: &Estate) -> String {
    let sql =
        "select string_agg(threshold || ' ' || state, ', ' order by threshold) from synthex.alert_thresholds";
    value(estate, sql).unwrap_or_default()
}

/// A clock and a controller that goes by it.
struct Scene<'e> {
    clock: &'e Jumping,
    watched: Watched<'e>,
    jumps: u32,
    busiest: u64,
}

impl Scene<'_> {
    /// The clock jumps. What is written by hand is set back, and no task runs wild.
    #[track_caller]
    fn jump(&mut self, ahead: i64) {
        self.clock.ahead(ahead);
        self.jumps += 1;
        let (begun, before) = (Instant::now(), runs(&self.watched));
        self.watched.corrects("T2");
        std::thread::sleep(LOOK.saturating_sub(begun.elapsed()));
        let looked = begun.elapsed().as_secs() + 1;
        for ((name, before), (_, after)) in before.into_iter().zip(runs(&self.watched)) {
            let each = (after - before) * LOOK.as_secs() / looked.max(LOOK.as_secs());
            assert!(each <= OFTEN, "{name} ran {} times in {looked} s, {ahead} s ahead", after - before);
            self.busiest = self.busiest.max(each);
        }
        self.watched.comes_true("that it is ready", || self.watched.is_ready());
        self.watched.probe();
    }

    #[track_caller]
    fn are_told(&self, expected: &str) {
        let estate = self.watched.estate;
        self.watched.comes_true(expected, || {
            // As if the database called out, so that nobody need wait for the next look.
            estate.database.sql("notify synthex, 'health'");
            told(estate) == expected
        });
    }
}

#[track_caller]
fn jumps(scenario: &str, with_the_database: bool) {
    let clock = Jumping::new();
    let variables = if with_the_database { clock.variables() } else { Vec::new() };
    let server = TestServer::dedicated_with(Durability::Fast, variables);
    let estate = Estate::on(TestDatabase::on(&server, "chaos_clock"));
    declare(&estate);
    estate.apply().ok();
    let controller = watch(&estate, &estate.database.url(), &[]).env("C1", "shpat_1");
    let watched = Watched::start(&estate, faked(controller, &clock));
    let mut scene = Scene { clock: &clock, watched, jumps: 0, busiest: 0 };
    scene.jump(-HOUR);
    scene.jump(11 * DAY);
    scene.are_told("30d told");
    scene.jump(11 * DAY - HOUR);
    scene.jump(39 * DAY + 12 * HOUR);
    scene.are_told("1d told, 30d told, 7d superseded");
    scene.jump(41 * DAY);
    let all = "1d told, 30d told, 7d superseded, expired told";
    scene.are_told(all);
    // What failed while the clock was a year ahead does not wait for that year.
    clock.ahead(366 * DAY);
    estate.trigger("tenants", "update", "new.name = 'T1'", "raise exception 'not this one';");
    estate.edit("T1.yaml", "displayName: T1", "displayName: Saved");
    let failed = "select count(*) from synthex.watch_backoff where name = 'T1'";
    scene.watched.comes_true("the failure", || value(&estate, failed).as_deref() == Some("1"));
    scene.jump(0);
    estate.untrigger("tenants");
    let name = "select display_name from synthex.tenants where name = 'T1'";
    scene.watched.comes_true("what had failed", || value(&estate, name).as_deref() == Some("Saved"));
    // A leap day begins, summer time begins and ends in London and in Sydney, and the 32nd bit of a second is used up.
    let times = [
        "2028-02-28T23:59:58Z",
        "2038-01-19T03:14:06Z",
        "2028-02-29T23:59:58Z",
        "2027-03-28T00:59:58Z",
        "2027-10-02T15:59:58Z",
        "2027-10-31T00:59:58Z",
    ];
    for time in times.iter().take(if is_full() { times.len() } else { 2 }) {
        scene.jump(until(time));
    }
    scene.jump(0);
    assert_eq!(told(&estate), all, "each once for one date of expiry");
    let fired = "select count(*) from synthex.notifications where event = 'firing'";
    assert_eq!(estate.database.query_one_i64(fired), 3);
    assert_eq!(
        estate.database.query_one_i64(
            "select count(*) from synthex.leases where name = 'watch:test' and holder is not null"
        ),
        1
    );
    let (jumps, busiest) = (scene.jumps, scene.busiest);
    scene.watched.ends();
    account(scenario, &[("jumps", &jumps), ("runs of one task in 3 s at most", &busiest), ("told", &3)]);
}

#[test]
fn a_machine_whose_clock_jumps_tells_each_threshold_once() {
    jumps("S7 the clock of the machine jumps", true);
}

#[test]
fn a_controller_whose_clock_jumps_tells_each_threshold_once() {
    jumps("S7 the clock of the controller alone jumps", false);
}

#[test]
fn a_pause_ends_when_the_clock_says_so_and_not_before() {
    let clock = Jumping::new();
    let server = TestServer::dedicated_with(Durability::Fast, clock.variables());
    let estate = Estate::on(TestDatabase::on(&server, "chaos_pause"));
    estate.apply().ok();
    let controller = watch(&estate, &estate.database.url(), &[]);
    let watched = Watched::start(&estate, faked(controller, &clock));
    watched.corrects("T2");
    let pause = ["pause", "workspace/w", "--for", "30d", "--reason", "INC-12", "--yes"];
    faked(estate.synthex(&pause), &clock).run().ok();
    let paused = "select status from synthex.watch_conditions where workspace = 'w' and type = 'Paused'";
    watched.comes_true("the pause", || value(&estate, paused).as_deref() == Some("True"));
    estate.database.admin_sql("update synthex.tenants set display_name = 'By hand' where name = 'T2'");
    let name = "select display_name from synthex.tenants where name = 'T2'";
    for ahead in [-HOUR, 29 * DAY] {
        clock.ahead(ahead);
        std::thread::sleep(Duration::from_secs(6));
        assert_eq!(value(&estate, name).as_deref(), Some("By hand"), "{ahead} s ahead");
    }
    clock.ahead(31 * DAY);
    watched.comes_true("the end of the pause", || value(&estate, name).as_deref() == Some("T2"));
    // One of the project file seems to be over while the clock is wrong.
    let until = (now() + TimeDelta::days(33)).format("%Y-%m-%dT%H:%M:%SZ");
    let pauses = format!("workspace: w, pauses: [{{workspace: w, until: '{until}', reason: stock-taking}}]");
    estate.edit_project("workspace: w", &pauses);
    watched.comes_true("the other pause", || value(&estate, paused).as_deref() == Some("True"));
    clock.ahead(40 * DAY);
    watched.comes_true("its end", || value(&estate, paused).as_deref() == Some("False"));
    clock.ahead(31 * DAY);
    watched.comes_true("that it is not over", || value(&estate, paused).as_deref() == Some("True"));
    watched.ends();
}
