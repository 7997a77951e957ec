//! One writer for each workspace at a time: who has to wait is told for whom, who was silent for too long writes nothing.

mod hand;
mod line;
mod lost;

use std::time::{Duration, Instant};

use synthex::engine::{
    CommitOutcome, Holder, LeaseKeeper as _, StateErrorKind, StateWriter as _, WriteTransaction as _,
};
use synthex::store::{ConnectOptions, Writer};
use uuid::Uuid;

use crate::support::block_on;
use crate::support::cli::Running;
use crate::support::estate::Estate;
use crate::support::pgbouncer::PgBouncer;
use crate::support::project::{Project, project_yaml, tenant_yaml, workspace_yaml};

const TTL: Duration = Duration::from_secs(15);

/// Somebody else has the lease of `w`.
fn held_elsewhere(estate: &Estate, expires: &str) {
    estate.database.sql(&format!(
        "update synthex.leases set token = 7, holder = '00000000-0000-0000-0000-000000000001', host = 'runner-9', pid = 4242, actor = null, reason = null, \
         command = 'apply', run_url = 'https://ci.example/runs/5', acquired_at = clock_timestamp() - interval '90 seconds', \
         heartbeat_at = clock_timestamp(), expires_at = clock_timestamp() + interval '{expires}'"
    ));
}

fn lease(estate: &Estate) -> String {
    let sql =
        "select concat_ws(' ', token, coalesce(holder::text, 'free')) from synthex.leases where name = 'w'";
    estate.value(sql).expect("a lease")
}

/// An apply that writes for that long; returns once it does.
#[track_caller]
fn slow_apply(estate: &Estate, name: &str, seconds: f32) -> Running {
    estate.trigger(
        "tenants",
        "insert or update",
        &format!("new.name = '{name}'"),
        &format!("perform pg_sleep({seconds});"),
    );
    let mut run = estate.synthex(&["apply", "--yes"]).spawn();
    let asleep =
        "select count(*) from pg_stat_activity where datname = current_database() and wait_event = 'PgSleep'";
    run.wait_until("the trigger to sleep", || estate.database.query_one_i64(asleep) == 1);
    run
}

#[test]
fn a_lease_that_is_held_is_told_of_at_once_with_its_holder() {
    let estate = Estate::applied("lease_held");
    held_elsewhere(&estate, "10 seconds");
    let state = estate.state();
    estate.run(&["plan"]).ok();
    estate.apply().ok().stdout_has("No changes.");
    estate.edit("T1.yaml", "status: active", "status: inactive");
    let outcome = estate.apply().code(4);
    assert!(outcome.elapsed < Duration::from_secs(2), "{outcome}");
    let outcome = outcome
        .stderr_has("workspace `w`")
        .stderr_has("runner-9")
        .stderr_has("pid 4242")
        .stderr_has("synthex apply");
    outcome.stderr_has("for 90 s").stderr_has("https://ci.example/runs/5").stderr_has("--lock-timeout");
    let json = estate.run(&["apply", "--yes", "--format", "json"]).code(4).json();
    assert_eq!((&json["error"]["code"], &json["error"]["exit_code"]), (&"lease-held".into(), &4.into()));
    assert_eq!(estate.state(), state);
    assert_eq!(lease(&estate), "7 00000000-0000-0000-0000-000000000001", "it is still the other's");
}

