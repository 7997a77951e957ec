//! `synthex ci apply`: exactly the plan that was approved, once, and never a question.

use std::time::{Duration, Instant};

use crate::support::cli::Outcome;
use crate::support::estate::Estate;
use crate::support::github::GitHub;

const COMMIT: &str = "1111111111111111111111111111111111111111";

/// The plan's digest, approved.
#[track_caller]
fn planned(estate: &Estate) -> String {
    estate.run(&["ci", "plan"]).ok();
    estate.project.read("synthex-ci/digest.txt").trim().to_owned()
}

#[track_caller]
fn apply(estate: &Estate, args: &[&str]) -> Outcome {
    estate.run(&[&["ci", "apply"], args].concat())
}

fn result(estate: &Estate) -> String {
    estate.project.read("synthex-ci/result.md")
}

#[test]
fn what_changed_since_the_approval_is_not_applied() {
    let estate = Estate::applied("ci_apply_stale");
    estate.edit("T1.yaml", "status: active", "status: inactive");
    let digest = planned(&estate);
    estate.project.write("comment.md", estate.project.read("synthex-ci/comment.md"));
    let state = estate.state();
    // Another pull request was merged that touches the same shop.
    estate.edit("T1.yaml", "AU-SE1", "NZ-NR1");
    for approval in [["--expect-digest", &digest], ["--approved-comment", "comment.md"]] {
        apply(&estate, &approval).code(6).stderr_has("re-plan: run `synthex ci plan`");
        assert!(result(&estate).contains("## The apply failed"), "{}", result(&estate));
        assert!(result(&estate).contains("re-plan"), "{}", result(&estate));
        assert_eq!(estate.state(), state);
    }
    // Taken back, the approval holds again; what is elsewhere in the database is nobody's concern.
    estate.edit("T1.yaml", "NZ-NR1", "AU-SE1");
    estate.database.sql("create table public.other (id int)");
    apply(&estate, &["--approved-comment", "comment.md"]).ok().stdout_has("Applied as revision 2.");
    // Not on record, and nothing to do: that is still not what was approved.
    let other = format!("sha256:{}", "0".repeat(64));
    apply(&estate, &["--expect-digest", &other]).code(6);
}

#[test]
fn only_one_whole_comment_of_this_environment_approves() {
    let estate = Estate::new("ci_apply_comment");
    let with = "spec: {workspace: w, environments: {prod: {}, staging: {}}}";
    let project = crate::support::project::project_yaml("test").replace("spec: {}", with);
    estate.project.write("synthex.yaml", project);
    estate.run(&["ci", "plan", "-e", "prod"]).ok();
    let comment = estate.project.read("synthex-ci/comment.md");
    assert!(comment.starts_with("<!-- synthex:plan:prod:sha256:"), "{comment}");
    for (text, environment, code, why) in [
        ("looks good".to_owned(), "prod", 3, "it has no marker"),
        (format!("{comment}{comment}"), "prod", 3, "it has 2 markers"),
        ("<!-- synthex:plan:prod:failed -->\n".to_owned(), "prod", 3, "no plan could be made"),
        (comment.clone(), "staging", 6, "it is of environment `prod`, and this is `staging`"),
    ] {
        estate.project.write("approved.md", text);
        let args = ["--approved-comment", "approved.md", "-e", environment];
        apply(&estate, &args).code(code).stderr_has(why).stderr_has("nothing was changed");
    }
    apply(&estate, &["--approved-comment", "nothing.md", "-e", "prod"]).code(3).stderr_has("nothing.md");
    apply(&estate, &["-e", "prod"]).code(3).stderr_has("--approved-comment");
    apply(&estate, &["--expect-digest", "x", "--auto-approve", "safe"]).code(3);
    estate.project.write("approved.md", comment.replace('\n', "\r\n"));
    apply(&estate, &["--approved-comment", "approved.md", "-e", "prod"]).ok();
    assert!(
        result(&estate).contains("## Applied to environment `prod` as revision 1"),
        "{}",
        result(&estate)
    );
}

#[test]
fn what_was_left_out_stands_in_a_table() {
    let estate = Estate::applied("ci_apply_partly");
    for name in ["T1", "T2"] {
        estate.edit(&format!("{name}.yaml"), "status: active", "status: inactive");
    }
    estate.trigger("tenants", "update", "new.name = 'T2'", "raise 'no | way';");
    let digest = planned(&estate);
    let github = GitHub::new();
    let step = github.step(COMMIT);
    let args = ["ci", "apply", "--expect-digest", &digest, "--on-error", "continue"];
    step.run(estate.synthex(&args)).run().code(7);
    let text = result(&estate);
    assert!(text.contains("## Partly applied as revision 2"), "{text}");
    let row =
        text.lines().find(|line| line.starts_with("| failed | update | `tenant/w/T2` |")).expect("a row");
    assert!(row.contains("no \\u{7c} way"), "{row}");
    assert!(text.contains("### Applied (1)") && text.contains("`tenant/w/T1`"), "{text}");
    assert_eq!(step.outputs()["applied"], "true");
}

#[test]
fn a_failure_is_told_where_people_look() {
    let estate = Estate::applied("ci_apply_fails");
    estate.edit("T1.yaml", "status: active", "status: inactive");
    let digest = planned(&estate);
    estate.trigger("tenants", "update", "true", "raise 'not today';");
    let github = GitHub::new();
    let step = github.step(COMMIT);
    let outcome = step.run(estate.synthex(&["ci", "apply", "--expect-digest", &digest])).run().code(1);
    assert!(outcome.stdout.contains("\n::error title=synthex::tenant/w/T1"), "{outcome}");
    assert!(step.summary().contains("not today"), "{}", step.summary());
    assert_eq!(step.outputs()["applied"], "false");
    estate.edit("T1.yaml", "inactive", "actve");
    let step = github.step(COMMIT);
    step.run(estate.synthex(&["ci", "apply", "--expect-digest", &digest])).run().code(3);
    assert!(step.summary().contains("`manifests/T1.yaml:11:11`"), "{}", step.summary());
}

