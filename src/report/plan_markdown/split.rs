//! The whole plan in numbered texts. Pieces are whole entries; one that is too long is shortened, a group is continued.

use crate::plan::ActionKind;
use crate::report::groups::groups;

use super::Document;
use super::escape::number;
use super::{entry, frame};

/// More parts than this could not be numbered within the room that is kept for the numbers.
const MOST: usize = 99_999;

/// Something that is not divided, below the title of its section.
struct Piece {
    title: String,
    text: String,
}

/// The texts.
pub(super) fn parts(document: &Document<'_>) -> Vec<String> {
    let tail = frame::tail(document);
    let around = frame::head(document, Some((MOST, MOST))).len() + tail.len();
    let room = document.options.max_bytes.saturating_sub(around);
    let mut bodies = vec![String::new()];
    let mut title = String::new();
    for piece in pieces(document, room) {
        let heading = format!("### {}\n\n", piece.title);
        let last = bodies.len() - 1;
        let full = bodies[last].len() + heading.len() + piece.text.len() + 1 > room;
        if full && !bodies[last].is_empty() {
            bodies.push(String::new());
            title.clear();
        }
        let last = bodies.len() - 1;
        let body = &mut bodies[last];
        if piece.title != title {
            if !body.is_empty() {
                body.push('\n');
            }
            body.push_str(&heading);
            title = piece.title;
        }
        body.push_str(&piece.text);
    }
    let of = bodies.len();
    let whole = |(index, body): (usize, &String)| {
        super::squeezed(&format!("{}{body}{tail}", frame::head(document, Some((index + 1, of)))))
    };
    bodies.iter().enumerate().map(whole).collect()
}

fn pieces(document: &Document<'_>, room: usize) -> Vec<Piece> {
    /// Bytes of the title of a section.
    const TITLE: usize = 60;
    let limit = room.saturating_sub(TITLE).max(entry::SMALLEST);
    let mut pieces = Vec::new();
    let mut add = |title: String, text: String| {
        if !text.is_empty() {
            pieces.push(Piece { title, text });
        }
    };
    let refusals = frame::refusals(document);
    let title = format!("Refused ({})", number(refusals.len()));
    refusals.into_iter().for_each(|text| add(title.clone(), text));
    let actions = document.actions();
    let mut section = |title: &str, wanted: fn(ActionKind) -> bool| {
        let some: Vec<_> = actions.iter().copied().filter(|action| wanted(action.kind)).collect();
        let title = format!("{title} ({})", number(some.len()));
        for group in groups(&some) {
            let mut done = 0;
            while done < group.actions.len() {
                let (text, taken) = entry::full(document, &group, done, limit);
                // Only names that no manifest could declare are as long as that.
                let fits = text.len() <= limit;
                let text = if fits { text } else { entry::short(group.actions[done]) };
                add(title.clone(), text);
                done += if fits { taken.max(1) } else { 1 };
            }
        }
    };
    section("Deletes", |kind| kind == ActionKind::Delete);
    section("Changes", |kind| !matches!(kind, ActionKind::Delete | ActionKind::Create));
    section("Creates", |kind| kind == ActionKind::Create);
    for text in [
        frame::suspects(&document.plan.suspects, &document.artifact, limit / 2),
        frame::table(document, limit / 2),
    ] {
        if let Some((title, text)) = text.strip_prefix("### ").and_then(|text| text.split_once("\n\n")) {
            pieces.push(Piece { title: title.to_owned(), text: text.to_owned() });
        }
    }
    let notes = frame::notes(document);
    let title = format!("Notes ({})", number(notes.len()));
    notes.into_iter().for_each(|text| pieces.push(Piece { title: title.clone(), text }));
    pieces
}
