//! Renewals that nobody asks for: ahead of the end, each shop once however many controllers there are, and again after a
//! failure.

use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt as _;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};
use synthex::cli::context::Context;
use synthex::cli::watching::{RenewalTask, Station};
use synthex::store::ConnectOptions;
use synthex::store::renewals::Pick;
use synthex::watch::tasks::renewal::{self, Known};
use synthex::watch::{Ran, Stopper, Task as _, TaskCode};

use crate::support::estate::Estate;
use crate::support::project::tenant_yaml;
use crate::support::services::{Reply, Services};
use crate::support::watching::{context, run, station};

/// A project whose shops have pairs in files, and services that give new ones.
struct Shops {
    estate: Estate,
    services: Services,
}

impl Shops {
    fn new(hint: &str) -> Shops {
        let estate = Estate::new(hint);
        let services = Services::new();
        let count = AtomicUsize::new(1);
        services
            .scene("/admin/oauth/access_token", move |_| Reply::pair(count.fetch_add(1, Ordering::SeqCst)));
        Shops { estate, services }
    }

    /// A tenant with a shop of its own, whose pair is in a file.
    fn declare(&self, name: &str, more: &str) {
        self.estate.project.write(&format!("manifests/t-{name}.yaml"), tenant_yaml(name, "w"));
        let pair = json!({"client_id": "id", "client_secret": "cs", "access_token": format!("access-{name}"),
            "refresh_token": format!("refresh-{name}")});
        let path = self.estate.project.write(&format!("secrets/{name}.json"), pair.to_string());
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        let spec = format!(
            "{{tenant: {name}, service: shopify, secretRef: {{file: secrets/{name}.json}}, renewal: shopify-refresh-token{more}}}"
        );
        self.estate.declare("Credential", &format!("{name}-cred"), &spec);
    }

    /// What was observed: an access token that was given and ends so many minutes from now, and a refresh token of 90 days.
    fn seen(&self, name: &str, given: i64, ends: i64) {
        self.estate.database.sql(&format!(
            "insert into synthex.credential_status (workspace, credential, last_renewed_at, renewal_tried_at, access_expires_at, \
              observed_expires_at) select workspace, id, now() + interval '{given} minutes', now() + interval '{given} minutes', \
              now() + interval '{ends} minutes', now() + interval '{given} minutes 90 days' \
             from synthex.credentials where name = '{name}-cred'"
        ));
    }

    fn sql(&self, sql: &str) {
        self.estate.database.sql(&format!("begin; set local synthex.engine = 'on'; {sql}; commit"));
    }

    fn context(&self) -> Context {
        context(self.estate.project.path(), &[], &self.services.variables())
    }

    /// The shops that were asked, sorted.
    fn asked(&self) -> Vec<String> {
        let asked = self.services.asked("/access_token");
        let mut shops: Vec<String> =
            asked.iter().map(|asked| asked.shop().trim_end_matches(".myshopify.com").to_owned()).collect();
        shops.sort();
        shops
    }

    async fn renews(&self) -> Ran {
        let context = self.context();
        let station = station(&self.estate, &context, false);
        run(&mut RenewalTask::new(&station).unwrap()).await
    }
}

#[track_caller]
fn counts(ran: &Ran, renewed: i64, failures: i64) {
    assert!(ran.failure.is_none(), "{:?}", ran.failure);
    assert_eq!(
        (&ran.status["renewed"], &ran.status["failures"]),
        (&json!(renewed), &json!(failures)),
        "{:#}",
        ran.status
    );
}

