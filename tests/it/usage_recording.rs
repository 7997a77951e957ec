//! What commands leave behind of themselves: one metric each, in a file of the user's until it is in the database, and
//! there once, whatever happened in between.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use serde_json::Value;
use tempfile::TempDir;

use crate::support::cli::{Outcome, Synthex};
use crate::support::estate::Estate;
use crate::support::proxy::{Mode, Proxy};

/// An estate, and a state folder that its commands share as those of one user do.
struct User {
    estate: Estate,
    state: TempDir,
}

impl User {
    fn new(hint: &str) -> User {
        User { estate: Estate::applied(hint), state: TempDir::with_prefix("synthex-state-").unwrap() }
    }

    fn synthex(&self, args: &[&str]) -> Synthex {
        self.records(self.estate.synthex(args))
    }

    /// The same run, with what it does recorded.
    fn records(&self, run: Synthex) -> Synthex {
        run.env("XDG_STATE_HOME", self.state.path()).env("SYNTHEX_ANALYTICS", "on")
    }

    #[track_caller]
    fn run(&self, args: &[&str]) -> Outcome {
        self.synthex(args).run()
    }

    fn folder(&self) -> PathBuf {
        self.state.path().join("synthex/usage")
    }

    /// The one file of lines that wait.
    fn file(&self) -> Option<PathBuf> {
        files(&self.folder()).into_iter().find(|path| path.extension().is_some_and(|end| end == "jsonl"))
    }

    fn waiting(&self) -> Vec<Value> {
        let text = self.file().map_or(String::new(), |path| std::fs::read_to_string(path).unwrap());
        text.lines().map(|line| serde_json::from_str(line).expect("a line of JSON")).collect()
    }

    /// Makes the next command send, although the last one just did.
    fn a_minute_passes(&self) {
        for path in
            files(&self.folder()).iter().filter(|path| path.extension().is_some_and(|end| end == "tried"))
        {
            std::fs::remove_file(path).unwrap();
        }
    }

    /// `type name outcome code`, in the order of time.
    fn stored(&self) -> Vec<String> {
        let rows = self.estate.database.query_strings(
            "select concat_ws(' ', metric_type, metric_name, outcome, code) from synthex.usage_metrics \
             order by recorded_at, metric_type, id",
        );
        rows.into_iter().flatten().flatten().collect()
    }
}

fn files(folder: &Path) -> Vec<PathBuf> {
    std::fs::read_dir(folder)
        .map(|found| found.map(|entry| entry.unwrap().path()).collect())
        .unwrap_or_default()
}

#[test]
fn every_command_leaves_one_metric_and_a_failure_an_error() {
    let user = User::new("usage_each");
    user.run(&["plan"]).ok();
    user.run(&["plan", "--detailed-exitcode", "--format", "json"]).ok();
    user.run(&["tenant", "tenants", "get", "NO_SUCH_SECRET_NAME", "-w", "w"]).code(3);
    user.run(&["tenant", "tenants", "list"]).ok();
    user.estate.edit("T1.yaml", "status: active", "status: inactive");
    user.estate.edit("T2.yaml", "status: active", "status: inactive");
    user.run(&["apply", "--yes"]).ok();
    // None of these works on a database.
    user.run(&["validate"]).ok();
    user.run(&["explain", "Tenant"]).ok();
    user.run(&["plan", "--nope"]).code(3);
    user.run(&["analytics", "report"]).ok();
    assert_eq!(
        user.stored(),
        [
            "command plan succeeded 0",
            "command plan succeeded 0",
            "command tenant tenants get failed 3",
            "error tenant tenants get failed usage",
            "command tenant tenants list succeeded 0",
            "command apply succeeded 0",
            "tenant_op apply succeeded",
        ]
    );
    let db = &user.estate.database;
    assert_eq!(
        db.query_one_i64("select count(*) from synthex.usage_metrics where workspace is distinct from 'w'"),
        0
    );
    assert_eq!(
        user.estate.value(
            "select value || ' ' || metadata::text from synthex.usage_metrics where metric_type = 'tenant_op'"
        ),
        Some("2 {\"update\": 2}".to_owned())
    );
    let timed = "select count(*) from synthex.usage_metrics where metric_type = 'command' and duration_ms between 0 and 60000";
    assert_eq!(db.query_one_i64(timed), 5);
    // Nothing but fixed words and numbers.
    let all =
        user.estate.value("select string_agg(to_jsonb(m)::text, ' ') from synthex.usage_metrics m").unwrap();
    assert!(
        !all.contains("NO_SUCH_SECRET_NAME") && !all.contains("\"T1\"") && !all.contains("detailed"),
        "{all}"
    );
    let month = "select count(*) from synthex.usage_metrics_default";
    assert_eq!(db.query_one_i64(month), 0, "the month was made");
}

