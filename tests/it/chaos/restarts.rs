//! S4 under a controller: PostgreSQL is killed again and again, for 1.9 s each, while hundreds of alerts come due and are told. Also
//! R87: its connections break at any time while manifests are edited.

use std::time::Duration;

use serde_json::json;

use super::alerts::{AWAY, all_are_sent, are_told_once, declare, deliveries, repeated};
use super::rig::{account, count};
use super::watched::{Watched, value, watch};
use crate::support::database::TestDatabase;
use crate::support::estate::Estate;
use crate::support::mail::{MailServer, Manners};
use crate::support::proxy::{Mode, Proxy};
use crate::support::server::{Durability, TestServer};
use crate::support::services::{Reply, Services};

/// A minute passes: what goes by the minute is due. Then it is as if the database called out.
fn a_minute_passes(estate: &Estate) {
    estate.database.sql(
        "update synthex.alert_evaluations set evaluated_at = evaluated_at - interval '1 minute' where rule <> ''; \
         update synthex.watch_turns set due_at = now() where task = 'alerts' and workspace = 'w'; notify synthex, 'health'",
    );
}

#[test]
fn postgres_goes_away_under_a_controller_while_alerts_come_due() {
    let (rounds, each) = (count(2, 20), 25);
    let all = i64::from(rounds * each);
    let server = TestServer::dedicated(Durability::Synced);
    let estate = Estate::on(TestDatabase::on(&server, "chaos_restarts"));
    let (services, mail) = (Services::new(), MailServer::new(Manners::default()));
    declare(&estate, rounds * each, &services, &mail);
    let slow = Duration::from_millis(30);
    services.scene("/hook", move |_| Reply::text(204, "").after(slow));
    services.scene("/emails", move |_| Reply::json(200, json!({"id": "1"})).after(slow));
    estate.apply().ok();
    let tasks = ["--tasks", "reconcile,alerts,delivery"];
    let controller = services.serve(watch(&estate, &estate.database.url(), &tasks)).env("KEY", "re_1");
    let mut watched = Watched::start(&estate, controller);
    let evaluated = "select count(*) from synthex.alert_evaluations where rule = 'expiry'";
    watched.comes_true("the first evaluation", || value(&estate, evaluated).as_deref() == Some("1"));
    for round in 0..rounds {
        let (first, last) = (round * each, (round + 1) * each - 1);
        estate.database.sql(&format!(
            "insert into synthex.credential_status (workspace, credential, observed_expires_at) \
             select workspace, id, now() + interval '3 days' from synthex.credentials where name between 'k{first:03}' and 'k{last:03}'"
        ));
        a_minute_passes(&estate);
        // From before the evaluation to the midst of the delivery.
        std::thread::sleep(Duration::from_millis(u64::from(round % 10) * 150));
        server.kill_all();
        std::thread::sleep(AWAY);
        server.start();
        std::thread::sleep(Duration::from_millis(u64::from(round % 7) * 400));
        assert!(watched.running.is_running(), "the controller does not wait for the database");
    }
    let due = "select count(*) from synthex.alerts where status = 'firing'";
    watched.comes_true("all alerts", || {
        a_minute_passes(&estate);
        std::thread::sleep(Duration::from_millis(1_200));
        value(&estate, due) == Some(all.to_string())
    });
    assert!(all_are_sent(&estate, 3 * all), "{}", deliveries(&estate));
    watched.comes_true("that it is ready", || watched.is_ready());
    watched.ends();
    are_told_once(&estate, all);
    let repeated = repeated(&services, &mail, all, 0);
    assert!(repeated <= rounds as usize, "{repeated} repeated in {rounds} rounds");
    account(
        "S4 PostgreSQL killed under a controller",
        &[
            ("kills", &rounds),
            ("alerts", &all),
            ("deliveries", &(3 * all)),
            ("lost", &0),
            ("repeated", &repeated),
        ],
    );
}

#[test]
fn connections_that_break_at_any_time_leave_nothing_half_done() {
    let estate = Estate::applied("chaos_breaks");
    let (w, other) = (estate.project.read("manifests/w.yaml"), "other");
    estate.project.write("manifests/other.yaml", w.replace("name: w", "name: other"));
    let proxy = Proxy::before(&estate.database, Mode::Pass);
    let mut watched = Watched::start(&estate, watch(&estate, &proxy.url(&estate.database), &[]));
    let operations =
        "select count(*) from synthex.batch_operations where command = 'watch' and status = 'applied'";
    watched.comes_true("the second workspace", || value(&estate, operations).as_deref() == Some("1"));
    let rounds = count(4, 100);
    for round in 0..rounds {
        let name = format!("Round{round}");
        // Two tenants of one workspace and one of another change together.
        let mut rows = String::new();
        for (tenant, workspace) in [("A", "w"), ("B", "w"), ("C", other)] {
            rows.push_str(&format!(
                "---\napiVersion: synthex.dev/v1\nkind: Tenant\nmetadata: {{name: {tenant}, workspace: {workspace}}}\n\
                 spec: {{displayName: {name}, type: shopify, market: ANZ_SMB, region: AU-SE1, shopifyShop: {}.myshopify.com}}\n",
                tenant.to_lowercase()
            ));
        }
        estate.project.write("manifests/abc.yaml", rows);
        // The file is noticed 150 ms later: before, in the middle of, and after what follows.
        std::thread::sleep(Duration::from_millis(120 + u64::from(round * 37 % 160)));
        proxy.set(Mode::Refuse);
        std::thread::sleep(Duration::from_millis(u64::from(round * 53 % 300)));
        proxy.set(Mode::Pass);
        let names = "select string_agg(distinct display_name, ' ') from synthex.tenants where name in ('A', 'B', 'C') and deleted_at is null";
        watched.comes_true(&name, || {
            let seen = value(&estate, names);
            // All of them are of one round, or of the one before.
            assert!(seen.as_deref().is_none_or(|seen| !seen.contains(' ')), "between two rounds: {seen:?}");
            seen.as_deref() == Some(name.as_str())
        });
    }
    watched.comes_true("that it is ready", || watched.is_ready());
    watched.probe();
    estate.is_converged();
    let done = i64::from(rounds) + 1;
    assert_eq!(estate.database.query_one_i64(operations), done, "each change is on record once");
    watched.ends();
    assert_eq!(estate.leases_held(), 0, "no lease is left");
    account("R87 connections broken under a controller", &[("breaks", &rounds), ("operations", &done)]);
}
