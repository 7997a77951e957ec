//! What a plan refuses and risks, as workflow commands that GitHub shows beside the lines of a pull request.
//!
//! GitHub shows ten of each level for a step and drops the others without a word, so each level is kept within ten here and
//! the last one counts what is left. Deletions have no line any more and stand without a place.

use crate::model::{Diagnostic, Position, Severity};
use crate::plan::{Action, ActionKind, Plan};

use super::PlanContext;
use super::diagnostics::{data, property};
use super::plan_text::remarks;
use super::risk;

/// What GitHub shows of each level.
const SHOWN: usize = 10;

/// Refusals as errors; deletions, likely renames, changes of what is protected and warnings of the manifests as warnings;
/// drift as notices. One line each.
#[must_use]
pub fn github(plan: &Plan, context: &PlanContext) -> String {
    let errors = plan.refusals.iter().map(|refusal| {
        let help = format!("{}\nhelp: {}", refusal.message, refusal.help);
        command("error", refusal.position.as_ref(), refusal.code, &help)
    });
    let mut text = bounded("error", errors.collect());
    let sorted = risk::sorted(&plan.actions);
    let mut warnings = Vec::new();
    let mut notices = Vec::new();
    for action in &sorted {
        let key = &action.key;
        if action.kind == ActionKind::Delete {
            warnings.push(command("warning", None, "delete", &deletion(action)));
        } else if action.protected && action.kind != ActionKind::Create {
            let words = format!("{key} is protected and changes ({})", action.kind.code());
            warnings.push(command("warning", action.position.as_ref(), "protected", &words));
        }
        if action.reason.actor().is_some() {
            let words = format!("{key}: {}", action.reason);
            notices.push(command("notice", action.position.as_ref(), action.reason.code(), &words));
        }
    }
    for suspect in &plan.suspects {
        let position =
            sorted.iter().find(|action| action.key == suspect.to).and_then(|action| action.position.as_ref());
        let words = format!(
            "{} looks like {} under a new name: both have {} {}",
            suspect.to, suspect.from, suspect.field, suspect.value
        );
        warnings.push(command("warning", position, "likely rename", &words));
    }
    warnings.extend(
        context
            .diagnostics
            .iter()
            .map(|problem| command("warning", problem.position.as_ref(), problem.code, &problem.message)),
    );
    text.push_str(&bounded("warning", warnings));
    text.push_str(&bounded("notice", notices));
    text
}

/// Problems of manifests, no more than are shown.
#[must_use]
pub fn problems(diagnostics: &[Diagnostic]) -> String {
    let of = |severity| diagnostics.iter().filter(move |problem| problem.severity == severity);
    let lines = |problems: &mut dyn Iterator<Item = &Diagnostic>| {
        problems.map(super::diagnostics::annotation).collect()
    };
    let errors = bounded("error", lines(&mut of(Severity::Error)));
    errors + &bounded("warning", lines(&mut of(Severity::Warning)))
}

fn deletion(action: &Action) -> String {
    let mut words = format!("{} is deleted", action.key);
    if action.permanent {
        words.push_str(" for good");
    }
    if !action.dependents.is_empty() {
        words.push_str(&format!(", with {}", remarks::dependents(&action.dependents)));
    }
    words
}

fn command(level: &str, position: Option<&Position>, title: &str, message: &str) -> String {
    let place = position.map_or_else(String::new, |position| {
        format!("file={},line={},col={},", property(&position.file), position.line, position.column)
    });
    let lines: Vec<String> = message.split('\n').map(data).collect();
    format!("::{level} {place}title={}::{}\n", property(title), lines.join("%0A"))
}

fn bounded(level: &str, mut commands: Vec<String>) -> String {
    if commands.len() > SHOWN {
        let more = commands.len() - (SHOWN - 1);
        commands.truncate(SHOWN - 1);
        commands.push(command(
            level,
            None,
            "synthex plan",
            &format!("and {more} more like these, see the plan"),
        ));
    }
    commands.concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample::{at, context, delete, everything, key, plan};
    use serde_json::json;

    #[test]
    fn refusals_deletions_and_drift_are_pointed_out() {
        assert_eq!(
            github(&everything(), &context()),
            "::error file=manifests/all.yaml,line=90,col=1,title=SX0501::tenant/anz-smb/old is protected and would be \
             deleted%0Ahelp: declare it again; to delete it, first apply it with `protect: false`\n\
             ::warning title=delete::tenant/anz-smb/old is deleted\n\
             ::notice file=manifests/all.yaml,line=12,col=1,title=drift::tenant/anz-smb/acme: drift: changed in the \
             database by role bob at 2026-03-04 05:06:07 UTC\n"
        );
    }

    #[test]
    fn no_more_than_github_shows_and_the_others_are_counted() {
        let gone = |number: usize| delete(key("Tenant", "w", &format!("t{number}")), &json!({}));
        let text = github(&plan((0..25).map(gone).collect()), &context());
        assert_eq!(text.lines().count(), 10);
        assert!(
            text.ends_with("::warning title=synthex plan::and 16 more like these, see the plan\n"),
            "{text}"
        );
    }

    #[test]
    fn a_value_cannot_begin_another_command() {
        let mut evil = everything();
        evil.actions.clear();
        evil.refusals[0].message = "a\r\n::set-env name=X::y%0A::error::z".to_owned();
        evil.refusals[0].position = Some(at("a,b:c\n::error::.yaml", 1, 2));
        let text = github(&evil, &context());
        assert_eq!(text.lines().count(), 1, "{text}");
        assert!(text.contains("file=a%2Cb%3Ac\\n%3A%3Aerror%3A%3A.yaml,"), "{text}");
        assert!(text.contains("::a\\r%0A::set-env name=X::y%250A::error::z%0Ahelp"), "{text}");
    }
}
