//! The controller: tasks that run for ever, each with a timer and a wake signal (DESIGN 7).
//!
//! A task takes no input, is idempotent, does not retry inside, and returns a status that can be serialised. Signals only
//! wake it: what it does, it finds out by looking. So a signal that is lost costs an interval, and nothing else.
//!
//! | module | what it does |
//! | --- | --- |
//! | `task` | what a task is, and what it says when it is done |
//! | `driver` | runs tasks by their timers and signals, until it is told to stop |
//! | `board` | what is known of the tasks: read by the endpoints, written by the driver |
//! | `http` | the endpoints: probes, metrics, status, and the status page |
//! | `stop` | the request to stop |
//! | `tasks` | what tasks decide, one per file |
//! | `conditions` | what is said of each workspace |
//! | `backoff` | what failed, and when it is tried again |
//! | `flapping` | what is set back again and again |
//! | `jumps` | whether the clock was set back |
//! | `tasks` | what other tasks decide |
//!
//! It knows neither SQL nor the command line: what it needs of them is behind the traits of the engine, or its own.

pub mod backoff;
mod board;
pub mod conditions;
mod driver;
pub mod flapping;
pub mod http;
mod jumps;
mod stop;
mod task;
pub mod tasks;

pub use board::{Board, TaskState};
pub use driver::{Entry, once, run, varied};
pub use jumps::Jumps;
pub use stop::{Stop, Stopper};
pub use task::{Cause, Ran, Task, TaskCode, TaskFailure};
