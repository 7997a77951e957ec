//! What messages are sent with: the channels, put together from what the environment says.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::channels::{Channels, MailEndpoints, Surroundings};
use crate::engine::credentials::{Finding, Secret, Secrets as _};
use crate::files::{self, io_words};
use crate::http::guarded::{Guard, SystemResolver};
use crate::model::secret::SecretRef;
use crate::providers::Providers;

use super::args::Format;
use super::context::Context;
use super::error::CliError;
use super::printer::write_stderr;
use super::project::Found;
use super::providing::{self, SecretSources};

/// The largest file of certificates.
const MOST_CERTIFICATES: u64 = 1 << 20;

/// The channels as commands have them.
pub type Sender<'c> = Channels<Around<'c>>;

/// Sends through every type of channel. Paths of secrets start from the project's folder, or from the working folder where
/// there is no project.
///
/// # Errors
/// A variable of the environment holds no address.
pub fn sender<'c>(context: &'c Context, found: Option<&Found>) -> Result<Sender<'c>, CliError> {
    let environment = found.and_then(|found| found.project.spec.environment.clone());
    sender_in(context, found.map(|found| found.folder.clone()), environment)
}

/// [`sender`] of a project in a folder, with its environment.
///
/// # Errors
/// As there.
pub fn sender_in(
    context: &Context,
    folder: Option<PathBuf>,
    environment: Option<String>,
) -> Result<Sender<'_>, CliError> {
    let get = |name: &str| context.environment.get(name);
    let endpoints = MailEndpoints::read(get("SYNTHEX_SENDGRID_URL"), get("SYNTHEX_RESEND_URL"));
    let endpoints = endpoints.map_err(|error| {
        CliError::usage(error.to_string())
            .why(error.why)
            .help(format!("correct {}, or unset it to call the service itself", error.variable))
    })?;
    let providers = providing::providers(context)?;
    let around = Around { context, folder, environment, providers };
    let guard = Guard::new(Arc::new(SystemResolver), context.recorder.calls());
    Ok(Channels::new(around, guard, endpoints))
}

/// What is around the channels of a command.
pub struct Around<'c> {
    context: &'c Context,
    folder: Option<PathBuf>,
    environment: Option<String>,
    providers: Providers,
}

impl Surroundings for Around<'_> {
    fn environment(&self) -> Option<&str> {
        self.environment.as_deref()
    }

    async fn secret(&self, reference: &SecretRef) -> Result<Secret, Finding> {
        SecretSources::new(self.context, self.folder.as_deref(), &self.providers).read(reference).await
    }

    async fn password(&self, reference: &SecretRef) -> Result<Secret, Finding> {
        SecretSources::new(self.context, self.folder.as_deref(), &self.providers).read_line(reference).await
    }

    fn certificates(&self, path: &str) -> Result<Vec<u8>, String> {
        let folder = self.folder.as_deref().unwrap_or(Path::new(""));
        let path = self.context.directory.join(folder).join(path);
        let wrong =
            |why: String| format!("the file of certificates {} cannot be read: {why}", path.display());
        // A pipe would have us wait for ever.
        if files::is_there(&path) && !files::is_file(&path) {
            return Err(wrong("it is no file".to_owned()));
        }
        if files::size(&path) > MOST_CERTIFICATES {
            return Err(wrong("it is larger than 1 MiB".to_owned()));
        }
        files::read_bytes(&path).map_err(|error| wrong(io_words(&error)))
    }

    fn write_line(&self, line: &str) -> Result<(), String> {
        let line = format!("{line}\n");
        // Where the result is JSON, it is alone on standard output.
        if self.wants_json() {
            write_stderr(&line);
            return Ok(());
        }
        self.context.printer.result(&line);
        self.context.printer.check().map_err(|error| error.why.unwrap_or(error.what))
    }

    fn wants_json(&self) -> bool {
        self.context.global.format == Format::Json
    }
}
