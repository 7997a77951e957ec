//! What is generated and committed: the JSON Schemas, and that the examples conform to them.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;
use synthex::manifest::yaml::{self, Limits};
use synthex::manifest::{csv, schema};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

#[test]
fn schemas_are_up_to_date() {
    let folder = root().join("schemas");
    let mut outdated = Vec::new();
    let mut names = Vec::new();
    for (name, schema) in schema::all().into_iter().chain(synthex::report::schemas()) {
        let expected = format!("{}\n", serde_json::to_string_pretty(&schema).expect("JSON"));
        let path = folder.join(&name);
        if std::env::var_os("SYNTHEX_UPDATE").is_some() {
            fs::create_dir_all(&folder).expect("the folder can be made");
            fs::write(&path, &expected).expect("the schema can be written");
        }
        if fs::read_to_string(&path).unwrap_or_default() != expected {
            outdated.push(name.clone());
        }
        names.push(name);
    }
    assert!(
        outdated.is_empty(),
        "run `SYNTHEX_UPDATE=1 cargo nextest run generated` and read what changed: {outdated:?}"
    );
    for kind in schema::kind_names() {
        let own = names
            .iter()
            .filter(|name| name.replace('_', "").starts_with(&format!("{}.", kind.to_lowercase())));
        assert_eq!(own.count(), 1, "{kind} in {names:?}");
    }
}

#[test]
fn schemas_are_draft_2020_12_and_describe_every_field() {
    for (name, schema) in schema::all() {
        jsonschema::meta::validate(&schema).unwrap_or_else(|error| panic!("{name}: {error}"));
        let mut silent = Vec::new();
        without_description(&schema, &mut String::new(), &mut silent);
        assert!(silent.is_empty(), "{name}: an editor has nothing to show for {silent:?}");
    }
}

/// Fields that have no description of their own and refer to nothing that has one.
fn without_description(schema: &Value, path: &mut String, silent: &mut Vec<String>) {
    let Some(map) = schema.as_object() else {
        if let Some(items) = schema.as_array() {
            items.iter().for_each(|item| without_description(item, path, silent));
        }
        return;
    };
    for (name, field) in map.get("properties").and_then(Value::as_object).into_iter().flatten() {
        let is_test = field.as_object().is_some_and(|field| field.keys().all(|key| key == "const"));
        if field.get("description").is_none() && field.get("$ref").is_none() && !is_test {
            silent.push(format!("{path}/{name}"));
        }
    }
    for (key, child) in map {
        let length = path.len();
        path.push('/');
        path.push_str(key);
        without_description(child, path, silent);
        path.truncate(length);
    }
}

#[test]
fn the_examples_conform_to_the_committed_schema() {
    let text = fs::read_to_string(root().join("schemas/manifest.schema.json")).expect("the schema");
    let schema: Value = serde_json::from_str(&text).expect("JSON");
    let validator =
        jsonschema::options().should_validate_formats(true).offline().build(&schema).expect("a schema");
    let mut documents = 0;
    // What is in there is for systemd, Kubernetes and Prometheus: `.ci/check-deploy`.
    let others = root().join("examples/deploy");
    for path in files_below(&root().join("examples")) {
        let shown = path.display();
        if path.extension().is_none_or(|extension| extension != "yaml") || path.starts_with(&others) {
            continue;
        }
        let text = fs::read_to_string(&path).expect("a readable file");
        let first = text.lines().next().unwrap_or_default();
        let target = first
            .strip_prefix("# yaml-language-server: $schema=")
            .unwrap_or_else(|| panic!("{shown}: no modeline"));
        let target = path.parent().expect("a folder").join(target).canonicalize();
        let schema_file = root().join("schemas/manifest.schema.json").canonicalize().expect("the schema");
        assert_eq!(target.ok(), Some(schema_file), "{shown}: the modeline leads nowhere");
        for range in yaml::split(&text) {
            let parsed = yaml::parse(&text, range, &Limits::default())
                .unwrap_or_else(|errors| panic!("{shown}: {errors:?}"));
            let Some(document) = parsed else { continue };
            let problems: Vec<_> =
                validator.iter_errors(&document.value).map(|error| error.to_string()).collect();
            assert!(problems.is_empty(), "{shown}: {problems:?}\n{}", document.value);
            documents += 1;
        }
    }
    assert!(documents > 50, "only {documents} documents: have the examples moved?");
}

#[test]
fn the_examples_load_without_a_word() {
    for (example, tenants, workspaces) in [("quickstart", 4, 1), ("agency", 40, 3)] {
        let folder = root().join("examples").join(example);
        let read = |path: &Path| {
            let shown = path.strip_prefix(&folder).expect("inside").to_string_lossy().into_owned();
            synthex::model::SourceFile::new(shown, fs::read(path).expect("a readable file"))
        };
        let project =
            synthex::manifest::project::parse(read(&folder.join("synthex.yaml"))).expect("a project");
        let manifests = files_below(&folder.join("manifests"))
            .into_iter()
            .filter(|path| !csv::is_csv(&path.to_string_lossy()));
        let loaded = synthex::manifest::load(
            project,
            manifests.map(|path| read(&path)).collect(),
            &Beside(&folder),
            2,
        );
        assert!(loaded.diagnostics.is_empty(), "{example}: {:#?}", loaded.diagnostics);
        let count =
            |kind: &str| loaded.catalog.entries.iter().filter(|entry| entry.key.kind.name == kind).count();
        assert_eq!((count("Tenant"), count("Workspace")), (tenants, workspaces), "{example}");
        for kind in synthex::kinds::stored() {
            assert!(count(kind.name) > 0, "{example} has no {}", kind.name);
        }
    }
}

/// Both environments of the example, with the real binary: it knows what an overlay is.
#[test]
fn the_example_of_environments_is_valid_in_each_of_them() {
    let folder = root().join("examples/environments");
    let run = |args: &[&str]| crate::support::cli::Synthex::new(&folder).args(args).run().ok().stdout;
    let (staging, production) = (run(&["render"]), run(&["render", "-e", "production"]));
    assert!(
        staging.contains("supportDesk: help@studio.example") && staging.contains("name: TRIAL"),
        "{staging}"
    );
    assert!(
        production.contains("supportDesk: care@studio.example") && !production.contains("TRIAL"),
        "{production}"
    );
    assert!(production.contains("env: KILN_TOKEN") && production.contains("protect: true"), "{production}");
}

/// Files named by tenant sets, relative to the manifest.
struct Beside<'a>(&'a Path);

impl synthex::model::files::RowFiles for Beside<'_> {
    fn read(
        &self,
        manifest: &str,
        reference: &str,
    ) -> Result<synthex::model::SourceFile, synthex::model::files::RowFileError> {
        let shown = Path::new(manifest).with_file_name(reference);
        let bytes = fs::read(self.0.join(&shown)).expect("the file of rows");
        Ok(synthex::model::SourceFile::new(shown.to_string_lossy().into_owned(), bytes))
    }
}

fn files_below(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display())) {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            // Where an example was applied, its database is beside it.
            if path.file_name().is_some_and(|name| name != ".synthex") {
                files.extend(files_below(&path));
            }
        } else {
            files.push(path);
        }
    }
    files.sort();
    files
}
