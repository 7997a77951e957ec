//! Renames and what mentions the former name: a foreign key carries a single name along, the plan changes lists of names,
//! and where neither happens the name is not given up.

use crate::support::estate::Estate;

const CONTINUE: [&str; 4] = ["apply", "--yes", "--on-error", "continue"];

/// An estate with the channel `old`, the rule `user` that tells through it, and the wish that it is called `new`.
fn estate(hint: &str) -> Estate {
    let estate = Estate::new(hint);
    estate.declare("NotificationChannel", "old", "{type: console}");
    declare_user(&estate, "old");
    estate.apply().ok();
    move_channel(&estate);
    estate
}

fn declare_user(estate: &Estate, channel: &str) {
    estate.declare(
        "AlertRule",
        "user",
        &format!("{{when: {{credentialExpiry: {{}}}}, channels: [{channel}]}}"),
    );
}

fn move_channel(estate: &Estate) {
    estate.project.remove("manifests/old.yaml");
    estate.declare("NotificationChannel", "new", "{type: console}");
    let file = estate.project.read("synthex.yaml");
    let moved = "moved: [{from: channel/w/old, to: channel/w/new}]";
    estate.project.write("synthex.yaml", file.replace("spec: {", &format!("spec: {{{moved}, ")));
}

/// The channels of the rule, and the living channels.
fn channels(estate: &Estate) -> (String, String) {
    let rule = "select channels::text from synthex.alert_rules where name = 'user'";
    let living = "select string_agg(name, ' ' order by name) from synthex.notification_channels \
                  where deleted_at is null and name in ('old', 'new')";
    (estate.value(rule).unwrap(), estate.value(living).unwrap_or_default())
}

fn is_as_before(estate: &Estate) {
    assert_eq!(channels(estate), ("[\"old\"]".to_owned(), "old".to_owned()));
}

const NEEDED: &str = "channel/w/old would be renamed to channel/w/new and is still needed, under the name it has, by rule/w/user";

#[test]
fn a_rule_that_goes_along_in_the_same_plan_has_the_new_name() {
    let estate = estate("rename_along");
    declare_user(&estate, "new");
    estate.apply().ok().stdout_has("1 to update, 0 to delete, 1 to rename");
    assert_eq!(channels(&estate), ("[\"new\"]".to_owned(), "new".to_owned()));
    estate.is_converged();
}

#[test]
fn what_another_project_uses_keeps_its_name() {
    let estate = estate("rename_foreign");
    estate.project.remove("manifests/user.yaml");
    for owner in ["'second'", "'cli'", "null"] {
        estate.database.sql(&format!("update synthex.alert_rules set owner = {owner} where name = 'user'"));
        let state = estate.state();
        estate
            .run(&["plan"])
            .code(5)
            .stdout_has("SX0506")
            .stdout_has(NEEDED)
            .stderr_has("help: change those along");
        estate.run(&["plan", "--format", "json"]).code(5).stdout_has("\"channel/w/new\"");
        estate.apply().code(5).stderr_has(NEEDED);
        assert_eq!(estate.state(), state);
    }
    // Nor does one that is not declared any more, as long as it is not deleted.
    estate.database.sql("update synthex.alert_rules set owner = 'test' where name = 'user'");
    estate.apply().code(5).stderr_has(NEEDED);
    estate.run(&["apply", "--yes", "--prune"]).ok().stdout_has("1 to delete, 1 to rename");
}

#[test]
fn a_selection_that_leaves_the_rule_out_is_refused() {
    let estate = estate("rename_target");
    declare_user(&estate, "new");
    estate.run(&["apply", "--yes", "--target", "channel/w/new"]).code(5).stderr_has(NEEDED);
    is_as_before(&estate);
    estate.run(&["apply", "--yes", "--target", "rule/w/user"]).ok().stdout_has("1 to rename");
    estate.is_converged();
}

#[test]
fn what_is_allowed_must_not_tear_apart_what_belongs_together() {
    let estate = estate("rename_allow");
    declare_user(&estate, "new");
    let allow = |kinds: &str| estate.run(&["apply", "--yes", "--allow", kinds]);
    allow("rename")
        .code(5)
        .stderr_has(NEEDED)
        .stderr_has("help: let those change too: add update to --allow");
    allow("update").code(5).stderr_has("rule/w/user needs channel/w/new, whose rename is left out");
    is_as_before(&estate);
    // What guards said of a rename that is left out is not said.
    declare_user(&estate, "old");
    estate.project.remove("manifests/user.yaml");
    estate.declare_tenant("T4", &[]);
    estate.apply().code(5).stderr_has(NEEDED);
    allow("create").ok().stderr_has("1 to rename");
    is_as_before(&estate);
}

