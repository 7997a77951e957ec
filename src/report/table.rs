//! Tables for lists: no lines around the cells, columns two spaces apart, never wider than the terminal.

use comfy_table::{ColumnConstraint, ContentArrangement, Table, Width, presets};

use super::Style;
use super::clean::{clean, width};
use super::paint::{Paint, paint};

/// Narrower tables could not be read; a terminal that claims to be breaks the lines.
const NARROWEST: usize = 24;

/// What a column gets, with the space behind it, before words of others are kept whole.
const SQUEEZED: usize = 7;

/// The rows under their headers, each line ended by a line break. Long cells are broken over several lines so that the
/// table fits [`Style::width`]. Without rows, only the headers.
#[must_use]
pub fn table(headers: &[&str], rows: Vec<Vec<String>>, style: &Style) -> String {
    if !has_room(headers, &rows, style) {
        return records(headers, &rows, style);
    }
    let words = longest_words(headers, &rows);
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_content_arrangement(ContentArrangement::Dynamic);
    table.set_width(u16::try_from(style.width.max(NARROWEST)).unwrap_or(u16::MAX));
    table.set_header(headers.iter().map(|header| clean(header).to_uppercase()));
    for row in rows {
        table.add_row(row.iter().map(|cell| clean(cell)));
    }
    // Words stay whole where there is room, those of the first columns before others: there the names are.
    let squeezed = |word: usize| (word + 2).min(SQUEEZED);
    let taken: usize = words.iter().map(|word| squeezed(*word)).sum();
    let mut spare = (style.width + 2).saturating_sub(taken);
    for (column, word) in table.column_iter_mut().zip(words) {
        column.set_padding((0, 2));
        let more = word + 2 - squeezed(word);
        if more <= spare {
            spare -= more;
            let least = u16::try_from(word + 2).unwrap_or(u16::MAX);
            column.set_constraint(ColumnConstraint::LowerBoundary(Width::Fixed(least)));
        }
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

/// [`table`], without columns that can be spared where the lines would be too long: the first that is named goes first.
#[must_use]
pub fn fitting(headers: &[&str], rows: Vec<Vec<String>>, spare: &[usize], style: &Style) -> String {
    let widest = |index: usize| {
        let cells = rows.iter().filter_map(|row| row.get(index)).map(|cell| width(&clean(cell)));
        cells.max().unwrap_or_default().max(headers.get(index).map_or(0, |header| width(header)))
    };
    let mut kept: Vec<usize> = (0..headers.len()).collect();
    for column in spare {
        if kept.iter().map(|index| widest(*index) + 2).sum::<usize>() <= style.width + 2 {
            break;
        }
        kept.retain(|index| index != column);
    }
    let words = longest_words(headers, &rows);
    if kept.iter().filter_map(|index| words.get(*index)).map(|word| word + 2).sum::<usize>() > style.width + 2
    {
        // What is left would be broken into pieces: then nothing is gained by leaving anything out.
        return table(headers, rows, style);
    }
    let headers: Vec<&str> = kept.iter().filter_map(|index| headers.get(*index).copied()).collect();
    let pick = |row: &Vec<String>| kept.iter().filter_map(|index| row.get(*index).cloned()).collect();
    table(&headers, rows.iter().map(pick).collect(), style)
}

/// Whether columns squeezed into the width still hold whole words.
fn has_room(headers: &[&str], rows: &[Vec<String>], style: &Style) -> bool {
    const READABLE: usize = 8;
    let widest = |index: usize| rows.iter().filter_map(|row| row.get(index)).map(|cell| width(cell)).max();
    let columns = headers
        .iter()
        .enumerate()
        .map(|(index, header)| widest(index).unwrap_or_default().max(width(header)).min(READABLE) + 2);
    rows.is_empty() || columns.sum::<usize>() <= style.width.max(NARROWEST) + 2
}

/// Where columns would be too narrow to be read: a line for each cell, an empty line after each row.
fn records(headers: &[&str], rows: &[Vec<String>], style: &Style) -> String {
    let widest = headers.iter().map(|header| width(header)).max().unwrap_or_default();
    let mut text = String::new();
    for (index, row) in rows.iter().enumerate() {
        if index > 0 {
            text.push('\n');
        }
        for (header, cell) in headers.iter().zip(row) {
            let label = format!("{:<widest$}", clean(header).to_uppercase());
            text.push_str(&paint(&label, Paint::Strong, style));
            let room = style.width.max(NARROWEST).saturating_sub(widest + 2);
            for (number, line) in broken(&clean(cell), room).iter().enumerate() {
                let indent = if number == 0 { 2 } else { widest + 2 };
                text.push_str(format!("{:indent$}{line}", "").trim_end());
                text.push('\n');
            }
        }
    }
    text
}

/// A text as lines of at most so many columns, broken at spaces where there are any.
fn broken(text: &str, room: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split_inclusive(' ') {
        let last = lines.last().map_or(0, |line| width(line));
        if last > 0 && last + width(word.trim_end()) > room {
            lines.push(String::new());
        }
        for character in word.chars() {
            let last = lines.last().map_or(0, |line| width(line));
            if character != ' ' && last > 0 && last + width(character.encode_utf8(&mut [0; 4])) > room {
                lines.push(String::new());
            }
            if let Some(line) = lines.last_mut() {
                line.push(character);
            }
        }
    }
    lines
}

/// How many columns the longest word of each column takes.
fn longest_words(headers: &[&str], rows: &[Vec<String>]) -> Vec<usize> {
    let longest = |text: &str| clean(text).split(' ').map(width).max().unwrap_or_default();
    let column = |(index, header): (usize, &&str)| {
        let cells = rows.iter().filter_map(|row| row.get(index)).map(|cell| longest(cell));
        cells.max().unwrap_or_default().max(longest(header))
    };
    headers.iter().enumerate().map(column).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows() -> Vec<Vec<String>> {
        let row = |cells: [&str; 3]| cells.map(str::to_owned).to_vec();
        vec![row(["acme", "ANZ_SMB", "Acme Corp"]), row(["b", "UK_SMB", "\u{1b}[31mB\u{1b}[0m\nand Sons"])]
    }

    #[test]
    fn columns_are_two_spaces_apart_and_nothing_is_drawn_around_them() {
        assert_eq!(
            table(&["name", "market", "shown as"], rows(), &Style::plain()),
            "NAME  MARKET   SHOWN AS\n\
             acme  ANZ_SMB  Acme Corp\n\
             b     UK_SMB   \\u{1b}[31mB\\u{1b}[0m\\nand Sons\n"
        );
    }

    #[test]
    fn it_fits_the_terminal() {
        let style = Style { width: 40, ..Style::plain() };
        let row = |word: &str| vec!["acme".to_owned(), word.repeat(20)];
        let text = table(&["name", "note"], vec![row("some words "), row("x"), row("株式会社")], &style);
        assert!(text.lines().all(|line| crate::report::clean::width(line) <= 40), "{text}");
        assert_eq!(text.matches("some").count(), 20);
    }

    #[test]
    fn columns_that_can_be_spared_go_one_by_one_until_the_rest_fits() {
        let headers = ["name", "market", "shown as"];
        let at = |width: usize| fitting(&headers, rows(), &[1, 2], &Style { width, ..Style::plain() });
        assert!(at(100).starts_with("NAME  MARKET   SHOWN AS\n"));
        assert!(at(36).starts_with("NAME  SHOWN AS\n"), "{}", at(36));
        assert!(at(24).starts_with("NAME\n"), "{}", at(24));
    }

    #[test]
    fn where_columns_would_be_too_narrow_each_cell_has_a_line() {
        let headers = ["tenant", "workspace", "name", "market", "status"];
        let row = |name: &str| headers.map(|header| format!("{header} of {name}")).to_vec();
        let text = table(&headers, vec![row("a"), row("b")], &Style { width: 40, ..Style::plain() });
        assert!(
            text.starts_with("TENANT     tenant of a\nWORKSPACE  workspace of a\n")
                && text.contains("\n\nTENANT     tenant of b\n"),
            "{text}"
        );
        assert!(table(&headers, vec![row("a")], &Style::plain()).starts_with("TENANT       WORKSPACE"));
    }

    #[test]
    fn without_rows_there_are_headers_and_short_rows_are_no_problem() {
        assert_eq!(table(&["a", "b"], vec![], &Style::plain()), "A  B\n");
        assert_eq!(table(&["a", "b"], vec![vec!["1".to_owned()]], &Style::plain()), "A  B\n1\n");
        let tiny = Style { width: 0, ..Style::plain() };
        assert!(table(&["a", "b"], rows(), &tiny).contains("ac"));
    }
}
