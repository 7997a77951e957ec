//! What stands around the entries: marker, title, refusals, likely renames, the table of workspaces, notes, the end.
//!
//! Everything that can grow takes a number of bytes, stays within it, and counts what it leaves out.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::plan::{ActionKind, Suspect};
use crate::report::plan_text::{remarks, sections};

use super::Document;
use super::escape::{cell, code, counted, cut, number, prose};
use super::line::Line;

/// Longest sentence of a refusal or note.
const SENTENCE: usize = 300;
/// Keys of a note.
const NAMED: usize = 10;

/// The line by which a program finds the text again, to replace it.
pub(in crate::report) fn marker(environment: Option<&str>, digest: &str) -> String {
    format!("<!-- synthex:plan:{}:{digest} -->\n", place(environment))
}

/// The environment as it stands in a marker.
pub(in crate::report) fn place(environment: Option<&str>) -> String {
    let plain = |character: char| {
        if character.is_ascii_alphanumeric() || "._-".contains(character) { character } else { '_' }
    };
    environment.unwrap_or("default").chars().take(128).map(plain).collect()
}

/// Marker and title.
pub(super) fn head(document: &Document<'_>, part: Option<(usize, usize)>) -> String {
    let plan = document.plan;
    let mut text = marker(plan.environment.as_deref(), &document.digest);
    if let Some((number, of)) = part {
        let _ = writeln!(text, "<!-- synthex:part:{number}of{of} -->");
    }
    let context = document.context;
    let project = if context.project.is_empty() { &plan.project } else { &context.project };
    let mut title = Line::default().text("## Plan for ").code(&cut(project, 128));
    if let Some(environment) = &plan.environment {
        title = title.text(", environment ").code(&cut(environment, 128));
    }
    if let Some((number, of)) = part {
        title = title.text(&format!(" (part {number} of {of})"));
    }
    let _ = writeln!(text, "{}\n", title.markdown());
    let mut base = Line::default();
    if !context.database.is_empty() {
        base = base.text("on ").code(&cut(&context.database, 200));
    }
    if let Some(commit) = &context.git_commit {
        base = base.text(if context.database.is_empty() { "from " } else { " from " }).code(&cut(commit, 64));
    }
    let base = base.markdown();
    if !base.is_empty() {
        let _ = writeln!(text, "{base}\n");
    }
    if !plan.refusals.is_empty() {
        let reasons = counted(plan.refusals.len(), "reason");
        let _ = writeln!(text, "> **Refused: nothing of this plan will be applied, for {reasons}.**\n");
    }
    text
}

/// Digest and the line that counts.
pub(super) fn tail(document: &Document<'_>) -> String {
    let last = sections::last_line(document.plan);
    if document.plan.is_empty() {
        return format!("\n{last}\n");
    }
    format!("\nDigest: `{}`\n\n{last}\n", document.digest)
}

/// The guards that refuse, each a piece.
pub(super) fn refusals(document: &Document<'_>) -> Vec<String> {
    let one = |refusal: &crate::plan::Refusal| {
        let mut text = format!("- **{}** {}", refusal.code, prose(&cut(&refusal.message, SENTENCE)));
        if let Some(position) = &refusal.position {
            let _ = write!(text, " ({})", code(&position.to_string()));
        }
        let _ = write!(text, "\n  help: {}\n", prose(&cut(&refusal.help, SENTENCE)));
        text
    };
    document.plan.refusals.iter().map(one).collect()
}

/// Pieces under a title, as many as fit; the others are counted.
pub(super) fn listed(title: &str, pieces: &[String], noun: &str, artifact: &str, limit: usize) -> String {
    if pieces.is_empty() {
        return String::new();
    }
    let rest = |count: usize| {
        format!("- …and {}, see artifact {}\n", counted(count, &format!("more {noun}")), code(artifact))
    };
    let mut text = format!("### {title} ({})\n\n", number(pieces.len()));
    let whole: usize = pieces.iter().map(String::len).sum();
    let mut room = limit.saturating_sub(text.len() + 1);
    if whole > room {
        room = room.saturating_sub(rest(pieces.len()).len());
    }
    let mut shown = 0;
    for piece in pieces {
        if piece.len() > room {
            break;
        }
        room -= piece.len();
        text.push_str(piece);
        shown += 1;
    }
    if shown < pieces.len() {
        text.push_str(&rest(pieces.len() - shown));
    }
    text.push('\n');
    if text.len() <= limit { text } else { String::new() }
}

