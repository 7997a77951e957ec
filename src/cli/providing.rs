//! Puts providers and secret sources together from what the environment says.

use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::sync::OnceCell;

use crate::engine::credentials::{Finding, Outcome, Reading, Secret, Secrets};
use crate::files::{self, SecretSlot};
use crate::http::Client;
use crate::model::clock::{Clock as _, SystemClock};
use crate::model::secret::SecretRef;
use crate::providers::{Endpoints, Providers, secret_manager};

use super::context::Context;
use super::error::CliError;

/// How long to wait for an answer of a provider, in seconds.
const USUAL_TIMEOUT: u64 = 20;

/// The file with the key of the service account that reads Secret Manager.
const ACCOUNT: &str = "GOOGLE_APPLICATION_CREDENTIALS";

/// Where the services are, as the environment says.
///
/// # Errors
/// A variable holds no address.
pub fn endpoints(context: &Context) -> Result<Endpoints, CliError> {
    let get = |name: &str| context.environment.get(name);
    let addresses = [
        ("SYNTHEX_SHOPIFY_BASE_URL", get("SYNTHEX_SHOPIFY_BASE_URL")),
        ("SYNTHEX_GOOGLE_MERCHANT_URL", get("SYNTHEX_GOOGLE_MERCHANT_URL")),
        ("SYNTHEX_GOOGLE_OAUTH_URL", get("SYNTHEX_GOOGLE_OAUTH_URL")),
        ("SYNTHEX_SECRET_MANAGER_URL", get("SYNTHEX_SECRET_MANAGER_URL")),
    ];
    Endpoints::read(addresses).map_err(|error| {
        CliError::usage(error.to_string())
            .why(error.why)
            .help(format!("correct {}, or unset it to call the service itself", error.variable))
    })
}

/// The providers, at the addresses that the environment names.
///
/// # Errors
/// A variable holds no address, or no time.
pub fn providers(context: &Context) -> Result<Providers, CliError> {
    let endpoints = endpoints(context)?;
    let timeout = match context.environment.get("SYNTHEX_HTTP_TIMEOUT") {
        None => USUAL_TIMEOUT,
        Some(text) => text.parse().ok().filter(|seconds| (1..=120).contains(seconds)).ok_or_else(|| {
            CliError::usage("SYNTHEX_HTTP_TIMEOUT is no time to wait for a provider")
                .why(format!("it is `{text}`"))
                .help("set it to seconds, from 1 to 120, or unset it")
        })?,
    };
    let client = Client::new(Duration::from_secs(timeout), context.recorder.calls());
    Ok(Providers::new(client, endpoints))
}

/// Where secrets are read from: the environment, files, Secret Manager.
pub struct SecretSources<'c> {
    context: &'c Context,
    /// The folder that paths of secrets start from.
    folder: PathBuf,
    providers: &'c Providers,
    /// The service account's key, read once.
    account: OnceCell<Result<Secret, Finding>>,
}

impl<'c> SecretSources<'c> {
    /// Paths of secrets start from the project's folder, or from the working folder where there is no project.
    #[must_use]
    pub fn new(context: &'c Context, folder: Option<&Path>, providers: &'c Providers) -> Self {
        let folder = match folder {
            Some(folder) => context.directory.join(folder),
            None => context.directory.clone(),
        };
        Self { context, folder, providers, account: OnceCell::new() }
    }

    /// The key of the service account that reads Secret Manager.
    ///
    /// # Errors
    /// None is named, or it cannot be read. Nobody is asked whether it is taken.
    pub fn account(&self) -> Result<Secret, Finding> {
        let path = self.context.environment.get("GOOGLE_APPLICATION_CREDENTIALS").ok_or_else(|| {
            Finding::new(Outcome::OwnKey, format!("Secret Manager cannot be asked: {ACCOUNT} is not set"))
                .help(format!("set {ACCOUNT} to the file with a service account's key"))
        })?;
        let account = files::read_secret_file(&self.context.directory.join(path))
            .map_err(secret_manager::of_own_key)?;
        if account.is_service_account() || account.field("refresh_token").is_some() {
            return Ok(account);
        }
        let what = format!("{ACCOUNT} names no service account's key");
        Err(secret_manager::of_own_key(Finding::new(Outcome::SecretMalformed, what)))
    }
}

impl Secrets for SecretSources<'_> {
    type Slot = SecretSlot;

    async fn read(&self, reference: &SecretRef) -> Result<Secret, Finding> {
        self.read_as(reference, Secret::read).await
    }

    async fn slot(&self, reference: &SecretRef) -> Result<SecretSlot, Finding> {
        files::open_secret_slot(&self.saved(reference)?)
    }

    async fn could_save(&self, reference: &SecretRef) -> Result<bool, Finding> {
        files::could_save_secret(&self.saved(reference)?)
    }
}

impl SecretSources<'_> {
    /// Reads a secret that people may have chosen: any line.
    ///
    /// # Errors
    /// As [`Secrets::read`], but what is in the line does not matter.
    pub async fn read_line(&self, reference: &SecretRef) -> Result<Secret, Finding> {
        self.read_as(reference, Secret::read_line).await
    }

    async fn read_as(&self, reference: &SecretRef, reading: Reading) -> Result<Secret, Finding> {
        match reference {
            SecretRef::Env(name) => {
                let text = self.context.environment.get(name).ok_or_else(|| {
                    let what = match self.context.environment.raw(name) {
                        None => format!("the variable {name} is not set"),
                        Some(raw) if raw.is_empty() => format!("the variable {name} is empty"),
                        Some(_) => format!("the variable {name} is no UTF-8 text"),
                    };
                    Finding::new(Outcome::SecretMissing, what)
                })?;
                reading(text.to_owned()).map_err(|finding| Finding {
                    message: format!("the variable {name}: {}", finding.message),
                    ..finding
                })
            }
            SecretRef::File(path) => files::read_secret_file_as(&self.folder.join(path), reading),
            SecretRef::GcpSecretManager(name) => {
                let account = self.account.get_or_init(async || self.account()).await.clone()?;
                secret_manager::access(self.providers, name, &account, SystemClock.now(), reading).await
            }
        }
    }

    /// The file that a new secret is saved in.
    fn saved(&self, reference: &SecretRef) -> Result<PathBuf, Finding> {
        let cannot = |what: String| Err(Finding::new(Outcome::CannotSave, what));
        match reference {
            SecretRef::File(path) => Ok(self.folder.join(path)),
            SecretRef::Env(name) => cannot(format!(
                "the secret comes from the variable {name}, where a new pair cannot be saved; nothing was asked for"
            )),
            SecretRef::GcpSecretManager(name) => cannot(format!(
                "the secret comes from {name}, where synthex does not save; nothing was asked for"
            )),
        }
    }
}