#[test]
fn a_lease_whose_holder_is_writing_is_told_of_at_once_and_can_be_waited_for() {
    let estate = Estate::applied("lease_writing");
    // The other has the same manifests, but for a tenant of its own.
    let second = Project::empty();
    for file in ["w", "T1", "T2", "T3", "shops", "c1", "c2", "log", "chat", "expiry", "muted"] {
        let path = format!("manifests/{file}.yaml");
        second.write(&path, estate.project.read(&path));
    }
    second.write("synthex.yaml", estate.project.read("synthex.yaml"));
    second.write("manifests/T9.yaml", tenant_yaml("T9", "w"));
    second.remove("manifests/T1.yaml");
    second.remove("manifests/c1.yaml");

    estate.edit("T1.yaml", "status: active", "status: inactive");
    let first = slow_apply(&estate, "T1", 2.0);
    let pid = first.pid().as_raw_nonzero();
    let apply = |args: &[&str]| second.synthex(args.iter().copied()).database(&estate.database);
    let outcome = apply(&["apply", "--yes"]).run().code(4).stderr_has(&format!("pid {pid}"));
    assert!(outcome.elapsed < Duration::from_millis(1_500), "it does not wait: {outcome}");
    let start = Instant::now();
    let waiting = apply(&["apply", "--yes", "--lock-timeout", "30"]).spawn();
    first.wait().ok();
    waiting.wait().ok().stdout_has("1 to create");
    assert!(start.elapsed() < Duration::from_secs(8));
    let rows = "select string_agg(name || ' ' || status, ', ' order by name) from synthex.tenants where name in ('T1', 'T9')";
    assert_eq!(estate.value(rows).as_deref(), Some("T1 inactive, T9 active"));
    assert_eq!(estate.leases_held(), 0);
}

#[test]
fn waiting_for_a_lease_ends_when_the_time_is_up() {
    let estate = Estate::applied("lease_timeout");
    held_elsewhere(&estate, "1 hour");
    estate.edit("T1.yaml", "status: active", "status: inactive");
    let outcome = estate.run(&["apply", "--yes", "--lock-timeout", "1"]).code(4).stderr_has("runner-9");
    assert!(
        outcome.elapsed > Duration::from_secs(1) && outcome.elapsed < Duration::from_secs(3),
        "{outcome}"
    );
}

#[test]
fn two_workspaces_do_not_wait_for_each_other() {
    let estate = Estate::applied("lease_two");
    let other = Project::empty();
    other.write("synthex.yaml", project_yaml("other").replace("{}", "{workspace: v}"));
    other.write("manifests/v.yaml", workspace_yaml("v"));
    other.write("manifests/V1.yaml", tenant_yaml("V1", "v"));
    estate.edit("T1.yaml", "status: active", "status: inactive");
    let mut slow = slow_apply(&estate, "T1", 2.0);
    let outcome = other.synthex(["apply", "--yes"]).database(&estate.database).run().ok();
    assert!(slow.is_running(), "the other ended while this one was writing: {outcome}");
    slow.wait().ok();
    assert_eq!(estate.database.query_one_i64("select count(*) from synthex.batch_operations"), 3);
}

#[test]
fn a_lease_that_ran_out_is_taken_over_with_a_higher_token() {
    let estate = Estate::applied("lease_expired");
    held_elsewhere(&estate, "-1 seconds");
    estate.edit("T1.yaml", "status: active", "status: inactive");
    estate.apply().ok();
    assert_eq!(lease(&estate), "8 free");
    // And one that runs out while somebody waits.
    held_elsewhere(&estate, "1 seconds");
    estate.edit("T1.yaml", "status: inactive", "status: suspended");
    estate.run(&["apply", "--yes", "--lock-timeout", "20"]).ok();
    assert_eq!(lease(&estate), "8 free");
    estate.is_converged();
}

#[test]
fn a_holder_whose_lease_was_taken_over_writes_nothing() {
    let estate = Estate::applied("lease_stolen");
    // Between the taking of the lease and the writing, somebody takes it over: as after a long sleep of the machine.
    estate.database.sql(
        "create function public.steal() returns trigger language plpgsql as $f$ begin
             if pg_trigger_depth() = 1 and new.holder is not null then
                 update synthex.leases set token = token + 1, holder = '00000000-0000-0000-0000-000000000002', host = 'thief'
                     where name = new.name;
             end if; return null; end $f$;
         create trigger steal after update on synthex.leases for each row execute function public.steal()",
    );
    let state = estate.state();
    estate.edit("T1.yaml", "status: active", "status: inactive");
    estate.apply().code(4).stderr_has("the lease of workspace w was lost").stderr_has("nothing was written");
    assert_eq!(estate.state(), state);
    assert_eq!(lease(&estate), "3 00000000-0000-0000-0000-000000000002", "the new holder keeps it");
}