/// Likely renames, with the block for the project file.
pub(super) fn suspects(suspects: &[Suspect], artifact: &str, limit: usize) -> String {
    let lines = |suspect: &Suspect| {
        let Suspect { from, to, field, value } = suspect;
        let line = Line::default()
            .text("- ! ")
            .code(&from.to_string())
            .text(" → ")
            .code(&to.to_string())
            .text(" looks like a rename: both have ")
            .code(field)
            .text(" ")
            .code(value);
        format!("{}\n", line.markdown())
    };
    let mut shown = suspects.len();
    loop {
        let some = &suspects[..shown];
        let mut text = listed(
            "Likely renames",
            &some.iter().map(lines).collect::<Vec<_>>(),
            "pair",
            artifact,
            usize::MAX,
        );
        if !some.is_empty() {
            text =
                text.replacen(&format!("({})", number(shown)), &format!("({})", number(suspects.len())), 1);
            text.push_str("If they are renames, add to `spec` of the project file:\n\n```yaml\n");
            for line in remarks::moved(some) {
                text.push_str(&super::escape::defused(&line));
                text.push('\n');
            }
            text.push_str("```\n\n");
        }
        if shown < suspects.len() {
            let more = counted(suspects.len() - shown, "likely rename");
            let _ = writeln!(text, "…and {more}, see artifact {}\n", code(artifact));
        }
        if text.len() <= limit {
            return text;
        }
        if shown == 0 {
            return String::new();
        }
        // Proportional at first, so that thousands take a few rounds.
        shown = (shown * limit / text.len()).min(shown - 1);
    }
}

/// Counts by workspace.
pub(super) fn table(document: &Document<'_>, limit: usize) -> String {
    let mut rows: BTreeMap<&str, [usize; 6]> = BTreeMap::new();
    let mut totals = [0; 6];
    for action in &document.plan.actions {
        let column = ActionKind::ALL.iter().position(|kind| *kind == action.kind).unwrap_or_default();
        rows.entry(&action.key.workspace).or_default()[column] += 1;
        totals[column] += 1;
    }
    if rows.is_empty() {
        return String::new();
    }
    let columns: Vec<usize> = (0..6).filter(|column| totals[*column] > 0).collect();
    let tables = document.options.preset.has_tables();
    let row = |name: &str, counts: &[usize; 6]| {
        let cells: Vec<String> = columns
            .iter()
            .map(|column| match (tables, counts[*column]) {
                (true, 0) => String::new(),
                (true, count) => number(count),
                (false, count) => format!("{} {}", number(count), ActionKind::ALL[*column].code()),
            })
            .collect();
        if tables {
            format!("| {name} | {} |\n", cells.join(" | "))
        } else {
            format!("- {name}: {}\n", cells.join(", "))
        }
    };
    let mut text = format!("### {}\n\n", if rows.len() == 1 { "Workspace" } else { "Workspaces" });
    if tables {
        let names: Vec<&str> = columns.iter().map(|column| ActionKind::ALL[*column].code()).collect();
        let _ = writeln!(text, "| workspace | {} |", names.join(" | "));
        let _ = writeln!(text, "| --- |{}", " ---: |".repeat(names.len()));
    }
    let mut left = totals;
    let mut more = rows.len();
    for (name, counts) in &rows {
        let line = row(&if tables { cell(name) } else { code(name) }, counts);
        let last = row(&format!("…{} more", number(more)), &totals);
        let reserve = if more > 1 { last.len() } else { 0 };
        if text.len() + line.len() + reserve + 1 > limit {
            break;
        }
        text.push_str(&line);
        for (left, count) in left.iter_mut().zip(counts) {
            *left -= count;
        }
        more -= 1;
    }
    if more > 0 {
        text.push_str(&row(&format!("…{} more", number(more)), &left));
    }
    text.push('\n');
    if text.len() <= limit { text } else { String::new() }
}

/// What the plan could not see, was not allowed to do, or leaves as it is.
pub(super) fn notes(document: &Document<'_>) -> Vec<String> {
    let plan = document.plan;
    let mut notes: Vec<String> = Vec::new();
    if let Some(impact) = document.context.impact.as_ref().filter(|impact| !impact.counts.is_empty()) {
        notes.push(prose(&impact.headline()));
        notes.extend(impact.lines.iter().map(|line| prose(&cut(&line.words(), SENTENCE))));
        if impact.more() > 0 {
            notes.push(format!("{} more alerts are concerned", number(impact.more())));
        }
    }
    notes.extend(document.options.only.words(plan).map(|words| prose(&words)));
    notes.extend(remarks::withheld(&plan.withheld).map(|words| prose(&words)));
    notes.extend(document.context.notices.iter().map(|notice| prose(&cut(notice, SENTENCE))));
    let keys = |keys: &[crate::model::ResourceKey]| {
        let named: Vec<String> = keys.iter().take(NAMED).map(|key| code(&key.to_string())).collect();
        let more = keys.len().saturating_sub(NAMED);
        let more = if more > 0 { format!(" and {} more", number(more)) } else { String::new() };
        format!("{}{more}", named.join(", "))
    };
    if !plan.included.is_empty() {
        let count = counted(plan.included.len(), "resource");
        notes.push(format!("{count} included because what was selected needs it: {}", keys(&plan.included)));
    }
    if !plan.undeclared.is_empty() {
        let count = counted(plan.undeclared.len(), "resource");
        notes.push(format!(
            "{count} in the database and no longer declared, and not deleted: {}",
            keys(&plan.undeclared)
        ));
    }
    for warning in &document.context.diagnostics {
        let place = warning
            .position
            .as_ref()
            .map_or(String::new(), |place| format!(" ({})", code(&place.to_string())));
        notes.push(format!(
            "warning **{}** {}{place}",
            warning.code,
            prose(&cut(&warning.message, SENTENCE))
        ));
    }
    notes.iter().map(|note| format!("- {note}\n")).collect()
}
