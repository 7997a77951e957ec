//! `alerts rules create`: a rule from options, and a channel where none fits.

use clap::Args;
use serde_json::{Map, Value, json};

use crate::cli::context::Context;
use crate::cli::desk::{Asked, Desk, OwnArgs, some};
use crate::cli::editing::{self, Manner};
use crate::cli::error::{CliError, ExitStatus};
use crate::cli::making::{self, Draft};
use crate::cli::signals::Signals;
use crate::cli::writing::WriteArgs;
use crate::kinds;
use crate::manifest::expand::Layers;
use crate::model::{Entry, ResourceKey};
use crate::plan::Row;

const COMMAND: &str = "alerts rules create";

/// Make an alert rule, and a channel for it where none fits
///
/// --channel takes the name of a channel, or a type: email, slack, webhook, console or in-app. For a type, the channel of that
/// type is used where there is one and nothing else is asked of it; otherwise one is made. A mail channel that is made sends
/// as another one of the workspace does, unless options say how. What is made belongs to no project; `synthex adopt` makes
/// manifests of it.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  synthex alerts rules create --type expiring_7d --channel email --recipients ops@agency.example \\\n      --smtp-host smtp.agency.example --from alerts@agency.example\n  synthex alerts rules create --type expired --channel slack --slack-webhook-env OPS_SLACK_WEBHOOK\n  synthex alerts rules create --type health --checks shopify --severity critical --channel pager\n  synthex alerts rules create --type usage --metric error --above 100 --window 1h --channel team-slack --dry-run"
)]
pub struct CreateArgs {
    /// What raises an alert
    #[arg(long = "type", value_name = "TYPE", value_parser = ["expiring_30d", "expiring_7d", "expiring_1d", "expired", "health", "usage"])]
    pub alert_type: String,
    /// Through which channels it is told: names or types, separated by commas
    #[arg(long, value_name = "CHANNEL", required = true, value_delimiter = ',')]
    pub channel: Vec<String>,
    /// The rule's name. Default: its type
    #[arg(long, value_name = "NAME")]
    pub name: Option<String>,
    /// What it is for
    #[arg(long, value_name = "TEXT")]
    pub description: Option<String>,
    /// How urgent its alerts are; of expiry, each threshold is as urgent as this
    #[arg(long, value_name = "SEVERITY", value_parser = ["info", "warning", "critical"])]
    pub severity: Option<String>,
    /// When it is evaluated: a cron expression of five fields, in UTC
    #[arg(long, value_name = "CRON")]
    pub schedule: Option<String>,
    /// Only these tenants: ids, separated by commas; `*` stands for any characters
    #[arg(long, value_name = "TENANTS", value_delimiter = ',')]
    pub tenants: Vec<String>,
    /// For type health: the checks that are watched, separated by commas. Default: all
    #[arg(long, value_name = "CHECKS", value_delimiter = ',', help_heading = "What raises it")]
    pub checks: Vec<String>,
    /// For type health: the states that raise an alert. Default: unhealthy
    #[arg(long, value_name = "STATUSES", value_delimiter = ',', help_heading = "What raises it")]
    pub statuses: Vec<String>,
    /// For type usage: what is counted
    #[arg(
        long,
        value_name = "METRIC",
        required_if_eq("alert_type", "usage"),
        help_heading = "What raises it"
    )]
    pub metric: Option<String>,
    /// For type usage: the number above which it is raised
    #[arg(
        long,
        value_name = "NUMBER",
        required_if_eq("alert_type", "usage"),
        help_heading = "What raises it"
    )]
    pub above: Option<u64>,
    /// For type usage: the length of time that is counted. Default: 24h
    #[arg(long, value_name = "TIME", help_heading = "What raises it")]
    pub window: Option<String>,
    #[command(flatten)]
    pub reach: ReachArgs,
    #[command(flatten)]
    pub write: WriteArgs,
    #[command(flatten)]
    pub own: OwnArgs,
}

