//! Bad files and bad databases, each tried for real: the exit code, the place that is named, and that nothing was changed.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::process::Command;
use std::time::Duration;

use crate::support::database::OWNER_PASSWORD;
use crate::support::estate::Estate;
use crate::support::project::{Project, tenant_yaml};
use crate::support::proxy::{Mode, Proxy};

/// An estate with everything applied and `prune: true`, so that a file taken for empty would cost rows.
fn pruning(hint: &str) -> Estate {
    let estate = Estate::new(hint);
    let file = estate.project.read("synthex.yaml").replace("workspace: w", "workspace: w, prune: true");
    estate.project.write("synthex.yaml", file);
    let set = "{from: {csv: rows.csv}}";
    estate.declare("TenantSet", "rows", set);
    estate.project.write("manifests/rows.csv", ROWS);
    estate.apply().ok();
    estate
}

const ROWS: &str =
    "tenantId,name,type,market,region,shopifyShop\nR1,One,shopify,ANZ_SMB,AU-SE1,r1.myshopify.com\n";

/// Plan and apply refuse, name the place, and change nothing.
#[track_caller]
fn refused(estate: &Estate, code: &str, place: &str, message: &str) {
    let state = estate.state();
    for args in [&["plan"][..], &["apply", "--yes"], &["apply", "--yes", "--prune", "-vvv"]] {
        let outcome = estate.run(args).code(3).stderr_has(code).stderr_has(place).stderr_has(message);
        outcome.stderr_has("help:").nowhere("panicked").nowhere("os error");
    }
    assert_eq!(estate.state(), state, "nothing changed");
}

#[test]
fn a_source_that_is_missing_or_empty_never_means_that_nothing_is_declared() {
    let estate = pruning("bad_empty");
    let project = &estate.project;
    for (text, message) in [
        ("tenantId,name,type,shopifyShop\n", "a header and no rows"),
        ("tenantId,name,type,shopifyShop", "a header and no rows"),
        ("", "the file is empty"),
    ] {
        project.write("manifests/rows.csv", text);
        refused(&estate, "SX0403", "manifests/rows.csv:1:1", message);
    }
    project.remove("manifests/rows.csv");
    refused(&estate, "SX0405", "manifests/rows.yaml:4:", "there is no file `rows.csv`");
    project.write("manifests/rwos.csv", ROWS);
    refused(&estate, "SX0405", "manifests/rows.yaml:4:", "did you mean `rwos.csv`?");
    project.write("manifests/rows.csv", ROWS);

    for text in ["", "\n\n", "# nothing\n", "---\n"] {
        project.write("manifests/T3.yaml", text);
        refused(&estate, "SX0114", "manifests/T3.yaml:1:1", "declares nothing");
    }
    fs::rename(project.path().join("manifests"), project.path().join("elsewhere")).expect("a rename");
    refused(&estate, "SX0116", "manifests:1:1", "there is no such file or folder");
    fs::create_dir(project.path().join("manifests")).expect("a folder");
    refused(&estate, "SX0116", "manifests:1:1", "there is no manifest in manifests");
    project.write("manifests/README.md", "# nothing to read");
    refused(&estate, "SX0116", "manifests:1:1", "there is no manifest in manifests");
}

