//! The record: who did what, field by field, for ever; and a change that cannot be recorded does not happen.

use serde_json::Value;

use crate::support::cli::Outcome;
use crate::support::estate::Estate;
use crate::support::project::{project_yaml, tenant_yaml, workspace_yaml};

fn json(estate: &Estate, args: &[&str]) -> Value {
    let all: Vec<&str> = args.iter().chain(&["--format", "json"]).copied().collect();
    estate.run(&all).ok().json()
}

/// Applies as somebody, at a commit.
#[track_caller]
fn apply_as(estate: &Estate, actor: &str, commit: &str, args: &[&str]) -> Outcome {
    let all: Vec<&str> = ["apply", "--yes"].iter().chain(args).copied().collect();
    estate.synthex(&all).env("GITHUB_ACTOR", actor).env("GITHUB_SHA", commit).run()
}

/// `revision action field=after ...` or `edit role field=after ...`, newest first.
fn events(value: &Value) -> Vec<String> {
    let field = |field: &Value| format!(" {}={}", field["path"].as_str().unwrap(), field["after"]);
    let one = |event: &Value| {
        let head = match event["type"].as_str() {
            Some("edit") => format!("edit {}", event["role"].as_str().unwrap()),
            _ => format!("{} {}", event["revision"], event["action"].as_str().unwrap()),
        };
        let fields: String = event["fields"].as_array().unwrap().iter().map(field).collect();
        head + &fields
    };
    value["events"].as_array().unwrap_or_else(|| panic!("{value:#}")).iter().map(one).collect()
}

const COMMITS: [&str; 3] = [
    "1111111111111111111111111111111111111111",
    "2222222222222222222222222222222222222222",
    "3333333333333333333333333333333333333333",
];

/// Three revisions of `T1`, with an edit by hand between the last two.
fn eventful(hint: &str) -> Estate {
    let estate = Estate::new(hint);
    apply_as(&estate, "ann", COMMITS[0], &[]).ok();
    estate.edit("T1.yaml", "status: active", "status: inactive");
    estate.declare_tenant("T2", &["industry: Retail"]);
    apply_as(&estate, "bob", COMMITS[1], &[]).ok();
    estate.database.sql("update synthex.tenants set industry = 'Toys' where name = 'T1'");
    estate.declare_tenant("T1", &["industry: Books", "contact: {email: a@acme.example}"]);
    apply_as(&estate, "ann", COMMITS[2], &[]).ok();
    estate
}

#[test]
fn operations_are_listed_with_who_what_and_when() {
    let estate = eventful("history_list");
    let all = json(&estate, &["history"]);
    let operations = all["operations"].as_array().expect("a list");
    let revisions: Vec<i64> = operations.iter().map(|one| one["revision"].as_i64().unwrap()).collect();
    assert_eq!(revisions, [3, 2, 1]);
    let second = &operations[1];
    assert_eq!((&second["actor"], &second["commit"]), (&"bob".into(), &COMMITS[1].into()));
    assert_eq!((&second["command"], &second["status"]), (&"apply".into(), &"applied".into()));
    assert_eq!((&second["project"], &second["summary"]["update"]), (&"test".into(), &2.into()));
    assert!(second["digest"].as_str().expect("a digest").starts_with("sha256:"));
    assert!(second["duration_ms"].as_i64().expect("a number") < 60_000);
    for field in ["id", "host", "started_at", "finished_at"] {
        assert!(second[field].is_string(), "{field}: {second:#}");
    }
    let shown = estate.synthex(&["history"]).env("COLUMNS", "200").run().ok();
    shown.stdout_has("bob").stdout_has("2222222222").stdout_has("2 update").stdout_has("UTC (");
    let count = |args: &[&str]| {
        let args: Vec<&str> = ["history"].iter().chain(args).copied().collect();
        json(&estate, &args)["operations"].as_array().expect("a list").len()
    };
    assert_eq!(count(&["--actor", "ann"]), 2);
    assert_eq!(count(&["--limit", "1"]), 1);
    assert_eq!(count(&["--since", "1h"]), 3);
    assert_eq!(count(&["--since", "2999-01-01"]), 0);
    assert_eq!(count(&["--project", "other"]), 0);
    assert_eq!((count(&["-w", "w"]), count(&["-w", "v"])), (3, 0));
    estate.run(&["history", "--limit", "1"]).ok().stderr_has("--limit shows more");
    estate.run(&["history", "--since", "soon"]).code(3).stderr_has("2026-11-01");
}

