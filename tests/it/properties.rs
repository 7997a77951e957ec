//! What holds for any two sets of manifests: planning and applying leads from one to the other, in memory and in
//! PostgreSQL; nothing is left to do afterwards; the order of the input never matters; what was done can be taken back.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use proptest::collection::btree_map;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::TestRunner;
use serde_json::Value;
use synthex::manifest::{Catalog, Origins, load, project};
use synthex::model::files::{RowFileError, RowFiles};
use synthex::model::{Digest, ResourceKey, SourceFile};
use synthex::plan::{Action, ActionKind, Desired, Head, Observed, Plan, Row, plan};

use crate::support::estate::Estate;
use crate::support::project::{project_yaml, workspace_yaml};

/// What one tenant declares.
#[derive(Clone, Debug, PartialEq)]
struct Tenant {
    status: &'static str,
    industry: Option<&'static str>,
    labels: BTreeMap<&'static str, &'static str>,
    metadata: BTreeMap<&'static str, i64>,
    credential: Option<&'static str>,
}

/// What one channel declares: a limit, and a fallback on the channel before it.
#[derive(Clone, Debug, PartialEq)]
struct Channel {
    limit: Option<u16>,
    falls_back: bool,
}

/// Everything that is declared in the workspace `w`.
#[derive(Clone, Debug, PartialEq)]
struct World {
    tenants: BTreeMap<&'static str, Tenant>,
    channels: BTreeMap<&'static str, Channel>,
}

fn worlds() -> impl Strategy<Value = World> {
    let texts = select(vec!["Retail", "no", "a \"b\" 'c' \\ #d", "Größe", "x: y"]);
    let labels = btree_map(select(vec!["tier", "team"]), select(vec!["gold", "x"]), 0..2);
    let metadata = btree_map(select(vec!["a", "b", "c"]), any::<i32>().prop_map(i64::from), 0..3);
    let tenant = (
        select(vec!["active", "inactive", "suspended"]),
        option::of(texts),
        labels,
        metadata,
        option::of(select(vec!["A", "B"])),
    );
    let tenant = tenant.prop_map(|(status, industry, labels, metadata, credential)| Tenant {
        status,
        industry,
        labels,
        metadata,
        credential,
    });
    let channel =
        (option::of(1..100_u16), any::<bool>()).prop_map(|(limit, falls_back)| Channel { limit, falls_back });
    let tenants = btree_map(select(vec!["T1", "T2", "t-3", "T.4", "9"]), tenant, 0..5);
    let channels = btree_map(select(vec!["z", "m", "a"]), channel, 0..3);
    (tenants, channels).prop_map(|(tenants, channels)| World { tenants, channels })
}

impl World {
    /// One manifest for each resource.
    fn manifests(&self) -> Vec<String> {
        let head = |kind: &str, name: &str, labels: &str| {
            format!(
                "apiVersion: synthex.dev/v1\nkind: {kind}\nmetadata: {{name: \"{name}\", workspace: w, labels: {labels}}}\n"
            )
        };
        let mut all = vec![workspace_yaml("w")];
        for (name, tenant) in &self.tenants {
            let mut text = head("Tenant", name, &json(&tenant.labels));
            let (status, metadata) = (tenant.status, json(&tenant.metadata));
            let fixed = "displayName: x, type: shopify, market: ANZ_SMB, region: AU-SE1";
            let _ = write!(text, "spec: {{{fixed}, status: {status}, metadata: {metadata}");
            if let Some(industry) = tenant.industry {
                let _ = write!(text, ", industry: {}", json(&industry));
            }
            text.push_str("}\n");
            all.push(text);
            if let Some(env) = tenant.credential {
                let spec =
                    format!("spec: {{tenant: \"{name}\", service: shopify, secretRef: {{env: {env}}}}}\n");
                all.push(head("Credential", &format!("of-{name}"), "{}") + &spec);
            }
        }
        let mut before = None;
        for (name, channel) in &self.channels {
            let mut spec = "spec: {type: console".to_owned();
            if let Some(limit) = channel.limit {
                let _ = write!(spec, ", rateLimitPerMinute: {limit}");
            }
            if let Some(before) = before.filter(|_| channel.falls_back) {
                let _ = write!(spec, ", fallback: {before}");
            }
            all.push(head("NotificationChannel", name, "{}") + &spec + "}\n");
            before = Some(name);
        }
        all
    }

