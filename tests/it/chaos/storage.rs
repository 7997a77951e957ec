//! Full disks under a controller: that of PostgreSQL, that of the clones of git, that of the log. It says so, writes nothing by
//! halves, and goes on by itself once there is space.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use super::rig::account;
use super::watched::{LIMIT, Watched, get, seconds, value, watch};
use crate::support::database::TestDatabase;
use crate::support::estate::Estate;
use crate::support::eventually;
use crate::support::git::Origin;
use crate::support::project::{project_yaml, tenant_yaml, workspace_yaml};
use crate::support::server::{Durability, TestServer};

/// A small file system, where we may make one.
pub struct Small<'a>(&'a Path);

impl Small<'_> {
    /// Of a size such as `16k`, for the owner of the folder.
    pub fn mount<'a>(at: &'a Path, size: &str) -> Option<Small<'a>> {
        fs::create_dir_all(at).expect("a folder");
        let of = fs::metadata(at).expect("it");
        let options = format!("size={size},uid={},gid={},mode=0700", of.uid(), of.gid());
        let mount = Command::new("mount").args(["-t", "tmpfs", "-o", &options, "tmpfs"]).arg(at).output();
        mount.is_ok_and(|output| output.status.success()).then_some(Small(at))
    }

    /// Takes all the space that is left.
    pub fn fill(&self) {
        let mut file = fs::File::create(self.0.join("filler")).expect("a file");
        let filled = std::io::copy(&mut std::io::repeat(7), &mut file);
        assert!(filled.is_err(), "it is full");
    }

    /// Gives it back.
    pub fn free(&self) {
        fs::remove_file(self.0.join("filler")).expect("the filler");
    }
}

impl Drop for Small<'_> {
    fn drop(&mut self) {
        // What still has files open there keeps it no longer than itself.
        let _best_effort = Command::new("umount").arg("-l").arg(self.0).output();
    }
}

/// Lets every write fail as on a full disk, while `public.disk` says that it is full.
fn may_be_full(estate: &Estate) {
    estate.database.admin_sql(
        "create table public.disk (is_full boolean); insert into public.disk values (false); \
         grant select on public.disk to public; \
         create function public.no_space() returns trigger language plpgsql as $f$ begin \
          if (select is_full from public.disk) then raise exception 'could not extend file \"base/5/1249\": No space left on device' \
           using errcode = '53100', hint = 'Check free disk space.'; end if; return null; end $f$; \
         do $d$ declare t text; begin for t in select tablename from pg_tables where schemaname = 'synthex' loop \
          execute format('create trigger a_no_space before insert or update on synthex.%I for each statement \
           execute function public.no_space()', t); end loop; end $d$",
    );
}

#[test]
fn a_database_that_takes_no_writes_is_said_and_written_to_again() {
    let estate = Estate::applied("chaos_no_space");
    may_be_full(&estate);
    let mut watched = Watched::start(&estate, watch(&estate, &estate.database.url(), &[]));
    watched.corrects("T2");
    let (state, operations) = (estate.state(), "select count(*) from synthex.batch_operations");
    let before = estate.database.query_one_i64(operations);
    estate.database.admin_sql("update public.disk set is_full = true");
    estate.edit("T1.yaml", "displayName: T1", "displayName: Saved");
    let (said, after) = watched.becomes_unready();
    assert!(said.contains("the database's disk is full"), "{said}");
    let down = || get(&watched.address, "/metrics").contains("\nsynthex_database_up 0");
    watched.comes_true("that the database counts as down", down);
    // It looks on, and reads on.
    let told = get(&watched.address, "/status");
    assert!(told.contains("free space on the server"), "{told}");
    assert!(get(&watched.address, "/").contains("<html"));
    watched.running.wait_for_stderr("free space on the server");
    std::thread::sleep(Duration::from_secs(6));
    watched.probe();
    assert_eq!(estate.state(), state, "nothing is written by halves");
    assert_eq!(estate.database.query_one_i64(operations), before);
    estate.database.admin_sql("update public.disk set is_full = false");
    let back = watched.comes_true("that it is ready again", || watched.is_ready());
    let name = "select display_name from synthex.tenants where name = 'T1'";
    watched.comes_true("what was saved meanwhile", || value(&estate, name).as_deref() == Some("Saved"));
    watched.corrects("T2");
    assert_eq!(estate.database.query_one_i64(operations), before + 2, "each change is on record once");
    estate.is_converged();
    watched.running.wait_for_stderr("works again");
    watched.ends();
    account(
        "PostgreSQL's disk full, as it says so",
        &[("unready after", &seconds(after)), ("ready again after", &seconds(back))],
    );
}

