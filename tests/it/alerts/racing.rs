//! M-A1, M-L3, M-L9: several that evaluate at once, and processes that die.

use std::time::Duration;

use super::{USUAL, Watch};
use crate::support::chaos_rounds;

const AT: &str = "2031-06-25T09:00:00Z";

fn one_of_each(watch: &Watch) {
    assert_eq!(watch.told().len(), 1, "{:?}", watch.told());
    let count =
        |table: &str| watch.estate.database.query_one_i64(&format!("select count(*) from synthex.{table}"));
    assert_eq!((count("alerts"), count("alert_thresholds"), count("notification_deliveries")), (1, 2, 1));
}

#[test]
fn many_that_evaluate_at_once_tell_once() {
    for round in 0..chaos_rounds(2, 20) {
        let watch = Watch::new(&format!("alerts_race_{round}"), USUAL);
        // Their clocks differ by five minutes.
        let clocks = [AT, "2031-06-25T09:05:00Z", "2031-06-25T08:55:00Z"];
        let runs: Vec<_> = (0..8)
            .map(|number| {
                watch.estate.synthex(&["alerts", "check-now", "--yes", "--as-of", clocks[number % 3]]).spawn()
            })
            .collect();
        for run in runs {
            run.wait().ok();
        }
        one_of_each(&watch);
    }
}

#[test]
fn whoever_is_killed_loses_and_repeats_nothing() {
    let watch = Watch::new("alerts_kill", USUAL);
    for round in 0..chaos_rounds(12, 100) {
        watch.estate.database.sql(
            "truncate synthex.notifications cascade; truncate synthex.alerts, synthex.alert_thresholds, synthex.alert_evaluations",
        );
        let run = watch.estate.synthex(&["alerts", "check-now", "--yes", "--as-of", AT]).spawn();
        std::thread::sleep(Duration::from_millis(4 * round as u64));
        run.kill();
        drop(run.wait());
        // All of it is there, or nothing.
        let told = watch.told().len();
        let alerts = watch.estate.database.query_one_i64("select count(*) from synthex.alerts");
        assert_eq!(i64::try_from(told).unwrap(), alerts);
        watch.check(AT, &[]);
        one_of_each(&watch);
    }
}

#[test]
fn an_evaluation_whose_messages_cannot_be_queued_leaves_no_alert() {
    let watch = Watch::new("alerts_atomic", USUAL);
    watch.estate.trigger("notification_deliveries", "insert", "true", "raise exception 'no';");
    watch.estate.run(&["alerts", "check-now", "--yes", "--as-of", AT]).code(1);
    assert_eq!(watch.estate.database.query_one_i64("select count(*) from synthex.alerts"), 0);
    watch.estate.untrigger("notification_deliveries");
    watch.check(AT, &[]);
    one_of_each(&watch);
}

#[test]
fn an_apply_meanwhile_neither_loses_nor_revives_an_alert() {
    let watch = Watch::new("alerts_apply", USUAL);
    watch.check(AT, &[]);
    let before = watch.estate.database.query_strings("select to_jsonb(a)::text from synthex.alerts as a");
    for value in ["one", "two", "three"] {
        let fields = format!("description: {value}, tenant");
        watch.estate.declare(
            "Credential",
            "c1",
            &format!(
                "{{{fields}: T1, service: shopify, secretRef: {{env: C1}}, expiresAt: 2031-06-30T00:00:00Z}}"
            ),
        );
        let run = watch.estate.synthex(&["alerts", "check-now", "--yes", "--as-of", AT]).spawn();
        watch.apply();
        run.wait().ok();
    }
    assert_eq!(
        watch.estate.database.query_strings("select to_jsonb(a)::text from synthex.alerts as a"),
        before
    );
    one_of_each(&watch);
}
