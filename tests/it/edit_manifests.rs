//! `--write`: a command changes the manifest that declares a resource, and nothing else in it.

use serde_json::Value;

use crate::support::cli::Outcome;
use crate::support::database::TestDatabase;
use crate::support::project::{Project, project_yaml};

const WORKSPACE: &str = "\
apiVersion: synthex.dev/v1
kind: Workspace
metadata: {name: w}
spec: {market: ANZ_SMB, region: AU-SE1, defaults: {labels: {team: all}, metadata: {currency: AUD}}}
";

const TENANTS: &str = "\
# Our own clients
apiVersion: synthex.dev/v1
kind: Tenant
metadata:
  name: T1   # do not rename
  labels: {tier: gold}
spec:
  displayName: 'Acme Corp'
  # they moved in June
  region: AU-SE1 # was NZ

  type: shopify
  shopifyShop: acme.myshopify.com
---
apiVersion: synthex.dev/v1
kind: Tenant
metadata: {name: T2}
spec: {displayName: Second, type: shopify, shopifyShop: second.myshopify.com}
";

const SET: &str = "\
apiVersion: synthex.dev/v1
kind: TenantSet
metadata: {name: clients, labels: {tier: silver}}
spec: {from: {csv: clients.csv}}
---
apiVersion: synthex.dev/v1
kind: TenantSet
metadata: {name: more}
spec:
  from:
    rows:
      # by hand
      - {tenantId: R1, name: One, type: shopify, shopifyShop: r1.myshopify.com}
      - tenantId: R2
        name: Two # the second
        type: shopify
        shopifyShop: r2.myshopify.com
";

const TABLE: &str = "tenantId,name,type,shopifyShop\r\nC1,\"Cee, Ltd\",shopify,c1.myshopify.com\r\nC2,Two,shopify,c2.myshopify.com\r\n";

struct Stage {
    project: Project,
    database: TestDatabase,
}

impl Stage {
    #[track_caller]
    fn new(name: &str) -> Self {
        let project = Project::new();
        let environments = "spec: {workspace: w, environment: dev, environments: {dev: {}, prod: {overlays: [prod], variables: {SHOP: x}}}, variables: {INDUSTRY: Retail}}";
        project.write("synthex.yaml", project_yaml("test").replace("spec: {}", environments));
        project.write("manifests/w.yaml", WORKSPACE);
        project.write("manifests/tenants.yaml", TENANTS);
        project.write("manifests/set.yaml", SET);
        project.write("manifests/clients.csv", TABLE);
        let stage = Self { project, database: TestDatabase::new(name) };
        stage.run(&["apply", "--yes"]).ok();
        stage
    }

    #[track_caller]
    fn run(&self, args: &[&str]) -> Outcome {
        self.project.synthex(args.iter().copied()).database(&self.database).run()
    }

    #[track_caller]
    fn update(&self, tenant: &str, args: &[&str]) -> Outcome {
        self.run(&[&["batch", "tenants", "update", "--tenant-ids", tenant], args].concat())
    }

    #[track_caller]
    fn tenants_are(&self, text: &str) {
        assert_eq!(self.project.read("manifests/tenants.yaml"), text);
    }
}

#[test]
fn the_manifest_is_changed_and_the_database_is_not() {
    let stage = Stage::new("edit_write");
    let fields =
        ["--status", "inactive", "--set", "region=NZ-NR1", "--set", "contact.email=ops@acme.example"];
    stage
        .update("T1", &fields)
        .code(5)
        .stderr_has("tenant/w/T1 is declared at manifests/tenants.yaml:2:1")
        .stderr_has("--write");
    stage
        .update("T1", &[&fields[..], &["--write"]].concat())
        .code(3)
        .stderr_has("there is no terminal to ask on");
    let dry = stage.update("T1", &[&fields[..], &["--write", "--dry-run"]].concat()).ok();
    dry.stdout_has("-  region: AU-SE1 # was NZ\n+  region: NZ-NR1 # was NZ\n");
    stage.tenants_are(TENANTS);
    stage
        .update(
            "T1",
            &[&fields[..], &["--set", "metadata.brand=acme", "--unset", "labels.tier", "--write", "--yes"]]
                .concat(),
        )
        .ok()
        .stdout_has("Changed 1 file; the database is as it was. Next: synthex plan");
    stage.tenants_are(
        &TENANTS
            .replace("  labels: {tier: gold}\n", "")
            .replace("region: AU-SE1 #", "region: NZ-NR1 #")
            .replace(
                "acme.myshopify.com\n",
                "acme.myshopify.com\n  status: inactive\n  contact:\n    email: ops@acme.example\n  metadata:\n    brand: acme\n",
            ),
    );
    stage.run(&["tenant", "tenants", "get", "T1"]).ok().stdout_has("active");
    let plan = stage.run(&["plan"]).ok();
    plan.stdout_has("1 to update");
    stage.run(&["apply", "--yes"]).ok();
    stage
        .update("T1", &["--status", "inactive", "--write", "--yes"])
        .ok()
        .stderr_has("The manifests say so already.");
}

