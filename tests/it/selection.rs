//! `--selector`, `--target`, `--target-file` and `--exclude`: what is not selected is neither changed nor deleted.

use crate::support::estate::Estate;
use crate::support::project::workspace_yaml;

/// Labels and fields to select by, nothing applied yet.
fn labelled(hint: &str) -> Estate {
    let estate = Estate::new(hint);
    for (name, tier) in [("T1", "gold"), ("T2", "silver")] {
        estate.edit(
            &format!("{name}.yaml"),
            "metadata:\n",
            &format!("metadata:\n  labels: {{tier: {tier}}}\n"),
        );
    }
    estate.edit("T3.yaml", "AU-SE1", "NZ-NR1");
    estate
}

/// The names that a plan with these options would create.
#[track_caller]
fn created(estate: &Estate, args: &[&str]) -> String {
    let changes = estate.plan(args)["changes"].as_array().expect("a list").clone();
    let mut keys: Vec<String> =
        changes.iter().map(|change| change["key"].as_str().expect("a key").to_owned()).collect();
    keys.sort_unstable();
    keys.join(" ")
}

fn included(plan: &serde_json::Value) -> Vec<&str> {
    plan["included"].as_array().expect("a list").iter().filter_map(|one| one["key"].as_str()).collect()
}

#[test]
fn labels_fields_patterns_and_exclusions_select() {
    let estate = labelled("select");
    for (args, expected) in [
        (&["-l", "tier=gold"][..], "tenant/w/T1 workspace/w"),
        (&["-l", "tier in (gold, silver)"], "tenant/w/T1 tenant/w/T2 workspace/w"),
        (&["-l", "tier,tier!=gold"], "tenant/w/T2 workspace/w"),
        (&["-l", "!tier,region=NZ-NR1"], "tenant/w/T3 workspace/w"),
        (
            &["-l", "market in (ANZ_SMB,UK),tier!=gold", "--target", "tenant/*"],
            "tenant/w/T2 tenant/w/T3 workspace/w",
        ),
        (&["--target", "T2"], "tenant/w/T2 workspace/w"),
        (&["--target", "tenant/T*", "--exclude", "tenant/w/T1"], "tenant/w/T2 tenant/w/T3 workspace/w"),
        (&["--target", "credential/c1"], "credential/w/c1 tenant/w/T1 workspace/w"),
        (&["--target", "chat"], "channel/w/chat channel/w/log workspace/w"),
        (&["--target", "T1", "--target", "workspace/*"], "tenant/w/T1 workspace/w"),
        (
            &["--exclude", "tenant/*", "--exclude", "c*", "--exclude", "rule/*", "--exclude", "log"],
            "health-check/w/often silence/w/hush template/w/shops window/w/night workspace/w",
        ),
    ] {
        assert_eq!(created(&estate, args), expected, "{args:?}");
    }
    estate.project.write("targets.txt", "# these\n\ntenant/w/T1   # the first\nT3\r\n");
    assert_eq!(created(&estate, &["--target-file", "targets.txt"]), "tenant/w/T1 tenant/w/T3 workspace/w");
    let both = ["--target-file", "targets.txt", "-l", "tier"];
    assert_eq!(created(&estate, &both), "tenant/w/T1 workspace/w");
}

#[test]
fn what_is_needed_is_added_and_shown() {
    let estate = labelled("select_needed");
    let plan = estate.plan(&["--target", "credential/c1"]);
    assert_eq!(included(&plan), ["workspace/w", "tenant/w/T1"], "{plan:#}");
    estate.run(&["apply", "--yes", "--target", "credential/c1"]).ok().stdout_has("Plan: 3 to create");
    assert_eq!(estate.declared().len(), 3);
    estate.apply().ok().stdout_has("Plan: 11 to create");
    estate.is_converged();
}

#[test]
fn where_nothing_is_selected_the_command_says_so() {
    let estate = labelled("select_none");
    for (args, help) in [
        (&["--target", "T11"][..], "did you mean `T1"),
        (&["--target", "credential/w/T1"], "did you mean `tenant/w/T1`?"),
        (&["-l", "tier=bronze"], "synthex render"),
        (&["--target", "T1", "--exclude", "T1"], "help: "),
    ] {
        for command in [&["plan"][..], &["apply", "--yes"]] {
            let outcome = estate.run(&[command, args].concat()).code(3);
            outcome.stderr_has("no declared resource is selected").stderr_has(help);
        }
    }
    assert!(estate.state().is_empty());
    estate.project.write("none.txt", "# nothing\n");
    for (args, says) in [
        (&["--target", "a/b/c/d"][..], "names no resource"),
        (&["--target", ""], "names no resource"),
        (&["--target-file", "missing.txt"], "missing.txt cannot be read"),
        (&["--target-file", "none.txt"], "none.txt names no resource"),
        (&["-l", "tier in gold"], "tier in gold"),
        (&["-l", ""], "is not a condition"),
    ] {
        estate.run(&[&["plan"], args].concat()).code(3).stderr_has(says).stderr_has("help: ");
    }
}