/// How a channel that is made reaches people.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Channels that are made")]
pub struct ReachArgs {
    /// Mail: the recipients, separated by commas
    #[arg(long, value_name = "ADDRESSES", value_delimiter = ',')]
    pub recipients: Vec<String>,
    /// Mail: the sender's address
    #[arg(long, value_name = "ADDRESS")]
    pub from: Option<String>,
    /// Mail: the mail server
    #[arg(long, value_name = "HOST", conflicts_with = "api_key_env")]
    pub smtp_host: Option<String>,
    /// Mail: sent through this API
    #[arg(long, value_name = "API", value_parser = ["sendgrid", "resend"], requires = "api_key_env")]
    pub mail_api: Option<String>,
    /// Mail: the environment variable with the key of the API
    #[arg(long, value_name = "NAME", requires = "mail_api")]
    pub api_key_env: Option<String>,
    /// Slack: the environment variable with the address of the incoming webhook
    #[arg(long, value_name = "NAME")]
    pub slack_webhook_env: Option<String>,
    /// Webhook: the address
    #[arg(long, value_name = "URL")]
    pub webhook_url: Option<String>,
    /// Webhook: the environment variable with the signing secret
    #[arg(long, value_name = "NAME", requires = "webhook_url")]
    pub signing_secret_env: Option<String>,
}

/// Runs `alerts rules create`.
///
/// # Errors
/// It is there already, something is missing or wrong, or the database does not take it. Nothing was changed.
pub async fn create(context: &Context, args: &CreateArgs) -> Result<ExitStatus, CliError> {
    let signals = Signals::listen()?;
    making::no_write(&args.own)?;
    must_fit(args)?;
    let mut desk = Desk::open(context, COMMAND).await?;
    let workspace = making::workspace_of(&desk, context)?;
    let name = args.name.clone().unwrap_or_else(|| args.alert_type.replace('_', "-"));
    let key = ResourceKey::new(&kinds::alert_rule::KIND, workspace.as_str().into(), name.as_str());
    let update = format!("synthex alerts rules delete {name} -w {workspace}, or give --name");
    making::must_be_new(&desk, &key, &update)
        .map_err(|error| making::or_claimed(&desk, &key, &args.own, error))?;
    let of_kind = desk.living(&kinds::notification_channel::KIND);
    let keys: Vec<ResourceKey> =
        of_kind.filter(|head| *head.key.workspace == *workspace).map(|head| head.key.clone()).collect();
    let known = desk.rows(&keys).await?;
    let mut entries = Vec::new();
    let mut channels = Vec::new();
    for wanted in &args.channel {
        let (channel, made) = channel(&desk, &known, args, (&workspace, &name), wanted)?;
        entries.extend(made);
        if !channels.contains(&channel) {
            channels.push(channel);
        }
    }
    let mut draft = Draft::new(key);
    draft.spec = spec(args, channels);
    entries.push(draft.finish(Layers::new(Some(workspace)), option)?);
    let asked = Asked { entries, is_named: true, ..Asked::default() };
    let manner = Manner { command: COMMAND, own: &args.own, write: &args.write };
    let done = editing::carry_out(context, desk, asked, manner, Vec::new(), &signals).await?;
    Ok(done.status)
}

