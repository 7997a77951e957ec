//! The cache of a large project: never wrong, whatever happened to it, to the files or to the rows.

use std::fs;
use std::path::PathBuf;

use crate::support::database::TestDatabase;
use crate::support::project::{Project, project_yaml, workspace_yaml};

/// Enough to be worth a cache.
const TENANTS: usize = 520;

struct Large {
    project: Project,
    database: TestDatabase,
}

impl Large {
    fn new(hint: &str) -> Large {
        let project = Project::empty();
        project.write("synthex.yaml", project_yaml("test").replace("spec: {}", "spec: {workspace: w}"));
        project.write("manifests/w.yaml", workspace_yaml("w"));
        project.write(
            "manifests/set.yaml",
            "apiVersion: synthex.dev/v1\nkind: TenantSet\nmetadata: {name: all}\nspec:\n  from: {csv: all.csv}\n",
        );
        let large = Large { project, database: TestDatabase::new(hint) };
        large.rows("Shop");
        large
    }

    /// All rows, the last one with this name.
    fn rows(&self, last: &str) {
        let mut text = "tenantId,name,type,shopifyShop\n".to_owned();
        for number in 0..TENANTS {
            let name = if number + 1 == TENANTS { last } else { "Shop" };
            text.push_str(&format!("T{number:04},{name},shopify,t{number:04}.myshopify.com\n"));
        }
        self.project.write("manifests/all.csv", text);
    }

    #[track_caller]
    fn plan(&self, code: i32) -> String {
        let args = ["plan", "--detailed-exitcode"];
        self.project.synthex(args).database(&self.database).run().code(code).nowhere("panicked").stdout
    }

    #[track_caller]
    fn apply(&self) {
        self.project.synthex(["apply", "--yes"]).database(&self.database).run().ok();
    }

    fn cache(&self) -> PathBuf {
        let folder = fs::read_dir(self.project.path().join(".synthex/cache")).expect("a cache");
        let mut files: Vec<PathBuf> = folder.flatten().map(|entry| entry.path()).collect();
        assert_eq!(files.len(), 1, "{files:?}");
        files.remove(0)
    }
}

#[test]
fn what_changed_is_noticed_in_files_and_rows() {
    let large = Large::new("cache_changes");
    large.apply();
    let first = large.plan(0);
    assert!(fs::metadata(large.cache()).is_ok_and(|cache| cache.len() > 10_000));
    assert_eq!(large.plan(0), first, "the same from the cache");

    large.rows("Renamed");
    let plan = large.plan(2);
    assert!(plan.contains("tenant/w/T0519") && plan.contains("1 to update"), "{plan}");
    large.rows("Shop");
    assert_eq!(large.plan(0), first);

    large.database.sql("update synthex.tenants set industry = 'Toys' where name = 'T0007'");
    let plan = large.plan(2);
    assert!(plan.contains("drift") && plan.contains("manifests/all.csv:9:1"), "{plan}");
    large.database.sql("update synthex.tenants set industry = null where name = 'T0007'");
    large.apply();

    large.database.sql("delete from synthex.tenants where name = 'T0008'");
    assert!(large.plan(2).contains("1 to create"));
    large.apply();
    large.project.write("synthex.yaml", project_yaml("other").replace("spec: {}", "spec: {workspace: w}"));
    let args = ["plan", "--detailed-exitcode"];
    let outcome = large.project.synthex(args).database(&large.database).run().code(5);
    outcome.stdout_has("belongs to project `test`");
}

#[test]
fn a_cache_that_is_gone_or_broken_changes_nothing() {
    let large = Large::new("cache_broken");
    large.apply();
    let first = large.plan(0);
    let good = fs::read(large.cache()).expect("a cache");
    let mut flipped = good.clone();
    for index in (0..flipped.len()).step_by(97) {
        flipped[index] ^= 0x55;
    }
    let broken: [&[u8]; 6] = [
        b"",
        b"\0",
        &good[..good.len() / 2],
        &good[..good.len() - 1],
        &flipped,
        &[&good[..], &good[..]].concat(),
    ];
    for bytes in broken {
        fs::write(large.cache(), bytes).expect("it can be written");
        assert_eq!(large.plan(0), first, "{} bytes", bytes.len());
        fs::write(large.cache(), bytes).expect("it can be written");
        large.rows("Renamed");
        assert!(large.plan(2).contains("tenant/w/T0519"));
        large.rows("Shop");
    }
    fs::remove_dir_all(large.project.path().join(".synthex")).expect("it is there");
    assert_eq!(large.plan(0), first);
    // Where it cannot be written there is none, and no word about it.
    fs::remove_dir_all(large.project.path().join(".synthex")).expect("it is there again");
    large.project.write(".synthex", "a file");
    assert_eq!(large.plan(0), first);
}
