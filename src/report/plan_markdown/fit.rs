//! One text within a number of bytes. What must be there is measured first; what is left goes to details, then to lines.

use crate::plan::{Action, ActionKind};
use crate::report::groups::{Group, groups};

use super::Document;
use super::omitted::{self, Omitted};
use super::{entry, frame};

/// Bytes of a title of a section.
const TITLE: usize = 40;
/// An entry in full is not shorter than this.
const SHORTEST_FULL: usize = 120;

/// What stands around the entries.
struct Frame {
    refusals: String,
    suspects: String,
    table: String,
    notes: String,
}

impl Frame {
    /// Roomy: everything gets its share. Tight: little more than counts, because deletions need the room.
    fn new(document: &Document<'_>, room: usize, tight: bool) -> Self {
        let share = |roomy: usize| if tight { (room / 20).max(300) } else { room / roomy };
        let artifact = &document.artifact;
        let list =
            |title, pieces: Vec<String>, noun, limit| frame::listed(title, &pieces, noun, artifact, limit);
        Self {
            refusals: list("Refused", frame::refusals(document), "refusal", share(4)),
            suspects: frame::suspects(&document.plan.suspects, artifact, share(8)),
            table: frame::table(document, if tight { 0 } else { room / 8 }),
            notes: list("Notes", frame::notes(document), "note", share(8)),
        }
    }

    const fn len(&self) -> usize {
        self.refusals.len() + self.suspects.len() + self.table.len() + self.notes.len()
    }
}

/// The entries of one section.
struct Section<'a> {
    title: &'static str,
    groups: Vec<Group<'a>>,
    texts: Vec<Option<String>>,
}

impl<'a> Section<'a> {
    fn new(title: &'static str, actions: &[&'a Action]) -> Self {
        let groups = groups(actions);
        let texts = vec![None; groups.len()];
        Self { title, groups, texts }
    }

    fn text(&self) -> String {
        let count: usize = self.groups.iter().map(|group| group.actions.len()).sum();
        if count == 0 || self.texts.iter().all(Option::is_none) {
            return String::new();
        }
        let body: String = self.texts.iter().flatten().map(String::as_str).collect();
        titled(self.title, count, &body)
    }
}

fn titled(title: &str, count: usize, body: &str) -> String {
    if count == 0 {
        String::new()
    } else {
        format!("### {title} ({})\n\n{body}\n", super::escape::number(count))
    }
}

/// The plan in one text.
pub(super) fn fit(document: &Document<'_>) -> String {
    let head = frame::head(document, None);
    let tail = frame::tail(document);
    let room = document.options.max_bytes.saturating_sub(head.len() + tail.len());
    let body = body(document, room, false).or_else(|| body(document, room, true)).unwrap_or_default();
    super::squeezed(&format!("{head}{body}{tail}"))
}

/// What stands between head and tail. `None` when deletions do not fit and more room can be made for them.
fn body(document: &Document<'_>, room: usize, tight: bool) -> Option<String> {
    let frame = Frame::new(document, room, tight);
    let room = room.saturating_sub(frame.len() + 4 * TITLE);
    let actions = document.actions();
    let (deletes, others): (Vec<&Action>, Vec<&Action>) =
        actions.into_iter().partition(|action| action.kind == ActionKind::Delete);
    let (creates, changes): (Vec<&Action>, Vec<&Action>) =
        others.iter().copied().partition(|action| action.kind == ActionKind::Create);
    let mut sections = [Section::new("Changes", &changes), Section::new("Creates", &creates)];
    let assemble = |deletes: &str, sections: &[Section<'_>; 2], omitted: &str| {
        let Frame { refusals, suspects, table, notes } = &frame;
        let [changes, creates] = [sections[0].text(), sections[1].text()];
        format!("{refusals}{deletes}{suspects}{table}{changes}{creates}{omitted}{notes}")
    };
    let mut gone = Section::new("Deletes", &deletes);
    if let Some(rest) = all_in_full(document, &mut gone, room)
        && sections.iter_mut().try_fold(rest, |rest, section| all_in_full(document, section, rest)).is_some()
    {
        return Some(assemble(&gone.text(), &sections, ""));
    }

    let mut everything = Omitted::default();
    others.iter().for_each(|action| everything.add(action));
    let whole = everything.text(&document.artifact, usize::MAX).len();
    let reserve = (whole + 600).min((room / 6).max(1_200));
    let room = room.saturating_sub(reserve);
    let (deletes, complete) = deletions(document, &deletes, room);
    if !complete && !tight {
        return None;
    }
    let mut omitted = Omitted::default();
    let left = room.saturating_sub(deletes.len());
    fill(document, &mut sections, left, &mut omitted);
    let omitted = omitted.text(&document.artifact, reserve);
    Some(assemble(&deletes, &sections, &omitted))
}

