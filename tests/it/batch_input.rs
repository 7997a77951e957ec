//! Bad input to batch commands: what, where, why, what to do; and nothing is changed.

use crate::support::cli::Outcome;
use crate::support::database::TestDatabase;
use crate::support::estate::Estate;

const HEADER: &str = "tenantId,name,type";

/// Creates tenants from a CSV with this content, and expects a refusal that changes nothing.
#[track_caller]
fn refused(estate: &Estate, csv: impl AsRef<[u8]>, texts: &[&str]) {
    let state = estate.state();
    estate.project.write("bad.csv", csv);
    let out = estate
        .run(&["batch", "tenants", "create", "--from-csv", "bad.csv", "--yes"])
        .code(3)
        .nowhere("panicked");
    for text in texts {
        assert!(out.stderr.contains(text), "{text:?} is not in\n{out}");
    }
    assert_eq!(estate.state(), state, "nothing was changed");
    let json = estate
        .run(&["batch", "tenants", "create", "--from-csv", "bad.csv", "--yes", "--format", "json"])
        .code(3)
        .json();
    assert!(json["failureCount"].as_u64().unwrap() > 0 && json["error"]["exit_code"] == 3, "{json:#}");
}

#[test]
fn files_of_rows_that_cannot_be_used_are_refused_with_the_place() {
    let estate = Estate::applied("batch_input");
    refused(&estate, "", &["bad.csv:1:1", "the file is empty"]);
    refused(&estate, format!("{HEADER}\n"), &["a header and no rows"]);
    refused(&estate, "tenantId;name;type\nA;a;shopify\n", &["separated by semicolons"]);
    refused(
        &estate,
        "A,Alpha,shopify\nB,Beta,shopify\n",
        &["bad.csv:1:1", "unknown column `A`", "the column `tenantId` is missing"],
    );
    refused(
        &estate,
        format!("{HEADER}\nA,Alpha,shopify,extra\nB,Beta\n"),
        &["bad.csv:2:1", "has 4 fields", "bad.csv:3:1", "has 2 fields"],
    );
    refused(
        &estate,
        format!("{HEADER}\nA,Alpha,shopify\nB,Beta,mixed\nA,Other,mixed\n"),
        &["bad.csv:4:1", "tenant/w/A is declared twice", "bad.csv:2:1"],
    );
    refused(&estate, b"tenantId,name\nA,\xff\xfe\n", &["bad.csv:2:3", "UTF-8"]);
    refused(&estate, format!("{HEADER}\nA,\"Alpha,shopify\n"), &["a double quote is opened and not closed"]);
    // All bad rows at once, each with its column.
    refused(
        &estate,
        "tenantId,name,type,market,shopifyShop,businessId.country,businessId.number\n\
         A,Alpha,shopfy,ANZ_SMB,,,\n-bad-,x,mixed,ANZ_SMB,,,\nC,,mixed,ANZ_SMB,,,\nD,Delta,mixed,ANZ_SMB,x.example.com,,\nE,Eps,mixed,ANZ_SMB,,AU,123\n",
        &[
            "bad.csv:2:3",
            "did you mean `shopify`?",
            "bad.csv:3:1",
            "bad.csv:4:2",
            "bad.csv:5:5",
            "bad.csv:6:7",
        ],
    );
    // What is there already is among them.
    estate.project.write("good.csv", format!("{HEADER}\nA,Alpha,shopify\nB,Beta,shopify\n"));
    estate.run(&["batch", "tenants", "create", "--from-csv", "good.csv", "--yes"]).ok();
    refused(
        &estate,
        format!("{HEADER}\nA,Alpha,shopify\nB,Other,shopify\nT1,x,mixed\nN,New,bad\n"),
        &[
            "bad.csv:3:1",
            "tenant/w/B is there already",
            "batch tenants update",
            "bad.csv:4:1",
            "belongs to project `test`",
            "bad.csv:5:3",
        ],
    );
    let state = estate.state();
    let create = |args: &[&str]| estate.run(&[&["batch", "tenants", "create", "--yes"], args].concat());
    create(&["--from-csv", "none.csv"]).code(3).stderr_has("none.csv").stderr_has("there is no such file");
    create(&["--from-csv", "manifests"]).code(3).stderr_has("not a regular file");
    create(&["--from-csv", "synthex.yaml"]).code(3).stderr_has("unknown column");
    create(&[]).code(3).stderr_has("--from-csv").stderr_has("--from-json");
    create(&["--from-csv", "good.csv", "--template", "shopify-smb-anx"])
        .code(3)
        .stderr_has("did you mean `shopify-smb-anz`?");
    create(&["--from-csv", "good.csv", "-w", "ww"]).code(3).stderr_has("there is no workspace `ww`");
    estate.project.write("bad.json", "[{\"tenantId\": \"A\", \"nam\": \"x\"}]");
    create(&["--from-json", "bad.json"]).code(3).stderr_has("bad.json:1:").stderr_has("did you mean `name`?");
    estate.project.write("bad.json", "{}");
    create(&["--from-json", "bad.json"]).code(3).stderr_has("holds a list");
    let line = "A00000000000000000000000,Some name that is long enough to fill a file,shopify\n";
    estate.project.write("big.csv", format!("{HEADER}\n{}", line.repeat(50 * 1024 * 1024 / line.len())));
    let out =
        create(&["--from-csv", "big.csv"]).code(3).stderr_has("larger than").stderr_has("limits.maxFileSize");
    assert!(out.elapsed.as_secs() < 5, "{out}");
    assert_eq!(estate.state(), state);
}

