//! Runs that wait for leases stand in line: first come, first served, nobody waits for the dead, and no two for each other.

use std::time::Duration;

use crate::support::cli::Running;
use crate::support::database::TestDatabase;
use crate::support::estate::Estate;
use crate::support::eventually;
use crate::support::pgbouncer::PgBouncer;
use crate::support::project::{Project, project_yaml, tenant_yaml, workspace_yaml};

use super::{held_elsewhere, neighbour, waiting};

fn free(estate: &Estate) {
    estate.database.sql("update synthex.leases set holder = null, expires_at = null, heartbeat_at = null");
}

/// A run in the line for `w`, on the first place.
fn in_line(estate: &Estate, seen: &str) {
    estate.database.sql(&format!(
        "delete from synthex.lease_waiters where ticket = 0; insert into synthex.lease_waiters (lease, ticket, holder, host, pid, command, seen_at) \
         values ('w', 0, gen_random_uuid(), 'runner-8', 77, 'apply', clock_timestamp() + interval '{seen}')"
    ));
}

#[track_caller]
fn first_come_first_served(estate: &Estate, url: &str) {
    held_elsewhere(estate, "1 hour");
    let names = ["N1", "N2", "N3", "N4"];
    let projects = names.map(neighbour);
    let mut runs: Vec<Running> = Vec::new();
    for (number, project) in projects.iter().enumerate() {
        let run =
            project.synthex(["apply", "--yes", "--lock-timeout", "60s"]).env("SYNTHEX_DATABASE_URL", url);
        let mut run = run.spawn();
        run.wait_for_stderr(
            "Waiting for workspace `w`: `synthex apply` on runner-9 (pid 4242) has held the lease",
        );
        let place = match number {
            0 => "next in line".to_owned(),
            1 => "1 run is ahead in the line".to_owned(),
            more => format!("{more} runs are ahead in the line"),
        };
        run.wait_for_stderr(&place);
        runs.push(run);
    }
    assert_eq!(waiting(estate), 4);
    free(estate);
    let outcomes: Vec<_> = runs.into_iter().map(|run| run.wait().ok()).collect();
    let order = "select string_agg(i.name, ' ' order by o.revision) from synthex.batch_operations as o \
                 join synthex.batch_operation_items as i on i.operation_id = o.id where i.name like 'N%'";
    assert_eq!(estate.value(order).as_deref(), Some("N1 N2 N3 N4"));
    assert_eq!((waiting(estate), estate.leases_held()), (0, 0));
    // Said once, and again only when the place has changed.
    assert_eq!(outcomes[0].stderr.matches("Waiting for").count(), 1, "{}", outcomes[0]);
    assert!((1..=4).contains(&outcomes[3].stderr.matches("Waiting for").count()), "{}", outcomes[3]);
}

#[test]
fn first_come_is_first_served() {
    let estate = Estate::applied("line_order");
    first_come_first_served(&estate, &estate.database.url());
}

#[test]
fn first_come_is_first_served_behind_a_pooler() {
    let estate = Estate::applied("line_order_pooler");
    let pooler = PgBouncer::with_pool_size(&estate.database, 2);
    first_come_first_served(&estate, &pooler.url(&estate.database));
}

#[test]
fn a_newcomer_overtakes_nobody() {
    let estate = Estate::applied("line_newcomer");
    estate.edit("T1.yaml", "status: active", "status: inactive");
    in_line(&estate, "1 hour");
    let outcome = estate.run(&["apply", "--yes"]).code(4);
    outcome
        .stderr_has("other runs are in line for workspace `w`")
        .stderr_has("`synthex apply` on runner-8 (pid 77)");
    estate.run(&["apply", "--yes", "--lock-timeout", "1"]).code(4).stderr_has("1 run is ahead in the line");
    assert_eq!(waiting(&estate), 1, "who gave up has left the line");
}

#[test]
fn nobody_waits_for_a_run_that_was_not_seen_for_some_seconds() {
    let estate = Estate::applied("line_dead");
    estate.edit("T1.yaml", "status: active", "status: inactive");
    in_line(&estate, "-4 seconds");
    estate.apply().ok();
    in_line(&estate, "-1 seconds");
    estate.edit("T1.yaml", "status: inactive", "status: active");
    estate.run(&["apply", "--yes"]).code(4);
    estate.run(&["apply", "--yes", "--lock-timeout", "10"]).ok();
}

#[test]
fn a_run_that_is_killed_in_the_line_holds_nobody_up() {
    let estate = Estate::applied("line_killed");
    held_elsewhere(&estate, "1 hour");
    let (one, two) = (neighbour("N1"), neighbour("N2"));
    let wait = ["apply", "--yes", "--lock-timeout", "30"];
    let mut first = one.synthex(wait).database(&estate.database).spawn();
    first.wait_for_stderr("next in line");
    let mut second = two.synthex(wait).database(&estate.database).spawn();
    second.wait_for_stderr("1 run is ahead");
    first.kill();
    first.wait().code(137);
    second.wait_for_stderr("next in line");
    free(&estate);
    second.wait().ok();
}

