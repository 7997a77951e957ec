//! The project file.

use std::ops::Range;
use std::sync::Arc;

use chrono::{DateTime, Days, NaiveDate, Utc};
use serde_json::Value;

use crate::kinds;
use crate::kinds::project::{DeclaredPause, Ignore, ProjectSpec};
use crate::model::{Diagnostic, FileId, SourceFile, SourceRef};

use super::admit::{Context, Output, kind_of, stringify, yaml_problem};
use super::catalog::Project;
use super::expand::Layers;
use super::first_pass::small;
use super::load::resolve;
use super::moved;
use super::problem::{Problem, Target};
use super::yaml::{self, Document, Limits, YamlError, YamlErrorKind};

/// Reads a project file.
///
/// # Errors
/// Everything that is wrong with it.
pub fn parse(file: SourceFile) -> Result<Project, Vec<Diagnostic>> {
    let files = [Arc::new(file)];
    read(&files[0]).map_err(|problems| resolve(&files, problems))
}

/// Why a project cannot be taken in an environment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoEnvironment {
    /// What is wrong.
    pub what: String,
    /// What to do.
    pub help: String,
}

/// The project in an environment: the named one, else the one that the project file names. A project that has environments
/// is never taken in none of them: its manifests alone are what no place is meant to have.
///
/// # Errors
/// There is none of that name, or none is named.
pub fn in_environment(mut project: Project, name: Option<&str>) -> Result<Project, NoEnvironment> {
    let spec = project.spec;
    let meant = name.map(str::to_owned).or_else(|| spec.environment.clone());
    project.spec = match meant {
        Some(name) if spec.environments.contains_key(&name) => spec.in_environment(&name),
        Some(name) => {
            let what = format!("{} has no environment `{name}`", project.file);
            return Err(NoEnvironment { what, help: spec.other_environments(&name) });
        }
        None if spec.environments.is_empty() => spec,
        None => {
            let what = format!("{} has environments, and none is named", project.file);
            let names = spec.environment_names();
            let help = format!(
                "add --environment NAME, or name the usual one in the project file (`environment:`); there are {names}"
            );
            return Err(NoEnvironment { what, help });
        }
    };
    Ok(project)
}

/// Which `ignore` rules hold on a day, and what the reader of a plan must know of the others.
#[derive(Clone, Debug, Default)]
pub struct Ignores<'a> {
    /// The rules that hold.
    pub active: Vec<&'a Ignore>,
    /// Rules that end soon, and rules that have ended.
    pub notices: Vec<String>,
}

/// From this many days before its end a rule is announced to end.
const SOON: Days = Days::new(7);

/// The `ignore` rules of a project on a day, in UTC.
#[must_use]
pub fn ignores(spec: &ProjectSpec, today: NaiveDate) -> Ignores<'_> {
    let mut found = Ignores::default();
    for rule in &spec.ignore {
        let Ignore { path, target, until, reason } = rule;
        if today >= *until {
            found.notices.push(format!(
                "{path} of {target} is no longer ignored: the rule ended on {until}; remove it from `ignore` ({reason})"
            ));
            continue;
        }
        found.active.push(rule);
        if today.checked_add_days(SOON).is_none_or(|soon| soon >= *until) {
            found.notices.push(format!("{path} of {target} is ignored only until {until} ({reason})"));
        }
    }
    found
}

