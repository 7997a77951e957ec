//! The first ten minutes: the welcome, the help of every command, `init`, `explain`, `completions`.

use std::collections::BTreeSet;
use std::fs;

use clap::CommandFactory as _;
use serde_json::Value;
use synthex::cli::args::Cli;
use synthex::kinds::KINDS;
use synthex::manifest::schema;
use synthex::report::codes::RULES;

use crate::support::cli::Outcome;
use crate::support::database::TestDatabase;
use crate::support::project::Project;

fn run(project: &Project, args: &[&str]) -> Outcome {
    project.synthex(args.iter().copied()).run()
}

#[test]
fn the_welcome_is_ten_lines_of_what_to_type_next() {
    let outcome = run(&Project::empty(), &[]).ok().stdout_has("synthex init").stdout_has("synthex apply");
    assert!(outcome.stdout.lines().count() <= 10, "{outcome}");
    assert!(outcome.stderr.is_empty(), "{outcome}");
}

/// Every command, as it is typed.
fn commands() -> Vec<Vec<String>> {
    fn gather(command: &clap::Command, path: &mut Vec<String>, all: &mut Vec<Vec<String>>) {
        all.push(path.clone());
        for child in command.get_subcommands().filter(|child| child.get_name() != "help") {
            path.push(child.get_name().to_owned());
            gather(child, path, all);
            path.pop();
        }
    }
    let mut root = Cli::command();
    root.build();
    let mut all = Vec::new();
    gather(&root, &mut Vec::new(), &mut all);
    all
}

#[test]
fn every_command_has_a_help_with_examples() {
    let folder = Project::empty();
    let commands = commands();
    assert!(commands.len() > 20, "{commands:?}");
    for command in commands {
        let mut args: Vec<&str> = command.iter().map(String::as_str).collect();
        let line = format!("synthex {}", args.join(" "));
        for flag in ["--help", "-h"] {
            args.push(flag);
            let outcome = run(&folder, &args).ok().stdout_has("Usage: synthex").stdout_has(line.trim_end());
            assert!(outcome.stderr.is_empty(), "{outcome}");
            if !command.is_empty() {
                let (_, examples) = outcome.stdout.split_once("Examples:\n").expect("examples");
                assert!(examples.contains(&line), "an example of `{line}` itself\n{outcome}");
            }
            args.pop();
        }
    }
    assert!(fs::read_dir(folder.path()).expect("a folder").next().is_none(), "help writes nothing");
}

#[test]
fn init_makes_a_project_that_validates_plans_and_applies() {
    for (market, region) in
        [("ANZ_SMB", "NZ-NR1"), ("ANZ_ENTERPRISE", "AU-SE1"), ("US_SMB", "US-EA1"), ("UK_SMB", "EU-WE1")]
    {
        let folder = Project::empty();
        let database = TestDatabase::new("init");
        let init = ["init", "my shöp ⚑", "--market", market, "--region", region];
        run(&folder, &init).ok().stdout_has("wrote  my shöp ⚑/synthex.yaml").stderr_has("cd 'my shöp ⚑'");
        let shop = folder.path().join("my shöp ⚑");
        let go =
            |args: &[&str]| crate::support::cli::Synthex::new(&shop).args(args).database(&database).run();
        go(&["validate"]).ok().stdout_has("valid.");
        let plan = go(&["plan", "--format", "json"]).ok().json();
        let kinds: BTreeSet<&str> = plan["changes"]
            .as_array()
            .expect("a list")
            .iter()
            .filter_map(|change| change["kind"].as_str())
            .collect();
        let stored: BTreeSet<&str> =
            KINDS.iter().filter(|kind| kind.table.is_some()).map(|kind| kind.name).collect();
        assert_eq!(kinds, stored, "{market}: an example of each kind");
        go(&["apply", "--yes"]).ok().stdout_has("Applied as revision 1.");
        go(&["apply", "--yes"]).ok().stdout_has("No changes.");
        go(&["tenant", "tenants", "list"]).ok().stdout_has(market);
    }
}

#[test]
fn init_never_overwrites() {
    let folder = Project::empty();
    folder.write(".gitignore", "mine\n");
    folder.write("manifests/tenants.yaml", "mine\n");
    std::os::unix::fs::symlink("/nowhere/at/all", folder.path().join("manifests/channels.yaml"))
        .expect("a link");

    let dry = run(&folder, &["init", "--dry-run", "--name", "shop"]).ok();
    assert!(
        dry.stdout.contains("would write  synthex.yaml") && dry.stdout.contains("kept  .gitignore"),
        "{dry}"
    );
    assert!(
        dry.stdout.contains("kept  manifests/channels.yaml"),
        "a dry run says what a real one does\n{dry}"
    );
    assert!(!folder.path().join("synthex.yaml").exists());

    let outcome = run(&folder, &["init", "--name", "shop", "--format", "json"]).ok();
    let value = outcome.json();
    assert_eq!((&value["project"], &value["dry_run"]), (&"shop".into(), &false.into()));
    let kept = |value: &Value| value["kept"].as_array().expect("a list").len();
    let written = |value: &Value| value["written"].as_array().expect("a list").len();
    assert_eq!(kept(&value), 3, "{value:#}");
    assert_eq!(folder.read(".gitignore"), "mine\n");
    assert_eq!(folder.read("manifests/tenants.yaml"), "mine\n");

    folder.write("synthex.yaml", "changed\n");
    let again = run(&folder, &["init", "--name", "other", "--format", "json"]).ok().json();
    assert_eq!((written(&again), kept(&again)), (0, kept(&value) + written(&value)));
    assert_eq!(folder.read("synthex.yaml"), "changed\n");
}

