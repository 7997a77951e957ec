//! Environments: variables, overlays, and what an environment says in place of the project.

use serde_json::json;

use crate::support::estate::Estate;

const PROJECT: &str = "apiVersion: synthex.dev/v1
kind: Project
metadata: {name: test}
spec:
  workspace: w
  variables: {DESK: help@acme.example}
  environments:
    prod:
      variables: {DESK: care@acme.example}
      overlays: [envs/prod]
    dev: {}
";

const PATCH: &str = "apiVersion: synthex.dev/v1
kind: Patch
metadata: {name: t1}
spec:
  target: {kind: Tenant, name: T1}
  patch:
    spec:
      industry: Toys
";

fn estate(hint: &str) -> Estate {
    let estate = Estate::new(hint);
    estate.project.write("synthex.yaml", PROJECT);
    estate.project.write("envs/prod/t1.yaml", PATCH);
    estate.declare_tenant("T1", &["contact: {email: \"${DESK}\"}", "industry: Retail"]);
    estate
}

fn tenant(estate: &Estate, column: &str) -> Option<String> {
    estate.value(&format!("select {column} from synthex.tenants where name = 'T1'"))
}

#[test]
fn each_environment_has_its_own_values_and_patches() {
    let estate = estate("env_values");
    estate.run(&["apply", "--yes", "-e", "dev"]).ok();
    assert_eq!(tenant(&estate, "contact_email").as_deref(), Some("help@acme.example"));
    assert_eq!(tenant(&estate, "industry").as_deref(), Some("Retail"));

    let plan = estate.plan(&["-e", "prod"]);
    assert_eq!(plan["base"]["environment"], "prod");
    let fields = plan["changes"][0]["fields"].as_array().expect("fields").clone();
    let industry = fields.iter().find(|field| field["path"] == "industry").expect("the patched field");
    assert_eq!(
        industry["origin"],
        json!({"layer": "overlay", "file": "envs/prod/t1.yaml", "line": 8, "column": 17})
    );
    estate
        .run(&["plan", "-e", "prod"])
        .ok()
        .stdout_has("industry       Retail            → Toys  (overlay envs/prod/t1.yaml:8:17)");

    estate.synthex(&["apply", "--yes"]).env("SYNTHEX_ENVIRONMENT", "prod").run().ok();
    assert_eq!(tenant(&estate, "contact_email").as_deref(), Some("care@acme.example"));
    assert_eq!(tenant(&estate, "industry").as_deref(), Some("Toys"));
    estate.run(&["plan", "-e", "prod", "--detailed-exitcode"]).ok();
    estate.run(&["plan", "-e", "dev", "--detailed-exitcode"]).code(2);
}

#[test]
fn a_plan_is_bound_to_its_environment() {
    let estate = estate("env_digest");
    estate.project.write(
        "synthex.yaml",
        PROJECT.replace("      overlays: [envs/prod]\n", "").replace("care@", "help@"),
    );
    let digest = |name: &str| estate.plan(&["-e", name])["digest"].clone();
    assert_ne!(digest("prod"), digest("dev"), "the same actions in another environment are another plan");
}

#[test]
fn an_environment_is_never_guessed() {
    let estate = estate("env_named");
    let none = estate.run(&["plan"]).code(3);
    assert!(none.stderr.contains("has environments, and none is named"), "{none}");
    assert!(none.stderr.contains("there are dev, prod"), "{none}");
    estate.run(&["validate"]).code(3);
    estate.run(&["plan", "-e", "prid"]).code(3).stderr_has("did you mean `prod`?");
    estate.synthex(&["validate"]).env("SYNTHEX_ENVIRONMENT", "").run().code(3);
    estate.project.write(
        "synthex.yaml",
        PROJECT.replace("  variables: {DESK: help", "  environment: dev\n  variables: {DESK: help"),
    );
    estate.run(&["validate"]).ok();
    assert_eq!(estate.plan(&[])["base"]["environment"], "dev");
    estate.project.write("synthex.yaml", PROJECT.split("  environments:").next().unwrap_or_default());
    estate.run(&["validate"]).ok();
    estate.run(&["validate", "-e", "prod"]).code(3).stderr_has("the project has no `environments`");
}

#[test]
fn an_environment_says_which_database_and_how_much_may_be_deleted() {
    let estate = estate("env_guards");
    let project = PROJECT
        .replace(
            "    dev: {}\n",
            "    dev: {prune: true, database: {env: DEV_URL}, guards: {maxDeletes: 0}}\n",
        )
        .replace("  workspace: w\n", "  workspace: w\n  database: {env: NOT_SET}\n");
    estate.project.write("synthex.yaml", project);
    let run = |args: &[&str]| {
        estate.project.synthex(args.iter().copied()).env("DEV_URL", estate.database.url()).run()
    };
    run(&["plan", "-e", "prod"]).code(3).stderr_has("NOT_SET");
    run(&["apply", "--yes", "-e", "dev"]).ok();
    estate.project.remove("manifests/T3.yaml");
    run(&["plan", "-e", "dev"]).code(5).stdout_has("delete");
    let relaxed = estate.project.read("synthex.yaml").replace("maxDeletes: 0", "maxDeletePercent: 100");
    estate.project.write("synthex.yaml", relaxed);
    run(&["plan", "-e", "dev"]).ok().stdout_has("1 to delete");
}

#[test]
fn a_manifest_cannot_read_the_environment_of_the_process() {
    let estate = estate("env_secret");
    estate.declare_tenant("T2", &["industry: ${SYNTHEX_SECRET}"]);
    let run = estate.synthex(&["render", "-e", "dev"]).env("SYNTHEX_SECRET", "hunter2").run();
    run.code(3)
        .nowhere("hunter2")
        .stderr_has("the variable `SYNTHEX_SECRET` is not set")
        .stderr_has("T2.yaml:13:13");
}

