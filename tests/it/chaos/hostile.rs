//! A manifest from a fork cannot make `plan` read the environment, a file outside the project, or run anything.

use std::os::unix::fs::symlink;

use tempfile::TempDir;

use super::rig::{account, is_full};
use crate::support::cli::Outcome;
use crate::support::estate::Estate;

const SENTINEL: &str = "sentinel-4b71-of-the-environment";
const OUTSIDE: &str = "sentinel-9c02-of-a-file-outside";

/// An applied estate, a snapshot of it, and a folder outside of it with what nobody may learn.
struct Bait {
    estate: Estate,
    outside: TempDir,
}

impl Bait {
    fn new(hint: &str) -> Bait {
        let estate = Estate::applied(hint);
        estate.run(&["state", "snapshot", "--out", "snapshot.json"]).ok();
        let outside = tempfile::tempdir().expect("a folder");
        let rows = format!("tenantId,name,type\n{OUTSIDE},{OUTSIDE},nosuch\n");
        std::fs::write(outside.path().join("secret.csv"), rows).expect("a file");
        std::fs::write(outside.path().join("secret.yaml"), format!("{OUTSIDE}: [")).expect("a file");
        std::fs::write(outside.path().join("url"), OUTSIDE).expect("a file");
        let project = estate.project.path();
        symlink(outside.path().join("secret.csv"), project.join("manifests/link.csv")).expect("a link");
        symlink(outside.path(), project.join("folder")).expect("a link");
        Bait { estate, outside }
    }

    fn path(&self, name: &str) -> String {
        self.outside.path().join(name).to_str().expect("a path").to_owned()
    }

    /// Runs a command where the environment holds a secret, and expects that it learned nothing.
    #[track_caller]
    fn learns_nothing(&self, args: &[&str]) -> Outcome {
        let run = self.estate.synthex(args).arg("-vvv");
        let run = ["SENTINEL", "C1", "HOOK"].iter().fold(run, |run, name| run.env(name, SENTINEL));
        let run =
            if args[0] == "apply" { run.without_env("SYNTHEX_DATABASE_URL").env("CI", "true") } else { run };
        let outcome = run.run();
        assert!(matches!(outcome.code, 0 | 3 | 5 | 8), "{outcome}");
        let outcome =
            [SENTINEL, OUTSIDE, "root:x:", "uid=", "panicked"].into_iter().fold(outcome, Outcome::nowhere);
        assert!(!self.outside.path().join("marker").exists(), "something was run: {outcome}");
        outcome
    }
}

fn manifest(kind: &str, spec: &str) -> String {
    format!(
        "apiVersion: synthex.dev/v1\nkind: {kind}\nmetadata: {{name: evil, workspace: w}}\nspec: {spec}\n"
    )
}

const PLANS: [&[&str]; 2] = [&["plan"], &["plan", "--state", "snapshot.json"]];

