//! What is declared comes into force, and stays: files, drift, bad revisions, pauses, two writers, rollbacks.

use crate::support::estate::Estate;
use crate::support::project::{Project, project_yaml, workspace_yaml};

use super::{comes_true, condition, display_name, is_ready, start, status, value};

#[test]
fn what_is_declared_comes_into_force_and_stays() {
    let estate = Estate::new("watch_in_force");
    let controller = start(&estate, &[]);
    is_ready(&estate);
    estate.is_converged();
    // A file that is saved.
    estate.edit("T1.yaml", "displayName: T1", "displayName: Saved");
    comes_true("the saved name", || display_name(&estate, "T1").as_deref() == Some("Saved"));
    // Somebody writes by hand, and removes a row.
    estate.database.admin_sql("update synthex.tenants set display_name = 'By hand' where name = 'T2'");
    comes_true("the correction", || display_name(&estate, "T2").as_deref() == Some("T2"));
    estate.database.admin_sql("delete from synthex.tenants where name = 'T3'");
    comes_true("the row", || display_name(&estate, "T3").as_deref() == Some("T3"));
    // A file that is new, and one that is gone.
    estate.declare_tenant("T4", &[]);
    comes_true("the new tenant", || display_name(&estate, "T4").is_some());
    let commands = estate.run(&["history", "--format", "json"]).json();
    let operations = commands["operations"].as_array().expect("a list");
    assert!(operations.len() >= 4 && operations.iter().all(|own| own["command"] == "watch"), "{commands:#}");
    assert!(
        operations
            .iter()
            .any(|own| own["note"].as_str().is_some_and(|note| note.starts_with("manifests files-"))),
        "{commands:#}"
    );
    controller.terminate();
    controller.wait().code(143);
    let held = "select count(*) from synthex.leases where holder is not null";
    assert_eq!(estate.database.query_one_i64(held), 0);
    assert_eq!(estate.database.query_one_i64("select count(*) from synthex.watch_replicas"), 0);
}

#[test]
fn a_bad_revision_changes_nothing_and_the_last_good_one_stays_in_force() {
    let estate = Estate::new("watch_bad_revision");
    let _controller = start(&estate, &[]);
    is_ready(&estate);
    let since = "select since::text from synthex.watch_conditions where type = 'Synced'";
    let before = value(&estate, since);
    estate.edit("T1.yaml", "market: ANZ_SMB", "market: MARS");
    comes_true("the problem", || condition(&estate, "Ready") == "False InvalidManifest");
    assert_eq!(condition(&estate, "Stalled"), "True InvalidManifest");
    let shown = status(&estate);
    let problem = shown["source"]["problem"].as_str().expect("a text");
    assert!(problem.starts_with("manifests/T1.yaml:9:11: ") && problem.contains("MARS"), "{problem}");
    assert_ne!(shown["source"]["observed"], shown["source"]["good"]);
    estate.run(&["watch", "status"]).ok().stdout_has("InvalidManifest").stdout_has("manifests/T1.yaml:9:11");
    estate.run(&["watch", "status", "--detailed-exitcode"]).code(2);
    // What is wrong with the manifests is alerted of like anything that is not well.
    let health = "select status || ' ' || code from synthex.health_status where service = 'sync'";
    comes_true("the health check", || {
        value(&estate, health).as_deref() == Some("unhealthy invalid_manifest")
    });
    // Drift is corrected by the last good revision.
    estate.database.admin_sql("update synthex.tenants set display_name = 'By hand' where name = 'T2'");
    comes_true("the correction", || display_name(&estate, "T2").as_deref() == Some("T2"));
    estate.edit("T1.yaml", "market: MARS", "market: ANZ_SMB");
    is_ready(&estate);
    comes_true("the health check", || value(&estate, health).as_deref() == Some("healthy in_sync"));
    assert_eq!(value(&estate, since), before, "what stayed as it was keeps its time");
}

