//! When something is worth telling, and what is told: pure, with the time as an argument.

pub mod alert;
pub mod evaluate;
pub mod expiry;
pub mod facts;
pub mod message;

pub use alert::{Alert, AlertKind, AlertLabels, AlertStatus, ResolveReason};
pub use evaluate::evaluate;
pub use facts::{Facts, Outcome};
pub use message::{Event, Item, Message, Topic};