#[test]
fn a_hostile_manifest_learns_nothing() {
    let bait = Bait::new("chaos_hostile");
    let write = |text: &str| bait.estate.project.write("manifests/evil.yaml", text);
    // All read the same; the sample plans the quick way.
    let plans = if is_full() { &PLANS[..] } else { &PLANS[1..] };
    let mut runs = 0;
    // A reference is only a reference.
    for reference in
        ["env: SENTINEL", "env: C1", &format!("file: {:?}", bait.path("secret.csv")), "file: /etc/passwd"]
    {
        write(&manifest(
            "Credential",
            &format!("{{tenant: T1, service: shopify, secretRef: {{{reference}}}}}"),
        ));
        for args in [PLANS[0], PLANS[1], &["plan", "--format", "json"], &["validate"], &["render"]] {
            assert_eq!(bait.learns_nothing(args).code, 0, "{reference}");
            runs += 1;
        }
    }
    // A text is only a text.
    for value in ["$SENTINEL", "%SENTINEL%", "{{ env.SENTINEL }}", "$(touch MARKER)", "`touch MARKER`", "|id"]
    {
        let value = value.replace("MARKER", &bait.path("marker"));
        write(&manifest(
            "Tenant",
            &format!("{{displayName: {value:?}, type: shopify, shopifyShop: evil.myshopify.com}}"),
        ));
        for args in plans.iter().copied() {
            let outcome = bait.learns_nothing(args);
            assert!(outcome.code == 0 && outcome.stdout.contains(&value), "{value}: {outcome}");
            runs += 1;
        }
    }
    for value in [
        // A variable is one of the project file, never one of the environment.
        "\"${SENTINEL}\"",
        "!!env SENTINEL",
        "!env SENTINEL",
        "!include /etc/passwd",
        "!!python/object/apply:os.system [id]",
        "*SENTINEL",
        "{<<: SENTINEL}",
    ] {
        write(&manifest(
            "Tenant",
            &format!("{{displayName: {value}, type: shopify, shopifyShop: evil.myshopify.com}}"),
        ));
        for args in plans.iter().copied() {
            assert_eq!(bait.learns_nothing(args).code, 3, "{value}");
            runs += 1;
        }
    }
    // Rows come from files of the project alone.
    let (absolute, gone) = (bait.path("secret.csv"), bait.path("gone.csv"));
    for path in [
        "../../etc/passwd",
        "../../../../../../etc/passwd",
        "/etc/passwd",
        "/dev/stdin",
        "/proc/self/environ",
        &absolute,
        &gone,
        "link.csv",
        "../folder/secret.csv",
        "${HOME}/x.csv",
        "$SENTINEL.csv",
        "~/x.csv",
        "$(id).csv",
        "`id`.csv",
        "http://127.0.0.1:9/x.csv",
        "file:///etc/passwd",
        "|id",
        "rows.csv\u{0}.csv",
    ] {
        let path = serde_json::Value::from(path);
        write(&manifest("TenantSet", &format!("{{from: {{csv: {path}}}}}")));
        for args in plans.iter().copied() {
            assert_eq!(bait.learns_nothing(args).code, 3, "{path}");
            runs += 1;
        }
    }
    account("hostile manifests", &[("runs", &runs), ("values learned", &0)]);
}

#[test]
fn a_hostile_project_file_learns_nothing() {
    let bait = Bait::new("chaos_fork");
    let project = bait.estate.project.read("synthex.yaml");
    let write = |more: &str| {
        let text = project.replace("workspace: w,", &format!("workspace: w, {more},"));
        bait.estate.project.write("synthex.yaml", text)
    };
    let mut runs = 0;
    // It may name its database; with a snapshot nobody looks there, and what is no URL is not shown.
    for database in [
        format!("{{file: {:?}}}", bait.path("url")),
        "{file: /etc/passwd}".to_owned(),
        "{env: SENTINEL}".to_owned(),
    ] {
        write(&format!("database: {database}"));
        assert_eq!(bait.learns_nothing(PLANS[1]).code, 0, "{database}");
        assert!(matches!(bait.learns_nothing(&["apply", "--yes"]).code, 3 | 8), "{database}");
        runs += 2;
    }
    for paths in [
        "[../..]",
        "[/etc]",
        "[folder]",
        "[folder/secret.yaml]",
        "[manifests/../../]",
        "[/proc]",
        "[/dev/stdin]",
    ] {
        write(&format!("manifests: {paths}"));
        let outcome = bait.learns_nothing(PLANS[1]);
        assert_eq!(outcome.code, 3, "{paths}: {outcome}");
        // Not even the names of what is there.
        assert_eq!(outcome.stderr.matches("error[").count(), 1, "{paths}: {outcome}");
        runs += 1;
    }
    // A link among the manifests is not followed either.
    bait.estate.project.write("synthex.yaml", &project);
    symlink(bait.outside.path(), bait.estate.project.path().join("manifests/folder")).expect("a link");
    let outcome = bait.learns_nothing(PLANS[1]);
    assert_eq!((outcome.code, outcome.stderr.matches("SX0113").count()), (3, 1), "{outcome}");
    account("hostile project files", &[("runs", &(runs + 1)), ("values learned", &0)]);
}
