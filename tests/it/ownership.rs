//! Whose a row is: export, unmanaged, adopt, taking over from another project, and what looks like a rename.

use std::collections::BTreeMap;

use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use proptest::test_runner::TestRunner;
use serde_json::json;

use crate::support::estate::{Estate, SIZE};
use crate::support::project::{Project, project_yaml, tenant_yaml, workspace_yaml};

/// An estate whose manifests are those that an export wrote.
#[track_caller]
fn re_exported(estate: &Estate, args: &[&str]) {
    let folder = estate.project.path().join("manifests");
    std::fs::remove_dir_all(&folder).unwrap();
    estate.run(&[&["export", "--output", "manifests"], args].concat()).ok();
}

#[test]
fn a_plan_on_what_was_exported_has_no_changes() {
    let estate = Estate::new("export_all");
    estate.declare_tenant(
        "T1",
        &[
            "industry: \"no\"",
            "contact: {phone: \"+61 2 5550 0000\"}",
            "metadata: {a: \"1.10\", b: [x, {c: null}], \"k: v\": \"#\"}",
        ],
    );
    estate.apply().ok();
    let (before, state) = (estate.declared(), estate.state());
    for args in [&[][..], &["--skip-defaults"]] {
        re_exported(&estate, args);
        estate.is_converged();
        let tenants = estate.project.read("manifests/w/tenant.yaml");
        let first = tenants.lines().next().unwrap();
        assert_eq!(first, "# yaml-language-server: $schema=../../schemas/manifest.schema.json");
        assert_eq!(tenants.contains("status: active"), args.is_empty(), "{tenants}");
        assert_eq!(tenants.contains("region:"), args.is_empty(), "{tenants}");
        assert!(tenants.contains("industry: \"no\""), "{tenants}");
        assert!(estate.project.read("manifests/w/credential.yaml").contains("env: C1"));
    }
    assert_eq!((estate.declared(), estate.state()), (before, state), "nothing was written to the database");
    estate
        .run(&["export", "--output", "manifests"])
        .code(3)
        .stderr_has("is there already")
        .stderr_has("--force");
    estate.run(&["export", "--output", "manifests", "--force"]).ok();
    let out = estate.run(&["export", "--kind", "tenant", "--target", "T1"]).ok().stdout_has("name: T1");
    assert!(!out.stdout.contains("T2") && out.stdout.starts_with("# yaml-language-server"), "{out}");
    let all = estate.run(&["export", "--format", "json"]).json();
    assert_eq!(all.as_array().unwrap().len(), SIZE);
    assert_eq!(estate.run(&["export", "--format", "json", "--owned-by", "nobody"]).json(), json!([]));
    estate.run(&["export", "--target", "nothing"]).code(3);
}

#[test]
fn whatever_is_in_the_rows_is_exported_so_that_nothing_changes() {
    let estate = Estate::new("export_props");
    estate.project.write(
        "manifests/w.yaml",
        format!("{}  defaults: {{industry: Usual, metadata: {{w: 1}}}}\n", workspace_yaml("w")),
    );
    estate.declare_tenant("T1", &["template: shops", "metadata: {own: 1}"]);
    estate.declare_tenant("T2", &["template: mixed-multi-brand-anz", "gmcMerchantId: \"5\""]);
    estate.apply().ok();
    let manifests = estate.project.path().join("manifests");
    // Variables that the project sets, sets not, and what only looks like one.
    let texts = vec!["${NAME}", "Hi $${NAME} ${OTHER}", "$$${NAME}", "${", "${a-b}", "$ {NAME} $"];
    let texts =
        [texts, vec!["no", "1.10", "a: b #c", "", "\\u000a\\u0009", "~", "Größe 🛍", "x''y\\\"z"]].concat();
    let file = estate.project.read("synthex.yaml");
    estate
        .project
        .write("synthex.yaml", file.replace("workspace: w,", "workspace: w, variables: {NAME: Ada},"));
    let edits = vec![
        "update synthex.tenants set metadata = '{}'",
        "update synthex.tenants set metadata = '{\"currency\": null, \"w\": 2}' where name = 'T1'",
        "update synthex.tenants set metadata = metadata - 'currency' where name <> 'T3'",
        "update synthex.tenants set status = 'suspended', employee_count = 0, protected = true where name = 'T3'",
        "update synthex.tenants set deleted_at = now() where name = 'T3'",
        "update synthex.notification_channels set rate_limit_per_minute = null, send_resolved = false",
        "update synthex.alert_rules set reminder = null, severity = 'critical', time_zone = 'Europe/Berlin'",
        "update synthex.credentials set declared_expires_at = '2030-01-02 03:04:05.000006+01'",
        "update synthex.tenant_templates set setup_steps = '[\"no\", \"1.10\", \"- x\"]', default_metadata = '{\"new\": [1]}'",
        "update synthex.workspaces set defaults = '{}'",
        "update synthex.tenants set labels = '{\"l\": \"${NAME}\"}', display_name = '$${NAME}', industry = '${X}' where name = 'T2'",
        "update synthex.workspaces set defaults = '{\"metadata\": {\"m\": \"$${M}\"}}'",
        "update synthex.alert_rules set description = 'for ${NAME}', labels = '{\"l\": \"$${X}\"}'",
    ];
    let count = edits.len();
    let strategy = (subsequence(edits, 0..=count), select(texts), any::<bool>());
    let check = |(edits, text, slim): (Vec<&str>, &str, bool)| {
        for edit in edits {
            estate.database.sql(edit);
        }
        estate.database.sql(&format!(
            "update synthex.tenants set metadata = metadata || '{{\"t{text}\": [\"{text}\"], \"u\": \"{text}\"}}' where name = 'T1'"
        ));
        let _none = std::fs::remove_dir_all(&manifests);
        let slim: &[&str] = if slim { &["--skip-defaults"] } else { &[] };
        let exported = estate.run(&[&["export", "--output", "manifests"], slim].concat()).ok();
        assert!(!exported.stderr.contains("a plan would"), "{exported}");
        estate.is_converged();
        Ok(())
    };
    let config = ProptestConfig { cases: 20, failure_persistence: None, ..ProptestConfig::default() };
    TestRunner::new(config).run(&strategy, check).expect("it holds");
}

