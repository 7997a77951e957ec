//! The environment, read once.

#![expect(clippy::disallowed_methods, reason = "this is the one home of environment variables")]

use std::collections::HashMap;
use std::ffi::OsString;
use std::io::IsTerminal as _;

/// What the program was started in.
#[derive(Clone, Debug, Default)]
pub struct Environment {
    variables: HashMap<String, OsString>,
    stdin_is_terminal: bool,
    stdout_is_terminal: bool,
    stderr_is_terminal: bool,
}

/// Every environment variable that changes what the program does, with what it does. The reference in `docs/` is made from
/// this list.
pub const VARIABLES: &[(&str, &str)] = &[
    ("SYNTHEX_DATABASE_URL", "The database's URL, where `--database-url` is not given."),
    (
        "DATABASE_URL",
        "The database's URL, where neither `--database-url` nor `SYNTHEX_DATABASE_URL` is given.",
    ),
    (
        "SYNTHEX_WORKSPACE",
        "The workspace that an operator's command means, where `--workspace` is not given.",
    ),
    ("SYNTHEX_TENANT", "The tenant that an operator's command means, where it names none."),
    (
        "SYNTHEX_ANALYTICS",
        "When `off`, nothing is recorded of what commands do; as `analytics: false` in the project file.",
    ),
    ("DO_NOT_TRACK", "When set, and neither `0` nor `false`, nothing is recorded of what commands do."),
    (
        "XDG_STATE_HOME, HOME",
        "Where what was recorded waits until it is stored in the database: `synthex/usage` in the first, or in `.local/state` of the second.",
    ),
    (
        "XDG_CONFIG_HOME, HOME",
        "Where your preferences are kept: `synthex/preferences.json` in the first, or in `.config` of the second.",
    ),
    ("SYNTHEX_ENVIRONMENT", "The environment of the project file, where `--environment` is not given."),
    (
        "SYNTHEX_DATABASE_TIMEOUT",
        "Seconds to wait for any one answer of the database (`--database-timeout`).",
    ),
    (
        "SYNTHEX_PG_BINDIR",
        "The folder with `postgres` and `initdb` for the embedded PostgreSQL; no other place is searched.",
    ),
    (
        "SYNTHEX_STATE_DIR",
        "The folder for the embedded PostgreSQL, in place of `.synthex/postgres` beside the project file.",
    ),
    (
        "PGPASSWORD, PGPASSFILE, PGUSER, PGHOST, PGHOSTADDR, PGPORT, PGDATABASE",
        "What the database's URL leaves out, as with `psql`; `~/.pgpass` is read too.",
    ),
    (
        "PGSSLMODE, PGSSLROOTCERT, PGSSLCERT, PGSSLKEY, PGOPTIONS",
        "How to connect, where the URL does not say it, as with `psql`.",
    ),
    (
        "PATH",
        "One of the places searched for the binaries of the embedded PostgreSQL, and where `git` is found.",
    ),
    (
        "SYNTHEX_HEARTBEAT_URL",
        "The address that `watch` tells after each cycle, where `--heartbeat-url` is not given. It is a secret.",
    ),
    (
        "SYNTHEX_HTTP_TIMEOUT",
        "Seconds to wait for an answer of Shopify, Google or Secret Manager, from 1 to 120; 20 where it is not set.",
    ),
    (
        "SYNTHEX_SHOPIFY_BASE_URL",
        "Where shops are asked, `{shop}` standing for the shop's domain: `https://{shop}` where it is not set.",
    ),
    (
        "SYNTHEX_GOOGLE_MERCHANT_URL",
        "Where the Merchant API is, in place of `https://merchantapi.googleapis.com`.",
    ),
    (
        "SYNTHEX_GOOGLE_OAUTH_URL",
        "Where Google gives tokens, in place of `https://oauth2.googleapis.com/token`.",
    ),
    (
        "SYNTHEX_SECRET_MANAGER_URL",
        "Where Secret Manager is, in place of `https://secretmanager.googleapis.com`.",
    ),
    (
        "SYNTHEX_SENDGRID_URL",
        "Where SendGrid is, in place of `https://api.sendgrid.com`: `https://api.eu.sendgrid.com` for Europe.",
    ),
    ("SYNTHEX_RESEND_URL", "Where Resend is, in place of `https://api.resend.com`."),
    (
        "GOOGLE_APPLICATION_CREDENTIALS",
        "The file with the key of the service account that reads Secret Manager; other users must be kept out of it.",
    ),
    ("HTTPS_PROXY, NO_PROXY", "The proxy through which providers are called, and what is called without it."),
    (
        "ALL_PROXY, SSL_CERT_FILE, SSL_CERT_DIR, GIT_SSL_CAINFO, GIT_SSL_CAPATH, GIT_EXEC_PATH, SSH_AUTH_SOCK",
        "Handed on to `git`, as `HTTPS_PROXY` and `NO_PROXY` are, where manifests are read from a repository; nothing else that is set for git counts there.",
    ),
    ("CI", "When set, and neither `false` nor `0`, the embedded PostgreSQL is used only with `--embedded`."),
    ("RUST_LOG", "What is logged to standard error, such as `synthex=debug`; wins over `-v`."),
    (
        "OTEL_EXPORTER_OTLP_ENDPOINT",
        "Where `watch` sends traces, where `--otlp-endpoint` is not given. Only in a binary that is built with the feature `otel`.",
    ),
    (
        "OTEL_EXPORTER_OTLP_HEADERS, OTEL_RESOURCE_ATTRIBUTES, OTEL_TRACES_SAMPLER",
        "What traces are sent with, and which of them; as the OpenTelemetry specification has it, with the feature `otel`.",
    ),
    ("NO_COLOR", "When set and not empty, no colour."),
    (
        "CLICOLOR_FORCE",
        "When set and not 0, colour even where the output is not a terminal; `NO_COLOR` wins.",
    ),
    ("TERM", "When `dumb`, no colour."),
    ("COLUMNS", "The width that output is fitted to, in place of the terminal's."),
    (
        "GITHUB_TRIGGERING_ACTOR, GITHUB_ACTOR, GITLAB_USER_LOGIN",
        "Who is recorded as having applied, in place of `user@host`: who started the run, or started it again.",
    ),
    ("GITHUB_SHA, CI_COMMIT_SHA", "The commit that is recorded, in place of what `git` says."),
    (
        "GITHUB_SERVER_URL, GITHUB_REPOSITORY, GITHUB_RUN_ID, CI_JOB_URL",
        "The CI run that others are told about while it holds a lease.",
    ),
    (
        "GITHUB_ACTIONS",
        "When `true`, `synthex ci` writes annotations, and keeps GitHub from reading what it shows as commands.",
    ),
    (
        "GITHUB_OUTPUT, GITHUB_STEP_SUMMARY",
        "The files that `synthex ci` adds its outputs and its Markdown to, for later steps and for the page of the run.",
    ),
    (
        "GITHUB_WORKSPACE",
        "The root of the repository, from which `synthex ci` names the places of annotations.",
    ),
    ("GITLAB_CI", "When `true`, `synthex ci` writes its outputs as variables into `synthex.env`."),
];