#[test]
fn a_paused_workspace_is_left_alone_until_the_pause_ends() {
    let estate = Estate::new("watch_pause");
    let _controller = start(&estate, &[]);
    is_ready(&estate);
    estate.database.sql(
        "insert into synthex.pauses (workspace, reason, actor, until) \
         values ('w', 'INC-12', 'eva@box', clock_timestamp() + interval '4 seconds')",
    );
    comes_true("the pause", || condition(&estate, "Paused") == "True Paused");
    estate.database.admin_sql("update synthex.tenants set display_name = 'By hand' where name = 'T2'");
    comes_true("the drift", || condition(&estate, "Synced") == "False Paused");
    assert_eq!(display_name(&estate, "T2").as_deref(), Some("By hand"));
    let message = value(&estate, "select message from synthex.watch_conditions where type = 'Paused'");
    assert!(
        message.is_some_and(|text| text.starts_with("paused by eva@box until ") && text.ends_with("INC-12"))
    );
    // It ends by itself.
    comes_true("the correction", || display_name(&estate, "T2").as_deref() == Some("T2"));
    is_ready(&estate);
    assert_eq!(condition(&estate, "Paused"), "False Running");
}

#[test]
fn what_was_rolled_back_is_not_put_in_force_again() {
    let estate = Estate::new("watch_rollback");
    let controller = start(&estate, &[]);
    is_ready(&estate);
    estate.edit("T1.yaml", "displayName: T1", "displayName: Bad idea");
    comes_true("the bad idea", || display_name(&estate, "T1").as_deref() == Some("Bad idea"));
    is_ready(&estate);
    let plan = estate.run(&["rollback", "--to", "1", "--plan"]).ok();
    plan.stderr_has("A controller runs (synthex watch on ").stderr_has("It would hold back the revision");
    let done = estate.run(&["rollback", "--to", "1", "--yes"]).ok();
    done.stderr_has("It holds back the revision of the manifests that was in force");
    comes_true("the hold", || condition(&estate, "Synced") == "False RolledBack");
    assert_eq!(condition(&estate, "Stalled"), "True RolledBack");
    assert_eq!(display_name(&estate, "T1").as_deref(), Some("T1"));
    estate.run(&["watch", "status"]).ok().stdout_has("rolled it back");
    // Whoever takes over knows it too.
    controller.terminate();
    controller.wait().code(143);
    let _another = start(&estate, &[]);
    comes_true("the other one", || {
        value(&estate, "select count(*)::text from synthex.watch_replicas").as_deref() == Some("1")
    });
    std::thread::sleep(std::time::Duration::from_secs(3));
    assert_eq!(display_name(&estate, "T1").as_deref(), Some("T1"));
    assert_eq!(condition(&estate, "Synced"), "False RolledBack");
    // Another revision goes on.
    estate.edit("T1.yaml", "displayName: Bad idea", "displayName: Better idea");
    comes_true("the better idea", || display_name(&estate, "T1").as_deref() == Some("Better idea"));
    is_ready(&estate);
}

#[test]
fn a_rollback_holds_also_where_the_revision_was_never_in_force_as_a_whole() {
    let estate = Estate::new("watch_rollback_part");
    let _controller = start(&estate, &[]);
    is_ready(&estate);
    estate.trigger("tenants", "update", "new.name = 'T2'", "raise exception 'not this one';");
    estate.edit("T1.yaml", "displayName: T1", "displayName: Bad idea");
    estate.edit("T2.yaml", "displayName: T2", "displayName: Bad idea");
    comes_true("the bad idea", || display_name(&estate, "T1").as_deref() == Some("Bad idea"));
    estate.run(&["rollback", "--to", "1", "--yes"]).ok();
    comes_true("the hold", || condition(&estate, "Synced") == "False RolledBack");
    // A command that changes something else does not end it.
    estate.untrigger("tenants");
    estate.declare_tenant("T4", &[]);
    estate.project.remove("manifests/T4.yaml");
    std::thread::sleep(std::time::Duration::from_secs(3));
    assert_eq!(display_name(&estate, "T1").as_deref(), Some("T1"));
}

