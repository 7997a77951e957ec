//! The engine: observes, and executes plans, over traits that the store implements.
//!
//! It decides the order of things (lease, transaction, write, record, check, commit) and what an interruption means.
//! It knows neither SQL nor a terminal.

pub mod alerting;
pub mod apply;
pub mod credentials;
pub mod delivery;
pub mod health;
mod keep_alive;
pub mod lease;
mod needs;
pub mod observe;
pub mod partial;
mod rows;
pub mod snapshot;
pub mod state;
pub mod watching;

pub use apply::{
    Applied, ApplyError, ApplyRequest, BROKEN_COMMIT, Interrupt, NoProgress, OnError, Phase, Progress, apply,
};
pub use lease::{HeldLease, Holder, LeaseEntry, LeaseGrant, LeaseNews, Waiter};
pub use observe::{observe_heads, observe_other_rows, observe_rows};
pub use partial::LeftOut;
pub use state::{
    Absent, CommitOutcome, Item, ItemOutcome, LeaseKeeper, Mention, Operation, OperationStatus, ReadBack,
    StateError, StateErrorKind, StateReader, StateWriter, WriteTransaction,
};