/// Refuses options that say something of another type of rule: what somebody asked for would be dropped.
fn must_fit(args: &CreateArgs) -> Result<(), CliError> {
    let options = [
        ("--checks", "health", !args.checks.is_empty()),
        ("--statuses", "health", !args.statuses.is_empty()),
        ("--metric", "usage", args.metric.is_some()),
        ("--above", "usage", args.above.is_some()),
        ("--window", "usage", args.window.is_some()),
    ];
    if let Some((option, wanted, _)) =
        options.into_iter().find(|(_, wanted, is_given)| *is_given && *wanted != args.alert_type)
    {
        let error = CliError::usage(format!("{option} is for --type {wanted}"))
            .why(format!("a rule of type {} does not look at it", args.alert_type));
        return Err(error.help(format!("leave {option} out, or write --type {wanted}")));
    }
    let reach = &args.reach;
    let options = [
        ("--recipients", "email", !reach.recipients.is_empty()),
        ("--from", "email", reach.from.is_some()),
        ("--smtp-host", "email", reach.smtp_host.is_some()),
        ("--mail-api", "email", reach.mail_api.is_some()),
        ("--slack-webhook-env", "slack", reach.slack_webhook_env.is_some()),
        ("--webhook-url", "webhook", reach.webhook_url.is_some()),
    ];
    let is_asked = |wanted: &str| args.channel.iter().any(|channel| channel == wanted);
    match options.into_iter().find(|(_, wanted, is_given)| *is_given && !is_asked(wanted)) {
        None => Ok(()),
        Some((option, wanted, _)) => {
            let error = CliError::usage(format!(
                "{option} is for a channel that is made, and none of type {wanted} is"
            ))
            .why(format!("--channel names {}", args.channel.join(", ")));
            Err(error.help(format!("leave {option} out, or add --channel {wanted}")))
        }
    }
}

fn spec(args: &CreateArgs, channels: Vec<String>) -> Map<String, Value> {
    let mut spec = Map::new();
    let mut add = |field: &str, value: Value| spec.insert(field.to_owned(), value);
    let threshold = args.alert_type.strip_prefix("expiring_").unwrap_or(&args.alert_type);
    add(
        "when",
        match args.alert_type.as_str() {
            "health" => {
                let mut health = Map::new();
                if !args.checks.is_empty() {
                    health.insert("checks".to_owned(), json!(args.checks));
                }
                if !args.statuses.is_empty() {
                    health.insert("statuses".to_owned(), json!(args.statuses));
                }
                json!({"healthStatus": health})
            }
            "usage" => {
                json!({"usageThreshold": {"metric": args.metric, "above": args.above, "window": args.window.as_deref().unwrap_or("24h")}})
            }
            _ => match &args.severity {
                Some(severity) => {
                    json!({"credentialExpiry": {"thresholds": [threshold], "severities": {threshold: severity}}})
                }
                None => json!({"credentialExpiry": {"thresholds": [threshold]}}),
            },
        },
    );
    add("channels", json!(channels));
    for (field, value) in
        [("description", &args.description), ("severity", &args.severity), ("schedule", &args.schedule)]
    {
        if let Some(value) = value {
            add(field, json!(value));
        }
    }
    // The default of the schedule is that of credentials: once a day is too seldom for what breaks at any time.
    if args.schedule.is_none() && matches!(args.alert_type.as_str(), "health" | "usage") {
        add("schedule", json!("*/5 * * * *"));
    }
    if !args.tenants.is_empty() {
        add("selector", json!({"tenants": args.tenants}));
    }
    spec
}

/// The option that gives a field of a rule.
fn option(field: &str) -> Option<String> {
    let option = match field.split('.').next().unwrap_or_default() {
        "metadata" => "--name NAME",
        "schedule" => "--schedule CRON",
        "selector" => "--tenants TENANTS",
        "severity" => "--severity SEVERITY",
        "description" => "--description TEXT",
        "when" => match field.split('.').nth(2).unwrap_or_default() {
            "checks" => "--checks CHECKS",
            "statuses" => "--statuses STATUSES",
            "metric" => "--metric METRIC",
            "above" => "--above NUMBER",
            "window" => "--window TIME",
            _ => return None,
        },
        _ => return None,
    };
    Some(option.to_owned())
}

