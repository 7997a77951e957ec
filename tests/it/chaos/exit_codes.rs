//! S19: every exit code that is documented is produced, and no other is documented.

use std::collections::BTreeMap;

use super::rig::account;
use crate::support::cli::Running;
use crate::support::estate::Estate;
use crate::support::proxy::{Mode, Proxy};

/// An apply that is told to stop while it writes.
fn stopped(estate: &Estate, tell: fn(&Running)) -> i32 {
    estate.trigger("tenants", "insert or update", "true", "perform pg_sleep(20);");
    let mut run = estate.synthex(&["apply", "--yes"]).spawn();
    let asleep =
        "select count(*) from pg_stat_activity where datname = current_database() and wait_event = 'PgSleep'";
    run.wait_until("the trigger to sleep", || estate.database.query_one_i64(asleep) == 1);
    tell(&run);
    let code = run.wait().code;
    estate.untrigger("tenants");
    code
}

#[test]
fn each_documented_code_is_produced() {
    let estate = Estate::applied("chaos_codes");
    let run = |args: &[&str]| estate.run(args).code;
    let mut produced = BTreeMap::new();
    produced.insert(0, run(&["apply", "--yes"]));
    estate.edit("T1.yaml", "status: active", "status: inactive");
    produced.insert(2, run(&["plan", "--detailed-exitcode"]));
    produced.insert(3, run(&["plan", "--no-such-option"]));
    let digest = format!("sha256:{}", "0".repeat(64));
    produced.insert(6, run(&["apply", "--yes", "--expect-digest", &digest]));
    estate.trigger("tenants", "insert or update", "true", "raise exception 'no';");
    produced.insert(1, run(&["apply", "--yes"]));
    estate.untrigger("tenants");
    produced.insert(130, stopped(&estate, Running::interrupt));
    produced.insert(143, stopped(&estate, Running::terminate));
    let proxy = Proxy::before(&estate.database, Mode::Refuse);
    produced.insert(8, estate.synthex_at(&proxy.url(&estate.database), &["plan"]).run().code);
    estate.database.sql(
        "update synthex.leases set holder = gen_random_uuid(), host = 'elsewhere', pid = 1, command = 'apply', \
         acquired_at = clock_timestamp(), expires_at = clock_timestamp() + interval '1 hour'",
    );
    produced.insert(4, run(&["apply", "--yes"]));
    estate.database.sql("update synthex.leases set holder = null, expires_at = null");
    estate.edit("T2.yaml", "market: ANZ_SMB", "market: NOWHERE");
    produced.insert(7, run(&["apply", "--yes", "--on-error", "continue"]));
    estate.edit("T2.yaml", "market: NOWHERE", "market: ANZ_SMB");
    let project = estate.project.read("synthex.yaml").replace("maxDeletes: 100", "maxDeletes: 0");
    estate.project.write("synthex.yaml", project);
    estate.project.remove("manifests/muted.yaml");
    produced.insert(5, run(&["plan", "--prune"]));

    for (expected, found) in &produced {
        assert_eq!(expected, found, "of {produced:?}");
    }
    let text = estate.run(&["explain", "exit-codes"]).ok().stdout;
    // Those of every command; what `health check` says with its own comes below.
    let documented: Vec<i32> = text
        .lines()
        .take_while(|line| !line.contains("health check"))
        .filter_map(|line| line.split_whitespace().next()?.parse().ok())
        .collect();
    assert_eq!(documented, produced.keys().copied().collect::<Vec<_>>(), "{text}");
    account("S19 exit codes", &[("produced and documented", &documented.len())]);
}