#[test]
fn told_to_stop_in_the_line_it_leaves_the_line() {
    let estate = Estate::applied("line_interrupt");
    held_elsewhere(&estate, "1 hour");
    estate.edit("T1.yaml", "status: active", "status: inactive");
    let mut run = estate.synthex(&["apply", "--yes", "--lock-timeout", "60"]).spawn();
    run.wait_for_stderr("next in line");
    assert_eq!(waiting(&estate), 1);
    run.interrupt();
    // A second signal, as from a CI system that loses its patience, changes nothing about how it ends.
    std::thread::sleep(Duration::from_millis(20));
    if run.is_running() {
        let _gone = rustix::process::kill_process(run.pid(), rustix::process::Signal::TERM);
    }
    run.wait().code(130).stderr_has("nothing was changed");
    assert_eq!(waiting(&estate), 0);
    assert_eq!(estate.value("select host from synthex.leases").as_deref(), Some("runner-9"));
}

#[test]
fn runs_that_want_several_workspaces_do_not_wait_for_each_other() {
    let database = TestDatabase::new("line_several");
    let project = |name: &str, workspaces: &[&str]| {
        let project = Project::empty();
        project.write("synthex.yaml", project_yaml("test").replace("spec: {}", "spec: {workspace: v}"));
        for workspace in workspaces {
            project.write(&format!("manifests/{workspace}.yaml"), workspace_yaml(workspace));
            let file = format!("manifests/{workspace}-{name}.yaml");
            project.write(&file, tenant_yaml(name, workspace));
        }
        project
    };
    project("T0", &["v", "w", "x"]).synthex(["apply", "--yes"]).database(&database).run().ok();
    let wishes: [&[&str]; 9] = [
        &["v", "w"],
        &["x", "w"],
        &["v"],
        &["w", "v"],
        &["x", "v"],
        &["w"],
        &["v", "w", "x"],
        &["x"],
        &["w", "x"],
    ];
    let projects: Vec<Project> =
        wishes.iter().enumerate().map(|(number, wish)| project(&format!("T{}", number + 1), wish)).collect();
    let runs: Vec<Running> = projects
        .iter()
        .map(|project| {
            project.synthex(["apply", "--yes", "--lock-timeout", "50"]).database(&database).spawn()
        })
        .collect();
    for run in runs {
        run.wait().ok();
    }
    let wanted = 3 + wishes.iter().map(|wish| wish.len()).sum::<usize>();
    assert_eq!(
        database.query_one_i64("select count(*) from synthex.tenants"),
        i64::try_from(wanted).unwrap()
    );
    assert!(eventually(Duration::from_secs(1), || {
        database.query_one_i64("select count(*) from synthex.lease_waiters") == 0
    }));
}

#[test]
fn how_long_to_wait_is_written_in_seconds_or_with_a_unit() {
    let estate = Estate::applied("line_units");
    held_elsewhere(&estate, "1 hour");
    estate.edit("T1.yaml", "status: active", "status: inactive");
    for (text, least, most) in [("0s", 0, 2), ("1s", 1, 4)] {
        let outcome = estate.run(&["apply", "--yes", "--lock-timeout", text]).code(4);
        let elapsed = outcome.elapsed;
        assert!(elapsed >= Duration::from_secs(least) && elapsed < Duration::from_secs(most), "{outcome}");
    }
    for wrong in ["-1", "5x", "25h", "90001", ""] {
        let flag = format!("--lock-timeout={wrong}");
        estate.run(&["apply", "--yes", &flag]).code(3);
    }
    // Five minutes are understood, and Ctrl-C ends them.
    let mut run = estate.synthex(&["apply", "--yes", "--lock-timeout", "5m"]).spawn();
    run.wait_for_stderr("next in line");
    run.interrupt();
    run.wait().code(130);
    // Nothing is said to who wants to hear nothing, and lines of JSON to who wants those.
    let outcome = estate.run(&["apply", "--yes", "-q", "--lock-timeout", "1"]).code(4);
    assert!(!outcome.stderr.contains("Waiting"), "{outcome}");
    let outcome = estate.run(&["apply", "--yes", "--progress", "json", "--lock-timeout", "1"]).code(4);
    let line = outcome.stderr.lines().find(|line| line.contains("\"waiting\"")).expect("a line of JSON");
    let line: serde_json::Value = serde_json::from_str(line).expect("JSON");
    assert_eq!((&line["ahead"], &line["held_by"]["host"]), (&0.into(), &"runner-9".into()));
}
