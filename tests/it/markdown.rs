//! Plans for reviewers, through the binary: Markdown, files beside standard output, annotations, views, explanations.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use serde_json::{Value, json};

use crate::support::estate::Estate;

/// An estate with an update that drifted, a declared change, a create, and a deletion to be (with `--prune`).
fn reviewed(hint: &str) -> Estate {
    let estate = Estate::applied(hint);
    estate.database.sql("update synthex.tenants set region = 'NZ-NR1' where name = 'T1'");
    estate.edit("T2.yaml", "displayName: T2", "displayName: '</details> ``` | <b> @team #1'");
    estate.declare_tenant("T4", &[]);
    estate.project.remove("manifests/T3.yaml");
    estate
}

#[test]
fn all_forms_come_from_one_run_and_are_the_same_as_from_runs_of_their_own() {
    let estate = reviewed("markdown_forms");
    let alone = |format: &str| estate.run(&["plan", "--prune", "--format", format]).ok().stdout;
    let outcome = estate
        .run(&[
            "plan",
            "--prune",
            "--json-into",
            "out/plan.json",
            "--markdown-into",
            "out/",
            "--annotations",
            "github",
        ])
        .ok();
    fs::create_dir_all(estate.project.path().join("again")).unwrap();
    estate.run(&["plan", "--prune", "--markdown-into", "again"]).ok();
    assert_eq!(outcome.stdout, alone("human"));
    assert_eq!(estate.project.read("out/plan.json"), alone("json"));
    let markdown = estate.project.read("out/plan.md");
    assert_eq!(markdown, alone("markdown"));
    assert_eq!(markdown, estate.project.read("again/plan.md"));

    let plan: Value = serde_json::from_str(&estate.project.read("out/plan.json")).expect("JSON");
    let digest = plan["digest"].as_str().unwrap();
    assert!(
        markdown.starts_with(&format!("<!-- synthex:plan:default:{digest} -->\n## Plan for `test`\n")),
        "{markdown}"
    );
    assert!(
        markdown.ends_with("Plan: 1 to create, 2 to update, 1 to delete, 0 to rename, 11 unchanged.\n"),
        "{markdown}"
    );
    assert!(markdown.contains("<b>delete</b> <code>tenant/w/T3</code>"), "{markdown}");
    assert!(
        markdown.contains("+ displayName: \\u{3c}/details> \\u{60}\\u{60}\\u{60} | <b> @team #1\n")
            || markdown
                .contains("+ displayName: \\u{3c}/details> \\u{60}\\u{60}\\u{60} | \\u{3c}b> @team #1\n"),
        "{markdown}"
    );
    assert!(markdown.contains("drift by role <code>"), "{markdown}");

    let annotations: Vec<&str> = outcome.stderr.lines().filter(|line| line.starts_with("::")).collect();
    assert_eq!(annotations[0], "::warning title=delete::tenant/w/T3 is deleted");
    assert!(
        annotations[1]
            .starts_with("::notice file=manifests/T1.yaml,line=1,col=1,title=drift::tenant/w/T1: drift: "),
        "{annotations:?}"
    );
    assert_eq!(annotations.len(), 2, "{annotations:?}");
}

