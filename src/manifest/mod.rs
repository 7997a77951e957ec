//! Manifests: from text to a catalog of validated, expanded resources, with positions.
//!
//! Pure: it gets the text of files and gives back a catalog and diagnostics. It reads no file, no environment and no clock.
//! Read in this order: [`yaml`], [`schema`], [`validate`], [`variables`], [`overlay`], [`expand`], [`admit`], [`unread`], [`check`], [`mod@load`].

pub mod admit;
mod advice;
pub mod cache;
pub mod catalog;
pub mod check;
pub mod csv;
pub mod edit;
pub mod expand;
mod first_pass;
pub mod load;
pub mod moved;
pub mod origin;
pub mod overlay;
mod prepare;
pub mod problem;
pub mod project;
pub mod resolve;
pub mod rows;
pub mod schema;
pub mod unread;
pub mod validate;
pub mod variables;
pub mod write;
pub mod yaml;

pub use catalog::{Catalog, Project};
pub use load::{Loaded, load, load_literally};
pub use origin::Origins;
