//! The tasks of the controller that replicas share: health, alert evaluation, delivery. They are driven through the library,
//! several at a time against one PostgreSQL, with a clock that a test moves.

mod alerts;
mod counting;
mod delivery;
mod health;

use std::ffi::OsString;
use std::sync::{Arc, Mutex};

use chrono::{DateTime, TimeDelta, Utc};
use clap::Parser as _;
use futures_util::future::join_all;
use serde_json::Value;
use synthex::cli::args::Cli;
use synthex::cli::context::{Context, new_id};
use synthex::cli::environment::Environment;
use synthex::cli::printer::Printer;
use synthex::cli::watching::{AlertsTask, DeliveryTask, HealthTask, Station};
use synthex::model::Clock;
use synthex::store::ConnectOptions;
use synthex::watch::{Ran, Stop, Stopper, Task};

use crate::support::estate::Estate;

/// A clock that a test sets.
#[derive(Clone)]
struct Hands(Arc<Mutex<DateTime<Utc>>>);

impl Hands {
    fn at(text: &str) -> Hands {
        Hands(Arc::new(Mutex::new(text.parse().unwrap())))
    }

    fn set(&self, text: &str) {
        *self.0.lock().unwrap() = text.parse().unwrap();
    }

    fn pass(&self, time: TimeDelta) {
        *self.0.lock().unwrap() += time;
    }
}

impl Clock for Hands {
    fn now(&self) -> DateTime<Utc> {
        *self.0.lock().unwrap()
    }
}

/// A replica of the controller, as far as its tasks need one. It lives as long as the test.
#[derive(Clone, Copy)]
struct Replica(&'static Station<'static>);

impl Replica {
    fn new(estate: &Estate, clock: &Hands) -> Replica {
        Replica::at(&estate.database.url(), estate, clock, &[])
    }

    fn at(url: &str, estate: &Estate, clock: &Hands, variables: &[(&str, String)]) -> Replica {
        let environment = variables.iter().map(|(name, value)| ((*name).to_owned(), OsString::from(value)));
        let environment = Environment::of(environment);
        let global = Cli::try_parse_from(["synthex", "--quiet"]).unwrap().global;
        let printer = Printer::new(&global, &environment);
        let mut context = Context::new(global, environment, printer).map_err(|(_, error)| error).unwrap();
        context.clock = Box::new(clock.clone());
        let context: &'static Context = Box::leak(Box::new(context));
        Replica(Box::leak(Box::new(Station {
            context,
            options: ConnectOptions::new(url.to_owned(), std::time::Duration::from_secs(10), "watch"),
            folder: estate.project.path().to_owned(),
            replica: new_id(),
            project: "test".to_owned(),
            environment: String::new(),
            only_observes: false,
            listen: None,
            vitals: crate::support::watching::vitals(),
            outdated: std::sync::OnceLock::new(),
            reload: std::sync::atomic::AtomicBool::new(false),
        })))
    }

    fn alerts(self) -> Box<dyn Task> {
        Box::new(AlertsTask::new(self.0))
    }

    fn delivery(self) -> Box<dyn Task> {
        Box::new(DeliveryTask::new(self.0).map_err(|error| error.what).unwrap())
    }

    fn health(self) -> Box<dyn Task> {
        Box::new(HealthTask::new(self.0).map_err(|error| error.what).unwrap())
    }
}

/// Runs a future that need not go from one thread to another.
fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

/// Tasks and the runtime that their connections live in.
struct Tasks {
    runtime: tokio::runtime::Runtime,
    tasks: Vec<Box<dyn Task>>,
    stop: Stop,
    stopper: Stopper,
}

impl Tasks {
    fn new(tasks: impl IntoIterator<Item = Box<dyn Task>>) -> Tasks {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let (stopper, stop) = Stopper::new();
        Tasks { runtime, tasks: tasks.into_iter().collect(), stop, stopper }
    }

    /// Runs all of them side by side.
    fn try_run(&mut self) -> Vec<Ran> {
        let stop = &self.stop;
        let runs = self.tasks.iter_mut().map(|task| task.run(stop));
        self.runtime.block_on(join_all(runs))
    }

    /// The same, where none fails: what they say.
    #[track_caller]
    fn run(&mut self) -> Vec<Ran> {
        let ran = self.try_run();
        for one in &ran {
            assert_eq!(one.failure, None);
        }
        ran
    }

    /// Runs them until each of them waits for something.
    #[track_caller]
    fn run_out(&mut self) -> Vec<Ran> {
        for _ in 0..50 {
            let ran = self.run();
            if ran.iter().all(|one| one.again.is_none_or(|again| !again.is_zero())) {
                return ran;
            }
        }
        panic!("there is always something to do");
    }
}

/// The sum of a number that each says.
fn sum(ran: &[Ran], name: &str) -> u64 {
    ran.iter().map(|one| one.status.pointer(name).and_then(Value::as_u64).unwrap_or_default()).sum()
}