#[tokio::test]
async fn what_is_due_is_renewed_and_nothing_else() {
    let shops = Shops::new("renewal_due");
    for name in ["Due", "Fresh", "Revoked", "Suspended", "Gone", "Other"] {
        shops.declare(name, "");
    }
    shops.declare("Hand", ", expiresAt: 2026-01-01T00:00:00Z");
    shops.estate.edit("Hand-cred.yaml", "renewal: shopify-refresh-token", "renewal: none");
    shops.estate.apply().ok();
    for name in ["Due", "Revoked", "Suspended", "Gone", "Other", "Hand"] {
        shops.seen(name, -50, 10);
    }
    shops.seen("Fresh", -20, 40);
    shops.sql("update synthex.credentials set status = 'revoked' where name = 'Revoked-cred'");
    shops.sql("update synthex.tenants set status = 'suspended' where name = 'Suspended'");
    shops.sql("update synthex.credentials set deleted_at = now() where name = 'Gone-cred'");
    shops.sql("update synthex.credentials set owner = 'another-project' where name = 'Other-cred'");
    let ran = shops.renews().await;
    counts(&ran, 1, 0);
    assert_eq!(shops.asked(), ["due"]);
    let pair: Value = serde_json::from_str(&shops.estate.project.read("secrets/Due.json")).unwrap();
    assert_eq!((&pair["access_token"], &pair["client_secret"]), (&json!("access-1"), &json!("cs")));
    assert_eq!(ran.wakes, [TaskCode::Alerts, TaskCode::Health]);
    // The other one is due twelve minutes before its token ends.
    let again = ran.again.unwrap().as_secs();
    assert!((27 * 60..=28 * 60).contains(&again), "{again}");
    let ran = shops.renews().await;
    counts(&ran, 0, 0);
    assert!(ran.wakes.is_empty());
    assert_eq!(shops.asked(), ["due"]);
}

#[tokio::test]
async fn what_nobody_knows_anything_about_is_renewed_and_then_it_is_known() {
    let shops = Shops::new("renewal_unknown");
    shops.declare("New", "");
    shops.estate.apply().ok();
    counts(&shops.renews().await, 1, 0);
    let known = "select concat_ws(' ', access_expires_at between now() + interval '59 minutes' and now() + interval '1 hour', \
         observed_expires_at > now() + interval '89 days') from synthex.credential_status";
    assert_eq!(shops.estate.value(known).as_deref(), Some("t t"));
    counts(&shops.renews().await, 0, 0);
    assert_eq!(shops.asked(), ["new"]);
}

#[tokio::test]
async fn a_grant_of_google_is_asked_about_near_its_end_and_not_all_the_time() {
    let shops = Shops::new("renewal_google");
    shops.services.scene("/token", |_| Reply::json(200, json!({"access_token": "a", "expires_in": 3599})));
    for (name, days) in [("Near", 5), ("Far", 20)] {
        shops.declare(name, "");
        let at = (Utc::now() + TimeDelta::days(days)).format("%Y-%m-%dT%H:%M:%SZ");
        let to = format!("renewal: google-oauth, issuedAt: 2026-01-01T00:00:00Z, expiresAt: {at}");
        shops.estate.edit(&format!("{name}-cred.yaml"), "renewal: shopify-refresh-token", &to);
        shops.estate.edit(&format!("{name}-cred.yaml"), "service: shopify", "service: google-merchant");
    }
    shops.estate.apply().ok();
    counts(&shops.renews().await, 1, 0);
    counts(&shops.renews().await, 0, 0);
    let asked = shops.services.asked("/token");
    assert_eq!(asked.iter().map(|asked| asked.field("refresh_token")).collect::<Vec<_>>(), ["refresh-Near"]);
    shops.sql("update synthex.credential_status set last_renewed_at = last_renewed_at - interval '25 hours'");
    counts(&shops.renews().await, 1, 0);
}