#[test]
fn what_a_foreign_key_carries_along_stands_in_no_ones_way() {
    let estate = Estate::applied("rename_carried");
    estate.project.write(
        "manifests/ACME.yaml",
        estate.project.read("manifests/T1.yaml").replace("name: T1", "name: ACME"),
    );
    estate.project.remove("manifests/T1.yaml");
    estate.edit("c1.yaml", "tenant: T1", "tenant: ACME");
    let file = estate.project.read("synthex.yaml");
    let moved = "moved: [{from: tenant/w/T1, to: tenant/w/ACME}, {from: channel/w/log, to: channel/w/diary}]";
    estate.project.write("synthex.yaml", file.replace("spec: {", &format!("spec: {{{moved}, ")));
    estate.run(&["apply", "--yes", "--target", "tenant/w/ACME"]).ok().stdout_has("1 to rename");
    let tenant = "select tenant from synthex.credentials where name = 'c1'";
    assert_eq!(estate.value(tenant).as_deref(), Some("ACME"));
    // A fallback follows as well; the rules are changed by the plan.
    estate.project.write(
        "manifests/diary.yaml",
        estate.project.read("manifests/log.yaml").replace("name: log", "name: diary"),
    );
    estate.project.remove("manifests/log.yaml");
    estate.edit("expiry.yaml", "[chat, log]", "[chat, diary]");
    estate.edit("muted.yaml", "[log]", "[diary]");
    estate.edit("chat.yaml", "fallback: log", "fallback: diary");
    estate.run(&["apply", "--yes", "--target", "channel/w/diary"]).code(5).stdout_has("SX0506");
    estate.run(&["apply", "--yes", "--target", "rule/w/*", "--exclude", "channel/w/chat"]).ok();
    let fallback = "select fallback from synthex.notification_channels where name = 'chat'";
    assert_eq!(estate.value(fallback).as_deref(), Some("diary"));
    estate.is_converged();
}

#[test]
fn a_foreign_key_carries_exactly_those_names_along_that_the_planner_thinks_it_does() {
    let estate = Estate::applied("rename_keys");
    let sql = "select t.relname || '.' || a.attname from pg_constraint c join pg_class t on t.oid = c.conrelid \
               join pg_attribute a on a.attrelid = c.conrelid and a.attnum = c.conkey[2] \
               where c.contype = 'f' and c.connamespace = 'synthex'::regnamespace and c.confupdtype = 'c' order by 1";
    let carried: Vec<String> = estate.database.query_strings(sql).into_iter().flatten().flatten().collect();
    let mut named = Vec::new();
    for kind in synthex::kinds::stored() {
        let table = kind.table.as_ref().unwrap().name;
        let single = kind
            .columns()
            .iter()
            .filter(|column| column.names.is_some() && column.sql == synthex::model::SqlType::Text);
        named.extend(single.map(|column| format!("{table}.{}", column.name)));
    }
    named.sort();
    assert_eq!(carried, named);
}

#[test]
fn a_name_that_is_given_up_and_taken_again_is_there() {
    let estate = estate("rename_chain");
    estate.declare("NotificationChannel", "first", "{type: in-app}");
    let project = estate.project.read("synthex.yaml");
    estate
        .project
        .write("synthex.yaml", project.replace("moved: [{from: channel/w/old, to: channel/w/new}], ", ""));
    estate.project.remove("manifests/new.yaml");
    estate.declare("NotificationChannel", "old", "{type: console}");
    estate.apply().ok();
    // `old` becomes `new`, and what was `first` becomes `old`: the rule goes on with that.
    estate.project.remove("manifests/first.yaml");
    estate.declare("NotificationChannel", "old", "{type: in-app}");
    estate.declare("NotificationChannel", "new", "{type: console}");
    let moved =
        "moved: [{from: channel/w/old, to: channel/w/new}, {from: channel/w/first, to: channel/w/old}], ";
    estate
        .project
        .write("synthex.yaml", project.replace("moved: [{from: channel/w/old, to: channel/w/new}], ", moved));
    estate.apply().ok();
    estate.is_converged();
}

