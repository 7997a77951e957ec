//! A batch of 1,000 rows with a bad one in it, and taking exactly one operation back (S16).

use std::fmt::Write as _;

use crate::support::dump::dump;
use crate::support::estate::Estate;

/// Rows with the ids `R1` to `R1000`; of the bad ones the market is none.
fn rows(bad: &[usize]) -> String {
    some_rows(1_000, bad)
}

fn some_rows(count: usize, bad: &[usize]) -> String {
    let mut text = "tenantId,name,type,market,region,shopifyShop,labels.lot\n".to_owned();
    for number in 1..=count {
        let market = if bad.contains(&number) { "MARS" } else { "ANZ_SMB" };
        writeln!(text, "R{number},Shop {number},shopify,{market},AU-SE1,r{number}.myshopify.com,a").unwrap();
    }
    text
}

const CREATE: [&str; 7] = ["batch", "tenants", "create", "--from-csv", "rows.csv", "--yes", "--format"];

#[test]
fn one_bad_row_of_a_thousand_stops_all_or_is_left_out_and_the_rest_is_taken_back_to_the_byte() {
    let estate = Estate::applied("batch_s16");
    let (before, state) = (dump(&estate.database), estate.state());

    estate.project.write("rows.csv", rows(&[500, 700]));
    let out = estate.run(&[&CREATE[..], &["human"]].concat()).code(3).nowhere("panicked");
    out.stderr_has("rows.csv:501:4").stderr_has("rows.csv:701:4").stderr_has("`market`");
    let out = estate.run(&[&CREATE[..], &["json"]].concat()).code(3).json();
    assert_eq!(
        (&out["total"], &out["successCount"], &out["failureCount"]),
        (&1_000.into(), &0.into(), &2.into())
    );
    assert_eq!(out["failed"][0]["item"], "tenant/w/R500");
    assert!(out["failed"][0]["error"].as_str().unwrap().starts_with("rows.csv:501:4: "), "{out:#}");
    assert_eq!(dump(&estate.database), before, "nothing was applied");
    assert_eq!(estate.state(), state);

    estate.project.write("rows.csv", rows(&[500]));
    let out = estate.run(&[&CREATE[..], &["json", "--on-error", "continue"]].concat()).code(7).json();
    assert_eq!(
        (&out["total"], &out["successCount"], &out["failureCount"]),
        (&1_000.into(), &999.into(), &1.into())
    );
    assert_eq!(
        estate.database.query_one_i64("select count(*) from synthex.tenants where owner = 'cli'"),
        999
    );

    let revision = out["revision"].to_string();
    let rollback = ["batch", "rollback", &revision, "--yes", "--format", "json"];
    let undone = estate.run(&rollback).ok().json();
    assert_eq!((&undone["successCount"], &undone["summary"]["delete"]), (&999.into(), &999.into()));
    assert_eq!(dump(&estate.database), before, "the bytes are as they were");
    // Once is enough.
    estate.run(&rollback).code(5).stderr_has("taken back already");
}