/// Every entry of a section in full, and the room that is left; `None` when they do not fit.
fn all_in_full(document: &Document<'_>, section: &mut Section<'_>, room: usize) -> Option<usize> {
    let mut left = room;
    if section.groups.len() * SHORTEST_FULL > room {
        return None;
    }
    for (group, text) in section.groups.iter().zip(&mut section.texts) {
        let limit = (room / 4).max(entry::SMALLEST);
        let (full, taken) = entry::full(document, group, 0, limit);
        if taken < group.actions.len() || full.len() > left {
            section.texts.iter_mut().for_each(|text| *text = None);
            return None;
        }
        left -= full.len();
        *text = Some(full);
    }
    Some(left)
}

/// All deletions: a line each, or else only their names, or else as many names as fit below a warning. Whether all are
/// named comes with it.
fn deletions(document: &Document<'_>, deletes: &[&Action], room: usize) -> (String, bool) {
    let mut lines = String::new();
    for action in deletes {
        lines.push_str(&entry::short(action));
        if lines.len() > room {
            let (names, complete) = omitted::deletions(document, deletes, room);
            return (titled("Deletes", deletes.len(), &names), complete);
        }
    }
    (titled("Deletes", deletes.len(), &lines), true)
}

/// Details of changes first, in the order of risk, then a line for each of the others, then details of creates.
fn fill<'a>(
    document: &Document<'_>,
    sections: &mut [Section<'a>; 2],
    room: usize,
    omitted: &mut Omitted<'a>,
) {
    let mut left = room;
    let [changes, creates] = sections;
    let mut details = room / 10 * 7;
    for (group, text) in changes.groups.iter().zip(&mut changes.texts) {
        if details < SHORTEST_FULL {
            break;
        }
        let limit = (room / 3).min(details).max(entry::SMALLEST);
        let (full, taken) = entry::full(document, group, 0, limit);
        if full.len() <= details && full.len() <= left {
            details -= full.len();
            left -= full.len();
            group.actions[taken..].iter().for_each(|action| omitted.add(action));
            *text = Some(full);
        }
    }
    for section in [&mut *changes, &mut *creates] {
        for (group, text) in section.groups.iter().zip(&mut section.texts).filter(|(_, text)| text.is_none())
        {
            let single = group.actions.len() == 1;
            let line = if single { Some(entry::short(group.sample())) } else { None };
            let line = line.or_else(|| {
                let (full, taken) =
                    (left >= entry::SMALLEST).then(|| entry::full(document, group, 0, left))?;
                (taken == group.actions.len()).then_some(full)
            });
            match line.filter(|line| line.len() <= left) {
                Some(line) => {
                    left -= line.len();
                    *text = Some(line);
                }
                None => group.actions.iter().for_each(|action| omitted.add(action)),
            }
        }
    }
    for (group, text) in creates.groups.iter().zip(&mut creates.texts) {
        let Some(line) = text else { break };
        if left < SHORTEST_FULL {
            break;
        }
        let (full, _) = entry::full(document, group, 0, entry::SMALLEST.max(left / 2));
        if full.len() <= left + line.len() {
            left = left + line.len() - full.len();
            *line = full;
        }
    }
}