#[test]
fn a_tablespace_that_is_full_is_said_and_written_to_again() {
    let server = TestServer::dedicated(Durability::Fast);
    let folder = server.folder_for("space");
    let Some(small) = Small::mount(&folder, "40m") else {
        eprintln!("NOT TRIED: a small file system cannot be mounted here");
        return;
    };
    let estate = Estate::on(TestDatabase::on(&server, "chaos_tablespace"));
    estate.apply().ok();
    estate.database.admin_sql(&format!("create tablespace small location '{}'", folder.display()));
    estate.database.admin_sql("alter table all in tablespace pg_default set tablespace small");
    estate.database.admin_sql("alter index all in tablespace pg_default set tablespace small");
    estate.database.admin_sql("grant create on tablespace small to public");
    let mut watched = Watched::start(&estate, watch(&estate, &estate.database.url(), &[]));
    watched.corrects("T2");
    let tenants = "select count(*) from synthex.tenants where name like 'N%'";
    small.fill();
    let many: Vec<String> = (0..600).map(|number| tenant_yaml(&format!("N{number}"), "w")).collect();
    estate.project.write("manifests/many.yaml", many.join("---\n"));
    watched.running.wait_for_stderr("the database's disk is full");
    let said = || {
        let condition =
            "select message from synthex.watch_conditions where workspace = 'w' and type = 'Ready'";
        value(&estate, condition).is_some_and(|message| message.contains("disk is full"))
            || get(&watched.address, "/readyz").contains("disk is full")
            || get(&watched.address, "/status").contains("disk is full")
    };
    watched.comes_true("that the disk is full", said);
    watched.probe();
    assert_eq!(value(&estate, tenants).as_deref(), Some("0"), "all of them, or none");
    small.free();
    watched.comes_true("the tenants", || value(&estate, tenants).as_deref() == Some("600"));
    watched.comes_true("that it is ready again", || watched.is_ready());
    watched.corrects("T2");
    estate.is_converged();
    watched.ends();
    account("PostgreSQL's tablespace full", &[("tenants written afterwards", &600)]);
}

#[test]
fn a_disk_of_clones_that_is_full_keeps_the_last_good_commit_in_force() {
    let estate = Estate::new("chaos_clones");
    let state = estate.project.path().join("state");
    let Some(small) = Small::mount(&state, "8m") else {
        eprintln!("NOT TRIED: a small file system cannot be mounted here");
        return;
    };
    let origin = Origin::new();
    let named =
        |name: &str| tenant_yaml("T1", "w").replace("displayName: T1", &format!("displayName: {name}"));
    let (project, workspace) = (project_yaml("test"), workspace_yaml("w"));
    let commit = |name: &str| {
        origin.commit(&[
            ("synthex.yaml", project.as_str()),
            ("manifests/w.yaml", workspace.as_str()),
            ("manifests/T1.yaml", named(name).as_str()),
        ])
    };
    commit("T1");
    let repository = origin.path().display().to_string();
    let from = ["--git", repository.as_str(), "--git-every", "1s"];
    let controller = watch(&estate, &estate.database.url(), &from);
    let mut watched = Watched::start(&estate, controller.env("SYNTHEX_STATE_DIR", &state));
    watched.corrects("T1");
    small.fill();
    commit("Second");
    let ready =
        "select status || ' ' || reason || ' ' || message from synthex.watch_conditions where type = 'Ready'";
    let is_said = || value(&estate, ready).is_some_and(|text| text.starts_with("False SourceUnreachable"));
    watched.comes_true("that the commit cannot be had", is_said);
    let text = value(&estate, ready).unwrap_or_default();
    assert!(text.contains("space"), "{text}");
    watched.probe();
    // What was good stays in force.
    watched.corrects("T1");
    small.free();
    let name = "select display_name from synthex.tenants where name = 'T1'";
    watched.comes_true("the second commit", || value(&estate, name).as_deref() == Some("Second"));
    watched.comes_true("that all is well", || {
        value(&estate, ready).is_some_and(|text| text.starts_with("True Reconciled"))
    });
    watched.ends().stderr_has("space");
    account("the disk of git's clones full", &[("said as", &"SourceUnreachable")]);
}

#[test]
fn a_log_that_cannot_be_written_ends_nothing() {
    let estate = Estate::applied("chaos_log");
    for format in ["text", "json"] {
        let line = "exec \"$0\" \"$@\" 2>/dev/full";
        let controller = watch(&estate, &estate.database.url(), &["--log-format", format, "-v"]);
        // What it is told comes before the shell's line.
        let mut watched = Watched::start(&estate, controller.under("bash", &["-c", line]));
        watched.corrects("T2");
        estate.edit("T3.yaml", "market: ANZ_SMB", "market: MARS");
        let ready = "select reason from synthex.watch_conditions where workspace = 'w' and type = 'Ready'";
        watched.comes_true("a problem that it cannot log", || {
            value(&estate, ready).as_deref() == Some("InvalidManifest")
        });
        estate.edit("T3.yaml", "market: MARS", "market: ANZ_SMB");
        watched.comes_true("the end of it", || value(&estate, ready).as_deref() == Some("Reconciled"));
        watched.probe();
        watched.ends();
        let gone = "select count(*) from synthex.watch_replicas";
        assert!(eventually(LIMIT, || estate.database.query_one_i64(gone) == 0));
    }
    account("the log's disk full", &[("formats", &2)]);
}
