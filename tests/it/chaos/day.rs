//! S9 and R72: a day of a controller in short time. 288 cycles of five minutes and 96 rounds of health become as many seconds, with
//! an edit, something written by hand, and an evaluation every few of them. What it keeps does not grow with time, its memory is
//! flat, and while nothing changes it writes nothing.

use std::fs;
use std::time::{Duration, Instant};

use super::rig::{account, count, is_full};
use super::watched::{Watched, value};
use crate::support::estate::Estate;

/// What it keeps: by table, but what is there for the record (operations, results of checks).
const BOOKS: &str = "select string_agg(what, ', ' order by what) from ( \
     select 'sources ' || count(*) from synthex.watch_sources union all select 'conditions ' || count(*) from synthex.watch_conditions \
     union all select 'backoff ' || count(*) from synthex.watch_backoff union all select 'turns ' || count(*) from synthex.watch_turns \
     union all select 'replicas ' || count(*) from synthex.watch_replicas union all select 'health ' || count(*) from synthex.health_status \
     union all select 'leases ' || count(*) from synthex.leases union all select 'waiters ' || count(*) from synthex.lease_waiters \
     union all select 'alerts ' || count(*) from synthex.alerts union all select 'evaluations ' || count(*) from synthex.alert_evaluations \
     ) as books (what)";

/// Notes every row that is written, but those by which controllers say that they live, and when something was looked at last.
fn note_writes(estate: &Estate) {
    estate.database.admin_sql(
        "create table public.written (name text); grant all on public.written to public; \
         create function public.note() returns trigger language plpgsql as $f$ begin \
          insert into public.written values (tg_table_name || ' ' || tg_op); return null; end $f$",
    );
    let tables = "select relname::text from pg_class where relnamespace = 'synthex'::regnamespace and relkind in ('r', 'p') \
                  and not relispartition and relname not in ('leases', 'watch_replicas', 'watch_turns', 'alert_evaluations')";
    for table in estate.database.query_strings(tables).into_iter().flatten().flatten() {
        estate.database.admin_sql(&format!(
            "create trigger z_note after insert or update or delete on synthex.{table} for each row execute function public.note()"
        ));
    }
}

/// While nothing changes, nothing is written.
#[track_caller]
fn writes_nothing(estate: &Estate) {
    note_writes(estate);
    std::thread::sleep(Duration::from_secs(3));
    estate.database.sql("delete from public.written");
    std::thread::sleep(Duration::from_secs(30));
    let written = "select coalesce(string_agg(distinct name, ', '), '') from public.written";
    assert_eq!(value(estate, written).as_deref(), Some(""), "it writes although nothing changes");
}

/// How much memory a process has, in KiB.
fn memory(watched: &Watched<'_>) -> u64 {
    let path = format!("/proc/{}/status", watched.running.pid().as_raw_nonzero());
    let status = fs::read_to_string(path).unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap_or_default();
    line.split_whitespace().nth(1).and_then(|number| number.parse().ok()).unwrap_or_default()
}

/// The median of the least of each six samples: what a plan needs is there for moments only.
fn flat(values: &[u64]) -> u64 {
    let mut sorted: Vec<u64> = values.chunks(6).filter_map(|own| own.iter().min().copied()).collect();
    sorted.sort_unstable();
    sorted.get(sorted.len() / 2).copied().unwrap_or_default()
}

#[test]
fn a_day_leaves_memory_and_books_as_they_were() {
    let estate = Estate::new("chaos_day");
    // What is unwell would become an alert in the middle of it.
    for name in ["c1", "c2", "expiry", "muted", "chat", "log"] {
        estate.project.remove(&format!("manifests/{name}.yaml"));
    }
    let tenants = count(100, 2_000);
    let mut rows = "tenantId,name,type,region,shopifyShop\n".to_owned();
    for number in 0..tenants {
        rows.push_str(&format!("R{number},Row {number},shopify,AU-SE1,r{number}.myshopify.com\n"));
    }
    estate.project.write("manifests/rows.csv", rows);
    estate.declare("TenantSet", "rows", "{from: {csv: rows.csv}}");
    estate.declare("NotificationChannel", "box", "{type: in-app}");
    estate.declare(
        "AlertRule",
        "boxed",
        "{when: {credentialExpiry: {}}, schedule: '* * * * *', channels: [box]}",
    );
    estate.apply().ok();
    let controller = estate.synthex(&["watch", "--interval", "1s"]).limit(Duration::from_secs(1_800));
    let mut watched = Watched::start(&estate, controller);
    let operations = "select count(*) from synthex.batch_operations where command = 'watch'";
    let before = estate.database.query_one_i64(operations);
    let (cycles, mut changes, mut health, mut sizes) = (count(12, 288), 0, 0, Vec::new());
    let mut books = String::new();
    for cycle in 0..cycles {
        let begun = Instant::now();
        if cycle % 3 == 0 {
            health += 1;
            estate.database.sql("update synthex.health_status set due_at = now() where due_at is not null; notify synthex, 'operation'");
        }
        if cycle % 4 == 1 {
            let tenant = format!("R{}", cycle % tenants);
            estate
                .database
                .admin_sql(&format!("update synthex.tenants set region = 'NZ-NR1' where name = '{tenant}'"));
            let region = format!("select region from synthex.tenants where name = '{tenant}'");
            watched.comes_true("the correction", || value(&estate, &region).as_deref() == Some("AU-SE1"));
            changes += 1;
        }
        if cycle % 6 == 2 {
            let shown = format!("Day{cycle}");
            let tenant = estate.project.read("manifests/T1.yaml");
            let line = tenant.lines().find(|line| line.contains("displayName:")).expect("a name").to_owned();
            estate.edit("T1.yaml", &line, &format!("  displayName: {shown}"));
            let name = "select display_name from synthex.tenants where name = 'T1'";
            watched.comes_true("the edit", || value(&estate, name).as_deref() == Some(shown.as_str()));
            changes += 1;
        }
        estate.database.sql(
            "update synthex.alert_evaluations set evaluated_at = evaluated_at - interval '1 minute' where rule <> ''; \
             update synthex.watch_turns set due_at = now() where task = 'alerts'",
        );
        std::thread::sleep(Duration::from_secs(1).saturating_sub(begun.elapsed()));
        sizes.push(memory(&watched));
        if cycle + 1 == cycles / 2 {
            books = value(&estate, BOOKS).unwrap_or_default();
        }
    }
    watched.comes_true("that it is ready", || watched.is_ready());
    watched.probe();
    assert_eq!(value(&estate, BOOKS).unwrap_or_default(), books, "what it keeps grew in the second half");
    assert_eq!(estate.database.query_one_i64(operations) - before, changes, "one operation for each change");
    if is_full() {
        writes_nothing(&estate);
    }
    watched.ends();
    let (first, second) = sizes.split_at(sizes.len() / 2);
    let (early, late) = (flat(&first[first.len() / 2..]), flat(&second[second.len() / 2..]));
    account(
        "S9 a day in short time",
        &[
            ("tenants", &tenants),
            ("cycles", &cycles),
            ("changes", &changes),
            ("rounds of health", &health),
            ("KiB before half time", &early),
            ("KiB at the end", &late),
        ],
    );
    assert!(!is_full() || late * 100 <= early * 105, "memory grew from {early} to {late} KiB");
}
