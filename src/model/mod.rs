//! The vocabulary that every other module shares: names and keys, what a kind is, where a value came from,
//! diagnostics, canonical digests, secrets that cannot be printed, and time as a parameter.
//!
//! Nothing here knows a particular kind, reads a file, a clock or a database.

pub mod address;
pub mod business_id;
pub mod clock;
pub mod declared;
pub mod diagnostic;
pub mod digest;
pub mod files;
pub mod health;
pub mod key;
pub mod kind;
pub mod market;
pub mod matcher;
pub mod pattern;
pub mod position;
pub mod registration;
pub mod secret;
pub mod selector;
pub mod streak;
pub mod text;
pub mod usage;

pub use clock::Clock;
pub use declared::{Entry, Origin, Sources};
pub use diagnostic::{Diagnostic, Severity};
pub use digest::Digest;
pub use key::ResourceKey;
pub use kind::{Column, Kind, KindRef, Resource, Scope, SqlType};
pub use pattern::KeyPattern;
pub use position::{FileId, Position, RowRef, SourceFile, SourceRef};