#[test]
fn an_error_has_the_word_for_what_went_wrong() {
    let user = User::new("usage_words");
    user.estate.edit("T1.yaml", "status: active", "status: inactive");
    let digest = format!("sha256:{}", "0".repeat(64));
    user.run(&["apply", "--yes", "--expect-digest", &digest]).code(6);
    for (name, tenant) in [("c1", "T1"), ("c2", "T2")] {
        let spec = format!("{{tenant: {tenant}, service: shopify, secretRef: {{env: NOT_SET}}}}");
        user.estate.declare("Credential", name, &spec);
    }
    user.run(&["apply", "--yes"]).ok();
    user.run(&["tenant", "credentials", "verify", "--all"]).code(8);
    user.run(&["analytics", "report"]).ok();
    let errors = user.estate.database.query_strings(
        "select concat_ws(' ', metric_name, code, value) from synthex.usage_metrics where metric_type = 'error' \
         order by recorded_at, code",
    );
    let errors: Vec<String> = errors.into_iter().flatten().flatten().collect();
    assert_eq!(errors, ["apply digest-mismatch 1", "tenant credentials verify secret_missing 2"]);
}

#[test]
fn the_file_is_private_and_a_command_sends_at_most_once_a_minute() {
    let user = User::new("usage_minute");
    user.run(&["plan"]).ok();
    assert_eq!(user.stored().len(), 1, "the first command has nobody to wait for");
    user.run(&["plan"]).ok();
    user.run(&["plan"]).ok();
    assert_eq!((user.stored().len(), user.waiting().len()), (1, 2));
    for path in files(&user.folder()) {
        assert_eq!(
            std::fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o600,
            "{}",
            path.display()
        );
    }
    assert_eq!(std::fs::metadata(user.folder()).unwrap().permissions().mode() & 0o777, 0o700);
    user.a_minute_passes();
    user.run(&["plan"]).ok();
    assert_eq!((user.stored().len(), user.waiting().len()), (4, 0));
}

#[test]
fn nothing_is_recorded_where_it_is_switched_off() {
    let user = User::new("usage_off");
    for (name, value) in [("DO_NOT_TRACK", "1"), ("SYNTHEX_ANALYTICS", "off"), ("SYNTHEX_ANALYTICS", "0")] {
        user.synthex(&["plan"]).env(name, value).run().ok();
    }
    let unclear = || user.synthex(&["plan"]).env("SYNTHEX_ANALYTICS", "garbage");
    let said = "SYNTHEX_ANALYTICS is `garbage`, and not one of on, off";
    let outcome = unclear().run().ok().stderr_has(said);
    assert_eq!(outcome.stderr.matches("garbage").count(), 1);
    unclear().env("DO_NOT_TRACK", "1").run().ok().nowhere("garbage");
    user.synthex(&["validate"]).env("SYNTHEX_ANALYTICS", "garbage").run().ok().nowhere("garbage");
    user.synthex(&["analytics", "report"]).env("DO_NOT_TRACK", "1").run().ok().stderr_has("switched off");
    let file = user.estate.project.read("synthex.yaml");
    for word in ["false", "\"off\"", "off"] {
        user.estate
            .project
            .write("synthex.yaml", file.replace("spec: {", &format!("spec: {{analytics: {word}, ")));
        user.run(&["plan"]).ok();
        user.run(&["apply", "--yes"]).ok();
    }
    assert!(!user.folder().exists(), "{:?}", files(&user.folder()));
    assert!(user.stored().is_empty());
    user.estate.project.write("synthex.yaml", file.replace("spec: {", "spec: {analytics: no, "));
    user.run(&["plan"]).code(3).stderr_has("write false, or `no` in quotes");
    user.estate.project.write("synthex.yaml", file.replace("spec: {", "spec: {analytics: maybe, "));
    user.run(&["plan"]).code(3).stderr_has("analytics");
    user.estate.project.write("synthex.yaml", file.replace("spec: {", "spec: {analytics: true, "));
    user.synthex(&["plan"]).env("DO_NOT_TRACK", "0").env("SYNTHEX_ANALYTICS", "on").run().ok();
    assert_eq!(user.stored(), ["command plan succeeded 0"]);
}