    /// The catalog of the manifests in this order.
    fn catalog(&self, reversed: bool) -> Catalog {
        let file = project_yaml("test").replace("{}", "{workspace: w}");
        let project =
            project::parse(SourceFile::new("synthex.yaml".to_owned(), file.into())).expect("a project");
        let mut texts = self.manifests();
        if reversed {
            texts.reverse();
        }
        let files = texts.into_iter().enumerate();
        let files =
            files.map(|(index, text)| SourceFile::new(format!("{index}.yaml"), text.into())).collect();
        let loaded = load(project, files, &NoRows, 1);
        assert!(loaded.diagnostics.is_empty(), "{:?}\n{self:#?}", loaded.diagnostics);
        loaded.catalog
    }
}

struct NoRows;

impl RowFiles for NoRows {
    fn read(&self, _: &str, reference: &str) -> Result<SourceFile, RowFileError> {
        panic!("nothing names {reference}")
    }
}

/// JSON, which is YAML in flow style.
fn json(value: &impl serde::Serialize) -> String {
    serde_json::to_string(value).expect("JSON")
}

/// A database in memory.
#[derive(Clone, Debug, Default)]
struct Memory(BTreeMap<ResourceKey, Stored>);

#[derive(Clone, Debug, PartialEq)]
struct Stored {
    canonical: Value,
    digest: Option<Digest>,
    revision: i64,
    deleted: bool,
}

impl Memory {
    fn observed(&self) -> Observed {
        let heads = self.0.iter().map(|(key, row)| Head {
            key: key.clone(),
            digest: row.digest,
            revision: row.revision,
            owner: Some("test".into()),
            touched: false,
            deleted: row.deleted,
            protected: false,
        });
        let rows = self.0.iter().map(|(key, row)| {
            let (touched_at, touched_by) = (None, None);
            let canonical = row.canonical.clone();
            let (owner, deleted) = (Some("test".to_owned()), row.deleted);
            (key.clone(), Row { key: key.clone(), canonical, owner, deleted, touched_at, touched_by })
        });
        Observed { heads: heads.collect(), rows: rows.collect(), ..Observed::nothing() }
    }

    fn plan(&self, catalog: &Catalog) -> Plan {
        let desired = Desired { prune: true, ..Desired::new("test", &catalog.entries) };
        plan(&desired, &self.observed(), &mut Origins::new(catalog))
    }

    fn execute<'a>(&mut self, actions: impl IntoIterator<Item = &'a Action>) {
        for action in actions {
            let row = self.0.get(&action.key);
            assert_eq!(row.map(|row| row.revision), action.revision, "{} is as it was planned", action.key);
            let value = |text: &str| serde_json::from_str::<Value>(text).expect("JSON");
            let stored = Stored {
                canonical: match action.kind {
                    ActionKind::Delete => row.expect("a row").canonical.clone(),
                    _ => value(action.after.as_deref().expect("a spec")),
                },
                digest: if action.kind == ActionKind::Delete {
                    row.expect("a row").digest
                } else {
                    action.digest
                },
                revision: action.revision.unwrap_or_default() + 1,
                deleted: action.kind == ActionKind::Delete,
            };
            self.0.insert(action.key.clone(), stored);
        }
    }

    /// What lives, by key.
    fn living(&self) -> BTreeMap<String, Value> {
        let living = self.0.iter().filter(|(_, row)| !row.deleted);
        living.map(|(key, row)| (key.to_string(), row.canonical.clone())).collect()
    }
}

fn declared(catalog: &Catalog) -> BTreeMap<String, Value> {
    let value = |text: &str| serde_json::from_str(text).expect("JSON");
    catalog.entries.iter().map(|entry| (entry.key.to_string(), value(&entry.canonical))).collect()
}

fn config(cases: u32) -> ProptestConfig {
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}