/// What is to be said of pauses in the project file that have ended.
#[must_use]
pub fn ended_pauses(spec: &ProjectSpec, now: DateTime<Utc>) -> Vec<String> {
    let over = |pause: &DeclaredPause| {
        let until = pause.until.instant().filter(|until| *until <= now)?.format("%Y-%m-%d %H:%M:%S UTC");
        let DeclaredPause { workspace, reason, .. } = pause;
        Some(format!(
            "workspace `{workspace}` is no longer paused by the project file: that ended on {until}; remove it from `pauses` ({reason})"
        ))
    };
    spec.pauses.iter().filter_map(over).collect()
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
    let mut problems = Vec::new();
    moved::check(&spec.moved, source, &mut problems);
    if !problems.is_empty() {
        return Err(problems);
    }
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
        let parsed = parse_with_switch(text, range).map_err(|errors| {
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

/// [`yaml::parse`], but `on` and `off` behind `analytics` are words: what YAML 1.1 takes them for is what they mean there.
fn parse_with_switch(text: &str, range: Range<usize>) -> Result<Option<Document>, Vec<YamlError>> {
    const SWITCH: &str = "/spec/analytics";
    yaml::parse(text, range.clone(), &Limits::default()).or_else(|errors| {
        let Some(mut document) = yaml::parse_despite(text, range, &errors) else { return Err(errors) };
        let written = document.locate(SWITCH).and_then(|found| {
            let word = text.get(found.value.range()).filter(|word| ["on", "off"].contains(word))?;
            Some((found.value, word))
        });
        // An alias would carry the word to where it means something else.
        let Some((place, word)) = written.filter(|(place, _)| document.shared().all(|span| span != *place))
        else {
            return Err(errors);
        };
        let is_other =
            |error: &YamlError| error.kind != YamlErrorKind::AmbiguousBoolean || error.span != place;
        let others: Vec<YamlError> = errors.into_iter().filter(is_other).collect();
        if !others.is_empty() {
            return Err(others);
        }
        if let Some(value) = document.value.pointer_mut(SWITCH) {
            *value = Value::String(word.to_owned());
        }
        Ok(Some(document))
    })
}

/// The kind of project files, for callers that need its schema.
#[must_use]
pub fn kind() -> crate::model::KindRef {
    &kinds::project::KIND
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[track_caller]
    fn check_ignore(today: &str, active: bool, notice: Option<&str>) {
        let rule = json!({"path": "/metadata/notes", "until": "2026-12-31", "reason": "CRM import"});
        let spec: ProjectSpec = serde_json::from_value(json!({"ignore": [rule]})).unwrap();
        let found = ignores(&spec, today.parse().unwrap());
        assert_eq!(found.active.len(), usize::from(active), "{today}");
        assert_eq!(found.notices.first().map(String::as_str), notice, "{today}");
    }

    #[test]
    fn a_rule_is_announced_to_end_a_week_before_it_does() {
        let soon = "/metadata/notes of tenant/* is ignored only until 2026-12-31 (CRM import)";
        let over = "/metadata/notes of tenant/* is no longer ignored: the rule ended on 2026-12-31; remove it from `ignore` (CRM import)";
        check_ignore("2026-12-23", true, None);
        check_ignore("2026-12-24", true, Some(soon));
        check_ignore("2026-12-30", true, Some(soon));
        check_ignore("2026-12-31", false, Some(over));
        check_ignore("2027-05-01", false, Some(over));
    }

    #[track_caller]
    fn check_pause(pause: &str, expected: Result<&str, &str>) {
        let text = format!(
            "apiVersion: synthex.dev/v1\nkind: Project\nmetadata: {{name: p}}\nspec:\n  pauses:\n    - {pause}\n"
        );
        let parsed = parse(SourceFile::new("synthex.yaml".to_owned(), text.into_bytes()));
        match (parsed, expected) {
            (Ok(project), Ok(expected)) => {
                let until = project.spec.pauses.first().and_then(|pause| pause.until.instant());
                assert_eq!(until.map(|until| until.to_rfc3339()).as_deref(), Some(expected), "{pause}");
            }
            (Err(found), Err(part)) => {
                let said = format!("{found:?}");
                assert!(said.contains(part) && said.contains("line: 6"), "{pause}: {said}");
            }
            (parsed, _) => panic!("{pause}: {parsed:?}"),
        }
    }

    #[test]
    fn a_pause_in_the_project_file_needs_an_end() {
        check_pause("{workspace: w, reason: a move, until: 2026-12-31}", Ok("2026-12-31T00:00:00+00:00"));
        check_pause(
            "{workspace: w, reason: a move, until: '2026-12-31T09:00:00Z'}",
            Ok("2026-12-31T09:00:00+00:00"),
        );
        check_pause("{workspace: w, reason: a move}", Err("the field `until` is missing"));
        check_pause("{workspace: w, until: 2026-12-31}", Err("the field `reason` is missing"));
        check_pause("{workspace: w, reason: '', until: 2026-12-31}", Err("must not be empty"));
        check_pause("{workspace: w, reason: a move, until: 2026-02-30}", Err("of the calendar"));
        check_pause("{workspace: w, reason: a move, until: friday}", Err("write a day such as 2026-12-31"));
        check_pause("{workspace: a/b, reason: a move, until: 2026-12-31}", Err("has the wrong form"));
    }

    #[test]
    fn of_a_pause_that_has_ended_it_is_said() {
        let pause = json!({"workspace": "w", "until": "2026-12-31", "reason": "a move"});
        let spec: ProjectSpec = serde_json::from_value(json!({"pauses": [pause]})).unwrap();
        let at = |now: &str| ended_pauses(&spec, now.parse().unwrap());
        assert!(at("2026-12-30T23:59:59Z").is_empty());
        let said = "workspace `w` is no longer paused by the project file: that ended on 2026-12-31 00:00:00 UTC; remove it from `pauses` (a move)";
        assert_eq!(at("2026-12-31T00:00:00Z"), [said]);
    }

    #[track_caller]
    fn check_switch(spec: &str, expected: Result<bool, &str>) {
        let text = format!("apiVersion: synthex.dev/v1\nkind: Project\nmetadata: {{name: p}}\nspec:\n{spec}");
        let parsed = parse(SourceFile::new("synthex.yaml".to_owned(), text.into_bytes()));
        match (parsed, expected) {
            (Ok(project), Ok(expected)) => {
                assert_eq!(project.spec.analytics.map(|switch| switch.0), Some(expected), "{spec}");
            }
            (Err(found), Err(part)) => {
                let said = format!("{found:?}");
                assert!(said.contains(part), "{spec}: {said}");
            }
            (parsed, _) => panic!("{spec}: {parsed:?}"),
        }
    }

    #[test]
    fn on_and_off_are_words_behind_analytics_and_nowhere_else() {
        for (word, is_on) in [("on", true), ("off", false), ("\"off\"", false), ("true", true)] {
            check_switch(&format!("  analytics: {word}\n"), Ok(is_on));
            check_switch(&format!("  {{workspace: w, analytics: {word}}}\n"), Ok(is_on));
        }
        for word in ["Off", "no", "yes"] {
            check_switch(&format!("  analytics: {word}\n"), Err("is text here"));
        }
        check_switch("  analytics: off\n  workspace: no\n", Err("`no` is text here"));
        check_switch("  analytics: &a on\n  workspace: *a\n", Err("`on` is text here"));
        check_switch("  workspace: &a on\n  analytics: *a\n", Err("`on` is text here"));
        check_switch("  guards: {prune: on}\n  analytics: off\n", Err("`on` is text here"));
    }

    #[track_caller]
    fn check_environment(spec: &Value, name: Option<&str>, expected: Result<Option<&str>, &str>) {
        let spec = serde_json::from_value(spec.clone()).unwrap();
        let project = Project { name: "p".into(), file: "synthex.yaml".into(), spec };
        let found = in_environment(project, name).map(|project| project.spec.environment);
        match (found, expected) {
            (Ok(found), Ok(expected)) => assert_eq!(found.as_deref(), expected),
            (Err(error), Err(part)) => assert!(format!("{error:?}").contains(part), "{error:?}"),
            (found, expected) => panic!("{found:?}, not {expected:?}"),
        }
    }

    #[test]
    fn an_environment_is_named_or_the_usual_one_or_none_exists() {
        let none = json!({});
        check_environment(&none, None, Ok(None));
        check_environment(&none, Some("prod"), Err("the project has no `environments`"));
        let two = json!({"environments": {"prod": {}, "staging": {}}});
        check_environment(&two, Some("prod"), Ok(Some("prod")));
        check_environment(&two, Some("prid"), Err("did you mean `prod`?"));
        check_environment(&two, None, Err("there are prod, staging"));
        let usual = json!({"environment": "staging", "environments": {"prod": {}, "staging": {}}});
        check_environment(&usual, None, Ok(Some("staging")));
        check_environment(&usual, Some("prod"), Ok(Some("prod")));
    }
}
