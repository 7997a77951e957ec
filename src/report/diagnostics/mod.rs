//! Problems in manifests, for people and for the programs that show them beside the source.

mod github;
mod json;
mod sarif;
mod text;

pub use github::github;
pub(in crate::report) use github::{annotation, data, property};
pub use json::json;
pub use sarif::sarif;
pub use text::human;

#[cfg(test)]
mod tests;
