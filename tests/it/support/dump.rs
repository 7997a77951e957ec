//! What `pg_dump` makes of the declared tables: the bytes that somebody would restore.

use std::process::Command;

use super::database::TestDatabase;
use super::estate::DECLARED;

/// `pg_dump --data-only` of the declared tables, without the lines that are others in every run.
#[track_caller]
pub fn dump(database: &TestDatabase) -> String {
    let tables = DECLARED.iter().flat_map(|table| ["--table".to_owned(), format!("synthex.{table}")]);
    let output = Command::new("pg_dump")
        .args(["--data-only", "--dbname", &database.url()])
        .args(tables)
        .output()
        .expect("pg_dump can be run; it comes with PostgreSQL's client programs");
    assert!(output.status.success(), "pg_dump failed: {}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).expect("text");
    // A token that keeps a dump from being tampered with is another one in each.
    let lines =
        text.lines().filter(|line| !line.starts_with("\\restrict") && !line.starts_with("\\unrestrict"));
    lines.map(|line| format!("{line}\n")).collect()
}