#[test]
fn thousands_of_rows_are_written_set_by_set_and_each_is_checked_and_recorded() {
    let estate = Estate::applied("batch_sets");
    estate.project.write("rows.csv", some_rows(2_500, &[]));
    let state = estate.state();
    // One that the database refuses in the second set, after the third was made ready.
    estate.database.sql("alter table synthex.tenants add constraint lucky check (name <> 'R1500')");
    let out = estate.run(&[&CREATE[..], &["human"]].concat()).code(1);
    out.stderr_has("tenant/w/R1500 (rows.csv:1501:1)").stderr_has("lucky");
    assert_eq!(estate.state(), state, "nothing was applied");
    estate.database.sql("alter table synthex.tenants drop constraint lucky");
    // One that is not what was written, in the last part that is read back.
    for (body, field) in
        [("new.website := 'https://x.example';", "website"), ("new.employee_count := 5;", "employeeCount")]
    {
        estate.trigger("tenants", "insert or update", "new.name = 'R2499'", body);
        let out = estate.run(&[&CREATE[..], &["human"]].concat()).code(1).stderr_has("not what was declared");
        out.stderr_has("tenant/w/R2499").stderr_has(field);
        assert_eq!(estate.state(), state, "nothing was applied");
    }
    estate.untrigger("tenants");

    let created = done(&estate, "batch tenants create --from-csv rows.csv");
    let updated = done(&estate, "batch tenants update -l lot=a --set industry=Toys");
    let db = &estate.database;
    // The items are in the order in which they were done, none twice and none missing, each with its own row.
    let wrong = |revision: &str, condition: &str| {
        db.query_one_i64(&format!(
            "select count(*) from synthex.batch_operation_items as i join synthex.batch_operations as o \
             on o.id = i.operation_id where o.revision = {revision} and not ({condition})"
        ))
    };
    let own = "i.after #>> '{spec,displayName}' = 'Shop ' || substr(i.name, 2)";
    assert_eq!(wrong(&created, &format!("{own} and i.before is null")), 0);
    assert_eq!(wrong(&created, "false"), 2_500);
    let changed = "i.before #>> '{spec,displayName}' = i.after #>> '{spec,displayName}' \
         and i.before #>> '{spec,industry}' is null and i.after #>> '{spec,industry}' = 'Toys'";
    assert_eq!(wrong(&updated, &format!("{own} and {changed}")), 0);
    for revision in [&created, &updated] {
        let gaps = format!(
            "select count(*) filter (where seq <> place or name < before) from (select i.seq, i.name, \
             row_number() over w as place, lag(i.name, 1, '') over w as before from synthex.batch_operation_items as i \
             join synthex.batch_operations as o on o.id = i.operation_id where o.revision = {revision} \
             window w as (order by i.seq)) as i"
        );
        assert_eq!(db.query_one_i64(&gaps), 0, "{revision}");
    }
    let toys =
        "select count(*) from synthex.tenants where name like 'R%' and industry = 'Toys' and revision = 2";
    assert_eq!(db.query_one_i64(toys), 2_500);
}

/// Runs a command without asking, and returns the number of the operation that it was.
#[track_caller]
fn done(estate: &Estate, words: &str) -> String {
    let args: Vec<&str> = words.split(' ').chain(["--yes", "--format", "json"]).collect();
    estate.run(&args).ok().json()["revision"].to_string()
}

#[test]
fn an_update_is_taken_back_and_what_came_later_is_not_trampled_on() {
    let estate = Estate::applied("batch_rollback");
    let header = "tenantId,name,type,shopifyShop,labels.tier";
    let rows = "A,Alpha,shopify,a.myshopify.com,gold\nB,Beta,shopify,b.myshopify.com,gold\nC,Gamma,mixed,,\n";
    estate.project.write("rows.csv", format!("{header}\n{rows}"));
    let empty = dump(&estate.database);
    let created = done(&estate, "batch tenants create --from-csv rows.csv");
    let before = estate.declared();
    let updated = done(&estate, "batch tenants update -l tier=gold --status suspended");
    let newer = done(&estate, "batch tenants update --tenant-ids B --set industry=Toys");
    let state = estate.state();
    let out = estate.run(&["batch", "rollback", &updated, "--yes"]).code(5);
    let out = out.stderr_has(&format!("tenant/w/B was changed by operation {newer} (batch tenants update"));
    assert!(!out.stderr.contains("tenant/w/A"), "{out}");
    assert_eq!(estate.state(), state, "nothing of it was done");
    // The newest first.
    done(&estate, &format!("batch rollback {newer}"));
    done(&estate, &format!("batch rollback {updated}"));
    estate.run(&["batch", "rollback", &updated, "--yes"]).code(5).stderr_has("taken back already");
    assert_eq!(estate.declared(), before, "what was changed and changed back is as it was");
    estate.is_converged();

    // By hand.
    let updated = done(&estate, "batch tenants update --tenant-ids A,C --status inactive");
    estate.database.sql("update synthex.tenants set industry = 'x' where name in ('A', 'C')");
    let out = estate.run(&["batch", "rollback", &updated, "--yes"]).code(5);
    out.stderr_has("tenant/w/A was changed by hand").stderr_has("tenant/w/C was changed by hand");
    let rollback = ["batch", "rollback", &created, "--yes", "--format", "json"];
    let out = estate.run(&rollback).code(5).json();
    let failed = (&out["failureCount"], &out["failed"][0]["item"]);
    assert_eq!(failed, (&2.into(), &"tenant/w/A".into()), "{out:#}");
    // Brought back to what the operation left, all of it can be taken back.
    done(&estate, "batch tenants update --tenant-ids A,B,C --status active --unset industry");
    done(&estate, &format!("batch rollback {created}"));
    assert_eq!(dump(&estate.database), empty);
}

