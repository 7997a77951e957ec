//! When something is worth telling, and what is told: pure, with the time as an argument.
//!
//! [`evaluate()`] is the way in. It takes plain facts, says of each alert whether it is bad or good ([`signals`]), lets its life go
//! on ([`life`]), looks what mutes it ([`muting`], [`inhibition`]) and puts together what is told ([`telling`]). It reads
//! nothing and writes nothing: `engine::alerting` does.

pub mod alert;
pub mod declared;
pub mod evaluate;
pub mod expiry;
pub mod facts;
pub mod fingerprint;
pub mod grouping;
pub mod impact;
pub mod inhibition;
pub mod labels;
pub mod life;
pub mod message;
pub mod muting;
pub mod notice;
pub mod review;
pub mod route;
pub mod schedule;
pub mod signals;
pub mod telling;
pub mod template;
pub mod threshold;
pub mod trial;
pub mod upcoming;
pub mod window;
pub mod wording;

pub use alert::{Alert, AlertKind, AlertLabels, AlertStatus, ResolveReason};
pub use evaluate::evaluate;
pub use facts::{Facts, Outcome};
pub use message::{Event, Item, Message, Topic};
pub use notice::Notice;
pub use upcoming::{Upcoming, upcoming};

#[cfg(test)]
mod tests;
