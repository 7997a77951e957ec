//! What did not fit: counted by action, workspace and kind, and deletions that do not fit are said loudly.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::plan::{Action, ActionKind};

use super::Document;
use super::escape::{code, counted, defused, number};

/// By action, workspace and kind.
#[derive(Default)]
pub(super) struct Omitted<'a>(BTreeMap<(ActionKind, &'a str, &'static str), usize>);

impl<'a> Omitted<'a> {
    pub(super) fn add(&mut self, action: &'a Action) {
        *self.0.entry((action.kind, &action.key.workspace, action.key.kind.slug)).or_default() += 1;
    }

    /// `- …and 18,412 more creates, see artifact plan.json: 18,000 tenants in ws-000, ...`, at most so many bytes.
    pub(super) fn text(&self, artifact: &str, limit: usize) -> String {
        let mut lines = Vec::new();
        for kind in ActionKind::ALL {
            let places: Vec<(&str, &str, usize)> = self
                .0
                .iter()
                .filter(|((of, ..), _)| *of == kind)
                .map(|((_, workspace, slug), count)| (*workspace, *slug, *count))
                .collect();
            if !places.is_empty() {
                let total = places.iter().map(|(.., count)| count).sum();
                let total = counted(total, &format!("more {}", kind.code()));
                lines.push((format!("- …and {total}, see artifact {}", code(artifact)), places));
            }
        }
        if lines.is_empty() {
            return String::new();
        }
        let mut text = "### Not shown here\n\n".to_owned();
        let fixed: usize = lines.iter().map(|(line, _)| line.len() + 60).sum();
        let share = limit.saturating_sub(text.len() + fixed + 1) / lines.len();
        for (line, places) in lines {
            text.push_str(&line);
            places_text(&mut text, &places, share);
            text.push('\n');
        }
        text.push('\n');
        text
    }
}

/// `: 18,000 tenants in ws-000, ... and 12 in 3 more places`.
fn places_text(text: &mut String, places: &[(&str, &str, usize)], room: usize) {
    let mut room = room;
    let mut left: usize = places.iter().map(|(.., count)| count).sum();
    for (index, (workspace, slug, count)) in places.iter().enumerate() {
        let words = format!(
            "{} {} in {}",
            if index == 0 { ":" } else { "," },
            counted(*count, slug),
            code(workspace)
        );
        if words.len() > room {
            let more = counted(places.len() - index, if index == 0 { "place" } else { "more place" });
            let _ = write!(text, "{} {} in {more}", if index == 0 { ":" } else { "," }, number(left));
            return;
        }
        room -= words.len();
        left -= count;
        text.push_str(&words);
    }
}

/// The names of what is deleted, with as little around them as possible. False when not even these fit: then how many
/// there are of each kind in each workspace is said first, loudly, and as many names as fit follow.
pub(super) fn deletions(document: &Document<'_>, deletes: &[&Action], limit: usize) -> (String, bool) {
    let mut lists: BTreeMap<(bool, bool, &str, &str), Vec<String>> = BTreeMap::new();
    for action in deletes {
        let place = (!action.protected, !action.permanent, &*action.key.workspace, action.key.kind.slug);
        lists.entry(place).or_default().push(defused(&action.key.name));
    }
    let heading = |(no_guard, soft, workspace, slug): (bool, bool, &str, &str), count: usize| {
        let protected = if no_guard { "" } else { " **protected**" };
        let for_good = if soft { "" } else { " **for good**" };
        format!("**delete**{protected}{for_good} {} in {}:\n\n", counted(count, slug), code(workspace))
    };
    let mut text = String::new();
    for (place, names) in &lists {
        let _ = writeln!(text, "{}```text\n{}\n```\n", heading(*place, names.len()), names.join("\n"));
    }
    if text.len() <= limit {
        return (text, true);
    }
    // The places take at most a third, the names what is left.
    let mut places = String::new();
    let mut unnamed = 0;
    let artifact = code(&document.artifact);
    for (place, names) in &lists {
        let line = format!("> - {}", heading(*place, names.len()).trim_end_matches(":\n\n"));
        if places.len() + line.len() + 1 > limit / 3 {
            unnamed += names.len();
            continue;
        }
        places.push_str(&line);
        places.push('\n');
    }
    if unnamed > 0 {
        let _ = writeln!(places, "> - and {} in other places", counted(unnamed, "delete"));
    }
    let warning = |shown: usize| {
        let (all, missing) = (number(deletes.len()), number(deletes.len() - shown));
        format!(
            "> **WARNING: {all} resources are deleted, and {missing} of them are not named here: they do not fit.**\n> \
             Read all of them in artifact {artifact} before you approve.\n>\n{places}\n"
        )
    };
    let mut room = limit.saturating_sub(warning(0).len() + 20);
    let mut named = String::new();
    let mut shown = 0;
    'lists: for (place, names) in &lists {
        let open = format!("{}```text\n", heading(*place, names.len()));
        let mut inside = String::new();
        for name in names {
            if open.len() + inside.len() + name.len() + 8 > room {
                break;
            }
            inside.push_str(name);
            inside.push('\n');
            shown += 1;
        }
        if inside.is_empty() {
            break 'lists;
        }
        let list = format!("{open}{inside}```\n\n");
        room = room.saturating_sub(list.len());
        named.push_str(&list);
    }
    let text = format!("{}{named}", warning(shown));
    (if text.len() <= limit { text } else { warning(0) }, false)
}
