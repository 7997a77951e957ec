//! A database that an earlier version installed.

use crate::support::estate::Estate;

/// The migrations of the version before this one's, as it would have left them.
const EARLIER: [(i64, &str); 2] = [
    (1, include_str!("../../migrations/0001_declared_state.sql")),
    (2, include_str!("../../migrations/0002_review_and_history.sql")),
];

fn earlier(hint: &str) -> Estate {
    let estate = Estate::new(hint);
    estate.database.sql(
        "create schema synthex; create table synthex.schema_migrations (version bigint primary key, description text \
         not null, checksum bytea not null, installed_at timestamptz not null default now(), installed_by text not \
         null default current_user); alter table synthex.schema_migrations enable row level security",
    );
    for (version, sql) in EARLIER {
        estate.database.sql(sql);
        estate.database.sql(&format!(
            "insert into synthex.schema_migrations (version, description, checksum) values ({version}, 'x', '')"
        ));
    }
    estate
}

#[test]
fn an_apply_upgrades_first_and_whatever_only_looks_says_what_to_run() {
    let estate = earlier("upgrade_apply");
    estate.database.sql(
        "insert into synthex.workspaces (name, market, region) values ('w', 'ANZ_SMB', 'AU-SE1'); \
         insert into synthex.tenants (workspace, name, display_name, type, market, region) \
         values ('w', 'T1', 'T1', 'shopify', 'ANZ_SMB', 'AU-SE1'); \
         insert into synthex.credentials (workspace, name, tenant, service, secret_ref) \
         values ('w', 'c1', 'T1', 'shopify', '{\"env\": \"C1\"}')",
    );
    for args in [&["plan"][..], &["apply", "--dry-run"], &["tenant", "credentials", "list"]] {
        estate.run(args).code(8).stderr_has("synthex db migrate").nowhere("panicked");
    }
    assert_eq!(estate.database.query_one_i64("select max(version) from synthex.schema_migrations"), 2);
    let applied = estate.run(&["apply", "--yes"]).ok();
    let newest = estate.database.query_one_i64("select max(version) from synthex.schema_migrations");
    applied.stderr_has(&format!("Installed {} migrations of the schema.", newest - 2));
    estate.is_converged();
}

#[test]
fn what_was_applied_before_an_upgrade_is_as_declared_after_it() {
    let estate = earlier("upgrade_digest");
    estate.run(&["db", "migrate"]).ok();
    estate.run(&["apply", "--yes"]).ok();
    estate.is_converged();
}
