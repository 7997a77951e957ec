//! When something is worth telling, and what is told: pure, with the time as an argument.

pub mod expiry;
pub mod message;
pub mod window;

pub use message::{Event, Item, Message, Topic};
