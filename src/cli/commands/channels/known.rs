//! The channels that the database has.

use chrono::{DateTime, Utc};

use crate::cli::context::Context;
use crate::cli::error::CliError;
use crate::cli::listing::{self, Listing};
use crate::cli::preferences::{self, Choice};
use crate::cli::project::Found;
use crate::engine::delivery::channel::targets;
use crate::kinds::notification_channel::{self, ChannelType, NotificationChannelSpec};
use crate::model::diagnostic::did_you_mean;
use crate::store::outbox::ChannelStanding;
use crate::store::{ConnectOptions, Listed};

/// One channel.
pub struct Channel {
    /// The row.
    pub row: Listed,
    /// What it declares; why not, where the row was written by hand and says nothing sensible.
    pub spec: Result<NotificationChannelSpec, String>,
    /// What was learnt of it while delivering.
    pub standing: Option<ChannelStanding>,
}

impl Channel {
    fn new(row: Listed, standings: &[ChannelStanding]) -> Self {
        let spec = serde_json::from_value(row.canonical["spec"].clone()).map_err(|error| error.to_string());
        let own = |standing: &&ChannelStanding| {
            *standing.channel == *row.key.name && *standing.workspace == *row.key.workspace
        };
        let standing = standings.iter().find(own).cloned();
        Self { row, spec, standing }
    }

    /// What the receiver said when it was gone, while the channel is not used for that.
    pub fn gone(&self) -> Option<&str> {
        self.standing.as_ref()?.gone.as_deref()
    }

    /// Until when its receiver wants nothing.
    pub fn paused_until(&self) -> Option<DateTime<Utc>> {
        self.standing.as_ref()?.paused_until
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
        let known = Self::of(context, command, active.as_ref()).await?;
        listing::note_active(context, active.as_ref());
        Ok(known)
    }

    /// Reads them for a command that means one of them: of the active workspace, where one is.
    ///
    /// # Errors
    /// As [`Known::read`].
    pub async fn read_one(context: &Context, command: &str) -> Result<Self, CliError> {
        let active = listing::active(context, false)?;
        let known = Self::of(context, command, active.as_ref()).await?;
        if let Some(Choice { name, by }) = active.filter(|choice| choice.by != preferences::BY_OPTION) {
            context.printer.note(&format!("Of workspace `{name}` ({by}); --workspace names another one."));
        }
        Ok(known)
    }

    async fn of(context: &Context, command: &str, active: Option<&Choice>) -> Result<Self, CliError> {
        let mut listing = Listing::open(context, command, active.map(|choice| choice.name.as_str())).await?;
        let rows = listing.rows(&notification_channel::KIND).await?;
        let (found, options, is_installed) =
            (listing.found.take(), listing.options.clone(), listing.is_installed);
        let mut standings = Vec::new();
        if is_installed && listing.connection.has_outbox().await? {
            for scope in listing.scopes.clone() {
                let now = context.clock.now();
                standings.append(&mut listing.connection.channel_standings(scope.as_deref(), now).await?);
            }
        }
        listing.close().await;
        let channels = rows.into_iter().map(|row| Channel::new(row, &standings)).collect();
        Ok(Self { found, options, is_installed, channels })
    }

    /// The one channel of that name.
    ///
    /// # Errors
    /// There is none, or there are several, in several workspaces.
    pub fn one(&self, name: &str) -> Result<&Channel, CliError> {
        let mut named = self.channels.iter().filter(|channel| *channel.row.key.name == *name);
        // The project's own one is meant, as where something is sent.
        let usual = self.found.as_ref().and_then(|found| found.project.spec.workspace.as_deref());
        if let Some(own) = named.clone().find(|channel| Some(&*channel.row.key.workspace) == usual) {
            return Ok(own);
        }
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
