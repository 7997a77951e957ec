//! Cells and rows of tables.

use super::super::table::{RowEdits, Table, edit_table};

fn row(text: &str, begins: &str, cells: &[(&str, &str)]) -> RowEdits {
    let cells = cells.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    RowEdits { start: text.find(begins).unwrap(), cells, is_removed: false }
}

fn without(text: &str, begins: &str) -> RowEdits {
    RowEdits { is_removed: true, ..row(text, begins, &[]) }
}

#[track_caller]
fn check(text: &str, rows: &[RowEdits], expected: &str) {
    let found = edit_table(text, rows).unwrap_or_else(|refusal| panic!("{refusal}\n{text}"));
    assert_eq!(found, expected);
}

const TABLE: &str =
    "\u{feff}tenantId, name ,region\r\nA,\"One, Ltd\",AU-SE1\r\n\r\nB,\"Two\r\nlines\",\r\nC, Three ,NZ-NR1";

#[test]
fn a_cell_is_changed_in_place() {
    check(TABLE, &[row(TABLE, "A,", &[("name", "x")])], &TABLE.replace("\"One, Ltd\"", "\"x\""));
    check(TABLE, &[row(TABLE, "B,", &[("region", "US-EA1")])], &TABLE.replace("lines\",", "lines\",US-EA1"));
    check(TABLE, &[row(TABLE, "C,", &[("name", "a \"b\"")])], &TABLE.replace(" Three ", "\"a \"\"b\"\"\""));
    check(TABLE, &[row(TABLE, "C,", &[("region", "")])], &TABLE.replace("NZ-NR1", ""));
    let cell = |begins: &str, name: &str| Table::read(TABLE).cell(TABLE, TABLE.find(begins).unwrap(), name);
    assert_eq!((cell("A,", "name").as_str(), cell("C,", "name").as_str()), ("One, Ltd", "Three"));
    assert_eq!((cell("B,", "name").as_str(), cell("B,", "status").as_str()), ("Two\r\nlines", ""));
}

#[test]
fn a_column_is_added_where_it_is_missing() {
    check(
        TABLE,
        &[row(TABLE, "B,", &[("status", "inactive"), ("industry", "")])],
        "\u{feff}tenantId, name ,region,status\r\nA,\"One, Ltd\",AU-SE1,\r\n\r\nB,\"Two\r\nlines\",,inactive\r\nC, Three ,NZ-NR1,",
    );
}

#[test]
fn a_row_goes_with_its_lines() {
    check(TABLE, &[without(TABLE, "A,")], &TABLE.replace("A,\"One, Ltd\",AU-SE1\r\n", ""));
    check(TABLE, &[without(TABLE, "B,")], &TABLE.replace("B,\"Two\r\nlines\",\r\n", ""));
    check(TABLE, &[without(TABLE, "C,")], &TABLE.replace("\r\nC, Three ,NZ-NR1", ""));
    let all = [without(TABLE, "A,"), without(TABLE, "B,"), without(TABLE, "C,")];
    assert!(edit_table(TABLE, &all).unwrap_err().why.contains("no row would be left"));
}

#[test]
fn what_a_cell_cannot_hold_is_refused() {
    let refused = edit_table(TABLE, &[row(TABLE, "A,", &[("name", "x ")])]).unwrap_err();
    assert!(refused.why.contains("cannot hold this"), "{refused}");
}

#[test]
fn a_cell_that_a_spreadsheet_would_run_gets_an_apostrophe() {
    let change = |cells: &[(&str, &str)]| [row(TABLE, "C,", cells)];
    for text in ["=1+1", "+61 2", "-5", "@x", "'=x", " x"] {
        let expected = TABLE.replace(" Three ", &format!("\"'{text}\""));
        check(TABLE, &change(&[("name", text)]), &expected);
        // It is read without it, and so is no change.
        let start = expected.find("C,").unwrap();
        assert_eq!(Table::read(&expected).cell(&expected, start, "name"), text);
        check(&expected, &[row(&expected, "C,", &[("name", text)])], &expected);
    }
    let added = edit_table(TABLE, &change(&[("phone", "+61 2")])).unwrap();
    assert!(added.ends_with("C, Three ,NZ-NR1,\"'+61 2\""), "{added}");
}