#[test]
fn rows_in_other_clothes_are_read_all_the_same() {
    let estate = Estate::applied("batch_clothes");
    let text = "\u{feff}tenantId,name,type\r\nA,\"Two\r\nlines\",shopify\r\nB,\"a \"\"b\"\"\",mixed\r\n";
    let run = |estate: &Estate, args: &[&str]| -> Outcome {
        estate.synthex(&[&["batch", "tenants", "create", "--yes"], args].concat()).stdin(text).run()
    };
    run(&estate, &["--from-csv", "-"]).ok();
    assert_eq!(
        estate.value("select display_name from synthex.tenants where name = 'A'").as_deref(),
        Some("Two\r\nlines")
    );
    assert_eq!(
        estate.value("select display_name from synthex.tenants where name = 'B'").as_deref(),
        Some("a \"b\"")
    );
    // The option says how it is written, whatever the name is; a pipe will do.
    let pipe = "tenantId,name,type\nP,Piped,mixed\n";
    let args = ["batch", "tenants", "create", "--yes", "--from-csv", "/dev/stdin"];
    estate.synthex(&args).stdin(pipe).run().ok().stdout_has("tenant/w/P");
    estate.project.write("rows.txt", "tenantId,name,type\nQ,Text,mixed\nR,Bad,mixt\n");
    run(&estate, &["--from-csv", "rows.txt"]).code(3).stderr_has("rows.txt.csv:3:3");
    estate.project.write("rows.txt", "[{\"tenantId\": \"Q\", \"name\": \"Text\", \"type\": \"mixed\"}]");
    run(&estate, &["--from-json", "rows.txt"]).ok();
    // What is wrong is said of rows, not of manifests.
    estate.project.write("rows.txt", "");
    for option in ["--from-csv", "--from-json"] {
        run(&estate, &[option, "rows.txt"]).code(3).stderr_has("the file is empty").nowhere("TenantSet");
    }
    estate.project.write("rows.txt", "tenantId,name\nS,No type\n");
    run(&estate, &["--from-csv", "rows.txt"])
        .code(3)
        .stderr_has("give the row its `type`")
        .nowhere("to the spec");
    // From outside of the project.
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("x.CSV");
    std::fs::write(&file, "tenantId,name,type\nC,=1+1,mixed\nD,'=1+1,mixed\n").unwrap();
    run(&estate, &["--from-csv", file.to_str().unwrap()]).ok();
    assert_eq!(
        estate.value("select count(*) from synthex.tenants where display_name = '=1+1'").as_deref(),
        Some("2")
    );
}

