//! S15: no change without its record, and no record that is changed afterwards.

use super::rig::account;
use crate::support::estate::Estate;

const RECORD: [&str; 2] = ["batch_operations", "batch_operation_items"];
const FOREIGN: &str = "drift_events";

#[test]
fn what_cannot_be_recorded_does_not_happen() {
    let estate = Estate::applied("chaos_record");
    let state = estate.state();
    for (from, to) in [("active", "inactive"), ("inactive", "suspended")] {
        estate.edit("T1.yaml", &format!("status: {from}"), &format!("status: {to}"));
        for table in RECORD {
            estate.trigger(table, "insert", "true", "raise exception 'no record today';");
            estate.apply().code(1).stderr_has("no record today").stderr_has("nothing was changed");
            assert_eq!((estate.state(), estate.leases_held()), (state.clone(), 0), "{table}");
            estate.untrigger(table);
        }
    }
    estate.apply().ok();
    let row = "select concat_ws('|', command, status, actor <> '', host <> '', octet_length(plan_digest), \
               finished_at >= started_at, updated) from synthex.batch_operations order by revision desc limit 1";
    assert_eq!(estate.value(row).as_deref(), Some("apply|applied|t|t|32|t|1"));
    account("S15 record refused", &[("tables", &RECORD.len()), ("changes without a record", &0)]);
}

#[test]
fn nobody_changes_the_record() {
    let estate = Estate::applied("chaos_append");
    let role = estate.database.create_role("app", "secret");
    estate.database.sql(&format!(
        "grant usage on schema synthex to \"{role}\"; grant all on all tables in schema synthex to \"{role}\""
    ));
    let state = estate.state();
    let mut tries = 0;
    for who in [role.as_str(), "synthex"] {
        for table in RECORD.into_iter().chain([FOREIGN]) {
            let column = if table == RECORD[0] { "command" } else { "name" };
            for statement in [
                format!("update synthex.{table} set {column} = 'x'"),
                format!("delete from synthex.{table}"),
                format!("truncate synthex.{table} cascade"),
                format!("select set_config('synthex.engine', 'on', false); delete from synthex.{table}"),
                format!(
                    "select set_config('synthex.workspace', 'w', false); update synthex.{table} set {column} = 'x'"
                ),
                format!(
                    "insert into synthex.{table} select * from synthex.{table} on conflict (id) do update set {column} = 'x'"
                ),
            ] {
                // An item has no `id`; that statement is then refused for another reason, which is as good.
                let refused = estate.database.try_sql_as(who, &statement);
                assert!(refused.is_err(), "{who}: {statement}: {refused:?}");
                tries += 1;
            }
        }
    }
    for statement in
        ["alter table synthex.batch_operations disable trigger all", "drop table synthex.batch_operations"]
    {
        assert!(estate.database.try_sql_as(&role, statement).is_err(), "{statement}");
        tries += 1;
    }
    assert_eq!(estate.state(), state);
    account("S15 attempts on the record", &[("refused", &tries)]);
}
