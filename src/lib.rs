//! Declare e-commerce tenants in git, review the plan, converge PostgreSQL.
//!
//! The modules in reading order; each may use those above it as `docs/architecture.md` says, and a test proves it:
//!
//! 1. [`model`]: names and keys, kinds as data, diagnostics, digests, secrets, time;
//! 2. [`kinds`]: one file per kind, and the registry;
//! 3. [`manifest`]: text to a validated, expanded catalog;
//! 4. [`plan`]: desired and observed to a plan;
//! 5. [`alerts`]: when something is worth telling;
//! 6. [`report`]: results as text and JSON;
//! 7. [`engine`]: executes plans, verifies and renews credentials, over traits of its own;
//! 8. [`http`], [`providers`] and [`channels`]: Shopify, Google, Secret Manager; e-mail, Slack, webhooks;
//! 9. [`store`], [`files`]: PostgreSQL, the disk;
//! 10. [`watch`]: the controller;
//! 11. [`cli`]: the terminal.
#![expect(async_fn_in_trait, reason = "the traits of the engine are used by this crate alone")]
pub mod alerts;
pub mod channels;
pub mod cli;
pub mod engine;
pub mod files;
pub mod http;
pub mod kinds;
pub mod manifest;
pub mod model;
pub mod plan;
pub mod providers;
pub mod report;
pub mod store;
pub mod watch;
