//! A manifest from a fork cannot make `plan` read the environment, a file outside the project, or run anything.

use std::os::unix::fs::symlink;

use super::rig::account;
use crate::support::estate::Estate;

const SENTINEL: &str = "sentinel-4b71-of-the-environment";
const OUTSIDE: &str = "sentinel-9c02-of-a-file-outside";

#[expect(clippy::too_many_lines, reason = "one project after the other, each a few lines")]
#[test]
fn a_hostile_project_learns_nothing() {
    let estate = Estate::applied("chaos_hostile");
    estate.run(&["state", "snapshot", "--out", "snapshot.json"]).ok();
    let outside = tempfile::tempdir().expect("a folder");
    let secret = outside.path().join("secret.csv");
    std::fs::write(&secret, format!("tenantId,name\n{OUTSIDE},{OUTSIDE}\n")).expect("a file");
    std::fs::write(outside.path().join("url"), OUTSIDE).expect("a file");
    let marker = outside.path().join("marker");
    let (secret, marker) = (secret.to_str().expect("a path"), marker.to_str().expect("a path"));
    symlink(secret, estate.project.path().join("manifests/link.csv")).expect("a link");
    symlink(outside.path(), estate.project.path().join("manifests/folder")).expect("a link");

    let head = |kind: &str, name: &str| {
        format!("apiVersion: synthex.dev/v1\nkind: {kind}\nmetadata: {{name: {name}, workspace: w}}\n")
    };
    let set = |path: &str| format!("{}spec: {{from: {{csv: {path:?}}}}}\n", head("TenantSet", "evil"));
    let tenant = |value: &str| {
        format!(
            "{}spec: {{displayName: {value}, type: shopify, shopifyShop: evil.myshopify.com}}\n",
            head("Tenant", "evil")
        )
    };
    let credential = |reference: &str| {
        format!(
            "{}spec: {{tenant: T1, service: shopify, secretRef: {reference}}}\n",
            head("Credential", "evil")
        )
    };
    let mut manifests = vec![
        credential("{env: SENTINEL}"),
        credential(&format!("{{file: {secret:?}}}")),
        credential("{env: \"$(id)\"}"),
    ];
    for path in [
        "../../etc/passwd",
        "../../../../../../etc/passwd",
        "/etc/passwd",
        "/dev/stdin",
        "/proc/self/environ",
        secret,
        "link.csv",
        "folder/secret.csv",
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
        manifests.push(set(path));
    }
    for value in [
        "\"${SENTINEL}\"",
        "\"$SENTINEL\"",
        "\"%SENTINEL%\"",
        "\"{{ env.SENTINEL }}\"",
        "\"$(touch MARKER)\"",
        "\"`touch MARKER`\"",
        "!!env SENTINEL",
        "!env SENTINEL",
        "!include /etc/passwd",
        "!!python/object/apply:os.system [\"touch MARKER\"]",
        "!vault x",
        "*SENTINEL",
        "<<: SENTINEL",
    ] {
        manifests.push(tenant(&value.replace("MARKER", marker)));
    }
    let commands: [&[&str]; 5] = [
        &["plan"],
        &["plan", "--state", "snapshot.json"],
        &["plan", "--format", "json", "--state", "snapshot.json"],
        &["validate"],
        &["render"],
    ];
    let mut runs = 0;
    let learns_nothing = |args: &[&str]| {
        let run = estate.synthex(args).env("SENTINEL", SENTINEL).env("C1", SENTINEL).env("HOOK", SENTINEL);
        let outcome = run.args(["-vvv"]).run();
        assert!(matches!(outcome.code, 0 | 3 | 5), "{outcome}");
        let outcome =
            outcome.nowhere(SENTINEL).nowhere(OUTSIDE).nowhere("root:x:").nowhere("uid=").nowhere("panicked");
        assert!(!std::path::Path::new(marker).exists(), "something was run: {outcome}");
    };
    for manifest in &manifests {
        estate.project.write("manifests/evil.yaml", manifest);
        // One at a time, all commands for the first of them and two for the others: it is the reading that counts.
        for args in &commands[..if runs == 0 { 5 } else { 2 }] {
            learns_nothing(args);
            runs += 1;
        }
    }
    estate.project.remove("manifests/evil.yaml");
    // The project file names the database; with a snapshot nobody looks, and without one its content is not shown.
    let project = estate.project.read("synthex.yaml");
    for database in [
        format!("{{file: {:?}}}", outside.path().join("url")),
        "{file: /etc/passwd}".to_owned(),
        "{env: SENTINEL}".to_owned(),
    ] {
        estate.project.write(
            "synthex.yaml",
            project.replace("workspace: w,", &format!("workspace: w, database: {database},")),
        );
        learns_nothing(&["plan", "--state", "snapshot.json"]);
        let run = estate
            .synthex(&["plan", "-vvv"])
            .without_env("SYNTHEX_DATABASE_URL")
            .env("SENTINEL", SENTINEL)
            .env("CI", "true");
        let outcome = run.run();
        assert!(matches!(outcome.code, 3 | 8), "{outcome}");
        outcome.nowhere(SENTINEL).nowhere(OUTSIDE).nowhere("root:x:");
        runs += 2;
    }
    for paths in ["[../..]", "[/etc]", "[manifests/folder]", "[manifests/../../]"] {
        estate.project.write(
            "synthex.yaml",
            project.replace("workspace: w,", &format!("workspace: w, manifests: {paths},")),
        );
        learns_nothing(&["plan", "--state", "snapshot.json"]);
        runs += 1;
    }
    account("hostile projects", &[("manifests", &manifests.len()), ("runs", &runs), ("values learned", &0)]);
}
