//! The tables as PostgreSQL itself describes them after the migrations have run: a diagram, and every column.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::support::database::TestDatabase;
use crate::support::project::Project;

use super::{cell, check};

const TABLES: &str = "select c.relname::text, obj_description(c.oid) from pg_class as c
    where c.relnamespace = 'synthex'::regnamespace and c.relkind in ('r', 'p') and not c.relispartition order by 1";

const COLUMNS: &str = "select c.relname::text, a.attname::text, format_type(a.atttypid, a.atttypmod), a.attnotnull::text,
        col_description(c.oid, a.attnum),
        exists (select from pg_constraint as k where k.conrelid = c.oid and k.contype = 'p' and a.attnum = any (k.conkey))::text
    from pg_class as c join pg_attribute as a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
    where c.relnamespace = 'synthex'::regnamespace and c.relkind in ('r', 'p') and not c.relispartition order by 1, a.attnum";

const FOREIGN_KEYS: &str = "select k.conrelid::regclass::text, k.confrelid::regclass::text,
        (select string_agg(a.attname, ', ' order by p.at) from unnest(k.conkey) with ordinality as p (num, at)
         join pg_attribute as a on a.attrelid = k.conrelid and a.attnum = p.num)
    from pg_constraint as k where k.connamespace = 'synthex'::regnamespace and k.contype = 'f' order by 1, 2, 3";

struct Column {
    name: String,
    sql_type: String,
    required: bool,
    about: String,
    is_key: bool,
}

#[test]
fn generated_tables() {
    let database = TestDatabase::new("er");
    Project::new().synthex(["db", "migrate"]).database(&database).run().ok();
    let text = |value: &Option<String>| value.clone().unwrap_or_default();
    let mut columns: BTreeMap<String, Vec<Column>> = BTreeMap::new();
    for row in database.query_strings(COLUMNS) {
        columns.entry(text(&row[0])).or_default().push(Column {
            name: text(&row[1]),
            sql_type: text(&row[2]).replace("timestamp with time zone", "timestamptz"),
            required: text(&row[3]) == "true",
            about: text(&row[4]),
            is_key: text(&row[5]) == "true",
        });
    }
    let tables: Vec<(String, String)> =
        database.query_strings(TABLES).iter().map(|row| (text(&row[0]), text(&row[1]))).collect();
    assert!(tables.len() > 8, "only {} tables: was the schema installed?", tables.len());
    let common = bookkeeping(&columns);
    assert!(common.contains(&"digest"), "{common:?}");

    let mut page = format!(
        "# Tables\n\nThe schema `synthex` as the migrations leave it. [State](../state.md) says how the tables work together.\n\n\
         The diagram leaves out the bookkeeping that every declared table has: {}.\n\n```mermaid\nerDiagram\n",
        common.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
    );
    for row in database.query_strings(FOREIGN_KEYS) {
        let plain = |value: &Option<String>| text(value).replace("synthex.", "");
        let _ = writeln!(page, "    {} ||--o{{ {} : \"{}\"", plain(&row[1]), plain(&row[0]), text(&row[2]));
    }
    for (table, of_table) in &columns {
        let declared = of_table.iter().any(|column| column.name == "digest");
        let _ = writeln!(page, "    {table} {{");
        for column in of_table.iter().filter(|column| !declared || !common.contains(&column.name.as_str())) {
            let key = if column.is_key { " PK" } else { "" };
            let _ = writeln!(page, "        {} {}{key}", column.sql_type.replace(' ', "_"), column.name);
        }
        page.push_str("    }\n");
    }
    page.push_str("```\n");
    for (table, about) in &tables {
        let _ = write!(page, "\n## {table}\n\n{about}\n\n| column | type | |\n| --- | --- | --- |\n");
        for column in &columns[table] {
            let null = if column.required { "" } else { ", may be null" };
            let key = if column.is_key { " (key)" } else { "" };
            let _ = writeln!(
                page,
                "| `{}`{key} | {}{null} | {} |",
                column.name,
                column.sql_type,
                cell(&column.about)
            );
        }
    }
    check("er.md", &page);
}

/// The columns, besides keys, that every table with a digest has.
fn bookkeeping(columns: &BTreeMap<String, Vec<Column>>) -> Vec<&str> {
    let declared: Vec<_> =
        columns.values().filter(|all| all.iter().any(|column| column.name == "digest")).collect();
    let Some(first) = declared.first() else { return Vec::new() };
    let names = first.iter().filter(|column| !column.is_key).map(|column| column.name.as_str());
    names
        .filter(|name| {
            declared.iter().all(|all| all.iter().any(|column| column.name == *name && !column.is_key))
        })
        .collect()
}
