//! Workspaces that people have left alone for a while: `pause` and `resume`, pauses in the project file, and what is said of
//! them wherever something is planned or looked at.

use serde_json::{Value, json};

use crate::support::cli::Outcome;
use crate::support::estate::Estate;
use crate::support::pgbouncer::PgBouncer;
use crate::support::project::workspace_yaml;

#[track_caller]
fn pause(estate: &Estate, more: &[&str]) -> Outcome {
    estate.run(&[&["pause"], more].concat())
}

/// What the database has: workspace, reason, and for how many minutes still.
fn rows(estate: &Estate) -> Vec<String> {
    let sql = "select concat_ws(' | ', workspace, reason, ceil(extract(epoch from until - clock_timestamp()) / 60)) \
               from synthex.pauses where actor <> '' order by 1";
    estate.database.query_strings(sql).into_iter().flatten().flatten().collect()
}

/// What is on record, the oldest first.
fn record(estate: &Estate) -> Vec<String> {
    let sql = "select concat_ws(' | ', command, status, project, note) from synthex.batch_operations \
               where command in ('pause', 'resume') and plan_digest is null and actor <> '' and host <> '' order by revision";
    estate.database.query_strings(sql).into_iter().flatten().flatten().collect()
}

#[test]
fn a_workspace_is_paused_for_a_while_with_a_reason_and_resumed() {
    let estate = Estate::applied("pause_round");
    let eva = |args: &[&str]| estate.synthex(args).env("GITHUB_ACTOR", "eva").run();
    let paused = eva(&["pause", "workspace/w", "--for", "4h", "--reason", "INC-12"]).ok();
    paused.stdout_has("Paused workspace `w` until 20").stdout_has("(in 4 hours): INC-12.");
    assert_eq!(rows(&estate), ["w | INC-12 | 240"]);
    let list = estate.run(&["pause", "--list"]).ok();
    for part in ["WORKSPACE", "PAUSED BY", "eva", "UTC (in ", "INC-12"] {
        assert!(list.stdout.contains(part), "{part}: {list}");
    }
    // A plain name is enough; what it replaces is said, and is on record.
    let again = pause(&estate, &["w", "--for", "30m", "--reason", "INC-13", "--yes"]).ok();
    again.stdout_has("In place of a pause by eva, until 20").stdout_has("): INC-12.");
    assert_eq!(rows(&estate), ["w | INC-13 | 30"]);
    let resumed = estate.run(&["resume", "workspace/w", "--reason", "mended"]).ok();
    resumed.stdout_has("Resumed workspace `w`; it was paused by ").stdout_has("INC-13.");
    assert!(rows(&estate).is_empty());
    estate.run(&["resume", "w"]).ok().stdout_has("Workspace `w` is not paused.");
    let record = record(&estate);
    assert_eq!(record.len(), 3, "{record:?}");
    assert!(record[0].starts_with("pause | applied | test | workspace w: INC-12; until 20"), "{record:?}");
    assert!(
        record[1].contains("w was paused by eva until 20") && record[1].ends_with("UTC: INC-12"),
        "{record:?}"
    );
    assert!(
        record[2].starts_with("resume | applied | test | workspace w: mended; w was paused by "),
        "{record:?}"
    );
    estate.run(&["history"]).ok().stdout_has("workspace w: INC-12");
}

#[test]
fn a_pause_without_a_reason_is_refused_and_one_without_an_end_is_said_loudly() {
    let estate = Estate::applied("pause_reason");
    for args in [&["w", "--for", "4h"][..], &["w", "--for", "4h", "--reason", "  "]] {
        pause(&estate, args).code(3).stderr_has("a pause needs a reason").stderr_has("--reason \"INC-12\"");
    }
    let json = pause(&estate, &["w", "--format", "json"]).code(3).json();
    assert_eq!(json["error"]["code"], "usage");
    pause(&estate, &["w", "--reason", &"x".repeat(501)]).code(3).stderr_has("500 characters");
    pause(&estate, &["--for", "4h", "--reason", "x"]).code(3).stderr_has("no workspace is named");
    pause(&estate, &["tenant/w/T1", "--reason", "x"]).code(3).stderr_has("only a workspace can be paused");
    pause(&estate, &["w", "--for", "4y", "--reason", "x"]).code(3).stderr_has("30m, 4h or 2d");
    pause(&estate, &["w", "--for", "4h", "--until", "2031-01-01", "--reason", "x"]).code(3);
    pause(&estate, &["w", "--until", "2020-01-01", "--reason", "x"])
        .code(3)
        .stderr_has("over before it begins")
        .stderr_has("--for 4h");
    assert!(rows(&estate).is_empty() && record(&estate).is_empty());
    let loud = pause(&estate, &["w", "--reason", "INC-12"]).ok();
    loud.stdout_has("until somebody resumes it")
        .stderr_has("warning: no end was given")
        .stderr_has("synthex resume workspace/w");
    assert_eq!(rows(&estate), ["w | INC-12"]);
}

