//! What a task of the controller gets, for tests that run one task by itself.

use std::ffi::OsString;
use std::path::Path;
use std::time::Duration;

use clap::Parser as _;
use synthex::cli::args::{Cli, ColorChoice};
use synthex::cli::context::{Context, new_id};
use synthex::cli::environment::Environment;
use synthex::cli::printer::Printer;
use synthex::cli::watching::Station;
use synthex::store::ConnectOptions;
use synthex::watch::http::{About, Vitals};
use synthex::watch::{Ran, Stopper, Task};

use super::estate::Estate;

/// The context of a run in that folder, with these options and variables and no others. Nothing of it is recorded, unless
/// `SYNTHEX_ANALYTICS` says so.
pub fn context(folder: &Path, options: &[&str], variables: &[(&str, String)]) -> Context {
    let words = ["synthex"].iter().chain(options);
    let global = Cli::try_parse_from(words).expect("options").global;
    let usual = [("HOME", folder.display().to_string()), ("SYNTHEX_ANALYTICS", "off".to_owned())];
    let all = usual.iter().map(|(name, value)| (*name, value)).chain(variables.iter().map(|(n, v)| (*n, v)));
    let environment = Environment::of(all.map(|(name, value)| (name.to_owned(), OsString::from(value))));
    let printer = Printer::of(ColorChoice::Never, true, &environment);
    let context = Context::new(global, environment, printer).unwrap_or_else(|_| panic!("a context"));
    Context { directory: folder.to_owned(), ..context }
}

/// What the endpoints of a controller would be told.
pub fn vitals() -> std::sync::Arc<Vitals> {
    std::sync::Arc::new(Vitals::new(About {
        replica: new_id(),
        host: "box".to_owned(),
        version: "0.1.0",
        project: "test".to_owned(),
        environment: String::new(),
        mode: "enforce",
        interval: Duration::from_secs(60),
        started_at: "2026-11-30T12:00:00Z".parse().expect("a time"),
    }))
}

/// A controller of its own that looks after an estate.
pub fn station<'c>(estate: &Estate, context: &'c Context, only_observes: bool) -> Station<'c> {
    Station {
        context,
        options: ConnectOptions::new(estate.database.url(), Duration::from_secs(20), "watch"),
        folder: estate.project.path().to_owned(),
        replica: new_id(),
        project: "test".to_owned(),
        environment: String::new(),
        only_observes,
        listen: None,
        vitals: vitals(),
        outdated: std::sync::OnceLock::new(),
        reload: false.into(),
    }
}

/// Runs a task once, with nobody who asks it to stop.
pub async fn run(task: &mut impl Task) -> Ran {
    let (_stopper, stop) = Stopper::new();
    task.run(&stop).await
}
