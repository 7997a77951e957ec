//! When something is worth telling, and what is told: pure, with the time as an argument.

pub mod expiry;
pub mod message;
pub mod notice;
pub mod template;

pub use message::{Event, Item, Message, Topic};
pub use notice::Notice;
