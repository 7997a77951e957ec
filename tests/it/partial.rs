//! `--on-error continue`: each tenant stands or falls alone, with what depends on it, and the rest is applied.

use serde_json::Value;

use crate::support::estate::Estate;
use crate::support::project::{tenant_yaml, workspace_yaml};

const CONTINUE: [&str; 4] = ["apply", "--yes", "--on-error", "continue"];

/// `kind/name=outcome`, of what was not applied, as the record has it.
fn left_out(estate: &Estate) -> Vec<String> {
    let sql = "select i.kind || '/' || i.name || '=' || i.outcome from synthex.batch_operation_items i \
               join synthex.batch_operations o on o.id = i.operation_id \
               where o.revision = (select max(revision) from synthex.batch_operations) and i.outcome <> 'applied' \
               and i.error is not null order by 1";
    estate.database.query_strings(sql).into_iter().flatten().flatten().collect()
}

fn status(estate: &Estate) -> String {
    let sql = "select status || coalesce(': ' || note, '') from synthex.batch_operations order by revision desc limit 1";
    estate.value(sql).expect("an operation")
}

#[track_caller]
fn refuse(estate: &Estate, table: &str, condition: &str) {
    estate.trigger(table, "insert or update", condition, "raise exception 'not this one';");
}

/// Whatever kept something away is gone: applying again does the rest.
#[track_caller]
fn resumes(estate: &Estate, table: &str) {
    estate.untrigger(table);
    estate.run(&CONTINUE).ok();
    estate.is_converged();
}

#[test]
fn a_refused_tenant_is_left_out_with_its_credentials() {
    let estate = Estate::new("partial_tenant");
    refuse_after_migration(&estate, "tenants", "new.name = 'T1'");
    let outcome = estate.run(&CONTINUE).code(7);
    let outcome = outcome
        .stdout_has("failed  create tenant/w/T1 (manifests/T1.yaml:1:1): ")
        .stdout_has("not this one")
        .stdout_has(
            "skipped create credential/w/c1 (manifests/c1.yaml:1:1): it stands and falls with tenant/w/T1",
        )
        .stdout_has("Partly applied as revision 1: 12 applied, 1 failed, 1 skipped.");
    assert!(!outcome.stdout.contains("tenant/w/T2 ("), "only what was left out is in the table: {outcome}");
    assert_eq!(left_out(&estate), ["credentials/c1=skipped", "tenants/T1=failed"]);
    assert_eq!(status(&estate), "partly-applied");
    let counts = "select concat_ws(' ', created, failed, skipped) from synthex.batch_operations";
    assert_eq!(estate.value(counts).as_deref(), Some("12 1 1"));
    assert_eq!((estate.leases_held(), estate.declared().len()), (0, 12));
    assert_eq!(estate.changes(&[]), ["create credential/w/c1", "create tenant/w/T1"]);
    resumes(&estate, "tenants");
}

#[track_caller]
fn refuse_after_migration(estate: &Estate, table: &str, condition: &str) {
    estate.run(&["db", "migrate"]).ok();
    refuse(estate, table, condition);
}

#[test]
fn a_refused_credential_takes_its_tenant_and_the_other_credentials_along() {
    let estate = Estate::new("partial_credential");
    estate.declare("Credential", "c3", "{tenant: T1, service: google-merchant, secretRef: {env: C3}}");
    refuse_after_migration(&estate, "credentials", "new.name = 'c3'");
    let run = estate.run(&[&CONTINUE[..], &["--format", "json"]].concat()).code(7).json();
    assert_eq!((&run["partly"], &run["applied"], &run["revision"]), (&true.into(), &true.into(), &1.into()));
    let of = |name: &str| -> Value {
        let changes = run["changes"].as_array().expect("a list");
        changes.iter().find(|change| change["name"] == name).expect("a change")["outcome"].clone()
    };
    assert_eq!((of("c3"), of("T1"), of("c1")), ("failed".into(), "skipped".into(), "skipped".into()));
    assert_eq!((of("T2"), of("c2"), of("expiry")), ("applied".into(), "applied".into(), "applied".into()));
    assert_eq!(left_out(&estate), ["credentials/c1=skipped", "credentials/c3=failed", "tenants/T1=skipped"]);
    let t1 = "select count(*) from synthex.tenants where name = 'T1'";
    assert_eq!(estate.database.query_one_i64(t1), 0, "written before its credential failed, and taken back");
    resumes(&estate, "credentials");
}

