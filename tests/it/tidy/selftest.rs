//! Each check on samples that break its rule, beside one that keeps it: proof that a check can fail.

use super::source::{Tree, code_only};
use super::{Check, calls, crates, imports, structure};

const DOC: &str = "//! Why this module exists.\n";

/// The check objects to `text` at `path`, on the line that ends in `// HERE`.
#[track_caller]
fn caught(check: Check, path: &str, text: &str) {
    let line = text.lines().position(|line| line.ends_with("// HERE")).expect("a line marked HERE") + 1;
    let violations = check(&Tree::of(&[(path, text)]));
    let expected = format!("{path}:{line}: ");
    assert!(
        violations.len() == 1 && violations[0].starts_with(&expected),
        "expected one violation at {expected}got {violations:?}"
    );
}

#[track_caller]
fn passes(check: Check, path: &str, text: &str) {
    let violations = check(&Tree::of(&[(path, text)]));
    assert!(violations.is_empty(), "{violations:?}");
}

#[test]
fn imports_against_the_direction() {
    let check: Check = imports::layers;
    caught(check, "src/model/mod.rs", "use crate::kinds::Tenant; // HERE");
    caught(check, "src/plan/diff.rs", "fn f() {\n    crate::store::read(); // HERE\n}");
    caught(check, "src/plan/diff.rs", "use super::super::store::Store; // HERE");
    caught(check, "src/plan/mod.rs", "use super::engine; // HERE");
    caught(
        check,
        "src/plan/guards/deletes.rs",
        "use crate::{\n    model::{self, Key},\n    cli::args, // HERE\n};",
    );
    caught(check, "src/store/mod.rs", "use {std::fmt, crate::providers::Shop}; // HERE");
    caught(check, "src/store/mod.rs", "use crate::channels as other; // HERE");
    caught(check, "src/watch/mod.rs", "pub(in crate::cli) struct Thing; // HERE");
    caught(check, "src/engine/mod.rs", "type Rows = Vec<crate::store::Row>; // HERE");
    caught(check, "src/engine/mod.rs", "type Rows = Vec::<<crate::files::A as B>::C>; // HERE");
    caught(check, "src/http.rs", "use super::engine::Engine; // HERE");
    caught(check, "src/main.rs", "fn main() {\n    synthex::store::connect(); // HERE\n}");
    caught(
        check,
        "src/model/key.rs",
        "mod tests {\n    mod deep {}\n    use super::super::super::plan; // HERE\n}",
    );
    passes(check, "src/model/key.rs", "mod tests {\n    use super::*;\n    use super::super::Key;\n}");
    passes(check, "src/plan/diff.rs", "use super::order; use crate::{kinds::Kind, model::{Key, Clock}};");
    passes(check, "src/cli/commands/plan.rs", "use crate::{store, files, watch, engine::apply};");
    passes(
        check,
        "src/plan/mod.rs",
        "// use crate::store;\nconst A: &str = \"crate::store::x\"; /* crate::cli */",
    );
}

#[test]
fn imports_through_the_root() {
    let check: Check = imports::layers;
    caught(check, "src/plan/mod.rs", "use crate::*; // HERE");
    caught(check, "src/plan/mod.rs", "use crate as everything; // HERE");
    caught(check, "src/plan/mod.rs", "use super::*; // HERE");
    caught(check, "src/plan/mod.rs", "use crate::Store; // HERE");
    caught(check, "src/helpers/mod.rs", "// HERE");
    caught(check, "src/lib.rs", "pub use crate::store::Store; // HERE");
}

