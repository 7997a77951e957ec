//! All integration tests, in one binary: one link instead of one for each file.
#![allow(
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a test reads files and fails loudly"
)]

mod agreement;
mod apply;
mod cases;
mod chaos;
mod cli_bad_input;
mod cli_cache;
mod cli_embedded;
mod cli_first_run;
mod cli_output;
mod cuts;
mod drift;
mod faults;
mod generated;
mod generated_docs;
mod interrupt;
mod leases;
mod outcomes;
mod plan_json;
mod pooler;
mod properties;
mod quickstart;
mod roles;
mod rule_codes;
mod snapshot;
mod support;
mod support_works;
mod tidy;
mod yaml_suite;