#[test]
fn nothing_outside_the_selection_is_changed_or_deleted() {
    let estate = labelled("select_prune");
    for name in ["T4", "T5"] {
        estate.declare_tenant(name, &[]);
    }
    estate.edit("T4.yaml", "metadata:\n", "metadata:\n  labels: {tier: gold}\n");
    estate.apply().ok();
    estate.project.remove("manifests/T4.yaml");
    estate.project.remove("manifests/T5.yaml");
    estate.edit("T1.yaml", "status: active", "status: inactive");
    estate.edit("T2.yaml", "status: active", "status: inactive");
    let changes = |args: &[&str]| estate.changes(&[&["--prune"], args].concat());
    let all = [
        "delete tenant/w/T5",
        "delete tenant/w/T4",
        "update tenant/w/T1 (status)",
        "update tenant/w/T2 (status)",
    ];
    assert_eq!(changes(&[]).len(), all.len());
    // What is deleted is selected by the labels that its row has.
    assert_eq!(changes(&["-l", "tier=gold"]), ["delete tenant/w/T4", "update tenant/w/T1 (status)"]);
    assert_eq!(changes(&["-l", "tier=silver"]), ["update tenant/w/T2 (status)"]);
    assert_eq!(changes(&["-l", "!tier", "--target", "tenant/*"]), ["delete tenant/w/T5"]);
    assert_eq!(changes(&["--target", "T2"]), ["update tenant/w/T2 (status)"]);
    // A star is all that patterns know.
    let args = ["plan", "--target", "T[45]", "--target", "T1"];
    estate.run(&args).code(3).stderr_has("nothing fits `T[45]`");
    assert_eq!(
        changes(&["--exclude", "T5", "--exclude", "T1"]),
        ["delete tenant/w/T4", "update tenant/w/T2 (status)"]
    );
    // What is no longer declared can be selected by its name, also alone.
    assert_eq!(changes(&["--target", "tenant/w/T5"]), ["delete tenant/w/T5"]);
    estate
        .run(&["apply", "--yes", "--prune", "-l", "tier=silver"])
        .ok()
        .stdout_has("1 to update, 0 to delete");
    estate.run(&["apply", "--yes", "--prune", "--target", "T5"]).ok().stdout_has("0 to update, 1 to delete");
    let living = "select string_agg(name, ' ' order by name) from synthex.tenants where deleted_at is null";
    assert_eq!(estate.value(living).as_deref(), Some("T1 T2 T3 T4"));
}

#[test]
fn what_a_selected_resource_needs_is_never_deleted_or_moved_by_its_own_change() {
    let estate = labelled("select_workspace");
    estate.project.write("manifests/v.yaml", workspace_yaml("v"));
    estate.apply().ok();
    estate.project.remove("manifests/v.yaml");
    estate.edit("w.yaml", "AU-SE1", "NZ-NR1");
    // The workspace is needed, so its own change comes along, and is shown as added.
    let plan = estate.plan(&["--prune", "--target", "T1"]);
    assert_eq!(crate::support::estate::changes(&plan), ["update workspace/w (region)"]);
    assert_eq!(included(&plan), ["workspace/w"]);
}

#[test]
fn a_saved_plan_keeps_its_selection() {
    let estate = labelled("select_saved");
    estate.apply().ok();
    estate.edit("T1.yaml", "status: active", "status: inactive");
    estate.edit("T2.yaml", "status: active", "status: inactive");
    estate.run(&["plan", "--target", "T1", "--out", "plan.json"]).ok();
    estate.run(&["apply", "plan.json", "--yes", "--target", "T2"]).code(3).stderr_has("--target");
    estate.run(&["apply", "plan.json", "--yes"]).ok().stdout_has("1 to update");
    let statuses = "select string_agg(name || ' ' || status, ', ' order by name) from synthex.tenants";
    assert_eq!(estate.value(statuses).as_deref(), Some("T1 inactive, T2 active, T3 active"));
    // And a workspace named beside it must be the plan's own.
    estate.run(&["plan", "--out", "plan.json"]).ok();
    estate.run(&["apply", "plan.json", "--yes", "--workspace", "v"]).code(3).stderr_has("applied as a whole");
    estate.run(&["apply", "plan.json", "--yes", "--workspace", "w"]).ok();
}

