//! The written pages, as far as a program can check them: examples are valid, and tests that are named exist.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use crate::support::project::Project;

fn page(path: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path))
        .unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The blocks of code in a language.
fn blocks<'a>(page: &'a str, language: &str) -> Vec<&'a str> {
    let opening = format!("\n```{language}\n");
    page.split(opening.as_str()).skip(1).filter_map(|rest| rest.split("\n```").next()).collect()
}

#[test]
fn the_manifests_in_the_documentation_are_valid() {
    let text = page("docs/manifests.md");
    // A resource may be shown more than once; the last time is the fullest.
    let mut documents = BTreeMap::new();
    for document in blocks(&text, "yaml").into_iter().flat_map(|block| block.split("\n---\n")) {
        let field = |name: &str| {
            let found =
                document.lines().find_map(|line| line.trim().split_once(name).map(|(_, value)| value));
            found.map(|value| value.trim().split([' ', '}', ',']).next().unwrap_or_default().to_owned())
        };
        if let (Some(kind), Some(name)) = (field("kind: "), field("name: ")) {
            documents.insert((kind, name), document);
        }
    }
    assert!(documents.len() > 10, "only {:?}: have the examples moved?", documents.keys());
    let project = Project::empty();
    for ((kind, name), document) in documents {
        if kind == "Project" {
            let overlay = "  environments: {production: {overlays: [envs/production]}}\n";
            let text = format!("{}\n{overlay}", document.replace("workspace: anz ", "workspace: demo "));
            project.write("synthex.yaml", text);
        } else if kind == "Patch" {
            project.write(&format!("envs/production/{name}.yaml"), document);
        } else {
            let required = document.replace(", metadata.roastery", "");
            project.write(&format!("manifests/{kind}-{name}.yaml"), required);
        }
    }
    let rows = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/quickstart/manifests/clients.csv");
    project.write("manifests/clients.csv", fs::read(rows).expect("the rows of the quickstart"));
    project.synthex(["validate", "-e", "production"]).run().ok();
}

#[test]
fn the_tests_that_prove_the_invariants_exist() {
    let text = page("docs/architecture.md");
    let invariants =
        text.split("## Invariants").nth(1).and_then(|rest| rest.split("\n## ").next()).expect("the section");
    let mut count = 0;
    for name in invariants.split('`').skip(1).step_by(2).filter(|name| name.contains("::")) {
        let (module, function) = name.rsplit_once("::").expect("a path");
        let source = page(&format!("tests/it/{}.rs", module.replace("::", "/")));
        assert!(
            source.contains(&format!("fn {function}(")),
            "docs/architecture.md names {name}, which is no test"
        );
        count += 1;
    }
    assert!(count > 20, "only {count} tests are named: has the table moved?");
}