#[test]
fn without_a_place_to_write_a_command_works_as_ever() {
    let user = User::new("usage_no_place");
    let file = user.state.path().join("a-file");
    std::fs::write(&file, "").unwrap();
    user.synthex(&["plan"]).env("XDG_STATE_HOME", &file).run().ok().nowhere("usage");
    user.synthex(&["plan"]).without_env("XDG_STATE_HOME").without_env("HOME").run().ok();
    user.synthex(&["plan"]).env("XDG_STATE_HOME", "/dev/full").run().ok();
    user.synthex(&["plan"]).env("XDG_STATE_HOME", "state").run().ok();
    user.synthex(&["plan"]).without_env("XDG_STATE_HOME").env("HOME", "home").run().ok();
    assert!(user.stored().is_empty());
    // Pipes in place of the files: nobody reads them, and nobody is waited for.
    user.run(&["plan"]).ok();
    let count = user.stored().len();
    user.run(&["plan"]).ok();
    let file = user.file().expect("one waits");
    user.a_minute_passes();
    for path in [file.clone(), file.with_extension("tried")] {
        std::fs::remove_file(&path).unwrap_or_default();
        assert!(std::process::Command::new("mkfifo").arg(&path).status().unwrap().success());
    }
    user.run(&["plan"]).ok().nowhere("usage");
    user.run(&["analytics", "report"]).ok();
    assert_eq!(user.stored().len(), count);
}

#[test]
fn an_unreachable_database_gets_it_later_and_once() {
    let user = User::new("usage_later");
    let proxy = Proxy::before(&user.estate.database, Mode::Refuse);
    let url = proxy.url(&user.estate.database);
    let run = |args: &[&str]| user.records(user.estate.synthex_at(&url, args)).run();
    run(&["plan"]).code(8);
    // It shows its error itself, in the plan's place.
    run(&["plan", "--format", "json"]).code(8);
    run(&["drift"]).code(8);
    assert_eq!(user.waiting().len(), 6, "three commands and three errors");
    assert!(user.stored().is_empty());
    proxy.set(Mode::Pass);
    run(&["plan"]).ok();
    let expected = [
        "command plan failed 8",
        "error plan failed database-unreachable",
        "command plan failed 8",
        "error plan failed database-unreachable",
        "command drift failed 8",
        "error drift failed database-unreachable",
        "command plan succeeded 0",
    ];
    assert_eq!(user.stored(), expected);
    run(&["analytics", "report"]).ok();
    assert_eq!(user.stored()[..7], expected);
}

#[test]
fn what_was_sent_and_not_yet_taken_out_counts_once() {
    let user = User::new("usage_once");
    user.run(&["plan"]).ok();
    user.run(&["plan"]).ok();
    user.run(&["tenant", "tenants", "list"]).ok();
    let file = user.file().expect("two wait");
    let before = std::fs::read_to_string(&file).unwrap();
    user.a_minute_passes();
    user.run(&["plan"]).ok();
    assert_eq!(user.stored().len(), 4);
    // The command was killed between the insertion and the removal of the lines, twice.
    for _ in 0..2 {
        std::fs::write(&file, &before).unwrap();
        user.a_minute_passes();
        user.run(&["analytics", "report"]).ok();
    }
    let commands: Vec<String> =
        user.stored().into_iter().filter(|line| !line.contains("analytics")).collect();
    assert_eq!(commands.len(), 4, "{commands:?}");
}