#[test]
fn kinds_that_use_each_other() {
    let tenant = "use super::workspace::Workspace;";
    let files = |tenant| {
        Tree::of(&[
            ("src/kinds/mod.rs", "mod tenant; mod workspace; pub use workspace::{Workspace, Region};"),
            ("src/kinds/registry.rs", "use super::{tenant::Tenant, workspace::Workspace};"),
            ("src/kinds/tenant.rs", tenant),
            ("src/kinds/workspace.rs", "use crate::model::Key;"),
        ])
    };
    assert_eq!(imports::kinds_are_apart(&files(tenant)).len(), 1);
    for bad in [
        "use crate::kinds::workspace;",
        "use super::*;",
        "use crate::kinds::Region;",
        "fn f(_: super::Workspace) {}",
    ] {
        assert_eq!(imports::kinds_are_apart(&files(bad)).len(), 1, "{bad}");
    }
    for good in ["use crate::kinds::registry;", "mod tests { use super::*; }", "use crate::model::workspace;"]
    {
        assert_eq!(imports::kinds_are_apart(&files(good)), Vec::<String>::new(), "{good}");
    }
}

#[test]
fn crates_out_of_their_home() {
    let check: Check = crates::homes;
    caught(check, "src/engine/mod.rs", "use sqlx::PgPool; // HERE");
    caught(check, "src/engine/mod.rs", "use ::sqlx::PgPool; // HERE");
    caught(check, "src/engine/mod.rs", "use sqlx; // HERE");
    caught(check, "src/engine/mod.rs", "fn f(pool: &sqlx::PgPool) {} // HERE");
    caught(check, "src/watch/mod.rs", "#[derive(clap::Args)] // HERE\nstruct A;");
    caught(check, "src/providers/shopify.rs", "use reqwest::Client; // HERE");
    caught(check, "src/cli/mod.rs", "use {clap::Parser, sqlx::Row}; // HERE");
    passes(check, "src/store/mod.rs", "use sqlx::PgPool;");
    passes(check, "src/cli/args.rs", "use clap::Parser;");
    passes(check, "src/engine/mod.rs", "/// Like `sqlx::Row`.\nfn f(row: store::sqlx::Row) {}");
}

#[test]
fn impure_modules() {
    let check: Check = crates::purity;
    caught(check, "src/plan/mod.rs", "use tokio::time::sleep; // HERE");
    caught(check, "src/plan/mod.rs", "async fn f() {} // HERE");
    caught(check, "src/plan/mod.rs", "use std::{fmt, fs}; // HERE");
    caught(check, "src/model/key.rs", "fn f() { let now = chrono::Utc::now(); } // HERE");
    caught(check, "src/alerts/mod.rs", "fn f() { let now = Utc::now(); } // HERE");
    caught(check, "src/model/clock.rs", "fn f() { let now = SystemTime::now(); } // HERE");
    caught(check, "src/manifest/load.rs", "fn f() { std::thread::spawn(g); } // HERE");
    passes(check, "src/manifest/load.rs", "fn f() { std::thread::scope(g); }");
    passes(check, "src/model/clock.rs", "fn f() { let now = Utc::now(); }");
    caught(check, "src/kinds/tenant.rs", "fn f() { std::env::var(\"HOME\"); } // HERE");
    caught(check, "src/report/text.rs", "fn f() { println!(\"x\"); } // HERE");
    caught(check, "src/report/text.rs", "fn f() { other::eprint!(\"x\"); } // HERE");
    caught(check, "src/manifest/mod.rs", "use std::io::{Read, stdin}; // HERE");
    passes(check, "src/plan/mod.rs", "fn f(print: u8) -> bool { print != 1 } // println!(Utc::now())");
    passes(
        check,
        "src/report/text.rs",
        "use std::fmt::Write; fn f(now: Utc) { env!(\"CARGO_PKG_VERSION\"); }",
    );
    passes(check, "src/store/mod.rs", "async fn f() { std::fs::read(\"x\"); }");
}