#[test]
fn what_no_manifest_can_say_is_said_in_a_comment() {
    let estate = Estate::new("export_odd");
    let labels = "defaults: {labels: {tier: gold}, industry: Usual}";
    estate.project.write("manifests/w.yaml", format!("{}  {labels}\n", workspace_yaml("w")));
    estate.declare_tenant("T1", &["template: shopify-smb-anz"]);
    estate.apply().ok();
    estate.database.sql(
        "update synthex.tenants set shopify_shop = null where name = 'T1'; \
         update synthex.tenants set labels = '{}', industry = null where name = 'T2'; \
         update synthex.tenants set template = 'gone' where name = 'T3'; \
         update synthex.notification_channels set slack = '{\"webhookUrl\": \"https://canary.example\"}' where name = 'chat'",
    );
    let out = estate.run(&["export"]).ok().nowhere("canary");
    for text in [
        "# the row names template shopify-smb-anz, this manifest cannot: template `shopify-smb-anz` requires `shopifyShop`",
        "# the row lacks what the workspace gives to its tenants, and a plan would add it: labels.tier, industry",
        "# the row names template gone, this manifest cannot: there is no such template",
        "# slack.webhookUrl holds something else than a reference to a secret",
    ] {
        assert!(out.stdout.contains(text), "{text}\n{out}");
    }
    assert!(out.stderr.contains("warning: tenant/w/T1: the row names"), "{out}");
}

const BY_HAND: &str = "insert into synthex.tenants (workspace, name, display_name, type, market, region, shopify_shop, labels, metadata, owner) values \
     ('w', 'HAND', 'Hand', 'shopify', 'ANZ_SMB', 'NZ-NR1', 'hand.myshopify.com', '{\"team\": \"x\", \"l\": \"${X}\"}', '{\"n\": 1.5, \"tpl\": \"Hi ${NAME}\"}', null), \
     ('w', 'MADE', 'no', 'shopify', 'ANZ_SMB', 'AU-SE1', null, '{}', '{}', 'cli'), \
     ('w', 'THEIRS', 'Theirs', 'shopify', 'ANZ_SMB', 'AU-SE1', null, '{}', '{}', 'other'); \
     insert into synthex.workspaces (name, market, region) values ('v', 'UK_SMB', 'EU-WE1'); \
     insert into synthex.tenants (workspace, name, display_name, type, market, region) values ('v', 'UK1', 'One', 'mixed', 'UK_SMB', 'EU-WE1'); \
     insert into synthex.credentials (workspace, name, tenant, service, renewal, secret_ref) values ('v', 'k', 'UK1', 'shopify', 'none', '{\"env\": \"K\"}')";