#[test]
fn a_refused_workspace_takes_everything_in_it_along_and_no_other() {
    let estate = Estate::new("partial_workspace");
    estate.project.write("manifests/v.yaml", workspace_yaml("v"));
    estate.project.write("manifests/V1.yaml", tenant_yaml("V1", "v"));
    refuse_after_migration(&estate, "workspaces", "new.name = 'w'");
    estate
        .run(&CONTINUE)
        .code(7)
        .stdout_has("Partly applied as revision 1: 2 applied, 1 failed, 13 skipped.")
        .stdout_has("tenant/w/T1 (manifests/T1.yaml:1:1): it needs workspace/w");
    resumes(&estate, "workspaces");
}

#[test]
fn where_a_delete_fails_what_it_needs_stays() {
    let estate = Estate::applied("partial_delete");
    estate.project.write("manifests/other.yaml", workspace_yaml("other"));
    for file in [
        "w", "T1", "T2", "T3", "shops", "c1", "c2", "log", "chat", "expiry", "muted", "hush", "night",
        "often",
    ] {
        estate.project.remove(&format!("manifests/{file}.yaml"));
    }
    let file = estate.project.read("synthex.yaml").replace("workspace: w,", "workspace: other,");
    estate.project.write("synthex.yaml", file);
    refuse(&estate, "credentials", "new.name = 'c1'");
    estate.run(&[&CONTINUE[..], &["--prune"]].concat()).code(7).stdout_has("failed  delete credential/w/c1");
    assert_eq!(left_out(&estate), ["credentials/c1=failed", "tenants/T1=skipped", "workspaces/w=skipped"]);
    let living = "select string_agg(name, ' ' order by name) from synthex.tenants where deleted_at is null";
    assert_eq!(estate.value(living).as_deref(), Some("T1"));
    estate.untrigger("credentials");
    estate.run(&[&CONTINUE[..], &["--prune"]].concat()).ok().stdout_has("3 to delete");
    estate.run(&["plan", "--prune", "--detailed-exitcode"]).ok();
}

#[test]
fn what_a_failed_update_would_have_given_up_is_not_deleted() {
    let estate = Estate::applied("partial_mentions");
    estate.edit("expiry.yaml", "channels: [chat, log]", "channels: [log]");
    estate.project.remove("manifests/chat.yaml");
    refuse(&estate, "alert_rules", "new.name = 'expiry'");
    estate.run(&[&CONTINUE[..], &["--prune"]].concat()).code(1).stderr_has("rule/w/expiry").stderr_has(
        "skipped delete channel/w/chat: something still needs it, because its own change could not be made",
    );
    let chat = "select (deleted_at is null)::text from synthex.notification_channels where name = 'chat'";
    assert_eq!(estate.value(chat).as_deref(), Some("true"), "the rule still uses it");
}

#[test]
fn fifty_of_three_hundred_are_left_out_and_the_rest_is_applied() {
    let estate = Estate::applied("partial_many");
    let text: Vec<String> = (0..300).map(|number| tenant_yaml(&format!("M{number:03}"), "w")).collect();
    estate.project.write("manifests/many.yaml", text.join("---\n"));
    refuse(&estate, "tenants", "new.name ~ '^M..[05]$' and new.name < 'M250'");
    estate.run(&CONTINUE).code(7).stdout_has("250 applied, 50 failed, 0 skipped. Run apply again to resume.");
    assert_eq!(left_out(&estate).len(), 50);
    let count = "select count(*) from synthex.tenants where name like 'M%'";
    assert_eq!(estate.database.query_one_i64(count), 250);
    resumes(&estate, "tenants");
}

#[test]
fn of_two_that_exclude_each_other_one_is_applied() {
    let estate = Estate::applied("partial_pair");
    estate
        .database
        .sql("create unique index one_name on synthex.tenants (display_name) where name like 'P%'");
    for name in ["P1", "P2", "P3"] {
        estate.declare_tenant(name, &[]);
    }
    estate.edit("P2.yaml", "displayName: P2", "displayName: P1");
    estate.run(&CONTINUE).code(7).stdout_has("failed  create tenant/w/P2").stdout_has("one_name");
    assert_eq!(left_out(&estate), ["tenants/P2=failed"]);
    // And where all or nothing is asked for, the constraint is named, and not somebody who changed the database.
    estate.apply().code(1).stderr_has("tenant/w/P2 (manifests/P2.yaml:1:1)").stderr_has("one_name");
}

