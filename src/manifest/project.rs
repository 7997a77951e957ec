//! The project file.

use std::sync::Arc;

use serde_json::Value;

use crate::kinds;
use crate::kinds::project::ProjectSpec;
use crate::model::{Diagnostic, FileId, SourceFile, SourceRef};

use super::admit::{Context, Output, kind_of, stringify, yaml_problem};
use super::catalog::Project;
use super::expand::Layers;
use super::first_pass::small;
use super::load::resolve;
use super::problem::{Problem, Target};
use super::yaml::{self, Document, Limits};

/// Reads a project file.
///
/// # Errors
/// Everything that is wrong with it.
pub fn parse(file: SourceFile) -> Result<Project, Vec<Diagnostic>> {
    let files = [Arc::new(file)];
    read(&files[0]).map_err(|problems| resolve(&files, problems))
}

fn read(file: &SourceFile) -> Result<Project, Vec<Problem>> {
    let one = |problem: Problem| vec![problem];
    let (mut document, source) = only_document(file)?;
    let at = |pointer: &str| Target::Value(pointer.to_owned());
    let kind = kind_of(&document.value, source).map_err(one)?;
    if kind.name != "Project" {
        let message = format!("the project file holds a {}, not a Project", kind.name);
        let problem = Problem::error("SX0209", source, at("/kind"), message);
        return Err(one(problem.help("`synthex init` writes a project file to start from")));
    }
    stringify(&mut document, kind, file.text());
    let context = Context { layers: Layers::new(None), ..Context::default() };
    let mut output = Output::default();
    context.admit(kind, document.value.clone(), source, &mut output);
    if !output.problems.is_empty() {
        return Err(output.problems);
    }
    let name = document.value.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default();
    let spec = document.value.get("spec").cloned().unwrap_or_default();
    let spec: ProjectSpec = serde_json::from_value(spec)
        .map_err(|error| one(Problem::error("SX0190", source, at("/spec"), error.to_string())))?;
    if name == "cli" {
        let problem = Problem::error("SX0210", source, at("/metadata/name"), "`cli` is not a project's name");
        return Err(one(problem.help("it marks what commands make; choose another name")));
    }
    Ok(Project { name: name.to_owned(), file: file.path.clone(), spec })
}

/// The one document of a project file.
fn only_document(file: &SourceFile) -> Result<(Document, SourceRef), Vec<Problem>> {
    let whole = SourceRef { file: FileId(0), start: 0, end: small(file.bytes().len()), row: None };
    let text = yaml::decode(file.bytes()).map_err(|error| vec![yaml_problem(error, whole, false)])?;
    let mut documents = Vec::new();
    for range in yaml::split(text) {
        let source = SourceRef { start: small(range.start), end: small(range.end), ..whole };
        let parsed = yaml::parse(text, range, &Limits::default()).map_err(|errors| {
            errors.into_iter().map(|error| yaml_problem(error, source, false)).collect::<Vec<_>>()
        })?;
        documents.extend(parsed.map(|document| (document, source)));
    }
    let mut documents = documents.into_iter();
    match (documents.next(), documents.next()) {
        (Some(only), None) => Ok(only),
        (Some(_), Some((_, second))) => {
            let message = "a project file holds one Project";
            let problem = Problem::error("SX0208", second, Target::Value(String::new()), message);
            Err(vec![problem.help("put manifests into the folder that `manifests` names")])
        }
        (None, _) => {
            let message = "the project file declares nothing";
            let problem = Problem::error("SX0209", whole, Target::Span(0, 0), message);
            Err(vec![problem.help("`synthex init` writes one to start from")])
        }
    }
}

/// The kind of project files, for callers that need its schema.
#[must_use]
pub fn kind() -> crate::model::KindRef {
    &kinds::project::KIND
}