#[test]
fn what_no_manifest_declares_is_listed_by_owner() {
    let estate = Estate::applied("unmanaged");
    estate
        .run(&["unmanaged", "--detailed-exitcode"])
        .ok()
        .stdout_has("Everything in the database is declared.");
    estate.database.sql(BY_HAND);
    estate.project.remove("manifests/T3.yaml");
    let document = estate.run(&["unmanaged", "--format", "json", "--detailed-exitcode"]).code(2).json();
    let listed: Vec<(String, String)> = document["unmanaged"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| (row["whose"].as_str().unwrap().to_owned(), row["key"].as_str().unwrap().to_owned()))
        .collect();
    let expected = [
        ("nobody", "workspace/v"),
        ("nobody", "tenant/v/UK1"),
        ("nobody", "tenant/w/HAND"),
        ("nobody", "credential/v/k"),
        ("commands", "tenant/w/MADE"),
        ("own", "tenant/w/T3"),
        ("other", "tenant/w/THEIRS"),
    ];
    assert_eq!(listed, expected.map(|(whose, key)| (whose.to_owned(), key.to_owned())));
    assert_eq!(document["summary"], json!({"nobody": 4, "commands": 1, "own": 1, "other": 1}));
    estate
        .run(&["unmanaged"])
        .ok()
        .stdout_has("synthex adopt --write DIR")
        .stdout_has("Of project other")
        .stdout_has("7 resources are in the database");
    let only = estate.run(&["unmanaged", "--owner", "cli", "-l", "market=ANZ_SMB"]).ok().stdout_has("MADE");
    assert!(!only.stdout.contains("HAND"), "{only}");
    estate.run(&["unmanaged", "--target", "nothing"]).code(3);
}

#[test]
fn adopting_writes_manifests_and_changes_no_field() {
    let estate = Estate::applied("adopt");
    estate.database.sql(BY_HAND);
    let rows = "select (to_jsonb(t) - '{owner,digest,revision,updated_at,touched_at,touched_by}'::text[])::text from synthex.tenants t order by 1";
    let before = estate.database.query_strings(rows);
    let state = estate.state();
    estate
        .run(&["adopt", "--write", "manifests/new", "--dry-run"])
        .ok()
        .stdout_has("= tenant/w/HAND")
        .stderr_has("would write  manifests/new/w/tenant.yaml");
    assert!(!estate.project.path().join("manifests/new").exists());
    assert_eq!(estate.state(), state);
    // Without consent nothing is left behind.
    estate.run(&["adopt", "--write", "manifests/new"]).code(3).stderr_has("--yes");
    assert!(!estate.project.path().join("manifests/new").exists());

    estate
        .run(&["adopt", "-l", "team=x", "--write", "manifests/new", "--yes"])
        .ok()
        .stdout_has("1 adopts an existing row");
    estate.is_converged();
    estate
        .run(&["adopt", "-l", "name!=x", "--write", "manifests/new", "--yes"])
        .code(5)
        .stderr_has("belongs to project `other`");
    estate
        .run(&["adopt", "--target", "MADE", "--write", "manifests/new", "--yes"])
        .code(3)
        .stderr_has("is there already");
    // What a row needs comes with it: here the tenant and the workspace.
    estate
        .run(&["adopt", "--target", "credential/k", "--write", "manifests/more", "--yes"])
        .ok()
        .stdout_has("= workspace/v");
    estate.run(&["adopt", "--write", "manifests/rest", "--yes"]).ok().stdout_has("= tenant/w/MADE");
    estate.is_converged();
    estate.run(&["drift", "--detailed-exitcode", "--full"]).ok();
    assert_eq!(estate.database.query_strings(rows), before, "no field changed");
    let owners = "select string_agg(name || '=' || owner, ' ' order by name) from synthex.tenants where name !~ '^T[123]$'";
    assert_eq!(estate.value(owners).unwrap(), "HAND=test MADE=test THEIRS=other UK1=test");
    estate.run(&["adopt", "--write", "manifests/x", "--yes"]).ok().stderr_has("nothing to adopt");
    // From another project only on demand.
    estate
        .run(&["adopt", "--target", "THEIRS", "--write", "manifests/x", "--yes"])
        .code(5)
        .stdout_has("SX0502");
    assert!(!estate.project.path().join("manifests/x").exists());
    estate
        .run(&[
            "adopt",
            "--target",
            "THEIRS",
            "--write",
            "manifests/x",
            "--yes",
            "--take-ownership",
            "tenant/THEIRS",
        ])
        .ok();
    estate.is_converged();
}

#[test]
fn an_adoption_that_fails_leaves_no_manifest() {
    let estate = Estate::applied("adopt_fails");
    estate.database.sql(BY_HAND);
    let state = estate.declared();
    let folder = estate.project.path().join("manifests/new");
    estate.trigger("tenants", "update", "new.owner = 'test'", "raise exception 'no';");
    estate.run(&["adopt", "--target", "HAND", "--write", "manifests/new", "--yes"]).code(1);
    assert!(!folder.exists(), "the files were taken back");
    estate.untrigger("tenants");
    // A value that no manifest can hold.
    estate.database.sql("update synthex.tenants set contact_email = 'none' where name = 'HAND'");
    estate
        .run(&["adopt", "--target", "HAND", "--write", "manifests/new", "--yes"])
        .code(3)
        .stderr_has("not an e-mail address");
    assert!(!folder.exists());
    estate.database.sql("update synthex.tenants set contact_email = null where name = 'HAND'");
    // A label that the workspace would add is a change, and adopting makes none.
    estate.project.write(
        "manifests/w.yaml",
        format!("{}  defaults: {{labels: {{tier: gold}}}}\n", workspace_yaml("w")),
    );
    estate
        .run(&["adopt", "--target", "HAND", "--write", "manifests/new", "--yes"])
        .code(5)
        .stderr_has("tenant/w/HAND: labels.tier");
    assert!(!folder.exists());
    assert_eq!(estate.declared(), state);
    estate.project.write("manifests/w.yaml", workspace_yaml("w"));
    estate
        .run(&["adopt", "--target", "HAND", "--write", "elsewhere", "--yes"])
        .ok()
        .stderr_has("is not among the project's manifests");
}