#[test]
fn files_that_cannot_be_read_or_lead_out_of_the_project_are_refused() {
    let estate = pruning("bad_files");
    let project = &estate.project;
    let at = |path: &str| project.path().join(path);

    let fifo = Command::new("mkfifo").arg(at("manifests/pipe.yaml")).status().expect("mkfifo can be run");
    assert!(fifo.success());
    refused(&estate, "SX0112", "manifests/pipe.yaml:1:1", "not a regular file");
    project.remove("manifests/pipe.yaml");

    fs::create_dir(at("manifests/folder.yaml")).expect("a folder");
    estate.run(&["plan"]).ok().stdout_has("No changes.");
    project.write("manifests/folder.yaml/bad.yaml", "kind: Nothing\n");
    refused(&estate, "SX0151", "manifests/folder.yaml/bad.yaml:1:1", "apiVersion");
    fs::remove_dir_all(at("manifests/folder.yaml")).expect("it is there");

    symlink("/etc/passwd", at("manifests/link.yaml")).expect("a link");
    refused(&estate, "SX0113", "manifests/link.yaml:1:1", "leads out of the project");
    project.remove("manifests/link.yaml");
    symlink("nowhere.yaml", at("manifests/link.yaml")).expect("a link");
    refused(&estate, "SX0112", "manifests/link.yaml:1:1", "there is no such file");
    project.remove("manifests/link.yaml");
    symlink("link.yaml", at("manifests/link.yaml")).expect("a link to itself");
    refused(&estate, "SX0112", "manifests/link.yaml:1:1", "symbolic links");
    project.remove("manifests/link.yaml");
    symlink(".", at("manifests/again")).expect("a link to its own folder");
    refused(&estate, "SX0112", "manifests/again:1:1", "a link that leads back to manifests");
    project.remove("manifests/again");

    for path in
        ["../../etc/passwd", "../../../../../../../../etc/passwd", "/etc/passwd", "sub/../../../etc/passwd"]
    {
        estate.declare("TenantSet", "rows", &format!("{{from: {{csv: {path}}}}}"));
        refused(&estate, "SX0", "manifests/rows.yaml:4:", "");
        estate.run(&["plan"]).code(3).nowhere("root:");
    }
    estate.declare("TenantSet", "rows", "{from: {csv: out.csv}}");
    symlink("/etc/passwd", at("manifests/out.csv")).expect("a link");
    refused(&estate, "SX0113", "manifests/rows.yaml:4:", "leads out of the project");
    estate.declare("TenantSet", "rows", "{from: {csv: rows.csv}}");

    let large = format!("{}# {}\n", tenant_yaml("T9", "w"), "x".repeat(11 << 20));
    project.write("manifests/T9.yaml", large);
    refused(&estate, "SX0111", "manifests/T9.yaml:1:1", "larger than");
    project.remove("manifests/T9.yaml");
    project.write("manifests/rows.csv", format!("{ROWS}{}", "\n".repeat(11 << 20)));
    refused(&estate, "SX0111", "manifests/rows.yaml:4:", "larger than");
    project.write("manifests/rows.csv", ROWS);
    estate.is_converged();
}

#[test]
fn a_file_without_the_right_to_read_it_is_named() {
    let project = Project::new();
    let secret = project.write("manifests/T1.yaml", tenant_yaml("T1", "w"));
    fs::set_permissions(project.path(), fs::Permissions::from_mode(0o755)).expect("it is ours");
    fs::set_permissions(&secret, fs::Permissions::from_mode(0o000)).expect("it is ours");
    // Root may read everything, so an ordinary user tries. The binary may be where that user cannot go.
    let copy = project.path().join("synthex");
    fs::copy(env!("CARGO_BIN_EXE_synthex"), &copy).expect("a copy");
    let mut run = Command::new(&copy);
    run.env_clear().current_dir(project.path()).args(["validate", "--color", "never"]);
    if rustix::process::geteuid().is_root() {
        use std::os::unix::process::CommandExt;
        run.uid(65_534).gid(65_534);
    }
    let output = run.output().expect("it runs");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(3), "{stderr}");
    for part in ["SX0112", "manifests/T1.yaml:1:1", "permission denied", "help:"] {
        assert!(stderr.contains(part), "{part}: {stderr}");
    }
    // A folder that may not be entered is not an empty one.
    fs::set_permissions(&secret, fs::Permissions::from_mode(0o644)).expect("it is ours");
    let closed = project.path().join("manifests/closed");
    fs::create_dir(&closed).expect("a folder");
    fs::set_permissions(&closed, fs::Permissions::from_mode(0o000)).expect("it is ours");
    let output = run.output().expect("it runs");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.code() == Some(3) && stderr.contains("SX0112"), "{stderr}");
    fs::set_permissions(&closed, fs::Permissions::from_mode(0o755)).expect("it is ours");
}

#[test]
fn a_database_that_is_not_there_or_refuses_is_said_in_three_lines_without_the_password() {
    let estate = Estate::new("bad_database");
    let database = &estate.database;
    let password = "canary-wrong-pässword/+?";
    let address = database.tcp_address();
    let wrong = database.tcp_url_at(address, "synthex", password);
    let role = database.create_role("nothing", "secret");
    let refusing = Proxy::before(database, Mode::Refuse);
    let cases = [
        (wrong.clone(), "refused the login"),
        (wrong.replace(database.name(), "no_such_database").replace("canary", "x"), "refused"),
        (format!("postgres://synthex:{OWNER_PASSWORD}@{address}/no_such_database"), "no_such_database"),
        (refusing.url(database), "cannot be reached"),
        ("postgres://u:canary-wrong@127.0.0.1:1/db".to_owned(), "cannot be reached"),
        ("postgres://u:canary-wrong@nowhere.invalid/db".to_owned(), "cannot be reached"),
        ("postgres://u:canary-wrong@/db?host=/nowhere".to_owned(), "cannot be reached"),
        ("postgres://u:canary-wrong@127.0.0.1:99999/db".to_owned(), "invalid port number"),
        ("postgres://u:canary-wrong@[::1/db".to_owned(), "IPv6"),
        ("postgres://u:canary-wrong@h/db?sslmode=rubbish".to_owned(), "parameters"),
        ("mysql://u:canary-wrong@h/db".to_owned(), "postgresql://"),
        ("u:canary-wrong@h".to_owned(), "postgresql://"),
        ("postgres:canary-wrong".to_owned(), ""),
    ];
    for (url, message) in cases {
        for args in [&["plan"][..], &["apply", "--yes", "-vvv"], &["db", "status", "-v"]] {
            let run = estate.synthex_at(&url, args).env("RUST_LOG", "trace").run().code(8);
            let plain = estate.synthex_at(&url, args).run().code(8);
            for outcome in [run, plain] {
                assert!(outcome.stderr.contains(message), "{url}: {message:?}\n{outcome}");
                assert!(outcome.stderr.contains("  help: "), "{url}\n{outcome}");
                let outcome = outcome.nowhere("canary").nowhere(OWNER_PASSWORD).nowhere("panicked");
                let outcome = outcome.nowhere("SQLSTATE").nowhere("Database(").nowhere("PgDatabaseError");
                assert!(outcome.elapsed < Duration::from_secs(20), "{outcome}");
            }
        }
    }
    let no_rights = estate.synthex_at(&database.url_as(&role), &["apply", "--yes"]).run().code(8);
    no_rights.stderr_has("error: ").stderr_has("why: ").stderr_has("help: ");
    assert!(estate.state().is_empty(), "nothing was installed");
}