#[test]
fn changes_and_targets_that_make_no_sense_are_refused() {
    let estate = Estate::applied("batch_targets");
    estate
        .project
        .write("good.csv", format!("{HEADER},labels.tier\nA,Alpha,shopify,gold\nB,Beta,mixed,gold\n"));
    estate.run(&["batch", "tenants", "create", "--from-csv", "good.csv", "--yes"]).ok();
    let state = estate.state();
    let update =
        |args: &[&str]| estate.run(&[&["batch", "tenants", "update", "--yes"], args].concat()).code(3);
    let delete = |args: &[&str]| estate.run(&[&["batch", "tenants", "delete", "--yes"], args].concat());
    update(&["--tenant-ids", "A,X1,X2", "--status", "active"])
        .stderr_has("`X1`")
        .stderr_has("`X2`")
        .stderr_has("nothing was changed");
    let json = delete(&["--tenant-ids", "A,AA,X2", "--format", "json"]).code(3).json();
    assert_eq!(
        (&json["failed"][0]["item"], &json["failed"][1]["item"]),
        (&"AA".into(), &"X2".into()),
        "{json:#}"
    );
    delete(&["--tenant-ids", "A,AA,X2"]).code(3).stderr_has("`AA`").stderr_has("`X2`");
    update(&["--tenant-ids", "A", "--status", "sleeping"]).stderr_has("active, inactive, suspended");
    update(&["--tenant-ids", "A"]).stderr_has("no change is named").stderr_has("--set");
    update(&["--status", "active"]).stderr_has("no tenant is named").stderr_has("--selector");
    update(&["-l", "tier=none", "--status", "active"]).stderr_has("no tenant fits `tier=none`");
    update(&["-l", "tier ~ x", "--status", "active"]).stderr_has("is not a condition");
    update(&["--tenant-ids", "A", "--set", "industri=x"]).stderr_has("did you mean `industry`?");
    update(&["--tenant-ids", "A", "--set", "status=active", "--status", "inactive"])
        .stderr_has("`status` is changed twice");
    let out =
        update(&["-l", "tier=gold", "--set", "market=MARS"]).stderr_has("2 tenants").stderr_has("ANZ_SMB");
    assert_eq!(out.stderr.matches("SX0156").count(), 1, "said once\n{out}");
    update(&["-l", "tier=gold", "--unset", "type"]).stderr_has("type");
    update(&["--tenant-ids", "A", "--set", "template=shopify-smb-anz"]).stderr_has("requires `shopifyShop`");
    update(&["--tenant-ids", "A", "--set", "template=shop"])
        .stderr_has("there is no template `shop`")
        .stderr_has("shops");
    estate
        .project
        .write("changes.csv", "tenantId,status\nA,sleeping\nX,active\nB,inactive\nB,active\n,active\n");
    let rows = ["--from-csv", "changes.csv"];
    update(&rows)
        .stderr_has("changes.csv:2:2")
        .stderr_has("changes.csv:3:1")
        .stderr_has("changes.csv:5:1")
        .stderr_has("changes.csv:6:1");
    estate.project.write("none.csv", "tenantId\nA\n");
    update(&["--from-csv", "none.csv"]).stderr_has("no column besides `tenantId`");
    // What is protected is not deleted, and a large selection must be meant.
    estate.run(&["batch", "tenants", "update", "--tenant-ids", "A", "--set", "protect=true", "--yes"]).ok();
    let protected = estate.state();
    delete(&["--tenant-ids", "A,B"]).code(5).stderr_has("protect");
    delete(&["-l", "tier=gold"]).code(5);
    assert_eq!(estate.state(), protected);
    assert_ne!(protected, state);
    estate.project.write("changes.csv", "tenantId,status\nA,sleeping\nB,inactive\n");
    let out = estate.run(&[
        "batch",
        "tenants",
        "update",
        "--from-csv",
        "changes.csv",
        "--yes",
        "--on-error",
        "continue",
        "--format",
        "json",
    ]);
    let out = out.code(7).json();
    assert_eq!(
        (&out["failed"][0]["item"], &out["successful"][0]),
        (&"tenant/w/A".into(), &"tenant/w/B".into())
    );
}

#[test]
fn with_nothing_installed_or_no_database_it_says_what_to_do() {
    let estate = Estate::on(TestDatabase::new("batch_nothing"));
    estate.project.write("good.csv", format!("{HEADER}\nA,Alpha,shopify\n"));
    let create = ["batch", "tenants", "create", "--from-csv", "good.csv", "--yes"];
    estate
        .run(&create)
        .code(3)
        .stderr_has("there is no workspace `w` in the database")
        .stderr_has("workspace create");
    estate.run(&["batch", "list"]).ok().stderr_has("No command has changed anything yet");
    estate.run(&["batch", "rollback", "1", "--yes"]).code(3);
    estate.run(&["batch", "export", "csv"]).code(3);
    estate
        .run(&["batch", "tenants", "delete", "--tenant-ids", "A", "--yes"])
        .code(3)
        .stderr_has("nothing was applied");
    let out = estate.synthex_at("postgres://nobody@127.0.0.1:1/none", &create).run().code(8);
    out.nowhere("panicked");
}