#[tokio::test]
async fn a_failure_is_tried_again_later_and_raises_an_alert() {
    let shops = Shops::new("renewal_failed");
    shops.declare("Acme", "");
    shops.estate.apply().ok();
    shops.seen("Acme", -50, 10);
    shops.services.scene("/access_token", |_| Reply::json(400, json!({"error": "invalid_grant"})));
    for failures in 1..=3 {
        let ran = shops.renews().await;
        counts(&ran, 0, 1);
        assert_eq!(ran.status["failed"][0]["credential"], "credential/w/Acme-cred");
        assert_eq!(ran.status["failed"][0]["outcome"], "invalid_grant");
        assert!(ran.again.is_some_and(|again| again <= Duration::from_secs(60)), "{:?}", ran.again);
        counts(&shops.renews().await, 0, 0);
        assert_eq!(shops.asked().len(), failures, "nobody is asked before the wait is over");
        // Less than the wait of that many failures, and then more.
        let wait = 60 << (failures - 1);
        let back = |seconds: i64| {
            shops.sql(&format!(
                "update synthex.credential_status set renewal_tried_at = now() - interval '{seconds} seconds'"
            ));
        };
        back(wait - 5);
        counts(&shops.renews().await, 0, 0);
        back(wait * 5 / 4 + 5);
    }
    let alerts = "select count(*) from synthex.alerts where kind = 'renewal_failed' and status = 'firing'";
    assert_eq!(shops.estate.database.query_one_i64(alerts), 0);
    shops.estate.run(&["alerts", "check-now"]).ok();
    assert_eq!(shops.estate.database.query_one_i64(alerts), 1);
    // Once it works again, the count begins anew and the alert is over.
    shops.services.scene("/access_token", |_| Reply::pair(7));
    counts(&shops.renews().await, 1, 0);
    shops.estate.run(&["alerts", "check-now"]).ok();
    assert_eq!(shops.estate.database.query_one_i64(alerts), 0);
}

#[tokio::test]
async fn many_controllers_renew_each_shop_once() {
    let shops = Shops::new("renewal_many");
    let names: Vec<String> = (0..24).map(|number| format!("S{number:02}")).collect();
    for name in &names {
        shops.declare(name, "");
    }
    shops.estate.apply().ok();
    let count = AtomicUsize::new(1);
    shops.services.scene("/access_token", move |_| {
        Reply::pair(count.fetch_add(1, Ordering::SeqCst)).after(Duration::from_millis(600))
    });
    let contexts = [shops.context(), shops.context(), shops.context()];
    let stations: Vec<Station<'_>> =
        contexts.iter().map(|context| station(&shops.estate, context, false)).collect();
    let mut tasks: Vec<RenewalTask<'_>> =
        stations.iter().map(|station| RenewalTask::new(station).unwrap()).collect();
    let (_stopper, stop) = Stopper::new();
    let ran = futures_util::future::join_all(tasks.iter_mut().map(|task| task.run(&stop))).await;
    let renewed: Vec<u64> = ran.iter().map(|ran| ran.status["renewed"].as_u64().unwrap()).collect();
    assert_eq!(renewed.iter().sum::<u64>(), 24, "{renewed:?}");
    assert!(renewed.iter().filter(|one| **one > 0).count() > 1, "they share the work: {renewed:?}");
    let asked = shops.asked();
    assert_eq!(asked.len(), 24, "{asked:?}");
    assert_eq!(asked.iter().collect::<BTreeSet<_>>().len(), 24, "{asked:?}");
    let status = "select count(*) from synthex.credential_status where generation = 1 and renewal_failures = 0 and renewal_outcome in ('renewed', 'fresh')";
    assert_eq!(shops.estate.database.query_one_i64(status), 24);
}