#[test]
fn a_database_that_hangs_is_left_after_the_time_that_was_given() {
    let estate = Estate::applied("bad_hanging");
    estate.declare_tenant("T4", &[]);
    let state = estate.state();
    let proxy = Proxy::before(&estate.database, Mode::Blackhole);
    let url = proxy.url(&estate.database);
    for args in [
        &["plan", "--database-timeout", "1"][..],
        &["apply", "--yes", "--database-timeout", "1"],
        &["tenant", "tenants", "list", "--database-timeout", "1"],
        &["db", "status", "--database-timeout", "1"],
    ] {
        let outcome = estate.synthex_at(&url, args).run().code(8);
        assert!(outcome.elapsed < Duration::from_secs(5), "{outcome}");
        outcome.stderr_has("error: ").stderr_has("help: ").nowhere(OWNER_PASSWORD).nowhere("Elapsed");
    }
    // It answers, and then does not any more.
    proxy.set(Mode::Pass);
    estate.synthex_at(&url, &["plan"]).run().ok();
    let sofar = proxy.server_bytes();
    assert!(sofar > 0);
    assert_eq!(estate.state(), state);
}

#[test]
fn a_secret_that_was_written_into_a_manifest_is_printed_nowhere() {
    let estate = Estate::applied("bad_secret");
    let state = estate.state();
    let canary = "shpat_canary0123456789abcdef0123456789";
    let literals = [
        ("Credential", format!("{{tenant: T1, service: shopify, secretRef: {canary}}}")),
        ("Credential", format!("{{tenant: T1, service: shopify, secretRef: {{value: {canary}}}}}")),
        ("Credential", format!("{{tenant: T1, service: shopify, token: {canary}, secretRef: {{env: A}}}}")),
        ("Credential", format!("{{tenant: T1, service: shopify, secretRef: {{env: \"{canary} x\"}}}}")),
        (
            "NotificationChannel",
            format!("{{type: slack, slack: {{webhookUrl: https://hooks.example/{canary}}}}}"),
        ),
        (
            "NotificationChannel",
            format!("{{type: webhook, webhook: {{url: \"https://u:{canary}@h.example/x\"}}}}"),
        ),
    ];
    for (kind, spec) in literals {
        estate.declare(kind, "leak", &spec);
        for args in [
            &["validate"][..],
            &["validate", "--format", "json"],
            &["validate", "--format", "sarif"],
            &["validate", "--format", "github"],
            &["plan", "-vvv"],
            &["plan", "--format", "json"],
            &["apply", "--yes", "-vvv", "--log-format", "json"],
            &["render"],
        ] {
            let outcome = estate.synthex(args).env("RUST_LOG", "trace").run().code(3);
            outcome.stderr_has("manifests/leak.yaml:4:").nowhere("canary");
        }
    }
    assert_eq!(estate.state(), state);
    // One that stands where it belongs is read by nobody here.
    estate.declare("Credential", "leak", "{tenant: T1, service: shopify, secretRef: {env: CANARY_TOKEN}}");
    for args in [&["plan", "-vvv"][..], &["apply", "--yes", "-vvv"], &["plan", "--format", "json"]] {
        let run = estate.synthex(args).env("CANARY_TOKEN", canary).env("RUST_LOG", "trace");
        run.run().ok().nowhere(canary);
    }
    assert!(!estate.state().concat().contains(canary));
}
