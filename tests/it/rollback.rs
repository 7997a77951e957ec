//! Back to earlier revisions and back from deletion: every kind, every sort of change, from the record alone.

use crate::support::estate::{Estate, SIZE};
use crate::support::project::{project_yaml, tenant_yaml};

/// The manifests as they are, to be put back later.
fn manifests(estate: &Estate) -> Vec<(String, String)> {
    let folder = estate.project.path().join("manifests");
    let mut files: Vec<(String, String)> = std::fs::read_dir(folder)
        .expect("a folder")
        .map(|entry| format!("manifests/{}", entry.expect("a file").file_name().to_string_lossy()))
        .map(|path| (path.clone(), estate.project.read(&path)))
        .collect();
    files.push(("synthex.yaml".to_owned(), estate.project.read("synthex.yaml")));
    files
}

fn put_back(estate: &Estate, files: &[(String, String)]) {
    for (path, _) in manifests(estate) {
        estate.project.remove(&path);
    }
    for (path, text) in files {
        estate.project.write(path, text);
    }
}

#[track_caller]
fn project_spec(estate: &Estate, spec: &str) {
    estate.project.write("synthex.yaml", project_yaml("test").replace("spec: {}", &format!("spec: {spec}")));
}

/// No limits on what a plan does: these tests are of other things.
const FREE: &str = "workspace: w, prune: true, guards: {maxDeletes: 1000, maxDeletePercent: 100}";

#[track_caller]
fn roll_back(estate: &Estate, to: usize) {
    estate.run(&["rollback", "--to", &to.to_string(), "--yes"]).ok();
}

#[test]
fn every_earlier_revision_comes_back_and_its_manifests_plan_no_changes() {
    let estate = Estate::new("rollback_all");
    project_spec(&estate, &format!("{{{FREE}}}"));
    let mut past = Vec::new();
    let done = |past: &mut Vec<_>| {
        estate.run(&["apply", "--yes"]).ok().stdout_has("Applied as revision");
        estate.is_converged();
        past.push((estate.declared(), manifests(&estate)));
    };
    done(&mut past);
    // 2: each kind changes.
    estate.edit("T1.yaml", "status: active", "status: inactive");
    estate.declare_tenant(
        "T2",
        &["industry: Retail", "metadata: {a: {b: [1, 2.50]}, z: 1e3}", "protect: false"],
    );
    estate.edit("w.yaml", "market: ANZ_SMB", "market: ANZ_SMB\n  defaults: {labels: {tier: gold}}");
    estate.edit("shops.yaml", "currency: AUD", "currency: NZD");
    estate.edit("c1.yaml", "2031-06-30T00:00:00Z", "2032-01-31T10:30:00.25Z");
    estate.edit("chat.yaml", "rateLimitPerMinute: 30", "sendResolved: false");
    estate.edit("expiry.yaml", "[7d, expired]", "[30d, 7d, expired]");
    done(&mut past);
    // 3: new ones, and deletions of what depends on each other.
    estate.project.write("manifests/T4.yaml", tenant_yaml("T4", "w"));
    estate.declare("Credential", "c4", "{tenant: T4, service: shopify, secretRef: {env: C4}}");
    for gone in ["T2", "c2", "muted", "chat"] {
        estate.project.remove(&format!("manifests/{gone}.yaml"));
    }
    estate.edit("expiry.yaml", "[chat, log]", "[log]");
    done(&mut past);
    // 4: a rename, with what mentions it.
    project_spec(&estate, &format!("{{{FREE}, moved: [{{from: tenant/w/T1, to: tenant/w/T9}}]}}"));
    estate.project.remove("manifests/T1.yaml");
    estate.project.write("manifests/T9.yaml", tenant_yaml("T9", "w"));
    estate.edit("c1.yaml", "tenant: T1", "tenant: T9");
    done(&mut past);
    // 5: a restore with another content.
    estate.project.write("manifests/T2.yaml", tenant_yaml("T2", "w").replace("active", "suspended"));
    done(&mut past);
    // 6: drift is put right together with a change.
    estate
        .database
        .sql("update synthex.tenants set industry = 'Toys', status = 'inactive' where name = 'T3'");
    estate.declare_tenant("T3", &["employeeCount: 12"]);
    done(&mut past);

    let ids = "select string_agg(id::text, ' ' order by id) from synthex.tenants";
    let before = estate.value(ids);
    for to in [5, 4, 3, 2, 1, 4, 6, 2, 5] {
        let args = ["rollback", "--to", &to.to_string(), "--plan", "--detailed-exitcode"];
        estate.run(&args).code(2).stdout_has(&format!("back to what it was at revision {to}"));
        roll_back(&estate, to);
        let (rows, files) = &past[to - 1];
        assert_eq!(&estate.declared(), rows, "the rows of revision {to}");
        put_back(&estate, files);
        estate.is_converged();
        estate.run(&args).ok().stdout_has("No changes.");
    }
    assert_eq!(estate.value(ids), before, "no row was made anew: each has kept its id");
    let notes = "select string_agg(command || ' ' || note, ', ' order by revision) from synthex.batch_operations where revision in (7, 8)";
    assert_eq!(estate.value(notes).as_deref(), Some("rollback to revision 5, rollback to revision 4"));
}