#[test]
fn the_store_refuses_an_old_token_to_write_to_beat_and_to_release() {
    let estate = Estate::applied("lease_fence");
    let options = ConnectOptions::new(estate.database.url(), Duration::from_secs(10), "test");
    let holder = |number: u128| Holder {
        id: Uuid::from_u128(number),
        actor: "somebody".to_owned(),
        host: "here".to_owned(),
        pid: 1,
        command: "apply".to_owned(),
        run_url: None,
        commit: None,
        reason: None,
    };
    let workspaces = ["w".to_owned()];
    block_on(async {
        let mut old = Writer::open(options.clone()).await.expect("a connection");
        let mut new = Writer::open(options).await.expect("a connection");
        let grant = old
            .take_leases(&holder(1), &workspaces, TTL, Duration::ZERO, &mut |_| ())
            .await
            .expect("a lease");
        let mut keeper = old.keeper(&grant).await.expect("a keeper");
        keeper.beat().await.expect("alive");
        let refused = new
            .take_leases(&holder(2), &workspaces, TTL, Duration::ZERO, &mut |_| ())
            .await
            .expect_err("held");
        assert_eq!(refused.kind, StateErrorKind::LeaseHeld);

        // A transaction that commits without giving its leases back is checked as well.
        let writing = old.begin(&grant).await.expect("it may write");
        held_elsewhere(&estate, "-1 seconds");
        assert_eq!(writing.commit().await.expect_err("too late").kind, StateErrorKind::LeaseLost);
        old.release(&holder(1)).await.expect("nothing is left to release");
        let grant = old.take_leases(&holder(1), &workspaces, TTL, Duration::ZERO, &mut |_| ()).await;
        let grant = grant.expect("what ran out can be taken");
        let writing = old.begin(&grant).await.expect("it may write");
        assert_eq!(writing.commit().await.expect("in time"), CommitOutcome::Committed);

        // Silent for longer than the lease lasts.
        let second = Duration::from_secs(1);
        let other = ["x".to_owned()];
        let shorter = old
            .take_leases(&holder(1), &other, second, Duration::ZERO, &mut |_| ())
            .await
            .expect("a short lease");
        let taken =
            new.take_leases(&holder(2), &other, TTL, 20 * second, &mut |_| ()).await.expect("taken over");
        assert!(taken.tokens[0].1 > shorter.tokens[0].1, "{:?} {:?}", taken.tokens, shorter.tokens);
        let lost = old.begin(&shorter).await.err().expect("fenced off");
        assert_eq!(lost.kind, StateErrorKind::LeaseLost);
        let mut keeper = old.keeper(&shorter).await.expect("a keeper");
        assert_eq!(keeper.beat().await.expect_err("lost").kind, StateErrorKind::LeaseLost);
        // Giving back what one no longer has takes nothing from the new holder.
        old.release(&holder(1)).await.expect("released");
        let _writing = new.begin(&taken).await.expect("the new holder may write");
        // All or none: `w` is free again, `x` is not.
        let both = ["w".to_owned(), "x".to_owned()];
        let refused = old
            .take_leases(&holder(3), &both, TTL, Duration::ZERO, &mut |_| ())
            .await
            .expect_err("one is held");
        assert_eq!(refused.kind, StateErrorKind::LeaseHeld);
        new.release(&holder(2)).await.expect("released");
        old.take_leases(&holder(3), &both, TTL, Duration::ZERO, &mut |_| ()).await.expect("both are free");
    });
}

/// What a lease goes through from now on: the holders in turn, `-` where it becomes free.
fn log_leases(estate: &Estate) {
    estate.database.sql(
        "create table public.lease_log (id bigint generated always as identity, name text, holder uuid);
         create function public.log_lease() returns trigger language plpgsql as $f$ begin
             insert into public.lease_log (name, holder) values (new.name, new.holder); return null; end $f$;
         create trigger y_log after insert or update on synthex.leases for each row execute function public.log_lease()",
    );
}