/// Whether JSON is asked for, in arguments that may not be valid.
#[must_use]
pub fn asks_for_json() -> bool {
    let mut before = OsString::new();
    for argument in std::env::args_os().take_while(|argument| argument != "--") {
        if argument == "--format=json" || (before == "--format" && argument == "json") {
            return true;
        }
        before = argument;
    }
    false
}

/// A word without the password of a URL in it.
fn without_password(word: &str) -> String {
    let (option, value) = match word.split_once('=') {
        Some((option, value)) if option == "--database-url" => (format!("{option}="), value),
        _ => (String::new(), word),
    };
    let Some(mut address) = url::Url::parse(value).ok().filter(|address| address.password().is_some()) else {
        return word.to_owned();
    };
    match address.set_password(Some("PASSWORD")) {
        Ok(()) => format!("{option}{address}"),
        Err(()) => word.to_owned(),
    }
}

/// The command line, as it can be typed again, without the options that were an answer to what it showed.
#[must_use]
pub fn command_line() -> String {
    let answers = ["--ack-deletes", "--ack-updates", "--expect-digest"];
    let mut line = "synthex".to_owned();
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let name = argument.split('=').next().unwrap_or_default();
        if answers.contains(&name) {
            if !argument.contains('=') {
                arguments.next();
            }
        } else if !matches!(argument.as_str(), "--yes" | "-y" | "--dry-run") {
            line.push(' ');
            line.push_str(&super::again::quoted(&without_password(&argument)));
        }
    }
    line
}

