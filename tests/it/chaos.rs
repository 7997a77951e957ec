//! What must survive, in numbers: an apply is killed, cut off and crowded at every point, and the state is the one before
//! or the one after.
//!
//! Without `SYNTHEX_CHAOS` each test tries a small sample, so that the ordinary suite stays quick. `tests/chaos/run` sets
//! it, which means the full counts, and prints what was done.

mod alerts;
mod audit;
mod clock;
mod connections;
mod controller;
mod crowd;
mod cuts;
mod day;
mod exit_codes;
mod hostile;
mod kill;
mod migrating;
mod resources;
mod restarts;
mod rig;
mod rows;
mod server;
mod signals;
mod storage;
mod watched;