#[test]
fn a_workspace_must_be_in_the_database_or_in_a_manifest() {
    let estate = Estate::applied("pause_known");
    estate.project.write("manifests/new.yaml", workspace_yaml("uk-smb"));
    let unknown = pause(&estate, &["uk-snb", "--for", "1h", "--reason", "x"]).code(3);
    unknown.stderr_has("there is no workspace `uk-snb`").stderr_has("did you mean `uk-smb`?");
    pause(&estate, &["w", "nothing", "--for", "1h", "--reason", "x"]).code(3);
    assert!(rows(&estate).is_empty(), "all of them, or none");
    // Declared, and not applied yet.
    pause(&estate, &["uk-smb", "w", "--until", "2031-01-01T09:00:00Z", "--reason", "stock-taking"]).ok();
    let listed = estate.run(&["pause", "--list", "--format", "json"]).json();
    let names: Vec<&Value> =
        listed["pauses"].as_array().unwrap().iter().map(|pause| &pause["workspace"]).collect();
    assert_eq!(names, ["uk-smb", "w"]);
    assert_eq!(
        (&listed["pauses"][1]["until"], &listed["pauses"][1]["declared"]),
        (&json!("2031-01-01T09:00:00Z"), &json!(false))
    );
    assert_eq!(record(&estate).len(), 1, "one operation for all of them");
    // What is gone from everywhere can still be resumed.
    estate.project.remove("manifests/new.yaml");
    estate.run(&["resume", "uk-smb"]).ok().stdout_has("Resumed");
    estate.run(&["resume", "uk-smb"]).code(3).stderr_has("there is no workspace");
    estate.run(&["pause", "w", "-w", "v", "--reason", "x"]).code(3).stderr_has("--workspace");
    estate.run(&["resume", "-w", "w"]).ok().stdout_has("Resumed workspace `w`");
}

#[test]
fn a_dry_run_says_what_would_be_done_and_writes_nothing() {
    let estate = Estate::applied("pause_dry");
    pause(&estate, &["w", "--for", "1h", "--reason", "INC-1"]).ok();
    let json = pause(&estate, &["w", "--for", "2h", "--reason", "INC-2", "--dry-run", "--format", "json"])
        .ok()
        .json();
    assert_eq!((&json["paused"], &json["pauses"][0]["replaced"]["reason"]), (&json!(false), &json!("INC-1")));
    pause(&estate, &["w", "--for", "2h", "--reason", "INC-2", "--dry-run"]).ok().stdout_has("Would pause");
    estate.run(&["resume", "w", "--dry-run"]).ok().stdout_has("Would resume workspace `w`");
    assert_eq!((rows(&estate), record(&estate).len()), (vec!["w | INC-1 | 60".to_owned()], 1));
}

#[test]
fn a_pause_ends_by_itself_by_the_clock_of_the_database() {
    let estate = Estate::applied("pause_ends");
    estate.database.sql(
        "insert into synthex.pauses values ('w', 'INC-12', 'eva', now() - interval '2 hours', now() - interval '1 second')",
    );
    estate.edit("T1.yaml", "status: active", "status: inactive");
    estate.run(&["plan", "--as-of", "2020-01-01"]).ok().nowhere("INC-12");
    pause(&estate, &["--list"]).ok().stderr_has("No workspace is paused.");
    estate.run(&["resume", "w"]).ok().stdout_has("is not paused");
    assert!(record(&estate).is_empty());
    // What has ended is no pause that another one takes the place of.
    estate.database.sql(
        "insert into synthex.pauses values ('w', 'INC-12', 'eva', now() - interval '2 hours', now() - interval '1 second') \
         on conflict do nothing",
    );
    pause(&estate, &["w", "--for", "1h", "--reason", "INC-13"]).ok().nowhere("INC-12");
}

