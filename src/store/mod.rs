//! The store: the only place with SQL, and where the database comes from.
//!
//! One set of statements serves all kinds: their table and column names come from the static registry, and from nowhere
//! else. Every statement runs inside a transaction and unnamed, because behind a transaction pooler neither session
//! settings nor prepared statements belong to one client. For the same reason the checked macros are not used: they
//! can only prepare named statements.

pub mod alert_turns;
pub mod alerts;
mod batch;
pub mod checkup;
pub mod connect;
pub mod credentials;
pub mod drift;
#[cfg(unix)]
pub mod embedded;
pub mod error;
pub mod health;
pub mod health_due;
pub mod health_report;
pub mod history;
pub mod identity;
pub mod later;
pub mod lease;
pub mod list;
pub mod listen;
pub mod living;
pub mod migrate;
pub mod mutings;
pub mod outbox;
pub mod page;
pub mod passage;
pub mod past;
pub mod pauses;
pub mod periodic;
pub mod read;
mod read_back;
pub mod record;
mod references;
pub mod renewals;
pub mod retention;
mod row;
pub mod setup_steps;
pub mod statements;
pub mod summary;
mod triggers;
pub mod trying;
pub mod turns;
pub mod usage;
pub mod usage_report;
pub mod usage_upkeep;
pub mod watching;
pub mod write;

pub use connect::{ConnectOptions, Connection, Parking};
pub use credentials::{CredentialStatus, RenewalTurns};
pub use drift::DriftScope;
pub use identity::Identity;
pub use later::Later;
pub use lease::{Audit, Hold, known_workspaces, leases, release_by_hand};
pub use list::{Chosen, Listed, list, list_chosen};
pub use listen::Listener;
pub use migrate::{MigrationState, migration_state};
pub use pauses::{PauseEnd, Paused, Pausing, living_pauses, purge_ended_pauses};
pub use setup_steps::{DoneStep, StepChange, mark_steps};
pub use write::Writer;
