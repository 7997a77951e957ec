//! Through a real pgbouncer in transaction mode: no statement may rely on the session that ran the one before it.

use crate::support::cli::Outcome;
use crate::support::database::TestDatabase;
use crate::support::estate::{Estate, SIZE};
use crate::support::pgbouncer::PgBouncer;
use crate::support::project::{Project, project_yaml, tenant_yaml, workspace_yaml};

/// A project of its own workspace with some tenants.
fn small(name: &str) -> Project {
    let project = Project::empty();
    project.write("synthex.yaml", project_yaml(name).replace("{}", &format!("{{workspace: {name}}}")));
    project.write("manifests/w.yaml", workspace_yaml(name));
    for number in 0..20 {
        let tenant = format!("T{number}");
        project.write(&format!("manifests/{tenant}.yaml"), tenant_yaml(&tenant, name));
    }
    project
}

#[test]
fn everything_works_behind_a_transaction_pooler() {
    for pool_size in [1, 4] {
        let estate = Estate::new("pooler_all");
        let pooler = PgBouncer::with_pool_size(&estate.database, pool_size);
        let run = |args: &[&str]| {
            let outcome = estate.synthex_at(&pooler.url(&estate.database), args).run();
            assert!(outcome.code == 0, "pool of {pool_size}: {outcome}\n{}", pooler.log());
            outcome
        };
        run(&["db", "status"]);
        run(&["plan"]).stdout_has("Plan: 14 to create");
        run(&["apply", "--yes"]).stdout_has("Applied as revision 1.");
        run(&["apply", "--yes"]).stdout_has("No changes.");
        run(&["tenant", "tenants", "list"]).stdout_has("T2");
        run(&["db", "status"]).stdout_has("synthex");
        estate.database.sql("update synthex.tenants set region = 'NZ-NR1' where name = 'T1'");
        estate.project.remove("manifests/T3.yaml");
        run(&["apply", "--yes", "--prune"]).stdout_has("0 to create, 1 to update, 1 to delete");
        run(&["plan", "--prune"]).stdout_has("No changes.");
        assert_eq!(estate.declared().len(), SIZE - 1);
        assert_eq!(estate.leases_held(), 0);
        // What synthex sets for its transaction must not stay behind in the pooled session: then another client's writes
        // would pass for synthex's own.
        let url = pooler.url(&estate.database);
        let plain = crate::support::database::execute(
            &url,
            "update synthex.tenants set region = 'NZ-NR1' where name = 'T2'",
        );
        plain.expect("an update");
        let touched = "select count(*) from synthex.tenants where touched_by is not null";
        assert_eq!(estate.database.query_one_i64(touched), 1);
    }
}

#[test]
fn two_clients_at_once_share_a_pool() {
    for pool_size in [1, 4] {
        let database = TestDatabase::new("pooler_two");
        let pooler = PgBouncer::with_pool_size(&database, pool_size);
        let projects = [small("one"), small("two")];
        for round in 0..3 {
            let runs = projects.each_ref().map(|project| {
                let file = format!("manifests/N{round}.yaml");
                let workspace = if std::ptr::eq(project, &raw const projects[0]) { "one" } else { "two" };
                project.write(&file, tenant_yaml(&format!("N{round}"), workspace));
                project.synthex(["apply", "--yes"]).env("SYNTHEX_DATABASE_URL", pooler.url(&database)).spawn()
            });
            for run in runs {
                let outcome: Outcome = run.wait();
                assert!(outcome.code == 0, "pool of {pool_size}: {outcome}\n{}", pooler.log());
            }
        }
        assert_eq!(database.query_one_i64("select count(*) from synthex.tenants"), 2 * 23);
        assert_eq!(database.query_one_i64("select count(*) from synthex.batch_operations"), 6);
        for project in &projects {
            project.synthex(["plan", "--detailed-exitcode"]).database(&database).run().ok();
        }
    }
}