#[test]
fn a_plan_leads_from_any_state_to_any_other_and_back() {
    let check = |(first, second, third): (World, World, World)| {
        let mut memory = Memory::default();
        for world in [&first, &second, &third] {
            let catalog = world.catalog(false);
            let plan = memory.plan(&catalog);
            // The order of the input does not matter, not even for the order of execution.
            let shuffled = memory.plan(&world.catalog(true));
            assert_eq!(plan.digest(), shuffled.digest());
            let keys = |plan: &Plan| plan.actions.iter().map(|action| action.key.clone()).collect::<Vec<_>>();
            assert_eq!(keys(&plan), keys(&shuffled));

            let before = memory.clone();
            memory.execute(&plan.actions);
            assert_eq!(memory.living(), declared(&catalog), "apply(diff(a, b), a) == b");
            let again = memory.plan(&catalog);
            assert!(again.is_empty() && again.unchanged == catalog.entries.len(), "diff(b, b) is empty");

            let mut back = memory.clone();
            let inverses: Vec<Action> = plan
                .actions
                .iter()
                .rev()
                .map(|action| action.inverse(back.0[&action.key].revision))
                .collect();
            back.execute(&inverses);
            assert_eq!(back.living(), before.living(), "the inverses lead back");
            for (action, inverse) in plan.actions.iter().rev().zip(&inverses) {
                let twice = inverse.inverse(0);
                assert_eq!((&twice.before, &twice.after), (&action.before, &action.after));
                assert_eq!(twice.digest, action.after.as_ref().map(|after| Digest::of(after.as_bytes())));
                let fields = |action: &Action| {
                    let fields = action.changes.iter();
                    fields
                        .map(|change| (change.field(), change.before.clone(), change.after.clone()))
                        .collect::<Vec<_>>()
                };
                assert_eq!(fields(&twice), fields(action));
            }
            let redone: Vec<Action> =
                inverses.iter().rev().map(|inverse| inverse.inverse(back.0[&inverse.key].revision)).collect();
            back.execute(&redone);
            assert_eq!(back.living(), memory.living(), "the inverse of the inverse is what was done");
        }
        Ok(())
    };
    let mut runner = TestRunner::new(config(100));
    runner.run(&(worlds(), worlds(), worlds()), check).expect("it holds");
}

#[test]
fn an_apply_makes_postgresql_as_declared_whatever_was_there() {
    let estate = Estate::new("properties");
    let synthex = |args: &[&str]| estate.synthex(args).run();
    let write = |world: &World| {
        let _none = std::fs::remove_dir_all(estate.project.path().join("manifests"));
        for (index, text) in world.manifests().iter().enumerate() {
            estate.project.write(&format!("manifests/{index}.yaml"), text);
        }
    };
    let edits = select(vec![
        "select 1",
        "update synthex.tenants set status = 'inactive', metadata = '{\"a\": 0}'",
        "delete from synthex.credentials",
        "update synthex.notification_channels set rate_limit_per_minute = null, touched_at = null",
        "update synthex.tenants set deleted_at = now() where name < 'T2'",
    ]);
    let check = |(world, edit): (World, &str)| {
        write(&world);
        synthex(&["apply", "--yes", "--prune"]).ok();
        let found = estate.database.query_strings(
            "select name, status, coalesce(industry, ''), labels::text, metadata::text from synthex.tenants \
             where deleted_at is null order by name collate \"C\"",
        );
        let expected: Vec<Vec<Option<String>>> = world
            .tenants
            .iter()
            .map(|(name, tenant)| {
                // As PostgreSQL writes JSON.
                let spaced = |text: String| text.replace(':', ": ").replace(',', ", ");
                let industry = tenant.industry.unwrap_or_default().to_owned();
                let (labels, metadata) = (spaced(json(&tenant.labels)), spaced(json(&tenant.metadata)));
                [(*name).to_owned(), tenant.status.to_owned(), industry, labels, metadata].map(Some).to_vec()
            })
            .collect();
        assert_eq!(found, expected);
        synthex(&["plan", "--prune", "--detailed-exitcode"]).ok().stdout_has("No changes.");
        estate.database.sql(edit);
        Ok(())
    };
    let mut runner = TestRunner::new(config(12));
    runner.run(&(worlds(), edits), check).expect("it holds");
}