#[test]
fn manifests_of_another_project_are_of_no_use_to_this_controller() {
    let estate = Estate::new("watch_renamed");
    let _controller = start(&estate, &[]);
    is_ready(&estate);
    let file = estate.project.read("synthex.yaml");
    estate.project.write("synthex.yaml", file.replace("name: test", "name: other"));
    estate.edit("T1.yaml", "displayName: T1", "displayName: Lost");
    comes_true("that it is said", || condition(&estate, "Ready") == "False InvalidManifest");
    let message = value(&estate, "select message from synthex.watch_conditions where type = 'Ready'");
    assert!(
        message.as_ref().is_some_and(|text| text.contains("project `other`") && text.contains("restart")),
        "{message:?}"
    );
    estate.project.write("synthex.yaml", file);
    comes_true("the name", || display_name(&estate, "T1").as_deref() == Some("Lost"));
    is_ready(&estate);
}

#[test]
fn an_observer_leaves_the_lease_to_one_that_enforces() {
    let estate = Estate::applied("watch_observer_yields");
    let _observer = start(&estate, &["--mode", "observe"]);
    comes_true("the observer", || condition(&estate, "Ready") == "True Reconciled");
    let _controller = start(&estate, &[]);
    estate.database.admin_sql("update synthex.tenants set display_name = 'By hand' where name = 'T2'");
    comes_true("the correction", || display_name(&estate, "T2").as_deref() == Some("T2"));
}

#[test]
fn after_a_rollback_an_apply_by_hand_goes_on() {
    let estate = Estate::new("watch_rollback_apply");
    let _controller = start(&estate, &[]);
    is_ready(&estate);
    estate.edit("T1.yaml", "displayName: T1", "displayName: Idea");
    comes_true("the idea", || display_name(&estate, "T1").as_deref() == Some("Idea"));
    is_ready(&estate);
    estate.run(&["rollback", "--to", "1", "--yes"]).ok();
    comes_true("the hold", || condition(&estate, "Synced") == "False RolledBack");
    estate.apply().ok();
    is_ready(&estate);
    estate.database.admin_sql("update synthex.tenants set display_name = 'By hand' where name = 'T1'");
    comes_true("the correction", || display_name(&estate, "T1").as_deref() == Some("Idea"));
}

#[test]
fn an_observer_changes_nothing_and_says_what_it_sees() {
    let estate = Estate::applied("watch_observe");
    estate.edit("T1.yaml", "displayName: T1", "displayName: Saved");
    estate.database.admin_sql("update synthex.tenants set display_name = 'By hand' where name = 'T2'");
    let before = estate.state();
    let _controller = start(&estate, &["--mode", "observe"]);
    comes_true("what it sees", || condition(&estate, "Synced") == "False OutOfSync");
    let message = value(&estate, "select message from synthex.watch_conditions where type = 'Synced'");
    assert_eq!(
        message.as_deref(),
        Some("2 resources are not as declared: 1 changed by hand; this controller only observes")
    );
    assert_eq!(estate.state(), before);
}

#[test]
fn once_does_it_once_and_says_how_it_went() {
    let estate = Estate::new("watch_once");
    let once = ["watch", "--once", "--tasks", "reconcile"];
    estate.run(&once).ok().stdout_has("reconcile  done");
    estate.is_converged();
    estate.database.admin_sql("update synthex.tenants set display_name = 'By hand' where name = 'T2'");
    let observed: Vec<&str> = once
        .iter()
        .chain(&["--mode", "observe", "--detailed-exitcode", "--format", "json"])
        .copied()
        .collect();
    let json = estate.run(&observed).code(2).json();
    assert_eq!(json["tasks"]["reconcile"]["status"]["pending"], 1, "{json:#}");
    estate.run(&once).ok();
    estate.is_converged();
    estate.edit("T1.yaml", "market: ANZ_SMB", "market: MARS");
    estate.run(&once).code(3).stderr_has("the newest manifests cannot be used").stderr_has("T1.yaml:9:11");
    let controller = start(&estate, &[]);
    comes_true("another controller", || {
        value(&estate, "select count(*)::text from synthex.leases where holder is not null").as_deref()
            == Some("1")
    });
    estate.run(&once).code(4).stderr_has("Another controller reconciles this project");
    drop(controller);
}