#[test]
fn a_folder_of_an_overlay_is_no_manifest_of_the_project() {
    let estate = estate("env_folders");
    let project = PROJECT.replace("  workspace: w\n", "  workspace: w\n  manifests: [.]\n");
    estate.project.write("synthex.yaml", project);
    estate.run(&["validate", "-e", "dev"]).ok();
    estate.run(&["validate", "-e", "prod"]).ok();
    // A part of the manifests is patched like all of them, and a patch of another part fits nothing there.
    let part =
        estate.run(&["render", "-e", "prod", "-f", "manifests/w.yaml", "-f", "manifests/T1.yaml"]).ok();
    assert!(part.stdout.contains("industry: Toys"), "{part}");
    estate.run(&["validate", "-e", "prod", "-f", "manifests/w.yaml"]).ok();
    for empty in ["envs/none", "envs"] {
        let project = PROJECT.replace("overlays: [envs/prod]", &format!("overlays: [{empty}]"));
        estate.project.write("synthex.yaml", project);
        std::fs::create_dir_all(estate.project.path().join("envs")).expect("a folder");
        if empty == "envs" {
            estate.project.remove("envs/prod/t1.yaml");
        }
        estate.run(&["plan", "-e", "prod"]).code(3).stderr_has("SX0116");
    }
}

#[test]
fn another_environment_never_finds_what_was_kept_for_this_one() {
    let estate = estate("env_cache");
    let mut rows = "tenantId,name,type,shopifyShop\n".to_owned();
    for number in 0..520 {
        rows.push_str(&format!("R{number:03},${{DESK}},shopify,r{number:03}.myshopify.com\n"));
    }
    estate.project.write("manifests/rows.csv", rows);
    estate.declare("TenantSet", "rows", "{from: {csv: rows.csv}}");
    estate.run(&["apply", "--yes", "-e", "prod"]).ok();
    estate.run(&["plan", "-e", "prod", "--detailed-exitcode"]).ok();
    estate.run(&["plan", "-e", "dev", "--detailed-exitcode"]).code(2).stdout_has("521 to update");
    // What is kept for an environment holds until its patches or variables change.
    estate.project.write("envs/prod/t1.yaml", PATCH.replace("Toys", "Games"));
    estate.run(&["plan", "-e", "prod", "--detailed-exitcode"]).code(2).stdout_has("1 to update");
    estate.project.write("envs/prod/t1.yaml", PATCH);
    estate.run(&["plan", "-e", "prod", "--detailed-exitcode"]).ok();
    estate.project.write("synthex.yaml", PROJECT.replace("care@", "desk@"));
    estate.run(&["plan", "-e", "prod", "--detailed-exitcode"]).code(2).stdout_has("521 to update");
}

#[test]
fn layers_say_who_sets_each_field() {
    let estate = estate("env_layers");
    estate.declare(
        "Workspace",
        "w",
        "{market: ANZ_SMB, region: AU-SE1, defaults: {labels: {office: sydney}, metadata: {source: ws}}}",
    );
    let text = estate.project.read("manifests/w.yaml").replace(", workspace: w}", "}");
    estate.project.write("manifests/w.yaml", text);
    estate.declare("Tenant", "L", "{template: shops, displayName: L, shopifyShop: l.myshopify.com}");
    estate.declare(
        "Tenant",
        "B",
        "{template: shopify-smb-anz, displayName: B, shopifyShop: b.myshopify.com}",
    );
    let patch = "---\napiVersion: synthex.dev/v1\nkind: Patch\nmetadata: {name: shops}\nspec:\n  target: {kind: TenantTemplate, name: shops}\n  \
                 patch: {spec: {defaultMetadata: {currency: NZD}}}\n";
    estate.project.write("envs/prod/t1.yaml", format!("{PATCH}{patch}"));
    let layers = |key: &str| estate.run(&["explain", key, "--layers", "-e", "prod"]).ok();
    let line = |text: &str, field: &str| -> Vec<String> {
        let found = text.lines().find(|line| line.trim_start().starts_with(field));
        found.unwrap_or_else(|| panic!("{field} in {text}")).split_whitespace().map(str::to_owned).collect()
    };
    let one = layers("tenant/T1");
    assert_eq!(line(&one.stdout, "industry"), ["industry", "Toys", "overlay", "envs/prod/t1.yaml:8:17"]);
    assert_eq!(line(&one.stdout, "displayName")[2..], ["manifest", "manifests/T1.yaml:7:16"]);
    assert_eq!(
        line(&one.stdout, "labels.office")[1..],
        ["sydney", "workspace", "w", "manifests/w.yaml:4:69"]
    );
    let of_template = layers("L");
    assert_eq!(line(&of_template.stdout, "type")[2..], ["template", "shops", "manifests/shops.yaml:4:14"]);
    assert_eq!(
        line(&of_template.stdout, "metadata.currency")[1..],
        ["NZD", "template", "shops", "envs/prod/t1.yaml:15:46"]
    );
    assert_eq!(line(&of_template.stdout, "status")[1..], ["active", "default"]);
    assert_eq!(line(&layers("B").stdout, "type")[2..], ["template", "shopify-smb-anz", "(built", "in)"]);
    estate.run(&["explain", "tenant/T11", "--layers", "-e", "prod"]).code(3).stderr_has("did you mean `T1`?");
    estate.run(&["explain", "--layers", "-e", "prod"]).code(3);
}