#[test]
fn where_the_rule_cannot_be_changed_the_channel_keeps_its_name() {
    let estate = estate("rename_continue");
    declare_user(&estate, "new");
    estate.declare_tenant("T4", &[]);
    estate.trigger("alert_rules", "update", "new.name = 'user'", "raise exception 'not this one';");
    let outcome = estate.run(&CONTINUE).code(7);
    outcome
        .stdout_has("failed  update rule/w/user")
        .stdout_has("skipped rename channel/w/new (manifests/new.yaml:1:1): something still needs it under its former name")
        .stdout_has("1 applied, 1 failed, 1 skipped");
    is_as_before(&estate);
    estate.untrigger("alert_rules");
    estate.run(&CONTINUE).ok();
    estate.is_converged();
}

#[test]
fn where_the_rule_is_declared_wrongly_the_channel_keeps_its_name_or_stays() {
    let estate = estate("rename_broken");
    estate.declare("AlertRule", "user", "{when: {credentialExpiry: {}}, channels: [new], schedule: never}");
    estate.declare_tenant("T4", &[]);
    let outcome = estate.run(&CONTINUE).code(7);
    outcome
        .stdout_has("skipped rename channel/w/new (manifests/new.yaml:1:1): rule/w/user still needs it under its former name")
        .stdout_has("declared wrongly")
        .stdout_has("1 applied, 0 failed, 2 skipped");
    is_as_before(&estate);
    // The same where it was to be deleted.
    estate.project.remove("manifests/new.yaml");
    estate.declare("AlertRule", "user", "{when: {credentialExpiry: {}}, channels: [log], schedule: never}");
    estate.project.remove("manifests/T4.yaml");
    let outcome = estate.run(&[&CONTINUE[..], &["--prune"]].concat()).code(7);
    outcome
        .stdout_has("skipped delete channel/w/old: rule/w/user still needs it")
        .stdout_has("1 applied, 0 failed, 2 skipped");
    is_as_before(&estate);
}

#[test]
fn a_rule_that_was_made_after_the_plan_was_saved_is_noticed() {
    for on_error in ["stop", "continue"] {
        let estate = estate("rename_saved");
        declare_user(&estate, "new");
        estate.declare_tenant("T4", &[]);
        estate.run(&["plan", "--out", "plan.json"]).ok();
        estate.database.sql(
            "insert into synthex.alert_rules (workspace, name, owner, condition, channels) \
             values ('w', 'late', 'second', '{\"credentialExpiry\": {}}', '[\"log\", \"old\"]')",
        );
        let apply = ["apply", "plan.json", "--yes", "--on-error", on_error];
        if on_error == "stop" {
            let state = estate.state();
            let outcome = estate.run(&apply).code(6);
            outcome
                .stderr_has(
                    "channel/w/new: rule/w/late still needs it under its former name, last changed by role",
                )
                .stderr_has("nothing was changed");
            assert_eq!(estate.state(), state);
        } else {
            let outcome = estate.run(&apply).code(7);
            outcome
                .stdout_has(
                    "failed  rename channel/w/new (manifests/new.yaml:1:1): rule/w/late still needs it",
                )
                .stdout_has("skipped update rule/w/user (manifests/user.yaml:1:1): it needs channel/w/new")
                .stdout_has("1 applied, 1 failed, 1 skipped");
        }
        is_as_before(&estate);
    }
}

#[test]
fn a_rollback_does_not_take_a_name_back_that_something_uses() {
    let estate = estate("rename_rollback");
    declare_user(&estate, "new");
    estate.apply().ok();
    estate.database.sql(
        "insert into synthex.alert_rules (workspace, name, owner, condition, channels) \
         values ('w', 'late', 'second', '{\"credentialExpiry\": {}}', '[\"new\"]')",
    );
    let rollback = ["rollback", "--to", "1", "--yes"];
    estate
        .run(&rollback)
        .code(5)
        .stderr_has("channel/w/new would be renamed to channel/w/old")
        .stderr_has("rule/w/late");
    estate.database.sql("update synthex.alert_rules set deleted_at = now() where name = 'late'");
    estate.run(&rollback).ok();
    is_as_before(&estate);
}