#[test]
fn neither_git_nor_manifests_are_needed() {
    let estate = Estate::applied("rollback_bare");
    let first = estate.declared();
    estate.edit("T1.yaml", "status: active", "status: inactive");
    estate.apply().ok();
    let second = estate.declared();
    estate.project.write("manifests/T1.yaml", "{{{ broken");
    roll_back(&estate, 1);
    assert_eq!(estate.declared(), first);
    for (path, _) in manifests(&estate) {
        if path != "synthex.yaml" {
            estate.project.remove(&path);
        }
    }
    estate.synthex(&["rollback", "--to", "2", "--yes"]).env("PATH", "/nowhere").run().ok();
    assert_eq!(estate.declared(), second);
    estate.project.write("synthex.yaml", "{{{ broken");
    estate.run(&["rollback", "--to", "1", "--yes"]).code(3);
    let named = ["rollback", "--to", "1", "--yes", "--project", "test"];
    estate.run(&named).ok().stderr_has("the project file is not used");
    estate.project.remove("synthex.yaml");
    estate.run(&["rollback", "--to", "2", "--yes", "--project", "test"]).ok();
    assert_eq!(estate.declared(), second);
    let last = "select string_agg(project || ' ' || command, ', ' order by revision) from synthex.batch_operations where revision > 4";
    assert_eq!(estate.value(last).as_deref(), Some("test rollback, test rollback"));
}

#[test]
fn the_plan_of_a_rollback_writes_nothing_and_says_what_would_be() {
    let estate = Estate::applied("rollback_plan");
    estate.edit("T1.yaml", "status: active", "status: inactive");
    estate.apply().ok();
    let state = estate.state();
    let plan = estate.run(&["rollback", "--to", "1", "--plan"]).ok();
    plan.stdout_has("~ tenant/w/T1").stdout_has("inactive → active").stdout_has("1 to update");
    let json = estate.run(&["rollback", "--to", "1", "--plan", "--format", "json"]).ok().json();
    assert_eq!((&json["applied"], &json["changes"][0]["name"]), (&false.into(), &"T1".into()));
    estate.run(&["rollback", "--to", "1"]).code(3).stderr_has("--yes");
    assert_eq!(estate.state(), state);
    // The digest pins it.
    let wrong = format!("sha256:{}", "0".repeat(64));
    estate.run(&["rollback", "--to", "1", "--yes", "--expect-digest", &wrong]).code(6);
    let digest = json["digest"].as_str().expect("a digest");
    estate.run(&["rollback", "--to", "1", "--yes", "--expect-digest", digest]).ok();
}

#[test]
fn unknown_revisions_and_those_of_others_are_named() {
    let estate = Estate::applied("rollback_unknown");
    estate
        .run(&["rollback", "--to", "9", "--yes"])
        .code(3)
        .stderr_has("there is no revision 9")
        .stderr_has("newest is 1");
    project_spec(&estate, "{workspace: o}");
    put_back(
        &estate,
        &[
            ("synthex.yaml".to_owned(), project_yaml("other")),
            ("manifests/o.yaml".to_owned(), crate::support::project::workspace_yaml("o")),
        ],
    );
    estate.apply().ok();
    estate.run(&["rollback", "--to", "1", "--yes"]).code(3).stderr_has("it is of project `test`");
    estate.run(&["rollback", "--to", "2", "--yes"]).ok().stdout_has("nothing was changed after revision 2");
    let fresh = Estate::new("rollback_nothing");
    fresh
        .run(&["rollback", "--to", "1", "--yes"])
        .code(3)
        .stderr_has("nothing was applied to this database yet");
}