#[tokio::test]
async fn one_batch_after_the_other_until_nothing_is_due() {
    let shops = Shops::new("renewal_batches");
    shops.declare("Acme", "");
    shops.estate.apply().ok();
    // More than are read at once: their secrets are nowhere, so each of them fails at once.
    shops.sql(
        "insert into synthex.credentials (workspace, name, tenant, service, secret_ref, renewal, owner) \
         select 'w', 'x' || i, 'T1', 'google-merchant', '{\"env\": \"NOWHERE\"}', 'google-oauth', 'test' from generate_series(1, 210) as i",
    );
    let context = shops.context();
    let station = station(&shops.estate, &context, false);
    let mut task = RenewalTask::new(&station).unwrap();
    let ran = run(&mut task).await;
    assert_eq!((&ran.status["due"], ran.again), (&json!(211), Some(Duration::ZERO)));
    let mut task = task.thorough();
    let ran = run(&mut task).await;
    assert_eq!(ran.status["sinceStart"], json!({"renewed": 1, "failures": 210}));
    let tried = "select count(*) from synthex.credential_status where renewal_tried_at is not null";
    assert_eq!(shops.estate.database.query_one_i64(tried), 211);
}

#[tokio::test]
async fn one_that_only_observes_asks_nobody() {
    let shops = Shops::new("renewal_observe");
    shops.declare("Acme", "");
    shops.estate.apply().ok();
    let context = shops.context();
    let station = station(&shops.estate, &context, true);
    let ran = run(&mut RenewalTask::new(&station).unwrap()).await;
    assert_eq!(ran.status["wouldRenew"], json!(["credential/w/Acme-cred"]));
    assert!(shops.asked().is_empty());
    assert_eq!(shops.estate.database.query_one_i64("select count(*) from synthex.credential_status"), 0);
}

#[tokio::test]
async fn who_is_asked_to_stop_finishes_what_is_under_way_and_begins_nothing() {
    let shops = Shops::new("renewal_stop");
    for number in 0..12 {
        shops.declare(&format!("S{number:02}"), "");
    }
    shops.estate.apply().ok();
    shops.services.scene("/access_token", |_| Reply::pair(1).after(Duration::from_secs(1)));
    let context = shops.context();
    let station = station(&shops.estate, &context, false);
    let mut task = RenewalTask::new(&station).unwrap();
    let (stopper, stop) = Stopper::new();
    let stops = async {
        while shops.asked().len() < 8 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        stopper.stop();
    };
    let (ran, ()) = futures_util::future::join(task.run(&stop), stops).await;
    counts(&ran, 8, 0);
    assert_eq!(shops.asked().len(), 8);
    let saved = "select count(*) from synthex.credential_status where renewal_outcome = 'renewed'";
    assert_eq!(shops.estate.database.query_one_i64(saved), 8);
}

const DAY: i64 = 1440;

/// Credentials of every sort, and the SQL that makes them: `r0`, `r1`, and so on.
fn every_sort(now: DateTime<Utc>) -> (Vec<Known>, String) {
    let time = |minutes: Option<i64>| minutes.map(|minutes| now + TimeDelta::minutes(minutes));
    let text =
        |at: Option<DateTime<Utc>>| at.map_or("null".to_owned(), |at| format!("'{}'", at.to_rfc3339()));
    let created = time(Some(-10 * DAY)).unwrap();
    let (mut all, mut sql): (Vec<Known>, String) = (Vec::new(), String::new());
    let renewals = [(None, 0), (Some(-5), 0), (Some(-49), 0), (Some(-2 * DAY), 0), (Some(-40 * DAY), 0)];
    let failed = [(None, 1), (Some(-60), 3), (Some(-5), 9)];
    for gives_a_pair in [true, false] {
        for access in [None, Some(-90), Some(5), Some(11), Some(13), Some(55)] {
            for ends in [None, Some(-DAY), Some(DAY), Some(6 * DAY), Some(8 * DAY), Some(89 * DAY)] {
                for (renewed, failures) in renewals.iter().chain(&failed).copied() {
                    let tried =
                        if failures > 0 { Some(-7 * (failures + ends.unwrap_or(1) % 5)) } else { renewed };
                    let known = Known {
                        gives_a_pair,
                        access_ends: time(access),
                        ends: time(ends),
                        issued_at: time(renewed).filter(|_| gives_a_pair).unwrap_or(created),
                        renewed_at: time(renewed),
                        tried_at: time(tried),
                        failures,
                    };
                    let (renewal, service) = match gives_a_pair {
                        true => ("shopify-refresh-token", "shopify"),
                        false => ("google-oauth", "google-merchant"),
                    };
                    sql.push_str(&format!(
                        "with c as (insert into synthex.credentials (workspace, name, tenant, service, secret_ref, renewal, owner, \
                          created_at) values ('w', 'r{}', 'T1', '{service}', '{{\"env\": \"X\"}}', '{renewal}', 'test', {}) \
                          returning workspace, id) \
                         insert into synthex.credential_status (workspace, credential, access_expires_at, observed_expires_at, \
                          last_renewed_at, renewal_tried_at, renewal_failures) \
                         select workspace, id, {}, {}, {}, {}, {failures} from c; ",
                        all.len(),
                        text(Some(created)),
                        text(known.access_ends),
                        text(known.ends),
                        text(known.renewed_at),
                        text(known.tried_at),
                    ));
                    all.push(known);
                }
            }
        }
    }
    (all, sql)
}