#[test]
fn a_row_that_is_swallowed_or_altered_is_left_out() {
    let estate = Estate::applied("partial_trigger");
    estate.declare_tenant("T4", &[]);
    estate.declare_tenant("T5", &[]);
    estate.trigger("tenants", "insert", "new.name = 'T4'", "return null;");
    estate.apply().code(1).stderr_has("did not write every row").stderr_has("help: look for a trigger");
    estate.run(&CONTINUE).code(7).stdout_has("failed  create tenant/w/T4").stdout_has("did not write it");
    assert_eq!(left_out(&estate), ["tenants/T4=failed"]);

    estate.declare_tenant("T6", &[]);
    estate.trigger("tenants", "insert", "new.name = 'T4'", "new.region := 'NZ-NR1';");
    let outcome = estate.run(&CONTINUE).code(7);
    outcome.stdout_has("failed  create tenant/w/T4").stdout_has("written, but not as declared: region");
    assert_eq!(estate.changes(&[]), ["create tenant/w/T4"], "and not half of it");
    resumes(&estate, "tenants");
}

#[test]
fn a_constraint_that_is_checked_at_the_commit_is_laid_at_its_own_door() {
    let estate = Estate::applied("partial_deferred");
    estate.database.sql(
        "create table public.allowed (name text primary key); insert into public.allowed values ('console'), ('slack');
         alter table synthex.notification_channels add constraint known foreign key (type)
             references public.allowed (name) deferrable initially deferred",
    );
    estate.declare_tenant("T4", &[]);
    estate.declare("NotificationChannel", "more", "{type: console, fallback: log}");
    estate.declare(
        "NotificationChannel",
        "mail",
        "{type: email, email: {transport: smtp, host: h, from: c@b.example, to: [a@b.example]}}",
    );
    estate.declare("NotificationChannel", "after", "{type: console, fallback: mail}");
    estate.run(&["apply", "--yes"]).code(1).stderr_has("known");
    let outcome = estate.run(&CONTINUE).code(7);
    outcome
        .stdout_has("failed  create channel/w/mail")
        .stdout_has("known")
        .stdout_has("2 applied, 1 failed, 1 skipped");
    assert_eq!(
        left_out(&estate),
        ["notification_channels/after=skipped", "notification_channels/mail=failed"]
    );
}

#[test]
fn rows_that_changed_in_between_are_left_out_while_others_are_written() {
    let estate = Estate::applied("partial_stale");
    for name in ["T1", "T2", "T3"] {
        estate.edit(&format!("{name}.yaml"), "status: active", "status: inactive");
    }
    estate.run(&["plan", "--out", "plan.json"]).ok();
    estate.database.sql("update synthex.tenants set industry = 'Toys' where name = 'T2'");
    let outcome = estate.run(&["apply", "plan.json", "--yes", "--on-error", "continue"]).code(7);
    outcome
        .stdout_has("failed  update tenant/w/T2")
        .stdout_has("planned on revision 1, now revision 2, changed by role synthex")
        .stdout_has("2 applied, 1 failed");
    assert_eq!(left_out(&estate), ["tenants/T2=failed"]);
    // The same file again: what it did is not said to be all of it.
    let again = estate.run(&["apply", "plan.json", "--yes"]).code(6);
    again.stderr_has("was applied in part, as revision 2").stderr_has("help: make a plan for the rest");
}

#[test]
fn where_nothing_can_be_applied_nothing_is() {
    let estate = Estate::applied("partial_none");
    let state = estate.state();
    estate.edit("T1.yaml", "status: active", "status: inactive");
    estate.edit("T2.yaml", "status: active", "status: inactive");
    refuse(&estate, "tenants", "true");
    let outcome = estate.run(&CONTINUE).code(1);
    outcome.stderr_has("no change could be made").stderr_has("tenant/w/T1").stderr_has("tenant/w/T2");
    let json = estate.run(&[&CONTINUE[..], &["--format", "json"]].concat()).code(1).json();
    assert_eq!((&json["error"]["exit_code"], &json["applied"]), (&1.into(), &false.into()));
    assert_eq!((&json["partly"], &json["summary"]["update"]), (&false.into(), &2.into()));
    let changes = json["changes"].as_array().expect("the same members as of a partial apply");
    let of = |change: &Value| (change["name"].clone(), change["outcome"].clone());
    assert_eq!(
        changes.iter().map(of).collect::<Vec<_>>(),
        [("T1".into(), "failed".into()), ("T2".into(), "failed".into())]
    );
    assert!(
        changes.iter().all(|change| change["why"].as_str().is_some_and(|why| why.contains("not this one")))
    );
    assert_eq!(estate.state(), state);
    assert_eq!(status(&estate), "failed: no change could be made");
    assert_eq!(estate.leases_held(), 0);
}