/// How often a lease went from one holder to the next without being free in between.
fn handed_over(estate: &Estate) -> i64 {
    estate.database.query_one_i64(
        "select count(*) from (select holder, lag(holder) over (partition by name order by id) as before from public.lease_log) as l \
         where holder <> before",
    )
}

/// A project of the workspace `w` with a tenant of its own, to be applied to the estate's database.
fn neighbour(tenant: &str) -> Project {
    let project = Project::empty();
    project.write("synthex.yaml", project_yaml("test").replace("spec: {}", "spec: {workspace: w}"));
    project.write("manifests/w.yaml", workspace_yaml("w"));
    project.write(&format!("manifests/{tenant}.yaml"), tenant_yaml(tenant, "w"));
    project
}

/// `lease list` on a terminal so wide that no cell is broken.
#[track_caller]
fn list(estate: &Estate) -> crate::support::cli::Outcome {
    estate.synthex(&["lease", "list"]).env("COLUMNS", "240").run().ok()
}

/// How many runs wait for leases.
fn waiting(estate: &Estate) -> i64 {
    estate.database.query_one_i64("select count(distinct holder) from synthex.lease_waiters")
}

/// Six runs, or twenty where `SYNTHEX_CHAOS` asks for it.
fn crowd() -> Vec<(String, Project)> {
    let count = crate::support::chaos_rounds(6, 20);
    (0..count).map(|number| format!("M{number}")).map(|name| (name.clone(), neighbour(&name))).collect()
}

fn many_at_once(estate: &Estate, url: &str) {
    let limit = Duration::from_secs(280);
    let spawn = |project: &Project, lock_timeout: &str| {
        let args = ["apply", "--yes", "--lock-timeout", lock_timeout];
        project.synthex(args).env("SYNTHEX_DATABASE_URL", url).limit(limit).spawn()
    };
    let applied = "select count(*) from synthex.tenants where name like 'M%' and deleted_at is null";
    log_leases(estate);

    // Nobody waits: who is not the one is told who is.
    let crowd = crowd();
    estate.trigger("tenants", "insert", "true", "perform pg_sleep(1);");
    let runs: Vec<Running> = crowd.iter().map(|(_, project)| spawn(project, "0")).collect();
    let pids: Vec<String> = runs.iter().map(|run| format!("(pid {})", run.pid().as_raw_nonzero())).collect();
    let outcomes: Vec<_> = runs.into_iter().map(Running::wait).collect();
    for outcome in outcomes.iter().filter(|outcome| outcome.code != 0) {
        assert_eq!(outcome.code, 4, "{outcome}");
        let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
        for part in ["`synthex apply` on ", &host, " has held the lease for ", " since 20", "--lock-timeout"]
        {
            assert!(outcome.stderr.contains(part), "{part:?} is missing: {outcome}");
        }
        assert!(pids.iter().any(|pid| outcome.stderr.contains(pid)), "{pids:?}: {outcome}");
    }
    let done = outcomes.iter().filter(|outcome| outcome.code == 0).count();
    assert!(done >= 1, "nobody got through");
    assert_eq!(estate.database.query_one_i64(applied), i64::try_from(done).unwrap());
    estate.untrigger("tenants");

    // Everybody waits.
    let runs: Vec<Running> = crowd.iter().map(|(_, project)| spawn(project, "4m")).collect();
    for run in runs {
        run.wait().ok();
    }
    assert_eq!(estate.database.query_one_i64(applied), i64::try_from(crowd.len()).unwrap());
    assert_eq!(handed_over(estate), 0, "two at once");
    assert_eq!((estate.leases_held(), waiting(estate)), (0, 0));

    // The one that works is killed: within the lease the next goes on, and says whom it replaced.
    let crowd: Vec<_> = crowd.iter().map(|(name, _)| neighbour(&format!("{name}x"))).collect();
    estate.trigger("tenants", "insert", "new.name = 'M0x'", "perform pg_sleep(60);");
    let mut runs = crowd.iter();
    let mut first = spawn(runs.next().expect("a run"), "4m");
    let asleep =
        "select count(*) from pg_stat_activity where datname = current_database() and wait_event = 'PgSleep'";
    first.wait_until("the trigger to sleep", || estate.database.query_one_i64(asleep) == 1);
    let others: Vec<Running> = runs.map(|project| spawn(project, "4m")).collect();
    let all = i64::try_from(others.len()).unwrap();
    assert!(crate::support::eventually(limit, || waiting(estate) == all), "{} wait", waiting(estate));
    let evicted = format!(
        "`synthex apply` on {} (pid {})",
        rustix::system::uname().nodename().to_string_lossy(),
        first.pid().as_raw_nonzero()
    );
    first.kill();
    let killed = Instant::now();
    let free = "select count(*) from synthex.tenants where name like 'M%x'";
    assert!(crate::support::eventually(Duration::from_secs(60), || estate.database.query_one_i64(free) > 0));
    assert!(killed.elapsed() < TTL + Duration::from_secs(5), "{:?}", killed.elapsed());
    let outcomes: Vec<_> = others.into_iter().map(|run| run.wait().ok()).collect();
    let told: Vec<_> = outcomes.iter().filter(|outcome| outcome.stderr.contains("Took over")).collect();
    assert_eq!(told.len(), 1, "one run took over");
    assert!(told[0].stderr.contains(&evicted), "{evicted}: {}", told[0]);
    assert_eq!(handed_over(estate), 1, "two at once");
    estate.untrigger("tenants");
}