#[test]
fn one_operation_is_shown_in_full() {
    let estate = eventful("history_one");
    let two = json(&estate, &["history", "--revision", "2"]);
    let changes = two["operation"]["changes"].as_array().expect("a list");
    assert_eq!(changes.len(), 2);
    assert_eq!(changes[0]["key"], "tenant/w/T1");
    assert_eq!(changes[0]["source"], "manifests/T1.yaml:1:1");
    assert_eq!(changes[0]["fields"][0]["path"], "status");
    assert_eq!(
        (&changes[0]["fields"][0]["before"], &changes[0]["fields"][0]["after"]),
        (&"active".into(), &"inactive".into())
    );
    estate.run(&["history", "--revision", "2"]).ok().stdout_has("active → inactive").stdout_has("duration");
    estate.run(&["history", "--revision", "7"]).code(3).stderr_has("there is no revision 7");
}

#[test]
fn a_resource_has_its_life_field_by_field_with_edits_by_hand_in_between() {
    let estate = eventful("history_key");
    let found = events(&json(&estate, &["history", "tenant/T1"]));
    assert_eq!(
        found[..3],
        [
            r#"3 update contact.email="a@acme.example" industry="Books" status="active""#,
            r#"edit synthex industry="Toys""#,
            r#"2 update status="inactive""#,
        ]
    );
    assert!(found[3].starts_with("1 create displayName=\"T1\""), "{found:?}");
    let of = |args: &[&str]| {
        let args: Vec<&str> = ["history", "tenant/w/T1"].iter().chain(args).copied().collect();
        events(&json(&estate, &args))
    };
    assert_eq!(
        of(&["--field", "industry"]),
        [r#"3 update industry="Books""#, r#"edit synthex industry="Toys""#]
    );
    assert_eq!(of(&["--field", "contact"]), [r#"3 update contact.email="a@acme.example""#]);
    assert_eq!(of(&["--actor", "bob"]).len(), 1);
    assert_eq!(of(&["--limit", "2"]).len(), 2);
    let shown = estate.run(&["history", "tenant/w/T1"]).ok();
    let shown = shown.stdout_has("by hand  changed").stdout_has("role synthex, from synthex-tests");
    shown
        .stdout_has("Toys     → Books")
        .stdout_has("ann with apply, commit 3333333333")
        .stdout_has("manifests/T1.yaml:1:1");
}

#[test]
fn every_column_of_a_row_edited_by_hand_reads_as_its_field() {
    let estate = Estate::applied("history_columns");
    estate.database.sql(
        "update synthex.tenants set metadata = '{\"n\": 1}', contact_email = 'x@y.example', employee_count = 3, labels = '{\"a\": \"b\"}',
             protected = true where name = 'T1';
         update synthex.credentials set declared_expires_at = '2033-01-01 00:00:00.5Z', deleted_at = now() where name = 'c1'",
    );
    assert_eq!(
        events(&json(&estate, &["history", "tenant/T1", "--actor", "synthex"])),
        [
            r#"edit synthex contact.email="x@y.example" employeeCount=3 labels.a="b" metadata.n=1 protect=true"#
        ]
    );
    assert_eq!(
        events(&json(&estate, &["history", "credential/c1", "--actor", "synthex"])),
        [r#"edit synthex expiresAt="2033-01-01T00:00:00.500Z" deleted=true"#]
    );
}

#[test]
fn history_follows_renames_and_outlives_what_it_is_about() {
    let estate = Estate::applied("history_rename");
    let moved = "{workspace: w, prune: true, guards: {maxDeletes: 9, maxDeletePercent: 100}, moved: [{from: tenant/w/T3, to: tenant/w/T8}]}";
    estate.project.write("synthex.yaml", project_yaml("test").replace("spec: {}", &format!("spec: {moved}")));
    estate.project.remove("manifests/T3.yaml");
    estate.project.write("manifests/T8.yaml", tenant_yaml("T8", "w"));
    estate.apply().ok();
    let life = json(&estate, &["history", "tenant/T8"]);
    assert_eq!(life["former_names"][0], "T3");
    let actions: Vec<String> =
        events(&life).iter().map(|line| line.split(' ').take(2).collect::<Vec<_>>().join(" ")).collect();
    assert_eq!(actions, ["2 rename", "1 create"]);
    estate.run(&["history", "tenant/T3"]).ok().stderr_has("is named T8 since revision 2");
    estate.run(&["blame", "tenant/T3"]).code(3).stderr_has("is named T8 since revision 2");
    let blamed = json(&estate, &["blame", "tenant/T8"]);
    let by = |field: &str| {
        let fields = blamed["fields"].as_array().expect("a list");
        fields.iter().find(|one| one["field"] == field).map(|one| one["revision"].clone())
    };
    assert_eq!((by("market"), by("displayName")), (Some(1.into()), Some(2.into())));
    // Gone, and still on record.
    estate.project.remove("manifests/T8.yaml");
    estate.apply().ok();
    estate.database.sql("delete from synthex.tenants where name = 'T8'");
    let life = estate.run(&["history", "tenant/w/T8"]).ok();
    life.stdout_has("by hand  removed").stdout_has("delete").stdout_has("formerly T3");
    estate.run(&["blame", "tenant/w/T8"]).code(3).stderr_has("not in the database any more");
}

#[test]
fn blame_names_who_set_each_field_and_where() {
    let estate = eventful("blame");
    estate.database.sql("update synthex.tenants set website = 'https://hand.example' where name = 'T1'");
    let blamed = json(&estate, &["blame", "tenant/T1"]);
    let fields = blamed["fields"].as_array().expect("a list");
    let of = |name: &str| {
        fields.iter().find(|field| field["field"] == name).unwrap_or_else(|| panic!("{name}: {blamed:#}"))
    };
    let market = of("market");
    assert_eq!(
        (&market["actor"], &market["revision"], &market["commit"]),
        (&"ann".into(), &1.into(), &COMMITS[0].into())
    );
    assert_eq!((&market["value"], &market["source"]), (&"ANZ_SMB".into(), &"manifests/T1.yaml:1:1".into()));
    assert_eq!((&of("industry")["revision"], &of("industry")["commit"]), (&3.into(), &COMMITS[2].into()));
    assert_eq!((&of("website")["type"], &of("website")["role"]), (&"edit".into(), &"synthex".into()));
    let shown = estate.synthex(&["blame", "tenant/T1"]).env("COLUMNS", "250").run().ok();
    shown
        .stdout_has("manifests/T1.yaml:1:1 at 3333333333")
        .stdout_has("role synthex")
        .stdout_has("https://hand.example");
}

#[test]
fn keys_are_found_or_near_ones_are_named() {
    let estate = Estate::new("history_find");
    estate.run(&["history"]).ok().stderr_has("Nothing was applied");
    estate.run(&["history", "tenant/T1"]).code(3).stderr_has("nothing was applied to this database yet");
    estate.project.write("manifests/v.yaml", workspace_yaml("v"));
    estate.project.write("manifests/V-T1.yaml", tenant_yaml("T1", "v"));
    estate.apply().ok();
    for command in ["history", "blame", "restore"] {
        let several = estate.run(&[command, "tenant/T1"]).code(3);
        several.stderr_has("is in several workspaces").stderr_has("tenant/v/T1, tenant/w/T1");
    }
    estate.run(&["history", "tenant/T1", "-w", "v"]).ok().stdout_has("tenant/v/T1");
    estate.run(&["history", "tenant/v/T1"]).ok();
    estate.run(&["history", "workspace/v"]).ok();
    estate.run(&["history", "tenant/T22"]).code(3).stderr_has("did you mean `T2`?");
    estate.run(&["history", "tennant/T2"]).code(3).stderr_has("there is no kind `tennant`");
    estate.run(&["history", "T2"]).code(3).stderr_has("tenant/acme");
    estate.run(&["history", "tenant/w/T1", "-w", "v"]).code(3).stderr_has("--workspace says `v`");
}

#[test]
fn what_failed_or_was_refused_is_on_record_too() {
    let estate = Estate::applied("history_failed").with_usual_guards();
    estate.edit("T1.yaml", "status: active", "status: inactive");
    estate.trigger("tenants", "update", "true", "raise exception 'not today';");
    apply_as(&estate, "ann", COMMITS[0], &[]).code(1);
    estate.untrigger("tenants");
    for file in ["T1", "T2", "T3", "c1", "c2"] {
        estate.project.remove(&format!("manifests/{file}.yaml"));
    }
    apply_as(&estate, "ann", COMMITS[1], &["--prune"]).code(5);
    let all = json(&estate, &["history", "--actor", "ann"]);
    let told = |place: usize| {
        let one = &all["operations"][place];
        let note = one["note"].as_str().expect("a note").to_owned();
        (one["status"].as_str().expect("a status").to_owned(), note, one["summary"]["update"].as_i64())
    };
    assert_eq!((told(0).0.as_str(), told(1).0.as_str()), ("refused", "failed"));
    assert!(told(1).1.contains("tenant/w/T1"), "{all:#}");
    assert_eq!(told(1).2, Some(0), "nothing was done, and nothing is counted");
    // A rollback over them has nothing of theirs to take back.
    estate.run(&["rollback", "--to", "1", "--plan"]).ok().stdout_has("nothing was changed after revision 1");
    estate.run(&["rollback", "--to", "2", "--plan"]).ok();
}

#[test]
fn what_was_interrupted_is_on_record_too() {
    let estate = Estate::applied("history_interrupted");
    estate.edit("T1.yaml", "status: active", "status: inactive");
    estate.trigger("tenants", "update", "true", "perform pg_sleep(20);");
    let mut run = estate.synthex(&["apply", "--yes"]).spawn();
    let asleep =
        "select count(*) from pg_stat_activity where datname = current_database() and wait_event = 'PgSleep'";
    run.wait_until("it writes", || estate.database.query_one_i64(asleep) > 0);
    run.interrupt();
    run.wait().code(130);
    let all = json(&estate, &["history", "--limit", "1"]);
    assert_eq!(all["operations"][0]["status"], "interrupted", "{all:#}");
}

#[test]
fn the_actor_is_the_user_of_the_ci_or_of_the_machine() {
    let estate = Estate::new("history_actor");
    let actor = || {
        estate
            .value("select actor from synthex.batch_operations order by revision desc limit 1")
            .expect("one")
    };
    estate.apply().ok();
    assert!(actor().contains('@'), "{}", actor());
    estate.edit("T1.yaml", "status: active", "status: inactive");
    estate
        .synthex(&["apply", "--yes"])
        .env("GITLAB_USER_LOGIN", "tanuki")
        .env("CI_COMMIT_SHA", COMMITS[0])
        .run()
        .ok();
    assert_eq!(actor(), "tanuki");
    estate.synthex(&["rollback", "--to", "1", "--yes"]).env("GITHUB_ACTOR", "octocat").run().ok();
    assert_eq!(actor(), "octocat");
}

#[test]
fn what_cannot_be_recorded_does_not_happen() {
    let estate = Estate::applied("history_unrecorded");
    estate.edit("T1.yaml", "status: active", "status: inactive");
    let state = estate.state();
    for table in ["batch_operations", "batch_operation_items"] {
        estate.trigger(table, "insert", "true", "raise exception 'the auditor is asleep';");
        let failed = estate.apply().code(1).stderr_has("the operation could not be recorded");
        failed.stderr_has("the auditor is asleep").stderr_has("nothing was changed");
        estate.untrigger(table);
        let rows: Vec<String> =
            estate.state().into_iter().filter(|row| !row.contains("\"failed\"")).collect();
        let before: Vec<String> = state.iter().filter(|row| !row.contains("\"failed\"")).cloned().collect();
        assert_eq!(rows, before, "{table}");
        estate.run(&["rollback", "--to", "1", "--yes"]).ok();
    }
    estate.apply().ok();
    estate.is_converged();
}

#[test]
fn a_role_that_may_add_to_the_record_cannot_change_it() {
    let estate = Estate::applied("history_append");
    let role = estate.database.create_role("auditor", "secret");
    estate.database.sql(&format!(
        "grant usage on schema synthex to \"{role}\";
         grant select, insert, update, delete, truncate on synthex.batch_operations, synthex.batch_operation_items to \"{role}\";
         grant usage on all sequences in schema synthex to \"{role}\""
    ));
    let id = "00000000-0000-7000-8000-000000000001";
    let enter = "select set_config('synthex.workspace', 'w', true)";
    let sql = format!(
        "begin; {enter};
         insert into synthex.batch_operations (id, project, command, actor, host, status, started_at, finished_at)
             values ('{id}', 'test', 'test', 'app', 'h', 'applied', now(), now());
         insert into synthex.batch_operation_items (operation_id, seq, workspace, kind, name, action, reason)
             values ('{id}', 1, 'w', 'tenants', 'T1', 'update', 'a test'); commit"
    );
    estate.database.try_sql_as(&role, &sql).expect("it may add");
    let state = estate.state();
    for table in ["batch_operations", "batch_operation_items"] {
        let column = if table == "batch_operations" { "actor" } else { "reason" };
        for change in [
            format!("update synthex.{table} set {column} = 'x'"),
            format!("delete from synthex.{table}"),
            format!("truncate synthex.{table} cascade"),
        ] {
            for who in [role.as_str(), "synthex", "admin"] {
                let sql = format!("begin; {enter}; {change}; commit");
                let refused = estate.database.try_sql_as(who, &sql).expect_err(&change).to_string();
                assert!(
                    refused.contains("is append-only") || refused.contains("permission denied"),
                    "{who}: {refused}"
                );
            }
        }
    }
    assert_eq!(estate.state(), state);
    estate.run(&["history", "tenant/T1", "--actor", "app"]).ok().stdout_has("a test");
}

#[test]
fn a_role_confined_to_a_workspace_sees_that_ones_history() {
    let estate = Estate::new("history_confined");
    estate.project.write("manifests/v.yaml", workspace_yaml("v"));
    estate.project.write("manifests/V1.yaml", tenant_yaml("V1", "v"));
    estate.apply().ok();
    estate.edit("T1.yaml", "status: active", "status: inactive");
    estate.apply().ok();
    let role = estate.database.create_role("reader", "secret");
    estate.database.sql(&format!(
        "grant usage on schema synthex to \"{role}\"; grant select on all tables in schema synthex to \"{role}\""
    ));
    let url = estate.database.url_as(&role);
    let run = |args: &[&str]| estate.synthex_at(&url, args).run();
    let count = |args: &[&str]| run(args).ok().json()["operations"].as_array().expect("a list").len();
    assert_eq!(count(&["history", "--format", "json"]), 2);
    assert_eq!(count(&["history", "--format", "json", "-w", "v"]), 1);
    run(&["history", "--revision", "1"]).ok().stdout_has("tenant/v/V1").stdout_has("tenant/w/T1");
    run(&["history", "tenant/T1"]).ok().stdout_has("active → inactive");
    run(&["history", "tenant/V1"]).ok().stdout_has("tenant/v/V1");
    run(&["blame", "tenant/w/T1"]).ok().stdout_has("inactive");
    run(&["rollback", "--to", "1", "--plan"]).code(3).stderr_has("--workspace");
    run(&["rollback", "--to", "1", "--plan", "-w", "w"]).ok().stdout_has("inactive → active");
    run(&["rollback", "--to", "1", "--yes", "-w", "w"]).code(8).stderr_has("may not write");
}