#[test]
fn lines_that_mean_nothing_are_thrown_away_and_hold_up_no_other() {
    let user = User::new("usage_garbage");
    user.run(&["plan"]).ok();
    user.run(&["plan"]).ok();
    let file = user.file().expect("one waits");
    let line = std::fs::read_to_string(&file).unwrap();
    let old = line.replace("\"recorded_at\":\"20", "\"recorded_at\":\"19");
    std::fs::write(
        &file,
        format!("{{\"half\": \n{old}{line}nonsense $usage$; drop schema synthex cascade;\n"),
    )
    .unwrap();
    user.run(&["analytics", "report"]).ok();
    assert_eq!(user.stored().len(), 2);
    let left: Vec<Value> = user.waiting();
    assert!(left.iter().all(|line| line["metric_name"] == "analytics report"), "{left:?}");
    // A dollar sign in a value does not end the statement.
    let mut value: Value = serde_json::from_str(&line).unwrap();
    value["id"] = "00000000-0000-7000-8000-000000000001".into();
    value["actor"] = "$usage$; drop schema synthex cascade; --".into();
    std::fs::write(&file, format!("{value}\n")).unwrap();
    user.run(&["analytics", "report"]).ok();
    assert_eq!(
        user.estate.value(
            "select actor from synthex.usage_metrics where id = '00000000-0000-7000-8000-000000000001'"
        ),
        Some("$usage$; drop schema synthex cascade; --".to_owned())
    );
}

#[test]
fn a_metric_is_stored_in_the_installation_it_was_recorded_for() {
    let user = User::new("usage_installation");
    user.run(&["plan"]).ok();
    user.run(&["plan"]).ok();
    assert_eq!(user.waiting().len(), 1);
    // Another database takes the place of this one.
    user.estate.database.sql("drop schema synthex cascade");
    user.run(&["apply", "--yes"]).ok();
    user.a_minute_passes();
    user.run(&["analytics", "report"]).ok();
    let stored = user.stored();
    assert!(!stored.contains(&"command plan succeeded 0".to_owned()), "{stored:?}");
    assert_eq!(user.waiting().iter().filter(|line| line["metric_name"] == "plan").count(), 1);
}

#[test]
fn a_role_that_may_only_read_works_and_what_it_did_waits() {
    let user = User::new("usage_reader");
    let role = user.estate.database.create_role("reader", "secret");
    user.estate.database.sql(&format!(
        "grant usage on schema synthex to \"{role}\"; grant select on all tables in schema synthex to \"{role}\""
    ));
    let url = user.estate.database.url_as(&role);
    let as_reader = |args: &[&str]| user.records(user.estate.synthex_at(&url, args)).run();
    as_reader(&["plan"]).ok().nowhere("metric");
    user.a_minute_passes();
    as_reader(&["plan"]).ok();
    assert_eq!((user.stored().len(), user.waiting().len()), (0, 2));
    as_reader(&["analytics", "report", "-w", "w"]).ok().stderr_has("2 metrics of this machine wait");
    as_reader(&["analytics", "report"]).code(3).stderr_has("--workspace");
    as_reader(&["analytics", "roll-up"]).code(8).stderr_has("owns the schema");
    // Somebody who may write sends them.
    user.run(&["analytics", "report"]).ok();
    assert!(user.stored().len() >= 3, "{:?}", user.stored());
}

#[test]
fn commands_that_end_at_once_lose_nothing() {
    let user = User::new("usage_at_once");
    user.run(&["plan"]).ok();
    let running: Vec<_> = (0..8).map(|_| user.synthex(&["tenant", "tenants", "list"]).spawn()).collect();
    for run in running {
        run.wait().ok();
    }
    assert_eq!(user.waiting().len(), 8);
    user.run(&["analytics", "report"]).ok();
    assert_eq!(user.stored().len(), 9);
}