impl Environment {
    /// Reads the environment of this process.
    #[must_use]
    pub fn read() -> Self {
        let variables =
            std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value))).collect();
        Self {
            variables,
            stdin_is_terminal: std::io::stdin().is_terminal(),
            stdout_is_terminal: std::io::stdout().is_terminal(),
            stderr_is_terminal: std::io::stderr().is_terminal(),
        }
    }

    /// An environment with these variables and no terminal: for who runs a part of the program from a program of his own.
    #[must_use]
    pub fn of(variables: impl IntoIterator<Item = (String, OsString)>) -> Self {
        Self { variables: variables.into_iter().collect(), ..Self::default() }
    }

    /// A variable that is set, not empty, and text.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.variables.get(name)?.to_str().filter(|value| !value.is_empty())
    }

    /// A variable's raw value.
    #[must_use]
    pub fn raw(&self, name: &str) -> Option<&OsString> {
        self.variables.get(name)
    }

    /// Whether this is a CI job.
    #[must_use]
    pub fn is_ci(&self) -> bool {
        self.get("CI").is_some_and(|value| value != "false" && value != "0")
    }

    /// Whether somebody can be asked.
    #[must_use]
    pub fn is_interactive(&self) -> bool {
        self.stdin_is_terminal && self.stderr_is_terminal
    }

    /// Whether results are read by a person at a terminal, who may want a chart.
    #[must_use]
    pub fn draws_charts(&self) -> bool {
        self.stdout_is_terminal
    }

    /// Whether progress can be drawn on standard error.
    #[must_use]
    pub fn draws_progress(&self) -> bool {
        self.stderr_is_terminal
    }

    /// Whether standard output, or standard error, shows colour by default.
    #[must_use]
    pub fn wants_color(&self, stdout: bool) -> bool {
        if self.raw("NO_COLOR").is_some_and(|value| !value.is_empty()) {
            return false;
        }
        if self.get("CLICOLOR_FORCE").is_some_and(|value| value != "0") {
            return true;
        }
        let terminal = if stdout { self.stdout_is_terminal } else { self.stderr_is_terminal };
        terminal && self.get("TERM") != Some("dumb")
    }

    /// The width to fit output to, in columns.
    #[must_use]
    pub fn width(&self) -> usize {
        if let Some(width) = self.get("COLUMNS").and_then(|columns| columns.parse().ok()) {
            return std::cmp::Ord::clamp(width, 40, 400);
        }
        let (_, columns) = console_size().unwrap_or((24, 120));
        usize::from(columns).clamp(40, 400)
    }
}

#[cfg(unix)]
fn console_size() -> Option<(u16, u16)> {
    let size = rustix::termios::tcgetwinsize(std::io::stdout()).ok()?;
    (size.ws_col > 0).then_some((size.ws_row, size.ws_col))
}

#[cfg(not(unix))]
fn console_size() -> Option<(u16, u16)> {
    None
}
