//! Maps, entry by entry.

use serde_json::{Map, Value};

use super::super::yaml::Tree;
use super::Refusal;
use super::document::Editor;
use super::flow::Item;
use super::scalar;
use super::splice::Splices;

impl Editor<'_> {
    /// A map that is not empty and will not be.
    pub fn map(
        &self,
        node: &Tree,
        was: &Map<String, Value>,
        now: &Map<String, Value>,
        out: &mut Splices,
    ) -> Result<(), Refusal> {
        let is_kept: Vec<bool> = was.keys().map(|key| now.contains_key(key)).collect();
        let added: Vec<(&String, &Value)> = now.iter().filter(|(key, _)| !was.contains_key(*key)).collect();
        if !is_kept.contains(&true) {
            return self.replace(node, &Value::Object(was.clone()), &Value::Object(now.clone()), out);
        }
        for (child, (key, old)) in node.children.iter().zip(was) {
            match now.get(key) {
                Some(new) => self.change(child, old, new, out)?,
                None => self.must_not_hold_shared(child)?,
            }
        }
        if added.is_empty() && !is_kept.contains(&false) {
            return Ok(());
        }
        if self.is_flow(node) {
            let items: Vec<Item> = node.children.iter().map(|child| self.item(child)).collect();
            let last = is_kept.iter().rposition(|kept| *kept);
            let added = added.into_iter().map(|(key, value)| {
                (last, format!("{}: {}", self.notation.key(key), self.notation.inline(value)))
            });
            return self.brackets(&items, &is_kept, &added.collect::<Vec<_>>(), out);
        }
        self.take_out(node, &is_kept, out)?;
        let last = node.children.iter().zip(&is_kept).rfind(|(_, kept)| **kept);
        let (Some((last, _)), Some(first)) = (last, node.children.first()) else { return Ok(()) };
        let column = first.key.map_or(0, |key| self.lines.column(key.start as usize));
        let mut text = String::new();
        for (key, value) in added {
            text.push_str(&self.entry(key, value, column, self.unit_in(node)));
        }
        if !text.is_empty() {
            let end = self.end_of(last);
            if !self.lines.is_done(end) {
                return Err(Refusal::new(end, "there is no room for another field in this line"));
            }
            out.insert(self.lines.end(end), text);
        }
        Ok(())
    }

    /// An entry of a block map, led by a line break.
    fn entry(&self, key: &str, value: &Value, column: usize, unit: usize) -> String {
        let newline = self.lines.newline;
        let key = self.notation.key(key);
        let head = format!("{newline}{:column$}{key}:", "");
        match value {
            Value::Object(map) if !map.is_empty() => {
                head + &scalar::block(value, column + unit, unit, newline)
            }
            other => format!("{head} {}", self.notation.inline(other)),
        }
    }

    /// Takes entries out of a block map, with their lines. Comments above them stay.
    fn take_out(&self, node: &Tree, is_kept: &[bool], out: &mut Splices) -> Result<(), Refusal> {
        let cramped = |at: usize| Refusal::new(at, "this line holds more than the field; change it by hand");
        let mut children = node.children.iter().zip(is_kept).peekable();
        // The first entries of a list's item share the line of its dash.
        if let Some((first, false)) = children.peek().copied()
            && let Some(key) = first.key
            && !self.lines.begins(key.start as usize)
        {
            let start = key.start as usize;
            let before = &self.text[self.lines.start(start)..start];
            if !before.bytes().all(|byte| matches!(byte, b' ' | b'-')) {
                return Err(cramped(start));
            }
            let mut end = start;
            while let Some((child, _)) = children.next_if(|(_, kept)| !**kept) {
                end = self.end_of(child);
            }
            let next = children.peek().and_then(|(child, _)| child.key).map_or(end, |key| key.start as usize);
            let has_comments = self.text[self.lines.end(end).min(next)..next].contains('#');
            out.remove(start..if has_comments { self.lines.end(end) } else { next });
        }
        for (child, _) in children.filter(|(_, kept)| !**kept) {
            let (Some(key), end) = (child.key, self.end_of(child)) else { continue };
            let start = key.start as usize;
            if !self.lines.begins(start) || !self.lines.is_done(end) {
                return Err(cramped(start));
            }
            out.remove(self.lines.whole(start, end));
        }
        Ok(())
    }
}