/// The database picks what the rule finds due, and beyond that only failures whose wait is a little longer.
#[tokio::test]
async fn the_database_picks_what_the_rule_finds_due() {
    let estate = Estate::applied("renewal_rule");
    let sql =
        |sql: &str| estate.database.sql(&format!("begin; set local synthex.engine = 'on'; {sql} commit"));
    let (known, made) = every_sort(Utc::now());
    sql(&made);
    let options = ConnectOptions::new(estate.database.url(), Duration::from_secs(20), "test");
    let mut connection = options.connect().await.unwrap();
    let pick = Pick {
        project: "test",
        share: renewal::SHARE,
        least_lead: renewal::LEAST_LEAD.num_seconds(),
        most_lead: renewal::MOST_LEAD.num_seconds(),
        unknown_life: renewal::UNKNOWN_LIFE.num_seconds(),
        pause: renewal::PAUSE.num_seconds(),
        exchange_pause: renewal::EXCHANGE_PAUSE.num_seconds(),
        least_wait: 60,
        most_wait: 2880,
        most: 10_000,
    };
    let due = connection.due_renewals(&pick).await.unwrap();
    let names = due.credentials.iter().map(|one| one.subject.key.name.trim_start_matches('r'));
    let picked: BTreeSet<usize> = names.map(|number| number.parse().unwrap()).collect();
    let (mut wanted, mut later) = (0, 0);
    for (number, one) in known.iter().enumerate() {
        let at = renewal::due_at(one, 1);
        if at > due.now - TimeDelta::minutes(1) && at < due.now + TimeDelta::minutes(1) {
            continue;
        }
        if at <= due.now {
            wanted += 1;
            assert!(picked.contains(&number), "{one:?} is due since {at}");
        } else if one.failures == 0 {
            later += 1;
            assert!(!picked.contains(&number), "{one:?} is due at {at}");
            let next = due.next_at.unwrap();
            assert!(next <= at + TimeDelta::seconds(1), "{one:?} is due at {at}, before {next}");
        }
    }
    assert!(wanted > 100 && later > 100, "{wanted} {later}");
    assert_eq!(due.count, i64::try_from(due.credentials.len()).unwrap());
    let first_failed = due.credentials.iter().position(|one| one.failures > 0).unwrap();
    assert!(
        due.credentials[first_failed..].iter().all(|one| one.failures > 0),
        "those that failed come last"
    );
    // A date that no calendar reaches is no reason to fail.
    sql("update synthex.credentials set declared_expires_at = 'infinity' where name = 'r0'; \
         update synthex.credential_status set observed_expires_at = '-infinity', access_expires_at = 'infinity' \
          where credential = (select id from synthex.credentials where name = 'r1');");
    connection.due_renewals(&pick).await.unwrap();
}
