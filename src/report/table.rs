//! Tables for lists: no lines around the cells, columns two spaces apart, never wider than the terminal.

use comfy_table::{ContentArrangement, Table, presets};

use super::Style;
use super::clean::clean;
use super::paint::{Paint, paint};

/// The rows under their headers, each line ended by a line break. Long cells are broken over several lines so that the
/// table fits [`Style::width`]. Without rows, only the headers.
#[must_use]
pub fn table(headers: &[&str], rows: Vec<Vec<String>>, style: &Style) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_content_arrangement(ContentArrangement::Dynamic);
    table.set_width(u16::try_from(style.width).unwrap_or(u16::MAX));
    table.set_header(headers.iter().map(|header| clean(header).to_uppercase()));
    for row in rows {
        table.add_row(row.iter().map(|cell| clean(cell)));
    }
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    let mut text = String::new();
    for (index, line) in table.lines().enumerate() {
        let line = line.trim_end();
        if index == 0 {
            text.push_str(&paint(line, Paint::Strong, style));
        } else {
            text.push_str(line);
        }
        text.push('\n');
    }
    text
}
