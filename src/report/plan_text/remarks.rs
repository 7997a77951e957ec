//! What a plan says besides its changes: likely renames, what deletions take with them, what was left out and why.

use crate::model::ResourceKey;
use crate::plan::{ActionKind, Plan, Suspect};
use crate::report::clean::clean;
use crate::report::groups::groups;
use crate::report::only::{Only, counted, list};
use crate::report::paint::{Paint, push};
use crate::report::{Style, risk};

/// How many of a long list are named.
const NAMED: usize = 10;

/// Deletions and creations that look like one resource under another name, with the text that makes them a rename.
pub(super) fn suspects(text: &mut String, plan: &Plan, style: &Style) {
    if plan.suspects.is_empty() {
        return;
    }
    for Suspect { from, to, field, value } in &plan.suspects {
        push(text, "!", Paint::Warning, style);
        text.push_str(&format!(
            " {} {} {} looks like a rename: both have {field} {}\n",
            clean(&from.to_string()),
            style.arrow(),
            clean(&to.to_string()),
            clean(value)
        ));
    }
    let what = if plan.suspects.len() == 1 { "it is one" } else { "they are" };
    text.push_str(&format!("  If {what}, add to `spec` of the project file:\n\n"));
    for line in moved(&plan.suspects) {
        text.push_str(&format!("    {line}\n"));
    }
    text.push('\n');
}

/// The block for the project file, a line each.
pub(in crate::report) fn moved(suspects: &[Suspect]) -> Vec<String> {
    let mut lines = vec!["moved:".to_owned()];
    lines.extend(
        suspects
            .iter()
            .map(|suspect| format!("  - {{from: {}, to: {}}}", scalar(&suspect.from), scalar(&suspect.to))),
    );
    lines
}

/// A key as YAML reads it. Names that were declared need no quotes; a row's may.
fn scalar(key: &ResourceKey) -> String {
    let key = key.to_string();
    let plain = |character: char| character.is_ascii_alphanumeric() || "/._-".contains(character);
    if key.chars().all(plain) {
        key
    } else {
        format!("\"{}\"", clean(&key).replace('\\', "\\\\").replace('"', "\\\""))
    }
}

/// What deletions take with them, and those without a way back.
pub(super) fn deletions(text: &mut String, plan: &Plan, style: &Style) {
    let length = text.len();
    for action in plan.actions.iter().filter(|action| !action.dependents.is_empty()) {
        if text.len() == length {
            push(text, "warning:", Paint::Warning, style);
            text.push_str(" deletions take with them what needs what is deleted:\n");
        }
        let key = action.key.to_string();
        text.push_str(&format!("  {} {} {}\n", clean(&key), style.arrow(), dependents(&action.dependents)));
    }
    let for_good = plan.actions.iter().filter(|action| action.permanent).count();
    if for_good > 0 {
        push(text, "warning:", Paint::Warning, style);
        let what = if for_good == 1 { "1 row is".to_owned() } else { format!("{for_good} rows are") };
        text.push_str(&format!(" {what} removed for good and cannot be restored\n"));
    }
    if text.len() > length {
        text.push('\n');
    }
}

/// `14 tenants, 31 credentials`.
pub(in crate::report) fn dependents(counts: &[(crate::model::KindRef, usize)]) -> String {
    let words: Vec<String> = counts.iter().map(|(kind, count)| counted(*count, kind.slug)).collect();
    words.join(", ")
}

/// Which of the lines above say the same.
pub(super) fn same_changes(text: &mut String, plan: &Plan, style: &Style, only: Only) {
    /// So few are seen at a glance.
    const FEW: usize = 3;
    let mut shown = risk::sorted(&plan.actions);
    shown.retain(|action| only.shows(action.kind));
    let length = text.len();
    for group in groups(&shown).iter().filter(|group| group.actions.len() > FEW) {
        let sample = group.sample();
        let fields: Vec<String> =
            sample.changes.iter().map(|change| clean(&change.field()).into_owned()).collect();
        let what = if fields.is_empty() { "no field, only the owner".to_owned() } else { list(&fields) };
        push(text, "same:", Paint::Dim, style);
        text.push_str(&format!(
            " {} change alike: {what}\n",
            counted(group.actions.len(), sample.key.kind.slug)
        ));
    }
    if text.len() > length {
        text.push('\n');
    }
}

/// What the user did not select, did not allow or did not want to see.
pub(super) fn left_out(text: &mut String, plan: &Plan, style: &Style, only: Only) {
    let length = text.len();
    if let Some(hidden) = only.words(plan) {
        note(text, style, &format!("{hidden}; the counts are of everything"));
    }
    if let Some(withheld) = withheld(&plan.withheld) {
        note(text, style, &withheld);
    }
    if !plan.included.is_empty() {
        let count = plan.included.len();
        let what = if count == 1 { "1 resource is" } else { &format!("{count} resources are") };
        note(text, style, &format!("{what} included because what was selected needs it:"));
        for key in plan.included.iter().take(NAMED) {
            text.push_str(&format!("  {}\n", clean(&key.to_string())));
        }
        if count > NAMED {
            text.push_str(&format!("  {} and {} more\n", style.ellipsis(), count - NAMED));
        }
    }
    if text.len() > length {
        text.push('\n');
    }
}

/// Actions that the user did not allow, in words.
pub(in crate::report) fn withheld(withheld: &[(ActionKind, usize)]) -> Option<String> {
    let words: Vec<String> = withheld.iter().map(|(kind, count)| counted(*count, kind.code())).collect();
    let total: usize = withheld.iter().map(|(_, count)| count).sum();
    let verb = if total == 1 { "is" } else { "are" };
    (total > 0).then(|| format!("{} {verb} left out because `--allow` does not name them", list(&words)))
}

fn note(text: &mut String, style: &Style, words: &str) {
    push(text, "note:", Paint::Help, style);
    text.push_str(&format!(" {words}\n"));
}
