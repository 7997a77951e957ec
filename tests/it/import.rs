//! Rows become manifests, which declare the same tenants.

use crate::support::estate::Estate;
use crate::support::project::Project;

const ROWS: &str = "tenantId,name,type,shopifyShop,email,labels.tier,metadata.note\n\
     N1,\"One, Ltd\",shopify,n1.myshopify.com,a@b.example,gold,\"say ${HOME}\"\n\
     N2,no,mixed,,,,'=1+1\n";

#[test]
fn rows_become_manifests_that_declare_the_same() {
    let estate = Estate::applied("import");
    estate.project.write("clients.csv", ROWS);
    let expected = ["create tenant/w/N1", "create tenant/w/N2"];
    let out = estate.run(&["import", "csv", "clients.csv", "--to", "manifests/clients.yaml"]).ok();
    out.stdout_has("wrote  manifests/clients.yaml").stdout_has("2 tenants imported");
    let text = estate.project.read("manifests/clients.yaml");
    assert!(text.starts_with("# yaml-language-server: $schema=../schemas/manifest.schema.json\n"), "{text}");
    assert!(
        text.contains("displayName: \"no\"") && text.contains("say $${HOME}") && text.contains("=1+1"),
        "{text}"
    );
    assert!(!text.contains("market:"), "what the rows do not say is left to the workspace\n{text}");
    estate.run(&["validate"]).ok();
    assert_eq!(estate.changes(&[]), expected);
    // It is there; with --force what it declared does not count as declared twice.
    let again = ["import", "csv", "clients.csv", "--to", "manifests/clients.yaml"];
    estate.project.write("clients.csv", ROWS.replace("One, Ltd", "Uno"));
    estate.run(&again).code(3).stderr_has("is there already");
    estate.run(&[&again[..], &["--force"]].concat()).ok();
    assert!(estate.project.read("manifests/clients.yaml").contains("Uno"));
    let other = ["import", "csv", "clients.csv", "--to", "manifests/more.yaml"];
    estate.run(&other).code(3).stderr_has("clients.csv:2:1").stderr_has("declared twice");
    assert!(!estate.project.path().join("manifests/more.yaml").exists());
    estate.project.remove("manifests/clients.yaml");

    let set =
        ["import", "csv", "clients.csv", "--to", "manifests/set.yaml", "--as", "set", "--template", "shops"];
    estate.run(&set).ok().stdout_has("manifests/set.csv");
    assert!(estate.project.read("manifests/set.yaml").contains("csv: set.csv"));
    estate.run(&["validate"]).ok();
    assert_eq!(estate.changes(&[]), expected);
    estate.apply().ok();
    let note = "select metadata ->> 'note' || template from synthex.tenants where name = ";
    assert_eq!(estate.value(&format!("{note}'N1'")).as_deref(), Some("say ${HOME}shops"));
    assert_eq!(estate.value(&format!("{note}'N2'")).as_deref(), Some("=1+1shops"));
}

#[test]
fn bad_rows_are_all_reported_and_nothing_is_written() {
    let estate = Estate::new("import_bad");
    estate.project.write("clients.csv", "tenantId,name,type\nN1,One,shopfy\n,Two,mixed\n");
    let import = |args: &[&str]| estate.run(&[&["import"], args].concat());
    let to = ["--to", "manifests/clients.yaml"];
    let out = import(&[&["csv", "clients.csv"], &to[..]].concat()).code(3);
    out.stderr_has("clients.csv:2:3").stderr_has("clients.csv:3:1");
    assert!(!estate.project.path().join("manifests/clients.yaml").exists());
    import(&["csv", "clients.csv", "--to", "manifests/clients.txt"]).code(3).stderr_has(".yaml");
    import(&["json", "clients.csv", "--to", "manifests/x.yaml"]).code(3).stderr_has("does not end in .json");
    import(&[&["csv", "none.csv"], &to[..]].concat()).code(3).stderr_has("there is no such file");
    estate.project.write("good.csv", "tenantId,name,type\nN1,One,shopify\n");
    let out = import(&["csv", "good.csv", "--template", "shp", "--to", "manifests/x.yaml"]).code(3);
    out.stderr_has("there is no template `shp`");
    // Without a project.
    let bare = Project::empty();
    bare.write(
        "rows.json",
        r#"[{"tenantId": "N1", "name": "One", "type": "mixed", "market": "UK_SMB", "region": "EU-WE1"}]"#,
    );
    let out = bare
        .synthex(["import", "json", "rows.json", "--to", "n.yaml", "-w", "uk", "--format", "json"])
        .run()
        .ok();
    assert_eq!(out.json()["tenants"], 1);
    assert!(bare.read("n.yaml").contains("workspace: uk"));
}