#[test]
fn what_is_not_declared_any_more_is_said_once_for_each_revision() {
    let estate = Estate::applied("watch_undeclared");
    for file in ["T3", "c2"] {
        estate.project.remove(&format!("manifests/{file}.yaml"));
    }
    let controller = start(&estate, &[]);
    is_ready(&estate);
    let shown = || status(&estate)["controllers"][0]["tasks"]["reconcile"]["status"]["undeclared"].clone();
    comes_true("the count", || shown() == 2);
    estate.database.admin_sql("update synthex.tenants set display_name = 'By hand' where name = 'T2'");
    comes_true("the correction", || display_name(&estate, "T2").as_deref() == Some("T2"));
    assert!(display_name(&estate, "T3").is_some(), "it stays");
    controller.terminate();
    let outcome = controller.wait().code(143);
    let said: Vec<&str> = outcome.stderr.lines().filter(|line| line.contains("no longer declared")).collect();
    assert_eq!(said.len(), 1, "{outcome}");
    assert!(said[0].contains("resources=2") && said[0].contains("credential 1, tenant 1"), "{outcome}");
}

#[test]
fn a_part_of_the_manifests_deletes_nothing() {
    let estate = Estate::applied("watch_part");
    estate.edit_project("workspace: w,", "workspace: w, prune: true,");
    estate.edit("T1.yaml", "displayName: T1", "displayName: Saved");
    let before = estate.declared().len();
    estate
        .run(&[
            "watch",
            "--once",
            "--tasks",
            "reconcile",
            "-f",
            "manifests/w.yaml",
            "-f",
            "manifests/T1.yaml",
        ])
        .ok();
    assert_eq!(display_name(&estate, "T1").as_deref(), Some("Saved"));
    assert_eq!(estate.declared().len(), before);
}

#[test]
fn a_workspace_is_spoken_of_by_the_project_that_it_belongs_to() {
    let estate = Estate::new("watch_two_projects");
    let _controller = start(&estate, &[]);
    is_ready(&estate);
    let of = |workspace: &str| {
        let sql = format!(
            "select code from synthex.health_status where service = 'sync' and workspace = '{workspace}'"
        );
        value(&estate, &sql)
    };
    comes_true("the health check", || of("w").as_deref() == Some("in_sync"));
    let other = Project::empty();
    other.write("synthex.yaml", project_yaml("other").replace("spec: {}", "spec: {workspace: w}"));
    other.write("manifests/w.yaml", workspace_yaml("w"));
    other.write("manifests/o.yaml", workspace_yaml("o"));
    let once = ["watch", "--once", "--tasks", "reconcile"];
    other.synthex(once).database(&estate.database).run().code(5).stderr_has("Guards refuse");
    let refused = "select reason from synthex.watch_conditions where project = 'other' and workspace = 'w' and type = 'Synced'";
    assert_eq!(value(&estate, refused).as_deref(), Some("Refused"));
    assert_eq!(of("w").as_deref(), Some("in_sync"));
    // Where it leaves the workspace to the other project, that one's word stays too.
    other.remove("manifests/w.yaml");
    other.write("synthex.yaml", project_yaml("other").replace("spec: {}", "spec: {workspace: o}"));
    other.synthex(once).database(&estate.database).run().ok();
    assert_eq!((of("w").as_deref(), of("o").as_deref()), (Some("in_sync"), Some("in_sync")));
}