/// The channel that is meant, and what is to be made for it.
fn channel(
    desk: &Desk<'_>,
    known: &[Row],
    args: &CreateArgs,
    (workspace, rule): (&str, &str),
    wanted: &str,
) -> Result<(String, Option<Entry>), CliError> {
    if let Some(row) = known.iter().find(|row| *row.key.name == *wanted) {
        return Ok((row.key.name.to_string(), None));
    }
    let of_type: Vec<&Row> = known.iter().filter(|row| row.canonical["spec"]["type"] == wanted).collect();
    let reach = &args.reach;
    let block = match wanted {
        "email" => reach.email(&of_type)?,
        "slack" => reach.slack_webhook_env.as_ref().map(|env| json!({"webhookUrl": {"env": env}})),
        "webhook" => reach.webhook(),
        "console" | "in-app" => None,
        _ => {
            let names: Vec<&str> = known.iter().map(|row| &*row.key.name).collect();
            let error = CliError::usage(format!("workspace `{workspace}` has no channel `{wanted}`"));
            return Err(error.help(format!(
                "name one of {}, or a type: email, slack, webhook, console, in-app",
                if names.is_empty() { "those you make".to_owned() } else { some(names.iter()) }
            )));
        }
    };
    let field = if wanted == "in-app" { "inApp" } else { wanted };
    let same = |row: &&&Row| block.as_ref().is_none_or(|block| row.canonical["spec"][field] == *block);
    match (of_type.iter().filter(same).collect::<Vec<_>>().as_slice(), &block) {
        ([one, ..], Some(_)) | ([one], None) => return Ok((one.key.name.to_string(), None)),
        (many, None) if many.len() > 1 => {
            let names = some(many.iter().map(|row| &*row.key.name));
            return Err(CliError::usage(format!("there are several channels of type {wanted}"))
                .help(format!("name one of {names}")));
        }
        ([], None) if !matches!(wanted, "console" | "in-app") => {
            let help = match wanted {
                "email" => "add --recipients ADDRESSES",
                "slack" => "add --slack-webhook-env NAME",
                _ => "add --webhook-url URL",
            };
            let error = CliError::usage(format!("workspace `{workspace}` has no channel of type {wanted}"));
            return Err(error.help(format!("to make one, {help}")));
        }
        _ => {}
    }
    let name = format!("{rule}-{wanted}");
    let key = ResourceKey::new(&kinds::notification_channel::KIND, workspace.into(), name.as_str());
    making::must_be_new(desk, &key, "name another one with --channel")?;
    let mut draft = Draft::new(key);
    draft.spec.insert("type".to_owned(), json!(wanted));
    if let Some(block) = block {
        draft.spec.insert(field.to_owned(), block);
    }
    Ok((name, Some(draft.finish(Layers::new(Some(workspace.to_owned())), |_| None)?)))
}

impl ReachArgs {
    /// The block of a mail channel; `None` where nothing is asked of it.
    fn email(&self, others: &[&Row]) -> Result<Option<Value>, CliError> {
        let says_how = self.smtp_host.is_some() || self.api_key_env.is_some() || self.from.is_some();
        if self.recipients.is_empty() {
            return if says_how {
                Err(CliError::usage("nobody is named to get the mail").help("add --recipients ADDRESSES"))
            } else {
                Ok(None)
            };
        }
        let as_others = others.first().map(|row| row.canonical["spec"]["email"].clone());
        let mut block = match (&self.smtp_host, &self.mail_api, as_others) {
            (Some(host), _, _) => json!({"transport": "smtp", "host": host}),
            (None, Some(api), _) => json!({"transport": api, "apiKey": {"env": self.api_key_env}}),
            (None, None, Some(block)) => block,
            (None, None, None) => {
                return Err(CliError::usage("it is not said how mail is sent")
                    .why("no other mail channel of the workspace says it either")
                    .help("add --smtp-host HOST --from ADDRESS, or --mail-api resend --api-key-env NAME --from ADDRESS"));
            }
        };
        match &self.from {
            Some(from) => block["from"] = json!(from),
            None if block.get("from").is_none() => {
                return Err(CliError::usage("the mail has no sender").help("add --from ADDRESS"));
            }
            None => {}
        }
        block["to"] = json!(self.recipients);
        Ok(Some(block))
    }

    fn webhook(&self) -> Option<Value> {
        let url = self.webhook_url.as_ref()?;
        let mut block = json!({"url": url});
        if let Some(env) = &self.signing_secret_env {
            block["signingSecret"] = json!({"env": env});
        }
        Some(block)
    }
}