#[test]
fn a_bad_manifest_is_left_out_and_its_row_stays() {
    let estate = Estate::applied("partial_manifest");
    estate.edit("T1.yaml", "region: AU-SE1", "region: AU-SE9");
    estate.edit("T2.yaml", "status: active", "status: inactive");
    estate.project.remove("manifests/T3.yaml");
    estate.run(&["apply", "--yes", "--prune"]).code(3);
    let prune = [&CONTINUE[..], &["--prune"]].concat();
    let outcome = estate.run(&prune).code(7);
    outcome
        .stderr_has("manifests/T1.yaml")
        .stdout_has("left out, because their manifests have problems (above): tenant/w/T1");
    let rows = "select string_agg(concat_ws(' ', name, status, deleted_at is null), ', ' order by name) from synthex.tenants";
    assert_eq!(estate.value(rows).as_deref(), Some("T1 active t, T2 inactive t, T3 active f"));
    // Nothing is left but the bad one, and that is still no success.
    let json = estate.run(&[&prune[..], &["--format", "json"]].concat()).code(7).json();
    assert_eq!((&json["applied"], &json["partly"]), (&false.into(), &true.into()));
    assert_eq!(json["unusable"], serde_json::json!(["tenant/w/T1"]));
    estate.edit("T1.yaml", "region: AU-SE9", "region: AU-SE1");
    estate.run(&prune).ok();
}

#[test]
fn a_new_tenant_with_a_bad_manifest_takes_its_credentials_along() {
    let estate = Estate::new("partial_new");
    estate.edit("T1.yaml", "region: AU-SE1", "region: AU-SE9");
    let outcome = estate.run(&CONTINUE).code(7);
    outcome.stdout_has(
        "skipped create credential/w/c1 (manifests/c1.yaml:1:1): tenant/w/T1 is declared wrongly",
    );
    assert_eq!(estate.declared().len(), 12);
}

#[test]
fn two_declarations_of_one_tenant_are_both_left_out() {
    let estate = Estate::applied("partial_twice");
    estate.project.write("manifests/again.yaml", tenant_yaml("T1", "w").replace("active", "inactive"));
    estate.edit("T2.yaml", "status: active", "status: inactive");
    estate.run(&[&CONTINUE[..], &["--prune"]].concat()).code(7);
    let rows = "select string_agg(name || ' ' || status, ', ' order by name) from synthex.tenants where deleted_at is null";
    assert_eq!(estate.value(rows).as_deref(), Some("T1 active, T2 inactive, T3 active"));
}

#[test]
fn with_a_file_that_cannot_be_read_nothing_is_deleted() {
    for (file, text) in
        [("broken.yaml", "kind: [\n"), ("no-kind.yaml", "apiVersion: synthex.dev/v1\nspec: {}\n")]
    {
        let estate = Estate::applied("partial_unreadable");
        estate.project.remove("manifests/T3.yaml");
        estate.edit("T2.yaml", "status: active", "status: inactive");
        estate.project.write(&format!("manifests/{file}"), text);
        let outcome = estate.run(&[&CONTINUE[..], &["--prune"]].concat()).code(7);
        let outcome = outcome.stdout_has("nothing is deleted").stdout_has("1 to update, 0 to delete");
        assert!(!outcome.stdout.contains("T3"), "it may be declared in that file: {outcome}");
        estate.project.remove(&format!("manifests/{file}"));
        estate.run(&[&CONTINUE[..], &["--prune"]].concat()).ok().stdout_has("1 to delete");
    }
}

#[test]
fn tenants_of_a_broken_template_are_not_applied_without_it() {
    let estate = Estate::applied("partial_template");
    estate.declare_tenant("T1", &["templateRef: shops"]);
    estate.edit("T2.yaml", "status: active", "status: inactive");
    estate.edit("shops.yaml", "AU-SE1", "AU-SE9");
    let run = estate.run(&CONTINUE);
    assert!(run.code == 7 || run.code == 3, "{run}");
    let t1 = "select coalesce(metadata::text, '') from synthex.tenants where name = 'T1'";
    assert_eq!(estate.value(t1).as_deref(), Some("{}"), "T1 is left as it was");
    assert!(!run.stdout.contains("update tenant/w/T1"), "{run}");
}

#[test]
fn tenants_of_a_broken_workspace_keep_what_it_gave_them() {
    let estate = Estate::applied("partial_workspace");
    let defaults = "region: AU-SE1\n  defaults: {labels: {team: one}, metadata: {source: w}}";
    estate.edit("w.yaml", "region: AU-SE1", defaults);
    estate.apply().ok();
    let state = estate.declared();
    estate.edit("w.yaml", "region: AU-SE1", "region: AU-SE9");
    estate.edit("T1.yaml", "status: active", "status: inactive");
    let run = estate.run(&[&CONTINUE[..], &["--prune"]].concat());
    assert!(run.code == 7 || run.code == 3, "{run}");
    assert_eq!(estate.declared(), state, "nothing of the workspace is changed while it is not known");
}
