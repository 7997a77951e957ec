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
mod alerts;
mod alerts_declared;
mod alerts_impact;
mod apply;
mod batch;
mod batch_claims;
mod batch_input;
mod batch_rollback;
mod batch_rows;
mod cases;
mod channels;
mod channels_mail;
mod chaos;
mod ci_apply;
mod ci_plan;
mod ci_round;
mod ci_scripts;
mod cli_bad_input;
mod cli_cache;
mod cli_embedded;
mod cli_first_run;
mod cli_output;
mod commits;
mod credentials;
mod cuts;
mod doctor;
mod drift;
mod drift_command;
mod edit_manifests;
mod environments;
mod faults;
mod forced;
mod full_round;
mod generated;
mod generated_docs;
mod git_machines;
mod git_options;
mod git_signatures;
mod git_source;
mod git_token;
mod guard_corners;
mod guards;
mod health;
mod history;
mod import;
mod interrupt;
mod leases;
mod left_alone;
mod markdown;
mod monitoring;
mod moved_and_ignored;
mod notify;
mod outcomes;
mod ownership;
mod partial;
mod passing;
mod pauses;
mod plan_json;
mod plan_rules;
mod pooler;
mod properties;
mod quickstart;
mod references;
mod renames;
mod render;
mod render_diff;
mod roles;
mod rollback;
mod rule_codes;
mod saved_plan_corners;
mod saved_plans;
mod saved_round_trip;
mod selection;
mod snapshot;
mod sources;
mod support;
mod support_works;
mod tenancy;
mod tidy;
#[cfg(feature = "otel")]
mod traces;
mod upgrade;
mod usage_recording;
mod usage_reports;
mod usage_upkeep;
mod watch;
mod watch_heartbeat;
mod watch_http;
mod watch_renewal;
mod watch_tasks;
mod watch_upkeep;
mod yaml_suite;