#[test]
fn only_what_is_safe_is_applied_without_an_approval() {
    let estate = Estate::applied("ci_apply_safe");
    let refused = |words: &[&str]| {
        for command in [&["ci", "apply"][..], &["apply"]] {
            let state = estate.state();
            let args = [command, &["--prune", "--auto-approve", "safe", "--auto-approve-max", "2"]].concat();
            let mut outcome = estate.run(&args).code(5).stderr_has("this plan is not harmless");
            for word in words {
                outcome = outcome.stderr_has(word);
            }
            assert_eq!(estate.state(), state);
        }
        for word in words {
            assert!(result(&estate).contains(&word.replace('`', "")[..12]), "{}", result(&estate));
        }
    };
    // Creating and updating is safe, up to so many tenants.
    estate.edit("T1.yaml", "status: active", "status: inactive");
    estate.declare_tenant("T4", &["protect: true"]);
    apply(&estate, &["--auto-approve", "safe", "--auto-approve-max", "2"]).ok().stdout_has("revision 2.");
    let note = "select note from synthex.batch_operations where revision = 2";
    assert_eq!(estate.value(note).as_deref(), Some("approved by nobody: safe, and at most 2 tenants"));
    for name in ["T1", "T2", "T3"] {
        estate.edit(&format!("{name}.yaml"), "AU-SE1", "NZ-NR1");
    }
    refused(&["it touches 3 tenants, and 2 are allowed"]);
    apply(&estate, &["--auto-approve", "safe"]).ok();
    // Each of the others is not, and all reasons are given.
    estate.edit("T4.yaml", "AU-SE1", "NZ-NR1");
    refused(&["it holds a change of something protected: update tenant/w/T4"]);
    estate.edit("c1.yaml", "2031", "2032");
    refused(&["something protected", "it holds a change of a credential: update credential/w/c1"]);
    estate.edit("c1.yaml", "2032", "2031");
    estate.edit("T4.yaml", "NZ-NR1", "AU-SE1");
    estate.project.remove("manifests/T3.yaml");
    refused(&["it holds more than a create or an update: delete tenant/w/T3"]);
}

#[test]
fn a_cancelled_job_stops_cleanly() {
    let estate = Estate::applied("ci_apply_cancel");
    estate.edit("T1.yaml", "status: active", "status: inactive");
    let digest = planned(&estate);
    let state = estate.state();
    estate.trigger("tenants", "update", "true", "perform pg_sleep(30);");
    let github = GitHub::new();
    let step = github.step(COMMIT);
    let mut run = step.run(estate.synthex(&["ci", "apply", "--expect-digest", &digest])).spawn();
    let asleep =
        "select count(*) from pg_stat_activity where datname = current_database() and wait_event = 'PgSleep'";
    run.wait_until("it writes", || estate.database.query_one_i64(asleep) > 0);
    // GitHub: SIGINT, SIGTERM 7.5 seconds later, and the end 2.5 seconds after that. It must be over by then.
    let told = Instant::now();
    run.signal(rustix::process::Signal::INT);
    while run.is_running() && told.elapsed() < Duration::from_millis(7_500) {
        std::thread::sleep(Duration::from_millis(50));
    }
    if run.is_running() {
        run.terminate();
    }
    run.wait().code(130).stderr_has("nothing was changed");
    assert!(told.elapsed() < Duration::from_secs(10), "{:?}", told.elapsed());
    assert_eq!(estate.leases_held(), 0);
    assert!(step.summary().contains("stopped"), "{}", step.summary());
    assert_eq!(step.outputs()["applied"], "false");
    estate.untrigger("tenants");
    assert_eq!(estate.state(), state);
    // Being stopped is on record as revision 2.
    apply(&estate, &["--expect-digest", &digest]).ok().stdout_has("Applied as revision 3.");
}

#[test]
fn signals_that_come_one_after_the_other_change_nothing() {
    let estate = Estate::applied("ci_apply_signals");
    estate.database.sql(
        "create function public.slow() returns trigger language plpgsql as $f$ begin perform pg_sleep(9); return null; end $f$;
         create constraint trigger slow after insert on synthex.batch_operations deferrable initially deferred
             for each row execute function public.slow()",
    );
    estate.edit("T1.yaml", "status: active", "status: inactive");
    let digest = planned(&estate);
    let mut run = estate.synthex(&["ci", "apply", "--expect-digest", &digest]).spawn();
    let committing = "select count(*) from pg_stat_activity where datname = current_database() \
                      and query = 'commit' and wait_event = 'PgSleep'";
    run.wait_until("it commits", || estate.database.query_one_i64(committing) > 0);
    // The commit is on its way and cannot be taken back: the second signal finds it waiting for the answer.
    run.signal(rustix::process::Signal::INT);
    std::thread::sleep(Duration::from_millis(7_500));
    assert!(run.is_running());
    run.terminate();
    let outcome = run.wait();
    assert_eq!((outcome.code, estate.leases_held()), (0, 0), "{outcome}");
    estate.database.sql("drop trigger slow on synthex.batch_operations");
    // Running the job again finds it done.
    apply(&estate, &["--expect-digest", &digest]).ok().stdout_has("already applied, as revision 2");
    assert!(result(&estate).contains("## Already applied as revision 2"), "{}", result(&estate));
}
