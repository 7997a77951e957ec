//! The channels that the database has.

use crate::cli::context::Context;
use crate::cli::error::CliError;
use crate::cli::listing::{self, Listing};
use crate::cli::project::Found;
use crate::kinds::notification_channel::{self, ChannelType, NotificationChannelSpec};
use crate::model::diagnostic::did_you_mean;
use crate::store::{ConnectOptions, Listed};

/// One channel.
pub struct Channel {
    /// The row.
    pub row: Listed,
    /// What it declares; why not, where the row was written by hand and says nothing sensible.
    pub spec: Result<NotificationChannelSpec, String>,
}

impl Channel {
    fn new(row: Listed) -> Self {
        let spec = serde_json::from_value(row.canonical["spec"].clone()).map_err(|error| error.to_string());
        Self { row, spec }
    }

    /// The word for its type.
    pub fn type_code(&self) -> &str {
        self.row.canonical["spec"]["type"].as_str().unwrap_or("?")
    }

    /// To whom it goes, as far as that is no secret.
    pub fn reaches(&self) -> String {
        let Ok(spec) = &self.spec else { return "-".to_owned() };
        let targets = targets(spec);
        match spec.channel_type {
            ChannelType::Email => targets.join(", "),
            ChannelType::InApp if spec.in_app.is_some() => targets.join(", "),
            ChannelType::InApp => "everybody's inbox".to_owned(),
            ChannelType::Slack => "an incoming webhook".to_owned(),
            ChannelType::Webhook => spec.webhook.as_ref().map_or_else(
                || "-".to_owned(),
                // What is behind the host may be secret.
                |webhook| webhook.url.split('/').take(3).collect::<Vec<_>>().join("/"),
            ),
            ChannelType::Console => "standard output".to_owned(),
        }
    }
}

/// The targets of a channel: one for each recipient of mail and each inbox, and one without a name for all others.
pub fn targets(spec: &NotificationChannelSpec) -> Vec<String> {
    let named = match spec.channel_type {
        ChannelType::Email => spec.email.as_ref().map(|email| email.to.clone()),
        ChannelType::InApp => spec.in_app.as_ref().map(|inbox| inbox.recipients.clone()),
        ChannelType::Slack | ChannelType::Webhook | ChannelType::Console => None,
    };
    named.filter(|targets| !targets.is_empty()).unwrap_or_else(|| vec![String::new()])
}

/// All of them.
pub struct Known {
    /// The project, where there is one.
    pub found: Option<Found>,
    /// How to connect again.
    pub options: ConnectOptions,
    /// Whether synthex is installed there.
    pub is_installed: bool,
    /// The channels, sorted by key.
    pub channels: Vec<Channel>,
}

impl Known {
    /// Reads them; of the active workspace, where one is, unless all are wanted.
    ///
    /// # Errors
    /// The database does not answer, or no workspace is known where one must be.
    pub async fn read(context: &Context, command: &str, all: bool) -> Result<Self, CliError> {
        let active = listing::active(context, all)?;
        let mut listing =
            Listing::open(context, command, active.as_ref().map(|choice| choice.name.as_str())).await?;
        let rows = listing.rows(&notification_channel::KIND).await?;
        let (found, options, is_installed) =
            (listing.found.take(), listing.options.clone(), listing.is_installed);
        listing.close().await;
        listing::note_active(context, active.as_ref());
        Ok(Self { found, options, is_installed, channels: rows.into_iter().map(Channel::new).collect() })
    }

    /// The one channel of that name.
    ///
    /// # Errors
    /// There is none, or there are several, in several workspaces.
    pub fn one(&self, name: &str) -> Result<&Channel, CliError> {
        let mut named = self.channels.iter().filter(|channel| *channel.row.key.name == *name);
        match (named.next(), named.next()) {
            (Some(one), None) => Ok(one),
            (Some(first), Some(second)) => {
                let (first, second) = (&first.row.key.workspace, &second.row.key.workspace);
                Err(CliError::usage(format!("several workspaces have a channel `{name}`"))
                    .why(format!("`{first}` and `{second}` do"))
                    .help(format!("name one: --workspace {first}")))
            }
            (None, _) => {
                let all: Vec<&str> = self.channels.iter().map(|channel| &*channel.row.key.name).collect();
                let help = match did_you_mean(name, all.iter().copied()) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None if all.is_empty() => "declare a NotificationChannel and apply it".to_owned(),
                    None => "look at what is there: synthex channels list --all-workspaces".to_owned(),
                };
                Err(CliError::usage(format!("there is no channel `{name}`")).help(help))
            }
        }
    }
}
