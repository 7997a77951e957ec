//! S3: twenty applies at once, direct and through a pooler: one works at a time, the others wait or say for whom they
//! would have to.

use std::time::{Duration, Instant};

use super::rig::{account, count};
use crate::support::cli::Running;
use crate::support::estate::Estate;
use crate::support::eventually;
use crate::support::pgbouncer::PgBouncer;
use crate::support::project::{Project, project_yaml, tenant_yaml, workspace_yaml};

/// Projects that each declare one tenant of their own, in that workspace.
fn projects(workspace: &str, many: u32) -> Vec<Project> {
    let one = |number| {
        let project = Project::empty();
        project.write(
            "synthex.yaml",
            project_yaml(workspace).replace("{}", &format!("{{workspace: {workspace}}}")),
        );
        project.write("manifests/w.yaml", workspace_yaml(workspace));
        let name = format!("C{number}");
        project.write("manifests/t.yaml", tenant_yaml(&name, workspace));
        project
    };
    (0..many).map(one).collect()
}

/// Whoever writes while another does is refused. A lock of the transaction, not of the session: there is a pooler.
fn only_one_at_a_time(estate: &Estate) {
    estate.trigger(
        "tenants",
        "insert",
        "true",
        "if not pg_try_advisory_xact_lock(hashtext(new.workspace)) then raise exception 'two at once'; end if; perform pg_sleep(0.03);",
    );
}

fn crowd(name: &str, pool: Option<u32>) {
    let estate = Estate::applied("chaos_crowd");
    only_one_at_a_time(&estate);
    let pooler = pool.map(|size| PgBouncer::with_pool_size(&estate.database, size));
    let url = pooler.as_ref().map_or(estate.database.url(), |pooler| pooler.url(&estate.database));
    let many = count(5, 20);
    let applied = "select count(*) from synthex.batch_operations where status = 'applied'";
    let before = estate.database.query_one_i64(applied);
    let all = |projects: &[Project], wait: &str| -> Vec<_> {
        let start = |project: &Project| {
            let args = ["apply", "--yes", "--lock-timeout", wait];
            project.synthex(args).env("SYNTHEX_DATABASE_URL", &url).limit(Duration::from_secs(120)).spawn()
        };
        let runs: Vec<Running> = projects.iter().map(start).collect();
        runs.into_iter().map(Running::wait).collect()
    };
    // The workspace itself is the first one's.
    let crowd = projects("crowd", many);
    crowd[0].synthex(["apply", "--yes"]).env("SYNTHEX_DATABASE_URL", &url).run().ok();
    let (mut worked, mut turned_away) = (1, 0);
    for outcome in all(&crowd[1..], "0") {
        match outcome.code {
            0 => worked += 1,
            4 => {
                turned_away += 1;
                let outcome = outcome.stderr_has("workspace `crowd`").nowhere("canary");
                if !outcome.stderr.contains("being taken by another run") {
                    outcome.stderr_has("synthex apply").stderr_has("pid ").stderr_has(" for ");
                }
            }
            _ => panic!("{outcome}"),
        }
    }
    for outcome in all(&crowd[1..], "100") {
        worked += i64::from(outcome.stdout.contains("Applied as revision"));
        outcome.ok();
    }
    let rows = "select count(*) from synthex.tenants where workspace = 'crowd'";
    assert_eq!(estate.database.query_one_i64(rows), i64::from(many));
    assert_eq!(estate.database.query_one_i64(applied) - before, worked);
    assert_eq!(worked, i64::from(many), "no work is done twice");
    assert_eq!(estate.leases_held(), 0);
    account(name, &[("at once", &many), ("worked", &worked), ("turned away", &turned_away)]);
}

#[test]
fn many_at_once_direct() {
    crowd("S3 applies at once, direct", None);
}

#[test]
fn many_at_once_through_a_pooler() {
    crowd("S3 applies at once, pgbouncer in transaction mode", Some(count(2, 8)));
}

#[test]
fn a_killed_holder_holds_nobody_up_for_long() {
    let mut longest = Duration::ZERO;
    // In the middle of a statement that would take a minute: the server must notice that nobody waits for it.
    for pooled in [false, true] {
        let estate = Estate::applied("chaos_holder");
        let pooler = pooled.then(|| PgBouncer::start(&estate.database));
        let url = pooler.as_ref().map_or(estate.database.url(), |pooler| pooler.url(&estate.database));
        estate.edit("T1.yaml", "status: active", "status: inactive");
        estate.trigger("tenants", "insert or update", "new.name = 'T1'", "perform pg_sleep(60);");
        let mut holder = estate.synthex_at(&url, &["apply", "--yes"]).spawn();
        let asleep = "select count(*) from pg_stat_activity where datname = current_database() and wait_event = 'PgSleep'";
        holder.wait_until("the trigger to sleep", || estate.database.query_one_i64(asleep) == 1);
        // Another workspace is not held up at all.
        let other = projects("elsewhere", 1).remove(0);
        let free = other.synthex(["apply", "--yes"]).env("SYNTHEX_DATABASE_URL", &url).run().ok();
        assert!(free.elapsed < Duration::from_secs(5), "{free}");
        assert!(holder.is_running());
        holder.kill();
        let begun = Instant::now();
        assert_eq!(holder.wait().code, 137);
        if !super::rig::is_full() {
            // The server must see by itself that the client is gone; the lease may be made to run out.
            let open = "select count(*) from pg_stat_activity where datname = current_database() and wait_event = 'PgSleep'";
            assert!(eventually(Duration::from_secs(6), || estate.database.query_one_i64(open) == 0));
            estate
                .database
                .sql("update synthex.leases set expires_at = clock_timestamp() where holder is not null");
        }
        estate.project.write("manifests/T9.yaml", tenant_yaml("T9", "w"));
        estate.edit("T1.yaml", "status: inactive", "status: active");
        estate
            .synthex_at(&url, &["apply", "--yes", "--lock-timeout", "30"])
            .run()
            .ok()
            .stdout_has("1 to create");
        longest = longest.max(begun.elapsed());
        assert!(longest < Duration::from_secs(17), "the next one had to wait for {longest:?}");
        if !super::rig::is_full() {
            break;
        }
    }
    account("S3 holder killed while it writes", &[("the next went on after s", &longest.as_secs())]);
}
