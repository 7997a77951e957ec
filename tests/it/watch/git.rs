//! A git repository as the source: the commit that is in force, a bad one, one that nobody signed, and a server that is away.

use std::path::Path;
use std::process::Command;

use crate::support::cli::Running;
use crate::support::database::TestDatabase;
use crate::support::project::{Project, project_yaml, tenant_yaml, workspace_yaml};

use super::comes_true;

/// A repository with a project in the folder `shops`, and a database.
struct Shops {
    repository: Project,
    elsewhere: Project,
    database: TestDatabase,
}

fn git(folder: &Path, args: &[&str]) -> String {
    let output = Command::new("git")
        .args(["-c", "user.name=Eva", "-c", "user.email=eva@example.com", "-c", "commit.gpgsign=false"])
        .args(args)
        .current_dir(folder)
        .output()
        .expect("git");
    assert!(output.status.success(), "git {args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

impl Shops {
    fn new(hint: &str) -> Shops {
        let shops = Shops {
            repository: Project::empty(),
            elsewhere: Project::empty(),
            database: TestDatabase::new(hint),
        };
        shops
            .repository
            .write("shops/synthex.yaml", project_yaml("test").replace("spec: {}", "spec: {workspace: w}"));
        shops.repository.write("shops/manifests/w.yaml", workspace_yaml("w"));
        shops.repository.write("shops/manifests/T1.yaml", tenant_yaml("T1", "w"));
        git(shops.repository.path(), &["init", "-q", "-b", "main"]);
        shops.commit("the first");
        shops
    }

    /// Commits everything; returns the commit.
    fn commit(&self, message: &str) -> String {
        git(self.repository.path(), &["add", "-A"]);
        git(self.repository.path(), &["commit", "-q", "-m", message]);
        git(self.repository.path(), &["rev-parse", "HEAD"])
    }

    fn rename(&self, name: &str) -> String {
        self.repository.write(
            "shops/manifests/T1.yaml",
            tenant_yaml("T1", "w").replace("displayName: T1", &format!("displayName: {name}")),
        );
        self.commit(name)
    }

    fn watch(&self, args: &[&str]) -> Running {
        let url = self.repository.path().to_string_lossy().into_owned();
        let all = ["watch", "--tasks", "reconcile", "--git-every", "1s", "--path", "shops", "--git", &url];
        let all: Vec<&str> = all.iter().chain(args).copied().collect();
        let limit = std::time::Duration::from_secs(120);
        self.elsewhere.synthex(all).database(&self.database).limit(limit).spawn()
    }

    fn value(&self, sql: &str) -> Option<String> {
        let rows = self.database.try_sql_as("synthex", sql).ok()?;
        rows.into_iter().next()?.into_iter().next()?
    }

    fn name(&self) -> Option<String> {
        self.value("select display_name from synthex.tenants where name = 'T1'")
    }

    fn ready(&self) -> Option<String> {
        self.value("select status || ' ' || reason || ' ' || message from synthex.watch_conditions where type = 'Ready'")
    }
}

#[test]
fn a_commit_comes_into_force_and_a_bad_one_does_not() {
    let shops = Shops::new("watch_git");
    let controller = shops.watch(&[]);
    comes_true("the first commit", || shops.name().as_deref() == Some("T1"));
    let second = shops.rename("Second");
    comes_true("the second commit", || shops.name().as_deref() == Some("Second"));
    let of = "select commit_sha from synthex.batch_operations order by revision desc limit 1";
    assert_eq!(shops.value(of), Some(second.clone()), "the operation names the commit");
    // A commit with a problem, and something written by hand meanwhile.
    shops.repository.write("shops/manifests/T1.yaml", tenant_yaml("T1", "w").replace("ANZ_SMB", "MARS"));
    let bad = shops.commit("a slip");
    comes_true("the problem", || {
        shops
            .ready()
            .is_some_and(|text| text.starts_with("False InvalidManifest shops/manifests/T1.yaml:9:11: "))
    });
    let source = "select observed || ' ' || good from synthex.watch_sources";
    assert_eq!(shops.value(source), Some(format!("{bad} {second}")));
    shops.database.admin_sql("update synthex.tenants set display_name = 'By hand' where name = 'T1'");
    comes_true("the correction", || shops.name().as_deref() == Some("Second"));
    // The branch goes back, by force.
    git(shops.repository.path(), &["reset", "-q", "--hard", &second]);
    comes_true("the end of the problem", || shops.ready().is_some_and(|text| text.starts_with("True")));
    shops.rename("Third");
    comes_true("the third commit", || shops.name().as_deref() == Some("Third"));
    controller.terminate();
    controller.wait().code(143);
}

#[test]
fn a_repository_that_is_away_changes_nothing() {
    let shops = Shops::new("watch_git_away");
    let _controller = shops.watch(&[]);
    comes_true("the first commit", || shops.ready().is_some_and(|text| text.starts_with("True")));
    let there = shops.repository.path().join(".git");
    let away = shops.repository.path().join(".away");
    std::fs::rename(&there, &away).unwrap();
    comes_true("that it is away", || {
        shops.ready().is_some_and(|text| text.starts_with("False SourceUnreachable"))
    });
    shops.database.admin_sql("update synthex.tenants set display_name = 'By hand' where name = 'T1'");
    comes_true("the correction", || shops.name().as_deref() == Some("T1"));
    std::fs::rename(&away, &there).unwrap();
    comes_true("that it is back", || shops.ready().is_some_and(|text| text.starts_with("True")));
}

#[test]
fn there_must_be_something_to_begin_with() {
    let shops = Shops::new("watch_git_begin");
    shops
        .watch(&["--ref", "nobody"])
        .wait()
        .code(8)
        .stderr_has("there is nothing to begin with")
        .stderr_has("nobody");
    // A project file that can be read is enough to begin with.
    shops.repository.write("shops/manifests/T1.yaml", "kind: [");
    shops.commit("a slip");
    let mut controller = shops.watch(&[]);
    controller.wait_for_stderr("shops/manifests/T1.yaml:1:");
    shops.rename("Mended");
    comes_true("the commit that is good", || shops.name().as_deref() == Some("Mended"));
}

#[test]
fn whoever_takes_over_while_the_newest_commit_is_bad_keeps_the_last_good_one_in_force() {
    let mut shops = Shops::new("watch_git_takeover");
    let first = shops.watch(&[]);
    comes_true("the first commit", || shops.ready().is_some_and(|text| text.starts_with("True")));
    // Another one that has seen nothing but the first commit.
    let elsewhere = std::mem::replace(&mut shops.elsewhere, Project::empty());
    let _second = shops.watch(&[]);
    comes_true("two controllers", || {
        shops.value("select count(*)::text from synthex.watch_replicas").as_deref() == Some("2")
    });
    shops.rename("Second");
    comes_true("the second commit", || shops.name().as_deref() == Some("Second"));
    comes_true("that it is in force", || shops.ready().is_some_and(|text| text.starts_with("True")));
    shops.repository.write("shops/manifests/T1.yaml", "kind: [");
    shops.commit("a slip");
    comes_true("the problem", || shops.ready().is_some_and(|text| text.starts_with("False InvalidManifest")));
    first.kill();
    let leader = "select pid::text from synthex.leases where name = 'watch:test' and holder is not null";
    let was = first.pid().as_raw_nonzero().to_string();
    comes_true("the other one", || shops.value(leader).is_some_and(|pid| pid != was));
    shops.database.admin_sql("update synthex.tenants set display_name = 'By hand' where name = 'T1'");
    comes_true("the correction", || shops.name().as_deref() != Some("By hand"));
    assert_eq!(shops.name().as_deref(), Some("Second"));
    drop(elsewhere);
}