#[test]
fn what_changed_since_a_commit_is_selected_also_through_a_template() {
    let estate = labelled("select_commit");
    let git = |args: &[&str]| {
        let run = std::process::Command::new("git").args(args).current_dir(estate.project.path()).output();
        assert!(run.is_ok_and(|output| output.status.success()), "git {args:?}");
    };
    estate.declare("Tenant", "OF", "{template: shops, displayName: OF, shopifyShop: of.myshopify.com}");
    estate.apply().ok();
    git(&["init", "-q"]);
    git(&["add", "."]);
    git(&["-c", "user.name=a", "-c", "user.email=a@b.example", "commit", "-qm", "base"]);
    estate.run(&["plan", "--changed-since", "HEAD"]).ok().stdout_has("No changes.");
    estate.edit("shops.yaml", "AU-SE1", "NZ-NR1");
    estate.project.remove("manifests/muted.yaml");
    // Drift of what did not change in the commits is none of this plan's business.
    estate.database.sql("update synthex.tenants set industry = 'Toys' where name = 'T3'");
    let plan = estate.plan(&["--prune", "--changed-since", "HEAD"]);
    let mut changes = crate::support::estate::changes(&plan);
    changes.sort();
    assert_eq!(changes.len(), 3, "{changes:?}");
    assert!(changes[0].starts_with("delete rule/w/muted"), "{changes:?}");
    assert!(changes[1].starts_with("update template/w/shops"), "{changes:?}");
    assert!(changes[2].starts_with("update tenant/w/OF"), "{changes:?}");
    estate.run(&["plan", "--changed-since", "nowhere"]).code(3).stderr_has("git knows no commit");
}

#[test]
fn a_slip_in_one_of_several_is_not_passed_over() {
    let estate = labelled("select_slips");
    estate.apply().ok();
    estate.edit("T1.yaml", "status: active", "status: inactive");
    estate.project.write("targets.txt", "\u{feff}tenant/T1\ntenant/T22\ncredential/c9\n");
    let one = ["plan", "--target", "tenant/T1", "--target", "tenant/T22"];
    for (args, says) in [
        (&one[..], "nothing fits `tenant/T22`"),
        (&["apply", "--yes", "--target", "T1", "--target", "T22"], "nothing fits `T22`"),
        (&["drift", "--target", "tenant/T1", "--target", "tenant/T22"], "nothing fits `tenant/T22`"),
        (&["export", "--target", "tenant/T1", "--target", "tenant/T22"], "nothing fits `tenant/T22`"),
        (
            &["plan", "--target-file", "targets.txt"],
            "nothing fits 2 of what is selected, the first `tenant/T22`",
        ),
        (&["plan", "--exclude", "tenannt/T1"], "there is no kind `tenannt`"),
        (&["plan", "--target", "tenannt/T1"], "did you mean `tenant`?"),
    ] {
        estate.run(args).code(3).stderr_has(says);
    }
    estate.run(&one).code(3).stderr_has("did you mean `T2`?");
    let idle = estate.run(&["plan", "--exclude", "tenant/T22"]).ok().stdout_has("1 to update");
    idle.stdout_has("nothing fits --exclude `tenant/T22`");
}

#[test]
fn a_workspace_that_is_nowhere_is_an_error_everywhere() {
    let estate = labelled("select_nowhere");
    estate.apply().ok();
    estate.database.sql("update synthex.tenants set status = 'suspended' where name = 'T1'");
    for args in [
        &["plan"][..],
        &["apply", "--yes"],
        &["drift", "--detailed-exitcode"],
        &["unmanaged", "--detailed-exitcode"],
        &["export"],
        &["adopt", "--write", "manifests/adopted", "--dry-run"],
        &["rollback", "--to", "1", "--plan"],
    ] {
        let args: Vec<&str> = args.iter().copied().chain(["-w", "nope"]).collect();
        estate.run(&args).code(3);
    }
    estate.run(&["drift", "-w", "ww"]).code(3).stderr_has("did you mean `w`?");
    estate.run(&["drift", "-w", "w", "--detailed-exitcode"]).code(2);
    estate.run(&["unmanaged", "--owner", "nosuch"]).code(3).stderr_has("the owners are");
}
