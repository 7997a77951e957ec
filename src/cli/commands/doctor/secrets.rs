//! Whether the secrets that manifests refer to can be read here. No provider is asked whether it takes them, and Secret
//! Manager is not asked at all.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use serde_json::Value;

use crate::cli::context::Context;
use crate::cli::project::Found;
use crate::cli::providing::{self, SecretSources};
use crate::engine::credentials::{Finding, Outcome, Secret};
use crate::files;
use crate::kinds::credential::{CredentialSpec, CredentialStatus};
use crate::kinds::notification_channel::NotificationChannelSpec;
use crate::kinds::{credential, notification_channel};
use crate::manifest::Catalog;
use crate::model::secret::SecretRef;
use crate::model::{Entry, KindRef};

use super::check::{Check, counted, soon};
use super::project::Looked;

const CREDENTIALS: &str = "secrets.credentials";
const CHANNELS: &str = "secrets.channels";
const SECRET_MANAGER: &str = "secrets.secret-manager";
const ADDRESSES: &str = "secrets.services";

/// How long all files together may take.
const LIMIT: Duration = Duration::from_secs(10);

/// At most so many resources are named.
const MOST: usize = 5;

/// A secret that something needs.
struct Needed {
    /// Whose it is, as a key.
    by: String,
    /// Where it is kept.
    reference: SecretRef,
    /// Whether people may have chosen it, so that any line will do.
    is_any_line: bool,
}

/// What became of reading some secrets.
struct Tried {
    /// How many there are.
    count: usize,
    /// Those that cannot be read: whose they are, and why.
    wrong: Vec<(String, Finding)>,
}

/// Looks at the secrets of credentials and channels.
pub async fn look(context: &Context, project: &Looked) -> Vec<Check> {
    let (Some(found), Some(catalog)) = (&project.found, &project.catalog) else {
        return vec![Check::skipped(
            CREDENTIALS,
            "which secrets are needed is not known without valid manifests",
        )];
    };
    let providers = match providing::providers(context) {
        Ok(providers) => providers,
        Err(error) => {
            let help = error.help.unwrap_or_else(|| "correct the variable".to_owned());
            return vec![Check::fail(ADDRESSES, error.what, help).why(error.why.unwrap_or_default())];
        }
    };
    let sources = SecretSources::new(context, Some(&found.folder), &providers);
    let (credentials, channels) = (of_credentials(catalog), of_channels(catalog));
    let mut checks = Vec::new();
    let is_managed = |needed: &&Needed| matches!(needed.reference, SecretRef::GcpSecretManager(_));
    let managed = credentials.iter().chain(&channels).filter(is_managed).count();
    for (id, one, needed) in [(CREDENTIALS, "credential", credentials), (CHANNELS, "channel", channels)] {
        checks.push(judged(id, one, &read(context, found, &sources, needed).await));
    }
    if managed > 0 {
        let what = format!("{} in Secret Manager", counted(managed, "secret"));
        checks.push(match sources.account() {
            Ok(_) => Check::ok(
                SECRET_MANAGER,
                format!("{what}; the key that reads them is there, and was not tried"),
            ),
            Err(finding) => {
                let help = finding.advice().unwrap_or("set GOOGLE_APPLICATION_CREDENTIALS").to_owned();
                Check::warn(SECRET_MANAGER, format!("{what}, and no key that reads them"), help)
                    .why(finding.message)
            }
        });
    }
    checks
}

/// The specs of a kind, with the keys of their resources.
fn specs(catalog: &Catalog, kind: KindRef) -> impl Iterator<Item = (&Entry, Value)> {
    catalog.entries.iter().filter(move |entry| entry.key.kind.rank == kind.rank).filter_map(|entry| {
        let canonical: Value = serde_json::from_str(&entry.canonical).ok()?;
        Some((entry, canonical.get("spec")?.clone()))
    })
}

/// The credentials that are used.
pub fn credentials(catalog: &Catalog) -> impl Iterator<Item = (&Entry, CredentialSpec)> {
    let all = specs(catalog, &credential::KIND);
    let read =
        all.filter_map(|(entry, spec)| Some((entry, serde_json::from_value::<CredentialSpec>(spec).ok()?)));
    read.filter(|(_, spec)| spec.status == CredentialStatus::Active)
}

/// The channels that are used.
pub fn channels(catalog: &Catalog) -> impl Iterator<Item = (&Entry, NotificationChannelSpec)> {
    let all = specs(catalog, &notification_channel::KIND);
    let read = all.filter_map(|(entry, spec)| {
        Some((entry, serde_json::from_value::<NotificationChannelSpec>(spec).ok()?))
    });
    read.filter(|(_, spec)| spec.enabled)
}

