//! The project file.

use std::sync::Arc;

use crate::kinds;
use crate::kinds::project::ProjectSpec;
use crate::model::{Diagnostic, FileId, SourceFile, SourceRef};

use super::admit::{Context, Output, kind_of, stringify, yaml_problem};
use super::catalog::Project;
use super::expand::Layers;
use super::load::resolve;
use super::problem::{Problem, Target};
use super::schema;
use super::validate;
use super::yaml::{self, Limits};

/// Reads a project file.
///
/// # Errors
/// Everything that is wrong with it.
pub fn parse(file: SourceFile) -> Result<Project, Vec<Diagnostic>> {
    let files = [Arc::new(file)];
    read(&files[0]).map_err(|problems| resolve(&files, problems))
}

fn read(file: &SourceFile) -> Result<Project, Vec<Problem>> {
    let end = u32::try_from(file.bytes().len()).unwrap_or(u32::MAX);
    let whole = SourceRef {
        file: FileId(0),
        start: 0,
        end,
        row: None,
    };
    let one = |problem: Problem| vec![problem];
    let text = yaml::decode(file.bytes()).map_err(|error| one(yaml_problem(error, whole, false)))?;
    let mut documents = Vec::new();
    for range in yaml::split(text) {
        let source = SourceRef {
            start: u32::try_from(range.start).unwrap_or(u32::MAX),
            end: u32::try_from(range.end).unwrap_or(u32::MAX),
            ..whole
        };
        let parsed = yaml::parse(text, range, &Limits::default());
        let parsed = parsed.map_err(|errors| {
            errors
                .into_iter()
                .map(|error| yaml_problem(error, source, false))
                .collect::<Vec<_>>()
        })?;
        documents.extend(parsed.map(|document| (document, source)));
    }
    let mut documents = documents.into_iter();
    let Some((mut document, source)) = documents.next() else {
        let problem = Problem::error(
            "SX0209",
            whole,
            Target::Span(0, 0),
            "the project file declares nothing",
        );
        return Err(one(problem.help("`synthex init` writes one to start from")));
    };
    if let Some((_, second)) = documents.next() {
        let problem = Problem::error(
            "SX0208",
            second,
            Target::Value(String::new()),
            "a project file holds one Project",
        );
        return Err(one(
            problem.help("put manifests into the folder that `manifests` names")
        ));
    }
    let kind = kind_of(&document.value, source).map_err(one)?;
    if kind.name != "Project" {
        let message = format!("the project file holds a {}, not a Project", kind.name);
        let problem = Problem::error("SX0209", source, Target::Value("/kind".into()), message);
        return Err(one(
            problem.help("`synthex init` writes a project file to start from")
        ));
    }
    stringify(&mut document, kind, text);
    let findings = validate::findings(
        schema::validator(kind),
        schema::cached(kind),
        &document.value,
        kind.hides_values,
    );
    if !findings.is_empty() {
        return Err(findings
            .into_iter()
            .map(|finding| {
                let problem = Problem::error(finding.code, source, finding.target, finding.message);
                match finding.help {
                    Some(help) => problem.help(help),
                    None => problem,
                }
            })
            .collect());
    }
    let context = Context {
        layers: Layers::new(None),
        workspaces: std::collections::HashMap::new(),
    };
    let mut output = Output::default();
    context.admit(kind, document.value.clone(), source, &mut output);
    if !output.problems.is_empty() {
        return Err(output.problems);
    }
    let name = document
        .value
        .pointer("/metadata/name")
        .and_then(serde_json::Value::as_str)
        .unwrap_or_default();
    let spec = document.value.get("spec").cloned().unwrap_or_default();
    let spec: ProjectSpec = serde_json::from_value(spec).map_err(|error| {
        one(Problem::error(
            "SX0190",
            source,
            Target::Value("/spec".into()),
            error.to_string(),
        ))
    })?;
    if name == "cli" {
        let problem = Problem::error(
            "SX0210",
            source,
            Target::Value("/metadata/name".into()),
            "`cli` is not a project's name",
        );
        return Err(one(
            problem.help("it marks what commands make; choose another name")
        ));
    }
    Ok(Project {
        name: name.to_owned(),
        file: file.path.clone(),
        spec,
    })
}

/// The kind of project files, for callers that need its schema.
#[must_use]
pub fn kind() -> crate::model::KindRef {
    &kinds::project::KIND
}