#[test]
fn a_plan_says_who_paused_what_it_touches_and_is_the_same_each_time() {
    let estate = Estate::applied("pause_plan");
    pause(&estate, &["w", "--until", "2031-01-01T09:00:00Z", "--reason", "INC-12"]).ok();
    // Where nothing is planned, nothing is said.
    estate.run(&["plan"]).ok().nowhere("INC-12");
    estate.edit("T1.yaml", "status: active", "status: inactive");
    let said = "until 2031-01-01 09:00:00 UTC: INC-12; `watch` leaves it alone";
    let human = estate.run(&["plan"]).ok().stdout_has("workspace `w` is paused by ").stdout_has(said);
    assert_eq!(human.stdout, estate.run(&["plan"]).ok().stdout);
    let json = estate.plan(&[]);
    let notices = json["notices"].as_array().expect("a list");
    assert!(notices.iter().any(|notice| notice.as_str().unwrap().ends_with(said)), "{json:#}");
    let markdown = estate.run(&["plan", "--format", "markdown"]).ok().stdout_has("INC-12");
    assert_eq!(markdown.stdout, estate.run(&["plan", "--format", "markdown"]).ok().stdout);
    estate.run(&["plan", "--out", "plan.json"]).ok();
    // An apply goes on: who applies decides. So does an operator's command.
    estate.run(&["apply", "plan.json", "--dry-run"]).ok().stdout_has(said);
    estate
        .run(&["tenant", "tenants", "delete", "--tenant-id", "T3", "--force", "--dry-run"])
        .stdout_has(said);
    estate.apply().ok().stdout_has(said);
    estate.database.sql("update synthex.tenants set industry = 'Toys' where name = 'T2'");
    estate.run(&["drift"]).ok().stdout_has("workspace `w` is paused by ").stdout_has("(in ");
    estate.run(&["tenant", "workspace", "info"]).ok().stdout_has("paused by ").stdout_has("INC-12");
    estate.run(&["tenant", "workspace", "summary"]).ok().stdout_has("note: workspace `w` is paused by ");
    let info = estate.run(&["tenant", "workspace", "info", "--format", "json"]).json();
    let summary = estate.run(&["tenant", "workspace", "summary", "--format", "json"]).json();
    for paused in [&info["workspace"]["paused"], &summary["workspaces"][0]["paused"]] {
        assert_eq!((&paused["reason"], &paused["until"]), (&json!("INC-12"), &json!("2031-01-01T09:00:00Z")));
    }
    estate.run(&["resume", "w"]).ok();
    for command in ["info", "summary"] {
        estate.run(&["tenant", "workspace", command]).ok().nowhere("INC-12");
    }
}

#[test]
fn a_plan_needs_neither_the_table_of_pauses_nor_the_right_to_read_it() {
    let estate = Estate::applied("pause_older");
    pause(&estate, &["w", "--for", "1h", "--reason", "INC-12"]).ok();
    estate.edit("T1.yaml", "status: active", "status: inactive");
    let role = estate.database.create_role("reader", "");
    let grant = format!(
        "grant usage on schema synthex to {role}; grant select on all tables in schema synthex to {role}; \
         revoke select on synthex.pauses from {role}; alter role {role} bypassrls"
    );
    estate.database.admin_sql(&grant);
    let reads = |args: &[&str]| estate.synthex_at(&estate.database.url_as(&role), args).run();
    reads(&["plan"]).ok().stdout_has("1 to update").nowhere("INC-12");
    estate.database.admin_sql(&format!("grant select on synthex.pauses to {role}"));
    reads(&["plan"]).ok().stdout_has("1 to update").stdout_has("INC-12");
    reads(&["pause", "w", "--for", "1h", "--reason", "x"]).code(8).stderr_has("may not write");
    // A database from before there were pauses.
    estate
        .database
        .sql("drop table synthex.pauses; delete from synthex.schema_migrations where version >= 10");
    estate.run(&["plan"]).ok().stdout_has("1 to update");
    estate.run(&["drift"]).ok();
    estate.run(&["tenant", "workspace", "summary"]).ok();
    pause(&estate, &["--list"]).ok().stderr_has("No workspace is paused.");
    pause(&estate, &["w", "--for", "1h", "--reason", "x", "--dry-run"]).ok().stdout_has("Would pause");
}