#[test]
fn rows_are_changed_where_they_stand() {
    let stage = Stage::new("edit_rows");
    let write = ["--write", "--yes"];
    stage.update("C1", &[&["--status", "suspended", "--set", "displayName=Cee"], &write[..]].concat()).ok();
    assert_eq!(
        stage.project.read("manifests/clients.csv"),
        "tenantId,name,type,shopifyShop,status\r\nC1,\"Cee\",shopify,c1.myshopify.com,suspended\r\nC2,Two,shopify,c2.myshopify.com,\r\n"
    );
    // A spreadsheet must not run a cell; who reads the table does not see the apostrophe.
    stage.update("C2", &[&["--set", "contact.phone=+61 2 5550 0001"], &write[..]].concat()).ok();
    let table = stage.project.read("manifests/clients.csv");
    assert!(table.contains("c2.myshopify.com,,\"'+61 2 5550 0001\"\r\n"), "{table}");
    let rendered = stage.run(&["render"]).ok();
    rendered.stdout_has("+61 2 5550 0001").nowhere("'+61 2 5550 0001\"");
    stage.project.write(
        "manifests/clients.csv",
        table
            .replace(",phone", "")
            .replace(",\"'+61 2 5550 0001\"", "")
            .replace("suspended,\r", "suspended\r"),
    );
    stage.update("R1", &[&["--set", "contact.phone=+61 2 5550 0000"], &write[..]].concat()).ok();
    stage
        .update("R2", &[&["--set", "displayName=Zwei", "--set", "employeeCount=7"], &write[..]].concat())
        .ok();
    assert_eq!(
        stage.project.read("manifests/set.yaml"),
        SET.replace("r1.myshopify.com}", "r1.myshopify.com, phone: \"+61 2 5550 0000\"}")
            .replace("name: Two #", "name: Zwei #")
            .replace("r2.myshopify.com\n", "r2.myshopify.com\n        employeeCount: 7\n")
    );
    stage
        .update("C2", &[&["--unset", "labels.tier"], &write[..]].concat())
        .code(5)
        .stderr_has("its TenantSet gives it to all of them");
    stage
        .update("C2", &[&["--unset", "labels.team"], &write[..]].concat())
        .code(5)
        .stderr_has("the workspace gives it; change it there (manifests/w.yaml:4:");
    stage.run(&["plan"]).ok().stdout_has("3 to update");
}