#[test]
fn many_applies_at_once() {
    let estate = Estate::applied("lease_crowd");
    many_at_once(&estate, &estate.database.url());
}

#[test]
fn many_applies_at_once_behind_a_pooler() {
    let estate = Estate::applied("lease_crowd_pooler");
    let pooler = PgBouncer::start(&estate.database);
    many_at_once(&estate, &pooler.url(&estate.database));
}

#[test]
fn a_lease_is_renewed_while_its_holder_writes() {
    let estate = Estate::applied("lease_renewed");
    estate.edit("T1.yaml", "status: active", "status: inactive");
    let mut run = slow_apply(&estate, "T1", 14.0);
    let renewed = "select count(*) from synthex.leases where heartbeat_at > acquired_at + interval '4 seconds' \
                   and expires_at = heartbeat_at + interval '15 seconds'";
    run.wait_until("a heartbeat", || estate.database.query_one_i64(renewed) == 1);
    let held = estate.value("select concat_ws(' ', host is not null, pid, command, actor is not null, reason) from synthex.leases");
    assert_eq!(held, Some(format!("t {} apply t", run.pid().as_raw_nonzero())));
    run.wait().ok();
    estate.is_converged();
}

#[test]
fn of_many_applies_at_once_one_works_at_a_time() {
    let estate = Estate::new("lease_many");
    for lock_timeout in ["0", "30"] {
        let runs: Vec<Running> = (0..8)
            .map(|_| estate.synthex(&["apply", "--yes", "--lock-timeout", lock_timeout]).spawn())
            .collect();
        let outcomes: Vec<_> = runs.into_iter().map(Running::wait).collect();
        let allowed: &[i32] = if lock_timeout == "0" { &[0, 4] } else { &[0] };
        for outcome in &outcomes {
            assert!(allowed.contains(&outcome.code), "{outcome}");
        }
        assert!(outcomes.iter().any(|outcome| outcome.code == 0));
        estate.is_converged();
        assert_eq!(estate.leases_held(), 0);
        estate.declare_tenant("T1", &["industry: Retail"]);
    }
    assert_eq!(
        estate
            .database
            .query_one_i64("select count(*) from synthex.batch_operations where status = 'applied'"),
        2,
        "no work is done twice"
    );
    assert_eq!(estate.database.query_one_i64("select max(revision) from synthex.tenants"), 2);
}