#[test]
fn init_says_why_it_cannot() {
    let folder = Project::empty();
    folder.write("file", "");
    let refused = |args: &[&str], code: i32, text: &str| {
        let outcome = run(&folder, args).code(code).stderr_has(text).stderr_has("help:").nowhere("os error");
        assert!(outcome.stdout.is_empty(), "{outcome}");
    };
    refused(&["init", "file"], 1, "is a file, not a folder");
    refused(&["init", "file/below"], 1, "is a file, not a folder");
    refused(&["init", "/proc/synthex"], 1, "/proc/synthex could not be written");
    refused(&["init", "--name", "a b"], 3, "`a b` is not a project's name");
    refused(&["init", "--name", "cli"], 3, "`cli` is taken");
    refused(&["init", "-w", "../x"], 3, "`../x` is not a workspace's name");
    run(&folder, &["init", "--market", "MARS"]).code(3).stderr_has("ANZ_ENTERPRISE");
}

/// Every field of a schema, as `explain` names it: `contact.email`.
fn fields(root: &Value, node: &Value, prefix: &str, depth: usize, all: &mut Vec<String>) {
    let resolved = |node: &Value| {
        let mut node = node.clone();
        while let Some(target) = node["$ref"].as_str() {
            node = root.pointer(target.trim_start_matches('#')).expect("a definition").clone();
        }
        node
    };
    let mut node = resolved(node);
    if !node["items"].is_null() {
        node = resolved(&node["items"]);
    }
    let branches = node["oneOf"].as_array().cloned().unwrap_or_default();
    let direct = std::iter::once(node);
    for properties in direct.chain(branches).filter_map(|node| node["properties"].as_object().cloned()) {
        for (name, child) in &properties {
            all.push(format!("{prefix}.{name}"));
            if depth < 6 {
                fields(root, child, &format!("{prefix}.{name}"), depth + 1, all);
            }
        }
    }
}

#[test]
fn every_kind_and_every_field_is_explained() {
    let folder = Project::empty();
    let index = run(&folder, &["explain"]).ok().stdout;
    let mut explained = 0;
    for kind in KINDS {
        assert!(index.contains(kind.name), "{index}");
        let root = schema::of_kind(kind);
        let mut all = vec![kind.name.to_owned(), format!("{}.metadata.labels", kind.slug)];
        let spec = root.pointer("/properties/spec").expect("a spec");
        fields(&root, spec, kind.name, 0, &mut all);
        for topic in &all {
            let outcome = run(&folder, &["explain", topic]).ok();
            let lines = outcome.stdout.lines().filter(|line| !line.trim().is_empty()).count();
            assert!(lines >= 2, "`{topic}` is named and nothing said of it\n{outcome}");
            assert!(!outcome.stdout.contains("$ref") && !outcome.stdout.contains(" null "), "{outcome}");
            explained += 1;
        }
        run(&folder, &["explain", kind.name, "--format", "json"]).ok().json();
    }
    assert!(explained > 80, "{explained}: was the schema walked?");
    run(&folder, &["explain", "tenant.contact.emial"])
        .code(3)
        .stderr_has("did you mean `Tenant.contact.email`?");
    run(&folder, &["explain", "Tenent"]).code(3).stderr_has("did you mean `Tenant`?");
}

#[test]
fn every_rule_and_the_other_topics_are_explained() {
    let folder = Project::empty();
    for rule in RULES {
        let page = run(&folder, &["explain", rule.code]).ok().stdout_has(rule.code).stdout;
        assert!(page.lines().all(|line| line.chars().count() <= 140), "{page}");
        let json = run(&folder, &["explain", &rule.code.to_lowercase(), "--format", "json"]).ok().json();
        assert_eq!(json["code"], rule.code);
    }
    run(&folder, &["explain", "exit-codes"]).ok().stdout_has("130  interrupted");
    run(&folder, &["explain", "environment"]).ok().stdout_has("SYNTHEX_DATABASE_URL");
    run(&folder, &["explain", "exitcodes"]).code(3).stderr_has("did you mean `exit-codes`?");
    run(&folder, &["explain", "SX9999"]).code(3).stderr_has("there is no rule `SX9999`");
}

#[test]
fn there_are_completions_for_every_shell_and_schemas_for_every_kind() {
    let folder = Project::empty();
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let text = run(&folder, &["completions", shell]).ok().stdout;
        for word in ["synthex", "tenants", "--detailed-exitcode", "database-url"] {
            let found = text.contains(word) || text.contains(word.trim_start_matches('-'));
            assert!(found, "{shell} completes no {word}");
        }
    }
    for kind in KINDS {
        let value = run(&folder, &["schema", "--kind", kind.name]).ok().json();
        assert_eq!(value, schema::of_kind(kind), "{}", kind.name);
    }
    run(&folder, &["schema", "--kind", "plan"]).ok().json();
    run(&folder, &["schema", "--dir", "all"]).ok().stdout_has("all/manifest.schema.json");
}