#[test]
fn an_update_alone_is_taken_back() {
    let estate = Estate::applied("batch_back");
    estate.project.write("rows.csv", "tenantId,name,type\nA,Alpha,shopify\nB,Beta,shopify\nC,Gone,mixed\n");
    estate.run(&["batch", "tenants", "create", "--from-csv", "rows.csv", "--yes"]).ok();
    estate.run(&["batch", "tenants", "delete", "--tenant-ids", "C", "--yes"]).ok();
    let before = estate.declared();
    let revision = done(&estate, "batch tenants update --tenant-ids A,B --set metadata.a=1 --name X");
    assert_ne!(estate.declared(), before);
    let id = estate.run(&["batch", "show", &revision, "--format", "json"]).json()["operationId"]
        .as_str()
        .unwrap()
        .to_owned();
    estate.run(&["batch", "rollback", &id, "--yes"]).ok();
    assert_eq!(estate.declared(), before);
    // What was deleted before and is made again lives again, and is deleted again, not removed.
    estate.project.write("again.csv", "tenantId,name,type\nC,Again,mixed\nD,Delta,mixed\n");
    let create = ["batch", "tenants", "create", "--from-csv", "again.csv", "--yes", "--format", "json"];
    let out = estate.run(&create).ok().json();
    assert_eq!((&out["summary"]["create"], &out["summary"]["restore"]), (&1.into(), &1.into()));
    estate
        .run(&["batch", "rollback", &out["revision"].to_string(), "--yes"])
        .ok()
        .stdout_has("is deleted again");
    assert_eq!(estate.declared(), before);
    assert_eq!(
        estate
            .value("select string_agg(name, ',' order by name) from synthex.tenants where owner = 'cli'")
            .as_deref(),
        Some("A,B,C")
    );
    // An apply of the project is not taken back here, nor what never was.
    let out = estate.run(&["batch", "rollback", "1", "--yes"]).code(3);
    out.stderr_has("is an apply of project `test`").stderr_has("synthex rollback --to");
    estate.run(&["batch", "rollback", "99", "--yes"]).code(3).stderr_has("there is no operation 99");
    estate.run(&["batch", "show", "99"]).code(3).stderr_has("there is no operation 99");
    estate.run(&["batch", "show", "nothing"]).code(3).stderr_has("revision number");
}

#[test]
fn told_to_stop_it_leaves_the_state_before() {
    let estate = Estate::applied("batch_interrupt");
    estate.project.write("rows.csv", rows(&[]));
    let state = estate.state();
    estate.trigger("tenants", "insert", "new.name = 'R900'", "perform pg_sleep(20);");
    let mut run = estate.synthex(&[&CREATE[..], &["json"]].concat()).spawn();
    let asleep =
        "select count(*) from pg_stat_activity where datname = current_database() and wait_event = 'PgSleep'";
    run.wait_until("the trigger's sleep", || estate.database.query_one_i64(asleep) > 0);
    run.interrupt();
    let out = run.wait().code(130).stderr_has("nothing was changed");
    assert_eq!(out.json()["error"]["exit_code"], 130);
    assert_eq!(estate.leases_held(), 0);
    estate.untrigger("tenants");
    assert_eq!(estate.state(), state);
}

#[test]
fn what_the_database_refuses_is_an_item_that_failed() {
    let estate = Estate::applied("batch_refused");
    estate.project.write("rows.csv", rows(&[]));
    let state = estate.state();
    estate.trigger(
        "tenants",
        "insert",
        "new.name = 'R900'",
        "raise exception 'not this one' using errcode = '23514';",
    );
    estate
        .run(&[&CREATE[..], &["json"]].concat())
        .code(1)
        .stderr_has("rows.csv:901:1")
        .stderr_has("nothing was changed");
    assert_eq!(estate.state(), state);
    let out = estate.run(&[&CREATE[..], &["json", "--on-error", "continue"]].concat()).code(7).json();
    assert_eq!(
        (&out["total"], &out["successCount"], &out["failureCount"]),
        (&1_000.into(), &999.into(), &1.into())
    );
    assert_eq!(out["failed"][0]["item"], "tenant/w/R900");
    assert!(out["failed"][0]["error"].as_str().unwrap().contains("not this one"), "{out:#}");
    let shown = estate.run(&["batch", "show", &out["revision"].to_string(), "--format", "json"]).ok().json();
    assert_eq!((&shown["failureCount"], &shown["failed"][0]["item"]), (&1.into(), &"tenant/w/R900".into()));
}