#[test]
fn a_field_is_changed_where_it_gets_its_value() {
    let stage = Stage::new("edit_layers");
    let patch = "\
apiVersion: synthex.dev/v1
kind: Patch
metadata: {name: p}
spec:
  target: {kind: Tenant, name: T2}
  patch:
    spec:
      website: https://prod.example # only here
---
apiVersion: synthex.dev/v1
kind: Patch
metadata: {name: all}
spec: {target: {kind: Tenant, name: 'T*'}, patch: {labels: {env: prod}}}
";
    stage.project.write("prod/p.yaml", patch);
    let tenants =
        TENANTS.replace("{displayName: Second,", "{displayName: Second, industry: \"${INDUSTRY}\",");
    stage.project.write("manifests/tenants.yaml", &tenants);
    stage.run(&["apply", "--yes", "--environment", "prod"]).ok();
    let write = ["--write", "--yes", "--environment", "prod"];
    stage.update("T2", &[&["--set", "website=https://new.example"], &write[..]].concat()).ok();
    assert_eq!(
        stage.project.read("prod/p.yaml"),
        patch.replace("https://prod.example", "https://new.example")
    );
    stage.tenants_are(&tenants);
    stage
        .update("T2", &[&["--set", "labels.env=test"], &write[..]].concat())
        .code(5)
        .stderr_has("is set by a patch that is of more than this one resource")
        .stderr_has("prod/p.yaml:13:");
    // A variable is written out, and that is said; what the workspace gives is overridden or denied in the tenant.
    stage
        .update(
            "T2",
            &[&["--set", "industry=It costs ${5}", "--unset", "metadata.currency"], &write[..]].concat(),
        )
        .ok()
        .stderr_has("`industry` was `${INDUSTRY}`");
    stage.tenants_are(
        &tenants
            .replace("\"${INDUSTRY}\"", "\"It costs $${5}\"")
            .replace("second.myshopify.com}", "second.myshopify.com, metadata: {currency: null}}"),
    );
    stage.run(&["apply", "--yes", "--environment", "prod"]).ok();
}

#[test]
fn json_holds_the_files_and_their_diffs_and_failures_too() {
    let stage = Stage::new("edit_json");
    let json = ["--write", "--yes", "--format", "json"];
    let document = stage.update("T2", &[&["--status", "inactive"], &json[..]].concat()).json();
    assert_eq!(document["written"], Value::Bool(true));
    assert_eq!(document["next"], "synthex plan");
    assert_eq!(document["files"][0]["path"], "manifests/tenants.yaml");
    assert_eq!(document["files"][0]["action"], "changed");
    let diff = document["files"][0]["diff"].as_str().unwrap();
    assert!(diff.starts_with("--- manifests/tenants.yaml\n+++ manifests/tenants.yaml\n@@ "), "{diff}");
    assert!(
        diff.contains(
            "+spec: {displayName: Second, type: shopify, shopifyShop: second.myshopify.com, status: inactive}"
        ),
        "{diff}"
    );
    let failed = stage.update("T2", &[&["--unset", "labels.team"], &json[..]].concat());
    let failed: Value = serde_json::from_str(&failed.code(5).stdout).unwrap();
    assert_eq!(failed["error"]["code"], "unwritable");
}

#[test]
fn bad_wishes_are_refused_and_nothing_is_written() {
    let stage = Stage::new("edit_bad");
    let write = ["--write", "--yes"];
    stage
        .update("T1", &["--write", "--force", "--status", "active"])
        .code(3)
        .stderr_has("cannot be used with");
    stage
        .update("T1", &[&["--set", "regoin=x"], &write[..]].concat())
        .code(3)
        .stderr_has("did you mean `region`?");
    stage
        .update("T1", &[&["--set", "region=AU"], &write[..]].concat())
        .code(3)
        .stderr_has("`region` cannot be \"AU\"");
    stage.update("T9", &[&["--status", "active"], &write[..]].concat()).code(3).stderr_has("did you mean `T");
    stage.update("T1", &write).code(3).stderr_has("no change is named");
    stage
        .update("T1", &[&["--set", "template=nothing"], &write[..]].concat())
        .code(3)
        .stderr_has("there is no template `nothing`");
    stage.project.write("manifests/bad.yaml", "kind: [\n");
    stage
        .update("T1", &[&["--status", "inactive"], &write[..]].concat())
        .code(3)
        .stderr_has("manifests/bad.yaml");
    stage.project.remove("manifests/bad.yaml");
    stage.tenants_are(TENANTS);
    // What an anchor shares cannot be changed in one place.
    let shared = TENANTS
        .replace("region: AU-SE1", "region: &r AU-SE1")
        .replace("type: shopify\n", "type: shopify\n  industry: *r\n");
    stage.project.write("manifests/tenants.yaml", &shared);
    stage
        .update("T1", &[&["--set", "region=NZ-NR1"], &write[..]].concat())
        .code(5)
        .stderr_has("an alias (`*`) uses it elsewhere")
        .stderr_has("manifests/tenants.yaml:10:14");
    stage.tenants_are(&shared);
}