#[test]
fn what_fits_a_place_is_written_and_parts_have_everything() {
    let estate = Estate::applied("markdown_parts");
    let rows: String = (0..400)
        .map(|number| format!("N{number:04},Shop number {number},shop-{number}.myshopify.com\n"))
        .collect();
    estate.project.write("manifests/new.csv", format!("tenantId,name,shopifyShop\n{rows}"));
    let set = "apiVersion: synthex.dev/v1\nkind: TenantSet\nmetadata: {name: many, workspace: w}\nspec:\n  \
               template: shopify-smb-anz\n  from: {csv: new.csv}\n";
    estate.project.write("manifests/set.yaml", set);
    let fitted = estate.run(&["plan", "--format", "markdown", "--max-bytes", "9000"]).ok().stdout;
    assert!(fitted.len() <= 9_000, "{}", fitted.len());
    assert!(fitted.contains("more creates, see artifact `plan.json`:"), "{fitted}");
    let slack = estate.run(&["plan", "--format", "markdown", "--preset", "slack"]).ok().stdout;
    assert!(slack.len() <= 12_000 && !slack.contains("<details>"), "{slack}");

    estate.run(&["plan", "--split", "--max-bytes", "9000", "--markdown-into", "parts/review.md"]).ok();
    let mut names: Vec<String> = fs::read_dir(estate.project.path().join("parts"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert!(names.len() > 5, "{names:?}");
    let of = names.len();
    let mut all = String::new();
    for number in 1..=of {
        let text = estate.project.read(&format!("parts/review.{number}of{of}.md"));
        assert!(text.len() <= 9_000 && text.starts_with("<!-- synthex:plan:default:sha256:"), "{text}");
        all.push_str(&text);
    }
    for number in 0..400 {
        assert_eq!(all.matches(&format!("<code>tenant/w/N{number:04}</code>")).count(), 1, "N{number:04}");
    }
}

#[test]
fn views_change_what_is_shown_and_nothing_else() {
    let estate = reviewed("markdown_views");
    let last = "Plan: 1 to create, 2 to update, 1 to delete, 0 to rename, 11 unchanged.\n";
    let run = |args: &[&str]| {
        let all: Vec<&str> = ["plan", "--prune"].iter().chain(args).copied().collect();
        let text = estate.run(&all).ok().stdout;
        assert!(text.ends_with(last), "{text}");
        text
    };
    let text = run(&["--only", "delete,update", "--summary"]);
    assert!(
        text.contains("\n~ tenant/w/T1 region (drift)\n~ tenant/w/T2 displayName\n- tenant/w/T3\n"),
        "{text}"
    );
    assert!(!text.contains("T4"), "{text}");
    assert!(text.contains("1 create is not shown because of `--only update,delete`"), "{text}");
    let text = run(&["--context"]);
    assert!(text.contains("      region       NZ-NR1 → AU-SE1\n      displayName  T1\n"), "{text}");
    let text = run(&["--format", "markdown", "--only", "create"]);
    assert!(text.contains("tenant/w/T4") && !text.contains("tenant/w/T1"), "{text}");
}

#[test]
fn every_value_of_a_plan_is_explained() {
    let estate = reviewed("markdown_explain");
    estate.declare(
        "TenantTemplate",
        "shops",
        "{type: shopify, market: ANZ_SMB, region: AU-SE1, defaultMetadata: {currency: NZD}}",
    );
    estate.project.write(
        "manifests/T5.yaml",
        "apiVersion: synthex.dev/v1\nkind: Tenant\nmetadata: {name: T5, workspace: w}\nspec:\n  template: shops\n  displayName: Five\n",
    );
    estate.declare(
        "Tenant",
        "T6",
        "{displayName: Six, template: shopify-smb-anz, shopifyShop: six.myshopify.com}",
    );
    let ask = |question: &str| estate.run(&["plan", "--prune", "--explain", question]);
    let text = ask("tenant/w/T1#region").ok().stdout;
    let role = estate.database.query_strings("select current_user")[0][0].clone().unwrap();
    assert!(
        text.starts_with("tenant/w/T1\n  declared  manifests/T1.yaml:1:1\n  plan      update: drift: changed in the database by role"),
        "{text}"
    );
    let field = "\n  region  NZ-NR1 → AU-SE1\n    declared at manifests/T1.yaml:10:11\n    the database differs; role ";
    assert!(text.contains(&format!("{field}{role} changed the row at ")), "{text}");
    // A field that stays, of a resource that changes and of one that does not.
    ask("tenant/T1#market").ok().stdout_has(
        "  market  ANZ_SMB\n    declared at manifests/T1.yaml:9:11\n    the database has the same\n",
    );
    ask("rule/w/expiry#reminder").ok().stdout_has("plan      none: the database is as declared");
    ask("tenant/T5#metadata.currency")
        .ok()
        .stdout_has("NZD\n    given by the template shops, at manifests/shops.yaml:4:");
    ask("tenant/T5#market").ok().stdout_has("given by the template shops, at manifests/shops.yaml:4:");
    ask("tenant/T6#type").ok().stdout_has("shopify\n    given by the built-in template shopify-smb-anz\n");
    ask("tenant/T5#industry").ok().stdout_has("  industry  (none)\n    declared nowhere: the default\n");
    ask("T3").ok().stdout_has("tenant/w/T3\n  declared  nowhere\n  plan      delete: no longer declared\n");

    let all = ask("tenant/w/T2").ok();
    assert!(all.stdout.matches("declared at manifests/T2.yaml:").count() >= 6, "{all}");
    let json = estate.run(&["plan", "--explain", "T5#market", "--format", "json"]).ok().json();
    assert_eq!(json["action"], "create");
    assert_eq!(json["fields"][0]["origin"]["layer"], json!("template"));
    assert_eq!(json["fields"][0]["origin"]["source"]["file"], json!("manifests/shops.yaml"));

    ask("tenant/w/T11").code(3).stderr_has("did you mean `tenant/w/T1`?");
    ask("tenant/w/T1#regoin")
        .code(3)
        .stderr_has("tenant/w/T1 has no field `regoin`")
        .stderr_has("did you mean `region`?");
    ask("tenant/*").code(3).stderr_has("name one of them: tenant/w/T1, tenant/w/T2");
}

#[test]
fn options_that_would_do_nothing_are_refused() {
    let estate = Estate::new("markdown_usage");
    for (args, said) in [
        (&["--max-bytes", "9000"][..], "--max-bytes is about Markdown, and none is written"),
        (&["--preset", "gitlab"], "--preset is about Markdown"),
        (&["--split"], "--markdown-into"),
        (&["--format", "markdown", "--max-bytes", "100"], "write a number of bytes, 8000 or more"),
        (&["--format", "json", "--only", "delete"], "JSON always has the whole plan"),
        (&["--only", "destroy"], "[possible values: create, update, rename, restore, adopt, delete]"),
        (&["--format", "github"], "--annotations github"),
        (&["--format", "markdown", "--explain", "T1"], "--explain has no Markdown"),
        (&["--json-into", "x", "--markdown-into", "x"], "name the same file"),
    ] {
        let all: Vec<&str> = ["plan"].iter().chain(args).copied().collect();
        estate.run(&all).code(3).stderr_has(said);
    }
    for command in [
        &["apply", "--format", "markdown"][..],
        &["validate", "--format", "markdown"],
        &["render", "--format", "markdown"],
    ] {
        estate.run(command).code(3).stderr_has("this command has no such format");
    }
}

#[test]
fn files_are_written_whole_or_an_error_says_why() {
    let estate = Estate::new("markdown_files");
    for option in ["--json-into", "--markdown-into"] {
        estate
            .run(&["plan", option, "/dev/full"])
            .code(1)
            .stderr_has("/dev/full could not be written")
            .stderr_has("why: no space is left on the device");
    }
    let mode = fs::metadata("/dev/full").expect("it is still there").permissions().mode();
    assert_eq!(mode & 0o170_000, 0o020_000, "and still a device");
    estate.project.write("file", "text");
    estate
        .run(&["plan", "--json-into", "file/plan.json"])
        .code(1)
        .stderr_has("something on the way is a file, not a folder");
    let left: Vec<_> =
        fs::read_dir(estate.project.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(left.iter().all(|name| !name.to_string_lossy().contains("tmp")), "{left:?}");
}

#[test]
fn a_plan_that_cannot_be_made_leaves_no_files_of_an_earlier_one() {
    let estate = Estate::new("markdown_failed");
    let args = ["plan", "--json-into", "plan.json", "--markdown-into", "plan.md", "--annotations", "github"];
    estate.run(&args).ok();
    estate.edit("T1.yaml", "market: ANZ_SMB", "market: '@team'");
    let outcome = estate.run(&args).code(3);
    let expected = "::error file=manifests/T1.yaml,line=9,col=11,title=";
    assert!(outcome.stderr.contains(expected), "{outcome}");
    let written: Value = serde_json::from_str(&estate.project.read("plan.json")).expect("JSON");
    assert_eq!((&written["digest"], &written["diagnostics"][0]["line"]), (&Value::Null, &json!(9)));
    let markdown = estate.project.read("plan.md");
    assert!(markdown.starts_with("<!-- synthex:plan:default:failed -->\n"), "{markdown}");
    assert!(markdown.contains("`manifests/T1.yaml:9:11`"), "{markdown}");
    let stdout = estate.run(&["plan", "--format", "markdown"]).code(3).stdout;
    assert_eq!(stdout, markdown);
}

#[test]
fn a_refused_plan_is_markdown_and_an_annotation_with_a_line() {
    let estate = Estate::new("markdown_refused");
    estate.declare_tenant("T1", &["protect: true"]);
    estate.apply().ok();
    estate.project.remove("manifests/T1.yaml");
    estate.project.remove("manifests/c1.yaml");
    let outcome = estate.run(&["plan", "--prune", "--format", "markdown", "--annotations", "github"]).code(5);
    assert!(outcome.stdout.contains("> **Refused: nothing of this plan will be applied, for "), "{outcome}");
    assert!(outcome.stdout.contains("**SX0501** `tenant/w/T1` is protected"), "{outcome}");
    assert!(outcome.stderr.contains("::error title=SX0501::tenant/w/T1 is protected"), "{outcome}");
}