#[test]
fn a_role_in_one_workspace_is_told_of_that_one() {
    let estate = Estate::applied("pause_confined");
    pause(&estate, &["w", "--for", "1h", "--reason", "INC-12"]).ok();
    estate.edit("T1.yaml", "status: active", "status: inactive");
    let role = estate.database.create_role("confined", "");
    estate.database.admin_sql(&format!(
        "grant usage on schema synthex to {role}; grant select on all tables in schema synthex to {role}"
    ));
    let url = estate.database.url_as(&role);
    estate.synthex_at(&url, &["plan"]).run().ok().stdout_has("INC-12");
    estate.synthex_at(&url, &["pause", "--list"]).run().ok().stdout_has("INC-12");
}

#[test]
fn a_pause_in_the_project_file_needs_an_end_and_is_told_of_like_any_other() {
    let estate = Estate::applied("pause_declared");
    estate.edit_project("{workspace: w,", "{workspace: w, pauses: [{workspace: w, reason: a move}],");
    let missing = estate.run(&["plan"]).code(3);
    missing
        .stderr_has("synthex.yaml:5:")
        .stderr_has("the field `until` is missing")
        .stderr_has("add `until:`");
    estate.edit_project("reason: a move}", "reason: a move, until: soon}");
    estate.run(&["validate"]).code(3).stderr_has("`until` has the wrong form").stderr_has("2026-12-31");
    estate.edit_project("until: soon", "until: 2031-02-01");
    estate.edit("T1.yaml", "status: active", "status: inactive");
    let said = "workspace `w` is paused by the project file until 2031-02-01 00:00:00 UTC: a move";
    estate.run(&["plan"]).ok().stdout_has(said);
    estate.run(&["plan", "--as-of", "2031-01-31"]).ok().stdout_has(said);
    let over = estate.run(&["plan", "--as-of", "2031-02-01"]).ok().nowhere(said);
    over.stdout_has("is no longer paused by the project file").stdout_has("remove it from `pauses`");
    // Of two the one that lasts longer counts, and the file's is not ended by a command.
    pause(&estate, &["w", "--for", "1h", "--reason", "INC-12"])
        .ok()
        .stdout_has("It is also paused by the project file");
    estate.run(&["plan"]).ok().stdout_has(said).nowhere("INC-12");
    estate.run(&["resume", "w"]).ok().stdout_has("It is still paused by the project file");
    let refused = estate.run(&["resume", "w"]).code(3);
    refused.stderr_has("is paused by synthex.yaml").stderr_has("take it out of `pauses` in synthex.yaml");
    let listed = pause(&estate, &["--list", "--format", "json"]).json();
    assert_eq!(
        (&listed["pauses"][0]["declared"], &listed["pauses"][0]["since"]),
        (&json!(true), &Value::Null)
    );
    // A name that is mistyped pauses nothing, and that is said.
    estate.edit_project("workspace: w, reason", "workspace: x, reason");
    estate.run(&["plan"]).ok().stdout_has("`pauses` names workspace `x`, which no manifest declares");
}

#[test]
fn pauses_work_behind_a_transaction_pooler() {
    let estate = Estate::applied("pause_pooler");
    let pooler = PgBouncer::with_pool_size(&estate.database, 2);
    let run = |args: &[&str]| estate.synthex_at(&pooler.url(&estate.database), args).run();
    run(&["pause", "w", "--for", "1h", "--reason", "INC-12"]).ok();
    run(&["pause", "--list"]).ok().stdout_has("INC-12");
    estate.edit("T1.yaml", "status: active", "status: inactive");
    run(&["plan"]).ok().stdout_has("INC-12");
    run(&["resume", "w"]).ok().stdout_has("Resumed");
    assert!(rows(&estate).is_empty());
}

#[test]
fn how_long_is_said_to_the_second_and_what_is_over_is_refused() {
    let estate = Estate::applied("pause_lengths");
    for length in ["-1h", "0", "0m", "4", "soon"] {
        let refused = pause(&estate, &["w", "--reason", "INC-12", "--for", length]).code(3).nowhere("tip:");
        refused
            .stderr_has(&format!("invalid value '{length}'"))
            .stderr_has("write how long from now: 30m, 4h or 2d");
    }
    let over = pause(&estate, &["w", "--reason", "INC-12", "--until", "2020-01-01"]).code(3);
    over.stderr_has("the pause would be over before it begins");
    pause(&estate, &["w", "--reason", "INC-12", "--for", "90s"])
        .ok()
        .stdout_has("(in 1 minute 30 seconds): INC-12.");
    pause(&estate, &["w", "--reason", "INC-12", "--for", "3s"]).ok().stdout_has("(in 3 seconds): INC-12.");
}