#[test]
fn guards_hold_for_rollbacks() {
    let estate = Estate::applied("rollback_guards").with_usual_guards();
    for name in ["P1", "P2", "P3", "P4", "P5", "P6"] {
        estate.declare_tenant(name, &["protect: true"]);
    }
    estate.apply().ok();
    estate.run(&["rollback", "--to", "1", "--yes"]).code(5).stderr_has("refused").stdout_has("SX0501");
    for name in ["P1", "P2", "P3", "P4", "P5", "P6"] {
        estate.declare_tenant(name, &["protect: false"]);
    }
    estate.apply().ok();
    let refused = estate.run(&["rollback", "--to", "1", "--yes"]).code(5).stdout_has("SX0503");
    let way_out = refused.stdout.split("synthex rollback --to 1 --ack-deletes 6 --expect-digest ").nth(1);
    let digest = way_out
        .expect("the way out names the command")
        .split_whitespace()
        .next()
        .expect("a digest")
        .to_owned();
    let status =
        "select status || ' ' || command from synthex.batch_operations order by revision desc limit 1";
    assert_eq!(estate.value(status).as_deref(), Some("refused rollback"));
    let args = ["rollback", "--to", "1", "--yes", "--ack-deletes", "6", "--expect-digest", &digest];
    estate.run(&args).ok();
    assert_eq!(estate.declared().len(), SIZE);
}

#[test]
fn what_something_that_stays_needs_is_not_taken_away() {
    let estate = Estate::applied("rollback_in_use");
    estate.project.write("manifests/T4.yaml", tenant_yaml("T4", "w"));
    estate.apply().ok();
    estate.declare("Credential", "c4", "{tenant: T4, service: shopify, secretRef: {env: C4}}");
    estate.apply().ok();
    let state = estate.state();
    let only = ["rollback", "--to", "1", "--target", "tenant/w/T4", "--plan"];
    estate.run(&only).code(5).stdout_has("SX0506").stdout_has("credential/w/c4");
    // And what comes back needs what it mentions.
    project_spec(&estate, &format!("{{{FREE}}}"));
    for file in ["T4", "c4"] {
        estate.project.remove(&format!("manifests/{file}.yaml"));
    }
    assert_eq!(estate.state(), state);
    estate.apply().ok();
    let only = ["rollback", "--to", "3", "--target", "credential/w/c4", "--plan"];
    estate.run(&only).code(5).stdout_has("SX0508").stdout_has("synthex restore tenant/w/T4");
    roll_back(&estate, 3);
    let living = "select count(*) from synthex.credentials where name = 'c4' and deleted_at is null";
    assert_eq!(estate.database.query_one_i64(living), 1);
}

#[test]
fn a_selection_restricts_a_rollback() {
    let estate = Estate::applied("rollback_select");
    for name in ["T1", "T2"] {
        estate.edit(&format!("{name}.yaml"), "status: active", "status: inactive");
    }
    estate.apply().ok();
    estate.run(&["rollback", "--to", "1", "--yes", "--target", "tenant/w/T1"]).ok().stdout_has("1 to update");
    let status = "select string_agg(name || ' ' || status, ', ' order by name) from synthex.tenants";
    assert_eq!(estate.value(status).as_deref(), Some("T1 active, T2 inactive, T3 active"));
    estate
        .run(&["rollback", "--to", "1", "--plan", "--target", "T3"])
        .code(3)
        .stderr_has("nothing that is selected");
    estate.run(&["rollback", "--to", "1", "--yes", "-w", "elsewhere"]).code(3).stderr_has("no workspace");
    estate.run(&["rollback", "--to", "1", "--yes", "-w", "w"]).ok().stdout_has("1 to update");
}

#[test]
fn what_was_adopted_gets_its_fields_back_and_stays_the_projects() {
    let estate = Estate::applied("rollback_adopt");
    estate.database.sql(
        "insert into synthex.tenants (workspace, name, display_name, type, market, region, industry)
         values ('w', 'HAND', 'By hand', 'shopify', 'ANZ_SMB', 'AU-SE1', 'Toys')",
    );
    estate.declare_tenant("HAND", &["industry: Retail"]);
    estate.apply().ok();
    estate.run(&["rollback", "--to", "1", "--yes"]).ok().stdout_has("its owner does not");
    let row =
        "select concat_ws(', ', display_name, industry, owner) from synthex.tenants where name = 'HAND'";
    assert_eq!(estate.value(row).as_deref(), Some("By hand, Toys, test"));
}

