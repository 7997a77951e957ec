//! Maps and lists in brackets, on one line or on several; JSON has no others.

use super::super::yaml::Tree;
use super::Refusal;
use super::document::Editor;
use super::splice::Splices;

/// The bytes of an entry or item.
#[derive(Clone, Copy, Debug)]
pub(super) struct Item {
    pub start: usize,
    pub end: usize,
}

impl Editor<'_> {
    pub fn item(&self, node: &Tree) -> Item {
        let start = node.key.map_or_else(|| self.start_of(node), |key| key.start as usize);
        Item { start, end: self.end_of(node) }
    }

    /// Whether an item has its lines for itself, comma and comment included.
    fn is_alone(&self, item: Item) -> bool {
        let rest = &self.text[item.end..self.lines.end(item.end)];
        let comma = rest.trim_start_matches([' ', '\t']).starts_with(',');
        let end = if comma { item.end + rest.find(',').unwrap_or(0) + 1 } else { item.end };
        self.lines.begins(item.start) && self.lines.is_done(end)
    }

    /// Takes items out and puts others in. At least one item is kept; what is added says behind which one it comes, or that
    /// it comes before all of them.
    pub fn brackets(
        &self,
        items: &[Item],
        is_kept: &[bool],
        added: &[(Option<usize>, String)],
        out: &mut Splices,
    ) -> Result<(), Refusal> {
        let last = is_kept.iter().rposition(|kept| *kept).unwrap_or_default();
        let has_tail = last + 1 < items.len();
        for (index, item) in items.iter().enumerate().filter(|(index, _)| !is_kept[*index]) {
            if index < last {
                if self.is_alone(*item) && self.lines.begins(items[index + 1].start) {
                    out.remove(self.lines.whole(item.start, item.end));
                } else {
                    out.remove(item.start..items[index + 1].start);
                }
            } else if items[last..].iter().all(|item| self.is_alone(*item)) {
                out.remove(self.lines.whole(item.start, item.end));
            } else {
                out.remove(items[index - 1].end..item.end);
            }
        }
        let Some(kept) = items.get(last) else { return Ok(()) };
        let tail_goes_by_lines = has_tail && items[last..].iter().all(|item| self.is_alone(*item));
        if tail_goes_by_lines
            && let Some(comma) = self.comma(kept.end)
            && !added.iter().any(|(after, _)| *after == Some(last))
        {
            out.remove(comma..comma + 1);
        }
        for (after, text) in added {
            let Some(index) = *after else {
                let first = is_kept.iter().position(|kept| *kept).and_then(|index| items.get(index));
                out.insert(first.map_or(0, |first| first.start), format!("{text}, "));
                continue;
            };
            let Some(before) = items.get(index) else { continue };
            let by_lines = self.is_alone(*before) && (index < last || !has_tail || tail_goes_by_lines);
            let comma = self.comma(before.end);
            if !by_lines {
                out.insert(before.end, format!(", {text}"));
                continue;
            }
            let column = self.lines.column(before.start);
            let is_last_added = added
                .iter()
                .rev()
                .find(|(at, _)| *at == *after)
                .is_some_and(|(_, last)| std::ptr::eq(last, text));
            let is_first_added = added
                .iter()
                .find(|(at, _)| *at == *after)
                .is_some_and(|(_, first)| std::ptr::eq(first, text));
            if is_first_added && comma.is_none() {
                out.insert(before.end, ",");
            }
            // A comma behind the last item was there, or something follows.
            let ends = !is_last_added || (comma.is_some() && !(has_tail && index == last));
            let newline = self.lines.newline;
            let comma = if ends { "," } else { "" };
            out.insert(self.lines.end(before.end), format!("{newline}{:column$}{text}{comma}", ""));
        }
        Ok(())
    }

    /// The comma behind an item, in its line.
    fn comma(&self, end: usize) -> Option<usize> {
        let rest = &self.text[end..self.lines.end(end)];
        let blank = rest.len() - rest.trim_start_matches([' ', '\t']).len();
        rest[blank..].starts_with(',').then_some(end + blank)
    }
}
