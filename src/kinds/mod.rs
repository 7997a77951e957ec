//! The kinds, one file each, and the registry that lists them.
//!
//! A kind says what its spec looks like (the doc comments become the schema's descriptions), which columns hold it,
//! and what must be true beyond the schema. Kinds do not know each other: they mention other resources by kind name.

pub mod alert_rule;
pub mod alert_test;
pub mod credential;
pub mod health_check;
pub mod maintenance_window;
pub mod notification_channel;
pub mod patch;
pub mod project;
pub mod registry;
pub mod silence;
pub mod tenant;
pub mod tenant_set;
pub mod tenant_template;
pub mod workspace;

pub use registry::{COUNT, KINDS, find, find_slug, stored};