fn of_credentials(catalog: &Catalog) -> Vec<Needed> {
    let one = |(entry, spec): (&Entry, CredentialSpec)| Needed {
        by: entry.key.to_string(),
        reference: spec.secret_ref,
        is_any_line: false,
    };
    credentials(catalog).map(one).collect()
}

fn of_channels(catalog: &Catalog) -> Vec<Needed> {
    let mut all = Vec::new();
    for (entry, spec) in channels(catalog) {
        let mut need = |reference: Option<SecretRef>, is_any_line| {
            let by = entry.key.to_string();
            all.extend(reference.map(|reference| Needed { by, reference, is_any_line }));
        };
        if let Some(email) = spec.email {
            need(email.password, true);
            need(email.api_key, false);
        }
        need(spec.slack.map(|slack| slack.webhook_url), false);
        if let Some(webhook) = spec.webhook {
            need(webhook.signing_secret, false);
            need(webhook.previous_secret.map(|previous| previous.secret), false);
        }
    }
    all
}

/// Tries to read them; those that cannot be come back with why. What is in Secret Manager is left out.
async fn read(
    context: &Context,
    found: &Found,
    sources: &SecretSources<'_>,
    needed: Vec<Needed>,
) -> Result<Tried, String> {
    let mut wrong = Vec::new();
    let mut of_files: Vec<(Needed, PathBuf)> = Vec::new();
    let count = needed.len();
    for one in needed {
        match &one.reference {
            SecretRef::GcpSecretManager(_) => {}
            SecretRef::File(path) => {
                let path = context.directory.join(&found.folder).join(path);
                of_files.push((one, path));
            }
            SecretRef::Env(_) => {
                let reading = match one.is_any_line {
                    true => sources.read_line(&one.reference).await,
                    false => crate::engine::credentials::Secrets::read(sources, &one.reference).await,
                };
                wrong.extend(reading.err().map(|finding| (one.by, finding)));
            }
        }
    }
    let reading = tokio::task::spawn_blocking(move || {
        let read = |(one, path): (Needed, PathBuf)| {
            let reading = if one.is_any_line { Secret::read_line } else { Secret::read };
            files::read_secret_file_as(&path, reading).err().map(|finding| (one.by, finding))
        };
        of_files.into_iter().filter_map(read).collect::<Vec<_>>()
    });
    match soon(LIMIT, reading).await {
        Some(Ok(of_files)) => wrong.extend(of_files),
        _ => return Err(format!("the files of secrets could not be read within {} s", LIMIT.as_secs())),
    }
    wrong.sort_by(|left, right| left.0.cmp(&right.0));
    Ok(Tried { count, wrong })
}

fn judged(id: &'static str, one: &str, read: &Result<Tried, String>) -> Check {
    let (count, wrong) = match read {
        Ok(Tried { count, wrong }) => (*count, wrong),
        Err(what) => return Check::fail(id, what.clone(), "look at the disk that they are on"),
    };
    if count == 0 {
        return Check::ok(id, format!("no {one} needs a secret"));
    }
    let Some((_, first)) =
        wrong.iter().find(|(_, finding)| finding.outcome == Outcome::SecretOpen).or(wrong.first())
    else {
        return Check::ok(
            id,
            format!("{} of {one}s: what is kept here can be read", counted(count, "secret")),
        );
    };
    // Many resources may share a secret: what is wrong with it is said once.
    let mut causes: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (by, finding) in wrong {
        causes.entry(&finding.message).or_default().push(by);
    }
    let words: Vec<String> = causes
        .iter()
        .take(MOST)
        .map(|(message, by)| match by.as_slice() {
            [one] => format!("{one}: {message}"),
            [one, rest @ ..] => format!("{one} and {} more: {message}", rest.len()),
            [] => (*message).to_owned(),
        })
        .collect();
    let more = causes.len().saturating_sub(MOST);
    let more = if more > 0 { format!("; and {more} more") } else { String::new() };
    let what = format!("{} of {} of {one}s cannot be read here", wrong.len(), counted(count, "secret"));
    let help = first.advice().unwrap_or("correct what is named");
    let check = match first.outcome {
        // That somebody else may read it is bad wherever synthex runs.
        Outcome::SecretOpen => Check::fail(id, what, help),
        _ => Check::warn(
            id,
            what,
            format!("{help}; where neither `watch` nor `notify` runs, they are not needed"),
        ),
    };
    check.why(format!("{}{more}", words.join("; ")))
}
