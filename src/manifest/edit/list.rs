//! Lists, item by item.

use serde_json::Value;
use similar::{Algorithm, DiffOp, capture_diff_slices};

use super::super::yaml::Tree;
use super::Refusal;
use super::document::Editor;
use super::flow::Item;
use super::splice::Splices;

/// What became of the items of a list.
struct Pairs {
    /// For each item that was: which one it is now.
    kept: Vec<Option<usize>>,
    /// New items: behind which old one, and which one it is now.
    added: Vec<(Option<usize>, usize)>,
}

impl Editor<'_> {
    /// A list that is not empty and will not be.
    pub fn list(&self, node: &Tree, was: &[Value], now: &[Value], out: &mut Splices) -> Result<(), Refusal> {
        let Pairs { kept, added } = pairs(was, now);
        if kept.iter().all(Option::is_none) {
            return self.replace(node, &Value::Array(was.to_vec()), &Value::Array(now.to_vec()), out);
        }
        for ((child, old), new) in node.children.iter().zip(was).zip(&kept) {
            match new.and_then(|index| now.get(index)) {
                Some(new) => self.change(child, old, new, out)?,
                None => self.must_not_hold_shared(child)?,
            }
        }
        let is_kept: Vec<bool> = kept.iter().map(Option::is_some).collect();
        if added.is_empty() && !is_kept.contains(&false) {
            return Ok(());
        }
        let added: Vec<(Option<usize>, String)> =
            added.into_iter().map(|(after, index)| (after, self.notation.inline(&now[index]))).collect();
        let items: Vec<Item> = node.children.iter().map(|child| self.item(child)).collect();
        if self.is_flow(node) {
            return self.brackets(&items, &is_kept, &added, out);
        }
        for (item, _) in items.iter().zip(&is_kept).filter(|(_, kept)| !**kept) {
            let dash = self.dash(*item)?;
            if !self.lines.is_done(item.end) {
                return Err(Refusal::new(item.end, "this line holds more than the item; change it by hand"));
            }
            out.remove(self.lines.whole(dash, item.end));
        }
        for (after, text) in added {
            let newline = self.lines.newline;
            match after.and_then(|index| items.get(index)) {
                Some(before) => {
                    let column = self.lines.column(self.dash(*before)?);
                    let text = format!("{newline}{:column$}- {text}", "");
                    out.insert(self.lines.end(before.end), text);
                }
                None => {
                    let first = is_kept.iter().position(|kept| *kept).unwrap_or_default();
                    let dash = self.dash(items[first])?;
                    let column = self.lines.column(dash);
                    out.insert(self.lines.start(dash), format!("{:column$}- {text}{newline}", ""));
                }
            }
        }
        Ok(())
    }

    /// The dash of an item, which must be the first in its line. Comments may stand between them.
    fn dash(&self, item: Item) -> Result<usize, Refusal> {
        let own_line = self.lines.start(item.start);
        let mut end = item.start;
        loop {
            let before = self.text[..end].trim_end_matches([' ', '\t', '\n', '\r']).len();
            let start = self.lines.start(before);
            let mut line = &self.text[start..before];
            if start < own_line {
                if line.trim_start().starts_with('#') {
                    end = start;
                    continue;
                }
                line = line.split(" #").next().unwrap_or_default().trim_end();
            }
            let dash = (start + line.len()).saturating_sub(1);
            if line.ends_with('-') && self.lines.begins(dash) {
                return Ok(dash);
            }
            let why = "this item shares its line with something else; change it by hand";
            return Err(Refusal::new(item.start, why));
        }
    }
}

/// Which item is which: by what it calls itself, or else by what it says.
fn pairs(was: &[Value], now: &[Value]) -> Pairs {
    let name = |item: &Value| match item.get("tenantId").or_else(|| item.get("name")) {
        Some(Value::String(name)) => format!("={name}"),
        Some(Value::Number(name)) => format!("={name}"),
        _ => item.to_string(),
    };
    let (old, new): (Vec<String>, Vec<String>) =
        (was.iter().map(name).collect(), now.iter().map(name).collect());
    let ops = capture_diff_slices(Algorithm::Myers, &old, &new);
    let equal: usize = ops.iter().map(|op| if let DiffOp::Equal { len, .. } = op { *len } else { 0 }).sum();
    let moved = old.iter().zip(&new).filter(|(old, new)| old != new).count();
    if old.len() == new.len() && moved + equal <= old.len() {
        // Each item in its place is the shorter change.
        return Pairs { kept: (0..old.len()).map(Some).collect(), added: Vec::new() };
    }
    let mut kept = vec![None; was.len()];
    let mut added = Vec::new();
    for op in ops {
        let (old, new) = (op.old_range(), op.new_range());
        let common = if matches!(op, DiffOp::Delete { .. } | DiffOp::Insert { .. }) {
            0
        } else {
            old.len().min(new.len())
        };
        for index in 0..common {
            kept[old.start + index] = Some(new.start + index);
        }
        for index in new.start + common..new.end {
            added.push((old.start + common, index));
        }
    }
    // Behind the nearest item that stays.
    let behind = |at: usize| kept[..at.min(kept.len())].iter().rposition(Option::is_some);
    let added = added.into_iter().map(|(at, index)| (behind(at), index)).collect();
    Pairs { kept, added }
}