#[test]
fn forbidden_words() {
    let check: Check = calls::forbidden;
    for path in ["src/cli/mod.rs", "tests/it/apply.rs"] {
        caught(check, path, "fn f() { todo!() } // HERE");
        caught(check, path, "fn f() { unimplemented!(\"later\") } // HERE");
        caught(check, path, "fn f() { dbg!(1); } // HERE");
        caught(check, path, "use std::process;\nfn f() { process::exit(1); } // HERE");
        caught(check, path, "#[test]\n#[ignore = \"slow\"] // HERE\nfn f() {}");
        caught(check, path, "#[cfg_attr(windows, ignore)] // HERE\nfn f() {}");
        caught(check, path, "#[path = \"other.rs\"] // HERE\nmod a;");
        caught(check, path, "include!(\"a.rs\"); // HERE");
        passes(check, path, "use ignore::Walk; const A: &str = r#\"todo!() #[ignore]\"#; // dbg!(1)");
        passes(check, path, "#[cfg_attr(unix, allow(dead_code))]\nfn f() { include_str!(\"a.sql\"); }");
    }
}

#[test]
fn long_files() {
    let long = format!("{DOC}{}", "\n".repeat(400));
    let tree = Tree::of(&[("src/plan/mod.rs", &long), ("src/model/mod.rs", DOC)]);
    assert_eq!(structure::length(&tree, &[]).len(), 1);
    assert_eq!(structure::length(&tree, &["src/plan/mod.rs"]), Vec::<String>::new());
    assert_eq!(
        structure::length(&tree, &["src/plan/mod.rs", "src/model/mod.rs"]).len(),
        1,
        "no longer needed"
    );
    assert_eq!(structure::length(&tree, &["src/plan/mod.rs", "src/gone.rs"]).len(), 1, "no longer there");
}

#[test]
fn bad_module_names() {
    let check: Check = structure::names;
    caught(check, "src/core.rs", "// HERE");
    caught(check, "src/plan/notify/mod.rs", "// HERE");
    caught(check, "src/plan/mod.rs", "//! Plans.\npub mod core; // HERE");
    passes(check, "src/plan/mod.rs", "use core::fmt; mod hardcore; // mod notify;");
}

#[test]
fn silent_modules() {
    let check: Check = structure::module_docs;
    caught(check, "src/plan/mod.rs", "// HERE");
    caught(check, "src/plan/mod.rs", "use a::b; // HERE\n//! Too late for a reader.");
    caught(check, "src/plan/mod.rs", "//! // HERE");
    passes(check, "src/plan/mod.rs", DOC);
}

#[test]
fn forgotten_kinds() {
    let kind = ("src/kinds/silence.rs", "struct Silence;");
    let with =
        |registry| structure::kinds_are_registered(&Tree::of(&[("src/kinds/registry.rs", registry), kind]));
    assert_eq!(with("use super::tenant; // silence::Silence").len(), 1);
    assert_eq!(with("fn f(silence: u8) {}").len(), 1);
    assert_eq!(with("const A: Kind = super::silence::KIND;"), Vec::<String>::new());
    assert_eq!(with("use super::{silence, tenant};"), Vec::<String>::new());
    assert_eq!(structure::kinds_are_registered(&Tree::of(&[kind])).len(), 1, "no registry at all");
}

#[test]
fn paths_of_a_machine() {
    let check: Check = structure::machine_paths;
    for home in ["/wo~rk/", "/ro~ot/", "/ho~me/"].map(|home| home.replace('~', "")) {
        caught(check, "README.md", &format!("# Start\ncd {home}synthex // HERE"));
        caught(check, ".github/workflows/ci.yml", &format!("run: \"{home}bin/x\" // HERE"));
        caught(check, "docs/a.md", &format!("[a](file://{home}a.md) // HERE"));
        passes(check, "docs/a.md", &format!("target{home}x $HOME{home} https://acme.example{home}"));
    }
}

#[test]
fn comments_and_literals_are_blanked() {
    let text =
        "a // b\n'x' '\\'' 'a: &'a str \"c \\\" d\" e /* f /* g */ h */ i r#\"j \" k\"# l br\"m\" b\"n\" bar";
    let code = code_only(text);
    let words: Vec<&str> =
        code.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).collect();
    assert_eq!(words, ["a", "a", "a", "str", "e", "i", "l", "b", "b", "bar"]);
    assert_eq!(code.lines().count(), text.lines().count(), "line numbers hold");
    assert_eq!(code_only("\"two\nlines\" x").lines().count(), 2);
}