#[test]
fn what_was_removed_for_good_comes_back_with_a_new_id() {
    let estate = Estate::applied("rollback_permanent");
    let first = estate.declared();
    estate.project.remove("manifests/T3.yaml");
    let refused = estate.run(&["apply", "--yes", "--prune", "--permanent"]).code(5);
    let digest = refused
        .stdout
        .split("--expect-digest ")
        .nth(1)
        .expect("a digest")
        .split_whitespace()
        .next()
        .unwrap()
        .to_owned();
    let args = ["apply", "--yes", "--prune", "--permanent", "--ack-deletes", "1", "--expect-digest", &digest];
    estate.run(&args).ok();
    assert_eq!(estate.database.query_one_i64("select count(*) from synthex.tenants where name = 'T3'"), 0);
    estate.run(&["rollback", "--to", "1", "--yes"]).ok().stdout_has("it comes back with a new id");
    assert_eq!(estate.declared(), first);
}

#[test]
fn restore_undoes_a_deletion() {
    let estate = Estate::applied("restore");
    project_spec(&estate, &format!("{{{FREE}}}"));
    estate.edit("T1.yaml", "status: active", "status: inactive");
    estate.apply().ok();
    let id = "select id::text from synthex.tenants where name = 'T1'";
    let was = estate.value(id);
    let before = estate.declared();
    for file in ["T1", "c1"] {
        estate.project.remove(&format!("manifests/{file}.yaml"));
    }
    estate.apply().ok();
    estate
        .run(&["restore", "credential/c1", "--yes"])
        .code(5)
        .stdout_has("SX0508")
        .stdout_has("synthex restore tenant/w/T1");
    let restored = estate.run(&["restore", "tenant/T1", "credential/c1", "--yes"]).ok();
    restored.stdout_has("no manifest declares tenant/w/T1").stdout_has("2 to create, 0 to update");
    assert_eq!((estate.declared(), estate.value(id)), (before, was));
    estate
        .run(&["restore", "tenant/T1", "--yes"])
        .ok()
        .stdout_has("is not deleted")
        .stdout_has("No changes.");
    estate.run(&["restore", "tenant/T1", "--revision", "1", "--yes"]).code(3).stderr_has("rollback --to 1");
    estate.apply().ok();
    estate.run(&["restore", "tenant/w/T1", "--revision", "1", "--yes"]).ok();
    let status = "select status from synthex.tenants where name = 'T1' and deleted_at is null";
    assert_eq!(estate.value(status).as_deref(), Some("active"));
    estate.run(&["restore", "tenant/T11", "--yes"]).code(3).stderr_has("did you mean");
    let command = "select command || ' ' || coalesce(note, '') from synthex.batch_operations order by revision desc limit 1";
    assert_eq!(estate.value(command).as_deref(), Some("restore as after revision 1"));
}

#[test]
fn restore_makes_anew_what_was_removed_by_hand() {
    let estate = Estate::applied("restore_removed");
    let before = estate.declared();
    estate.database.sql("delete from synthex.alert_rules where name = 'muted'");
    estate.run(&["restore", "alert-rule/muted", "--yes"]).ok().stdout_has("comes back with a new id");
    assert_eq!(estate.declared(), before);
    estate.is_converged();
}

#[test]
fn a_name_that_another_one_has_now_keeps_its_row_and_gets_the_content_back() {
    let estate = Estate::applied("rollback_taken");
    let first = estate.declared();
    project_spec(&estate, &format!("{{{FREE}, moved: [{{from: tenant/w/T3, to: tenant/w/T8}}]}}"));
    estate.project.remove("manifests/T3.yaml");
    estate.project.write("manifests/T8.yaml", tenant_yaml("T8", "w"));
    estate.apply().ok();
    estate.declare_tenant("T3", &["industry: Toys"]);
    estate.apply().ok();
    let plan = estate.run(&["rollback", "--to", "1", "--yes"]).ok();
    plan.stdout_has("tenant/w/T8 was tenant/w/T3, and cannot take that name back");
    assert_eq!(estate.declared(), first);
    // And forward again: the second of that name is not mistaken for the first.
    roll_back(&estate, 2);
    let living = "select string_agg(name, ' ' order by name) from synthex.tenants where deleted_at is null";
    assert_eq!(estate.value(living).as_deref(), Some("T1 T2 T8"));
}