#[test]
fn a_resource_is_taken_over_only_where_it_is_named() {
    let estate = Estate::applied("take_over");
    let second = Project::empty();
    let file = project_yaml("second").replace("spec: {}", "spec: {workspace: w}");
    second.write("synthex.yaml", file);
    second.write("manifests/w.yaml", workspace_yaml("w"));
    second.write("manifests/T1.yaml", tenant_yaml("T1", "w").replace("active", "inactive"));
    let run = |args: &[&str]| second.synthex(args.iter().copied()).database(&estate.database).run();
    run(&["plan"]).code(5).stdout_has("SX0502");
    run(&["plan", "--take-ownership", "tenant/T1"])
        .code(5)
        .stdout_has("workspace/w belongs to project `test`");
    let both = ["--take-ownership", "tenant/T1", "--take-ownership", "workspace/w"];
    run(&[&["plan"][..], &both].concat())
        .ok()
        .stdout_has("taken over from project test")
        .stdout_has("status  active → inactive");
    run(&[&["apply", "--yes"][..], &both].concat()).ok();
    run(&["plan", "--detailed-exitcode"]).ok();
    assert_eq!(estate.value("select owner from synthex.tenants where name = 'T1'").unwrap(), "second");
    // For the first project it is another's now; and no drift, since synthex did it.
    estate.run(&["plan"]).code(5).stdout_has("belongs to project `second`");
    estate.run(&["drift", "--detailed-exitcode", "--full"]).ok();
}

#[test]
fn two_manifests_of_one_resource_are_both_named() {
    let estate = Estate::new("two_manifests");
    estate.project.write("manifests/again.yaml", format!("# again\n{}", tenant_yaml("T1", "w")));
    let outcome = estate.run(&["plan"]).code(3);
    for place in ["SX0201", "manifests/T1.yaml:4:9", "manifests/again.yaml:5:9"] {
        assert!(outcome.stderr.contains(place), "{place}\n{outcome}");
    }
}

#[test]
fn what_looks_like_a_rename_is_pointed_out_and_refused_on_demand() {
    let estate = Estate::new("suspects");
    estate.declare_tenant("T3", &["gmcMerchantId: \"77\""]);
    estate.apply().ok();
    let mut cases: BTreeMap<&str, String> = BTreeMap::new();
    cases.insert(
        "shopifyShop t3.myshopify.com",
        tenant_yaml("NEW", "w").replace("new.myshopify", "t3.myshopify"),
    );
    cases.insert("gmcMerchantId 77", format!("{}  gmcMerchantId: \"77\"\n", tenant_yaml("NEW", "w")));
    estate.project.remove("manifests/T3.yaml");
    let state = estate.state();
    for (what, manifest) in cases {
        estate.project.write("manifests/NEW.yaml", manifest);
        for prune in [&[][..], &["--prune"]] {
            let args = |words: &[&'static str]| [words, prune].concat();
            let plan = estate.run(&args(&["plan", "--format", "json"])).ok().json();
            assert!(plan["summary"]["create"] == 1, "{plan:#}");
            let refused = estate.run(&args(&["plan", "--guard", "rename"])).code(5);
            let refused = refused.stdout_has("SX0505").stdout_has(what);
            refused
                .stdout_has("tenant/w/NEW looks like tenant/w/T3 under a new name")
                .stdout_has("{from: tenant/w/T3, to: tenant/w/NEW}");
            estate.run(&args(&["apply", "--yes", "--guard", "rename"])).code(5);
            assert_eq!(estate.declared().len(), SIZE);
        }
    }
    let rows = |state: &[String]| {
        state.iter().filter(|row| row.starts_with("tenants ")).cloned().collect::<Vec<_>>()
    };
    assert_eq!(rows(&estate.state()), rows(&state), "nothing was changed");
    // Another shop is another tenant.
    estate.project.write("manifests/NEW.yaml", tenant_yaml("NEW", "w"));
    estate.run(&["plan", "--guard", "rename"]).ok();
}
